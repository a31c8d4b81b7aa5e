//! The public description of an asset: an Ocean DDO, version 4
//! (<https://docs.oceanprotocol.com/developers/ddo-specification>), with Sealock's own fields in the service's
//! `additionalInformation.sealock`.

use chrono::{DateTime, SecondsFormat, Utc};
use cid::Cid;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    Did, Schema, Terms,
    ddo::{Additional, Compute, Ddo, DdoMetadata, DdoService, Node, Section, VERSION, Versions, cid_text, digest_text},
    error::AssetError,
};
use crate::{
    Address, Digest, codec::CodecError, envelope::DatasetRef, model::ModelInfo, sealed::MAX_EXECUTORS, time::Timestamp,
};

/// The version of the DDO specification that is written.
pub(super) const DDO_VERSION: &str = "4.7.0";
/// The versions that are read: they differ in fields that Sealock does not use.
pub(super) const DDO_VERSIONS: [&str; 4] = ["4.1.0", "4.3.0", "4.5.0", "4.7.0"];
/// The largest integer that every JSON reader keeps exact (RFC 8259, section 6).
pub(super) const MAX_JSON_INTEGER: u64 = (1 << 53) - 1;

/// Ocean's types of service.
const COMPUTE: &str = "compute";
const ACCESS: &str = "access";

/// How an asset may be computed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Mode {
    /// The owner's node computes on clear data with the consumer's encrypted literals.
    SealedQuery,
    /// An untrusted operator computes on encrypted data.
    SealedData,
}

/// What people read about an asset. Lengths are Ocean's limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// When it was first published.
    pub created: Timestamp,
    /// When the description was last changed.
    pub updated: Timestamp,
    /// 4 to 512 characters.
    pub name: String,
    /// 10 to 7000 characters.
    pub description: String,
    /// 1 to 256 characters.
    pub author: String,
    /// An SPDX identifier or other name of the licence, 1 to 256 characters.
    pub license: String,
    /// At most 64, of 1 to 256 characters each.
    pub tags: Vec<String>,
}

/// Where the asset is computed on, or its key released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Identifies the service within the asset, 1 to 256 characters.
    pub id: String,
    /// The address of the node, 10 to 2048 characters.
    pub endpoint: String,
}

/// The owner's policy, as the exchange's policy module writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Its digest, which access proofs and receipts name. **Not** checked against the rules here.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// The rules, opaque to the description.
    pub rules: Json,
}

/// What is encrypted, whoever its key is wrapped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dataset {
    /// The dataset.
    #[serde(with = "digest_text")]
    pub id: Digest,
    /// The epoch, which counts its encryptions under new keys.
    pub epoch: u64,
    /// Digest of the encrypted objects: [`Manifest::contents`](crate::envelope::Manifest::contents).
    #[serde(with = "digest_text")]
    pub contents: Digest,
}

impl Dataset {
    /// What the dataset key is for.
    pub const fn of(&self) -> DatasetRef {
        DatasetRef { dataset: self.id, epoch: self.epoch }
    }
}

/// The keys of the access proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AccessKeys {
    /// Where the key bundle is stored: the proving key, and the powers of τ that it was made from.
    #[serde(with = "cid_text")]
    pub proving_key: Cid,
    /// Digest of the bundle.
    #[serde(with = "digest_text")]
    pub digest: Digest,
    /// Depth of the tree of orders that the key is for: 20.
    pub depth: u8,
}

/// What an order allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderTerms {
    /// How many jobs it admits.
    pub limit: u64,
    /// For how many seconds.
    pub validity_secs: u64,
    /// If set, it admits so many jobs in every epoch of so many seconds, counted from 1970-01-01 UTC, and not in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_secs: Option<u64>,
}

impl From<&Terms> for OrderTerms {
    fn from(terms: &Terms) -> Self {
        let &Terms { uses_per_order: limit, validity_secs, epoch_secs, .. } = terms;
        Self { limit, validity_secs, epoch_secs }
    }
}

/// How much the protection of small groups leaves out of every answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Suppression {
    /// Cells of the base cube that hold rows.
    pub cells: u64,
    /// Cells left out, since they hold too few rows.
    pub cells_suppressed: u64,
    /// Rows in those cells.
    pub rows_suppressed: u64,
}

/// What of an asset executors compute on, and how many of them must agree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EncryptedColumns {
    /// Where the [sealed manifest](crate::sealed::SealedManifest) is stored.
    #[serde(with = "cid_text")]
    pub manifest: Cid,
    /// The dimensions that stay in the clear.
    pub public: Vec<String>,
    /// A result is released if so many executors agree on it.
    pub quorum: u8,
}

/// Sealock's fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// How the asset may be computed on.
    pub mode: Mode,
    /// The columns of a table, the features of a model.
    pub schema: Schema,
    /// What everybody may know of the model, if the asset is one.
    pub model: Option<ModelInfo>,
    /// At most how many rows the table has. The exact number is the owner's to tell: together with the counts of all groups
    /// it gives away how many rows the protection of small groups leaves out.
    pub max_rows: u64,
    /// What is allowed.
    pub policy: Policy,
    /// Where the manifest of the encrypted data is stored.
    pub manifest: Cid,
    /// What executors compute on, where the data is sealed.
    pub encrypted: Option<EncryptedColumns>,
    /// What the manifest is of.
    pub dataset: Dataset,
    /// The keys of the access proof.
    pub access: AccessKeys,
    /// Who signs the node's receipts.
    pub signer: Address,
    /// What an order allows.
    pub order: OrderTerms,
    /// What is left out of answers, where the owner says so.
    pub suppression: Option<Suppression>,
}

/// The public description of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssetDescription {
    /// The chain, or the embedded ledger's id.
    pub chain_id: u64,
    /// The data NFT.
    pub nft: Address,
    /// The ERC-20 datatoken that an order takes one of.
    pub datatoken: Address,
    /// What people read.
    pub metadata: Metadata,
    /// Where it is computed on.
    pub service: Service,
    /// Where its key is released to buyers, if the owner lets them decrypt it.
    pub download: Option<Service>,
    /// What programs read.
    pub sealed: Sealed,
}

impl AssetDescription {
    /// Longest DDO, in bytes.
    pub const MAX_BYTES: usize = 1 << 20;

    /// The asset's identifier, derived from its NFT.
    pub fn did(&self) -> Did {
        Did::new(self.nft, self.chain_id)
    }

    /// The description as a DDO.
    ///
    /// # Errors
    /// As [`AssetDescription::to_ddo_bytes`].
    pub fn to_ddo(&self) -> Result<Json, AssetError> {
        serde_json::from_slice(&self.to_ddo_bytes()?).map_err(|e| AssetError::description("DDO", e.to_string()))
    }

    /// The JSON text of the DDO. Equal descriptions give equal bytes.
    ///
    /// # Errors
    /// [`AssetError::InvalidDescription`] for a field outside its limits, [`AssetError::Codec`] if the text passes
    /// [`AssetDescription::MAX_BYTES`].
    pub fn to_ddo_bytes(&self) -> Result<Vec<u8>, AssetError> {
        self.validate()?;
        let bytes =
            serde_json::to_vec(&self.ddo()?).map_err(|error| AssetError::description("DDO", error.to_string()))?;
        limit(&bytes)?;
        Ok(bytes)
    }

    /// Reads a DDO and checks it: its identifier, the checksums of its addresses, every required field and limit.
    ///
    /// Outside Sealock's own section, fields that are not known are ignored: Ocean's nodes add some (`nft`, `stats`,
    /// `indexedMetadata`).
    ///
    /// # Errors
    /// [`AssetError::Codec`] for more than [`AssetDescription::MAX_BYTES`], text that is not such JSON (an address without
    /// its checksum among others), or an unknown version; [`AssetError::InvalidDid`]; [`AssetError::InvalidDescription`].
    pub fn from_ddo(bytes: &[u8]) -> Result<Self, AssetError> {
        limit(bytes)?;
        let malformed = |error: serde_json::Error| CodecError::Malformed { what: "DDO", why: error.to_string() };
        let ddo: Ddo = serde_json::from_slice(bytes).map_err(|error| {
            match serde_json::from_slice::<Versions>(bytes).ok().and_then(|versions| versions.unknown()) {
                Some(got) => CodecError::UnsupportedVersion { what: "sealock section of a DDO", got, known: VERSION },
                None => malformed(error),
            }
        })?;
        let description = Self::from_parts(ddo)?;
        description.validate()?;
        Ok(description)
    }

    fn ddo(&self) -> Result<Ddo, AssetError> {
        let (metadata, sealed) = (&self.metadata, &self.sealed);
        let service = |of: &Service, kind: &str| DdoService {
            id: of.id.clone(),
            kind: kind.into(),
            files: files(&sealed.manifest),
            datatoken_address: self.datatoken,
            service_endpoint: of.endpoint.clone(),
            timeout: sealed.order.validity_secs,
            compute: None,
            additional_information: None,
        };
        let compute = DdoService {
            // An Ocean provider must run nothing: no raw algorithm, no network, and no trusted publisher but the
            // zero address (an empty list would mean anybody).
            compute: Some(Compute {
                allow_raw_algorithm: false,
                allow_network_access: false,
                publisher_trusted_algorithm_publishers: vec![Address::ZERO.to_string()],
                publisher_trusted_algorithms: vec![],
            }),
            additional_information: Some(Additional {
                sealock: Section {
                    version: VERSION,
                    mode: sealed.mode,
                    max_rows: sealed.max_rows,
                    schema: sealed.schema.clone(),
                    model: sealed.model.clone(),
                    policy: sealed.policy.clone(),
                    manifest: sealed.manifest,
                    encrypted: sealed.encrypted.clone(),
                    dataset: sealed.dataset,
                    access: sealed.access.clone(),
                    node: Node { signer: sealed.signer },
                    order: sealed.order,
                    suppression: sealed.suppression,
                },
            }),
            ..service(&self.service, COMPUTE)
        };
        Ok(Ddo {
            context: vec!["https://w3id.org/did/v1".into()],
            id: self.did(),
            version: DDO_VERSION.into(),
            chain_id: self.chain_id,
            nft_address: self.nft,
            metadata: DdoMetadata {
                created: date(metadata.created, "metadata.created")?,
                updated: date(metadata.updated, "metadata.updated")?,
                kind: "dataset".into(),
                name: metadata.name.clone(),
                description: metadata.description.clone(),
                author: metadata.author.clone(),
                license: metadata.license.clone(),
                tags: metadata.tags.clone(),
            },
            services: [compute].into_iter().chain(self.download.iter().map(|of| service(of, ACCESS))).collect(),
        })
    }

    fn from_parts(ddo: Ddo) -> Result<Self, AssetError> {
        let wrong = |field: &str, expected: &str, got: &str| {
            let got: String = got.chars().take(64).collect();
            AssetError::description(field, format!("expected {expected}, got {got:?}"))
        };
        if !DDO_VERSIONS.contains(&ddo.version.as_str()) {
            return Err(wrong("version", &DDO_VERSIONS.join(" or "), &ddo.version));
        }
        ddo.id.check(ddo.nft_address, ddo.chain_id)?;
        let count = ddo.services.len();
        let mut services = ddo.services.into_iter();
        let (Some(service), download, None) = (services.next(), services.next(), services.next()) else {
            let why = format!("expected a compute service and at most one access service, got {count}");
            return Err(AssetError::description("services", why));
        };
        let missing = |field| AssetError::description(field, "expected, and missing");
        if service.compute.is_none() {
            return Err(missing("services[0].compute"));
        }
        let section = service.additional_information.ok_or_else(|| missing("services[0].additionalInformation"))?;
        let section = section.sealock;
        let (files, timeout) = (files(&section.manifest), section.order.validity_secs.to_string());
        for (field, expected, got) in [
            ("metadata.type", "dataset", &ddo.metadata.kind),
            ("services[0].type", COMPUTE, &service.kind),
            ("services[0].files", &files, &service.files),
            ("services[0].timeout", &timeout, &service.timeout.to_string()),
        ] {
            if got != expected {
                return Err(wrong(field, expected, got));
            }
        }
        if let Some(download) = &download {
            for (field, expected, got) in [
                ("services[1].type", ACCESS, &download.kind),
                ("services[1].files", &files, &download.files),
                ("services[1].timeout", &timeout, &download.timeout.to_string()),
                (
                    "services[1].datatokenAddress",
                    &service.datatoken_address.to_string(),
                    &download.datatoken_address.to_string(),
                ),
            ] {
                if got != expected {
                    return Err(wrong(field, expected, got));
                }
            }
            if download.compute.is_some() || download.additional_information.is_some() {
                return Err(wrong("services[1]", "the fields of an access service", "those of a compute service"));
            }
        }
        Ok(Self {
            chain_id: ddo.chain_id,
            nft: ddo.nft_address,
            datatoken: service.datatoken_address,
            metadata: Metadata {
                created: timestamp(&ddo.metadata.created, "metadata.created")?,
                updated: timestamp(&ddo.metadata.updated, "metadata.updated")?,
                name: ddo.metadata.name,
                description: ddo.metadata.description,
                author: ddo.metadata.author,
                license: ddo.metadata.license,
                tags: ddo.metadata.tags,
            },
            service: Service { id: service.id, endpoint: service.service_endpoint },
            download: download.map(|of| Service { id: of.id, endpoint: of.service_endpoint }),
            sealed: Sealed {
                mode: section.mode,
                schema: section.schema,
                model: section.model,
                max_rows: section.max_rows,
                policy: section.policy,
                manifest: section.manifest,
                encrypted: section.encrypted,
                dataset: section.dataset,
                access: section.access,
                signer: section.node.signer,
                order: section.order,
                suppression: section.suppression,
            },
        })
    }

    /// Checks the limits that Ocean's validator sets, and ours.
    fn validate(&self) -> Result<(), AssetError> {
        let (metadata, service, sealed) = (&self.metadata, &self.service, &self.sealed);
        text("metadata.name", &metadata.name, 4, 512)?;
        text("metadata.description", &metadata.description, 10, 7000)?;
        text("metadata.author", &metadata.author, 1, 256)?;
        text("metadata.license", &metadata.license, 1, 256)?;
        number("metadata.tags", metadata.tags.len() as u64, 0, 64)?;
        metadata.tags.iter().try_for_each(|tag| text("metadata.tags", tag, 1, 256))?;
        text("services[0].id", &service.id, 1, 256)?;
        text("services[0].serviceEndpoint", &service.endpoint, 10, 2048)?;
        if let Some(download) = &self.download {
            text("services[1].id", &download.id, 1, 256)?;
            text("services[1].serviceEndpoint", &download.endpoint, 10, 2048)?;
            if download.id == service.id {
                return Err(AssetError::description("services[1].id", "expected another one than the first service's"));
            }
        }
        number("chainId", self.chain_id, 1, MAX_JSON_INTEGER)?;
        number("sealock.maxRows", sealed.max_rows, 0, MAX_JSON_INTEGER)?;
        number("sealock.dataset.epoch", sealed.dataset.epoch, 0, MAX_JSON_INTEGER)?;
        number("sealock.order.limit", sealed.order.limit, 1, Terms::MAX_USES)?;
        number("sealock.order.validitySecs", sealed.order.validity_secs, 1, Terms::MAX_VALIDITY_SECS)?;
        if let Some(secs) = sealed.order.epoch_secs {
            number("sealock.order.epochSecs", secs, Terms::MIN_EPOCH_SECS, sealed.order.validity_secs)?;
        }
        if let Some(model) = &sealed.model {
            number("sealock.maxRows", sealed.max_rows, 0, 0)?;
            model.check(&sealed.schema).map_err(|e| AssetError::description("sealock.model", e.to_string()))?;
        }
        if (sealed.mode == Mode::SealedData) != sealed.encrypted.is_some() {
            return Err(AssetError::description("sealock.encrypted", "expected where data is sealed, and only there"));
        }
        if let Some(encrypted) = &sealed.encrypted {
            number("sealock.encrypted.quorum", encrypted.quorum.into(), 1, MAX_EXECUTORS as u64)?;
            number("sealock.encrypted.public", encrypted.public.len() as u64, 0, 1024)?;
            encrypted.public.iter().try_for_each(|name| text("sealock.encrypted.public", name, 1, 128))?;
            if sealed.model.is_some() {
                return Err(AssetError::description("sealock.encrypted", "expected of tables, and this is a model"));
            }
        }
        number("sealock.access.depth", sealed.access.depth.into(), 1, 32)?;
        if let Some(suppression) = sealed.suppression {
            number("sealock.suppression.cells", suppression.cells, 0, MAX_JSON_INTEGER)?;
            number("sealock.suppression.cellsSuppressed", suppression.cells_suppressed, 0, suppression.cells)?;
            number("sealock.suppression.rowsSuppressed", suppression.rows_suppressed, 0, sealed.max_rows)?;
        }
        Ok(())
    }
}

pub(super) fn text(field: &str, text: &str, min: usize, max: usize) -> Result<(), AssetError> {
    let length = text.chars().count();
    if !(min..=max).contains(&length) {
        return Err(AssetError::description(field, format!("expected {min} to {max} characters, got {length}")));
    }
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        return Err(AssetError::description(field, "expected no control characters but line breaks and tabs"));
    }
    Ok(())
}

pub(super) fn number(field: &str, value: u64, min: u64, max: u64) -> Result<(), AssetError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(AssetError::description(field, format!("expected {min} to {max}, got {value}")))
}

pub(super) fn limit(bytes: &[u8]) -> Result<(), AssetError> {
    let limit = AssetDescription::MAX_BYTES;
    if bytes.len() > limit {
        return Err(CodecError::TooLarge { what: "DDO", got: bytes.len(), limit }.into());
    }
    Ok(())
}

/// Ocean wants some text here; it says where the ciphertext is.
fn files(manifest: &Cid) -> String {
    format!("ipfs://{manifest}")
}

/// Seconds since 1970 as `2026-01-31T12:00:00Z`, up to the year 9999.
pub(super) fn date(at: Timestamp, field: &str) -> Result<String, AssetError> {
    number(field, at, 0, 253_402_300_799)?;
    let date =
        DateTime::<Utc>::from_timestamp(at as i64, 0).ok_or_else(|| AssetError::description(field, "no date"))?;
    Ok(date.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn timestamp(text: &str, field: &str) -> Result<Timestamp, AssetError> {
    let date = DateTime::parse_from_rfc3339(text).map_err(|e| AssetError::description(field, e.to_string()))?;
    u64::try_from(date.timestamp()).map_err(|_| AssetError::description(field, "a date before 1970"))
}
