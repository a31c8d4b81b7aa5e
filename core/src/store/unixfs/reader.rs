use std::io::{self, Read, Seek, SeekFrom};

use cid::Cid;

use super::super::{Block, Codec, Result, Store, StoreError, check_cid};
use super::Node;

/// The deepest a file may be nested: six levels of Kubo's 174 links are more bytes than any disk has.
pub const MAX_DEPTH: usize = 8;

/// Reads any range of a file, fetching only the blocks on the way to it.
///
/// Every node is checked against what its parent said before anything under it is fetched, so that a crafted graph costs
/// at most [`MAX_DEPTH`] blocks per position, each of bounded size. A graph that is deeper than that, or whose sizes
/// disagree, is [`StoreError::InvalidNode`].
pub struct Reader<S> {
    store: S,
    root: Cid,
    size: u64,
    position: u64,
    /// The nodes on the way to the current leaf: where each begins in the file.
    path: Vec<(u64, Node)>,
    leaf: Option<(u64, Block)>,
}

impl<S: Store> Reader<S> {
    /// Opens the file under `root`.
    ///
    /// # Errors
    /// Whatever reading the root block gives; [`StoreError::InvalidNode`].
    pub fn open(store: S, root: &Cid) -> Result<Self> {
        let mut reader = Self { store, root: *root, size: 0, position: 0, path: Vec::new(), leaf: None };
        reader.size = match reader.fetch(root)? {
            Fetched::Leaf(block) => {
                let size = block.bytes().len() as u64;
                reader.leaf = Some((0, block));
                size
            }
            Fetched::Node(node) => {
                let size = node.size();
                reader.path.push((0, node));
                size
            }
        };
        Ok(reader)
    }

    /// Bytes of the file, as its root declares them. Reading a part that is not as declared fails.
    pub const fn size(&self) -> u64 {
        self.size
    }

    fn fetch(&self, cid: &Cid) -> Result<Fetched> {
        match check_cid(cid)? {
            Codec::Raw => self.store.get(cid).map(Fetched::Leaf),
            Codec::DagPb => Node::decode(&self.store.get(cid)?).map(Fetched::Node),
            Codec::DagCbor => Err(StoreError::InvalidNode { cid: *cid, why: "it is not part of a file".into() }),
        }
    }

    /// Makes the leaf that holds `position` current. `position` lies within the file.
    fn seek_leaf(&mut self, position: u64) -> Result<(u64, Block)> {
        if let Some((start, block)) = &self.leaf
            && (*start..*start + block.bytes().len() as u64).contains(&position)
        {
            return Ok((*start, block.clone()));
        }
        // Back up to the lowest node that covers the position. The root always does.
        while self.path.len() > 1
            && self.path.last().is_some_and(|(start, node)| !(*start..*start + node.size()).contains(&position))
        {
            self.path.pop();
        }
        loop {
            let (start, node) = self.path.last().expect("a file of more than one leaf has a root node");
            let mut offset = *start;
            let child = node.children.iter().find(|child| {
                let here = position - offset < child.size;
                if !here {
                    offset += child.size;
                }
                here
            });
            let child = *child.expect("the node covers the position");
            let bad = |why: &str| StoreError::InvalidNode { cid: child.cid, why: why.into() };
            match self.fetch(&child.cid)? {
                Fetched::Leaf(block) if block.bytes().len() as u64 == child.size => {
                    self.leaf = Some((offset, block.clone()));
                    return Ok((offset, block));
                }
                Fetched::Node(_) if self.path.len() == MAX_DEPTH => return Err(bad("the file is nested too deeply")),
                Fetched::Node(node) if node.size() == child.size => self.path.push((offset, node)),
                Fetched::Leaf(_) | Fetched::Node(_) => return Err(bad("its size is not what its parent says")),
            }
        }
    }
}

enum Fetched {
    Leaf(Block),
    Node(Node),
}

impl<S: Store> Read for Reader<S> {
    /// A [`StoreError`] inside the error tells why a part could not be read.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.position >= self.size {
            return Ok(0);
        }
        let (start, block) = self.seek_leaf(self.position)?;
        let rest = &block.bytes()[(self.position - start) as usize..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.position += n as u64;
        Ok(n)
    }
}

impl<S: Store> Seek for Reader<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = super::seek_to(to, self.position, self.size)?;
        Ok(self.position)
    }
}

impl<S> std::fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reader({}, {} of {} bytes)", self.root, self.position, self.size)
    }
}
