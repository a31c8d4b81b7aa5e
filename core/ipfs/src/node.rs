use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cid::Cid;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use rust_ipfs::builder::IpfsBuilder;
use rust_ipfs::p2p::IdentifyConfiguration;
use rust_ipfs::{ConnectionLimits, DhtMode, Ipfs, Keypair, Multiaddr, PeerId, Protocol, ping};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

use crate::bitswap::{Behaviour, Order};
use crate::runtime::Runtime;
use crate::{Blocks, Error, Result};

/// How long a step of the network other than the transfer of a block may take.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_CONNECTIONS_PER_PEER: u32 = 8;
/// How many peers that provide a block are looked for, and dialled.
const WANTED_PROVIDERS: usize = 20;
/// How long the connected peers are asked for a block before the DHT is.
const PEERS_FIRST: Duration = Duration::from_secs(1);
/// How often, and how many times, a new peer is looked up among those that have said what they are.
const IDENTIFY_EVERY: Duration = Duration::from_millis(100);
const IDENTIFY_TIMES: u32 = 100;
/// How long to wait before the DHT is asked for a block again.
const DHT_AGAIN: Duration = Duration::from_secs(10);

/// A node's key, which its peer id is made from.
pub struct Identity(Keypair);

impl Identity {
    /// A new Ed25519 key.
    pub fn generate() -> Self {
        Self(Keypair::generate_ed25519())
    }

    /// The key in libp2p's own encoding, which holds the secret.
    ///
    /// # Errors
    /// [`Error::InvalidKey`] if it is of a kind that cannot be encoded.
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>> {
        self.0.to_protobuf_encoding().map(Zeroizing::new).map_err(|e| Error::InvalidKey(e.to_string()))
    }

    /// The key that [`to_bytes`](Self::to_bytes) gave.
    ///
    /// # Errors
    /// [`Error::InvalidKey`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Keypair::from_protobuf_encoding(bytes).map(Self).map_err(|e| Error::InvalidKey(e.to_string()))
    }
}

/// How a node is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The multiaddresses to listen on.
    pub listen: Vec<String>,
    /// The peers to dial at the start, each address with its peer id at the end.
    pub bootstrap: Vec<String>,
    /// Whether to take part in the DHT.
    pub dht: bool,
    /// To how many peers there may be connections.
    pub max_connections: u32,
    /// The name and version that peers are told.
    pub agent: &'static str,
}

impl Setup {
    /// Checks the addresses, without starting anything.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`].
    pub fn check(&self) -> Result<()> {
        self.addresses().map(drop)
    }

    /// Where to listen, and whom to dial.
    fn addresses(&self) -> Result<(Vec<Multiaddr>, Vec<Multiaddr>)> {
        let listen = self.listen.iter().map(|a| parse(a)).collect::<Result<_>>()?;
        let bootstrap = self.bootstrap.iter().map(|a| parse_with_peer(a)).collect::<Result<_>>()?;
        Ok((listen, bootstrap))
    }
}

/// What became of a wanted block.
#[derive(Debug)]
pub enum Got {
    /// A peer sent it.
    Block(Bytes),
    /// No peer did in time.
    Late,
    /// Nobody waits for it any more.
    Stopped,
}

/// A running node. It stops when it is dropped.
pub struct Node {
    ipfs: Ipfs,
    orders: mpsc::UnboundedSender<Order>,
    next_want: AtomicU64,
    dht: bool,
    // Last, so that everything that runs on it is gone before.
    runtime: Runtime,
}

impl Node {
    /// Starts a node. Returns when it listens.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`]; [`Error::Failed`], if an address is taken for instance.
    pub fn start(identity: Identity, setup: &Setup, blocks: Arc<dyn Blocks>) -> Result<Self> {
        let (listen, bootstrap) = setup.addresses()?;
        let runtime = Runtime::start()?;
        let (orders, received) = mpsc::unbounded_channel();
        let (met, meetings) = mpsc::unbounded_channel();
        let Setup { max_connections: limit, agent, dht, .. } = *setup;
        let start = || async move {
            let builder = IpfsBuilder::<Behaviour>::with_keypair(&identity.0)?
                .with_identify(IdentifyConfiguration { agent_version: agent.into(), ..Default::default() })
                .with_ping(ping::Config::default())
                .with_custom_behaviour(move |_| Ok(Behaviour::new(blocks, received, met)))
                .set_connection_limits(move |limits: ConnectionLimits| {
                    let limits = limits.with_max_established(Some(limit)).with_max_pending_incoming(Some(limit));
                    // Strangers leave room for those whom this node dials.
                    let limits = limits.with_max_established_incoming(Some(limit - limit / 4));
                    limits.with_max_established_per_peer(Some(MAX_CONNECTIONS_PER_PEER))
                })
                .enable_tcp()
                .enable_quic();
            if dht { builder.with_kademlia().start().await } else { builder.start().await }
        };
        let started = runtime.wait_beside(STEP_TIMEOUT, start);
        let ipfs = started.ok_or_else(|| late("starting"))?.map_err(|e| Error::Failed(format!("{e:#}")))?;
        runtime.spawn(identify(ipfs.clone(), meetings, orders.clone()));
        let node = Self { ipfs, orders, next_want: AtomicU64::new(0), dht, runtime };
        for address in listen {
            let what = format!("listening on {address}");
            node.ask(&what, |ipfs| async move { ipfs.add_listening_address(address).await })?;
        }
        if dht {
            node.ask("starting the DHT", |ipfs| async move { ipfs.dht_mode(DhtMode::Server).await })?;
        }
        for address in bootstrap {
            let dialled = address.to_string();
            node.ask(&format!("adding {address}"), |ipfs| async move { ipfs.add_bootstrap(address).await })?;
            // A peer that is not there today is no reason not to start.
            if let Err(error) = node.connect(&dialled) {
                tracing::warn!(%error, "a bootstrap peer does not answer");
            }
        }
        Ok(node)
    }

    /// The node's peer id.
    pub fn peer_id(&self) -> String {
        self.ipfs.keypair().public().to_peer_id().to_string()
    }

    /// The multiaddresses that the node listens on, without its peer id.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn addresses(&self) -> Result<BTreeSet<String>> {
        let found = self.ask("listing the addresses", |ipfs| async move { ipfs.listening_addresses().await })?;
        Ok(found.iter().map(Multiaddr::to_string).collect())
    }

    /// Connects to the peer at an address.
    ///
    /// # Errors
    /// [`Error::InvalidAddress`]; [`Error::Failed`].
    pub fn connect(&self, address: &str) -> Result<()> {
        let dialled = parse(address)?;
        self.ask(&format!("connecting to {address}"), |ipfs| async move { ipfs.connect(dialled).await }).map(drop)
    }

    /// The ids of the peers that the node is connected to.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn peers(&self) -> Result<Vec<String>> {
        let found = self.ask("listing the peers", |ipfs| async move { ipfs.connected().await })?;
        Ok(found.iter().map(PeerId::to_string).collect())
    }

    /// Tells the DHT that this node has a block, and does so again from time to time while it runs.
    ///
    /// # Errors
    /// [`Error::Failed`] if no peer takes the record.
    pub fn provide(&self, cid: &Cid) -> Result<()> {
        let key = cid.hash().to_bytes();
        self.ask(&format!("providing {cid}"), |ipfs| async move { ipfs.dht_provide(key).await })
    }

    /// The ids of peers that provide a block, as the DHT says. It may be none.
    ///
    /// # Errors
    /// [`Error::Failed`].
    pub fn find_providers(&self, cid: &Cid) -> Result<Vec<String>> {
        let cid = *cid;
        let found = self.ask(&format!("looking for {cid}"), |ipfs| async move { providers(&ipfs, &cid).await })?;
        Ok(found.iter().map(PeerId::to_string).collect())
    }

    /// Waits at most `limit`, and until `stop` is set, for the peers to send a block. With a DHT, peers that provide it are
    /// looked for and dialled.
    pub fn get(&self, cid: &Cid, limit: Duration, stop: &AtomicBool) -> Got {
        let (cid, id) = (*cid, self.next_want.fetch_add(1, Ordering::Relaxed));
        let (done, block) = oneshot::channel();
        if self.orders.send(Order::Want { cid, id, done }).is_err() {
            return Got::Stopped;
        }
        let (ipfs, dht) = (self.ipfs.clone(), self.dht);
        let waited = self.runtime.wait_unless(limit, stop, async move {
            tokio::select! {
                block = block => block.ok(),
                () = dial_providers(&ipfs, &cid), if dht => None,
            }
        });
        if let Some(Some(block)) = waited {
            return Got::Block(block);
        }
        let _ = self.orders.send(Order::Unwant { cid, id });
        if stop.load(Ordering::Relaxed) { Got::Stopped } else { Got::Late }
    }

    /// Tells peers that wait for these blocks that they are here.
    pub fn added(&self, cids: Vec<Cid>) {
        let _ = self.orders.send(Order::Added(cids));
    }

    /// Runs a step of the node's to its end, or says why not.
    fn ask<T, F>(&self, what: &str, step: impl FnOnce(Ipfs) -> F) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, anyhow::Error>> + Send + 'static,
    {
        match self.runtime.wait(STEP_TIMEOUT, step(self.ipfs.clone())) {
            Some(done) => done.map_err(|e| Error::Failed(format!("{what}: {e:#}"))),
            None => Err(late(what)),
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let ipfs = self.ipfs.clone();
        if self.runtime.wait(STEP_TIMEOUT, ipfs.exit_daemon()).is_none() {
            tracing::warn!("the node did not stop in time");
        }
    }
}

/// Tells the bitswap what program each new peer is, once the peer has said so.
async fn identify(ipfs: Ipfs, mut met: mpsc::UnboundedReceiver<PeerId>, orders: mpsc::UnboundedSender<Order>) {
    while let Some(peer) = met.recv().await {
        let (ipfs, orders) = (ipfs.clone(), orders.clone());
        tokio::spawn(async move {
            for _ in 0..IDENTIFY_TIMES {
                if let Ok(info) = ipfs.identity(Some(peer)).await {
                    let _ = orders.send(Order::Known { peer, agent: info.agent_version });
                    return;
                }
                tokio::time::sleep(IDENTIFY_EVERY).await;
            }
        });
    }
}

async fn providers(ipfs: &Ipfs, cid: &Cid) -> Result<BTreeSet<PeerId>, anyhow::Error> {
    let mut found = BTreeSet::new();
    let mut stream = ipfs.dht_get_providers(cid.hash().to_bytes()).await?;
    while let Some(peers) = stream.next().await
        && found.len() < WANTED_PROVIDERS
    {
        found.extend(peers?);
    }
    Ok(found)
}

/// Looks for peers that provide a block, and connects to them. Never ends.
async fn dial_providers(ipfs: &Ipfs, cid: &Cid) {
    tokio::time::sleep(PEERS_FIRST).await;
    loop {
        let dial = |peer: PeerId| async move {
            if let Err(error) = ipfs.connect(peer).await {
                tracing::debug!(%peer, %error, "a provider does not answer");
            }
        };
        // At once: who is named and does not answer must not keep the others waiting.
        let dials: FuturesUnordered<_> = providers(ipfs, cid).await.unwrap_or_default().into_iter().map(dial).collect();
        dials.collect::<()>().await;
        tokio::time::sleep(DHT_AGAIN).await;
    }
}

fn parse(address: &str) -> Result<Multiaddr> {
    let invalid = |why: String| Error::InvalidAddress { got: address.chars().take(200).collect(), why };
    match address.parse::<Multiaddr>() {
        Ok(parsed) if parsed.is_empty() => Err(invalid("it is empty".into())),
        Ok(parsed) => Ok(parsed),
        Err(e) => Err(invalid(e.to_string())),
    }
}

fn parse_with_peer(address: &str) -> Result<Multiaddr> {
    let parsed = parse(address)?;
    if matches!(parsed.iter().last(), Some(Protocol::P2p(_))) {
        return Ok(parsed);
    }
    let why = "a bootstrap peer's address ends in /p2p/<peer id>".into();
    Err(Error::InvalidAddress { got: address.into(), why })
}

fn late(what: &str) -> Error {
    Error::Failed(format!("{what}: no answer within {} s", STEP_TIMEOUT.as_secs()))
}
