//! On NVIDIA's GPUs: programs over encrypted columns against plain tfhe-rs on the same GPU, and encrypted matrix products
//! against the processor. Without a GPU it says so, and fails.
//!
//! `make bench-gpu`; `SEALOCK_BENCH_ROWS` (8,192 unless set) is the number of rows of ours, `SEALOCK_BENCH_PLAIN_ROWS` (256) that of
//! plain tfhe-rs, `SEALOCK_BENCH_THREADS` (6) and `SEALOCK_BENCH_PLAIN_THREADS` (16) are how many threads ask at once.

use std::{
    process::exit,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use sealock_fhe::{
    Device,
    linear::{Context, Matrix, QueryKey, Shape, Weights, evaluate_on},
    table::{
        EncryptedChunk, EvaluationKey, Evaluator, Filter, Form, Opened, Output, Plan, ROWS_PER_CHUNK, Rows, TableKey,
    },
};
use tfhe::{
    ClientKey, CompressedServerKey, ConfigBuilder, CudaServerKey, FheUint8, FheUint16, FheUint32, GpuIndex,
    prelude::*,
    set_server_key,
    shortint::parameters::{
        PBSParameters,
        v1_8::{
            V1_8_PARAM_GPU_MULTI_BIT_GROUP_4_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
            V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
        },
    },
};

/// What is to be reached: times plain tfhe-rs on the same GPU, and rows a second.
const TARGET: (f64, f64) = (10.0, 1000.0);

struct Row {
    a: u16,
    b: u8,
    x: u32,
}

const C: u16 = 20_000;
const D: u8 = 2;

impl Row {
    fn is_selected(&self) -> bool {
        self.a > C && self.b == D
    }
}

fn rows(count: usize) -> Vec<Row> {
    let mix = |i: usize| (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    let row = |word: u64| Row { a: word as u16, b: (word >> 16) as u8 % 4, x: (word >> 32) as u32 / 8 };
    (0..count).map(|i| row(mix(i))).collect()
}

fn number(name: &str, or: usize) -> usize {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or)
}

fn main() {
    let gpus = Evaluator::gpus();
    let Some(&first) = gpus.first() else {
        eprintln!("nothing was measured: there is no GPU here that bootstraps can run on");
        exit(1);
    };
    if let Err(error) = first.check() {
        eprintln!("nothing was measured: {error}");
        exit(1);
    }
    println!("{} GPUs; {} cores\n", gpus.len(), rayon::current_num_threads());
    let plain = plain_rows_a_second();
    let ours = ours_rows_a_second(&gpus);
    println!("  ratio on {first}     {:>10.1}, {} to be reached", ours / plain, TARGET.0);
    println!("  rows/s on {first}    {ours:>10.1}, {} to be reached\n", TARGET.1);
    println!("Products of encrypted vectors of 8-bit weights with clear matrices");
    // (vectors, cells, outputs, bits of an entry)
    for (vectors, cells, outputs, bits) in [(1, 2048, 2048, 8), (64, 2048, 2048, 8), (1000, 30, 1, 16)] {
        product(first, vectors, cells, outputs, bits);
    }
}

/// Of the sum on the first GPU.
fn ours_rows_a_second(gpus: &[Device]) -> f64 {
    let table = rows(number("SEALOCK_BENCH_ROWS", 16 * ROWS_PER_CHUNK));
    let key = TableKey::generate().expect("randomness");
    let evaluation = key.evaluation_key().expect("randomness");
    let filter = Filter::And(vec![Filter::AtLeast(0, u64::from(C) + 1), Filter::In(1, vec![u64::from(D)])]);
    let selected = || table.iter().filter(|row| row.is_selected());
    let sum = selected().map(|row| u128::from(row.x)).sum();
    let count = selected().count() as u64;
    println!("Ours, {} rows", table.len());
    let mut all = vec![vec![Device::Cpu], vec![gpus[0]]];
    if gpus.len() > 1 {
        all.push(gpus.to_vec());
    }
    let mut best = 0.0;
    for devices in all {
        let named = devices.iter().map(Device::to_string).collect::<Vec<_>>().join(" ");
        let start = Instant::now();
        let evaluator = on(&evaluation, &devices);
        println!("  {named}, key made ready in {:.1} s", start.elapsed().as_secs_f64());
        // The processor needs no more than a chunk.
        let some = if devices == [Device::Cpu] { &table[..ROWS_PER_CHUNK.min(table.len())] } else { &table[..] };
        let whole = some.len() == table.len();
        let (rate, opened) = run(&key, &evaluator, some, &filter, Output::Count);
        assert!(!whole || opened == Opened::Count(count), "the count is exact");
        println!("    SELECT count(*) WHERE a > c AND b = d {rate:>10.1} rows/s");
        let (rate, opened) = run(&key, &evaluator, some, &filter, Output::Sum(2));
        assert!(!whole || opened == Opened::Sum { count, sum }, "the sum is exact");
        println!("    SELECT sum(x)   WHERE a > c AND b = d {rate:>10.1} rows/s");
        if devices == gpus[..1] {
            best = rate;
        }
    }
    best
}

fn on(key: &EvaluationKey, devices: &[Device]) -> Evaluator {
    Evaluator::on(key, devices).unwrap_or_else(|error| {
        eprintln!("not measured: {error}");
        exit(1);
    })
}

/// Rows a second, and the answer.
fn run(key: &TableKey, evaluator: &Evaluator, table: &[Row], filter: &Filter, output: Output) -> (f64, Opened) {
    let bits = [16, 8, 32];
    let plan = Plan::new(&bits, filter, &[output]).expect("a plan");
    let encrypt = |rows: &[Row]| -> Vec<(usize, EncryptedChunk)> {
        let value = |row: &Row, column: usize| Some([u64::from(row.a), u64::from(row.b), u64::from(row.x)][column]);
        let chunk = |(column, form): (usize, Form)| {
            let values: Vec<_> = rows.iter().map(|row| value(row, column)).collect();
            (column, key.encrypt(form, bits[column], &values).expect("values fit"))
        };
        plan.sources().into_iter().map(chunk).collect()
    };
    let chunks: Vec<_> = table.chunks(ROWS_PER_CHUNK).map(|rows| (rows.len(), encrypt(rows))).collect();
    let evaluate = |(rows, columns): &(usize, Vec<(usize, EncryptedChunk)>)| {
        let given = columns.iter().fold(Rows::new(*rows), |rows, (column, chunk)| rows.column(*column, chunk));
        evaluator.evaluate(&plan, &given).expect("a result")
    };
    evaluate(&chunks[0]);
    let (next, threads) = (AtomicUsize::new(0), number("SEALOCK_BENCH_THREADS", 6).max(1));
    let start = Instant::now();
    let results: Vec<_> = std::thread::scope(|scope| {
        let work = || {
            let mine = std::iter::from_fn(|| chunks.get(next.fetch_add(1, Ordering::Relaxed)));
            mine.map(evaluate).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it computes")).collect()
    });
    let spent = start.elapsed().as_secs_f64();
    let opened = key.open(&plan, &results).expect("an answer").remove(0).remove(0);
    (table.len() as f64 / spent, opened)
}

/// Of tfhe-rs's integers on the first GPU, with the faster of two parameter sets: the one that ours have, and the one that
/// tfhe-rs has for GPUs.
fn plain_rows_a_second() -> f64 {
    let table = rows(number("SEALOCK_BENCH_PLAIN_ROWS", 256));
    println!("Plain tfhe-rs 1.8 on {}, FheUint16, FheUint8 and FheUint32, {} rows", Device::Cuda(0), table.len());
    let sets: [(&str, PBSParameters); 2] = [
        ("classical", V1_8_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128.into()),
        ("multi-bit", V1_8_PARAM_GPU_MULTI_BIT_GROUP_4_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128.into()),
    ];
    let rates = sets.map(|(name, set)| {
        let rate = plain(&table, set);
        println!("  {name} parameters, SELECT sum(x) WHERE a > c AND b = d {rate:>10.1} rows/s");
        rate
    });
    println!();
    rates.into_iter().fold(0.0, f64::max)
}

fn plain(table: &[Row], set: PBSParameters) -> f64 {
    let key = ClientKey::generate(ConfigBuilder::with_custom_parameters(set).build());
    let server: CudaServerKey = CompressedServerKey::new(&key).decompress_to_specific_gpu(GpuIndex::new(0));
    set_server_key(server.clone());
    let encrypt = |row: &Row| {
        let mut given = (
            FheUint16::encrypt(row.a, &key),
            FheUint8::encrypt(row.b, &key),
            FheUint32::encrypt(row.x, &key),
            FheUint32::encrypt_trivial(0u32),
        );
        given.0.move_to_current_device();
        given.1.move_to_current_device();
        given.2.move_to_current_device();
        given.3.move_to_current_device();
        given
    };
    let given: Vec<_> = table.iter().map(encrypt).collect();
    let each = given.len().div_ceil(number("SEALOCK_BENCH_PLAIN_THREADS", 16).max(1)).max(1);
    let parts: Vec<_> = given.chunks(each).collect();
    // Rows are spread over threads; the sum is added up at the end as tfhe-rs advises, carries once.
    let ready = Barrier::new(parts.len() + 1);
    let (spent, sum) = std::thread::scope(|scope| {
        let work = |part: &[(FheUint16, FheUint8, FheUint32, FheUint32)]| {
            set_server_key(server.clone());
            ready.wait();
            part.iter().map(|(a, b, x, zero)| (a.gt(C) & b.eq(D)).if_then_else(x, zero)).collect::<Vec<_>>()
        };
        let threads: Vec<_> = parts.iter().map(|&part| scope.spawn(move || work(part))).collect();
        ready.wait();
        let start = Instant::now();
        let masked: Vec<FheUint32> = threads.into_iter().flat_map(|t| t.join().expect("it computes")).collect();
        let sum: FheUint32 = masked.iter().sum();
        (start.elapsed().as_secs_f64(), sum)
    });
    let sum: u32 = sum.decrypt(&key);
    let selected = table.iter().filter(|row| row.is_selected());
    assert_eq!(sum, selected.map(|row| row.x).fold(0u32, u32::wrapping_add));
    table.len() as f64 / spent
}

fn product(gpu: Device, vectors: usize, cells: usize, outputs: usize, bits: u8) {
    let shape =
        Shape::batch(vectors, cells, Weights::Signed { bits: 8 }, &vec![bits; outputs]).expect("supported shape");
    let small = |i: usize| (i * 89 % 256) as i64 - 128;
    let weights: Vec<i64> = (0..vectors * cells).map(small).collect();
    let rows: Vec<Vec<i64>> = (0..outputs).map(|o| (0..cells).map(|c| small(o * 31 + c * 7)).collect()).collect();
    let matrix = Matrix::new(&shape, rows.iter().map(|row| row.as_slice())).expect("entries fit");
    let context = Context::new(&[b"benchmark"]);
    let key = QueryKey::generate().expect("randomness");
    let query = key.encrypt_weights(&shape, &weights, &context).expect("valid weights");
    let timed = |device: Device| {
        let mut best = f64::INFINITY;
        let mut opened = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            let answer = evaluate_on(device, &query, &context, &matrix).unwrap_or_else(|error| {
                eprintln!("not measured: {error}");
                exit(1);
            });
            best = best.min(start.elapsed().as_secs_f64() * 1e3);
            opened = key.decrypt(&answer, &shape).expect("shapes agree");
        }
        (best, opened)
    };
    let ((cpu, expected), (elsewhere, opened)) = (timed(Device::Cpu), timed(gpu));
    assert!(opened == expected, "both are exact");
    println!(
        "  {vectors}×{cells} · {cells}×{outputs}: cpu {cpu:.2} ms, {gpu} {elsewhere:.2} ms, ratio {:.1}",
        cpu / elsewhere
    );
}
