//! The released answer on the wire.
//!
//! ```text
//! version 1 ‖ weights u8 ‖ cells u32 ‖ outputs u32 ‖ value bits u8 × outputs
//!           ‖ LWE samples, 4097 × u64 each (mask, then body), outputs in order and least limb first   little-endian
//! ```

use super::{
    MAX_SAMPLES,
    budget::Weights,
    ring::N,
    shape::Shape,
    wire::{self, Reader},
};
use crate::Error;

const VERSION: u8 = 1;
const WHAT: &str = "sealed answer";
const HEADER: usize = 1 + 1 + 4 + 4;
const SAMPLE: usize = N + 1;

/// An answer that is safe to hand over: re-randomised, flooded and rounded samples, readable with one key.
///
/// On the executor's side only [`evaluate`](super::evaluate()) makes one; raw outputs have no type outside this crate.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedAnswer {
    shape: Shape,
    samples: Vec<u64>,
}

impl std::fmt::Debug for SealedAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedAnswer({} outputs, {} samples)", self.shape.outputs(), self.shape.samples())
    }
}

impl SealedAnswer {
    pub(crate) fn new(shape: Shape, samples: Vec<Vec<u64>>) -> Self {
        debug_assert_eq!(samples.len(), shape.samples());
        Self { shape, samples: samples.concat() }
    }

    /// What the answer was computed over.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = &[u64]> {
        self.samples.chunks_exact(SAMPLE)
    }

    /// Length of [`Self::to_bytes`] for a shape: 32,776 bytes per sample.
    pub fn encoded_len(shape: &Shape) -> usize {
        HEADER + shape.outputs() + shape.samples() * SAMPLE * 8
    }

    /// The wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::encoded_len(&self.shape));
        out.extend([VERSION, self.shape.weights().code()]);
        out.extend((self.shape.cells() as u32).to_le_bytes());
        out.extend((self.shape.outputs() as u32).to_le_bytes());
        out.extend(self.shape.value_bits());
        for word in &self.samples {
            out.extend(word.to_le_bytes());
        }
        out
    }

    /// Reads the wire form. Lengths are checked before anything is allocated; samples carry no checksum, so integrity is for
    /// the envelope around them.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::Length`], and those of [`Shape::with_weights`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::open(WHAT, VERSION, HEADER, bytes)?;
        let weights = Weights::from_code(reader.u8());
        let cells = reader.u32() as usize;
        let outputs = reader.u32() as usize;
        if outputs > MAX_SAMPLES {
            return Err(Error::Outputs { outputs, samples: outputs });
        }
        if bytes.len() < HEADER + outputs {
            return Err(Error::Length { what: WHAT, expected: HEADER + outputs, got: bytes.len() });
        }
        let shape = Shape::with_weights(cells, weights, reader.take(outputs))?;
        wire::exact(WHAT, Self::encoded_len(&shape), bytes)?;
        let samples = (0..shape.samples() * SAMPLE).map(|_| u64::from_le_bytes(reader.array())).collect();
        Ok(Self { shape, samples })
    }
}
