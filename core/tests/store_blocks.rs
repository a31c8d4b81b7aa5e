//! The stores: one suite for all of them, and what is particular to the one on disk.

#[path = "support/store_conformance.rs"]
mod conformance;

use std::fs;
use std::path::{Path, PathBuf};

use sealock::store::{Block, Codec, DiskStore, MAX_BLOCK_BYTES, MemoryStore, Store, StoreError};
use tempfile::tempdir;

#[test]
fn the_memory_store_is_a_store() {
    conformance::run(MemoryStore::new);
}

#[test]
fn the_disk_store_is_a_store() {
    let root = tempdir().unwrap();
    let next = std::cell::Cell::new(0);
    conformance::run(|| {
        next.set(next.get() + 1);
        DiskStore::open(root.path().join(next.get().to_string())).unwrap()
    });
}

#[test]
fn a_shared_store_is_a_store() {
    conformance::run(|| std::sync::Arc::new(MemoryStore::new()));
}

fn raw(bytes: &[u8]) -> Block {
    Block::new(Codec::Raw, bytes.to_vec()).unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { out.extend(files(&path)) } else { out.push(path) }
    }
    out
}

#[test]
fn blocks_and_pins_outlive_the_process() {
    let root = tempdir().unwrap();
    let block = raw(b"kept");
    {
        let store = DiskStore::open(root.path()).unwrap();
        store.put(&block).unwrap();
        store.pin(block.cid()).unwrap();
    }
    let store = DiskStore::open(root.path()).unwrap();
    assert_eq!(store.get(block.cid()).unwrap(), block);
    assert_eq!(store.pins().unwrap(), [*block.cid()]);
    assert_eq!(store.gc().unwrap().blocks, 0);
}

#[test]
fn what_a_crash_left_half_written_is_removed_and_never_seen() {
    let root = tempdir().unwrap();
    let block = raw(&conformance::data(100_000, 1));
    drop(DiskStore::open(root.path()).unwrap());
    // Killed between the first byte and the rename.
    fs::write(root.path().join("tmp/4711-0"), &block.bytes()[..50_000]).unwrap();
    let store = DiskStore::open(root.path()).unwrap();
    assert!(files(&root.path().join("tmp")).is_empty());
    assert!(!store.has(block.cid()).unwrap());
    store.put(&block).unwrap();
    assert_eq!(store.get(block.cid()).unwrap(), block);

    // While somebody adds, such a file may be his.
    let _adding = store.adding().unwrap();
    let theirs = root.path().join("tmp/4711-1");
    fs::write(&theirs, b"half").unwrap();
    drop(DiskStore::open(root.path()).unwrap());
    assert!(theirs.exists());
}

#[test]
fn what_a_power_cut_tore_is_removed_and_what_was_pinned_is_not_looked_at() {
    let root = tempdir().unwrap();
    let marker = root.path().join("unsynced");
    let blocks: Vec<Block> = (0..4).map(|i| raw(&conformance::data(10_000, i))).collect();
    let file = |block: &Block| {
        let name = format!("{}.data", block.cid());
        files(&root.path().join("blockstore")).into_iter().find(|path| path.ends_with(&name)).unwrap()
    };
    let store = DiskStore::open(root.path()).unwrap();
    store.put(&blocks[0]).unwrap();
    assert!(marker.exists());
    store.pin(blocks[0].cid()).unwrap();
    // Older than what is unsynced.
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    fs::File::open(file(&blocks[0])).unwrap().set_modified(long_ago).unwrap();
    store.put_all(&blocks[1..]).unwrap();
    // A process that is killed runs no destructor.
    std::mem::forget(store);
    fs::write(file(&blocks[1]), b"").unwrap();
    fs::write(file(&blocks[2]), vec![0; 10_000]).unwrap();

    let store = DiskStore::open(root.path()).unwrap();
    assert!(!marker.exists());
    assert_eq!(blocks.iter().map(|b| store.has(b.cid()).unwrap()).collect::<Vec<_>>(), [true, false, false, true]);
    // Closed cleanly: nothing to look into the next time.
    store.put(&blocks[1]).unwrap();
    assert!(marker.exists());
    drop(store);
    assert!(!marker.exists());
    assert_eq!(DiskStore::open(root.path()).unwrap().get(blocks[1].cid()).unwrap(), blocks[1]);
}

#[test]
fn a_flipped_byte_on_disk_is_found_and_mended_by_putting_again() {
    let root = tempdir().unwrap();
    let store = DiskStore::open(root.path()).unwrap();
    let block = raw(b"some bytes");
    store.put(&block).unwrap();
    let path = files(&root.path().join("blockstore")).pop().unwrap();
    for bad in [&b"some bytfs"[..], b"some byte", b"some bytes and more", b""] {
        fs::write(&path, bad).unwrap();
        assert!(store.has(block.cid()).unwrap());
        assert!(matches!(store.get(block.cid()), Err(StoreError::CidMismatch { cid }) if cid == *block.cid()));
        store.put(&block).unwrap();
        assert_eq!(store.get(block.cid()).unwrap(), block);
    }
    // Refused by its length, before anything is read.
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(store.get(block.cid()), Err(StoreError::BlockTooLarge { got }) if got == 1 << 40));
}

#[test]
fn two_handles_exclude_each_others_collection() {
    let root = tempdir().unwrap();
    // Each handle has its own lock on the file, as another process would.
    let (one, two) = (DiskStore::open(root.path()).unwrap(), DiskStore::open(root.path()).unwrap());
    let adding = one.adding().unwrap();
    let also = two.adding().unwrap();
    assert!(matches!(two.gc(), Err(StoreError::Busy)));
    drop(also);
    assert!(matches!(two.gc(), Err(StoreError::Busy)), "the other one still adds");
    drop(adding);
    two.gc().unwrap();
    one.gc().unwrap();
}

#[test]
fn a_foreign_folder_is_left_alone() {
    let root = tempdir().unwrap();
    fs::write(root.path().join("thesis.txt"), "mine").unwrap();
    assert!(matches!(DiskStore::open(root.path()), Err(StoreError::NotAStore { .. })));
    assert_eq!(files(root.path()).len(), 1);
    fs::remove_file(root.path().join("thesis.txt")).unwrap();
    DiskStore::open(root.path()).unwrap();
    fs::write(root.path().join("version"), "sealock/v9/store\n").unwrap();
    assert!(matches!(DiskStore::open(root.path()), Err(StoreError::NotAStore { .. })));
}

#[test]
fn a_pin_that_cannot_be_read_stops_collection() {
    let root = tempdir().unwrap();
    let store = DiskStore::open(root.path()).unwrap();
    let block = raw(b"x");
    store.put(&block).unwrap();
    fs::write(root.path().join("pins/garbled"), "").unwrap();
    assert!(matches!(store.gc(), Err(StoreError::NotAStore { .. })));
    assert!(store.has(block.cid()).unwrap());
}

#[test]
fn deeply_nested_dag_cbor_is_refused_without_exhausting_the_stack() {
    let store = MemoryStore::new();
    let block = Block::new(Codec::DagCbor, vec![0x81; MAX_BLOCK_BYTES]).unwrap();
    store.put(&block).unwrap();
    assert!(matches!(store.pin(block.cid()), Err(StoreError::InvalidNode { .. })));
}
