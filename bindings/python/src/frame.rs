//! DataFrames, through the Arrow PyCapsule interface.
//!
//! What is imported shares the memory of the DataFrame. The library's checked table is made from it and is a snapshot of
//! its own: whatever becomes of the DataFrame afterwards does not change it.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch, RecordBatchReader};
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyTuple};
use pyo3_arrow::PyTable;
use pyo3_arrow::input::AnyRecordBatch;
use sealock::asset;
use sealock::codec::CodecError;

use crate::call::{caught_as, closing, going, quick};
use crate::convert;
use crate::error::{Failure, Result};
use crate::schema::Schema;

/// A stream of batches that has not been read yet.
pub type Reader = Box<dyn RecordBatchReader + Send>;

/// Asks a DataFrame for its stream.
pub fn reader(data: &Bound<'_, PyAny>) -> Result<Reader> {
    if !data.hasattr("__arrow_c_stream__")? && !data.hasattr("__arrow_c_array__")? {
        return Err(Failure::wrong_type(format!(
            "expected a table that exports Arrow data (__arrow_c_stream__), got {}: pass a DataFrame of pandas (with pyarrow \
             installed) or polars, a pyarrow table or a DuckDB relation; collect a lazy one first",
            convert::type_name(data)
        )));
    }
    let stream = arrow(|| Ok(data.extract::<AnyRecordBatch>().and_then(AnyRecordBatch::into_reader)))?;
    stream.map_err(|error| {
        let py = data.py();
        // What the importer itself says is about a shape that is no table; anything else is the exporter's own.
        if error.is_instance_of::<pyo3::exceptions::PyValueError>(py) && error.traceback(py).is_none() {
            let hint = "pass a table, not a single column";
            return Failure::argument(format!("the data is no Arrow table: {}", error.value(py)), hint);
        }
        error.into()
    })
}

/// Reads a stream to its end, without copying what it hands over. Detached: a stream may need the interpreter itself.
///
/// What comes is looked through before anything relies on it. Exporters do not promise that text is UTF-8 or that offsets
/// and keys lie in range (pyarrow reads Parquet files that break the first), and Rust's arrays do.
pub fn batches(mut reader: Reader) -> Result<Vec<RecordBatch>> {
    let schema = reader.schema();
    let mut batches = Vec::new();
    while let Some(batch) = arrow(|| Ok(reader.next().transpose()?))? {
        if closing() {
            return Err(going());
        }
        batches.push(arrow(|| {
            for column in batch.columns() {
                column.to_data().validate_full().map_err(|e| invalid(&e.to_string()))?;
            }
            without_index(batch)
        })?);
    }
    if batches.is_empty() {
        // An empty table still has its columns.
        batches.push(without_index(RecordBatch::new_empty(schema))?);
    }
    Ok(batches)
}

/// Runs what trusts an exporter: Arrow asserts that it keeps to the interface.
fn arrow<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    caught_as(|why| invalid(&why), work)
}

fn invalid(why: &str) -> Failure {
    CodecError::Malformed { what: "Arrow table", why: why.into() }.into()
}

/// Leaves out the row labels that pandas exports as columns once a frame was filtered or sorted.
fn without_index(batch: RecordBatch) -> Result<RecordBatch> {
    let schema = batch.schema();
    if !schema.metadata().contains_key("pandas") {
        return Ok(batch);
    }
    let label = |name: &str| {
        let number = name.strip_prefix("__index_level_").and_then(|rest| rest.strip_suffix("__"));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let kept = schema.fields().iter().enumerate().filter(|(_, field)| !label(field.name()));
    let kept: Vec<usize> = kept.map(|(index, _)| index).collect();
    Ok(batch.project(&kept)?)
}

/// A table that was decrypted, and checked against its asset's schema. From `Download.table`.
///
/// It exports Arrow data: `pl.DataFrame(table)`, `pa.table(table)`, and for pandas `pa.table(table).to_pandas()`.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Table(pub Arc<asset::Table>);

#[pymethods]
impl Table {
    /// The columns.
    #[getter]
    fn schema(&self) -> Schema {
        Schema(self.0.schema().clone())
    }

    /// The names of the columns.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.schema().columns().iter().map(|column| &column.name))
    }

    /// Number of rows.
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Exports a stream of record batches (Arrow PyCapsule interface): booleans, categories as dictionaries, integers of 64
    /// bits, decimals.
    #[pyo3(signature = (requested_schema = None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyCapsule>>,
    ) -> Result<Bound<'py, PyAny>> {
        let batches = quick(py, || Ok(self.0.to_batches()))?;
        let table = PyTable::try_new(batches, self.0.arrow_schema())?;
        Ok(table.into_pyobject(py)?.call_method1("__arrow_c_stream__", (requested_schema,))?)
    }

    /// Exports the schema (Arrow PyCapsule interface).
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyCapsule>> {
        Ok(pyo3_arrow::ffi::to_schema_pycapsule(py, self.0.arrow_schema().as_ref())?)
    }

    /// The shape; never values.
    fn __repr__(&self) -> String {
        format!("Table({} rows: {})", self.0.len(), {
            let names: Vec<&str> = self.0.schema().columns().iter().map(|column| column.name.as_str()).collect();
            names.join(", ")
        })
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Table", "make a DataFrame of it, or write it with Download.write_to"))
    }
}
