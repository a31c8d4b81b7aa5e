//! The data cube: what is left of a table for a sealed query.
//!
//! The rows are folded once into one *base cube* over all the columns that the policy lets be filtered or grouped by. The
//! policy's suppression is applied to it, once. Every answer of the asset is a marginal of that one suppressed cube:
//! suppressing each coarser cube by itself would let two answers differ by exactly one small cell.
//!
//! Under a [privacy loss](crate::privacy) noise takes the place of suppression: in the base cube, once, or in each marginal.
//!
//! A cube is dense, or sparse where few of the combinations hold rows: what it takes of memory is in proportion to the smaller
//! of the two, and to the number of measures.
//!
//! The types keep the order: a [`Cube`] can only be protected, and only a [`ProtectedCube`] has marginals.

mod fold;
mod marginal;
mod noise;
mod suppress;
#[cfg(test)]
mod tests;

pub(crate) use noise::{check_room, draw_for_job, entry_bits, noisy_series};
pub use suppress::Suppression;

use crate::asset::{AssetError, Schema};
use crate::policy::Policy;
use crate::privacy::PrivacyError;
use crate::program::{ProgramError, Series};

/// Most cells of a base cube that hold rows, and most combinations that a clear filter may name.
pub const MAX_CUBE_CELLS: u64 = 1 << 22;
/// Most cells of a base cube, empty ones included. Those of a cube that spans more than it stores take no memory.
pub const MAX_CUBE_SPAN: u64 = 1 << 48;

/// What a cube cannot be made from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CubeError {
    /// A column does not fit.
    #[error(transparent)]
    Asset(#[from] AssetError),
    /// A program does not fit.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// Noise could not be drawn.
    #[error(transparent)]
    Privacy(#[from] PrivacyError),
    /// The noise that a policy asks for could leave 63 bits.
    #[error("the noise in {name} could leave 63 bits")]
    NoiseTooLarge {
        /// The series.
        name: String,
    },
    /// The sum of a measure, or of its squares, could leave 63 bits.
    #[error("the {of} of {column:?} over {rows} rows could leave 63 bits: its values reach {largest} in stored units")]
    SumTooLarge {
        /// `sum` or `sum of squares`.
        of: &'static str,
        /// The measure.
        column: String,
        /// Rows of the table.
        rows: u64,
        /// Largest magnitude that the schema allows, in stored units.
        largest: u64,
    },
    /// The dimensions have too many combinations, empty ones included.
    #[error("the policy's dimensions have {span} combinations or more, at most {MAX_CUBE_SPAN} are supported")]
    SpanTooLarge {
        /// The combinations.
        span: u64,
    },
    /// Too many combinations of the dimensions hold rows.
    #[error(
        "{cells} of the {span} combinations of the policy's dimensions hold rows, at most {MAX_CUBE_CELLS} are supported"
    )]
    TooManyCells {
        /// Those that were found to hold rows before the fold was given up.
        cells: u64,
        /// All combinations.
        span: u64,
    },
}

impl crate::error::Classify for CubeError {
    fn kind(&self) -> crate::ErrorKind {
        match self {
            CubeError::Asset(e) => e.kind(),
            CubeError::Program(e) => e.kind(),
            CubeError::Privacy(e) => e.kind(),
            CubeError::SumTooLarge { .. } | CubeError::NoiseTooLarge { .. } => crate::ErrorKind::OutOfDomain,
            CubeError::SpanTooLarge { .. } | CubeError::TooManyCells { .. } => crate::ErrorKind::InvalidArgument,
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            CubeError::Asset(e) => e.hint(),
            CubeError::Program(e) => e.hint(),
            CubeError::SumTooLarge { of: "sum of squares", .. } => Some(
                "declare a narrower range or a smaller scale for the column, or do not allow the aggregation variance"
                    .into(),
            ),
            CubeError::Privacy(e) => e.hint(),
            CubeError::NoiseTooLarge { .. } => {
                Some("clamp the column to a narrower range, or allow a larger loss".into())
            }
            CubeError::SumTooLarge { .. } => Some("declare a narrower range or a smaller scale for the column".into()),
            CubeError::SpanTooLarge { .. } | CubeError::TooManyCells { .. } => {
                Some("bin more coarsely, or name fewer dimensions".into())
            }
        }
    }
}

/// Bits, the sign aside, of each number of `series` over `rows` rows.
///
/// # Errors
/// [`CubeError::SumTooLarge`] if they pass 62.
pub(crate) fn series_bits(schema: &Schema, policy: &Policy, series: &Series, rows: u64) -> Result<u32, CubeError> {
    let largest = |column: &str| -> Result<u64, CubeError> {
        let (low, high) = policy.bounds(schema, column)?;
        Ok(low.unsigned_abs().max(high.unsigned_abs()))
    };
    let (of, column, largest, squared) = match series {
        Series::Count | Series::Valid(_) | Series::Bins(_) => ("sum", "count", 1, 1),
        Series::Sum(column) => ("sum", column.as_str(), largest(column)?, 1),
        Series::SumOfSquares(column) => ("sum of squares", column.as_str(), largest(column)?, largest(column)?),
    };
    let largest_sum = (u128::from(largest) * u128::from(squared)).saturating_mul(rows.into());
    let bits = u128::BITS - largest_sum.leading_zeros();
    if bits > 62 {
        return Err(CubeError::SumTooLarge { of, column: column.into(), rows, largest });
    }
    Ok(bits.max(1))
}

struct MeasureCells {
    column: String,
    sum: Vec<i64>,
    /// Sums of squares; only where the policy allows variances.
    squares: Option<Vec<i64>>,
    /// Rows that are not null; absent for columns without nulls, where it is the count.
    valid: Option<Vec<i64>>,
}

/// Counts and sums over every combination of the policy's dimension columns, before suppression.
///
/// Dense or sparse, whichever takes less memory.
pub struct Cube {
    columns: Vec<String>,
    sizes: Vec<u64>,
    /// The cells that hold rows, ascending: what the entries of `count` and the like are of. `None` if there is one of
    /// every cell.
    cells: Option<Vec<u64>>,
    count: Vec<i64>,
    measures: Vec<MeasureCells>,
    /// Present where the policy names entities, until suppression.
    entities: Option<Entities>,
    rows: u64,
}

/// How many distinct entities each cell has, up to as many as the policy asks for.
struct Entities {
    /// Those with a row in the cell.
    all: Vec<u32>,
    /// For every nullable measure, those with a value, and those with a row that lacks one.
    of_measures: Vec<[Vec<u32>; 2]>,
}

impl Cube {
    /// The cell that an entry is of.
    fn cell(&self, slot: usize) -> u64 {
        self.cells.as_ref().map_or(slot as u64, |cells| cells[slot])
    }

    /// Cells, empty ones included.
    fn span(&self) -> u64 {
        self.sizes.iter().product()
    }

    /// The same with an entry for every cell. The caller has checked that there are not too many.
    fn into_dense(mut self) -> Self {
        let span = self.span() as usize;
        let Some(cells) = self.cells.take() else { return self };
        let spread = |sparse: &mut Vec<i64>| {
            let mut dense = vec![0; span];
            cells.iter().zip(&*sparse).for_each(|(cell, value)| dense[*cell as usize] = *value);
            *sparse = dense;
        };
        spread(&mut self.count);
        for measure in &mut self.measures {
            spread(&mut measure.sum);
            if let Some(squares) = &mut measure.squares {
                spread(squares);
            }
            if let Some(valid) = &mut measure.valid {
                spread(valid);
            }
        }
        self
    }
}

/// A cube after suppression, or with noise: what every answer of an asset is made of.
pub struct ProtectedCube {
    cube: Cube,
    report: Suppression,
    /// The policy whose noise marginals get, or have.
    noise: Option<Box<Policy>>,
}
