//! Plain descriptions for an Ocean-like market: what Sealock's own [`AssetDescription`](super::AssetDescription) is not
//! for.

use serde_json::{Map, Value as Json, json};

use super::{
    MarketAlgorithm, MarketCompute, MarketCredentials, MarketMatch, MarketRule, MarketService, MarketText,
    MarketVersion, Metadata,
    description::{DDO_VERSION, MAX_JSON_INTEGER, date, limit, number, text},
    error::AssetError,
    market::MAX_SERVICES,
    market_json::MAX_ITEMS,
};
use crate::Address;

/// Writes a DDO of version 4.7.0, which Ocean's validator accepts.
///
/// ```
/// # use sealock::{Address, asset::{MarketDdo, MarketDdoBuilder, MarketService, MarketServiceKind, Metadata}};
/// # fn main() -> Result<(), sealock::asset::AssetError> {
/// let (nft, datatoken) = (Address::from_bytes([1; 20]), Address::from_bytes([2; 20]));
/// let metadata = Metadata {
///     created: 1_767_225_600,
///     updated: 1_767_225_600,
///     name: "Tide gauges".into(),
///     description: "Water levels of nine gauges".into(),
///     author: "Harbour Authority".into(),
///     license: "CC-BY-4.0".into(),
///     tags: vec!["tide".into()],
/// };
/// let endpoint = "https://node.example.org";
/// let service = MarketService::new("download", MarketServiceKind::Access, datatoken, endpoint, "0x04ab");
/// let json = MarketDdoBuilder::new(nft, 1, metadata).service(service).to_json()?;
/// assert_eq!(MarketDdo::read(&json, nft, 1)?.name.text, "Tide gauges");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MarketDdoBuilder {
    nft: Address,
    chain_id: u64,
    metadata: Metadata,
    algorithm: Option<MarketAlgorithm>,
    services: Vec<MarketService>,
    credentials: MarketCredentials,
}

impl MarketDdoBuilder {
    /// The description of a dataset that `nft` stands for, as yet without a service.
    pub fn new(nft: Address, chain_id: u64, metadata: Metadata) -> Self {
        let (services, credentials) = (Vec::new(), MarketCredentials::default());
        Self { nft, chain_id, metadata, algorithm: None, services, credentials }
    }

    /// Says that the asset is an algorithm, and not a dataset.
    pub fn algorithm(mut self, algorithm: MarketAlgorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Adds a service.
    pub fn service(mut self, service: MarketService) -> Self {
        self.services.push(service);
        self
    }

    /// Says who may use the asset: everybody, if this is not called.
    pub fn credentials(mut self, credentials: MarketCredentials) -> Self {
        self.credentials = credentials;
        self
    }

    /// The JSON text of the DDO.
    ///
    /// # Errors
    /// [`AssetError::InvalidOffer`] for a field outside the limits of Ocean's schema, or one that version 4 has no room
    /// for; [`AssetError::Codec`] if the text passes
    /// [`AssetDescription::MAX_BYTES`](super::AssetDescription::MAX_BYTES).
    pub fn to_json(&self) -> Result<Vec<u8>, AssetError> {
        let bytes = self.ddo().map_err(AssetError::of_offer)?.to_string().into_bytes();
        limit(&bytes)?;
        Ok(bytes)
    }

    fn ddo(&self) -> Result<Json, AssetError> {
        let metadata = &self.metadata;
        number("chainId", self.chain_id, 1, MAX_JSON_INTEGER)?;
        lines("metadata.name", &metadata.name, 4, 512)?;
        lines("metadata.description", &metadata.description, 10, 7000)?;
        lines("metadata.author", &metadata.author, 1, 256)?;
        lines("metadata.license", &metadata.license, 1, 256)?;
        number("metadata.tags", metadata.tags.len() as u64, 0, 64)?;
        metadata.tags.iter().try_for_each(|tag| lines("metadata.tags", tag, 1, 256))?;
        number("services", self.services.len() as u64, 1, MAX_SERVICES)?;
        for (at, service) in self.services.iter().enumerate() {
            if self.services[..at].iter().any(|other| other.id == service.id) {
                return Err(AssetError::description(format!("services[{at}].id"), "expected one that no other has"));
            }
        }
        let mut about = json!({
            "created": date(metadata.created, "metadata.created")?,
            "updated": date(metadata.updated, "metadata.updated")?,
            "type": if self.algorithm.is_some() { "algorithm" } else { "dataset" },
            "name": metadata.name,
            "description": metadata.description,
            "author": metadata.author,
            "license": metadata.license,
            "tags": metadata.tags,
        });
        if let Some(algorithm) = &self.algorithm {
            about["algorithm"] = write_algorithm(algorithm)?;
        }
        let services = self.services.iter().enumerate();
        let services = services.map(|(at, service)| write_service(service, &format!("services[{at}]")));
        let mut ddo = json!({
            "@context": ["https://w3id.org/did/v1"],
            "id": MarketVersion::V4.did(self.nft, self.chain_id),
            "version": DDO_VERSION,
            "chainId": self.chain_id,
            "nftAddress": self.nft.to_string(),
            "metadata": about,
            "services": services.collect::<Result<Vec<Json>, _>>()?,
        });
        if self.credentials != MarketCredentials::default() {
            ddo["credentials"] = write_credentials(&self.credentials, "credentials")?;
        }
        Ok(ddo)
    }
}

fn write_algorithm(algorithm: &MarketAlgorithm) -> Result<Json, AssetError> {
    let MarketAlgorithm { language, version, image, tag, entrypoint, checksum } = algorithm;
    for (field, text, min, max) in [
        ("image", image, 1, 256),
        ("tag", tag, 1, 256),
        ("entrypoint", entrypoint, 3, 256),
        ("checksum", checksum, 7, 512),
    ] {
        line(&format!("metadata.algorithm.container.{field}"), text, min, max)?;
    }
    let container = json!({"image": image, "tag": tag, "entrypoint": entrypoint, "checksum": checksum});
    let mut json = json!({"container": container});
    for (field, text) in [("language", language), ("version", version)] {
        if let Some(text) = text {
            line(&format!("metadata.algorithm.{field}"), text, 0, 256)?;
            json[field] = text.as_str().into();
        }
    }
    Ok(json)
}

fn write_service(service: &MarketService, at: &str) -> Result<Json, AssetError> {
    let MarketService { id, kind, datatoken, endpoint, files, timeout_secs, .. } = service;
    line(&format!("{at}.id"), id, 1, 256)?;
    line(&format!("{at}.type"), kind.as_str(), 1, 256)?;
    line(&format!("{at}.serviceEndpoint"), endpoint, 10, 2048)?;
    line(&format!("{at}.files"), files, 1, 8192)?;
    number(&format!("{at}.timeout"), *timeout_secs, 0, MAX_JSON_INTEGER)?;
    if service.state.is_some() {
        return Err(AssetError::description(format!("{at}.state"), "version 4 has none: leave it out"));
    }
    let mut json = json!({
        "id": id,
        "type": kind.as_str(),
        "datatokenAddress": datatoken.to_string(),
        "serviceEndpoint": endpoint,
        "files": files,
        "timeout": timeout_secs,
    });
    if let Some(name) = &service.name {
        line(&format!("{at}.name"), without_language(name, at, "name")?, 4, 256)?;
        json["name"] = name.text.as_str().into();
    }
    if let Some(description) = &service.description {
        lines(&format!("{at}.description"), without_language(description, at, "description")?, 10, 7000)?;
        json["description"] = description.text.as_str().into();
    }
    if let Some(compute) = &service.compute {
        json["compute"] = write_compute(compute, at)?;
    }
    if service.credentials != MarketCredentials::default() {
        json["credentials"] = write_credentials(&service.credentials, &format!("{at}.credentials"))?;
    }
    Ok(json)
}

fn without_language<'a>(text: &'a MarketText, at: &str, field: &str) -> Result<&'a str, AssetError> {
    match text.language {
        None => Ok(&text.text),
        Some(_) => {
            let why = "version 4 has no languages of texts: leave the language out";
            Err(AssetError::description(format!("{at}.{field}"), why))
        }
    }
}

fn write_compute(compute: &MarketCompute, at: &str) -> Result<Json, AssetError> {
    let publishers = &compute.trusted_publishers;
    let field = format!("{at}.compute.publisherTrustedAlgorithmPublishers");
    items(&field, publishers.len(), 0)?;
    publishers.iter().try_for_each(|publisher| line(&field, publisher, 1, 256))?;
    let field = format!("{at}.compute.publisherTrustedAlgorithms");
    items(&field, compute.trusted_algorithms.len() + usize::from(compute.any_algorithm), 0)?;
    let mut algorithms = Vec::new();
    if compute.any_algorithm {
        algorithms.push(Json::from("*"));
    }
    for algorithm in &compute.trusted_algorithms {
        let (Some(files), Some(container)) = (&algorithm.files_checksum, &algorithm.container_checksum) else {
            return Err(AssetError::description(field, "expected both checksums of each, and one is missing"));
        };
        let did = &algorithm.did;
        let mut json = json!({"did": did, "filesChecksum": files, "containerSectionChecksum": container});
        line(&field, did, 1, 256)?;
        for text in [files, container].into_iter().chain(&algorithm.service_id) {
            line(&field, text, 1, 1024)?;
        }
        if let Some(service) = &algorithm.service_id {
            json["serviceId"] = service.as_str().into();
        }
        algorithms.push(json);
    }
    Ok(json!({
        "allowRawAlgorithm": compute.raw_algorithms,
        "allowNetworkAccess": compute.network,
        "publisherTrustedAlgorithmPublishers": publishers,
        "publisherTrustedAlgorithms": algorithms,
    }))
}

fn write_credentials(credentials: &MarketCredentials, at: &str) -> Result<Json, AssetError> {
    if credentials.opaque {
        return Err(AssetError::description(at, "was not read in full, and cannot be written: state its rules anew"));
    }
    let mut json = Map::new();
    for (field, rules) in [("allow", &credentials.allow), ("deny", &credentials.deny)] {
        items(&format!("{at}.{field}"), rules.len(), 0)?;
        let rules = rules.iter().map(|rule| write_rule(rule, &format!("{at}.{field}")));
        json.insert(field.into(), rules.collect::<Result<Vec<Json>, _>>()?.into());
    }
    for (field, matching) in [("match_allow", credentials.match_allow), ("match_deny", credentials.match_deny)] {
        let text = match matching {
            Some(MarketMatch::Any) => "any",
            Some(MarketMatch::All) => "all",
            None => continue,
        };
        json.insert(field.into(), text.into());
    }
    Ok(json.into())
}

fn write_rule(rule: &MarketRule, at: &str) -> Result<Json, AssetError> {
    let MarketRule { kind, values, chain_id, partial } = rule;
    if *partial {
        return Err(AssetError::description(at, "was not read in full, and cannot be written: state its values anew"));
    }
    line(&format!("{at}.type"), kind, 1, 256)?;
    items(&format!("{at}.values"), values.len(), 1)?;
    values.iter().try_for_each(|value| line(&format!("{at}.values"), value, 1, 1024))?;
    let mut json = json!({"type": kind, "values": values});
    if let Some(chain_id) = chain_id {
        number(&format!("{at}.chainId"), *chain_id, 1, MAX_JSON_INTEGER)?;
        json["chainId"] = (*chain_id).into();
    }
    if kind == "accessList" {
        // Nodes read the one field, the schema wants the other.
        let [contract] = &values[..] else {
            return Err(AssetError::description(at, format!("expected one contract, got {}", values.len())));
        };
        json["accessList"] = contract.as_str().into();
    }
    Ok(json)
}

fn items(field: &str, count: usize, min: u64) -> Result<(), AssetError> {
    number(field, count as u64, min, MAX_ITEMS as u64)
}

/// As [`text`], in Ocean's count of characters and without those that its patterns do not match.
fn lines(field: &str, value: &str, min: usize, max: usize) -> Result<(), AssetError> {
    text(field, value, min, max)?;
    let length = value.encode_utf16().count();
    if length > max {
        let why = format!("expected at most {max} UTF-16 units, got {length}");
        return Err(AssetError::description(field, why));
    }
    if value.contains(['\u{2028}', '\u{2029}']) {
        return Err(AssetError::description(field, "expected plain line breaks, got U+2028 or U+2029"));
    }
    Ok(())
}

fn line(field: &str, value: &str, min: usize, max: usize) -> Result<(), AssetError> {
    lines(field, value, min, max)?;
    if value.contains('\n') {
        return Err(AssetError::description(field, "expected one line, got several"));
    }
    Ok(())
}
