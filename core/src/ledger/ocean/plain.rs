//! Orders of Ocean's own clients, which carry no identity commitment.
//!
//! A provider signs a *fee* for such an order as for any other ([`OceanLedger::sign_fee`]), and its bytes are its own to
//! choose. The order shows whose it is, is in no group, and pays for no private job: an offer of Sealock's
//! ([`OrderOffer`](super::OrderOffer)) is no such fee, and such a fee is no offer, so that nothing is paid for twice.

use std::time::Duration;

use alloy::primitives::{Address as Evm, U256};

use super::abi::{Datatoken, Nft};
use super::convert::{from_u256, hash, ours};
use super::record::fee_digest;
use super::replay::{Entry, position};
use super::{OceanLedger, Result};
use crate::ledger::{Amount, LedgerError};
use crate::{Account, Address, Digest, Signature, time::Timestamp};

/// Most logs of one transaction that are looked at.
const MAX_LOGS: usize = 4096;

/// A provider's fee, as Ocean's clients take it to `startOrder`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainFee {
    /// Who signed.
    pub provider: Address,
    /// What it is paid in; the zero address if there is none.
    pub token: Address,
    /// How much, in smallest units.
    pub amount: Amount,
    /// The last second in which it can be used; 0 is no limit.
    pub valid_until: Timestamp,
    /// The provider's own bytes.
    pub data: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

impl PlainFee {
    fn read(fee: &Datatoken::ProviderFee) -> Option<Self> {
        let mut signature = [0; 65];
        signature[..32].copy_from_slice(fee.r.as_slice());
        signature[32..64].copy_from_slice(fee.s.as_slice());
        signature[64] = fee.v.checked_sub(27)?;
        let fee = Self {
            provider: ours(fee.providerFeeAddress),
            token: ours(fee.providerFeeToken),
            amount: from_u256(fee.providerFeeAmount)?,
            valid_until: u64::try_from(fee.validUntil).ok()?,
            data: fee.providerData.to_vec(),
            signature: Signature::from_bytes(signature),
        };
        // The contract takes any signature of the zero address.
        (fee.provider != Address::ZERO && fee.is_signed()).then_some(fee)
    }

    /// Whether the provider that it names signed it.
    pub fn is_signed(&self) -> bool {
        let digest = fee_digest(&self.data, self.provider, self.token, self.amount, self.valid_until);
        self.signature.verify(&digest, self.provider).is_ok()
    }
}

/// An order whose fee its provider signed, and used in time. Whether the fee is one for this order, its provider knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlainOrder {
    /// The datatoken.
    pub token: Address,
    /// The service, as its place among the asset's.
    pub service: u32,
    /// For whom it was made.
    pub consumer: Address,
    /// Who called the datatoken.
    pub payer: Address,
    /// The transaction.
    pub tx: Digest,
    /// Where in the chain's log: one transaction may have several.
    pub position: u64,
    /// The time of its block.
    pub time: Timestamp,
    /// Datatokens that it cost: one or more.
    pub amount: Amount,
    /// The fee.
    pub fee: PlainFee,
}

/// Where and how an NFT was described last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Described {
    /// The transaction.
    pub tx: Digest,
    /// Its block.
    pub block: u64,
    /// The time of that.
    pub time: Timestamp,
    /// Ocean's state of the asset now: 0 is active, 5 unlisted; whoever sees another orders and serves nothing.
    pub state: u8,
}

impl OceanLedger {
    /// Signs a provider's fee for the orders of Ocean's own clients. It costs no gas. `data` must be nothing that is an
    /// [`OrderOffer`](super::OrderOffer): that would be an offer of Sealock's.
    ///
    /// # Errors
    /// [`LedgerError::InvalidArgument`] for such bytes; [`LedgerError::Account`] of an external signer.
    pub fn sign_fee(
        &self,
        provider: &Account,
        data: Vec<u8>,
        token: Address,
        amount: Amount,
        valid_until: Timestamp,
    ) -> Result<PlainFee> {
        if data.first() != Some(&b'{') {
            let why = "it is to be a JSON object, which no offer of Sealock's is";
            return Err(LedgerError::InvalidArgument { what: "the provider's data", why });
        }
        let provider_address = provider.address();
        let digest = fee_digest(&data, provider_address, token, amount, valid_until);
        let signature = provider.sign(&digest)?;
        Ok(PlainFee { provider: provider_address, token, amount, valid_until, data, signature })
    }

    /// The orders that a transaction made of a datatoken of Ocean's factory, in their order; none if there is no such
    /// transaction, or it failed.
    ///
    /// Of an order, the datatoken itself emitted `OrderStarted` and, next, the `ProviderFee` of its fee; it paid one whole
    /// datatoken or more; and the fee's provider signed that, and it was used in time. `OrderReused` names any transaction that
    /// its sender likes, and is no order.
    ///
    /// # Errors
    /// [`LedgerError::UnknownToken`]; [`LedgerError::NotConfirmed`] for a transaction that is not deep enough to count; the
    /// node's own.
    pub fn plain_orders(&self, tx: Digest, token: Address) -> Result<Vec<PlainOrder>> {
        self.datatoken(token)?;
        let Some(receipt) = self.node.receipt(hash(tx))? else { return Ok(Vec::new()) };
        if receipt.status != Some(1) {
            return Ok(Vec::new());
        }
        if !self.is_final(receipt.block_number)? {
            return Err(LedgerError::NotConfirmed { tx, waited: Duration::ZERO });
        }
        // A receipt of a block that was reorganised away says nothing.
        let header = self.node.header(receipt.block_number)?.filter(|header| header.hash == receipt.block_hash);
        let Some(header) = header else { return Ok(Vec::new()) };
        if receipt.logs.len() > MAX_LOGS {
            return Ok(Vec::new());
        }
        let mut entries = Vec::with_capacity(receipt.logs.len());
        for log in &receipt.logs {
            let entry = log.entry(header.timestamp).filter(|entry| entry.tx == tx);
            let placed = log.block() == Some((receipt.block_number, receipt.block_hash));
            let entry = entry.filter(|_| placed);
            entries.push(entry.ok_or_else(|| self.node.lies("it sent a receipt with another's logs".into()))?);
        }
        Ok(orders_in(&entries, token))
    }

    /// Where an NFT was described last, as of the last block that counts, and in which state it is.
    ///
    /// # Errors
    /// [`LedgerError::UnknownToken`]; the node's own.
    pub fn described(&self, nft: Address) -> Result<Option<Described>> {
        let Some(entry) = self.last_description(nft)? else { return Ok(None) };
        let state = self.view(nft, Nft::getMetaDataCall {})?.state;
        Ok(Some(Described { tx: entry.tx, block: entry.block, time: entry.time, state }))
    }
}

fn orders_in(entries: &[Entry], token: Address) -> Vec<PlainOrder> {
    let mut orders = Vec::new();
    let mut started: Option<(&Entry, Datatoken::OrderStarted)> = None;
    for entry in entries.iter().filter(|entry| entry.emitter == token) {
        if let Some(order) = entry.decode::<Datatoken::OrderStarted>() {
            started = Some((entry, order));
        } else if entry.decode::<Datatoken::OrderReused>().is_some() {
            started = None;
        } else if let Some(fee) = entry.decode::<Datatoken::ProviderFee>()
            && let Some((at, order)) = started.take()
        {
            orders.extend(order_of(at, &order, &fee, token));
        }
    }
    orders
}

fn order_of(
    at: &Entry,
    order: &Datatoken::OrderStarted,
    fee: &Datatoken::ProviderFee,
    token: Address,
) -> Option<PlainOrder> {
    let amount = from_u256(order.amount).filter(|amount| *amount >= Amount::ONE)?;
    let fee = PlainFee::read(fee).filter(|fee| fee.valid_until == 0 || at.time <= fee.valid_until)?;
    (order.consumer != Evm::ZERO && order.serviceIndex <= U256::from(u32::MAX)).then_some(())?;
    Some(PlainOrder {
        token,
        service: u32::try_from(order.serviceIndex).ok()?,
        consumer: ours(order.consumer),
        payer: ours(order.payer),
        tx: at.tx,
        position: position(at.block, at.index),
        time: at.time,
        amount,
        fee,
    })
}
