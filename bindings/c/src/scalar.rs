//! Access proofs: field elements
//!
//! An exchange makes and checks its proofs by itself. This section and the ones after it are the parts, for whoever puts them
//! together otherwise: somebody who holds an order of a group proves that it allows one more use, and does not show which
//! order it is. What each party learns, and what limits the promise, is in docs/access-proofs.md.
//!
//! 1. The owner makes keys, `sealock_setup`, and publishes the bundle. The consumer checks it once, `sealock_check_setup`.
//! 2. The consumer keeps a `sealock_identity` and publishes its commitment. Terms and commitment make a leaf of the group.
//! 3. Everybody can build the group, a `sealock_group`, from what is published.
//! 4. The consumer proves a use, `sealock_access_prove`; the owner verifies it, `sealock_access_verify`, and notes its
//!    nullifier.
//!
//! Numbers of proofs are field elements: integers below p, the order of the curve BN254 (p =
//! 21888242871839275222246405745257275088548364400416034343698204186575808495617), as SEALOCK_SCALAR_BYTES bytes, big-endian.
//! **Others are refused and never reduced**: with p added, one nullifier would have two names, and the second would buy a
//! second use. A list of them is passed one after the other, with the length of them all in bytes.

use std::ffi::c_char;

use sealock::zk::{Scalar, poseidon};

use crate::call::{Caller, Out, call};
use crate::error::{Failure, sealock_error, sealock_status};

/// Bytes of a field element.
pub const SEALOCK_SCALAR_BYTES: usize = 32;

/// SEALOCK_SCALAR_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_scalar_bytes() -> usize {
    SEALOCK_SCALAR_BYTES
}

/// A field element that an argument or a field of one holds.
pub(crate) fn scalar(name: &str, bytes: &[u8; SEALOCK_SCALAR_BYTES]) -> Result<Scalar, Failure> {
    Scalar::from_bytes(bytes).map_err(|_| {
        let hint = "it is big-endian; sealock_scalar_hash makes a field element of any bytes";
        Failure::argument(name, "an integer below the order of BN254", "a larger one").hint(hint)
    })
}

impl Caller {
    /// A field element.
    pub(crate) fn scalar(&self, name: &str, bytes: *const u8, length: usize) -> Result<Scalar, Failure> {
        scalar(name, &self.array(name, bytes, length)?)
    }

    /// Field elements, one after the other.
    pub(crate) fn scalars(&self, name: &str, bytes: *const u8, length: usize) -> Result<Vec<Scalar>, Failure> {
        let (elements, rest) = self.bytes(name, bytes, length)?.as_chunks();
        if !rest.is_empty() {
            let expected = format!("a multiple of {SEALOCK_SCALAR_BYTES}");
            return Err(Failure::argument(&format!("{name}_length"), &expected, &length.to_string()));
        }
        elements.iter().enumerate().map(|(i, element)| scalar(&format!("{name}[{i}]"), element)).collect()
    }

    /// Where a field element is to be put.
    pub(crate) fn scalar_out(
        &self,
        name: &str,
        out: *mut u8,
        length: usize,
    ) -> Result<Out<[u8; SEALOCK_SCALAR_BYTES]>, Failure> {
        self.array_out(name, out, length)
    }
}

/// The bytes of field elements, one after the other.
pub(crate) fn concat(scalars: &[Scalar]) -> Vec<u8> {
    scalars.iter().flat_map(|scalar| scalar.to_bytes()).collect()
}

/// The field element of an integer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_scalar_from_integer(
    value: u64,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.scalar_out("out", out, out_length)?.put(Scalar::from(value).to_bytes());
    })
}

/// Maps `count` byte strings to a field element: for digests, addresses and other identifiers that enter a statement.
/// `part_lengths` has the length of each. `domain` names the scheme and its version, for instance `example/v1/scope`.
///
/// It is SHA-512 over domain and parts, each with its length before it, reduced modulo p: different parts and different
/// domains give different elements.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_scalar_hash(
    domain: *const c_char,
    parts: *const *const u8,
    part_lengths: *const usize,
    count: usize,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        let domain = c.text("domain", domain)?;
        let (parts, lengths) = (c.list("parts", parts, count)?, c.list("part_lengths", part_lengths, count)?);
        let parts = parts.iter().zip(lengths).enumerate();
        let parts = parts.map(|(i, (part, length))| c.bytes(&format!("parts[{i}]"), *part, *length));
        let parts: Vec<&[u8]> = parts.collect::<Result<_, _>>()?;
        out.put(Scalar::hash(domain, &parts).to_bytes());
    })
}

/// Poseidon of one, two or three field elements, with circomlib's parameters.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_poseidon(
    inputs: *const u8,
    inputs_length: usize,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.scalar_out("out", out, out_length)?;
        let hash = match *c.scalars("inputs", inputs, inputs_length)? {
            [a] => poseidon([a]),
            [a, b] => poseidon([a, b]),
            [a, b, c] => poseidon([a, b, c]),
            _ => return Err(Failure::argument("inputs_length", "32, 64 or 96", &inputs_length.to_string())),
        };
        out.put(hash.to_bytes());
    })
}
