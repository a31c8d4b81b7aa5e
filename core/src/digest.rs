//! Domain-separated SHA-256 digests.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// A SHA-256 digest (FIPS 180-4) over labelled parts.
///
/// Invariant: made by [`Digest::of`] it commits to the label and to every part and its length, so that neither two
/// purposes nor two ways to cut the same bytes share a digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `parts` under `label`, for instance `sealock/v1/program`.
    pub fn of(label: &str, parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The plain SHA-256 of `bytes`, as other software computes it.
    pub fn sha256(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Wraps 32 bytes that are a digest already.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", hex::encode(&self.0[..6]))
    }
}

impl std::str::FromStr for Digest {
    type Err = crate::codec::CodecError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut out = [0; 32];
        hex::decode_to_slice(s, &mut out)
            .map_err(|e| crate::codec::CodecError::Malformed { what: "digest", why: e.to_string() })?;
        Ok(Self(out))
    }
}

impl Serialize for Digest {
    /// Hex in text formats, bytes in binary ones.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            serde_bytes::deserialize(deserializer).map(Self)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_labels_are_separated() {
        let a = Digest::of("x", &[b"ab", b"c"]);
        assert_ne!(a, Digest::of("x", &[b"a", b"bc"]));
        assert_ne!(a, Digest::of("y", &[b"ab", b"c"]));
        assert_ne!(a, Digest::of("x", &[b"abc"]));
    }

    #[test]
    fn text_formats_show_hex_and_binary_ones_bytes() {
        let digest = Digest::sha256(b"abc");
        let text = serde_json::to_string(&digest).unwrap();
        assert_eq!(text, format!("\"{digest}\""));
        assert_eq!(serde_json::from_str::<Digest>(&text).unwrap(), digest);
        let bytes = crate::codec::to_canonical("digest", &digest).unwrap();
        assert_eq!((bytes[0], bytes[1], &bytes[2..]), (0x58, 32, &digest.as_bytes()[..]));
        assert_eq!(crate::codec::from_canonical::<Digest>("digest", &bytes, 34).unwrap(), digest);
    }

    #[test]
    fn plain_sha256_is_that_of_fips_180() {
        assert_eq!(
            Digest::sha256(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
