//! A ledger that follows another.
//!
//! Whoever has every signed transaction, in order and with the time at which it was applied, has the ledger: a replica
//! applies them itself. It therefore checks every signature, nonce and balance, and ends at the same [`Tip`], whose hash
//! commits to all of them, or finds out that it was told something else. What was followed once is never followed anew, so
//! that an operator who rewrites the log is found out by everybody who has read the old one.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use redb::ReadTransaction;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::state::{EVENTS, Genesis, RECEIPTS, TRANSACTIONS, Tables, Tip, corrupt, decode};
use super::transaction::SignedTransaction;
use super::{EmbeddedLedger, FORMAT, Result, apply};
#[cfg(doc)]
use crate::codec::CodecError;
use crate::codec::{from_canonical, to_canonical};
use crate::durable::Durable;
use crate::ledger::{Event, LedgerError};
use crate::time::{Clock, Timestamp};
use crate::{Address, Digest};

/// Where a page of transactions ends, in bytes: it has one more than fit into it.
pub const PAGE_BYTES: usize = 1 << 20;

const WHAT: &str = "page of transactions";

/// A transaction that a ledger has applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// When.
    pub time: Timestamp,
    /// What was applied.
    pub transaction: SignedTransaction,
}

#[derive(Serialize, Deserialize)]
struct Row(Timestamp, ByteBuf);

impl Applied {
    /// A page, as canonical DAG-CBOR.
    ///
    /// # Errors
    /// None that transactions which were applied give rise to.
    pub fn encode(page: &[Applied]) -> Result<Vec<u8>> {
        let row = |applied: &Applied| Ok(Row(applied.time, ByteBuf::from(applied.transaction.encode()?)));
        Ok(to_canonical(WHAT, &page.iter().map(row).collect::<Result<Vec<_>>>()?)?)
    }

    /// Reads what [`Applied::encode`] wrote, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`CodecError`] for anything else.
    pub fn decode(bytes: &[u8], limit: usize) -> Result<Vec<Applied>> {
        let rows: Vec<Row> = from_canonical(WHAT, bytes, limit)?;
        let applied = |Row(time, bytes)| Ok(Applied { time, transaction: SignedTransaction::decode(&bytes)? });
        rows.into_iter().map(applied).collect()
    }
}

impl EmbeddedLedger {
    /// Opens the replica at `path` of another ledger, and makes an empty one if there is none. Without a path, it is gone when
    /// it is dropped.
    ///
    /// # Errors
    /// As [`EmbeddedLedger::open`]; [`LedgerError::WrongLedger`] if the file is of another ledger.
    pub fn replica(path: Option<&Path>, chain_id: u64, ledger: Address, clock: Arc<dyn Clock>) -> Result<Self> {
        let durable = match path {
            Some(path) => Durable::open(path, FORMAT)?,
            None => Durable::in_memory(FORMAT)?,
        };
        // Its events have the times of the other's, however early.
        let start = crate::time::ManualClock::at(0);
        let replica = Self::start(durable, Arc::new(start), Genesis { chain_id, ledger })?;
        if (replica.genesis.chain_id, replica.genesis.ledger) != (chain_id, ledger) {
            let Genesis { chain_id: got_chain, ledger: got } = replica.genesis;
            return Err(LedgerError::WrongLedger { chain: chain_id, expected: ledger, got_chain, got });
        }
        Ok(Self { clock, ..replica })
    }

    /// Transactions from number `from` on, at most `limit`, and no more than fill [`PAGE_BYTES`].
    ///
    /// # Errors
    /// A failed read.
    pub fn transactions(&self, from: u64, limit: usize) -> Result<Vec<Applied>> {
        self.read(|txn| {
            let (mut page, mut bytes) = (Vec::new(), 0);
            for row in txn.open_table(TRANSACTIONS)?.range(from..)?.take(limit) {
                let (_, encoded) = row?;
                let transaction = SignedTransaction::decode(encoded.value()).map_err(corrupt)?;
                let time = time_of(txn, &transaction.transaction.digest()?)?;
                page.push(Applied { time, transaction });
                bytes += encoded.value().len();
                if bytes >= PAGE_BYTES {
                    break;
                }
            }
            Ok(page)
        })
    }

    /// Applies what another ledger has applied from its transaction number `from` on, all or nothing. What this one has
    /// already is passed over.
    ///
    /// # Errors
    /// [`LedgerError::BrokenLog`] for transactions that do not come next, run back in time or do what the ledger refuses;
    /// [`LedgerError::BadSignature`]; [`LedgerError::WrongLedger`].
    pub fn follow(&self, from: u64, applied: &[Applied]) -> Result<Tip> {
        let Genesis { chain_id, ledger } = self.genesis;
        let digests: Vec<Digest> =
            applied.par_iter().map(|one| one.transaction.verify(chain_id, ledger)).collect::<Result<_>>()?;
        self.durable.write(|txn| {
            let mut tables = Tables::open(txn)?;
            for (number, (one, tx)) in (from..).zip(applied.iter().zip(digests)) {
                let tip = tables.tip()?;
                if number < tip.transactions {
                    continue;
                }
                let broken = |why: String| LedgerError::BrokenLog { index: tip.events, why };
                if number > tip.transactions {
                    return Err(broken(format!("transaction {} is missing", tip.transactions)));
                }
                if one.time < tip.time {
                    return Err(broken("its time is before that of the event before it".into()));
                }
                apply::apply(&mut tables, &one.transaction, tx, one.time)
                    .map_err(|e| broken(format!("transaction {number} cannot have been applied: {e}")))?;
            }
            tables.tip()
        })
    }

    /// What [`EmbeddedLedger::submit`] would refuse, without changing anything.
    ///
    /// # Errors
    /// As [`EmbeddedLedger::submit`].
    pub fn check(&self, signed: &SignedTransaction) -> Result<()> {
        let tx = signed.verify(self.genesis.chain_id, self.genesis.ledger)?;
        // An error rolls back what it did.
        let tried = self.durable.write(|txn| {
            self.apply(&mut Tables::open(txn)?, signed, tx).map_err(Tried::Refused)?;
            Err::<(), _>(Tried::Applied)
        });
        match tried {
            Err(Tried::Refused(why)) => Err(why),
            Ok(()) | Err(Tried::Applied) => Ok(()),
        }
    }
}

/// How a trial ended.
enum Tried {
    Applied,
    Refused(LedgerError),
}

impl<E: Into<LedgerError>> From<E> for Tried {
    fn from(error: E) -> Self {
        Tried::Refused(error.into())
    }
}

/// When a transaction was applied.
fn time_of(txn: &ReadTransaction, tx: &Digest) -> Result<Timestamp> {
    let missing = || corrupt(format_args!("transaction {tx} has no events"));
    let (_, first, _) = txn.open_table(RECEIPTS)?.get(tx.as_bytes())?.ok_or_else(missing)?.value();
    let event = txn.open_table(EVENTS)?.get(first)?.ok_or_else(missing)?;
    Ok(decode::<Event>("ledger event", event.value())?.time)
}
