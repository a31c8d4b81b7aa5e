//! What a consumer writes: `col`, `secret`, aggregates, filters, `Query`, or SQL; and the `Program` that it becomes.

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};
use sealock::asset::Value;
use sealock::program;

use crate::convert;
use crate::error::{Failure, Result};

mod score;

pub use score::Score;
use score::number;

/// The library's own limits on a filter are much lower. These keep a loop from building one that exhausts memory or stack.
const MOST_TESTS: usize = 4096;
const MOST_STEPS: usize = 1024;

const PARENTHESES: &str =
    "a column is no condition: write (col(\"a\") == 1) & (col(\"b\") == 2), each comparison in parentheses";
const NO_TRUTH: &str = "a filter is neither true nor false: join filters with & | ~ instead of and, or, not or a chained \
                        comparison, and put each comparison in parentheses";

/// A literal, or a list of them, that is hidden from the node. Made by `secret`.
#[pyclass(frozen, module = "sealock")]
pub struct Secret {
    values: Vec<Value>,
    list: bool,
}

fn is_list(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    let scalar = object.is_instance_of::<pyo3::types::PyString>() || object.is_instance_of::<PyBytes>();
    Ok(!scalar && object.hasattr("__iter__")? && !object.getattr("ndim").is_ok_and(|n| n.eq(0).unwrap_or(false)))
}

/// Hides a literal, or a list of them for `is_in`, from the node.
#[pyfunction]
pub fn secret(value: &Bound<'_, PyAny>) -> Result<Secret> {
    if is_list(value)? {
        let values = convert::items("secret", value)?.iter().map(convert::value).collect::<Result<_>>()?;
        return Ok(Secret { values, list: true });
    }
    Ok(Secret { values: vec![convert::value(value)?], list: false })
}

#[pymethods]
impl Secret {
    fn __repr__(&self) -> &'static str {
        "Secret(?)"
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Secret", "it would write the hidden literal down"))
    }
}

/// A filter over rows. Join filters with `&`, `|` and `~`.
#[pyclass(frozen, module = "sealock")]
#[derive(Clone)]
pub struct Filter {
    inner: program::Filter,
    tests: usize,
    steps: usize,
}

impl Filter {
    fn joined(inner: program::Filter, tests: usize, steps: usize) -> Result<Self> {
        if tests > MOST_TESTS || steps > MOST_STEPS {
            let why = format!("the filter has {tests} comparisons, joined in {steps} steps");
            return Err(Failure::argument(why, "use is_in for long lists of values"));
        }
        Ok(Self { inner, tests, steps })
    }
}

#[pymethods]
impl Filter {
    #[classattr]
    fn __array_ufunc__() -> Option<bool> {
        None // NumPy leaves its operators to this class.
    }

    fn __and__(&self, other: &Filter) -> Result<Self> {
        let inner = self.inner.clone() & other.inner.clone();
        Self::joined(inner, self.tests + other.tests, self.steps.max(other.steps) + 1)
    }

    fn __or__(&self, other: &Filter) -> Result<Self> {
        let inner = self.inner.clone() | other.inner.clone();
        Self::joined(inner, self.tests + other.tests, self.steps.max(other.steps) + 1)
    }

    fn __invert__(&self) -> Result<Self> {
        Self::joined(!self.inner.clone(), self.tests, self.steps + 1)
    }

    fn __bool__(&self) -> Result<bool> {
        Err(Failure::wrong_type(NO_TRUTH))
    }

    fn __richcmp__(&self, _other: &Bound<'_, PyAny>, _op: CompareOp) -> Result<bool> {
        Err(Failure::wrong_type(NO_TRUTH))
    }

    fn __repr__(&self) -> String {
        let blank = program::Query::select::<program::Aggregate>([]).filter(self.inner.clone()).program();
        format!("Filter({})", blank.filter().map(ToString::to_string).unwrap_or_default())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Filter", "it may hold secrets; pickle the program of a query instead"))
    }
}

/// A column in a filter. Made by `col`. Compare it with a literal, or with a `secret` one.
#[pyclass(frozen, module = "sealock")]
#[derive(Clone)]
pub struct Col(String);

/// Names a column in a filter.
#[pyfunction]
pub fn col(name: String) -> Col {
    Col(name)
}

impl Col {
    fn compare(&self, op: CompareOp, literal: &Bound<'_, PyAny>) -> Result<Filter> {
        let column = program::col(&self.0);
        if literal.is_instance_of::<Col>() {
            return Err(Failure::wrong_type("a column is compared with literals, not with another column"));
        }
        let list = match literal.cast::<Secret>() {
            Ok(secret) => secret.get().list,
            Err(_) => is_list(literal)?,
        };
        if list {
            return Err(Failure::wrong_type("a column is compared with one literal: use is_in for a list"));
        }
        let inner = match literal.cast::<Secret>() {
            Ok(secret) => tested(column, op, program::secret(secret.get().values[0].clone())),
            Err(_) => tested(column, op, convert::value(literal)?),
        };
        Filter::joined(inner, 1, 1)
    }
}

fn tested(column: program::Col, op: CompareOp, literal: impl program::IntoLiterals) -> program::Filter {
    match op {
        CompareOp::Eq => column.eq(literal),
        CompareOp::Ne => column.ne(literal),
        CompareOp::Lt => column.lt(literal),
        CompareOp::Le => column.le(literal),
        CompareOp::Gt => column.gt(literal),
        CompareOp::Ge => column.ge(literal),
    }
}

#[pymethods]
impl Col {
    #[classattr]
    fn __array_ufunc__() -> Option<bool> {
        None // NumPy leaves its operators to this class.
    }

    fn __richcmp__(&self, other: &Bound<'_, PyAny>, op: CompareOp) -> Result<Filter> {
        self.compare(op, other)
    }

    /// Equal to one of the literals: `col("plan").is_in(secret(["free", "25%"]))`.
    fn is_in(&self, literals: &Bound<'_, PyAny>) -> Result<Filter> {
        let column = program::col(&self.0);
        let inner = match literals.cast::<Secret>() {
            Ok(secret) if secret.get().list => column.is_in(program::secret(secret.get().values.clone())),
            Ok(_) => return Err(Failure::wrong_type("is_in takes a list: write secret([...]), or compare with ==")),
            Err(_) => {
                let values = convert::items("literals", literals)?;
                column.is_in(values.iter().map(convert::value).collect::<Result<Vec<_>>>()?)
            }
        };
        Filter::joined(inner, 1, 1)
    }

    /// From `low` to `high`, both included.
    fn between(&self, low: &Bound<'_, PyAny>, high: &Bound<'_, PyAny>) -> Result<Filter> {
        self.compare(CompareOp::Ge, low)?.__and__(&self.compare(CompareOp::Le, high)?)
    }

    /// Null.
    fn is_null(&self) -> Result<Filter> {
        Filter::joined(program::col(&self.0).is_null(), 1, 1)
    }

    /// Not null.
    fn is_not_null(&self) -> Result<Filter> {
        Filter::joined(program::col(&self.0).is_not_null(), 1, 1)
    }

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        &self.0
    }

    /// Points for each of these values, as a part of a score: `col("plan").points({"free": 5, "paid": 0})`.
    fn points(&self, points: &Bound<'_, PyDict>) -> Result<Score> {
        let each = points.iter().map(|(of, points)| Ok((convert::value(&of)?, number(&points)?)));
        Ok(Score::new(program::col(&self.0).points(each.collect::<Result<Vec<_>>>()?)))
    }

    fn __mul__(&self, factor: &Bound<'_, PyAny>) -> Result<Score> {
        Ok(Score::new(program::col(&self.0).times(number(factor)?)))
    }

    fn __rmul__(&self, factor: &Bound<'_, PyAny>) -> Result<Score> {
        self.__mul__(factor)
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> Result<Score> {
        Score::of(self).__add__(other)
    }

    fn __radd__(&self, other: &Bound<'_, PyAny>) -> Result<Score> {
        Score::of(self).__add__(other)
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> Result<Score> {
        Score::of(self).__sub__(other)
    }

    fn __rsub__(&self, other: &Bound<'_, PyAny>) -> Result<Score> {
        Score::of(self).__rsub__(other)
    }

    fn __neg__(&self) -> Score {
        Score::of(self).__neg__()
    }

    fn __bool__(&self) -> Result<bool> {
        Err(Failure::wrong_type(NO_TRUTH))
    }

    fn __and__(&self, _other: &Bound<'_, PyAny>) -> Result<Filter> {
        Err(Failure::wrong_type(PARENTHESES))
    }

    fn __rand__(&self, _other: &Bound<'_, PyAny>) -> Result<Filter> {
        Err(Failure::wrong_type(PARENTHESES))
    }

    fn __or__(&self, _other: &Bound<'_, PyAny>) -> Result<Filter> {
        Err(Failure::wrong_type(PARENTHESES))
    }

    fn __ror__(&self, _other: &Bound<'_, PyAny>) -> Result<Filter> {
        Err(Failure::wrong_type(PARENTHESES))
    }

    fn __repr__(&self) -> String {
        format!("col({:?})", self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((py.import("sealock")?.getattr("col")?, (self.0.clone(),)))
    }
}

/// One number asked of each group. Made by `count`, `sum`, `mean`, `variance`, `stddev`, `histogram`, `min`, `max`, `median`,
/// `quantile`.
#[pyclass(frozen, eq, hash, module = "sealock")]
#[derive(Clone, PartialEq, Hash)]
pub struct Aggregate(program::Aggregate);

/// The number of rows.
#[pyfunction]
pub fn count() -> Aggregate {
    Aggregate(program::count())
}

/// The sum of a measure over the rows where it is not null.
#[pyfunction]
pub fn sum(column: String) -> Aggregate {
    Aggregate(program::sum(column))
}

/// The mean of a measure over the rows where it is not null.
#[pyfunction]
pub fn mean(column: String) -> Aggregate {
    Aggregate(program::mean(column))
}

/// The variance of a measure, estimated from its rows as a sample (SQL's `var_samp`). `None` below two values.
#[pyfunction]
pub fn variance(column: String) -> Aggregate {
    Aggregate(program::variance(column))
}

/// The variance of a measure over its rows (SQL's `var_pop`).
#[pyfunction]
pub fn var_pop(column: String) -> Aggregate {
    Aggregate(program::var_pop(column))
}

/// The standard deviation of a measure, estimated from its rows as a sample (SQL's `stddev_samp`).
#[pyfunction]
pub fn stddev(column: String) -> Aggregate {
    Aggregate(program::stddev(column))
}

/// The standard deviation of a measure over its rows (SQL's `stddev_pop`).
#[pyfunction]
pub fn stddev_pop(column: String) -> Aggregate {
    Aggregate(program::stddev_pop(column))
}

/// The rows in each bin of a dimension. Those where it is null are left out.
#[pyfunction]
pub fn histogram(column: String) -> Aggregate {
    Aggregate(program::histogram(column))
}

/// The lowest bin of an ordered dimension that holds a row. The histogram leaves the owner for it.
#[pyfunction]
pub fn min(column: String) -> Aggregate {
    Aggregate(program::min(column))
}

/// The highest bin of an ordered dimension that holds a row. The histogram leaves the owner for it.
#[pyfunction]
pub fn max(column: String) -> Aggregate {
    Aggregate(program::max(column))
}

/// The bin of an ordered dimension that holds the middle row. The histogram leaves the owner for it.
#[pyfunction]
pub fn median(column: String) -> Aggregate {
    Aggregate(program::median(column))
}

/// The bin of an ordered dimension at whose end the share `rank` of the rows, from 0 to 1, is reached. The histogram leaves the
/// owner for it.
#[pyfunction]
pub fn quantile(column: String, rank: f64) -> Aggregate {
    Aggregate(program::quantile(column, rank))
}

impl Aggregate {
    fn expr(&self) -> program::Expr {
        self.0.clone().into()
    }
}

#[pymethods]
impl Aggregate {
    #[classattr]
    fn __array_ufunc__() -> Option<bool> {
        None // NumPy leaves its operators to this class.
    }

    /// The name of its column in the answer: `count`, `sum(visits)`, `mean(visits)`.
    #[getter]
    fn name(&self) -> String {
        self.0.to_string()
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(self.expr() + operand(other)?))
    }

    fn __radd__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(operand(other)? + self.expr()))
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(self.expr() - operand(other)?))
    }

    fn __rsub__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(operand(other)? - self.expr()))
    }

    fn __mul__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(self.expr() * operand(other)?))
    }

    fn __rmul__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(operand(other)? * self.expr()))
    }

    fn __truediv__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(self.expr() / operand(other)?))
    }

    fn __rtruediv__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(operand(other)? / self.expr()))
    }

    fn __neg__(&self) -> Expr {
        Expr::made(-self.expr())
    }

    /// The same under another name in the answer.
    fn alias(&self, name: String) -> Expr {
        Expr(self.expr().alias(name))
    }

    fn __repr__(&self) -> String {
        format!("Aggregate({})", self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let function = match &self.0 {
            program::Aggregate::Count => "count",
            program::Aggregate::Sum(_) => "sum",
            program::Aggregate::Mean(_) => "mean",
            program::Aggregate::Spread { by, .. } => by.name(),
            program::Aggregate::Histogram(_) => "histogram",
            program::Aggregate::Min(_) => "min",
            program::Aggregate::Max(_) => "max",
            program::Aggregate::Quantile { .. } => "quantile",
        };
        let mut arguments = Vec::new();
        if let Some(column) = self.0.measure().or(self.0.dimension()) {
            arguments.push(column.into_pyobject(py)?.into_any());
        }
        if let program::Aggregate::Quantile { millionths, .. } = self.0 {
            arguments.push((f64::from(millionths) / 1e6).into_pyobject(py)?.into_any());
        }
        let arguments = PyTuple::new(py, arguments)?;
        Ok((py.import("sealock")?.getattr(function)?, arguments))
    }
}

/// What arithmetic makes of aggregates: `(100 * sum("paid") / sum("owed")).alias("rate")`. It is evaluated exactly once the answer
/// is decrypted, and rounded once to a `float`; it is `None` where it divides by zero, or where a part of it is `None`. Only the
/// aggregates in it leave the consumer.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Expr(program::Output);

impl Expr {
    fn made(expr: program::Expr) -> Self {
        Self(expr.into())
    }

    fn expr(&self) -> program::Expr {
        self.0.expr.clone()
    }
}

/// One side of an arithmetic sign: an expression, an aggregate or a number.
fn operand(object: &Bound<'_, PyAny>) -> Result<program::Expr> {
    if let Ok(expr) = object.cast::<Expr>() {
        return Ok(expr.get().expr());
    }
    if let Ok(aggregate) = object.cast::<Aggregate>() {
        return Ok(aggregate.get().expr());
    }
    match convert::value(object)? {
        number @ (Value::Integer(_) | Value::Decimal { .. }) => Ok(number.into()),
        _ => {
            let got = convert::type_name(object);
            Err(Failure::wrong_type(format!("aggregates are calculated with numbers and aggregates, not with {got}")))
        }
    }
}

#[pymethods]
impl Expr {
    #[classattr]
    fn __array_ufunc__() -> Option<bool> {
        None // NumPy leaves its operators to this class.
    }

    /// The name of its column in the answer: its alias, or the expression itself.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    fn __add__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(self.expr() + operand(other)?))
    }

    fn __radd__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(operand(other)? + self.expr()))
    }

    fn __sub__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(self.expr() - operand(other)?))
    }

    fn __rsub__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(operand(other)? - self.expr()))
    }

    fn __mul__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(self.expr() * operand(other)?))
    }

    fn __rmul__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(operand(other)? * self.expr()))
    }

    fn __truediv__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(self.expr() / operand(other)?))
    }

    fn __rtruediv__(&self, other: &Bound<'_, PyAny>) -> Result<Expr> {
        Ok(Expr::made(operand(other)? / self.expr()))
    }

    fn __neg__(&self) -> Expr {
        Expr::made(-self.expr())
    }

    /// The same under another name in the answer.
    fn alias(&self, name: String) -> Expr {
        Expr(self.expr().alias(name))
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.__repr__())
    }

    fn __repr__(&self) -> String {
        format!("Expr({}, {:?})", self.0.expr, self.0.name)
    }

    #[classmethod]
    fn _from_json(_class: &Bound<'_, PyType>, text: &str) -> Result<Self> {
        Ok(Self(crate::from_json("expression", text)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "_from_json", crate::to_json(&self.0)?)?)
    }
}

/// A question with its secrets. It stays with the consumer. Made by `select`; every method returns a new one.
#[pyclass(frozen, module = "sealock")]
#[derive(Clone)]
pub struct Query {
    pub inner: program::Query,
    filter: Option<Filter>,
}

/// Arguments that may also come as one list.
fn spread<'py>(arguments: &Bound<'py, PyTuple>) -> Result<Vec<Bound<'py, PyAny>>> {
    match arguments.len() {
        1 if is_list(&arguments.get_item(0)?)? => convert::items("arguments", &arguments.get_item(0)?),
        _ => Ok(arguments.iter().collect()),
    }
}

/// Asks for aggregates over all rows, or for what arithmetic makes of them: `select(mean("visits"), count())`.
#[pyfunction]
#[pyo3(signature = (*aggregates))]
pub fn select(aggregates: &Bound<'_, PyTuple>) -> Result<Query> {
    let aggregates = spread(aggregates)?;
    let outputs = aggregates.iter().map(|output| {
        if let Ok(aggregate) = output.cast::<Aggregate>() {
            return Ok(program::Output::from(aggregate.get().0.clone()));
        }
        let got = || convert::type_name(output);
        let expected = "expected count(), sum(column) or another aggregate";
        let expr = output.cast::<Expr>();
        Ok(expr.map_err(|_| Failure::wrong_type(format!("select: {expected}, got {}", got())))?.get().0.clone())
    });
    Ok(Query { inner: program::Query::select(outputs.collect::<Result<Vec<_>>>()?), filter: None })
}

/// The query that a SELECT writes, the same as the one made by `select`, `filter` and `group_by`:
///
///     sql("SELECT region, avg(visits) FROM asset WHERE age >= SECRET(40) AND plan IN ('a', SECRET('b')) GROUP BY region")
///
/// SELECT has columns of GROUP BY; `count(*)`; `sum`, `avg`, `var_samp`, `var_pop`, `stddev_samp` and `stddev_pop` of a measure;
/// `histogram`, `min`, `max`, `median` and `quantile(column, 0.9)` of a dimension; and arithmetic on those that are numbers, by
/// `+ - * /` and parentheses. AS names one. FROM has any one name: which
/// asset is asked, the order says. WHERE joins comparisons of a column with literals by AND, OR, NOT and parentheses: `=`, `<>`,
/// `!=`, `<`, `<=`, `>`, `>=`, `[NOT] BETWEEN`, `[NOT] IN`, `IS [NOT] NULL`. Literals are numbers, 'texts', TRUE and FALSE;
/// `SECRET(literal)` hides one. Names are case-sensitive, and stand in "double quotes" if they have other characters than
/// letters, digits and _. The answer has the columns of GROUP BY first, and calls the aggregates `count`, `sum(column)` and
/// `mean(column)`.
///
/// Raises `UnsupportedProgram` for other SQL, `InvalidProgram` for what is no query, `TooLarge` for more than 64 KiB. The
/// message says where, and shows no literal.
#[pyfunction]
pub fn sql(text: &str) -> Result<Query> {
    Ok(Query { inner: program::Query::from_sql(text)?, filter: None })
}

#[pymethods]
impl Query {
    /// Keeps the rows for which the filter holds, of those that earlier filters kept. A comparison with null holds neither
    /// as it is nor negated, as in SQL.
    fn filter(&self, filter: &Filter) -> Result<Self> {
        let all = match &self.filter {
            Some(earlier) => earlier.__and__(filter)?,
            None => filter.clone(),
        };
        Ok(Self { inner: self.inner.clone().filter(filter.inner.clone()), filter: Some(all) })
    }

    /// Answers once for each combination of the values of the columns, which the node sees. Called again, it replaces.
    #[pyo3(signature = (*columns))]
    fn group_by(&self, columns: &Bound<'_, PyTuple>) -> Result<Self> {
        let columns = PyTuple::new(columns.py(), spread(columns)?)?;
        let columns = convert::texts("columns", columns.as_any())?;
        Ok(Self { inner: self.inner.clone().group_by(columns), filter: self.filter.clone() })
    }

    /// The program: this query with every secret blanked out. It is what travels.
    #[getter]
    fn program(&self) -> Program {
        Program(self.inner.program())
    }

    /// The query as one line of SQL, each secret as `SECRET(?)`.
    fn to_sql(&self) -> String {
        self.inner.to_sql()
    }

    fn __repr__(&self) -> String {
        format!("Query({})", self.inner.program())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Query", "it may hold secrets; pickle query.program, which holds none"))
    }
}

/// A query with every secret blanked out: what travels, what a policy allows and what a receipt names, by its digest.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Program(pub program::Program);

#[pymethods]
impl Program {
    /// The columns that the answer is grouped by.
    #[getter]
    fn group_by<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.group_by())
    }

    /// The numbers asked of each group.
    #[getter]
    fn aggregates<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.aggregates().iter().map(|a| Aggregate(a.clone())).collect::<Vec<_>>())
    }

    /// The digest that policies, proofs and receipts name it by.
    #[getter]
    fn digest(&self) -> Result<String> {
        Ok(self.0.digest()?.to_string())
    }

    /// The program as one line of SQL, each secret as `SECRET(?)`: what an owner sees of a query.
    fn to_sql(&self) -> String {
        self.0.to_sql()
    }

    /// Canonical DAG-CBOR.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.to_bytes()?))
    }

    /// Reads canonical DAG-CBOR.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(program::Program::from_bytes(&convert::bytes("program", bytes)?)?))
    }

    fn __hash__(&self) -> Result<u64> {
        Ok(crate::hash(&self.0.digest()?))
    }

    fn __repr__(&self) -> String {
        format!("Program({})", self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py)?)?)
    }
}
