//! What a model says of vectors.

use super::{ModelError, ModelInfo, ModelKind};
use crate::asset::Value;

/// The scores of vectors, and what follows from them. The consumer's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    info: ModelInfo,
    scores: Vec<i128>,
}

impl Prediction {
    /// Invariant: whole vectors of scores.
    pub(crate) fn of(info: &ModelInfo, scores: Vec<i128>) -> Self {
        Self { info: info.clone(), scores }
    }

    /// How many vectors were scored.
    pub fn len(&self) -> usize {
        self.scores.len() / self.info.scores()
    }

    /// Whether none was, which never is.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The public part of the model that scored them.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The exact scores in units of 10^-scale: vectors × [`ModelInfo::scores`], vector after vector.
    pub fn scores(&self) -> &[i128] {
        &self.scores
    }

    /// Decimal places of the scores.
    pub fn scale(&self) -> u8 {
        self.info.scale
    }

    /// The scores as floating point, in the same order.
    pub fn to_f64(&self) -> Vec<f64> {
        let unit = 10f64.powi(self.info.scale.into());
        self.scores.iter().map(|score| *score as f64 / unit).collect()
    }

    /// The probability of each class: vectors × classes, vector after vector. The logistic function of the score for two
    /// classes, the softmax of the scores for more.
    ///
    /// # Errors
    /// [`ModelError::NoClasses`] for a linear model.
    pub fn probabilities(&self) -> Result<Vec<f64>, ModelError> {
        let scores = self.to_f64();
        match self.info.kind {
            ModelKind::Linear => Err(ModelError::NoClasses { what: "probabilities" }),
            ModelKind::Logistic => Ok(scores.iter().flat_map(|&score| [logistic(-score), logistic(score)]).collect()),
            ModelKind::Multinomial => Ok(scores.chunks(self.info.scores()).flat_map(softmax).collect()),
        }
    }

    /// The most probable class of each vector, by the exact scores; of several that are equally so, the first.
    ///
    /// # Errors
    /// [`ModelError::NoClasses`] for a linear model.
    pub fn labels(&self) -> Result<Vec<&Value>, ModelError> {
        let of = |scores: &[i128]| match self.info.kind {
            ModelKind::Linear => Err(ModelError::NoClasses { what: "labels" }),
            ModelKind::Logistic => Ok(&self.info.outputs[usize::from(scores[0] > 0)]),
            ModelKind::Multinomial => {
                let best = scores.iter().enumerate().rev().max_by_key(|(_, score)| **score);
                Ok(&self.info.outputs[best.map_or(0, |(class, _)| class)])
            }
        };
        self.scores.chunks(self.info.scores()).map(of).collect()
    }
}

fn logistic(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let parts: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = parts.iter().sum();
    parts.iter().map(|part| part / sum).collect()
}
