//! Feature vectors, in the consumer's hands.

use zeroize::Zeroizing;

use super::info::constant_scale;
use super::{ModelError, feature};
use crate::Digest;
use crate::asset::Schema;

/// Feature vectors in stored units, each value rounded to its feature's decimal places. Wiped when dropped.
pub struct Vectors {
    schema: Digest,
    features: usize,
    units: Zeroizing<Vec<i64>>,
    constant: i64,
}

impl Vectors {
    /// Rounds `values`, vector after vector in the order of the model's features, to the declared decimal places: halves
    /// away from zero, exactly as the shortest decimal that reads back as the number.
    ///
    /// # Errors
    /// [`ModelError::OutOfRange`] for the first value that is outside its range or no number; [`ModelError::Count`] unless
    /// the values are whole vectors, at least one.
    pub fn new(features: &Schema, values: &[f64]) -> Result<Self, ModelError> {
        Self::make(features, values, false)
    }

    /// As [`Vectors::new`], with what is outside its range moved to the nearest end of it. The model then scores another
    /// vector than was asked about.
    ///
    /// # Errors
    /// As [`Vectors::new`]: NaN is outside every range and has no nearest end.
    pub fn clipped(features: &Schema, values: &[f64]) -> Result<Self, ModelError> {
        Self::make(features, values, true)
    }

    fn make(features: &Schema, values: &[f64], clip: bool) -> Result<Self, ModelError> {
        let columns = features.columns();
        if values.is_empty() || !values.len().is_multiple_of(columns.len()) {
            let expected = values.len().div_ceil(columns.len()).max(1) * columns.len();
            return Err(ModelError::Count { what: "values, whole vectors", expected, got: values.len() });
        }
        let declared = columns.iter().map(feature).collect::<Result<Vec<_>, _>>()?;
        let mut units = Zeroizing::new(Vec::with_capacity(values.len()));
        for (at, &value) in values.iter().enumerate() {
            let (vector, at) = (at / columns.len(), at % columns.len());
            units.push(declared[at].units(value, clip).ok_or_else(|| ModelError::OutOfRange {
                vector,
                feature: columns[at].name.clone(),
                expected: declared[at].to_string(),
                got: value,
            })?);
        }
        let constant = 10i64.pow(constant_scale(features)?.into());
        Ok(Self { schema: features.digest(), features: columns.len(), units, constant })
    }

    /// How many there are; at least one.
    pub fn len(&self) -> usize {
        self.units.len() / self.features
    }

    /// Whether there is none, which never is.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// The digest of the schema that they were made for.
    pub(crate) fn schema(&self) -> Digest {
        self.schema
    }

    /// The vectors in units, each with the constant feature after its own.
    pub(crate) fn weights(&self) -> Zeroizing<Vec<i64>> {
        let mut weights = Zeroizing::new(Vec::with_capacity(self.len() * (self.features + 1)));
        for vector in self.units.chunks(self.features) {
            weights.extend_from_slice(vector);
            weights.push(self.constant);
        }
        weights
    }
}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vectors({} of {} features)", self.len(), self.features)
    }
}
