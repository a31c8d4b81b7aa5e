//! Release: the result on its way to the consumer, and the answer in the consumer's hands.

mod answer;
mod arrow;
mod numbers;

pub use answer::Answer;
pub use numbers::{Bin, Numbers};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Digest;
use crate::asset::Schema;
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::cube::{CubeError, entry_bits};
use crate::envelope::{EnvelopeError, RecipientKey, RecipientPublicKey};
use crate::error::{Classify, ErrorKind};
use crate::job::JobId;
use crate::policy::Policy;
use crate::program::Plan;
use crate::receipt::ReceiptError;

/// Largest encrypted answer that is computed, in bytes: about 2,900 products.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Largest encoding of a sealed result, in bytes.
pub const MAX_RESULT_BYTES: usize = MAX_ANSWER_BYTES + (64 << 10);
const VERSION: u64 = 1;
/// What a result key seals is bound to.
const INFO: &[u8] = b"sealock/v1/result";

/// Why a result could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Bytes that are no sealed result.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The receipt is not the owner's, or not about this result.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// Sealed to somebody else, or changed since.
    #[error("the result was not sealed to this request's key, or was changed since")]
    NotForThisKey,
    /// The result key is no key.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The encrypted answer does not fit the request.
    #[error(transparent)]
    Encryption(#[from] sealock_fhe::Error),
    /// The schema does not fit the plan.
    #[error(transparent)]
    Cube(#[from] CubeError),
    /// The numbers are none that the asset could give.
    #[error("the answer is not one of this asset: {count} rows in a group, of at most {max_rows} in all")]
    Implausible {
        /// What the answer counts.
        count: i128,
        /// The asset's bound.
        max_rows: u64,
    },
    /// Values whose squares add up to less than the square of their sum.
    #[error("the answer is not one of this asset: {aggregate} would be of squares that add up to too little")]
    ImplausibleSquares {
        /// The aggregate.
        aggregate: String,
    },
    /// The answer leaves the range that its type has room for.
    #[error("the answer's {column} does not fit its Arrow type: {why}")]
    Arrow {
        /// The column.
        column: String,
        /// What Arrow says.
        why: String,
    },
}

impl Classify for ReleaseError {
    fn kind(&self) -> ErrorKind {
        match self {
            ReleaseError::Codec(e) => e.kind(),
            ReleaseError::Receipt(e) => e.kind(),
            ReleaseError::NotForThisKey => ErrorKind::WrongKey,
            ReleaseError::Envelope(e) => e.kind(),
            ReleaseError::Encryption(_) => ErrorKind::Encryption,
            ReleaseError::Cube(e) => e.kind(),
            ReleaseError::Implausible { .. } | ReleaseError::ImplausibleSquares { .. } | ReleaseError::Arrow { .. } => {
                ErrorKind::OutOfDomain
            }
        }
    }
}

/// A result as it travels: the encrypted answer, sealed once more with HPKE (RFC 9180) to the request's result key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedResult {
    version: u64,
    job: JobId,
    encapsulated: ByteBuf,
    ciphertext: ByteBuf,
}

impl SealedResult {
    /// Seals an answer to a request's result key.
    pub(crate) fn seal(job: JobId, key: [u8; 32], answer: &[u8]) -> Result<Self, ReleaseError> {
        let key = RecipientPublicKey::from_bytes(key);
        let (encapsulated, ciphertext) = key.seal(INFO, job.digest().as_bytes(), answer)?;
        let (encapsulated, ciphertext) = (ByteBuf::from(encapsulated), ByteBuf::from(ciphertext));
        Ok(Self { version: VERSION, job, encapsulated, ciphertext })
    }

    /// Length of the encoding of a sealed answer of so many bytes.
    pub(crate) fn encoded_len(answer: usize) -> Result<usize, ReleaseError> {
        let (key, tag) = (32, 16); // of X25519 and AES-GCM
        let blank = Self {
            version: VERSION,
            job: JobId(Digest::from_bytes([0; 32])),
            encapsulated: ByteBuf::from(vec![0; key]),
            ciphertext: ByteBuf::from(vec![0; answer + tag]),
        };
        Ok(blank.to_bytes()?.len())
    }

    /// Opens what [`SealedResult::seal`] sealed.
    pub(crate) fn unseal(&self, key: &RecipientKey) -> Result<Vec<u8>, ReleaseError> {
        key.open(&self.encapsulated, INFO, self.job.digest().as_bytes(), &self.ciphertext)
            .map_err(|_| ReleaseError::NotForThisKey)
    }

    /// The job that it answers.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`ReleaseError::Codec`] if it has no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ReleaseError> {
        Ok(to_canonical("sealed result", self)?)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_RESULT_BYTES`].
    ///
    /// # Errors
    /// [`ReleaseError::Codec`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let result: SealedResult = from_canonical("sealed result", bytes, MAX_RESULT_BYTES)?;
        if result.version != VERSION {
            let got = result.version;
            return Err(CodecError::UnsupportedVersion { what: "sealed result", got, known: VERSION }.into());
        }
        Ok(result)
    }

    /// The digest that the receipt names the result by.
    ///
    /// # Errors
    /// As [`SealedResult::to_bytes`].
    pub fn digest(&self) -> Result<Digest, ReleaseError> {
        Ok(result_digest(&self.to_bytes()?))
    }
}

pub(crate) fn result_digest(bytes: &[u8]) -> Digest {
    Digest::of("sealock/v1/sealed-result", &[bytes])
}

/// Signed width in bits of each number of an answer: `group * width + n`, as in
/// [`ProtectedCube::marginal`](crate::cube::ProtectedCube::marginal).
///
/// # Errors
/// [`CubeError`] if a sum could leave 63 bits.
pub(crate) fn value_bits(schema: &Schema, policy: &Policy, plan: &Plan, max_rows: u64) -> Result<Vec<u8>, CubeError> {
    let bits = entry_bits(schema, policy, plan, plan.series(), max_rows)?;
    let widths: Vec<u8> = bits.into_iter().map(|bits| bits as u8 + 1).collect();
    Ok(widths.repeat(plan.groups()))
}
