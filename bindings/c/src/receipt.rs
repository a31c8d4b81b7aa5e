//! Receipts
//!
//! What an owner signs for every job, each chained to the one before.

use std::sync::Arc;

use sealock::receipt::{Executed, Receipt, Statement, verify_chain};

use crate::account::{SEALOCK_DIGEST_BYTES, SEALOCK_NULLIFIER_BYTES};
use crate::buffer::{Buffer, Texts, sealock_buffer, sealock_texts};
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{find, handles};

/// A signed statement about one job.
///
/// Made by: `sealock_node_run`, `sealock_node_release`, `sealock_releaser_release`, `sealock_remote_node_run`,
/// `sealock_remote_node_fetch`, `sealock_receipts_get`, `sealock_receipt_from_bytes`. Freed by: `sealock_receipt_free`. It never
/// changes; thread-safe.
pub struct sealock_receipt {
    _opaque: (),
}

/// A list of receipts.
///
/// Made by: `sealock_node_receipts`. Freed by: `sealock_receipts_free`. It never changes; thread-safe.
pub struct sealock_receipts {
    _opaque: (),
}

handles! { sealock_receipt => Receipt, sealock_receipts => Vec<Arc<Receipt>> }

/// What a receipt says. Its texts are `sealock_receipt_asset` and `sealock_receipt_device`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_statement {
    /// `sizeof(sealock_statement)`, filled in by the caller.
    pub struct_size: usize,
    /// Position in the node's chain, from 0.
    pub number: u64,
    /// When the result was released, in seconds since 1970-01-01 UTC.
    pub released_at: u64,
    /// Digest of the receipt before, or of the owner's address for the first.
    pub previous: [u8; SEALOCK_DIGEST_BYTES],
    /// The job.
    pub job: [u8; SEALOCK_DIGEST_BYTES],
    /// Digest of the program that ran.
    pub program: [u8; SEALOCK_DIGEST_BYTES],
    /// Digest of the policy that it ran under.
    pub policy: [u8; SEALOCK_DIGEST_BYTES],
    /// Digest of what was computed on.
    pub data: [u8; SEALOCK_DIGEST_BYTES],
    /// The use that paid for it.
    pub nullifier: [u8; SEALOCK_NULLIFIER_BYTES],
    /// Digest of the sealed result.
    pub result: [u8; SEALOCK_DIGEST_BYTES],
    /// Whether `epsilon_micros` says something.
    pub has_epsilon: i32,
    /// Privacy budget that the answer spent, in millionths, where the policy adds noise.
    pub epsilon_micros: u64,
}

impl Default for sealock_statement {
    fn default() -> Self {
        let none = [0; SEALOCK_DIGEST_BYTES];
        Self {
            struct_size: size_of::<Self>(),
            number: 0,
            released_at: 0,
            previous: none,
            job: none,
            program: none,
            policy: none,
            data: none,
            nullifier: none,
            result: none,
            has_epsilon: 0,
            epsilon_micros: 0,
        }
    }
}

impl From<&Statement> for sealock_statement {
    fn from(said: &Statement) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            number: said.number,
            released_at: said.released_at,
            previous: *said.previous.as_bytes(),
            job: *said.job.digest().as_bytes(),
            program: *said.program.as_bytes(),
            policy: *said.policy.as_bytes(),
            data: *said.data.as_bytes(),
            nullifier: said.nullifier,
            result: *said.result.as_bytes(),
            has_epsilon: said.epsilon_micros.is_some().into(),
            epsilon_micros: said.epsilon_micros.unwrap_or_default(),
        }
    }
}

/// How the results of executors were checked, of a job over sealed data. Who agreed is `sealock_receipt_executors`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_executed {
    /// `sizeof(sealock_executed)`, filled in by the caller.
    pub struct_size: usize,
    /// How many executors had to agree.
    pub quorum: u64,
    /// How many results the releaser was given.
    pub results: u64,
    /// How many canaries each of the results that agreed was compared with.
    pub canaries: u64,
}

impl Default for sealock_executed {
    fn default() -> Self {
        Self { struct_size: size_of::<Self>(), quorum: 0, results: 0, canaries: 0 }
    }
}

/// What the receipt says. **Call `sealock_receipt_verify` first.** Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_statement(
    receipt: *const sealock_receipt,
    out: *mut sealock_statement,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        out.put(sealock_statement::from(find(receipt)?.statement()));
    })
}

/// The identifier of the asset that it is about.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_asset(
    receipt: *const sealock_receipt,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(receipt)?.statement().asset.clone()));
    })
}

/// The device that computed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_device(
    receipt: *const sealock_receipt,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(receipt)?.statement().device.clone()));
    })
}

/// How the results of executors were checked, if the job was over sealed data: `present` is 1 then, and 0 otherwise. Set
/// `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_executed(
    receipt: *const sealock_receipt,
    present: *mut i32,
    out: *mut sealock_executed,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (present, out) = (c.out("present", present), c.sized_out("out", out));
        let (present, out) = (present?, out?);
        if let Some(Executed { quorum, results, canaries, .. }) = find(receipt)?.statement().executed {
            out.put(sealock_executed { struct_size: size_of::<sealock_executed>(), quorum, results, canaries });
            present.put(1);
        }
    })
}

/// The addresses of the executors that agreed, as texts; none if the job was not over sealed data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_executors(
    receipt: *const sealock_receipt,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let receipt = find(receipt)?;
        let executors = receipt.statement().executed.as_ref().map(|executed| &*executed.executors).unwrap_or_default();
        out.issue(Texts::from_iter(executors));
    })
}

/// Checks that `owner`, an address, signed it.
///
/// Fails with SEALOCK_ERROR_BAD_SIGNATURE otherwise.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_verify(
    receipt: *const sealock_receipt,
    owner: *const u8,
    owner_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let owner = c.address("owner", owner, owner_length)?;
        find(receipt)?.verify(owner)?;
    })
}

/// The digest that the next receipt names this one by.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_digest(
    receipt: *const sealock_receipt,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*find(receipt)?.digest()?.as_bytes());
    })
}

/// The receipt's canonical encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_to_bytes(
    receipt: *const sealock_receipt,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(receipt)?.to_bytes()?));
    })
}

/// Reads a receipt. Its signature is not checked: call `sealock_receipt_verify`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Receipt::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// Frees a receipt. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipt_free(receipt: *mut sealock_receipt) -> sealock_status {
    free(receipt)
}

/// How many receipts the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipts_count(
    receipts: *const sealock_receipts,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(receipts)?.len());
    })
}

/// A receipt of the list, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipts_get(
    receipts: *const sealock_receipts,
    index: usize,
    out: *mut *mut sealock_receipt,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(receipts)?, index)?);
    })
}

/// Checks `count` receipts as a whole chain of `owner`, an address: every signature, every number, every link, from the
/// first on. **It cannot see that the latest receipts are missing**, nor that the owner signed a second chain.
///
/// Fails with SEALOCK_ERROR_BAD_SIGNATURE for the first receipt that does not stand.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_verify_chain(
    owner: *const u8,
    owner_length: usize,
    receipts: *const *const sealock_receipt,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let owner = c.address("owner", owner, owner_length)?;
        let receipts = c.list("receipts", receipts, count)?.iter();
        let receipts: Vec<Arc<Receipt>> = receipts.map(|receipt| find(*receipt)).collect::<Result<_, _>>()?;
        verify_chain(owner, receipts.iter().map(|receipt| &**receipt))?;
    })
}

/// As `sealock_verify_chain`, of a list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipts_verify_chain(
    receipts: *const sealock_receipts,
    owner: *const u8,
    owner_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let owner = c.address("owner", owner, owner_length)?;
        verify_chain(owner, find(receipts)?.iter().map(|receipt| &**receipt))?;
    })
}

/// Frees a list of receipts. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_receipts_free(receipts: *mut sealock_receipts) -> sealock_status {
    free(receipts)
}
