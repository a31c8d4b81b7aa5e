//! Semaphore
//!
//! Identities and proofs of Semaphore v4, which `@semaphore-protocol` 4.14 accepts and whose proofs are accepted here. A member
//! of a group says a message in a scope, once. There are no limits, no expiry and no assets: where those matter, use access
//! proofs.
//!
//! A group is a `sealock_group` of commitments, or a `sealock_merkle_proof` that somebody else's group gave. The keys are those
//! of Semaphore's ceremony: `semaphore-<depth>.zkey` and `.json` of the npm package `@zk-kit/semaphore-artifacts`.
//!
//! Messages and scopes are signals: SEALOCK_SIGNAL_BYTES bytes, an integer below 2^256, big-endian. Semaphore's JavaScript takes
//! numbers, texts and bytes alike, and reads a text that looks like a number as that number. Here the caller says which it is.

use std::ffi::c_char;

use sealock::zk::os_rng;
use sealock::zk::semaphore::{Identity, MAX_DEPTH, Proof, ProvingKey, Signal, VerifyingKey, prove, verify};

use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{Caller, Out, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::group::sealock_merkle_proof;
use crate::handle::{find, handles};
use crate::scalar::{SEALOCK_SCALAR_BYTES, concat};

/// Bytes of a message or a scope.
pub const SEALOCK_SIGNAL_BYTES: usize = 32;
/// Bytes of a public key: both coordinates, field elements.
pub const SEALOCK_SEMAPHORE_PUBLIC_KEY_BYTES: usize = 64;
/// The deepest circuit of the ceremony.
pub const SEALOCK_SEMAPHORE_MAX_DEPTH: usize = 32;

const _: () = assert!(SEALOCK_SEMAPHORE_MAX_DEPTH == MAX_DEPTH);

/// SEALOCK_SIGNAL_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_signal_bytes() -> usize {
    SEALOCK_SIGNAL_BYTES
}

/// SEALOCK_SEMAPHORE_PUBLIC_KEY_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_semaphore_public_key_bytes() -> usize {
    SEALOCK_SEMAPHORE_PUBLIC_KEY_BYTES
}

/// An identity. One is meant to be used in many groups: its nullifiers of one scope are the same in each of them, so a scope
/// names its group.
///
/// Made by: `sealock_semaphore_identity_generate`, `_from_private_key`, `_import`. Freed by:
/// `sealock_semaphore_identity_free`, which wipes it. It never changes; thread-safe.
pub struct sealock_semaphore_identity {
    _opaque: (),
}

/// A key that proofs are made with.
///
/// Made by: `sealock_semaphore_proving_key_from_zkey`, `_from_pinned_zkey`. Freed by: `sealock_semaphore_proving_key_free`. It
/// never changes; thread-safe.
pub struct sealock_semaphore_proving_key {
    _opaque: (),
}

/// A key that proofs are verified with: one for each depth.
///
/// Made by: `sealock_semaphore_verifying_key_from_snarkjs`, `sealock_semaphore_proving_key_verifying_key`. Freed by:
/// `sealock_semaphore_verifying_key_free`. It never changes; thread-safe.
pub struct sealock_semaphore_verifying_key {
    _opaque: (),
}

/// A proof, with what it proves. The nullifier identifies it; its points do not, as anybody can change them.
///
/// Made by: `sealock_semaphore_prove`, `sealock_semaphore_proof_from_json`. Freed by: `sealock_semaphore_proof_free`. It never
/// changes; thread-safe.
pub struct sealock_semaphore_proof {
    _opaque: (),
}

handles! {
    sealock_semaphore_identity => Identity,
    sealock_semaphore_proving_key => ProvingKey,
    sealock_semaphore_verifying_key => VerifyingKey,
    sealock_semaphore_proof => Proof,
}

/// What a proof proves: somebody in the group `root` says `message` in `scope`, and `nullifier` marks that it did.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_semaphore_statement {
    /// `sizeof(sealock_semaphore_statement)`, filled in by the caller.
    pub struct_size: usize,
    /// The depth of the circuit, which says which key verifies the proof.
    pub depth: usize,
    /// Root of the group, a field element. Never zero in an accepted proof.
    pub root: [u8; SEALOCK_SCALAR_BYTES],
    /// Poseidon(hash of the scope, secret), a field element.
    pub nullifier: [u8; SEALOCK_SCALAR_BYTES],
    /// What is said, a signal.
    pub message: [u8; SEALOCK_SIGNAL_BYTES],
    /// Where it is said, a signal.
    pub scope: [u8; SEALOCK_SIGNAL_BYTES],
}

impl Default for sealock_semaphore_statement {
    fn default() -> Self {
        let none = [0; SEALOCK_SCALAR_BYTES];
        Self { struct_size: size_of::<Self>(), depth: 0, root: none, nullifier: none, message: none, scope: none }
    }
}

impl From<&Proof> for sealock_semaphore_statement {
    fn from(proof: &Proof) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            depth: proof.depth,
            root: proof.root.to_bytes(),
            nullifier: proof.nullifier.to_bytes(),
            message: proof.message.to_bytes(),
            scope: proof.scope.to_bytes(),
        }
    }
}

impl Caller {
    fn signal(&self, name: &str, bytes: *const u8, length: usize) -> Result<Signal, Failure> {
        Ok(Signal::from_bytes(self.array(name, bytes, length)?))
    }

    fn signal_out(&self, name: &str, out: *mut u8, length: usize) -> Result<Out<[u8; SEALOCK_SIGNAL_BYTES]>, Failure> {
        self.array_out(name, out, length)
    }
}

/// The signal of a text: its UTF-8, padded on the right with zeros, as ethers' `encodeBytes32String` has it.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for more than 31 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_signal_from_text(
    text: *const c_char,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.signal_out("out", out, out_length)?;
        out.put(Signal::text(c.text("text", text)?)?.to_bytes());
    })
}

/// The signal of an integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_signal_from_integer(
    value: u64,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.signal_out("out", out, out_length)?.put(Signal::from(value).to_bytes());
    })
}

/// The signal of an integer below 2^256 in decimal digits, without leading zeros, as a proof's JSON has it.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for anything else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_signal_from_decimal(
    value: *const c_char,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.signal_out("out", out, out_length)?;
        out.put(c.text("value", value)?.parse::<Signal>()?.to_bytes());
    })
}

/// The integer in decimal digits. It writes field elements as well, which JavaScript has so.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_signal_to_decimal(
    signal: *const u8,
    signal_length: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(c.signal("signal", signal, signal_length)?.to_string()));
    })
}

/// What a proof shows of a signal, a field element: its Keccak-256 without the last byte.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_signal_hash(
    signal: *const u8,
    signal_length: usize,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        out.put(c.signal("signal", signal, signal_length)?.hash().to_bytes());
    })
}

/// Makes a fresh identity from the operating system's randomness: a private key of 32 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_identity_generate(
    out: *mut *mut sealock_semaphore_identity,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(Identity::generate(&mut os_rng()));
    })
}

/// The identity of a private key: bytes of any number, or the UTF-8 of a text. Equal to `new Identity(key)`. **It is the
/// secret**: a text that somebody can guess gives the commitment and all uses away. Wipe your copy with `sealock_wipe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_identity_from_private_key(
    private_key: *const u8,
    private_key_length: usize,
    out: *mut *mut sealock_semaphore_identity,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Identity::from_private_key(c.bytes("private_key", private_key, private_key_length)?));
    })
}

/// Reads what `sealock_semaphore_identity_export` or `identity.export()` wrote: the private key in Base64. Wipe your copy with
/// `sealock_wipe`.
///
/// Fails with SEALOCK_ERROR_MALFORMED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_identity_import(
    text: *const c_char,
    out: *mut *mut sealock_semaphore_identity,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Identity::import(c.text("text", text)?)?);
    })
}

/// The private key in Base64, equal to `identity.export()`: **the secret**, for a key store alone. The buffer is wiped when it
/// is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_identity_export(
    identity: *const sealock_semaphore_identity,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(std::mem::take(&mut *find(identity)?.export())));
    })
}

/// The private key itself: **the secret**, for a key store alone. The buffer is wiped when it is freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_identity_expose_private_key(
    identity: *const sealock_semaphore_identity,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(identity)?.expose_private_key().to_vec()));
    })
}

/// The public key on Baby Jubjub, in circomlib's coordinates: x, then y.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_identity_public_key(
    identity: *const sealock_semaphore_identity,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.array_out::<SEALOCK_SEMAPHORE_PUBLIC_KEY_BYTES>("out", out, out_length)?;
        let key = concat(&find(identity)?.public_key());
        out.put(key.try_into().expect("two field elements"));
    })
}

/// Poseidon(public key), a field element: what a group has as its leaf.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_identity_commitment(
    identity: *const sealock_semaphore_identity,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        out.put(find(identity)?.commitment().to_bytes());
    })
}

/// Wipes and frees an identity. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_identity_free(identity: *mut sealock_semaphore_identity) -> sealock_status {
    free(identity)
}

/// Reads a key file of snarkjs for Semaphore's circuit of some depth, and checks that every point is in its group. About a
/// second at depth 20. **That the file is the ceremony's is for you to know**: pin its SHA-256 digest and use
/// `sealock_semaphore_proving_key_from_pinned_zkey`.
///
/// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_TOO_LARGE for more than any key of the ceremony has; with
/// SEALOCK_ERROR_UNSUPPORTED_VERSION for another version of the format.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proving_key_from_zkey(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_semaphore_proving_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(ProvingKey::from_zkey(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// Reads a key file whose SHA-256 digest is pinned, without checking its points once more: milliseconds.
///
/// Fails with SEALOCK_ERROR_MALFORMED for other bytes; otherwise as `sealock_semaphore_proving_key_from_zkey`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proving_key_from_pinned_zkey(
    bytes: *const u8,
    bytes_length: usize,
    digest: *const u8,
    digest_length: usize,
    out: *mut *mut sealock_semaphore_proving_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let digest = c.array("digest", digest, digest_length)?;
        out.issue(ProvingKey::from_pinned_zkey(c.bytes("bytes", bytes, bytes_length)?, &digest)?);
    })
}

/// The depth: groups have up to 2^depth members.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proving_key_depth(
    key: *const sealock_semaphore_proving_key,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(key)?.depth());
    })
}

/// The key that its proofs are verified with.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proving_key_verifying_key(
    key: *const sealock_semaphore_proving_key,
    out: *mut *mut sealock_semaphore_verifying_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(key)?.verifying_key().clone());
    })
}

/// Frees a proving key. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proving_key_free(key: *mut sealock_semaphore_proving_key) -> sealock_status {
    free(key)
}

/// Reads a verifying key of snarkjs for the circuit of a depth. **Whoever made it can forge proofs**: take it from the ceremony.
///
/// Fails with SEALOCK_ERROR_MALFORMED, for a depth that the ceremony does not have, too; with SEALOCK_ERROR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_verifying_key_from_snarkjs(
    depth: usize,
    json: *const c_char,
    out: *mut *mut sealock_semaphore_verifying_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(VerifyingKey::from_snarkjs(depth, c.text("json", json)?)?);
    })
}

/// The depth: groups have up to 2^depth members.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_verifying_key_depth(
    key: *const sealock_semaphore_verifying_key,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(key)?.depth());
    })
}

/// The key as snarkjs' `verification_key.json`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_verifying_key_to_snarkjs(
    key: *const sealock_semaphore_verifying_key,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(key)?.to_snarkjs()));
    })
}

/// Frees a verifying key. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_verifying_key_free(
    key: *mut sealock_semaphore_verifying_key,
) -> sealock_status {
    free(key)
}

/// Proves that the identity is the member at the start of the path, and says a message, a signal, in a scope, a signal. Prove
/// where nobody can measure the time, which depends on the secret.
///
/// Fails with SEALOCK_ERROR_NOT_A_MEMBER; with SEALOCK_ERROR_INVALID_PROOF if the group has outgrown the key; with
/// SEALOCK_ERROR_UNSAFE_KEY for a key whose proofs do not verify.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_prove(
    key: *const sealock_semaphore_proving_key,
    identity: *const sealock_semaphore_identity,
    merkle_proof: *const sealock_merkle_proof,
    message: *const u8,
    message_length: usize,
    scope: *const u8,
    scope_length: usize,
    out: *mut *mut sealock_semaphore_proof,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (message, scope) = (c.signal("message", message, message_length)?, c.signal("scope", scope, scope_length)?);
        let (key, identity, membership) = (find(key)?, find(identity)?, find(merkle_proof)?);
        out.issue(prove(&key, &identity, &membership, message, scope, &mut os_rng())?);
    })
}

/// Verifies a proof under the ceremony's key for its depth.
///
/// This says that the statement is true, not that it is acceptable. **Check before that root and scope are the right ones, and
/// after it that the nullifier is new in the scope**: `sealock_semaphore_proof_statement` puts them out.
///
/// Fails with SEALOCK_ERROR_INVALID_PROOF, without a reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_verify(
    key: *const sealock_semaphore_verifying_key,
    proof: *const sealock_semaphore_proof,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        verify(&*find(key)?, &*find(proof)?)?;
    })
}

/// What the proof proves. **Call `sealock_semaphore_verify` as well.** Set `out->struct_size` before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proof_statement(
    proof: *const sealock_semaphore_proof,
    out: *mut sealock_semaphore_statement,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        out.put(sealock_semaphore_statement::from(&*find(proof)?));
    })
}

/// Reads what `sealock_semaphore_proof_to_json` or `JSON.stringify(proof)` wrote.
///
/// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_TOO_LARGE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proof_from_json(
    json: *const c_char,
    out: *mut *mut sealock_semaphore_proof,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Proof::from_json(c.text("json", json)?)?);
    })
}

/// The proof as `@semaphore-protocol/proof` has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proof_to_json(
    proof: *const sealock_semaphore_proof,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(proof)?.to_json()));
    })
}

/// The proof as snarkjs' `proof.json`, and what it proves as its `public.json`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proof_to_snarkjs(
    proof: *const sealock_semaphore_proof,
    proof_json: *mut *mut sealock_buffer,
    public_json: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (points, inputs) = (c.out("proof_json", proof_json), c.out("public_json", public_json));
        let (points, inputs) = (points?, inputs?);
        let texts = find(proof)?.to_snarkjs();
        points.issue(Buffer::from(texts.0));
        inputs.issue(Buffer::from(texts.1));
    })
}

/// The call of Semaphore's contract `SemaphoreVerifier` that verifies the proof.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proof_to_evm_calldata(
    proof: *const sealock_semaphore_proof,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(proof)?.to_evm_calldata()));
    })
}

/// Frees a proof. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_semaphore_proof_free(proof: *mut sealock_semaphore_proof) -> sealock_status {
    free(proof)
}
