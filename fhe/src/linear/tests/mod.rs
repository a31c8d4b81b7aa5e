//! What the engine promises, and what breaks when a part of it is left out.

mod attack;
mod exact;
mod noise;
mod offload;
mod share;
mod wire;

use tfhe::core_crypto::{commons::math::random::RandomGenerator, prelude::DefaultRandomGenerator};

use super::{
    Context, Entropy, QueryKey,
    evaluate::{Raw, expand_masks},
    release::Released,
    ring::coefficient,
};

pub(super) type Rng = RandomGenerator<DefaultRandomGenerator>;

pub(super) fn entropy(seed: u8) -> Entropy {
    Entropy::from_seed([seed; 32])
}

pub(super) fn rng(seed: u8) -> Rng {
    entropy(seed).generator("test", 0)
}

pub(super) fn key(seed: u8) -> QueryKey {
    QueryKey::generate_with_entropy(entropy(seed))
}

pub(super) fn context() -> Context {
    Context::new(&[b"nullifier", b"scope", b"program digest", b"policy digest", b"deadline"])
}

pub(super) fn indicator(rng: &mut Rng, cells: usize) -> Vec<bool> {
    (0..cells).map(|_| rng.random_uniform::<u8>() & 1 == 1).collect()
}

/// Uniform in `−2^(bits−1) ..< 2^(bits−1)`.
pub(super) fn value(rng: &mut Rng, bits: u8) -> i128 {
    (rng.random_uniform::<u128>() as i128) >> (128 - u32::from(bits))
}

/// Phases `body − (mask·s)` at the results, before rounding.
fn phases(key: &QueryKey, mask: &[u128], results: &[usize], bodies: &[u128]) -> Vec<u128> {
    let bits = key.bits();
    results.iter().zip(bodies).map(|(&at, body)| body.wrapping_sub(coefficient(mask, &bits, at))).collect()
}

impl Raw {
    pub(super) fn phases(self, key: &QueryKey) -> Vec<u128> {
        let results = self.body.at().to_vec();
        phases(key, &self.mask.finish(), &results, &self.body.finish())
    }
}

impl Released {
    pub(super) fn phases(&self, key: &QueryKey) -> Vec<u128> {
        phases(key, &self.mask, &self.results, &self.bodies)
    }
}

/// The mask of a one-ciphertext query, which its author can expand.
pub(super) fn only_mask(query: &super::EncryptedQuery) -> Vec<u128> {
    expand_masks(query.mask_seed, 1).remove(0)
}
