//! The consumer's query on the wire.
//!
//! ```text
//! version 1 ‖ weights u8 (0: indicator, n: n-bit signed) ‖ cells u32 ‖ context id (32) ‖ mask seed (16)
//!           ‖ bodies, ⌈cells/4096⌉ × 4096 × u128 ‖ public-key body, 4096 × u128          all little-endian
//! ```
//!
//! The ciphertext masks are the stream of tfhe's default generator (AES-128 in counter mode) under the mask seed, so that
//! stream is part of the format.

use super::{
    MAX_CELLS,
    budget::Weights,
    entropy::Context,
    ring::N,
    wire::{self, Reader},
};
use crate::Error;

const VERSION: u8 = 1;
const WHAT: &str = "encrypted query";
const HEADER: usize = 1 + 1 + 4 + 32 + 16;

/// An encrypted weight vector, and the body of the public key that its answer is re-randomised with.
///
/// Nothing in it is trusted: bodies and public-key body may be any bytes without hurting the owner, and both masks are
/// derived by the executor (the key's from the request's [`Context`], never from here).
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedQuery {
    pub(crate) weights: Weights,
    pub(crate) cells: usize,
    pub(crate) context: Context,
    pub(crate) mask_seed: u128,
    pub(crate) bodies: Vec<u128>,
    pub(crate) zero_body: Vec<u128>,
}

impl std::fmt::Debug for EncryptedQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptedQuery({} cells, {:?})", self.cells, self.weights)
    }
}

impl EncryptedQuery {
    /// Cells of the hidden vector.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Kind of weights that the vector is encoded for.
    pub fn weights(&self) -> Weights {
        self.weights
    }

    /// Digest of the request's identifiers that the query was made for.
    pub fn context_id(&self) -> &[u8; 32] {
        self.context.id()
    }

    /// Length of [`Self::to_bytes`] for that many cells: 16 bytes per cell, rounded up to blocks of 4,096, and 64 KiB.
    pub fn encoded_len(cells: usize) -> usize {
        HEADER + (cells.div_ceil(N) + 1) * N * 16
    }

    /// The wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::encoded_len(self.cells));
        out.extend([VERSION, self.weights.code()]);
        out.extend((self.cells as u32).to_le_bytes());
        out.extend(self.context.id());
        out.extend(self.mask_seed.to_le_bytes());
        for coefficient in self.bodies.iter().chain(&self.zero_body) {
            out.extend(coefficient.to_le_bytes());
        }
        out
    }

    /// Reads the wire form. Lengths are checked before anything is allocated. Ciphertexts carry no checksum: a flipped bit in
    /// them decodes and gives a wrong answer, so integrity is for the envelope around them.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::Length`], [`Error::Cells`] or [`Error::NoBudget`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::open(WHAT, VERSION, HEADER, bytes)?;
        let weights = Weights::from_code(reader.u8());
        let cells = reader.u32() as usize;
        if !(1..=MAX_CELLS).contains(&cells) {
            return Err(Error::Cells { got: cells });
        }
        super::NoiseBudget::for_weights(cells, weights)?;
        wire::exact(WHAT, Self::encoded_len(cells), bytes)?;
        let context = Context::from_id(reader.array());
        let mask_seed = u128::from_le_bytes(reader.array());
        let mut coefficients = |count: usize| (0..count).map(|_| u128::from_le_bytes(reader.array())).collect();
        let bodies = coefficients(cells.div_ceil(N) * N);
        let zero_body = coefficients(N);
        Ok(Self { weights, cells, context, mask_seed, bodies, zero_body })
    }
}
