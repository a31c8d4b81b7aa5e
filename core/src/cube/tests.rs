use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::*;
use crate::asset::{Column, Table};
use crate::policy::Policy;
use crate::program::{Aggregation, Query, col, count, mean, secret};

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

#[test]
fn sums_that_could_overflow_are_refused_at_publication() {
    let schema = Schema::new(vec![Column::integer("x", 0, i64::MAX).measure()]).unwrap();
    let error = series_bits(&schema, &Series::Sum("x".into()), 2).unwrap_err();
    assert!(matches!(error, CubeError::SumTooLarge { .. }));
    let squares = Column::integer("y", 0, 1 << 31).measure();
    let schema = schema.with_column(Column { name: "x".into(), ..squares }).unwrap();
    assert_eq!(series_bits(&schema, &Series::Sum("x".into()), 2).unwrap(), 33);
    let error = series_bits(&schema, &Series::SumOfSquares("x".into()), 2).unwrap_err();
    assert!(error.to_string().contains("the sum of squares of \"x\""), "{error}");
    assert_eq!(series_bits(&schema, &Series::Count, 1_000_000).unwrap(), 20);
}
