//! JSON of snarkjs and of `@semaphore-protocol/proof`, read and written.
//!
//! Numbers are decimal digits in strings. One number has one form: no sign, no leading zero, and below the modulus.

use ark_bn254::{Bn254, Fq, Fq2, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{One, PrimeField};
use serde_json::{Value, json};
use thiserror::Error;

use super::{MAX_DEPTH, Proof, Signal, VerifyingKey};
use crate::{
    Scalar,
    export::{decimal, snarkjs},
};

/// The largest text that is read. Semaphore's verifying keys have 4 KB, its proofs 1 KB.
const MAX_BYTES: usize = 64 << 10;

const PROOF: &str = "proof";

/// Why JSON was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum JsonError {
    /// More than such a text ever has.
    #[error("a {what} has at most {MAX_BYTES} bytes of JSON, got {got}")]
    Size {
        /// What was read.
        what: &'static str,
        /// The size that came.
        got: usize,
    },
    /// Not JSON.
    #[error("the {what} is not JSON: {message}")]
    Syntax {
        /// What was read.
        what: &'static str,
        /// What is wrong where.
        message: String,
    },
    /// A field that is absent, or whose value is not of the right form.
    #[error("the {what} has no valid `{field}`")]
    Field {
        /// What was read.
        what: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A point that is off the curve, outside its subgroup, or the identity.
    #[error("the {what} has a `{field}` that is not a valid element of its group")]
    Point {
        /// What was read.
        what: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A depth that no circuit of the ceremony has.
    #[error("a circuit of Semaphore has depth 1 to {MAX_DEPTH}, got {got}")]
    Depth {
        /// The depth that came.
        got: usize,
    },
}

/// A JSON document, and what it is for.
pub(super) struct Document {
    what: &'static str,
    value: Value,
}

pub(super) fn parse(what: &'static str, json: &str) -> Result<Document, JsonError> {
    if json.len() > MAX_BYTES {
        return Err(JsonError::Size { what, got: json.len() });
    }
    let value = serde_json::from_str(json).map_err(|e| JsonError::Syntax { what, message: e.to_string() })?;
    Ok(Document { what, value })
}

impl Document {
    /// A field, as far as `read` finds one.
    fn field<'a, T>(&'a self, field: &'static str, read: impl FnOnce(&'a Value) -> Option<T>) -> Result<T, JsonError> {
        read(&self.value[field]).ok_or(JsonError::Field { what: self.what, field })
    }

    /// A point that is in its subgroup and not the identity.
    fn point<P: AffineRepr>(
        &self,
        field: &'static str,
        read: impl FnOnce(&Value) -> Option<P>,
    ) -> Result<P, JsonError> {
        let point = self.field(field, read)?;
        if point.is_zero() || point.check().is_err() {
            return Err(JsonError::Point { what: self.what, field });
        }
        Ok(point)
    }
}

fn list<const N: usize>(value: &Value) -> Option<&[Value; N]> {
    value.as_array()?.as_slice().try_into().ok()
}

fn element<F: PrimeField<BigInt = ark_ff::BigInt<4>>>(value: &Value) -> Option<F> {
    F::from_bigint(decimal(value.as_str()?)?)
}

fn pair(value: &Value) -> Option<Fq2> {
    let [c0, c1] = list(value)?;
    Some(Fq2::new(element(c0)?, element(c1)?))
}

/// snarkjs writes a third coordinate, which is one.
fn g1(value: &Value) -> Option<G1Affine> {
    let [x, y, z] = list(value)?;
    element::<Fq>(z)?.is_one().then_some(())?;
    Some(G1Affine::new_unchecked(element(x)?, element(y)?))
}

fn g2(value: &Value) -> Option<G2Affine> {
    let [x, y, z] = list(value)?;
    pair(z)?.is_one().then_some(())?;
    Some(G2Affine::new_unchecked(pair(x)?, pair(y)?))
}

/// Reads a verifying key of snarkjs for a number of public inputs.
pub(super) fn verifying_key(json: &Document, inputs: usize) -> Result<ark_groth16::VerifyingKey<Bn254>, JsonError> {
    json.field("protocol", |value| (value == "groth16").then_some(()))?;
    json.field("curve", |value| (value == "bn128").then_some(()))?;
    json.field("nPublic", |value| (value.as_u64()? == inputs as u64).then_some(()))?;
    let points = json.field("IC", |value| {
        let points = value.as_array().filter(|points| points.len() == inputs + 1)?;
        points.iter().map(g1).collect::<Option<Vec<_>>>()
    })?;
    if points.iter().any(|point| point.is_zero() || !point.is_on_curve()) {
        return Err(JsonError::Point { what: json.what, field: "IC" });
    }
    let key = ark_groth16::VerifyingKey {
        alpha_g1: json.point("vk_alpha_1", g1)?,
        beta_g2: json.point("vk_beta_2", g2)?,
        gamma_g2: json.point("vk_gamma_2", g2)?,
        delta_g2: json.point("vk_delta_2", g2)?,
        gamma_abc_g1: points,
    };
    if key.gamma_g2 == key.delta_g2 {
        // The two parts of a proof would no longer be kept apart, and anybody could forge.
        return Err(JsonError::Point { what: json.what, field: "vk_delta_2" });
    }
    Ok(key)
}

impl VerifyingKey {
    /// The key as snarkjs' `verification_key.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> String {
        snarkjs::verifying_key(&self.inner.vk).to_string()
    }
}

impl Proof {
    /// The proof as `@semaphore-protocol/proof` has it: `merkleTreeDepth`, `merkleTreeRoot`, `nullifier`, `message`,
    /// `scope` and eight numbers in `points`.
    #[must_use]
    pub fn to_json(&self) -> String {
        json!({
            "merkleTreeDepth": self.depth,
            "merkleTreeRoot": self.root.0.to_string(),
            "nullifier": self.nullifier.0.to_string(),
            "message": self.message.to_string(),
            "scope": self.scope.to_string(),
            "points": self.coordinates().map(|coordinate| coordinate.to_string()),
        })
        .to_string()
    }

    /// Reads what [`to_json`](Self::to_json) or `JSON.stringify(proof)` wrote.
    ///
    /// # Errors
    ///
    /// [`JsonError`] for another shape, numbers that are not canonical, and points that are not in their subgroup or
    /// are the identity.
    pub fn from_json(json: &str) -> Result<Self, JsonError> {
        let json = parse(PROOF, json)?;
        let depth = json.field("merkleTreeDepth", |value| usize::try_from(value.as_u64()?).ok())?;
        if !(1..=MAX_DEPTH).contains(&depth) {
            return Err(JsonError::Depth { got: depth });
        }
        let signal = |value: &Value| value.as_str()?.parse::<Signal>().ok();
        let scalar = |value: &Value| element(value).map(Scalar);
        let [a0, a1, b1, b0, b3, b2, c0, c1] = json.field("points", |value| {
            let coordinates: Vec<Fq> = list::<8>(value)?.iter().map(element).collect::<Option<_>>()?;
            coordinates.try_into().ok()
        })?;
        let points = ark_groth16::Proof {
            a: json.point("points", |_| Some(G1Affine::new_unchecked(a0, a1)))?,
            b: json.point("points", |_| Some(G2Affine::new_unchecked(Fq2::new(b0, b1), Fq2::new(b2, b3))))?,
            c: json.point("points", |_| Some(G1Affine::new_unchecked(c0, c1)))?,
        };
        Ok(Self {
            depth,
            root: json.field("merkleTreeRoot", scalar)?,
            nullifier: json.field("nullifier", scalar)?,
            message: json.field("message", signal)?,
            scope: json.field("scope", signal)?,
            points,
        })
    }

    /// snarkjs' `proof.json` and `public.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> (String, String) {
        (snarkjs::proof(&self.points).to_string(), snarkjs::inputs(&self.public_inputs()).to_string())
    }

    /// A, B and C as contracts take them: of B's coordinates, the imaginary part first (EIP-197).
    pub(crate) fn coordinates(&self) -> [Fq; 8] {
        crate::export::evm::coordinates(&self.points)
    }
}
