//! From a program and a schema to what is to be computed.

use std::collections::BTreeSet;

use super::predicate::{check_dimension, check_literals, check_test};
use super::{Aggregate, Predicate, Program, ProgramError, Query, Slot, select};
use crate::asset::{Column, Schema, Value};
use crate::cube::MAX_CUBE_CELLS;

/// Most cells that the hidden columns may span: the longest indicator that `sealock-fhe` encrypts.
pub const MAX_HIDDEN_CELLS: u64 = sealock_fhe::linear::MAX_CELLS as u64;
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
    /// Sum of the squares of a measure, in squares of stored units.
    SumOfSquares(String),
    /// Rows in each bin of a dimension, its null cell left out: as many numbers as it has bins.
    Bins(String),
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Series::Count => f.write_str("count"),
            Series::Sum(column) => write!(f, "sum({column})"),
            Series::SumOfSquares(column) => write!(f, "sum_of_squares({column})"),
            Series::Valid(column) => write!(f, "count({column})"),
            Series::Bins(column) => write!(f, "histogram({column})"),
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
    /// Each with how many numbers of a group it is.
    series: Vec<(Series, usize)>,
    width: usize,
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
        let plan = self.plan_rows(schema)?;
        span(schema, "clear", &plan.clear_dimensions, MAX_CUBE_CELLS)?;
        Ok(plan)
    }

    /// Lays the program out over `schema`, to be computed row by row: its clear filter may compare columns that have more
    /// combinations than a cube holds.
    ///
    /// # Errors
    /// As [`Program::plan`].
    pub(crate) fn plan_rows(&self, schema: &Schema) -> Result<Plan, ProgramError> {
        self.check_shape(schema)?;
        let (clear, hidden) = self.filter.as_ref().map_or((None, None), Predicate::split);
        let in_schema_order = |names: BTreeSet<&str>| -> Vec<String> {
            schema.columns().iter().filter(|c| names.contains(c.name.as_str())).map(|c| c.name.clone()).collect()
        };
        let clear_dimensions = in_schema_order(clear.as_ref().map(Predicate::columns).unwrap_or_default());
        let hidden_dimensions = in_schema_order(hidden.as_ref().map(Predicate::columns).unwrap_or_default());
        let mut series = BTreeSet::new();
        for aggregate in &self.aggregates {
            series.extend(series_of(schema, aggregate)?);
        }
        let numbers = |series: Series| -> Result<(Series, usize), ProgramError> {
            let numbers = match &series {
                Series::Bins(column) => usize::try_from(schema.column(column)?.values()?).unwrap_or(usize::MAX),
                _ => 1,
            };
            Ok((series, numbers))
        };
        let series = series.into_iter().map(numbers).collect::<Result<Vec<_>, _>>()?;
        let width = series.iter().fold(0usize, |sum, (_, numbers)| sum.saturating_add(*numbers));
        let (cells, groups) = (
            span(schema, "hidden", &hidden_dimensions, MAX_HIDDEN_CELLS)?,
            span(schema, "grouped", &self.group_by, MAX_GROUPS)?,
        );
        let entries = (cells as u64 * groups as u64).saturating_mul(width as u64);
        if entries > MAX_ENTRIES {
            return Err(ProgramError::TooManyCells {
                which: "grouped, counted and hidden",
                cells: entries,
                limit: MAX_ENTRIES,
            });
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
            series,
            width,
        })
    }

    fn check_shape(&self, schema: &Schema) -> Result<(), ProgramError> {
        let shape = |why: String| Err(ProgramError::Shape(why));
        if self.aggregates.is_empty() {
            return shape("the program asks for nothing: select count(), sum(), mean() or another aggregate".into());
        }
        let mut seen = BTreeSet::new();
        for aggregate in &self.aggregates {
            if !seen.insert(aggregate) {
                return shape(format!("{aggregate} is asked twice"));
            }
            if let Some(column) = aggregate.measure()
                && !schema.column(column)?.role.measure
            {
                return Err(ProgramError::NotAMeasure { column: column.into() });
            }
            if let Some(column) = aggregate.dimension() {
                check_dimension(schema, column, aggregate.needs_order())?;
            }
            if !aggregate.has_rank() {
                return shape(format!("the rank of a quantile of {:?} is not from 0 to 1", aggregate.dimension()));
            }
        }
        let mut seen = BTreeSet::new();
        for column in &self.group_by {
            if !seen.insert(column) {
                return shape(format!("the program groups by {column:?} twice"));
            }
            check_dimension(schema, column, false)?;
        }
        let Some(filter) = &self.filter else { return Ok(()) };
        filter.check_size()?;
        // Literals are compared with every bin of their columns.
        let mut compared = Ok(0u64);
        filter.each(&mut |column, _, _| {
            if let Ok(cells) = compared {
                compared = schema.column(column).and_then(Column::cells).map(|more| cells.saturating_add(more));
            }
        });
        let mut compared = compared?;
        for column in filter.scores().into_iter().flat_map(|scored| &scored.terms).map(|term| &term.column) {
            compared = compared.saturating_add(schema.column(column)?.cells()?);
        }
        let (cells, limit) = (compared, MAX_ENTRIES);
        if cells > limit {
            return Err(ProgramError::TooManyCells { which: "compared", cells, limit });
        }
        let mut result = filter.scores().into_iter().try_for_each(|scored| scored.check(schema));
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

/// How many combinations of cells some columns have.
fn span(schema: &Schema, which: &'static str, columns: &[String], limit: u64) -> Result<usize, ProgramError> {
    let mut cells = 1u64;
    for column in columns {
        cells = cells.saturating_mul(schema.column(column)?.cells()?);
    }
    if cells > limit {
        return Err(ProgramError::TooManyCells { which, cells, limit });
    }
    Ok(cells as usize)
}

/// The series that an aggregate is made from, its divisor last.
fn series_of(schema: &Schema, aggregate: &Aggregate) -> Result<Vec<Series>, ProgramError> {
    let divisor = |column: &String| -> Result<Series, ProgramError> {
        Ok(if schema.column(column)?.nullable { Series::Valid(column.clone()) } else { Series::Count })
    };
    Ok(match aggregate {
        Aggregate::Count => vec![Series::Count],
        Aggregate::Sum(column) => vec![Series::Sum(column.clone())],
        Aggregate::Mean(column) => vec![Series::Sum(column.clone()), divisor(column)?],
        Aggregate::Spread { column, .. } => {
            vec![Series::Sum(column.clone()), Series::SumOfSquares(column.clone()), divisor(column)?]
        }
        Aggregate::Histogram(column)
        | Aggregate::Min(column)
        | Aggregate::Max(column)
        | Aggregate::Quantile { column, .. } => vec![Series::Bins(column.clone())],
    })
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

    /// The series that the aggregates are made from, without repetition, each with how many numbers of a group it is.
    pub fn series(&self) -> &[(Series, usize)] {
        &self.series
    }

    /// How many numbers are computed for each group: those of every series, one series after the other.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The series of each of a group's numbers.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = &Series> + Clone {
        self.series.iter().flat_map(|(series, numbers)| std::iter::repeat_n(series, *numbers))
    }

    /// Where an aggregate's series stand among the numbers of a group, its divisor last: first number and how many.
    ///
    /// # Errors
    /// None for the aggregates and the schema that the plan was made from.
    pub(crate) fn places(&self, schema: &Schema, aggregate: &Aggregate) -> Result<Vec<(usize, usize)>, ProgramError> {
        let place = |wanted: &Series| {
            let mut first = 0;
            for (series, numbers) in &self.series {
                if series == wanted {
                    return Ok((first, *numbers));
                }
                first += numbers;
            }
            Err(ProgramError::Shape(format!("{aggregate} is not part of the program")))
        };
        series_of(schema, aggregate)?.iter().map(place).collect()
    }

    /// Length of the encrypted indicator.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Number of groups, empty ones included.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Every column that is filtered or grouped by, or whose bins are counted.
    pub fn dimensions(&self) -> impl Iterator<Item = &str> {
        let named = self.clear_dimensions.iter().chain(&self.hidden).chain(&self.group_by).map(String::as_str);
        named.chain(self.aggregates.iter().filter_map(Aggregate::dimension))
    }

    /// The filter that is in the clear.
    pub(crate) fn clear_filter(&self) -> Option<&Predicate<Vec<Value>>> {
        self.clear.as_ref()
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
}
