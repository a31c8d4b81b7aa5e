//! Poseidon and LeanIMT against values that other implementations computed (`vectors/generate.mjs` wrote them), and
//! bytes of earlier releases, whose proof snarkjs verifies too (`vectors/verify.mjs`).

use sealock_zk::{Credential, IdentitySecret, LeanImt, Proof, Scalar, Statement, VerifyingKey, poseidon, verify};
use serde_json::Value;

fn scalar(value: &Value) -> Scalar {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x")).expect("0x and digits");
    Scalar::try_from(hex::decode(digits).expect("hexadecimal digits").as_slice()).expect("a field element")
}

fn scalars(value: &Value) -> Vec<Scalar> {
    value.as_array().expect("a list").iter().map(scalar).collect()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("64 bits")
}

#[test]
fn poseidon_equals_circomlibjs_and_poseidon_lite() {
    let file: Value = serde_json::from_str(include_str!("vectors/poseidon.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let hash = match scalars(&case["inputs"]).as_slice() {
            [a] => poseidon([*a]),
            [a, b] => poseidon([*a, *b]),
            [a, b, c] => poseidon([*a, *b, *c]),
            other => panic!("{} inputs", other.len()),
        };
        assert_eq!(hash, scalar(&case["hash"]), "{case}");
    }
}

#[test]
fn roots_equal_zk_kits() {
    let file: Value = serde_json::from_str(include_str!("vectors/lean_imt.json")).unwrap();
    let trees = file["trees"].as_array().unwrap();
    assert_eq!(trees.len(), 18);
    let mut grown = LeanImt::new();
    assert_eq!((grown.root(), grown.depth()), (None, 0));
    for tree in trees {
        let size = number(&tree["size"]);
        while grown.len() < size {
            grown.insert(Scalar::from(grown.len() as u64 + 1)).unwrap();
        }
        let mut at_once = LeanImt::new();
        at_once.insert_many(grown.leaves()).unwrap();
        for ours in [&grown, &at_once] {
            assert_eq!(ours.root(), Some(scalar(&tree["root"])), "size {size}");
            assert_eq!(ours.depth(), number(&tree["depth"]), "size {size}");
        }
    }
}

#[test]
fn paths_equal_zk_kits() {
    let file: Value = serde_json::from_str(include_str!("vectors/lean_imt.json")).unwrap();
    let mut compared = 0;
    for tree in file["trees"].as_array().unwrap() {
        let mut ours = LeanImt::new();
        ours.insert_many(&(1..=tree["size"].as_u64().unwrap()).map(Scalar::from).collect::<Vec<_>>()).unwrap();
        for expected in tree["proofs"].as_array().unwrap() {
            let proof = ours.proof(number(&expected["at"])).unwrap();
            assert_eq!(proof.index, expected["index"].as_u64().unwrap());
            assert_eq!(proof.siblings, scalars(&expected["siblings"]));
            assert_eq!(proof.root(), scalar(&tree["root"]));
            compared += 1;
        }
    }
    assert_eq!(compared, 48);
}

#[test]
fn removals_give_zk_kits_roots_and_paths() {
    let file: Value = serde_json::from_str(include_str!("vectors/lean_imt.json")).unwrap();
    let mut compared = 0;
    for case in file["removals"].as_array().unwrap() {
        let mut ours = LeanImt::new();
        ours.insert_many(&(1..=case["size"].as_u64().unwrap()).map(Scalar::from).collect::<Vec<_>>()).unwrap();
        for step in case["steps"].as_array().unwrap() {
            match step["removed"].as_u64() {
                Some(index) => ours.remove(index as usize).unwrap(),
                None => drop(ours.insert(Scalar::from(ours.len() as u64 + 1)).unwrap()),
            }
            assert_eq!(ours.root(), Some(scalar(&step["root"])), "{case}");
            let mut restored = LeanImt::new();
            restored.restore(ours.leaves()).unwrap();
            for (tree, expected) in [&ours, &restored].into_iter().map(|tree| (tree, &step["proof"])) {
                assert_eq!(tree.root(), ours.root());
                if expected.is_null() {
                    continue;
                }
                let proof = tree.proof(number(&expected["at"])).unwrap();
                assert_eq!(proof.index, expected["index"].as_u64().unwrap());
                assert_eq!(proof.siblings, scalars(&expected["siblings"]));
                assert_eq!(proof.root(), scalar(&step["root"]));
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 28);
}

/// Bytes that an earlier release wrote stay readable, and mean the same. Secret, terms and group are the ones below.
#[test]
fn bytes_of_release_0_1_still_verify() {
    let file: Value = serde_json::from_str(include_str!("vectors/v1.json")).unwrap();
    let bytes = |name: &str| hex::decode(file[name].as_str().unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(&bytes("verifying_key")).unwrap();
    let statement = Statement::from_bytes(&bytes("statement")).unwrap();
    let proof = Proof::from_bytes(&bytes("proof")).unwrap();
    assert_eq!(verify(&key, &statement, &proof), Ok(()));

    let field = |part: &[u8]| Scalar::hash("sealock/v1/fixture", &[part]);
    let secret = IdentitySecret::from_bytes(&[9; 32]).unwrap();
    let credential = Credential { asset: field(b"asset"), limit: 3, expiry: 2_000_000_000 };
    let leaf = credential.leaf(secret.commitment());
    assert_eq!((secret.commitment(), leaf), (scalar(&file["commitment"]), scalar(&file["leaf"])));
    let mut group = LeanImt::new();
    group.insert_many(&[1, 2, 3, 4, 5].map(Scalar::from)).unwrap();
    group.insert(leaf).unwrap();
    let expected = Statement {
        root: group.root().unwrap(),
        nullifier: secret.nullifier(field(b"scope"), 2),
        message: field(b"message"),
        scope: field(b"scope"),
        now: 1_900_000_000,
    };
    assert_eq!(statement, expected);
    assert_eq!((key.to_bytes(), proof.to_bytes().to_vec()), (bytes("verifying_key"), bytes("proof")));
}
