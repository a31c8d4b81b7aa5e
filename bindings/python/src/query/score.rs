//! Sums of columns, to be compared with a number.

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use sealock::asset::Value;
use sealock::program;

use super::{Col, Filter, NO_TRUTH, Secret};
use crate::convert;
use crate::error::{Failure, Result};

/// A number to score by.
pub(super) fn number(object: &Bound<'_, PyAny>) -> Result<Value> {
    match convert::value(object)? {
        value @ (Value::Integer(_) | Value::Decimal { .. }) => Ok(value),
        _ => Err(Failure::wrong_type("a score is made of columns and numbers: 2 * col(\"age\") + 0.5 * col(\"bmi\")")),
    }
}

/// A sum of columns with factors: `2 * col("age") + 0.5 * col("bmi") - 3`. Compare it with a number by `<`, `<=`, `>`, `>=`. It is
/// computed exactly; as in SQL, what adds up with a null holds neither as it is nor negated.
#[pyclass(frozen, module = "sealock")]
#[derive(Clone)]
pub struct Score(program::Score);

impl Score {
    pub(super) fn new(score: impl Into<program::Score>) -> Self {
        Score(score.into())
    }

    pub(super) fn of(column: &Col) -> Self {
        Score(program::col(&column.0).times(1).into())
    }

    fn operand(object: &Bound<'_, PyAny>) -> Result<program::Score> {
        if let Ok(score) = object.cast::<Score>() {
            return Ok(score.get().0.clone());
        }
        match object.cast::<Col>() {
            Ok(column) => Ok(Self::of(column.get()).0),
            Err(_) => Ok(number(object)?.into()),
        }
    }
}

#[pymethods]
impl Score {
    #[classattr]
    fn __array_ufunc__() -> Option<bool> {
        None // NumPy leaves its operators to this class.
    }

    pub(super) fn __add__(&self, other: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Score(self.0.clone() + Self::operand(other)?))
    }

    fn __radd__(&self, other: &Bound<'_, PyAny>) -> Result<Self> {
        self.__add__(other)
    }

    pub(super) fn __sub__(&self, other: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Score(self.0.clone() - Self::operand(other)?))
    }

    pub(super) fn __rsub__(&self, other: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Score(Self::operand(other)? - self.0.clone()))
    }

    pub(super) fn __neg__(&self) -> Self {
        Score(-self.0.clone())
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> Result<Filter> {
        if other.is_instance_of::<Secret>() {
            return Err(Failure::wrong_type("a score is compared with a number in the clear"));
        }
        let (score, bound) = (self.0.clone(), number(other)?);
        let inner = match op {
            CompareOp::Lt => score.lt(bound),
            CompareOp::Le => score.le(bound),
            CompareOp::Gt => score.gt(bound),
            CompareOp::Ge => score.ge(bound),
            CompareOp::Eq | CompareOp::Ne => {
                return Err(Failure::wrong_type("a score is compared by <, <=, > or >=; join two for equality"));
            }
        };
        Filter::joined(inner, 1, 1)
    }

    /// The score is a logistic model's log-odds, and the probability is at least this, between 0 and 1.
    fn at_least_probability(&self, probability: f64) -> Result<Filter> {
        if !(probability > 0.0 && probability < 1.0) {
            let why = format!("probability: {probability} is not between 0 and 1");
            return Err(Failure::argument(why, "pass a probability such as 0.5"));
        }
        Filter::joined(self.0.clone().at_least_probability(probability), 1, 1)
    }

    fn __bool__(&self) -> Result<bool> {
        Err(Failure::wrong_type(NO_TRUTH))
    }

    fn __repr__(&self) -> String {
        let filter = self.0.clone().ge(Value::Integer(0));
        let program = program::Query::select::<program::Aggregate>([]).filter(filter).program();
        let text = program.filter().map(ToString::to_string).unwrap_or_default();
        format!("Score({})", text.replace(" >= 0", ""))
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Score", "pickle the program of a query instead"))
    }
}
