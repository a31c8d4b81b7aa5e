//! `setup`, `check_setup`, `KeyBundle`, `ProvingKey` and `VerifyingKey`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};
use sealock::{Digest, zk};

use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};

/// Makes the keys for groups of up to 2^`depth` orders, `depth` from 1 to `MAX_DEPTH`: a `Keys` of the bundle, to be
/// published, and of the keys to prove and to verify with. For the owner of the asset, once. Takes a second or two at
/// depth 20.
///
/// Raises `InvalidArgument` for another depth.
#[pyfunction]
pub fn setup<'py>(py: Python<'py>, depth: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
    let depth = convert::whole("depth", depth)?;
    let made = Call::default().run(py, move |_| Ok(zk::setup(depth, &mut zk::os_rng())?))?;
    let zk::Keys { bundle, proving_key, verifying_key } = made;
    let fields = PyDict::new(py);
    fields.set_item("bundle", KeyBundle(Arc::new(bundle)).into_pyobject(py)?)?;
    fields.set_item("proving_key", ProvingKey(Arc::new(proving_key)).into_pyobject(py)?)?;
    fields.set_item("verifying_key", VerifyingKey(verifying_key).into_pyobject(py)?)?;
    Ok(convert::record(py, "Keys", &fields)?)
}

/// Checks that every element of an owner's bundle is what the circuit says, and makes the key of it that proofs are made
/// with. For the consumer, once: a second or two at depth 20. Note the key's `digest`, and load it with
/// `ProvingKey.from_pinned_bytes` the next time.
///
/// Raises `UnsafeKey`: the bundle is broken, or was built to tell orders apart.
#[pyfunction]
pub fn check_setup(py: Python<'_>, bundle: &KeyBundle) -> Result<ProvingKey> {
    let bundle = Arc::clone(&bundle.0);
    Call::default().run(py, move |_| Ok(ProvingKey(Arc::new(zk::check_setup(&bundle, &mut zk::os_rng())?))))
}

/// What the owner publishes: a proving key, and what shows how it was made. **Unchecked**: nothing can be proved with it
/// before `check_setup` has made a `ProvingKey` of it.
#[pyclass(frozen, module = "sealock.zk")]
pub struct KeyBundle(Arc<zk::KeyBundle>);

#[pymethods]
impl KeyBundle {
    /// The depth of the circuit: groups have up to 2^depth orders.
    #[getter]
    fn depth(&self) -> usize {
        self.0.depth()
    }

    /// SHA-256 of the bytes, in hexadecimal.
    #[getter]
    fn digest(&self, py: Python<'_>) -> Result<String> {
        quick(py, || Ok(hex(self.0.digest())))
    }

    /// The bytes to publish: 4.6 MB at depth 20.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        let bytes = quick(py, || Ok(self.0.to_bytes()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Reads a bundle, and checks that every point is on its curve. The rest is for `check_setup`.
    ///
    /// Raises `UnsupportedVersion` for another version and `Malformed` for everything else that is no bundle.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, py: Python<'_>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = convert::bytes("bundle", bytes)?;
        Call::default().run(py, move |_| Ok(Self(Arc::new(zk::KeyBundle::from_bytes(&bytes)?))))
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> Result<bool> {
        let Ok(other) = other.cast::<Self>() else { return Ok(false) };
        let other = other.get();
        quick(py, || Ok(self.0.digest() == other.0.digest()))
    }

    fn __hash__(&self, py: Python<'_>) -> Result<u64> {
        quick(py, || Ok(crate::hash(&self.0.digest())))
    }

    fn __repr__(&self, py: Python<'_>) -> Result<String> {
        Ok(format!("KeyBundle(depth={}, digest={})", self.0.depth(), self.digest(py)?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py)?)?)
    }
}

/// The key that proofs are made with. Whoever has one has checked it or made it: it comes from `check_setup` or `setup`, or
/// again from `from_pinned_bytes`.
#[pyclass(frozen, module = "sealock.zk")]
pub struct ProvingKey(pub Arc<zk::ProvingKey>);

#[pymethods]
impl ProvingKey {
    /// Loads the key out of the bytes of a bundle that was checked before, without checking it again. Milliseconds.
    ///
    /// `digest` is the `digest` of a key that **you** got from `check_setup` or `setup`, and kept where nobody else writes.
    /// One that comes with the bytes is the owner's word and says nothing against him. Raises `Malformed` for other bytes.
    #[classmethod]
    fn from_pinned_bytes(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        bytes: &Bound<'_, PyAny>,
        digest: &Bound<'_, PyAny>,
    ) -> Result<Self> {
        let (bytes, digest) = (convert::bytes("bundle", bytes)?, convert::digest("digest", digest)?);
        let load = move || Ok(Self(Arc::new(zk::ProvingKey::from_pinned_bytes(&bytes, digest.as_bytes())?)));
        Call::default().run(py, move |_| load())
    }

    /// The depth of the circuit: groups have up to 2^depth orders.
    #[getter]
    fn depth(&self) -> usize {
        self.0.depth()
    }

    /// The digest of the bundle that the key is from, in hexadecimal: what to note for `from_pinned_bytes`.
    #[getter]
    fn digest(&self) -> String {
        hex(self.0.digest())
    }

    /// The verifying key that belongs to it.
    #[getter]
    fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key().clone())
    }

    fn __repr__(&self) -> String {
        format!("ProvingKey(depth={}, digest={})", self.0.depth(), self.digest())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("ProvingKey", "keep its bundle's bytes and its digest, for from_pinned_bytes()"))
    }
}

/// The key that proofs are verified with. The owner verifies with its own: one from elsewhere proves nothing.
#[pyclass(frozen, eq, module = "sealock.zk")]
#[derive(PartialEq)]
pub struct VerifyingKey(pub zk::VerifyingKey);

#[pymethods]
impl VerifyingKey {
    /// The depth of the circuit: groups have up to 2^depth orders.
    #[getter]
    fn depth(&self) -> usize {
        self.0.depth()
    }

    /// SHA-256 of the bytes, in hexadecimal.
    #[getter]
    fn digest(&self) -> String {
        hex(self.0.digest())
    }

    /// 418 bytes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// Reads a key and checks every point. Raises `UnsupportedVersion` for another version and `Malformed` for everything
    /// else that is no key.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, py: Python<'_>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = convert::bytes("key", bytes)?;
        quick(py, || Ok(Self(zk::VerifyingKey::from_bytes(&bytes)?)))
    }

    /// The key as snarkjs' `verification_key.json`.
    fn to_snarkjs(&self, py: Python<'_>) -> Result<String> {
        quick(py, || Ok(self.0.to_snarkjs()))
    }

    /// The source of a contract with this name, in Solidity 0.8.20 or later, that verifies proofs under this key:
    /// `Proof.to_evm_calldata` calls it. Raises `InvalidArgument` unless the name is a letter and up to 63 letters and
    /// digits of ASCII.
    fn to_solidity(&self, py: Python<'_>, name: &str) -> Result<String> {
        quick(py, || Ok(self.0.to_solidity(name)?))
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.digest())
    }

    fn __repr__(&self) -> String {
        format!("VerifyingKey(depth={}, digest={})", self.0.depth(), self.digest())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py))?)
    }
}

fn hex(digest: [u8; 32]) -> String {
    Digest::from_bytes(digest).to_string()
}
