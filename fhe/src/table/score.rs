//! Scores: sums over columns, compared with a bound.
//!
//! A linear model adds up `w·x` over its columns, an additive one any function of each. Both are sums over *digits*, since
//! any function of a digit is one product with a public polynomial. So that every number is small enough for a bootstrap, the
//! points of every digit are made non-negative, divided by their greatest common divisor, and cut into limbs of `k` bits:
//!
//! ```text
//! sum_j   = Σ limb_j(points of each digit) + carry_j          0 … 15
//! carry_j+1 = sum_j >> k                                      a table, one bootstrap
//! score ≥ least  ⇔  sum_top ≥ (least + c) >> k·(limbs − 1)    a threshold, combined with others as any
//! ```
//!
//! where `c`, added to the points of one digit, makes the limbs of the bound zero but for the top one. Of `n` digits,
//! `n·(2^k − 1) + (n − 1) ≤ 15`: two digits take limbs of three bits, four of two, eight of one. Where there are more, eight at
//! a time are first added to a number in binary, by two bootstraps a bit. The carry is exact, and so is the comparison: this is
//! addition in base `2^k`, of which the digits of the sum are never wanted.

use std::collections::BTreeMap;

use num_integer::gcd;

use super::{
    column::{Form, digits},
    filter::{Digit, Threshold},
    params::MAX_SLACK,
};
use crate::Error;

/// Most digits of a score: 64 columns of up to 11 bits, or fewer wider ones.
pub(crate) const MAX_DIGITS: usize = 64;
/// Most terms, of which several may be of one column.
const MAX_TERMS: usize = 256;
/// Digits that one sum of bits takes, its carry beside.
const ADDED: usize = 8;

/// What a column's values score.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Points {
    /// So much for each unit of the value.
    Times(i64),
    /// For each value from 0 on; of a column of up to 11 bits.
    Each(Vec<i64>),
}

impl Points {
    /// What a value scores, if it is one of those that there are points for.
    pub(crate) fn of(&self, value: u64) -> Option<i128> {
        match self {
            Self::Times(weight) => Some(i128::from(*weight) * i128::from(value)),
            Self::Each(points) => points.get(usize::try_from(value).ok()?).copied().map(i128::from),
        }
    }
}

/// The points of each digit, the least of which are 0, and the sum that is to be reached.
#[derive(Debug)]
pub(super) struct Score {
    digits: Vec<(Digit, Vec<u64>)>,
    least: i128,
}

/// What is added up: a digit's points, or a number that gates have made, lowest bit first.
enum Part<'a> {
    Digit(Digit, &'a [u64]),
    Bits(Vec<usize>),
}

impl Part<'_> {
    /// Adds the bits from `low` to `low + bits` to a sum.
    fn add(&self, sum: &mut Threshold, low: u32, bits: u32) {
        let cut = |number: u64| {
            let rest = number.checked_shr(low).unwrap_or(0);
            if bits < 64 { rest & ((1 << bits) - 1) } else { rest }
        };
        match self {
            Part::Digit(digit, points) => {
                let weights: Vec<i64> = points.iter().map(|&points| cut(points) as i64).collect();
                if weights.iter().any(|&weight| weight != 0) {
                    sum.digits.insert(*digit, weights);
                }
            }
            Part::Bits(gates) => {
                let some = gates.iter().enumerate().skip(low as usize).take(bits as usize);
                sum.gates.extend(some.map(|(bit, gate)| (*gate, 1 << (bit as u32 - low))));
            }
        }
    }
}

impl Score {
    /// That a score reaches `least`, or, if not `positive`, that it does not, over columns of these widths.
    ///
    /// # Errors
    /// [`Error::Column`], [`Error::ColumnBits`]; [`Error::Score`] for more digits or greater numbers than there is room for.
    pub(super) fn new(terms: &[(usize, Points)], bits: &[u8], least: i64, positive: bool) -> Result<Self, Error> {
        let refuse = |why: String| Err(Error::Score { why });
        // It is below the bound where its negative is at least 1 − bound.
        let (sign, mut least) = if positive { (1, i128::from(least)) } else { (-1, 1 - i128::from(least)) };
        if terms.len() > MAX_TERMS {
            return refuse(format!("it has {} terms, at most {MAX_TERMS} are added up", terms.len()));
        }
        let mut of_digits: BTreeMap<Digit, Vec<i128>> = BTreeMap::new();
        for (column, points) in terms {
            let width = *bits.get(*column).ok_or(Error::Column { got: *column, columns: bits.len() })?;
            let widths = digits(Form::Digits.check(width)?);
            match points {
                Points::Each(points) if widths.len() > 1 || points.len() != 1 << width => {
                    let (got, expected) = (points.len(), 1u128 << width);
                    return refuse(format!(
                        "column {column} has {expected} values and {got} points are given; of more than 11 bits it takes a factor"
                    ));
                }
                Points::Times(weight) if i128::from(*weight).abs() >= (1 << 62) >> width.min(62) => {
                    return refuse(format!(
                        "a weight of {weight} takes a column of {width} bits beyond 2^62: round it"
                    ));
                }
                Points::Each(points) if points.iter().any(|points| points.unsigned_abs() >= 1 << 62) => {
                    return refuse("a value's points are beyond 2^62: round them".into());
                }
                _ => {}
            }
            let mut before = 0;
            for (digit, &width) in widths.iter().enumerate() {
                let own = of_digits.entry((*column, digit)).or_insert_with(|| vec![0; 1 << width]);
                for (value, own) in own.iter_mut().enumerate() {
                    let value = (value as u64) << before;
                    *own += sign * points.of(value).expect("there are points for every value");
                }
                before += width;
            }
        }
        if of_digits.len() > MAX_DIGITS {
            let got = of_digits.len();
            return refuse(format!("its columns have {got} digits, at most {MAX_DIGITS} are added up"));
        }
        let mut common = 0;
        for points in of_digits.values_mut() {
            let lowest = points.iter().copied().min().unwrap_or(0);
            least -= lowest;
            for points in points {
                *points -= lowest;
                common = gcd(common, *points);
            }
        }
        of_digits.retain(|_, points| points.iter().any(|&points| points != 0));
        let common = common.max(1);
        let least = least.div_euclid(common) + i128::from(least.rem_euclid(common) != 0);
        let most: i128 = of_digits.values().flat_map(|points| points.iter().max()).sum::<i128>() / common;
        if most >= 1 << 62 {
            return refuse("its values differ by 2^62 and more: round its weights".into());
        }
        let whole = |points: Vec<i128>| points.into_iter().map(|points| (points / common) as u64).collect();
        Ok(Self { digits: of_digits.into_iter().map(|(digit, points)| (digit, whole(points))).collect(), least })
    }

    /// At most how many weights its gates have, before they are made.
    pub(super) fn weights(&self) -> usize {
        let values: usize = self.digits.iter().map(|(_, points)| points.len()).sum();
        // The constant that is added may take a bit more.
        let bits = (u64::BITS - self.most().leading_zeros()) as usize + 1;
        values.saturating_mul(1 + bits * if self.digits.len() > ADDED { 2 } else { 1 })
    }

    fn most(&self) -> u64 {
        self.digits.iter().flat_map(|(_, points)| points.iter().max()).sum()
    }

    /// The threshold that it reaches, after the gates that are added; or whether it always does or never.
    pub(super) fn plan(mut self, gates: &mut Vec<Threshold>) -> Result<Threshold, bool> {
        if self.least <= 0 {
            return Err(true);
        }
        if self.least > i128::from(self.most()) {
            return Err(false);
        }
        let least = self.least as u64;
        if let [(digit, points)] = &self.digits[..] {
            let width = points.len().ilog2() as u8;
            return Ok(Threshold::bit(*digit, width, |value| points[value as usize] >= least));
        }
        let bits = match self.digits.len() {
            0..=2 => 3,
            3..=4 => 2,
            _ => 1,
        };
        // The lowest place of the top limb, and what makes the bound a multiple of it.
        let fits = |low: u32| {
            let more = least.next_multiple_of(1 << low) - least;
            let (threshold, most) = ((least + more) >> low, (self.most() + more) >> low);
            let slack = (most - threshold).max(threshold - 1) as i64;
            (slack <= MAX_SLACK).then_some((low, more, threshold as i64, most as i64))
        };
        let found = (0..).step_by(bits as usize).find_map(fits);
        let (low, more, threshold, most) = found.expect("above the greatest number there is one limb");
        self.digits[0].1.iter_mut().for_each(|points| *points += more);
        let mut parts: Vec<Part<'_>> = self.digits.iter().map(|(digit, points)| Part::Digit(*digit, points)).collect();
        while parts.len() > ADDED {
            let some: Vec<Part<'_>> = parts.drain(..ADDED).collect();
            parts.push(binary(&some, gates));
        }
        let mut carry = None;
        for place in (0..low).step_by(bits as usize) {
            let sum = limb(&parts, place, bits, carry);
            gates.push(sum.lookup(|sum| sum >> bits));
            carry = Some(gates.len() - 1);
        }
        let sum = limb(&parts, low, 64, carry);
        Ok(Threshold { threshold, up: most - threshold, down: threshold - 1, ..sum })
    }
}

/// The sum of one limb of each part and of the carry.
fn limb(parts: &[Part<'_>], low: u32, bits: u32, carry: Option<usize>) -> Threshold {
    let mut sum = Threshold::zero();
    parts.iter().for_each(|part| part.add(&mut sum, low, bits));
    sum.gates.extend(carry.map(|carry| (carry, 1)));
    sum
}

/// The sum of up to [`ADDED`] digits' points, in binary.
fn binary(parts: &[Part<'_>], gates: &mut Vec<Threshold>) -> Part<'static> {
    let most = parts.iter().map(|part| match part {
        Part::Digit(_, points) => points.iter().copied().max().unwrap_or(0),
        Part::Bits(gates) => (1 << gates.len()) - 1,
    });
    let length = u64::BITS - most.sum::<u64>().leading_zeros();
    let (mut bits, mut carry) = (Vec::new(), None);
    for place in 0..length {
        let sum = limb(parts, place, 1, carry);
        gates.push(sum.clone().lookup(|sum| sum & 1));
        bits.push(gates.len() - 1);
        gates.push(sum.lookup(|sum| sum >> 1));
        carry = Some(gates.len() - 1);
    }
    // Nothing is carried beyond the greatest sum.
    gates.truncate(gates.len() - usize::from(length > 0));
    Part::Bits(bits)
}
