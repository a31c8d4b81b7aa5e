//! Access proofs: keys
//!
//! The owner of the asset makes the keys and verifies proofs: **take keys from no third party**, who could forge proofs. What a
//! consumer risks under a key that the owner built dishonestly is its anonymity: such a key could make proofs fail for some
//! orders and not for others. So the owner publishes a key bundle, which shows how its key was made, and there is no proving
//! under it before `sealock_check_setup` has found it to be what the circuit says.

use std::ffi::c_char;

use sealock::zk::{KeyBundle, Keys, ProvingKey, VerifyingKey, check_setup, os_rng, setup};

use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::handle::{find, handles};

/// What the owner publishes: the proving key, and what shows how it was made. **Unchecked.**
///
/// Made by: `sealock_setup`, `sealock_key_bundle_from_bytes`. Freed by: `sealock_key_bundle_free`. It never changes;
/// thread-safe.
pub struct sealock_key_bundle {
    _opaque: (),
}

/// The key that proofs are made with. Whoever has one has checked it or made it.
///
/// Made by: `sealock_setup`, `sealock_check_setup`, `sealock_proving_key_from_pinned_bytes`. Freed by:
/// `sealock_proving_key_free`. It never changes; thread-safe.
pub struct sealock_proving_key {
    _opaque: (),
}

/// The key that proofs are verified with.
///
/// Made by: `sealock_setup`, `sealock_proving_key_verifying_key`, `sealock_verifying_key_from_bytes`. Freed by:
/// `sealock_verifying_key_free`. It never changes; thread-safe.
pub struct sealock_verifying_key {
    _opaque: (),
}

handles! {
    sealock_key_bundle => KeyBundle,
    sealock_proving_key => ProvingKey,
    sealock_verifying_key => VerifyingKey,
}

/// Makes the keys for groups of up to 2^`depth` leaves, from randomness that is wiped: the bundle, to be published; the key to
/// prove with, which is the owner's alone; and the key to verify with. For the owner of the asset. A second or two at depth 20.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT unless `depth` is from 1 to SEALOCK_MAX_DEPTH.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_setup(
    depth: usize,
    bundle: *mut *mut sealock_key_bundle,
    proving_key: *mut *mut sealock_proving_key,
    verifying_key: *mut *mut sealock_verifying_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (bundle, proving_key) = (c.out("bundle", bundle), c.out("proving_key", proving_key));
        let (bundle, proving_key, verifying_key) = (bundle, proving_key, c.out("verifying_key", verifying_key));
        let (bundle, proving_key, verifying_key) = (bundle?, proving_key?, verifying_key?);
        let keys: Keys = setup(depth, &mut os_rng())?;
        bundle.issue(keys.bundle);
        proving_key.issue(keys.proving_key);
        verifying_key.issue(keys.verifying_key);
    })
}

/// Checks that every element of a bundle is what the circuit says, and makes the key of it that proofs are made with. Once per
/// bundle: note the key's digest, with which `sealock_proving_key_from_pinned_bytes` loads it the next time. About a second on
/// two cores at depth 20.
///
/// Fails with SEALOCK_ERROR_UNSAFE_KEY, and names the first element that is wrong. **Then make no proof for this owner.**
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_check_setup(
    bundle: *const sealock_key_bundle,
    out: *mut *mut sealock_proving_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(check_setup(&*find(bundle)?, &mut os_rng())?);
    })
}

/// Reads a bundle. That its points are on their curves is checked, and nothing else: call `sealock_check_setup`.
///
/// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_bundle_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_key_bundle,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(KeyBundle::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The bundle's encoding: about 4.6 MB at depth 20.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_bundle_to_bytes(
    bundle: *const sealock_key_bundle,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(bundle)?.to_bytes()));
    })
}

/// The depth: groups have up to 2^depth leaves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_bundle_depth(
    bundle: *const sealock_key_bundle,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(bundle)?.depth());
    })
}

/// SHA-256 of the encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_bundle_digest(
    bundle: *const sealock_key_bundle,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(find(bundle)?.digest());
    })
}

/// Frees a bundle. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_key_bundle_free(bundle: *mut sealock_key_bundle) -> sealock_status {
    free(bundle)
}

/// Loads the key out of the bytes of a bundle that was checked before, in milliseconds.
///
/// `digest` is the digest of a key that **you yourself** got from `sealock_check_setup` or `sealock_setup`, and kept where
/// nobody else writes. One that comes with the bytes, or stands in an asset's description, is the owner's word and says nothing
/// against him.
///
/// Fails with SEALOCK_ERROR_MALFORMED for other bytes; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_proving_key_from_pinned_bytes(
    bytes: *const u8,
    bytes_length: usize,
    digest: *const u8,
    digest_length: usize,
    out: *mut *mut sealock_proving_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let digest = c.array("digest", digest, digest_length)?;
        out.issue(ProvingKey::from_pinned_bytes(c.bytes("bytes", bytes, bytes_length)?, &digest)?);
    })
}

/// The depth: groups have up to 2^depth leaves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_proving_key_depth(
    key: *const sealock_proving_key,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(key)?.depth());
    })
}

/// The digest of the bundle that the key is of: what to note for `sealock_proving_key_from_pinned_bytes`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_proving_key_digest(
    key: *const sealock_proving_key,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(find(key)?.digest());
    })
}

/// The key that its proofs are verified with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_proving_key_verifying_key(
    key: *const sealock_proving_key,
    out: *mut *mut sealock_verifying_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(key)?.verifying_key().clone());
    })
}

/// Frees a proving key. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_proving_key_free(key: *mut sealock_proving_key) -> sealock_status {
    free(key)
}

/// Reads a verifying key and checks every point. The owner reads its own: **a key from elsewhere proves nothing.**
///
/// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_verifying_key_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_verifying_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(VerifyingKey::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The key's encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_verifying_key_to_bytes(
    key: *const sealock_verifying_key,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(key)?.to_bytes()));
    })
}

/// The depth: groups have up to 2^depth leaves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_verifying_key_depth(
    key: *const sealock_verifying_key,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(key)?.depth());
    })
}

/// SHA-256 of the encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_verifying_key_digest(
    key: *const sealock_verifying_key,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(find(key)?.digest());
    })
}

/// The key as snarkjs' `verification_key.json`. Whoever verifies with snarkjs has two more things to check: that the root is
/// not zero, and that the statement is the one that was asked for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_verifying_key_to_snarkjs(
    key: *const sealock_verifying_key,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(key)?.to_snarkjs()));
    })
}

/// The source, in Solidity, of a contract of this name that verifies proofs under the key. It needs a compiler of version
/// 0.8.20 or later; `sealock_access_proof_to_evm_calldata` makes the calls.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT unless the name is a letter, then up to 63 letters and digits of ASCII.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_verifying_key_to_solidity(
    key: *const sealock_verifying_key,
    name: *const c_char,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let name = c.text("name", name)?;
        out.issue(Buffer::from(find(key)?.to_solidity(name)?));
    })
}

/// Frees a verifying key. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_verifying_key_free(key: *mut sealock_verifying_key) -> sealock_status {
    free(key)
}
