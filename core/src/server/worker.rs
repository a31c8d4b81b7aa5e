//! The threads that compute.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::ServerError;
use super::queue::Taken;
use super::state::State;
use crate::error::{Error, ErrorKind, Result};
use crate::job::JobId;
use crate::journal::Parked;
use crate::progress::Step;
use crate::protocol::JobState;
use crate::sealed::{Releaser, SealedError};

/// The pause before a job is tried for the second time; it doubles from then on.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often it is looked whether a job on sealed data has been released, which its owner's own program does: each look reads
/// the request and lays its program out.
const EXECUTORS: Duration = Duration::from_secs(5);
/// How often results that were not enough are opened again.
const AGAIN: Duration = Duration::from_secs(60);
/// How often results are looked for whose time is over.
const SWEEP: Duration = Duration::from_secs(60);

/// Starts the workers, and the one who clears away.
pub(super) fn start(state: &Arc<State>) -> Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    for number in 0..state.options.workers {
        let state = Arc::clone(state);
        let name = format!("sealock-worker-{number}");
        threads.push(std::thread::Builder::new().name(name).spawn(move || work(&state)).map_err(ServerError::from)?);
    }
    let state = Arc::clone(state);
    let sweeper = std::thread::Builder::new().name("sealock-sweeper".into());
    threads.push(sweeper.spawn(move || sweep(&state)).map_err(ServerError::from)?);
    Ok(threads)
}

fn work(state: &State) {
    while let Some(taken) = state.queue.take() {
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| one(state, taken.job)));
        match outcome {
            Ok(Ok(())) => {
                state.metrics.completed(start.elapsed());
                tracing::info!(job = %taken.job, "completed a job");
                state.queue.done(taken.job, JobState::Complete);
            }
            Ok(Err(Error::Sealed(error))) if matches!(*error, SealedError::AwaitsExecutors(_)) => {
                state.queue.unattempted(taken.job);
                state.queue.again(taken.job, EXECUTORS);
            }
            Ok(Err(error)) => failed(state, &taken, error.kind(), &error.to_string()),
            Err(_) => failed(state, &taken, ErrorKind::Internal, "it ended with a panic"),
        }
    }
}

fn one(state: &State, job: JobId) -> Result<()> {
    let mut progress = |step: Step| {
        if state.queue.tell(job, step.stage.name()) {
            std::ops::ControlFlow::Continue(())
        } else {
            std::ops::ControlFlow::Break(())
        }
    };
    let finished = state.node().finish(job, &mut progress);
    let waits = matches!(&finished, Err(Error::Sealed(error)) if matches!(**error, SealedError::AwaitsExecutors(_)));
    if !waits {
        // Its owner's own program may have released it.
        if !state.executors.is_empty() && finished.is_ok() {
            tidy(state, job);
        }
        return finished;
    }
    let results = state.node().handed_in(job)?;
    // Results that were not enough are opened again when there are others; and now and then, since a store may have failed, and an
    // executor may have been forgiven.
    let before = state.tried(job);
    match before {
        None => state.await_executors(job, 0),
        Some((tried, since)) if results.len() <= tried && (tried == 0 || since < AGAIN) => return finished,
        Some(_) => {}
    }
    let releaser = Releaser::new(state.node(), state.executors.iter().copied());
    let Some(grant) = releaser.grant(job)? else { return Ok(()) };
    let (quorum, named) = (Releaser::quorum(&grant), state.executors.len());
    if before.is_none() && 0 < named && named < quorum {
        tracing::warn!(%job, quorum, named, "fewer executors are named than have to agree: name more, or release it yourself");
    }
    // Of fewer than a quorum none is opened.
    if results.len() < quorum {
        return finished;
    }
    match releaser.release(grant, &results) {
        Err(Error::Sealed(error)) if matches!(*error, SealedError::NotReleased) => {
            state.await_executors(job, results.len());
            finished
        }
        Err(error) => Err(error),
        Ok(_) => {
            tidy(state, job);
            Ok(())
        }
    }
}

/// Deletes what was handed in for a job that is over. What cannot be deleted now is at the next start.
fn tidy(state: &State, job: JobId) {
    if let Err(error) = state.forget_handed_in(job) {
        tracing::warn!(%job, %error, "cannot delete what executors have handed in");
    }
}

fn failed(state: &State, taken: &Taken, kind: ErrorKind, why: &str) {
    let job = taken.job;
    if kind == ErrorKind::Io {
        state.wrote(false);
    }
    let park = |why| {
        tidy(state, job);
        if let Err(error) = state.node().park(job, Some(why)) {
            tracing::error!(%job, %error, "cannot note that nobody works on a job: it will be taken up again");
        }
    };
    match kind {
        ErrorKind::Cancelled => {
            let _alone = state.changing();
            if !state.queue.is_cancelled(job) {
                // Its maker has asked for it again in the meantime.
                return state.queue.again(job, Duration::ZERO);
            }
            tracing::info!(%job, "a job was given up by its maker");
            park(Parked::Cancelled);
            state.queue.done(job, JobState::Cancelled);
        }
        // What the node needs is not there: that is no fault of the job's.
        ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Locked => {
            let pause = pause(taken.attempts);
            tracing::warn!(%job, why, ?pause, "a job waits for something that is not there");
            state.queue.again(job, pause);
        }
        // Nothing that waiting mends.
        ErrorKind::Rejected | ErrorKind::KeyDestroyed | ErrorKind::CorruptState => {
            tracing::error!(%job, why, "a job that was admitted cannot be completed");
            park(Parked::Failed);
            state.metrics.failed();
            state.queue.done(job, JobState::Failed);
        }
        _ if taken.attempts >= state.options.max_attempts => {
            tracing::error!(%job, why, attempts = taken.attempts, "a job failed too often");
            park(Parked::Failed);
            state.metrics.failed();
            state.queue.done(job, JobState::Failed);
        }
        _ => {
            let pause = pause(taken.attempts);
            tracing::warn!(%job, why, ?pause, "a job failed, and is tried again");
            state.queue.again(job, pause);
        }
    }
}

fn pause(attempts: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << (attempts - 1).min(10)).min(LONGEST_PAUSE)
}

/// Deletes results whose time is over.
fn sweep(state: &State) {
    let mut next = Instant::now();
    while !state.is_draining() {
        std::thread::sleep(Duration::from_millis(100));
        if Instant::now() < next {
            continue;
        }
        next = Instant::now() + SWEEP;
        let now = state.exchange().clock().now();
        match state.node().expire(now.saturating_sub(state.options.result_retention)) {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "deleted results whose time is over"),
            Err(error) => tracing::error!(%error, "cannot delete results whose time is over"),
        }
    }
}
