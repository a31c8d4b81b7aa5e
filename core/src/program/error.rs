//! Why a program is refused.

use super::Op;
use crate::asset::AssetError;
use crate::codec::CodecError;
use crate::error::{Classify, ErrorKind};

/// Why a program cannot run on an asset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// The schema refused a column or a literal.
    #[error(transparent)]
    Asset(#[from] AssetError),
    /// Bytes that are no program.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The asset is of another kind than the program is for.
    #[error("the asset is {asset}, which does not answer {program}")]
    OtherKind {
        /// What the asset is.
        asset: &'static str,
        /// What was asked of it.
        program: &'static str,
    },
    /// A filter, a grouping or a histogram names a column that is not a dimension.
    #[error("column {column:?} is not a dimension, so it can be neither filtered nor grouped by, and has no bins")]
    NotADimension {
        /// The column.
        column: String,
    },
    /// An aggregate names a column that is not a measure.
    #[error("column {column:?} is not a measure, so it cannot be aggregated")]
    NotAMeasure {
        /// The column.
        column: String,
    },
    /// A comparison, or an aggregate, by order on a column without one.
    #[error("column {column:?} has no order: <, <=, >, >=, min, max and quantiles need an integer or decimal column")]
    Unordered {
        /// The column.
        column: String,
    },
    /// A literal falls inside a bin.
    #[error("{column} compared with {literal} would cut the cell {cell}")]
    Unaligned {
        /// The column.
        column: String,
        /// The literal.
        literal: String,
        /// The cell that it falls into.
        cell: String,
        /// What `<` and `>=` can be compared with: the bin edges, as they are written.
        edges: Vec<String>,
        /// What `<=` and `>` can be compared with: the last value of each bin.
        lasts: Vec<String>,
    },
    /// A score names a column of which a cell holds several values.
    #[error("{column} cannot be scored: its values {cell} are one cell")]
    Binned {
        /// The column.
        column: String,
        /// The cell.
        cell: String,
    },
    /// A comparison has too many or too few literals.
    #[error("{column} {op} has {got} literals")]
    LiteralCount {
        /// The column.
        column: String,
        /// The comparison.
        op: Op,
        /// How many literals came.
        got: usize,
    },
    /// A comparison with null.
    #[error("{column} is compared with null, which never holds")]
    NullLiteral {
        /// The column.
        column: String,
    },
    /// An *and* or *or* of nothing.
    #[error("the filter has an empty and/or")]
    EmptyFilter,
    /// The filter is too deep or too large.
    #[error("the filter is {depth} deep with {tests} comparisons; at most {max_depth} and {max_tests} are accepted")]
    FilterTooLarge {
        /// Depth of the tree.
        depth: usize,
        /// Comparisons in it.
        tests: usize,
        /// The accepted depth.
        max_depth: usize,
        /// The accepted number of comparisons.
        max_tests: usize,
    },
    /// No aggregate, a repeated one, or a repeated or too long grouping.
    #[error("{0}")]
    Shape(String),
    /// The hidden columns, or the groups, span too many cells.
    #[error("the {which} columns span {cells} cells, at most {limit} are supported")]
    TooManyCells {
        /// Hidden or grouped columns.
        which: &'static str,
        /// The cells that they span.
        cells: u64,
        /// The limit.
        limit: u64,
    },
}

impl ProgramError {
    /// The same without the secret that it would show: errors end up in logs and bug reports.
    pub(super) fn hiding_literals(self) -> Self {
        match self {
            ProgramError::Unaligned { column, edges, lasts, .. } => {
                let (literal, cell) = ("a secret literal".into(), "that it falls into".into());
                ProgramError::Unaligned { column, literal, cell, edges, lasts }
            }
            ProgramError::Asset(error) => ProgramError::Asset(error.of_literal(true)),
            other => other,
        }
    }
}

impl Classify for ProgramError {
    fn kind(&self) -> ErrorKind {
        match self {
            ProgramError::Asset(e) => e.kind(),
            ProgramError::Codec(e) => e.kind(),
            ProgramError::TooManyCells { .. } => ErrorKind::UnsupportedProgram,
            _ => ErrorKind::InvalidProgram,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ProgramError::Asset(e) => e.hint(),
            ProgramError::Codec(e) => e.hint(),
            ProgramError::Unaligned { edges, lasts, .. } => Some(format!(
                "the owner's bins allow < and >= with {}, and <= and > with {}; = and != need a bin of one value",
                edges.join(", "),
                lasts.join(", ")
            )),
            ProgramError::Binned { .. } => {
                Some("compare it with the edges of its bins instead, or ask the owner for bins of one value".into())
            }
            ProgramError::OtherKind { .. } => Some("a table answers queries, a model scores vectors".into()),
            ProgramError::NullLiteral { .. } => Some("use is_null()".into()),
            ProgramError::TooManyCells { .. } => {
                Some(
                "compare fewer columns with secrets, group by fewer, ask fewer histograms, or ask the owner for coarser \
                 bins"
                    .into(),
            )
            }
            ProgramError::NotADimension { .. } | ProgramError::NotAMeasure { .. } => {
                Some("the asset's schema lists each column's role".into())
            }
            _ => None,
        }
    }
}
