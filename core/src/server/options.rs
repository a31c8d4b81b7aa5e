//! What a server is set to.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where a server listens, and its limits. Times are in seconds, sizes in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ServerOptions {
    /// Where clients reach it. Port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Where its owner does: the page, metrics. None where nobody does.
    pub admin_listen: Option<SocketAddr>,
    /// What the owner shows there (`Authorization: Bearer …`). Needed where `admin_listen` is no loopback address.
    pub admin_token: Option<String>,
    /// Certificate chain (PEM) for HTTPS, at `listen`.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    pub tls_key: Option<PathBuf>,
    /// Threads that compute; 0 for one per core.
    pub workers: usize,
    /// The most jobs that wait. One more is refused, and spends nothing.
    pub max_queued: usize,
    /// The most jobs of one asset that wait.
    pub max_queued_per_asset: usize,
    /// Which assets' jobs come first, by DID: higher before lower, 0 where nothing is said.
    pub priorities: BTreeMap<String, i32>,
    /// Addresses of the executors whose results on sealed data are taken: [`RemoteNode`](crate::remote::RemoteNode) hands them in,
    /// and the node releases what a quorum agrees on. Nobody's, if empty: the owner's own program has a
    /// [`Releaser`](crate::sealed::Releaser).
    pub executors: Vec<String>,
    /// How often a job is tried that fails for the node's own reasons.
    pub max_attempts: u32,
    /// For how long a result is kept that nobody discards.
    pub result_retention: u64,
    /// Whether others' transactions are applied to the ledger, if the node has one.
    pub accept_transactions: bool,
    /// The most connections at a time. Each takes a file descriptor, of which many systems let a process have 1024.
    pub max_connections: usize,
    /// The most bytes of requests in memory.
    pub max_inflight_bytes: usize,
    /// How long a client may take for the head of a request, and to say anything at all.
    pub header_timeout: u64,
    /// How long a client may take for its body, and may take nothing of an answer.
    pub body_timeout: u64,
    /// How long jobs that are being computed are waited for when the server stops.
    pub shutdown_grace: u64,
}

impl Default for ServerOptions {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: loopback(8030),
            admin_listen: Some(loopback(8031)),
            admin_token: None,
            tls_certificate: None,
            tls_key: None,
            workers: 0,
            max_queued: 1000,
            max_queued_per_asset: 500,
            priorities: BTreeMap::new(),
            executors: Vec::new(),
            max_attempts: 5,
            result_retention: 7 * 86_400,
            accept_transactions: true,
            max_connections: 768,
            max_inflight_bytes: 512 << 20,
            header_timeout: 10,
            body_timeout: 60,
            shutdown_grace: 30,
        }
    }
}

impl ServerOptions {
    /// At any free ports of the loopback address: for tests and notebooks.
    #[must_use]
    pub fn loopback() -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self { listen: any, admin_listen: Some(any), ..Self::default() }
    }
}
