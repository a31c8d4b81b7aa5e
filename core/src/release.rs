//! Release: the result on its way to the consumer, and the answer in the consumer's hands.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use arrow::record_batch::RecordBatch;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Digest;
use crate::asset::{Kind, MAX_SCALE, Schema};
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::cube::{CubeError, entry_bits};
use crate::envelope::{EnvelopeError, RecipientKey, RecipientPublicKey};
use crate::error::{Classify, ErrorKind};
use crate::job::JobId;
use crate::policy::Policy;
use crate::program::{Aggregate, Plan, Series};
use crate::receipt::ReceiptError;

/// Largest encrypted answer that is computed, in bytes: about 2,000 numbers of two limbs each.
pub const MAX_ANSWER_BYTES: usize = 64 << 20;
/// Largest encoding of a sealed result, in bytes.
pub const MAX_RESULT_BYTES: usize = MAX_ANSWER_BYTES + (64 << 10);
const VERSION: u64 = 1;
/// What a result key seals is bound to.
const INFO: &[u8] = b"sealock/v1/result";

/// Why a result could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReleaseError {
    /// Bytes that are no sealed result.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The receipt is not the owner's, or not about this result.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// Sealed to somebody else, or changed since.
    #[error("the result was not sealed to this request's key, or was changed since")]
    NotForThisKey,
    /// The result key is no key.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The encrypted answer does not fit the request.
    #[error(transparent)]
    Encryption(#[from] sealock_fhe::Error),
    /// The schema does not fit the plan.
    #[error(transparent)]
    Cube(#[from] CubeError),
    /// The numbers are none that the asset could give.
    #[error("the answer is not one of this asset: {count} rows in a group, of at most {max_rows} in all")]
    Implausible {
        /// What the answer counts.
        count: i128,
        /// The asset's bound.
        max_rows: u64,
    },
    /// The answer leaves the range that its type has room for.
    #[error("the answer's {column} does not fit its Arrow type: {why}")]
    Arrow {
        /// The column.
        column: String,
        /// What Arrow says.
        why: String,
    },
}

impl Classify for ReleaseError {
    fn kind(&self) -> ErrorKind {
        match self {
            ReleaseError::Codec(e) => e.kind(),
            ReleaseError::Receipt(e) => e.kind(),
            ReleaseError::NotForThisKey => ErrorKind::WrongKey,
            ReleaseError::Envelope(e) => e.kind(),
            ReleaseError::Encryption(_) => ErrorKind::Encryption,
            ReleaseError::Cube(e) => e.kind(),
            ReleaseError::Implausible { .. } | ReleaseError::Arrow { .. } => ErrorKind::OutOfDomain,
        }
    }
}

/// A result as it travels: the encrypted answer, sealed once more with HPKE (RFC 9180) to the request's result key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedResult {
    version: u64,
    job: JobId,
    encapsulated: ByteBuf,
    ciphertext: ByteBuf,
}

impl SealedResult {
    /// Seals an answer to a request's result key.
    pub(crate) fn seal(job: JobId, key: [u8; 32], answer: &[u8]) -> Result<Self, ReleaseError> {
        let key = RecipientPublicKey::from_bytes(key);
        let (encapsulated, ciphertext) = key.seal(INFO, job.digest().as_bytes(), answer)?;
        let (encapsulated, ciphertext) = (ByteBuf::from(encapsulated), ByteBuf::from(ciphertext));
        Ok(Self { version: VERSION, job, encapsulated, ciphertext })
    }

    /// Length of the encoding of a sealed answer of so many bytes.
    pub(crate) fn encoded_len(answer: usize) -> Result<usize, ReleaseError> {
        let (key, tag) = (32, 16); // of X25519 and AES-GCM
        let blank = Self {
            version: VERSION,
            job: JobId(Digest::from_bytes([0; 32])),
            encapsulated: ByteBuf::from(vec![0; key]),
            ciphertext: ByteBuf::from(vec![0; answer + tag]),
        };
        Ok(blank.to_bytes()?.len())
    }

    /// Opens what [`SealedResult::seal`] sealed.
    pub(crate) fn unseal(&self, key: &RecipientKey) -> Result<Vec<u8>, ReleaseError> {
        key.open(&self.encapsulated, INFO, self.job.digest().as_bytes(), &self.ciphertext)
            .map_err(|_| ReleaseError::NotForThisKey)
    }

    /// The job that it answers.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`ReleaseError::Codec`] if it has no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ReleaseError> {
        Ok(to_canonical("sealed result", self)?)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_RESULT_BYTES`].
    ///
    /// # Errors
    /// [`ReleaseError::Codec`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ReleaseError> {
        let result: SealedResult = from_canonical("sealed result", bytes, MAX_RESULT_BYTES)?;
        if result.version != VERSION {
            let got = result.version;
            return Err(CodecError::UnsupportedVersion { what: "sealed result", got, known: VERSION }.into());
        }
        Ok(result)
    }

    /// The digest that the receipt names the result by.
    ///
    /// # Errors
    /// As [`SealedResult::to_bytes`].
    pub fn digest(&self) -> Result<Digest, ReleaseError> {
        Ok(result_digest(&self.to_bytes()?))
    }
}

pub(crate) fn result_digest(bytes: &[u8]) -> Digest {
    Digest::of("sealock/v1/sealed-result", &[bytes])
}

/// Signed width in bits of each number of an answer: `group * series + s`, as in
/// [`ProtectedCube::marginal`](crate::cube::ProtectedCube::marginal).
///
/// # Errors
/// [`CubeError`] if a sum could leave 63 bits.
pub(crate) fn value_bits(schema: &Schema, policy: &Policy, plan: &Plan, max_rows: u64) -> Result<Vec<u8>, CubeError> {
    let widths = plan
        .series()
        .iter()
        .map(|s| Ok(entry_bits(schema, policy, plan, s, max_rows)? as u8 + 1))
        .collect::<Result<Vec<_>, CubeError>>()?;
    Ok(widths.iter().copied().cycle().take(widths.len() * plan.groups()).collect())
}

/// The numbers of one aggregate, one entry per group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Numbers {
    /// Rows.
    Count(Vec<i128>),
    /// Sums, in units of 10^-scale.
    Sum {
        /// The sums.
        values: Vec<i128>,
        /// Decimal places.
        scale: u8,
    },
    /// Means, as the exact sums and numbers of rows that they come from.
    Mean {
        /// The sums, in units of 10^-scale.
        sums: Vec<i128>,
        /// The rows that they are over.
        rows: Vec<i128>,
        /// Decimal places.
        scale: u8,
    },
}

impl Numbers {
    /// Whether there is an entry for each of `rows` rows, in units that exist.
    fn fits(&self, rows: usize) -> bool {
        match self {
            Numbers::Count(values) => values.len() == rows,
            Numbers::Sum { values, scale } => values.len() == rows && *scale <= MAX_SCALE,
            Numbers::Mean { sums, rows: counts, scale } => {
                sums.len() == rows && counts.len() == rows && *scale <= MAX_SCALE
            }
        }
    }

    /// The numbers as floating point. The mean of no rows is `None`, and so is one whose noise makes them less than one.
    pub fn to_f64(&self) -> Vec<Option<f64>> {
        let unit = |scale: u8| 10f64.powi(i32::from(scale));
        match self {
            Numbers::Count(values) => values.iter().map(|v| Some(*v as f64)).collect(),
            Numbers::Sum { values, scale } => values.iter().map(|v| Some(*v as f64 / unit(*scale))).collect(),
            Numbers::Mean { sums, rows, scale } => sums
                .iter()
                .zip(rows)
                .map(|(sum, rows)| (*rows > 0).then(|| *sum as f64 / unit(*scale) / *rows as f64))
                .collect(),
        }
    }
}

/// The answer to a query: a table with one row per group.
///
/// Groups that hold no row, or too few for the policy, show zeros and empty means: the two cannot be told apart. Where the
/// policy draws noise, counts can be negative.
///
/// It is the consumer's own: its serialised form, in formats that have integers of 128 bits such as JSON, is checked for its
/// shape alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "AnswerForm")]
pub struct Answer {
    groups: Vec<(String, Vec<Option<String>>)>,
    columns: Vec<(String, Numbers)>,
    rows: usize,
}

/// An [`Answer`] that has not been checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnswerForm {
    groups: Vec<(String, Vec<Option<String>>)>,
    columns: Vec<(String, Numbers)>,
    rows: usize,
}

impl TryFrom<AnswerForm> for Answer {
    type Error = CodecError;

    fn try_from(form: AnswerForm) -> Result<Self, CodecError> {
        let AnswerForm { groups, columns, rows } = form;
        let whole = rows > 0
            && groups.iter().all(|(_, labels)| labels.len() == rows)
            && columns.iter().all(|(_, numbers)| numbers.fits(rows));
        if !whole {
            let why = format!("its columns do not have one entry for each of {rows} rows");
            return Err(CodecError::Malformed { what: "answer", why });
        }
        Ok(Self { groups, columns, rows })
    }
}

impl Answer {
    pub(crate) fn assemble(
        schema: &Schema,
        policy: &Policy,
        plan: &Plan,
        max_rows: u64,
        numbers: &[i128],
    ) -> Result<Self, ReleaseError> {
        // Noise leaves nothing impossible: the numbers only have their width.
        let exact = policy.noise().is_none();
        for (number, series) in numbers.iter().zip(plan.series().iter().cycle()) {
            let counts = matches!(series, Series::Count | Series::Valid(_));
            if exact && counts && !(0..=i128::from(max_rows)).contains(number) {
                return Err(ReleaseError::Implausible { count: *number, max_rows });
            }
        }
        let series = plan.series();
        let of = |wanted: &Series| -> Vec<i128> {
            let s = series.iter().position(|s| s == wanted);
            s.map_or_else(Vec::new, |s| numbers.iter().skip(s).step_by(series.len()).copied().collect())
        };
        let scale = |column: &str| {
            Ok::<_, CubeError>(match schema.column(column)?.kind {
                Kind::Decimal { scale, .. } => scale,
                _ => 0,
            })
        };
        let columns = plan
            .aggregates()
            .iter()
            .map(|aggregate| {
                let numbers = match aggregate {
                    Aggregate::Count => Numbers::Count(of(&Series::Count)),
                    Aggregate::Sum(c) => Numbers::Sum { values: of(&Series::Sum(c.clone())), scale: scale(c)? },
                    Aggregate::Mean(c) => Numbers::Mean {
                        sums: of(&Series::Sum(c.clone())),
                        rows: of(&plan.divisor(schema, c)?),
                        scale: scale(c)?,
                    },
                };
                Ok((aggregate.to_string(), numbers))
            })
            .collect::<Result<Vec<_>, CubeError>>()?;
        let mut groups = Vec::with_capacity(plan.group_by().len());
        let mut stride = plan.groups();
        for name in plan.group_by() {
            let column = schema.column(name).map_err(CubeError::from)?;
            let size = column.cells().map_err(CubeError::from)? as usize;
            stride /= size;
            let label = |cell: usize| {
                let null = column.nullable && cell + 1 == size;
                (!null).then(|| column.cell_label(cell as u32))
            };
            let labels = (0..plan.groups()).map(|g| label(g / stride % size)).collect();
            groups.push((name.clone(), labels));
        }
        Ok(Self { groups, columns, rows: plan.groups() })
    }

    /// Number of rows: groups, or one.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no row. An answer has at least one.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The label of each group in a grouping column; `None` for the rows where it is null.
    pub fn group(&self, column: &str) -> Option<&[Option<String>]> {
        self.groups.iter().find(|(name, _)| name == column).map(|(_, labels)| labels.as_slice())
    }

    /// The numbers of an aggregate, by its name: `count`, `sum(visits)`, `mean(visits)`.
    pub fn numbers(&self, aggregate: &str) -> Option<&Numbers> {
        self.columns.iter().find(|(name, _)| name == aggregate).map(|(_, numbers)| numbers)
    }

    /// The answer as an Arrow table: grouping columns as nullable text, counts as 64-bit integers, sums as decimals, means as
    /// nullable doubles.
    ///
    /// # Errors
    /// [`ReleaseError::Arrow`] if a number does not fit.
    pub fn to_record_batch(&self) -> Result<RecordBatch, ReleaseError> {
        let arrow = |column: &str, why: String| ReleaseError::Arrow { column: column.into(), why };
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (name, labels) in &self.groups {
            fields.push(Field::new(name, DataType::Utf8, true));
            arrays.push(Arc::new(StringArray::from(labels.clone())));
        }
        for (name, numbers) in &self.columns {
            let (kind, nullable, array): (DataType, bool, ArrayRef) = match numbers {
                Numbers::Count(values) => {
                    let values: Result<Vec<i64>, _> = values.iter().map(|v| i64::try_from(*v)).collect();
                    let values = values.map_err(|e| arrow(name, e.to_string()))?;
                    (DataType::Int64, false, Arc::new(Int64Array::from(values)))
                }
                Numbers::Sum { values, scale } => {
                    let array = Decimal128Array::from(values.clone())
                        .with_precision_and_scale(38, *scale as i8)
                        .map_err(|e| arrow(name, e.to_string()))?;
                    (DataType::Decimal128(38, *scale as i8), false, Arc::new(array))
                }
                Numbers::Mean { .. } => (DataType::Float64, true, Arc::new(Float64Array::from(numbers.to_f64()))),
            };
            fields.push(Field::new(name, kind, nullable));
            arrays.push(array);
        }
        RecordBatch::try_new(Arc::new(ArrowSchema::new(fields)), arrays).map_err(|e| arrow("table", e.to_string()))
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batch = self.to_record_batch().map_err(|_| fmt::Error)?;
        let table = arrow::util::pretty::pretty_format_batches(&[batch]).map_err(|_| fmt::Error)?;
        write!(f, "{table}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let columns = vec![
            ("count".into(), Numbers::Count(vec![3, i128::MAX])),
            ("mean(x)".into(), Numbers::Mean { sums: vec![-7, 0], rows: vec![2, 0], scale: 1 }),
        ];
        Answer { groups: vec![("plan".into(), vec![Some("free".into()), None])], columns, rows: 2 }
    }

    #[test]
    fn an_answer_survives_json_and_one_of_another_shape_is_refused() {
        let text = serde_json::to_string(&answer()).unwrap();
        assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer());
        for (good, bad) in
            [("\"rows\":2}", "\"rows\":3}"), ("[2,0]", "[2]"), ("\"scale\":1", "\"scale\":99"), ("\"free\",", "")]
        {
            assert!(text.contains(good), "{text}");
            assert!(serde_json::from_str::<Answer>(&text.replace(good, bad)).is_err(), "{bad}");
        }
    }
}
