use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use cid::Cid;
use libp2p::PeerId;

use super::message::{Message, PresenceType, Received};
use crate::Blocks;

/// How many blocks a peer may want at once. What it wants beyond is not heard, as with Kubo.
const MAX_WANTED: usize = 4096;
/// Answers to a peer that are being read from the disk or written to the network. Only when one is done, the next is begun:
/// a peer that does not read makes nothing grow.
const MAX_ANSWERS: usize = 2;
/// From how many bytes on an answer is long enough. With the block that reaches it, it is less than what a message may have.
const ANSWER_BYTES: usize = 1 << 20;
const ANSWER_ENTRIES: usize = 256;

/// What peers want from this node.
#[derive(Default)]
pub(super) struct Serves {
    peers: HashMap<PeerId, Peer>,
}

#[derive(Default)]
struct Peer {
    /// All that it wants and has not been given.
    wanted: HashMap<Cid, Wanted>,
    /// What to look into next: of what it wants, that which is new, or has come since.
    queue: VecDeque<Cid>,
    queued: HashSet<Cid>,
    answers: usize,
}

#[derive(Clone, Copy)]
struct Wanted {
    block: bool,
    send_dont_have: bool,
}

/// An answer to be made.
pub(super) struct Batch {
    pub peer: PeerId,
    entries: Vec<(Cid, Wanted)>,
}

/// An answer that was made.
pub(super) struct Answer {
    pub peer: PeerId,
    pub message: Message,
    /// What the peer has been told or given, as it wanted it then.
    done: Vec<(Cid, Wanted)>,
    /// What did not fit.
    left: Vec<Cid>,
}

impl Serves {
    /// What a peer wants, or does not want any more.
    pub fn update(&mut self, peer: PeerId, received: &Received) {
        let peer = self.peers.entry(peer).or_default();
        if received.full {
            let kept: HashSet<Cid> = received.wants.iter().filter(|want| !want.cancel).map(|want| want.cid).collect();
            peer.wanted.retain(|cid, _| kept.contains(cid));
        }
        for want in &received.wants {
            if want.cancel {
                peer.wanted.remove(&want.cid);
            } else if peer.wanted.len() < MAX_WANTED || peer.wanted.contains_key(&want.cid) {
                let wanted = Wanted { block: want.block, send_dont_have: want.send_dont_have };
                peer.wanted.insert(want.cid, wanted);
                peer.push(want.cid);
            }
        }
    }

    /// Blocks are here that may not have been before.
    pub fn added(&mut self, cids: &[Cid]) {
        for peer in self.peers.values_mut().filter(|peer| !peer.wanted.is_empty()) {
            for cid in cids {
                if peer.wanted.contains_key(cid) {
                    peer.push(*cid);
                }
            }
        }
    }

    /// Answers to a peer were lost. It may ask again.
    pub fn lost(&mut self, peer: &PeerId) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.answers = 0;
        }
    }

    #[cfg(test)]
    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    /// A peer has gone.
    pub fn disconnected(&mut self, peer: &PeerId) {
        self.peers.remove(peer);
    }

    /// The next answer to make.
    pub fn next(&mut self) -> Option<Batch> {
        let ready = |(_, peer): &(_, &mut Peer)| peer.answers < MAX_ANSWERS && !peer.queue.is_empty();
        let (id, peer) = self.peers.iter_mut().find(ready)?;
        let mut entries = Vec::new();
        while entries.len() < ANSWER_ENTRIES
            && let Some(cid) = peer.queue.pop_front()
        {
            peer.queued.remove(&cid);
            entries.extend(peer.wanted.get(&cid).map(|wanted| (cid, *wanted)));
        }
        peer.answers += 1;
        Some(Batch { peer: *id, entries })
    }

    /// Takes note of an answer that was made. Whether it is to be sent.
    pub fn made(&mut self, answer: &Answer) -> bool {
        let Some(peer) = self.peers.get_mut(&answer.peer) else { return false };
        for (cid, answered) in &answer.done {
            // It may have asked for the block meanwhile, and was only told that it is here.
            if peer.wanted.get(cid).is_some_and(|wanted| answered.block || !wanted.block) {
                peer.wanted.remove(cid);
            }
        }
        for cid in answer.left.iter().rev() {
            if peer.wanted.contains_key(cid) && peer.queued.insert(*cid) {
                peer.queue.push_front(*cid);
            }
        }
        let send = !answer.message.is_empty();
        if !send {
            self.sent(&answer.peer);
        }
        send
    }

    /// An answer has left.
    pub fn sent(&mut self, peer: &PeerId) {
        if let Some(peer) = self.peers.get_mut(peer) {
            peer.answers = peer.answers.saturating_sub(1);
        }
    }
}

impl Peer {
    /// What was cancelled, or replaced, stays queued until the queue is looked at, which a peer that does not read puts off.
    fn forget_unwanted(&mut self) {
        if self.queue.len() > 2 * MAX_WANTED {
            self.queue.retain(|cid| self.wanted.contains_key(cid));
            self.queued.retain(|cid| self.wanted.contains_key(cid));
        }
    }

    fn push(&mut self, cid: Cid) {
        self.forget_unwanted();
        if self.queued.insert(cid) {
            self.queue.push_back(cid);
        }
    }
}

impl Batch {
    /// Makes the answer. It reads from the disk.
    pub fn answer(self, blocks: &Arc<dyn Blocks>) -> Answer {
        let mut answer = Answer { peer: self.peer, message: Message::default(), done: Vec::new(), left: Vec::new() };
        let mut bytes = 0;
        for (cid, wanted) in self.entries {
            if bytes >= ANSWER_BYTES {
                answer.left.push(cid);
                continue;
            }
            if !wanted.block && blocks.has(&cid) {
                answer.message.add_presence(&cid, PresenceType::Have);
                answer.done.push((cid, wanted));
            } else if wanted.block
                && let Some(data) = blocks.get(&cid)
            {
                bytes += data.len();
                answer.message.add_block(&cid, data);
                answer.done.push((cid, wanted));
            } else if wanted.send_dont_have {
                // It stays wanted, should it come.
                answer.message.add_presence(&cid, PresenceType::DontHave);
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use bytes::Bytes;
    use multihash::Multihash;
    use sha2::{Digest, Sha256};

    use super::super::message::{Entry, encode};
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<HashMap<Cid, Bytes>>);

    impl Blocks for Kept {
        fn has(&self, cid: &Cid) -> bool {
            self.0.lock().unwrap().contains_key(cid)
        }

        fn get(&self, cid: &Cid) -> Option<Bytes> {
            self.0.lock().unwrap().get(cid).cloned()
        }
    }

    fn cid(bytes: &[u8]) -> Cid {
        Cid::new_v1(0x55, Multihash::wrap(0x12, &Sha256::digest(bytes)).unwrap())
    }

    struct Script {
        serves: Serves,
        kept: Arc<Kept>,
        peer: PeerId,
    }

    impl Script {
        fn new() -> Self {
            Self { serves: Serves::default(), kept: Arc::default(), peer: PeerId::random() }
        }

        fn keep(&self, bytes: impl Into<Bytes>) -> Cid {
            let bytes = bytes.into();
            let cid = cid(&bytes);
            self.kept.0.lock().unwrap().insert(cid, bytes);
            cid
        }

        fn hear(&mut self, entries: Vec<Entry>, full: bool) {
            let mut message = Message::wanting(entries);
            message.wants.full = full;
            self.serves.update(self.peer, &Received::decode(encode(&message)).unwrap());
        }

        /// Makes the next answer: blocks, what it has, what it has not.
        fn answer(&mut self) -> Option<Received> {
            let batch = self.serves.next()?;
            let answer = batch.answer(&(self.kept.clone() as Arc<dyn Blocks>));
            let bytes = encode(&answer.message);
            assert!(bytes.len() < super::super::message::MAX_MESSAGE);
            self.serves.made(&answer).then(|| Received::decode(bytes).unwrap())
        }
    }

    #[test]
    fn a_peer_gets_what_is_here_and_hears_what_is_not() {
        let mut script = Script::new();
        let (here, asked) = (script.keep("here"), script.keep("asked"));
        let absent = cid(b"absent");
        let mut silent = Entry::block(&cid(b"silent"));
        silent.send_dont_have = false;
        script.hear(vec![Entry::block(&here), Entry::have(&asked), Entry::have(&absent), silent], false);
        let answer = script.answer().unwrap();
        assert_eq!(answer.blocks, [(here, Bytes::from_static(b"here"))]);
        assert_eq!((answer.have, answer.dont_have), (vec![asked], vec![absent]));
        script.serves.sent(&script.peer);
        assert!(script.answer().is_none());

        // What was not here is sent when it comes.
        let late = [script.keep("absent"), script.keep("silent"), script.keep("never asked for")];
        script.serves.added(&late);
        let answer = script.answer().unwrap();
        assert_eq!((answer.have, answer.blocks.len()), (vec![absent], 1));
    }

    #[test]
    fn what_is_cancelled_is_not_sent() {
        let mut script = Script::new();
        let (first, second) = (script.keep("first"), script.keep("second"));
        script.hear(vec![Entry::block(&first), Entry::block(&second)], false);
        script.hear(vec![Entry::cancel(&first)], false);
        assert_eq!(script.answer().unwrap().blocks, [(second, Bytes::from_static(b"second"))]);
        script.serves.sent(&script.peer);

        script.hear(vec![Entry::block(&first)], false);
        script.hear(vec![Entry::block(&second)], true);
        assert_eq!(script.answer().unwrap().blocks, [(second, Bytes::from_static(b"second"))]);
        script.serves.sent(&script.peer);
        assert!(script.answer().is_none());
    }

    #[test]
    fn a_block_asked_for_while_its_presence_is_told_is_sent() {
        let mut script = Script::new();
        let cid = script.keep("here");
        script.hear(vec![Entry::have(&cid)], false);
        let told = script.serves.next().unwrap().answer(&(script.kept.clone() as Arc<dyn Blocks>));
        script.hear(vec![Entry::block(&cid)], false);
        assert!(script.serves.made(&told));
        assert_eq!(told.message.presences.len(), 1);
        assert_eq!(script.answer().unwrap().blocks, [(cid, Bytes::from_static(b"here"))]);
        script.serves.sent(&script.peer);
        assert!(script.answer().is_none(), "once");
    }

    #[test]
    fn a_peer_that_does_not_read_makes_nothing_grow() {
        let mut script = Script::new();
        let cids: Vec<Cid> = (0..20u8).map(|i| script.keep(vec![i; 1 << 20])).collect();
        for _ in 0..100 {
            script.hear(cids.iter().map(Entry::block).collect(), false);
        }
        let mut sent = 0;
        while let Some(answer) = script.answer() {
            assert_eq!(answer.blocks.len(), 1, "a block of 1 MiB is an answer");
            sent += 1;
        }
        assert_eq!(sent, MAX_ANSWERS);
        // Each time that one has left, one more.
        let mut got = sent;
        for _ in 0..100 {
            script.serves.sent(&script.peer);
            got += usize::from(script.answer().is_some());
        }
        assert_eq!(got, cids.len());

        let many: Vec<Cid> = (0..=2 * MAX_WANTED).map(|i| cid(&i.to_le_bytes())).collect();
        script.hear(many.iter().map(Entry::block).collect(), false);
        assert_eq!(script.serves.peers[&script.peer].wanted.len(), MAX_WANTED);
        script.serves.disconnected(&script.peer);
        assert!(script.serves.peers.is_empty());
    }

    /// Attack: want and cancel of ever new names, while answers wait for a peer that does not read.
    #[test]
    fn wants_that_are_cancelled_or_replaced_make_nothing_grow() {
        for full in [false, true] {
            let mut script = Script::new();
            let cids: Vec<Cid> = (0..4u8).map(|i| script.keep(vec![i; 1 << 20])).collect();
            script.hear(cids.iter().map(Entry::block).collect(), false);
            while script.answer().is_some() {}
            for round in 0..50u32 {
                let names: Vec<Cid> =
                    (0..4000u32).map(|i| cid(&[i.to_le_bytes(), round.to_le_bytes()].concat())).collect();
                script.hear(names.iter().map(Entry::block).collect(), full);
                if !full {
                    script.hear(names.iter().map(Entry::cancel).collect(), false);
                }
            }
            let peer = &script.serves.peers[&script.peer];
            assert!(peer.wanted.len() <= MAX_WANTED);
            assert!(peer.queue.len() <= 4 * MAX_WANTED, "{} names are queued, {full}", peer.queue.len());
            assert_eq!(peer.queued.len(), peer.queue.len());
        }
    }
}
