//! Access proofs by themselves: `sealock.zk`, and Semaphore in `sealock.zk.semaphore`.
//!
//! Two modules of Python share one native one, so what has a name in both is registered here under one that says which.

mod group;
mod identity;
mod keys;
mod proof;
mod scalar;
mod semaphore;

use pyo3::prelude::*;
use sealock::zk;

/// Adds everything to the native module.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("FIELD_ORDER", scalar::order(py)?)?;
    module.add("MAX_DEPTH", zk::MAX_DEPTH)?;
    module.add("SMALLEST_ANONYMOUS_GROUP", zk::SMALLEST_ANONYMOUS_GROUP)?;
    module.add_class::<identity::Credential>()?;
    module.add_class::<identity::IdentitySecret>()?;
    module.add_class::<group::LeanImt>()?;
    module.add_class::<group::MerkleProof>()?;
    module.add_class::<keys::KeyBundle>()?;
    module.add_class::<keys::ProvingKey>()?;
    module.add_class::<keys::VerifyingKey>()?;
    module.add_class::<proof::Proof>()?;
    module.add("AccessStatement", py.get_type::<proof::Statement>())?;
    module.add_function(wrap_pyfunction!(keys::check_setup, module)?)?;
    module.add_function(wrap_pyfunction!(keys::setup, module)?)?;
    module.add_function(wrap_pyfunction!(proof::prove, module)?)?;
    module.add_function(wrap_pyfunction!(proof::verify, module)?)?;
    module.add_function(wrap_pyfunction!(scalar::hash_to_field, module)?)?;
    module.add_function(wrap_pyfunction!(scalar::poseidon, module)?)?;

    module.add("SEMAPHORE_MAX_DEPTH", zk::semaphore::MAX_DEPTH)?;
    module.add("SemaphoreIdentity", py.get_type::<semaphore::Identity>())?;
    module.add("SemaphoreProof", py.get_type::<semaphore::Proof>())?;
    module.add("SemaphoreProvingKey", py.get_type::<semaphore::ProvingKey>())?;
    module.add("SemaphoreSignal", py.get_type::<semaphore::Signal>())?;
    module.add("SemaphoreVerifyingKey", py.get_type::<semaphore::VerifyingKey>())?;
    module.add("semaphore_prove", wrap_pyfunction!(semaphore::prove, module)?)?;
    module.add("semaphore_verify", wrap_pyfunction!(semaphore::verify, module)?)
}
