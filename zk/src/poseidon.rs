//! Poseidon with circomlib's parameters for BN254: x^5, 8 full rounds, and 56, 57 or 56 partial rounds for one, two or
//! three inputs; the state's first element starts at zero and is the result.
//!
//! Parameters are those of `light-poseidon`. Its hash gives the same and takes about half as long again, since it
//! allocates in every round; rebuilding a group is nothing but hashing. The same hash as constraints is in the crate's gadgets, and tests
//! hold the three against each other and against circomlibjs.

use std::sync::LazyLock;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field};
use light_poseidon::{PoseidonParameters, parameters::bn254_x5::get_poseidon_parameters};

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

/// Round constants by round, and the matrix, of width `T`.
struct Rounds<const T: usize> {
    constants: Vec<[Fr; T]>,
    /// The rounds at either end in which every element passes the S-box.
    full: usize,
    matrix: [[Fr; T]; T],
}

impl<const T: usize> Rounds<T> {
    fn load() -> Self {
        let PoseidonParameters { ark, mds, full_rounds, .. } = parameters(T - 1);
        let (constants, rest) = ark.as_chunks();
        assert!(rest.is_empty(), "a constant for each element of each round");
        Self {
            constants: constants.to_vec(),
            full: full_rounds / 2,
            matrix: core::array::from_fn(|row| mds[row].as_slice().try_into().expect("a square matrix")),
        }
    }

    /// The permutation, and of its result the first element.
    fn permute(&self, mut state: [Fr; T]) -> Fr {
        let fifth = |x: Fr| x.square().square() * x;
        let partial = self.full..self.constants.len() - self.full;
        for (round, constants) in self.constants.iter().enumerate() {
            for (element, constant) in state.iter_mut().zip(constants) {
                *element += constant;
            }
            let boxes = if partial.contains(&round) { 1 } else { T };
            for element in &mut state[..boxes] {
                *element = fifth(*element);
            }
            // One reduction for a sum of products.
            state = core::array::from_fn(|row| Fr::sum_of_products(&self.matrix[row], &state));
        }
        state[0]
    }
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
    static ONE: LazyLock<Rounds<2>> = LazyLock::new(Rounds::load);
    static TWO: LazyLock<Rounds<3>> = LazyLock::new(Rounds::load);
    static THREE: LazyLock<Rounds<4>> = LazyLock::new(Rounds::load);
    let input = |i: usize| inputs[i].0;
    Scalar(match N {
        1 => ONE.permute([Fr::ZERO, input(0)]),
        2 => TWO.permute([Fr::ZERO, input(0), input(1)]),
        _ => THREE.permute([Fr::ZERO, input(0), input(1), input(2)]),
    })
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use light_poseidon::{Poseidon, PoseidonHasher};

    use super::*;
    use crate::rng::{SeedableRng, StdRng};

    fn same<const N: usize>(inputs: [Fr; N]) {
        let theirs = Poseidon::<Fr>::new_circom(N).unwrap().hash(&inputs).unwrap();
        assert_eq!(poseidon(inputs.map(Scalar)), Scalar(theirs), "{inputs:?}");
    }

    #[test]
    fn the_hash_is_light_poseidons() {
        let mut rng = StdRng::seed_from_u64(1);
        let largest = -Fr::ONE;
        for _ in 0..50 {
            let [a, b, c] = core::array::from_fn(|_| Fr::rand(&mut rng));
            for [a, b, c] in [[a, b, c], [Fr::ZERO, b, largest], [largest, Fr::ONE, Fr::ZERO]] {
                same([a]);
                same([a, b]);
                same([a, b, c]);
            }
        }
    }
}
