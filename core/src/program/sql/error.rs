//! Why a text is no query.

use std::fmt;

use super::MAX_SQL_BYTES;
use crate::error::{Classify, ErrorKind};
use crate::program::ProgramError;

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SqlPosition {
    /// The line, from 1.
    pub line: u64,
    /// The character in the line, from 1.
    pub column: u64,
}

impl fmt::Display for SqlPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a text is no query.
///
/// No message shows a literal, nor anything else between the parentheses of `SECRET(…)`. A position that stands behind a
/// secret in its line tells how long the secret is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// More than [`MAX_SQL_BYTES`].
    #[error("the text has {got} bytes, at most {MAX_SQL_BYTES} are read")]
    TooLong {
        /// Its bytes.
        got: usize,
    },
    /// No SQL.
    #[error("{at}: expected {expected}, found {found}")]
    Syntax {
        /// Where.
        at: SqlPosition,
        /// What can stand there.
        expected: &'static str,
        /// What does, without literals.
        found: String,
    },
    /// SQL that no program expresses.
    #[error("{at}: sealed queries have no {what}")]
    Unsupported {
        /// Where it begins.
        at: SqlPosition,
        /// What it is called.
        what: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A selected column that is not one of the groups'.
    #[error("{at}: column {column:?} is selected, but it is neither grouped by nor aggregated")]
    NotGrouped {
        /// Where.
        at: SqlPosition,
        /// The column.
        column: String,
    },
    /// A number that needs more than 64 bits.
    #[error("{at}: the digits of this number do not fit 64 bits")]
    Number {
        /// Where.
        at: SqlPosition,
    },
    /// Parentheses within parentheses.
    #[error("{at}: these parentheses lie {limit} deep in others")]
    TooDeep {
        /// Where.
        at: SqlPosition,
        /// The accepted depth.
        limit: usize,
    },
    /// The query is read, and too large for any program.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

impl Classify for SqlError {
    fn kind(&self) -> ErrorKind {
        match self {
            SqlError::TooLong { .. } => ErrorKind::TooLarge,
            SqlError::Unsupported { .. } => ErrorKind::UnsupportedProgram,
            SqlError::Program(e) => e.kind(),
            _ => ErrorKind::InvalidProgram,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            SqlError::TooLong { .. } => Some("ask in several queries".into()),
            SqlError::Syntax { .. } => Some(
                "a query reads SELECT columns and aggregates FROM a name WHERE conditions GROUP BY columns; texts stand in \
                 'single quotes', names with other signs than letters, digits and _ in \"double\" ones"
                    .into(),
            ),
            SqlError::Unsupported { instead, .. } => Some((*instead).into()),
            SqlError::NotGrouped { .. } => Some("add it to GROUP BY, or ask for its sum() or avg()".into()),
            SqlError::Number { .. } => Some("round it".into()),
            SqlError::TooDeep { .. } => Some("remove parentheses that AND and OR do not need".into()),
            SqlError::Program(e) => e.hint(),
        }
    }
}
