//! Copying graphs from store to store, and hostile graphs.

#[path = "support/store_conformance.rs"]
mod conformance;
#[path = "support/faulty.rs"]
mod faulty;
#[path = "support/market.rs"]
mod market;

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use conformance::data;
use faulty::{Faulty, all};
use sealock::asset::Terms;
use sealock::error::{Classify, ErrorKind};
use sealock::ledger::EmbeddedLedger;
use sealock::owner::Offer;
use sealock::progress::{Stage, Step, quiet};
use sealock::store::transfer::{MAX_PARALLEL, Options, Present, Transferred, transfer};
use sealock::store::unixfs::{self, Child, Node, Profile};
use sealock::store::{Block, Cid, Codec, DiskStore, MemoryStore, Result, Store, StoreError, Tiered, dag};
use sealock::time::SystemClock;
use sealock::{Account, Exchange};
use tempfile::tempdir;

fn raw(bytes: &[u8]) -> Block {
    Block::new(Codec::Raw, bytes.to_vec()).unwrap()
}

fn cbor(links: &[Cid]) -> Block {
    Block::new(Codec::DagCbor, serde_ipld_dagcbor::to_vec(&links).unwrap()).unwrap()
}

fn child(cid: &Cid, size: u64) -> Child {
    Child { cid: *cid, size, cumulative: size }
}

/// A node that says of itself what its children say.
fn node(children: Vec<Child>) -> Block {
    Node { children }.encode().unwrap()
}

/// Two files, one of them in many blocks, and two of one block, under one node.
fn graph(store: &dyn Store) -> Cid {
    let file =
        |len, seed| unixfs::add(store, &mut &data(len, seed)[..], Profile::KuboLegacy, &mut quiet()).unwrap().root;
    // More leaves than one node of this profile has links.
    let roots = [file(50_000_000, 1), file(600_000, 2), file(100, 3), file(0, 4)];
    let top = cbor(&roots);
    store.put(&top).unwrap();
    *top.cid()
}

fn fetch(from: &dyn Store, to: &dyn Store, root: &Cid) -> Result<Transferred> {
    transfer(from, to, root, &Options::fetch(), &mut quiet())
}

#[test]
fn a_graph_arrives_whole_and_its_bytes_are_told_with_their_total() {
    let (from, folder) = (MemoryStore::new(), tempdir().unwrap());
    let to = DiskStore::open(folder.path()).unwrap();
    let root = graph(&from);
    for parallel in [1, 3, MAX_PARALLEL] {
        let mut steps: Vec<Step> = Vec::new();
        let mut note = |step| {
            steps.push(step);
            ControlFlow::Continue(())
        };
        let done = transfer(&from, &to, &root, &Options::fetch().parallel(parallel), &mut note).unwrap();
        assert_eq!(done.blocks, from.len() as u64);
        let last = steps.last().unwrap();
        assert_eq!((last.stage, last.done, last.total), (Stage::Fetch, done.bytes, Some(done.bytes)));
        assert_eq!(last.eta, Some(std::time::Duration::ZERO));
        assert!(steps.windows(2).all(|w| w[0].done <= w[1].done));
        // The total is known before the inside of the first file comes.
        let known = steps.iter().find(|step| step.total.is_some()).unwrap();
        assert!(known.done < 10_000_000 && known.total >= Some(50_600_100), "{known:?}");
        assert!(steps.iter().any(|step| step.eta.is_some_and(|eta| !eta.is_zero())));

        to.pin(&root).unwrap();
        assert_eq!(all(&to, &[root]), all(&from, &[root]));
        to.unpin(&root).unwrap();
        to.gc().unwrap();
    }
}

#[test]
fn an_interrupted_transfer_goes_on_where_it_was() {
    let (from, to) = (MemoryStore::new(), Faulty::new());
    let root = graph(&from);
    let mut sent = 0;
    for _ in 0..4 {
        to.break_after(40);
        assert!(matches!(fetch(&from, &to, &root), Err(StoreError::Unreachable { .. })));
        assert!(to.pin(&root).is_err());
        sent += to.take_puts();
    }
    assert_eq!(sent, 160);
    to.mend();
    let done = fetch(&from, &to, &root).unwrap();
    assert_eq!((done.kept, done.blocks), (160, from.len() as u64 - 160));
    assert_eq!(to.take_puts(), done.blocks, "nothing was sent twice");
    to.pin(&root).unwrap();
    assert_eq!(fetch(&from, &to, &root).unwrap().blocks, 0);
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn blocks_that_a_power_cut_tore_are_not_taken_for_whole() {
    let (from, folder) = (MemoryStore::new(), tempdir().unwrap());
    let to = DiskStore::open(folder.path()).unwrap();
    let root = graph(&from);
    fetch(&from, &to, &root).unwrap();
    // As a file system may leave what was not synced: the right names, zeros or nothing in them, or too much.
    type Damage<'a> = &'a dyn Fn(&Path, u64);
    let damage: [Damage<'_>; 3] = [
        &|path, _| fs::write(path, b"").unwrap(),
        &|path, len| fs::write(path, vec![0; len as usize]).unwrap(),
        &|path, len| fs::File::options().write(true).open(path).unwrap().set_len(len + (3 << 20)).unwrap(),
    ];
    let mut torn = 0;
    for (i, path) in files(&folder.path().join("blockstore")).into_iter().enumerate().step_by(3) {
        let len = fs::metadata(&path).unwrap().len();
        if len > 0 {
            damage[i % 3](&path, len);
            torn += 1;
        }
    }
    assert_eq!(fetch(&from, &to, &root).unwrap().blocks, torn);
    assert_eq!(fetch(&from, &to, &root).unwrap().blocks, 0);
}

#[test]
fn blocks_travel_in_parallel() {
    let from = Faulty::together(6);
    let leaves: Vec<Block> = (0..6u8).map(|i| raw(&[i; 100])).collect();
    let top = node(leaves.iter().map(|leaf| child(leaf.cid(), 100)).collect());
    from.inner.put_all(&leaves).unwrap();
    from.inner.put(&top).unwrap();
    let to = MemoryStore::new();
    to.put(&top).unwrap();
    // No leaf comes before all six are asked for.
    assert_eq!(transfer(&from, &to, top.cid(), &Options::fetch().parallel(6), &mut quiet()).unwrap().blocks, 6);
}

#[test]
fn cancelling_stops_within_the_blocks_that_are_on_their_way() {
    let (from, to) = (MemoryStore::new(), Faulty::new());
    let root = graph(&from);
    let parallel = 4;
    let mut steps = 0;
    let mut stop = |step: Step| {
        steps += 1;
        if step.done > 5_000_000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let cancelled = transfer(&from, &to, &root, &Options::fetch().parallel(parallel), &mut stop);
    assert!(matches!(cancelled, Err(StoreError::Cancelled)));
    // Told so far, answered but not told yet, and on their way.
    let most = 5_000_000 / (256 << 10) + 4 + 3 + 3 * parallel as u64 + 2;
    assert!(to.take_puts() <= most);
    assert!(to.pins().unwrap().is_empty());
    to.gc().unwrap();
    assert!(to.inner.is_empty(), "what came is garbage");
}

#[test]
fn a_daemon_is_asked_and_not_read() {
    let (from, to) = (MemoryStore::new(), Faulty::new());
    let root = graph(&from);
    assert_eq!(Options::upload().present, Present::Ask);
    let upload = || transfer(&from, &to, &root, &Options::upload(), &mut quiet()).unwrap();
    let done = upload();
    assert_eq!((done.blocks, to.take_puts()), (from.len() as u64, from.len() as u64));
    assert_eq!(upload(), Transferred { kept: from.len() as u64, ..Transferred::default() });
    assert_eq!((to.take_gets(), to.take_puts()), (0, 0));
    to.pin(&root).unwrap();
    assert_eq!(upload(), Transferred::default(), "what is pinned there is there");
}

/// Puts blocks, the last one the root, and tries to copy what is under it.
fn attack(blocks: &[Block]) -> (StoreError, MemoryStore) {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    from.put_all(blocks).unwrap();
    let error = fetch(&from, &to, blocks.last().unwrap().cid()).unwrap_err();
    assert!(to.pins().unwrap().is_empty());
    (error, to)
}

fn why(blocks: &[Block]) -> String {
    match attack(blocks).0 {
        error @ StoreError::InvalidNode { .. } => {
            assert_eq!(error.kind(), ErrorKind::Malformed);
            error.to_string()
        }
        other => panic!("{other}"),
    }
}

#[test]
fn sizes_that_disagree_are_found_before_anything_under_them_is_kept() {
    let leaf = raw(b"seven b");
    for claimed in [1, 6, 8, u64::MAX] {
        let (error, to) = attack(&[leaf.clone(), node(vec![child(leaf.cid(), claimed)])]);
        assert!(error.to_string().contains("its size is not what its parent says"), "{error}");
        assert!(!to.has(leaf.cid()).unwrap());
    }
    let inner = node(vec![child(leaf.cid(), 7)]);
    let (_, to) = attack(&[leaf.clone(), inner.clone(), node(vec![child(inner.cid(), 8)])]);
    assert!(!to.has(leaf.cid()).unwrap());
    // One block under two claims, of which the first is true.
    for twice in [&leaf, &inner] {
        let two = node(vec![child(twice.cid(), 7), child(twice.cid(), 9)]);
        assert!(why(&[leaf.clone(), inner.clone(), two]).contains("not what its parent says"));
    }
}

#[test]
fn nesting_beyond_the_limits_is_refused() {
    let leaf = raw(b"x");
    let nested = |depth: usize, up: &dyn Fn(&Cid) -> Block| {
        let mut blocks = vec![leaf.clone()];
        for _ in 0..depth {
            blocks.push(up(blocks.last().unwrap().cid()));
        }
        blocks
    };
    let file = |cid: &Cid| node(vec![child(cid, 1)]);
    let outer = |cid: &Cid| cbor(&[*cid]);
    for (limit, up) in [(unixfs::MAX_DEPTH, &file as &dyn Fn(&Cid) -> Block), (dag::MAX_DEPTH, &outer)] {
        let deepest = nested(limit, up);
        let (from, to) = (MemoryStore::new(), MemoryStore::new());
        from.put_all(&deepest).unwrap();
        assert_eq!(fetch(&from, &to, deepest[limit].cid()).unwrap().blocks, limit as u64 + 1);
        assert!(why(&nested(limit + 1, up)).contains("nested too deeply"));
    }
}

#[test]
fn more_links_than_a_node_may_have_are_refused() {
    let cids: Vec<Cid> = (0..=dag::MAX_LINKS as u32).map(|i| *raw(&i.to_le_bytes()).cid()).collect();
    assert!(why(&[cbor(&cids)]).contains("8193 links"));
    assert_eq!(dag::links(&cbor(&cids[1..])).unwrap().len(), dag::MAX_LINKS);
    // Short CIDs: a node of 2 MiB that has a quarter of a million of them.
    let short = Cid::new_v1(0x55, cid::multihash::Multihash::wrap(0, b"").unwrap());
    assert!(why(&[cbor(&vec![short; 220_000])]).contains("links"));
}

#[test]
fn other_codecs_and_other_cids_are_refused() {
    let top = cbor(&[]);
    assert!(why(&[top.clone(), node(vec![child(top.cid(), 1)])]).contains("not part of a file"));
    let v0: Cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
    let json = Cid::new_v1(0x0129, *top.cid().hash());
    for foreign in [v0, json] {
        for blocks in [[cbor(&[foreign])], [node(vec![child(&foreign, 1)])]] {
            assert!(matches!(attack(&blocks).0, StoreError::UnsupportedCid { cid } if cid == foreign));
        }
    }
    for garbage in [&b"\xff\xff"[..], b"", &[0x81; 1000], &[0x80, 0x80]] {
        why(&[Block::new(Codec::DagCbor, garbage.to_vec()).unwrap()]);
        why(&[Block::new(Codec::DagPb, garbage.to_vec()).unwrap()]);
    }
    let absent = raw(b"absent");
    let (error, _) = attack(&[cbor(&[*absent.cid()])]);
    assert!(matches!(error, StoreError::NotFound { cid } if cid == *absent.cid()));
}

/// 1,000 links to one node of 1,000 links to one node, and so on: 10^21 bytes that are eight blocks.
#[test]
fn a_graph_that_repeats_itself_costs_what_its_blocks_cost() {
    let (from, to) = (MemoryStore::new(), MemoryStore::new());
    let leaf = raw(b"x");
    let (mut cid, mut size) = (*leaf.cid(), 1u64);
    from.put(&leaf).unwrap();
    for _ in 0..6 {
        let up = node(vec![child(&cid, size); 1000]);
        (cid, size) = (*up.cid(), size * 1000);
        from.put(&up).unwrap();
    }
    assert_eq!(fetch(&from, &to, &cid).unwrap().blocks, 7);
    to.pin(&cid).unwrap();
    // The same above files.
    let mut links = vec![cid];
    for _ in 0..20 {
        let up = cbor(&vec![links[0]; 5000]);
        from.put(&up).unwrap();
        links = vec![*up.cid()];
    }
    assert_eq!(fetch(&from, &to, &links[0]).unwrap().blocks, 20);
}

fn tiered(folder: &Path) -> Tiered<Arc<Faulty>> {
    Tiered::new(DiskStore::open(folder).unwrap(), Arc::new(Faulty::new()))
}

#[test]
fn what_is_pinned_near_is_pinned_far_and_what_is_far_is_read_through() {
    let folder = tempdir().unwrap();
    let store = tiered(folder.path());
    let root = graph(&store);
    assert!(store.far().inner.is_empty(), "putting is near");
    store.upload(&root, &mut quiet()).unwrap();
    let blocks = store.far().take_puts();
    store.pin(&root).unwrap();
    assert_eq!((store.far().take_puts(), store.far().inner.len() as u64), (0, blocks));
    assert!(store.is_pinned(&root).unwrap() && store.far().is_pinned(&root).unwrap());

    // Another machine.
    let other = tempdir().unwrap();
    let other = Tiered::new(DiskStore::open(other.path()).unwrap(), store.far().clone());
    store.far().take_gets();
    assert_eq!(other.get(&root).unwrap(), store.get(&root).unwrap());
    assert_eq!((store.far().take_gets(), other.near().has(&root).unwrap()), (1, true));
    other.get(&root).unwrap();
    assert_eq!(store.far().take_gets(), 0, "it was kept");
    other.fetch(&root, &mut quiet()).unwrap();
    assert_eq!(store.far().take_gets(), blocks - 1);
    dag::check_complete(other.near(), &root).unwrap();
}

#[test]
fn what_cannot_be_pinned_far_is_not_pinned_near() {
    let folder = tempdir().unwrap();
    let store = tiered(folder.path());
    let root = graph(&store);
    store.far().break_after(10);
    assert_eq!(store.pin(&root).unwrap_err().kind(), ErrorKind::Unreachable);
    assert!(store.pins().unwrap().is_empty() && !store.is_pinned(&root).unwrap());
    // Held near, it waits for a better line.
    store.hold(&root).unwrap();
    assert_eq!(store.gc().unwrap().blocks, 0);
    assert!(!store.is_pinned(&root).unwrap());
    store.far().mend();
    store.pin(&root).unwrap();
    assert!(store.is_pinned(&root).unwrap());
    assert!(store.unpin(&root).unwrap() && !store.unpin(&root).unwrap());
    assert!(store.gc().unwrap().blocks > 0);
    assert!(store.far().inner.is_empty());
}

#[test]
fn an_interrupted_publication_is_resumed_without_sealing_or_sending_anything_again() {
    let folder = tempdir().unwrap();
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    let far = Arc::new(Faulty::new());
    let store = Arc::new(Tiered::new(DiskStore::open(folder.path().join("store")).unwrap(), far.clone()));
    let clock = Arc::new(SystemClock);
    let ledger = EmbeddedLedger::in_memory(clock.clone()).unwrap();
    let exchange = Exchange::new(store.clone(), ledger, clock, Some(state.clone()));
    let owner = exchange.owner(Account::generate()).unwrap();
    let table = market::table(&market::people(1_500_000));
    let offer = Offer::new("people", &table, market::policy(), Terms::free(1));
    let records = || files(&state).iter().filter(|path| path.to_string_lossy().contains("publication-")).count();
    let pins = store.pins().unwrap();
    far.take_puts();

    // The manifest arrives, and the node over the leaves; then the line breaks.
    far.break_after(2);
    assert_eq!(owner.publish(&offer).unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!((far.take_puts(), records()), (2, 1));
    assert_eq!(far.pins().unwrap(), pins);
    let held: Vec<Cid> = store.pins().unwrap().into_iter().filter(|cid| !pins.contains(cid)).collect();
    assert_eq!(exchange.assets().unwrap().len(), 0);

    far.mend();
    let asset = owner.publish(&offer).unwrap().asset;
    let [manifest, _] = asset.roots();
    let sealed = all(&*store, &held);
    assert!(held.len() == 1 && sealed.len() >= 4 && sealed.is_subset(&all(&*store, &[manifest])), "{}", sealed.len());
    assert_eq!(far.take_puts(), sealed.len() as u64, "a new manifest and the leaves: the node was there");
    assert_eq!(records(), 0);
    assert!(store.is_pinned(&manifest).unwrap() && !store.is_pinned(&held[0]).unwrap());

    // The same table once more is another dataset, under another key and salt.
    let again = owner.publish(&offer).unwrap().asset;
    let shared = all(&*store, &[manifest]);
    assert!(shared.is_disjoint(&all(&*store, &[again.roots()[0]])));

    // Cancelled while it uploads, and given up.
    let mut stop = |step: Step| match step.stage {
        Stage::Upload => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert_eq!(owner.publish_with(&offer, &mut stop).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(records(), 1);
    store.gc().unwrap();
    assert_eq!(store.gc().unwrap().blocks, 0, "it is kept");
    assert_eq!(owner.discard_unfinished().unwrap(), 1);
    assert_eq!(store.gc().unwrap().blocks, sealed.len() as u64);
    assert_eq!((records(), owner.discard_unfinished().unwrap()), (0, 0));
}
