//! A peer that never ends a message. By itself, since it looks at the memory of the process.
#![cfg(feature = "ipfs")]

#[path = "support/store_conformance.rs"]
mod conformance;
#[path = "support/peers.rs"]
mod peers;

use std::time::Duration;

use conformance::data;
use peers::Peer;
use sealock::store::{Block, Codec, IpfsConfig, IpfsStore, Store};
use serde_json::json;

#[test]
fn a_peer_that_ends_no_message_does_not_fill_the_memory() {
    let mut flooder = Peer::helia();
    let folder = tempfile::tempdir().unwrap();
    let here = IpfsStore::open(folder.path(), &IpfsConfig::new()).unwrap();
    let before = resident_mib();
    // 30 messages of almost 4 MiB: each within the limit, and as many streams as one may have. Over QUIC, since yamux
    // would end the connection.
    let address = here.addresses().unwrap().into_iter().find(|address| address.contains("/quic-v1")).unwrap();
    flooder.ask(json!({"do": "flood", "addr": address, "streams": 30}));
    std::thread::sleep(Duration::from_secs(1));
    let grown = resident_mib().saturating_sub(before);
    assert!(grown < 60, "{grown} MiB");
    // And the same peer, come to its senses, is served.
    let block = Block::new(Codec::Raw, data(100_000, 1)).unwrap();
    here.put(&block).unwrap();
    let size = flooder.ask(json!({"do": "block", "cid": block.cid().to_string()}))["size"].take();
    assert_eq!(size, 100_000);
}

/// What the process has in memory.
fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}
