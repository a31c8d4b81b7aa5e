//! A CAR from anybody: it is taken in whole, or nothing of it stays.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sealock::progress::quiet;
use sealock::store::{Codec, MemoryStore, Store, car, dag};

fuzz_target!(|data: &[u8]| {
    take_in(data);
    take_in(&with_hashes(data));
});

fn take_in(bytes: &[u8]) {
    let store = MemoryStore::new();
    match car::import(&store, bytes, &mut quiet()) {
        Ok(imported) => {
            assert!(imported.bytes <= bytes.len() as u64);
            let reached = dag::reachable(&store, &imported.roots).expect("what is pinned is complete");
            let mut again = Vec::new();
            // What is nested deeper than a transfer takes can be kept, and not be written.
            if let Ok(written) = car::export(&store, &imported.roots, &mut again, &mut quiet()) {
                assert_eq!(written.blocks, reached.len() as u64);
                let other = MemoryStore::new();
                let read = car::import(&other, &again[..], &mut quiet()).expect("what we write we read");
                assert_eq!((read.roots, other.len()), (imported.roots, reached.len()));
            }
        }
        Err(_) => {
            assert!(store.pins().expect("memory").is_empty());
            store.gc().expect("memory");
            assert!(store.is_empty());
        }
    }
}

/// A CAR with the right hashes, which no chance finds: the input says what the blocks are, and which are roots.
fn with_hashes(mut recipe: &[u8]) -> Vec<u8> {
    let (mut sections, mut cids) = (Vec::new(), Vec::new());
    let mut roots = Vec::new();
    while let Some((&[kind, count], rest)) = recipe.split_first_chunk::<2>() {
        let (content, rest) = rest.split_at(rest.len().min(usize::from(count) % 32));
        recipe = rest;
        let (codec, bytes) = match kind % 4 {
            0 => (Codec::Raw, content.to_vec()),
            1 => (Codec::DagPb, content.to_vec()),
            _ => {
                let link = |n: &u8| cids.get(usize::from(*n)).copied().unwrap_or_else(|| Codec::Raw.cid_of(&[*n]));
                let links: Vec<_> = content.iter().map(link).collect();
                (Codec::DagCbor, serde_ipld_dagcbor::to_vec(&links).expect("a list of links"))
            }
        };
        let cid = codec.cid_of(&bytes);
        cids.push(cid);
        if kind & 0x80 != 0 {
            roots.push(cid);
        }
        if kind & 0x40 == 0 {
            section(&mut sections, &[cid.to_bytes(), bytes].concat());
        }
    }
    let mut car = Vec::new();
    let header =
        [&b"\xa2\x65roots"[..], &serde_ipld_dagcbor::to_vec(&roots).expect("links"), b"\x67version\x01"].concat();
    section(&mut car, &header);
    car.extend(sections);
    car
}

fn section(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(bytes);
}
