//! Decoders take exactly what the encoders wrote.

use shake::{
    Shake256,
    digest::{ExtendableOutput, Update, XofReader},
};

use super::*;
use crate::{
    Error,
    linear::{EncryptedQuery, Matrix, SealedAnswer, Shape, evaluate_with_entropy},
};

fn samples() -> (EncryptedQuery, SealedAnswer) {
    let shape = Shape::new(5, &[30, 8]).expect("valid shape");
    let rows = [vec![1i64, -2, 3, -4, 5], vec![127i64, -128, 0, 1, 1]];
    let matrix = Matrix::new(&shape, rows.iter().map(|r| r.as_slice())).expect("entries fit");
    let indicator = [true, false, true, true, false];
    let query = key(70).encrypt_with_entropy(&shape, &indicator, &context(), entropy(71)).expect("valid indicator");
    let answer = evaluate_with_entropy(&query, &context(), &matrix, entropy(72)).expect("shapes agree");
    (query, answer)
}

fn fingerprint(bytes: &[u8]) -> String {
    let mut hasher = Shake256::default();
    hasher.update(bytes);
    let mut digest = [0; 16];
    hasher.finalize_xof().read(&mut digest);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn both_forms_round_trip_at_their_stated_length() {
    let (query, answer) = samples();
    let bytes = query.to_bytes();
    assert_eq!(bytes.len(), EncryptedQuery::encoded_len(answer.shape()));
    assert_eq!(EncryptedQuery::from_bytes(&bytes), Ok(query));
    let bytes = answer.to_bytes();
    assert_eq!(bytes.len(), SealedAnswer::encoded_len(answer.shape()));
    assert_eq!(SealedAnswer::from_bytes(&bytes), Ok(answer));
}

#[test]
fn version_1_bytes_stay_what_they_are() {
    let (query, answer) = samples();
    assert_eq!(fingerprint(&query.to_bytes()), "2b1c0a5a4f55d0cd0118bf33ad9be40e");
    assert_eq!(fingerprint(&answer.to_bytes()), "30ad6f7e60b505f5e3b56d5dd5a936e5");
}

#[test]
fn cut_or_extended_bytes_are_refused() {
    let (query, answer) = samples();
    let (query, answer) = (query.to_bytes(), answer.to_bytes());
    for len in (0..60).chain([query.len() / 2, query.len() - 1]) {
        assert!(matches!(EncryptedQuery::from_bytes(&query[..len]), Err(Error::Length { got, .. }) if got == len));
    }
    for len in (0..60).chain([answer.len() / 2, answer.len() - 1]) {
        assert!(matches!(SealedAnswer::from_bytes(&answer[..len]), Err(Error::Length { got, .. }) if got == len));
    }
    let extended = |mut bytes: Vec<u8>| {
        bytes.push(0);
        bytes
    };
    assert!(matches!(EncryptedQuery::from_bytes(&extended(query)), Err(Error::Length { .. })));
    assert!(matches!(SealedAnswer::from_bytes(&extended(answer)), Err(Error::Length { .. })));
}

#[test]
fn unknown_versions_are_refused() {
    let (query, answer) = samples();
    let (mut query, mut answer) = (query.to_bytes(), answer.to_bytes());
    (query[0], answer[0]) = (2, 0);
    let what = "encrypted query";
    assert_eq!(EncryptedQuery::from_bytes(&query), Err(Error::Version { what, expected: 1, got: 2 }));
    let what = "sealed answer";
    assert_eq!(SealedAnswer::from_bytes(&answer), Err(Error::Version { what, expected: 1, got: 0 }));
}

#[test]
fn headers_that_claim_too_much_are_refused_before_allocation() {
    let (query, answer) = samples();
    let (query, answer) = (query.to_bytes(), answer.to_bytes());
    for claim in [0u32, (1 << 22) + 1, u32::MAX] {
        for field in [2..6, 6..10] {
            // One of the two counts is 1 and the other 5.
            let got = claim as usize * if field.start == 2 { 5 } else { 1 };
            let mut bytes = query.clone();
            bytes[field.clone()].copy_from_slice(&claim.to_le_bytes());
            assert_eq!(EncryptedQuery::from_bytes(&bytes), Err(Error::Cells { got }));
            let mut bytes = answer.clone();
            bytes[field].copy_from_slice(&claim.to_le_bytes());
            assert!(matches!(SealedAnswer::from_bytes(&bytes), Err(Error::Cells { .. })));
        }
        let mut bytes = answer.clone();
        bytes[10..14].copy_from_slice(&claim.to_le_bytes());
        assert!(matches!(SealedAnswer::from_bytes(&bytes), Err(Error::Outputs { .. })));
    }
    // Many vectors of one cell would be small on the wire and large in memory.
    let mut bytes = answer.clone();
    bytes[2..6].copy_from_slice(&(1u32 << 19).to_le_bytes());
    assert!(matches!(SealedAnswer::from_bytes(&bytes), Err(Error::Vectors { .. })));
    // A query for vectors that are cut, of a length that does not go with it.
    let mut bytes = query.clone();
    bytes[6..10].copy_from_slice(&3000u32.to_le_bytes());
    bytes[11] = 64;
    let expected = 60 + (47 * 4096 + 4096) * 13;
    let got = bytes.len();
    assert_eq!(EncryptedQuery::from_bytes(&bytes), Err(Error::Length { what: "encrypted query", expected, got }));
    for (rows, columns) in [(0, 1), (1, 0), (2, 1), (1, 65), (255, 255)] {
        let mut bytes = query.clone();
        bytes[10..12].copy_from_slice(&[rows, columns]);
        let [rows, columns] = [rows, columns].map(usize::from);
        assert_eq!(EncryptedQuery::from_bytes(&bytes), Err(Error::Packing { rows, columns }));
    }
}

#[test]
fn bits_after_the_last_word_are_refused() {
    let bits = |shape: &Shape| (shape.samples() * 4096 + shape.columns()) * shape.budget().answer_bits() as usize;
    let shape = (1..9)
        .map(|cells| Shape::new(cells, &[8]).expect("valid shape"))
        .find(|shape| bits(shape) % 8 != 0)
        .expect("an answer with such bits");
    let query = key(73).encrypt_with_entropy(&shape, &vec![true; shape.cells()], &context(), entropy(73));
    let row = vec![1i64; shape.cells()];
    let matrix = Matrix::new(&shape, [row.as_slice()]).expect("entries fit");
    let query = query.expect("valid indicator");
    let answer = evaluate_with_entropy(&query, &context(), &matrix, entropy(74)).expect("shapes agree");
    let mut bytes = answer.to_bytes();
    *bytes.last_mut().expect("not empty") |= 1 << 7;
    assert_eq!(SealedAnswer::from_bytes(&bytes), Err(Error::Padding { what: "sealed answer" }));
}

#[test]
fn flipped_header_bits_are_refused_or_mean_another_shape() {
    let (query, answer) = samples();
    let (query_bytes, answer_bytes) = (query.to_bytes(), answer.to_bytes());
    for bit in 0..8 * 12 {
        let mut bytes = query_bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(EncryptedQuery::from_bytes(&bytes), Ok(query.clone()));
        let mut bytes = answer_bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if let Ok(other) = SealedAnswer::from_bytes(&bytes) {
            assert!(matches!(key(70).decrypt(&other, answer.shape()), Err(Error::Shape { .. })));
        }
    }
}

#[test]
fn a_header_of_an_answer_beyond_all_bounds_is_refused() {
    // 2^22 vectors of one cell with 32-bit weights, 2^21 outputs of 95 bits: more bits than a 64-bit number counts.
    let outputs = 1u32 << 21;
    let mut bytes = vec![1, 32];
    bytes.extend([1u32 << 22, 1, outputs].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend(vec![95; outputs as usize]);
    assert!(matches!(SealedAnswer::from_bytes(&bytes), Err(Error::Outputs { .. } | Error::Vectors { .. })));
}
