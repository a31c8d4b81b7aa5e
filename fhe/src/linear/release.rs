//! What makes an output safe to hand over: re-randomise, flood, extract, round. The order matters.

use tfhe::core_crypto::{commons::math::random::TUniform, prelude::*};
use zeroize::{Zeroize, Zeroizing};

use super::{
    budget::{NOISE_LOG2, NoiseBudget},
    entropy::Entropy,
    evaluate::Raw,
    ring::{Accumulator, N, Transformed, constant_coefficient},
};

/// The request's public key, `(a, b = a·s + e)`: encryptions of zero under it re-randomise the outputs.
///
/// The mask is the executor's, from the request's context; the body is the consumer's and may be anything.
pub(crate) struct ZeroKey<'a> {
    mask: Transformed,
    body: &'a [u128],
}

impl<'a> ZeroKey<'a> {
    pub(crate) fn new(mask: &[u128], body: &'a [u128]) -> Self {
        Self { mask: Transformed::new(mask), body }
    }
}

/// The randomness of one released sample. Never shared between two.
pub(crate) struct Fresh {
    /// Binary secret of the zero's RLWE mask.
    pub(crate) u: Zeroizing<Vec<i32>>,
    pub(crate) e1: Zeroizing<Vec<u128>>,
    pub(crate) e2: u128,
    pub(crate) flood: u128,
}

impl Fresh {
    pub(crate) fn sample(budget: &NoiseBudget, entropy: &Entropy, index: u64) -> Self {
        let mut generator = entropy.generator("release", index);
        let mut bits = Zeroizing::new(vec![0u32; N]);
        generator.fill_slice_with_random_uniform_binary_bits(&mut bits);
        let u = Zeroizing::new(bits.iter().map(|&bit| bit as i32).collect());
        let mut e1 = Zeroizing::new(vec![0u128; N]);
        let noise = TUniform::<u128>::new(NOISE_LOG2);
        generator.fill_slice_with_random_from_distribution(&mut e1, noise);
        let e2 = generator.random_from_distribution(noise);
        let flood = generator.random_from_distribution(TUniform::<u128>::new(budget.flood_log2()));
        Self { u, e1, e2, flood }
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        self.e2.zeroize();
        self.flood.zeroize();
    }
}

/// A re-randomised, flooded output: a full ring mask, and the one coefficient of the body that is the answer.
pub(crate) struct Released {
    pub(crate) mask: Zeroizing<Vec<u128>>,
    pub(crate) body: u128,
}

impl Raw {
    /// Adds a fresh public-key encryption of zero, `(a·u + e1, b·u + e2)`, and the flooding noise.
    pub(crate) fn release(self, zero: &ZeroKey<'_>, fresh: &Fresh) -> Released {
        let mut product = Accumulator::new();
        product.add_product(&zero.mask, &fresh.u);
        let mut mask = product.finish();
        for ((sum, raw), noise) in mask.iter_mut().zip(self.mask.iter()).zip(fresh.e1.iter()) {
            *sum = sum.wrapping_add(*raw).wrapping_add(*noise);
        }
        let hidden = constant_coefficient(zero.body, &fresh.u).wrapping_add(fresh.e2).wrapping_add(fresh.flood);
        Released { mask, body: self.body.wrapping_add(hidden) }
    }
}

impl Released {
    /// Extracts the LWE sample of coefficient 0 and rounds it to 64 bits per coefficient: 4,096 mask words and the body.
    ///
    /// Both are post-processing of what could have been sent already, so they cost no security.
    pub(crate) fn round(self) -> Vec<u64> {
        let modulus = CiphertextModulus::<u128>::new_native();
        let mut ring = self.mask.to_vec();
        ring.resize(2 * N, 0);
        ring[N] = self.body;
        let ring = GlweCiphertext::from_container(ring, PolynomialSize(N), modulus);
        let mut sample = LweCiphertext::new(0u128, LweSize(N + 1), modulus);
        extract_lwe_sample_from_glwe_ciphertext(&ring, &mut sample, MonomialDegree(0));
        sample.as_ref().iter().map(|&c| (c.wrapping_add(1 << 63) >> 64) as u64).collect()
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
            let fresh = Fresh::sample(&budget, &entropy, index);
            let ones = fresh.u.iter().filter(|&&bit| bit == 1).count();
            assert!(fresh.u.iter().all(|bit| [0, 1].contains(bit)));
            // Six standard deviations of a binomial with 4,096 trials are 192.
            assert!(ones.abs_diff(N / 2) < 192, "{ones} ones");
            let bound = 1i128 << NOISE_LOG2;
            assert!(fresh.e1.iter().chain([&fresh.e2]).all(|&e| (-bound..=bound).contains(&(e as i128))));
            let mean_square = fresh.e1.iter().map(|&e| (e as i128 as f64).powi(2)).sum::<f64>() / N as f64;
            assert!((0.9..1.1).contains(&(mean_square * 3.0 / 4f64.powi(NOISE_LOG2 as i32))), "variance of e1");
            assert!((fresh.flood as i128).unsigned_abs() <= 1 << budget.flood_log2());
            seen.push((fresh.u.to_vec(), fresh.e1.to_vec(), fresh.flood));
        }
        for (i, a) in seen.iter().enumerate() {
            assert!(seen[i + 1..].iter().all(|b| a.0 != b.0 && a.1 != b.1 && a.2 != b.2));
        }
    }
}
