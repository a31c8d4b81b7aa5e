//! Access: from orders on the ledger to the grant that a node computes under.
//!
//! The orders of a service form a [`Group`]. A consumer proves that one of them is theirs and has a use left; the node
//! checks the proof and learns the use's nullifier, which it spends. Only [`Node::admit`](crate::node::Node::admit)
//! makes an [`AccessGrant`].
//!
//! What a consumer sees of a refusal is one word, since whatever it said more could tell something of others. The
//! [`Rejection`] with the reason is the owner's.

use std::collections::HashSet;
use std::sync::Arc;

use sealock_fhe::linear::EncryptedQuery;
use sealock_zk::{Credential, LeanImt, MerkleProof, Scalar, TreeError};

use serde::{Deserialize, Serialize};

use crate::codec::CodecError;
use crate::error::{Classify, ErrorKind};
use crate::job::{JobId, JobRequest};
use crate::ledger::{Ledger, LedgerError, Order};
use crate::node::Served;
use crate::policy::PolicyError;
use crate::program::{Plan, ProgramError};
use crate::time::Timestamp;
use crate::{Address, Digest};

/// Number of levels that an asset's access key has room for: a million orders.
pub const GROUP_DEPTH: usize = 20;
/// How far a request's time may be from the node's, in seconds.
pub const MAX_CLOCK_SKEW: u64 = 180;
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
}

impl Service {
    fn scalar(&self, label: &str) -> Scalar {
        let chain = self.chain_id.to_be_bytes();
        let service = self.service.to_be_bytes();
        Scalar::hash(label, &[&chain, self.ledger.as_bytes(), self.nft.as_bytes(), self.datatoken.as_bytes(), &service])
    }

    /// What nullifiers are counted in.
    pub fn scope(&self) -> Scalar {
        self.scalar("sealock/v1/access-scope")
    }

    /// What a credential is for, as it stands in the group's leaves.
    pub fn credential(&self, limit: u64, expiry: Timestamp) -> Credential {
        Credential { asset: self.scalar("sealock/v1/access-asset"), limit, expiry }
    }

    fn leaf(&self, order: &Order) -> Option<Scalar> {
        // The ledger takes any 32 bytes. What is no commitment could never be proved about, and joins no group.
        let commitment = Scalar::from_bytes(&order.commitment).ok()?;
        Some(self.credential(order.limit, order.expiry).leaf(commitment))
    }
}

/// The group of a service's orders, rebuilt from the ledger.
///
/// It keeps every root that it ever had, 32 bytes per order: an order is never taken out, so that an old root speaks of
/// some of today's members. A bounded number of roots could be pushed out by whoever orders often enough.
#[derive(Debug)]
pub struct Group {
    service: Service,
    tree: LeanImt,
    /// Orders read from the ledger so far, those that joined no group included.
    read: u64,
    roots: HashSet<[u8; 32]>,
    /// Of each member, who ordered and until when the order is valid.
    members: Vec<(Address, Timestamp)>,
}

impl Group {
    /// An empty group.
    pub fn new(service: Service) -> Self {
        let tree = LeanImt::with_max_depth(GROUP_DEPTH).expect("the depth is within the tree's limits");
        Self { service, tree, read: 0, roots: HashSet::new(), members: Vec::new() }
    }

    /// Reads the orders that came since.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn sync(&mut self, ledger: &dyn Ledger) -> Result<(), LedgerError> {
        const PAGE: usize = 4096;
        loop {
            let page = ledger.orders(self.service.datatoken, self.service.service, self.read, PAGE)?;
            for order in &page {
                self.read += 1;
                let Some(leaf) = self.service.leaf(order) else { continue };
                match self.tree.insert(leaf) {
                    Ok(_) => {
                        self.roots.extend(self.tree.root().map(Scalar::to_bytes));
                        self.members.push((order.consumer, order.expiry));
                    }
                    Err(TreeError::Full { .. }) => {
                        tracing::error!(datatoken = %self.service.datatoken, "the group is full; later orders cannot be proved");
                    }
                    // Paid for, and of no use to anybody.
                    Err(refused) => tracing::warn!(order = order.index, %refused, "an order joined no group"),
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// Whether `root` is, or was, the group's. Zero never is.
    pub fn accepts(&self, root: Scalar) -> bool {
        !root.is_zero() && self.roots.contains(&root.to_bytes())
    }

    /// Number of orders, expired ones included.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether nobody has ordered.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Among how many accounts a member hides at `now`, at most: those with an unexpired order, without `owner`'s own. Which
    /// of them have uses left, and which belong to one person, nobody can see.
    pub fn crowd(&self, now: Timestamp, owner: Address) -> usize {
        let hiding = self.members.iter().filter(|(consumer, expiry)| *expiry >= now && *consumer != owner);
        hiding.map(|(consumer, _)| consumer).collect::<HashSet<_>>().len()
    }

    /// The path of a leaf.
    ///
    /// # Errors
    /// [`TreeError`] if it is not in the group.
    pub(crate) fn path(&self, leaf: Scalar) -> Option<Result<MerkleProof, TreeError>> {
        Some(self.tree.proof(self.tree.index_of(leaf)?))
    }
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
    /// The root is none that the group ever had.
    #[error("the proof is about a group that this node does not know")]
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
        let causes = "the use was spent elsewhere, the asset answers no more jobs or was changed or deleted, the request is too old";
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
    /// The dataset key to be wrapped.
    Download,
}

impl AccessGrant {
    /// The job that it is for.
    pub fn job(&self) -> JobId {
        self.job
    }
}

impl std::fmt::Debug for AccessGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AccessGrant({})", self.job)
    }
}
