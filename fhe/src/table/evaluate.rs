//! The executor's side, on the processor.

use std::{
    collections::{BTreeMap, HashMap},
    sync::OnceLock,
};

use rayon::prelude::*;
use tfhe::core_crypto::{
    algorithms::slice_algorithms::{slice_wrapping_add_assign, slice_wrapping_sub_scalar_mul_assign},
    commons::computation_buffers::ComputationBuffers,
    fft_impl::fft64::{crypto::bootstrap::batch_blind_rotate_assign_scratch, math::fft::Fft},
    prelude::*,
};

use super::{
    column::{EncryptedChunk, Form, digits, place},
    filter::{Digit, Gates, Threshold},
    key::EvaluationKey,
    params::{BOX, DELTA, GLWE_SIZE, N, POLY, SMALL, STEPS, native},
    query::{Output, Plan, Route},
    result::{EncryptedResult, Sample},
};
use crate::Error;

/// Rows whose ciphertexts go through the keys together: each part of a key is read once for all of them.
pub(crate) const BATCH: usize = 16;
/// Words of a ring element.
pub(crate) const ELEMENT: usize = 2 * N;
/// Half of the torus.
const HALF: u64 = 1 << 63;

/// An evaluation key ready for use, 240 MB. Make it once and share it.
pub struct Evaluator {
    pub(crate) switch: LweKeyswitchKeyOwned<u64>,
    pub(crate) coarse: FourierLweBootstrapKeyOwned,
    fine: FourierLweBootstrapKeyOwned,
    pub(crate) integers: OnceLock<tfhe::integer::ServerKey>,
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Evaluator(_)")
    }
}

/// The chunks of the same rows of several columns.
#[derive(Debug, Clone, Default)]
pub struct Rows<'a> {
    chunks: HashMap<(usize, Form), &'a EncryptedChunk>,
    groups: Option<(usize, &'a [Option<u32>])>,
    rows: usize,
}

impl<'a> Rows<'a> {
    /// `rows` rows, of which every one is in the one group.
    pub fn new(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Adds the chunk of a column.
    #[must_use]
    pub fn column(mut self, column: usize, chunk: &'a EncryptedChunk) -> Self {
        self.chunks.insert((column, chunk.form()), chunk);
        self
    }

    /// Which of `groups` groups each row is in, or that it is left out: what is known in the clear, such as public
    /// dimensions.
    #[must_use]
    pub fn grouped(mut self, groups: usize, of: &'a [Option<u32>]) -> Self {
        self.groups = Some((groups, of));
        self
    }

    fn check(&self, plan: &Plan) -> Result<usize, Error> {
        if self.rows == 0 || self.rows > super::ROWS_PER_CHUNK {
            return Err(Error::ChunkRows { got: self.rows });
        }
        for (column, form) in plan.sources() {
            let Some(chunk) = self.chunks.get(&(column, form)) else { return Err(Error::Source { column, form }) };
            if chunk.rows() != self.rows {
                return Err(Error::ChunkRows { got: chunk.rows() });
            }
            if chunk.bits() != plan.width(column) {
                return Err(Error::ColumnBits { form, bits: chunk.bits() });
            }
        }
        let Some((groups, of)) = self.groups else { return Ok(1) };
        let greatest = of.iter().flatten().max().map_or(0, |&group| group as usize + 1);
        if groups == 0 || greatest > groups {
            return Err(Error::Groups { expected: groups, got: greatest });
        }
        if of.len() == self.rows { Ok(groups) } else { Err(Error::ChunkRows { got: of.len() }) }
    }

    pub(crate) fn group(&self, row: usize) -> Option<usize> {
        match self.groups {
            Some((_, of)) => of[row].map(|group| group as usize),
            None => Some(0),
        }
    }

    /// Rows that are in a group.
    pub(crate) fn included(&self) -> Vec<usize> {
        (0..self.rows).filter(|&row| self.group(row).is_some()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }
}

/// Expanded ring elements of each chunk.
pub(crate) type Elements = HashMap<(usize, Form), Vec<u64>>;

impl Evaluator {
    /// Expands the key.
    pub fn new(key: &EvaluationKey) -> Self {
        Self {
            switch: key.expand_switch(),
            coarse: key.expand_bootstrap(false),
            fine: key.expand_bootstrap(true),
            integers: OnceLock::new(),
        }
    }

    /// Runs a plan over one chunk of rows, on all cores. The same input gives the same bytes on the same kind of
    /// processor.
    ///
    /// # Errors
    /// [`Error::Source`] if a column's chunk is missing; [`Error::ChunkRows`], [`Error::ColumnBits`] if one is of other
    /// rows or width; [`Error::Groups`].
    pub fn evaluate(&self, plan: &Plan, rows: &Rows<'_>) -> Result<EncryptedResult, Error> {
        let groups = rows.check(plan)?;
        let sources = plan.sources();
        let elements: Elements =
            sources.par_iter().map(|source| (*source, rows.chunks[source].expand().into_container())).collect();
        let fast = self.fast(plan, rows, groups, &elements);
        let mut general: Vec<_> = self.general(plan, rows, groups, &elements).into_iter().map(Vec::into_iter).collect();
        let mut samples = Vec::new();
        for group in 0..groups {
            for (index, output) in plan.outputs().iter().enumerate() {
                if output.extremum().is_some() {
                    samples.extend(general[index].next().expect("there is one for each group"));
                    continue;
                }
                for (i, bodies) in plan.samples(*output).into_iter().enumerate() {
                    let at = fast.start(plan, index, group) + i * ELEMENT;
                    samples.push(Sample::of_boxes(&fast.words[at..][..ELEMENT], bodies));
                }
            }
        }
        Ok(EncryptedResult { groups, samples })
    }

    /// Sums of everything that is no extremum.
    fn fast(&self, plan: &Plan, rows: &Rows<'_>, groups: usize, elements: &Elements) -> Sums {
        let included = rows.included();
        let routes: Vec<Route> = plan.outputs().iter().map(|output| plan.route(*output)).collect();
        let products = plan.gates.as_ref().map(|gates| Products::new(plan, gates, rows.len(), elements, None));
        let counted = plan
            .gates
            .as_ref()
            .filter(|_| plan.outputs().iter().zip(&routes).any(|(o, r)| *o == Output::Count && *r == Route::Linear));
        let counted = counted.map(|gates| Products::new(plan, gates, rows.len(), elements, Some(1)));
        let of = |route: Route| plan.outputs().iter().zip(&routes).any(|(_, other)| *other == route);
        let (masked, decided) = (of(Route::Masked), of(Route::Decided));
        included
            .par_chunks(BATCH)
            .fold(
                || Sums::zero(plan, groups),
                |mut sums, batch| {
                    let products = products.as_ref().filter(|_| masked || decided);
                    let last = products.map(|products| (&products.gates.last, self.sums(products, batch)));
                    let counts = last.as_ref().filter(|_| decided);
                    let counts = counts.map(|(gate, last)| self.decide(&self.fine, gate, last.clone(), DELTA));
                    let bits = last.filter(|_| masked).map(|(gate, last)| {
                        let bits = if gate.is_bit() { last } else { self.decide(&self.coarse, gate, last, HALF) };
                        self.switch(&bits)
                    });
                    for (index, (&output, &route)) in plan.outputs().iter().zip(&routes).enumerate() {
                        match (route, &bits, &counts) {
                            (Route::Linear, ..) => {
                                linear(&mut sums, plan, index, output, rows, batch, elements, counted.as_ref());
                            }
                            (Route::Decided, _, Some(counts)) => {
                                for (&row, count) in batch.iter().zip(counts) {
                                    sums.count(plan, index, rows, row, count);
                                }
                            }
                            (Route::Masked, Some(bits), _) => {
                                self.masked(&mut sums, plan, index, output, rows, batch, elements, bits);
                            }
                            _ => {}
                        }
                    }
                    sums
                },
            )
            .reduce(|| Sums::zero(plan, groups), Sums::plus)
    }

    /// Adds the values of the rows whose bit is set.
    #[expect(clippy::too_many_arguments, reason = "one step of one loop")]
    fn masked(
        &self,
        sums: &mut Sums,
        plan: &Plan,
        index: usize,
        output: Output,
        rows: &Rows<'_>,
        batch: &[usize],
        elements: &Elements,
        bits: &[Vec<u64>],
    ) {
        let each = plan.accumulators(output);
        for part in 0..each {
            let mut turned = Vec::with_capacity(batch.len() * ELEMENT);
            for &row in batch {
                turned.extend_from_slice(&accumulator(output, row, each, part, elements));
            }
            let before = turned.clone();
            turn(&self.fine, &mut turned, bits);
            let pairs = before.chunks_exact(ELEMENT).zip(turned.chunks_exact(ELEMENT));
            for (&row, (before, after)) in batch.iter().zip(pairs) {
                let group = rows.group(row).expect("only rows of a group are computed");
                let at = sums.start(plan, index, group) + part * ELEMENT;
                // Turned by 0 they cancel, turned by half a turn they double.
                for (sum, (before, after)) in sums.words[at..].iter_mut().zip(before.iter().zip(after)) {
                    *sum = sum.wrapping_add(before.wrapping_sub(*after));
                }
            }
        }
    }

    /// The last sums of some rows, under the big key: of a bit 0 or ½, of a threshold on either side of 0.
    fn sums(&self, products: &Products<'_>, batch: &[usize]) -> Vec<Vec<u64>> {
        let gates = products.gates;
        let mut made: Vec<Vec<Vec<u64>>> = Vec::new();
        for (index, gate) in gates.gates.iter().enumerate() {
            let (weight, by) = products.uses[index];
            let scale = multiplier(by) * weight as u64 * DELTA;
            let sums: Vec<_> = batch.iter().map(|&row| products.sum(index, gate, row, &made, batch)).collect();
            made.push(self.decide(&self.coarse, gate, sums, scale));
        }
        let last = gates.gates.len();
        batch.iter().map(|&row| products.sum(last, &gates.last, row, &made, batch)).collect()
    }

    /// The bits of some rows, as 0 or `one`, under the big key.
    pub(crate) fn bits(&self, products: &Products<'_>, batch: &[usize], one: u64) -> Vec<Vec<u64>> {
        self.decide(&self.coarse, &products.gates.last, self.sums(products, batch), one)
    }

    /// One bootstrap for each sum of a threshold: 0 where it is not reached, `one` where it is.
    fn decide(
        &self,
        key: &FourierLweBootstrapKeyOwned,
        threshold: &Threshold,
        mut sums: Vec<Vec<u64>>,
        one: u64,
    ) -> Vec<Vec<u64>> {
        if threshold.is_bit() {
            // 0 and ½, moved to the middles of the two halves.
            sums.iter_mut().for_each(|sum| sum[N] = sum[N].wrapping_sub(HALF / 2));
        }
        let small = self.switch(&sums);
        let mut element = vec![0; ELEMENT];
        element[N..].fill(one / 2);
        let mut turned = element.repeat(sums.len());
        turn(key, &mut turned, &small);
        let bit = |element: &[u64]| {
            let mut lwe = extract(element, 0);
            lwe[N] = lwe[N].wrapping_add(one / 2);
            lwe
        };
        turned.chunks_exact(ELEMENT).map(bit).collect()
    }

    /// Switches ciphertexts to the small key. As [`keyswitch_lwe_ciphertext`], with each part of the key read once.
    pub(crate) fn switch(&self, big: &[Vec<u64>]) -> Vec<Vec<u64>> {
        let key = &self.switch;
        let decomposer = SignedDecomposer::new(key.decomposition_base_log(), key.decomposition_level_count());
        let mut small = vec![vec![0u64; SMALL + 1]; big.len()];
        for (small, big) in small.iter_mut().zip(big) {
            small[SMALL] = big[N];
        }
        for (i, block) in key.iter().enumerate() {
            for (small, big) in small.iter_mut().zip(big) {
                for (part, digit) in block.iter().zip(decomposer.decompose(big[i])) {
                    slice_wrapping_sub_scalar_mul_assign(small, part.as_ref(), digit.value());
                }
            }
        }
        small
    }
}

/// Turns each accumulator by the phase of its bit.
fn turn(key: &FourierLweBootstrapKeyOwned, accumulators: &mut [u64], bits: &[Vec<u64>]) {
    thread_local! {
        static BUFFERS: std::cell::RefCell<ComputationBuffers> = std::cell::RefCell::new(ComputationBuffers::new());
    }
    let modulus = POLY.to_blind_rotation_input_modulus_log();
    let switched: Vec<_> = bits
        .iter()
        .map(|bit| {
            let bit = LweCiphertext::from_container(bit.as_slice(), native());
            lwe_ciphertext_centered_binary_modulus_switch::<u64, usize, _>(bit, modulus)
        })
        .collect();
    let fft = Fft::new(POLY);
    let need = batch_blind_rotate_assign_scratch::<u64>(GLWE_SIZE, POLY, CiphertextCount(bits.len()), fft.as_view());
    let mut list = GlweCiphertextList::from_container(accumulators, GLWE_SIZE, POLY, native());
    BUFFERS.with_borrow_mut(|buffers| {
        buffers.resize(need.unaligned_bytes_required());
        key.as_view().batch_blind_rotate_assign(list.as_mut_view(), &switched, fft.as_view(), buffers.stack());
    });
}

/// The accumulator of a row's value; where every row counts, a public 1.
fn accumulator(output: Output, row: usize, each: usize, part: usize, elements: &Elements) -> Vec<u64> {
    match output.source() {
        Some(source) => elements[&source][(row * each + part) * ELEMENT..][..ELEMENT].to_vec(),
        None => {
            let mut one = vec![0; ELEMENT];
            one[N..N + BOX].fill(DELTA / 2);
            one
        }
    }
}

/// Adds the values of rows without a bootstrap.
#[expect(clippy::too_many_arguments, reason = "one step of one loop")]
fn linear(
    sums: &mut Sums,
    plan: &Plan,
    index: usize,
    output: Output,
    rows: &Rows<'_>,
    batch: &[usize],
    elements: &Elements,
    counted: Option<&Products<'_>>,
) {
    let each = plan.accumulators(output);
    for &row in batch {
        let group = rows.group(row).expect("only rows of a group are computed");
        let at = sums.start(plan, index, group);
        if let (Output::Count, Some(products)) = (output, counted) {
            let bit = products.sum(0, &products.gates.last, row, &[], batch);
            sums.count(plan, index, rows, row, &bit);
            continue;
        }
        for part in 0..each {
            let value = accumulator(output, row, each, part, elements);
            let sum = &mut sums.words[at + part * ELEMENT..];
            sum.iter_mut().zip(value).for_each(|(sum, word)| *sum = sum.wrapping_add(word.wrapping_mul(2)));
        }
    }
}

/// The ring element whose coefficient in the middle of the first box is this ciphertext.
fn to_element(lwe: &[u64]) -> Vec<u64> {
    let middle = super::result::MIDDLE;
    let mut element = vec![0u64; ELEMENT];
    for (i, &word) in lwe[..N].iter().enumerate() {
        // (A·S)_p has S_i·A_{p−i}.
        if i <= middle {
            element[middle - i] = word;
        } else {
            element[N + middle - i] = word.wrapping_neg();
        }
    }
    element[N + middle] = lwe[N];
    element
}

pub(crate) fn extract(element: &[u64], coefficient: usize) -> Vec<u64> {
    let element = GlweCiphertext::from_container(element, POLY, native());
    let mut lwe = LweCiphertext::new(0, LweSize(N + 1), native());
    extract_lwe_sample_from_glwe_ciphertext(&element, &mut lwe, MonomialDegree(coefficient));
    lwe.into_container()
}

/// How a threshold's sum is stretched, so that it fills the torus.
fn multiplier(threshold: &Threshold) -> u64 {
    if threshold.is_bit() { STEPS / 2 } else { STEPS / 2 / (threshold.up.max(threshold.down) + 1) as u64 }
}

/// Sums of each group and output.
struct Sums {
    words: Vec<u64>,
}

impl Sums {
    fn zero(plan: &Plan, groups: usize) -> Self {
        let each: usize = plan.outputs().iter().map(|output| plan.accumulators(*output)).sum();
        Self { words: vec![0; groups * each * ELEMENT] }
    }

    fn start(&self, plan: &Plan, index: usize, group: usize) -> usize {
        let before = plan.outputs()[..index].iter().map(|output| plan.accumulators(*output)).sum::<usize>();
        let each: usize = plan.outputs().iter().map(|output| plan.accumulators(*output)).sum();
        (group * each + before) * ELEMENT
    }

    /// Adds a row's bit.
    fn count(&mut self, plan: &Plan, index: usize, rows: &Rows<'_>, row: usize, bit: &[u64]) {
        let at = self.start(plan, index, rows.group(row).expect("only rows of a group are computed"));
        slice_wrapping_add_assign(&mut self.words[at..][..ELEMENT], &to_element(bit));
    }

    fn plus(mut self, other: Self) -> Self {
        slice_wrapping_add_assign(&mut self.words, &other.words);
        self
    }
}

/// The digits of a chunk times the polynomials of each gate.
pub(crate) struct Products<'a> {
    gates: &'a Gates,
    /// For each gate, the weight that it has in the one that uses it.
    uses: Vec<(i64, &'a Threshold)>,
    /// For each gate and the last sum.
    each: Vec<BTreeMap<Digit, Vec<u64>>>,
    /// By how much each gate's sum is stretched.
    stretch: Vec<u64>,
    widths: HashMap<usize, u8>,
    rows: usize,
}

impl<'a> Products<'a> {
    /// With `stretch`, bits are left at that scale instead of half the torus.
    pub(crate) fn new(plan: &Plan, gates: &'a Gates, rows: usize, elements: &Elements, stretch: Option<u64>) -> Self {
        let all: Vec<&Threshold> = gates.gates.iter().chain([&gates.last]).collect();
        let stretch: Vec<u64> = all.iter().map(|gate| stretch.unwrap_or_else(|| multiplier(gate))).collect();
        let each = all.par_iter().zip(&stretch).map(|(gate, &by)| {
            let product = |(digit, weights): (&Digit, &Vec<i64>)| {
                let (first, count) = range(plan.width(digit.0), rows, digit.1);
                let words = &elements[&(digit.0, Form::Digits)][first * ELEMENT..][..count * ELEMENT];
                let times =
                    |element: &[u64]| [&element[..N], &element[N..]].map(|half| times(half, weights, by)).concat();
                (*digit, words.par_chunks_exact(ELEMENT).flat_map_iter(times).collect())
            };
            gate.digits.iter().map(product).collect()
        });
        let used = |index: usize| {
            let uses = all.iter().flat_map(|gate| gate.gates.iter().map(move |(of, weight)| (*of, (*weight, *gate))));
            uses.into_iter().find(|(of, _)| *of == index).expect("every gate is used").1
        };
        Self {
            gates,
            uses: (0..gates.gates.len()).map(used).collect(),
            each: each.collect(),
            stretch,
            widths: gates.columns().into_iter().map(|column| (column, plan.width(column))).collect(),
            rows,
        }
    }

    /// The sum of a row, with the threshold where the sign changes; of a bit, the bit.
    fn sum(&self, index: usize, gate: &Threshold, row: usize, made: &[Vec<Vec<u64>>], batch: &[usize]) -> Vec<u64> {
        let mut sum = vec![0u64; N + 1];
        for (digit, words) in &self.each[index] {
            let bits = self.widths[&digit.0];
            let place = place(bits, self.rows, digit.1, row);
            let element = place.element - range(bits, self.rows, digit.1).0;
            slice_wrapping_add_assign(&mut sum, &extract(&words[element * ELEMENT..][..ELEMENT], place.offset));
        }
        let at = batch.iter().position(|&other| other == row).expect("a row of the batch");
        for (of, _) in &gate.gates {
            slice_wrapping_add_assign(&mut sum, &made[*of][at]);
        }
        let by = self.stretch[index];
        let constant = (gate.constant as u64).wrapping_mul(by).wrapping_mul(DELTA);
        let threshold = (gate.threshold as u64).wrapping_mul(by).wrapping_mul(DELTA);
        let body =
            if gate.is_bit() { constant } else { constant.wrapping_sub(threshold).wrapping_add(by * (DELTA / 2)) };
        sum[N] = sum[N].wrapping_add(body);
        sum
    }
}

/// First ring element of a digit in a chunk, and how many there are.
pub(crate) fn range(bits: u8, rows: usize, digit: usize) -> (usize, usize) {
    (place(bits, rows, digit, 0).element, rows.div_ceil(N >> digits(bits)[digit]))
}

/// `by · Σ_u weights[u] · X^-u` times a polynomial: one difference of prefix sums for each run of equal weights.
pub(crate) fn times(polynomial: &[u64], weights: &[i64], by: u64) -> Vec<u64> {
    let mut prefix = Vec::with_capacity(2 * N + 1);
    let mut sum = 0u64;
    prefix.push(0);
    for word in polynomial.iter().copied().chain(polynomial.iter().map(|word| word.wrapping_neg())) {
        sum = sum.wrapping_add(word);
        prefix.push(sum);
    }
    let mut product = vec![0u64; N];
    let mut start = 0;
    for run in weights.chunk_by(|a, b| a == b) {
        let weight = (run[0] as u64).wrapping_mul(by);
        if weight != 0 {
            for (i, word) in product.iter_mut().enumerate() {
                let run = prefix[i + start + run.len()].wrapping_sub(prefix[i + start]);
                *word = word.wrapping_add(run.wrapping_mul(weight));
            }
        }
        start += run.len();
    }
    product
}
