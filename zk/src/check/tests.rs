//! Every kind of element is corrupted once, and found. What needs no look inside is in `tests/check_setup.rs`.

use std::sync::LazyLock;

use ark_bn254::{Fq, Fq2, g2};
use ark_ec::{CurveConfig, PrimeGroup};
use ark_ff::PrimeField;
use ark_poly::EvaluationDomain;

use super::*;
use crate::{
    Claim, Credential, IdentitySecret, LeanImt, ProveError, Scalar, Witness, os_rng, prove,
    rng::{SeedableRng, StdRng},
    setup::Trapdoor,
};

const DEPTH: usize = 1;

struct Honest {
    rows: Rows,
    trapdoor: Trapdoor,
    parts: Parts,
}

/// A bundle to be changed.
#[derive(Clone)]
struct Parts {
    key: ark_groth16::ProvingKey<Bn254>,
    powers_g1: Vec<G1Affine>,
    powers_g2: Vec<G2Affine>,
}

impl Parts {
    fn of(bundle: &KeyBundle) -> Self {
        let (powers_g1, powers_g2) = (bundle.powers_g1.clone(), bundle.powers_g2.clone());
        Self { key: (*bundle.key).clone(), powers_g1, powers_g2 }
    }

    fn bundle(self) -> KeyBundle {
        KeyBundle::new(DEPTH, self.key, self.powers_g1, self.powers_g2)
    }

    fn g1(&mut self, element: Element) -> &mut [G1Affine] {
        let one = core::slice::from_mut;
        match element {
            Element::AlphaG1 => one(&mut self.key.vk.alpha_g1),
            Element::BetaG1 => one(&mut self.key.beta_g1),
            Element::DeltaG1 => one(&mut self.key.delta_g1),
            Element::GammaAbcG1 => &mut self.key.vk.gamma_abc_g1,
            Element::AQuery => &mut self.key.a_query,
            Element::BG1Query => &mut self.key.b_g1_query,
            Element::HQuery => &mut self.key.h_query,
            Element::LQuery => &mut self.key.l_query,
            Element::PowersG1 => &mut self.powers_g1,
            other => panic!("{other} is in G2"),
        }
    }

    fn g2(&mut self, element: Element) -> &mut [G2Affine] {
        let one = core::slice::from_mut;
        match element {
            Element::BetaG2 => one(&mut self.key.vk.beta_g2),
            Element::GammaG2 => one(&mut self.key.vk.gamma_g2),
            Element::DeltaG2 => one(&mut self.key.vk.delta_g2),
            Element::BG2Query => &mut self.key.b_g2_query,
            Element::PowersG2 => &mut self.powers_g2,
            other => panic!("{other} is in G1"),
        }
    }
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let rows = Rows::of_depth(DEPTH);
    let trapdoor = Trapdoor::random(&Qap::new(&rows), &mut StdRng::seed_from_u64(500));
    let parts = Parts::of(&trapdoor.bundle(DEPTH, &rows));
    Honest { rows, trapdoor, parts }
});

const IN_G1: [Element; 9] = [
    Element::AlphaG1,
    Element::BetaG1,
    Element::DeltaG1,
    Element::GammaAbcG1,
    Element::AQuery,
    Element::BG1Query,
    Element::HQuery,
    Element::LQuery,
    Element::PowersG1,
];
const IN_G2: [Element; 5] = [Element::BetaG2, Element::GammaG2, Element::DeltaG2, Element::BG2Query, Element::PowersG2];

fn check(bundle: &KeyBundle) -> Result<(), CheckError> {
    check_setup(bundle, &mut os_rng()).map(drop)
}

/// What is found if the honest bundle is changed.
fn found(change: impl FnOnce(&mut Parts)) -> Result<(), CheckError> {
    let mut parts = HONEST.parts.clone();
    change(&mut parts);
    check(&parts.bundle())
}

/// All places of a short list; of a long one the first ones, one in the middle, and the last.
fn places(length: usize) -> Vec<usize> {
    if length <= INPUT_POINTS { (0..length).collect() } else { vec![0, 1, 2, 3, length / 2, length - 1] }
}

/// Two places whose points differ.
fn unequal<P: AffineRepr>(points: &[P]) -> (usize, usize) {
    let first = points.iter().position(|point| !point.is_zero()).unwrap();
    (first, (first + 1..points.len()).find(|i| points[*i] != points[first]).unwrap())
}

#[test]
fn nothing_is_found_if_nothing_is_changed() {
    assert_eq!(found(|_| {}), Ok(()));
}

#[test]
fn a_changed_point_is_found_and_named() {
    for element in IN_G1 {
        for place in places(HONEST.parts.clone().g1(element).len()) {
            let found = found(|parts| {
                let point = &mut parts.g1(element)[place];
                *point = (*point + G1Affine::generator()).into_affine();
            });
            assert_eq!(found, Err(CheckError::Wrong { element }), "{element}, {place}");
        }
    }
    for element in IN_G2 {
        for place in places(HONEST.parts.clone().g2(element).len()) {
            let found = found(|parts| {
                let point = &mut parts.g2(element)[place];
                *point = (*point + G2Affine::generator()).into_affine();
            });
            assert_eq!(found, Err(CheckError::Wrong { element }), "{element}, {place}");
        }
    }
}

#[test]
fn swapped_points_are_found_and_named() {
    use Element::{AQuery, BG1Query, BG2Query, GammaAbcG1, HQuery, LQuery, PowersG1, PowersG2};
    for element in [GammaAbcG1, AQuery, BG1Query, HQuery, LQuery, PowersG1] {
        let found = found(|parts| {
            let points = parts.g1(element);
            let (one, other) = unequal(&points[4..]);
            points.swap(4 + one, 4 + other);
        });
        assert_eq!(found, Err(CheckError::Wrong { element }), "{element}");
    }
    for element in [BG2Query, PowersG2] {
        let found = found(|parts| {
            let points = parts.g2(element);
            let (one, other) = unequal(&points[4..]);
            points.swap(4 + one, 4 + other);
        });
        assert_eq!(found, Err(CheckError::Wrong { element }), "{element}");
    }
}

#[test]
fn zero_points_are_found_and_named() {
    for element in IN_G1 {
        let found = found(|parts| {
            let points = parts.g1(element);
            let place = points.iter().rposition(|point| !point.is_zero()).unwrap();
            points[place] = G1Affine::zero();
        });
        let named = match found.unwrap_err() {
            CheckError::Identity { element, .. } | CheckError::Wrong { element } => element,
            other => panic!("{other}"),
        };
        assert_eq!(named, element);
    }
    for element in [Element::BetaG2, Element::GammaG2, Element::DeltaG2] {
        let found = found(|parts| parts.g2(element)[0] = G2Affine::zero());
        assert_eq!(found, Err(CheckError::Identity { element, index: 0 }));
    }
    for element in [Element::BG2Query, Element::PowersG2] {
        let found = found(|parts| {
            let points = parts.g2(element);
            let place = points.iter().rposition(|point| !point.is_zero()).unwrap();
            points[place] = G2Affine::zero();
        });
        assert_eq!(found, Err(CheckError::Wrong { element }));
    }
}

/// A point of the twist that is not in G₂.
fn outside() -> G2Affine {
    let points =
        (1u64..).filter_map(|x| G2Affine::get_point_from_x_unchecked(Fq2::new(Fq::from(x), Fq::from(0u64)), false));
    points.into_iter().find(|point| !point.is_in_correct_subgroup_assuming_on_curve()).unwrap()
}

/// The smallest order that a point outside can have beside p's: the twist's cofactor is 10069 times larger primes.
const SMALLEST_ORDER: u64 = 10_069;

/// A point of that order.
fn of_small_order() -> G2Affine {
    let mut cofactor = g2::Config::COFACTOR.to_vec();
    let mut remainder = 0u128;
    for limb in cofactor.iter_mut().rev() {
        let divided = (remainder << 64) + u128::from(*limb);
        *limb = (divided / u128::from(SMALLEST_ORDER)) as u64;
        remainder = divided % u128::from(SMALLEST_ORDER);
    }
    assert_eq!(remainder, 0);
    let point = outside().mul_bigint(cofactor).mul_bigint(Fr::MODULUS).into_affine();
    assert!(!point.is_zero() && point.mul_bigint([SMALLEST_ORDER]).is_zero());
    point
}

#[test]
fn points_outside_their_group_are_found_and_named() {
    let small = of_small_order();
    for element in IN_G2 {
        for index in places(HONEST.parts.clone().g2(element).len()) {
            for stranger in [outside(), small] {
                let found = found(|parts| {
                    let point = &mut parts.g2(element)[index];
                    *point = (*point + stranger).into_affine();
                });
                assert_eq!(found, Err(CheckError::OutsideGroup { element, index }));
            }
        }
    }
}

/// What stands against a point of small order is chance: 130 subsets miss it together as often as one alone misses it 130
/// times. A single one has to miss it about every second time.
#[test]
fn a_random_subset_misses_an_outsider_half_of_the_time() {
    let mut rng = StdRng::seed_from_u64(501);
    let small = of_small_order();
    let missed = (0..400).filter(|_| {
        let sum = if rng.next_u32() % 2 == 1 { small } else { G2Affine::zero() };
        sum.is_in_correct_subgroup_assuming_on_curve()
    });
    assert!((120..280).contains(&missed.count()));
    // Two of them cancel in a plain sum, and in a subset that has both.
    assert!((small + -small).into_affine().is_in_correct_subgroup_assuming_on_curve());
    assert!((0..20).all(|_| !all_in_group(&[small, -small], &mut rng)));
    assert!(all_in_group(&[G2Affine::generator(), G2Affine::zero()], &mut rng));
    assert!(all_in_group(&[], &mut rng));
}

#[test]
fn delta_of_zero_and_gamma_equal_to_delta_are_found() {
    let found = found(|parts| {
        parts.key.delta_g1 = G1Affine::zero();
        parts.key.vk.delta_g2 = G2Affine::zero();
    });
    assert_eq!(found, Err(CheckError::Identity { element: Element::DeltaG1, index: 0 }));
    let Honest { rows, trapdoor, .. } = &*HONEST;
    let equal = Trapdoor { gamma: trapdoor.delta, ..trapdoor.clone() };
    assert_eq!(check(&equal.bundle(DEPTH, rows)), Err(CheckError::GammaIsDelta));
}

/// Such a key is consistent. Its proofs say that one constraint holds, and nothing about the others.
#[test]
fn a_tau_in_the_domain_is_found() {
    let Honest { rows, trapdoor, .. } = &*HONEST;
    let root = Qap::new(rows).domain.element(5);
    let in_domain = Trapdoor { tau: root, ..trapdoor.clone() };
    assert_eq!(check(&in_domain.bundle(DEPTH, rows)), Err(CheckError::TauInDomain));
    // τ = 0 is none, but a setup does not draw it.
    let zero = Trapdoor { tau: Fr::ZERO, ..trapdoor.clone() };
    assert_eq!(check(&zero.bundle(DEPTH, rows)), Err(CheckError::Identity { element: Element::HQuery, index: 1 }));
}

#[test]
fn powers_of_another_tau_are_found() {
    let Honest { rows, trapdoor, .. } = &*HONEST;
    let other = Parts::of(&Trapdoor { tau: Fr::from(7u64), ..trapdoor.clone() }.bundle(DEPTH, rows));
    let both = found(|parts| (parts.powers_g1, parts.powers_g2) = (other.powers_g1.clone(), other.powers_g2.clone()));
    assert_eq!(both, Err(CheckError::Wrong { element: Element::AQuery }));
    let in_g1 = found(|parts| parts.powers_g1 = other.powers_g1.clone());
    assert_eq!(in_g1, Err(CheckError::Wrong { element: Element::PowersG1 }));
    // Both lists start at another point of the group.
    let scaled = found(|parts| {
        for point in &mut parts.powers_g1 {
            *point = (*point * Fr::from(2u64)).into_affine();
        }
    });
    assert_eq!(scaled, Err(CheckError::Wrong { element: Element::PowersG1 }));
}

/// The key of a circuit in which one entry of one matrix is another one.
fn of_another_circuit(change: impl FnOnce(&mut Rows)) -> KeyBundle {
    let mut rows = Rows::of_depth(DEPTH);
    change(&mut rows);
    HONEST.trapdoor.bundle(DEPTH, &rows)
}

#[test]
fn keys_of_another_circuit_are_found() {
    for (matrix, element) in [(A, Element::AQuery), (B, Element::BG1Query), (C, Element::LQuery)] {
        for row in [0, 300, HONEST.rows.purposes.len() - 1] {
            let bundle = of_another_circuit(|rows| rows.matrices[matrix][row][0].0 += Fr::ONE);
            assert_eq!(check(&bundle), Err(CheckError::Wrong { element }), "row {row}");
        }
    }
    // Without the constraint that binds the message, its square is no variable of the circuit.
    let message = HONEST.rows.purposes.iter().position(|purpose| *purpose == "message").unwrap();
    let unbound = of_another_circuit(|rows| rows.matrices.iter_mut().for_each(|matrix| matrix[message].clear()));
    let square = HONEST.parts.key.l_query.len() - 1;
    assert_eq!(check(&unbound), Err(CheckError::Identity { element: Element::LQuery, index: square }));
}

/// Proves, for the order at `place` of a group of two, under a key that nobody has checked.
fn prove_unchecked(bundle: &KeyBundle, place: usize) -> Result<(), ProveError> {
    let secret = IdentitySecret::from_bytes(&[6; 32]).unwrap();
    let credential = Credential { asset: Scalar::ZERO, limit: 2, expiry: 2_000_000_000 };
    let mut leaves = [Scalar::from(1); 2];
    leaves[place] = credential.leaf(secret.commitment());
    let mut group = LeanImt::new();
    group.insert_many(&leaves).unwrap();
    let root = group.root().unwrap();
    let claim = Claim { root, message: Scalar::from(8), scope: Scalar::from(9), now: 1_900_000_000 };
    let membership = group.proof(place).unwrap();
    let witness = Witness { secret: &secret, credential: &credential, use_index: 0, membership: &membership };
    let unchecked = ProvingKey::of_checked(bundle, Rows::of_depth(DEPTH));
    prove(&unchecked, &claim, &witness, &mut os_rng()).map(drop)
}

/// The owner makes the key, by the book, of a circuit with one constraint more: the path starts on the left. As a key it has
/// no flaw, and whoever looked at it alone, at the powers and at the pairings would find none.
#[test]
fn a_flawless_key_that_works_for_left_orders_alone_is_found() {
    let path_bit = HONEST.rows.purposes.iter().position(|purpose| *purpose == "path bit").unwrap();
    // right · right = right becomes right · right = 0.
    let crooked = of_another_circuit(|rows| rows.matrices[C][path_bit].clear());
    assert_eq!(prove_unchecked(&crooked, 0), Ok(()), "an order on the left notices nothing");
    assert_eq!(prove_unchecked(&crooked, 1), Err(ProveError::BrokenKey), "an order on the right is told apart");
    assert_eq!(check(&crooked), Err(CheckError::Wrong { element: Element::LQuery }));
    let honest = HONEST.parts.clone().bundle();
    assert_eq!((prove_unchecked(&honest, 0), prove_unchecked(&honest, 1)), (Ok(()), Ok(())));
}

/// A generator that its user's adversary knows.
struct Known;

impl RngCore for Known {
    fn next_u32(&mut self) -> u32 {
        0x0101_0101
    }
    fn next_u64(&mut self) -> u64 {
        0x0101_0101_0101_0101
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        dest.fill(1);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), ark_std::rand::Error> {
        self.fill_bytes(dest);
        Ok(())
    }
}

impl CryptoRng for Known {}

/// With weights that the owner knows, errors cancel: here two points of `l_query` change places, and all weights are equal.
#[test]
fn a_check_with_predictable_randomness_is_fooled_and_one_with_fresh_randomness_is_not() {
    let Honest { rows, parts, .. } = &*HONEST;
    // Variable 5 + 213 + 261 + 1 is `right` of level 0, and what stands behind it is `active`.
    let right = 5 + 213 + 261 + 1;
    assert_eq!(
        rows.matrices[A][rows.purposes.iter().position(|p| *p == "path bit").unwrap()][0].1,
        INPUT_POINTS + right
    );
    let mut crooked = parts.clone();
    crooked.key.l_query.swap(right, right + 1);
    let crooked = crooked.bundle();
    // Left orders have right ≠ active.
    assert_eq!(prove_unchecked(&crooked, 0), Err(ProveError::BrokenKey));
    assert_eq!(prove_unchecked(&crooked, 1), Ok(()));
    assert!(check_setup(&crooked, &mut Known).is_ok(), "the check is fooled");
    assert_eq!(check(&crooked), Err(CheckError::Wrong { element: Element::LQuery }));
}
