//! The consumer's side: buy, order, ask, open.
//!
//! Every order has an identity secret of its own, derived from the account's key (HKDF, RFC 5869), the asset and a
//! counter. So an account's key alone finds all its orders again on the ledger, and two orders of one account have nothing
//! in common that anybody else could see.
//!
//! What a request needs later, the keys that open its result and the number of the use that it spends, goes to the
//! consumer's [`Wallet`](crate::wallet::Wallet) before the request is handed out. A lost response is asked for again with the same
//! [`JobTicket::request`]; a request that never arrived, and has grown old, is proved again with [`JobTicket::renew`].

mod consumer;
mod download;
mod federated;
mod inference;
mod request;
mod ticket;

use crate::access::Rejection;
use crate::asset::Did;
use crate::error::{Classify, ErrorKind};
use crate::job::JobId;
use crate::time::Timestamp;

pub use consumer::Consumer;
pub(crate) use consumer::find_order;
pub use download::{DownloadOrder, DownloadTicket};
pub use federated::FederatedTicket;
pub use inference::InferenceTicket;
pub use request::{DEFAULT_DEADLINE, Order};
pub use ticket::JobTicket;

/// Why a consumer's step failed before anything left it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The order is not in the group that the ledger shows.
    #[error("the order is not among the asset's orders on this ledger")]
    NotInGroup,
    /// The asset is described otherwise now. A request under an old description would be refused, and would tell the owner
    /// when its maker last looked.
    #[error("the asset {did} was described anew since it was loaded")]
    AssetChanged {
        /// The asset.
        did: Did,
    },
    /// The asset's policy allows nothing of the kind.
    #[error("the asset {did} offers no {what}")]
    NotOffered {
        /// The asset.
        did: Did,
        /// Queries, inference or downloads.
        what: &'static str,
    },
    /// A result or a receipt was brought to another request's keys.
    #[error("the {what} is of job {got}, and this is the ticket of job {expected}")]
    OtherJob {
        /// Result or receipt.
        what: &'static str,
        /// The ticket's job.
        expected: JobId,
        /// The job that it is of.
        got: JobId,
    },
    /// The price times the number bought has more than 128 bits.
    #[error("the cost of so many datatokens has no 128-bit number: buy fewer")]
    CostOverflow,
    /// The request's deadline has passed, so that it cannot be renewed.
    #[error("the request's deadline was {deadline}, it is {now} (unix seconds)")]
    DeadlinePassed {
        /// The deadline.
        deadline: Timestamp,
        /// The time of the attempt.
        now: Timestamp,
    },
    /// No node would answer the query.
    #[error("no node would answer this: {0}")]
    Unanswerable(#[source] Rejection),
    /// No use is left.
    #[error("all {limit} uses of this order are spent")]
    Exhausted {
        /// The order's limit.
        limit: u64,
        /// When it has as many again, if uses are counted in epochs.
        renewed: Option<Timestamp>,
    },
    /// The order was taken back by its seller.
    #[error("the order was revoked by the asset's owner from {effective} on (unix seconds){}",
        if *.refunded { ", and its datatoken paid back" } else { "" })]
    Revoked {
        /// From when on it counts no more.
        effective: Timestamp,
        /// Whether the datatoken that it cost was paid back.
        refunded: bool,
    },
    /// The epoch of a request is over, so that it cannot be renewed.
    #[error("the request spends a use of the epoch that ended at {end}, it is {now} (unix seconds)")]
    EpochPassed {
        /// The first second of the next epoch.
        end: Timestamp,
        /// The time of the attempt.
        now: Timestamp,
    },
}

impl Classify for OrderError {
    fn kind(&self) -> ErrorKind {
        use ErrorKind as K;
        match self {
            OrderError::NotInGroup => K::NotAMember,
            OrderError::Exhausted { .. } => K::UseLimitReached,
            OrderError::AssetChanged { .. } | OrderError::NotOffered { .. } => K::PolicyDenied,
            OrderError::CostOverflow | OrderError::OtherJob { .. } => K::InvalidArgument,
            OrderError::Revoked { .. } => K::OrderRevoked,
            OrderError::DeadlinePassed { .. } | OrderError::EpochPassed { .. } => K::DeadlinePassed,
            OrderError::Unanswerable(e) => e.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            OrderError::Exhausted { renewed: Some(at), .. } => {
                format!("it has its uses again from {at} on (unix seconds); or order the asset again")
            }
            OrderError::Exhausted { renewed: None, .. } | OrderError::Revoked { .. } => "order the asset again".into(),
            OrderError::OtherJob { .. } => "open it with its own ticket, which is among the consumer's".into(),
            OrderError::NotOffered { .. } => "the asset's policy says what it allows".into(),
            OrderError::AssetChanged { .. } => {
                "load the asset again, and take the order from the consumer's orders".into()
            }
            OrderError::DeadlinePassed { .. } => {
                "if the node never admitted it, ask anew with request_use and the same use".into()
            }
            OrderError::EpochPassed { .. } => {
                "if the node never admitted it, ask anew: the present epoch has uses of its own".into()
            }
            OrderError::Unanswerable(e) if e.kind() == ErrorKind::TooLarge => {
                "group by fewer columns, or ask for fewer numbers".into()
            }
            OrderError::NotInGroup => "check that the exchange uses the ledger that the order was made on".into(),
            OrderError::CostOverflow | OrderError::Unanswerable(_) => return None,
        })
    }
}
