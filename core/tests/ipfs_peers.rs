//! The embedded node and other implementations of IPFS, over loopback: bitswap in both directions.
#![cfg(feature = "ipfs")]

#[path = "support/store_conformance.rs"]
#[allow(dead_code, reason = "for its data")]
mod conformance;
#[path = "support/peers.rs"]
mod peers;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use conformance::data;
use peers::Peer;
use sealock::progress::quiet;
use sealock::store::unixfs::{self, Profile, Reader};
use sealock::store::{Cid, IpfsConfig, IpfsStore, Store};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::tempdir;

const PROFILES: [Profile; 2] = [Profile::UnixfsV1_2025, Profile::KuboLegacy];

fn node(path: &Path) -> IpfsStore {
    IpfsStore::open(path, &IpfsConfig::new().block_timeout(Duration::from_secs(60))).unwrap()
}

fn address(node: &IpfsStore, transport: &str) -> String {
    node.addresses().unwrap().into_iter().find(|a| a.split('/').any(|part| part == transport)).unwrap()
}

fn add(store: &dyn Store, bytes: &[u8], profile: Profile) -> Cid {
    let _adding = store.adding().unwrap();
    let root = unixfs::add(store, &mut &bytes[..], profile, &mut quiet()).unwrap().root;
    store.pin(&root).unwrap();
    root
}

/// Fetches and pins a whole file, and reads it.
fn take(store: &IpfsStore, root: &Cid) -> Vec<u8> {
    let _adding = store.adding().unwrap();
    store.fetch(root, &mut quiet()).unwrap();
    store.pin(root).unwrap();
    let mut bytes = Vec::new();
    Reader::open(store.disk(), root).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

/// What a peer says of a file with these bytes.
fn file(bytes: &[u8]) -> serde_json::Value {
    json!({"size": bytes.len(), "sha256": hex::encode(Sha256::digest(bytes))})
}

/// Gives a peer a file from a node that then stops, and takes it from the peer with another: blocks go both ways.
fn there_and_back(peer: &mut Peer, transport: &str, profile: Profile, peer_dials: bool) {
    let folder = tempdir().unwrap();
    let bytes = data(3_500_000, 7 + u64::from(peer_dials));
    let connect = |peer: &mut Peer, node: &IpfsStore| {
        if peer_dials {
            peer.ask(json!({"do": "connect", "addr": address(node, transport)}));
        } else {
            node.connect(peer.addr(transport)).unwrap();
        }
    };
    let here = node(&folder.path().join("here"));
    let root = add(&here, &bytes, profile);
    connect(peer, &here);
    let cid = root.to_string();
    assert_eq!(peer.ask(json!({"do": "get", "cid": cid})), file(&bytes));
    peer.ask(json!({"do": "pin", "cid": cid}));
    drop(here);

    let back = node(&folder.path().join("back"));
    connect(peer, &back);
    assert_eq!(take(&back, &root), bytes);
}

#[test]
fn kubo_and_the_node_exchange_blocks_over_tcp_and_quic() {
    let mut kubo = Peer::kubo();
    for (transport, profile) in [("tcp", PROFILES[0]), ("quic-v1", PROFILES[1])] {
        for peer_dials in [false, true] {
            there_and_back(&mut kubo, transport, profile, peer_dials);
        }
    }
}

#[test]
fn helia_and_the_node_exchange_blocks_over_tcp() {
    let mut helia = Peer::helia();
    for (profile, peer_dials) in [(PROFILES[0], false), (PROFILES[1], true)] {
        there_and_back(&mut helia, "tcp", profile, peer_dials);
    }
    // What Helia added itself has the name that we would give it, and comes block by block.
    let folder = tempdir().unwrap();
    let bytes = data(2_345_678, 9);
    let path = folder.path().join("file");
    std::fs::write(&path, &bytes).unwrap();
    let here = node(&folder.path().join("here"));
    here.connect(helia.addr("tcp")).unwrap();
    for profile in PROFILES {
        let add_there = json!({"do": "add", "path": peers::path(&path), "profile": profile.name()});
        let root: Cid = helia.ask_text(add_there, "cid").parse().unwrap();
        assert_eq!(take(&here, &root), bytes);
        assert_eq!(add(&here, &bytes, profile), root);
    }
}
