//! Tables: what goes in comes out, and what does not belong stays out.

use std::sync::Arc;

use arrow::{
    array::*,
    csv::WriterBuilder,
    datatypes::{DataType, Field, Int32Type, TimeUnit, i256},
};
use bytes::Bytes;
use proptest::prelude::*;
use sealock::{
    asset::{AssetError, Column, Kind, Role, Schema, Table, Value},
    error::{Classify, ErrorKind},
};

fn schema() -> Schema {
    Schema::new(vec![
        Column::category("health", ["excellent", "good", "fair", "poor"]).dimension().nullable(),
        Column::integer("visits", 0, 100).bins([0, 5, 10, 100]).dimension().measure(),
        Column::decimal_between("cost", 2, "-10.00", "1000.00").unwrap().measure().nullable(),
        Column::boolean("insured").dimension(),
    ])
    .unwrap()
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap()
}

fn rows() -> RecordBatch {
    batch(vec![
        ("insured", Arc::new(BooleanArray::from(vec![true, false, true]))),
        ("cost", Arc::new(Float64Array::from(vec![Some(12.5), None, Some(0.1 + 0.2)]))),
        ("visits", Arc::new(Int32Array::from(vec![4, 5, 100]))),
        ("health", Arc::new(StringArray::from(vec![Some("poor"), None, Some("good")]))),
    ])
}

fn table() -> Table {
    Table::from_batches(schema(), [rows()]).unwrap()
}

fn one(column: Column, array: ArrayRef) -> Result<Table, AssetError> {
    let batch = batch(vec![(&column.name.clone(), array)]);
    Table::from_batches(Schema::new(vec![column]).unwrap(), [batch])
}

#[test]
fn values_are_stored_in_units_and_found_in_cells() {
    let table = table();
    assert_eq!((table.len(), table.is_empty()), (3, false));
    assert_eq!(table.measure("cost").unwrap(), Int64Array::from(vec![Some(1250), None, Some(30)]));
    assert_eq!(table.measure("insured").unwrap(), Int64Array::from(vec![1, 0, 1]));
    assert_eq!(table.cells("health").unwrap(), [3, 4, 1]);
    assert_eq!(table.cells("visits").unwrap(), [0, 1, 2]);
    assert_eq!(table.cells("insured").unwrap(), [1, 0, 1]);
    assert_eq!(table.measure("health").unwrap_err().kind(), ErrorKind::SchemaMismatch);
    assert_eq!(table.cells("helth").unwrap_err().kind(), ErrorKind::UnknownColumn);
    assert_eq!(format!("{table:?}"), "Table(3 rows, 4 columns)");
}

#[test]
fn a_table_survives_arrow_parquet_and_csv() {
    let table = table();
    assert_eq!(Table::from_batches(schema(), table.to_batches()).unwrap(), table);
    let parquet = table.to_parquet().unwrap();
    assert_eq!(parquet, table.to_parquet().unwrap(), "equal tables give equal bytes");
    assert_eq!(Table::from_parquet(schema(), Bytes::from(parquet.clone())).unwrap(), table);
    let mut csv = Vec::new();
    let mut writer = WriterBuilder::new().with_header(true).build(&mut csv);
    table.batches().for_each(|batch| writer.write(&batch).unwrap());
    drop(writer);
    assert_eq!(Table::from_csv(schema(), &csv[..]).unwrap(), table);

    let folder = tempfile::tempdir().unwrap();
    let (as_parquet, as_csv) = (folder.path().join("t.parquet"), folder.path().join("t.csv"));
    std::fs::write(&as_parquet, &parquet).unwrap();
    std::fs::write(&as_csv, &csv).unwrap();
    assert_eq!(Table::loader(schema()).parquet_file(&as_parquet).unwrap(), table);
    assert_eq!(Table::loader(schema()).csv_file(&as_csv).unwrap(), table);
    let missing = Table::loader(schema()).csv_file(folder.path().join("none")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Io);
    assert!(missing.to_string().contains("none"));
}

#[test]
fn an_empty_table_survives_too() {
    let empty = Table::from_batches(schema(), []).unwrap();
    assert!(empty.is_empty());
    assert_eq!(empty.to_batches().len(), 1);
    assert_eq!(Table::from_parquet(schema(), Bytes::from(empty.to_parquet().unwrap())).unwrap(), empty);
    assert_eq!(Table::from_csv(schema(), &b"health,visits,cost,insured\n"[..]).unwrap(), empty);
}

#[test]
fn many_batches_are_one_table() {
    let column = || Column::integer("n", 0, 200_000);
    let numbers = |range: std::ops::Range<i64>| Arc::new(Int64Array::from_iter_values(range)) as ArrayRef;
    let parts = [numbers(0..70_000), numbers(70_000..70_000), numbers(70_000..200_000)];
    let schema = Schema::new(vec![column()]).unwrap();
    let table = Table::from_batches(schema.clone(), parts.map(|part| batch(vec![("n", part)]))).unwrap();
    assert_eq!(table, one(column(), numbers(0..200_000)).unwrap());
    assert_eq!(table.batches().map(|b| b.num_rows()).collect::<Vec<_>>(), [65_536, 65_536, 65_536, 3_392]);
    assert_eq!(Table::from_parquet(schema.clone(), Bytes::from(table.to_parquet().unwrap())).unwrap(), table);
    // Rows are counted over all batches.
    let bad = [batch(vec![("n", numbers(0..10))]), batch(vec![("n", numbers(-1..1))])];
    assert!(Table::from_batches(schema, bad).unwrap_err().to_string().contains("row 10"));
}

#[test]
fn every_width_of_a_type_is_the_same_column() {
    let integer = || Column::integer("x", -100, 100);
    let expected = one(integer(), Arc::new(Int64Array::from(vec![1, 2]))).unwrap();
    let integers: [ArrayRef; 16] = [
        Arc::new(Int8Array::from(vec![1, 2])),
        Arc::new(Int16Array::from(vec![1, 2])),
        Arc::new(Int32Array::from(vec![1, 2])),
        Arc::new(UInt8Array::from(vec![1, 2])),
        Arc::new(UInt16Array::from(vec![1, 2])),
        Arc::new(UInt32Array::from(vec![1, 2])),
        Arc::new(UInt64Array::from(vec![1, 2])),
        Arc::new(Float32Array::from(vec![1.0, 2.0])),
        Arc::new(Float64Array::from(vec![1.0, 2.0])),
        arrow::compute::cast(&Float32Array::from(vec![1.0, 2.0]), &DataType::Float16).unwrap(),
        Arc::new(Decimal32Array::from(vec![10, 20]).with_precision_and_scale(4, 1).unwrap()),
        Arc::new(Decimal64Array::from(vec![100, 200]).with_precision_and_scale(9, 2).unwrap()),
        Arc::new(Decimal128Array::from(vec![1, 2]).with_precision_and_scale(38, 0).unwrap()),
        Arc::new(DictionaryArray::<Int32Type>::new(
            Int32Array::from(vec![1, 0]),
            Arc::new(Int16Array::from(vec![2, 1])),
        )),
        Arc::new(RunArray::<Int32Type>::try_new(&Int32Array::from(vec![1, 2]), &Int64Array::from(vec![1, 2])).unwrap()),
        Arc::new(Int64Array::from(vec![7, 1, 2, 7]).slice(1, 2)),
    ];
    for array in integers {
        assert_eq!(one(integer(), array.clone()).unwrap(), expected, "{}", array.data_type());
    }
    let text = || Column::category("x", ["a", "b"]).nullable();
    let expected = one(text(), Arc::new(StringArray::from(vec![Some("b"), None]))).unwrap();
    let texts: [ArrayRef; 4] = [
        Arc::new(LargeStringArray::from(vec![Some("b"), None])),
        Arc::new(StringViewArray::from(vec![Some("b"), None])),
        Arc::new(vec![Some("b"), None].into_iter().collect::<DictionaryArray<Int32Type>>()),
        // The null lies in the dictionary.
        Arc::new(DictionaryArray::<Int32Type>::new(
            Int32Array::from(vec![1, 0]),
            Arc::new(StringArray::from(vec![None, Some("b")])),
        )),
    ];
    for array in texts {
        assert_eq!(one(text(), array.clone()).unwrap(), expected, "{}", array.data_type());
    }
    let nothing = one(Column::boolean("x").nullable(), Arc::new(NullArray::new(2))).unwrap();
    assert_eq!(nothing.cells("x").unwrap(), [2, 2]);
    let zero_one = one(Column::boolean("x"), Arc::new(UInt8Array::from(vec![0, 1]))).unwrap();
    assert_eq!(zero_one, one(Column::boolean("x"), Arc::new(BooleanArray::from(vec![false, true]))).unwrap());
}

#[test]
fn a_value_outside_its_domain_is_named_with_column_and_row() {
    let cases: Vec<(Column, ArrayRef, ErrorKind, &str)> = vec![
        (
            Column::integer("x", 0, 9),
            Arc::new(Int64Array::from(vec![0, 10])),
            ErrorKind::OutOfDomain,
            "a whole number from 0 to 9, got 10",
        ),
        (
            Column::integer("x", 0, i64::MAX),
            Arc::new(UInt64Array::from(vec![0, u64::MAX])),
            ErrorKind::OutOfDomain,
            "got 18446744073709551615",
        ),
        (Column::integer("x", 0, 9), Arc::new(Float64Array::from(vec![0.0, 1.5])), ErrorKind::OutOfDomain, "got 1.5"),
        (
            Column::integer("x", 0, 9),
            Arc::new(Float64Array::from(vec![0.0, f64::NAN])),
            ErrorKind::OutOfDomain,
            "got NaN",
        ),
        (
            Column::decimal("x", 2, 0, 999),
            Arc::new(Float64Array::from(vec![0.0, 1.234])),
            ErrorKind::OutOfDomain,
            "a number from 0.00 to 9.99 with at most 2 decimal places, got 1.234",
        ),
        (
            Column::decimal("x", 2, 0, 999),
            Arc::new(Float32Array::from(vec![0.0, 1e30])),
            ErrorKind::OutOfDomain,
            "got 1e30",
        ),
        (
            Column::decimal("x", 1, 0, 999),
            Arc::new(Decimal128Array::from(vec![0, 123]).with_precision_and_scale(10, 2).unwrap()),
            ErrorKind::OutOfDomain,
            "got 1.23",
        ),
        (
            Column::category("x", ["a", "b"]),
            Arc::new(StringArray::from(vec!["a", "c"])),
            ErrorKind::OutOfDomain,
            "one of \"a\", \"b\", got \"c\"",
        ),
        (Column::boolean("x"), Arc::new(Int8Array::from(vec![0, 2])), ErrorKind::OutOfDomain, "true or false, got 2"),
        (
            Column::integer("x", 0, 9),
            Arc::new(Int64Array::from(vec![Some(0), None])),
            ErrorKind::SchemaMismatch,
            "a value in every row, got null",
        ),
    ];
    for (column, array, kind, words) in cases {
        let error = one(column, array).unwrap_err();
        let message = error.to_string();
        assert_eq!(error.kind(), kind, "{message}");
        assert!(message.starts_with("column \"x\", row 1: expected") && message.contains(words), "{message}");
        assert!(error.hint().is_some_and(|hint| !hint.is_empty()));
    }
}

#[test]
fn a_column_of_another_type_is_refused() {
    let number = || Column::integer("x", 0, 9);
    let mismatches: [(Column, ArrayRef); 4] = [
        (number(), Arc::new(StringArray::from(vec!["1"]))),
        (number(), Arc::new(BooleanArray::from(vec![true]))),
        (Column::category("x", ["1"]), Arc::new(Int64Array::from(vec![1]))),
        (Column::boolean("x"), Arc::new(StringArray::from(vec!["true"]))),
    ];
    for (column, array) in mismatches {
        assert_eq!(one(column, array).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    }
    let unsupported: [ArrayRef; 6] = [
        Arc::new(TimestampSecondArray::from(vec![1])),
        Arc::new(Date32Array::from(vec![1])),
        Arc::new(BinaryArray::from(vec![&b"x"[..]])),
        Arc::new(Decimal256Array::from(vec![i256::from_i128(1)])),
        new_empty_array(&DataType::List(Arc::new(Field::new("item", DataType::Int64, true)))),
        new_empty_array(&DataType::Duration(TimeUnit::Second)),
    ];
    for array in unsupported {
        let error = one(number(), array).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedType);
        assert!(error.hint().is_some());
    }
}

#[test]
fn nothing_is_published_by_accident() {
    let mut columns: Vec<(&str, ArrayRef)> = vec![("name", Arc::new(StringArray::from(vec!["Ann", "Bob", "Cid"])))];
    let rows = rows();
    let fields = rows.schema();
    columns.extend(fields.fields().iter().zip(rows.columns()).map(|(f, c)| (f.name().as_str(), c.clone())));
    let extra = batch(columns);
    let error = Table::from_batches(schema(), [extra.clone()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SchemaMismatch);
    assert!(error.to_string().contains("column \"name\""), "{error}");
    assert!(error.hint().unwrap().contains("take it out of the table"));
    assert_eq!(Table::loader(schema()).drop_extra().batches([extra.clone()]).unwrap(), table());

    let mut parquet = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut parquet, extra.schema(), None).unwrap();
    writer.write(&extra).unwrap();
    writer.close().unwrap();
    assert_eq!(
        Table::from_parquet(schema(), Bytes::from(parquet.clone())).unwrap_err().kind(),
        ErrorKind::SchemaMismatch
    );
    assert_eq!(Table::loader(schema()).drop_extra().parquet_bytes(parquet).unwrap(), table());
    let csv = "name,health,visits,cost,insured\nAnn,poor,4,12.5,true\nBob,,5,,false\nCid,good,100,0.30,1\n";
    assert_eq!(Table::from_csv(schema(), csv.as_bytes()).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    assert_eq!(Table::loader(schema()).drop_extra().csv(csv.as_bytes()).unwrap(), table());
}

#[test]
fn missing_and_repeated_columns_are_refused() {
    let missing = batch(vec![("visits", Arc::new(Int64Array::from(vec![1])))]);
    let error = Table::from_batches(schema(), [missing]).unwrap_err();
    assert!(error.to_string().contains("column \"health\""), "{error}");
    assert!(error.hint().unwrap().contains("visits"));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let twice = batch(vec![("x", numbers.clone()), ("x", numbers)]);
    let schema = Schema::new(vec![Column::integer("x", 0, 9)]).unwrap();
    assert_eq!(Table::from_batches(schema.clone(), [twice]).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    assert_eq!(Table::from_csv(schema, &b"x,x\n1,1\n"[..]).unwrap_err().kind(), ErrorKind::SchemaMismatch);
}

#[test]
fn csv_fields_are_read_as_people_write_them() {
    let csv = "\u{feff}insured,cost,visits,health\r\nTRUE, 12.50 ,4,poor\r\nfalse,,5,\r\n1,0.30000000000000004,1e2,\"good\"\r\n";
    assert_eq!(Table::from_csv(schema(), csv.as_bytes()).unwrap(), table());
    let quoted = Schema::new(vec![Column::category("a,b", ["x\"y", "", "p,q"])]).unwrap();
    let table = Table::from_csv(quoted, "\"a,b\"\n\"x\"\"y\"\n\"\"\n\"p,q\"\n".as_bytes()).unwrap();
    assert_eq!(table.cells("a,b").unwrap(), [0, 1, 2]);
}

#[test]
fn damaged_csv_is_refused_with_its_place() {
    let read = |row: &str| {
        let csv = format!("health,visits,cost,insured\ngood,1,1,true\n{row}\n");
        Table::from_csv(schema(), csv.as_bytes()).unwrap_err()
    };
    for (row, kind, words) in [
        ("good,1,1", ErrorKind::Malformed, "3 fields"),
        ("good,1,1,true,9", ErrorKind::Malformed, "5 fields"),
        ("good,many,1,true", ErrorKind::SchemaMismatch, "column \"visits\", row 1: expected a whole number"),
        (
            "good,,1,true",
            ErrorKind::SchemaMismatch,
            "column \"visits\", row 1: expected a value in every row, got null",
        ),
        ("good,101,1,true", ErrorKind::OutOfDomain, "column \"visits\", row 1"),
        ("good,1,1.005,true", ErrorKind::OutOfDomain, "column \"cost\", row 1"),
        ("good,1,NaN,true", ErrorKind::SchemaMismatch, "column \"cost\", row 1"),
        ("good,1,1,yes", ErrorKind::SchemaMismatch, "column \"insured\", row 1"),
        ("great,1,1,true", ErrorKind::OutOfDomain, "column \"health\", row 1"),
    ] {
        let error = read(row);
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error} lacks {words:?}");
    }
    let latin1 = b"health,visits,cost,insured\ng\xf6od,1,1,true\n";
    assert_eq!(Table::from_csv(schema(), &latin1[..]).unwrap_err().kind(), ErrorKind::Malformed);
    assert_eq!(Table::from_csv(schema(), &b""[..]).unwrap_err().kind(), ErrorKind::SchemaMismatch);
}

#[test]
fn damaged_parquet_is_an_error_and_no_panic() {
    let good = table().to_parquet().unwrap();
    let read = |bytes: Vec<u8>| Table::from_parquet(schema(), Bytes::from(bytes));
    for end in (0..good.len()).step_by(7) {
        assert_eq!(read(good[..end].to_vec()).unwrap_err().kind(), ErrorKind::Malformed, "cut at {end}");
    }
    for i in 0..good.len() {
        let mut flipped = good.clone();
        flipped[i] ^= 0xff;
        // Some bytes carry nothing that is read, and some change a value into another valid one.
        match read(flipped) {
            Ok(other) => assert_eq!(other.schema(), &schema(), "byte {i}"),
            Err(error) => assert!(
                matches!(error.kind(), ErrorKind::Malformed | ErrorKind::SchemaMismatch | ErrorKind::OutOfDomain)
                    || error.kind() == ErrorKind::UnsupportedType,
                "byte {i}: {error}"
            ),
        }
    }
}

#[test]
fn a_first_schema_comes_from_the_data() {
    let batch = batch(vec![
        ("city", Arc::new(StringArray::from(vec![Some("Rome"), Some("Bonn"), None, Some("Rome")]))),
        ("age", Arc::new(Int16Array::from(vec![30, 7, 9, 41]))),
        ("cost", Arc::new(Float64Array::from(vec![Some(1.25), Some(-3.0), Some(10.5), None]))),
        ("whole", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, 1e6]))),
        ("paid", Arc::new(Decimal128Array::from(vec![150, 200, 1, 0]).with_precision_and_scale(9, 2).unwrap())),
        ("ill", Arc::new(BooleanArray::from(vec![true, false, false, true]))),
    ]);
    let schema = Schema::infer(&batch).unwrap();
    let column = |name| schema.column(name).unwrap();
    assert_eq!(column("city").kind, Kind::Category { values: vec!["Bonn".into(), "Rome".into()] });
    assert_eq!((column("city").role, column("city").nullable), (Role::DIMENSION, true));
    assert_eq!(column("age").kind, Kind::Integer { min: 7, max: 41 });
    assert_eq!((column("age").role, column("age").nullable), (Role::MEASURE, false));
    assert_eq!(column("cost").kind, Kind::Decimal { scale: 2, min: -300, max: 1050 });
    assert_eq!(column("whole").kind, Kind::Integer { min: 1, max: 1_000_000 });
    assert_eq!(column("paid").kind, Kind::Decimal { scale: 2, min: 0, max: 200 });
    assert_eq!((&column("ill").kind, column("ill").role), (&Kind::Boolean, Role::DIMENSION));
    let table = Table::from_batches(schema.clone(), [batch]).unwrap();
    assert_eq!(Schema::infer_batches(&table.to_batches()).unwrap(), schema);
}

#[test]
fn a_schema_is_inferred_from_csv_and_reads_it() {
    let text = "name,paid,amount\nada,true,1.25\nbob,false,\nada,true,3.5\n";
    let schema = Schema::infer_csv(std::io::Cursor::new(text)).unwrap();
    assert_eq!(schema.column("name").unwrap().kind, Kind::Category { values: vec!["ada".into(), "bob".into()] });
    assert_eq!(schema.column("amount").unwrap().kind, Kind::Decimal { scale: 2, min: 125, max: 350 });
    assert!(schema.column("amount").unwrap().nullable);
    let table = Table::from_csv(schema.clone(), text.as_bytes()).unwrap();
    assert_eq!(table.measure("amount").unwrap().iter().collect::<Vec<_>>(), [Some(125), None, Some(350)]);
    assert!(Schema::infer_csv(std::io::Cursor::new("")).is_err());
    let typo = Table::from_csv(schema, "nmae,paid,amount\nada,true,1\n".as_bytes()).unwrap_err();
    assert!(typo.hint().unwrap().contains("\"name\""), "{:?}", typo.hint());
}

#[test]
fn inference_says_what_it_cannot_know() {
    let infer = |array: ArrayRef| Schema::infer(&batch(vec![("x", array)]));
    let ids = || (0..100).map(|i| format!("patient {i}"));
    let cases: [(ArrayRef, &str); 6] = [
        (Arc::new(Float64Array::from(vec![0.5, std::f64::consts::PI])), "row 1 is 3.14159"),
        (Arc::new(Float64Array::from(vec![f64::INFINITY])), "NaN or infinite"),
        (Arc::new(Float64Array::from(vec![1e18, 0.001])), "do not fit 64 bits"),
        (Arc::new(NullArray::new(3)), "no value to infer a type from"),
        (Arc::new(Int64Array::from(Vec::<i64>::new())), "no value to infer a type from"),
        (Arc::new(StringArray::from_iter_values(ids())), "look like identifiers"),
    ];
    for (array, words) in cases {
        let error = infer(array).unwrap_err();
        assert!(error.to_string().contains("column \"x\"") && error.to_string().contains(words), "{error}");
        assert!(error.hint().is_some());
    }
    let dates = infer(Arc::new(Date32Array::from(vec![1]))).unwrap_err();
    assert_eq!(dates.kind(), ErrorKind::UnsupportedType);
    assert!(Schema::infer_batches([]).is_err());
    let (a, b) = (
        batch(vec![("x", Arc::new(Int64Array::from(vec![1])))]),
        batch(vec![("y", Arc::new(Int64Array::from(vec![1])))]),
    );
    assert_eq!(Schema::infer_batches([&a, &b]).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    // The same ids, often repeated, are categories.
    let repeated = StringArray::from_iter_values(ids().chain(ids()));
    assert_eq!(infer(Arc::new(repeated)).unwrap().columns()[0].cells().unwrap(), 100);
}

/// The figures were counted from the CSV of statsmodels with Python.
#[test]
fn the_example_data_is_the_rand_experiment() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/data");
    let schema = std::fs::read_to_string(format!("{folder}/randhie.schema.json")).unwrap();
    let schema: Schema = serde_json::from_str(&schema).unwrap();
    let table = Table::loader(schema).parquet_file(format!("{folder}/randhie.parquet")).unwrap();
    assert_eq!(table.len(), 20_190);
    assert_eq!(table.measure("mdvis").unwrap().iter().flatten().sum::<i64>(), 57_752);
    // Health, coinsurance, physical limitation and diseases: a cube in which few groups are small.
    let mut groups = std::collections::BTreeMap::<Vec<u32>, u64>::new();
    let dimensions = ["hlthg", "hlthf", "hlthp", "lncoins", "physlm", "disea"];
    let cells = dimensions.map(|name| table.cells(name).unwrap());
    for row in 0..table.len() {
        *groups.entry(cells.iter().map(|column| column[row]).collect()).or_default() += 1;
    }
    let small: Vec<u64> = groups.values().copied().filter(|rows| *rows < 5).collect();
    assert_eq!((groups.len(), small.len(), small.iter().sum::<u64>()), (71, 2, 6));
}

type Row = (Option<usize>, i64, Option<i64>, bool);

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_table_survives_every_format(
        rows in prop::collection::vec((prop::option::of(0usize..4), 0i64..=100, prop::option::of(-1000i64..=100_000), any::<bool>()), 0..50)
    ) {
        let names = ["excellent", "good", "fair", "poor"];
        let column = |f: &dyn Fn(&Row) -> Option<i64>| rows.iter().map(f).collect::<Int64Array>();
        let costs = column(&|r| r.2);
        let decimals: Decimal128Array = costs.iter().map(|v| v.map(i128::from)).collect();
        let input = batch(vec![
            ("health", Arc::new(rows.iter().map(|r| r.0.map(|code| names[code])).collect::<StringArray>())),
            ("visits", Arc::new(column(&|r| Some(r.1)))),
            ("cost", Arc::new(decimals.with_precision_and_scale(20, 2).unwrap())),
            ("insured", Arc::new(rows.iter().map(|r| Some(r.3)).collect::<BooleanArray>())),
        ]);
        let table = Table::from_batches(schema(), [input]).unwrap();
        prop_assert_eq!(&table.measure("cost").unwrap(), &costs);
        prop_assert_eq!(table.stored("health").unwrap(), &column(&|r| r.0.map(|code| code as i64)));
        prop_assert_eq!(&Table::from_batches(schema(), table.to_batches()).unwrap(), &table);
        prop_assert_eq!(&Table::from_parquet(schema(), Bytes::from(table.to_parquet().unwrap())).unwrap(), &table);
        let mut csv = Vec::new();
        let mut writer = WriterBuilder::new().with_header(true).build(&mut csv);
        table.batches().for_each(|batch| writer.write(&batch).unwrap());
        drop(writer);
        prop_assert_eq!(&Table::from_csv(schema(), &csv[..]).unwrap(), &table);
        // Row by row, the cube's view is the value's view.
        let visits = table.schema().column("visits").unwrap();
        for (cell, row) in table.cells("visits").unwrap().into_iter().zip(&rows) {
            prop_assert_eq!(visits.cell_of(&Value::Integer(row.1)).unwrap(), Some(cell));
        }
    }

    #[test]
    fn any_text_is_no_panic(csv in "[a-z,\"\n0-9.]{0,120}") {
        let _ = Table::loader(schema()).drop_extra().csv(csv.as_bytes());
        let with_header = format!("health,visits,cost,insured\n{csv}");
        let _ = Table::from_csv(schema(), with_header.as_bytes());
    }
}
