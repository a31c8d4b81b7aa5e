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
//! let program = query.program().to_string();
//! assert_eq!(program, "mean(visits), count where age >= ? and plan in ? group by health");
//! assert!(!format!("{:?}", query.program()).contains("40"));
//! ```

mod aggregate;
mod error;
mod expr;
mod plan;
mod predicate;
mod query;
#[cfg(test)]
mod random;
mod score;
mod sql;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use aggregate::{
    Aggregate, Aggregation, Spread, count, histogram, max, mean, median, min, quantile, stddev, stddev_pop, sum,
    var_pop, variance,
};
pub use error::ProgramError;
pub use expr::{Expr, Output};
pub use plan::{MAX_ENTRIES, MAX_GROUPS, MAX_HIDDEN_CELLS, Plan, Series};
pub(crate) use predicate::{MaybeSecret, select, test_cells};
pub use predicate::{Op, Predicate};
pub use query::{Col, Filter, IntoLiteralList, IntoLiterals, Literals, Query, Secret, col, secret};
pub(crate) use score::Exact;
pub use score::{Points, Score, Scored, Term};
pub use sql::{MAX_SQL_BYTES, SqlError, SqlPosition};

use crate::Digest;
use crate::asset::Value;
use crate::codec::{CodecError, from_canonical, to_canonical};

/// Largest encoding of a program, in bytes.
pub const MAX_PROGRAM_BYTES: usize = 64 * 1024;
const VERSION: u64 = 1;

/// The literals of one comparison in a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The values.
    Clear(Vec<Value>),
    /// Hidden, their number included.
    Secret,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Slot::Secret => f.write_str("?"),
            Slot::Clear(values) if values.len() == 1 => write!(f, "{}", values[0]),
            Slot::Clear(values) => {
                let values: Vec<_> = values.iter().map(Value::to_string).collect();
                write!(f, "[{}]", values.join(", "))
            }
        }
    }
}

impl MaybeSecret for Slot {
    fn is_secret(&self) -> bool {
        matches!(self, Slot::Secret)
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

impl fmt::Display for Program {
    /// For people: `mean(visits), count where plan in ? group by health`. It has no parser.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let aggregates: Vec<_> = self.aggregates.iter().map(Aggregate::to_string).collect();
        f.write_str(&aggregates.join(", "))?;
        if let Some(filter) = &self.filter {
            write!(f, " where {filter}")?;
        }
        if !self.group_by.is_empty() {
            write!(f, " group by {}", self.group_by.join(", "))?;
        }
        Ok(())
    }
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
