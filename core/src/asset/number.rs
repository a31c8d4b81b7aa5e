//! Exact decimal numbers on their way into stored units.
//!
//! A stored unit of a column with scale `s` is 10^-s. Everything is integer arithmetic, so that one value has one stored
//! form on every machine.

use std::fmt;

/// `mantissa · 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) mantissa: i128,
    pub(crate) exponent: i32,
}

/// More than this and no `i64` comes out, nor is a remainder below the tolerance.
const MAX_SHIFT: u32 = 38;

impl Number {
    pub(crate) const fn integer(value: i64) -> Self {
        Self { mantissa: value as i128, exponent: 0 }
    }

    /// Reads an optional sign, digits with at most one point, and an optional exponent; at most 38 digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (body, exponent) = match text.split_once(['e', 'E']) {
            Some((body, exponent)) => (body, exponent.parse::<i16>().ok()?.into()),
            None => (text, 0i32),
        };
        let (negative, digits) = match body.strip_prefix(['-', '+']) {
            Some(rest) => (body.starts_with('-'), rest),
            None => (false, body),
        };
        let (mut mantissa, mut places, mut point, mut any) = (0i128, 0i32, false, false);
        for c in digits.bytes() {
            match c {
                b'0'..=b'9' => {
                    mantissa = mantissa.checked_mul(10)?.checked_add((c - b'0').into())?;
                    places = places.checked_add(point.into())?;
                    any = true;
                }
                b'.' if !point => point = true,
                _ => return None,
            }
        }
        let exponent = exponent.checked_sub(places)?;
        any.then_some(Self { mantissa: if negative { -mantissa } else { mantissa }, exponent })
    }

    /// The shortest decimal that reads back as `value`; `None` if it is not finite.
    pub(crate) fn from_f64(value: f64) -> Option<Self> {
        if value.trunc() == value && value.abs() < 9e15 {
            return Some(Self::integer(value as i64));
        }
        value.is_finite().then(|| Self::parse(&format!("{value:e}"))).flatten()
    }

    /// The shortest decimal that reads back as this `f32`; `None` if it is not finite.
    pub(crate) fn from_f32(value: f32) -> Option<Self> {
        value.is_finite().then(|| Self::parse(&format!("{value:e}"))).flatten()
    }

    /// The number in stored units, if it is a whole number of them and fits.
    pub(crate) fn exact(self, scale: u8) -> Option<i64> {
        self.units(scale).and_then(|units| i64::try_from(units).ok())
    }

    /// The nearest whole number of stored units, if the difference is floating-point noise: at most 10^-9 of the number
    /// and 10^-3 of a stored unit.
    pub(crate) fn nearest(self, scale: u8) -> Option<i64> {
        let shift = self.exponent + i32::from(scale);
        if shift >= 0 || self.mantissa == 0 {
            return self.exact(scale);
        }
        // Beyond 30 places the stored number would be 0 or the mantissa longer than any float's.
        let unit = 10i128.pow(Some(shift.unsigned_abs()).filter(|&places| places <= 30)?);
        let floor = self.mantissa.div_euclid(unit);
        let below = self.mantissa.rem_euclid(unit);
        let (units, error) = if below * 2 < unit { (floor, below) } else { (floor + 1, unit - below) };
        let noise = error * 1_000 <= unit && error.checked_mul(1_000_000_000)? <= self.mantissa.abs();
        if noise { i64::try_from(units).ok() } else { None }
    }

    /// The largest whole number of stored units that is not above the number, held within the range of `i64`, and
    /// whether it equals the number.
    pub(crate) fn floor(self, scale: u8) -> (i64, bool) {
        let saturated = if self.mantissa < 0 { i64::MIN } else { i64::MAX };
        match self.divide(scale) {
            Some((floor, exact)) => i64::try_from(floor).map_or((saturated, false), |floor| (floor, exact)),
            None => (saturated, false),
        }
    }

    /// The number in stored units where it is a whole number of them, without the limits of `i64`.
    pub(crate) fn units(self, scale: u8) -> Option<i128> {
        self.divide(scale).and_then(|(floor, exact)| exact.then_some(floor))
    }

    /// Floor and exactness in stored units; `None` where the number is too large for an `i128`.
    fn divide(self, scale: u8) -> Option<(i128, bool)> {
        let shift = self.exponent + i32::from(scale);
        if self.mantissa == 0 {
            return Some((0, true));
        }
        if shift >= 0 {
            let factor = 10i128.checked_pow(shift.unsigned_abs())?;
            return Some((self.mantissa.checked_mul(factor)?, true));
        }
        if shift.unsigned_abs() > MAX_SHIFT {
            return Some((if self.mantissa < 0 { -1 } else { 0 }, false));
        }
        let unit = 10i128.pow(shift.unsigned_abs());
        Some((self.mantissa.div_euclid(unit), self.mantissa.rem_euclid(unit) == 0))
    }

    /// The nearest whole number of units of 10^-scale, halves away from zero, if it fits. `scale` may be negative.
    pub(crate) fn rounded(self, scale: i32) -> Option<i64> {
        let shift = self.exponent.checked_add(scale)?;
        if shift >= 0 {
            let factor = if self.mantissa == 0 { 1 } else { 10i128.checked_pow(shift.unsigned_abs())? };
            return i64::try_from(self.mantissa.checked_mul(factor)?).ok();
        }
        // Beyond 38 places nothing of an `i128` is left.
        let Some(unit) = 10i128.checked_pow(shift.unsigned_abs()) else { return Some(0) };
        let (whole, rest) = (self.mantissa / unit, self.mantissa % unit);
        let up = rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs();
        i64::try_from(whole + if up { self.mantissa.signum() } else { 0 }).ok()
    }

    /// How many decimal places the number has.
    pub(crate) fn places(mut self) -> u32 {
        while self.exponent < 0 && self.mantissa % 10 == 0 {
            if self.mantissa == 0 {
                return 0;
            }
            self.mantissa /= 10;
            self.exponent += 1;
        }
        self.exponent.min(0).unsigned_abs()
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match u8::try_from(self.exponent.unsigned_abs()) {
            Ok(places) if self.exponent <= 0 && places <= 40 => decimal(f, self.mantissa, places),
            _ => write!(f, "{}e{}", self.mantissa, self.exponent),
        }
    }
}

/// `stored / 10^scale` as text, with all its decimal places.
pub(crate) fn stored_text(stored: i64, scale: u8) -> String {
    Number { mantissa: stored.into(), exponent: -i32::from(scale) }.to_string()
}

fn decimal(f: &mut fmt::Formatter<'_>, mantissa: i128, places: u8) -> fmt::Result {
    let (sign, digits) = (if mantissa < 0 { "-" } else { "" }, mantissa.unsigned_abs().to_string());
    let places = usize::from(places);
    if places == 0 {
        return write!(f, "{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    write!(f, "{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Number {
        Number::parse(text).unwrap()
    }

    #[test]
    fn text_becomes_stored_units_exactly_or_not_at_all() {
        for (text, scale, stored) in [
            ("1.50", 1, Some(15)),
            ("-.5", 1, Some(-5)),
            ("+7.", 0, Some(7)),
            ("1.5", 0, None),
            ("1e3", 0, Some(1000)),
            ("12e-1", 1, Some(12)),
            ("0e9999", 18, Some(0)),
            ("9223372036854775807", 0, Some(i64::MAX)),
            ("-9223372036854775808", 0, Some(i64::MIN)),
            ("9223372036854775808", 0, None),
            ("1e40", 0, None),
            ("1e-400", 18, None),
        ] {
            assert_eq!(parse(text).exact(scale), stored, "{text}");
        }
        for bad in ["", "-", ".", "1.2.3", "0x10", "1e", "1e99999", " 1", "1_000", "NaN", "inf", "--1", "é"] {
            assert_eq!(Number::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Number::parse(&"9".repeat(40)), None, "no silent wrap");
    }

    #[test]
    fn floating_point_noise_is_rounded_away_and_nothing_else_is() {
        let noisy = Number::from_f64(0.1 + 0.2).unwrap();
        assert_eq!((noisy.exact(2), noisy.nearest(2)), (None, Some(30)));
        assert_eq!(Number::from_f64(0.29999999999999993).unwrap().nearest(1), Some(3));
        assert_eq!(Number::from_f64(-0.30000000000000004).unwrap().nearest(1), Some(-3));
        assert_eq!(Number::from_f64(0.305).unwrap().nearest(2), None);
        // Within 10^-9 of the number, but half a unit away.
        assert_eq!(Number::from_f64(12_345_678_901.5).unwrap().nearest(0), None);
        assert_eq!(Number::from_f64(1e-12).unwrap().nearest(2), None, "a small number is not zero");
        assert_eq!(Number::from_f64(5e-324).unwrap().nearest(18), None);
        assert_eq!(Number::from_f32(0.1).unwrap().exact(1), Some(1), "not 0.10000000149");
        assert_eq!(Number::from_f64(-0.0).unwrap().exact(3), Some(0));
        assert_eq!((Number::from_f64(f64::NAN), Number::from_f64(f64::INFINITY)), (None, None));
    }

    #[test]
    fn rounding_is_to_the_nearest_and_halves_go_away_from_zero() {
        for (text, scale, stored) in [
            ("1.49", 0, Some(1)),
            ("1.5", 0, Some(2)),
            ("-1.5", 0, Some(-2)),
            ("-1.49", 0, Some(-1)),
            ("0.125", 2, Some(13)),
            ("149", -2, Some(1)),
            ("-150", -2, Some(-2)),
            ("1e-300", 18, Some(0)),
            ("0e9999", 18, Some(0)),
            ("1e19", 0, None),
            ("-1e300", 0, None),
            ("9223372036854775807.4", 0, Some(i64::MAX)),
            ("9223372036854775807.5", 0, None),
        ] {
            assert_eq!(parse(text).rounded(scale), stored, "{text}");
        }
    }

    #[test]
    fn the_floor_is_below_and_saturates() {
        assert_eq!(parse("-1.5").floor(0), (-2, false));
        assert_eq!(parse("1.5").floor(1), (15, true));
        assert_eq!(parse("1e300").floor(0), (i64::MAX, false));
        assert_eq!(parse("-1e30").floor(0), (i64::MIN, false));
        assert_eq!(parse("-1e-300").floor(0), (-1, false));
    }

    proptest! {
        #[test]
        fn stored_units_survive_text_and_floats(stored in any::<i64>(), scale in 0u8..=18) {
            prop_assert_eq!(parse(&stored_text(stored, scale)).exact(scale), Some(stored));
            let short = stored % 1_000_000_000_000_000;
            let float: f64 = stored_text(short, scale).parse().unwrap();
            prop_assert_eq!(Number::from_f64(float).unwrap().nearest(scale), Some(short));
        }

        #[test]
        fn any_float_is_stored_within_the_tolerance_or_refused(float in any::<f64>(), scale in 0u8..=18) {
            if let Some(stored) = Number::from_f64(float).and_then(|number| number.nearest(scale)) {
                let back: f64 = stored_text(stored, scale).parse().unwrap();
                prop_assert!((back - float).abs() <= 1.001e-9 * float.abs());
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[-+0-9.eE]{0,60}") {
            if let Some(number) = Number::parse(&text) {
                for scale in [0, 18] {
                    let _ = (number.exact(scale), number.nearest(scale), number.floor(scale), number.places());
                }
            }
        }
    }
}
