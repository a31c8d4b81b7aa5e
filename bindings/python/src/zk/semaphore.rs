//! `sealock.zk.semaphore`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString, PyTuple, PyType};
use sealock::zk::{os_rng, semaphore};
use zeroize::Zeroizing;

use super::group::MerkleProof;
use super::scalar::{big_endian, from_big_endian, from_scalar, shown};
use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};

/// An identity of Semaphore v4: a private key of any length, and what follows from it.
///
/// One identity is meant for many groups. Its nullifiers of one scope are the same in each, so a scope names its group. It is
/// not shown, pickled or copied, and is wiped when the last reference is gone.
#[pyclass(frozen, name = "Identity", module = "sealock.zk.semaphore")]
pub struct Identity(Arc<semaphore::Identity>);

#[pymethods]
impl Identity {
    /// An identity of 32 fresh bytes from the operating system's randomness.
    #[staticmethod]
    fn generate() -> Self {
        Self(Arc::new(semaphore::Identity::generate(&mut os_rng())))
    }

    /// The identity of a private key, bytes or text in UTF-8. Equal to `new Identity(key)`.
    ///
    /// The key is the secret: a text that somebody can guess gives its commitment and all uses away.
    #[staticmethod]
    fn from_private_key(private_key: &Bound<'_, PyAny>) -> Result<Self> {
        let key = if private_key.is_instance_of::<PyString>() {
            let mut text = convert::secret_text("private_key", private_key)?;
            Zeroizing::new(std::mem::take(&mut *text).into_bytes())
        } else {
            Zeroizing::new(convert::bytes("private_key", private_key)?)
        };
        Ok(Self(Arc::new(semaphore::Identity::from_private_key(&*key))))
    }

    /// Reads what `export` wrote, here or in JavaScript. Equal to `Identity.import(text)`. Raises `Malformed` if it is not
    /// Base64.
    #[staticmethod]
    #[pyo3(name = "import_")]
    fn import(text: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(Arc::new(semaphore::Identity::import(&convert::secret_text("text", text)?)?)))
    }

    /// The private key in Base64, for a key store alone. Equal to `identity.export()`. Python keeps copies of text where it
    /// likes: nothing wipes them.
    fn export<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
        PyString::new(py, &self.0.export())
    }

    /// The private key, for a key store alone. Python keeps copies of bytes where it likes: nothing wipes them.
    fn expose_private_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.expose_private_key())
    }

    /// The public key: a point of Baby Jubjub, in circomlib's coordinates.
    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
        let [x, y] = self.0.public_key();
        Ok((from_scalar(py, x)?, from_scalar(py, y)?))
    }

    /// Poseidon(public key): what a group has as its leaf.
    #[getter]
    fn commitment<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.commitment())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0.public_key() == self.0.public_key())
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.public_key())
    }

    fn __repr__(&self) -> &'static str {
        "Identity(_)"
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Identity", "it is a secret; see export() for a key store"))
    }
}

/// A message or a scope: an integer below 2^256, of which a proof shows the hash.
///
/// `@semaphore-protocol/proof` reads a text that looks like a number as that number. Here the caller says which is meant:
/// `Signal.text("42")` or `Signal.integer(42)`; the second is what theirs makes of it.
#[pyclass(frozen, eq, hash, name = "Signal", module = "sealock.zk.semaphore")]
#[derive(PartialEq, Eq, Hash)]
pub struct Signal(semaphore::Signal);

#[pymethods]
impl Signal {
    /// A text of up to 31 bytes in UTF-8, padded on the right with zeros. Raises `InvalidArgument` for a longer one.
    #[staticmethod]
    fn text(text: &str) -> Result<Self> {
        Ok(Self(semaphore::Signal::text(text)?))
    }

    /// An integer from 0 to 2^256 - 1.
    #[staticmethod]
    fn integer(number: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = big_endian("number", number)?.ok_or_else(|| {
            let why = format!("number: expected an int from 0 to 2^256 - 1, got {}", shown(number));
            Failure::argument(why, "hash it first")
        })?;
        Ok(Self(semaphore::Signal::from_bytes(bytes)))
    }

    /// 32 bytes, as an integer they are big-endian.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = convert::bytes("signal", bytes)?;
        let signal = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
            let why = format!("signal: expected 32 bytes, got {}", bytes.len());
            Failure::argument(why, "pass the digest of a longer message, and a shorter text with Signal.text")
        })?;
        Ok(Self(semaphore::Signal::from_bytes(signal)))
    }

    /// The 32 bytes, as an integer they are big-endian.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// The public input: Keccak-256 of the 32 bytes, without its last byte.
    fn hash<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.hash())
    }

    fn __int__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_big_endian(py, &self.0.to_bytes())
    }

    fn __repr__(&self) -> String {
        format!("Signal({:?})", self.0)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py))?)
    }
}

/// A key of the ceremony that proofs are made with: `semaphore-<depth>.zkey` of npm's `@zk-kit/semaphore-artifacts`.
#[pyclass(frozen, name = "ProvingKey", module = "sealock.zk.semaphore")]
pub struct ProvingKey(Arc<semaphore::ProvingKey>);

#[pymethods]
impl ProvingKey {
    /// Reads a key file of snarkjs for Semaphore's circuit of some depth, and checks that every point is in its group. About
    /// a second at depth 20.
    ///
    /// That the file is the ceremony's is for you to know: compare `verifying_key` with one that is authentic, or pin the
    /// file's digest. Raises `Malformed`, `TooLarge` or `UnsupportedVersion` for what is no such file.
    #[classmethod]
    fn from_zkey(_class: &Bound<'_, PyType>, py: Python<'_>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = convert::bytes("zkey", bytes)?;
        Call::default().run(py, move |_| Ok(Self(Arc::new(semaphore::ProvingKey::from_zkey(&bytes)?))))
    }

    /// Reads a key file whose SHA-256 digest, 64 hex digits, is pinned, without checking the points of its queries.
    /// Milliseconds. Raises `Malformed` for other bytes.
    #[classmethod]
    fn from_pinned_zkey(
        _class: &Bound<'_, PyType>,
        py: Python<'_>,
        bytes: &Bound<'_, PyAny>,
        digest: &Bound<'_, PyAny>,
    ) -> Result<Self> {
        let (bytes, digest) = (convert::bytes("zkey", bytes)?, convert::digest("digest", digest)?);
        let load = move || Ok(Self(Arc::new(semaphore::ProvingKey::from_pinned_zkey(&bytes, digest.as_bytes())?)));
        Call::default().run(py, move |_| load())
    }

    /// The depth of the circuit: groups have up to 2^depth members.
    #[getter]
    fn depth(&self) -> usize {
        self.0.depth()
    }

    /// The verifying key that belongs to it.
    #[getter]
    fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(self.0.verifying_key().clone())
    }

    fn __repr__(&self) -> String {
        format!("ProvingKey(depth={})", self.0.depth())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("ProvingKey", "keep its file and the file's digest, for from_pinned_zkey()"))
    }
}

/// A key of the ceremony that proofs are verified with, one for each depth.
#[pyclass(frozen, eq, name = "VerifyingKey", module = "sealock.zk.semaphore")]
#[derive(PartialEq)]
pub struct VerifyingKey(semaphore::VerifyingKey);

#[pymethods]
impl VerifyingKey {
    /// Reads a key of snarkjs, such as `semaphore-<depth>.json` of `@zk-kit/semaphore-artifacts`. Whoever made it can forge
    /// proofs: take it from the ceremony. Raises `Malformed` or `TooLarge` for what is no key of Semaphore.
    #[classmethod]
    fn from_snarkjs(_class: &Bound<'_, PyType>, py: Python<'_>, depth: &Bound<'_, PyAny>, json: &str) -> Result<Self> {
        let depth = convert::whole("depth", depth)?;
        quick(py, || Ok(Self(semaphore::VerifyingKey::from_snarkjs(depth, json)?)))
    }

    /// The depth of the circuit: groups have up to 2^depth members.
    #[getter]
    fn depth(&self) -> usize {
        self.0.depth()
    }

    /// The key as snarkjs' `verification_key.json`.
    fn to_snarkjs(&self, py: Python<'_>) -> Result<String> {
        quick(py, || Ok(self.0.to_snarkjs()))
    }

    fn __hash__(&self, py: Python<'_>) -> Result<u64> {
        Ok(crate::hash(&(self.0.depth(), self.to_snarkjs(py)?)))
    }

    fn __repr__(&self) -> String {
        format!("VerifyingKey(depth={})", self.0.depth())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, (usize, String))> {
        Ok((py.get_type::<Self>().getattr("from_snarkjs")?, (self.0.depth(), self.to_snarkjs(py)?)))
    }
}

/// A proof of Semaphore, with what it proves: a member of the group `root` says `message` in `scope`, and `nullifier` marks
/// that it did. The nullifier identifies it; its points do not, as anybody can change them.
#[pyclass(frozen, name = "Proof", module = "sealock.zk.semaphore")]
pub struct Proof(semaphore::Proof);

#[pymethods]
impl Proof {
    /// The depth of the circuit, which says which key verifies the proof.
    #[getter]
    fn depth(&self) -> usize {
        self.0.depth
    }

    /// Root of the group.
    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.root)
    }

    /// Poseidon(hash of the scope, secret).
    #[getter]
    fn nullifier<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.nullifier)
    }

    /// What is said.
    #[getter]
    fn message(&self) -> Signal {
        Signal(self.0.message)
    }

    /// Where it is said.
    #[getter]
    fn scope(&self) -> Signal {
        Signal(self.0.scope)
    }

    /// The proof as `JSON.stringify` writes one of `@semaphore-protocol/proof`.
    fn to_json(&self) -> String {
        self.0.to_json()
    }

    /// Reads what `to_json` or `JSON.stringify(proof)` wrote. Raises `Malformed` or `TooLarge` for what is no proof, a number
    /// that is not canonical, or a point outside its group.
    #[classmethod]
    fn from_json(_class: &Bound<'_, PyType>, py: Python<'_>, text: &str) -> Result<Self> {
        quick(py, || Ok(Self(semaphore::Proof::from_json(text)?)))
    }

    /// snarkjs' `proof.json` and `public.json`.
    fn to_snarkjs(&self) -> (String, String) {
        self.0.to_snarkjs()
    }

    /// The call of `SemaphoreVerifier.verifyProof` that verifies this proof: the selector, then thirteen words of 32 bytes.
    fn to_evm_calldata<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_evm_calldata())
    }

    fn __repr__(&self) -> String {
        format!("Proof(depth={}, nullifier={})", self.0.depth, self.0.nullifier)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_json", self.to_json())?)
    }
}

/// Proves that `identity` is the member at the start of `membership`, and says `message` in `scope`.
///
/// Raises `NotAMember` if it is not, `InvalidProof` if the group has outgrown the key, and `UnsafeKey` if the key makes
/// proofs that do not verify.
#[pyfunction]
#[pyo3(signature = (key, *, identity, membership, message, scope))]
pub fn prove(
    py: Python<'_>,
    key: &ProvingKey,
    identity: &Identity,
    membership: &MerkleProof,
    message: &Signal,
    scope: &Signal,
) -> Result<Proof> {
    let (key, identity, membership) = (Arc::clone(&key.0), Arc::clone(&identity.0), membership.0.clone());
    let (message, scope) = (message.0, scope.0);
    Call::default()
        .run(py, move |_| Ok(Proof(semaphore::prove(&key, &identity, &membership, message, scope, &mut os_rng())?)))
}

/// Verifies a proof under the ceremony's key for its depth. Raises `InvalidProof`, without a reason.
///
/// This says that the statement is true, not that it is acceptable: whether root, message and scope are the right ones, and
/// whether the nullifier is new in its scope, is for you to check.
#[pyfunction]
pub fn verify(py: Python<'_>, key: &VerifyingKey, proof: &Proof) -> Result<()> {
    quick(py, || Ok(semaphore::verify(&key.0, &proof.0)?))
}
