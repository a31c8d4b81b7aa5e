use std::io;
use std::time::Duration;

use cid::Cid;

use super::MAX_BLOCK_BYTES;
use super::car::CarFault;
use crate::error::{Classify, ErrorKind};
use crate::progress::Cancelled;

/// Why a store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no such block.
    #[error("the store has no block {cid}")]
    NotFound {
        /// The block asked for.
        cid: Cid,
    },
    /// The bytes under a CID are not the ones it names.
    #[error("the bytes kept under {cid} are others than it names")]
    CidMismatch {
        /// The block asked for.
        cid: Cid,
    },
    /// A CID of a kind that this library does not use.
    #[error("{cid} is not a CIDv1 of SHA-256 with codec raw, dag-pb or dag-cbor")]
    UnsupportedCid {
        /// The CID that came.
        cid: Cid,
    },
    /// Text or bytes that are not a CID.
    #[error("not a CID: {why}")]
    InvalidCid {
        /// What the decoder found.
        why: String,
    },
    /// A block longer than peers exchange.
    #[error("a block has {got} bytes, at most {MAX_BLOCK_BYTES} are accepted")]
    BlockTooLarge {
        /// Its length, in bytes.
        got: u64,
    },
    /// A block that is not a well-formed node of a file or of a graph.
    #[error("the block {cid} is not a valid node: {why}")]
    InvalidNode {
        /// The block.
        cid: Cid,
        /// What is wrong with it.
        why: String,
    },
    /// Bytes that are not a CAR, or not one that can be taken in.
    #[error("the CAR is not valid, at byte {offset}: {fault}")]
    InvalidCar {
        /// Where the section begins that is wrong.
        offset: u64,
        /// What is wrong with it.
        fault: CarFault,
    },
    /// Nobody sent a block in time.
    #[error("nobody sent {cid} within {} s ({asked})", waited.as_secs())]
    Timeout {
        /// The block asked for.
        cid: Cid,
        /// How long it was waited for.
        waited: Duration,
        /// Who was asked, for instance "3 peers".
        asked: String,
    },
    /// A peer or daemon cannot be reached, or does not speak the protocol.
    #[error("{who} cannot be reached: {why}")]
    Unreachable {
        /// Its address.
        who: String,
        /// What happened.
        why: String,
    },
    /// A daemon that was reached did not answer in time.
    #[error("{who} did not answer {command} within {} s", waited.as_secs())]
    NoAnswer {
        /// Its address.
        who: String,
        /// What it was asked.
        command: &'static str,
        /// How long it was waited for.
        waited: Duration,
    },
    /// What should be the address of a peer or daemon.
    #[error("{got:?} is no address: {why}")]
    InvalidAddress {
        /// What came.
        got: String,
        /// What is wrong with it, and what was expected.
        why: String,
    },
    /// A node's repository is open in another node.
    #[error("another node runs on {path}")]
    InUse {
        /// The folder.
        path: String,
    },
    /// The node takes part in no DHT.
    #[error("the node takes part in no DHT")]
    NoDht,
    /// Garbage collection while somebody adds, here or in another process.
    #[error("the store is being added to: garbage collection would remove blocks that are not pinned yet")]
    Busy,
    /// The folder was not made by this version of the store.
    #[error("{path} is not a Sealock store of this version: {why}")]
    NotAStore {
        /// The folder.
        path: String,
        /// What was found.
        why: String,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The operating system, or the source that was read, failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        source: io::Error,
    },
}

impl StoreError {
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> StoreError {
        let what = what.into();
        move |source| StoreError::Io { what, source }
    }
}

impl From<Cancelled> for StoreError {
    fn from(_: Cancelled) -> Self {
        StoreError::Cancelled
    }
}

impl Classify for StoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            StoreError::NotFound { .. } => ErrorKind::NotFound,
            StoreError::CidMismatch { .. } => ErrorKind::CidMismatch,
            StoreError::UnsupportedCid { .. } | StoreError::InvalidCid { .. } | StoreError::InvalidAddress { .. } => {
                ErrorKind::InvalidArgument
            }
            StoreError::BlockTooLarge { .. } => ErrorKind::TooLarge,
            StoreError::InvalidNode { .. } => ErrorKind::Malformed,
            StoreError::InvalidCar { fault, .. } => match fault {
                CarFault::Version { .. } => ErrorKind::UnsupportedVersion,
                CarFault::Truncated { .. } => ErrorKind::Truncated,
                CarFault::SectionTooLong { .. } | CarFault::TooManyRoots { .. } => ErrorKind::TooLarge,
                CarFault::Incomplete { .. } => ErrorKind::NotFound,
                CarFault::NotACar { .. }
                | CarFault::NoRoots
                | CarFault::InvalidLength { .. }
                | CarFault::InvalidCid { .. } => ErrorKind::Malformed,
            },
            StoreError::Timeout { .. } | StoreError::NoAnswer { .. } => ErrorKind::Timeout,
            StoreError::NoDht => ErrorKind::InvalidArgument,
            StoreError::InUse { .. } => ErrorKind::Locked,
            StoreError::Unreachable { .. } => ErrorKind::Unreachable,
            StoreError::Busy => ErrorKind::Locked,
            StoreError::NotAStore { .. } => ErrorKind::CorruptState,
            StoreError::Cancelled => ErrorKind::Cancelled,
            StoreError::Io { .. } => ErrorKind::Io,
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            StoreError::NotFound { .. } => Some("fetch the object again from a store that has it".into()),
            StoreError::CidMismatch { .. } => {
                Some("the copy is damaged: delete it and fetch the block from another store".into())
            }
            StoreError::UnsupportedCid { cid } if cid.version() == cid::Version::V0 => {
                Some("add the file again with CIDs of version 1, for instance with `ipfs add --cid-version=1`".into())
            }
            StoreError::InvalidCar { fault, .. } => match fault {
                CarFault::Version { got: 2 } => Some(
                    "a CAR of version 2 wraps one of version 1: write it as that, as `ipfs dag export` does".into(),
                ),
                CarFault::Truncated { .. } => Some("fetch or write the CAR again".into()),
                CarFault::NoRoots => Some("name the roots of the graphs that it is to hold".into()),
                CarFault::Incomplete { .. } => Some("write the CAR again from a store that has the whole graph".into()),
                _ => None,
            },
            StoreError::Timeout { .. } => {
                Some("connect to a peer that has it, or wait longer; what arrived is kept".into())
            }
            StoreError::Unreachable { .. } | StoreError::NoAnswer { .. } => {
                Some("check that it runs and that the address is right".into())
            }
            StoreError::InvalidAddress { .. } => {
                Some("a peer is at /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW…, for instance".into())
            }
            StoreError::InUse { .. } => Some("use the node that runs, or stop it first".into()),
            StoreError::NoDht => Some("start the node with the DHT, and with bootstrap peers".into()),
            StoreError::Busy => Some("try again when the uploads have finished".into()),
            _ => None,
        }
    }
}

/// Lets a store's error pass through [`io::Read`]; [`io::Error::downcast`] takes it out again.
impl From<StoreError> for io::Error {
    fn from(e: StoreError) -> io::Error {
        match e {
            StoreError::Io { source, .. } => source,
            e => io::Error::new(io::ErrorKind::InvalidData, e),
        }
    }
}
