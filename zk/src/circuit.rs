//! The statement, as constraints.
//!
//! Public inputs, in this order: `root`, `nullifier`, `message`, `scope`, `now`. Private: `secret`, `asset`, `limit`,
//! `expiry`, `use_index`, and for each level `sibling`, `right` (the path is on the right side) and `active` (there is a
//! sibling). What is enforced, with the constraints it takes:
//!
//! | purpose | constraints |
//! |---|---|
//! | commitment = Poseidon(secret) | 213 |
//! | leaf = Poseidon(commitment, limit · 2^64 + expiry, asset) | 261 |
//! | each level: `right` and `active` are bits; node = `active` ? Poseidon(left, right) : node | 244 per level |
//! | the last node is `root`, and `root` ≠ 0 | 2 |
//! | `nullifier` = Poseidon(scope, secret, use_index) | 262 |
//! | `limit`, `expiry`, `use_index`, `now` < 2^64 | 260 |
//! | `use_index` < `limit`: limit − 1 − use_index < 2^64 | 65 |
//! | `now` ≤ `expiry`: expiry − now < 2^64 | 65 |
//! | `message` is used, by squaring it | 1 |
//!
//! Together 1129 + 244 per level: 6009 at depth 20 and 6985 at depth 24, both in a domain of 2^13.
//!
//! # Why this is enough
//!
//! * A leaf is a hash of three elements and an inner node one of two. By joint collision resistance of Poseidon at both
//!   widths no inner node passes for a leaf, if every leaf was made by [`Credential::leaf`](crate::Credential::leaf), so a path may have any shape and any length up to the depth: it starts at a leaf that is in the group. A level
//!   without a sibling is skipped (`active` = 0), and so are the levels above a small tree.
//! * `asset` is private and free, but the leaf fixes it. The verifier binds the asset through `scope` and the choice of
//!   the root.
//! * The ranges keep each difference from wrapping around p, and make limit · 2^64 + expiry a pair. Without the range of
//!   `expiry`, an expired order would live on as (limit − 1, expiry + 2^64); without that of `use_index`, −1 would be
//!   below every limit. A 64-bit `now` is enforced here too, so that no verifier has to remember it.
//! * Groth16 proofs can be re-randomised, but not moved to another public input (Baghery et al., *Another Look at
//!   Extraction and Randomization of Groth's zk-SNARK*, FC 2021, <https://eprint.iacr.org/2020/811>); squaring `message`
//!   gives its input a non-zero place in the key, as Semaphore does.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_relations::gr1cs::{
    ConstraintSynthesizer, ConstraintSystem, ConstraintSystemRef, Matrix, OptimizationGoal, R1CS_PREDICATE_LABEL,
    Result, SynthesisMode,
};
use rayon::prelude::*;
use zeroize::Zeroize;

use crate::gadget::{Builder, Wire};

/// The deepest circuit: groups of 2^24 orders.
pub const MAX_DEPTH: usize = 24;

/// Number of public inputs.
pub const PUBLIC_INPUTS: usize = 5;

/// Number of constraints of the circuit of a depth.
#[must_use]
pub const fn constraints(depth: usize) -> usize {
    1129 + 244 * depth
}

/// Number of private variables of the circuit of a depth.
pub(crate) const fn private_variables(depth: usize) -> usize {
    1126 + 245 * depth
}

/// Size of the domain that the circuit's polynomials live on. Each public input takes one more row, and so does the
/// constant one.
pub(crate) fn domain_size(depth: usize) -> usize {
    let rows = constraints(depth) + PUBLIC_INPUTS + 1;
    Radix2EvaluationDomain::<Fr>::compute_size_of_domain(rows).expect("BN254 has domains up to 2^28")
}

/// One level of a path. Bits are field elements here; the circuit enforces that they are bits.
#[derive(Clone, Copy, Zeroize)]
pub(crate) struct Level {
    pub(crate) sibling: Fr,
    pub(crate) right: Fr,
    pub(crate) active: Fr,
}

/// A value for every input of the circuit, honest or not.
#[derive(Clone, Zeroize)]
#[zeroize(drop)]
pub(crate) struct Assignment {
    pub(crate) root: Fr,
    pub(crate) nullifier: Fr,
    pub(crate) message: Fr,
    pub(crate) scope: Fr,
    pub(crate) now: Fr,
    pub(crate) secret: Fr,
    pub(crate) asset: Fr,
    pub(crate) limit: Fr,
    pub(crate) expiry: Fr,
    pub(crate) use_index: Fr,
    pub(crate) levels: Vec<Level>,
}

/// The circuit of a depth, with values or, for setup, without.
pub(crate) struct AccessCircuit<'a> {
    pub(crate) depth: usize,
    pub(crate) assignment: Option<&'a Assignment>,
}

impl AccessCircuit<'_> {
    /// Adds everything to `cs` and returns the purpose of each constraint.
    pub(crate) fn synthesize(self, cs: ConstraintSystemRef<Fr>) -> Result<Vec<&'static str>> {
        let mut b = Builder::new(cs);
        let given = self.assignment;

        let root = b.public(given.map(|a| a.root))?;
        let nullifier = b.public(given.map(|a| a.nullifier))?;
        let message = b.public(given.map(|a| a.message))?;
        let scope = b.public(given.map(|a| a.scope))?;
        let now = b.public(given.map(|a| a.now))?;

        let secret = b.private(given.map(|a| a.secret))?;
        let asset = b.private(given.map(|a| a.asset))?;
        let limit = b.private(given.map(|a| a.limit))?;
        let expiry = b.private(given.map(|a| a.expiry))?;
        let use_index = b.private(given.map(|a| a.use_index))?;

        let commitment = b.poseidon([secret])?;
        let packed = b.sum(&[(Fr::from(1u128 << 64), limit), (Fr::ONE, expiry)])?;
        let mut node = b.poseidon([commitment, packed, asset])?;
        for i in 0..self.depth {
            let level = given.map(|a| a.levels[i]);
            let sibling = b.private(level.map(|level| level.sibling))?;
            let right = b.bit("path bit", level.map(|level| level.right))?;
            let active = b.bit("active bit", level.map(|level| level.active))?;
            let left_child = b.select("side", right, node, sibling)?;
            let right_child = b.sum(&[(Fr::ONE, node), (Fr::ONE, sibling), (-Fr::ONE, left_child)])?;
            let parent = b.poseidon([left_child, right_child])?;
            node = b.select("skip", active, node, parent)?;
        }
        b.equal("root", node, root)?;
        let inverse = b.private(root.value().map(|root| root.inverse().unwrap_or(Fr::ZERO)))?;
        b.enforce("root is not zero", root, inverse, Wire::ONE)?;

        let expected = b.poseidon([scope, secret, use_index])?;
        b.equal("nullifier", expected, nullifier)?;

        b.range_64("limit range", limit)?;
        b.range_64("expiry range", expiry)?;
        b.range_64("use index range", use_index)?;
        b.range_64("now range", now)?;
        let uses_left_after = b.sum(&[(Fr::ONE, limit), (-Fr::ONE, use_index), (-Fr::ONE, Wire::ONE)])?;
        b.range_64("use index below limit", uses_left_after)?;
        let time_left = b.difference(expiry, now)?;
        b.range_64("not expired", time_left)?;

        b.product("message", message, message)?;
        Ok(b.purposes)
    }
}

impl ConstraintSynthesizer<Fr> for AccessCircuit<'_> {
    fn generate_constraints(self, cs: ConstraintSystemRef<Fr>) -> Result<()> {
        self.synthesize(cs).map(drop)
    }
}

/// The circuit of a depth as three sparse matrices: row i says ⟨A_i, z⟩ · ⟨B_i, z⟩ = ⟨C_i, z⟩ of the assignment
/// z = (1, public inputs, private variables).
pub(crate) struct Rows {
    pub(crate) matrices: Vec<Matrix<Fr>>,
    /// What each row is for.
    pub(crate) purposes: Vec<&'static str>,
}

impl Rows {
    pub(crate) fn of_depth(depth: usize) -> Self {
        let cs = ConstraintSystem::new_ref();
        // As in the setup: the matrices have to be the ones that the key was made for.
        cs.set_optimization_goal(OptimizationGoal::Constraints);
        cs.set_mode(SynthesisMode::Setup);
        let purposes = AccessCircuit { depth, assignment: None }.synthesize(cs.clone());
        cs.finalize();
        let matrices = cs.to_matrices().ok().and_then(|mut all| all.remove(R1CS_PREDICATE_LABEL));
        Self {
            matrices: matrices.expect("a new constraint system is an R1CS"),
            purposes: purposes.expect("synthesis without values does not fail"),
        }
    }

    /// What the rows are for that `z` does not satisfy.
    pub(crate) fn violated(&self, z: &[Fr]) -> Vec<&'static str> {
        let rows = (0..self.purposes.len()).into_par_iter();
        rows.filter(|&row| !self.is_satisfied(row, z)).map(|row| self.purposes[row]).collect()
    }

    pub(crate) fn is_satisfied(&self, row: usize, z: &[Fr]) -> bool {
        let inner = |matrix: &Matrix<Fr>| matrix[row].iter().map(|(c, i)| *c * z[*i]).sum::<Fr>();
        inner(&self.matrices[0]) * inner(&self.matrices[1]) == inner(&self.matrices[2])
    }
}

/// The full assignment z = (1, public inputs, private variables).
pub(crate) fn full_assignment(depth: usize, assignment: &Assignment) -> Result<Vec<Fr>> {
    let cs = ConstraintSystem::new_ref();
    cs.set_mode(SynthesisMode::Prove { construct_matrices: false, generate_lc_assignments: false });
    AccessCircuit { depth, assignment: Some(assignment) }.synthesize(cs.clone())?;
    let mut cs = cs.into_inner().expect("the builder has dropped its handle");
    let mut private = core::mem::take(&mut cs.assignments.witness_assignment);
    let z = [cs.instance_assignment()?, private.as_slice()].concat();
    private.zeroize();
    Ok(z)
}

#[cfg(test)]
mod tests;
