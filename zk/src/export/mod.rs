//! Proofs and keys for verifiers that are not this crate: for [`snarkjs`], as [calls](evm) of contracts, and a
//! [contract](solidity) in Solidity.
//!
//! The writers are methods of [`VerifyingKey`](crate::VerifyingKey), [`Proof`](crate::Proof) and
//! [`Statement`](crate::Statement), and of their likes in the module `semaphore`.

pub mod evm;
pub mod snarkjs;
pub mod solidity;

/// Reads decimal digits: no sign, no leading zero, no more than fits.
#[cfg(feature = "semaphore")]
pub(crate) fn decimal<const LIMBS: usize>(text: &str) -> Option<ark_ff::BigInt<LIMBS>> {
    let canonical = text == "0" || !text.starts_with('0');
    let fits = !text.is_empty() && text.len() <= 20 * LIMBS;
    if !canonical || !fits || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
