//! The circuit as polynomials (Gennaro et al., EUROCRYPT 2013, <https://eprint.iacr.org/2012/215>): column i of a matrix
//! is the polynomial that takes the column's entries on the domain, row by row.
//!
//! It is the reduction that the proof library's prover expects (`LibsnarkReduction`): behind the constraints, A has one more
//! row for each public input and the constant, and the domain is filled up with empty rows.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use zeroize::Zeroizing;

use crate::circuit::{PUBLIC_INPUTS, Rows};

/// Index of A, B and C among the matrices.
pub(crate) const A: usize = 0;
pub(crate) const B: usize = 1;
pub(crate) const C: usize = 2;

/// The circuit's matrices over its domain.
pub(crate) struct Qap<'a> {
    rows: &'a Rows,
    pub(crate) domain: Radix2EvaluationDomain<Fr>,
}

impl<'a> Qap<'a> {
    pub(crate) fn new(rows: &'a Rows) -> Self {
        let domain = Radix2EvaluationDomain::new(rows.purposes.len() + PUBLIC_INPUTS + 1);
        Self { rows, domain: domain.expect("BN254 has domains up to 2^28") }
    }

    /// Number of elements of the domain.
    pub(crate) fn size(&self) -> usize {
        self.domain.size()
    }

    /// Row, column and value of every entry that is not zero.
    fn entries(&self, matrix: usize) -> impl Iterator<Item = (usize, usize, Fr)> {
        let constraints = self.rows.purposes.len();
        let inputs = if matrix == A { PUBLIC_INPUTS + 1 } else { 0 };
        let of_constraints = self.rows.matrices[matrix].iter().enumerate();
        of_constraints
            .flat_map(|(row, terms)| terms.iter().map(move |(value, column)| (row, *column, *value)))
            .chain((0..inputs).map(move |input| (constraints + input, input, Fr::ONE)))
    }

    /// The columns of A, B and C at τ. They tell τ: keep them secret.
    pub(crate) fn columns_at(&self, tau: Fr, variables: usize) -> [Zeroizing<Vec<Fr>>; 3] {
        let lagrange = Zeroizing::new(self.domain.evaluate_all_lagrange_coefficients(tau));
        [A, B, C].map(|matrix| {
            let mut columns = Zeroizing::new(vec![Fr::ZERO; variables]);
            for (row, column, value) in self.entries(matrix) {
                columns[column] += lagrange[row] * value;
            }
            columns
        })
    }

    /// The coefficients of Σ weight_i · column_i, lowest power first.
    pub(crate) fn weighted_columns(&self, matrix: usize, weights: &[Fr]) -> Vec<Fr> {
        let mut sum = vec![Fr::ZERO; self.size()];
        for (row, column, value) in self.entries(matrix) {
            sum[row] += weights[column] * value;
        }
        self.domain.ifft_in_place(&mut sum);
        sum
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;

    use super::*;
    use crate::rng::{SeedableRng, StdRng};

    #[test]
    fn the_two_ways_to_a_weighted_sum_of_columns_agree() {
        let rows = Rows::of_depth(2);
        let qap = Qap::new(&rows);
        let mut rng = StdRng::seed_from_u64(400);
        let variables = PUBLIC_INPUTS + 1 + crate::circuit::private_variables(2);
        let tau = Fr::rand(&mut rng);
        let weights: Vec<_> = (0..variables).map(|_| Fr::rand(&mut rng)).collect();
        let columns = qap.columns_at(tau, variables);
        for matrix in [A, B, C] {
            let of_columns: Fr = columns[matrix].iter().zip(&weights).map(|(column, weight)| *column * weight).sum();
            let coefficients = qap.weighted_columns(matrix, &weights);
            let of_polynomial = coefficients.iter().rev().fold(Fr::ZERO, |sum, coefficient| sum * tau + coefficient);
            assert_eq!(of_columns, of_polynomial, "matrix {matrix}");
        }
    }
}
