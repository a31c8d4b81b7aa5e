//! Encrypted matrix × clear matrix, exact, of any shape up to 2^22 in each direction that [`MAX_PARTS`] parts hold.
//!
//! The product is cut into parts that each fit one query and one answer: some rows of the encrypted matrix, all of the
//! inner dimension, some columns of the clear one. Both sides derive the same parts. Every part has a query and a
//! context of its own, so that no public-key mask is used twice; the security argument is that of [`linear`](super).
//!
//! ```
//! use sealock_fhe::linear::matmul::{Product, SecretKey};
//!
//! let product = Product::new(2, 3, 2, 8, 8)?;
//! let context = product.context(b"job 7");
//! let key = SecretKey::generate()?;
//! let queries = product.encrypt(key.query_key(), &[1, 2, 3, -4, -5, -6], &context)?;
//! let answers = product.evaluate(&queries, &context, &[1, 10, 2, 20, 3, 30])?;
//! assert_eq!(product.decrypt(key.query_key(), &answers)?, [14, 140, -32, -320]);
//! # Ok::<(), sealock_fhe::Error>(())
//! ```
//!
//! The bindings exchange products with each other, so what they have in common is here: how a key follows from 32 bytes,
//! the [context](Product::context) of a request, and the [one byte string](join) that several queries or answers make:
//!
//! ```text
//! version 1 ‖ parts u64 ‖ for each part: length u64 ‖ its bytes                                       little-endian
//! ```

use std::ops::Range;

use zeroize::Zeroizing;

use super::{
    MAX_CELLS,
    answer::SealedAnswer,
    budget::Weights,
    client::QueryKey,
    entropy::{Context, Entropy},
    evaluate::evaluate_on,
    query::EncryptedQuery,
    shape::{Matrix, Shape},
};
use crate::{Device, Error, wire::exact};

/// Most parts of one product: queries, and answers.
pub const MAX_PARTS: usize = 1 << 12;

/// Bytes of a [`SecretKey`].
pub const SECRET_BYTES: usize = 32;

const VERSION: u8 = 1;
const WHAT: &str = "matrix product";

/// A [`QueryKey`] and the 32 bytes that it was made of, for whoever keeps keys. Make one for each product. Wiped on
/// drop.
pub struct SecretKey {
    secret: Zeroizing<[u8; SECRET_BYTES]>,
    key: QueryKey,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(_)")
    }
}

impl SecretKey {
    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn generate() -> Result<Self, Error> {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        getrandom::fill(secret.as_mut()).map_err(|e| Error::Entropy(e.to_string()))?;
        Ok(Self::from_secret_bytes(&secret))
    }

    /// The key of 32 bytes from [`Self::expose_secret_bytes`], or any that are as hard to guess.
    pub fn from_secret_bytes(secret: &[u8; SECRET_BYTES]) -> Self {
        let key = QueryKey::generate_with_entropy(Entropy::from_seed(*secret));
        Self { secret: Zeroizing::new(*secret), key }
    }

    /// The secret, for a key store alone.
    pub fn expose_secret_bytes(&self) -> &[u8; SECRET_BYTES] {
        &self.secret
    }

    /// The key that encrypts and decrypts.
    pub fn query_key(&self) -> &QueryKey {
        &self.key
    }
}

/// Puts encoded queries or answers into one byte string.
pub fn join(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Vec::with_capacity(joined_len(parts.iter().map(Vec::len)));
    out.push(VERSION);
    out.extend((parts.len() as u64).to_le_bytes());
    for part in parts {
        out.extend((part.len() as u64).to_le_bytes());
        out.extend(part);
    }
    out
}

/// Length of what [`join`] makes of parts of these lengths, in bytes.
pub fn joined_len(parts: impl Iterator<Item = usize>) -> usize {
    parts.map(|len| 8 + len).sum::<usize>() + 1 + 8
}

/// Reads what [`join`] wrote. What the parts are, [`EncryptedQuery::from_bytes`] and [`SealedAnswer::from_bytes`] check.
///
/// # Errors
/// [`Error::Version`], [`Error::Length`] for bytes that end too early or go on.
pub fn split(bytes: &[u8]) -> Result<Vec<&[u8]>, Error> {
    if let Some(&got) = bytes.first().filter(|&&got| got != VERSION) {
        return Err(Error::Version { what: WHAT, expected: VERSION, got });
    }
    let mut at = 1usize;
    let mut take = |len: u64| {
        let end = usize::try_from(len).map_or(usize::MAX, |len| at.saturating_add(len));
        let taken = bytes.get(at..end).ok_or(Error::Length { what: WHAT, expected: end, got: bytes.len() })?;
        at = end;
        Ok::<_, Error>(taken)
    };
    let number = |eight: &[u8]| u64::from_le_bytes(eight.try_into().expect("eight bytes were taken"));
    let count = number(take(8)?);
    // Each takes eight bytes at least, so that a count alone allocates nothing.
    let mut parts = Vec::new();
    for _ in 0..count {
        let len = number(take(8)?);
        parts.push(take(len)?);
    }
    exact(WHAT, at, bytes)?;
    Ok(parts)
}

/// What both parties agree on beforehand: sizes of the matrices and widths of their entries, and the parts that follow.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Product {
    rows: usize,
    inner: usize,
    columns: usize,
    weight_bits: u8,
    entry_bits: u8,
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
        Ok(Self { rows, inner, columns, weight_bits, entry_bits, parts })
    }

    /// Rows of the encrypted matrix.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns of the encrypted matrix, rows of the clear one.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// Columns of the clear matrix.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Signed width of the encrypted entries, in bits.
    pub fn weight_bits(&self) -> u8 {
        self.weight_bits
    }

    /// Signed width of the clear entries, in bits.
    pub fn entry_bits(&self) -> u8 {
        self.entry_bits
    }

    /// Signed width that every entry of the product has room in, in bits.
    pub fn product_bits(&self) -> u32 {
        // Σ |a·b| ≤ inner · 2^(weight_bits − 1) · 2^(entry_bits − 1), and a sign.
        u32::from(self.weight_bits) + u32::from(self.entry_bits) + self.inner.next_power_of_two().ilog2()
    }

    /// The context of a request that both sides know by `request`: those bytes, and the sizes that they agreed on.
    pub fn context(&self, request: &[u8]) -> Context {
        let sizes = [self.rows as u64, self.inner as u64, self.columns as u64].map(u64::to_le_bytes).concat();
        Context::new(&[b"sealock/v1/matrix-product", &sizes, &[self.weight_bits, self.entry_bits], request])
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
        self.evaluate_on(Device::Cpu, queries, context, right)
    }

    /// As [`evaluate`](Self::evaluate), on a device.
    ///
    /// # Errors
    /// As [`evaluate`](Self::evaluate); [`Error::Device`].
    pub fn evaluate_on(
        &self,
        device: Device,
        queries: &[EncryptedQuery],
        context: &Context,
        right: &[i64],
    ) -> Result<Vec<SealedAnswer>, Error> {
        check(right.len(), self.inner * self.columns, "right matrix")?;
        if queries.len() != self.parts.len() {
            return Err(Error::Shape { what: "list of queries" });
        }
        let columns = Zeroizing::new(transposed(right, self.inner, self.columns));
        let evaluate = |(index, (part, query)): (usize, (&Part, &EncryptedQuery))| {
            let rows = columns.chunks_exact(self.inner).skip(part.columns.start).take(part.columns.len());
            evaluate_on(device, query, &context.part(index), &Matrix::new(&part.shape, rows)?)
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

/// The columns of a matrix, one after the other. Tile by tile, so that what is read and what is written stays in the cache.
fn transposed(matrix: &[i64], rows: usize, columns: usize) -> Vec<i64> {
    const TILE: usize = 32;
    let mut out = vec![0; matrix.len()];
    for first_row in (0..rows).step_by(TILE) {
        for first_column in (0..columns).step_by(TILE) {
            for row in first_row..rows.min(first_row + TILE) {
                for column in first_column..columns.min(first_column + TILE) {
                    out[column * rows + row] = matrix[row * columns + column];
                }
            }
        }
    }
    out
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
    fn a_key_is_that_of_its_bytes() {
        let product = Product::new(2, 3, 2, 8, 8).expect("supported sizes");
        let key = SecretKey::generate().expect("the system gives randomness");
        let again = SecretKey::from_secret_bytes(key.expose_secret_bytes());
        let other = SecretKey::generate().expect("the system gives randomness");
        assert_ne!(key.expose_secret_bytes(), other.expose_secret_bytes());
        let context = product.context(b"job");
        let queries = product.encrypt(key.query_key(), &[1, 2, 3, -4, -5, -6], &context).expect("entries fit");
        let answers = product.evaluate(&queries, &context, &[1, 10, 2, 20, 3, 30]).expect("shapes agree");
        let open = |key: &SecretKey| product.decrypt(key.query_key(), &answers).expect("shapes agree");
        assert_eq!(open(&again), [14, 140, -32, -320]);
        assert_ne!(open(&other), [14, 140, -32, -320]);
        assert_eq!(format!("{key:?}"), "SecretKey(_)");
    }

    #[test]
    fn a_context_is_of_a_request_and_of_all_sizes() {
        let of = |rows, inner, columns, weight_bits, entry_bits, request: &[u8]| {
            Product::new(rows, inner, columns, weight_bits, entry_bits).expect("supported sizes").context(request)
        };
        let base = of(2, 3, 4, 8, 9, b"job");
        assert_eq!(base, of(2, 3, 4, 8, 9, b"job"));
        let others = [
            of(3, 3, 4, 8, 9, b"job"),
            of(2, 4, 4, 8, 9, b"job"),
            of(2, 3, 5, 8, 9, b"job"),
            of(2, 3, 4, 7, 9, b"job"),
            of(2, 3, 4, 8, 8, b"job"),
            of(2, 3, 4, 8, 9, b"job "),
        ];
        assert!(others.iter().all(|other| *other != base));
        // Computed by another SHAKE256.
        let hex: String = base.id().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "8aeec9ca09822f4a60234fa8a5173a3d2e65642a36bc6dea90bd3592472810e1");
    }

    #[test]
    fn products_have_room_in_the_bits_that_are_stated() {
        // The largest there is: every entry at its least value.
        for (inner, weight_bits, entry_bits) in [(1usize, 8u8, 8u8), (3, 2, 62), (4, 8, 8), (5, 1, 1), (1000, 12, 24)] {
            let product = Product::new(1, inner, 1, weight_bits, entry_bits).expect("supported sizes");
            let most = (inner as i128) << (weight_bits - 1 + entry_bits - 1);
            assert!(most < 1 << (product.product_bits() - 1), "{inner} {weight_bits} {entry_bits}");
            assert!(most >= 1 << (product.product_bits() - 4));
        }
    }

    #[test]
    fn joined_parts_are_read_strictly() {
        for parts in [vec![], vec![vec![]], vec![vec![7; 3], vec![], vec![8; 300]]] {
            let bytes = join(&parts);
            assert_eq!(bytes.len(), joined_len(parts.iter().map(Vec::len)));
            assert_eq!(split(&bytes).expect("what was joined"), parts);
            for cut in 0..bytes.len() {
                let refused = split(&bytes[..cut]).expect_err("cut");
                assert!(matches!(refused, Error::Length { got, .. } if got == cut), "{refused}");
            }
            let longer = [bytes.as_slice(), &[0]].concat();
            let (what, expected, got) = (WHAT, bytes.len(), bytes.len() + 1);
            assert_eq!(split(&longer), Err(Error::Length { what, expected, got }));
        }
        assert_eq!(split(&[2, 0]), Err(Error::Version { what: WHAT, expected: 1, got: 2 }));
        // Counts and lengths that no memory has.
        for huge in [[&[1][..], &[255; 8]].concat(), [&[1, 1, 0, 0, 0, 0, 0, 0, 0][..], &[255; 8]].concat()] {
            assert!(matches!(split(&huge), Err(Error::Length { .. })));
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
    fn a_matrix_of_any_size_is_transposed() {
        for (rows, columns) in [(1, 1), (1, 70), (70, 1), (31, 33), (64, 32), (100, 65)] {
            let matrix: Vec<i64> = (0..(rows * columns) as i64).collect();
            let out = transposed(&matrix, rows, columns);
            for (at, &entry) in out.iter().enumerate() {
                assert_eq!(entry, matrix[at % rows * columns + at / rows]);
            }
        }
    }

    #[test]
    fn large_products_are_cut_into_parts_that_cover_them() {
        assert_eq!(Product::new(1, 2048, 2048, 8, 8).expect("supported sizes").parts.len(), 1);
        for (rows, inner, columns) in [(2048, 2048, 2048), (1, 4096, 64 * 40_000), (5000, 1000, 3)] {
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
