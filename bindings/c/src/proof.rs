//! Access proofs: proving and verifying

use sealock::zk::{Claim, Proof, Scalar, Statement, Witness, os_rng, prove, verify};

use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{Caller, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::group::sealock_merkle_proof;
use crate::handle::{find, handles};
use crate::identity::{sealock_credential, sealock_identity};
use crate::keys::{sealock_proving_key, sealock_verifying_key};
use crate::scalar::{SEALOCK_SCALAR_BYTES, scalar};

/// Bytes of a statement's encoding.
pub const SEALOCK_ACCESS_STATEMENT_BYTES: usize = 137;
/// Bytes of a proof's encoding.
pub const SEALOCK_ACCESS_PROOF_BYTES: usize = 129;

const _: () = assert!(SEALOCK_ACCESS_STATEMENT_BYTES == Statement::LEN && SEALOCK_ACCESS_PROOF_BYTES == Proof::LEN);

/// SEALOCK_ACCESS_STATEMENT_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_access_statement_bytes() -> usize {
    SEALOCK_ACCESS_STATEMENT_BYTES
}

/// SEALOCK_ACCESS_PROOF_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_access_proof_bytes() -> usize {
    SEALOCK_ACCESS_PROOF_BYTES
}

/// What the prover says about the use. All but the time are field elements.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_claim {
    /// `sizeof(sealock_claim)`.
    pub struct_size: usize,
    /// Root of the group.
    pub root: [u8; SEALOCK_SCALAR_BYTES],
    /// What the proof is bound to: it cannot be moved to another message.
    pub message: [u8; SEALOCK_SCALAR_BYTES],
    /// What uses are counted in. One use index gives one nullifier per scope.
    pub scope: [u8; SEALOCK_SCALAR_BYTES],
    /// The time of the use, in seconds since 1970-01-01 UTC. It is public: round it, so that a clock does not tell orders
    /// apart.
    pub now: u64,
}

/// What a proof proves, and everything that the verifier learns: some order of the group `root`, unexpired at `now`, is used for
/// `message` within its limit in `scope`, and `nullifier` marks the use. All but the time are field elements.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_access_statement {
    /// `sizeof(sealock_access_statement)`, filled in by the caller.
    pub struct_size: usize,
    /// Root of the group. Never zero in an accepted statement.
    pub root: [u8; SEALOCK_SCALAR_BYTES],
    /// Poseidon(scope, secret, use index): **store it when the use is spent.**
    pub nullifier: [u8; SEALOCK_SCALAR_BYTES],
    /// What the proof is bound to.
    pub message: [u8; SEALOCK_SCALAR_BYTES],
    /// What uses are counted in.
    pub scope: [u8; SEALOCK_SCALAR_BYTES],
    /// The time of the use, in seconds since 1970-01-01 UTC.
    pub now: u64,
}

/// A proof. Its bytes identify nothing, as anybody can turn a proof into another one of the same statement: a use is identified
/// by its nullifier.
///
/// Made by: `sealock_access_prove`, `sealock_access_proof_from_bytes`. Freed by: `sealock_access_proof_free`. It never changes;
/// thread-safe.
pub struct sealock_access_proof {
    _opaque: (),
}

handles! { sealock_access_proof => Proof }

impl Default for sealock_access_statement {
    fn default() -> Self {
        let none = [0; SEALOCK_SCALAR_BYTES];
        Self { struct_size: size_of::<Self>(), root: none, nullifier: none, message: none, scope: none, now: 0 }
    }
}

impl From<Statement> for sealock_access_statement {
    fn from(statement: Statement) -> Self {
        Self {
            struct_size: size_of::<Self>(),
            root: statement.root.to_bytes(),
            nullifier: statement.nullifier.to_bytes(),
            message: statement.message.to_bytes(),
            scope: statement.scope.to_bytes(),
            now: statement.now,
        }
    }
}

impl Caller {
    fn claim(&self, name: &str, claim: *const sealock_claim) -> Result<Claim, Failure> {
        let claim = self.sized(name, claim)?;
        let field = |field: &str, bytes| -> Result<Scalar, Failure> { scalar(&format!("{name}->{field}"), bytes) };
        Ok(Claim {
            root: field("root", &claim.root)?,
            message: field("message", &claim.message)?,
            scope: field("scope", &claim.scope)?,
            now: claim.now,
        })
    }

    fn access_statement(&self, name: &str, statement: *const sealock_access_statement) -> Result<Statement, Failure> {
        let statement = self.sized(name, statement)?;
        let field = |field: &str, bytes| -> Result<Scalar, Failure> { scalar(&format!("{name}->{field}"), bytes) };
        Ok(Statement {
            root: field("root", &statement.root)?,
            nullifier: field("nullifier", &statement.nullifier)?,
            message: field("message", &statement.message)?,
            scope: field("scope", &statement.scope)?,
            now: statement.now,
        })
    }
}

/// Proves that an order allows the use that `claim` says: the secret of the order, what it granted, the number of the use from
/// 0, and the path from the order's leaf to the claim's root. **One use index for two messages spends it twice: the second is
/// refused.** Set `statement->struct_size` before.
///
/// It is checked first whether the claim holds, and last that the proof verifies. About a third of a second on one core at depth
/// 20; the first proof under a key takes longer. Prove where nobody can measure the time, which depends on the secret. Nothing
/// is spent by a failure.
///
/// Fails with SEALOCK_ERROR_NOT_A_MEMBER if secret and terms do not give the path's leaf, or the path does not lead to the root;
/// with SEALOCK_ERROR_USE_LIMIT_REACHED; with SEALOCK_ERROR_ORDER_EXPIRED; with SEALOCK_ERROR_INVALID_PROOF if the group has
/// outgrown the key; with SEALOCK_ERROR_UNSAFE_KEY for a key whose proofs do not verify.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_prove(
    key: *const sealock_proving_key,
    claim: *const sealock_claim,
    identity: *const sealock_identity,
    credential: *const sealock_credential,
    use_index: u64,
    merkle_proof: *const sealock_merkle_proof,
    statement: *mut sealock_access_statement,
    proof: *mut *mut sealock_access_proof,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (statement, proof) = (c.sized_out("statement", statement), c.out("proof", proof));
        let (statement, proof) = (statement?, proof?);
        let (key, claim) = (find(key)?, c.claim("claim", claim)?);
        let (secret, credential) = (find(identity)?, c.credential("credential", credential)?);
        let membership = find(merkle_proof)?;
        let witness = Witness { secret: &secret, credential: &credential, use_index, membership: &membership };
        let (said, proved) = prove(&key, &claim, &witness, &mut os_rng())?;
        statement.put(said.into());
        proof.issue(proved);
    })
}

/// Verifies a proof of a statement under the owner's key.
///
/// This says that the statement is true, not that it is acceptable. **Check before that root, message, scope and time are the
/// right ones, and after it that the nullifier is new.**
///
/// Fails with SEALOCK_ERROR_INVALID_PROOF, without a reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_verify(
    key: *const sealock_verifying_key,
    statement: *const sealock_access_statement,
    proof: *const sealock_access_proof,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let statement = c.access_statement("statement", statement)?;
        verify(&*find(key)?, &statement, &*find(proof)?)?;
    })
}

/// Encodes a statement, in SEALOCK_ACCESS_STATEMENT_BYTES bytes: a version byte, root, nullifier, message, scope and the time
/// in 8 bytes, big-endian.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_statement_to_bytes(
    statement: *const sealock_access_statement,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.array_out::<SEALOCK_ACCESS_STATEMENT_BYTES>("out", out, out_length)?;
        out.put(c.access_statement("statement", statement)?.to_bytes());
    })
}

/// Reads a statement. Set `out->struct_size` before.
///
/// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_statement_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut sealock_access_statement,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        out.put(Statement::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?.into());
    })
}

/// The statement as snarkjs' `public.json`: root, nullifier, message, scope, time.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_statement_to_snarkjs(
    statement: *const sealock_access_statement,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(c.access_statement("statement", statement)?.to_snarkjs()));
    })
}

/// Encodes a proof, in SEALOCK_ACCESS_PROOF_BYTES bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_proof_to_bytes(
    proof: *const sealock_access_proof,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.array_out::<SEALOCK_ACCESS_PROOF_BYTES>("out", out, out_length)?;
        out.put(find(proof)?.to_bytes());
    })
}

/// Reads a proof, and checks that its points are in their groups. Whether it proves anything is for `sealock_access_verify`.
///
/// Fails with SEALOCK_ERROR_MALFORMED; with SEALOCK_ERROR_UNSUPPORTED_VERSION for another version.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_proof_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_access_proof,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Proof::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// The proof as snarkjs' `proof.json`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_proof_to_snarkjs(
    proof: *const sealock_access_proof,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(proof)?.to_snarkjs()));
    })
}

/// The call of the contract of `sealock_verifying_key_to_solidity` that verifies this proof of `statement`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_proof_to_evm_calldata(
    proof: *const sealock_access_proof,
    statement: *const sealock_access_statement,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let statement = c.access_statement("statement", statement)?;
        out.issue(Buffer::from(find(proof)?.to_evm_calldata(&statement)));
    })
}

/// Frees a proof. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_access_proof_free(proof: *mut sealock_access_proof) -> sealock_status {
    free(proof)
}
