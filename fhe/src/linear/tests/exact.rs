//! Answers are exact, and bad input is refused before anything is computed.

use super::*;
use crate::{
    Error,
    linear::{EncryptedQuery, Matrix, Row, SealedAnswer, Shape, Weights, evaluate, evaluate_with_entropy},
};

fn clear(shape: &Shape, weights: &[i64], rows: &[Vec<i128>]) -> Vec<i128> {
    let sum = |vector: &[i64], row: &[i128]| vector.iter().zip(row).map(|(&w, &v)| i128::from(w) * v).sum();
    weights.chunks_exact(shape.cells()).flat_map(|vector| rows.iter().map(move |row| sum(vector, row))).collect()
}

/// Encrypts, evaluates, decrypts, and compares with the sums in the clear.
fn check(shape: &Shape, weights: &[i64], rows: &[Vec<i128>], seed: u8) {
    let key = key(seed);
    let query = match shape.weights() {
        Weights::Indicator => {
            let bits: Vec<bool> = weights.iter().map(|&w| w == 1).collect();
            key.encrypt_with_entropy(shape, &bits, &context(), entropy(seed)).expect("valid indicator")
        }
        Weights::Signed { .. } => {
            key.encrypt_weights_with_entropy(shape, weights, &context(), entropy(seed)).expect("valid weights")
        }
    };
    let matrix = Matrix::new(shape, rows.iter().map(|r| r.as_slice())).expect("entries fit");
    let answer = evaluate_with_entropy(&query, &context(), &matrix, entropy(seed)).expect("shapes agree");
    let opened = key.decrypt(&answer, shape).expect("shapes agree");
    assert!(opened == clear(shape, weights, rows), "seed {seed}, {shape:?}");
}

#[test]
fn sums_over_random_matrices_are_exact() {
    let widths = [1, 8, 52, 96];
    for (i, cells) in [1, 2, 31, 500, 4095, 4096, 4097, 8192, 10_000].into_iter().enumerate() {
        let mut rng = rng(i as u8);
        let shape = Shape::new(cells, &widths).expect("valid shape");
        let weights: Vec<i64> = indicator(&mut rng, cells).into_iter().map(i64::from).collect();
        let rows: Vec<Vec<i128>> =
            widths.iter().map(|&bits| (0..cells).map(|_| value(&mut rng, bits)).collect()).collect();
        check(&shape, &weights, &rows, i as u8);
    }
}

#[test]
fn sums_at_the_declared_bounds_are_exact() {
    for (i, cells) in [1, 4096, 8192].into_iter().enumerate() {
        let widths = [1, 16, 17, 18, 32, 33, 34, 35, 64, 96];
        let shape = Shape::new(cells, &widths).expect("valid shape");
        for extreme in [|bits: u8| -(1i128 << (bits - 1)), |bits: u8| (1i128 << (bits - 1)) - 1] {
            let rows: Vec<Vec<i128>> = widths.iter().map(|&bits| vec![extreme(bits); cells]).collect();
            check(&shape, &vec![1; cells], &rows, 20 + i as u8);
            check(&shape, &vec![0; cells], &rows, 30 + i as u8);
        }
    }
}

#[test]
fn many_outputs_of_different_widths_are_exact() {
    let mut rng = rng(40);
    let widths: Vec<u8> = (0..48).map(|i| 1 + 2 * i).collect();
    let shape = Shape::new(300, &widths).expect("valid shape");
    let weights: Vec<i64> = indicator(&mut rng, 300).into_iter().map(i64::from).collect();
    let rows: Vec<Vec<i128>> = widths.iter().map(|&bits| (0..300).map(|_| value(&mut rng, bits)).collect()).collect();
    check(&shape, &weights, &rows, 40);
}

#[test]
fn integer_weights_are_exact_even_at_their_bounds() {
    let mut rng = rng(50);
    let shape = Shape::with_weights(5000, Weights::Signed { bits: 8 }, &[16, 33]).expect("valid shape");
    let weights: Vec<i64> = (0..5000).map(|_| value(&mut rng, 8) as i64).collect();
    let rows: Vec<Vec<i128>> = [16, 33].iter().map(|&b| (0..5000).map(|_| value(&mut rng, b)).collect()).collect();
    check(&shape, &weights, &rows, 50);
    let lowest = [vec![-(1i128 << 15); 5000], vec![-(1i128 << 32); 5000]];
    check(&shape, &vec![-128; 5000], &lowest, 51);
    check(&shape, &vec![127; 5000], &lowest, 52);
}

#[test]
fn rows_of_both_integer_types_give_the_same_answer_through_the_wire() {
    let shape = Shape::new(3, &[60, 60]).expect("valid shape");
    let (narrow, wide) = ([1i64 << 58, -7, 11], [1i128 << 58, -7, 11]);
    let matrix = Matrix::new(&shape, [Row::from(narrow.as_slice()), Row::from(wide.as_slice())]).expect("entries fit");
    let key = QueryKey::generate().expect("randomness");
    let query = key.encrypt(&shape, &[true, true, false], &context()).expect("valid indicator");
    let query = EncryptedQuery::from_bytes(&query.to_bytes()).expect("own bytes");
    let answer = evaluate(&query, &context(), &matrix).expect("shapes agree");
    let answer = SealedAnswer::from_bytes(&answer.to_bytes()).expect("own bytes");
    assert_eq!(key.decrypt(&answer, &shape), Ok(vec![(1 << 58) - 7; 2]));
}

#[test]
fn one_thread_and_many_give_the_same_bytes_and_fresh_randomness_gives_others() {
    let shape = Shape::new(100, &[40, 40]).expect("valid shape");
    let rows = [vec![5i64; 100], vec![-5i64; 100]];
    let matrix = Matrix::new(&shape, rows.iter().map(|r| r.as_slice())).expect("entries fit");
    let query = key(60).encrypt_with_entropy(&shape, &[true; 100], &context(), entropy(60)).expect("valid indicator");
    let run = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a thread pool");
        pool.install(|| {
            evaluate_with_entropy(&query, &context(), &matrix, entropy(seed)).expect("shapes agree").to_bytes()
        })
    };
    assert_eq!(run(1, 1), run(3, 1));
    assert_ne!(run(1, 1), run(1, 2));
}

#[test]
fn another_key_reads_nothing() {
    let shape = Shape::new(2, &[20]).expect("valid shape");
    let matrix = Matrix::new(&shape, [[3i64, 4].as_slice()]).expect("entries fit");
    let query = key(61).encrypt_with_entropy(&shape, &[true; 2], &context(), entropy(61)).expect("valid indicator");
    let answer = evaluate_with_entropy(&query, &context(), &matrix, entropy(61)).expect("shapes agree");
    assert_eq!(key(61).decrypt(&answer, &shape), Ok(vec![7]));
    assert_ne!(key(62).decrypt(&answer, &shape), Ok(vec![7]));
    assert_eq!(format!("{:?}", key(61)), "QueryKey(_)");
}

#[test]
fn a_query_for_another_request_or_shape_is_refused() {
    let shape = Shape::new(2, &[20]).expect("valid shape");
    let matrix = Matrix::new(&shape, [[3i64, 4].as_slice()]).expect("entries fit");
    let key = key(63);
    let query = key.encrypt_with_entropy(&shape, &[true; 2], &context(), entropy(63)).expect("valid indicator");
    assert_eq!(evaluate(&query, &Context::new(&[b"another"]), &matrix), Err(Error::Context));

    for other in [Shape::new(3, &[20]), Shape::new(2, &[20, 20]), Shape::batch(2, 2, Weights::Indicator, &[20])] {
        let other = other.expect("valid shape");
        let bits = vec![true; other.vectors() * other.cells()];
        let query = key.encrypt_with_entropy(&other, &bits, &context(), entropy(63)).expect("valid indicator");
        assert_eq!(evaluate(&query, &context(), &matrix), Err(Error::Shape { what: "query" }));
    }
    let signed = Shape::with_weights(2, Weights::Signed { bits: 2 }, &[20]).expect("valid shape");
    let other = key.encrypt_weights_with_entropy(&signed, &[1, 1], &context(), entropy(63)).expect("valid weights");
    assert_eq!(evaluate(&other, &context(), &matrix), Err(Error::Shape { what: "query" }));

    let answer = evaluate(&query, &context(), &matrix).expect("shapes agree");
    for other in [Shape::new(2, &[21]), Shape::new(3, &[20]), Shape::new(2, &[20, 20])] {
        let other = other.expect("valid shape");
        assert_eq!(key.decrypt(&answer, &other), Err(Error::Shape { what: "answer" }));
    }
}

#[test]
fn matrices_that_do_not_fit_their_shape_are_refused() {
    let shape = Shape::new(2, &[8]).expect("valid shape");
    let refused = |rows: &[&[i64]]| Matrix::new(&shape, rows.iter().copied()).map(|_| ()).expect_err("does not fit");
    assert_eq!(refused(&[]), Error::Rows { expected: 1, got: 0 });
    assert_eq!(refused(&[&[1, 2], &[1, 2]]), Error::Rows { expected: 1, got: 2 });
    assert_eq!(refused(&[&[1]]), Error::CellCount { what: "row", expected: 2, got: 1 });
    for v in [128, -129, i64::MAX, i64::MIN] {
        assert_eq!(refused(&[&[127, v]]), Error::Entry { output: 0, cell: 1, bits: 8 });
    }
    let matrix = Matrix::new(&shape, [[127i64, -128].as_slice()]).expect("entries fit");
    assert!(!format!("{matrix:?}").contains("127"), "entries are not shown");
}

#[test]
fn shapes_and_weights_beyond_the_limits_are_refused() {
    assert_eq!(Shape::new(0, &[8]), Err(Error::Cells { got: 0 }));
    assert_eq!(Shape::new((1 << 22) + 1, &[8]), Err(Error::Cells { got: (1 << 22) + 1 }));
    assert_eq!(Shape::new(1, &[]), Err(Error::Outputs { outputs: 0, samples: 0 }));
    assert_eq!(Shape::new(4096, &[1; 40_000]).map(|shape| shape.samples()), Ok(625));
    let (outputs, samples) = (64 * 40_000, 40_000);
    assert_eq!(Shape::new(4096, &vec![1; outputs]).err(), Some(Error::Outputs { outputs, samples }));
    let batch = |vectors, cells| Shape::batch(vectors, cells, Weights::Indicator, &[8]);
    assert_eq!(batch(0, 8), Err(Error::Cells { got: 0 }));
    assert_eq!(batch(1 << 12, 1 << 11), Err(Error::Cells { got: 1 << 23 }));
    assert_eq!(batch(1 << 20, 2), Err(Error::Vectors { vectors: 1 << 20, ciphertexts: 1 << 14 }));
    for bits in [0, 97, 255] {
        assert_eq!(Shape::new(1, &[bits]), Err(Error::ValueBits { bits }));
    }
    let wide = Shape::with_weights(1 << 20, Weights::Signed { bits: 12 }, &[96]);
    assert_eq!(wide, Err(Error::ValueBits { bits: 96 }), "the sum would not fit an i128");
    for bits in [0, 33, 64, 255] {
        let shape = Shape::with_weights(1, Weights::Signed { bits }, &[8]);
        assert_eq!(shape, Err(Error::NoBudget { bits, cells: 1 }));
    }

    let key = key(64);
    let signed = Shape::with_weights(2, Weights::Signed { bits: 3 }, &[8]).expect("valid shape");
    assert_eq!(key.encrypt_weights(&signed, &[0, 4], &context()), Err(Error::Weight { cell: 1, bits: 3 }));
    assert_eq!(key.encrypt_weights(&signed, &[-5, 0], &context()), Err(Error::Weight { cell: 0, bits: 3 }));
    assert_eq!(key.encrypt(&signed, &[true; 2], &context()), Err(Error::Shape { what: "indicator" }));
    let count = |what, got| Err(Error::CellCount { what, expected: 2, got });
    assert_eq!(key.encrypt_weights(&signed, &[0], &context()), count("weights", 1));
    let shape = Shape::new(2, &[8]).expect("valid shape");
    assert_eq!(key.encrypt(&shape, &[true; 3], &context()), count("indicator", 3));
    assert_eq!(key.encrypt_weights(&shape, &[0, 1], &context()), Err(Error::Shape { what: "weights" }));
}

#[test]
fn products_of_cut_vectors_are_exact() {
    for (seed, vectors, cells, widths) in [
        // Few and many results to a mask, the last block shorter, tiles that are not full.
        (90, 1, 1500, vec![40; 30]),
        (91, 1, 4099, vec![9; 150]),
        (92, 3, 2500, vec![33]),
        (93, 70, 600, vec![20]),
        (94, 9, 700, vec![8, 60, 17, 17, 30]),
    ] {
        let mut rng = rng(seed);
        let shape = Shape::batch(vectors, cells, Weights::Signed { bits: 8 }, &widths).expect("valid shape");
        println!("{:?}, {} blocks", shape.packing(), shape.packing().blocks());
        assert!(shape.packing().blocks() > cells.div_ceil(4096) && shape.packing().is_sound());
        let weights: Vec<i64> = (0..vectors * cells).map(|_| value(&mut rng, 8) as i64).collect();
        let rows: Vec<Vec<i128>> =
            widths.iter().map(|&bits| (0..cells).map(|_| value(&mut rng, bits)).collect()).collect();
        check(&shape, &weights, &rows, seed);
        let lowest: Vec<Vec<i128>> = widths.iter().map(|&bits| vec![-(1i128 << (bits - 1)); cells]).collect();
        check(&shape, &vec![-128; vectors * cells], &lowest, seed);
        // Through the wire.
        let key = key(seed);
        let query = key.encrypt_weights(&shape, &weights, &context()).expect("valid weights");
        let bytes = query.to_bytes();
        assert_eq!(bytes.len(), EncryptedQuery::encoded_len(&shape));
        assert_eq!(EncryptedQuery::from_bytes(&bytes), Ok(query));
    }
}

#[test]
fn batches_of_vectors_are_exact() {
    for (seed, vectors, cells, widths) in [
        (80, 3, 30, vec![20; 5]),
        (81, 130, 30, vec![32]),
        (82, 64, 7, vec![8, 60]),
        (83, 5, 1500, vec![40; 3]),
        (84, 2, 5000, vec![9, 64]),
        (85, 17, 1, vec![12; 70]),
    ] {
        let mut rng = rng(seed);
        let shape = Shape::batch(vectors, cells, Weights::Signed { bits: 8 }, &widths).expect("valid shape");
        let weights: Vec<i64> = (0..vectors * cells).map(|_| value(&mut rng, 8) as i64).collect();
        let rows: Vec<Vec<i128>> =
            widths.iter().map(|&bits| (0..cells).map(|_| value(&mut rng, bits)).collect()).collect();
        check(&shape, &weights, &rows, seed);
        let lowest: Vec<Vec<i128>> = widths.iter().map(|&bits| vec![-(1i128 << (bits - 1)); cells]).collect();
        check(&shape, &vec![-128; vectors * cells], &lowest, seed);
    }
}

/// The question of a grouped query: 100 groups over the hidden cells of a cube of 8,192.
#[test]
fn a_grouped_answer_is_small_and_exact() {
    let mut rng = rng(86);
    let (groups, cells) = (100, 82);
    let widths: Vec<u8> = (0..groups).flat_map(|_| [64, 33]).collect();
    let shape = Shape::new(cells, &widths).expect("valid shape");
    println!("{} limbs in {} samples", shape.columns(), shape.samples());
    assert!(SealedAnswer::encoded_len(&shape) <= 300_000, "{} bytes", SealedAnswer::encoded_len(&shape));
    assert!(EncryptedQuery::encoded_len(&shape) <= 160_000, "{} bytes", EncryptedQuery::encoded_len(&shape));
    let rows: Vec<Vec<i128>> = widths.iter().map(|&bits| (0..cells).map(|_| value(&mut rng, bits)).collect()).collect();
    let weights: Vec<i64> = indicator(&mut rng, cells).into_iter().map(i64::from).collect();
    check(&shape, &weights, &rows, 86);
}

#[test]
fn a_query_over_all_cells_of_a_cube_is_small() {
    let key = EncryptedQuery::encoded_len(&Shape::new(1, &[8]).expect("valid shape"));
    assert!(key < 53_400, "the public key and a header: {key} bytes");
    for cells in [1, 100, 1024, 2048, 4096, 8192, 100_000, 1 << 22] {
        let query = EncryptedQuery::encoded_len(&Shape::new(cells, &[63, 32]).expect("valid shape"));
        println!("{cells} cells: {query} bytes");
        assert!(query - key <= 40_000 * (2 * cells).div_ceil(2048));
        if cells >= 2048 {
            assert!(query - key <= 40_000 * cells.div_ceil(2048), "{cells} cells: {query} bytes");
        }
    }
    assert!(EncryptedQuery::encoded_len(&Shape::new(8192, &[63, 32]).expect("valid shape")) <= 160_000);
}
