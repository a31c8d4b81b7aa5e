//! Products on another device: the kernels compiled for the processor, and the device itself where there is one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use zeroize::Zeroizing;

use super::{context, entropy, key};
use crate::cuda::{SOURCE, Tables};
use crate::linear::evaluate::{evaluate_elsewhere, evaluate_on};
use crate::linear::matmul;
use crate::linear::offload::{Batches, RingDevice};
use crate::linear::ring::{Accumulator, N, Operand, Transformed};
use crate::linear::{Matrix, Shape, evaluate_with_entropy};
use crate::{Device, Error};

/// The kernels, compiled by a compiler for the processor.
struct Emulated {
    folder: tempfile::TempDir,
    room: u64,
}

impl Emulated {
    fn new(room: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cuda");
        std::fs::write(folder.path().join("ring.cu"), SOURCE).unwrap();
        let emulated = Self { folder, room };
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compiler.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-pedantic", "-pthread", "-I"]);
        compiler.arg(emulated.folder.path()).arg(here.join("emulate.c")).arg("-o").arg(emulated.program());
        assert!(compiler.status().expect("a C compiler").success());
        emulated
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("emulated")
    }
}

impl RingDevice for Emulated {
    type Operands = Vec<u128>;

    fn room(&self) -> Result<u64, Error> {
        Ok(self.room)
    }

    fn prepare(&self, polynomials: &[u128]) -> Result<Vec<u128>, Error> {
        Ok(polynomials.to_vec())
    }

    fn multiply(&self, large: &Vec<u128>, small: &[i32], terms: usize) -> Result<Zeroizing<Vec<u128>>, Error> {
        let (rows, columns) = (large.len() / N / terms, small.len() / N / terms);
        let tables = Tables::new();
        let mut input = Vec::new();
        for head in [rows, columns, terms] {
            input.extend((head as u32).to_le_bytes());
        }
        input.extend(tables.constants.iter().chain(&tables.powers).flat_map(|word| word.to_le_bytes()));
        input.extend(tables.cofactors.iter().flat_map(|word| word.to_le_bytes()));
        input.extend(tables.inverses.iter().flat_map(|word| word.to_le_bytes()));
        input.extend(large.iter().flat_map(|word| word.to_le_bytes()));
        input.extend(small.iter().flat_map(|word| word.to_le_bytes()));
        let mut process = Command::new(self.program()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(&input).unwrap();
        let output = process.wait_with_output().unwrap();
        assert!(output.status.success() && output.stdout.len() == rows * columns * N * 16);
        let words = output.stdout.chunks_exact(16).map(|bytes| u128::from_le_bytes(bytes.try_into().unwrap()));
        Ok(Zeroizing::new(words.collect()))
    }

    fn too_small(&self, needed: u64, room: u64) -> Error {
        Error::Device { device: Device::Cuda(0), why: format!("{needed} of {room}") }
    }
}

/// Sums of products of extreme and of random operands, as the processor computes them.
fn sums_are_those_of_the_processor<D: RingDevice>(device: &D) {
    let (rows, columns, terms) = (3, 2, 4);
    let mut generator = entropy(90).generator("offload", 0);
    let mut large = vec![0u128; rows * terms * N];
    generator.fill_slice_with_random_uniform(&mut large);
    large[..N].fill(1 << 127);
    large[N..2 * N].fill((1 << 127) - 1);
    let mut small = vec![0u32; columns * terms * N];
    generator.fill_slice_with_random_uniform(&mut small);
    let mut small: Vec<i32> = small.iter().map(|&word| word as i32 >> 2).collect();
    small[..N].fill((1 << 22) - 1);
    small[N..2 * N].fill(-(1 << 22));
    let got = device.multiply(&device.prepare(&large).unwrap(), &small, terms).unwrap();
    for row in 0..rows {
        for column in 0..columns {
            let (mut sum, mut operand) = (Accumulator::new(), Operand::new());
            for term in 0..terms {
                operand.set(&small[(column * terms + term) * N..][..N]);
                sum.add_product(&Transformed::new(&large[(row * terms + term) * N..][..N]), &operand);
            }
            assert!(got[(row * columns + column) * N..][..N] == **sum.finish(), "{row}, {column}");
        }
    }
}

/// Whole answers, of few and of many results, in one batch and in several.
fn answers_are_those_of_the_processor<D: RingDevice>(device: &D) {
    let key = key(91);
    for (cells, outputs) in [(5, 1), (300, 3), (9000, 40)] {
        let shape = Shape::new(cells, &vec![20; outputs]).unwrap();
        let weights: Vec<bool> = (0..cells).map(|cell| cell % 3 == 1).collect();
        let query = key.encrypt(&shape, &weights, &context()).unwrap();
        let rows: Vec<Vec<i64>> = (0..outputs as i64)
            .map(|output| {
                (0..cells as i64).map(|cell| (cell * 7919 + output * 104_729) % (1 << 18) - (1 << 17)).collect()
            })
            .collect();
        let matrix = Matrix::new(&shape, rows.iter().map(Vec::as_slice)).unwrap();
        let expected = evaluate_with_entropy(&query, &context(), &matrix, entropy(92)).unwrap();
        let got = evaluate_elsewhere(device, &query, &context(), &matrix, &entropy(92)).unwrap();
        assert!(got.to_bytes() == expected.to_bytes(), "{cells}, {outputs}");
        let sums: Vec<i128> =
            rows.iter().map(|row| row.iter().skip(1).step_by(3).map(|&entry| i128::from(entry)).sum()).collect();
        assert_eq!(key.decrypt(&got, &shape).unwrap(), sums);
    }
}

#[test]
fn the_kernels_compute_what_the_processor_does() {
    // Room for everything, and for a few ring elements at a time.
    let all = Emulated::new(1 << 40);
    sums_are_those_of_the_processor(&all);
    answers_are_those_of_the_processor(&all);
    let least = Batches { tiles: 1, columns: 1 }.bytes(5);
    answers_are_those_of_the_processor(&Emulated { folder: all.folder, room: (least / 7 + 1) * 8 });
}

#[test]
fn batches_fit_into_the_memory_and_use_it() {
    let bytes = |tiles, columns, blocks| Batches { tiles, columns }.bytes(blocks);
    for (tiles, columns, blocks) in [(1, 1, 1), (7, 3, 5), (4096, 100, 1), (1, 1000, 256), (300, 300, 30)] {
        let least = bytes(1, 1, blocks);
        assert_eq!(Batches::within(least - 1, tiles, columns, blocks), None);
        for room in [least, 2 * least, 5 * least + 12_345, 100 * least, 1 << 45] {
            let got = Batches::within(room, tiles, columns, blocks).unwrap();
            assert!(got.tiles >= 1 && got.columns >= 1 && got.bytes(blocks) <= room, "{got:?}");
            assert!(got.tiles == tiles || bytes(got.tiles + 1, 1, blocks) > room, "{got:?}");
            assert!(got.columns == columns || bytes(got.tiles, got.columns + 1, blocks) > room, "{got:?}");
        }
        assert_eq!(Batches::within(1 << 45, tiles, columns, blocks), Some(Batches { tiles, columns }));
    }
    // Nothing is counted beyond 32 bits, whatever the memory.
    let got = Batches::within(u64::MAX - 1, 1 << 20, 1 << 20, 1 << 4).unwrap();
    assert!(2 * got.tiles as u64 * got.columns as u64 <= u64::from(u32::MAX) / 6, "{got:?}");
}

#[test]
fn a_device_that_is_too_small_or_not_there_says_so() {
    let shape = Shape::new(300, &[20]).unwrap();
    let key = key(93);
    let query = key.encrypt(&shape, &[true; 300], &context()).unwrap();
    let row = [1i64; 300];
    let matrix = Matrix::new(&shape, [row.as_slice()]).unwrap();
    let small = Emulated::new(1 << 10);
    let refused = evaluate_elsewhere(&small, &query, &context(), &matrix, &entropy(94));
    assert!(matches!(refused, Err(Error::Device { .. })));
    let refused = evaluate_on(Device::Cuda(4096), &query, &context(), &matrix);
    assert!(matches!(refused, Err(Error::Device { device: Device::Cuda(4096), .. })));
    let answer = evaluate_on(Device::Cpu, &query, &context(), &matrix).unwrap();
    assert_eq!(key.decrypt(&answer, &shape).unwrap(), [300]);
    let product = matmul::Product::new(1, 1, 1, 4, 4).unwrap();
    let refused = product.evaluate_on(Device::Cuda(4096), &[], &context(), &[1]);
    assert!(refused.is_err());
}

/// On the GPU itself. Without one it says so, and checks nothing.
#[cfg(feature = "cuda")]
#[test]
fn a_gpu_computes_what_the_processor_does() {
    let gpus: Vec<_> = Device::all().into_iter().filter(|device| *device != Device::Cpu).collect();
    if gpus.is_empty() {
        eprintln!("NOT RUN: there is no GPU here: {}", Device::Cuda(0).check().unwrap_err());
    }
    for device in gpus {
        let Device::Cuda(index) = device else { unreachable!("the others are GPUs") };
        let gpu = crate::cuda::Gpu::of(index).unwrap();
        sums_are_those_of_the_processor(&*gpu);
        answers_are_those_of_the_processor(&*gpu);
    }
}
