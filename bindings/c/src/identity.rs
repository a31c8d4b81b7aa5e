//! Access proofs: identities
//!
//! The consumer's secret, and the terms of the order that it belongs to.

use sealock::zk::{Credential, IdentitySecret, os_rng};
use zeroize::Zeroizing;

use crate::account::SEALOCK_SECRET_BYTES;
use crate::call::{Caller, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::scalar::{SEALOCK_SCALAR_BYTES, scalar};

/// The secret behind one order. Whoever holds it can use the order; whoever learns it later recognises every use that was
/// made with it. **Use a fresh one per order**: two orders with one secret share their nullifiers, so the second grants
/// fewer uses.
///
/// Made by: `sealock_identity_generate`, `sealock_identity_from_secret`. Freed by: `sealock_identity_free`, which wipes it.
/// It never changes; thread-safe.
pub struct sealock_identity {
    _opaque: (),
}

handles! { sealock_identity => IdentitySecret }

/// What an order grants, as everybody may know it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_credential {
    /// `sizeof(sealock_credential)`.
    pub struct_size: usize,
    /// The asset, as a field element: see `sealock_scalar_hash`.
    pub asset: [u8; SEALOCK_SCALAR_BYTES],
    /// How many uses. They are numbered from 0 to `limit - 1`.
    pub limit: u64,
    /// The last moment of validity, in seconds since 1970-01-01 UTC.
    pub expiry: u64,
}

impl Caller {
    /// The terms of an order.
    pub(crate) fn credential(&self, name: &str, credential: *const sealock_credential) -> Result<Credential, Failure> {
        let sealock_credential { asset, limit, expiry, .. } = self.sized(name, credential)?;
        Ok(Credential { asset: scalar(&format!("{name}->asset"), &asset)?, limit, expiry })
    }
}

/// Makes a fresh secret from the operating system's randomness.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_identity_generate(
    out: *mut *mut sealock_identity,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(IdentitySecret::generate(&mut os_rng()));
    })
}

/// The identity of SEALOCK_SECRET_BYTES secret bytes that `sealock_identity_expose_secret` gave, or that are as hard to
/// guess. Wipe your copy with `sealock_wipe`.
///
/// Fails with SEALOCK_ERROR_MALFORMED if they are zero or no field element.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_identity_from_secret(
    secret: *const u8,
    secret_length: usize,
    out: *mut *mut sealock_identity,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let secret = Zeroizing::new(c.array("secret", secret, secret_length)?);
        out.issue(IdentitySecret::from_bytes(&secret)?);
    })
}

/// Copies the secret out, SEALOCK_SECRET_BYTES bytes, for a key store alone. **Wipe the copy** with `sealock_wipe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_identity_expose_secret(
    identity: *const sealock_identity,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.array_out::<SEALOCK_SECRET_BYTES>("out", out, out_length)?;
        out.put(*find(identity)?.expose_bytes());
    })
}

/// Poseidon(secret): what the order publishes. It hides the secret and fixes it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_identity_commitment(
    identity: *const sealock_identity,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        out.put(find(identity)?.commitment().to_bytes());
    })
}

/// Poseidon(scope, secret, use index): what marks one use as spent. Without the secret, nobody can link the nullifiers of
/// different uses, scopes and secrets.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_identity_nullifier(
    identity: *const sealock_identity,
    scope: *const u8,
    scope_length: usize,
    use_index: u64,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        let scope = c.scalar("scope", scope, scope_length)?;
        out.put(find(identity)?.nullifier(scope, use_index).to_bytes());
    })
}

/// Wipes and frees an identity. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_identity_free(identity: *mut sealock_identity) -> sealock_status {
    free(identity)
}

/// The order's leaf in the group: Poseidon(commitment, limit · 2^64 + expiry, asset).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_credential_leaf(
    credential: *const sealock_credential,
    commitment: *const u8,
    commitment_length: usize,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        let credential = c.credential("credential", credential)?;
        out.put(credential.leaf(c.scalar("commitment", commitment, commitment_length)?).to_bytes());
    })
}
