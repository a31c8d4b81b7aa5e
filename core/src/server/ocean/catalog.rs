//! The owner's assets, as Ocean's clients see them: descriptions from the chain, with what Ocean's indexers add to them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::cipher::Purpose;
use super::error::Refusal;
use super::{Inner, OceanState};
use crate::asset::{Did, MarketDdo, MarketService};
use crate::error::{Classify, ErrorKind};
use crate::exchange::Asset;
use crate::ledger::Ledger;
use crate::ledger::ocean::Described;
use crate::node::lock;
use crate::time::Timestamp;
use crate::{Address, Digest};

/// NFTs that are looked at together.
const PAGE: usize = 4096;
/// Descriptions that are kept as they are shown.
const MAX_SHOWN: usize = 256;
/// Ocean's states of an asset that is served: active, and unlisted.
const SERVED_STATES: [u8; 2] = [0, 5];

/// The hash of a description as the ledger has it, and what is shown of it.
type Shown = (Digest, Arc<Vec<u8>>);

/// Which NFTs there are, and descriptions as they are shown.
#[derive(Default)]
pub(super) struct Catalog {
    nfts: std::sync::Mutex<Nfts>,
    shown: std::sync::Mutex<HashMap<Did, Shown>>,
}

#[derive(Default)]
struct Nfts {
    read: u64,
    by_did: HashMap<Did, Address>,
}

/// What an asset is.
pub(super) enum Kind {
    /// One of Sealock's, that this node computes on.
    Sealed(Box<Asset>),
    /// Any other.
    Plain,
}

/// An asset of the owner's.
pub(super) struct Found {
    pub(super) did: Did,
    pub(super) nft: Address,
    pub(super) ddo: MarketDdo,
    text: Vec<u8>,
    described: Described,
    pub(super) kind: Kind,
}

impl Found {
    /// A service, and its place, which orders name it by.
    pub(super) fn service(&self, id: &str) -> Result<(u32, &MarketService), Refusal> {
        let found = (0u32..).zip(&self.ddo.services).find(|(_, service)| service.id == id);
        found.ok_or_else(|| Refusal::malformed("Invalid serviceId"))
    }

    /// Whether an account may order and use a service, and the asset is to be served at all.
    pub(super) fn check_access(&self, service: &MarketService, who: Address) -> Result<(), Refusal> {
        if !SERVED_STATES.contains(&self.described.state) {
            return Err(Refusal::forbidden("The asset is not active"));
        }
        // Of version 5: the service's own state.
        if service.state.is_some_and(|state| !SERVED_STATES.map(u64::from).contains(&state)) {
            return Err(Refusal::forbidden("The service is not active"));
        }
        for credentials in [&self.ddo.credentials, &service.credentials] {
            if credentials.is_allowed(&who) != Some(true) {
                return Err(Refusal::forbidden(format!("Error: Access to asset {} was denied", self.did)));
            }
        }
        Ok(())
    }
}

impl Inner {
    fn nft_of(&self, did: &Did) -> Result<Option<Address>, Refusal> {
        let look = || {
            let nfts = lock(&self.catalog.nfts);
            (nfts.by_did.get(did).copied(), nfts.read)
        };
        loop {
            let (found, read) = look();
            if found.is_some() {
                return Ok(found);
            }
            // The chain may be slow: who asks for what is known does not wait for it.
            let page = self.ledger.nfts(read, PAGE)?;
            let chain = self.ledger.chain_id();
            let mut nfts = lock(&self.catalog.nfts);
            nfts.by_did.extend(page.iter().map(|nft| (Did::new(*nft, chain), *nft)));
            nfts.read = nfts.read.max(read + page.len() as u64);
            if page.len() < PAGE {
                return Ok(nfts.by_did.get(did).copied());
            }
        }
    }

    /// An asset of the owner's.
    ///
    /// # Errors
    /// `400` for what is no identifier; `404` for the asset of another, or one whose description is none.
    pub(super) fn find(&self, did: &str) -> Result<Found, Refusal> {
        let did: Did = did.parse().map_err(|_| Refusal::malformed("Missing or invalid required parameter: \"did\""))?;
        let none = || Refusal::not_found("DDO not found");
        let nft = self.nft_of(&did)?.ok_or_else(none)?;
        if self.ledger.owner_of(nft)? != self.owner.address() {
            return Err(none());
        }
        if !self.ledger.has_decryptor(nft) {
            let cipher = Arc::clone(&self.cipher);
            let open = move |sealed: &[u8]| {
                let opened = cipher.open(Purpose::Description, b"", sealed).map_err(|e| e.to_string())?;
                Ok(opened.to_vec())
            };
            self.ledger.set_decryptor(nft, Arc::new(open));
        }
        let metadata = match self.ledger.metadata(nft) {
            Ok(metadata) => metadata.ok_or_else(none)?,
            // Encrypted by another node, or no document at all: there is nothing to show.
            Err(error) if matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge) => {
                tracing::warn!(%did, %error, "an asset of the owner's has a description that cannot be read");
                return Err(none());
            }
            Err(error) => return Err(error.into()),
        };
        let described = self.ledger.described(nft)?.ok_or_else(none)?;
        let ddo = MarketDdo::read(&metadata.ddo, nft, self.ledger.chain_id()).map_err(|error| {
            tracing::warn!(%did, %error, "an asset of the owner's has a description that is none");
            none()
        })?;
        for service in &ddo.services {
            // What the contracts do not know as a datatoken of the NFT pays for nothing.
            if !self.ledger.is_deployed(nft, service.datatoken)? {
                return Err(none());
            }
        }
        let kind = match self.node().asset_of(&did)? {
            Some(asset) => Kind::Sealed(Box::new(asset)),
            None => Kind::Plain,
        };
        Ok(Found { did, nft, ddo, text: metadata.ddo, described, kind })
    }

    /// The description with the fields of Ocean's indexers.
    fn show(&self, found: &Found) -> Result<Arc<Vec<u8>>, Refusal> {
        let tx = found.described.tx;
        if let Some((of, text)) = lock(&self.catalog.shown).get(&found.did)
            && *of == tx
            && found.described.state == 0
        {
            return Ok(Arc::clone(text));
        }
        let mut ddo: Value = serde_json::from_slice(&found.text).map_err(|_| Refusal::not_found("DDO not found"))?;
        let mut datatokens = Vec::new();
        for service in &found.ddo.services {
            let token = self.ledger.token(service.datatoken)?;
            datatokens.push(json!({
                "address": service.datatoken.to_string(),
                "name": token.name,
                "symbol": token.symbol,
                "serviceId": service.id,
            }));
        }
        let Described { block, time, state, .. } = found.described;
        let (nft, owner) = (found.nft.to_string(), self.owner.address().to_string());
        let event = json!({
            "txid": format!("0x{tx}"),
            "tx": format!("0x{tx}"),
            "from": owner,
            "contract": nft,
            "block": block,
            "datetime": iso(time),
        });
        let more = json!({
            "nft": { "address": nft, "owner": owner, "state": state },
            "event": event,
            "purgatory": { "state": false, "reason": "" },
            "stats": [],
        });
        if let Some(fields) = ddo.as_object_mut() {
            fields.insert("indexedMetadata".into(), more);
            fields.insert("event".into(), event);
            // Of version 5, they stand with the other fields.
            let whole = !fields.contains_key("credentialSubject");
            let place = if whole { Some(fields) } else { fields["credentialSubject"].as_object_mut() };
            place.map(|fields| fields.insert("datatokens".into(), datatokens.into()));
        }
        let text = Arc::new(ddo.to_string().into_bytes());
        let mut shown = lock(&self.catalog.shown);
        if shown.len() >= MAX_SHOWN {
            shown.clear();
        }
        // A state may change without a new description: one that is not as usual is not kept.
        if state == 0 {
            shown.insert(found.did, (tx, Arc::clone(&text)));
        }
        Ok(text)
    }
}

/// A time as Ocean writes it.
fn iso(at: Timestamp) -> String {
    let at = i64::try_from(at).ok().and_then(|at| chrono::DateTime::from_timestamp(at, 0));
    at.unwrap_or_default().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

pub(super) async fn ddo(Shared(state): Shared<OceanState>, Path(did): Path<String>) -> Result<Response, Refusal> {
    let text = state.block(move |inner| inner.show(&inner.find(&did)?)).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text.to_vec()).into_response())
}
