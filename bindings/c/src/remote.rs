//! Nodes that are far away
//!
//! An exchange on somebody else's node, which is reached over HTTP: its blocks are fetched and checked against their CIDs, its
//! ledger is followed and recomputed here, and requests go to the node. Consumers do with it what they do with an exchange in
//! a folder; only `sealock_remote_node_run` takes the place of `sealock_node_run`.
//!
//! The node runs elsewhere, mostly by the command `sealock-node`: this library serves none. It learns from a request what any
//! node learns, and the network's own: which address asked when. An address that buys and asks links the two, whatever the
//! proof hides.
//!
//! A node that has too much to do says SEALOCK_ERROR_BUSY, and spends nothing.

use std::ffi::c_char;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealock::ledger::Ledger;
use sealock::protocol::{JobState, JobStatus};
use sealock::remote::{RemoteNode, RemoteOptions};
use sealock::{ErrorKind, Exchange};

use crate::account::SEALOCK_ADDRESS_BYTES;
use crate::buffer::{Buffer, Texts, sealock_buffer, sealock_texts};
use crate::call::{Caller, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::sealock_exchange;
use crate::handle::{find, handles};
use crate::job::{sealock_request, sealock_result};
use crate::ocean::sealock_ledger;
use crate::receipt::sealock_receipt;
use crate::watch::sealock_watch;

/// How to talk to a node. Fill it with zeros, then set what is wanted: what is 0 or NULL is as if it was not said.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_remote_options {
    /// `sizeof(sealock_remote_options)`.
    pub struct_size: usize,
    /// How long one exchange of messages may take, in milliseconds: 60,000 if not said. Progress and long results have as
    /// long as they go on.
    pub timeout: u64,
    /// For how long a job is asked for again while the node cannot be reached or is busy, in milliseconds: 120,000 if not
    /// said. A node that restarts in the meantime has lost nothing.
    pub patience: u64,
    /// A file of certificates (PEM) that are trusted: those of the web if not said.
    pub certificates_path: *const c_char,
}

/// A node that is far away.
///
/// Made by: `sealock_exchange_node`. Freed by: `sealock_remote_node_free`. Thread-safe: jobs run side by side.
pub struct sealock_remote_node {
    _opaque: (),
}

handles! { sealock_remote_node => RemoteNode }

/// What a node says of itself.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_node_info {
    /// `sizeof(sealock_node_info)`, filled in by the caller.
    pub struct_size: usize,
    /// The address that signs its receipts, as it says. What an asset's receipts must be signed by is what the ledger says.
    pub address: [u8; SEALOCK_ADDRESS_BYTES],
    /// The address of its ledger.
    pub ledger: [u8; SEALOCK_ADDRESS_BYTES],
    /// The chain id of its ledger.
    pub chain_id: u64,
    /// Whether it has the ledger, so that exchanges follow it there.
    pub serves_ledger: i32,
    /// The longest request, in bytes.
    pub max_request_bytes: u64,
    /// The longest result, in bytes.
    pub max_result_bytes: u64,
    /// For how long a result is kept that nobody discards, in seconds.
    pub result_retention: u64,
}

impl Default for sealock_node_info {
    fn default() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            address: [0; SEALOCK_ADDRESS_BYTES],
            ledger: [0; SEALOCK_ADDRESS_BYTES],
            chain_id: 0,
            serves_ledger: 0,
            max_request_bytes: 0,
            max_result_bytes: 0,
            result_retention: 0,
        }
    }
}

/// The job was admitted, and waits.
pub const SEALOCK_REMOTE_JOB_QUEUED: i32 = 0;
/// It is being computed.
pub const SEALOCK_REMOTE_JOB_RUNNING: i32 = 1;
/// Its result is there.
pub const SEALOCK_REMOTE_JOB_COMPLETE: i32 = 2;
/// It was given up. Its use is spent; the same request again takes it up.
pub const SEALOCK_REMOTE_JOB_CANCELLED: i32 = 3;
/// The node could not complete it, for a reason of its own. The same request again takes it up.
pub const SEALOCK_REMOTE_JOB_FAILED: i32 = 4;
/// It was complete, and its result is no longer kept.
pub const SEALOCK_REMOTE_JOB_EXPIRED: i32 = 5;

/// How far a job is.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_remote_job {
    /// `sizeof(sealock_remote_job)`, filled in by the caller.
    pub struct_size: usize,
    /// One of the SEALOCK_REMOTE_JOB_ constants.
    pub state: i32,
    /// How many jobs are before it while it waits, or SEALOCK_UNKNOWN.
    pub ahead: u64,
    /// Length of its result in bytes once it is complete, or SEALOCK_UNKNOWN.
    pub result_bytes: u64,
    /// Until when its result is kept once it is complete, in seconds since 1970-01-01 UTC, or SEALOCK_UNKNOWN.
    pub kept_until: u64,
}

impl Default for sealock_remote_job {
    fn default() -> Self {
        Self {
            struct_size: size_of::<Self>(),
            state: SEALOCK_REMOTE_JOB_QUEUED,
            ahead: 0,
            result_bytes: 0,
            kept_until: 0,
        }
    }
}

impl From<JobStatus> for sealock_remote_job {
    fn from(status: JobStatus) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            state: match status.state {
                JobState::Queued => SEALOCK_REMOTE_JOB_QUEUED,
                JobState::Running => SEALOCK_REMOTE_JOB_RUNNING,
                JobState::Complete => SEALOCK_REMOTE_JOB_COMPLETE,
                JobState::Cancelled => SEALOCK_REMOTE_JOB_CANCELLED,
                JobState::Failed => SEALOCK_REMOTE_JOB_FAILED,
                JobState::Expired => SEALOCK_REMOTE_JOB_EXPIRED,
            },
            ahead: status.ahead.unwrap_or(u64::MAX),
            result_bytes: status.result_bytes.unwrap_or(u64::MAX),
            kept_until: status.kept_until.unwrap_or(u64::MAX),
        }
    }
}

impl Caller {
    fn remote_options(&self, name: &str, options: *const sealock_remote_options) -> Result<RemoteOptions, Failure> {
        let mut all = RemoteOptions::default();
        if options.is_null() {
            return Ok(all);
        }
        let given = self.sized(name, options)?;
        for (set, milliseconds) in [(&mut all.timeout, given.timeout), (&mut all.patience, given.patience)] {
            if milliseconds != 0 {
                *set = Duration::from_millis(milliseconds);
            }
        }
        if !given.certificates_path.is_null() {
            all.certificates = Some(self.text("options->certificates_path", given.certificates_path)?.into());
        }
        Ok(all)
    }

    /// A folder; none if NULL.
    fn folder(&self, name: &str, folder: *const c_char) -> Result<Option<&Path>, Failure> {
        if folder.is_null() { Ok(None) } else { Ok(Some(Path::new(self.text(name, folder)?))) }
    }
}

/// An exchange on the node at `url`, for instance `http://127.0.0.1:8030`. What a consumer keeps, a replica of the node's
/// ledger and the blocks that were read are in `folder`, which is made if there is none. If `folder` is NULL nothing is kept:
/// **the keys that open results are gone with the exchange.** `options` may be NULL.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no node's address, for a file of certificates that has none, and for
/// a node that does not serve its ledger: see `sealock_exchange_connect_on`; with SEALOCK_ERROR_UNREACHABLE or
/// SEALOCK_ERROR_TIMEOUT if no node answers; with SEALOCK_ERROR_CORRUPT_STATE if its ledger is not the one that was followed in
/// this folder before; with SEALOCK_ERROR_LOCKED while another process has the folder open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_connect(
    url: *const c_char,
    folder: *const c_char,
    options: *const sealock_remote_options,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (url, folder) = (c.text("url", url)?, c.folder("folder", folder)?);
        out.issue(Exchange::connect_with(url, folder, None, &c.remote_options("options", options)?)?);
    })
}

/// As `sealock_exchange_connect`, on a ledger that is reached otherwise: for a node on Ocean's contracts. The ledger's handle
/// stays the caller's.
///
/// Fails as `sealock_exchange_connect`; with SEALOCK_ERROR_INVALID_ARGUMENT if the ledger is not the node's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_connect_on(
    url: *const c_char,
    folder: *const c_char,
    ledger: *const sealock_ledger,
    options: *const sealock_remote_options,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (url, folder) = (c.text("url", url)?, c.folder("folder", folder)?);
        let (ledger, options) = (find(ledger)? as Arc<dyn Ledger>, c.remote_options("options", options)?);
        out.issue(Exchange::connect_with(url, folder, Some(ledger), &options)?);
    })
}

/// The node that an exchange of `sealock_exchange_connect` is on.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND for any other exchange.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_node(
    exchange: *const sealock_exchange,
    out: *mut *mut sealock_remote_node,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let exchange = find(exchange)?;
        let none = || {
            let what = "the exchange is on no node that is far away";
            Failure::with_hint(ErrorKind::NotFound, what, "run requests at the owner's node: sealock_owner_node")
        };
        out.issue(exchange.node().ok_or_else(none)?.clone());
    })
}

/// The node's address, as it was connected to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_url(
    node: *const sealock_remote_node,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(node)?.url().to_owned()));
    })
}

/// The version of Sealock that the node runs, as it said when it was connected to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_version(
    node: *const sealock_remote_node,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(node)?.info().version.clone()));
    })
}

/// What the node said of itself when it was connected to. Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_info(
    node: *const sealock_remote_node,
    out: *mut sealock_node_info,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let node = find(node)?;
        let info = node.info();
        out.put(sealock_node_info {
            struct_size: size_of::<sealock_node_info>(),
            address: *info.address.as_bytes(),
            ledger: *info.ledger.as_bytes(),
            chain_id: info.chain_id,
            serves_ledger: info.serves_ledger.into(),
            max_request_bytes: info.max_request_bytes,
            max_result_bytes: info.max_result_bytes,
            result_retention: info.result_retention_secs,
        });
    })
}

/// The identifiers of the assets that the node says it serves. What an asset is, the ledger says: `sealock_exchange_assets`.
///
/// Fails with SEALOCK_ERROR_UNREACHABLE or SEALOCK_ERROR_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_assets(
    node: *const sealock_remote_node,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let node = find(node)?;
        let (mut served, mut from) = (Vec::new(), Some(0));
        while let Some(at) = from {
            let page = node.assets(at)?;
            served.extend(page.assets.into_iter().map(|asset| asset.did));
            // A page that does not lead on is the last.
            from = page.next.filter(|next| *next > at);
        }
        out.issue(Texts::from_iter(served));
    })
}

/// Sends a request and waits for its result: `sealock_node_run`, from afar. The same request again gives the result of the
/// first time, and costs nothing. While the node cannot be reached or is busy it is asked again, for as long as
/// `sealock_remote_options.patience` says; one that has restarted in the meantime goes on where it was. `watch` may be NULL.
///
/// A call that is cancelled has given the wait up, not the job: the same request again finds it, and
/// `sealock_remote_node_cancel` gives it up.
///
/// Fails with SEALOCK_ERROR_REJECTED, which says no more; with SEALOCK_ERROR_BUSY, SEALOCK_ERROR_UNREACHABLE or
/// SEALOCK_ERROR_TIMEOUT after its patience; with SEALOCK_ERROR_NOT_FOUND for a job whose result is no longer kept; with
/// SEALOCK_ERROR_INTERNAL for one that the node has given up on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_run(
    node: *const sealock_remote_node,
    request: *const sealock_request,
    watch: *const sealock_watch,
    result: *mut *mut sealock_result,
    receipt: *mut *mut sealock_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (result, receipt) = (c.out("result", result), c.out("receipt", receipt));
        let (result, receipt) = (result?, receipt?);
        let (node, request) = (find(node)?, find(request)?);
        let mut teller = c.watch("watch", watch)?.teller();
        let (released, signed) = node.run_with((*request).clone(), &mut teller)?;
        result.issue(released);
        receipt.issue(signed);
    })
}

/// Sends a request and does not wait. It is on record at the node when this returns; sending it again is asking once. Set
/// `out->struct_size` before.
///
/// Fails with SEALOCK_ERROR_REJECTED; with SEALOCK_ERROR_BUSY; with SEALOCK_ERROR_UNREACHABLE or SEALOCK_ERROR_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_submit(
    node: *const sealock_remote_node,
    request: *const sealock_request,
    out: *mut sealock_remote_job,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let (node, request) = (find(node)?, find(request)?);
        out.put(node.submit(&request)?.into());
    })
}

/// How far a job is. Set `out->struct_size` before.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND for one that the node does not know, or that somebody else asked for; with
/// SEALOCK_ERROR_UNREACHABLE or SEALOCK_ERROR_TIMEOUT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_status(
    node: *const sealock_remote_node,
    request: *const sealock_request,
    out: *mut sealock_remote_job,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let (node, request) = (find(node)?, find(request)?);
        out.put(node.status(&request)?.into());
    })
}

/// Gives a job up that is not complete. Its use stays spent: the same request again takes it up. Set `out->struct_size`
/// before.
///
/// Fails as `sealock_remote_node_status`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_cancel(
    node: *const sealock_remote_node,
    request: *const sealock_request,
    out: *mut sealock_remote_job,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let (node, request) = (find(node)?, find(request)?);
        out.put(node.cancel(&request)?.into());
    })
}

/// The result and the receipt of a job that is complete, without sending its request again.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND for a job that is not complete, or whose result is no longer kept; otherwise as
/// `sealock_remote_node_status`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_fetch(
    node: *const sealock_remote_node,
    request: *const sealock_request,
    result: *mut *mut sealock_result,
    receipt: *mut *mut sealock_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (result, receipt) = (c.out("result", result), c.out("receipt", receipt));
        let (result, receipt) = (result?, receipt?);
        let (node, request) = (find(node)?, find(request)?);
        let (released, signed) = node.fetch(&request)?;
        result.issue(released);
        receipt.issue(signed);
    })
}

/// Tells the node that it need not keep the result of a job any longer.
///
/// Fails as `sealock_remote_node_status`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_discard(
    node: *const sealock_remote_node,
    request: *const sealock_request,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        let (node, request) = (find(node)?, find(request)?);
        node.discard(&request)?;
    })
}

/// Frees the handle of a node. NULL is fine. Its exchange goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_remote_node_free(node: *mut sealock_remote_node) -> sealock_status {
    free(node)
}
