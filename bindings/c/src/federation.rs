//! Federated sums
//!
//! One query to the tables of several owners, of which the consumer can open the total alone. Each owner publishes under a
//! policy that names the others, see `sealock_policy_federation`. The consumer orders every asset, makes a request for each
//! node, and opens all results together. The owners need not talk to each other, nor be there at the same time.
//!
//! **Owners who help the consumer give away their own part**, and so narrow the total down to that of the others.

use std::sync::{Arc, PoisonError, RwLock};

use sealock::order::{FederatedTicket, Order};
use sealock::receipt::Receipt;
use sealock::release::SealedResult;

use crate::answer::sealock_answer;
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::consumer::sealock_consumer;
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{find, handles};
use crate::job::{sealock_request, sealock_result};
use crate::order::sealock_order;
use crate::owner::sealock_owner;
use crate::query::{query_of, sealock_query};
use crate::receipt::sealock_receipt;
use crate::watch::sealock_watch;

/// The consumer's half of a federated sum: the requests to send, one to each owner's node, and the keys that open the sum of
/// the results.
///
/// Made by: `sealock_consumer_request_federated`, `sealock_federated_tickets_get`. Freed by: `sealock_federated_ticket_free`;
/// the keys stay in the wallet until `sealock_consumer_forget`. Thread-safe.
pub struct sealock_federated_ticket {
    _opaque: (),
}

/// A list of tickets.
///
/// Made by: `sealock_consumer_federated_tickets`. Freed by: `sealock_federated_tickets_free`. It never changes; thread-safe.
pub struct sealock_federated_tickets {
    _opaque: (),
}

handles! {
    sealock_federated_ticket => RwLock<FederatedTicket>,
    sealock_federated_tickets => Vec<Arc<RwLock<FederatedTicket>>>,
}

/// This owner as a member of a federation, as text: its address, a slash and the 64 hex digits of a public key. The policies of
/// the other members, and its own, name it by this. It follows from the account's key, so that it stays the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_member(
    owner: *const sealock_owner,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(owner)?.member().to_string()));
    })
}

/// Makes the requests for one query to the assets of `count` orders, each of another owner: checks it against every asset's
/// policy, encrypts its secrets once, and proves for each asset that some order pays for it. Takes the next use of every order.
/// The keys are in the wallet before this returns. `watch` may be NULL.
///
/// Send each request to its owner's node, and open all results together.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for orders of the same owner or of another consumer, and for assets that declare
/// the columns of the query differently; otherwise as `sealock_order_request`, for the first order that fails. Nothing was
/// taken from any order then.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_request_federated(
    consumer: *const sealock_consumer,
    orders: *const *const sealock_order,
    count: usize,
    query: *const sealock_query,
    watch: *const sealock_watch,
    out: *mut *mut sealock_federated_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (consumer, query) = (find(consumer)?, query_of(query)?);
        let orders = c.list("orders", orders, count)?.iter();
        let orders: Vec<Arc<Order>> = orders.map(|order| find(*order)).collect::<Result<_, _>>()?;
        let orders: Vec<&Order> = orders.iter().map(|order| &**order).collect();
        let mut teller = c.watch("watch", watch)?.teller();
        out.issue(RwLock::new(consumer.request_federated_with(&orders, &query, &mut teller)?));
    })
}

/// The requests for federated sums that were made and whose answers have not been forgotten. One that a part of was forgotten
/// opens no more, and is left out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_federated_tickets(
    consumer: *const sealock_consumer,
    out: *mut *mut sealock_federated_tickets,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let tickets = find(consumer)?.federated_tickets()?;
        out.issue(tickets.into_iter().map(|ticket| Arc::new(RwLock::new(ticket))).collect::<Vec<_>>());
    })
}

fn with_ticket<T>(
    ticket: *const sealock_federated_ticket,
    look: impl FnOnce(&FederatedTicket) -> Result<T, Failure>,
) -> Result<T, Failure> {
    look(&find(ticket)?.read().unwrap_or_else(PoisonError::into_inner))
}

/// How many parts the sum has: as many as it was made with orders.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_ticket_parts(
    ticket: *const sealock_federated_ticket,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(with_ticket(ticket, |ticket| Ok(ticket.parts().len()))?);
    })
}

/// The request of a part, counted from 0 in the order of the orders, to send to its owner's node: see
/// `sealock_ticket_request`. A node runs it like any other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_ticket_request(
    ticket: *const sealock_federated_ticket,
    index: usize,
    out: *mut *mut sealock_request,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let request = with_ticket(ticket, |ticket| {
            let requests: Vec<_> = ticket.requests().collect();
            Ok(element(&requests, index)?.clone())
        })?;
        out.issue(request);
    })
}

/// The name of a part's job, a digest. Parts are counted from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_ticket_job(
    ticket: *const sealock_federated_ticket,
    index: usize,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        let job = with_ticket(ticket, |ticket| element(&ticket.jobs().collect::<Vec<_>>(), index))?;
        out.put(*job.digest().as_bytes());
    })
}

/// Proves every request again, see `sealock_ticket_renew`.
///
/// Fails as that does, for the first request that fails: those before it are renewed, and the others as they were.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_ticket_renew(
    ticket: *mut sealock_federated_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        find(ticket)?.write().unwrap_or_else(PoisonError::into_inner).renew()?;
    })
}

/// Opens the sum of `count` results, one of each part, in any order; `receipts` has the receipt of each result at the same
/// place. Checks that each receipt is its owner's and is about its job and its result, adds up, and decrypts.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT unless there is one result for each part, with its own receipt; with
/// SEALOCK_ERROR_BAD_SIGNATURE or SEALOCK_ERROR_WRONG_KEY for a receipt or a result that does not fit, or was changed; with
/// SEALOCK_ERROR_OUT_OF_DOMAIN if the results add up to no answer, since a node computed something else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_ticket_open(
    ticket: *const sealock_federated_ticket,
    results: *const *const sealock_result,
    receipts: *const *const sealock_receipt,
    count: usize,
    out: *mut *mut sealock_answer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (results, receipts) = (c.list("results", results, count)?, c.list("receipts", receipts, count)?);
        let mut released: Vec<(SealedResult, Receipt)> = Vec::new();
        for (result, receipt) in results.iter().zip(receipts) {
            released.push((find(*result)?.as_ref().clone(), find(*receipt)?.as_ref().clone()));
        }
        out.issue(with_ticket(ticket, |ticket| Ok(ticket.open(&released)?))?);
    })
}

/// Frees a ticket. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_ticket_free(ticket: *mut sealock_federated_ticket) -> sealock_status {
    free(ticket)
}

/// How many tickets the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_tickets_count(
    tickets: *const sealock_federated_tickets,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(tickets)?.len());
    })
}

/// A ticket of the list, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_tickets_get(
    tickets: *const sealock_federated_tickets,
    index: usize,
    out: *mut *mut sealock_federated_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(tickets)?, index)?);
    })
}

/// Frees a list of tickets. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_federated_tickets_free(tickets: *mut sealock_federated_tickets) -> sealock_status {
    free(tickets)
}
