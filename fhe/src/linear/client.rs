//! The consumer's side: secret key, encryption of the weights, decryption of the answer.

use tfhe::core_crypto::{
    commons::{
        generators::DeterministicSeeder,
        math::random::{CompressionSeed, Seed, TUniform},
    },
    prelude::*,
};
use zeroize::Zeroizing;

use super::{
    answer::SealedAnswer,
    budget::{NOISE_LOG2, NoiseBudget, Weights},
    entropy::{Context, Entropy},
    query::EncryptedQuery,
    ring::{Accumulator, N, Transformed},
    shape::{Shape, recompose},
};
use crate::Error;

/// The consumer's secret key: 4,096 uniform bits.
///
/// Make one per request. The coefficients are wiped on drop; temporaries inside tfhe's encryption are not.
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

    /// Encrypts which cells are to be added up, for the request that `context` names.
    ///
    /// # Errors
    /// [`Error::Cells`] unless `1 ≤ indicator.len() ≤ 2^20`; [`Error::Entropy`].
    pub fn encrypt(&self, indicator: &[bool], context: &Context) -> Result<EncryptedQuery, Error> {
        self.encrypt_with_entropy(indicator, context, Entropy::from_os()?)
    }

    /// As [`Self::encrypt`], from the caller's randomness.
    ///
    /// # Errors
    /// As [`Self::encrypt`].
    pub fn encrypt_with_entropy(
        &self,
        indicator: &[bool],
        context: &Context,
        entropy: Entropy,
    ) -> Result<EncryptedQuery, Error> {
        let budget = NoiseBudget::for_cells(indicator.len())?;
        let encoded = indicator.iter().map(|&bit| u128::from(bit) << budget.delta_log2());
        Ok(self.encrypt_encoded(indicator.len(), Weights::Indicator, encoded, context, entropy))
    }

    /// Encrypts signed integer weights of `bits` bits (inputs of a linear model, for instance).
    ///
    /// # Errors
    /// [`Error::Cells`], [`Error::NoBudget`], [`Error::Weight`] for the first weight out of range, [`Error::Entropy`].
    pub fn encrypt_weights(&self, weights: &[i64], bits: u8, context: &Context) -> Result<EncryptedQuery, Error> {
        self.encrypt_weights_with_entropy(weights, bits, context, Entropy::from_os()?)
    }

    /// As [`Self::encrypt_weights`], from the caller's randomness.
    ///
    /// # Errors
    /// As [`Self::encrypt_weights`].
    pub fn encrypt_weights_with_entropy(
        &self,
        weights: &[i64],
        bits: u8,
        context: &Context,
        entropy: Entropy,
    ) -> Result<EncryptedQuery, Error> {
        let range = Weights::Signed { bits };
        let budget = NoiseBudget::for_weights(weights.len(), range)?;
        let half = 1i64 << (bits - 1);
        if let Some(cell) = weights.iter().position(|w| !(-half..half).contains(w)) {
            return Err(Error::Weight { cell, bits });
        }
        let encoded = weights.iter().map(|&w| (w as u128) << budget.delta_log2());
        Ok(self.encrypt_encoded(weights.len(), range, encoded, context, entropy))
    }

    fn encrypt_encoded(
        &self,
        cells: usize,
        weights: Weights,
        encoded: impl Iterator<Item = u128>,
        context: &Context,
        entropy: Entropy,
    ) -> EncryptedQuery {
        let count = cells.div_ceil(N);
        let mut plaintext = Zeroizing::new(vec![0u128; count * N]);
        plaintext.iter_mut().zip(encoded).for_each(|(slot, value)| *slot = value);

        let Seed(mask_seed) = entropy.seed("query-mask", 0);
        let mut list = SeededGlweCiphertextList::new(
            0u128,
            GlweSize(2),
            PolynomialSize(N),
            GlweCiphertextCount(count),
            CompressionSeed::from(Seed(mask_seed)),
            CiphertextModulus::new_native(),
        );
        encrypt_seeded_glwe_ciphertext_list(
            &GlweSecretKey::from_container(self.secret.as_slice(), PolynomialSize(N)),
            &mut list,
            &PlaintextList::from_container(plaintext.as_slice()),
            DynamicDistribution::new_t_uniform(NOISE_LOG2),
            &mut DeterministicSeeder::<DefaultRandomGenerator>::new(entropy.seed("query-noise", 0)),
        );
        let zero_body = self.zero_body(&context.key_mask(), &entropy);
        EncryptedQuery { weights, cells, context: *context, mask_seed, bodies: list.into_container(), zero_body }
    }

    /// Body `a·s + e` of the public key with mask `a`.
    pub(crate) fn zero_body(&self, key_mask: &[u128], entropy: &Entropy) -> Vec<u128> {
        let bits: Zeroizing<Vec<i32>> = Zeroizing::new(self.secret.iter().map(|&s| s as i32).collect());
        let mut product = Accumulator::new();
        product.add_product(&Transformed::new(key_mask), &bits);
        let mut body = product.finish().to_vec();
        entropy.generator("public-key-noise", 0).unsigned_integer_slice_wrapping_add_random_from_distribution_assign(
            &mut body,
            TUniform::<u128>::new(NOISE_LOG2),
        );
        body
    }

    /// Decrypts an answer to the exact inner products, one per output.
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
        let key: Zeroizing<Vec<u64>> = Zeroizing::new(self.secret.iter().map(|&s| s as u64).collect());
        let mut samples = answer.samples();
        Ok((0..shape.outputs())
            .map(|output| {
                let limbs =
                    samples.by_ref().take(shape.limbs(output)).map(|sample| decode(&key, sample, shape.budget()));
                recompose(limbs, shape.budget())
            })
            .collect())
    }

    #[cfg(test)]
    pub(crate) fn secret(&self) -> &[u128] {
        &self.secret
    }
}

/// Phase `body − <mask, s>` of a 64-bit sample.
pub(crate) fn phase(key: &[u64], sample: &[u64]) -> u64 {
    let sample = LweCiphertext::from_container(sample, CiphertextModulus::new_native());
    decrypt_lwe_ciphertext(&LweSecretKey::from_container(key), &sample).0
}

fn decode(key: &[u64], sample: &[u64], budget: &NoiseBudget) -> i64 {
    let delta = budget.delta_log2() - 64;
    // Adding half a step rounds to the nearest message; the arithmetic shift reads it as a signed one.
    (phase(key, sample).wrapping_add(1 << (delta - 1)) as i64) >> delta
}
