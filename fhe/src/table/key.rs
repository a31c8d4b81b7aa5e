//! The owner's secret key, and the evaluation key that executors compute with.

use tfhe::core_crypto::{
    commons::{generators::DeterministicSeeder, math::random::Seed},
    prelude::*,
};
use zeroize::Zeroizing;

use super::bootstrap::Digits;
use super::packed::Secret;
use super::params::{BIG, FINE, GLWE_SIZE, N, POLY, SET, SMALL, native};
use crate::{Error, linear::Entropy, wire};

type Seeder = DeterministicSeeder<DefaultRandomGenerator>;

/// The owner's secret key: 32 bytes, from which the two binary keys of the scheme follow, and the ternary one of packed
/// columns.
///
/// Encrypts columns, makes evaluation keys, decrypts results. Never give it to an executor.
pub struct TableKey {
    bytes: Zeroizing<[u8; 32]>,
    /// Of the ring: 2,048 bits.
    ring: Zeroizing<Vec<u64>>,
    /// Of the small ciphertexts: 918 bits.
    small: Zeroizing<Vec<u64>>,
}

impl std::fmt::Debug for TableKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TableKey(_)")
    }
}

impl TableKey {
    /// A fresh key from the operating system's randomness.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn generate() -> Result<Self, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(bytes.as_mut()).map_err(|e| Error::Entropy(e.to_string()))?;
        Ok(Self::from_bytes(*bytes))
    }

    /// The key of 32 uniformly random, secret bytes, as [`Self::to_bytes`] gave them.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let entropy = Entropy::from_seed(bytes);
        let (mut ring, mut small) = (Zeroizing::new(vec![0; BIG]), Zeroizing::new(vec![0; SMALL]));
        let generator = |label| SecretRandomGenerator::<DefaultRandomGenerator>::new(entropy.seed(label, 0));
        let mut key = GlweSecretKey::from_container(ring.as_mut_slice(), POLY);
        generate_binary_glwe_secret_key(&mut key, &mut generator("table/ring-key"));
        let mut key = LweSecretKey::from_container(small.as_mut_slice());
        generate_binary_lwe_secret_key(&mut key, &mut generator("table/small-key"));
        Self { bytes: Zeroizing::new(bytes), ring, small }
    }

    /// The 32 bytes that are the key.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.bytes.clone()
    }

    /// The key of packed columns, which is of another ring.
    pub(crate) fn packed_secret(&self) -> Secret {
        Secret::new(Entropy::from_seed(*self.bytes).seed("table/packed-key", 0).0)
    }

    pub(crate) fn ring(&self) -> GlweSecretKey<&[u64]> {
        GlweSecretKey::from_container(self.ring.as_slice(), POLY)
    }

    pub(crate) fn big(&self) -> LweSecretKey<&[u64]> {
        LweSecretKey::from_container(self.ring.as_slice())
    }

    #[cfg(test)]
    pub(crate) fn small(&self) -> LweSecretKey<&[u64]> {
        LweSecretKey::from_container(self.small.as_slice())
    }

    /// A key for executors, 90 MB: with it they compute on what this key encrypted, and learn nothing of it.
    ///
    /// It encrypts the secret keys under each other, which takes circular security for granted, as every use of TFHE's
    /// bootstrapping does.
    ///
    /// # Errors
    /// [`Error::Entropy`].
    pub fn evaluation_key(&self) -> Result<EvaluationKey, Error> {
        let entropy = Entropy::from_os()?;
        let small = LweSecretKey::from_container(self.small.as_slice());
        let seeds = [0, 1, 2].map(|i| entropy.seed("table/evaluation-key/mask", i));
        let mut noise = Seeder::new(entropy.seed("table/evaluation-key/noise", 0));
        let mut key = EvaluationKey::zero(seeds);
        generate_seeded_lwe_keyswitch_key(
            &self.big(),
            &small,
            &mut key.switch(),
            SET.lwe_noise_distribution,
            &mut noise,
        );
        for digits in [Digits::Coarse, Digits::Fine] {
            par_generate_seeded_lwe_bootstrap_key(
                &small,
                &self.ring(),
                &mut key.bootstrap(digits),
                SET.glwe_noise_distribution,
                &mut noise,
            );
        }
        Ok(key)
    }
}

/// What an executor needs besides the columns: a key-switching key and two bootstrapping keys, with the public parts of
/// their ciphertexts as seeds.
#[derive(Clone, PartialEq, Eq)]
pub struct EvaluationKey {
    seeds: [u128; 3],
    switch: Vec<u64>,
    coarse: Vec<u64>,
    fine: Vec<u64>,
}

const VERSION: u8 = 1;
const WHAT: &str = "evaluation key";

impl std::fmt::Debug for EvaluationKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EvaluationKey({} bytes)", Self::ENCODED_LEN)
    }
}

impl EvaluationKey {
    const SWITCH_LEN: usize = BIG * SET.ks_level.0;
    const COARSE_LEN: usize = SMALL * SET.pbs_level.0 * GLWE_SIZE.0 * N;
    const FINE_LEN: usize = SMALL * FINE.1.0 * GLWE_SIZE.0 * N;
    /// Bytes of the encoding.
    pub const ENCODED_LEN: usize = 1 + 3 * 16 + 8 * (Self::SWITCH_LEN + Self::COARSE_LEN + Self::FINE_LEN);

    fn zero(seeds: [Seed; 3]) -> Self {
        Self {
            seeds: seeds.map(|seed| seed.0),
            switch: vec![0; Self::SWITCH_LEN],
            coarse: vec![0; Self::COARSE_LEN],
            fine: vec![0; Self::FINE_LEN],
        }
    }

    fn switch(&mut self) -> SeededLweKeyswitchKey<&mut [u64]> {
        seeded_switch(self.switch.as_mut_slice(), self.seeds[0])
    }

    fn bootstrap(&mut self, digits: Digits) -> SeededLweBootstrapKey<&mut [u64]> {
        match digits {
            Digits::Coarse => seeded_bootstrap(self.coarse.as_mut_slice(), self.seeds[1], digits),
            Digits::Fine => seeded_bootstrap(self.fine.as_mut_slice(), self.seeds[2], digits),
        }
    }

    /// The key-switching key, with its masks.
    pub(crate) fn expand_switch(&self) -> LweKeyswitchKeyOwned<u64> {
        let seeded = seeded_switch(self.switch.as_slice(), self.seeds[0]);
        let (base, level) = (SET.ks_base_log, SET.ks_level);
        let mut key = LweKeyswitchKey::new(0, base, level, LweDimension(BIG), SET.lwe_dimension, native());
        par_decompress_seeded_lwe_keyswitch_key::<_, _, _, DefaultRandomGenerator>(&mut key, &seeded);
        key
    }

    /// A bootstrapping key, with its masks.
    pub(crate) fn expand_bootstrap(&self, digits: Digits) -> LweBootstrapKeyOwned<u64> {
        let (words, seed) = match digits {
            Digits::Coarse => (&self.coarse, self.seeds[1]),
            Digits::Fine => (&self.fine, self.seeds[2]),
        };
        let (base, level) = decomposition(digits);
        let mut key = LweBootstrapKey::new(0, GLWE_SIZE, POLY, base, level, SET.lwe_dimension, native());
        let seeded = seeded_bootstrap(words.as_slice(), seed, digits);
        par_decompress_seeded_lwe_bootstrap_key::<_, _, _, DefaultRandomGenerator>(&mut key, &seeded);
        key
    }

    /// A bootstrapping key, in the Fourier domain.
    pub(crate) fn expand_fourier(&self, digits: Digits) -> FourierLweBootstrapKeyOwned {
        let key = self.expand_bootstrap(digits);
        let (base, level) = decomposition(digits);
        let mut fourier = FourierLweBootstrapKey::new(SET.lwe_dimension, GLWE_SIZE, POLY, base, level);
        par_convert_standard_lwe_bootstrap_key_to_fourier(&key, &mut fourier);
        fourier
    }

    /// Version byte, three seeds, then the words of the three keys, all little-endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::ENCODED_LEN);
        out.push(VERSION);
        self.seeds.iter().for_each(|seed| out.extend_from_slice(&seed.to_le_bytes()));
        for words in [&self.switch, &self.coarse, &self.fine] {
            words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        }
        out
    }

    /// Reads what [`Self::to_bytes`] wrote. Any bytes of the right length are a key; whether it is the one for some
    /// columns shows in the results alone, so authenticate it.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::Length`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = wire::Reader::open(WHAT, VERSION, 1, bytes)?;
        wire::exact(WHAT, Self::ENCODED_LEN, bytes)?;
        let seeds = [(); 3].map(|()| u128::from_le_bytes(reader.array()));
        let mut words = |len| (0..len).map(|_| u64::from_le_bytes(reader.array())).collect();
        Ok(Self {
            seeds,
            switch: words(Self::SWITCH_LEN),
            coarse: words(Self::COARSE_LEN),
            fine: words(Self::FINE_LEN),
        })
    }
}

/// Base and levels of a bootstrapping key.
pub(crate) fn decomposition(digits: Digits) -> (DecompositionBaseLog, DecompositionLevelCount) {
    match digits {
        Digits::Coarse => (SET.pbs_base_log, SET.pbs_level),
        Digits::Fine => FINE,
    }
}

fn seeded_switch<C: Container<Element = u64>>(words: C, seed: u128) -> SeededLweKeyswitchKey<C> {
    let (base, level, size) = (SET.ks_base_log, SET.ks_level, SET.lwe_dimension.to_lwe_size());
    SeededLweKeyswitchKey::from_container(words, base, level, size, Seed(seed).into(), native())
}

fn seeded_bootstrap<C: Container<Element = u64>>(words: C, seed: u128, digits: Digits) -> SeededLweBootstrapKey<C> {
    let (base, level) = decomposition(digits);
    SeededLweBootstrapKey::from_container(words, GLWE_SIZE, POLY, base, level, Seed(seed).into(), native())
}
