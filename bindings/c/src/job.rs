//! Requests and results
//!
//! What travels between consumer and node. Both are public: they hold ciphertext alone.

use sealock::federation::{Party, Round};
use sealock::job::JobRequest;
use sealock::release::SealedResult;

use crate::buffer::{Buffer, Texts, sealock_buffer, sealock_texts};
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::handle::{find, handles};

/// A request for one job.
///
/// Made by: `sealock_ticket_request`, `sealock_download_ticket_request`, `sealock_inference_ticket_request`,
/// `sealock_federated_ticket_request`, `sealock_request_from_bytes`. Freed by: `sealock_request_free`. It never changes;
/// thread-safe.
pub struct sealock_request {
    _opaque: (),
}

/// A result that only the consumer can open.
///
/// Made by: `sealock_node_run`, `sealock_node_release`, `sealock_releaser_release`, `sealock_remote_node_run`,
/// `sealock_remote_node_fetch`, `sealock_result_from_bytes`. Freed by: `sealock_result_free`. It never changes; thread-safe.
pub struct sealock_result {
    _opaque: (),
}

handles! { sealock_request => JobRequest, sealock_result => SealedResult }

/// The request's canonical encoding, to be sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_request_to_bytes(
    request: *const sealock_request,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(request)?.to_bytes()?));
    })
}

/// Reads a request. Its proof is not checked: only a node does that.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_request_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_request,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(JobRequest::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The name of the job, a digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_request_job(
    request: *const sealock_request,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*find(request)?.id().digest().as_bytes());
    })
}

/// The identifier of the asset that it is about.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_request_asset(
    request: *const sealock_request,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(request)?.asset().to_owned()));
    })
}

/// The identifiers of all assets that are asked together, its own among them, if the request is a part of a federated sum;
/// none if it is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_request_parties(
    request: *const sealock_request,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let request = find(request)?;
        let parties = request.round().map(Round::parties).unwrap_or_default();
        out.issue(Texts::from_iter(parties.iter().map(Party::asset)));
    })
}

/// When it lapses, in seconds since 1970-01-01 UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_request_deadline(
    request: *const sealock_request,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(request)?.deadline());
    })
}

/// Frees a request. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_request_free(request: *mut sealock_request) -> sealock_status {
    free(request)
}

/// The result's canonical encoding, to be sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_result_to_bytes(
    result: *const sealock_result,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(result)?.to_bytes()?));
    })
}

/// Reads a result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_result_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_result,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(SealedResult::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The name of the job that it answers, a digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_result_job(
    result: *const sealock_result,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*find(result)?.job().digest().as_bytes());
    })
}

/// The digest that the receipt names it by. Equal results have equal digests.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_result_digest(
    result: *const sealock_result,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*find(result)?.digest()?.as_bytes());
    })
}

/// Frees a result. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_result_free(result: *mut sealock_result) -> sealock_status {
    free(result)
}
