//! Poseidon with circomlib's parameters for BN254: x^5, 8 full rounds, and 56, 57 or 56 partial rounds for one, two or
//! three inputs; the state's first element starts at zero and is the result.
//!
//! Parameters and the native hash are those of `light-poseidon`. The same hash as constraints is in the crate's gadgets,
//! and tests hold the two against each other and against circomlibjs.

use core::cell::RefCell;
use std::sync::LazyLock;

use ark_bn254::Fr;
use light_poseidon::{Poseidon, PoseidonHasher, PoseidonParameters, parameters::bn254_x5::get_poseidon_parameters};

use crate::Scalar;

/// The largest number of inputs that this crate hashes at once.
const MAX_INPUTS: usize = 3;

fn load(inputs: usize) -> PoseidonParameters<Fr> {
    let width = u8::try_from(inputs + 1).expect("at most three inputs");
    get_poseidon_parameters(width).expect("light-poseidon has the widths 2 to 4")
}

/// Round constants and matrix for a number of inputs from 1 to 3.
pub(crate) fn parameters(inputs: usize) -> &'static PoseidonParameters<Fr> {
    static ALL: LazyLock<[PoseidonParameters<Fr>; MAX_INPUTS]> =
        LazyLock::new(|| core::array::from_fn(|i| load(i + 1)));
    &ALL[inputs - 1]
}

/// Hashes one, two or three field elements; any other number does not compile.
///
/// ```
/// use sealock_zk::{Scalar, poseidon};
/// let one_two = poseidon([Scalar::from(1), Scalar::from(2)]);
/// assert_eq!(one_two.to_string(), "0x115cc0f5e7d690413df64c6b9662e9cf2a3617f2743245519e19607a4417189a");
/// ```
#[must_use]
pub fn poseidon<const N: usize>(inputs: [Scalar; N]) -> Scalar {
    const { assert!(1 <= N && N <= MAX_INPUTS, "one to three inputs") }
    thread_local! {
        // One hasher per width: making one decodes hundreds of constants.
        static HASHERS: [RefCell<Poseidon<Fr>>; MAX_INPUTS] =
            core::array::from_fn(|i| RefCell::new(Poseidon::new(load(i + 1))));
    }
    let inputs = inputs.map(|input| input.0);
    let hash = HASHERS.with(|hashers| hashers[N - 1].borrow_mut().hash(&inputs));
    Scalar(hash.expect("the hasher was made for N inputs"))
}
