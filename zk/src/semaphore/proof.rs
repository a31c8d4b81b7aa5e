//! Proving and verifying.

use ark_bn254::{Bn254, Fr};
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, UniformRand};
use ark_groth16::Groth16;
use zeroize::{Zeroize, Zeroizing};

use super::{
    Identity, ProvingKey, Signal, VerifyingKey,
    qap::SnarkjsReduction,
    witness::{Inputs, PUBLIC_INPUTS},
};
use crate::{
    MerkleProof, ProveError, Rejected, Scalar,
    rng::{CryptoRng, RngCore},
};

/// A proof of Semaphore, with what it proves: somebody in the group `root` says `message` in `scope`, and `nullifier`
/// marks that it did.
///
/// The verifier decides which roots and scopes are acceptable, and that a nullifier is new in its scope. The nullifier
/// identifies the proof; its points do not, as anybody can change them.
#[derive(Debug, Clone)]
pub struct Proof {
    /// The depth of the circuit, which says which key verifies the proof.
    pub depth: usize,
    /// Root of the group. Never zero in an accepted proof.
    pub root: Scalar,
    /// Poseidon(hash of the scope, secret).
    pub nullifier: Scalar,
    /// What is said.
    pub message: Signal,
    /// Where it is said.
    pub scope: Signal,
    pub(crate) points: ark_groth16::Proof<Bn254>,
}

impl Proof {
    /// The public inputs in the circuit's order.
    pub(crate) fn public_inputs(&self) -> [Fr; PUBLIC_INPUTS as usize] {
        [self.root.0, self.nullifier.0, self.message.hash().0, self.scope.hash().0]
    }
}

/// Proves that `identity` is the member at the start of `membership`. Checks first that it is, and last that the proof
/// verifies.
///
/// The time taken depends on the secret, as the proof library is not constant-time: prove where nobody can measure it.
///
/// # Errors
///
/// [`ProveError::NotMember`], [`ProveError::TooDeep`], and [`ProveError::BrokenKey`] for a key that makes proofs which
/// do not verify.
pub fn prove(
    key: &ProvingKey,
    identity: &Identity,
    membership: &MerkleProof,
    message: Signal,
    scope: Signal,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<Proof, ProveError> {
    let (levels, depth) = (membership.siblings.len(), key.depth());
    if levels > depth {
        return Err(ProveError::TooDeep { levels, depth });
    }
    if identity.commitment() != membership.leaf {
        return Err(ProveError::NotMember);
    }
    let mut siblings = vec![Fr::ZERO; depth];
    for (place, sibling) in siblings.iter_mut().zip(&membership.siblings) {
        *place = sibling.0;
    }
    let mut inputs = Inputs {
        secret: identity.secret_scalar(),
        length: levels as u64,
        // Bits above the path mean nothing.
        index: membership.index & ((1 << levels) - 1),
        siblings,
        message: message.hash().0,
        scope: scope.hash().0,
    };
    let proof = prove_inputs(key, &inputs, message, scope, rng);
    inputs.secret.zeroize();
    verify(key.verifying_key(), &proof).map_err(|Rejected| ProveError::BrokenKey)?;
    Ok(proof)
}

/// Proves whatever the inputs say.
pub(super) fn prove_inputs(
    key: &ProvingKey,
    inputs: &Inputs,
    message: Signal,
    scope: Signal,
    rng: &mut (impl RngCore + CryptoRng),
) -> Proof {
    let z = inputs.assignment();
    let (r, s) = (Zeroizing::new(Fr::rand(rng)), Zeroizing::new(Fr::rand(rng)));
    let points = Groth16::<Bn254, SnarkjsReduction>::create_proof_with_reduction_and_matrices(
        &key.key,
        *r,
        *s,
        &key.matrices,
        PUBLIC_INPUTS as usize + 1,
        key.matrices[0].len(),
        &z,
    );
    Proof {
        depth: key.depth(),
        root: Scalar(z[1]),
        nullifier: Scalar(z[2]),
        message,
        scope,
        points: points.expect("the key's domain exists"),
    }
}

/// Verifies a proof under the ceremony's key for its depth.
///
/// This says that the statement is true, not that it is acceptable: whether root, message and scope are the right ones
/// and the nullifier is new is for the caller to check. A zero root is refused here: the circuit computes it for a path
/// longer than itself, from no group at all.
///
/// # Errors
///
/// [`Rejected`], without a reason.
pub fn verify(key: &VerifyingKey, proof: &Proof) -> Result<(), Rejected> {
    let ark_groth16::Proof { a, b, c } = &proof.points;
    let identity = a.is_zero() || b.is_zero() || c.is_zero();
    let inputs = proof.public_inputs();
    if identity
        || proof.root.is_zero()
        || proof.depth != key.depth()
        || key.inner.vk.gamma_abc_g1.len() != inputs.len() + 1
    {
        return Err(Rejected);
    }
    match Groth16::<Bn254>::verify_proof(&key.inner, &proof.points, &inputs) {
        Ok(true) => Ok(()),
        Ok(false) | Err(_) => Err(Rejected),
    }
}
