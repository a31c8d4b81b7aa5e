//! The key hierarchy: owner key → dataset key, random, one per epoch → object key, derived.

use std::fmt;

use hkdf::Hkdf;
use serde::{Deserialize, Serialize};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{EnvelopeError, Result, body::HEADER_BYTES, body::TAG_BYTES, stream};
use crate::Digest;

/// The longest object id, in bytes of UTF-8.
pub const MAX_OBJECT_ID_BYTES: usize = 255;

/// How an object is sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Suite {
    /// Cobblestone-256, of the object's own length.
    #[default]
    Cobblestone256,
    /// Cobblestone-256 over the object padded to Padmé's length (see [`padme`](super::padme)).
    Cobblestone256Padme,
}

impl Suite {
    /// The suite's number, as in a manifest.
    pub const fn code(self) -> u64 {
        match self {
            Suite::Cobblestone256 => 1,
            Suite::Cobblestone256Padme => 2,
        }
    }

    /// The suite of a number.
    ///
    /// # Errors
    /// [`EnvelopeError::UnsupportedSuite`].
    pub fn from_code(code: u64) -> Result<Self> {
        [Suite::Cobblestone256, Suite::Cobblestone256Padme]
            .into_iter()
            .find(|suite| suite.code() == code)
            .ok_or(EnvelopeError::UnsupportedSuite { got: code })
    }
}

/// A dataset in one epoch: what a dataset key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DatasetRef {
    /// The dataset's identifier.
    pub dataset: Digest,
    /// Counts the re-encryptions under a new dataset key.
    pub epoch: u64,
}

impl DatasetRef {
    fn context(&self, label: &str, parts: &[&[u8]]) -> Digest {
        let epoch = self.epoch.to_be_bytes();
        let all: Vec<&[u8]> =
            [self.dataset.as_bytes().as_slice(), &epoch].into_iter().chain(parts.iter().copied()).collect();
        Digest::of(label, &all)
    }

    /// What an HPKE wrapping of the dataset key for `recipient` is bound to.
    pub(super) fn recipient_context(&self, recipient: &[u8]) -> Digest {
        self.context("sealock/v1/envelope/recipient", &[recipient])
    }
}

/// 32 secret bytes: wiped when dropped, not cloned, shown as nothing, compared in constant time.
struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    fn generate() -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(secret.as_mut()).expect("the operating system provides randomness");
        Self(secret)
    }

    /// HKDF (RFC 5869) with SHA-512, no salt.
    fn derive(&self, info: &[&[u8]]) -> Self {
        let mut out = Zeroizing::new([0; 32]);
        let hkdf = Hkdf::<Sha512>::new(None, self.0.as_ref());
        hkdf.expand_multi_info(info, out.as_mut()).expect("32 bytes are within HKDF's limit");
        Self(out)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_ref()).into()
    }
}

/// The owner's key-encryption key. It wraps dataset keys and does nothing else.
#[derive(PartialEq)]
pub struct OwnerKey(Secret);

impl OwnerKey {
    /// A fresh key from the operating system's randomness.
    pub fn generate() -> Self {
        Self(Secret::generate())
    }

    /// The key of 32 uniformly random bytes, from a key store.
    pub fn from_secret_bytes(bytes: &[u8; 32]) -> Self {
        Self(Secret(Zeroizing::new(*bytes)))
    }

    /// The key's bytes, for a key store alone. The name shows in a review.
    pub fn expose_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.0.clone()
    }

    /// Encrypts a dataset key, bound to its dataset and epoch.
    ///
    /// The form is that of every object, Cobblestone-256 over the 32 bytes, under a key derived for wrapping alone. So
    /// the nonce is no concern of a caller's: AES key and nonce both come from HKDF over a fresh salt of 24 bytes, and a
    /// repetition takes two equal salts. Being key-committing, it opens under one owner key only.
    pub fn wrap(&self, key: &DatasetKey) -> WrappedKey {
        let sealed = stream::seal_bytes(&self.wrapping(&key.of), key.secret.0.as_ref());
        let sealed = sealed.expect("32 bytes are not too long").try_into();
        WrappedKey(sealed.expect("32 bytes seal to header, bytes and tag"))
    }

    /// Decrypts a dataset key.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] if it was wrapped by another owner key, or for another dataset or epoch;
    /// [`EnvelopeError::Tampered`].
    pub fn unwrap(&self, wrapped: &WrappedKey, of: DatasetRef) -> Result<DatasetKey> {
        let bytes = Zeroizing::new(stream::open_bytes(&self.wrapping(&of), &wrapped.0)?);
        let secret = bytes.as_slice().try_into().expect("the sealed bytes' length is fixed");
        Ok(DatasetKey::from_secret_bytes(secret, of))
    }

    fn wrapping(&self, of: &DatasetRef) -> ObjectKey {
        const LABEL: &str = "sealock/v1/envelope/owner-wrap";
        let context = of.context(LABEL, &[]).as_bytes().to_vec();
        ObjectKey { secret: self.0.derive(&[LABEL.as_bytes()]), context, suite: Suite::Cobblestone256 }
    }
}

/// A dataset key, wrapped by an [`OwnerKey`].
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrappedKey(#[serde(with = "serde_bytes")] [u8; WRAPPED_BYTES]);

const WRAPPED_BYTES: usize = HEADER_BYTES + 32 + TAG_BYTES;

/// The key of a dataset in one epoch, from which the keys of its objects follow.
#[derive(PartialEq)]
pub struct DatasetKey {
    secret: Secret,
    of: DatasetRef,
}

impl DatasetKey {
    /// A fresh key. Every epoch needs its own.
    pub fn generate(of: DatasetRef) -> Self {
        Self { secret: Secret::generate(), of }
    }

    pub(super) fn from_secret_bytes(bytes: &[u8; 32], of: DatasetRef) -> Self {
        Self { secret: Secret(Zeroizing::new(*bytes)), of }
    }

    pub(super) fn secret_bytes(&self) -> &[u8; 32] {
        &self.secret.0
    }

    /// What the key is for.
    pub const fn of(&self) -> DatasetRef {
        self.of
    }

    /// The key of an object, and the context that its bytes are bound to: dataset, epoch, id and suite.
    ///
    /// # Errors
    /// [`EnvelopeError::InvalidObjectId`].
    pub fn object_key(&self, id: &str, suite: Suite) -> Result<ObjectKey> {
        check_object_id(id)?;
        Ok(self.derive("sealock/v1/envelope/object", id, suite))
    }

    /// The key of a manifest's sensitive part, which no object id can name.
    pub(super) fn sensitive_key(&self) -> ObjectKey {
        self.derive("sealock/v1/envelope/sensitive", "", Suite::Cobblestone256)
    }

    /// Another key that follows from it, for what is no object: bound to dataset and epoch, too.
    pub(crate) fn derived(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let context = self.of.context(label, &[]);
        self.secret.derive(&[label.as_bytes(), context.as_bytes()]).0
    }

    fn derive(&self, label: &str, id: &str, suite: Suite) -> ObjectKey {
        let context = self.of.context(label, &[id.as_bytes(), &suite.code().to_be_bytes()]);
        ObjectKey {
            secret: self.secret.derive(&[label.as_bytes(), context.as_bytes()]),
            context: context.as_bytes().to_vec(),
            suite,
        }
    }
}

pub(super) fn check_object_id(id: &str) -> Result<()> {
    if (1..=MAX_OBJECT_ID_BYTES).contains(&id.len()) {
        Ok(())
    } else {
        Err(EnvelopeError::InvalidObjectId { got: id.chars().take(64).collect() })
    }
}

/// The key of one object, with the context and the suite that belong to it.
#[derive(PartialEq)]
pub struct ObjectKey {
    secret: Secret,
    context: Vec<u8>,
    suite: Suite,
}

impl ObjectKey {
    /// A key and context of other software's making, for the exchange of single files (`cryptography.cobblestone`,
    /// `filippo.io/cobblestone`). Inside Sealock keys come from [`DatasetKey::object_key`].
    pub fn from_secret_parts(key: &[u8; 32], context: &[u8]) -> Self {
        let secret = Secret(Zeroizing::new(*key));
        Self { secret, context: context.to_vec(), suite: Suite::Cobblestone256 }
    }

    /// The key's bytes, for other software. The name shows in a review.
    pub fn expose_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.secret.0.clone()
    }

    /// The context, which is not secret.
    pub fn context(&self) -> &[u8] {
        &self.context
    }

    /// How the object is sealed.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    pub(super) fn secret_bytes(&self) -> &[u8; 32] {
        &self.secret.0
    }
}

impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnerKey(_)")
    }
}

impl fmt::Debug for DatasetKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatasetKey(_, {:?}, epoch {})", self.of.dataset, self.of.epoch)
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey(_, {:?})", self.suite)
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({}…)", hex::encode(&self.0[..6]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(epoch: u64) -> DatasetRef {
        DatasetRef { dataset: Digest::sha256(b"dataset"), epoch }
    }

    #[test]
    fn a_wrapped_key_opens_for_its_owner_dataset_and_epoch_alone() {
        let (owner, key) = (OwnerKey::generate(), DatasetKey::generate(of(1)));
        let wrapped = owner.wrap(&key);
        assert!(owner.unwrap(&wrapped, of(1)).unwrap() == key);
        assert!(owner.wrap(&key) != wrapped, "every wrapping has its own salt");
        let wrong = [
            OwnerKey::generate().unwrap(&wrapped, of(1)),
            owner.unwrap(&wrapped, of(2)),
            owner.unwrap(&wrapped, DatasetRef { dataset: Digest::sha256(b"other"), epoch: 1 }),
        ];
        assert!(wrong.iter().all(|r| matches!(r, Err(EnvelopeError::WrongKey))));
        for i in 0..WRAPPED_BYTES {
            let mut bytes = wrapped;
            bytes.0[i] ^= 1;
            let expected = i < HEADER_BYTES;
            match owner.unwrap(&bytes, of(1)) {
                Err(EnvelopeError::WrongKey) if expected => {}
                Err(EnvelopeError::Tampered { chunk: 0 }) if !expected => {}
                other => panic!("byte {i}: {other:?}"),
            }
        }
    }

    #[test]
    fn every_object_epoch_and_suite_has_its_own_key() {
        let bytes = [7; 32];
        let (one, two) = (DatasetKey::from_secret_bytes(&bytes, of(1)), DatasetKey::from_secret_bytes(&bytes, of(2)));
        let keys = [
            one.object_key("a", Suite::Cobblestone256).unwrap(),
            one.object_key("b", Suite::Cobblestone256).unwrap(),
            one.object_key("a", Suite::Cobblestone256Padme).unwrap(),
            two.object_key("a", Suite::Cobblestone256).unwrap(),
            one.sensitive_key(),
        ];
        for (i, a) in keys.iter().enumerate() {
            for b in &keys[i + 1..] {
                assert!(a.secret != b.secret && a.context != b.context);
            }
        }
        assert!(one.object_key("", Suite::Cobblestone256).is_err());
        assert!(one.object_key(&"x".repeat(256), Suite::Cobblestone256).is_err());
    }

    #[test]
    fn debug_shows_no_secret() {
        let owner = OwnerKey::from_secret_bytes(&[0xab; 32]);
        let key = DatasetKey::from_secret_bytes(&[0xab; 32], of(1));
        let object = ObjectKey::from_secret_parts(&[0xab; 32], b"");
        let shown = format!("{owner:?} {key:?} {object:?}").to_lowercase();
        assert!(!shown.contains("abab") && !shown.contains("171"), "{shown}");
    }
}
