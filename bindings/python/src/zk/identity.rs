//! `IdentitySecret` and `Credential`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use sealock::zk;
use zeroize::Zeroizing;

use super::scalar::{from_scalar, scalar};
use crate::convert;
use crate::error::{Failure, Result};

/// The secret behind one order. Whoever holds it can use the order; whoever learns it later can recompute the nullifiers,
/// and so recognise every use.
///
/// Use a fresh one for each order: two orders with one secret share their nullifiers. It is not shown, pickled or copied,
/// compares in constant time, and is wiped when the last reference is gone.
#[pyclass(frozen, module = "sealock.zk")]
pub struct IdentitySecret(pub Arc<zk::IdentitySecret>);

#[pymethods]
impl IdentitySecret {
    /// A fresh secret from the operating system's randomness.
    #[staticmethod]
    fn generate() -> Self {
        Self(Arc::new(zk::IdentitySecret::generate(&mut zk::os_rng())))
    }

    /// The secret of 32 bytes, big-endian, from `expose_secret_bytes`. Raises `Malformed` for zero, and for a number that
    /// is `FIELD_ORDER` or more.
    #[staticmethod]
    fn from_secret_bytes(secret: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = Zeroizing::new(convert::bytes("secret", secret)?);
        let secret = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
            let why = format!("secret: expected 32 bytes, got {}", bytes.len());
            Failure::argument(why, "pass what expose_secret_bytes() returned")
        })?;
        Ok(Self(Arc::new(zk::IdentitySecret::from_bytes(secret)?)))
    }

    /// The secret, for a key store alone. Python keeps copies of bytes where it likes: nothing wipes them.
    fn expose_secret_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.expose_bytes().as_ref())
    }

    /// Poseidon(secret): what the order publishes.
    #[getter]
    fn commitment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.commitment())
    }

    /// Poseidon(scope, secret, use index): what marks one use as spent.
    fn nullifier<'py>(
        &self,
        py: Python<'py>,
        scope: &Bound<'py, PyAny>,
        use_index: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let (scope, use_index) = (scalar("scope", scope)?, convert::whole("use_index", use_index)?);
        Ok(from_scalar(py, self.0.nullifier(scope, use_index))?)
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| *other.get().0 == *self.0)
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.commitment())
    }

    fn __repr__(&self) -> &'static str {
        "IdentitySecret(_)"
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("IdentitySecret", "it is a secret; see expose_secret_bytes() for a key store"))
    }
}

/// What an order grants, as the ledger shows it to everybody.
///
/// `asset` is a field element, see `hash_to_field`; `limit` is the number of uses, which are numbered from 0; `expiry` is
/// the last moment of validity, a `datetime` or seconds since 1970 (UTC).
#[pyclass(frozen, eq, hash, module = "sealock.zk")]
#[derive(PartialEq, Eq, Hash)]
pub struct Credential(pub zk::Credential);

#[pymethods]
impl Credential {
    #[new]
    #[pyo3(signature = (*, asset, limit, expiry))]
    fn new(asset: &Bound<'_, PyAny>, limit: &Bound<'_, PyAny>, expiry: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(zk::Credential {
            asset: scalar("asset", asset)?,
            limit: convert::whole("limit", limit)?,
            expiry: convert::timestamp("expiry", expiry)?,
        }))
    }

    /// The asset, as a field element.
    #[getter]
    fn asset<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.asset)
    }

    /// Number of uses.
    #[getter]
    fn limit(&self) -> u64 {
        self.0.limit
    }

    /// The last moment of validity, in seconds since 1970 (UTC).
    #[getter]
    fn expiry(&self) -> u64 {
        self.0.expiry
    }

    /// The order's leaf in the group: Poseidon(commitment, limit · 2^64 + expiry, asset).
    fn leaf<'py>(&self, py: Python<'py>, commitment: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        Ok(from_scalar(py, self.0.leaf(scalar("commitment", commitment)?))?)
    }

    fn __repr__(&self) -> String {
        let zk::Credential { asset, limit, expiry } = self.0;
        format!("Credential(asset={asset}, limit={limit}, expiry={expiry})")
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let fields = PyDict::new(py);
        fields.set_item("asset", self.asset(py)?)?;
        fields.set_item("limit", self.0.limit)?;
        fields.set_item("expiry", self.0.expiry)?;
        Ok((PyTuple::empty(py), fields))
    }
}
