//! Executors far away: they fetch tasks on sealed data, and hand in what they computed.
//!
//! An executor signs each question with the account that signs its results. One that the owner has not named is told that there
//! is nothing, whatever it asks for; one that has is told of every job that waits, and that what it handed in is on record. Whether
//! a result stands, is opened or is refused, nobody hears: see [`sealed`](crate::sealed).

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::Failure;
use super::jobs::{body, in_pieces};
use super::state::State;
use crate::error::{Error, ErrorKind};
use crate::job::JobId;
use crate::protocol::{DAG_CBOR, ExecutorClaim, OpenTask, OpenTasks, Problem, task_path};
use crate::sealed::{Assigned, ExecutorResult, MAX_EXECUTOR_RESULT_BYTES, MAX_PART_BYTES, Releaser};
use crate::{Address, Digest};

/// Who asks, if it is an executor that the owner has named, and says so for this question; and the digest of the body that is
/// to come.
async fn claimed(
    state: &Arc<State>,
    headers: &HeaderMap,
    method: &'static str,
    path: String,
) -> Result<(Address, Digest), Failure> {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (deadline, body, signature) = header.and_then(ExecutorClaim::parse).ok_or_else(|| {
        let why = "tasks are for executors: the header Authorization is missing or malformed";
        Failure::new(StatusCode::UNAUTHORIZED, ErrorKind::NotAuthorized, why)
    })?;
    state
        .check(move |state| {
            state.check_deadline(deadline)?;
            let info = state.info();
            let (node, chain_id) = (info.address, info.chain_id);
            let claim = ExecutorClaim { method, path: &path, body, node, chain_id, deadline };
            let executor = claim.signer(&signature).filter(|executor| state.executors.contains(executor));
            Ok((executor.ok_or_else(|| Failure::not_found("task"))?, body))
        })
        .await
}

/// Refuses a body that the claim is not of.
fn as_claimed(body: &[u8], digest: Digest) -> Result<(), Failure> {
    if Digest::sha256(body) == digest {
        return Ok(());
    }
    let why = "the body is another one than the claim in the header Authorization is of";
    Err(Failure::new(StatusCode::UNAUTHORIZED, ErrorKind::NotAuthorized, why))
}

/// The job of a path.
fn job_of(job: &str) -> Result<JobId, Failure> {
    JobId::parse(job).ok_or_else(|| Failure::not_found("task"))
}

/// The task of a job that waits for an executor's result. Once that is handed in, there is none: whether others still wait is not
/// its business.
fn task_of(state: &State, job: JobId, executor: Address) -> Result<Arc<Assigned>, Failure> {
    if state.tried(job).is_none() || state.node().has_handed_in(job, executor)? {
        return Err(Failure::not_found("task"));
    }
    state.assigned(job, || {
        let releaser = Releaser::new(state.node(), state.executors.iter().copied());
        let grant = releaser.grant(job)?.ok_or_else(|| Failure::not_found("task"))?;
        Ok(state.node().assign(releaser.task(&grant)?)?)
    })
}

/// The tasks that wait for this executor's result.
#[utoipa::path(
    get, path = "/executor/tasks", tag = "executors",
    responses(
        (status = 200, description = "Those that wait", body = OpenTasks),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No executor of this owner's", body = Problem, content_type = "application/problem+json"),
    ),
    security(("executor" = []))
)]
pub(super) async fn tasks(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Result<Json<OpenTasks>, Failure> {
    let (executor, _) = claimed(&state, &headers, "GET", task_path(None)).await?;
    let tasks = state
        .block(move |state| {
            let mut tasks = Vec::new();
            for job in state.awaiting() {
                let Some(record) = state.node().job(job)? else { continue };
                if !state.node().has_handed_in(job, executor)? {
                    tasks.push(OpenTask { job: job.to_string(), asset: record.asset });
                }
            }
            Ok(tasks)
        })
        .await?;
    Ok(Json(OpenTasks { tasks }))
}

/// A task, in canonical DAG-CBOR. It names what it is computed on by CID: `/ipfs/{cid}` has the blocks.
#[utoipa::path(
    get, path = "/executor/tasks/{job}", tag = "executors",
    params(("job" = String, Path, description = "Name of the job, in hexadecimal")),
    responses(
        (status = 200, description = "The task", body = Vec<u8>, content_type = "application/vnd.ipld.dag-cbor"),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such task, or no executor of this owner's", body = Problem, content_type = "application/problem+json"),
    ),
    security(("executor" = []))
)]
pub(super) async fn task(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id = job_of(&job)?;
    let (executor, _) = claimed(&state, &headers, "GET", task_path(Some(id))).await?;
    let task =
        state.block(move |state| Ok(task_of(state, id, executor)?.task.to_bytes().map_err(Error::from)?)).await?;
    let bytes = Bytes::from(task);
    let room = state.room_for_answer(bytes.len() as u64)?;
    let fixed = [(header::CONTENT_TYPE, DAG_CBOR.to_owned()), (header::CONTENT_LENGTH, bytes.len().to_string())];
    Ok((fixed, in_pieces(bytes, room)).into_response())
}

/// Stores the encrypted result of one chunk, of exactly the length that the task says. Its CID follows from the bytes.
#[utoipa::path(
    post, path = "/executor/tasks/{job}/parts", tag = "executors",
    params(("job" = String, Path, description = "Name of the job, in hexadecimal")),
    request_body(content = Vec<u8>, content_type = "application/vnd.ipld.raw"),
    responses(
        (status = 204, description = "It is stored"),
        (status = 400, description = "Not as long as the task says", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such task, or no executor of this owner's", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body took too long", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "Without Content-Length", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than a result can be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "With a Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Full", body = Problem, content_type = "application/problem+json"),
    ),
    security(("executor" = []))
)]
pub(super) async fn part(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    headers: HeaderMap,
    data: Body,
) -> Result<StatusCode, Failure> {
    let id = job_of(&job)?;
    let (executor, digest) = claimed(&state, &headers, "POST", format!("{}/parts", task_path(Some(id)))).await?;
    let (bytes, room) = body(&state, "a part's result", &headers, data, MAX_PART_BYTES).await?;
    state
        .block(move |state| {
            let _room = room;
            as_claimed(&bytes, digest)?;
            // Nothing is deleted between the look and the pin.
            let _open = state.handing_in.read().unwrap_or_else(PoisonError::into_inner);
            let task = task_of(state, id, executor)?;
            state.node().take_part(&task, executor, &bytes)?;
            Ok(StatusCode::NO_CONTENT)
        })
        .await
}

/// Takes an executor's signed result. The first one of a job is on record, and stays. What becomes of it, nobody is told.
#[utoipa::path(
    post, path = "/executor/tasks/{job}/result", tag = "executors",
    params(("job" = String, Path, description = "Name of the job, in hexadecimal")),
    request_body(content = Vec<u8>, content_type = "application/vnd.ipld.dag-cbor"),
    responses(
        (status = 202, description = "It is on record"),
        (status = 400, description = "No result of this task by this executor", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "No claim, or one of another time", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such task, or no executor of this owner's", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "The body took too long", body = Problem, content_type = "application/problem+json"),
        (status = 411, description = "Without Content-Length", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "Longer than a result can be", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "With a Content-Encoding", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Full", body = Problem, content_type = "application/problem+json"),
    ),
    security(("executor" = []))
)]
pub(super) async fn result(
    Shared(state): Shared<Arc<State>>,
    Path(job): Path<String>,
    headers: HeaderMap,
    data: Body,
) -> Result<StatusCode, Failure> {
    let id = job_of(&job)?;
    let (executor, digest) = claimed(&state, &headers, "POST", format!("{}/result", task_path(Some(id)))).await?;
    let (bytes, room) = body(&state, "an executor's result", &headers, data, MAX_EXECUTOR_RESULT_BYTES).await?;
    state
        .block(move |state| {
            let _room = room;
            as_claimed(&bytes, digest)?;
            let result = ExecutorResult::from_bytes(&bytes).map_err(Error::from)?;
            let _open = state.handing_in.read().unwrap_or_else(PoisonError::into_inner);
            let assigned = match task_of(state, id, executor) {
                Ok(assigned) => assigned,
                // It has handed one in, or came late: it hears no more of that than before.
                Err(_) if state.node().job(id)?.is_some() => return Ok(StatusCode::ACCEPTED),
                Err(failure) => return Err(failure),
            };
            // What is wrong with a signature, or with which task it is, its sender knows.
            if result.executor() != executor {
                return Err(Failure::malformed("the result is another executor's"));
            }
            result.verify(&assigned.task, assigned.parts).map_err(|why| Failure::malformed(why.to_string()))?;
            state.node().hand_in(id, &result)?;
            tracing::info!(job = %id, %executor, "an executor's result is here");
            state.queue.hurry(id);
            Ok(StatusCode::ACCEPTED)
        })
        .await
}
