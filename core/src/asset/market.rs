//! Descriptions of other people's assets: any DDO of an Ocean-like market, read after the schemas of ddo.js
//! (<https://github.com/oceanprotocol/ddo.js>).
//!
//! Version 4 is a plain document, version 5 a W3C credential with the same fields under `credentialSubject`. Whether
//! the credential's issuer signed it is **not** checked: what makes a document authentic is the transaction on the NFT
//! that published it.

use chrono::{DateTime, NaiveDateTime};

use super::{
    Did,
    description::{DDO_VERSIONS, MAX_JSON_INTEGER, limit, number},
    error::{AssetError, quote},
    market_json::{Credential, Credentials, Fields, Head, List, Loose, Rule, Service, Trusted},
};
use crate::{Address, codec::CodecError, time::Timestamp};

/// The versions of the credential form that are read.
const CREDENTIAL_VERSIONS: [&str; 1] = ["5.0.0"];
/// Ocean's limit.
pub(super) const MAX_SERVICES: u64 = 64;

/// The two forms of a DDO.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MarketVersion {
    /// A plain document, whose identifier starts with `did:op:`.
    V4,
    /// A W3C verifiable credential, whose identifier starts with `did:ope:`.
    V5,
}

impl MarketVersion {
    /// The identifier of the asset that `nft` stands for, in documents of this version.
    pub fn did(self, nft: Address, chain_id: u64) -> String {
        let did = Did::new(nft, chain_id);
        match self {
            MarketVersion::V4 => did.to_string(),
            MarketVersion::V5 => format!("did:ope:{}", did.digest()),
        }
    }

    fn of(text: &str) -> Option<Self> {
        match text {
            text if DDO_VERSIONS.contains(&text) => Some(MarketVersion::V4),
            text if CREDENTIAL_VERSIONS.contains(&text) => Some(MarketVersion::V5),
            _ => None,
        }
    }
}

/// What an asset is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MarketKind {
    /// Data.
    Dataset,
    /// A program to run on data.
    Algorithm,
    /// Something else, in the publisher's word.
    Other(String),
}

/// How a service is used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MarketServiceKind {
    /// The files are downloaded.
    Access,
    /// Algorithms run on the files.
    Compute,
    /// Something else, in the publisher's word.
    Other(String),
}

impl MarketServiceKind {
    pub(super) fn as_str(&self) -> &str {
        match self {
            MarketServiceKind::Access => "access",
            MarketServiceKind::Compute => "compute",
            MarketServiceKind::Other(kind) => kind,
        }
    }
}

/// A text that people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketText {
    /// The text.
    pub text: String,
    /// Its language (BCP 47), if version 5 says so.
    pub language: Option<String>,
}

impl From<&str> for MarketText {
    fn from(text: &str) -> Self {
        Self { text: text.into(), language: None }
    }
}

/// The program of an algorithm asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketAlgorithm {
    /// The language that it is written in.
    pub language: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The container image that it runs in.
    pub image: String,
    /// The image's tag.
    pub tag: String,
    /// The command, where `$ALGO` stands for the algorithm's file.
    pub entrypoint: String,
    /// The image's digest.
    pub checksum: String,
}

/// An algorithm that may run on a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedAlgorithm {
    /// The algorithm's asset.
    pub did: String,
    /// The service of it.
    pub service_id: Option<String>,
    /// Digest of its files.
    pub files_checksum: Option<String>,
    /// Digest of its container.
    pub container_checksum: Option<String>,
}

/// What a compute service runs.
///
/// Ocean's nodes differ in what empty lists mean, everything or nothing: a publisher who cares fills them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarketCompute {
    /// Whether a consumer's own code runs.
    pub raw_algorithms: bool,
    /// Whether it reaches the network.
    pub network: bool,
    /// Accounts whose algorithms run; `*` is everybody.
    pub trusted_publishers: Vec<String>,
    /// Algorithms that run.
    pub trusted_algorithms: Vec<TrustedAlgorithm>,
    /// Whether every algorithm runs: `*` stands in their list.
    pub any_algorithm: bool,
}

/// How many rules of a list must match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MarketMatch {
    /// One.
    Any,
    /// Each.
    All,
}

/// A rule on who may use an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketRule {
    /// `address`, `accessList`, `verifiableCredential` or another.
    pub kind: String,
    /// The accounts of an `address` rule; the contract of an `accessList` rule.
    pub values: Vec<String>,
    /// The chain of an access list.
    pub chain_id: Option<u64>,
    /// Whether there were values that are no text, and therefore not in `values`.
    pub partial: bool,
}

impl MarketRule {
    /// A rule on accounts.
    pub fn addresses(accounts: impl IntoIterator<Item = Address>) -> Self {
        let values = accounts.into_iter().map(|account| account.to_string()).collect();
        Self { kind: "address".into(), values, chain_id: None, partial: false }
    }

    /// Whether the account is one of the rule's, as far as the document alone says. A wildcard is for everybody in a
    /// list of those allowed; in a list of those denied, some nodes heed it and some do not.
    fn matches(&self, account: &str, wildcard: Option<bool>) -> Option<bool> {
        if !self.kind.eq_ignore_ascii_case("address") {
            return None;
        }
        if self.values.iter().any(|value| value.eq_ignore_ascii_case(account)) {
            return Some(true);
        }
        match self.values.iter().any(|value| value == "*") {
            true => wildcard,
            false if self.partial => None,
            false => Some(false),
        }
    }
}

/// Who may use an asset or a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarketCredentials {
    /// Who may; everybody, if there is no rule.
    pub allow: Vec<MarketRule>,
    /// Who may not, whatever `allow` says.
    pub deny: Vec<MarketRule>,
    /// How many rules of `allow` must match, if the document says so.
    pub match_allow: Option<MarketMatch>,
    /// How many rules of `deny` must match, if the document says so.
    pub match_deny: Option<MarketMatch>,
    /// Whether the document says something else than these fields can hold.
    pub opaque: bool,
}

impl MarketCredentials {
    /// Whether an account may use what these credentials are of, by its address alone.
    ///
    /// `None` where the document does not tell: other kinds of rules decide (access lists, verifiable credentials), or
    /// Ocean's nodes do not agree, as on several `allow` rules of which some match and no `match_allow` is given.
    pub fn is_allowed(&self, account: &Address) -> Option<bool> {
        let account = account.to_string();
        let denied = {
            let (any, all) = tally(&self.deny, &account, None);
            match self.match_deny {
                _ if self.deny.is_empty() => Some(false),
                Some(MarketMatch::All) => all,
                Some(MarketMatch::Any) | None => any,
            }
        };
        let allowed = {
            let (any, all) = tally(&self.allow, &account, Some(true));
            match self.match_allow {
                _ if self.allow.is_empty() => Some(true),
                Some(MarketMatch::Any) => any,
                Some(MarketMatch::All) => all,
                // ddo.js says that all must, older nodes ask for one.
                None => any.filter(|_| any == all),
            }
        };
        match self.opaque {
            true => None,
            false => both(denied.map(|denied| !denied), allowed),
        }
    }
}

/// Whether any and whether all of the rules match.
fn tally(rules: &[MarketRule], account: &str, wildcard: Option<bool>) -> (Option<bool>, Option<bool>) {
    let results = || rules.iter().map(|rule| rule.matches(account, wildcard));
    let none_matches = results().map(|result| result.map(|matches| !matches)).fold(Some(true), both);
    (none_matches.map(|none| !none), results().fold(Some(true), both))
}

/// `and`, where one that is false settles it.
fn both(a: Option<bool>, b: Option<bool>) -> Option<bool> {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

/// One way to use an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketService {
    /// Identifies it within the asset.
    pub id: String,
    /// How it is used.
    pub kind: MarketServiceKind,
    /// The datatoken that an order takes.
    pub datatoken: Address,
    /// Where the provider or node is: a URL, or in newer documents a peer id.
    pub endpoint: String,
    /// Where the data is, encrypted for the provider.
    pub files: String,
    /// For how many seconds an order is good; 0 is for ever.
    pub timeout_secs: u64,
    /// What it runs, if it is a compute service.
    pub compute: Option<MarketCompute>,
    /// Its name.
    pub name: Option<MarketText>,
    /// What people read of it.
    pub description: Option<MarketText>,
    /// Who may use it, beside the asset's own credentials.
    pub credentials: MarketCredentials,
    /// Version 5: 0 active, 1 end of life, 2 deprecated, 3 revoked by its publisher, 4 not to be ordered for now, 5
    /// unlisted.
    pub state: Option<u64>,
}

impl MarketService {
    /// A service with neither name nor rules.
    pub fn new(id: &str, kind: MarketServiceKind, datatoken: Address, endpoint: &str, files: &str) -> Self {
        Self {
            id: id.into(),
            kind,
            datatoken,
            endpoint: endpoint.into(),
            files: files.into(),
            timeout_secs: 0,
            compute: None,
            name: None,
            description: None,
            credentials: MarketCredentials::default(),
            state: None,
        }
    }
}

/// The description of any asset of an Ocean-like market.
///
/// What was read is of this NFT on this chain, and its identifier is right. All else is the publisher's word: texts may
/// hold anything, so escape them before they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketDdo {
    /// The form.
    pub version: MarketVersion,
    /// The version of the schema, such as `4.7.0`.
    pub schema_version: String,
    /// The identifier, `did:op:…` or `did:ope:…`.
    pub did: String,
    /// The chain.
    pub chain_id: u64,
    /// The data NFT.
    pub nft: Address,
    /// What it is.
    pub kind: MarketKind,
    /// Its name.
    pub name: MarketText,
    /// What people read of it.
    pub description: Option<MarketText>,
    /// Who made it; in version 5 who provides it, if no author is named.
    pub author: Option<String>,
    /// The licence's name.
    pub license: Option<String>,
    /// Keywords.
    pub tags: Vec<String>,
    /// When it was first published, if that is a date.
    pub created: Option<Timestamp>,
    /// When the description was last changed, if that is a date.
    pub updated: Option<Timestamp>,
    /// The program, if it is an algorithm.
    pub algorithm: Option<MarketAlgorithm>,
    /// How it is used.
    pub services: Vec<MarketService>,
    /// Who may use it.
    pub credentials: MarketCredentials,
    /// Who is said to have issued the credential: version 5. **Not** verified.
    pub issuer: Option<String>,
    /// Whether a service has Sealock's section: then [`AssetDescription::from_ddo`](super::AssetDescription::from_ddo)
    /// reads it.
    pub sealock: bool,
}

impl MarketDdo {
    /// Reads the DDO of `nft` on a chain, of version 4.1, 4.3, 4.5, 4.7 or 5.0. Fields that are not known are skipped.
    ///
    /// # Errors
    /// [`AssetError::Codec`] for more than [`AssetDescription::MAX_BYTES`](super::AssetDescription::MAX_BYTES), or text
    /// that is no such JSON: a known field missing, there twice, of another type or nested 128 deep, or a list of more
    /// than 10,000; [`AssetError::UnsupportedDdo`]; [`AssetError::InvalidDid`] for the identifier of another asset;
    /// [`AssetError::InvalidDescription`] for another chain or NFT, a datatoken that is no address, or more than 64
    /// services.
    pub fn read(json: &[u8], nft: Address, chain_id: u64) -> Result<Self, AssetError> {
        limit(json)?;
        let Head { version: schema_version } = parse(json)?;
        let version = MarketVersion::of(&schema_version).ok_or_else(|| AssetError::UnsupportedDdo {
            got: schema_version.chars().take(16).collect(),
            known: [&DDO_VERSIONS[..], &CREDENTIAL_VERSIONS].concat().join(", "),
        })?;
        let (did, issuer, fields) = match version {
            MarketVersion::V4 => {
                let mut fields: Fields = parse(json)?;
                let missing = || AssetError::description("id", "expected the asset's DID, and there is none");
                (fields.id.take().ok_or_else(missing)?, None, fields)
            }
            MarketVersion::V5 => {
                let Credential { id, issuer, credential_subject } = parse(json)?;
                (id, issuer.and_then(|issuer| issuer.text), credential_subject)
            }
        };
        number("chainId", fields.chain_id, 1, MAX_JSON_INTEGER)?;
        if fields.chain_id != chain_id {
            let why =
                format!("expected {chain_id}, got {}: ask for the asset on the chain that it is of", fields.chain_id);
            return Err(AssetError::description("chainId", why));
        }
        same_nft("nftAddress", &fields.nft_address, nft)?;
        let expected = version.did(nft, chain_id);
        for got in [Some(&did), fields.id.as_ref()].into_iter().flatten() {
            if *got != expected {
                return Err(AssetError::InvalidDid {
                    expected: format!("{expected} for the NFT {nft} on chain {chain_id}"),
                    got: got.chars().take(80).collect(),
                });
            }
        }
        let services = fields.services.0;
        number("services", services.len() as u64, 0, MAX_SERVICES)?;
        let sealed = |service: &Service| service.additional_information.as_ref().is_some_and(|more| more.sealock);
        let sealock = services.iter().any(sealed);
        let metadata = fields.metadata;
        Ok(Self {
            version,
            schema_version,
            did,
            chain_id,
            nft,
            kind: match metadata.kind.as_str() {
                "dataset" => MarketKind::Dataset,
                "algorithm" => MarketKind::Algorithm,
                _ => MarketKind::Other(metadata.kind),
            },
            name: text(metadata.name).ok_or_else(|| AssetError::description("metadata.name", "expected a text"))?,
            description: metadata.description.and_then(text),
            author: metadata.author.filter(|author| !author.is_empty()).or(metadata.provided_by),
            license: metadata.license.and_then(|license| license.text),
            tags: metadata.tags.0,
            created: metadata.created.and_then(|date| timestamp(&date)),
            updated: metadata.updated.and_then(|date| timestamp(&date)),
            algorithm: metadata.algorithm.map(|algorithm| MarketAlgorithm {
                language: algorithm.language,
                version: algorithm.version,
                image: algorithm.container.image,
                tag: algorithm.container.tag,
                entrypoint: algorithm.container.entrypoint,
                checksum: algorithm.container.checksum,
            }),
            services: services
                .into_iter()
                .enumerate()
                .map(|(at, service)| read_service(service, at, nft))
                .collect::<Result<_, _>>()?,
            credentials: read_credentials(fields.credentials),
            issuer,
            sealock,
        })
    }

    /// The service of this id.
    pub fn service(&self, id: &str) -> Option<&MarketService> {
        self.services.iter().find(|service| service.id == id)
    }

    /// Whether an account may use a service, by the credentials of the asset and of the service and by its address
    /// alone: see [`MarketCredentials::is_allowed`].
    pub fn is_allowed(&self, account: &Address, service: &MarketService) -> Option<bool> {
        both(self.credentials.is_allowed(account), service.credentials.is_allowed(account))
    }
}

fn parse<'de, T: serde::Deserialize<'de>>(json: &'de [u8]) -> Result<T, AssetError> {
    serde_json::from_slice(json).map_err(|error| {
        // The message quotes what came, whatever its length.
        let place = format!(" at line {} column {}", error.line(), error.column());
        let why = error.to_string();
        let why = match why.strip_suffix(&place) {
            Some(why) if why.len() > 200 => format!("{}…{place}", why.chars().take(200).collect::<String>()),
            _ => why,
        };
        CodecError::Malformed { what: "DDO", why }.into()
    })
}

fn read_service(service: Service, at: usize, nft: Address) -> Result<MarketService, AssetError> {
    if let Some(named) = &service.nft_address {
        same_nft(&format!("services[{at}].nftAddress"), named, nft)?;
    }
    let datatoken = address(&format!("services[{at}].datatokenAddress"), &service.datatoken_address)?;
    Ok(MarketService {
        id: service.id,
        kind: match service.kind.as_str() {
            "access" => MarketServiceKind::Access,
            "compute" => MarketServiceKind::Compute,
            _ => MarketServiceKind::Other(service.kind),
        },
        datatoken,
        endpoint: service.service_endpoint,
        files: service.files,
        timeout_secs: service.timeout,
        compute: service.compute.map(|compute| {
            let trusted = compute.publisher_trusted_algorithms.0;
            MarketCompute {
                raw_algorithms: compute.allow_raw_algorithm,
                network: compute.allow_network_access,
                trusted_publishers: compute.publisher_trusted_algorithm_publishers.0,
                any_algorithm: trusted.iter().any(|one| matches!(one, Trusted::Any)),
                trusted_algorithms: trusted.into_iter().filter_map(trusted_algorithm).collect(),
            }
        }),
        name: service.name.and_then(text),
        description: service.description.and_then(text),
        credentials: read_credentials(service.credentials),
        state: service.state,
    })
}

fn trusted_algorithm(trusted: Trusted) -> Option<TrustedAlgorithm> {
    match trusted {
        Trusted::Any => None,
        Trusted::One(one) => Some(TrustedAlgorithm {
            did: one.did,
            service_id: one.service_id,
            files_checksum: one.files_checksum,
            container_checksum: one.container_section_checksum,
        }),
    }
}

fn read_credentials(Credentials { fields, opaque }: Credentials) -> MarketCredentials {
    let mut unknown = opaque;
    let mut matching = |text: Option<String>| match text.as_deref() {
        Some("any") => Some(MarketMatch::Any),
        Some("all") => Some(MarketMatch::All),
        other => {
            unknown |= other.is_some();
            None
        }
    };
    let (match_allow, match_deny) = (matching(fields.match_allow), matching(fields.match_deny));
    let rules = |list: List<Rule>| list.0.into_iter().map(read_rule).collect();
    MarketCredentials { allow: rules(fields.allow), deny: rules(fields.deny), match_allow, match_deny, opaque: unknown }
}

fn read_rule(rule: Rule) -> MarketRule {
    let count = rule.values.0.len();
    // An object may stand for an account in ways that Ocean's own nodes do not read.
    let plain = |value: Loose| value.text.filter(|_| !value.object);
    let mut values: Vec<String> = rule.values.0.into_iter().filter_map(plain).collect();
    let partial = values.len() < count;
    values.extend(rule.access_list.filter(|list| !values.contains(list)));
    MarketRule { kind: rule.kind, values, chain_id: rule.chain_id, partial }
}

fn text(loose: Loose) -> Option<MarketText> {
    Some(MarketText { text: loose.text?, language: loose.language })
}

fn address(field: &str, text: &str) -> Result<Address, AssetError> {
    text.parse().map_err(|error: crate::account::AccountError| AssetError::description(field, error.to_string()))
}

fn same_nft(field: &str, text: &str, nft: Address) -> Result<(), AssetError> {
    if address(field, text)? == nft {
        return Ok(());
    }
    let why = format!("expected {nft}, got {}: ask for the asset of that NFT", quote(text));
    Err(AssetError::description(field, why))
}

/// A date as markets write it: without a time zone it is UTC.
fn timestamp(text: &str) -> Option<Timestamp> {
    let seconds = match DateTime::parse_from_rfc3339(text) {
        Ok(date) => date.timestamp(),
        Err(_) => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok()?.and_utc().timestamp(),
    };
    seconds.try_into().ok()
}
