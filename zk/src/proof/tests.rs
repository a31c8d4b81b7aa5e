//! Attacks on proofs that need the crate's inside; the rest is in `tests/`.

use std::sync::LazyLock;

use ark_bn254::{Fq, Fq2, G1Projective, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::Zero;
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};

use super::*;
use crate::{
    Keys, LeanImt,
    circuit::AccessCircuit,
    rng::{SeedableRng, StdRng},
    setup,
};

const DEPTH: usize = 4;

static KEYS: LazyLock<Keys> = LazyLock::new(|| setup(DEPTH, &mut StdRng::seed_from_u64(100)).unwrap());

const CREDENTIAL: Credential = Credential { asset: Scalar::ZERO, limit: 2, expiry: 2_000_000_000 };

fn secret() -> IdentitySecret {
    IdentitySecret::from_bytes(&[6; 32]).unwrap()
}

fn group() -> LeanImt {
    let mut group = LeanImt::new();
    group.insert_many(&[1, 2, 3, 4].map(Scalar::from)).unwrap();
    group.insert(CREDENTIAL.leaf(secret().commitment())).unwrap();
    group
}

/// A claim at time zero, so that its last public input is zero.
fn claim() -> Claim {
    Claim { root: group().root().unwrap(), message: Scalar::from(8), scope: Scalar::from(9), now: 0 }
}

fn proved() -> (Statement, Proof) {
    let membership = group().proof(4).unwrap();
    let witness = Witness { secret: &secret(), credential: &CREDENTIAL, use_index: 0, membership: &membership };
    prove(&KEYS.proving_key, &claim(), &witness, &mut StdRng::seed_from_u64(101)).unwrap()
}

/// arkworks pairs inputs and points with `zip`: inputs that are missing count as zero, and more than the key has are
/// ignored.
#[test]
fn another_number_of_public_inputs_is_rejected() {
    let (statement, proof) = proved();
    let inputs = statement.public_inputs();
    let (fewer, more) = (&inputs[..4], [inputs.as_slice(), &[Fr::from(666)]].concat());
    for wrong in [fewer, more.as_slice()] {
        assert!(
            Groth16::<Bn254>::verify_proof(&KEYS.verifying_key.inner, &proof.0, wrong).unwrap(),
            "the library accepts"
        );
        assert_eq!(verify_inputs(&KEYS.verifying_key, wrong, &proof), Err(Rejected));
    }
    assert_eq!(verify_inputs(&KEYS.verifying_key, &[], &proof), Err(Rejected));
    assert_eq!(verify_inputs(&KEYS.verifying_key, &inputs, &proof), Ok(()));
}

/// Whoever knew the proof's bytes as its identifier would admit the second one as a new proof.
#[test]
fn a_re_randomised_proof_verifies_so_its_bytes_identify_nothing() {
    let (statement, proof) = proved();
    let mut rng = StdRng::seed_from_u64(102);
    let other = Proof(Groth16::<Bn254>::rerandomize_proof(&KEYS.verifying_key.inner.vk, &proof.0, &mut rng));
    assert_ne!(other.to_bytes(), proof.to_bytes());
    assert_eq!(verify(&KEYS.verifying_key, &statement, &other), Ok(()));
    // What can be recognised is the nullifier, which the statement fixes.
    let moved = Statement { nullifier: Scalar::from(1), ..statement };
    assert_eq!(verify(&KEYS.verifying_key, &moved, &other), Err(Rejected));
}

/// Whoever keeps the randomness of the setup proves anything (Groth 2016, section 3.2: the simulator). A root of zero,
/// which means an empty group, is refused even then.
#[test]
fn a_root_of_zero_is_refused_whatever_the_proof() {
    let mut rng = StdRng::seed_from_u64(103);
    let [alpha, beta, gamma, delta, a, b] = core::array::from_fn(|_| Fr::rand(&mut rng));
    let (g1, g2) = (G1Projective::generator(), G2Projective::generator());
    let circuit = AccessCircuit { depth: 1, assignment: None };
    let key =
        Groth16::<Bn254>::generate_parameters_with_qap(circuit, alpha, beta, gamma, delta, g1, g2, &mut rng).unwrap();
    let mut bytes = vec![1, 1];
    key.vk.alpha_g1.serialize_compressed(&mut bytes).unwrap();
    for point in [key.vk.beta_g2, key.vk.gamma_g2, key.vk.delta_g2] {
        point.serialize_compressed(&mut bytes).unwrap();
    }
    for point in &key.vk.gamma_abc_g1 {
        point.serialize_compressed(&mut bytes).unwrap();
    }
    let verifying_key = VerifyingKey::from_bytes(&bytes).unwrap();

    let simulate = |statement: &Statement| {
        let inputs = Groth16::<Bn254>::prepare_inputs(&verifying_key.inner, &statement.public_inputs()).unwrap();
        let c = (g1 * (a * b - alpha * beta) - inputs * gamma) * delta.inverse().unwrap();
        Proof(ark_groth16::Proof { a: (g1 * a).into_affine(), b: (g2 * b).into_affine(), c: c.into_affine() })
    };
    let claim = claim();
    let forged = Statement {
        root: Scalar::from(1),
        nullifier: Scalar::from(2),
        message: claim.message,
        scope: claim.scope,
        now: claim.now,
    };
    assert_eq!(verify(&verifying_key, &forged, &simulate(&forged)), Ok(()));
    let empty = Statement { root: Scalar::ZERO, ..forged };
    let proof = simulate(&empty);
    assert_eq!(verify_inputs(&verifying_key, &empty.public_inputs(), &proof), Ok(()));
    assert_eq!(verify(&verifying_key, &empty, &proof), Err(Rejected));
}

#[test]
fn points_outside_their_subgroup_and_identities_are_refused() {
    let (_, proof) = proved();
    // A point of the twist whose order is not that of the group. arkworks reads it when told not to check.
    let outside = (1u64..)
        .filter_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::zero()), false))
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    let mut encoded = Vec::new();
    outside.serialize_compressed(&mut encoded).unwrap();
    assert!(G2Affine::deserialize_compressed_unchecked(encoded.as_slice()).is_ok());
    let mut bytes = proof.to_bytes();
    bytes[33..97].copy_from_slice(&encoded);
    assert_eq!(Proof::from_bytes(&bytes).unwrap_err(), DecodeError::Point { what: "proof" });

    let ark_groth16::Proof { a, b, c } = proof.0;
    for identity in [
        ark_groth16::Proof { a: G1Affine::zero(), b, c },
        ark_groth16::Proof { a, b: G2Affine::zero(), c },
        ark_groth16::Proof { a, b, c: G1Affine::zero() },
    ] {
        let bytes = Proof(identity).to_bytes();
        assert_eq!(Proof::from_bytes(&bytes).unwrap_err(), DecodeError::Point { what: "proof" });
    }
}

/// arkworks' prover makes a "proof" of anything and checks only in debug builds.
#[test]
fn a_false_statement_is_not_proved() {
    let membership = group().proof(4).unwrap();
    let mut assignment = Assignment {
        root: membership.root().0,
        nullifier: secret().nullifier(Scalar::from(9), 0).0,
        message: Fr::from(8),
        scope: Fr::from(9),
        now: Fr::ZERO,
        secret: secret().field_element(),
        asset: CREDENTIAL.asset.0,
        limit: Fr::from(CREDENTIAL.limit),
        expiry: Fr::from(CREDENTIAL.expiry),
        use_index: Fr::ZERO,
        levels: path_levels(&membership, DEPTH),
    };
    let mut rng = StdRng::seed_from_u64(104);
    assert!(prove_assignment(&KEYS.proving_key, &assignment, &mut rng).is_ok());
    assignment.nullifier += Fr::ONE;
    let refused = prove_assignment(&KEYS.proving_key, &assignment, &mut rng).unwrap_err();
    assert_eq!(refused, ProveError::Unsatisfied { purpose: "nullifier" });
}
