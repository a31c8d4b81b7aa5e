//! Schemas: what they accept, what they refuse, and how values, cells and bounds agree.

use proptest::prelude::*;
use sealock::{
    asset::{AssetError, Column, Kind, Role, Schema, Value},
    codec::to_canonical,
    error::{Classify, ErrorKind},
};

fn patients() -> Schema {
    Schema::new(vec![
        Column::category("plan", ["free", "25%", "95%"]).dimension().describe("share that the patient pays"),
        Column::integer("age", 0, 120).bins([0, 18, 65, 120]).dimension().measure(),
        Column::decimal_between("cost", 2, "0.00", "99999.99").unwrap().measure().nullable(),
        Column::boolean("insured").dimension().nullable(),
        Column::decimal("score", 1, -5, 5).dimension(),
    ])
    .unwrap()
}

#[test]
fn a_schema_survives_dag_cbor_and_json() {
    let schema = patients();
    let bytes = schema.to_bytes();
    assert_eq!(Schema::from_bytes(&bytes).unwrap(), schema);
    let json = serde_json::to_string(&schema).unwrap();
    assert_eq!(serde_json::from_str::<Schema>(&json).unwrap(), schema);
    assert_eq!(schema.digest(), Schema::from_bytes(&bytes).unwrap().digest());
    assert_ne!(schema.digest(), schema.clone().without_column("plan").unwrap().digest());
}

/// The first published encoding: it must stay readable, and its digest must not move.
#[test]
fn the_encoding_of_version_1_is_fixed() {
    let schema = Schema::new(vec![Column::integer("age", 0, 120).bins([0, 18, 120]).dimension()]).unwrap();
    let bytes = hex::decode(concat!(
        "a267636f6c756d6e7381a56462696e7383001218786",
        "46b696e64a167696e7465676572a2636d61781878636d696e00",
        "646e616d6563616765",
        "64726f6c65a2676d656173757265f46964696d656e73696f6ef5",
        "686e756c6c61626c65f4",
        "6776657273696f6e01"
    ))
    .unwrap();
    assert_eq!(hex::encode(schema.to_bytes()), hex::encode(&bytes));
    assert_eq!(Schema::from_bytes(&bytes).unwrap(), schema);
    assert_eq!(
        serde_json::to_string(&schema).unwrap(),
        r#"{"version":1,"columns":[{"name":"age","kind":{"integer":{"min":0,"max":120}},"role":{"dimension":true,"measure":false},"nullable":false,"bins":[0,18,120]}]}"#
    );
}

#[test]
fn damaged_encodings_are_refused() {
    let schema = patients();
    let bytes = schema.to_bytes();
    for end in 0..bytes.len() {
        assert_eq!(Schema::from_bytes(&bytes[..end]).unwrap_err().kind(), ErrorKind::Malformed, "cut at {end}");
    }
    for extra in [0x00, 0xf6, 0xff] {
        assert_eq!(Schema::from_bytes(&[&bytes[..], &[extra]].concat()).unwrap_err().kind(), ErrorKind::Malformed);
    }
    // A flipped bit gives an error or another schema, never the same one from other bytes.
    for i in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[i / 8] ^= 1 << (i % 8);
        if let Ok(other) = Schema::from_bytes(&flipped) {
            assert_ne!(other, schema, "bit {i}");
            assert_eq!(other.to_bytes(), flipped, "bit {i}");
        }
    }
    let large = vec![0; Schema::MAX_BYTES + 1];
    assert_eq!(Schema::from_bytes(&large).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn hostile_encodings_cost_neither_stack_nor_memory() {
    let deep = vec![0x81; 1 << 20];
    let deep_in_map = [&b"\xa2\x61x"[..], &deep].concat();
    // A list that claims 2^62 columns.
    let long = b"\xa2\x67columns\x9b\x40\x00\x00\x00\x00\x00\x00\x00";
    let long_text = b"\xa2\x67columns\x7b\x40\x00\x00\x00\x00\x00\x00\x00";
    for bytes in [&deep[..], &deep_in_map, long, long_text] {
        assert_eq!(Schema::from_bytes(bytes).unwrap_err().kind(), ErrorKind::Malformed);
    }
}

#[test]
fn an_unknown_version_is_named_whatever_its_fields_are() {
    #[derive(serde::Serialize)]
    struct Later {
        version: u64,
        new_field: &'static str,
    }
    let bytes = to_canonical("schema", &Later { version: 2, new_field: "x" }).unwrap();
    let error = Schema::from_bytes(&bytes).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedVersion);
    assert!(error.to_string().contains("version 2") && error.hint().is_some());
}

#[test]
fn what_a_constructor_refuses_a_decoder_refuses() {
    let good = serde_json::to_value(patients()).unwrap();
    let read = |path: &str, value: serde_json::Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(path).unwrap() = value;
        serde_json::from_value::<Schema>(changed)
    };
    assert!(read("/columns/1/kind/integer/max", 119.into()).is_ok());
    assert!(read("/columns/1/kind/integer/max", (-1).into()).is_err(), "empty range");
    assert!(read("/columns/1/bins/2", 18.into()).is_err(), "edges not ascending");
    assert!(read("/columns/0/name", "age".into()).is_err(), "two of a name");
    assert!(read("/columns/2/kind/decimal/scale", 19.into()).is_err());
    assert!(read("/columns/2/kind/decimal/min", serde_json::json!(0.5)).is_err(), "a float");
    assert!(read("/version", 2.into()).is_err());
    assert!(read("/columns", serde_json::json!([])).is_err());
    let mut extended = good.clone();
    extended["columns"][0]["unknown"] = 1.into();
    assert!(serde_json::from_value::<Schema>(extended).is_err());
    let mut extended = good;
    extended["unknown"] = 1.into();
    assert!(serde_json::from_value::<Schema>(extended).is_err());
}

#[test]
fn contradictions_are_refused_and_the_column_is_named() {
    let many = || (0..(1 << 20) + 1).map(|i| i.to_string());
    for (column, why) in [
        (Column::boolean(""), "a name has 1 to 128 bytes"),
        (Column::boolean("x".repeat(129)), "a name has 1 to 128 bytes"),
        (Column::boolean("a\u{1b}[2J"), "no control characters"),
        (Column::boolean("x").describe("y".repeat(4097)), "at most 4096 bytes"),
        (Column::boolean("x").describe("a\u{7}"), "no control characters"),
        (Column::category("x", [""; 0]), "1 to 1048576 values, this one has 0"),
        (Column::category("x", many()), "this one has 1048577"),
        (Column::category("x", ["a", "b", "a"]), "\"a\" is listed twice"),
        (Column::category("x", ["a\n"]), "no control characters"),
        (Column::category("x", ["a".repeat(1025)]), "at most 1024 bytes"),
        (Column::category("x", ["a"]).measure(), "a category cannot be a measure"),
        (Column::category("x", ["a"]).bins([0, 1]), "only integers and decimals have bins"),
        (Column::integer("x", 1, 0), "the range is empty"),
        (Column::decimal("x", 19, 0, 1), "at most 18 decimal places"),
        (Column::integer("x", 0, 9).bins([]), "at least 2 edges, got 0"),
        (Column::integer("x", 0, 9).bins([0]), "at least 2 edges, got 1"),
        (Column::integer("x", 0, 9).bins([0, 5, 5, 9]), "edge 5 is followed by 5"),
        (Column::integer("x", 0, 9).bins([9, 0]), "edge 9 is followed by 0"),
        (Column::integer("x", 0, 9).bins([1, 9]), "do not cover"),
        (Column::integer("x", 0, 9).bins([0, 8]), "do not cover"),
        (Column::integer("x", 0, 9).bins([-5, 0, 9]), "outside the domain"),
        (Column::integer("x", 0, 9).bins([0, 10, 20]), "outside the domain"),
        (Column::integer("x", 0, 1 << 20).dimension(), "1048577 cells"),
        (Column::integer("x", i64::MIN, i64::MAX).dimension(), "18446744073709551616 cells"),
    ] {
        let name = column.name.clone();
        let error = Schema::new(vec![Column::boolean("first"), column]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()));
        let message = error.to_string();
        assert!(message.contains(why), "{message} lacks {why:?}");
        let AssetError::InvalidSchema { place, .. } = error else { panic!("{message}") };
        assert!(name.starts_with(&place.column.unwrap()), "{message}");
    }
    assert!(Schema::new(vec![]).is_err());
    assert!(Schema::new(vec![Column::boolean("x"), Column::boolean("x")]).is_err());
    assert!(Schema::new((0..1025).map(|i| Column::boolean(i.to_string())).collect()).is_err());
    let wide = |name: &str| Column::category(name, (0..10_000).map(|i| format!("{i:01000}")));
    assert!(Schema::new(vec![wide("a"), wide("b")]).unwrap_err().to_string().contains("at most 16777216"));
    assert!(Column::decimal_between("x", 2, "0.001", "1").is_err());
    assert!(Column::decimal_between("x", 2, "zero", "1").is_err());
    assert!(Column::integer("x", 0, 9).bins_at(["0", "4.5", "9"]).is_err());
}

#[test]
fn the_largest_schema_can_be_read_back() {
    let names = (0..1 << 20).map(|i| format!("{i:07}"));
    let schema = Schema::new(vec![Column::category("code", names).dimension().nullable()]).unwrap();
    assert_eq!(schema.columns()[0].cells().unwrap(), (1 << 20) + 1);
    assert_eq!(Schema::from_bytes(&schema.to_bytes()).unwrap(), schema);
}

#[test]
fn a_misspelled_column_brings_up_the_right_one() {
    let schema = patients();
    let error = schema.column("Agee").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnknownColumn);
    assert!(error.to_string().contains("did you mean \"age\"?"), "{error}");
    let error = schema.column("zzzzzz").unwrap_err();
    assert!(matches!(&error, AssetError::UnknownColumn { close, .. } if close.is_empty()));
    assert!(schema.column(&"é".repeat(10_000)).unwrap_err().to_string().len() < 300);
    assert!(schema.clone().with_column(Column::boolean("agee")).is_err());
    let wider = schema.with_column(Column::integer("age", 0, 150)).unwrap();
    assert_eq!(wider.column("age").unwrap().kind, Kind::Integer { min: 0, max: 150 });
    assert_eq!(wider.columns()[1].role, Role::NONE);
}

#[test]
fn cells_are_numbered_labelled_and_bounded() {
    let schema = patients();
    let column = |name: &str| schema.column(name).unwrap();
    let labels = |name: &str| {
        let column = column(name);
        (0..column.cells().unwrap() as u32).map(|code| column.cell_label(code)).collect::<Vec<_>>()
    };
    assert_eq!(labels("plan"), ["free", "25%", "95%"]);
    assert_eq!(labels("age"), ["[0, 18)", "[18, 65)", "[65, 120]"]);
    assert_eq!(labels("insured"), ["false", "true", "null"]);
    assert_eq!(labels("score")[..3], ["-0.5", "-0.4", "-0.3"]);
    assert_eq!(labels("score").len(), 11);
    assert_eq!(column("age").cell_label(3), "#3");
    assert_eq!(column("insured").cell_label(9), "#9");
    assert_eq!(column("age").cell_label(u32::MAX), "#4294967295");
    let bounds = |name, code| column(name).cell_bounds(code);
    assert_eq!(
        [bounds("age", 0), bounds("age", 1), bounds("age", 2)],
        [Some((0, 17)), Some((18, 64)), Some((65, 120))]
    );
    assert_eq!([bounds("age", 3), bounds("age", 4), bounds("age", u32::MAX)], [None; 3]);
    assert_eq!([bounds("score", 0), bounds("score", 10), bounds("score", 11)], [Some((-5, -5)), Some((5, 5)), None]);
    assert_eq!([bounds("plan", 0), bounds("insured", 2)], [None; 2]);

    let cell = |name, value: Value| column(name).cell_of(&value);
    assert_eq!(cell("age", 17.into()).unwrap(), Some(0));
    assert_eq!(cell("age", 18.into()).unwrap(), Some(1));
    assert_eq!(cell("age", 120.into()).unwrap(), Some(2), "the last bin is closed");
    assert_eq!(cell("age", 121.into()).unwrap(), None);
    assert_eq!(cell("age", 17.5.into()).unwrap(), None, "between two stored values");
    assert_eq!(cell("plan", "25%".into()).unwrap(), Some(1));
    assert_eq!(cell("insured", Value::Null).unwrap(), Some(2));
    assert_eq!(cell("plan", "50%".into()).unwrap_err().kind(), ErrorKind::OutOfDomain);
    assert_eq!(cell("plan", Value::Null).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    assert_eq!(cell("age", "17".into()).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    assert_eq!(cell("cost", 1.into()).unwrap(), Some(100), "a wide number has a cell for every stored value");
}

#[test]
fn bins_are_clipped_to_the_domain() {
    let column = Column::integer("x", 3, 17).bins([0, 10, 20]);
    assert_eq!([column.cell_bounds(0), column.cell_bounds(1)], [Some((3, 9)), Some((10, 17))]);
    assert_eq!(column.cell_label(0), "[0, 10)");
    assert_eq!(column.cell_of(&2.into()).unwrap(), None);
}

#[test]
fn an_unchecked_declaration_never_panics() {
    let odd = [
        Column::integer("x", i64::MIN, i64::MAX).nullable(),
        Column::integer("x", 5, -5),
        Column::integer("x", 0, 9).bins([]),
        Column::integer("x", 0, 9).bins([7]),
        Column::integer("x", 0, 9).bins([9, 0, 9, i64::MIN]),
        Column::decimal("x", 255, i64::MIN, i64::MAX),
        Column::category("x", [""; 0]),
    ];
    let values = [
        Value::Null,
        0.into(),
        i64::MAX.into(),
        i64::MIN.into(),
        Value::Decimal { mantissa: i64::MIN, scale: 255 },
        Value::Decimal { mantissa: i64::MAX, scale: 0 },
        "".into(),
        true.into(),
    ];
    for column in &odd {
        for code in [0, 1, 2, 1 << 31, u32::MAX - 1, u32::MAX] {
            let _ = (column.cell_label(code), column.cell_bounds(code), column.from_stored(code.into()));
        }
        for value in &values {
            let _ = (column.cell_of(value), column.to_stored(value), column.floor_stored(value), value.to_string());
        }
        let _ = (column.cells(), Schema::new(vec![column.clone()]));
    }
}

#[test]
fn literals_are_rescaled_exactly_or_refused() {
    let schema = patients();
    let cost = schema.column("cost").unwrap();
    assert_eq!(cost.to_stored(&12.into()).unwrap(), 1200);
    assert_eq!(cost.to_stored(&12.5.into()).unwrap(), 1250);
    assert_eq!(cost.to_stored(&Value::decimal("12.5000").unwrap()).unwrap(), 1250);
    for value in [Value::from(0.125), (-1).into(), 1e9.into(), f64::NAN.into(), true.into(), Value::Null] {
        let error = cost.to_stored(&value).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::OutOfDomain | ErrorKind::SchemaMismatch), "{value}");
        assert!(error.to_string().contains("column \"cost\": expected") && error.hint().is_some(), "{error}");
    }
    assert_eq!(cost.floor_stored(&0.125.into()).unwrap(), (12, false));
    assert_eq!(cost.floor_stored(&Value::from(-0.125)).unwrap(), (-13, false));
    assert_eq!(cost.floor_stored(&12.into()).unwrap(), (1200, true));
    let insured = schema.column("insured").unwrap();
    assert_eq!(insured.to_stored(&1.into()).unwrap(), 1);
    assert_eq!(insured.to_stored(&2.into()).unwrap_err().kind(), ErrorKind::OutOfDomain);
}

#[test]
fn a_schema_reads_as_text() {
    let text = patients().to_string();
    assert!(text.contains("age: a whole number from 0 to 120 in 3 bins, dimension, measure"), "{text}");
    assert!(
        text.contains("plan: one of \"free\", \"25%\", \"95%\", dimension (share that the patient pays)"),
        "{text}"
    );
}

/// A number column with a small range and, mostly, bins that cover it.
fn number_column() -> impl Strategy<Value = Column> {
    (0u8..=18, -1000i64..1000, 0i64..500, prop::collection::btree_set(-1100i64..1600, 0..8), any::<[bool; 2]>())
        .prop_map(|(scale, min, width, edges, [binned, nullable])| {
            let max = min + width;
            let mut column = Column::decimal("x", scale, min, max).dimension();
            if binned {
                let inner = edges.into_iter().filter(|edge| *edge > min && *edge <= max);
                column = column.bins([min - 1].into_iter().chain(inner).chain([max + 1]));
            }
            column.nullable = nullable;
            column
        })
}

proptest! {
    #[test]
    fn bounds_partition_the_domain_and_agree_with_cells(column in number_column()) {
        Schema::new(vec![column.clone()]).unwrap();
        let (min, max) = column.range().unwrap();
        let cells = column.cells().unwrap() - u64::from(column.nullable);
        let mut next = min;
        for code in 0..cells as u32 {
            let (from, to) = column.cell_bounds(code).unwrap();
            prop_assert_eq!(from, next);
            prop_assert!(to >= from);
            for stored in [from, to] {
                let value = column.from_stored(stored).unwrap();
                prop_assert_eq!(column.to_stored(&value).unwrap(), stored);
                prop_assert_eq!(column.cell_of(&value).unwrap(), Some(code));
            }
            next = to + 1;
        }
        prop_assert_eq!(next, max + 1);
        prop_assert_eq!(column.cell_bounds(cells as u32), None);
        prop_assert_eq!(column.cell_label(cells as u32) == "null", column.nullable);
        for outside in [min - 1, max + 1] {
            let Kind::Decimal { scale, .. } = column.kind else { unreachable!() };
            let value = Value::Decimal { mantissa: outside, scale };
            prop_assert_eq!(column.cell_of(&value).unwrap(), None);
            prop_assert!(column.to_stored(&value).is_err() && column.from_stored(outside).is_err());
        }
    }

    #[test]
    fn the_floor_of_a_literal_is_the_largest_stored_value_below_it(
        mantissa in any::<i64>(), places in 0u8..=18, scale in 0u8..=18,
    ) {
        let column = Column::decimal("x", scale, i64::MIN, i64::MAX);
        let (floor, exact) = column.floor_stored(&Value::Decimal { mantissa, scale: places }).unwrap();
        // Compare mantissa / 10^places with floor / 10^scale.
        let common = |units: i64, at: u8| i128::from(units) * 10i128.pow((18 - at).into());
        let (value, below) = (common(mantissa, places), common(floor, scale));
        prop_assert_eq!(value == below, exact);
        if floor > i64::MIN && floor < i64::MAX {
            prop_assert!(below <= value && value < below + common(1, scale));
        }
    }

    #[test]
    fn any_bytes_decode_or_fail_but_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(schema) = Schema::from_bytes(&bytes) {
            prop_assert_eq!(schema.to_bytes(), bytes);
        }
    }
}
