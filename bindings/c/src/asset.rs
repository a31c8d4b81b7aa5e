//! Assets
//!
//! A published asset, as the ledger shows it to everybody.

use sealock::Asset;
use sealock::asset::Price;
use sealock::envelope::DatasetRef;
use sealock::exchange::Estimate;
use sealock::ledger::Amount;
use sealock::privacy::NumberError;

use crate::account::SEALOCK_ADDRESS_BYTES;
use crate::buffer::{Buffer, Texts, sealock_buffer, sealock_texts};
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{find, handles};
use crate::query::{query_of, sealock_query};
use crate::schema::{copied, sealock_schema};

/// A published asset.
///
/// Made by: `sealock_published_asset`, `sealock_exchange_asset`, `sealock_assets_get`, `sealock_asset_from_bytes`, and what
/// changes an asset. Freed by: `sealock_asset_free`. It never changes; thread-safe.
pub struct sealock_asset {
    _opaque: (),
}

/// A list of how far noise moves numbers.
///
/// Made by: `sealock_asset_number_errors`. Freed by: `sealock_number_errors_free`. It never changes; thread-safe.
pub struct sealock_number_errors {
    _opaque: (),
}

handles! {
    sealock_asset => Asset,
    sealock_number_errors => Vec<NumberError>,
}

/// No datatoken is on offer.
pub const SEALOCK_PRICE_NONE: i32 = 0;
/// Datatokens come from a dispenser, for nothing.
pub const SEALOCK_PRICE_FREE: i32 = 1;
/// Datatokens are sold at a fixed price.
pub const SEALOCK_PRICE_FIXED: i32 = 2;

/// What a query, or an inference, will cost and how large its answer will be.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_estimate {
    /// `sizeof(sealock_estimate)`, filled in by the caller.
    pub struct_size: usize,
    /// For how many such queries one order pays.
    pub uses_per_order: u64,
    /// The length of the epochs in which an order has its uses anew, in seconds; 0 if it has them once.
    pub renewed_every: u64,
    /// Rows of the answer; vectors of an inference.
    pub groups: u64,
    /// Encrypted numbers that each row is made of. A mean takes two. An inference has its scores.
    pub numbers: u64,
    /// Cells that the encrypted indicator spans: the product of the sizes of the columns compared with secrets. Of an inference,
    /// the numbers that are encrypted.
    pub hidden_cells: u64,
    /// Length of the request, in bytes.
    pub request_bytes: u64,
    /// Length of the sealed result, in bytes.
    pub result_bytes: u64,
    /// Time of the encrypted product on one core of this machine, in seconds.
    pub compute_seconds: f64,
    /// Whether `epsilon` says something.
    pub has_epsilon: i32,
    /// Privacy budget that the answer spends, where the policy adds noise: 0 where all answers are made of one protected cube.
    pub epsilon: f64,
    /// Whether `delta` says something.
    pub has_delta: i32,
    /// With what probability `epsilon` may be passed.
    pub delta: f64,
    /// Whether `epsilon_limit` says something.
    pub has_epsilon_limit: i32,
    /// The privacy budget of the whole asset. How much of it is left, its owner's node knows.
    pub epsilon_limit: f64,
}

/// How far noise moves one of the numbers that an answer is made of, in the column's units.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_number_error {
    /// `sizeof(sealock_number_error)`, filled in by the caller.
    pub struct_size: usize,
    /// Standard deviation where the filter picks a single cell.
    pub cell_deviation: f64,
    /// Noisy cells that a row of the answer sums at most.
    pub cells: u64,
    /// Standard deviation where the filter picks all of them.
    pub deviation: f64,
    /// What the error stays within with a probability of at least 95 %, at the most cells.
    pub half_width: f64,
}

impl Default for sealock_number_error {
    fn default() -> Self {
        Self { struct_size: size_of::<Self>(), cell_deviation: 0.0, cells: 0, deviation: 0.0, half_width: 0.0 }
    }
}

impl Default for sealock_estimate {
    fn default() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            uses_per_order: 0,
            renewed_every: 0,
            groups: 0,
            numbers: 0,
            hidden_cells: 0,
            request_bytes: 0,
            result_bytes: 0,
            compute_seconds: 0.0,
            has_epsilon: 0,
            epsilon: 0.0,
            has_delta: 0,
            delta: 0.0,
            has_epsilon_limit: 0,
            epsilon_limit: 0.0,
        }
    }
}

impl From<&Estimate> for sealock_estimate {
    fn from(estimate: &Estimate) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            uses_per_order: estimate.uses_per_order,
            renewed_every: estimate.epoch_secs.unwrap_or(0),
            groups: estimate.groups,
            numbers: estimate.numbers,
            hidden_cells: estimate.hidden_cells,
            request_bytes: estimate.request_bytes,
            result_bytes: estimate.result_bytes,
            compute_seconds: estimate.compute_time.as_secs_f64(),
            has_epsilon: estimate.epsilon.is_some().into(),
            epsilon: estimate.epsilon.unwrap_or_default(),
            has_delta: estimate.delta.is_some().into(),
            delta: estimate.delta.unwrap_or_default(),
            has_epsilon_limit: estimate.epsilon_limit.is_some().into(),
            epsilon_limit: estimate.epsilon_limit.unwrap_or_default(),
        }
    }
}

/// The asset's identifier, `did:op:` and 64 hex digits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_did(
    asset: *const sealock_asset,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(asset)?.did().to_string()));
    })
}

/// The address of the data NFT that stands for it, by which `sealock_exchange_asset` finds it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_nft(
    asset: *const sealock_asset,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(asset)?.nft().as_bytes());
    })
}

/// The CIDs of what the asset consists of, each the root of a graph of blocks: its encrypted data, and the key that proofs are
/// made with. A store that has them all serves the asset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_roots(
    asset: *const sealock_asset,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Texts::from_iter(find(asset)?.roots()));
    })
}

/// The name of the asset's dataset, a digest, and its epoch: how many times it was encrypted anew.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_dataset(
    asset: *const sealock_asset,
    out: *mut u8,
    out_length: usize,
    epoch: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (out, number) = (c.digest_out("out", out, out_length), c.out("epoch", epoch));
        let (out, number) = (out?, number?);
        let DatasetRef { dataset, epoch } = find(asset)?.dataset();
        out.put(*dataset.as_bytes());
        number.put(epoch);
    })
}

/// The address of the datatoken that an order costs one of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_datatoken(
    asset: *const sealock_asset,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(asset)?.service().datatoken.as_bytes());
    })
}

/// The address of who owns the asset and signs its receipts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_owner(
    asset: *const sealock_asset,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(asset)?.owner().as_bytes());
    })
}

/// The name that it was published under.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_name(
    asset: *const sealock_asset,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(asset)?.description().metadata.name.clone()));
    })
}

/// The columns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_schema(
    asset: *const sealock_asset,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(copied(find(asset)?.schema()));
    })
}

/// What may be asked, as JSON.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_policy_json(
    asset: *const sealock_asset,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(format!("{:#}", find(asset)?.policy().to_json()?)));
    })
}

/// How a datatoken is had: `kind` becomes one of the SEALOCK_PRICE_ constants. `amount` is the price in whole tokens of
/// `base_token` for SEALOCK_PRICE_FIXED, and the most datatokens that an account may hold for SEALOCK_PRICE_FREE; the
/// address is zero, and the text NULL, where there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_price(
    asset: *const sealock_asset,
    kind: *mut i32,
    base_token: *mut u8,
    base_token_length: usize,
    amount: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let kind = c.out("kind", kind);
        let amount = c.out("amount", amount);
        let token = c.array_out::<SEALOCK_ADDRESS_BYTES>("base_token", base_token, base_token_length);
        let (kind, amount, token) = (kind?, amount?, token?);
        match find(asset)?.price() {
            None => kind.put(SEALOCK_PRICE_NONE),
            Some(Price::Free { max_per_account }) => {
                kind.put(SEALOCK_PRICE_FREE);
                amount.issue(Buffer::from(max_per_account.to_string()));
            }
            Some(Price::Fixed { base_token, amount: price }) => {
                kind.put(SEALOCK_PRICE_FIXED);
                token.put(*base_token.as_bytes());
                amount.issue(Buffer::from(Amount::from_units(*price).to_string()));
            }
        }
    })
}

/// What an order gives: how many jobs, and for how many seconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_order_terms(
    asset: *const sealock_asset,
    limit: *mut u64,
    validity_secs: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (limit, validity_secs) = (c.out("limit", limit), c.out("validity_secs", validity_secs));
        let (limit, validity_secs) = (limit?, validity_secs?);
        let terms = find(asset)?.order_terms();
        limit.put(terms.limit);
        validity_secs.put(terms.validity_secs);
    })
}

/// In what epochs an order has its uses anew, in seconds; 0 if it has them once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_renewed_every(
    asset: *const sealock_asset,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(asset)?.order_terms().epoch_secs.unwrap_or(0));
    })
}

/// An upper bound on the number of rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_max_rows(
    asset: *const sealock_asset,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(asset)?.max_rows());
    })
}

/// Whether executors compute on it, over encrypted columns, and a releaser releases: 1 or 0. Otherwise its owner's node does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_is_sealed(
    asset: *const sealock_asset,
    out: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(asset)?.is_sealed().into());
    })
}

/// Tells what a query will cost. Needs no order, takes nothing, and tells nobody. Set `out->struct_size` before.
///
/// Of an asset that answers only in federated sums, it tells the part of a sum of as few parties as its policy allows.
///
/// Fails as `sealock_order_request` would: with what is wrong with the query, or the rule that denies it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_estimate(
    asset: *const sealock_asset,
    query: *const sealock_query,
    out: *mut sealock_estimate,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let (asset, query) = (find(asset)?, query_of(query)?);
        out.put(sealock_estimate::from(&asset.estimate(&query)?));
    })
}

/// Tells what it will cost to have so many vectors scored by a model. Set `out->struct_size` before.
///
/// Fails as `sealock_order_infer` would.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_estimate_inference(
    asset: *const sealock_asset,
    vectors: u32,
    out: *mut sealock_estimate,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        out.put(sealock_estimate::from(&find(asset)?.estimate_inference(vectors)?));
    })
}

/// Tells how far noise moves the numbers that the answer to a query is made of: an empty list where the policy draws none.
///
/// Fails as `sealock_asset_estimate`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_number_errors(
    asset: *const sealock_asset,
    query: *const sealock_query,
    out: *mut *mut sealock_number_errors,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (asset, query) = (find(asset)?, query_of(query)?);
        out.issue(asset.number_errors(&query)?);
    })
}

/// How many numbers the list is of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_number_errors_count(
    errors: *const sealock_number_errors,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(errors)?.len());
    })
}

/// One of the list, counted from 0, with the name of the number: `count`, `sum(visits)`, or `count(visits)` for the rows that
/// have a value. Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_number_errors_get(
    errors: *const sealock_number_errors,
    index: usize,
    name: *mut *mut sealock_buffer,
    out: *mut sealock_number_error,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (name, out) = (c.out("name", name), c.sized_out("out", out));
        let (name, out) = (name?, out?);
        let NumberError { name: number, cell_deviation, cells, deviation, half_width, .. } =
            element(&find(errors)?, index)?;
        let struct_size = size_of::<sealock_number_error>();
        name.issue(Buffer::from(number));
        out.put(sealock_number_error { struct_size, cell_deviation, cells, deviation, half_width });
    })
}

/// Frees a list of errors. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_number_errors_free(errors: *mut sealock_number_errors) -> sealock_status {
    free(errors)
}

/// The asset as its holder sees it, as bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_to_bytes(
    asset: *const sealock_asset,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(asset)?.to_bytes()?));
    })
}

/// Reads what `sealock_asset_to_bytes` wrote. **It is as good as whoever gave the bytes**: no ledger is asked.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Asset::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// Frees an asset. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_asset_free(asset: *mut sealock_asset) -> sealock_status {
    free(asset)
}
