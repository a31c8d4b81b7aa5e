//! The hash-chained log.
//!
//! An event's hash is over its canonical bytes, which hold the hash of the event before it: the last hash commits to all
//! of them. Every transaction is kept as it was signed, in order, and every event names its transaction, so that the log
//! cannot tell of an action that nobody signed. What a chain of hashes alone cannot show is a log cut short together
//! with its tip: who fears its operator keeps a [`Tip`] elsewhere.

use std::collections::HashMap;

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata, TableDefinition, TableHandle};

use super::super::{Amount, Event, EventKind, LedgerError, Order, Revocation};
use super::state::{
    self, EVENTS, Genesis, ORDERS, RECEIPTS, REVOCATIONS, TRANSACTIONS, Tables, Tip, corrupt, decode, order_key,
};
use super::transaction::SignedTransaction;
use crate::{Address, Digest, codec::to_canonical, time::Timestamp};

const WHAT: &str = "ledger event";

/// What the first event links to.
pub(super) fn root(genesis: &Genesis) -> Digest {
    let chain_id = genesis.chain_id.to_be_bytes();
    Digest::of("sealock/v1/ledger/genesis", &[&chain_id, genesis.ledger.as_bytes()])
}

/// The hash of an event, given its canonical bytes.
fn hash(bytes: &[u8]) -> Digest {
    Digest::of("sealock/v1/ledger/event", &[bytes])
}

/// Appends the events of one transaction, the transaction itself and its receipt, and moves the tip.
pub(super) fn append(
    tables: &mut Tables<'_>,
    tip: Tip,
    signed: &SignedTransaction,
    tx: Digest,
    time: Timestamp,
    kinds: Vec<(Address, EventKind)>,
) -> Result<Vec<Event>, LedgerError> {
    let mut now = Tip { transactions: tip.transactions + 1, time, ..tip };
    let mut events = Vec::with_capacity(kinds.len());
    for (emitter, kind) in kinds {
        let event = Event { index: now.events, previous: now.hash, tx, time, emitter, kind };
        let bytes = to_canonical(WHAT, &event)?;
        tables.events.insert(event.index, bytes.as_slice())?;
        now.hash = hash(&bytes);
        now.events += 1;
        events.push(event);
    }
    tables.transactions.insert(tip.transactions, signed.encode()?.as_slice())?;
    tables.receipts.insert(tx.as_bytes(), (tip.transactions, tip.events, events.len() as u64))?;
    tables.set_tip(&now)?;
    Ok(events)
}

/// At most `limit` events from `from` on.
pub(super) fn read(txn: &ReadTransaction, from: u64, limit: usize) -> Result<Vec<Event>, LedgerError> {
    let table = txn.open_table(EVENTS)?;
    table.range(from..)?.take(limit).map(|row| decode(WHAT, row?.1.value())).collect()
}

/// The order that its event tells of, or damage if the event is not one of this token's, for this service, in this place,
/// for one whole token.
pub(super) fn order_at(
    events: &impl ReadableTable<u64, &'static [u8]>,
    at: u64,
    token: Address,
    service: u32,
    index: u64,
) -> Result<Order, LedgerError> {
    let row =
        events.get(at)?.ok_or_else(|| corrupt(format_args!("an order refers to event {at}, which is missing")))?;
    let event: Event = decode(WHAT, row.value())?;
    match event.kind {
        EventKind::OrderStarted { consumer, service: s, index: i, commitment, limit, expiry, amount }
            if event.emitter == token && s == service && i == index && amount == Amount::ONE =>
        {
            let (tx, time) = (event.tx, event.time);
            Ok(Order { token, service, index, consumer, commitment, limit, expiry, amount, tx, time })
        }
        _ => Err(corrupt(format_args!("event {at} is not order {index} of service {service} of datatoken {token}"))),
    }
}

/// At most `limit` orders from index `from` on.
pub(super) fn orders(
    txn: &ReadTransaction,
    token: Address,
    service: u32,
    from: u64,
    limit: usize,
) -> Result<Vec<Order>, LedgerError> {
    let events = txn.open_table(EVENTS)?;
    numbered(txn, ORDERS, token, service, from, limit, |at, index| order_at(&events, at, token, service, index))
}

/// The revocation that its event tells of, or damage if the event is not that.
fn revocation_at(
    events: &impl ReadableTable<u64, &'static [u8]>,
    at: u64,
    token: Address,
    service: u32,
    number: u64,
) -> Result<Revocation, LedgerError> {
    let row =
        events.get(at)?.ok_or_else(|| corrupt(format_args!("a revocation refers to event {at}, which is missing")))?;
    let event: Event = decode(WHAT, row.value())?;
    match event.kind {
        EventKind::OrderRevoked { service: s, number: n, order, effective, refunded }
            if event.emitter == token && s == service && n == number =>
        {
            let (tx, time) = (event.tx, event.time);
            Ok(Revocation { token, service, number, order, effective, refunded, tx, time })
        }
        _ => Err(corrupt(format_args!(
            "event {at} is not revocation {number} of service {service} of datatoken {token}"
        ))),
    }
}

/// At most `limit` revocations from number `from` on.
pub(super) fn revocations(
    txn: &ReadTransaction,
    token: Address,
    service: u32,
    from: u64,
    limit: usize,
) -> Result<Vec<Revocation>, LedgerError> {
    let events = txn.open_table(EVENTS)?;
    numbered(txn, REVOCATIONS, token, service, from, limit, |at, number| {
        revocation_at(&events, at, token, service, number)
    })
}

/// At most `limit` of what a table numbers for a service, from number `from` on, without a gap.
fn numbered<T>(
    txn: &ReadTransaction,
    table: TableDefinition<&'static [u8; 32], u64>,
    token: Address,
    service: u32,
    from: u64,
    limit: usize,
    read: impl Fn(u64, u64) -> Result<T, LedgerError>,
) -> Result<Vec<T>, LedgerError> {
    let rows = txn.open_table(table)?;
    let mut out = Vec::new();
    let (first, last) = (order_key(token, service, from), order_key(token, service, u64::MAX));
    for (row, number) in rows.range::<&[u8; 32]>(&first..=&last)?.take(limit).zip(from..) {
        let (key, at) = row?;
        if *key.value() != order_key(token, service, number) {
            let what = table.name();
            return Err(corrupt(format_args!(
                "number {number} of the {what} of {token}, service {service}, is missing"
            )));
        }
        out.push(read(at.value(), number)?);
    }
    Ok(out)
}

/// Checks that the tip fits the last event: what reopening can afford.
pub(super) fn check_tip(tables: &Tables<'_>, genesis: &Genesis) -> Result<(), LedgerError> {
    let tip = tables.tip()?;
    let broken = |why: &str| LedgerError::BrokenLog { index: tip.events.saturating_sub(1), why: why.into() };
    let Some((index, bytes)) = tables.events.last()? else {
        let start = Tip { events: 0, transactions: 0, hash: root(genesis), time: tip.time };
        return if tip == start { Ok(()) } else { Err(broken("the log is empty, its tip is not")) };
    };
    if hash(bytes.value()) != tip.hash || index.value().checked_add(1) != Some(tip.events) {
        return Err(broken("the last event is not the one that was written"));
    }
    let last = tables.transactions.last()?.map(|(number, _)| number.value());
    if last.and_then(|n| n.checked_add(1)) != Some(tip.transactions) {
        return Err(broken("the last transaction is not the one that was written"));
    }
    Ok(())
}

/// Walks the whole log with `visit`, and checks every link, every signature, every nonce and the tip.
pub(super) fn verify(
    txn: &ReadTransaction,
    genesis: &Genesis,
    mut visit: impl FnMut(&Event) -> Result<(), LedgerError>,
) -> Result<(Tip, HashMap<Address, u64>), LedgerError> {
    let tip = state::read_tip(txn)?;
    let (events, transactions) = (txn.open_table(EVENTS)?, txn.open_table(TRANSACTIONS)?);
    let receipts = txn.open_table(RECEIPTS)?;
    let mut log = events.iter()?;
    let (mut index, mut previous, mut time) = (0u64, root(genesis), 0);
    let mut nonces: HashMap<Address, u64> = HashMap::new();
    let mut number = 0u64;
    for row in transactions.iter()? {
        let broken = |why: String| LedgerError::BrokenLog { index, why };
        let (key, bytes) = row?;
        let signed = SignedTransaction::decode(bytes.value())
            .map_err(|e| broken(format!("transaction {number} does not decode: {e}")))?;
        let tx = signed
            .verify(genesis.chain_id, genesis.ledger)
            .map_err(|e| broken(format!("transaction {number} does not verify: {e}")))?;
        let nonce = nonces.entry(signed.transaction.sender).or_default();
        if key.value() != number || signed.transaction.nonce != *nonce {
            return Err(broken(format!("transaction {number} is not the next one of its sender")));
        }
        *nonce += 1;
        let count = match receipts.get(tx.as_bytes())?.map(|r| r.value()) {
            Some((n, first, count)) if n == number && first == index && count > 0 => count,
            _ => return Err(broken(format!("the receipt of transaction {number} does not fit"))),
        };
        for _ in 0..count {
            let broken = |why: &str| LedgerError::BrokenLog { index, why: why.into() };
            let (key, bytes) = log.next().ok_or_else(|| broken("it is missing"))??;
            let event: Event = decode(WHAT, bytes.value()).map_err(|e| broken(&e.to_string()))?;
            if key.value() != index || event.index != index {
                return Err(broken("it is out of place"));
            }
            if event.previous != previous {
                return Err(broken("it does not link to the event before it"));
            }
            if event.tx != tx {
                return Err(broken("it names another transaction"));
            }
            if event.time < time {
                return Err(broken("its time is before that of the event before it"));
            }
            visit(&event)?;
            (previous, time) = (hash(bytes.value()), event.time);
            index += 1;
        }
        number += 1;
    }
    let broken = |why: &str| LedgerError::BrokenLog { index, why: why.into() };
    if log.next().is_some() {
        return Err(broken("no transaction caused it"));
    }
    if receipts.len()? != number {
        return Err(broken("there are receipts without a transaction"));
    }
    if (tip.events, tip.transactions, tip.hash) != (index, number, previous) || (index > 0 && tip.time != time) {
        return Err(broken("the log does not end where its tip says"));
    }
    Ok((tip, nonces))
}
