//! Dataset keys for somebody else: HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
//!
//! Base mode says nothing about the sender: the signature of the manifest does. `info` is the label and the digest of
//! dataset, epoch and recipient key, so that a wrapping cannot be moved to another manifest. HPKE derives key and nonce
//! from a fresh encapsulation, once per wrapping.

use std::fmt;

use hpke::{
    Deserializable, Kem as _, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256, kem::X25519HkdfSha256,
    single_shot_open, single_shot_seal,
};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::{DatasetKey, DatasetRef, EnvelopeError, Result};
use crate::Digest;

type Kem = X25519HkdfSha256;

const LABEL: &[u8] = b"sealock/v1/envelope/recipient";
const SMALL_ORDER: &str = "an X25519 point of small order";

/// A recipient's secret X25519 key. Wiped when dropped.
pub struct RecipientKey(<Kem as hpke::Kem>::PrivateKey);

impl RecipientKey {
    /// A fresh key from the operating system's randomness.
    pub fn generate() -> Self {
        Self(Kem::gen_keypair().0)
    }

    /// The key of 32 bytes, from a key store.
    ///
    /// # Errors
    /// [`EnvelopeError::InvalidKey`].
    pub fn from_secret_bytes(bytes: &[u8; 32]) -> Result<Self> {
        let key =
            Deserializable::from_bytes(bytes).map_err(|_| EnvelopeError::InvalidKey { why: "not an X25519 key" })?;
        Ok(Self(key))
    }

    /// The key's bytes, for a key store alone. The name shows in a review.
    pub fn expose_secret_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    /// What others wrap for.
    pub fn public(&self) -> RecipientPublicKey {
        RecipientPublicKey(Kem::sk_to_pk(&self.0).to_bytes().into())
    }

    /// Opens what [`RecipientPublicKey::seal`] sealed under the same `info` and `aad`.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] if it was sealed for another key, under other `info` or `aad`, or was changed.
    pub fn open(&self, encapsulated: &[u8], info: &[u8], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>> {
        let encapsulated = Deserializable::from_bytes(encapsulated).map_err(|_| EnvelopeError::WrongKey)?;
        single_shot_open::<AesGcm256, HkdfSha256, Kem>(&OpModeR::Base, &self.0, &encapsulated, info, sealed, aad)
            .map_err(|_| EnvelopeError::WrongKey)
    }

    /// Unwraps the dataset key of `of` from a manifest's entry for this key.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] if the entry is for another key, dataset or epoch, or was changed.
    pub fn unwrap(&self, entry: &Recipient, of: DatasetRef) -> Result<DatasetKey> {
        let opened = self.open(&entry.encapsulated, &info(&self.public(), of), b"", &entry.wrapped)?;
        let bytes = Zeroizing::new(opened);
        let secret = bytes.as_slice().try_into().expect("48 sealed bytes open to 32");
        Ok(DatasetKey::from_secret_bytes(secret, of))
    }
}

impl PartialEq for RecipientKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecipientKey(_, {:?})", self.public())
    }
}

/// A recipient's public X25519 key, 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RecipientPublicKey(#[serde(with = "serde_bytes")] [u8; 32]);

impl RecipientPublicKey {
    /// Wraps 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Names the key in a manifest.
    pub fn id(&self) -> Digest {
        Digest::of("sealock/v1/envelope/recipient-key", &[&self.0])
    }

    /// Checks that something can be sealed to the key, for less than half of what sealing takes.
    ///
    /// # Errors
    /// [`EnvelopeError::InvalidKey`] if this is a point of small order, with which everybody shares the secret.
    pub fn check(&self) -> Result<()> {
        // X25519 multiplies by a multiple of eight below the orders of curve and twist times eight (RFC 7748, section 5): what
        // one such number takes to zero, every one does, and nothing else.
        let shared = StaticSecret::from([0; 32]).diffie_hellman(&PublicKey::from(self.0));
        if shared.was_contributory() { Ok(()) } else { Err(EnvelopeError::InvalidKey { why: SMALL_ORDER }) }
    }

    /// Wraps a dataset key for the holder of this key.
    ///
    /// # Errors
    /// [`EnvelopeError::InvalidKey`] if this is a point of small order, with which everybody shares the secret.
    pub fn wrap(&self, key: &DatasetKey) -> Result<Recipient> {
        let (encapsulated, wrapped) = self.seal(&info(self, key.of()), b"", key.secret_bytes())?;
        let wrapped = wrapped.try_into().expect("32 bytes seal to 48");
        Ok(Recipient { key_id: self.id(), encapsulated, wrapped })
    }

    /// Seals `plain` for the holder of this key, bound to `info` and `aad`. Returns the encapsulated key, and the
    /// ciphertext with its tag of 16 bytes.
    ///
    /// # Errors
    /// [`EnvelopeError::InvalidKey`] if this is a point of small order, with which everybody shares the secret.
    pub fn seal(&self, info: &[u8], aad: &[u8], plain: &[u8]) -> Result<([u8; 32], Vec<u8>)> {
        let invalid = |_| EnvelopeError::InvalidKey { why: SMALL_ORDER };
        let public = Deserializable::from_bytes(&self.0).map_err(invalid)?;
        let (encapsulated, sealed) =
            single_shot_seal::<AesGcm256, HkdfSha256, Kem>(&OpModeS::Base, &public, info, plain, aad)
                .map_err(invalid)?;
        Ok((encapsulated.to_bytes().into(), sealed))
    }
}

impl fmt::Debug for RecipientPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecipientPublicKey({}…)", hex::encode(&self.0[..6]))
    }
}

fn info(recipient: &RecipientPublicKey, of: DatasetRef) -> Vec<u8> {
    [LABEL, of.recipient_context(&recipient.0).as_bytes()].concat()
}

/// A dataset key wrapped for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The [`id`](RecipientPublicKey::id) of the recipient's key.
    pub key_id: Digest,
    /// HPKE's encapsulated key.
    #[serde(with = "serde_bytes")]
    pub encapsulated: [u8; 32],
    /// The sealed dataset key.
    #[serde(with = "serde_bytes")]
    pub wrapped: [u8; 48],
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(epoch: u64) -> DatasetRef {
        DatasetRef { dataset: Digest::sha256(b"dataset"), epoch }
    }

    #[test]
    fn a_key_wrapped_for_one_recipient_is_closed_to_others() {
        let (alice, bob) = (RecipientKey::generate(), RecipientKey::generate());
        let key = DatasetKey::generate(of(1));
        let entry = alice.public().wrap(&key).unwrap();
        assert!(alice.unwrap(&entry, of(1)).unwrap() == key);
        assert!(matches!(bob.unwrap(&entry, of(1)), Err(EnvelopeError::WrongKey)));
        assert!(matches!(alice.unwrap(&entry, of(2)), Err(EnvelopeError::WrongKey)), "bound to the epoch");
        let again = RecipientKey::from_secret_bytes(&alice.expose_secret_bytes()).unwrap();
        assert!(again == alice && again != bob);
        for i in 0..80 {
            let mut bad = entry;
            if i < 32 {
                bad.encapsulated[i] ^= 1
            } else {
                bad.wrapped[i - 32] ^= 1
            }
            assert!(matches!(alice.unwrap(&bad, of(1)), Err(EnvelopeError::WrongKey)), "byte {i}");
        }
    }

    /// Every encoding of such a point, on the curve and on its twist: u of 0, 1, −1, p, p + 1 and of the two points of order
    /// eight.
    #[test]
    fn a_point_of_small_order_is_no_recipient() {
        let key = DatasetKey::generate(of(1));
        let of_eight = [
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        ];
        let mut points: Vec<[u8; 32]> = of_eight.map(|text| hex::decode(text).unwrap().try_into().unwrap()).into();
        for (first, rest, last) in [(0, 0, 0), (1, 0, 0), (0xec, 0xff, 0x7f), (0xed, 0xff, 0x7f), (0xee, 0xff, 0x7f)] {
            let mut point = [rest; 32];
            (point[0], point[31]) = (first, last);
            points.push(point);
        }
        for mut point in points {
            for _ in 0..2 {
                let public = RecipientPublicKey::from_bytes(point);
                assert!(matches!(public.wrap(&key), Err(EnvelopeError::InvalidKey { .. })));
                assert!(matches!(public.check(), Err(EnvelopeError::InvalidKey { .. })));
                // The same point: the highest bit counts for nothing.
                point[31] ^= 0x80;
            }
        }
    }

    #[test]
    fn a_key_that_passes_the_check_is_one_to_seal_to() {
        let mut bytes = [0; 32];
        for n in 2..200 {
            // On the curve and on the twist.
            bytes[0] = n;
            let public = RecipientPublicKey::from_bytes(bytes);
            assert!(public.check().is_ok() && public.seal(b"", b"", b"").is_ok(), "{n}");
        }
        assert!(RecipientKey::generate().public().check().is_ok());
    }
}
