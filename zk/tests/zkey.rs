//! Key files that are not what they claim to be.

use std::sync::LazyLock;

use sealock_zk::semaphore::{JsonError, ProvingKey, VerifyingKey, ZkeyError};
use serde_json::{Value, json};

#[path = "support/keys.rs"]
mod keys;
use keys::{artifact, verifying_key_json};

static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| artifact(1, "zkey"));

/// Counts of the circuit of depth 1.
const VARIABLES: usize = 1761;
const DOMAIN: usize = 2048;

/// Where the content of a section is.
fn section(file: &[u8], kind: u32) -> (usize, usize) {
    let mut at = 12;
    loop {
        let got = u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(file[at + 4..at + 12].try_into().unwrap()) as usize;
        if got == kind {
            return (at + 12, length);
        }
        at += 12 + length;
    }
}

/// The file with bytes of a section replaced.
fn with(kind: u32, offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = FILE.clone();
    let (at, _) = section(&file, kind);
    file[at + offset..at + offset + bytes.len()].copy_from_slice(bytes);
    file
}

fn refused(file: &[u8]) -> ZkeyError {
    ProvingKey::from_zkey(file).expect_err("a file that is not a key")
}

#[test]
fn a_file_that_is_cut_off_or_continued_is_refused() {
    assert!(ProvingKey::from_zkey(&FILE).is_ok());
    assert_eq!(refused(&[]), ZkeyError::NotZkey);
    assert_eq!(refused(&FILE[..3]), ZkeyError::NotZkey);
    // Within the preamble, within and around the first sections, and before the end.
    let lengths = (4..800).step_by(7).chain([FILE.len() / 2, FILE.len() - 1]);
    for length in lengths {
        assert_eq!(refused(&FILE[..length]), ZkeyError::End, "{length} bytes");
    }
    assert_eq!(refused(&[FILE.as_slice(), &[0]].concat()), ZkeyError::End);
    let limit = 16 << 20;
    assert_eq!(refused(&vec![0; limit + 1]), ZkeyError::Size { limit, got: limit + 1 });
}

#[test]
fn another_format_is_refused() {
    let change = |at: usize, bytes: &[u8]| {
        let mut file = FILE.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        refused(&file)
    };
    assert_eq!(change(0, b"wtns"), ZkeyError::NotZkey);
    assert_eq!(change(4, &[2, 0, 0, 0]), ZkeyError::Version { got: 2 });
    // One section fewer leaves bytes behind, one more is not there.
    assert_eq!(change(8, &[9, 0, 0, 0]), ZkeyError::End);
    assert_eq!(change(8, &[11, 0, 0, 0]), ZkeyError::End);
    assert_eq!(change(8, &[255; 4]), ZkeyError::End);
    // The first section says that it is the second, or another that does not exist.
    assert_eq!(change(12, &[2, 0, 0, 0]), ZkeyError::Section { kind: 2 });
    for kind in [0u32, 11, u32::MAX] {
        assert_eq!(change(12, &kind.to_le_bytes()), ZkeyError::Section { kind });
    }
    // Lengths of a section that would end outside of memory.
    for length in [u64::MAX, u64::MAX - 23, 1 << 40] {
        assert_eq!(change(16, &length.to_le_bytes()), ZkeyError::End);
    }
    // PLONK, by snarkjs.
    assert_eq!(refused(&with(1, 0, &[2, 0, 0, 0])), ZkeyError::Protocol);
}

#[test]
fn another_curve_is_refused() {
    // Moduli of another width, and of BN254's width but other values: of the base field, then of the scalar field.
    for at in [0, 36] {
        assert_eq!(refused(&with(2, at, &[48, 0, 0, 0])), ZkeyError::Curve);
        assert_eq!(refused(&with(2, at + 4, &[3])), ZkeyError::Curve);
    }
}

#[test]
fn counts_of_another_circuit_are_refused_before_anything_is_allocated() {
    let circuit = |variables, public, domain| ZkeyError::Circuit { variables, public, domain };
    let (n, d) = (VARIABLES as u32, DOMAIN as u32);
    for (variables, public, domain) in [
        (n - 1, 4, d),
        (n + 1, 4, d),
        (u32::MAX, 4, d),
        (4, 4, d),
        (n, 3, d),
        (n, u32::MAX, d),
        (n, 4, d / 2),
        (n, 4, d + 1),
        (n, 4, 0),
        (n, 4, 1 << 31),
    ] {
        let counts: Vec<u8> = [variables, public, domain].iter().flat_map(|count| count.to_le_bytes()).collect();
        assert_eq!(refused(&with(2, 72, &counts)), circuit(variables, public, domain));
    }
    // Depth 2 has other lists.
    let counts: Vec<u8> = [n + 247, 4, d].iter().flat_map(|count| count.to_le_bytes()).collect();
    let (expected, got) = (64 * (VARIABLES as u64 + 247), 64 * VARIABLES as u64);
    assert_eq!(refused(&with(2, 72, &counts)), ZkeyError::SectionLength { kind: 5, expected, got });
    // A number of entries that is not there.
    let got = section(&FILE, 4).1 as u64 - 4;
    for entries in [0, 1, u32::MAX] {
        let expected = 44 * u64::from(entries);
        let error = refused(&with(4, 0, &entries.to_le_bytes()));
        assert_eq!(error, ZkeyError::SectionLength { kind: 4, expected, got });
    }
}

#[test]
fn entries_outside_their_matrix_are_refused() {
    let entry = 4;
    for (at, value) in [(0, 2), (4, DOMAIN as u32), (4, u32::MAX), (8, VARIABLES as u32), (8, u32::MAX)] {
        let file = with(4, entry + at, &value.to_le_bytes());
        assert_eq!(refused(&file), ZkeyError::Value { kind: 4 });
    }
    assert_eq!(refused(&with(4, entry + 12, &[0xff; 32])), ZkeyError::Value { kind: 4 });
}

#[test]
fn points_off_the_curve_or_out_of_range_are_refused() {
    for kind in 5..=9 {
        // The coordinates of the third point.
        let size = if kind == 7 { 128 } else { 64 };
        assert_eq!(refused(&with(kind, 2 * size, &[0xff; 32])), ZkeyError::Value { kind });
        assert_eq!(refused(&with(kind, 2 * size, &[1; 32])), ZkeyError::Point { kind }, "section {kind}");
    }
    assert_eq!(refused(&with(3, 64, &[1; 32])), ZkeyError::Point { kind: 3 });
    // α₁ β₁ β₂ γ₂ δ₁ δ₂: off the curve, and the identity.
    for (at, size) in [(84, 64), (148, 64), (212, 128), (340, 128), (468, 64), (532, 128)] {
        assert_eq!(refused(&with(2, at, &[1; 32])), ZkeyError::Point { kind: 2 });
        assert_eq!(refused(&with(2, at, &vec![0; size])), ZkeyError::Point { kind: 2 });
    }
}

/// On the curve, and of another order than the group's: only the check of the subgroup finds it.
#[test]
fn a_point_outside_its_subgroup_is_refused() {
    use ark_bn254::{Fq, Fq2, G2Affine};
    let outside = (1u64..)
        .filter_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::from(0)), false))
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    let coordinates = [outside.x.c0, outside.x.c1, outside.y.c0, outside.y.c1];
    // The limbs of Montgomery form, as they are in memory.
    let bytes: Vec<u8> = coordinates.iter().flat_map(|c| c.0.0).flat_map(u64::to_le_bytes).collect();
    assert_eq!(refused(&with(7, 128, &bytes)), ZkeyError::Point { kind: 7 });
    for at in [212, 340, 532] {
        assert_eq!(refused(&with(2, at, &bytes)), ZkeyError::Point { kind: 2 });
    }
}

/// With γ = δ, whatever the prover adds to one part of a proof it can take from the other.
#[test]
fn a_key_with_gamma_equal_to_delta_is_refused() {
    let (header, _) = section(&FILE, 2);
    let delta = FILE[header + 532..header + 660].to_vec();
    assert_eq!(refused(&with(2, 340, &delta)), ZkeyError::Point { kind: 2 });

    let mut json: Value = serde_json::from_str(&verifying_key_json(1)).unwrap();
    json["vk_gamma_2"] = json["vk_delta_2"].clone();
    let refused = VerifyingKey::from_snarkjs(1, &json.to_string()).unwrap_err();
    assert_eq!(refused, JsonError::Point { what: "verifying key", field: "vk_delta_2" });
}

#[test]
fn other_bytes_than_the_pinned_ones_are_refused() {
    let digest = sha256(&FILE);
    assert!(ProvingKey::from_pinned_zkey(&FILE, &digest).is_ok());
    let other = with(9, 0, &[1]);
    let refused = ProvingKey::from_pinned_zkey(&other, &digest).unwrap_err();
    assert!(matches!(refused, ZkeyError::Digest { .. }), "{refused}");
}

/// Bytes changed at random, with a pin to match so that only the parser stands in the way: an error or a key, no panic.
#[test]
fn no_change_of_a_file_makes_reading_it_panic() {
    use sealock_zk::rng::{RngCore as _, SeedableRng as _, StdRng};
    let mut rng = StdRng::seed_from_u64(60);
    let mut refused = 0;
    for i in 0..400 {
        let mut file = FILE.clone();
        // Half of the changes are in the headers, which decide the most.
        let end = if i % 2 == 0 { 1100 } else { file.len() };
        for _ in 0..=i % 3 {
            let at = rng.next_u64() as usize % end;
            file[at] ^= 1 << (rng.next_u32() % 8);
        }
        let digest = sha256(&file);
        refused += usize::from(ProvingKey::from_pinned_zkey(&file, &digest).is_err());
    }
    assert!(refused > 150, "{refused} of 400 refused");
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

#[test]
fn verifying_keys_are_read_strictly_and_written_as_snarkjs_does() {
    for depth in [1, 20, 32] {
        let text = verifying_key_json(depth);
        let key = VerifyingKey::from_snarkjs(depth, &text).unwrap();
        let [ours, theirs]: [Value; 2] = [&key.to_snarkjs(), &text].map(|text| serde_json::from_str(text).unwrap());
        assert_eq!(ours, theirs);
    }
    let json: Value = serde_json::from_str(&verifying_key_json(1)).unwrap();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut json = json.clone();
        change(&mut json);
        VerifyingKey::from_snarkjs(1, &json.to_string()).expect_err("not a key")
    };
    let field = |field| JsonError::Field { what: "verifying key", field };
    let point = |field| JsonError::Point { what: "verifying key", field };
    let x = json["vk_alpha_1"][0].as_str().unwrap();
    assert_eq!(refused(&|json| json["protocol"] = "plonk".into()), field("protocol"));
    assert_eq!(refused(&|json| json["curve"] = "bls12381".into()), field("curve"));
    assert_eq!(refused(&|json| json["nPublic"] = 5.into()), field("nPublic"));
    assert_eq!(refused(&|json| drop(json["IC"].as_array_mut().unwrap().pop())), field("IC"));
    assert_eq!(refused(&|json| json["IC"][4][0] = "1".into()), point("IC"));
    assert_eq!(refused(&|json| json["vk_alpha_1"][0] = "1".into()), point("vk_alpha_1"));
    assert_eq!(refused(&|json| json["vk_alpha_1"][0] = format!("0{x}").into()), field("vk_alpha_1"));
    assert_eq!(refused(&|json| json["vk_alpha_1"][2] = "2".into()), field("vk_alpha_1"));
    assert_eq!(refused(&|json| json["vk_alpha_1"] = json!(["0", "1", "0"])), field("vk_alpha_1"));
    assert_eq!(refused(&|json| json["vk_beta_2"][0][1] = "1".into()), point("vk_beta_2"));
    assert_eq!(refused(&|json| json["vk_delta_2"] = Value::Null), field("vk_delta_2"));
    let modulus = "21888242871839275222246405745257275088696311157297823662689037894645226208583";
    assert_eq!(refused(&|json| json["vk_gamma_2"][0][0] = modulus.into()), field("vk_gamma_2"));

    let text = json.to_string();
    for depth in [0, 33] {
        assert_eq!(VerifyingKey::from_snarkjs(depth, &text).unwrap_err(), JsonError::Depth { got: depth });
    }
    let syntax = VerifyingKey::from_snarkjs(1, &text[1..]).unwrap_err();
    assert!(matches!(syntax, JsonError::Syntax { what: "verifying key", .. }), "{syntax}");
    let long = VerifyingKey::from_snarkjs(1, &format!("{text}{}", " ".repeat(1 << 16))).unwrap_err();
    assert!(matches!(long, JsonError::Size { what: "verifying key", .. }), "{long}");
    // Deeper than the parser follows.
    let deep = VerifyingKey::from_snarkjs(1, &"[".repeat(60_000)).unwrap_err();
    assert!(matches!(deep, JsonError::Syntax { .. }), "{deep}");
}
