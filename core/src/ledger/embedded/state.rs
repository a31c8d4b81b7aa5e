//! The tables of the embedded ledger.

use redb::{ReadTransaction, ReadableTable, Table, TableDefinition, WriteTransaction};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::super::{Amount, Control, Dispenser, FixedRate, LedgerError, OrderTerms};
use crate::{
    Address, Digest,
    codec::{from_canonical, to_canonical},
    durable::DurableError,
    time::Timestamp,
};

/// A row's bound: no record is longer. Descriptions and transactions have tables and limits of their own.
const RECORD_LIMIT: usize = 16 << 10;

/// Genesis and tip.
pub(super) const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
/// Account → number of its transactions.
pub(super) const NONCES: TableDefinition<&[u8; 20], u64> = TableDefinition::new("nonces");
/// NFT → [`Nft`].
pub(super) const NFTS: TableDefinition<&[u8; 20], &[u8]> = TableDefinition::new("nfts");
/// NFT → description.
pub(super) const METADATA: TableDefinition<&[u8; 20], &[u8]> = TableDefinition::new("metadata");
/// Token → [`Token`].
pub(super) const TOKENS: TableDefinition<&[u8; 20], &[u8]> = TableDefinition::new("tokens");
/// Token ‖ account → amount; a row of nothing is removed.
pub(super) const BALANCES: TableDefinition<&[u8; 40], u128> = TableDefinition::new("balances");
/// Token ‖ account.
pub(super) const MINTERS: TableDefinition<&[u8; 40], ()> = TableDefinition::new("minters");
/// Token ‖ service → [`Service`].
pub(super) const SERVICES: TableDefinition<&[u8; 24], &[u8]> = TableDefinition::new("services");
/// Token ‖ service ‖ index → the order's event.
pub(super) const ORDERS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("orders");
/// Token ‖ service ‖ commitment → the order's index.
pub(super) const COMMITMENTS: TableDefinition<&[u8; 56], u64> = TableDefinition::new("commitments");
/// Token ‖ service ‖ number → the revocation's event.
pub(super) const REVOCATIONS: TableDefinition<&[u8; 32], u64> = TableDefinition::new("revocations");
/// Token ‖ service ‖ the order's index → the number of its revocation.
pub(super) const REVOKED: TableDefinition<&[u8; 32], u64> = TableDefinition::new("revoked");
/// Index → event.
pub(super) const EVENTS: TableDefinition<u64, &[u8]> = TableDefinition::new("events");
/// Number → signed transaction.
pub(super) const TRANSACTIONS: TableDefinition<u64, &[u8]> = TableDefinition::new("transactions");
/// Transaction's digest → its number, its first event, how many events it has.
pub(super) const RECEIPTS: TableDefinition<&[u8; 32], (u64, u64, u64)> = TableDefinition::new("receipts");

/// What a ledger is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Genesis {
    pub chain_id: u64,
    pub ledger: Address,
}

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tip {
    /// How many events the log has.
    pub events: u64,
    /// How many transactions caused them.
    pub transactions: u64,
    /// Hash of the last event, which commits to the whole log.
    pub hash: Digest,
    /// Time of the last event.
    pub time: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Nft {
    pub owner: Address,
    pub name: String,
    pub symbol: String,
    pub tokens: Vec<Address>,
    /// Plain SHA-256 of the description.
    pub metadata: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    pub control: Control,
    pub name: String,
    pub symbol: String,
    pub cap: Amount,
    pub supply: Amount,
    pub fixed_rate: Option<FixedRate>,
    pub dispenser: Option<Dispenser>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Service {
    pub terms: OrderTerms,
    pub orders: u64,
}

/// Two or more keys in one, each of fixed width, so that the order of bytes is that of the parts.
pub(super) fn key<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    let mut rest = &mut out[..];
    for part in parts {
        let (head, tail) = rest.split_at_mut(part.len());
        head.copy_from_slice(part);
        rest = tail;
    }
    debug_assert!(rest.is_empty(), "the parts fill the key");
    out
}

pub(super) fn pair(token: Address, account: Address) -> [u8; 40] {
    key(&[token.as_bytes(), account.as_bytes()])
}

pub(super) fn service_key(token: Address, service: u32) -> [u8; 24] {
    key(&[token.as_bytes(), &service.to_be_bytes()])
}

pub(super) fn order_key(token: Address, service: u32, index: u64) -> [u8; 32] {
    key(&[token.as_bytes(), &service.to_be_bytes(), &index.to_be_bytes()])
}

/// The last part of an [`order_key`].
pub(super) fn number(key: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*key.last_chunk().expect("32 bytes have a last eight"))
}

pub(super) fn corrupt(why: impl ToString) -> LedgerError {
    DurableError::Corrupt { why: why.to_string() }.into()
}

/// Reads a row of our own: what does not decode is damage, not input.
pub(super) fn decode<T: Serialize + DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, LedgerError> {
    from_canonical(what, bytes, RECORD_LIMIT).map_err(corrupt)
}

/// The record at `address`, if there is one.
pub(super) fn record<T: Serialize + DeserializeOwned>(
    table: &impl ReadableTable<&'static [u8; 20], &'static [u8]>,
    what: &'static str,
    address: Address,
) -> Result<Option<T>, LedgerError> {
    table.get(address.as_bytes())?.map(|row| decode(what, row.value())).transpose()
}

pub(super) fn nft(
    table: &impl ReadableTable<&'static [u8; 20], &'static [u8]>,
    address: Address,
) -> Result<Nft, LedgerError> {
    record(table, "NFT", address)?.ok_or(LedgerError::UnknownToken { expected: "data NFT", address })
}

pub(super) fn token(
    table: &impl ReadableTable<&'static [u8; 20], &'static [u8]>,
    address: Address,
) -> Result<Token, LedgerError> {
    record(table, "token", address)?.ok_or(LedgerError::UnknownToken { expected: "token", address })
}

/// A token and the NFT that it belongs to.
pub(super) fn datatoken(
    table: &impl ReadableTable<&'static [u8; 20], &'static [u8]>,
    address: Address,
) -> Result<(Token, Address), LedgerError> {
    let token: Option<Token> = record(table, "token", address)?;
    match token {
        Some(token @ Token { control: Control::Nft(nft), .. }) => Ok((token, nft)),
        _ => Err(LedgerError::UnknownToken { expected: "datatoken", address }),
    }
}

pub(super) fn balance(
    table: &impl ReadableTable<&'static [u8; 40], u128>,
    token: Address,
    account: Address,
) -> Result<Amount, LedgerError> {
    Ok(table.get(&pair(token, account))?.map_or(Amount::ZERO, |row| Amount::from_units(row.value())))
}

pub(super) fn service(
    table: &impl ReadableTable<&'static [u8; 24], &'static [u8]>,
    token: Address,
    service: u32,
) -> Result<Service, LedgerError> {
    match table.get(&service_key(token, service))? {
        Some(row) => decode("service", row.value()),
        None => Err(LedgerError::UnknownService { token, service }),
    }
}

pub(super) fn nonce(table: &impl ReadableTable<&'static [u8; 20], u64>, account: Address) -> Result<u64, LedgerError> {
    Ok(table.get(account.as_bytes())?.map_or(0, |row| row.value()))
}

fn meta<T: Serialize + DeserializeOwned>(
    table: &impl ReadableTable<&'static str, &'static [u8]>,
    name: &'static str,
) -> Result<Option<T>, LedgerError> {
    table.get(name)?.map(|row| decode(name, row.value())).transpose()
}

/// The tip, as of a read transaction.
pub(super) fn read_tip(txn: &ReadTransaction) -> Result<Tip, LedgerError> {
    meta(&txn.open_table(META)?, "tip")?.ok_or_else(|| corrupt("the ledger has no tip"))
}

/// All tables, open for writing.
pub(super) struct Tables<'t> {
    pub meta: Table<'t, &'static str, &'static [u8]>,
    pub nonces: Table<'t, &'static [u8; 20], u64>,
    pub nfts: Table<'t, &'static [u8; 20], &'static [u8]>,
    pub metadata: Table<'t, &'static [u8; 20], &'static [u8]>,
    pub tokens: Table<'t, &'static [u8; 20], &'static [u8]>,
    pub balances: Table<'t, &'static [u8; 40], u128>,
    pub minters: Table<'t, &'static [u8; 40], ()>,
    pub services: Table<'t, &'static [u8; 24], &'static [u8]>,
    pub orders: Table<'t, &'static [u8; 32], u64>,
    pub commitments: Table<'t, &'static [u8; 56], u64>,
    pub revocations: Table<'t, &'static [u8; 32], u64>,
    pub revoked: Table<'t, &'static [u8; 32], u64>,
    pub events: Table<'t, u64, &'static [u8]>,
    pub transactions: Table<'t, u64, &'static [u8]>,
    pub receipts: Table<'t, &'static [u8; 32], (u64, u64, u64)>,
}

impl<'t> Tables<'t> {
    pub fn open(txn: &'t WriteTransaction) -> Result<Self, LedgerError> {
        Ok(Self {
            meta: txn.open_table(META)?,
            nonces: txn.open_table(NONCES)?,
            nfts: txn.open_table(NFTS)?,
            metadata: txn.open_table(METADATA)?,
            tokens: txn.open_table(TOKENS)?,
            balances: txn.open_table(BALANCES)?,
            minters: txn.open_table(MINTERS)?,
            services: txn.open_table(SERVICES)?,
            orders: txn.open_table(ORDERS)?,
            commitments: txn.open_table(COMMITMENTS)?,
            revocations: txn.open_table(REVOCATIONS)?,
            revoked: txn.open_table(REVOKED)?,
            events: txn.open_table(EVENTS)?,
            transactions: txn.open_table(TRANSACTIONS)?,
            receipts: txn.open_table(RECEIPTS)?,
        })
    }

    pub fn genesis(&self) -> Result<Option<Genesis>, LedgerError> {
        meta(&self.meta, "genesis")
    }

    pub fn set_genesis(&mut self, genesis: &Genesis) -> Result<(), LedgerError> {
        self.meta.insert("genesis", to_canonical("genesis", genesis)?.as_slice())?;
        Ok(())
    }

    pub fn tip(&self) -> Result<Tip, LedgerError> {
        meta(&self.meta, "tip")?.ok_or_else(|| corrupt("the ledger has no tip"))
    }

    pub fn set_tip(&mut self, tip: &Tip) -> Result<(), LedgerError> {
        self.meta.insert("tip", to_canonical("tip", tip)?.as_slice())?;
        Ok(())
    }

    pub fn set_nft(&mut self, address: Address, nft: &Nft) -> Result<(), LedgerError> {
        self.nfts.insert(address.as_bytes(), to_canonical("NFT", nft)?.as_slice())?;
        Ok(())
    }

    pub fn set_token(&mut self, address: Address, token: &Token) -> Result<(), LedgerError> {
        self.tokens.insert(address.as_bytes(), to_canonical("token", token)?.as_slice())?;
        Ok(())
    }

    pub fn set_service(&mut self, token: Address, number: u32, service: &Service) -> Result<(), LedgerError> {
        self.services.insert(&service_key(token, number), to_canonical("service", service)?.as_slice())?;
        Ok(())
    }

    pub fn set_balance(&mut self, token: Address, account: Address, amount: Amount) -> Result<(), LedgerError> {
        let key = pair(token, account);
        match amount.units() {
            0 => self.balances.remove(&key)?,
            units => self.balances.insert(&key, units)?,
        };
        Ok(())
    }
}
