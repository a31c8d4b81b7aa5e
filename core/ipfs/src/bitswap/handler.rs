use std::collections::VecDeque;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, StreamUpgradeError};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, StreamProtocol, SubstreamProtocol};

use super::message::{Channel, MAX_MESSAGE, Message, Received, channel, encode};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/ipfs/bitswap/1.2.0");
/// How many streams a peer may have open on one connection. Of more, the one next in turn is dropped.
const MAX_INBOUND: usize = 32;
/// How many bytes of unfinished messages a connection keeps. Of more, the streams next in turn are dropped:
/// an honest peer such as Kubo writes eight answers of about a block each at once.
const MAX_UNFINISHED: usize = 3 * MAX_MESSAGE;
/// How many messages may wait to be written. When more do, the peer does not read: they are dropped, and it is asked anew.
const MAX_OUTGOING: usize = 256;
/// How often a message is tried, each time on a new stream.
const MAX_ATTEMPTS: u32 = 3;

/// What the behaviour has a connection do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Send what this node wants.
    Ask(Message),
    /// Send what the peer wanted, and report [`Report::Answered`].
    Answer(Message),
}

/// What a connection tells the behaviour.
#[derive(Debug)]
pub(crate) enum Report {
    Received(Received),
    Answered,
    /// Messages to the peer were lost.
    Broken,
    /// The peer does not speak bitswap.
    Unsupported,
}

/// One connection: any number of streams from the peer, and one to it, opened when there is something to send and again
/// when the peer has closed it.
#[derive(Default)]
pub(crate) struct Handler {
    /// The one to be read next first.
    inbound: VecDeque<Channel>,
    outbound: Outbound,
    outgoing: VecDeque<Outgoing>,
    attempts: u32,
    reports: VecDeque<Report>,
}

#[derive(Default)]
enum Outbound {
    #[default]
    Closed,
    Opening,
    Open(Box<Open>),
    Unsupported,
}

struct Open {
    stream: Channel,
    /// Whether the first of the outgoing messages is being written.
    writing: bool,
    /// Whether a message has been written.
    used: bool,
    /// Whether the peer has closed its side. It never writes here, so it may do that at once and go on reading; or it has
    /// stopped reading. So a stream that it has closed carries one message at most.
    ended: bool,
}

struct Outgoing {
    bytes: Bytes,
    is_answer: bool,
}

impl Handler {
    /// Drops the stream. What was being written is tried again on another.
    fn outbound_failed(&mut self) {
        self.outbound = Outbound::Closed;
        self.attempts += 1;
        if self.attempts >= MAX_ATTEMPTS {
            self.attempts = 0;
            self.outgoing.clear();
            self.reports.push_back(Report::Broken);
        }
    }

    /// Writes what there is to write. Whether a stream must be opened for it.
    fn write(&mut self, cx: &mut Context<'_>) -> bool {
        loop {
            match &mut self.outbound {
                Outbound::Unsupported | Outbound::Opening => return false,
                Outbound::Closed if self.outgoing.is_empty() => return false,
                Outbound::Closed => {
                    self.outbound = Outbound::Opening;
                    return true;
                }
                Outbound::Open(open) => {
                    if !open.ended {
                        match open.stream.poll_next_unpin(cx) {
                            Poll::Ready(Some(Ok(_))) => continue,
                            Poll::Ready(Some(Err(_))) if open.writing => return self.retry(),
                            Poll::Ready(_) => open.ended = true,
                            Poll::Pending => {}
                        }
                    }
                    if open.writing {
                        match open.stream.poll_flush_unpin(cx) {
                            Poll::Pending => return false,
                            Poll::Ready(Ok(())) => {
                                (open.writing, open.used, self.attempts) = (false, true, 0);
                                if self.outgoing.pop_front().is_some_and(|sent| sent.is_answer) {
                                    self.reports.push_back(Report::Answered);
                                }
                            }
                            Poll::Ready(Err(_)) => return self.retry(),
                        }
                    } else if open.ended && open.used {
                        self.outbound = Outbound::Closed;
                    } else if let Some(next) = self.outgoing.front() {
                        match open.stream.poll_ready_unpin(cx) {
                            Poll::Pending => return false,
                            Poll::Ready(Ok(())) if open.stream.start_send_unpin(next.bytes.clone()).is_ok() => {
                                open.writing = true;
                            }
                            Poll::Ready(_) => return self.retry(),
                        }
                    } else {
                        return false;
                    }
                }
            }
        }
    }

    fn retry(&mut self) -> bool {
        self.outbound_failed();
        let open = !self.outgoing.is_empty();
        if open {
            self.outbound = Outbound::Opening;
        }
        open
    }

    /// The next message of any stream.
    fn read(&mut self, cx: &mut Context<'_>) -> Option<Received> {
        for _ in 0..self.inbound.len() {
            let mut stream = self.inbound.pop_front()?;
            match stream.poll_next_unpin(cx) {
                Poll::Pending => self.inbound.push_back(stream),
                Poll::Ready(Some(Ok(bytes))) => match Received::decode(bytes.freeze()) {
                    Ok(received) => {
                        self.inbound.push_back(stream);
                        return Some(received);
                    }
                    Err(error) => tracing::debug!(%error, "a peer sent what is no bitswap message"),
                },
                Poll::Ready(Some(Err(error))) => tracing::debug!(%error, "a peer's stream failed"),
                Poll::Ready(None) => {}
            }
        }
        self.drop_excess();
        None
    }

    fn drop_excess(&mut self) {
        let mut unfinished: usize = self.inbound.iter().map(|stream| stream.read_buffer().len()).sum();
        while unfinished > MAX_UNFINISHED
            && let Some(stream) = self.inbound.pop_front()
        {
            unfinished -= stream.read_buffer().len();
        }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Task;
    type ToBehaviour = Report;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ())
    }

    /// A connection stays until one of the two ends it. How many there are has limits elsewhere.
    fn connection_keep_alive(&self) -> bool {
        !matches!(self.outbound, Outbound::Unsupported)
    }

    fn on_behaviour_event(&mut self, task: Task) {
        if matches!(self.outbound, Outbound::Unsupported) {
            return;
        }
        let (message, is_answer) = match task {
            Task::Ask(message) => (message, false),
            Task::Answer(message) => (message, true),
        };
        if self.outgoing.len() >= MAX_OUTGOING {
            if matches!(self.outbound, Outbound::Open(_)) {
                self.outbound = Outbound::Closed;
            }
            self.attempts = 0;
            self.outgoing.clear();
            // Told once, however long nobody takes it.
            if !matches!(self.reports.back(), Some(Report::Broken)) {
                self.reports.push_back(Report::Broken);
            }
            return;
        }
        self.outgoing.push_back(Outgoing { bytes: encode(&message), is_answer });
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(inbound) => {
                if self.inbound.len() == MAX_INBOUND {
                    self.inbound.pop_front();
                }
                self.inbound.push_back(channel(inbound.protocol));
            }
            ConnectionEvent::FullyNegotiatedOutbound(outbound) => {
                let stream = channel(outbound.protocol);
                self.outbound = Outbound::Open(Box::new(Open { stream, writing: false, used: false, ended: false }));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError {
                error: StreamUpgradeError::NegotiationFailed,
                ..
            }) => {
                self.outbound = Outbound::Unsupported;
                self.outgoing.clear();
                self.reports.push_back(Report::Unsupported);
            }
            ConnectionEvent::DialUpgradeError(_) => self.outbound_failed(),
            _ => {}
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        if self.write(cx) {
            let protocol = SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ());
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        if let Some(report) = self.reports.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(report));
        }
        match self.read(cx) {
            Some(received) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Report::Received(received))),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attack: a peer that does not read, or never lets a stream be opened, while this node gets blocks from others.
    #[test]
    fn what_a_peer_is_to_be_asked_does_not_grow_without_end() {
        let mut handler = Handler { outbound: Outbound::Opening, ..Handler::default() };
        for _ in 0..100_000 {
            handler.on_behaviour_event(Task::Ask(Message::wanting(Vec::new())));
        }
        assert!(handler.outgoing.len() < 10_000, "{} messages wait", handler.outgoing.len());
    }
}
