//! Consumers
//!
//! The party that buys and asks. Its wallet is open while the consumer, or one of its orders and tickets, lives.

use std::sync::{Arc, RwLock};

use sealock::Digest;
use sealock::job::JobId;
use sealock::order::{Consumer, JobTicket, Order};

use crate::account::SEALOCK_DIGEST_BYTES;
use crate::asset::sealock_asset;
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{find, handles};
use crate::order::sealock_order;
use crate::ticket::sealock_ticket;

/// A party that buys and asks.
///
/// Made by: `sealock_exchange_consumer`. Freed by: `sealock_consumer_free`. Thread-safe.
pub struct sealock_consumer {
    _opaque: (),
}

/// A list of orders.
///
/// Made by: `sealock_consumer_orders`. Freed by: `sealock_orders_free`. It never changes; thread-safe.
pub struct sealock_orders {
    _opaque: (),
}

/// A list of tickets.
///
/// Made by: `sealock_consumer_tickets`. Freed by: `sealock_tickets_free`. It never changes; thread-safe.
pub struct sealock_tickets {
    _opaque: (),
}

handles! {
    sealock_consumer => Consumer,
    sealock_orders => Vec<Arc<Order>>,
    sealock_tickets => Vec<Arc<RwLock<JobTicket>>>,
}

/// The address of the account that pays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_address(
    consumer: *const sealock_consumer,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(consumer)?.address().as_bytes());
    })
}

/// Gets `count` datatokens of the asset, at its fixed price or from its dispenser. Pays at most the price that
/// `sealock_asset_price` shows, and the fees of `sealock_exchange_sale_fees` on top.
///
/// Fails with SEALOCK_ERROR_INSUFFICIENT_BALANCE, SEALOCK_ERROR_PRICE_EXCEEDED, SEALOCK_ERROR_DISPENSER_LIMIT,
/// SEALOCK_ERROR_NOT_FOR_SALE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_buy(
    consumer: *const sealock_consumer,
    asset: *const sealock_asset,
    count: u32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        find(consumer)?.buy(&*find(asset)?, count)?;
    })
}

/// Spends one datatoken on an order of the asset.
///
/// Fails with SEALOCK_ERROR_INSUFFICIENT_BALANCE: buy first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_order(
    consumer: *const sealock_consumer,
    asset: *const sealock_asset,
    out: *mut *mut sealock_order,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(consumer)?.order(&*find(asset)?)?);
    })
}

/// The orders of the asset that this account has made, found on the ledger by the account's key alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_orders(
    consumer: *const sealock_consumer,
    asset: *const sealock_asset,
    out: *mut *mut sealock_orders,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let orders = find(consumer)?.orders(&*find(asset)?)?;
        out.issue(orders.into_iter().map(Arc::new).collect::<Vec<_>>());
    })
}

/// The requests that were made and whose answers have not been forgotten. They open without the ledger, as the asset was
/// described when they were made.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_tickets(
    consumer: *const sealock_consumer,
    out: *mut *mut sealock_tickets,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let tickets = find(consumer)?.tickets()?;
        out.issue(tickets.into_iter().map(|ticket| Arc::new(RwLock::new(ticket))).collect::<Vec<_>>());
    })
}

/// Removes the keys of a request from the wallet. **Its result cannot be opened afterwards.** `job` is what
/// `sealock_ticket_job` puts out.
/// A job that the wallet does not know is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_forget(
    consumer: *const sealock_consumer,
    job: *const u8,
    job_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let job = c.array::<SEALOCK_DIGEST_BYTES>("job", job, job_length)?;
        find(consumer)?.forget(JobId::from(Digest::from_bytes(job)))?;
    })
}

/// Frees a consumer. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_free(consumer: *mut sealock_consumer) -> sealock_status {
    free(consumer)
}

/// How many orders the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_orders_count(
    orders: *const sealock_orders,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(orders)?.len());
    })
}

/// An order of the list, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_orders_get(
    orders: *const sealock_orders,
    index: usize,
    out: *mut *mut sealock_order,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(orders)?, index)?);
    })
}

/// Frees a list of orders. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_orders_free(orders: *mut sealock_orders) -> sealock_status {
    free(orders)
}

/// How many tickets the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_tickets_count(
    tickets: *const sealock_tickets,
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
pub unsafe extern "C" fn sealock_tickets_get(
    tickets: *const sealock_tickets,
    index: usize,
    out: *mut *mut sealock_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(tickets)?, index)?);
    })
}

/// Frees a list of tickets. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_tickets_free(tickets: *mut sealock_tickets) -> sealock_status {
    free(tickets)
}
