//! Exchanges
//!
//! Where parties meet: a store, a ledger and a clock. A folder of `sealock_exchange_local` is for one process at a time:
//! owner and consumer share it in one program, or the owner's side is a node elsewhere, and the consumer's
//! `sealock_exchange_connect`.

use std::ffi::c_char;
use std::sync::Arc;

use sealock::{Asset, Exchange};

use crate::account::{copy_of, sealock_account};
use crate::asset::sealock_asset;
use crate::call::{call, free};
use crate::consumer::sealock_consumer;
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::owner::sealock_owner;

/// Where parties meet.
///
/// Made by: `sealock_exchange_local`, `sealock_exchange_in_memory`, `sealock_exchange_local_with_ipfs`,
/// `sealock_exchange_local_with_kubo`, `sealock_exchange_connect`, and each of these with `_on` at its end, for another ledger
/// than the embedded one.
/// Freed by: `sealock_exchange_free`. Owners, consumers and orders keep what they need of it. Thread-safe.
pub struct sealock_exchange {
    _opaque: (),
}

/// A list of assets.
///
/// Made by: `sealock_exchange_assets`. Freed by: `sealock_assets_free`. It never changes; thread-safe.
pub struct sealock_assets {
    _opaque: (),
}

handles! { sealock_exchange => Exchange, sealock_assets => Vec<Arc<Asset>> }

/// An exchange in a folder of this machine, which is made if there is none.
///
/// Fails with SEALOCK_ERROR_IO; with SEALOCK_ERROR_INVALID_ARGUMENT for an empty path; with SEALOCK_ERROR_LOCKED while another process has it open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_local(
    path: *const c_char,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Exchange::local(c.text("path", path)?)?);
    })
}

/// An exchange that is gone when it is freed, and all that uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_in_memory(
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(Exchange::in_memory()?);
    })
}

/// The owner side of an account: publishes assets and runs the node that serves them. The account stays the caller's.
///
/// Fails with SEALOCK_ERROR_LOCKED while the account's node is open; with SEALOCK_ERROR_CORRUPT_STATE if the ledger has
/// assets of the account and their journal is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_owner(
    exchange: *const sealock_exchange,
    account: *const sealock_account,
    out: *mut *mut sealock_owner,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(exchange)?.owner(copy_of(account)?)?);
    })
}

/// As `sealock_exchange_owner`, for an account whose journal is lost. **What it published before is no longer served.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_owner_afresh(
    exchange: *const sealock_exchange,
    account: *const sealock_account,
    out: *mut *mut sealock_owner,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(exchange)?.owner_afresh(copy_of(account)?)?);
    })
}

/// The consumer side of an account: buys, orders, asks. The account stays the caller's.
///
/// Fails with SEALOCK_ERROR_LOCKED while the account's wallet is open: until the consumer, its orders and its tickets are
/// freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_consumer(
    exchange: *const sealock_exchange,
    account: *const sealock_account,
    out: *mut *mut sealock_consumer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(exchange)?.consumer(copy_of(account)?)?);
    })
}

/// The asset that a data NFT stands for.
///
/// Fails with SEALOCK_ERROR_UNKNOWN_TOKEN if there is no such NFT; with SEALOCK_ERROR_NOT_FOUND if it carries no
/// description.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_asset(
    exchange: *const sealock_exchange,
    nft: *const u8,
    nft_length: usize,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(exchange)?.asset(c.address("nft", nft, nft_length)?)?);
    })
}

/// Every asset that was published here, in the order of the ledger.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_assets(
    exchange: *const sealock_exchange,
    out: *mut *mut sealock_assets,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let assets = find(exchange)?.assets()?;
        out.issue(assets.into_iter().map(Arc::new).collect::<Vec<_>>());
    })
}

/// Frees an exchange. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_free(exchange: *mut sealock_exchange) -> sealock_status {
    free(exchange)
}

/// How many assets the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_assets_count(
    assets: *const sealock_assets,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(assets)?.len());
    })
}

/// An asset of the list, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_assets_get(
    assets: *const sealock_assets,
    index: usize,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(assets)?, index)?);
    })
}

/// Frees a list of assets. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_assets_free(assets: *mut sealock_assets) -> sealock_status {
    free(assets)
}

/// An element of a list.
pub(crate) fn element<T: Clone>(list: &[T], index: usize) -> Result<T, Failure> {
    element_at("index", list, index)
}

/// An element of a list, by the argument of this name.
pub(crate) fn element_at<T: Clone>(name: &str, list: &[T], index: usize) -> Result<T, Failure> {
    let beyond = || Failure::argument(name, &format!("less than {}", list.len()), &index.to_string());
    list.get(index).cloned().ok_or_else(beyond)
}
