//! Exact products in `R = Z_{2^128}[X]/(X^4096 + 1)`.
//!
//! Products are computed modulo six 30-bit primes with `tfhe-ntt`'s plans, and lifted. A sum of products is exact
//! before it is reduced modulo 2^128: with coefficients taken between −2^127 and 2^127, and digits as the noise budget
//! allows (a test looks at every one), it stays below 2^164 in absolute value; the primes' product is above 2^179.
//!
//! Lifting: with `Q = Π p_i`, `x = Σ y_i·(Q/p_i) − k·Q`, `y_i = x·(Q/p_i)^−1 mod p_i`, and `k` the integer next to `Σ
//! y_i/p_i`, from which it differs by `|x|/Q < 2^-15` (Halevi, Polyakov, Shoup, CT-RSA 2019,
//! <https://eprint.iacr.org/2018/117>): double precision tells it with certainty. The factor `(Q/p_i)^−1`, and the
//! `1/N` of the inverse transform, are put into the transforms of the large operands.

use std::{borrow::Cow, sync::OnceLock};

use tfhe_ntt::prime32;
use zeroize::Zeroizing;

/// Ring dimension N.
pub(crate) const N: usize = 4096;
/// Residue primes: the six largest below 2^30 that are 1 modulo 2N.
pub(crate) const PRIMES: [u32; 6] = [1073692673, 1073668097, 1073651713, 1073643521, 1073569793, 1073479681];
/// Small operands stay below every prime in absolute value.
#[cfg(test)]
const SMALL_BITS: u32 = 29;
/// Sums of products stay below this in absolute value.
#[cfg(test)]
const LARGEST_LOG2: u32 = 164;

fn plans() -> &'static [prime32::Plan; PRIMES.len()] {
    static PLANS: OnceLock<[prime32::Plan; PRIMES.len()]> = OnceLock::new();
    let plan = |p| prime32::Plan::try_new(N, p).expect("the primes are 1 modulo 2N");
    PLANS.get_or_init(|| PRIMES.map(plan))
}

pub(crate) const fn times(a: u64, b: u64, p: u64) -> u64 {
    (a as u128 * b as u128 % p as u128) as u64
}

pub(crate) const fn power(base: u64, mut exponent: u64, p: u64) -> u64 {
    let (mut base, mut result) = (base % p, 1);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, base, p);
        }
        base = times(base, base, p);
        exponent >>= 1;
    }
    result
}

/// `Q/p_i` modulo 2^128, where `i < PRIMES.len()`, or `Q` itself.
pub(crate) const fn cofactor(i: usize) -> u128 {
    let (mut product, mut j) = (1u128, 0);
    while j < PRIMES.len() {
        if j != i {
            product = product.wrapping_mul(PRIMES[j] as u128);
        }
        j += 1;
    }
    product
}

/// `(N·Q/p_i)^−1 mod p_i`.
pub(crate) const fn lift_factor(i: usize) -> u64 {
    let p = PRIMES[i] as u64;
    let (mut product, mut j) = (N as u64, 0);
    while j < PRIMES.len() {
        if j != i {
            product = product * (PRIMES[j] as u64 % p) % p;
        }
        j += 1;
    }
    power(product, p - 2, p)
}

/// Residues of signed coefficients modulo the prime of index `I`, times its lifting factor. Constants, so that no
/// division is left.
fn residues<const I: usize>(coefficients: &[u128], words: &mut [u32]) {
    let p = const { PRIMES[I] as u64 };
    let (high, wrap, factor) =
        const { (power(2, 64, PRIMES[I] as u64), power(2, 128, PRIMES[I] as u64), lift_factor(I)) };
    for (word, &c) in words.iter_mut().zip(coefficients) {
        let residue = (((c >> 64) as u64 % p) * high + (c as u64 % p)) % p;
        let residue = residue + (p - wrap) * u64::from((c as i128) < 0);
        *word = (residue % p * factor % p) as u32;
    }
}

/// The transform of one polynomial: a vector of residues, N words, for every prime.
pub(crate) struct Transformed(Vec<u32>);

impl Transformed {
    pub(crate) fn new(coefficients: &[u128]) -> Self {
        assert_eq!(coefficients.len(), N, "ring elements have N coefficients");
        let reduce = [residues::<0>, residues::<1>, residues::<2>, residues::<3>, residues::<4>, residues::<5>];
        let mut words = vec![0u32; PRIMES.len() * N];
        for ((plan, reduce), words) in plans().iter().zip(reduce).zip(words.chunks_exact_mut(N)) {
            reduce(coefficients, words);
            plan.fwd(words);
        }
        Self(words)
    }
}

/// One polynomial with small coefficients and its transform, wiped on drop.
pub(crate) struct Operand {
    /// The others are zeros.
    first: Zeroizing<Vec<i32>>,
    words: Zeroizing<Vec<u32>>,
}

impl Operand {
    pub(crate) fn new() -> Self {
        Self { first: Zeroizing::new(Vec::with_capacity(N)), words: Zeroizing::new(vec![0; PRIMES.len() * N]) }
    }

    /// Transforms the polynomial whose first coefficients are `small`, where `|small[i]| < 2^29`.
    pub(crate) fn set(&mut self, small: &[i32]) {
        assert!(small.len() <= N, "ring elements have N coefficients");
        self.first.clear();
        self.first.extend_from_slice(small);
        for (plan, words) in plans().iter().zip(self.words.chunks_exact_mut(N)) {
            let p = plan.modulus();
            for (word, &digit) in words.iter_mut().zip(small) {
                // p when the digit is negative, else 0: no branch on a secret digit.
                *word = (digit as u32).wrapping_add(p & ((digit >> 31) as u32));
            }
            words[small.len()..].fill(0);
            plan.fwd(words);
        }
    }
}

/// A sum of products, kept in the transform domain until it is read once.
pub(crate) struct Accumulator {
    words: Zeroizing<Vec<u32>>,
    /// What is added when it is read: nothing, or N coefficients.
    beside: Zeroizing<Vec<u128>>,
}

impl Accumulator {
    pub(crate) fn new() -> Self {
        Self::of(&[])
    }

    /// A sum that begins with what was added up elsewhere.
    pub(crate) fn of(coefficients: &[u128]) -> Self {
        let words = Zeroizing::new(vec![0; PRIMES.len() * N]);
        Self { words, beside: Zeroizing::new(coefficients.to_vec()) }
    }

    pub(crate) fn add_product(&mut self, transformed: &Transformed, small: &Operand) {
        let operands = transformed.0.chunks_exact(N).zip(small.words.chunks_exact(N));
        for ((plan, sum), (a, b)) in plans().iter().zip(self.words.chunks_exact_mut(N)).zip(operands) {
            plan.mul_accumulate(sum, a, b);
        }
    }

    /// The sum modulo 2^128, in coefficient form.
    pub(crate) fn finish(mut self) -> Zeroizing<Vec<u128>> {
        for (plan, sum) in plans().iter().zip(self.words.chunks_exact_mut(N)) {
            plan.inv(sum);
        }
        let mut parts = self.words.chunks_exact(N);
        let parts: [&[u32]; PRIMES.len()] = std::array::from_fn(|_| parts.next().expect("one part for every prime"));
        let mut sum: Zeroizing<Vec<u128>> = Zeroizing::new((0..N).map(|at| lift(parts.map(|part| part[at]))).collect());
        sum.iter_mut().zip(self.beside.iter()).for_each(|(sum, beside)| *sum = sum.wrapping_add(*beside));
        sum
    }
}

/// `Σ y_i·(Q/p_i) − k·Q` modulo 2^128.
fn lift(y: [u32; PRIMES.len()]) -> u128 {
    const COFACTORS: [u128; PRIMES.len()] =
        [cofactor(0), cofactor(1), cofactor(2), cofactor(3), cofactor(4), cofactor(5)];
    const ALL: u128 = cofactor(PRIMES.len());
    // The high halves wrap modulo 2^64; the low ones add up below 2^97.
    let (mut low, mut high, mut share) = (0u128, 0u64, 0f64);
    for ((y, cofactor), p) in y.into_iter().zip(COFACTORS).zip(PRIMES) {
        low += u128::from(y) * u128::from(cofactor as u64);
        high = high.wrapping_add(u64::from(y).wrapping_mul((cofactor >> 64) as u64));
        share += f64::from(y) * (1.0 / f64::from(p));
    }
    let whole = (share + 0.5) as u64;
    low.wrapping_add(u128::from(high) << 64).wrapping_sub(u128::from(whole).wrapping_mul(ALL))
}

/// Coefficient `at` of `a · small`, without computing the others. `small` may leave out zeros at its end.
pub(crate) fn coefficient(a: &[u128], small: &[i32], at: usize) -> u128 {
    debug_assert!(a.len() == N && small.len() <= N);
    let dot = |a: &[u128], small: &[i32]| {
        a.iter().zip(small.iter().rev()).fold(0u128, |sum, (&a, &s)| sum.wrapping_add(a.wrapping_mul(s as u128)))
    };
    let (below, wrapped) = small.split_at(small.len().min(at + 1));
    dot(&a[at + 1 - below.len()..=at], below).wrapping_sub(dot(&a[N - wrapped.len()..], wrapped))
}

/// A large operand of products of which some coefficients are wanted; transformed when it is first needed so.
pub(crate) struct Factor<'a> {
    coefficients: Cow<'a, [u128]>,
    transformed: OnceLock<Transformed>,
}

impl<'a> Factor<'a> {
    pub(crate) fn new(coefficients: impl Into<Cow<'a, [u128]>>) -> Self {
        Self { coefficients: coefficients.into(), transformed: OnceLock::new() }
    }
}

/// Some coefficients of a sum of products: few as dot products, many in the transform domain.
pub(crate) struct Selection {
    at: Vec<usize>,
    sum: Sum,
}

enum Sum {
    Few(Zeroizing<Vec<u128>>),
    Many(Accumulator),
}

impl Selection {
    pub(crate) fn new(at: Vec<usize>, many: bool) -> Self {
        let few = || Sum::Few(Zeroizing::new(vec![0; at.len()]));
        let sum = if many { Sum::Many(Accumulator::new()) } else { few() };
        Self { at, sum }
    }

    /// Coefficients of what was added up elsewhere.
    #[cfg(any(test, feature = "cuda"))]
    pub(crate) fn of(at: Vec<usize>, coefficients: &[u128]) -> Self {
        let sum = Sum::Few(Zeroizing::new(at.iter().map(|&at| coefficients[at]).collect()));
        Self { at, sum }
    }

    /// Indices of the coefficients.
    pub(crate) fn at(&self) -> &[usize] {
        &self.at
    }

    pub(crate) fn add_product(&mut self, factor: &Factor<'_>, small: &Operand) {
        match &mut self.sum {
            Sum::Few(sums) => {
                for (sum, &at) in sums.iter_mut().zip(&self.at) {
                    *sum = sum.wrapping_add(coefficient(&factor.coefficients, &small.first, at));
                }
            }
            Sum::Many(sum) => {
                let transformed = factor.transformed.get_or_init(|| Transformed::new(&factor.coefficients));
                sum.add_product(transformed, small);
            }
        }
    }

    /// The coefficients modulo 2^128.
    pub(crate) fn finish(self) -> Zeroizing<Vec<u128>> {
        match self.sum {
            Sum::Few(sums) => sums,
            Sum::Many(sum) => {
                let all = sum.finish();
                Zeroizing::new(self.at.iter().map(|&at| all[at]).collect())
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::linear::budget::{NoiseBudget, Weights, ZERO_SECRET_LOG2};
    use crate::linear::entropy::Entropy;
    use crate::linear::packing::tests::sharings;
    use tfhe::core_crypto::prelude::{Polynomial, polynomial_algorithms};
    use tfhe_ntt::native128::Plan32;

    #[test]
    fn every_sum_of_products_stays_far_below_the_product_of_the_primes() {
        let log2: f64 = PRIMES.iter().map(|&p| f64::from(p).log2()).sum();
        assert!(log2 > f64::from(LARGEST_LOG2 + 15), "so that k is told with certainty");
        for cells in (0..=22).map(|i| 1usize << i) {
            for weights in (0..=32).map(Weights::from_code) {
                for sharing in sharings(cells) {
                    let Ok(budget) = NoiseBudget::for_sharing(cells, weights, 1, sharing) else { continue };
                    // The digits of a ring element's columns, in all blocks, and the zero's secret.
                    let terms = (cells * sharing.columns) as f64;
                    let digits = terms.log2() + f64::from(budget.limb_bits() - 1);
                    let secret = (N as f64).log2() + f64::from(ZERO_SECRET_LOG2);
                    assert!(127.0 + (digits.exp2() + secret.exp2()).log2() < f64::from(LARGEST_LOG2), "{budget:?}");
                }
            }
        }
    }

    /// The largest and smallest sums: 2^22 cells of coefficients and digits at their bounds.
    #[test]
    fn sums_at_the_bounds_are_lifted_exactly() {
        for (coefficient, digit) in [(1u128 << 127, 1 << 22), ((1 << 127) - 1, 1 << 22), (1 << 127, -(1 << 22))] {
            let (a, small) = (vec![coefficient; N], vec![digit; N]);
            let (transformed, mut operand) = (Transformed::new(&a), Operand::new());
            operand.set(&small);
            let mut sum = Accumulator::new();
            (0..32).for_each(|_| sum.add_product(&transformed, &operand));
            // Coefficient at: at + 1 products with one sign, N − at − 1 with the other.
            let one = coefficient.wrapping_mul(digit as u128).wrapping_mul(32);
            let expected: Vec<u128> =
                (0..N as i128).map(|at| one.wrapping_mul((2 * at + 2 - N as i128) as u128)).collect();
            assert!(*sum.finish() == expected);
        }
    }

    /// Product of two full-size ring elements.
    pub(crate) fn multiply(a: &[u128], b: &[u128]) -> Vec<u128> {
        let mut product = vec![0; N];
        static PLAN: OnceLock<Plan32> = OnceLock::new();
        let plan = PLAN.get_or_init(|| Plan32::try_new(N).expect("the plan's primes are 1 modulo 2N"));
        plan.negacyclic_polymul(&mut product, a, b);
        product
    }

    #[test]
    fn products_equal_those_of_tfhe() {
        let mut generator = Entropy::from_seed([1; 32]).generator("ring", 0);
        let mut a = vec![0u128; N];
        generator.fill_slice_with_random_uniform(&mut a);
        let extreme = (1 << SMALL_BITS) - 1;
        let small: Vec<i32> = (0..N as i32).map(|i| [extreme, -extreme, 0, i, -i][i as usize % 5]).collect();
        let wide: Vec<u128> = small.iter().map(|&x| x as u128).collect();

        let mut expected = Polynomial::from_container(vec![0u128; N]);
        polynomial_algorithms::polynomial_wrapping_add_mul_assign(
            &mut expected,
            &Polynomial::from_container(a.as_slice()),
            &Polynomial::from_container(wide.as_slice()),
        );

        let (mut sum, mut operand) = (Accumulator::new(), Operand::new());
        operand.set(&small);
        sum.add_product(&Transformed::new(&a), &operand);
        assert_eq!(sum.finish().as_slice(), expected.as_ref());
        assert_eq!(multiply(&a, &wide), expected.as_ref());
        let at = vec![0, 1, 1234, N - 1];
        let expected: Vec<u128> = at.iter().map(|&at| expected.as_ref()[at]).collect();
        for many in [false, true] {
            let mut selection = Selection::new(at.clone(), many);
            selection.add_product(&Factor::new(&a), &operand);
            assert_eq!(*selection.finish(), expected);
        }
        // Zeros at the end may be left out.
        let zeros = [&small[..1000], &[0; N - 1000]].concat();
        assert!((0..N).step_by(37).all(|at| coefficient(&a, &zeros, at) == coefficient(&a, &small[..1000], at)));
    }
}
