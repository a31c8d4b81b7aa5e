//! Bitswap 1.2 (<https://specs.ipfs.tech/bitswap-protocol/>): a behaviour of libp2p.

mod handler;
mod message;
mod serves;
mod wants;

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandlerInEvent,
    ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::handler::{Handler, Report, Task};
use self::message::Message;
use self::serves::{Answer, Serves};
use self::wants::Wants;
use crate::Blocks;

/// How often the behaviour looks for what is late.
const TICK: Duration = Duration::from_secs(1);

/// What the node has its bitswap do.
pub(crate) enum Order {
    /// Get a block for whoever listens at `done`, until [`Order::Unwant`].
    Want {
        cid: Cid,
        id: u64,
        done: oneshot::Sender<Bytes>,
    },
    Unwant {
        cid: Cid,
        id: u64,
    },
    /// These blocks are here now.
    Added(Vec<Cid>),
    /// A peer says what it is.
    Known {
        peer: PeerId,
        agent: String,
    },
}

/// Programs that may be asked for many blocks at once over yamux: see [`Wants::spare`].
const SPLITS_FRAMES: [&str; 4] = ["kubo/", "go-ipfs/", "rust-ipfs/", "sealock/"];

pub(crate) struct Behaviour {
    blocks: Arc<dyn Blocks>,
    orders: mpsc::UnboundedReceiver<Order>,
    /// Who is told of peers of which [`Order::Known`] is to come.
    met: mpsc::UnboundedSender<PeerId>,
    wants: Wants,
    serves: Serves,
    /// Each peer's connections; messages go over the first.
    connections: HashMap<PeerId, Vec<ConnectionId>>,
    answers: FuturesUnordered<JoinHandle<Answer>>,
    events: VecDeque<(PeerId, Task)>,
    /// Peers whose streams broke since the last tick, and whether they are spared.
    broken: HashMap<PeerId, bool>,
    tick: Interval,
}

impl Behaviour {
    /// To be called within a runtime.
    pub(crate) fn new(
        blocks: Arc<dyn Blocks>,
        orders: mpsc::UnboundedReceiver<Order>,
        met: mpsc::UnboundedSender<PeerId>,
    ) -> Self {
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            blocks,
            orders,
            met,
            wants: Wants::default(),
            serves: Serves::default(),
            connections: HashMap::new(),
            answers: FuturesUnordered::new(),
            events: VecDeque::new(),
            broken: HashMap::new(),
            tick,
        }
    }

    /// Messages to this peer may have been lost.
    fn restart(&mut self, peer: PeerId) {
        let (now, spared) = (Instant::now(), self.wants.is_spared(&peer));
        self.wants.disconnected(&peer, now);
        self.serves.lost(&peer);
        if self.connections.contains_key(&peer) {
            self.wants.spare(peer, spared, now);
            self.wants.connected(peer, now);
        }
    }

    /// A connection has closed, or is of no use.
    fn remove(&mut self, peer: PeerId, connection: ConnectionId) {
        let Some(connections) = self.connections.get_mut(&peer) else { return };
        let was_used = connections.first() == Some(&connection);
        connections.retain(|id| *id != connection);
        if connections.is_empty() {
            self.connections.remove(&peer);
            self.serves.disconnected(&peer);
        }
        if was_used {
            self.restart(peer);
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Want { cid, id, done } => self.wants.add(cid, id, done, Instant::now()),
            Order::Unwant { cid, id } => self.wants.remove(&cid, id, Instant::now()),
            Order::Added(cids) => self.serves.added(&cids),
            Order::Known { peer, agent } => {
                if self.connections.contains_key(&peer) && SPLITS_FRAMES.iter().any(|name| agent.starts_with(name)) {
                    self.wants.spare(peer, false, Instant::now());
                }
            }
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(Handler::default())
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                let connections = self.connections.entry(peer_id).or_default();
                connections.push(connection_id);
                let (now, is_first) = (Instant::now(), connections.len() == 1);
                // QUIC has streams of its own, and no yamux.
                if !endpoint.get_remote_address().iter().any(|part| part == Protocol::QuicV1) {
                    self.wants.spare(peer_id, true, now);
                    // It fails when the node stops.
                    let _ = self.met.send(peer_id);
                }
                if is_first {
                    self.wants.connected(peer_id, now);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                self.remove(peer_id, connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, report: Report) {
        let now = Instant::now();
        match report {
            Report::Received(received) => {
                for (cid, bytes) in &received.blocks {
                    self.wants.received(peer, cid, bytes, now);
                }
                for cid in &received.have {
                    self.wants.offered(peer, cid, now);
                }
                for cid in &received.dont_have {
                    self.wants.refused(peer, cid, now);
                }
                // Nobody hears an answer whose connections all refuse our streams; and nothing would forget what it wants.
                if self.connections.contains_key(&peer) {
                    self.serves.update(peer, &received);
                }
            }
            Report::Answered => self.serves.sent(&peer),
            Report::Broken => {
                // Asked again at the next tick: a peer may break every stream as fast as it is opened.
                let spared = self.wants.is_spared(&peer);
                self.broken.entry(peer).or_insert(spared);
                self.wants.disconnected(&peer, now);
                self.serves.lost(&peer);
            }
            Report::Unsupported => self.remove(peer, connection),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        while let Poll::Ready(Some(order)) = self.orders.poll_recv(cx) {
            self.obey(order);
        }
        while self.tick.poll_tick(cx).is_ready() {
            self.wants.tick(Instant::now());
            for (peer, spared) in std::mem::take(&mut self.broken) {
                if self.connections.contains_key(&peer) {
                    self.wants.spare(peer, spared, Instant::now());
                    self.wants.connected(peer, Instant::now());
                }
            }
        }
        while let Some(batch) = self.serves.next() {
            let blocks = self.blocks.clone();
            self.answers.push(tokio::task::spawn_blocking(move || batch.answer(&blocks)));
        }
        while let Poll::Ready(Some(made)) = self.answers.poll_next_unpin(cx) {
            // It fails when the runtime stops.
            if let Ok(answer) = made {
                if self.serves.made(&answer) {
                    self.events.push_back((answer.peer, Task::Answer(answer.message)));
                }
                cx.waker().wake_by_ref();
            }
        }
        while let Some((peer, entries)) = self.wants.outgoing() {
            self.events.push_back((peer, Task::Ask(Message::wanting(entries))));
        }
        while let Some((peer_id, event)) = self.events.pop_front() {
            if let Some(connection) = self.connections.get(&peer_id).and_then(|connections| connections.first()) {
                return Poll::Ready(ToSwarm::NotifyHandler {
                    peer_id,
                    handler: NotifyHandler::One(*connection),
                    event,
                });
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use multihash::Multihash;
    use sha2::{Digest, Sha256};

    use super::message::{Entry, Received, encode};
    use super::*;

    struct Nothing;

    impl Blocks for Nothing {
        fn has(&self, _: &Cid) -> bool {
            false
        }
        fn get(&self, _: &Cid) -> Option<Bytes> {
            None
        }
    }

    fn cid(n: u32) -> Cid {
        Cid::new_v1(0x55, Multihash::wrap(0x12, &Sha256::digest(n.to_le_bytes())).unwrap())
    }

    fn within(test: impl FnOnce(&mut Behaviour, &mpsc::UnboundedSender<Order>)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let _guard = runtime.enter();
        let (orders, received) = mpsc::unbounded_channel();
        test(&mut Behaviour::new(Arc::new(Nothing), received, mpsc::unbounded_channel().0), &orders);
    }

    fn connect(behaviour: &mut Behaviour, peer: PeerId, connection: ConnectionId) {
        behaviour.connections.entry(peer).or_default().push(connection);
        behaviour.wants.connected(peer, Instant::now());
    }

    /// Attack: peers that refuse our streams, and want from us all the same.
    #[test]
    fn a_peer_that_refuses_our_streams_leaves_nothing_behind() {
        within(|behaviour, _| {
            for n in 0..100u32 {
                let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(n as usize));
                connect(behaviour, peer, connection);
                behaviour.on_connection_handler_event(peer, connection, Report::Unsupported);
                let wants = (0..100).map(|i| Entry::block(&cid(i))).collect();
                let wants = Received::decode(encode(&Message::wanting(wants))).unwrap();
                behaviour.on_connection_handler_event(peer, connection, Report::Received(wants));
                // What `FromSwarm::ConnectionClosed` does.
                behaviour.remove(peer, connection);
            }
            assert!(behaviour.connections.is_empty());
            assert_eq!(behaviour.serves.peers(), 0, "peers that are gone are remembered");
        });
    }

    /// Attack: a peer whose streams break at once.
    #[test]
    fn a_peer_whose_streams_break_is_not_asked_again_at_once() {
        within(|behaviour, orders| {
            let (peer, connection) = (PeerId::random(), ConnectionId::new_unchecked(1));
            connect(behaviour, peer, connection);
            let (done, _listening) = oneshot::channel();
            orders.send(Order::Want { cid: cid(1), id: 1, done }).unwrap();
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut asked = 0;
            for _ in 0..1000 {
                if behaviour.poll(&mut cx).is_ready() {
                    asked += 1;
                    behaviour.on_connection_handler_event(peer, connection, Report::Broken);
                }
            }
            assert!(asked < 10, "asked {asked} times within a moment");
        });
    }
}
