//! Tickets
//!
//! The consumer's half of a job: the request to send, and the keys that open its result.

use std::sync::{PoisonError, RwLock};

use sealock::order::JobTicket;

use crate::answer::sealock_answer;
use crate::call::{call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::job::{sealock_request, sealock_result};
use crate::receipt::sealock_receipt;

/// A request with the keys that open its result.
///
/// Made by: `sealock_order_request`, `sealock_order_request_use`, `sealock_order_request_without_policy_check`,
/// `sealock_tickets_get`. Freed by: `sealock_ticket_free`; the keys stay in the wallet until `sealock_consumer_forget`.
/// Thread-safe.
pub struct sealock_ticket {
    _opaque: (),
}

handles! { sealock_ticket => RwLock<JobTicket> }

fn reading<T>(
    ticket: *const sealock_ticket,
    read: impl FnOnce(&JobTicket) -> Result<T, Failure>,
) -> Result<T, Failure> {
    read(&find(ticket)?.read().unwrap_or_else(PoisonError::into_inner))
}

/// The request to send. Sending it twice is asking once. Once admitted it is answered at any time; before, its proof is good
/// for a few minutes: see `sealock_ticket_renew`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ticket_request(
    ticket: *const sealock_ticket,
    out: *mut *mut sealock_request,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(reading(ticket, |ticket| Ok(ticket.request().clone()))?);
    })
}

/// The name of the job, a digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ticket_job(
    ticket: *const sealock_ticket,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*reading(ticket, |ticket| Ok(ticket.job()))?.digest().as_bytes());
    })
}

/// Proves the same request again, for the present time and group. It stays the same job with the same use.
///
/// Fails with SEALOCK_ERROR_DEADLINE_PASSED, SEALOCK_ERROR_ORDER_EXPIRED; the request is as it was then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ticket_renew(
    ticket: *mut sealock_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        find(ticket)?.write().unwrap_or_else(PoisonError::into_inner).renew()?;
    })
}

/// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a receipt or a result of another job; with SEALOCK_ERROR_BAD_SIGNATURE or
/// SEALOCK_ERROR_WRONG_KEY for one that is not for this request, or was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ticket_open(
    ticket: *const sealock_ticket,
    result: *const sealock_result,
    receipt: *const sealock_receipt,
    out: *mut *mut sealock_answer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (result, receipt) = (find(result)?, find(receipt)?);
        out.issue(reading(ticket, |ticket| Ok(ticket.open(&result, &receipt)?))?);
    })
}

/// Frees a ticket. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ticket_free(ticket: *mut sealock_ticket) -> sealock_status {
    free(ticket)
}
