//! Strict reading of the two wire forms.

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

/// Refuses bytes of any length but `expected`.
pub(crate) fn exact(what: &'static str, expected: usize, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() == expected { Ok(()) } else { Err(Error::Length { what, expected, got: bytes.len() }) }
}
