//! Encrypted matrix products: the native half of `sealock.linear`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use sealock::fhe::linear::matmul::{self, SECRET_BYTES};
use sealock::fhe::linear::{Context, EncryptedQuery, SealedAnswer};
use zeroize::Zeroizing;

use crate::call::Call;
use crate::convert;
use crate::error::{Failure, Result};

/// The key of whoever owns the left matrix. Make one for each product: whoever sees how its owner reacts to malformed answers
/// could learn it bit by bit.
///
/// It is not shown, pickled or copied, and is wiped when the last reference is gone.
#[pyclass(frozen, module = "sealock.linear")]
pub struct SecretKey(Arc<matmul::SecretKey>);

#[pymethods]
impl SecretKey {
    /// A fresh key from the operating system's randomness.
    #[staticmethod]
    fn generate() -> Result<Self> {
        Ok(Self(Arc::new(matmul::SecretKey::generate()?)))
    }

    /// The key of 32 bytes, from `expose_secret_bytes`.
    #[staticmethod]
    fn from_secret_bytes(secret: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = Zeroizing::new(convert::bytes("secret", secret)?);
        let secret = <&[u8; SECRET_BYTES]>::try_from(bytes.as_slice()).map_err(|_| {
            let why = format!("secret: expected {SECRET_BYTES} bytes, got {}", bytes.len());
            Failure::argument(why, "pass what expose_secret_bytes() returned")
        })?;
        Ok(Self(Arc::new(matmul::SecretKey::from_secret_bytes(secret))))
    }

    /// The key, for a key store alone. Python keeps copies of bytes where it likes: nothing wipes them.
    fn expose_secret_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.expose_secret_bytes())
    }

    fn __repr__(&self) -> &'static str {
        "SecretKey(…)"
    }
}

/// An encrypted matrix of `rows` × `inner` entries times a clear one of `inner` × `columns`, both of signed integers, of
/// `weight_bits` and `entry_bits` bits. Both sides make the same one.
///
/// Raises `Encryption` if sizes or widths leave no room for an exact result.
#[pyclass(frozen, eq, hash, module = "sealock.linear")]
#[derive(PartialEq, Eq, Hash)]
pub struct Product(Arc<matmul::Product>);

#[pymethods]
impl Product {
    #[new]
    #[pyo3(signature = (rows, inner, columns, *, weight_bits = None, entry_bits = None))]
    fn new(
        rows: &Bound<'_, PyAny>,
        inner: &Bound<'_, PyAny>,
        columns: &Bound<'_, PyAny>,
        weight_bits: Option<&Bound<'_, PyAny>>,
        entry_bits: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let bits = |what, bits: Option<&Bound<'_, PyAny>>| bits.map_or(Ok(8), |bits| convert::whole(what, bits));
        let size = |what, size| Ok::<_, Failure>(convert::whole::<u32>(what, size)? as usize);
        let (rows, inner, columns) = (size("rows", rows)?, size("inner", inner)?, size("columns", columns)?);
        let (weight_bits, entry_bits) = (bits("weight_bits", weight_bits)?, bits("entry_bits", entry_bits)?);
        Ok(Self(Arc::new(matmul::Product::new(rows, inner, columns, weight_bits, entry_bits)?)))
    }

    /// Rows of the encrypted matrix.
    #[getter]
    fn rows(&self) -> usize {
        self.0.rows()
    }

    /// Columns of the encrypted matrix, rows of the clear one.
    #[getter]
    fn inner(&self) -> usize {
        self.0.inner()
    }

    /// Columns of the clear matrix.
    #[getter]
    fn columns(&self) -> usize {
        self.0.columns()
    }

    /// Signed width of the encrypted entries, in bits.
    #[getter]
    fn weight_bits(&self) -> u8 {
        self.0.weight_bits()
    }

    /// Signed width of the clear entries, in bits.
    #[getter]
    fn entry_bits(&self) -> u8 {
        self.0.entry_bits()
    }

    /// Signed width that every entry of the product has room in, in bits.
    #[getter]
    fn product_bits(&self) -> u32 {
        self.0.product_bits()
    }

    /// Bytes of all queries.
    #[getter]
    fn query_bytes(&self) -> usize {
        self.0.shapes().map(EncryptedQuery::encoded_len).sum()
    }

    /// Bytes of all answers.
    #[getter]
    fn answer_bytes(&self) -> usize {
        self.0.shapes().map(SealedAnswer::encoded_len).sum()
    }

    /// Encrypts 64-bit integers, row by row. Returns one query for each part of the product.
    fn _encrypt<'py>(
        &self,
        py: Python<'py>,
        key: &SecretKey,
        left: &Bound<'py, PyBytes>,
        context: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyList>> {
        let (product, key) = (Arc::clone(&self.0), Arc::clone(&key.0));
        let (left, context) = (integers(left), self.context(context)?);
        let queries = Call::default().run(py, move |_| {
            let queries = product.encrypt(key.query_key(), &left, &context)?;
            Ok(queries.iter().map(EncryptedQuery::to_bytes).collect::<Vec<_>>())
        })?;
        Ok(list(py, &queries)?)
    }

    fn _evaluate<'py>(
        &self,
        py: Python<'py>,
        queries: &Bound<'py, PyAny>,
        right: &Bound<'py, PyBytes>,
        context: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyList>> {
        let product = Arc::clone(&self.0);
        let (queries, right, context) = (parts("queries", queries)?, integers(right), self.context(context)?);
        let answers = Call::default().run(py, move |_| {
            let queries =
                queries.iter().map(|query| EncryptedQuery::from_bytes(query)).collect::<Result<Vec<_>, _>>()?;
            let answers = product.evaluate(&queries, &context, &right)?;
            Ok(answers.iter().map(SealedAnswer::to_bytes).collect::<Vec<_>>())
        })?;
        Ok(list(py, &answers)?)
    }

    /// The product as 128-bit integers, row by row.
    fn _decrypt<'py>(
        &self,
        py: Python<'py>,
        key: &SecretKey,
        answers: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyBytes>> {
        let (product, key) = (Arc::clone(&self.0), Arc::clone(&key.0));
        let answers = parts("answers", answers)?;
        let numbers = Call::default().run(py, move |_| {
            let answers =
                answers.iter().map(|answer| SealedAnswer::from_bytes(answer)).collect::<Result<Vec<_>, _>>()?;
            Ok(product.decrypt(key.query_key(), &answers)?)
        })?;
        Ok(PyBytes::new(py, &numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<u8>>()))
    }

    fn __repr__(&self) -> String {
        let (rows, inner, columns) = (self.rows(), self.inner(), self.columns());
        let (weight_bits, entry_bits) = (self.weight_bits(), self.entry_bits());
        format!("Product({rows}, {inner}, {columns}, weight_bits={weight_bits}, entry_bits={entry_bits})")
    }
}

impl Product {
    fn context(&self, context: &Bound<'_, PyAny>) -> Result<Context> {
        Ok(self.0.context(&convert::bytes("context", context)?))
    }
}

/// Puts the parts of a query or an answer into one byte string.
#[pyfunction]
pub fn join<'py>(py: Python<'py>, what: &str, items: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &matmul::join(&parts(what, items)?)))
}

/// Reads what `join` wrote.
#[pyfunction]
pub fn split<'py>(py: Python<'py>, what: &str, bytes: &Bound<'py, PyAny>) -> Result<Bound<'py, PyList>> {
    let bytes = convert::bytes(what, bytes)?;
    Ok(PyList::new(py, matmul::split(&bytes)?.into_iter().map(|part| PyBytes::new(py, part)))?)
}

fn integers(bytes: &Bound<'_, PyBytes>) -> Zeroizing<Vec<i64>> {
    let (eights, _) = bytes.as_bytes().as_chunks::<8>();
    Zeroizing::new(eights.iter().map(|eight| i64::from_ne_bytes(*eight)).collect())
}

fn parts(what: &str, object: &Bound<'_, PyAny>) -> Result<Vec<Vec<u8>>> {
    convert::items(what, object)?.iter().map(|part| convert::bytes(what, part)).collect()
}

fn list<'py>(py: Python<'py>, parts: &[Vec<u8>]) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, parts.iter().map(|part| PyBytes::new(py, part)))
}
