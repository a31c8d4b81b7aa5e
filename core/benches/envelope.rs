//! Sealing and naming a stream: AES-256-GCM and the SHA-256 of the CIDs together, against SHA-256 alone.
//!
//! `cargo bench --workspace --bench envelope --profile dev`

use std::io::{self, Read};
use std::time::Instant;

use sealock::Digest;
use sealock::envelope::{DatasetKey, DatasetRef, SealingReader, Suite, open, seal};
use sealock::progress::quiet;
use sealock::store::unixfs::{self, Profile};
use sealock::store::{Adding, Block, Cid, DiskStore, Freed, Result, Store};
use sha2::{Digest as _, Sha256};

const GIB: u64 = 1 << 30;

/// Takes blocks and forgets them, so that sealing and hashing are measured and no disk.
struct Nowhere;

impl Store for Nowhere {
    fn put(&self, _: &Block) -> Result<()> {
        Ok(())
    }
    fn get(&self, cid: &Cid) -> Result<Block> {
        Err(sealock::store::StoreError::NotFound { cid: *cid })
    }
    fn has(&self, _: &Cid) -> Result<bool> {
        Ok(false)
    }
    fn pin(&self, _: &Cid) -> Result<()> {
        Ok(())
    }
    fn unpin(&self, _: &Cid) -> Result<bool> {
        Ok(false)
    }
    fn is_pinned(&self, _: &Cid) -> Result<bool> {
        Ok(false)
    }
    fn pins(&self) -> Result<Vec<Cid>> {
        Ok(Vec::new())
    }
    fn adding(&self) -> Result<Adding> {
        Ok(Adding::new(()))
    }
    fn gc(&self) -> Result<Freed> {
        Ok(Freed::default())
    }
}

/// As many bytes as asked for, copied from a block of 1 MiB.
struct Synthetic {
    block: Vec<u8>,
    rest: u64,
}

impl Synthetic {
    fn new(len: u64) -> Self {
        Self { block: (0..1 << 20).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect(), rest: len }
    }
}

impl Read for Synthetic {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = buffer.len().min(self.block.len()).min(usize::try_from(self.rest).unwrap_or(usize::MAX));
        buffer[..n].copy_from_slice(&self.block[..n]);
        self.rest -= n as u64;
        Ok(n)
    }
}

/// GB/s of `work` over `bytes`: by the clock, and per second that a core was busy. The second is what other processes on
/// the machine do not disturb.
fn rate(bytes: u64, work: impl FnOnce()) -> (f64, f64) {
    let (start, busy) = (Instant::now(), busy_seconds());
    work();
    let (elapsed, busy) = (start.elapsed().as_secs_f64(), busy_seconds() - busy);
    (bytes as f64 / elapsed / 1e9, bytes as f64 / busy / 1e9)
}

/// User and system time of all threads, where the system tells.
fn busy_seconds() -> f64 {
    // Fields 14 and 15 of `proc_pid_stat(5)`, in hundredths; the name in field 2 ends with the last parenthesis.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    fields.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// SHA-256 over 16 KiB messages on one core, as `openssl speed -evp sha256 -bytes 16384` measures it.
fn sha256_alone() -> (f64, f64) {
    let message = vec![7u8; 16 << 10];
    rate(GIB, || {
        for _ in 0..GIB >> 14 {
            std::hint::black_box(Sha256::digest(std::hint::black_box(&message)));
        }
    })
}

/// The largest memory that the process has had, in MiB, where the system tells.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? >> 10)
}

fn main() {
    let of = DatasetRef { dataset: Digest::sha256(b"bench"), epoch: 0 };
    let key = DatasetKey::generate(of).object_key("bench", Suite::Cobblestone256).expect("a valid id");
    println!("{:44} {:>8} {:>8}", "GB/s", "clock", "per core");
    let show = |what: &str, (clock, core): (f64, f64)| println!("{what:44} {clock:8.2} {core:8.2}");
    let sha = sha256_alone();
    show("SHA-256 alone, 1 thread", sha);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, 2].into_iter().filter(|&n| n <= cores) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let sealing = rate(GIB, || {
                seal(Synthetic::new(GIB), io::sink(), &key, &mut quiet()).expect("sealing does not fail");
            });
            show(&format!("seal, {threads} thread(s)"), sealing);
            for profile in [Profile::UnixfsV1_2025, Profile::KuboLegacy] {
                let both = rate(GIB, || {
                    let mut source = SealingReader::new(Synthetic::new(GIB), &key);
                    unixfs::add(&Nowhere, &mut source, profile, &mut quiet()).expect("nothing to fail");
                });
                show(&format!("seal and name ({}), {threads} thread(s)", profile.name()), both);
                println!("{:44} {:8.2} {:8.2}", "  of SHA-256 alone", both.0 / sha.0, both.1 / sha.1);
            }
        });
    }
    if let Some(peak) = peak_mib() {
        println!("{:44} {peak:8} MiB", "peak memory, 6 GiB streamed");
    }
    let mut sealed = Vec::new();
    seal(Synthetic::new(GIB / 8), &mut sealed, &key, &mut quiet()).expect("sealing does not fail");
    let opening = rate(GIB / 8, || {
        open(&sealed[..], io::sink(), &key, &mut quiet()).expect("it was sealed above");
    });
    show("open", opening);
    drop(sealed);
    let folder = std::env::temp_dir().join(format!("sealock-bench-{}", std::process::id()));
    let disk = DiskStore::open(&folder).expect("a folder for temporary files");
    let stored = rate(GIB / 2, || {
        let mut source = SealingReader::new(Synthetic::new(GIB / 2), &key);
        let added = unixfs::add(&disk, &mut source, Profile::default(), &mut quiet()).expect("the disk takes it");
        disk.pin(&added.root).expect("the disk takes it");
    });
    show("seal, name and keep on disk, synced", stored);
    let _ = std::fs::remove_dir_all(folder);
}
