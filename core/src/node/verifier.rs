//! Verifies access proofs, those that wait at the same time together.
//!
//! A proof that comes while others are few is verified at once, by itself. Of those that come while every core verifies, one
//! [batch](verify_batch) is made. All proofs of a node are under its one key.
//!
//! A batch is right as a whole or not at all. Of one that is not, each proof is verified by the thread that brought it, so that
//! the wrong ones are refused and nobody else. Whoever sends wrong proofs could thus make all others cost their batch
//! and themselves; so for a while after one, nothing is verified together, and that is the most that sending them takes away.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sealock_zk::{Proof, Rejected, Statement, VerifyingKey, os_rng, verify, verify_batch};

use crate::together::Together;

/// How many proofs are verified together, at most. Twice as many would save another tenth, and all would wait for it.
const MAX_TOGETHER: usize = 32;
/// How many are verified alone after a batch with a wrong one in it: what that batch cost for nothing is little beside them.
const ALONE_AFTERWARDS: usize = 256;

/// Verifies proofs under one key: see the module.
pub(super) struct Verifier {
    key: VerifyingKey,
    together: Together<(Statement, Proof), Result<(), Rejected>>,
    /// How many are yet to be verified alone.
    alone: AtomicUsize,
}

impl Verifier {
    pub(super) fn new(key: VerifyingKey) -> Self {
        // What goes before a batch and comes after it takes longer, and the fewer there are, the larger.
        Self::with_lanes(key, std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)))
    }

    fn with_lanes(key: VerifyingKey, lanes: usize) -> Self {
        Self { key, together: Together::new(lanes), alone: AtomicUsize::new(0) }
    }

    /// As [`verify`](sealock_zk::verify), but for an error of probability 2^-128.
    ///
    /// # Errors
    /// [`Rejected`].
    pub(super) fn verify(&self, statement: Statement, proof: Proof) -> Result<(), Rejected> {
        if self.alone.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            return verify(&self.key, &statement, &proof);
        }
        let one = Arc::new((statement, proof));
        // Of those that wait since before.
        let most = || if self.alone.load(Ordering::Relaxed) > 0 { 1 } else { MAX_TOGETHER };
        let outcome = self.together.join(&one, most, |all| self.batch(all));
        outcome.unwrap_or_else(|| verify(&self.key, &one.0, &one.1))
    }

    /// What each is; nothing if any of several is wrong.
    fn batch(&self, proofs: &[Arc<(Statement, Proof)>]) -> Option<Vec<Result<(), Rejected>>> {
        if let [one] = proofs {
            return Some(vec![verify(&self.key, &one.0, &one.1)]);
        }
        let all: Vec<_> = proofs.iter().map(|one| (&one.0, &one.1)).collect();
        if verify_batch(&self.key, &all, &mut os_rng()).is_err() {
            self.alone.store(ALONE_AFTERWARDS, Ordering::Relaxed);
            return None;
        }
        Some(vec![Ok(()); proofs.len()])
    }
}

#[cfg(test)]
mod tests;
