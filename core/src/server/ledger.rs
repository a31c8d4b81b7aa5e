//! The node's embedded ledger, for others to follow and to write to.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::error::Failure;
use super::jobs::{body, in_pieces};
use super::state::State;
use crate::asset::Did;
use crate::error::{Classify, Error, ErrorKind};
use crate::ledger::{Applied, EmbeddedLedger, SignedTransaction, TRANSACTION_LIMIT, Tip};
use crate::protocol::{DAG_CBOR, MAX_PAGE, OfferMade, OfferRequest, Problem, TransactionApplied};

const MAX_OFFER_REQUEST: usize = 1024;

fn embedded(state: &State) -> Result<&EmbeddedLedger, Failure> {
    state.exchange().ledger().embedded().ok_or_else(|| Failure::not_found("ledger: it is on a chain"))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The number of the first.
    #[param(minimum = 0, maximum = 9223372036854775807u64)]
    from: Option<u64>,
    /// How many at most.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

impl Page {
    /// Where it begins, and its length.
    pub(super) fn read(query: Result<Query<Page>, QueryRejection>) -> Result<(u64, usize), Failure> {
        let Query(Page { from, limit }) = query.map_err(|e| Failure::malformed(e.body_text()))?;
        let from = from.unwrap_or(0);
        if from > i64::MAX as u64 {
            return Err(Failure::malformed(format!("the first is {from}, expected at most {}", i64::MAX)));
        }
        match limit.unwrap_or(MAX_PAGE) {
            limit @ 1..=MAX_PAGE => Ok((from, limit)),
            limit => Err(Failure::malformed(format!("the limit is {limit}, expected 1 to {MAX_PAGE}"))),
        }
    }
}

/// The end of the log.
#[utoipa::path(
    get, path = "/ledger/tip", tag = "ledger",
    responses(
        (status = 200, description = "Number of events and of transactions, hash and time of the last event", body = Object),
        (status = 404, description = "The ledger is on a chain", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn tip(Shared(state): Shared<Arc<State>>) -> Result<Json<Tip>, Failure> {
    Ok(Json(state.block(|state| Ok(embedded(state)?.tip().map_err(Error::from)?)).await?))
}

/// Transactions that were applied, in order, each with its time: an array of pairs in canonical DAG-CBOR. Who applies them
/// has the ledger.
#[utoipa::path(
    get, path = "/ledger/transactions", tag = "ledger", params(Page),
    responses(
        (status = 503, description = "As many answers are under way as there is room for", body = Problem, content_type = "application/problem+json"),
        (status = 200, description = "Transactions; none at the end", body = Vec<u8>, content_type = "application/vnd.ipld.dag-cbor"),
        (status = 400, description = "No such page", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The ledger is on a chain", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn transactions(
    Shared(state): Shared<Arc<State>>,
    query: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Failure> {
    let (from, limit) = Page::read(query)?;
    let page = move |state: &State| {
        let page = embedded(state)?.transactions(from, limit).map_err(Error::from)?;
        Ok(Applied::encode(&page).map_err(Error::from)?)
    };
    let bytes = state.block(page).await?;
    let room = state.room_for_answer(bytes.len() as u64)?;
    Ok(([(header::CONTENT_TYPE, DAG_CBOR)], in_pieces(bytes.into(), room)).into_response())
}

/// Applies a transaction that its sender has signed.
#[utoipa::path(
    post, path = "/ledger/transactions", tag = "ledger",
    request_body(content = Vec<u8>, content_type = "application/vnd.ipld.dag-cbor"),
    responses(
        (status = 200, description = "It was applied", body = TransactionApplied),
        (status = 400, description = "No transaction", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Others' transactions are not applied here", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "The ledger is on a chain", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body took too long", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "Refused: what the ledger says", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "Without Content-Length", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than a transaction can be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "With a Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again later", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn apply(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    data: Body,
) -> Result<Json<TransactionApplied>, Failure> {
    if !state.options.accept_transactions {
        let why = "this node applies no transactions of others";
        return Err(Failure::new(StatusCode::FORBIDDEN, ErrorKind::NotAuthorized, why));
    }
    let (bytes, room) = body(&state, "a transaction", &headers, data, TRANSACTION_LIMIT).await?;
    let apply = move |state: &State| {
        let _room = room;
        let ledger = embedded(state)?;
        let signed = SignedTransaction::decode(&bytes).map_err(Error::from)?;
        let receipt = ledger.submit(&signed).map_err(|e| match e.kind() {
            kind @ (ErrorKind::Io | ErrorKind::CorruptState | ErrorKind::Locked | ErrorKind::Internal) => {
                tracing::error!(error = %e, kind = kind.name(), "a transaction could not be applied");
                Failure::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorKind::Internal, "the node failed")
            }
            // The ledger is public, and so are its reasons.
            kind => {
                let failure = Failure::new(StatusCode::CONFLICT, kind, e.to_string());
                e.hint().into_iter().fold(failure, Failure::hint)
            }
        })?;
        Ok(TransactionApplied { tx: receipt.tx.to_string() })
    };
    Ok(Json(state.check(apply).await?))
}

/// An offer that the owner signs for an order, on a ledger on which an order needs one. It costs nothing.
#[utoipa::path(
    post, path = "/offers", tag = "ledger", request_body = OfferRequest,
    responses(
        (status = 200, description = "The offer, in hexadecimal", body = OfferMade),
        (status = 400, description = "No such request, or no offer is needed", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The asset of another", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such asset here", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body took too long", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "Without Content-Length", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than a request can be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "With a Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Try again later", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn offer(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    data: Body,
) -> Result<Json<OfferMade>, Failure> {
    let (bytes, _room) = body(&state, "a request for an offer", &headers, data, MAX_OFFER_REQUEST).await?;
    let asked: OfferRequest = serde_json::from_slice(&bytes).map_err(|e| Failure::malformed(e.to_string()))?;
    let commitment: [u8; 32] = hex::decode(&asked.commitment)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| Failure::malformed("the commitment is not 32 bytes in hexadecimal"))?;
    let did: Did = asked.asset.parse().map_err(|_| Failure::malformed("the asset is not a DID"))?;
    let sign = move |state: &State| {
        let asset = state.node().asset_of(&did)?.ok_or_else(|| Failure::not_found("asset here"))?;
        let service = match asked.service {
            crate::exchange::COMPUTE_SERVICE => Some(asset.service()),
            _ => asset.download_service().filter(|service| service.service == asked.service),
        };
        let service = service.ok_or_else(|| Failure::not_found("service"))?;
        let (exchange, account) = (state.exchange(), state.node().account());
        let offer = exchange.ledger().offer(account, service.datatoken, service.service, asked.consumer, commitment);
        Ok(OfferMade { offer: hex::encode(offer.map_err(Error::from)?) })
    };
    Ok(Json(state.check(sign).await?))
}
