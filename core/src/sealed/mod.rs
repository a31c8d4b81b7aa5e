//! Sealed data: programs over encrypted columns, run by executors that the owner does not trust.
//!
//! ```text
//! Owner::publish(offer.sealed(options))     encrypt columns in chunks, store, mint, describe
//! Order::request(query)                     as for every asset, without secret literals
//! Node::admit(request)     -> AccessGrant
//! Releaser::task(&grant)   -> Task          to executors
//! Executor::run(&task)     -> ExecutorResult
//! Releaser::release(grant, &results) -> (SealedResult, Receipt)
//! JobTicket::open(result)  -> Answer
//! ```
//!
//! | party | holds | learns |
//! |---|---|---|
//! | owner, with its releaser | the data's key | the program, exact results for each chunk, of packed ones for each row; never who asked |
//! | consumer | datatoken, result key | the released answer |
//! | executor | evaluation key, encrypted columns, the program in the clear | chunks, rows, public dimensions; no value and no result; not who asked |
//!
//! The engine is [`sealock_fhe::table`], whose page says how it computes and what its security rests on.
//!
//! # Two encryptions
//!
//! An asset may carry its rows [twice](SealedOptions::packed): in chunks of up to 512 for bootstraps, which compute any program, and
//! **packed**, in chunks of up to 8,192, without bootstraps and without an evaluation key, for filters of few digits. Each has an
//! order of its own and canaries of its own. Which one a job is computed on, the node decides: [`Task::packed`]. It is the packed one
//! if that can answer every pass, and within the length that results may have. What goes to executors, what they sign and what
//! is checked of it is the same for both.
//!
//! Of packed rows, an executor's result says for each row whether the filter lets it through, and what its values are then. The
//! releaser decrypts that, adds up rows by their public groups, and keeps the sums alone.
//!
//! # Why nothing leaves but what the policy lets
//!
//! **Small cells.** Rows in base cells that [suppression](crate::cube) withholds are not encrypted at all, nor are values of
//! measures that it withholds. Every filter on dimensions is a union of base cells, so that whatever is computed is
//! post-processing of the protected cube: the numbers are those that an asset with the same policy would answer sealed queries
//! with. Noise, where a policy draws it for each job, is drawn by the releaser for what was opened, by the same code.
//!
//! **The decryption oracle.** An executor can return any ciphertext: a row's value in place of a sum, or one made so that whether
//! it opens depends on the key. What comes back is opened only if all of this holds:
//!
//! - It is signed, by an executor that the owner has named, over the digest of the task, which commits to job, program, policy,
//!   data, manifest and node. A result of another job opens nothing.
//! - The job was admitted, and so paid for, and is not complete. A complete job has one result for good; a replay gets that.
//! - The executor has had no other result of this job opened, which the journal notes *before* anything is decrypted.
//! - No result of the executor was found wrong before. Who is to see how the releaser reacts to a crafted ciphertext
//!   pays with its place: one reaction for each executor and asset, until the owner forgives it.
//!
//! What fails fails as [`SealedError::NotReleased`], with no reason; [`Node::refusals`](crate::node::Node::refusals) has it. A
//! consumer that colludes with an executor still sees *that* nothing was released, and how long that took.
//!
//! **Wrong results.** Three checks, none of which is a proof of honest computation:
//!
//! - *Conformance*: results lie on the grid of results, and counts and sums are such as so many rows can have. It finds broken
//!   machines, not liars.
//! - *Canaries*: whole chunks of made-up rows, whose results the owner computes in the clear. Chunks are in random order, rows in
//!   random chunks, all of the same forms and (but for one row) the same length, and ring-LWE hides the rest, so that the
//!   executor's best choice of `t` chunks to lie about, of `r` real ones and `c` canaries, is one at random: it is found with
//!   probability `1 - C(r, t) / C(r + c, t)`, which is `c / (r + c)` for a single chunk and 1 for more than `r`. A lie that
//!   leaves a canary's numbers as they are (a filter that lets none of its rows through) is not seen by that one.
//! - *Quorum*: `k` executors return results that open to the same numbers, chunk by chunk. It finds out any lie of fewer than `k`
//!   that do not agree on it.
//!
//! What is left: `k` executors that collude, and lie about few chunks. And **public dimensions** with exact answers: who knows
//! how many rows there are in each public cell, from an answer, can look for the chunks that add up to it, and so for the
//! canaries. Rely on the quorum then. **An asset with public dimensions that is packed as well has no use of canaries among its other
//! chunks**: one packed chunk has the public cells of thousands of rows, often of all, and the canaries are the chunks that are too
//! many for them. So it is packed only if its owner says so. Without public dimensions the packed chunks tell the number of rows. The number of canaries is no secret; their places are in the envelope, under the
//! data's key.
//!
//! # Keys
//!
//! The key of the columns is derived from the dataset key, which the [key store](crate::keystore) keeps, on disk before anything
//! is encrypted; [`Owner::destroy_key`](crate::owner::Owner::destroy_key) destroys both. Recipients and buyers of the dataset key
//! can decrypt the columns as they can the table.

mod error;
mod executor;
#[cfg(feature = "server")]
mod handed_in;
mod layout;
mod lower;
mod manifest;
mod pass;
mod publish;
mod release;
mod task;

pub use error::SealedError;
pub use executor::Executor;
#[cfg(feature = "server")]
pub(crate) use handed_in::Assigned;
pub(crate) use layout::Layout;
pub use layout::{Columns, PublicColumn, StoredColumn, StoredForm};
pub use manifest::{
    ChunkLink, MAX_CHUNKS, MAX_SEALED_MANIFEST_BYTES, PACKED_PARAMETERS, PARAMETERS, Packed, SealedManifest,
    SealedManifestBody,
};
pub use pass::{
    Condition, MAX_BOOTSTRAPS, MAX_COLUMN_BYTES, MAX_COMBINATIONS, MAX_PACKED_RESULT_BYTES, MAX_PASSES,
    MAX_RING_ELEMENTS, Out, Pass, Points,
};
pub(crate) use publish::{CANARIES_OBJECT, Sealing};
pub use publish::{MAX_EXECUTORS, SealedOptions};
pub use release::Releaser;
pub(crate) use task::ReleasedNumbers;
pub use task::{ExecutorResult, MAX_EXECUTOR_RESULT_BYTES, MAX_PART_BYTES, MAX_TASK_BYTES, Part, Task};

use crate::exchange::Asset;
use crate::program::Plan;

/// Which columns of an asset are encrypted.
pub(crate) fn layout_of(asset: &Asset) -> Result<Layout, SealedError> {
    let encrypted = asset.description().sealed.encrypted.as_ref();
    let encrypted = encrypted.ok_or_else(|| SealedError::NotSealed { did: asset.did() })?;
    Layout::new(asset.schema(), asset.policy(), &encrypted.public)
}

/// Checks that executors can compute a plan over a sealed asset.
pub(crate) fn check(asset: &Asset, plan: &Plan) -> Result<(), SealedError> {
    lower::lower(asset.schema(), asset.policy(), &layout_of(asset)?, plan).map(drop)
}
