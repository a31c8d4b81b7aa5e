//! What went wrong once: in key stores, publications, transfers and nodes, under hostile peers, links, crashes and races.
#![cfg(all(feature = "ipfs", feature = "kubo"))]

#[path = "support/market.rs"]
mod market;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use market::{Market, START, people, policy, table};
use sealock::asset::Terms;
use sealock::envelope::{self, DatasetRef, OwnerKey, Publication, Source};
use sealock::error::Classify;
use sealock::keystore::KeyStore;
use sealock::owner::Offer;
use sealock::program::{Query, count};
use sealock::progress::quiet;
use sealock::store::transfer::{Options, transfer};
use sealock::store::unixfs::{Child, Node};
use sealock::store::{
    Adding, Block, Cid, Codec, DiskStore, Freed, IpfsConfig, IpfsStore, KuboOptions, KuboStore, MemoryStore, Result,
    Store,
};
use sealock::{Account, Digest, ErrorKind, Exchange};

const FAST: u8 = 4;

#[test]
fn a_key_store_behind_a_link_is_the_file_that_the_link_names() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real.age"), folder.path().join("link.age"));
    drop(KeyStore::create_with_work_factor(&real, Account::generate(), "pass", FAST).unwrap());
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let keys = KeyStore::open(&link, "pass").unwrap();
    // Somebody else opens it by its own name.
    let second = KeyStore::open(&real, "pass").map(drop).map_err(|e| e.kind());
    let exchange = Exchange::in_memory().unwrap();
    let owner = exchange.owner_from(keys).unwrap();
    let rows = table(&people(500));
    let asset = owner.publish(&Offer::new("people", &rows, policy().min_group_size(1), Terms::free(5))).unwrap().asset;
    drop(owner);
    drop(exchange);
    let held = KeyStore::open(&real, "pass").unwrap().epochs();
    assert_eq!((second, held), (Err(ErrorKind::Locked), vec![asset.dataset()]));
}

#[test]
fn a_key_store_by_a_relative_name_stays_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    fs::create_dir_all(&first).unwrap();
    fs::create_dir_all(&second).unwrap();
    let before = std::env::current_dir().unwrap();
    std::env::set_current_dir(&first).unwrap();
    let keys = KeyStore::create_with_work_factor("owner.age", Account::generate(), "pass", FAST).unwrap();
    std::env::set_current_dir(&second).unwrap();
    let exchange = Exchange::in_memory().unwrap();
    let owner = exchange.owner_from(keys).unwrap();
    let rows = table(&people(500));
    let asset = owner.publish(&Offer::new("people", &rows, policy().min_group_size(1), Terms::free(5))).unwrap().asset;
    drop(owner);
    drop(exchange);
    std::env::set_current_dir(before).unwrap();
    let held = KeyStore::open(first.join("owner.age"), "pass").unwrap().epochs();
    assert_eq!((held, second.join("owner.age").exists()), (vec![asset.dataset()], false));
}

/// Memory that takes its time with some blocks.
struct Slow {
    inner: MemoryStore,
    slow: Cid,
    takes: Duration,
}

impl Store for Slow {
    fn put(&self, block: &Block) -> Result<()> {
        self.inner.put(block)
    }
    fn get(&self, cid: &Cid) -> Result<Block> {
        if *cid == self.slow {
            std::thread::sleep(self.takes);
        }
        self.inner.get(cid)
    }
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.inner.has(cid)
    }
    fn pin(&self, root: &Cid) -> Result<()> {
        self.inner.pin(root)
    }
    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.inner.unpin(root)
    }
    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.inner.is_pinned(root)
    }
    fn pins(&self) -> Result<Vec<Cid>> {
        self.inner.pins()
    }
    fn adding(&self) -> Result<Adding> {
        self.inner.adding()
    }
    fn gc(&self) -> Result<Freed> {
        self.inner.gc()
    }
}

/// While an inner node of a file is waited for, the caller must be asked whether to go on.
#[test]
fn the_caller_is_asked_while_an_inner_node_is_waited_for() {
    let child = |cid: &Cid, size| Child { cid: *cid, size, cumulative: size };
    let leaf = Block::new(Codec::Raw, vec![1; 10]).unwrap();
    let inner = Node { children: vec![child(leaf.cid(), 10)] }.encode().unwrap();
    let root = Node { children: vec![child(inner.cid(), 10)] }.encode().unwrap();
    let from = Slow { inner: MemoryStore::new(), slow: *inner.cid(), takes: Duration::from_secs(4) };
    from.put_all(&[leaf, inner.clone(), root.clone()]).unwrap();
    let (mut last, mut gap) = (Instant::now(), Duration::ZERO);
    let mut told = |_: sealock::progress::Step| {
        gap = gap.max(last.elapsed());
        last = Instant::now();
        ControlFlow::Continue(())
    };
    transfer(&from, &MemoryStore::new(), root.cid(), &Options::fetch(), &mut told).unwrap();
    assert!(gap < Duration::from_secs(3), "nobody was asked for {gap:?}");
}

#[test]
fn what_is_pinned_of_a_publication_is_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let store = MemoryStore::new();
    let of = DatasetRef { dataset: Digest::sha256(b"x"), epoch: 0 };
    // The record cannot be written: as if the process had died before.
    let journal = envelope::Journal::at(folder.path().join("no/such/folder"));
    let publication = Publication { journal: Some(&journal), ..Default::default() };
    let mut bytes = std::io::Cursor::new(vec![1; 100]);
    let objects = &mut [Source { id: "table".into(), reader: &mut bytes }];
    let (account, key) = (Account::generate(), OwnerKey::generate());
    envelope::publish_objects(&store, &account, &key, of, objects, &publication, &mut quiet()).unwrap_err();
    assert!(store.pins().unwrap().is_empty(), "pinned, and nobody knows of it");
}

#[test]
fn a_damaged_record_of_a_publication_can_be_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = Exchange::local(folder.path()).unwrap();
    let owner = exchange.owner(Account::generate()).unwrap();
    let rows = table(&people(500));
    let offer = Offer::new("people", &rows, policy().min_group_size(1), Terms::free(5));
    let name = format!("publication-{}-{}", owner.address(), Digest::sha256(&rows.to_parquet().unwrap()));
    let record = folder.path().join("state").join(name);
    fs::write(&record, b"damaged").unwrap();
    assert_eq!(owner.discard_unfinished().unwrap(), 1);
    assert!(!record.exists());
    // Nor does it keep the table from being published.
    fs::write(&record, b"damaged").unwrap();
    owner.publish(&offer).unwrap();
    assert!(!record.exists());
}

#[test]
fn a_query_that_was_admitted_is_not_answered_after_the_key_was_destroyed() {
    let market = Market::open();
    let ticket = market.order().request(&Query::select([count()])).unwrap();
    let node = market.owner.node();
    let grant = node.admit(ticket.request().clone()).unwrap();
    market.owner.destroy_key(&market.asset).unwrap();
    market.clock.advance(100);
    let answered = node.compute(grant).and_then(|computed| node.release(computed));
    let at = answered.as_ref().map(|(_, receipt)| receipt.statement().released_at - START);
    assert!(answered.is_err(), "released {at:?} s after");
}

#[test]
fn a_store_is_opened_beside_one_that_reads() {
    let folder = tempfile::tempdir().unwrap();
    let far = MemoryStore::new();
    let blocks: Vec<Block> = (0..4000u32).map(|i| Block::new(Codec::Raw, i.to_le_bytes().to_vec()).unwrap()).collect();
    far.put_all(&blocks).unwrap();
    let near = DiskStore::open(folder.path()).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let (mut put, mut opened) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut failed = Vec::new();
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                match DiskStore::open(folder.path()) {
                    Err(e) => failed.push(e.to_string()),
                    Ok(store) => {
                        if let Err(e) = store.gc()
                            && e.kind() != ErrorKind::Locked
                        {
                            failed.push(e.to_string());
                        }
                    }
                }
            }
            failed
        });
        for block in &blocks {
            // As `IpfsStore::get` and `Tiered::get` are to keep what they read. Without the guard, puts fail in hundreds.
            if let Err(e) = near.adding().and_then(|_adding| near.put(block)) {
                put.push(e.to_string());
            }
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        opened = other.join().unwrap();
    });
    assert!(
        put.is_empty() && opened.is_empty(),
        "{} puts failed: {:?}; {} openings: {:?}",
        put.len(),
        put.first(),
        opened.len(),
        opened.first()
    );
}

fn daemon(answer: impl Fn(&str, &mut std::net::TcpStream) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    if stream.read(&mut byte).unwrap_or(0) == 0 {
                        return;
                    }
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                if head.contains("/version") {
                    say(&mut stream, br#"{"Version":"0.30.0"}"#);
                } else {
                    answer(&head, &mut stream);
                }
            });
        }
    });
    address
}

fn say(stream: &mut std::net::TcpStream, body: &[u8]) {
    let _ = write!(stream, "HTTP/1.1 200 x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let _ = stream.write_all(body);
}

fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn a_daemon_that_collects_nothing_very_often_takes_no_memory() {
    let address = daemon(|head, stream| {
        if head.contains("repo/stat") {
            say(stream, br#"{"RepoSize":1}"#);
        } else {
            say(stream, &b"{}".repeat(8 << 20));
        }
    });
    let store = KuboStore::connect(&address, KuboOptions::default()).unwrap();
    let before = peak();
    store.gc().unwrap_err();
    let after = peak();
    assert!(after - before < 200, "16 MiB of answer (of 128 that are allowed) took {} MiB", after - before);
}

#[test]
fn strangers_that_fill_a_node_do_not_keep_it_from_dialling() {
    let folder = tempfile::tempdir().unwrap();
    let open =
        |name: &str, most| IpfsStore::open(folder.path().join(name), &IpfsConfig::new().max_connections(most)).unwrap();
    let hub = open("hub", 4);
    let address = |node: &IpfsStore| node.addresses().unwrap().into_iter().find(|a| a.contains("/tcp/")).unwrap();
    let strangers: Vec<_> = (0..8).map(|i| open(&i.to_string(), 256)).collect();
    for stranger in &strangers {
        let _ = stranger.connect(&address(&hub));
    }
    std::thread::sleep(Duration::from_secs(1));
    let friend = open("friend", 256);
    hub.connect(&address(&friend)).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(hub.peers().unwrap().contains(&friend.peer_id()));
}

/// One block is no node, another nobody has: the first is told at once.
#[test]
fn an_error_does_not_wait_for_blocks_that_nobody_sends() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        IpfsStore::open(folder.path().join(name), &IpfsConfig::new().block_timeout(Duration::from_secs(40))).unwrap()
    };
    let (here, there) = (open("here"), open("there"));
    here.connect(&there.addresses().unwrap()[0]).unwrap();
    let missing = Block::new(Codec::Raw, &b"missing"[..]).unwrap();
    let bad = Block::new(Codec::DagPb, &b"no node"[..]).unwrap();
    let links = vec![*bad.cid(), *missing.cid()];
    let root = Block::new(Codec::DagCbor, serde_ipld_dagcbor::to_vec(&links).unwrap()).unwrap();
    here.put_all(&[bad, root.clone()]).unwrap();
    let began = Instant::now();
    let failed = here.fetch(root.cid(), &mut quiet()).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Malformed, "{failed}");
    assert!(began.elapsed() < Duration::from_secs(20), "after {:?}", began.elapsed());
}

#[test]
fn a_name_that_no_ledger_takes_is_refused_before_anything_is_stored() {
    let market = Market::open();
    let (rows, pins) = (table(&people(500)), market.exchange.store().pins().unwrap());
    let publish =
        |name: &str| market.owner.publish(&Offer::new(name, &rows, policy().min_group_size(1), Terms::free(5)));
    let error = publish(&"n".repeat(129)).unwrap_err();
    assert!(error.to_string().contains("129"), "{error}");
    assert_eq!(market.exchange.store().pins().unwrap(), pins);
    publish(&"n".repeat(128)).unwrap();
}
