//! Encrypted computation for Sealock. This crate knows no tokens and no storage.
//!
//! In [`linear`] (in [`table`] the executor holds ciphertexts, see there):
//!
//! | party | holds | learns |
//! |---|---|---|
//! | consumer | secret key, the hidden weights of its query | the sums it asked for, exactly, one per limb of the entries (which tells the carries between limbs as well); of the matrix, nothing else |
//! | executor (the data owner's node) | the matrix in the clear | how many cells and outputs; neither weights nor sums |
//! | anybody between them | the wire bytes | sizes |
//!
//! Against a consumer that does not follow the protocol, "the sums it asked for" means *as many linear functionals of
//! its choice as there are results, each of all the columns (rows and limbs) that share a ring element*: [`linear`]
//! says how much that is, and why protection belongs into the matrix. Nothing here proves to the consumer that the
//! executor computed honestly.
//!
//! The scheme of [`linear`] is the LWE/GLWE layer of TFHE (Chillotti, Gama, Georgieva, Izabachène, J. Cryptology 2020,
//! <https://eprint.iacr.org/2018/421>) at q = 2^128, without bootstrapping, on Zama's tfhe-rs and tfhe-ntt; answers are
//! made independent of the matrix by public-key re-randomisation (Lyubashevsky, Peikert, Regev, EUROCRYPT 2010,
//! <https://eprint.iacr.org/2012/230>) and noise flooding (Asharov et al., EUROCRYPT 2012,
//! <https://eprint.iacr.org/2011/613>).
//!
//! # Modules, in reading order
//!
//! [`linear`] — sealed queries: encrypted vectors × clear matrix. Inside it: `budget` (what each bit is for), `shape`
//! (what is multiplied), `packing` (which coefficient holds what), `entropy` (randomness and request contexts), `ring`
//! (exact products), `client` (key, encryption, decryption), `query` (its wire form), `evaluate` (the product),
//! `release` (what makes an output safe), `answer` (its wire form), [`linear::matmul`] (matrices of any size).
//!
//! [`table`] — sealed data: programs over encrypted columns, under TFHE with bootstrapping. Inside it: `params` (parameters and
//! noise), `key`, `column` (how values are stored), `filter` (from a filter to gates), `query` (plans), `bootstrap` (what it is
//! computed with; `lanes` and `gpu` on GPUs), `evaluate` (the executor), `integers` (what runs on tfhe-rs's integers), `result` (how
//! the owner opens it). There the owner holds the key and
//! an executor the ciphertexts: its own page says what each learns.

#[cfg(any(test, feature = "cuda"))]
mod cuda;
mod device;
mod error;
pub mod linear;
pub mod table;
mod wire;

pub use device::Device;
pub use error::Error;
