use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use crate::{Error, Result};

/// How long tasks may take to end when the runtime stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a waiting thread looks up.
const TICK: Duration = Duration::from_millis(50);

/// The threads that a node runs on.
///
/// A store is synchronous. Unlike tokio's own `block_on`, waiting works on any thread, one that runs asynchronous tasks of
/// somebody else's included.
pub(crate) struct Runtime(Option<tokio::runtime::Runtime>);

impl Runtime {
    pub(crate) fn start() -> Result<Self> {
        let built = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .max_blocking_threads(16)
            .thread_name("sealock-ipfs")
            .enable_all()
            .build();
        let built = built.map_err(|e| Error::Failed(format!("starting threads: {e}")))?;
        Ok(Self(Some(built)))
    }

    /// What a future gives within `limit`. It is dropped if it takes longer.
    pub(crate) fn wait<F>(&self, limit: Duration, future: F) -> Option<F::Output>
    where
        F: IntoFuture<Output: Send + 'static, IntoFuture: Send + 'static>,
    {
        self.wait_unless(limit, &AtomicBool::new(false), future)
    }

    /// As [`wait`](Self::wait), until `stop` is set.
    pub(crate) fn wait_unless<F>(&self, limit: Duration, stop: &AtomicBool, future: F) -> Option<F::Output>
    where
        F: IntoFuture<Output: Send + 'static, IntoFuture: Send + 'static>,
    {
        let runtime = self.0.as_ref()?;
        let (done, result) = mpsc::sync_channel(1);
        let future = future.into_future();
        let task = runtime.spawn(async move {
            // Nobody listens any more when the waiting thread has gone.
            let _ = done.send(tokio::time::timeout(limit, future).await.ok());
        });
        loop {
            match result.recv_timeout(TICK) {
                Err(RecvTimeoutError::Timeout) if stop.load(Ordering::Relaxed) => task.abort(),
                Err(RecvTimeoutError::Timeout) => {}
                done => return done.ok().flatten(),
            }
        }
    }
}

impl Runtime {
    /// As [`wait`](Self::wait), for a future that stays on the thread that makes it.
    pub(crate) fn wait_beside<F: Future<Output: Send>>(
        &self,
        limit: Duration,
        make: impl FnOnce() -> F + Send,
    ) -> Option<F::Output> {
        let runtime = self.0.as_ref()?;
        std::thread::scope(|scope| {
            let made = scope.spawn(|| runtime.block_on(async { tokio::time::timeout(limit, make()).await.ok() }));
            made.join().ok().flatten()
        })
    }
}

impl Runtime {
    /// Runs a task that nobody waits for. It ends with the runtime at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.0 {
            runtime.spawn(task);
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let Some(runtime) = self.0.take() else { return };
        // Stopping blocks, which tokio forbids on a thread that runs tasks.
        let stopped = std::thread::Builder::new().spawn(move || runtime.shutdown_timeout(STOP_TIMEOUT));
        if let Ok(thread) = stopped {
            let _ = thread.join();
        }
    }
}
