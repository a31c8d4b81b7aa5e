//! The node itself, and its assets.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};

use super::error::Failure;
use super::ledger::Page;
use super::state::State;
use crate::asset::{Did, Price};
use crate::exchange::Asset;
use crate::protocol::{AssetEntry, AssetPage, NodeInfo, Problem};

/// What the node is.
#[utoipa::path(get, path = "/node", tag = "node", responses((status = 200, description = "The node", body = NodeInfo)))]
pub(super) async fn node(Shared(state): Shared<Arc<State>>) -> Result<Json<NodeInfo>, Failure> {
    Ok(Json(state.block(|state| Ok(state.info())).await?))
}

/// The assets that the node serves.
#[utoipa::path(
    get, path = "/assets", tag = "assets", params(Page),
    responses(
        (status = 200, description = "Some of them", body = AssetPage),
        (status = 400, description = "No such page", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    Shared(state): Shared<Arc<State>>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Json<AssetPage>, Failure> {
    let (from, limit) = Page::read(query)?;
    let page = move |state: &State| {
        let assets = state.node().assets()?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(assets.len());
        let end = from.saturating_add(limit).min(assets.len());
        let next = (end < assets.len()).then_some(end as u64);
        Ok(AssetPage { assets: assets[from..end].iter().map(entry).collect::<Result<_, _>>()?, next })
    };
    Ok(Json(state.block(page).await?))
}

/// One asset.
#[utoipa::path(
    get, path = "/assets/{did}", tag = "assets", params(("did" = String, Path, description = "did:op:…")),
    responses(
        (status = 200, description = "The asset", body = AssetEntry),
        (status = 404, description = "It is not served here", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn one(
    Shared(state): Shared<Arc<State>>,
    Path(did): Path<String>,
) -> Result<Json<AssetEntry>, Failure> {
    let missing = || Failure::not_found("asset here");
    let did: Did = did.parse().map_err(|_| missing())?;
    let found = move |state: &State| entry(&state.node().asset_of(&did)?.ok_or_else(missing)?);
    Ok(Json(state.block(found).await?))
}

pub(super) fn entry(asset: &Asset) -> Result<AssetEntry, Failure> {
    Ok(AssetEntry {
        did: asset.did().to_string(),
        nft: asset.nft(),
        ddo: serde_json::from_slice(asset.ddo()).map_err(|e| Failure::malformed(e.to_string()))?,
        price: asset.price().map(price),
    })
}

pub(super) fn price(price: &Price) -> serde_json::Value {
    match price {
        // 10^18 units are one token; JSON's numbers would lose some.
        Price::Fixed { base_token, amount } => {
            serde_json::json!({"type": "fixed", "base_token": base_token.to_string(), "units": amount.to_string()})
        }
        Price::Free { max_per_account } => serde_json::json!({"type": "free", "max_per_account": max_per_account}),
    }
}
