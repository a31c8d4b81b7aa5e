//! `Exchange`.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use sealock::keystore;
use sealock::remote::RemoteOptions;
use sealock::store::{Tiered, car};

use crate::account::Account;
use crate::asset::Asset;
use crate::call::{Call, quick};
use crate::consumer::Consumer;
use crate::convert::{self, Named};
use crate::download::Download;
use crate::error::{Failure, Result};
use crate::file::Place;
use crate::keys::{KeyStore, RecipientKey};
use crate::ocean::OceanLedger;
use crate::owner::Owner;
use crate::remote::RemoteNode;
use crate::store::{Backing, Store};

/// Where parties meet: a block store, a ledger and a clock. `Exchange.local(path)`, `Exchange.in_memory()`, or
/// `Exchange.connect(url, path)` on somebody else's node.
#[pyclass(frozen, module = "sealock")]
pub struct Exchange {
    inner: sealock::Exchange,
    place: String,
}

impl Exchange {
    pub fn inner(&self) -> &sealock::Exchange {
        &self.inner
    }
}

/// Whose owner side is opened.
enum Party {
    Account(sealock::Account),
    Keys(Arc<keystore::KeyStore>),
}

impl Party {
    fn read(object: &Bound<'_, PyAny>) -> Result<Self> {
        if let Ok(account) = object.cast::<Account>() {
            return Ok(Party::Account(account.get().again()?));
        }
        if let Ok(keys) = object.cast::<KeyStore>() {
            return Ok(Party::Keys(Arc::clone(&keys.get().0)));
        }
        let got = convert::type_name(object);
        Err(Failure::wrong_type(format!("account: expected an Account or a KeyStore, got {got}")))
    }
}

#[pymethods]
impl Exchange {
    /// An exchange in a folder of this machine. The folder is made if there is none.
    ///
    /// One process has it open at a time, until every handle from it is gone.
    ///
    /// Blocks are kept in the folder. With an `IpfsNode` as `store` they are kept in the node, which peers fetch them from;
    /// with a `KuboDaemon` in the folder, and what is pinned in the daemon as well. Either stays open while the exchange does,
    /// whether its own handle is closed or not.
    ///
    /// Tokens and orders are on a ledger in the folder; with an `OceanLedger` as `ledger`, on Ocean Protocol's contracts.
    #[staticmethod]
    #[pyo3(signature = (path, *, store = None, ledger = None))]
    fn local(py: Python<'_>, path: PathBuf, store: Option<&Store>, ledger: Option<&OceanLedger>) -> Result<Self> {
        let mut place = path.display().to_string();
        if let Some(store) = store {
            place = format!("{place}, {}", store.shown());
        }
        if let Some(ledger) = ledger {
            place = format!("{place}, {}", ledger.shown());
        }
        let store = store.map(Store::backing).transpose()?;
        let ledger = ledger.map(|ledger| Arc::clone(&ledger.0) as Arc<dyn sealock::ledger::Ledger>);
        let inner = Call::default().alone().run(py, move |_| {
            use sealock::Exchange;
            let near = || Exchange::local_store(&path);
            Ok(match (store, ledger) {
                (None, None) => Exchange::local(path)?,
                (None, Some(ledger)) => Exchange::local_on(&path, near()?, ledger)?,
                (Some(Backing::Ipfs(node)), None) => Exchange::local_with(path, node)?,
                (Some(Backing::Ipfs(node)), Some(ledger)) => Exchange::local_on(path, node, ledger)?,
                (Some(Backing::Kubo(daemon)), None) => Exchange::local_tiered(path, daemon)?,
                (Some(Backing::Kubo(daemon)), Some(ledger)) => {
                    Exchange::local_on(&path, Tiered::new(near()?, daemon), ledger)?
                }
            })
        })?;
        Ok(Self { inner, place })
    }

    /// An exchange that is gone when its last handle is. With an `OceanLedger`, tokens and orders stay on its chain.
    #[staticmethod]
    #[pyo3(signature = (*, ledger = None))]
    fn in_memory(py: Python<'_>, ledger: Option<&OceanLedger>) -> Result<Self> {
        let Some(ledger) = ledger else {
            let inner = quick(py, || Ok(sealock::Exchange::in_memory()?))?;
            return Ok(Self { inner, place: "in memory".into() });
        };
        let (place, ledger) = (format!("in memory, {}", ledger.shown()), Arc::clone(&ledger.0));
        let inner = quick(py, || Ok(sealock::Exchange::in_memory_on(ledger)))?;
        Ok(Self { inner, place })
    }

    /// An exchange on somebody else's node, at `url`: `http://127.0.0.1:8030`, for instance. Its blocks are checked against their
    /// CIDs, its ledger is followed and recomputed here, and requests go to `exchange.node`.
    ///
    /// What a consumer keeps, a replica of the ledger and the blocks that were read are in the folder `path`. Without one,
    /// nothing is kept: **the keys that open results are gone** with the exchange.
    ///
    /// A node on Ocean's contracts serves no ledger: pass an `OceanLedger` on the same chain. `timeout` is for one exchange of
    /// messages, 60 seconds if not said; `patience` is how long a job is asked for again while the node cannot be reached or is
    /// busy, 120 if not said; in seconds or as `timedelta`. `certificates` is a file (PEM) of those that are trusted in place
    /// of the web's: for a node with a certificate of its own.
    ///
    /// The node sees which address asked when: whoever buys and asks from one links the two.
    #[staticmethod]
    #[pyo3(signature = (url, path = None, *, ledger = None, timeout = None, patience = None, certificates = None))]
    fn connect(
        py: Python<'_>,
        url: String,
        path: Option<PathBuf>,
        ledger: Option<&OceanLedger>,
        timeout: Option<&Bound<'_, PyAny>>,
        patience: Option<&Bound<'_, PyAny>>,
        certificates: Option<PathBuf>,
    ) -> Result<Self> {
        let mut options = RemoteOptions::default();
        options.certificates = certificates;
        if let Some(span) = timeout {
            options.timeout = convert::duration("timeout", span)?;
        }
        if let Some(span) = patience {
            options.patience = convert::duration("patience", span)?;
        }
        let kept = path.as_ref().map_or_else(|| "nothing is kept".into(), |path| path.display().to_string());
        let ledger = ledger.map(|ledger| Arc::clone(&ledger.0) as Arc<dyn sealock::ledger::Ledger>);
        let inner = Call::default()
            .alone()
            .run(py, move |_| Ok(sealock::Exchange::connect_with(&url, path.as_deref(), ledger, &options)?))?;
        let place = inner.node().map_or_else(String::new, |node| format!("at {}, {kept}", node.url()));
        Ok(Self { inner, place })
    }

    /// The node that it is on, after `Exchange.connect`; `None` otherwise.
    #[getter]
    fn node(&self) -> Option<RemoteNode> {
        self.inner.node().cloned().map(RemoteNode)
    }

    /// The owner side of an account: publishes tables and runs the node that answers for them. The first time, it makes
    /// the key that access proofs are made with, which takes about a second.
    ///
    /// The keys of its data are in the exchange's folder, under a key derived from the account's; or, if a `KeyStore` is
    /// passed, in that. Use the one or the other for an account.
    fn owner(&self, py: Python<'_>, account: &Bound<'_, PyAny>) -> Result<Owner> {
        let (exchange, party) = (self.inner.clone(), Party::read(account)?);
        Call::default().alone().run(py, move |_| {
            Ok(Owner(Arc::new(match party {
                Party::Account(account) => exchange.owner(account)?,
                Party::Keys(keys) => exchange.owner_from(keys)?,
            })))
        })
    }

    /// As `owner`, for an account whose journal is lost. What it published before is no longer served: without the journal,
    /// uses that were spent could be spent again.
    fn owner_afresh(&self, py: Python<'_>, account: &Bound<'_, PyAny>) -> Result<Owner> {
        let (exchange, party) = (self.inner.clone(), Party::read(account)?);
        Call::default().alone().run(py, move |_| {
            Ok(Owner(Arc::new(match party {
                Party::Account(account) => exchange.owner_afresh(account)?,
                Party::Keys(keys) => exchange.owner_afresh_from(keys)?,
            })))
        })
    }

    /// The consumer side of an account: buys, orders, asks.
    fn consumer(&self, py: Python<'_>, account: &Account) -> Result<Consumer> {
        let (exchange, account) = (self.inner.clone(), account.again()?);
        Call::default().alone().run(py, move |_| Ok(Consumer(Arc::new(exchange.consumer(account)?))))
    }

    /// An asset, by its DID or the address of its data NFT. Raises `NotFound` or `UnknownToken` if this ledger has none of that
    /// name.
    fn asset(&self, py: Python<'_>, identifier: &Bound<'_, PyAny>) -> Result<Asset> {
        let (exchange, named) = (self.inner.clone(), convert::asset_named(identifier)?);
        Call::default().run(py, move |_| {
            Ok(Asset(match named {
                Named::Nft(nft) => exchange.asset(nft)?,
                Named::Did(did) => exchange.asset_by_did(&did)?,
            }))
        })
    }

    /// Every asset that was published here, in the order of the ledger.
    fn assets(&self, py: Python<'_>) -> Result<Vec<Asset>> {
        let exchange = self.inner.clone();
        Call::default().run(py, move |_| Ok(exchange.assets()?.into_iter().map(Asset).collect()))
    }

    /// Opens an asset's data with a key that its owner shared it with: see `Owner.share`. It takes no order, and tells nobody.
    /// Raises `WrongKey` if it was not shared with that key.
    fn open_shared(&self, py: Python<'_>, asset: &Asset, key: &RecipientKey) -> Result<Download> {
        let (exchange, asset, key) = (self.inner.clone(), asset.0.clone(), Arc::clone(&key.0));
        Call::default().run(py, move |_| Download::new(exchange.open_shared(&asset, &key)?))
    }

    /// Writes everything that the store holds of an asset as a CAR, version 1, to a path or to a binary file. It is
    /// ciphertext. A file at a path is replaced when all of it was written, and not touched before.
    #[pyo3(signature = (asset, target, *, progress = None))]
    fn export_car<'py>(
        &self,
        py: Python<'py>,
        asset: &Asset,
        target: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (exchange, roots, place) = (self.inner.clone(), asset.0.roots(), Place::read("target", "write", target)?);
        let exported = Call::default()
            .progress(progress)?
            .run(py, move |progress| place.write(|sink| Ok(car::export(exchange.store(), &roots, sink, progress)?)))?;
        let fields = PyDict::new(py);
        fields.set_item("blocks", exported.blocks)?;
        fields.set_item("bytes", exported.bytes)?;
        Ok(convert::record(py, "Exported", &fields)?)
    }

    /// Reads a CAR, version 1, from a path or a binary file into the store, and pins its roots: all or none. Returns them.
    /// Every block is checked against its CID.
    #[pyo3(signature = (source, *, progress = None))]
    fn import_car<'py>(
        &self,
        py: Python<'py>,
        source: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyTuple>> {
        let (exchange, place) = (self.inner.clone(), Place::read("source", "read", source)?);
        let imported = Call::default()
            .progress(progress)?
            .run(py, move |progress| place.read_from(|source| Ok(car::import(exchange.store(), source, progress)?)))?;
        Ok(PyTuple::new(py, imported.roots.iter().map(|root| root.to_string()))?)
    }

    /// Deploys a token to pay with, of at most `cap` whole tokens. Returns its address; the account may mint it.
    fn deploy_token(
        &self,
        py: Python<'_>,
        account: &Account,
        name: &str,
        symbol: &str,
        cap: &Bound<'_, PyAny>,
    ) -> Result<String> {
        let (exchange, account, cap) = (self.inner.clone(), Arc::clone(&account.0), convert::amount(cap)?);
        let (name, symbol) = (name.to_owned(), symbol.to_owned());
        Call::default().run(py, move |_| Ok(exchange.ledger().deploy_token(&account, &name, &symbol, cap)?.to_string()))
    }

    /// Mints whole tokens for the address `to`. Returns the digest of the transaction.
    fn mint(
        &self,
        py: Python<'_>,
        account: &Account,
        token: &Bound<'_, PyAny>,
        to: &Bound<'_, PyAny>,
        amount: &Bound<'_, PyAny>,
    ) -> Result<String> {
        let (token, to, amount) = (convert::address(token)?, convert::address(to)?, convert::amount(amount)?);
        let (exchange, account) = (self.inner.clone(), Arc::clone(&account.0));
        Call::default().run(py, move |_| Ok(exchange.ledger().mint(&account, token, to, amount)?.tx.to_string()))
    }

    /// Transfers whole tokens to the address `to`. Returns the digest of the transaction.
    fn transfer(
        &self,
        py: Python<'_>,
        account: &Account,
        token: &Bound<'_, PyAny>,
        to: &Bound<'_, PyAny>,
        amount: &Bound<'_, PyAny>,
    ) -> Result<String> {
        let (token, to, amount) = (convert::address(token)?, convert::address(to)?, convert::amount(amount)?);
        let (exchange, account) = (self.inner.clone(), Arc::clone(&account.0));
        Call::default().run(py, move |_| Ok(exchange.ledger().transfer(&account, token, to, amount)?.tx.to_string()))
    }

    /// Pays out to the owner of a datatoken's NFT what sales brought and the ledger still holds: on Ocean's contracts, sales
    /// pay into the exchange there. Anybody may; the account pays the ledger's own fees. Returns how much it was, in whole
    /// tokens of 18 decimals.
    fn collect<'py>(&self, py: Python<'py>, account: &Account, token: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let (exchange, account, token) = (self.inner.clone(), Arc::clone(&account.0), convert::address(token)?);
        let amount = Call::default().run(py, move |_| Ok(exchange.ledger().collect(&account, token)?))?;
        Ok(convert::from_amount(py, amount)?)
    }

    /// What an address holds of a token, in whole tokens.
    fn balance_of<'py>(
        &self,
        py: Python<'py>,
        token: &Bound<'py, PyAny>,
        address: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let (token, address) = (convert::address(token)?, convert::address(address)?);
        let exchange = self.inner.clone();
        let balance = Call::default().run(py, move |_| Ok(exchange.ledger().balance_of(token, address)?))?;
        Ok(convert::from_amount(py, balance)?)
    }

    fn __repr__(&self) -> String {
        format!("Exchange({})", self.place)
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Exchange", "it is open in this process; open it again by its path or address"))
    }
}
