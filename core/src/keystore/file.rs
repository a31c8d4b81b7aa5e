//! The file: what is in it, and how it is read and replaced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use age::{DecryptError, scrypt};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{DEFAULT_WORK_FACTOR, KeyStoreError, MAX_KEY_STORE_BYTES, MAX_WORK_FACTOR, Result};
use crate::Digest;
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::durable::sync_folder_of;
use crate::envelope::DatasetRef;
use crate::time::Timestamp;

const WHAT: &str = "key store";
pub(super) const VERSION: u64 = 1;

/// A key-encryption key of one epoch.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[zeroize(skip)]
    pub(super) dataset: Digest,
    pub(super) epoch: u64,
    #[serde(with = "serde_bytes")]
    pub(super) key: [u8; 32],
}

impl Entry {
    pub(super) fn is_of(&self, of: DatasetRef) -> bool {
        (self.dataset, self.epoch) == (of.dataset, of.epoch)
    }
}

/// What is left of a key that was destroyed.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Destroyed {
    pub(super) dataset: Digest,
    pub(super) epoch: u64,
    pub(super) at: Timestamp,
}

/// What the file holds.
#[derive(Serialize, Deserialize, ZeroizeOnDrop)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) version: u64,
    /// The account's secret; none in a file that is encrypted under a key derived from it.
    #[serde(with = "serde_bytes")]
    pub(super) account: Option<[u8; 32]>,
    /// In the order made. While the owner's key of an epoch is being changed, two are of that epoch.
    pub(super) keys: Vec<Entry>,
    #[zeroize(skip)]
    pub(super) destroyed: Vec<Destroyed>,
}

/// Where a key store is kept, and under which passphrase.
pub(super) struct Place {
    pub(super) path: PathBuf,
    pub(super) passphrase: SecretString,
    pub(super) work_factor: u8,
    /// Whether the passphrase is the caller's, and the file the account's one home.
    pub(super) own: bool,
    /// Held as long as the key store is open. It has a file of its own, since a write replaces the other.
    pub(super) _lock: File,
}

fn failed<'a>(what: &'a str, path: &'a Path) -> impl FnOnce(io::Error) -> KeyStoreError + 'a {
    move |source| KeyStoreError::Io { what: format!("{what} {}", path.display()), source }
}

pub(super) fn exists(path: &Path) -> Result<bool> {
    path.try_exists().map_err(failed("looking for", path))
}

/// The file that `path` names now, whatever the working directory is later, behind symbolic links: a write replaces the
/// file, and must not replace a link to it.
pub(super) fn resolve(path: &Path) -> Result<PathBuf> {
    const MAX_LINKS: usize = 40;
    let mut found = std::path::absolute(path).map_err(failed("resolving", path))?;
    for _ in 0..MAX_LINKS {
        match fs::read_link(&found) {
            // Relative to where the link is.
            Ok(target) => found = found.parent().map_or(target.clone(), |folder| folder.join(&target)),
            Err(_) => return Ok(found),
        }
    }
    Err(failed("resolving", path)(io::Error::other("too many symbolic links")))
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

pub(super) fn lock(path: &Path) -> Result<File> {
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
pub(super) fn read(path: &Path, passphrase: &SecretString) -> Result<(Row, u8)> {
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
pub(super) fn write(place: &Place, row: &Row) -> Result<()> {
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
