//! Canonical DAG-CBOR (<https://ipld.io/specs/codecs/dag-cbor/spec/>).
//!
//! A value has exactly one encoding, so that its digest names it. Decoding refuses every other: it re-encodes what it
//! read and compares.

use serde::{Serialize, de::DeserializeOwned};

use crate::error::{Classify, ErrorKind};

/// Why bytes are not a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// More bytes than this type may have.
    #[error("{what} has {got} bytes, at most {limit} are accepted")]
    TooLarge {
        /// The type that was to be read.
        what: &'static str,
        /// Length of the input, in bytes.
        got: usize,
        /// The limit of the type, in bytes.
        limit: usize,
    },
    /// Bytes that are not the canonical encoding of a value of the type.
    #[error("not a valid {what}: {why}")]
    Malformed {
        /// The type that was to be read.
        what: &'static str,
        /// What the decoder found.
        why: String,
    },
    /// A version that this build does not know.
    #[error("{what} has version {got}, this build reads version {known}")]
    UnsupportedVersion {
        /// The type that was to be read.
        what: &'static str,
        /// The version found.
        got: u64,
        /// The version that this build reads.
        known: u64,
    },
}

impl Classify for CodecError {
    fn kind(&self) -> ErrorKind {
        match self {
            CodecError::TooLarge { .. } => ErrorKind::TooLarge,
            CodecError::Malformed { .. } => ErrorKind::Malformed,
            CodecError::UnsupportedVersion { .. } => ErrorKind::UnsupportedVersion,
        }
    }
    fn hint(&self) -> Option<String> {
        matches!(self, CodecError::UnsupportedVersion { .. })
            .then(|| "use the version of Sealock that wrote it, or a newer one".into())
    }
}

/// Encodes `value` canonically.
///
/// # Errors
/// [`CodecError::Malformed`] if a map key is not a string or a float is not finite, which DAG-CBOR has no form for.
pub fn to_canonical<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>, CodecError> {
    serde_ipld_dagcbor::to_vec(value).map_err(|e| CodecError::Malformed { what, why: e.to_string() })
}

/// Decodes the one canonical encoding of a value, of at most `limit` bytes.
///
/// # Errors
/// [`CodecError::TooLarge`] before anything is read, [`CodecError::Malformed`] for truncated, extended or non-canonical
/// bytes.
pub fn from_canonical<T: Serialize + DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    if bytes.len() > limit {
        return Err(CodecError::TooLarge { what, got: bytes.len(), limit });
    }
    let value: T =
        serde_ipld_dagcbor::from_slice(bytes).map_err(|e| CodecError::Malformed { what, why: e.to_string() })?;
    if to_canonical(what, &value)? != bytes {
        return Err(CodecError::Malformed { what, why: "the encoding is not canonical".into() });
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_one_encoding() {
        let bytes = to_canonical("number", &24u64).unwrap();
        assert_eq!(bytes, [0x18, 24]);
        assert_eq!(from_canonical::<u64>("number", &bytes, 8).unwrap(), 24);
        // The same number in more bytes, something after the end, and an end too early.
        for bad in [&[0x19, 0, 24][..], &[0x18, 24, 0], &[0x18]] {
            assert_eq!(from_canonical::<u64>("number", bad, 8).unwrap_err().kind(), ErrorKind::Malformed);
        }
        assert_eq!(from_canonical::<u64>("number", &[0; 9], 8).unwrap_err().kind(), ErrorKind::TooLarge);
    }
}
