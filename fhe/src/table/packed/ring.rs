//! The ring: residues, transforms, randomness, and the lift of results.

use std::sync::OnceLock;

use aes::{
    Aes128,
    cipher::{KeyIvInit, StreamCipher},
};
use tfhe_ntt::{prime32, prime64};
use zeroize::{Zeroize, Zeroizing};

use crate::Error;
use crate::linear::ring::{power, times};

/// Ring degree, and number of slots.
pub(crate) const N: usize = 8192;
/// Plaintext modulus: the least prime that is 1 modulo 2N.
pub(crate) const T: u64 = 65537;
/// The two largest primes below 2^54 and the two largest below 2^53 that are 1 modulo 2N: together 214 bits.
pub(crate) const PRIMES: [u64; 4] = [18014398508400641, 18014398508138497, 9007199254429697, 9007199254364161];
/// Bytes of a residue as it is stored.
const WORD_BYTES: usize = 7;
/// Bytes of one polynomial modulo one prime.
pub(crate) const POLYNOMIAL_BYTES: usize = N * WORD_BYTES;
/// Bytes of what is stored of a fresh ciphertext: one polynomial modulo each prime. The other one is of a seed.
pub(crate) const ELEMENT_BYTES: usize = PRIMES.len() * POLYNOMIAL_BYTES;
/// Coins of each sign of the centred binomial noise.
const COINS: u32 = 21;
/// The noise's variance.
pub(crate) const NOISE_VARIANCE: f64 = COINS as f64 / 2.0;

/// A ciphertext: `(degree + 1)` polynomials modulo each of some primes, values at the roots of unity.
///
/// Invariant: as many for each prime, of `N` residues each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackedCiphertext {
    /// By prime, then by power of the secret key.
    pub primes: Vec<Vec<Vec<u64>>>,
}

pub(crate) fn plan(prime: usize) -> &'static prime64::Plan {
    static PLANS: OnceLock<[prime64::Plan; PRIMES.len()]> = OnceLock::new();
    let make = |p| prime64::Plan::try_new(N, p).expect("the primes are 1 modulo 2N");
    &PLANS.get_or_init(|| PRIMES.map(make))[prime]
}

fn slots_plan() -> &'static prime32::Plan {
    static PLAN: OnceLock<prime32::Plan> = OnceLock::new();
    PLAN.get_or_init(|| prime32::Plan::try_new(N, T as u32).expect("t is 1 modulo 2N"))
}

/// A number below 2^60 modulo a prime, which is just below a power of two.
pub(crate) fn reduce(word: u64, p: u64) -> u64 {
    let power = 1 << (p.ilog2() + 1);
    let folded = (word & (power - 1)) + (word >> (p.ilog2() + 1)) * (power - p);
    if folded >= p { folded - p } else { folded }
}

pub(crate) fn subtract(a: u64, b: u64, p: u64) -> u64 {
    if a >= b { a - b } else { a + p - b }
}

/// The polynomial whose slots have these values, with coefficients next to zero.
pub(crate) fn of_slots(slots: &[u32]) -> Zeroizing<Vec<i64>> {
    let mut words = Zeroizing::new(vec![0u32; N]);
    words[..slots.len()].copy_from_slice(slots);
    slots_plan().inv(&mut words);
    slots_plan().normalize(&mut words);
    let centred = |word: &u32| if u64::from(*word) > T / 2 { i64::from(*word) - T as i64 } else { i64::from(*word) };
    Zeroizing::new(words.iter().map(centred).collect())
}

/// Values at the roots of unity, in the order of the transform.
pub(crate) fn transform(polynomial: &[i64], prime: usize) -> Zeroizing<Vec<u64>> {
    let p = PRIMES[prime];
    let word = |c: &i64| if *c < 0 { p - c.unsigned_abs() } else { c.unsigned_abs() };
    let mut words: Zeroizing<Vec<u64>> = Zeroizing::new(polynomial.iter().map(word).collect());
    plan(prime).fwd(&mut words);
    words
}

/// AES-128 in counter mode: the stream of a seed and a number.
pub(crate) struct Stream(ctr::Ctr64LE<Aes128>);

impl Stream {
    pub fn new(seed: u128, number: u64) -> Self {
        let mut block = [0; 16];
        block[8..].copy_from_slice(&number.to_le_bytes());
        let mut key = seed.to_le_bytes();
        let stream = Self(ctr::Ctr64LE::new(&key.into(), &block.into()));
        key.zeroize();
        stream
    }

    /// The next words.
    pub fn words(&mut self, count: usize) -> Zeroizing<Vec<u64>> {
        let mut bytes = Zeroizing::new(vec![0u8; 8 * count]);
        self.0.apply_keystream(&mut bytes);
        Zeroizing::new(bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }
}

/// A uniform polynomial: words of as many bits as the prime has, but those that are not below it.
pub(crate) fn uniform(seed: u128, element: usize, prime: usize) -> Vec<u64> {
    let mut stream = Stream::new(seed, (element * PRIMES.len() + prime) as u64);
    below(PRIMES[prime], N, |count| stream.words(count))
}

fn below(p: u64, count: usize, mut words: impl FnMut(usize) -> Zeroizing<Vec<u64>>) -> Vec<u64> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        let some = words(count - all.len());
        all.extend(some.iter().map(|word| word >> p.leading_zeros()).filter(|word| *word < p));
    }
    all
}

/// Coefficients 0, 1 and −1, each as likely.
pub(crate) fn ternary(seed: u128) -> Zeroizing<Vec<i64>> {
    let mut stream = Stream::new(seed, 0);
    let mut all = Zeroizing::new(Vec::with_capacity(N));
    while all.len() < N {
        for word in stream.words(N / 16).iter() {
            let pairs = (0..32).map(|i| word >> (2 * i) & 3).filter(|pair| *pair != 3).map(|pair| pair as i64 - 1);
            let room = N - all.len();
            all.extend(pairs.take(room));
        }
    }
    all
}

/// Centred binomial noise.
pub(crate) fn noise(seed: u128, element: usize) -> Zeroizing<Vec<i64>> {
    let heads = |coins: u64| i64::from((coins & ((1 << COINS) - 1)).count_ones());
    let words = Stream::new(seed, element as u64).words(N);
    Zeroizing::new(words.iter().map(|word| heads(*word) - heads(word >> COINS)).collect())
}

/// A secret key, at the roots of unity modulo each prime.
pub(crate) struct Secret(Vec<Zeroizing<Vec<u64>>>);

impl Secret {
    pub fn new(seed: u128) -> Self {
        let key = ternary(seed);
        Self((0..PRIMES.len()).map(|prime| transform(&key, prime)).collect())
    }

    /// The stored half of a fresh ciphertext of these slots: `m + t·e − a·s` modulo each prime.
    pub fn encrypt(&self, slots: &[u32], mask: u128, noise_seed: u128, element: usize, bytes: &mut [u8]) {
        let mut phase = of_slots(slots);
        phase.iter_mut().zip(noise(noise_seed, element).iter()).for_each(|(m, e)| *m += T as i64 * e);
        for ((prime, secret), bytes) in self.0.iter().enumerate().zip(bytes.chunks_exact_mut(POLYNOMIAL_BYTES)) {
            let mut masked = Zeroizing::new(vec![0; N]);
            plan(prime).mul_accumulate(&mut masked, &uniform(mask, element, prime), secret);
            let phase = transform(&phase, prime);
            let words = phase.iter().zip(masked.iter()).map(|(m, a)| subtract(*m, *a, PRIMES[prime]));
            write(bytes, words);
        }
    }

    /// The slots of a ciphertext.
    ///
    /// # Errors
    /// [`Error::Noise`] if the phase is not below a quarter of the modulus.
    pub fn decrypt(&self, ciphertext: &PackedCiphertext) -> Result<Zeroizing<Vec<u32>>, Error> {
        let mut slots = Zeroizing::new(Vec::with_capacity(N));
        for (value, share) in self.lifted(ciphertext) {
            if share.abs() >= 0.25 {
                return Err(Error::Noise);
            }
            slots.push(value);
        }
        slots_plan().fwd(&mut slots);
        Ok(slots)
    }

    /// Each coefficient of the phase modulo t, and what share of the modulus it is.
    fn lifted(&self, ciphertext: &PackedCiphertext) -> impl Iterator<Item = (u32, f64)> {
        let residues: Vec<Zeroizing<Vec<u64>>> =
            ciphertext.primes.iter().zip(&self.0).enumerate().map(|(i, (c, s))| phase(c, s, i)).collect();
        let lift = Lift::new(residues.len());
        (0..N).map(move |place| lift.of(residues.iter().map(|all| all[place])))
    }

    /// log2 of the greatest phase, for tests of the bound.
    #[cfg(test)]
    pub fn magnitude(&self, ciphertext: &PackedCiphertext) -> f64 {
        let greatest = self.lifted(ciphertext).map(|(_, share)| share.abs()).fold(0.0, f64::max);
        greatest.log2() + modulus_bits(ciphertext.primes.len())
    }
}

/// `Σ c_j·s^j` as a polynomial.
fn phase(ciphertext: &[Vec<u64>], secret: &[u64], prime: usize) -> Zeroizing<Vec<u64>> {
    let mut highest_first = ciphertext.iter().rev();
    let mut sum = Zeroizing::new(highest_first.next().expect("a ciphertext has a polynomial").clone());
    for next in highest_first {
        let mut shifted = Zeroizing::new(next.clone());
        plan(prime).mul_accumulate(&mut shifted, &sum, secret);
        sum = shifted;
    }
    plan(prime).inv(&mut sum);
    plan(prime).normalize(&mut sum);
    sum
}

/// log2 of the product of so many primes.
pub(crate) fn modulus_bits(primes: usize) -> f64 {
    PRIMES[..primes].iter().map(|p| (*p as f64).log2()).sum()
}

/// From residues to integers between −q/4 and q/4, and these modulo t: `x = Σ y_i·(q/p_i) − k·q` with `y_i = x·(q/p_i)^−1 mod
/// p_i` and `k` the integer next to `Σ y_i/p_i` (Halevi, Polyakov, Shoup, CT-RSA 2019, <https://eprint.iacr.org/2018/117>).
struct Lift {
    /// For each prime: itself, `(q/p_i)^−1 mod p_i`, `q/p_i mod t`.
    primes: Vec<(u64, u64, u64)>,
    /// `q mod t`.
    modulus: u64,
}

impl Lift {
    fn new(primes: usize) -> Self {
        let own = &PRIMES[..primes];
        let of = |i: usize| {
            let others = |modulus| {
                own.iter()
                    .enumerate()
                    .filter(|(j, _)| *j != i)
                    .fold(1, |product, (_, p)| times(product, p % modulus, modulus))
            };
            let p = own[i];
            (p, power(others(p), p - 2, p), others(T))
        };
        let modulus = own.iter().fold(1, |product, p| times(product, p % T, T));
        Self { primes: (0..primes).map(of).collect(), modulus }
    }

    /// An integer modulo t, and its share of q.
    fn of(&self, residues: impl Iterator<Item = u64>) -> (u32, f64) {
        let (mut share, mut sum) = (0.0, 0);
        for (residue, (p, inverse, cofactor)) in residues.zip(&self.primes) {
            let y = times(residue, *inverse, *p);
            share += y as f64 / *p as f64;
            sum += y % T * cofactor;
        }
        let whole = f64::round(share);
        let taken = whole as u64 * self.modulus % T;
        (((sum % T + T - taken) % T) as u32, share - whole)
    }
}

/// Writes residues, 7 bytes each, little-endian.
pub(crate) fn write(bytes: &mut [u8], words: impl Iterator<Item = u64>) {
    let places = bytes.as_chunks_mut::<WORD_BYTES>().0;
    places.iter_mut().zip(words).for_each(|(bytes, word)| bytes.copy_from_slice(&word.to_le_bytes()[..WORD_BYTES]));
}

/// Reads what [`write`] wrote.
pub(crate) fn read(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks().0.iter().map(|word: &[u8; WORD_BYTES]| {
        let [a, b, c, d, e, f, g] = *word;
        u64::from_le_bytes([a, b, c, d, e, f, g, 0])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 218 bits in the standard of 2018, 214 in the guidelines of 2024.
    #[test]
    fn the_modulus_is_within_the_published_tables() {
        assert!(modulus_bits(PRIMES.len()) < 214.0 && PRIMES.iter().all(|p| p % (2 * N as u64) == 1));
        assert!(PRIMES.is_sorted_by(|a, b| a > b) && T % (2 * N as u64) == 1);
    }

    const ROOTS: [u64; 4] = [14484794116327875, 3633092554435122, 2089983143394521, 6684288866906147];

    /// The stored form is of this transform: at odd powers of these roots of unity, bit-reversed.
    #[test]
    fn the_transform_is_pinned() {
        for prime in 0..PRIMES.len() {
            let mut x = vec![0; N];
            x[1] = 1;
            let (values, p) = (transform(&x, prime), PRIMES[prime]);
            let root = values[0];
            assert_eq!((root, power(root, N as u64, p)), (ROOTS[prime], p - 1));
            for (place, value) in values.iter().enumerate() {
                let odd = 2 * (place as u64).reverse_bits().wrapping_shr(64 - N.ilog2()) + 1;
                assert_eq!(*value, power(root, odd, p));
            }
        }
    }

    #[test]
    fn words_that_are_not_below_the_prime_are_left_out() {
        let p = PRIMES[0];
        let all = [[p - 1, p, (1 << 54) - 1, 3], [p, 5, 6, 7]].concat();
        let mut given = all.into_iter().map(|word| word << p.leading_zeros() | 1023);
        let words = below(p, 4, |count| Zeroizing::new(given.by_ref().take(count).collect()));
        assert_eq!(words, [p - 1, 3, 5, 6]);
    }

    #[test]
    fn reduction_holds_for_sums_of_64_words() {
        for p in PRIMES {
            for word in [0, 1, p - 1, p, p + 1, 2 * p - 1, 64 * (p - 1), (1 << 60) - 1] {
                assert_eq!(reduce(word, p), word % p);
            }
        }
    }

    #[test]
    fn noise_and_keys_are_distributed_as_stated() {
        let seed = 7;
        let noise = noise(seed, 0);
        let variance = noise.iter().map(|e| (e * e) as f64).sum::<f64>() / N as f64;
        assert!((variance / NOISE_VARIANCE - 1.0).abs() < 0.1, "{variance}");
        let key = ternary(seed);
        for value in [-1, 0, 1] {
            let count = key.iter().filter(|c| **c == value).count();
            assert!(count.abs_diff(N / 3) < 5 * 43, "{value}: {count}");
        }
    }

    #[test]
    fn integers_are_lifted_exactly() {
        for primes in 1..=PRIMES.len() {
            let lift = Lift::new(primes);
            for x in [0i64, 1, -1, 65536, 65537, -65537, 1 << 51, -(1 << 51) + 12345] {
                let residues = PRIMES[..primes].iter().map(|p| x.rem_euclid(*p as i64) as u64);
                let (value, share) = lift.of(residues);
                assert_eq!(i64::from(value), x.rem_euclid(T as i64));
                assert!(share.abs() < 0.25);
            }
        }
        let (_, share) = Lift::new(1).of(std::iter::once(PRIMES[0] / 2));
        assert!(share.abs() > 0.25);
    }
}
