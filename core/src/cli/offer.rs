//! Offers: drafted, and published.

use std::fs::File;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::CliError;
use super::config::Config;
use super::open::Home;
use crate::Address;
use crate::asset::{Schema, Table, Terms};
use crate::ledger::Amount;
use crate::owner::Offer;
use crate::policy::Policy;
use crate::program::Aggregation;

const PRICES: &str =
    r#"{"free": {"max_per_account": 1}}, or {"fixed": {"base_token": "0x…", "amount": "2.5"}} in whole tokens"#;
/// For how long an order is good if nothing is said, in seconds.
const MONTH: u64 = 30 * 86_400;
const PER_ACCOUNT: u64 = 1;
/// What a description may have, in characters.
const DESCRIPTION: std::ops::RangeInclusive<usize> = 10..=7000;

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
    schema: Schema,
    /// What it leaves out is as [`Policy::deny_all`] has it.
    policy: serde_json::Map<String, Json>,
    terms: TermsFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermsFile {
    price: Json,
    #[serde(default = "one")]
    uses_per_order: u64,
    #[serde(default = "month")]
    valid_for: u64,
    epoch: Option<u64>,
}

fn one() -> u64 {
    1
}

fn month() -> u64 {
    MONTH
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> CliError {
    let path = path.to_path_buf();
    move |source| CliError::File { path, source }
}

fn is_parquet(data: &Path) -> bool {
    data.extension().is_some_and(|e| e.eq_ignore_ascii_case("parquet"))
}

/// Prints an offer to complete.
pub(super) fn draft(data: &Path) -> Result<(), CliError> {
    if is_parquet(data) {
        let why = "a schema is proposed from CSV alone: draft the offer from some rows of it";
        return Err(CliError::Usage(format!("{}: {why}", data.display())));
    }
    let schema = Schema::infer_csv(File::open(data).map_err(file(data))?)?;
    let name = data.file_stem().map_or_else(|| "table".into(), |name| name.to_string_lossy().into_owned());
    let offer = json!({
        "name": name,
        "description": "",
        "author": "",
        "license": "proprietary",
        "tags": [],
        "schema": schema,
        "policy": Policy::deny_all().to_json()?,
        "terms": {
            "price": {"free": {"max_per_account": PER_ACCOUNT}},
            "uses_per_order": one(),
            "valid_for": MONTH,
        },
    });
    println!("{}", serde_json::to_string_pretty(&offer).expect("it is JSON"));
    let of_role = |has: fn(&crate::asset::Column) -> bool| {
        let names: Vec<_> = schema.columns().iter().filter(|c| has(c)).map(|c| c.name.as_str()).collect();
        if names.is_empty() { "none yet".into() } else { names.join(", ") }
    };
    eprintln!(
        "The schema is PUBLIC, and this one quotes the data: its smallest and largest values, and every category. Replace\n\
         them by what may be known, and set each column's role. Then let the policy allow something:\n  \
         dimension_columns, to filter and group by; the schema has: {}\n  \
         measure_columns, to aggregate; the schema has: {}\n  \
         allowed_aggregations: of {}\n  \
         allowed_programs: \"any\", or {{\"only\": [digests]}}\n  \
         min_group_size: smaller groups are withheld\n\
         and write a description of {} to {} characters. Then: sealock-node publish {} --offer FILE",
        of_role(|c| c.role.dimension),
        of_role(|c| c.role.measure),
        json!(Aggregation::ALL),
        DESCRIPTION.start(),
        DESCRIPTION.end(),
        data.display(),
    );
    Ok(())
}

/// Publishes a table under an offer.
pub(super) fn publish(config: &Config, data: &Path, offer: &Path, again: bool) -> Result<(), CliError> {
    let text = std::fs::read_to_string(offer).map_err(file(offer))?;
    let wrong = |why: String| CliError::Usage(format!("{}: {why}", offer.display()));
    let json: Json = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if json.is_object() && json.get("schema").is_none() {
        let data = data.display();
        return Err(wrong(format!("there is no schema in it; `sealock-node offer {data}` drafts an offer with one")));
    }
    let offered: OfferFile = serde_json::from_value(json).map_err(|e| wrong(e.to_string()))?;
    if let Some(description) = &offered.description
        && !DESCRIPTION.contains(&description.chars().count())
    {
        return Err(wrong(format!(
            "description: {} to {} characters, and this one has {}",
            DESCRIPTION.start(),
            DESCRIPTION.end(),
            description.chars().count()
        )));
    }
    let mut policy = Policy::deny_all().to_json()?;
    policy.as_object_mut().expect("a policy is an object").extend(offered.policy);
    let policy: Policy = serde_json::from_value(policy).map_err(|e| wrong(format!("policy: {e}")))?;
    let terms = terms(offered.terms).map_err(wrong)?;
    let loader = Table::loader(offered.schema);
    let table = if is_parquet(data) { loader.parquet_file(data)? } else { loader.csv_file(data)? };
    let name = offered.name.clone();
    let mut offer = Offer::new(offered.name, &table, policy, terms).tags(offered.tags);
    type Setter = for<'a> fn(Offer<'a>, String) -> Offer<'a>;
    let texts: [(Option<String>, Setter); 5] = [
        (offered.description, |offer, text| offer.description(text)),
        (offered.author.filter(|author| !author.is_empty()), |offer, text| offer.author(text)),
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
    let earlier = home.owner.node().assets()?;
    if let Some(earlier) = earlier.iter().find(|asset| !again && asset.description().metadata.name == name) {
        return Err(CliError::Usage(format!(
            "there is an asset of the name {name:?}, {}, which would stay on offer: give this one another name, or --again",
            earlier.did()
        )));
    }
    let published = home.owner.publish(&offer)?;
    let suppression = published.suppression;
    println!("{}", published.asset.did());
    println!("  data NFT {}, {} bytes in the store", published.asset.nft(), published.sealed_bytes);
    println!("  {} of {} rows are withheld, in groups too small", suppression.suppressed_rows, suppression.rows);
    Ok(())
}

fn terms(file: TermsFile) -> Result<Terms, String> {
    let expected = || format!("terms.price: expected {PRICES}");
    let price = file.price.as_object().filter(|price| price.len() == 1).and_then(|price| price.iter().next());
    let fields = |of: &Json, names: &[&str]| {
        of.as_object().is_some_and(|of| of.len() == names.len() && names.iter().all(|name| of.contains_key(*name)))
    };
    let terms = match price {
        Some((kind, of)) if kind == "free" && fields(of, &["max_per_account"]) => {
            Terms::free(of["max_per_account"].as_u64().ok_or_else(expected)?)
        }
        Some((kind, of)) if kind == "fixed" && fields(of, &["base_token", "amount"]) => {
            let text = |name: &str| of[name].as_str().ok_or_else(expected);
            let token: Address =
                text("base_token")?.parse().map_err(|e| format!("terms.price.fixed.base_token: {e}"))?;
            let amount: Amount = text("amount")?.parse().map_err(|e| format!("terms.price.fixed.amount: {e}"))?;
            Terms::fixed(token, amount)
        }
        _ => return Err(expected()),
    };
    let terms = terms.uses_per_order(file.uses_per_order).valid_for(file.valid_for);
    Ok(match file.epoch {
        Some(epoch) => terms.renewed_every(epoch),
        None => terms,
    })
}
