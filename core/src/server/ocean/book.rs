//! What these routes remember, on the disk: nonces that are spent, and jobs with their keys and results.
//!
//! A job is written down before the node's journal admits it, so that its keys are there when its result is; one that the
//! journal does not know after a crash was never acknowledged, and is struck out.

use std::path::Path;

use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::auth::Signed;
use crate::codec::{from_canonical, to_canonical};
use crate::durable::{Durable, Format};
use crate::journal::JournalError;
use crate::time::Timestamp;
use crate::{Address, Digest};

const FORMAT: Format = Format { name: "sealock-ocean-routes", version: 1 };
/// Account to the highest nonce that it has spent.
const NONCES: TableDefinition<&[u8; 20], u64> = TableDefinition::new("nonces");
/// Job to its row.
const JOBS: TableDefinition<&[u8; 16], &[u8]> = TableDefinition::new("jobs");
/// Jobs that are neither finished nor failed.
const OPEN: TableDefinition<&[u8; 16], ()> = TableDefinition::new("open");
/// Order, place in its transaction's log, and what was asked.
type AskedKey = (&'static [u8; 32], u64, &'static [u8; 32]);
/// Order (transaction, position) and program to the job.
const ASKED: TableDefinition<AskedKey, &[u8; 16]> = TableDefinition::new("asked");
/// Job and number to a result, sealed.
const RESULTS: TableDefinition<(&[u8; 16], u32), &[u8]> = TableDefinition::new("results");

/// Longer than the longest algorithm, so that what was written can be read.
const MAX_ROW_BYTES: usize = super::compute::MAX_ALGORITHM_BYTES + (64 << 10);
/// Most results that a job has.
const MAX_RESULTS: u32 = 16;

type Result<T, E = JournalError> = std::result::Result<T, E>;

/// Names a job to Ocean's clients. It is random: whoever knows it may ask how the job is.
pub(super) type Name = [u8; 16];

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Progress {
    Started,
    Finished,
    Failed,
    Stopped,
}

/// A result that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) size: u64,
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// DID of the asset.
    pub(super) asset: String,
    /// DID of the algorithm, if it is an asset.
    pub(super) algorithm: Option<String>,
    pub(super) consumer: Address,
    /// The job of the node's journal.
    pub(super) job: Digest,
    /// The order that pays for it.
    pub(super) tx: Digest,
    pub(super) position: u64,
    /// Digest of what was asked of which data.
    pub(super) program: Digest,
    /// What was asked, as it was sent; empty for a download.
    pub(super) source: ByteBuf,
    /// What opens the result, sealed to the node.
    pub(super) keys: ByteBuf,
    pub(super) created: Timestamp,
    pub(super) ended: Option<Timestamp>,
    /// The order's last second.
    pub(super) expires: Timestamp,
    pub(super) progress: Progress,
    pub(super) results: Vec<Made>,
}

/// See the module.
pub(super) struct Book(Durable);

fn decode(bytes: &[u8]) -> Result<Row> {
    Ok(from_canonical("job of Ocean's", bytes, MAX_ROW_BYTES)?)
}

impl Book {
    /// An owner's, in a folder or in memory.
    pub(super) fn open(folder: Option<&Path>, owner: Address) -> Result<Self> {
        Ok(Self(match folder {
            Some(folder) => Durable::open(folder.join(format!("ocean-routes-{owner}.redb")), FORMAT)?,
            None => Durable::in_memory(FORMAT)?,
        }))
    }

    /// The highest nonce that an account has spent.
    pub(super) fn nonce(&self, of: Address) -> Result<u64> {
        self.0.read_table(NONCES, |table| Ok(table.get(of.as_bytes())?.map_or(0, |row| row.value())))
    }

    /// Spends a nonce: whether it was higher than all before. It is on the disk when this returns.
    pub(super) fn spend(&self, signed: Signed) -> Result<bool> {
        let Signed { who, nonce } = signed;
        // Without a write, for who tries old ones.
        if nonce <= self.nonce(who)? {
            return Ok(false);
        }
        self.0.write(|txn| {
            let mut table = txn.open_table(NONCES)?;
            let before = table.get(who.as_bytes())?.map_or(0, |row| row.value());
            if nonce <= before {
                return Ok(false);
            }
            table.insert(who.as_bytes(), nonce)?;
            Ok(true)
        })
    }

    /// Writes down a job.
    pub(super) fn begin(&self, name: &Name, row: &Row) -> Result<()> {
        self.0.write(|txn| {
            txn.open_table(JOBS)?.insert(name, to_canonical("job of Ocean's", row)?.as_slice())?;
            txn.open_table(OPEN)?.insert(name, ())?;
            let place = (row.tx.as_bytes(), row.position, row.program.as_bytes());
            txn.open_table(ASKED)?.insert(place, name)?;
            Ok(())
        })
    }

    /// Strikes out a job that was not admitted.
    pub(super) fn strike(&self, name: &Name, row: &Row) -> Result<()> {
        self.0.write(|txn| {
            txn.open_table(JOBS)?.remove(name)?;
            txn.open_table(OPEN)?.remove(name)?;
            txn.open_table(ASKED)?.remove((row.tx.as_bytes(), row.position, row.program.as_bytes()))?;
            Ok(())
        })
    }

    /// Ends a job, with what came of it, unless it has ended before.
    pub(super) fn end(
        &self,
        name: &Name,
        progress: Progress,
        now: Timestamp,
        results: &[(Made, Vec<u8>)],
    ) -> Result<Option<Row>> {
        self.0.write(|txn| {
            let mut jobs = txn.open_table(JOBS)?;
            let Some(mut row) = jobs.get(name)?.map(|row| decode(row.value())).transpose()? else { return Ok(None) };
            if row.progress == Progress::Started {
                row.progress = progress;
                row.ended = Some(now);
                row.results = results.iter().map(|(made, _)| made.clone()).collect();
                jobs.insert(name, to_canonical("job of Ocean's", &row)?.as_slice())?;
                let mut table = txn.open_table(RESULTS)?;
                for (number, (_, sealed)) in (0..MAX_RESULTS).zip(results) {
                    table.insert((name, number), sealed.as_slice())?;
                }
            }
            txn.open_table(OPEN)?.remove(name)?;
            Ok(Some(row))
        })
    }

    pub(super) fn job(&self, name: &Name) -> Result<Option<Row>> {
        self.0.read_table(JOBS, |table| table.get(name)?.map(|row| decode(row.value())).transpose())
    }

    /// The job that an order was asked for with a program.
    pub(super) fn asked(&self, tx: Digest, position: u64, program: Digest) -> Result<Option<(Name, Row)>> {
        let place = (tx.as_bytes(), position, program.as_bytes());
        let name: Result<Option<Name>> =
            self.0.read_table(ASKED, |table| Ok(table.get(place)?.map(|row| *row.value())));
        let Some(name) = name? else { return Ok(None) };
        Ok(self.job(&name)?.map(|row| (name, row)))
    }

    /// Jobs that have not ended.
    pub(super) fn unended(&self) -> Result<Vec<(Name, Row)>> {
        let names: Result<Vec<Name>> =
            self.0.read_table(OPEN, |table| table.iter()?.map(|row| Ok::<_, JournalError>(*row?.0.value())).collect());
        let mut all = Vec::new();
        for name in names? {
            all.extend(self.job(&name)?.map(|row| (name, row)));
        }
        Ok(all)
    }

    /// A result, sealed.
    pub(super) fn result(&self, name: &Name, number: u32) -> Result<Option<Vec<u8>>> {
        self.0.read_table(RESULTS, |table| Ok(table.get((name, number))?.map(|row| row.value().to_vec())))
    }

    /// Deletes the results of jobs that ended before a time, so that the same can be asked again. Says how many there were.
    pub(super) fn expire(&self, before: Timestamp) -> Result<u64> {
        let old: Result<Vec<(Name, Row)>> = self.0.read_table(JOBS, |table| {
            let mut old = Vec::new();
            for entry in table.iter()? {
                let (name, row) = entry?;
                let row = decode(row.value())?;
                if row.ended.is_some_and(|ended| ended < before) && !row.results.is_empty() {
                    old.push((*name.value(), row));
                }
            }
            Ok(old)
        });
        let old = old?;
        if old.is_empty() {
            return Ok(0);
        }
        self.0.write(|txn| {
            let (mut jobs, mut results) = (txn.open_table(JOBS)?, txn.open_table(RESULTS)?);
            for (name, row) in &old {
                for number in 0..row.results.len() as u32 {
                    results.remove((name, number))?;
                }
                let row = Row { results: Vec::new(), keys: ByteBuf::new(), ..row.clone() };
                jobs.insert(name, to_canonical("job of Ocean's", &row)?.as_slice())?;
                txn.open_table(ASKED)?.remove((row.tx.as_bytes(), row.position, row.program.as_bytes()))?;
            }
            Ok(old.len() as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(program: u8) -> Row {
        Row {
            asset: "did:op:x".into(),
            algorithm: None,
            consumer: Address::ZERO,
            job: Digest::from_bytes([1; 32]),
            tx: Digest::from_bytes([2; 32]),
            position: 3,
            program: Digest::from_bytes([program; 32]),
            source: ByteBuf::from(b"select".to_vec()),
            keys: ByteBuf::from(vec![7; 64]),
            created: 10,
            ended: None,
            expires: 20,
            progress: Progress::Started,
            results: Vec::new(),
        }
    }

    #[test]
    fn a_nonce_is_spent_once_and_stays_spent() {
        let folder = tempfile::tempdir().unwrap();
        let (who, other) = (Address::from_bytes([1; 20]), Address::from_bytes([2; 20]));
        {
            let book = Book::open(Some(folder.path()), Address::ZERO).unwrap();
            assert!(book.spend(Signed { who, nonce: 5 }).unwrap());
            assert!(!book.spend(Signed { who, nonce: 5 }).unwrap());
            assert!(!book.spend(Signed { who, nonce: 4 }).unwrap());
            assert!(!book.spend(Signed { who: other, nonce: 0 }).unwrap());
            assert!(book.spend(Signed { who: other, nonce: 1 }).unwrap());
        }
        let book = Book::open(Some(folder.path()), Address::ZERO).unwrap();
        assert_eq!((book.nonce(who).unwrap(), book.nonce(other).unwrap()), (5, 1));
        // One of many at the same time.
        let won = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8).map(|_| scope.spawn(|| book.spend(Signed { who, nonce: 6 }).unwrap())).collect();
            tries.into_iter().map(|one| one.join().unwrap()).filter(|won| *won).count()
        });
        assert_eq!(won, 1);
    }

    #[test]
    fn a_job_is_found_by_its_order_and_program_until_its_results_are_gone() {
        let book = Book::open(None, Address::ZERO).unwrap();
        let (name, row) = ([9; 16], row(4));
        book.begin(&name, &row).unwrap();
        assert_eq!(book.asked(row.tx, 3, row.program).unwrap(), Some((name, row.clone())));
        assert_eq!(book.asked(row.tx, 4, row.program).unwrap(), None);
        assert_eq!(book.unended().unwrap().len(), 1);
        let made = Made { name: "result.json".into(), size: 2 };
        let ended = book.end(&name, Progress::Finished, 15, &[(made, b"{}".to_vec())]).unwrap().unwrap();
        assert_eq!((ended.progress, ended.ended), (Progress::Finished, Some(15)));
        // What has ended stays as it is.
        assert_eq!(book.end(&name, Progress::Stopped, 16, &[]).unwrap().unwrap(), ended);
        assert_eq!(book.result(&name, 0).unwrap().unwrap(), b"{}");
        assert!(book.unended().unwrap().is_empty() && book.result(&name, 1).unwrap().is_none());
        assert_eq!((book.expire(15).unwrap(), book.expire(16).unwrap(), book.expire(16).unwrap()), (0, 1, 0));
        assert!(book.result(&name, 0).unwrap().is_none() && book.asked(row.tx, 3, row.program).unwrap().is_none());
        assert_eq!(book.job(&name).unwrap().unwrap().progress, Progress::Finished);
    }

    #[test]
    fn a_job_that_was_not_admitted_leaves_nothing() {
        let book = Book::open(None, Address::ZERO).unwrap();
        let (name, row) = ([9; 16], row(4));
        book.begin(&name, &row).unwrap();
        book.strike(&name, &row).unwrap();
        assert!(book.job(&name).unwrap().is_none() && book.unended().unwrap().is_empty());
        assert!(book.asked(row.tx, 3, row.program).unwrap().is_none());
    }
}
