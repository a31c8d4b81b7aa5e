//! Proofs that come while every lane is taken, so that they are verified together.

use std::sync::LazyLock;
use std::sync::atomic::AtomicBool;
use std::thread;

use sealock_zk::{Claim, Credential, IdentitySecret, Keys, LeanImt, Scalar, Witness, prove, setup};

use super::*;
use crate::together::tests::waiting_together;

static KEYS: LazyLock<Keys> = LazyLock::new(|| setup(2, &mut os_rng()).unwrap());

/// Proofs of so many statements.
fn proofs(count: u64) -> Vec<(Statement, Proof)> {
    let secret = IdentitySecret::generate(&mut os_rng());
    let credential = Credential { asset: Scalar::from(1), limit: count, expiry: 2_000_000_000 };
    let mut group = LeanImt::new();
    let place = group.insert(credential.leaf(secret.commitment())).unwrap();
    let (root, membership) = (group.root().unwrap(), group.proof(place).unwrap());
    let claim = Claim { root, message: Scalar::from(2), scope: Scalar::from(3), now: 1_900_000_000 };
    let witness = |use_index| Witness { secret: &secret, credential: &credential, use_index, membership: &membership };
    (0..count).map(|n| prove(&KEYS.proving_key, &claim, &witness(n), &mut os_rng()).unwrap()).collect()
}

fn verifier(lanes: usize) -> Verifier {
    Verifier::with_lanes(KEYS.verifying_key.clone(), lanes)
}

/// Which are right, brought together.
fn together(verifier: &Verifier, proofs: &[(Statement, Proof)]) -> Vec<bool> {
    let first = Arc::new(proofs[0].clone());
    waiting_together(&verifier.together, proofs, &first, |(statement, proof)| {
        verifier.verify(*statement, proof.clone()).is_ok()
    })
}

fn alone(verifier: &Verifier) -> usize {
    verifier.alone.load(Ordering::Relaxed)
}

#[test]
fn those_that_wait_are_verified_together() {
    for lanes in [1, 2] {
        let verifier = verifier(lanes);
        let answers = together(&verifier, &proofs(MAX_TOGETHER as u64 + 5));
        assert!(answers.into_iter().all(|right| right));
        assert_eq!(alone(&verifier), 0);
    }
}

#[test]
fn of_those_that_wait_the_wrong_ones_alone_are_refused() {
    let (verifier, mut proofs) = (verifier(1), proofs(20));
    let wrong = [0, 3, 4, 19];
    for place in wrong {
        // Of another statement.
        proofs[place].0.message = Scalar::from(9);
    }
    let expected: Vec<bool> = (0..20).map(|place| !wrong.contains(&place)).collect();
    assert_eq!(together(&verifier, &proofs), expected);
    assert_eq!(alone(&verifier), ALONE_AFTERWARDS, "they came as one batch");
    // The same while each is verified alone.
    let again: Vec<bool> =
        proofs.into_iter().map(|(statement, proof)| verifier.verify(statement, proof).is_ok()).collect();
    assert_eq!((again, alone(&verifier)), (expected, ALONE_AFTERWARDS - 20));
}

/// Whoever sends one wrong proof after the other would have every other proof verified twice.
#[test]
fn after_a_wrong_one_nothing_is_verified_together_for_a_while() {
    let (verifier, proofs) = (verifier(1), proofs(6));
    let mut wrong = proofs.clone();
    wrong[2].0.now += 1;
    together(&verifier, &wrong);
    assert_eq!(alone(&verifier), ALONE_AFTERWARDS);
    // Wrong ones that are verified alone cost what they always did, and do not prolong it.
    for (statement, proof) in &wrong {
        let _ = verifier.verify(*statement, proof.clone());
    }
    assert_eq!(alone(&verifier), ALONE_AFTERWARDS - 6);
    verifier.alone.store(1, Ordering::Relaxed);
    assert_eq!(verifier.verify(proofs[0].0, proofs[0].1.clone()), Ok(()));
    assert_eq!(alone(&verifier), 0);
    together(&verifier, &wrong);
    assert_eq!(alone(&verifier), ALONE_AFTERWARDS, "a batch again");
}

/// Whatever comes together, each gets its own answer.
#[test]
fn each_gets_its_own_answer() {
    let (verifier, mut proofs) = (verifier(2), proofs(24));
    for one in proofs.iter_mut().step_by(5) {
        one.0.nullifier = Scalar::from(1);
    }
    let wrong = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..12 {
            let (verifier, proofs, wrong) = (&verifier, &proofs, &wrong);
            scope.spawn(move || {
                for round in 0..40 {
                    // The first ones are right, so that batches come to pass.
                    let place = if round < 20 { 1 + (thread + round) % 4 } else { (thread * 7 + round) % 24 };
                    let (statement, proof) = proofs[place].clone();
                    if verifier.verify(statement, proof).is_ok() != (place % 5 != 0) {
                        wrong.store(true, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert!(!wrong.into_inner());
}
