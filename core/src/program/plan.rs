//! From a program and a schema to what is to be computed.

use std::collections::BTreeSet;

use super::predicate::{check_literals, check_test};
use super::{Aggregate, Predicate, Program, ProgramError, Query, Slot, select};
use crate::asset::{Schema, Value};
use crate::cube::MAX_CUBE_CELLS;

/// Most cells that the hidden columns may span: the longest indicator that `sealock-fhe` encrypts.
pub const MAX_HIDDEN_CELLS: u64 = 1 << 20;
/// Most groups of one answer.
pub const MAX_GROUPS: u64 = 4096;
/// Most numbers that one answer is computed from: groups, times numbers asked of each, times hidden cells.
pub const MAX_ENTRIES: u64 = 1 << 23;

/// A number kept per cell of the data cube.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Series {
    /// Rows.
    Count,
    /// Sum of a measure, in stored units.
    Sum(String),
    /// Rows where a nullable measure is not null.
    Valid(String),
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Series::Count => f.write_str("count"),
            Series::Sum(column) => write!(f, "sum({column})"),
            Series::Valid(column) => write!(f, "count({column})"),
        }
    }
}

/// A program laid out over a schema: which columns the owner reads in the clear, which the consumer's indicator spans,
/// and which numbers are asked of each group. Owner and consumer derive the same plan from the same program and schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    clear: Option<Predicate<Vec<Value>>>,
    clear_dimensions: Vec<String>,
    hidden: Vec<String>,
    group_by: Vec<String>,
    aggregates: Vec<Aggregate>,
    series: Vec<Series>,
    cells: usize,
    groups: usize,
}

/// The columns of a clear filter, and which cells of their product it keeps, row-major.
pub(crate) struct Kept<'a> {
    pub(crate) columns: &'a [String],
    pub(crate) cells: Vec<bool>,
}

impl Program {
    /// Lays the program out over `schema`.
    ///
    /// # Errors
    /// A [`ProgramError`] that names the column and what is wrong with it.
    pub fn plan(&self, schema: &Schema) -> Result<Plan, ProgramError> {
        self.check_shape(schema)?;
        let (clear, hidden) = self.filter.as_ref().map_or((None, None), Predicate::split);
        let in_schema_order = |names: BTreeSet<&str>| -> Vec<String> {
            schema.columns().iter().filter(|c| names.contains(c.name.as_str())).map(|c| c.name.clone()).collect()
        };
        let clear_dimensions = in_schema_order(clear.as_ref().map(Predicate::columns).unwrap_or_default());
        let hidden_dimensions = in_schema_order(hidden.as_ref().map(Predicate::columns).unwrap_or_default());
        let span = |which, columns: &[String], limit| -> Result<usize, ProgramError> {
            let mut cells = 1u64;
            for column in columns {
                cells = cells.saturating_mul(schema.column(column)?.cells()?);
            }
            if cells > limit {
                return Err(ProgramError::TooManyCells { which, cells, limit });
            }
            Ok(cells as usize)
        };
        span("clear", &clear_dimensions, MAX_CUBE_CELLS)?;
        let mut series = BTreeSet::new();
        for aggregate in &self.aggregates {
            match aggregate {
                Aggregate::Count => drop(series.insert(Series::Count)),
                Aggregate::Sum(column) => drop(series.insert(Series::Sum(column.clone()))),
                Aggregate::Mean(column) => {
                    series.insert(Series::Sum(column.clone()));
                    series.insert(divisor(schema, column)?);
                }
            }
        }
        let (cells, groups) =
            (span("hidden", &hidden_dimensions, MAX_HIDDEN_CELLS)?, span("grouped", &self.group_by, MAX_GROUPS)?);
        let entries = cells as u64 * groups as u64 * series.len() as u64;
        if entries > MAX_ENTRIES {
            return Err(ProgramError::TooManyCells { which: "grouped and hidden", cells: entries, limit: MAX_ENTRIES });
        }
        Ok(Plan {
            cells,
            groups,
            clear: clear.map(|p| {
                p.map(&|slot| match slot {
                    Slot::Clear(values) => values.clone(),
                    Slot::Secret => Vec::new(),
                })
            }),
            clear_dimensions,
            hidden: hidden_dimensions,
            group_by: self.group_by.clone(),
            aggregates: self.aggregates.clone(),
            series: series.into_iter().collect(),
        })
    }

    fn check_shape(&self, schema: &Schema) -> Result<(), ProgramError> {
        let shape = |why: String| Err(ProgramError::Shape(why));
        if self.aggregates.is_empty() {
            return shape("the program asks for nothing: select count(), sum() or mean()".into());
        }
        let mut seen = BTreeSet::new();
        for aggregate in &self.aggregates {
            if !seen.insert(aggregate) {
                return shape(format!("{aggregate} is asked twice"));
            }
            if let Some(column) = aggregate.column()
                && !schema.column(column)?.role.measure
            {
                return Err(ProgramError::NotAMeasure { column: column.into() });
            }
        }
        let mut seen = BTreeSet::new();
        for column in &self.group_by {
            if !seen.insert(column) {
                return shape(format!("the program groups by {column:?} twice"));
            }
            if !schema.column(column)?.role.dimension {
                return Err(ProgramError::NotADimension { column: column.clone() });
            }
        }
        let Some(filter) = &self.filter else { return Ok(()) };
        filter.check_size()?;
        let mut result = Ok(());
        filter.each(&mut |column, op, slot| {
            if result.is_ok() {
                result = check_test(schema, column, op).and_then(|()| match slot {
                    Slot::Clear(values) => check_literals(schema, column, op, values),
                    Slot::Secret => Ok(()),
                });
            }
        });
        result
    }
}

/// The series that the sum of `column` is divided by for its mean.
fn divisor(schema: &Schema, column: &str) -> Result<Series, ProgramError> {
    Ok(if schema.column(column)?.nullable { Series::Valid(column.into()) } else { Series::Count })
}

impl Plan {
    /// The columns that the encrypted indicator spans, row-major, the last one fastest.
    pub fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// The columns that the answer is grouped by.
    pub fn group_by(&self) -> &[String] {
        &self.group_by
    }

    /// The numbers asked of each group.
    pub fn aggregates(&self) -> &[Aggregate] {
        &self.aggregates
    }

    /// The series that the aggregates are made from, without repetition.
    pub fn series(&self) -> &[Series] {
        &self.series
    }

    /// Length of the encrypted indicator.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Number of groups, empty ones included.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Every column that is filtered or grouped by.
    pub fn dimensions(&self) -> impl Iterator<Item = &str> {
        self.clear_dimensions.iter().chain(&self.hidden).chain(&self.group_by).map(String::as_str)
    }

    /// The columns of the clear filter and which of their cells it keeps, row-major.
    ///
    /// # Errors
    /// None that [`Program::plan`] has not found before.
    pub(crate) fn clear_cells(&self, schema: &Schema) -> Result<Option<Kept<'_>>, ProgramError> {
        let Some(clear) = &self.clear else { return Ok(None) };
        let columns = &self.clear_dimensions;
        Ok(Some(Kept { columns, cells: select(schema, columns, clear)? }))
    }

    /// The indicator of a query over the hidden columns: one entry per cell.
    ///
    /// # Errors
    /// A [`ProgramError`] that names the secret literal's column, and does not show the literal.
    pub(crate) fn indicator(&self, schema: &Schema, query: &Query) -> Result<Vec<bool>, ProgramError> {
        let Some(hidden) = query.hidden() else { return Ok(vec![true; self.cells]) };
        let mut checked = Ok(());
        hidden.each(&mut |column, op, literals| {
            if checked.is_ok() {
                checked = check_literals(schema, column, op, literals);
            }
        });
        checked.map_err(ProgramError::hiding_literals)?;
        select(schema, &self.hidden, &hidden).map_err(ProgramError::hiding_literals)
    }

    /// The series that divides the sum of `column` in a mean.
    pub(crate) fn divisor(&self, schema: &Schema, column: &str) -> Result<Series, ProgramError> {
        divisor(schema, column)
    }
}
