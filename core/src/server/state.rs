//! What the handlers share.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::error::{Failure, ServerError};
use super::metrics::Metrics;
use super::options::ServerOptions;
use super::queue::{Limits, Queue};
use crate::Address;
use crate::error::{Error, ErrorKind, Result};
use crate::exchange::Exchange;
use crate::job::JobId;
use crate::node::Node;
use crate::owner::Owner;
use crate::protocol::{MAX_CLAIM_SECS, NodeInfo};
use crate::release::MAX_RESULT_BYTES;
use crate::sealed::Assigned;
use crate::time::Timestamp;

/// How many requests are checked at a time, for each core and at least: most of them wait, for the disk or for a batch of
/// proofs, and the more there are, the less each costs.
const CHECKING_PER_CORE: usize = 8;
const CHECKING: usize = 64;
/// How many reads there are at a time, for each core.
const READING_PER_CORE: usize = 16;
/// How many more wait, for each core.
const WAITING_PER_CORE: usize = 2048;

/// Tasks that are kept laid out: some 4 MiB each at most.
const MAX_ASSIGNED: usize = 16;

pub(crate) struct State {
    pub(crate) owner: Arc<Owner>,
    pub(crate) options: ServerOptions,
    pub(crate) queue: Arc<Queue>,
    pub(crate) metrics: Metrics,
    pub(crate) started: Instant,
    /// Requests that are checked.
    checking: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Bytes of bodies in memory, in KiB.
    inflight: Arc<Semaphore>,
    /// Bytes of answers in memory, in KiB: who takes none of an answer keeps nobody from asking.
    answers: Arc<Semaphore>,
    /// Reads at a time.
    reading: Arc<Semaphore>,
    /// Held by whoever changes whether a job is worked on, in the journal and in the queue.
    changing: Mutex<()>,
    /// The executors whose results are taken.
    pub(crate) executors: BTreeSet<Address>,
    /// Jobs that wait for executors: how many results were not enough, and when that was found.
    awaiting: Mutex<BTreeMap<JobId, (usize, Instant)>>,
    /// The last tasks that executors asked for: laying one out takes time.
    assigned: Mutex<VecDeque<Arc<Assigned>>>,
    /// Held to read by whoever takes what is handed in, and to write by whoever deletes it.
    pub(crate) handing_in: RwLock<()>,
    draining: watch::Sender<bool>,
    /// Whether something could not be written, and nothing has been since.
    unwell: AtomicBool,
}

impl State {
    pub(crate) fn new(owner: Arc<Owner>, mut options: ServerOptions) -> Result<Self> {
        let wrong = |option, why: &str| Error::from(ServerError::Option { option, why: why.into() });
        if options.max_queued == 0 || options.max_queued_per_asset == 0 {
            return Err(wrong("max_queued", "a queue has room for one job at least"));
        }
        if options.max_connections == 0 {
            return Err(wrong("max_connections", "one connection at least"));
        }
        if options.max_inflight_bytes < crate::job::MAX_REQUEST_BYTES {
            return Err(wrong("max_inflight_bytes", "the longest request does not fit into it"));
        }
        if options.max_attempts == 0 {
            return Err(wrong("max_attempts", "a job is tried once at least"));
        }
        if options.tls_certificate.is_some() != options.tls_key.is_some() {
            return Err(wrong("tls_certificate", "a certificate and a key go together"));
        }
        if options.admin_token.as_ref().is_some_and(|token| token.len() < 16) {
            return Err(wrong("admin_token", "it has less than 16 characters"));
        }
        if options.admin_listen.is_some_and(|at| !at.ip().is_loopback()) && options.admin_token.is_none() {
            return Err(wrong("admin_listen", "others can reach that address: set admin_token as well"));
        }
        let executors = options.executors.iter().map(|text| text.parse::<Address>());
        let executors = executors.collect::<std::result::Result<BTreeSet<_>, _>>();
        let executors = executors.map_err(|e| wrong("executors", &e.to_string()))?;
        if executors.len() > crate::sealed::MAX_EXECUTORS {
            return Err(wrong("executors", "there are more than an asset can have"));
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        if options.workers == 0 {
            options.workers = cores;
        }
        let limits = Limits {
            queued: options.max_queued,
            per_asset: options.max_queued_per_asset,
            priorities: options.priorities.clone(),
        };
        let state = Self {
            owner,
            queue: Arc::new(Queue::new(limits)),
            metrics: Metrics::new(),
            started: Instant::now(),
            checking: Arc::new(Semaphore::new((cores * CHECKING_PER_CORE).max(CHECKING))),
            waiting: Arc::new(Semaphore::new(cores * WAITING_PER_CORE)),
            inflight: Arc::new(Semaphore::new(options.max_inflight_bytes >> 10)),
            answers: Arc::new(Semaphore::new(options.max_inflight_bytes >> 10)),
            reading: Arc::new(Semaphore::new(cores * READING_PER_CORE)),
            changing: Mutex::default(),
            executors,
            awaiting: Mutex::default(),
            assigned: Mutex::default(),
            handing_in: RwLock::default(),
            draining: watch::channel(false).0,
            unwell: AtomicBool::new(false),
            options,
        };
        // What was admitted before goes on.
        let node = state.node();
        if !state.executors.is_empty() {
            node.sweep_handed_in()?;
        }
        let mut waiting = Vec::new();
        for job in node.unfinished()? {
            if let (Some(record), None) = (node.job(job)?, node.parked(job)?) {
                waiting.push((record.admitted_at, job, record.asset));
            }
        }
        waiting.sort();
        for (since, job, asset) in waiting {
            state.queue.put(job, &asset, since);
        }
        Ok(state)
    }

    pub(crate) fn node(&self) -> &Node {
        self.owner.node()
    }

    pub(crate) fn exchange(&self) -> &Exchange {
        &self.node().exchange
    }

    pub(crate) fn info(&self) -> NodeInfo {
        let ledger = self.exchange().ledger();
        NodeInfo {
            version: env!("CARGO_PKG_VERSION").into(),
            address: self.owner.address(),
            chain_id: ledger.chain_id(),
            ledger: ledger.address(),
            serves_ledger: ledger.embedded().is_some(),
            devices: vec![self.node().device().to_string()],
            max_request_bytes: crate::job::MAX_REQUEST_BYTES as u64,
            max_result_bytes: MAX_RESULT_BYTES as u64,
            result_retention_secs: self.options.result_retention,
            now: self.exchange().clock().now(),
        }
    }

    /// Checks until when a claim is good. Of a clock that is wrong everybody may know.
    pub(crate) fn check_deadline(&self, deadline: Timestamp) -> Result<(), Failure> {
        let now = self.exchange().clock().now();
        if deadline < now || deadline - now > MAX_CLAIM_SECS {
            let why = format!("the deadline {deadline} has passed or is too far ahead: it is {now} (unix seconds)");
            return Err(Failure::new(axum::http::StatusCode::UNAUTHORIZED, ErrorKind::DeadlinePassed, why));
        }
        Ok(())
    }

    fn waiting_for(&self) -> MutexGuard<'_, BTreeMap<JobId, (usize, Instant)>> {
        self.awaiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a job waits for executors, of whom so many were not enough.
    pub(crate) fn await_executors(&self, job: JobId, tried: usize) {
        self.waiting_for().insert(job, (tried, Instant::now()));
    }

    /// Notes that a job waits for executors no longer.
    pub(crate) fn await_nobody(&self, job: JobId) {
        self.waiting_for().remove(&job);
    }

    /// How many results were not enough, and how long ago, if the job is known to wait.
    pub(crate) fn tried(&self, job: JobId) -> Option<(usize, Duration)> {
        self.waiting_for().get(&job).map(|(tried, at)| (*tried, at.elapsed()))
    }

    /// The task of a job, which `lay_out` lays out if it was not among the last. It is the same each time.
    pub(crate) fn assigned(
        &self,
        job: JobId,
        lay_out: impl FnOnce() -> Result<Assigned, Failure>,
    ) -> Result<Arc<Assigned>, Failure> {
        let all = || self.assigned.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(assigned) = all().iter().find(|assigned| assigned.task.job() == job) {
            return Ok(Arc::clone(assigned));
        }
        let assigned = Arc::new(lay_out()?);
        let mut all = all();
        all.truncate(MAX_ASSIGNED - 1);
        all.push_front(Arc::clone(&assigned));
        Ok(assigned)
    }

    /// The jobs that wait for executors.
    pub(crate) fn awaiting(&self) -> Vec<JobId> {
        self.waiting_for().keys().copied().collect()
    }

    /// Deletes what was handed in for a job that is over.
    pub(crate) fn forget_handed_in(&self, job: JobId) -> Result<()> {
        self.await_nobody(job);
        let _alone = self.handing_in.write().unwrap_or_else(PoisonError::into_inner);
        self.node().forget_handed_in(job)
    }

    /// Stops taking work.
    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
        self.queue.stop();
    }

    /// Notes whether what was to be written was.
    pub(crate) fn wrote(&self, well: bool) {
        self.unwell.store(!well, Ordering::Relaxed);
    }

    /// Whether what is to be written can be. A database that has met a full disk writes nothing until it is opened again, so
    /// that a node which is not well is to be started again.
    pub(crate) fn is_well(&self) -> bool {
        if self.unwell.load(Ordering::Relaxed) {
            let probed = self.node().probe();
            self.wrote(probed.is_ok());
            return probed.is_ok();
        }
        true
    }

    /// Whether jobs can be admitted and completed.
    pub(crate) fn is_ready(&self) -> Result<bool> {
        if self.is_draining() {
            return Ok(false);
        }
        self.node().receipt_count()?;
        self.exchange().ledger().nfts(0, 1)?;
        Ok(self.is_well())
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// The right to change whether a job is worked on.
    pub(crate) fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room for so many bytes of an answer, until it is dropped.
    pub(crate) fn room_for_answer(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Failure> {
        take_room(&self.answers, bytes)
    }

    /// Room for so many bytes of a body, until it is dropped.
    pub(crate) fn room(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Failure> {
        take_room(&self.inflight, bytes)
    }

    /// Runs work that takes a core, or waits for a disk, with no more of it at a time than is of use.
    pub(crate) async fn check<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&State) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let busy = || Failure::busy(1, "the node has as many requests to check as it can hold");
        let waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| busy())?;
        let core = Arc::clone(&self.checking).acquire_owned().await.map_err(|_| busy())?;
        // Both go with the work, whoever still waits for it.
        self.run(work, (waiting, core)).await
    }

    /// Runs work that blocks.
    pub(crate) async fn block<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&State) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let busy = || Failure::busy(1, "the node is about to stop");
        let reading = Arc::clone(&self.reading).acquire_owned().await.map_err(|_| busy())?;
        self.run(work, reading).await
    }

    async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&State) -> Result<T, Failure> + Send + 'static,
        held: impl Send + 'static,
    ) -> Result<T, Failure> {
        let state = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let _held = held;
            work(&state)
        });
        done.await.unwrap_or_else(|panic| {
            tracing::error!(%panic, "a request ended with a panic");
            let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            Err(Failure::new(status, crate::ErrorKind::Internal, "the node failed"))
        })
    }
}

fn take_room(from: &Arc<Semaphore>, bytes: u64) -> Result<OwnedSemaphorePermit, Failure> {
    let kib = u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX);
    Arc::clone(from)
        .try_acquire_many_owned(kib)
        .map_err(|_| Failure::busy(1, "the node has as much in memory as it has room for"))
}
