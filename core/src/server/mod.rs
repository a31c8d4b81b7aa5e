//! A compute node that others reach over HTTP.
//!
//! ```no_run
//! # fn main() -> sealock::Result<()> {
//! use sealock::server::{Server, ServerOptions};
//! use sealock::{Account, Exchange};
//!
//! let exchange = Exchange::local("a/folder")?;
//! let owner = exchange.owner(Account::generate())?;
//! let server = Server::start(owner, ServerOptions::default())?;
//! println!("{}", server.url());
//! server.wait();
//! # Ok(()) }
//! ```
//!
//! What it says to clients is described in [`protocol`](crate::protocol), and in the OpenAPI document that it serves itself at
//! `/openapi.json`. Consumers use [`Exchange::connect`](crate::Exchange::connect).
//!
//! **What happens to a job.** It is admitted (its proof checked, its use spent, its budget charged, its request on record, in
//! one transaction) before its maker hears so, computed by one of some workers, and kept until its maker discards it or its
//! time is over. A node that is killed in between starts again with every job that it has acknowledged; the same request
//! again is the same job.
//!
//! **What a stranger can do** is bounded: connections, the time and length of heads and bodies, bytes in memory, jobs that wait.
//! A node that is full says so (`503`, `Retry-After`) and spends nothing. Bodies are not decompressed. The node follows no URL
//! that somebody else names, but for the files of plain Ocean assets, where its owner allows that.

mod admin;
mod assets;
mod blocks;
mod error;
mod executors;
mod jobs;
mod ledger;
mod listen;
mod metrics;
#[cfg(feature = "ocean")]
mod ocean;
mod options;
mod queue;
mod routes;
mod state;
mod worker;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

pub use error::ServerError;
#[cfg(feature = "ocean")]
pub use ocean::OceanOptions;
pub use options::ServerOptions;
use routes::Extra;
pub use routes::openapi;

use crate::error::Result;
use crate::owner::Owner;
use listen::Listening;
use state::State;

/// A server that runs, until it is dropped.
pub struct Server {
    state: Arc<State>,
    workers: Vec<JoinHandle<()>>,
    listening: Option<Listening>,
    beside: Option<std::sync::Weak<dyn Send + Sync>>,
}

impl Server {
    /// Takes up what was admitted before, and listens.
    ///
    /// # Errors
    /// [`ServerError`]: an address that cannot be listened at, files that are no certificate and key, options that cannot be.
    pub fn start(owner: impl Into<Arc<Owner>>, options: ServerOptions) -> Result<Self> {
        Self::start_with(owner.into(), options, Extra::default())
    }

    /// As [`Server::start`], with routes beside the node's own.
    fn start_with(owner: Arc<Owner>, options: ServerOptions, extra: Extra) -> Result<Self> {
        let mut server = Self::listen(owner, options, extra)?;
        server.workers = worker::start(&server.state)?;
        let (state, listening) = (&server.state, server.listening());
        tracing::info!(
            listen = %listening.address(),
            admin = ?listening.admin_address(),
            owner = %state.owner.address(),
            workers = state.options.workers,
            "the node listens"
        );
        Ok(server)
    }

    /// As [`Server::start`], with nobody who works: for looking at what there is.
    #[cfg(feature = "cli")]
    pub(crate) fn paused(owner: Arc<Owner>, options: ServerOptions) -> Result<Self> {
        Self::listen(owner, options, Extra::default())
    }

    fn listen(owner: Arc<Owner>, options: ServerOptions, extra: Extra) -> Result<Self> {
        let state = Arc::new(State::new(owner, options)?);
        let beside = extra.held.clone();
        let listening = Some(Listening::start(&state, extra)?);
        Ok(Self { state, workers: Vec::new(), listening, beside })
    }

    /// The owner whose node it is.
    pub fn owner(&self) -> &Owner {
        &self.state.owner
    }

    /// Where clients reach it.
    pub fn address(&self) -> SocketAddr {
        self.listening().address()
    }

    /// Where its owner does, if anywhere.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.listening().admin_address()
    }

    /// What clients connect to.
    pub fn url(&self) -> String {
        let scheme = if self.state.options.tls_certificate.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }

    /// Where its page is, if it has one.
    pub fn admin_url(&self) -> Option<String> {
        self.admin_address().map(|address| format!("http://{address}/"))
    }

    fn listening(&self) -> &Listening {
        self.listening.as_ref().expect("it listens until it is dropped")
    }

    /// Jobs that wait, and jobs that are being computed.
    pub fn queue(&self) -> (usize, usize) {
        self.state.queue.counts()
    }

    /// Waits until it was told to stop: by a signal, if [`Server::stop_on_signals`] was called.
    pub fn wait(mut self) {
        if let Some(listening) = self.listening.take() {
            listening.wait();
        }
        self.finish();
    }

    /// Whether it has stopped, waiting for so long at most.
    pub fn wait_for(&self, time: Duration) -> bool {
        self.listening.as_ref().is_none_or(|listening| listening.wait_for(time))
    }

    /// Stops on SIGINT and SIGTERM.
    pub fn stop_on_signals(&self) {
        self.listening().stop_on_signals(&self.state);
    }

    /// Stops: takes no more, lets what is being computed be completed within [`ServerOptions::shutdown_grace`], and returns.
    /// What waits is on record.
    pub fn stop(mut self) {
        self.halt();
    }

    fn halt(&mut self) {
        self.state.drain();
        if let Some(listening) = self.listening.take() {
            listening.stop();
            listening.wait();
        }
        self.finish();
    }

    fn finish(&mut self) {
        self.state.drain();
        let until = std::time::Instant::now() + Duration::from_secs(self.state.options.shutdown_grace);
        for worker in self.workers.drain(..) {
            while !worker.is_finished() && std::time::Instant::now() < until {
                std::thread::sleep(Duration::from_millis(5));
            }
            if worker.is_finished() && worker.join().is_err() {
                tracing::error!("a worker ended with a panic");
            }
        }
        while self.beside.as_ref().is_some_and(|held| held.strong_count() > 0) && std::time::Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.halt();
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Server(of {})", self.state.owner.address())
    }
}
