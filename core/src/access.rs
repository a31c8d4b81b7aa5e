//! Access: from orders on the ledger to the grant that a node computes under.
//!
//! The orders of a service form a [`Group`]. A consumer proves that one of them is theirs and has a use left; the node
//! checks the proof and learns the use's nullifier, which it spends. Only [`Node::admit`](crate::node::Node::admit)
//! makes an [`AccessGrant`].
//!
//! What a consumer sees of a refusal is one word, since whatever it said more could tell something of others. The
//! [`Rejection`] with the reason is the owner's.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use sealock_fhe::linear::{EncryptedQuery, Shape};
use sealock_zk::{Credential, LeanImt, MerkleProof, Scalar, TreeError};

use serde::{Deserialize, Serialize};

use crate::codec::CodecError;
use crate::error::{Classify, ErrorKind};
use crate::federation::FederationError;
use crate::job::{JobId, JobRequest};
use crate::ledger::{EFFECTIVE_GRAIN, Ledger, LedgerError, Order, Revocation};
use crate::node::Served;
use crate::policy::PolicyError;
use crate::privacy::Noise;
use crate::program::{Plan, ProgramError};
use crate::sealed::SealedError;
use crate::time::Timestamp;
use crate::{Address, Digest};

/// Number of levels that an asset's access key has room for: a million orders.
pub const GROUP_DEPTH: usize = 20;
/// How far a request's time may be from the node's, in seconds.
pub const MAX_CLOCK_SKEW: u64 = 180;
/// For how many seconds a root is accepted after the group has changed. A proof is good for [`MAX_CLOCK_SKEW`], and is made
/// for the group as its maker knew it: this leaves time for a ledger that is read late, as blocks of a chain are that must be
/// final.
pub const ROOT_WINDOW: u64 = 60 * 60;
/// How far ahead a request's deadline may lie, in seconds.
pub const MAX_DEADLINE: u64 = 24 * 60 * 60;

/// One service of one asset on one ledger: what its proofs and its group are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// The ledger's chain id.
    pub chain_id: u64,
    /// The ledger's own address.
    pub ledger: Address,
    /// The data NFT.
    pub nft: Address,
    /// The datatoken that an order costs.
    pub datatoken: Address,
    /// Which of the asset's services.
    pub service: u32,
    /// In what epochs uses are counted, in seconds, if not over an order's whole life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_secs: Option<u64>,
}

impl Service {
    fn scalar(&self, label: &str, epoch: Option<u64>) -> Scalar {
        let chain = self.chain_id.to_be_bytes();
        let service = self.service.to_be_bytes();
        let mut parts: Vec<&[u8]> =
            vec![&chain, self.ledger.as_bytes(), self.nft.as_bytes(), self.datatoken.as_bytes(), &service];
        let epochs = [self.epoch_secs, epoch].map(|n| n.map(u64::to_be_bytes));
        parts.extend(epochs.iter().flatten().map(<[u8; 8]>::as_slice));
        Scalar::hash(label, &parts)
    }

    /// Which epoch a time is in, if uses are counted in epochs.
    pub fn epoch(&self, at: Timestamp) -> Option<u64> {
        self.epoch_secs.and_then(|secs| at.checked_div(secs))
    }

    /// What nullifiers are counted in at a time: the service, in this epoch. An order has as many nullifiers in a scope as it
    /// has uses, and each is spent once, so a scope per epoch gives it its uses again in the next.
    pub fn scope(&self, at: Timestamp) -> Scalar {
        self.scalar("sealock/v1/access-scope", self.epoch(at))
    }

    /// What a credential is for, as it stands in the group's leaves.
    pub fn credential(&self, limit: u64, expiry: Timestamp) -> Credential {
        Credential { asset: self.scalar("sealock/v1/access-asset", None), limit, expiry }
    }

    fn leaf(&self, order: &Order) -> Option<Scalar> {
        // The ledger takes any 32 bytes. What is no commitment could never be proved about, and joins no group.
        let commitment = Scalar::from_bytes(&order.commitment).ok()?;
        Some(self.credential(order.limit, order.expiry).leaf(commitment))
    }
}

/// An order of a group.
#[derive(Debug)]
struct Member {
    consumer: Address,
    /// The last second in which it counts: its order's, or the one before a revocation.
    until: Timestamp,
}

/// A root, since when it is the group's, and how many revocations had taken effect by then.
#[derive(Debug)]
struct Root {
    since: Timestamp,
    revocations: usize,
    root: Scalar,
}

/// The group of a service's orders, rebuilt from the ledger.
///
/// An order joins when it is made and leaves when a revocation of it takes effect; an expired one stays, since proofs show
/// their order's expiry to be ahead. Whoever reads the ledger takes the same steps in the same order, and has the same roots,
/// but for the moments around a revocation, in which clocks differ about whether it has taken effect: a proof that is refused
/// then has spent nothing, and is made again.
///
/// A node accepts a proof about any root that was the group's within [`ROOT_WINDOW`], so that orders which others make
/// meanwhile spoil no proof. Older ones it refuses: a consumer who is shown an old ledger would hide among few. The window is
/// one of time, as one of a number of roots could be pushed on by whoever orders often. A root of before a revocation is
/// accepted for requests whose time is before it, and for no others.
#[derive(Debug)]
pub struct Group {
    service: Service,
    tree: LeanImt,
    /// Of each order that was read, its place in the tree, if it has one.
    places: Vec<Option<usize>>,
    members: Vec<Member>,
    /// Revocations that were read, by order.
    revocations: HashMap<u64, Revocation>,
    /// Those that have yet to take effect: when, their number, and which order's.
    announced: BTreeMap<(Timestamp, u64), u64>,
    /// When each revocation took effect.
    effective: Vec<Timestamp>,
    revocations_read: u64,
    /// The present root, and those before it back to the start of the window.
    roots: VecDeque<Root>,
    /// Of each root, its number among all that were recorded.
    numbers: HashMap<Scalar, u64>,
    /// The number of the first of `roots`.
    first: u64,
}

impl Group {
    /// An empty group.
    pub fn new(service: Service) -> Self {
        Self {
            service,
            tree: LeanImt::with_max_depth(GROUP_DEPTH).expect("the depth is within the tree's limits"),
            places: Vec::new(),
            members: Vec::new(),
            revocations: HashMap::new(),
            announced: BTreeMap::new(),
            effective: Vec::new(),
            revocations_read: 0,
            roots: VecDeque::new(),
            numbers: HashMap::new(),
            first: 0,
        }
    }

    /// Reads what came since, and lets revocations take effect up to `now`.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn sync(&mut self, ledger: &dyn Ledger, now: Timestamp) -> Result<(), LedgerError> {
        const PAGE: usize = 4096;
        let Service { datatoken, service, .. } = self.service;
        loop {
            let next = self.places.len() as u64;
            let orders = ledger.orders(datatoken, service, next, PAGE)?;
            in_turn(next, orders.iter().map(|order| order.index))?;
            // Read after the orders: a revocation is announced before it takes effect, so every one is known here that comes
            // before some order of the page.
            loop {
                let revocations = ledger.revocations(datatoken, service, self.revocations_read, PAGE)?;
                in_turn(self.revocations_read, revocations.iter().map(|revocation| revocation.number))?;
                for r in &revocations {
                    self.announced.insert((r.effective, r.number), r.order);
                    self.revocations.insert(r.order, *r);
                    self.revocations_read += 1;
                }
                if revocations.len() < PAGE {
                    break;
                }
            }
            self.join(&orders, now);
            if orders.len() < PAGE {
                break;
            }
        }
        self.revoke(now);
        self.forget(now);
        Ok(())
    }

    /// Lets orders join in their turn. Those of before the window join together, which is what rebuilding a long group
    /// takes: nobody asks for the roots between them.
    fn join(&mut self, orders: &[Order], now: Timestamp) {
        let mut batch: Vec<(&Order, Scalar)> = Vec::new();
        for order in orders {
            if self.announced.first_key_value().is_some_and(|((effective, _), _)| *effective <= order.time) {
                self.join_batch(&mut batch);
                self.revoke(order.time);
            }
            let leaf = self.service.leaf(order);
            if leaf.is_none() || order.time.saturating_add(ROOT_WINDOW) >= now {
                self.join_batch(&mut batch);
            }
            match leaf {
                Some(leaf) => batch.push((order, leaf)),
                None => self.places.push(None),
            }
        }
        self.join_batch(&mut batch);
    }

    fn join_batch(&mut self, batch: &mut Vec<(&Order, Scalar)>) {
        let Some((last, _)) = batch.last() else { return };
        let since = last.time;
        let leaves: Vec<Scalar> = batch.iter().map(|(_, leaf)| *leaf).collect();
        let together = self.tree.insert_many(&leaves).is_ok();
        for (order, leaf) in batch.drain(..) {
            let place = match (together, self.members.len()) {
                (true, place) => Ok(place),
                (false, _) => self.tree.insert(leaf),
            };
            match place {
                Ok(_) => self.members.push(Member { consumer: order.consumer, until: order.expiry }),
                Err(TreeError::Full { .. }) => {
                    tracing::error!(datatoken = %self.service.datatoken, "the group is full; later orders cannot be proved");
                }
                // Paid for, and of no use to anybody.
                Err(ref refused) => tracing::warn!(order = order.index, %refused, "an order joined no group"),
            }
            self.places.push(place.ok());
        }
        self.record(since);
    }

    /// The first announced revocation of an order that has been read which is due at a time. One of an order that has not been
    /// read waits for it.
    fn due(&self, at: Timestamp) -> Option<(Timestamp, u64)> {
        let read = self.places.len() as u64;
        let due = self.announced.iter().take_while(|((effective, _), _)| *effective <= at);
        due.filter(|(_, order)| **order < read).map(|(key, _)| *key).next()
    }

    /// Lets the revocations take effect that are due at `now`.
    fn revoke(&mut self, now: Timestamp) {
        while let Some(due) = self.due(now) {
            let (effective, order) = (due.0, self.announced.remove(&due));
            let place = order.and_then(|order| self.places[order as usize]);
            if let Some(place) = place
                && self.tree.remove(place).is_ok()
            {
                self.members[place].until = self.members[place].until.min(effective.saturating_sub(1));
                self.effective.push(effective);
                self.record(effective);
            }
        }
    }

    /// Records the present root.
    fn record(&mut self, since: Timestamp) {
        let Some(root) = self.tree.root() else { return };
        let revocations = self.effective.len();
        if let Some(last) = self.roots.back_mut().filter(|last| last.root == root) {
            last.revocations = revocations;
            return;
        }
        self.numbers.insert(root, self.first + self.roots.len() as u64);
        self.roots.push_back(Root { since, revocations, root });
    }

    /// Forgets the roots that were no longer the group's before the window.
    fn forget(&mut self, now: Timestamp) {
        while self.roots.get(1).is_some_and(|next| next.since.saturating_add(ROOT_WINDOW) < now) {
            let Some(Root { root, .. }) = self.roots.pop_front() else { return };
            if self.numbers.get(&root) == Some(&self.first) {
                self.numbers.remove(&root);
            }
            self.first += 1;
        }
    }

    /// Whether a proof about `root` counts, of a request that states the time `at`: the root is the group's, or was within
    /// [`ROOT_WINDOW`], and no revocation takes effect between it and `at`, announced ones included. Nor is `at` before the
    /// minute in which the root came to be: an order has no uses of a time before it was made. Zero never counts.
    pub fn accepts(&self, root: Scalar, at: Timestamp) -> bool {
        let place = self.numbers.get(&root).and_then(|number| usize::try_from(number - self.first).ok());
        let Some(known) = place.and_then(|place| self.roots.get(place)) else { return false };
        let revoked = self.effective[known.revocations..].iter().any(|effective| *effective <= at);
        !root.is_zero() && !revoked && self.due(at).is_none() && at >= minute(known.since)
    }

    /// The minute in which the present group came to be: the earliest time that a request about it can state.
    pub fn since(&self) -> Timestamp {
        self.roots.back().map_or(0, |root| minute(root.since))
    }

    /// The revocation of an order, if one was announced.
    pub fn revocation(&self, order: u64) -> Option<&Revocation> {
        self.revocations.get(&order)
    }

    /// Number of roots that are accepted at some time.
    pub fn window(&self) -> usize {
        self.roots.len()
    }

    /// Number of orders, expired and revoked ones included.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether nobody has ordered.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Among how many accounts a member hides at `now`, at most: those with a valid order, without `owner`'s own. Which of
    /// them have uses left, and which belong to one person, nobody can see.
    pub fn crowd(&self, now: Timestamp, owner: Address) -> usize {
        self.hiding(now, owner).len()
    }

    /// The accounts of [`Group::crowd`].
    pub(crate) fn hiding(&self, now: Timestamp, owner: Address) -> HashSet<Address> {
        let hiding = self.members.iter().filter(|member| member.until >= now && member.consumer != owner);
        hiding.map(|member| member.consumer).collect()
    }

    /// The path of a leaf.
    ///
    /// # Errors
    /// [`TreeError`] if it is not in the group.
    pub(crate) fn path(&self, leaf: Scalar) -> Option<Result<MerkleProof, TreeError>> {
        Some(self.tree.proof(self.tree.index_of(leaf)?))
    }
}

fn minute(at: Timestamp) -> Timestamp {
    at - at % EFFECTIVE_GRAIN
}

/// Checks that what a ledger lists has the numbers from `next` on.
fn in_turn(next: u64, listed: impl Iterator<Item = u64>) -> Result<(), LedgerError> {
    for (place, got) in listed.enumerate() {
        let expected = next.saturating_add(place as u64);
        if got != expected {
            let why = format!("the ledger listed number {got} in its place");
            return Err(LedgerError::BrokenLog { index: expected, why });
        }
    }
    Ok(())
}

/// Why a request was refused, for the owner alone.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Not a request, or one that is not canonical.
    #[error("malformed: {0}")]
    Malformed(#[from] CodecError),
    /// Not an asset of this node.
    #[error("this node serves no asset {0}")]
    UnknownAsset(String),
    /// The program does not fit the asset.
    #[error("program: {0}")]
    Program(#[from] ProgramError),
    /// The round does not fit the request.
    #[error("federation: {0}")]
    Federation(#[from] FederationError),
    /// The policy denies it.
    #[error("policy: {0}")]
    Policy(#[from] PolicyError),
    /// The request was made under another policy, or about other data.
    #[error("the request names {what} {got}, the asset has {expected}: it was changed since the consumer looked")]
    AssetChanged {
        /// Policy or data.
        what: &'static str,
        /// The asset's.
        expected: Digest,
        /// The request's.
        got: Digest,
    },
    /// The answer would be too large.
    #[error("the answer would have {got} bytes, at most {limit} are released")]
    AnswerTooLarge {
        /// Bytes of the answer.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The result key is no key that anything could be sealed to.
    #[error("the result key is not an X25519 key that a result can be sealed to")]
    ResultKey,
    /// Executors cannot compute it over the asset's encrypted columns.
    #[error("sealed data: {0}")]
    Sealed(#[from] SealedError),
    /// The encrypted query does not decode, or has another shape than the program.
    #[error("query: {0}")]
    Query(#[from] sealock_fhe::Error),
    /// The request's time is not the node's.
    #[error(
        "the request's time is {got}, the node's {now} (unix seconds); at most {MAX_CLOCK_SKEW} s apart are accepted"
    )]
    Clock {
        /// The request's time.
        got: Timestamp,
        /// The node's.
        now: Timestamp,
    },
    /// The deadline has passed or lies too far ahead.
    #[error("the deadline is {deadline}, it is {now} (unix seconds); at most {MAX_DEADLINE} s ahead are accepted")]
    Deadline {
        /// The deadline.
        deadline: Timestamp,
        /// The time of the refusal.
        now: Timestamp,
    },
    /// The root is not the group's, and was not within [`ROOT_WINDOW`]; or an order was revoked since.
    #[error("the proof is about a group of orders that is not the present one, or one of the last hour")]
    UnknownRoot,
    /// The proof does not verify.
    #[error("the proof does not verify")]
    InvalidProof,
    /// The use paid for another request.
    #[error("this use was spent before, for another request")]
    NullifierSpent,
    /// The owner has destroyed the key.
    #[error("the key of the asset's data was destroyed")]
    KeyDestroyed,
}

impl Classify for Rejection {
    fn kind(&self) -> ErrorKind {
        match self {
            Rejection::Malformed(e) => e.kind(),
            Rejection::UnknownAsset(_) => ErrorKind::NotFound,
            Rejection::Program(e) => e.kind(),
            Rejection::Policy(e) => e.kind(),
            Rejection::Sealed(e) => e.kind(),
            Rejection::Federation(e) => e.kind(),
            Rejection::AssetChanged { .. } => ErrorKind::PolicyDenied,
            Rejection::AnswerTooLarge { .. } => ErrorKind::TooLarge,
            Rejection::ResultKey => ErrorKind::InvalidArgument,
            Rejection::Query(_) => ErrorKind::Encryption,
            Rejection::Clock { .. } | Rejection::Deadline { .. } => ErrorKind::DeadlinePassed,
            Rejection::UnknownRoot => ErrorKind::UnknownRoot,
            Rejection::InvalidProof => ErrorKind::InvalidProof,
            Rejection::NullifierSpent => ErrorKind::NullifierSpent,
            Rejection::KeyDestroyed => ErrorKind::KeyDestroyed,
        }
    }
}

/// A refused request. It shows one word, whatever the reason; the owner reads [`Rejected::reason`].
pub struct Rejected(Box<Rejection>);

impl Rejected {
    /// Why, for the owner's log. Do not pass it on to the one who asked.
    pub fn reason(&self) -> &Rejection {
        &self.0
    }
}

impl<E: Into<Rejection>> From<E> for Rejected {
    fn from(reason: E) -> Self {
        Self(Box::new(reason.into()))
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("rejected")
    }
}

impl std::fmt::Debug for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rejected")
    }
}

impl std::error::Error for Rejected {}

impl Classify for Rejected {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Rejected
    }
    fn hint(&self) -> Option<String> {
        let causes = "the use was spent elsewhere, the order was taken back, the asset answers no more jobs or was changed or deleted, the request is too old";
        Some(format!("it may be that {causes}, or this is another owner's node; the node's owner can see which"))
    }
}

/// The right to one job, which the node has checked and the order has paid for.
///
/// It cannot be made, copied or kept: [`Node::admit`](crate::node::Node::admit) makes it and
/// [`Node::compute`](crate::node::Node::compute) consumes it.
#[must_use = "a grant is paid for: compute under it"]
pub struct AccessGrant {
    pub(crate) job: JobId,
    pub(crate) request: JobRequest,
    pub(crate) served: Arc<Served>,
    /// What is to be computed; nothing for a job that is complete, whose result is kept whatever became of the asset.
    pub(crate) work: Option<Work>,
}

/// A request laid out over its asset.
pub(crate) enum Work {
    /// A query to be computed.
    Query(Box<(Plan, EncryptedQuery)>),
    /// A query to be computed by executors.
    Sealed,
    /// Vectors to be scored.
    Inference(Box<(Shape, EncryptedQuery)>),
    /// The dataset key to be wrapped.
    Download,
}

impl AccessGrant {
    /// The job that it is for.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// What its receipt says to be spent, in millionths of ε: nothing more by an answer from a cube that was paid for.
    pub(crate) fn epsilon(&self) -> Option<u64> {
        match (&self.work, self.served.asset.policy().noise()?) {
            (Some(Work::Query(_) | Work::Sealed), Noise::PerJob(loss)) => Some(loss.epsilon.micros()),
            (Some(Work::Query(_)), Noise::Cube(_)) => Some(0),
            _ => None,
        }
    }
}

impl std::fmt::Debug for AccessGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessGrant({})", self.job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service() -> Service {
        let any = Address::from_bytes([1; 20]);
        Service { chain_id: 1, ledger: any, nft: any, datatoken: any, service: 0, epoch_secs: None }
    }

    fn order(index: u64, time: Timestamp) -> Order {
        let any = Address::from_bytes([1; 20]);
        let commitment = Scalar::from(index + 1).to_bytes();
        let (token, tx, amount) = (any, Digest::sha256(b"tx"), crate::ledger::Amount::ONE);
        Order { token, service: 0, index, consumer: any, commitment, limit: 1, expiry: 900, amount, tx, time }
    }

    /// Orders and revocations are read one after the other: what comes in between is read of the one kind and not yet of the
    /// other. A ledger that is read late, or whose clock is behind, shows a revocation before its order.
    #[test]
    fn a_revocation_that_is_read_before_its_order_waits_for_it() {
        let mut late = Group::new(service());
        late.join(&[order(0, 10)], 200);
        late.announced.insert((60, 0), 1);
        late.revoke(200);
        let before = late.tree.root().unwrap();
        assert!(late.accepts(before, 200), "it is about an order that nobody here has read");
        late.join(&[order(1, 50)], 200);
        late.revoke(200);

        let mut at_once = Group::new(service());
        at_once.announced.insert((60, 0), 1);
        at_once.join(&[order(0, 10), order(1, 50), order(2, 70)], 200);
        late.join(&[order(2, 70)], 200);
        assert_eq!(late.tree.leaves(), at_once.tree.leaves());
        assert!(late.tree.leaves()[1].is_zero() && !late.tree.leaves()[2].is_zero());
        assert!(!late.accepts(before, 200) && late.accepts(at_once.tree.root().unwrap(), 200));
    }

    #[test]
    fn a_ledger_that_lists_out_of_turn_is_refused() {
        assert!(in_turn(3, [3, 4, 5].into_iter()).is_ok() && in_turn(0, [].into_iter()).is_ok());
        for listed in [vec![2], vec![3, 3], vec![3, 5], vec![4]] {
            assert!(matches!(in_turn(3, listed.into_iter()), Err(LedgerError::BrokenLog { .. })));
        }
        assert!(in_turn(u64::MAX, [u64::MAX].into_iter()).is_ok());
    }
}
