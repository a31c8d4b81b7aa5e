//! Policies
//!
//! What an owner lets be asked. Everything that is not allowed is denied.

use std::ffi::c_char;
use std::sync::Mutex;

use sealock::Digest;
use sealock::policy::Policy;
use sealock::program::Aggregation;

use crate::account::SEALOCK_DIGEST_BYTES;
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::column::{change, current};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::handles;

/// The number of rows.
pub const SEALOCK_AGGREGATION_COUNT: i32 = 1;
/// The sum of a measure.
pub const SEALOCK_AGGREGATION_SUM: i32 = 2;
/// The mean of a measure.
pub const SEALOCK_AGGREGATION_MEAN: i32 = 3;

/// What an owner lets be asked. `sealock_policy_deny_all` allows nothing; each function allows something more.
///
/// Made by: `sealock_policy_deny_all`. Freed by: `sealock_policy_free`. An offer copies it. Thread-safe.
pub struct sealock_policy {
    _opaque: (),
}

handles! { sealock_policy => Mutex<Policy> }

/// Allows nothing, and withholds groups of fewer than 10 rows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_deny_all(
    out: *mut *mut sealock_policy,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(Mutex::new(Policy::deny_all()));
    })
}

/// Allows filtering and grouping by these columns. Together they span the asset's cube: every further one makes its cells
/// smaller, and `sealock_policy_min_group_size` withhold more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_dimensions(
    policy: *mut sealock_policy,
    columns: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let columns = c.texts("columns", columns, count)?;
        change(policy, |policy: Policy| Ok(policy.dimensions(columns)))?;
    })
}

/// Allows aggregating these columns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_measures(
    policy: *mut sealock_policy,
    columns: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let columns = c.texts("columns", columns, count)?;
        change(policy, |policy: Policy| Ok(policy.measures(columns)))?;
    })
}

/// Allows an aggregation: one of the SEALOCK_AGGREGATION_ constants.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_aggregation(
    policy: *mut sealock_policy,
    aggregation: i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        let aggregation = match aggregation {
            SEALOCK_AGGREGATION_COUNT => Aggregation::Count,
            SEALOCK_AGGREGATION_SUM => Aggregation::Sum,
            SEALOCK_AGGREGATION_MEAN => Aggregation::Mean,
            other => {
                return Err(Failure::argument("aggregation", "a SEALOCK_AGGREGATION_ constant", &other.to_string()));
            }
        };
        change(policy, |policy: Policy| Ok(policy.aggregations([aggregation])))?;
    })
}

/// Allows any program within the other rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_any_program(
    policy: *mut sealock_policy,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(policy, |policy: Policy| Ok(policy.any_program()))?;
    })
}

/// Allows the program with this digest, within the other rules.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_program(
    policy: *mut sealock_policy,
    digest: *const u8,
    digest_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let digest = c.array::<SEALOCK_DIGEST_BYTES>("digest", digest, digest_length)?;
        change(policy, |policy: Policy| Ok(policy.programs([Digest::from_bytes(digest)])))?;
    })
}

/// Withholds every combination of all the policy's dimensions that has fewer rows than this. 1 withholds nothing.
/// **It counts rows, not people**: somebody who has several counts several times.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_min_group_size(
    policy: *mut sealock_policy,
    rows: u32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(policy, |policy: Policy| Ok(policy.min_group_size(rows)))?;
    })
}

/// Lets buyers of a download decrypt the data itself: see Downloads. **What they have read cannot be taken back, and no group
/// is too small for it.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_allow_download(
    policy: *mut sealock_policy,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(policy, |policy: Policy| Ok(policy.allow_download()))?;
    })
}

/// Lets a model score encrypted vectors, at most so many in one job: see Models. **One more vector than the model has features
/// tells whoever has the scores every coefficient.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_allow_inference(
    policy: *mut sealock_policy,
    max_vectors: u32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(policy, |policy: Policy| Ok(policy.allow_inference(max_vectors)))?;
    })
}

/// Answers at most this many jobs, over all orders.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_max_jobs(
    policy: *mut sealock_policy,
    jobs: u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(policy, |policy: Policy| Ok(policy.max_jobs(jobs)))?;
    })
}

/// Answers no job from this time on, in seconds since 1970-01-01 UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_expires(
    policy: *mut sealock_policy,
    at: u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(policy, |policy: Policy| Ok(policy.expires(at)))?;
    })
}

/// States what the answers may be used for. Buyers agree to it; nothing can enforce it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_purpose(
    policy: *mut sealock_policy,
    purpose: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let purpose = c.text("purpose", purpose)?;
        change(policy, |policy: Policy| Ok(policy.purpose(purpose)))?;
    })
}

/// The rules as JSON.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_to_json(
    policy: *const sealock_policy,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(format!("{:#}", current(policy)?.to_json()?)));
    })
}

/// The digest that proofs and receipts name the policy by.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_digest(
    policy: *const sealock_policy,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*current(policy)?.digest()?.as_bytes());
    })
}

/// Frees a policy. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_free(policy: *mut sealock_policy) -> sealock_status {
    free(policy)
}
