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

/// GB/s of `work` over `bytes`.
fn rate(bytes: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    bytes as f64 / start.elapsed().as_secs_f64() / 1e9
}

/// SHA-256 over 16 KiB messages on one core, as `openssl speed -evp sha256 -bytes 16384` measures it.
fn sha256_alone() -> f64 {
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
    let sha = sha256_alone();
    println!("SHA-256 alone, 1 core            {sha:6.2} GB/s");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, 2].into_iter().filter(|&n| n <= cores) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            let sealing = rate(GIB, || {
                seal(Synthetic::new(GIB), io::sink(), &key, &mut quiet()).expect("sealing does not fail");
            });
            println!("seal, {threads} thread(s)               {sealing:6.2} GB/s");
            for profile in [Profile::UnixfsV1_2025, Profile::KuboLegacy] {
                let both = rate(GIB, || {
                    let mut source = SealingReader::new(Synthetic::new(GIB), &key);
                    unixfs::add(&Nowhere, &mut source, profile, &mut quiet()).expect("nothing to fail");
                });
                let name = profile.name();
                println!("seal + {name:14}, {threads} thread(s) {both:6.2} GB/s = {:.2} of SHA-256 alone", both / sha);
            }
        });
    }
    if let Some(peak) = peak_mib() {
        println!("peak memory after 6 GiB          {peak:4} MiB");
    }
    let mut sealed = Vec::new();
    seal(Synthetic::new(GIB / 8), &mut sealed, &key, &mut quiet()).expect("sealing does not fail");
    let opening = rate(GIB / 8, || {
        open(&sealed[..], io::sink(), &key, &mut quiet()).expect("it was sealed above");
    });
    drop(sealed);
    println!("open, all threads                {opening:6.2} GB/s");
    let folder = std::env::temp_dir().join(format!("sealock-bench-{}", std::process::id()));
    let disk = DiskStore::open(&folder).expect("a folder for temporary files");
    let disk_rate = rate(GIB / 2, || {
        let mut source = SealingReader::new(Synthetic::new(GIB / 2), &key);
        let added = unixfs::add(&disk, &mut source, Profile::default(), &mut quiet()).expect("the disk takes it");
        disk.pin(&added.root).expect("the disk takes it");
    });
    println!("seal + store on disk, synced     {disk_rate:6.2} GB/s");
    let _ = std::fs::remove_dir_all(folder);
}
