//! CAR, version 1 (<https://ipld.io/specs/transport/car/carv1/>): a graph of blocks as one stream of bytes.
//!
//! ```text
//! varint(length) ‖ header       DAG-CBOR {roots: [CID], version: 1}
//! varint(length) ‖ CID ‖ block  once for every block
//! ```
//!
//! [`export`] writes the blocks depth first, a node before what it links to, links in their order, each block once: the order
//! of `ipfs dag export` and `ipfs-car`. [`import`] takes blocks in any order. Memory does not depend on the blocks, apart
//! from the names of those already written.
//!
//! The framing is our own, on `unsigned-varint`: the crates for it are asynchronous, and none has a limit of the kind that
//! untrusted bytes need on every length before it is allocated.
//!
//! CIDs are CIDv1 of SHA-256, as everywhere in a [`Store`]. A section with a CIDv0 is refused: the block could be kept under
//! its CIDv1, but whatever links to it uses the old name, which would be missing.

use std::collections::HashSet;
use std::io::{self, Read, Write};

use cid::Cid;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::unixfs::read_full;
use super::{Block, Codec, MAX_BLOCK_BYTES, Result, Store, StoreError, check_cid, dag, unixfs};
use crate::codec::{in_words, to_canonical};
use crate::progress::{Meter, Progress, Stage, tell};

/// The longest header, in bytes.
pub const MAX_HEADER_BYTES: usize = 64 << 10;
/// The most roots.
pub const MAX_ROOTS: usize = 1024;

/// The longest binary CID: four varints and 64 bytes of digest.
const MAX_CID_BYTES: usize = 4 * 10 + 64;
const MAX_SECTION_BYTES: usize = MAX_CID_BYTES + MAX_BLOCK_BYTES;
const VERSION: u64 = 1;
/// Bytes of blocks that are checked and put together.
const BATCH_BYTES: usize = 8 << 20;
/// Leaves that are read together.
const READ_AHEAD: usize = 8;

/// What is wrong with a CAR.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CarFault {
    /// It does not begin with the header of a CAR.
    #[error("it does not begin with a CAR's header: {why}")]
    NotACar {
        /// What was found.
        why: String,
    },
    /// Another version than 1.
    #[error("it is a CAR of version {got}, expected version 1")]
    Version {
        /// The version found.
        got: u64,
    },
    /// The header names no root, so that nothing could be pinned.
    #[error("it names no root")]
    NoRoots,
    /// The header names too many roots.
    #[error("it names {got} roots, at most {MAX_ROOTS} are accepted")]
    TooManyRoots {
        /// How many.
        got: usize,
    },
    /// The stream ends within a section.
    #[error("it ends too early: {missing} bytes of a section are missing")]
    Truncated {
        /// How many bytes are missing at least.
        missing: u64,
    },
    /// A length that is not a minimal varint of 64 bits.
    #[error("the length of a section is not a varint: {why}")]
    InvalidLength {
        /// What the decoder found.
        why: String,
    },
    /// A section longer than a block and its CID can be.
    #[error("a section has {got} bytes, at most {limit} are accepted")]
    SectionTooLong {
        /// The length it claims, in bytes.
        got: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A section that does not begin with a CID.
    #[error("a section does not begin with a CID: {why}")]
    InvalidCid {
        /// What the decoder found.
        why: String,
    },
    /// A block under a root is neither in the CAR nor in the store.
    #[error("the block {missing} under the root {root} is neither in it nor in the store")]
    Incomplete {
        /// The root.
        root: Cid,
        /// The first block found missing.
        missing: Cid,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    roots: Vec<Cid>,
    version: u64,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Blocks.
    pub blocks: u64,
    /// Bytes of the CAR.
    pub bytes: u64,
}

/// Writes every block reachable from `roots` to `sink`, as a CAR. `progress` is told the bytes of blocks.
///
/// # Errors
/// [`StoreError::InvalidCar`] for no roots, or too many; [`StoreError::NotFound`] if a block is missing, and whatever reading
/// the graph gives; [`StoreError::InvalidNode`] for one deeper than [`transfer`](super::transfer) accepts;
/// [`StoreError::Io`] of the sink; [`StoreError::Cancelled`]. What the sink then holds is not a whole CAR.
pub fn export(store: &dyn Store, roots: &[Cid], sink: impl Write, progress: &mut Progress<'_>) -> Result<Exported> {
    check_roots(roots)?;
    // A collection between two blocks would take what nothing pins.
    let _adding = store.adding()?;
    let mut total = dag::file_bytes(store, roots);
    let mut meter = Meter::new(Stage::Export, total);
    let mut out = Sink { sink, done: Exported::default() };
    let header = Header { roots: roots.to_vec(), version: VERSION };
    out.section(&[&to_canonical("CAR header", &header).expect("a list of CIDs and a number have a canonical form")])?;

    let mut seen = HashSet::new();
    let mut path = vec![Vec::from(roots).into_iter()];
    while let Some(links) = path.last_mut() {
        let leaf = |cid: &&Cid| cid.codec() == Codec::Raw.code();
        let leaves = links.as_slice().iter().take_while(leaf).take(READ_AHEAD).count();
        if leaves > 0 {
            let fresh: Vec<Cid> = links.by_ref().take(leaves).filter(|cid| seen.insert(*cid)).collect();
            let blocks = fresh.par_iter().map(|cid| store.get(cid)).collect::<Result<Vec<_>>>()?;
            for block in blocks {
                out.block(&block)?;
                meter.moved(block.bytes().len() as u64);
                tell(progress, meter.step())?;
            }
            continue;
        }
        let Some(cid) = links.next() else {
            path.pop();
            continue;
        };
        if !seen.insert(cid) {
            continue;
        }
        if path.len() > dag::MAX_DEPTH + unixfs::MAX_DEPTH {
            return Err(StoreError::InvalidNode { cid, why: "the graph is nested too deeply".into() });
        }
        let block = store.get(&cid)?;
        out.block(&block)?;
        let bytes = block.bytes().len() as u64;
        total = total.map(|total| total.saturating_add(bytes));
        meter.expect(total);
        meter.moved(bytes);
        tell(progress, meter.step())?;
        path.push(dag::links(&block)?.into_iter());
    }
    out.sink.flush().map_err(StoreError::io("writing the CAR"))?;
    // Leaves that came up twice were counted twice.
    meter.expect(Some(meter.done()));
    tell(progress, meter.step())?;
    Ok(out.done)
}

struct Sink<W> {
    sink: W,
    done: Exported,
}

impl<W: Write> Sink<W> {
    fn block(&mut self, block: &Block) -> Result<()> {
        self.done.blocks += 1;
        self.section(&[&block.cid().to_bytes(), block.bytes()])
    }

    fn section(&mut self, parts: &[&[u8]]) -> Result<()> {
        let length = parts.iter().map(|part| part.len()).sum::<usize>() as u64;
        let mut buffer = unsigned_varint::encode::u64_buffer();
        let prefix = unsigned_varint::encode::u64(length, &mut buffer);
        self.done.bytes += prefix.len() as u64 + length;
        std::iter::once(prefix)
            .chain(parts.iter().copied())
            .try_for_each(|bytes| self.sink.write_all(bytes))
            .map_err(StoreError::io("writing the CAR"))
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The roots, which are pinned now.
    pub roots: Vec<Cid>,
    /// Blocks, repeated ones included.
    pub blocks: u64,
    /// Bytes of the blocks.
    pub bytes: u64,
}

/// Reads a CAR into `store` and pins its roots. `progress` is told the bytes of blocks.
///
/// All roots are pinned or none: each of them when everything under it is in the store, from this CAR or from before. After
/// an error the blocks that came are garbage, which the next collection takes.
///
/// # Errors
/// [`StoreError::InvalidCar`] for what is not a CAR of version 1, ends too early, passes a limit, or lacks a block;
/// [`StoreError::CidMismatch`] for a block that is not the one named; [`StoreError::UnsupportedCid`],
/// [`StoreError::BlockTooLarge`], [`StoreError::Io`], [`StoreError::Cancelled`].
pub fn import(store: &dyn Store, source: impl Read + Send, progress: &mut Progress<'_>) -> Result<Imported> {
    let mut sections = Sections { source, offset: 0 };
    let roots = sections.header()?;
    let _adding = store.adding()?;
    let mut meter = Meter::new(Stage::Import, None);
    let mut imported = Imported { roots, blocks: 0, bytes: 0 };
    let mut batch = sections.batch()?;
    while !batch.is_empty() {
        let (next, put) = rayon::join(|| sections.batch(), || put(store, batch));
        let (blocks, bytes) = put?;
        imported.blocks += blocks;
        imported.bytes += bytes;
        meter.moved(bytes);
        tell(progress, meter.step())?;
        batch = next?;
    }
    let mut pinned = Vec::new();
    let outcome = imported.roots.iter().try_for_each(|root| {
        let known = store.is_pinned(root)?;
        let kept = store.upload(root, progress).and_then(|()| store.pin(root));
        kept.map_err(|e| match e {
            StoreError::NotFound { cid: missing } => sections.fault(CarFault::Incomplete { root: *root, missing }),
            e => e,
        })?;
        if !known {
            pinned.push(*root);
        }
        Ok(())
    });
    if let Err(e) = outcome {
        for root in pinned {
            store.unpin(&root)?;
        }
        return Err(e);
    }
    Ok(imported)
}

/// Checks sections against their CIDs and puts them: how many, and how many bytes.
fn put(store: &dyn Store, sections: Vec<(Cid, Vec<u8>)>) -> Result<(u64, u64)> {
    let blocks = sections.into_par_iter().map(|(cid, bytes)| Block::verify(&cid, bytes));
    let blocks = blocks.collect::<Result<Vec<_>>>()?;
    store.put_all(&blocks)?;
    Ok((blocks.len() as u64, blocks.iter().map(|block| block.bytes().len() as u64).sum()))
}

fn check_roots(roots: &[Cid]) -> Result<()> {
    let fault = |fault| StoreError::InvalidCar { offset: 0, fault };
    match roots.len() {
        0 => Err(fault(CarFault::NoRoots)),
        1..=MAX_ROOTS => roots.iter().try_for_each(|root| check_cid(root).map(drop)),
        got => Err(fault(CarFault::TooManyRoots { got })),
    }
}

/// Takes a stream apart, and allocates no more than a section may have.
struct Sections<R> {
    source: R,
    /// Where in the stream the current section begins.
    offset: u64,
}

impl<R: Read> Sections<R> {
    fn fault(&self, fault: CarFault) -> StoreError {
        StoreError::InvalidCar { offset: self.offset, fault }
    }

    fn header(&mut self) -> Result<Vec<Cid>> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let not_a_car = |why: String| StoreError::InvalidCar { offset: 0, fault: CarFault::NotACar { why } };
        // What is not a CAR mostly begins with something that is no sensible length.
        let bytes = match self.section(MAX_HEADER_BYTES) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(not_a_car("it is empty".into())),
            Err(StoreError::InvalidCar {
                fault: fault @ (CarFault::InvalidLength { .. } | CarFault::SectionTooLong { .. }),
                ..
            }) => return Err(not_a_car(fault.to_string())),
            Err(e) => return Err(e),
        };
        let Version { version } = serde_ipld_dagcbor::from_slice(&bytes).map_err(|e| not_a_car(in_words(&e)))?;
        if version != VERSION {
            return Err(self.fault(CarFault::Version { got: version }));
        }
        let Header { roots, .. } = serde_ipld_dagcbor::from_slice(&bytes).map_err(|e| not_a_car(in_words(&e)))?;
        check_roots(&roots)?;
        Ok(roots)
    }

    /// Some sections; none at the end.
    fn batch(&mut self) -> Result<Vec<(Cid, Vec<u8>)>> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < BATCH_BYTES {
            let Some(mut section) = self.section(MAX_SECTION_BYTES)? else { break };
            let mut rest = &section[..];
            let cid =
                Cid::read_bytes(&mut rest).map_err(|e| self.fault(CarFault::InvalidCid { why: e.to_string() }))?;
            check_cid(&cid)?;
            let at = section.len() - rest.len();
            section.drain(..at);
            // An empty block weighs something, too.
            bytes += section.len() + MAX_CID_BYTES;
            batch.push((cid, section));
        }
        Ok(batch)
    }

    /// The next section of at most `limit` bytes, or none at the end of the stream.
    fn section(&mut self, limit: usize) -> Result<Option<Vec<u8>>> {
        let Some((length, prefix)) = self.length()? else { return Ok(None) };
        let fits = usize::try_from(length).ok().filter(|length| *length <= limit);
        let Some(length) = fits else {
            return Err(self.fault(CarFault::SectionTooLong { got: length, limit: limit as u64 }));
        };
        let mut bytes = vec![0; length];
        let got = read_full(&mut self.source, &mut bytes).map_err(reading())?;
        if got < length {
            return Err(self.fault(CarFault::Truncated { missing: (length - got) as u64 }));
        }
        self.offset += prefix + length as u64;
        Ok(Some(bytes))
    }

    /// The length before a section, and how many bytes it took.
    fn length(&mut self) -> Result<Option<(u64, u64)>> {
        let mut buffer = unsigned_varint::encode::u64_buffer();
        for i in 0..buffer.len() {
            match (read_full(&mut self.source, &mut buffer[i..=i]).map_err(reading())?, i) {
                (0, 0) => return Ok(None),
                (0, _) => return Err(self.fault(CarFault::Truncated { missing: 1 })),
                _ => {}
            }
            if unsigned_varint::decode::is_last(buffer[i]) {
                let length = unsigned_varint::decode::u64(&buffer[..=i]);
                let (length, _) = length.map_err(|e| self.fault(CarFault::InvalidLength { why: e.to_string() }))?;
                return Ok(Some((length, i as u64 + 1)));
            }
        }
        Err(self.fault(CarFault::InvalidLength { why: "more than 64 bits".into() }))
    }
}

fn reading() -> impl FnOnce(io::Error) -> StoreError {
    StoreError::io("reading the CAR")
}
