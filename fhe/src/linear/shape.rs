//! What is multiplied: the agreed shape, and the owner's matrix checked against it.

use super::{
    MAX_SAMPLES, MAX_VALUE_BITS,
    budget::{NoiseBudget, Weights},
    ring::N,
};
use crate::Error;

/// What both parties agree on beforehand: cells, kind of weights, and the width of each output's entries.
///
/// Parsed once, trusted afterwards: a value of this type has 1 to [`MAX_CELLS`](super::MAX_CELLS) cells, a
/// noise budget that decodes, at least one output, at most [`MAX_SAMPLES`] samples, and sums that fit an `i128`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    weights: Weights,
    cells: usize,
    value_bits: Vec<u8>,
    budget: NoiseBudget,
}

impl Shape {
    /// The shape of a 0/1 query: `value_bits[o]` is the signed width of output `o`'s entries,
    /// `−2^(bits−1) ≤ entry < 2^(bits−1)`.
    ///
    /// # Errors
    /// [`Error::Cells`], [`Error::Outputs`] or [`Error::ValueBits`] outside the limits above.
    pub fn new(cells: usize, value_bits: &[u8]) -> Result<Self, Error> {
        Self::with_weights(cells, Weights::Indicator, value_bits)
    }

    /// As [`Self::new`], for integer weights.
    ///
    /// # Errors
    /// As [`Self::new`], and [`Error::NoBudget`].
    pub fn with_weights(cells: usize, weights: Weights, value_bits: &[u8]) -> Result<Self, Error> {
        let budget = NoiseBudget::for_weights(cells, weights)?;
        let growth = cells.next_power_of_two().trailing_zeros() + u32::from(weights.code());
        for &bits in value_bits {
            if !(1..=MAX_VALUE_BITS).contains(&bits) || u32::from(bits) + growth > 127 {
                return Err(Error::ValueBits { bits });
            }
        }
        let shape = Self { weights, cells, value_bits: value_bits.to_vec(), budget };
        if !(1..=MAX_SAMPLES).contains(&shape.samples()) {
            return Err(Error::Outputs { outputs: value_bits.len(), samples: shape.samples() });
        }
        Ok(shape)
    }

    /// Cells of the indicator, columns of the matrix.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// Kind of weights.
    pub fn weights(&self) -> Weights {
        self.weights
    }

    /// Outputs, rows of the matrix.
    pub fn outputs(&self) -> usize {
        self.value_bits.len()
    }

    /// Signed width of each output's entries.
    pub fn value_bits(&self) -> &[u8] {
        &self.value_bits
    }

    /// The noise budget that follows from cells and weights.
    pub fn budget(&self) -> &NoiseBudget {
        &self.budget
    }

    /// Balanced digits of an output's entries. One bit more than their width, so that the top digit never overflows.
    pub(crate) fn limbs(&self, output: usize) -> usize {
        limbs(self.value_bits[output], &self.budget)
    }

    /// LWE samples of an answer: one per output and limb.
    pub fn samples(&self) -> usize {
        self.value_bits.iter().map(|&bits| limbs(bits, &self.budget)).sum()
    }

    /// Ring ciphertexts that hold the weights.
    pub fn ciphertexts(&self) -> usize {
        self.cells.div_ceil(N)
    }
}

fn limbs(value_bits: u8, budget: &NoiseBudget) -> usize {
    (u32::from(value_bits) + 1).div_ceil(budget.limb_bits()) as usize
}

/// One row of the matrix: an output's entry for every cell. Debug shows its length, never its entries.
#[derive(Clone, Copy)]
pub enum Row<'a> {
    /// 64-bit entries.
    I64(&'a [i64]),
    /// 128-bit entries.
    I128(&'a [i128]),
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({} entries)", self.len())
    }
}

impl Row<'_> {
    fn len(&self) -> usize {
        match self {
            Self::I64(entries) => entries.len(),
            Self::I128(entries) => entries.len(),
        }
    }

    /// Index of the first entry outside `−2^(bits−1) ..< 2^(bits−1)`.
    fn first_outside(&self, bits: u8) -> Option<usize> {
        let outside = |v: i128| v < -(1i128 << (bits - 1)) || v >= 1i128 << (bits - 1);
        match self {
            Self::I64(entries) => entries.iter().position(|&v| outside(v.into())),
            Self::I128(entries) => entries.iter().position(|&v| outside(v)),
        }
    }
}

impl<'a> From<&'a [i64]> for Row<'a> {
    fn from(entries: &'a [i64]) -> Self {
        Self::I64(entries)
    }
}

impl<'a> From<&'a [i128]> for Row<'a> {
    fn from(entries: &'a [i128]) -> Self {
        Self::I128(entries)
    }
}

/// The owner's clear matrix, every entry checked against the shape.
///
/// Protection (suppression of small cells, differential-privacy noise) belongs **in these entries**: a hidden query
/// cannot be inspected, and its author can choose any weights.
#[derive(Debug, Clone)]
pub struct Matrix<'a> {
    shape: Shape,
    rows: Vec<Row<'a>>,
}

impl<'a> Matrix<'a> {
    /// Checks `rows` against `shape`.
    ///
    /// # Errors
    /// [`Error::Rows`], [`Error::CellCount`], or [`Error::Entry`] for the first entry that exceeds its declared width.
    pub fn new(shape: &Shape, rows: impl IntoIterator<Item = impl Into<Row<'a>>>) -> Result<Self, Error> {
        let rows: Vec<Row<'a>> = rows.into_iter().map(Into::into).collect();
        if rows.len() != shape.outputs() {
            return Err(Error::Rows { expected: shape.outputs(), got: rows.len() });
        }
        for (output, (row, &bits)) in rows.iter().zip(shape.value_bits()).enumerate() {
            if row.len() != shape.cells() {
                return Err(Error::CellCount { what: "row", expected: shape.cells(), got: row.len() });
            }
            if let Some(cell) = row.first_outside(bits) {
                return Err(Error::Entry { output, cell, bits });
            }
        }
        Ok(Self { shape: shape.clone(), rows })
    }

    /// The shape that the matrix was checked against.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Writes the balanced digits `limb` of ring block `block` of row `output`, zero beyond the last cell.
    ///
    /// `v = Σ d_j·2^(l·j)` with `−2^(l−1) ≤ d_j < 2^(l−1)`: adding `2^(l−1)` to every digit makes them ordinary ones.
    pub(crate) fn digits(&self, output: usize, limb: usize, block: usize, digits: &mut [i32]) {
        let bits = self.shape.budget.limb_bits();
        let half = 1i128 << (bits - 1);
        let offset: i128 = (0..self.shape.limbs(output)).map(|j| half << (bits as usize * j)).sum();
        let digit = |v: i128| ((((v + offset) >> (bits as usize * limb)) & (2 * half - 1)) - half) as i32;
        let range = block * N..((block + 1) * N).min(self.shape.cells);
        let (head, tail) = digits.split_at_mut(range.len());
        match self.rows[output] {
            Row::I64(entries) => head.iter_mut().zip(&entries[range]).for_each(|(d, &v)| *d = digit(v.into())),
            Row::I128(entries) => head.iter_mut().zip(&entries[range]).for_each(|(d, &v)| *d = digit(v)),
        }
        tail.fill(0);
    }
}

/// Puts limbs together again: `Σ m_j·2^(l·j)`. Intermediate terms may wrap; the sum fits, as [`Shape`] promises.
pub(crate) fn recompose(limbs: impl Iterator<Item = i64>, budget: &NoiseBudget) -> i128 {
    limbs.enumerate().fold(0i128, |sum, (j, m)| sum.wrapping_add(i128::from(m) << (budget.limb_bits() as usize * j)))
}
