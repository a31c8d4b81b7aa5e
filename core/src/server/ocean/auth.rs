//! Who asks: the signatures of ocean.js.
//!
//! A request that only its maker may make says who that is, a number that rises with each (the *nonce*), and a signature:
//!
//! ```text
//! message   = consumerAddress ‖ nonce ‖ command         as text, the address with its checksum
//! hash      = Keccak-256(message)
//! signature = EIP-191 personal signature of hash's bytes, without leading zeros (ethers' `toBeArray`)
//! ```
//!
//! The command names what is asked and nothing of its arguments, so that who sees a request may send others under its
//! signature until the nonce is spent. **The way to the node must be HTTPS**, as for every node of Ocean's.

use sha3::{Digest as _, Keccak256};

use super::error::Refusal;
use crate::{Address, Digest, Signature};

/// The most that a client of Ocean's counts to: what is above is no number of JavaScript's.
pub(super) const MAX_NONCE: u64 = (1 << 53) - 1;

/// What a signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Encrypt,
    Validate,
    Download,
    Start,
    Stop,
    Result,
}

impl Command {
    /// In Ocean's words (`PROTOCOL_COMMANDS`).
    pub(super) const fn name(self) -> &'static str {
        match self {
            Command::Encrypt => "encrypt",
            Command::Validate => "validateDDO",
            Command::Download => "download",
            Command::Start => "startCompute",
            Command::Stop => "stopCompute",
            Command::Result => "getComputeResult",
        }
    }
}

/// An account that signed a request, and the nonce of it, which is not spent yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the nonce is to be spent before anything is done"]
pub(super) struct Signed {
    pub(super) who: Address,
    pub(super) nonce: u64,
}

impl Signed {
    /// Checks a signature.
    ///
    /// # Errors
    /// `400` for what is missing or no address, number or signature; `401` for another's signature.
    pub(super) fn check(
        command: Command,
        who: Option<&str>,
        nonce: Option<&str>,
        signature: Option<&str>,
    ) -> Result<Self, Refusal> {
        let text = who.ok_or_else(|| Refusal::missing("consumerAddress"))?;
        let nonce = nonce.ok_or_else(|| Refusal::missing("nonce"))?;
        let signature = signature.ok_or_else(|| Refusal::missing("signature"))?;
        let who = address("consumerAddress", text)?;
        let number: u64 = nonce.parse().map_err(|_| Refusal::malformed("The nonce is no number"))?;
        if number > MAX_NONCE || number.to_string() != nonce {
            return Err(Refusal::malformed("The nonce is no number"));
        }
        let signature = read_signature(signature).ok_or_else(|| Refusal::malformed("The signature is none"))?;
        let message = format!("{text}{nonce}{}", command.name());
        if digests(&message).iter().all(|digest| signature.signer(digest) != Some(who)) {
            return Err(Refusal::unauthorized("consumer address and nonce signature mismatch"));
        }
        Ok(Self { who, nonce: number })
    }
}

/// An address in a parameter.
pub(super) fn address(parameter: &str, text: &str) -> Result<Address, Refusal> {
    text.parse().map_err(|_| Refusal::malformed(format!("Parameter : \"{parameter}\" is not a valid web3 address")))
}

fn read_signature(text: &str) -> Option<Signature> {
    let mut bytes = [0; 65];
    hex::decode_to_slice(text.strip_prefix("0x")?, &mut bytes).ok()?;
    if let 27 | 28 = bytes[64] {
        bytes[64] -= 27;
    }
    Some(Signature::from_bytes(bytes))
}

/// What a wallet signs for a message: as ethers does it, and with the zeros that it leaves out.
fn digests(message: &str) -> [Digest; 2] {
    let hash: [u8; 32] = Keccak256::digest(message.as_bytes()).into();
    let zeros = hash.iter().take_while(|byte| **byte == 0).count();
    [&hash[zeros..], &hash[..]].map(personal)
}

/// EIP-191, version 0x45.
fn personal(bytes: &[u8]) -> Digest {
    let prefix = format!("\x19Ethereum Signed Message:\n{}", bytes.len());
    Digest::from_bytes(Keccak256::digest([prefix.as_bytes(), bytes].concat()).into())
}

/// What the node signs of a text of its own, as Ocean's nodes sign validations.
pub(super) fn digest_of_text(text: &str) -> Digest {
    personal(&Keccak256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Account;

    fn sign(account: &Account, message: &str) -> String {
        let mut bytes = *account.sign(&digests(message)[0]).unwrap().as_bytes();
        bytes[64] += 27;
        format!("0x{}", hex::encode(bytes))
    }

    #[test]
    fn a_signature_is_for_one_account_one_nonce_and_one_command() {
        let (account, other) = (Account::generate(), Account::generate());
        let who = account.address().to_string();
        // With some nonces the hash begins with zeros.
        for nonce in (1..600u64).map(|nonce| nonce.to_string()) {
            let signature = sign(&account, &format!("{who}{nonce}download"));
            let check = |command, who: &str, nonce: &str, signature: &str| {
                Signed::check(command, Some(who), Some(nonce), Some(signature))
            };
            let signed = check(Command::Download, &who, &nonce, &signature).unwrap();
            assert_eq!(signed, Signed { who: account.address(), nonce: nonce.parse().unwrap() });
            assert!(check(Command::Start, &who, &nonce, &signature).is_err());
            assert!(check(Command::Download, &who, &format!("{nonce}1"), &signature).is_err());
            assert!(check(Command::Download, &other.address().to_string(), &nonce, &signature).is_err());
            assert!(check(Command::Download, &who, &format!("0{nonce}"), &signature).is_err());
            assert!(check(Command::Download, &who, &nonce, &signature[..130]).is_err());
        }
        assert!(Signed::check(Command::Download, None, Some("1"), Some("0x")).is_err());
    }
}
