//! What makes a product safe to hand over: re-randomise, flood, extract, round. The order matters.

use tfhe::core_crypto::commons::math::random::TUniform;
use zeroize::Zeroizing;

use super::{
    answer::Sample,
    budget::{NOISE_LOG2, NoiseBudget, ZERO_SECRET_LOG2},
    entropy::Entropy,
    evaluate::Raw,
    ring::{Factor, N, Operand, Transformed},
};

/// The request's public key, `(a, b = a·s + e)`: encryptions of zero under it re-randomise the outputs.
///
/// The mask is the executor's, from the request's context; the body is the consumer's and may be anything.
pub(crate) struct ZeroKey<'a> {
    mask: Transformed,
    body: Factor<'a>,
}

impl<'a> ZeroKey<'a> {
    pub(crate) fn new(mask: &[u128], body: &'a [u128]) -> Self {
        Self { mask: Transformed::new(mask), body: Factor::new(body) }
    }
}

/// The randomness of one released sample. Never shared between two.
pub(crate) struct Fresh {
    /// Secret of the zero's RLWE mask, `TUniform(12)`: wide, so that the results read little of it.
    pub(crate) u: Zeroizing<Vec<i32>>,
    pub(crate) e1: Zeroizing<Vec<u128>>,
    /// Noise of the zero's body at each result, and the flooding.
    pub(crate) e2: Zeroizing<Vec<u128>>,
    pub(crate) flood: Zeroizing<Vec<u128>>,
}

impl Fresh {
    pub(crate) fn sample(budget: &NoiseBudget, results: usize, entropy: &Entropy, index: u64) -> Self {
        let mut generator = entropy.generator("release", index);
        let mut secret = Zeroizing::new(vec![0u32; N]);
        generator.fill_slice_with_random_from_distribution(&mut secret, TUniform::<u32>::new(ZERO_SECRET_LOG2));
        let u = Zeroizing::new(secret.iter().map(|&c| c as i32).collect());
        let mut noise = |count, bound_log2| {
            let mut noise = Zeroizing::new(vec![0u128; count]);
            generator.fill_slice_with_random_from_distribution(&mut noise, TUniform::<u128>::new(bound_log2));
            noise
        };
        let e1 = noise(N, NOISE_LOG2);
        let e2 = noise(results, NOISE_LOG2);
        let flood = noise(results, budget.flood_log2());
        Self { u, e1, e2, flood }
    }
}

/// A re-randomised, flooded product: a full ring mask, and the coefficients of the body that are results.
pub(crate) struct Released {
    pub(crate) mask: Zeroizing<Vec<u128>>,
    #[cfg(test)]
    pub(crate) results: Vec<usize>,
    pub(crate) bodies: Zeroizing<Vec<u128>>,
}

impl Raw {
    /// Adds a fresh public-key encryption of zero, `(a·u + e1, b·u + e2)`, and the flooding noise.
    pub(crate) fn release(self, zero: &ZeroKey<'_>, fresh: &Fresh) -> Released {
        let Self { mut mask, mut body } = self;
        let mut secret = Operand::new();
        secret.set(&fresh.u);
        mask.add_product(&zero.mask, &secret);
        let mut mask = mask.finish();
        mask.iter_mut().zip(fresh.e1.iter()).for_each(|(sum, noise)| *sum = sum.wrapping_add(*noise));
        body.add_product(&zero.body, &secret);
        #[cfg(test)]
        let results = body.at().to_vec();
        let mut bodies = body.finish();
        for ((body, e2), flood) in bodies.iter_mut().zip(fresh.e2.iter()).zip(fresh.flood.iter()) {
            *body = body.wrapping_add(*e2).wrapping_add(*flood);
        }
        Released {
            mask,
            #[cfg(test)]
            results,
            bodies,
        }
    }
}

impl Released {
    /// Rounds every coefficient to its top [`NoiseBudget::answer_bits`] bits.
    ///
    /// This is post-processing of what could have been sent already, so it costs no security.
    pub(crate) fn round(self, budget: &NoiseBudget) -> Sample {
        let dropped = 128 - budget.answer_bits();
        let round = |words: &[u128]| {
            words.iter().map(|&word| (word.wrapping_add(1 << (dropped - 1)) >> dropped) as u64).collect()
        };
        Sample { mask: round(&self.mask), bodies: round(&self.bodies) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_randomness_has_the_stated_distributions_and_never_repeats() {
        let budget = NoiseBudget::for_cells(8192).expect("supported size");
        let entropy = Entropy::from_seed([5; 32]);
        let mut seen = Vec::new();
        for index in 0..16 {
            let fresh = Fresh::sample(&budget, 3, &entropy, index);
            let secret: Vec<u128> = fresh.u.iter().map(|&c| c as u128).collect();
            for (words, bound_log2) in [(&secret, ZERO_SECRET_LOG2), (&*fresh.e1, NOISE_LOG2)] {
                let bound = 1i128 << bound_log2;
                assert!(words.iter().all(|&c| (-bound..=bound).contains(&(c as i128))));
                let mean_square = words.iter().map(|&c| (c as i128 as f64).powi(2)).sum::<f64>() / N as f64;
                assert!((0.9..1.1).contains(&(mean_square * 3.0 / 4f64.powi(bound_log2 as i32))), "variance");
            }
            assert_eq!((fresh.e2.len(), fresh.flood.len()), (3, 3));
            assert!(fresh.e2.iter().all(|&e| (e as i128).unsigned_abs() <= 1 << NOISE_LOG2));
            assert!(fresh.flood.iter().all(|&f| (f as i128).unsigned_abs() <= 1 << budget.flood_log2()));
            assert!(fresh.flood[0] != fresh.flood[1] && fresh.flood[1] != fresh.flood[2]);
            seen.push((fresh.u.to_vec(), fresh.e1.to_vec(), fresh.flood.to_vec()));
        }
        for (i, a) in seen.iter().enumerate() {
            assert!(seen[i + 1..].iter().all(|b| a.0 != b.0 && a.1 != b.1 && a.2 != b.2));
        }
    }
}
