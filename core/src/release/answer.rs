//! The answer in the consumer's hands.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::datatypes::{DataType, Field, Schema as ArrowSchema};
use arrow::record_batch::RecordBatch;
use num_traits::ToPrimitive;
use serde::{Deserialize, Serialize};

use super::{Numbers, ReleaseError};
use crate::asset::Schema;
use crate::codec::CodecError;
use crate::cube::CubeError;
use crate::program::{Aggregate, Expr, Output, Plan, Series};

/// The answer to a query: a table with one row per group.
///
/// Groups that hold no row, or too few for the policy, show zeros and no means or bins: the two cannot be told apart. Where the
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
    /// Makes an answer of its numbers. Noise leaves nothing impossible: unless they are `exact`, they only have their width.
    pub(crate) fn assemble(
        schema: &Schema,
        exact: bool,
        plan: &Plan,
        max_rows: u64,
        numbers: &[i128],
    ) -> Result<Self, ReleaseError> {
        for (number, series) in numbers.iter().zip(plan.numbers().cycle()) {
            let counts = matches!(series, Series::Count | Series::Valid(_) | Series::Bins(_));
            if exact && counts && !(0..=i128::from(max_rows)).contains(number) {
                return Err(ReleaseError::Implausible { count: *number, max_rows });
            }
        }
        let mut columns = Vec::with_capacity(plan.aggregates().len());
        for aggregate in plan.aggregates() {
            let name = aggregate.measure().or(aggregate.dimension());
            let column = name.map(|name| schema.column(name)).transpose().map_err(CubeError::from)?;
            let of = |(first, count): (usize, usize)| -> Vec<Vec<i128>> {
                numbers.chunks_exact(plan.width()).map(|group| group[first..first + count].to_vec()).collect()
            };
            let places = plan.places(schema, aggregate).map_err(CubeError::from)?;
            let numbers = Numbers::of(aggregate, column, places.into_iter().map(of).collect());
            let numbers = numbers.map_err(CubeError::from)?;
            if exact && !numbers.is_plausible() {
                return Err(ReleaseError::ImplausibleSquares { aggregate: aggregate.to_string() });
            }
            columns.push((aggregate.to_string(), numbers));
        }
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

    /// The same groups with what `outputs` make of the numbers.
    pub(crate) fn select(self, outputs: &[Output]) -> Self {
        let of = |aggregate: &Aggregate| self.numbers(&aggregate.to_string());
        let compute = |expr: &Expr| -> Numbers {
            let used: BTreeMap<_, _> = (expr.aggregates().into_iter())
                .map(|aggregate| (aggregate, of(aggregate).map_or_else(Vec::new, Numbers::values)))
                .collect();
            let row = |row: usize| expr.evaluate(&|aggregate| used.get(aggregate)?.get(row)?.clone());
            Numbers::Computed((0..self.rows).map(|r| row(r).and_then(|value| value.to_f64())).collect())
        };
        let columns = outputs.iter().map(|Output { name, expr }| {
            let numbers = expr.as_aggregate().and_then(of).cloned().unwrap_or_else(|| compute(expr));
            (name.clone(), numbers)
        });
        let columns = columns.collect();
        Self { groups: self.groups, columns, rows: self.rows }
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

    /// The numbers of a column, by its name: `count`, `sum(visits)`, `median(age)`, or an alias.
    pub fn numbers(&self, aggregate: &str) -> Option<&Numbers> {
        self.columns.iter().find(|(name, _)| name == aggregate).map(|(_, numbers)| numbers)
    }

    /// Every grouping column, with its labels.
    #[cfg(all(feature = "server", feature = "ocean"))]
    pub(crate) fn groups(&self) -> &[(String, Vec<Option<String>>)] {
        &self.groups
    }

    /// Every column of numbers.
    #[cfg(all(feature = "server", feature = "ocean"))]
    pub(crate) fn columns(&self) -> &[(String, Numbers)] {
        &self.columns
    }

    /// The answer as an Arrow table: grouping columns as nullable text, counts as 64-bit integers, sums as decimals, means,
    /// variances and standard deviations as nullable doubles. A minimum, maximum or quantile is a nullable struct of the text
    /// `bin` and, for numbers, of `first` and `last`, the smallest and the largest value in the bin; a histogram is a list of
    /// such structs with a `count` each.
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
            let (array, nullable) = numbers.to_array().map_err(|e| arrow(name, e.to_string()))?;
            fields.push(Field::new(name, array.data_type().clone(), nullable));
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
