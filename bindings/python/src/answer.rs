//! `Answer`.

use std::sync::Arc;

use arrow::record_batch::RecordBatch;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict, PyIterator, PyList, PyString, PyTuple, PyType};
use pyo3_arrow::{PyRecordBatch, PyTable};
use sealock::asset::AssetError;
use sealock::release::{self, Numbers};

use crate::convert;
use crate::error::Result;

/// The answer to a query: a table with one row per group.
///
/// It exports Arrow data, so that `pl.DataFrame(answer)`, `pa.table(answer)` and `pd.DataFrame(answer)` take it. Groups
/// that hold no row, or too few for the policy, show zeros and `None`: the two cannot be told apart.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Answer(pub Arc<release::Answer>);

impl Answer {
    fn batch(&self) -> Result<RecordBatch> {
        Ok(self.0.to_record_batch()?)
    }

    fn names(&self) -> Result<Vec<String>> {
        Ok(self.batch()?.schema_ref().fields().iter().map(|field| field.name().clone()).collect())
    }

    fn list<'py>(&self, py: Python<'py>, name: &str) -> Result<Bound<'py, PyList>> {
        if let Some(labels) = self.0.group(name) {
            return Ok(PyList::new(py, labels)?);
        }
        let Some(numbers) = self.0.numbers(name) else {
            return Err(AssetError::UnknownColumn { name: name.into(), close: self.names()? }.into());
        };
        Ok(match numbers {
            Numbers::Count(counts) => PyList::new(py, counts)?,
            Numbers::Sum { values, scale } => {
                let sums = values.iter().map(|value| convert::scaled(py, *value, *scale));
                PyList::new(py, sums.collect::<PyResult<Vec<_>>>()?)?
            }
            Numbers::Mean { .. } | Numbers::Spread { .. } | Numbers::Computed(_) => PyList::new(py, numbers.to_f64())?,
            Numbers::Histogram { bins, counts } => {
                let rows = PyList::empty(py);
                for counts in counts {
                    let row = PyDict::new(py);
                    for (bin, count) in bins.iter().zip(counts) {
                        row.set_item(&bin.label, count)?;
                    }
                    rows.append(row)?;
                }
                rows
            }
            Numbers::Bins { bins, chosen } => {
                PyList::new(py, chosen.iter().map(|bin| bin.and_then(|bin| bins.get(bin)).map(|bin| Bin(bin.clone()))))?
            }
        })
    }
}

/// A bin of a dimension: a category, a boolean, or a range of numbers. What the minimum, the maximum or a quantile of a
/// dimension is.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Bin(release::Bin);

#[pymethods]
impl Bin {
    /// What it holds, for people: `"poor"`, `"[20, 40)"`, `"17"`.
    #[getter]
    fn label(&self) -> &str {
        &self.0.label
    }

    /// The smallest value in it.
    #[getter]
    fn first<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::literal(py, &self.0.first)
    }

    /// The largest value in it.
    #[getter]
    fn last<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::literal(py, &self.0.last)
    }

    fn __repr__(&self) -> String {
        format!("Bin({:?})", self.0.label)
    }

    fn __str__(&self) -> &str {
        &self.0.label
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.label)
    }

    #[classmethod]
    fn _from_json(_class: &Bound<'_, PyType>, text: &str) -> Result<Self> {
        Ok(Self(crate::from_json("bin", text)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "_from_json", crate::to_json(&self.0)?)?)
    }
}

#[pymethods]
impl Answer {
    /// The names of the columns: first those that it is grouped by, then the aggregates.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        Ok(PyTuple::new(py, self.names()?)?)
    }

    /// One column: labels as `str` or `None`, counts as `int`, sums as `Decimal`, means, variances and standard deviations as
    /// `float` or `None`, minima, maxima and quantiles as `Bin` or `None`, histograms as `dict` of labels and counts.
    fn __getitem__<'py>(&self, py: Python<'py>, column: &str) -> Result<Bound<'py, PyList>> {
        self.list(py, column)
    }

    /// Number of rows: groups, or one.
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// The rows, each a dict.
    fn __iter__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyIterator>> {
        let names = self.names()?;
        let columns = names.iter().map(|name| self.list(py, name)).collect::<Result<Vec<_>>>()?;
        let rows = PyList::empty(py);
        for row in 0..self.0.len() {
            let cells = PyDict::new(py);
            for (name, column) in names.iter().zip(&columns) {
                cells.set_item(name, column.get_item(row)?)?;
            }
            rows.append(cells)?;
        }
        Ok(rows.try_iter()?)
    }

    /// The columns by name, each a list.
    fn to_dict<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyDict>> {
        let columns = PyDict::new(py);
        for name in self.names()? {
            columns.set_item(&name, self.list(py, &name)?)?;
        }
        Ok(columns)
    }

    /// Plots an aggregate over the groups with matplotlib, and returns the axes.
    ///
    /// `y` names the aggregate; it may be left out if there is one. `kind` is `"bar"`, `"barh"` or `"line"`.
    #[pyo3(signature = (ax = None, y = None, kind = "bar"))]
    fn plot<'py>(
        slf: &Bound<'py, Self>,
        ax: Option<Bound<'py, PyAny>>,
        y: Option<&str>,
        kind: &str,
    ) -> Result<Bound<'py, PyAny>> {
        let batch = slf.get().batch()?;
        let fields = batch.schema_ref().fields().iter().map(|field| field.name().as_str());
        let (groups, numbers): (Vec<_>, Vec<_>) = fields.partition(|name| slf.get().0.group(name).is_some());
        Ok(slf.py().import("sealock._plot")?.call_method1("plot", (slf, groups, numbers, ax, y, kind))?)
    }

    /// Exports a stream of one record batch (Arrow PyCapsule interface).
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> Result<Bound<'py, PyAny>> {
        let batch = self.batch()?;
        let schema = batch.schema();
        let table = PyTable::try_new(vec![batch], schema)?;
        Ok(table.into_pyobject(py)?.call_method1("__arrow_c_stream__", (requested_schema,))?)
    }

    /// Exports one record batch (Arrow PyCapsule interface).
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> Result<Bound<'py, PyAny>> {
        let batch = PyRecordBatch::new(self.batch()?);
        Ok(batch.into_pyobject(py)?.call_method1("__arrow_c_array__", (requested_schema,))?)
    }

    /// Exports the schema (Arrow PyCapsule interface).
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyCapsule>> {
        Ok(pyo3_arrow::ffi::to_schema_pycapsule(py, self.batch()?.schema_ref().as_ref())?)
    }

    fn __repr__(&self) -> String {
        self.0.to_string()
    }

    fn _repr_html_<'py>(&self, py: Python<'py>) -> Result<String> {
        let escape = py.import("html")?.getattr("escape")?;
        let cell = |tag: &str, object: Option<Bound<'py, PyAny>>| -> PyResult<String> {
            let text = object.map_or(Ok(String::new()), |object| object.str().map(|text| text.to_string()))?;
            Ok(format!("<{tag}>{}</{tag}>", escape.call1((text,))?))
        };
        let names = self.names()?;
        let mut html = String::from("<table>\n<thead><tr>");
        for name in &names {
            html += &cell("th", Some(PyString::new(py, name).into_any()))?;
        }
        html += "</tr></thead>\n<tbody>\n";
        let columns = names.iter().map(|name| self.list(py, name)).collect::<Result<Vec<_>>>()?;
        for row in 0..self.0.len() {
            html += "<tr>";
            for column in &columns {
                let value = column.get_item(row)?;
                html += &cell("td", (!value.is_none()).then_some(value))?;
            }
            html += "</tr>\n";
        }
        html += "</tbody>\n</table>";
        Ok(html)
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.to_string())
    }

    #[classmethod]
    fn _from_json(_class: &Bound<'_, PyType>, text: &str) -> Result<Self> {
        Ok(Self(Arc::new(crate::from_json("answer", text)?)))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "_from_json", crate::to_json(&*self.0)?)?)
    }
}
