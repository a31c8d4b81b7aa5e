//! Executors of sealed data
//!
//! An owner who publishes with `sealock_offer_seal` has executors compute on encrypted columns. They hold no key of the data,
//! see no value and no result, and are not trusted to compute rightly:
//!
//! ```text
//! request --sealock_node_admit--> grant --sealock_releaser_task--> task       the owner
//! task --sealock_executor_run--> result                                       each executor
//! grant, results --sealock_releaser_release--> result, receipt                the owner
//! result, receipt --sealock_ticket_open--> answer                             the consumer
//! ```
//!
//! They do read the program, and which rows are in which chunk and public cell: `docs/sealed-data.md`.

use std::ffi::c_char;
use std::sync::Arc;

use sealock::Exchange;
use sealock::sealed::Executor;

use crate::account::{copy_of, sealock_account};
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::exchange::sealock_exchange;
use crate::handle::{find, handles};
use crate::ipfs::sealock_ipfs;
use crate::kubo::sealock_kubo;
use crate::remote::sealock_remote_node;
use crate::task::{sealock_executor_result, sealock_part, sealock_parts, sealock_task};
use crate::watch::sealock_watch;

/// Computes tasks over encrypted columns. It has a store, and an account to sign with.
///
/// The evaluation key of the last asset stays in memory, expanded, which takes 240 MB.
///
/// Made by: `sealock_exchange_executor`, `sealock_executor_local`, `sealock_executor_with_ipfs`, `sealock_executor_with_kubo`.
/// Freed by: `sealock_executor_free`. Thread-safe: tasks and parts run side by side.
pub struct sealock_executor {
    _opaque: (),
}

handles! { sealock_executor => Executor }

/// An executor over the store of an exchange, from which it reads columns and into which it puts results. The account stays
/// the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_executor(
    exchange: *const sealock_exchange,
    account: *const sealock_account,
    out: *mut *mut sealock_executor,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (exchange, account) = (find(exchange)?, copy_of(account)?);
        out.issue(Executor::on(&exchange, account));
    })
}

/// An executor over the store in the folder of `sealock_exchange_local`. Unlike the exchange, many processes may have executors
/// there at a time, beside the one that has the exchange open.
///
/// Fails with SEALOCK_ERROR_IO; with SEALOCK_ERROR_INVALID_ARGUMENT for an empty path.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_local(
    path: *const c_char,
    account: *const sealock_account,
    out: *mut *mut sealock_executor,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, account) = (c.text("path", path)?, copy_of(account)?);
        out.issue(Executor::new(Exchange::local_store(path)?, account));
    })
}

/// An executor over an IPFS node, which fetches columns from the network and serves results to it. The node's handle stays the
/// caller's; the node runs as long as one of both uses it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_with_ipfs(
    node: *const sealock_ipfs,
    account: *const sealock_account,
    out: *mut *mut sealock_executor,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (node, account) = (find(node)?, copy_of(account)?);
        out.issue(Executor::new(node, account));
    })
}

/// An executor over an IPFS daemon. The daemon's handle stays the caller's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_with_kubo(
    daemon: *const sealock_kubo,
    account: *const sealock_account,
    out: *mut *mut sealock_executor,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (daemon, account) = (find(daemon)?, copy_of(account)?);
        out.issue(Executor::new(daemon, account));
    })
}

/// The address that signs its results, which owners know it by: see `sealock_node_releaser`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_address(
    executor: *const sealock_executor,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(executor)?.address().as_bytes());
    })
}

/// The device that it computes on, as results and receipts name it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_device(
    executor: *const sealock_executor,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(executor)?.device().to_owned()));
    })
}

/// Computes a task, part after part, and signs the result. `watch` may be NULL; the work is cancelled between two parts.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if the store lacks a block, with SEALOCK_ERROR_MALFORMED for blocks that are not what
/// the task says; with SEALOCK_ERROR_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_run(
    executor: *const sealock_executor,
    task: *const sealock_task,
    watch: *const sealock_watch,
    out: *mut *mut sealock_executor_result,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (executor, task) = (find(executor)?, find(task)?);
        let mut teller = c.watch("watch", watch)?.teller();
        out.issue(executor.run_with(&task, &mut teller)?);
    })
}

/// The parts of a task, one for each chunk, for running them side by side or elsewhere: any executor that reaches the store runs
/// any part, and a part that was lost is run again. `sealock_executor_join` puts them together.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if the store lacks the task's manifest; with SEALOCK_ERROR_BAD_SIGNATURE for one that is
/// not signed by the node whose task it is.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_parts(
    executor: *const sealock_executor,
    task: *const sealock_task,
    out: *mut *mut sealock_parts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (executor, task) = (find(executor)?, find(task)?);
        out.issue(executor.parts(&task)?.into_iter().map(Arc::new).collect::<Vec<_>>());
    })
}

/// Computes one part, and puts out the CID of its encrypted result, which is in the store. It signs nothing. It cannot be
/// cancelled: smaller chunks are shorter work.
///
/// Fails as `sealock_executor_run`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_run_part(
    executor: *const sealock_executor,
    part: *const sealock_part,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (executor, part) = (find(executor)?, find(part)?);
        out.issue(Buffer::from(executor.run_part(&part)?.to_string()));
    })
}

/// Signs `count` CIDs of `sealock_executor_run_part` as the result of a task: one for each part, in the order of
/// `sealock_executor_parts`. **It answers for what others computed**: if one was wrong, this executor is struck. Nothing is read.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no CID, with SEALOCK_ERROR_MALFORMED for more than 8,000 of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_join(
    executor: *const sealock_executor,
    task: *const sealock_task,
    cids: *const *const c_char,
    count: usize,
    out: *mut *mut sealock_executor_result,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (executor, task) = (find(executor)?, find(task)?);
        out.issue(executor.join(&task, &c.cids("cids", cids, count)?)?);
    })
}

/// Computes every task that waits for this executor at a node far away, hands the results in, and puts out how many. Call it again
/// and again. The executor is one over an exchange that is connected to the node, or over any other store that has the asset's
/// blocks. A node that cannot be reached or is busy is waited for, as `sealock_remote_node_run` does. `watch` may be NULL; the work
/// is cancelled between two parts.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if the node's owner has not named the executor: `executors` of its settings; as
/// `sealock_executor_run`, once the other tasks are computed; with SEALOCK_ERROR_CANCELLED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_work_for(
    executor: *const sealock_executor,
    node: *const sealock_remote_node,
    watch: *const sealock_watch,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (executor, node) = (find(executor)?, find(node)?);
        let mut teller = c.watch("watch", watch)?.teller();
        out.put(executor.work_for_with(&node, &mut teller)?);
    })
}

/// Removes the pins of a task's results from the executor's store, once it is released or nobody waits for it. The next collection of
/// garbage removes their blocks. Equal parts of two tasks have one result: forget it when both are done. Twice is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_forget(
    executor: *const sealock_executor,
    result: *const sealock_executor_result,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        let (executor, result) = (find(executor)?, find(result)?);
        executor.forget(&result)?;
    })
}

/// Frees an executor. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_executor_free(executor: *mut sealock_executor) -> sealock_status {
    free(executor)
}
