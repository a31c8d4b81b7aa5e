//! The consumer checks the owner's keys: as both see it.

use std::sync::LazyLock;

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use sealock_zk::{
    CheckError, Claim, Credential, DecodeError, Element, IdentitySecret, KeyBundle, Keys, LeanImt, ProveError,
    ProvingKey, Scalar, Witness, check_setup, os_rng, prove, setup, verify,
};
use sha2::{Digest, Sha256};

const DEPTH: usize = 4;
const VARIABLES: usize = 6 + 1126 + 245 * DEPTH;
/// Elements of the domain.
const N: usize = 4096;

static KEYS: LazyLock<Keys> = LazyLock::new(|| setup(DEPTH, &mut os_rng()).unwrap());

/// Where a list of the bundle starts, in the order of the format.
fn start(element: Element) -> usize {
    let lists = [
        (Element::AlphaG1, 64),
        (Element::BetaG2, 128),
        (Element::GammaG2, 128),
        (Element::DeltaG2, 128),
        (Element::GammaAbcG1, 64 * 6),
        (Element::BetaG1, 64),
        (Element::DeltaG1, 64),
        (Element::AQuery, 64 * VARIABLES),
        (Element::BG1Query, 64 * VARIABLES),
        (Element::BG2Query, 128 * VARIABLES),
        (Element::HQuery, 64 * (N - 1)),
        (Element::LQuery, 64 * (VARIABLES - 6)),
        (Element::PowersG1, 64 * (2 * N - 1)),
        (Element::PowersG2, 128 * N),
    ];
    let before = lists.iter().take_while(|(list, _)| *list != element);
    2 + before.map(|(_, bytes)| bytes).sum::<usize>()
}

/// Adds the generator to a point in G₁.
fn shift(bundle: &mut [u8], element: Element, index: usize) {
    let at = start(element) + 64 * index;
    let point = G1Affine::deserialize_uncompressed(&bundle[at..at + 64]).unwrap();
    let shifted = (point + G1Affine::generator()).into_affine();
    shifted.serialize_uncompressed(&mut bundle[at..at + 64]).unwrap();
}

/// Whether an order at `place` among eight can prove under a key.
fn can_prove(key: &ProvingKey, place: usize) -> bool {
    let secret = IdentitySecret::generate(&mut os_rng());
    let credential = Credential { asset: Scalar::from(1), limit: 1, expiry: 2_000_000_000 };
    let mut leaves: Vec<_> = (1..9).map(Scalar::from).collect();
    leaves[place] = credential.leaf(secret.commitment());
    let mut group = LeanImt::new();
    group.insert_many(&leaves).unwrap();
    let root = group.root().unwrap();
    let claim = Claim { root, message: Scalar::from(2), scope: Scalar::from(3), now: 1_900_000_000 };
    let membership = group.proof(place).unwrap();
    let witness = Witness { secret: &secret, credential: &credential, use_index: 0, membership: &membership };
    match prove(key, &claim, &witness, &mut os_rng()) {
        Ok((statement, proof)) => verify(key.verifying_key(), &statement, &proof).is_ok(),
        Err(ProveError::BrokenKey) => false,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn honest_keys_of_several_depths_pass_and_prove() {
    for depth in [1, 3, 4, 12, 20] {
        let Keys { bundle, proving_key, verifying_key } = setup(depth, &mut os_rng()).unwrap();
        let published = KeyBundle::from_bytes(&bundle.to_bytes()).unwrap();
        let checked = check_setup(&published, &mut os_rng()).unwrap();
        assert_eq!(checked.verifying_key(), &verifying_key);
        assert_eq!((checked.depth(), checked.digest()), (depth, bundle.digest()));
        assert_eq!(proving_key.digest(), checked.digest());
        if depth >= 3 {
            assert!(can_prove(&checked, 5) && can_prove(&proving_key, 5), "depth {depth}");
        }
    }
}

#[test]
fn a_checked_key_is_loaded_again_by_the_digest_that_was_noted() {
    let published = KEYS.bundle.to_bytes();
    let noted = check_setup(&KeyBundle::from_bytes(&published).unwrap(), &mut os_rng()).unwrap().digest();
    let loaded = ProvingKey::from_pinned_bytes(&published, &noted).unwrap();
    assert!(can_prove(&loaded, 3));
    // A bundle that was exchanged since is not loaded, though it be honest.
    let exchanged = setup(DEPTH, &mut os_rng()).unwrap().bundle.to_bytes();
    let refused = ProvingKey::from_pinned_bytes(&exchanged, &noted).unwrap_err();
    assert!(matches!(refused, DecodeError::Digest { .. }));
}

/// The attack that the check is for. Of all variables of a proof the owner picks one, here whether the path is on the right
/// at the lowest level, and spoils the one point of the key that is used only if it is not zero. Half of the orders can
/// prove, the others cannot, and the owner sees who does.
#[test]
fn a_key_that_tells_orders_apart_works_unchecked_and_is_refused_by_the_check() {
    let mut bundle = KEYS.bundle.to_bytes();
    // Private variables: 5 inputs, two hashes, then the sibling.
    shift(&mut bundle, Element::LQuery, 5 + 213 + 261 + 1);

    // Every point is valid, so decoding finds nothing. A consumer who takes the digest from the owner instead of its own
    // notes has an unchecked key.
    let decoded = KeyBundle::from_bytes(&bundle).unwrap();
    let unchecked = ProvingKey::from_pinned_bytes(&bundle, &Sha256::digest(&bundle).into()).unwrap();
    let seen: Vec<_> = (0..8).map(|place| can_prove(&unchecked, place)).collect();
    assert_eq!(seen, [true, false, true, false, true, false, true, false]);

    let refused = check_setup(&decoded, &mut os_rng()).unwrap_err();
    assert_eq!(refused, CheckError::Wrong { element: Element::LQuery });
}

/// The same through other elements: whatever a proof takes once per variable, it takes only if the variable is not zero.
#[test]
fn other_lists_can_hide_the_trap_too() {
    // In A and B, variables are counted from the constant on.
    let right = 6 + 5 + 213 + 261 + 1;
    for (element, index) in [(Element::AQuery, right), (Element::BG1Query, right), (Element::LQuery, right - 6)] {
        let mut bundle = KEYS.bundle.to_bytes();
        shift(&mut bundle, element, index);
        let unchecked = ProvingKey::from_pinned_bytes(&bundle, &Sha256::digest(&bundle).into()).unwrap();
        assert!(can_prove(&unchecked, 4) && !can_prove(&unchecked, 5), "{element}");
        let refused = check_setup(&KeyBundle::from_bytes(&bundle).unwrap(), &mut os_rng()).unwrap_err();
        assert_eq!(refused, CheckError::Wrong { element });
    }
}

#[test]
fn a_bundle_of_another_depth_is_refused() {
    let mut bundle = KEYS.bundle.to_bytes();
    bundle[1] += 1;
    assert!(matches!(KeyBundle::from_bytes(&bundle).unwrap_err(), DecodeError::Length { .. }));
}

/// A point of the twist that is not in G₂: reading it is no error, checking it is.
#[test]
fn a_point_outside_g2_passes_decoding_and_not_the_check() {
    let outside = (1u64..)
        .filter_map(|x| G2Affine::get_point_from_x_unchecked(ark_bn254::Fq2::new(x.into(), 0u64.into()), false))
        .find(|point| !point.is_in_correct_subgroup_assuming_on_curve())
        .unwrap();
    for (element, index) in [(Element::DeltaG2, 0), (Element::BG2Query, 77), (Element::PowersG2, N - 1)] {
        let mut bundle = KEYS.bundle.to_bytes();
        let at = start(element) + 128 * index;
        outside.serialize_uncompressed(&mut bundle[at..at + 128]).unwrap();
        let decoded = KeyBundle::from_bytes(&bundle).unwrap();
        let refused = check_setup(&decoded, &mut os_rng()).unwrap_err();
        assert_eq!(refused, CheckError::OutsideGroup { element, index });
    }
}

/// Every byte counts: a changed one is either no encoding or found. A sample of them, spread over all lists.
#[test]
fn a_bundle_with_a_changed_byte_is_never_accepted() {
    let bytes = KEYS.bundle.to_bytes();
    for sample in 0..200 {
        let at = bytes.len() / 200 * sample + sample % 64;
        let mut changed = bytes.clone();
        changed[at] ^= 1 << (sample % 8);
        let accepted = KeyBundle::from_bytes(&changed).is_ok_and(|bundle| check_setup(&bundle, &mut os_rng()).is_ok());
        assert!(!accepted, "byte {at}");
    }
}
