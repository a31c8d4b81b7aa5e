//! Sealing and opening whole objects, chunks in parallel, in constant memory.

use std::io::{self, Read, Write};
use std::ops::Range;

use rayon::prelude::*;

use super::body::{CHUNK_BYTES, ChunkCipher, HEADER_BYTES, SEALED_CHUNK_BYTES, TAG_BYTES, plain_size, sealed_size};
use super::padding::{PadReader, UnpadWriter, framing};
use super::{EnvelopeError, ObjectKey, Result, Suite};
use crate::progress::{Progress, Stage, Step, quiet};
use crate::store::unixfs::read_full;

/// Chunks that are sealed or opened together: 1 MiB, which stays in a core's own cache until it is hashed or written.
const BATCH_CHUNKS: usize = 64;

/// Reads plaintext from a source and yields the sealed object.
///
/// Chunks are sealed in batches on the cores of the current rayon pool; with one thread it is the same code. Every reader
/// is a new object with a fresh salt.
pub struct SealingReader<R> {
    source: Framed<R>,
    cipher: ChunkCipher,
    buffer: Vec<u8>,
    ready: Range<usize>,
    next: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Open,
    Finished,
    Failed,
}

enum Framed<R> {
    Plain(R),
    Padded(PadReader<R>),
}

impl<R: Read> Read for Framed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Framed::Plain(source) => source.read(buffer),
            Framed::Padded(source) => source.read(buffer),
        }
    }
}

impl<R: Read> SealingReader<R> {
    /// A new object under `key`, padded if its suite says so.
    pub fn new(source: R, key: &ObjectKey) -> Self {
        let (cipher, header) = ChunkCipher::create(key.secret_bytes(), key.context());
        let source = match key.suite() {
            Suite::Cobblestone256 => Framed::Plain(source),
            Suite::Cobblestone256Padme => Framed::Padded(PadReader::new(source)),
        };
        Self { source, cipher, buffer: header.to_vec(), ready: 0..HEADER_BYTES, next: 0, state: State::Open }
    }

    /// The sealed bytes not yet taken, sealing more if there are none. Empty at the end.
    fn fill(&mut self) -> Result<&[u8]> {
        if self.ready.is_empty() && self.state == State::Open {
            // If this fails, part of the source is lost and nothing that came after it may be sealed.
            self.state = State::Failed;
            self.seal_batch()?;
        }
        if self.state == State::Failed {
            let source = io::Error::other("an earlier read failed");
            return Err(EnvelopeError::Io { what: "sealing".into(), source });
        }
        Ok(&self.buffer[self.ready.clone()])
    }

    fn seal_batch(&mut self) -> Result<()> {
        self.buffer.resize(BATCH_CHUNKS * SEALED_CHUNK_BYTES, 0);
        let mut end = 0;
        let mut last = false;
        for slot in self.buffer.chunks_mut(SEALED_CHUNK_BYTES) {
            let n = read_full(&mut self.source, &mut slot[..CHUNK_BYTES])
                .map_err(EnvelopeError::io("reading the source"))?;
            end += n + TAG_BYTES;
            last = n < CHUNK_BYTES;
            if last {
                break;
            }
        }
        let (cipher, next) = (&self.cipher, self.next);
        let chunks = self.buffer[..end].par_chunks_mut(SEALED_CHUNK_BYTES).enumerate();
        chunks.try_for_each(|(i, chunk)| cipher.seal(next + i as u64, chunk))?;
        self.next += end.div_ceil(SEALED_CHUNK_BYTES) as u64;
        self.ready = 0..end;
        self.state = if last { State::Finished } else { State::Open };
        Ok(())
    }
}

impl<R: Read> Read for SealingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let ready = self.fill()?;
        let n = ready.len().min(buffer.len());
        buffer[..n].copy_from_slice(&ready[..n]);
        self.ready.start += n;
        Ok(n)
    }
}

/// Seals `source` into `sink` and returns the sealed length in bytes. `progress` is told the sealed bytes written.
///
/// # Errors
/// [`EnvelopeError::Io`], [`EnvelopeError::TooLarge`], [`EnvelopeError::Cancelled`]. What the sink then holds does not open.
pub fn seal(source: impl Read, mut sink: impl Write, key: &ObjectKey, progress: &mut Progress<'_>) -> Result<u64> {
    let mut reader = SealingReader::new(source, key);
    let mut written = 0;
    loop {
        let batch = reader.fill()?;
        if batch.is_empty() {
            return Ok(written);
        }
        sink.write_all(batch).map_err(EnvelopeError::io("writing the sealed object"))?;
        written += batch.len() as u64;
        reader.ready = 0..0;
        if progress(Step::of(Stage::Store, written)).is_break() {
            return Err(EnvelopeError::Cancelled);
        }
    }
}

/// Opens `source` into `sink` and returns the plaintext's length in bytes. `progress` is told the sealed bytes read.
///
/// Only chunks whose tag has been checked reach the sink. If an error comes, the sink holds a beginning of the object
/// and no more: use it only after success.
///
/// # Errors
/// [`EnvelopeError::WrongKey`], [`EnvelopeError::Tampered`] with the first chunk that fails, [`EnvelopeError::Truncated`],
/// [`EnvelopeError::InvalidPadding`], [`EnvelopeError::Io`], [`EnvelopeError::Cancelled`].
pub fn open(mut source: impl Read, mut sink: impl Write, key: &ObjectKey, progress: &mut Progress<'_>) -> Result<u64> {
    match key.suite() {
        Suite::Cobblestone256 => open_chunks(&mut source, &mut sink, key, progress),
        Suite::Cobblestone256Padme => {
            let mut sink = UnpadWriter::new(sink);
            open_chunks(&mut source, &mut sink, key, progress)?;
            sink.finish()
        }
    }
}

fn open_chunks(
    source: &mut impl Read,
    sink: &mut impl Write,
    key: &ObjectKey,
    progress: &mut Progress<'_>,
) -> Result<u64> {
    let reading = || EnvelopeError::io("reading the sealed object");
    let mut header = [0; HEADER_BYTES];
    if read_full(source, &mut header).map_err(reading())? < HEADER_BYTES {
        return Err(EnvelopeError::Truncated);
    }
    let cipher = ChunkCipher::open_header(key.secret_bytes(), key.context(), &header)?;
    let mut buffer = vec![0; BATCH_CHUNKS * SEALED_CHUNK_BYTES];
    let (mut next, mut sealed, mut plain) = (0, HEADER_BYTES as u64, 0);
    loop {
        let n = read_full(source, &mut buffer).map_err(reading())?;
        let chunks = buffer[..n].par_chunks_mut(SEALED_CHUNK_BYTES).enumerate();
        let opened: Vec<Result<&mut [u8]>> = chunks.map(|(i, chunk)| cipher.open(next + i as u64, chunk)).collect();
        for chunk in opened {
            let chunk = chunk?;
            sink.write_all(chunk).map_err(EnvelopeError::io("writing the opened object"))?;
            plain += chunk.len() as u64;
        }
        next += n.div_ceil(SEALED_CHUNK_BYTES) as u64;
        sealed += n as u64;
        if progress(Step::of(Stage::Open, sealed)).is_break() {
            return Err(EnvelopeError::Cancelled);
        }
        if n < buffer.len() {
            // The source has ended; only a short chunk is the last one.
            return if n % SEALED_CHUNK_BYTES == 0 { Err(EnvelopeError::Truncated) } else { Ok(plain) };
        }
    }
}

/// Seals bytes in memory, each chunk straight into its place, on the cores of the current rayon pool.
///
/// # Errors
/// [`EnvelopeError::TooLarge`].
pub fn seal_bytes(key: &ObjectKey, plain: &[u8]) -> Result<Vec<u8>> {
    let (framed, trailer) = match key.suite() {
        Suite::Cobblestone256 => (plain.len() as u64, None),
        Suite::Cobblestone256Padme => {
            let (framed, trailer) = framing(plain.len() as u64);
            (framed, Some(trailer))
        }
    };
    let size = sealed_size(framed).ok_or(EnvelopeError::TooLarge)?;
    let mut sealed = vec![0; usize::try_from(size).map_err(|_| EnvelopeError::TooLarge)?];
    let (cipher, header) = ChunkCipher::create(key.secret_bytes(), key.context());
    let (head, body) = sealed.split_at_mut(HEADER_BYTES);
    head.copy_from_slice(&header);
    if let Some(trailer) = trailer {
        // The trailer may lie across two chunks.
        for (at, byte) in (framed as usize - trailer.len()..).zip(trailer) {
            body[at / CHUNK_BYTES * SEALED_CHUNK_BYTES + at % CHUNK_BYTES] = byte;
        }
    }
    body.par_chunks_mut(SEALED_CHUNK_BYTES).enumerate().try_for_each(|(i, chunk)| {
        let rest = &plain[(i * CHUNK_BYTES).min(plain.len())..];
        let n = rest.len().min(chunk.len() - TAG_BYTES);
        chunk[..n].copy_from_slice(&rest[..n]);
        cipher.seal(i as u64, chunk)
    })?;
    Ok(sealed)
}

/// Opens bytes in memory. Nothing is returned unless all of them are authentic.
///
/// # Errors
/// As [`open`].
pub fn open_bytes(key: &ObjectKey, sealed: &[u8]) -> Result<Vec<u8>> {
    let size = plain_size(sealed.len() as u64).unwrap_or(0);
    let mut plain = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    open(sealed, &mut plain, key, &mut quiet())?;
    Ok(plain)
}
