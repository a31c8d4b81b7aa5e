//! Proofs as owner and consumer see them.

use std::sync::LazyLock;

use sealock_zk::{
    Claim, Credential, DecodeError, IdentitySecret, Keys, LeanImt, MerkleProof, Proof, ProveError, ProvingKey,
    Rejected, Scalar, Statement, VerifyingKey, Witness, prove,
    rng::{SeedableRng, StdRng},
    setup, verify,
};

const DEPTH: usize = 4;
const NOW: u64 = 1_900_000_000;

static KEYS: LazyLock<Keys> = LazyLock::new(|| setup(DEPTH, &mut StdRng::seed_from_u64(300)).unwrap());

/// A consumer with an order in a group of eleven.
struct Consumer {
    secret: IdentitySecret,
    credential: Credential,
    group: LeanImt,
    membership: MerkleProof,
    claim: Claim,
    rng: StdRng,
}

impl Consumer {
    fn new(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let secret = IdentitySecret::generate(&mut rng);
        let asset = Scalar::hash("test/asset", &[b"asset"]);
        let credential = Credential { asset, limit: 3, expiry: NOW + 60 };
        let mut group = LeanImt::with_max_depth(DEPTH).unwrap();
        group.insert_many(&(1..8).map(Scalar::from).collect::<Vec<_>>()).unwrap();
        let place = group.insert(credential.leaf(secret.commitment())).unwrap();
        group.insert_many(&(8..11).map(Scalar::from).collect::<Vec<_>>()).unwrap();
        let claim = Claim {
            root: group.root().unwrap(),
            message: Scalar::hash("test/message", &[b"job"]),
            scope: Scalar::hash("test/scope", &[b"market"]),
            now: NOW,
        };
        Self { membership: group.proof(place).unwrap(), secret, credential, group, claim, rng }
    }

    fn prove(&mut self, use_index: u64) -> Result<(Statement, Proof), ProveError> {
        self.prove_under(&KEYS.proving_key, use_index)
    }

    fn prove_under(&mut self, key: &ProvingKey, use_index: u64) -> Result<(Statement, Proof), ProveError> {
        let Self { secret, credential, membership, claim, rng, .. } = self;
        prove(key, claim, &Witness { secret, credential, use_index, membership }, rng)
    }
}

#[test]
fn each_use_is_accepted_and_has_its_own_nullifier() {
    let mut consumer = Consumer::new(1);
    let mut spent = Vec::new();
    for use_index in 0..3 {
        let (statement, proof) = consumer.prove(use_index).unwrap();
        assert_eq!(verify(&KEYS.verifying_key, &statement, &proof), Ok(()));
        assert_eq!(statement.nullifier, consumer.secret.nullifier(consumer.claim.scope, use_index));
        assert!(!spent.contains(&statement.nullifier));
        spent.push(statement.nullifier);
    }
    // The same use for another message has the same nullifier, which the owner has seen.
    consumer.claim.message = Scalar::from(1);
    let (again, _) = consumer.prove(1).unwrap();
    assert_eq!(again.nullifier, spent[1]);
    // In another scope it is another use.
    consumer.claim.scope = Scalar::from(2);
    let (elsewhere, _) = consumer.prove(1).unwrap();
    assert!(!spent.contains(&elsewhere.nullifier));
}

#[test]
fn a_proof_travels_as_bytes() {
    let (statement, proof) = Consumer::new(2).prove(0).unwrap();
    let key = VerifyingKey::from_bytes(&KEYS.verifying_key.to_bytes()).unwrap();
    let statement = Statement::from_bytes(&statement.to_bytes()).unwrap();
    let proof = Proof::from_bytes(&proof.to_bytes()).unwrap();
    assert_eq!(verify(&key, &statement, &proof), Ok(()));
}

#[test]
fn every_part_of_the_statement_is_bound() {
    let (statement, proof) = Consumer::new(3).prove(0).unwrap();
    let one_more = |value: Scalar| {
        let mut bytes = value.to_bytes();
        bytes[31] ^= 1;
        Scalar::from_bytes(&bytes).unwrap()
    };
    for changed in [
        Statement { root: one_more(statement.root), ..statement },
        Statement { root: Scalar::ZERO, ..statement },
        Statement { nullifier: one_more(statement.nullifier), ..statement },
        Statement { message: one_more(statement.message), ..statement },
        Statement { scope: one_more(statement.scope), ..statement },
        Statement { now: statement.now - 1, ..statement },
        Statement { now: statement.now + 1, ..statement },
    ] {
        assert_eq!(verify(&KEYS.verifying_key, &changed, &proof), Err(Rejected), "{changed:?}");
    }
    assert_eq!(verify(&KEYS.verifying_key, &statement, &proof), Ok(()));
}

#[test]
fn a_proof_with_a_flipped_bit_is_never_accepted() {
    let (statement, proof) = Consumer::new(4).prove(0).unwrap();
    let bytes = proof.to_bytes();
    let mut decoded = 0;
    for bit in 0..8 * bytes.len() {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Proof::from_bytes(&changed) {
            decoded += 1;
            assert_eq!(verify(&KEYS.verifying_key, &statement, &other), Err(Rejected), "bit {bit}");
        }
    }
    assert!(decoded > 100, "some flips give points again, so that verification was asked");
}

/// Every byte of the statement as it travels is bound, and most changes of the first are no statement at all.
#[test]
fn a_statement_with_a_flipped_bit_is_never_accepted() {
    let (statement, proof) = Consumer::new(13).prove(0).unwrap();
    let bytes = statement.to_bytes();
    let mut decoded = 0;
    for bit in 0..8 * bytes.len() {
        let mut changed = bytes;
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = Statement::from_bytes(&changed) {
            decoded += 1;
            assert_eq!(verify(&KEYS.verifying_key, &other, &proof), Err(Rejected), "bit {bit}");
        }
    }
    assert!(decoded > 1000, "most flips give statements again, so that verification was asked");
}

/// A proof is about the root that it names. Whether that root is still good is for the owner to say.
#[test]
fn a_stale_root_is_not_renewed() {
    let mut consumer = Consumer::new(14);
    let (stale, proof) = consumer.prove(0).unwrap();
    consumer.group.insert(Scalar::from(99)).unwrap();
    let renewed = Statement { root: consumer.group.root().unwrap(), ..stale };
    assert_eq!(verify(&KEYS.verifying_key, &renewed, &proof), Err(Rejected));
    assert_eq!(verify(&KEYS.verifying_key, &stale, &proof), Ok(()));
    // With its old path the consumer cannot claim the new root either.
    consumer.claim.root = renewed.root;
    let other = ProveError::OtherRoot { path: stale.root, claim: renewed.root };
    assert_eq!(consumer.prove(0).unwrap_err(), other);
}

#[test]
fn keys_do_not_verify_each_others_proofs() {
    let mut rng = StdRng::seed_from_u64(301);
    let other = setup(DEPTH, &mut rng).unwrap();
    let mut consumer = Consumer::new(5);
    let (statement, proof) = consumer.prove(0).unwrap();
    let (other_statement, other_proof) = consumer.prove_under(&other.proving_key, 0).unwrap();
    assert_eq!(statement, other_statement);
    assert_eq!(verify(&other.verifying_key, &statement, &other_proof), Ok(()));
    assert_eq!(verify(&other.verifying_key, &statement, &proof), Err(Rejected));
    assert_eq!(verify(&KEYS.verifying_key, &statement, &other_proof), Err(Rejected));
}

#[test]
fn what_the_order_does_not_grant_is_told_to_the_prover() {
    let mut consumer = Consumer::new(6);
    for use_index in [3, u64::MAX] {
        assert_eq!(consumer.prove(use_index).unwrap_err(), ProveError::UseLimitReached { use_index, limit: 3 });
    }
    consumer.claim.now = NOW + 61;
    assert_eq!(consumer.prove(0).unwrap_err(), ProveError::Expired { expiry: NOW + 60, now: NOW + 61 });
    consumer.claim.now = NOW + 60;
    assert!(consumer.prove(0).is_ok());

    // Other terms, another secret, another path, another root: not this group's order.
    consumer.credential.limit += 1;
    assert_eq!(consumer.prove(0).unwrap_err(), ProveError::NotMember);
    consumer.credential.limit -= 1;
    consumer.membership = consumer.group.proof(2).unwrap();
    assert_eq!(consumer.prove(0).unwrap_err(), ProveError::NotMember);
    let mut consumer = Consumer::new(6);
    consumer.membership.siblings[1] = Scalar::from(5);
    let (path, claim) = (consumer.membership.root(), consumer.claim.root);
    assert_eq!(consumer.prove(0).unwrap_err(), ProveError::OtherRoot { path, claim });
    let mut consumer = Consumer::new(6);
    consumer.secret = IdentitySecret::from_bytes(&[1; 32]).unwrap();
    assert_eq!(consumer.prove(0).unwrap_err(), ProveError::NotMember);
    let mut consumer = Consumer::new(6);
    consumer.claim.root = Scalar::ZERO;
    let path = consumer.membership.root();
    assert_eq!(consumer.prove(0).unwrap_err(), ProveError::OtherRoot { path, claim: Scalar::ZERO });
}

#[test]
fn a_group_that_has_outgrown_the_key_is_told_to_the_prover() {
    let mut consumer = Consumer::new(7);
    let mut group = LeanImt::new();
    group.insert_many(&(1..17).map(Scalar::from).collect::<Vec<_>>()).unwrap();
    // The seventeenth order has one sibling only, so its path still fits.
    let place = group.insert(consumer.credential.leaf(consumer.secret.commitment())).unwrap();
    consumer.claim.root = group.root().unwrap();
    consumer.membership = group.proof(place).unwrap();
    assert!(consumer.prove(0).is_ok());
    // With fifteen more, every path has five levels.
    group.insert_many(&(17..32).map(Scalar::from).collect::<Vec<_>>()).unwrap();
    consumer.claim.root = group.root().unwrap();
    consumer.membership = group.proof(place).unwrap();
    assert_eq!(consumer.prove(0).unwrap_err(), ProveError::TooDeep { levels: 5, depth: DEPTH });
}

#[test]
fn a_group_of_one_can_prove_but_hides_nobody() {
    let mut consumer = Consumer::new(8);
    let mut group = LeanImt::new();
    group.insert(consumer.credential.leaf(consumer.secret.commitment())).unwrap();
    consumer.claim.root = group.root().unwrap();
    consumer.membership = group.proof(0).unwrap();
    assert!(group.len() < sealock_zk::SMALLEST_ANONYMOUS_GROUP);
    let (statement, proof) = consumer.prove(0).unwrap();
    assert_eq!(verify(&KEYS.verifying_key, &statement, &proof), Ok(()));
}

#[test]
fn proofs_of_one_use_differ_and_have_one_nullifier() {
    let mut consumer = Consumer::new(9);
    let (statement, proof) = consumer.prove(0).unwrap();
    let (again, other) = consumer.prove(0).unwrap();
    assert_eq!(statement, again);
    assert_ne!(proof.to_bytes(), other.to_bytes());
}

#[test]
fn depth_twenty_works() {
    let mut rng = StdRng::seed_from_u64(302);
    let keys = setup(20, &mut rng).unwrap();
    let mut consumer = Consumer::new(10);
    let (statement, proof) = consumer.prove_under(&keys.proving_key, 0).unwrap();
    assert_eq!(verify(&keys.verifying_key, &statement, &proof), Ok(()));
    assert_eq!(verify(&KEYS.verifying_key, &statement, &proof), Err(Rejected));
}

#[test]
fn statements_and_proofs_of_another_length_or_version_are_refused() {
    let (statement, proof) = Consumer::new(11).prove(0).unwrap();
    let (statement, proof) = (statement.to_bytes().to_vec(), proof.to_bytes().to_vec());
    for length in (0..Statement::LEN).chain([Statement::LEN + 1, 1 << 20]) {
        let mut bytes = statement.clone();
        bytes.resize(length, 0);
        let refused = DecodeError::Length { what: "statement", expected: Statement::LEN, got: length };
        assert_eq!(Statement::from_bytes(&bytes), Err(refused));
    }
    for length in (0..Proof::LEN).chain([Proof::LEN + 1, 1 << 20]) {
        let mut bytes = proof.clone();
        bytes.resize(length, 0);
        let refused = DecodeError::Length { what: "proof", expected: Proof::LEN, got: length };
        assert_eq!(Proof::from_bytes(&bytes).unwrap_err(), refused);
    }
    let other = |mut bytes: Vec<u8>| {
        bytes[0] = 2;
        bytes
    };
    let refused = DecodeError::Version { what: "statement", expected: 1, got: 2 };
    assert_eq!(Statement::from_bytes(&other(statement)), Err(refused));
    let refused = DecodeError::Version { what: "proof", expected: 1, got: 2 };
    assert_eq!(Proof::from_bytes(&other(proof)).unwrap_err(), refused);
}

/// n and n + p are the same element: reduced on decoding, the second would be a second nullifier for one use.
#[test]
fn a_nullifier_plus_p_is_refused() {
    const P: &str = "30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001";
    let (statement, _) = Consumer::new(12).prove(0).unwrap();
    for field in 0..4 {
        let mut bytes = statement.to_bytes();
        let at = 1 + 32 * field;
        let mut carry = 0;
        for (byte, p) in bytes[at..at + 32].iter_mut().zip(hex::decode(P).unwrap()).rev() {
            let sum = u16::from(*byte) + u16::from(p) + carry;
            *byte = sum as u8;
            carry = sum >> 8;
        }
        assert_eq!(carry, 0, "n + p fits in 256 bits");
        assert_eq!(Statement::from_bytes(&bytes), Err(DecodeError::NotCanonical));
    }
}
