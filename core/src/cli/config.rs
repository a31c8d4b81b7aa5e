//! The configuration of a node: by file, environment and flags, in rising order of weight.

use std::collections::BTreeMap;
use std::path::PathBuf;

use figment::providers::{Env, Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};
use serde::{Deserialize, Serialize};

use super::CliError;
use crate::fhe::Device;
use crate::server::ServerOptions;

/// What environment variables begin with; a double underscore leads into a table: `SEALOCK_NODE_SERVER__WORKERS`.
pub(super) const PREFIX: &str = "SEALOCK_NODE_";
/// The file that is read from the node's folder if no other is named.
pub(super) const FILE: &str = "sealock-node.toml";
/// What is not shown.
const SECRETS: [&str; 2] = ["server.admin_token", "ocean.url"];

/// Where blocks are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StoreKind {
    /// In the folder.
    #[default]
    Disk,
    /// In an IPFS node.
    Ipfs,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// An IPFS node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ipfs {
    /// Multiaddresses to listen at; loopback if empty.
    pub listen: Vec<String>,
}

/// Ocean Protocol's contracts, if the ledger is there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ocean {
    /// The JSON-RPC of a node of the chain. Empty for the embedded ledger.
    pub url: String,
    /// Ocean's file of addresses (`address.json`).
    pub addresses: Option<PathBuf>,
    /// The routes of Ocean's own clients.
    #[cfg(feature = "ocean")]
    pub routes: crate::server::OceanOptions,
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    /// The node's folder: keys, journal, ledger, blocks.
    pub folder: PathBuf,
    /// A file whose first line is the passphrase of the key store. Otherwise the variable `SEALOCK_PASSPHRASE` has it.
    pub passphrase_file: Option<PathBuf>,
    /// What is logged: `error`, `warn`, `info`, `debug`, or as of `tracing_subscriber`'s `EnvFilter`.
    pub log: String,
    /// How it looks.
    pub log_format: LogFormat,
    /// What computes: `cpu`, `cuda:0` or another number, or `auto` for the first GPU that can be used.
    pub device: String,
    /// Where blocks are.
    pub store: StoreKind,
    /// The IPFS node, if blocks are there.
    pub ipfs: Ipfs,
    /// Ocean's contracts, if the ledger is there.
    pub ocean: Ocean,
    /// The server.
    pub server: ServerOptions,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: "sealock-node".into(),
            passphrase_file: None,
            log: "info".into(),
            log_format: LogFormat::default(),
            device: Device::default().to_string(),
            store: StoreKind::default(),
            ipfs: Ipfs::default(),
            ocean: Ocean::default(),
            server: ServerOptions::default(),
        }
    }
}

/// Values from the command line.
pub(super) struct Flags(pub BTreeMap<String, Value>);

impl Provider for Flags {
    fn metadata(&self) -> Metadata {
        Metadata::named("flag").interpolater(|_, keys| match keys.join(".").as_str() {
            "server.listen" => "--listen".into(),
            "server.admin_listen" => "--admin-listen".into(),
            key @ ("folder" | "log" | "log_format") => format!("--{}", key.replace('_', "-")),
            key => format!("--set {key}"),
        })
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let mut dict = Dict::new();
        for (path, value) in &self.0 {
            insert(&mut dict, path, value.clone());
        }
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// Puts a value where a path with dots leads.
fn insert(dict: &mut Dict, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            dict.insert(path.into(), value);
        }
        Some((first, rest)) => {
            let inner = dict.entry(first.into()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

/// A configuration, and where each of its values comes from.
pub(super) struct Configured {
    pub config: Config,
    figment: Figment,
}

impl Configured {
    /// Reads the file, if there is one, the environment and the flags.
    ///
    /// # Errors
    /// [`CliError::Config`] for what is not there, or not of the kind that is expected.
    pub fn read(file: Option<PathBuf>, flags: BTreeMap<String, Value>) -> Result<Self, CliError> {
        // SEALOCK_NODE_CONFIG names the file itself.
        let env = || Env::prefixed(PREFIX).ignore(&["config"]).split("__");
        let without_file =
            Figment::from(Serialized::defaults(Config::default())).merge(env()).merge(Flags(flags.clone()));
        let path = match file {
            Some(path) if !path.is_file() => {
                return Err(CliError::Config(format!("there is no file {}", path.display())));
            }
            Some(path) => path,
            None => without_file.extract_inner::<PathBuf>("folder").map_err(wrong)?.join(FILE),
        };
        let mut figment = Figment::from(Serialized::defaults(Config::default()));
        if path.is_file() {
            figment = figment.merge(Toml::file_exact(path));
        }
        let figment = figment.merge(env()).merge(Flags(flags));
        let mut config: Config = figment.extract().map_err(wrong)?;
        // A file names others as seen from where it is.
        let Config { passphrase_file, ocean, server, .. } = &mut config;
        let named = [
            ("passphrase_file", passphrase_file),
            ("ocean.addresses", &mut ocean.addresses),
            ("server.tls_certificate", &mut server.tls_certificate),
            ("server.tls_key", &mut server.tls_key),
        ];
        for (key, path) in named {
            let source = figment.find_metadata(key).and_then(|metadata| metadata.source.as_ref());
            if let (Some(Source::File(file)), Some(path)) = (source, path)
                && let Some(folder) = file.parent()
            {
                *path = folder.join(&*path);
            }
        }
        Ok(Self { config, figment })
    }

    /// Every value and its origin, one a line.
    pub fn explain(&self) -> Result<Vec<(String, String, String)>, CliError> {
        let value = Value::serialize(&self.config).map_err(wrong)?;
        let mut lines = Vec::new();
        leaves(&value, String::new(), &mut |path, value| {
            let origin = self.figment.find_metadata(&path).map_or_else(|| "default".into(), origin);
            let shown = if SECRETS.contains(&path.as_str()) && value != "none" && !value.is_empty() {
                "(not shown)".into()
            } else {
                value
            };
            lines.push((path, shown, origin));
        });
        Ok(lines)
    }
}

fn origin(metadata: &Metadata) -> String {
    match &metadata.source {
        Some(Source::File(path)) => path.display().to_string(),
        Some(Source::Code(_)) => "default".into(),
        _ if metadata.name.contains("environment") => "environment".into(),
        _ => metadata.name.to_string(),
    }
}

fn leaves(value: &Value, path: String, tell: &mut impl FnMut(String, String)) {
    match value {
        Value::Dict(_, inner) if !inner.is_empty() => {
            for (name, value) in inner {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(value, path, tell);
            }
        }
        Value::Dict(..) => tell(path, "{}".into()),
        Value::Empty(..) => tell(path, "none".into()),
        Value::Array(_, all) => {
            let shown: Vec<_> = all.iter().map(text).collect();
            tell(path, format!("[{}]", shown.join(", ")));
        }
        other => tell(path, text(other)),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(_, text) => text.clone(),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Char(_, c) => c.to_string(),
        Value::Num(_, number) => {
            let whole = number.to_u128().map(|n| n.to_string()).or_else(|| number.to_i128().map(|n| n.to_string()));
            whole.unwrap_or_else(|| number.to_f64().unwrap_or_default().to_string())
        }
        other => format!("{other:?}"),
    }
}

fn wrong(error: figment::Error) -> CliError {
    let all: Vec<_> = error.into_iter().map(|e| e.to_string()).collect();
    CliError::Config(all.join("; "))
}

/// The file that `init` writes.
pub(super) const TEMPLATE: &str = r#"# A Sealock compute node. Every value can also be set by a variable such as SEALOCK_NODE_SERVER__WORKERS=4, or by a flag
# such as --set server.workers=4; `sealock-node config` shows each and where it comes from.

# passphrase_file = "passphrase"  # its first line; without, the variable SEALOCK_PASSPHRASE has it
log = "info"
log_format = "text" # or "json"

[server]
listen = "127.0.0.1:8030"       # where clients reach it
admin_listen = "127.0.0.1:8031" # where you do: the page, metrics
# admin_token = "at least 16 characters" # what you show there, as a bearer token
# tls_certificate = "fullchain.pem"
# tls_key = "key.pem"
# workers = 0                   # one per core
# max_queued = 1000
# executors = ["0x…"]        # whose results on sealed data are taken
# result_retention = 604800     # seconds

# [ocean]                       # Ocean Protocol's contracts in place of a ledger of your own
# url = "http://127.0.0.1:8545"
# addresses = "address.json"
"#;
