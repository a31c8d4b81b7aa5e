use bytes::Bytes;
use cid::Cid;
use multihash::Multihash;
use sha2::{Digest as _, Sha256};

use super::{Result, StoreError};

/// The longest block, in bytes: what bitswap peers accept.
pub const MAX_BLOCK_BYTES: usize = 2 << 20;

/// Multihash code of SHA-256 (<https://github.com/multiformats/multicodec>).
const SHA2_256: u64 = 0x12;

/// What a block's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Plain bytes: a leaf.
    Raw,
    /// A UnixFS node.
    DagPb,
    /// Canonical DAG-CBOR.
    DagCbor,
}

impl Codec {
    /// The multicodec number.
    pub const fn code(self) -> u64 {
        match self {
            Codec::Raw => 0x55,
            Codec::DagPb => 0x70,
            Codec::DagCbor => 0x71,
        }
    }

    /// The CIDv1 of `bytes` under this codec.
    pub fn cid_of(self, bytes: &[u8]) -> Cid {
        let hash = Multihash::wrap(SHA2_256, &Sha256::digest(bytes)).expect("32 bytes fit in a multihash of 64");
        Cid::new_v1(self.code(), hash)
    }
}

/// Checks that `cid` is one that this library uses (CIDv1, SHA-256, a codec it knows) and names its codec.
///
/// # Errors
/// [`StoreError::UnsupportedCid`].
pub fn check_cid(cid: &Cid) -> Result<Codec> {
    let known = cid.version() == cid::Version::V1 && cid.hash().code() == SHA2_256 && cid.hash().size() == 32;
    [Codec::Raw, Codec::DagPb, Codec::DagCbor]
        .into_iter()
        .find(|codec| known && codec.code() == cid.codec())
        .ok_or(StoreError::UnsupportedCid { cid: *cid })
}

/// Bytes and the CID that names them.
///
/// Invariant: the CID is that of the bytes, which are at most [`MAX_BLOCK_BYTES`] long. Both ways to make one hash the
/// bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Block {
    cid: Cid,
    codec: Codec,
    bytes: Bytes,
}

impl Block {
    /// A new block.
    ///
    /// # Errors
    /// [`StoreError::BlockTooLarge`].
    pub fn new(codec: Codec, bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        check_length(bytes.len() as u64)?;
        Ok(Self { cid: codec.cid_of(&bytes), codec, bytes })
    }

    /// A block that came from elsewhere under the name `cid`.
    ///
    /// # Errors
    /// [`StoreError::CidMismatch`] if the name is not that of the bytes; [`StoreError::UnsupportedCid`],
    /// [`StoreError::BlockTooLarge`].
    pub fn verify(cid: &Cid, bytes: impl Into<Bytes>) -> Result<Self> {
        let codec = check_cid(cid)?;
        let block = Self::new(codec, bytes)?;
        if block.cid == *cid { Ok(block) } else { Err(StoreError::CidMismatch { cid: *cid }) }
    }

    /// The name.
    pub const fn cid(&self) -> &Cid {
        &self.cid
    }

    /// What the bytes are.
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The bytes.
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes' memory, if nobody else holds them.
    pub(super) fn into_buffer(self) -> Option<Vec<u8>> {
        self.bytes.try_into_mut().ok().map(Vec::from)
    }
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({}, {} bytes)", self.cid, self.bytes.len())
    }
}

pub(super) fn check_length(got: u64) -> Result<()> {
    if got > MAX_BLOCK_BYTES as u64 { Err(StoreError::BlockTooLarge { got }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cids_are_those_of_ipfs() {
        // The empty raw block: `ipfs add --cid-version=1` of an empty file.
        let empty = Block::new(Codec::Raw, Bytes::new()).unwrap();
        assert_eq!(empty.cid().to_string(), "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku");
    }

    #[test]
    fn a_block_is_what_its_name_says_or_nothing() {
        let block = Block::new(Codec::Raw, &b"sealed"[..]).unwrap();
        assert_eq!(Block::verify(block.cid(), &b"sealed"[..]).unwrap(), block);
        assert!(matches!(Block::verify(block.cid(), &b"Sealed"[..]), Err(StoreError::CidMismatch { .. })));
        let other = Cid::new_v1(Codec::DagPb.code(), *block.cid().hash());
        Block::verify(&other, &b"sealed"[..]).unwrap();
    }

    #[test]
    fn other_kinds_of_cid_are_refused() {
        let hash = *Codec::Raw.cid_of(b"x").hash();
        for cid in [
            Cid::new_v0(hash).unwrap(),
            Cid::new_v1(0x72, hash),
            Cid::new_v1(0x55, Multihash::wrap(0x00, b"x").unwrap()),
            Cid::new_v1(0x55, Multihash::wrap(0x12, &[0; 20]).unwrap()),
        ] {
            assert!(matches!(Block::verify(&cid, &b"x"[..]), Err(StoreError::UnsupportedCid { .. })), "{cid}");
        }
    }

    #[test]
    fn an_oversized_block_is_refused() {
        Block::new(Codec::Raw, vec![0; MAX_BLOCK_BYTES]).unwrap();
        assert!(matches!(Block::new(Codec::Raw, vec![0; MAX_BLOCK_BYTES + 1]), Err(StoreError::BlockTooLarge { .. })));
    }
}
