//! Where randomness comes from, and what a request's identifiers are hashed to.

use shake::{
    Shake256,
    digest::{ExtendableOutput, Update, XofReader},
};
use tfhe::core_crypto::{
    commons::math::random::{RandomGenerator, Seed},
    prelude::DefaultRandomGenerator,
};
use zeroize::{Zeroize, Zeroizing};

use super::ring::N;
use crate::Error;

/// 32 bytes from which one call derives all its randomness.
///
/// Every use takes it by value and it is not `Clone`: two answers under the same randomness give away the difference of
/// their matrices. Ordinary callers never see this type; they call the functions without `_with_entropy`, which
/// read the operating system's generator.
pub struct Entropy(Zeroizing<[u8; 32]>);

impl Entropy {
    /// Reads the operating system's generator.
    ///
    /// # Errors
    /// [`Error::Entropy`] when it has none to give.
    pub fn from_os() -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).map_err(|e| Error::Entropy(e.to_string()))?;
        Ok(Self(seed))
    }

    /// Takes 32 uniformly random, secret, never reused bytes. Meant for tests and for callers with their own source.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(seed))
    }

    /// Seeds tfhe's AES-CTR generators: `SHAKE256(domain ‖ entropy ‖ index ‖ label)`, 128 bits. Labels and indices make
    /// every consumer's stream its own.
    pub(crate) fn seed(&self, label: &str, index: u64) -> Seed {
        let mut hasher = Shake256::default();
        hasher.update(b"sealock/v1/linear/entropy");
        hasher.update(self.0.as_ref());
        hasher.update(&index.to_le_bytes());
        hasher.update(label.as_bytes());
        let mut bytes = [0; 16];
        hasher.finalize_xof().read(&mut bytes);
        let seed = Seed(u128::from_le_bytes(bytes));
        bytes.zeroize();
        seed
    }

    pub(crate) fn generator(&self, label: &str, index: u64) -> RandomGenerator<DefaultRandomGenerator> {
        RandomGenerator::new(self.seed(label, index))
    }
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(_)")
    }
}

/// The identifiers of one request, hashed.
///
/// The mask of the public key that re-randomises an answer is derived from this value and from nothing else, so the
/// executor must build it from its own record of the request (nullifier, scope, program and policy digest, deadline,
/// …).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Context([u8; 32]);

impl Context {
    /// Hashes the identifiers, each framed by its length so that no two lists collide.
    pub fn new(identifiers: &[&[u8]]) -> Self {
        let mut hasher = Shake256::default();
        hasher.update(b"sealock/v1/linear/context");
        hasher.update(&(identifiers.len() as u64).to_le_bytes());
        for identifier in identifiers {
            hasher.update(&(identifier.len() as u64).to_le_bytes());
            hasher.update(identifier);
        }
        let mut id = [0; 32];
        hasher.finalize_xof().read(&mut id);
        Self(id)
    }

    /// The 32-byte digest that a query carries to name its request.
    pub fn id(&self) -> &[u8; 32] {
        &self.0
    }

    /// The context of one part of a request that takes several queries.
    pub(crate) fn part(&self, index: usize) -> Self {
        Self::new(&[b"part", &self.0, &(index as u64).to_le_bytes()])
    }

    pub(crate) fn from_id(id: [u8; 32]) -> Self {
        Self(id)
    }

    /// Mask `a` of the request's public key: 65,536 bytes of SHAKE256, read as little-endian coefficients.
    pub(crate) fn key_mask(&self) -> Vec<u128> {
        let mut hasher = Shake256::default();
        hasher.update(b"sealock/v1/linear/public-key-mask");
        hasher.update(&self.0);
        let mut reader = hasher.finalize_xof();
        let mut coefficient = [0; 16];
        (0..N)
            .map(|_| {
                reader.read(&mut coefficient);
                u128::from_le_bytes(coefficient)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_framed_so_that_lists_cannot_collide() {
        let contexts = [
            Context::new(&[b"ab", b"c"]),
            Context::new(&[b"a", b"bc"]),
            Context::new(&[b"abc"]),
            Context::new(&[b"abc", b""]),
            Context::new(&[]),
        ];
        for (i, a) in contexts.iter().enumerate() {
            for b in &contexts[i + 1..] {
                assert_ne!(a, b);
                assert_ne!(a.key_mask()[0], b.key_mask()[0]);
            }
        }
        assert_eq!(Context::new(&[b"ab", b"c"]).key_mask(), contexts[0].key_mask());
    }

    #[test]
    fn streams_differ_by_label_index_and_seed() {
        let (a, b) = (Entropy::from_seed([1; 32]), Entropy::from_seed([2; 32]));
        let seeds = [a.seed("x", 0), a.seed("x", 1), a.seed("y", 0), b.seed("x", 0)];
        for (i, s) in seeds.iter().enumerate() {
            assert!(seeds[i + 1..].iter().all(|t| t != s));
        }
        assert_eq!(format!("{a:?}"), "Entropy(_)");
    }
}
