//! CARs: what we write, what we read, and what we refuse.

#[path = "support/store_conformance.rs"]
mod conformance;
#[path = "support/faulty.rs"]
mod faulty;
#[path = "support/market.rs"]
mod market;

use std::ops::ControlFlow;

use conformance::data;
use faulty::all;
use market::Market;
use sealock::error::{Classify, ErrorKind};
use sealock::progress::{Stage, Step, quiet};
use sealock::store::car::{self, CarFault, MAX_ROOTS};
use sealock::store::unixfs::{self, Profile};
use sealock::store::{Block, Cid, Codec, DiskStore, MAX_BLOCK_BYTES, MemoryStore, Store, StoreError};
use tempfile::tempdir;

fn raw(bytes: &[u8]) -> Block {
    Block::new(Codec::Raw, bytes.to_vec()).unwrap()
}

fn cbor(links: &[Cid]) -> Block {
    Block::new(Codec::DagCbor, serde_ipld_dagcbor::to_vec(&links).unwrap()).unwrap()
}

fn varint(n: u64) -> Vec<u8> {
    unsigned_varint::encode::u64(n, &mut unsigned_varint::encode::u64_buffer()).to_vec()
}

fn section(parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [varint(body.len() as u64), body].concat()
}

/// A header as the specification has it, whatever its content.
fn header(roots: &[Cid], version: u8) -> Vec<u8> {
    let roots = serde_ipld_dagcbor::to_vec(&roots).unwrap();
    section(&[b"\xa2\x65roots", &roots, b"\x67version", &[version]])
}

fn block(block: &Block) -> Vec<u8> {
    section(&[&block.cid().to_bytes(), block.bytes()])
}

fn export(store: &dyn Store, roots: &[Cid]) -> Vec<u8> {
    let mut out = Vec::new();
    let done = car::export(store, roots, &mut out, &mut quiet()).unwrap();
    assert_eq!(done.bytes, out.len() as u64);
    out
}

/// Reads a CAR that must be refused; nothing of it may stay.
fn refused(car: &[u8]) -> StoreError {
    let store = MemoryStore::new();
    let error = car::import(&store, car, &mut quiet()).unwrap_err();
    assert!(store.pins().unwrap().is_empty());
    store.gc().unwrap();
    assert!(store.is_empty());
    error
}

fn fault(car: &[u8]) -> (u64, CarFault) {
    match refused(car) {
        StoreError::InvalidCar { offset, fault } => (offset, fault),
        other => panic!("{other}"),
    }
}

#[test]
fn a_car_is_what_the_specification_says_byte_by_byte() {
    let store = MemoryStore::new();
    let hello = raw(b"hello");
    store.put(&hello).unwrap();
    let expected = concat!(
        "3aa265726f6f747381d82a58250001551220",
        "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "6776657273696f6e01",
        "29015512202cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
        "68656c6c6f",
    );
    assert_eq!(hex::encode(export(&store, &[*hello.cid()])), expected);
}

#[test]
fn blocks_come_once_and_depth_first() {
    let store = MemoryStore::new();
    let [a, b, c] = [raw(b"a"), raw(b"b"), raw(b"c")];
    let inner = cbor(&[*b.cid(), *a.cid()]);
    let root = cbor(&[*a.cid(), *inner.cid(), *c.cid(), *inner.cid()]);
    store.put_all(&[a.clone(), b.clone(), c.clone(), inner.clone(), root.clone()]).unwrap();
    let roots = [*root.cid(), *c.cid(), *root.cid()];
    let expected = [header(&roots, 1), block(&root), block(&a), block(&inner), block(&b), block(&c)];
    assert_eq!(export(&store, &roots), expected.concat());
}

#[test]
fn an_asset_goes_through_a_car_as_a_whole() {
    let market = Market::open();
    let (store, roots) = (market.exchange.store(), market.asset.roots());
    let car = export(store, &roots);
    let folder = tempdir().unwrap();
    let other = DiskStore::open(folder.path()).unwrap();
    let imported = car::import(&other, &car[..], &mut quiet()).unwrap();
    assert_eq!(imported.roots, roots);
    let blocks = all(store, &roots);
    assert_eq!(imported.blocks, blocks.len() as u64);
    assert_eq!(other.gc().unwrap().blocks, 0, "its roots are pinned");
    assert_eq!(all(&other, &roots), blocks);
    assert_eq!(export(&other, &roots), car, "one graph has one CAR");
    let key = market.asset.description().sealed.access.proving_key;
    let file = |store| unixfs::Reader::open(store, &key).unwrap().size();
    assert_eq!(file(&other as &dyn Store), file(store));
}

#[test]
fn large_files_stream_and_their_bytes_are_told() {
    let store = MemoryStore::new();
    // Two levels, and leaves that come up twice.
    let bytes = [data(60_000_000, 7), vec![0; 2_000_000]].concat();
    let added = unixfs::add(&store, &mut &bytes[..], Profile::KuboLegacy, &mut quiet()).unwrap();
    let mut steps: Vec<Step> = Vec::new();
    let mut note = |step| {
        steps.push(step);
        ControlFlow::Continue(())
    };
    let mut out = Vec::new();
    car::export(&store, &[added.root], &mut out, &mut note).unwrap();
    let last = steps.last().unwrap();
    assert_eq!((last.stage, last.total), (Stage::Export, Some(last.done)));
    assert!(steps[0].total >= Some(bytes.len() as u64) && steps.iter().any(|step| step.eta.is_some()));

    let mut steps: Vec<Step> = Vec::new();
    let other = MemoryStore::new();
    let mut note = |step| {
        steps.push(step);
        ControlFlow::Continue(())
    };
    let imported = car::import(&other, &out[..], &mut note).unwrap();
    assert!(steps.len() > 3, "in batches");
    assert_eq!(*steps.last().unwrap(), Step::of(Stage::Import, imported.bytes));
    assert_eq!(other.len(), store.len());
}

#[test]
fn cancelling_leaves_nothing_pinned() {
    let store = MemoryStore::new();
    let added = unixfs::add(&store, &mut &data(30_000_000, 8)[..], Profile::KuboLegacy, &mut quiet()).unwrap();
    let car = export(&store, &[added.root]);
    let mut stop = |step: Step| if step.done > 5_000_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let mut out = Vec::new();
    assert!(matches!(car::export(&store, &[added.root], &mut out, &mut stop), Err(StoreError::Cancelled)));
    assert!(out.len() < 6_000_000);
    let other = MemoryStore::new();
    assert!(matches!(car::import(&other, &car[..], &mut stop), Err(StoreError::Cancelled)));
    assert!(other.pins().unwrap().is_empty());
    other.gc().unwrap();
    assert!(other.is_empty());
}

#[test]
fn a_car_that_was_cut_or_changed_anywhere_is_refused() {
    let store = MemoryStore::new();
    let [a, b] = [raw(b"first"), raw(b"second")];
    let root = cbor(&[*a.cid(), *b.cid()]);
    store.put_all(&[a, b, root.clone()]).unwrap();
    let car = export(&store, &[*root.cid()]);
    for end in 0..car.len() {
        refused(&car[..end]);
    }
    for at in 0..car.len() {
        for bit in 0..8 {
            let mut bad = car.clone();
            bad[at] ^= 1 << bit;
            refused(&bad);
        }
    }
    car::import(&MemoryStore::new(), &car[..], &mut quiet()).unwrap();
    let (at, fault) = fault(&car[..car.len() - 3]);
    assert_eq!((at, fault), (car.len() as u64 - 43, CarFault::Truncated { missing: 3 }));
}

#[test]
fn what_is_wrong_is_said() {
    let leaf = raw(b"leaf");
    let good = header(&[*leaf.cid()], 1);
    let car = |rest: &[&[u8]]| [&[&good[..]], rest].concat().concat();
    let at = good.len() as u64;

    let html = [&b"<!DOCTYPE html>"[..], &[b' '; 60]].concat();
    for no_car in [&b""[..], &html, b"\x02{}", &[0xff; 64], &[0x80, 0x00], &[1, 0xa0], &varint(1 << 20)] {
        let (_, fault) = fault(no_car);
        assert!(matches!(fault, CarFault::NotACar { .. }), "{fault}");
    }
    // The eleven bytes that every CAR of version 2 begins with.
    let pragma = refused(b"\x0a\xa1\x67version\x02 and what follows");
    assert_eq!(pragma.kind(), ErrorKind::UnsupportedVersion);
    assert!(pragma.to_string().contains("version 2") && pragma.hint().unwrap().contains("version 1"));
    assert_eq!(fault(&header(&[*leaf.cid()], 3)).1, CarFault::Version { got: 3 });

    assert_eq!(fault(&header(&[], 1)).1, CarFault::NoRoots);
    assert_eq!(fault(&header(&vec![*leaf.cid(); MAX_ROOTS + 1], 1)).1, CarFault::TooManyRoots { got: MAX_ROOTS + 1 });

    let (offset, long) = fault(&car(&[&varint(1 << 50), b"x"]));
    assert_eq!(offset, at);
    assert!(matches!(long, CarFault::SectionTooLong { got, .. } if got == 1 << 50));
    for length in [&[0x81, 0x00][..], &[0xff; 12], &[0x80]] {
        let (offset, fault) = fault(&car(&[length]));
        let expected = matches!(fault, CarFault::InvalidLength { .. } | CarFault::Truncated { missing: 1 });
        assert!(offset == at && expected, "{fault}");
    }
    for no_cid in [&b""[..], b"\x01", b"\x02\x55\x12\x20", b"\x01\x55\x12\xff"] {
        assert!(matches!(fault(&car(&[&section(&[no_cid])])).1, CarFault::InvalidCid { .. }));
    }
    assert_eq!(fault(&good).1, CarFault::Incomplete { root: *leaf.cid(), missing: *leaf.cid() });

    let swapped = section(&[&leaf.cid().to_bytes(), b"fael"]);
    assert!(matches!(refused(&car(&[&swapped])), StoreError::CidMismatch { cid } if cid == *leaf.cid()));
    let heavy = section(&[&leaf.cid().to_bytes(), &vec![0; MAX_BLOCK_BYTES + 1]]);
    assert_eq!(refused(&car(&[&heavy])).kind(), ErrorKind::TooLarge);
    let v0: Cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
    let identity = Cid::new_v1(0x55, cid::multihash::Multihash::wrap(0, b"x").unwrap());
    for foreign in [v0, identity] {
        for bad in [header(&[foreign], 1), car(&[&section(&[&foreign.to_bytes(), b"x"])])] {
            assert!(matches!(refused(&bad), StoreError::UnsupportedCid { cid } if cid == foreign));
        }
    }
    assert!(StoreError::UnsupportedCid { cid: v0 }.hint().unwrap().contains("--cid-version=1"));
}

#[test]
fn all_roots_are_pinned_or_none() {
    let [a, b] = [raw(b"a"), raw(b"b")];
    let roots = [cbor(&[*a.cid()]), cbor(&[*b.cid()])];
    let cids = roots.each_ref().map(|root| *root.cid());
    let car = [header(&cids, 1), block(&roots[1]), block(&a), block(&roots[0])].concat();
    let incomplete = CarFault::Incomplete { root: cids[1], missing: *b.cid() };
    assert_eq!(fault(&car).1, incomplete);
    assert_eq!(refused(&car).kind(), ErrorKind::NotFound);

    // What is missing may be there from before, and what was pinned before stays pinned.
    let store = MemoryStore::new();
    store.put_all(&[a.clone(), roots[0].clone()]).unwrap();
    store.pin(&cids[0]).unwrap();
    car::import(&store, &car[..], &mut quiet()).unwrap_err();
    assert_eq!(store.pins().unwrap(), [cids[0]]);
    store.put(&b).unwrap();
    car::import(&store, &car[..], &mut quiet()).unwrap();
    assert_eq!(store.pins().unwrap().len(), 2);
}
