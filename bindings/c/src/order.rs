//! Orders
//!
//! The right to some number of jobs, which nobody else can use and whose uses nobody can link to it.

use std::sync::RwLock;

use sealock::order::Order;

use crate::asset::sealock_asset;
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::query::{query_of, sealock_query};
use crate::ticket::sealock_ticket;
use crate::watch::sealock_watch;

/// An order.
///
/// Made by: `sealock_consumer_order`, `sealock_orders_get`. Freed by: `sealock_order_free`; the order itself stays on the
/// ledger. Thread-safe: each request takes a use of its own.
pub struct sealock_order {
    _opaque: (),
}

handles! { sealock_order => Order }

/// Makes the request for a query: checks it against the asset's policy, encrypts its secrets, and proves that some order pays
/// for it. Takes the order's next use. The keys are in the wallet before this returns. `watch` may be NULL.
///
/// Fails with what is wrong with the query, or SEALOCK_ERROR_POLICY_DENIED: nothing was taken then. With
/// SEALOCK_ERROR_USE_LIMIT_REACHED, SEALOCK_ERROR_ORDER_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_request(
    order: *const sealock_order,
    query: *const sealock_query,
    watch: *const sealock_watch,
    out: *mut *mut sealock_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (order, query) = (find(order)?, query_of(query)?);
        let mut teller = c.watch("watch", watch)?.teller();
        out.issue(RwLock::new(order.request_with(&query, &mut teller)?));
    })
}

/// As `sealock_order_request`, for a use of the caller's choice, counted from 0: for a consumer who has lost the wallet, or
/// whose request was rejected because the asset had changed. **A use that was spent before is rejected, and two requests
/// with one use can be linked.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_request_use(
    order: *const sealock_order,
    query: *const sealock_query,
    use_index: u64,
    out: *mut *mut sealock_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (order, query) = (find(order)?, query_of(query)?);
        out.issue(RwLock::new(order.request_use(&query, use_index)?));
    })
}

/// As `sealock_order_request`, without looking at the policy first. The node looks in any case, and **whoever skips the look
/// risks a rejection that does not say why**.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_request_without_policy_check(
    order: *const sealock_order,
    query: *const sealock_query,
    out: *mut *mut sealock_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (order, query) = (find(order)?, query_of(query)?);
        out.issue(RwLock::new(order.request_without_policy_check(&query)?));
    })
}

/// Uses that are left, as far as this wallet knows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_uses_left(
    order: *const sealock_order,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(order)?.uses_left()?);
    })
}

/// The last second in which the order is valid, since 1970-01-01 UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_expiry(
    order: *const sealock_order,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(order)?.record().expiry);
    })
}

/// The asset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_asset(
    order: *const sealock_order,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(order)?.asset().clone());
    })
}

/// Frees an order. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_free(order: *mut sealock_order) -> sealock_status {
    free(order)
}
