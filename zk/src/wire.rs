//! What the byte formats of this crate share: errors, and points of the curve.
//!
//! Every format starts with a version byte and has one length only, which is compared before anything is read or
//! allocated. Integers are big-endian. Points use arkworks' canonical encoding (`ark-serialize`): coordinates
//! little-endian, the two top bits of the last byte for sign and infinity.

use ark_ec::AffineRepr;
use ark_serialize::{CanonicalSerialize, Compress, Validate};
use thiserror::Error;

use crate::keys::Element;

/// Why bytes were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are too few or too many.
    #[error("a {what} has {expected} bytes, got {got}")]
    Length {
        /// What was decoded.
        what: &'static str,
        /// The only length that is right.
        expected: usize,
        /// The length that came.
        got: usize,
    },
    /// The version byte is one that this release does not know.
    #[error(
        "this release reads version {expected} of a {what}, got version {got}; use the release that wrote it, or these are bytes of something else"
    )]
    Version {
        /// What was decoded.
        what: &'static str,
        /// The version that this release reads.
        expected: u8,
        /// The version that came.
        got: u8,
    },
    /// A depth that no circuit has.
    #[error("a circuit has depth 1 to {}, got {got}", crate::MAX_DEPTH)]
    Depth {
        /// The depth that came.
        got: usize,
    },
    /// An integer that is not below the order of the field. It is never reduced.
    #[error("a field element is an integer below the order of BN254, got a larger one")]
    NotCanonical,
    /// A secret that is zero.
    #[error("an identity secret is not zero; generate one")]
    ZeroSecret,
    /// A point that is malformed, off the curve, outside its subgroup or, where that is forbidden, the identity.
    #[error("a {what} has a point that is not a valid element of its group")]
    Point {
        /// What was decoded.
        what: &'static str,
    },
    /// Text that is not Base64.
    #[cfg(feature = "semaphore")]
    #[error("an exported identity is Base64 with padding")]
    Base64,
    /// A point of a key bundle that is not on its curve.
    #[error("the key bundle's {element} has a point that is on no curve, number {index}")]
    OffCurve {
        /// The list that the point is in.
        element: Element,
        /// Its place in the list, from 0.
        index: usize,
    },
    /// Bytes other than the pinned ones.
    #[error("the key bundle has digest {got}, pinned is {expected}; fetch the bundle again")]
    Digest {
        /// The pinned SHA-256 digest, in hexadecimal.
        expected: String,
        /// The digest of the bytes, in hexadecimal.
        got: String,
    },
}

/// Reads fields from bytes whose total length was checked by [`Reader::open`].
pub(crate) struct Reader<'a> {
    what: &'static str,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the version byte of `bytes`, which must have `expected` bytes.
    pub(crate) fn open(what: &'static str, version: u8, expected: usize, bytes: &'a [u8]) -> Result<Self, DecodeError> {
        // The version first: another version may well have another length.
        if let Some(&got) = bytes.first()
            && got != version
        {
            return Err(DecodeError::Version { what, expected: version, got });
        }
        if bytes.len() != expected {
            return Err(DecodeError::Length { what, expected, got: bytes.len() });
        }
        Ok(Self { what, rest: &bytes[1..] })
    }

    pub(crate) fn bytes<const N: usize>(&mut self) -> &'a [u8; N] {
        let (head, rest) = self.rest.split_first_chunk().expect("the total length was checked in `open`");
        self.rest = rest;
        head
    }

    /// Reads a point and checks that it is in its subgroup and not the identity.
    pub(crate) fn checked_point<P: AffineRepr>(&mut self, compress: Compress) -> Result<P, DecodeError> {
        let point: P = self.unchecked_point(compress)?;
        if point.is_zero() || point.check().is_err() {
            return Err(DecodeError::Point { what: self.what });
        }
        Ok(point)
    }

    /// Reads `count` uncompressed points without asking whether they are on the curve.
    pub(crate) fn unchecked_points<P: AffineRepr>(&mut self, count: usize) -> Result<Vec<P>, DecodeError> {
        (0..count).map(|_| self.unchecked_point(Compress::No)).collect()
    }

    /// Reads a point without asking whether it is on the curve, if it is not compressed.
    pub(crate) fn unchecked_point<P: AffineRepr>(&mut self, compress: Compress) -> Result<P, DecodeError> {
        P::deserialize_with_mode(&mut self.rest, compress, Validate::No)
            .map_err(|_| DecodeError::Point { what: self.what })
    }
}

/// Appends a point.
pub(crate) fn write_point<P: CanonicalSerialize>(out: &mut Vec<u8>, point: &P, compress: Compress) {
    point.serialize_with_mode(&mut *out, compress).expect("writing to a Vec does not fail");
}
