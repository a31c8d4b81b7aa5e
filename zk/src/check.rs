//! What a consumer checks of the owner's keys, once, before the first proof.
//!
//! # The attack
//!
//! The owner makes the keys and verifies the proofs. Under a key that is not what the circuit says, the proofs of some
//! orders verify and those of others do not; who then comes back with a proof, and who does not, tells orders apart. Against
//! zero-knowledge contingent payments, which also had the verifier make the key, this was shown by Campanelli et al., CCS
//! 2017, <https://eprint.iacr.org/2017/566>. That a prover verifies its own proof before it sends it keeps broken proofs in,
//! and not the fact that there was none.
//!
//! # What is checked
//!
//! For the circuit's polynomials u_i, v_i, w_i, its domain of n elements and the domain's vanishing polynomial Z,
//! [`check_setup`] accepts only if there are τ, α, β, γ, δ with
//!
//! * γ ≠ 0, δ ≠ 0, γ ≠ δ and Z(τ) ≠ 0;
//! * `powers_g1` = \[τ^i\]₁ for i ≤ 2n − 2 and `powers_g2` = \[τ^i\]₂ for i < n, over the standard generators;
//! * `a_query` = \[u_i(τ)\]₁, `b_g1_query` = \[v_i(τ)\]₁, `b_g2_query` = \[v_i(τ)\]₂;
//! * `h_query` = \[τ^i · Z(τ)/δ\]₁ for i ≤ n − 2;
//! * `l_query` = \[(βu_i(τ) + αv_i(τ) + w_i(τ))/δ\]₁, and `gamma_abc_g1` the same over γ;
//! * `alpha_g1`, `beta_g1`, `beta_g2`, `gamma_g2`, `delta_g1`, `delta_g2` = α, β, β, γ, δ, δ in their groups;
//!
//! and every point in the group of order p. These are all the elements of the key. α, β, γ, δ and τ are whatever the
//! elements say; what is checked is that every place where one stands says the same.
//!
//! A list is compared by a random linear combination of its elements with coefficients of 128 bits, so that one wrong
//! element goes unnoticed with probability 2^-128 (the small-exponents test of Bellare, Garay and Rabin, EUROCRYPT 1998,
//! <https://eprint.iacr.org/1998/007>; the groups have prime order once membership is known). Membership in G₂ is asked
//! first, of sums over random subsets, each of which misses an outsider with probability 1/2 whatever its order is; there
//! are 130. With eight combined equations a wrong key is accepted with probability below 2^-124, for any maker who cannot
//! predict the checker's randomness. One who can, passes: see the tests.
//!
//! # What follows, and what does not
//!
//! Let a key be as above. With r, s uniform, the prover's A = α + u(τ) + rδ and B = β + v(τ) + sδ are uniform and
//! independent, since δ ≠ 0, and the verifier's equation fixes C = (AB − αβ − γ · inputs)/δ (Groth 2016, section 3.2,
//! <https://eprint.iacr.org/2016/260>). The prover's C is that one: the identity u(X)v(X) − w(X) = h(X)Z(X) of a satisfied
//! circuit holds at τ whatever τ is. Hence, without any assumption:
//!
//! 1. Every proof of a true statement verifies. No order fails where another succeeds.
//! 2. Given key and statement, the proof's distribution is one and the same for every witness. Whatever the owner computes
//!    from a proof says no more about the order than the [`Statement`](crate::Statement) does.
//! 3. An owner who knows α, β, γ, δ, τ can make such proofs without a witness, as Groth's simulator does. He learns
//!    nothing from them that he could not compute alone.
//!
//! An owner may have put a key together without knowing these five. Statement 2 holds for him too, but he may be unable to
//! compute such a C himself. That nothing is to be gained from it is what Fuchsbauer (PKC 2018,
//! <https://eprint.iacr.org/2017/587>) and Abdolmaleki, Baghery, Lipmaa and Zając (ASIACRYPT 2017,
//! <https://eprint.iacr.org/2017/599>) prove for Groth16: they take the trapdoor from its maker by a knowledge assumption,
//! after a check of the kind that is done here. Their checks are for their forms of the key, with other added elements; that
//! ours determines every element is shown above, and we claim no theorem of theirs for it beyond 1 to 3.
//!
//! Not covered: soundness, which the owner alone cares about and which he can break for himself; what the statement says
//! (a nullifier hides its order because Poseidon does); the time that proving takes; the prover's own randomness, which
//! must be good.

use ark_bn254::{Bn254, Fr, G1Affine, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::{AdditiveGroup, Field, Zero};
use rayon::prelude::*;
use thiserror::Error;

use crate::{
    KeyBundle, ProvingKey,
    circuit::Rows,
    keys::{Element, INPUT_POINTS},
    qap::{A, B, C, Qap},
    rng::{CryptoRng, RngCore},
};

/// Counts the versions of the check, for whoever notes that a key has passed it: what a later version finds, an earlier one may
/// not have.
pub const CHECK_VERSION: u32 = 1;

/// Why a key must not be used. It is broken or was built to tell orders apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// A point that is outside the group of order p.
    #[error("the owner's key is not to be used: point {index} of {element} is outside its group")]
    OutsideGroup {
        /// The list that it is in.
        element: Element,
        /// Its place in the list, from 0.
        index: usize,
    },
    /// A point that is zero and must not be.
    #[error("the owner's key is not to be used: point {index} of {element} is the identity")]
    Identity {
        /// The list that it is in.
        element: Element,
        /// Its place in the list, from 0.
        index: usize,
    },
    /// An element that is not what the circuit and the other elements say. Where two elements contradict each other, it is
    /// the one whose change alone explains all that was found.
    #[error("the owner's key is not to be used: {element} is not what the circuit says")]
    Wrong {
        /// The element.
        element: Element,
    },
    /// γ = δ: the parts of a proof that the two keep apart could be traded for one another.
    #[error("the owner's key is not to be used: gamma_g2 equals delta_g2")]
    GammaIsDelta,
    /// τ is a root of the circuit's domain: proofs would say nothing about all constraints but one.
    #[error("the owner's key is not to be used: tau is a root of the circuit's domain")]
    TauInDomain,
}

/// Checks that every element of a bundle is what the circuit says, and makes the key of it that proofs are made with: see
/// the [module](self). About a second on two cores at depth 20.
///
/// Note the key's [`digest`](ProvingKey::digest): with it, [`ProvingKey::from_pinned_bytes`] loads the key the next time.
///
/// `rng` must be unpredictable to whoever made the bundle; take [`os_rng()`](crate::os_rng()).
///
/// # Errors
///
/// [`CheckError`], with the first element that was found wrong.
pub fn check_setup(bundle: &KeyBundle, rng: &mut (impl RngCore + CryptoRng)) -> Result<ProvingKey, CheckError> {
    let rows = Rows::of_depth(bundle.depth());
    let check = Check { bundle, qap: Qap::new(&rows) };
    check.membership(rng)?;
    check.powers(rng)?;
    check.scalars()?;
    check.queries(rng)?;
    Ok(ProvingKey::of_checked(bundle, rows))
}

struct Check<'a> {
    bundle: &'a KeyBundle,
    qap: Qap<'a>,
}

impl Check<'_> {
    /// Every point is in its group. G₁ is the whole curve, and decoding has checked that points are on their curves.
    fn membership(&self, rng: &mut impl RngCore) -> Result<(), CheckError> {
        let elements = self.bundle.elements_g2();
        let points: Vec<_> = elements.iter().flat_map(|(_, points)| points.iter().copied()).collect();
        if all_in_group(&points, rng) {
            return Ok(());
        }
        let outside = |point: &G2Affine| !point.is_in_correct_subgroup_assuming_on_curve();
        let found = elements.into_iter().find_map(|(element, points)| {
            points.par_iter().position_first(outside).map(|index| CheckError::OutsideGroup { element, index })
        });
        Err(found.expect("a sum outside the group has a summand outside"))
    }

    /// The two lists of powers are those of one τ, which is no root of the domain.
    fn powers(&self, rng: &mut impl RngCore) -> Result<(), CheckError> {
        let (g1, g2) = (&*self.bundle.powers_g1, &*self.bundle.powers_g2);
        let (one_g1, one_g2) = (G1Affine::generator(), G2Affine::generator());
        if g1[0] != one_g1 {
            return Err(CheckError::Wrong { element: Element::PowersG1 });
        }
        // [τ]₁ and [τ]₂ define τ. If they differ, [τ³]₁ = τ · τ² tells which one the others follow.
        if !balanced([(g1[1], one_g2), (-one_g1, g2[1])]) {
            let element =
                if balanced([(g1[3], one_g2), (-g1[1], g2[2])]) { Element::PowersG2 } else { Element::PowersG1 };
            return Err(CheckError::Wrong { element });
        }
        let weights = coefficients(g1.len() - 1, rng);
        let (low, high) = weights.split_at(g2.len());
        let (below, above) = g1[..weights.len()].split_at(g2.len());
        let [below, above] = [sum(below, low), sum(above, high)];
        if !balanced([(sum(&g1[1..], &weights), one_g2), (-(below + above).into_affine(), g2[1])]) {
            return Err(CheckError::Wrong { element: Element::PowersG1 });
        }
        if !balanced([(below, one_g2), (-one_g1, sum(g2, low))]) {
            return Err(CheckError::Wrong { element: Element::PowersG2 });
        }
        // τ^n = 1 for the roots, and for them alone.
        if g1[self.qap.size()] == one_g1 { Err(CheckError::TauInDomain) } else { Ok(()) }
    }

    /// What must not be zero is not, and γ ≠ δ.
    fn scalars(&self) -> Result<(), CheckError> {
        fn nonzero<P: AffineRepr>(element: Element, points: &[P]) -> Result<(), CheckError> {
            let zero = points.iter().position(AffineRepr::is_zero);
            zero.map_or(Ok(()), |index| Err(CheckError::Identity { element, index }))
        }
        // A variable may well be missing from A or B. It is never missing from all three of A, B and C.
        let may_be_zero = [Element::AQuery, Element::BG1Query, Element::BG2Query];
        for (element, points) in self.bundle.elements_g1() {
            if !may_be_zero.contains(&element) {
                nonzero(element, points)?;
            }
        }
        for (element, points) in self.bundle.elements_g2() {
            if !may_be_zero.contains(&element) {
                nonzero(element, points)?;
            }
        }
        if self.bundle.key.vk.gamma_g2 == self.bundle.key.vk.delta_g2 {
            return Err(CheckError::GammaIsDelta);
        }
        Ok(())
    }

    /// The rest, given the powers. The weights of variables serve all lists that have one element per variable.
    fn queries(&self, rng: &mut impl RngCore) -> Result<(), CheckError> {
        let wrong = |element| Err(CheckError::Wrong { element });
        let (powers_g1, key) = (&self.bundle.powers_g1, &*self.bundle.key);
        let (vk, n, one_g1, one_g2) = (&key.vk, self.qap.size(), G1Affine::generator(), G2Affine::generator());
        let at_tau = |coefficients: &[Fr]| sum(&powers_g1[..n], coefficients);

        let weights = coefficients(key.a_query.len(), rng);
        let (public, private) = weights.split_at(INPUT_POINTS);
        let [a_public, a_private] = halves(&key.a_query, public, private);
        if a_public + a_private != at_tau(&self.qap.weighted_columns(A, &weights)) {
            return wrong(Element::AQuery);
        }
        let b = sum(&key.b_g1_query, &weights);
        if b != at_tau(&self.qap.weighted_columns(B, &weights)) {
            return wrong(Element::BG1Query);
        }
        let [b_public, b_private] = halves(&key.b_g2_query, public, private);
        if !balanced([(b, one_g2), (-one_g1, (b_public + b_private).into_affine())]) {
            return wrong(Element::BG2Query);
        }

        // Σ weight · (βu + αv + w) is paired with 1 on the one side, and Σ weight · l with δ or γ on the other.
        let only = |range: core::ops::Range<usize>| {
            let weights = weights.iter().enumerate().map(|(i, w)| if range.contains(&i) { *w } else { Fr::ZERO });
            at_tau(&self.qap.weighted_columns(C, &weights.collect::<Vec<_>>()))
        };
        let mixed = |a: G1Affine, b: G2Affine, c: G1Affine, list: G1Affine, divisor: G2Affine| {
            balanced([(a, vk.beta_g2), (vk.alpha_g1, b), (c, one_g2), (-list, divisor)])
        };
        let (c_public, c_private) = (only(0..INPUT_POINTS), only(INPUT_POINTS..weights.len()));
        let gamma_abc = mixed(a_public, b_public, c_public, sum(&vk.gamma_abc_g1, public), vk.gamma_g2);
        let l = mixed(a_private, b_private, c_private, sum(&key.l_query, private), vk.delta_g2);

        // τ^i · Z(τ) = τ^(i + n) − τ^i.
        let h_weights = coefficients(n - 1, rng);
        let multiple = sum(&powers_g1[n..], &h_weights) - sum(&powers_g1[..n - 1], &h_weights);
        let h = balanced([(multiple.into_affine(), one_g2), (-sum(&key.h_query, &h_weights), vk.delta_g2)]);
        let beta = balanced([(key.beta_g1, one_g2), (-one_g1, vk.beta_g2)]);
        let delta = balanced([(key.delta_g1, one_g2), (-one_g1, vk.delta_g2)]);

        // Each equation speaks of several elements. Blame the one whose change alone explains which ones failed.
        match (beta, delta, h, l, gamma_abc) {
            (true, true, true, true, true) => Ok(()),
            (false, _, _, true, true) => wrong(Element::BetaG1),
            (false, ..) => wrong(Element::BetaG2),
            (_, false, true, true, _) => wrong(Element::DeltaG1),
            (_, false, ..) => wrong(Element::DeltaG2),
            (_, _, false, ..) => wrong(Element::HQuery),
            (_, _, _, false, false) => wrong(Element::AlphaG1),
            (_, _, _, false, true) => wrong(Element::LQuery),
            (_, _, _, true, false) => {
                // γ stands in every element of the list.
                let any_is_right = (0..INPUT_POINTS).any(|i| {
                    let mut one = vec![Fr::ZERO; weights.len()];
                    one[i] = Fr::ONE;
                    let c = at_tau(&self.qap.weighted_columns(C, &one));
                    mixed(key.a_query[i], key.b_g2_query[i], c, vk.gamma_abc_g1[i], vk.gamma_g2)
                });
                wrong(if any_is_right { Element::GammaAbcG1 } else { Element::GammaG2 })
            }
        }
    }
}

/// Whether the pairings multiply to one.
fn balanced<const N: usize>(terms: [(G1Affine, G2Affine); N]) -> bool {
    let (g1, g2): (Vec<_>, Vec<_>) = terms.into_iter().unzip();
    Bn254::multi_pairing(g1, g2).is_zero()
}

/// Σ scalar · point.
fn sum<P: AffineRepr<ScalarField = Fr>>(points: &[P], scalars: &[Fr]) -> P
where
    P::Group: VariableBaseMSM<MulBase = P>,
{
    // `msm_unchecked` would cut off the longer one without a word.
    P::Group::msm(points, scalars).expect("lists have the lengths that the depth asks for").into_affine()
}

/// The sums over the public and over the private variables.
fn halves<P: AffineRepr<ScalarField = Fr>>(points: &[P], public: &[Fr], private: &[Fr]) -> [P; 2]
where
    P::Group: VariableBaseMSM<MulBase = P>,
{
    [sum(&points[..INPUT_POINTS], public), sum(&points[INPUT_POINTS..], private)]
}

/// Uniform integers below 2^128.
fn coefficients(count: usize, rng: &mut impl RngCore) -> Vec<Fr> {
    let mut draw = || {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Fr::from(u128::from_le_bytes(bytes))
    };
    (0..count).map(|_| draw()).collect()
}

/// Random subsets per round of [`all_in_group`], and rounds.
const SUBSETS: usize = 10;
const ROUNDS: usize = 13;

/// Whether points on the twist are in G₂, wrongly with probability 2^-130.
///
/// If a point is outside, then of two subsets that differ in it alone at most one has its sum inside. Ten subsets share
/// their additions: a point goes to the bucket whose number says, bit by bit, which of the ten it belongs to.
fn all_in_group(points: &[G2Affine], rng: &mut impl RngCore) -> bool {
    let rounds: Vec<Vec<u32>> =
        (0..ROUNDS).map(|_| points.iter().map(|_| rng.next_u32() % (1 << SUBSETS)).collect()).collect();
    rounds.par_iter().all(|numbers| {
        let mut buckets = vec![G2Projective::zero(); 1 << SUBSETS];
        for (point, number) in points.iter().zip(numbers) {
            buckets[*number as usize] += point;
        }
        (0..SUBSETS).all(|_| {
            // The upper half has the highest bit. Without it, its buckets are those of the lower half.
            let upper = buckets.split_off(buckets.len() / 2);
            let subset: G2Projective = upper.iter().sum();
            buckets.iter_mut().zip(&upper).for_each(|(bucket, upper)| *bucket += upper);
            subset.into_affine().is_in_correct_subgroup_assuming_on_curve()
        })
    })
}

#[cfg(test)]
mod tests;
