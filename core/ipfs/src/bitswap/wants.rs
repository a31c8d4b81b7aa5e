use std::collections::hash_map::Entry as MapEntry;
use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cid::Cid;
use libp2p::PeerId;
use tokio::sync::oneshot;

use super::message::Entry;

/// How long a peer may be silent about a block before others are asked, and then it again. Each time half as long again.
const PATIENCE: Duration = Duration::from_secs(5);
const MAX_PATIENCE: Duration = Duration::from_secs(60);

/// What this node wants, and whom it has asked.
///
/// One peer at a time is asked for a block, the one that owes least of those that have sent blocks before, and the others
/// whether they have it. When the first says that it has not, goes away, or is silent for too long, one that has it is next.
///
/// Some peers owe one block at most, see [`Wants::spare`]. What nobody may be asked for waits until somebody has paid.
#[derive(Default)]
pub(super) struct Wants {
    wants: HashMap<Cid, Want>,
    peers: HashMap<PeerId, Peer>,
    outgoing: HashMap<PeerId, Vec<Entry>>,
    turns: u64,
}

struct Want {
    waiting: HashMap<u64, oneshot::Sender<Bytes>>,
    /// Who was asked for the block.
    source: Option<PeerId>,
    /// Who said that it has the block.
    offers: BTreeSet<PeerId>,
    /// Who was asked anything.
    asked: BTreeSet<PeerId>,
    /// When something was last done about it.
    since: Instant,
    /// The number of the request to the source.
    turn: u64,
    /// Since when the source sends what it was asked for later.
    passed: Option<Instant>,
    patience: Duration,
}

#[derive(Default)]
struct Peer {
    /// Blocks that it was asked for.
    owes: usize,
    /// Whether it is asked for one block at a time.
    spared: bool,
    /// When a block last came from it.
    sent: Option<Instant>,
}

impl Peer {
    /// Whether it is asked for nothing before it has paid.
    fn is_busy(&self) -> bool {
        self.spared && self.owes > 0
    }
}

impl Wants {
    /// Wants a block, for whoever listens at `done`.
    pub fn add(&mut self, cid: Cid, id: u64, done: oneshot::Sender<Bytes>, now: Instant) {
        match self.wants.entry(cid) {
            MapEntry::Occupied(want) => {
                want.into_mut().waiting.insert(id, done);
            }
            MapEntry::Vacant(vacant) => {
                vacant.insert(Want {
                    waiting: HashMap::from([(id, done)]),
                    source: None,
                    offers: BTreeSet::new(),
                    asked: BTreeSet::new(),
                    since: now,
                    turn: 0,
                    passed: None,
                    patience: PATIENCE,
                });
                self.ask(&cid, now);
            }
        }
    }

    /// Nobody listens under `id` any more.
    pub fn remove(&mut self, cid: &Cid, id: u64, now: Instant) {
        if let MapEntry::Occupied(mut want) = self.wants.entry(*cid) {
            want.get_mut().waiting.remove(&id);
            if want.get().waiting.is_empty() {
                let want = want.remove();
                self.end(cid, want, None);
                self.resume(now);
            }
        }
    }

    /// From now on asks a peer for one block at a time, or for any number.
    ///
    /// js-libp2p writes frames of yamux as large as the window is, and the Rust one closes connections over frames of more
    /// than 1 MiB. A window gets that large within a message of several blocks, and such messages are made of what is
    /// asked for together.
    pub fn spare(&mut self, peer: PeerId, spared: bool, now: Instant) {
        self.peers.entry(peer).or_default().spared = spared;
        self.ask_waiting(now);
    }

    /// Whether a peer is asked for one block at a time.
    pub fn is_spared(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|peer| peer.spared)
    }

    /// A peer has come.
    pub fn connected(&mut self, peer: PeerId, now: Instant) {
        self.peers.entry(peer).or_default();
        let wanted: Vec<Cid> = self.wants.keys().copied().collect();
        for cid in wanted {
            self.ask(&cid, now);
        }
    }

    /// A peer has gone, or has lost what it was sent.
    pub fn disconnected(&mut self, peer: &PeerId, now: Instant) {
        self.peers.remove(peer);
        self.outgoing.remove(peer);
        let mut orphans = Vec::new();
        for (cid, want) in &mut self.wants {
            want.asked.remove(peer);
            want.offers.remove(peer);
            if want.source.take_if(|source| *source == *peer).is_some() {
                orphans.push(*cid);
            }
        }
        for cid in orphans {
            self.ask(&cid, now);
        }
    }

    /// A peer says that it has a block.
    pub fn offered(&mut self, peer: PeerId, cid: &Cid, now: Instant) {
        if let Some(want) = self.wants.get_mut(cid)
            && want.asked.contains(&peer)
        {
            want.offers.insert(peer);
            self.ask(cid, now);
        }
    }

    /// A peer says that it has not.
    pub fn refused(&mut self, peer: PeerId, cid: &Cid, now: Instant) {
        let Some(want) = self.wants.get_mut(cid) else { return };
        want.offers.remove(&peer);
        if want.source.take_if(|source| *source == peer).is_some() {
            self.forget_debt(peer);
            self.ask(cid, now);
            self.resume(now);
        }
    }

    /// A peer sends a block, which may not have been wanted.
    pub fn received(&mut self, peer: PeerId, cid: &Cid, bytes: &Bytes, now: Instant) {
        let Some(mut want) = self.wants.remove(cid) else { return };
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.sent = Some(now);
        }
        if want.source == Some(peer) {
            let before = |other: &&mut Want| other.source == Some(peer) && other.turn < want.turn;
            self.wants.values_mut().filter(before).for_each(|other| {
                other.passed.get_or_insert(now);
            });
        }
        for (_, waiting) in want.waiting.drain() {
            // It may have stopped listening.
            let _ = waiting.send(bytes.clone());
        }
        self.end(cid, want, Some(peer));
        self.resume(now);
    }

    /// Asks again for what does not come.
    pub fn tick(&mut self, now: Instant) {
        let late: Vec<Cid> =
            self.wants.iter().filter(|(_, want)| self.is_late(want, now)).map(|(cid, _)| *cid).collect();
        for cid in late {
            let Some(want) = self.wants.get_mut(&cid) else { continue };
            want.since = now;
            if want.source.is_some() {
                want.patience = (want.patience * 3 / 2).min(MAX_PATIENCE);
            }
            // Everybody is asked again, since answers get lost and a peer may have got the block meanwhile; but another
            // one than before for the block itself, if there is one.
            want.asked.clear();
            let source = want.source.take();
            if let Some(source) = source {
                want.offers.remove(&source);
                self.forget_debt(source);
            }
            self.ask_but(&cid, source, now);
        }
        self.resume(now);
    }

    fn is_late(&self, want: &Want, now: Instant) -> bool {
        let sent = want.source.and_then(|source| self.peers.get(&source)?.sent);
        // A peer that sends other blocks is not late with this one, unless it was asked for them later.
        let sent = want.passed.or(sent);
        let since = sent.map_or(want.since, |sent| sent.max(want.since));
        now.saturating_duration_since(since) >= want.patience
    }

    /// What there is to send since the last time.
    pub fn outgoing(&mut self) -> Option<(PeerId, Vec<Entry>)> {
        let peer = *self.outgoing.keys().next()?;
        self.outgoing.remove_entry(&peer)
    }

    fn ask(&mut self, cid: &Cid, now: Instant) {
        self.ask_but(cid, None, now);
    }

    /// Sees to it that somebody is asked for the block, of several not `last`, and everybody whether it has the block.
    fn ask_but(&mut self, cid: &Cid, last: Option<PeerId>, now: Instant) {
        let Some(want) = self.wants.get_mut(cid) else { return };
        if want.source.is_none() {
            // Who was asked and did not offer it has not got it.
            let may =
                |id: &PeerId, peer: &Peer| (want.offers.contains(id) || !want.asked.contains(id)) && !peer.is_busy();
            let rank = |(id, peer): &(&PeerId, &Peer)| {
                (Some(**id) == last, !want.offers.contains(*id), peer.sent.is_none(), peer.owes)
            };
            if let Some((&source, _)) = self.peers.iter().filter(|(id, peer)| may(id, peer)).min_by_key(rank) {
                self.turns += 1;
                (want.source, want.since, want.turn, want.passed) = (Some(source), now, self.turns, None);
                want.offers.remove(&source);
                want.asked.insert(source);
                self.peers.entry(source).or_default().owes += 1;
                self.outgoing.entry(source).or_default().push(Entry::block(cid));
            }
        }
        for (id, peer) in &self.peers {
            if !peer.is_busy() && want.asked.insert(*id) {
                self.outgoing.entry(*id).or_default().push(Entry::have(cid));
            }
        }
    }

    /// Asks who has paid for what waits for that.
    fn resume(&mut self, now: Instant) {
        if self.peers.values().any(|peer| peer.spared && !peer.is_busy()) {
            self.ask_waiting(now);
        }
    }

    /// Asks for what nobody has been asked for, the longest wait first.
    fn ask_waiting(&mut self, now: Instant) {
        let waits = self.wants.iter().filter(|(_, want)| want.source.is_none());
        let mut waits: Vec<(Option<u64>, Cid)> =
            waits.map(|(cid, want)| (want.waiting.keys().min().copied(), *cid)).collect();
        waits.sort_unstable();
        for (_, cid) in waits {
            self.ask(&cid, now);
        }
    }

    fn forget_debt(&mut self, peer: PeerId) {
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.owes = peer.owes.saturating_sub(1);
        }
    }

    /// Tells everybody who was asked, but the one that sent the block.
    fn end(&mut self, cid: &Cid, want: Want, sender: Option<PeerId>) {
        if let Some(source) = want.source {
            self.forget_debt(source);
        }
        for peer in want.asked.iter().filter(|peer| Some(**peer) != sender && self.peers.contains_key(peer)) {
            self.outgoing.entry(*peer).or_default().push(Entry::cancel(cid));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use multihash::Multihash;
    use sha2::{Digest, Sha256};

    use super::super::message::WantType;
    use super::*;

    struct Script {
        wants: Wants,
        now: Instant,
        next: u64,
    }

    fn cid(name: &str) -> Cid {
        Cid::new_v1(0x55, Multihash::wrap(0x12, &Sha256::digest(name)).unwrap())
    }

    impl Script {
        fn new(peers: usize) -> (Self, Vec<PeerId>) {
            let mut script = Self { wants: Wants::default(), now: Instant::now(), next: 0 };
            let mut peers: Vec<PeerId> = (0..peers).map(|_| PeerId::random()).collect();
            peers.sort();
            for peer in &peers {
                script.wants.connected(*peer, script.now);
            }
            (script, peers)
        }

        fn want(&mut self, name: &str) -> (u64, oneshot::Receiver<Bytes>) {
            let (done, result) = oneshot::channel();
            self.next += 1;
            self.wants.add(cid(name), self.next, done, self.now);
            (self.next, result)
        }

        fn wait(&mut self, seconds: u64) {
            for _ in 0..seconds {
                self.now += Duration::from_secs(1);
                self.wants.tick(self.now);
            }
        }

        /// What was sent since the last time: `block`, `have` or `cancel`, to whom.
        fn sent(&mut self) -> BTreeMap<PeerId, Vec<&'static str>> {
            let name = |entry: Entry| match (entry.cancel, entry.want == WantType::Block as i32) {
                (true, _) => "cancel",
                (false, true) => "block",
                (false, false) => "have",
            };
            let outgoing = std::iter::from_fn(|| self.wants.outgoing());
            outgoing.map(|(peer, entries)| (peer, entries.into_iter().map(name).collect())).collect()
        }

        /// Whom the block is asked for, after all others were asked whether they have it.
        fn source(&mut self, of: usize) -> PeerId {
            let sent = self.sent();
            assert_eq!(sent.len(), of, "{sent:?}");
            let asked: Vec<PeerId> = sent.iter().filter(|(_, said)| **said == ["block"]).map(|(id, _)| *id).collect();
            assert_eq!(asked.len(), 1, "{sent:?}");
            assert!(sent.values().filter(|said| **said == ["have"]).count() == of - 1, "{sent:?}");
            asked[0]
        }
    }

    const DATA: Bytes = Bytes::from_static(b"data");

    #[test]
    fn one_peer_is_asked_for_the_block_and_the_others_whether_they_have_it() {
        let (mut script, peers) = Script::new(3);
        let (_, mut done) = script.want("a");
        let source = script.source(3);
        script.wants.received(source, &cid("a"), &DATA, script.now);
        assert_eq!(done.try_recv().unwrap(), DATA);
        let told: Vec<PeerId> = peers.iter().copied().filter(|peer| *peer != source).collect();
        assert_eq!(script.sent(), told.iter().map(|peer| (*peer, vec!["cancel"])).collect());
        // Who has sent a block is asked first from now on.
        for name in ["b", "c"] {
            let _listening = script.want(name);
            assert_eq!(script.source(3), source);
        }
    }

    #[test]
    fn who_offers_is_asked_when_the_first_refuses_goes_or_is_silent() {
        for how in ["refuses", "goes", "is silent"] {
            let (mut script, peers) = Script::new(3);
            let (_, mut done) = script.want("a");
            let first = script.source(3);
            let second = *peers.iter().find(|peer| **peer != first).unwrap();
            script.wants.offered(second, &cid("a"), script.now);
            assert!(script.sent().is_empty(), "one at a time");
            match how {
                "refuses" => script.wants.refused(first, &cid("a"), script.now),
                "goes" => script.wants.disconnected(&first, script.now),
                _ => script.wait(5),
            }
            let sent = script.sent();
            assert_eq!(sent[&second], ["block"], "{how}");
            script.wants.received(second, &cid("a"), &DATA, script.now);
            assert_eq!(done.try_recv().unwrap(), DATA, "{how}");
        }
    }

    #[test]
    fn a_lost_answer_is_asked_for_again_and_more_seldom_each_time() {
        let (mut script, peers) = Script::new(1);
        let _listening = script.want("a");
        assert_eq!(script.source(1), peers[0]);
        let mut times = Vec::new();
        for second in 1..=40 {
            script.wait(1);
            if !script.sent().is_empty() {
                times.push(second);
            }
        }
        assert_eq!(times, [5, 13, 25], "after 5, 7.5 and 11.25 seconds, at the next full one");
    }

    #[test]
    fn a_peer_that_sends_other_blocks_is_not_late() {
        let (mut script, peers) = Script::new(1);
        let names: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        let _listening: Vec<_> = names.iter().map(|name| script.want(name)).collect();
        assert_eq!(script.sent()[&peers[0]].len(), 10);
        for name in &names {
            script.wait(4);
            script.wants.received(peers[0], &cid(name), &DATA, script.now);
        }
        assert!(script.sent().is_empty());
    }

    #[test]
    fn a_peer_that_comes_later_is_asked_as_well() {
        let (mut script, _) = Script::new(0);
        let _listening = script.want("a");
        assert!(script.sent().is_empty());
        let (first, second) = (PeerId::random(), PeerId::random());
        script.wants.connected(first, script.now);
        assert_eq!(script.sent(), BTreeMap::from([(first, vec!["block"])]));
        script.wants.refused(first, &cid("a"), script.now);
        script.wants.connected(second, script.now);
        assert_eq!(script.sent(), BTreeMap::from([(second, vec!["block"])]));
        // Both have said no: they are asked again later.
        script.wants.refused(second, &cid("a"), script.now);
        assert!(script.sent().is_empty());
        script.wait(5);
        script.source(2);
    }

    #[test]
    fn the_last_listener_takes_the_want_along() {
        let (mut script, peers) = Script::new(1);
        let (first, _one) = script.want("a");
        let (second, _two) = script.want("a");
        script.source(1);
        script.wants.remove(&cid("a"), first, script.now);
        assert!(script.sent().is_empty());
        script.wants.remove(&cid("a"), second, script.now);
        assert_eq!(script.sent(), BTreeMap::from([(peers[0], vec!["cancel"])]));
        script.wants.received(peers[0], &cid("a"), &DATA, script.now);
        script.wait(100);
        assert!(script.sent().is_empty() && script.wants.wants.is_empty());
        assert_eq!(script.wants.peers[&peers[0]].owes, 0);
    }

    #[test]
    fn offers_that_nobody_asked_for_do_nothing() {
        let (mut script, peers) = Script::new(1);
        script.wants.offered(peers[0], &cid("unwanted"), script.now);
        script.wants.refused(peers[0], &cid("unwanted"), script.now);
        let _listening = script.want("a");
        script.source(1);
        script.wants.offered(PeerId::random(), &cid("a"), script.now);
        script.wants.disconnected(&PeerId::random(), script.now);
        assert!(script.sent().is_empty());
    }

    #[test]
    fn a_spared_peer_owes_one_block_and_is_asked_for_the_next_when_it_has_paid() {
        let (mut script, peers) = Script::new(1);
        script.wants.spare(peers[0], true, script.now);
        let names = ["a", "b", "c", "d", "e"];
        let listening: Vec<_> = names.iter().map(|name| script.want(name)).collect();
        let one = BTreeMap::from([(peers[0], vec!["block"])]);
        assert_eq!(script.sent(), one);
        script.wants.received(peers[0], &cid("a"), &DATA, script.now);
        assert_eq!(script.sent(), one);
        // It has not the second, is silent about the third, and nobody wants the fourth any more.
        script.wants.refused(peers[0], &cid("b"), script.now);
        assert_eq!(script.sent(), one);
        script.wait(5);
        assert!(script.sent()[&peers[0]].contains(&"block"));
        script.wants.remove(&cid("d"), listening[3].0, script.now);
        script.wait(60);
        assert!(script.wants.peers[&peers[0]].owes <= 1);
        // Asked one by one, it pays for what is left.
        for name in ["b", "c", "e", "b", "c", "e"] {
            script.wants.received(peers[0], &cid(name), &DATA, script.now);
        }
        assert!(script.wants.wants.is_empty());
        assert_eq!(script.wants.peers[&peers[0]].owes, 0);

        // Known to stand any number, it is asked for all.
        script.sent();
        let _listening: Vec<_> = names.iter().map(|name| script.want(name)).collect();
        assert_eq!(script.sent(), one);
        script.wants.spare(peers[0], false, script.now);
        assert_eq!(script.sent(), BTreeMap::from([(peers[0], vec!["block"; 4])]));
    }

    #[test]
    fn wants_are_spread_over_those_who_owe_least() {
        let (mut script, peers) = Script::new(2);
        for peer in &peers {
            // Both have sent something before.
            script.wants.peers.get_mut(peer).unwrap().sent = Some(script.now);
        }
        let names: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        let _listening: Vec<_> = names.iter().map(|name| script.want(name)).collect();
        for (peer, said) in script.sent() {
            assert_eq!(said.iter().filter(|said| **said == "block").count(), 5, "{peer}");
        }
    }

    /// Attack: a peer that sends everything but one block, which another has.
    #[test]
    fn a_block_that_its_source_passes_over_is_asked_of_another() {
        let (mut script, peers) = Script::new(2);
        let _listening = script.want("withheld");
        let source = script.source(2);
        let other = *peers.iter().find(|peer| **peer != source).unwrap();
        script.wants.offered(other, &cid("withheld"), script.now);
        for second in 0..30 {
            let name = format!("other {second}");
            let _listening = script.want(&name);
            script.sent();
            script.wants.received(source, &cid(&name), &DATA, script.now);
            script.wait(1);
            if script.sent().get(&other).is_some_and(|said| said.contains(&"block")) {
                return;
            }
        }
        panic!("for 30 seconds nobody else was asked, though another peer offers it");
    }

    /// A lost answer, with one peer that is busy with other blocks.
    #[test]
    fn a_lost_answer_is_asked_for_again_while_others_come() {
        let (mut script, peers) = Script::new(1);
        let _listening = script.want("lost");
        script.sent();
        for second in 0..30 {
            let name = format!("other {second}");
            let _listening = script.want(&name);
            script.sent();
            script.wants.received(peers[0], &cid(&name), &DATA, script.now);
            script.wait(1);
            if script.sent().get(&peers[0]).is_some_and(|said| said.contains(&"block")) {
                return;
            }
        }
        panic!("not asked for again within the 30 seconds that a block may take");
    }
}
