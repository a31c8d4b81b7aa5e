//! What a consumer can do to an output that is not released properly. Each attack is carried out and succeeds, then is
//! repeated on a properly released output and fails. The consumer knows its key, its masks and its noise.

use super::*;
use crate::linear::{
    EncryptedQuery, Matrix, NoiseBudget, Shape, Weights,
    client::phases,
    evaluate::{Product, evaluate_with_entropy},
    release::{Fresh, ZeroKey},
    ring::{N, Selection, tests::multiply},
    shape::recompose,
};

const BITS: u8 = 32;

/// One sum over a whole ring element, or over all rows of it.
fn one_sum() -> Shape {
    Shape::new(N, &[BITS]).expect("valid shape")
}

/// A cube of 4,096 cells with the values of an ordinary measure.
fn cube(seed: u8) -> Vec<i64> {
    values(seed, N)
}

fn values(seed: u8, count: usize) -> Vec<i64> {
    let mut rng = rng(seed);
    (0..count).map(|_| value(&mut rng, BITS) as i64).collect()
}

/// A query of one ciphertext whose mask is a unit, together with the mask and its inverse.
///
/// `a` is a unit of `Z_{2^128}[X]/(X^N + 1)` exactly if `a(1)` is odd: modulo 2 the ring is local, with ideal (X + 1).
fn invertible_query(key: &QueryKey, shape: &Shape) -> (EncryptedQuery, Vec<u128>, Vec<u128>) {
    (0..=u8::MAX)
        .map(|seed| {
            let count = shape.vectors() * shape.cells();
            match shape.weights() {
                Weights::Indicator => key.encrypt_with_entropy(shape, &vec![true; count], &context(), entropy(seed)),
                Weights::Signed { .. } => {
                    key.encrypt_weights_with_entropy(shape, &vec![1; count], &context(), entropy(seed))
                }
            }
            .expect("valid weights")
        })
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

/// Solves `mask = a·w` for the digits.
fn solve(mask: &[u128], inverse: &[u128]) -> Vec<i128> {
    multiply(mask, inverse).into_iter().map(|c| c as i128).collect()
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

/// The ring element that holds a block of the digits of a tile of columns.
fn digits(product: &Product<'_>, shape: &Shape, tile: usize, block: usize) -> Vec<i128> {
    let mut digits = vec![0; N];
    product.digits(shape.columns_of(tile), block, &mut digits);
    digits.into_iter().map(i128::from).collect()
}

/// The product of the only tile of vectors with a tile of columns.
fn raw(product: &Product<'_>, tile: usize) -> Raw {
    product.raw(tile, 0..1).remove(0)
}

fn fresh(shape: &Shape, tile: usize, seed: u8, index: u64) -> Fresh {
    let results = shape.packing().vectors_of(0).len() * shape.columns_of(tile).len();
    Fresh::sample(shape.budget(), results, &entropy(seed), index)
}

/// A rounded mask at its place in the 128 bits.
fn widened(words: &[u64], shape: &Shape) -> Vec<u128> {
    words.iter().map(|&word| u128::from(word) << (128 - shape.budget().answer_bits())).collect()
}

/// One query recovers the digits of every column that a raw mask was multiplied with, and nothing of a released one.
fn masks_betray_the_matrix_unless_released(shape: &Shape, rows: &[Vec<i64>], seed: u8) {
    let key = key(seed);
    let (query, mask, inverse) = invertible_query(&key, shape);
    let matrix = Matrix::new(shape, rows.iter().map(|r| r.as_slice())).expect("entries fit");
    // Of vectors that are cut, block by block: the other masks are 0.
    let products: Vec<Product<'_>> = (0..shape.packing().blocks())
        .map(|block| {
            let mut masks = vec![vec![0; N]; shape.ciphertexts()];
            masks[block].clone_from(&mask);
            Product::with_masks(&masks, query.ring_bodies(), &matrix)
        })
        .collect();

    let mut limbs: Vec<Vec<i64>> = vec![Vec::new(); shape.columns()];
    for (block, product) in products.iter().enumerate() {
        for tile in 0..shape.column_tiles() {
            let found = solve(&raw(product, tile).mask.finish(), &inverse);
            for (k, column) in shape.columns_of(tile).enumerate() {
                let first = shape.packing().column(k);
                let digits = &found[first..first + shape.packing().cells_of(block).len()];
                limbs[column].extend(digits.iter().map(|&d| d as i64));
            }
        }
    }
    let mut limbs = limbs.into_iter();
    let recovered: Vec<Vec<i64>> = (0..shape.outputs())
        .map(|output| {
            let limbs: Vec<Vec<i64>> = limbs.by_ref().take(shape.limbs(output)).collect();
            (0..shape.cells()).map(|j| recompose(limbs.iter().map(|l| l[j]), shape.budget()) as i64).collect()
        })
        .collect();
    println!("unprotected: recovered {:?}… of {:?}…", &recovered[0][..4], &rows[0][..4]);
    assert!(recovered == rows, "every cell of every row");

    // Released, before and after rounding.
    let zero = ZeroKey::new(&context().key_mask(), &query.zero_body);
    let parts = products.iter().enumerate().flat_map(|part| (0..shape.column_tiles()).map(move |tile| (part, tile)));
    for ((block, product), tile) in parts {
        let truth = digits(product, shape, tile, block);
        let used = truth.iter().filter(|&&d| d != 0).count();
        let released =
            raw(product, tile).release(&zero, &fresh(shape, tile, seed, (tile * products.len() + block) as u64));
        let exact = solve(&released.mask, &inverse);
        let sample = released.round(shape.budget());
        let rounded = solve(&widened(&sample.mask, shape), &inverse);
        for (form, found) in [("released", exact), ("rounded", rounded)] {
            let right = agreeing(&found, &truth);
            println!(
                "{form}, tile {tile}, block {block}: {right} of {used} digits right, {} small values",
                small(&found)
            );
            assert_eq!((right, small(&found)), (0, 0));
        }
        assert_eq!(sample.mask.len(), N);
        let results = shape.packing().vectors_of(0).len() * shape.columns_of(tile).len();
        assert_eq!(sample.bodies.len(), results, "the other products in the body stay here");
    }
}

#[test]
fn attack_raw_mask_gives_the_whole_cube_and_a_released_one_gives_none_of_it() {
    masks_betray_the_matrix_unless_released(&one_sum(), &[cube(2)], 1);
}

#[test]
fn attack_packed_raw_mask_gives_every_group_and_a_released_one_gives_none_of_them() {
    let shape = Shape::new(82, &[BITS; 60]).expect("valid shape");
    assert!(shape.packing().columns >= 40 && shape.column_tiles() > 1);
    let rows: Vec<Vec<i64>> = (0..60).map(|i| values(100 + i, 82)).collect();
    masks_betray_the_matrix_unless_released(&shape, &rows, 22);
}

#[test]
fn attack_raw_mask_of_cut_vectors_gives_every_column_and_a_released_one_gives_none_of_them() {
    let shape = Shape::new(1500, &[BITS; 60]).expect("valid shape");
    let packing = shape.packing();
    assert!(packing.columns >= 4 && packing.blocks() > 1 && shape.column_tiles() > 1, "{packing:?}");
    let rows: Vec<Vec<i64>> = (0..60).map(|i| values(30 + i, 1500)).collect();
    masks_betray_the_matrix_unless_released(&shape, &rows, 28);
    // Several vectors too.
    let shape = Shape::batch(3, 2500, Weights::Signed { bits: 8 }, &[BITS]).expect("valid shape");
    assert!(shape.packing().rows == 3 && shape.packing().blocks() > 1, "{shape:?}");
    masks_betray_the_matrix_unless_released(&shape, &[values(29, 2500)], 29);
}

#[test]
fn attack_raw_mask_of_a_batch_gives_the_model_and_a_released_one_gives_none_of_it() {
    let model = [values(23, 30), values(24, 30)];
    let shape = Shape::batch(12, 30, Weights::Signed { bits: 8 }, &[BITS, BITS]).expect("valid shape");
    assert!(shape.packing().tiles() == 1 && shape.packing().rows > 8, "{shape:?}");
    masks_betray_the_matrix_unless_released(&shape, &model, 25);
}

/// Reads a released mask as if it were `2^96 · digits`.
fn read_off(mask: &[u128]) -> Vec<i128> {
    mask.iter().map(|&c| i128::from((c.wrapping_add(1 << 95) >> 96) as i32)).collect()
}

#[test]
fn attack_key_mask_chosen_by_the_consumer_gives_the_cube_and_a_hashed_one_does_not() {
    let key = key(4);
    let cube = cube(5);
    let shape = one_sum();
    let matrix = Matrix::new(&shape, [cube.as_slice()]).expect("entries fit");

    // The consumer's ciphertext has the mask 2^96, and the body 2^96·s that goes with it.
    let mut mask = vec![0u128; N];
    mask[0] = 1 << 96;
    let body: Vec<u128> = key.secret().iter().map(|s| s << 96).collect();
    let product = Product::with_masks(&[mask], vec![body], &matrix);
    let truth = digits(&product, &shape, 0, 0);
    let release = |key_mask: &[u128]| {
        let zero_body = key.zero_body(key_mask, &entropy(6));
        let released = raw(&product, 0).release(&ZeroKey::new(key_mask, &zero_body), &fresh(&shape, 0, 7, 0));
        read_off(&widened(&released.round(shape.budget()).mask, &shape))
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
    let shape = one_sum();
    let (query, mask, _) = invertible_query(&key, &shape);
    let (cube, mut wrong) = (cube(9), cube(9));
    wrong[1234] += 1;
    let matrix = Matrix::new(&shape, [cube.as_slice()]).expect("entries fit");
    let guess = |cube: &[i64]| {
        let matrix = Matrix::new(&shape, [cube]).expect("entries fit");
        raw(&Product::with_masks(std::slice::from_ref(&mask), query.ring_bodies(), &matrix), 0).mask.finish()
    };
    let product = Product::with_masks(std::slice::from_ref(&mask), query.ring_bodies(), &matrix);
    // Largest coefficient of what is left of the released mask after the guess is taken away, in bits.
    let residue = |key_mask: &[u128], cube: &[i64]| {
        let zero_body = key.zero_body(key_mask, &entropy(10));
        let released = raw(&product, 0).release(&ZeroKey::new(key_mask, &zero_body), &fresh(&shape, 0, 11, 0));
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

/// The consumer's public-key body is `b = 2^100`, so that each body coefficient that leaves tells one of `u`.
#[test]
fn attack_many_released_coefficients_read_the_zeros_secret_and_a_few_of_a_wide_one_do_not() {
    let shape = Shape::new(82, &[BITS; 60]).expect("valid shape");
    let rows: Vec<Vec<i64>> = (0..60).map(|i| values(100 + i, 82)).collect();
    let matrix = Matrix::new(&shape, rows.iter().map(|r| r.as_slice())).expect("entries fit");
    let mut ciphertext = vec![0u128; N];
    ciphertext[0] = 1 << 96;
    let product = Product::with_masks(&[ciphertext], vec![vec![0; N]], &matrix);
    let truth = digits(&product, &shape, 0, 0);
    let (key_mask, shift) = (context().key_mask(), shape.budget().flood_log2() + 2);
    let mut body = vec![0u128; N];
    body[0] = 1 << shift;
    let zero = ZeroKey::new(&key_mask, &body);

    // What is left of a mask without a·u, as far as u was read.
    let attack = |released: &Released| {
        let mut read = vec![0u128; N];
        for (&at, &body) in released.results.iter().zip(released.bodies.iter()) {
            read[at] = ((body.wrapping_add(1 << (shift - 1)) as i128) >> shift) as u128;
        }
        let left = difference(&released.mask, &multiply(&key_mask, &read));
        (read, read_off(&left))
    };
    let u_of = |fresh: &Fresh| fresh.u.iter().map(|&c| c as u128).collect::<Vec<_>>();

    // Unprotected: a binary secret and every coefficient. The whole tile of columns is read.
    let all = |fresh: &mut Fresh| {
        let more = Fresh::sample(shape.budget(), N, &entropy(27), 1);
        (fresh.e2, fresh.flood) = (more.e2.clone(), more.flood.clone());
        let raw = Raw { mask: raw(&product, 0).mask, body: Selection::new((0..N).collect(), true) };
        raw.release(&zero, fresh)
    };
    let mut binary = fresh(&shape, 0, 26, 0);
    binary.u.iter_mut().for_each(|c| *c &= 1);
    let (read, found) = attack(&all(&mut binary));
    println!(
        "binary u, all coefficients: {} of {N} of u right",
        read.iter().zip(&u_of(&binary)).filter(|(a, b)| a == b).count()
    );
    assert!(read == u_of(&binary) && found == truth);
    // Width alone does not help: it only makes each coordinate cost more bits.
    let mut wide = fresh(&shape, 0, 26, 0);
    let (read, found) = attack(&all(&mut wide));
    assert!(read == u_of(&wide) && found == truth);

    // Released: at most 64 coefficients of u are read, and the columns stay hidden.
    let fresh = fresh(&shape, 0, 26, 0);
    let released = raw(&product, 0).release(&zero, &fresh);
    let (read, found) = attack(&released);
    let known = read.iter().zip(&u_of(&fresh)).filter(|(a, b)| **a != 0 && a == b).count();
    println!("released: {known} of {N} of u right, {} of {N} digits", agreeing(&found, &truth));
    assert!(known <= released.results.len() && released.results.len() <= crate::linear::MAX_PACKED);
    assert!(known > 30, "the hints are there");
    assert_eq!(agreeing(&found, &truth), 0);
}

/// Two rows under one query, released with the randomness of these two indices: what their difference tells.
fn reuse_betrays_the_difference(shape: &Shape, rows: &[Vec<i64>], tiles: [usize; 2], seed: u8) {
    let key = key(seed);
    let (query, mask, inverse) = invertible_query(&key, shape);
    let matrix = Matrix::new(shape, rows.iter().map(|c| c.as_slice())).expect("entries fit");
    let product = Product::with_masks(&[mask], query.ring_bodies(), &matrix);
    let zero = ZeroKey::new(&context().key_mask(), &query.zero_body);
    let [one, other] = tiles.map(|tile| digits(&product, shape, tile, 0));
    let truth: Vec<i128> = one.iter().zip(other).map(|(a, b)| a - b).collect();
    let recover = |indices: [u64; 2]| {
        let release = |i: usize| raw(&product, tiles[i]).release(&zero, &fresh(shape, tiles[i], seed, indices[i])).mask;
        solve(&difference(&release(0), &release(1)), &inverse)
    };

    let recovered = recover([0, 0]);
    println!("reused: {} of {N} differences right: {:?}…", agreeing(&recovered, &truth), &recovered[..4]);
    assert_eq!(recovered, truth);
    let recovered = recover([0, 1]);
    println!("fresh: {} of {N} differences right, {} small values", agreeing(&recovered, &truth), small(&recovered));
    assert_eq!((agreeing(&recovered, &truth), small(&recovered)), (0, 0));
}

#[test]
fn attack_reused_randomness_gives_the_difference_of_two_cubes_and_fresh_randomness_does_not() {
    let shape = Shape::new(N, &[BITS, BITS]).expect("valid shape");
    let second = shape.limbs(0);
    reuse_betrays_the_difference(&shape, &[cube(13), cube(14)], [0, second], 12);
    let shape = Shape::new(82, &[BITS; 60]).expect("valid shape");
    let rows: Vec<Vec<i64>> = (0..60).map(|i| values(160 + i, 82)).collect();
    reuse_betrays_the_difference(&shape, &rows, [0, 1], 15);
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let covariance: f64 = a.iter().zip(b).map(|(x, y)| (x - ma) * (y - mb)).sum();
    let spread = |x: &[f64], m: f64| x.iter().map(|v| (v - m).powi(2)).sum::<f64>().sqrt();
    covariance / (spread(a, ma) * spread(b, mb))
}

/// Noise of released results over cubes whose first cell, which the indicator leaves out, is `hidden[o]`, 8 cubes to an
/// answer. `planted` is the noise that the consumer put on that cell on top of the honest one.
fn noise_over_hidden_cell(cells: usize, hidden: &[i64], planted: u128, flooded: bool) -> (NoiseBudget, Vec<i128>) {
    let key = key(16);
    let mut indicator = vec![true; cells];
    indicator[0] = false;
    let shape = Shape::new(cells, &[11; 8]).expect("valid shape");
    let query = key.encrypt_with_entropy(&shape, &indicator, &context(), entropy(16)).expect("valid indicator");
    let mut bodies = query.ring_bodies();
    let place = &mut bodies[0][shape.packing().weight(0, 0)];
    *place = place.wrapping_add(planted);
    let zero = ZeroKey::new(&context().key_mask(), &query.zero_body);
    let message = (cells as u128 - 1) << shape.budget().delta_log2();
    let mut noise = Vec::new();
    for (answer, hidden) in hidden.chunks_exact(8).enumerate() {
        let rows: Vec<Vec<i64>> = hidden.iter().map(|&h| [vec![h], vec![1; cells - 1]].concat()).collect();
        let matrix = Matrix::new(&shape, rows.iter().map(|r| r.as_slice())).expect("entries fit");
        let product = Product::with_masks(&[only_mask(&query)], bodies.clone(), &matrix);
        for tile in 0..shape.column_tiles() {
            let mut fresh = fresh(&shape, tile, 17, (answer * shape.column_tiles() + tile) as u64);
            if !flooded {
                // Neither the flooding nor the zero: what the cube's own noise tells.
                fresh.flood.fill(0);
                fresh.u.fill(0);
            }
            let phases = raw(&product, tile).release(&zero, &fresh).phases(&key);
            noise.extend(phases.into_iter().map(|phase| phase.wrapping_sub(message) as i128));
        }
    }
    (*shape.budget(), noise)
}

#[test]
fn attack_noise_without_flooding_betrays_a_cell_that_was_not_asked_for() {
    /// Cells of columns that do not share ring elements.
    const ALONE: usize = N / 2 + 1;
    let mut rng = rng(18);
    let hidden: Vec<i64> = (0..400).map(|_| value(&mut rng, 11) as i64).collect();
    let values: Vec<f64> = hidden.iter().map(|&h| h as f64).collect();
    let as_floats = |noise: &[i128]| noise.iter().map(|&n| n as f64).collect::<Vec<_>>();

    // Honest noise: it depends on the hidden cell, visibly so. Alone in its ring element, proportionally.
    let noise_of = |flooded| as_floats(&noise_over_hidden_cell(ALONE, &hidden, 0, flooded).1);
    let bare = correlation(&values, &noise_of(false)).abs();
    let flooded = correlation(&values, &noise_of(true)).abs();
    println!("correlation of noise and hidden cell: {bare:.3} without flooding, {flooded:.3} with it");
    assert!(bare > 0.9);
    assert!(flooded < 4.0 / (hidden.len() as f64).sqrt(), "four standard errors of no correlation");

    // Noise planted by the consumer: it reads the hidden cell exactly, packed or not.
    let read = |noise: &[i128]| noise.iter().map(|n| ((n + (1 << 59)) >> 60) as i64).collect::<Vec<_>>();
    for cells in [ALONE, 64] {
        let recovered = read(&noise_over_hidden_cell(cells, &hidden, 1 << 60, false).1);
        println!("planted noise, no flooding: {:?}… of {:?}…", &recovered[..4], &hidden[..4]);
        assert_eq!(recovered, hidden);
        let (budget, noise) = noise_over_hidden_cell(cells, &hidden, 1 << 60, true);
        let right = read(&noise).iter().zip(&hidden).filter(|(a, b)| a == b).count();
        println!("planted noise, flooding 2^{}: {right} of {} right", budget.flood_log2(), hidden.len());
        assert_eq!(right, 0);
        assert!(correlation(&values, &as_floats(&noise)).abs() < 4.0 / (hidden.len() as f64).sqrt());
    }
}

/// Samples of the public function over so many equal rows.
fn released_samples_have_nothing_in_common(rows: usize) {
    let key = key(19);
    let shape = Shape::new(N, &vec![15; rows]).expect("valid shape");
    let query = key.encrypt_with_entropy(&shape, &[true; N], &context(), entropy(22)).expect("valid indicator");
    // Equal rows: their raw outputs are equal, so only the release can make samples differ.
    let row: Vec<i64> = cube(20).iter().map(|v| v >> 17).collect();
    let matrix = Matrix::new(&shape, vec![row.as_slice(); rows]).expect("entries fit");
    let answer = evaluate_with_entropy(&query, &context(), &matrix, entropy(21)).expect("shapes agree");
    let (samples, columns) = (answer.samples(), shape.packing().columns);
    assert_eq!((shape.limbs(0), samples.len() * columns), (1, rows));

    let width = |a: &[u128], b: &[u128]| {
        difference(a, b).into_iter().map(|c| 128 - (c as i128).unsigned_abs().leading_zeros()).max()
    };
    // A right guess of all rows is not confirmed: what is left of a mask without it is as wide as a uniform one.
    let guess = raw(&Product::new(&query, &matrix), 0).mask.finish();
    for sample in samples {
        assert!(width(&widened(&sample.mask, &shape), &guess) >= Some(124));
    }
    // No two samples share randomness.
    for (i, a) in samples.iter().enumerate() {
        for b in &samples[i + 1..] {
            assert!(width(&widened(&a.mask, &shape), &widened(&b.mask, &shape)) >= Some(124));
        }
    }
    // Each carries flooding of its own.
    let encoded = (row.iter().map(|&v| i128::from(v)).sum::<i128>() << shape.budget().delta_log2()) as u128;
    let bits = key.bits();
    let phases = samples.iter().flat_map(|sample| phases(&bits, sample, &shape, columns));
    let noise: Vec<i128> = phases.map(|phase| phase.wrapping_sub(encoded) as i128).collect();
    let std = (noise.iter().map(|&n| (n as f64).powi(2)).sum::<f64>() / rows as f64).sqrt();
    let flood = 2f64.powi(shape.budget().flood_log2() as i32) / 3f64.sqrt();
    println!("noise std of {rows} public results 2^{:.2}, flooding 2^{:.2}", std.log2(), flood.log2());
    assert!((0.65..1.35).contains(&(std / flood)));
}

/// The same attacks on what [`evaluate`](crate::linear::evaluate()) hands out, so that no step can go missing there.
#[test]
fn attack_answers_of_the_public_function_give_nothing_either() {
    // One result to a mask, and several of vectors that are cut.
    released_samples_have_nothing_in_common(8);
    released_samples_have_nothing_in_common(256);
}
