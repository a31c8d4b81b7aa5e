//! The group of orders: a Merkle tree that grows at its end, equal to zk-kit's LeanIMT over Poseidon.
//!
//! The tree has no padding. A node with two children is Poseidon(left, right); a node with a left child alone *is* that
//! child. Depth grows with the number of leaves: ⌈log2(n)⌉. A removed leaf leaves zero in its place. Reference: `@zk-kit/lean-imt` 2 and
//! <https://zkkit.org/leanimt-paper.pdf>.

use std::collections::HashMap;

use rayon::prelude::*;
use thiserror::Error;

use crate::{MAX_DEPTH, Scalar, poseidon};

/// Below this number of orders a proof hides little: with one order the owner knows whose it is, with two an order
/// knows that the other use is the other's. [`LeanImt::proof`] logs a warning then.
pub const SMALLEST_ANONYMOUS_GROUP: usize = 3;

/// Nodes of one level that are worth hashing on several threads.
const PARALLEL: usize = 64;

/// Why a tree refused a leaf or a proof. The tree is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TreeError {
    /// Zero marks the place of a removed leaf, so it is never a leaf itself.
    #[error("a leaf is not zero")]
    ZeroLeaf,
    /// Leaves are unique, so that a leaf has one place. Whoever rebuilds a group from a ledger skips the later copy: a
    /// copied commitment is of use only to the one who knows its secret.
    #[error("the leaf is already in the group, at index {index}")]
    DuplicateLeaf {
        /// Where it is. For a duplicate within one batch: where its first copy would be.
        index: usize,
    },
    /// The tree has as many leaves as its depth allows.
    #[error("a group of depth {max_depth} has at most {} leaves; use a deeper circuit", 1usize << max_depth)]
    Full {
        /// The depth that the tree was made with.
        max_depth: usize,
    },
    /// There is no leaf at this index, or it was removed.
    #[error("the group has {len} places, there is no leaf at index {index}")]
    NoSuchLeaf {
        /// The index asked for.
        index: usize,
        /// Number of places.
        len: usize,
    },
    /// A depth that no circuit has.
    #[error("a group has depth 1 to {MAX_DEPTH}, got {got}")]
    Depth {
        /// The depth asked for.
        got: usize,
    },
}

/// The group of orders of an asset.
#[derive(Debug, Clone)]
pub struct LeanImt {
    max_depth: usize,
    /// `levels[0]` are the leaves; the last level is the root alone, if there are leaves.
    levels: Vec<Vec<Scalar>>,
    places: HashMap<Scalar, usize>,
}

impl Default for LeanImt {
    fn default() -> Self {
        Self { max_depth: MAX_DEPTH, levels: vec![Vec::new()], places: HashMap::new() }
    }
}

impl LeanImt {
    /// An empty tree with room for 2^[`MAX_DEPTH`] leaves.
    ///
    /// A group that proofs are made about is best kept to its key's depth: [`with_max_depth`](Self::with_max_depth). In one
    /// that has outgrown its key, only the few whose paths are short can still prove, and whoever sees a proof knows that it
    /// is one of these.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty tree that never outgrows a circuit of depth `max_depth`.
    ///
    /// # Errors
    ///
    /// [`TreeError::Depth`] unless `max_depth` is from 1 to [`MAX_DEPTH`].
    pub fn with_max_depth(max_depth: usize) -> Result<Self, TreeError> {
        if !(1..=MAX_DEPTH).contains(&max_depth) {
            return Err(TreeError::Depth { got: max_depth });
        }
        Ok(Self { max_depth, ..Self::default() })
    }

    /// Appends a leaf and returns its index. Costs at most one hash per level. Insert only what
    /// [`Credential::leaf`](crate::Credential::leaf) made of terms that you have checked: a number of somebody's choice can
    /// be a leaf of terms of their choice, or a subtree of such leaves.
    ///
    /// # Errors
    ///
    /// [`TreeError::ZeroLeaf`], [`TreeError::DuplicateLeaf`], [`TreeError::Full`].
    pub fn insert(&mut self, leaf: Scalar) -> Result<usize, TreeError> {
        self.insert_many(&[leaf])?;
        Ok(self.len() - 1)
    }

    /// Appends leaves in order, all or none. Costs about one hash per leaf, on all threads.
    ///
    /// # Errors
    ///
    /// Those of [`insert`](Self::insert).
    pub fn insert_many(&mut self, leaves: &[Scalar]) -> Result<(), TreeError> {
        self.extend(leaves, false)
    }

    /// Appends the leaves of a tree that others kept, all or none, where zero marks the place of a removed leaf.
    ///
    /// # Errors
    ///
    /// [`TreeError::DuplicateLeaf`], [`TreeError::Full`].
    pub fn restore(&mut self, leaves: &[Scalar]) -> Result<(), TreeError> {
        self.extend(leaves, true)
    }

    /// Removes the leaf at `index`: its place stays, as zero, and nothing can be proved about it. Other leaves keep their
    /// places. Costs one hash per level. Equal to Semaphore's `removeMember`.
    ///
    /// # Errors
    ///
    /// [`TreeError::NoSuchLeaf`].
    pub fn remove(&mut self, index: usize) -> Result<(), TreeError> {
        let leaf = self.leaf(index)?;
        self.places.remove(&leaf);
        self.levels[0][index] = Scalar::ZERO;
        let mut at = index;
        for level in 0..self.depth() {
            at /= 2;
            self.levels[level + 1][at] = match self.levels[level][2 * at..] {
                [left, right, ..] => poseidon([left, right]),
                [left] => left,
                [] => unreachable!("a node has a left child"),
            };
        }
        Ok(())
    }

    fn leaf(&self, index: usize) -> Result<Scalar, TreeError> {
        let leaf = self.levels[0].get(index).copied().filter(|leaf| !leaf.is_zero());
        leaf.ok_or(TreeError::NoSuchLeaf { index, len: self.len() })
    }

    fn extend(&mut self, leaves: &[Scalar], removed: bool) -> Result<(), TreeError> {
        let first = self.len();
        if leaves.len() > (1 << self.max_depth) - first {
            return Err(TreeError::Full { max_depth: self.max_depth });
        }
        for (offset, leaf) in leaves.iter().enumerate() {
            let refused = if leaf.is_zero() {
                (!removed).then_some(TreeError::ZeroLeaf)
            } else if let Some(&index) = self.places.get(leaf) {
                Some(TreeError::DuplicateLeaf { index })
            } else {
                self.places.insert(*leaf, first + offset);
                None
            };
            if let Some(refused) = refused {
                for taken_back in &leaves[..offset] {
                    self.places.remove(taken_back);
                }
                return Err(refused);
            }
        }
        self.levels[0].extend_from_slice(leaves);
        self.rehash_from(first);
        Ok(())
    }

    /// Recomputes what is above the leaves from index `from` on.
    fn rehash_from(&mut self, mut from: usize) {
        let mut level = 0;
        while self.levels[level].len() > 1 {
            if self.levels.len() == level + 1 {
                self.levels.push(Vec::new());
            }
            from /= 2;
            let (below, above) = self.levels.split_at_mut(level + 1);
            let parents = &mut above[0];
            parents.truncate(from);
            let children = &below[level][2 * from..];
            let parent = |pair: &[Scalar]| match *pair {
                [left, right] => poseidon([left, right]),
                _ => pair[0],
            };
            if children.len() < 2 * PARALLEL {
                parents.extend(children.chunks(2).map(parent));
            } else {
                parents.par_extend(children.par_chunks(2).with_min_len(PARALLEL / 4).map(parent));
            }
            level += 1;
        }
    }

    /// The root, or `None` for an empty tree. It is zero for a tree whose only leaf was removed, and never otherwise in
    /// practice: that would be a preimage of zero.
    #[must_use]
    pub fn root(&self) -> Option<Scalar> {
        self.levels.last().and_then(|level| level.first()).copied()
    }

    /// Number of leaves, with the places of removed ones.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels[0].len()
    }

    /// Whether the tree never had a leaf.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of levels above the leaves.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.levels.len() - 1
    }

    /// The leaves in order, zero for a removed one.
    #[must_use]
    pub fn leaves(&self) -> &[Scalar] {
        &self.levels[0]
    }

    /// Where a leaf is.
    #[must_use]
    pub fn index_of(&self, leaf: Scalar) -> Option<usize> {
        self.places.get(&leaf).copied()
    }

    /// The path from the leaf at `index` to the root.
    ///
    /// Make it from a group that you rebuilt yourself: whoever is asked for the path of one leaf learns which one it is.
    ///
    /// # Errors
    ///
    /// [`TreeError::NoSuchLeaf`].
    pub fn proof(&self, index: usize) -> Result<MerkleProof, TreeError> {
        let leaf = self.leaf(index)?;
        let orders = self.places.len();
        if orders < SMALLEST_ANONYMOUS_GROUP {
            tracing::warn!(orders, "so small a group does not hide whose proof it is");
        }
        let mut proof = MerkleProof { leaf, index: 0, siblings: Vec::with_capacity(self.depth()) };
        let mut position = index;
        for level in &self.levels[..self.depth()] {
            if let Some(sibling) = level.get(position ^ 1) {
                proof.index |= (position as u64 & 1) << proof.siblings.len();
                proof.siblings.push(*sibling);
            }
            position /= 2;
        }
        Ok(proof)
    }
}

/// A path from a leaf to the root, as zk-kit's `LeanIMTMerkleProof`. It tells which order is meant: keep it private.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerkleProof {
    /// The leaf.
    pub leaf: Scalar,
    /// Bit i says on which side the path is at the i-th sibling: 0 left, 1 right. Levels without a sibling have no bit,
    /// so this is the leaf's index only if every level has one.
    pub index: u64,
    /// The siblings that exist, from the leaf upwards.
    pub siblings: Vec<Scalar>,
}

impl MerkleProof {
    /// The root that the path leads to.
    #[must_use]
    pub fn root(&self) -> Scalar {
        self.siblings.iter().enumerate().fold(self.leaf, |node, (level, &sibling)| {
            if self.goes_right(level) { poseidon([sibling, node]) } else { poseidon([node, sibling]) }
        })
    }

    /// Whether the path is on the right at the sibling `level`.
    pub(crate) fn goes_right(&self, level: usize) -> bool {
        u32::try_from(level).ok().and_then(|level| self.index.checked_shr(level)).is_some_and(|bits| bits & 1 == 1)
    }
}
