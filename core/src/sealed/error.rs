//! What can go wrong with sealed data.

use crate::account::AccountError;
use crate::asset::{AssetError, Did};
use crate::codec::CodecError;
use crate::cube::CubeError;
use crate::error::{Classify, ErrorKind};
use crate::job::JobId;
use crate::program::ProgramError;
use crate::store::StoreError;

/// Why data could not be sealed, computed on or released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// Bytes that are no manifest, task or result.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A column does not fit.
    #[error(transparent)]
    Asset(#[from] AssetError),
    /// A program does not fit.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A sum, or the noise in it, could leave its range.
    #[error(transparent)]
    Cube(#[from] CubeError),
    /// The encrypted computation failed.
    #[error(transparent)]
    Encryption(#[from] sealock_fhe::Error),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A signature is missing or somebody else's.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// What is offered cannot be sealed.
    #[error("this cannot be published as sealed data: {why}")]
    Unsealable {
        /// What stands in the way.
        why: String,
        /// What to change.
        hint: &'static str,
    },
    /// The owner's node has nothing encrypted of an asset.
    #[error("the data of {did} is not sealed: its owner's node computes on it")]
    NotSealed {
        /// The asset.
        did: Did,
    },
    /// A literal that is hidden from the executor, who has to read the program.
    #[error("{column} is compared with a secret, and executors of sealed data read the program")]
    Secret {
        /// A column that is compared with a secret.
        column: String,
    },
    /// A program that nothing computes over encrypted columns.
    #[error("executors cannot compute this over encrypted columns: {why}")]
    Uncomputable {
        /// What stands in the way.
        why: String,
        /// What to change.
        hint: &'static str,
    },
    /// A manifest, a block of it, a task or a part says what cannot be.
    #[error("not a valid {what}: {why}")]
    Invalid {
        /// Which form.
        what: &'static str,
        /// What is wrong.
        why: String,
    },
    /// The owner's node does not compute on sealed data.
    #[error("job {0} is about sealed data: executors compute it, and a releaser releases it")]
    AwaitsExecutors(JobId),
    /// No result was released. It is the same whatever the reason: the owner's log has it.
    #[error("no result was released")]
    NotReleased,
}

impl SealedError {
    pub(crate) fn invalid(what: &'static str, why: impl Into<String>) -> Self {
        SealedError::Invalid { what, why: why.into() }
    }
}

impl Classify for SealedError {
    fn kind(&self) -> ErrorKind {
        match self {
            SealedError::Codec(e) => e.kind(),
            SealedError::Asset(e) => e.kind(),
            SealedError::Program(e) => e.kind(),
            SealedError::Cube(e) => e.kind(),
            SealedError::Encryption(e) => e.kind(),
            SealedError::Store(e) => e.kind(),
            SealedError::Account(e) => e.kind(),
            SealedError::Unsealable { .. } | SealedError::NotSealed { .. } | SealedError::AwaitsExecutors(_) => {
                ErrorKind::InvalidArgument
            }
            SealedError::Secret { .. } | SealedError::Uncomputable { .. } => ErrorKind::UnsupportedProgram,
            SealedError::Invalid { .. } => ErrorKind::Malformed,
            SealedError::NotReleased => ErrorKind::Rejected,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            SealedError::Codec(e) => e.hint(),
            SealedError::Asset(e) => e.hint(),
            SealedError::Program(e) => e.hint(),
            SealedError::Cube(e) => e.hint(),
            SealedError::Store(e) => e.hint(),
            SealedError::Unsealable { hint, .. } | SealedError::Uncomputable { hint, .. } => Some((*hint).into()),
            SealedError::Secret { .. } => Some(
                "write the literal in the clear: executors then read the question, and neither data nor answer; or ask an \
                 asset that takes sealed queries"
                    .into(),
            ),
            SealedError::NotSealed { .. } => Some("use Node::compute".into()),
            SealedError::AwaitsExecutors(_) => Some("give executors its task, and their results to its owner's releaser".into()),
            SealedError::NotReleased => Some("the refusals of the owner's node say why; results of other executors may do".into()),
            _ => None,
        }
    }
}
