//! `LeanImt` and `MerkleProof`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use sealock::zk;

use super::scalar::{from_scalar, scalar, scalars};
use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};

/// The group of an asset's orders: a Merkle tree that grows at its end, equal to zk-kit's LeanIMT over Poseidon.
///
/// Anybody can rebuild it from a ledger. With `max_depth`, 1 to `MAX_DEPTH`, it never outgrows a circuit of that depth.
/// Insert only leaves that `Credential.leaf` made of terms that you have checked.
#[pyclass(frozen, module = "sealock.zk")]
pub struct LeanImt(Arc<Mutex<zk::LeanImt>>);

impl LeanImt {
    /// Looks at the tree, or changes it. Others may hold it for as long as an insertion takes.
    fn with<T: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut zk::LeanImt) -> Result<T> + Send) -> Result<T> {
        quick(py, || work(&mut lock(&self.0)))
    }

    /// Appends many leaves. What is interrupted may still take effect.
    fn extend(
        &self,
        py: Python<'_>,
        leaves: &Bound<'_, PyAny>,
        insert: fn(&mut zk::LeanImt, &[zk::Scalar]) -> Result<(), zk::TreeError>,
    ) -> Result<()> {
        let (tree, leaves) = (Arc::clone(&self.0), scalars("leaves", leaves)?);
        Call::default().run(py, move |_| Ok(insert(&mut lock(&tree), &leaves)?))
    }
}

/// A tree is changed as a whole or not at all.
fn lock(tree: &Mutex<zk::LeanImt>) -> MutexGuard<'_, zk::LeanImt> {
    tree.lock().unwrap_or_else(PoisonError::into_inner)
}

#[pymethods]
impl LeanImt {
    #[new]
    #[pyo3(signature = (max_depth = None))]
    fn new(max_depth: Option<&Bound<'_, PyAny>>) -> Result<Self> {
        let tree = match max_depth {
            None => zk::LeanImt::new(),
            Some(depth) => zk::LeanImt::with_max_depth(convert::whole("max_depth", depth)?)?,
        };
        Ok(Self(Arc::new(Mutex::new(tree))))
    }

    /// Appends a leaf and returns its index. Raises `InvalidArgument` for zero and for a leaf that is there already,
    /// `TooLarge` if the group is full.
    fn insert(&self, py: Python<'_>, leaf: &Bound<'_, PyAny>) -> Result<usize> {
        let leaf = scalar("leaf", leaf)?;
        self.with(py, |tree| Ok(tree.insert(leaf)?))
    }

    /// Appends leaves in order, all or none. Raises as `insert` does.
    fn insert_many(&self, py: Python<'_>, leaves: &Bound<'_, PyAny>) -> Result<()> {
        self.extend(py, leaves, zk::LeanImt::insert_many)
    }

    /// Appends the leaves of a group that others kept, all or none. Zero marks the place of a removed leaf.
    fn restore(&self, py: Python<'_>, leaves: &Bound<'_, PyAny>) -> Result<()> {
        self.extend(py, leaves, zk::LeanImt::restore)
    }

    /// Removes the leaf at `index`. Its place stays, as zero; other leaves keep theirs. Raises `NotFound` if there is none.
    fn remove(&self, py: Python<'_>, index: &Bound<'_, PyAny>) -> Result<()> {
        let index = convert::whole("index", index)?;
        self.with(py, |tree| Ok(tree.remove(index)?))
    }

    /// The root, or `None` for an empty group.
    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let root = self.with(py, |tree| Ok(tree.root()))?;
        Ok(root.map(|root| from_scalar(py, root)).transpose()?)
    }

    /// Number of levels above the leaves.
    #[getter]
    fn depth(&self, py: Python<'_>) -> Result<usize> {
        self.with(py, |tree| Ok(tree.depth()))
    }

    /// The leaves in order, zero for a removed one.
    fn leaves<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyList>> {
        let leaves = self.with(py, |tree| Ok(tree.leaves().to_vec()))?;
        let leaves = leaves.into_iter().map(|leaf| from_scalar(py, leaf)).collect::<PyResult<Vec<_>>>()?;
        Ok(PyList::new(py, leaves)?)
    }

    /// Where a leaf is, or `None`.
    fn index_of(&self, py: Python<'_>, leaf: &Bound<'_, PyAny>) -> Result<Option<usize>> {
        let leaf = scalar("leaf", leaf)?;
        self.with(py, |tree| Ok(tree.index_of(leaf)))
    }

    /// The path from the leaf at `index` to the root. Make it from a group that you rebuilt yourself: whoever is asked for
    /// it learns which leaf is meant. Raises `NotFound` if there is no leaf.
    fn proof(&self, py: Python<'_>, index: &Bound<'_, PyAny>) -> Result<MerkleProof> {
        let index = convert::whole("index", index)?;
        self.with(py, |tree| Ok(MerkleProof(tree.proof(index)?)))
    }

    fn __len__(&self, py: Python<'_>) -> Result<usize> {
        self.with(py, |tree| Ok(tree.len()))
    }

    fn __repr__(&self, py: Python<'_>) -> Result<String> {
        self.with(py, |tree| Ok(format!("LeanImt(len={}, depth={})", tree.len(), tree.depth())))
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("LeanImt", "keep its leaves(), and restore() them into a new one"))
    }
}

/// A path from a leaf to the root, as zk-kit's `LeanIMTMerkleProof`. It tells which order is meant: keep it private.
///
/// `LeanImt.proof` makes it. It can also be put together from what somebody else's group gave: the leaf; the index, whose
/// bit i says on which side the path is at sibling i, 0 for left; and the siblings that exist, from the leaf upwards.
#[pyclass(frozen, eq, module = "sealock.zk")]
#[derive(PartialEq)]
pub struct MerkleProof(pub zk::MerkleProof);

#[pymethods]
impl MerkleProof {
    #[new]
    #[pyo3(signature = (*, leaf, index, siblings))]
    fn new(leaf: &Bound<'_, PyAny>, index: &Bound<'_, PyAny>, siblings: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(zk::MerkleProof {
            leaf: scalar("leaf", leaf)?,
            index: convert::whole("index", index)?,
            siblings: scalars("siblings", siblings)?,
        }))
    }

    /// The leaf.
    #[getter]
    fn leaf<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        from_scalar(py, self.0.leaf)
    }

    /// The sides of the path. It is the leaf's index in the group only if every level has a sibling.
    #[getter]
    fn index(&self) -> u64 {
        self.0.index
    }

    /// The siblings that exist, from the leaf upwards.
    #[getter]
    fn siblings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let siblings = self.0.siblings.iter().map(|sibling| from_scalar(py, *sibling));
        PyTuple::new(py, siblings.collect::<PyResult<Vec<_>>>()?)
    }

    /// The root that the path leads to.
    #[getter]
    fn root<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let root = quick(py, || Ok(self.0.root()))?;
        Ok(from_scalar(py, root)?)
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&(self.0.leaf, self.0.index, &self.0.siblings))
    }

    fn __repr__(&self) -> String {
        format!("MerkleProof({} levels)", self.0.siblings.len())
    }

    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyDict>)> {
        let fields = PyDict::new(py);
        fields.set_item("leaf", self.leaf(py)?)?;
        fields.set_item("index", self.0.index)?;
        fields.set_item("siblings", self.siblings(py)?)?;
        Ok((PyTuple::empty(py), fields))
    }
}
