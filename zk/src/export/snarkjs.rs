//! JSON as snarkjs 0.7 writes and reads it: `verification_key.json`, `proof.json` and `public.json`.
//!
//! Numbers are decimal digits in strings, and points have a third coordinate, which is one. A verifier of access proofs
//! has two more things to check than `snarkjs groth16 verify` does: that the root is not zero, and that the statement
//! is the one it asked for.

use ark_bn254::{Bn254, Fq2, Fq6, Fr, G1Affine, G2Affine};
use ark_ec::pairing::Pairing;
use serde_json::{Value, json};

use crate::{Proof, Statement, VerifyingKey};

impl VerifyingKey {
    /// The key as snarkjs' `verification_key.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> String {
        verifying_key(&self.inner.vk).to_string()
    }
}

impl Proof {
    /// The proof as snarkjs' `proof.json`.
    #[must_use]
    pub fn to_snarkjs(&self) -> String {
        proof(&self.0).to_string()
    }
}

impl Statement {
    /// The statement as snarkjs' `public.json`: root, nullifier, message, scope, time.
    #[must_use]
    pub fn to_snarkjs(&self) -> String {
        inputs(&self.public_inputs()).to_string()
    }
}

pub(crate) fn verifying_key(key: &ark_groth16::VerifyingKey<Bn254>) -> Value {
    let pairing = Bn254::pairing(key.alpha_g1, key.beta_g2).0;
    json!({
        "protocol": "groth16",
        "curve": "bn128",
        "nPublic": key.gamma_abc_g1.len() - 1,
        "vk_alpha_1": g1(&key.alpha_g1),
        "vk_beta_2": g2(&key.beta_g2),
        "vk_gamma_2": g2(&key.gamma_g2),
        "vk_delta_2": g2(&key.delta_g2),
        "vk_alphabeta_12": [sextic(&pairing.c0), sextic(&pairing.c1)],
        "IC": key.gamma_abc_g1.iter().map(g1).collect::<Vec<_>>(),
    })
}

pub(crate) fn proof(proof: &ark_groth16::Proof<Bn254>) -> Value {
    json!({
        "pi_a": g1(&proof.a),
        "pi_b": g2(&proof.b),
        "pi_c": g1(&proof.c),
        "protocol": "groth16",
        "curve": "bn128",
    })
}

pub(crate) fn inputs(inputs: &[Fr]) -> Value {
    inputs.iter().map(Fr::to_string).collect()
}

fn g1(point: &G1Affine) -> Value {
    json!([point.x.to_string(), point.y.to_string(), "1"])
}

fn g2(point: &G2Affine) -> Value {
    json!([pair(&point.x), pair(&point.y), ["1", "0"]])
}

fn pair(element: &Fq2) -> Value {
    json!([element.c0.to_string(), element.c1.to_string()])
}

fn sextic(element: &Fq6) -> Value {
    json!([pair(&element.c0), pair(&element.c1), pair(&element.c2)])
}
