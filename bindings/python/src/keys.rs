//! `KeyStore`, `RecipientKey` and `RecipientPublicKey`.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};
use sealock::{envelope, keystore};
use zeroize::Zeroizing;

use crate::account::Account;
use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};

/// An owner's keys in a file under a passphrase: the account's, and one for each epoch of each dataset. `KeyStore.create(…)`
/// or `KeyStore.open(…)`, and `Exchange.owner` takes it.
///
/// The keys are random: what is lost with the file is lost, so back it up. It is an age file, which `age -d` opens, too.
/// It is open once, until this handle and every owner from it are gone.
#[pyclass(frozen, module = "sealock")]
pub struct KeyStore(pub Arc<keystore::KeyStore>);

#[pymethods]
impl KeyStore {
    /// A key store for an account in a new file. Creating, opening and every change takes about a second and 256 MiB: that
    /// is what guessing the passphrase costs.
    #[staticmethod]
    fn create(py: Python<'_>, path: PathBuf, account: &Account, passphrase: &Bound<'_, PyAny>) -> Result<Self> {
        let (account, passphrase) = (account.again()?, convert::secret_text("passphrase", passphrase)?);
        let call = Call::default().alone();
        call.run(py, move |_| Ok(Self(Arc::new(keystore::KeyStore::create(path, account, &passphrase)?))))
    }

    /// Opens a key store's file. Raises `WrongKey` for another passphrase.
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf, passphrase: &Bound<'_, PyAny>) -> Result<Self> {
        let passphrase = convert::secret_text("passphrase", passphrase)?;
        let call = Call::default().alone();
        call.run(py, move |_| Ok(Self(Arc::new(keystore::KeyStore::open(path, &passphrase)?))))
    }

    /// The address of the account whose secret it holds.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// The file.
    #[getter]
    fn path(&self, py: Python<'_>) -> Result<Option<PathBuf>> {
        quick(py, || Ok(self.0.path()))
    }

    /// The epochs whose keys it holds, in the order made.
    #[getter]
    fn epochs<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyTuple>> {
        let record = |of: envelope::DatasetRef| {
            let fields = PyDict::new(py);
            fields.set_item("dataset", of.dataset.to_string())?;
            fields.set_item("epoch", of.epoch)?;
            convert::record(py, "Epoch", &fields)
        };
        let epochs = quick(py, || Ok(self.0.epochs()))?;
        Ok(PyTuple::new(py, epochs.into_iter().map(record).collect::<PyResult<Vec<_>>>()?)?)
    }

    /// Encrypts the file under another passphrase. Copies of the file keep the old one.
    fn change_passphrase(&self, py: Python<'_>, passphrase: &Bound<'_, PyAny>) -> Result<()> {
        let (keys, passphrase) = (Arc::clone(&self.0), convert::secret_text("passphrase", passphrase)?);
        Call::default().run(py, move |_| Ok(keys.change_passphrase(&passphrase)?))
    }

    fn __repr__(&self) -> String {
        format!("KeyStore({})", self.0.address())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("KeyStore", "it holds secret keys; KeyStore.open opens its file again"))
    }
}

/// A secret X25519 key, for which owners wrap their data's keys: `Owner.share`, `Exchange.open_shared`.
#[pyclass(frozen, module = "sealock")]
pub struct RecipientKey(pub Arc<envelope::RecipientKey>);

#[pymethods]
impl RecipientKey {
    /// A fresh key from the operating system's randomness.
    #[staticmethod]
    fn generate() -> Self {
        Self(Arc::new(envelope::RecipientKey::generate()))
    }

    /// The key of 32 bytes, from a key store.
    #[staticmethod]
    fn from_secret_bytes(secret: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = Zeroizing::new(convert::bytes("secret", secret)?);
        let secret = <&[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
            let why = format!("secret: expected 32 bytes, got {}", bytes.len());
            Failure::argument(why, "pass what expose_secret_bytes() returned")
        })?;
        Ok(Self(Arc::new(envelope::RecipientKey::from_secret_bytes(secret)?)))
    }

    /// What others wrap for.
    #[getter]
    fn public(&self) -> RecipientPublicKey {
        RecipientPublicKey(self.0.public())
    }

    /// The secret key, for a key store alone. Python keeps copies of bytes where it likes: nothing wipes them.
    fn expose_secret_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.expose_secret_bytes().as_ref())
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| *other.get().0 == *self.0)
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.public())
    }

    fn __repr__(&self) -> String {
        format!("RecipientKey(public {})", self.public().id())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("RecipientKey", "it is a secret key; see expose_secret_bytes() for a key store"))
    }
}

/// A recipient's public X25519 key.
#[pyclass(frozen, eq, hash, module = "sealock")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RecipientPublicKey(pub envelope::RecipientPublicKey);

impl RecipientPublicKey {
    /// Keys from a collection of them.
    pub fn list(what: &str, object: &Bound<'_, PyAny>) -> Result<Vec<envelope::RecipientPublicKey>> {
        let items = convert::items(what, object)?;
        let key = |item: &Bound<'_, PyAny>| match item.cast::<Self>() {
            Ok(key) => Ok(key.get().0),
            Err(_) => {
                let got = convert::type_name(item);
                Err(Failure::wrong_type(format!(
                    "{what}: expected RecipientPublicKey, got {got}: see RecipientKey.public"
                )))
            }
        };
        items.iter().map(key).collect()
    }
}

#[pymethods]
impl RecipientPublicKey {
    /// Names the key in a manifest.
    #[getter]
    fn id(&self) -> String {
        self.0.id().to_string()
    }

    /// The 32 bytes.
    #[expect(clippy::wrong_self_convention, reason = "Python objects are passed by reference")]
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.as_bytes())
    }

    /// The key of 32 bytes. Whether it is a good one is seen when something is wrapped for it.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        let bytes = convert::bytes("key", bytes)?;
        let key = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
            let why = format!("key: expected 32 bytes, got {}", bytes.len());
            Failure::argument(why, "pass what to_bytes() returned")
        })?;
        Ok(Self(envelope::RecipientPublicKey::from_bytes(key)))
    }

    fn __repr__(&self) -> String {
        format!("RecipientPublicKey(id={})", self.id())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py))?)
    }
}
