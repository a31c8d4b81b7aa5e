//! What the kernels are given beside their operands.

use crate::linear::ring::{N, PRIMES, cofactor, lift_factor, power};

/// Words of a prime's constants, as `ring.cu` has them.
const CONSTANTS: usize = 5;
/// `Q/p` for each prime, and `Q`, in two words each.
const COFACTORS_LEN: usize = 2 * (PRIMES.len() + 1);

/// Constants and powers of the roots of unity, for every prime.
pub(crate) struct Tables {
    /// For each prime: p, −1/p mod 2^32, 2^64 mod p, p − (2^128 mod p), lifting factor · 2^32 mod p.
    pub constants: Vec<u32>,
    /// For each prime, N words each: powers of ψ, their quotients, powers of ψ^−1, their quotients; in bit-reversed order.
    pub powers: Vec<u32>,
    pub cofactors: Vec<u64>,
    pub inverses: Vec<f64>,
}

impl Tables {
    pub fn new() -> Self {
        let mut tables = Self {
            constants: Vec::with_capacity(PRIMES.len() * CONSTANTS),
            powers: Vec::with_capacity(PRIMES.len() * 4 * N),
            cofactors: Vec::with_capacity(COFACTORS_LEN),
            inverses: PRIMES.iter().map(|&p| 1.0 / f64::from(p)).collect(),
        };
        for (index, &p) in PRIMES.iter().enumerate() {
            let p = u64::from(p);
            let wide = 1u64 << 32;
            // −1/p mod 2^32, by Newton's iteration.
            let inverse = (0..5).fold(1u32, |x, _| x.wrapping_mul(2u32.wrapping_sub((p as u32).wrapping_mul(x))));
            let words = [
                p,
                u64::from(inverse.wrapping_neg()),
                power(2, 64, p),
                p - power(2, 128, p),
                lift_factor(index) * (wide % p) % p,
            ];
            tables.constants.extend(words.map(|word| word as u32));
            let root = root_of_unity(p);
            for root in [root, power(root, p - 2, p)] {
                let powers: Vec<u64> =
                    (0..N).map(|i| power(root, (i.reverse_bits() >> (usize::BITS - N.ilog2())) as u64, p)).collect();
                tables.powers.extend(powers.iter().map(|&w| w as u32));
                tables.powers.extend(powers.iter().map(|&w| (w * wide / p) as u32));
            }
        }
        for index in 0..=PRIMES.len() {
            let cofactor = cofactor(index);
            tables.cofactors.extend([cofactor as u64, (cofactor >> 64) as u64]);
        }
        tables
    }
}

/// A primitive root of unity of order 2N modulo `p`: one whose N-th power is −1.
fn root_of_unity(p: u64) -> u64 {
    let order = 2 * N as u64;
    let candidates = (2..).map(|base| power(base, (p - 1) / order, p));
    candidates.into_iter().find(|&root| power(root, N as u64, p) == p - 1).expect("p is 1 modulo 2N")
}
