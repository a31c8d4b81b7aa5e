//! Access: from orders on the ledger to the grant that a node computes under.
//!
//! The orders of a service form a [`Group`]. A consumer proves that one of them is theirs and has a use left; the node
//! checks the proof and learns the use's nullifier, which it spends. Only [`Node::admit`](crate::node::Node::admit)
//! makes an [`AccessGrant`].
//!
//! What a consumer sees of a refusal is one word, since whatever it said more could tell something of others. The
//! [`Rejection`] with the reason is the owner's.

use std::collections::VecDeque;
use std::sync::Arc;

use sealock_fhe::linear::EncryptedQuery;
use sealock_zk::{Credential, LeanImt, MerkleProof, SMALLEST_ANONYMOUS_GROUP, Scalar, TreeError};

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
/// How many of the latest roots of a group a node accepts. Each order makes a new one.
pub const ROOT_WINDOW: usize = 1024;
/// How far a request's time may be from the node's, in seconds.
pub const MAX_CLOCK_SKEW: u64 = 120;
/// How far ahead a request's deadline may lie, in seconds.
pub const MAX_DEADLINE: u64 = 24 * 60 * 60;

/// One service of one asset on one ledger: what its proofs and its group are bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

/// The group of a service's orders, rebuilt from the ledger, with the latest roots.
#[derive(Debug)]
pub struct Group {
    service: Service,
    tree: LeanImt,
    /// Orders read from the ledger so far, those that joined no group included.
    read: u64,
    roots: VecDeque<Scalar>,
}

impl Group {
    /// An empty group.
    pub fn new(service: Service) -> Self {
        let tree = LeanImt::with_max_depth(GROUP_DEPTH).expect("the depth is within the tree's limits");
        Self { service, tree, read: 0, roots: VecDeque::new() }
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
                    Ok(_) => self.roots.extend(self.tree.root()),
                    Err(TreeError::Full { .. }) => {
                        tracing::error!(datatoken = %self.service.datatoken, "the group is full; later orders cannot be proved");
                    }
                    // Paid for, and of no use to anybody.
                    Err(refused) => tracing::warn!(order = order.index, %refused, "an order joined no group"),
                }
                if self.roots.len() > ROOT_WINDOW {
                    self.roots.pop_front();
                }
            }
            if page.len() < PAGE {
                return Ok(());
            }
        }
    }

    /// Whether `root` is one of the latest. Zero never is.
    pub fn accepts(&self, root: Scalar) -> bool {
        !root.is_zero() && self.roots.contains(&root)
    }

    /// Among how many orders a member hides.
    pub fn len(&self) -> usize {
        self.tree.len()
    }

    /// Whether nobody has ordered.
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Whether a member is hidden at all: a group of one or two is no crowd.
    pub fn is_anonymous(&self) -> bool {
        self.tree.len() >= SMALLEST_ANONYMOUS_GROUP
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
    /// The request was made under another policy.
    #[error("the request names policy {got}, the asset has {expected}")]
    OtherPolicy {
        /// The asset's policy.
        expected: Digest,
        /// The request's.
        got: Digest,
    },
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
    /// The root is none of the group's latest.
    #[error("the proof is about a group that this node does not know")]
    UnknownRoot,
    /// The proof does not verify.
    #[error("the proof does not verify")]
    InvalidProof,
    /// The use paid for another request.
    #[error("this use was spent before, for another request")]
    NullifierSpent,
}

impl Classify for Rejection {
    fn kind(&self) -> ErrorKind {
        match self {
            Rejection::Malformed(e) => e.kind(),
            Rejection::UnknownAsset(_) => ErrorKind::NotFound,
            Rejection::Program(e) => e.kind(),
            Rejection::Policy(e) => e.kind(),
            Rejection::OtherPolicy { .. } => ErrorKind::PolicyDenied,
            Rejection::Query(_) => ErrorKind::Encryption,
            Rejection::Clock { .. } | Rejection::Deadline { .. } => ErrorKind::DeadlinePassed,
            Rejection::UnknownRoot => ErrorKind::UnknownRoot,
            Rejection::InvalidProof => ErrorKind::InvalidProof,
            Rejection::NullifierSpent => ErrorKind::NullifierSpent,
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
        Some("the node's owner can see why; check the program against the asset's policy before asking".into())
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
    pub(crate) plan: Plan,
    pub(crate) query: EncryptedQuery,
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
