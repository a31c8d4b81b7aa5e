//! Programs: what a consumer may ask, as data.
//!
//! A [`Query`] is what a consumer writes, with its secrets in it. Its [`Program`] is the same with every secret blanked
//! out: that is what travels, what a policy allows, what an access proof binds and what a receipt names by its digest.
//! The language is closed: columns, literals, comparisons and aggregates, no code.
//!
//! ```
//! use sealock::program::{Query, col, count, mean, secret};
//!
//! let query = Query::select([mean("visits"), count()])
//!     .filter(col("age").ge(secret(40)) & col("plan").is_in(secret(["free", "25%"])))
//!     .group_by(["health"]);
//! // The program tells which columns are compared, and hides with what.
//! assert!(!format!("{:?}", query.program()).contains("40"));
//! ```

mod plan;
mod predicate;

use std::fmt;
use std::ops::{BitAnd, BitOr, Not};

use serde::{Deserialize, Serialize};

pub use plan::{MAX_ENTRIES, MAX_GROUPS, MAX_HIDDEN_CELLS, Plan, Series};
pub(crate) use predicate::{MaybeSecret, select};
pub use predicate::{Op, Predicate};

use crate::Digest;
use crate::asset::{AssetError, Value};
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::error::{Classify, ErrorKind};

/// Largest encoding of a program, in bytes.
pub const MAX_PROGRAM_BYTES: usize = 64 * 1024;
const VERSION: u64 = 1;

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
    /// A filter or a grouping names a column that is not a dimension.
    #[error("column {column:?} is not a dimension, so it can be neither filtered nor grouped by")]
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
    /// A comparison by order on a column without one.
    #[error("column {column:?} has no order: <, <=, > and >= need an integer or decimal column")]
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
    /// A comparison has too many or too few literals.
    #[error("{column} {op:?} has {got} literals")]
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
            ProgramError::NullLiteral { .. } => Some("use is_null()".into()),
            ProgramError::TooManyCells { .. } => {
                Some("compare fewer columns with secrets, group by fewer, or ask the owner for coarser bins".into())
            }
            ProgramError::NotADimension { .. } | ProgramError::NotAMeasure { .. } => {
                Some("the asset's schema lists each column's role".into())
            }
            _ => None,
        }
    }
}

/// The literals of one comparison in a query.
#[derive(Clone, PartialEq)]
pub enum Literals {
    /// The executor reads them in the program.
    Clear(Vec<Value>),
    /// They leave the consumer only inside the encrypted indicator.
    Secret(Vec<Value>),
}

impl Literals {
    fn values(&self) -> &[Value] {
        match self {
            Literals::Clear(values) | Literals::Secret(values) => values,
        }
    }
}

impl MaybeSecret for Literals {
    fn is_secret(&self) -> bool {
        matches!(self, Literals::Secret(_))
    }
}

impl fmt::Debug for Literals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literals::Clear(values) => f.debug_tuple("Clear").field(values).finish(),
            Literals::Secret(_) => f.write_str("Secret(_)"),
        }
    }
}

/// The literals of one comparison in a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The values.
    Clear(Vec<Value>),
    /// Hidden, their number included.
    Secret,
}

impl MaybeSecret for Slot {
    fn is_secret(&self) -> bool {
        matches!(self, Slot::Secret)
    }
}

/// A literal marked as hidden from the executor. Made by [`secret`].
pub struct Secret<T>(T);

/// Hides a literal (or a list, for [`Col::is_in`]) from the executor.
pub fn secret<T>(value: T) -> Secret<T> {
    Secret(value)
}

/// What one comparison can be made with.
pub trait IntoLiterals {
    /// The literals, marked as clear or secret.
    fn into_literals(self) -> Literals;
}

impl<T: Into<Value>> IntoLiterals for T {
    fn into_literals(self) -> Literals {
        Literals::Clear(vec![self.into()])
    }
}

impl<T: Into<Value>> IntoLiterals for Secret<T> {
    fn into_literals(self) -> Literals {
        Literals::Secret(vec![self.0.into()])
    }
}

/// What [`Col::is_in`] can be asked with: an array or vector of literals, or a [`secret`] one.
pub trait IntoLiteralList {
    /// The literals, marked as clear or secret.
    fn into_literal_list(self) -> Literals;
}

impl<T: Into<Value>, const N: usize> IntoLiteralList for [T; N] {
    fn into_literal_list(self) -> Literals {
        Literals::Clear(self.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> IntoLiteralList for Vec<T> {
    fn into_literal_list(self) -> Literals {
        Literals::Clear(self.into_iter().map(Into::into).collect())
    }
}

impl<T: IntoLiteralList> IntoLiteralList for Secret<T> {
    fn into_literal_list(self) -> Literals {
        match self.0.into_literal_list() {
            Literals::Clear(values) | Literals::Secret(values) => Literals::Secret(values),
        }
    }
}

/// A filter as a consumer writes it. Join filters with `&`, `|` and `!`.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Predicate<Literals>);

impl BitAnd for Filter {
    type Output = Filter;
    fn bitand(self, other: Filter) -> Filter {
        Filter(self.0.and(other.0))
    }
}

impl BitOr for Filter {
    type Output = Filter;
    fn bitor(self, other: Filter) -> Filter {
        Filter(self.0.or(other.0))
    }
}

impl Not for Filter {
    type Output = Filter;
    fn not(self) -> Filter {
        // Twice is not at all, in SQL's three values as well.
        match self.0 {
            Predicate::Not(part) => Filter(*part),
            other => Filter(Predicate::Not(Box::new(other))),
        }
    }
}

/// A column in a filter. Made by [`col`].
#[derive(Clone, Debug)]
pub struct Col(String);

/// Names a column in a filter.
pub fn col(name: impl Into<String>) -> Col {
    Col(name.into())
}

macro_rules! comparisons {
    ($($(#[doc = $doc:literal])+ $name:ident $op:ident,)+) => {
        $($(#[doc = $doc])+ pub fn $name(self, literal: impl IntoLiterals) -> Filter {
            self.test(Op::$op, literal.into_literals())
        })+
    };
}

impl Col {
    fn test(self, op: Op, literals: Literals) -> Filter {
        Filter(Predicate::Test { column: self.0, op, literals })
    }

    comparisons! {
        /// Equal to the literal.
        eq Eq,
        /// Not equal to the literal.
        ne Ne,
        /// Less than the literal. On a column with bins, a bin's lower edge.
        lt Lt,
        /// Less than or equal to the literal. On a column with bins, a bin's last value.
        le Le,
        /// Greater than the literal. On a column with bins, a bin's last value.
        gt Gt,
        /// Greater than or equal to the literal. On a column with bins, a bin's lower edge.
        ge Ge,
    }

    /// Equal to one of the literals: `col("plan").is_in(secret(["free", "25%"]))`.
    pub fn is_in(self, literals: impl IntoLiteralList) -> Filter {
        self.test(Op::In, literals.into_literal_list())
    }

    /// Not null.
    pub fn is_not_null(self) -> Filter {
        !self.is_null()
    }

    /// Null.
    pub fn is_null(self) -> Filter {
        self.test(Op::Null, Literals::Clear(Vec::new()))
    }
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
}

/// The kinds of [`Aggregate`], as a policy lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aggregation {
    /// [`Aggregate::Count`].
    Count,
    /// [`Aggregate::Sum`].
    Sum,
    /// [`Aggregate::Mean`].
    Mean,
}

/// The number of rows.
pub fn count() -> Aggregate {
    Aggregate::Count
}

/// The sum of a measure.
pub fn sum(column: impl Into<String>) -> Aggregate {
    Aggregate::Sum(column.into())
}

/// The mean of a measure over the rows where it is not null, which may be fewer than [`count`] counts.
pub fn mean(column: impl Into<String>) -> Aggregate {
    Aggregate::Mean(column.into())
}

impl Aggregate {
    /// Which aggregation it is.
    pub fn aggregation(&self) -> Aggregation {
        match self {
            Aggregate::Count => Aggregation::Count,
            Aggregate::Sum(_) => Aggregation::Sum,
            Aggregate::Mean(_) => Aggregation::Mean,
        }
    }

    /// The measure that it reads, if any.
    pub fn column(&self) -> Option<&str> {
        match self {
            Aggregate::Count => None,
            Aggregate::Sum(column) | Aggregate::Mean(column) => Some(column),
        }
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aggregate::Count => f.write_str("count"),
            Aggregate::Sum(column) => write!(f, "sum({column})"),
            Aggregate::Mean(column) => write!(f, "mean({column})"),
        }
    }
}

/// A question with its secrets, as a consumer writes it. It stays with the consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    filter: Option<Predicate<Literals>>,
    group_by: Vec<String>,
    aggregates: Vec<Aggregate>,
}

impl Query {
    /// Asks for `aggregates` over all rows.
    pub fn select(aggregates: impl IntoIterator<Item = Aggregate>) -> Self {
        Self { filter: None, group_by: Vec::new(), aggregates: aggregates.into_iter().collect() }
    }

    /// Keeps the rows for which `filter` holds, of those that earlier filters kept. A comparison with null holds neither as
    /// it is nor negated, as in SQL.
    #[must_use]
    pub fn filter(mut self, filter: Filter) -> Self {
        self.filter = Some(match self.filter.take() {
            Some(earlier) => earlier.and(filter.0),
            None => filter.0,
        });
        self
    }

    /// Answers once for each combination of the values of `columns`, which the executor sees. Called again, it replaces.
    #[must_use]
    pub fn group_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.group_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The program: this query with every secret blanked out.
    pub fn program(&self) -> Program {
        let blank = |l: &Literals| match l {
            Literals::Clear(values) => Slot::Clear(values.clone()),
            Literals::Secret(_) => Slot::Secret,
        };
        Program {
            version: VERSION,
            filter: self.filter.as_ref().map(|f| f.map(&blank)),
            group_by: self.group_by.clone(),
            aggregates: self.aggregates.clone(),
        }
    }

    /// The part of the filter that the consumer compiles into the indicator, with the values.
    fn hidden(&self) -> Option<Predicate<Vec<Value>>> {
        let (_, hidden) = self.filter.as_ref()?.split();
        Some(hidden?.map(&|l| l.values().to_vec()))
    }
}

/// What is asked, with every secret blanked out.
///
/// Invariant: its canonical encoding is at most [`MAX_PROGRAM_BYTES`] long. Whether it fits an asset is found by
/// [`Program::plan`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    version: u64,
    filter: Option<Predicate<Slot>>,
    group_by: Vec<String>,
    aggregates: Vec<Aggregate>,
}

impl Program {
    /// The columns that the answer is grouped by.
    pub fn group_by(&self) -> &[String] {
        &self.group_by
    }

    /// The numbers asked of each group.
    pub fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// The filter, with secrets blanked out.
    pub fn filter(&self) -> Option<&Predicate<Slot>> {
        self.filter.as_ref()
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`ProgramError::Codec`] if it is longer than [`MAX_PROGRAM_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProgramError> {
        let bytes = to_canonical("program", self)?;
        if bytes.len() > MAX_PROGRAM_BYTES {
            return Err(CodecError::TooLarge { what: "program", got: bytes.len(), limit: MAX_PROGRAM_BYTES }.into());
        }
        Ok(bytes)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_PROGRAM_BYTES`].
    ///
    /// # Errors
    /// [`ProgramError::Codec`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProgramError> {
        let program: Program = from_canonical("program", bytes, MAX_PROGRAM_BYTES)?;
        if program.version != VERSION {
            return Err(CodecError::UnsupportedVersion { what: "program", got: program.version, known: VERSION }.into());
        }
        Ok(program)
    }

    /// The digest that policies, proofs and receipts name it by.
    ///
    /// # Errors
    /// As [`Program::to_bytes`].
    pub fn digest(&self) -> Result<Digest, ProgramError> {
        Ok(Digest::of("sealock/v1/program", &[&self.to_bytes()?]))
    }
}
