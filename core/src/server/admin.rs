//! What a node's owner sees: the page, and what is behind it.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::assets::price;
use super::error::Failure;
use super::ledger::Page;
use super::state::State;
use crate::Digest;
use crate::access::Group;
use crate::asset::Column;
use crate::error::{Error, Result};
use crate::exchange::Asset;
use crate::protocol::{JobState, NodeInfo};
use crate::receipt::{Receipt, genesis};
use crate::time::Timestamp;

/// How the node is.
#[derive(Serialize)]
pub(super) struct Overview {
    node: NodeInfo,
    uptime_secs: u64,
    workers: usize,
    queued: usize,
    running: usize,
    max_queued: usize,
    completed: u64,
    failed: u64,
    draining: bool,
}

/// An asset and what has become of it.
#[derive(Serialize)]
pub(super) struct AssetState {
    did: String,
    nft: String,
    name: String,
    /// `table` or `model`.
    kind: &'static str,
    columns: Vec<Column>,
    max_rows: u64,
    policy: serde_json::Value,
    price: Option<serde_json::Value>,
    uses_per_order: u64,
    orders: u64,
    /// Among how many accounts a request hides now.
    crowd: usize,
    jobs_admitted: u64,
    /// Privacy loss so far and its limit, in millionths of ε.
    epsilon_spent_micros: u64,
    epsilon_limit_micros: Option<u64>,
}

/// A job that is not complete.
#[derive(Serialize)]
struct JobRow {
    job: String,
    asset: String,
    state: JobState,
    stage: Option<&'static str>,
    since: Timestamp,
    attempts: u32,
}

/// A refusal.
#[derive(Serialize)]
struct RefusalRow {
    at: Timestamp,
    asset: String,
    kind: &'static str,
    reason: String,
}

/// Jobs that are not complete, in the order in which they will be worked on, and the latest refusals, latest first.
#[derive(Serialize)]
pub(super) struct Jobs {
    jobs: Vec<JobRow>,
    refusals: Vec<RefusalRow>,
}

/// A receipt, and whether it stands.
#[derive(Serialize)]
struct ReceiptRow {
    number: u64,
    job: String,
    asset: String,
    program: String,
    device: String,
    result: String,
    epsilon_micros: Option<u64>,
    released_at: Timestamp,
    /// Whether the owner signed it, and it names the one before.
    verified: bool,
}

/// Receipts, latest first.
#[derive(Serialize)]
pub(super) struct Receipts {
    total: u64,
    receipts: Vec<ReceiptRow>,
}

type Reply<T> = std::result::Result<Json<T>, Failure>;

pub(super) async fn overview(Shared(state): Shared<Arc<State>>) -> Reply<Overview> {
    let look = |state: &State| {
        let ((queued, running), (completed, failed)) = (state.queue.counts(), state.metrics.ended());
        Ok(Overview {
            node: state.info(),
            uptime_secs: state.started.elapsed().as_secs(),
            workers: state.options.workers,
            queued,
            running,
            max_queued: state.options.max_queued,
            completed,
            failed,
            draining: state.is_draining(),
        })
    };
    Ok(Json(state.block(look).await?))
}

pub(super) async fn assets(Shared(state): Shared<Arc<State>>) -> Reply<Vec<AssetState>> {
    let look = |state: &State| {
        let assets = state.node().assets()?;
        Ok(assets.iter().map(|asset| asset_state(state, asset)).collect::<Result<Vec<_>>>()?)
    };
    Ok(Json(state.block(look).await?))
}

fn asset_state(state: &State, asset: &Asset) -> Result<AssetState> {
    let (node, exchange) = (state.node(), state.exchange());
    let now = exchange.clock().now();
    let (orders, crowd) =
        exchange.with_group(asset.service(), |group: &Group| (group.len() as u64, group.crowd(now, asset.owner())))?;
    let budget = node.budget(asset)?;
    Ok(AssetState {
        did: asset.did().to_string(),
        nft: asset.nft().to_string(),
        name: asset.description().metadata.name.clone(),
        kind: if asset.model().is_some() { "model" } else { "table" },
        columns: asset.schema().columns().to_vec(),
        max_rows: asset.max_rows(),
        policy: asset.policy().to_json()?,
        price: asset.price().map(price),
        uses_per_order: asset.order_terms().limit,
        orders,
        crowd,
        jobs_admitted: node.jobs_admitted(&asset.did())?,
        epsilon_spent_micros: budget.spent_micros,
        epsilon_limit_micros: budget.limit.map(|limit| limit.micros()),
    })
}

pub(super) async fn jobs(Shared(state): Shared<Arc<State>>) -> Reply<Jobs> {
    let look = |state: &State| {
        let node = state.node();
        let mut jobs: Vec<JobRow> = state
            .queue
            .list()
            .into_iter()
            .map(|waiting| JobRow {
                job: waiting.job.to_string(),
                asset: waiting.asset,
                state: waiting.progress.state,
                stage: waiting.progress.stage,
                since: waiting.since,
                attempts: waiting.attempts,
            })
            .collect();
        for job in node.unfinished()? {
            if let (Some(why), Some(record)) = (node.parked(job)?, node.job(job)?) {
                let state = match why {
                    crate::journal::Parked::Cancelled => JobState::Cancelled,
                    crate::journal::Parked::Failed => JobState::Failed,
                };
                let (job, since) = (job.to_string(), record.admitted_at);
                jobs.push(JobRow { job, asset: record.asset, state, stage: None, since, attempts: 0 });
            }
        }
        let refusal = |record: crate::node::RefusalRecord| RefusalRow {
            at: record.at,
            asset: record.asset,
            kind: record.kind.name(),
            reason: record.reason,
        };
        Ok(Jobs { jobs, refusals: node.refusals().into_iter().rev().map(refusal).collect() })
    };
    Ok(Json(state.block(look).await?))
}

/// Receipts, latest first: `from` counts from the latest.
pub(super) async fn receipts(
    Shared(state): Shared<Arc<State>>,
    query: std::result::Result<Query<Page>, QueryRejection>,
) -> Reply<Receipts> {
    let (from, limit) = Page::read(query)?;
    let look = move |state: &State| {
        let (node, owner) = (state.node(), state.owner.address());
        let total = node.receipt_count()?;
        let end = total.saturating_sub(from);
        let start = end.saturating_sub(limit as u64);
        // One more, for the first to be compared with.
        let before = start.saturating_sub(1);
        let page = node.receipts_from(before, (end - before) as usize)?;
        let mut previous: Option<Digest> = (start == 0).then(|| genesis(owner));
        let mut rows = Vec::new();
        for (number, receipt) in (before..).zip(&page) {
            if number >= start {
                rows.push(receipt_row(number, receipt, previous, owner));
            }
            previous = receipt.digest().ok();
        }
        rows.reverse();
        Ok(Receipts { total, receipts: rows })
    };
    Ok(Json(state.block(look).await?))
}

fn receipt_row(number: u64, receipt: &Receipt, previous: Option<Digest>, owner: crate::Address) -> ReceiptRow {
    let said = receipt.statement();
    ReceiptRow {
        number,
        job: said.job.to_string(),
        asset: said.asset.clone(),
        program: said.program.to_string(),
        device: said.device.clone(),
        result: said.result.to_string(),
        epsilon_micros: said.epsilon_micros,
        released_at: said.released_at,
        verified: receipt.verify(owner).is_ok() && said.number == number && previous == Some(said.previous),
    }
}

/// A receipt, as its bytes: to be given to whoever asks.
pub(super) async fn receipt(
    Shared(state): Shared<Arc<State>>,
    Path(number): Path<u64>,
) -> std::result::Result<Response, Failure> {
    let bytes = move |state: &State| {
        let receipt = state.node().receipt(number)?.ok_or_else(|| Failure::not_found("receipt"))?;
        Ok(receipt.to_bytes().map_err(Error::from)?)
    };
    let bytes = state.block(bytes).await?;
    let name = format!("attachment; filename=\"receipt-{number}.cbor\"");
    let headers = [(header::CONTENT_TYPE, crate::protocol::DAG_CBOR.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

pub(super) async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let text = state.metrics.text(&state);
    let media = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, media)], text).into_response()
}

/// Whether the process lives and can write: one that cannot is to be started again.
#[utoipa::path(
    get, path = "/healthz", tag = "node",
    responses((status = 200, description = "It lives", body = String), (status = 503, description = "It is to be started again"))
)]
pub(super) async fn health(Shared(state): Shared<Arc<State>>) -> Response {
    let well = state.block(|state| Ok(state.is_well())).await.unwrap_or(false);
    if well { "ok\n".into_response() } else { (StatusCode::SERVICE_UNAVAILABLE, "not well\n").into_response() }
}

/// Whether the node takes jobs: it is not about to stop, and can read its ledger and its journal.
#[utoipa::path(
    get, path = "/readyz", tag = "node",
    responses((status = 200, description = "It takes jobs", body = String), (status = 503, description = "It does not"))
)]
pub(super) async fn ready(Shared(state): Shared<Arc<State>>) -> Response {
    let ready = state.block(|state| Ok(state.is_ready()?)).await.unwrap_or(false);
    if ready { "ready\n".into_response() } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response() }
}

/// The files of the page: they ask nobody else for anything.
const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_str!("page/page.js")),
];

pub(super) async fn page(path: axum::http::Uri) -> std::result::Result<Response, Failure> {
    let file = FILES.iter().find(|(name, ..)| *name == path.path()).ok_or_else(|| Failure::not_found("page"))?;
    let mut response = ([(header::CONTENT_TYPE, file.1)], file.2).into_response();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                  base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
