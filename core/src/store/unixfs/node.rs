use bytes::Bytes;
use cid::Cid;
use ipld_dagpb::{PbLink, PbNode};
use quick_protobuf::{BytesReader, Writer};

use super::super::{Block, Codec, Result, StoreError};

/// The most links that a node may have. Kubo's own limit is 8,192 as well.
pub const MAX_LINKS: usize = 8192;

/// UnixFS's `Data.Type.File`.
const TYPE_FILE: u64 = 2;

// Protobuf keys (field number and wire type) of UnixFS's `Data` message.
const KEY_TYPE: u32 = 0x08;
const KEY_FILESIZE: u32 = 0x18;
const KEY_BLOCKSIZES: u32 = 0x20;

/// A link of a [`Node`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Child {
    /// The block.
    pub cid: Cid,
    /// Bytes of the file under it.
    pub size: u64,
    /// Bytes of all blocks under it, itself included. A hint of the writer's, which cannot be checked without fetching.
    pub cumulative: u64,
}

/// An inner node of a file.
///
/// Invariant of a decoded one: between 1 and [`MAX_LINKS`] children, none of them empty, whose sizes add up without
/// overflow to what the node declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The parts of the file, in order.
    pub children: Vec<Child>,
}

impl Node {
    /// Bytes of the file under this node.
    pub fn size(&self) -> u64 {
        self.children.iter().map(|c| c.size).sum()
    }

    /// The node's block. Bytes are those that Kubo and Helia write.
    ///
    /// # Errors
    /// [`StoreError::BlockTooLarge`].
    pub fn encode(&self) -> Result<Block> {
        Block::new(Codec::DagPb, self.to_bytes())
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut data = Vec::new();
        let mut writer = Writer::new(&mut data);
        let mut field = |key, value| {
            writer.write_with_tag(key, |w| w.write_uint64(value)).expect("a vector takes every byte");
        };
        field(KEY_TYPE, TYPE_FILE);
        field(KEY_FILESIZE, self.size());
        self.children.iter().for_each(|child| field(KEY_BLOCKSIZES, child.size));
        let link = |c: &Child| PbLink { cid: c.cid, name: Some(String::new()), size: Some(c.cumulative) };
        PbNode { links: self.children.iter().map(link).collect(), data: Some(Bytes::from(data)) }.into_bytes()
    }

    /// Reads the one encoding of a valid node.
    ///
    /// # Errors
    /// [`StoreError::InvalidNode`] for anything else: directories, files with inline data, non-canonical bytes, too many
    /// links, empty children, sizes that do not add up.
    pub fn decode(block: &Block) -> Result<Self> {
        let bad = |why: String| StoreError::InvalidNode { cid: *block.cid(), why };
        let pb = PbNode::from_bytes(block.bytes().clone()).map_err(|e| bad(e.to_string()))?;
        let data = pb.data.ok_or_else(|| bad("it has no UnixFS data".into()))?;
        let (size, sizes) = read_data(&data).map_err(|e| bad(e.to_string()))?;
        if pb.links.is_empty() || pb.links.len() > MAX_LINKS || sizes.len() != pb.links.len() {
            let (links, sizes) = (pb.links.len(), sizes.len());
            return Err(bad(format!("{links} links and {sizes} sizes, expected as many, 1 to {MAX_LINKS}")));
        }
        if sizes.contains(&0) {
            return Err(bad("a child is empty".into()));
        }
        if sizes.iter().try_fold(0u64, |sum, &s| sum.checked_add(s)) != Some(size) {
            return Err(bad("the children's sizes do not add up to the node's".into()));
        }
        let child = |(link, &size): (&PbLink, &u64)| Child { cid: link.cid, size, cumulative: link.size.unwrap_or(0) };
        let node = Self { children: pb.links.iter().zip(&sizes).map(child).collect() };
        // The parser is lenient; the encoding is what decides.
        if node.to_bytes() == **block.bytes() { Ok(node) } else { Err(bad("the encoding is not canonical".into())) }
    }
}

/// The `filesize` and `blocksizes` of a file's UnixFS message.
fn read_data(data: &[u8]) -> quick_protobuf::Result<(u64, Vec<u64>)> {
    let mut reader = BytesReader::from_bytes(data);
    let (mut size, mut sizes) = (0, Vec::new());
    while !reader.is_eof() {
        match reader.next_tag(data)? {
            KEY_TYPE => match reader.read_uint64(data)? {
                TYPE_FILE => {}
                other => return Err(quick_protobuf::Error::Message(format!("UnixFS type {other}, expected a file"))),
            },
            KEY_FILESIZE => size = reader.read_uint64(data)?,
            KEY_BLOCKSIZES => sizes.push(reader.read_uint64(data)?),
            other => return Err(quick_protobuf::Error::Message(format!("unexpected field with key {other}"))),
        }
    }
    Ok((size, sizes))
}
