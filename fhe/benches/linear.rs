//! The engine: encrypt, multiply, release, decrypt. Sealed queries on one core, batches and matrix products on all.
//!
//! `cargo bench --workspace --bench linear --profile dev`

use std::{hint::black_box, time::Instant};

use sealock_fhe::linear::{Context, EncryptedQuery, Matrix, QueryKey, SealedAnswer, Shape, Weights, evaluate};

/// Rows that the cube was folded from; only the widths of its entries depend on it.
const ROWS: u32 = 1_000_000;
/// A 32-bit measure summed over a million rows, with sign.
const SUM_BITS: u8 = 53;
/// A count of a million rows, with sign.
const COUNT_BITS: u8 = 21;

fn main() {
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread pool");
    one_core.install(|| {
        println!("SUM(x), COUNT(*) under a hidden filter over {ROWS} rows, folded into a cube; one core\n");
        for (cells, rounds) in [(8192, 20), (1 << 20, 3)] {
            sealed_query(cells, rounds);
        }
    });
    println!(
        "Products of encrypted vectors of 8-bit weights with clear matrices; {} cores\n",
        rayon::current_num_threads()
    );
    // (vectors, cells, outputs, bits of an entry)
    for (vectors, cells, outputs, bits) in [(1, 2048, 2048, 8), (8, 2048, 256, 8), (1000, 30, 1, 16), (1, 82, 200, 48)]
    {
        product(vectors, cells, outputs, bits);
    }
}

fn product(vectors: usize, cells: usize, outputs: usize, bits: u8) {
    let shape =
        Shape::batch(vectors, cells, Weights::Signed { bits: 8 }, &vec![bits; outputs]).expect("supported shape");
    let small = |i: usize| (i * 89 % 256) as i64 - 128;
    let weights: Vec<i64> = (0..vectors * cells).map(small).collect();
    let rows: Vec<Vec<i64>> = (0..outputs).map(|o| (0..cells).map(|c| small(o * 31 + c * 7)).collect()).collect();
    let matrix = Matrix::new(&shape, rows.iter().map(|row| row.as_slice())).expect("entries fit");
    let context = Context::new(&[b"benchmark"]);
    let key = QueryKey::generate().expect("randomness");
    let (encrypt, query) = timed(3, || key.encrypt_weights(&shape, &weights, &context).expect("valid weights"));
    let (evaluated, answer) = timed(3, || evaluate(&query, &context, &matrix).expect("shapes agree"));
    let (decrypt, opened) = timed(3, || key.decrypt(&answer, &shape).expect("shapes agree"));
    let dot = |vector: &[i64], row: &Vec<i64>| vector.iter().zip(row).map(|(a, b)| i128::from(a * b)).sum::<i128>();
    let expected: Vec<i128> =
        weights.chunks_exact(cells).flat_map(|vector| rows.iter().map(move |row| dot(vector, row))).collect();
    assert!(opened == expected, "the product is exact");
    println!("{vectors}×{cells} · {cells}×{outputs}, entries of {bits} bits, {} ring products", shape.products());
    println!("  encrypt             {encrypt:>10.2} ms");
    println!("  evaluate + release  {evaluated:>10.2} ms");
    println!("  decrypt             {decrypt:>10.2} ms");
    println!("  query               {:>10} bytes", EncryptedQuery::encoded_len(&shape));
    println!("  answer              {:>10} bytes\n", SealedAnswer::encoded_len(&shape));
}

/// The median of `rounds` timings, and the last result.
fn timed<T>(rounds: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    let mut times = Vec::with_capacity(rounds);
    let mut last = None;
    for _ in 0..rounds {
        let start = Instant::now();
        last = Some(black_box(work()));
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], last.expect("at least one round"))
}

fn sealed_query(cells: usize, rounds: usize) {
    let shape = Shape::new(cells, &[SUM_BITS, COUNT_BITS]).expect("supported shape");
    let indicator: Vec<bool> = (0..cells).map(|i| i % 3 == 0).collect();
    let counts: Vec<i64> = (0..cells).map(|i| (i % 200) as i64).collect();
    let sums: Vec<i64> = counts.iter().map(|c| c * i64::from(u32::MAX)).collect();
    let matrix = Matrix::new(&shape, [sums.as_slice(), counts.as_slice()]).expect("entries fit");
    let context = Context::new(&[b"benchmark"]);

    let (keygen, key) = timed(rounds, || QueryKey::generate().expect("randomness"));
    let (encrypt, query) = timed(rounds, || key.encrypt(&shape, &indicator, &context).expect("valid indicator"));
    let (decode, query) = timed(rounds, || EncryptedQuery::from_bytes(&query.to_bytes()).expect("own bytes"));
    let (evaluated, answer) = timed(rounds, || evaluate(&query, &context, &matrix).expect("shapes agree"));
    let (decrypt, opened) = timed(rounds, || key.decrypt(&answer, &shape).expect("shapes agree"));

    let expected = [&sums, &counts].map(|row| row.iter().step_by(3).map(|&v| i128::from(v)).sum::<i128>());
    assert_eq!(opened, expected, "the answer is exact");
    println!(
        "sealed query, {cells} cells, {} ring products, limbs of {} bits",
        shape.products(),
        shape.budget().limb_bits()
    );
    println!("  key                 {keygen:>10.2} ms");
    println!("  encrypt             {encrypt:>10.2} ms");
    println!("  wire round trip     {decode:>10.2} ms");
    println!("  evaluate + release  {evaluated:>10.2} ms");
    println!("  decrypt             {decrypt:>10.2} ms");
    println!("  query               {:>10} bytes", EncryptedQuery::encoded_len(&shape));
    println!("  answer              {:>10} bytes\n", SealedAnswer::encoded_len(&shape));
}
