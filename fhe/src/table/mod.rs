//! Sealed data: programs over columns that the executor cannot read.
//!
//! The owner encrypts columns ([`TableKey::encrypt`]) and hands them, with an [`EvaluationKey`], to executors that it does
//! not trust. An executor runs a [`Plan`] over them ([`Evaluator::evaluate`]): filters with clear literals, linear
//! models and decision trees among them, counts, sums,
//! sums of squares, counts per category, minimum and maximum, for each group that is known in the clear. The owner opens
//! what comes back ([`TableKey::open`]), exactly.
//!
//! ```no_run
//! use sealock_fhe::table::{Evaluator, Filter, Form, Opened, Output, Plan, Rows, TableKey};
//!
//! // Owner: ages and visits of three people.
//! let key = TableKey::generate()?;
//! let ages = key.encrypt(Form::Digits, 7, &[Some(34), Some(61), None])?;
//! let visits = key.encrypt(Form::Limbs, 16, &[Some(2), Some(11), Some(5)])?;
//!
//! // Executor: SELECT sum(visits) WHERE age >= 40.
//! let evaluator = Evaluator::new(&key.evaluation_key()?);
//! let plan = Plan::new(&[7, 16], &Filter::AtLeast(0, 40), &[Output::Sum(1)])?;
//! let rows = Rows::new(3).column(0, &ages).column(1, &visits);
//! let result = evaluator.evaluate(&plan, &rows)?;
//!
//! // Owner.
//! assert_eq!(key.open(&plan, &[result])?, [[Opened::Sum { count: 1, sum: 11 }]]);
//! # Ok::<(), sealock_fhe::Error>(())
//! ```
//!
//! # How
//!
//! - **A comparison costs no bootstrap.** A digit `d` is stored as the ring element `X^d`; its product with a public
//!   polynomial is any predicate on it. What a blind rotation does (Chillotti et al., J. Cryptology 2020,
//!   <https://eprint.iacr.org/2018/421>), to turn a polynomial by an encrypted number, is done beforehand by who encrypts.
//! - **Predicates are combined by thresholds**, one bootstrap for up to 16 of them: see `filter`.
//! - **A whole value is masked by one bootstrap.** The bit, as 0 or ½ of the torus, turns an *encrypted* accumulator that
//!   holds the value's limbs in boxes: by a half turn it changes its sign, and the difference to what it was is twice the
//!   value or nothing. Sums are then additions of ring elements; carries stay in the limbs until the owner opens them.
//! - **Minimum and maximum** run on tfhe-rs's integers, whose blocks are products of the same digits.
//!
//! A plain filter and sum of 32-bit values on tfhe-rs's integers takes some 50 bootstraps a row, here two.
//!
//! # Packed data
//!
//! The same rows may be stored a second time, **packed** ([`Form::Indicators`], [`Form::Values`]): 8,192 rows to a
//! ciphertext, under another scheme that has no bootstraps and no evaluation key. [`Plan::packed`] plans filters of few digits
//! for it, [`evaluate_packed`] runs them thousands of times as fast, [`TableKey::open_rows`] opens what comes back. Scheme,
//! parameters and security: `packed`.
//!
//! [`Evaluator::new`] bootstraps on the processor, [`Evaluator::on`] on GPUs (feature `gpu`).
//!
//! # Parameters and security
//!
//! tfhe-rs's classic set `V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` (chosen by its authors with the Lattice
//! Estimator; failure 2^-129 per bootstrap), and a second bootstrapping key under the same keys and noise with finer digits,
//! base 2^15 in two levels, which changes the noise of outputs alone. Columns are ring-LWE ciphertexts with the set's noise
//! under the set's ring key, each with a fresh mask from a fresh 128-bit seed (AES-128 in counter mode as tfhe-csprng has it).
//! Cutting bodies to 32 bits is a public function of ciphertexts. `params` has the noise budget; tests measure it.
//!
//! # What each party learns
//!
//! An **executor** sees the query, how many rows there are and in which clear groups, and ciphertexts: semantic security of
//! ring-LWE hides the values, nulls among them. It must not learn what a result opens to, nor whether it opened: TFHE is
//! not secure against who can have chosen ciphertexts decrypted. The **owner** opens sums of chunks, not only of all
//! rows; it has the data anyway. **Integrity is not given**: an executor can return any ciphertext. See
//! [`TableKey::open`] for what follows from that.

mod bootstrap;
mod column;
mod evaluate;
mod filter;
#[cfg(feature = "gpu")]
mod gpu;
mod integers;
mod key;
#[cfg(any(test, feature = "gpu"))]
mod lanes;
mod packed;
mod params;
mod query;
mod result;
mod score;

#[cfg(test)]
mod tests;

pub use column::{EncryptedChunk, Form, ROWS_PER_CHUNK};
pub use evaluate::{Evaluator, Rows};
pub use filter::Filter;
pub use key::{EvaluationKey, TableKey};
pub use packed::{PACKED_ROWS_PER_CHUNK, evaluate_packed};
pub use query::{Output, Plan, Route};
pub use result::{EncryptedResult, Opened};
pub use score::Points;
