//! Sealed queries: exact inner products of an encrypted vector with a clear matrix.
//!
//! The consumer encrypts which cells of the owner's data cube it wants added up ([`QueryKey::encrypt`]), or a batch of
//! weight vectors; the owner's node multiplies with the matrix and releases ring ciphertexts, each with up to 64
//! results ([`evaluate()`]); the consumer decrypts exact sums ([`QueryKey::decrypt`]). Row counts do not matter here:
//! the cube is folded in the clear beforehand.
//!
//! ```
//! use sealock_fhe::linear::{Context, Matrix, QueryKey, Shape, evaluate};
//!
//! // Both sides know the shape, and each builds the context from its own record of the request.
//! let shape = Shape::new(4, &[20])?;
//! let context = Context::new(&[b"nullifier", b"program digest"]);
//!
//! // Consumer: which cells, encrypted.
//! let key = QueryKey::generate()?;
//! let query = key.encrypt(&shape, &[false, true, true, false], &context)?;
//!
//! // Owner: the protected cube, one row per output.
//! let matrix = Matrix::new(&shape, [[5_i64, -60, 700, 8000].as_slice()])?;
//! let answer = evaluate(&query, &context, &matrix)?;
//!
//! assert_eq!(key.decrypt(&answer, &shape)?, [640]);
//! # Ok::<(), sealock_fhe::Error>(())
//! ```
//!
//! # Parameters
//!
//! `R = Z_{2^128}[X]/(X^4096 + 1)`, binary keys, noise `TUniform(30)`. Dimension, modulus and noise are those of
//! tfhe-rs's `NOISE_SQUASHING_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` (k·N = 2·2048 there, 1·4096 here, so that
//! a public key is an ordinary RLWE sample); a test compares the two. Entries are cut into balanced digits whose width,
//! like Δ and the flooding, follows from the number of cells and of columns that share ring elements: see [`NoiseBudget`]
//! and `docs/noise-budget.md`.
//!
//! # What the consumer learns
//!
//! Vectors and columns (one per limb of each output) are packed as Cheetah packs them (Huang, Lu, Hong, Ding, USENIX
//! Security 2022, <https://eprint.iacr.org/2022/207>), up to [`MAX_PACKED`] results in one ring ciphertext; no evaluation
//! key is needed. Cells are cut into as many blocks as that takes. Let `w_c` be the ring element that holds block `c` of a
//! tile of columns. A raw product is `(Σ a_c·w_c, Σ b_c·w_c)`.
//! Its mask is a public polynomial times the tile: whoever knows the masks `a_c` inverts them and has **every cell** of
//! every column in it. So each product leaves as
//!
//! ```text
//! mask     Σ a_c·w_c   + a·u + e1                            4096 coefficients
//! bodies   (Σ b_c·w_c)_r + (b·u)_r + e2_r + flood_r          one coefficient for each result r
//! ```
//!
//! with `u ~ TUniform(12)`, `e1, e2 ~ TUniform(30)` and `flood ~ TUniform(f)` drawn afresh for every product (`e2`,
//! `flood` for every result), then rounded to 39 to 48 bits per coefficient, of sums up to 54 (post-processing). Body coefficients that
//! are no results hold sums of other products; none of them leaves. This is public-key re-randomisation with noise
//! flooding, as in circuit-private homomorphic encryption (Gentry, STOC 2009; Asharov et al., EUROCRYPT 2012,
//! <https://eprint.iacr.org/2011/613>).
//!
//! **The mask hides the cube.** `a` is `SHAKE256(domain ‖ context)`, modelled as a random oracle, and the context is
//! the executor's own record of the request; so `a` is uniform whatever the consumer does, including choosing its
//! ciphertexts and `b` after seeing `a`, or trying many requests. `a·u + e1` is then an RLWE sample with secret `u`,
//! and adding it makes the mask pseudo-random. A test shows that a mask of 0 or 1 chosen by the consumer hides nothing.
//!
//! **An honest consumer** has `b = a·s + e`, and its phase at a result is `Δ·m` plus `(Σ e_c·w_c)_r + (e·u)_r −
//! (e1·s)_r + e2 + flood` and what rounding its query added. Flooding is 2^40 times a bound on all the rest (for the
//! part in which the consumer's encryption noise meets the cube and `u`, exceeded with probability below 2^-150 over
//! that noise; for the others the worst case), so each phase is within statistical distance 2^-40 of one that depends
//! on `m` alone: the consumer learns `m`, the sum of one limb. From the limbs of a sum it so learns the carries between
//! them, at most log2(cells) bits each, beside the sum. The distances of all results add up. No assumption is needed
//! here beyond RLWE, SHAKE256 as a random oracle and AES-128 in counter mode as a generator.
//!
//! **A malicious consumer** may send any `b` and any `b_c`, and two things change.
//!
//! 1. The bodies then carry noisy linear hints on `u` of the consumer's choice, even chosen after `a`: of `b·u` as many
//!    coefficients leave as there are results, T ≤ 64, and [`NoiseBudget::bits_above_flood`] of the 128 bits of each
//!    (26 to 35) stand above the flooding. If all 4,096 left and `u` were binary, `b = 2^100` would read all of it; a
//!    test does. With powers of two for coefficients, T hints read `T · bits / 13` coordinates of `u` outright, since
//!    each has 13 bits: at most 172 of 4,096, [`NoiseBudget::hint_share`], 4.2%. The assumption is therefore *RLWE in
//!    dimension 4,096 with a secret from `TUniform(12)`, given so many flooded hints on the secret* (hints as in
//!    Dachman-Soled, Ducas, Gong, Rossi, CRYPTO 2020, <https://eprint.iacr.org/2020/292>). For plain LWE, hardness with
//!    leaked or low-entropy secrets is proven with a loss in parameters (Goldwasser, Kalai, Peikert, Vaikuntanathan,
//!    ICS 2010; Brakerski, Döttling, EUROCRYPT 2020, <https://eprint.iacr.org/2020/119>). We do **not** claim that
//!    these theorems cover this ring at these parameters, nor hints that depend on `a`. As a number: the primal attack
//!    on what is left after the coordinates that are read (one uSVP, "2016 estimate" of Alkim, Ducas, Pöppelmann,
//!    Schwabe, <https://eprint.iacr.org/2015/1092>, secret scaled to the noise, classical core-SVP, 0.292·β) costs
//!    2^119 (β = 410), without hints 2^127 (β = 438). By the same count the consumer's own binary secret stands at
//!    2^106 (β = 365): that is the published parameter set, whose authors count more than core-SVP. A unit test
//!    computes these.
//! 2. Each released coefficient is a linear functional that the consumer chose of **the whole tile of columns**, all
//!    rows and limbs that are packed in it, not of one row's limb: its ciphertexts need not follow the layout. Weights
//!    may be any, not only 0 and 1, and "noise" may be a second message. It learns at most
//!    [`NoiseBudget::bits_above_flood`] bits of each functional, as many functionals of a tile as it has results (for a
//!    batch also those of the other vectors), shared with the hints on `u`, and nothing else. **No check of ours
//!    prevents this**; a hidden query cannot be inspected. That is why suppression and differential-privacy noise must
//!    be in the [`Matrix`] already: every answer is then post-processing of a protected matrix.
//!
//! # What the executor learns
//!
//! Cells, kind of weights and the request's context. The weights are hidden by RLWE under the consumer's key. The
//! consumer must not let the executor see how it reacts to a malformed answer (an oracle on its key): one key per
//! request bounds it.
//!
//! # Several parties
//!
//! Answers of several parties to one query, each over its own matrix, add up so that only the sum opens:
//! [`evaluate_share`] and [`AnswerShare`], whose module has the argument.
//!
//! # What is not here
//!
//! Integrity: ciphertexts carry no checksum and anybody can make a well-formed answer; authenticate the bytes around
//! them. Timing: loops do not branch on secrets, but tfhe's arithmetic is not promised to be constant-time.

mod answer;
mod budget;
mod client;
mod entropy;
mod evaluate;
pub mod matmul;
#[cfg(any(test, feature = "cuda"))]
pub(crate) mod offload;
mod packing;
mod plan;
mod query;
mod release;
pub(crate) mod ring;
mod shape;
mod share;

#[cfg(test)]
mod tests;

pub use answer::SealedAnswer;
pub use budget::{NoiseBudget, Weights};
pub use client::QueryKey;
pub use entropy::{Context, Entropy};
pub use evaluate::{evaluate, evaluate_on, evaluate_with_entropy};
pub use query::EncryptedQuery;
pub use shape::{Matrix, Row, Shape};
pub use share::{AnswerShare, Blinding, evaluate_share, evaluate_share_with_entropy};

/// Most cells that one ring ciphertext of a query holds.
pub const CELLS_PER_CIPHERTEXT: usize = ring::N;
/// Most cells of one query, all its vectors together.
pub const MAX_CELLS: usize = 1 << 22;
/// Widest signed entries of a matrix, in bits.
pub const MAX_VALUE_BITS: u8 = 96;
/// Most ring ciphertexts of one answer, 20 to 25 kB each: less than 1 GiB.
pub const MAX_SAMPLES: usize = 1 << 15;
/// Most ring ciphertexts of one query.
pub const MAX_CIPHERTEXTS: usize = 1 << 11;
/// Most parties whose answers are added up; over more than 2^20 cells at most 32.
pub const MAX_PARTIES: usize = 64;
/// Most results that one ring ciphertext of an answer carries. Each is a hint on the secret that hides its mask: see
/// above.
pub const MAX_PACKED: usize = 64;
