//! `Column` and `Schema`.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use sealock::asset::{self, Kind};

use crate::call::Call;
use crate::error::{Failure, Result};
use crate::{convert, frame};

/// One column of a `Schema`: type, domain and role.
///
/// Made by `Column.category`, `Column.integer`, `Column.decimal` and `Column.boolean`. A *dimension* may be filtered and
/// grouped by, a *measure* may be aggregated.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(PartialEq)]
pub struct Column(pub asset::Column);

/// What every kind of column can be declared with.
struct Declared<'a, 'py> {
    dimension: bool,
    measure: bool,
    entity: bool,
    nullable: bool,
    bins: Option<&'a Bound<'py, PyAny>>,
    description: Option<String>,
}

impl Column {
    fn declare(mut column: asset::Column, declared: Declared<'_, '_>) -> Result<Self> {
        let Declared { dimension, measure, entity, nullable, bins, description } = declared;
        if let Some(bins) = bins {
            let edges = convert::items("bins", bins)?;
            column = column.bins_at(edges.iter().map(convert::value).collect::<Result<Vec<_>>>()?)?;
        }
        column.role = asset::Role { dimension, measure, entity };
        column.nullable = nullable;
        column.description = description;
        // Whatever is wrong with it is said here, not when it is joined with others.
        asset::Schema::new(vec![column.clone()])?;
        Ok(Self(column))
    }

    fn number<'py>(&self, py: Python<'py>, stored: i64) -> PyResult<Bound<'py, PyAny>> {
        match self.0.kind {
            Kind::Decimal { scale, .. } => convert::scaled(py, stored.into(), scale),
            _ => Ok(stored.into_pyobject(py)?.into_any()),
        }
    }
}

#[pymethods]
impl Column {
    /// A column of one out of `values`, in this order.
    #[staticmethod]
    #[pyo3(signature = (name, values, *, dimension = false, measure = false, nullable = false, description = None))]
    fn category(
        name: String,
        values: &Bound<'_, PyAny>,
        dimension: bool,
        measure: bool,
        nullable: bool,
        description: Option<String>,
    ) -> Result<Self> {
        let column = asset::Column::category(name, convert::texts("values", values)?);
        Self::declare(column, Declared { dimension, measure, entity: false, nullable, bins: None, description })
    }

    /// A column of texts. As an `entity`, its values say whom rows are about: see `Policy`.
    #[staticmethod]
    #[pyo3(signature = (name, *, entity = false, nullable = false, description = None))]
    fn text(name: String, entity: bool, nullable: bool, description: Option<String>) -> Result<Self> {
        let column = asset::Column::text(name);
        Self::declare(column, Declared { dimension: false, measure: false, entity, nullable, bins: None, description })
    }

    /// A whole number from `min` to `max`, both included. `bins` are the edges of the cells that it has as a dimension. As an
    /// `entity`, its values say whom rows are about: see `Policy`.
    #[staticmethod]
    #[pyo3(signature = (
        name, min, max, *, dimension = false, measure = false, entity = false, nullable = false, bins = None,
        description = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn integer(
        name: String,
        min: &Bound<'_, PyAny>,
        max: &Bound<'_, PyAny>,
        dimension: bool,
        measure: bool,
        entity: bool,
        nullable: bool,
        bins: Option<&Bound<'_, PyAny>>,
        description: Option<String>,
    ) -> Result<Self> {
        let column = asset::Column::integer(name, convert::whole("min", min)?, convert::whole("max", max)?);
        Self::declare(column, Declared { dimension, measure, entity, nullable, bins, description })
    }

    /// A number with `scale` decimal places, from `min` to `max`, both included and as they are written: `"0.50"`, `1.5`,
    /// `12`, `Decimal`. `bins` are the edges of the cells that it has as a dimension.
    #[staticmethod]
    #[pyo3(signature = (
        name, scale, min, max, *, dimension = false, measure = false, nullable = false, bins = None, description = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn decimal(
        name: String,
        scale: &Bound<'_, PyAny>,
        min: &Bound<'_, PyAny>,
        max: &Bound<'_, PyAny>,
        dimension: bool,
        measure: bool,
        nullable: bool,
        bins: Option<&Bound<'_, PyAny>>,
        description: Option<String>,
    ) -> Result<Self> {
        let (scale, min, max) = (convert::whole("scale", scale)?, convert::value(min)?, convert::value(max)?);
        let column = asset::Column::decimal_between(name, scale, min, max)?;
        Self::declare(column, Declared { dimension, measure, entity: false, nullable, bins, description })
    }

    /// A true-or-false column.
    #[staticmethod]
    #[pyo3(signature = (name, *, dimension = false, measure = false, nullable = false, description = None))]
    fn boolean(
        name: String,
        dimension: bool,
        measure: bool,
        nullable: bool,
        description: Option<String>,
    ) -> Result<Self> {
        let column = asset::Column::boolean(name);
        Self::declare(column, Declared { dimension, measure, entity: false, nullable, bins: None, description })
    }

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// `"boolean"`, `"category"`, `"integer"`, `"decimal"` or `"text"`.
    #[getter]
    fn kind(&self) -> &'static str {
        match self.0.kind {
            Kind::Boolean => "boolean",
            Kind::Category { .. } => "category",
            Kind::Integer { .. } => "integer",
            Kind::Decimal { .. } => "decimal",
            Kind::Text => "text",
        }
    }

    /// The categories, in their order; `None` for other kinds.
    #[getter]
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        match &self.0.kind {
            Kind::Category { values } => PyTuple::new(py, values).map(Some),
            _ => Ok(None),
        }
    }

    /// The smallest value of a number; `None` for other kinds.
    #[getter]
    fn min<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.range().map(|(min, _)| self.number(py, min)).transpose()
    }

    /// The largest value of a number; `None` for other kinds.
    #[getter]
    fn max<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.range().map(|(_, max)| self.number(py, max)).transpose()
    }

    /// Decimal places of a number; `None` for other kinds.
    #[getter]
    fn scale(&self) -> Option<u8> {
        match self.0.kind {
            Kind::Integer { .. } => Some(0),
            Kind::Decimal { scale, .. } => Some(scale),
            _ => None,
        }
    }

    /// Whether rows may be filtered and grouped by it.
    #[getter]
    fn dimension(&self) -> bool {
        self.0.role.dimension
    }

    /// Whether it may be aggregated.
    #[getter]
    fn measure(&self) -> bool {
        self.0.role.measure
    }

    /// Whether its values say whom rows are about.
    #[getter]
    fn entity(&self) -> bool {
        self.0.role.entity
    }

    /// Whether values may be missing.
    #[getter]
    fn nullable(&self) -> bool {
        self.0.nullable
    }

    /// The edges of the bins; `None` without bins.
    #[getter]
    fn bins<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        let Some(edges) = &self.0.bins else { return Ok(None) };
        let edges = edges.iter().map(|edge| self.number(py, *edge)).collect::<PyResult<Vec<_>>>()?;
        PyTuple::new(py, edges).map(Some)
    }

    /// What the column means.
    #[getter]
    fn description(&self) -> Option<&str> {
        self.0.description.as_deref()
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.name)
    }

    fn __repr__(&self) -> Result<String> {
        let schema = asset::Schema::new(vec![self.0.clone()])?;
        Ok(format!("Column({})", schema.to_string().trim_end()))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let schema = asset::Schema::new(vec![self.0.clone()])?;
        Ok(convert::rebuilt::<Self>(py, "_from_bytes", PyBytes::new(py, &schema.to_bytes()))?)
    }

    #[classmethod]
    fn _from_bytes(_class: &Bound<'_, pyo3::types::PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        let schema = asset::Schema::from_bytes(&convert::bytes("column", bytes)?)?;
        Ok(Self(schema.columns()[0].clone()))
    }
}

/// The columns of a table: what they hold and what they may be used for.
///
/// A schema is **public**: ranges, categories and bins are published with the asset.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Schema(pub asset::Schema);

#[pymethods]
impl Schema {
    #[new]
    fn new(columns: &Bound<'_, PyAny>) -> Result<Self> {
        let columns = convert::items("columns", columns)?;
        let columns = columns.iter().map(|column| match column.cast::<Column>() {
            Ok(column) => Ok(column.get().0.clone()),
            Err(_) => Err(Failure::wrong_type(format!("columns: expected Column, got {}", convert::type_name(column)))),
        });
        Ok(Self(asset::Schema::new(columns.collect::<Result<_>>()?)?))
    }

    /// Proposes a schema for a DataFrame: texts and booleans become dimensions, numbers measures.
    ///
    /// **Read the result before publishing it.** A schema is public, and this one quotes the data: extreme values and
    /// every category. Correct it with `with_column`.
    #[staticmethod]
    fn infer(py: Python<'_>, data: &Bound<'_, PyAny>) -> Result<Self> {
        let reader = frame::reader(data)?;
        Call::default().run(py, move |_| {
            let batches = frame::batches(reader)?;
            Ok(Self(asset::Schema::infer_batches(&batches)?))
        })
    }

    /// The columns, in their order.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.columns().iter().map(|column| Column(column.clone())).collect::<Vec<_>>())
    }

    /// The column of that name.
    fn column(&self, name: &str) -> Result<Column> {
        Ok(Column(self.0.column(name)?.clone()))
    }

    /// The schema with the column of the same name replaced.
    fn with_column(&self, column: &Column) -> Result<Self> {
        Ok(Self(self.0.clone().with_column(column.0.clone())?))
    }

    /// The schema without that column.
    fn without_column(&self, name: &str) -> Result<Self> {
        Ok(Self(self.0.clone().without_column(name)?))
    }

    /// The digest that names the schema.
    #[getter]
    fn digest(&self) -> String {
        self.0.digest().to_string()
    }

    /// The schema as JSON.
    fn to_json(&self) -> Result<String> {
        crate::to_json(&self.0)
    }

    /// Reads what `to_json` wrote, and checks it.
    #[staticmethod]
    fn from_json(text: &str) -> Result<Self> {
        Ok(Self(crate::from_json("schema", text)?))
    }

    /// Canonical DAG-CBOR.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// Reads canonical DAG-CBOR, and checks it.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, pyo3::types::PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(asset::Schema::from_bytes(&convert::bytes("schema", bytes)?)?))
    }

    fn __len__(&self) -> usize {
        self.0.columns().len()
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.digest())
    }

    fn __repr__(&self) -> String {
        format!("Schema of {} columns:\n{}", self.0.columns().len(), self.0).trim_end().to_string()
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py))
    }
}
