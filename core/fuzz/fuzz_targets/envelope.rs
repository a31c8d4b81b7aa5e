//! Sealed bytes from anybody: what opens is what was sealed, as a whole and at any place.
#![no_main]

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sealock::Digest;
use sealock::envelope::{
    DatasetKey, DatasetRef, ObjectKey, SealedReader, Suite, open_bytes, plain_size, seal_bytes, sealed_size,
};

struct Sealed {
    key: ObjectKey,
    plain: Vec<u8>,
    sealed: Vec<u8>,
}

/// Objects of several lengths around a chunk's, in both suites, under one key.
static OBJECTS: LazyLock<Vec<Sealed>> = LazyLock::new(|| {
    let key = DatasetKey::generate(DatasetRef { dataset: Digest::sha256(b"fuzz"), epoch: 1 });
    let object = |suite, len: usize| {
        let key = key.object_key(&format!("{len}"), suite).expect("a number is an id");
        let plain: Vec<u8> = (0..len).map(|i| (i * 31 / 7) as u8).collect();
        let sealed = seal_bytes(&key, &plain).expect("a short object");
        Sealed { key, plain, sealed }
    };
    let lengths = [0, 1, 100, (16 << 10) - 1, 16 << 10, (16 << 10) + 1, 40_000];
    let suites = [Suite::Cobblestone256, Suite::Cobblestone256Padme];
    lengths.into_iter().flat_map(|len| suites.map(|suite| object(suite, len))).collect()
});

fuzz_target!(|data: &[u8]| {
    let Some((&pick, rest)) = data.split_first() else { return };
    let Sealed { key, plain, sealed } = &OBJECTS[pick as usize % OBJECTS.len()];
    // Half of the inputs are bytes of their own, the others changes to an object.
    let bytes = if pick & 0x80 == 0 { rest.to_vec() } else { changed(sealed.clone(), rest) };
    let same = bytes == *sealed;

    match open_bytes(key, &bytes) {
        Ok(opened) => assert!(same && opened == *plain),
        Err(_) => assert!(!same),
    }
    if let Ok(size) = plain_size(bytes.len() as u64) {
        assert_eq!(sealed_size(size), Some(bytes.len() as u64));
    }
    let Ok(mut reader) = SealedReader::open(Cursor::new(&bytes), key) else { return assert!(!same) };
    // Header and last chunk are the object's own; every chunk by itself is, too, or does not open.
    assert_eq!(reader.size(), plain.len() as u64);
    let mut buffer = [0; 64];
    for at in rest.chunks(2).take(8) {
        let at = u64::from(at[0]) << 8 | u64::from(*at.last().expect("a chunk is not empty"));
        reader.seek(SeekFrom::Start(at)).expect("every place can be sought");
        if let Ok(n) = reader.read(&mut buffer) {
            let expected = plain.get(at as usize..).unwrap_or_default();
            assert_eq!(buffer[..n], expected[..n]);
        }
    }
});

/// Applies edits of four bytes each: where, what, and to what.
fn changed(mut bytes: Vec<u8>, edits: &[u8]) -> Vec<u8> {
    for edit in edits.chunks_exact(4).take(8) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % (bytes.len() + 1);
        match edit[2] % 5 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, edit[3]),
            2 if at < bytes.len() => bytes[at] ^= edit[3],
            3 => bytes.rotate_left(at),
            _ => bytes.extend(std::iter::repeat_n(edit[3], usize::from(edit[3]))),
        }
    }
    bytes
}
