//! Why a node that is far away gave no answer.

use std::time::Duration;

use crate::error::{Classify, ErrorKind};
use crate::job::JobId;

pub(super) const HTTP: &str = "HTTP";
pub(super) const TLS: &str = "TLS";

/// Why a node that is far away gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// Text that is no node's address.
    #[error("{got:?} is no address of a node: {why}")]
    InvalidUrl {
        /// What came, without what could be a secret.
        got: String,
        /// What was expected.
        why: &'static str,
    },
    /// The node cannot be reached, or is none.
    #[error("the node at {who}, asked {what}: {why}")]
    Unreachable {
        /// Scheme, host and port.
        who: String,
        /// What it was asked, in words that follow "asked".
        what: &'static str,
        /// What happened.
        why: String,
    },
    /// Whoever listens there speaks another protocol than the address says.
    #[error("the node at {who}, asked {what}, does not speak {protocol}")]
    OtherProtocol {
        /// Scheme, host and port.
        who: String,
        /// What it was asked, in words that follow "asked".
        what: &'static str,
        /// What was expected: HTTP, or TLS.
        protocol: &'static str,
    },
    /// A node is there, and this is its owner's side, or a path of its own.
    #[error("at {who} is nothing of a node that clients use")]
    NotForClients {
        /// Scheme, host and port.
        who: String,
    },
    /// The node did not answer in time.
    #[error("the node at {who}, asked {what}, did not answer in time")]
    Timeout {
        /// Scheme, host and port.
        who: String,
        /// What it was asked, in words that follow "asked".
        what: &'static str,
    },
    /// The node has too much to do, and took nothing.
    #[error("the node at {who} is busy: it asks for {} s of patience", .retry_after.as_secs())]
    Busy {
        /// Scheme, host and port.
        who: String,
        /// How long it asks to wait.
        retry_after: Duration,
    },
    /// The node refused.
    #[error("the node at {who} refused: {detail}")]
    Refused {
        /// Scheme, host and port.
        who: String,
        /// The kind of its reason.
        kind: ErrorKind,
        /// Its own words.
        detail: String,
        /// What it says to do about it.
        hint: Option<String>,
    },
    /// The node says what cannot be.
    #[error("the node at {who} is wrong or lies: {why}")]
    FalseAnswer {
        /// Scheme, host and port.
        who: String,
        /// What cannot be.
        why: String,
    },
    /// The node has given up on a job.
    #[error("job {job} is on record, and was not completed: {why}")]
    NotCompleted {
        /// The job.
        job: JobId,
        /// How it ended.
        why: &'static str,
    },
    /// The job was complete, and its result is gone.
    #[error("the result of job {job} was discarded or has expired; its receipt remains")]
    Expired {
        /// The job.
        job: JobId,
    },
    /// The node does not have the ledger, and no way to it was given.
    #[error("the node at {who} is on chain {chain_id}, whose ledger it does not serve")]
    NoLedger {
        /// Scheme, host and port.
        who: String,
        /// The chain.
        chain_id: u64,
    },
    /// The ledger that was given is not the node's.
    #[error("the node at {who} is on chain {}, ledger {}; the ledger here is {} on chain {}", .theirs.0, .theirs.1, .ours.1, .ours.0)]
    OtherLedger {
        /// Scheme, host and port.
        who: String,
        /// Chain id and ledger of the node.
        theirs: (u64, crate::Address),
        /// Those of the ledger that was given.
        ours: (u64, crate::Address),
    },
}

impl Classify for RemoteError {
    fn kind(&self) -> ErrorKind {
        match self {
            RemoteError::InvalidUrl { .. } | RemoteError::NoLedger { .. } | RemoteError::OtherLedger { .. } => {
                ErrorKind::InvalidArgument
            }
            RemoteError::Unreachable { .. }
            | RemoteError::OtherProtocol { .. }
            | RemoteError::NotForClients { .. }
            | RemoteError::FalseAnswer { .. } => ErrorKind::Unreachable,
            RemoteError::Expired { .. } => ErrorKind::NotFound,
            RemoteError::Timeout { .. } => ErrorKind::Timeout,
            RemoteError::Busy { .. } => ErrorKind::Busy,
            RemoteError::Refused { kind, .. } => *kind,
            RemoteError::NotCompleted { .. } => ErrorKind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            RemoteError::InvalidUrl { .. } => "an address is such as http://127.0.0.1:8030".into(),
            RemoteError::OtherProtocol { protocol: HTTP, .. } => {
                "if it has a certificate, its address begins with https://".into()
            }
            RemoteError::OtherProtocol { .. } => "if it has no certificate, its address begins with http://".into(),
            RemoteError::NotForClients { .. } => {
                "is this the owner's side of a node? clients use its other port, as its log and its command say".into()
            }
            RemoteError::Unreachable { why, .. } if why.contains("certificate") => {
                "of a node with a certificate of its own, name the file of it when you connect".into()
            }
            RemoteError::Unreachable { .. } | RemoteError::Timeout { .. } => {
                "check the address, and that the node runs; what was sent can be sent again and costs nothing more"
                    .into()
            }
            RemoteError::Busy { .. } => "send the same again then: nothing was spent".into(),
            RemoteError::Refused { hint, .. } => return hint.clone(),
            RemoteError::Expired { .. } => "a query that is asked anew spends another use".into(),
            RemoteError::FalseAnswer { .. } => "ask its operator".into(),
            RemoteError::NotCompleted { .. } => {
                "send the same request again, which takes it up and costs nothing".into()
            }
            RemoteError::NoLedger { .. } => {
                "connect with a ledger of your own, for instance Ocean's contracts on that chain".into()
            }
            RemoteError::OtherLedger { .. } => "connect to the ledger that the node names".into(),
        })
    }
}
