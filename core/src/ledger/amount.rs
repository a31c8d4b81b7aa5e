//! Amounts of tokens.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteArray;

use super::LedgerError;

/// An amount of a token in its smallest unit, as in ERC-20. A whole datatoken has 10^18 of them.
///
/// Shown and read as a decimal number of whole tokens (`1.5`); arithmetic is checked.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "ByteArray<16>", from = "ByteArray<16>")]
pub struct Amount(u128);

impl Amount {
    /// Nothing.
    pub const ZERO: Amount = Amount(0);
    /// One whole token: 10^18 units, what an order costs.
    pub const ONE: Amount = Amount(Self::UNITS);
    /// The most there can be, for a cap that never binds.
    pub const MAX: Amount = Amount(u128::MAX);
    /// Decimal places of a whole token.
    pub const DECIMALS: usize = 18;
    const UNITS: u128 = 10u128.pow(Self::DECIMALS as u32);

    /// An amount in smallest units.
    pub const fn from_units(units: u128) -> Self {
        Self(units)
    }

    /// `n` whole tokens.
    pub const fn whole(n: u64) -> Self {
        // Below 2^64 · 2^60.
        Self(n as u128 * Self::UNITS)
    }

    /// The amount in smallest units.
    pub const fn units(self) -> u128 {
        self.0
    }

    /// The sum, or `None` where it does not fit.
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// The difference, or `None` where it would be negative.
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }

    /// What `self` costs at `rate` smallest units of the base token for a whole token: `self · rate / 10^18`, rounded
    /// up, so that no amount is too small to be paid for. `None` where it does not fit.
    pub fn cost_at(self, rate: Amount) -> Option<Self> {
        // self = a·U + b and rate = c·U + d give a·rate + b·c + b·d/U, where b·d < 10^36 < 2^128.
        let (a, b) = (self.0 / Self::UNITS, self.0 % Self::UNITS);
        let (c, d) = (rate.0 / Self::UNITS, rate.0 % Self::UNITS);
        let whole = a.checked_mul(rate.0)?.checked_add(b.checked_mul(c)?)?;
        whole.checked_add((b * d).div_ceil(Self::UNITS)).map(Self)
    }
}

impl From<Amount> for ByteArray<16> {
    /// Sixteen bytes, big-endian: DAG-CBOR has no integers of 128 bits.
    fn from(amount: Amount) -> Self {
        ByteArray::new(amount.0.to_be_bytes())
    }
}

impl From<ByteArray<16>> for Amount {
    fn from(bytes: ByteArray<16>) -> Self {
        Amount(u128::from_be_bytes(bytes.into_array()))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / Self::UNITS, self.0 % Self::UNITS);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{rest:0width$}", width = Self::DECIMALS);
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

impl FromStr for Amount {
    type Err = LedgerError;

    /// Reads `12`, `12.5`, up to 18 decimal places.
    fn from_str(s: &str) -> Result<Self, LedgerError> {
        let bad = |why| LedgerError::InvalidAmount { got: s.chars().take(64).collect(), why };
        let (whole, rest) = s.split_once('.').unwrap_or((s, "0"));
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(rest) {
            return Err(bad("expected digits and at most one decimal point"));
        }
        if rest.len() > Self::DECIMALS {
            return Err(bad("a token has 18 decimal places"));
        }
        let too_much = || bad("more than there can be");
        let whole = whole.parse::<u128>().map_err(|_| too_much())?.checked_mul(Self::UNITS).ok_or_else(too_much)?;
        let rest: u128 = format!("{rest:0<width$}", width = Self::DECIMALS).parse().map_err(|_| too_much())?;
        whole.checked_add(rest).map(Self).ok_or_else(too_much)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_shows_whole_tokens() {
        for (text, units) in [
            ("0", 0),
            ("1", 10u128.pow(18)),
            ("1.5", 15 * 10u128.pow(17)),
            ("0.000000000000000001", 1),
            ("340282366920938463463.374607431768211455", u128::MAX),
        ] {
            assert_eq!(text.parse::<Amount>().unwrap(), Amount::from_units(units));
            assert_eq!(Amount::from_units(units).to_string(), text);
        }
        let too_much = "340282366920938463463.374607431768211456";
        for bad in ["", ".", "1.", ".5", "-1", "+1", "1e3", "1.0000000000000000001", too_much, "9".repeat(60).as_str()]
        {
            assert!(bad.parse::<Amount>().is_err(), "{bad}");
        }
    }

    #[test]
    fn no_amount_is_free_and_an_overflow_is_seen() {
        assert_eq!(Amount::from_units(1).cost_at(Amount::from_units(1)).unwrap().units(), 1);
        assert_eq!(Amount::whole(3).cost_at(Amount::whole(2)).unwrap(), Amount::whole(6));
        assert_eq!(Amount::MAX.cost_at(Amount::ONE).unwrap(), Amount::MAX);
        assert_eq!(Amount::MAX.cost_at(Amount::from_units(Amount::UNITS + 1)), None);
        assert_eq!(Amount::MAX.cost_at(Amount::MAX), None);
    }

    proptest! {
        #[test]
        fn the_cost_is_that_of_wide_arithmetic(a in 0u128..1 << 90, r in 0u128..1 << 37) {
            // Narrow enough for the plain formula.
            let plain = (a * r).div_ceil(10u128.pow(18));
            prop_assert_eq!(Amount(a).cost_at(Amount(r)).unwrap().units(), plain);
            prop_assert_eq!(Amount(r).cost_at(Amount(a)).unwrap().units(), plain);
        }

        #[test]
        fn text_and_bytes_round_trip(units: u128) {
            let amount = Amount(units);
            prop_assert_eq!(amount.to_string().parse::<Amount>().unwrap(), amount);
            let bytes = crate::codec::to_canonical("amount", &amount).unwrap();
            prop_assert_eq!(crate::codec::from_canonical::<Amount>("amount", &bytes, 17).unwrap(), amount);
        }
    }
}
