//! The group of orders.

use sealock_zk::{Credential, IdentitySecret, LeanImt, MAX_DEPTH, Scalar, TreeError};

fn leaves(range: core::ops::Range<u64>) -> Vec<Scalar> {
    range.map(Scalar::from).collect()
}

#[test]
fn batches_of_any_size_give_the_tree_that_single_leaves_give() {
    for first in 0..9 {
        for second in 0..9 {
            let mut batched = LeanImt::new();
            batched.insert_many(&leaves(1..1 + first)).unwrap();
            batched.insert_many(&leaves(1 + first..1 + first + second)).unwrap();
            let mut single = LeanImt::new();
            for leaf in leaves(1..1 + first + second) {
                single.insert(leaf).unwrap();
            }
            assert_eq!(batched.root(), single.root(), "{first} and {second}");
            assert_eq!(batched.leaves(), single.leaves());
        }
    }
}

#[test]
fn every_leaf_has_a_path_to_the_root() {
    let mut group = LeanImt::new();
    for size in 1..=33 {
        group.insert(Scalar::from(size)).unwrap();
        for (place, leaf) in group.leaves().iter().enumerate() {
            let proof = group.proof(place).unwrap();
            assert_eq!((proof.leaf, Some(proof.root())), (*leaf, group.root()));
            assert_eq!(group.index_of(*leaf), Some(place));
        }
    }
    assert_eq!(group.proof(33), Err(TreeError::NoSuchLeaf { index: 33, len: 33 }));
    assert_eq!(LeanImt::new().proof(0), Err(TreeError::NoSuchLeaf { index: 0, len: 0 }));
}

#[test]
fn refused_leaves_change_nothing() {
    let mut group = LeanImt::new();
    group.insert_many(&leaves(1..6)).unwrap();
    let before = group.root();
    assert_eq!(group.insert(Scalar::ZERO), Err(TreeError::ZeroLeaf));
    assert_eq!(group.insert(Scalar::from(2)), Err(TreeError::DuplicateLeaf { index: 1 }));
    let batch = |last| [Scalar::from(10), Scalar::from(11), last];
    assert_eq!(group.insert_many(&batch(Scalar::ZERO)), Err(TreeError::ZeroLeaf));
    assert_eq!(group.insert_many(&batch(Scalar::from(5))), Err(TreeError::DuplicateLeaf { index: 4 }));
    assert_eq!(group.insert_many(&batch(Scalar::from(10))), Err(TreeError::DuplicateLeaf { index: 5 }));
    assert_eq!((group.root(), group.len(), group.index_of(Scalar::from(10))), (before, 5, None));
    // Nothing of the refused batches is left that would refuse them now.
    assert_eq!(group.insert_many(&batch(Scalar::from(12))), Ok(()));
    assert_eq!(group.index_of(Scalar::from(12)), Some(7));
}

#[test]
fn a_removed_leaf_has_no_place_and_no_path() {
    let mut group = LeanImt::new();
    group.insert_many(&leaves(1..6)).unwrap();
    let path = group.proof(4).unwrap();
    group.remove(1).unwrap();
    assert_eq!(group.index_of(Scalar::from(2)), None);
    assert_eq!((group.index_of(Scalar::ZERO), group.len()), (None, 5));
    let gone = Err(TreeError::NoSuchLeaf { index: 1, len: 5 });
    assert_eq!((group.proof(1).map(drop), group.remove(1)), (gone.clone(), gone));
    assert_eq!(group.remove(5), Err(TreeError::NoSuchLeaf { index: 5, len: 5 }));
    assert_ne!(Some(path.root()), group.root(), "paths of before lead to the root of before");
    assert_eq!(Some(group.proof(4).unwrap().root()), group.root());
    // It may come back, at the end.
    assert_eq!(group.insert(Scalar::from(2)), Ok(5));
    let mut restored = LeanImt::with_max_depth(3).unwrap();
    restored.restore(group.leaves()).unwrap();
    assert_eq!((restored.root(), restored.leaves()), (group.root(), group.leaves()));
    assert_eq!(restored.restore(&[Scalar::from(9), Scalar::from(1)]), Err(TreeError::DuplicateLeaf { index: 0 }));
    assert_eq!(restored.restore(&leaves(10..13)), Err(TreeError::Full { max_depth: 3 }));
    assert_eq!(restored.root(), group.root());
}

/// Levels of a size that is hashed on several threads give what one thread gives.
#[test]
fn large_batches_give_the_tree_that_small_ones_give() {
    for size in [127, 128, 129, 1000, 4097] {
        let (mut at_once, mut in_parts) = (LeanImt::new(), LeanImt::new());
        at_once.insert_many(&leaves(1..1 + size)).unwrap();
        for part in leaves(1..1 + size).chunks(7) {
            in_parts.insert_many(part).unwrap();
        }
        assert_eq!(at_once.root(), in_parts.root(), "{size}");
        let place = size as usize / 2;
        assert_eq!(at_once.proof(place), in_parts.proof(place));
    }
}

/// Two orders with one commitment and the same terms would share their nullifiers: the second one buys nothing.
#[test]
fn a_duplicate_leaf_is_refused() {
    let mut group = LeanImt::new();
    let secret = IdentitySecret::from_bytes(&[3; 32]).unwrap();
    let credential = Credential { asset: Scalar::from(1), limit: 2, expiry: 9 };
    assert_eq!(group.insert(credential.leaf(secret.commitment())), Ok(0));
    assert_eq!(group.insert(credential.leaf(secret.commitment())), Err(TreeError::DuplicateLeaf { index: 0 }));
    assert_eq!(group.len(), 1);
}

#[test]
fn a_group_does_not_outgrow_its_circuit() {
    let mut group = LeanImt::with_max_depth(2).unwrap();
    group.insert_many(&leaves(1..4)).unwrap();
    assert_eq!(group.insert_many(&leaves(4..6)), Err(TreeError::Full { max_depth: 2 }));
    assert_eq!(group.insert(Scalar::from(4)), Ok(3));
    assert_eq!(group.insert(Scalar::from(5)), Err(TreeError::Full { max_depth: 2 }));
    assert_eq!(group.depth(), 2);
    for depth in [0, MAX_DEPTH + 1] {
        assert_eq!(LeanImt::with_max_depth(depth).unwrap_err(), TreeError::Depth { got: depth });
    }
}

#[test]
fn a_changed_path_leads_elsewhere() {
    let mut group = LeanImt::new();
    group.insert_many(&leaves(1..12)).unwrap();
    let proof = group.proof(5).unwrap();
    let root = group.root().unwrap();
    for level in 0..proof.siblings.len() {
        let mut changed = proof.clone();
        changed.siblings[level] = Scalar::from(99);
        assert_ne!(changed.root(), root);
        let mut changed = proof.clone();
        changed.index ^= 1 << level;
        assert_ne!(changed.root(), root);
    }
}
