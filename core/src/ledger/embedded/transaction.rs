//! Signed transactions: the one way to change the embedded ledger.

use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Keccak256};

use super::super::{Amount, Dispenser, FixedRate, LedgerError, METADATA_LIMIT, OrderTerms};
use crate::{
    Account, Address, Digest, Signature,
    codec::{CodecError, from_canonical, to_canonical},
    time::Timestamp,
};

/// Version of the transaction format.
pub const TRANSACTION_VERSION: u8 = 1;

/// Longest encoded transaction, in bytes: a description and what surrounds it.
pub const TRANSACTION_LIMIT: usize = METADATA_LIMIT + 4096;

const WHAT: &str = "ledger transaction";

/// What a sender wants done. Each is described at the method of [`Ledger`](crate::ledger::Ledger) that sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the fields are the arguments of the methods")]
pub enum Action {
    /// `publish`
    Publish { name: String, symbol: String, cap: Amount },
    /// `deploy_token`
    DeployToken { name: String, symbol: String, cap: Amount },
    /// `mint`
    Mint { token: Address, to: Address, amount: Amount },
    /// `transfer`
    Transfer { token: Address, to: Address, amount: Amount },
    /// `add_minter`
    AddMinter { token: Address, account: Address },
    /// `remove_minter`
    RemoveMinter { token: Address, account: Address },
    /// `set_fixed_rate`
    SetFixedRate { token: Address, rate: FixedRate },
    /// `set_dispenser`
    SetDispenser { token: Address, dispenser: Dispenser },
    /// `buy`
    Buy { token: Address, amount: Amount, base_token: Address, max_cost: Amount },
    /// `dispense`
    Dispense { token: Address, amount: Amount },
    /// `set_order_terms`
    SetOrderTerms { token: Address, service: u32, terms: OrderTerms },
    /// `order`
    Order {
        token: Address,
        service: u32,
        terms: OrderTerms,
        #[serde(with = "serde_bytes")]
        commitment: [u8; 32],
    },
    /// `revoke_order`
    RevokeOrder { token: Address, service: u32, order: u64, effective: Timestamp, refund: bool },
    /// `set_metadata`
    SetMetadata {
        nft: Address,
        #[serde(with = "serde_bytes")]
        ddo: Vec<u8>,
    },
    /// `transfer_nft`
    TransferNft { nft: Address, to: Address },
}

/// One action of one account on one ledger, at most once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// [`TRANSACTION_VERSION`].
    pub version: u8,
    /// Chain id of the ledger it is for.
    pub chain_id: u64,
    /// Address of the ledger it is for.
    pub ledger: Address,
    /// How many transactions of the sender came before.
    pub nonce: u64,
    /// Who signs.
    pub sender: Address,
    /// What to do.
    pub action: Action,
}

impl Transaction {
    /// The digest that names the transaction and that its sender signs: over every field, in canonical DAG-CBOR.
    ///
    /// # Errors
    /// None that a value of this type gives rise to.
    pub fn digest(&self) -> Result<Digest, LedgerError> {
        Ok(Digest::of("sealock/v1/ledger/transaction", &[&to_canonical(WHAT, self)?]))
    }

    /// Signs it.
    ///
    /// # Errors
    /// [`LedgerError::BadSignature`] if `account` is not the sender.
    pub fn sign(self, account: &Account) -> Result<SignedTransaction, LedgerError> {
        if account.address() != self.sender {
            return Err(LedgerError::BadSignature { sender: self.sender });
        }
        Ok(SignedTransaction { signature: account.sign(&self.digest()?)?, transaction: self })
    }

    /// The address of the `role`-th thing that this transaction makes: the last 20 bytes of Keccak-256 over ledger,
    /// sender, nonce and role, as a contract's address follows from its creator's address and nonce.
    pub(super) fn created(&self, role: u8) -> Address {
        let mut hash = Keccak256::new();
        hash.update(b"sealock/v1/ledger/created");
        hash.update(self.chain_id.to_be_bytes());
        hash.update(self.ledger.as_bytes());
        hash.update(self.sender.as_bytes());
        hash.update(self.nonce.to_be_bytes());
        hash.update([role]);
        let mut out = [0; 20];
        out.copy_from_slice(&hash.finalize()[12..]);
        Address::from_bytes(out)
    }
}

/// A transaction and its sender's signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedTransaction {
    /// What was signed.
    pub transaction: Transaction,
    /// By the sender, over [`Transaction::digest`].
    pub signature: Signature,
}

impl SignedTransaction {
    /// Bytes for the wire: the version, then canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] above [`TRANSACTION_LIMIT`].
    pub fn encode(&self) -> Result<Vec<u8>, LedgerError> {
        let mut bytes = vec![TRANSACTION_VERSION];
        bytes.extend(to_canonical(WHAT, self)?);
        if bytes.len() > TRANSACTION_LIMIT {
            return Err(CodecError::TooLarge { what: WHAT, got: bytes.len(), limit: TRANSACTION_LIMIT }.into());
        }
        Ok(bytes)
    }

    /// Reads what [`SignedTransaction::encode`] wrote. Says nothing yet about the signature.
    ///
    /// # Errors
    /// [`CodecError`] for bytes that are too long, of another version, or not the one encoding of a transaction.
    pub fn decode(bytes: &[u8]) -> Result<Self, LedgerError> {
        match bytes.split_first() {
            Some((&TRANSACTION_VERSION, rest)) => Ok(from_canonical(WHAT, rest, TRANSACTION_LIMIT - 1)?),
            Some((&version, _)) => Err(CodecError::UnsupportedVersion {
                what: WHAT,
                got: version.into(),
                known: TRANSACTION_VERSION.into(),
            }
            .into()),
            None => Err(CodecError::Malformed { what: WHAT, why: "it is empty".into() }.into()),
        }
    }

    /// Checks version, ledger and signature, and returns the digest. The nonce is checked when it is applied.
    pub(super) fn verify(&self, chain_id: u64, ledger: Address) -> Result<Digest, LedgerError> {
        let tx = &self.transaction;
        if tx.version != TRANSACTION_VERSION {
            let (got, known) = (tx.version.into(), TRANSACTION_VERSION.into());
            return Err(CodecError::UnsupportedVersion { what: WHAT, got, known }.into());
        }
        if (tx.chain_id, tx.ledger) != (chain_id, ledger) {
            return Err(LedgerError::WrongLedger {
                chain: chain_id,
                expected: ledger,
                got_chain: tx.chain_id,
                got: tx.ledger,
            });
        }
        let digest = tx.digest()?;
        self.signature.verify(&digest, tx.sender).map_err(|_| LedgerError::BadSignature { sender: tx.sender })?;
        Ok(digest)
    }
}
