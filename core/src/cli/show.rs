//! What a node has: asked of the node if it runs, and else read from its folder.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value as Json;

use super::CliError;
use super::config::Config;
use super::open::Home;
use crate::Address;
use crate::asset::{Schema, Table, Terms};
use crate::ledger::Amount;
use crate::owner::Offer;
use crate::policy::Policy;
use crate::receipt::{MAX_RECEIPT_BYTES, Receipt, verify_chain};
use crate::server::{Server, ServerOptions};

/// The longest answer of a node's own page, in bytes.
const MAX_ANSWER: u64 = 64 << 20;

/// An offer, as a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfferFile {
    name: String,
    description: Option<String>,
    author: Option<String>,
    license: Option<String>,
    symbol: Option<String>,
    endpoint: Option<String>,
    #[serde(default)]
    tags: Vec<String>,
    /// Left out, it is inferred from the data: columns without roles.
    schema: Option<Schema>,
    policy: Policy,
    terms: TermsFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermsFile {
    price: PriceFile,
    #[serde(default = "one")]
    uses_per_order: u64,
    #[serde(default = "month")]
    valid_for: u64,
    epoch: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum PriceFile {
    /// Given away.
    Free {
        /// How many datatokens an account may have.
        max_per_account: u64,
    },
    /// Sold.
    Fixed {
        /// The token to pay with, as `0x…`.
        base_token: String,
        /// How much of it one datatoken costs, in whole tokens, as text.
        amount: String,
    },
}

fn one() -> u64 {
    1
}

fn month() -> u64 {
    30 * 86_400
}

pub(super) fn publish(config: &Config, data: &Path, offer: &Path) -> Result<(), CliError> {
    let file = |path: &Path| {
        let path = path.to_path_buf();
        move |source| CliError::File { path, source }
    };
    let text = std::fs::read_to_string(offer).map_err(file(offer))?;
    let offered: OfferFile =
        serde_json::from_str(&text).map_err(|e| CliError::Usage(format!("{}: {e}", offer.display())))?;
    let is_parquet = data.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"));
    let schema = match offered.schema {
        Some(schema) => schema,
        None if is_parquet => {
            return Err(CliError::Usage("the offer has no schema, which is inferred from CSV alone".into()));
        }
        None => Schema::infer_csv(File::open(data).map_err(file(data))?)?,
    };
    let loader = Table::loader(schema);
    let table = if is_parquet { loader.parquet_file(data)? } else { loader.csv_file(data)? };
    let mut terms = match offered.terms.price {
        PriceFile::Free { max_per_account } => Terms::free(max_per_account),
        PriceFile::Fixed { base_token, amount } => {
            Terms::fixed(base_token.parse::<Address>()?, amount.parse::<Amount>()?)
        }
    }
    .uses_per_order(offered.terms.uses_per_order)
    .valid_for(offered.terms.valid_for);
    if let Some(epoch) = offered.terms.epoch {
        terms = terms.renewed_every(epoch);
    }
    let mut offer = Offer::new(offered.name, &table, offered.policy, terms).tags(offered.tags);
    type Setter = for<'a> fn(Offer<'a>, String) -> Offer<'a>;
    let texts: [(Option<String>, Setter); 5] = [
        (offered.description, |offer, text| offer.description(text)),
        (offered.author, |offer, text| offer.author(text)),
        (offered.license, |offer, text| offer.license(text)),
        (offered.symbol, |offer, text| offer.symbol(text)),
        (offered.endpoint, |offer, text| offer.endpoint(text)),
    ];
    for (text, set) in texts {
        offer = match text {
            Some(text) => set(offer, text),
            None => offer,
        };
    }
    let home = Home::open(config)?;
    let published = home.owner.publish(&offer)?;
    let suppression = published.suppression;
    println!("{}", published.asset.did());
    println!("  data NFT {}, {} bytes in the store", published.asset.nft(), published.sealed_bytes);
    println!("  {} of {} rows are withheld, in groups too small", suppression.suppressed_rows, suppression.rows);
    Ok(())
}

/// What the node's page shows, from the node itself if it runs.
fn ask(config: &Config, path: &str) -> Result<Json, CliError> {
    if let Some(answer) = running(config, path)? {
        return Ok(answer);
    }
    // The page of a node that nobody reaches.
    let home = Home::open(config)?;
    let mut options = ServerOptions::loopback();
    options.result_retention = config.server.result_retention;
    // Nothing is worked on for being looked at.
    let server = Server::paused(home.owner, options)?;
    let url = server.admin_url().unwrap_or_default();
    get(&format!("{}{path}", url.trim_end_matches('/')), None)
}

fn running(config: &Config, path: &str) -> Result<Option<Json>, CliError> {
    let Some(admin) = config.server.admin_listen else { return Ok(None) };
    if std::net::TcpStream::connect_timeout(&admin, std::time::Duration::from_millis(500)).is_err() {
        return Ok(None);
    }
    get(&format!("http://{admin}{path}"), config.server.admin_token.as_deref()).map(Some)
}

fn running_bytes(config: &Config, path: &str) -> Result<Vec<u8>, CliError> {
    let admin = config.server.admin_listen.ok_or_else(|| CliError::Usage("no node runs".into()))?;
    fetch(&format!("http://{admin}{path}"), config.server.admin_token.as_deref())
}

fn get(url: &str, token: Option<&str>) -> Result<Json, CliError> {
    serde_json::from_slice(&fetch(url, token)?).map_err(|e| CliError::Usage(format!("{url}: {e}")))
}

fn fetch(url: &str, token: Option<&str>) -> Result<Vec<u8>, CliError> {
    let failed = |why: String| CliError::Usage(format!("{url}: {why}"));
    let agent = ureq::Agent::new_with_config(ureq::Agent::config_builder().max_redirects(0).build());
    let mut request = agent.get(url);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    let mut response = request.call().map_err(|e| failed(e.to_string()))?;
    response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec().map_err(|e| failed(e.to_string()))
}

fn word(value: &Json) -> String {
    match value {
        Json::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        Json::Null => "-".into(),
        other => other.to_string(),
    }
}

fn rows<'a>(answer: &'a Json, name: &str) -> &'a [Json] {
    let list = if name.is_empty() { Some(answer) } else { answer.get(name) };
    list.and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn assets(config: &Config) -> Result<(), CliError> {
    let answer = ask(config, "/api/assets")?;
    let mut out = std::io::stdout().lock();
    for asset in rows(&answer, "") {
        writeln!(out, "{}  {}", word(&asset["did"]), word(&asset["name"]))?;
        writeln!(
            out,
            "  {}, orders {}, jobs {}, hides among {}, price {}",
            word(&asset["kind"]),
            word(&asset["orders"]),
            word(&asset["jobs_admitted"]),
            word(&asset["crowd"]),
            word(&asset["price"])
        )?;
        let micros = |name: &str| asset[name].as_u64().map(|n| n as f64 / 1e6);
        if let (Some(spent), Some(limit)) = (micros("epsilon_spent_micros"), micros("epsilon_limit_micros")) {
            writeln!(out, "  privacy budget: {spent} of {limit} spent")?;
        }
    }
    Ok(())
}

pub(super) fn jobs(config: &Config) -> Result<(), CliError> {
    let answer = ask(config, "/api/jobs")?;
    let mut out = std::io::stdout().lock();
    for job in rows(&answer, "jobs") {
        let (job, state, since) = (&job["job"], &job["state"], &job["since"]);
        writeln!(out, "{}  {}  since {}", word(job), word(state), word(since))?;
    }
    for refusal in rows(&answer, "refusals") {
        let (at, kind, reason) = (&refusal["at"], &refusal["kind"], &refusal["reason"]);
        writeln!(out, "refused at {}: {}: {}", word(at), word(kind), word(reason))?;
    }
    Ok(())
}

pub(super) fn receipts(config: &Config) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let mut from = 0;
    loop {
        let answer = ask(config, &format!("/api/receipts?from={from}"))?;
        let page = rows(&answer, "receipts");
        for receipt in page {
            let (number, job, at) = (&receipt["number"], &receipt["job"], &receipt["released_at"]);
            let verified = if receipt["verified"] == true { "verifies" } else { "DOES NOT VERIFY" };
            writeln!(out, "{}  {}  released {}  {verified}", word(number), word(job), word(at))?;
        }
        if page.is_empty() {
            return Ok(());
        }
        from += page.len();
    }
}

/// Checks receipts that were handed over, or the node's whole chain.
pub(super) fn verify(config: &Config, files: &[PathBuf], owner: Option<&str>) -> Result<(), CliError> {
    let owner: Option<Address> =
        owner.map(|text| text.parse().map_err(|_| CliError::Usage(format!("{text:?} is no address")))).transpose()?;
    if files.is_empty() {
        return verify_own(config, owner);
    }
    let owner = match owner {
        Some(owner) => owner,
        None => Home::open(config)?.owner.address(),
    };
    for path in files {
        let failed = |source| CliError::File { path: path.clone(), source };
        let mut bytes = Vec::new();
        let mut reader = std::io::Read::take(File::open(path).map_err(failed)?, MAX_RECEIPT_BYTES as u64 + 1);
        std::io::Read::read_to_end(&mut reader, &mut bytes).map_err(failed)?;
        let receipt = Receipt::from_bytes(&bytes)?;
        receipt.verify(owner)?;
        println!("{}: receipt {} of {owner} stands", path.display(), receipt.statement().number);
    }
    Ok(())
}

fn verify_own(config: &Config, owner: Option<Address>) -> Result<(), CliError> {
    if let Some(overview) = running(config, "/api/overview")? {
        let says = word(&overview["node"]["address"]);
        let signer: Address = says.parse().map_err(|_| CliError::Usage(format!("the node that runs says {says:?}")))?;
        if let Some(owner) = owner.filter(|owner| *owner != signer) {
            return Err(CliError::Usage(format!("the node that runs at admin_listen is {signer}'s, not {owner}'s")));
        }
        // Its word is taken for nothing but its name: the receipts themselves are checked here.
        let total = running(config, "/api/receipts?limit=1")?.and_then(|answer| answer["total"].as_u64()).unwrap_or(0);
        let mut receipts = Vec::new();
        for number in 0..total {
            receipts.push(Receipt::from_bytes(&running_bytes(config, &format!("/api/receipts/{number}"))?)?);
        }
        verify_chain(signer, &receipts)?;
        println!("{total} receipts of {signer}, whose node runs at admin_listen, stand");
        return Ok(());
    }
    let home = Home::open(config)?;
    let owner = owner.unwrap_or_else(|| home.owner.address());
    let receipts = home.owner.node().receipts()?;
    verify_chain(owner, &receipts)?;
    println!("{} receipts of {owner} stand", receipts.len());
    Ok(())
}
