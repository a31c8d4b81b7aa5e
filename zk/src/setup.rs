//! Making keys: one bundle per depth, by the owner of the asset.
//!
//! # Trust
//!
//! Groth16 needs secret randomness (τ, α, β, γ, δ) that must be forgotten: whoever keeps it can prove anything. There is
//! no ceremony here, because the verifier is the owner himself and cheats only himself. [`setup()`] draws the randomness
//! and wipes it, together with every list of scalars that is made from it; what the curve library copies while it
//! multiplies is not wiped. Take keys from no third party.
//!
//! What the consumer risks under a key that the owner built dishonestly is its anonymity, not its secret: such a key
//! could make proofs fail for some orders and not for others. So the owner publishes a [`KeyBundle`], which carries the
//! powers of τ beside the key, and [`check_setup`](crate::check_setup()) makes the consumer's [`ProvingKey`] of it. See
//! [`check`](crate::check) for what that proves. The owner's own proving key is right by construction.
//!
//! The powers say nothing that helps a forger: ceremonies publish them, and more (Bowe, Gabizon, Miers, *Scalable
//! Multi-party Computation for zk-SNARK Parameters in the Random Beacon Model*, <https://eprint.iacr.org/2017/1050>, where
//! Groth16 is shown to be knowledge-sound in the generic group model with them).

use ark_bn254::{Bn254, Fr, G1Projective, G2Projective};
use ark_ec::{CurveGroup, PrimeGroup, scalar_mul::BatchMulPreprocessing};
use ark_ff::{AdditiveGroup, Field, UniformRand};
use ark_poly::EvaluationDomain;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    KeyBundle, MAX_DEPTH, ProvingKey, VerifyingKey,
    circuit::Rows,
    keys::{INPUT_POINTS, Lists},
    qap::Qap,
    rng::{CryptoRng, RngCore},
};

/// Why no keys were made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A depth that no circuit has.
    #[error("a circuit has depth 1 to {MAX_DEPTH}, got {got}")]
    Depth {
        /// The depth asked for.
        got: usize,
    },
}

/// What the owner has after a setup.
#[derive(Debug)]
pub struct Keys {
    /// To be published.
    pub bundle: KeyBundle,
    /// To prove with, for the owner alone: it was made here and is therefore not checked. Consumers get theirs from
    /// [`check_setup`](crate::check_setup()).
    pub proving_key: ProvingKey,
    /// To verify with.
    pub verifying_key: VerifyingKey,
}

/// Makes the keys for groups of up to 2^`depth` orders. For the owner of the asset: see the [module](self) for why that
/// is the right party. Takes a second or two.
///
/// # Errors
///
/// [`SetupError::Depth`] unless `depth` is from 1 to [`MAX_DEPTH`].
pub fn setup(depth: usize, rng: &mut (impl RngCore + CryptoRng)) -> Result<Keys, SetupError> {
    if !(1..=MAX_DEPTH).contains(&depth) {
        return Err(SetupError::Depth { got: depth });
    }
    let rows = Rows::of_depth(depth);
    let bundle = Trapdoor::random(&Qap::new(&rows), rng).bundle(depth, &rows);
    let proving_key = ProvingKey::of_checked(&bundle, rows);
    let verifying_key = proving_key.verifying_key().clone();
    Ok(Keys { bundle, proving_key, verifying_key })
}

/// The secret randomness of a key.
#[derive(Zeroize, ZeroizeOnDrop)]
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Trapdoor {
    pub(crate) alpha: Fr,
    pub(crate) beta: Fr,
    pub(crate) gamma: Fr,
    pub(crate) delta: Fr,
    pub(crate) tau: Fr,
}

impl Trapdoor {
    pub(crate) fn random(qap: &Qap<'_>, rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut draw = |fits: &dyn Fn(Fr) -> bool| loop {
            let scalar = Fr::rand(rng);
            if scalar != Fr::ZERO && fits(scalar) {
                break scalar;
            }
        };
        let (alpha, beta, gamma) = (draw(&|_| true), draw(&|_| true), draw(&|_| true));
        let delta = draw(&|delta| delta != gamma);
        let tau = draw(&|tau| qap.domain.evaluate_vanishing_polynomial(tau) != Fr::ZERO);
        Self { alpha, beta, gamma, delta, tau }
    }

    /// The key of Groth 2016, section 3.2, with the powers of τ. In the exponent, for the columns u, v, w of A, B, C at τ and
    /// the vanishing polynomial Z of the domain:
    ///
    /// `a_query` = u, `b_query` = v, `gamma_abc` = (βu + αv + w)/γ for the public variables, `l_query` the same over δ for
    /// the private ones, and `h_query` = τ^i · Z(τ)/δ.
    pub(crate) fn bundle(&self, depth: usize, rows: &Rows) -> KeyBundle {
        let lists = Lists::of_depth(depth);
        let qap = Qap::new(rows);
        let [u, v, w] = qap.columns_at(self.tau, lists.variables);
        let inverse = |scalar: Fr| Zeroizing::new(scalar.inverse().expect("γ and δ are not zero"));
        let (by_gamma, by_delta) = (inverse(self.gamma), inverse(self.delta));
        let mixed = |range: core::ops::Range<usize>, factor: Fr| {
            let scalars = range.map(|i| (self.beta * u[i] + self.alpha * v[i] + w[i]) * factor);
            Zeroizing::new(scalars.collect::<Vec<_>>())
        };
        let vanishing = Zeroizing::new(qap.domain.evaluate_vanishing_polynomial(self.tau));
        let h = geometric(*vanishing * *by_delta, self.tau, lists.h);
        let powers = geometric(Fr::ONE, self.tau, lists.powers_g1);
        let low_powers = &powers[..lists.powers_g2];

        let (one_g1, one_g2) = (G1Projective::generator(), G2Projective::generator());
        let in_g1 = BatchMulPreprocessing::new(one_g1, 3 * lists.variables + lists.h + lists.powers_g1);
        let in_g2 = BatchMulPreprocessing::new(one_g2, lists.variables + lists.powers_g2);
        let vk = ark_groth16::VerifyingKey::<Bn254> {
            alpha_g1: (one_g1 * self.alpha).into_affine(),
            beta_g2: (one_g2 * self.beta).into_affine(),
            gamma_g2: (one_g2 * self.gamma).into_affine(),
            delta_g2: (one_g2 * self.delta).into_affine(),
            gamma_abc_g1: in_g1.batch_mul(&mixed(0..INPUT_POINTS, *by_gamma)),
        };
        let key = ark_groth16::ProvingKey {
            vk,
            beta_g1: (one_g1 * self.beta).into_affine(),
            delta_g1: (one_g1 * self.delta).into_affine(),
            a_query: in_g1.batch_mul(&u),
            b_g1_query: in_g1.batch_mul(&v),
            b_g2_query: in_g2.batch_mul(&v),
            h_query: in_g1.batch_mul(&h),
            l_query: in_g1.batch_mul(&mixed(INPUT_POINTS..lists.variables, *by_delta)),
        };
        KeyBundle::new(depth, key, in_g1.batch_mul(&powers), in_g2.batch_mul(low_powers))
    }
}

/// first · ratio^i for i < length.
fn geometric(first: Fr, ratio: Fr, length: usize) -> Zeroizing<Vec<Fr>> {
    let powers = core::iter::successors(Some(first), |power| Some(*power * ratio));
    Zeroizing::new(powers.take(length).collect())
}

#[cfg(test)]
mod tests {
    use ark_groth16::Groth16;

    use super::*;
    use crate::{
        circuit::AccessCircuit,
        rng::{SeedableRng, StdRng},
    };

    /// The library's generator draws τ itself and drops it. Its other secrets are arguments, and it draws nothing else.
    #[test]
    fn keys_equal_those_of_the_librarys_generator() {
        for depth in [1, 4] {
            let rows = Rows::of_depth(depth);
            let trapdoor = Trapdoor::random(&Qap::new(&rows), &mut StdRng::seed_from_u64(401));
            let mut rng = StdRng::seed_from_u64(402);
            let secrets = Trapdoor { tau: Fr::rand(&mut rng.clone()), ..trapdoor.clone() };
            let theirs = Groth16::<Bn254>::generate_parameters_with_qap(
                AccessCircuit { depth, assignment: None },
                secrets.alpha,
                secrets.beta,
                secrets.gamma,
                secrets.delta,
                G1Projective::generator(),
                G2Projective::generator(),
                &mut rng,
            );
            let ours = secrets.bundle(depth, &rows);
            assert!(*ours.key == theirs.unwrap(), "depth {depth}");
            assert!(*trapdoor.bundle(depth, &rows).key != *ours.key, "τ matters");
        }
    }

    #[test]
    fn powers_are_those_of_tau() {
        let rows = Rows::of_depth(1);
        let trapdoor = Trapdoor::random(&Qap::new(&rows), &mut StdRng::seed_from_u64(403));
        let bundle = trapdoor.bundle(1, &rows);
        let n = Qap::new(&rows).size() as u64;
        for i in [0, 1, 2, n - 1, n, 2 * n - 2] {
            let power = trapdoor.tau.pow([i]);
            assert_eq!(bundle.powers_g1[i as usize], G1Projective::generator() * power);
            if i < n {
                assert_eq!(bundle.powers_g2[i as usize], G2Projective::generator() * power);
            }
        }
        assert_eq!((bundle.powers_g1.len() as u64, bundle.powers_g2.len() as u64), (2 * n - 1, n));
    }
}
