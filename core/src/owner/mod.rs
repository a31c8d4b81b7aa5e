//! The owner's side: publish a table or a model, and run the node that answers for it.

mod epochs;

use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard};

use cid::Cid;
use sealock_zk::{Keys, VerifyingKey, os_rng, setup};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

pub use epochs::{NewEpoch, OwnerError};

use crate::access::{GROUP_DEPTH, Service};
use crate::asset::{
    self, AccessKeys, AssetDescription, AssetError, Dataset, Did, EncryptedColumns, Metadata, Mode, Price, Schema,
    Sealed, Table, Terms,
};
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::cube::{CubeError, ProtectedCube, check_room};
use crate::download::Download;
use crate::envelope::{self, DatasetRef, EnvelopeError, Manifest, RecipientPublicKey, Source};
use crate::error::Result;
use crate::exchange::{
    Asset, COMPUTE_SERVICE, DOWNLOAD_SERVICE, Exchange, ExchangeError, MODEL_OBJECT, Opened, Published, TABLE_OBJECT,
};
use crate::federation::{FederationSecret, Member};
use crate::journal::Journal;
use crate::keystore::KeyStore;
use crate::ledger::{self, Amount, Dispenser, FixedRate, METADATA_LIMIT, NAME_LIMIT};
use crate::model::Model;
use crate::node::{Node, Served, asset_key, lock, protected_cube};
use crate::order::find_order;
use crate::policy::{Policy, PolicyError};
use crate::privacy::PrivacyError;
use crate::progress::{Progress, Stage, Step, inform, quiet, tell};
use crate::sealed::{CANARIES_OBJECT, SealedError, SealedOptions, Sealing};
use crate::store::unixfs::{self, Profile};
use crate::time::Timestamp;
use crate::{Address, Digest};

/// Bytes by which the description of a published asset may be longer than that of one to come: the length of its CID.
const DESCRIPTION_SLACK: usize = 256;

/// How long before it takes effect a revocation is announced at the latest, in seconds: longer than a request that was made
/// before is good for.
pub const REVOCATION_NOTICE: u64 = 5 * 60;

/// Transactions of a publication: NFT and datatoken, order terms, price, description. Downloads have terms of their own.
const PUBLISH_TRANSACTIONS: u64 = 4;

/// What is published.
#[derive(Clone, Copy)]
enum Content<'a> {
    Table(&'a Table),
    Model(&'a Model),
}

impl Content<'_> {
    fn schema(&self) -> &Schema {
        match self {
            Content::Table(table) => table.schema(),
            Content::Model(model) => model.features(),
        }
    }

    /// The object of the envelope, and what is in it.
    fn object(&self) -> Result<(&'static str, Zeroizing<Vec<u8>>)> {
        Ok(match self {
            Content::Table(table) => (TABLE_OBJECT, Zeroizing::new(table.to_parquet()?)),
            Content::Model(model) => (MODEL_OBJECT, model.to_bytes()?),
        })
    }

    /// Checks that a policy fits, and returns the bound on the rows that is published.
    fn check_fits(&self, policy: &Policy) -> Result<u64> {
        match self {
            Content::Table(table) => check_fits(table, policy),
            Content::Model(_) => {
                policy.check_fits_model()?;
                Ok(0)
            }
        }
    }
}

/// What to publish, and under which conditions.
pub struct Offer<'a> {
    content: Content<'a>,
    policy: Policy,
    terms: Terms,
    name: String,
    symbol: String,
    description: String,
    author: String,
    license: String,
    tags: Vec<String>,
    cap: Amount,
    endpoint: String,
    recipients: Vec<RecipientPublicKey>,
    sealed: Option<SealedOptions>,
}

macro_rules! text_setters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        $($(#[doc = $doc])+ #[must_use] pub fn $name(mut self, text: impl Into<String>) -> Self {
            self.$name = text.into();
            self
        })+
    };
}

impl<'a> Offer<'a> {
    /// Offers `table` under `policy` and `terms`, with a name of 4 to 128 characters.
    pub fn new(name: impl Into<String>, table: &'a Table, policy: Policy, terms: Terms) -> Self {
        Self::of(name.into(), Content::Table(table), policy, terms, "A table for sealed queries.")
    }

    /// Offers `model` under `policy` and `terms`, with a name of 4 to 128 characters. See
    /// [`Policy::allow_inference`].
    pub fn model(name: impl Into<String>, model: &'a Model, policy: Policy, terms: Terms) -> Self {
        Self::of(name.into(), Content::Model(model), policy, terms, "A model for private inference.")
    }

    fn of(name: String, content: Content<'a>, policy: Policy, terms: Terms, description: &str) -> Self {
        Self {
            content,
            policy,
            terms,
            name,
            symbol: "SEAL".into(),
            description: description.into(),
            author: "unnamed".into(),
            license: "proprietary".into(),
            tags: Vec::new(),
            cap: Amount::MAX,
            endpoint: "sealock:local".into(),
            recipients: Vec::new(),
            sealed: None,
        }
    }

    text_setters! {
        /// What the table is, in 10 to 7000 characters.
        description,
        /// Who made it.
        author,
        /// Its licence, for instance an SPDX identifier.
        license,
        /// The datatoken's symbol.
        symbol,
        /// Where its node is reached.
        endpoint,
    }

    /// What it is found by.
    #[must_use]
    pub fn tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.tags = tags.into_iter().map(Into::into).collect();
        self
    }

    /// Who may decrypt the data without an order: see [`Owner::share`].
    #[must_use]
    pub fn recipients(mut self, recipients: impl IntoIterator<Item = RecipientPublicKey>) -> Self {
        self.recipients = recipients.into_iter().collect();
        self
    }

    /// Publishes the table as sealed data: beside the envelope, its columns are encrypted so that executors compute on them
    /// without reading them. See [`sealed`](crate::sealed).
    #[must_use]
    pub fn sealed(mut self, options: SealedOptions) -> Self {
        self.sealed = Some(options);
        self
    }

    /// How many datatokens may exist; any number if not said. Ocean's standard datatokens have no cap, and take none.
    #[must_use]
    pub fn cap(mut self, datatokens: u64) -> Self {
        self.cap = Amount::whole(datatokens);
        self
    }
}

/// A party that publishes.
pub struct Owner {
    node: Node,
    access: AccessKeys,
    /// Held by the publication that is recorded.
    recording: Mutex<()>,
    /// Held while an asset is changed: the ledger's description has no way to be compared and swapped.
    changing: Mutex<()>,
    _opened: Opened,
}

/// The node's access key, as the journal keeps it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessKeyRow {
    version: u64,
    proving_key: Cid,
    digest: Digest,
    verifying_key: ByteBuf,
}

const ACCESS_KEY: &str = "access-key";

impl Owner {
    /// Whether this journal has been an owner's before.
    pub(crate) fn is_known(journal: &Journal) -> Result<bool> {
        Ok(journal.kept(ACCESS_KEY)?.is_some())
    }

    pub(crate) fn open(exchange: Exchange, keys: Arc<KeyStore>, journal: Journal, opened: Opened) -> Result<Self> {
        let row = match journal.kept(ACCESS_KEY)? {
            Some(bytes) => bytes,
            None => {
                let made = make_access_key(&exchange)?;
                journal.keep(ACCESS_KEY, made)?
            }
        };
        let row: AccessKeyRow = from_canonical("access key", &row, 64 << 10)?;
        let verifying_key = VerifyingKey::from_bytes(&row.verifying_key)?;
        let depth = verifying_key.depth() as u8;
        let access = AccessKeys { proving_key: row.proving_key, digest: row.digest, depth };
        // Where an order needs an offer that its provider signs, the owner is the provider.
        exchange.ledger().attend(&(Arc::clone(&keys) as Arc<dyn ledger::OrderSigner>));
        let node = Node::new(exchange, keys, journal, verifying_key);
        let (changing, recording) = Default::default();
        Ok(Self { node, access, changing, recording, _opened: opened })
    }

    /// An offer that this owner signs for an order of `consumer` elsewhere, with the
    /// [commitment](crate::order::Consumer::commitment) of it: bytes to be sent, which
    /// [`Consumer::order_offered`](crate::order::Consumer::order_offered) takes within an hour. It costs nothing. The owner's
    /// own process needs none: an owner that is open signs for its consumers there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) on a ledger on which an order needs no offer, and for a
    /// commitment that has an order; [`ErrorKind::NotAuthorized`](crate::ErrorKind::NotAuthorized) for the asset of another.
    pub fn offer(&self, asset: &Asset, consumer: Address, commitment: [u8; 32]) -> Result<Vec<u8>> {
        let ledger = self.node.exchange.ledger();
        let service = asset.service();
        Ok(ledger.offer(self.node.account(), service.datatoken, service.service, consumer, commitment)?)
    }

    /// The node that serves this owner's assets.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The owner's address.
    pub fn address(&self) -> Address {
        self.node.address()
    }

    /// This owner as a member of a [federation](crate::policy::Policy::federation): what the policies of the other members,
    /// and its own, name it by. It follows from the account's key, so that it stays the same.
    pub fn member(&self) -> Member {
        FederationSecret::of(self.node.account()).member()
    }

    /// The key store.
    pub fn keys(&self) -> &KeyStore {
        &self.node.keys
    }

    /// Every order of an asset, of queries and of downloads, revoked and expired ones included.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn orders(&self, asset: &Asset) -> Result<Vec<ledger::Order>> {
        let mut all = Vec::new();
        for service in [Some(asset.service()), asset.download_service()].into_iter().flatten() {
            find_order(self.node.exchange.ledger(), service, |order| {
                all.push(*order);
                false
            })?;
        }
        Ok(all)
    }

    /// One order of an asset: its service and its place among the orders of that.
    ///
    /// # Errors
    /// [`ErrorKind::OrderMismatch`](crate::ErrorKind::OrderMismatch) if there is none.
    pub fn order(&self, asset: &Asset, service: u32, index: u64) -> Result<ledger::Order> {
        let token = asset.service().datatoken;
        let found = self.node.exchange.ledger().orders(token, service, index, 1)?;
        let unknown = ledger::LedgerError::UnknownOrder { token, service, order: index };
        Ok(found.into_iter().find(|order| order.index == index).ok_or(unknown)?)
    }

    /// Every revocation of an order of an asset, announced or in effect.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn revocations(&self, asset: &Asset) -> Result<Vec<ledger::Revocation>> {
        const PAGE: usize = 4096;
        let mut all = Vec::new();
        for service in [Some(asset.service()), asset.download_service()].into_iter().flatten() {
            for from in (0..).step_by(PAGE) {
                let ledger = self.node.exchange.ledger();
                let page = ledger.revocations(service.datatoken, service.service, from, PAGE)?;
                let last = page.len() < PAGE;
                all.extend(page);
                if last {
                    break;
                }
            }
        }
        Ok(all)
    }

    /// Takes an order of an asset of this owner's back: from `effective` on, rounded up to a full minute, it admits no jobs.
    /// Without a time, that is in [`REVOCATION_NOTICE`], which is the least; the most is when it expires. With `refund`, the
    /// owner pays the datatoken back that it cost, not its price. It cannot be undone.
    ///
    /// Everybody sees it on the ledger. How many uses the order has left nobody can see, the owner included. **Who revokes one
    /// order and sees whose requests stop has learned whose they were**: the notice is there for whoever wants to ask no more.
    ///
    /// # Errors
    /// [`ErrorKind::OrderRevoked`](crate::ErrorKind::OrderRevoked) if it was before;
    /// [`ErrorKind::OrderMismatch`](crate::ErrorKind::OrderMismatch) if there is none;
    /// [`ErrorKind::NotAuthorized`](crate::ErrorKind::NotAuthorized) if it is another owner's;
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for a time that is too early or too late;
    /// [`ErrorKind::OrderExpired`](crate::ErrorKind::OrderExpired) if it expires before it could take effect;
    /// [`ErrorKind::InsufficientBalance`](crate::ErrorKind::InsufficientBalance) if the owner does not have the datatoken.
    pub fn revoke(
        &self,
        order: &ledger::Order,
        effective: Option<Timestamp>,
        refund: bool,
    ) -> Result<ledger::Revocation> {
        let exchange = &self.node.exchange;
        let round_up = |at: Timestamp| {
            at.saturating_add(ledger::EFFECTIVE_GRAIN - 1) / ledger::EFFECTIVE_GRAIN * ledger::EFFECTIVE_GRAIN
        };
        let ledger::Order { token, service, index, expiry, .. } = *order;
        let (earliest, latest) = (round_up(exchange.clock().now().saturating_add(REVOCATION_NOTICE)), round_up(expiry));
        if latest < earliest {
            return Err(OwnerError::ExpiresSooner { expiry, earliest }.into());
        }
        let effective = effective.map_or(earliest, round_up);
        if !(earliest..=latest).contains(&effective) {
            return Err(OwnerError::RevocationTime { effective, earliest, latest }.into());
        }
        Ok(exchange.ledger().revoke_order(self.node.account(), token, service, index, effective, refund)?)
    }

    /// The data of an asset of this owner's.
    ///
    /// # Errors
    /// [`ErrorKind::KeyDestroyed`](crate::ErrorKind::KeyDestroyed); [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if
    /// the key store has no key of it; the store's own.
    pub fn download(&self, asset: &Asset) -> Result<Download> {
        self.node.open_data(asset)
    }

    /// Publishes a table or a model: checks the offer, folds a table into its protected cube, encrypts and stores it, mints the data
    /// NFT and its datatoken, sets terms and price, and last the description, by which the asset is found. The key of the data
    /// is in the key store before anything is encrypted under it.
    ///
    /// # Errors
    /// What is wrong with the offer, before anything leaves. The store's and the ledger's own errors: a failure on the way
    /// leaves an NFT without a description, which no consumer finds, and blocks that stay pinned.
    pub fn publish(&self, offer: &Offer<'_>) -> Result<Published> {
        self.publish_with(offer, &mut quiet())
    }

    /// As [`Owner::publish`], and tells how far it is. It can be cancelled until the data NFT is minted; nothing is left
    /// of it then but blocks that the next collection of garbage takes.
    ///
    /// On an exchange with a folder, a table that was sealed is kept until it has arrived where the store keeps it: after an
    /// interrupted or cancelled upload, publishing the same table again goes on where it was, and
    /// [`Owner::discard_unfinished`] gives it up.
    ///
    /// # Errors
    /// As [`Owner::publish`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn publish_with(&self, offer: &Offer<'_>, progress: &mut Progress<'_>) -> Result<Published> {
        let Node { exchange, journal, .. } = &self.node;
        let (ledger, account) = (exchange.ledger(), self.node.account());
        let (schema, policy) = (offer.content.schema(), &offer.policy);
        let max_rows = offer.content.check_fits(policy)?;
        let member = self.member();
        policy.check_member(member.owner, Some(member.key))?;
        let model = match offer.content {
            Content::Table(_) => None,
            Content::Model(model) => Some(model.info()),
        };
        offer.terms.validate()?;
        policy.check_order(&(&offer.terms).into())?;
        if offer.name.len() > NAME_LIMIT {
            let why = format!("expected at most {NAME_LIMIT} bytes, as a token's name, got {}", offer.name.len());
            return Err(AssetError::description("metadata.name", why).into());
        }
        let layout = match (&offer.sealed, offer.content) {
            (Some(options), Content::Table(_)) => Some((options, options.layout(schema, policy)?)),
            (Some(_), Content::Model(_)) => {
                let hint = "publish it without sealing: a model scores encrypted vectors";
                return Err(SealedError::Unsealable { why: "it is a model".into(), hint }.into());
            }
            (None, _) => None,
        };
        let downloads = policy.allows_download();
        let service = |number: u32| asset::Service { id: number.to_string(), endpoint: offer.endpoint.clone() };
        let describe = |nft, datatoken, manifest, dataset, columns: Option<Cid>| -> Result<AssetDescription> {
            let encrypted = columns.zip(layout.as_ref()).map(|(manifest, (options, _))| EncryptedColumns {
                manifest,
                public: options.public_columns().to_vec(),
                quorum: options.agreeing(),
            });
            Ok(AssetDescription {
                chain_id: ledger.chain_id(),
                nft,
                datatoken,
                metadata: self.metadata(offer),
                service: service(COMPUTE_SERVICE),
                download: downloads.then(|| service(DOWNLOAD_SERVICE)),
                sealed: Sealed {
                    mode: if encrypted.is_some() { Mode::SealedData } else { Mode::SealedQuery },
                    schema: schema.clone(),
                    model: model.cloned(),
                    max_rows,
                    policy: asset::Policy { digest: policy.digest()?, rules: policy.to_json()? },
                    manifest,
                    encrypted,
                    dataset,
                    access: self.access.clone(),
                    signer: account.address(),
                    order: (&offer.terms).into(),
                    suppression: None,
                },
            })
        };
        // The description of an asset that is not there yet has the length and the faults of the one to come.
        let blank = Dataset { id: Digest::from_bytes([0; 32]), epoch: 0, contents: Digest::from_bytes([0; 32]) };
        let some = self.access.proving_key;
        check_length(&describe(Address::ZERO, Address::ZERO, some, blank, layout.as_ref().map(|_| some))?)?;
        let cube = match offer.content {
            Content::Table(table) => Some(self.fold(table, policy, progress)?),
            Content::Model(_) => {
                policy.check_time(exchange.clock().now())?;
                None
            }
        };
        let suppression = cube.as_ref().map(ProtectedCube::suppression).unwrap_or_default();

        let sealing = match (&layout, offer.content, &cube) {
            (Some((options, layout)), Content::Table(table), Some(cube)) => {
                Some(Sealing::new(table, policy, cube, layout, options)?)
            }
            _ => None,
        };
        let canaries = sealing.as_ref().map(Sealing::canaries).transpose()?;

        let (object, plain) = offer.content.object()?;
        // Columns are encrypted under a key of the dataset: what is begun with another is of no use.
        let recorded_as = sealing.is_none().then(|| self.publication_journal(&plain)).flatten();
        let (journal_file, alone) = recorded_as.unzip();
        let unfinished = match &journal_file {
            Some(file) => match recorded(file)? {
                // What was sealed for it opens no more.
                Some(of) if self.node.keys.first(of)?.is_none() => {
                    file.discard(exchange.store())?;
                    None
                }
                None => {
                    file.discard(exchange.store())?;
                    None
                }
                found => found,
            },
            None => None,
        };
        let of = unfinished.unwrap_or_else(|| {
            let mut id = [0u8; 32];
            getrandom::fill(&mut id).expect("the operating system provides randomness");
            DatasetRef { dataset: Digest::from_bytes(id), epoch: 0 }
        });
        let publication = envelope::Publication {
            recipients: &offer.recipients,
            journal: journal_file.as_ref(),
            ..Default::default()
        };
        let (mut plain, mut hidden) = (Cursor::new(&**plain), canaries.as_ref().map(|bytes| Cursor::new(&***bytes)));
        let mut sources = vec![Source { id: object.into(), reader: &mut plain }];
        sources.extend(hidden.iter_mut().map(|reader| Source { id: CANARIES_OBJECT.into(), reader }));
        let manifest = self.encrypt(of, &mut sources, &publication, progress)?;
        drop(alone);
        let _adding = sealing.is_some().then(|| exchange.store().adding()).transpose()?;
        let stored = sealing.as_ref().map(|sealing| {
            let key = self.node.keys.unwrap(&manifest)?;
            sealing.store(exchange.store(), &key, progress)
        });
        let stored = match stored.transpose() {
            Ok(stored) => stored,
            Err(error) => {
                exchange.store().unpin(manifest.cid())?;
                self.node.keys.discard(of)?;
                return Err(error);
            }
        };
        let all = PUBLISH_TRANSACTIONS + u64::from(downloads);
        let mut transactions = 0;
        let mut published = || {
            transactions += 1;
            Step::out_of(Stage::Publish, transactions - 1, all)
        };
        if let Err(cancelled) = tell(progress, published()) {
            exchange.store().unpin(manifest.cid())?;
            self.node.keys.discard(of)?;
            return Err(cancelled.into());
        }
        let mut sealed_bytes = manifest.object(object)?.sealed;
        let packed = sealing.as_ref().is_some_and(Sealing::is_packed);

        let publication =
            ledger::Publication { name: offer.name.clone(), symbol: offer.symbol.clone(), cap: offer.cap };
        let ledger::Published { nft, datatoken } = ledger.publish(account, &publication)?;
        inform(progress, published());
        let dataset = Dataset { id: of.dataset, epoch: of.epoch, contents: manifest.contents()? };
        let columns = match (stored, &layout) {
            (Some(stored), Some((_, layout))) => {
                let asset = Did::new(nft, ledger.chain_id()).to_string();
                sealed_bytes += stored.bytes;
                let columns = stored.manifest(account, asset, of, *manifest.cid(), layout)?;
                let store = exchange.store();
                store.put(columns.block())?;
                store.upload(columns.block().cid(), progress)?;
                store.pin(columns.block().cid())?;
                Some(*columns.block().cid())
            }
            _ => None,
        };
        let description = describe(nft, datatoken, *manifest.cid(), dataset, columns)?;
        let asset::OrderTerms { limit, validity_secs, epoch_secs } = (&offer.terms).into();
        let terms = ledger::OrderTerms { limit, validity_secs, epoch_secs };
        for service in [Some(COMPUTE_SERVICE), downloads.then_some(DOWNLOAD_SERVICE)].into_iter().flatten() {
            ledger.set_order_terms(account, datatoken, service, terms)?;
            inform(progress, published());
        }
        match offer.terms.price {
            Price::Fixed { base_token, amount } => {
                let rate = FixedRate { base_token, rate: Amount::from_units(amount), active: true, with_mint: true };
                ledger.set_fixed_rate(account, datatoken, rate)?;
            }
            Price::Free { max_per_account } => {
                let most = Amount::whole(max_per_account);
                let dispenser = Dispenser { max_amount: most, max_balance: most, active: true };
                ledger.set_dispenser(account, datatoken, dispenser)?;
            }
        }
        inform(progress, published());
        journal.keep(&asset_key(&description.did()), nft.as_bytes().to_vec())?;
        let (chain_id, ledger) = (ledger.chain_id(), ledger.address());
        let service = Service { chain_id, ledger, nft, datatoken, service: COMPUTE_SERVICE, epoch_secs };
        if let Some(cube) = &cube {
            let key = self.node.keys.unwrap(&manifest)?;
            self.node.keep_cube(&key, &description.did(), policy, cube, true)?;
        }
        let asset = self.describe(service, &description)?;
        inform(progress, published());
        drop(sealing);
        self.serve(asset.clone(), cube.filter(|_| !asset.is_sealed()).map(Arc::new));
        Ok(Published { asset, suppression, sealed_bytes, packed })
    }

    /// Where the publication of a table is recorded, so that it can be resumed; and the right to use it alone. A publication
    /// that runs beside another of this owner, or on an exchange without a folder, is not recorded.
    fn publication_journal(&self, plain: &[u8]) -> Option<(envelope::Journal, MutexGuard<'_, ()>)> {
        let alone = self.recording.try_lock().ok()?;
        let name = format!("{}{}", self.publications(), Digest::sha256(plain));
        Some((envelope::Journal::at(self.node.exchange.state()?.join(name)), alone))
    }

    fn publications(&self) -> String {
        format!("publication-{}-", self.address())
    }

    /// Gives up publications that were interrupted and not repeated: what was sealed for them is garbage then. Says how many
    /// there were.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io), and those of the store.
    pub fn discard_unfinished(&self) -> Result<usize> {
        let _alone = lock(&self.recording);
        let Some(state) = self.node.exchange.state() else { return Ok(0) };
        let listing = |source| ExchangeError::Folder { path: state.to_owned(), source };
        let mut discarded = 0;
        for entry in std::fs::read_dir(state).map_err(listing)? {
            let entry = entry.map_err(listing)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A crash may leave a record half written beside the one it was to replace.
            if name.starts_with(&self.publications()) && !name.ends_with(".tmp") {
                let journal = envelope::Journal::at(entry.path());
                let of = recorded(&journal)?;
                journal.discard(self.node.exchange.store())?;
                of.map_or(Ok(()), |of| self.node.keys.discard(of))?;
                discarded += 1;
            }
        }
        Ok(discarded)
    }

    /// Folds a table into its protected cube, if the policy answers anything about it.
    fn fold(&self, table: &Table, policy: &Policy, progress: &mut Progress<'_>) -> Result<ProtectedCube> {
        let rows = table.len() as u64;
        tell(progress, Step::out_of(Stage::Fold, 0, rows))?;
        let cube = protected_cube(table, policy)?;
        tell(progress, Step::out_of(Stage::Fold, rows, rows))?;
        let suppression = cube.suppression();
        let now = self.node.exchange.clock().now();
        if let Some(expires) = policy.expiry().filter(|expires| *expires <= now) {
            return Err(PolicyError::Expired { expires, now }.into());
        }
        let withheld = policy.noise().is_none() && suppression.suppressed_rows == suppression.rows;
        if withheld && policy.allows_queries() {
            let (rows, size) = (suppression.rows, policy.group_size());
            let why = format!(
                "all {rows} rows are in groups smaller than {size}: bin more coarsely, or name fewer dimensions"
            );
            return Err(PolicyError::Unfit(why).into());
        }
        Ok(cube)
    }

    /// Encrypts objects under a fresh key of an epoch, and pins the manifest of them.
    fn encrypt(
        &self,
        of: DatasetRef,
        objects: &mut [Source<'_>],
        publication: &envelope::Publication<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Manifest> {
        let Node { exchange, keys, .. } = &self.node;
        // A publication that was interrupted goes on under its key.
        let key = match keys.first(of)? {
            Some(key) if unfinished(publication, of) => key,
            _ => keys.generate(of)?,
        };
        let account = self.node.account();
        envelope::publish_objects(exchange.store(), account, &key, of, objects, publication, progress).map_err(|e| {
            // Nothing was published under it. If this fails, too, the key is of no use and does no harm.
            if !unfinished(publication, of)
                && let Err(error) = keys.retract(of, &key)
            {
                tracing::warn!(%error, "a key that nothing is encrypted under stays in the key store");
            }
            e.into()
        })
    }

    fn serve(&self, asset: Asset, cube: Option<Arc<ProtectedCube>>) {
        let (did, served) = (asset.did(), Arc::new(Served::new(asset, cube)));
        lock(&self.node.served).insert(did, served);
    }

    fn metadata(&self, offer: &Offer<'_>) -> Metadata {
        let now = self.node.exchange.clock().now();
        Metadata {
            created: now,
            updated: now,
            name: offer.name.clone(),
            description: offer.description.clone(),
            author: offer.author.clone(),
            license: offer.license.clone(),
            tags: offer.tags.clone(),
        }
    }
}

/// The publication that a journal records. One that is damaged records none, and can be given up.
fn recorded(journal: &envelope::Journal) -> Result<Option<DatasetRef>> {
    match journal.unfinished() {
        Err(EnvelopeError::Codec(CodecError::Malformed { .. })) => Ok(None),
        other => Ok(other?),
    }
}

/// Whether a publication of an epoch is recorded, and can be resumed.
fn unfinished(publication: &envelope::Publication<'_>, of: DatasetRef) -> bool {
    publication.journal.is_some_and(|journal| journal.unfinished().is_ok_and(|recorded| recorded == Some(of)))
}

/// Makes the owner's access key and stores its public half, which is a matter of a second.
fn make_access_key(exchange: &Exchange) -> Result<Vec<u8>> {
    let keys = setup(GROUP_DEPTH, &mut os_rng()).expect("the depth is within the circuit's limits");
    let Keys { bundle, verifying_key, .. } = keys;
    let store = exchange.store();
    let _adding = store.adding()?;
    let bytes = bundle.to_bytes();
    let added = unixfs::add(store, &mut bytes.as_slice(), Profile::UnixfsV1_2025, &mut quiet())?;
    store.pin(&added.root)?;
    let row = AccessKeyRow {
        version: 1,
        proving_key: added.root,
        digest: Digest::from_bytes(bundle.digest()),
        verifying_key: ByteBuf::from(verifying_key.to_bytes()),
    };
    Ok(to_canonical("access key", &row)?)
}

/// Checks that a policy fits a table, and returns the bound on the rows that is published.
fn check_fits(table: &Table, policy: &Policy) -> Result<u64> {
    let schema = table.schema();
    policy.check_fits(schema)?;
    let max_rows = (table.len() as u64).next_power_of_two();
    check_room(schema, policy, max_rows)?;
    if policy.noise().is_some() && cfg!(not(feature = "dp")) {
        return Err(CubeError::from(PrivacyError::NoSampler).into());
    }
    Ok(max_rows)
}

/// Checks that a description is one that the ledger takes.
fn check_length(description: &AssetDescription) -> Result<()> {
    let got = description.to_ddo_bytes().map_err(AssetError::of_offer)?.len();
    let limit = METADATA_LIMIT - DESCRIPTION_SLACK;
    if got > limit {
        return Err(CodecError::TooLarge { what: "asset description", got, limit }.into());
    }
    Ok(())
}
