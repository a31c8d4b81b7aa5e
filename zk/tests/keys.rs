//! Keys as bytes.

use std::sync::LazyLock;

use sealock_zk::{
    DecodeError, Element, KeyBundle, Keys, MAX_DEPTH, ProvingKey, SetupError, VerifyingKey,
    rng::{SeedableRng, StdRng},
    setup,
};
use sha2::{Digest, Sha256};

const DEPTH: usize = 4;

static KEYS: LazyLock<Keys> = LazyLock::new(|| setup(DEPTH, &mut StdRng::seed_from_u64(200)).unwrap());

/// Where the compressed points of a verifying key start: α₁, β₂, γ₂, δ₂.
const GAMMA: usize = 2 + 32 + 64;
const DELTA: usize = GAMMA + 64;

/// Where the lists of a bundle start: behind 4 + 6 + 2 single points.
const LISTS: usize = 2 + 64 * (1 + 6 + 2) + 128 * 3;

#[test]
fn keys_round_trip() {
    let Keys { bundle, proving_key, verifying_key } = &*KEYS;
    let bytes = verifying_key.to_bytes();
    assert_eq!(bytes.len(), VerifyingKey::LEN);
    assert_eq!(&VerifyingKey::from_bytes(&bytes).unwrap(), verifying_key);

    let bytes = bundle.to_bytes();
    assert_eq!(bytes.len(), KeyBundle::encoded_len(DEPTH));
    let digest = <[u8; 32]>::from(Sha256::digest(&bytes));
    let decoded = KeyBundle::from_bytes(&bytes).unwrap();
    assert_eq!((decoded.depth(), decoded.digest(), bundle.digest()), (DEPTH, digest, digest));
    assert_eq!(decoded.to_bytes(), bytes);
    let loaded = ProvingKey::from_pinned_bytes(&bytes, &digest).unwrap();
    for key in [proving_key, &loaded] {
        assert_eq!((key.depth(), key.digest()), (DEPTH, digest));
        assert_eq!(key.verifying_key(), verifying_key);
    }
}

#[test]
fn a_bundle_has_the_documented_size() {
    assert_eq!(KeyBundle::encoded_len(20), 4_552_130);
    assert!((1..MAX_DEPTH).all(|depth| KeyBundle::encoded_len(depth) < KeyBundle::encoded_len(depth + 1)));
}

#[test]
fn setup_follows_its_randomness() {
    let again = setup(DEPTH, &mut StdRng::seed_from_u64(200)).unwrap();
    assert_eq!(again.bundle.digest(), KEYS.bundle.digest());
    let other = setup(DEPTH, &mut StdRng::seed_from_u64(201)).unwrap();
    assert_ne!(other.verifying_key, KEYS.verifying_key);
}

/// The same randomness gives the same bytes in every release that writes version 2.
#[test]
fn a_bundle_has_the_bytes_that_it_had() {
    let bundle = setup(1, &mut StdRng::seed_from_u64(203)).unwrap().bundle;
    assert_eq!(hex::encode(bundle.digest()), "f446bbe0601c2b628d4c81ef8568c9def4d3b0869a9e555a1fb25792117d7c24");
}

#[test]
fn depths_without_a_circuit_are_refused() {
    for depth in [0, MAX_DEPTH + 1, usize::MAX] {
        let refused = setup(depth, &mut StdRng::seed_from_u64(202)).unwrap_err();
        assert_eq!(refused, SetupError::Depth { got: depth });
    }
    let (mut bundle, mut verifying) = (KEYS.bundle.to_bytes(), KEYS.verifying_key.to_bytes());
    for depth in [0, MAX_DEPTH as u8 + 1, 255] {
        (bundle[1], verifying[1]) = (depth, depth);
        let refused = DecodeError::Depth { got: depth.into() };
        assert_eq!(KeyBundle::from_bytes(&bundle).unwrap_err(), refused);
        assert_eq!(VerifyingKey::from_bytes(&verifying).unwrap_err(), refused);
    }
}

#[test]
fn other_lengths_are_refused_before_anything_is_read() {
    let (bundle, verifying) = (KEYS.bundle.to_bytes(), KEYS.verifying_key.to_bytes());
    for cut in [0, 1, 2, 100, verifying.len() - 1] {
        let refused = VerifyingKey::from_bytes(&verifying[..cut]).unwrap_err();
        assert_eq!(refused, DecodeError::Length { what: "verifying key", expected: VerifyingKey::LEN, got: cut });
    }
    for cut in [0, 1, 2, 418, bundle.len() - 1] {
        let refused = KeyBundle::from_bytes(&bundle[..cut]).unwrap_err();
        assert!(matches!(refused, DecodeError::Length { what: "key bundle", got, .. } if got == cut));
    }
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    let refused = VerifyingKey::from_bytes(&longer(&verifying)).unwrap_err();
    assert!(matches!(refused, DecodeError::Length { .. }));
    let refused = KeyBundle::from_bytes(&longer(&bundle)).unwrap_err();
    assert!(matches!(refused, DecodeError::Length { .. }));
    // A key that says another depth has the wrong length.
    let mut deeper = bundle;
    deeper[1] += 1;
    let refused = KeyBundle::from_bytes(&deeper).unwrap_err();
    assert!(matches!(refused, DecodeError::Length { expected, .. } if expected == KeyBundle::encoded_len(DEPTH + 1)));
    let huge = vec![2; 64 << 20];
    assert!(matches!(KeyBundle::from_bytes(&huge).unwrap_err(), DecodeError::Length { .. }));
}

#[test]
fn other_versions_are_refused() {
    let (mut bundle, mut verifying) = (KEYS.bundle.to_bytes(), KEYS.verifying_key.to_bytes());
    for version in [0, 3, 255] {
        (bundle[0], verifying[0]) = (version, version);
        assert_eq!(
            KeyBundle::from_bytes(&bundle).unwrap_err(),
            DecodeError::Version { what: "key bundle", expected: 2, got: version }
        );
        assert_eq!(
            VerifyingKey::from_bytes(&verifying).unwrap_err(),
            DecodeError::Version { what: "verifying key", expected: 1, got: version }
        );
    }
}

#[test]
fn a_verifying_key_with_a_changed_byte_is_never_the_same_key() {
    let bytes = KEYS.verifying_key.to_bytes();
    for at in 2..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        if let Ok(key) = VerifyingKey::from_bytes(&changed) {
            assert_ne!(key, KEYS.verifying_key, "byte {at}");
        }
    }
}

#[test]
fn verifying_keys_that_would_accept_forgeries_are_refused() {
    let bytes = KEYS.verifying_key.to_bytes();
    let refused = Err(DecodeError::Point { what: "verifying key" });
    // γ = δ: the parts of a proof that the two keep apart can be traded for one another.
    let mut equal = bytes.clone();
    equal.copy_within(GAMMA..DELTA, DELTA);
    assert_eq!(VerifyingKey::from_bytes(&equal), refused);
    // The identity, as arkworks writes it: zeros and the infinity flag.
    for (start, length) in [(2, 32), (34, 64), (GAMMA, 64), (DELTA, 64), (DELTA + 64, 32), (bytes.len() - 32, 32)] {
        let mut identity = bytes.clone();
        identity[start..start + length].fill(0);
        identity[start + length - 1] = 0x40;
        assert_eq!(VerifyingKey::from_bytes(&identity), refused);
    }
}

#[test]
fn a_pinned_key_is_the_pinned_one_or_none() {
    let bytes = KEYS.bundle.to_bytes();
    for at in [1, 2, 500, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(ProvingKey::from_pinned_bytes(&changed, &KEYS.bundle.digest()).is_err(), "byte {at}");
    }
    let refused = ProvingKey::from_pinned_bytes(&bytes, &[0; 32]).unwrap_err();
    assert!(matches!(refused, DecodeError::Digest { expected, .. } if expected == "00".repeat(32)));
}

/// The proving key alone, as releases before had it, says nothing about how it was made.
#[test]
fn a_key_without_powers_is_refused() {
    let mut bytes = KEYS.bundle.to_bytes();
    bytes[0] = 1;
    let refused = DecodeError::Version { what: "key bundle", expected: 2, got: 1 };
    assert_eq!(KeyBundle::from_bytes(&bytes).unwrap_err(), refused);
}

/// The digest is all that the pinned path relies on: with a digest of the attacker's choice it reads points that are
/// on no curve, which decoding a bundle refuses.
#[test]
fn points_off_the_curve_are_refused_by_decoding() {
    let bytes = KEYS.bundle.to_bytes();
    let variables = 6 + 1126 + 245 * DEPTH;
    for (at, element, index) in [
        (2, Element::AlphaG1, 0),
        (LISTS + 64 * 20, Element::AQuery, 20),
        (LISTS + 64 * (2 * variables) + 128 * 31, Element::BG2Query, 31),
        (bytes.len() - 128, Element::PowersG2, 4095),
    ] {
        // The lowest byte of a coordinate.
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(KeyBundle::from_bytes(&changed).unwrap_err(), DecodeError::OffCurve { element, index });
        let digest = Sha256::digest(&changed).into();
        assert!(ProvingKey::from_pinned_bytes(&changed, &digest).is_ok(), "{element}");
    }
}

/// Two encodings would be two digests of one bundle.
#[test]
fn a_bundle_has_one_encoding() {
    let bytes = KEYS.bundle.to_bytes();
    // The sign that the library writes into the highest bit of an uncompressed point, and never reads.
    let mut other_sign = bytes.clone();
    other_sign[2 + 63] ^= 0x80;
    assert_eq!(KeyBundle::from_bytes(&other_sign).unwrap_err(), DecodeError::Point { what: "key bundle" });
    // A coordinate of p or more.
    let mut beyond = bytes;
    beyond[2..34].fill(0xff);
    assert_eq!(KeyBundle::from_bytes(&beyond).unwrap_err(), DecodeError::Point { what: "key bundle" });
}
