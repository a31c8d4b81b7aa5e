//! Files as graphs: the CIDs that other software gives them, and what a reader refuses.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;
use sealock::progress::quiet;
use sealock::store::unixfs::{self, Child, MAX_DEPTH, MAX_LINKS, Node, Profile, Reader};
use sealock::store::{Adding, Block, Cid, Codec, Freed, MemoryStore, Result, Store, StoreError};
use sha2::{Digest as _, Sha256};

/// The concatenated SHA-256 of the decimal strings "0", "1", …, cut to `len` bytes.
fn known(len: usize) -> Vec<u8> {
    let mut out: Vec<u8> = (0..len.div_ceil(32)).flat_map(|i| Sha256::digest(i.to_string())).collect();
    out.truncate(len);
    out
}

fn add(store: &dyn Store, bytes: &[u8], profile: Profile) -> unixfs::Added {
    unixfs::add(store, &mut &bytes[..], profile, &mut quiet()).unwrap()
}

fn read(store: &dyn Store, root: &Cid) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    Reader::open(store, root)?.read_to_end(&mut out)?;
    Ok(out)
}

#[test]
fn cids_are_those_of_kubo_and_helia() {
    let answers = [
        (1_000_000, Profile::KuboLegacy, "bafybeihj3cu5obdjfy6bbpxbsx242nokfussxslcn5ssn35orqpoux6geq"),
        (1_000_000, Profile::UnixfsV1_2025, "bafkreiglzyh4onwfp5w4muuty4ty75ttvnnyixcmw45cotixuvyasvbcie"),
        (45_613_057, Profile::KuboLegacy, "bafybeihldcniqdm2vubfh7lmn7untthodldtkayfjapmw33hgua7caefri"),
        (45_613_057, Profile::UnixfsV1_2025, "bafybeiehseykkxtagganjnsrloxw7aaqnxjcx7gz3s2xj3el2uhh7lxhs4"),
        (0, Profile::UnixfsV1_2025, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
    ];
    let bytes = known(45_613_057);
    for (len, profile, cid) in answers {
        let store = MemoryStore::new();
        let added = add(&store, &bytes[..len], profile);
        assert_eq!(added.root.to_string(), cid, "{len} bytes, {}", profile.name());
        assert_eq!(added.size, len as u64);
        assert_eq!(added.blocks, store.len() as u64);
        assert!(read(&store, &added.root).unwrap() == bytes[..len]);
    }
}

#[test]
fn files_around_every_boundary_come_back() {
    for (profile, most) in [(Profile::KuboLegacy, 176), (Profile::UnixfsV1_2025, 9)] {
        let leaf = profile.leaf_bytes();
        let bytes = known(leaf * most + 1);
        for leaves in [0, 1, 2, 8, 32, 33, 174, 175, 176].into_iter().filter(|&n| n <= most) {
            for len in [(leaf * leaves).saturating_sub(1), leaf * leaves, leaf * leaves + 1] {
                let store = MemoryStore::new();
                let added = add(&store, &bytes[..len], profile);
                assert!(read(&store, &added.root).unwrap() == bytes[..len], "{len} bytes, {}", profile.name());
                let inner = match len.div_ceil(leaf) {
                    0 | 1 => 0,
                    n if n <= profile.links() => 1,
                    n => 1 + n.div_ceil(profile.links()),
                };
                assert_eq!(added.blocks, (len.div_ceil(leaf).max(1) + inner) as u64, "{len} bytes");
            }
        }
    }
}

#[test]
fn a_source_that_gives_a_byte_at_a_time_or_fails_is_handled() {
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let n = buffer.len().min(7);
            self.0.read(&mut buffer[..n])
        }
    }
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    let (store, bytes) = (MemoryStore::new(), known(600_000));
    let slow = unixfs::add(&store, &mut Slow(&bytes), Profile::KuboLegacy, &mut quiet()).unwrap();
    assert_eq!(slow, add(&store, &bytes, Profile::KuboLegacy));
    let failed = unixfs::add(&store, &mut (&bytes[..]).chain(Failing), Profile::KuboLegacy, &mut quiet());
    assert!(matches!(failed, Err(StoreError::Io { .. })));
    let cancelled =
        unixfs::add(&store, &mut &bytes[..], Profile::KuboLegacy, &mut |_| std::ops::ControlFlow::Break(()));
    assert!(matches!(cancelled, Err(StoreError::Cancelled)));
    store.gc().unwrap();
}

/// Counts the blocks that are fetched.
struct Counting(MemoryStore, AtomicUsize);

impl Store for Counting {
    fn put(&self, block: &Block) -> Result<()> {
        self.0.put(block)
    }
    fn get(&self, cid: &Cid) -> Result<Block> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(cid)
    }
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.0.has(cid)
    }
    fn pin(&self, root: &Cid) -> Result<()> {
        self.0.pin(root)
    }
    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.0.unpin(root)
    }
    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.0.is_pinned(root)
    }
    fn pins(&self) -> Result<Vec<Cid>> {
        self.0.pins()
    }
    fn adding(&self) -> Result<Adding> {
        self.0.adding()
    }
    fn gc(&self) -> Result<Freed> {
        self.0.gc()
    }
}

#[test]
fn a_range_costs_only_the_blocks_on_the_way_to_it() {
    let (store, bytes) = (Counting(MemoryStore::new(), AtomicUsize::new(0)), known(60_000_000));
    let added = add(&store, &bytes, Profile::KuboLegacy);
    let mut reader = Reader::open(&store, &added.root).unwrap();
    let mut fetched = |at: u64, len: usize| {
        let before = store.1.load(Ordering::Relaxed);
        let mut out = vec![0; len];
        reader.seek(SeekFrom::Start(at)).unwrap();
        reader.read_exact(&mut out).unwrap();
        assert!(out == bytes[at as usize..at as usize + len]);
        store.1.load(Ordering::Relaxed) - before
    };
    // Two levels of nodes: one node below the root, then the leaf.
    assert_eq!(fetched(30_000_000, 100), 2);
    assert_eq!(fetched(30_000_100, 100), 0, "the leaf is still there");
    assert_eq!(fetched(30_500_000, 100), 1, "so is its parent");
    assert_eq!(fetched(59_999_000, 1000), 2);
}

proptest! {
    #[test]
    fn any_range_is_what_the_file_has_there(len in 0usize..3_000_000, reads in prop::collection::vec((0usize..3_100_000, 0usize..600_000), 1..6)) {
        let (store, bytes) = (MemoryStore::new(), known(len));
        let added = add(&store, &bytes, Profile::KuboLegacy);
        let (mut reader, mut model) = (Reader::open(&store, &added.root).unwrap(), Cursor::new(&bytes));
        for (at, want) in reads {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            model.seek(SeekFrom::Start(at as u64)).unwrap();
            (&mut reader).take(want as u64).read_to_end(&mut a).unwrap();
            (&mut model).take(want as u64).read_to_end(&mut b).unwrap();
            prop_assert!(a == b);
            prop_assert_eq!(reader.stream_position().unwrap(), model.stream_position().unwrap());
        }
        prop_assert!(reader.seek(SeekFrom::End(-(len as i64) - 1)).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_no_node(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let block = Block::new(Codec::DagPb, bytes.clone()).unwrap();
        if let Ok(node) = Node::decode(&block) {
            prop_assert_eq!(node.encode().unwrap(), block);
        }
    }

    #[test]
    fn arbitrary_text_is_no_cid(text in "[a-zA-Z0-9]{0,70}") {
        if let Ok(cid) = text.parse::<Cid>() {
            prop_assert!(sealock::store::check_cid(&cid).is_err() || cid.to_string().len() == 59);
        }
    }
}

fn leaf(bytes: &[u8]) -> Block {
    Block::new(Codec::Raw, bytes.to_vec()).unwrap()
}

fn child(block: &Block, size: u64) -> Child {
    Child { cid: *block.cid(), size, cumulative: size }
}

fn node(children: Vec<Child>) -> Block {
    Node { children }.encode().unwrap()
}

fn invalid<T: std::fmt::Debug>(result: Result<T>) -> bool {
    matches!(result, Err(StoreError::InvalidNode { .. }))
}

fn refused(result: std::io::Result<Vec<u8>>) -> bool {
    let inner = result.unwrap_err().downcast::<StoreError>();
    inner.is_ok_and(|e| matches!(e, StoreError::InvalidNode { .. }))
}

#[test]
fn truncated_extended_and_flipped_nodes_are_refused_or_another_node() {
    let good = node(vec![child(&leaf(b"abc"), 3), child(&leaf(b"de"), 2)]);
    let bytes = good.bytes().to_vec();
    for end in 0..bytes.len() {
        assert!(invalid(Node::decode(&Block::new(Codec::DagPb, bytes[..end].to_vec()).unwrap())), "cut at {end}");
    }
    for extra in [&[0][..], &[0x0a, 0], &[0x12, 0], &[0x18, 1], &[0xff; 20]] {
        let long = [&bytes[..], extra].concat();
        assert!(invalid(Node::decode(&Block::new(Codec::DagPb, long).unwrap())), "{extra:?}");
    }
    let mut valid = 0;
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let block = Block::new(Codec::DagPb, flipped).unwrap();
        match Node::decode(&block) {
            // Another child's hash or hint makes another node, under another name.
            Ok(other) => {
                assert_eq!(other.encode().unwrap(), block);
                assert_ne!(block.cid(), good.cid());
                valid += 1;
            }
            Err(e) => assert!(matches!(e, StoreError::InvalidNode { .. }), "bit {bit}: {e}"),
        }
    }
    assert!(valid < bytes.len() * 8);
}

#[test]
fn sizes_that_do_not_add_up_are_refused() {
    let (store, part) = (MemoryStore::new(), leaf(b"abc"));
    store.put(&part).unwrap();
    for lie in [2, 4, 1 << 62] {
        let root = node(vec![child(&part, lie)]);
        store.put(&root).unwrap();
        assert!(refused(read(&store, root.cid())), "leaf said to have {lie} bytes");
        let top = node(vec![child(&root, lie + 1)]);
        store.put(&top).unwrap();
        assert!(refused(read(&store, top.cid())), "node said to have {} bytes", lie + 1);
    }
    assert!(invalid(Node::decode(&node(vec![child(&part, 0)]))), "an empty child");
    assert!(invalid(Node::decode(&node(vec![]))), "no child");
}

#[test]
fn sizes_that_overflow_are_refused() {
    // 2^63 twice is 0 in 64 bits. The encoder cannot write it, so the bytes are patched: a varint of ten bytes each.
    let part = leaf(b"abc");
    let good = node(vec![child(&part, 1 << 62), child(&part, 1 << 61)]);
    assert!(Node::decode(&good).is_ok());
    let huge = |n: u64| {
        let mut out = Vec::new();
        let mut n = n;
        while n >= 0x80 {
            out.push(n as u8 | 0x80);
            n >>= 7;
        }
        out.push(n as u8);
        out
    };
    let data = [&[0x08, 2, 0x18, 0][..], &[0x20], &huge(1 << 63), &[0x20], &huge(1 << 63)].concat();
    let link = |c: &Block| {
        let cid = c.cid().to_bytes();
        let body = [&[0x0a, cid.len() as u8][..], &cid, &[0x12, 0, 0x18, 3]].concat();
        [&[0x12, body.len() as u8][..], &body].concat()
    };
    let bytes = [link(&part), link(&part), [&[0x0a, data.len() as u8][..], &data].concat()].concat();
    assert!(invalid(Node::decode(&Block::new(Codec::DagPb, bytes).unwrap())));
}

#[test]
fn bombs_are_refused_or_cost_nothing() {
    let store = MemoryStore::new();
    // Deeper than any real file.
    let mut top = leaf(b"x");
    store.put(&top).unwrap();
    for depth in 1..=MAX_DEPTH + 1 {
        top = node(vec![child(&top, 1)]);
        store.put(&top).unwrap();
        assert_eq!(read(&store, top.cid()).is_ok(), depth <= MAX_DEPTH, "depth {depth}");
    }
    assert!(refused(read(&store, top.cid())));
    // More links than a node may have.
    let part = leaf(b"x");
    assert!(Node::decode(&node(vec![child(&part, 1); MAX_LINKS])).is_ok());
    assert!(invalid(Node::decode(&node(vec![child(&part, 1); MAX_LINKS + 1]))));
    // 2^52 bytes out of five blocks: a range of it is read like any other, and walking it visits five blocks.
    let mut wide = leaf(&[7; 1 << 20]);
    store.put(&wide).unwrap();
    let mut size = 1 << 20;
    for _ in 0..4 {
        wide = node(vec![child(&wide, size); 256]);
        size *= 256;
        store.put(&wide).unwrap();
    }
    let mut reader = Reader::open(&store, wide.cid()).unwrap();
    assert_eq!(reader.size(), 1 << 52);
    reader.seek(SeekFrom::End(-3)).unwrap();
    let mut end = Vec::new();
    reader.read_to_end(&mut end).unwrap();
    assert_eq!(end, [7; 3]);
    assert_eq!(sealock::store::dag::reachable(&store, &[*wide.cid()]).unwrap().len(), 5);
}

#[test]
fn what_is_no_file_is_refused() {
    let store = MemoryStore::new();
    // An empty directory, as Kubo encodes it, and a leaf with its data inside a node.
    for bytes in [&[0x0a, 2, 0x08, 1][..], &[0x0a, 6, 0x08, 2, 0x12, 0, 0x18, 0], &[]] {
        let block = Block::new(Codec::DagPb, bytes.to_vec()).unwrap();
        store.put(&block).unwrap();
        assert!(refused(read(&store, block.cid())));
    }
    let cbor = Block::new(Codec::DagCbor, vec![0xa0]).unwrap();
    store.put(&cbor).unwrap();
    assert!(refused(read(&store, cbor.cid())));
}
