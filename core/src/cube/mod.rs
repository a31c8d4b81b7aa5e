//! The data cube: what is left of a table for a sealed query.
//!
//! The rows are folded once into one *base cube* over all the columns that the policy lets be filtered or grouped by. The
//! policy's suppression is applied to it, once. Every answer of the asset is a marginal of that one suppressed cube:
//! suppressing each coarser cube by itself would let two answers differ by exactly one small cell.
//!
//! The types keep the order: a [`Cube`] can only be suppressed, and only a [`ProtectedCube`] has marginals.

mod fold;
mod marginal;
mod suppress;
#[cfg(test)]
mod tests;

pub use suppress::Suppression;

use crate::asset::{AssetError, Kind, Schema};
use crate::program::{ProgramError, Series};

/// Most cells of a base cube.
pub const MAX_CUBE_CELLS: u64 = 1 << 20;

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
}

impl crate::error::Classify for CubeError {
    fn kind(&self) -> crate::ErrorKind {
        match self {
            CubeError::Asset(e) => e.kind(),
            CubeError::Program(e) => e.kind(),
            CubeError::SumTooLarge { .. } => crate::ErrorKind::OutOfDomain,
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
            CubeError::SumTooLarge { .. } => Some("declare a narrower range or a smaller scale for the column".into()),
        }
    }
}

/// Bits, the sign aside, of each number of `series` over `rows` rows.
///
/// # Errors
/// [`CubeError::SumTooLarge`] if they pass 62.
pub(crate) fn series_bits(schema: &Schema, series: &Series, rows: u64) -> Result<u32, CubeError> {
    let largest = |column: &str| -> Result<u64, CubeError> {
        Ok(match schema.column(column)?.kind {
            Kind::Integer { min, max } | Kind::Decimal { min, max, .. } => min.unsigned_abs().max(max.unsigned_abs()),
            Kind::Boolean | Kind::Category { .. } => 1,
        })
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
pub struct Cube {
    columns: Vec<String>,
    sizes: Vec<usize>,
    count: Vec<i64>,
    measures: Vec<MeasureCells>,
    rows: u64,
}

/// A cube after suppression: what every answer of an asset is made of.
pub struct ProtectedCube {
    cube: Cube,
    report: Suppression,
}
