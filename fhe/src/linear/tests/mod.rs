//! What the engine promises, and what breaks when a part of it is left out.

mod attack;
mod exact;
mod noise;
mod wire;

use tfhe::core_crypto::{commons::math::random::RandomGenerator, prelude::DefaultRandomGenerator};

use super::{
    Context, Entropy, QueryKey,
    evaluate::{Raw, expand_masks},
    release::Released,
    ring::constant_coefficient,
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

/// `body − (mask·s)_0` before rounding.
pub(super) fn phase(key: &QueryKey, mask: &[u128], body: u128) -> u128 {
    let bits: Vec<i32> = key.secret().iter().map(|&s| s as i32).collect();
    body.wrapping_sub(constant_coefficient(mask, &bits))
}

impl Raw {
    pub(super) fn phase(&self, key: &QueryKey) -> u128 {
        phase(key, &self.mask, self.body)
    }
}

impl Released {
    pub(super) fn phase(&self, key: &QueryKey) -> u128 {
        phase(key, &self.mask, self.body)
    }
}

/// The mask of a one-ciphertext query, which its author can expand.
pub(super) fn only_mask(query: &super::EncryptedQuery) -> Vec<u128> {
    expand_masks(query.mask_seed, 1).remove(0)
}
