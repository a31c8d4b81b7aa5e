//! `prove`, `verify`, `Statement` and `Proof`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};
use sealock::zk;

use super::group::MerkleProof;
use super::identity::{Credential, IdentitySecret};
use super::keys::{ProvingKey, VerifyingKey};
use super::scalar::{from_scalar, scalar};
use crate::call::{Call, quick};
use crate::convert;
use crate::error::Result;

/// Proves that an order of the group `root` allows this use, without saying which. Returns a `Statement`, which is all that
/// the verifier learns, and a `Proof` of it. About a third of a second on one core at depth 20.
///
/// Public are `root`; `message`, which the proof is bound to; `scope`, what uses are counted in; and `now`, the time of the
/// use: round it, so that a clock does not tell orders apart. Private are the order's `secret` and `credential`; `use_index`,
/// from 0: one number for two messages spends it twice; and `membership`, the path from the order's leaf to `root`.
///
/// Raises `NotAMember` if these do not belong together, `UseLimitReached`, `OrderExpired`, `InvalidProof` if the group has
/// outgrown the key, and `UnsafeKey` if the key makes proofs that do not verify. Nothing is spent by a failure.
#[pyfunction]
#[pyo3(signature = (key, *, root, message, scope, now, secret, credential, use_index, membership))]
#[expect(clippy::too_many_arguments, reason = "keyword arguments")]
pub fn prove(
    py: Python<'_>,
    key: &ProvingKey,
    root: &Bound<'_, PyAny>,
    message: &Bound<'_, PyAny>,
    scope: &Bound<'_, PyAny>,
    now: &Bound<'_, PyAny>,
    secret: &IdentitySecret,
    credential: &Credential,
    use_index: &Bound<'_, PyAny>,
    membership: &MerkleProof,
) -> Result<(Statement, Proof)> {
    let claim = zk::Claim {
        root: scalar("root", root)?,
        message: scalar("message", message)?,
        scope: scalar("scope", scope)?,
        now: convert::timestamp("now", now)?,
    };
    let (key, secret) = (Arc::clone(&key.0), Arc::clone(&secret.0));
    let (credential, membership) = (credential.0, membership.0.clone());
    let use_index = convert::whole("use_index", use_index)?;
    Call::default().run(py, move |_| {
        let witness = zk::Witness { secret: &secret, credential: &credential, use_index, membership: &membership };
        let (statement, proof) = zk::prove(&key, &claim, &witness, &mut zk::os_rng())?;
        Ok((Statement(statement), Proof(proof)))
    })
}

/// Verifies a proof of a statement under the owner's key. Raises `InvalidProof`, without a reason.
///
/// This says that the statement is true, not that it is acceptable: whether root, message, scope and time are the right
/// ones, and whether the nullifier is unspent, is for you to check.
#[pyfunction]
pub fn verify(py: Python<'_>, key: &VerifyingKey, statement: &Statement, proof: &Proof) -> Result<()> {
    quick(py, || Ok(zk::verify(&key.0, &statement.0, &proof.0)?))
}

/// What a proof proves, and everything that the verifier learns: some order of the group `root`, unexpired at `now`, is used
/// for `message` within its limit in `scope`, and `nullifier` marks the use.
///
/// All are field elements but `now`, which is a `datetime` or seconds since 1970 (UTC).
#[pyclass(frozen, eq, module = "sealock.zk")]
#[derive(PartialEq)]
pub struct Statement(zk::Statement);

#[pymethods]
impl Statement {
    #[new]
    #[pyo3(signature = (*, root, nullifier, message, scope, now))]
    fn new(
        root: &Bound<'_, PyAny>,
        nullifier: &Bound<'_, PyAny>,
        message: &Bound<'_, PyAny>,
        scope: &Bound<'_, PyAny>,
        now: &Bound<'_, PyAny>,
    ) -> Result<Self> {
        Ok(Self(zk::Statement {
            root: scalar("root", root)?,
            nullifier: scalar("nullifier", nullifier)?,
            message: scalar("message", message)?,
            scope: scalar("scope", scope)?,
            now: convert::timestamp("now", now)?,
        }))
    }

    /// Root of the group.
    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.root)
    }

    /// Poseidon(scope, secret, use index). It identifies the use: store it when the use is spent.
    #[getter]
    fn nullifier<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.nullifier)
    }

    /// What the proof is bound to.
    #[getter]
    fn message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.message)
    }

    /// What uses are counted in.
    #[getter]
    fn scope<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.scope)
    }

    /// The time of the use, in seconds since 1970 (UTC).
    #[getter]
    fn now(&self) -> u64 {
        self.0.now
    }

    /// 137 bytes: the version, then root, nullifier, message and scope of 32 bytes each and the time of 8, big-endian.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// Reads a statement. Raises `UnsupportedVersion` for another version and `Malformed` for another length, or a number
    /// that is `FIELD_ORDER` or more: a nullifier has one encoding.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(zk::Statement::from_bytes(&convert::bytes("statement", bytes)?)?))
    }

    /// The statement as snarkjs' `public.json`: root, nullifier, message, scope, time.
    fn to_snarkjs(&self) -> String {
        self.0.to_snarkjs()
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.to_bytes())
    }

    fn __repr__(&self) -> String {
        let zk::Statement { root, nullifier, message, scope, now } = self.0;
        format!("Statement(root={root}, nullifier={nullifier}, message={message}, scope={scope}, now={now})")
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py))?)
    }
}

/// A Groth16 proof. Its bytes identify nothing, since anybody can turn a proof into another one of the same statement; a use
/// is identified by its nullifier.
#[pyclass(frozen, module = "sealock.zk")]
pub struct Proof(zk::Proof);

#[pymethods]
impl Proof {
    /// 129 bytes: the version, then A, B and C, compressed.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_bytes())
    }

    /// Reads a proof, and checks that each point is in its group. Raises `UnsupportedVersion` for another version and
    /// `Malformed` for everything else that is no proof.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, py: Python<'_>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = convert::bytes("proof", bytes)?;
        quick(py, || Ok(Self(zk::Proof::from_bytes(&bytes)?)))
    }

    /// The proof as snarkjs' `proof.json`.
    fn to_snarkjs(&self) -> String {
        self.0.to_snarkjs()
    }

    /// The call that verifies this proof of `statement` in a contract of `VerifyingKey.to_solidity`: the selector of
    /// `verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[5])`, then thirteen words of 32 bytes.
    fn to_evm_calldata<'py>(&self, py: Python<'py>, statement: &Statement) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.to_evm_calldata(&statement.0))
    }

    fn __repr__(&self) -> &'static str {
        "Proof(129 bytes)"
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py))?)
    }
}
