//! Semaphore v4: identities, groups and proofs that `@semaphore-protocol/*` 4.14 accepts, and whose proofs are accepted
//! here. Feature `semaphore`.
//!
//! A member of a group says a message in a scope, once: the nullifier is Poseidon(scope, secret). There are no limits,
//! no expiry and no assets in this statement; where those matter, use the [access proof](crate::prove()). What
//! Semaphore has instead is a [ceremony](https://docs.semaphore.pse.dev/) of hundreds of participants, which makes its
//! keys sound for any verifier, contracts included, and not for their maker alone.
//!
//! A group is a [`LeanImt`](crate::LeanImt) of [commitments](Identity::commitment), or a
//! [`MerkleProof`](crate::MerkleProof) that somebody else's group gave. The keys of the ceremony are files: take
//! `semaphore-<depth>.zkey` from `@zk-kit/semaphore-artifacts` 4.13, and pin its digest.
//!
//! ```no_run
//! use sealock_zk::{LeanImt, os_rng, semaphore::{Identity, ProvingKey, Signal, prove, verify}};
//!
//! let mut rng = os_rng();
//! let key = ProvingKey::from_zkey(&std::fs::read("semaphore-10.zkey")?)?;
//! let identity = Identity::generate(&mut rng);
//! let mut group = LeanImt::with_max_depth(key.depth())?;
//! group.insert_many(&[1, 2, 3].map(Into::into))?;
//! let place = group.insert(identity.commitment())?;
//!
//! let (message, scope) = (Signal::text("yes")?, Signal::text("the ballot")?);
//! let proof = prove(&key, &identity, &group.proof(place)?, message, scope, &mut rng)?;
//! // The verifier has checked that the root is its group's, and that the nullifier is new in this scope.
//! verify(key.verifying_key(), &proof)?;
//! println!("{}", proof.to_json());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod curve;
mod identity;
mod json;
mod keys;
mod proof;
mod qap;
mod signal;
mod witness;
mod zkey;

pub use identity::Identity;
pub use json::JsonError;
pub use keys::{MAX_DEPTH, ProvingKey, VerifyingKey};
pub use proof::{Proof, prove, verify};
pub use signal::{Signal, SignalError};
pub use zkey::ZkeyError;

#[cfg(test)]
mod tests;
