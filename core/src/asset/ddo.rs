//! The JSON form of a description: Ocean's fields in Ocean's order, and Sealock's section.

use cid::Cid;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    Did, Schema,
    description::{AccessKeys, Dataset, EncryptedColumns, Mode, OrderTerms, Policy, Suppression},
    terms::address_text,
};
use crate::{Address, model::ModelInfo};

/// The version of Sealock's section.
pub(super) const VERSION: u64 = 1;

/// The versions in a DDO whose other fields could not be read.
#[derive(Deserialize)]
pub(super) struct Versions {
    pub(super) services: Vec<Json>,
}

impl Versions {
    /// A version of Sealock's fields that is not ours.
    pub(super) fn unknown(&self) -> Option<u64> {
        let version = |service: &Json| service.pointer("/additionalInformation/sealock/version")?.as_u64();
        self.services.iter().filter_map(version).find(|version| *version != VERSION)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ddo {
    #[serde(rename = "@context")]
    pub(super) context: Vec<String>,
    pub(super) id: Did,
    pub(super) version: String,
    pub(super) chain_id: u64,
    #[serde(with = "address_text")]
    pub(super) nft_address: Address,
    pub(super) metadata: DdoMetadata,
    pub(super) services: Vec<DdoService>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct DdoMetadata {
    pub(super) created: String,
    pub(super) updated: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) description: String,
    pub(super) author: String,
    pub(super) license: String,
    #[serde(default)]
    pub(super) tags: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DdoService {
    pub(super) id: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) files: String,
    #[serde(with = "address_text")]
    pub(super) datatoken_address: Address,
    pub(super) service_endpoint: String,
    pub(super) timeout: u64,
    /// For a compute service alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) compute: Option<Compute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) additional_information: Option<Additional>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Compute {
    pub(super) allow_raw_algorithm: bool,
    pub(super) allow_network_access: bool,
    pub(super) publisher_trusted_algorithm_publishers: Vec<String>,
    pub(super) publisher_trusted_algorithms: Vec<Json>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Additional {
    pub(super) sealock: Section,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Section {
    #[serde(deserialize_with = "known_version")]
    pub(super) version: u64,
    pub(super) mode: Mode,
    #[serde(rename = "maxRows")]
    pub(super) max_rows: u64,
    pub(super) schema: Schema,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<ModelInfo>,
    pub(super) policy: Policy,
    #[serde(with = "cid_text")]
    pub(super) manifest: Cid,
    /// Of sealed data alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) encrypted: Option<EncryptedColumns>,
    pub(super) dataset: Dataset,
    pub(super) access: AccessKeys,
    pub(super) node: Node,
    pub(super) order: OrderTerms,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) suppression: Option<Suppression>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    #[serde(with = "address_text")]
    pub(super) signer: Address,
}

fn known_version<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    match u64::deserialize(deserializer)? {
        VERSION => Ok(VERSION),
        other => Err(serde::de::Error::custom(format!("version {other} is unknown"))),
    }
}

/// CIDs as text, in the one spelling that a CID has by default.
pub(super) mod cid_text {
    use cid::Cid;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(cid: &Cid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(cid)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Cid, D::Error> {
        let text = String::deserialize(deserializer)?;
        let cid = Cid::try_from(text.as_str()).map_err(D::Error::custom)?;
        if cid.to_string() == text { Ok(cid) } else { Err(D::Error::custom("not the usual spelling of a CID")) }
    }
}

/// Digests as 64 lower-case hex digits.
pub(super) mod digest_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::Digest;

    pub(crate) fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(digest)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digest: Digest = text.parse().map_err(D::Error::custom)?;
        if digest.to_string() == text { Ok(digest) } else { Err(D::Error::custom("expected lower-case hex digits")) }
    }
}
