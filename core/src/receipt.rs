//! Receipts: what an owner signs for every job, each chained to the one before.

use serde::{Deserialize, Serialize};

use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::error::{Classify, ErrorKind};
use crate::job::JobId;
use crate::time::Timestamp;
use crate::{Account, Address, Digest, Signature};

/// Largest encoding of a receipt, in bytes.
pub const MAX_RECEIPT_BYTES: usize = 4096;
const VERSION: u64 = 1;

/// Why a receipt, or a chain of them, does not stand.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Bytes that are no receipt.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Signed by somebody else, or changed since.
    #[error(transparent)]
    Signature(#[from] crate::account::AccountError),
    /// The receipt is about something else.
    #[error("the receipt's {what} is not that of this job")]
    Mismatch {
        /// The part that differs.
        what: &'static str,
    },
    /// A receipt is missing, moved or replaced.
    #[error("the chain breaks at receipt {number}: it does not name the one before")]
    BrokenChain {
        /// Position in the chain, from 0.
        number: u64,
    },
}

impl Classify for ReceiptError {
    fn kind(&self) -> ErrorKind {
        match self {
            ReceiptError::Codec(e) => e.kind(),
            ReceiptError::Signature(e) => e.kind(),
            ReceiptError::Mismatch { .. } | ReceiptError::BrokenChain { .. } => ErrorKind::BadSignature,
        }
    }
}

/// What a receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Version of this form.
    pub version: u64,
    /// Position in the node's chain, from 0.
    pub number: u64,
    /// Digest of the receipt before, or of the owner's address for the first.
    pub previous: Digest,
    /// DID of the asset.
    pub asset: String,
    /// The job.
    pub job: JobId,
    /// Digest of the program that ran.
    pub program: Digest,
    /// Digest of the policy that it ran under.
    pub policy: Digest,
    /// Digest of what was computed on: schema, bound on the rows, manifest (see
    /// [`Asset::data`](crate::exchange::Asset::data)).
    pub data: Digest,
    /// The device that computed.
    pub device: String,
    /// The use that paid for it.
    #[serde(with = "serde_bytes")]
    pub nullifier: [u8; 32],
    /// Digest of the sealed result.
    pub result: Digest,
    /// Privacy budget that the answer spent, in millionths of ε; absent where the policy adds no noise, 0 where the noise is
    /// that of a protected cube, which was charged when the cube was made.
    pub epsilon_micros: Option<u64>,
    /// When the result was released, in unix seconds.
    pub released_at: Timestamp,
    /// Who computed, where the data is sealed; left out where the owner's node did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executed: Option<Executed>,
}

/// By whom a result of [sealed data](crate::sealed) was computed, and how it was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Executed {
    /// How many executors had to agree.
    pub quorum: u64,
    /// How many results the releaser was given.
    pub results: u64,
    /// The executors that agreed.
    pub executors: Vec<Address>,
    /// How many canaries each of their results was compared with.
    pub canaries: u64,
}

/// A [`Statement`] signed by the asset's owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    statement: Statement,
    signature: Signature,
}

impl Receipt {
    pub(crate) const VERSION: u64 = VERSION;

    pub(crate) fn sign(statement: Statement, owner: &Account) -> Result<Self, ReceiptError> {
        let signature = owner.sign(&digest_of(&statement)?)?;
        Ok(Self { statement, signature })
    }

    /// What the receipt says. Call [`Receipt::verify`] first.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The digest that the next receipt names this one by.
    ///
    /// # Errors
    /// [`ReceiptError::Codec`] if it has no canonical form.
    pub fn digest(&self) -> Result<Digest, ReceiptError> {
        digest_of(&self.statement)
    }

    /// Checks that `owner` signed it.
    ///
    /// # Errors
    /// [`ReceiptError::Signature`] otherwise.
    pub fn verify(&self, owner: Address) -> Result<(), ReceiptError> {
        Ok(self.signature.verify(&self.digest()?, owner)?)
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`ReceiptError::Codec`] if it has no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ReceiptError> {
        Ok(to_canonical("receipt", self)?)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_RECEIPT_BYTES`].
    ///
    /// # Errors
    /// [`ReceiptError::Codec`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let receipt: Receipt = from_canonical("receipt", bytes, MAX_RECEIPT_BYTES)?;
        if receipt.statement.version != VERSION {
            let got = receipt.statement.version;
            return Err(CodecError::UnsupportedVersion { what: "receipt", got, known: VERSION }.into());
        }
        Ok(receipt)
    }
}

fn digest_of(statement: &Statement) -> Result<Digest, ReceiptError> {
    Ok(Digest::of("sealock/v1/receipt", &[&to_canonical("receipt", statement)?]))
}

/// What the first receipt of an owner names as the one before.
pub(crate) fn genesis(owner: Address) -> Digest {
    Digest::of("sealock/v1/receipt-genesis", &[owner.as_bytes()])
}

/// Checks a whole chain: every signature, every number, every link.
///
/// It cannot see that the latest receipts are missing, nor that the owner signed a second chain: compare it with receipts
/// that consumers hold.
///
/// # Errors
/// [`ReceiptError`] for the first receipt that does not stand.
pub fn verify_chain<'a>(owner: Address, receipts: impl IntoIterator<Item = &'a Receipt>) -> Result<(), ReceiptError> {
    let mut previous = genesis(owner);
    for (number, receipt) in receipts.into_iter().enumerate() {
        receipt.verify(owner)?;
        let number = number as u64;
        if receipt.statement.number != number || receipt.statement.previous != previous {
            return Err(ReceiptError::BrokenChain { number });
        }
        previous = receipt.digest()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(owner: &Account, length: u64) -> Vec<Receipt> {
        let mut previous = genesis(owner.address());
        (0..length)
            .map(|number| {
                let any = Digest::of("test", &[&number.to_be_bytes()]);
                let statement = Statement {
                    version: VERSION,
                    number,
                    previous,
                    asset: "did:op:test".into(),
                    job: JobId(any),
                    program: any,
                    policy: any,
                    data: any,
                    device: "cpu".into(),
                    nullifier: [7; 32],
                    result: any,
                    epsilon_micros: None,
                    released_at: 1_700_000_000 + number,
                    executed: None,
                };
                let receipt = Receipt::sign(statement, owner).unwrap();
                previous = receipt.digest().unwrap();
                receipt
            })
            .collect()
    }

    #[test]
    fn a_chain_shows_what_is_missing_moved_or_replaced() {
        let (owner, other) = (Account::generate(), Account::generate());
        let receipts = chain(&owner, 4);
        verify_chain(owner.address(), &receipts).unwrap();

        let missing: Vec<_> = receipts.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, r)| r.clone()).collect();
        assert_eq!(verify_chain(owner.address(), &missing), Err(ReceiptError::BrokenChain { number: 1 }));
        let mut moved = receipts.clone();
        moved.swap(2, 3);
        assert_eq!(verify_chain(owner.address(), &moved), Err(ReceiptError::BrokenChain { number: 2 }));
        let mut replaced = receipts.clone();
        replaced[2] =
            Receipt::sign(Statement { device: "gpu".into(), ..replaced[2].statement.clone() }, &owner).unwrap();
        assert_eq!(verify_chain(owner.address(), &replaced), Err(ReceiptError::BrokenChain { number: 3 }));
        let mut foreign = receipts;
        foreign[0] = chain(&other, 1).remove(0);
        assert!(matches!(verify_chain(owner.address(), &foreign), Err(ReceiptError::Signature(_))));
    }

    #[test]
    fn a_receipt_has_one_encoding_and_every_flipped_bit_shows() {
        let owner = Account::generate();
        let receipt = chain(&owner, 1).remove(0);
        let bytes = receipt.to_bytes().unwrap();
        assert_eq!(Receipt::from_bytes(&bytes).unwrap(), receipt);
        // What only receipts of sealed data say is left out of the others, whose bytes are those of before there were such.
        assert!(!bytes.windows(8).any(|word| word == b"executed"));
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            let refused = Receipt::from_bytes(&bad).and_then(|r| r.verify(owner.address()));
            assert!(refused.is_err(), "byte {i}");
            assert!(Receipt::from_bytes(&bytes[..i]).is_err(), "cut at {i}");
        }
        let mut long = bytes;
        long.push(0);
        assert!(Receipt::from_bytes(&long).is_err());
        assert!(Receipt::from_bytes(&vec![0; MAX_RECEIPT_BYTES + 1]).is_err());
    }
}
