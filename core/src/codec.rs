//! Canonical DAG-CBOR (<https://ipld.io/specs/codecs/dag-cbor/spec/>).
//!
//! A value has exactly one encoding, so that its digest names it. Decoding refuses every other: it re-encodes what it
//! read and compares.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};
use serde_ipld_dagcbor::{DecodeError, EncodeError};

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
    serde_ipld_dagcbor::to_vec(value).map_err(|e| {
        let why = match e {
            EncodeError::Msg(why) => why,
            EncodeError::Write(_) => "there is not enough memory for it".into(),
        };
        CodecError::Malformed { what, why }
    })
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
        serde_ipld_dagcbor::from_slice(bytes).map_err(|e| CodecError::Malformed { what, why: in_words(&e) })?;
    if to_canonical(what, &value)? != bytes {
        return Err(CodecError::Malformed { what, why: "the encoding is not canonical".into() });
    }
    Ok(value)
}

/// What a decoder found, in words: its own text is that of Rust's values.
pub(crate) fn in_words<E: Debug>(error: &DecodeError<E>) -> String {
    use DecodeError as D;
    match error {
        D::Msg(why) => why.clone(),
        D::Read(_) | D::Eof { .. } => "it ends too early".into(),
        D::Mismatch { name, found } => match kind_of(name) {
            Some(expected) => format!("expected {expected}, got {}", kind_of_byte(*found)),
            None => format!("{} is not expected there", kind_of_byte(*found)),
        },
        D::Unsupported { found, .. } => format!("{} is nothing that this format has", kind_of_byte(*found)),
        D::RequireUtf8 { .. } => "a text is not UTF-8".into(),
        D::LengthMismatch { expect, value, .. } => format!("expected a list of {expect}, got one of {value}"),
        D::RequireLength { .. } | D::IndefiniteSize => "a length is not said in advance".into(),
        D::RequireBorrowed { .. } => "a text or bytes are in pieces".into(),
        D::LengthOverflow { .. } | D::CastOverflow { .. } | D::ArithmeticOverflow { .. } => {
            "a number or a length is out of range".into()
        }
        D::DepthOverflow { .. } => "it is nested too deeply".into(),
        D::TrailingData => "something follows after its end".into(),
        D::NonMinimal { .. } => "a number or a length has more bytes than it needs".into(),
        D::UnorderedKey => "the keys of a map are not in order".into(),
    }
}

/// The decoder's names of what it reads.
fn kind_of(name: &str) -> Option<&'static str> {
    Some(match name.trim_start_matches(['+', '-']) {
        "array" | "tuple" => "a list",
        "map" => "a map",
        "map key" | "str" | "string" => "a text",
        "bytes" => "bytes",
        "bool" => "true or false",
        "unit" => "null",
        "cid" | "tag" | "CBOR tag" => "a link",
        "f16" | "f32" | "f64" => "a decimal number",
        "u8" | "u16" | "u32" | "u64" | "u128" | "i8" | "i16" | "i32" | "i64" | "i128" => "a whole number",
        _ => return None,
    })
}

/// What a value is that begins with a byte (RFC 8949, section 3.1).
fn kind_of_byte(head: u8) -> &'static str {
    match head >> 5 {
        0 | 1 => "a whole number",
        2 => "bytes",
        3 => "a text",
        4 => "a list",
        5 => "a map",
        6 => "a tag",
        _ if matches!(head, 0xf4 | 0xf5) => "true or false",
        _ if head == 0xf6 => "null",
        _ if matches!(head, 0xf9..=0xfb) => "a decimal number",
        _ => "no value",
    }
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

    #[test]
    fn what_is_wrong_is_said_in_words() {
        fn said<T: Serialize + DeserializeOwned + Debug>(bytes: &[u8]) -> String {
            from_canonical::<T>("thing", bytes, 64).unwrap_err().to_string()
        }
        let cases = [
            (said::<u64>(b"abc"), "expected a whole number, got a text"),
            (said::<Vec<u64>>(&[0x61, b'a']), "expected a list, got a text"),
            (said::<String>(&[0x01]), "expected a text, got a whole number"),
            (said::<std::collections::BTreeMap<String, u64>>(&[0x80]), "expected a map, got a list"),
            (said::<bool>(&[0xf6]), "expected true or false, got null"),
            (said::<String>(&[0x62, b'a']), "it ends too early"),
            (said::<u64>(&[]), "it ends too early"),
            (said::<u64>(&[0x01, 0x01]), "something follows after its end"),
            (said::<u64>(&[0x18, 0x01]), "a number or a length has more bytes than it needs"),
            (said::<String>(&[0x61, 0xff]), "a text is not UTF-8"),
            (said::<Vec<u64>>(&[0x9f, 0xff]), "a length is not said in advance"),
        ];
        for (said, expected) in cases {
            assert_eq!(said, format!("not a valid thing: {expected}"));
        }
    }
}
