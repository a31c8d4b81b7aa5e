//! An owner's key store: the account's secret, and one key-encryption key for each epoch of each dataset.
//!
//! The keys are random and nothing else leads to them. That is what makes destruction possible: a key that could be derived
//! again from the account's would never be gone. What is lost with the file is lost, so back it up; and a copy of the file
//! made before a key was destroyed still holds that key.
//!
//! # The file
//!
//! An age file (<https://age-encryption.org/v1>, <https://c2sp.org/age>) with one scrypt recipient, so that `age -d` opens
//! it, too. What is inside is canonical DAG-CBOR, see `docs/formats.md`. scrypt (RFC 7914) runs with r = 8, p = 1 and N = 2^18,
//! the work factor of the reference implementation: about a second and 256 MiB per guess, above OWASP's minimum of 2^17
//! (<https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html>). A file that asks for more than
//! 2^20, a GiB, is refused before that memory is taken. Every write has a fresh salt, file key and nonce.
//!
//! Without a passphrase of its own, an owner in an exchange's folder keeps the same file under 32 bytes that HKDF derives
//! from the account's key. That is no password, so that scrypt has nothing to stretch and runs with N = 2^10.
//!
//! A write replaces the file: the new one is written beside it, synced and renamed, and the folder synced. The old file's
//! blocks are free then, not wiped; on an SSD or a copy-on-write file system nothing could wipe them. They are ciphertext:
//! change the passphrase, or encrypt the disk, where old blocks matter.

mod error;
mod file;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use age::secrecy::SecretString;
use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::Zeroizing;

pub use error::KeyStoreError;
use file::{Destroyed, Entry, Place, Row, VERSION, exists, lock, read, resolve, write};

use crate::envelope::{DatasetKey, DatasetRef, EnvelopeError, Manifest, OwnerKey};
use crate::time::Timestamp;
use crate::{Account, Address};

/// Largest key store file, in bytes: about 100,000 epochs.
pub const MAX_KEY_STORE_BYTES: usize = 16 << 20;
/// scrypt's work factor for a passphrase, as a power of two.
pub const DEFAULT_WORK_FACTOR: u8 = 18;
/// The largest work factor that is accepted, as a power of two: scrypt then takes a GiB.
pub const MAX_WORK_FACTOR: u8 = 20;

/// For 32 bytes that nobody could guess.
const DERIVED_WORK_FACTOR: u8 = 10;

type Result<T, E = KeyStoreError> = std::result::Result<T, E>;

struct State {
    keys: Vec<Entry>,
    destroyed: Vec<Destroyed>,
    place: Option<Place>,
}

/// An owner's keys: see the module. It is open once at a time. Secrets are wiped when it is dropped.
///
/// ```no_run
/// use sealock::{Account, Exchange, keystore::KeyStore};
///
/// # fn main() -> Result<(), sealock::Error> {
/// KeyStore::create("owner.age", Account::generate(), "correct horse battery staple")?;
/// let keys = KeyStore::open("owner.age", "correct horse battery staple")?;
/// let owner = Exchange::local("a/folder")?.owner_from(keys)?;
/// # Ok(())
/// # }
/// ```
pub struct KeyStore {
    account: Account,
    state: Mutex<State>,
}

impl KeyStore {
    /// Makes a key store for `account` in a new file, encrypted under `passphrase`. It takes about a second, as opening
    /// and every change does.
    ///
    /// # Errors
    /// [`KeyStoreError::Exists`], [`KeyStoreError::InvalidArgument`] for an empty passphrase or an account whose key is
    /// elsewhere, [`KeyStoreError::Locked`], [`KeyStoreError::Io`].
    pub fn create(path: impl AsRef<Path>, account: Account, passphrase: &str) -> Result<Self> {
        Self::create_with_work_factor(path, account, passphrase, DEFAULT_WORK_FACTOR)
    }

    /// As [`KeyStore::create`], with scrypt's work factor as a power of two, 1 to [`MAX_WORK_FACTOR`]. A smaller one makes
    /// guessing the passphrase as much easier: it is for tests, and for passphrases that are random keys.
    ///
    /// # Errors
    /// As [`KeyStore::create`], and [`KeyStoreError::InvalidArgument`] for a work factor outside its limits.
    pub fn create_with_work_factor(
        path: impl AsRef<Path>,
        account: Account,
        passphrase: &str,
        work_factor: u8,
    ) -> Result<Self> {
        if !(1..=MAX_WORK_FACTOR).contains(&work_factor) {
            let what = format!("a work factor is 1 to {MAX_WORK_FACTOR}, as a power of two; got {work_factor}");
            return Err(KeyStoreError::InvalidArgument { what });
        }
        if account.is_external() {
            let what =
                "the account's key is with an external signer, and cannot be kept: open the owner by the account";
            return Err(KeyStoreError::InvalidArgument { what: what.into() });
        }
        let passphrase = checked(passphrase)?;
        let path = resolve(path.as_ref())?;
        let lock = lock(&path)?;
        if exists(&path)? {
            return Err(KeyStoreError::Exists { path });
        }
        let place = Place { path, passphrase, work_factor, own: true, _lock: lock };
        Self::new(account, Some(place)).written()
    }

    /// Opens a key store's file with its passphrase.
    ///
    /// # Errors
    /// [`KeyStoreError::WrongPassphrase`]; [`KeyStoreError::NotAKeyStore`], [`KeyStoreError::Tampered`],
    /// [`KeyStoreError::Truncated`], [`KeyStoreError::ExcessiveWork`] or [`KeyStoreError::Codec`] for a file that is none,
    /// or is damaged; [`KeyStoreError::Locked`]; [`KeyStoreError::Io`].
    pub fn open(path: impl AsRef<Path>, passphrase: &str) -> Result<Self> {
        let passphrase = checked(passphrase)?;
        let path = resolve(path.as_ref())?;
        // The lock is a file beside it: none is made where there is nothing to open.
        if !exists(&path)? {
            let source = io::Error::from(io::ErrorKind::NotFound);
            return Err(KeyStoreError::Io { what: format!("opening {}", path.display()), source });
        }
        let lock = lock(&path)?;
        let (mut row, work_factor) = read(&path, &passphrase)?;
        let secret = row.account.take().map(Zeroizing::new);
        let account = secret.as_deref().and_then(|secret| Account::from_secret_bytes(secret).ok());
        let account = account.ok_or_else(|| KeyStoreError::NotAKeyStore { why: "it holds no account".into() })?;
        let place = Place { path, passphrase, work_factor, own: true, _lock: lock };
        Ok(Self::with(account, row, Some(place)))
    }

    /// A key store in a new or existing file, under a key derived from the account's.
    pub(crate) fn derived(path: PathBuf, account: Account) -> Result<Self> {
        let passphrase = derived_passphrase(&account);
        let path = resolve(&path)?;
        let lock = lock(&path)?;
        let row = if exists(&path)? { Some(read(&path, &passphrase)?.0) } else { None };
        let place = Place { path, passphrase, work_factor: DERIVED_WORK_FACTOR, own: false, _lock: lock };
        match row {
            Some(row) => Ok(Self::with(account, row, Some(place))),
            // The file is made with the first key.
            None => Ok(Self::new(account, Some(place))),
        }
    }

    /// A key store that is gone when it is dropped.
    pub fn in_memory(account: Account) -> Self {
        Self::new(account, None)
    }

    fn new(account: Account, place: Option<Place>) -> Self {
        Self { account, state: Mutex::new(State { keys: Vec::new(), destroyed: Vec::new(), place }) }
    }

    fn with(account: Account, mut row: Row, place: Option<Place>) -> Self {
        let (keys, destroyed) = (std::mem::take(&mut row.keys), std::mem::take(&mut row.destroyed));
        Self { account, state: Mutex::new(State { keys, destroyed, place }) }
    }

    fn written(self) -> Result<Self> {
        let change = Change { keys: Vec::new(), destroyed: Vec::new() };
        self.apply(&mut self.state(), change)?;
        Ok(self)
    }

    /// The account whose secret it holds.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        self.account.address()
    }

    /// The file, unless it is kept in memory.
    pub fn path(&self) -> Option<PathBuf> {
        self.state().place.as_ref().map(|place| place.path.clone())
    }

    /// Encrypts the file under another passphrase. Copies of the file keep the old one.
    ///
    /// # Errors
    /// [`KeyStoreError::NoPassphrase`] if it was not made with one; [`KeyStoreError::InvalidArgument`] for an empty one;
    /// [`KeyStoreError::Io`], and then the old one holds.
    pub fn change_passphrase(&self, passphrase: &str) -> Result<()> {
        let passphrase = checked(passphrase)?;
        let mut state = self.state();
        let change = Change::of(&state);
        let place = state.place.as_mut().filter(|place| place.own).ok_or(KeyStoreError::NoPassphrase)?;
        let old = std::mem::replace(&mut place.passphrase, passphrase);
        let written = self.apply(&mut state, change);
        if let (Err(_), Some(place)) = (&written, &mut state.place) {
            place.passphrase = old;
        }
        written
    }

    /// The epochs whose keys it holds, in the order made.
    pub fn epochs(&self) -> Vec<DatasetRef> {
        let mut epochs: Vec<DatasetRef> = Vec::new();
        for entry in &self.state().keys {
            let of = DatasetRef { dataset: entry.dataset, epoch: entry.epoch };
            if !epochs.contains(&of) {
                epochs.push(of);
            }
        }
        epochs
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A change is written first and then swapped in, so that a panic leaves the state as it was.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a changed content, and then makes it the content.
    fn apply(&self, state: &mut State, change: Change) -> Result<()> {
        let Change { keys, destroyed } = change;
        if let Some(place) = &state.place {
            let account = place.own.then(|| *self.account.expose_secret_bytes());
            let row = Row { version: VERSION, account, keys: keys.clone(), destroyed: destroyed.clone() };
            write(place, &row)?;
        }
        (state.keys, state.destroyed) = (keys, destroyed);
        Ok(())
    }

    /// Makes a fresh key for an epoch. It is on the disk when this returns. Another key of the epoch stays beside it.
    pub(crate) fn generate(&self, of: DatasetRef) -> Result<OwnerKey> {
        let key = OwnerKey::generate();
        let mut state = self.state();
        check_not_destroyed(&state, of)?;
        let mut change = Change::of(&state);
        let DatasetRef { dataset, epoch } = of;
        change.keys.push(Entry { dataset, epoch, key: *key.expose_secret_bytes() });
        self.apply(&mut state, change)?;
        Ok(key)
    }

    /// The key of an epoch that was made first, if there is one.
    pub(crate) fn first(&self, of: DatasetRef) -> Result<Option<OwnerKey>> {
        let state = self.state();
        check_not_destroyed(&state, of)?;
        Ok(state.keys.iter().find(|entry| entry.is_of(of)).map(|entry| OwnerKey::from_secret_bytes(&entry.key)))
    }

    /// Removes a key that nothing was published under.
    pub(crate) fn retract(&self, of: DatasetRef, key: &OwnerKey) -> Result<()> {
        self.retain(of, |entry| OwnerKey::from_secret_bytes(&entry.key) != *key)
    }

    /// Removes the keys of an epoch that nothing was published under.
    pub(crate) fn discard(&self, of: DatasetRef) -> Result<()> {
        self.retain(of, |_| false)
    }

    /// Removes the keys of a manifest's epoch that do not open it.
    pub(crate) fn settle(&self, manifest: &Manifest) -> Result<()> {
        self.retain(manifest.body().of(), |entry| opens(entry, manifest).is_ok())
    }

    fn retain(&self, of: DatasetRef, keep: impl Fn(&Entry) -> bool) -> Result<()> {
        let mut state = self.state();
        let mut change = Change::of(&state);
        change.keys.retain(|entry| !entry.is_of(of) || keep(entry));
        if change.keys.len() == state.keys.len() { Ok(()) } else { self.apply(&mut state, change) }
    }

    /// Unwraps a manifest's dataset key.
    pub(crate) fn unwrap(&self, manifest: &Manifest) -> Result<DatasetKey> {
        let (of, state) = (manifest.body().of(), self.state());
        check_held(&state, of)?;
        let mut last = EnvelopeError::WrongKey;
        for entry in state.keys.iter().filter(|entry| entry.is_of(of)) {
            match opens(entry, manifest) {
                Ok(key) => return Ok(key),
                Err(e) => last = e,
            }
        }
        Err(last.into())
    }

    /// Whether the key of an epoch is there.
    pub(crate) fn check(&self, of: DatasetRef) -> Result<()> {
        check_held(&self.state(), of)
    }

    /// Runs `work` while the key of an epoch is there and cannot be destroyed.
    pub(crate) fn while_held<T, E: From<KeyStoreError>>(
        &self,
        of: DatasetRef,
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let state = self.state();
        check_held(&state, of)?;
        work()
    }

    /// Destroys every key of an epoch, and returns when that was: `now`, or earlier if it was done before. When this
    /// returns, the file without them is on the disk.
    pub(crate) fn destroy(&self, of: DatasetRef, now: Timestamp) -> Result<Timestamp> {
        let mut state = self.state();
        if let Some(at) = destroyed_at(&state, of) {
            return Ok(at);
        }
        check_held(&state, of)?;
        let mut change = Change::of(&state);
        change.keys.retain(|entry| !entry.is_of(of));
        change.destroyed.push(Destroyed { dataset: of.dataset, epoch: of.epoch, at: now });
        self.apply(&mut state, change)?;
        Ok(now)
    }
}

/// What a key store is to hold next.
struct Change {
    keys: Vec<Entry>,
    destroyed: Vec<Destroyed>,
}

impl Change {
    fn of(state: &State) -> Self {
        Self { keys: state.keys.clone(), destroyed: state.destroyed.clone() }
    }
}

fn opens(entry: &Entry, manifest: &Manifest) -> Result<DatasetKey, EnvelopeError> {
    manifest.unwrap_key(&OwnerKey::from_secret_bytes(&entry.key))
}

fn destroyed_at(state: &State, of: DatasetRef) -> Option<Timestamp> {
    state.destroyed.iter().find(|d| (d.dataset, d.epoch) == (of.dataset, of.epoch)).map(|d| d.at)
}

fn check_not_destroyed(state: &State, of: DatasetRef) -> Result<()> {
    let DatasetRef { dataset, epoch } = of;
    destroyed_at(state, of).map_or(Ok(()), |at| Err(KeyStoreError::Destroyed { dataset, epoch, at }))
}

fn check_held(state: &State, of: DatasetRef) -> Result<()> {
    check_not_destroyed(state, of)?;
    let DatasetRef { dataset, epoch } = of;
    let held = state.keys.iter().any(|entry| entry.is_of(of));
    if held { Ok(()) } else { Err(KeyStoreError::Missing { dataset, epoch }) }
}

fn checked(passphrase: &str) -> Result<SecretString> {
    if passphrase.is_empty() {
        return Err(KeyStoreError::InvalidArgument { what: "the passphrase is empty".into() });
    }
    Ok(SecretString::from(passphrase.to_owned()))
}

fn derived_passphrase(account: &Account) -> SecretString {
    let mut key = Zeroizing::new([0u8; 32]);
    Hkdf::<Sha512>::new(Some(b"sealock/v1/key-store"), account.expose_secret_bytes().as_ref())
        .expand(account.address().as_bytes(), key.as_mut())
        .expect("32 bytes are within HKDF's limit");
    SecretString::from(hex::encode(key.as_ref()))
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyStore(of {}, {} keys)", self.address(), self.state().keys.len())
    }
}
