//! Scores: what several columns of a row add up to, to be compared with a bound. Linear and logistic models, and sums of
//! points for categories.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Add, Neg, Sub};

use serde::{Deserialize, Serialize};

use super::predicate::{check_cells, check_dimension};
use super::{Filter, Op, Predicate, ProgramError};
use crate::asset::{Column, Kind, Schema, Value};

/// Most terms of a score.
pub(crate) const MAX_TERMS: usize = 64;

/// What a column's value adds to a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Points {
    /// So much for each unit of a number; for TRUE.
    Times(Value),
    /// So much for each of these values. Of others nothing is known, as of nulls.
    Each(Vec<(Value, Value)>),
}

/// A term of a score. Made by [`Col::times`](super::Col::times) and [`Col::points`](super::Col::points).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Term {
    /// The column.
    pub column: String,
    /// What its value adds.
    pub points: Points,
}

/// A score, compared with a bound: `2 * age + 0.5 * bmi >= 90`. It is computed exactly. As in SQL, what adds up with a null holds
/// neither as it is nor negated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scored {
    /// What is added up.
    pub terms: Vec<Term>,
    /// The comparison: [`Op::Lt`], [`Op::Le`], [`Op::Gt`] or [`Op::Ge`].
    pub op: Op,
    /// What it is compared with.
    pub bound: Value,
}

/// A sum of terms and a number, as a filter compares it with a bound.
///
/// ```
/// use sealock::program::{Query, Score, col, count};
///
/// // A logistic model: 0.04 · age + (1.2 if they smoke) − 3.5, and whom it gives 30 percent or more.
/// let risk = Score::from(-3.5) + col("age").times(0.04) + col("smokes").points([(true, 1.2), (false, 0.0)]);
/// let query = Query::select([count()]).filter(risk.at_least_probability(0.3));
/// assert!(query.to_sql().starts_with("SELECT count(*) FROM asset WHERE 0.04 * age + CASE smokes WHEN TRUE THEN 1.2"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    terms: Vec<Term>,
    constant: Number,
}

/// Exact, or no number at all: what is none is refused when it is planned.
type Number = Option<(i128, u32)>;

fn number(value: &Value) -> Number {
    match *value {
        Value::Integer(value) => Some((value.into(), 0)),
        Value::Decimal { mantissa, scale } => Some((mantissa.into(), scale.into())),
        _ => None,
    }
}

/// In units of `10^-scale`, if it has no more places and fits.
fn in_units((mantissa, places): (i128, u32), scale: u32) -> Option<i128> {
    10i128.checked_pow(scale.checked_sub(places)?)?.checked_mul(mantissa)
}

fn plus(a: Number, b: Number) -> Number {
    let (a, b) = (a?, b?);
    let scale = a.1.max(b.1);
    Some((in_units(a, scale)?.checked_add(in_units(b, scale)?)?, scale))
}

fn minus(number: Number) -> Number {
    number.and_then(|(mantissa, scale)| Some((mantissa.checked_neg()?, scale)))
}

/// The number as a literal, without zeros at its end. What does not fit becomes a text, which no comparison takes.
fn value(number: Number) -> Value {
    let decimal = |(mut mantissa, mut scale): (i128, u32)| {
        while scale > 0 && mantissa % 10 == 0 {
            (mantissa, scale) = (mantissa / 10, scale - 1);
        }
        let mantissa = i64::try_from(mantissa).ok()?;
        Some(if scale == 0 { mantissa.into() } else { Value::Decimal { mantissa, scale: u8::try_from(scale).ok()? } })
    };
    number.and_then(decimal).unwrap_or_else(|| Value::Text("too many digits".into()))
}

impl Term {
    fn negative(self) -> Self {
        let negative = |of: &Value| value(minus(number(of)));
        let points = match self.points {
            Points::Times(weight) => Points::Times(negative(&weight)),
            Points::Each(each) => Points::Each(each.into_iter().map(|(of, points)| (of, negative(&points))).collect()),
        };
        Self { points, ..self }
    }
}

impl From<Term> for Score {
    fn from(term: Term) -> Self {
        Self { terms: vec![term], constant: Some((0, 0)) }
    }
}

impl From<Value> for Score {
    fn from(constant: Value) -> Self {
        Self { terms: Vec::new(), constant: number(&constant) }
    }
}

impl From<f64> for Score {
    fn from(constant: f64) -> Self {
        Value::from(constant).into()
    }
}

impl From<i64> for Score {
    fn from(constant: i64) -> Self {
        Value::from(constant).into()
    }
}

impl<T: Into<Score>> Add<T> for Score {
    type Output = Score;
    fn add(mut self, other: T) -> Score {
        let other = other.into();
        // One more than are accepted is refused later; a loop that doubles it is not to end memory.
        self.terms.extend(other.terms);
        self.terms.truncate(MAX_TERMS + 1);
        self.constant = plus(self.constant, other.constant);
        self
    }
}

impl<T: Into<Score>> Sub<T> for Score {
    type Output = Score;
    fn sub(self, other: T) -> Score {
        self + -other.into()
    }
}

impl Neg for Score {
    type Output = Score;
    fn neg(self) -> Score {
        Score { terms: self.terms.into_iter().map(Term::negative).collect(), constant: minus(self.constant) }
    }
}

impl<T: Into<Score>> Add<T> for Term {
    type Output = Score;
    fn add(self, other: T) -> Score {
        Score::from(self) + other
    }
}

impl<T: Into<Score>> Sub<T> for Term {
    type Output = Score;
    fn sub(self, other: T) -> Score {
        Score::from(self) - other
    }
}

macro_rules! comparisons {
    ($($(#[doc = $doc:literal])+ $name:ident $op:ident,)+) => {
        $($(#[doc = $doc])+ pub fn $name(self, bound: impl Into<Value>) -> Filter {
            self.compared(Op::$op, bound.into())
        })+
    };
}

impl Score {
    comparisons! {
        /// Less than the bound.
        lt Lt,
        /// Less than or equal to the bound.
        le Le,
        /// Greater than the bound.
        gt Gt,
        /// Greater than or equal to the bound.
        ge Ge,
    }

    /// The score is a logistic model's log-odds, and the probability is at least this: `1 / (1 + e^-score) >= probability`.
    ///
    /// The bound is `ln(p / (1 - p))` as a double has it; the comparison with it is exact. What is not between 0 and 1 is refused when
    /// the query is planned.
    pub fn at_least_probability(self, probability: f64) -> Filter {
        self.ge((probability / (1.0 - probability)).ln())
    }

    pub(super) fn compared(self, op: Op, bound: Value) -> Filter {
        let bound = match self.constant {
            Some((0, _)) => bound,
            constant => value(plus(number(&bound), minus(constant))),
        };
        Filter::scored(Scored { terms: self.terms, op, bound })
    }
}

impl Scored {
    /// The columns that it names.
    pub(crate) fn columns(&self) -> BTreeSet<&str> {
        self.terms.iter().map(|term| term.column.as_str()).collect()
    }

    /// Checks it against the schema.
    ///
    /// # Errors
    /// As [`Scored::exact`]; [`ProgramError::NotADimension`], [`ProgramError::Unordered`] for a factor of categories.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), ProgramError> {
        for Term { column, points } in &self.terms {
            let boolean = matches!(schema.column(column)?.kind, Kind::Boolean);
            check_dimension(schema, column, matches!(points, Points::Times(_)) && !boolean)?;
        }
        self.exact(schema).map(drop)
    }

    /// The score in whole numbers.
    ///
    /// # Errors
    /// [`ProgramError::Shape`] for a score of nothing, a comparison without an order, weights that are no numbers or have too
    /// many digits; [`ProgramError::Binned`] where a cell holds several values; [`ProgramError::Asset`] for values that are
    /// none of the column's.
    pub(crate) fn exact(&self, schema: &Schema) -> Result<Exact<'_>, ProgramError> {
        let shape = |why: String| ProgramError::Shape(why);
        if self.terms.is_empty() || self.terms.len() > MAX_TERMS {
            return Err(shape(format!("a score has {} terms, and takes 1 to {MAX_TERMS}", self.terms.len())));
        }
        let negative = match self.op {
            Op::Ge | Op::Gt => false,
            Op::Le | Op::Lt => true,
            op => return Err(shape(format!("a score is compared by <, <=, > or >=, and not by {op}"))),
        };
        let numeric = |of: &Value| {
            number(of)
                .ok_or_else(|| shape(format!("{self}: {of} is no number of up to 18 digits to score by; round it")))
        };
        let bound = numeric(&self.bound)?;
        let mut scale = 0;
        for Term { column, points } in &self.terms {
            let column = schema.column(column)?;
            match points {
                Points::Times(weight) => {
                    scale = scale.max(numeric(weight)?.1 + u32::from(column.scale().unwrap_or(0)));
                }
                Points::Each(each) => {
                    for (_, points) in each {
                        scale = scale.max(numeric(points)?.1);
                    }
                }
            }
        }
        let too_large = || shape(format!("{self} has too many digits: round its weights and its bound"));
        // The sums are whole, and the bound is moved to the next one that makes no difference.
        let (floor, ceil) = match bound.1.checked_sub(scale) {
            None | Some(0) => in_units(bound, scale).map(|bound| (bound, bound)),
            Some(more) => Some(match 10i128.checked_pow(more) {
                Some(unit) => {
                    (bound.0.div_euclid(unit), bound.0.div_euclid(unit) + i128::from(bound.0.rem_euclid(unit) != 0))
                }
                None => (-i128::from(bound.0 < 0), i128::from(bound.0 > 0)),
            }),
        }
        .ok_or_else(too_large)?;
        // At most the bound is what is not above it, less what does not reach it.
        let least = if matches!(self.op, Op::Ge | Op::Lt) { ceil } else { floor + 1 };
        let mut terms: Vec<(&str, Vec<Option<i128>>)> = Vec::new();
        for Term { column: name, points } in &self.terms {
            let column = schema.column(name)?;
            let (cells, places) = (check_cells(column)?, u32::from(column.scale().unwrap_or(0)));
            let values = cells - u32::from(column.nullable);
            let mut of_cells = vec![None; cells as usize];
            match points {
                Points::Times(weight) => {
                    let (mantissa, own) = numeric(weight)?;
                    let weight = in_units((mantissa, own + places), scale).ok_or_else(too_large)?;
                    for cell in 0..values {
                        let stored = single(column, cell)?;
                        of_cells[cell as usize] = Some(weight.checked_mul(stored.into()).ok_or_else(too_large)?);
                    }
                }
                Points::Each(each) => {
                    for (of, points) in each {
                        let stored = column.to_stored(of).map_err(|e| e.of_literal(false))?;
                        let Some(cell) = column.cell_of_stored(stored) else { continue };
                        single(column, cell)?;
                        let points = in_units(numeric(points)?, scale).ok_or_else(too_large)?;
                        if of_cells[cell as usize].replace(points).is_some() {
                            return Err(shape(format!("{of} of column {name:?} has points twice")));
                        }
                    }
                }
            }
            match terms.iter_mut().find(|(own, _)| own == name) {
                None => terms.push((name, of_cells)),
                Some((_, own)) => {
                    for (own, more) in own.iter_mut().zip(of_cells) {
                        *own = match (*own, more) {
                            (Some(own), Some(more)) => Some(own.checked_add(more).ok_or_else(too_large)?),
                            _ => None,
                        };
                    }
                }
            }
        }
        // So that no sum of them leaves 128 bits.
        let greatest = |(_, cells): &(&str, Vec<Option<i128>>)| {
            cells.iter().flatten().map(|points| points.unsigned_abs()).max().unwrap_or(0)
        };
        if terms.iter().map(greatest).chain([least.unsigned_abs()]).any(|most| most > 1 << 118) {
            return Err(too_large());
        }
        let exact = Exact { terms, least };
        Ok(if negative { exact.negated() } else { exact })
    }
}

/// The one value that a cell holds.
fn single(column: &Column, cell: u32) -> Result<i64, ProgramError> {
    match column.cell_bounds(cell) {
        None => Ok(cell.into()),
        Some((first, last)) if first == last => Ok(first),
        Some(_) => Err(ProgramError::Binned { column: column.name.clone(), cell: column.cell_label(cell) }),
    }
}

/// A score in whole numbers.
#[derive(Debug)]
pub(crate) struct Exact<'a> {
    /// For each column, what each of its cells adds, if that is known.
    pub(crate) terms: Vec<(&'a str, Vec<Option<i128>>)>,
    /// What the sum is to reach.
    pub(crate) least: i128,
}

impl Exact<'_> {
    /// The score that reaches its bound where this one does not.
    pub(crate) fn negated(mut self) -> Self {
        self.terms.iter_mut().flat_map(|(_, cells)| cells).flatten().for_each(|points| *points = -*points);
        self.least = 1 - self.least;
        self
    }
}

impl Scored {
    /// The comparison in text, with names and literals as they are written.
    pub(super) fn text(&self, name: &impl Fn(&str) -> String, literal: &impl Fn(&Value) -> String) -> String {
        let term = |Term { column, points }: &Term| match points {
            Points::Times(weight) => format!("{} * {}", literal(weight), name(column)),
            Points::Each(each) => {
                let each = each.iter().map(|(of, points)| format!(" WHEN {} THEN {}", literal(of), literal(points)));
                format!("CASE {}{} END", name(column), each.collect::<String>())
            }
        };
        let terms: Vec<String> = self.terms.iter().map(term).collect();
        format!("{} {} {}", terms.join(" + "), self.op, literal(&self.bound))
    }
}

impl fmt::Display for Scored {
    /// For people: `2 * age + 0.5 * bmi >= 90`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&str::to_owned, &Value::to_string))
    }
}

impl<L> From<Scored> for Predicate<L> {
    fn from(scored: Scored) -> Self {
        Predicate::Score(scored)
    }
}
