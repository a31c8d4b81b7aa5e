//! The native half of the Python package `sealock`.

use pyo3::prelude::*;

/// The native half of `sealock`.
#[pymodule]
fn _sealock(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))
}
