//! The CIDs of files are those of `ipfs-unixfs-importer`, `aleph-cid` and Kubo, for sizes around every boundary; CARs are
//! read and written as by `ipfs-car`.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use bytes::Bytes;
use ipld_dagpb::{PbLink, PbNode};
use quick_protobuf::Writer;
use sealock::envelope::{DatasetRef, OwnerKey, Publication, Source, publish_objects};
use sealock::progress::quiet;
use sealock::store::unixfs::{self, Node, Profile};
use sealock::store::{Cid, Codec, MemoryStore, Store, car};
use sealock::{Account, Digest};
use serde_json::json;

#[path = "support/peers.rs"]
mod peers;
#[path = "support/stores.rs"]
mod stores;
use peers::{Peer, path};
use stores::Dropping;

/// `len` bytes, of which each 8 are their index: no two leaves are equal.
struct Numbers {
    next: u64,
    len: u64,
}

impl Numbers {
    fn new(len: u64) -> Self {
        Self { next: 0, len }
    }
}

impl Read for Numbers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min(usize::try_from(self.len - self.next).unwrap_or(usize::MAX));
        let buffer = &mut buffer[..n];
        if self.next.is_multiple_of(8) && n >= 8 {
            let whole = n / 8 * 8;
            for (word, index) in buffer[..whole].chunks_exact_mut(8).zip(self.next / 8..) {
                word.copy_from_slice(&index.to_le_bytes());
            }
            self.next += whole as u64;
            return Ok(whole);
        }
        for byte in buffer {
            *byte = (self.next / 8).to_le_bytes()[(self.next % 8) as usize];
            self.next += 1;
        }
        Ok(n)
    }
}

/// A place where a peer finds `Numbers`: a file, or a pipe for what is too large to write down.
struct Content {
    folder: tempfile::TempDir,
    len: u64,
}

const MAX_FILE_BYTES: u64 = 64 << 20;

impl Content {
    fn new(len: u64) -> Self {
        let content = Self { folder: tempfile::tempdir().unwrap(), len };
        if len <= MAX_FILE_BYTES {
            io::copy(&mut Numbers::new(len), &mut File::create(content.path()).unwrap()).unwrap();
        } else {
            assert!(Command::new("mkfifo").arg(content.path()).status().unwrap().success());
        }
        content
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("content")
    }

    /// What `peer` names it under `profile`.
    fn named_by(&self, peer: &mut Peer, profile: &str) -> String {
        if self.len > MAX_FILE_BYTES {
            // Opening waits for the peer to open its end. If the peer fails first, so does the test.
            let (pipe, len) = (self.path(), self.len);
            thread::spawn(move || io::copy(&mut Numbers::new(len), &mut OpenOptions::new().write(true).open(pipe)?));
        }
        peer.ask_text(json!({"do": "cid", "path": path(&self.path()), "profile": profile}), "cid")
    }
}

fn ours(store: &dyn Store, len: u64, profile: Profile) -> Cid {
    let added = unixfs::add(store, &mut Numbers::new(len), profile, &mut quiet()).unwrap();
    assert_eq!(added.size, len);
    added.root
}

/// Around `n` times `unit`.
fn around(unit: u64, n: u64) -> [u64; 3] {
    [n * unit - 1, n * unit, n * unit + 1]
}

/// The CIDv0 of a file of ours in the form that `ipfs add` has always written: each leaf wrapped in a UnixFS message, each
/// link a CIDv0. Kubo's CIDv0 is not another spelling of our CID, since leaves without wrapping are other blocks; but the
/// tree is the same, so that one follows from the other.
fn as_kubo_v0(store: &dyn Store, root: &Cid) -> Cid {
    fn convert(store: &dyn Store, cid: &Cid) -> (Cid, u64) {
        let block = store.get(cid).unwrap();
        let (mut data, mut links, mut below) = (Vec::new(), Vec::new(), 0);
        let mut writer = Writer::new(&mut data);
        writer.write_with_tag(0x08, |w| w.write_uint64(2)).unwrap();
        if block.codec() == Codec::Raw {
            if !block.bytes().is_empty() {
                writer.write_with_tag(0x12, |w| w.write_bytes(block.bytes())).unwrap();
            }
            writer.write_with_tag(0x18, |w| w.write_uint64(block.bytes().len() as u64)).unwrap();
        } else {
            let node = Node::decode(&block).unwrap();
            writer.write_with_tag(0x18, |w| w.write_uint64(node.size())).unwrap();
            for child in &node.children {
                writer.write_with_tag(0x20, |w| w.write_uint64(child.size)).unwrap();
                let (cid, cumulative) = convert(store, &child.cid);
                links.push(PbLink { cid, name: Some(String::new()), size: Some(cumulative) });
                below += cumulative;
            }
        }
        let bytes = PbNode { links, data: Some(Bytes::from(data)) }.into_bytes();
        let cid = Cid::new_v0(*Codec::DagPb.cid_of(&bytes).hash()).unwrap();
        (cid, below + bytes.len() as u64)
    }
    convert(store, root).0
}

#[test]
fn legacy_cids_are_those_of_the_importer_of_aleph_and_of_kubo() {
    let (mut importer, mut aleph, mut kubo) = (Peer::importer(), Peer::aleph(), Peer::kubo());
    let profile = Profile::KuboLegacy;
    let (leaf, links) = (profile.leaf_bytes() as u64, profile.links() as u64);
    let sizes = [vec![0, 1], around(leaf, 1).into(), around(leaf, 2).into(), around(leaf, links).into()].concat();
    for len in sizes {
        let store = MemoryStore::new();
        let (content, root) = (Content::new(len), ours(&store, len, profile));
        let name = root.to_string();
        assert_eq!(content.named_by(&mut importer, profile.name()), name, "{len} bytes");
        assert_eq!(content.named_by(&mut aleph, profile.name()), name, "{len} bytes");
        // Kubo's own `add` in this library writes CIDv0.
        let add = json!({"do": "add", "path": path(&content.path()), "only_hash": true});
        let v0 = kubo.ask_text(add, "cid");
        assert_eq!(as_kubo_v0(&store, &root).to_string(), v0, "{len} bytes");
        assert_eq!(content.named_by(&mut importer, "kubo-v0"), v0, "{len} bytes");
        assert_eq!(content.named_by(&mut aleph, "kubo-v0"), v0, "{len} bytes");
    }
}

#[test]
fn cids_of_the_2025_profile_are_those_of_the_importer() {
    let mut importer = Peer::importer();
    let profile = Profile::UnixfsV1_2025;
    let (leaf, links) = (profile.leaf_bytes() as u64, profile.links() as u64);
    for len in [vec![0, 1], around(leaf, 1).into(), around(leaf, 2).into(), around(leaf, links).into()].concat() {
        let root = ours(&Dropping::default(), len, profile);
        assert_eq!(Content::new(len).named_by(&mut importer, profile.name()), root.to_string(), "{len} bytes");
    }
}

#[test]
fn a_legacy_file_of_three_levels_has_the_importers_cid() {
    // Sizes that need more than 32 bits, too.
    let profile = Profile::KuboLegacy;
    let len = profile.leaf_bytes() as u64 * (profile.links() as u64).pow(2) + 1;
    let mut importer = Peer::importer();
    let theirs = importer.ask_text(json!({"do": "zeros", "size": len, "profile": profile.name()}), "cid");
    let added = unixfs::add(&Dropping::default(), &mut io::repeat(0).take(len), profile, &mut quiet()).unwrap();
    assert_eq!(added.root.to_string(), theirs);
    assert_eq!(added.blocks, 174 * 174 + 1 + 175 + 2 + 1);
}

fn imported(archive: &Path) -> (MemoryStore, Vec<Cid>) {
    let store = MemoryStore::new();
    let imported = car::import(&store, File::open(archive).unwrap(), &mut quiet()).unwrap();
    assert_eq!(imported.blocks, store.len() as u64);
    (store, imported.roots)
}

/// The CIDs of a CAR's blocks, in its order, each checked by the peer.
fn blocks(peer: &mut Peer, archive: &Path) -> Vec<String> {
    let cids = peer.ask(json!({"do": "blocks", "car": path(archive)}))["cids"].take();
    serde_json::from_value(cids).unwrap()
}

#[test]
fn ipfs_car_reads_our_cars_and_we_read_its() {
    let mut peer = Peer::car();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for len in [0, 1, 1 << 20, (3 << 20) + 5] {
        let content = Content::new(len);
        let (ours, theirs) = (at(&format!("ours-{len}")), at(&format!("theirs-{len}")));
        let store = MemoryStore::new();
        let root = self::ours(&store, len, Profile::UnixfsV1_2025);
        car::export(&store, &[root], File::create(&ours).unwrap(), &mut quiet()).unwrap();
        peer.ask(json!({"do": "pack", "path": path(&content.path()), "car": path(&theirs)}));

        // Theirs, here: the same root over the same blocks.
        let (store, roots) = imported(&theirs);
        assert_eq!(roots, [root], "{len} bytes");
        let mut bytes = Vec::new();
        unixfs::Reader::open(&store, &root).unwrap().read_to_end(&mut bytes).unwrap();
        let mut expected = Vec::new();
        Numbers::new(len).read_to_end(&mut expected).unwrap();
        assert!(bytes == expected, "{len} bytes");

        // Ours, there.
        let out = at(&format!("out-{len}"));
        assert_eq!(peer.ask(json!({"do": "roots", "car": path(&ours)})), json!({"cids": [root.to_string()]}));
        peer.ask(json!({"do": "unpack", "car": path(&ours), "path": path(&out)}));
        assert!(std::fs::read(out).unwrap() == expected, "{len} bytes");

        // It writes leaves before the nodes over them, since it cuts while it writes; we write nodes first, as `ipfs dag
        // export` does. The sections are the same.
        let (mut here, mut there) = (blocks(&mut peer, &ours), blocks(&mut peer, &theirs));
        assert_eq!(here[0], root.to_string());
        assert_eq!(there.last(), here.first());
        let [ours, theirs] = [&ours, &theirs].map(|file| std::fs::read(file).unwrap());
        if here.len() == 1 {
            assert!(ours == theirs, "{len} bytes");
        }
        assert_eq!(ours.len(), theirs.len());
        here.sort();
        there.sort();
        assert_eq!(here, there, "{len} bytes");
    }
}

#[test]
fn ipfs_car_reads_the_car_of_a_dataset() {
    let (mut peer, folder, store) = (Peer::car(), tempfile::tempdir().unwrap(), MemoryStore::new());
    let owner = Account::generate();
    let of = DatasetRef { dataset: Digest::sha256(b"dataset"), epoch: 0 };
    let mut plain = io::Cursor::new(vec![7; 3 << 20]);
    let objects = &mut [Source { id: "object".into(), reader: &mut plain }];
    let publication = Publication::default();
    let manifest =
        publish_objects(&store, &owner, &OwnerKey::generate(), of, objects, &publication, &mut quiet()).unwrap();
    let (archive, out) = (folder.path().join("dataset.car"), folder.path().join("object"));
    car::export(&store, &[*manifest.cid()], File::create(&archive).unwrap(), &mut quiet()).unwrap();
    // The manifest is DAG-CBOR, and links to what it describes.
    let cids = blocks(&mut peer, &archive);
    assert_eq!((cids.len(), &cids[0]), (store.len(), &manifest.cid().to_string()));
    let root = manifest.object("object").unwrap().root;
    let command = json!({"do": "unpack", "car": path(&archive), "path": path(&out), "root": root.to_string()});
    peer.ask(command);
    let mut sealed = Vec::new();
    unixfs::Reader::open(&store, &root).unwrap().read_to_end(&mut sealed).unwrap();
    assert!(std::fs::read(out).unwrap() == sealed);
}
