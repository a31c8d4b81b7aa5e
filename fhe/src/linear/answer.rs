//! The released answer on the wire.
//!
//! ```text
//! version 1 ‖ weights u8 ‖ vectors u32 ‖ cells u32 ‖ outputs u32 ‖ value bits u8 × outputs      little-endian
//!           ‖ per sample: mask, 4096 words, then one body per result, vector by vector       r bits each, no gaps
//! ```
//!
//! `r` is [`NoiseBudget::answer_bits`](super::NoiseBudget::answer_bits). Samples come column tile by column tile, and
//! in each tile of vectors by tile of vectors; columns are outputs in order, least limb first.

use super::{MAX_PACKED, MAX_SAMPLES, budget::Weights, ring::N, shape::Shape};
use crate::{
    Error,
    wire::{self, BitReader, BitWriter, Reader},
};

const VERSION: u8 = 1;
const WHAT: &str = "sealed answer";
const HEADER: usize = 1 + 1 + 4 + 4 + 4;

/// One ring ciphertext of an answer: its mask, and the body coefficients that are results, each rounded to its top
/// bits.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) mask: Vec<u64>,
    pub(crate) bodies: Vec<u64>,
}

/// An answer that is safe to hand over: re-randomised, flooded and rounded samples, readable with one key.
///
/// On the executor's side only [`evaluate`](super::evaluate()) makes one; raw outputs have no type outside this crate.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedAnswer {
    shape: Shape,
    samples: Vec<Sample>,
}

impl std::fmt::Debug for SealedAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SealedAnswer({} vectors, {} outputs, {} samples)",
            self.shape.vectors(),
            self.shape.outputs(),
            self.shape.samples()
        )
    }
}

impl SealedAnswer {
    pub(crate) fn new(shape: Shape, samples: Vec<Sample>) -> Self {
        debug_assert_eq!(samples.len(), shape.samples());
        Self { shape, samples }
    }

    /// What the answer was computed over.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    pub(crate) fn samples(&self) -> &[Sample] {
        &self.samples
    }

    pub(crate) fn samples_mut(&mut self) -> &mut [Sample] {
        &mut self.samples
    }

    /// Length of [`Self::to_bytes`] for a shape of one party, in bytes: 4,096 words of
    /// [`answer_bits`](super::NoiseBudget::answer_bits) bits per sample, one word per result, and a few bytes.
    pub fn encoded_len(shape: &Shape) -> usize {
        HEADER + shape.outputs() + samples_len(shape)
    }

    /// The wire form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::encoded_len(&self.shape));
        out.extend([VERSION, self.shape.weights().code()]);
        for count in [self.shape.vectors(), self.shape.cells(), self.shape.outputs()] {
            out.extend((count as u32).to_le_bytes());
        }
        out.extend(self.shape.value_bits());
        let mut words = BitWriter::new(&mut out);
        for &word in self.samples.iter().flat_map(|sample| sample.mask.iter().chain(&sample.bodies)) {
            words.write(word, self.shape.budget().answer_bits());
        }
        words.finish();
        out
    }

    /// Reads the wire form. Lengths are checked before anything is allocated; samples carry no checksum, so integrity
    /// is for the envelope around them.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::Length`], [`Error::Padding`], and those of [`Shape::batch`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::read(bytes, 1)
    }

    /// Reads what [`Self::to_bytes`] wrote of one of so many parties.
    pub(crate) fn read(bytes: &[u8], parties: usize) -> Result<Self, Error> {
        let mut reader = Reader::open(WHAT, VERSION, HEADER, bytes)?;
        let weights = Weights::from_code(reader.u8());
        let [vectors, cells, outputs] = [reader.u32(), reader.u32(), reader.u32()].map(|count| count as usize);
        if outputs > MAX_SAMPLES * MAX_PACKED {
            return Err(Error::Outputs { outputs, samples: outputs });
        }
        if bytes.len() < HEADER + outputs {
            return Err(Error::Length { what: WHAT, expected: HEADER + outputs, got: bytes.len() });
        }
        let shape = Shape::build(vectors, cells, weights, reader.take(outputs), parties)?;
        wire::exact(WHAT, Self::encoded_len(&shape), bytes)?;
        let bits = shape.budget().answer_bits();
        let mut words = BitReader::new(reader.take(samples_len(&shape)));
        let mut read = |count: usize| (0..count).map(|_| words.read(bits)).collect();
        let samples = shape
            .tiles()
            .map(|(vectors, columns)| Sample { mask: read(N), bodies: read(vectors.len() * columns.len()) })
            .collect();
        if !words.is_exhausted() {
            return Err(Error::Padding { what: WHAT });
        }
        Ok(Self { shape, samples })
    }
}

fn samples_len(shape: &Shape) -> usize {
    let words = shape.samples() * N + shape.vectors() * shape.columns();
    (words * shape.budget().answer_bits() as usize).div_ceil(8)
}
