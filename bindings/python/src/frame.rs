//! DataFrames, through the Arrow PyCapsule interface.
//!
//! What is imported shares the memory of the DataFrame. The library's checked table is made from it and is a snapshot of
//! its own: whatever becomes of the DataFrame afterwards does not change it.

use arrow::array::{RecordBatch, RecordBatchReader};
use pyo3::prelude::*;
use pyo3_arrow::input::AnyRecordBatch;

use crate::convert;
use crate::error::{Failure, Result};

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
    let stream = data.extract::<AnyRecordBatch>().and_then(AnyRecordBatch::into_reader);
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
pub fn batches(reader: Reader) -> Result<Vec<RecordBatch>> {
    let schema = reader.schema();
    let mut batches = reader.collect::<Result<Vec<_>, _>>()?;
    if batches.is_empty() {
        // An empty table still has its columns.
        batches.push(RecordBatch::new_empty(schema));
    }
    Ok(batches)
}
