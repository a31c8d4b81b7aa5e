//! Every constraint is broken once. A dishonest assignment is chosen such that it breaks that constraint *alone*: the
//! attack would succeed without it.

use ark_ff::{PrimeField, UniformRand};

use super::*;
use crate::{
    Credential, IdentitySecret, LeanImt, Scalar, poseidon,
    rng::{SeedableRng, StdRng},
};

const DEPTH: usize = 4;
const NOW: u64 = 1_900_000_000;
const TERMS: Credential = Credential { asset: Scalar::ZERO, limit: 3, expiry: NOW + 60 };

fn int(value: u128) -> Fr {
    Fr::from(value)
}

fn secret() -> IdentitySecret {
    IdentitySecret::from_bytes(&[5; 32]).unwrap()
}

/// A group of `size` orders in which the one at `place` is ours.
fn group(size: usize, place: usize, credential: &Credential) -> LeanImt {
    let mut group = LeanImt::new();
    for i in 0..size {
        let other = Scalar::from(1000 + i as u64);
        group.insert(if i == place { credential.leaf(secret().commitment()) } else { other }).unwrap();
    }
    group
}

/// What an honest prover assigns for the order at `place`.
fn honest_in(group: &LeanImt, place: usize, credential: &Credential, use_index: u64) -> Assignment {
    let proof = group.proof(place).unwrap();
    let mut levels = vec![Level { sibling: Fr::ZERO, right: Fr::ZERO, active: Fr::ZERO }; DEPTH];
    for (i, sibling) in proof.siblings.iter().enumerate() {
        levels[i] = Level { sibling: sibling.0, right: Fr::from(proof.index >> i & 1), active: Fr::ONE };
    }
    let scope = Scalar::from(77);
    Assignment {
        root: group.root().unwrap().0,
        nullifier: secret().nullifier(scope, use_index).0,
        message: int(42),
        scope: scope.0,
        now: Fr::from(NOW),
        secret: secret().field_element(),
        asset: credential.asset.0,
        limit: Fr::from(credential.limit),
        expiry: Fr::from(credential.expiry),
        use_index: Fr::from(use_index),
        levels,
    }
}

fn honest() -> Assignment {
    honest_in(&group(11, 6, &TERMS), 6, &TERMS, 2)
}

/// The purposes of the constraints that the assignment breaks.
fn violated(assignment: &Assignment) -> Vec<&'static str> {
    Rows::of_depth(DEPTH).violated(&full_assignment(DEPTH, assignment).unwrap())
}

fn nullifier_for(use_index: Fr) -> Fr {
    poseidon([Scalar::from(77), Scalar(secret().field_element()), Scalar(use_index)]).0
}

#[test]
fn sizes_are_the_documented_ones() {
    for depth in [1, 2, 7, 20, MAX_DEPTH] {
        let cs = ConstraintSystem::new_ref();
        cs.set_mode(SynthesisMode::Setup);
        AccessCircuit { depth, assignment: None }.synthesize(cs.clone()).unwrap();
        assert_eq!(cs.num_constraints(), constraints(depth));
        assert_eq!(cs.num_instance_variables(), PUBLIC_INPUTS + 1);
        assert_eq!(cs.num_witness_variables(), private_variables(depth));
    }
    assert_eq!((constraints(20), constraints(MAX_DEPTH)), (6009, 6985));
    assert_eq!((domain_size(20), domain_size(MAX_DEPTH)), (1 << 13, 1 << 13));
}

#[test]
fn poseidon_as_constraints_equals_the_native_one() {
    fn check<const N: usize>(inputs: [Scalar; N], constraints: usize) {
        let cs = ConstraintSystem::new_ref();
        let mut b = Builder::new(cs.clone());
        let wires = inputs.map(|input| b.private(Some(input.0)).unwrap());
        let hash = b.poseidon(wires).unwrap();
        assert_eq!(hash.value(), Some(poseidon(inputs).0));
        let expected = b.public(Some(poseidon(inputs).0)).unwrap();
        b.equal("hash", hash, expected).unwrap();
        assert_eq!(cs.num_constraints(), constraints + 1);
        assert!(cs.is_satisfied().unwrap());
    }
    let mut rng = StdRng::seed_from_u64(3);
    let edges = [Scalar::ZERO, Scalar(-Fr::ONE), Scalar::from(u64::MAX)];
    for round in 0..20 {
        let mut draw = |i: usize| *edges.get(round + i).unwrap_or(&Scalar(Fr::rand(&mut rng)));
        check([draw(0)], 213);
        check([draw(0), draw(1)], 240);
        check([draw(0), draw(1), draw(2)], 261);
    }
}

#[test]
fn every_place_in_groups_of_every_shape_is_accepted() {
    let rows = Rows::of_depth(DEPTH);
    for size in 1..=16 {
        for place in [0, size / 2, size - 1] {
            let assignment = honest_in(&group(size, place, &TERMS), place, &TERMS, 0);
            let z = full_assignment(DEPTH, &assignment).unwrap();
            assert_eq!(rows.violated(&z), [""; 0], "order {place} of {size}");
        }
    }
}

#[test]
fn a_path_of_the_largest_depth_is_accepted() {
    let mut node = TERMS.leaf(secret().commitment());
    let mut assignment = honest();
    assignment.levels.clear();
    for i in 0..MAX_DEPTH as u64 {
        let sibling = Scalar::from(i + 1);
        assignment.levels.push(Level { sibling: sibling.0, right: Fr::from(i & 1), active: Fr::ONE });
        node = if i & 1 == 1 { poseidon([sibling, node]) } else { poseidon([node, sibling]) };
    }
    assignment.root = node.0;
    let z = full_assignment(MAX_DEPTH, &assignment).unwrap();
    assert_eq!(Rows::of_depth(MAX_DEPTH).violated(&z), [""; 0]);
}

#[test]
fn first_and_last_use_and_last_second_are_accepted() {
    let terms = Credential { limit: u64::MAX, expiry: NOW, ..TERMS };
    let group = group(11, 6, &terms);
    for use_index in [0, u64::MAX - 1] {
        assert_eq!(violated(&honest_in(&group, 6, &terms, use_index)), [""; 0]);
    }
    let terms = Credential { limit: 1, expiry: u64::MAX, ..TERMS };
    let group = self::group(11, 6, &terms);
    assert_eq!(violated(&honest_in(&group, 6, &terms, 0)), [""; 0]);
}

#[test]
fn another_path_is_caught() {
    let mut wrong_sibling = honest();
    wrong_sibling.levels[2].sibling += Fr::ONE;
    assert_eq!(violated(&wrong_sibling), ["root"]);

    let mut other_side = honest();
    other_side.levels[0].right = Fr::ONE - other_side.levels[0].right;
    assert_eq!(violated(&other_side), ["root"]);

    let mut skipped = honest();
    skipped.levels[1].active = Fr::ZERO;
    assert_eq!(violated(&skipped), ["root"]);

    let mut other_root = honest();
    other_root.root += Fr::ONE;
    assert_eq!(violated(&other_root), ["root"]);
}

#[test]
fn an_order_that_is_not_in_the_group_is_caught() {
    for change in 0..4 {
        let mut stranger = honest();
        match change {
            0 => {
                stranger.secret += Fr::ONE;
                stranger.nullifier = poseidon([Scalar::from(77), Scalar(stranger.secret), Scalar::from(2)]).0;
            }
            1 => stranger.asset += Fr::ONE,
            2 => stranger.limit += Fr::ONE,
            _ => stranger.expiry += Fr::ONE,
        }
        assert_eq!(violated(&stranger), ["root"]);
    }
}

/// A path bit b that is no bit puts node + b·(sibling − node) on the left and the rest of the sum on the right. Any
/// leaf can then be turned into any pair of nodes of the group.
#[test]
fn a_path_bit_that_is_no_bit_would_forge_membership() {
    let group = group(11, 6, &TERMS);
    let (left, right) = (group.leaves()[0].0, group.leaves()[1].0);
    let mut forged = honest_in(&group, 0, &TERMS, 2);
    forged.limit = Fr::from(1_000_000); // no such order exists
    let node = Credential { limit: 1_000_000, ..TERMS }.leaf(secret().commitment()).0;
    let sibling = left + right - node;
    forged.levels[0] = Level { sibling, right: (left - node) / (sibling - node), active: Fr::ONE };
    assert_eq!(violated(&forged), ["path bit"]);
}

/// An active bit a that is no bit gives node + a·(parent − node): any value, so the root as well.
#[test]
fn an_active_bit_that_is_no_bit_would_forge_membership() {
    let mut forged = honest();
    forged.limit = Fr::from(1_000_000);
    let node = Credential { limit: 1_000_000, ..TERMS }.leaf(secret().commitment());
    let parent = poseidon([node, Scalar::ZERO]);
    forged.levels.fill(Level { sibling: Fr::ZERO, right: Fr::ZERO, active: Fr::ZERO });
    forged.levels[0].active = (forged.root - node.0) / (parent.0 - node.0);
    assert_eq!(violated(&forged), ["active bit"]);

    // The same way to a root of zero meets one more constraint.
    forged.root = Fr::ZERO;
    forged.levels[0].active = -node.0 / (parent.0 - node.0);
    assert_eq!(violated(&forged), ["active bit", "root is not zero"]);
}

#[test]
fn another_nullifier_is_caught() {
    let mut fresh = honest();
    fresh.nullifier += Fr::ONE;
    assert_eq!(violated(&fresh), ["nullifier"]);

    let mut moved_to_another_scope = honest();
    moved_to_another_scope.scope += Fr::ONE;
    assert_eq!(violated(&moved_to_another_scope), ["nullifier"]);
}

#[test]
fn a_use_beyond_the_limit_is_caught() {
    for use_index in [3, 4, u64::MAX] {
        let mut beyond = honest();
        beyond.use_index = Fr::from(use_index);
        beyond.nullifier = nullifier_for(beyond.use_index);
        assert_eq!(violated(&beyond), ["use index below limit"]);
    }
    let none = Credential { limit: 0, ..TERMS };
    assert_eq!(violated(&honest_in(&group(11, 6, &none), 6, &none, 0)), ["use index below limit"]);
}

/// −1 is below every limit: limit − 1 − (−1) = limit. Each negative number would be one more use.
#[test]
fn a_negative_use_index_is_caught_by_its_range_alone() {
    let mut negative = honest();
    negative.use_index = -Fr::ONE;
    negative.nullifier = nullifier_for(negative.use_index);
    assert_eq!(violated(&negative), ["use index range"]);
}

#[test]
fn an_expired_order_is_caught() {
    let mut late = honest();
    late.now = Fr::from(TERMS.expiry + 1);
    assert_eq!(violated(&late), ["not expired"]);
}

/// (limit − 1, expiry + 2^64) packs to the same leaf, and expires in 584 billion years.
#[test]
fn a_split_of_the_leaf_that_trades_uses_for_time_is_caught_by_the_range_of_expiry_alone() {
    let mut late = honest();
    late.now = Fr::from(TERMS.expiry + 1);
    late.limit -= Fr::ONE;
    late.expiry += int(1 << 64);
    late.use_index = Fr::ZERO;
    late.nullifier = nullifier_for(Fr::ZERO);
    assert_eq!(violated(&late), ["expiry range"]);
}

/// The other direction, (limit + 2^64·k, …), needs a leaf that no ledger makes; the range keeps limits to 64 bits anyway.
#[test]
fn a_limit_of_more_than_64_bits_is_caught_by_its_range_alone() {
    let limit = int(1 << 64);
    let packed = limit * int(1 << 64) + Fr::from(TERMS.expiry);
    let leaf = poseidon([secret().commitment(), Scalar(packed), TERMS.asset]);
    let mut large = honest();
    large.limit = limit;
    large.use_index = Fr::from(u64::MAX);
    large.nullifier = nullifier_for(large.use_index);
    large.root = leaf.0;
    large.levels.fill(Level { sibling: Fr::ZERO, right: Fr::ZERO, active: Fr::ZERO });
    assert_eq!(violated(&large), ["limit range"]);
}

#[test]
fn a_time_that_is_no_time_is_caught_by_its_range_alone() {
    let mut before_time = honest();
    before_time.now = -Fr::ONE;
    assert_eq!(violated(&before_time), ["now range"]);
}

#[test]
fn a_range_holds_below_2_to_the_64_and_nowhere_else() {
    let in_range = |value: Fr| {
        let cs = ConstraintSystem::new_ref();
        let mut b = Builder::new(cs.clone());
        let wire = b.private(Some(value)).unwrap();
        b.range_64("range", wire).unwrap();
        cs.is_satisfied().unwrap()
    };
    for inside in [int(0), int(1), int(u128::from(u64::MAX))] {
        assert!(in_range(inside));
    }
    for outside in [int(1 << 64), int((1 << 64) + 1), int(1 << 127), -Fr::ONE, -int(1 << 64), -int(u64::MAX.into())] {
        assert!(!in_range(outside), "{outside}");
    }
}

/// Bits of a range that are no bits could sum to anything.
#[test]
fn bits_of_a_range_have_to_be_bits() {
    let rows = Rows::of_depth(DEPTH);
    let mut expired = honest();
    expired.now = Fr::from(TERMS.expiry + 1);
    let mut z = full_assignment(DEPTH, &expired).unwrap();
    assert_eq!(rows.violated(&z), ["not expired"]);
    // The row that sums the bits to expiry − now = −1: give its first bit what is missing.
    let row = rows.purposes.iter().position(|purpose| *purpose == "not expired").unwrap();
    let sum: Fr = rows.matrices[0][row].iter().map(|(c, i)| *c * z[*i]).sum();
    let (coefficient, bit) = *rows.matrices[0][row].iter().find(|(c, _)| *c == Fr::ONE).unwrap();
    z[bit] += (-Fr::ONE - sum) / coefficient;
    assert_eq!(rows.violated(&z), ["bit"]);
}

#[test]
fn every_public_input_is_constrained() {
    let rows = Rows::of_depth(DEPTH);
    let z = full_assignment(DEPTH, &honest()).unwrap();
    for input in 1..=PUBLIC_INPUTS {
        let mut changed = z.clone();
        changed[input] += Fr::ONE;
        assert_ne!(rows.violated(&changed), [""; 0], "public input {input}");
    }
    let mut changed = z;
    changed[3] += Fr::ONE;
    assert_eq!(rows.violated(&changed), ["message"]);
}

#[test]
fn every_private_variable_is_constrained() {
    let rows = Rows::of_depth(DEPTH);
    let mut z = full_assignment(DEPTH, &honest()).unwrap();
    let mut rows_of = vec![Vec::new(); z.len()];
    for matrix in &rows.matrices {
        for (row, terms) in matrix.iter().enumerate() {
            terms.iter().for_each(|(_, variable)| rows_of[*variable].push(row));
        }
    }
    for variable in PUBLIC_INPUTS + 1..z.len() {
        let before = z[variable];
        z[variable] += Fr::ONE;
        assert!(rows_of[variable].iter().any(|row| !rows.is_satisfied(*row, &z)), "variable {variable} is free");
        z[variable] = before;
    }
}

#[test]
fn values_that_wrap_around_the_field_do_not_pack_to_the_same_leaf() {
    // limit' · 2^64 + expiry' = limit · 2^64 + expiry with any 64-bit expiry' has one more solution per expiry', at a
    // huge limit'. It is out of range, and so is what is left of it.
    let mut split = honest();
    split.expiry = Fr::from(TERMS.expiry + 1000);
    split.limit = (int(u128::from(TERMS.limit) << 64 | u128::from(TERMS.expiry)) - split.expiry) / int(1 << 64);
    assert!(split.limit.into_bigint() > int(u128::MAX).into_bigint());
    assert_eq!(violated(&split), ["limit range", "use index below limit"]);
}

/// Computes every variable that a row defines, in the order of the rows, from those that none does. The variable of the row
/// `broken` becomes one more than the row says. Gives the rows that define nothing.
fn fill_in(rows: &Rows, z: &mut [Fr], broken: usize) -> Vec<usize> {
    let [a, b, c] = [0, 1, 2].map(|matrix| &rows.matrices[matrix]);
    let mut seen = vec![false; z.len()];
    let mut defining_nothing = Vec::new();
    for row in 0..rows.purposes.len() {
        let value = |terms: &[(Fr, usize)], z: &[Fr]| terms.iter().map(|(c, i)| *c * z[*i]).sum::<Fr>();
        a[row].iter().chain(&b[row]).for_each(|(_, variable)| seen[*variable] = true);
        let defined = match (rows.purposes[row], c[row].as_slice()) {
            // Here the product is given, and a factor is looked for.
            ("root is not zero", _) => b[row][0].1,
            ("root" | "nullifier", [(_, public)]) => *public,
            (_, [(_, private)]) if *private > PUBLIC_INPUTS && !seen[*private] => *private,
            _ => {
                defining_nothing.push(row);
                continue;
            }
        };
        z[defined] = match rows.purposes[row] {
            "root is not zero" => value(&a[row], z).inverse().unwrap(),
            _ => value(&a[row], z) * value(&b[row], z),
        };
        if row == broken {
            z[defined] += Fr::ONE;
        }
        seen[defined] = true;
    }
    defining_nothing
}

/// For every single row there is an assignment that this row alone refuses: whichever was left out, something false could
/// be proved, and no row is there for nothing.
#[test]
fn every_constraint_alone_catches_something() {
    const DEPTH: usize = 2;
    let rows = Rows::of_depth(DEPTH);
    let mut assignment = honest_in(&group(4, 1, &TERMS), 1, &TERMS, 2);
    assignment.levels.truncate(DEPTH);
    let honest = full_assignment(DEPTH, &assignment).unwrap();
    let mut untouched = honest.clone();
    let defining_nothing = fill_in(&rows, &mut untouched, usize::MAX);
    assert!(untouched == honest, "filling in gives what an honest prover assigns");

    let flipped = |bit: Fr| Fr::ONE - bit;
    for broken in 0..rows.purposes.len() {
        let mut z = honest.clone();
        if defining_nothing.contains(&broken) {
            let terms = &rows.matrices[0][broken];
            match rows.purposes[broken] {
                // Three is no bit.
                "path bit" | "active bit" => z[terms[0].1] = int(3),
                // Another bit of the same number changes, and this one makes up for it.
                "bit" => {
                    let sum = (broken..).find(|row| rows.purposes[*row] != "bit").unwrap();
                    let bits = &rows.matrices[0][sum];
                    let this = bits.iter().position(|(_, bit)| *bit == terms[0].1).unwrap();
                    let ((weight, this), (other_weight, other)) = (bits[this], bits[(this + 1) % bits.len()]);
                    let change = flipped(z[other]) - z[other];
                    z[other] += change;
                    z[this] -= other_weight * change / weight;
                }
                // The sum of bits that are bits is another number.
                _ => z[terms[0].1] = flipped(z[terms[0].1]),
            }
        }
        fill_in(&rows, &mut z, broken);
        let refusing: Vec<_> = (0..rows.purposes.len()).filter(|row| !rows.is_satisfied(*row, &z)).collect();
        assert_eq!(refusing, [broken], "{}", rows.purposes[broken]);
    }
}
