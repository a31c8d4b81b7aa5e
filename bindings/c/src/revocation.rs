//! Taking orders back
//!
//! What the ledger shows of an asset's orders, and how their seller takes one back: from a stated time on it admits no jobs.
//! Everybody sees a revocation on the ledger, before it takes effect. **Who revokes one order and sees whose requests stop has
//! learned whose they were.**

use std::collections::HashMap;

use sealock::ledger::{self, LedgerError};

use crate::account::{SEALOCK_ADDRESS_BYTES, SEALOCK_DIGEST_BYTES};
use crate::asset::sealock_asset;
use crate::call::{Out, call, free};
use crate::download::sealock_download_order;
use crate::error::{sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{find, handles};
use crate::order::sealock_order;
use crate::owner::sealock_owner;

/// The orders of an asset, as the ledger shows them.
///
/// Made by: `sealock_owner_orders`. Freed by: `sealock_order_records_free`. It never changes; thread-safe.
pub struct sealock_order_records {
    _opaque: (),
}

handles! { sealock_order_records => Vec<sealock_order_record> }

/// What the ledger shows of an order. Times are in seconds since 1970-01-01 UTC.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_order_record {
    /// `sizeof(sealock_order_record)`, filled in by the caller.
    pub struct_size: usize,
    /// Its place among the orders of the service, from 0.
    pub index: u64,
    /// How many jobs it gives, in all or in each epoch.
    pub uses: u64,
    /// When it was made.
    pub ordered: u64,
    /// The last second in which it is valid.
    pub expiry: u64,
    /// From when on it admits no jobs, where it was taken back; 0 otherwise.
    pub revoked_from: u64,
    /// 0 for queries, 1 for downloads.
    pub service: u32,
    /// Not 0 if it was taken back and the datatoken that it cost paid back.
    pub refunded: i32,
    /// Who ordered and paid.
    pub consumer: [u8; SEALOCK_ADDRESS_BYTES],
    /// The consumer's identity commitment.
    pub commitment: [u8; SEALOCK_DIGEST_BYTES],
}

impl Default for sealock_order_record {
    fn default() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            index: 0,
            uses: 0,
            ordered: 0,
            expiry: 0,
            revoked_from: 0,
            service: 0,
            refunded: 0,
            consumer: [0; SEALOCK_ADDRESS_BYTES],
            commitment: [0; SEALOCK_DIGEST_BYTES],
        }
    }
}

/// An order that its seller takes back. Times are in seconds since 1970-01-01 UTC.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_revocation {
    /// `sizeof(sealock_revocation)`, filled in by the caller.
    pub struct_size: usize,
    /// From when on the order admits no jobs.
    pub effective: u64,
    /// When it was announced.
    pub announced: u64,
    /// Not 0 if the datatoken that the order cost was paid back.
    pub refunded: i32,
}

impl Default for sealock_revocation {
    fn default() -> Self {
        Self { struct_size: size_of::<Self>(), effective: 0, announced: 0, refunded: 0 }
    }
}

impl From<&ledger::Revocation> for sealock_revocation {
    fn from(revoked: &ledger::Revocation) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            effective: revoked.effective,
            announced: revoked.time,
            refunded: revoked.refunded.into(),
        }
    }
}

fn put(revoked: Option<ledger::Revocation>, present: Out<i32>, out: Out<sealock_revocation>) {
    present.put(revoked.is_some().into());
    out.put(revoked.as_ref().map(sealock_revocation::from).unwrap_or_default());
}

/// Every order of an asset, of queries and of downloads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_orders(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    out: *mut *mut sealock_order_records,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (owner, asset) = (find(owner)?, find(asset)?);
        let orders = owner.orders(&asset)?;
        let revoked: HashMap<_, _> =
            owner.revocations(&asset)?.into_iter().map(|r| ((r.service, r.order), r)).collect();
        let record = |order: ledger::Order| {
            let revoked = revoked.get(&(order.service, order.index));
            sealock_order_record {
                struct_size: size_of::<sealock_order_record>(),
                index: order.index,
                uses: order.limit,
                ordered: order.time,
                expiry: order.expiry,
                revoked_from: revoked.map_or(0, |r| r.effective),
                service: order.service,
                refunded: revoked.is_some_and(|r| r.refunded).into(),
                consumer: *order.consumer.as_bytes(),
                commitment: order.commitment,
            }
        };
        out.issue(orders.into_iter().map(record).collect::<Vec<_>>());
    })
}

/// How many orders the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_records_count(
    records: *const sealock_order_records,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(records)?.len());
    })
}

/// An order of the list, counted from 0. Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_records_get(
    records: *const sealock_order_records,
    index: usize,
    out: *mut sealock_order_record,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        out.put(element(&find(records)?, index)?);
    })
}

/// Frees a list of orders. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_records_free(records: *mut sealock_order_records) -> sealock_status {
    free(records)
}

/// Takes an order of the asset back, as a list of `sealock_owner_orders` has it: it admits no jobs from `effective` on, in
/// seconds since 1970-01-01 UTC, rounded up to a full minute. With 0, that is in five minutes, which is the least; the most is
/// when it expires. If `refund` is not 0, the owner pays the datatoken back that it cost, not its price. **It cannot be
/// undone.** Set `out->struct_size` before.
///
/// Fails with SEALOCK_ERROR_ORDER_REVOKED if it was taken back before, SEALOCK_ERROR_ORDER_MISMATCH if the asset has no such
/// order, SEALOCK_ERROR_ORDER_EXPIRED if it ends sooner by itself, SEALOCK_ERROR_NOT_AUTHORIZED for another owner's asset,
/// SEALOCK_ERROR_INVALID_ARGUMENT for a time that is too early or too late, and SEALOCK_ERROR_INSUFFICIENT_BALANCE if the owner
/// does not have the datatoken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_revoke_order(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    order: *const sealock_order_record,
    effective: u64,
    refund: i32,
    out: *mut sealock_revocation,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let record = c.sized("order", order)?;
        let (owner, asset) = (find(owner)?, find(asset)?);
        let order = owner.order(&asset, record.service, record.index)?;
        // A record of another asset's order has the place of somebody else's here.
        if order.commitment != record.commitment {
            let ledger::Order { token, service, index, .. } = order;
            return Err(LedgerError::UnknownOrder { token, service, order: index }.into());
        }
        let revoked = owner.revoke(&order, (effective != 0).then_some(effective), refund != 0)?;
        out.put(sealock_revocation::from(&revoked));
    })
}

/// The revocation of an order, if its seller has announced one: `present` is 1 then, and 0 otherwise. It may have yet to take
/// effect. Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_order_revocation(
    order: *const sealock_order,
    present: *mut i32,
    out: *mut sealock_revocation,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (present, out) = (c.out("present", present), c.sized_out("out", out));
        let (present, out) = (present?, out?);
        put(find(order)?.revocation()?, present, out);
    })
}

/// As `sealock_order_revocation`, of an order of the data itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_order_revocation(
    order: *const sealock_download_order,
    present: *mut i32,
    out: *mut sealock_revocation,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (present, out) = (c.out("present", present), c.sized_out("out", out));
        let (present, out) = (present?, out?);
        put(find(order)?.revocation()?, present, out);
    })
}
