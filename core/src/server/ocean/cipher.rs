//! What the node encrypts to itself for Ocean's clients: file objects, descriptions, keys and results.
//!
//! Everything is a sealed envelope ([`seal_bytes`]: AES-256-GCM, key-committing) under a key that follows from the account's
//! secret by HKDF-SHA512 (RFC 5869), so that what opens was sealed by this node. What is sealed for one purpose does not open
//! for another: who took a file object for a description would have the node show it.

use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::Account;
use crate::envelope::{EnvelopeError, ObjectKey, open_bytes, seal_bytes};

/// What is sealed, and under which label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Where the files of an asset are, as its description has it.
    Files,
    /// A description.
    Description,
    /// The keys of a job.
    Keys,
    /// The results of a job.
    Result,
}

impl Purpose {
    const fn label(self) -> &'static str {
        match self {
            Purpose::Files => "sealock/v1/ocean-files",
            Purpose::Description => "sealock/v1/ocean-description",
            Purpose::Keys => "sealock/v1/ocean-job-keys",
            Purpose::Result => "sealock/v1/ocean-job-result",
        }
    }
}

/// See the module.
pub(super) struct Cipher(Zeroizing<[u8; 32]>);

impl Cipher {
    pub(super) fn of(account: &Account) -> Self {
        let mut key = Zeroizing::new([0u8; 32]);
        Hkdf::<Sha512>::new(Some(b"sealock/v1/ocean-routes"), account.expose_secret_bytes().as_ref())
            .expand(account.address().as_bytes(), key.as_mut())
            .expect("32 bytes are within HKDF's limit");
        Self(key)
    }

    /// One key for each purpose and object; the envelope draws a salt for each sealing.
    fn key(&self, purpose: Purpose, of: &[u8]) -> ObjectKey {
        let context = crate::Digest::of(purpose.label(), &[of]);
        let mut key = Zeroizing::new([0u8; 32]);
        Hkdf::<Sha512>::new(Some(purpose.label().as_bytes()), self.0.as_ref())
            .expand(context.as_bytes(), key.as_mut())
            .expect("32 bytes are within HKDF's limit");
        ObjectKey::from_secret_parts(&key, context.as_bytes())
    }

    /// Seals bytes for a purpose; `of` names what they belong to, and may be empty.
    pub(super) fn seal(&self, purpose: Purpose, of: &[u8], plain: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        seal_bytes(&self.key(purpose, of), plain)
    }

    /// Opens what was sealed for the same purpose and of the same name.
    pub(super) fn open(&self, purpose: Purpose, of: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
        Ok(Zeroizing::new(open_bytes(&self.key(purpose, of), sealed)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_for_its_purpose_alone() {
        let (cipher, other) = (Cipher::of(&Account::generate()), Cipher::of(&Account::generate()));
        let sealed = cipher.seal(Purpose::Files, b"", b"secret").unwrap();
        assert_eq!(**cipher.open(Purpose::Files, b"", &sealed).unwrap(), *b"secret");
        assert_ne!(sealed, cipher.seal(Purpose::Files, b"", b"secret").unwrap());
        assert!(cipher.open(Purpose::Description, b"", &sealed).is_err());
        assert!(cipher.open(Purpose::Files, b"x", &sealed).is_err());
        assert!(other.open(Purpose::Files, b"", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(cipher.open(Purpose::Files, b"", &changed).is_err(), "byte {at}");
        }
    }
}
