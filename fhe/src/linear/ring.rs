//! Exact products in `R = Z_{2^128}[X]/(X^4096 + 1)`.
//!
//! `tfhe-ntt`'s `native128` plan works modulo ten 30-bit primes and lifts the result back. Their product is above
//! 2^299; the largest integer that appears here is below 2^176 (2^20 cells, 2^128 coefficients, 27-bit digits), so
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

/// A sum of products, kept in the transform domain until it is read once.
pub(crate) struct Accumulator {
    sum: Zeroizing<Vec<u32>>,
    scratch: Zeroizing<Vec<u32>>,
}

impl Accumulator {
    pub(crate) fn new() -> Self {
        Self { sum: Zeroizing::new(vec![0; PRIMES * N]), scratch: Zeroizing::new(vec![0; N]) }
    }

    /// Adds `transformed · small`, where `|small[i]| < 2^29`.
    pub(crate) fn add_product(&mut self, transformed: &Transformed, small: &[i32]) {
        assert_eq!(small.len(), N, "ring elements have N coefficients");
        for ((prime, sum), operand) in
            primes(plan()).iter().zip(self.sum.chunks_exact_mut(N)).zip(transformed.0.chunks_exact(N))
        {
            let p = prime.modulus();
            for (word, &digit) in self.scratch.iter_mut().zip(small) {
                // p when the digit is negative, else 0: no branch on a secret digit.
                *word = (digit as u32).wrapping_add(p & ((digit >> 31) as u32));
            }
            prime.fwd(&mut self.scratch);
            prime.mul_accumulate(sum, operand, &self.scratch);
        }
    }

    /// The sum modulo 2^128, in coefficient form.
    pub(crate) fn finish(mut self) -> Zeroizing<Vec<u128>> {
        for (prime, sum) in primes(plan()).iter().zip(self.sum.chunks_exact_mut(N)) {
            prime.normalize(sum);
        }
        let mut out = Zeroizing::new(vec![0u128; N]);
        let [m0, m1, m2, m3, m4, m5, m6, m7, m8, m9] = split(&mut self.sum);
        plan().inv(&mut out, m0, m1, m2, m3, m4, m5, m6, m7, m8, m9);
        out
    }
}

/// Coefficient 0 of `a · small`, without computing the others.
pub(crate) fn constant_coefficient(a: &[u128], small: &[i32]) -> u128 {
    debug_assert_eq!((a.len(), small.len()), (N, N));
    let reversed = a[1..].iter().rev();
    let tail = reversed.zip(&small[1..]).fold(0u128, |sum, (&a, &s)| sum.wrapping_add(a.wrapping_mul(s as u128)));
    a[0].wrapping_mul(small[0] as u128).wrapping_sub(tail)
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

        let mut sum = Accumulator::new();
        sum.add_product(&Transformed::new(&a), &small);
        assert_eq!(sum.finish().as_slice(), expected.as_ref());
        assert_eq!(multiply(&a, &wide), expected.as_ref());
        assert_eq!(constant_coefficient(&a, &small), expected.as_ref()[0]);
    }
}
