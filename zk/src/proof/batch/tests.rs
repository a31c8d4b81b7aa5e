//! Batches, and what they would let pass without their coefficients.

use std::sync::LazyLock;

use ark_bn254::G2Affine;
use ark_ff::UniformRand;
use ark_groth16::Groth16;

use super::*;
use crate::{
    Claim, Credential, IdentitySecret, Keys, LeanImt, Scalar, Witness, os_rng, prove,
    rng::{SeedableRng, StdRng},
    setup,
};

static KEYS: LazyLock<Keys> = LazyLock::new(|| setup(4, &mut StdRng::seed_from_u64(200)).unwrap());

/// Proofs of four statements.
static FOUR: LazyLock<Vec<(Statement, Proof)>> = LazyLock::new(|| {
    let mut rng = StdRng::seed_from_u64(201);
    let secret = IdentitySecret::from_bytes(&[7; 32]).unwrap();
    let credential = Credential { asset: Scalar::from(1), limit: 4, expiry: 2_000_000_000 };
    let mut group = LeanImt::new();
    group.insert_many(&[1, 2, 3].map(Scalar::from)).unwrap();
    let place = group.insert(credential.leaf(secret.commitment())).unwrap();
    let membership = group.proof(place).unwrap();
    let one = |use_index| {
        let message = Scalar::from(10 + use_index);
        let claim = Claim { root: group.root().unwrap(), message, scope: Scalar::from(9), now: 1_900_000_000 };
        let witness = Witness { secret: &secret, credential: &credential, use_index, membership: &membership };
        prove(&KEYS.proving_key, &claim, &witness, &mut rng).unwrap()
    };
    (0..4).map(one).collect()
});

/// So many proofs, no two of which are the same.
fn proofs(count: usize) -> Vec<(Statement, Proof)> {
    let mut rng = StdRng::seed_from_u64(202);
    let vk = &KEYS.verifying_key.inner.vk;
    let again = |(statement, proof): &(Statement, Proof)| {
        (*statement, Proof(Groth16::<Bn254>::rerandomize_proof(vk, &proof.0, &mut rng)))
    };
    FOUR.iter().cycle().take(count).map(again).collect()
}

fn refs(proofs: &[(Statement, Proof)]) -> Vec<(&Statement, &Proof)> {
    proofs.iter().map(|(statement, proof)| (statement, proof)).collect()
}

fn batch(proofs: &[(Statement, Proof)]) -> Result<(), Rejected> {
    verify_batch(&KEYS.verifying_key, &refs(proofs), &mut os_rng())
}

fn each(proofs: &[(Statement, Proof)]) -> Vec<bool> {
    proofs.iter().map(|(statement, proof)| verify(&KEYS.verifying_key, statement, proof).is_ok()).collect()
}

#[test]
fn proofs_that_are_right_are_right_together() {
    for count in [0, 1, 2, 17, 64] {
        assert_eq!(batch(&proofs(count)), Ok(()), "{count}");
    }
}

#[test]
fn one_wrong_proof_in_any_place_is_refused() {
    let right = proofs(7);
    for count in [1, 2, 7] {
        for place in 0..count {
            let mut some = right[..count].to_vec();
            // Right, but of another statement.
            some[place].0.message = Scalar::from(99);
            assert_eq!(batch(&some), Err(Rejected), "the statement at {place} of {count}");
            some[place] = (right[place].0, right[(place + 1) % right.len()].1.clone());
            assert_eq!(batch(&some), Err(Rejected), "the proof at {place} of {count}");
            some[place] = right[place].clone();
            assert_eq!(batch(&some), Ok(()));
        }
    }
}

/// Every public input and every point counts.
#[test]
fn one_wrong_part_is_refused() {
    let right = proofs(3);
    type Change = fn(&mut Statement, &mut Proof);
    let changes: [(&str, Change); 8] = [
        ("root", |statement, _| statement.root = Scalar::from(1)),
        ("nullifier", |statement, _| statement.nullifier = Scalar::from(1)),
        ("message", |statement, _| statement.message = Scalar::from(1)),
        ("scope", |statement, _| statement.scope = Scalar::from(1)),
        ("now", |statement, _| statement.now += 1),
        ("A", |_, proof| proof.0.a = -proof.0.a),
        ("B", |_, proof| proof.0.b = G2Affine::generator()),
        ("C", |_, proof| proof.0.c = -proof.0.c),
    ];
    for (part, change) in changes {
        let mut some = right.clone();
        let (statement, proof) = &mut some[1];
        change(statement, proof);
        assert_eq!(batch(&some), Err(Rejected), "{part}");
    }
}

/// Of two proofs each of which is wrong, the errors cancel: the plain product of the equations holds. With coefficients that
/// their maker did not know it does not.
#[test]
fn errors_that_cancel_pass_without_coefficients_and_are_refused_with_them() {
    let mut rng = StdRng::seed_from_u64(203);
    let error = G1Projective::rand(&mut rng);
    let mut some = proofs(3);
    some[0].1.0.c = (some[0].1.0.c + error).into_affine();
    some[2].1.0.c = (some[2].1.0.c - error).into_affine();
    assert_eq!(each(&some), [false, true, false]);
    assert!(holds(&KEYS.verifying_key, &refs(&some), &[1, 1, 1]), "the attack works on the unprotected form");
    assert_eq!(batch(&some), Err(Rejected));

    // Known coefficients are as good as none.
    let known = [3, 5, 7];
    let mut some = proofs(3);
    some[0].1.0.c = (some[0].1.0.c + error * Fr::from(7)).into_affine();
    some[2].1.0.c = (some[2].1.0.c - error * Fr::from(3)).into_affine();
    assert_eq!(each(&some), [false, true, false]);
    assert!(holds(&KEYS.verifying_key, &refs(&some), &known), "the attack works on coefficients that are known");
    assert_eq!(batch(&some), Err(Rejected));
}

/// The same without any error: proofs of statements that were exchanged, whose inputs add up to the same.
#[test]
fn statements_that_were_shifted_against_each_other_are_refused() {
    let mut some = proofs(2);
    for (place, shift) in [(0, Scalar::from(5)), (1, Scalar(-Fr::from(5)))] {
        some[place].0.nullifier = Scalar(some[place].0.nullifier.0 + shift.0);
    }
    assert_eq!(each(&some), [false, false]);
    assert!(holds(&KEYS.verifying_key, &refs(&some), &[1, 1]), "the attack works on the unprotected form");
    assert_eq!(batch(&some), Err(Rejected));
}

#[test]
fn a_root_of_zero_is_refused_in_a_batch() {
    for count in [1, 2] {
        let mut some = proofs(count);
        some[count - 1].0.root = Scalar::ZERO;
        assert_eq!(batch(&some), Err(Rejected));
    }
    // Even where its coefficient, or that of the whole, would let it pass.
    let mut some = proofs(2);
    some[1].0.root = Scalar::ZERO;
    assert!(!holds(&KEYS.verifying_key, &refs(&some), &[1, 0]));
    some[1].0.root = Scalar::from(1);
    assert!(holds(&KEYS.verifying_key, &refs(&some), &[1, 0]));
}

#[test]
fn proofs_under_another_key_are_refused() {
    let other = setup(4, &mut StdRng::seed_from_u64(204)).unwrap();
    for count in [1, 2, 5] {
        assert_eq!(verify_batch(&other.verifying_key, &refs(&proofs(count)), &mut os_rng()), Err(Rejected));
    }
    assert_eq!(verify_batch(&other.verifying_key, &[], &mut os_rng()), Ok(()));
}

/// Two draws that are the same would show a generator that is none.
#[test]
fn coefficients_are_fresh_and_use_all_of_their_bits() {
    let drawn: Vec<u128> = (0..64).map(|_| coefficient(&mut os_rng())).collect();
    let (any, all) = drawn.iter().fold((0, u128::MAX), |(any, all), one| (any | one, all & one));
    assert_eq!((any, all), (u128::MAX, 0));
    assert!((1..drawn.len()).all(|i| !drawn[..i].contains(&drawn[i])));
}
