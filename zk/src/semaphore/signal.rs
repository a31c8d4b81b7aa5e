//! Messages and scopes.

use core::{fmt, str::FromStr};

use ark_ff::{BigInt, BigInteger};
use sha3::{Digest, Keccak256};
use thiserror::Error;

use crate::Scalar;

/// Why a text is not a message or scope.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// A text that does not fit.
    #[error("a text has at most 31 bytes here, got {got}; hash it, or pass 32 bytes")]
    TooLong {
        /// Bytes of the text.
        got: usize,
    },
    /// Not an integer below 2^256, or not in its shortest decimal form.
    #[error("expected an integer below 2^256 in decimal digits, without leading zeros")]
    NotDecimal,
}

/// A message or a scope of Semaphore: an integer below 2^256, of which a proof shows the hash.
///
/// `@semaphore-protocol/proof` takes numbers, texts and bytes alike, and reads a text that looks like a number as that
/// number. Here the caller says which it is: "42" is [`Signal::text`]`("42")` or [`Signal::from`]`(42)`, and the second
/// is what theirs makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signal([u8; 32]);

impl Signal {
    /// An integer in 32 bytes, big-endian.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// A text in UTF-8, padded on the right with zeros: ethers' `encodeBytes32String`.
    ///
    /// # Errors
    ///
    /// [`SignalError::TooLong`] for more than 31 bytes.
    pub fn text(text: &str) -> Result<Self, SignalError> {
        let mut bytes = [0; 32];
        if text.len() > 31 {
            return Err(SignalError::TooLong { got: text.len() });
        }
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }

    /// The integer in 32 bytes, big-endian.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The public input: Keccak-256 of the 32 bytes without its last byte, so that it is below p.
    #[must_use]
    pub fn hash(&self) -> Scalar {
        let mut shifted = [0; 32];
        shifted[1..].copy_from_slice(&Keccak256::digest(self.0)[..31]);
        Scalar::from_bytes(&shifted).expect("248 bits are below p")
    }
}

impl From<u64> for Signal {
    fn from(value: u64) -> Self {
        Self(Scalar::from(value).to_bytes())
    }
}

/// Decimal digits, as a proof's JSON has them.
impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let digits = crate::export::decimal::<4>(text).ok_or(SignalError::NotDecimal)?;
        Ok(Self(digits.to_bytes_be().try_into().expect("four limbs have 32 bytes")))
    }
}

/// Decimal digits.
impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut limbs = [0u64; 4];
        for (limb, chunk) in limbs.iter_mut().rev().zip(self.0.as_chunks::<8>().0) {
            *limb = u64::from_be_bytes(*chunk);
        }
        fmt::Display::fmt(&BigInt(limbs), f)
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_decimal_form() {
        let largest = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        for text in ["0", "7", "18446744073709551616", largest] {
            assert_eq!(text.parse::<Signal>().unwrap().to_string(), text);
        }
        let one_more = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for text in ["", "00", "07", "+7", "-7", "1_0", "0x7", " 7", "7.0", one_more, &"9".repeat(500)] {
            assert_eq!(text.parse::<Signal>(), Err(SignalError::NotDecimal), "{text}");
        }
        assert_eq!("42".parse(), Ok(Signal::from(42)));
    }

    #[test]
    fn texts_are_padded_on_the_right() {
        assert_eq!(Signal::text("hi").unwrap().to_bytes()[..3], *b"hi\0");
        assert!(Signal::text(&"x".repeat(31)).is_ok());
        assert_eq!(Signal::text(&"x".repeat(32)), Err(SignalError::TooLong { got: 32 }));
    }
}
