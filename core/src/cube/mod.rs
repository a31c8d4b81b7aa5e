//! The data cube: what is left of a table for a sealed query.
//!
//! The rows are folded once into one *base cube* over all the columns that the policy lets be filtered or grouped by. The
//! policy's suppression is applied to it, once. Every answer of the asset is a marginal of that one suppressed cube:
//! suppressing each coarser cube by itself would let two answers differ by exactly one small cell.
//!
//! A cube is dense, or sparse where few of the combinations hold rows: what it takes of memory is in proportion to the smaller
//! of the two, and to the number of measures.
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
    /// The sum of a measure could leave 63 bits.
    #[error("the sum of {column:?} over {rows} rows could leave 63 bits: its values reach {largest} in stored units")]
    SumTooLarge {
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
            CubeError::SumTooLarge { .. } => crate::ErrorKind::OutOfDomain,
            CubeError::SpanTooLarge { .. } | CubeError::TooManyCells { .. } => crate::ErrorKind::InvalidArgument,
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            CubeError::Asset(e) => e.hint(),
            CubeError::Program(e) => e.hint(),
            CubeError::SumTooLarge { .. } => Some("declare a narrower range or a smaller scale for the column".into()),
            CubeError::SpanTooLarge { .. } | CubeError::TooManyCells { .. } => {
                Some("bin more coarsely, or name fewer dimensions".into())
            }
        }
    }
}

/// Bits, the sign aside, of a sum of `column` over `rows` rows.
///
/// # Errors
/// [`CubeError::SumTooLarge`] if they pass 62.
pub(crate) fn series_bits(schema: &Schema, series: &Series, rows: u64) -> Result<u32, CubeError> {
    let (column, largest) = match series {
        Series::Count | Series::Valid(_) => ("count", 1),
        Series::Sum(column) => (
            column.as_str(),
            match schema.column(column)?.kind {
                Kind::Integer { min, max } | Kind::Decimal { min, max, .. } => {
                    min.unsigned_abs().max(max.unsigned_abs())
                }
                Kind::Boolean | Kind::Category { .. } | Kind::Text => 1,
            },
        ),
    };
    let largest_sum = u128::from(largest) * u128::from(rows);
    let bits = u128::BITS - largest_sum.leading_zeros();
    if bits > 62 {
        return Err(CubeError::SumTooLarge { column: column.into(), rows, largest });
    }
    Ok(bits.max(1))
}

struct MeasureCells {
    column: String,
    sum: Vec<i64>,
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
}

/// A cube after suppression: what every answer of an asset is made of.
pub struct ProtectedCube {
    cube: Cube,
    report: Suppression,
}
