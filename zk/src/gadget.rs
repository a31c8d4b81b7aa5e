//! Constraints: a thin layer over arkworks' constraint system, and Poseidon on top of it.
//!
//! A [`Wire`] is a linear combination of variables with its value. Adding and scaling wires costs no constraint. Values
//! are plain field elements even where an honest prover only puts bits, so that tests can write down dishonest ones.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, BigInteger, Field, PrimeField};
use ark_relations::gr1cs::{ConstraintSystemRef, LinearCombination, Result, Variable};

use crate::poseidon::parameters;

/// A linear combination of variables. The value is `None` during setup.
#[derive(Clone, Copy)]
pub(crate) struct Wire {
    variable: Variable,
    value: Option<Fr>,
}

impl Wire {
    /// The constant one.
    pub(crate) const ONE: Self = Self { variable: Variable::One, value: Some(Fr::ONE) };

    pub(crate) fn value(self) -> Option<Fr> {
        self.value
    }
}

/// Adds variables and constraints to a constraint system, and remembers what each constraint is for.
pub(crate) struct Builder {
    cs: ConstraintSystemRef<Fr>,
    /// The purpose of each constraint, in the order of the rows.
    pub(crate) purposes: Vec<&'static str>,
}

impl Builder {
    pub(crate) fn new(cs: ConstraintSystemRef<Fr>) -> Self {
        Self { cs, purposes: Vec::new() }
    }

    /// A new public input.
    pub(crate) fn public(&mut self, value: Option<Fr>) -> Result<Wire> {
        let variable = self.cs.new_input_variable(|| value.ok_or(missing()))?;
        Ok(Wire { variable, value })
    }

    /// A new private variable.
    pub(crate) fn private(&mut self, value: Option<Fr>) -> Result<Wire> {
        let variable = self.cs.new_witness_variable(|| value.ok_or(missing()))?;
        Ok(Wire { variable, value })
    }

    /// The sum of coefficient · wire.
    pub(crate) fn sum(&mut self, terms: &[(Fr, Wire)]) -> Result<Wire> {
        let variable = self.cs.new_lc(|| {
            let mut sum = LinearCombination(terms.iter().map(|(c, wire)| (*c, wire.variable)).collect());
            sum.compactify();
            sum
        })?;
        let value = terms.iter().try_fold(Fr::ZERO, |sum, (c, wire)| Some(sum + *c * wire.value?));
        Ok(Wire { variable, value })
    }

    /// a − b.
    pub(crate) fn difference(&mut self, a: Wire, b: Wire) -> Result<Wire> {
        self.sum(&[(Fr::ONE, a), (-Fr::ONE, b)])
    }

    /// Constrains a · b = c.
    pub(crate) fn enforce(&mut self, purpose: &'static str, a: Wire, b: Wire, c: Wire) -> Result<()> {
        self.purposes.push(purpose);
        self.cs.enforce_r1cs_constraint(|| a.variable.into(), || b.variable.into(), || c.variable.into())
    }

    /// Constrains a = b.
    pub(crate) fn equal(&mut self, purpose: &'static str, a: Wire, b: Wire) -> Result<()> {
        self.enforce(purpose, a, Wire::ONE, b)
    }

    /// A new variable, constrained to a · b.
    pub(crate) fn product(&mut self, purpose: &'static str, a: Wire, b: Wire) -> Result<Wire> {
        let product = self.private(a.value.zip(b.value).map(|(a, b)| a * b))?;
        self.enforce(purpose, a, b, product)?;
        Ok(product)
    }

    /// A new variable, constrained to 0 or 1.
    pub(crate) fn bit(&mut self, purpose: &'static str, value: Option<Fr>) -> Result<Wire> {
        let bit = self.private(value)?;
        self.enforce(purpose, bit, bit, bit)?;
        Ok(bit)
    }

    /// Constrains `wire` to 0 ≤ wire < 2^64, by its 64 bits. 65 constraints.
    pub(crate) fn range_64(&mut self, purpose: &'static str, wire: Wire) -> Result<()> {
        let integer = wire.value.map(Fr::into_bigint);
        let mut terms = Vec::with_capacity(64);
        let mut weight = Fr::ONE;
        for i in 0..64 {
            let bit = self.bit("bit", integer.map(|n| Fr::from(n.get_bit(i))))?;
            terms.push((weight, bit));
            weight.double_in_place();
        }
        let sum = self.sum(&terms)?;
        self.equal(purpose, sum, wire)
    }

    /// b if `bit` is 1, a if it is 0. One constraint.
    pub(crate) fn select(&mut self, purpose: &'static str, bit: Wire, a: Wire, b: Wire) -> Result<Wire> {
        let change = self.difference(b, a)?;
        let change = self.product(purpose, bit, change)?;
        self.sum(&[(Fr::ONE, a), (Fr::ONE, change)])
    }

    /// Poseidon, as [`crate::poseidon()`]. Three constraints per S-box: 213, 240 or 261 for one, two or three inputs.
    ///
    /// Only the S-boxes cost constraints; constants and matrix are linear. The first S-box of the first lane has a
    /// constant input (the state starts with zero) and costs nothing.
    pub(crate) fn poseidon<const N: usize>(&mut self, inputs: [Wire; N]) -> Result<Wire> {
        let parameters = parameters(N);
        let half = parameters.full_rounds / 2;
        let rounds = parameters.full_rounds + parameters.partial_rounds;

        let mut state = vec![self.sum(&[(parameters.ark[0], Wire::ONE)])?];
        for (lane, input) in inputs.into_iter().enumerate() {
            state.push(self.sum(&[(Fr::ONE, input), (parameters.ark[lane + 1], Wire::ONE)])?);
        }
        for round in 0..rounds {
            let full = round < half || round >= rounds - half;
            for (lane, wire) in state.iter_mut().enumerate().take(if full { N + 1 } else { 1 }) {
                *wire = if (round, lane) == (0, 0) {
                    let c = parameters.ark[0];
                    self.sum(&[(c.square().square() * c, Wire::ONE)])?
                } else {
                    let x2 = self.product("poseidon", *wire, *wire)?;
                    let x4 = self.product("poseidon", x2, x2)?;
                    self.product("poseidon", x4, *wire)?
                };
            }
            // The matrix, and the constants of the next round.
            let next = parameters.ark.get((round + 1) * (N + 1)..).unwrap_or_default();
            let mixed = parameters.mds.iter().enumerate().map(|(lane, row)| {
                let mut terms: Vec<_> = row.iter().copied().zip(state.iter().copied()).collect();
                terms.extend(next.get(lane).map(|constant| (*constant, Wire::ONE)));
                self.sum(&terms)
            });
            state = mixed.collect::<Result<_>>()?;
        }
        Ok(state[0])
    }
}

fn missing() -> ark_relations::gr1cs::SynthesisError {
    ark_relations::gr1cs::SynthesisError::AssignmentMissing
}
