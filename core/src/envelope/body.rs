//! The chunk layer of Cobblestone-256, where every chunk can be sealed and opened by itself.
//!
//! `sealed = salt(24) ‖ commitment(32) ‖ chunk₀ ‖ … ‖ chunkₙ`, a chunk being up to 16 KiB of ciphertext and a tag of 16
//! bytes. Key, base nonce and commitment are HKDF-Expand with SHA-512 of the object key over salt and context
//! (<https://c2sp.org/chunked-encryption>). Chunk `i` has the base nonce XOR `i`; every chunk but the last is full and the
//! last is not, so that its length tells that it is the last.
//!
//! *Why a nonce never repeats.* Within an object indices differ. Between objects the AES key itself differs, since the
//! salt is 24 fresh random bytes: two of 2^64 objects under one object key share a salt with probability 2^-65. *Why a
//! ciphertext has one key.* The commitment is 32 bytes of HKDF output beside the AES key: two keys with one commitment are
//! a collision in 256 bits of HMAC-SHA-512. *Margins.* At most 2^38 chunks of 2^10 blocks, below GCM's 2^32 blocks per nonce.
//! Forging one chunk in q attempts succeeds with probability at most about q · 2^10 · 2^-127, and an object of σ blocks adds
//! σ² / 2^129 for AES being a permutation (Iwata, Ohashi, Minematsu, CRYPTO 2012): 2^-57 at 1 TiB, 2^-33 at 4 PiB.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, Tag};
use hmac::{Hmac, Mac};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{EnvelopeError, Result};

/// Plaintext bytes of every chunk but the last.
pub const CHUNK_BYTES: usize = 16 << 10;
/// Bytes of a chunk's tag.
pub const TAG_BYTES: usize = 16;
/// Bytes of the header: salt and commitment.
pub const HEADER_BYTES: usize = SALT_BYTES + COMMITMENT_BYTES;
/// Bytes of a full sealed chunk.
pub(super) const SEALED_CHUNK_BYTES: usize = CHUNK_BYTES + TAG_BYTES;

const SALT_BYTES: usize = 24;
const COMMITMENT_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
/// The chunk index is five bytes of the nonce; the specification stops at 2^38.
const MAX_CHUNKS: u64 = 1 << 38;
const INFO: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// Sealed bytes of `plain` bytes, or `None` beyond 4 PiB.
pub const fn sealed_size(plain: u64) -> Option<u64> {
    let chunks = plain / CHUNK_BYTES as u64 + 1;
    if chunks > MAX_CHUNKS { None } else { Some(HEADER_BYTES as u64 + plain + chunks * TAG_BYTES as u64) }
}

/// Plaintext bytes in `sealed` bytes.
///
/// # Errors
/// [`EnvelopeError::Truncated`] if nothing seals to that many bytes, [`EnvelopeError::TooLarge`].
pub fn plain_size(sealed: u64) -> Result<u64> {
    let body = sealed.checked_sub(HEADER_BYTES as u64).ok_or(EnvelopeError::Truncated)?;
    let chunks = body / SEALED_CHUNK_BYTES as u64 + 1;
    if body % (SEALED_CHUNK_BYTES as u64) < TAG_BYTES as u64 {
        return Err(EnvelopeError::Truncated);
    }
    if chunks > MAX_CHUNKS {
        return Err(EnvelopeError::TooLarge);
    }
    Ok(body - chunks * TAG_BYTES as u64)
}

/// Seals and opens the chunks of one object, each by itself and from any thread.
///
/// Not part of the API: whoever seals must use every index once. The keys inside are wiped when it is dropped (feature
/// `zeroize` of `aes-gcm`).
pub(super) struct ChunkCipher {
    aead: Aes256Gcm,
    base_nonce: [u8; NONCE_BYTES],
}

impl ChunkCipher {
    /// A cipher for a new object, and the object's header, with a fresh salt.
    pub(super) fn create(key: &[u8; 32], context: &[u8]) -> (Self, [u8; HEADER_BYTES]) {
        let mut salt = [0; SALT_BYTES];
        getrandom::fill(&mut salt).expect("the operating system provides randomness");
        let (cipher, commitment) = Self::derive(key, context, &salt);
        let mut header = [0; HEADER_BYTES];
        header[..SALT_BYTES].copy_from_slice(&salt);
        header[SALT_BYTES..].copy_from_slice(&commitment);
        (cipher, header)
    }

    /// The cipher of an existing object.
    pub(super) fn open_header(key: &[u8; 32], context: &[u8], header: &[u8; HEADER_BYTES]) -> Result<Self> {
        let (salt, commitment) = header.split_first_chunk::<SALT_BYTES>().expect("a header is longer than a salt");
        let (cipher, expected) = Self::derive(key, context, salt);
        if bool::from(expected.ct_eq(commitment)) { Ok(cipher) } else { Err(EnvelopeError::WrongKey) }
    }

    fn derive(key: &[u8; 32], context: &[u8], salt: &[u8; SALT_BYTES]) -> (Self, [u8; COMMITMENT_BYTES]) {
        // HKDF-Expand (RFC 5869, section 2.3) with the object key as it is for a pseudorandom key. The crate `hkdf` asks
        // for one as long as the hash.
        let mut okm = Zeroizing::new([0; 128]);
        let prk = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes a key of any length");
        let first = prk.clone().chain_update(INFO).chain_update(salt).chain_update(context).chain_update([1]);
        okm[..64].copy_from_slice(&first.finalize().into_bytes());
        let second = prk.chain_update(&okm[..64]).chain_update(INFO).chain_update(salt).chain_update(context);
        okm[64..].copy_from_slice(&second.chain_update([2]).finalize().into_bytes());

        let (aes_key, rest) = okm.split_at(KEY_BYTES);
        let (base_nonce, rest) = rest.split_first_chunk().expect("128 bytes hold key, nonce and commitment");
        let (commitment, _) = rest.split_first_chunk().expect("128 bytes hold key, nonce and commitment");
        let aead = Aes256Gcm::new_from_slice(aes_key).expect("the key has 32 bytes");
        (Self { aead, base_nonce: *base_nonce }, *commitment)
    }

    fn nonce(&self, index: u64) -> Nonce<<Aes256Gcm as aes_gcm::aead::AeadCore>::NonceSize> {
        let mut nonce = self.base_nonce;
        for (n, i) in nonce[NONCE_BYTES - 8..].iter_mut().zip(index.to_be_bytes()) {
            *n ^= i;
        }
        nonce.into()
    }

    /// Seals chunk `index` in place: plaintext followed by [`TAG_BYTES`] of room.
    ///
    /// # Errors
    /// [`EnvelopeError::TooLarge`] if the object has no such chunk. A full chunk may not be the last possible one, since
    /// another has to follow it.
    pub(super) fn seal(&self, index: u64, chunk: &mut [u8]) -> Result<()> {
        let (data, room) = chunk.split_last_chunk_mut::<TAG_BYTES>().expect("a chunk has room for its tag");
        if index + u64::from(data.len() == CHUNK_BYTES) >= MAX_CHUNKS {
            return Err(EnvelopeError::TooLarge);
        }
        let tag = self.aead.encrypt_inout_detached(&self.nonce(index), &[], data.into());
        room.copy_from_slice(&tag.expect("a chunk is within the limits of AES-GCM"));
        Ok(())
    }

    /// Opens chunk `index` in place and returns its plaintext. Nothing in `chunk` may be used if it fails.
    ///
    /// # Errors
    /// [`EnvelopeError::Tampered`], or [`EnvelopeError::Truncated`] if there is no whole tag.
    pub(super) fn open<'a>(&self, index: u64, chunk: &'a mut [u8]) -> Result<&'a mut [u8]> {
        let (data, tag) = chunk.split_last_chunk_mut::<TAG_BYTES>().ok_or(EnvelopeError::Truncated)?;
        if index >= MAX_CHUNKS {
            return Err(EnvelopeError::TooLarge);
        }
        let opened = self.aead.decrypt_inout_detached(&self.nonce(index), &[], (&mut *data).into(), &Tag::from(*tag));
        opened.map_err(|_| EnvelopeError::Tampered { chunk: index })?;
        Ok(data)
    }
}
