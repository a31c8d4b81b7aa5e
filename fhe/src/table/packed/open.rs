//! The owner's side: rows opened, checked, and added up.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use super::{
    Circuit,
    circuit::{Computed, Keep},
    column,
    ring::{N, POLYNOMIAL_BYTES, PRIMES, PackedCiphertext, Secret, read, write},
};
use crate::{
    Error,
    table::{EncryptedResult, Opened, Output, Plan, Rows},
};

impl Circuit {
    /// Bytes of a result.
    pub(crate) fn result_len(&self) -> usize {
        let polynomials: usize = self.computed.iter().map(|one| self.degree_of(*one) + 1).sum();
        polynomials * self.primes * POLYNOMIAL_BYTES
    }

    /// Reads ciphertexts from bytes of [`Self::result_len`].
    pub(crate) fn read_result(&self, what: &'static str, bytes: &[u8]) -> Result<Vec<PackedCiphertext>, Error> {
        let mut polynomials = bytes.chunks_exact(POLYNOMIAL_BYTES);
        let mut next = |prime: usize| {
            let words: Vec<u64> = read(polynomials.next().expect("the length was checked")).collect();
            if words.iter().any(|word| *word >= PRIMES[prime]) { Err(Error::Residue { what }) } else { Ok(words) }
        };
        let mut one = |computed: &Computed| {
            let mut of_prime = |prime| (0..=self.degree_of(*computed)).map(|_| next(prime)).collect();
            Ok(PackedCiphertext { primes: (0..self.primes).map(&mut of_prime).collect::<Result<_, Error>>()? })
        };
        self.computed.iter().map(&mut one).collect()
    }

    fn fits(&self, packed: &[PackedCiphertext]) -> bool {
        let fits = |(one, wide): (&Computed, &PackedCiphertext)| {
            wide.primes.len() == self.primes
                && wide
                    .primes
                    .iter()
                    .all(|powers| powers.len() == self.degree_of(*one) + 1 && powers.iter().all(|p| p.len() == N))
        };
        packed.len() == self.computed.len() && self.computed.iter().zip(packed).all(fits)
    }

    /// What each group's rows give.
    pub(crate) fn open(
        &self,
        secret: &Secret,
        plan: &Plan,
        result: &EncryptedResult,
        rows: &Rows<'_>,
    ) -> Result<Vec<Vec<Opened>>, Error> {
        if !self.fits(&result.packed) {
            return Err(Error::Shape { what: "encrypted result" });
        }
        let groups = rows.groups();
        if result.groups != groups {
            return Err(Error::Groups { expected: groups, got: result.groups });
        }
        let mut kept = vec![self.keep == Keep::Every; rows.len()];
        let mut limbs = BTreeMap::<usize, Vec<Zeroizing<Vec<u32>>>>::new();
        for (one, wide) in self.computed.iter().zip(&result.packed) {
            let slots = secret.decrypt(wide)?;
            match one {
                Computed::Limb(column, _) => limbs.entry(*column).or_default().push(slots),
                Computed::Bits => {
                    for (kept, slot) in kept.iter_mut().zip(slots.iter()) {
                        *kept = match *slot {
                            0 => false,
                            1 => true,
                            _ => return Err(Error::Noise),
                        };
                    }
                }
            }
        }
        let counted = self.computed.first() == Some(&Computed::Bits);
        let mut values = BTreeMap::<usize, Zeroizing<Vec<Option<u64>>>>::new();
        for (column, limbs) in limbs {
            // There is nothing beyond the rows.
            if limbs.iter().any(|limb| limb[rows.len()..].iter().any(|slot| *slot != 0)) {
                return Err(Error::Noise);
            }
            let of_row = |row: usize| {
                let limbs: Vec<u32> = limbs.iter().map(|limb| limb[row]).collect();
                let value = column::value(&limbs, plan.width(column))?;
                // A value of a row that does not count.
                if value.is_some() && counted && !kept[row] { Err(Error::Noise) } else { Ok(value) }
            };
            values.insert(column, Zeroizing::new((0..rows.len()).map(of_row).collect::<Result<_, _>>()?));
        }
        let nothing = plan.outputs().iter().map(|output| Opened::nothing(plan, *output));
        let mut opened = vec![nothing.collect::<Vec<_>>(); groups];
        for row in rows.included() {
            let group = rows.group(row).expect("it is included");
            for (own, output) in opened[group].iter_mut().zip(plan.outputs()) {
                let value = output.source().and_then(|(column, _)| values.get(&column)?[row]);
                of_row(own, *output, kept[row], value);
            }
        }
        Ok(opened)
    }
}

/// Takes a row into account.
fn of_row(own: &mut Opened, output: Output, kept: bool, value: Option<u64>) {
    match (own, value) {
        (Opened::Count(count), _) => *count += u64::from(kept),
        (Opened::Sum { count, sum }, Some(value)) => {
            let value = u128::from(value);
            *count += 1;
            *sum += if matches!(output, Output::SumOfSquares(_)) { value * value } else { value };
        }
        (Opened::Categories(counts), Some(value)) => counts[value as usize] += 1,
        (Opened::Extremum(own), Some(value)) => {
            let greatest = matches!(output, Output::Maximum(_));
            *own = Some(own.map_or(value, |own| if greatest { own.max(value) } else { own.min(value) }));
        }
        (_, None) => {}
    }
}

/// Appends ciphertexts.
pub(crate) fn write_result(bytes: &mut Vec<u8>, packed: &[PackedCiphertext]) {
    for polynomial in packed.iter().flat_map(|wide| &wide.primes).flatten() {
        let start = bytes.len();
        bytes.resize(start + POLYNOMIAL_BYTES, 0);
        write(&mut bytes[start..], polynomial.iter().copied());
    }
}
