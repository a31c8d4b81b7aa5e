//! Identities, groups and proofs exchanged with `@semaphore-protocol/*`, both ways, under the ceremony's keys.

use std::sync::{LazyLock, Mutex};

use sealock_zk::{
    LeanImt, MerkleProof, ProveError, Rejected, Scalar,
    rng::{RngCore as _, SeedableRng as _, StdRng},
    semaphore::{Identity, Proof, ProvingKey, Signal, VerifyingKey, prove, verify},
};
use serde_json::{Value, json};

#[path = "support/keys.rs"]
mod keys;
#[path = "../../core/tests/support/peers.rs"]
mod peers;
use keys::{artifact, proving_key, verifying_key, verifying_key_json};
use peers::Peer;

const DEPTH: usize = 4;

static KEY: LazyLock<ProvingKey> = LazyLock::new(|| proving_key(DEPTH));

static SEMAPHORE: LazyLock<Mutex<Peer>> = LazyLock::new(|| Mutex::new(Peer::script("semaphore.mjs")));

/// What `@semaphore-protocol/*` says.
fn theirs(command: Value) -> Value {
    SEMAPHORE.lock().unwrap().ask(command)
}

fn decimal(scalar: Scalar) -> String {
    // A message has the same decimal form.
    Signal::from_bytes(scalar.to_bytes()).to_string()
}

fn members(group: &LeanImt) -> Vec<String> {
    group.leaves().iter().copied().map(decimal).collect()
}

/// A group of `size` with `identity` at `at`.
fn group(identity: &Identity, size: u64, at: u64) -> LeanImt {
    let mut group = LeanImt::new();
    for i in 0..size {
        group.insert(if i == at { identity.commitment() } else { Scalar::from(1000 + i) }).unwrap();
    }
    group
}

/// A group of nine, the identity at four, says "yes" in a scope.
fn ours(seed: u64) -> (Identity, LeanImt, Proof) {
    let mut rng = StdRng::seed_from_u64(seed);
    let identity = Identity::generate(&mut rng);
    let group = group(&identity, 9, 4);
    let (message, scope) = (Signal::text("yes").unwrap(), Signal::text("ballot").unwrap());
    let proof = prove(&KEY, &identity, &group.proof(4).unwrap(), message, scope, &mut rng).unwrap();
    (identity, group, proof)
}

fn with(proof: &Proof, change: impl FnOnce(&mut Proof)) -> Proof {
    let mut changed = proof.clone();
    change(&mut changed);
    changed
}

/// Made by `@semaphore-protocol/identity` 4.14.3.
#[test]
fn the_identity_of_secret1_is_theirs() {
    let identity = Identity::from_private_key("secret1");
    let [x, y] = identity.public_key();
    let expected = "16299344919386221215891795842760535109963979041869959495006792688400189595595";
    assert_eq!(decimal(identity.commitment()), expected);
    assert_eq!(decimal(x), "1605110777369358003592451216951047395243900693607537288243428907199269064475");
    assert_eq!(decimal(y), "2178985202549593304286459641813460741159924908759281009612083053658647037911");
    assert_eq!(*identity.export(), "c2VjcmV0MQ==");
}

#[test]
fn identities_equal_theirs() {
    let mut rng = StdRng::seed_from_u64(20);
    // Around the lengths at which BLAKE-512 takes one block more.
    for length in [0, 1, 31, 32, 33, 111, 112, 127, 128, 129, 300] {
        let mut key = vec![0u8; length];
        rng.fill_bytes(&mut key);
        let identity = Identity::from_private_key(&key);
        let expected = theirs(json!({"do": "identity", "key": {"hex": hex::encode(&key)}}));
        assert_eq!(json!(decimal(identity.commitment())), expected["commitment"], "{length} bytes");
        assert_eq!(json!(identity.public_key().map(decimal)), expected["public"]);
        assert_eq!(json!(*identity.export()), expected["exported"]);
    }
}

#[test]
fn groups_and_paths_equal_theirs() {
    let identity = Identity::from_private_key("somebody");
    for (size, at) in [(1, 0), (2, 1), (3, 2), (5, 4), (8, 3), (9, 8), (13, 12)] {
        let group = group(&identity, size, at);
        let expected = theirs(json!({"do": "group", "members": members(&group)}));
        let root = decimal(group.root().unwrap());
        assert_eq!(json!({"root": root, "depth": group.depth()}), expected, "{size} members");
        let path = group.proof(at as usize).unwrap();
        let expected = theirs(json!({"do": "path", "members": members(&group), "at": at}));
        let siblings: Vec<_> = path.siblings.iter().copied().map(decimal).collect();
        let got = json!({"root": root, "leaf": decimal(path.leaf), "index": path.index, "siblings": siblings});
        assert_eq!(got, expected, "{size} members");
    }
}

#[test]
fn our_proofs_are_accepted_by_their_library_and_by_snarkjs() {
    let (_, group, proof) = ours(21);
    assert_eq!(proof.root, group.root().unwrap());
    let json: Value = serde_json::from_str(&proof.to_json()).unwrap();
    assert_eq!(theirs(json!({"do": "verify", "proof": json})), json!({"accepted": true}));

    let (points, inputs) = proof.to_snarkjs();
    let [points, inputs, key]: [Value; 3] =
        [&points, &inputs, &verifying_key_json(DEPTH)].map(|text| serde_json::from_str(text).unwrap());
    let mut snarkjs = Peer::script("snarkjs.mjs");
    let mut command = json!({"do": "verify", "key": key, "public": inputs, "proof": points});
    assert_eq!(snarkjs.ask(command.clone()), json!({"accepted": true}));
    command["public"][2] = json!("1");
    assert_eq!(snarkjs.ask(command), json!({"accepted": false}));
}

#[test]
fn their_proofs_are_accepted_here() {
    let identity = Identity::from_private_key("secret1");
    let group = group(&identity, 6, 5);
    for (message, scope, expected) in [
        (json!("hello"), json!("a scope"), (Signal::text("hello").unwrap(), Signal::text("a scope").unwrap())),
        (json!(42), json!("42"), (Signal::from(42), Signal::from(42))),
    ] {
        let mut command = json!({"do": "prove", "key": "secret1", "members": members(&group), "depth": DEPTH});
        (command["message"], command["scope"]) = (message, scope);
        let json = theirs(command)["proof"].to_string();
        let proof = Proof::from_json(&json).unwrap();
        assert_eq!((proof.depth, proof.root, (proof.message, proof.scope)), (DEPTH, group.root().unwrap(), expected));
        assert_eq!(verify(&verifying_key(DEPTH), &proof), Ok(()));
        assert_eq!(verify(KEY.verifying_key(), &proof), Ok(()));
        let again: Value = serde_json::from_str(&proof.to_json()).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(&json).unwrap());

        // Ours of the same use has their nullifier.
        let path = group.proof(5).unwrap();
        let own = prove(&KEY, &identity, &path, proof.message, proof.scope, &mut StdRng::seed_from_u64(22)).unwrap();
        assert_eq!((own.nullifier, own.root), (proof.nullifier, proof.root));
    }
}

#[test]
fn semaphores_contract_accepts_our_proofs() {
    let mut evm = Peer::script("evm.mjs");
    let contract = evm.ask(json!({"do": "semaphore"}))["address"].take();
    let (_, _, proof) = ours(23);
    let mut call = |proof: &Proof| {
        let data = format!("0x{}", hex::encode(proof.to_evm_calldata()));
        let answer = evm.ask(json!({"do": "call", "to": contract, "data": data}));
        answer["output"].as_str().unwrap().ends_with('1')
    };
    assert!(call(&proof));
    assert!(!call(&with(&proof, |proof| proof.nullifier = Scalar::from(1))));
    assert!(!call(&with(&proof, |proof| proof.root = Scalar::from(1))));
    assert!(!call(&with(&proof, |proof| proof.message = Signal::from(1))));
    assert!(!call(&with(&proof, |proof| proof.scope = Signal::from(1))));
    assert!(!call(&with(&proof, |proof| proof.depth = DEPTH + 1)));
}

#[test]
fn another_statement_is_rejected() {
    let (_, _, proof) = ours(24);
    let key = KEY.verifying_key();
    assert_eq!(verify(key, &proof), Ok(()));
    for other in [
        with(&proof, |proof| proof.root = Scalar::from(1)),
        with(&proof, |proof| proof.root = Scalar::ZERO),
        with(&proof, |proof| proof.nullifier = Scalar::from(1)),
        with(&proof, |proof| proof.message = Signal::from(1)),
        with(&proof, |proof| proof.scope = Signal::from(1)),
        with(&proof, |proof| proof.depth = DEPTH + 1),
    ] {
        assert_eq!(verify(key, &other), Err(Rejected));
    }
    assert_eq!(verify(&verifying_key(DEPTH + 1), &with(&proof, |proof| proof.depth = DEPTH + 1)), Err(Rejected));
}

/// Each digit of each number of a proof, changed once, is refused on reading or rejected.
#[test]
fn a_changed_proof_is_refused() {
    let (_, _, proof) = ours(25);
    let json: Value = serde_json::from_str(&proof.to_json()).unwrap();
    let fields = ["merkleTreeRoot", "nullifier", "message", "scope"].map(|name| format!("/{name}"));
    for field in fields.into_iter().chain((0..8).map(|i| format!("/points/{i}"))) {
        let digits = json.pointer(&field).unwrap().as_str().unwrap().to_owned();
        for at in [0, digits.len() / 2, digits.len() - 1] {
            let mut changed = digits.clone().into_bytes();
            changed[at] = b'0' + (changed[at] - b'0' + 1) % 10;
            let mut other = json.clone();
            *other.pointer_mut(&field).unwrap() = String::from_utf8(changed).unwrap().into();
            if let Ok(other) = Proof::from_json(&other.to_string()) {
                assert_eq!(verify(KEY.verifying_key(), &other), Err(Rejected), "{field}");
            }
        }
        for text in ["", "-1", "0x1", "1e3", &format!("0{digits}"), &format!("{digits} ")] {
            let mut other = json.clone();
            *other.pointer_mut(&field).unwrap() = text.into();
            assert!(Proof::from_json(&other.to_string()).is_err(), "{field}: {text}");
        }
    }
    for field in ["merkleTreeDepth", "merkleTreeRoot", "nullifier", "message", "scope", "points"] {
        let mut other = json.clone();
        other.as_object_mut().unwrap().remove(field);
        assert!(Proof::from_json(&other.to_string()).is_err(), "{field}");
        other[field] = json!([1]);
        assert!(Proof::from_json(&other.to_string()).is_err(), "{field}");
    }
    for depth in [0, 33] {
        let mut other = json.clone();
        other["merkleTreeDepth"] = json!(depth);
        assert!(Proof::from_json(&other.to_string()).is_err());
    }
}

/// n and n + p are the same element: read as one, the second would be a second nullifier.
#[test]
fn a_nullifier_plus_p_is_refused() {
    let (_, _, proof) = ours(26);
    let mut json: Value = serde_json::from_str(&proof.to_json()).unwrap();
    json["nullifier"] = "5".into();
    assert!(Proof::from_json(&json.to_string()).is_ok());
    json["nullifier"] = "21888242871839275222246405745257275088548364400416034343698204186575808495622".into();
    assert!(Proof::from_json(&json.to_string()).is_err());
}

#[test]
fn who_is_no_member_is_told_so() {
    let mut rng = StdRng::seed_from_u64(27);
    let (identity, group, proof) = ours(28);
    let path = group.proof(4).unwrap();
    let mut attempt = |identity: &Identity, path: &MerkleProof| {
        prove(&KEY, identity, path, proof.message, proof.scope, &mut rng).map(|proof| proof.root)
    };
    assert_eq!(attempt(&Identity::from_private_key("other"), &path), Err(ProveError::NotMember));
    assert_eq!(attempt(&identity, &group.proof(0).unwrap()), Err(ProveError::NotMember));
    let mut deep = path.clone();
    deep.siblings = vec![Scalar::from(1); DEPTH + 1];
    assert_eq!(attempt(&identity, &deep), Err(ProveError::TooDeep { levels: DEPTH + 1, depth: DEPTH }));
    // Another path gives another root, which no verifier knows.
    let mut other = path.clone();
    other.siblings[0] = Scalar::from(1);
    assert_ne!(attempt(&identity, &other).unwrap(), proof.root);
    // Bits above the path say nothing.
    let mut padded = path;
    padded.index |= 1 << 40;
    assert_eq!(attempt(&identity, &padded), Ok(proof.root));
}

#[test]
fn a_group_of_one_can_prove() {
    let identity = Identity::from_private_key("alone");
    let group = group(&identity, 1, 0);
    let (message, scope) = (Signal::from(1), Signal::from(2));
    let path = group.proof(0).unwrap();
    let proof = prove(&KEY, &identity, &path, message, scope, &mut StdRng::seed_from_u64(29)).unwrap();
    assert_eq!(proof.root, identity.commitment());
    let json: Value = serde_json::from_str(&proof.to_json()).unwrap();
    assert_eq!(theirs(json!({"do": "verify", "proof": json})), json!({"accepted": true}));
}

/// Their groups mark removed members with a zero. Ours have none, but a path of theirs serves.
#[test]
fn a_path_of_a_group_with_removed_members_proves() {
    let identity = Identity::from_private_key("still here");
    let members = members(&group(&identity, 7, 2));
    let path = theirs(json!({"do": "path", "members": members, "at": 2, "removed": [3, 5]}));
    let scalar = |value: &Value| {
        let number: Signal = value.as_str().unwrap().parse().unwrap();
        Scalar::from_bytes(&number.to_bytes()).unwrap()
    };
    let siblings = path["siblings"].as_array().unwrap().iter().map(scalar).collect();
    let membership = MerkleProof { leaf: scalar(&path["leaf"]), index: path["index"].as_u64().unwrap(), siblings };
    assert_eq!(membership.siblings[0], Scalar::ZERO);
    let mut rng = StdRng::seed_from_u64(31);
    let proof = prove(&KEY, &identity, &membership, Signal::from(1), Signal::from(2), &mut rng).unwrap();
    assert_eq!(proof.root, scalar(&path["root"]));
}

/// The keys of every depth fit the circuit that is built in here.
#[test]
fn every_key_of_the_ceremony_proves() {
    let identity = Identity::from_private_key("secret1");
    let mut rng = StdRng::seed_from_u64(30);
    for depth in 1..=32 {
        let bytes = artifact(depth, "zkey");
        let digest = sha256(&bytes);
        let key = ProvingKey::from_pinned_zkey(&bytes, &digest).unwrap();
        assert_eq!((key.depth(), key.verifying_key()), (depth, &verifying_key(depth)));
        let size = 1 + rng.next_u64() % (1 << depth.min(6));
        let at = rng.next_u64() % size;
        let path = group(&identity, size, at).proof(at as usize).unwrap();
        prove(&key, &identity, &path, Signal::from(1), Signal::from(2), &mut rng).unwrap();
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}
