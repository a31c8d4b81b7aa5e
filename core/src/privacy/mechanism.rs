//! How much noise a loss takes, and how far it reaches.

use super::{Loss, PrivacyError};

/// Denominator of a Gaussian's scale per unit of sensitivity.
const GRID: u128 = 1 << 20;
/// Added in proportion before rounding up, for the floating point that the scale is computed in.
const SLACK: f64 = 1e-12;
/// How many scales a number is held within, times the root of the cells that it sums: passed with probability e^-45 for one
/// cell of Laplace noise.
const REACH: f64 = 45.0;

/// Noise that spends one loss over so many series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mechanism {
    loss: Loss,
    series: usize,
}

/// The scale of one series' noise, `numer / denom`: b of the discrete Laplace distribution, or σ of the discrete Gaussian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    pub(crate) numer: u128,
    pub(crate) denom: u128,
    pub(crate) gaussian: bool,
}

impl Mechanism {
    pub(crate) fn new(loss: Loss, series: usize) -> Self {
        Self { loss, series }
    }

    /// The scale for a series in which a row changes one cell by at most `sensitivity`.
    pub(crate) fn scale(&self, sensitivity: u64) -> Scale {
        let (sensitivity, series) = (u128::from(sensitivity), self.series.max(1) as u128);
        match self.loss.delta {
            None => {
                let numer = sensitivity * series * 1_000_000;
                Scale { numer, denom: self.loss.epsilon.micros().into(), gaussian: false }
            }
            Some(delta) => {
                let (epsilon, log) = (self.loss.epsilon.to_f64(), -delta.to_f64().ln());
                // √(log + ε) - √log without the difference of two near numbers.
                let root_rho = epsilon / ((log + epsilon).sqrt() + log.sqrt());
                let sigma = (series as f64 / 2.0).sqrt() / root_rho;
                let units = (sigma * GRID as f64 * (1.0 + SLACK)).ceil() as u128;
                Scale { numer: sensitivity * units, denom: GRID, gaussian: true }
            }
        }
    }
}

impl Scale {
    fn to_f64(self) -> f64 {
        self.numer as f64 / self.denom as f64
    }

    /// Standard deviation of one cell's noise. For the discrete Gaussian, σ, which bounds it (Canonne, Kamath, Steinke,
    /// corollary 9).
    pub(crate) fn deviation(self) -> f64 {
        let scale = self.to_f64();
        if self.gaussian || scale == 0.0 {
            return scale;
        }
        // The variance is 2p/(1-p)² with p = e^(-1/b), which is 1/(2·sinh²(1/2b)).
        std::f64::consts::FRAC_1_SQRT_2 / (0.5 / scale).sinh()
    }

    /// Adds noise to each value, and holds the results within `-limit..=limit`.
    ///
    /// # Errors
    /// [`PrivacyError::NoSampler`] without the feature `dp`; [`PrivacyError::Sampler`].
    pub(crate) fn add_to(self, values: &mut [i64], limit: i64) -> Result<(), PrivacyError> {
        #[cfg(feature = "dp")]
        return super::sampler::add(values, self, limit);
        #[cfg(not(feature = "dp"))]
        return {
            let _ = (values, limit);
            Err(PrivacyError::NoSampler)
        };
    }

    /// What the sum of so many cells' noise stays within, but for a probability that is none.
    pub(crate) fn reach(self, cells: u64) -> u128 {
        (self.to_f64() * REACH * (cells.max(1) as f64).sqrt()).ceil() as u128
    }
}

/// How far noise moves one of the numbers that an answer is made of, in the column's units.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NumberError {
    /// The number: `count`, `sum(visits)`, or `count(visits)` for the rows that have a value.
    pub name: String,
    /// Standard deviation where the filter picks a single cell.
    pub cell_deviation: f64,
    /// Noisy cells that a row of the answer sums at most.
    pub cells: u64,
    /// Standard deviation where the filter picks all of them.
    pub deviation: f64,
    /// What the error stays within with a probability of at least 95 %, at the most cells.
    pub half_width: f64,
}

impl NumberError {
    pub(crate) fn new(name: String, scale: Scale, cells: u64, unit: f64) -> Self {
        let cell_deviation = scale.deviation() / unit;
        let deviation = cell_deviation * (cells as f64).sqrt();
        // ln(20)/√2 deviations hold 95 % of one Laplace, and more of a sum, which nears the Gaussian's 1.96; discrete noise
        // moves by whole steps.
        let quantile = if scale.gaussian { 1.96 } else { 20f64.ln() * std::f64::consts::FRAC_1_SQRT_2 };
        let half_width = if scale.numer == 0 { 0.0 } else { deviation * quantile + 1.0 / unit };
        Self { name, cell_deviation, cells, deviation, half_width }
    }
}
