//! Sealed queries: exact inner products of an encrypted vector with a clear matrix.
//!
//! The consumer encrypts which cells of the owner's data cube it wants added up ([`QueryKey::encrypt`]); the owner's node
//! multiplies with the cube and releases one LWE ciphertext per output and limb ([`evaluate()`]); the consumer decrypts
//! exact sums ([`QueryKey::decrypt`]). Row counts do not matter here: the cube is folded in the clear beforehand.
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
//! `R = Z_{2^128}[X]/(X^4096 + 1)`, binary secrets, noise `TUniform(30)`. Dimension, modulus and noise are those of
//! tfhe-rs's `NOISE_SQUASHING_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` (k·N = 2·2048 there, 1·4096 here, so that a
//! public key is an ordinary RLWE sample); a test compares the two. Entries are cut into balanced digits whose width, like
//! Δ and the flooding, follows from the number of cells: see [`NoiseBudget`] and `docs/noise-budget.md`.
//!
//! # What the consumer learns
//!
//! A raw output is `(Σ a_c·w̃_c, Σ <b_c, w_c>)`. Its mask is a public polynomial times a row of the cube: whoever knows the
//! masks `a_c` inverts them and has **every cell** of the row. So each output leaves as
//!
//! ```text
//! mask   Σ a_c·w̃_c   + a·u + e1                       4096 coefficients
//! body   Σ <b_c,w_c> + (b·u)_0 + e2 + flood           1 coefficient
//! ```
//!
//! with `u` binary, `e1, e2 ~ TUniform(30)` and `flood ~ TUniform(f)` drawn afresh for every output and limb, then rounded
//! to 64 bits per coefficient (post-processing). This is public-key re-randomisation with noise flooding, as in
//! circuit-private homomorphic encryption (Gentry, STOC 2009; Asharov et al., EUROCRYPT 2012,
//! <https://eprint.iacr.org/2011/613>).
//!
//! **The mask hides the cube.** `a` is `SHAKE256(domain ‖ context)`, modelled as a random oracle, and the context is the
//! executor's own record of the request; so `a` is uniform whatever the consumer does, including choosing its ciphertexts
//! and `b` after seeing `a`, or trying many requests. `a·u + e1` is then an RLWE sample with secret `u`, and adding it
//! makes the mask pseudo-random. A test shows that a mask of 0 or 1 chosen by the consumer hides nothing.
//!
//! **An honest consumer** has `b = a·s + e`, and its phase is `Δ·m` plus `<e_c, w_c> + (e·u)_0 − (e1·s)_0 + e2 + flood`.
//! Flooding is 2^40 times a bound on all the rest (worst case for the zero's part; for the part that depends on
//! the cube exceeded with probability below 2^-128 over the consumer's encryption noise), so the phase is within statistical
//! distance 2^-40 of one that depends on `m` alone: the consumer learns `m`, the sum of one limb. From the limbs of a sum it
//! so learns the carries between them, at most log2(cells) bits each, beside the sum. The distances of several samples
//! add up. No assumption is needed here beyond RLWE, SHAKE256 as a random oracle and AES-128 in counter mode as a generator.
//!
//! **A malicious consumer** may send any `b` and any `b_c`, and two things change.
//!
//! 1. The body then carries a noisy linear hint on `u` of the consumer's choice, even chosen after `a`. One coefficient is
//!    all of `b·u` that leaves, and [`NoiseBudget::bits_above_flood`] of its 128 bits (28 to 33 for indicators, up to 43 for signed weights) stand above the flooding.
//!    The assumption is therefore *RLWE with a binary secret of 4,096 bits, given one such flooded hint on the secret*. For
//!    plain LWE, hardness with leaked or low-entropy secrets is proven with a loss in parameters (Goldwasser, Kalai, Peikert,
//!    Vaikuntanathan, ICS 2010; Brakerski, Döttling, EUROCRYPT 2020, <https://eprint.iacr.org/2020/119>). We do **not** claim
//!    that these theorems cover this ring at these parameters, nor hints that depend on `a`. Concretely, with
//!    powers of two for coefficients the hint reads about that many coordinates of `u` outright: a few tens of 4,096
//!    dimensions (hints as in Dachman-Soled, Ducas, Gong, Rossi, CRYPTO 2020, <https://eprint.iacr.org/2020/292>), by a
//!    linear estimate about one bit of security.
//! 2. The body is a linear functional of the row's limb that the consumer chose: any weights, not only 0 and 1, and "noise"
//!    that is a second message. It learns at most [`NoiseBudget::bits_above_flood`] bits of one functional per limb, that is
//!    limbs × as many bits per output, shared with the hint on `u`, and nothing else of the row. **No check of ours prevents this**; a hidden query cannot be
//!    inspected. That is why suppression and differential-privacy noise must be in the [`Matrix`] already: every
//!    answer is then post-processing of a protected cube.
//!
//! # What the executor learns
//!
//! Cells, kind of weights and the request's context. The weights are hidden by RLWE under the consumer's key. The consumer
//! must not let the executor see how it reacts to a malformed answer (an oracle on its key): one key per request bounds it.
//!
//! # What is not here
//!
//! Integrity: ciphertexts carry no checksum and anybody can make a well-formed answer; authenticate the bytes around them.
//! Timing: loops do not branch on secrets, but tfhe's arithmetic is not promised to be constant-time.

mod answer;
mod budget;
mod client;
mod entropy;
mod evaluate;
mod packing;
mod query;
mod release;
mod ring;
mod shape;
mod wire;

#[cfg(test)]
mod tests;

pub use answer::SealedAnswer;
pub use budget::{NoiseBudget, Weights};
pub use client::QueryKey;
pub use entropy::{Context, Entropy};
pub use evaluate::{evaluate, evaluate_with_entropy};
pub use query::EncryptedQuery;
pub use shape::{Matrix, Row, Shape};

/// Cells that one ring ciphertext holds.
pub const CELLS_PER_CIPHERTEXT: usize = ring::N;
/// Most cells of one query, all its vectors together.
pub const MAX_CELLS: usize = 1 << 22;
/// Widest signed entries of a matrix, in bits.
pub const MAX_VALUE_BITS: u8 = 96;
/// Most ring ciphertexts of one answer, 17 to 26 kB each: less than 1 GiB.
pub const MAX_SAMPLES: usize = 1 << 15;
/// Most ring ciphertexts of one query.
pub const MAX_CIPHERTEXTS: usize = 1 << 11;
/// Most results that one ring ciphertext of an answer carries. Each is a hint on the secret that hides its mask: see above.
pub const MAX_PACKED: usize = 64;
