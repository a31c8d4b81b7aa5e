//! Computing for Ocean's clients: what computes, and the life of a job.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::auth::{self, Command, Signed};
use super::book::{Name, Progress, Row};
use super::catalog::Kind;
use super::error::Refusal;
use super::publish::nonce_text;
use super::{Inner, OceanState, Parameters};
use crate::asset::MarketKind;
use crate::exchange::COMPUTE_SERVICE;
use crate::ledger::Ledger;
use crate::node::clear::ClearQuery;
use crate::program::{MAX_PROGRAM_BYTES, MAX_SQL_BYTES};

/// The one environment: this machine's processor.
pub(super) const ENVIRONMENT: &str = "sealock-cpu";
/// The longest algorithm, in bytes: SQL, or a program in hex digits.
pub(super) const MAX_ALGORITHM_BYTES: usize = 2 * MAX_PROGRAM_BYTES + 2;
/// For how many seconds a job may run, as clients are told; jobs take a fraction of one.
const MAX_JOB_SECS: u64 = 3600;

/// An asset of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DatasetAsked {
    pub(super) document_id: String,
    pub(super) service_id: String,
    pub(super) transfer_tx_id: Option<String>,
}

/// The algorithm of a request: an asset, or code.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlgorithmAsked {
    document_id: Option<String>,
    service_id: Option<String>,
    transfer_tx_id: Option<String>,
    meta: Option<Meta>,
}

#[derive(Clone, Debug, Deserialize)]
struct Meta {
    rawcode: Option<String>,
}

impl AlgorithmAsked {
    /// The asset, if it is one.
    pub(super) fn asset(&self) -> Option<Result<DatasetAsked, Refusal>> {
        let document_id = self.document_id.clone().filter(|did| !did.is_empty())?;
        let service_id = self.service_id.clone().ok_or_else(|| Refusal::missing("algorithm.serviceId"));
        let transfer_tx_id = self.transfer_tx_id.clone();
        Some(service_id.map(|service_id| DatasetAsked { document_id, service_id, transfer_tx_id }))
    }
}

pub(super) async fn environments(Shared(state): Shared<OceanState>) -> Json<Value> {
    let inner = &state.0;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let resources = json!([
        { "id": "cpu", "type": "cpu", "kind": "discrete", "total": cores, "min": 1, "max": cores, "inUse": 0 },
        { "id": "ram", "type": "ram", "total": 1, "min": 1, "max": 1, "inUse": 0 },
        { "id": "disk", "type": "disk", "total": 1, "min": 0, "max": 1, "inUse": 0 },
    ]);
    // Nothing but the datatokens is paid.
    let free = |id: &str| json!({ "id": id, "price": 0 });
    let prices = ["cpu", "ram", "disk"].map(free);
    let token = inner.ledger.addresses().ocean.map_or_else(|| crate::Address::ZERO.to_string(), |at| at.to_string());
    let mut fees = serde_json::Map::new();
    fees.insert(inner.ledger.chain_id().to_string(), json!([{ "feeToken": token, "prices": prices }]));
    Json(json!([{
        "id": ENVIRONMENT,
        "description": "Sealock programs (SQL without secrets) on protected cubes, under each asset's policy. No containers.",
        "consumerAddress": inner.owner.address().to_string(),
        "platform": { "architecture": std::env::consts::ARCH, "os": std::env::consts::OS },
        "storageExpiry": inner.options.result_retention,
        "minJobDuration": 1,
        "maxJobDuration": MAX_JOB_SECS,
        "maxJobs": inner.options.max_queued,
        "runningJobs": inner.jobs.waiting(),
        "queuedJobs": 0,
        "resources": resources,
        "fees": fees,
        "access": { "addresses": [], "accessLists": null },
    }]))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Start {
    consumer_address: Option<String>,
    nonce: Option<Value>,
    signature: Option<String>,
    environment: Option<String>,
    datasets: Vec<DatasetAsked>,
    algorithm: AlgorithmAsked,
    output: Option<Value>,
    output_bucket_id: Option<Value>,
}

/// Starts a job. The same program under the same order is the same job, and costs one use.
pub(super) async fn start(Shared(state): Shared<OceanState>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let start = move |inner: &Arc<Inner>| {
        let asked: Start =
            serde_json::from_slice(&body).map_err(|e| Refusal::malformed(format!("The body is malformed: {e}")))?;
        let nonce = nonce_text(asked.nonce.as_ref());
        let who = asked.consumer_address.as_deref();
        let signed = Signed::check(Command::Start, who, nonce.as_deref(), asked.signature.as_deref())?;
        let (name, row) = inner.start(signed, &asked)?;
        Ok(Json(json!([job(&name, &row)])))
    };
    state.block(start).await
}

impl Inner {
    fn start(self: &Arc<Self>, signed: Signed, asked: &Start) -> Result<(Name, Row), Refusal> {
        if asked.environment.as_deref() != Some(ENVIRONMENT) {
            return Err(Refusal::malformed("Invalid compute environment"));
        }
        let given = |value: &Option<Value>| value.as_ref().is_some_and(|value| !value.is_null());
        if given(&asked.output) || given(&asked.output_bucket_id) {
            return Err(Refusal::malformed("Results are fetched from this node: it sends them nowhere"));
        }
        let [dataset] = &asked.datasets[..] else {
            return Err(Refusal::malformed("Expected one dataset: a job asks one asset"));
        };
        let found = self.find(&dataset.document_id)?;
        let (place, service) = found.service(&dataset.service_id)?;
        found.check_access(service, signed.who)?;
        let asset = match &found.kind {
            Kind::Sealed(asset) if place == COMPUTE_SERVICE && asset.model().is_none() => asset,
            _ => return Err(Refusal::malformed("The dataset is no table that this node computes on")),
        };
        let tx = dataset.transfer_tx_id.as_deref().ok_or_else(|| Refusal::missing("transferTxId"))?;
        let paid = self.paid(&found, (place, service), signed.who, tx)?;
        let (source, algorithm) = self.algorithm(&asked.algorithm, signed)?;
        let source = source.trim_ascii().to_vec();
        let query = read_program(&source)?;
        // The rules are public. What the asset has spent is not, and is looked at when the job is admitted.
        let invalid = |why: String| Refusal::malformed(format!("The program does not fit the asset: {why}"));
        let plan = query.program.plan(asset.schema()).map_err(|e| invalid(e.to_string()))?;
        if !plan.hidden().is_empty() {
            return Err(invalid("it has secrets, which this way does not keep: order with Sealock".into()));
        }
        asset
            .policy()
            .check(&query.program, &plan, self.now())
            .map_err(|e| Refusal::forbidden(format!("The asset's policy does not allow the program: {e}")))?;
        self.spend(signed)?;
        self.begin(signed.who, asset, &query, source, algorithm, &paid)
    }

    /// The code of an algorithm, and its asset if it is one.
    fn algorithm(&self, asked: &AlgorithmAsked, signed: Signed) -> Result<(Vec<u8>, Option<String>), Refusal> {
        let Some(asset) = asked.asset() else {
            let code = asked.meta.as_ref().and_then(|meta| meta.rawcode.as_deref()).filter(|code| !code.is_empty());
            let code = code.ok_or_else(|| Refusal::missing("algorithm.documentId or algorithm.meta.rawcode"))?;
            if code.len() > MAX_ALGORITHM_BYTES {
                return Err(Refusal::malformed("The algorithm is too long"));
            }
            return Ok((code.as_bytes().to_vec(), None));
        };
        let asset = asset?;
        let found = self.find(&asset.document_id)?;
        let (place, service) = found.service(&asset.service_id)?;
        found.check_access(service, signed.who)?;
        if found.ddo.kind != MarketKind::Algorithm || matches!(found.kind, Kind::Sealed(_)) {
            return Err(Refusal::malformed("The algorithm's asset is no algorithm"));
        }
        let tx = asset.transfer_tx_id.as_deref().ok_or_else(|| Refusal::missing("algorithm.transferTxId"))?;
        self.paid(&found, (place, service), signed.who, tx)?;
        let code = self.whole_file(&found, service, 0, MAX_ALGORITHM_BYTES as u64)?;
        Ok((code, Some(found.did.to_string())))
    }
}

/// A program: SQL as it is, or canonical DAG-CBOR in hex digits or Base64.
pub(super) fn read_program(source: &[u8]) -> Result<ClearQuery, Refusal> {
    let wrong = |why: String| Refusal::malformed(format!("The algorithm is no Sealock program: {why}"));
    let text = std::str::from_utf8(source).map_err(|_| wrong("expected SQL, hex digits or Base64".into()))?.trim();
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let binary = hex::decode(digits).or_else(|_| data_encoding::BASE64.decode(text.as_bytes()));
    match binary {
        Ok(bytes) if !text.is_empty() => ClearQuery::read(&bytes).map_err(wrong),
        _ if text.len() > MAX_SQL_BYTES => Err(wrong("the SQL is too long".into())),
        _ => ClearQuery::read(text.as_bytes()).map_err(wrong),
    }
}

/// A job as Ocean's clients read it.
pub(super) fn job(name: &Name, row: &Row) -> Value {
    // Numbers and texts of Ocean's `C2DStatusNumber`.
    let (status, text) = match row.progress {
        Progress::Started => (40, "Running algorithm"),
        Progress::Finished => (70, "Job finished"),
        Progress::Failed => (75, "Job failed"),
        Progress::Stopped => (31, "Job stopped"),
    };
    let results =
        row.results.iter().enumerate().map(
            |(index, made)| json!({ "filename": made.name, "filesize": made.size, "type": "output", "index": index }),
        );
    json!({
        "owner": row.consumer.to_string(),
        "jobId": hex::encode(name),
        "environment": ENVIRONMENT,
        "dateCreated": row.created.to_string(),
        "dateFinished": row.ended.map(|at| at.to_string()),
        "status": status,
        "statusText": text,
        "results": results.collect::<Vec<_>>(),
        "inputDID": [row.asset],
        "algoDID": row.algorithm,
        "agreementId": format!("0x{}", row.tx),
        "expireTimestamp": row.expires,
        "isFree": false,
    })
}

/// A job's name in a parameter; names are random, and those that cannot be are nobody's.
fn named(parameters: &Parameters) -> Result<Name, Refusal> {
    let text = parameters.need("jobId")?;
    let mut name = Name::default();
    hex::decode_to_slice(text, &mut name).map_err(|_| no_job())?;
    Ok(name)
}

fn no_job() -> Refusal {
    Refusal::not_found("Cannot find the job")
}

impl Inner {
    /// A job of an account's; another's is as good as none.
    fn job_of(&self, name: &Name, who: crate::Address) -> Result<Row, Refusal> {
        let row = self.book.job(name)?.filter(|row| row.consumer == who && !row.source.is_empty());
        row.ok_or_else(no_job)
    }
}

/// How a job is. Ocean's clients sign nothing here, so that the job's name is what shows who asks: whoever has only an address
/// or an order, which everybody can see on the chain, hears nothing.
pub(super) async fn status(Shared(state): Shared<OceanState>, parameters: Parameters) -> Result<Json<Value>, Refusal> {
    let who = auth::address("consumerAddress", parameters.need("consumerAddress")?)?;
    let name = named(&parameters)?;
    let agreement = parameters.get("agreementId").map(str::to_ascii_lowercase);
    let status = move |inner: &Arc<Inner>| {
        let row = inner.job_of(&name, who)?;
        if agreement.is_some_and(|tx| tx != format!("0x{}", row.tx)) {
            return Err(no_job());
        }
        Ok(Json(json!([job(&name, &row)])))
    };
    state.block(status).await
}

/// Stops a job that has not ended. Its use stays spent.
pub(super) async fn stop(Shared(state): Shared<OceanState>, parameters: Parameters) -> Result<Json<Value>, Refusal> {
    let signed = parameters.signed(Command::Stop)?;
    let name = named(&parameters)?;
    let stop = move |inner: &Arc<Inner>| {
        inner.job_of(&name, signed.who)?;
        inner.spend(signed)?;
        let row = inner.stop(&name)?.ok_or_else(no_job)?;
        Ok(Json(json!([job(&name, &row)])))
    };
    state.block(stop).await
}

/// One result of a job, or the rest of it from some byte on.
pub(super) async fn result(
    Shared(state): Shared<OceanState>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let signed = parameters.signed(Command::Result)?;
    let name = named(&parameters)?;
    let number = parameters.need("index")?;
    let number: u32 = number.parse().map_err(|_| Refusal::malformed("The index is no number"))?;
    let result = move |inner: &Arc<Inner>| {
        let row = inner.job_of(&name, signed.who)?;
        inner.spend(signed)?;
        let made = row.results.get(number as usize).cloned();
        let sealed = inner.book.result(&name, number)?;
        let (Some(made), Some(sealed)) = (made, sealed) else {
            return Err(Refusal::not_found("There is no such result, or no more"));
        };
        Ok((made.name, inner.open_result(&name, number, &sealed)?.to_vec()))
    };
    let (file, bytes) = state.block(result).await?;
    let whole = bytes.len();
    let from = match headers.get(header::RANGE).map(|range| first_byte(range, whole)) {
        None => None,
        Some(Some(from)) => Some(from),
        Some(None) => {
            let range = [(header::CONTENT_RANGE, format!("bytes */{whole}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    let media = match file.rsplit_once('.') {
        Some((_, "json")) => "application/json",
        Some((_, "csv")) => "text/csv; charset=utf-8",
        _ => "application/octet-stream",
    };
    let mut response = Response::new(Body::from(Bytes::from(bytes).slice(from.unwrap_or(0)..)));
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment;filename={file}")) {
        fields.insert(header::CONTENT_DISPOSITION, value);
    }
    if let Some(from) = from {
        if let Ok(value) = HeaderValue::from_str(&format!("bytes {from}-{}/{whole}", whole - 1)) {
            fields.insert(header::CONTENT_RANGE, value);
        }
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    Ok(response)
}

/// The first byte of `bytes=N-`, which is what ocean.js asks for.
fn first_byte(range: &HeaderValue, whole: usize) -> Option<usize> {
    let from = range.to_str().ok()?.strip_prefix("bytes=")?.strip_suffix('-')?;
    from.parse().ok().filter(|from| *from < whole)
}
