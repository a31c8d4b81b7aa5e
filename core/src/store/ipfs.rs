//! An embedded IPFS node.
//!
//! The crate `sealock-ipfs` brings the network: libp2p, bitswap, and a Kademlia DHT if asked for. Blocks, pins and garbage
//! collection stay with a [`DiskStore`]: the node serves what it has, and what comes from the network is hashed before it
//! is kept there.
//!
//! Nothing is dialled unless [`IpfsStore::connect`] is called or bootstrap peers are given, and listening is on loopback
//! unless other addresses are given.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use sealock_ipfs::{Blocks, Error, Got, Identity, Node, Setup};

use super::transfer::{Options, transfer_by};
use super::{Adding, Block, DiskStore, Freed, Result, Store, StoreError};
use crate::progress::Progress;

/// Blocks on their way at once.
const PARALLEL: usize = 16;
const AGENT: &str = concat!("sealock/", env!("CARGO_PKG_VERSION"));

/// How an embedded node is set up.
#[derive(Clone, Debug)]
pub struct IpfsConfig {
    setup: Setup,
    block_timeout: Duration,
}

impl Default for IpfsConfig {
    fn default() -> Self {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".into(), "/ip4/127.0.0.1/udp/0/quic-v1".into()];
        let setup = Setup { listen, bootstrap: Vec::new(), dht: false, max_connections: 256, agent: AGENT };
        Self { setup, block_timeout: Duration::from_secs(30) }
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
        self.setup.listen = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Dials these peers when the node starts: multiaddresses that end in `/p2p/<peer id>`.
    #[must_use]
    pub fn bootstrap<A: Into<String>>(mut self, addresses: impl IntoIterator<Item = A>) -> Self {
        self.setup.bootstrap = addresses.into_iter().map(Into::into).collect();
        self
    }

    /// Whether the node takes part in the Kademlia DHT of its peers, so that it can tell them what it provides and find who
    /// provides a block. Not unless said.
    #[must_use]
    pub fn dht(mut self, on: bool) -> Self {
        self.setup.dht = on;
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
        self.setup.max_connections = peers;
        self
    }
}

/// A store that is a node on an IPFS network. Clones are the same node, which stops when the last one is dropped.
#[derive(Clone)]
pub struct IpfsStore {
    inner: Arc<Inner>,
}

struct Inner {
    disk: Arc<DiskStore>,
    dht: bool,
    block_timeout: Duration,
    node: Node,
    /// Locked while the node runs.
    _lock: File,
}

impl IpfsStore {
    /// Starts the node whose blocks are in the folder `path`: a [`DiskStore`] with the node's identity, an Ed25519 key, in
    /// the file `identity`. Both are made if there are none. Returns when the node listens.
    ///
    /// # Errors
    /// [`StoreError::InUse`] while another node runs there; [`StoreError::InvalidAddress`]; [`StoreError::Io`], if an
    /// address is taken for instance; those of [`DiskStore::open`].
    pub fn open(path: impl AsRef<Path>, config: &IpfsConfig) -> Result<Self> {
        config.setup.check().map_err(failed("starting the node"))?;
        let disk = Arc::new(DiskStore::open(path.as_ref())?);
        let lock = disk.lock_node()?;
        let identity = identity(&disk)?;
        let node = Node::start(identity, &config.setup, disk.clone()).map_err(failed("starting the node"))?;
        let IpfsConfig { setup, block_timeout } = config;
        let inner = Inner { disk, dht: setup.dht, block_timeout: *block_timeout, node, _lock: lock };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The blocks that are here, without the network.
    pub fn disk(&self) -> &DiskStore {
        &self.inner.disk
    }

    /// The node's peer id, which stays the same for its repository.
    pub fn peer_id(&self) -> String {
        self.inner.node.peer_id()
    }

    /// The multiaddresses that the node listens on, each with its peer id: what another node connects to.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the node does not answer.
    pub fn addresses(&self) -> Result<Vec<String>> {
        let (addresses, id) = (self.inner.node.addresses().map_err(failed("asking the node"))?, self.peer_id());
        Ok(addresses.into_iter().map(|address| format!("{address}/p2p/{id}")).collect())
    }

    /// Connects to the peer at a multiaddress, for instance `/ip4/127.0.0.1/tcp/4001/p2p/<peer id>`. With the peer id,
    /// nobody else is taken for it.
    ///
    /// # Errors
    /// [`StoreError::InvalidAddress`]; [`StoreError::Unreachable`].
    pub fn connect(&self, address: &str) -> Result<()> {
        self.inner.node.connect(address).map_err(|e| match e {
            Error::Failed(why) => StoreError::Unreachable { who: address.into(), why },
            e => failed("connecting")(e),
        })
    }

    /// The ids of the peers that the node is connected to.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the node does not answer.
    pub fn peers(&self) -> Result<Vec<String>> {
        self.inner.node.peers().map_err(failed("asking the node"))
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
        self.inner.node.provide(cid).map_err(failed("asking the DHT"))
    }

    /// The ids of peers that provide `cid`, as the DHT says. It may be none.
    ///
    /// # Errors
    /// [`StoreError::NoDht`]; [`StoreError::Io`] if the node does not answer.
    pub fn find_providers(&self, cid: &Cid) -> Result<Vec<String>> {
        self.check_dht()?;
        self.inner.node.find_providers(cid).map_err(failed("asking the DHT"))
    }

    fn check_dht(&self) -> Result<()> {
        if self.inner.dht { Ok(()) } else { Err(StoreError::NoDht) }
    }

    /// A block, from the disk or from the peers, unless `stop` is set meanwhile, and whether it came from peers.
    fn find(&self, cid: &Cid, stop: &AtomicBool) -> Result<(Block, bool)> {
        match self.inner.disk.get(cid) {
            // A damaged copy is replaced by the good one.
            Err(StoreError::NotFound { .. } | StoreError::CidMismatch { .. } | StoreError::BlockTooLarge { .. }) => {}
            found => return Ok((found?, false)),
        }
        let Inner { node, block_timeout: limit, dht, .. } = &*self.inner;
        let peers = self.peers()?.len();
        if peers == 0 && !dht {
            return Err(StoreError::NotFound { cid: *cid });
        }
        match node.get(cid, *limit, stop) {
            Got::Block(bytes) => Ok((Block::verify(cid, bytes)?, true)),
            Got::Stopped => Err(StoreError::Cancelled),
            Got::Late => {
                let asked = if peers == 1 { "1 peer was asked".into() } else { format!("{peers} peers were asked") };
                Err(StoreError::Timeout { cid: *cid, waited: *limit, asked })
            }
        }
    }
}

impl Blocks for DiskStore {
    fn has(&self, cid: &Cid) -> bool {
        Store::has(self, cid).unwrap_or(false)
    }

    fn get(&self, cid: &Cid) -> Option<Bytes> {
        match Store::get(self, cid) {
            Ok(block) => Some(block.bytes().clone()),
            // Peers may ask for any kind of CID.
            Err(StoreError::NotFound { .. } | StoreError::UnsupportedCid { .. }) => None,
            Err(error) => {
                tracing::warn!(%error, "a peer wants a block that cannot be read");
                None
            }
        }
    }
}

impl Store for IpfsStore {
    fn put(&self, block: &Block) -> Result<()> {
        self.inner.disk.put(block)?;
        self.inner.node.added(vec![*block.cid()]);
        Ok(())
    }

    fn put_all(&self, blocks: &[Block]) -> Result<()> {
        self.inner.disk.put_all(blocks)?;
        self.inner.node.added(blocks.iter().map(|block| *block.cid()).collect());
        Ok(())
    }

    /// The block, from the disk or from the peers, in which case it is kept. A damaged copy is replaced.
    fn get(&self, cid: &Cid) -> Result<Block> {
        let (block, fetched) = self.find(cid, &AtomicBool::new(false))?;
        // Whoever reads has what he asked for, even if the disk is full. Another process may not collect in between.
        if fetched && let Err(why) = self.adding().and_then(|_adding| self.put(&block)) {
            tracing::warn!(%cid, %why, "not kept");
        }
        Ok(block)
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
        let get = |cid: &Cid| Ok(self.find(cid, &stop)?.0);
        transfer_by(&get, self.disk(), root, &Options::fetch().parallel(PARALLEL), &mut told, &stop).map(drop)
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
fn identity(disk: &DiskStore) -> Result<Identity> {
    let path = disk.path().join("identity");
    let damaged = |e: Error| StoreError::NotAStore { path: path.display().to_string(), why: e.to_string() };
    match std::fs::read(&path).map(zeroize::Zeroizing::new) {
        Ok(bytes) => Identity::from_bytes(&bytes).map_err(damaged),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let identity = Identity::generate();
            disk.write_secret(&path, &identity.to_bytes().map_err(damaged)?)?;
            Ok(identity)
        }
        Err(e) => Err(StoreError::io("reading the node's identity")(e)),
    }
}

fn failed(what: &str) -> impl Fn(Error) -> StoreError {
    move |error| match error {
        Error::InvalidAddress { got, why } => StoreError::InvalidAddress { got, why },
        error => StoreError::io(what)(std::io::Error::other(error)),
    }
}
