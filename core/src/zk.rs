//! Access proofs by themselves: everything of [`sealock_zk`], with its errors in the table of [`ErrorKind`].
//!
//! An [`Exchange`](crate::Exchange) makes and checks its proofs without being asked. These are the parts, for whoever puts
//! them together otherwise: identities, groups, keys and their check, proofs, their exports and, with the feature
//! `semaphore`, the protocol of that name.

#[doc(inline)]
pub use sealock_zk::*;

use crate::error::{Classify, Error, ErrorKind};

macro_rules! zk_errors {
    ($($(#[$attribute:meta])* $name:ident($source:ty),)+) => {
        /// What can go wrong with access proofs.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum ZkError {
            $($(#[$attribute])* #[error(transparent)] $name(#[from] $source),)+
        }

        $($(#[$attribute])* impl From<$source> for Error {
            fn from(error: $source) -> Self {
                ZkError::from(error).into()
            }
        })+
    };
}

zk_errors! {
    /// Bytes that are not what they should be.
    Decode(DecodeError),
    /// No keys were made.
    Setup(SetupError),
    /// A key that must not be used.
    Check(CheckError),
    /// A group.
    Tree(TreeError),
    /// No proof was made.
    Prove(ProveError),
    /// A proof that does not verify.
    Verify(Rejected),
    /// The name of a contract.
    Contract(export::solidity::NameError),
    /// JSON of Semaphore's.
    #[cfg(feature = "semaphore")]
    Json(semaphore::JsonError),
    /// A message or a scope of Semaphore's.
    #[cfg(feature = "semaphore")]
    Signal(semaphore::SignalError),
    /// A key file of snarkjs.
    #[cfg(feature = "semaphore")]
    Zkey(semaphore::ZkeyError),
}

impl Classify for ZkError {
    fn kind(&self) -> ErrorKind {
        use ErrorKind as K;
        match self {
            ZkError::Decode(DecodeError::Version { .. }) => K::UnsupportedVersion,
            ZkError::Decode(_) => K::Malformed,
            ZkError::Setup(_) | ZkError::Contract(_) => K::InvalidArgument,
            ZkError::Check(_) | ZkError::Prove(ProveError::BrokenKey) => K::UnsafeKey,
            ZkError::Tree(TreeError::Full { .. }) => K::TooLarge,
            ZkError::Tree(TreeError::NoSuchLeaf { .. }) => K::NotFound,
            ZkError::Tree(_) => K::InvalidArgument,
            ZkError::Prove(ProveError::NotMember | ProveError::OtherRoot { .. }) => K::NotAMember,
            ZkError::Prove(ProveError::UseLimitReached { .. }) => K::UseLimitReached,
            ZkError::Prove(ProveError::Expired { .. }) => K::OrderExpired,
            ZkError::Prove(_) | ZkError::Verify(_) => K::InvalidProof,
            #[cfg(feature = "semaphore")]
            ZkError::Json(semaphore::JsonError::Size { .. }) | ZkError::Zkey(semaphore::ZkeyError::Size { .. }) => {
                K::TooLarge
            }
            #[cfg(feature = "semaphore")]
            ZkError::Zkey(semaphore::ZkeyError::Version { .. }) => K::UnsupportedVersion,
            #[cfg(feature = "semaphore")]
            ZkError::Json(_) | ZkError::Zkey(_) => K::Malformed,
            #[cfg(feature = "semaphore")]
            ZkError::Signal(_) => K::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self.kind() {
            ErrorKind::UseLimitReached | ErrorKind::OrderExpired => "order the asset again".into(),
            ErrorKind::UnsafeKey => "make no proof for this owner: its key may be built to tell orders apart".into(),
            _ => return None,
        })
    }
}
