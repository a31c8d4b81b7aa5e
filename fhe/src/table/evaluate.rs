//! The executor's side.

use std::collections::HashMap;
#[cfg(feature = "gpu")]
use std::sync::OnceLock;

use rayon::prelude::*;
use tfhe::core_crypto::{algorithms::slice_algorithms::slice_wrapping_add_assign, prelude::*};

use super::{
    bootstrap::{Bootstrap, Cpu, Digits},
    column::{EncryptedChunk, Form, digits, place, range},
    filter::{Gates, Threshold},
    key::EvaluationKey,
    params::{BOX, DELTA, N, POLY, STEPS, native},
    query::{Output, Plan, Route},
    result::{EncryptedResult, MIDDLE, Sample, to_element},
};
#[cfg(feature = "gpu")]
use super::{gpu, lanes::Lanes};
use crate::{Device, Error};

/// Words of a ring element.
pub(crate) const ELEMENT: usize = 2 * N;
/// Half of the torus.
const HALF: u64 = 1 << 63;

/// An evaluation key ready for use, 240 MB on each device. Make it once and share it.
pub struct Evaluator {
    engine: Engine,
}

enum Engine {
    Cpu(Box<Cpu>),
    #[cfg(feature = "gpu")]
    Gpus(Box<Gpus>),
}

#[cfg(feature = "gpu")]
struct Gpus {
    devices: Vec<Device>,
    lanes: Lanes<gpu::Cuda>,
    key: EvaluationKey,
    /// Made when a plan first needs it.
    cpu: OnceLock<Cpu>,
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

    pub(crate) fn check(&self, plan: &Plan) -> Result<usize, Error> {
        for (column, form) in plan.sources() {
            let Some(chunk) = self.chunks.get(&(column, form)) else { return Err(Error::Source { column, form }) };
            if chunk.rows() != self.rows {
                return Err(Error::ChunkRows { got: chunk.rows() });
            }
            if chunk.bits() != plan.width(column) {
                return Err(Error::ColumnBits { form, bits: chunk.bits() });
            }
        }
        self.check_groups(plan)
    }

    /// How many groups there are.
    pub(crate) fn check_groups(&self, plan: &Plan) -> Result<usize, Error> {
        if self.rows == 0 || self.rows > plan.rows_per_chunk() {
            return Err(Error::ChunkRows { got: self.rows });
        }
        let Some((groups, of)) = self.groups else { return Ok(1) };
        let greatest = of.iter().flatten().max().map_or(0, |&group| group as usize + 1);
        if groups == 0 || greatest > groups {
            return Err(Error::Groups { expected: groups, got: greatest });
        }
        if of.len() == self.rows { Ok(groups) } else { Err(Error::ChunkRows { got: of.len() }) }
    }

    /// Of a row that is in one.
    fn group_of(&self, row: usize) -> usize {
        self.group(row).expect("only rows of a group are computed")
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

    /// How many groups there are, once checked.
    pub(crate) fn groups(&self) -> usize {
        self.groups.map_or(1, |(groups, _)| groups)
    }

    /// A chunk that a checked plan takes.
    pub(crate) fn chunk(&self, column: usize, form: Form) -> &'a EncryptedChunk {
        self.chunks[&(column, form)]
    }
}

/// Expanded ring elements of each chunk.
pub(crate) type Elements = HashMap<(usize, Form), Vec<u64>>;

impl Evaluator {
    /// Expands the key, on the processor.
    pub fn new(key: &EvaluationKey) -> Self {
        Self { engine: Engine::Cpu(Box::new(Cpu::new(key))) }
    }

    /// Makes the key ready on these devices: the processor alone, or one or several GPUs, over which the rows of each chunk are
    /// spread. Bootstraps on GPUs need the feature `gpu`; see [`Evaluator::devices`] for what the processor still does.
    ///
    /// # Errors
    /// [`Error::Device`] if one cannot be used, is named twice, or if the processor is named beside GPUs; nothing falls back to
    /// another device. [`Error::NoDevice`] if none is named.
    pub fn on(key: &EvaluationKey, devices: &[Device]) -> Result<Self, Error> {
        Self::check(devices)?;
        match devices {
            [Device::Cpu] => Ok(Self::new(key)),
            _ => Self::on_gpus(key, devices),
        }
    }

    /// Whether [`Evaluator::on`] takes these devices, but for their memory.
    ///
    /// # Errors
    /// As there.
    pub fn check(devices: &[Device]) -> Result<(), Error> {
        let refused = |device, why: &str| Err(Error::Device { device, why: why.into() });
        if devices.is_empty() {
            return Err(Error::NoDevice { got: String::new() });
        }
        for (at, &device) in devices.iter().enumerate() {
            if devices[..at].contains(&device) {
                return refused(device, "it is named twice");
            }
            if device == Device::Cpu && devices.len() > 1 {
                return refused(device, "it computes alone, not beside GPUs");
            }
        }
        for &device in devices {
            match device {
                Device::Cpu => {}
                #[cfg(feature = "gpu")]
                Device::Cuda(index) => gpu::check(index)?,
                #[cfg(not(feature = "gpu"))]
                Device::Cuda(_) => return refused(device, "this build does not bootstrap on GPUs (feature `gpu`)"),
            }
        }
        Ok(())
    }

    #[cfg(feature = "gpu")]
    fn on_gpus(key: &EvaluationKey, devices: &[Device]) -> Result<Self, Error> {
        let indices = devices.iter().filter_map(|device| match device {
            Device::Cuda(index) => Some(*index),
            Device::Cpu => None,
        });
        let lanes = gpu::open(key, &indices.collect::<Vec<_>>())?;
        let (devices, key) = (devices.to_vec(), key.clone());
        Ok(Self { engine: Engine::Gpus(Box::new(Gpus { devices, lanes, key, cpu: OnceLock::new() })) })
    }

    #[cfg(not(feature = "gpu"))]
    fn on_gpus(_: &EvaluationKey, _: &[Device]) -> Result<Self, Error> {
        unreachable!("the devices were checked")
    }

    /// The GPUs that bootstraps can run on here; none without the feature `gpu`.
    pub fn gpus() -> Vec<Device> {
        #[cfg(feature = "gpu")]
        let gpus = (0..gpu::count()).filter(|&index| gpu::check(index).is_ok()).map(Device::Cuda).collect();
        #[cfg(not(feature = "gpu"))]
        let gpus = Vec::new();
        gpus
    }

    /// What bootstraps when this plan is run. Minimum and maximum always run on the processor, beside the GPUs if there are other
    /// outputs; so does a plan without bootstraps.
    pub fn devices(&self, plan: &Plan) -> Vec<Device> {
        match &self.engine {
            Engine::Cpu(_) => plan.devices(&[]),
            #[cfg(feature = "gpu")]
            Engine::Gpus(gpus) => plan.devices(&gpus.devices),
        }
    }

    /// The key on the processor.
    pub(crate) fn cpu(&self) -> &Cpu {
        match &self.engine {
            Engine::Cpu(cpu) => cpu,
            #[cfg(feature = "gpu")]
            Engine::Gpus(gpus) => gpus.cpu.get_or_init(|| Cpu::new(&gpus.key)),
        }
    }

    /// Runs a plan over one chunk of rows, on all cores, or on all GPUs that the evaluator was made for: these have work for
    /// several threads that each run a chunk. The same input gives the same bytes on the same kind of device.
    ///
    /// # Errors
    /// [`Error::Source`] if a column's chunk is missing; [`Error::ChunkRows`], [`Error::ColumnBits`] if one is of other
    /// rows or width; [`Error::Groups`].
    pub fn evaluate(&self, plan: &Plan, rows: &Rows<'_>) -> Result<EncryptedResult, Error> {
        if plan.is_packed() {
            return super::evaluate_packed(plan, rows);
        }
        match &self.engine {
            Engine::Cpu(cpu) => evaluate(&**cpu, || self.cpu(), plan, rows),
            #[cfg(feature = "gpu")]
            Engine::Gpus(gpus) => evaluate(&gpus.lanes, || self.cpu(), plan, rows),
        }
    }
}

/// Runs a plan over one chunk of rows.
pub(crate) fn evaluate<'a, B: Bootstrap>(
    on: &B,
    cpu: impl FnOnce() -> &'a Cpu,
    plan: &Plan,
    rows: &Rows<'_>,
) -> Result<EncryptedResult, Error> {
    let groups = rows.check(plan)?;
    let sources = plan.sources();
    let elements: Elements =
        sources.par_iter().map(|source| (*source, rows.chunks[source].expand().into_container())).collect();
    let mut fast = fast(on, plan, rows, groups, &elements);
    let general = if plan.extrema.is_empty() { Vec::new() } else { cpu().general(plan, rows, groups, &elements) };
    let mut general: Vec<_> = general.into_iter().map(Vec::into_iter).collect();
    let mut samples = Vec::new();
    for group in 0..groups {
        for (index, output) in plan.outputs().iter().enumerate() {
            if output.extremum().is_some() {
                samples.extend(general[index].next().expect("there is one for each group"));
                continue;
            }
            let words = fast.of(group, index).chunks_exact(ELEMENT);
            samples.extend(words.zip(plan.samples(*output)).map(|(words, boxes)| Sample::of_boxes(words, boxes)));
        }
    }
    Ok(EncryptedResult { groups, samples, packed: Vec::new() })
}

/// Sums of everything that is no extremum.
fn fast<B: Bootstrap>(on: &B, plan: &Plan, rows: &Rows<'_>, groups: usize, elements: &Elements) -> Sums {
    let routes: Vec<Route> = plan.outputs().iter().map(|output| plan.route(*output)).collect();
    let (masked, decided) = (routes.contains(&Route::Masked), routes.contains(&Route::Decided));
    let gates = plan.gates.as_ref();
    let products = gates.filter(|_| masked || decided);
    let products = products.map(|gates| Products::new(plan, gates, rows.len(), elements, None));
    // Bits that are counted as they are, in the scale of results.
    let counted = plan.outputs().iter().zip(&routes).any(|pair| pair == (&Output::Count, &Route::Linear));
    let counted = gates.filter(|_| counted);
    let counted = counted.map(|gates| Products::new(plan, gates, rows.len(), elements, Some(1)));
    let included = rows.included();
    included
        .par_chunks(on.batch(included.len()).max(1))
        .fold(
            || Sums::zero(plan, groups),
            |mut sums, batch| {
                let last = products.as_ref().map(|products| (&products.gates.last, last_sums(on, products, batch)));
                let counts = match (&counted, &last) {
                    (Some(products), _) => products.last(batch, &[]),
                    (None, Some((gate, last))) if decided => decide(on, Digits::Fine, gate, last.clone(), DELTA),
                    _ => Vec::new(),
                };
                let mut bits = last.filter(|_| masked).map(|(gate, last)| {
                    let bits = if gate.is_bit() { last } else { decide(on, Digits::Coarse, gate, last, HALF) };
                    on.bits(&bits)
                });
                for (index, &output) in plan.outputs().iter().enumerate() {
                    let Some(source) = output.source() else {
                        for (at, &row) in batch.iter().enumerate() {
                            sums.count(rows.group_of(row), index, counts.get(at));
                        }
                        continue;
                    };
                    if output.extremum().is_some() {
                        continue;
                    }
                    let each = plan.accumulators(output) * ELEMENT;
                    for (part, start) in (0..each).step_by(ELEMENT).enumerate() {
                        let values = batch.iter().map(|row| &elements[&source][row * each + start..][..ELEMENT]);
                        let added = added(on, values.collect(), bits.as_mut());
                        for (&row, value) in batch.iter().zip(added.chunks_exact(ELEMENT)) {
                            let sum = &mut sums.of(rows.group_of(row), index)[part * ELEMENT..][..ELEMENT];
                            slice_wrapping_add_assign(sum, value);
                        }
                    }
                }
                sums
            },
        )
        .reduce(|| Sums::zero(plan, groups), Sums::plus)
}

/// Twice the values; with bits, of the rows whose bit is set, and zero of the others.
fn added<B: Bootstrap>(on: &B, values: Vec<&[u64]>, bits: Option<&mut B::Bits<'_>>) -> Vec<u64> {
    let values = values.concat();
    let Some(bits) = bits else { return values.iter().map(|word| word.wrapping_mul(2)).collect() };
    let turned = on.turn(bits, &values);
    // Turned by 0 they cancel, turned by half a turn they double.
    values.iter().zip(turned).map(|(before, after)| before.wrapping_sub(after)).collect()
}

/// The last sums of some rows, under the big key: of a bit 0 or ½, of a threshold on either side of 0.
fn last_sums<B: Bootstrap>(on: &B, products: &Products<'_>, batch: &[usize]) -> Vec<Vec<u64>> {
    let gates = products.gates;
    let mut made: Vec<Vec<Vec<u64>>> = Vec::new();
    for (index, gate) in gates.gates.iter().enumerate() {
        let sums = products.sums(index, gate, batch, &made);
        made.push(decide(on, Digits::Coarse, gate, sums, products.scales[index]));
    }
    products.last(batch, &made)
}

/// The bits of some rows, as 0 or `one`, under the big key.
pub(crate) fn bits<B: Bootstrap>(on: &B, products: &Products<'_>, batch: &[usize], one: u64) -> Vec<Vec<u64>> {
    decide(on, Digits::Coarse, &products.gates.last, last_sums(on, products, batch), one)
}

/// One bootstrap for each sum of a threshold: 0 where it is not reached, `one` where it is; or so many times `one` as its
/// table says.
pub(crate) fn decide<B: Bootstrap>(
    on: &B,
    digits: Digits,
    threshold: &Threshold,
    mut sums: Vec<Vec<u64>>,
    one: u64,
) -> Vec<Vec<u64>> {
    if threshold.is_bit() {
        // 0 and ½, moved to the middles of the two halves.
        sums.iter_mut().for_each(|sum| sum[N] = sum[N].wrapping_sub(HALF / 2));
    }
    if let Some(table) = &threshold.table {
        let polynomial: Vec<u64> = table.iter().flat_map(|value| [value.wrapping_mul(one); BOX]).collect();
        return on.look_up(digits, &sums, &polynomial);
    }
    // What is below a threshold turns beyond the end, where the sign changes: −½ and ½, moved up by ½.
    let mut bits = on.look_up(digits, &sums, &[one / 2; N]);
    bits.iter_mut().for_each(|bit| bit[N] = bit[N].wrapping_add(one / 2));
    bits
}

/// The ciphertext, under the flattened key, of a coefficient.
pub(crate) fn extract(element: &[u64], coefficient: usize) -> Vec<u64> {
    let element = GlweCiphertext::from_container(element, POLY, native());
    let mut lwe = LweCiphertext::new(0, LweSize(N + 1), native());
    extract_lwe_sample_from_glwe_ciphertext(&element, &mut lwe, MonomialDegree(coefficient));
    lwe.into_container()
}

/// How a threshold's sum is stretched, so that it fills the torus.
pub(crate) fn multiplier(threshold: &Threshold) -> u64 {
    if threshold.is_bit() { STEPS / 2 } else { STEPS / 2 / (threshold.up.max(threshold.down) + 1) as u64 }
}

/// A row's digit of this width, in the ring elements of a chunk that hold it or its products.
pub(crate) fn digit_of(elements: &[u64], width: u8, row: usize) -> Vec<u64> {
    let (element, offset) = place(width, row);
    extract(&elements[element * ELEMENT..][..ELEMENT], offset)
}

/// Sums of each group and output.
struct Sums {
    words: Vec<u64>,
    /// Where in a group each output's are, and where they end.
    starts: Vec<usize>,
}

impl Sums {
    fn zero(plan: &Plan, groups: usize) -> Self {
        let mut starts = vec![0];
        for output in plan.outputs() {
            starts.push(starts[starts.len() - 1] + plan.accumulators(*output) * ELEMENT);
        }
        Self { words: vec![0; groups * starts[starts.len() - 1]], starts }
    }

    fn of(&mut self, group: usize, index: usize) -> &mut [u64] {
        let start = group * self.starts[self.starts.len() - 1];
        &mut self.words[start + self.starts[index]..start + self.starts[index + 1]]
    }

    /// Adds a row's bit; where every row counts, a public 1.
    fn count(&mut self, group: usize, index: usize, bit: Option<&Vec<u64>>) {
        let sum = self.of(group, index);
        match bit {
            Some(bit) => slice_wrapping_add_assign(sum, &to_element(bit)),
            None => sum[N + MIDDLE] = sum[N + MIDDLE].wrapping_add(DELTA),
        }
    }

    fn plus(mut self, other: Self) -> Self {
        slice_wrapping_add_assign(&mut self.words, &other.words);
        self
    }
}

/// The digits of a chunk, and the polynomials of each gate that they are multiplied by.
pub(crate) struct Products<'a> {
    gates: &'a Gates,
    plan: &'a Plan,
    rows: usize,
    elements: &'a Elements,
    /// For each gate, what its outputs are multiples of: of every gate that uses it, the same.
    scales: Vec<u64>,
    /// By how much each gate's sum is stretched, the last one's behind them.
    stretch: Vec<u64>,
}

impl<'a> Products<'a> {
    /// With `stretch`, bits are left at that scale instead of half the torus.
    pub(crate) fn new(
        plan: &'a Plan,
        gates: &'a Gates,
        rows: usize,
        elements: &'a Elements,
        stretch: Option<u64>,
    ) -> Self {
        let all = || gates.gates.iter().chain([&gates.last]);
        let mut scales = vec![0; gates.gates.len()];
        for user in all() {
            for (of, weight) in &user.gates {
                scales[*of] = multiplier(user).wrapping_mul(*weight as u64).wrapping_mul(DELTA);
            }
        }
        let stretch = all().map(|gate| stretch.unwrap_or_else(|| multiplier(gate))).collect();
        Self { gates, plan, rows, elements, scales, stretch }
    }

    /// The last sums of some rows.
    fn last(&self, batch: &[usize], made: &[Vec<Vec<u64>>]) -> Vec<Vec<u64>> {
        self.sums(self.gates.gates.len(), &self.gates.last, batch, made)
    }

    /// The sums of some rows in ascending order, with the threshold where the sign changes; of a bit, the bits.
    fn sums(&self, index: usize, gate: &Threshold, batch: &[usize], made: &[Vec<Vec<u64>>]) -> Vec<Vec<u64>> {
        let by = self.stretch[index];
        let scaled = |value: i64| (value as u64).wrapping_mul(by).wrapping_mul(DELTA);
        let mut body = scaled(gate.constant);
        if !gate.is_bit() {
            body = body.wrapping_sub(scaled(gate.threshold)).wrapping_add(by * (DELTA / 2));
        }
        let mut sums = vec![vec![0u64; N + 1]; batch.len()];
        sums.iter_mut().for_each(|sum| sum[N] = body);
        let (Some(&first), Some(&last)) = (batch.first(), batch.last()) else { return sums };
        for (&(column, digit), weights) in &gate.digits {
            let bits = self.plan.width(column);
            let (width, start) = (digits(bits)[digit], range(bits, self.rows, digit).start);
            // The ring elements of these rows.
            let (low, high) = (place(width, first).0, place(width, last).0);
            let words = &self.elements[&(column, Form::Digits)][(start + low) * ELEMENT..(start + high + 1) * ELEMENT];
            let products = times(words, weights, by);
            for (sum, &row) in sums.iter_mut().zip(batch) {
                slice_wrapping_add_assign(sum, &digit_of(&products, width, row - low * (N >> width)));
            }
        }
        for (of, _) in &gate.gates {
            sums.iter_mut().zip(&made[*of]).for_each(|(sum, made)| slice_wrapping_add_assign(sum, made));
        }
        sums
    }
}

/// `by · Σ_u weights[u] · X^-u` times each ring element: one difference of prefix sums for each run of equal weights.
pub(crate) fn times(elements: &[u64], weights: &[i64], by: u64) -> Vec<u64> {
    elements.par_chunks_exact(N).flat_map_iter(|polynomial| times_polynomial(polynomial, weights, by)).collect()
}

fn times_polynomial(polynomial: &[u64], weights: &[i64], by: u64) -> Vec<u64> {
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
