//! The numbers of one column of an answer, exactly as they were decrypted.

use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, ToPrimitive, Zero};
use serde::{Deserialize, Serialize};

use crate::asset::{AssetError, Column, Kind, MAX_SCALE, Value};
use crate::program::{Aggregate, Spread};

/// One bin of a dimension: a category, a boolean, or a range of numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// For people: `"poor"`, `"[20, 40)"`, `"17"`.
    pub label: String,
    /// The smallest value in it.
    pub first: Value,
    /// The largest value in it.
    pub last: Value,
}

impl Bin {
    /// The bins of a column, its null cell left out.
    pub(super) fn all(column: &Column) -> Result<Vec<Self>, AssetError> {
        let bins = 0..column.values()? as u32;
        bins.map(|code| {
            let (first, last) = column.cell_bounds(code).unwrap_or((code.into(), code.into()));
            let label = column.cell_label(code);
            Ok(Self { label, first: column.from_stored(first)?, last: column.from_stored(last)? })
        })
        .collect()
    }
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
    /// Variances or standard deviations, as the exact sums and numbers of rows that they come from.
    Spread {
        /// Which one.
        by: Spread,
        /// The sums, in units of 10^-scale.
        sums: Vec<i128>,
        /// The sums of squares, in units of 10^-(2 scale).
        squares: Vec<i128>,
        /// The rows that they are over.
        rows: Vec<i128>,
        /// Decimal places.
        scale: u8,
    },
    /// Rows in each bin of a dimension.
    Histogram {
        /// The bins.
        bins: Vec<Bin>,
        /// For each group, the rows in each bin.
        counts: Vec<Vec<i128>>,
    },
    /// One bin of a dimension for each group: its minimum, maximum or quantile.
    Bins {
        /// The bins.
        bins: Vec<Bin>,
        /// For each group, the place of its bin among `bins`; `None` for a group without rows.
        chosen: Vec<Option<usize>>,
    },
    /// What an expression makes of other numbers, rounded to the nearest double. `None` is null.
    Computed(Vec<Option<f64>>),
}

impl Numbers {
    /// Whether there is an entry for each of `rows` rows, in units and bins that exist.
    pub(super) fn fits(&self, rows: usize) -> bool {
        let alike = |bins: &[Bin]| {
            let kind = |value: &Value| match value {
                Value::Decimal { scale, .. } => (std::mem::discriminant(value), *scale),
                other => (std::mem::discriminant(other), 0),
            };
            let first = bins.first().map(|bin| kind(&bin.first));
            bins.iter().all(|bin| Some(kind(&bin.first)) == first && Some(kind(&bin.last)) == first)
                && first.is_some_and(|(_, scale)| scale <= MAX_SCALE)
        };
        match self {
            Numbers::Count(values) => values.len() == rows,
            Numbers::Computed(values) => values.len() == rows,
            Numbers::Sum { values, scale } => values.len() == rows && *scale <= MAX_SCALE,
            Numbers::Mean { sums, rows: counts, scale } => {
                sums.len() == rows && counts.len() == rows && *scale <= MAX_SCALE
            }
            Numbers::Spread { sums, squares, rows: counts, scale, .. } => {
                [sums, squares, counts].iter().all(|numbers| numbers.len() == rows) && *scale <= MAX_SCALE
            }
            Numbers::Histogram { bins, counts } => {
                alike(bins) && counts.len() == rows && counts.iter().all(|counts| counts.len() == bins.len())
            }
            Numbers::Bins { bins, chosen } => {
                alike(bins) && chosen.len() == rows && chosen.iter().flatten().all(|bin| *bin < bins.len())
            }
        }
    }

    /// Whether no variance is negative.
    pub(super) fn is_plausible(&self) -> bool {
        self.variances().iter().flatten().all(|variance| !variance.is_negative())
    }

    /// The numbers of an aggregate. `of` gives those of its series, in the plan's order for it, one entry per group.
    pub(super) fn of(
        aggregate: &Aggregate,
        column: Option<&Column>,
        mut of: Vec<Vec<Vec<i128>>>,
    ) -> Result<Self, AssetError> {
        let scale = match column.map(|column| &column.kind) {
            Some(Kind::Decimal { scale, .. }) => *scale,
            _ => 0,
        };
        let mut next = || of.remove(0);
        let mut one = || next().into_iter().flatten().collect::<Vec<_>>();
        let bins = |column: Option<&Column>| column.map_or_else(|| Ok(Vec::new()), Bin::all);
        Ok(match aggregate {
            Aggregate::Count => Numbers::Count(one()),
            Aggregate::Sum(_) => Numbers::Sum { values: one(), scale },
            Aggregate::Mean(_) => Numbers::Mean { sums: one(), rows: one(), scale },
            Aggregate::Spread { by, .. } => {
                Numbers::Spread { by: *by, sums: one(), squares: one(), rows: one(), scale }
            }
            Aggregate::Histogram(_) => Numbers::Histogram { bins: bins(column)?, counts: next() },
            Aggregate::Min(_) | Aggregate::Max(_) | Aggregate::Quantile { .. } => {
                let chosen = next().iter().map(|counts| aggregate.bin(counts)).collect();
                Numbers::Bins { bins: bins(column)?, chosen }
            }
        })
    }

    /// The numbers exactly, where they are rational: all but standard deviations and bins of more than one value.
    fn rationals(&self) -> Vec<Option<BigRational>> {
        let whole = |value: &i128| BigRational::from_integer((*value).into());
        match self {
            Numbers::Count(values) => values.iter().map(|v| Some(whole(v))).collect(),
            Numbers::Sum { values, scale } => values.iter().map(|v| Some(whole(v) / unit(*scale))).collect(),
            Numbers::Mean { sums, rows, scale } => (sums.iter().zip(rows))
                .map(|(sum, rows)| (*rows > 0).then(|| whole(sum) / unit(*scale) / whole(rows)))
                .collect(),
            Numbers::Spread { .. } => {
                let variances = self.variances().into_iter();
                variances.map(|variance| variance.filter(|variance| !variance.is_negative())).collect()
            }
            Numbers::Computed(values) => values.iter().map(|v| v.and_then(BigRational::from_float)).collect(),
            Numbers::Histogram { counts, .. } => vec![None; counts.len()],
            Numbers::Bins { bins, chosen } => chosen
                .iter()
                .map(|bin| {
                    let bin = bins.get((*bin)?).filter(|bin| bin.first == bin.last)?;
                    match bin.first {
                        Value::Integer(value) => Some(whole(&value.into())),
                        Value::Decimal { mantissa, scale } => Some(whole(&mantissa.into()) / unit(scale)),
                        _ => None,
                    }
                })
                .collect(),
        }
    }

    /// What an expression calculates with: the exact numbers, and of a standard deviation the double.
    pub(super) fn values(&self) -> Vec<Option<BigRational>> {
        match self {
            Numbers::Spread { by: Spread::StddevSamp | Spread::StddevPop, .. } => {
                self.to_f64().into_iter().map(|deviation| deviation.and_then(BigRational::from_float)).collect()
            }
            _ => self.rationals(),
        }
    }

    /// (n Q - S²) / (n (n - 1)), or / n² for populations.
    fn variances(&self) -> Vec<Option<BigRational>> {
        let Numbers::Spread { by, sums, squares, rows, scale } = self else { return Vec::new() };
        let variance = |((sum, squares), rows): ((&i128, &i128), &i128)| {
            let [sum, squares, rows] = [sum, squares, rows].map(|number| BigInt::from(*number));
            let less = match by {
                Spread::VarSamp | Spread::StddevSamp => &rows - 1,
                Spread::VarPop | Spread::StddevPop => rows.clone(),
            };
            let divisor = &rows * less;
            (rows.is_positive() && !divisor.is_zero())
                .then(|| BigRational::new(&rows * squares - &sum * &sum, divisor) / unit(*scale) / unit(*scale))
        };
        sums.iter().zip(squares).zip(rows).map(variance).collect()
    }

    /// The numbers as floating point. `None` for the mean of no rows, a variance of too few or that noise makes negative, and what is no number: a
    /// histogram, or a bin of more than one value.
    ///
    /// Each is the exact number, rounded once to the nearest double; a standard deviation is the root of that, rounded again.
    pub fn to_f64(&self) -> Vec<Option<f64>> {
        let rounded = self.rationals().into_iter().map(|number| number.and_then(|n| n.to_f64()));
        match self {
            Numbers::Spread { by: Spread::StddevSamp | Spread::StddevPop, .. } => {
                rounded.map(|variance| variance.map(f64::sqrt)).collect()
            }
            _ => rounded.collect(),
        }
    }
}

fn unit(scale: u8) -> BigRational {
    BigRational::from_integer(BigInt::from(10).pow(scale.into()))
}
