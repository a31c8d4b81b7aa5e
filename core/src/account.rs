//! Accounts: secp256k1 keys, Ethereum addresses and recoverable signatures.
//!
//! One kind of key signs transactions, manifests and receipts, so that an owner has one identity on the embedded ledger
//! and on an EVM chain. Signatures are ECDSA with a low `s` (EIP-2), deterministic (RFC 6979), over a
//! [`Digest`] whose label separates the purposes.
//!
//! The key may be elsewhere: an [`ExternalSigner`] is a hardware wallet, a cloud's key service or a process of its own. What
//! Sealock derives from an account's key (the secrets of orders, the keys of wallets and key stores) then follows from a
//! signature over [one fixed message](Account::external), as rollups derive their keys from wallets. It is as secret as the
//! key itself: whoever gets that message signed by the account has them, so that a signer must sign it for nobody else, and it
//! must be deterministic (RFC 6979), which is checked.

use std::fmt;
use std::sync::Arc;

use hkdf::Hkdf;
use k256::ecdsa::{RecoveryId, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::Sha512;
use sha3::{Digest as _, Keccak256};
use zeroize::Zeroizing;

use crate::{
    Digest,
    error::{Classify, ErrorKind},
};

/// Why an account operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountError {
    /// The bytes are no secret key: zero, or not below the group's order.
    #[error("not a secp256k1 secret key: expected 32 bytes between 1 and the group order")]
    InvalidSecret,
    /// The text is no address.
    #[error("not an address: {got:?} ({why})")]
    InvalidAddress {
        /// What came.
        got: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The signature is not one by the expected account over these bytes.
    #[error("the signature is not by {expected}")]
    BadSignature {
        /// The account that should have signed.
        expected: Address,
    },
    /// An external signer did not sign.
    #[error("the signer of {account} did not sign: {why}")]
    Signer {
        /// The account.
        account: Address,
        /// What it says, or what is wrong with what it gave.
        why: String,
    },
}

impl Classify for AccountError {
    fn kind(&self) -> ErrorKind {
        match self {
            AccountError::InvalidSecret | AccountError::InvalidAddress { .. } => ErrorKind::InvalidArgument,
            AccountError::BadSignature { .. } => ErrorKind::BadSignature,
            AccountError::Signer { .. } => ErrorKind::Unreachable,
        }
    }
}

/// A 20-byte Ethereum address, shown with the EIP-55 checksum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Address(#[serde(with = "serde_bytes")] [u8; 20]);

impl Address {
    /// The zero address, which nobody holds the key of.
    pub const ZERO: Address = Address([0; 20]);

    /// Wraps 20 bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The address of a public key: the last 20 bytes of Keccak-256 over its uncompressed coordinates.
    fn of(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        let hash = Keccak256::digest(&point.as_bytes()[1..]);
        let mut out = [0; 20];
        out.copy_from_slice(&hash[12..]);
        Self(out)
    }
}

impl fmt::Display for Address {
    /// EIP-55: a hex letter is upper case where the hash of the lower-case text has its high bit set.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lower = hex::encode(self.0);
        let hash = Keccak256::digest(lower.as_bytes());
        f.write_str("0x")?;
        for (i, c) in lower.chars().enumerate() {
            let nibble = hash[i / 2] >> (4 * (1 - i % 2)) & 0xf;
            write!(f, "{}", if nibble >= 8 { c.to_ascii_uppercase() } else { c })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

impl std::str::FromStr for Address {
    type Err = AccountError;

    /// Reads `0x` and 40 hex digits; mixed case must carry a correct EIP-55 checksum.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let bad = |why| AccountError::InvalidAddress { got: s.chars().take(64).collect(), why };
        let digits = s.strip_prefix("0x").ok_or_else(|| bad("expected 0x and 40 hex digits"))?;
        let mut out = [0; 20];
        hex::decode_to_slice(digits, &mut out).map_err(|_| bad("expected 0x and 40 hex digits"))?;
        let address = Self(out);
        let mixed = digits.chars().any(|c| c.is_ascii_uppercase()) && digits.chars().any(|c| c.is_ascii_lowercase());
        if mixed && address.to_string() != s {
            return Err(bad("the EIP-55 checksum does not fit: check for a typing error"));
        }
        Ok(address)
    }
}

/// A recoverable ECDSA signature: `r`, `s`, and the parity of the curve point.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature(#[serde(with = "serde_bytes")] [u8; 65]);

impl Signature {
    /// Wraps `r ‖ s ‖ parity` (32, 32 and 1 bytes).
    pub const fn from_bytes(bytes: [u8; 65]) -> Self {
        Self(bytes)
    }

    /// `r ‖ s ‖ parity`.
    pub const fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    /// The account that signed `digest`, or `None` if nobody did: `s` in the upper half (EIP-2), a parity other than
    /// 0 or 1, or no point on the curve.
    pub fn signer(&self, digest: &Digest) -> Option<Address> {
        let signature = k256::ecdsa::Signature::from_slice(&self.0[..64]).ok()?;
        if signature.normalize_s() != signature || self.0[64] > 1 {
            return None;
        }
        let id = RecoveryId::from_byte(self.0[64])?;
        VerifyingKey::recover_from_prehash(digest.as_bytes(), &signature, id).ok().map(|key| Address::of(&key))
    }

    /// Checks that `expected` signed `digest`.
    ///
    /// # Errors
    /// [`AccountError::BadSignature`] otherwise.
    pub fn verify(&self, digest: &Digest, expected: Address) -> Result<(), AccountError> {
        if self.signer(digest) == Some(expected) { Ok(()) } else { Err(AccountError::BadSignature { expected }) }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", hex::encode(&self.0[..6]))
    }
}

/// Signs for an account whose key is elsewhere.
pub trait ExternalSigner: Send + Sync {
    /// The account's address.
    fn address(&self) -> Address;

    /// Signs 32 bytes, as they are (with no prefix of EIP-191): `r ‖ s ‖ parity` with a low `s`, the same each time.
    ///
    /// # Errors
    /// Why it does not, in words.
    fn sign(&self, digest: &Digest) -> Result<Signature, String>;
}

/// A secret key and its address. Wiped when dropped; shown by its address alone.
pub struct Account {
    key: Key,
    address: Address,
}

enum Key {
    Here(SigningKey),
    Elsewhere {
        signer: Arc<dyn ExternalSigner>,
        /// What other keys derive from.
        seed: Zeroizing<[u8; 32]>,
    },
}

impl Account {
    /// A fresh account from the operating system's randomness.
    pub fn generate() -> Self {
        loop {
            let mut secret = zeroize::Zeroizing::new([0u8; 32]);
            getrandom::fill(secret.as_mut()).expect("the operating system provides randomness");
            // Fails with probability 2^-128.
            if let Ok(account) = Self::from_secret_bytes(&secret) {
                return account;
            }
        }
    }

    /// The account of a secret key of 32 bytes, big-endian.
    ///
    /// # Errors
    /// [`AccountError::InvalidSecret`] if it is zero or not below the group's order.
    pub fn from_secret_bytes(secret: &[u8; 32]) -> Result<Self, AccountError> {
        let key = SigningKey::from_slice(secret).map_err(|_| AccountError::InvalidSecret)?;
        let address = Address::of(key.verifying_key());
        Ok(Self { key: Key::Here(key), address })
    }

    /// An account whose key a signer holds. It is asked twice for a signature of
    /// `Digest::of("sealock/v1/account-seed", [address])`, from which (by HKDF-SHA512, RFC 5869) follow the secrets that
    /// would otherwise follow from the key.
    ///
    /// # Errors
    /// [`AccountError::Signer`] if it does not sign, signs for another address, or signs the same bytes otherwise the
    /// second time.
    pub fn external(signer: Arc<dyn ExternalSigner>) -> Result<Self, AccountError> {
        let address = signer.address();
        let digest = Digest::of("sealock/v1/account-seed", &[address.as_bytes()]);
        let sign = || Ok(Zeroizing::new(*signed(&*signer, address, &digest)?.as_bytes()));
        let first = sign()?;
        if sign()? != first {
            let why = "it does not sign deterministically (RFC 6979), so that no secret can follow from it".into();
            return Err(AccountError::Signer { account: address, why });
        }
        let mut seed = Zeroizing::new([0; 32]);
        Hkdf::<Sha512>::new(Some(b"sealock/v1/account-seed"), first.as_ref())
            .expand(address.as_bytes(), seed.as_mut())
            .expect("32 bytes are within HKDF's limit");
        Ok(Self { key: Key::Elsewhere { signer, seed }, address })
    }

    /// Whether the key is with an [`ExternalSigner`].
    pub const fn is_external(&self) -> bool {
        matches!(self.key, Key::Elsewhere { .. })
    }

    /// The secret that this account's other keys derive from: the secret key, for a key store alone; or with an external
    /// signer, what follows from its signature, which is no key of the account. The name shows in a review.
    pub fn expose_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        match &self.key {
            Key::Here(key) => Zeroizing::new(key.to_bytes().into()),
            Key::Elsewhere { seed, .. } => seed.clone(),
        }
    }

    /// The account's address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Signs a labelled digest.
    ///
    /// # Errors
    /// [`AccountError::Signer`] of an external signer. A key that is here always signs.
    pub fn sign(&self, digest: &Digest) -> Result<Signature, AccountError> {
        match &self.key {
            Key::Here(key) => {
                let (signature, id) = key.sign_prehash_recoverable(digest.as_bytes());
                let mut out = [0; 65];
                out[..64].copy_from_slice(&signature.to_bytes());
                out[64] = id.to_byte();
                Ok(Signature(out))
            }
            Key::Elsewhere { signer, .. } => signed(&**signer, self.address, digest),
        }
    }
}

/// What a signer signed, which is checked: what it gives may go onto a chain.
fn signed(signer: &dyn ExternalSigner, account: Address, digest: &Digest) -> Result<Signature, AccountError> {
    let signature = signer.sign(digest).map_err(|why| AccountError::Signer { account, why })?;
    if signature.signer(digest) != Some(account) {
        let why = "what it gave is no signature of this account with a low s".into();
        return Err(AccountError::Signer { account, why });
    }
    Ok(signature)
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first account of Hardhat's and anvil's well-known test mnemonic.
    const SECRET: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
    const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

    fn account() -> Account {
        let mut secret = [0; 32];
        hex::decode_to_slice(SECRET, &mut secret).unwrap();
        Account::from_secret_bytes(&secret).unwrap()
    }

    #[test]
    fn the_address_is_ethereums() {
        assert_eq!(account().address().to_string(), ADDRESS);
        assert_eq!(ADDRESS.parse::<Address>().unwrap(), account().address());
        assert_eq!(ADDRESS.to_lowercase().parse::<Address>().unwrap(), account().address());
        assert!(ADDRESS.replace("Fd", "fd").parse::<Address>().is_err(), "a wrong checksum is refused");
        assert!(ADDRESS[2..].parse::<Address>().is_err());
    }

    #[test]
    fn a_signature_names_its_signer_and_nothing_else() {
        let (account, digest) = (account(), Digest::of("test", &[b"x"]));
        let signature = account.sign(&digest).unwrap();
        assert_eq!(signature.signer(&digest), Some(account.address()));
        signature.verify(&digest, account.address()).unwrap();
        assert!(signature.verify(&Digest::of("test", &[b"y"]), account.address()).is_err());
        for i in 0..65 {
            let mut bytes = *signature.as_bytes();
            bytes[i] ^= 1;
            assert!(Signature::from_bytes(bytes).verify(&digest, account.address()).is_err(), "byte {i}");
        }
    }

    #[test]
    fn the_mirrored_signature_is_refused() {
        let (account, digest) = (account(), Digest::of("test", &[b"x"]));
        let signature = account.sign(&digest).unwrap();
        let plain = k256::ecdsa::Signature::from_slice(&signature.as_bytes()[..64]).unwrap();
        let mirrored = k256::ecdsa::Signature::from_scalars(plain.r().to_bytes(), (-*plain.s()).to_bytes()).unwrap();
        // ECDSA itself accepts it: the same key, the same message, other bytes.
        let id = RecoveryId::from_byte(signature.as_bytes()[64] ^ 1).unwrap();
        let recovered = VerifyingKey::recover_from_prehash(digest.as_bytes(), &mirrored, id).unwrap();
        assert_eq!(Address::of(&recovered), account.address());
        let mut bytes = [0; 65];
        bytes[..64].copy_from_slice(&mirrored.to_bytes());
        bytes[64] = id.to_byte();
        assert_eq!(Signature::from_bytes(bytes).signer(&digest), None);
    }

    /// A key in another place, which lies when it is told to.
    struct Elsewhere {
        account: Account,
        told: std::sync::Mutex<&'static str>,
    }

    impl ExternalSigner for Elsewhere {
        fn address(&self) -> Address {
            self.account.address()
        }
        fn sign(&self, digest: &Digest) -> Result<Signature, String> {
            match *self.told.lock().unwrap() {
                "refuse" => Err("the user pressed no".into()),
                "lie" => Ok(Account::generate().sign(digest).unwrap()),
                _ => self.account.sign(digest).map_err(|e| e.to_string()),
            }
        }
    }

    #[test]
    fn a_key_may_be_elsewhere() {
        let signer = Arc::new(Elsewhere { account: account(), told: "".into() });
        let external = Account::external(signer.clone()).unwrap();
        assert!(external.is_external() && external.address() == account().address());
        let digest = Digest::of("test", &[b"x"]);
        external.sign(&digest).unwrap().verify(&digest, account().address()).unwrap();
        // What derives from it is always the same, and is not the key.
        let seed = external.expose_secret_bytes();
        assert_eq!(*Account::external(signer.clone()).unwrap().expose_secret_bytes(), *seed);
        assert_ne!(*seed, *account().expose_secret_bytes());
        for told in ["refuse", "lie"] {
            *signer.told.lock().unwrap() = told;
            assert_eq!(external.sign(&digest).unwrap_err().kind(), ErrorKind::Unreachable);
            assert!(Account::external(signer.clone()).is_err());
        }
        assert!(!format!("{external:?}").contains("seed"));
    }

    #[test]
    fn debug_shows_no_secret() {
        assert!(!format!("{:?}", account()).to_lowercase().contains("ac0974"));
    }
}
