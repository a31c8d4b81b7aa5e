//! Jobs: what a consumer asks a node for.
//!
//! A [`JobRequest`] is public: it says which asset and program, carries the encrypted indicator, and proves that some
//! order pays for it. The [`message`](JobRequest::message) that the proof is bound to covers every other part, so that
//! nothing in a request can be exchanged. The part of the consumer is the [`JobTicket`](crate::order::JobTicket), which
//! keeps the secrets that open the result.

use sealock_fhe::linear::Context;
use sealock_zk::{Scalar, Statement};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Digest;
use crate::asset::Did;
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::federation::Round;
use crate::time::Timestamp;

/// Largest encoding of a request: an indicator over 2^22 cells is 52 MiB.
pub const MAX_REQUEST_BYTES: usize = 54 << 20;
const VERSION: u64 = 1;

fn round_digest(round: &Round) -> Digest {
    round.digest().expect("a round has a canonical form: it has no floats and no maps but of text")
}

/// Names a job: the digest of the nullifier that pays for it and the message that it is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub(crate) Digest);

impl JobId {
    /// The digest.
    pub const fn digest(&self) -> Digest {
        self.0
    }

    /// The job of that name, as it is displayed.
    #[cfg(feature = "server")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digest: [u8; 32] = hex::decode(text).ok()?.try_into().ok()?;
        Some(Self(Digest::from_bytes(digest))).filter(|id| id.to_string() == text)
    }
}

impl From<Digest> for JobId {
    /// The job that a digest names, as it was shown. Whether there is one, its node knows.
    fn from(digest: Digest) -> Self {
        Self(digest)
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A request for one job, as it travels.
///
/// Invariant: decoded by [`JobRequest::from_bytes`] it is canonical, within the size limit, and names an asset by a DID. Its proof is not yet
/// verified: only [`Node::admit`](crate::node::Node::admit) does that.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobRequest {
    pub(crate) version: u64,
    pub(crate) asset: String,
    pub(crate) program: ByteBuf,
    pub(crate) query: ByteBuf,
    #[serde(with = "serde_bytes")]
    pub(crate) result_key: [u8; 32],
    pub(crate) policy: Digest,
    pub(crate) data: Digest,
    pub(crate) deadline: Timestamp,
    #[serde(with = "serde_bytes")]
    pub(crate) root: [u8; 32],
    #[serde(with = "serde_bytes")]
    pub(crate) nullifier: [u8; 32],
    pub(crate) now: Timestamp,
    pub(crate) proof: ByteBuf,
    /// Who is asked together with this asset's owner; left out where nobody is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) round: Option<Round>,
    /// The digest of the query, which is most of a request's bytes, once nothing of the request changes any more.
    #[serde(skip)]
    pub(crate) query_digest: Remembered,
}

/// What follows from the rest, and is part of no comparison.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered(Option<Digest>);

impl PartialEq for Remembered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Remembered {}

impl JobRequest {
    pub(crate) const VERSION: u64 = VERSION;

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] above [`MAX_REQUEST_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, CodecError> {
        let bytes = to_canonical("job request", self)?;
        if bytes.len() > MAX_REQUEST_BYTES {
            return Err(CodecError::TooLarge { what: "job request", got: bytes.len(), limit: MAX_REQUEST_BYTES });
        }
        Ok(bytes)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_REQUEST_BYTES`].
    ///
    /// # Errors
    /// [`CodecError`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        let request: JobRequest = from_canonical("job request", bytes, MAX_REQUEST_BYTES)?;
        if request.version != VERSION {
            return Err(CodecError::UnsupportedVersion { what: "job request", got: request.version, known: VERSION });
        }
        if let Err(e) = request.asset.parse::<Did>() {
            return Err(CodecError::Malformed { what: "job request", why: e.to_string() });
        }
        if let Some(Err(e)) = request.round.as_ref().map(Round::check) {
            return Err(CodecError::Malformed { what: "job request", why: e.to_string() });
        }
        Ok(request.unchanging())
    }

    /// The same request, whose digests are not computed anew each time. Nothing of it may change any more.
    pub(crate) fn unchanging(mut self) -> Self {
        self.query_digest = Remembered(Some(self.digest_of_query()));
        self
    }

    fn digest_of_query(&self) -> Digest {
        let fresh = || Digest::of("sealock/v1/job-query", &[&self.query]);
        self.query_digest.0.unwrap_or_else(fresh)
    }

    /// The DID of the asset, as text.
    pub fn asset(&self) -> &str {
        &self.asset
    }

    /// The nullifier: one use of one order, without saying which.
    pub fn nullifier(&self) -> &[u8; 32] {
        &self.nullifier
    }

    /// The sum that the request is a part of, if it is one.
    pub fn round(&self) -> Option<&Round> {
        self.round.as_ref()
    }

    /// When the request lapses, in unix seconds.
    pub fn deadline(&self) -> Timestamp {
        self.deadline
    }

    /// The field element that the access proof is bound to: asset, program, inputs, result key, policy, data and deadline.
    /// Of a sum also the round. Not the group's root nor the time, so that a request can be proved again when these have moved
    /// on.
    pub fn message(&self) -> Scalar {
        let (program, query) = (Digest::of("sealock/v1/job-program", &[&self.program]), self.digest_of_query());
        let (deadline, round) = (self.deadline.to_be_bytes(), self.round.as_ref().map(round_digest));
        let mut parts: Vec<&[u8]> = vec![
            self.asset.as_bytes(),
            program.as_bytes(),
            query.as_bytes(),
            &self.result_key,
            self.policy.as_bytes(),
            self.data.as_bytes(),
            &deadline,
        ];
        parts.extend(round.as_ref().map(|round| round.as_bytes().as_slice()));
        Scalar::hash("sealock/v1/job-message", &parts)
    }

    /// The digest that policies and receipts name the program by.
    pub(crate) fn program_digest(&self) -> Digest {
        Digest::of("sealock/v1/program", &[&self.program])
    }

    /// The name of the job. Another proof of the same statement is the same job; a proof's bytes name nothing.
    pub fn id(&self) -> JobId {
        JobId(Digest::of("sealock/v1/job", &[&self.nullifier, &self.message().to_bytes()]))
    }

    /// What questions about the job are authenticated with, at a node that is far away. Its maker and the node know it, and
    /// nobody else does: the result key is fresh for every request, and no receipt names it. The proof is bound to it.
    pub fn access_key(&self) -> Digest {
        Digest::of("sealock/v1/job-access", &[self.id().0.as_bytes(), &self.result_key])
    }

    /// What the mask of the request's public key is hashed from. Every part is fixed before the consumer makes the key, and
    /// the nullifier makes it one of its own for each use. That of a sum is the same for all parties, whose policies, data and
    /// nullifiers the round names.
    pub(crate) fn context(&self) -> Context {
        if let Some(round) = &self.round {
            let program = Digest::of("sealock/v1/job-program", &[&self.program]);
            let round = round_digest(round);
            return Context::new(&[b"sealock/v1/federated-query-context", round.as_bytes(), program.as_bytes()]);
        }
        Context::new(&[
            b"sealock/v1/query-context",
            self.asset.as_bytes(),
            &self.nullifier,
            Digest::of("sealock/v1/job-program", &[&self.program]).as_bytes(),
            &self.result_key,
            self.policy.as_bytes(),
            self.data.as_bytes(),
            &self.deadline.to_be_bytes(),
        ])
    }

    /// The public inputs of the proof under `scope`.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] if root or nullifier is not a canonical field element: a nullifier plus the field's
    /// order would be a second use.
    pub(crate) fn statement(&self, scope: Scalar) -> Result<Statement, CodecError> {
        let scalar = |what, bytes: &[u8; 32]| {
            Scalar::from_bytes(bytes).map_err(|e| CodecError::Malformed { what, why: e.to_string() })
        };
        Ok(Statement {
            root: scalar("group root", &self.root)?,
            nullifier: scalar("nullifier", &self.nullifier)?,
            message: self.message(),
            scope,
            now: self.now,
        })
    }
}
