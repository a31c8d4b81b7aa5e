//! Graphs of blocks: which blocks a block links to, and what can be reached.

use std::collections::HashSet;

use cid::Cid;
use ipld_core::ipld::Ipld;

use super::{Block, Codec, Result, Store, StoreError, check_cid, unixfs};

/// The CIDs that `block` links to, in order. A CID kept as plain bytes is no link.
///
/// # Errors
/// [`StoreError::InvalidNode`] if its bytes are not what its codec says.
pub fn links(block: &Block) -> Result<Vec<Cid>> {
    match block.codec() {
        Codec::Raw => Ok(Vec::new()),
        Codec::DagPb => Ok(unixfs::Node::decode(block)?.children.into_iter().map(|child| child.cid).collect()),
        Codec::DagCbor => {
            let value: Ipld = serde_ipld_dagcbor::from_slice(block.bytes())
                .map_err(|e| StoreError::InvalidNode { cid: *block.cid(), why: e.to_string() })?;
            Ok(value.iter().filter_map(|v| if let Ipld::Link(cid) = v { Some(*cid) } else { None }).collect())
        }
    }
}

/// Every block reachable from `roots`, the roots included. Leaves are not read, only looked for.
///
/// # Errors
/// [`StoreError::NotFound`] if one is missing, and whatever reading the inner nodes gives.
pub fn reachable<S: Store + ?Sized>(store: &S, roots: &[Cid]) -> Result<HashSet<Cid>> {
    let mut seen = HashSet::new();
    let mut todo = roots.to_vec();
    // A graph of hashes has no cycle, and no block is visited twice.
    while let Some(cid) = todo.pop() {
        if !seen.insert(cid) {
            continue;
        }
        match check_cid(&cid)? {
            Codec::Raw if store.has(&cid)? => {}
            Codec::Raw => return Err(StoreError::NotFound { cid }),
            Codec::DagPb | Codec::DagCbor => todo.extend(links(&store.get(&cid)?)?),
        }
    }
    Ok(seen)
}

/// Checks that every block reachable from `root` is there.
///
/// # Errors
/// As [`reachable`].
pub fn check_complete<S: Store + ?Sized>(store: &S, root: &Cid) -> Result<()> {
    reachable(store, &[*root]).map(drop)
}
