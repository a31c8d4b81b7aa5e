//! Proving and verifying.

use ark_bn254::{Bn254, Fr, G1Affine, G2Affine};
use ark_ff::{AdditiveGroup, Field, UniformRand};
use ark_groth16::Groth16;
use ark_serialize::Compress;
use thiserror::Error;
use zeroize::Zeroizing;

pub use batch::verify_batch;

use crate::{
    Credential, DecodeError, IdentitySecret, MerkleProof, ProvingKey, Scalar, VerifyingKey,
    circuit::{Assignment, Level, PUBLIC_INPUTS, full_assignment},
    rng::{CryptoRng, RngCore},
    wire::{Reader, write_point},
};

/// What the prover says about the use, before the nullifier is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Root of the group.
    pub root: Scalar,
    /// What the proof is bound to: it cannot be moved to another message.
    pub message: Scalar,
    /// What uses are counted in: chain, ledger, asset and service. One use index gives one nullifier per scope.
    pub scope: Scalar,
    /// The time of the use, in seconds since 1970 (UTC). It is public: round it, so that a clock does not tell orders
    /// apart.
    pub now: u64,
}

/// What only the prover knows.
#[derive(Debug, Clone, Copy)]
pub struct Witness<'a> {
    /// The secret of the order.
    pub secret: &'a IdentitySecret,
    /// What the order granted.
    pub credential: &'a Credential,
    /// Number of this use, from 0. Using one number for two messages spends it twice: the second is refused.
    pub use_index: u64,
    /// The path from the order's leaf to the claim's root.
    pub membership: &'a MerkleProof,
}

/// What a proof proves, and everything the verifier learns: some order of the group `root`, unexpired at `now`, is used
/// for `message` within its limit in `scope`, and `nullifier` marks the use.
///
/// The verifier decides which roots, scopes, messages and times are acceptable, and that a nullifier is spent once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// Root of the group. Never zero in an accepted statement.
    pub root: Scalar,
    /// Poseidon(scope, secret, use index). The identifier of the use: store it when the use is spent.
    pub nullifier: Scalar,
    /// What the proof is bound to.
    pub message: Scalar,
    /// What uses are counted in.
    pub scope: Scalar,
    /// The time of the use, in seconds since 1970 (UTC).
    pub now: u64,
}

impl Statement {
    /// Length of the encoding in bytes.
    pub const LEN: usize = 1 + 4 * Scalar::LEN + 8;

    const VERSION: u8 = 1;

    /// Encodes as `version(1) ‖ root(32) ‖ nullifier(32) ‖ message(32) ‖ scope(32) ‖ now(8)`, big-endian.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = [Self::VERSION; Self::LEN];
        let scalars = [self.root, self.nullifier, self.message, self.scope];
        for (field, scalar) in out[1..].chunks_exact_mut(Scalar::LEN).zip(scalars) {
            field.copy_from_slice(&scalar.to_bytes());
        }
        out[Self::LEN - 8..].copy_from_slice(&self.now.to_be_bytes());
        out
    }

    /// Decodes a statement. A value of p or more is refused, never reduced: a nullifier has one encoding.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for another version or length, and for a field element that is not canonical.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::open("statement", Self::VERSION, Self::LEN, bytes)?;
        Ok(Self {
            root: Scalar::from_bytes(reader.bytes())?,
            nullifier: Scalar::from_bytes(reader.bytes())?,
            message: Scalar::from_bytes(reader.bytes())?,
            scope: Scalar::from_bytes(reader.bytes())?,
            now: u64::from_be_bytes(*reader.bytes()),
        })
    }

    /// The public inputs in the circuit's order.
    pub(crate) fn public_inputs(&self) -> [Fr; PUBLIC_INPUTS] {
        [self.root.0, self.nullifier.0, self.message.0, self.scope.0, Fr::from(self.now)]
    }
}

/// A Groth16 proof.
///
/// Its bytes identify nothing: anybody can turn a proof into another one of the same statement. That is why it has no
/// equality; a use is identified by its [nullifier](Statement::nullifier).
#[derive(Debug, Clone)]
pub struct Proof(pub(crate) ark_groth16::Proof<Bn254>);

impl Proof {
    /// Length of the encoding in bytes.
    pub const LEN: usize = 1 + 32 + 64 + 32;

    const VERSION: u8 = 1;

    /// Encodes as `version(1) ‖ A(32) ‖ B(64) ‖ C(32)`, points compressed.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut out = Vec::with_capacity(Self::LEN);
        out.push(Self::VERSION);
        write_point(&mut out, &self.0.a, Compress::Yes);
        write_point(&mut out, &self.0.b, Compress::Yes);
        write_point(&mut out, &self.0.c, Compress::Yes);
        out.try_into().expect("compressed points have 32 and 64 bytes")
    }

    /// Decodes a proof and checks that each point is in its subgroup and not the identity.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] for another version or length, and for such a point.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::open("proof", Self::VERSION, Self::LEN, bytes)?;
        let a: G1Affine = reader.checked_point(Compress::Yes)?;
        let b: G2Affine = reader.checked_point(Compress::Yes)?;
        let c: G1Affine = reader.checked_point(Compress::Yes)?;
        Ok(Self(ark_groth16::Proof { a, b, c }))
    }
}

/// Why no proof was made. For the prover's eyes only.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProveError {
    /// Secret and credential do not give the leaf that the path starts at.
    #[error(
        "the path does not start at the leaf of this secret and its terms; ask the group for the path of that leaf"
    )]
    NotMember,
    /// The path does not lead to the claim's root.
    #[error("the path leads to the root {path}, the claim names {claim}; take both from the same group")]
    OtherRoot {
        /// Where the path leads.
        path: Scalar,
        /// The root of the claim.
        claim: Scalar,
    },
    /// All uses are spent, or the number is too large.
    #[error("the order grants {limit} uses, numbered from 0, and this would be number {use_index}; order again")]
    UseLimitReached {
        /// The number asked for.
        use_index: u64,
        /// The order's limit.
        limit: u64,
    },
    /// The order has expired.
    #[error("the order expired at {expiry} and it is {now} (seconds since 1970, UTC); order again")]
    Expired {
        /// The last moment of validity.
        expiry: u64,
        /// The claim's time.
        now: u64,
    },
    /// The group has outgrown the key.
    #[error(
        "the path has {levels} levels and the key is for {depth}; take a key of as many levels, and keep the group to its key's depth"
    )]
    TooDeep {
        /// Levels of the path.
        levels: usize,
        /// Depth of the key's circuit.
        depth: usize,
    },
    /// The assignment breaks the statement in a way that the checks above do not cover.
    #[error("the statement does not hold: {purpose}")]
    Unsatisfied {
        /// The first part that does not hold.
        purpose: &'static str,
    },
    /// A proof of a true statement did not verify: the key is broken, perhaps on purpose. Nothing was sent.
    #[error("the proving key makes proofs that do not verify; do not use it, it may be built to tell orders apart")]
    BrokenKey,
}

/// The proof was not accepted. That is all there is to know for the one who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("rejected")]
pub struct Rejected;

/// Proves that `witness` entitles to `claim`. Checks first that it does, and last that the proof verifies.
///
/// About a third of a second on one core at depth 20. The first proof under a key also builds the circuit's matrices.
/// The time taken depends on the secret, as the proof library is not constant-time: prove where nobody can measure it.
///
/// # Errors
///
/// [`ProveError`]. Nothing is spent by a failure.
pub fn prove(
    key: &ProvingKey,
    claim: &Claim,
    witness: &Witness<'_>,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(Statement, Proof), ProveError> {
    let Claim { root, message, scope, now } = *claim;
    let Witness { secret, credential, use_index, membership } = *witness;
    let Credential { asset, limit, expiry } = *credential;
    let (levels, depth) = (membership.siblings.len(), key.depth());
    if levels > depth {
        return Err(ProveError::TooDeep { levels, depth });
    }
    if credential.leaf(secret.commitment()) != membership.leaf {
        return Err(ProveError::NotMember);
    }
    if membership.root() != root {
        return Err(ProveError::OtherRoot { path: membership.root(), claim: root });
    }
    if use_index >= limit {
        return Err(ProveError::UseLimitReached { use_index, limit });
    }
    if expiry < now {
        return Err(ProveError::Expired { expiry, now });
    }

    let nullifier = secret.nullifier(scope, use_index);
    let assignment = Assignment {
        root: root.0,
        nullifier: nullifier.0,
        message: message.0,
        scope: scope.0,
        now: Fr::from(now),
        secret: secret.field_element(),
        asset: asset.0,
        limit: Fr::from(limit),
        expiry: Fr::from(expiry),
        use_index: Fr::from(use_index),
        levels: path_levels(membership, depth),
    };
    let statement = Statement { root, nullifier, message, scope, now };
    let proof = prove_assignment(key, &assignment, rng)?;
    verify(key.verifying_key(), &statement, &proof).map_err(|Rejected| ProveError::BrokenKey)?;
    Ok((statement, proof))
}

/// The path, and inactive levels up to the depth.
fn path_levels(membership: &MerkleProof, depth: usize) -> Vec<Level> {
    let inactive = Level { sibling: Fr::ZERO, right: Fr::ZERO, active: Fr::ZERO };
    let mut levels = vec![inactive; depth];
    for (i, (level, sibling)) in levels.iter_mut().zip(&membership.siblings).enumerate() {
        *level = Level { sibling: sibling.0, right: Fr::from(membership.goes_right(i)), active: Fr::ONE };
    }
    levels
}

/// Proves an assignment that satisfies the circuit. The library's prover would accept any.
fn prove_assignment(
    key: &ProvingKey,
    assignment: &Assignment,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Proof, ProveError> {
    let z = full_assignment(key.depth(), assignment).expect("every variable has a value");
    let z = Zeroizing::new(z);
    let rows = key.rows();
    if let Some(purpose) = rows.violated(&z).first() {
        return Err(ProveError::Unsatisfied { purpose });
    }
    let (r, s) = (Zeroizing::new(Fr::rand(rng)), Zeroizing::new(Fr::rand(rng)));
    let proof = Groth16::<Bn254>::create_proof_with_reduction_and_matrices(
        &key.inner,
        *r,
        *s,
        &rows.matrices,
        PUBLIC_INPUTS + 1,
        rows.purposes.len(),
        &z,
    );
    Ok(Proof(proof.expect("the circuit's domain exists at every depth allowed")))
}

/// Verifies a proof of a statement under the owner's key.
///
/// This says that the statement is true, not that it is acceptable: whether root, message, scope and time are the right
/// ones and the nullifier is unspent is for the caller to check. A zero root is refused here.
///
/// # Errors
///
/// [`Rejected`], without a reason.
pub fn verify(key: &VerifyingKey, statement: &Statement, proof: &Proof) -> Result<(), Rejected> {
    if statement.root.is_zero() {
        return Err(Rejected);
    }
    verify_inputs(key, &statement.public_inputs(), proof)
}

/// The library pairs inputs with the key's points for as long as there are both, and says nothing about the rest.
fn verify_inputs(key: &VerifyingKey, inputs: &[Fr], proof: &Proof) -> Result<(), Rejected> {
    if inputs.len() != PUBLIC_INPUTS || key.inner.vk.gamma_abc_g1.len() != PUBLIC_INPUTS + 1 {
        return Err(Rejected);
    }
    match Groth16::<Bn254>::verify_proof(&key.inner, &proof.0, inputs) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Rejected),
    }
}

mod batch;
#[cfg(test)]
mod tests;
