//! A node's memory of its jobs.
//!
//! Two transactions carry a job. *Admission* spends the nullifier, counts the job against the policy, charges its privacy loss
//! and records the request, all or nothing. *Completion* stores the sealed result and the receipt and drops the request, all or nothing.
//! Admissions that come at the same time share a transaction: its wait for the disk is what they cost most.
//! Between the two, a repeated request finds its job again; after them it gets the same result. A crash at any instant
//! leaves a job either not admitted, admitted (and then finished from the recorded request), or complete.

use std::path::Path;
use std::sync::Arc;

use redb::{ReadableTable, StorageBackend, TableDefinition};
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::durable::{Durable, DurableError, Format, via_durable};
use crate::error::{Classify, ErrorKind};
use crate::job::{JobId, JobRequest};
use crate::policy::{Policy, PolicyError};
use crate::privacy::Epsilon;
use crate::receipt::{Receipt, ReceiptError, Statement};
use crate::time::Timestamp;
use crate::together::Together;

const FORMAT: Format = Format { name: "sealock-journal", version: 1 };
/// Nullifier to job.
const NULLIFIERS: TableDefinition<&[u8; 32], &[u8; 32]> = TableDefinition::new("nullifiers");
/// Job to its record.
const JOBS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("jobs");
/// Job to its request, until it is complete.
const REQUESTS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("requests");
/// Job to its sealed result.
const RESULTS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("results");
/// When a job was released, and the job: of the results that are there.
const RELEASED: TableDefinition<(u64, &[u8; 32]), ()> = TableDefinition::new("released");
/// Job to when its sealed result was deleted, because its time was over or the consumer had it.
const EXPIRED: TableDefinition<&[u8; 32], u64> = TableDefinition::new("expired");
/// Job to why nobody works on it: see [`Parked`].
const PARKED: TableDefinition<&[u8; 32], u8> = TableDefinition::new("parked");
/// Number of a receipt to the receipt.
const RECEIPTS: TableDefinition<u64, &[u8]> = TableDefinition::new("receipts");
/// Asset to the number of jobs admitted.
const USAGE: TableDefinition<&str, u64> = TableDefinition::new("usage");
/// Asset to the privacy loss that its releases have spent, in millionths of ε.
const BUDGETS: TableDefinition<&str, u64> = TableDefinition::new("budgets");
/// What the node keeps beside its jobs, by name: its access key, its assets.
const KEPT: TableDefinition<&str, &[u8]> = TableDefinition::new("kept");

const MAX_RECORD_BYTES: usize = 4096;

/// Why the journal refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The database under it failed.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// A row does not decode.
    #[error("the journal is damaged: {0}")]
    Row(#[from] CodecError),
    /// A receipt does not decode or could not be made.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// The policy's state allows no further job.
    #[error(transparent)]
    Policy(Box<PolicyError>),
    /// The use was spent for another request.
    #[error("this use of the order was spent before, for another request")]
    NullifierSpent,
    /// There is no such job.
    #[error("there is no job {0}")]
    UnknownJob(JobId),
    /// The result was kept for its time, or until the consumer had it.
    #[error("the result of job {0} was discarded or has expired; its receipt remains")]
    Expired(JobId),
    /// The result carried a key that was destroyed since.
    #[error("the result of job {0} was deleted with the key that it carried")]
    Withdrawn(JobId),
}

impl Classify for JournalError {
    fn kind(&self) -> ErrorKind {
        match self {
            JournalError::Durable(e) => e.kind(),
            JournalError::Row(_) => ErrorKind::CorruptState,
            JournalError::Receipt(e) => e.kind(),
            JournalError::Policy(e) => e.kind(),
            JournalError::NullifierSpent => ErrorKind::NullifierSpent,
            JournalError::UnknownJob(_) | JournalError::Expired(_) => ErrorKind::NotFound,
            JournalError::Withdrawn(_) => ErrorKind::KeyDestroyed,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            JournalError::Durable(e) => e.hint(),
            JournalError::Policy(e) => e.hint(),
            JournalError::NullifierSpent => Some("make a new request with the order's next use".into()),
            _ => None,
        }
    }
}

via_durable!(JournalError, TableError, StorageError);

/// What the journal keeps of a job for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRecord {
    /// DID of the asset.
    pub asset: String,
    /// Digest of the program.
    pub program: Digest,
    /// Digest of the policy.
    pub policy: Digest,
    /// The use that pays for it.
    #[serde(with = "serde_bytes")]
    pub nullifier: [u8; 32],
    /// When it was admitted, in unix seconds.
    pub admitted_at: Timestamp,
    /// Number of its receipt, once it is complete.
    pub receipt: Option<u64>,
    /// Privacy loss that it was charged with; none where the policy draws no noise for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epsilon: Option<Epsilon>,
    /// What questions about the job are authenticated with: see [`JobRequest::access_key`]. Jobs of older journals have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<Digest>,
}

/// Why nobody works on a job that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parked {
    /// Its maker gave it up.
    Cancelled,
    /// The node could not complete it.
    Failed,
}

/// The node's database: see the module.
#[derive(Debug)]
pub struct Journal {
    db: Durable,
    /// Who waits for a transaction.
    admissions: Together<Admission, Result<JobRecord, JournalError>>,
}

/// What is to be written.
#[derive(Debug)]
struct Admission {
    record: JobRecord,
    id: JobId,
    request: Vec<u8>,
    policy: Policy,
}

impl Journal {
    /// Opens the journal at `path`, and makes it if there is none.
    ///
    /// # Errors
    /// [`JournalError::Durable`]: in use by another process, or no journal.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, JournalError> {
        Ok(Self::over(Durable::open(path, FORMAT)?))
    }

    /// Opens the journal that `backend` stores.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn with_backend(backend: impl StorageBackend) -> Result<Self, JournalError> {
        Ok(Self::over(Durable::with_backend(backend, FORMAT)?))
    }

    /// A journal that is gone when it is dropped.
    ///
    /// # Errors
    /// None that memory gives rise to.
    pub fn in_memory() -> Result<Self, JournalError> {
        Ok(Self::over(Durable::in_memory(FORMAT)?))
    }

    fn over(db: Durable) -> Self {
        Self { db, admissions: Together::new(1) }
    }

    /// Admits a job: spends its nullifier, counts it and the privacy loss of the record against `policy`, records it and its
    /// request, all or nothing. The same request again finds the job that it made the first time, and changes nothing.
    ///
    /// # Errors
    /// [`JournalError::NullifierSpent`] if the use paid for another request; [`JournalError::Policy`] if the asset
    /// answers no more jobs or its privacy budget does not suffice.
    pub fn admit(&self, record: &JobRecord, request: &JobRequest, policy: &Policy) -> Result<JobRecord, JournalError> {
        let admission = Arc::new(Admission {
            record: record.clone(),
            id: request.id(),
            request: request.to_bytes()?,
            policy: policy.clone(),
        });
        let write = |all: &[Arc<Admission>]| {
            let apply = |txn: &_| Ok::<_, JournalError>(all.iter().map(|one| one.apply(txn)).collect::<Vec<_>>());
            match self.db.write(apply) {
                Ok(outcomes) => Some(outcomes),
                Err(e) if all.len() == 1 => Some(vec![Err(e)]),
                // Each has an error of its own. One that was written nevertheless is found again.
                Err(_) => None,
            }
        };
        let alone = || self.db.write(|txn| admission.apply(txn));
        self.admissions.join(&admission, || usize::MAX, write).unwrap_or_else(alone)
    }

    /// Whether this job was admitted before.
    ///
    /// # Errors
    /// A failed read.
    pub fn find(&self, id: JobId) -> Result<Option<JobRecord>, JournalError> {
        self.db.read_table(JOBS, |jobs| jobs.get(id.0.as_bytes())?.map(|row| decode_record(row.value())).transpose())
    }

    /// Completes a job: stores its sealed result and its receipt and drops its request, all or nothing. `statement` makes
    /// the receipt's content from its number and the digest of the one before. A job that is complete already keeps
    /// what it has, and that is what is returned.
    ///
    /// # Errors
    /// [`JournalError::UnknownJob`] if it was not admitted.
    pub fn complete(
        &self,
        id: JobId,
        owner: &crate::Account,
        result: &[u8],
        statement: impl FnOnce(u64, Digest) -> Statement,
    ) -> Result<(Vec<u8>, Receipt), JournalError> {
        let key = id.0.as_bytes();
        self.db.write(|txn| {
            let mut jobs = txn.open_table(JOBS)?;
            let mut receipts = txn.open_table(RECEIPTS)?;
            let mut results = txn.open_table(RESULTS)?;
            let mut record = decode(jobs.get(key)?, id)?;
            if let Some(number) = record.receipt {
                let stored = match results.get(key)? {
                    Some(stored) => stored.value().to_vec(),
                    None if txn.open_table(EXPIRED)?.get(key)?.is_some() => return Err(JournalError::Expired(id)),
                    None => return Err(JournalError::Withdrawn(id)),
                };
                let receipt = receipts.get(number)?.ok_or(JournalError::UnknownJob(id))?;
                return Ok((stored, Receipt::from_bytes(receipt.value())?));
            }
            let last = receipts.last()?.map(|(n, r)| (n.value(), Receipt::from_bytes(r.value())));
            let (number, previous) = match last {
                Some((n, receipt)) => (n + 1, receipt?.digest()?),
                None => (0, crate::receipt::genesis(owner.address())),
            };
            let receipt = Receipt::sign(statement(number, previous), owner)?;
            receipts.insert(number, receipt.to_bytes()?.as_slice())?;
            results.insert(key, result)?;
            txn.open_table(RELEASED)?.insert((receipt.statement().released_at, key), ())?;
            record.receipt = Some(number);
            jobs.insert(key, to_canonical("job record", &record)?.as_slice())?;
            txn.open_table(REQUESTS)?.remove(key)?;
            txn.open_table(PARKED)?.remove(key)?;
            Ok((result.to_vec(), receipt))
        })
    }

    /// The sealed result and receipt of a complete job.
    ///
    /// # Errors
    /// A failed read.
    pub fn result(&self, id: JobId) -> Result<Option<(Vec<u8>, Receipt)>, JournalError> {
        let Some(JobRecord { receipt: Some(number), .. }) = self.find(id)? else { return Ok(None) };
        type Bytes = Result<Option<Vec<u8>>, JournalError>;
        let stored: Bytes =
            self.db.read_table(RESULTS, |t| Ok(t.get(id.0.as_bytes())?.map(|row| row.value().to_vec())));
        let receipt: Bytes = self.db.read_table(RECEIPTS, |t| Ok(t.get(number)?.map(|row| row.value().to_vec())));
        let (stored, receipt) = (stored?, receipt?.ok_or(JournalError::UnknownJob(id))?);
        let Some(stored) = stored else { return Err(self.gone(id)?) };
        Ok(Some((stored, Receipt::from_bytes(&receipt)?)))
    }

    /// Why a complete job has no result.
    pub(crate) fn gone(&self, id: JobId) -> Result<JournalError, JournalError> {
        let expired = self.expired(id)?;
        Ok(if expired { JournalError::Expired(id) } else { JournalError::Withdrawn(id) })
    }

    /// Length of the sealed result of a job, in bytes, if it is there.
    ///
    /// # Errors
    /// A failed read.
    pub fn result_len(&self, id: JobId) -> Result<Option<u64>, JournalError> {
        self.db.read_table(RESULTS, |t| Ok(t.get(id.0.as_bytes())?.map(|row| row.value().len() as u64)))
    }

    /// How many receipts there are.
    ///
    /// # Errors
    /// A failed read.
    pub fn receipt_count(&self) -> Result<u64, JournalError> {
        self.db.read_table(RECEIPTS, |t| Ok(t.last()?.map_or(0, |(number, _)| number.value() + 1)))
    }

    /// Whether the result of a job was deleted because its time was over or the consumer had it.
    ///
    /// # Errors
    /// A failed read.
    pub fn expired(&self, id: JobId) -> Result<bool, JournalError> {
        self.db.read_table(EXPIRED, |t| Ok(t.get(id.0.as_bytes())?.is_some()))
    }

    /// The receipt of a number.
    ///
    /// # Errors
    /// A failed read.
    pub fn receipt(&self, number: u64) -> Result<Option<Receipt>, JournalError> {
        let bytes: Result<Option<Vec<u8>>, JournalError> =
            self.db.read_table(RECEIPTS, |t| Ok(t.get(number)?.map(|row| row.value().to_vec())));
        Ok(bytes?.map(|bytes| Receipt::from_bytes(&bytes)).transpose()?)
    }

    /// At most `limit` receipts from a number on, in order.
    ///
    /// # Errors
    /// A failed read.
    pub fn receipts_from(&self, from: u64, limit: usize) -> Result<Vec<Receipt>, JournalError> {
        self.db.read_table(RECEIPTS, |t| {
            t.range(from..)?.take(limit).map(|row| Ok(Receipt::from_bytes(row?.1.value())?)).collect()
        })
    }

    /// Deletes the results of jobs that were released before a time. Their receipts stay, and so do their spent uses. Says how
    /// many there were.
    ///
    /// # Errors
    /// A failed write.
    pub fn expire(&self, before: Timestamp, now: Timestamp) -> Result<u64, JournalError> {
        self.db.write(|txn| {
            let (mut released, mut results) = (txn.open_table(RELEASED)?, txn.open_table(RESULTS)?);
            let mut expired = txn.open_table(EXPIRED)?;
            let mut count = 0;
            for row in released.extract_from_if((0, &[0; 32])..(before, &[0; 32]), |_, ()| true)? {
                let (key, _) = row?;
                let (_, job) = key.value();
                // One that carried a key that was destroyed is gone for another reason.
                if results.remove(job)?.is_some() {
                    expired.insert(job, now)?;
                    count += 1;
                }
            }
            Ok(count)
        })
    }

    /// Deletes the result of a complete job, whose consumer has it. Says whether there was one.
    ///
    /// # Errors
    /// A failed write; [`JournalError::UnknownJob`].
    pub fn discard(&self, id: JobId, now: Timestamp) -> Result<bool, JournalError> {
        let key = id.0.as_bytes();
        self.db.write(|txn| {
            let Some(number) = decode(txn.open_table(JOBS)?.get(key)?, id)?.receipt else { return Ok(false) };
            let receipt = txn.open_table(RECEIPTS)?.get(number)?.map(|row| Receipt::from_bytes(row.value()));
            let receipt = receipt.ok_or(JournalError::UnknownJob(id))??;
            txn.open_table(RELEASED)?.remove((receipt.statement().released_at, key))?;
            let removed = txn.open_table(RESULTS)?.remove(key)?.is_some();
            if removed {
                txn.open_table(EXPIRED)?.insert(key, now)?;
            }
            Ok(removed)
        })
    }

    /// Whether the sealed result of a job is there.
    pub(crate) fn has_result(&self, id: JobId) -> Result<bool, JournalError> {
        self.db.read_table(RESULTS, |t| Ok(t.get(id.0.as_bytes())?.is_some()))
    }

    /// Keeps a receipt of destruction under `name` and deletes what released jobs still hold of the key, all or nothing:
    /// the results of jobs of `asset` that ran `program` on `data`. Their own receipts stay. A receipt that is there
    /// already stays, and is returned.
    pub(crate) fn withdraw(
        &self,
        name: &str,
        receipt: Vec<u8>,
        asset: &str,
        program: Digest,
        data: Digest,
    ) -> Result<Vec<u8>, JournalError> {
        self.db.write(|txn| {
            let (jobs, receipts) = (txn.open_table(JOBS)?, txn.open_table(RECEIPTS)?);
            let mut results = txn.open_table(RESULTS)?;
            for row in jobs.iter()? {
                let (job, record) = row?;
                let record = decode_record(record.value())?;
                let (true, Some(number)) = (record.asset == asset && record.program == program, record.receipt) else {
                    continue;
                };
                let Some(released) = receipts.get(number)? else { continue };
                if Receipt::from_bytes(released.value())?.statement().data == data {
                    results.remove(job.value())?;
                }
            }
            keep_in(txn, name, receipt)
        })
    }

    /// The jobs that were admitted and are not complete.
    ///
    /// # Errors
    /// A failed read.
    pub fn unfinished(&self) -> Result<Vec<JobId>, JournalError> {
        self.db.read_table(REQUESTS, |t| {
            let mut jobs = Vec::new();
            for row in t.iter()? {
                jobs.push(JobId(Digest::from_bytes(*row?.0.value())));
            }
            Ok(jobs)
        })
    }

    /// Notes that nobody works on a job, or that somebody does again. One that is complete is left alone.
    ///
    /// # Errors
    /// A failed write.
    pub fn park(&self, id: JobId, why: Option<Parked>) -> Result<(), JournalError> {
        let key = id.0.as_bytes();
        self.db.write(|txn| {
            let (mut parked, requests) = (txn.open_table(PARKED)?, txn.open_table(REQUESTS)?);
            match why {
                Some(why) if requests.get(key)?.is_some() => {
                    parked.insert(key, if why == Parked::Cancelled { 1 } else { 2 })?;
                }
                Some(_) => {}
                None => {
                    parked.remove(key)?;
                }
            }
            Ok(())
        })
    }

    /// Why nobody works on a job, if that is so.
    ///
    /// # Errors
    /// A failed read.
    pub fn parked(&self, id: JobId) -> Result<Option<Parked>, JournalError> {
        self.db.read_table(PARKED, |t| {
            Ok(t.get(id.0.as_bytes())?.map(|row| if row.value() == 1 { Parked::Cancelled } else { Parked::Failed }))
        })
    }

    /// The request of a job that was admitted and is not complete.
    ///
    /// # Errors
    /// A failed read.
    pub fn request(&self, id: JobId) -> Result<Option<JobRequest>, JournalError> {
        let bytes: Result<Option<Vec<u8>>, JournalError> =
            self.db.read_table(REQUESTS, |t| Ok(t.get(id.0.as_bytes())?.map(|row| row.value().to_vec())));
        Ok(bytes?.map(|bytes| JobRequest::from_bytes(&bytes)).transpose()?)
    }

    /// The job that a nullifier was spent for.
    ///
    /// # Errors
    /// A failed read.
    pub fn spent_for(&self, nullifier: &[u8; 32]) -> Result<Option<JobId>, JournalError> {
        self.db.read_table(NULLIFIERS, |t| Ok(t.get(nullifier)?.map(|job| JobId(Digest::from_bytes(*job.value())))))
    }

    /// Every receipt, in order.
    ///
    /// # Errors
    /// A failed read.
    pub fn receipts(&self) -> Result<Vec<Receipt>, JournalError> {
        self.db.read_table(RECEIPTS, |t| t.iter()?.map(|row| Ok(Receipt::from_bytes(row?.1.value())?)).collect())
    }

    /// How many jobs of an asset were admitted.
    ///
    /// # Errors
    /// A failed read.
    pub fn jobs_admitted(&self, asset: &str) -> Result<u64, JournalError> {
        self.db.read_table(USAGE, |t| Ok(t.get(asset)?.map_or(0, |n| n.value())))
    }

    /// Privacy loss that releases of an asset have spent, in millionths of ε.
    ///
    /// # Errors
    /// A failed read.
    pub fn privacy_spent(&self, asset: &str) -> Result<u64, JournalError> {
        self.db.read_table(BUDGETS, |t| Ok(t.get(asset)?.map_or(0, |n| n.value())))
    }

    /// Charges the privacy loss of a release of an asset, and keeps what is released, all or nothing.
    pub(crate) fn keep_charged(
        &self,
        name: &str,
        bytes: &[u8],
        asset: &str,
        policy: &Policy,
        asked: Epsilon,
    ) -> Result<(), JournalError> {
        self.db.write(|txn| {
            charge(txn, asset, policy, asked)?;
            txn.open_table(KEPT)?.insert(name, bytes)?;
            Ok(())
        })
    }

    /// Keeps bytes under a name. What is there already stays, and is returned.
    pub(crate) fn keep(&self, name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, JournalError> {
        self.db.write(|txn| keep_in(txn, name, bytes))
    }

    /// Keeps bytes under a name, in place of what was there.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), JournalError> {
        self.db.write(|txn| {
            txn.open_table(KEPT)?.insert(name, bytes)?;
            Ok(())
        })
    }

    /// Deletes what is kept under a name.
    pub(crate) fn forget(&self, name: &str) -> Result<(), JournalError> {
        self.db.write(|txn| {
            txn.open_table(KEPT)?.remove(name)?;
            Ok(())
        })
    }

    /// The names that begin with `prefix` and have something kept under them, in order.
    pub(crate) fn kept_names(&self, prefix: &str) -> Result<Vec<String>, JournalError> {
        self.db.read_table(KEPT, |t| {
            let mut names = Vec::new();
            for row in t.range(prefix..)? {
                let (name, _) = row?;
                if !name.value().starts_with(prefix) {
                    break;
                }
                names.push(name.value().to_owned());
            }
            Ok(names)
        })
    }

    /// What is kept under a name.
    pub(crate) fn kept(&self, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
        self.db.read_table(KEPT, |t| Ok(t.get(name)?.map(|v| v.value().to_vec())))
    }
}

impl Admission {
    /// Admits the job, or leaves everything as it is: what refuses it comes before the first change.
    fn apply(&self, txn: &redb::WriteTransaction) -> Result<JobRecord, JournalError> {
        let Self { record, id, request, policy, .. } = self;
        let key = id.0.as_bytes();
        let mut nullifiers = txn.open_table(NULLIFIERS)?;
        let mut jobs = txn.open_table(JOBS)?;
        let spent_for = nullifiers.get(&record.nullifier)?.map(|job| *job.value());
        if let Some(job) = spent_for {
            return if &job == key { decode(jobs.get(key)?, *id) } else { Err(JournalError::NullifierSpent) };
        }
        let mut usage = txn.open_table(USAGE)?;
        let answered = usage.get(record.asset.as_str())?.map_or(0, |n| n.value());
        policy.check_jobs(answered).map_err(|e| JournalError::Policy(Box::new(e)))?;
        let row = to_canonical("job record", record)?;
        record.epsilon.map_or(Ok(()), |asked| charge(txn, &record.asset, policy, asked))?;
        usage.insert(record.asset.as_str(), answered + 1)?;
        nullifiers.insert(&record.nullifier, key)?;
        jobs.insert(key, row.as_slice())?;
        txn.open_table(REQUESTS)?.insert(key, request.as_slice())?;
        Ok(record.clone())
    }
}

fn keep_in(txn: &redb::WriteTransaction, name: &str, bytes: Vec<u8>) -> Result<Vec<u8>, JournalError> {
    let mut kept = txn.open_table(KEPT)?;
    if let Some(known) = kept.get(name)? {
        return Ok(known.value().to_vec());
    }
    kept.insert(name, bytes.as_slice())?;
    Ok(bytes)
}

/// Charges a loss to an asset's budget.
fn charge(txn: &redb::WriteTransaction, asset: &str, policy: &Policy, asked: Epsilon) -> Result<(), JournalError> {
    let mut budgets = txn.open_table(BUDGETS)?;
    let spent = budgets.get(asset)?.map_or(0, |n| n.value());
    let after = policy.check_budget(spent, asked).map_err(|e| JournalError::Policy(Box::new(e)))?;
    budgets.insert(asset, after)?;
    Ok(())
}

fn decode(row: Option<redb::AccessGuard<'_, &[u8]>>, id: JobId) -> Result<JobRecord, JournalError> {
    decode_record(row.ok_or(JournalError::UnknownJob(id))?.value())
}

fn decode_record(bytes: &[u8]) -> Result<JobRecord, JournalError> {
    Ok(from_canonical("job record", bytes, MAX_RECORD_BYTES)?)
}
