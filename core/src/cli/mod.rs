//! The command `sealock-node`.
//!
//! `init` makes a node's folder, `offer` drafts an offer for a table, `publish` puts the table on offer, `serve` runs the node;
//! `assets`, `jobs` and `receipts` show what there is, of the node that runs on the folder or of the folder; `config` shows
//! every setting and where it comes from.

mod ask;
mod config;
mod offer;
mod open;
mod show;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use figment::value::Value;

use crate::error::Error;
use crate::fhe::Device;
use crate::server::Server;
use ask::Announced;
use config::{Config, Configured, FILE, LogFormat, TEMPLATE};
use open::Home;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("the configuration: {0}")]
    Config(String),
    #[error("{0}")]
    Usage(String),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Sealock(#[from] Error),
    #[error("{path}: {error}")]
    In { path: PathBuf, error: Error },
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

macro_rules! via_sealock {
    ($($error:ty),+) => {
        $(impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                CliError::Sealock(error.into())
            }
        })+
    };
}
via_sealock!(
    crate::asset::AssetError,
    crate::account::AccountError,
    crate::exchange::ExchangeError,
    crate::keystore::KeyStoreError,
    crate::ledger::LedgerError,
    crate::policy::PolicyError,
    crate::receipt::ReceiptError,
    crate::remote::RemoteError,
    crate::store::StoreError
);

/// A Sealock compute node.
#[derive(Parser)]
#[command(name = "sealock-node", version, about, max_term_width = 100)]
struct Command {
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Args)]
struct Settings {
    /// The configuration file. Without it, sealock-node.toml in the folder, if it is there.
    #[arg(long, global = true, env = "SEALOCK_NODE_CONFIG")]
    config: Option<PathBuf>,
    /// The node's folder: keys, journal, ledger, blocks. [default: sealock-node]
    #[arg(long, global = true)]
    folder: Option<PathBuf>,
    /// Where clients reach the node.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Where its owner does.
    #[arg(long, global = true, value_name = "ADDRESS:PORT")]
    admin_listen: Option<String>,
    /// What is logged.
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
    /// How it looks: text or json.
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
    /// Any other setting, for instance server.workers=4. May be given several times.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a node's folder: an account in a key store, and a configuration file.
    Init {
        /// A file with the account's secret key in hexadecimal; a new account without.
        #[arg(long, value_name = "FILE")]
        account: Option<PathBuf>,
    },
    /// Run the node until it is told to stop (SIGINT, SIGTERM).
    Serve,
    /// Draft an offer for a table, on standard output: every field, a schema proposed from the data, and a policy that allows
    /// nothing yet.
    Offer {
        /// The table, as CSV with a header.
        data: PathBuf,
    },
    /// Put a table on offer.
    Publish {
        /// The table: CSV or Parquet.
        data: PathBuf,
        /// The offer, as JSON: name, description, schema, policy, terms. `sealock-node offer` drafts one.
        #[arg(long, value_name = "FILE")]
        offer: PathBuf,
        /// Publish although there is an asset of this name.
        #[arg(long)]
        again: bool,
    },
    /// The node's assets, and what has become of each.
    Assets,
    /// Jobs that are not complete, and the latest refusals.
    Jobs,
    /// What the node has signed.
    #[command(subcommand)]
    Receipts(ReceiptsVerb),
    /// Every setting, its value and where it comes from.
    Config,
}

#[derive(Subcommand)]
enum ReceiptsVerb {
    /// Check the whole chain: every signature, every number, every link. Or check receipts that were handed over.
    Verify {
        /// Files of single receipts. Nothing but the files is read if --owner is given as well.
        files: Vec<PathBuf>,
        /// Who must have signed them: an address, this node's without.
        #[arg(long)]
        owner: Option<String>,
    },
    /// List them.
    List,
}

/// Runs the command, and returns its exit status: 0, 1 for what failed, 2 for what was asked wrongly.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Command::try_parse_from(arguments) {
        Ok(command) => command,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(e.exit_code() as u8);
        }
    };
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("sealock-node: {e}");
            let hint = match &e {
                CliError::Sealock(error) | CliError::In { error, .. } => error.hint(),
                _ => None,
            };
            if let Some(hint) = hint {
                eprintln!("  {hint}");
            }
            ExitCode::from(if matches!(e, CliError::Usage(_) | CliError::Config(_)) { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<(), CliError> {
    let Command { settings, verb } = command;
    let configured = Configured::read(settings.config.clone(), settings.flags()?)?;
    let config = &configured.config;
    match verb {
        Verb::Config => explain(&configured),
        Verb::Init { account } => init(config, settings.config.as_deref(), account.as_deref()),
        Verb::Serve => serve(config),
        Verb::Offer { data } => offer::draft(&data),
        Verb::Publish { data, offer, again } => offer::publish(config, &data, &offer, again),
        Verb::Assets => show::assets(config),
        Verb::Jobs => show::jobs(config),
        Verb::Receipts(ReceiptsVerb::List) => show::receipts(config),
        Verb::Receipts(ReceiptsVerb::Verify { files, owner }) => show::verify(config, &files, owner.as_deref()),
    }
}

impl Settings {
    fn flags(&self) -> Result<BTreeMap<String, Value>, CliError> {
        let mut flags = BTreeMap::new();
        let named = [
            ("folder", self.folder.as_ref().map(|path| path.display().to_string())),
            ("server.listen", self.listen.clone()),
            ("server.admin_listen", self.admin_listen.clone()),
            ("log", self.log.clone()),
            ("log_format", self.log_format.clone()),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                flags.insert(name.to_owned(), Value::from(value));
            }
        }
        for pair in &self.set {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| CliError::Usage(format!("--set {pair}: expected KEY=VALUE")))?;
            // As the environment's values are read: numbers, truth values, lists and tables as TOML has them.
            let value: Value = match key {
                // It may consist of digits.
                "server.admin_token" => Value::from(value),
                _ => value.parse().unwrap_or_else(|_| Value::from(value)),
            };
            flags.insert(key.to_owned(), value);
        }
        Ok(flags)
    }
}

fn explain(configured: &Configured) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    for (key, value, origin) in configured.explain()? {
        writeln!(out, "{key:<32} {value:<40} {origin}")?;
    }
    Ok(())
}

fn init(config: &Config, file: Option<&Path>, account: Option<&Path>) -> Result<(), CliError> {
    let folder = config.folder.display();
    let address = Home::create(config, account)?;
    println!("account {address}");
    println!("folder {folder}");
    match file {
        Some(file) => println!("configuration {}", file.display()),
        None => {
            let file = config.folder.join(FILE);
            let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&file);
            match made.and_then(|mut out| out.write_all(TEMPLATE.as_bytes())) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(CliError::File { path: file, source }),
            }
            println!("configuration {}", file.display());
        }
    }
    println!(
        "back up {folder}/keys.age and its passphrase once; {folder}/ledger.redb, {folder}/store and {folder}/state, while the \
         node is stopped, as often as you can bear to lose what came since: orders, spent uses and receipts are in them"
    );
    Ok(())
}

fn serve(config: &Config) -> Result<(), CliError> {
    log(config)?;
    let device: Device = config.device.parse().map_err(|e| CliError::Config(format!("device: {e}")))?;
    let home = Home::open(config)?;
    home.owner.node().set_device(device)?;
    tracing::info!(%device, "jobs are computed");
    let server = start(home, config)?;
    server.stop_on_signals();
    let announced = Announced::new(&config.folder, &server)?;
    // For whoever has started it: where it is, once it is there.
    println!("{}", serde_json::to_string(&announced.1).expect("text is JSON"));
    std::io::stdout().flush()?;
    server.wait();
    Ok(())
}

/// On Ocean's contracts, Ocean's own clients are served, too.
fn start(home: Home, config: &Config) -> Result<Server, CliError> {
    #[cfg(feature = "ocean")]
    if let Some(ledger) = home.ocean {
        let routes = config.ocean.routes.clone();
        return Ok(Server::start_on_ocean(home.owner, ledger, config.server.clone(), routes)?);
    }
    Ok(Server::start(home.owner, config.server.clone())?)
}

fn log(config: &Config) -> Result<(), CliError> {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_new(&config.log).map_err(|e| CliError::Config(format!("log: {e}")))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The `log` crate is left alone: in a Python process, that is Python's.
    let set = match config.log_format {
        LogFormat::Text => tracing::subscriber::set_global_default(subscriber.with_ansi(false).finish()),
        LogFormat::Json => tracing::subscriber::set_global_default(subscriber.json().finish()),
    };
    set.map_err(|e| CliError::Usage(e.to_string()))
}
