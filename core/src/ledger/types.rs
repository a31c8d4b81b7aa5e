//! What a ledger speaks of.

use serde::{Deserialize, Serialize};

use super::Amount;
use crate::{Address, Digest, time::Timestamp};

/// Longest name or symbol of a token, in bytes.
pub const NAME_LIMIT: usize = 128;

/// A revocation takes effect at a multiple of so many seconds since 1970-01-01 UTC, and times of requests are rounded down to
/// one: whether a request is of before or after is the same for all requests of a minute.
pub const EFFECTIVE_GRAIN: u64 = 60;

/// Longest description of an asset, in bytes.
pub const METADATA_LIMIT: usize = 256 << 10;

/// What to publish: a data NFT with one datatoken, which share name and symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The asset's name, 1 to [`NAME_LIMIT`] bytes.
    pub name: String,
    /// A short name, 1 to [`NAME_LIMIT`] bytes.
    pub symbol: String,
    /// How many datatokens may ever exist at once.
    pub cap: Amount,
}

/// Where an asset was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The data NFT (ERC-721), whose owner is the asset's.
    pub nft: Address,
    /// The datatoken (ERC-20, 18 decimals), one of which an order costs.
    pub datatoken: Address,
}

/// Who a token belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// A datatoken: whoever owns this NFT.
    Nft(Address),
    /// A base token: the account that deployed it.
    Deployer(Address),
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// Its name.
    pub name: String,
    /// Its short name.
    pub symbol: String,
    /// Who it belongs to.
    pub control: Control,
    /// Decimal places of a whole token.
    pub decimals: u8,
    /// How much may exist.
    pub cap: Amount,
    /// How much exists.
    pub supply: Amount,
}

/// A sale at a fixed rate, as Ocean's FixedRateExchange. The NFT's owner is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedRate {
    /// What is paid in.
    pub base_token: Address,
    /// Smallest units of the base token for one whole datatoken (10^18 units); at least 1.
    pub rate: Amount,
    /// Whether it sells now.
    pub active: bool,
    /// Whether what is sold is minted, or else taken from what the NFT's owner holds.
    pub with_mint: bool,
}

/// A dispenser, as Ocean's: mints datatokens for anybody who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispenser {
    /// The most that is given at once.
    pub max_amount: Amount,
    /// An account that holds this much or more is given nothing.
    pub max_balance: Amount,
    /// Whether it gives now.
    pub active: bool,
}

/// How a datatoken can be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Price {
    /// The sale at a fixed rate, where one is set.
    pub fixed_rate: Option<FixedRate>,
    /// The dispenser, where one is set.
    pub dispenser: Option<Dispenser>,
}

/// What one order of a service gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderTerms {
    /// How many jobs; at least 1.
    pub limit: u64,
    /// For how long, in seconds from the order; at least 1.
    pub validity_secs: u64,
    /// If set, an order gives so many jobs in every epoch of so many seconds, counted from 1970-01-01 UTC, and not in all. A
    /// multiple of [`EFFECTIVE_GRAIN`], and the same for all orders of a service: uses are counted in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_secs: Option<u64>,
}

impl std::fmt::Display for OrderTerms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { limit, validity_secs, epoch_secs } = self;
        match epoch_secs {
            None => write!(f, "{limit} jobs within {validity_secs} s"),
            Some(secs) => write!(f, "{limit} jobs in every {secs} s, for {validity_secs} s"),
        }
    }
}

impl OrderTerms {
    /// So many jobs in all, within so many seconds.
    pub const fn new(limit: u64, validity_secs: u64) -> Self {
        Self { limit, validity_secs, epoch_secs: None }
    }
}

/// A verified order: its event was emitted by the datatoken itself, the datatoken belongs to its NFT, and one whole
/// datatoken was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The datatoken.
    pub token: Address,
    /// The service ordered.
    pub service: u32,
    /// Position among the orders of this service, from 0.
    pub index: u64,
    /// Who ordered and paid.
    pub consumer: Address,
    /// The consumer's identity commitment: 32 bytes, not all zero, uninterpreted by the ledger and unique among the
    /// orders of this service.
    pub commitment: [u8; 32],
    /// How many jobs the order gives.
    pub limit: u64,
    /// The last second in which it is valid.
    pub expiry: Timestamp,
    /// What was paid, in datatoken units.
    pub amount: Amount,
    /// The transaction.
    pub tx: Digest,
    /// When it was ordered.
    pub time: Timestamp,
}

/// An order that its seller took back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The datatoken.
    pub token: Address,
    /// The service.
    pub service: u32,
    /// Position among the revocations of this service, from 0.
    pub number: u64,
    /// Which order: its position among the orders of this service.
    pub order: u64,
    /// From when on the order admits no jobs. A multiple of [`EFFECTIVE_GRAIN`], later than `time`.
    pub effective: Timestamp,
    /// Whether the datatoken that the order cost was paid back.
    pub refunded: bool,
    /// The transaction.
    pub tx: Digest,
    /// When it was said.
    pub time: Timestamp,
}

impl Published {
    /// What a transaction that published has made.
    pub(crate) fn of(receipt: &Receipt) -> Option<Self> {
        let find = |wanted: fn(&EventKind) -> bool| receipt.events.iter().find(|e| wanted(&e.kind)).map(|e| e.emitter);
        let nft = find(|kind| matches!(kind, EventKind::NftCreated { .. }))?;
        let datatoken = find(|kind| matches!(kind, EventKind::TokenCreated { .. }))?;
        Some(Self { nft, datatoken })
    }
}

impl Revocation {
    /// What a transaction that revoked an order has done.
    pub(crate) fn of(receipt: &Receipt, token: Address, service: u32, order: u64) -> Option<Self> {
        match receipt.events.last()?.kind {
            EventKind::OrderRevoked { number, effective, refunded, .. } => {
                let Receipt { tx, time, .. } = *receipt;
                Some(Self { token, service, number, order, effective, refunded, tx, time })
            }
            _ => None,
        }
    }
}

impl Order {
    /// Whether the order is no longer valid at `now`.
    pub const fn expired(&self, now: Timestamp) -> bool {
        now > self.expiry
    }
}

/// The description of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The document, as it was set.
    pub ddo: Vec<u8>,
    /// Its plain SHA-256.
    pub hash: Digest,
}

/// What a transaction did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction's digest.
    pub tx: Digest,
    /// When it was applied.
    pub time: Timestamp,
    /// Its events, in the order of the log; at least one.
    pub events: Vec<Event>,
}

/// An entry of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the log, rising. From 0 and without gaps on the embedded ledger; on a chain, the block's number times 2^20
    /// plus the position in the block.
    pub index: u64,
    /// Hash of the entry before it (on a chain, of the block that it is in).
    pub previous: Digest,
    /// The transaction that caused it.
    pub tx: Digest,
    /// When, never earlier than the entry before it.
    pub time: Timestamp,
    /// The NFT or token that speaks. An order counts only if this is its datatoken.
    pub emitter: Address,
    /// What happened.
    pub kind: EventKind,
}

/// What happened to the NFT or token that emitted the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum EventKind {
    /// A data NFT came to be.
    NftCreated {
        /// Its first owner.
        owner: Address,
        /// Its name.
        name: String,
        /// Its short name.
        symbol: String,
    },
    /// A token came to be.
    TokenCreated {
        /// Who it belongs to.
        control: Control,
        /// Its name.
        name: String,
        /// Its short name.
        symbol: String,
        /// How much may exist.
        cap: Amount,
    },
    /// ERC-20 `Transfer`; from the zero address for what was minted.
    Transfer {
        /// Who held it.
        from: Address,
        /// Who holds it.
        to: Address,
        /// How much.
        amount: Amount,
    },
    /// ERC-721 `Transfer` of the NFT. Its datatokens have no minters and no offers afterwards.
    NftTransferred {
        /// Who owned it.
        from: Address,
        /// Who owns it.
        to: Address,
    },
    /// The account may mint.
    MinterAdded {
        /// Who.
        account: Address,
    },
    /// The account may no longer mint.
    MinterRemoved {
        /// Who.
        account: Address,
    },
    /// A sale was set up or changed.
    FixedRateSet {
        /// Its terms.
        rate: FixedRate,
    },
    /// A dispenser was set up or changed.
    DispenserSet {
        /// Its limits.
        dispenser: Dispenser,
    },
    /// Neither sale nor dispenser is left.
    OffersCleared,
    /// Sold at the fixed rate.
    Sold {
        /// To whom.
        buyer: Address,
        /// How much.
        amount: Amount,
        /// What was paid in.
        base_token: Address,
        /// What was paid.
        cost: Amount,
    },
    /// Given by the dispenser.
    Dispensed {
        /// To whom.
        to: Address,
        /// How much.
        amount: Amount,
    },
    /// What later orders of the service give.
    OrderTermsSet {
        /// The service.
        service: u32,
        /// The terms.
        terms: OrderTerms,
    },
    /// An order, as Ocean's `OrderStarted`.
    OrderStarted {
        /// Who ordered and paid.
        consumer: Address,
        /// The service.
        service: u32,
        /// Position among the orders of the service.
        index: u64,
        /// The identity commitment.
        #[serde(with = "serde_bytes")]
        commitment: [u8; 32],
        /// How many jobs.
        limit: u64,
        /// The last second of validity.
        expiry: Timestamp,
        /// What was paid, in datatoken units.
        amount: Amount,
    },
    /// An order was taken back.
    OrderRevoked {
        /// The service.
        service: u32,
        /// Position among the revocations of the service.
        number: u64,
        /// Position of the order among the orders of the service.
        order: u64,
        /// From when on it admits no jobs.
        effective: Timestamp,
        /// Whether what it cost was paid back.
        refunded: bool,
    },
    /// The description was set.
    MetadataUpdated {
        /// Plain SHA-256 of the document.
        hash: Digest,
        /// Its length, in bytes.
        size: u64,
    },
}
