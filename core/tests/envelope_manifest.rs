//! Manifests, and publishing from end to end.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::ControlFlow;

use proptest::prelude::*;
use sealock::codec::{CodecError, to_canonical};
use sealock::envelope::{
    DatasetRef, EnvelopeError, Journal, MAX_MANIFEST_BYTES, MAX_OBJECTS, Manifest, ManifestBody, OwnerKey, Publication,
    RecipientKey, Source, Suite, open_object, open_sensitive, publish_objects,
};
use sealock::error::{Classify, ErrorKind};
use sealock::store::unixfs::Profile;
use sealock::store::{Block, DiskStore, MemoryStore, Store, StoreError};
use sealock::{Account, Digest};
use serde::Serialize;

struct Owner {
    account: Account,
    key: OwnerKey,
    of: DatasetRef,
}

impl Owner {
    fn new() -> Self {
        let of = DatasetRef { dataset: Digest::sha256(b"dataset"), epoch: 1 };
        Self { account: Account::generate(), key: OwnerKey::generate(), of }
    }

    fn publish(
        &self,
        store: &dyn Store,
        objects: &[(&str, &[u8])],
        what: &Publication,
    ) -> Result<Manifest, EnvelopeError> {
        self.publish_with(store, objects, what, &mut |_| ControlFlow::Continue(()))
    }

    fn publish_with(
        &self,
        store: &dyn Store,
        objects: &[(&str, &[u8])],
        what: &Publication,
        progress: &mut sealock::progress::Progress,
    ) -> Result<Manifest, EnvelopeError> {
        let mut readers: Vec<Cursor<&[u8]>> = objects.iter().map(|(_, bytes)| Cursor::new(*bytes)).collect();
        let mut sources: Vec<Source> =
            objects.iter().zip(&mut readers).map(|((id, _), reader)| Source { id: (*id).into(), reader }).collect();
        publish_objects(store, &self.account, &self.key, self.of, &mut sources, what, progress)
    }
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 7 * 31 + i) as u8).collect()
}

fn read(store: &dyn Store, owner: &Owner, manifest: &Manifest, id: &str) -> Vec<u8> {
    let key = manifest.unwrap_key(&owner.key).unwrap();
    let mut out = Vec::new();
    open_object(store, manifest, &key, id).unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn what_the_owner_publishes_the_owner_and_the_recipients_read() {
    let (owner, alice, eve) = (Owner::new(), RecipientKey::generate(), RecipientKey::generate());
    let root = tempfile::tempdir().unwrap();
    let store = DiskStore::open(root.path()).unwrap();
    let objects = [("ages", data(3_000_000)), ("empty", vec![]), ("zips", data(16 << 10))];
    let objects: Vec<(&str, &[u8])> = objects.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
    for (profile, suite) in
        [(Profile::UnixfsV1_2025, Suite::Cobblestone256), (Profile::KuboLegacy, Suite::Cobblestone256Padme)]
    {
        let what = Publication {
            sensitive: b"schema: age, zip",
            suite,
            profile,
            recipients: &[alice.public()],
            ..Publication::default()
        };
        let published = owner.publish(&store, &objects, &what).unwrap();
        assert!(store.is_pinned(published.cid()).unwrap());
        store.gc().unwrap();

        // From the CID and the owner's address alone.
        let block = store.get(published.cid()).unwrap();
        let manifest = Manifest::decode(block.bytes(), owner.account.address()).unwrap();
        assert_eq!(manifest, published);
        let leaked = block.bytes().windows(6).any(|w| w == b"schema");
        assert!(!leaked, "the sensitive part is not in the clear");
        for (id, bytes) in &objects {
            assert!(read(&store, &owner, &manifest, id) == *bytes, "{id}");
        }
        let key = manifest.unwrap_key_for(&alice).unwrap();
        assert_eq!(open_sensitive(&manifest, &key).unwrap(), b"schema: age, zip");
        let mut reader = open_object(&store, &manifest, &key, "ages").unwrap();
        let mut part = [0; 100];
        reader.seek(SeekFrom::Start(2_000_000)).unwrap();
        reader.read_exact(&mut part).unwrap();
        assert_eq!(part, data(3_000_000)[2_000_000..][..100]);

        assert!(matches!(manifest.unwrap_key_for(&eve), Err(EnvelopeError::NotARecipient)));
        assert!(matches!(manifest.unwrap_key(&OwnerKey::generate()), Err(EnvelopeError::WrongKey)));
        assert!(matches!(open_object(&store, &manifest, &key, "wages"), Err(EnvelopeError::UnknownObject { .. })));
    }
}

#[test]
fn a_recipient_is_added_by_the_manifest_alone() {
    let (owner, bob, store) = (Owner::new(), RecipientKey::generate(), MemoryStore::new());
    let bytes = data(100_000);
    let first = owner.publish(&store, &[("a", &bytes)], &Publication::default()).unwrap();
    let blocks = store.len();
    let mut body = first.body().clone();
    body.recipients.push(bob.public().wrap(&first.unwrap_key(&owner.key).unwrap()).unwrap());
    body.previous = Some(serde_bytes::ByteBuf::from(first.cid().to_bytes()));
    let second = Manifest::sign(&owner.account, body).unwrap();
    store.put(second.block()).unwrap();
    store.pin(second.cid()).unwrap();
    assert_eq!(store.len(), blocks + 1);
    assert_eq!(second.body().previous().unwrap(), Some(*first.cid()));
    let mut out = Vec::new();
    open_object(&store, &second, &second.unwrap_key_for(&bob).unwrap(), "a").unwrap().read_to_end(&mut out).unwrap();
    assert!(out == bytes);
    // The link to the past is weak: the old manifest can go.
    store.unpin(first.cid()).unwrap();
    assert_eq!(store.gc().unwrap().blocks, 1);
}

#[test]
fn a_new_epoch_shares_nothing_with_the_old_one() {
    let (mut owner, store) = (Owner::new(), MemoryStore::new());
    let bytes = data(100_000);
    let first = owner.publish(&store, &[("a", &bytes)], &Publication::default()).unwrap();
    let old_key = first.unwrap_key(&owner.key).unwrap();
    owner.of.epoch = 2;
    let what = Publication { previous: Some(*first.cid()), ..Publication::default() };
    let second = owner.publish(&store, &[("a", &bytes)], &what).unwrap();
    assert_ne!(first.object("a").unwrap().root, second.object("a").unwrap().root);
    assert!(matches!(open_object(&store, &second, &old_key, "a"), Err(EnvelopeError::WrongKey)));
    assert!(matches!(open_sensitive(&second, &old_key), Err(EnvelopeError::WrongKey)));
}

fn small() -> (Owner, MemoryStore, Manifest) {
    let (owner, store) = (Owner::new(), MemoryStore::new());
    let what =
        Publication { sensitive: b"s", recipients: &[RecipientKey::generate().public()], ..Publication::default() };
    let manifest = owner.publish(&store, &[("a", b"abc"), ("b", b"")], &what).unwrap();
    (owner, store, manifest)
}

#[test]
fn truncated_extended_flipped_and_oversized_manifests_are_refused() {
    let (owner, _, manifest) = small();
    let (bytes, address) = (manifest.block().bytes().to_vec(), owner.account.address());
    Manifest::decode(&bytes, address).unwrap();
    for end in 0..bytes.len() {
        assert_eq!(Manifest::decode(&bytes[..end], address).unwrap_err().kind(), ErrorKind::Malformed, "cut at {end}");
    }
    let long = [&bytes[..], &[0]].concat();
    assert_eq!(Manifest::decode(&long, address).unwrap_err().kind(), ErrorKind::Malformed);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let kind = Manifest::decode(&flipped, address).unwrap_err().kind();
        let expected = [ErrorKind::Malformed, ErrorKind::BadSignature, ErrorKind::UnsupportedVersion];
        assert!(expected.contains(&kind), "bit {bit}: {kind}");
    }
    let huge = vec![0; MAX_MANIFEST_BYTES + 1];
    assert_eq!(Manifest::decode(&huge, address).unwrap_err().kind(), ErrorKind::TooLarge);
    let nested = vec![0x81; MAX_MANIFEST_BYTES];
    assert_eq!(Manifest::decode(&nested, address).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn only_the_expected_owner_signs() {
    let (owner, _, manifest) = small();
    let mallory = Account::generate();
    let error = Manifest::decode(manifest.block().bytes(), mallory.address()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadSignature);
    // Mallory cannot sign in the owner's name, nor pass off the owner's manifest as his own.
    let error = Manifest::sign(&mallory, manifest.body().clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidManifest);
    let mut body = manifest.body().clone();
    body.owner = mallory.address();
    let stolen = Manifest::sign(&mallory, body).unwrap();
    assert_eq!(
        Manifest::decode(stolen.block().bytes(), owner.account.address()).unwrap_err().kind(),
        ErrorKind::BadSignature
    );
}

/// Signs whatever it is given, as an owner's broken software would.
fn sign_unchecked(account: &Account, body: &ManifestBody) -> Vec<u8> {
    #[derive(Serialize)]
    struct Signed<'a> {
        body: &'a ManifestBody,
        signature: sealock::Signature,
    }
    let digest = Digest::of("sealock/v1/manifest", &[&to_canonical("manifest", body).unwrap()]);
    to_canonical("manifest", &Signed { body, signature: account.sign(&digest).unwrap() }).unwrap()
}

#[test]
fn a_signed_manifest_that_makes_no_sense_is_refused() {
    let (owner, _, manifest) = small();
    let address = owner.account.address();
    assert!(sign_unchecked(&owner.account, manifest.body()) == **manifest.block().bytes());
    type Change = fn(&mut ManifestBody);
    let changes: [(Change, ErrorKind); 9] = [
        (|b| b.version = 2, ErrorKind::UnsupportedVersion),
        (|b| b.objects[1].id = b.objects[0].id.clone(), ErrorKind::InvalidManifest),
        (|b| b.objects[1].id = String::new(), ErrorKind::InvalidArgument),
        (|b| b.objects[0].suite = 9, ErrorKind::UnsupportedVersion),
        (|b| b.objects[0].sealed = 71, ErrorKind::InvalidManifest),
        (
            |b| b.objects[0].root = Block::new(sealock::store::Codec::DagCbor, vec![0]).unwrap().cid().to_owned(),
            ErrorKind::InvalidManifest,
        ),
        (|b| b.recipients.push(b.recipients[0]), ErrorKind::InvalidManifest),
        (|b| b.previous = Some(serde_bytes::ByteBuf::from(vec![1, 0x71])), ErrorKind::InvalidManifest),
        (
            |b| b.previous = Some(serde_bytes::ByteBuf::from([b.objects[0].root.to_bytes(), vec![0]].concat())),
            ErrorKind::InvalidManifest,
        ),
    ];
    for (i, (change, kind)) in changes.into_iter().enumerate() {
        let mut body = manifest.body().clone();
        change(&mut body);
        let error = Manifest::decode(&sign_unchecked(&owner.account, &body), address).unwrap_err();
        assert_eq!(error.kind(), kind, "change {i}: {error}");
        assert_eq!(Manifest::sign(&owner.account, body).unwrap_err().kind(), kind, "change {i}");
    }
    let mut body = manifest.body().clone();
    body.objects = (0..=MAX_OBJECTS)
        .map(|i| sealock::envelope::ObjectEntry { id: i.to_string(), ..body.objects[0].clone() })
        .collect();
    let error = Manifest::decode(&sign_unchecked(&owner.account, &body), address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidManifest, "{error}");
    // A field too many.
    let mut extra: BTreeMap<String, ipld_core::ipld::Ipld> =
        serde_ipld_dagcbor::from_slice(manifest.block().bytes()).unwrap();
    extra.insert("zzz".into(), ipld_core::ipld::Ipld::Null);
    let bytes = serde_ipld_dagcbor::to_vec(&extra).unwrap();
    assert!(matches!(Manifest::decode(&bytes, address), Err(EnvelopeError::Codec(CodecError::Malformed { .. }))));
}

#[test]
fn an_object_exchanged_in_the_store_is_found() {
    let (owner, store, manifest) = small();
    let key = manifest.unwrap_key(&owner.key).unwrap();
    // The owner's own objects, exchanged under a valid signature: the context tells them apart.
    let mut body = manifest.body().clone();
    let (a, b) = (body.objects[0].clone(), body.objects[1].clone());
    (body.objects[0].root, body.objects[0].sealed) = (b.root, b.sealed);
    let swapped = Manifest::sign(&owner.account, body.clone()).unwrap();
    assert!(matches!(open_object(&store, &swapped, &key, "a"), Err(EnvelopeError::WrongKey)));
    body.objects[0].root = a.root;
    let lied = Manifest::sign(&owner.account, body).unwrap();
    assert!(matches!(open_object(&store, &lied, &key, "a"), Err(EnvelopeError::InvalidManifest { .. })));
}

#[test]
fn a_failed_publication_leaves_nothing_pinned() {
    let (owner, store, bytes) = (Owner::new(), MemoryStore::new(), data(100_000));
    let twice = owner.publish(&store, &[("a", &bytes), ("a", &bytes)], &Publication::default());
    assert!(matches!(twice, Err(EnvelopeError::InvalidManifest { .. })));
    let unnamed = owner.publish(&store, &[("", &bytes)], &Publication::default());
    assert!(matches!(unnamed, Err(EnvelopeError::InvalidObjectId { .. })));
    assert!(store.is_empty(), "found before anything was sealed");
    let cancelled =
        owner.publish_with(&store, &[("a", &bytes)], &Publication::default(), &mut |_| ControlFlow::Break(()));
    assert!(matches!(cancelled, Err(EnvelopeError::Cancelled)));
    assert!(store.pins().unwrap().is_empty());
    store.gc().unwrap();
    assert!(store.is_empty());
}

#[test]
fn an_interrupted_publication_resumes_and_seals_what_changed_anew() {
    let (owner, store, folder) = (Owner::new(), MemoryStore::new(), tempfile::tempdir().unwrap());
    let journal = Journal::at(folder.path().join("journal"));
    let what = Publication { journal: Some(&journal), ..Publication::default() };
    let (a, b, c) = (data(300_000), data(200_000), data(100_000));
    let objects: [(&str, &[u8]); 3] = [("a", &a), ("b", &b), ("c", &c)];
    // Cancelled while the third object is stored.
    let mut calls = 0;
    let mut stop = |_| {
        calls += 1;
        if calls == 4 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let interrupted = owner.publish_with(&store, &objects, &what, &mut stop);
    assert!(matches!(interrupted, Err(EnvelopeError::Cancelled)));
    let finished = store.pins().unwrap();
    assert_eq!(finished.len(), 2, "what is finished is kept");
    store.gc().unwrap();

    let changed = [b"changed".as_slice(), &b].concat();
    let resumed: [(&str, &[u8]); 3] = [("a", &a), ("b", &changed), ("c", &c)];
    let mut steps = Vec::new();
    let manifest = owner
        .publish_with(&store, &resumed, &what, &mut |step| {
            steps.push(step);
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(steps.len(), 4, "the start, one object that was there, two that were sealed");
    assert!(steps.iter().all(|step| step.total == steps[3].total) && steps[3].total == Some(steps[3].done));
    assert_eq!((steps[1].eta, steps[3].eta), (None, Some(std::time::Duration::ZERO)));
    assert!(finished.contains(&manifest.object("a").unwrap().root));
    assert!(!finished.contains(&manifest.object("b").unwrap().root));
    for (id, bytes) in resumed {
        assert!(read(&store, &owner, &manifest, id) == bytes, "{id}");
    }
    assert_eq!(store.pins().unwrap(), [*manifest.cid()], "the journal's own pins are gone");
    assert!(folder.path().read_dir().unwrap().next().is_none(), "and so is the journal");
}

#[test]
fn a_damaged_or_foreign_journal_is_refused() {
    let (mut owner, store, folder) = (Owner::new(), MemoryStore::new(), tempfile::tempdir().unwrap());
    let path = folder.path().join("journal");
    let journal = Journal::at(&path);
    let what = Publication { journal: Some(&journal), ..Publication::default() };
    let mut calls = 0;
    let mut stop = |_| {
        calls += 1;
        if calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    owner.publish_with(&store, &[("a", b"1"), ("b", b"2")], &what, &mut stop).unwrap_err();
    let good = std::fs::read(&path).unwrap();
    for bad in [&good[..good.len() - 1], &[&good[..], &[0]].concat(), b"", &vec![0; (4 << 20) + 1]] {
        std::fs::write(&path, bad).unwrap();
        let error = owner.publish(&store, &[("a", b"1")], &what).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::TooLarge), "{error}");
    }
    std::fs::write(&path, &good).unwrap();
    let other = Owner { key: OwnerKey::generate(), account: Account::generate(), of: owner.of };
    assert!(matches!(other.publish(&store, &[("a", b"1")], &what), Err(EnvelopeError::WrongKey)));
    owner.of.epoch = 2;
    assert_eq!(owner.publish(&store, &[("a", b"1")], &what).unwrap_err().kind(), ErrorKind::Malformed);
    assert!(path.exists(), "nothing was lost");
}

#[test]
fn a_damaged_block_in_the_store_is_told() {
    let (owner, folder) = (Owner::new(), tempfile::tempdir().unwrap());
    let store = DiskStore::open(folder.path()).unwrap();
    let bytes = data(3_000_000);
    let manifest = owner.publish(&store, &[("a", &bytes)], &Publication::default()).unwrap();
    let key = manifest.unwrap_key(&owner.key).unwrap();
    let root = manifest.object("a").unwrap().root;
    let node = sealock::store::unixfs::Node::decode(&store.get(&root).unwrap()).unwrap();
    let name = node.children[1].cid.to_string();
    let path =
        folder.path().join("blockstore").join(&name[name.len() - 3..name.len() - 1]).join(format!("{name}.data"));
    let mut leaf = std::fs::read(&path).unwrap();
    leaf[500_000] ^= 1;
    std::fs::write(&path, leaf).unwrap();
    let mut reader = open_object(&store, &manifest, &key, "a").unwrap();
    let mut out = Vec::new();
    let error: StoreError = reader.read_to_end(&mut out).unwrap_err().downcast().unwrap();
    assert!(matches!(error, StoreError::CidMismatch { .. }));
    assert!(bytes.starts_with(&out));
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_no_manifest(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Manifest::decode(&bytes, sealock::Address::ZERO).is_err());
    }
}
