//! Elements of the scalar field of BN254.

use core::fmt;

use ark_bn254::Fr;
use ark_ff::{BigInt, BigInteger, PrimeField, Zero};
use sha2::{Digest, Sha512};

use crate::wire::DecodeError;

/// An integer modulo p, the order of BN254's groups
/// (p = 21888242871839275222246405745257275088548364400416034343698204186575808495617).
///
/// As bytes it is the integer below p in 32 bytes, big-endian: one element has exactly one encoding. Decoding never
/// reduces, because `n` and `n + p` would then be two names for one nullifier, and the second would buy a second use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scalar(pub(crate) Fr);

impl Scalar {
    /// Zero.
    pub const ZERO: Self = Self(ark_ff::MontFp!("0"));

    /// Length of the encoding in bytes.
    pub const LEN: usize = 32;

    /// Decodes 32 bytes, big-endian.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotCanonical`] if the integer is p or more.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, DecodeError> {
        let mut limbs = [0u64; 4];
        for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.as_chunks::<8>().0) {
            *limb = u64::from_be_bytes(*chunk);
        }
        Fr::from_bigint(BigInt::new(limbs)).map(Self).ok_or(DecodeError::NotCanonical)
    }

    /// Encodes as 32 bytes, big-endian.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes.copy_from_slice(&self.0.into_bigint().to_bytes_be());
        bytes
    }

    /// Maps byte strings to a field element: for digests, addresses and other identifiers that enter a statement.
    ///
    /// The result is SHA-512(`len(domain)` ‖ `domain` ‖ `number of parts` ‖ for each part: `len(part)` ‖ `part`), with
    /// lengths and number as 8 bytes big-endian, read as a big-endian integer and reduced modulo p. Lengths make the
    /// input unambiguous; 512 bits leave a bias of about 2^-258, as RFC 9380 (section 5.1) asks for. `domain` names the
    /// scheme and version, such as `sealock/v1/scope`.
    #[must_use]
    pub fn hash(domain: &str, parts: &[&[u8]]) -> Self {
        fn framed(hasher: &mut Sha512, bytes: &[u8]) {
            hasher.update((bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        }
        let mut hasher = Sha512::new();
        framed(&mut hasher, domain.as_bytes());
        hasher.update((parts.len() as u64).to_be_bytes());
        for part in parts {
            framed(&mut hasher, part);
        }
        Self(Fr::from_be_bytes_mod_order(&hasher.finalize()))
    }

    /// Whether this is zero, which no root and no leaf may be.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl From<u64> for Scalar {
    fn from(value: u64) -> Self {
        Self(Fr::from(value))
    }
}

impl TryFrom<&[u8]> for Scalar {
    type Error = DecodeError;

    fn try_from(bytes: &[u8]) -> Result<Self, DecodeError> {
        let bytes = bytes.try_into().map_err(|_| DecodeError::Length {
            what: "field element",
            expected: Self::LEN,
            got: bytes.len(),
        })?;
        Self::from_bytes(bytes)
    }
}

/// `0x` and 64 hexadecimal digits.
impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.to_bytes()))
    }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// p, big-endian.
    fn modulus() -> [u8; 32] {
        Fr::MODULUS.to_bytes_be().try_into().expect("256 bits")
    }

    #[test]
    fn encoding_is_big_endian_and_round_trips() {
        let mut one = [0u8; 32];
        one[31] = 1;
        assert_eq!(Scalar::from(1).to_bytes(), one);
        assert_eq!(Scalar::from_bytes(&one), Ok(Scalar::from(1)));
        let mixed = Scalar::hash("test", &[b"mixed"]);
        assert_eq!(Scalar::from_bytes(&mixed.to_bytes()), Ok(mixed));
        assert_eq!(Scalar::from(0x0102).to_string(), format!("0x{:064x}", 0x0102));
    }

    #[test]
    fn integers_from_p_upwards_are_refused_and_never_reduced() {
        let mut largest = modulus();
        largest[31] -= 1;
        assert_eq!(Scalar::from_bytes(&largest), Ok(Scalar(-Fr::from(1))));
        assert_eq!(Scalar::from_bytes(&modulus()), Err(DecodeError::NotCanonical));
        // The second name of 5: reducing it would give 5 again.
        let mut five_again = modulus();
        five_again[31] += 5;
        assert_eq!(Fr::from_be_bytes_mod_order(&five_again), Fr::from(5));
        assert_eq!(Scalar::from_bytes(&five_again), Err(DecodeError::NotCanonical));
        assert_eq!(Scalar::from_bytes(&[0xff; 32]), Err(DecodeError::NotCanonical));
    }

    #[test]
    fn slices_of_another_length_are_refused() {
        for length in [0, 31, 33, 64] {
            let got = Scalar::try_from(vec![0u8; length].as_slice());
            assert_eq!(got, Err(DecodeError::Length { what: "field element", expected: 32, got: length }));
        }
    }

    /// Expected value from Python's hashlib:
    /// `f = lambda b: len(b).to_bytes(8, "big") + b`, then
    /// `int.from_bytes(sha512(f(b"sealock/v1/test") + (2).to_bytes(8, "big") + f(b"ab") + f(b"c")).digest(), "big") % p`.
    #[test]
    fn hash_to_field_is_the_documented_one() {
        let expected = "0x1d4bb0878830d07db8e25f6d3fdda71cc243aaf94eb1373104d9c71aaddc35f6";
        assert_eq!(Scalar::hash("sealock/v1/test", &[b"ab", b"c"]).to_string(), expected);
    }

    #[test]
    fn hash_to_field_keeps_domains_and_parts_apart() {
        let values = [
            Scalar::hash("a", &[b"bc"]),
            Scalar::hash("ab", &[b"c"]),
            Scalar::hash("a", &[b"b", b"c"]),
            Scalar::hash("a", &[b"bc", b""]),
            Scalar::hash("a", &[]),
            Scalar::hash("a", &[b""]),
        ];
        for (i, a) in values.iter().enumerate() {
            assert!(values[i + 1..].iter().all(|b| a != b));
        }
    }
}
