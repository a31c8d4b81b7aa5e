//! The facade: one place that joins store, ledger and clock, and the parties on top of it.

mod asset;
mod estimate;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub use asset::Asset;
use cid::Cid;
pub use estimate::Estimate;
use sealock_zk::{CHECK_VERSION, KeyBundle, ProvingKey, check_setup, os_rng};

use crate::access::{GROUP_DEPTH, Group, Service};
use crate::asset::{Did, Price};
use crate::cube::Suppression;
use crate::download::Download;
use crate::envelope::RecipientKey;
use crate::error::{Classify, ErrorKind, Result};
use crate::journal::Journal;
use crate::keystore::KeyStore;
use crate::ledger::{EmbeddedLedger, FixedRate, Ledger};
use crate::order::Consumer;
use crate::owner::Owner;
#[cfg(feature = "client")]
use crate::remote::{RemoteError, RemoteNode, RemoteOptions};
#[cfg(feature = "client")]
use crate::store::GatewayStore;
use crate::store::{DiskStore, MemoryStore, Store, Tiered, unixfs};
use crate::time::{Clock, SystemClock};
use crate::wallet::Wallet;
use crate::{Account, Address};

/// The service of an asset that computes.
pub const COMPUTE_SERVICE: u32 = 0;
/// The service of an asset that releases the data's key, if its policy allows that.
pub const DOWNLOAD_SERVICE: u32 = 1;
/// Object in an asset's envelope that holds the table, as Parquet.
pub(crate) const TABLE_OBJECT: &str = "table.parquet";
/// Object in an asset's envelope that holds the model, as CBOR.
pub(crate) const MODEL_OBJECT: &str = "model.cbor";

/// Why an exchange could not be opened, or an asset not be found on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The path of an exchange is empty.
    #[error("the path of the exchange's folder is empty")]
    EmptyPath,
    /// A folder could not be made.
    #[error("{path}: {source}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The folder holds what parties keep of another ledger.
    #[error("the folder is of another ledger: {path} says {there:?}, this is {here:?}")]
    OtherLedger {
        /// The file that says so.
        path: PathBuf,
        /// The folder's ledger.
        there: String,
        /// The one that it was to be opened on.
        here: String,
    },
    /// The NFT carries no description, or none of Sealock's.
    #[error("{nft} is no Sealock asset: {why}")]
    NotAnAsset {
        /// The data NFT.
        nft: Address,
        /// What is missing.
        why: String,
    },
    /// No NFT of the ledger has this DID.
    #[error("there is no asset {did} on this ledger")]
    UnknownAsset {
        /// The DID.
        did: Did,
    },
    /// The account's wallet or node is open here already.
    #[error("the {what} of {account} is open already")]
    AlreadyOpen {
        /// Wallet or node.
        what: &'static str,
        /// Whose.
        account: Address,
    },
    /// The ledger has assets of the account that no journal here remembers.
    #[error(
        "the journal of {account}'s node is missing: it published {count} assets here, and their spent uses are not known"
    )]
    JournalMissing {
        /// Whose node.
        account: Address,
        /// How many assets it has published.
        count: usize,
    },
    /// A stored object could not be read to its end.
    #[error("{what} could not be read from the store: {source}")]
    Object {
        /// Which object.
        what: &'static str,
        /// What the reader says.
        source: std::io::Error,
    },
}

impl Classify for ExchangeError {
    fn kind(&self) -> ErrorKind {
        match self {
            ExchangeError::Folder { .. } | ExchangeError::Object { .. } => ErrorKind::Io,
            ExchangeError::EmptyPath | ExchangeError::OtherLedger { .. } => ErrorKind::InvalidArgument,
            ExchangeError::NotAnAsset { .. } | ExchangeError::UnknownAsset { .. } => ErrorKind::NotFound,
            ExchangeError::AlreadyOpen { .. } => ErrorKind::Locked,
            ExchangeError::JournalMissing { .. } => ErrorKind::CorruptState,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ExchangeError::EmptyPath => Some("name a folder; \".\" is the working folder".into()),
            ExchangeError::OtherLedger { .. } => Some("open it with its own ledger, or use another folder".into()),
            ExchangeError::NotAnAsset { .. } | ExchangeError::UnknownAsset { .. } => {
                Some("the exchange's list of assets has what is published here".into())
            }
            ExchangeError::AlreadyOpen { .. } => {
                Some("use the one that is open, or let go of it and all that it made first".into())
            }
            ExchangeError::JournalMissing { .. } => Some(
                "restore the file node-….redb of the state folder, or give these assets up with owner_afresh".into(),
            ),
            _ => None,
        }
    }
}

/// Where parties meet: a store, a ledger and a clock. Cheap to clone.
#[derive(Clone)]
pub struct Exchange {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn Store>,
    ledger: Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
    /// Where nodes and wallets keep their state; in memory if there is none.
    state: Option<PathBuf>,
    proving_keys: Mutex<HashMap<[u8; 32], Arc<ProvingKey>>>,
    groups: Mutex<HashMap<Service, Group>>,
    open: Mutex<HashSet<(&'static str, Address)>>,
    #[cfg(feature = "client")]
    node: Option<RemoteNode>,
}

/// An account's wallet or node, which is open once at a time: two memories of one account would spend the same uses.
pub(crate) struct Opened {
    exchange: Exchange,
    what: (&'static str, Address),
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.exchange.inner.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.what);
    }
}

impl Exchange {
    /// Joins a store, a ledger and a clock. Nodes and wallets keep their state in the folder `state`, or in memory.
    pub fn new(
        store: impl Store + 'static,
        ledger: impl Ledger + 'static,
        clock: Arc<dyn Clock>,
        state: Option<PathBuf>,
    ) -> Self {
        Self::join(Arc::new(store), Arc::new(ledger), clock, state)
    }

    fn join(store: Arc<dyn Store>, ledger: Arc<dyn Ledger>, clock: Arc<dyn Clock>, state: Option<PathBuf>) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                ledger,
                clock,
                state,
                proving_keys: Mutex::default(),
                groups: Mutex::default(),
                open: Mutex::default(),
                #[cfg(feature = "client")]
                node: None,
            }),
        }
    }

    /// The same, reached through a node.
    #[cfg(feature = "client")]
    fn through(mut self, node: RemoteNode) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("nobody else has it yet");
        inner.node = Some(node);
        self
    }

    /// The exchange of the node at `url`, for instance `http://127.0.0.1:8030`. The wallet, a replica of the node's ledger and
    /// blocks that were read are kept in the folder `path`: the replica is what a ledger is compared with that was rewritten.
    /// Requests go to [`Exchange::node`].
    ///
    /// # Errors
    /// [`RemoteError`]; as [`Exchange::local`]; [`LedgerError::BrokenLog`](crate::ledger::LedgerError::BrokenLog) if the
    /// node's ledger is not the one that was followed before.
    #[cfg(feature = "client")]
    pub fn connect(url: &str, path: impl AsRef<Path>) -> Result<Self> {
        Self::connect_with(url, Some(path.as_ref()), None, &RemoteOptions::default())
    }

    /// As [`Exchange::connect`], with nothing kept: **the keys that open results are gone** when it is dropped.
    ///
    /// # Errors
    /// As [`Exchange::connect`].
    #[cfg(feature = "client")]
    pub fn connect_in_memory(url: &str) -> Result<Self> {
        Self::connect_with(url, None, None, &RemoteOptions::default())
    }

    /// As [`Exchange::connect`], on a ledger that is reached otherwise: Ocean's contracts, for instance. It must be the node's.
    /// Without a path, nothing is kept.
    ///
    /// # Errors
    /// As [`Exchange::connect`]; [`RemoteError::OtherLedger`]; [`RemoteError::NoLedger`] for a node that has no ledger of its
    /// own, if none is given.
    #[cfg(feature = "client")]
    pub fn connect_with(
        url: &str,
        path: Option<&Path>,
        ledger: Option<Arc<dyn Ledger>>,
        options: &RemoteOptions,
    ) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let node = RemoteNode::connect_with(url, options)?;
        let path = path.map(folder).transpose()?;
        let ledger = match ledger {
            Some(ledger) => {
                let (ours, theirs) =
                    ((ledger.chain_id(), ledger.address()), (node.info().chain_id, node.info().ledger));
                if ours != theirs {
                    return Err(RemoteError::OtherLedger { who: node.url().into(), theirs, ours }.into());
                }
                ledger
            }
            None => {
                let replica = path.map(|path| path.join("ledger.redb"));
                Arc::new(node.ledger(replica.as_deref(), Arc::clone(&clock))?)
            }
        };
        let http = Arc::clone(node.http());
        let exchange = match path {
            Some(path) => {
                let state = folder(&path.join("state"))?.to_path_buf();
                of_ledger(&state.join("ledger"), &*ledger)?;
                let store = GatewayStore::over(Self::local_store(path)?, http);
                Self::join(Arc::new(store), ledger, clock, Some(state))
            }
            None => Self::join(Arc::new(GatewayStore::over(MemoryStore::new(), http)), ledger, clock, None),
        };
        Ok(exchange.through(node))
    }

    /// The node that this exchange is reached through, if it is one that is far away.
    #[cfg(feature = "client")]
    pub fn node(&self) -> Option<&RemoteNode> {
        self.inner.node.as_ref()
    }

    /// An exchange in a folder of this machine: disk store and embedded ledger. The folder is made if there is none.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an empty path; [`ErrorKind::Io`]; [`ErrorKind::Locked`] while another process has
    /// it open.
    pub fn local(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::local_with(path, Self::local_store(path)?)
    }

    /// As [`Exchange::local`], with another store: an [`IpfsStore`](crate::store::IpfsStore) for instance, which is a node on
    /// an IPFS network.
    ///
    /// # Errors
    /// As [`Exchange::local`].
    pub fn local_with(path: impl AsRef<Path>, store: impl Store + 'static) -> Result<Self> {
        let path = folder(path.as_ref())?;
        // The ledger takes the clock, and locks the folder before the state in it is touched.
        let ledger = EmbeddedLedger::open(path.join("ledger.redb"), Arc::new(SystemClock))?;
        Self::local_on(path, store, Arc::new(ledger))
    }

    /// As [`Exchange::local_with`], on another ledger: Ocean's contracts on a chain, for instance
    #[cfg_attr(feature = "ocean", doc = "([`OceanLedger`](crate::ledger::ocean::OceanLedger)).")]
    #[cfg_attr(not(feature = "ocean"), doc = "(feature `ocean`).")]
    /// What parties keep of an exchange goes with its ledger: use a folder of its own for each.
    ///
    /// # Errors
    /// As [`Exchange::local`].
    pub fn local_on(path: impl AsRef<Path>, store: impl Store + 'static, ledger: Arc<dyn Ledger>) -> Result<Self> {
        let path = folder(path.as_ref())?;
        let state = folder(&path.join("state"))?.to_path_buf();
        of_ledger(&state.join("ledger"), &*ledger)?;
        Ok(Self::join(Arc::new(store), ledger, Arc::new(SystemClock), Some(state)))
    }

    /// The store of [`Exchange::local`], for [`Exchange::local_on`].
    ///
    /// # Errors
    /// As [`Exchange::local`].
    pub fn local_store(path: impl AsRef<Path>) -> Result<DiskStore> {
        Ok(DiskStore::open(folder(path.as_ref())?.join("store"))?)
    }

    /// As [`Exchange::in_memory`], on another ledger.
    pub fn in_memory_on(ledger: Arc<dyn Ledger>) -> Self {
        Self::join(Arc::new(MemoryStore::new()), ledger, Arc::new(SystemClock), None)
    }

    /// As [`Exchange::local`], with a store that is far away behind the folder's own: what is pinned is kept in both. See
    /// [`Tiered`].
    ///
    /// # Errors
    /// As [`Exchange::local`].
    pub fn local_tiered(path: impl AsRef<Path>, far: impl Store + 'static) -> Result<Self> {
        let path = path.as_ref();
        Self::local_with(path, Tiered::new(Self::local_store(path)?, far))
    }

    /// An exchange that is gone when it is dropped.
    ///
    /// # Errors
    /// None that memory gives rise to.
    pub fn in_memory() -> Result<Self> {
        Self::in_memory_at(Arc::new(SystemClock))
    }

    /// As [`Exchange::in_memory`], with a clock of the caller's.
    ///
    /// # Errors
    /// None that memory gives rise to.
    pub fn in_memory_at(clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self::new(MemoryStore::new(), EmbeddedLedger::in_memory(clock.clone())?, clock, None))
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    /// The store, for whoever reads from it later.
    pub(crate) fn store_handle(&self) -> Arc<dyn Store> {
        Arc::clone(&self.inner.store)
    }

    /// The ledger.
    pub fn ledger(&self) -> &dyn Ledger {
        &*self.inner.ledger
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        &*self.inner.clock
    }

    /// The owner side of an account: publishes assets and runs the node that serves them. The keys of its datasets are in the
    /// exchange's folder, in a [`KeyStore`] under a key derived from the account's.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] while the account's node runs elsewhere; [`ErrorKind::CorruptState`] if the ledger has assets of
    /// the account and their journal is gone.
    pub fn owner(&self, account: Account) -> Result<Owner> {
        self.open_owner(account.address(), || Ok(self.key_store(account)?.into()), false)
    }

    /// The owner side of the account in a key store, which keeps the keys of its datasets, too. They are not the keys that
    /// [`Exchange::owner`] keeps: use the one or the other for an account. A key store that is shared stays open until its last
    /// holder lets go of it.
    ///
    /// # Errors
    /// As [`Exchange::owner`].
    pub fn owner_from(&self, keys: impl Into<Arc<KeyStore>>) -> Result<Owner> {
        let keys = keys.into();
        self.open_owner(keys.address(), || Ok(keys), false)
    }

    /// As [`Exchange::owner`], for an account whose journal is lost. What it published before is no longer served: without
    /// the journal, uses that were spent could be spent again.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] while the account's node runs elsewhere.
    pub fn owner_afresh(&self, account: Account) -> Result<Owner> {
        self.open_owner(account.address(), || Ok(self.key_store(account)?.into()), true)
    }

    /// As [`Exchange::owner_afresh`], with a key store.
    ///
    /// # Errors
    /// As [`Exchange::owner_afresh`].
    pub fn owner_afresh_from(&self, keys: impl Into<Arc<KeyStore>>) -> Result<Owner> {
        let keys = keys.into();
        self.open_owner(keys.address(), || Ok(keys), true)
    }

    fn open_owner(
        &self,
        address: Address,
        keys: impl FnOnce() -> Result<Arc<KeyStore>>,
        afresh: bool,
    ) -> Result<Owner> {
        let opened = self.opened("node", address)?;
        let journal = match self.state_file("node", address, "redb") {
            Some(path) => Journal::open(path)?,
            None => Journal::in_memory()?,
        };
        if !afresh && !Owner::is_known(&journal)? {
            let mut count = 0;
            for nft in self.ledger().nfts_of(address)? {
                count += usize::from(self.asset_if_it_is_one(nft)?.is_some());
            }
            if count > 0 {
                return Err(ExchangeError::JournalMissing { account: address, count }.into());
            }
        }
        Owner::open(self.clone(), keys()?, journal, opened)
    }

    /// The key store of an owner who has none of its own.
    fn key_store(&self, account: Account) -> Result<KeyStore> {
        Ok(match self.state_file("keys", account.address(), "age") {
            Some(path) => KeyStore::derived(path, account)?,
            None => KeyStore::in_memory(account),
        })
    }

    fn opened(&self, what: &'static str, account: Address) -> Result<Opened> {
        let what = (what, account);
        if !self.inner.open.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
            return Err(ExchangeError::AlreadyOpen { what: what.0, account: what.1 }.into());
        }
        Ok(Opened { exchange: self.clone(), what })
    }

    /// The consumer side of an account: buys, orders, asks.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] while the account's wallet is open elsewhere.
    pub fn consumer(&self, account: Account) -> Result<Consumer> {
        let opened = self.opened("wallet", account.address())?;
        let wallet = match self.state_file("wallet", account.address(), "redb") {
            Some(path) => Wallet::open(path, &account)?,
            None => Wallet::in_memory(&account)?,
        };
        Ok(Consumer::new(self.clone(), account, wallet, opened))
    }

    /// The folder in which nodes and wallets keep their state.
    pub(crate) fn state(&self) -> Option<&Path> {
        self.inner.state.as_deref()
    }

    fn state_file(&self, kind: &str, account: Address, suffix: &str) -> Option<PathBuf> {
        Some(self.state()?.join(format!("{kind}-{account}.{suffix}")))
    }

    /// The asset that a data NFT stands for.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownToken`] if there is no such NFT; [`ErrorKind::NotFound`] if it carries no description; the
    /// description's own errors.
    pub fn asset(&self, nft: Address) -> Result<Asset> {
        let not_an_asset = |why: String| ExchangeError::NotAnAsset { nft, why };
        let ledger = self.ledger();
        let metadata = ledger.metadata(nft)?.ok_or_else(|| not_an_asset("it has no description".into()))?;
        let asset = Asset::read(ledger.chain_id(), ledger.address(), nft, ledger.owner_of(nft)?, metadata.ddo)?;
        let datatoken = asset.service().datatoken;
        if !ledger.is_deployed(nft, datatoken)? {
            return Err(not_an_asset(format!("{datatoken} is not one of its datatokens")).into());
        }
        for service in [Some(asset.service()), asset.download_service()].into_iter().flatten() {
            if asset.order_terms() != ledger.order_terms(datatoken, service.service)? {
                return Err(not_an_asset("its description promises other terms than an order gives".into()).into());
            }
        }
        let price = ledger.price(datatoken)?;
        let price = match (price.fixed_rate, price.dispenser) {
            (Some(FixedRate { base_token, rate, active: true, .. }), _) => {
                Some(Price::Fixed { base_token, amount: rate.units() })
            }
            (_, Some(d)) if d.active => Some(Price::Free { max_per_account: whole_tokens(d.max_balance.units()) }),
            _ => None,
        };
        Ok(asset.offered_at(price))
    }

    /// The asset of a DID: of its NFT, which is looked for among all of the ledger's.
    ///
    /// # Errors
    /// [`ExchangeError::UnknownAsset`] if no NFT has that DID; as [`Exchange::asset`].
    pub fn asset_by_did(&self, did: &Did) -> Result<Asset> {
        let chain_id = self.ledger().chain_id();
        for page in self.nfts() {
            if let Some(nft) = page?.into_iter().find(|nft| Did::new(*nft, chain_id) == *did) {
                return self.asset(nft);
            }
        }
        Err(ExchangeError::UnknownAsset { did: *did }.into())
    }

    /// Every asset that was published here, in the order of the ledger. NFTs that are no Sealock asset are passed over.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn assets(&self) -> Result<Vec<Asset>> {
        let mut assets = Vec::new();
        for page in self.nfts() {
            for nft in page? {
                assets.extend(self.asset_if_it_is_one(nft)?);
            }
        }
        Ok(assets)
    }

    /// Every data NFT, in the order of the ledger, in pages.
    fn nfts(&self) -> impl Iterator<Item = Result<Vec<Address>>> {
        const PAGE: usize = 4096;
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let from = next.take()?;
            let page = self.ledger().nfts(from, PAGE);
            next = page.as_ref().is_ok_and(|page| page.len() >= PAGE).then_some(from + PAGE as u64);
            Some(page.map_err(Into::into))
        })
    }

    /// The asset that an NFT stands for, unless it is none of Sealock's.
    fn asset_if_it_is_one(&self, nft: Address) -> Result<Option<Asset>> {
        use ErrorKind as Kind;
        match self.asset(nft) {
            Ok(asset) => Ok(Some(asset)),
            // It was not read, so it may be one.
            Err(e) if matches!(e.kind(), Kind::Unreachable | Kind::Timeout | Kind::Io | Kind::CorruptState) => Err(e),
            Err(why) => {
                tracing::debug!(%nft, %why, "passed over");
                Ok(None)
            }
        }
    }

    /// The asset's proving key, made of the bundle that its description names, once that was found to be what the circuit
    /// says, and kept. That it was found so is noted in the exchange's folder, and holds for the next process, too.
    pub(crate) fn proving_key(&self, asset: &Asset) -> Result<Arc<ProvingKey>> {
        let access = &asset.description().sealed.access;
        let digest = access.digest.as_bytes();
        let kept = || self.inner.proving_keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = kept().get(digest) {
            return Ok(key.clone());
        }
        let limit = KeyBundle::encoded_len(GROUP_DEPTH);
        let bytes = self.read_file("the access key", &access.proving_key, limit as u64)?;
        let note = self.state().map(|state| state.join(format!("checked-key-v{CHECK_VERSION}-{}", access.digest)));
        let key = if note.as_ref().is_some_and(|note| note.exists()) {
            ProvingKey::from_pinned_bytes(&bytes, digest)?
        } else {
            let bundle = KeyBundle::from_bytes(&bytes)?;
            if bundle.digest() != *digest {
                let why = "its access key is not the one that its description names".into();
                return Err(ExchangeError::NotAnAsset { nft: asset.service().nft, why }.into());
            }
            // The digest is the owner's word, against whom the proof is to protect: the key itself is checked.
            let key = check_setup(&bundle, &mut os_rng())?;
            if let Some(Err(error)) = note.map(std::fs::File::create) {
                tracing::warn!(%error, "a key was checked, and that cannot be noted: it will be checked again");
            }
            key
        };
        Ok(kept().entry(*digest).or_insert(Arc::new(key)).clone())
    }

    /// Calls `look` with the group of a service's orders as it is now. Groups are kept, and read on from where they were.
    pub(crate) fn with_group<T>(&self, service: Service, look: impl FnOnce(&Group) -> T) -> Result<T> {
        let mut groups = self.inner.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let group = groups.entry(service).or_insert_with(|| Group::new(service));
        group.sync(self.ledger(), self.clock().now())?;
        Ok(look(group))
    }

    /// A whole file of at most `limit` bytes.
    fn read_file(&self, what: &'static str, root: &Cid, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        unixfs::Reader::open(self.store(), root)?
            .take(limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| ExchangeError::Object { what, source })?;
        Ok(bytes)
    }

    /// Opens an asset's data with a key that its owner has wrapped the data's key for: see
    /// [`Owner::share`](crate::owner::Owner::share). It takes no order, and tells nobody.
    ///
    /// # Errors
    /// [`ErrorKind::WrongKey`] if the manifest names no such recipient; the store's own; [`ErrorKind::InvalidManifest`] if
    /// the manifest is not of what the asset describes.
    pub fn open_shared(&self, asset: &Asset, key: &RecipientKey) -> Result<Download> {
        let manifest = asset.description().sealed.manifest;
        Download::open(self, asset, &manifest, |manifest| Ok(manifest.unwrap_key_for(key)?))
    }
}

/// A folder, made if there is none.
fn folder(path: &Path) -> Result<&Path, ExchangeError> {
    if path.as_os_str().is_empty() {
        return Err(ExchangeError::EmptyPath);
    }
    match std::fs::create_dir_all(path) {
        Ok(()) => Ok(path),
        Err(source) => Err(ExchangeError::Folder { path: path.to_path_buf(), source }),
    }
}

/// Journals, wallets and keys belong to a ledger: another one's are refused. The file names the ledger.
fn of_ledger(file: &Path, ledger: &dyn Ledger) -> Result<(), ExchangeError> {
    let here = format!("chain {}, ledger {}\n", ledger.chain_id(), ledger.address());
    let failed = |source| ExchangeError::Folder { path: file.to_path_buf(), source };
    match std::fs::read_to_string(file) {
        Ok(there) if there == here => Ok(()),
        Ok(there) => {
            let (there, here) = (there.trim().chars().take(80).collect(), here.trim().to_owned());
            Err(ExchangeError::OtherLedger { path: file.to_path_buf(), there, here })
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => std::fs::write(file, here).map_err(failed),
        Err(e) => Err(failed(e)),
    }
}

fn whole_tokens(units: u128) -> u64 {
    u64::try_from(units / crate::ledger::Amount::ONE.units()).unwrap_or(u64::MAX)
}

/// What publishing did.
#[derive(Debug)]
pub struct Published {
    /// The asset.
    pub asset: Asset,
    /// How much of the table the policy's suppression withholds, of a model nothing. For the owner; it is not published.
    pub suppression: Suppression,
    /// Bytes in the store.
    pub sealed_bytes: u64,
    /// Whether it is [sealed](crate::sealed) and its rows are encrypted a second time, packed, so that programs of few digits
    /// need no bootstraps: as asked for, or where it pays. See [`SealedOptions::packed`](crate::sealed::SealedOptions::packed).
    pub packed: bool,
}
