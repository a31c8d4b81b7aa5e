//! Tasks of executors, and their results
//!
//! What travels between an owner's releaser and executors: see `sealock_executor`. A task has one part for each chunk of rows,
//! and a result names where each part's encrypted result is stored. All of it is public: a task tells the program and nothing
//! of the one who asked, a result has no number in it that anybody but the owner can read.

use std::sync::Arc;

use sealock::sealed::{ExecutorResult, Part, Task};

use crate::buffer::{Buffer, Texts, sealock_buffer, sealock_texts};
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{find, handles};

/// What executors are to compute for one job: a program over encrypted columns, which are named by CID.
///
/// Made by: `sealock_releaser_task`, `sealock_task_from_bytes`. Freed by: `sealock_task_free`. It never changes; thread-safe.
pub struct sealock_task {
    _opaque: (),
}

/// The part of a task that is about one chunk. It says nothing of the job, and opens to the same numbers wherever it is run.
///
/// Made by: `sealock_parts_get`, `sealock_part_from_bytes`. Freed by: `sealock_part_free`. It never changes; thread-safe.
pub struct sealock_part {
    _opaque: (),
}

/// The parts of a task, in order.
///
/// Made by: `sealock_executor_parts`. Freed by: `sealock_parts_free`. It never changes; thread-safe.
pub struct sealock_parts {
    _opaque: (),
}

/// What an executor gives back: the CIDs of encrypted results, one for each chunk, signed over the task.
///
/// Made by: `sealock_executor_run`, `sealock_executor_join`, `sealock_executor_result_from_bytes`. Freed by:
/// `sealock_executor_result_free`; what is stored stays there. It never changes; thread-safe.
pub struct sealock_executor_result {
    _opaque: (),
}

handles! {
    sealock_task => Task,
    sealock_part => Part,
    sealock_parts => Vec<Arc<Part>>,
    sealock_executor_result => ExecutorResult,
}

/// The task's canonical encoding, to be sent to executors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_task_to_bytes(
    task: *const sealock_task,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(task)?.to_bytes()?));
    })
}

/// Reads a task, of at most 4 MiB. It is not signed: an executor computes whatever it is sent, and learns nothing by it.
///
/// Fails with SEALOCK_ERROR_MALFORMED for other bytes than the canonical ones, SEALOCK_ERROR_TOO_LARGE,
/// SEALOCK_ERROR_UNSUPPORTED_VERSION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_task_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_task,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Task::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The name of the job, a digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_task_job(
    task: *const sealock_task,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*find(task)?.job().digest().as_bytes());
    })
}

/// The identifier of the asset that it is about.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_task_asset(
    task: *const sealock_task,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(task)?.asset().to_owned()));
    })
}

/// The CID of the sealed manifest, which links to every chunk and to the evaluation key: an executor needs no more than the
/// blocks below it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_task_manifest(
    task: *const sealock_task,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(task)?.manifest().to_string()));
    })
}

/// Whether it is computed over the packed chunks, without bootstraps and without an evaluation key: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_task_is_packed(
    task: *const sealock_task,
    out: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(task)?.packed().into());
    })
}

/// Frees a task. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_task_free(task: *mut sealock_task) -> sealock_status {
    free(task)
}

/// How many parts there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_parts_count(
    parts: *const sealock_parts,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(parts)?.len());
    })
}

/// A part of the task, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_parts_get(
    parts: *const sealock_parts,
    index: usize,
    out: *mut *mut sealock_part,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(parts)?, index)?);
    })
}

/// Frees a list of parts. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_parts_free(parts: *mut sealock_parts) -> sealock_status {
    free(parts)
}

/// The part's canonical encoding, to be sent to whoever runs it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_part_to_bytes(
    part: *const sealock_part,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(part)?.to_bytes()?));
    })
}

/// Reads a part. Fails as `sealock_task_from_bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_part_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_part,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Part::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The CID of the chunk that it is over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_part_chunk(
    part: *const sealock_part,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(part)?.chunk().to_string()));
    })
}

/// Frees a part. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_part_free(part: *mut sealock_part) -> sealock_status {
    free(part)
}

/// The result's canonical encoding, to be sent to the releaser. The encrypted numbers are not in it: they are in the store.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_result_to_bytes(
    result: *const sealock_executor_result,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(result)?.to_bytes()?));
    })
}

/// Reads a result, of at most 1 MiB. Its signature is not checked: only a releaser does that.
///
/// Fails as `sealock_task_from_bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_result_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_executor_result,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(ExecutorResult::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The address of the executor, as the result says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_result_executor(
    result: *const sealock_executor_result,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(result)?.executor().as_bytes());
    })
}

/// The device that computed, as the result says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_result_device(
    result: *const sealock_executor_result,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(result)?.device().to_owned()));
    })
}

/// The CIDs of the encrypted results, one for each part of the task.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_result_cids(
    result: *const sealock_executor_result,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Texts::from_iter(find(result)?.results()));
    })
}

/// Frees an executor's result. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_result_free(result: *mut sealock_executor_result) -> sealock_status {
    free(result)
}
