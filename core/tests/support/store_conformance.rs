//! What every [`Store`] does. Each implementation runs the whole suite.

#![allow(dead_code, reason = "some tests use the data alone")]

use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use sealock::progress::quiet;
use sealock::store::unixfs::{self, Profile};
use sealock::store::{Block, Cid, Codec, MAX_BLOCK_BYTES, Store, StoreError};

/// Runs the suite on stores made by `make`, each of them empty.
pub fn run<S: Store>(make: impl Fn() -> S) {
    a_block_comes_back_as_it_was_put(&make());
    a_missing_block_is_not_found(&make());
    foreign_cids_are_refused(&make());
    pins_are_kept_listed_and_removed(&make());
    an_incomplete_graph_cannot_be_pinned(&make());
    collection_keeps_what_pins_reach_and_frees_the_rest(&make());
    collection_and_addition_exclude_each_other(&make());
    parallel_additions_do_not_disturb_each_other(&make());
}

/// Bytes that do not repeat: every 8 bytes their index, hashed by multiplication.
pub fn data(len: usize, seed: u64) -> Vec<u8> {
    let words = (0..len.div_ceil(8) as u64).map(|i| (i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ seed.rotate_left(32)));
    let mut out: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
    out.truncate(len);
    out
}

fn raw(bytes: &[u8]) -> Block {
    Block::new(Codec::Raw, bytes.to_vec()).unwrap()
}

fn a_block_comes_back_as_it_was_put(store: &dyn Store) {
    // No two of them are the same bytes: a store may name blocks by their hash alone.
    let block = |codec, len| Block::new(codec, data(len, codec as u64)).unwrap();
    let codecs = [Codec::Raw, Codec::DagPb, Codec::DagCbor];
    let blocks = codecs.into_iter().flat_map(|codec| [8, MAX_BLOCK_BYTES].map(|len| block(codec, len)));
    for block in blocks.chain([raw(b"")]) {
        assert!(!store.has(block.cid()).unwrap());
        store.put(&block).unwrap();
        store.put(&block).unwrap();
        assert!(store.has(block.cid()).unwrap());
        assert_eq!(store.get(block.cid()).unwrap(), block);
    }
    let many: Vec<Block> = (0..20u8).map(|i| raw(&[i; 1000])).collect();
    store.put_all(&many).unwrap();
    assert!(many.iter().all(|block| store.get(block.cid()).unwrap() == *block));
}

fn a_missing_block_is_not_found(store: &dyn Store) {
    let cid = *raw(b"absent").cid();
    assert!(!store.has(&cid).unwrap());
    assert!(matches!(store.get(&cid), Err(StoreError::NotFound { cid: c }) if c == cid));
}

fn foreign_cids_are_refused(store: &dyn Store) {
    let v0: Cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
    assert!(matches!(store.get(&v0), Err(StoreError::UnsupportedCid { .. })));
    assert!(matches!(store.has(&v0), Err(StoreError::UnsupportedCid { .. })));
    assert!(matches!(store.pin(&v0), Err(StoreError::UnsupportedCid { .. })));
}

fn pins_are_kept_listed_and_removed(store: &dyn Store) {
    let (a, b) = (raw(b"a"), raw(b"b"));
    store.put_all(&[a.clone(), b.clone()]).unwrap();
    assert!(!store.is_pinned(a.cid()).unwrap());
    store.pin(a.cid()).unwrap();
    store.pin(a.cid()).unwrap();
    store.pin(b.cid()).unwrap();
    let mut both = vec![*a.cid(), *b.cid()];
    both.sort();
    assert_eq!(store.pins().unwrap(), both);
    assert!(store.unpin(a.cid()).unwrap());
    assert!(!store.unpin(a.cid()).unwrap());
    assert_eq!(store.pins().unwrap(), [*b.cid()]);
    assert!(store.is_pinned(b.cid()).unwrap());
}

fn an_incomplete_graph_cannot_be_pinned(store: &dyn Store) {
    let child = raw(b"not put");
    let node = unixfs::Node { children: vec![unixfs::Child { cid: *child.cid(), size: 7, cumulative: 7 }] };
    let node = node.encode().unwrap();
    store.put(&node).unwrap();
    assert!(matches!(store.pin(node.cid()), Err(StoreError::NotFound { cid }) if cid == *child.cid()));
    assert!(store.pins().unwrap().is_empty());
    store.put(&child).unwrap();
    store.pin(node.cid()).unwrap();
}

fn collection_keeps_what_pins_reach_and_frees_the_rest(store: &dyn Store) {
    let bytes = data(5_000_000, 3);
    let kept = unixfs::add(store, &mut &bytes[..], Profile::KuboLegacy, &mut quiet()).unwrap();
    let lost = unixfs::add(store, &mut &data(600_000, 4)[..], Profile::KuboLegacy, &mut quiet()).unwrap();
    // A manifest-like block: linked through DAG-CBOR, under one pin.
    let linked = raw(b"linked");
    let top = serde_ipld_dagcbor::to_vec(&vec![kept.root, *linked.cid()]).unwrap();
    let top = Block::new(Codec::DagCbor, top).unwrap();
    store.put_all(&[linked.clone(), top.clone()]).unwrap();
    store.pin(top.cid()).unwrap();

    let freed = store.gc().unwrap();
    assert_eq!(freed.blocks, lost.blocks);
    assert!(freed.bytes > lost.size, "{freed:?}");
    assert!(matches!(store.get(&lost.root), Err(StoreError::NotFound { .. })));
    let mut back = Vec::new();
    unixfs::Reader::open(store, &kept.root).unwrap().read_to_end(&mut back).unwrap();
    assert!(back == bytes);
    assert!(store.has(linked.cid()).unwrap());
    assert_eq!(store.gc().unwrap().blocks, 0);

    store.unpin(top.cid()).unwrap();
    assert_eq!(store.gc().unwrap().blocks, kept.blocks + 2);
    assert!(!store.has(&kept.root).unwrap());
}

fn collection_and_addition_exclude_each_other(store: &dyn Store) {
    let block = raw(b"between put and pin");
    // Without the announcement, the collection takes the block from under the addition.
    store.put(&block).unwrap();
    assert_eq!(store.gc().unwrap().blocks, 1);
    assert!(store.pin(block.cid()).is_err());

    let outer = store.adding().unwrap();
    let inner = store.adding().unwrap();
    store.put(&block).unwrap();
    assert!(matches!(store.gc(), Err(StoreError::Busy)));
    drop(inner);
    assert!(matches!(store.gc(), Err(StoreError::Busy)));
    store.pin(block.cid()).unwrap();
    drop(outer);
    assert_eq!(store.gc().unwrap().blocks, 0);
    assert!(store.has(block.cid()).unwrap());
}

fn parallel_additions_do_not_disturb_each_other(store: &dyn Store) {
    let files: Vec<Vec<u8>> = (0..4).map(|i| data(700_000, i / 2)).collect();
    let (send, done) = mpsc::channel();
    std::thread::scope(|scope| {
        for file in &files {
            let send = send.clone();
            scope.spawn(move || {
                let _adding = store.adding().unwrap();
                let added = unixfs::add(store, &mut &file[..], Profile::KuboLegacy, &mut quiet()).unwrap();
                store.pin(&added.root).unwrap();
                send.send(added.root).unwrap();
            });
        }
        // Collections among them either run between additions or say that they cannot.
        for _ in 0..20 {
            assert!(matches!(store.gc(), Ok(_) | Err(StoreError::Busy)));
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    drop(send);
    assert_eq!(done.iter().count(), 4);
    assert_eq!(store.pins().unwrap().len(), 2);
    store.gc().unwrap();
    for root in store.pins().unwrap() {
        let mut back = Vec::new();
        unixfs::Reader::open(store, &root).unwrap().read_to_end(&mut back).unwrap();
        assert!(files.contains(&back));
    }
}
