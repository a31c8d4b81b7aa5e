//! Changing a published asset
//!
//! An owner lets others decrypt an asset's data, changes its keys, encrypts it anew as its next epoch, or destroys a key. Each
//! change ends with one transaction, a new description: an interruption at any point leaves the old asset or the new one, and
//! repeating the call is always right. The functions put out the asset as it is then; handles of the asset from before stay as
//! they were, and what they lead to is refused.
//!
//! They fail with SEALOCK_ERROR_NOT_AUTHORIZED for another owner's asset, and with SEALOCK_ERROR_KEY_DESTROYED.

use sealock::owner::NewEpoch;

use crate::asset::sealock_asset;
use crate::call::{Caller, call};
use crate::destruction::sealock_destruction_receipt;
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::find;
use crate::model::sealock_model;
use crate::owner::{sealock_owner, sealock_published};
use crate::table::sealock_table;
use crate::watch::sealock_watch;

impl Caller {
    fn new_epoch(&self, recipients: *const u8, length: usize, keep_previous: i32) -> Result<NewEpoch, Failure> {
        let how = NewEpoch::new().recipients(self.recipients("recipients", recipients, length)?);
        Ok(if keep_previous == 0 { how } else { how.keep_previous() })
    }
}

/// Lets the holders of these public keys, see Recipients, decrypt the asset's data without an order, with
/// `sealock_exchange_open_shared`: until the next epoch, and **for good what they read**. Earlier recipients stay.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a key that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_share(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    recipients: *const u8,
    recipients_length: usize,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (owner, asset) = (find(owner)?, find(asset)?);
        out.issue(owner.share(&asset, &c.recipients("recipients", recipients, recipients_length)?)?);
    })
}

/// Changes the owner's own key of the asset's data: for a key store that somebody may have seen a copy of. No data is
/// encrypted anew. **Who has seen the data's key, too, is shut out by `sealock_owner_reencrypt` alone.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_rewrap(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(owner)?.rewrap(&*find(asset)?)?);
    })
}

/// Encrypts the asset's data anew under fresh keys: the next epoch. Keys of earlier epochs open nothing of it, and its
/// recipients are these alone. The blocks of earlier epochs are given up unless `keep_previous` is not 0. `watch` may be NULL.
///
/// **What somebody has read before, or kept a copy of, stays readable to them.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_reencrypt(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    recipients: *const u8,
    recipients_length: usize,
    keep_previous: i32,
    watch: *const sealock_watch,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (owner, asset) = (find(owner)?, find(asset)?);
        let how = c.new_epoch(recipients, recipients_length, keep_previous)?;
        let mut teller = c.watch("watch", watch)?.teller();
        out.issue(owner.reencrypt_with(&asset, &how, &mut teller)?);
    })
}

/// Replaces the asset's data: encrypts another table as the next epoch, otherwise as `sealock_owner_reencrypt`. Policy and
/// terms stay.
///
/// **An answer from before and one from after differ by the rows that changed: few of them can be told by comparing.** Change
/// many at once, or publish another asset.
///
/// Fails as `sealock_owner_publish` for what of the policy does not fit the table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_update(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    table: *const sealock_table,
    recipients: *const u8,
    recipients_length: usize,
    keep_previous: i32,
    watch: *const sealock_watch,
    out: *mut *mut sealock_published,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (owner, asset, table) = (find(owner)?, find(asset)?, find(table)?);
        let how = c.new_epoch(recipients, recipients_length, keep_previous)?;
        let mut teller = c.watch("watch", watch)?.teller();
        out.issue(owner.update_with(&asset, &table, &how, &mut teller)?);
    })
}

/// Replaces the asset's model: encrypts another one as the next epoch, otherwise as `sealock_owner_reencrypt`. Policy and terms
/// stay.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for an asset that is a table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_update_model(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    model: *const sealock_model,
    recipients: *const u8,
    recipients_length: usize,
    keep_previous: i32,
    out: *mut *mut sealock_published,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (owner, asset, model) = (find(owner)?, find(asset)?, find(model)?);
        let how = c.new_epoch(recipients, recipients_length, keep_previous)?;
        out.issue(owner.update_model(&asset, &model, &how)?);
    })
}

/// Destroys the owner's key of the asset's present epoch, as `sealock_owner_destroy_epoch` does, and takes its datatokens off
/// sale. **It cannot be undone.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_destroy_key(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    out: *mut *mut sealock_destruction_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(owner)?.destroy_key(&*find(asset)?)?);
    })
}

/// Destroys the owner's key of an epoch of the asset, counted from 0: removes it from the key store, drops what the node has
/// in memory, and gives up the blocks. Jobs, downloads and this owner are refused with SEALOCK_ERROR_KEY_DESTROYED from then
/// on. **It cannot be undone.** Repeating it puts out the same receipt, and finishes what was interrupted.
///
/// **It takes back nothing that was read**: recipients and buyers keep the keys that they have, and a copy of the key store
/// from before revives the key.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if this owner has published no such epoch; with SEALOCK_ERROR_IO, and then the key may
/// still be there: repeat it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_destroy_epoch(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    epoch: u64,
    out: *mut *mut sealock_destruction_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(owner)?.destroy_epoch(&*find(asset)?, epoch)?);
    })
}

/// The receipt of an epoch's destroyed key; NULL if it was not destroyed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_destruction_receipt(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    epoch: u64,
    out: *mut *mut sealock_destruction_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        if let Some(receipt) = find(owner)?.destruction_receipt(&*find(asset)?, epoch)? {
            out.issue(receipt);
        }
    })
}

/// Gives up publications that were interrupted and not repeated: what was sealed for them is garbage then. Puts out how many
/// there were.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_discard_unfinished(
    owner: *const sealock_owner,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(owner)?.discard_unfinished()?);
    })
}
