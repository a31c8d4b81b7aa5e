//! The parameters, and how much noise each step may add.
//!
//! Everything is a fraction of the torus `Z_{2^64}`, written as a power of two. Standard deviations:
//!
//! | where | σ | from |
//! |---|---|---|
//! | a fresh coefficient | 2^-47.8 | `TUniform(17)`, the parameter set's |
//! | stored in 32 bits | 2^-33.8 | uniform in ±2^-33 |
//! | a filter's indicator, weights up to 2^11 on 256 coefficients of each of 15 digits | 2^-16.8 | 2^-33.8 · 2^11 · 16 · √15 |
//! | of a coarse bootstrap | 2^-14.8 | measured; the parameter set's base 2^23, one level |
//! | of a fine bootstrap | 2^-22.2 | measured; base 2^15, two levels |
//! | key switch | 2^-10.8 | measured; 2^-11.0 by the set's noise and decomposition |
//! | modulus switch | 2^-9.9 | `√(918/48)` of 4,096 steps, mean removed |
//!
//! A threshold leaves 2^-6 on either side ([`MAX_SLACK`]), as a lookup table of the parameter set does (16 boxes of 128 of
//! 2,048 coefficients): that is the distance for which its authors state a failure probability of 2^-129.6 per bootstrap at
//! an input noise of five (2-norm) coarse outputs. At most 15 gates of conditions enter a threshold, a
//! 2-norm of 3.9, and at most 24 of scores, 4.9.
//!
//! A sum of 512 masked rows has σ = 2^-22.2 · √512 = 2^-17.7 and is decoded to multiples of 2^-12: half a step is 26σ. A test
//! measures what is called measured, what is stored, and the indicator on one digit.

use tfhe::{core_crypto::prelude::*, shortint::parameters::ClassicPBSParameters, shortint::parameters::v1_8};

/// tfhe-rs's classic set for two bits of message and two of carry, of version 1.8 (unchanged since 1.4).
///
/// Its authors choose by the Lattice Estimator (<https://github.com/malb/lattice-estimator>) and state a failure
/// probability of 2^-129.581 for each bootstrap. We have not estimated its security anew.
pub(crate) const SET: ClassicPBSParameters = v1_8::V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128;
/// Coefficients of a ring element.
pub(crate) const N: usize = 2048;
/// Dimension of the small key, under which bits are when they turn an accumulator.
pub(crate) const SMALL: usize = 918;
/// Dimension of the key of the ring, flattened.
pub(crate) const BIG: usize = N;
/// Decomposition of the bootstrap that masks values: same key, same noise, finer digits than [`SET`]'s.
pub(crate) const FINE: (DecompositionBaseLog, DecompositionLevelCount) =
    (DecompositionBaseLog(15), DecompositionLevelCount(2));
/// Scale of stored digits and of decoded sums: 2^-12 of the torus.
pub(crate) const DELTA: u64 = 1 << 52;
/// Steps of [`DELTA`] in the torus.
pub(crate) const STEPS: u64 = 1 << 12;
/// Scale of a message block of [`SET`].
pub(crate) const BLOCK_DELTA: u64 = 1 << 59;
/// Bits of a message block of [`SET`].
pub(crate) const BLOCK_BITS: u32 = 2;
/// Boxes of an accumulator: as many as the lookup tables of [`SET`] have.
pub(crate) const BOXES: usize = 16;
/// Coefficients of a box. A bit turns an accumulator by its phase, which is off by less than half of this.
pub(crate) const BOX: usize = N / BOXES;
/// Bits of a value that one box holds. `7 · ROWS_PER_CHUNK < STEPS`.
pub(crate) const LIMB_BITS: u32 = 3;
/// How far a threshold may lie from the least and the greatest value: both sides of it are 2^-6 of the torus wide.
pub(crate) const MAX_SLACK: i64 = 15;

pub(crate) const GLWE_SIZE: GlweSize = GlweSize(2);
pub(crate) const POLY: PolynomialSize = PolynomialSize(N);

/// A word in the 32 bits that are stored and sent. What is cut off is noise of σ = 2^-33.8.
pub(crate) fn cut(word: u64) -> u32 {
    (word.wrapping_add(1 << 31) >> 32) as u32
}

pub(crate) fn widen(word: u32) -> u64 {
    u64::from(word) << 32
}

pub(crate) fn native() -> CiphertextModulus<u64> {
    CiphertextModulus::new_native()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_those_of_the_published_set() {
        assert_eq!((SET.polynomial_size.0, SET.glwe_dimension.0, SET.lwe_dimension.0), (N, 1, SMALL));
        assert_eq!((SET.message_modulus.0, SET.carry_modulus.0), (1 << BLOCK_BITS, 4));
        assert_eq!(BLOCK_DELTA, (1 << 63) / (SET.message_modulus.0 * SET.carry_modulus.0));
        assert!(SET.log2_p_fail < -128.0 && SET.max_noise_level.get() == 5);
        // A threshold's margin is half a box of the set's lookup tables.
        assert_eq!(2 * (MAX_SLACK as usize + 1) * (BOX / 2), N);
        assert!(((1 << LIMB_BITS) - 1) * (super::super::ROWS_PER_CHUNK as u64) < STEPS);
    }
}
