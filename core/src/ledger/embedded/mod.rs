//! A ledger in one file, with no chain and no service.
//!
//! **It is for one machine or one operator.** Whoever holds the file decides what is appended to it, and there is no
//! consensus: what protects an account from the operator is that every transaction is signed, what protects a reader is
//! that the log is hash-chained and can be checked against a [`Tip`] kept elsewhere. Parties who trust no common operator
//! use Ocean's contracts on a chain.
//!
//! A [`Transaction`] names ledger, sender, nonce and action, and its sender signs it ([`SignedTransaction`]).
//! [`EmbeddedLedger::submit`] is the one way in, and what a remote client's transaction goes through too. State, log,
//! nonce and receipt change in one database transaction that is on the disk when the call returns. Reads see the last
//! commit and do not wait for writers.
//!
//! Invariants: the balances of a token add up to its supply; the supply is at most its cap; only minting changes it.
//! [`EmbeddedLedger::audit`] recomputes the state from the log and compares.

mod apply;
mod audit;
mod events;
mod replica;
mod state;
mod transaction;

use std::{path::Path, sync::Arc};

use redb::{ReadTransaction, StorageBackend, backends::InMemoryBackend};
use sha3::{Digest as _, Keccak256};

pub use audit::AuditReport;
pub use replica::{Applied, PAGE_BYTES};
pub use state::Tip;
pub use transaction::{Action, SignedTransaction, TRANSACTION_LIMIT, TRANSACTION_VERSION, Transaction};

use self::state::{
    BALANCES, EVENTS, Genesis, METADATA, MINTERS, NFTS, NONCES, RECEIPTS, SERVICES, TOKENS, Tables, corrupt, pair,
};
use super::{
    Amount, Dispenser, Event, EventKind, FixedRate, Ledger, LedgerError, Metadata, Order, OrderTerms, Price,
    Publication, Published, Receipt, Revocation, TokenInfo,
};
use crate::{
    Account, Address, Digest,
    durable::{Durable, DurableError, Format},
    time::{Clock, Timestamp},
};

/// Chain id of every embedded ledger; they are told apart by their addresses. An id of our own, not one of an EVM chain.
pub const EMBEDDED_CHAIN_ID: u64 = 0x5ea_10c;

const FORMAT: Format = Format { name: "sealock-ledger", version: 1 };

type Result<T> = std::result::Result<T, LedgerError>;

/// The embedded ledger. Share it with `Arc`; one process at a time has a file open.
pub struct EmbeddedLedger {
    durable: Durable,
    genesis: Genesis,
    clock: Arc<dyn Clock>,
}

impl EmbeddedLedger {
    /// Opens the ledger at `path`, and makes one with a fresh address if there is none.
    ///
    /// # Errors
    /// [`DurableError::Locked`] while another process has it open; [`DurableError::UnsupportedVersion`],
    /// [`DurableError::WrongFormat`], [`DurableError::Corrupt`] or [`LedgerError::BrokenLog`] for a file that is not a
    /// ledger of this version with an intact tip. The whole log is for [`Ledger::verify_log`] to check, and the whole
    /// state for [`EmbeddedLedger::audit`].
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::start(Durable::open(path, FORMAT)?, clock, genesis_of(fresh_seed()?))
    }

    /// Opens the ledger that `backend` stores.
    ///
    /// # Errors
    /// As [`EmbeddedLedger::open`].
    pub fn with_backend(backend: impl StorageBackend, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::with_backend_and_seed(backend, clock, fresh_seed()?)
    }

    /// As [`EmbeddedLedger::with_backend`]; the address of a new ledger follows from `seed`, which must not be used
    /// twice outside of tests.
    ///
    /// # Errors
    /// As [`EmbeddedLedger::open`].
    pub fn with_backend_and_seed(backend: impl StorageBackend, clock: Arc<dyn Clock>, seed: [u8; 32]) -> Result<Self> {
        Self::start(Durable::with_backend(backend, FORMAT)?, clock, genesis_of(seed))
    }

    /// A ledger that is gone when it is dropped.
    ///
    /// # Errors
    /// None that memory gives rise to.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self> {
        Self::with_backend(InMemoryBackend::new(), clock)
    }

    /// Opens a ledger; one that is new is the ledger of `fresh`.
    fn start(durable: Durable, clock: Arc<dyn Clock>, fresh: Genesis) -> Result<Self> {
        let genesis = durable.write(|txn| {
            let mut tables = Tables::open(txn)?;
            if let Some(genesis) = tables.genesis()? {
                if genesis.chain_id != EMBEDDED_CHAIN_ID {
                    return Err(corrupt(format_args!("the ledger has chain id {}", genesis.chain_id)));
                }
                events::check_tip(&tables, &genesis)?;
                return Ok(genesis);
            }
            tables.set_genesis(&fresh)?;
            tables.set_tip(&Tip { events: 0, transactions: 0, hash: events::root(&fresh), time: clock.now() })?;
            Ok(fresh)
        })?;
        Ok(Self { durable, genesis, clock })
    }

    /// Applies a transaction that was signed anywhere.
    ///
    /// # Errors
    /// [`LedgerError::WrongLedger`], [`LedgerError::BadSignature`], [`LedgerError::NonceMismatch`] for one that was
    /// applied before or comes out of order, and those of its action. A refused transaction uses no nonce.
    pub fn submit(&self, signed: &SignedTransaction) -> Result<Receipt> {
        // Outside the write transaction: it is the slow part, and needs no state.
        let tx = signed.verify(self.genesis.chain_id, self.genesis.ledger)?;
        self.durable.write(|txn| self.apply(&mut Tables::open(txn)?, signed, tx))
    }

    fn apply(&self, tables: &mut Tables<'_>, signed: &SignedTransaction, tx: Digest) -> Result<Receipt> {
        let (time, events) = apply::apply(tables, signed, tx, self.clock.now())?;
        Ok(Receipt { tx, time, events })
    }

    /// Signs an action and applies it. The nonce is read in the transaction that uses it, so that threads which share an
    /// account never race for one.
    fn execute(&self, account: &Account, action: Action) -> Result<Receipt> {
        self.durable.write(|txn| {
            let mut tables = Tables::open(txn)?;
            let nonce = state::nonce(&tables.nonces, account.address())?;
            let signed = self.transaction(account.address(), nonce, action).sign(account)?;
            let tx = signed.verify(self.genesis.chain_id, self.genesis.ledger)?;
            self.apply(&mut tables, &signed, tx)
        })
    }

    /// A transaction for this ledger, to be signed by `sender`.
    pub fn transaction(&self, sender: Address, nonce: u64, action: Action) -> Transaction {
        let Genesis { chain_id, ledger } = self.genesis;
        Transaction { version: TRANSACTION_VERSION, chain_id, ledger, nonce, sender, action }
    }

    /// The nonce that the next transaction of `account` must have.
    ///
    /// # Errors
    /// A failed read.
    pub fn nonce(&self, account: Address) -> Result<u64> {
        self.durable.read(|txn| state::nonce(&txn.open_table(NONCES)?, account))
    }

    /// The receipt of an applied transaction: for a sender whose answer was lost.
    ///
    /// # Errors
    /// [`LedgerError::UnknownTransaction`] if it was not applied.
    pub fn receipt(&self, tx: &Digest) -> Result<Receipt> {
        self.durable.read(|txn| {
            let row = txn.open_table(RECEIPTS)?.get(tx.as_bytes())?.map(|row| row.value());
            let (_, first, count) = row.ok_or(LedgerError::UnknownTransaction { tx: *tx })?;
            let events = events::read(txn, first, usize::try_from(count).map_err(corrupt)?)?;
            let time = events.first().ok_or_else(|| corrupt("a receipt without events"))?.time;
            Ok(Receipt { tx: *tx, time, events })
        })
    }

    /// The end of the log. Kept elsewhere, it shows whether the log was cut or rewritten later.
    ///
    /// # Errors
    /// A failed read.
    pub fn tip(&self) -> Result<Tip> {
        self.durable.read(state::read_tip)
    }

    /// Checks the log, recomputes every balance, owner, offer and order from it, and compares with the state. Takes time
    /// for a signature per transaction, and memory for the state.
    ///
    /// # Errors
    /// [`LedgerError::BrokenLog`] or [`LedgerError::AuditFailed`] at the first difference.
    pub fn audit(&self) -> Result<AuditReport> {
        self.durable.read(|txn| audit::audit(txn, &self.genesis))
    }

    /// The order that a transaction made.
    pub(crate) fn order_of(&self, receipt: &Receipt, token: Address, service: u32) -> Result<Order> {
        let event = receipt.events.last().ok_or_else(|| missing("order"))?;
        let EventKind::OrderStarted { index, .. } = event.kind else { return Err(missing("order")) };
        self.read(|txn| events::order_at(&txn.open_table(EVENTS)?, event.index, token, service, index))
    }

    fn read<T>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T>) -> Result<T> {
        self.durable.read(work)
    }
}

impl std::fmt::Debug for EmbeddedLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLedger").field("address", &self.genesis.ledger).finish_non_exhaustive()
    }
}

/// The ledger that follows from a seed.
fn genesis_of(seed: [u8; 32]) -> Genesis {
    let hash = Keccak256::new().chain_update(b"sealock/v1/ledger/address").chain_update(seed).finalize();
    let mut ledger = [0; 20];
    ledger.copy_from_slice(&hash[12..]);
    Genesis { chain_id: EMBEDDED_CHAIN_ID, ledger: Address::from_bytes(ledger) }
}

fn fresh_seed() -> Result<[u8; 32]> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|e| DurableError::from(redb::Error::Io(std::io::Error::other(e.to_string()))))?;
    Ok(seed)
}

/// What a transaction of ours always emits.
fn missing(what: &str) -> LedgerError {
    corrupt(format_args!("the receipt has no {what}"))
}

/// A datatoken that its NFT knows.
fn deployed(txn: &ReadTransaction, token: Address) -> Result<()> {
    let (_, nft) = state::datatoken(&txn.open_table(TOKENS)?, token)?;
    if !state::nft(&txn.open_table(NFTS)?, nft)?.tokens.contains(&token) {
        return Err(LedgerError::UnknownToken { expected: "datatoken of its NFT", address: token });
    }
    Ok(())
}

impl Ledger for EmbeddedLedger {
    fn embedded(&self) -> Option<&EmbeddedLedger> {
        Some(self)
    }

    fn chain_id(&self) -> u64 {
        self.genesis.chain_id
    }

    fn address(&self) -> Address {
        self.genesis.ledger
    }

    fn publish(&self, owner: &Account, publication: &Publication) -> Result<Published> {
        let Publication { name, symbol, cap } = publication.clone();
        Published::of(&self.execute(owner, Action::Publish { name, symbol, cap })?).ok_or_else(|| missing("NFT"))
    }

    fn deploy_token(&self, owner: &Account, name: &str, symbol: &str, cap: Amount) -> Result<Address> {
        let receipt = self.execute(owner, Action::DeployToken { name: name.into(), symbol: symbol.into(), cap })?;
        receipt.events.first().map(|e| e.emitter).ok_or_else(|| missing("token"))
    }

    fn mint(&self, minter: &Account, token: Address, to: Address, amount: Amount) -> Result<Receipt> {
        self.execute(minter, Action::Mint { token, to, amount })
    }

    fn transfer(&self, from: &Account, token: Address, to: Address, amount: Amount) -> Result<Receipt> {
        self.execute(from, Action::Transfer { token, to, amount })
    }

    fn balance_of(&self, token: Address, account: Address) -> Result<Amount> {
        self.read(|txn| {
            state::token(&txn.open_table(TOKENS)?, token)?;
            state::balance(&txn.open_table(BALANCES)?, token, account)
        })
    }

    fn token(&self, token: Address) -> Result<TokenInfo> {
        let state::Token { control, name, symbol, cap, supply, .. } =
            self.read(|txn| state::token(&txn.open_table(TOKENS)?, token))?;
        Ok(TokenInfo { name, symbol, control, decimals: Amount::DECIMALS as u8, cap, supply })
    }

    fn add_minter(&self, owner: &Account, token: Address, account: Address) -> Result<Receipt> {
        self.execute(owner, Action::AddMinter { token, account })
    }

    fn remove_minter(&self, owner: &Account, token: Address, account: Address) -> Result<Receipt> {
        self.execute(owner, Action::RemoveMinter { token, account })
    }

    fn is_minter(&self, token: Address, account: Address) -> Result<bool> {
        self.read(|txn| {
            state::token(&txn.open_table(TOKENS)?, token)?;
            Ok(txn.open_table(MINTERS)?.get(&pair(token, account))?.is_some())
        })
    }

    fn set_fixed_rate(&self, owner: &Account, token: Address, rate: FixedRate) -> Result<Receipt> {
        self.execute(owner, Action::SetFixedRate { token, rate })
    }

    fn set_dispenser(&self, owner: &Account, token: Address, dispenser: Dispenser) -> Result<Receipt> {
        self.execute(owner, Action::SetDispenser { token, dispenser })
    }

    fn price(&self, token: Address) -> Result<Price> {
        let (token, _) = self.read(|txn| state::datatoken(&txn.open_table(TOKENS)?, token))?;
        Ok(Price { fixed_rate: token.fixed_rate, dispenser: token.dispenser })
    }

    fn buy(
        &self,
        buyer: &Account,
        token: Address,
        amount: Amount,
        base_token: Address,
        max_cost: Amount,
    ) -> Result<Receipt> {
        self.execute(buyer, Action::Buy { token, amount, base_token, max_cost })
    }

    fn dispense(&self, to: &Account, token: Address, amount: Amount) -> Result<Receipt> {
        self.execute(to, Action::Dispense { token, amount })
    }

    fn set_order_terms(&self, owner: &Account, token: Address, service: u32, terms: OrderTerms) -> Result<Receipt> {
        self.execute(owner, Action::SetOrderTerms { token, service, terms })
    }

    fn order_terms(&self, token: Address, service: u32) -> Result<OrderTerms> {
        self.read(|txn| {
            state::datatoken(&txn.open_table(TOKENS)?, token)?;
            Ok(state::service(&txn.open_table(SERVICES)?, token, service)?.terms)
        })
    }

    fn order(
        &self,
        consumer: &Account,
        token: Address,
        service: u32,
        terms: OrderTerms,
        commitment: [u8; 32],
    ) -> Result<Order> {
        let receipt = self.execute(consumer, Action::Order { token, service, terms, commitment })?;
        self.order_of(&receipt, token, service)
    }

    fn orders(&self, token: Address, service: u32, from: u64, limit: usize) -> Result<Vec<Order>> {
        self.read(|txn| {
            deployed(txn, token)?;
            events::orders(txn, token, service, from, limit)
        })
    }

    fn revoke_order(
        &self,
        owner: &Account,
        token: Address,
        service: u32,
        order: u64,
        effective: Timestamp,
        refund: bool,
    ) -> Result<Revocation> {
        let receipt = self.execute(owner, Action::RevokeOrder { token, service, order, effective, refund })?;
        Revocation::of(&receipt, token, service, order).ok_or_else(|| missing("revocation"))
    }

    fn revocations(&self, token: Address, service: u32, from: u64, limit: usize) -> Result<Vec<Revocation>> {
        self.read(|txn| {
            deployed(txn, token)?;
            events::revocations(txn, token, service, from, limit)
        })
    }

    fn set_metadata(&self, owner: &Account, nft: Address, ddo: &[u8]) -> Result<Receipt> {
        // Before a signature is spent on it.
        if ddo.len() > super::METADATA_LIMIT {
            let (got, limit) = (ddo.len(), super::METADATA_LIMIT);
            return Err(LedgerError::TooLarge { what: "the description", got, limit });
        }
        self.execute(owner, Action::SetMetadata { nft, ddo: ddo.to_vec() })
    }

    fn metadata(&self, nft: Address) -> Result<Option<Metadata>> {
        self.read(|txn| {
            let Some(hash) = state::nft(&txn.open_table(NFTS)?, nft)?.metadata else { return Ok(None) };
            let ddo = txn.open_table(METADATA)?.get(nft.as_bytes())?.map(|row| row.value().to_vec());
            match ddo {
                Some(ddo) if Digest::sha256(&ddo) == hash => Ok(Some(Metadata { ddo, hash })),
                _ => Err(corrupt(format_args!("the description of {nft} is not the one that was set"))),
            }
        })
    }

    fn owner_of(&self, nft: Address) -> Result<Address> {
        Ok(self.read(|txn| state::nft(&txn.open_table(NFTS)?, nft))?.owner)
    }

    fn transfer_nft(&self, owner: &Account, nft: Address, to: Address) -> Result<Receipt> {
        self.execute(owner, Action::TransferNft { nft, to })
    }

    fn is_deployed(&self, nft: Address, token: Address) -> Result<bool> {
        Ok(self.read(|txn| state::nft(&txn.open_table(NFTS)?, nft))?.tokens.contains(&token))
    }

    fn events(&self, from: u64, limit: usize) -> Result<Vec<Event>> {
        self.read(|txn| events::read(txn, from, limit))
    }

    fn verify_log(&self) -> Result<u64> {
        self.read(|txn| Ok(events::verify(txn, &self.genesis, |_| Ok(()))?.0.events))
    }
}
