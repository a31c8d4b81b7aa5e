//! Sealing objects straight into a store, and opening them there.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::{Digest as _, Sha256};

use super::keys::check_object_id;
use super::padding::TRAILER_BYTES;
use super::{
    DatasetKey, DatasetRef, EnvelopeError, MAX_OBJECTS, Manifest, ManifestBody, ObjectEntry, ObjectKey, OwnerKey,
    RecipientPublicKey, Result, SealedReader, SealingReader, Suite, WrappedKey, open, open_bytes, padme, seal_bytes,
    sealed_size,
};
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::progress::{Meter, Progress, Stage, Step, tell};
use crate::store::{Cid, Store, dag, unixfs};
use crate::{Account, Digest};

/// A source that can be read again.
pub trait ReadSeek: Read + Seek + Send {}
impl<T: Read + Seek + Send> ReadSeek for T {}

/// An object to publish.
pub struct Source<'a> {
    /// Its name within the dataset.
    pub id: String,
    /// Its bytes, from the beginning to the end.
    pub reader: &'a mut dyn ReadSeek,
}

/// What is published, beside the objects.
#[derive(Clone, Copy, Default)]
pub struct Publication<'a> {
    /// What only a key holder may read, opaque here.
    pub sensitive: &'a [u8],
    /// How objects are sealed: [`Suite::Cobblestone256Padme`] hides their lengths.
    pub suite: Suite,
    /// How the sealed objects are cut into blocks.
    pub profile: unixfs::Profile,
    /// Who gets the dataset key beside the owner.
    pub recipients: &'a [RecipientPublicKey],
    /// The manifest before this one.
    pub previous: Option<Cid>,
    /// Where finished objects are recorded, so that publishing can resume.
    pub journal: Option<&'a Journal>,
}

/// Seals `objects` into `store` under a fresh dataset key, and publishes a manifest of them signed by `owner`. When it
/// returns, the manifest is pinned, and everything under it with it.
///
/// Sealing, hashing and writing overlap on the cores of the current rayon pool, in memory that does not depend on the
/// objects' lengths. When all is sealed, it is sent on to where the store keeps it ([`Store::upload`]). `progress` is told
/// the sealed bytes of all objects, then the bytes uploaded, if there is an upload.
///
/// With a [`Journal`], an interrupted call repeated with the same arguments keeps the objects that were finished: a source
/// is hashed again, and if it is what was sealed then, its blocks are used as they are, and those that were uploaded are not
/// sent again. Every other object is sealed anew under a fresh salt, so that no key and nonce ever meet a second plaintext.
///
/// # Errors
/// [`EnvelopeError::InvalidObjectId`], [`EnvelopeError::InvalidManifest`] (two objects of one name, too many),
/// [`EnvelopeError::Cancelled`], and those of source and store. Nothing is pinned then but what the journal records.
pub fn publish_objects(
    store: &dyn Store,
    owner: &Account,
    owner_key: &OwnerKey,
    of: DatasetRef,
    objects: &mut [Source<'_>],
    publication: &Publication<'_>,
    progress: &mut Progress<'_>,
) -> Result<Manifest> {
    check_ids(objects)?;
    let _adding = store.adding()?;
    let mut record = match publication.journal {
        Some(journal) => journal.load(of)?,
        None => None,
    }
    .unwrap_or_else(|| Record::new(of, owner_key.wrap(&DatasetKey::generate(of))));
    let key = owner_key.unwrap(&record.key, of)?;
    let mut body = ManifestBody::new(owner.address(), of, record.key);
    body.sensitive = ByteBuf::from(seal_bytes(&key.sensitive_key(), publication.sensitive)?);
    body.recipients = publication.recipients.iter().map(|r| r.wrap(&key)).collect::<Result<_>>()?;
    body.previous = publication.previous.map(|cid| ByteBuf::from(cid.to_bytes()));

    let mut meter = Meter::new(Stage::Store, sealed_bytes(objects, publication.suite)?);
    tell(progress, meter.step())?;
    for source in objects {
        let entry = match record.finished(store, source, publication)? {
            Some(entry) => {
                meter.kept(entry.sealed);
                tell(progress, meter.step())?;
                entry
            }
            None => {
                let mut before = 0;
                let mut told = |step: Step| {
                    meter.moved(step.done - before);
                    before = step.done;
                    progress(meter.step())
                };
                let (entry, digest) = seal_object(store, &key, source, publication, &mut told)?;
                if let Some(journal) = publication.journal {
                    // Kept until the call is repeated, however long that takes, and recorded before anything is sent; and
                    // before it is kept, so that nothing is kept that nobody knows of.
                    record.done.push(Finished {
                        object: entry.clone(),
                        source: digest,
                        profile: publication.profile.name().into(),
                    });
                    journal.save(&record)?;
                    store.hold(&entry.root)?;
                }
                entry
            }
        };
        body.objects.push(entry);
    }
    let manifest = Manifest::sign(owner, body)?;
    store.put(manifest.block())?;
    store.upload(manifest.cid(), progress)?;
    store.pin(manifest.cid())?;
    if let Some(journal) = publication.journal {
        for done in &record.done {
            store.unpin(&done.object.root)?;
        }
        journal.remove()?;
    }
    Ok(manifest)
}

/// Bytes of the objects when they are sealed, where that can be said.
fn sealed_bytes(objects: &mut [Source<'_>], suite: Suite) -> Result<Option<u64>> {
    objects.iter_mut().try_fold(Some(0u64), |total, source| {
        let plain = source.reader.seek(SeekFrom::End(0)).map_err(EnvelopeError::io("measuring the source"))?;
        let padded = match suite {
            Suite::Cobblestone256 => plain,
            Suite::Cobblestone256Padme => padme(plain.saturating_add(TRAILER_BYTES as u64)),
        };
        Ok(total.zip(sealed_size(padded)).and_then(|(total, sealed)| total.checked_add(sealed)))
    })
}

/// Finds before anything is sealed what the manifest would refuse in the end.
fn check_ids(objects: &[Source<'_>]) -> Result<()> {
    let bad = |why: String| Err(EnvelopeError::InvalidManifest { why });
    if objects.len() > MAX_OBJECTS {
        return bad(format!("{} objects, at most {MAX_OBJECTS} are accepted", objects.len()));
    }
    let mut ids = HashSet::new();
    for object in objects {
        check_object_id(&object.id)?;
        if !ids.insert(&object.id) {
            return bad(format!("two objects are named {:?}", object.id));
        }
    }
    Ok(())
}

fn seal_object(
    store: &dyn Store,
    key: &DatasetKey,
    source: &mut Source<'_>,
    publication: &Publication<'_>,
    progress: &mut Progress<'_>,
) -> Result<(ObjectEntry, Digest)> {
    let object_key = key.object_key(&source.id, publication.suite)?;
    source.reader.rewind().map_err(EnvelopeError::io("rewinding the source"))?;
    // What is recorded is the digest of what was sealed, not of what was there at some other time.
    let mut hashing = Hashing { source: &mut source.reader, hash: publication.journal.map(|_| Sha256::new()) };
    let mut sealing = SealingReader::new(&mut hashing, &object_key);
    let added = unixfs::add(store, &mut sealing, publication.profile, progress)?;
    drop(sealing);
    let digest = hashing.hash.map_or([0; 32], |hash| hash.finalize().into());
    let suite = publication.suite.code();
    let entry = ObjectEntry { id: source.id.clone(), root: added.root, sealed: added.size, suite };
    Ok((entry, Digest::from_bytes(digest)))
}

/// Opens an object for reading at any place, with the dataset key of [`Manifest::unwrap_key`] or
/// [`Manifest::unwrap_key_for`]. Only the blocks and chunks that are read are fetched and opened.
///
/// # Errors
/// [`EnvelopeError::UnknownObject`], [`EnvelopeError::InvalidManifest`] if the object in the store has another length,
/// [`EnvelopeError::WrongKey`], [`EnvelopeError::Tampered`], [`EnvelopeError::Truncated`], and those of the store.
pub fn open_object<S: Store>(
    store: S,
    manifest: &Manifest,
    key: &DatasetKey,
    id: &str,
) -> Result<SealedReader<unixfs::Reader<S>>> {
    let (file, key) = sealed_object(store, manifest, key, id)?;
    SealedReader::open(file, &key)
}

/// Opens a whole object into `sink`, chunks in parallel and in constant memory, and returns its length in bytes: what
/// [`open`] does, for an object in a store. `progress` is told the sealed bytes read.
///
/// # Errors
/// As [`open_object`] and [`open`].
pub fn export_object<S: Store>(
    store: S,
    manifest: &Manifest,
    key: &DatasetKey,
    id: &str,
    sink: impl Write,
    progress: &mut Progress<'_>,
) -> Result<u64> {
    let (file, key) = sealed_object(store, manifest, key, id)?;
    open(file, sink, &key, progress)
}

/// An object's sealed bytes, of the length that the manifest says, and its key.
fn sealed_object<S: Store>(
    store: S,
    manifest: &Manifest,
    key: &DatasetKey,
    id: &str,
) -> Result<(unixfs::Reader<S>, ObjectKey)> {
    let entry = manifest.object(id)?;
    if key.of() != manifest.body().of() {
        return Err(EnvelopeError::WrongKey);
    }
    let file = unixfs::Reader::open(store, &entry.root)?;
    if file.size() != entry.sealed {
        let why = format!("object {id:?} has {} bytes, the manifest says {}", file.size(), entry.sealed);
        return Err(EnvelopeError::InvalidManifest { why });
    }
    Ok((file, key.object_key(id, Suite::from_code(entry.suite)?)?))
}

/// Opens the part of a manifest that only key holders may read.
///
/// # Errors
/// [`EnvelopeError::WrongKey`], [`EnvelopeError::Tampered`], [`EnvelopeError::Truncated`].
pub fn open_sensitive(manifest: &Manifest, key: &DatasetKey) -> Result<Vec<u8>> {
    open_bytes(&key.sensitive_key(), &manifest.body().sensitive)
}

struct Hashing<R> {
    source: R,
    hash: Option<Sha256>,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        if let Some(hash) = &mut self.hash {
            hash.update(&buffer[..n]);
        }
        Ok(n)
    }
}

/// A file that records which objects of a publication are finished. It holds the wrapped dataset key and no secret, and is
/// removed when the manifest is pinned.
#[derive(Clone, Debug)]
pub struct Journal(PathBuf);

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    version: u64,
    dataset: Digest,
    epoch: u64,
    key: WrappedKey,
    /// In the order sealed. An object sealed again, because its source changed, is in it again: the pin of the first one
    /// is removed with the others.
    done: Vec<Finished>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    object: ObjectEntry,
    /// SHA-256 of the plaintext that was sealed.
    source: Digest,
    profile: String,
}

const RECORD: &str = "publication journal";
const RECORD_VERSION: u64 = 1;
const MAX_RECORD_BYTES: usize = 4 << 20;

impl Journal {
    /// A journal in the file `path`, which need not exist.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn path(&self) -> &Path {
        &self.0
    }

    /// The dataset of the publication that was interrupted, if there is one.
    ///
    /// # Errors
    /// [`EnvelopeError::Io`]; [`EnvelopeError::Codec`] for a file that is no journal.
    pub fn unfinished(&self) -> Result<Option<DatasetRef>> {
        Ok(self.read()?.map(|record| DatasetRef { dataset: record.dataset, epoch: record.epoch }))
    }

    /// Gives an interrupted publication up: lets go of what was kept for it in `store`, and removes the file. Of one that is
    /// damaged, what was kept stays pinned.
    ///
    /// # Errors
    /// [`EnvelopeError::Io`], and those of the store.
    pub fn discard(&self, store: &dyn Store) -> Result<()> {
        let record = match self.read() {
            Err(EnvelopeError::Codec(why)) => {
                tracing::warn!(path = %self.path().display(), %why, "a damaged publication journal is removed");
                None
            }
            other => other?,
        };
        for done in record.into_iter().flat_map(|record| record.done) {
            store.unpin(&done.object.root)?;
        }
        self.remove()
    }

    fn load(&self, of: DatasetRef) -> Result<Option<Record>> {
        let Some(record) = self.read()? else { return Ok(None) };
        if (record.dataset, record.epoch) != (of.dataset, of.epoch) {
            let why = format!("it is of dataset {}, epoch {}", record.dataset, record.epoch);
            return Err(CodecError::Malformed { what: RECORD, why }.into());
        }
        Ok(Some(record))
    }

    fn read(&self) -> Result<Option<Record>> {
        let reading = || EnvelopeError::io(format!("reading {}", self.path().display()));
        let mut bytes = Vec::new();
        match File::open(self.path()) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => {
                other.map_err(reading())?.take(MAX_RECORD_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(reading())?
            }
        };
        let record: Record = from_canonical(RECORD, &bytes, MAX_RECORD_BYTES)?;
        if record.version != RECORD_VERSION {
            let got = record.version;
            return Err(CodecError::UnsupportedVersion { what: RECORD, got, known: RECORD_VERSION }.into());
        }
        Ok(Some(record))
    }

    /// Replaces the file so that a crash leaves the old one or the new.
    fn save(&self, record: &Record) -> Result<()> {
        let bytes = to_canonical(RECORD, record)?;
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(CodecError::TooLarge { what: RECORD, got: bytes.len(), limit: MAX_RECORD_BYTES }.into());
        }
        let tmp = self.path().with_extension("tmp");
        let written = File::create(&tmp)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&tmp, self.path()));
        written.map_err(EnvelopeError::io(format!("writing {}", self.path().display())))
    }

    fn remove(&self) -> Result<()> {
        match fs::remove_file(self.path()) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(EnvelopeError::io("removing the journal")(e)),
            _ => Ok(()),
        }
    }
}

impl Record {
    fn new(of: DatasetRef, key: WrappedKey) -> Self {
        Self { version: RECORD_VERSION, dataset: of.dataset, epoch: of.epoch, key, done: Vec::new() }
    }

    /// The entry of `source`, if it was finished, has not changed since, and is still complete in the store.
    fn finished(
        &self,
        store: &dyn Store,
        source: &mut Source<'_>,
        wanted: &Publication<'_>,
    ) -> Result<Option<ObjectEntry>> {
        let same = |done: &&Finished| {
            done.object.id == source.id
                && done.object.suite == wanted.suite.code()
                && done.profile == wanted.profile.name()
        };
        if !self.done.iter().any(|done| same(&done)) {
            return Ok(None);
        }
        let mut hashing = Hashing { source: &mut source.reader, hash: Some(Sha256::new()) };
        hashing.source.rewind().map_err(EnvelopeError::io("rewinding the source"))?;
        io::copy(&mut hashing, &mut io::sink()).map_err(EnvelopeError::io("reading the source"))?;
        let digest = hashing.hash.map(|hash| Digest::from_bytes(hash.finalize().into()));
        let done = self.done.iter().filter(same).find(|done| digest == Some(done.source));
        let done = done.filter(|done| dag::check_complete(store, &done.object.root).is_ok());
        Ok(done.map(|done| done.object.clone()))
    }
}
