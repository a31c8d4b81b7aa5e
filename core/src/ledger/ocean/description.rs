//! Descriptions in `setMetaData`, as Ocean's indexers read them: `flags` has bit 0 for LZMA and bit 1 for encryption, `data`
//! is the document, compressed first and encrypted then, and `metaDataHash` is the SHA-256 of the document itself.

use std::io::{Read, Write};
use std::sync::{Arc, PoisonError};

use alloy::primitives::{B256, Bytes};
use alloy::sol_types::SolEvent;
use lzma_rust2::{LzmaOptions, LzmaReader, LzmaWriter};

use super::abi::Nft;
use super::convert::digest;
use super::feed::Feed;
use super::replay::Entry;
use super::roles::Role;
use super::{Descriptions, OceanLedger, Result, lock, of};
use crate::ledger::{EventKind, LedgerError, METADATA_LIMIT, Metadata, Receipt, check};
use crate::{Account, Address, Digest};

const COMPRESSED: u8 = 1;
const ENCRYPTED: u8 = 2;
/// Documents up to here are not compressed: everybody can read them in a block explorer.
const SMALL: usize = 8 << 10;
/// Memory that a compressed document may ask for, in KiB.
const MEMORY_KIB: u32 = 64 << 10;

/// Decrypts a description, or says why not: what the node at a `decryptorUrl` does for Ocean's clients.
pub type Decryptor = Arc<dyn Fn(&[u8]) -> std::result::Result<Vec<u8>, String> + Send + Sync>;

/// How a description is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DescriptionForm {
    /// Compressed where that is much shorter.
    #[default]
    Shortest,
    /// As it is.
    Plain,
    /// By LZMA.
    Compressed,
    /// As these bytes, which a node made of it, and decrypts for whom it likes. They are of the document itself, or of
    /// its LZMA form.
    Encrypted {
        /// The ciphertext.
        data: Vec<u8>,
        /// Whether it is of the LZMA form.
        compressed: bool,
    },
}

impl OceanLedger {
    /// Sets an asset's description in a form of choice. `endpoint` is where clients find the asset's node; it may be empty.
    ///
    /// # Errors
    /// As [`Ledger::set_metadata`](crate::ledger::Ledger::set_metadata).
    pub fn describe(
        &self,
        owner: &Account,
        nft: Address,
        ddo: &[u8],
        form: DescriptionForm,
        endpoint: &str,
    ) -> Result<Receipt> {
        match self.nft(nft) {
            Err(LedgerError::UnknownToken { .. }) => {
                return Err(LedgerError::UnknownToken { expected: "data NFT", address: nft });
            }
            other => other?,
        }
        let may = || self.require_role_of(owner, nft, nft, Role::Describer, "describe");
        may()?;
        check::description(ddo)?;
        let (flags, data) = match form {
            DescriptionForm::Plain => (0, ddo.to_vec()),
            DescriptionForm::Compressed => (COMPRESSED, compress(ddo)?),
            DescriptionForm::Shortest if ddo.len() <= SMALL => (0, ddo.to_vec()),
            DescriptionForm::Shortest => {
                let compressed = compress(ddo)?;
                if compressed.len() < ddo.len() / 4 * 3 { (COMPRESSED, compressed) } else { (0, ddo.to_vec()) }
            }
            DescriptionForm::Encrypted { data, compressed } => {
                if data.len() > METADATA_LIMIT {
                    let (what, got) = ("the encrypted description", data.len());
                    return Err(LedgerError::TooLarge { what, got, limit: METADATA_LIMIT });
                }
                (ENCRYPTED | if compressed { COMPRESSED } else { 0 }, data)
            }
        };
        let hash = Digest::sha256(ddo);
        let size = data.len() as u64;
        let call = Nft::setMetaDataCall {
            state: 0,
            decryptorUrl: endpoint.into(),
            decryptorAddress: owner.address().to_string(),
            flags: Bytes::copy_from_slice(&[flags]),
            data: data.into(),
            hash: B256::from(*hash.as_bytes()),
            proofs: vec![],
        };
        let receipt = self.transact(owner, nft, call, "set the description", may)?;
        self.receipt(&receipt, &[(nft, EventKind::MetadataUpdated { hash, size })])
    }

    /// Decrypts the encrypted descriptions of an NFT from now on.
    pub fn set_decryptor(&self, nft: Address, decryptor: Decryptor) {
        self.decryptors.write().unwrap_or_else(PoisonError::into_inner).insert(nft, decryptor);
    }

    /// Whether somebody here decrypts the descriptions of an NFT.
    pub fn has_decryptor(&self, nft: Address) -> bool {
        self.decryptors.read().unwrap_or_else(PoisonError::into_inner).contains_key(&nft)
    }

    /// The log that described an NFT last.
    pub(super) fn last_description(&self, nft: Address) -> Result<Option<Entry>> {
        self.nft(nft)?;
        let described = of(&self.described, nft, || {
            let topics = vec![Nft::MetadataCreated::SIGNATURE_HASH, Nft::MetadataUpdated::SIGNATURE_HASH];
            let (feed, entries) = Feed::open(&self.node, &self.cache, self.addresses.start_block, vec![nft], topics)?;
            Ok(Descriptions { feed, last: entries.into_iter().next_back() })
        })?;
        let mut described = lock(&described);
        let Descriptions { feed, last } = &mut *described;
        if let Some(horizon) = self.horizon()? {
            feed.advance(&self.node, &self.cache, horizon, |entry| *last = Some(entry.clone()))?;
        }
        Ok(last.clone())
    }

    pub(super) fn description(&self, nft: Address) -> Result<Option<Metadata>> {
        let last = self.last_description(nft)?;
        let Some(entry) = last else { return Ok(None) };
        let bad = |why: String| LedgerError::BadDescription { nft, why };
        let Written { flags, data, hash } = written(&entry).ok_or_else(|| bad("its log does not decode".into()))?;
        let flags = match flags[..] {
            [] => 0,
            [flags] if flags & !(COMPRESSED | ENCRYPTED) == 0 => flags,
            _ => return Err(bad(format!("its flags are 0x{}, expected 0 to 3", hex::encode(&flags)))),
        };
        let too_large = |got| LedgerError::TooLarge { what: "the description", got, limit: METADATA_LIMIT };
        // Nothing that is written here is longer; others may write what they like.
        if data.len() > METADATA_LIMIT {
            return Err(too_large(data.len()));
        }
        let mut ddo = data.to_vec();
        if flags & ENCRYPTED != 0 {
            let decryptor = self.decryptors.read().unwrap_or_else(PoisonError::into_inner).get(&nft).cloned();
            let decryptor = decryptor.ok_or_else(|| bad("it is encrypted, and no decryptor is set for it".into()))?;
            ddo = decryptor(&ddo).map_err(|why| bad(format!("it does not decrypt: {why}")))?;
        }
        if flags & COMPRESSED != 0 {
            ddo = decompress(&ddo).map_err(|e| match e {
                Expansion::TooLong => too_large(METADATA_LIMIT + 1),
                Expansion::Malformed(why) => bad(format!("it does not decompress: {why}")),
            })?;
        }
        let found = Digest::sha256(&ddo);
        // Where nothing is encrypted, ocean.js hashes the document's hex digits.
        let of_digits = || Digest::sha256(format!("0x{}", hex::encode(&ddo)).as_bytes());
        if found != hash && (flags != 0 || of_digits() != hash) {
            return Err(bad(format!("its SHA-256 is {found}, expected {hash}")));
        }
        if ddo.len() > METADATA_LIMIT {
            return Err(too_large(ddo.len()));
        }
        Ok(Some(Metadata { ddo, hash }))
    }
}

struct Written {
    flags: Bytes,
    data: Bytes,
    hash: Digest,
}

fn written(entry: &Entry) -> Option<Written> {
    if let Some(made) = entry.decode::<Nft::MetadataCreated>() {
        return Some(Written { flags: made.flags, data: made.data, hash: digest(made.metaDataHash) });
    }
    let made = entry.decode::<Nft::MetadataUpdated>()?;
    Some(Written { flags: made.flags, data: made.data, hash: digest(made.metaDataHash) })
}

/// Hash and length of the description that a log sets; the length is of what is stored.
pub(super) fn metadata_event(entry: &Entry) -> Option<(Digest, u64)> {
    let Written { data, hash, .. } = written(entry)?;
    Some((hash, data.len() as u64))
}

fn compress(ddo: &[u8]) -> Result<Vec<u8>> {
    let failed = |why: std::io::Error| {
        tracing::error!(%why, "LZMA failed in memory");
        LedgerError::InvalidArgument { what: "the description", why: "it cannot be compressed" }
    };
    let mut options = LzmaOptions::with_preset(6);
    options.dict_size = 1 << 20;
    let mut writer = LzmaWriter::new_use_header(Vec::new(), &options, Some(ddo.len() as u64)).map_err(failed)?;
    writer.write_all(ddo).map_err(failed)?;
    writer.finish().map_err(failed)
}

enum Expansion {
    TooLong,
    Malformed(String),
}

/// LZMA expands a thousandfold: both its memory and its output are bounded.
fn decompress(data: &[u8]) -> std::result::Result<Vec<u8>, Expansion> {
    let malformed = |e: std::io::Error| Expansion::Malformed(e.to_string());
    let reader = LzmaReader::new_mem_limit(data, MEMORY_KIB, None).map_err(malformed)?;
    let mut ddo = Vec::new();
    reader.take(METADATA_LIMIT as u64 + 1).read_to_end(&mut ddo).map_err(malformed)?;
    if ddo.len() > METADATA_LIMIT { Err(Expansion::TooLong) } else { Ok(ddo) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_compressed_comes_back() {
        for ddo in [
            b"{}".to_vec(),
            vec![b'x'; METADATA_LIMIT],
            (0..99_999u32).flat_map(|i| (i % 251).to_le_bytes()).take(METADATA_LIMIT).collect(),
        ] {
            assert!(decompress(&compress(&ddo).unwrap_or_default()).is_ok_and(|back| back == ddo));
        }
    }

    #[test]
    fn a_bomb_is_refused() {
        // The attack: some hundred bytes that expand to 64 MiB.
        let bomb = compress(&vec![0; 64 << 20]).unwrap_or_default();
        assert!(bomb.len() < 64 << 10);
        assert!(matches!(decompress(&bomb), Err(Expansion::TooLong)));
        for bad in [&bomb[..20], b"", b"{\"id\":1}", &[0xff; 64]] {
            assert!(matches!(decompress(bad), Err(Expansion::Malformed(_))));
        }
        // A dictionary of 4 GiB is not made.
        let mut greedy = compress(b"{}").unwrap_or_default();
        greedy[1..5].copy_from_slice(&[0xff; 4]);
        assert!(matches!(decompress(&greedy), Err(Expansion::Malformed(_))));
    }
}
