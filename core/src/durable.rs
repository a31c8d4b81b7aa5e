//! Opening redb so that what was acknowledged stays.
//!
//! The ledger and the job journal keep their state in [redb](https://docs.rs/redb) with the same settings: every commit
//! is synced before it returns (immediate durability), in two phases (the new state is synced before the header points
//! to it), under an exclusive lock, behind a row that names the format and its version. This file holds those settings
//! and nothing else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{
    Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
    TableError, TableHandle, WriteTransaction,
};

use crate::error::{Classify, ErrorKind};

/// One row: the format's name and version.
const FORMAT: TableDefinition<&str, u32> = TableDefinition::new("sealock-format");

/// Memory that the page cache may take, in bytes. redb's default is 1 GiB.
const CACHE_BYTES: usize = 64 << 20;

/// Why a database could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DurableError {
    /// What went wrong with a file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: Box<DurableError>,
    },
    /// Somebody else has the file open.
    #[error("the database is open already, here or in another process")]
    Locked,
    /// The file is no database, is damaged, or holds rows that its format does not have.
    #[error("the database is damaged or was written by something else: {why}")]
    Corrupt {
        /// What was found.
        why: String,
    },
    /// A database of another kind.
    #[error("expected a database of format {expected:?}, this one has format {got:?}")]
    WrongFormat {
        /// The format that was to be opened.
        expected: &'static str,
        /// The format found.
        got: String,
    },
    /// A database that another version wrote.
    #[error("the {name} database has version {got}, this build reads version {known}")]
    UnsupportedVersion {
        /// The format.
        name: &'static str,
        /// The version found.
        got: u32,
        /// The version that this build reads.
        known: u32,
    },
    /// A read or a write failed. Nothing of the transaction was kept.
    #[error("the database could not be read or written: {0}")]
    Storage(#[source] Box<redb::Error>),
    /// The last step of a write failed, so that it may or may not be on the disk.
    #[error("the write could not be confirmed: {0}")]
    Unconfirmed(#[source] Box<redb::Error>),
}

impl Classify for DurableError {
    fn kind(&self) -> ErrorKind {
        match self {
            DurableError::File { source, .. } => source.kind(),
            DurableError::Locked => ErrorKind::Locked,
            DurableError::Corrupt { .. } | DurableError::WrongFormat { .. } => ErrorKind::CorruptState,
            DurableError::UnsupportedVersion { .. } => ErrorKind::UnsupportedVersion,
            DurableError::Storage(_) | DurableError::Unconfirmed(_) => ErrorKind::Io,
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            DurableError::File { source, .. } => source.hint(),
            DurableError::WrongFormat { .. } => Some("it is another of Sealock's databases: check the path".into()),
            DurableError::Locked => {
                Some("it is open elsewhere, in this process or another: use it there, or close it there first".into())
            }
            DurableError::Corrupt { .. } => Some("restore the file from a copy".into()),
            DurableError::UnsupportedVersion { .. } => {
                Some("use the version of Sealock that wrote it, or a newer one".into())
            }
            DurableError::Unconfirmed(_) => {
                Some("open the database again and look whether the write is there before repeating it".into())
            }
            _ => None,
        }
    }
}

impl From<redb::Error> for DurableError {
    fn from(error: redb::Error) -> Self {
        use redb::Error as E;
        match error {
            E::DatabaseAlreadyOpen | E::LockProtocolMismatch => DurableError::Locked,
            E::Io(e) if e.kind() == std::io::ErrorKind::InvalidData => DurableError::Corrupt { why: e.to_string() },
            E::Corrupted(_)
            | E::UpgradeRequired(_)
            | E::TableTypeMismatch { .. }
            | E::TableIsMultimap(_)
            | E::TableIsNotMultimap(_)
            | E::TypeDefinitionChanged { .. }
            | E::TableDoesNotExist(_) => DurableError::Corrupt { why: error.to_string() },
            other => DurableError::Storage(Box::new(other)),
        }
    }
}

/// Lets `?` turn redb's errors into an error that holds a [`DurableError`], or into that itself.
macro_rules! via_durable {
    ($target:ty, $($error:ident),+) => {
        $(impl From<redb::$error> for $target {
            fn from(error: redb::$error) -> Self {
                $crate::durable::DurableError::from(redb::Error::from(error)).into()
            }
        })+
    };
}
pub(crate) use via_durable;

via_durable!(DurableError, DatabaseError, TransactionError, TableError, StorageError, SetDurabilityError);

/// What a database holds. The version is raised whenever its tables change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// The format's name, for instance `sealock-ledger`.
    pub name: &'static str,
    /// The version that this build reads and writes.
    pub version: u32,
}

/// An open database, locked against every other process.
#[derive(Debug)]
pub struct Durable {
    db: Database,
}

impl Durable {
    /// Opens the file at `path`, and makes it if there is none. Its folder must exist.
    ///
    /// redb cannot open a file whose making was interrupted, so a new one is made beside `path` and gets its name when
    /// it is complete.
    ///
    /// # Errors
    /// [`DurableError::Locked`] while another process has it open; [`DurableError::Corrupt`],
    /// [`DurableError::WrongFormat`] or [`DurableError::UnsupportedVersion`] for a file that is not of this format.
    pub fn open(path: impl AsRef<Path>, format: Format) -> Result<Self, DurableError> {
        let path = path.as_ref();
        // redb checks little of a file that was closed cleanly, and may panic over one that was damaged since.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            if !path.exists() {
                create(path, format)?;
            }
            Self::with_database(Database::builder().set_cache_size(CACHE_BYTES).create(path)?, format)
        }));
        let opened =
            opened.unwrap_or_else(|_| Err(DurableError::Corrupt { why: "its pages do not fit together".into() }));
        opened.map_err(|source| DurableError::File { path: path.to_owned(), source: Box::new(source) })
    }

    /// Opens the database that `backend` stores. A backend that cannot lock is the caller's to share with nobody, and one
    /// whose first opening never returned is the caller's to empty.
    ///
    /// # Errors
    /// As [`Durable::open`].
    pub fn with_backend(backend: impl StorageBackend, format: Format) -> Result<Self, DurableError> {
        Self::with_database(Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend)?, format)
    }

    /// A database that is gone when it is dropped.
    ///
    /// # Errors
    /// None that memory gives rise to.
    pub fn in_memory(format: Format) -> Result<Self, DurableError> {
        Self::with_backend(InMemoryBackend::new(), format)
    }

    fn with_database(db: Database, format: Format) -> Result<Self, DurableError> {
        let this = Self { db };
        let found = this.read(|txn| -> Result<_, DurableError> {
            let table = match txn.open_table(FORMAT) {
                Ok(table) => table,
                // Created, and stopped before the first commit: as good as new. With tables it is somebody else's.
                Err(TableError::TableDoesNotExist(_)) => {
                    return match txn.list_tables()?.next() {
                        None => Ok(None),
                        Some(t) => Err(DurableError::WrongFormat { expected: format.name, got: t.name().into() }),
                    };
                }
                Err(e) => return Err(e.into()),
            };
            let (name, version) = table.first()?.ok_or_else(|| DurableError::Corrupt { why: "no format".into() })?;
            Ok(Some((name.value().to_owned(), version.value())))
        })?;
        match found {
            None => this.write(|txn| -> Result<_, DurableError> {
                txn.open_table(FORMAT)?.insert(format.name, format.version)?;
                Ok(())
            })?,
            Some((got, _)) if got != format.name => {
                return Err(DurableError::WrongFormat { expected: format.name, got });
            }
            Some((_, got)) if got != format.version => {
                return Err(DurableError::UnsupportedVersion { name: format.name, got, known: format.version });
            }
            Some(_) => {}
        }
        Ok(this)
    }

    /// Runs `work` in a write transaction, of which there is one at a time. When this returns `Ok`, all of it is on the
    /// disk; when `work` fails, nothing is.
    ///
    /// # Errors
    /// Those of `work`; [`DurableError::Unconfirmed`] if the commit itself failed.
    pub fn write<T, E: From<DurableError>>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut txn = self.db.begin_write().map_err(DurableError::from)?;
        txn.set_durability(Durability::Immediate).map_err(DurableError::from)?;
        txn.set_two_phase_commit(true);
        // Dropping the transaction rolls it back.
        let out = work(&txn)?;
        txn.commit().map_err(|e| DurableError::Unconfirmed(Box::new(e.into())))?;
        Ok(out)
    }

    /// Runs `work` on the state as of the last commit, beside whatever is being written.
    ///
    /// # Errors
    /// Those of `work`, or a failed read.
    pub fn read<T, E: From<DurableError>>(&self, work: impl FnOnce(&ReadTransaction) -> Result<T, E>) -> Result<T, E> {
        work(&self.db.begin_read().map_err(DurableError::from)?)
    }

    /// Reads one table; a table that was never written is empty, and gives the default.
    ///
    /// # Errors
    /// Those of `read`, or a failed read.
    pub fn read_table<K: redb::Key + 'static, V: redb::Value + 'static, T: Default, E: From<DurableError>>(
        &self,
        table: TableDefinition<K, V>,
        read: impl FnOnce(&redb::ReadOnlyTable<K, V>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.read(|txn| match txn.open_table(table) {
            Ok(table) => read(&table),
            Err(TableError::TableDoesNotExist(_)) => Ok(T::default()),
            Err(e) => Err(DurableError::from(e).into()),
        })
    }
}

/// Makes a database under a name of its own, and links it to `path` unless somebody else was faster.
fn create(path: &Path, format: Format) -> Result<(), DurableError> {
    let io = |e| DurableError::from(redb::Error::Io(e));
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(|e| io(std::io::Error::other(e.to_string())))?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", hex::encode(suffix)));
    let fresh = path.with_file_name(name);
    let made = Database::builder().create(&fresh).map_err(DurableError::from);
    let made = made.and_then(|db| Durable::with_database(db, format)).map(drop);
    let linked = made.and_then(|()| match std::fs::hard_link(&fresh, path) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        // A file system without links: the file is then made in place.
        Err(e) if matches!(e.kind(), std::io::ErrorKind::Unsupported | std::io::ErrorKind::PermissionDenied) => Ok(()),
        other => other.map_err(io),
    });
    // It has another name now, or is of no use.
    let removed = std::fs::remove_file(&fresh);
    linked?;
    removed.and_then(|()| sync_folder_of(path)).map_err(io)
}

/// A new file survives a power cut only once its folder's entry is on the disk, too.
#[cfg(unix)]
pub(crate) fn sync_folder_of(path: &Path) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
pub(crate) fn sync_folder_of(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT_1: Format = Format { name: "test", version: 1 };

    #[test]
    fn a_second_opening_is_refused_until_the_first_closes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let first = Durable::open(&path, FORMAT_1).unwrap();
        assert_eq!(Durable::open(&path, FORMAT_1).unwrap_err().kind(), ErrorKind::Locked);
        drop(first);
        Durable::open(&path, FORMAT_1).unwrap();
    }

    #[test]
    fn another_format_or_version_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        drop(Durable::open(&path, FORMAT_1).unwrap());
        let kind = |format| Durable::open(&path, format).unwrap_err().kind();
        assert_eq!(kind(Format { name: "other", version: 1 }), ErrorKind::CorruptState);
        assert_eq!(kind(Format { name: "test", version: 2 }), ErrorKind::UnsupportedVersion);
        Durable::open(&path, FORMAT_1).unwrap();

        let foreign = folder.path().join("foreign");
        let db = Database::create(&foreign).unwrap();
        let txn = db.begin_write().unwrap();
        txn.open_table(TableDefinition::<u64, u64>::new("x")).unwrap();
        txn.commit().unwrap();
        drop(db);
        assert_eq!(Durable::open(&foreign, FORMAT_1).unwrap_err().kind(), ErrorKind::CorruptState);
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        for bytes in [vec![7u8; 9], vec![7u8; 100_000], b"PAR1".repeat(5000)] {
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Durable::open(&path, FORMAT_1).unwrap_err().kind(), ErrorKind::CorruptState);
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
    }

    #[test]
    fn making_a_database_is_all_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let names = || {
            let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        // What an interrupted making leaves has another name and is in nobody's way.
        std::fs::write(folder.path().join("db.00.new"), [0; 4096]).unwrap();
        let first = Durable::open(&path, FORMAT_1).unwrap();
        assert_eq!(names(), ["db", "db.00.new"]);
        // Somebody who saw no file, and makes one too late, changes nothing.
        create(&path, Format { name: "late", version: 1 }).unwrap();
        assert_eq!(names(), ["db", "db.00.new"]);
        drop(first);
        Durable::open(&path, FORMAT_1).unwrap();
        assert!(Durable::open(folder.path().join("no/db"), FORMAT_1).is_err());
        assert!(Durable::open(folder.path(), FORMAT_1).is_err());
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        const T: TableDefinition<u64, u64> = TableDefinition::new("t");
        let db = Durable::in_memory(FORMAT_1).unwrap();
        db.write(|txn| -> Result<_, DurableError> { Ok(txn.open_table(T)?.insert(1, 1).map(|_| ())?) }).unwrap();
        let failed = db.write(|txn| -> Result<(), DurableError> {
            txn.open_table(T)?.insert(1, 2)?;
            Err(DurableError::Corrupt { why: "on purpose".into() })
        });
        assert!(failed.is_err());
        let value = db.read(|txn| -> Result<_, DurableError> { Ok(txn.open_table(T)?.get(1)?.map(|v| v.value())) });
        assert_eq!(value.unwrap(), Some(1));
    }
}
