//! What everybody may know of a model.

use std::collections::HashSet;

use sealock_fhe::linear::{SealedAnswer, Shape, Weights};
use serde::{Deserialize, Serialize};

use super::{Feature, MAX_COEFFICIENT_BITS, MAX_OUTPUTS, MAX_SCORE_SCALE, ModelError, ModelKind, feature};
use crate::Digest;
use crate::asset::{Schema, Value};
use crate::codec::to_canonical;
use crate::release::MAX_ANSWER_BYTES;

/// The public part of a model, beside the schema of its features: kind, outputs, and how its numbers are written down.
///
/// It tells no coefficient. The scale tells about how large the largest is, where it was chosen by
/// [`Precision::bits`](super::Precision::bits).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelInfo {
    /// What is made of the scores.
    pub kind: ModelKind,
    /// The names of the targets of a linear model, the classes of others.
    pub outputs: Vec<Value>,
    /// Decimal places of the scores: they are in units of 10^-scale.
    pub scale: u8,
    /// Signed width of the coefficients in units, in bits.
    pub coefficient_bits: u8,
}

impl ModelInfo {
    /// How many numbers the model makes of a vector: one per target, one for two classes, or one per class.
    pub fn scores(&self) -> usize {
        if self.kind == ModelKind::Logistic { 1 } else { self.outputs.len() }
    }

    /// Checks it by itself and against the schema of the features.
    pub(crate) fn check(&self, features: &Schema) -> Result<(), ModelError> {
        let &ModelInfo { kind, ref outputs, scale, coefficient_bits: bits } = self;
        if !(2..=MAX_COEFFICIENT_BITS).contains(&bits) || scale > MAX_SCORE_SCALE {
            return Err(ModelError::Precision { bits, scale });
        }
        if outputs.is_empty() || outputs.len() > MAX_OUTPUTS {
            return Err(ModelError::Outputs { got: outputs.len() });
        }
        match kind {
            ModelKind::Logistic if outputs.len() != 2 => {
                return Err(ModelError::Count { what: "classes", expected: 2, got: outputs.len() });
            }
            ModelKind::Multinomial if outputs.len() < 2 => {
                return Err(ModelError::Count { what: "classes or more", expected: 2, got: outputs.len() });
            }
            _ => {}
        }
        let mut seen = HashSet::new();
        if let Some(twice) = outputs.iter().find(|output| !seen.insert(*output)) {
            return Err(ModelError::Twice { name: twice.to_string() });
        }
        let shape = self.one(features)?;
        let (got, limit) = (SealedAnswer::encoded_len(&shape), MAX_ANSWER_BYTES);
        if got > limit {
            return Err(ModelError::AnswerTooLarge { got, limit });
        }
        Ok(())
    }

    /// The shape of the product for one vector.
    fn one(&self, features: &Schema) -> Result<Shape, ModelError> {
        let (bits, coefficient_bits) = (weight_bits(features)?, self.coefficient_bits);
        let features_len = features.columns().len();
        self.shape(features, 1).map_err(|source| ModelError::NoRoom {
            features: features_len,
            bits,
            coefficient_bits,
            source,
        })
    }

    /// The fewest vectors after which a consumer that does not keep to the protocol may have read every coefficient of the
    /// model, by counting bits.
    ///
    /// A coefficient is cut into limbs, which are summed and decrypted by themselves, and of each sum a consumer that chooses
    /// its ciphertexts reads up to as many bits as stand above the flooding, of any coefficients that it likes. With fewer
    /// vectors it has fewer bits than the coefficients of all scores have together. That is a bound for who knows nothing else
    /// of the model; how to read as fast as that is not known for all of them.
    ///
    /// # Errors
    /// Those of a model's constructors, for features of another model.
    pub fn vectors_to_extract(&self, features: &Schema) -> Result<usize, ModelError> {
        let shape = self.one(features)?;
        let coefficients = shape.cells() * usize::from(self.coefficient_bits);
        Ok(coefficients.div_ceil(shape.most_bits_read() as usize))
    }

    /// The shape of the encrypted product for so many vectors. Invariant: for one it is within the limits.
    pub(crate) fn shape(&self, features: &Schema, vectors: usize) -> Result<Shape, sealock_fhe::Error> {
        let bits = weight_bits(features).map_err(|_| sealock_fhe::Error::Shape { what: "model" })?;
        let cells = features.columns().len() + 1;
        Shape::batch(vectors, cells, Weights::Signed { bits }, &vec![self.coefficient_bits; self.scores()])
    }

    pub(crate) fn digest(&self) -> Digest {
        let bytes = to_canonical("model description", self).expect("its numbers are integers, and its keys are texts");
        Digest::of("sealock/v1/model-info", &[&bytes])
    }
}

/// Signed width of the widest feature in units, in bits; at least 2, so that the constant feature fits.
pub(crate) fn weight_bits(features: &Schema) -> Result<u8, ModelError> {
    features.columns().iter().try_fold(2, |widest, column| {
        let Feature { min, max, .. } = feature(column)?;
        let bits = |v: i64| 65 - if v < 0 { (!v).leading_zeros() } else { v.leading_zeros() } as u8;
        Ok(bits(min).max(bits(max)).max(widest))
    })
}

/// Decimal places of the constant feature that intercepts are multiplied with: as many as fit the widest feature.
pub(crate) fn constant_scale(features: &Schema) -> Result<u8, ModelError> {
    let most = (1u64 << (weight_bits(features)? - 1)) - 1;
    Ok(most.ilog10() as u8)
}
