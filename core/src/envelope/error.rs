use std::io;

use crate::account::AccountError;
use crate::codec::CodecError;
use crate::error::{Classify, ErrorKind};
use crate::progress::Cancelled;
use crate::store::StoreError;

/// Why something could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnvelopeError {
    /// The commitment in the header is another key's or another object's, or the header was changed.
    #[error("the key does not open this object: it belongs to another key, dataset, epoch or object")]
    WrongKey,
    /// A chunk's tag does not fit.
    #[error("chunk {chunk} was changed, moved or taken from another object")]
    Tampered {
        /// The first chunk found that does not open, from 0.
        chunk: u64,
    },
    /// The header or the last chunk is missing.
    #[error("the sealed bytes end too early: the last chunk is missing")]
    Truncated,
    /// More than 2^38 chunks.
    #[error("an object has at most 4 PiB - 1 byte")]
    TooLarge,
    /// The padding of an authentic object is not one that this library makes.
    #[error("the object's padding is not valid: it was sealed by something else")]
    InvalidPadding,
    /// An object's name.
    #[error("{got:?} is no object id: expected 1 to {} bytes", super::MAX_OBJECT_ID_BYTES)]
    InvalidObjectId {
        /// The beginning of what came.
        got: String,
    },
    /// The bytes of a key.
    #[error("not a key: {why}")]
    InvalidKey {
        /// What is wrong.
        why: &'static str,
    },
    /// A suite that this build does not know.
    #[error("the object has suite {got}, which this build does not know")]
    UnsupportedSuite {
        /// The number found.
        got: u64,
    },
    /// A manifest that is signed and says something impossible.
    #[error("the manifest is not consistent: {why}")]
    InvalidManifest {
        /// What is wrong.
        why: String,
    },
    /// There is no such object in the manifest.
    #[error("the dataset has no object {id:?}")]
    UnknownObject {
        /// The object asked for.
        id: String,
    },
    /// No recipient entry of a manifest is for this key.
    #[error("the manifest holds no key for this recipient")]
    NotARecipient,
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The source or the sink failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// Canonical encoding.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The manifest's signature.
    #[error(transparent)]
    Signature(#[from] AccountError),
    /// The store.
    #[error(transparent)]
    Store(StoreError),
}

impl EnvelopeError {
    /// Wraps an error of a reader or writer; one of ours that passed through it is taken out again.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> EnvelopeError {
        let what = what.into();
        move |e| match e.downcast::<EnvelopeError>() {
            Ok(inner) => inner,
            Err(e) => match e.downcast::<StoreError>() {
                Ok(inner) => inner.into(),
                Err(source) => EnvelopeError::Io { what, source },
            },
        }
    }
}

impl From<Cancelled> for EnvelopeError {
    fn from(_: Cancelled) -> Self {
        EnvelopeError::Cancelled
    }
}

impl From<StoreError> for EnvelopeError {
    fn from(e: StoreError) -> Self {
        match e {
            StoreError::Cancelled => EnvelopeError::Cancelled,
            StoreError::Io { what, source } => EnvelopeError::io(what)(source),
            e => EnvelopeError::Store(e),
        }
    }
}

/// Lets an error pass through [`io::Read`].
impl From<EnvelopeError> for io::Error {
    fn from(e: EnvelopeError) -> io::Error {
        match e {
            EnvelopeError::Io { source, .. } => source,
            EnvelopeError::Store(e) => e.into(),
            EnvelopeError::Truncated => io::Error::new(io::ErrorKind::UnexpectedEof, e),
            e => io::Error::new(io::ErrorKind::InvalidData, e),
        }
    }
}

impl Classify for EnvelopeError {
    fn kind(&self) -> ErrorKind {
        match self {
            EnvelopeError::WrongKey | EnvelopeError::NotARecipient => ErrorKind::WrongKey,
            EnvelopeError::Tampered { .. } => ErrorKind::Tampered,
            EnvelopeError::Truncated => ErrorKind::Truncated,
            EnvelopeError::TooLarge => ErrorKind::TooLarge,
            EnvelopeError::InvalidPadding => ErrorKind::Malformed,
            EnvelopeError::InvalidObjectId { .. } | EnvelopeError::InvalidKey { .. } => ErrorKind::InvalidArgument,
            EnvelopeError::UnsupportedSuite { .. } => ErrorKind::UnsupportedVersion,
            EnvelopeError::InvalidManifest { .. } => ErrorKind::InvalidManifest,
            EnvelopeError::UnknownObject { .. } => ErrorKind::NotFound,
            EnvelopeError::Cancelled => ErrorKind::Cancelled,
            EnvelopeError::Io { .. } => ErrorKind::Io,
            EnvelopeError::Codec(e) => e.kind(),
            EnvelopeError::Signature(e) => e.kind(),
            EnvelopeError::Store(e) => e.kind(),
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            EnvelopeError::WrongKey => {
                Some("check that key, dataset, epoch and object id are the ones it was sealed for".into())
            }
            EnvelopeError::Tampered { .. } | EnvelopeError::Truncated => {
                Some("fetch the object again, from another store if it happens again".into())
            }
            EnvelopeError::UnsupportedSuite { .. } => {
                Some("use the version of Sealock that wrote it, or a newer one".into())
            }
            EnvelopeError::Codec(e) => e.hint(),
            EnvelopeError::Signature(e) => e.hint(),
            EnvelopeError::Store(e) => e.hint(),
            _ => None,
        }
    }
}
