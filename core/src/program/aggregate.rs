//! Aggregates: the numbers asked of each group.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Ranks of quantiles are counted in millionths.
const MILLION: u32 = 1_000_000;

/// How far the values of a measure lie apart. With n values, their sum S and their sum of squares Q, it is made of
/// d = Q - S²/n.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spread {
    /// The variance estimated from a sample, d / (n - 1): SQL's `var_samp`. Null below two values.
    VarSamp,
    /// The variance of the values themselves, d / n: SQL's `var_pop`. Null without values.
    VarPop,
    /// The square root of [`Spread::VarSamp`].
    StddevSamp,
    /// The square root of [`Spread::VarPop`].
    StddevPop,
}

/// One number asked of each group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// The number of rows.
    Count,
    /// The sum of a measure over the rows where it is not null.
    Sum(String),
    /// The mean of a measure over the rows where it is not null.
    Mean(String),
    /// The variance or standard deviation of a measure over the rows where it is not null.
    Spread {
        /// The measure.
        column: String,
        /// Which one.
        by: Spread,
    },
    /// The rows in each bin of a dimension. Those where it is null are left out.
    Histogram(String),
    /// The first bin of an ordered dimension that holds a row.
    Min(String),
    /// The last bin of an ordered dimension that holds a row.
    Max(String),
    /// The bin of an ordered dimension that a quantile lies in: the first one at whose end the share of rows reaches the
    /// rank, as SQL's `percentile_disc`.
    Quantile {
        /// The dimension.
        column: String,
        /// The rank, from 0 to 1,000,000.
        millionths: u32,
    },
}

/// The kinds of [`Aggregate`], as a policy lists them: each is named after what leaves the owner for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// [`Aggregate::Count`]: the number of rows.
    Count,
    /// [`Aggregate::Sum`]: the sum.
    Sum,
    /// [`Aggregate::Mean`]: the sum, and the number of rows that it is over.
    Mean,
    /// [`Aggregate::Spread`]: what leaves for a mean, and the sum of squares. The cube holds such sums only where this is
    /// allowed.
    Variance,
    /// [`Aggregate::Histogram`], and [`Aggregate::Min`], [`Aggregate::Max`] and [`Aggregate::Quantile`], which the consumer
    /// reads off the histogram: the number of rows in every bin of a dimension.
    Histogram,
}

impl Aggregation {
    /// All of them.
    pub const ALL: [Aggregation; 5] = [Self::Count, Self::Sum, Self::Mean, Self::Variance, Self::Histogram];
}

/// The number of rows.
pub fn count() -> Aggregate {
    Aggregate::Count
}

macro_rules! of_a_column {
    ($($(#[doc = $doc:literal])+ $name:ident => |$column:ident| $aggregate:expr;)+) => {
        $($(#[doc = $doc])+ pub fn $name(column: impl Into<String>) -> Aggregate {
            let $column = column.into();
            $aggregate
        })+
    };
}

of_a_column! {
    /// The sum of a measure.
    sum => |column| Aggregate::Sum(column);
    /// The mean of a measure over the rows where it is not null, which may be fewer than [`count`] counts.
    mean => |column| Aggregate::Mean(column);
    /// The variance of a measure, estimated from its rows as a sample: SQL's `var_samp`.
    variance => |column| Aggregate::Spread { column, by: Spread::VarSamp };
    /// The variance of a measure over its rows: SQL's `var_pop`.
    var_pop => |column| Aggregate::Spread { column, by: Spread::VarPop };
    /// The standard deviation of a measure, estimated from its rows as a sample: SQL's `stddev_samp`.
    stddev => |column| Aggregate::Spread { column, by: Spread::StddevSamp };
    /// The standard deviation of a measure over its rows: SQL's `stddev_pop`.
    stddev_pop => |column| Aggregate::Spread { column, by: Spread::StddevPop };
    /// The rows in each bin of a dimension.
    histogram => |column| Aggregate::Histogram(column);
    /// The lowest bin of an ordered dimension that holds a row.
    min => |column| Aggregate::Min(column);
    /// The highest bin of an ordered dimension that holds a row.
    max => |column| Aggregate::Max(column);
    /// The bin of an ordered dimension that holds the middle row; of an even number, the lower one of the two.
    median => |column| Aggregate::Quantile { column, millionths: MILLION / 2 };
}

/// The bin of an ordered dimension at whose end the share `rank` of the rows is reached. `rank` goes from 0 (the first row) to 1
/// (the last), and is rounded to millionths; another one is refused when the query is asked.
pub fn quantile(column: impl Into<String>, rank: f64) -> Aggregate {
    let millionths = match (0.0..=1.0).contains(&rank) {
        true => (rank * f64::from(MILLION)).round() as u32,
        false => u32::MAX,
    };
    Aggregate::Quantile { column: column.into(), millionths }
}

/// The quantile's rank as a decimal text: `0.9`.
pub(super) fn rank_text(millionths: u32) -> String {
    let text = format!("{}.{:06}", millionths / MILLION, millionths % MILLION);
    text.trim_end_matches('0').trim_end_matches('.').into()
}

impl Spread {
    /// The name of the function that asks for it.
    pub fn name(self) -> &'static str {
        match self {
            Spread::VarSamp => "variance",
            Spread::VarPop => "var_pop",
            Spread::StddevSamp => "stddev",
            Spread::StddevPop => "stddev_pop",
        }
    }
}

impl Aggregate {
    /// Which aggregation it is.
    pub fn aggregation(&self) -> Aggregation {
        match self {
            Aggregate::Count => Aggregation::Count,
            Aggregate::Sum(_) => Aggregation::Sum,
            Aggregate::Mean(_) => Aggregation::Mean,
            Aggregate::Spread { .. } => Aggregation::Variance,
            Aggregate::Histogram(_) | Aggregate::Min(_) | Aggregate::Max(_) | Aggregate::Quantile { .. } => {
                Aggregation::Histogram
            }
        }
    }

    /// The measure that it reads, if any.
    pub fn measure(&self) -> Option<&str> {
        match self {
            Aggregate::Sum(column) | Aggregate::Mean(column) | Aggregate::Spread { column, .. } => Some(column),
            _ => None,
        }
    }

    /// The dimension whose bins it counts, if any.
    pub fn dimension(&self) -> Option<&str> {
        match self {
            Aggregate::Histogram(column)
            | Aggregate::Min(column)
            | Aggregate::Max(column)
            | Aggregate::Quantile { column, .. } => Some(column),
            _ => None,
        }
    }

    /// Whether it goes by the order of a dimension's bins.
    pub(super) fn needs_order(&self) -> bool {
        matches!(self, Aggregate::Min(_) | Aggregate::Max(_) | Aggregate::Quantile { .. })
    }

    /// Whether its rank, if it has one, is one.
    pub(super) fn has_rank(&self) -> bool {
        !matches!(self, Aggregate::Quantile { millionths, .. } if *millionths > MILLION)
    }

    /// The bin that it names, given the rows in each. `None` without rows.
    pub(crate) fn bin(&self, counts: &[i128]) -> Option<usize> {
        // Noise may make counts negative, and their sum.
        let rows: i128 = counts.iter().sum();
        if rows <= 0 {
            return None;
        }
        let wanted = match self {
            Aggregate::Min(_) => 1,
            Aggregate::Max(_) => rows,
            Aggregate::Quantile { millionths, .. } => {
                let (million, share) = (i128::from(MILLION), rows * i128::from(*millionths));
                ((share + million - 1) / million).max(1)
            }
            _ => return None,
        };
        let mut reached = 0;
        counts.iter().position(|count| {
            reached += count;
            reached >= wanted
        })
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aggregate::Count => f.write_str("count"),
            Aggregate::Sum(column) => write!(f, "sum({column})"),
            Aggregate::Mean(column) => write!(f, "mean({column})"),
            Aggregate::Spread { column, by } => write!(f, "{}({column})", by.name()),
            Aggregate::Histogram(column) => write!(f, "histogram({column})"),
            Aggregate::Min(column) => write!(f, "min({column})"),
            Aggregate::Max(column) => write!(f, "max({column})"),
            Aggregate::Quantile { column, millionths } if *millionths == MILLION / 2 => write!(f, "median({column})"),
            Aggregate::Quantile { column, millionths } => write!(f, "quantile({column}, {})", rank_text(*millionths)),
        }
    }
}
