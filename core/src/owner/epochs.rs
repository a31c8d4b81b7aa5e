//! What an owner does with an asset that is published: share it, change its keys, encrypt it anew, destroy its key.
//!
//! Each change of an asset ends with one transaction, the new description. Before it the old asset stands, with its keys
//! and its data; after it the new one. What comes later only cleans up: it removes keys that open nothing any more, and
//! the pins of what was replaced. An interruption at any point leaves one of the two assets, and repeating the call is
//! always right.

use std::sync::Arc;

use cid::Cid;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Owner, check_fits, check_length};
use crate::access::Service;
use crate::asset::{AssetDescription, Dataset, Did, Table};
use crate::codec::{from_canonical, to_canonical};
use crate::cube::{ProtectedCube, Suppression};
use crate::destruction::{Destruction, DestructionReceipt};
use crate::download;
use crate::envelope::{self, DatasetRef, Manifest, ManifestBody, RecipientPublicKey, Source, Suite};
use crate::error::{Classify, ErrorKind, Result};
use crate::exchange::{Asset, Published};
use crate::ledger::{Dispenser, FixedRate};
use crate::model::Model;
use crate::node::{Node, cube_key, lock};
use crate::progress::{Progress, Stage, Step, inform, quiet, tell};
use crate::sealed::SealedError;
use crate::store::{Codec, check_cid};
use crate::time::Timestamp;
use crate::{Address, Digest};

/// Why an owner's change of an asset was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// A table is to take a model's place, or the other way round.
    #[error("the asset {did} is {is}, and {with} cannot take its place")]
    OtherKind {
        /// The asset.
        did: Did,
        /// What it is.
        is: &'static str,
        /// What came.
        with: &'static str,
    },
    /// The asset belongs to somebody else.
    #[error("the asset {did} belongs to {owner}")]
    NotOwner {
        /// The asset.
        did: Did,
        /// Who owns it.
        owner: Address,
    },
    /// This owner's journal knows of no such epoch.
    #[error("this owner has published no epoch {epoch} of {did}")]
    UnknownEpoch {
        /// The asset.
        did: Did,
        /// The epoch asked for.
        epoch: u64,
    },
    /// An order cannot be taken back without notice, and not after it has expired.
    #[error(
        "a revocation of this order takes effect at {earliest} at the earliest and at {latest} at the latest, \
         got {effective} (unix seconds)"
    )]
    RevocationTime {
        /// The time asked for.
        effective: Timestamp,
        /// The earliest time.
        earliest: Timestamp,
        /// The latest: when the order expires.
        latest: Timestamp,
    },
    /// The order expires before a revocation could take effect.
    #[error(
        "the order expires at {expiry}, and a revocation takes effect at {earliest} at the earliest (unix seconds)"
    )]
    ExpiresSooner {
        /// When the order expires.
        expiry: Timestamp,
        /// The earliest time of effect.
        earliest: Timestamp,
    },
}

impl Classify for OwnerError {
    fn kind(&self) -> ErrorKind {
        match self {
            OwnerError::NotOwner { .. } => ErrorKind::NotAuthorized,
            OwnerError::UnknownEpoch { .. } => ErrorKind::NotFound,
            OwnerError::OtherKind { .. } | OwnerError::RevocationTime { .. } => ErrorKind::InvalidArgument,
            OwnerError::ExpiresSooner { .. } => ErrorKind::OrderExpired,
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            OwnerError::OtherKind { .. } => Some("publish it as an asset of its own".into()),
            OwnerError::RevocationTime { .. } => {
                Some("name no time for the earliest; times are seconds since 1970".into())
            }
            _ => None,
        }
    }
}

/// How an asset is encrypted anew.
#[derive(Clone, Debug, Default)]
pub struct NewEpoch {
    recipients: Vec<RecipientPublicKey>,
    keep_previous: bool,
}

impl NewEpoch {
    /// For no recipient, with the blocks of earlier epochs given up.
    pub fn new() -> Self {
        Self::default()
    }

    /// Who may decrypt the new epoch without an order. Recipients of earlier epochs are not, unless they are named again.
    #[must_use]
    pub fn recipients(mut self, recipients: impl IntoIterator<Item = RecipientPublicKey>) -> Self {
        self.recipients = recipients.into_iter().collect();
        self
    }

    /// Keeps the blocks of earlier epochs pinned, for those who have a key of them.
    #[must_use]
    pub fn keep_previous(mut self) -> Self {
        self.keep_previous = true;
        self
    }
}

/// What the journal remembers of an epoch.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EpochRow {
    version: u64,
    asset: String,
    /// The last manifest of the epoch.
    manifest: Cid,
    /// What receipts name it by.
    data: Digest,
}

const EPOCH: &str = "epoch";
const MAX_EPOCH_BYTES: usize = 1024;

fn epoch_key(of: DatasetRef) -> String {
    format!("epoch/{}/{}", of.dataset, of.epoch)
}

fn destruction_key(of: DatasetRef) -> String {
    format!("destroyed/{}/{}", of.dataset, of.epoch)
}

impl Owner {
    /// Lets the holders of these keys decrypt the asset's data, without an order, until the next epoch and for good what
    /// they read: [`Exchange::open_shared`](crate::Exchange::open_shared). Earlier recipients stay.
    ///
    /// Only the manifest and the description change. No object is touched, and requests under way stay good.
    ///
    /// # Errors
    /// [`ErrorKind::KeyDestroyed`]; [`ErrorKind::NotAuthorized`] for another owner's asset; [`ErrorKind::InvalidArgument`]
    /// for a key that is none; [`ErrorKind::InvalidManifest`] for too many recipients; the store's and the ledger's own.
    pub fn share(&self, asset: &Asset, recipients: &[RecipientPublicKey]) -> Result<Asset> {
        let _one = lock(&self.changing);
        let current = self.current(asset)?;
        let data = self.node.open_data(&current)?;
        let mut body = data.manifest().body().clone();
        let known = body.recipients.len();
        for recipient in recipients {
            if !body.recipients.iter().any(|entry| entry.key_id == recipient.id()) {
                body.recipients.push(recipient.wrap(data.key())?);
            }
        }
        if body.recipients.len() == known { Ok(current) } else { self.reissue(&current, data.manifest(), body) }
    }

    /// Changes the owner's own key of the asset's data: a fresh one takes the place of the one in the key store, which opens
    /// nothing any more but manifests from before. For a key store that somebody may have seen a copy of. Who has seen the
    /// dataset key, too, is shut out by [`Owner::reencrypt`] alone.
    ///
    /// Only the manifest and the description change. No object is touched, and requests under way stay good.
    ///
    /// # Errors
    /// As [`Owner::share`].
    pub fn rewrap(&self, asset: &Asset) -> Result<Asset> {
        let _one = lock(&self.changing);
        let current = self.current(asset)?;
        let data = self.node.open_data(&current)?;
        // Both keys are there until the ledger has the new description.
        let key = self.node.keys.generate(current.dataset())?;
        let mut body = data.manifest().body().clone();
        body.key = key.wrap(data.key());
        self.reissue(&current, data.manifest(), body)
    }

    /// Signs and publishes another manifest of the same data.
    fn reissue(&self, current: &Asset, old: &Manifest, mut body: ManifestBody) -> Result<Asset> {
        refuse_sealed(current)?;
        let Node { exchange, keys, .. } = &self.node;
        body.previous = Some(ByteBuf::from(old.cid().to_bytes()));
        let manifest = Manifest::sign(self.node.account(), body)?;
        let mut description = current.description().clone();
        description.sealed.manifest = *manifest.cid();
        check_length(&description)?;
        {
            let store = exchange.store();
            let _adding = store.adding()?;
            store.put(manifest.block())?;
            store.pin(manifest.cid())?;
        }
        description.metadata.updated = exchange.clock().now();
        let asset = self.describe(current.service(), &description)?;
        let did = asset.did();
        let cube =
            lock(&self.node.served).get(&did).filter(|s| s.asset.data() == asset.data()).and_then(|s| s.kept_cube());
        self.serve(asset.clone(), cube);
        after(keys.settle(&manifest));
        let of = manifest.body().of();
        after(self.unpin(|found| found.body().of() == of && found.cid() != manifest.cid()));
        Ok(asset)
    }

    /// Encrypts the asset's data anew under fresh keys: the next epoch. Keys of earlier epochs open nothing of it.
    ///
    /// What a recipient or a buyer has read before, or kept a copy of, stays readable to it: see the manual.
    ///
    /// # Errors
    /// As [`Owner::share`].
    pub fn reencrypt(&self, asset: &Asset, how: &NewEpoch) -> Result<Asset> {
        self.reencrypt_with(asset, how, &mut quiet())
    }

    /// As [`Owner::reencrypt`], and tells how far it is. It can be cancelled until the new description is written.
    ///
    /// # Errors
    /// As [`Owner::reencrypt`], and [`ErrorKind::Cancelled`].
    pub fn reencrypt_with(&self, asset: &Asset, how: &NewEpoch, progress: &mut Progress<'_>) -> Result<Asset> {
        let _one = lock(&self.changing);
        let current = self.current(asset)?;
        let data = self.node.open_data(&current)?;
        let did = current.did();
        let cube =
            lock(&self.node.served).get(&did).filter(|s| s.asset.data() == current.data()).and_then(|s| s.kept_cube());
        let description = current.description().clone();
        // The same data keeps the noise that it has.
        let noisy = self.node.kept_cube(data.key(), current.policy())?;
        let noisy = noisy.as_ref().map(|cube| (cube, false));
        let (asset, _) = self.next_epoch(&current, &mut data.reader()?, description, noisy, how, progress)?;
        self.serve(asset.clone(), cube);
        Ok(asset)
    }

    /// Replaces the asset's data: encrypts another table under fresh keys, as the next epoch. Policy and terms stay.
    ///
    /// An answer from before and one from after differ by the rows that changed: few of them can be told by comparing.
    /// Change many at once, or publish another asset.
    ///
    /// # Errors
    /// As [`Owner::share`], and what of the policy does not fit the table, as in [`Owner::publish`].
    pub fn update(&self, asset: &Asset, table: &Table, how: &NewEpoch) -> Result<Published> {
        self.update_with(asset, table, how, &mut quiet())
    }

    /// As [`Owner::update`], and tells how far it is. It can be cancelled until the new description is written.
    ///
    /// # Errors
    /// As [`Owner::update`], and [`ErrorKind::Cancelled`].
    pub fn update_with(
        &self,
        asset: &Asset,
        table: &Table,
        how: &NewEpoch,
        progress: &mut Progress<'_>,
    ) -> Result<Published> {
        let _one = lock(&self.changing);
        let current = self.current(asset)?;
        if current.model().is_some() {
            return Err(OwnerError::OtherKind { did: current.did(), is: "a model", with: "a table" }.into());
        }
        let mut description = current.description().clone();
        description.sealed.max_rows = check_fits(table, current.policy())?;
        description.sealed.schema = table.schema().clone();
        description.sealed.suppression = None;
        check_length(&description)?;
        let cube = self.fold(table, current.policy(), progress)?;
        let suppression = cube.suppression();
        let mut parquet = std::io::Cursor::new(table.to_parquet()?);
        let noisy = Some((&cube, true));
        let (asset, sealed_bytes) = self.next_epoch(&current, &mut parquet, description, noisy, how, progress)?;
        self.serve(asset.clone(), Some(Arc::new(cube)));
        Ok(Published { asset, suppression, sealed_bytes, packed: false })
    }

    /// Replaces the asset's model: encrypts another one under fresh keys, as the next epoch. Policy and terms stay.
    ///
    /// # Errors
    /// As [`Owner::share`]; [`OwnerError::OtherKind`] for a table.
    pub fn update_model(&self, asset: &Asset, model: &Model, how: &NewEpoch) -> Result<Published> {
        let _one = lock(&self.changing);
        let current = self.current(asset)?;
        if current.model().is_none() {
            return Err(OwnerError::OtherKind { did: current.did(), is: "a table", with: "a model" }.into());
        }
        let mut description = current.description().clone();
        description.sealed.schema = model.features().clone();
        description.sealed.model = Some(model.info().clone());
        check_length(&description)?;
        let mut plain = std::io::Cursor::new(model.to_bytes()?);
        let (asset, sealed_bytes) = self.next_epoch(&current, &mut plain, description, None, how, &mut quiet())?;
        self.serve(asset.clone(), None);
        Ok(Published { asset, suppression: Suppression::default(), sealed_bytes, packed: false })
    }

    fn next_epoch(
        &self,
        current: &Asset,
        plain: &mut dyn envelope::ReadSeek,
        mut description: AssetDescription,
        noisy: Option<(&ProtectedCube, bool)>,
        how: &NewEpoch,
        progress: &mut Progress<'_>,
    ) -> Result<(Asset, u64)> {
        refuse_sealed(current)?;
        let Node { exchange, keys, .. } = &self.node;
        let DatasetRef { dataset, epoch } = current.dataset();
        let of = DatasetRef { dataset, epoch: epoch + 1 };
        let previous = current.description().sealed.manifest;
        let before = Manifest::decode(exchange.store().get(&previous)?.bytes(), current.owner())?;
        let object = current.object();
        let entry = before.object(object)?;
        let publication = envelope::Publication {
            suite: Suite::from_code(entry.suite)?,
            recipients: &how.recipients,
            previous: Some(previous),
            ..Default::default()
        };
        let source = Source { id: object.into(), reader: plain };
        let manifest = self.encrypt(of, &mut [source], &publication, progress)?;
        if let Err(cancelled) = tell(progress, Step::out_of(Stage::Publish, 0, 1)) {
            exchange.store().unpin(manifest.cid())?;
            keys.discard(of)?;
            return Err(cancelled.into());
        }
        description.sealed.manifest = *manifest.cid();
        description.sealed.dataset = Dataset { id: dataset, epoch: of.epoch, contents: manifest.contents()? };
        description.metadata.updated = exchange.clock().now();
        if let Some((cube, new)) = noisy {
            let kept = keys.unwrap(&manifest).map_err(Into::into);
            let kept = kept.and_then(|key| self.node.keep_cube(&key, &current.did(), current.policy(), cube, new));
            if let Err(error) = kept {
                exchange.store().unpin(manifest.cid())?;
                keys.discard(of)?;
                return Err(error);
            }
        }
        let asset = self.describe(current.service(), &description)?;
        inform(progress, Step::out_of(Stage::Publish, 1, 1));
        after(keys.settle(&manifest));
        // An attempt that was interrupted may have left another one of the new epoch.
        let goes = |found: &Manifest| !how.keep_previous || found.body().epoch == of.epoch;
        let ours = |found: &Manifest| found.body().dataset == dataset && found.cid() != manifest.cid();
        after(self.unpin(|found| ours(found) && goes(found)));
        Ok((asset, manifest.object(object)?.sealed))
    }

    /// Destroys the key of the epoch that `asset` was described with, which is the present one unless `asset` is old: see
    /// [`Owner::destroy_epoch`].
    ///
    /// # Errors
    /// As [`Owner::destroy_epoch`].
    pub fn destroy_key(&self, asset: &Asset) -> Result<DestructionReceipt> {
        self.destroy_epoch(asset, asset.dataset().epoch)
    }

    /// Destroys the owner's key of an epoch of the asset: removes it from the key store, whose file is replaced and synced;
    /// drops what the node has in memory; deletes the results of downloads that carried it; gives up the blocks; and takes
    /// the datatokens of an asset that is destroyed in its present epoch off sale. Then jobs, downloads and this owner are
    /// refused with [`ErrorKind::KeyDestroyed`]. It cannot be undone. Repeating it returns the same receipt, and finishes
    /// what was interrupted.
    ///
    /// **What it does not do.** It takes back nothing that was read. Recipients and buyers keep the keys that they have:
    /// their entries in a manifest of the epoch, which anybody may have kept, still open for them. A copy of the key store
    /// from before revives the key, so destroy those, too. Jobs that were admitted and are not complete fail; results of
    /// queries stay.
    ///
    /// # Errors
    /// [`OwnerError::UnknownEpoch`] if this owner's journal has no such epoch; [`ErrorKind::NotFound`] if the key store
    /// never had its key; [`ErrorKind::Io`], and then the key may still be there: repeat it.
    pub fn destroy_epoch(&self, asset: &Asset, epoch: u64) -> Result<DestructionReceipt> {
        let _one = lock(&self.changing);
        let Node { exchange, keys, journal, .. } = &self.node;
        let (did, of) = (asset.did(), DatasetRef { epoch, ..asset.dataset() });
        let unknown = || OwnerError::UnknownEpoch { did, epoch };
        let row: EpochRow =
            from_canonical(EPOCH, &journal.kept(&epoch_key(of))?.ok_or_else(unknown)?, MAX_EPOCH_BYTES)?;
        // An asset that somebody made up could name the dataset of another.
        if row.asset != did.to_string() {
            return Err(unknown().into());
        }
        let destroyed_at = keys.destroy(of, exchange.clock().now())?;
        let statement = Destruction {
            version: DestructionReceipt::VERSION,
            owner: self.address(),
            asset: row.asset.clone(),
            dataset: of.dataset,
            epoch,
            manifest: row.manifest,
            destroyed_at,
        };
        let receipt = DestructionReceipt::sign(statement, self.node.account())?.to_bytes()?;
        let program = download::program_digest();
        let receipt = journal.withdraw(&destruction_key(of), receipt, &row.asset, program, row.data)?;
        journal.forget(&cube_key(of))?;
        // What the node had of it in the clear goes with this.
        lock(&self.node.served).retain(|_, served| served.asset.dataset() != of);
        after(self.unpin(|found| found.body().of() == of));
        if let Some(encrypted) = &asset.description().sealed.encrypted {
            after(exchange.store().unpin(&encrypted.manifest).map(drop));
        }
        after(self.end_sale(asset, of));
        Ok(DestructionReceipt::from_bytes(&receipt)?)
    }

    /// The receipts of an asset's destroyed keys, by epoch.
    ///
    /// # Errors
    /// A failed read.
    pub fn destruction_receipt(&self, asset: &Asset, epoch: u64) -> Result<Option<DestructionReceipt>> {
        let of = DatasetRef { epoch, ..asset.dataset() };
        let kept = self.node.journal.kept(&destruction_key(of))?;
        Ok(kept.map(|bytes| DestructionReceipt::from_bytes(&bytes)).transpose()?)
    }

    /// Nobody is to pay for what is not to be had any more.
    fn end_sale(&self, asset: &Asset, of: DatasetRef) -> Result<()> {
        let ledger = self.node.exchange.ledger();
        if self.node.exchange.asset(asset.nft())?.dataset() != of {
            return Ok(());
        }
        let (account, token) = (self.node.account(), asset.service().datatoken);
        let price = ledger.price(token)?;
        if let Some(rate) = price.fixed_rate.filter(|rate| rate.active) {
            ledger.set_fixed_rate(account, token, FixedRate { active: false, ..rate })?;
        }
        if let Some(dispenser) = price.dispenser.filter(|dispenser| dispenser.active) {
            ledger.set_dispenser(account, token, Dispenser { active: false, ..dispenser })?;
        }
        Ok(())
    }

    /// The asset as the ledger describes it now.
    fn current(&self, asset: &Asset) -> Result<Asset> {
        let current = self.node.exchange.asset(asset.nft())?;
        if current.owner() != self.address() {
            return Err(OwnerError::NotOwner { did: current.did(), owner: current.owner() }.into());
        }
        Ok(current)
    }

    /// Writes a description to the ledger, and its epoch to the journal first.
    pub(super) fn describe(&self, service: Service, description: &AssetDescription) -> Result<Asset> {
        let Node { exchange, journal, .. } = &self.node;
        let next = Asset::remembered(service, self.address(), description.to_ddo_bytes()?)?;
        let manifest = description.sealed.manifest;
        let row = EpochRow { version: 1, asset: next.did().to_string(), manifest, data: next.data() };
        journal.replace(&epoch_key(next.dataset()), &to_canonical(EPOCH, &row)?)?;
        exchange.ledger().set_metadata(self.node.account(), service.nft, next.ddo())?;
        exchange.asset(service.nft)
    }

    /// Removes the pins of this owner's manifests that `goes` says yes to. Pins that are none are passed over.
    fn unpin(&self, goes: impl Fn(&Manifest) -> bool) -> Result<()> {
        let store = self.node.exchange.store();
        for pin in store.pins()? {
            if !matches!(check_cid(&pin), Ok(Codec::DagCbor)) {
                continue;
            }
            let Ok(block) = store.get(&pin) else { continue };
            if Manifest::decode(block.bytes(), self.address()).is_ok_and(|manifest| goes(&manifest)) {
                store.unpin(&pin)?;
            }
        }
        Ok(())
    }
}

/// The encrypted columns of sealed data belong to one manifest and one epoch.
fn refuse_sealed(asset: &Asset) -> Result<()> {
    if asset.is_sealed() {
        let (why, hint) = ("sealed data stays as it was published".into(), "publish it anew as another asset");
        return Err(SealedError::Unsealable { why, hint }.into());
    }
    Ok(())
}

/// What comes after the change is done and cannot undo it. What fails here is left for the next change of the asset.
fn after<E: Into<crate::Error>>(cleaned: std::result::Result<(), E>) {
    if let Err(error) = cleaned {
        let error = error.into();
        tracing::warn!(%error, "the change is done; cleaning up after it failed");
    }
}
