//! The node's blocks, as of a trustless gateway (<https://specs.ipfs.tech/http-gateways/trustless-gateway/>).
//!
//! They are ciphertext, manifests and access keys: what the network may have. A block that is not here is not looked for
//! elsewhere, so that nobody makes the node fetch.

use std::sync::Arc;

use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::Failure;
use super::state::State;
use crate::error::{Error, ErrorKind};
use crate::protocol::{Problem, RAW_BLOCK};
use crate::store::Cid;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Format {
    /// `raw`: the block itself. Nothing else is served.
    format: Option<String>,
}

/// A block by its CID, to be compared with it.
#[utoipa::path(
    get, path = "/ipfs/{cid}", tag = "blocks",
    params(("cid" = String, Path, description = "CIDv1"), Format),
    responses(
        (status = 200, description = "The block", body = Vec<u8>, content_type = "application/vnd.ipld.raw"),
        (status = 400, description = "No CID of the kinds that are stored here", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "It is not here", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many answers are under way as there is room for", body = Problem, content_type = "application/problem+json"),
        (status = 406, description = "Only blocks are served", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn block(
    Shared(state): Shared<Arc<State>>,
    Path(cid): Path<String>,
    query: Result<Query<Format>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Query(Format { format }) = query.map_err(|e| Failure::malformed(e.body_text()))?;
    let accepts = |header: &HeaderValue| header.to_str().is_ok_and(|text| text.contains(RAW_BLOCK));
    let asked = match &format {
        Some(format) => format == "raw",
        None => headers.get(header::ACCEPT).is_some_and(accepts),
    };
    if !asked {
        let why = "only single blocks are served: ?format=raw";
        return Err(Failure::new(StatusCode::NOT_ACCEPTABLE, ErrorKind::InvalidArgument, why));
    }
    let malformed = || Failure::malformed("not a CID of the kinds that are stored here");
    let cid: Cid = cid.parse().map_err(|_| malformed())?;
    crate::store::check_cid(&cid).map_err(|_| malformed())?;
    let block = state
        .block(move |state| {
            let store = state.exchange().store();
            if !store.has(&cid).map_err(Error::from)? {
                return Err(Failure::not_found("block here"));
            }
            Ok(store.get(&cid).map_err(Error::from)?)
        })
        .await?;
    let name = |text: &str| HeaderValue::from_str(text).expect("a CID makes a header");
    let fixed = [
        (header::CONTENT_TYPE, HeaderValue::from_static(RAW_BLOCK)),
        (header::CONTENT_LENGTH, HeaderValue::from(block.bytes().len())),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=29030400, immutable")),
        (header::ETAG, name(&format!("\"{cid}.raw\""))),
        (HeaderName::from_static("x-ipfs-path"), name(&format!("/ipfs/{cid}"))),
        (header::CONTENT_DISPOSITION, name(&format!("attachment; filename=\"{cid}.bin\""))),
    ];
    let room = state.room_for_answer(block.bytes().len() as u64)?;
    let mut response = super::jobs::in_pieces(block.bytes().clone(), room).into_response();
    response.headers_mut().extend(fixed);
    Ok(response)
}
