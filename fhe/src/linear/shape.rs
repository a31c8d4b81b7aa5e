//! What is multiplied: the agreed shape, and the owner's matrix checked against it.

use super::{
    MAX_CELLS, MAX_CIPHERTEXTS, MAX_SAMPLES, MAX_VALUE_BITS,
    budget::{NoiseBudget, Weights},
    packing::{Packing, Sharing},
    plan::Plan,
};
use crate::Error;

/// What both parties agree on beforehand: hidden vectors, their cells, kind of weights, and the width of each output's
/// entries.
///
/// Parsed once, trusted afterwards: a value of this type has 1 to [`MAX_CELLS`](super::MAX_CELLS) cells in all vectors,
/// a noise budget that decodes, at least one output, an answer of at most [`MAX_SAMPLES`] samples, and sums that fit an
/// `i128`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    weights: Weights,
    value_bits: Vec<u8>,
    plan: Plan,
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
        Self::batch(1, cells, weights, value_bits)
    }

    /// As [`Self::with_weights`], for `vectors` hidden vectors of `cells` cells each under the same matrix.
    ///
    /// # Errors
    /// As [`Self::with_weights`]; [`Error::Cells`] also for no vector, or for more cells than that in all of them;
    /// [`Error::Vectors`].
    pub fn batch(vectors: usize, cells: usize, weights: Weights, value_bits: &[u8]) -> Result<Self, Error> {
        Self::build(vectors, cells, weights, value_bits, 1)
    }

    /// The same vectors under matrices of so many parties, whose answers are added up: see
    /// [`AnswerShare`](super::AnswerShare).
    ///
    /// # Errors
    /// [`Error::Parties`] unless there are 2 to [`MAX_PARTIES`](super::MAX_PARTIES); as [`Self::batch`], since sums are
    /// wider.
    pub fn summed(&self, parties: usize) -> Result<Self, Error> {
        if parties < 2 {
            return Err(Error::Parties { got: parties });
        }
        Self::build(self.vectors(), self.cells(), self.weights, &self.value_bits, parties)
    }

    pub(crate) fn build(
        vectors: usize,
        cells: usize,
        weights: Weights,
        value_bits: &[u8],
        parties: usize,
    ) -> Result<Self, Error> {
        let budget = NoiseBudget::for_sum(cells, weights, parties)?;
        let all = vectors.saturating_mul(cells);
        if !(1..=MAX_CELLS).contains(&all) {
            return Err(Error::Cells { got: all });
        }
        let terms = cells.saturating_mul(parties);
        let growth = terms.next_power_of_two().trailing_zeros() + u32::from(weights.code());
        for &bits in value_bits {
            if !(1..=MAX_VALUE_BITS).contains(&bits) || u32::from(bits) + growth > 127 {
                return Err(Error::ValueBits { bits });
            }
        }
        let plan = Plan::choose(vectors, cells, weights, value_bits, budget);
        let shape = Self { weights, value_bits: value_bits.to_vec(), plan };
        if shape.ciphertexts() > MAX_CIPHERTEXTS {
            return Err(Error::Vectors { vectors, ciphertexts: shape.ciphertexts() });
        }
        if !(1..=MAX_SAMPLES).contains(&shape.samples()) {
            return Err(Error::Outputs { outputs: shape.outputs(), samples: shape.samples() });
        }
        Ok(shape)
    }

    /// Hidden vectors.
    pub fn vectors(&self) -> usize {
        self.packing().vectors
    }

    /// Cells of one hidden vector, columns of the matrix.
    pub fn cells(&self) -> usize {
        self.packing().cells
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

    /// Parties whose answers are added up; 1 for an answer of its own.
    pub fn parties(&self) -> usize {
        self.budget().parties()
    }

    /// The noise budget that follows from cells, weights, parties and what shares ring ciphertexts.
    pub fn budget(&self) -> &NoiseBudget {
        &self.plan.budget
    }

    /// Most bits that a consumer that cheats reads of one output in the results of one vector, however many vectors share and
    /// however they are cut: the bits above the flooding of as many results as the widest output has limbs.
    pub fn most_bits_read(&self) -> u32 {
        let widest = self.value_bits.iter().copied().max().unwrap_or(0);
        let read = |budget: NoiseBudget| budget.limbs(widest) as u32 * budget.bits_above_flood();
        Sharing::all(self.cells())
            .filter_map(|sharing| NoiseBudget::for_sharing(self.cells(), self.weights, self.parties(), sharing).ok())
            .map(read)
            .max()
            .unwrap_or(0)
    }

    /// Balanced digits of an output's entries.
    pub(crate) fn limbs(&self, output: usize) -> usize {
        self.budget().limbs(self.value_bits[output])
    }

    /// Ring ciphertexts of an answer, each with a mask of 4,096 coefficients.
    pub fn samples(&self) -> usize {
        self.plan.samples()
    }

    /// Ring ciphertexts that hold the weights.
    pub fn ciphertexts(&self) -> usize {
        self.packing().ciphertexts()
    }

    /// Ring products that the masks of an answer take, those of its release left out: what its time grows with, beside
    /// [`Self::samples`].
    pub fn products(&self) -> usize {
        self.samples() * self.packing().blocks()
    }

    pub(crate) fn packing(&self) -> &Packing {
        &self.plan.packing
    }

    /// Limbs of all outputs: results per vector.
    pub(crate) fn columns(&self) -> usize {
        self.plan.columns
    }

    /// Groups of columns that share ring elements.
    pub(crate) fn column_tiles(&self) -> usize {
        self.plan.column_tiles()
    }

    /// Columns of a tile.
    pub(crate) fn columns_of(&self, tile: usize) -> std::ops::Range<usize> {
        let columns = self.packing().columns;
        tile * columns..((tile + 1) * columns).min(self.columns())
    }

    /// Vectors and columns that meet in each sample, in the order of an answer: column tile by column tile.
    pub(crate) fn tiles(&self) -> impl Iterator<Item = (std::ops::Range<usize>, std::ops::Range<usize>)> {
        let tiles = move |columns| (0..self.packing().tiles()).map(move |tile| (tile, columns));
        (0..self.column_tiles())
            .flat_map(tiles)
            .map(|(tile, columns)| (self.packing().vectors_of(tile), self.columns_of(columns)))
    }
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

    /// Output and limb of every column.
    pub(crate) fn columns(&self) -> Vec<(usize, usize)> {
        (0..self.shape.outputs()).flat_map(|o| (0..self.shape.limbs(o)).map(move |limb| (o, limb))).collect()
    }

    /// Writes the balanced digits `limb` of ring block `block` of row `output`, one per cell.
    ///
    /// `v = Σ d_j·2^(l·j)` with `−2^(l−1) ≤ d_j < 2^(l−1)`: adding `2^(l−1)` to every digit makes them ordinary ones.
    pub(crate) fn digits(&self, (output, limb): (usize, usize), block: usize, digits: &mut [i32]) {
        let bits = self.shape.budget().limb_bits() as usize;
        let half = 1i128 << (bits - 1);
        let offset: i128 = (0..self.shape.limbs(output)).map(|j| half << (bits * j)).sum();
        let digit = |v: i128| ((((v + offset) >> (bits * limb)) & (2 * half - 1)) - half) as i32;
        let range = self.shape.packing().cells_of(block);
        match self.rows[output] {
            Row::I64(entries) => digits.iter_mut().zip(&entries[range]).for_each(|(d, &v)| *d = digit(v.into())),
            Row::I128(entries) => digits.iter_mut().zip(&entries[range]).for_each(|(d, &v)| *d = digit(v)),
        }
    }
}

/// Puts limbs together again: `Σ m_j·2^(l·j)`. Intermediate terms may wrap; the sum fits, as [`Shape`] promises.
pub(crate) fn recompose(limbs: impl Iterator<Item = i64>, budget: &NoiseBudget) -> i128 {
    limbs.enumerate().fold(0i128, |sum, (j, m)| sum.wrapping_add(i128::from(m) << (budget.limb_bits() as usize * j)))
}
