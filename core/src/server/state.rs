//! What the handlers share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::sync::{Semaphore, watch};

use super::error::{Failure, ServerError};
use super::metrics::Metrics;
use super::options::ServerOptions;
use super::queue::{Limits, Queue};
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::node::Node;
use crate::owner::Owner;
use crate::protocol::NodeInfo;
use crate::release::MAX_RESULT_BYTES;

/// How many requests are checked at a time, for each core: most of them wait for the disk, together.
const CHECKING_PER_CORE: usize = 8;
/// How many more wait, for each core.
const WAITING_PER_CORE: usize = 2048;

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
            checking: Arc::new(Semaphore::new(cores * CHECKING_PER_CORE)),
            waiting: Arc::new(Semaphore::new(cores * WAITING_PER_CORE)),
            inflight: Arc::new(Semaphore::new(options.max_inflight_bytes >> 10)),
            draining: watch::channel(false).0,
            unwell: AtomicBool::new(false),
            options,
        };
        // What was admitted before goes on.
        let node = state.node();
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
            devices: vec!["cpu".into()],
            max_request_bytes: crate::job::MAX_REQUEST_BYTES as u64,
            max_result_bytes: MAX_RESULT_BYTES as u64,
            result_retention_secs: self.options.result_retention,
            now: self.exchange().clock().now(),
        }
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

    /// Whether jobs can be admitted and completed.
    pub(crate) fn is_ready(&self) -> Result<bool> {
        if self.is_draining() {
            return Ok(false);
        }
        self.node().receipt_count()?;
        self.exchange().ledger().nfts(0, 1)?;
        if self.unwell.load(Ordering::Relaxed) {
            self.node().probe()?;
            self.wrote(true);
        }
        Ok(true)
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Room for so many bytes of a body, until it is dropped.
    pub(crate) async fn room(&self, bytes: u64) -> Result<tokio::sync::OwnedSemaphorePermit, Failure> {
        let kib = u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX);
        Arc::clone(&self.inflight)
            .try_acquire_many_owned(kib)
            .map_err(|_| Failure::busy(1, "the node reads as many requests as it has room for"))
    }

    /// Runs work that takes a core, or waits for a disk, with no more of it at a time than is of use.
    pub(crate) async fn check<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&State) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let busy = || Failure::busy(1, "the node has as many requests to check as it can hold");
        let _waiting = Arc::clone(&self.waiting).try_acquire_owned().map_err(|_| busy())?;
        let _core = Arc::clone(&self.checking).acquire_owned().await.map_err(|_| busy())?;
        self.block(work).await
    }

    /// Runs work that blocks.
    pub(crate) async fn block<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&State) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let state = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || work(&state)).await;
        done.unwrap_or_else(|panic| {
            tracing::error!(%panic, "a request ended with a panic");
            let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
            Err(Failure::new(status, crate::ErrorKind::Internal, "the node failed"))
        })
    }
}
