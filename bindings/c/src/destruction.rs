//! Receipts of destruction
//!
//! An owner's signed word that the key of an epoch is gone. It is a promise that is attributable, and no proof: nothing can
//! prove that no copy was kept. It says nothing of keys that others hold.

use sealock::destruction::{Destruction, DestructionReceipt};

use crate::account::{SEALOCK_ADDRESS_BYTES, SEALOCK_DIGEST_BYTES};
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::handle::{find, handles};

/// A signed statement that the key of an epoch is gone.
///
/// Made by: `sealock_owner_destroy_key`, `sealock_owner_destroy_epoch`, `sealock_owner_destruction_receipt`,
/// `sealock_destruction_receipt_from_bytes`. Freed by: `sealock_destruction_receipt_free`. It never changes; thread-safe.
pub struct sealock_destruction_receipt {
    _opaque: (),
}

handles! { sealock_destruction_receipt => DestructionReceipt }

/// What a receipt of destruction says. Its texts are `sealock_destruction_receipt_asset` and `_manifest`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_destruction {
    /// `sizeof(sealock_destruction)`, filled in by the caller.
    pub struct_size: usize,
    /// The epoch whose key is gone.
    pub epoch: u64,
    /// When, in seconds since 1970-01-01 UTC.
    pub destroyed_at: u64,
    /// The address of whose key it was.
    pub owner: [u8; SEALOCK_ADDRESS_BYTES],
    /// The dataset, as in `sealock_asset_dataset`.
    pub dataset: [u8; SEALOCK_DIGEST_BYTES],
}

impl Default for sealock_destruction {
    fn default() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            epoch: 0,
            destroyed_at: 0,
            owner: [0; SEALOCK_ADDRESS_BYTES],
            dataset: [0; SEALOCK_DIGEST_BYTES],
        }
    }
}

impl From<&Destruction> for sealock_destruction {
    fn from(said: &Destruction) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            epoch: said.epoch,
            destroyed_at: said.destroyed_at,
            owner: *said.owner.as_bytes(),
            dataset: *said.dataset.as_bytes(),
        }
    }
}

/// What the receipt says. **Call `sealock_destruction_receipt_verify` first.** Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_destruction_receipt_statement(
    receipt: *const sealock_destruction_receipt,
    out: *mut sealock_destruction,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        out.put(sealock_destruction::from(find(receipt)?.statement()));
    })
}

/// The identifier of the asset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_destruction_receipt_asset(
    receipt: *const sealock_destruction_receipt,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(receipt)?.statement().asset.clone()));
    })
}

/// The CID of the epoch's last manifest, which the key unwrapped.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_destruction_receipt_manifest(
    receipt: *const sealock_destruction_receipt,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(receipt)?.statement().manifest.to_string()));
    })
}

/// Checks that `owner`, an address, signed it, and that it names the owner.
///
/// Fails with SEALOCK_ERROR_BAD_SIGNATURE otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_destruction_receipt_verify(
    receipt: *const sealock_destruction_receipt,
    owner: *const u8,
    owner_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let owner = c.address("owner", owner, owner_length)?;
        find(receipt)?.verify(owner)?;
    })
}

/// The receipt's canonical encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_destruction_receipt_to_bytes(
    receipt: *const sealock_destruction_receipt,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(receipt)?.to_bytes()?));
    })
}

/// Reads a receipt. Its signature is not checked: call `sealock_destruction_receipt_verify`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_destruction_receipt_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_destruction_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(DestructionReceipt::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// Frees a receipt. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_destruction_receipt_free(receipt: *mut sealock_destruction_receipt) -> sealock_status {
    free(receipt)
}
