//! Columns as ciphertexts of slots.

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::ring::{ELEMENT_BYTES, N, POLYNOMIAL_BYTES, PRIMES, Secret, read, uniform};
use crate::{Error, table::Form};

/// Widest values that are stored as indicators: six digits.
pub(crate) const MAX_INDICATOR_BITS: u8 = 32;
/// Widest digits.
const DIGIT_BITS: u8 = 6;
/// Bits of a limb.
const LIMB_BITS: u32 = 16;

/// Widths of a value's digits, lowest first: as few as may be, and as equal.
pub(crate) fn digits(bits: u8) -> Vec<u8> {
    let count = bits.div_ceil(DIGIT_BITS);
    (0..count).map(|digit| bits / count + u8::from(digit < bits % count)).collect()
}

/// The elements before those of a digit.
pub(crate) fn first(bits: u8, digit: usize) -> usize {
    digits(bits)[..digit].iter().map(|width| 1usize << width).sum()
}

/// Limbs of a value.
pub(crate) fn limbs(bits: u8) -> usize {
    u32::from(bits).div_ceil(LIMB_BITS) as usize
}

/// Ring elements of a chunk.
pub(crate) fn elements(form: Form, bits: u8) -> usize {
    match form {
        Form::Values => limbs(bits),
        _ => first(bits, digits(bits).len()),
    }
}

/// The slots of a ring element of a chunk.
fn slots(form: Form, bits: u8, values: &[Option<u64>], element: usize) -> Zeroizing<Vec<u32>> {
    let slot: Box<dyn Fn(u64) -> u32> = if form == Form::Values {
        Box::new(move |value| limb(value, element))
    } else {
        let widths = digits(bits);
        let digit = (0..widths.len()).rev().find(|digit| first(bits, *digit) <= element).expect("the first is 0");
        let own = (element - first(bits, digit)) as u64;
        let shift: u32 = widths[..digit].iter().map(|width| u32::from(*width)).sum();
        let mask = (1 << widths[digit]) - 1;
        Box::new(move |value| u32::from(value >> shift & mask == own))
    };
    Zeroizing::new(values.iter().map(|value| value.map_or(0, &slot)).collect())
}

/// A limb as it is stored: the lowest plus one.
fn limb(value: u64, index: usize) -> u32 {
    (value >> (LIMB_BITS * index as u32)) as u32 % (1 << LIMB_BITS) + u32::from(index == 0)
}

/// The value of stored limbs: none of a null, or what was not selected.
pub(crate) fn value(limbs: &[u32], bits: u8) -> Result<Option<u64>, Error> {
    let [low, high @ ..] = limbs else { return Err(Error::Noise) };
    if *low == 0 {
        return if high.iter().all(|limb| *limb == 0) { Ok(None) } else { Err(Error::Noise) };
    }
    if high.iter().any(|limb| limb >> LIMB_BITS != 0) {
        return Err(Error::Noise);
    }
    let value = high.iter().rev().fold(0, |value, limb| value << LIMB_BITS | u64::from(*limb)) << LIMB_BITS
        | u64::from(low - 1);
    if bits < 64 && value >> bits != 0 { Err(Error::Noise) } else { Ok(Some(value)) }
}

/// Encrypts values: the stored halves of all elements.
pub(crate) fn encrypt(
    secret: &Secret,
    form: Form,
    bits: u8,
    values: &[Option<u64>],
    mask: u128,
    noise: u128,
) -> Vec<u8> {
    let mut bytes = vec![0; ELEMENT_BYTES * elements(form, bits)];
    bytes.par_chunks_exact_mut(ELEMENT_BYTES).enumerate().for_each(|(element, bytes)| {
        secret.encrypt(&slots(form, bits, values, element), mask, noise, element, bytes);
    });
    bytes
}

/// Refuses residues that are not below their prime.
pub(crate) fn check_words(what: &'static str, bytes: &[u8]) -> Result<(), Error> {
    let wrong = |(i, polynomial): (usize, &[u8])| read(polynomial).any(|word| word >= PRIMES[i % PRIMES.len()]);
    if bytes.chunks_exact(POLYNOMIAL_BYTES).enumerate().any(wrong) { Err(Error::Residue { what }) } else { Ok(()) }
}

/// Adds both halves of a ciphertext modulo one prime, without reducing.
pub(crate) fn add(stored: &[u8], seed: u128, element: usize, prime: usize, sums: &mut [&mut [Vec<u64>; 2]]) {
    let start = element * ELEMENT_BYTES + prime * POLYNOMIAL_BYTES;
    let mask = uniform(seed, element, prime);
    for [body, masks] in sums {
        body.iter_mut().zip(read(&stored[start..start + POLYNOMIAL_BYTES])).for_each(|(sum, word)| *sum += word);
        masks.iter_mut().zip(&mask).for_each(|(sum, word)| *sum += word);
    }
}

/// Two polynomials of zeros.
pub(crate) fn zero() -> [Vec<u64>; 2] {
    [vec![0; N], vec![0; N]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cut_and_joined() {
        for (bits, widths) in [
            (1, vec![1]),
            (6, vec![6]),
            (7, vec![4, 3]),
            (8, vec![4, 4]),
            (16, vec![6, 5, 5]),
            (32, vec![6, 6, 5, 5, 5, 5]),
        ] {
            assert_eq!(digits(bits), widths);
        }
        for (bits, v) in [(1, 1), (16, 65535), (17, 65536), (33, 1 << 32), (64, u64::MAX), (64, 0)] {
            let limbs: Vec<u32> = (0..limbs(bits)).map(|i| limb(v, i)).collect();
            assert_eq!(value(&limbs, bits).unwrap(), Some(v));
        }
        assert_eq!(value(&[0, 0], 32).unwrap(), None);
        for wrong in [&[0, 1][..], &[1, 65536], &[2, 4]] {
            assert!(value(wrong, 18).is_err());
        }
    }
}
