use std::io::{self, Read, Seek, SeekFrom};

use super::body::{CHUNK_BYTES, ChunkCipher, HEADER_BYTES, SEALED_CHUNK_BYTES, plain_size};
use super::padding::{TRAILER_BYTES, data_size};
use super::{EnvelopeError, ObjectKey, Result, Suite};
use crate::store::unixfs::{read_full, seek_to};

/// Reads any range of a sealed object, fetching and opening only the chunks that hold it.
///
/// The length is believed only after the last chunk has been opened, which [`open`](Self::open) does: an object that was
/// cut off or extended does not open. A [`EnvelopeError`] travels inside the [`io::Error`] of a read; a chunk that fails
/// leaves the others readable.
pub struct SealedReader<R> {
    source: R,
    cipher: ChunkCipher,
    sealed: u64,
    size: u64,
    position: u64,
    chunk: Vec<u8>,
    current: Option<(u64, usize)>,
    opened: u64,
}

impl<R: Read + Seek> SealedReader<R> {
    /// Checks header and last chunk of the object that `source` holds from its start to its end.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`], [`EnvelopeError::Truncated`], [`EnvelopeError::Tampered`],
    /// [`EnvelopeError::InvalidPadding`], and the source's own.
    pub fn open(mut source: R, key: &ObjectKey) -> Result<Self> {
        let reading = || EnvelopeError::io("reading the sealed object");
        let sealed = source.seek(SeekFrom::End(0)).map_err(reading())?;
        let mut header = [0; HEADER_BYTES];
        source.rewind().map_err(reading())?;
        if read_full(&mut source, &mut header).map_err(reading())? < HEADER_BYTES {
            return Err(EnvelopeError::Truncated);
        }
        let cipher = ChunkCipher::open_header(key.secret_bytes(), key.context(), &header)?;
        let size = plain_size(sealed)?;
        let chunk = vec![0; SEALED_CHUNK_BYTES];
        let mut reader = Self { source, cipher, sealed, size, position: 0, chunk, current: None, opened: 0 };
        reader.load(size / CHUNK_BYTES as u64)?;
        if key.suite() == Suite::Cobblestone256Padme {
            let mut trailer = [0; TRAILER_BYTES];
            reader.position = size.checked_sub(TRAILER_BYTES as u64).ok_or(EnvelopeError::InvalidPadding)?;
            reader.read_exact(&mut trailer).map_err(reading())?;
            reader.size = data_size(size, trailer)?;
            reader.position = 0;
        }
        Ok(reader)
    }

    /// Bytes of the object, without padding.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How many chunks have been fetched and opened so far.
    pub const fn chunks_opened(&self) -> u64 {
        self.opened
    }

    /// Makes chunk `index`, which the object has, current.
    fn load(&mut self, index: u64) -> Result<usize> {
        if let Some((current, length)) = self.current
            && current == index
        {
            return Ok(length);
        }
        self.current = None;
        let reading = || EnvelopeError::io("reading the sealed object");
        let start = HEADER_BYTES as u64 + index * SEALED_CHUNK_BYTES as u64;
        let length = (self.sealed - start).min(SEALED_CHUNK_BYTES as u64) as usize;
        self.source.seek(SeekFrom::Start(start)).map_err(reading())?;
        let chunk = &mut self.chunk[..length];
        if read_full(&mut self.source, chunk).map_err(reading())? < length {
            return Err(EnvelopeError::Truncated);
        }
        let length = self.cipher.open(index, chunk)?.len();
        self.opened += 1;
        self.current = Some((index, length));
        Ok(length)
    }
}

impl<R: Read + Seek> Read for SealedReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() || self.position >= self.size {
            return Ok(0);
        }
        let length = self.load(self.position / CHUNK_BYTES as u64)?;
        let start = (self.position % CHUNK_BYTES as u64) as usize;
        let end = length.min(start + usize::try_from(self.size - self.position).unwrap_or(usize::MAX).min(CHUNK_BYTES));
        let n = (end - start).min(buffer.len());
        buffer[..n].copy_from_slice(&self.chunk[start..start + n]);
        self.position += n as u64;
        Ok(n)
    }
}

impl<R: Read + Seek> Seek for SealedReader<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = seek_to(to, self.position, self.size)?;
        Ok(self.position)
    }
}

impl<R> std::fmt::Debug for SealedReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedReader({} of {} bytes)", self.position, self.size)
    }
}
