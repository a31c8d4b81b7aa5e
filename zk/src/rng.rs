//! Randomness.
//!
//! arkworks is on version 0.8 of `rand`. Functions here take its traits, which this module re-exports, so that callers
//! need no dependency on that version: pass [`os_rng()`], or a seeded generator in tests.

pub use ark_std::rand::{CryptoRng, Rng, RngCore, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// The operating system's generator. Holds no state.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsRng;

/// The operating system's generator: the right choice outside tests.
///
/// # Panics
///
/// Its methods panic if the operating system has no randomness to give, except `try_fill_bytes`, which says so.
#[must_use]
pub fn os_rng() -> OsRng {
    OsRng
}

impl RngCore for OsRng {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.fill_bytes(&mut bytes);
        u32::from_ne_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.fill_bytes(&mut bytes);
        u64::from_ne_bytes(bytes)
    }

    fn fill_bytes(&mut self, dest: &mut [u8]) {
        getrandom::fill(dest).expect("the operating system gives randomness");
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), ark_std::rand::Error> {
        getrandom::fill(dest)
            .map_err(|_| core::num::NonZeroU32::MIN.saturating_add(ark_std::rand::Error::CUSTOM_START).into())
    }
}

impl CryptoRng for OsRng {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        let (mut a, mut b) = ([0u8; 32], [0u8; 32]);
        os_rng().fill_bytes(&mut a);
        os_rng().try_fill_bytes(&mut b).unwrap();
        assert_ne!(a, b);
        assert_ne!(a, [0; 32]);
    }
}
