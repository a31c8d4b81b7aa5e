//! The executor's side: sums and products of numbers modulo primes.

use rayon::prelude::*;

use super::{
    Circuit,
    circuit::{Computed, Expr, Keep},
    column,
    ring::{N, PRIMES, PackedCiphertext, plan, reduce, subtract},
};
use crate::{
    Error,
    table::{EncryptedResult, Form, Plan, Rows},
};

/// Polynomials by powers of the secret key, modulo one prime.
type Powers = Vec<Vec<u64>>;

/// Runs a packed plan over one chunk of rows, on all cores: there is no key to make ready. The same input gives the same bytes.
///
/// # Errors
/// As [`Evaluator::evaluate`](super::super::Evaluator::evaluate); [`Error::Packed`] for a plan that is not packed.
pub fn evaluate_packed(plan: &Plan, rows: &Rows<'_>) -> Result<EncryptedResult, Error> {
    let circuit = plan.packed.as_ref().ok_or(Error::Packed)?;
    let groups = rows.check(plan)?;
    let by_prime: Vec<Vec<Powers>> =
        (0..circuit.primes).into_par_iter().map(|prime| circuit.evaluate(rows, prime)).collect();
    let mut packed: Vec<PackedCiphertext> =
        circuit.computed.iter().map(|_| PackedCiphertext { primes: Vec::new() }).collect();
    for computed in by_prime {
        packed.iter_mut().zip(computed).for_each(|(own, powers)| own.primes.push(powers));
    }
    Ok(EncryptedResult { groups, samples: Vec::new(), packed })
}

impl Circuit {
    fn evaluate(&self, rows: &Rows<'_>, prime: usize) -> Vec<Powers> {
        let leaves = self.leaves(rows, prime);
        let keep = match &self.keep {
            Keep::Some(expr) => Some(value(expr, &leaves, prime)),
            _ => None,
        };
        let of = |computed: &Computed| match *computed {
            Computed::Bits => keep.clone().expect("there are no bits where every row counts"),
            Computed::Limb(column, limb) => {
                let mut element = column::zero();
                let (stored, seed) = rows.chunk(column, Form::Values).packed();
                column::add(stored, seed, limb, prime, &mut [&mut element]);
                let element = Vec::from(element);
                match &keep {
                    Some(keep) => product(keep, &element, prime),
                    None => element,
                }
            }
        };
        self.computed.par_iter().map(of).collect()
    }

    /// The sums of indicators.
    fn leaves(&self, rows: &Rows<'_>, prime: usize) -> Vec<Powers> {
        let mut digits: Vec<_> = self.leaves.iter().map(|leaf| leaf.digit).collect();
        digits.sort_unstable();
        digits.dedup();
        let of_digit = |digit: &(usize, usize)| {
            let own: Vec<usize> = (0..self.leaves.len()).filter(|leaf| self.leaves[*leaf].digit == *digit).collect();
            let chunk = rows.chunk(digit.0, Form::Indicators);
            let ((stored, seed), first) = (chunk.packed(), column::first(chunk.bits(), digit.1));
            let mut sums: Vec<[Vec<u64>; 2]> = own.iter().map(|_| column::zero()).collect();
            for value in 0..self.leaves[own[0]].holds.len() {
                let mut some: Vec<&mut [Vec<u64>; 2]> = sums
                    .iter_mut()
                    .zip(&own)
                    .filter(|(_, leaf)| self.leaves[**leaf].holds[value])
                    .map(|(sum, _)| sum)
                    .collect();
                if !some.is_empty() {
                    column::add(stored, seed, first + value, prime, &mut some);
                }
            }
            // Of at most 64 words.
            sums.iter_mut().flatten().flatten().for_each(|word| *word = reduce(*word, PRIMES[prime]));
            own.into_iter().zip(sums).collect::<Vec<_>>()
        };
        let mut all: Vec<(usize, [Vec<u64>; 2])> = digits.par_iter().flat_map_iter(of_digit).collect();
        all.sort_unstable_by_key(|(leaf, _)| *leaf);
        all.into_iter().map(|(_, sum)| Vec::from(sum)).collect()
    }
}

fn value(expr: &Expr, leaves: &[Powers], prime: usize) -> Powers {
    let p = PRIMES[prime];
    match expr {
        Expr::Leaf(leaf) => leaves[*leaf].clone(),
        Expr::Not(inner) => {
            let mut powers = value(inner, leaves, prime);
            for (power, words) in powers.iter_mut().enumerate() {
                // One in every slot is the polynomial 1, and that is 1 at every root of unity.
                words.iter_mut().for_each(|word| *word = subtract(u64::from(power == 0), *word, p));
            }
            powers
        }
        Expr::And(a, b) => product(&value(a, leaves, prime), &value(b, leaves, prime), prime),
        Expr::Either(a, b) => {
            let (a, b) = (value(a, leaves, prime), value(b, leaves, prime));
            let (mut long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
            for (own, other) in long.iter_mut().zip(&short) {
                own.iter_mut().zip(other).for_each(|(own, other)| *own = reduce(*own + other, p));
            }
            long
        }
    }
}

fn product(a: &[Vec<u64>], b: &[Vec<u64>], prime: usize) -> Powers {
    let mut product = vec![vec![0; N]; a.len() + b.len() - 1];
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            plan(prime).mul_accumulate(&mut product[i + j], a, b);
        }
    }
    product
}
