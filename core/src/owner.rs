//! The owner's side: publish a table, and run the node that answers for it.

use std::io::Cursor;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cid::Cid;
use hkdf::Hkdf;
use sealock_zk::{VerifyingKey, os_rng, setup};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::access::GROUP_DEPTH;
use crate::asset::{self, AccessKeys, AssetDescription, AssetError, Metadata, Mode, Price, Sealed, Table, Terms};
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::cube::series_bits;
use crate::envelope::{self, DatasetRef, OwnerKey, Source};
use crate::error::Result;
use crate::exchange::{COMPUTE_SERVICE, Exchange, ExchangeError, Opened, Published, TABLE_OBJECT};
use crate::journal::Journal;
use crate::ledger::{self, Amount, Dispenser, FixedRate, METADATA_LIMIT};
use crate::node::{Node, Served, asset_key, protected_cube};
use crate::policy::{Policy, PolicyError};
use crate::program::Series;
use crate::progress::{Progress, Stage, Step, inform, quiet, tell};
use crate::store::unixfs::{self, Profile};
use crate::{Account, Address, Digest};

/// Bytes by which the description of a published asset may be longer than that of one to come: the length of its CID.
const DESCRIPTION_SLACK: usize = 256;

/// Transactions of a publication: NFT and datatoken, order terms, price, description.
const PUBLISH_TRANSACTIONS: u64 = 4;

/// What to publish, and under which conditions.
pub struct Offer<'a> {
    table: &'a Table,
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
        Self {
            table,
            policy,
            terms,
            name: name.into(),
            symbol: "SEAL".into(),
            description: "A table for sealed queries.".into(),
            author: "unnamed".into(),
            license: "proprietary".into(),
            tags: Vec::new(),
            cap: Amount::whole(1_000_000),
            endpoint: "sealock:local".into(),
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

    /// How many datatokens may exist; 1,000,000 if not said.
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

    pub(crate) fn open(exchange: Exchange, account: Account, journal: Journal, opened: Opened) -> Result<Self> {
        let row = match journal.kept(ACCESS_KEY)? {
            Some(bytes) => bytes,
            None => {
                let made = make_access_key(&exchange)?;
                journal.keep(ACCESS_KEY, made)?
            }
        };
        let row: AccessKeyRow = from_canonical("access key", &row, 64 << 10)?;
        let verifying_key = VerifyingKey::from_bytes(&row.verifying_key).map_err(crate::order::OrderError::from)?;
        let depth = verifying_key.depth() as u8;
        let access = AccessKeys { proving_key: row.proving_key, digest: row.digest, depth };
        let key = owner_key(&account);
        let node = Node::new(exchange, account, key, journal, verifying_key);
        Ok(Self { node, access, recording: Mutex::new(()), _opened: opened })
    }

    /// The node that serves this owner's assets.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The owner's address.
    pub fn address(&self) -> Address {
        self.node.address()
    }

    /// Publishes a table: checks the offer, folds the table into its protected cube, encrypts and stores it, mints the data
    /// NFT and its datatoken, sets terms and price, and last the description, by which the asset is found.
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
        let Node { exchange, account, owner_key, journal, .. } = &self.node;
        let ledger = exchange.ledger();
        let (schema, policy) = (offer.table.schema(), &offer.policy);
        policy.check_fits(schema)?;
        offer.terms.validate()?;
        let max_rows = (offer.table.len() as u64).next_power_of_two();
        for column in policy.measure_columns() {
            series_bits(schema, &Series::Sum(column.into()), max_rows)?;
        }
        let describe = |nft, datatoken, manifest| -> Result<AssetDescription> {
            Ok(AssetDescription {
                chain_id: ledger.chain_id(),
                nft,
                datatoken,
                metadata: self.metadata(offer),
                service: asset::Service { id: COMPUTE_SERVICE.to_string(), endpoint: offer.endpoint.clone() },
                sealed: Sealed {
                    mode: Mode::SealedQuery,
                    schema: schema.clone(),
                    max_rows,
                    policy: asset::Policy { digest: policy.digest()?, rules: policy.to_json()? },
                    manifest,
                    access: self.access.clone(),
                    signer: account.address(),
                    order: (&offer.terms).into(),
                    suppression: None,
                },
            })
        };
        // The description of an asset that is not there yet has the length and the faults of the one to come.
        let draft = describe(Address::ZERO, Address::ZERO, self.access.proving_key)?.to_ddo_bytes();
        let draft = draft.map_err(AssetError::of_offer)?;
        if draft.len() > METADATA_LIMIT - DESCRIPTION_SLACK {
            let limit = METADATA_LIMIT - DESCRIPTION_SLACK;
            return Err(CodecError::TooLarge { what: "asset description", got: draft.len(), limit }.into());
        }
        let rows = offer.table.len() as u64;
        tell(progress, Step::out_of(Stage::Fold, 0, rows))?;
        let cube = protected_cube(offer.table, policy)?;
        tell(progress, Step::out_of(Stage::Fold, rows, rows))?;
        let suppression = cube.suppression();
        let now = exchange.clock().now();
        if let Some(expires) = policy.expiry().filter(|expires| *expires <= now) {
            return Err(PolicyError::Expired { expires, now }.into());
        }
        if suppression.suppressed_rows == suppression.rows {
            let (rows, size) = (suppression.rows, policy.group_size());
            let why = format!(
                "all {rows} rows are in groups smaller than {size}: bin more coarsely, or name fewer dimensions"
            );
            return Err(PolicyError::Unfit(why).into());
        }

        let parquet = offer.table.to_parquet()?;
        let (journal_file, _alone) = self.publication_journal(&parquet).unzip();
        let unfinished = match &journal_file {
            Some(file) => file.unfinished()?,
            None => None,
        };
        let of = unfinished.unwrap_or_else(|| {
            let mut id = [0u8; 32];
            getrandom::fill(&mut id).expect("the operating system provides randomness");
            DatasetRef { dataset: Digest::from_bytes(id), epoch: 0 }
        });
        let manifest = envelope::publish_objects(
            exchange.store(),
            account,
            owner_key,
            of,
            &mut [Source { id: TABLE_OBJECT.into(), reader: &mut Cursor::new(parquet) }],
            &envelope::Publication { journal: journal_file.as_ref(), ..Default::default() },
            progress,
        )?;
        drop(_alone);
        let mut transactions = 0;
        let mut published = || {
            transactions += 1;
            Step::out_of(Stage::Publish, transactions - 1, PUBLISH_TRANSACTIONS)
        };
        if let Err(cancelled) = tell(progress, published()) {
            exchange.store().unpin(manifest.cid())?;
            return Err(cancelled.into());
        }
        let sealed_bytes = manifest.object(TABLE_OBJECT)?.sealed;

        let publication =
            ledger::Publication { name: offer.name.clone(), symbol: offer.symbol.clone(), cap: offer.cap };
        let ledger::Published { nft, datatoken } = ledger.publish(account, &publication)?;
        inform(progress, published());
        let description = describe(nft, datatoken, *manifest.cid())?;
        let Terms { uses_per_order: limit, validity_secs, .. } = offer.terms;
        ledger.set_order_terms(account, datatoken, COMPUTE_SERVICE, ledger::OrderTerms { limit, validity_secs })?;
        inform(progress, published());
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
        ledger.set_metadata(account, nft, &description.to_ddo_bytes()?)?;
        inform(progress, published());

        let asset = exchange.asset(nft)?;
        let served = Arc::new(Served::new(asset.clone(), Some(cube)));
        self.node.served.lock().unwrap_or_else(PoisonError::into_inner).insert(asset.did(), served);
        Ok(Published { asset, suppression, sealed_bytes })
    }

    /// Where the publication of a table is recorded, so that it can be resumed; and the right to use it alone. A publication
    /// that runs beside another of this owner, or on an exchange without a folder, is not recorded.
    fn publication_journal(&self, parquet: &[u8]) -> Option<(envelope::Journal, MutexGuard<'_, ()>)> {
        let alone = self.recording.try_lock().ok()?;
        let name = format!("{}{}", self.publications(), Digest::sha256(parquet));
        Some((envelope::Journal::at(self.node.exchange.state()?.join(name)), alone))
    }

    fn publications(&self) -> String {
        format!("publication-{}-", self.address())
    }

    /// Gives up publications that were interrupted and not repeated: what was sealed for them is garbage then. Says how many
    /// there were.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io), those of the store; [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) for
    /// a record that is damaged.
    pub fn discard_unfinished(&self) -> Result<usize> {
        let _alone = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = self.node.exchange.state() else { return Ok(0) };
        let listing = |source| ExchangeError::Folder { path: state.to_owned(), source };
        let mut discarded = 0;
        for entry in std::fs::read_dir(state).map_err(listing)? {
            let entry = entry.map_err(listing)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            // A crash may leave a record half written beside the one it was to replace.
            if name.starts_with(&self.publications()) && !name.ends_with(".tmp") {
                envelope::Journal::at(entry.path()).discard(self.node.exchange.store())?;
                discarded += 1;
            }
        }
        Ok(discarded)
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

/// Makes the owner's access key and stores its public half, which is a matter of a second.
fn make_access_key(exchange: &Exchange) -> Result<Vec<u8>> {
    let (proving, verifying) = setup(GROUP_DEPTH, &mut os_rng()).expect("the depth is within the circuit's limits");
    let store = exchange.store();
    let _adding = store.adding()?;
    let bytes = proving.to_bytes();
    let added = unixfs::add(store, &mut bytes.as_slice(), Profile::UnixfsV1_2025, &mut quiet())?;
    store.pin(&added.root)?;
    let row = AccessKeyRow {
        version: 1,
        proving_key: added.root,
        digest: Digest::from_bytes(proving.digest()),
        verifying_key: ByteBuf::from(verifying.to_bytes()),
    };
    Ok(to_canonical("access key", &row)?)
}

/// The owner's key-encryption key, so that the account's key alone opens what the account published.
fn owner_key(account: &Account) -> OwnerKey {
    let mut key = Zeroizing::new([0u8; 32]);
    Hkdf::<Sha512>::new(Some(b"sealock/v1/owner-key"), account.expose_secret_bytes().as_ref())
        .expand(account.address().as_bytes(), key.as_mut())
        .expect("32 bytes are within HKDF's limit");
    OwnerKey::from_secret_bytes(&key)
}
