//! Row filters: the tree, and what it says of a cell.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{MAX_HIDDEN_CELLS, ProgramError, Scored};
use crate::asset::{Column, Kind, Schema, Value};

/// How deep a filter may nest.
const MAX_DEPTH: usize = 32;
/// How many comparisons a filter may hold.
const MAX_TESTS: usize = 256;

/// What a comparison asks of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Equal to the literal.
    Eq,
    /// Not equal to the literal.
    Ne,
    /// Less than the literal.
    Lt,
    /// Less than or equal to the literal.
    Le,
    /// Greater than the literal.
    Gt,
    /// Greater than or equal to the literal.
    Ge,
    /// Equal to one of the literals.
    In,
    /// Null. Takes no literal.
    Null,
}

/// A filter over rows. `L` is what stands for the literals: values in a query, values or a blank in a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Predicate<L> {
    /// One column compared with literals.
    Test {
        /// The column.
        column: String,
        /// The comparison.
        op: Op,
        /// What it is compared with.
        literals: L,
    },
    /// A sum over columns compared with a bound.
    Score(Scored),
    /// Every part holds.
    All(Vec<Predicate<L>>),
    /// At least one part holds.
    Any(Vec<Predicate<L>>),
    /// The part does not hold. As in SQL, the negation of a comparison with null holds no more than the comparison.
    Not(Box<Predicate<L>>),
}

/// Whether a literal is hidden from the executor.
pub trait MaybeSecret {
    /// Whether it is.
    fn is_secret(&self) -> bool;
}

impl<L> Predicate<L> {
    /// Joins two filters with *and*, flattening.
    pub(crate) fn and(self, other: Self) -> Self {
        let mut parts = Vec::new();
        for side in [self, other] {
            match side {
                Predicate::All(mut inner) => parts.append(&mut inner),
                other => parts.push(other),
            }
        }
        Predicate::All(parts)
    }

    /// Joins two filters with *or*, flattening.
    pub(crate) fn or(self, other: Self) -> Self {
        let mut parts = Vec::new();
        for side in [self, other] {
            match side {
                Predicate::Any(mut inner) => parts.append(&mut inner),
                other => parts.push(other),
            }
        }
        Predicate::Any(parts)
    }

    /// The same tree with other literals.
    pub(crate) fn map<M>(&self, f: &impl Fn(&L) -> M) -> Predicate<M> {
        match self {
            Predicate::Test { column, op, literals } => {
                Predicate::Test { column: column.clone(), op: *op, literals: f(literals) }
            }
            Predicate::Score(scored) => Predicate::Score(scored.clone()),
            Predicate::All(parts) => Predicate::All(parts.iter().map(|p| p.map(f)).collect()),
            Predicate::Any(parts) => Predicate::Any(parts.iter().map(|p| p.map(f)).collect()),
            Predicate::Not(part) => Predicate::Not(Box::new(part.map(f))),
        }
    }

    /// Calls `f` on every comparison.
    pub(crate) fn each<'a>(&'a self, f: &mut impl FnMut(&'a str, Op, &'a L)) {
        match self {
            Predicate::Test { column, op, literals } => f(column, *op, literals),
            Predicate::Score(_) => {}
            Predicate::All(parts) | Predicate::Any(parts) => parts.iter().for_each(|p| p.each(f)),
            Predicate::Not(part) => part.each(f),
        }
    }

    /// The scores in it.
    pub(crate) fn scores(&self) -> Vec<&Scored> {
        match self {
            Predicate::Test { .. } => Vec::new(),
            Predicate::Score(scored) => vec![scored],
            Predicate::All(parts) | Predicate::Any(parts) => parts.iter().flat_map(Predicate::scores).collect(),
            Predicate::Not(part) => part.scores(),
        }
    }

    /// The columns that it names.
    pub(crate) fn columns(&self) -> BTreeSet<&str> {
        let mut columns: BTreeSet<&str> = self.scores().into_iter().flat_map(Scored::columns).collect();
        self.each(&mut |column, _, _| {
            columns.insert(column);
        });
        columns
    }

    /// How many comparisons there are; a score counts as its terms.
    fn tests(&self) -> usize {
        let mut tests = self.scores().into_iter().map(|scored| scored.terms.len().max(1)).sum();
        self.each(&mut |_, _, _| tests += 1);
        tests
    }

    /// Whether [`Predicate::check_size`] refuses it for its depth, found without going any deeper.
    pub(crate) fn is_too_deep(&self) -> bool {
        fn deeper<L>(p: &Predicate<L>, than: usize) -> bool {
            than == 0
                || match p {
                    Predicate::Test { .. } | Predicate::Score(_) => false,
                    Predicate::All(parts) | Predicate::Any(parts) => parts.iter().any(|p| deeper(p, than - 1)),
                    Predicate::Not(part) => deeper(part, than - 1),
                }
        }
        deeper(self, MAX_DEPTH)
    }

    /// Whether [`Predicate::check_size`] refuses it for its depth or its comparisons.
    pub(crate) fn is_too_large(&self) -> bool {
        self.is_too_deep() || self.tests() > MAX_TESTS
    }

    /// Refuses trees that are too deep, too large or empty.
    pub(crate) fn check_size(&self) -> Result<(), ProgramError> {
        fn depth<L>(p: &Predicate<L>) -> Result<usize, ProgramError> {
            match p {
                Predicate::Test { .. } | Predicate::Score(_) => Ok(1),
                Predicate::All(parts) | Predicate::Any(parts) => {
                    let mut deepest = None;
                    for part in parts {
                        deepest = deepest.max(Some(depth(part)?));
                    }
                    deepest.map(|d| d + 1).ok_or(ProgramError::EmptyFilter)
                }
                Predicate::Not(part) => Ok(depth(part)? + 1),
            }
        }
        let (depth, tests) = (depth(self)?, self.tests());
        if depth > MAX_DEPTH || tests > MAX_TESTS {
            return Err(ProgramError::FilterTooLarge { depth, tests, max_depth: MAX_DEPTH, max_tests: MAX_TESTS });
        }
        Ok(())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Op::Eq => "=",
            Op::Ne => "!=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
            Op::In => "in",
            Op::Null => "is null",
        })
    }
}

impl<L: fmt::Display> fmt::Display for Predicate<L> {
    /// For people: `plan in ? and not (age >= 40 or age is null)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |f: &mut fmt::Formatter<'_>, parts: &[Self], word: &str| {
            for (i, part) in parts.iter().enumerate() {
                f.write_str(if i == 0 { "" } else { word })?;
                match part {
                    Predicate::All(_) | Predicate::Any(_) => write!(f, "({part})")?,
                    _ => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Predicate::Test { column, op: Op::Null, .. } => write!(f, "{column} {}", Op::Null),
            Predicate::Test { column, op, literals } => write!(f, "{column} {op} {literals}"),
            Predicate::Score(scored) => write!(f, "{scored}"),
            Predicate::All(parts) => join(f, parts, " and "),
            Predicate::Any(parts) => join(f, parts, " or "),
            Predicate::Not(part) => write!(f, "not ({part})"),
        }
    }
}

impl<L: MaybeSecret + Clone> Predicate<L> {
    /// Cuts the filter into the conjuncts without a secret, which the owner applies in the clear, and the rest, which
    /// the consumer compiles into the encrypted indicator. The two joined by *and* are the filter again.
    pub(crate) fn split(&self) -> (Option<Self>, Option<Self>) {
        let conjuncts = match self {
            Predicate::All(parts) => parts.clone(),
            other => vec![other.clone()],
        };
        let (hidden, clear): (Vec<_>, Vec<_>) = conjuncts.into_iter().partition(Self::has_secret);
        let join = |parts: Vec<Self>| (!parts.is_empty()).then_some(Predicate::All(parts));
        (join(clear), join(hidden))
    }

    fn has_secret(&self) -> bool {
        let mut found = false;
        self.each(&mut |_, _, literals| found |= literals.is_secret());
        found
    }
}

/// What a comparison with literals says of each cell of its column, in SQL's three values.
///
/// # Errors
/// [`ProgramError::Unaligned`] if a cell lies on both sides of the literal: the owner's bins do not separate them.
pub(crate) fn test_cells(column: &Column, op: Op, literals: &[Value]) -> Result<Vec<Option<bool>>, ProgramError> {
    let cells = check_cells(column)?;
    let stored = literals.iter().map(|v| column.to_stored(v).map_err(|e| e.of_literal(false)));
    let stored = stored.collect::<Result<Vec<i64>, _>>()?;
    // A category or a boolean is its code; a number is the range of its bin.
    let bounds = |cell| column.cell_bounds(cell).unwrap_or((i64::from(cell), i64::from(cell)));
    let values = cells - u32::from(column.nullable);
    let written = |stored: &mut dyn Iterator<Item = i64>| -> Vec<String> {
        stored.map(|v| column.from_stored(v).map_or_else(|_| v.to_string(), |value| value.to_string())).collect()
    };
    let unaligned = |cell, literal: &Value| ProgramError::Unaligned {
        column: column.name.clone(),
        literal: literal.to_string(),
        cell: column.cell_label(cell),
        edges: written(&mut (0..values).map(|cell| bounds(cell).0)),
        lasts: written(&mut (0..values).map(|cell| bounds(cell).1)),
    };
    if op == Op::Null {
        return Ok((0..cells).map(|cell| Some(is_null_cell(column, cell, cells))).collect());
    }
    let mut out = vec![Some(op == Op::Ne); cells as usize];
    for (&v, literal) in stored.iter().zip(literals) {
        match op {
            Op::Eq | Op::Ne | Op::In => {
                let Some(cell) = column.cell_of_stored(v) else { continue };
                if bounds(cell) != (v, v) {
                    return Err(unaligned(cell, literal));
                }
                out[cell as usize] = Some(op != Op::Ne);
            }
            Op::Lt | Op::Le | Op::Gt | Op::Ge | Op::Null => {
                let side = |x: i64| match op {
                    Op::Lt => x < v,
                    Op::Le => x <= v,
                    Op::Gt => x > v,
                    _ => x >= v,
                };
                for cell in (0..cells).filter(|&cell| !is_null_cell(column, cell, cells)) {
                    let (low, high) = bounds(cell);
                    if side(low) != side(high) {
                        return Err(unaligned(cell, literal));
                    }
                    out[cell as usize] = Some(side(low));
                }
            }
        }
    }
    if column.nullable {
        out[cells as usize - 1] = None;
    }
    Ok(out)
}

/// The cells of a column, if they are few enough to go through.
pub(super) fn check_cells(column: &Column) -> Result<u32, ProgramError> {
    let cells = column.cells()?;
    if cells > MAX_HIDDEN_CELLS {
        return Err(ProgramError::TooManyCells { which: "filtered", cells, limit: MAX_HIDDEN_CELLS });
    }
    Ok(cells as u32)
}

/// The cell of a nullable column's missing values is its last.
fn is_null_cell(column: &Column, cell: u32, cells: u32) -> bool {
    column.nullable && cell + 1 == cells
}

/// Checks one comparison against the schema, without literals.
pub(crate) fn check_test(schema: &Schema, column: &str, op: Op) -> Result<(), ProgramError> {
    check_dimension(schema, column, matches!(op, Op::Lt | Op::Le | Op::Gt | Op::Ge))?;
    check_cells(schema.column(column)?).map(drop)
}

/// Checks that a column is a dimension, and an ordered one if that is asked.
pub(crate) fn check_dimension(schema: &Schema, column: &str, ordered: bool) -> Result<(), ProgramError> {
    let found = schema.column(column)?;
    if !found.role.dimension {
        return Err(ProgramError::NotADimension { column: column.into() });
    }
    if ordered && !matches!(found.kind, Kind::Integer { .. } | Kind::Decimal { .. }) {
        return Err(ProgramError::Unordered { column: column.into() });
    }
    Ok(())
}

/// Checks the literals of one comparison.
pub(crate) fn check_literals(schema: &Schema, column: &str, op: Op, literals: &[Value]) -> Result<(), ProgramError> {
    let expected = match op {
        Op::Null => Some(0),
        Op::In => None,
        _ => Some(1),
    };
    if expected.is_some_and(|n| n != literals.len()) {
        return Err(ProgramError::LiteralCount { column: column.into(), op, got: literals.len() });
    }
    if literals.iter().any(|v| matches!(v, Value::Null)) {
        return Err(ProgramError::NullLiteral { column: column.into() });
    }
    test_cells(schema.column(column)?, op, literals).map(drop)
}

/// Which cells of the product of `dimensions` (row-major, the last one fastest) the filter selects.
///
/// Shape: one entry per combination of cells. Null in, not selected out, as in SQL.
pub(crate) fn select(
    schema: &Schema,
    dimensions: &[String],
    filter: &Predicate<Vec<Value>>,
) -> Result<Vec<bool>, ProgramError> {
    let grid = Grid::new(schema, dimensions)?;
    Ok(grid.evaluate(filter)?.into_iter().map(|v| v == Some(true)).collect())
}

/// The product of some columns' cells, row-major.
struct Grid<'a> {
    schema: &'a Schema,
    columns: Vec<&'a Column>,
    sizes: Vec<usize>,
    strides: Vec<usize>,
    total: usize,
}

impl<'a> Grid<'a> {
    fn new(schema: &'a Schema, dimensions: &[String]) -> Result<Self, ProgramError> {
        let columns = dimensions.iter().map(|d| schema.column(d)).collect::<Result<Vec<_>, _>>()?;
        let sizes = columns.iter().map(|c| Ok(c.cells()? as usize)).collect::<Result<Vec<_>, ProgramError>>()?;
        let strides = (0..sizes.len()).map(|i| sizes[i + 1..].iter().product()).collect();
        let total = sizes.iter().product();
        Ok(Self { schema, columns, sizes, strides, total })
    }

    fn axis(&self, column: &str) -> Result<usize, ProgramError> {
        let axis = self.columns.iter().position(|c| c.name == column);
        axis.ok_or_else(|| ProgramError::NotADimension { column: column.into() })
    }

    fn evaluate(&self, filter: &Predicate<Vec<Value>>) -> Result<Vec<Option<bool>>, ProgramError> {
        match filter {
            Predicate::Test { column, op, literals } => {
                let axis = self.axis(column)?;
                let cells = test_cells(self.columns[axis], *op, literals)?;
                Ok((0..self.total).map(|i| cells[i / self.strides[axis] % self.sizes[axis]]).collect())
            }
            Predicate::Score(scored) => {
                let exact = scored.exact(self.schema)?;
                let mut sums = vec![Some(-exact.least); self.total];
                for (column, cells) in &exact.terms {
                    let axis = self.axis(column)?;
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let points = cells[i / self.strides[axis] % self.sizes[axis]];
                        *sum = sum.zip(points).map(|(sum, points)| sum + points);
                    }
                }
                Ok(sums.into_iter().map(|sum| sum.map(|sum| sum >= 0)).collect())
            }
            Predicate::Not(part) => Ok(self.evaluate(part)?.into_iter().map(|v| v.map(|b| !b)).collect()),
            Predicate::All(parts) => self.fold(parts, true),
            Predicate::Any(parts) => self.fold(parts, false),
        }
    }

    /// Kleene's *and* (`unit` true) and *or* (`unit` false).
    fn fold(&self, parts: &[Predicate<Vec<Value>>], unit: bool) -> Result<Vec<Option<bool>>, ProgramError> {
        let mut out = vec![Some(unit); self.total];
        for part in parts {
            for (acc, v) in out.iter_mut().zip(self.evaluate(part)?) {
                *acc = match (*acc, v) {
                    (Some(x), _) | (_, Some(x)) if x != unit => Some(!unit),
                    (Some(_), Some(_)) => Some(unit),
                    _ => None,
                };
            }
        }
        Ok(out)
    }
}
