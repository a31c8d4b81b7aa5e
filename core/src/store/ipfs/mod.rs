//! An embedded IPFS node.
//!
//! The crate `rust-ipfs` brings the network: libp2p, bitswap, and a Kademlia DHT if asked for. Blocks, pins and garbage
//! collection stay with the [`DiskStore`], whose folder is a repository of `rust-ipfs` at the same time: the node serves what
//! the disk store has written, and writes what peers send to where the disk store finds it. So there is one rule for what is
//! kept, and whatever comes from the network is hashed before it is believed. The folders' layout is private to `rust-ipfs`:
//! its version is pinned, and a test holds the two together.
//!
//! Nothing is dialled unless [`IpfsStore::connect`] is called or bootstrap peers are given, and listening is on loopback
//! unless other addresses are given.

mod runtime;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cid::Cid;
use rust_ipfs::builder::DefaultIpfsBuilder;
use rust_ipfs::p2p::IdentifyConfiguration;
use rust_ipfs::{ConnectionLimits, Ipfs, Keypair, Multiaddr, PeerId, Protocol, ping};

use self::runtime::Runtime;
use super::transfer::{Options, transfer_by};
use super::{Adding, Block, DiskStore, Freed, Result, Store, StoreError};
use crate::progress::Progress;

/// How long a step of the network other than the transfer of a block may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_CONNECTIONS_PER_PEER: u32 = 8;
/// How long a block is waited for before the peers are asked again; each time half as long again.
const FIRST_ATTEMPT: Duration = Duration::from_secs(2);
/// Blocks on their way at once: see [`IpfsStore::request`] for what more would cost.
const PARALLEL: usize = 4;
/// How many peers that provide a block are looked for.
const WANTED_PROVIDERS: usize = 20;

/// How an embedded node is set up.
#[derive(Clone, Debug)]
pub struct IpfsConfig {
    listen: Vec<String>,
    bootstrap: Vec<String>,
    dht: bool,
    block_timeout: Duration,
    max_connections: u32,
}

impl Default for IpfsConfig {
    fn default() -> Self {
        Self {
            listen: vec!["/ip4/127.0.0.1/tcp/0".into(), "/ip4/127.0.0.1/udp/0/quic-v1".into()],
            bootstrap: Vec::new(),
            dht: false,
            block_timeout: Duration::from_secs(30),
            max_connections: 256,
        }
    }
}

impl IpfsConfig {
    /// A node that listens on loopback (TCP and QUIC, on ports that the operating system picks) and dials nobody.
    pub fn new() -> Self {
        Self::default()
    }

    /// Listens on these multiaddresses instead, for instance `/ip4/0.0.0.0/tcp/4001`. None at all is a node that only dials.
    #[must_use]
    pub fn listen<A: Into<String>>(mut self, addresses: impl IntoIterator<Item = A>) -> Self {
        self.listen = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Dials these peers when the node starts: multiaddresses that end in `/p2p/<peer id>`.
    #[must_use]
    pub fn bootstrap<A: Into<String>>(mut self, addresses: impl IntoIterator<Item = A>) -> Self {
        self.bootstrap = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the node takes part in the Kademlia DHT of its peers, so that it can tell them what it provides and find who
    /// provides a block. Not unless said.
    #[must_use]
    pub fn dht(mut self, on: bool) -> Self {
        self.dht = on;
        self
    }

    /// How long to wait for one block from the peers; 30 seconds unless said.
    #[must_use]
    pub fn block_timeout(mut self, timeout: Duration) -> Self {
        self.block_timeout = timeout;
        self
    }

    /// To how many peers there may be connections; 256 unless said.
    #[must_use]
    pub fn max_connections(mut self, peers: u32) -> Self {
        self.max_connections = peers;
        self
    }
}

/// A store that is a node on an IPFS network. Clones are the same node, which stops when the last one is dropped.
#[derive(Clone)]
pub struct IpfsStore {
    inner: Arc<Inner>,
}

struct Inner {
    disk: DiskStore,
    node: Ipfs,
    dht: bool,
    block_timeout: Duration,
    // Last, so that everything that runs on it is gone before.
    runtime: Runtime,
}

impl IpfsStore {
    /// Starts the node whose repository is in the folder `path`: a [`DiskStore`] with the node's identity, an Ed25519 key, in
    /// the file `identity`. Both are made if there are none. Returns when the node listens.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another node runs there; [`StoreError::InvalidAddress`]; [`StoreError::Io`], if an
    /// address is taken for instance; those of [`DiskStore::open`].
    pub fn open(path: impl AsRef<Path>, config: &IpfsConfig) -> Result<Self> {
        Self::start(path.as_ref(), config)
    }

    /// Apart from the generic one, so that the swarm is compiled here and not again in every crate that opens a node.
    fn start(path: &Path, config: &IpfsConfig) -> Result<Self> {
        let listen = config.listen.iter().map(|a| parse_address(a)).collect::<Result<Vec<_>>>()?;
        let bootstrap = config.bootstrap.iter().map(|a| parse_peer_address(a)).collect::<Result<Vec<_>>>()?;
        let disk = DiskStore::open(path)?;
        let keypair = identity(&disk)?;
        let runtime = Runtime::start()?;
        let setup = |path: PathBuf, limit: u32, dht: bool| async move {
            let builder = DefaultIpfsBuilder::with_keypair(&keypair)?
                .set_path(path)
                .with_bitswap()
                .with_identify(IdentifyConfiguration { agent_version: AGENT.into(), ..Default::default() })
                .with_ping(ping::Config::default())
                .set_connection_limits(move |limits: ConnectionLimits| {
                    let limits = limits.with_max_established(Some(limit)).with_max_pending_incoming(Some(limit));
                    limits.with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER))
                })
                .enable_tcp()
                .enable_quic();
            if dht { builder.with_kademlia().start().await } else { builder.start().await }
        };
        let (folder, limit, dht) = (path.to_path_buf(), config.max_connections, config.dht);
        let node = runtime.wait_beside(STEP_TIMEOUT, || setup(folder, limit, dht));
        let node = node.ok_or_else(|| late("starting the node"))?.map_err(|e| start_error(path, e))?;
        let store = Self {
            inner: Arc::new(Inner { disk, node, dht: config.dht, block_timeout: config.block_timeout, runtime }),
        };
        for address in listen {
            let listening = {
                let address = address.clone();
                store.ask(move |node| async move { node.add_listening_address(address).await })
            };
            listening.map_err(|why| failed(format!("listening on {address}"), why))?;
        }
        if config.dht {
            let mode = store.ask(|node| async move { node.dht_mode(rust_ipfs::DhtMode::Server).await });
            mode.map_err(|why| failed("starting the DHT", why))?;
        }
        for address in bootstrap {
            let added = {
                let address = address.clone();
                store.ask(move |node| async move { node.add_bootstrap(address).await })
            };
            added.map_err(|why| failed(format!("adding {address}"), why))?;
            // A peer that is not there today is no reason not to start.
            if let Err(error) = store.connect(&address.to_string()) {
                tracing::warn!(%error, "a bootstrap peer does not answer");
            }
        }
        Ok(store)
    }

    /// The blocks that are here, without the network.
    pub fn disk(&self) -> &DiskStore {
        &self.inner.disk
    }

    /// The node's peer id, which stays the same for its repository.
    pub fn peer_id(&self) -> String {
        self.inner.node.keypair().public().to_peer_id().to_string()
    }

    /// The multiaddresses that the node listens on, each with its peer id: what another node connects to.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the node does not answer.
    pub fn addresses(&self) -> Result<Vec<String>> {
        let found = self.ask(|node| async move { node.listening_addresses().await });
        let mut addresses = found.map_err(|why| failed("listing the node's addresses", why))?;
        addresses.sort();
        addresses.dedup();
        let id = self.peer_id();
        Ok(addresses.into_iter().map(|address| format!("{address}/p2p/{id}")).collect())
    }

    /// Connects to the peer at a multiaddress, for instance `/ip4/127.0.0.1/tcp/4001/p2p/<peer id>`. With the peer id,
    /// nobody else is taken for it.
    ///
    /// # Errors
    /// [`StoreError::InvalidAddress`]; [`StoreError::Unreachable`].
    pub fn connect(&self, address: &str) -> Result<()> {
        let dialled = parse_address(address)?;
        let connected = self.ask(move |node| async move { node.connect(dialled).await });
        connected.map(drop).map_err(|why| StoreError::Unreachable { who: address.into(), why })
    }

    /// The ids of the peers that the node is connected to.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the node does not answer.
    pub fn peers(&self) -> Result<Vec<String>> {
        let found = self.ask(|node| async move { node.connected().await });
        Ok(found.map_err(|why| failed("listing the peers", why))?.iter().map(PeerId::to_string).collect())
    }

    /// Tells the DHT that this node has `cid`, and does so again from time to time while it runs.
    ///
    /// # Errors
    /// [`StoreError::NoDht`]; [`StoreError::NotFound`] if it has not; [`StoreError::Io`] if no peer takes the record.
    pub fn provide(&self, cid: &Cid) -> Result<()> {
        self.check_dht()?;
        if !self.inner.disk.has(cid)? {
            return Err(StoreError::NotFound { cid: *cid });
        }
        let key = cid.hash().to_bytes();
        let provided = self.ask(move |node| async move { node.dht_provide(key).await });
        provided.map_err(|why| failed(format!("providing {cid}"), why))
    }

    /// The ids of peers that provide `cid`, as the DHT says. It may be none.
    ///
    /// # Errors
    /// [`StoreError::NoDht`]; [`StoreError::Io`] if the node does not answer.
    pub fn find_providers(&self, cid: &Cid) -> Result<Vec<String>> {
        use futures::StreamExt;

        self.check_dht()?;
        let cid = *cid;
        let found = self.ask(move |node| async move {
            let mut found = std::collections::BTreeSet::new();
            let mut stream = node.dht_get_providers(cid.hash().to_bytes()).await?;
            while let Some(peers) = stream.next().await
                && found.len() < WANTED_PROVIDERS
            {
                found.extend(peers?);
            }
            Ok(found)
        });
        let found = found.map_err(|why| failed(format!("looking for {cid}"), why))?;
        Ok(found.iter().map(PeerId::to_string).collect())
    }

    fn check_dht(&self) -> Result<()> {
        if self.inner.dht { Ok(()) } else { Err(StoreError::NoDht) }
    }

    /// Runs a step of the node's to its end, or says why not.
    fn ask<T, F>(&self, step: impl FnOnce(Ipfs) -> F) -> Result<T, String>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, anyhow::Error>> + Send + 'static,
    {
        match self.inner.runtime.wait(STEP_TIMEOUT, step(self.inner.node.clone())) {
            Some(done) => done.map_err(|e| format!("{e:#}")),
            None => Err(format!("no answer within {} s", STEP_TIMEOUT.as_secs())),
        }
    }

    /// A block, from the disk or from the peers, unless `stop` is set meanwhile. A damaged copy is replaced.
    fn find(&self, cid: &Cid, stop: &AtomicBool) -> Result<Block> {
        match self.inner.disk.get(cid) {
            Err(StoreError::NotFound { .. }) => {}
            Err(StoreError::CidMismatch { .. } | StoreError::BlockTooLarge { .. }) => {
                self.inner.disk.remove_damaged(cid)?
            }
            found => return found,
        }
        self.request(cid, stop)
    }

    /// A block that is not here, from the peers.
    fn request(&self, cid: &Cid, stop: &AtomicBool) -> Result<Block> {
        let Inner { runtime, block_timeout: limit, dht, .. } = &*self.inner;
        let peers = self.peers()?.len();
        if peers == 0 && !dht {
            return Err(StoreError::NotFound { cid: *cid });
        }
        // The node asks each peer once. By its source, a new stream of a peer's takes the place of one that is not read to its
        // end, and an answer is lost; so it is made to ask again, the longer the later.
        let (start, mut attempt) = (Instant::now(), FIRST_ATTEMPT);
        loop {
            let left = limit.saturating_sub(start.elapsed());
            let wanted = self.inner.node.get_block(cid).timeout(limit.saturating_add(STEP_TIMEOUT));
            match runtime.wait_unless(left.min(attempt), stop, wanted) {
                Some(Ok(block)) => return Block::verify(cid, block.data().to_vec()),
                Some(Err(why)) => return Err(failed(format!("fetching {cid}"), format!("{why:#}"))),
                None if stop.load(Ordering::Relaxed) => return Err(StoreError::Cancelled),
                None if left <= attempt => {
                    let asked =
                        if peers == 1 { "1 peer was asked".into() } else { format!("{peers} peers were asked") };
                    return Err(StoreError::Timeout { cid: *cid, waited: *limit, asked });
                }
                None => attempt = attempt * 3 / 2,
            }
        }
    }
}

const AGENT: &str = concat!("sealock/", env!("CARGO_PKG_VERSION"));

impl Drop for Inner {
    fn drop(&mut self) {
        let node = self.node.clone();
        if self.runtime.wait(STEP_TIMEOUT, node.exit_daemon()).is_none() {
            tracing::warn!("the node did not stop in time");
        }
    }
}

impl Store for IpfsStore {
    fn put(&self, block: &Block) -> Result<()> {
        self.inner.disk.put(block)
    }

    fn put_all(&self, blocks: &[Block]) -> Result<()> {
        self.inner.disk.put_all(blocks)
    }

    /// The block, from the disk or from the peers, in which case it is kept. A damaged copy is replaced.
    fn get(&self, cid: &Cid) -> Result<Block> {
        self.find(cid, &AtomicBool::new(false))
    }

    /// Whether the block is here. No peer is asked.
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.inner.disk.has(cid)
    }

    fn fetch(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> {
        let stop = AtomicBool::new(false);
        let mut told = |step| {
            let answer = progress(step);
            stop.fetch_or(answer.is_break(), Ordering::Relaxed);
            answer
        };
        // Nobody waits for a block any more once the caller stops.
        transfer_by(&|cid| self.find(cid, &stop), self.disk(), root, &Options::fetch().parallel(PARALLEL), &mut told)
            .map(drop)
    }

    fn pin(&self, root: &Cid) -> Result<()> {
        self.inner.disk.pin(root)
    }

    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.inner.disk.unpin(root)
    }

    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.inner.disk.is_pinned(root)
    }

    fn pins(&self) -> Result<Vec<Cid>> {
        self.inner.disk.pins()
    }

    fn adding(&self) -> Result<Adding> {
        self.inner.disk.adding()
    }

    fn gc(&self) -> Result<Freed> {
        self.inner.disk.gc()
    }
}

impl std::fmt::Debug for IpfsStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IpfsStore({}, {})", self.peer_id(), self.inner.disk.path().display())
    }
}

/// The node's key, made when there is none.
fn identity(disk: &DiskStore) -> Result<Keypair> {
    let path = disk.path().join("identity");
    let damaged = |why: String| StoreError::NotAStore { path: path.display().to_string(), why };
    match std::fs::read(&path) {
        Ok(bytes) => Keypair::from_protobuf_encoding(&bytes).map_err(|e| damaged(format!("it is no key: {e}"))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let keypair = Keypair::generate_ed25519();
            let bytes = keypair.to_protobuf_encoding().map_err(|e| damaged(e.to_string()))?;
            disk.write_secret(&path, &zeroize::Zeroizing::new(bytes))?;
            Ok(keypair)
        }
        Err(e) => Err(StoreError::io("reading the node's identity")(e)),
    }
}

fn parse_address(address: &str) -> Result<Multiaddr> {
    let invalid = |why: String| StoreError::InvalidAddress { got: address.chars().take(200).collect(), why };
    match address.parse::<Multiaddr>() {
        Ok(parsed) if parsed.is_empty() => Err(invalid("it is empty".into())),
        Ok(parsed) => Ok(parsed),
        Err(e) => Err(invalid(e.to_string())),
    }
}

fn parse_peer_address(address: &str) -> Result<Multiaddr> {
    let parsed = parse_address(address)?;
    if matches!(parsed.iter().last(), Some(Protocol::P2p(_))) {
        return Ok(parsed);
    }
    let why = "a bootstrap peer's address ends in /p2p/<peer id>".into();
    Err(StoreError::InvalidAddress { got: address.into(), why })
}

fn failed(what: impl Into<String>, why: String) -> StoreError {
    StoreError::io(what)(std::io::Error::other(why))
}

fn late(what: &str) -> StoreError {
    StoreError::io(what)(std::io::ErrorKind::TimedOut.into())
}

fn start_error(path: &Path, error: anyhow::Error) -> StoreError {
    match error.downcast_ref::<rust_ipfs::repo::LockError>() {
        Some(rust_ipfs::repo::LockError::RepoInUse) => StoreError::InUse { path: path.display().to_string() },
        _ => failed("starting the node", format!("{error:#}")),
    }
}
