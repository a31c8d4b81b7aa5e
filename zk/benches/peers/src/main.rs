//! Proves in a loop with the crates `rln` and `semaphore-rs`, at depth 20 and under the keys that come with them.
//!
//! Reads lines `rln N` and `semaphore N`, and answers each with one of JSON: the milliseconds of N proofs, and the number of
//! constraints of the circuit, or of its variables where that is all that is told. Keys are read before the first proof is timed.

use std::io::{BufRead, Write};
use std::time::Instant;

use rand::thread_rng;
use rln::prelude::*;
use semaphore_rs::{Field, hash_to_field, identity::Identity, poseidon_tree::LazyPoseidonTree, protocol};
use serde_json::json;
use zerokit_utils::merkle_tree::ZerokitMerkleTree;

const DEPTH: usize = 20;

fn main() {
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let (what, runs) = line.split_once(' ').expect("a prover and a number");
        let runs = runs.parse().expect("a number");
        let (constraints, milliseconds) = match what {
            "rln" => rln(runs),
            "semaphore" => semaphore(runs),
            other => panic!("no prover {other}"),
        };
        println!("{}", json!({"constraints": constraints, "milliseconds": milliseconds}));
        std::io::stdout().flush().expect("somebody listens");
    }
}

fn timed(runs: usize, mut prove: impl FnMut()) -> Vec<f64> {
    prove();
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            prove();
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect()
}

/// A message of a member who may send a hundred in each epoch.
fn rln(runs: usize) -> (usize, Vec<f64>) {
    let keys = IdentityKeys::generate::<PoseidonHash, _>(&mut thread_rng());
    let limit = Fr::from(100);
    let mut tree = PmTree::<SledDB, PoseidonHash>::default(DEPTH).expect("a tree");
    tree.set(3, Hasher::<PoseidonHash>::hash_pair(keys.id_commitment(), limit)).expect("a leaf");
    let path = tree.proof(3).expect("the leaf's path");
    let witness = RLNWitnessInput::new_single()
        .identity_secret(keys.identity_secret())
        .user_message_limit(limit)
        .merkle_proof(&path)
        .x(hash_to_field_le(b"a message"))
        .external_nullifier(hash_to_field_le(b"an epoch"))
        .message_id(Fr::from(1))
        .build()
        .expect("a use below the limit");
    let prover = RLNBuilder::stateless().build();
    let times = timed(runs, || drop(prover.generate_proof(&witness).expect("a true statement")));
    (rln::circuit::default_zkey_single().1.num_constraints, times)
}

/// A signal of a member.
fn semaphore(runs: usize) -> (usize, Vec<f64>) {
    let identity = Identity::from_secret(&mut *b"a secret".to_owned().as_mut_slice(), None);
    let tree = LazyPoseidonTree::new(DEPTH, Field::from(0)).derived().update(0, &identity.commitment());
    let path = tree.proof(0);
    let (scope, signal) = (hash_to_field(b"a scope"), hash_to_field(b"a signal"));
    let times = timed(runs, || {
        protocol::generate_proof(&identity, &path, scope, signal).expect("a member");
    });
    // Its key is private. circom makes a variable for nearly every constraint, and some for its inputs.
    (protocol::generate_witness(&identity, &path, scope, signal).len(), times)
}
