//! Field elements, which are `int` in Python.

use pyo3::exceptions::PyOverflowError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyInt, PyTuple};
use sealock::zk::{self, Scalar};

use crate::convert;
use crate::error::{Failure, Result};

/// The order of BN254's groups, which no scalar reaches.
const ORDER: &str = "21888242871839275222246405745257275088548364400416034343698204186575808495617";

/// The most digits that a message shows of a number.
const SHOWN: usize = 80;

/// The order of the field as an `int`.
pub fn order(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.get_type::<PyInt>().call1((ORDER,))
}

/// A whole number in 32 bytes, big-endian; `None` if it is negative or takes more.
pub fn big_endian(what: &str, object: &Bound<'_, PyAny>) -> Result<Option<[u8; 32]>> {
    let py = object.py();
    if object.is_instance_of::<PyBool>() || !object.hasattr(intern!(py, "__index__"))? {
        return Err(Failure::wrong_type(format!("{what}: expected an int, got {}", convert::type_name(object))));
    }
    let number = py.import(intern!(py, "operator"))?.call_method1(intern!(py, "index"), (object,))?;
    let arguments = (number, 32, intern!(py, "big"));
    match py.get_type::<PyInt>().call_method1(intern!(py, "to_bytes"), arguments) {
        Ok(bytes) => Ok(Some(bytes.extract()?)),
        Err(error) if error.is_instance_of::<PyOverflowError>(py) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A number for a message. Python writes out no more than some thousand digits.
pub fn shown(object: &Bound<'_, PyAny>) -> String {
    let text = object.str().map_or_else(|_| "a number of thousands of digits".into(), |text| text.to_string());
    if text.len() <= SHOWN { text } else { format!("{}…", text.chars().take(SHOWN).collect::<String>()) }
}

/// A field element: an `int` below the order, never reduced.
pub fn scalar(what: &str, object: &Bound<'_, PyAny>) -> Result<Scalar> {
    let number = big_endian(what, object)?.and_then(|bytes| Scalar::from_bytes(&bytes).ok());
    number.ok_or_else(|| {
        Failure::argument(
            format!("{what}: expected an int from 0 to p - 1, where p = {ORDER}, got {}", shown(object)),
            "numbers are never reduced: pass one below sealock.zk.FIELD_ORDER",
        )
    })
}

/// Field elements from a collection of `int`.
pub fn scalars(what: &str, object: &Bound<'_, PyAny>) -> Result<Vec<Scalar>> {
    convert::items(what, object)?.iter().map(|item| scalar(what, item)).collect()
}

/// 32 bytes, big-endian, as an `int`.
pub fn from_big_endian<'py>(py: Python<'py>, bytes: &[u8; 32]) -> PyResult<Bound<'py, PyAny>> {
    py.get_type::<PyInt>().call_method1(intern!(py, "from_bytes"), (bytes.as_slice(), intern!(py, "big")))
}

/// A field element as an `int`.
pub fn from_scalar(py: Python<'_>, scalar: Scalar) -> PyResult<Bound<'_, PyAny>> {
    from_big_endian(py, &scalar.to_bytes())
}

/// Poseidon of one, two or three field elements, with circomlib's parameters for BN254.
///
/// Raises `InvalidArgument` for another number of them, and for one outside 0 ≤ x < `FIELD_ORDER`.
#[pyfunction]
#[pyo3(signature = (*inputs))]
pub fn poseidon<'py>(py: Python<'py>, inputs: &Bound<'py, PyTuple>) -> Result<Bound<'py, PyAny>> {
    let hash = match *scalars("inputs", inputs)? {
        [a] => zk::poseidon([a]),
        [a, b] => zk::poseidon([a, b]),
        [a, b, c] => zk::poseidon([a, b, c]),
        ref other => {
            let why = format!("inputs: expected one, two or three numbers, got {}", other.len());
            return Err(Failure::argument(why, "hash a tree of them, or map bytes with hash_to_field"));
        }
    };
    Ok(from_scalar(py, hash)?)
}

/// Maps byte strings to a field element: for identifiers that enter a statement, such as an asset, a scope or a message.
///
/// `domain` names the scheme and its version, for instance `"example/v1/scope"`. The result is SHA-512 of `domain` and
/// `parts`, each after its length, reduced modulo `FIELD_ORDER`.
#[pyfunction]
pub fn hash_to_field<'py>(py: Python<'py>, domain: &str, parts: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
    let parts = convert::items("parts", parts)?;
    let parts = parts.iter().map(|part| convert::bytes("parts", part)).collect::<Result<Vec<_>>>()?;
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    Ok(from_scalar(py, Scalar::hash(domain, &parts))?)
}
