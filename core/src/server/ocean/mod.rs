//! The routes of Ocean's own nodes: what an unmodified ocean.js asks of a provider and of an indexer.
//!
//! | method and path | what |
//! |---|---|
//! | `GET /api/services/nonce` | the highest nonce that an account has spent |
//! | `POST /api/services/encrypt` | file objects and descriptions of the node's owner, encrypted to the node |
//! | `POST /api/aquarius/assets/ddo/validate` | checks and signs a description of the owner's |
//! | `GET /api/aquarius/assets/ddo/{did}` | the description of an asset of the owner's |
//! | `GET /api/services/initialize`, `POST …/initializeCompute` | fees to order with |
//! | `GET /api/services/download` | a file, for an order |
//! | `GET /api/services/computeEnvironments` | what computes |
//! | `POST`, `GET`, `PUT /api/services/compute` | starts a job, tells how it is, stops it |
//! | `GET /api/services/computeResult` | what came of it |
//!
//! **Orders of this way show the account.** They have no identity commitment and are in no group: the node sees who asks what,
//! and the chain shows who ordered. They authorise these routes and nothing else. Who wants to be private orders with Sealock.
//!
//! A job is a Sealock program, as SQL or canonical DAG-CBOR, without secrets; it runs under the asset's policy like any other,
//! is counted, charged and receipted in the node's journal, and never sees a row: the answer is one of the protected cube. No
//! container runs.

mod auth;
mod book;
mod catalog;
mod cipher;
mod compute;
mod download;
mod error;
mod fees;
mod fetch;
mod jobs;
mod publish;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State as Shared;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use book::Book;
use cipher::Cipher;
use error::Refusal;
use fetch::{Fetcher, Limits};

use crate::error::Result;
use crate::exchange::Exchange;
use crate::ledger::Ledger;
use crate::ledger::ocean::OceanLedger;
use crate::node::Node;
use crate::owner::Owner;
use crate::time::Timestamp;

const SERVICES: &str = "/api/services";
const AQUARIUS: &str = "/api/aquarius/assets";

/// How the routes of Ocean's clients are set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct OceanOptions {
    /// Hosts of files that may be anywhere, the node's own network included: `name` or `name:port`. All others must be on the
    /// public internet.
    pub allow_hosts: Vec<String>,
    /// The longest file that is fetched from a URL, in bytes.
    pub max_file_bytes: u64,
    /// For how long a file may be fetched, in seconds.
    pub fetch_timeout: u64,
    /// For how many seconds the fees that the node signs can be ordered with.
    pub fee_secs: u64,
    /// Most downloads at a time.
    pub max_downloads: usize,
    /// Most jobs that wait. One more is refused, and spends nothing.
    pub max_queued: usize,
    /// For how many seconds results are kept.
    pub result_retention: u64,
}

impl Default for OceanOptions {
    fn default() -> Self {
        Self {
            allow_hosts: Vec::new(),
            max_file_bytes: 4 << 30,
            fetch_timeout: 600,
            fee_secs: 3600,
            max_downloads: 64,
            max_queued: 256,
            result_retention: 7 * 86_400,
        }
    }
}

impl super::Server {
    /// As [`Server::start`](super::Server::start), and serves Ocean's own clients, too: an unmodified ocean.js finds a provider
    /// and an indexer at the same address. `ledger` is the one of the owner's exchange.
    ///
    /// **Orders of this way show the account**, and the node sees who asks what: see `docs/ocean.md`.
    ///
    /// # Errors
    /// As [`Server::start`](super::Server::start); a database that does not open; another ledger than the exchange's.
    pub fn start_on_ocean(
        owner: impl Into<Arc<Owner>>,
        ledger: Arc<OceanLedger>,
        options: super::ServerOptions,
        ocean: OceanOptions,
    ) -> Result<Self> {
        let owner = owner.into();
        let folder = owner.node().exchange.state().map(std::path::Path::to_owned);
        let state = OceanState::new(Arc::clone(&owner), ledger, folder, ocean)?;
        let held: Arc<dyn Send + Sync> = Arc::clone(&state.0) as _;
        let held = Some(Arc::downgrade(&held));
        let extra = super::routes::Extra { root: root(&state), router: router(state), held };
        Self::start_with(owner, options, extra)
    }
}

/// What the handlers share.
#[derive(Clone)]
pub(crate) struct OceanState(Arc<Inner>);

struct Inner {
    owner: Arc<Owner>,
    ledger: Arc<OceanLedger>,
    options: OceanOptions,
    book: Book,
    cipher: Arc<Cipher>,
    fetcher: Fetcher,
    catalog: catalog::Catalog,
    jobs: jobs::Jobs,
    downloads: Arc<Semaphore>,
    /// Requests that ask the chain or the disk.
    working: Semaphore,
}

impl OceanState {
    /// Takes up the jobs that had not ended. `folder` is where it remembers; in memory, if there is none.
    ///
    /// # Errors
    /// A database that does not open; the owner's exchange on another ledger.
    pub(crate) fn new(
        owner: Arc<Owner>,
        ledger: Arc<OceanLedger>,
        folder: Option<PathBuf>,
        options: OceanOptions,
    ) -> Result<Self> {
        let of = |ledger: &dyn Ledger| (ledger.chain_id(), ledger.address());
        if of(owner.node().exchange.ledger()) != of(&*ledger) {
            let why = "it is not the ledger of the owner's exchange".into();
            return Err(super::ServerError::Option { option: "ledger", why }.into());
        }
        let limits = Limits {
            connect: Duration::from_secs(10),
            answer: Duration::from_secs(30),
            whole: Duration::from_secs(options.fetch_timeout.max(1)),
            bytes: options.max_file_bytes,
        };
        let (jobs, waiting) = jobs::Jobs::new();
        let inner = Arc::new(Inner {
            book: Book::open(folder.as_deref(), owner.address())?,
            cipher: Arc::new(Cipher::of(owner.node().account())),
            fetcher: Fetcher::new(&options.allow_hosts, limits),
            catalog: catalog::Catalog::default(),
            jobs,
            downloads: Arc::new(Semaphore::new(options.max_downloads.max(1))),
            working: Semaphore::new(64),
            owner,
            ledger,
            options,
        });
        inner.take_up()?;
        jobs::work(&inner, waiting)?;
        Ok(Self(inner))
    }

    /// Runs work that blocks.
    async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Inner>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let _turn = self.0.working.acquire().await.map_err(|_| Refusal::busy())?;
        let inner = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.unwrap_or_else(|panic| {
            tracing::error!(%panic, "a request of Ocean's ended with a panic");
            Err(Refusal::failed())
        })
    }
}

impl Inner {
    fn node(&self) -> &Node {
        self.owner.node()
    }

    fn exchange(&self) -> &Exchange {
        &self.node().exchange
    }

    fn now(&self) -> Timestamp {
        self.exchange().clock().now()
    }

    /// Spends a nonce, before anything is done for who signed.
    fn spend(&self, signed: auth::Signed) -> Result<(), Refusal> {
        match self.book.spend(signed)? {
            true => Ok(()),
            false => Err(Refusal::unauthorized(format!("nonce: {} is not a valid nonce", signed.nonce))),
        }
    }
}

/// What Ocean's clients read at the root: who the provider is, and where what is.
pub(crate) fn root(state: &OceanState) -> Map<String, Value> {
    let chain = state.0.ledger.chain_id().to_string();
    let address = state.0.owner.address().to_string();
    let at = |method: &str, path: &str| json!([method, format!("{SERVICES}/{path}")]);
    let endpoints = json!({
        "nonce": at("GET", "nonce"),
        "encrypt": at("POST", "encrypt"),
        "initialize": at("GET", "initialize"),
        "initializeCompute": at("POST", "initializeCompute"),
        "download": at("GET", "download"),
        "computeEnvironments": at("GET", "computeEnvironments"),
        "computeStart": at("POST", "compute"),
        "computeStatus": at("GET", "compute"),
        "computeStop": at("PUT", "compute"),
        "computeResult": at("GET", "computeResult"),
    });
    let root = json!({
        "chainIds": [chain],
        "providerAddress": address,
        "providerAddresses": { chain: address },
        "serviceEndpoints": endpoints,
        "software": "Sealock",
        "version": env!("CARGO_PKG_VERSION"),
    });
    match root {
        Value::Object(root) => root,
        _ => Map::new(),
    }
}

/// The routes.
pub(crate) fn router(state: OceanState) -> Router {
    let services = Router::new()
        .route("/nonce", get(nonce))
        .route("/encrypt", post(publish::encrypt))
        .route("/initialize", get(fees::initialize))
        .route("/initializeCompute", post(fees::initialize_compute))
        .route("/download", get(download::download))
        .route("/computeEnvironments", get(compute::environments))
        .route("/compute", get(compute::status).post(compute::start).put(compute::stop))
        .route("/computeResult", get(compute::result));
    let aquarius = Router::new()
        .route("/ddo/validate", post(publish::validate))
        .route("/ddo/{did}", get(catalog::ddo))
        .route("/metadata/{did}", get(catalog::ddo));
    Router::new().nest(SERVICES, services).nest(AQUARIUS, aquarius).with_state(state)
}

/// The parameters of a request, as texts.
struct Parameters(HashMap<String, String>);

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| Refusal::missing(name))
    }

    /// Who signed a request whose parameters say so.
    fn signed(&self, command: auth::Command) -> Result<auth::Signed, Refusal> {
        auth::Signed::check(command, self.get("consumerAddress"), self.get("nonce"), self.get("signature"))
    }
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Refusal> {
        let query = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let pairs = query.map_err(|_| Refusal::malformed("The query string is malformed"))?.0;
        let count = pairs.len();
        let all: HashMap<_, _> = pairs.into_iter().collect();
        // Of two values, another reader might take the other.
        if all.len() != count {
            return Err(Refusal::malformed("A parameter is there twice"));
        }
        Ok(Self(all))
    }
}

async fn nonce(Shared(state): Shared<OceanState>, parameters: Parameters) -> Result<axum::Json<Value>, Refusal> {
    let who = auth::address("userAddress", parameters.need("userAddress")?)?;
    let nonce = state.block(move |inner| Ok(inner.book.nonce(who)?)).await?;
    Ok(axum::Json(json!({ "nonce": nonce.to_string() })))
}
