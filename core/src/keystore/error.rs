use std::io;
use std::path::PathBuf;

use super::MAX_WORK_FACTOR;
use crate::Digest;
use crate::codec::CodecError;
use crate::envelope::EnvelopeError;
use crate::error::{Classify, ErrorKind};
use crate::time::Timestamp;

/// Why a key store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The file could not be read or written. What was there before is there still.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process, or this one, has it open.
    #[error("the key store {path} is open already, here or in another process")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A new key store would replace a file.
    #[error("{path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An empty passphrase, or a work factor outside its limits.
    #[error("{what}")]
    InvalidArgument {
        /// What was expected, and what came.
        what: String,
    },
    /// There is no file to encrypt under another passphrase.
    #[error("this key store has no passphrase: it is kept in memory, or under the account's key")]
    NoPassphrase,
    /// The passphrase is another one, or the header was changed.
    #[error("the passphrase does not open this key store")]
    WrongPassphrase,
    /// Not an age file, or not one with a passphrase.
    #[error("not a key store: {why}")]
    NotAKeyStore {
        /// What was found.
        why: String,
    },
    /// An age file that was changed after it was written.
    #[error("the key store was changed since it was written: {why}")]
    Tampered {
        /// What does not fit.
        why: &'static str,
    },
    /// The file ends too early.
    #[error("the key store ends too early")]
    Truncated,
    /// Opening the file would take too long.
    #[error(
        "the key store asks for scrypt with a work factor of 2^{required}, at most 2^{MAX_WORK_FACTOR} is accepted"
    )]
    ExcessiveWork {
        /// The power of two that the file asks for.
        required: u8,
    },
    /// What is inside does not decode, or is too large.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The key of this epoch was destroyed.
    #[error("the key of dataset {dataset}, epoch {epoch}, was destroyed at {at} (unix seconds)")]
    Destroyed {
        /// The dataset.
        dataset: Digest,
        /// The epoch.
        epoch: u64,
        /// When.
        at: Timestamp,
    },
    /// The key of this epoch was never here.
    #[error("this key store has no key of dataset {dataset}, epoch {epoch}")]
    Missing {
        /// The dataset.
        dataset: Digest,
        /// The epoch.
        epoch: u64,
    },
    /// A manifest's wrapped key does not open.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

impl Classify for KeyStoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            KeyStoreError::Io { .. } => ErrorKind::Io,
            KeyStoreError::Locked { .. } => ErrorKind::Locked,
            KeyStoreError::Exists { .. } | KeyStoreError::InvalidArgument { .. } | KeyStoreError::NoPassphrase => {
                ErrorKind::InvalidArgument
            }
            KeyStoreError::WrongPassphrase => ErrorKind::WrongKey,
            KeyStoreError::NotAKeyStore { .. } => ErrorKind::Malformed,
            KeyStoreError::Tampered { .. } => ErrorKind::Tampered,
            KeyStoreError::Truncated => ErrorKind::Truncated,
            KeyStoreError::ExcessiveWork { .. } => ErrorKind::TooLarge,
            KeyStoreError::Codec(e) => e.kind(),
            KeyStoreError::Destroyed { .. } => ErrorKind::KeyDestroyed,
            KeyStoreError::Missing { .. } => ErrorKind::NotFound,
            KeyStoreError::Envelope(e) => e.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            KeyStoreError::Locked { .. } => "use it where it is open, or close it there first",
            KeyStoreError::Exists { .. } => "open it, or name another file",
            KeyStoreError::NoPassphrase => "create a key store with a passphrase, and open the owner from it",
            KeyStoreError::WrongPassphrase => "check the passphrase; if it is right, restore the file from a copy",
            KeyStoreError::Tampered { .. } | KeyStoreError::Truncated => "restore the file from a copy",
            KeyStoreError::ExcessiveWork { .. } => "whoever wrote it chose a larger work factor than Sealock does",
            KeyStoreError::Missing { .. } => {
                "open the owner with the key store that the asset was published with, or restore it from a copy"
            }
            KeyStoreError::Codec(e) => return e.hint(),
            KeyStoreError::Envelope(e) => return e.hint(),
            _ => return None,
        };
        Some(hint.into())
    }
}
