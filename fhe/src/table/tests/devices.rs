//! Devices apart from the processor: an emulated one, and GPUs where there are some.

use super::*;
use crate::table::lanes::{Lane, Lanes};

/// Computes as a GPU does, step by step, on the processor.
struct Emulated {
    cpu: &'static Cpu,
    small: Vec<Vec<u64>>,
}

impl Emulated {
    fn lanes(devices: usize, each: usize) -> Lanes<Self> {
        let lane = || Self { cpu: keys().evaluator.cpu(), small: Vec::new() };
        Lanes::new((0..devices).map(|_| (0..each).map(|_| lane()).collect()).collect())
    }

    fn turned(&self, digits: Digits, elements: &[u64]) -> Vec<u64> {
        assert_eq!(elements.len(), self.small.len() * ELEMENT);
        let mut turned = elements.to_vec();
        turn(self.cpu.key(digits), &mut turned, &self.small);
        turned
    }
}

impl Lane for Emulated {
    fn switch(&mut self, big: &[u64]) {
        self.small = self.cpu.switch(&big.chunks_exact(N + 1).map(<[u64]>::to_vec).collect::<Vec<_>>());
    }

    fn constants(&mut self, digits: Digits, element: &[u64]) -> Vec<u64> {
        let turned = self.turned(digits, &element.repeat(self.small.len()));
        turned.chunks_exact(ELEMENT).flat_map(|element| extract(element, 0)).collect()
    }

    fn boxes(&mut self, elements: &[u64]) -> (Vec<u64>, Vec<u64>) {
        let turned = self.turned(Digits::Fine, elements);
        let extracted = |coefficient: usize| {
            turned.chunks_exact(ELEMENT).flat_map(|element| extract(element, coefficient)).collect::<Vec<u64>>()
        };
        let bodies = (0..BOXES).flat_map(|i| extracted(i * BOX).into_iter().skip(N).step_by(N + 1));
        (extracted(0), bodies.collect())
    }
}

/// Every kind of output, of random filters as well.
fn answers_are_those_of_the_clear(run: Run<'_>, rows: usize, programs: u32) {
    let all = [Output::Count, Output::Sum(4), Output::SumOfSquares(2), Output::Categories(3), Output::Sum(0)];
    let some = table(rows);
    let filter = Filter::And(vec![Filter::AtLeast(0, 20_000), Filter::In(1, (0..200).collect())]);
    some.check_on(run, &filter, &all);
    // A bit that is one predicate.
    some.check_on(run, &Filter::between(1, 30, 200), &all);
    some.check_on(run, &Filter::Or(vec![]), &[Output::Count, Output::Sum(2)]);
    some.check_on(run, &Filter::And(vec![]), &all);
    some.check_groups_on(run, &filter, &all[..2]);
    some.check_on(run, &Filter::Null(0), &[Output::Maximum(3), Output::Sum(0)]);
    let config = ProptestConfig { source_file: Some(file!()), ..ProptestConfig::with_cases(programs) };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let cases = (filters(), prop::collection::vec(rows_of_widths(), rows.div_ceil(4)));
    let outputs = [Output::Count, Output::Sum(3), Output::SumOfSquares(2), Output::Categories(0)];
    runner
        .run(&cases, |(filter, rows)| {
            table_of(&rows).check_on(run, &filter, &outputs);
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_device_apart_gives_the_answers_of_the_clear() {
    // Three devices, so that rows are spread unevenly; and lanes that several batches wait for.
    let lanes = Emulated::lanes(3, 1);
    assert_eq!((lanes.batch(512), lanes.batch(2), lanes.batch(0)), (171, 1, 0));
    let run = |plan: &Plan, rows: &Rows<'_>| evaluate(&lanes, || keys().evaluator.cpu(), plan, rows);
    answers_are_those_of_the_clear(&run, 8, 2);
    assert!(COARSE_NOISE.contains(&noise_of_bits(&lanes, Digits::Coarse)));
    assert!(FINE_NOISE.contains(&noise_of_masking(&run)));
}

#[test]
fn threads_share_lanes() {
    let lanes = Emulated::lanes(1, 2);
    let run = |plan: &Plan, rows: &Rows<'_>| evaluate(&lanes, || keys().evaluator.cpu(), plan, rows);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| table(3).check_on(&run, &Filter::AtLeast(0, 20_000), &[Output::Sum(2), Output::Count]));
        }
    });
}

#[test]
fn an_evaluator_runs_on_the_devices_that_were_named_or_not_at_all() {
    let Keys { evaluation, evaluator, .. } = keys();
    let refused = |devices: &[Device]| Evaluator::on(evaluation, devices).unwrap_err();
    assert!(matches!(refused(&[]), Error::NoDevice { .. }));
    let missing = Device::Cuda(4096);
    assert!(matches!(refused(&[missing]), Error::Device { device, .. } if device == missing));
    assert!(matches!(refused(&[missing, missing]), Error::Device { device, .. } if device == missing));
    assert!(matches!(refused(&[missing, Device::Cpu]), Error::Device { device: Device::Cpu, .. }));
    assert!(matches!(refused(&[Device::Cpu, missing]), Error::Device { .. }));
    let plan = |outputs: &[Output]| Plan::new(&[4], &Filter::AtLeast(0, 2), outputs).unwrap();
    let (cpu, gpu) = (Device::Cpu, Device::Cuda(0));
    assert_eq!(evaluator.devices(&plan(&[Output::Sum(0)])), [cpu]);
    assert_eq!(Evaluator::on(evaluation, &[cpu]).unwrap().devices(&plan(&[Output::Sum(0)])), [cpu]);
    // What GPUs do and what they leave to the processor.
    assert_eq!(plan(&[Output::Sum(0)]).devices(&[gpu]), [gpu]);
    assert_eq!(plan(&[Output::Sum(0), Output::Maximum(0)]).devices(&[gpu]), [gpu, cpu]);
    assert_eq!(plan(&[Output::Maximum(0)]).devices(&[gpu]), [cpu]);
    assert_eq!(plan(&[Output::Count]).devices(&[gpu]), [cpu]);
}

/// On GPUs themselves. Without one it says so, and checks nothing.
#[cfg(feature = "gpu")]
#[test]
fn gpus_give_the_answers_of_the_clear() {
    let Keys { key, evaluation, evaluator } = keys();
    let gpus = Evaluator::gpus();
    if gpus.is_empty() {
        eprintln!("NOT RUN: there is no GPU here: {}", gpu::check(0).unwrap_err());
        return;
    }
    for &device in &gpus {
        let Device::Cuda(index) = device else { unreachable!("they are GPUs") };
        let lanes = gpu::open(evaluation, &[index]).unwrap();
        // The key switch is the processor's bit for bit. Bits are half a box further.
        let words = key.encrypt(Form::Digits, 8, &[Some(7); 100]).unwrap().expand().into_container();
        let big: Vec<Vec<u64>> = words.chunks_exact(ELEMENT).map(|element| extract(element, 7)).collect();
        let mut small = evaluator.cpu().switch(&big);
        small.iter_mut().for_each(|bit| bit[SMALL] = bit[SMALL].wrapping_add(1 << 58));
        assert!(lanes.bits(&big).switched() == small.concat());
        let run = |plan: &Plan, rows: &Rows<'_>| evaluate(&lanes, || evaluator.cpu(), plan, rows);
        let (coarse, fine) = (noise_of_bits(&lanes, Digits::Coarse), noise_of_bits(&lanes, Digits::Fine));
        let masked = noise_of_masking(&run);
        eprintln!("{device}: coarse bootstrap 2^{coarse:.2}, fine 2^{fine:.2}, masking 2^{masked:.2}");
        assert!(COARSE_NOISE.contains(&coarse) && FINE_NOISE.contains(&fine) && FINE_NOISE.contains(&masked));
        answers_are_those_of_the_clear(&run, 8, 20);
        answers_are_those_of_the_clear(&run, ROWS_PER_CHUNK, 4);
    }
    let all = Evaluator::on(evaluation, &gpus).unwrap();
    let run = |plan: &Plan, rows: &Rows<'_>| all.evaluate(plan, rows);
    answers_are_those_of_the_clear(&run, 50, 4);
    let filter = Filter::AtLeast(0, 20_000);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| table(ROWS_PER_CHUNK).check_on(&run, &filter, &[Output::Sum(2), Output::Count]));
        }
    });
}
