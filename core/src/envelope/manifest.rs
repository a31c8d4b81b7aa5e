//! What a published dataset consists of, signed by its owner.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::keys::check_object_id;
use super::{
    DatasetKey, DatasetRef, EnvelopeError, OwnerKey, Recipient, RecipientKey, Result, Suite, WrappedKey, plain_size,
};
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::store::{Block, Cid, Codec, check_cid};
use crate::{Account, Address, Digest, Signature};

/// The longest manifest, in bytes.
pub const MAX_MANIFEST_BYTES: usize = 1 << 20;
/// The most objects of a dataset.
pub const MAX_OBJECTS: usize = 4096;
/// The most recipients in one manifest.
pub const MAX_RECIPIENTS: usize = 1024;

const WHAT: &str = "manifest";
const VERSION: u64 = 1;

/// One object of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// Its name within the dataset.
    pub id: String,
    /// The root of its sealed bytes.
    pub root: Cid,
    /// Bytes of the sealed object.
    pub sealed: u64,
    /// How it is sealed: a [`Suite`]'s number.
    pub suite: u64,
}

/// A manifest's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestBody {
    /// The version of this form: 1.
    pub version: u64,
    /// Who signs.
    pub owner: Address,
    /// The dataset.
    pub dataset: Digest,
    /// The epoch, whose dataset key the objects are sealed under.
    pub epoch: u64,
    /// The objects, with distinct ids, in the owner's order.
    pub objects: Vec<ObjectEntry>,
    /// What only a key holder may read (schema, names, row groups), sealed under the dataset key.
    pub sensitive: ByteBuf,
    /// The dataset key, wrapped by the owner key.
    pub key: WrappedKey,
    /// The dataset key, wrapped for others.
    pub recipients: Vec<Recipient>,
    /// The CID of the manifest before this one. Kept as bytes, not as a link: pinning a manifest does not keep its whole
    /// history, and an old epoch can be deleted.
    pub previous: Option<ByteBuf>,
}

impl ManifestBody {
    /// An empty manifest of this version.
    pub fn new(owner: Address, of: DatasetRef, key: WrappedKey) -> Self {
        let DatasetRef { dataset, epoch } = of;
        let (objects, sensitive, recipients) = (Vec::new(), ByteBuf::new(), Vec::new());
        Self { version: VERSION, owner, dataset, epoch, objects, sensitive, key, recipients, previous: None }
    }

    /// What the dataset key is for.
    pub fn of(&self) -> DatasetRef {
        DatasetRef { dataset: self.dataset, epoch: self.epoch }
    }

    fn digest(&self) -> Result<Digest> {
        Ok(Digest::of("sealock/v1/manifest", &[&to_canonical(WHAT, self)?]))
    }

    fn check(&self) -> Result<()> {
        let bad = |why: String| Err(EnvelopeError::InvalidManifest { why });
        if self.version != VERSION {
            return Err(CodecError::UnsupportedVersion { what: WHAT, got: self.version, known: VERSION }.into());
        }
        if self.objects.len() > MAX_OBJECTS || self.recipients.len() > MAX_RECIPIENTS {
            let (objects, recipients) = (self.objects.len(), self.recipients.len());
            return bad(format!(
                "{objects} objects and {recipients} recipients, at most {MAX_OBJECTS} and {MAX_RECIPIENTS}"
            ));
        }
        let mut ids = HashSet::new();
        for object in &self.objects {
            check_object_id(&object.id)?;
            Suite::from_code(object.suite)?;
            if !ids.insert(&object.id) {
                return bad(format!("two objects are named {:?}", object.id));
            }
            if !matches!(check_cid(&object.root), Ok(Codec::Raw | Codec::DagPb)) {
                return bad(format!("the root of object {:?} is not a file", object.id));
            }
            if plain_size(object.sealed).is_err() {
                return bad(format!("nothing seals to the {} bytes of object {:?}", object.sealed, object.id));
            }
        }
        let keys: HashSet<_> = self.recipients.iter().map(|r| r.key_id).collect();
        if keys.len() != self.recipients.len() {
            return bad("two entries are for one recipient".into());
        }
        self.previous().map(drop)
    }

    /// The manifest before this one.
    ///
    /// # Errors
    /// [`EnvelopeError::InvalidManifest`] if it is not the CID of a manifest.
    pub fn previous(&self) -> Result<Option<Cid>> {
        let Some(bytes) = &self.previous else { return Ok(None) };
        let cid = Cid::try_from(bytes.as_slice()).ok().filter(|cid| matches!(check_cid(cid), Ok(Codec::DagCbor)));
        // The reader stops at the end of a CID; nothing may follow.
        let cid = cid.filter(|cid| cid.to_bytes() == bytes.as_slice());
        cid.map(Some)
            .ok_or_else(|| EnvelopeError::InvalidManifest { why: "`previous` is not the CID of a manifest".into() })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Signed {
    body: ManifestBody,
    signature: Signature,
}

/// A signed manifest.
///
/// Invariant: the body is consistent and within its limits, the signature is by `body.owner`, and the block is the one
/// canonical encoding of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    body: ManifestBody,
    block: Block,
}

impl Manifest {
    /// Checks and signs a body. To wrap the key for another recipient, change a copy of the body and sign again: no object
    /// is touched.
    ///
    /// # Errors
    /// [`EnvelopeError::InvalidManifest`] if the body is inconsistent, too long, or names another owner than `owner`.
    pub fn sign(owner: &Account, body: ManifestBody) -> Result<Self> {
        body.check()?;
        if body.owner != owner.address() {
            let why = format!("it names the owner {}, and {} signs", body.owner, owner.address());
            return Err(EnvelopeError::InvalidManifest { why });
        }
        let signed = Signed { signature: owner.sign(&body.digest()?)?, body };
        let bytes = to_canonical(WHAT, &signed)?;
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(CodecError::TooLarge { what: WHAT, got: bytes.len(), limit: MAX_MANIFEST_BYTES }.into());
        }
        Ok(Self { body: signed.body, block: Block::new(Codec::DagCbor, bytes)? })
    }

    /// Reads a manifest and verifies that `owner` signed it.
    ///
    /// # Errors
    /// [`EnvelopeError::Codec`] for other bytes than the canonical ones, too many of them or another version;
    /// [`EnvelopeError::Signature`]; [`EnvelopeError::InvalidManifest`].
    pub fn decode(bytes: &[u8], owner: Address) -> Result<Self> {
        #[derive(Deserialize)]
        struct Probe {
            body: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        if bytes.len() > MAX_MANIFEST_BYTES {
            return Err(CodecError::TooLarge { what: WHAT, got: bytes.len(), limit: MAX_MANIFEST_BYTES }.into());
        }
        // A newer form may have other fields: look at the version first.
        if let Ok(Probe { body: Version { version } }) = serde_ipld_dagcbor::from_slice(bytes)
            && version != VERSION
        {
            return Err(CodecError::UnsupportedVersion { what: WHAT, got: version, known: VERSION }.into());
        }
        let Signed { body, signature } = from_canonical(WHAT, bytes, MAX_MANIFEST_BYTES)?;
        signature.verify(&body.digest()?, owner)?;
        if body.owner != owner {
            return Err(EnvelopeError::InvalidManifest { why: format!("it names {}, {owner} signed", body.owner) });
        }
        body.check()?;
        Ok(Self { body, block: Block::new(Codec::DagCbor, bytes.to_vec())? })
    }

    /// The content.
    pub const fn body(&self) -> &ManifestBody {
        &self.body
    }

    /// The manifest's name.
    pub const fn cid(&self) -> &Cid {
        self.block.cid()
    }

    /// The manifest as a block; it links to every object.
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// The entry of an object.
    ///
    /// # Errors
    /// [`EnvelopeError::UnknownObject`].
    pub fn object(&self, id: &str) -> Result<&ObjectEntry> {
        let found = self.body.objects.iter().find(|object| object.id == id);
        found.ok_or_else(|| EnvelopeError::UnknownObject { id: id.chars().take(64).collect() })
    }

    /// Names what is encrypted: dataset, epoch, objects and sensitive part. Whoever the key is wrapped for has no part in
    /// it, so that manifests which differ in that alone have one digest.
    ///
    /// # Errors
    /// [`EnvelopeError::Codec`] if it has no canonical form.
    pub fn contents(&self) -> Result<Digest> {
        let ManifestBody { dataset, epoch, objects, sensitive, .. } = &self.body;
        let objects = to_canonical(WHAT, objects)?;
        let epoch = epoch.to_be_bytes();
        Ok(Digest::of("sealock/v1/contents", &[dataset.as_bytes(), &epoch, &objects, sensitive]))
    }

    /// The dataset key, for the owner.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`], [`EnvelopeError::Tampered`].
    pub fn unwrap_key(&self, owner_key: &OwnerKey) -> Result<DatasetKey> {
        owner_key.unwrap(&self.body.key, self.body.of())
    }

    /// The dataset key, for a recipient.
    ///
    /// # Errors
    /// [`EnvelopeError::NotARecipient`] if there is no entry for this key, [`EnvelopeError::WrongKey`] if it does not open.
    pub fn unwrap_key_for(&self, recipient: &RecipientKey) -> Result<DatasetKey> {
        let id = recipient.public().id();
        let entry = self.body.recipients.iter().find(|entry| entry.key_id == id);
        recipient.unwrap(entry.ok_or(EnvelopeError::NotARecipient)?, self.body.of())
    }
}
