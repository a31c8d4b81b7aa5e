//! Files and keys exchanged both ways with Python's `cryptography`.

use std::process::Command;

use sealock::Digest;
use sealock::envelope::{CHUNK_BYTES, DatasetKey, DatasetRef, ObjectKey, RecipientKey, Suite, open_bytes, seal_bytes};

#[path = "support/peers.rs"]
mod peers;
use peers::{interop, python};

/// Runs the peer on `input`.
fn peer(verb: &str, key: &[u8], context: &[u8], input: &[u8]) -> Result<Vec<u8>, String> {
    let folder = tempfile::tempdir().unwrap();
    let (source, sink) = (folder.path().join("in"), folder.path().join("out"));
    std::fs::write(&source, input).unwrap();
    let mut command = Command::new(python());
    command.arg(interop("cobblestone.py"));
    command.args([verb, &hex::encode(key), &hex::encode(context)]).args([&source, &sink]);
    let output = command.output().unwrap();
    if output.status.success() {
        Ok(std::fs::read(&sink).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn dataset() -> DatasetKey {
    DatasetKey::generate(DatasetRef { dataset: Digest::sha256(b"dataset"), epoch: 3 })
}

#[test]
fn pythons_cryptography_opens_ours_and_we_open_its() {
    let key: ObjectKey = dataset().object_key("measurements", Suite::Cobblestone256).unwrap();
    let bytes = key.expose_secret_bytes();
    for len in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 5_000_000] {
        let plain: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        let sealed = seal_bytes(&key, &plain).unwrap();
        assert!(peer("open", bytes.as_ref(), key.context(), &sealed).unwrap() == plain, "{len} bytes, sealed here");
        let sealed = peer("seal", bytes.as_ref(), key.context(), &plain).unwrap();
        assert!(open_bytes(&key, &sealed).unwrap() == plain, "{len} bytes, sealed there");
    }
    // The peer does check: another context, and a changed byte.
    let mut sealed = seal_bytes(&key, b"plain").unwrap();
    assert!(peer("open", bytes.as_ref(), b"another", &sealed).is_err());
    *sealed.last_mut().unwrap() ^= 1;
    assert!(peer("open", bytes.as_ref(), key.context(), &sealed).is_err());
}

#[test]
fn pythons_hpke_unwraps_a_recipients_key() {
    let (dataset, recipient) = (dataset(), RecipientKey::generate());
    let entry = recipient.public().wrap(&dataset).unwrap();
    let epoch = 3u64.to_be_bytes();
    let label = "sealock/v1/envelope/recipient";
    let of = Digest::sha256(b"dataset");
    let context = Digest::of(label, &[of.as_bytes(), &epoch, recipient.public().as_bytes()]);
    let info = [label.as_bytes(), context.as_bytes()].concat();
    let sealed = [entry.encapsulated.as_slice(), &entry.wrapped].concat();
    let secret = peer("hpke-open", recipient.expose_secret_bytes().as_ref(), &info, &sealed).unwrap();
    // What came out is the dataset key: the objects' keys follow from it.
    let context = Digest::of(
        "sealock/v1/envelope/object",
        &[of.as_bytes(), &epoch, b"a", &Suite::Cobblestone256.code().to_be_bytes()],
    );
    let hkdf = hkdf::Hkdf::<sha2::Sha512>::new(None, &secret);
    let mut derived = [0; 32];
    hkdf.expand_multi_info(&[b"sealock/v1/envelope/object", context.as_bytes()], &mut derived).unwrap();
    let object = dataset.object_key("a", Suite::Cobblestone256).unwrap();
    assert_eq!(object.context(), context.as_bytes());
    assert!(object.expose_secret_bytes().as_ref() == derived);
}
