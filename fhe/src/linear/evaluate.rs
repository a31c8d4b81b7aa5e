//! The executor's side: inner products on ciphertexts, released at once.
//!
//! Weights and digits are packed as [`packing`](super::packing) says. The mask of a product is needed whole; of its
//! body only the coefficients that are results, which are computed as plain dot products where they are few. Each
//! ciphertext is transformed once, and so is each tile of columns for up to 16 tiles of vectors; products add up in the
//! transform domain.

use rayon::prelude::*;
use tfhe::core_crypto::{
    commons::math::random::{RandomGenerator, Seed},
    prelude::DefaultRandomGenerator,
};
use zeroize::Zeroizing;

use super::{
    answer::{Sample, SealedAnswer},
    entropy::{Context, Entropy},
    query::EncryptedQuery,
    release::{Fresh, ZeroKey},
    ring::{Accumulator, Factor, N, Operand, Selection, Transformed},
    shape::{Matrix, Shape},
};
use crate::{Device, Error};

/// Times of a body's transform, of a product in the transform domain and of the way back from it, in those of a dot
/// product of N terms (measured).
const TRANSFORM: usize = 32;
const PRODUCT: usize = 2;
const INVERSE: usize = 26;
/// Tiles of vectors that share one transform of a tile of columns.
const STRIPE: usize = 16;

/// Computes and releases every output of `matrix` under the query.
///
/// `context` is the executor's own record of the request, never something the query carries.
///
/// # Errors
/// [`Error::Context`] when the query was made for another request, [`Error::Shape`] when for another shape,
/// [`Error::Parties`] for the shape of a sum, [`Error::Entropy`].
pub fn evaluate(query: &EncryptedQuery, context: &Context, matrix: &Matrix<'_>) -> Result<SealedAnswer, Error> {
    evaluate_with_entropy(query, context, matrix, Entropy::from_os()?)
}

/// As [`evaluate`], from the caller's randomness, which must be secret and never used before.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with_entropy(
    query: &EncryptedQuery,
    context: &Context,
    matrix: &Matrix<'_>,
    entropy: Entropy,
) -> Result<SealedAnswer, Error> {
    if matrix.shape().parties() > 1 {
        return Err(Error::Parties { got: matrix.shape().parties() });
    }
    evaluate_any(query, context, matrix, &entropy)
}

/// As [`evaluate`], on a device. The answer does not depend on it.
///
/// # Errors
/// As [`evaluate`]; [`Error::Device`] if it cannot be used or fails: nothing is computed elsewhere then.
pub fn evaluate_on(
    device: Device,
    query: &EncryptedQuery,
    context: &Context,
    matrix: &Matrix<'_>,
) -> Result<SealedAnswer, Error> {
    match device {
        Device::Cpu => evaluate(query, context, matrix),
        #[cfg(feature = "cuda")]
        Device::Cuda(index) => {
            evaluate_elsewhere(&*crate::cuda::Gpu::of(index)?, query, context, matrix, &Entropy::from_os()?)
        }
        #[cfg(not(feature = "cuda"))]
        Device::Cuda(_) => Err(device.check().expect_err("this build has none")),
    }
}

/// As [`evaluate_with_entropy`], where products are computed by `device`.
#[cfg(any(test, feature = "cuda"))]
pub(crate) fn evaluate_elsewhere<D: super::offload::RingDevice>(
    device: &D,
    query: &EncryptedQuery,
    context: &Context,
    matrix: &Matrix<'_>,
    entropy: &Entropy,
) -> Result<SealedAnswer, Error> {
    if matrix.shape().parties() > 1 {
        return Err(Error::Parties { got: matrix.shape().parties() });
    }
    check(query, context, matrix)?;
    let zero = ZeroKey::new(&context.key_mask(), &query.zero_body);
    let samples = super::offload::samples(device, query, matrix, &zero, entropy)?;
    Ok(SealedAnswer::new(matrix.shape().clone(), samples))
}

/// Whether the query is one for this request and this shape.
fn check(query: &EncryptedQuery, context: &Context, matrix: &Matrix<'_>) -> Result<(), Error> {
    if query.context != *context {
        return Err(Error::Context);
    }
    if !query.fits(matrix.shape()) {
        return Err(Error::Shape { what: "query" });
    }
    Ok(())
}

/// An answer of its own, or one of several that are to be added up and must be blinded before anybody sees it.
pub(crate) fn evaluate_any(
    query: &EncryptedQuery,
    context: &Context,
    matrix: &Matrix<'_>,
    entropy: &Entropy,
) -> Result<SealedAnswer, Error> {
    let shape = matrix.shape();
    check(query, context, matrix)?;
    let product = Product::new(query, matrix);
    let zero = ZeroKey::new(&context.key_mask(), &query.zero_body);
    let tiles = shape.packing().tiles();
    let stripes: Vec<_> = (0..shape.column_tiles())
        .flat_map(|columns| (0..tiles).step_by(STRIPE).map(move |first| (columns, first..tiles.min(first + STRIPE))))
        .collect();
    let samples: Vec<Vec<Sample>> = stripes
        .into_par_iter()
        .map(|(columns, vectors)| {
            let first = columns * tiles + vectors.start;
            let raw = product.raw(columns, vectors);
            let release = |(index, raw): (usize, Raw)| {
                let fresh = Fresh::sample(shape.budget(), raw.body.at().len(), entropy, (first + index) as u64);
                raw.release(&zero, &fresh).round(shape.budget())
            };
            raw.into_iter().enumerate().map(release).collect()
        })
        .collect();
    Ok(SealedAnswer::new(shape.clone(), samples.into_iter().flatten().collect()))
}

/// A raw product: its mask is (public mask × matrix rows), so it must never leave this crate.
pub(crate) struct Raw {
    /// Transformed, so that the zero is added before anything is read.
    pub(crate) mask: Accumulator,
    /// The results.
    pub(crate) body: Selection,
}

/// A query made ready to be multiplied with a matrix.
pub(crate) struct Product<'a> {
    masks: Vec<Transformed>,
    bodies: Vec<Factor<'static>>,
    matrix: &'a Matrix<'a>,
    columns: Vec<(usize, usize)>,
}

impl<'a> Product<'a> {
    pub(crate) fn new(query: &EncryptedQuery, matrix: &'a Matrix<'a>) -> Self {
        let masks = expand_masks(query.mask_seed, matrix.shape().ciphertexts());
        Self::with_masks(&masks, query.ring_bodies(), matrix)
    }

    /// Of ciphertexts given by their masks and whole bodies.
    pub(crate) fn with_masks(masks: &[Vec<u128>], bodies: Vec<Vec<u128>>, matrix: &'a Matrix<'a>) -> Self {
        let masks = masks.par_iter().map(|mask| Transformed::new(mask)).collect();
        let bodies = bodies.into_iter().map(Factor::new).collect();
        Self { masks, bodies, matrix, columns: matrix.columns() }
    }

    /// Products of some tiles of vectors with one tile of columns.
    pub(crate) fn raw(&self, column_tile: usize, tiles: std::ops::Range<usize>) -> Vec<Raw> {
        let shape = self.matrix.shape();
        let packing = shape.packing();
        let columns = shape.columns_of(column_tile);
        let transformed = prefers_transforms(shape);
        let mut sums: Vec<_> = tiles
            .map(|tile| {
                let results = packing.results(packing.vectors_of(tile).len(), columns.len());
                (tile, Raw { mask: Accumulator::new(), body: Selection::new(results, transformed) })
            })
            .collect();
        let mut digits = Zeroizing::new(vec![0i32; packing.width()]);
        let mut operand = Operand::new();
        for block in 0..packing.blocks() {
            self.digits(columns.clone(), block, &mut digits);
            operand.set(&digits);
            for (tile, sum) in &mut sums {
                let ciphertext = *tile * packing.blocks() + block;
                sum.mask.add_product(&self.masks[ciphertext], &operand);
                sum.body.add_product(&self.bodies[ciphertext], &operand);
            }
        }
        sums.into_iter().map(|(_, sum)| sum).collect()
    }

    /// The ring element that holds one block of some columns.
    pub(crate) fn digits(&self, columns: std::ops::Range<usize>, block: usize, digits: &mut [i32]) {
        let packing = self.matrix.shape().packing();
        digits.fill(0);
        for (k, &column) in self.columns[columns].iter().enumerate() {
            let first = packing.column(k);
            self.matrix.digits(column, block, &mut digits[first..first + packing.cells_of(block).len()]);
        }
    }
}

/// Whether bodies are computed faster in the transform domain than as dot products with the digits and with the zero's
/// secret.
fn prefers_transforms(shape: &Shape) -> bool {
    let (packing, tiles) = (shape.packing(), shape.column_tiles());
    let (blocks, results) = (packing.blocks(), packing.rows * packing.columns);
    let dots = results * (blocks * packing.width() + N);
    let transforms = (blocks + 1) * PRODUCT + INVERSE + (blocks * TRANSFORM).div_ceil(tiles);
    dots > transforms * N
}

/// The masks of a seeded list, in the order in which tfhe's encryption drew them.
pub(crate) fn expand_masks(seed: u128, count: usize) -> Vec<Vec<u128>> {
    let mut generator = RandomGenerator::<DefaultRandomGenerator>::new(Seed(seed));
    (0..count)
        .map(|_| {
            let mut mask = vec![0u128; N];
            generator.fill_slice_with_random_uniform(&mut mask);
            mask
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tfhe::core_crypto::{commons::math::random::CompressionSeed, prelude::*};

    #[test]
    fn masks_are_those_that_tfhe_decompresses() {
        let seeded = SeededGlweCiphertextList::new(
            0u128,
            GlweSize(2),
            PolynomialSize(N),
            GlweCiphertextCount(3),
            CompressionSeed::from(Seed(7)),
            CiphertextModulus::new_native(),
        );
        let list = seeded.decompress_into_glwe_ciphertext_list();
        let masks = expand_masks(7, 3);
        for (ciphertext, mask) in list.iter().zip(&masks) {
            assert_eq!(ciphertext.get_mask().as_ref(), mask.as_slice());
        }
    }
}
