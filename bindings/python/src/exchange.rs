//! `Exchange`.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;

use crate::account::Account;
use crate::asset::Asset;
use crate::call::{Call, quick};
use crate::consumer::Consumer;
use crate::convert;
use crate::error::{Failure, Result};
use crate::owner::Owner;

/// Where parties meet: a block store, a ledger and a clock. `Exchange.local(path)` or `Exchange.in_memory()`.
#[pyclass(frozen, module = "sealock")]
pub struct Exchange {
    inner: sealock::Exchange,
    place: String,
}

#[pymethods]
impl Exchange {
    /// An exchange in a folder of this machine. The folder is made if there is none.
    ///
    /// One process has it open at a time, until every handle from it is gone.
    #[staticmethod]
    fn local(py: Python<'_>, path: PathBuf) -> Result<Self> {
        let place = path.display().to_string();
        let inner = Call::default().alone().run(py, move |_| Ok(sealock::Exchange::local(path)?))?;
        Ok(Self { inner, place })
    }

    /// An exchange that is gone when its last handle is.
    #[staticmethod]
    fn in_memory(py: Python<'_>) -> Result<Self> {
        let inner = quick(py, || Ok(sealock::Exchange::in_memory()?))?;
        Ok(Self { inner, place: "in memory".into() })
    }

    /// The owner side of an account: publishes tables and runs the node that answers for them. The first time, it makes
    /// the key that access proofs are made with, which takes about a second.
    fn owner(&self, py: Python<'_>, account: &Account) -> Result<Owner> {
        let (exchange, account) = (self.inner.clone(), account.again()?);
        Call::default().alone().run(py, move |_| Ok(Owner(Arc::new(exchange.owner(account)?))))
    }

    /// As `owner`, for an account whose journal is lost. What it published before is no longer served: without the journal,
    /// uses that were spent could be spent again.
    fn owner_afresh(&self, py: Python<'_>, account: &Account) -> Result<Owner> {
        let (exchange, account) = (self.inner.clone(), account.again()?);
        Call::default().alone().run(py, move |_| Ok(Owner(Arc::new(exchange.owner_afresh(account)?))))
    }

    /// The consumer side of an account: buys, orders, asks.
    fn consumer(&self, py: Python<'_>, account: &Account) -> Result<Consumer> {
        let (exchange, account) = (self.inner.clone(), account.again()?);
        Call::default().alone().run(py, move |_| Ok(Consumer(Arc::new(exchange.consumer(account)?))))
    }

    /// The asset that a data NFT (an address) stands for.
    fn asset(&self, py: Python<'_>, nft: &Bound<'_, PyAny>) -> Result<Asset> {
        let (exchange, nft) = (self.inner.clone(), convert::address(nft)?);
        quick(py, || Ok(Asset(exchange.asset(nft)?)))
    }

    /// Every asset that was published here, in the order of the ledger.
    fn assets(&self, py: Python<'_>) -> Result<Vec<Asset>> {
        let exchange = self.inner.clone();
        Call::default().run(py, move |_| Ok(exchange.assets()?.into_iter().map(Asset).collect()))
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
        let (account, cap) = (&account.0, convert::amount(cap)?);
        quick(py, || Ok(self.inner.ledger().deploy_token(account, name, symbol, cap)?.to_string()))
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
        let account = &account.0;
        quick(py, || Ok(self.inner.ledger().mint(account, token, to, amount)?.tx.to_string()))
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
        let account = &account.0;
        quick(py, || Ok(self.inner.ledger().transfer(account, token, to, amount)?.tx.to_string()))
    }

    /// What an address holds of a token, in whole tokens.
    fn balance_of<'py>(
        &self,
        py: Python<'py>,
        token: &Bound<'py, PyAny>,
        address: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let (token, address) = (convert::address(token)?, convert::address(address)?);
        let balance = quick(py, || Ok(self.inner.ledger().balance_of(token, address)?))?;
        Ok(convert::from_amount(py, balance)?)
    }

    fn __repr__(&self) -> String {
        format!("Exchange({})", self.place)
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Exchange", "it is open in this process; open it again with Exchange.local"))
    }
}
