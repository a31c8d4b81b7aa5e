//! Encrypted matrix × clear matrix, exact, of any shape up to 2^22 in each direction that [`MAX_PARTS`] parts hold.
//!
//! The product is cut into parts that each fit one query and one answer: some rows of the encrypted matrix, all of the
//! inner dimension, some columns of the clear one. Both sides derive the same parts. Every part has a query and a
//! context of its own, so that no public-key mask is used twice; the security argument is that of [`linear`](super).
//!
//! ```
//! use sealock_fhe::linear::{Context, QueryKey, matmul::Product};
//!
//! let product = Product::new(2, 3, 2, 8, 8)?;
//! let context = Context::new(&[b"nullifier", b"model"]);
//! let key = QueryKey::generate()?;
//! let queries = product.encrypt(&key, &[1, 2, 3, -4, -5, -6], &context)?;
//! let answers = product.evaluate(&queries, &context, &[1, 10, 2, 20, 3, 30])?;
//! assert_eq!(product.decrypt(&key, &answers)?, [14, 140, -32, -320]);
//! # Ok::<(), sealock_fhe::Error>(())
//! ```

use std::ops::Range;

use zeroize::Zeroizing;

use super::{
    MAX_CELLS,
    answer::SealedAnswer,
    budget::Weights,
    client::QueryKey,
    entropy::Context,
    evaluate::evaluate,
    query::EncryptedQuery,
    shape::{Matrix, Shape},
};
use crate::Error;

/// Most parts of one product: queries, and answers.
pub const MAX_PARTS: usize = 1 << 12;

/// What both parties agree on beforehand: sizes of the matrices and widths of their entries, and the parts that follow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Product {
    rows: usize,
    inner: usize,
    columns: usize,
    parts: Vec<Part>,
}

/// One query and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Part {
    rows: Range<usize>,
    columns: Range<usize>,
    shape: Shape,
}

impl Product {
    /// The product of an encrypted `rows × inner` matrix with signed entries of `weight_bits` bits and a clear `inner ×
    /// columns` matrix with signed entries of `entry_bits` bits.
    ///
    /// # Errors
    /// [`Error::Cells`] for an empty dimension or one above [`MAX_CELLS`], [`Error::NoBudget`],
    /// [`Error::ValueBits`], [`Error::Parts`].
    pub fn new(rows: usize, inner: usize, columns: usize, weight_bits: u8, entry_bits: u8) -> Result<Self, Error> {
        let weights = Weights::Signed { bits: weight_bits };
        let shape = |rows, columns| Shape::batch(rows, inner, weights, &vec![entry_bits; columns]);
        shape(1, 1)?;
        if let Some(&got) = [rows, columns].iter().find(|len| !(1..=MAX_CELLS).contains(*len)) {
            return Err(Error::Cells { got });
        }
        // Halved until one part fits: first the rows, so that a part keeps all columns where it can.
        let (mut height, mut width) = (rows, columns);
        while shape(height, width).is_err() {
            if height > 1 {
                height = height.div_ceil(2);
            } else {
                width = width.div_ceil(2);
            }
        }
        let got = rows.div_ceil(height) * columns.div_ceil(width);
        if got > MAX_PARTS {
            return Err(Error::Parts { got });
        }
        let cut = |len: usize, step: usize| (0..len).step_by(step).map(move |at| at..(at + step).min(len));
        let parts = cut(rows, height)
            .flat_map(|rows| cut(columns, width).map(move |columns| (rows.clone(), columns)))
            .map(|(rows, columns)| Ok(Part { shape: shape(rows.len(), columns.len())?, rows, columns }))
            .collect::<Result<_, Error>>()?;
        Ok(Self { rows, inner, columns, parts })
    }

    /// The shape of each part, for lengths ([`EncryptedQuery::encoded_len`], [`SealedAnswer::encoded_len`]) and costs.
    pub fn shapes(&self) -> impl ExactSizeIterator<Item = &Shape> {
        self.parts.iter().map(|part| &part.shape)
    }

    /// Encrypts the left matrix, `rows × inner` entries, row by row: one query for each part.
    ///
    /// # Errors
    /// As [`QueryKey::encrypt_weights`].
    pub fn encrypt(&self, key: &QueryKey, left: &[i64], context: &Context) -> Result<Vec<EncryptedQuery>, Error> {
        check(left.len(), self.rows * self.inner, "left matrix")?;
        let encrypt = |(index, part): (usize, &Part)| {
            let rows = &left[part.rows.start * self.inner..part.rows.end * self.inner];
            key.encrypt_weights(&part.shape, rows, &context.part(index))
        };
        self.parts.iter().enumerate().map(encrypt).collect()
    }

    /// Multiplies with the right matrix, `inner × columns` entries, row by row, and releases each part.
    ///
    /// # Errors
    /// As [`evaluate`](super::evaluate()) and [`Matrix::new`] (whose outputs are the columns here); [`Error::Shape`]
    /// for another number of queries.
    pub fn evaluate(
        &self,
        queries: &[EncryptedQuery],
        context: &Context,
        right: &[i64],
    ) -> Result<Vec<SealedAnswer>, Error> {
        check(right.len(), self.inner * self.columns, "right matrix")?;
        if queries.len() != self.parts.len() {
            return Err(Error::Shape { what: "list of queries" });
        }
        let mut columns = Zeroizing::new(vec![0i64; right.len()]);
        for (at, row) in right.chunks_exact(self.columns).enumerate() {
            row.iter().enumerate().for_each(|(column, &entry)| columns[column * self.inner + at] = entry);
        }
        let evaluate = |(index, (part, query)): (usize, (&Part, &EncryptedQuery))| {
            let rows = columns.chunks_exact(self.inner).skip(part.columns.start).take(part.columns.len());
            evaluate(query, &context.part(index), &Matrix::new(&part.shape, rows)?)
        };
        self.parts.iter().zip(queries).enumerate().map(evaluate).collect()
    }

    /// Decrypts the product, `rows × columns` entries, row by row.
    ///
    /// # Errors
    /// [`Error::Shape`] for answers of other shapes or another number of them.
    pub fn decrypt(&self, key: &QueryKey, answers: &[SealedAnswer]) -> Result<Vec<i128>, Error> {
        if answers.len() != self.parts.len() {
            return Err(Error::Shape { what: "list of answers" });
        }
        let mut product = vec![0; self.rows * self.columns];
        for (part, answer) in self.parts.iter().zip(answers) {
            let opened = key.decrypt(answer, &part.shape)?;
            for (row, entries) in part.rows.clone().zip(opened.chunks_exact(part.columns.len())) {
                let first = row * self.columns + part.columns.start;
                product[first..first + entries.len()].copy_from_slice(entries);
            }
        }
        Ok(product)
    }
}

fn check(got: usize, expected: usize, what: &'static str) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::CellCount { what, expected, got }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::tests::{Rng, context, key, rng, value};

    fn entries(rng: &mut Rng, count: usize, bits: u8) -> Vec<i64> {
        (0..count).map(|_| value(rng, bits) as i64).collect()
    }

    /// `(rows, inner, columns)` and the entries' widths.
    fn is_exact(product: &Product, weight_bits: u8, entry_bits: u8, seed: u8) {
        let Product { rows, inner, columns, .. } = *product;
        let (mut rng, key) = (rng(seed), key(seed));
        let left = entries(&mut rng, rows * inner, weight_bits);
        let right = entries(&mut rng, inner * columns, entry_bits);
        let queries = product.encrypt(&key, &left, &context()).expect("entries fit");
        let answers = product.evaluate(&queries, &context(), &right).expect("shapes agree");
        let clear: Vec<i128> = (0..rows * columns)
            .map(|at| {
                let (row, column) = (&left[at / columns * inner..][..inner], at % columns);
                row.iter().zip(right.chunks_exact(columns)).map(|(&a, b)| i128::from(a) * i128::from(b[column])).sum()
            })
            .collect();
        assert!(product.decrypt(&key, &answers).expect("shapes agree") == clear, "{rows}×{inner}·{inner}×{columns}");
    }

    #[test]
    fn products_of_many_sizes_are_exact() {
        for (seed, (rows, inner, columns, weight_bits, entry_bits)) in
            [(1, 1, 1, 1, 1), (3, 5, 7, 8, 8), (20, 30, 3, 12, 24), (2, 2048, 5, 8, 8), (2, 5000, 2, 16, 48)]
                .into_iter()
                .enumerate()
        {
            let product = Product::new(rows, inner, columns, weight_bits, entry_bits).expect("supported sizes");
            assert_eq!(product.parts.len(), 1);
            is_exact(&product, weight_bits, entry_bits, 200 + seed as u8);
        }
    }

    #[test]
    fn a_product_in_parts_is_exact() {
        let mut product = Product::new(5, 40, 7, 8, 8).expect("supported sizes");
        let part = |rows: Range<usize>, columns: Range<usize>| {
            let bits = vec![8; columns.len()];
            let shape = Shape::batch(rows.len(), 40, Weights::Signed { bits: 8 }, &bits).expect("supported shape");
            Part { rows, columns, shape }
        };
        product.parts = vec![part(0..3, 0..4), part(0..3, 4..7), part(3..5, 0..4), part(3..5, 4..7)];
        is_exact(&product, 8, 8, 210);
    }

    #[test]
    fn large_products_are_cut_into_parts_that_cover_them() {
        assert_eq!(Product::new(1, 2048, 2048, 8, 8).expect("supported sizes").parts.len(), 1);
        for (rows, inner, columns) in [(2048, 2048, 2048), (1, 4096, 100_000), (5000, 1000, 3)] {
            let product = Product::new(rows, inner, columns, 8, 8).expect("supported sizes");
            assert!(product.parts.len() > 1);
            let area: usize = product.parts.iter().map(|part| part.rows.len() * part.columns.len()).sum();
            assert_eq!(area, rows * columns);
            let last = product.parts.last().expect("some parts");
            assert_eq!((last.rows.end, last.columns.end), (rows, columns));
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert_eq!(Product::new(0, 1, 1, 8, 8), Err(Error::Cells { got: 0 }));
        assert_eq!(Product::new(1, 0, 1, 8, 8), Err(Error::Cells { got: 0 }));
        assert_eq!(Product::new(1, 1, 0, 8, 8), Err(Error::Cells { got: 0 }));
        assert_eq!(Product::new(usize::MAX, 1, 1, 8, 8), Err(Error::Cells { got: usize::MAX }));
        assert_eq!(Product::new(1 << 22, 1 << 22, 1, 1, 1), Err(Error::Parts { got: 1 << 22 }));
        assert_eq!(Product::new(1, 2048, 1, 32, 8), Err(Error::NoBudget { bits: 32, cells: 2048 }));
        let product = Product::new(2, 3, 2, 8, 8).expect("supported sizes");
        let key = key(211);
        let what = "left matrix";
        assert_eq!(product.encrypt(&key, &[1; 5], &context()), Err(Error::CellCount { what, expected: 6, got: 5 }));
        let queries = product.encrypt(&key, &[1; 6], &context()).expect("entries fit");
        let what = "right matrix";
        let refused = product.evaluate(&queries, &context(), &[1; 7]);
        assert_eq!(refused, Err(Error::CellCount { what, expected: 6, got: 7 }));
        assert_eq!(product.evaluate(&[], &context(), &[1; 6]), Err(Error::Shape { what: "list of queries" }));
        let another = Context::new(&[b"another"]);
        assert_eq!(product.evaluate(&queries, &another, &[1; 6]), Err(Error::Context));
        let entry = product.evaluate(&queries, &context(), &[1, 1, 1, 128, 1, 1]);
        assert_eq!(entry, Err(Error::Entry { output: 1, cell: 1, bits: 8 }));
        assert_eq!(product.decrypt(&key, &[]), Err(Error::Shape { what: "list of answers" }));
    }
}
