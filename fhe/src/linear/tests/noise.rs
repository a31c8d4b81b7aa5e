//! Measured noise against the budget.

use super::*;
use crate::linear::{
    Matrix, NoiseBudget, Shape,
    client::phases,
    evaluate::Product,
    release::{Fresh, ZeroKey},
};

/// Signed distance of a phase from `Δ·m`.
fn noise(phase: u128, message: i128, budget: &NoiseBudget) -> f64 {
    phase.wrapping_sub((message << budget.delta_log2()) as u128) as i128 as f64
}

struct Measured {
    /// Noise of raw results: data-dependent.
    raw: Vec<f64>,
    /// Noise of released, rounded ones.
    released: Vec<f64>,
}

/// `queries` fresh encryptions, each multiplied with `rows` rows whose lowest limb is at its bound everywhere.
fn measure(cells: usize, queries: u8, rows: usize) -> (NoiseBudget, Measured) {
    // Entries of one limb of whatever width the shape then has.
    let widths = (1..=27).rev().map(|bits| Shape::new(cells, &vec![bits; rows]).expect("valid shape"));
    let shape = widths.into_iter().find(|shape| shape.limbs(0) == 1).expect("a limb is wider than a bit");
    let budget = *shape.budget();
    assert_eq!(u32::from(shape.value_bits()[0]), budget.limb_bits() - 1);
    let half = 1i64 << (budget.limb_bits() - 2);
    let mut measured = Measured { raw: Vec::new(), released: Vec::new() };
    for seed in 0..queries {
        let (mut rng, key) = (rng(seed), key(seed));
        let indicator = indicator(&mut rng, cells);
        let query = key.encrypt_with_entropy(&shape, &indicator, &context(), entropy(seed)).expect("valid indicator");
        let rows: Vec<Vec<i64>> = (0..rows)
            .map(|_| (0..cells).map(|_| if rng.random_uniform::<u8>() & 1 == 0 { -half } else { half - 1 }).collect())
            .collect();
        let sum = |row: &[i64]| row.iter().zip(&indicator).map(|(&v, &x)| i128::from(v) * i128::from(x)).sum();
        let matrix = Matrix::new(&shape, rows.iter().map(|r| r.as_slice())).expect("entries fit");
        let product = Product::new(&query, &matrix);
        let zero = ZeroKey::new(&context().key_mask(), &query.zero_body);
        for (tile, (_, columns)) in shape.tiles().enumerate() {
            let messages: Vec<i128> = rows[columns.clone()].iter().map(|row| sum(row)).collect();
            let raw = product.raw(tile, 0..1).remove(0);
            let noises = |phases: &mut dyn Iterator<Item = u128>| {
                phases.zip(&messages).map(|(phase, &m)| noise(phase, m, &budget)).collect::<Vec<_>>()
            };
            measured.raw.extend(noises(&mut product.raw(tile, 0..1).remove(0).phases(&key).into_iter()));
            let fresh = Fresh::sample(&budget, columns.len(), &entropy(seed), tile as u64);
            let sample = raw.release(&zero, &fresh).round(&budget);
            measured.released.extend(noises(&mut phases(&key.bits(), &sample, &shape, columns.len())));
        }
    }
    (budget, measured)
}

fn std(samples: &[f64]) -> f64 {
    (samples.iter().map(|x| x * x).sum::<f64>() / samples.len() as f64).sqrt()
}

fn largest(samples: &[f64]) -> f64 {
    samples.iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn check(cells: usize, queries: u8, rows: usize) {
    let (budget, measured) = measure(cells, queries, rows);
    // One-limb entries are a bit narrower than a limb, so digits are at half their bound.
    let (data, flood) = (budget.data_noise_std() / 2.0, 2f64.powi(budget.flood_log2() as i32) / 3f64.sqrt());
    println!(
        "{cells} cells, {} samples: data noise std 2^{:.2} (budget 2^{:.2}), max 2^{:.2} (bound 2^{:.2}); \
         released std 2^{:.2} (flood 2^{:.2}), max 2^{:.2} (bound 2^{:.2}, decodes below 2^{})",
        measured.raw.len(),
        std(&measured.raw).log2(),
        data.log2(),
        largest(&measured.raw).log2(),
        (budget.data_noise_bound() as f64).log2(),
        std(&measured.released).log2(),
        flood.log2(),
        largest(&measured.released).log2(),
        (budget.noise_bound() as f64).log2(),
        budget.delta_log2() - 1,
    );
    // 64 samples put the empirical deviation within a few times 9% of the true one.
    assert!((0.65..1.35).contains(&(std(&measured.raw) / data)));
    assert!((0.65..1.35).contains(&(std(&measured.released) / flood)));
    assert!(largest(&measured.raw) <= budget.data_noise_bound() as f64);
    assert!(largest(&measured.released) <= budget.noise_bound() as f64);
}

#[test]
fn one_cell_is_within_the_budget() {
    check(1, 4, 64);
}

#[test]
fn many_columns_in_one_ring_element_are_within_the_budget() {
    check(82, 2, 98);
}

#[test]
fn one_full_ciphertext_is_within_the_budget() {
    check(4096, 8, 8);
}

#[test]
fn two_ciphertexts_are_within_the_budget() {
    check(8192, 8, 8);
}

#[test]
fn many_columns_of_cut_vectors_are_within_the_budget() {
    check(82, 1, 512);
    check(2048, 1, 1024);
    check(8192, 1, 512);
}

#[test]
fn a_quarter_million_cells_are_within_the_budget() {
    check(1 << 18, 1, 64);
}
