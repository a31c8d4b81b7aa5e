//! Differential privacy: what an answer may say about one row, in numbers.
//!
//! A policy may ask for noise, [`per job`](crate::policy::Policy::epsilon) or
//! [`once for all`](crate::policy::Policy::protected_cube). It is off unless a policy says so.
//!
//! **What is promised.** Two tables are neighbours if one has one row more than the other. A mechanism is (ε, δ)-private if
//! for all neighbours `T`, `T'` and all sets `S` of outputs, `Pr[M(T) ∈ S] ≤ e^ε · Pr[M(T') ∈ S] + δ` (Dwork, McSherry,
//! Nissim, Smith, *Calibrating noise to sensitivity in private data analysis*, TCC 2006). **The unit is a row**: somebody who
//! has k rows is protected with k·ε only. What the asset publishes beside its answers is taken as known: schema, policy, and
//! the number of rows rounded up to a power of two; and whoever sees the store sees how long the ciphertext is.
//!
//! **What is drawn.** The cells of a cube are disjoint: a row is in one. For each series that is asked for, every cell gets
//! noise of its own, the empty ones too, so that which cells hold rows is hidden as well. A row changes, in each of n series,
//! at most one cell: a count by 1, a sum by at most the largest magnitude Δ that the schema and
//! [`clamp`](crate::policy::Policy::clamp) leave to a value.
//!
//! - *Without δ*, discrete Laplace noise, `Pr[x] ∝ e^(-|x|/b)`, of scale `b = Δ·n/ε` (Ghosh, Roughgarden, Sundararajan,
//!   *Universally utility-maximizing privacy mechanisms*, STOC 2009). The probability of any series' cells changes by a factor
//!   of at most `e^(Δ/b) = e^(ε/n)` between neighbours; the cells of one series compose in parallel, as the row is in one of
//!   them, and the n series one after the other: `e^ε`. `b` is an exact fraction.
//! - *With δ*, discrete Gaussian noise, `Pr[x] ∝ e^(-x²/2σ²)`, of `σ = Δ·√(n/2ρ)` (Canonne, Kamath, Steinke, *The discrete
//!   Gaussian for differential privacy*, NeurIPS 2020, theorem 4: each series is (Δ²/2σ²)-concentrated, the n of them add up to
//!   ρ). ρ-concentrated privacy is (ρ + 2√(ρ·ln(1/δ)), δ)-privacy (Bun, Steinke, *Concentrated differential privacy*, TCC 2016,
//!   proposition 1.3), so `√ρ = √(ln(1/δ) + ε) - √(ln(1/δ))`. `σ/Δ` is rounded up to a fraction.
//!
//! Everything after that is computed from the noisy cells alone, and cannot reveal more: cells whose *noisy* count is below
//! `min_group_size` become 0 (the count is drawn for that even where it is not asked for; exact counts would leak), numbers are
//! held within a width that depends on public values, the consumer's encrypted weights pick cells. So a hidden query may be
//! anything.
//!
//! **Per job**, noise is drawn for the cells that the job's plan asks about, which are coarser than the base cube's and fewer,
//! and ε is charged when the job is admitted, in the transaction that spends its use. The answer is stored before it leaves,
//! and a repeated request gets that one. Jobs compose: after m of them, (m·ε, m·δ). The node cannot tell which order a job
//! comes from, as requests are unlinkable; an order is held to its budget by its number of uses, which is checked when the
//! asset is published. **Once for all**, the base cube gets its noise when the data is published; it is kept, sealed with the
//! data's key, and every answer is a sum of its cells. A re-encryption carries it over, and other data is charged anew.
//!
//! **What is not promised.** Nothing here is against an owner who wants to leak. Two assets with the same people compose, and
//! nobody counts that but their owner. A download is the data itself. How long a job takes depends on the noise, by
//! microseconds among seconds.
//!
//! The noise is OpenDP's (feature `dp`): exact sampling over the integers, no floating point in what is drawn. Its generator,
//! built without OpenSSL, is `rand` 0.7's `ThreadRng`: ChaCha20, seeded and reseeded by the operating system.

mod mechanism;
#[cfg(feature = "dp")]
mod sampler;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use mechanism::NumberError;
pub(crate) use mechanism::{Mechanism, Scale};

use crate::asset::Value;
use crate::error::{Classify, ErrorKind};

/// Most noisy numbers that are drawn at a time: cells times series.
pub const MAX_NOISY_NUMBERS: u64 = 1 << 22;

/// What is wrong with a budget, or kept noise from being drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivacyError {
    /// No ε.
    #[error("{got:?} is no privacy loss: expected a decimal from 0.000001 to 1000, with at most six places")]
    Epsilon {
        /// What was given.
        got: String,
    },
    /// No δ.
    #[error("{got:?} is no δ: expected a decimal above 0 and below 1, with at most twelve places")]
    Delta {
        /// What was given.
        got: String,
    },
    /// This build draws no noise.
    #[error("the policy asks for noise, and this build of Sealock draws none")]
    NoSampler,
    /// The sampler failed.
    #[error("noise could not be drawn: {0}")]
    Sampler(String),
}

impl Classify for PrivacyError {
    fn kind(&self) -> ErrorKind {
        match self {
            PrivacyError::Epsilon { .. } | PrivacyError::Delta { .. } => ErrorKind::InvalidArgument,
            PrivacyError::NoSampler => ErrorKind::UnsupportedProgram,
            PrivacyError::Sampler(_) => ErrorKind::Io,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            PrivacyError::Epsilon { .. } => Some("values from 0.1 to 10 are usual; smaller is more private".into()),
            PrivacyError::Delta { .. } => Some("choose it far below one over the number of rows".into()),
            PrivacyError::NoSampler => Some("build it with the feature dp".into()),
            PrivacyError::Sampler(_) => None,
        }
    }
}

macro_rules! parts {
    ($(#[doc = $doc:literal])+ $name:ident($unit:ident, $of:ident), $places:literal, $most:literal) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u64", into = "u64")]
        pub struct $name(u64);

        impl $name {
            /// The value in its unit.
            pub const fn $unit(self) -> u64 {
                self.0
            }

            /// A value in its unit.
            ///
            /// # Errors
            #[doc = concat!("[`PrivacyError::", stringify!($name), "`] outside its range.")]
            pub fn $of(units: u64) -> Result<Self, PrivacyError> {
                match units {
                    1..=$most => Ok(Self(units)),
                    _ => Err(PrivacyError::$name { got: shown(units, $places) }),
                }
            }

            /// The nearest floating-point number.
            pub fn to_f64(self) -> f64 {
                self.0 as f64 / 10f64.powi($places)
            }
        }

        impl FromStr for $name {
            type Err = PrivacyError;
            fn from_str(text: &str) -> Result<Self, PrivacyError> {
                let bad = || PrivacyError::$name { got: text.chars().take(40).collect() };
                let units = Value::decimal(text).and_then(|value| value.number()?.exact($places));
                let units = u64::try_from(units.ok_or_else(bad)?).map_err(|_| bad())?;
                Self::$of(units).map_err(|_| bad())
            }
        }

        impl TryFrom<u64> for $name {
            type Error = PrivacyError;
            fn try_from(units: u64) -> Result<Self, PrivacyError> {
                Self::$of(units)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> u64 {
                value.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&shown(self.0, $places))
            }
        }
    };
}

parts! {
    /// A privacy loss ε, exact: from 0.000001 to 1000, in millionths. Parsed from a decimal: `"0.5".parse()`.
    Epsilon(micros, from_micros), 6, 1_000_000_000
}
parts! {
    /// A probability δ with which ε may be passed, exact: above 0 and below 1, in units of 10^-12.
    Delta(trillionths, from_trillionths), 12, 999_999_999_999
}

/// Units of 10^-places as a decimal without zeros at its end.
fn shown(units: u64, places: usize) -> String {
    let one = 10u64.pow(places as u32);
    let fraction = format!("{:0places$}", units % one);
    format!("{}.{}", units / one, fraction).trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What one release may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The privacy loss.
    pub epsilon: Epsilon,
    /// With what probability it may be passed; never, if none.
    pub delta: Option<Delta>,
}

/// When noise is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Anew for each job, at this loss each.
    PerJob(Loss),
    /// Once for the data, at this loss, however many jobs there are.
    Cube(Loss),
}

impl Noise {
    /// What is lost by one release: a job's, or the cube's.
    pub fn loss(&self) -> Loss {
        match self {
            Noise::PerJob(loss) | Noise::Cube(loss) => *loss,
        }
    }
}

/// The privacy rules of a policy: see its methods of the same names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rules {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epsilon: Option<Epsilon>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epsilon_per_order: Option<Epsilon>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epsilon_per_asset: Option<Epsilon>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delta: Option<Delta>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) protected_cube: Option<Epsilon>,
}

impl Rules {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn noise(&self) -> Option<Noise> {
        let loss = |epsilon| Loss { epsilon, delta: self.delta };
        let per_job = self.epsilon.map(|epsilon| Noise::PerJob(loss(epsilon)));
        per_job.or(self.protected_cube.map(|epsilon| Noise::Cube(loss(epsilon))))
    }

    /// What of the rules cannot be meant.
    pub(crate) fn contradiction(&self) -> Option<String> {
        let Some(noise) = self.noise() else {
            let without = "it limits a privacy loss, and draws no noise: set epsilon or protected_cube";
            return (!self.is_none()).then(|| without.into());
        };
        let asked = noise.loss().epsilon;
        if self.epsilon.is_some() && self.protected_cube.is_some() {
            return Some("it draws noise for each job and once for all: set epsilon or protected_cube".into());
        }
        if self.protected_cube.is_some() && self.epsilon_per_order.is_some() {
            return Some("orders of a protected cube spend nothing: leave out epsilon_per_order".into());
        }
        let limits = [("epsilon_per_order", self.epsilon_per_order), ("epsilon_per_asset", self.epsilon_per_asset)];
        let small = limits.into_iter().find_map(|(name, limit)| Some((name, limit.filter(|limit| *limit < asked)?)));
        small.map(|(name, limit)| format!("{name} is {limit}, less than the {asked} of one release"))
    }
}

/// What an asset has spent of its budget, as its owner's node has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// Spent by the jobs that were admitted, or by protected cubes that were made, in millionths of ε.
    pub spent_micros: u64,
    /// What the policy allows in all, if it limits it.
    pub limit: Option<Epsilon>,
}

impl Budget {
    /// What is left, in millionths of ε, if there is a limit.
    pub fn left_micros(&self) -> Option<u64> {
        self.limit.map(|limit| limit.micros().saturating_sub(self.spent_micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_exact_decimals() {
        for (text, micros) in [("0.5", 500_000), ("1e-6", 1), ("1000", 1_000_000_000), ("0.300000", 300_000)] {
            assert_eq!(text.parse::<Epsilon>().unwrap().micros(), micros, "{text}");
        }
        for bad in ["0", "-1", "0.0000001", "1000.000001", "inf", "", "NaN", "1/3"] {
            assert!(matches!(bad.parse::<Epsilon>(), Err(PrivacyError::Epsilon { .. })), "{bad}");
        }
        assert_eq!("1e-9".parse::<Delta>().unwrap().trillionths(), 1000);
        assert!("1".parse::<Delta>().is_err() && "0".parse::<Delta>().is_err());
        assert_eq!("0.100".parse::<Epsilon>().unwrap().to_string(), "0.1");
        assert_eq!("20".parse::<Epsilon>().unwrap().to_string(), "20");
        assert!(serde_json::from_str::<Epsilon>("0").is_err());
    }

    #[test]
    fn rules_that_cannot_be_meant_are_told() {
        let e = |text: &str| Some(text.parse::<Epsilon>().unwrap());
        let bad = [
            Rules { epsilon_per_asset: e("1"), ..Rules::default() },
            Rules { epsilon: e("1"), protected_cube: e("1"), ..Rules::default() },
            Rules { protected_cube: e("1"), epsilon_per_order: e("1"), ..Rules::default() },
            Rules { epsilon: e("1"), epsilon_per_asset: e("0.9"), ..Rules::default() },
        ];
        for rules in bad {
            assert!(rules.contradiction().is_some(), "{rules:?}");
        }
        let good = Rules { epsilon: e("1"), epsilon_per_order: e("1"), epsilon_per_asset: e("1"), ..Rules::default() };
        assert_eq!((good.contradiction(), Rules::default().contradiction()), (None, None));
    }
}
