//! Keys as bytes.

use std::sync::LazyLock;

use sealock_zk::{
    DecodeError, MAX_DEPTH, ProvingKey, VerifyingKey,
    rng::{SeedableRng, StdRng},
    setup,
    setup::SetupError,
};
use sha2::{Digest, Sha256};

const DEPTH: usize = 4;

static KEYS: LazyLock<(ProvingKey, VerifyingKey)> =
    LazyLock::new(|| setup(DEPTH, &mut StdRng::seed_from_u64(200)).unwrap());

/// Where the compressed points of a verifying key start: α₁, β₂, γ₂, δ₂.
const GAMMA: usize = 2 + 32 + 64;
const DELTA: usize = GAMMA + 64;

#[test]
fn keys_round_trip() {
    let (proving, verifying) = &*KEYS;
    let bytes = verifying.to_bytes();
    assert_eq!(bytes.len(), VerifyingKey::LEN);
    assert_eq!(&VerifyingKey::from_bytes(&bytes).unwrap(), verifying);

    let bytes = proving.to_bytes();
    assert_eq!(bytes.len(), ProvingKey::encoded_len(DEPTH));
    assert_eq!(proving.digest(), <[u8; 32]>::from(Sha256::digest(&bytes)));
    let checked = ProvingKey::from_bytes(&bytes).unwrap();
    let pinned = ProvingKey::from_pinned_bytes(&bytes, &proving.digest()).unwrap();
    for decoded in [checked, pinned] {
        assert_eq!(decoded.to_bytes(), bytes);
        assert_eq!((decoded.depth(), decoded.digest()), (DEPTH, proving.digest()));
        assert_eq!(decoded.verifying_key(), verifying);
    }
}

#[test]
fn setup_follows_its_randomness() {
    let again = setup(DEPTH, &mut StdRng::seed_from_u64(200)).unwrap();
    assert_eq!(again.0.digest(), KEYS.0.digest());
    let other = setup(DEPTH, &mut StdRng::seed_from_u64(201)).unwrap();
    assert_ne!(other.1, KEYS.1);
}

#[test]
fn depths_without_a_circuit_are_refused() {
    for depth in [0, MAX_DEPTH + 1, usize::MAX] {
        let refused = setup(depth, &mut StdRng::seed_from_u64(202)).unwrap_err();
        assert_eq!(refused, SetupError::Depth { got: depth });
    }
    let (mut proving, mut verifying) = (KEYS.0.to_bytes(), KEYS.1.to_bytes());
    for depth in [0, MAX_DEPTH as u8 + 1, 255] {
        (proving[1], verifying[1]) = (depth, depth);
        let refused = DecodeError::Depth { got: depth.into() };
        assert_eq!(ProvingKey::from_bytes(&proving).unwrap_err(), refused);
        assert_eq!(VerifyingKey::from_bytes(&verifying).unwrap_err(), refused);
    }
}

#[test]
fn other_lengths_are_refused_before_anything_is_read() {
    let (proving, verifying) = (KEYS.0.to_bytes(), KEYS.1.to_bytes());
    for cut in [0, 1, 2, 100, verifying.len() - 1] {
        let refused = VerifyingKey::from_bytes(&verifying[..cut]).unwrap_err();
        assert_eq!(refused, DecodeError::Length { what: "verifying key", expected: VerifyingKey::LEN, got: cut });
    }
    for cut in [0, 1, 2, 418, proving.len() - 1] {
        let refused = ProvingKey::from_bytes(&proving[..cut]).unwrap_err();
        assert!(matches!(refused, DecodeError::Length { what: "proving key", got, .. } if got == cut));
    }
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    let refused = VerifyingKey::from_bytes(&longer(&verifying)).unwrap_err();
    assert!(matches!(refused, DecodeError::Length { .. }));
    let refused = ProvingKey::from_bytes(&longer(&proving)).unwrap_err();
    assert!(matches!(refused, DecodeError::Length { .. }));
    // A key that says another depth has the wrong length.
    let mut deeper = proving;
    deeper[1] += 1;
    let refused = ProvingKey::from_bytes(&deeper).unwrap_err();
    assert!(matches!(refused, DecodeError::Length { expected, .. } if expected == ProvingKey::encoded_len(DEPTH + 1)));
    let huge = vec![1; 64 << 20];
    assert!(matches!(ProvingKey::from_bytes(&huge).unwrap_err(), DecodeError::Length { .. }));
}

#[test]
fn other_versions_are_refused() {
    let (mut proving, mut verifying) = (KEYS.0.to_bytes(), KEYS.1.to_bytes());
    for version in [0, 2, 255] {
        (proving[0], verifying[0]) = (version, version);
        assert_eq!(
            ProvingKey::from_bytes(&proving).unwrap_err(),
            DecodeError::Version { what: "proving key", expected: 1, got: version }
        );
        assert_eq!(
            VerifyingKey::from_bytes(&verifying).unwrap_err(),
            DecodeError::Version { what: "verifying key", expected: 1, got: version }
        );
    }
}

#[test]
fn a_verifying_key_with_a_changed_byte_is_never_the_same_key() {
    let bytes = KEYS.1.to_bytes();
    for at in 2..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 0x10;
        if let Ok(key) = VerifyingKey::from_bytes(&changed) {
            assert_ne!(key, KEYS.1, "byte {at}");
        }
    }
}

#[test]
fn verifying_keys_that_would_accept_forgeries_are_refused() {
    let bytes = KEYS.1.to_bytes();
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
    let bytes = KEYS.0.to_bytes();
    for at in [1, 2, 500, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert!(ProvingKey::from_pinned_bytes(&changed, &KEYS.0.digest()).is_err(), "byte {at}");
    }
    let refused = ProvingKey::from_pinned_bytes(&bytes, &[0; 32]).unwrap_err();
    assert!(matches!(refused, DecodeError::Digest { expected, .. } if expected == "00".repeat(32)));
}

/// The digest is all that the pinned path relies on: with a digest of the attacker's choice it reads points that are
/// on no curve, which full decoding refuses.
#[test]
fn points_off_the_curve_are_refused_by_full_decoding() {
    let bytes = KEYS.0.to_bytes();
    let lists = 2 + 64 * (1 + 6 + 2) + 128 * 3;
    // The lowest byte of a coordinate of a point in A, in the middle, and in L.
    for at in [lists + 64 * 20, lists + (bytes.len() - lists) / 2, bytes.len() - 64] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let digest = Sha256::digest(&changed).into();
        assert!(ProvingKey::from_pinned_bytes(&changed, &digest).is_ok(), "byte {at}");
        assert_eq!(ProvingKey::from_bytes(&changed).unwrap_err(), DecodeError::Point { what: "proving key" });
    }
}
