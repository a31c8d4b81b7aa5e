//! Releasers of sealed data
//!
//! The owner's side of `sealock_executor`: makes tasks of admitted jobs, opens what executors return, compares it with the
//! canaries and with each other, and releases what the policy lets out.
//!
//! Addresses of executors are passed one after the other, SEALOCK_ADDRESS_BYTES each, with the length of them all in bytes.

use std::sync::Arc;

use sealock::job::JobId;
use sealock::owner::Owner;
use sealock::sealed::{ExecutorResult, Releaser};
use sealock::{Address, Digest};

use crate::account::SEALOCK_ADDRESS_BYTES;
use crate::asset::sealock_asset;
use crate::buffer::{Texts, sealock_texts};
use crate::call::{Caller, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::job::sealock_result;
use crate::node::{Held, sealock_grant, sealock_node, show, take};
use crate::receipt::sealock_receipt;
use crate::task::{sealock_executor_result, sealock_task};

/// Opens and releases the results of some executors that the owner knows.
///
/// Made by: `sealock_node_releaser`. Freed by: `sealock_releaser_free`. Several may be of one node, which knows what each of them
/// opened. Thread-safe.
pub struct sealock_releaser {
    _opaque: (),
}

handles! { sealock_releaser => Known }

/// A node, and the executors whose results are taken.
pub(crate) struct Known {
    owner: Arc<Owner>,
    executors: Vec<Address>,
}

impl Known {
    fn releaser(&self) -> Releaser<'_> {
        Releaser::new(self.owner.node(), self.executors.iter().copied())
    }
}

impl Caller {
    /// A list of addresses.
    fn addresses(&self, name: &str, bytes: *const u8, length: usize) -> Result<Vec<Address>, Failure> {
        let (addresses, rest) = self.bytes(name, bytes, length)?.as_chunks::<SEALOCK_ADDRESS_BYTES>();
        if rest.is_empty() {
            return Ok(addresses.iter().copied().map(Address::from_bytes).collect());
        }
        let expected = format!("a multiple of {SEALOCK_ADDRESS_BYTES}");
        Err(Failure::argument(&format!("{name}_length"), &expected, &length.to_string()))
    }
}

/// A releaser on a node, which takes the results of these executors and of nobody else. **Whoever could sign under as many
/// addresses as they like would be a quorum alone**: name executors that you know. It keeps the node open until it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_node_releaser(
    node: *const sealock_node,
    executors: *const u8,
    executors_length: usize,
    out: *mut *mut sealock_releaser,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let executors = c.addresses("executors", executors, executors_length)?;
        out.issue(Known { owner: find(node)?, executors });
    })
}

/// The grant of a job, by its name, that was admitted before and is not complete: after a restart, or a release that failed.
/// `*out` is NULL if there is no such job.
///
/// Fails with SEALOCK_ERROR_REJECTED for one that can no longer be answered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_releaser_grant(
    releaser: *const sealock_releaser,
    job: *const u8,
    job_length: usize,
    out: *mut *mut sealock_grant,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let job = JobId::from(Digest::from_bytes(c.array("job", job, job_length)?));
        let known = find(releaser)?;
        if let Some(grant) = known.releaser().grant(job)? {
            out.issue(Held::new(&known.owner, grant));
        }
    })
}

/// The task of an admitted job, for executors; the same each time. It does not use the grant up.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a job of an asset that is not sealed, and for a grant of another node.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_releaser_task(
    releaser: *const sealock_releaser,
    grant: *const sealock_grant,
    out: *mut *mut sealock_task,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let known = find(releaser)?;
        out.issue(show(grant, &known.owner, |grant| Ok(known.releaser().task(grant)?))?);
    })
}

/// Opens the results, compares them with the canaries and with each other, protects what they open to as the policy says, seals
/// it to the consumer, signs a receipt, and records both before either is put out. Uses the grant up, also when it fails:
/// `sealock_releaser_grant` gives it again. A job that is complete keeps the result that it has.
///
/// Each executor has one result of a job opened. One whose result is wrong has no other opened of this asset, until
/// `sealock_releaser_forgive`.
///
/// Fails with SEALOCK_ERROR_REJECTED, which says no more, if too few results stand: the reasons are in
/// `sealock_node_refusals`. **Do not let executors know them.** Other errors are the node's own failures:
/// SEALOCK_ERROR_LOCKED while the same job is released by another call; SEALOCK_ERROR_INVALID_ARGUMENT for a grant of another
/// node, which is not used up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_releaser_release(
    releaser: *const sealock_releaser,
    grant: *mut sealock_grant,
    results: *const *const sealock_executor_result,
    count: usize,
    result: *mut *mut sealock_result,
    receipt: *mut *mut sealock_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (result, receipt) = (c.out("result", result), c.out("receipt", receipt));
        let (result, receipt) = (result?, receipt?);
        let known = find(releaser)?;
        let results = c.list("results", results, count)?.iter();
        let results =
            results.map(|result| Ok((*find(*result)?).clone())).collect::<Result<Vec<ExecutorResult>, Failure>>()?;
        let (released, signed) = known.releaser().release(take(grant, &known.owner)?, &results)?;
        result.issue(released);
        receipt.issue(signed);
    })
}

/// The addresses of the executors whose results of an asset were wrong, as texts. No other result of them is opened.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_releaser_struck(
    releaser: *const sealock_releaser,
    asset: *const sealock_asset,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (known, asset) = (find(releaser)?, find(asset)?);
        out.issue(Texts::from_iter(known.releaser().struck(&asset)?));
    })
}

/// Opens results of an executor, an address, again that was wrong before: of broken memory, say, and not of malice. One that was
/// not wrong stays as it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_releaser_forgive(
    releaser: *const sealock_releaser,
    asset: *const sealock_asset,
    executor: *const u8,
    executor_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let executor = c.address("executor", executor, executor_length)?;
        let (known, asset) = (find(releaser)?, find(asset)?);
        known.releaser().forgive(&asset, executor)?;
    })
}

/// Frees a releaser. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_releaser_free(releaser: *mut sealock_releaser) -> sealock_status {
    free(releaser)
}
