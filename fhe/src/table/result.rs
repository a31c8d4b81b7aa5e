//! What an executor gives back for a chunk, and how the owner opens it.

use tfhe::core_crypto::prelude::*;

use super::{
    evaluate::Rows,
    key::TableKey,
    packed::{Circuit, PackedCiphertext, write_result},
    params::{BLOCK_BITS, BLOCK_DELTA, BOX, DELTA, LIMB_BITS, N, POLY, cut, native, widen},
    query::{Output, Plan},
};
use crate::{Error, wire};

const VERSION: u8 = 1;
const WHAT: &str = "encrypted result";

/// A ring element of which some coefficients are results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sample {
    pub mask: Vec<u32>,
    pub bodies: Vec<u32>,
}

/// Where the middle of a box is. Results lie there.
pub(crate) const MIDDLE: usize = BOX / 2;

impl Sample {
    /// The middle coefficients of the first `boxes` boxes.
    pub(crate) fn of_boxes(element: &[u64], boxes: usize) -> Self {
        let (mask, body) = element.split_at(N);
        let bodies = (0..boxes).map(|i| cut(body[i * BOX + MIDDLE])).collect();
        Self { mask: mask.iter().copied().map(cut).collect(), bodies }
    }
}

/// The ring element whose coefficient in the middle of the first box is this LWE ciphertext under the flattened key.
pub(crate) fn to_element(lwe: &[u64]) -> Vec<u64> {
    let mut element = vec![0u64; 2 * N];
    for (i, &word) in lwe[..N].iter().enumerate() {
        // (A·S)_p has S_i·A_{p−i}.
        if i <= MIDDLE {
            element[MIDDLE - i] = word;
        } else {
            element[N + MIDDLE - i] = word.wrapping_neg();
        }
    }
    element[N + MIDDLE] = lwe[N];
    element
}

/// The result of one chunk, encrypted under the owner's key: for each group and output, ring elements whose sums open; of
/// packed data, ciphertexts of rows, which the owner groups.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptedResult {
    pub(crate) groups: usize,
    pub(crate) samples: Vec<Sample>,
    pub(crate) packed: Vec<PackedCiphertext>,
}

impl std::fmt::Debug for EncryptedResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EncryptedResult({} groups, {} ring elements)", self.groups, self.samples.len() + self.packed.len())
    }
}

/// Bodies of each sample, in order.
fn layout(plan: &Plan, groups: usize) -> Vec<usize> {
    if plan.is_packed() {
        return Vec::new();
    }
    let of_group: Vec<usize> = plan.outputs().iter().flat_map(|output| plan.samples(*output)).collect();
    of_group.iter().copied().cycle().take(groups * of_group.len()).collect()
}

impl EncryptedResult {
    /// Bytes of the encoding.
    pub fn encoded_len(plan: &Plan, groups: usize) -> usize {
        let samples: usize = layout(plan, groups).iter().map(|bodies| 4 * (N + bodies)).sum();
        1 + 4 + samples + plan.packed.as_ref().map_or(0, Circuit::result_len)
    }

    /// Version, groups (4 bytes), then of each ring element the mask and the bodies, 4 bytes each, little-endian; of packed data
    /// of each ciphertext, modulo each prime, the polynomials by powers of the secret key, 7 bytes for each residue.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&(self.groups as u32).to_le_bytes());
        let words = self.samples.iter().flat_map(|sample| sample.mask.iter().chain(&sample.bodies));
        words.for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        write_result(&mut out, &self.packed);
        out
    }

    /// Reads what [`Self::to_bytes`] wrote, for the plan and the number of groups that the reader knows.
    ///
    /// # Errors
    /// [`Error::Version`], [`Error::Length`]; [`Error::Groups`] for another number of groups; [`Error::Residue`].
    pub fn from_bytes(plan: &Plan, groups: usize, bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = wire::Reader::open(WHAT, VERSION, 5, bytes)?;
        let got = reader.u32() as usize;
        if got != groups {
            return Err(Error::Groups { expected: groups, got });
        }
        wire::exact(WHAT, Self::encoded_len(plan, groups), bytes)?;
        if let Some(circuit) = &plan.packed {
            let packed = circuit.read_result(WHAT, reader.take(circuit.result_len()))?;
            return Ok(Self { groups, samples: Vec::new(), packed });
        }
        let mut words = |len| (0..len).map(|_| reader.u32()).collect::<Vec<u32>>();
        let samples =
            layout(plan, groups).into_iter().map(|bodies| Sample { mask: words(N), bodies: words(bodies) }).collect();
        Ok(Self { groups, samples, packed: Vec::new() })
    }
}

/// An output, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Opened {
    /// How many rows.
    Count(u64),
    /// How many values, and their sum or that of their squares.
    Sum {
        /// Values that are no nulls.
        count: u64,
        /// Their exact sum.
        sum: u128,
    },
    /// How many rows of each category.
    Categories(Vec<u64>),
    /// The least or the greatest value, if there is one.
    Extremum(Option<u64>),
}

impl TableKey {
    /// Opens the results of all chunks: for each group, each output of the plan.
    ///
    /// **The owner must not do so for whoever asks**: an executor can return any ciphertext in place of a result, a value
    /// of a row among them. Only what is bound to an admitted job may be opened, once, and what is opened is the owner's,
    /// to be protected as its policy says, before anything of it leaves.
    ///
    /// # Errors
    /// [`Error::Groups`] if the results differ in their groups, [`Error::Shape`] if one is of another plan;
    /// [`Error::Noise`] if a result is not on the grid of results: it was not computed by this plan, with this key's columns
    /// and evaluation key. [`Error::Packed`] if it is of packed columns: see [`TableKey::open_rows`].
    pub fn open(&self, plan: &Plan, results: &[EncryptedResult]) -> Result<Vec<Vec<Opened>>, Error> {
        if plan.is_packed() {
            return Err(Error::Packed);
        }
        let groups = results.first().map_or(1, |result| result.groups);
        let nothing: Vec<Opened> = plan.outputs().iter().map(|output| Opened::nothing(plan, *output)).collect();
        let mut opened = vec![nothing; groups];
        for result in results {
            if result.groups != groups {
                return Err(Error::Groups { expected: groups, got: result.groups });
            }
            if !result.samples.iter().map(|sample| sample.bodies.len()).eq(layout(plan, groups)) {
                return Err(Error::Shape { what: WHAT });
            }
            let mut samples = result.samples.iter();
            for group in &mut opened {
                for (sum, output) in group.iter_mut().zip(plan.outputs()) {
                    let some: Vec<&Sample> = samples.by_ref().take(plan.samples(*output).len()).collect();
                    sum.add(self.open_output(*output, &some)?, *output);
                }
            }
        }
        Ok(opened)
    }

    /// Opens the result of one chunk: for each group, each output of the plan. Of packed data, `rows` says how many there
    /// are and in which group each is; its columns do not matter.
    ///
    /// What is said of [`TableKey::open`] holds here as well.
    ///
    /// # Errors
    /// As [`TableKey::open`]; [`Error::ChunkRows`], [`Error::Groups`] for rows that no chunk has. [`Error::Noise`] if what is
    /// opened is no bit or no value that was stored so.
    pub fn open_rows(&self, plan: &Plan, result: &EncryptedResult, rows: &Rows<'_>) -> Result<Vec<Vec<Opened>>, Error> {
        let Some(circuit) = &plan.packed else { return self.open(plan, std::slice::from_ref(result)) };
        rows.check_groups(plan)?;
        circuit.open(&self.packed_secret(), plan, result, rows)
    }

    fn open_output(&self, output: Output, samples: &[&Sample]) -> Result<Opened, Error> {
        let step = if output.extremum().is_some() { BLOCK_DELTA } else { DELTA };
        let mut boxes = Vec::new();
        for sample in samples {
            boxes.extend(self.read(sample, step)?);
        }
        Ok(match output {
            Output::Count => Opened::Count(boxes[0]),
            Output::Categories(_) => Opened::Categories(boxes),
            Output::Sum(_) | Output::SumOfSquares(_) => {
                let limbs = boxes[1..].iter().enumerate();
                let sum = limbs.map(|(i, &limb)| u128::from(limb) << (LIMB_BITS * i as u32)).sum();
                Opened::Sum { count: boxes[0], sum }
            }
            Output::Minimum(_) | Output::Maximum(_) => {
                if boxes.iter().any(|&block| block >> BLOCK_BITS != 0) {
                    return Err(Error::Noise);
                }
                // Digits below others have whole blocks.
                let value = boxes[1..].iter().rev().fold(0, |value, block| value << BLOCK_BITS | block);
                Opened::Extremum((boxes[0] > 0).then_some(value))
            }
        })
    }

    /// The phases of the results.
    pub(crate) fn phases(&self, sample: &Sample) -> Vec<u64> {
        let mut words = vec![0u64; 2 * N];
        words.iter_mut().zip(&sample.mask).for_each(|(word, &mask)| *word = widen(mask));
        for (i, &body) in sample.bodies.iter().enumerate() {
            words[N + i * BOX + MIDDLE] = widen(body);
        }
        let element = GlweCiphertext::from_container(words, POLY, native());
        let mut plain = PlaintextList::new(0u64, PlaintextCount(N));
        decrypt_glwe_ciphertext(&self.ring(), &element, &mut plain);
        (0..sample.bodies.len()).map(|i| plain.as_ref()[i * BOX + MIDDLE]).collect()
    }

    /// The multiples of `step` that the results are.
    fn read(&self, sample: &Sample, step: u64) -> Result<Vec<u64>, Error> {
        self.phases(sample)
            .into_iter()
            .map(|phase| {
                let value = phase.wrapping_add(step / 2) / step;
                let off = phase.wrapping_sub(value.wrapping_mul(step)).cast_signed().unsigned_abs();
                // Beyond a quarter step is 13σ and more.
                if off > step / 4 { Err(Error::Noise) } else { Ok(value % steps(step)) }
            })
            .collect()
    }
}

/// How many steps the torus has.
fn steps(step: u64) -> u64 {
    1 << (64 - step.ilog2())
}

impl Opened {
    pub(crate) fn nothing(plan: &Plan, output: Output) -> Self {
        match output {
            Output::Count => Self::Count(0),
            Output::Sum(_) | Output::SumOfSquares(_) => Self::Sum { count: 0, sum: 0 },
            Output::Categories(_) => Self::Categories(vec![0; plan.boxes(output)]),
            Output::Minimum(_) | Output::Maximum(_) => Self::Extremum(None),
        }
    }

    /// Takes the same output of other rows into account.
    fn add(&mut self, other: Self, output: Output) {
        match (self, other) {
            (Self::Count(own), Self::Count(more)) => *own += more,
            (Self::Sum { count, sum }, Self::Sum { count: more, sum: other }) => {
                *count += more;
                *sum += other;
            }
            (Self::Categories(own), Self::Categories(more)) => {
                own.iter_mut().zip(more).for_each(|(own, more)| *own += more);
            }
            (Self::Extremum(own), Self::Extremum(other)) => {
                let both = own.iter().chain(&other).copied();
                *own = if matches!(output, Output::Maximum(_)) { both.max() } else { both.min() };
            }
            _ => unreachable!("both are the same output"),
        }
    }
}
