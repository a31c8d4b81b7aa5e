//! From Sealock's errors to Python's.
//!
//! The classes are written in Python (`sealock/errors.py`) and found by the name of the kind.

use arrow::error::ArrowError;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use pyo3_arrow::error::PyArrowError;
use sealock::ErrorKind;

/// Why a call failed.
pub enum Failure {
    /// What Sealock says.
    Sealock(Box<sealock::Error>),
    /// What Python, or a callable of the caller's, raised.
    Python(PyErr),
    /// What is wrong with an argument, and what to pass.
    Argument(String, &'static str),
    /// A panic, caught: a bug of Sealock's own.
    Panic(String),
    /// A handle in a process that was forked from the one it was used in.
    Forked,
}

/// What functions of this crate return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

macro_rules! from_sealock {
    ($($source:ty),* $(,)?) => {$(
        impl From<$source> for Failure {
            fn from(error: $source) -> Self {
                Failure::Sealock(Box::new(error.into()))
            }
        }
    )*};
}

from_sealock! {
    sealock::Error,
    sealock::account::AccountError,
    sealock::asset::AssetError,
    sealock::codec::CodecError,
    sealock::envelope::EnvelopeError,
    sealock::federation::FederationError,
    sealock::fhe::Error,
    sealock::keystore::KeyStoreError,
    sealock::ledger::LedgerError,
    sealock::model::ModelError,
    sealock::policy::PolicyError,
    sealock::privacy::PrivacyError,
    sealock::program::ProgramError,
    sealock::program::SqlError,
    sealock::receipt::ReceiptError,
    sealock::release::ReleaseError,
    sealock::sealed::SealedError,
    sealock::store::StoreError,
    sealock::zk::CheckError,
    sealock::zk::DecodeError,
    sealock::zk::ProveError,
    sealock::zk::Rejected,
    sealock::zk::SetupError,
    sealock::zk::TreeError,
    sealock::zk::export::solidity::NameError,
    sealock::zk::semaphore::JsonError,
    sealock::zk::semaphore::SignalError,
    sealock::zk::semaphore::ZkeyError,
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Failure::Python(error)
    }
}

impl From<ArrowError> for Failure {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<PyErr>() {
                Ok(raised) => Failure::Python(*raised),
                Err(inner) => Failure::stream(&inner),
            },
            other => Failure::stream(&other),
        }
    }
}

impl From<PyArrowError> for Failure {
    fn from(error: PyArrowError) -> Self {
        match error {
            PyArrowError::ArrowError(error) => error.into(),
            other => Failure::Python(other.into()),
        }
    }
}

impl Failure {
    /// An argument of the right type with a value that is not accepted.
    pub fn argument(why: impl Into<String>, hint: &'static str) -> Self {
        Failure::Argument(why.into(), hint)
    }

    /// An argument of the wrong type.
    pub fn wrong_type(why: impl Into<String>) -> Self {
        Failure::Python(PyTypeError::new_err(why.into()))
    }

    fn stream(error: &dyn std::fmt::Display) -> Self {
        Failure::argument(
            format!("the data could not be read through Arrow: {error}"),
            "check that it is a table whose columns Arrow can represent",
        )
    }

    /// Refuses to pickle or copy what holds a secret, or stands for something that is open in this process.
    pub fn not_pickled(class: &str, why: &str) -> Self {
        Failure::wrong_type(format!("{class} can be neither pickled nor copied: {why}"))
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        let (kind, message, hint) = match failure {
            Failure::Python(error) => return error,
            Failure::Forked => {
                let why = "this process was forked from one that had used Sealock, whose threads and files do not survive a fork";
                let hint = "start processes with multiprocessing's 'spawn' or 'forkserver'";
                (ErrorKind::Locked.name(), why.to_string(), Some(hint.to_string()))
            }
            Failure::Sealock(error) => (error.kind().name(), error.to_string(), error.hint()),
            Failure::Argument(why, hint) => (ErrorKind::InvalidArgument.name(), why, Some(hint.to_string())),
            Failure::Panic(why) => {
                let hint = "this is a bug of Sealock's own: please report it";
                ("Internal", format!("internal error: {why}"), Some(hint.to_string()))
            }
        };
        Python::attach(|py| raise(py, kind, message, hint).unwrap_or_else(|error| error))
    }
}

fn raise(py: Python<'_>, kind: &str, message: String, hint: Option<String>) -> PyResult<PyErr> {
    let arguments = PyDict::new(py);
    arguments.set_item("hint", hint)?;
    let class = py.import("sealock.errors")?.getattr(kind)?;
    Ok(PyErr::from_value(class.call((message,), Some(&arguments))?))
}

/// Every kind of error of the library, with its code, in the order of the codes.
#[pyfunction]
pub fn error_kinds() -> Vec<(&'static str, u32)> {
    ErrorKind::ALL.iter().map(|kind| (kind.name(), kind.code())).collect()
}
