//! Jobs of Ocean's clients: begun once, on record before they are acknowledged, and ended here or after a restart.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use serde_bytes::ByteBuf;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::Inner;
use super::book::{Made, Name, Progress, Row};
use super::cipher::Purpose;
use super::compute::read_program;
use super::error::Refusal;
use super::fees::Paid;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::Asset;
use crate::job::JobId;
use crate::journal::Parked;
use crate::ledger::Ledger;
use crate::node::clear::{ClearKeys, ClearQuery, ClearTask};
use crate::node::lock;
use crate::progress::quiet;
use crate::receipt::Receipt;
use crate::release::{Answer, Numbers};
use crate::{Address, Digest};

/// How often a job is tried that fails for the node's own reasons.
const ATTEMPTS: u32 = 5;
/// The pause before it is tried again; it doubles.
const PAUSE: Duration = Duration::from_millis(250);
/// How often results are looked for whose time is over.
const SWEEP: Duration = Duration::from_secs(600);

/// Jobs that wait for the one who works on them.
pub(super) struct Jobs {
    sender: Mutex<Sender<Name>>,
    waiting: AtomicUsize,
    /// Held while a use of an order is looked for and taken.
    beginning: Mutex<()>,
}

impl Jobs {
    pub(super) fn new() -> (Self, Receiver<Name>) {
        let (sender, receiver) = channel();
        (Self { sender: Mutex::new(sender), waiting: AtomicUsize::new(0), beginning: Mutex::default() }, receiver)
    }

    /// How many jobs have not ended.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn put(&self, name: Name) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Who works ends when nobody can put any more.
        let _ = lock(&self.sender).send(name);
    }
}

/// Starts who works on jobs, until the routes are gone.
pub(super) fn work(inner: &Arc<Inner>, receiver: Receiver<Name>) -> Result<()> {
    let inner = Arc::downgrade(inner);
    let worker = std::thread::Builder::new().name("sealock-ocean".into());
    worker.spawn(move || work_on(&inner, &receiver)).map_err(crate::server::ServerError::from)?;
    Ok(())
}

fn work_on(inner: &Weak<Inner>, receiver: &Receiver<Name>) {
    use std::sync::mpsc::RecvTimeoutError;
    let mut swept = Instant::now();
    loop {
        let next = receiver.recv_timeout(SWEEP);
        let Some(inner) = inner.upgrade() else { return };
        if swept.elapsed() >= SWEEP {
            swept = Instant::now();
            inner.sweep();
        }
        match next {
            Ok(name) => {
                let work = std::panic::AssertUnwindSafe(|| inner.carry_out(&name));
                if std::panic::catch_unwind(work).is_err() {
                    tracing::error!("a job of Ocean's ended with a panic");
                    inner.fail(&name);
                }
                inner.jobs.waiting.fetch_sub(1, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

impl Inner {
    /// Deletes results whose time is over.
    fn sweep(&self) {
        match self.book.expire(self.now().saturating_sub(self.options.result_retention)) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "deleted results of Ocean's jobs whose time is over"),
            Err(error) => tracing::error!(%error, "cannot delete results of Ocean's jobs"),
        }
    }

    /// Takes up the jobs that had not ended; strikes out those that the journal never admitted.
    pub(super) fn take_up(&self) -> Result<()> {
        for (name, row) in self.book.unended()? {
            if self.node().job(JobId::from(row.job))?.is_some() {
                self.jobs.put(name);
            } else {
                self.book.strike(&name, &row)?;
            }
        }
        Ok(())
    }

    /// Begins a job under the first order that has a use for it, or finds the one that was begun before.
    pub(super) fn begin(
        &self,
        who: Address,
        asset: &Asset,
        query: &ClearQuery,
        source: Vec<u8>,
        algorithm: Option<String>,
        paid: &[Paid],
    ) -> Result<(Name, Row), Refusal> {
        // Of other data, or under another policy, the answer is another.
        let (policy, data) = (asset.policy().digest().map_err(Error::from)?, asset.data());
        let program = Digest::of("sealock/v1/ocean-source", &[&source, policy.as_bytes(), data.as_bytes()]);
        let asked = Asked { who, asset, task: ClearTask::Query(query), program, source, algorithm };
        let (name, row, new) = self.take_use(&asked, paid)?;
        if new {
            self.jobs.put(name);
        }
        Ok((name, row))
    }

    /// Pays for a download with a use of an order, unless that was done before: the data, once read, is the consumer's.
    pub(super) fn pay_download(&self, who: Address, asset: &Asset, paid: &[Paid]) -> Result<(), Refusal> {
        let program = crate::download::program_digest();
        let asked = Asked { who, asset, task: ClearTask::Download, program, source: Vec::new(), algorithm: None };
        let (name, _, new) = self.take_use(&asked, paid)?;
        if new {
            self.jobs.put(name);
        }
        Ok(())
    }

    fn take_use(&self, asked: &Asked<'_>, paid: &[Paid]) -> Result<(Name, Row, bool), Refusal> {
        let _alone = lock(&self.jobs.beginning);
        for one in paid {
            if let Some((name, row)) = self.book.asked(one.order.tx, one.order.position, asked.program)?
                && matches!(row.progress, Progress::Started | Progress::Finished)
                && row.consumer == asked.who
            {
                return Ok((name, row, false));
            }
        }
        if self.jobs.waiting() >= self.options.max_queued {
            return Err(Refusal::busy());
        }
        let (chain, now) = (self.ledger.chain_id(), self.now());
        for one in paid {
            let limit = one.terms.map_or(0, |terms| terms.limit);
            for number in 0..limit {
                let nullifier = one.nullifier(chain, now, number);
                if !self.node().is_spent(&nullifier)? {
                    let (name, row) = self.admit(asked, one, nullifier)?;
                    return Ok((name, row, true));
                }
            }
        }
        Err(Refusal::forbidden("The order has no use left"))
    }

    /// Writes a job down, and admits it.
    fn admit(&self, asked: &Asked<'_>, paid: &Paid, nullifier: [u8; 32]) -> Result<(Name, Row), Refusal> {
        let keys = ClearKeys::generate();
        let request = self.node().clear_request(asked.asset, &asked.task, nullifier, &keys)?;
        let mut name = Name::default();
        getrandom::fill(&mut name).expect("the operating system provides randomness");
        let row = Row {
            asset: asked.asset.did().to_string(),
            algorithm: asked.algorithm.clone(),
            consumer: asked.who,
            job: request.id().digest(),
            tx: paid.order.tx,
            position: paid.order.position,
            program: asked.program,
            source: ByteBuf::from(asked.source.clone()),
            keys: ByteBuf::from(self.cipher.seal(Purpose::Keys, &name, keys.expose_secret_bytes().as_ref())?),
            created: self.now(),
            ended: None,
            expires: paid.expires,
            progress: Progress::Started,
            results: Vec::new(),
        };
        self.book.begin(&name, &row)?;
        if let Err(error) = self.node().admit_clear(request) {
            // Whether it was admitted is the journal's to say: a write may have failed after it was done.
            if self.node().job(JobId::from(row.job)).is_ok_and(|job| job.is_none()) {
                self.book.strike(&name, &row)?;
            }
            return Err(error.into());
        }
        Ok((name, row))
    }

    pub(super) fn stop(&self, name: &Name) -> Result<Option<Row>, Refusal> {
        let row = self.book.end(name, Progress::Stopped, self.now(), &[])?;
        if let Some(row) = row.as_ref().filter(|row| row.progress == Progress::Stopped) {
            self.node().park(JobId::from(row.job), Some(Parked::Cancelled))?;
        }
        Ok(row)
    }

    /// Computes a job and writes its results down, trying again where the node failed.
    fn carry_out(&self, name: &Name) {
        let mut attempts = 0;
        loop {
            let Err(error) = self.try_out(name) else { return };
            match error.kind() {
                // The node's own workers took it up after a restart.
                ErrorKind::Locked => std::thread::sleep(Duration::from_millis(50)),
                ErrorKind::Rejected | ErrorKind::KeyDestroyed | ErrorKind::CorruptState | ErrorKind::NotFound => {
                    tracing::error!(%error, "a job of Ocean's cannot be completed");
                    return self.fail(name);
                }
                _ if attempts + 1 >= ATTEMPTS => {
                    tracing::error!(%error, "a job of Ocean's failed too often");
                    return self.fail(name);
                }
                _ => {
                    tracing::warn!(%error, "a job of Ocean's failed, and is tried again");
                    std::thread::sleep(PAUSE * 2u32.pow(attempts));
                    attempts += 1;
                }
            }
        }
    }

    fn try_out(&self, name: &Name) -> Result<()> {
        let Some(row) = self.book.job(name)?.filter(|row| row.progress == Progress::Started) else { return Ok(()) };
        let (job, node) = (JobId::from(row.job), self.node());
        node.finish(job, &mut quiet())?;
        let results = if row.source.is_empty() { Vec::new() } else { self.results(name, &row, job)? };
        self.book.end(name, Progress::Finished, self.now(), &results)?;
        Ok(())
    }

    fn results(&self, name: &Name, row: &Row, job: JobId) -> Result<Vec<(Made, Vec<u8>)>> {
        let damaged = |why: &str| {
            let why = why.to_owned();
            Error::from(crate::journal::JournalError::Row(crate::codec::CodecError::Malformed {
                what: "job of Ocean's",
                why,
            }))
        };
        let keys = self.cipher.open(Purpose::Keys, name, &row.keys)?;
        let keys: &[u8; 64] = keys.as_slice().try_into().map_err(|_| damaged("its keys"))?;
        let keys = ClearKeys::from_secret_bytes(keys)?;
        let query = read_program(&row.source).map_err(|_| damaged("its program"))?;
        let did = row.asset.parse().map_err(|_| damaged("its asset"))?;
        let asset = self.node().asset_of(&did)?.ok_or_else(|| damaged("its asset is gone"))?;
        let opened = self.node().open_clear(job, &asset, &query, &keys)?;
        let (answer, receipt) = opened.ok_or_else(|| damaged("it has no result"))?;
        let mut files = vec![("result.json", answer_json(&answer, &receipt, &asset)?)];
        files.extend(answer_csv(&answer).map(|csv| ("result.csv", csv)));
        files.push(("receipt.cbor", receipt.to_bytes()?));
        let seal = |(number, (file, bytes)): (usize, (&str, Vec<u8>))| {
            let bytes = Zeroizing::new(bytes);
            let sealed = self.cipher.seal(Purpose::Result, &place(name, number as u32), &bytes)?;
            Ok((Made { name: file.into(), size: bytes.len() as u64 }, sealed))
        };
        files.into_iter().enumerate().map(seal).collect()
    }

    pub(super) fn open_result(&self, name: &Name, number: u32, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        Ok(self.cipher.open(Purpose::Result, &place(name, number), sealed)?)
    }

    fn fail(&self, name: &Name) {
        let ended = self.book.end(name, Progress::Failed, self.now(), &[]);
        let parked = ended.map_err(Error::from).and_then(|row| match row {
            Some(row) => self.node().park(JobId::from(row.job), Some(Parked::Failed)),
            None => Ok(()),
        });
        if let Err(error) = parked {
            tracing::error!(%error, "cannot note that a job of Ocean's failed: it will be taken up again");
        }
    }
}

/// A use that is looked for.
struct Asked<'a> {
    who: Address,
    asset: &'a Asset,
    task: ClearTask<'a>,
    program: Digest,
    source: Vec<u8>,
    algorithm: Option<String>,
}

fn place(name: &Name, number: u32) -> Vec<u8> {
    [name.as_slice(), &number.to_be_bytes()].concat()
}

/// An answer for programs and people: rows of labels and numbers, the exact answer, and the receipt.
fn answer_json(answer: &Answer, receipt: &Receipt, asset: &Asset) -> Result<Vec<u8>> {
    let json = |value: Result<Value, serde_json::Error>| {
        value.map_err(|e| crate::codec::CodecError::Malformed { what: "answer", why: e.to_string() })
    };
    let mut rows = vec![Map::new(); answer.len()];
    for (name, labels) in answer.groups() {
        rows.iter_mut().zip(labels).for_each(|(row, label)| drop(row.insert(name.clone(), json!(label))));
    }
    for (name, numbers) in answer.columns() {
        let values: Vec<Value> = match numbers {
            Numbers::Count(counts) => {
                counts.iter().map(|count| i64::try_from(*count).map_or(Value::Null, Value::from)).collect()
            }
            Numbers::Histogram { bins, counts } => {
                let bars = |counts: &Vec<i128>| {
                    let bar = |(bin, count): (&crate::release::Bin, &i128)| json!({ "bin": bin.label, "count": i64::try_from(*count).ok() });
                    bins.iter().zip(counts).map(bar).collect()
                };
                counts.iter().map(bars).collect()
            }
            Numbers::Bins { bins, chosen } => {
                chosen.iter().map(|at| json!(at.and_then(|at| bins.get(at)).map(|bin| &bin.label))).collect()
            }
            other => other.to_f64().into_iter().map(|value| json!(value)).collect(),
        };
        rows.iter_mut().zip(values).for_each(|(row, value)| drop(row.insert(name.clone(), value)));
    }
    let head = json!({ "asset": asset.did().to_string(), "receipt": hex::encode(receipt.to_bytes()?), "rows": rows });
    // The exact numbers have up to 128 bits, which a JSON value in memory has no room for.
    let exact = serde_json::to_string(answer);
    let exact = exact.map_err(|e| crate::codec::CodecError::Malformed { what: "answer", why: e.to_string() })?;
    let head = json(Ok(head))?.to_string();
    let open = head.strip_suffix('}').unwrap_or(&head);
    Ok(format!("{open},\"answer\":{exact}}}").into_bytes())
}

/// The answer as CSV; none where its columns are more than numbers and texts.
fn answer_csv(answer: &Answer) -> Option<Vec<u8>> {
    let batch = answer.to_record_batch().ok()?;
    let mut csv = Vec::new();
    arrow::csv::Writer::new(&mut csv).write(&batch).ok()?;
    Some(csv)
}
