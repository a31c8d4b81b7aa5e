//! snarkjs' way from matrices to polynomials.
//!
//! A setup of snarkjs gives, for H, the points [L(τ) / δ]₁, where L are the Lagrange polynomials of the domain of twice
//! the size at its odd places, ζ·ω^i with ζ² = ω. A·B − C vanishes at the even places, which are the circuit's domain,
//! so its values at the odd ones are all that its value at τ takes: the prover neither divides nor interpolates. The
//! rows that bind the public inputs are entries of the matrices already.

use ark_ff::PrimeField;
use ark_groth16::r1cs_to_qap::{R1CSToQAP, evaluate_constraint};
use ark_poly::EvaluationDomain;
use ark_relations::gr1cs::{ConstraintSystemRef, Matrix, Result, SynthesisError};

/// The reduction that proves under snarkjs' keys. It makes no keys.
pub(crate) struct SnarkjsReduction;

impl R1CSToQAP for SnarkjsReduction {
    /// `num_constraints` is the size of the domain, and the matrices are A and B with so many rows.
    fn witness_map_from_matrices<F: PrimeField, D: EvaluationDomain<F>>(
        matrices: &[Matrix<F>],
        _num_inputs: usize,
        num_constraints: usize,
        full_assignment: &[F],
    ) -> Result<Vec<F>> {
        let domain = D::new(num_constraints).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let double = D::new(2 * domain.size()).ok_or(SynthesisError::PolynomialDegreeTooLarge)?;
        let odd_half = domain.get_coset(double.group_gen()).ok_or(SynthesisError::DivisionByZero)?;
        let evaluate = |matrix: &Matrix<F>| -> Vec<F> {
            matrix.iter().map(|row| evaluate_constraint(row, full_assignment)).collect()
        };
        let extend = |values: &mut Vec<F>| {
            domain.ifft_in_place(values);
            odd_half.fft_in_place(values);
        };
        let [mut a, mut b] = [evaluate(&matrices[0]), evaluate(&matrices[1])];
        // The constraints hold on the domain, so C is the product there.
        let mut c: Vec<F> = a.iter().zip(&b).map(|(a, b)| *a * b).collect();
        [&mut a, &mut b, &mut c].into_iter().for_each(extend);
        for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
            *a = *a * b - c;
        }
        Ok(a)
    }

    fn instance_map_with_evaluation<F: PrimeField, D: EvaluationDomain<F>>(
        _cs: ConstraintSystemRef<F>,
        _t: &F,
    ) -> Result<(Vec<F>, Vec<F>, Vec<F>, F, usize, usize)> {
        Err(SynthesisError::AssignmentMissing)
    }

    fn h_query_scalars<F: PrimeField, D: EvaluationDomain<F>>(
        _max_power: usize,
        _t: F,
        _zt: F,
        _delta_inverse: F,
    ) -> Result<Vec<F>> {
        Err(SynthesisError::AssignmentMissing)
    }
}
