//! Download access: the data itself, for whoever the owner lets decrypt it.
//!
//! A download is a job like any other: the same order, access proof, nullifier, policy, journal and receipt. Its program is
//! the one [download program](program_digest), its query is empty, and what is released is the dataset key of the asset's
//! present epoch, wrapped with HPKE (RFC 9180) for the request's result key. The access proof is bound to that key, so that
//! nobody on the way can put another in its place; the wrapping is bound to dataset and epoch.
//!
//! Orders, groups and nullifiers of downloads are those of a service of their own: an order that pays for computing does not
//! pay for the data, nor the other way round.
//!
//! **What it means.** Whoever has had the key keeps what it opens. A new epoch, and the destruction of the owner's key,
//! change what comes after and nothing about what was read.

use std::io::{Cursor, Write};
use std::sync::{Arc, LazyLock};

use cid::Cid;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Digest;
use crate::asset::Table;
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::columns::StoredTable;
use crate::envelope::{
    self, DatasetKey, DatasetRef, EnvelopeError, Manifest, Recipient, RecipientKey, RecipientPublicKey, SealedReader,
};
use crate::error::Result;
use crate::exchange::{Asset, Exchange};
use crate::model::Model;
use crate::program::ProgramError;
use crate::progress::{Progress, Step, quiet};
use crate::store::{Store, unixfs};

const VERSION: u64 = 1;
const WHAT: &str = "download grant";
const MAX_GRANT_BYTES: usize = 1024;

/// The download program. It has one form.
#[derive(Serialize)]
struct Program {
    version: u64,
    download: bool,
}

static PROGRAM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let program = Program { version: VERSION, download: true };
    to_canonical("program", &program).expect("a number and a truth value have a canonical form")
});

/// The download program's canonical form.
pub(crate) fn program() -> &'static [u8] {
    &PROGRAM
}

/// The digest that a download's receipt names its program by.
pub fn program_digest() -> Digest {
    Digest::of("sealock/v1/program", &[program()])
}

/// What is released: the dataset key, wrapped.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    version: u64,
    /// A manifest of the dataset: the asset's present one.
    manifest: Cid,
    dataset: Digest,
    epoch: u64,
    key: Recipient,
}

impl Grant {
    /// Wraps a manifest's dataset key for a result key.
    pub(crate) fn new(manifest: &Manifest, key: &DatasetKey, result_key: [u8; 32]) -> Result<Self> {
        let DatasetRef { dataset, epoch } = key.of();
        let key = RecipientPublicKey::from_bytes(result_key).wrap(key)?;
        Ok(Self { version: VERSION, manifest: *manifest.cid(), dataset, epoch, key })
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        Ok(to_canonical(WHAT, self)?)
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let grant: Grant = from_canonical(WHAT, bytes, MAX_GRANT_BYTES)?;
        if grant.version != VERSION {
            return Err(CodecError::UnsupportedVersion { what: WHAT, got: grant.version, known: VERSION }.into());
        }
        Ok(grant)
    }

    /// Opens the data that it is for, if that is `asset`'s.
    pub(crate) fn open(&self, exchange: &Exchange, asset: &Asset, result_key: &RecipientKey) -> Result<Download> {
        let of = DatasetRef { dataset: self.dataset, epoch: self.epoch };
        let described = asset.description().sealed.dataset.of();
        if of != described {
            let why = format!(
                "the key is for dataset {}, epoch {}; the asset has {}, epoch {}",
                of.dataset, of.epoch, described.dataset, described.epoch
            );
            return Err(EnvelopeError::InvalidManifest { why }.into());
        }
        Download::open(exchange, asset, &self.manifest, |_| Ok(result_key.unwrap(&self.key, of)?))
    }
}

/// Reads an asset's data at any place.
pub type DataReader = SealedReader<unixfs::Reader<Arc<dyn Store>>>;

/// An asset's data, in the hands of somebody who may decrypt it: a buyer, a named recipient, the owner.
///
/// Holds the dataset key, wiped when it is dropped. Nothing is read until it is asked for.
pub struct Download {
    store: Arc<dyn Store>,
    asset: Asset,
    manifest: Manifest,
    key: DatasetKey,
}

impl Download {
    /// Reads a manifest, checks that it is of what the asset describes, gets its key, and checks that it opens the table.
    pub(crate) fn open(
        exchange: &Exchange,
        asset: &Asset,
        manifest: &Cid,
        unwrap: impl FnOnce(&Manifest) -> Result<DatasetKey>,
    ) -> Result<Self> {
        let store = exchange.store_handle();
        let manifest = Manifest::decode(store.get(manifest)?.bytes(), asset.owner())?;
        let described = asset.description().sealed.dataset;
        if manifest.body().of() != described.of() || manifest.contents()? != described.contents {
            let why = format!("{} is not the manifest of what the asset describes", manifest.cid());
            return Err(EnvelopeError::InvalidManifest { why }.into());
        }
        let key = unwrap(&manifest)?;
        let download = Self { store, asset: asset.clone(), manifest, key };
        download.reader()?;
        Ok(download)
    }

    /// The asset.
    pub fn asset(&self) -> &Asset {
        &self.asset
    }

    /// The manifest: what the data consists of, and who signed it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of the table as Parquet, of a model as CBOR.
    ///
    /// # Errors
    /// As [`Download::reader`].
    pub fn size(&self) -> Result<u64> {
        Ok(self.reader()?.size())
    }

    /// The table.
    ///
    /// # Errors
    /// As [`Download::write_to`]; [`ErrorKind::SchemaMismatch`](crate::ErrorKind::SchemaMismatch) and the like if the data
    /// is not what the asset's schema says.
    pub fn table(&self) -> Result<Table> {
        self.table_with(&mut quiet())
    }

    /// As [`Download::table`], and tells how far it is.
    ///
    /// # Errors
    /// As [`Download::table`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn table_with(&self, progress: &mut Progress<'_>) -> Result<Table> {
        if self.asset.model().is_some() {
            let (asset, program) = ("a model", "as a table");
            return Err(ProgramError::OtherKind { asset, program }.into());
        }
        let mut bytes = Cursor::new(Vec::new());
        self.write_to_with(&mut bytes, progress)?;
        Ok(Table::loader(self.asset.schema().clone()).parquet_bytes(bytes.into_inner())?)
    }

    /// The model.
    ///
    /// # Errors
    /// [`ModelError::NoModel`](crate::model::ModelError::NoModel) for a table; as [`Download::write_to`];
    /// [`ErrorKind::InvalidManifest`](crate::ErrorKind::InvalidManifest) if it is not what the asset describes.
    pub fn model(&self) -> Result<Model> {
        let info = self.asset.require_model()?;
        let mut bytes = Zeroizing::new(Vec::new());
        self.write_to(&mut *bytes)?;
        let model = Model::from_bytes(&bytes)?;
        if model.info() != info || model.features() != self.asset.schema() {
            let why = "the model is not the one that the asset describes".into();
            return Err(EnvelopeError::InvalidManifest { why }.into());
        }
        Ok(model)
    }

    /// Writes the table as Parquet, a model as CBOR, in constant memory, and returns its length in bytes. What reaches the sink was checked;
    /// if an error comes, it holds a beginning and no more.
    ///
    /// # Errors
    /// Those of the store and the sink; [`ErrorKind::WrongKey`](crate::ErrorKind::WrongKey),
    /// [`ErrorKind::Tampered`](crate::ErrorKind::Tampered), [`ErrorKind::Truncated`](crate::ErrorKind::Truncated).
    pub fn write_to(&self, sink: impl Write) -> Result<u64> {
        self.write_to_with(sink, &mut quiet())
    }

    /// As [`Download::write_to`], and tells how far it is, in bytes fetched and then in bytes decrypted.
    ///
    /// # Errors
    /// As [`Download::write_to`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn write_to_with(&self, sink: impl Write, progress: &mut Progress<'_>) -> Result<u64> {
        let object = self.asset.object();
        let entry = self.manifest.object(object)?;
        let _adding = self.store.adding()?;
        self.store.fetch(&entry.root, progress)?;
        let total = Some(entry.sealed);
        let mut told = |step: Step| progress(Step { total, ..step });
        Ok(envelope::export_object(&self.store, &self.manifest, &self.key, object, sink, &mut told)?)
    }

    /// Reads the table's Parquet at any place, fetching and decrypting only what is read.
    ///
    /// # Errors
    /// Those of the store; [`ErrorKind::WrongKey`](crate::ErrorKind::WrongKey) if the key does not open it.
    pub fn reader(&self) -> Result<DataReader> {
        Ok(envelope::open_object(Arc::clone(&self.store), &self.manifest, &self.key, self.asset.object())?)
    }

    /// The table for reading some of its columns and rows, which fetches and decrypts no more than they take.
    ///
    /// # Errors
    /// As [`Download::reader`]; [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) if the data is no Parquet.
    pub fn columns(&self) -> Result<StoredTable<DataReader>> {
        StoredTable::open(self.asset.schema().clone(), self.reader()?)
    }

    pub(crate) fn key(&self) -> &DatasetKey {
        &self.key
    }
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Download(of {}, epoch {})", self.asset.did(), self.manifest.body().epoch)
    }
}
