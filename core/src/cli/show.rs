//! What a node has: asked of the node that runs on the folder, and else read from the folder.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use serde_json::Value as Json;

use super::CliError;
use super::ask::Asked;
use super::config::Config;
use super::open::Home;
use crate::Address;
use crate::ledger::Amount;
use crate::receipt::{MAX_RECEIPT_BYTES, Receipt, verify_chain};

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

/// A point in time, as RFC 3339 has it.
fn time(value: &Json) -> String {
    let at = value.as_i64().and_then(|secs| chrono::DateTime::from_timestamp(secs, 0));
    at.map_or_else(|| word(value), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string())
}

fn price(price: &Json) -> String {
    let units = || word(&price["units"]).parse::<u128>().ok().map(Amount::from_units);
    match price["type"].as_str() {
        Some("free") => format!("free, at most {} for each account", word(&price["max_per_account"])),
        Some("fixed") => {
            let amount = units().map_or_else(|| word(&price["units"]), |amount| amount.to_string());
            format!("{amount} of {}", word(&price["base_token"]))
        }
        _ => "not on offer".into(),
    }
}

pub(super) fn assets(config: &Config) -> Result<(), CliError> {
    let asked = Asked::new(config)?;
    let answer = asked.json("/api/assets")?;
    let mut out = std::io::stdout().lock();
    if rows(&answer, "").is_empty() {
        eprintln!("no assets of {}", asked.who());
    }
    for asset in rows(&answer, "") {
        writeln!(out, "{}  {}", word(&asset["did"]), word(&asset["name"]))?;
        writeln!(
            out,
            "  {}, orders {}, jobs {}, hides among {}, price {}",
            word(&asset["kind"]),
            word(&asset["orders"]),
            word(&asset["jobs_admitted"]),
            word(&asset["crowd"]),
            price(&asset["price"])
        )?;
        let micros = |name: &str| asset[name].as_u64().map(|n| n as f64 / 1e6);
        if let (Some(spent), Some(limit)) = (micros("epsilon_spent_micros"), micros("epsilon_limit_micros")) {
            writeln!(out, "  privacy budget: {spent} of {limit} spent")?;
        }
    }
    Ok(())
}

pub(super) fn jobs(config: &Config) -> Result<(), CliError> {
    let asked = Asked::new(config)?;
    let answer = asked.json("/api/jobs")?;
    let mut out = std::io::stdout().lock();
    if rows(&answer, "jobs").is_empty() {
        eprintln!("no jobs that are not complete, of {}", asked.who());
    }
    for job in rows(&answer, "jobs") {
        let (job, state, since) = (&job["job"], &job["state"], &job["since"]);
        writeln!(out, "{}  {}  since {}", word(job), word(state), time(since))?;
    }
    for refusal in rows(&answer, "refusals") {
        let (at, kind, reason) = (&refusal["at"], &refusal["kind"], &refusal["reason"]);
        writeln!(out, "refused at {}: {}: {}", time(at), word(kind), word(reason))?;
    }
    Ok(())
}

pub(super) fn receipts(config: &Config) -> Result<(), CliError> {
    let asked = Asked::new(config)?;
    let mut out = std::io::stdout().lock();
    let mut from = 0;
    loop {
        let answer = asked.json(format!("/api/receipts?from={from}"))?;
        let page = rows(&answer, "receipts");
        for receipt in page {
            let (number, job, at) = (&receipt["number"], &receipt["job"], &receipt["released_at"]);
            let verified = if receipt["verified"] == true { "verifies" } else { "DOES NOT VERIFY" };
            writeln!(out, "{}  {}  released {}  {verified}", word(number), word(job), time(at))?;
        }
        if page.is_empty() {
            if from == 0 {
                eprintln!("no receipts of {}", asked.who());
            }
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
        None => Home::address(config)?,
    };
    for path in files {
        let failed = |source| CliError::File { path: path.clone(), source };
        let mut bytes = Vec::new();
        let mut reader = File::open(path).map_err(failed)?.take(MAX_RECEIPT_BYTES as u64 + 1);
        reader.read_to_end(&mut bytes).map_err(failed)?;
        let verified = Receipt::from_bytes(&bytes).and_then(|receipt| receipt.verify(owner).map(|()| receipt));
        let receipt = verified.map_err(|e| CliError::In { path: path.clone(), error: e.into() })?;
        println!("{}: receipt {} of {owner} stands", path.display(), receipt.statement().number);
    }
    Ok(())
}

/// Nobody's word is taken for anything: the receipts themselves are checked here.
fn verify_own(config: &Config, owner: Option<Address>) -> Result<(), CliError> {
    let asked = Asked::new(config)?;
    let signer = asked.address();
    if let Some(owner) = owner.filter(|owner| *owner != signer) {
        let folder = config.folder.display();
        return Err(CliError::Usage(format!("{folder} is the folder of {signer}, not of {owner}")));
    }
    let total = asked.json("/api/receipts?limit=1")?["total"].as_u64().unwrap_or(0);
    let receipts = (0..total).map(|number| {
        let bytes = asked.bytes(format!("/api/receipts/{number}"), MAX_RECEIPT_BYTES)?;
        Ok(Receipt::from_bytes(&bytes)?)
    });
    let receipts = receipts.collect::<Result<Vec<_>, CliError>>()?;
    verify_chain(signer, &receipts)?;
    println!("{} receipts stand, of {}", receipts.len(), asked.who());
    Ok(())
}
