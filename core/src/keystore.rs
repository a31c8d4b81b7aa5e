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

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use age::secrecy::{ExposeSecret, SecretString};
use age::{DecryptError, scrypt};
use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::durable::sync_folder_of;
use crate::envelope::{DatasetKey, DatasetRef, EnvelopeError, Manifest, OwnerKey};
use crate::error::{Classify, ErrorKind};
use crate::time::Timestamp;
use crate::{Account, Address, Digest};

/// Largest key store file, in bytes: about 100,000 epochs.
pub const MAX_KEY_STORE_BYTES: usize = 16 << 20;
/// scrypt's work factor for a passphrase, as a power of two.
pub const DEFAULT_WORK_FACTOR: u8 = 18;
/// The largest work factor that is accepted, as a power of two: scrypt then takes a GiB.
pub const MAX_WORK_FACTOR: u8 = 20;

/// For 32 bytes that nobody could guess.
const DERIVED_WORK_FACTOR: u8 = 10;
const WHAT: &str = "key store";
const VERSION: u64 = 1;

/// Why a key store could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyStoreError {
    /// The file could not be read or written. What was there before is there still.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// Another process, or this one, has it open.
    #[error("the key store {path} is open already, here or in another process")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// A new key store would replace a file.
    #[error("{path} exists already")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// An empty passphrase, or a work factor outside its limits.
    #[error("{what}")]
    InvalidArgument {
        /// What was expected, and what came.
        what: String,
    },
    /// There is no file to encrypt under another passphrase.
    #[error("this key store has no passphrase: it is kept in memory, or under the account's key")]
    NoPassphrase,
    /// The passphrase is another one, or the header was changed.
    #[error("the passphrase does not open this key store")]
    WrongPassphrase,
    /// Not an age file, or not one with a passphrase.
    #[error("not a key store: {why}")]
    NotAKeyStore {
        /// What was found.
        why: String,
    },
    /// An age file that was changed after it was written.
    #[error("the key store was changed since it was written: {why}")]
    Tampered {
        /// What does not fit.
        why: &'static str,
    },
    /// The file ends too early.
    #[error("the key store ends too early")]
    Truncated,
    /// Opening the file would take too long.
    #[error(
        "the key store asks for scrypt with a work factor of 2^{required}, at most 2^{MAX_WORK_FACTOR} is accepted"
    )]
    ExcessiveWork {
        /// The power of two that the file asks for.
        required: u8,
    },
    /// What is inside does not decode, or is too large.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The key of this epoch was destroyed.
    #[error("the key of dataset {dataset}, epoch {epoch}, was destroyed at {at} (unix seconds)")]
    Destroyed {
        /// The dataset.
        dataset: Digest,
        /// The epoch.
        epoch: u64,
        /// When.
        at: Timestamp,
    },
    /// The key of this epoch was never here.
    #[error("this key store has no key of dataset {dataset}, epoch {epoch}")]
    Missing {
        /// The dataset.
        dataset: Digest,
        /// The epoch.
        epoch: u64,
    },
    /// A manifest's wrapped key does not open.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

impl Classify for KeyStoreError {
    fn kind(&self) -> ErrorKind {
        match self {
            KeyStoreError::Io { .. } => ErrorKind::Io,
            KeyStoreError::Locked { .. } => ErrorKind::Locked,
            KeyStoreError::Exists { .. } | KeyStoreError::InvalidArgument { .. } | KeyStoreError::NoPassphrase => {
                ErrorKind::InvalidArgument
            }
            KeyStoreError::WrongPassphrase => ErrorKind::WrongKey,
            KeyStoreError::NotAKeyStore { .. } => ErrorKind::Malformed,
            KeyStoreError::Tampered { .. } => ErrorKind::Tampered,
            KeyStoreError::Truncated => ErrorKind::Truncated,
            KeyStoreError::ExcessiveWork { .. } => ErrorKind::TooLarge,
            KeyStoreError::Codec(e) => e.kind(),
            KeyStoreError::Destroyed { .. } => ErrorKind::KeyDestroyed,
            KeyStoreError::Missing { .. } => ErrorKind::NotFound,
            KeyStoreError::Envelope(e) => e.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            KeyStoreError::Locked { .. } => "use it where it is open, or close it there first",
            KeyStoreError::Exists { .. } => "open it, or name another file",
            KeyStoreError::NoPassphrase => "create a key store with a passphrase, and open the owner from it",
            KeyStoreError::WrongPassphrase => "check the passphrase; if it is right, restore the file from a copy",
            KeyStoreError::Tampered { .. } | KeyStoreError::Truncated => "restore the file from a copy",
            KeyStoreError::ExcessiveWork { .. } => "whoever wrote it chose a larger work factor than Sealock does",
            KeyStoreError::Missing { .. } => {
                "open the owner with the key store that the asset was published with, or restore it from a copy"
            }
            KeyStoreError::Codec(e) => return e.hint(),
            KeyStoreError::Envelope(e) => return e.hint(),
            _ => return None,
        };
        Some(hint.into())
    }
}

type Result<T, E = KeyStoreError> = std::result::Result<T, E>;

/// A key-encryption key of one epoch.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[zeroize(skip)]
    dataset: Digest,
    epoch: u64,
    #[serde(with = "serde_bytes")]
    key: [u8; 32],
}

impl Entry {
    fn is_of(&self, of: DatasetRef) -> bool {
        (self.dataset, self.epoch) == (of.dataset, of.epoch)
    }
}

/// What is left of a key that was destroyed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Destroyed {
    dataset: Digest,
    epoch: u64,
    at: Timestamp,
}

/// What the file holds.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
struct Row {
    version: u64,
    /// The account's secret; none in a file that is encrypted under a key derived from it.
    #[serde(with = "serde_bytes")]
    account: Option<[u8; 32]>,
    /// In the order made. While the owner's key of an epoch is being changed, two are of that epoch.
    keys: Vec<Entry>,
    #[zeroize(skip)]
    destroyed: Vec<Destroyed>,
}

/// Where a key store is kept, and under which passphrase.
struct Place {
    path: PathBuf,
    passphrase: SecretString,
    work_factor: u8,
    /// Whether the passphrase is the caller's, and the file the account's one home.
    own: bool,
    /// Held as long as the key store is open. It has a file of its own, since a write replaces the other.
    _lock: File,
}

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
    /// [`KeyStoreError::Exists`], [`KeyStoreError::InvalidArgument`] for an empty passphrase, [`KeyStoreError::Locked`],
    /// [`KeyStoreError::Io`].
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
        let passphrase = checked(passphrase)?;
        let path = path.as_ref().to_owned();
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
        let path = path.as_ref().to_owned();
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

fn failed<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> KeyStoreError + 'a {
    move |source| KeyStoreError::Io { what: format!("{what} {}", path.display()), source }
}

fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(failed("looking for", path))
}

/// A name beside `path`.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// For the owner's eyes alone, where the system knows of such.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn lock(path: &Path) -> Result<File> {
    let lock = beside(path, ".lock");
    let file = private().create(true).truncate(false).read(true).write(true).open(&lock);
    let file = file.map_err(failed("opening", &lock))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(KeyStoreError::Locked { path: path.to_owned() }),
        Err(TryLockError::Error(e)) => Err(failed("locking", &lock)(e)),
    }
}

/// The content of a file, and the work factor that it was written with.
fn read(path: &Path, passphrase: &SecretString) -> Result<(Row, u8)> {
    let mut bytes = Vec::new();
    let limit = MAX_KEY_STORE_BYTES;
    File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .map_err(failed("reading", path))?;
    if bytes.len() > limit {
        return Err(CodecError::TooLarge { what: WHAT, got: bytes.len(), limit }.into());
    }
    let plain = decrypt(&bytes, passphrase)?;
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    // A newer form may have other fields: look at the version first.
    if let Ok(Version { version: got }) = serde_ipld_dagcbor::from_slice(&plain)
        && got != VERSION
    {
        return Err(CodecError::UnsupportedVersion { what: WHAT, got, known: VERSION }.into());
    }
    Ok((from_canonical(WHAT, &plain, limit)?, work_factor(&bytes)))
}

fn decrypt(bytes: &[u8], passphrase: &SecretString) -> Result<Zeroizing<Vec<u8>>> {
    let decryptor = age::Decryptor::new_buffered(bytes).map_err(refused)?;
    if !decryptor.is_scrypt() {
        let why = "an age file that is encrypted to keys, not under a passphrase".into();
        return Err(KeyStoreError::NotAKeyStore { why });
    }
    let mut identity = scrypt::Identity::new(passphrase.clone());
    identity.set_max_work_factor(MAX_WORK_FACTOR);
    let mut reader = decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(refused)?;
    // A buffer that grows leaves what it held.
    let mut plain = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader.read_to_end(&mut plain).map_err(|e| refused(DecryptError::Io(e)))?;
    Ok(plain)
}

fn refused(error: DecryptError) -> KeyStoreError {
    match error {
        DecryptError::ExcessiveWork { required, .. } => KeyStoreError::ExcessiveWork { required },
        DecryptError::DecryptionFailed | DecryptError::KeyDecryptionFailed | DecryptError::NoMatchingKeys => {
            KeyStoreError::WrongPassphrase
        }
        DecryptError::InvalidMac => KeyStoreError::Tampered { why: "its header" },
        DecryptError::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => KeyStoreError::Truncated,
        DecryptError::Io(_) => KeyStoreError::Tampered { why: "its content" },
        DecryptError::UnknownFormat => KeyStoreError::NotAKeyStore { why: "another version of an age file".into() },
        _ => KeyStoreError::NotAKeyStore { why: "not an age file, or one with a damaged header".into() },
    }
}

/// The work factor in the header of a file that was opened: `-> scrypt <salt> <work factor>`.
fn work_factor(bytes: &[u8]) -> u8 {
    let stanza = bytes.split(|b| *b == b'\n').find_map(|line| line.strip_prefix(b"-> scrypt "));
    let number = stanza.and_then(|args| std::str::from_utf8(args).ok()?.rsplit(' ').next()?.parse().ok());
    number.unwrap_or(DEFAULT_WORK_FACTOR)
}

fn encrypt(place: &Place, plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut recipient = scrypt::Recipient::new(place.passphrase.clone());
    recipient.set_work_factor(place.work_factor);
    age::encrypt(&recipient, plain).map_err(io::Error::other)
}

/// Replaces the file so that a crash leaves the old one or the new.
fn write(place: &Place, row: &Row) -> Result<()> {
    let path = &place.path;
    let plain = Zeroizing::new(to_canonical(WHAT, row)?);
    let sealed = encrypt(place, &plain).map_err(failed("encrypting", path))?;
    if sealed.len() > MAX_KEY_STORE_BYTES {
        let (got, limit) = (sealed.len(), MAX_KEY_STORE_BYTES);
        return Err(CodecError::TooLarge { what: WHAT, got, limit }.into());
    }
    let fresh = beside(path, ".new");
    // What a crash left may have other permissions.
    let removed = match fs::remove_file(&fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    };
    removed
        .and_then(|()| private().create_new(true).write(true).open(&fresh))
        .and_then(|mut file| file.write_all(&sealed).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&fresh, path))
        .and_then(|()| sync_folder_of(path))
        .map_err(failed("writing", path))
}

impl fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyStore(of {}, {} keys)", self.address(), self.state().keys.len())
    }
}
