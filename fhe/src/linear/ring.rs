//! Exact products in `R = Z_{2^128}[X]/(X^4096 + 1)`.
//!
//! `tfhe-ntt`'s `native128` plan works modulo ten 30-bit primes and lifts the result back. Their product is above
//! 2^299; the largest integer that appears here is below 2^177 (2^22 cells, 2^128 coefficients, 27-bit digits), so
//! every product is exact before it is reduced modulo 2^128.

use std::sync::OnceLock;

use tfhe_ntt::{native128::Plan32, prime32};
use zeroize::Zeroizing;

/// Ring dimension N.
pub(crate) const N: usize = 4096;
/// Residue primes of the plan.
const PRIMES: usize = 10;
/// Small operands stay below every prime of the plan in absolute value.
#[cfg(test)]
const SMALL_BITS: u32 = 29;

fn plan() -> &'static Plan32 {
    static PLAN: OnceLock<Plan32> = OnceLock::new();
    PLAN.get_or_init(|| Plan32::try_new(N).expect("the plan's primes are 1 modulo 2^16"))
}

fn primes(plan: &Plan32) -> [&prime32::Plan; PRIMES] {
    [
        plan.ntt_0(),
        plan.ntt_1(),
        plan.ntt_2(),
        plan.ntt_3(),
        plan.ntt_4(),
        plan.ntt_5(),
        plan.ntt_6(),
        plan.ntt_7(),
        plan.ntt_8(),
        plan.ntt_9(),
    ]
}

/// The transform of one polynomial: `PRIMES` residue vectors of `N` words.
pub(crate) struct Transformed(Vec<u32>);

impl Transformed {
    pub(crate) fn new(coefficients: &[u128]) -> Self {
        assert_eq!(coefficients.len(), N, "ring elements have N coefficients");
        let mut words = vec![0u32; PRIMES * N];
        {
            let [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9] = split(&mut words);
            plan().fwd(coefficients, m0, m1, m2, m3, m4, m5, m6, m7, m8, m9);
        }
        Self(words)
    }
}

/// The transform of one polynomial with small coefficients, wiped on drop.
pub(crate) struct Operand(Zeroizing<Vec<u32>>);

impl Operand {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(vec![0; PRIMES * N]))
    }

    /// Transforms `small`, where `|small[i]| < 2^29`.
    pub(crate) fn set(&mut self, small: &[i32]) {
        assert_eq!(small.len(), N, "ring elements have N coefficients");
        for (prime, words) in primes(plan()).iter().zip(self.0.chunks_exact_mut(N)) {
            let p = prime.modulus();
            for (word, &digit) in words.iter_mut().zip(small) {
                // p when the digit is negative, else 0: no branch on a secret digit.
                *word = (digit as u32).wrapping_add(p & ((digit >> 31) as u32));
            }
            prime.fwd(words);
        }
    }
}

/// A sum of products, kept in the transform domain until it is read once.
pub(crate) struct Accumulator(Zeroizing<Vec<u32>>);

impl Accumulator {
    pub(crate) fn new() -> Self {
        Self(Zeroizing::new(vec![0; PRIMES * N]))
    }

    pub(crate) fn add_product(&mut self, transformed: &Transformed, small: &Operand) {
        for (((prime, sum), a), b) in primes(plan())
            .iter()
            .zip(self.0.chunks_exact_mut(N))
            .zip(transformed.0.chunks_exact(N))
            .zip(small.0.chunks_exact(N))
        {
            prime.mul_accumulate(sum, a, b);
        }
    }

    /// The sum modulo 2^128, in coefficient form.
    pub(crate) fn finish(mut self) -> Zeroizing<Vec<u128>> {
        for (prime, sum) in primes(plan()).iter().zip(self.0.chunks_exact_mut(N)) {
            prime.normalize(sum);
        }
        let mut out = Zeroizing::new(vec![0u128; N]);
        let [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9] = split(&mut self.0);
        plan().inv(&mut out, m0, m1, m2, m3, m4, m5, m6, m7, m8, m9);
        out
    }
}

/// The product of a transformed polynomial and one with small coefficients, modulo 2^128.
pub(crate) fn product(transformed: &Transformed, small: &[i32]) -> Zeroizing<Vec<u128>> {
    let mut operand = Operand::new();
    operand.set(small);
    let mut sum = Accumulator::new();
    sum.add_product(transformed, &operand);
    sum.finish()
}

/// Coefficient `at` of `a · small`, without computing the others.
pub(crate) fn coefficient(a: &[u128], small: &[i32], at: usize) -> u128 {
    debug_assert_eq!((a.len(), small.len()), (N, N));
    let dot = |a: &[u128], small: &[i32]| {
        a.iter().zip(small.iter().rev()).fold(0u128, |sum, (&a, &s)| sum.wrapping_add(a.wrapping_mul(s as u128)))
    };
    dot(&a[..=at], &small[..=at]).wrapping_sub(dot(&a[at + 1..], &small[at + 1..]))
}

fn split(words: &mut [u32]) -> [&mut [u32]; PRIMES] {
    let mut parts = words.chunks_exact_mut(N);
    std::array::from_fn(|_| parts.next().expect("PRIMES residue vectors were allocated"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::linear::entropy::Entropy;
    use tfhe::core_crypto::prelude::{Polynomial, polynomial_algorithms};

    /// Product of two full-size ring elements.
    pub(crate) fn multiply(a: &[u128], b: &[u128]) -> Vec<u128> {
        let mut product = vec![0; N];
        plan().negacyclic_polymul(&mut product, a, b);
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

        assert_eq!(product(&Transformed::new(&a), &small).as_slice(), expected.as_ref());
        assert_eq!(multiply(&a, &wide), expected.as_ref());
        for at in [0, 1, 1234, N - 1] {
            assert_eq!(coefficient(&a, &small, at), expected.as_ref()[at]);
        }
    }
}
