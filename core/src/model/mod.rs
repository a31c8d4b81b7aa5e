//! Private inference: a linear model that scores encrypted feature vectors, exactly.
//!
//! An owner publishes a [`Model`] as it publishes a table: encrypted, with a datatoken, a policy and terms. A consumer
//! rounds its feature vectors to the declared decimal places ([`Vectors`]), encrypts them as the signed weights of a sealed
//! query ([`sealock_fhe::linear`]) and proves that some order pays; the owner's node multiplies with its coefficients and
//! releases re-randomised, flooded answers; the consumer decrypts exact integers and makes scores, probabilities and
//! labels of them ([`Prediction`]).
//!
//! **Arithmetic.** Feature `j` has `s_j` decimal places and is the integer `X_j`, in units of 10^-s_j. Scores have `K`. The
//! coefficient `w_j` becomes the integer `C_j = round(w_j · 10^(K − s_j))`, so that a score is `Σ C_j·X_j` in units of 10^-K.
//! The intercept is the coefficient of one more feature, which always is 1 and has as many decimal places as the widest
//! feature has room for. Nothing else is rounded: [`Prediction::scores`] equals what the model gives in the clear to the last
//! digit, and [`Model::error_bound`] bounds how far both are from the model that was quantised.
//!
//! **Who learns what.** The owner's node learns that some order pays for so many vectors; neither features nor scores. The
//! consumer learns its scores, and of the coefficients what these tell. Everybody learns the public part ([`ModelInfo`] and
//! the schema of the features).
//!
//! **Extraction.** A linear score tells one linear equation about the coefficients: **whoever gets `d + 1` vectors scored
//! has a model of `d` features and an intercept exactly**, and one who has probabilities instead has the scores by
//! taking the logarithm. A consumer that does not follow the protocol may encrypt any weights, and reads several coefficients
//! from one vector: [`ModelInfo::vectors_to_extract`] says how many vectors it needs. No encryption prevents this: it is what an answer is. What limits it is how many vectors are answered at all:
//! [`Policy::allow_inference`](crate::policy::Policy::allow_inference) says how many a job may have,
//! [`Policy::max_jobs`](crate::policy::Policy::max_jobs) and the terms of an order how many jobs there are. Keep their product
//! well below that where the coefficients must stay secret, and know that buyers can join what they were told.

mod error;
mod info;
mod prediction;
mod program;
mod vectors;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

pub use error::ModelError;
pub use info::ModelInfo;
pub use prediction::Prediction;
pub use program::Inference;
pub use vectors::Vectors;

use crate::Digest;
use crate::asset::number::{Number, stored_text};
use crate::asset::{Column, Kind, Schema, Value};
use crate::codec::{CodecError, from_canonical, to_canonical};
use info::constant_scale;

/// Widest coefficients, in bits.
pub const MAX_COEFFICIENT_BITS: u8 = 62;
/// Most decimal places of scores.
pub const MAX_SCORE_SCALE: u8 = 36;
/// Most outputs of a model.
pub const MAX_OUTPUTS: usize = 1024;
/// Longest canonical encoding of a model, in bytes.
pub const MAX_MODEL_BYTES: usize = Schema::MAX_BYTES + (16 << 20);
const VERSION: u64 = 1;
const WHAT: &str = "model";

/// What is made of the scores of a vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ModelKind {
    /// They are the prediction, one for each target: least squares, ridge, lasso and the like.
    Linear,
    /// One score: the logarithm of the odds of the second class against the first.
    Logistic,
    /// One score per class, whose softmax is the probabilities.
    Multinomial,
}

/// How finely coefficients are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precision {
    bits: u8,
    scale: Option<u8>,
}

impl Precision {
    /// Coefficients of so many signed bits, 2 to [`MAX_COEFFICIENT_BITS`], and scores of as many decimal places as that
    /// allows. More bits make answers longer.
    pub const fn bits(bits: u8) -> Self {
        Self { bits, scale: None }
    }

    /// Scores of so many decimal places, at most [`MAX_SCORE_SCALE`], which then tell nothing of the coefficients.
    #[must_use]
    pub const fn scale(self, scale: u8) -> Self {
        Self { scale: Some(scale), ..self }
    }
}

impl Default for Precision {
    /// 32 bits.
    fn default() -> Self {
        Self::bits(32)
    }
}

/// A feature's declaration: decimal places and range in units.
#[derive(Clone, Copy)]
struct Feature {
    scale: u8,
    min: i64,
    max: i64,
}

impl Feature {
    /// A value rounded to units; none if it is outside the range and not to be clipped, or no number.
    fn units(&self, value: f64, clip: bool) -> Option<i64> {
        let units = match Number::from_f64(value).and_then(|number| number.rounded(self.scale.into())) {
            Some(units) => units,
            None if value.is_nan() => return None,
            // Beyond 64 bits.
            None if value < 0.0 => i64::MIN,
            None => i64::MAX,
        };
        (clip || (self.min..=self.max).contains(&units)).then(|| units.clamp(self.min, self.max))
    }

    /// The largest absolute value, as a number.
    fn largest(&self) -> f64 {
        self.min.unsigned_abs().max(self.max.unsigned_abs()) as f64 * unit(self.scale)
    }
}

impl std::fmt::Display for Feature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a number from {} to {}", stored_text(self.min, self.scale), stored_text(self.max, self.scale))
    }
}

/// Reads a column as a feature.
fn feature(column: &Column) -> Result<Feature, ModelError> {
    let refuse = |why| Err(ModelError::Feature { feature: column.name.clone(), why });
    if column.nullable {
        return refuse("a model has no value for one that is missing");
    }
    match column.kind {
        Kind::Boolean => Ok(Feature { scale: 0, min: 0, max: 1 }),
        Kind::Integer { min, max } => Ok(Feature { scale: 0, min, max }),
        Kind::Decimal { scale, min, max } => Ok(Feature { scale, min, max }),
        Kind::Category { .. } => refuse("a category is no number"),
        Kind::Text => refuse("a text is no number"),
    }
}

/// 10^-scale.
fn unit(scale: u8) -> f64 {
    10f64.powi(-i32::from(scale))
}

/// A linear model with integer coefficients, in its owner's hands.
///
/// Invariant: the public part fits the features, there is one coefficient for each feature and score and one intercept for
/// each score, and all fit the declared width. Debug shows the public part. The numbers are wiped when dropped.
pub struct Model {
    info: ModelInfo,
    features: Schema,
    /// Scores × features.
    coefficients: Zeroizing<Vec<i64>>,
    intercepts: Zeroizing<Vec<i64>>,
}

/// A model's form as bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    version: u64,
    info: ModelInfo,
    features: Schema,
    coefficients: Vec<i64>,
    intercepts: Vec<i64>,
}

impl Drop for Row {
    fn drop(&mut self) {
        self.coefficients.zeroize();
        self.intercepts.zeroize();
    }
}

impl Model {
    /// A model that predicts numbers: `targets × features` coefficients, target after target, and one intercept for each
    /// target.
    ///
    /// # Errors
    /// [`ModelError`]: a feature that is no number with a range, a number of coefficients that does not fit, a coefficient
    /// that is not finite or too wide, and numbers so wide that the encryption has no room for them.
    pub fn linear<T: Into<Value>>(
        features: Schema,
        targets: impl IntoIterator<Item = T>,
        coefficients: &[f64],
        intercepts: &[f64],
        precision: Precision,
    ) -> Result<Self, ModelError> {
        Self::quantise(ModelKind::Linear, features, targets, coefficients, intercepts, precision)
    }

    /// A model that tells two classes apart: its score is the logarithm of the odds of the second.
    ///
    /// # Errors
    /// As [`Model::linear`].
    pub fn logistic<T: Into<Value>>(
        features: Schema,
        classes: [T; 2],
        coefficients: &[f64],
        intercept: f64,
        precision: Precision,
    ) -> Result<Self, ModelError> {
        Self::quantise(ModelKind::Logistic, features, classes, coefficients, &[intercept], precision)
    }

    /// A model that tells classes apart by the softmax of one score for each: `classes × features` coefficients, class after
    /// class, and one intercept for each class.
    ///
    /// # Errors
    /// As [`Model::linear`].
    pub fn multinomial<T: Into<Value>>(
        features: Schema,
        classes: impl IntoIterator<Item = T>,
        coefficients: &[f64],
        intercepts: &[f64],
        precision: Precision,
    ) -> Result<Self, ModelError> {
        Self::quantise(ModelKind::Multinomial, features, classes, coefficients, intercepts, precision)
    }

    fn quantise<T: Into<Value>>(
        kind: ModelKind,
        features: Schema,
        outputs: impl IntoIterator<Item = T>,
        coefficients: &[f64],
        intercepts: &[f64],
        precision: Precision,
    ) -> Result<Self, ModelError> {
        let outputs = outputs.into_iter().map(Into::into).collect();
        let Precision { bits: coefficient_bits, scale } = precision;
        let mut info = ModelInfo { kind, outputs, scale: scale.unwrap_or(MAX_SCORE_SCALE), coefficient_bits };
        info.check(&features)?;
        check_counts(&info, &features, coefficients.len(), intercepts.len())?;
        // A column of the matrix: the feature's decimal places, and its name.
        let columns = features.columns().iter().map(|column| Ok((feature(column)?.scale, column.name.as_str())));
        let columns = columns.collect::<Result<Vec<_>, ModelError>>()?;
        let constant = (constant_scale(&features)?, "the intercept");
        let rounded = |values: &[f64], columns: &[(u8, &str)], info: &ModelInfo| {
            let mut units = Zeroizing::new(Vec::with_capacity(values.len()));
            for (at, &value) in values.iter().enumerate() {
                let (output, (places, name)) = (at / columns.len(), columns[at % columns.len()]);
                if !value.is_finite() {
                    return Err(ModelError::NotFinite { feature: name.into(), output, got: value });
                }
                let number = Number::from_f64(value).and_then(|n| n.rounded(i32::from(info.scale) - i32::from(places)));
                units.push(number.filter(|units| fits(*units, info.coefficient_bits)).ok_or_else(|| {
                    let (bits, scale) = (info.coefficient_bits, info.scale);
                    ModelError::TooWide { feature: name.into(), output, bits, scale }
                })?);
            }
            Ok(units)
        };
        let (coefficients, intercepts) = loop {
            let both = rounded(coefficients, &columns, &info)
                .and_then(|units| Ok((units, rounded(intercepts, &[constant], &info)?)));
            match both {
                Err(ModelError::TooWide { .. }) if scale.is_none() && info.scale > 0 => info.scale -= 1,
                other => break other?,
            }
        };
        Ok(Self { info, features, coefficients, intercepts })
    }

    /// The public part.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The features, in the order of a vector.
    pub fn features(&self) -> &Schema {
        &self.features
    }

    /// The scores of vectors, in the clear: vectors × scores, in units of 10^-scale.
    ///
    /// # Errors
    /// [`ModelError::OtherModel`] for vectors that were made for other features.
    pub fn predict(&self, vectors: &Vectors) -> Result<Prediction, ModelError> {
        if vectors.schema() != self.features.digest() {
            return Err(ModelError::OtherModel);
        }
        let rows = self.rows();
        let weights = vectors.weights();
        let scores = weights.chunks(self.features.columns().len() + 1).flat_map(|vector| {
            rows.iter().map(move |row| row.iter().zip(vector).map(|(&c, &x)| i128::from(c) * i128::from(x)).sum())
        });
        Ok(Prediction::of(&self.info, scores.collect()))
    }

    /// For each score, a bound on how far it is from that of the model that was quantised, evaluated in double precision at
    /// any vector within the declared ranges: what rounding the features, rounding the coefficients, and floating point
    /// can do together. Of vectors that have no more decimal places than declared, at most about half of it.
    ///
    /// With `c = C·10^(s − K)` and `x̂` for what `w` and `x` were rounded to, `|Σ c·x̂ − Σ w·x| ≤ Σ |c|·|x̂ − x| + |c − w|·|x|`.
    pub fn error_bound(&self) -> Vec<f64> {
        let constant = constant_scale(&self.features).expect("the features were checked");
        let declared = self.features.columns().iter().map(|column| feature(column).expect("the features were checked"));
        // Of the constant feature nothing is rounded.
        let columns: Vec<(u8, f64, f64)> = declared
            .map(|feature| (feature.scale, feature.largest(), unit(feature.scale) / 2.0))
            .chain([(constant, 1.0, 0.0)])
            .collect();
        let epsilon = (columns.len() as f64 + 4.0) * f64::EPSILON;
        let bound = |row: &Zeroizing<Vec<i64>>| -> f64 {
            let term = |(&c, &(scale, largest, rounding)): (&i64, &(u8, f64, f64))| {
                let step = 10f64.powi(i32::from(scale) - i32::from(self.info.scale));
                let coefficient = c.unsigned_abs() as f64 * step;
                coefficient * rounding + step / 2.0 * largest + (coefficient + step) * largest * epsilon
            };
            row.iter().zip(&columns).map(term).sum()
        };
        self.rows().iter().map(bound).collect()
    }

    /// The rows of the matrix: for each score its coefficients, and the intercept last.
    pub(crate) fn rows(&self) -> Vec<Zeroizing<Vec<i64>>> {
        let of = |(row, intercept): (&[i64], &i64)| Zeroizing::new([row, &[*intercept]].concat());
        self.coefficients.chunks(self.features.columns().len()).zip(self.intercepts.iter()).map(of).collect()
    }

    /// Canonical DAG-CBOR, coefficients and all.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] above [`MAX_MODEL_BYTES`].
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, ModelError> {
        let row = Row {
            version: VERSION,
            info: self.info.clone(),
            features: self.features.clone(),
            coefficients: self.coefficients.to_vec(),
            intercepts: self.intercepts.to_vec(),
        };
        let bytes = Zeroizing::new(to_canonical(WHAT, &row)?);
        if bytes.len() > MAX_MODEL_BYTES {
            return Err(CodecError::TooLarge { what: WHAT, got: bytes.len(), limit: MAX_MODEL_BYTES }.into());
        }
        Ok(bytes)
    }

    /// Reads what [`Model::to_bytes`] wrote, and checks it as [`Model::linear`] does.
    ///
    /// # Errors
    /// [`ModelError`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let mut row: Row = from_canonical(WHAT, bytes, MAX_MODEL_BYTES)?;
        if row.version != VERSION {
            return Err(CodecError::UnsupportedVersion { what: WHAT, got: row.version, known: VERSION }.into());
        }
        let [coefficients, intercepts] =
            [&mut row.coefficients, &mut row.intercepts].map(|numbers| Zeroizing::new(std::mem::take(numbers)));
        let (info, features) = (row.info.clone(), row.features.clone());
        info.check(&features)?;
        check_counts(&info, &features, coefficients.len(), intercepts.len())?;
        if let Some(at) = coefficients.iter().chain(intercepts.iter()).position(|c| !fits(*c, info.coefficient_bits)) {
            let why = format!("number {at} does not fit the declared {} bits", info.coefficient_bits);
            return Err(CodecError::Malformed { what: WHAT, why }.into());
        }
        Ok(Self { info, features, coefficients, intercepts })
    }

    /// The digest of its canonical form. It is no secret's hiding place: whoever guesses the coefficients can check them.
    ///
    /// # Errors
    /// As [`Model::to_bytes`].
    pub fn digest(&self) -> Result<Digest, ModelError> {
        Ok(Digest::of("sealock/v1/model", &[&self.to_bytes()?]))
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (features, scores) = (self.features.columns().len(), self.info.scores());
        write!(f, "Model({:?}, {features} features, {scores} scores)", self.info.kind)
    }
}

impl PartialEq for Model {
    fn eq(&self, other: &Self) -> bool {
        (&self.info, &self.features) == (&other.info, &other.features)
            && (&self.coefficients, &self.intercepts) == (&other.coefficients, &other.intercepts)
    }
}

/// Whether a number fits so many signed bits.
fn fits(units: i64, bits: u8) -> bool {
    let half = 1i64 << (bits - 1);
    (-half..half).contains(&units)
}

fn check_counts(info: &ModelInfo, features: &Schema, coefficients: usize, intercepts: usize) -> Result<(), ModelError> {
    let scores = info.scores();
    for (what, expected, got) in [
        ("coefficients, scores × features", scores * features.columns().len(), coefficients),
        ("intercepts, one for each score", scores, intercepts),
    ] {
        if expected != got {
            return Err(ModelError::Count { what, expected, got });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
