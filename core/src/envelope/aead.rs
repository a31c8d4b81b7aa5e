//! AES-256-GCM (NIST SP 800-38D) in place, as the chunks of an object need it: a nonce of 12 bytes, no additional data.
//!
//! The crate `aes-gcm` does it. With the feature `aws-lc` AWS-LC does, on x86-64 and AArch64 with GHASH woven into the
//! encryption: two to three times as fast, for a C library to be compiled. Both write the same bytes, and the tests run the
//! same vectors through both.

use super::body::TAG_BYTES;

/// The nonce of a chunk.
pub(super) type Nonce = [u8; 12];

/// What opens, or does not, under a key and a nonce.
pub(super) trait Aead: Sized + Send + Sync {
    fn new(key: &[u8; 32]) -> Self;

    /// Encrypts, and returns the tag. At most 64 GiB.
    fn seal(&self, nonce: &Nonce, data: &mut [u8]) -> [u8; TAG_BYTES];

    /// Decrypts ciphertext and tag, and returns the plaintext's length, or nothing if the tag is not theirs: what `sealed`
    /// then holds may not be used.
    fn open(&self, nonce: &Nonce, sealed: &mut [u8]) -> Option<usize>;
}

#[cfg(not(feature = "aws-lc"))]
pub(super) type Chosen = RustCrypto;
#[cfg(feature = "aws-lc")]
pub(super) type Chosen = AwsLc;

#[cfg(any(test, not(feature = "aws-lc")))]
pub(super) use rust_crypto::RustCrypto;
#[cfg(any(test, not(feature = "aws-lc")))]
mod rust_crypto {
    use aes_gcm::aead::AeadInOut;
    use aes_gcm::{Aes256Gcm, KeyInit, Tag};

    use super::{Aead, Nonce, TAG_BYTES};

    /// `aes-gcm`, whose feature `zeroize` wipes the key.
    pub(in super::super) struct RustCrypto(Aes256Gcm);

    impl Aead for RustCrypto {
        fn new(key: &[u8; 32]) -> Self {
            Self(Aes256Gcm::new(key.into()))
        }

        fn seal(&self, nonce: &Nonce, data: &mut [u8]) -> [u8; TAG_BYTES] {
            let tag = self.0.encrypt_inout_detached(nonce.into(), &[], data.into());
            tag.expect("a chunk is within the limits of AES-GCM").into()
        }

        fn open(&self, nonce: &Nonce, sealed: &mut [u8]) -> Option<usize> {
            let (data, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>()?;
            let len = data.len();
            self.0.decrypt_inout_detached(nonce.into(), &[], data.into(), &Tag::from(*tag)).ok()?;
            Some(len)
        }
    }
}

#[cfg(any(test, feature = "aws-lc"))]
pub(super) use aws_lc::AwsLc;
#[cfg(any(test, feature = "aws-lc"))]
mod aws_lc {
    use aws_lc_rs::aead::{self, AES_256_GCM, Aad, LessSafeKey, UnboundKey};

    use super::{Aead, Nonce, TAG_BYTES};

    /// AWS-LC, which wipes what it frees (`OPENSSL_free`).
    pub(in super::super) struct AwsLc(LessSafeKey);

    impl Aead for AwsLc {
        fn new(key: &[u8; 32]) -> Self {
            Self(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("the key has 32 bytes")))
        }

        fn seal(&self, nonce: &Nonce, data: &mut [u8]) -> [u8; TAG_BYTES] {
            let nonce = aead::Nonce::assume_unique_for_key(*nonce);
            let tag = self.0.seal_in_place_separate_tag(nonce, Aad::empty(), data);
            let tag = tag.expect("a chunk is within the limits of AES-GCM");
            tag.as_ref().try_into().expect("a tag has 16 bytes")
        }

        fn open(&self, nonce: &Nonce, sealed: &mut [u8]) -> Option<usize> {
            let nonce = aead::Nonce::assume_unique_for_key(*nonce);
            Some(self.0.open_in_place(nonce, Aad::empty(), sealed).ok()?.len())
        }
    }
}
