//! The executor's side: inner products on ciphertexts, released at once.
//!
//! With cells packed as coefficients, `(Σ x_i X^i)·(w_0 − Σ_{i>0} w_i X^(N−i))` has `Σ x_i·w_i` at X^0. Only that
//! coefficient of the body is computed, as a plain dot product; the mask is needed whole. Each ciphertext's mask is
//! transformed once and serves every output and limb; products add up in the transform domain.

use rayon::prelude::*;
use tfhe::core_crypto::{
    commons::math::random::{RandomGenerator, Seed},
    prelude::DefaultRandomGenerator,
};
use zeroize::Zeroizing;

use super::{
    answer::SealedAnswer,
    entropy::{Context, Entropy},
    query::EncryptedQuery,
    release::{Fresh, ZeroKey},
    ring::{Accumulator, N, Transformed},
    shape::Matrix,
};
use crate::Error;

/// Computes and releases every output of `matrix` under the query.
///
/// `context` is the executor's own record of the request, never something the query carries.
///
/// # Errors
/// [`Error::Context`] when the query was made for another request, [`Error::Shape`] when for another shape,
/// [`Error::Entropy`].
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
    let shape = matrix.shape();
    if query.context != *context {
        return Err(Error::Context);
    }
    if (query.cells, query.weights) != (shape.cells(), shape.weights()) {
        return Err(Error::Shape { what: "query" });
    }
    let product = Product::new(query, matrix);
    let zero = ZeroKey::new(&context.key_mask(), &query.zero_body);
    let tasks: Vec<_> = (0..shape.outputs()).flat_map(|o| (0..shape.limbs(o)).map(move |l| (o, l))).collect();
    let samples = tasks
        .par_iter()
        .enumerate()
        .map(|(index, &(output, limb))| {
            let fresh = Fresh::sample(shape.budget(), &entropy, index as u64);
            product.raw(output, limb).release(&zero, &fresh).round()
        })
        .collect();
    Ok(SealedAnswer::new(shape.clone(), samples))
}

/// A raw output: its mask is (public mask × matrix row), so it must never leave this crate.
pub(crate) struct Raw {
    pub(crate) mask: Zeroizing<Vec<u128>>,
    pub(crate) body: u128,
}

/// A query made ready to be multiplied with a matrix.
pub(crate) struct Product<'a> {
    masks: Vec<Transformed>,
    bodies: &'a [u128],
    matrix: &'a Matrix<'a>,
}

impl<'a> Product<'a> {
    fn new(query: &'a EncryptedQuery, matrix: &'a Matrix<'a>) -> Self {
        Self::with_masks(&expand_masks(query.mask_seed, matrix.shape().ciphertexts()), &query.bodies, matrix)
    }

    pub(crate) fn with_masks(masks: &[Vec<u128>], bodies: &'a [u128], matrix: &'a Matrix<'a>) -> Self {
        Self { masks: masks.par_iter().map(|mask| Transformed::new(mask)).collect(), bodies, matrix }
    }

    /// Inner product of the encrypted weights with one limb of one row.
    pub(crate) fn raw(&self, output: usize, limb: usize) -> Raw {
        let mut digits = Zeroizing::new(vec![0i32; N]);
        let mut reversed = Zeroizing::new(vec![0i32; N]);
        let mut mask = Accumulator::new();
        let mut body = 0u128;
        for (block, (transformed, bodies)) in self.masks.iter().zip(self.bodies.chunks_exact(N)).enumerate() {
            self.matrix.digits(output, limb, block, &mut digits);
            reversed[0] = digits[0];
            reversed[1..].iter_mut().zip(digits[1..].iter().rev()).for_each(|(r, &d)| *r = -d);
            mask.add_product(transformed, &reversed);
            body = bodies
                .iter()
                .zip(digits.iter())
                .fold(body, |sum, (&b, &d)| sum.wrapping_add(b.wrapping_mul(d as u128)));
        }
        Raw { mask: mask.finish(), body }
    }
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
