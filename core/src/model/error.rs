//! Why a model or its inputs are refused.

use super::{MAX_COEFFICIENT_BITS, MAX_OUTPUTS, MAX_SCORE_SCALE};
use crate::asset::AssetError;
use crate::codec::CodecError;
use crate::error::{Classify, ErrorKind};

/// Why a model cannot be made or applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The features are no schema.
    #[error(transparent)]
    Asset(#[from] AssetError),
    /// Bytes that are no model.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A feature that is no number with a range, or one that may be missing.
    #[error("feature {feature:?}: {why}")]
    Feature {
        /// The feature.
        feature: String,
        /// What is wrong with its declaration.
        why: &'static str,
    },
    /// Something has not as many entries as it must.
    #[error("expected {expected} {what}, got {got}")]
    Count {
        /// Coefficients, intercepts, classes, values.
        what: &'static str,
        /// How many there must be.
        expected: usize,
        /// How many came.
        got: usize,
    },
    /// No output, or too many.
    #[error("expected 1 to {MAX_OUTPUTS} outputs, got {got}")]
    Outputs {
        /// How many came.
        got: usize,
    },
    /// Two outputs have the same name.
    #[error("the output {name} is named twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// A coefficient or an intercept is not finite.
    #[error("the coefficient of {feature} for output {output} is {got}, which is no finite number")]
    NotFinite {
        /// The feature, or the intercept.
        feature: String,
        /// The output, counted from 0.
        output: usize,
        /// What came.
        got: f64,
    },
    /// A coefficient does not fit the declared width at the declared scale.
    #[error(
        "the coefficient of {feature} for output {output} does not fit {bits} signed bits where scores have {scale} decimal \
         places"
    )]
    TooWide {
        /// The feature, or the intercept.
        feature: String,
        /// The output, counted from 0.
        output: usize,
        /// The declared width.
        bits: u8,
        /// Decimal places of the scores.
        scale: u8,
    },
    /// A declared precision is out of range.
    #[error(
        "coefficients of {bits} bits and scores of {scale} decimal places were declared; 2 to {MAX_COEFFICIENT_BITS} bits \
         and at most {MAX_SCORE_SCALE} places are supported"
    )]
    Precision {
        /// The declared width.
        bits: u8,
        /// The declared decimal places.
        scale: u8,
    },
    /// The encrypted product has no room for numbers so wide.
    #[error("{features} features of {bits} bits with coefficients of {coefficient_bits} bits: {source}")]
    NoRoom {
        /// How many features there are.
        features: usize,
        /// The width of the widest, in units.
        bits: u8,
        /// The width of the coefficients.
        coefficient_bits: u8,
        /// What the encryption says.
        source: sealock_fhe::Error,
    },
    /// The answer for one vector would be too large to release.
    #[error("the answer for one vector would have {got} bytes, at most {limit} are released")]
    AnswerTooLarge {
        /// Its length.
        got: usize,
        /// The most.
        limit: usize,
    },
    /// A value lies outside its feature's declared range.
    #[error("vector {vector}: {feature:?} is {got}, expected {expected}")]
    OutOfRange {
        /// Which of the vectors, counted from 0.
        vector: usize,
        /// The feature.
        feature: String,
        /// The range.
        expected: String,
        /// What came.
        got: f64,
    },
    /// The vectors were made for another model.
    #[error("the vectors were made for a model with other features")]
    OtherModel,
    /// The asset is no model.
    #[error("the asset {did} is a table, which answers queries and no inference")]
    NoModel {
        /// The asset.
        did: String,
    },
    /// A model has no labels, or no probabilities.
    #[error("a linear model has no classes, and so no {what}")]
    NoClasses {
        /// Labels or probabilities.
        what: &'static str,
    },
}

impl Classify for ModelError {
    fn kind(&self) -> ErrorKind {
        match self {
            ModelError::Asset(e) => e.kind(),
            ModelError::Codec(e) => e.kind(),
            ModelError::OutOfRange { .. } => ErrorKind::OutOfDomain,
            ModelError::NoRoom { .. } => ErrorKind::Encryption,
            ModelError::AnswerTooLarge { .. } => ErrorKind::TooLarge,
            ModelError::OtherModel => ErrorKind::SchemaMismatch,
            ModelError::NoModel { .. } => ErrorKind::InvalidProgram,
            _ => ErrorKind::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            ModelError::Asset(e) => return e.hint(),
            ModelError::Codec(e) => return e.hint(),
            ModelError::Feature { .. } => {
                "declare an integer, a decimal or a boolean column that is not nullable; encode categories as numbers"
                    .into()
            }
            ModelError::TooWide { .. } => {
                "declare more bits for the coefficients, or fewer decimal places for the scores".into()
            }
            ModelError::AnswerTooLarge { .. } => {
                "publish several models of fewer outputs, or of narrower coefficients".into()
            }
            ModelError::NoRoom { .. } => "declare narrower ranges or fewer decimal places for the features".into(),
            ModelError::OutOfRange { .. } => {
                "check the value, or clip: a clipped value is scored as the nearest end of the range".into()
            }
            ModelError::OtherModel => "make them from the asset's own schema".into(),
            ModelError::NoModel { .. } => "request a query from it".into(),
            ModelError::NoClasses { .. } => "read its scores".into(),
            ModelError::NotFinite { .. } => "fit the model again: a model with such numbers predicts nothing".into(),
            _ => return None,
        })
    }
}
