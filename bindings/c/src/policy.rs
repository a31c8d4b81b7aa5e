//! Policies
//!
//! What an owner lets be asked. Everything that is not allowed is denied.

use std::ffi::c_char;
use std::sync::Mutex;

use sealock::Digest;
use sealock::asset::Value;
use sealock::federation::Member;
use sealock::policy::Policy;
use sealock::privacy::{Delta, Epsilon};
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
/// Variances and standard deviations of a measure. Its sums and sums of squares leave for them.
pub const SEALOCK_AGGREGATION_VARIANCE: i32 = 4;
/// Histograms, minima, maxima and quantiles of a dimension. The number of rows in each of its bins leaves for each of them.
pub const SEALOCK_AGGREGATION_HISTOGRAM: i32 = 5;

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
            SEALOCK_AGGREGATION_VARIANCE => Aggregation::Variance,
            SEALOCK_AGGREGATION_HISTOGRAM => Aggregation::Histogram,
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
/// **It counts rows, not people**: somebody who has several counts several times, unless `sealock_policy_entity` says whom
/// they are about.
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

/// Lets `sealock_policy_min_group_size` count the distinct values of this column, which is an entity in the schema, instead of
/// rows. It says nothing about how much of a sum one of them makes up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_entity(
    policy: *mut sealock_policy,
    column: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let column = c.text("column", column)?;
        change(policy, |policy: Policy| Ok(policy.entity(column)))?;
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

/// Answers **only in sums** with assets of all the other `members`, this owner among them. Each is the text that its
/// `sealock_owner_member` puts out. See Federated sums. Each member should publish one asset under a rule: of two, whoever
/// knows one learns the others' parts.
///
/// Every other rule holds for this owner's part as if it were an answer of its own. **Members are trusted not to help the
/// consumer, and to name the same members**: it takes two honest ones to hide the part of either.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_federation(
    policy: *mut sealock_policy,
    members: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let members = c.texts("members", members, count)?;
        change(policy, |policy: Policy| {
            let members = members.iter().map(|member| member.parse()).collect::<Result<Vec<Member>, _>>()?;
            Ok(policy.federation(members))
        })?;
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

/// Answers each job with noise that is drawn for it, so that it spends a privacy loss ε of this much: a decimal such as "0.5",
/// from 0.000001 to 1000 with at most six places. The unit is a row. `sealock_policy_min_group_size` looks at noisy counts then,
/// on which part of the loss is spent unless it is 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_epsilon(
    policy: *mut sealock_policy,
    per_job: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let per_job = c.text("per_job", per_job)?.parse::<Epsilon>()?;
        change(policy, |policy: Policy| Ok(policy.epsilon(per_job)))?;
    })
}

/// Publishes only under terms that let one order spend at most this much: its uses, times the loss of each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_epsilon_per_order(
    policy: *mut sealock_policy,
    most: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let most = c.text("most", most)?.parse::<Epsilon>()?;
        change(policy, |policy: Policy| Ok(policy.epsilon_per_order(most)))?;
    })
}

/// Spends at most this much over all jobs of the asset. What is left, `sealock_node_budget` tells; jobs beyond it are refused
/// with SEALOCK_ERROR_BUDGET_EXHAUSTED, which only the owner sees.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_epsilon_per_asset(
    policy: *mut sealock_policy,
    most: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let most = c.text("most", most)?.parse::<Epsilon>()?;
        change(policy, |policy: Policy| Ok(policy.epsilon_per_asset(most)))?;
    })
}

/// Lets each release pass its loss with this probability: a decimal above 0 and below 1, such as "1e-9".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_delta(
    policy: *mut sealock_policy,
    per_release: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let per_release = c.text("per_release", per_release)?.parse::<Delta>()?;
        change(policy, |policy: Policy| Ok(policy.delta(per_release)))?;
    })
}

/// Answers all jobs from one noisy cube, whose noise is drawn when the data is published and spends this much once, however
/// many jobs there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_protected_cube(
    policy: *mut sealock_policy,
    epsilon: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let epsilon = c.text("epsilon", epsilon)?.parse::<Epsilon>()?;
        change(policy, |policy: Policy| Ok(policy.protected_cube(epsilon)))?;
    })
}

/// Counts a value of `column` outside `low` to `high` (decimals) as the nearer of the two in every sum and mean. Noise is as
/// large as the largest value may be.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_policy_clamp(
    policy: *mut sealock_policy,
    column: *const c_char,
    low: *const c_char,
    high: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let column = c.text("column", column)?;
        let bound = |name: &str, text: *const c_char| {
            let text = c.text(name, text)?;
            Value::decimal(text).ok_or_else(|| Failure::argument(name, "a decimal", text))
        };
        let (low, high) = (bound("low", low)?, bound("high", high)?);
        change(policy, |policy: Policy| Ok(policy.clamp(column, low, high)))?;
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
