//! Semaphore's identities: an EdDSA key on Baby Jubjub, as `@semaphore-protocol/identity` derives it.

use core::fmt;

use ark_bn254::Fr;
use ark_ed_on_bn254::Fr as Multiplier;
use ark_ff::{AdditiveGroup, PrimeField};
use blake_hash::{Blake512, digest::Digest};
use data_encoding::BASE64;
use zeroize::{Zeroize, Zeroizing};

use super::curve::{Point, multiple_of_base};
use crate::{
    DecodeError, Scalar, poseidon,
    rng::{CryptoRng, RngCore},
};

/// An identity of Semaphore v4.
///
/// The private key is a byte string of any length. The secret scalar is the first half of its BLAKE-512 hash, pruned as
/// in RFC 8032, divided by eight and reduced modulo the order of the subgroup; the public key is that multiple of the
/// base point, and the commitment is Poseidon(public key).
///
/// One identity is meant to be used in many groups. Its nullifiers of one scope are the same in each of them, so a
/// scope names its group. It is wiped when dropped, does not print itself and is not `Clone`; the wipe does not reach
/// what the hash and the curve arithmetic leave behind, and neither is constant-time.
pub struct Identity {
    private_key: Zeroizing<Vec<u8>>,
    secret_scalar: Fr,
    public_key: Point,
}

impl Identity {
    /// Draws a private key of 32 bytes.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        let mut private_key = Zeroizing::new([0u8; 32]);
        rng.fill_bytes(private_key.as_mut());
        Self::from_private_key(private_key.as_ref())
    }

    /// The identity of a private key: the bytes of a `Buffer`, or the UTF-8 of a text. Equal to `new Identity(key)`.
    ///
    /// The key is the secret: a text that somebody can guess gives its commitment and all uses away.
    #[must_use]
    pub fn from_private_key(private_key: &(impl AsRef<[u8]> + ?Sized)) -> Self {
        let private_key = private_key.as_ref();
        let mut hash = Blake512::digest(private_key);
        let half: &mut [u8] = &mut hash[..32];
        half[0] &= 0xf8;
        half[31] &= 0x7f;
        half[31] |= 0x40;
        // Divide by eight, little-endian.
        for i in 0..32 {
            let above = half.get(i + 1).copied().unwrap_or(0);
            half[i] = half[i] >> 3 | above << 5;
        }
        let mut multiplier = Multiplier::from_le_bytes_mod_order(half);
        hash.as_mut_slice().zeroize();
        let identity = Self {
            private_key: Zeroizing::new(private_key.to_vec()),
            secret_scalar: Fr::from_bigint(multiplier.into_bigint()).expect("the subgroup is smaller than the field"),
            public_key: multiple_of_base(multiplier),
        };
        multiplier.zeroize();
        identity
    }

    /// Reads what [`export`](Self::export) or `identity.export()` wrote. Equal to `Identity.import(text)`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Base64`].
    pub fn import(text: &str) -> Result<Self, DecodeError> {
        let private_key = BASE64.decode(text.as_bytes()).map_err(|_| DecodeError::Base64)?;
        Ok(Self::from_private_key(&Zeroizing::new(private_key)))
    }

    /// The private key in Base64. Equal to `identity.export()`.
    #[must_use]
    pub fn export(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64.encode(&self.private_key))
    }

    /// The private key itself, for storage under the caller's own encryption.
    #[must_use]
    pub fn expose_private_key(&self) -> &[u8] {
        &self.private_key
    }

    /// The public key, in circomlib's coordinates.
    #[must_use]
    pub fn public_key(&self) -> [Scalar; 2] {
        self.public_key.map(Scalar)
    }

    /// Poseidon(public key): what a group has as its leaf.
    #[must_use]
    pub fn commitment(&self) -> Scalar {
        poseidon(self.public_key())
    }

    pub(crate) fn secret_scalar(&self) -> Fr {
        self.secret_scalar
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.secret_scalar.zeroize();
        // A guessed key would be confirmed by it.
        self.public_key = [Fr::ZERO; 2];
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(_)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{SeedableRng, StdRng};

    /// The finalist's submission to NIST, test vectors for one byte and for 144 bytes of zeros.
    #[test]
    fn blake_512_is_the_finalist() {
        let one = "97961587f6d970faba6d2478045de6d1fabd09b61ae50932054d52bc29d31be4\
            ff9102b9f69e2bbdb83be13d4b9c06091e5fa0b48bd081b634058be0ec49beb3";
        let many = "313717d608e9cf758dcb1eb0f0c3cf9fc150b2d500fb33f51c52afc99d358a2f\
            1374b8a38bba7974e7f6ef79cab16f22ce1e649d6e01ad9589c213045d545dde";
        assert_eq!(hex::encode(Blake512::digest(&[0])), one);
        assert_eq!(hex::encode(Blake512::digest(&[0; 144])), many);
    }

    #[test]
    fn an_identity_is_not_printed_and_round_trips() {
        let identity = Identity::generate(&mut StdRng::seed_from_u64(1));
        assert_eq!(format!("{identity:?}"), "Identity(_)");
        let again = Identity::import(&identity.export()).unwrap();
        assert_eq!(again.expose_private_key(), identity.expose_private_key());
        assert_eq!(again.commitment(), identity.commitment());
        assert_eq!(Identity::import("not Base64!").unwrap_err(), DecodeError::Base64);
    }
}
