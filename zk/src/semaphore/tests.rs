//! What needs the inside: the assignment, and an attack. The rest is in `tests/`.

use std::sync::LazyLock;

use ark_bn254::{Bn254, Fr};
use ark_ff::{AdditiveGroup, UniformRand};
use ark_groth16::Groth16;
use serde_json::{Value, json};

use super::{
    proof::prove_inputs,
    witness::{Inputs, variables},
    *,
};
use crate::{
    Rejected, Scalar,
    rng::{RngCore, SeedableRng, StdRng},
};

#[path = "../../tests/support/keys.rs"]
mod keys;
#[path = "../../../core/tests/support/peers.rs"]
mod peers;
use peers::Peer;

/// A path of `length` levels with random siblings, in the circuit of a depth.
fn inputs(depth: usize, length: u64, rng: &mut StdRng) -> Inputs {
    let identity = Identity::generate(rng);
    let siblings = (0..depth).map(|i| if (i as u64) < length { Fr::rand(rng) } else { Fr::ZERO }).collect();
    let index = rng.next_u64() & ((1 << length.min(depth as u64)) - 1);
    Inputs { secret: identity.secret_scalar(), length, index, siblings, message: Fr::rand(rng), scope: Fr::rand(rng) }
}

#[test]
fn the_assignment_equals_circoms_at_every_depth() {
    let mut circom = Peer::script("semaphore.mjs");
    let mut rng = StdRng::seed_from_u64(40);
    for depth in 1..=MAX_DEPTH {
        for length in [depth as u64, rng.next_u64() % depth as u64] {
            let inputs = inputs(depth, length, &mut rng);
            let ours: Vec<_> = inputs.assignment().iter().map(Fr::to_string).collect();
            assert_eq!(ours.len(), variables(depth as u32) as usize);
            let siblings: Vec<_> = inputs.siblings.iter().map(Fr::to_string).collect();
            let answer = circom.ask(json!({
                "do": "witness", "depth": depth, "secret": inputs.secret.to_string(), "length": length,
                "index": inputs.index.to_string(), "siblings": siblings,
                "message": inputs.message.to_string(), "scope": inputs.scope.to_string(),
            }));
            let theirs = answer["values"].as_array().unwrap();
            let differs = ours.iter().zip(theirs).position(|(ours, theirs)| theirs != ours);
            assert_eq!((differs, theirs.len()), (None, ours.len()), "depth {depth}, length {length}");
        }
    }
}

/// The circuit's own documentation says it: a path longer than the circuit has the root zero, whoever proves.
#[test]
fn a_root_of_zero_proves_membership_of_nothing_and_is_rejected() {
    let mut rng = StdRng::seed_from_u64(41);
    let key = keys::proving_key(3);
    let inputs = Inputs { length: 4, ..inputs(3, 3, &mut rng) };
    let (message, scope) = (Signal::from(1), Signal::from(2));
    let inputs = Inputs { message: message.hash().0, scope: scope.hash().0, ..inputs };
    let proof = prove_inputs(&key, &inputs, message, scope, &mut rng);
    assert_eq!(proof.root, Scalar::ZERO);
    let bare = Groth16::<Bn254>::verify_proof(&key.verifying_key().inner, &proof.points, &proof.public_inputs());
    assert!(bare.unwrap(), "the proof system accepts");
    let json: Value = serde_json::from_str(&proof.to_json()).unwrap();
    let accepted = Peer::script("semaphore.mjs").ask(json!({"do": "verify", "proof": json}));
    assert_eq!(accepted, json!({"accepted": true}), "so does their library, which leaves roots to its caller");
    assert_eq!(verify(key.verifying_key(), &proof), Err(Rejected));
}

#[test]
fn a_key_that_makes_wrong_proofs_is_reported_to_the_prover_alone() {
    let mut rng = StdRng::seed_from_u64(42);
    let mut key = keys::proving_key(2);
    let identity = Identity::generate(&mut rng);
    let mut group = crate::LeanImt::new();
    group.insert_many(&[Scalar::from(1), Scalar::from(2), identity.commitment()]).unwrap();
    let path = group.proof(2).unwrap();
    let mut attempt = |key: &ProvingKey| {
        prove(key, &identity, &path, Signal::from(1), Signal::from(2), &mut rng).map(|proof| proof.root)
    };
    assert_eq!(attempt(&key), Ok(path.root()));
    key.key.l_query.swap(0, 1);
    assert_eq!(attempt(&key), Err(crate::ProveError::BrokenKey));
}

/// Groth16 proofs can be changed into others of the same statement: their points identify nothing.
#[test]
fn a_re_randomised_proof_has_the_same_nullifier() {
    static KEY: LazyLock<ProvingKey> = LazyLock::new(|| keys::proving_key(1));
    let mut rng = StdRng::seed_from_u64(43);
    let inputs = inputs(1, 1, &mut rng);
    let (message, scope) = (Signal::from(1), Signal::from(2));
    let inputs = Inputs { message: message.hash().0, scope: scope.hash().0, ..inputs };
    let proof = prove_inputs(&KEY, &inputs, message, scope, &mut rng);
    let points = Groth16::<Bn254>::rerandomize_proof(&KEY.key.vk, &proof.points, &mut rng);
    let other = Proof { points, ..proof.clone() };
    assert_ne!(other.to_json(), proof.to_json());
    assert_eq!((verify(KEY.verifying_key(), &other), other.nullifier), (Ok(()), proof.nullifier));
    assert_eq!(verify(KEY.verifying_key(), &Proof { nullifier: Scalar::from(1), ..other }), Err(Rejected));
}
