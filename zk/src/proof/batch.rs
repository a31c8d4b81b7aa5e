//! Verifying many proofs at once.
//!
//! A proof is right if e(A, B) = e(α, β) · e(P, γ) · e(C, δ), with P the point of its public inputs. Of n proofs the equations
//! are raised to random powers and multiplied, so that n + 2 Miller loops and one final exponentiation answer for all of them:
//!
//! ```text
//! Π e(rᵢ·Aᵢ, Bᵢ) = e(α, β)^Σrᵢ · e(Σ rᵢ·Pᵢ, γ) · e(Σ rᵢ·Cᵢ, δ)
//! ```
//!
//! This is the small-exponents test of Bellare, Garay and Rabin, *Fast Batch Verification for Modular Exponentiation and
//! Digital Signatures*, EUROCRYPT 1998, <https://doi.org/10.1007/BFb0054130>, in the form in which Zcash's `bellman` has it
//! for Groth16.
//!
//! # Why it is sound
//!
//! All values of the pairing are in one group of prime order r. Write the quotient of the two sides of the i-th equation as
//! g^dᵢ with g a generator: proof i is right if and only if dᵢ = 0 mod r, and the product holds if and only if
//! Σ rᵢ·dᵢ = 0 mod r. Let dⱼ ≠ 0. Whatever the other coefficients are, one residue rⱼ alone makes the sum zero; since
//! 2^128 < r, at most one of the 2^128 values that rⱼ is drawn from is that residue. So a batch with a wrong proof in it passes with
//! probability 2^-128 at most, however many are wrong and however they were made, as long as their makers had to choose
//! before the coefficients were drawn. Coefficients of zero are among those counted: to exclude them would make the
//! bound 1 / (2^128 − 1) and save nothing.
//!
//! For this the pairing has to be bilinear on what comes, that is, B must be in the subgroup of order r: a point outside it has a
//! component that a coefficient can cancel. [`Proof::from_bytes`] refuses such points, and A and C are on a curve that has
//! no others.

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective};
use ark_ec::{
    AffineRepr, CurveGroup,
    bn::G2Prepared,
    pairing::{MillerLoopOutput, Pairing, PairingOutput},
};
use ark_ff::{AdditiveGroup, One, Zero};

use super::{Proof, Rejected, Statement, verify};
use crate::{
    VerifyingKey,
    circuit::PUBLIC_INPUTS,
    rng::{CryptoRng, RngCore},
};

/// Verifies proofs of statements under one key, all or nothing: [`verify`] would accept each of them, but for an error of
/// probability 2^-128. Half as much work per proof as one by one, or less; on the caller's thread alone.
///
/// `rng` must be unpredictable for those who made the proofs: pass [`os_rng()`](crate::os_rng()). No proofs are all right.
///
/// # Errors
///
/// [`Rejected`] if any is wrong. Which one, only [`verify`] tells.
pub fn verify_batch(
    key: &VerifyingKey,
    proofs: &[(&Statement, &Proof)],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), Rejected> {
    if let [(statement, proof)] = proofs {
        return verify(key, statement, proof);
    }
    let coefficients: Vec<u128> = proofs.iter().map(|_| coefficient(rng)).collect();
    if holds(key, proofs, &coefficients) { Ok(()) } else { Err(Rejected) }
}

/// A uniform integer below 2^128.
fn coefficient(rng: &mut impl RngCore) -> u128 {
    let mut bytes = [0; 16];
    rng.fill_bytes(&mut bytes);
    u128::from_le_bytes(bytes)
}

/// Whether the equations, to the powers of these coefficients, multiply to one that holds, and no root is zero.
fn holds(key: &VerifyingKey, proofs: &[(&Statement, &Proof)], coefficients: &[u128]) -> bool {
    let key = &key.inner;
    let points = &key.vk.gamma_abc_g1;
    if points.len() != PUBLIC_INPUTS + 1 || proofs.iter().any(|(statement, _)| statement.root.is_zero()) {
        return false;
    }

    // Public inputs are added up as numbers, so that they cost as many multiplications as those of one proof.
    let mut inputs = [Fr::ZERO; PUBLIC_INPUTS + 1];
    let (constant, others) = inputs.split_first_mut().expect("there is a constant");
    for ((statement, _), coefficient) in proofs.iter().zip(coefficients) {
        let coefficient = Fr::from(*coefficient);
        *constant += coefficient;
        others.iter_mut().zip(statement.public_inputs()).for_each(|(sum, input)| *sum += coefficient * input);
    }
    let all = inputs[0];
    let p: G1Projective = points.iter().zip(inputs).map(|(point, input)| point.into_group() * input).sum();
    let c = sum(proofs.iter().map(|(_, proof)| proof.0.c).zip(coefficients.iter().copied()));
    let a =
        proofs.iter().zip(coefficients).map(|((_, proof), coefficient)| sum([(proof.0.a, *coefficient)].into_iter()));
    let g1 = G1Projective::normalize_batch(&a.chain([p, c]).collect::<Vec<_>>());
    let b = proofs.iter().map(|(_, proof)| G2Prepared::from(proof.0.b));
    let g2: Vec<_> = b.chain([key.gamma_g2_neg_pc.clone(), key.delta_g2_neg_pc.clone()]).collect();

    // As many at a time as the library puts on one thread: it would hand more of them to threads that have other work.
    let product = g1.chunks(4).zip(g2.chunks(4)).fold(<Bn254 as Pairing>::TargetField::one(), |product, (g1, g2)| {
        product * Bn254::multi_miller_loop(g1.iter().copied(), g2.iter().cloned()).0
    });
    let left = Bn254::final_exponentiation(MillerLoopOutput(product));
    left == Some(PairingOutput(key.alpha_g1_beta_g2) * all)
}

/// Σ coefficient · point, bit by bit, the doublings shared.
fn sum(terms: impl Iterator<Item = (G1Affine, u128)> + Clone) -> G1Projective {
    let mut sum = G1Projective::zero();
    for bit in (0..u128::BITS).rev() {
        sum.double_in_place();
        for (point, coefficient) in terms.clone() {
            if coefficient >> bit & 1 == 1 {
                sum += point;
            }
        }
    }
    sum
}

#[cfg(test)]
mod tests;
