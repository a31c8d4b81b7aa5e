//! A real daemon that speaks Kubo's RPC: `ipfs-core` behind `ipfs-http-server`.

#[path = "support/store_conformance.rs"]
mod conformance;
#[path = "support/faulty.rs"]
mod faulty;
#[path = "support/market.rs"]
mod market;
#[path = "support/peers.rs"]
mod peers;

use std::cell::RefCell;
use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use conformance::data;
use faulty::all;
use peers::Peer;
use sealock::asset::Terms;
use sealock::error::{Classify, ErrorKind};
use sealock::ledger::EmbeddedLedger;
use sealock::owner::Offer;
use sealock::program::{Query, count};
use sealock::progress::{Stage, Step, quiet};
use sealock::store::unixfs::{self, Profile};
use sealock::store::{Adding, Block, Cid, Codec, DiskStore, Freed, KuboOptions, KuboStore, Result, Store, Tiered, car};
use sealock::time::SystemClock;
use sealock::{Account, Exchange};
use tempfile::tempdir;

/// What the daemon holds alone, and does not search for.
fn local() -> KuboOptions {
    KuboOptions { search: false, timeout: Duration::from_secs(30), ..KuboOptions::default() }
}

/// A daemon that is shared with others, emptied of what they left: a store of the suite begins empty.
struct Emptied(KuboStore);

macro_rules! forward {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $out:ty;)+) => {
        impl Store for Emptied {
            $(fn $name(&self $(, $arg: $type)*) -> $out { self.0.$name($($arg),*) })+
            // The daemon has pins of its own.
            fn pins(&self) -> Result<Vec<Cid>> {
                Ok(self.0.pins()?.into_iter().filter(|cid| cid.version() == cid::Version::V1).collect())
            }
        }
    };
}
forward! {
    fn put(&self, block: &Block) -> Result<()>;
    fn put_all(&self, blocks: &[Block]) -> Result<()>;
    fn get(&self, cid: &Cid) -> Result<Block>;
    fn has(&self, cid: &Cid) -> Result<bool>;
    fn pin(&self, root: &Cid) -> Result<()>;
    fn unpin(&self, root: &Cid) -> Result<bool>;
    fn is_pinned(&self, root: &Cid) -> Result<bool>;
    fn adding(&self) -> Result<Adding>;
    fn gc(&self) -> Result<Freed>;
}

#[test]
fn a_daemon_is_a_store() {
    let daemon = Peer::rpc_daemon();
    let stores = RefCell::new(0);
    conformance::run(|| {
        *stores.borrow_mut() += 1;
        let store = Emptied(KuboStore::connect(daemon.url(), local()).unwrap());
        for root in store.pins().unwrap() {
            store.unpin(&root).unwrap();
        }
        store.gc().unwrap();
        store
    });
    assert!(stores.into_inner() > 5);
    let store = KuboStore::connect(daemon.url(), local()).unwrap();
    assert_eq!(store.identity().unwrap().peer, daemon.id());
    assert!(!store.version().is_empty());
}

#[test]
fn a_graph_goes_there_and_comes_back_as_a_car() {
    let (daemon, folder) = (Peer::rpc_daemon(), tempdir().unwrap());
    let disk = DiskStore::open(folder.path()).unwrap();
    let store = Tiered::new(disk, KuboStore::connect(daemon.url(), local()).unwrap());
    let bytes = data(20_000_000, 5);
    let root = unixfs::add(&store, &mut &bytes[..], Profile::default(), &mut quiet()).unwrap().root;
    let mut steps: Vec<Step> = Vec::new();
    let mut note = |step| {
        steps.push(step);
        ControlFlow::Continue(())
    };
    store.upload(&root, &mut note).unwrap();
    let last = steps.last().unwrap();
    assert_eq!((last.stage, last.total), (Stage::Upload, Some(last.done)));
    assert!(last.done > 20_000_000);
    store.pin(&root).unwrap();

    let mut there = Vec::new();
    car::export(store.far(), &[root], &mut there, &mut quiet()).unwrap();
    let mut here = Vec::new();
    car::export(store.near(), &[root], &mut here, &mut quiet()).unwrap();
    assert!(there == here);

    store.unpin(&root).unwrap();
    store.gc().unwrap();
    assert!(!store.has(&root).unwrap());
    car::import(store.far(), &there[..], &mut quiet()).unwrap();
    store.fetch(&root, &mut quiet()).unwrap();
    let mut back = Vec::new();
    unixfs::Reader::open(store.near(), &root).unwrap().read_to_end(&mut back).unwrap();
    assert!(back == bytes);
}

#[test]
fn an_asset_is_published_through_a_daemon_and_served() {
    let (daemon, folder) = (Peer::rpc_daemon(), tempdir().unwrap());
    let far = Arc::new(KuboStore::connect(daemon.url(), local()).unwrap());
    let state = folder.path().join("state");
    fs::create_dir(&state).unwrap();
    let store = Arc::new(Tiered::new(DiskStore::open(folder.path().join("store")).unwrap(), far.clone()));
    let clock = Arc::new(SystemClock);
    let ledger = EmbeddedLedger::in_memory(clock.clone()).unwrap();
    let exchange = Exchange::new(store.clone(), ledger, clock, Some(state));
    let owner = exchange.owner(Account::generate()).unwrap();
    let table = market::table(&market::people(3000));
    let asset = owner.publish(&Offer::new("people", &table, market::policy(), Terms::free(1))).unwrap().asset;
    assert_eq!(all(&*far, &asset.roots()), all(store.near(), &asset.roots()));
    assert!(asset.roots().iter().all(|root| far.is_pinned(root).unwrap()));

    let consumer = exchange.consumer(Account::generate()).unwrap();
    consumer.buy(&asset, 1).unwrap();
    let ticket = consumer.order(&asset).unwrap().request(&Query::select([count()])).unwrap();
    let (result, receipt) = owner.node().run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap();

    // A daemon that has gone is told from one that has not the block.
    drop(daemon);
    let absent = Block::new(Codec::Raw, &b"absent"[..]).unwrap();
    assert_eq!(far.get(absent.cid()).unwrap_err().kind(), ErrorKind::Unreachable);
}
