//! `Account`.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sealock::ledger::ocean;
use zeroize::Zeroizing;

use crate::call::Call;
use crate::convert;
use crate::error::{Failure, Result};

/// A secret key and its address. Shown by its address alone.
#[pyclass(frozen, module = "sealock")]
pub struct Account(pub Arc<sealock::Account>);

impl Account {
    /// An account of the same key, for what keeps it: the library's accounts have one owner each.
    pub fn again(&self) -> Result<sealock::Account> {
        Ok(sealock::Account::from_secret_bytes(&self.0.expose_secret_bytes())?)
    }
}

#[pymethods]
impl Account {
    /// A fresh account from the operating system's randomness.
    #[staticmethod]
    fn generate() -> Self {
        Self(Arc::new(sealock::Account::generate()))
    }

    /// The account of a secret key of 32 bytes, big-endian.
    #[staticmethod]
    fn from_secret_bytes(secret: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = Zeroizing::new(convert::bytes("secret", secret)?);
        let secret = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
            let why = format!("secret: expected 32 bytes, got {}", bytes.len());
            Failure::argument(why, "pass what expose_secret_bytes() returned")
        })?;
        Ok(Self(Arc::new(sealock::Account::from_secret_bytes(secret)?)))
    }

    /// The account in a key file of Ethereum wallets: the Web3 Secret Storage Definition, version 3. Takes a second, and the
    /// memory that the file asks for, mostly 256 MiB.
    #[staticmethod]
    fn from_keystore(py: Python<'_>, path: PathBuf, password: &Bound<'_, PyAny>) -> Result<Self> {
        let password = convert::secret_text("password", password)?;
        let json = convert::read_text(py, &path)?;
        let account = Call::default().run(py, move |_| Ok(ocean::account_from_keystore(&json, &password)?))?;
        Ok(Self(Arc::new(account)))
    }

    /// The account's address.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// The secret key, for a key store alone. Python keeps copies of bytes where it likes: nothing wipes them.
    fn expose_secret_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.expose_secret_bytes().as_ref())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| other.get().0.address() == self.0.address())
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.address())
    }

    fn __repr__(&self) -> String {
        format!("Account({})", self.0.address())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Account", "it is a secret key; see expose_secret_bytes() for a key store"))
    }
}
