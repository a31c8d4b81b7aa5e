//! Graphs of blocks: which blocks a block links to, and what can be reached.

use std::collections::HashSet;

use cid::Cid;
use ipld_core::serde::ExtractLinks;
use serde::Deserialize;

use super::{Block, Codec, Result, Store, StoreError, check_cid, unixfs};
use crate::codec::in_words;

/// The most links that a block may have, whatever its codec.
pub const MAX_LINKS: usize = unixfs::MAX_LINKS;
/// The deepest a graph may be nested above its files, which have a limit of their own ([`unixfs::MAX_DEPTH`]).
pub const MAX_DEPTH: usize = 32;

/// The CIDs that `block` links to, in order. A CID kept as plain bytes is no link.
///
/// # Errors
/// [`StoreError::InvalidNode`] if its bytes are not what its codec says, or it has more than [`MAX_LINKS`] links.
pub fn links(block: &Block) -> Result<Vec<Cid>> {
    match block.codec() {
        Codec::Raw => Ok(Vec::new()),
        Codec::DagPb => Ok(unixfs::Node::decode(block)?.children.into_iter().map(|child| child.cid).collect()),
        Codec::DagCbor => {
            // Only the links are kept: as a value, two million empty lists would take a hundred times their bytes. The
            // decoder stops at 256 levels.
            let bad = |why: String| StoreError::InvalidNode { cid: *block.cid(), why };
            let mut decoder = serde_ipld_dagcbor::de::Deserializer::from_slice(block.bytes());
            let links = ExtractLinks::deserialize(&mut decoder).map_err(|e| bad(in_words(&e)))?.into_vec();
            decoder.end().map_err(|e| bad(in_words(&e)))?;
            if links.len() > MAX_LINKS {
                return Err(bad(format!("{} links, at most {MAX_LINKS} are accepted", links.len())));
            }
            Ok(links)
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
            Codec::DagPb | Codec::DagCbor => {
                for link in links(&store.get(&cid)?)? {
                    check_cid(&link)?;
                    if !seen.contains(&link) {
                        todo.push(link);
                    }
                }
            }
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

/// Bytes of the files under `roots`, as their roots claim, to tell how far something is. `None` if that would take long to
/// find out.
pub(super) fn file_bytes(store: &dyn Store, roots: &[Cid]) -> Option<u64> {
    const LOOK_AT: usize = 256;
    let (mut seen, mut todo, mut total) = (HashSet::new(), roots.to_vec(), 0u64);
    while let Some(cid) = todo.pop() {
        if !seen.insert(cid) {
            continue;
        }
        if seen.len() > LOOK_AT || todo.len() > unixfs::MAX_LINKS {
            return None;
        }
        let block = store.get(&cid).ok()?;
        total = total.saturating_add(match block.codec() {
            Codec::Raw => block.bytes().len() as u64,
            Codec::DagPb => unixfs::Node::decode(&block).ok()?.size(),
            Codec::DagCbor => {
                todo.extend(links(&block).ok()?);
                0
            }
        });
    }
    Some(total)
}
