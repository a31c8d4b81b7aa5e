//! The embedded IPFS node: the store's suite, and what is particular to a node.
#![cfg(feature = "ipfs")]

#[path = "support/store_conformance.rs"]
mod conformance;

use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use conformance::data;
use sealock::ErrorKind;
use sealock::error::Classify;
use sealock::progress::{Stage, quiet};
use sealock::store::unixfs::{self, Profile, Reader};
use sealock::store::{Block, Cid, Codec, DiskStore, IpfsConfig, IpfsStore, Store, StoreError, dag};
use tempfile::tempdir;

/// More than any step takes here; a test that waits for it has failed.
const LONG: Duration = Duration::from_secs(60);

fn node(path: &Path) -> IpfsStore {
    IpfsStore::open(path, &IpfsConfig::new().block_timeout(LONG)).unwrap()
}

fn over(transport: &str, node: &IpfsStore) -> String {
    node.addresses().unwrap().into_iter().find(|address| address.contains(transport)).unwrap()
}

fn add(store: &dyn Store, bytes: &[u8], profile: Profile) -> Cid {
    let _adding = store.adding().unwrap();
    let root = unixfs::add(store, &mut &bytes[..], profile, &mut quiet()).unwrap().root;
    store.pin(&root).unwrap();
    root
}

fn read(store: &dyn Store, root: &Cid) -> Vec<u8> {
    let mut bytes = Vec::new();
    Reader::open(store, root).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

fn raw(bytes: &[u8]) -> Block {
    Block::new(Codec::Raw, bytes.to_vec()).unwrap()
}

#[test]
fn the_embedded_node_is_a_store() {
    let root = tempdir().unwrap();
    let next = std::cell::Cell::new(0);
    conformance::run(|| {
        next.set(next.get() + 1);
        IpfsStore::open(root.path().join(next.get().to_string()), &IpfsConfig::new()).unwrap()
    });
}

#[test]
fn nodes_fetch_from_each_other_over_tcp_and_quic_and_keep_what_they_fetched() {
    for (transport, profile) in [("/tcp/", Profile::UnixfsV1_2025), ("/quic-v1", Profile::KuboLegacy)] {
        let folder = tempdir().unwrap();
        let (here, there) = (node(&folder.path().join("here")), node(&folder.path().join("there")));
        let bytes = data(9_000_000, 1);
        let root = add(&there, &bytes, profile);
        here.connect(&over(transport, &there)).unwrap();
        assert_eq!(here.peers().unwrap(), [there.peer_id()]);

        assert!(!here.has(&root).unwrap());
        let mut told = Vec::new();
        here.fetch(&root, &mut |step| {
            told.push(step);
            ControlFlow::Continue(())
        })
        .unwrap();
        let last = told.last().unwrap();
        assert!(told.iter().all(|step| step.stage == Stage::Fetch) && Some(last.done) == last.total, "{last:?}");
        here.pin(&root).unwrap();
        drop(there);
        assert_eq!(read(&here, &root), bytes);

        // And back again, block by block as they are read, from a node that has only ever fetched them.
        let third = node(&folder.path().join("third"));
        third.connect(&over(transport, &here)).unwrap();
        assert_eq!(read(&third, &root), bytes);
        drop((here, third));
        // The node wrote what the disk store reads: all of it is there without a network.
        for name in ["here", "third"] {
            let disk = DiskStore::open(folder.path().join(name)).unwrap();
            dag::check_complete(&disk, &root).unwrap();
            assert_eq!(read(&disk, &root), bytes, "{name}");
        }
    }
}

#[test]
fn a_node_keeps_its_identity_and_its_folder_to_itself() {
    let folder = tempdir().unwrap();
    let first = node(folder.path());
    let id = first.peer_id();
    let block = raw(b"kept");
    first.put(&block).unwrap();
    first.pin(block.cid()).unwrap();
    let second = IpfsStore::open(folder.path(), &IpfsConfig::new()).unwrap_err();
    assert!(matches!(second, StoreError::InUse { .. }) && second.kind() == ErrorKind::Locked, "{second}");
    let clone = first.clone();
    drop(first);
    assert_eq!(clone.get(block.cid()).unwrap(), block, "a clone is the same node");
    drop(clone);

    let again = node(folder.path());
    assert_eq!(again.peer_id(), id);
    assert_eq!(again.pins().unwrap(), [*block.cid()]);
    drop(again);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(folder.path().join("identity")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    fs::write(folder.path().join("identity"), b"no key").unwrap();
    let damaged = IpfsStore::open(folder.path(), &IpfsConfig::new()).unwrap_err();
    assert_eq!(damaged.kind(), ErrorKind::CorruptState, "{damaged}");
}

#[test]
fn a_disk_store_becomes_a_node() {
    let folder = tempdir().unwrap();
    let bytes = data(3_000_000, 2);
    let root = add(&DiskStore::open(folder.path().join("old")).unwrap(), &bytes, Profile::UnixfsV1_2025);
    let (old, new) = (node(&folder.path().join("old")), node(&folder.path().join("new")));
    new.connect(&over("/tcp/", &old)).unwrap();
    assert_eq!(read(&new, &root), bytes);
}

#[test]
fn nobody_is_dialled_and_only_loopback_listens() {
    let folder = tempdir().unwrap();
    let lonely = node(folder.path());
    assert!(lonely.peers().unwrap().is_empty());
    let addresses = lonely.addresses().unwrap();
    assert_eq!(addresses.len(), 2);
    assert!(
        addresses.iter().all(|a| a.starts_with("/ip4/127.0.0.1/") && a.ends_with(&lonely.peer_id())),
        "{addresses:?}"
    );
    let silent =
        IpfsStore::open(folder.path().join("silent"), &IpfsConfig::new().listen(Vec::<String>::new())).unwrap();
    assert!(silent.addresses().unwrap().is_empty());
}

#[test]
fn a_block_that_nobody_has_is_an_error_and_no_wait_without_end() {
    let folder = tempdir().unwrap();
    let config = IpfsConfig::new().block_timeout(Duration::from_millis(300));
    let here = IpfsStore::open(folder.path().join("here"), &config).unwrap();
    let there = node(&folder.path().join("there"));
    let absent = *raw(b"absent").cid();
    // Nobody to ask.
    assert!(matches!(here.get(&absent), Err(StoreError::NotFound { .. })));
    here.connect(&over("/tcp/", &there)).unwrap();
    let error = here.get(&absent).unwrap_err();
    assert!(
        matches!(&error, StoreError::Timeout { cid, asked, .. } if *cid == absent && asked.contains("1 peer")),
        "{error}"
    );
    assert_eq!(error.kind(), ErrorKind::Timeout);
    // A graph that is not whole anywhere: what arrived stays, and nothing is pinned.
    let root = add(&there, &data(3_000_000, 3), Profile::UnixfsV1_2025);
    let leaf = dag::links(&there.get(&root).unwrap()).unwrap()[1];
    there.unpin(&root).unwrap();
    remove(&folder.path().join("there"), &leaf);
    let error = here.fetch(&root, &mut quiet()).unwrap_err();
    assert!(matches!(error, StoreError::Timeout { cid, .. } if cid == leaf), "{error}");
    assert!(here.has(&root).unwrap());
    assert!(matches!(here.pin(&root), Err(StoreError::NotFound { cid }) if cid == leaf));
}

/// Deletes a block's file.
fn remove(root: &Path, cid: &Cid) {
    let name = cid.to_string();
    fs::remove_file(root.join("blockstore").join(&name[name.len() - 3..name.len() - 1]).join(name + ".data")).unwrap();
}

#[test]
fn a_fetch_can_be_cancelled_and_goes_on_where_it_was() {
    let folder = tempdir().unwrap();
    let (here, there) = (node(&folder.path().join("here")), node(&folder.path().join("there")));
    let bytes = data(40 << 20, 4);
    let root = add(&there, &bytes, Profile::KuboLegacy);
    here.connect(&over("/tcp/", &there)).unwrap();
    let stopped = here.fetch(&root, &mut |step| {
        if step.done > 5 << 20 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(StoreError::Cancelled)));
    let arrived = dag::links(&here.get(&root).unwrap()).unwrap();
    let arrived = arrived.iter().filter(|cid| here.has(cid).unwrap()).count();
    assert!(arrived > 10 && arrived < 150, "{arrived}");
    here.fetch(&root, &mut quiet()).unwrap();
    here.pin(&root).unwrap();
    assert_eq!(read(&here, &root), bytes);
}

#[test]
fn a_damaged_block_is_fetched_again() {
    let folder = tempdir().unwrap();
    let (here, there) = (node(&folder.path().join("here")), node(&folder.path().join("there")));
    let block = raw(&data(10_000, 5));
    there.put(&block).unwrap();
    here.put(&block).unwrap();
    here.connect(&over("/quic-v1", &there)).unwrap();
    let name = block.cid().to_string();
    let file = folder.path().join("here/blockstore").join(&name[name.len() - 3..name.len() - 1]).join(name + ".data");
    for bad in [&b"short"[..], &data(10_000, 6)] {
        fs::write(&file, bad).unwrap();
        assert_eq!(here.get(block.cid()).unwrap(), block);
        assert_eq!(fs::read(&file).unwrap(), **block.bytes(), "and kept");
    }
}

#[test]
fn addresses_are_checked_and_peers_are_who_they_say() {
    let folder = tempdir().unwrap();
    let here = node(&folder.path().join("here"));
    for bad in ["", "127.0.0.1:4001", "/ip4/127.0.0.1/tcp/99999", "/ip4/127.0.0.1/tcp/1/p2p/nobody"] {
        let error = here.connect(bad).unwrap_err();
        assert!(matches!(error, StoreError::InvalidAddress { .. }), "{bad}: {error}");
        assert!(error.hint().is_some());
    }
    let config = IpfsConfig::new().bootstrap(["/ip4/127.0.0.1/tcp/1"]);
    let error = IpfsStore::open(folder.path().join("x"), &config).unwrap_err();
    assert!(matches!(error, StoreError::InvalidAddress { .. }), "{error}");
    assert!(!folder.path().join("x").exists(), "nothing is made for a configuration that cannot be");
    // Nor is it looked for a node that runs there already.
    let error = IpfsStore::open(folder.path().join("here"), &config).unwrap_err();
    assert!(matches!(error, StoreError::InvalidAddress { .. }), "{error}");
    // Nobody listens on port 1.
    let error = here.connect("/ip4/127.0.0.1/tcp/1").unwrap_err();
    assert!(matches!(error, StoreError::Unreachable { .. }) && error.kind() == ErrorKind::Unreachable, "{error}");
    // Somebody else listens where the peer is said to be.
    let (there, other) = (node(&folder.path().join("there")), node(&folder.path().join("other")));
    let impostor = over("/tcp/", &there).replace(&there.peer_id(), &other.peer_id());
    assert!(matches!(here.connect(&impostor), Err(StoreError::Unreachable { .. })));
    assert!(here.peers().unwrap().is_empty());
    // An address that is taken. (Nodes set SO_REUSEPORT, and so do not take it from each other.)
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    let error = IpfsStore::open(folder.path().join("y"), &IpfsConfig::new().listen([taken])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error}");
}

#[test]
fn providers_are_found_through_a_third_node() {
    let folder = tempdir().unwrap();
    let open = |name: &str, bootstrap: Vec<String>| {
        let config = IpfsConfig::new().dht(true).bootstrap(bootstrap).block_timeout(LONG);
        IpfsStore::open(folder.path().join(name), &config).unwrap()
    };
    let meeting = open("meeting", vec![]);
    let known = vec![over("/tcp/", &meeting)];
    let (owner, reader) = (open("owner", known.clone()), open("reader", known));
    let block = raw(&data(1000, 7));
    owner.put(&block).unwrap();
    let deadline = Instant::now() + LONG;
    // Nodes tell each other their protocols first.
    while let Err(error) = owner.provide(block.cid()) {
        assert!(Instant::now() < deadline, "{error}");
        std::thread::sleep(Duration::from_millis(50));
    }
    while reader.find_providers(block.cid()).unwrap() != [owner.peer_id()] {
        assert!(Instant::now() < deadline, "not found");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(reader.get(block.cid()).unwrap(), block, "the reader was never told where the owner is");
    assert!(matches!(owner.provide(raw(b"absent").cid()), Err(StoreError::NotFound { .. })));

    let without = node(&folder.path().join("without"));
    without.put(&block).unwrap();
    assert!(matches!(without.provide(block.cid()), Err(StoreError::NoDht)));
    assert!(matches!(without.find_providers(block.cid()), Err(StoreError::NoDht)));
}

#[test]
fn a_node_works_on_a_thread_that_runs_tasks_of_somebody_elses() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let folder = tempdir().unwrap();
        let node = node(folder.path());
        let block = raw(b"inside");
        node.put(&block).unwrap();
        assert_eq!(node.get(block.cid()).unwrap(), block);
        assert!(node.peers().unwrap().is_empty());
    });
}
