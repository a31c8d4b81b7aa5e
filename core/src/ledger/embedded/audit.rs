//! The state, recomputed from the log by other code than the one that wrote it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use redb::{ReadTransaction, ReadableTable};

use super::super::{Amount, Control, EFFECTIVE_GRAIN, Event, EventKind, LedgerError};
use super::events;
use super::state::{
    self, BALANCES, COMMITMENTS, Genesis, METADATA, MINTERS, NFTS, NONCES, Nft, ORDERS, REVOCATIONS, REVOKED, SERVICES,
    Service, TOKENS, Token, decode, key, order_key, pair, service_key,
};
use crate::{Address, Digest};

/// What an audit went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditReport {
    /// Transactions, each with its signature checked.
    pub transactions: u64,
    /// Events.
    pub events: u64,
    /// Data NFTs.
    pub nfts: usize,
    /// Tokens.
    pub tokens: usize,
    /// Balances above zero.
    pub balances: usize,
    /// Orders.
    pub orders: usize,
}

fn failed(why: impl ToString) -> LedgerError {
    LedgerError::AuditFailed { why: why.to_string() }
}

/// The state as the events tell it.
#[derive(Default)]
struct Replay {
    nfts: BTreeMap<Address, Nft>,
    tokens: BTreeMap<Address, Token>,
    balances: BTreeMap<[u8; 40], u128>,
    minters: BTreeSet<[u8; 40]>,
    services: BTreeMap<[u8; 24], Service>,
    orders: BTreeMap<[u8; 32], u64>,
    commitments: BTreeMap<[u8; 56], u64>,
    revocations: BTreeMap<[u8; 32], u64>,
    revoked: BTreeMap<[u8; 32], u64>,
    metadata: BTreeMap<Address, Digest>,
}

impl Replay {
    fn token(&mut self, address: Address) -> Result<&mut Token, LedgerError> {
        self.tokens.get_mut(&address).ok_or_else(|| failed(format_args!("{address} speaks, but is no token")))
    }

    fn nft(&mut self, address: Address) -> Result<&mut Nft, LedgerError> {
        self.nfts.get_mut(&address).ok_or_else(|| failed(format_args!("{address} speaks, but is no NFT")))
    }

    fn transfer(&mut self, token: Address, from: Address, to: Address, amount: Amount) -> Result<(), LedgerError> {
        let units = amount.units();
        if from == Address::ZERO {
            let record = self.token(token)?;
            record.supply = record.supply.checked_add(amount).ok_or_else(|| failed("a supply overflows"))?;
        } else {
            let held = self.balances.entry(pair(token, from)).or_default();
            *held = held.checked_sub(units).ok_or_else(|| failed(format_args!("{from} paid what it did not have")))?;
        }
        let held = self.balances.entry(pair(token, to)).or_default();
        *held = held.checked_add(units).ok_or_else(|| failed("a balance overflows"))?;
        Ok(())
    }

    fn apply(&mut self, event: &Event) -> Result<(), LedgerError> {
        let emitter = event.emitter;
        match event.kind.clone() {
            EventKind::NftCreated { owner, name, symbol } => {
                self.nfts.insert(emitter, Nft { owner, name, symbol, tokens: Vec::new(), metadata: None });
            }
            EventKind::TokenCreated { control, name, symbol, cap } => {
                if let Control::Nft(nft) = control {
                    self.nft(nft)?.tokens.push(emitter);
                }
                let supply = Amount::ZERO;
                let token = Token { control, name, symbol, cap, supply, fixed_rate: None, dispenser: None };
                if self.tokens.insert(emitter, token).is_some() {
                    return Err(failed(format_args!("token {emitter} was created twice")));
                }
            }
            EventKind::Transfer { from, to, amount } => self.transfer(emitter, from, to, amount)?,
            EventKind::NftTransferred { from, to } => {
                let nft = self.nft(emitter)?;
                if nft.owner != from {
                    return Err(failed(format_args!("{from} gave away {emitter} without owning it")));
                }
                nft.owner = to;
            }
            EventKind::MinterAdded { account } => {
                self.minters.insert(pair(emitter, account));
            }
            EventKind::MinterRemoved { account } => {
                self.minters.remove(&pair(emitter, account));
            }
            EventKind::FixedRateSet { rate } => self.token(emitter)?.fixed_rate = Some(rate),
            EventKind::DispenserSet { dispenser } => self.token(emitter)?.dispenser = Some(dispenser),
            EventKind::OffersCleared => {
                let token = self.token(emitter)?;
                (token.fixed_rate, token.dispenser) = (None, None);
            }
            // Their transfers speak for themselves.
            EventKind::Sold { .. } | EventKind::Dispensed { .. } => {}
            EventKind::OrderTermsSet { service, terms } => {
                let record = self.services.entry(service_key(emitter, service)).or_insert(Service { terms, orders: 0 });
                if record.terms.epoch_secs != terms.epoch_secs {
                    return Err(failed(format_args!("event {} changes the epochs of a service", event.index)));
                }
                record.terms = terms;
            }
            EventKind::OrderStarted { service, index, commitment, amount, .. } => {
                let record = self.services.get_mut(&service_key(emitter, service));
                let record = record.ok_or_else(|| failed(format_args!("{emitter} has no service {service}")))?;
                let seen: [u8; 56] = key(&[emitter.as_bytes(), &service.to_be_bytes(), &commitment]);
                let fresh = self.commitments.insert(seen, index).is_none();
                if index != record.orders || amount != Amount::ONE || !fresh {
                    return Err(failed(format_args!("event {} is not a valid order", event.index)));
                }
                record.orders += 1;
                self.orders.insert(order_key(emitter, service, index), event.index);
            }
            EventKind::OrderRevoked { service, number, order, effective, .. } => {
                let (of, all) = (order_key(emitter, service, order), order_key(emitter, service, u64::MAX));
                let last = self.revocations.range(order_key(emitter, service, 0)..=all).next_back();
                let before = last.map_or(0, |(key, _)| state::number(key) + 1);
                let fresh = self.revoked.insert(of, number).is_none();
                let whole = effective > event.time && effective.is_multiple_of(EFFECTIVE_GRAIN);
                if number != before || !fresh || !whole || !self.orders.contains_key(&of) {
                    return Err(failed(format_args!("event {} is not a valid revocation", event.index)));
                }
                self.revocations.insert(order_key(emitter, service, number), event.index);
            }
            EventKind::MetadataUpdated { hash, .. } => {
                self.nft(emitter)?.metadata = Some(hash);
                self.metadata.insert(emitter, hash);
            }
        }
        Ok(())
    }

    /// Balances add up to the supply, and the supply is at most the cap.
    fn check_supplies(&self) -> Result<(), LedgerError> {
        let mut sums: HashMap<[u8; 20], u128> = HashMap::new();
        for (key, units) in &self.balances {
            let mut token = [0; 20];
            token.copy_from_slice(&key[..20]);
            let sum = sums.entry(token).or_default();
            *sum = sum.checked_add(*units).ok_or_else(|| failed("balances overflow"))?;
        }
        for (address, token) in &self.tokens {
            let sum = sums.remove(address.as_bytes()).unwrap_or_default();
            if sum != token.supply.units() || token.supply > token.cap {
                return Err(failed(format_args!("the supply of {address} is not the sum of its balances")));
            }
        }
        if sums.is_empty() { Ok(()) } else { Err(failed("there are balances of something that is no token")) }
    }
}

/// Compares a table with what it should hold, row by row in the order of the keys.
fn compare<K: PartialEq, V: PartialEq>(
    what: &str,
    rows: impl Iterator<Item = Result<(K, V), LedgerError>>,
    expected: impl IntoIterator<Item = (K, V)>,
) -> Result<(), LedgerError> {
    let mut expected = expected.into_iter();
    for row in rows {
        if Some(row?) != expected.next() {
            return Err(failed(format_args!("the {what} differ")));
        }
    }
    if expected.next().is_some() { Err(failed(format_args!("some {what} are missing"))) } else { Ok(()) }
}

pub(super) fn audit(txn: &ReadTransaction, genesis: &Genesis) -> Result<AuditReport, LedgerError> {
    let mut replay = Replay::default();
    let (tip, nonces) = events::verify(txn, genesis, |event| replay.apply(event))?;
    replay.balances.retain(|_, units| *units > 0);
    replay.check_supplies()?;
    let report = AuditReport {
        transactions: tip.transactions,
        events: tip.events,
        nfts: replay.nfts.len(),
        tokens: replay.tokens.len(),
        balances: replay.balances.len(),
        orders: replay.orders.len(),
    };

    let address = |bytes: &[u8; 20]| Address::from_bytes(*bytes);
    let table = txn.open_table(NONCES)?;
    let rows = table.iter()?.map(|row| row.map(|(k, v)| (address(k.value()), v.value())).map_err(Into::into));
    compare("nonces", rows, nonces.into_iter().collect::<BTreeMap<_, _>>())?;

    let table = txn.open_table(NFTS)?;
    let rows = table.iter()?.map(|row| {
        let (k, v) = row?;
        Ok((address(k.value()), decode("NFT", v.value())?))
    });
    compare("NFTs", rows, replay.nfts)?;

    let table = txn.open_table(TOKENS)?;
    let rows = table.iter()?.map(|row| {
        let (k, v) = row?;
        Ok((address(k.value()), decode("token", v.value())?))
    });
    compare("tokens", rows, replay.tokens)?;

    let table = txn.open_table(BALANCES)?;
    let rows = table.iter()?.map(|row| row.map(|(k, v)| (*k.value(), v.value())).map_err(Into::into));
    compare("balances", rows, replay.balances)?;

    let table = txn.open_table(MINTERS)?;
    let rows = table.iter()?.map(|row| row.map(|(k, _)| (*k.value(), ())).map_err(Into::into));
    compare("minters", rows, replay.minters.into_iter().map(|k| (k, ())))?;

    let table = txn.open_table(SERVICES)?;
    let rows = table.iter()?.map(|row| {
        let (k, v) = row?;
        Ok((*k.value(), decode("service", v.value())?))
    });
    compare("services", rows, replay.services)?;

    let table = txn.open_table(ORDERS)?;
    let rows = table.iter()?.map(|row| row.map(|(k, v)| (*k.value(), v.value())).map_err(Into::into));
    compare("orders", rows, replay.orders)?;

    let table = txn.open_table(COMMITMENTS)?;
    let rows = table.iter()?.map(|row| row.map(|(k, v)| (*k.value(), v.value())).map_err(Into::into));
    compare("commitments", rows, replay.commitments)?;

    for (what, table, expected) in
        [("revocations", REVOCATIONS, replay.revocations), ("revoked orders", REVOKED, replay.revoked)]
    {
        let table = txn.open_table(table)?;
        let rows = table.iter()?.map(|row| row.map(|(k, v)| (*k.value(), v.value())).map_err(Into::into));
        compare(what, rows, expected)?;
    }

    let table = txn.open_table(METADATA)?;
    let rows =
        table.iter()?.map(|row| row.map(|(k, v)| (address(k.value()), Digest::sha256(v.value()))).map_err(Into::into));
    compare("descriptions", rows, replay.metadata)?;

    debug_assert_eq!(state::read_tip(txn)?, tip, "the audit read one state");
    Ok(report)
}
