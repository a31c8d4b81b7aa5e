//! Ocean Protocol's contracts, version 4, on any EVM chain (feature `ocean`).
//!
//! [`OceanLedger`] is the [`Ledger`](super::Ledger) on Ocean's own contracts; nothing of ours is deployed. What those have
//! no place for is written where everybody can read it:
//!
//! | what | where |
//! |---|---|
//! | identity commitment, what the order gives | `providerFee.providerData` of `startOrder`: an [`OrderOffer`], signed by its provider |
//! | what an order of a service gives, who signs offers for it | data of the NFT (ERC-725Y) |
//! | an order taken back | data of the NFT, with the transaction that paid the datatoken back |
//! | the description (DDO) | `setMetaData` of the NFT |
//!
//! Everything else is Ocean's: markets, wallets and ocean.js see data NFTs, datatokens, prices and orders as they know them.
//!
//! **The provider.** An order needs an offer that the NFT's owner signed, or a provider that [`OceanLedger::appoint`]
//! names. In one process an open owner [attends](super::Ledger::attend) and signs; between machines the owner's node makes a
//! [`SignedOffer`] with [`OceanLedger::sign_offer`], and the consumer pays with [`OceanLedger::order_with`].
//!
//! **What is trusted.** The chain, to a depth of [`Finality`]; and the node that is asked, for the order of transactions: who
//! does not run one asks several. What a node says is checked where that is cheap, and
//! [`verify_log`](super::Ledger::verify_log) checks that no log is missing that the headers' Bloom filters and receipt roots
//! speak of.
//!
//! **Differences from the embedded ledger**, which the contracts make: a sale mints what it sells
//! (`FixedRate::with_mint`); what sales brought stays in the exchange until [`collect`](super::Ledger::collect); Ocean's
//! community takes its fees of sales ([`sale_fees`](super::Ledger::sale_fees) has them) and of the datatoken of an order; some calls are
//! several transactions, each of which leaves a sound state.

#[allow(clippy::too_many_arguments, missing_docs, reason = "as the contracts have them")]
mod abi;
mod account;
mod addresses;
mod audit;
mod convert;
mod description;
mod escrow;
mod events;
mod feed;
mod ledger;
mod node;
mod order;
mod plain;
mod publish;
mod record;
mod replay;
mod revert;
mod roles;
mod rpc;
mod sale;
mod send;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::SolCall;

pub use account::{KEYSTORE_LIMIT, account_from_keystore};
pub use addresses::OceanAddresses;
pub use description::{Decryptor, DescriptionForm};
pub use escrow::{Authorization, Escrow, EscrowFunds, EscrowLock};
pub use plain::{Described, PlainFee, PlainOrder};
pub use publish::{MarketFee, Publish, Sale, Template};
pub use record::{OrderOffer, SignedOffer};
pub use roles::Role;

use self::abi::{Datatoken, Factory, Nft};
use self::convert::{from_u256, ours, to_evm};
use self::feed::{Cache, Feed};
use self::node::{Node, TxReceipt};
use self::replay::{Entry, Replay};
use self::send::{Sender, Unsent};
use super::{Amount, LedgerError, Order, OrderSigner};
use crate::{Account, Address, Digest, time::Timestamp};

#[cfg(doctest)]
#[doc = include_str!("../../../../docs/ocean.md")]
struct Guide;

type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// How deep a block must be for what it says to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finality {
    /// So many blocks above it; 0 counts the head itself, for chains that are never reorganised.
    Blocks(u64),
    /// What the chain's consensus calls finalized (<https://ethereum.org/en/developers/docs/consensus-mechanisms/pos/#finality>).
    Finalized,
}

impl Finality {
    /// Twelve blocks; none on the chains that developers run on their own machines (Ganache, Hardhat, anvil, Ocean's
    /// barge).
    pub const fn usual(chain_id: u64) -> Self {
        match chain_id {
            1337 | 31_337 | 8996 => Finality::Blocks(0),
            _ => Finality::Blocks(12),
        }
    }
}

/// How to reach a chain, beside its node's URL and the addresses.
#[derive(Clone, Debug)]
pub struct OceanOptions {
    /// The chain that the node must be of; any, if unset.
    pub chain_id: Option<u64>,
    /// How deep a block must be to count; [`Finality::usual`], if unset.
    pub finality: Option<Finality>,
    /// Where logs that were read are kept, so that the next process reads on, **and which orders and refunds were being paid**,
    /// so that the next process does not pay them again; in memory, if unset. One process at a time has the file open.
    pub cache: Option<PathBuf>,
    /// How long the node may take for one answer: 30 seconds, if not said.
    pub timeout: Duration,
    /// How long a transaction may take until it is final: half an hour, if not said. What waits longer ends in
    /// [`LedgerError::NotConfirmed`], and may still be mined.
    pub patience: Duration,
    /// For how long an offer that is signed here can be used, in seconds.
    pub offer_secs: u64,
}

impl Default for OceanOptions {
    fn default() -> Self {
        Self {
            chain_id: None,
            finality: None,
            cache: None,
            timeout: Duration::from_secs(30),
            patience: Duration::from_secs(1800),
            offer_secs: 3600,
        }
    }
}

/// What a token is, which never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Of an NFT that stands for an asset.
    Datatoken { nft: Address },
    /// What [`Ledger::deploy_token`](super::Ledger::deploy_token) made: a datatoken of an NFT that stands for nothing.
    Coin { nft: Address },
    /// Any other ERC-20.
    Foreign,
}

/// A datatoken that is followed.
struct Tracked {
    feed: Feed,
    replay: Replay,
}

/// The logs of the factory, and what they tell.
struct Created {
    feed: Feed,
    /// NFTs in the order of their making.
    nfts: Vec<Address>,
    /// For whom each of them was made.
    admins: Vec<Address>,
    tokens: Vec<Address>,
}

/// The logs of descriptions of an NFT, of which the last one counts.
struct Descriptions {
    feed: Feed,
    last: Option<Entry>,
}

/// A commitment, with its datatoken and service.
type Commitment = (Address, u32, [u8; 32]);
type Shared<T> = Mutex<HashMap<Address, Arc<Mutex<T>>>>;

/// Ocean's contracts on a chain. Share it with `Arc`, or in an [`Exchange`](crate::Exchange).
pub struct OceanLedger {
    node: Node,
    addresses: OceanAddresses,
    finality: Finality,
    offer_secs: u64,
    sender: Sender,
    cache: Cache,
    kinds: RwLock<HashMap<Address, Kind>>,
    nfts: RwLock<HashSet<Address>>,
    tracked: Shared<Tracked>,
    described: Shared<Descriptions>,
    created: Mutex<Option<Created>>,
    /// Who signs offers here.
    providers: RwLock<HashMap<Address, Weak<dyn OrderSigner>>>,
    decryptors: RwLock<HashMap<Address, Decryptor>>,
    /// Commitments that are being ordered: the contracts would take one twice.
    ordering: (Mutex<HashSet<Commitment>>, Condvar),
    /// Accounts that are between an approval and the payment that uses it.
    paying: Shared<()>,
    /// Datatokens of which an order is being taken back.
    revoking: Shared<()>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lock of one address.
fn of<T>(shared: &Shared<T>, address: Address, make: impl FnOnce() -> Result<T>) -> Result<Arc<Mutex<T>>> {
    if let Some(there) = lock(shared).get(&address) {
        return Ok(Arc::clone(there));
    }
    // Made outside of the lock, since it asks the node.
    let made = Arc::new(Mutex::new(make()?));
    Ok(Arc::clone(lock(shared).entry(address).or_insert(made)))
}

impl OceanLedger {
    /// Connects to a node, such as `http://127.0.0.1:8545`, and to Ocean's contracts on its chain.
    ///
    /// # Errors
    /// [`LedgerError::InvalidArgument`] for a URL that is none; [`LedgerError::Node`], [`LedgerError::NodeTimeout`];
    /// [`LedgerError::WrongChain`]; [`LedgerError::UnknownToken`] if there is no factory of Ocean's at its address; a cache
    /// that does not open.
    pub fn connect(url: &str, addresses: OceanAddresses, options: OceanOptions) -> Result<Self> {
        Self::at(Node::connect(url, options.chain_id, options.timeout)?, addresses, options)
    }

    fn at(node: Node, addresses: OceanAddresses, options: OceanOptions) -> Result<Self> {
        let finality = options.finality.unwrap_or(Finality::usual(node.chain_id()));
        let cache = match &options.cache {
            Some(path) => Cache::open(path)?,
            None => Cache::in_memory()?,
        };
        let ledger = Self {
            node,
            addresses,
            finality,
            offer_secs: options.offer_secs,
            sender: Sender::new(options.patience),
            cache,
            kinds: RwLock::default(),
            nfts: RwLock::default(),
            tracked: Shared::default(),
            described: Shared::default(),
            created: Mutex::default(),
            providers: RwLock::default(),
            decryptors: RwLock::default(),
            ordering: Default::default(),
            paying: Shared::default(),
            revoking: Shared::default(),
        };
        let factory = ledger.addresses.factory;
        if ledger.node.code(factory)?.is_empty() || ledger.node.view(factory, Factory::routerCall {})?.is_none() {
            return Err(LedgerError::UnknownToken { expected: "ERC721Factory of Ocean's", address: factory });
        }
        for (expected, address) in [("FixedRateExchange", addresses.fixed_rate), ("Dispenser", addresses.dispenser)] {
            if ledger.node.code(address)?.is_empty() {
                return Err(LedgerError::UnknownToken { expected, address });
            }
        }
        if addresses.start_block > 0 && addresses.start_block > ledger.node.tagged("latest")?.number {
            let why = "it is above the head of the chain: are the addresses of this chain?";
            return Err(LedgerError::InvalidArgument { what: "the block in which the contracts were deployed", why });
        }
        Ok(ledger)
    }

    /// As [`OceanLedger::connect`], with the addresses of the node's chain in a file of the form of Ocean's `address.json`.
    ///
    /// # Errors
    /// As [`OceanLedger::connect`] and [`OceanAddresses::from_json`].
    pub fn connect_with_json(url: &str, address_json: &str, options: OceanOptions) -> Result<Self> {
        let node = Node::connect(url, options.chain_id, options.timeout)?;
        let addresses = OceanAddresses::from_json(address_json, node.chain_id())?;
        Self::at(node, addresses, options)
    }

    /// Where the contracts are.
    pub const fn addresses(&self) -> &OceanAddresses {
        &self.addresses
    }

    /// How deep a block must be to count.
    pub const fn finality(&self) -> Finality {
        self.finality
    }

    /// The time of the chain's head.
    ///
    /// # Errors
    /// The node's own.
    pub fn now(&self) -> Result<Timestamp> {
        Ok(self.node.tagged("latest")?.timestamp)
    }

    /// Gas that a transaction took.
    ///
    /// # Errors
    /// [`LedgerError::UnknownTransaction`]; the node's own.
    pub fn gas_used(&self, tx: Digest) -> Result<u64> {
        let receipt = self.node.receipt(convert::hash(tx))?;
        Ok(receipt.ok_or(LedgerError::UnknownTransaction { tx })?.gas_used)
    }

    /// The last block that counts; `None` if there is none yet.
    fn horizon(&self) -> Result<Option<u64>> {
        match self.finality {
            Finality::Blocks(depth) => Ok(self.node.tagged("latest")?.number.checked_sub(depth)),
            Finality::Finalized => Ok(Some(self.node.tagged("finalized")?.number)),
        }
    }

    /// Whether an NFT is one that the factory made.
    fn nft(&self, nft: Address) -> Result<()> {
        if self.nfts.read().unwrap_or_else(PoisonError::into_inner).contains(&nft) {
            return Ok(());
        }
        let unknown = LedgerError::UnknownToken { expected: "data NFT", address: nft };
        if nft == Address::ZERO {
            return Err(unknown);
        }
        let listed = self.node.view(self.addresses.factory, Factory::erc721ListCall { nft: to_evm(nft) })?;
        if listed.is_none_or(|listed| ours(listed) != nft) {
            return Err(unknown);
        }
        self.nfts.write().unwrap_or_else(PoisonError::into_inner).insert(nft);
        Ok(())
    }

    fn kind(&self, token: Address) -> Result<Kind> {
        if let Some(kind) = self.kinds.read().unwrap_or_else(PoisonError::into_inner).get(&token) {
            return Ok(*kind);
        }
        let unknown = |expected| LedgerError::UnknownToken { expected, address: token };
        if token == Address::ZERO || self.node.view(token, Datatoken::decimalsCall {})?.is_none() {
            return Err(unknown("token"));
        }
        let made = self.node.view(self.addresses.factory, Factory::erc20ListCall { token: to_evm(token) })?;
        let kind = if made == Some(true) {
            let nft = self
                .node
                .view(token, Datatoken::getERC721AddressCall {})?
                .map(ours)
                .ok_or_else(|| unknown("datatoken"))?;
            self.nft(nft)?;
            if self.node.view(nft, Nft::isDeployedCall { datatoken: to_evm(token) })? != Some(true) {
                return Err(unknown("datatoken of its NFT"));
            }
            // The symbol of the NFT, which unlike its token URI never changes.
            match self.node.view(nft, Datatoken::symbolCall {})?.as_deref() {
                Some(publish::COIN_SYMBOL) => Kind::Coin { nft },
                _ => Kind::Datatoken { nft },
            }
        } else {
            Kind::Foreign
        };
        // A node that is behind does not know a young datatoken for one: that is asked again.
        if kind != Kind::Foreign {
            self.kinds.write().unwrap_or_else(PoisonError::into_inner).insert(token, kind);
        }
        Ok(kind)
    }

    /// The NFT of a datatoken.
    fn datatoken(&self, token: Address) -> Result<Address> {
        match self.kind(token) {
            Ok(Kind::Datatoken { nft }) => Ok(nft),
            Ok(_) | Err(LedgerError::UnknownToken { .. }) => {
                Err(LedgerError::UnknownToken { expected: "datatoken", address: token })
            }
            Err(e) => Err(e),
        }
    }

    /// What a contract says, which is there.
    fn view<C: SolCall>(&self, to: Address, call: C) -> Result<C::Return> {
        let said = self.node.view(to, call)?;
        said.ok_or_else(|| self.node.lies(format!("{to} does not answer {}", C::SIGNATURE)))
    }

    /// An amount that a contract says.
    fn amount<C: SolCall<Return = U256>>(&self, to: Address, call: C, what: &'static str) -> Result<Amount> {
        from_u256(self.view(to, call)?).ok_or(LedgerError::Overflow { what })
    }

    /// Whether what a block says counts.
    fn is_final(&self, block: u64) -> Result<bool> {
        Ok(self.horizon()?.is_some_and(|horizon| horizon >= block))
    }

    /// Calls a contract in a transaction of `account`. `check` says what is wrong, before and after a refusal.
    fn transact<C: SolCall>(
        &self,
        account: &Account,
        to: Address,
        call: C,
        what: &'static str,
        check: impl Fn() -> Result<()>,
    ) -> Result<TxReceipt> {
        self.transact_noting(account, to, call, what, check, |_| Ok(()))
    }

    /// As [`OceanLedger::transact`], and tells `note` the transaction's hash before it is sent.
    fn transact_noting<C: SolCall>(
        &self,
        account: &Account,
        to: Address,
        call: C,
        what: &'static str,
        check: impl Fn() -> Result<()>,
        note: impl Fn(B256) -> Result<()>,
    ) -> Result<TxReceipt> {
        check()?;
        let data = Bytes::from(call.abi_encode());
        match self.sender.send(&self.node, account, to, data, note, |block| self.is_final(block)) {
            Ok(receipt) => {
                let tx = receipt.transaction_hash;
                tracing::debug!(%tx, gas = receipt.gas_used, account = %account.address(), what, "mined");
                Ok(receipt)
            }
            Err(Unsent::Failed(error)) => Err(error),
            Err(Unsent::Reverted(refusal)) => {
                // The state moved between the check and the transaction.
                check()?;
                Err(LedgerError::Reverted { contract: to, what, reason: revert::reason(&refusal) })
            }
        }
    }

    /// Looks at a datatoken's orders as of the last block that counts.
    fn with_replay<T>(&self, token: Address, look: impl FnOnce(&Replay) -> Result<T>) -> Result<T> {
        let nft = self.datatoken(token)?;
        let tracked = of(&self.tracked, token, || {
            let start = self.addresses.start_block;
            let (feed, entries) = Feed::open(&self.node, &self.cache, start, vec![nft, token], replay::topics())?;
            let mut replay = Replay::new(self.node.chain_id(), nft, token);
            entries.iter().for_each(|entry| {
                replay.apply(entry);
            });
            Ok(Tracked { feed, replay })
        })?;
        let mut tracked = lock(&tracked);
        let Tracked { feed, replay } = &mut *tracked;
        if let Some(last) = self.horizon()? {
            feed.advance(&self.node, &self.cache, last, |entry| {
                replay.apply(entry);
            })?;
        }
        look(replay)
    }

    /// Lets `providers` sign offers of a service, beside the NFT's owner and instead of those appointed before; at most 32.
    /// A new owner of the NFT appoints anew.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`]; [`LedgerError::UnknownService`] before its terms are set;
    /// [`LedgerError::InvalidArgument`].
    pub fn appoint(
        &self,
        owner: &Account,
        token: Address,
        service: u32,
        providers: &[Address],
    ) -> Result<super::Receipt> {
        if providers.len() > record::MAX_PROVIDERS || providers.contains(&Address::ZERO) {
            let why = "expected at most 32, none of them the zero address";
            return Err(LedgerError::InvalidArgument { what: "the providers", why });
        }
        let terms = super::Ledger::order_terms(self, token, service)?;
        self.write_terms(owner, token, service, terms, Some(providers.iter().copied().collect()))
    }

    /// Makes an offer for an order, signed as a provider: what a node sends a consumer who asks for one. It costs no gas.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner or one appointed; [`LedgerError::UnknownService`];
    /// [`LedgerError::DuplicateCommitment`]; [`LedgerError::InvalidArgument`].
    pub fn sign_offer(
        &self,
        provider: &Account,
        token: Address,
        service: u32,
        consumer: Address,
        commitment: [u8; 32],
    ) -> Result<SignedOffer> {
        super::check::commitment(&commitment)?;
        let terms = self.with_replay(token, |replay| {
            let terms = replay.service(service).and_then(|service| service.terms);
            let terms = terms.ok_or(LedgerError::UnknownService { token, service })?;
            if !replay.providers(service).contains(&provider.address()) {
                return Err(LedgerError::NotAuthorized {
                    account: provider.address(),
                    action: "sign offers for",
                    on: token,
                    who: "its owner or who is appointed",
                });
            }
            if replay.has_commitment(service, &commitment) {
                return Err(LedgerError::DuplicateCommitment { token, service });
            }
            Ok(terms)
        })?;
        let now = self.now()?;
        super::check::expiry(now, terms)?;
        let valid_until = now.saturating_add(self.offer_secs);
        let offer = OrderOffer::new(self.node.chain_id(), token, service, consumer, commitment, terms);
        Ok(offer.sign(provider, Address::ZERO, Amount::ZERO, valid_until)?)
    }

    /// Orders with an offer that a provider signed elsewhere. See [`Ledger::order`](super::Ledger::order).
    ///
    /// # Errors
    /// [`LedgerError::InvalidArgument`] for an offer that its provider did not sign, to somebody else, of another chain, or
    /// too old; [`LedgerError::OrderVoid`] if it was paid and does not count; otherwise as [`Ledger::order`](super::Ledger::order).
    pub fn order_with(&self, consumer: &Account, offer: &SignedOffer) -> Result<Order> {
        order::order(self, consumer, offer, order::Pay::Datatoken)
    }
}

/// Holds a commitment while it is being ordered.
struct Ordering<'a> {
    ledger: &'a OceanLedger,
    what: Commitment,
}

impl<'a> Ordering<'a> {
    fn begin(ledger: &'a OceanLedger, what: Commitment) -> Self {
        let (set, freed) = &ledger.ordering;
        let mut set = lock(set);
        while !set.insert(what) {
            set = freed.wait(set).unwrap_or_else(PoisonError::into_inner);
        }
        Self { ledger, what }
    }
}

impl Drop for Ordering<'_> {
    fn drop(&mut self) {
        let (set, freed) = &self.ledger.ordering;
        lock(set).remove(&self.what);
        freed.notify_all();
    }
}
