//! Storing and fetching, against other implementations that do the same work: Kubo, Helia, age, `cryptography`.
//!
//! `cargo bench --workspace --bench storage --profile dev`, after `make test` has set the peers up.

#[path = "../tests/support/peers.rs"]
mod peers;

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use peers::Peer;
use sealock::Digest;
use sealock::envelope::{DatasetKey, DatasetRef, ObjectKey, SealedReader, SealingReader, Suite, seal_bytes};
use sealock::progress::quiet;
use sealock::store::unixfs::{self, Profile, Reader};
use sealock::store::{Adding, Block, Cid, DiskStore, Freed, IpfsConfig, IpfsStore, Result, Store};
use serde_json::json;

const MIB: u64 = 1 << 20;
const FILE: u64 = 256 * MIB;
const SENT: u64 = 64 * MIB;
const LARGE: u64 = 1024 * MIB;

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed().as_secs_f64(), done)
}

fn show(what: &str, bytes: u64, seconds: f64) -> f64 {
    let rate = bytes as f64 / seconds / 1e6;
    println!("{what:64} {rate:9.1} MB/s");
    rate
}

fn ratio(what: &str, ours: f64, theirs: f64) {
    println!("{:64} {:9.2}", format!("  ratio to {what}"), ours / theirs);
}

fn key() -> ObjectKey {
    let of = DatasetRef { dataset: Digest::sha256(b"bench"), epoch: 0 };
    DatasetKey::generate(of).object_key("bench", Suite::Cobblestone256).expect("a valid id")
}

/// Bytes that do not repeat, in a file, and are others in every file.
fn write_file(path: &Path, len: u64) {
    let mut file = File::create(path).expect("a file");
    static FILES: AtomicU64 = AtomicU64::new(0);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ FILES.fetch_add(1, Ordering::Relaxed);
    let mut block = vec![0u8; MIB as usize];
    for _ in 0..len / MIB {
        for word in block.chunks_exact_mut(8) {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block).expect("room on the disk");
    }
    file.sync_all().expect("room on the disk");
}

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    put(folder.path());
    sealing();
    range(folder.path());
    bitswap(folder.path());
}

/// How often what takes turns with a peer is measured. The best of each counts.
const ROUNDS: u64 = 3;

fn put(folder: &Path) {
    println!("A file of {} MiB to disk, the best of {ROUNDS} in turn", FILE / MIB);
    let disk = DiskStore::open(folder.join("store")).expect("a folder");
    let (mut kubo, mut importer) = (Peer::kubo(), Peer::importer());
    let mut best = [f64::INFINITY; 3];
    for _ in 0..ROUNDS {
        // Another one each time, or Kubo would find its blocks there.
        let source = folder.join("file");
        write_file(&source, FILE);
        let ours = timed(|| {
            let mut sealing = SealingReader::new(File::open(&source).expect("the file"), &key());
            let added = unixfs::add(&disk, &mut sealing, Profile::default(), &mut quiet()).expect("the disk takes it");
            disk.pin(&added.root).expect("the disk takes it");
        });
        let plain = timed(|| kubo.ask(json!({"do": "add", "path": peers::path(&source)})));
        let sealed = folder.join("file.age");
        let aged = timed(|| {
            let recipient = age::x25519::Identity::generate().to_public();
            let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as _)).expect("a recipient");
            let mut out = encryptor.wrap_output(File::create(&sealed).expect("a file")).expect("room on the disk");
            std::io::copy(&mut BufReader::with_capacity(1 << 16, File::open(&source).expect("the file")), &mut out)
                .expect("room on the disk");
            out.finish().expect("room on the disk").sync_all().expect("room on the disk");
            importer.ask(json!({"do": "cid", "path": peers::path(&sealed), "profile": Profile::default().name()}));
        });
        for (best, seconds) in best.iter_mut().zip([ours.0, plain.0, aged.0]) {
            *best = best.min(seconds);
        }
        fs::remove_file(sealed).expect("it was there");
    }
    let ours = show("sealed, named and pinned: synced once", FILE, best[0]);
    let theirs = show("Kubo 0.22's plain add", FILE, best[1]);
    ratio("Kubo's plain add", ours, theirs);
    let theirs = show("age, and a CID by ipfs-unixfs-importer", FILE, best[2]);
    ratio("age and ipfs-unixfs-importer", ours, theirs);
    println!();
}

fn sealing() {
    println!("Cobblestone-256, {} MiB in memory, the best of {ROUNDS} in turn", FILE / MIB);
    let plain = vec![7u8; FILE as usize];
    let mut best = [f64::INFINITY; 2];
    for _ in 0..ROUNDS {
        let (ours, _) = timed(|| seal_bytes(&key(), &plain).expect("memory takes it"));
        let script = peers::interop("cobblestone.py");
        let output = Command::new(peers::python()).arg(script).args(["speed", &FILE.to_string()]).output();
        let output = String::from_utf8(output.expect("Python").stdout).expect("text");
        let theirs = output.trim().parse().expect("seconds");
        best = [best[0].min(ours), best[1].min(theirs)];
    }
    let ours = show("sealed", FILE, best[0]);
    let theirs = show("Python's cryptography.cobblestone", FILE, best[1]);
    ratio("Python's cryptography.cobblestone", ours, theirs);
    println!();
}

/// Counts what is got.
struct Counting<S>(S, AtomicU64);

impl<S: Store> Store for Counting<S> {
    fn get(&self, cid: &Cid) -> Result<Block> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(cid)
    }
    fn put(&self, block: &Block) -> Result<()> {
        self.0.put(block)
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

fn range(folder: &Path) {
    println!("1 MiB out of {} MiB, sealed, on disk", LARGE / MIB);
    let disk = DiskStore::open(folder.join("large")).expect("a folder");
    let key = key();
    let mut sealing = SealingReader::new(std::io::repeat(7).take(LARGE), &key);
    let root = unixfs::add(&disk, &mut sealing, Profile::default(), &mut quiet()).expect("the disk takes it").root;
    let store = Counting(disk, AtomicU64::new(0));
    let mut reader = SealedReader::open(Reader::open(&store, &root).expect("it is there"), &key).expect("it opens");
    let mut buffer = vec![0u8; MIB as usize];
    let (mut worst, mut most, mut all) = (0f64, 0, 0f64);
    const READS: u64 = 50;
    for i in 0..READS {
        let before = store.1.load(Ordering::Relaxed);
        let (seconds, ()) = timed(|| {
            reader.seek(SeekFrom::Start(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (LARGE - MIB))).expect("within it");
            reader.read_exact(&mut buffer).expect("it is whole");
        });
        (worst, all) = (worst.max(seconds), all + seconds);
        most = most.max(store.1.load(Ordering::Relaxed) - before);
    }
    println!("{:64} {:9.2} ms, at worst {:.2} ms", "a range", all / READS as f64 * 1e3, worst * 1e3);
    println!("{:64} {most:9} leaves at most\n", "");
}

fn bitswap(folder: &Path) {
    println!("Bitswap over loopback, {} MiB in leaves of 1 MiB", SENT / MIB);
    let file = folder.join("sent");
    write_file(&file, SENT);
    let config = IpfsConfig::new().block_timeout(Duration::from_secs(60));
    let open = |name: &str| IpfsStore::open(folder.join(name), &config).expect("a node");
    let from = open("from");
    let mut source = File::open(&file).expect("the file");
    let root = unixfs::add(&from, &mut source, Profile::default(), &mut quiet()).expect("the disk takes it").root;
    let mut best = 0f64;
    for transport in ["tcp", "quic-v1"] {
        let to = open(&format!("to-{transport}"));
        let address = from.addresses().expect("the node's").into_iter().find(|a| a.contains(transport));
        to.connect(&address.expect("it listens")).expect("it listens");
        let (seconds, ()) = timed(|| {
            to.fetch(&root, &mut quiet()).expect("the other has it");
            to.pin(&root).expect("it is whole");
        });
        best = best.max(show(&format!("node to node over {transport}, kept on disk and pinned"), SENT, seconds));
    }
    let (mut helia, mut kubo) = (Peer::helia(), Peer::kubo());
    let add = json!({"do": "add", "path": peers::path(&file), "profile": Profile::default().name()});
    let cid = helia.ask_text(add, "cid");
    kubo.ask(json!({"do": "connect", "addr": helia.addr("tcp")}));
    let (seconds, _) = timed(|| kubo.ask(json!({"do": "pin", "cid": cid})));
    let theirs = show("Helia to Kubo over tcp, kept on disk and pinned", SENT, seconds);
    ratio("Helia to Kubo", best, theirs);
    let mut second = Peer::helia();
    second.ask(json!({"do": "connect", "addr": kubo.addr("tcp")}));
    let (seconds, _) = timed(|| second.ask(json!({"do": "get", "cid": cid})));
    let theirs = show("Kubo to Helia over tcp, kept in memory", SENT, seconds);
    ratio("Kubo to Helia", best, theirs);
    fs::remove_file(file).expect("it was there");
}
