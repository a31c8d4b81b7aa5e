//! Owners
//!
//! The party that publishes. Its node, which answers for what it published, is a handle of its own.

use std::sync::Arc;

use sealock::cube::Suppression;
use sealock::exchange::Published;
use sealock::owner::Owner;

use crate::asset::sealock_asset;
use crate::call::{call, free};
use crate::column::current;
use crate::error::{sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::node::sealock_node;
use crate::offer::sealock_offer;
use crate::watch::sealock_watch;

/// A party that publishes.
///
/// Made by: `sealock_exchange_owner`, `sealock_exchange_owner_afresh`, and the same `_from_key_store`. Freed by: `sealock_owner_free`; the account's node
/// closes when its nodes are freed, too. Thread-safe.
pub struct sealock_owner {
    _opaque: (),
}

/// What publishing did.
///
/// Made by: `sealock_owner_publish`, `sealock_owner_update`. Freed by: `sealock_published_free`. It never changes; thread-safe.
pub struct sealock_published {
    _opaque: (),
}

handles! { sealock_owner => Owner, sealock_published => Published }

/// How much of a table the policy withholds. For the owner; it is not published.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_suppression {
    /// `sizeof(sealock_suppression)`, filled in by the caller.
    pub struct_size: usize,
    /// Cells of the cube: combinations of all the policy's dimensions.
    pub cells: u64,
    /// Cells that hold rows, but too few.
    pub suppressed_cells: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Rows in suppressed cells.
    pub suppressed_rows: u64,
    /// Values of nullable measures that sums and means leave out although their rows are counted: in their cells, too few
    /// rows have a value or lack one.
    pub suppressed_values: u64,
}

impl Default for sealock_suppression {
    fn default() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            cells: 0,
            suppressed_cells: 0,
            rows: 0,
            suppressed_rows: 0,
            suppressed_values: 0,
        }
    }
}

/// Publishes a table: folds it into its protected cube, encrypts and stores it, mints the data NFT and its datatoken, sets
/// terms and price, and last the description, by which the asset is found. `watch` may be NULL.
///
/// On an exchange with a folder, publishing the same table again goes on where an interrupted or cancelled upload was;
/// `sealock_owner_discard_unfinished` gives it up.
///
/// Fails with what is wrong with the offer, before anything leaves. A failure on the way leaves an NFT that no consumer
/// finds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_publish(
    owner: *const sealock_owner,
    offer: *const sealock_offer,
    watch: *const sealock_watch,
    out: *mut *mut sealock_published,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (owner, draft) = (find(owner)?, current(offer)?);
        let mut teller = c.watch("watch", watch)?.teller();
        out.issue(owner.publish_with(&draft.offer(), &mut teller)?);
    })
}

/// The node that serves this owner's assets. It keeps the owner open until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_node(
    owner: *const sealock_owner,
    out: *mut *mut sealock_node,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(owner)?);
    })
}

/// The owner's address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_address(
    owner: *const sealock_owner,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(owner)?.address().as_bytes());
    })
}

/// Frees an owner. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_free(owner: *mut sealock_owner) -> sealock_status {
    free(owner)
}

/// The asset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_published_asset(
    published: *const sealock_published,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Arc::new(find(published)?.asset.clone()));
    })
}

/// How much of the table the policy withholds. Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_published_suppression(
    published: *const sealock_published,
    out: *mut sealock_suppression,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let Suppression { cells, suppressed_cells, rows, suppressed_rows, suppressed_values } =
            find(published)?.suppression;
        let struct_size = size_of::<sealock_suppression>();
        out.put(sealock_suppression { struct_size, cells, suppressed_cells, rows, suppressed_rows, suppressed_values });
    })
}

/// Bytes in the store, as ciphertext.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_published_sealed_bytes(
    published: *const sealock_published,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(published)?.sealed_bytes);
    })
}

/// Whether it is sealed and its rows are encrypted a second time, packed, so that programs of few digits need no bootstraps: as asked
/// for by `sealock_offer_seal_packed`, or where it pays. 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_published_is_packed(
    published: *const sealock_published,
    out: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(published)?.packed.into());
    })
}

/// Frees what publishing put out. NULL is fine. The asset stays published.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_published_free(published: *mut sealock_published) -> sealock_status {
    free(published)
}
