//! Receipts of destruction: an owner's signed word that the key of an epoch is gone.
//!
//! What is destroyed is the owner's key-encryption key, and with it what unwraps the dataset key in every manifest of the
//! epoch. The receipt is a promise that is attributable, and no proof: nothing can prove that no copy was kept. It says
//! nothing of keys that others hold, see [`Owner::destroy_key`](crate::owner::Owner::destroy_key).

use cid::Cid;
use serde::{Deserialize, Serialize};

use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::receipt::ReceiptError;
use crate::time::Timestamp;
use crate::{Account, Address, Digest, Signature};

/// Largest encoding of a receipt of destruction, in bytes.
pub const MAX_DESTRUCTION_RECEIPT_BYTES: usize = 4096;
const WHAT: &str = "destruction receipt";
const VERSION: u64 = 1;

/// What a receipt of destruction says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destruction {
    /// Version of this form: 1.
    pub version: u64,
    /// Whose key it was.
    pub owner: Address,
    /// DID of the asset.
    pub asset: String,
    /// The dataset.
    pub dataset: Digest,
    /// The epoch whose key is gone. Others may have theirs.
    pub epoch: u64,
    /// The last manifest of the epoch, which the key unwrapped.
    pub manifest: Cid,
    /// When, in unix seconds.
    pub destroyed_at: Timestamp,
}

/// A [`Destruction`] signed by the asset's owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestructionReceipt {
    statement: Destruction,
    signature: Signature,
}

impl DestructionReceipt {
    pub(crate) const VERSION: u64 = VERSION;

    pub(crate) fn sign(statement: Destruction, owner: &Account) -> Result<Self, ReceiptError> {
        let signature = owner.sign(&digest_of(&statement)?)?;
        Ok(Self { statement, signature })
    }

    /// What the receipt says. Call [`DestructionReceipt::verify`] first.
    pub fn statement(&self) -> &Destruction {
        &self.statement
    }

    /// Checks that `owner` signed it, and that it names the owner.
    ///
    /// # Errors
    /// [`ReceiptError::Signature`] or [`ReceiptError::Mismatch`] otherwise.
    pub fn verify(&self, owner: Address) -> Result<(), ReceiptError> {
        self.signature.verify(&digest_of(&self.statement)?, owner)?;
        if self.statement.owner != owner {
            return Err(ReceiptError::Mismatch { what: "owner" });
        }
        Ok(())
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`ReceiptError::Codec`] if it has no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ReceiptError> {
        Ok(to_canonical(WHAT, self)?)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_DESTRUCTION_RECEIPT_BYTES`].
    ///
    /// # Errors
    /// [`ReceiptError::Codec`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let receipt: DestructionReceipt = from_canonical(WHAT, bytes, MAX_DESTRUCTION_RECEIPT_BYTES)?;
        if receipt.statement.version != VERSION {
            let got = receipt.statement.version;
            return Err(CodecError::UnsupportedVersion { what: WHAT, got, known: VERSION }.into());
        }
        Ok(receipt)
    }
}

fn digest_of(statement: &Destruction) -> Result<Digest, ReceiptError> {
    Ok(Digest::of("sealock/v1/destruction-receipt", &[&to_canonical(WHAT, statement)?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_has_one_encoding_and_every_flipped_bit_shows() {
        let owner = Account::generate();
        let statement = Destruction {
            version: VERSION,
            owner: owner.address(),
            asset: "did:op:test".into(),
            dataset: Digest::sha256(b"dataset"),
            epoch: 3,
            manifest: "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".parse().unwrap(),
            destroyed_at: 1_700_000_000,
        };
        let receipt = DestructionReceipt::sign(statement.clone(), &owner).unwrap();
        receipt.verify(owner.address()).unwrap();
        let bytes = receipt.to_bytes().unwrap();
        assert_eq!(DestructionReceipt::from_bytes(&bytes).unwrap(), receipt);
        for i in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[i] ^= 1;
            let refused = DestructionReceipt::from_bytes(&bad).and_then(|r| r.verify(owner.address()));
            assert!(refused.is_err(), "byte {i}");
            assert!(DestructionReceipt::from_bytes(&bytes[..i]).is_err(), "cut at {i}");
        }
        assert!(DestructionReceipt::from_bytes(&vec![0; MAX_DESTRUCTION_RECEIPT_BYTES + 1]).is_err());
        // Signed by another account, and by another account in the owner's name.
        let other = Account::generate();
        assert!(receipt.verify(other.address()).is_err());
        let forged = DestructionReceipt::sign(statement, &other).unwrap();
        assert!(forged.verify(owner.address()).is_err() && forged.verify(other.address()).is_err());
    }
}
