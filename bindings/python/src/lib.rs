//! The native half of the Python package `sealock`.
//!
//! Thin: it converts arguments and results, and every call goes through [`call`]. What is more at home in Python (records,
//! exceptions, bars, plots, futures) is written there, in `python/sealock/`.

mod account;
mod answer;
mod asset;
mod call;
mod consumer;
mod convert;
mod download;
mod error;
mod exchange;
mod federated;
mod file;
mod frame;
mod job;
mod keys;
mod linear;
mod model;
mod ocean;
mod owner;
mod policy;
mod query;
mod remote;
mod schema;
mod sealed;
mod server;
mod store;
mod zk;

use std::hash::{DefaultHasher, Hash, Hasher};

use log::LevelFilter;
use pyo3::prelude::*;
use sealock::codec::CodecError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;

/// Longest JSON that is read: a schema of the largest size, and its quotes.
const MAX_JSON: usize = 4 * sealock::asset::Schema::MAX_BYTES;

/// A hash for Python's dictionaries.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn to_json(value: &impl Serialize) -> Result<String> {
    let malformed = |e: serde_json::Error| CodecError::Malformed { what: "value", why: e.to_string() };
    Ok(serde_json::to_string(value).map_err(malformed)?)
}

fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T> {
    if text.len() > MAX_JSON {
        return Err(CodecError::TooLarge { what, got: text.len(), limit: MAX_JSON }.into());
    }
    Ok(serde_json::from_str(text).map_err(|e| CodecError::Malformed { what, why: e.to_string() })?)
}

/// The native half of `sealock`.
#[pymodule]
fn _sealock(module: &Bound<'_, PyModule>) -> PyResult<()> {
    log(module.py())?;
    // A panic comes out as an exception that says it all; what it would print besides is for the log.
    std::panic::set_hook(Box::new(|panic| log::debug!("{panic}")));
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<account::Account>()?;
    module.add_class::<answer::Answer>()?;
    module.add_class::<answer::Bin>()?;
    module.add_class::<asset::Asset>()?;
    module.add_class::<consumer::Consumer>()?;
    module.add_class::<consumer::JobTicket>()?;
    module.add_class::<consumer::Order>()?;
    module.add_class::<download::Download>()?;
    module.add_class::<download::DownloadOrder>()?;
    module.add_class::<download::DownloadTicket>()?;
    module.add_class::<download::Reader>()?;
    module.add_class::<exchange::Exchange>()?;
    module.add_class::<federated::FederatedTicket>()?;
    module.add_class::<frame::Table>()?;
    module.add_class::<job::DestructionReceipt>()?;
    module.add_class::<job::JobRequest>()?;
    module.add_class::<job::Receipt>()?;
    module.add_class::<job::SealedResult>()?;
    module.add_class::<keys::KeyStore>()?;
    module.add_class::<keys::RecipientKey>()?;
    module.add_class::<keys::RecipientPublicKey>()?;
    module.add_class::<linear::Product>()?;
    module.add("linear_join", wrap_pyfunction!(linear::join, module)?)?;
    module.add("linear_split", wrap_pyfunction!(linear::split, module)?)?;
    module.add("LinearSecretKey", module.py().get_type::<linear::SecretKey>())?;
    module.add_class::<model::InferenceTicket>()?;
    module.add_class::<model::Model>()?;
    module.add_class::<model::Prediction>()?;
    module.add_class::<owner::Node>()?;
    module.add_class::<ocean::OceanLedger>()?;
    module.add_class::<owner::Owner>()?;
    module.add_class::<policy::Policy>()?;
    module.add_class::<policy::Price>()?;
    module.add_class::<query::Aggregate>()?;
    module.add_class::<query::Col>()?;
    module.add_class::<query::Expr>()?;
    module.add_class::<query::Filter>()?;
    module.add_class::<query::Score>()?;
    module.add_class::<query::Program>()?;
    module.add_class::<query::Query>()?;
    module.add_class::<query::Secret>()?;
    module.add_class::<remote::RemoteNode>()?;
    module.add_class::<schema::Column>()?;
    module.add_class::<schema::Schema>()?;
    module.add_class::<sealed::Executor>()?;
    module.add_class::<sealed::ExecutorResult>()?;
    module.add_class::<sealed::Part>()?;
    module.add_class::<sealed::Releaser>()?;
    module.add_class::<sealed::Task>()?;
    module.add_class::<server::Server>()?;
    module.add_class::<store::IpfsNode>()?;
    module.add_class::<store::KuboDaemon>()?;
    module.add_class::<store::Store>()?;
    module.add_function(wrap_pyfunction!(call::check_process, module)?)?;
    module.add_function(wrap_pyfunction!(call::close, module)?)?;
    module.add_function(wrap_pyfunction!(error::error_kinds, module)?)?;
    module.add_function(wrap_pyfunction!(job::verify_chain, module)?)?;
    module.add_function(wrap_pyfunction!(server::command, module)?)?;
    module.add_function(wrap_pyfunction!(server::serve, module)?)?;
    module.add_function(wrap_pyfunction!(query::col, module)?)?;
    module.add_function(wrap_pyfunction!(query::count, module)?)?;
    module.add_function(wrap_pyfunction!(query::mean, module)?)?;
    module.add_function(wrap_pyfunction!(query::secret, module)?)?;
    module.add_function(wrap_pyfunction!(query::select, module)?)?;
    module.add_function(wrap_pyfunction!(query::sql, module)?)?;
    module.add_function(wrap_pyfunction!(query::sum, module)?)?;
    module.add_function(wrap_pyfunction!(query::histogram, module)?)?;
    module.add_function(wrap_pyfunction!(query::max, module)?)?;
    module.add_function(wrap_pyfunction!(query::median, module)?)?;
    module.add_function(wrap_pyfunction!(query::min, module)?)?;
    module.add_function(wrap_pyfunction!(query::quantile, module)?)?;
    module.add_function(wrap_pyfunction!(query::stddev, module)?)?;
    module.add_function(wrap_pyfunction!(query::stddev_pop, module)?)?;
    module.add_function(wrap_pyfunction!(query::var_pop, module)?)?;
    module.add_function(wrap_pyfunction!(query::variance, module)?)?;
    zk::register(module)
}

/// Puts everything that the library logs under one name: `sealock_zk::tree` becomes `sealock.zk.tree`.
struct OneTree(pyo3_log::Logger);

impl log::Log for OneTree {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn log(&self, record: &log::Record<'_>) {
        match record.target().strip_prefix("sealock_") {
            Some(rest) => {
                let target = format!("sealock::{rest}");
                let (mut renamed, said) = (log::Record::builder(), record.args());
                renamed.args(*said).level(record.level()).target(&target);
                renamed.module_path(record.module_path()).file(record.file()).line(record.line());
                self.0.log(&renamed.build());
            }
            None => self.0.log(record),
        }
    }

    fn flush(&self) {
        self.0.flush();
    }
}

/// Sends the library's events to Python's `logging`, under the names of its modules: `sealock.order.request`.
fn log(py: Python<'_>) -> PyResult<()> {
    // Levels are not cached: a notebook changes them as it goes, and events are few.
    let logger = pyo3_log::Logger::new(py, pyo3_log::Caching::Loggers)?
        .filter(LevelFilter::Warn)
        .filter_target("sealock".into(), LevelFilter::Debug);
    // Where the module is loaded twice, the first logger stays.
    if log::set_boxed_logger(Box::new(OneTree(logger))).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
    Ok(())
}
