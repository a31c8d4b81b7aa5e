//! Encryption at rest.
//!
//! A dataset is a set of **objects**, any bytes each. The owner knows everything; the store that keeps the sealed bytes
//! learns their sizes (rounded up, on request) and nothing else; a recipient learns what the owner wraps a key for.
//!
//! - [`SealedReader`], [`seal`], [`open`]: the body, C2SP chunked encryption with AES-256-GCM
//!   (<https://c2sp.org/chunked-encryption>, Cobblestone-256). Chunks of 16 KiB, each with its own tag, so that any range
//!   can be read and nothing leaves unchecked; a commitment in the header, so that no ciphertext opens under two keys.
//! - [`OwnerKey`] wraps a random [`DatasetKey`] per epoch, from which each object's [`ObjectKey`] is derived together with
//!   the context that the body is bound to. No function takes a nonce, and no key comes from content.
//! - [`RecipientKey`]: a dataset key for somebody else, wrapped with HPKE (RFC 9180).
//! - [`Manifest`]: what the objects are, where they are, and the wrapped keys, signed by the owner.
//! - [`publish_objects`] and [`open_object`] put it together with a [`Store`](crate::store::Store).
//!
//! **What it does not give.** Who has had a key keeps what it opens: revocation is a new epoch with a new dataset key, and
//! changes nothing about what was read before.

mod body;
mod error;
mod keys;
mod manifest;
mod padding;
mod publish;
mod reader;
mod recipient;
mod stream;

pub use body::{CHUNK_BYTES, HEADER_BYTES, TAG_BYTES, plain_size, sealed_size};
pub use error::EnvelopeError;
pub use keys::{DatasetKey, DatasetRef, MAX_OBJECT_ID_BYTES, ObjectKey, OwnerKey, Suite, WrappedKey};
pub use manifest::{MAX_MANIFEST_BYTES, MAX_OBJECTS, MAX_RECIPIENTS, Manifest, ManifestBody, ObjectEntry};
pub use padding::padme;
pub use publish::{
    Journal, Publication, ReadSeek, Source, export_object, open_object, open_sensitive, publish_objects,
};
pub use reader::SealedReader;
pub use recipient::{Recipient, RecipientKey, RecipientPublicKey};
pub use stream::{SealingReader, open, open_bytes, seal, seal_bytes};

/// Result of the envelope's operations.
pub type Result<T, E = EnvelopeError> = std::result::Result<T, E>;
