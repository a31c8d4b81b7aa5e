//! What programs mean, and which ones are refused.

#[path = "support/market.rs"]
mod market;

use market::schema;
use proptest::prelude::*;
use sealock::ErrorKind;
use sealock::asset::{Column, Schema, Value};
use sealock::error::Classify;
use sealock::program::{Aggregate, MAX_PROGRAM_BYTES, Program, ProgramError, Query, col, count, mean, secret, sum};

fn refusal(query: Query) -> ProgramError {
    query.program().plan(&schema()).unwrap_err()
}

#[test]
fn a_program_hides_its_secrets_and_has_one_encoding() {
    let ask = |age: i64, plans: Vec<&str>| {
        Query::select([count()]).filter(col("age").ge(secret(age)) & col("plan").is_in(secret(plans)))
    };
    let (one, two) = (ask(20, vec!["free"]), ask(80, vec!["half", "full"]));
    assert_eq!(one.program(), two.program());
    assert!(!format!("{one:?}").contains("20"), "a query's own Debug redacts");
    let bytes = one.program().to_bytes().unwrap();
    assert_eq!(Program::from_bytes(&bytes).unwrap(), one.program());
    for i in 0..bytes.len() {
        assert!(Program::from_bytes(&bytes[..i]).is_err());
        let mut flipped = bytes.clone();
        flipped[i] ^= 1;
        // A flipped bit is refused or is another program; it is never the same one.
        assert!(Program::from_bytes(&flipped).map_or(true, |p| p != one.program()), "byte {i}");
    }
    let mut long = bytes.clone();
    long.push(0);
    assert!(Program::from_bytes(&long).is_err());
    assert_eq!(Program::from_bytes(&vec![0; MAX_PROGRAM_BYTES + 1]).unwrap_err().kind(), ErrorKind::TooLarge);
}

/// The encoding of release 0.1: what was allowed, proved and signed then must keep its digest, which was computed apart.
#[test]
fn yesterdays_program_keeps_its_bytes_and_digest() {
    let query = Query::select([count(), mean("visits")])
        .filter(col("age").ge(secret(40)) & (col("plan").eq("free") | !col("plan").is_in(["half"])))
        .group_by(["plan"]);
    let program = query.program();
    assert_eq!(hex::encode(program.to_bytes().unwrap()), include_str!("fixtures/program_v1.hex").trim());
    assert_eq!(program.digest().unwrap().to_string(), include_str!("fixtures/program_v1.digest").trim());
}

#[test]
fn nested_bytes_do_not_exhaust_the_stack() {
    // {"not": {"not": … }} a few thousand deep.
    let deep: Vec<u8> = b"\xa1\x63not".repeat(10_000);
    assert!(Program::from_bytes(&deep).is_err());
    let mut filter = col("age").ge(secret(20));
    for _ in 0..40 {
        filter = !(filter & col("age").ge(20));
    }
    assert!(matches!(refusal(Query::select([count()]).filter(filter)), ProgramError::FilterTooLarge { .. }));
    let mut even = col("age").ge(20);
    for _ in 0..100_000 {
        even = !even;
    }
    assert_eq!(even, col("age").ge(20));
}

#[test]
fn refusals_name_the_column_and_what_to_change() {
    let cut = refusal(Query::select([count()]).filter(col("age").gt(30)));
    assert!(matches!(&cut, ProgramError::Unaligned { column, .. } if column == "age"), "{cut}");
    let hint = cut.hint().unwrap();
    assert!(
        hint.contains("< and >= with 0, 20, 40, 60, 80") && hint.contains("<= and > with 19, 39, 59, 79, 99"),
        "{hint}"
    );
    for filter in [col("age").lt(20), col("age").ge(80), col("age").le(19), col("age").gt(79)] {
        Query::select([count()]).filter(filter).program().plan(&schema()).unwrap();
    }
    let cases: [(Query, &str); 8] = [
        (Query::select::<Aggregate>([]), "asks for nothing"),
        (Query::select([count(), count()]), "twice"),
        (Query::select([sum("plan")]), "not a measure"),
        (Query::select([count()]).group_by(["visits"]), "not a dimension"),
        (Query::select([count()]).group_by(["plan", "plan"]), "twice"),
        (Query::select([count()]).filter(col("visits").gt(3)), "not a dimension"),
        (Query::select([count()]).filter(col("plan").lt("half")), "no order"),
        (Query::select([mean("heartbeats")]), "heartbeats"),
    ];
    for (query, words) in cases {
        let error = refusal(query);
        assert!(error.to_string().contains(words), "{error} should say {words:?}");
    }
    assert_eq!(refusal(Query::select([count()]).filter(col("plan").eq("gratis"))).kind(), ErrorKind::OutOfDomain);
}

#[test]
fn hidden_columns_span_at_most_four_million_cells() {
    let wide = Schema::new(vec![
        Column::integer("a", 0, 2047).dimension(),
        Column::integer("b", 0, 2047).dimension(),
        Column::boolean("c").dimension(),
    ])
    .unwrap();
    let two = Query::select([count()]).filter(col("a").eq(secret(1)) & col("b").eq(secret(1)));
    assert_eq!(two.program().plan(&wide).unwrap().cells(), 1 << 22);
    let three = two.filter(col("c").eq(secret(true)));
    let error = three.program().plan(&wide).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedProgram);
}

#[test]
fn clear_conjuncts_stay_clear_and_the_rest_is_hidden() {
    let plan = |query: Query| query.program().plan(&schema()).unwrap();
    let joined = plan(Query::select([count()]).filter(col("age").ge(40) & col("plan").eq(secret("free"))));
    assert_eq!((joined.hidden(), joined.cells()), (&["plan".to_owned()][..], 3));
    let either = plan(Query::select([count()]).filter(col("age").ge(40) | col("plan").eq(secret("free"))));
    assert_eq!((either.hidden().len(), either.cells()), (2, 15));
    let none = plan(Query::select([count()]).group_by(["plan", "age"]));
    assert_eq!((none.cells(), none.groups()), (1, 15));
}

proptest! {
    #[test]
    fn any_bytes_are_a_program_or_a_typed_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(program) = Program::from_bytes(&bytes) {
            prop_assert_eq!(program.to_bytes().unwrap(), bytes);
        }
    }
}

#[test]
fn a_filter_that_is_too_large_is_refused_however_it_grew() {
    let schema = schema();
    let mut filter = col("plan").eq(secret("free"));
    for level in 0..200_000 {
        let part = col("plan").eq("full");
        filter = if level % 2 == 0 { filter & part } else { filter | part };
    }
    let mut doubled = col("plan").eq(secret("free"));
    for _ in 0..64 {
        doubled = doubled.clone() & doubled;
    }
    for filter in [!filter, doubled] {
        let error = Query::select([count()]).filter(filter).program().plan(&schema).unwrap_err();
        assert!(matches!(error, ProgramError::FilterTooLarge { .. }), "{error}");
    }
}

#[test]
fn a_number_has_one_program_however_it_was_written() {
    let digest = |value: Value| {
        let query = Query::select([count()]).filter(col("age").eq(value));
        query.program().digest().unwrap()
    };
    let half = digest(Value::from(1.5));
    for text in ["1.5", "1.50", "15e-1", "1.500000"] {
        assert_eq!(digest(Value::decimal(text).unwrap()), half, "{text}");
    }
}
