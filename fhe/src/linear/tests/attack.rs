//! What a consumer can do to an output that is not released properly. Each attack is carried out and succeeds, then is
//! repeated on a properly released output and fails. The consumer knows its key, its masks and its noise.

use super::*;
use crate::linear::{
    EncryptedQuery, Matrix, NoiseBudget, Shape,
    client::phase as phase64,
    evaluate::{Product, evaluate_with_entropy},
    release::{Fresh, ZeroKey},
    ring::{N, tests::multiply},
    shape::recompose,
};

const BITS: u8 = 32;

/// A cube of 4,096 cells with the values of an ordinary measure.
fn cube(seed: u8) -> Vec<i64> {
    let mut rng = rng(seed);
    (0..N).map(|_| value(&mut rng, BITS) as i64).collect()
}

/// A query over 4,096 cells whose mask is a unit, together with the mask and its inverse.
///
/// `a` is a unit of `Z_{2^128}[X]/(X^N + 1)` exactly if `a(1)` is odd: modulo 2 the ring is local, with ideal (X + 1).
fn invertible_query(key: &QueryKey) -> (EncryptedQuery, Vec<u128>, Vec<u128>) {
    (0..=u8::MAX)
        .map(|seed| key.encrypt_with_entropy(&[true; N], &context(), entropy(seed)).expect("valid indicator"))
        .map(|query| {
            let mask = only_mask(&query);
            (query, mask)
        })
        .find(|(_, mask)| mask.iter().fold(0, |parity, c| parity ^ c) & 1 == 1)
        .map(|(query, mask)| {
            let inverse = invert(&mask);
            (query, mask, inverse)
        })
        .expect("half of all masks are units")
}

/// Modulo 2, `a = 1 + n` with `n^N = 0`, so `a^N = 1` and `a^(N−1)` is the inverse; Newton doubles its precision.
fn invert(a: &[u128]) -> Vec<u128> {
    let mut one = vec![0; N];
    one[0] = 1;
    let mut inverse = one.clone();
    let mut square = a.to_vec();
    for _ in 0..N.trailing_zeros() {
        inverse = multiply(&inverse, &square);
        square = multiply(&square, &square);
    }
    for _ in 0..7 {
        let mut correction: Vec<u128> = multiply(a, &inverse).iter().map(|c| c.wrapping_neg()).collect();
        correction[0] = correction[0].wrapping_add(2);
        inverse = multiply(&inverse, &correction);
    }
    assert_eq!(multiply(a, &inverse), one);
    inverse
}

/// Solves `mask = a·w̃` for the row's digits and puts them back into cell order.
fn solve(mask: &[u128], inverse: &[u128]) -> Vec<i128> {
    let reversed = multiply(mask, inverse);
    let tail = reversed[1..].iter().rev().map(|&c| c.wrapping_neg() as i128);
    std::iter::once(reversed[0] as i128).chain(tail).collect()
}

fn difference(a: &[u128], b: &[u128]) -> Vec<u128> {
    a.iter().zip(b).map(|(a, b)| a.wrapping_sub(*b)).collect()
}

/// How many recovered values are no wider than a digit: nearly none of uniform ones.
fn small(values: &[i128]) -> usize {
    values.iter().filter(|v| v.unsigned_abs() < 1 << 27).count()
}

fn agreeing(recovered: &[i128], truth: &[i128]) -> usize {
    recovered.iter().zip(truth).filter(|(a, b)| a == b).count()
}

fn digits(matrix: &Matrix<'_>, output: usize, limb: usize) -> Vec<i128> {
    let mut digits = vec![0; N];
    matrix.digits(output, limb, 0, &mut digits);
    digits.into_iter().map(i128::from).collect()
}

#[test]
fn attack_raw_mask_gives_the_whole_cube_and_a_released_one_gives_none_of_it() {
    let key = key(1);
    let (query, mask, inverse) = invertible_query(&key);
    let cube = cube(2);
    let shape = Shape::new(N, &[BITS]).expect("valid shape");
    let matrix = Matrix::new(&shape, [cube.as_slice()]).expect("entries fit");
    let product = Product::with_masks(&[mask], &query.bodies, &matrix);

    // Unprotected: one query for a single sum recovers all 4,096 cells.
    let limbs: Vec<Vec<i128>> = (0..shape.limbs(0)).map(|l| solve(&product.raw(0, l).mask, &inverse)).collect();
    let recovered: Vec<i64> =
        (0..N).map(|i| recompose(limbs.iter().map(|limb| limb[i] as i64), shape.budget()) as i64).collect();
    println!("unprotected: recovered {:?}… of {:?}…", &recovered[..4], &cube[..4]);
    assert_eq!(recovered, cube);

    // Released, before and after rounding.
    let zero = ZeroKey::new(&context().key_mask(), &query.zero_body);
    for limb in 0..shape.limbs(0) {
        let released = product.raw(0, limb).release(&zero, &Fresh::sample(shape.budget(), &entropy(3), limb as u64));
        let exact = solve(&released.mask, &inverse);
        let sample = released.round();
        let mut rounded: Vec<u128> = sample[..N].iter().map(|&c| u128::from(c) << 64).collect();
        rounded[1..].reverse();
        rounded[1..].iter_mut().for_each(|c| *c = c.wrapping_neg());
        for (form, found) in [("released", exact), ("rounded", solve(&rounded, &inverse))] {
            let right = agreeing(&found, &digits(&matrix, 0, limb));
            println!("{form}, limb {limb}: {right} of {N} cells right, {} small values", small(&found));
            assert_eq!((right, small(&found)), (0, 0));
        }
    }
}

/// Reads a released sample as if its mask were `2^96 · row`.
fn read_off(sample: &[u64]) -> Vec<i128> {
    sample[..N].iter().map(|&c| i128::from((c.wrapping_add(1 << 31) as i64) >> 32)).collect()
}

#[test]
fn attack_key_mask_chosen_by_the_consumer_gives_the_cube_and_a_hashed_one_does_not() {
    let key = key(4);
    let cube = cube(5);
    let shape = Shape::new(N, &[BITS]).expect("valid shape");
    let matrix = Matrix::new(&shape, [cube.as_slice()]).expect("entries fit");
    let truth = digits(&matrix, 0, 0);

    // The consumer's ciphertext has the mask 2^96, and the body 2^96·s that goes with it.
    let mut mask = vec![0u128; N];
    mask[0] = 1 << 96;
    let body: Vec<u128> = key.secret().iter().map(|s| s << 96).collect();
    let product = Product::with_masks(&[mask], &body, &matrix);
    let release = |key_mask: &[u128]| {
        let zero_body = key.zero_body(key_mask, &entropy(6));
        let fresh = Fresh::sample(shape.budget(), &entropy(7), 0);
        read_off(&product.raw(0, 0).release(&ZeroKey::new(key_mask, &zero_body), &fresh).round())
    };

    let constant = |c| {
        let mut mask = vec![0u128; N];
        mask[0] = c;
        mask
    };
    for chosen in [0, 1] {
        let recovered = release(&constant(chosen));
        println!("key mask {chosen}: {} of {N} cells right: {:?}…", agreeing(&recovered, &truth), &recovered[..4]);
        assert_eq!(recovered, truth);
    }
    let recovered = release(&context().key_mask());
    let (right, small) = (agreeing(&recovered, &truth), recovered.iter().filter(|v| v.abs() < 1 << 17).count());
    println!("hashed key mask: {right} of {N} cells right, {small} small values");
    // A uniform 32-bit value is below 2^17 in absolute value with probability 2^-14.
    assert!(right == 0 && small <= 4);
}

#[test]
fn attack_chosen_key_mask_confirms_a_guessed_cube_even_under_a_seeded_query() {
    let key = key(8);
    let (query, mask, _) = invertible_query(&key);
    let (cube, mut wrong) = (cube(9), cube(9));
    wrong[1234] += 1;
    let shape = Shape::new(N, &[BITS]).expect("valid shape");
    let matrix = Matrix::new(&shape, [cube.as_slice()]).expect("entries fit");
    let guess = |cube: &[i64]| {
        let matrix = Matrix::new(&shape, [cube]).expect("entries fit");
        Product::with_masks(std::slice::from_ref(&mask), &query.bodies, &matrix).raw(0, 0).mask
    };
    let product = Product::with_masks(std::slice::from_ref(&mask), &query.bodies, &matrix);
    // Largest coefficient of what is left of the released mask after the guess is taken away, in bits.
    let residue = |key_mask: &[u128], cube: &[i64]| {
        let zero_body = key.zero_body(key_mask, &entropy(10));
        let fresh = Fresh::sample(shape.budget(), &entropy(11), 0);
        let released = product.raw(0, 0).release(&ZeroKey::new(key_mask, &zero_body), &fresh);
        let left = difference(&released.mask, &guess(cube));
        left.iter().map(|&c| (c as i128).unsigned_abs()).max().map_or(0, |c| 128 - c.leading_zeros())
    };
    let (zero, hashed) = (vec![0; N], context().key_mask());
    let bits = [residue(&zero, &cube), residue(&zero, &wrong), residue(&hashed, &cube), residue(&hashed, &wrong)];
    println!(
        "residue bits: chosen mask, right guess {}, wrong {}; hashed mask, right {}, wrong {}",
        bits[0], bits[1], bits[2], bits[3]
    );
    assert!((28..=31).contains(&bits[0]), "only the noise e1 is left, so the guess is confirmed");
    assert!(bits[1..].iter().all(|&b| b >= 120), "nothing is confirmed");
}

#[test]
fn attack_reused_randomness_gives_the_difference_of_two_cubes_and_fresh_randomness_does_not() {
    let key = key(12);
    let (query, mask, inverse) = invertible_query(&key);
    let cubes = [cube(13), cube(14)];
    let shape = Shape::new(N, &[BITS, BITS]).expect("valid shape");
    let matrix = Matrix::new(&shape, cubes.iter().map(|c| c.as_slice())).expect("entries fit");
    let product = Product::with_masks(&[mask], &query.bodies, &matrix);
    let zero = ZeroKey::new(&context().key_mask(), &query.zero_body);
    let truth: Vec<i128> = digits(&matrix, 0, 0).iter().zip(digits(&matrix, 1, 0)).map(|(a, b)| a - b).collect();
    let recover = |indices: [u64; 2]| {
        let release =
            |o: usize| product.raw(o, 0).release(&zero, &Fresh::sample(shape.budget(), &entropy(15), indices[o])).mask;
        solve(&difference(&release(0), &release(1)), &inverse)
    };

    let recovered = recover([0, 0]);
    println!("reused: {} of {N} differences right: {:?}…", agreeing(&recovered, &truth), &recovered[..4]);
    assert_eq!(recovered, truth);
    let recovered = recover([0, 1]);
    println!("fresh: {} of {N} differences right, {} small values", agreeing(&recovered, &truth), small(&recovered));
    assert_eq!((agreeing(&recovered, &truth), small(&recovered)), (0, 0));
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let covariance: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let spread = |x: &[f64], m: f64| x.iter().map(|v| (v - m).powi(2)).sum::<f64>().sqrt();
    covariance / (spread(a, ma) * spread(b, mb))
}

/// Noise of `outputs` released outputs over a cube whose first cell, which the indicator leaves out, is `hidden[o]`.
/// `planted` is the noise that the consumer put on that cell on top of the honest one.
fn noise_over_hidden_cell(hidden: &[i64], planted: u128, flooded: bool) -> (NoiseBudget, Vec<i128>) {
    const CELLS: usize = 64;
    let key = key(16);
    let mut indicator = [true; CELLS];
    indicator[0] = false;
    let mut query = key.encrypt_with_entropy(&indicator, &context(), entropy(16)).expect("valid indicator");
    query.bodies[0] = query.bodies[0].wrapping_add(planted);
    let shape = Shape::new(CELLS, &vec![11; hidden.len()]).expect("valid shape");
    let rows: Vec<Vec<i64>> = hidden.iter().map(|&h| [vec![h], vec![1; CELLS - 1]].concat()).collect();
    let matrix = Matrix::new(&shape, rows.iter().map(|r| r.as_slice())).expect("entries fit");
    let product = Product::with_masks(&[only_mask(&query)], &query.bodies, &matrix);
    let zero = ZeroKey::new(&context().key_mask(), &query.zero_body);
    let noise = (0..hidden.len())
        .map(|output| {
            let mut fresh = Fresh::sample(shape.budget(), &entropy(17), output as u64);
            if !flooded {
                fresh.flood = 0;
            }
            let phase = product.raw(output, 0).release(&zero, &fresh).phase(&key);
            phase.wrapping_sub((CELLS as u128 - 1) << shape.budget().delta_log2()) as i128
        })
        .collect();
    (*shape.budget(), noise)
}

#[test]
fn attack_noise_without_flooding_betrays_a_cell_that_was_not_asked_for() {
    let mut rng = rng(18);
    let hidden: Vec<i64> = (0..400).map(|_| value(&mut rng, 11) as i64).collect();
    let values: Vec<f64> = hidden.iter().map(|&h| h as f64).collect();
    let as_floats = |noise: &[i128]| noise.iter().map(|&n| n as f64).collect::<Vec<_>>();

    // Honest noise: it depends on the hidden cell, visibly so.
    let bare = correlation(&values, &as_floats(&noise_over_hidden_cell(&hidden, 0, false).1)).abs();
    let flooded = correlation(&values, &as_floats(&noise_over_hidden_cell(&hidden, 0, true).1)).abs();
    println!("correlation of noise and hidden cell: {bare:.3} without flooding, {flooded:.3} with it");
    assert!(bare > 0.9);
    assert!(flooded < 4.0 / (hidden.len() as f64).sqrt(), "four standard errors of no correlation");

    // Noise planted by the consumer: it reads the hidden cell exactly.
    let read = |noise: Vec<i128>| noise.iter().map(|n| ((n + (1 << 59)) >> 60) as i64).collect::<Vec<_>>();
    let recovered = read(noise_over_hidden_cell(&hidden, 1 << 60, false).1);
    println!("planted noise, no flooding: {:?}… of {:?}…", &recovered[..4], &hidden[..4]);
    assert_eq!(recovered, hidden);
    let (budget, noise) = noise_over_hidden_cell(&hidden, 1 << 60, true);
    let right = read(noise.clone()).iter().zip(&hidden).filter(|(a, b)| a == b).count();
    println!("planted noise, flooding 2^{}: {right} of {} right", budget.flood_log2(), hidden.len());
    assert_eq!(right, 0);
    assert!(correlation(&values, &as_floats(&noise)).abs() < 4.0 / (hidden.len() as f64).sqrt());
}

/// The same attacks on what [`evaluate`](crate::linear::evaluate()) hands out, so that no step can go missing there.
#[test]
fn attack_answers_of_the_public_function_give_nothing_either() {
    const ROWS: usize = 64;
    let key = key(19);
    let (query, mask, _) = invertible_query(&key);
    let cube = cube(20);
    let shape = Shape::new(N, &[17; ROWS]).expect("valid shape");
    // Equal rows: their raw outputs are equal, so only the release can make samples differ.
    let row: Vec<i64> = cube.iter().map(|v| v >> 15).collect();
    let matrix = Matrix::new(&shape, [row.as_slice(); ROWS]).expect("entries fit");
    let answer = evaluate_with_entropy(&query, &context(), &matrix, entropy(21)).expect("shapes agree");
    assert_eq!(answer.samples().count(), ROWS, "one limb each");

    let bits =
        |words: &mut dyn Iterator<Item = u64>| words.map(|w| 64 - (w as i64).unsigned_abs().leading_zeros()).max();
    // A right guess of the whole row is not confirmed: what is left of a mask without it is as wide as a uniform one.
    let product = Product::with_masks(&[mask], &query.bodies, &matrix);
    let guess = Released { mask: product.raw(0, 0).mask, body: 0 }.round();
    for sample in answer.samples() {
        assert!(bits(&mut sample[..N].iter().zip(&guess).map(|(a, b)| a.wrapping_sub(*b))) >= Some(60));
    }
    // No two samples share randomness.
    let samples: Vec<&[u64]> = answer.samples().collect();
    for (i, a) in samples.iter().enumerate() {
        for b in &samples[i + 1..] {
            assert!(bits(&mut a[..N].iter().zip(&b[..N]).map(|(a, b)| a.wrapping_sub(*b))) >= Some(60));
        }
    }
    // Each carries flooding of its own.
    let words: Vec<u64> = key.secret().iter().map(|&s| s as u64).collect();
    let message: i128 = row.iter().map(|&v| i128::from(v)).sum();
    let encoded = (message << shape.budget().delta_log2()) as u128;
    let noise = |sample: &&[u64]| (u128::from(phase64(&words, sample)) << 64).wrapping_sub(encoded) as i128 as f64;
    let std = (samples.iter().map(|s| noise(s).powi(2)).sum::<f64>() / ROWS as f64).sqrt();
    let flood = 2f64.powi(shape.budget().flood_log2() as i32) / 3f64.sqrt();
    println!("noise std of {ROWS} public samples 2^{:.2}, flooding 2^{:.2}", std.log2(), flood.log2());
    assert!((0.65..1.35).contains(&(std / flood)));
}
