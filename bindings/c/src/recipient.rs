//! Recipients
//!
//! Whom an owner lets decrypt data without an order, named by a public X25519 key. A list of recipients is passed as their
//! public keys one after the other, SEALOCK_RECIPIENT_BYTES each, with the length of them all in bytes.

use sealock::envelope::{RecipientKey, RecipientPublicKey};

use crate::account::SEALOCK_SECRET_BYTES;
use crate::call::{Caller, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};

/// Bytes of a recipient's public key.
pub const SEALOCK_RECIPIENT_BYTES: usize = 32;

/// SEALOCK_RECIPIENT_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_recipient_bytes() -> usize {
    SEALOCK_RECIPIENT_BYTES
}

/// A recipient's secret key.
///
/// Made by: `sealock_recipient_key_generate`, `sealock_recipient_key_from_secret`. Freed by: `sealock_recipient_key_free`,
/// which wipes it. It never changes; thread-safe.
pub struct sealock_recipient_key {
    _opaque: (),
}

handles! { sealock_recipient_key => RecipientKey }

impl Caller {
    /// A list of recipients.
    pub(crate) fn recipients(
        &self,
        name: &str,
        keys: *const u8,
        length: usize,
    ) -> Result<Vec<RecipientPublicKey>, Failure> {
        let (keys, rest) = self.bytes(name, keys, length)?.as_chunks::<SEALOCK_RECIPIENT_BYTES>();
        if rest.is_empty() {
            return Ok(keys.iter().copied().map(RecipientPublicKey::from_bytes).collect());
        }
        let expected = format!("a multiple of {SEALOCK_RECIPIENT_BYTES}");
        Err(Failure::argument(&format!("{name}_length"), &expected, &length.to_string()))
    }
}

/// Makes a fresh key from the operating system's randomness.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_recipient_key_generate(
    out: *mut *mut sealock_recipient_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(RecipientKey::generate());
    })
}

/// The key of SEALOCK_SECRET_BYTES secret bytes. Wipe your copy with `sealock_wipe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_recipient_key_from_secret(
    secret: *const u8,
    secret_length: usize,
    out: *mut *mut sealock_recipient_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let secret = zeroize::Zeroizing::new(c.array("secret", secret, secret_length)?);
        out.issue(RecipientKey::from_secret_bytes(&secret)?);
    })
}

/// The public key, SEALOCK_RECIPIENT_BYTES bytes: what to give the owner.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_recipient_key_public(
    key: *const sealock_recipient_key,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.array_out::<SEALOCK_RECIPIENT_BYTES>("out", out, out_length)?;
        out.put(*find(key)?.public().as_bytes());
    })
}

/// Copies the secret key out, SEALOCK_SECRET_BYTES bytes, for a key store alone. **Wipe the copy** with `sealock_wipe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_recipient_key_expose_secret(
    key: *const sealock_recipient_key,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.array_out::<SEALOCK_SECRET_BYTES>("out", out, out_length)?;
        out.put(*find(key)?.expose_secret_bytes());
    })
}

/// Wipes and frees a key. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_recipient_key_free(key: *mut sealock_recipient_key) -> sealock_status {
    free(key)
}
