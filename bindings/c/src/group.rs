//! Access proofs: groups
//!
//! The orders of an asset, or the members of a group of Semaphore's: a Merkle tree that grows at its end, equal to zk-kit's
//! LeanIMT over Poseidon. Anonymity is within the group: one or two leaves hide nobody.

use std::sync::{PoisonError, RwLock};

use sealock::zk::{LeanImt, MAX_DEPTH, MerkleProof};

use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::scalar::concat;

/// The deepest group of access proofs: 2^24 leaves.
pub const SEALOCK_MAX_DEPTH: usize = 24;

const _: () = assert!(SEALOCK_MAX_DEPTH == MAX_DEPTH);

/// A group.
///
/// Made by: `sealock_group_new`, `sealock_group_with_max_depth`. Freed by: `sealock_group_free`. Thread-safe.
pub struct sealock_group {
    _opaque: (),
}

/// A path from a leaf to the root. **It tells which leaf is meant: keep it private.**
///
/// Made by: `sealock_group_proof`, `sealock_merkle_proof_new`. Freed by: `sealock_merkle_proof_free`. It never changes;
/// thread-safe.
pub struct sealock_merkle_proof {
    _opaque: (),
}

handles! { sealock_group => RwLock<LeanImt>, sealock_merkle_proof => MerkleProof }

fn reading<T>(group: *const sealock_group, read: impl FnOnce(&LeanImt) -> Result<T, Failure>) -> Result<T, Failure> {
    read(&find(group)?.read().unwrap_or_else(PoisonError::into_inner))
}

fn changing<T>(
    group: *mut sealock_group,
    change: impl FnOnce(&mut LeanImt) -> Result<T, Failure>,
) -> Result<T, Failure> {
    change(&mut find(group.cast_const())?.write().unwrap_or_else(PoisonError::into_inner))
}

/// An empty group with room for 2^SEALOCK_MAX_DEPTH leaves. **Keep a group to its key's depth, with
/// `sealock_group_with_max_depth`**: in one that has outgrown its key, only members with short paths can still prove, and a
/// proof says that it is one of these.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_new(
    out: *mut *mut sealock_group,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(RwLock::new(LeanImt::new()));
    })
}

/// An empty group with room for 2^`max_depth` leaves: it never outgrows keys of that depth.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT unless `max_depth` is from 1 to SEALOCK_MAX_DEPTH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_with_max_depth(
    max_depth: usize,
    out: *mut *mut sealock_group,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(RwLock::new(LeanImt::with_max_depth(max_depth)?));
    })
}

/// Appends a leaf, and puts out its index. **Insert only what `sealock_credential_leaf` made of terms that you have
/// checked**, or commitments of Semaphore's: a number of somebody's choice can be a leaf of terms of their choice.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for zero and for a leaf that is there; with SEALOCK_ERROR_TOO_LARGE if the group
/// is full.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_insert(
    group: *mut sealock_group,
    leaf: *const u8,
    leaf_length: usize,
    index: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let index = c.out("index", index)?;
        let leaf = c.scalar("leaf", leaf, leaf_length)?;
        index.put(changing(group, |group| Ok(group.insert(leaf)?))?);
    })
}

/// Appends leaves, SEALOCK_SCALAR_BYTES bytes each, in order, all or none. It takes about a hash per leaf, on all cores.
///
/// Fails as `sealock_group_insert`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_insert_many(
    group: *mut sealock_group,
    leaves: *const u8,
    leaves_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let leaves = c.scalars("leaves", leaves, leaves_length)?;
        changing(group, |group| Ok(group.insert_many(&leaves)?))?;
    })
}

/// As `sealock_group_insert_many`, of what `sealock_group_leaves` gave: zero marks the place of a removed leaf.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_restore(
    group: *mut sealock_group,
    leaves: *const u8,
    leaves_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let leaves = c.scalars("leaves", leaves, leaves_length)?;
        changing(group, |group| Ok(group.restore(&leaves)?))?;
    })
}

/// Removes the leaf at `index`: its place stays, as zero, and nothing can be proved about it. Other leaves keep their places.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_remove(
    group: *mut sealock_group,
    index: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        changing(group, |group| Ok(group.remove(index)?))?;
    })
}

/// The root; `present` is 0 for a group that never had a leaf.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_root(
    group: *const sealock_group,
    out: *mut u8,
    out_length: usize,
    present: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (out, present) = (c.scalar_out("out", out, out_length), c.out("present", present));
        let (out, present) = (out?, present?);
        if let Some(root) = reading(group, |group| Ok(group.root()))? {
            out.put(root.to_bytes());
            present.put(1);
        }
    })
}

/// How many leaves there are, with the places of removed ones.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_count(
    group: *const sealock_group,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(reading(group, |group| Ok(group.len()))?);
    })
}

/// How many levels there are above the leaves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_depth(
    group: *const sealock_group,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(reading(group, |group| Ok(group.depth()))?);
    })
}

/// The leaves in order, SEALOCK_SCALAR_BYTES bytes each, zero for a removed one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_leaves(
    group: *const sealock_group,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(reading(group, |group| Ok(concat(group.leaves())))?));
    })
}

/// Where a leaf is; `present` is 0 if it is not there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_index_of(
    group: *const sealock_group,
    leaf: *const u8,
    leaf_length: usize,
    index: *mut usize,
    present: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (index, present) = (c.out("index", index), c.out("present", present));
        let (index, present) = (index?, present?);
        let leaf = c.scalar("leaf", leaf, leaf_length)?;
        if let Some(found) = reading(group, |group| Ok(group.index_of(leaf)))? {
            index.put(found);
            present.put(1);
        }
    })
}

/// The path from the leaf at `index` to the root. **Make it from a group that you built yourself**: whoever is asked for the
/// path of one leaf learns which one it is.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if there is no leaf, or it was removed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_proof(
    group: *const sealock_group,
    index: usize,
    out: *mut *mut sealock_merkle_proof,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(reading(group, |group| Ok(group.proof(index)?))?);
    })
}

/// Frees a group. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_group_free(group: *mut sealock_group) -> sealock_status {
    free(group)
}

/// A path of somebody else's group, by its parts: the leaf; the sides, where bit i of `index` says on which side the path is
/// at sibling i, 0 for left and 1 for right; and the siblings from the leaf upwards, SEALOCK_SCALAR_BYTES bytes each. So
/// zk-kit's `LeanIMTMerkleProof` has them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_merkle_proof_new(
    leaf: *const u8,
    leaf_length: usize,
    index: u64,
    siblings: *const u8,
    siblings_length: usize,
    out: *mut *mut sealock_merkle_proof,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let leaf = c.scalar("leaf", leaf, leaf_length)?;
        out.issue(MerkleProof { leaf, index, siblings: c.scalars("siblings", siblings, siblings_length)? });
    })
}

/// The leaf that the path begins at.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_merkle_proof_leaf(
    merkle_proof: *const sealock_merkle_proof,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        out.put(find(merkle_proof)?.leaf.to_bytes());
    })
}

/// The sides of the path: see `sealock_merkle_proof_new`. Levels without a sibling have no bit, so it is the leaf's index only
/// if every level has one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_merkle_proof_index(
    merkle_proof: *const sealock_merkle_proof,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(merkle_proof)?.index);
    })
}

/// The siblings from the leaf upwards, SEALOCK_SCALAR_BYTES bytes each.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_merkle_proof_siblings(
    merkle_proof: *const sealock_merkle_proof,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(concat(&find(merkle_proof)?.siblings)));
    })
}

/// The root that the path leads to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_merkle_proof_root(
    merkle_proof: *const sealock_merkle_proof,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        out.put(find(merkle_proof)?.root().to_bytes());
    })
}

/// Frees a path. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_merkle_proof_free(merkle_proof: *mut sealock_merkle_proof) -> sealock_status {
    free(merkle_proof)
}
