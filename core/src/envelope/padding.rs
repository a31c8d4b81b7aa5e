//! Padding that hides an object's length.
//!
//! The plaintext of a padded object is `data ‖ zeros ‖ length(8, big-endian)`, of Padmé's length. The length stands at the
//! end so that a stream can be sealed whose length nobody knows yet, and a reader that seeks finds it in one step, in
//! chunks that it has checked. A reader that streams holds back a count of zeros, which may be data or padding, and
//! nothing else.

use std::io::{self, Read, Write};

use super::{EnvelopeError, Result};

/// Bytes of the trailer.
pub(super) const TRAILER_BYTES: usize = 8;

/// The padded length of `len` bytes: Padmé (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and
/// Communication with PURBs", PoPETs 2019, section 4). It reveals O(log log `len`) bits of the length and adds at most 12 %.
pub const fn padme(len: u64) -> u64 {
    if len < 2 {
        return len;
    }
    let e = len.ilog2();
    let mask = (1u64 << (e - e.ilog2() - 1)) - 1;
    match len.checked_add(mask) {
        Some(sum) => sum & !mask,
        None => len,
    }
}

/// Length of the padded plaintext of `data` bytes, and its trailer.
pub(super) const fn framing(data: u64) -> (u64, [u8; TRAILER_BYTES]) {
    (padme(data + TRAILER_BYTES as u64), data.to_be_bytes())
}

/// Data bytes in a padded plaintext of `total` bytes whose trailer is `trailer`.
pub(super) fn data_size(total: u64, trailer: [u8; TRAILER_BYTES]) -> Result<u64> {
    let size = u64::from_be_bytes(trailer);
    let framed = size.checked_add(TRAILER_BYTES as u64).ok_or(EnvelopeError::InvalidPadding)?;
    if padme(framed) == total { Ok(size) } else { Err(EnvelopeError::InvalidPadding) }
}

/// Appends padding and trailer to what it reads.
pub(super) struct PadReader<R> {
    source: R,
    data: u64,
    /// Zeros still to come, the trailer, and what of it is written; once the source has ended.
    tail: Option<(u64, [u8; TRAILER_BYTES], usize)>,
}

impl<R: Read> PadReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, data: 0, tail: None }
    }
}

impl<R: Read> Read for PadReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let Some((zeros, trailer, written)) = &mut self.tail else {
            let n = self.source.read(buffer)?;
            if n > 0 {
                self.data += n as u64;
                return Ok(n);
            }
            let (framed, trailer) = framing(self.data);
            self.tail = Some((framed - self.data - TRAILER_BYTES as u64, trailer, 0));
            return self.read(buffer);
        };
        if *zeros > 0 {
            let n = buffer.len().min(usize::try_from(*zeros).unwrap_or(usize::MAX));
            buffer[..n].fill(0);
            *zeros -= n as u64;
            return Ok(n);
        }
        let rest = &trailer[*written..];
        let n = rest.len().min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        *written += n;
        Ok(n)
    }
}

/// Removes padding and trailer from what is written to it.
pub(super) struct UnpadWriter<W> {
    sink: W,
    total: u64,
    written: u64,
    /// Zeros seen since the last byte that was passed on.
    zeros: u64,
    /// The last bytes written, perhaps the trailer.
    last: Vec<u8>,
}

impl<W: Write> UnpadWriter<W> {
    pub(super) fn new(sink: W) -> Self {
        Self { sink, total: 0, written: 0, zeros: 0, last: Vec::with_capacity(2 * TRAILER_BYTES) }
    }

    /// Passes on what the trailer says is data.
    pub(super) fn finish(mut self) -> Result<u64> {
        let trailer = self.last.as_slice().try_into().map_err(|_| EnvelopeError::InvalidPadding)?;
        let size = data_size(self.total, trailer)?;
        let owed = size.checked_sub(self.written).filter(|&owed| owed <= self.zeros);
        let owed = owed.ok_or(EnvelopeError::InvalidPadding)?;
        self.write_zeros(owed).map_err(EnvelopeError::io("writing the opened object"))?;
        Ok(size)
    }

    fn write_zeros(&mut self, n: u64) -> io::Result<()> {
        io::copy(&mut io::repeat(0).take(n), &mut self.sink)?;
        self.written += n;
        self.zeros -= n;
        Ok(())
    }

    /// Passes on bytes that are not the last ones, zeros only when something follows them.
    fn forward(&mut self, bytes: &[u8]) -> io::Result<()> {
        let data = bytes.iter().rposition(|&b| b != 0).map_or(0, |i| i + 1);
        if data > 0 {
            self.write_zeros(self.zeros)?;
            self.sink.write_all(&bytes[..data])?;
            self.written += data as u64;
        }
        self.zeros += (bytes.len() - data) as u64;
        Ok(())
    }
}

impl<W: Write> Write for UnpadWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.total += bytes.len() as u64;
        let keep = bytes.len().min(TRAILER_BYTES);
        let (front, back) = bytes.split_at(bytes.len() - keep);
        let mut last = std::mem::take(&mut self.last);
        let out = (last.len() + keep).saturating_sub(TRAILER_BYTES);
        self.forward(&last[..out])?;
        last.drain(..out);
        self.forward(front)?;
        last.extend_from_slice(back);
        self.last = last;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
