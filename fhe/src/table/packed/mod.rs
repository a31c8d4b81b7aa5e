//! Packed data: 8,192 rows in the slots of one ciphertext, and filters of low degree without any bootstrap.
//!
//! # Scheme
//!
//! The somewhat homomorphic scheme of Brakerski and Vaikuntanathan (CRYPTO 2011, section 3.2), without its relinearization: a
//! ciphertext is a polynomial in the secret key, `Σ c_j·s^j = m + t·e` in `R_q = Z_q[X]/(X^8192 + 1)`; sums add the polynomials,
//! products multiply them, and who has `s` opens any degree. Slots are those of Smart and Vercauteren (Des. Codes Cryptogr.
//! 2014, <https://eprint.iacr.org/2011/133>): `t = 65537` splits the ring into 8,192 fields, so that a ring product is a
//! product row by row. There is **no evaluation key**, and so no assumption of circular security.
//!
//! A dimension is stored as **indicators** ([`Form::Indicators`](super::Form::Indicators)): its value is cut into digits of at
//! most six bits, and each value of each digit has a ciphertext that says in slot `r` whether row `r` has it. *Any* predicate on
//! one digit is then a sum of ciphertexts, and what combines digits and columns is a product: the degree of a filter is how
//! many digits its columns have in all. A set of values is cut by its highest digit, and so on down, as a decision diagram; a filter
//! that names a column several times, and a model's score, are diagrams over columns: see `circuit`. What a filter selects is multiplied by the 16-bit **limbs** of a value ([`Form::Values`](super::Form::Values)), of
//! which the lowest is stored plus one, so that a null is zero.
//!
//! Ciphertexts are stored, and computed on, as values at the roots of unity modulo four primes: an executor adds and
//! multiplies numbers, and never transforms anything. Noise is an integer that only grows with the degree, so that a query of
//! lower degree is computed modulo fewer of the primes.
//!
//! # Parameters and security
//!
//! | | |
//! |---|---|
//! | ring degree, slots | 8,192 |
//! | q | two primes below 2^54 and two below 2^53, 214 bits |
//! | secret | uniform ternary |
//! | noise | centred binomial of 2 · 21 bits, σ = 3.24 |
//!
//! The tables of the Homomorphic Encryption Standard (Albrecht et al., 2018, <https://eprint.iacr.org/2019/939>) give 128 bits
//! of classical security to this degree, secret and σ = 3.19 up to q = 2^218, the newer guidelines of Bossuat et al.
//! (2024, <https://eprint.iacr.org/2024/463>) up to 2^214. The binomial noise is Microsoft SEAL's. Noise is multiplied by `t`,
//! which is a unit modulo `q`: `b = a·s + t·e` is as hard as `b = a·s + e`. Masks and noise are streams of AES-128 in counter
//! mode, each chunk's under fresh seeds.
//!
//! # Correctness
//!
//! The bound on `|m + t·e|` is followed in the canonical embedding (Gentry, Halevi, Smart, CRYPTO 2012,
//! <https://eprint.iacr.org/2012/099>), where products multiply: a value there is a sum of 8,192 terms, taken for complex
//! normal, and exceeds 9.9 standard deviations with a probability of 2^-141, one of 8,192 of them with less than 2^-128.
//! Plaintexts are taken for random, as rows in random order are. A plan is refused whose bound is not below a
//! quarter of the modulus, and a result is refused that is not below that when it is opened.
//!
//! # What each party learns
//!
//! As of the other route, see [`super`]: executors see ciphertexts, and the query. The owner opens, row by row, what the
//! filter selects of the columns that are asked for, and adds it up: it has the data anyway. Since it sees each row's bit, it
//! refuses whatever is neither 0 nor 1, values of rows that do not count (where rows are counted as well), and values that cannot
//! have been stored. That finds ciphertexts that are broken, not those that are forged well: integrity is not given.

pub(crate) mod circuit;
mod column;
mod evaluate;
mod open;
mod ring;

pub(crate) use circuit::Circuit;
#[cfg(test)]
pub(crate) use column::digits;
pub(crate) use column::{MAX_INDICATOR_BITS, check_words, elements, encrypt};
pub use evaluate::evaluate_packed;
pub(crate) use open::write_result;
#[cfg(test)]
pub(crate) use ring::PRIMES;
pub(crate) use ring::{ELEMENT_BYTES, PackedCiphertext, Secret};

/// Rows of a chunk of packed data: the slots of a ring element.
pub const PACKED_ROWS_PER_CHUNK: usize = ring::N;
