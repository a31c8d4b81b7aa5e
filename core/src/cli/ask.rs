//! Who answers for a folder: the node that runs on it, or the folder itself.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::CliError;
use super::config::Config;
use super::open::Home;
use crate::Address;
use crate::error::ErrorKind;
use crate::protocol::NodeInfo;
use crate::remote::{Ask, Http, RemoteError, RemoteOptions};
use crate::server::{Server, ServerOptions};

/// What a node that runs leaves in its folder, for whoever looks for it.
const FILE: &str = "serving.json";
/// The longest answer of a node's own page, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// A node that runs on a folder, as it says there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Serving {
    /// Whose it is.
    pub address: String,
    /// Where clients reach it.
    pub url: String,
    /// Where its owner does.
    pub admin: Option<String>,
}

impl Serving {
    fn of(server: &Server) -> Self {
        Self { address: server.owner().address().to_string(), url: server.url(), admin: server.admin_url() }
    }

    /// What is written in the folder, if anything. A node that was killed leaves it there.
    pub fn read(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()
    }
}

/// Says in the folder where the node is, as long as it is held.
pub(super) struct Announced(PathBuf, pub Serving);

impl Announced {
    pub fn new(folder: &Path, server: &Server) -> Result<Self, CliError> {
        let (path, serving) = (folder.join(FILE), Serving::of(server));
        let failed = |source| CliError::File { path: path.clone(), source };
        // Whoever reads it finds all of it.
        let part = folder.join(format!("{FILE}.part"));
        std::fs::write(&part, serde_json::to_vec(&serving).expect("text is JSON")).map_err(failed)?;
        std::fs::rename(part, &path).map_err(failed)?;
        Ok(Self(path, serving))
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whoever answers what the owner asks.
pub(super) struct Asked {
    http: Http,
    token: Option<String>,
    address: Address,
    /// Where it runs; nothing for a folder on which none does.
    running: Option<String>,
    /// The page of a node that nobody else reaches.
    _own: Option<Server>,
}

impl Asked {
    /// The node that runs on the folder, if one does, or else the folder. Another node at the same place is neither.
    pub fn new(config: &Config) -> Result<Self, CliError> {
        if let Some(serving) = Serving::read(&config.folder)
            && let Some(running) = Self::running(config, &serving)?
        {
            return Ok(running);
        }
        let home = Home::open(config)?;
        let mut options = ServerOptions::loopback();
        options.result_retention = config.server.result_retention;
        // Nothing is worked on for being looked at. And other users of this machine see nothing of it meanwhile.
        let token = hex::encode(one_time_token()?);
        options.admin_token = Some(token.clone());
        let address = home.owner.address();
        let server = Server::paused(home.owner, options)?;
        let http = http(&server.admin_url().unwrap_or_default())?;
        Ok(Self { http, token: Some(token), address, running: None, _own: Some(server) })
    }

    fn running(config: &Config, serving: &Serving) -> Result<Option<Self>, CliError> {
        let (Some(admin), Ok(address)) = (&serving.admin, serving.address.parse()) else { return Ok(None) };
        let token = config.server.admin_token.clone();
        let asked = Self { http: http(admin)?, token, address, running: Some(serving.url.clone()), _own: None };
        // Without the token: if the one that wrote it was killed, whoever answers there now is somebody else.
        let says: Result<NodeInfo, _> = asked.http.json(&Ask::root("whose it is", "/api/node"));
        Ok(says.is_ok_and(|info| info.address == address).then_some(asked))
    }

    /// Whose it is.
    pub fn address(&self) -> Address {
        self.address
    }

    /// Who it is, in words that follow "of".
    pub fn who(&self) -> String {
        match &self.running {
            Some(url) => format!("{}, whose node runs at {url}", self.address),
            None => format!("{}, whose node does not run", self.address),
        }
    }

    fn ask(&self, path: impl Into<String>) -> Ask<'static> {
        let ask = Ask::root("for what it has", path);
        match &self.token {
            Some(token) => ask.header("Authorization", format!("Bearer {token}")),
            None => ask,
        }
    }

    /// A part of the page.
    pub fn json(&self, path: impl Into<String>) -> Result<Json, CliError> {
        self.http.json_within(&self.ask(path), MAX_ANSWER).map_err(explained)
    }

    /// A file.
    pub fn bytes(&self, path: impl Into<String>, limit: usize) -> Result<Vec<u8>, CliError> {
        self.http.bytes(&self.ask(path), limit as u64).map_err(explained)
    }
}

fn one_time_token() -> Result<[u8; 32], CliError> {
    let mut token = [0; 32];
    getrandom::fill(&mut token).map_err(|e| CliError::Usage(format!("no random numbers: {e}")))?;
    Ok(token)
}

fn http(url: &str) -> Result<Http, CliError> {
    Ok(Http::new(url, &RemoteOptions::default())?)
}

fn explained(error: RemoteError) -> CliError {
    match error {
        RemoteError::Refused { who, kind: ErrorKind::NotAuthorized, detail, .. } => CliError::Usage(format!(
            "the node at {who} refused: {detail}\n  give its server.admin_token: in the configuration, by \
             SEALOCK_NODE_SERVER__ADMIN_TOKEN or by --set server.admin_token=…"
        )),
        error => error.into(),
    }
}
