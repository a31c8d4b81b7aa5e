//! `OceanLedger`.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use sealock::Digest;
use sealock::ledger::Ledger;
use sealock::ledger::ocean::{self, Finality, OceanOptions};

use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};

/// Ocean Protocol's contracts, version 4, on an EVM chain: what `Exchange.local(path, ledger=...)` keeps tokens and orders on.
///
/// `url` is of a node's JSON-RPC, such as `http://127.0.0.1:8545`. `addresses` is where the contracts are, in the form of
/// Ocean's `address.json`: its path, or a dict. A `chain_id` makes sure of the chain. What a block says counts when `finality`
/// blocks are above it, or when it is `"finalized"`; 12 if not said, and 0 on developers' chains. `cache` is a file in which
/// logs that were read are kept for the next process. `timeout` is for one answer of the node, `patience` for a transaction to
/// be final, in seconds or as `timedelta`.
#[pyclass(frozen, module = "sealock")]
pub struct OceanLedger(pub Arc<ocean::OceanLedger>);

impl OceanLedger {
    /// What it is, in words.
    pub fn shown(&self) -> String {
        format!("OceanLedger(chain {}, factory {})", self.0.chain_id(), self.0.address())
    }
}

/// The text of an `address.json`.
fn addresses(object: &Bound<'_, PyAny>) -> Result<String> {
    if object.is_instance_of::<PyDict>() {
        let json = object.py().import("json")?.call_method1("dumps", (object,))?;
        return Ok(json.extract()?);
    }
    let path: PathBuf = object.extract().map_err(|_| {
        let got = convert::type_name(object);
        Failure::wrong_type(format!("addresses: expected the path of an address.json or a dict, got {got}"))
    })?;
    if path.as_os_str().as_encoded_bytes().starts_with(b"{") {
        let why = "addresses: expected the path of an address.json or a dict, got the text of one";
        return Err(Failure::argument(why, "pass json.loads(text)"));
    }
    convert::read_text(object.py(), &path)
}

fn finality(object: &Bound<'_, PyAny>) -> Result<Finality> {
    if object.is_instance_of::<PyString>() {
        if object.extract::<String>()? == "finalized" {
            return Ok(Finality::Finalized);
        }
        return Err(Failure::argument("finality: expected a number of blocks or \"finalized\"", "pass one of them"));
    }
    Ok(Finality::Blocks(convert::whole("finality", object)?))
}

#[pymethods]
impl OceanLedger {
    #[new]
    #[pyo3(signature = (
        url, addresses, *, chain_id = None, finality = None, cache = None, timeout = None, patience = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn new(
        py: Python<'_>,
        url: String,
        addresses: &Bound<'_, PyAny>,
        chain_id: Option<&Bound<'_, PyAny>>,
        finality: Option<&Bound<'_, PyAny>>,
        cache: Option<PathBuf>,
        timeout: Option<&Bound<'_, PyAny>>,
        patience: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let mut options = OceanOptions { cache, ..OceanOptions::default() };
        options.chain_id = chain_id.map(|id| convert::whole("chain_id", id)).transpose()?;
        options.finality = finality.map(self::finality).transpose()?;
        if let Some(span) = timeout {
            options.timeout = convert::duration("timeout", span)?;
        }
        if let Some(span) = patience {
            options.patience = convert::duration("patience", span)?;
        }
        let addresses = self::addresses(addresses)?;
        let ledger = Call::default()
            .alone()
            .run(py, move |_| Ok(ocean::OceanLedger::connect_with_json(&url, &addresses, options)?))?;
        Ok(Self(Arc::new(ledger)))
    }

    /// The EVM chain id.
    #[getter]
    fn chain_id(&self) -> u64 {
        self.0.chain_id()
    }

    /// The address of Ocean's factory, which with the chain id says which ledger this is.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// The address of the token OCEAN, if the chain has one.
    #[getter]
    fn ocean(&self) -> Option<String> {
        self.0.addresses().ocean.map(|token| token.to_string())
    }

    /// The gas that a transaction took, by its hash: 64 hex digits, as this library returns it, or with `0x` before them, as other
    /// tools of Ethereum write it.
    fn gas_used(&self, py: Python<'_>, transaction: &str) -> Result<u64> {
        let ledger = Arc::clone(&self.0);
        let tx: Digest = transaction.trim_start_matches("0x").parse().map_err(|_| {
            Failure::argument("transaction: expected 64 hex digits", "pass what buy() or mint() returned")
        })?;
        Call::default().run(py, move |_| Ok(ledger.gas_used(tx)?))
    }

    fn __repr__(&self, py: Python<'_>) -> Result<String> {
        quick(py, || Ok(self.shown()))
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("OceanLedger", "it is connected in this process; connect again by its URL"))
    }
}
