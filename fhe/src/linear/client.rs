//! The consumer's side: secret key, encryption of the weights, decryption of the answer.

use rayon::prelude::*;
use tfhe::core_crypto::{
    commons::math::random::{RandomGenerator, Seed, TUniform},
    prelude::*,
};
use zeroize::Zeroizing;

use super::{
    answer::{Sample, SealedAnswer},
    budget::{NOISE_LOG2, NoiseBudget, Weights},
    entropy::{Context, Entropy},
    evaluate::expand_masks,
    query::{EncryptedQuery, truncate},
    ring::{Accumulator, N, Operand, Transformed, coefficient},
    shape::{Shape, recompose},
};
use crate::Error;

/// The consumer's secret key: 4,096 uniform bits.
///
/// Make one per request. The coefficients are wiped on drop.
pub struct QueryKey {
    secret: Zeroizing<Vec<u128>>,
}

impl std::fmt::Debug for QueryKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("QueryKey(_)")
    }
}

impl QueryKey {
    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn generate() -> Result<Self, Error> {
        Ok(Self::generate_with_entropy(Entropy::from_os()?))
    }

    /// As [`Self::generate`], from the caller's randomness.
    pub fn generate_with_entropy(entropy: Entropy) -> Self {
        let mut secret = Zeroizing::new(vec![0u128; N]);
        let mut generator = SecretRandomGenerator::<DefaultRandomGenerator>::new(entropy.seed("secret-key", 0));
        let mut key = GlweSecretKey::from_container(secret.as_mut_slice(), PolynomialSize(N));
        generate_binary_glwe_secret_key(&mut key, &mut generator);
        Self { secret }
    }

    /// Encrypts which cells are to be added up, for the request that `context` names: `vectors × cells` bits, vector by
    /// vector.
    ///
    /// # Errors
    /// [`Error::Shape`] if `shape` is not one of indicators, [`Error::CellCount`] for another number of bits;
    /// [`Error::Entropy`].
    pub fn encrypt(&self, shape: &Shape, indicator: &[bool], context: &Context) -> Result<EncryptedQuery, Error> {
        self.encrypt_with_entropy(shape, indicator, context, Entropy::from_os()?)
    }

    /// As [`Self::encrypt`], from the caller's randomness.
    ///
    /// # Errors
    /// As [`Self::encrypt`].
    pub fn encrypt_with_entropy(
        &self,
        shape: &Shape,
        indicator: &[bool],
        context: &Context,
        entropy: Entropy,
    ) -> Result<EncryptedQuery, Error> {
        if shape.weights() != Weights::Indicator {
            return Err(Error::Shape { what: "indicator" });
        }
        check_count(shape, indicator.len(), "indicator")?;
        Ok(self.encrypt_encoded(shape, |i| u128::from(indicator[i]), context, entropy))
    }

    /// Encrypts signed integer weights (inputs of a linear model, for instance): `vectors × cells`, vector by vector.
    ///
    /// # Errors
    /// [`Error::Shape`] if `shape` is one of indicators, [`Error::CellCount`] for another number of weights,
    /// [`Error::Weight`] for the first weight out of range, [`Error::Entropy`].
    pub fn encrypt_weights(&self, shape: &Shape, weights: &[i64], context: &Context) -> Result<EncryptedQuery, Error> {
        self.encrypt_weights_with_entropy(shape, weights, context, Entropy::from_os()?)
    }

    /// As [`Self::encrypt_weights`], from the caller's randomness.
    ///
    /// # Errors
    /// As [`Self::encrypt_weights`].
    pub fn encrypt_weights_with_entropy(
        &self,
        shape: &Shape,
        weights: &[i64],
        context: &Context,
        entropy: Entropy,
    ) -> Result<EncryptedQuery, Error> {
        let Weights::Signed { bits } = shape.weights() else { return Err(Error::Shape { what: "weights" }) };
        check_count(shape, weights.len(), "weights")?;
        let half = 1i64 << (bits - 1);
        if let Some(cell) = weights.iter().position(|w| !(-half..half).contains(w)) {
            return Err(Error::Weight { cell, bits });
        }
        Ok(self.encrypt_encoded(shape, |i| weights[i] as u128, context, entropy))
    }

    fn encrypt_encoded(
        &self,
        shape: &Shape,
        weight: impl Fn(usize) -> u128 + Sync,
        context: &Context,
        entropy: Entropy,
    ) -> EncryptedQuery {
        let (packing, delta) = (*shape.packing(), shape.budget().delta_log2());
        let secret = self.operand();
        let Seed(mask_seed) = entropy.seed("query-mask", 0);
        let bodies = expand_masks(mask_seed, packing.ciphertexts())
            .par_iter()
            .enumerate()
            .flat_map_iter(|(index, mask)| {
                let mut body = zero(mask, &secret, &mut entropy.generator("query-noise", index as u64));
                let (tile, block) = (index / packing.blocks(), index % packing.blocks());
                for (i, vector) in packing.vectors_of(tile).enumerate() {
                    for (j, cell) in packing.cells_of(block).enumerate() {
                        let place = &mut body[packing.weight(i, j)];
                        *place = place.wrapping_add(weight(vector * packing.cells + cell) << delta);
                    }
                }
                packing.window_indices(block).map(|i| truncate(body[i])).collect::<Vec<_>>()
            })
            .collect();
        let zero_body = self.zero_body(&context.key_mask(), &entropy).into_iter().map(truncate).collect();
        EncryptedQuery { weights: shape.weights(), packing, context: *context, mask_seed, bodies, zero_body }
    }

    /// Body `a·s + e` of the public key with mask `a`.
    pub(crate) fn zero_body(&self, key_mask: &[u128], entropy: &Entropy) -> Vec<u128> {
        zero(key_mask, &self.operand(), &mut entropy.generator("public-key-noise", 0)).to_vec()
    }

    fn operand(&self) -> Operand {
        let mut secret = Operand::new();
        secret.set(&self.bits());
        secret
    }

    /// Decrypts an answer to the exact inner products, `vectors × outputs`, vector by vector.
    ///
    /// Anybody can encrypt to this key, so a wrong number may come out of an answer that somebody else made: check who
    /// sent it first.
    ///
    /// # Errors
    /// [`Error::Shape`] when the answer was made for another shape than `shape`.
    pub fn decrypt(&self, answer: &SealedAnswer, shape: &Shape) -> Result<Vec<i128>, Error> {
        if answer.shape() != shape {
            return Err(Error::Shape { what: "answer" });
        }
        let bits = self.bits();
        let mut results = vec![0i64; shape.vectors() * shape.columns()];
        for ((vectors, columns), sample) in shape.tiles().zip(answer.samples()) {
            let decoded = phases(&bits, sample, shape, columns.len()).map(|phase| decode(phase, shape.budget()));
            let places =
                vectors.flat_map(|vector| columns.clone().map(move |column| vector * shape.columns() + column));
            places.zip(decoded).for_each(|(place, result)| results[place] = result);
        }
        let mut limbs = results.into_iter();
        let outputs = (0..shape.vectors()).flat_map(|_| 0..shape.outputs());
        Ok(outputs.map(|output| recompose(limbs.by_ref().take(shape.limbs(output)), shape.budget())).collect())
    }

    pub(crate) fn bits(&self) -> Zeroizing<Vec<i32>> {
        Zeroizing::new(self.secret.iter().map(|&s| s as i32).collect())
    }

    #[cfg(test)]
    pub(crate) fn secret(&self) -> &[u128] {
        &self.secret
    }
}

/// Body of an encryption of zero with this mask.
fn zero(mask: &[u128], secret: &Operand, noise: &mut RandomGenerator<DefaultRandomGenerator>) -> Zeroizing<Vec<u128>> {
    let mut product = Accumulator::new();
    product.add_product(&Transformed::new(mask), secret);
    let mut body = product.finish();
    noise.unsigned_integer_slice_wrapping_add_random_from_distribution_assign(
        &mut body,
        TUniform::<u128>::new(NOISE_LOG2),
    );
    body
}

fn check_count(shape: &Shape, got: usize, what: &'static str) -> Result<(), Error> {
    let expected = shape.vectors() * shape.cells();
    if got == expected { Ok(()) } else { Err(Error::CellCount { what, expected, got }) }
}

/// Phases `body − (mask·s)` at the results of a sample with so many columns, as multiples of 1 modulo 2^128.
pub(crate) fn phases(bits: &[i32], sample: &Sample, shape: &Shape, columns: usize) -> impl Iterator<Item = u128> {
    let dropped = 128 - shape.budget().answer_bits();
    let mask: Vec<u128> = sample.mask.iter().map(|&word| u128::from(word) << dropped).collect();
    let packing = *shape.packing();
    sample.bodies.iter().enumerate().map(move |(index, &body)| {
        let at = packing.result(index / columns, index % columns);
        (u128::from(body) << dropped).wrapping_sub(coefficient(&mask, bits, at))
    })
}

fn decode(phase: u128, budget: &NoiseBudget) -> i64 {
    let delta = budget.delta_log2();
    // Adding half a step rounds to the nearest message; the arithmetic shift reads it as a signed one.
    (phase.wrapping_add(1 << (delta - 1)) as i128 >> delta) as i64
}
