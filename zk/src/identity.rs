//! The consumer's secret, and the terms of the order it belongs to.

use core::fmt;

use ark_bn254::Fr;
use ark_ff::{UniformRand, Zero};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::{
    DecodeError, Scalar, poseidon,
    rng::{CryptoRng, RngCore},
};

/// The secret behind one order. Whoever holds it can use the order; whoever learns it later can recompute the
/// nullifiers and so recognise every use that was made with it.
///
/// Use a fresh secret per order: two orders with one secret share their nullifiers, so the second grants fewer uses. It
/// is wiped when dropped, does not print itself, is not `Clone`, and compares in
/// constant time. The wipe reaches this value and the assignment that [`prove`](crate::prove()) builds, not the
/// temporaries inside the proof library and the hash.
pub struct IdentitySecret(Fr);

impl IdentitySecret {
    /// Length of the encoding in bytes.
    pub const LEN: usize = Scalar::LEN;

    /// Draws a secret uniformly.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        loop {
            let secret = Fr::rand(rng);
            if !secret.is_zero() {
                return Self(secret);
            }
        }
    }

    /// Reads a secret that [`expose_bytes`](Self::expose_bytes) wrote: 32 bytes, big-endian. The bytes must come from
    /// [`generate`](Self::generate) or be as hard to guess.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotCanonical`] if the integer is not below the order of the field, [`DecodeError::ZeroSecret`] if
    /// it is zero.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, DecodeError> {
        match Scalar::from_bytes(bytes)? {
            Scalar(zero) if zero.is_zero() => Err(DecodeError::ZeroSecret),
            Scalar(secret) => Ok(Self(secret)),
        }
    }

    /// The secret itself, for storage under the caller's own encryption.
    #[must_use]
    pub fn expose_bytes(&self) -> Zeroizing<[u8; Self::LEN]> {
        Zeroizing::new(Scalar(self.0).to_bytes())
    }

    /// Poseidon(secret): what the order publishes. It hides the secret and fixes it.
    #[must_use]
    pub fn commitment(&self) -> Scalar {
        poseidon([Scalar(self.0)])
    }

    /// Poseidon(scope, secret, use index): what marks one use as spent. Different uses, scopes and secrets give values
    /// that nobody without the secret can link.
    #[must_use]
    pub fn nullifier(&self, scope: Scalar, use_index: u64) -> Scalar {
        poseidon([scope, Scalar(self.0), Scalar::from(use_index)])
    }

    pub(crate) fn field_element(&self) -> Fr {
        self.0
    }
}

impl Drop for IdentitySecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ConstantTimeEq for IdentitySecret {
    fn ct_eq(&self, other: &Self) -> subtle::Choice {
        self.expose_bytes().ct_eq(&*other.expose_bytes())
    }
}

impl PartialEq for IdentitySecret {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl Eq for IdentitySecret {}

impl fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentitySecret(_)")
    }
}

/// What an order grants, as the ledger shows it to everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Credential {
    /// The asset, as a field element: see [`Scalar::hash`].
    pub asset: Scalar,
    /// Number of uses. Uses are numbered from 0 to `limit - 1`.
    pub limit: u64,
    /// The last moment of validity, in seconds since 1970 (UTC).
    pub expiry: u64,
}

impl Credential {
    /// The order's leaf in the group: Poseidon(commitment, limit · 2^64 + expiry, asset).
    #[must_use]
    pub fn leaf(&self, commitment: Scalar) -> Scalar {
        poseidon([commitment, self.packed(), self.asset])
    }

    /// Limit and expiry in one field element. Both have 64 bits, so the pair is determined by it.
    fn packed(&self) -> Scalar {
        Scalar(Fr::from(u128::from(self.limit) << 64 | u128::from(self.expiry)))
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{BigInteger, PrimeField};

    use super::*;
    use crate::rng::{SeedableRng, StdRng};

    #[test]
    fn secret_round_trips_and_compares() {
        let mut rng = StdRng::seed_from_u64(1);
        let secret = IdentitySecret::generate(&mut rng);
        assert_eq!(IdentitySecret::from_bytes(&secret.expose_bytes()).unwrap(), secret);
        assert_ne!(IdentitySecret::generate(&mut rng), secret);
    }

    #[test]
    fn secret_is_not_printed() {
        let secret = IdentitySecret::from_bytes(&[7; 32]).unwrap();
        assert_eq!(format!("{secret:?}"), "IdentitySecret(_)");
    }

    #[test]
    fn zero_and_non_canonical_secrets_are_refused() {
        assert_eq!(IdentitySecret::from_bytes(&[0; 32]).unwrap_err(), DecodeError::ZeroSecret);
        let modulus: [u8; 32] = Fr::MODULUS.to_bytes_be().try_into().unwrap();
        assert_eq!(IdentitySecret::from_bytes(&modulus).unwrap_err(), DecodeError::NotCanonical);
    }

    #[test]
    fn leaf_is_built_as_documented() {
        let credential = Credential { asset: Scalar::from(9), limit: 3, expiry: 5 };
        let packed = Scalar(Fr::from(3u128 * (1 << 64) + 5));
        assert_eq!(credential.leaf(Scalar::from(1)), poseidon([Scalar::from(1), packed, Scalar::from(9)]));
    }

    #[test]
    fn every_term_of_the_credential_changes_the_leaf() {
        let base = Credential { asset: Scalar::from(1), limit: 2, expiry: 3 };
        let leaf = base.leaf(Scalar::from(4));
        assert_ne!(Credential { asset: Scalar::from(2), ..base }.leaf(Scalar::from(4)), leaf);
        assert_ne!(Credential { limit: 3, ..base }.leaf(Scalar::from(4)), leaf);
        assert_ne!(Credential { expiry: 2, ..base }.leaf(Scalar::from(4)), leaf);
        assert_ne!(base.leaf(Scalar::from(5)), leaf);
        assert_ne!(
            Credential { limit: u64::MAX, expiry: 0, ..base }.leaf(Scalar::from(4)),
            Credential { limit: 0, expiry: u64::MAX, ..base }.leaf(Scalar::from(4)),
        );
    }

    #[test]
    fn nullifiers_of_uses_scopes_and_secrets_differ() {
        let mut rng = StdRng::seed_from_u64(2);
        let (a, b) = (IdentitySecret::generate(&mut rng), IdentitySecret::generate(&mut rng));
        let base = a.nullifier(Scalar::from(1), 0);
        assert_eq!(a.nullifier(Scalar::from(1), 0), base);
        assert_ne!(a.nullifier(Scalar::from(1), 1), base);
        assert_ne!(a.nullifier(Scalar::from(2), 0), base);
        assert_ne!(b.nullifier(Scalar::from(1), 0), base);
    }
}
