//! What the owner publishes with Ocean's client: encrypting file objects and descriptions, and checking descriptions.
//!
//! Both are for the node's owner alone. What a stranger had encrypted would be served for nobody, and a stranger's description
//! under the node's signature would be vouched for by nobody.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::auth::{Command, Signed, digest_of_text};
use super::cipher::Purpose;
use super::error::Refusal;
use super::{Inner, OceanState, Parameters};
use crate::asset::{AssetDescription, MarketDdo};
use crate::ledger::Ledger;
use crate::{Address, Digest};

/// Where the files of a service are, as ocean.js encrypts it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Files {
    pub(super) datatoken_address: String,
    pub(super) nft_address: String,
    pub(super) files: Vec<Value>,
}

impl Inner {
    fn owner_alone(&self, signed: Signed) -> Result<(), Refusal> {
        if signed.who != self.owner.address() {
            return Err(Refusal::forbidden("This node serves the assets of its owner alone"));
        }
        self.spend(signed)
    }
}

/// Encrypts to the node what its owner publishes. The answer is `0x` and hex digits.
pub(super) async fn encrypt(
    Shared(state): Shared<OceanState>,
    parameters: Parameters,
    body: Bytes,
) -> Result<Response, Refusal> {
    let signed = parameters.signed(Command::Encrypt)?;
    let chain = parameters.get("chainId").map(str::to_owned);
    let encrypt = move |inner: &std::sync::Arc<Inner>| {
        if chain.is_some_and(|chain| chain != inner.ledger.chain_id().to_string()) {
            return Err(Refusal::malformed("The node is not of this chain"));
        }
        if body.is_empty() {
            return Err(Refusal::malformed("Missing required body"));
        }
        if body.len() > AssetDescription::MAX_BYTES {
            return Err(Refusal::malformed("The body is too long"));
        }
        inner.owner_alone(signed)?;
        let purpose = match serde_json::from_slice::<Files>(&body) {
            Ok(_) => Purpose::Files,
            Err(_) => Purpose::Description,
        };
        Ok(format!("0x{}", hex::encode(inner.cipher.seal(purpose, b"", &body)?)))
    };
    let text = state.block(encrypt).await?;
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], text).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    #[serde(borrow)]
    ddo: &'a RawValue,
    publisher_address: Option<String>,
    nonce: Option<Value>,
    signature: Option<String>,
}

/// Of which NFT a description says that it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    nft_address: Option<String>,
    credential_subject: Option<Box<Named>>,
}

/// A nonce, which is text in some of ocean.js' requests and a number in others.
pub(super) fn nonce_text(nonce: Option<&Value>) -> Option<String> {
    match nonce? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Checks a description that the owner is about to publish, and signs its digest, as Ocean's nodes do.
pub(super) async fn validate(Shared(state): Shared<OceanState>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let validate = move |inner: &std::sync::Arc<Inner>| {
        let asked: Asked<'_> = serde_json::from_slice(&body).map_err(|_| Refusal::malformed("Missing DDO object"))?;
        let nonce = nonce_text(asked.nonce.as_ref());
        let who = asked.publisher_address.as_deref();
        let signed = Signed::check(Command::Validate, who, nonce.as_deref(), asked.signature.as_deref())?;
        inner.owner_alone(signed)?;
        // What is hashed is the text as it came: the one that will be on the chain.
        let text = asked.ddo.get();
        let named: Named = serde_json::from_str(text).map_err(|_| Refusal::malformed("Missing DDO object"))?;
        let nft = named.nft_address.or_else(|| named.credential_subject?.nft_address);
        let nft: Address = nft
            .and_then(|nft| nft.parse().ok())
            .ok_or_else(|| Refusal::malformed("Validation failed: nftAddress is missing or invalid"))?;
        MarketDdo::read(text.as_bytes(), nft, inner.ledger.chain_id())
            .map_err(|error| Refusal::malformed(format!("Validation failed: {error}")))?;
        let hash = format!("0x{}", Digest::sha256(text.as_bytes()));
        let signature = inner.node().account().sign(&digest_of_text(&hash))?;
        let bytes = signature.as_bytes();
        let part = |range: std::ops::Range<usize>| format!("0x{}", hex::encode(&bytes[range]));
        // ocean.js takes the first of each.
        Ok(Json(json!({
            "hash": hash,
            "publicKey": inner.owner.address().to_string(),
            "r": [part(0..32)],
            "s": [part(32..64)],
            "v": 27 + bytes[64],
        })))
    };
    state.block(validate).await
}
