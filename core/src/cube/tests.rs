use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::*;
use crate::asset::{Column, Table};
use crate::policy::Policy;
use crate::program::{Aggregation, Query, col, count, mean, secret, variance};

/// Rows of (town, age, income); age and income may be missing.
type Row = (usize, Option<i64>, Option<i64>);
const TOWNS: [&str; 3] = ["a", "b", "c"];

fn table(rows: &[Row]) -> Table {
    let schema = Schema::new(vec![
        Column::category("town", TOWNS).dimension(),
        Column::integer("age", 0, 9).dimension().nullable(),
        Column::integer("income", -100, 100).measure().nullable(),
    ])
    .unwrap();
    let columns: [(&str, ArrayRef); 3] = [
        ("town", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| TOWNS[r.0])))),
        ("age", Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>())),
        ("income", Arc::new(rows.iter().map(|r| r.2).collect::<Int64Array>())),
    ];
    Table::from_batches(schema, [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

fn policy(min_group_size: u32) -> Policy {
    Policy::deny_all()
        .dimensions(["town", "age"])
        .measures(["income"])
        .aggregations([Aggregation::Count, Aggregation::Mean])
        .any_program()
        .min_group_size(min_group_size)
}

fn cube(rows: &[Row], min_group_size: u32) -> ProtectedCube {
    Cube::fold(&table(rows), &policy(min_group_size)).unwrap().suppress(min_group_size)
}

fn rows() -> Vec<Row> {
    let row = |i: usize| {
        (i % 3, (!i.is_multiple_of(7)).then_some(i as i64 % 10), (!i.is_multiple_of(5)).then_some(i as i64 % 201 - 100))
    };
    (0..10_000).map(row).collect()
}

#[test]
fn a_marginal_is_the_sum_over_the_rows() {
    let rows = rows();
    let table = table(&rows);
    let query = Query::select([count(), mean("income")])
        .filter(col("age").lt(6) & col("age").is_not_null() & col("age").ge(secret(2)))
        .group_by(["town"]);
    let plan = query.program().plan(table.schema()).unwrap();
    let indicator = plan.indicator(table.schema(), &query).unwrap();
    let marginal = cube(&rows, 1).marginal(table.schema(), &plan).unwrap();
    assert_eq!(plan.series().len(), 3);
    for town in 0..3 {
        let kept = rows.iter().filter(|r| r.0 == town && r.1.is_some_and(|age| (2..6).contains(&age)));
        let (mut expected, mut got) = ([0i64; 3], [0i64; 3]);
        for row in kept {
            expected[0] += 1;
            expected[1] += row.2.unwrap_or(0);
            expected[2] += i64::from(row.2.is_some());
        }
        for (s, total) in got.iter_mut().enumerate() {
            let row = &marginal[town * 3 + s];
            *total = row.iter().zip(&indicator).filter(|(_, selected)| **selected).map(|(v, _)| v).sum();
        }
        assert_eq!(got, expected, "{:?}", plan.series());
    }
}

/// Three dimensions of `size` values each, a measure and one that may be missing. Rows gather in few cells.
fn scattered(size: i64, rows: i64) -> Table {
    let dimension = |name| Column::integer(name, 0, size - 1).dimension();
    let schema = Schema::new(vec![
        dimension("a"),
        dimension("b").nullable(),
        dimension("c"),
        Column::integer("x", -1000, 1000).measure(),
        Column::integer("y", 0, 1000).measure().nullable(),
    ])
    .unwrap();
    let scramble = |i: i64, of: u64, bound: i64| {
        let mixed = (i as u64 + of * 1_000_003).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 24) as i64 % bound
    };
    let cell = |i: i64, of| scramble(i % (rows / 3), of, size);
    let column = |f: &dyn Fn(i64) -> Option<i64>| Arc::new((0..rows).map(f).collect::<Int64Array>()) as ArrayRef;
    let columns = [
        ("a", column(&|i| Some(cell(i, 1)))),
        ("b", column(&|i| (i % 11 > 0).then(|| cell(i, 2)))),
        ("c", column(&|i| Some(cell(i, 3)))),
        ("x", column(&|i| Some(scramble(i, 4, 2001) - 1000))),
        ("y", column(&|i| (i % 3 > 0).then(|| scramble(i, 5, 1001)))),
    ];
    Table::from_batches(schema, [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

fn scattered_policy() -> Policy {
    Policy::deny_all().dimensions(["a", "b", "c"]).measures(["x", "y"])
}

/// Rows and sums of each cell that holds rows, found the plain way.
fn plainly(table: &Table, names: &[&str]) -> std::collections::BTreeMap<Vec<u32>, [i64; 4]> {
    let cells: Vec<_> = names.iter().map(|name| table.cells(name).unwrap()).collect();
    let (x, y) = (table.measure("x").unwrap(), table.measure("y").unwrap());
    let mut found = std::collections::BTreeMap::new();
    for row in 0..table.len() {
        let sums: &mut [i64; 4] = found.entry(cells.iter().map(|c| c[row]).collect()).or_default();
        let value = y.iter().nth(row).unwrap();
        let add = [1, x.value(row), value.unwrap_or(0), i64::from(value.is_some())];
        sums.iter_mut().zip(add).for_each(|(sum, add)| *sum += add);
    }
    found
}

#[test]
fn dense_and_sparse_cubes_on_any_number_of_threads_have_the_same_cells() {
    // Dense: 12 and 1,452 cells. Sparse: 300 and 65,535 values, the last one as wide as a cube may be.
    for (size, sparse) in [(2, false), (11, false), (300, true), (65_535, true)] {
        let table = scattered(size, 9_000);
        let policy = scattered_policy();
        let expected = plainly(&table, &["a", "b", "c"]);
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let cube = pool.install(|| Cube::fold(&table, &policy)).unwrap();
            assert_eq!(cube.cells.is_some(), sparse, "{size}");
            let number = |key: &Vec<u32>| key.iter().zip(&cube.sizes).fold(0, |n, (k, size)| n * size + u64::from(*k));
            let [x, y] = &cube.measures[..] else { panic!("two measures") };
            assert_eq!((&x.valid, x.column.as_str()), (&None, "x"));
            let mut left = expected.iter();
            for slot in 0..cube.count.len() {
                let got = [cube.count[slot], x.sum[slot], y.sum[slot], y.valid.as_ref().unwrap()[slot]];
                if got != [0; 4] {
                    let (key, sums) = left.next().unwrap();
                    assert_eq!((cube.cell(slot), got), (number(key), *sums), "{size}, {threads} threads");
                }
            }
            assert!(left.next().is_none());
        }
    }
}

#[test]
fn a_marginal_of_a_sparse_cube_is_that_of_its_rows() {
    let table = scattered(300, 9_000);
    let cube = Cube::fold(&table, &scattered_policy()).unwrap().suppress(1);
    assert!(cube.cube.cells.is_some());
    let query = Query::select([count(), mean("y")])
        .filter(col("a").ge(40) & col("c").lt(250) & col("c").ge(secret(7)))
        .group_by(["b"]);
    let plan = query.program().plan(table.schema()).unwrap();
    let marginal = cube.marginal(table.schema(), &plan).unwrap();
    assert_eq!((plan.cells(), plan.groups(), marginal.len()), (300, 301, 3 * 301));
    let mut expected = vec![vec![0; 300]; 3 * 301];
    for (key, [rows, _, sum, valid]) in plainly(&table, &["a", "b", "c"]) {
        let (a, b, c) = (key[0], key[1] as usize, key[2] as usize);
        if a >= 40 && c < 250 {
            for (s, (series, _)) in plan.series().iter().enumerate() {
                expected[b * 3 + s][c] += match series {
                    Series::Count => rows,
                    Series::Sum(_) => sum,
                    Series::Valid(_) => valid,
                    other => panic!("{other} was not asked for"),
                };
            }
        }
    }
    assert!(marginal == expected);
}

#[test]
fn batches_fold_to_the_cube_of_their_table() {
    let table = scattered(16, 150_000);
    let whole = Cube::fold(&table, &scattered_policy()).unwrap();
    let long = arrow::compute::concat_batches(&table.arrow_schema(), &table.to_batches()).unwrap();
    let short = (0..table.len()).step_by(777).map(|start| long.slice(start, 777.min(table.len() - start)));
    for batches in [table.to_batches(), vec![long.clone()], short.collect()] {
        let cube = Cube::fold_batches(table.schema(), &scattered_policy(), batches.into_iter().map(Ok)).unwrap();
        assert_eq!((cube.rows, &cube.count, &cube.cells), (whole.rows, &whole.count, &whole.cells));
        for (a, b) in cube.measures.iter().zip(&whole.measures) {
            assert!(a.column == b.column && a.sum == b.sum && a.valid == b.valid);
        }
    }
}

#[test]
fn batches_are_checked_as_a_table_is_and_the_first_error_is_told() {
    let schema = Schema::new(vec![Column::integer("x", 0, 9).dimension()]).unwrap();
    let batch = |wrong: i64| {
        let values: Int64Array = (0..1000).map(|i| Some(if i == wrong { 10 + wrong } else { i % 10 })).collect();
        RecordBatch::try_from_iter([("x", Arc::new(values) as ArrayRef)]).unwrap()
    };
    let other = RecordBatch::try_from_iter([("y", Arc::new(Int64Array::from(vec![1])) as ArrayRef)]).unwrap();
    let policy = Policy::deny_all().dimensions(["x"]);
    for batches in [vec![batch(-1), batch(17), batch(5)], vec![batch(-1), other]] {
        let of_table = Table::from_batches(schema.clone(), batches.clone()).unwrap_err();
        let of_fold = Cube::fold_batches(&schema, &policy, batches.into_iter().map(Ok)).map(drop).unwrap_err();
        assert_eq!(of_fold.to_string(), of_table.to_string());
    }
    let failing = [Ok(batch(-1)), Err(AssetError::Unreadable { format: "Parquet", why: "torn".into() }.into())];
    let error = Cube::fold_batches(&schema, &policy, failing.into_iter()).map(drop).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Malformed);
}

#[test]
fn a_cube_with_too_many_cells_is_refused() {
    let rows = MAX_CUBE_CELLS as i64 + 1;
    let schema = Schema::new(vec![
        Column::integer("a", 0, (1 << 20) - 1).dimension(),
        Column::integer("b", 0, (1 << 20) - 1).dimension(),
        Column::integer("c", 0, (1 << 20) - 1).dimension(),
    ])
    .unwrap();
    let column =
        |shift: i64| -> ArrayRef { Arc::new(Int64Array::from_iter_values((0..rows).map(|i| i >> shift & 0xfffff))) };
    let batch = RecordBatch::try_from_iter([("a", column(0)), ("b", column(20)), ("c", column(20))]).unwrap();
    let table = Table::from_batches(schema, [batch]).unwrap();
    let fold = |dimensions: &[&str]| Cube::fold(&table, &Policy::deny_all().dimensions(dimensions.iter().copied()));
    assert_eq!(fold(&["b"]).unwrap().count.len(), 5, "sparse");
    match fold(&["a", "b"]).map(drop).unwrap_err() {
        CubeError::TooManyCells { cells, span } => assert_eq!((cells, span), (MAX_CUBE_CELLS + 1, 1 << 40)),
        other => panic!("{other}"),
    }
    assert!(matches!(fold(&["a", "b", "c"]).map(drop).unwrap_err(), CubeError::SpanTooLarge { .. }));
}

#[test]
fn null_is_neither_selected_nor_selected_out() {
    let rows = rows();
    let table = table(&rows);
    let selected = |filter| {
        let query = Query::select([count()]).filter(filter);
        let plan = query.program().plan(table.schema()).unwrap();
        let indicator = plan.indicator(table.schema(), &query).unwrap();
        let marginal = cube(&rows, 1).marginal(table.schema(), &plan).unwrap();
        marginal[0].iter().zip(indicator).filter(|(_, s)| *s).map(|(v, _)| *v).sum::<i64>()
    };
    let known = rows.iter().filter(|r| r.1.is_some()).count() as i64;
    let below = rows.iter().filter(|r| r.1.is_some_and(|age| age < 5)).count() as i64;
    assert_eq!(selected(col("age").lt(secret(5))), below);
    assert_eq!(selected(!col("age").lt(secret(5))), known - below);
    assert_eq!(selected(col("age").is_null() & col("town").is_in(secret(TOWNS))), rows.len() as i64 - known);
}

#[test]
fn small_cells_and_sums_over_few_values_are_zeroed_once_and_for_every_marginal() {
    let mut rows: Vec<Row> = (0..100).map(|i| (0, Some(1), Some(i % 7))).collect();
    rows.extend([(1, Some(1), Some(50)); 4]);
    // Enough rows, too few incomes.
    rows.extend((0..20).map(|i| (2, Some(1), (i < 3).then_some(60))));
    let open = cube(&rows, 1);
    assert_eq!(open.suppression().suppressed_rows, 0);
    let protected = cube(&rows, 5);
    assert_eq!(
        protected.suppression(),
        Suppression { cells: 33, suppressed_cells: 1, rows: 124, suppressed_rows: 4, suppressed_values: 3 }
    );
    let table = table(&rows);
    let plan = Query::select([count(), mean("income")]).group_by(["town"]).program().plan(table.schema()).unwrap();
    let sums: i64 = (0..100).map(|i| i % 7).sum();
    let marginal = |cube: &ProtectedCube| -> Vec<i64> {
        cube.marginal(table.schema(), &plan).unwrap().into_iter().map(|row| row[0]).collect()
    };
    assert_eq!(marginal(&open), [100, sums, 100, 4, 200, 4, 20, 180, 3]);
    assert_eq!(marginal(&protected), [100, sums, 100, 0, 0, 0, 20, 0, 0]);
}

#[test]
fn sums_of_squares_are_zeroed_with_their_sums() {
    let mut rows: Vec<Row> = (0..100).map(|i| (0, Some(1), Some(i % 7))).collect();
    rows.extend([(1, Some(1), Some(50)); 4]);
    // Enough rows, too few incomes.
    rows.extend((0..20).map(|i| (2, Some(1), (i < 3).then_some(60))));
    let table = table(&rows);
    let plan = Query::select([variance("income")]).group_by(["town"]).program().plan(table.schema()).unwrap();
    let squares = plan.series().iter().position(|(s, _)| matches!(s, Series::SumOfSquares(_))).unwrap();
    let of = |min_group_size| -> Vec<i64> {
        let policy = policy(min_group_size).aggregations([Aggregation::Variance]);
        let cube = Cube::fold(&table, &policy).unwrap().suppress(min_group_size);
        let marginal = cube.marginal(table.schema(), &plan).unwrap();
        marginal.chunks_exact(plan.series().len()).map(|group| group[squares][0]).collect()
    };
    let large: i64 = (0..100).map(|i| (i % 7) * (i % 7)).sum();
    assert_eq!(of(1), [large, 4 * 2500, 3 * 3600]);
    assert_eq!(of(5), [large, 0, 0]);
}

#[test]
fn the_attack_of_two_answers_that_differ_by_a_small_cell() {
    // One person of age 9 in town b. Suppressing each answer by itself gives that person away: "town b" and "town b,
    // but not of age 9" are both large, and their difference is one income.
    let mut rows: Vec<Row> = (0..50).map(|i| (1, Some(i % 9), Some(1))).collect();
    rows.push((1, Some(9), Some(77)));
    let table = table(&rows);
    let answer = |cube: &ProtectedCube, query: &Query| {
        let plan = query.program().plan(table.schema()).unwrap();
        let sums = plan.series().iter().position(|(s, _)| matches!(s, Series::Sum(_))).unwrap();
        let keep = plan.indicator(table.schema(), query).unwrap();
        cube.marginal(table.schema(), &plan).unwrap()[sums]
            .iter()
            .zip(keep)
            .filter(|(_, k)| *k)
            .map(|(v, _)| *v)
            .sum::<i64>()
    };
    let town = Query::select([mean("income")]).filter(col("town").eq(secret("b")));
    let but_one = town.clone().filter(!col("age").eq(secret(9)));
    let (unprotected, protected) = (cube(&rows, 1), cube(&rows, 5));
    assert_eq!(answer(&unprotected, &town) - answer(&unprotected, &but_one), 77, "the attack works");
    assert_eq!(answer(&protected, &town) - answer(&protected, &but_one), 0, "and fails on the one suppressed cube");
}

/// Visits: whom, where, and a cost that may be missing.
fn visits(rows: &[(&str, i64, Option<i64>)], text: bool) -> Table {
    let who = if text { Column::text("who") } else { Column::integer("who", i64::MIN, i64::MAX) };
    let schema = Schema::new(vec![
        who.entity(),
        Column::integer("place", 0, 2).dimension(),
        Column::integer("cost", 0, 100).measure().nullable(),
    ])
    .unwrap();
    let number = |name: &str| name.bytes().fold(-7i64, |n, byte| n.wrapping_mul(1 << 20).wrapping_add(byte.into()));
    let who: ArrayRef = match text {
        true => Arc::new(StringArray::from_iter_values(rows.iter().map(|r| r.0))),
        false => Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| number(r.0)))),
    };
    let columns: [(&str, ArrayRef); 3] = [
        ("who", who),
        ("place", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)))),
        ("cost", Arc::new(rows.iter().map(|r| r.2).collect::<Int64Array>())),
    ];
    Table::from_batches(schema, [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

#[test]
fn with_an_entity_groups_are_of_people_and_not_of_rows() {
    // One person is at place 0 twenty times. At place 1 are six people, two of them with all the costs that are known; at
    // place 2 six people, of whom two have visits without a cost.
    let people = ["ann", "bob", "cid", "dan", "eve", "fay"];
    let mut rows = vec![("ann", 0, Some(50)); 20];
    rows.extend((0..30).map(|i| (people[i % 6], 1, (i % 6 < 2).then_some(10))));
    rows.extend((0..30).map(|i| (people[i % 6], 2, Some(3))));
    rows.extend((0..8).map(|i| (people[i % 2], 2, None)));
    let by_rows = Policy::deny_all().dimensions(["place"]).measures(["cost"]).min_group_size(5);
    let by_people = by_rows.clone().entity("who");
    for text in [true, false] {
        let table = visits(&rows, text);
        let protect = |policy: &Policy| Cube::fold(&table, policy).unwrap().suppress(5);
        let sums = |cube: &ProtectedCube| cube.cube.measures[0].sum.clone();
        let (unprotected, protected) = (protect(&by_rows), protect(&by_people));
        assert_eq!((&unprotected.cube.count[..], sums(&unprotected)), (&[20, 30, 38][..], vec![1000, 100, 90]));
        assert_eq!((&protected.cube.count[..], sums(&protected)), (&[0, 30, 38][..], vec![0, 0, 0]));
        let told = Suppression { cells: 3, suppressed_cells: 1, rows: 88, suppressed_rows: 20, suppressed_values: 40 };
        assert_eq!(protected.suppression(), told);
        // With no more than two asked for, place 0 alone is withheld.
        let two = Cube::fold(&table, &by_people.clone().min_group_size(2)).unwrap().suppress(2);
        assert_eq!((&two.cube.count[..], sums(&two)), (&[0, 30, 38][..], vec![0, 100, 90]));
        // A cube knows no more people than its policy asks for.
        let more = Cube::fold(&table, &by_people).unwrap().suppress(6);
        assert_eq!(more.cube.count, [0; 3]);
    }
}

#[test]
fn entities_are_counted_alike_in_dense_and_sparse_cubes_on_any_number_of_threads() {
    let scramble = |i: u64| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ i << 17).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33;
    for size in [11, 100_000] {
        let schema = Schema::new(vec![
            Column::text("who").entity(),
            Column::integer("a", 0, size - 1).dimension(),
            Column::integer("b", 0, size - 1).dimension(),
        ])
        .unwrap();
        let rows: Vec<(String, i64, i64)> = (0..100_000)
            .map(|i| {
                let (cell, who) = (scramble(i) % 500, scramble(i + 1_000_000) % 40);
                (format!("{who}"), scramble(cell) as i64 % size, scramble(cell + 700) as i64 % size)
            })
            .collect();
        let columns: [(&str, ArrayRef); 3] = [
            ("who", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.0)))),
            ("a", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)))),
            ("b", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2)))),
        ];
        let table = Table::from_batches(schema, [RecordBatch::try_from_iter(columns).unwrap()]).unwrap();
        let mut people = std::collections::BTreeMap::<u64, std::collections::BTreeSet<&str>>::new();
        for (who, a, b) in &rows {
            people.entry((a * size + b) as u64).or_default().insert(who);
        }
        let policy = Policy::deny_all().dimensions(["a", "b"]).min_group_size(39).entity("who");
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let cube = pool.install(|| Cube::fold(&table, &policy)).unwrap();
            let counted = &cube.entities.as_ref().unwrap().all;
            let got: Vec<_> =
                (0..counted.len()).map(|slot| (cube.cell(slot), counted[slot])).filter(|c| c.1 > 0).collect();
            let expected: Vec<_> = people.iter().map(|(cell, who)| (*cell, who.len().min(39) as u32)).collect();
            assert_eq!(got, expected, "{size}, {threads} threads");
        }
        let full = people.values().filter(|who| who.len() >= 39).count();
        assert!(full > 0 && full < people.len(), "some are large enough: {full}");
    }
}

#[test]
fn sums_that_could_overflow_are_refused_at_publication() {
    let schema = Schema::new(vec![Column::integer("x", 0, i64::MAX).measure()]).unwrap();
    let error = series_bits(&schema, &Policy::deny_all(), &Series::Sum("x".into()), 2).unwrap_err();
    assert!(matches!(error, CubeError::SumTooLarge { .. }));
    let squares = Column::integer("y", 0, 1 << 31).measure();
    let schema = schema.with_column(Column { name: "x".into(), ..squares }).unwrap();
    assert_eq!(series_bits(&schema, &Policy::deny_all(), &Series::Sum("x".into()), 2).unwrap(), 33);
    let error = series_bits(&schema, &Policy::deny_all(), &Series::SumOfSquares("x".into()), 2).unwrap_err();
    assert!(error.to_string().contains("the sum of squares of \"x\""), "{error}");
    assert_eq!(series_bits(&schema, &Policy::deny_all(), &Series::Count, 1_000_000).unwrap(), 20);
}
