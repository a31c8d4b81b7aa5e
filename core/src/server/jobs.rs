//! Jobs over HTTP.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde::Deserialize;
use tokio_stream::wrappers::WatchStream;

use super::error::Failure;
use super::queue::Progressed;
use super::state::State;
use crate::Digest;
use crate::error::{Classify, Error, ErrorKind};
use crate::job::{JobId, JobRequest, MAX_REQUEST_BYTES};
use crate::journal::{JobRecord, Parked};
use crate::protocol::{Claim, DAG_CBOR, JobState, JobStatus, Problem, job_path};

/// How long the pieces of a result are, in bytes.
const PIECE: usize = 64 << 10;

/// Reads a body of at most `limit` bytes, within the time that a client has.
pub(super) async fn body(
    state: &Arc<State>,
    what: &'static str,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<(Bytes, tokio::sync::OwnedSemaphorePermit), Failure> {
    if headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Failure::new(status, ErrorKind::InvalidArgument, "bodies are not decompressed: send it as it is"));
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let Some(length) = length else {
        let (status, why) = (StatusCode::LENGTH_REQUIRED, "say how long the body is, with Content-Length");
        return Err(Failure::new(status, ErrorKind::InvalidArgument, why));
    };
    if length > limit as u64 {
        return Err(Failure::too_large(what, limit as u64));
    }
    // Room is taken as bytes arrive: who announces many and sends none takes none.
    let read = async {
        let (mut bytes, mut room) = (Vec::new(), state.room(1)?);
        let mut stream = body.into_data_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|_| Failure::malformed(format!("{what}: the body ends early")))?;
            if bytes.len() + piece.len() > length as usize {
                return Err(Failure::malformed(format!("{what}: the body is longer than it says")));
            }
            bytes.extend_from_slice(&piece);
            let held = (room.num_permits() as u64) << 10;
            if bytes.len() as u64 > held {
                room.merge(state.room((bytes.len() as u64 - held).max(PIECE as u64).min(length))?);
            }
        }
        if bytes.len() as u64 != length {
            return Err(Failure::malformed(format!("{what}: the body ends early")));
        }
        Ok((Bytes::from(bytes), room))
    };
    let time = Duration::from_secs(state.options.body_timeout.max(1));
    let late = || Failure::new(StatusCode::REQUEST_TIMEOUT, ErrorKind::Timeout, "the body took too long");
    tokio::time::timeout(time, read).await.map_err(|_| late())?
}

/// A body in pieces, which holds room among all answers until it is sent or given up.
pub(super) fn in_pieces(mut bytes: Bytes, room: tokio::sync::OwnedSemaphorePermit) -> Body {
    let pieces = std::iter::from_fn(move || {
        let _held = &room;
        let piece = bytes.split_to(bytes.len().min(PIECE));
        (!piece.is_empty()).then_some(Ok::<_, Infallible>(piece))
    });
    Body::from_stream(futures::stream::iter(pieces))
}

/// Takes a job: checks its proof, spends the use that pays for it, and puts it on record, all or nothing.
///
/// The body is a request as `Order::request` made it. The same request again is the same job, and costs nothing.
#[utoipa::path(
    post, path = "/jobs", tag = "jobs",
    request_body(content = Vec<u8>, content_type = "application/vnd.ipld.dag-cbor"),
    responses(
        (status = 200, description = "The job is complete", body = JobStatus),
        (status = 202, description = "The job is on record", body = JobStatus),
        (status = 400, description = "No request", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "Rejected; why, only the owner knows", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body took too long", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The result went with a key that was destroyed", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "Without Content-Length", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than a request can be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "With a Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Full; nothing was spent", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn submit(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
    data: Body,
) -> Result<Response, Failure> {
    if state.is_draining() {
        return Err(Failure::busy(5, "the node is about to stop"));
    }
    let (bytes, room) = body(&state, "a request", &headers, data, MAX_REQUEST_BYTES).await?;
    let status = state
        .check(move |state| {
            let start = Instant::now();
            let outcome = take(state, &bytes);
            let said = match &outcome {
                Ok(_) => "admitted",
                Err(failure) if failure.is_busy() => "busy",
                Err(failure) if failure.is_rejection() => "rejected",
                Err(_) => "failed",
            };
            if matches!(said, "admitted" | "failed") {
                state.wrote(said == "admitted");
            }
            state.metrics.admitted(said, start.elapsed());
            drop(room);
            outcome
        })
        .await?;
    let code = if status.state == JobState::Complete { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((code, [(header::LOCATION, format!("{}{}", crate::protocol::API, job_path_of(&status)))], Json(status))
        .into_response())
}

fn job_path_of(status: &JobStatus) -> String {
    format!("/jobs/{}", status.job)
}

fn take(state: &State, bytes: &[u8]) -> Result<JobStatus, Failure> {
    let node = state.node();
    let request = match JobRequest::from_bytes(bytes) {
        Ok(request) => request,
        Err(why) => {
            // The owner's log has it. That bytes are no request, anybody finds out without a node.
            let _ = node.admit_bytes(bytes);
            let hint = why.hint().unwrap_or_else(|| "send the bytes of a request, as its maker has them".into());
            return Err(Failure::from(Error::from(why)).hint(hint));
        }
    };
    let (job, asset) = (request.id(), request.asset().to_owned());
    // A job that is complete or in the queue needs no place in it.
    let known = node.job(job)?;
    let placed = known.as_ref().is_some_and(|record| record.receipt.is_some()) || state.queue.progress(job).is_some();
    let _place = match placed {
        true => None,
        false => Some(state.queue.reserve(&asset).ok_or_else(|| full(state))?),
    };
    node.submit(request)?;
    let alone = state.changing();
    let record = node.job(job)?.ok_or_else(|| Failure::not_found("job"))?;
    if record.receipt.is_none() {
        if known.is_some() && node.parked(job)?.is_some() {
            node.park(job, None)?;
        }
        state.queue.put(job, &asset, record.admitted_at);
    }
    drop(alone);
    status_of(state, job, &record)
}

fn full(state: &State) -> Failure {
    let (queued, running) = state.queue.counts();
    let seconds = state.metrics.seconds_for(queued, running.max(1));
    Failure::busy(seconds, "the queue is full")
}

fn status_of(state: &State, job: JobId, record: &JobRecord) -> Result<JobStatus, Failure> {
    let node = state.node();
    let mut status = JobStatus {
        job: job.to_string(),
        state: JobState::Queued,
        stage: None,
        ahead: None,
        result_bytes: None,
        kept_until: None,
    };
    if let Some(number) = record.receipt {
        let receipt = node.receipt(number)?.ok_or_else(|| Failure::not_found("job"))?;
        let length = node.result_len(job)?;
        status.state = if length.is_some() { JobState::Complete } else { JobState::Expired };
        status.result_bytes = length;
        let kept = receipt.statement().released_at.saturating_add(state.options.result_retention);
        status.kept_until = length.map(|_| kept);
    } else if let Some((progress, ahead)) = state.queue.progress(job) {
        status.state = progress.state;
        status.stage = progress.stage.map(Into::into);
        status.ahead = ahead;
    } else {
        status.state = match node.parked(job)? {
            Some(Parked::Cancelled) => JobState::Cancelled,
            // The queue gave it back a moment ago.
            None if node.job(job)?.is_some_and(|record| record.receipt.is_some()) => JobState::Running,
            Some(Parked::Failed) | None => JobState::Failed,
        };
    }
    Ok(status)
}

/// Finds a job, for whoever made it: [`Claim`]. Whether there is none, or it is somebody else's, looks alike.
async fn claimed(
    state: &Arc<State>,
    headers: &HeaderMap,
    method: &'static str,
    job: &str,
    rest: &str,
) -> Result<(JobId, JobRecord), Failure> {
    let not_found = || Failure::not_found("job");
    let id = JobId::parse(job).ok_or_else(not_found)?;
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (deadline, mac) = header.and_then(Claim::parse).ok_or_else(|| {
        let why = "a job is shown to its maker: the header Authorization is missing or malformed";
        Failure::new(StatusCode::UNAUTHORIZED, ErrorKind::NotAuthorized, why)
    })?;
    let path = format!("{}{rest}", job_path(id));
    state
        .block(move |state| {
            state.check_deadline(deadline)?;
            let info = state.info();
            let claim = Claim { method, path: &path, body: b"", node: info.address, chain_id: info.chain_id, deadline };
            let record = state.node().job(id)?;
            // Checked against some key in any case.
            let key = record.as_ref().and_then(|record| record.access).unwrap_or_else(|| Digest::of("none", &[]));
            match (claim.verify(&key, &mac), record) {
                (true, Some(record)) if record.access.is_some() => Ok((id, record)),
                _ => Err(Failure::not_found("job")),
            }
        })
        .await
}

/// How far a job is.
#[utoipa::path(
    get, path = "/jobs/{job}", tag = "jobs", params(("job" = String, Path, description = "Name of the job, in hexadecimal")),
    responses(
        (status = 200, description = "How far it is", body = JobStatus),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job, or somebody else's", body = Problem, content_type = "application/problem+json"),
    ),
    security(("claim" = []))
)]
pub(super) async fn status(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobStatus>, Failure> {
    let (id, record) = claimed(&state, &headers, "GET", &job, "").await?;
    Ok(Json(state.block(move |state| status_of(state, id, &record)).await?))
}

/// Gives a job up that is not complete. Its use stays spent; the same request again takes it up.
#[utoipa::path(
    delete, path = "/jobs/{job}", tag = "jobs", params(("job" = String, Path, description = "Name of the job, in hexadecimal")),
    responses(
        (status = 200, description = "How far it is now", body = JobStatus),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job, or somebody else's", body = Problem, content_type = "application/problem+json"),
    ),
    security(("claim" = []))
)]
pub(super) async fn cancel(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Json<JobStatus>, Failure> {
    let (id, record) = claimed(&state, &headers, "DELETE", &job, "").await?;
    let status = state
        .block(move |state| {
            if record.receipt.is_none() {
                let _alone = state.changing();
                state.node().park(id, Some(Parked::Cancelled))?;
                state.queue.cancel(id);
                state.forget_handed_in(id)?;
            }
            let record = state.node().job(id)?.ok_or_else(|| Failure::not_found("job"))?;
            status_of(state, id, &record)
        })
        .await?;
    Ok(Json(status))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Ticking {
    /// How often a line is sent while nothing happens, in milliseconds: 100 to 60000.
    #[param(minimum = 100, maximum = 60000)]
    tick: Option<u64>,
}

/// How a job goes on, as server-sent events: `status`, with a job's status as JSON, at the start and whenever it changes. The
/// stream ends with the job.
#[utoipa::path(
    get, path = "/jobs/{job}/events", tag = "jobs",
    params(("job" = String, Path, description = "Name of the job, in hexadecimal"), Ticking),
    responses(
        (status = 200, description = "Events", body = String, content_type = "text/event-stream"),
        (status = 400, description = "No such tick", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job, or somebody else's", body = Problem, content_type = "application/problem+json"),
    ),
    security(("claim" = []))
)]
pub(super) async fn events(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    query: Result<Query<Ticking>, axum::extract::rejection::QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Query(Ticking { tick }) = query.map_err(|e| Failure::malformed(e.body_text()))?;
    let tick = tick.unwrap_or(15_000);
    if !(100..=60_000).contains(&tick) {
        return Err(Failure::malformed(format!("the tick is {tick} ms, expected 100 to 60000")));
    }
    let (id, _) = claimed(&state, &headers, "GET", &job, "/events").await?;
    // Watched before it is looked at, so that nothing is missed in between.
    let changes: futures::stream::BoxStream<'static, Progressed> = match state.queue.watch(id) {
        Some(watched) => WatchStream::from_changes(watched).boxed(),
        None => futures::stream::empty().boxed(),
    };
    let changes = futures::stream::once(async { None }).chain(changes.map(Some));
    let mut draining = state.draining();
    let stopped = async move {
        let _ = draining.wait_for(|draining| *draining).await;
    };
    let stream = statuses(state, id, changes).take_until(Box::pin(stopped));
    let alive = KeepAlive::new().interval(Duration::from_millis(tick));
    Ok(Sse::new(stream).keep_alive(alive).into_response())
}

/// The status of a job at every change, up to the last.
fn statuses(
    state: Arc<State>,
    id: JobId,
    changes: impl Stream<Item = Option<Progressed>> + Send + 'static,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let looked = changes.then(move |change| {
        let state = Arc::clone(&state);
        async move {
            let looked = state.block(move |state| {
                let record = state.node().job(id)?.ok_or_else(|| Failure::not_found("job"))?;
                status_of(state, id, &record)
            });
            let mut status = looked.await.ok()?;
            // What the journal does not have any more, the queue has said.
            if let Some(Progressed { state, .. }) = change
                && state.is_final()
                && !status.state.is_final()
            {
                status.state = state;
            }
            Some(status)
        }
    });
    let mut over = false;
    looked
        .take_while(move |status| {
            let go_on = !over && status.is_some();
            over = status.as_ref().is_none_or(|status| status.state.is_final());
            std::future::ready(go_on)
        })
        .filter_map(std::future::ready)
        .map(|status| Ok(Event::default().event("status").json_data(&status).unwrap_or_default()))
}

/// The sealed result of a complete job. A part of it can be asked for (`Range`), so that a transfer goes on where it broke.
#[utoipa::path(
    get, path = "/jobs/{job}/result", tag = "jobs", params(("job" = String, Path, description = "Name of the job, in hexadecimal")),
    responses(
        (status = 200, description = "The sealed result", body = Vec<u8>, content_type = "application/vnd.ipld.dag-cbor"),
        (status = 206, description = "The rest of it", body = Vec<u8>, content_type = "application/vnd.ipld.dag-cbor"),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job, somebody else's, not complete, or no longer kept", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "It went with a key that was destroyed", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "As many answers are under way as there is room for", body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "It is shorter", body = Problem, content_type = "application/problem+json"),
    ),
    security(("claim" = []))
)]
pub(super) async fn result(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (id, _) = claimed(&state, &headers, "GET", &job, "/result").await?;
    let stored = state.block(move |state| Ok(state.node().released(id)?)).await?;
    let (bytes, receipt) = stored.ok_or_else(|| Failure::not_found("result: the job is not complete"))?;
    let tag = format!("\"{}\"", receipt.statement().result);
    let length = bytes.len();
    let same = headers.get(header::IF_RANGE).is_none_or(|wanted| wanted.as_bytes() == tag.as_bytes());
    let from = match headers.get(header::RANGE).filter(|_| same) {
        Some(range) => {
            let from =
                range.to_str().ok().and_then(|text| text.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
            // Any other kind of range is passed over, as RFC 9110 lets one.
            from.unwrap_or(0)
        }
        None => 0,
    };
    if from > length || (from == length && length > 0) {
        let why = format!("the result has {length} bytes");
        return Err(Failure::new(StatusCode::RANGE_NOT_SATISFIABLE, ErrorKind::InvalidArgument, why));
    }
    let rest = Bytes::from(bytes).split_off(from);
    let left = rest.len();
    let mut response = in_pieces(rest, state.room_for_answer(left as u64)?).into_response();
    if from > 0 {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(DAG_CBOR));
    out.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    out.insert(header::CONTENT_LENGTH, HeaderValue::from(left));
    let value = |text: String| HeaderValue::from_str(&text).expect("digits and dashes make a header");
    out.insert(header::ETAG, value(tag));
    if from > 0 {
        out.insert(header::CONTENT_RANGE, value(format!("bytes {from}-{}/{length}", length - 1)));
    }
    Ok(response)
}

/// Tells the node that its maker has the result of a complete job, so that it need not be kept.
#[utoipa::path(
    delete, path = "/jobs/{job}/result", tag = "jobs", params(("job" = String, Path, description = "Name of the job, in hexadecimal")),
    responses(
        (status = 204, description = "It is no longer kept"),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job, or somebody else's", body = Problem, content_type = "application/problem+json"),
    ),
    security(("claim" = []))
)]
pub(super) async fn discard(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let (id, _) = claimed(&state, &headers, "DELETE", &job, "/result").await?;
    state.block(move |state| Ok(state.node().discard(id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The receipt of a complete job, signed by the owner.
#[utoipa::path(
    get, path = "/jobs/{job}/receipt", tag = "jobs", params(("job" = String, Path, description = "Name of the job, in hexadecimal")),
    responses(
        (status = 200, description = "The receipt", body = Vec<u8>, content_type = "application/vnd.ipld.dag-cbor"),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such job, somebody else's, or not complete", body = Problem, content_type = "application/problem+json"),
    ),
    security(("claim" = []))
)]
pub(super) async fn receipt(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let (_, record) = claimed(&state, &headers, "GET", &job, "/receipt").await?;
    let number = record.receipt.ok_or_else(|| Failure::not_found("receipt: the job is not complete"))?;
    let receipt = state.block(move |state| Ok(state.node().receipt(number)?)).await?;
    let bytes = receipt.ok_or_else(|| Failure::not_found("receipt"))?.to_bytes().map_err(Error::from)?;
    Ok(([(header::CONTENT_TYPE, DAG_CBOR)], bytes).into_response())
}
