//! Nodes
//!
//! The node of one owner admits jobs, computes and releases:
//!
//! ```text
//! request --admit--> grant --compute--> computed --release--> result, receipt
//! ```
//!
//! Each step uses up what the one before made: a grant or a computed job that was passed on is refused when it is passed
//! again, and all that is left to do is to free it. `sealock_node_run` takes all three.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use sealock::Digest;
use sealock::access::AccessGrant;
use sealock::job::JobId;
use sealock::node::{Computed, RefusalRecord};
use sealock::owner::Owner;

use crate::account::{SEALOCK_DIGEST_BYTES, SEALOCK_NULLIFIER_BYTES};
use crate::asset::sealock_asset;
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{Handle, find, handles};
use crate::job::{sealock_request, sealock_result};
use crate::receipt::{sealock_receipt, sealock_receipts};
use crate::watch::sealock_watch;

/// The node of an owner, serving the owner's assets.
///
/// Made by: `sealock_owner_node`. Freed by: `sealock_node_free`. Thread-safe: jobs run side by side.
pub struct sealock_node {
    _opaque: (),
}

/// The right to one job, which the node has checked and the order has paid for.
///
/// Made by: `sealock_node_admit`, `sealock_node_admit_bytes`, `sealock_releaser_grant`. Used up by: `sealock_node_compute`,
/// `sealock_releaser_release`. Freed by: `sealock_grant_free`; the job stays on record. Thread-safe.
pub struct sealock_grant {
    _opaque: (),
}

/// A computed job, not yet released.
///
/// Made by: `sealock_node_compute`. Used up by: `sealock_node_release`. Freed by: `sealock_computed_free`; the job stays
/// on record. Thread-safe.
pub struct sealock_computed {
    _opaque: (),
}

/// A list of refusals, oldest first.
///
/// Made by: `sealock_node_refusals`. Freed by: `sealock_refusals_free`. It never changes; thread-safe.
pub struct sealock_refusals {
    _opaque: (),
}

handles! {
    sealock_node => Owner,
    sealock_grant => Held<AccessGrant>,
    sealock_computed => Held<Computed>,
    sealock_refusals => Vec<RefusalRecord>,
}

/// The job was never admitted.
pub const SEALOCK_JOB_UNKNOWN: i32 = 0;
/// The job was admitted, and is not complete.
pub const SEALOCK_JOB_ADMITTED: i32 = 1;
/// The job is complete.
pub const SEALOCK_JOB_COMPLETE: i32 = 2;

/// What a node has on record about a job.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_job {
    /// `sizeof(sealock_job)`, filled in by the caller.
    pub struct_size: usize,
    /// One of the SEALOCK_JOB_ constants. Nothing else is filled in for SEALOCK_JOB_UNKNOWN.
    pub state: i32,
    /// When it was admitted, in seconds since 1970-01-01 UTC.
    pub admitted_at: u64,
    /// The number of its receipt, for SEALOCK_JOB_COMPLETE.
    pub receipt: u64,
    /// Digest of its program.
    pub program: [u8; SEALOCK_DIGEST_BYTES],
    /// Digest of the policy that it was admitted under.
    pub policy: [u8; SEALOCK_DIGEST_BYTES],
    /// The use that paid for it.
    pub nullifier: [u8; SEALOCK_NULLIFIER_BYTES],
}

impl Default for sealock_job {
    fn default() -> Self {
        let none = [0; SEALOCK_DIGEST_BYTES];
        let (struct_size, state) = (size_of::<Self>(), SEALOCK_JOB_UNKNOWN);
        Self { struct_size, state, admitted_at: 0, receipt: 0, program: none, policy: none, nullifier: none }
    }
}

/// What an asset has spent of its privacy budget, and what it has in all.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_budget {
    /// `sizeof(sealock_budget)`, filled in by the caller.
    pub struct_size: usize,
    /// Spent by the jobs that were admitted, or by protected cubes that were made, in millionths of ε.
    pub spent_micros: u64,
    /// Whether the policy limits it.
    pub has_limit: i32,
    /// The limit, in millionths of ε.
    pub limit_micros: u64,
}

impl Default for sealock_budget {
    fn default() -> Self {
        Self { struct_size: size_of::<Self>(), spent_micros: 0, has_limit: 0, limit_micros: 0 }
    }
}

/// What a handle holds once, and the node that it came from.
pub(crate) struct Held<V> {
    node: Weak<Owner>,
    value: Mutex<Option<V>>,
}

impl<V> Held<V> {
    pub(crate) fn new(node: &Arc<Owner>, value: V) -> Self {
        Self { node: Arc::downgrade(node), value: Mutex::new(Some(value)) }
    }
}

/// Takes what a handle holds for its node. For another node it stays there.
pub(crate) fn take<T: Handle<Value = Held<V>>, V>(handle: *const T, node: &Arc<Owner>) -> Result<V, Failure> {
    held(handle, node, |held| held.take().ok_or_else(used_up::<T>))
}

/// Shows what a handle holds for its node. It stays there.
pub(crate) fn show<T: Handle<Value = Held<V>>, V, R>(
    handle: *const T,
    node: &Arc<Owner>,
    to: impl FnOnce(&V) -> Result<R, Failure>,
) -> Result<R, Failure> {
    held(handle, node, |held| to(held.as_ref().ok_or_else(used_up::<T>)?))
}

fn held<T: Handle<Value = Held<V>>, V, R>(
    handle: *const T,
    node: &Arc<Owner>,
    use_it: impl FnOnce(&mut Option<V>) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let held = find(handle)?;
    if !Weak::ptr_eq(&held.node, &Arc::downgrade(node)) {
        let other = Failure::argument(T::NAME, "one that this node made", "another node's");
        return Err(other.hint("pass it to the node that made it: it is not used up"));
    }
    use_it(&mut held.value.lock().unwrap_or_else(PoisonError::into_inner))
}

fn used_up<T: Handle>() -> Failure {
    let used = Failure::argument(T::NAME, "one that was not passed on before", "one that was used up");
    used.hint("send the same request again: it costs nothing")
}

/// The address that signs this node's receipts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_address(
    node: *const sealock_node,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(node)?.address().as_bytes());
    })
}

/// Admits, computes and releases. The same request again gives the result of the first time, and costs nothing. `watch` may
/// be NULL.
///
/// Fails with SEALOCK_ERROR_REJECTED, which says no more; the reason is in `sealock_node_refusals`. Other errors are the
/// node's own failures, and spend nothing: SEALOCK_ERROR_LOCKED while the same request is computed by another call. Send it
/// again when that one is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_run(
    node: *const sealock_node,
    request: *const sealock_request,
    watch: *const sealock_watch,
    result: *mut *mut sealock_result,
    receipt: *mut *mut sealock_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (result, receipt) = (c.out("result", result), c.out("receipt", receipt));
        let (result, receipt) = (result?, receipt?);
        let (owner, request) = (find(node)?, find(request)?);
        let mut teller = c.watch("watch", watch)?.teller();
        let (released, signed) = owner.node().run_with((*request).clone(), &mut teller)?;
        result.issue(released);
        receipt.issue(signed);
    })
}

/// Admits a job: checks the request, its program against the policy and its proof against the group, and spends the use.
///
/// Fails as `sealock_node_run`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_admit(
    node: *const sealock_node,
    request: *const sealock_request,
    out: *mut *mut sealock_grant,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (owner, request) = (find(node)?, find(request)?);
        out.issue(Held::new(&owner, owner.node().admit((*request).clone())?));
    })
}

/// As `sealock_node_admit`, for a request as it arrived. Bytes that are no request are rejected like any other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_admit_bytes(
    node: *const sealock_node,
    request: *const u8,
    request_length: usize,
    out: *mut *mut sealock_grant,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let request = c.bytes("request", request, request_length)?;
        let owner = find(node)?;
        out.issue(Held::new(&owner, owner.node().admit_bytes(request)?));
    })
}

/// Computes the answer, encrypted under the consumer's key. Uses the grant up, also when it fails; the same request is
/// granted again then.
///
/// Fails with SEALOCK_ERROR_LOCKED while the same job is computed elsewhere; with SEALOCK_ERROR_INVALID_ARGUMENT for a job over
/// sealed data, which executors compute, and for a grant of another node, which is not used up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_compute(
    node: *const sealock_node,
    grant: *mut sealock_grant,
    out: *mut *mut sealock_computed,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let owner = find(node)?;
        out.issue(Held::new(&owner, owner.node().compute(take(grant, &owner)?)?));
    })
}

/// Seals the answer to the consumer, signs a receipt, and records both before either is put out. Uses the computed job up,
/// unless it is another node's: SEALOCK_ERROR_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_release(
    node: *const sealock_node,
    computed: *mut sealock_computed,
    result: *mut *mut sealock_result,
    receipt: *mut *mut sealock_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (result, receipt) = (c.out("result", result), c.out("receipt", receipt));
        let (result, receipt) = (result?, receipt?);
        let owner = find(node)?;
        let (released, signed) = owner.node().release(take(computed, &owner)?)?;
        result.issue(released);
        receipt.issue(signed);
    })
}

/// Completes the jobs that were admitted before the node stopped, and puts out how many.
///
/// Fails with the first failure, after every job has been tried.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_resume(
    node: *const sealock_node,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(node)?.node().resume()?);
    })
}

/// What is on record about a job, by its name. Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_job(
    node: *const sealock_node,
    job: *const u8,
    job_length: usize,
    out: *mut sealock_job,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let job = JobId::from(Digest::from_bytes(c.array("job", job, job_length)?));
        if let Some(record) = find(node)?.node().job(job)? {
            let state = if record.receipt.is_some() { SEALOCK_JOB_COMPLETE } else { SEALOCK_JOB_ADMITTED };
            out.put(sealock_job {
                struct_size: size_of::<sealock_job>(),
                state,
                admitted_at: record.admitted_at,
                receipt: record.receipt.unwrap_or_default(),
                program: *record.program.as_bytes(),
                policy: *record.policy.as_bytes(),
                nullifier: record.nullifier,
            });
        }
    })
}

/// What an asset of this node has spent of its privacy budget. **For the owner alone.** Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_budget(
    node: *const sealock_node,
    asset: *const sealock_asset,
    out: *mut sealock_budget,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let budget = find(node)?.node().budget(&*find(asset)?)?;
        out.put(sealock_budget {
            struct_size: size_of::<sealock_budget>(),
            spent_micros: budget.spent_micros,
            has_limit: budget.limit.is_some().into(),
            limit_micros: budget.limit.map_or(0, |limit| limit.micros()),
        });
    })
}

/// Every receipt, in order: see `sealock_receipts_verify_chain`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_receipts(
    node: *const sealock_node,
    out: *mut *mut sealock_receipts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let receipts = find(node)?.node().receipts()?;
        out.issue(receipts.into_iter().map(Arc::new).collect::<Vec<_>>());
    })
}

/// The latest refusals with their reasons. **For the owner alone.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_refusals(
    node: *const sealock_node,
    out: *mut *mut sealock_refusals,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(node)?.node().refusals());
    })
}

/// Frees a node. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_free(node: *mut sealock_node) -> sealock_status {
    free(node)
}

/// Frees a grant. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_grant_free(grant: *mut sealock_grant) -> sealock_status {
    free(grant)
}

/// Frees a computed job. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_computed_free(computed: *mut sealock_computed) -> sealock_status {
    free(computed)
}

/// How many refusals the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_refusals_count(
    refusals: *const sealock_refusals,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(refusals)?.len());
    })
}

/// A refusal of the list, counted from 0: when (seconds since 1970-01-01 UTC), of which kind (the number of an error), the
/// asset that was named (not checked), and the reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_refusals_get(
    refusals: *const sealock_refusals,
    index: usize,
    at: *mut u64,
    code: *mut sealock_status,
    asset: *mut *mut sealock_buffer,
    reason: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let outs = (c.out("at", at), c.out("code", code), c.out("asset", asset), c.out("reason", reason));
        let (at, code, asset, reason) = (outs.0?, outs.1?, outs.2?, outs.3?);
        let refusal = element(&find(refusals)?, index)?;
        at.put(refusal.at);
        code.put(refusal.kind.code() as sealock_status);
        asset.issue(Buffer::from(refusal.asset));
        reason.issue(Buffer::from(refusal.reason));
    })
}

/// Frees a list of refusals. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_refusals_free(refusals: *mut sealock_refusals) -> sealock_status {
    free(refusals)
}
