//! The consumer's query on the wire.
//!
//! ```text
//! version 1 ‖ weights u8 (0: indicator, n: n-bit signed) ‖ vectors u32 ‖ cells u32 ‖ rows u8 ‖ columns u8
//!           ‖ context id (32) ‖ mask seed (16) ‖ bodies, 13 bytes each ‖ public-key body, 4096 × 13 bytes
//!                                                                                          all little-endian
//! ```
//!
//! Rows and columns say how many vectors and results share a ring element, and with the number of cells into what blocks
//! vectors are cut. Of each ciphertext's body only the coefficients that a result depends on are sent, and of each
//! coefficient the top 104 bits. The masks are the stream of tfhe's default generator (AES-128 in counter mode) under the
//! mask seed, so that stream is part of the format.

use shake::{
    Shake256,
    digest::{ExtendableOutput, Update, XofReader},
};

use super::{
    MAX_CELLS,
    budget::{NoiseBudget, TRUNCATED_BITS, Weights},
    entropy::Context,
    packing::Packing,
    ring::N,
    shape::Shape,
};
use crate::{
    Error,
    wire::{self, Reader},
};

const VERSION: u8 = 1;
const WHAT: &str = "encrypted query";
const HEADER: usize = 1 + 1 + 4 + 4 + 1 + 1 + 32 + 16;
/// Bytes of a body coefficient.
const BODY: usize = (128 - TRUNCATED_BITS as usize) / 8;

/// Encrypted weight vectors, and the body of the public key that their answer is re-randomised with.
///
/// Nothing in it is trusted: bodies and public-key body may be any bytes without hurting the owner, and both masks are
/// derived by the executor (the key's from the request's [`Context`], never from here).
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedQuery {
    pub(crate) weights: Weights,
    pub(crate) packing: Packing,
    pub(crate) context: Context,
    pub(crate) mask_seed: u128,
    /// The window of each ciphertext's body, one after the other.
    pub(crate) bodies: Vec<u128>,
    pub(crate) zero_body: Vec<u128>,
}

impl std::fmt::Debug for EncryptedQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptedQuery({} × {} cells, {:?})", self.vectors(), self.cells(), self.weights)
    }
}

impl EncryptedQuery {
    /// Hidden vectors.
    pub fn vectors(&self) -> usize {
        self.packing.vectors
    }

    /// Cells of each hidden vector.
    pub fn cells(&self) -> usize {
        self.packing.cells
    }

    /// Kind of weights that the vectors are encoded for.
    pub fn weights(&self) -> Weights {
        self.weights
    }

    /// Whether the query is for answers of this shape: made for the same vectors, cells, weights and packing.
    pub fn fits(&self, shape: &Shape) -> bool {
        (self.weights, &self.packing) == (shape.weights(), shape.packing())
    }

    /// Digest of the request's identifiers that the query was made for.
    pub fn context_id(&self) -> &[u8; 32] {
        self.context.id()
    }

    /// Length of [`Self::to_bytes`] for a shape, in bytes: 53,248 for the public key, 13 per cell where columns do not
    /// share ring elements, else at most 53,248 per ring ciphertext, and 60 for the header.
    pub fn encoded_len(shape: &Shape) -> usize {
        encoded_len(shape.packing())
    }

    /// The ciphertexts' bodies, N coefficients each; those that are not sent are zero and meet no digit.
    pub(crate) fn ring_bodies(&self) -> Vec<Vec<u128>> {
        let mut sent = self.bodies.iter();
        let body = |index: usize| {
            let mut body = vec![0; N];
            self.packing.window_indices(index % self.packing.blocks()).zip(&mut sent).for_each(|(i, &c)| body[i] = c);
            body
        };
        (0..self.packing.ciphertexts()).map(body).collect()
    }

    /// Names the query by all its bytes: SHAKE256, 256 bits.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let mut hasher = Shake256::default();
        hasher.update(b"sealock/v1/linear/query");
        hasher.update(&self.to_bytes());
        let mut digest = [0; 32];
        hasher.finalize_xof().read(&mut digest);
        digest
    }

    /// The wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(encoded_len(&self.packing));
        out.extend([VERSION, self.weights.code()]);
        out.extend((self.vectors() as u32).to_le_bytes());
        out.extend((self.cells() as u32).to_le_bytes());
        out.extend([self.packing.rows as u8, self.packing.columns as u8]);
        out.extend(self.context.id());
        out.extend(self.mask_seed.to_le_bytes());
        let mut write = |coefficient: u128| out.extend(&(coefficient >> TRUNCATED_BITS).to_le_bytes()[..BODY]);
        self.bodies.iter().chain(&self.zero_body).for_each(|&coefficient| write(coefficient));
        out
    }

    /// Reads the wire form. Lengths are checked before anything is allocated. Ciphertexts carry no checksum: a flipped
    /// bit in them decodes and gives a wrong answer, so integrity is for the envelope around them.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::Length`], [`Error::Cells`], [`Error::NoBudget`] or [`Error::Packing`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::open(WHAT, VERSION, HEADER, bytes)?;
        let weights = Weights::from_code(reader.u8());
        let [vectors, cells] = [reader.u32(), reader.u32()].map(|count| count as usize);
        let all = vectors.saturating_mul(cells);
        if !(1..=MAX_CELLS).contains(&all) {
            return Err(Error::Cells { got: all });
        }
        let [rows, columns] = [reader.u8(), reader.u8()].map(usize::from);
        let packing = Packing { vectors, cells, rows, columns };
        if !packing.is_sound() {
            return Err(Error::Packing { rows, columns });
        }
        NoiseBudget::for_sharing(cells, weights, 1, packing.sharing())?;
        wire::exact(WHAT, encoded_len(&packing), bytes)?;
        let context = Context::from_id(reader.array());
        let mask_seed = u128::from_le_bytes(reader.array());
        let mut read = || {
            let mut coefficient = [0; 16];
            coefficient[..BODY].copy_from_slice(reader.take(BODY));
            u128::from_le_bytes(coefficient) << TRUNCATED_BITS
        };
        let mut read = |count: usize| (0..count).map(|_| read()).collect();
        let (bodies, zero_body) = (read(packing.bodies()), read(N));
        Ok(Self { weights, packing, context, mask_seed, bodies, zero_body })
    }
}

fn encoded_len(packing: &Packing) -> usize {
    HEADER + (packing.bodies() + N) * BODY
}

/// Rounds a body coefficient to the bits that a query carries.
pub(crate) fn truncate(coefficient: u128) -> u128 {
    (coefficient.wrapping_add(1 << (TRUNCATED_BITS - 1)) >> TRUNCATED_BITS) << TRUNCATED_BITS
}
