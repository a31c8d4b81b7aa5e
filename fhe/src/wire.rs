//! Strict reading of the wire forms, and their packed integers.

use crate::Error;

/// A cursor over bytes whose length was checked by its owner before each read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Checks the version byte and that a header of `header` bytes is there.
    pub(crate) fn open(what: &'static str, version: u8, header: usize, bytes: &'a [u8]) -> Result<Self, Error> {
        match bytes.first() {
            Some(&got) if got != version => Err(Error::Version { what, expected: version, got }),
            _ if bytes.len() < header => Err(Error::Length { what, expected: header, got: bytes.len() }),
            _ => Ok(Self(&bytes[1..])),
        }
    }

    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(len);
        self.0 = tail;
        head
    }

    pub(crate) fn array<const L: usize>(&mut self) -> [u8; L] {
        self.take(L).try_into().expect("take returns exactly L bytes")
    }

    pub(crate) fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    pub(crate) fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.array())
    }
}

/// Words of `bits` bits, least significant bit first, without gaps.
pub(crate) struct BitWriter<'a> {
    out: &'a mut Vec<u8>,
    pending: u128,
    filled: u32,
}

impl<'a> BitWriter<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, pending: 0, filled: 0 }
    }

    /// Appends the low `bits ≤ 64` bits of `word`; the others must be zero.
    pub(crate) fn write(&mut self, word: u64, bits: u32) {
        self.pending |= u128::from(word) << self.filled;
        self.filled += bits;
        while self.filled >= 8 {
            self.out.push(self.pending as u8);
            self.pending >>= 8;
            self.filled -= 8;
        }
    }

    /// Fills the last byte up with zeros.
    pub(crate) fn finish(self) {
        if self.filled > 0 {
            self.out.push(self.pending as u8);
        }
    }
}

/// Reads what [`BitWriter`] wrote, from bytes whose number was checked.
pub(crate) struct BitReader<'a> {
    bytes: std::slice::Iter<'a, u8>,
    pending: u128,
    filled: u32,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes: bytes.iter(), pending: 0, filled: 0 }
    }

    pub(crate) fn read(&mut self, bits: u32) -> u64 {
        while self.filled < bits {
            let byte = self.bytes.next().expect("the length was checked");
            self.pending |= u128::from(*byte) << self.filled;
            self.filled += 8;
        }
        let word = self.pending & ((1 << bits) - 1);
        self.pending >>= bits;
        self.filled -= bits;
        word as u64
    }

    /// Whether the bits that fill the last byte up are zeros.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.pending == 0 && self.bytes.as_slice().is_empty()
    }
}

/// Refuses bytes of any length but `expected`.
pub(crate) fn exact(what: &'static str, expected: usize, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() == expected { Ok(()) } else { Err(Error::Length { what, expected, got: bytes.len() }) }
}
