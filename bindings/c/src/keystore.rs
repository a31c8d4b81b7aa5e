//! Key stores
//!
//! An owner's account and the keys of its datasets, in one file under a passphrase: an age file with a scrypt recipient. The
//! keys are random and nothing else leads to them: **what is lost with the file is lost, so back it up**, and what is destroyed
//! in it is gone.
//!
//! Passphrases are texts; wipe your copy with `sealock_wipe`. Making, opening and every change take about a second and 256
//! MiB, which is what makes guessing the passphrase expensive.

use std::ffi::c_char;
use std::sync::{Arc, Mutex, PoisonError};

use sealock::keystore::KeyStore;
use sealock::owner::Owner;

use crate::account::{copy_of, sealock_account};
use crate::call::{call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::sealock_exchange;
use crate::handle::{find, handles};
use crate::owner::sealock_owner;

/// An owner's keys. The file is open once at a time, until the key store is freed and no owner uses it.
///
/// Made by: `sealock_key_store_create`, `_create_with_work_factor`, `_open`, `_in_memory`, `sealock_owner_key_store`. Used up
/// by: `sealock_exchange_owner_from_key_store`, `sealock_exchange_owner_afresh_from_key_store`. Freed by:
/// `sealock_key_store_free`, which wipes it. Thread-safe.
pub struct sealock_key_store {
    _opaque: (),
}

handles! { sealock_key_store => Keys }

/// A key store that no owner has yet, or that of an owner.
pub(crate) enum Keys {
    Own(Box<Mutex<Option<KeyStore>>>),
    Of(Arc<Owner>),
}

impl From<KeyStore> for Keys {
    fn from(keys: KeyStore) -> Self {
        Self::Own(Box::new(Mutex::new(Some(keys))))
    }
}

fn used_up() -> Failure {
    let hint = "sealock_owner_key_store puts out the key store of an owner";
    Failure::argument("key_store", "one that no owner has", "one that was used up").hint(hint)
}

fn reading<T>(
    keys: *const sealock_key_store,
    read: impl FnOnce(&KeyStore) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match &*find(keys)? {
        Keys::Own(keys) => read(keys.lock().unwrap_or_else(PoisonError::into_inner).as_ref().ok_or_else(used_up)?),
        Keys::Of(owner) => read(owner.keys()),
    }
}

fn take(keys: *const sealock_key_store) -> Result<KeyStore, Failure> {
    match &*find(keys)? {
        Keys::Own(keys) => keys.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or_else(used_up),
        Keys::Of(_) => Err(used_up()),
    }
}

/// Makes a key store for an account in a new file, encrypted under a passphrase. The account stays the caller's.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if there is a file, or for an empty passphrase; with SEALOCK_ERROR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_store_create(
    path: *const c_char,
    account: *const sealock_account,
    passphrase: *const c_char,
    out: *mut *mut sealock_key_store,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, account) = (c.text("path", path)?, copy_of(account)?);
        out.issue(Keys::from(KeyStore::create(path, account, c.text("passphrase", passphrase)?)?));
    })
}

/// As `sealock_key_store_create`, with scrypt's work factor as a power of two, 1 to 20; it is 18 otherwise. **A smaller one
/// makes guessing the passphrase as much easier**: it is for tests, and for passphrases that are random keys.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_store_create_with_work_factor(
    path: *const c_char,
    account: *const sealock_account,
    passphrase: *const c_char,
    work_factor: u8,
    out: *mut *mut sealock_key_store,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, account) = (c.text("path", path)?, copy_of(account)?);
        let passphrase = c.text("passphrase", passphrase)?;
        out.issue(Keys::from(KeyStore::create_with_work_factor(path, account, passphrase, work_factor)?));
    })
}

/// Opens a key store's file with its passphrase.
///
/// Fails with SEALOCK_ERROR_WRONG_KEY for another passphrase; with SEALOCK_ERROR_LOCKED while it is open elsewhere; with
/// SEALOCK_ERROR_MALFORMED, SEALOCK_ERROR_TAMPERED or SEALOCK_ERROR_TRUNCATED for a file that is no key store, or is damaged.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_store_open(
    path: *const c_char,
    passphrase: *const c_char,
    out: *mut *mut sealock_key_store,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, passphrase) = (c.text("path", path)?, c.text("passphrase", passphrase)?);
        out.issue(Keys::from(KeyStore::open(path, passphrase)?));
    })
}

/// A key store that is gone when it is freed. The account stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_store_in_memory(
    account: *const sealock_account,
    out: *mut *mut sealock_key_store,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Keys::from(KeyStore::in_memory(copy_of(account)?)));
    })
}

/// The address of the account whose secret it holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_store_address(
    key_store: *const sealock_key_store,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*reading(key_store, |keys| Ok(keys.address()))?.as_bytes());
    })
}

/// How many epochs' keys it holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_store_epochs(
    key_store: *const sealock_key_store,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(reading(key_store, |keys| Ok(keys.epochs().len()))?);
    })
}

/// Encrypts the file under another passphrase. **Copies of the file keep the old one.**
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for an empty passphrase, or if it was not made with one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_store_change_passphrase(
    key_store: *mut sealock_key_store,
    passphrase: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let passphrase = c.text("passphrase", passphrase)?;
        reading(key_store, |keys| Ok(keys.change_passphrase(passphrase)?))?;
    })
}

/// Wipes and frees a key store. NULL is fine. One that an owner uses stays open until the owner is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_store_free(key_store: *mut sealock_key_store) -> sealock_status {
    free(key_store)
}

/// The owner side of the account in a key store, which keeps the keys of its datasets, too. They are not the keys that
/// `sealock_exchange_owner` keeps: **use the one or the other for an account.** The key store is used up, whether the call
/// succeeds or fails once its arguments are read: after a failure, open its file again.
///
/// Fails as `sealock_exchange_owner`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_owner_from_key_store(
    exchange: *const sealock_exchange,
    key_store: *mut sealock_key_store,
    out: *mut *mut sealock_owner,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let exchange = find(exchange)?;
        out.issue(exchange.owner_from(take(key_store)?)?);
    })
}

/// As `sealock_exchange_owner_afresh`, with a key store, which is used up as by `sealock_exchange_owner_from_key_store`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_owner_afresh_from_key_store(
    exchange: *const sealock_exchange,
    key_store: *mut sealock_key_store,
    out: *mut *mut sealock_owner,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let exchange = find(exchange)?;
        out.issue(exchange.owner_afresh_from(take(key_store)?)?);
    })
}

/// The key store of an owner. It keeps the owner open until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_key_store(
    owner: *const sealock_owner,
    out: *mut *mut sealock_key_store,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Keys::Of(find(owner)?));
    })
}
