//! What of an asset is encrypted for executors, signed by its owner; and the blocks that it links to.

use std::io::Read;

use cid::Cid;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::SealedError;
use super::layout::{Columns, StoredColumn};
use super::task::known;
use crate::codec::{from_canonical, to_canonical};
use crate::progress::quiet;
use crate::store::unixfs::{self, Profile};
use crate::store::{self, Block, Codec, Store, StoreError};
use crate::{Account, Address, Digest, Signature};

/// Most chunks of an asset, packed ones among them, which is 4 million rows: a block links to no more than 8,192 others.
pub const MAX_CHUNKS: usize = 8000;
/// Largest encoding of a sealed manifest, in bytes.
pub const MAX_SEALED_MANIFEST_BYTES: usize = 1 << 20;
/// The parameters of the scheme, by the name that tfhe-rs gives them, and the decomposition of the second bootstrapping key.
pub const PARAMETERS: &str = "V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128+fine(15,2)";
/// The parameters of packed data: scheme, ring degree, modulus of the rows, four primes of 54 bits, secret and noise.
pub const PACKED_PARAMETERS: &str = "BGV N=8192 t=65537 q=4x54 (ternary, CBD 21)";

const WHAT: &str = "sealed manifest";
const CHUNK: &str = "chunk of sealed data";
pub(crate) const VERSION: u64 = 1;

/// Some rows: where they are, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChunkLink {
    /// The block that links to the columns.
    pub block: Cid,
    /// Rows of the chunk.
    pub rows: u32,
}

/// The same rows a second time, packed, in an order and in chunks of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// The parameters of the scheme: [`PACKED_PARAMETERS`].
    pub parameters: String,
    /// The columns of every packed chunk. They have the numbers that they have in [`SealedManifestBody::columns`].
    pub columns: Columns,
    /// The packed chunks.
    pub chunks: Vec<ChunkLink>,
}

/// A sealed manifest's content. Which chunks are canaries, it does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedManifestBody {
    /// The version of this form: 1.
    pub version: u64,
    /// Who signs.
    pub owner: Address,
    /// DID of the asset.
    pub asset: String,
    /// The dataset, whose key the key of the columns follows from.
    pub dataset: Digest,
    /// The dataset's epoch.
    pub epoch: u64,
    /// The parameters of the scheme: [`PARAMETERS`].
    pub parameters: String,
    /// Where the evaluation key is stored.
    pub evaluation_key: Cid,
    /// The envelope's manifest, whose objects only key holders can read.
    pub envelope: Cid,
    /// The columns of every chunk.
    pub columns: Columns,
    /// The chunks.
    pub chunks: Vec<ChunkLink>,
    /// The same rows packed, if they are.
    pub packed: Option<Packed>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    body: SealedManifestBody,
    signature: Signature,
}

/// A signed manifest of encrypted columns.
///
/// Invariant: the body is consistent and within its limits, and signed by its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedManifest {
    body: SealedManifestBody,
    block: Block,
}

impl SealedManifest {
    pub(crate) fn sign(owner: &Account, body: SealedManifestBody) -> Result<Self, SealedError> {
        check(&body)?;
        let signature = owner.sign(&digest_of(&body)?)?;
        let signed = Signed { body, signature };
        let bytes = super::task::bounded(WHAT, to_canonical(WHAT, &signed)?, MAX_SEALED_MANIFEST_BYTES)?;
        Ok(Self { body: signed.body, block: Block::new(Codec::DagCbor, bytes)? })
    }

    /// Reads a manifest and verifies that `owner` signed it.
    ///
    /// # Errors
    /// [`SealedError::Codec`] for other bytes than the canonical ones, or too many; [`SealedError::Account`];
    /// [`SealedError::Invalid`].
    pub fn decode(bytes: &[u8], owner: Address) -> Result<Self, SealedError> {
        let Signed { body, signature } = from_canonical(WHAT, bytes, MAX_SEALED_MANIFEST_BYTES)?;
        known(WHAT, body.version)?;
        signature.verify(&digest_of(&body)?, owner)?;
        if body.owner != owner {
            return Err(SealedError::invalid(WHAT, "it names another owner than the one who signed"));
        }
        check(&body)?;
        Ok(Self { body, block: Block::new(Codec::DagCbor, bytes.to_vec())? })
    }

    /// The manifest under a CID.
    ///
    /// # Errors
    /// The store's own; as [`SealedManifest::decode`].
    pub fn load(store: &dyn Store, cid: &Cid, owner: Address) -> Result<Self, SealedError> {
        Self::decode(store.get(cid)?.bytes(), owner)
    }

    /// The content.
    pub const fn body(&self) -> &SealedManifestBody {
        &self.body
    }

    /// What a task runs over: the packed columns and chunks, or the others.
    pub(crate) fn table(&self, packed: bool) -> Result<(&Columns, &[ChunkLink]), SealedError> {
        if !packed {
            return Ok((&self.body.columns, &self.body.chunks));
        }
        let packed = self.body.packed.as_ref();
        let packed = packed.ok_or_else(|| SealedError::invalid("task", "its manifest has no packed data"))?;
        Ok((&packed.columns, &packed.chunks))
    }

    /// The manifest as a block; it links to everything.
    pub const fn block(&self) -> &Block {
        &self.block
    }
}

fn digest_of(body: &SealedManifestBody) -> Result<Digest, SealedError> {
    Ok(Digest::of("sealock/v1/sealed-manifest", &[&to_canonical(WHAT, body)?]))
}

fn check(body: &SealedManifestBody) -> Result<(), SealedError> {
    let bad = |why: &str| Err(SealedError::invalid(WHAT, why));
    known(WHAT, body.version)?;
    if body.parameters != PARAMETERS {
        return bad("its parameters are unknown: use the version of Sealock that wrote it, or a newer one");
    }
    check_table(&body.columns, &body.chunks)?;
    if body.columns.is_packed() {
        return bad("packed columns are where others belong");
    }
    let Some(packed) = &body.packed else { return Ok(()) };
    if packed.parameters != PACKED_PARAMETERS {
        return bad("the parameters of its packed data are unknown: use a newer version of Sealock");
    }
    check_table(&packed.columns, &packed.chunks)?;
    if body.chunks.len() + packed.chunks.len() > MAX_CHUNKS {
        return bad("it has too many chunks");
    }
    let widths = body.columns.widths();
    let same = |stored: &StoredColumn| widths.get(stored.column as usize) == Some(&stored.bits);
    if !packed.columns.is_packed()
        || packed.columns.public != body.columns.public
        || !packed.columns.stored.iter().all(same)
    {
        return bad("its packed columns are none, or not of the same data");
    }
    Ok(())
}

fn check_table(columns: &Columns, chunks: &[ChunkLink]) -> Result<(), SealedError> {
    let bad = |why: &str| Err(SealedError::invalid(WHAT, why));
    if chunks.is_empty() || chunks.len() > MAX_CHUNKS {
        return bad("it has no chunks, or too many");
    }
    columns.check()?;
    if chunks.iter().any(|chunk| chunk.rows == 0 || chunk.rows as usize > columns.rows_per_chunk()) {
        return bad("a chunk has no rows, or too many");
    }
    Ok(())
}

/// The columns of some rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chunk {
    version: u64,
    rows: u32,
    /// The encrypted columns, in the manifest's order.
    pub(crate) columns: Vec<Cid>,
    /// Of each public column the cell of each row, 4 bytes each, little-endian.
    public: Vec<ByteBuf>,
}

impl Chunk {
    pub(crate) fn new(rows: usize, columns: Vec<Cid>, public: &[Vec<u32>]) -> Self {
        let bytes = |cells: &Vec<u32>| ByteBuf::from(cells.iter().flat_map(|c| c.to_le_bytes()).collect::<Vec<_>>());
        Self { version: VERSION, rows: rows as u32, columns, public: public.iter().map(bytes).collect() }
    }

    pub(crate) fn to_block(&self) -> Result<Block, SealedError> {
        Ok(Block::new(Codec::DagCbor, to_canonical(CHUNK, self)?)?)
    }

    /// Reads the chunk under a CID, of so many rows.
    pub(crate) fn load(store: &dyn Store, cid: &Cid, rows: u32, columns: &Columns) -> Result<Self, SealedError> {
        let bad = |why: &str| Err(SealedError::invalid(CHUNK, why));
        let chunk: Self = from_canonical(CHUNK, store.get(cid)?.bytes(), store::MAX_BLOCK_BYTES)?;
        known(CHUNK, chunk.version)?;
        if chunk.rows != rows || rows == 0 || rows as usize > columns.rows_per_chunk() {
            return bad("it has another number of rows than its manifest says");
        }
        if chunk.columns.len() != columns.stored.len() || chunk.public.len() != columns.public.len() {
            return bad("it has other columns than its manifest says");
        }
        for (cells, column) in chunk.public().iter().zip(&columns.public) {
            if cells.len() != rows as usize || cells.iter().any(|cell| *cell >= column.cells) {
                return bad("a public column does not have a cell for each row");
            }
        }
        Ok(chunk)
    }

    /// The cells of each public column.
    pub(crate) fn public(&self) -> Vec<Vec<u32>> {
        let cells = |bytes: &ByteBuf| bytes.as_chunks::<4>().0.iter().map(|cell| u32::from_le_bytes(*cell)).collect();
        self.public.iter().map(cells).collect()
    }
}

/// Adds a file, and returns its root.
pub(crate) fn add_file(store: &dyn Store, bytes: &[u8]) -> Result<Cid, SealedError> {
    Ok(unixfs::add(store, &mut &*bytes, Profile::UnixfsV1_2025, &mut quiet())?.root)
}

/// Reads a file of exactly so many bytes.
pub(crate) fn read_file(store: &dyn Store, root: &Cid, length: usize) -> Result<Vec<u8>, SealedError> {
    let reader = unixfs::Reader::open(store, root)?;
    if reader.size() != length as u64 {
        return Err(SealedError::invalid("file", format!("it has {} bytes, not {length}", reader.size())));
    }
    let mut bytes = Vec::with_capacity(length);
    let read = reader.take(length as u64 + 1).read_to_end(&mut bytes);
    read.map_err(|source| StoreError::Io { what: "reading a file".into(), source })?;
    if bytes.len() != length {
        return Err(SealedError::invalid("file", "it is shorter or longer than it says"));
    }
    Ok(bytes)
}
