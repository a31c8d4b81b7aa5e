//! A node's folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::CliError;
use super::ask::Serving;
use super::config::{Config, StoreKind};
use crate::error::ErrorKind;
use crate::exchange::Exchange;
use crate::keystore::{KeyStore, KeyStoreError};
#[cfg(feature = "ocean")]
use crate::ledger::ocean::OceanLedger;
use crate::ledger::{EmbeddedLedger, Ledger};
use crate::owner::Owner;
use crate::time::SystemClock;
use crate::{Account, Address};

const PASSPHRASE: &str = "SEALOCK_PASSPHRASE";
const KEYS: &str = "keys.age";

/// A node's folder, opened.
pub(super) struct Home {
    pub owner: Arc<Owner>,
    /// The ledger, if it is Ocean's contracts.
    #[cfg(feature = "ocean")]
    pub ocean: Option<Arc<OceanLedger>>,
}

impl Home {
    /// Makes the key store, with a new account or one of a file.
    pub fn create(config: &Config, account: Option<&Path>) -> Result<Address, CliError> {
        let file = |path: &Path| {
            let path = path.to_path_buf();
            move |source| CliError::File { path, source }
        };
        if keys(config).exists() {
            return Err(CliError::Usage(format!(
                "{} has a node's keys already: serve it, or give another --folder",
                config.folder.display()
            )));
        }
        // What could be missing comes before anything is made.
        let passphrase = passphrase(config)?;
        let account = match account {
            None => Account::generate(),
            Some(path) => {
                let text = Zeroizing::new(std::fs::read_to_string(path).map_err(file(path))?);
                let bytes = hex::decode(text.trim().trim_start_matches("0x")).ok().map(Zeroizing::new);
                let bytes = bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new));
                let why = || CliError::Usage(format!("{}: expected 32 bytes in hexadecimal", path.display()));
                Account::from_secret_bytes(&*bytes.ok_or_else(why)?)?
            }
        };
        let made = !config.folder.exists();
        std::fs::create_dir_all(&config.folder).map_err(file(&config.folder))?;
        let address = account.address();
        if let Err(e) = KeyStore::create(keys(config), account, &passphrase) {
            if made {
                // If it is empty.
                let _ = std::fs::remove_dir(&config.folder);
            }
            return Err(e.into());
        }
        Ok(address)
    }

    /// Whose folder it is, also while a node runs on it.
    pub fn address(config: &Config) -> Result<Address, CliError> {
        let path = Self::keys_of(config)?;
        match KeyStore::open(path, &passphrase(config)?) {
            Ok(keys) => Ok(keys.address()),
            Err(KeyStoreError::Locked { .. }) => match Serving::read(&config.folder) {
                Some(serving) => Ok(serving.address.parse()?),
                None => Err(in_use(config)),
            },
            Err(e) => Err(e.into()),
        }
    }

    fn keys_of(config: &Config) -> Result<PathBuf, CliError> {
        let path = keys(config);
        if !path.is_file() {
            return Err(CliError::Usage(format!(
                "{} is no node's folder: there is no {KEYS} in it; `sealock-node init` makes one",
                config.folder.display()
            )));
        }
        Ok(path)
    }

    /// Opens it: the ledger, the store, the key store and the node.
    pub fn open(config: &Config) -> Result<Self, CliError> {
        let in_use_if_locked = |e: CliError| match &e {
            CliError::Sealock(error) if error.kind() == ErrorKind::Locked => in_use(config),
            _ => e,
        };
        Self::open_free(config).map_err(in_use_if_locked)
    }

    fn open_free(config: &Config) -> Result<Self, CliError> {
        let path = Self::keys_of(config)?;
        let passphrase = passphrase(config)?;
        let store: Arc<dyn crate::store::Store> = match config.store {
            StoreKind::Disk => Arc::new(Exchange::local_store(&config.folder)?),
            StoreKind::Ipfs => ipfs(config)?,
        };
        #[cfg(feature = "ocean")]
        let ocean = ocean(config)?;
        #[cfg(feature = "ocean")]
        let elsewhere = ocean.clone().map(|ledger| ledger as Arc<dyn Ledger>);
        #[cfg(not(feature = "ocean"))]
        let elsewhere = ocean(config)?;
        let ledger = match elsewhere {
            Some(ledger) => ledger,
            None => Arc::new(EmbeddedLedger::open(config.folder.join("ledger.redb"), Arc::new(SystemClock))?),
        };
        let exchange = Exchange::local_on(&config.folder, store, ledger)?;
        let owner = Arc::new(exchange.owner_from(KeyStore::open(path, &passphrase)?)?);
        Ok(Self {
            owner,
            #[cfg(feature = "ocean")]
            ocean,
        })
    }
}

/// A folder is open in one process at a time.
fn in_use(config: &Config) -> CliError {
    let folder = config.folder.display();
    CliError::Usage(match Serving::read(&config.folder) {
        Some(Serving { url, .. }) => format!(
            "a node runs on {folder}, at {url}, or did when it was last heard of: a folder is open in one process at a \
             time. Stop it first (SIGTERM), and serve again afterwards"
        ),
        None => format!("{folder} is open in another process, and in one at a time: stop that one first"),
    })
}

fn keys(config: &Config) -> PathBuf {
    config.folder.join(KEYS)
}

fn passphrase(config: &Config) -> Result<Zeroizing<String>, CliError> {
    if let Some(path) = &config.passphrase_file {
        let text = std::fs::read_to_string(path).map_err(|source| CliError::File { path: path.clone(), source })?;
        return Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
    }
    std::env::var(PASSPHRASE).map(Zeroizing::new).map_err(|_| {
        CliError::Usage(format!(
            "the key store's passphrase is missing: set the variable {PASSPHRASE}, or passphrase_file in the configuration"
        ))
    })
}

/// Ocean's contracts, if the configuration names a chain.
#[cfg(feature = "ocean")]
fn ocean(config: &Config) -> Result<Option<Arc<OceanLedger>>, CliError> {
    use crate::ledger::ocean::OceanOptions;
    if config.ocean.url.is_empty() {
        return Ok(None);
    }
    let options = OceanOptions { cache: Some(config.folder.join("ocean.redb")), ..OceanOptions::default() };
    let path = config.ocean.addresses.as_ref();
    let path =
        path.ok_or_else(|| CliError::Config("ocean.addresses: the file of Ocean's addresses is missing".into()))?;
    let json = std::fs::read_to_string(path).map_err(|source| CliError::File { path: path.clone(), source })?;
    Ok(Some(Arc::new(OceanLedger::connect_with_json(&config.ocean.url, &json, options)?)))
}

#[cfg(not(feature = "ocean"))]
fn ocean(config: &Config) -> Result<Option<Arc<dyn Ledger>>, CliError> {
    if config.ocean.url.is_empty() {
        return Ok(None);
    }
    Err(CliError::Config("ocean.url: this build has no Ocean (feature `ocean`)".into()))
}

#[cfg(feature = "ipfs")]
fn ipfs(config: &Config) -> Result<Arc<dyn crate::store::Store>, CliError> {
    use crate::store::{IpfsConfig, IpfsStore};
    let mut node = IpfsConfig::new();
    if !config.ipfs.listen.is_empty() {
        node = node.listen(config.ipfs.listen.iter().map(String::as_str));
    }
    Ok(Arc::new(IpfsStore::open(config.folder.join("ipfs"), &node)?))
}

#[cfg(not(feature = "ipfs"))]
fn ipfs(_: &Config) -> Result<Arc<dyn crate::store::Store>, CliError> {
    Err(CliError::Config("store: this build has no IPFS node (feature `ipfs`)".into()))
}
