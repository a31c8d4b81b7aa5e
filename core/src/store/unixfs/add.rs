use std::io::{self, Read};

use cid::Cid;
use rayon::prelude::*;

use super::super::{Block, Codec, Result, Store, StoreError};
use super::{Child, Node};
use crate::progress::{Progress, Stage, Step};

/// Bytes of leaves that are hashed together, per thread; twice as many are in memory. With four leaves a thread, nobody
/// waits long for the last one.
const BATCH_BYTES: usize = 4 << 20;
/// Threads beyond this many get smaller shares, so that memory stays bounded on any machine.
const MAX_BATCH_THREADS: usize = 8;

/// How a file is cut: the same bytes under another profile have another CID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Profile {
    /// `unixfs-v1-2025` (IPIP-499): leaves of 1 MiB, 1,024 links. Helia's default.
    #[default]
    UnixfsV1_2025,
    /// Leaves of 256 KiB, 174 links: the CID of `ipfs add --cid-version=1`.
    KuboLegacy,
}

impl Profile {
    /// Bytes of a leaf.
    pub const fn leaf_bytes(self) -> usize {
        match self {
            Profile::UnixfsV1_2025 => 1 << 20,
            Profile::KuboLegacy => 256 << 10,
        }
    }

    /// Links of a node.
    pub const fn links(self) -> usize {
        match self {
            Profile::UnixfsV1_2025 => 1024,
            Profile::KuboLegacy => 174,
        }
    }

    /// The profile's name.
    pub const fn name(self) -> &'static str {
        match self {
            Profile::UnixfsV1_2025 => "unixfs-v1-2025",
            Profile::KuboLegacy => "kubo-legacy",
        }
    }

    const fn shape(self) -> Shape {
        Shape { leaf_bytes: self.leaf_bytes(), links: self.links() }
    }
}

/// The two numbers of a profile. Tests choose small ones, so that small files have deep trees.
#[derive(Clone, Copy)]
struct Shape {
    leaf_bytes: usize,
    links: usize,
}

/// A file that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// The root block: a raw leaf if the file fits in one.
    pub root: Cid,
    /// Bytes of the file.
    pub size: u64,
    /// Blocks that make it up, repeated ones included.
    pub blocks: u64,
}

/// Streams a file into `store`, in memory that does not depend on its length. Leaves are hashed on all cores of the
/// current rayon pool while the next ones are read.
///
/// The root is not pinned: hold [`Store::adding`] until it is.
///
/// # Errors
/// [`StoreError::Io`] if `source` or the store fails (a [`StoreError`] inside the source's error is passed on in it),
/// [`StoreError::Cancelled`].
pub fn add(
    store: &dyn Store,
    source: &mut (impl Read + Send),
    profile: Profile,
    progress: &mut Progress<'_>,
) -> Result<Added> {
    add_shaped(store, source, profile.shape(), progress)
}

fn add_shaped(
    store: &dyn Store,
    source: &mut (impl Read + Send),
    shape: Shape,
    progress: &mut Progress<'_>,
) -> Result<Added> {
    let _adding = store.adding()?;
    let mut tree = Tree { store, links: shape.links, levels: vec![Vec::new()], blocks: 0 };
    let mut size = 0u64;
    let mut batch = read_batch(source, shape.leaf_bytes, Vec::new())?;
    if batch.is_empty() {
        batch.push(Vec::new());
    }
    let mut spare = Vec::new();
    while !batch.is_empty() {
        let (next, put) = rayon::join(|| read_batch(source, shape.leaf_bytes, spare), || put_leaves(store, batch));
        let (leaves, buffers) = put?;
        for leaf in leaves {
            size += leaf.size;
            tree.push(0, leaf)?;
        }
        (batch, spare) = (next?, buffers);
        if progress(Step::of(Stage::Store, size)).is_break() {
            return Err(StoreError::Cancelled);
        }
    }
    let root = tree.finish()?;
    Ok(Added { root, size, blocks: tree.blocks })
}

/// The next leaves of the file, the last one perhaps short; none at its end. Memory of earlier leaves is used again.
fn read_batch(source: &mut impl Read, leaf_bytes: usize, mut spare: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> {
    let mut leaves = Vec::new();
    let bytes = BATCH_BYTES * rayon::current_num_threads().min(MAX_BATCH_THREADS);
    for _ in 0..bytes / leaf_bytes {
        let mut leaf = spare.pop().unwrap_or_default();
        leaf.resize(leaf_bytes, 0);
        let n = read_full(source, &mut leaf).map_err(StoreError::io("reading the source"))?;
        leaf.truncate(n);
        if n > 0 {
            leaves.push(leaf);
        }
        if n < leaf_bytes {
            break;
        }
    }
    Ok(leaves)
}

/// Reads until `buffer` is full or the source ends.
pub(crate) fn read_full(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Names the leaves, puts them, and gives back what memory the store does not keep.
fn put_leaves(store: &dyn Store, leaves: Vec<Vec<u8>>) -> Result<(Vec<Child>, Vec<Vec<u8>>)> {
    let blocks = leaves.into_par_iter().map(|leaf| Block::new(Codec::Raw, leaf)).collect::<Result<Vec<_>>>()?;
    store.put_all(&blocks)?;
    let child = |b: &Block| Child { cid: *b.cid(), size: b.bytes().len() as u64, cumulative: b.bytes().len() as u64 };
    let children = blocks.iter().map(child).collect();
    Ok((children, blocks.into_iter().filter_map(Block::into_buffer).collect()))
}

/// The nodes that are not full yet, leaves' parents first. A node is written when one more child would be too many.
struct Tree<'a> {
    store: &'a dyn Store,
    links: usize,
    levels: Vec<Vec<Child>>,
    blocks: u64,
}

impl Tree<'_> {
    fn push(&mut self, level: usize, child: Child) -> Result<()> {
        if level == 0 {
            self.blocks += 1;
        }
        if self.levels.len() == level {
            self.levels.push(Vec::new());
        }
        if self.levels[level].len() == self.links {
            let node = self.write(level)?;
            self.push(level + 1, node)?;
        }
        self.levels[level].push(child);
        Ok(())
    }

    fn write(&mut self, level: usize) -> Result<Child> {
        let node = Node { children: std::mem::take(&mut self.levels[level]) };
        let block = node.encode()?;
        self.store.put(&block)?;
        self.blocks += 1;
        let below: u64 = node.children.iter().map(|c| c.cumulative).sum();
        Ok(Child { cid: *block.cid(), size: node.size(), cumulative: below + block.bytes().len() as u64 })
    }

    fn finish(&mut self) -> Result<Cid> {
        for level in 0.. {
            if level + 1 == self.levels.len() && self.levels[level].len() == 1 {
                break;
            }
            let node = self.write(level)?;
            self.push(level + 1, node)?;
        }
        let top = self.levels.last().and_then(|level| level.first());
        Ok(top.expect("a file has at least one leaf").cid)
    }
}

#[cfg(test)]
#[path = "../../../tests/support/peers.rs"]
mod peers;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::peers::{Peer, path};
    use super::*;
    use crate::progress::quiet;
    use crate::store::MemoryStore;

    /// Four levels of nodes, with every number of leaves up to there: what no profile's numbers allow in a test.
    #[test]
    fn trees_of_every_size_are_those_of_the_importer() {
        let mut importer = Peer::importer();
        let file = tempfile::NamedTempFile::new().unwrap();
        for (leaf_bytes, links) in [(16_usize, 3), (5, 2)] {
            let leaves = if links == 3 { links * links * links * links } else { 33 };
            let bytes: Vec<u8> = (0..leaves * leaf_bytes + 1).map(|i| (i % 251) as u8).collect();
            for len in
                (0..=leaves).flat_map(|n| [(n * leaf_bytes).saturating_sub(1), n * leaf_bytes, n * leaf_bytes + 1])
            {
                let shape = Shape { leaf_bytes, links };
                let ours = add_shaped(&MemoryStore::new(), &mut &bytes[..len], shape, &mut quiet()).unwrap();
                std::fs::write(file.path(), &bytes[..len]).unwrap();
                let command = json!({"do": "cid", "path": path(file.path()), "chunk": leaf_bytes, "links": links});
                assert_eq!(ours.root.to_string(), importer.ask_text(command, "cid"), "{len} bytes, {links} links");
            }
        }
    }
}
