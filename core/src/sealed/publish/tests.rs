//! Lowered programs over the rows of chunks, computed in the clear, against the cube.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use super::super::layout::StoredForm;
use super::super::lower::lower;
use super::super::pass::{Condition, Out, Pass, Points, add, plans};
use super::*;
use crate::asset::{Column, Schema, Table};
use crate::node::protected_cube;
use crate::program::{
    Aggregation, Filter, Query, col, count, histogram, max, mean, median, stddev_pop, sum, var_pop, variance,
};

/// Numbers without pattern, the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

const PLANS: [&str; 3] = ["free", "half", "full"];

fn table() -> Table {
    let schema = Schema::new(vec![
        Column::category("plan", PLANS).dimension().nullable(),
        Column::category("region", ["north", "south"]).dimension().nullable(),
        // More cells than one digit has.
        Column::integer("steps", 0, 4999).dimension().measure().nullable(),
        Column::integer("visits", -5, 50).measure().nullable(),
        Column::integer("cost", -900, -100).measure(),
    ]);
    let mut dice = Dice(5);
    let mut text = |names: &[&'static str]| -> ArrayRef {
        let any = |_| Some(dice.below(7)).filter(|n| *n < 6).map(|n| names[n as usize % names.len()]);
        Arc::new((0..400).map(any).collect::<StringArray>())
    };
    let (plans, regions) = (text(&PLANS), text(&["north", "south"]));
    let mut dice = Dice(9);
    let mut number = |least: i64, count: u64, nulls: u64| -> ArrayRef {
        let any = |_| Some(dice.below(count + nulls)).filter(|n| *n < count).map(|n| n as i64 + least);
        Arc::new((0..400).map(any).collect::<Int64Array>())
    };
    // Few different steps, so that cells hold several rows.
    let (steps, visits, cost) = (number(2494, 6, 1), number(-5, 56, 14), number(-900, 801, 0));
    let columns = [("plan", plans), ("region", regions), ("steps", steps), ("visits", visits), ("cost", cost)];
    Table::from_batches(schema.unwrap(), [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

fn filter(dice: &mut Dice, depth: u32) -> Filter {
    if depth > 0 && dice.below(3) > 0 {
        let (a, b) = (filter(dice, depth - 1), filter(dice, depth - 1));
        return match dice.below(3) {
            0 => a & b,
            1 => a | b,
            _ => !(a | b),
        };
    }
    let steps = |dice: &mut Dice| 2492 + dice.below(10) as i64;
    match dice.below(12) {
        9 => (col("steps").times(3) + col("plan").points([("free", 11), ("half", -9), ("full", 0)])).ge(7480),
        10 => (col("region").points([("north", 2)]) - col("steps").times(0.5)).lt(-1247 + dice.below(3) as i64),
        11 => {
            (col("plan").points([("free", 1), ("half", 2)]) + col("region").points([("north", 1), ("south", 2)])).gt(2)
        }
        0 => col("plan").eq(PLANS[dice.below(3) as usize]),
        1 => col("plan").is_in(["free", "full"]),
        2 => col("region").ne("north"),
        3 => col("region").is_null(),
        4 => col("plan").is_not_null(),
        5 => col("steps").ge(steps(dice)),
        6 => col("steps").lt(steps(dice)),
        7 => col("steps").is_in([steps(dice), steps(dice), steps(dice)]),
        _ => col("steps").is_null(),
    }
}

fn query(dice: &mut Dice) -> Query {
    let all = [
        count(),
        sum("visits"),
        mean("visits"),
        variance("cost"),
        stddev_pop("visits"),
        var_pop("steps"),
        sum("cost"),
        histogram("plan"),
        histogram("region"),
        max("steps"),
        median("steps"),
    ];
    // Quantiles of many encrypted bins are not computed: rarely asked.
    let mut asked = Vec::new();
    while asked.is_empty() {
        let kinds = if dice.below(8) == 0 { all.len() } else { all.len() - 2 };
        asked = all[..kinds].iter().filter(|_| dice.below(3) == 0).cloned().collect();
    }
    let query = Query::select(asked).filter(filter(dice, 3));
    match dice.below(5) {
        0 => query.group_by(["region"]),
        1 => query.group_by(["plan"]),
        2 => query.group_by(["region", "plan"]),
        3 => query.group_by(["plan", "region"]),
        _ => query,
    }
}

#[test]
fn what_passes_say_of_the_rows_in_chunks_is_what_the_cube_says() {
    let table = table();
    let all = [Aggregation::Count, Aggregation::Sum, Aggregation::Mean, Aggregation::Variance, Aggregation::Histogram];
    let policy = Policy::deny_all()
        .dimensions(["plan", "region", "steps"])
        .measures(["visits", "cost", "steps"])
        .aggregations(all)
        .any_program()
        .clamp("visits", -2, 40)
        .min_group_size(2);
    let cube = protected_cube(&table, &policy).unwrap();
    assert!(cube.suppression().suppressed_rows > 0 && cube.suppression().suppressed_values > 0);
    let (mut computed, mut refused) = (0, 0);
    for public in [vec![], vec!["region".to_owned()], vec!["plan".into(), "region".into()]] {
        let options = SealedOptions::new().public(public).rows_per_chunk(90).canaries(1);
        let layout = options.layout(table.schema(), &policy).unwrap();
        let sealing = Sealing::new(&table, &policy, &cube, &layout, &options).unwrap();
        let canaries = Canaries::from_bytes(&sealing.canaries().unwrap()).unwrap();
        assert_eq!((canaries.canaries.len(), canaries.packed.len()), (1, 0));
        let mut dice = Dice(3);
        for _ in 0..150 {
            let query = query(&mut dice);
            let plan = query.program().plan(table.schema()).unwrap();
            let lowered = match lower(table.schema(), &policy, &layout, &plan) {
                Ok(lowered) => lowered,
                Err(SealedError::Uncomputable { why, .. }) => {
                    assert!(why.contains("bins"), "{why}: {}", query.program());
                    refused += 1;
                    continue;
                }
                Err(other) => panic!("{other}"),
            };
            let mut sums: Vec<Vec<Vec<sealock_fhe::table::Opened>>> = Vec::new();
            for rows in &sealing.mixed.chunks {
                let Rows::Real(numbers) = rows else { continue };
                let of = |column: &Vec<u32>| numbers.iter().map(|row| column[*row as usize]).collect();
                let public: Vec<Vec<u32>> = sealing.public.iter().map(of).collect();
                let value = |column| numbers.iter().map(|row| sealing.values.get(column, *row as usize)).collect();
                let values: Vec<Vec<Option<u64>>> = (0..sealing.values.sources.len()).map(value).collect();
                for (at, pass) in lowered.passes.iter().enumerate() {
                    let opened = pass.in_the_clear(&layout.columns, &public, &values, numbers.len());
                    assert!(pass.conforms(&layout.columns.widths(), numbers.len() as u64, &opened));
                    match sums.get_mut(at) {
                        Some(sums) => add(sums, &opened),
                        None => sums.push(opened),
                    }
                }
            }
            let expected: Vec<i64> = cube.marginal(table.schema(), &plan).unwrap().into_iter().flatten().collect();
            assert_eq!(lowered.numbers(&sums).unwrap(), expected, "{}", query.program());
            computed += 1;
        }
    }
    assert!(computed > 350 && refused > 10, "{computed} computed, {refused} refused");
}

/// The rows of the real chunks, in order.
fn real(mixed: &Mixed<'_>) -> Vec<u32> {
    let rows = mixed.chunks.iter().filter_map(|rows| match rows {
        Rows::Real(rows) => Some(rows.clone()),
        Rows::Canary(..) => None,
    });
    rows.flatten().collect()
}

#[test]
fn packed_rows_are_the_same_in_another_order() {
    use StoredForm::{Digits, Indicators, Limbs, OneHot, Values};

    let table = table();
    let all = [Aggregation::Count, Aggregation::Sum, Aggregation::Histogram];
    let policy = Policy::deny_all()
        .dimensions(["plan", "steps"])
        .measures(["visits"])
        .aggregations(all)
        .any_program()
        .min_group_size(1);
    let cube = protected_cube(&table, &policy).unwrap();
    let options = SealedOptions::new().rows_per_chunk(90).canaries(2);
    let layout = options.layout(table.schema(), &policy).unwrap();
    let forms = |columns: &Columns| {
        columns.stored.iter().map(|stored| (stored.column, stored.form, stored.bits)).collect::<Vec<_>>()
    };
    assert_eq!(forms(&layout.columns), [(0, Digits, 2), (0, OneHot, 2), (1, Digits, 13), (2, Limbs, 6)]);
    assert_eq!(forms(&layout.packed), [(0, Indicators, 2), (0, Values, 2), (1, Indicators, 13), (2, Values, 6)]);
    let sealing = |options: &SealedOptions| Sealing::new(&table, &policy, &cube, &layout, options).unwrap();
    assert!(sealing(&options).packed.is_none());
    let sealing = sealing(&options.clone().packed(true));
    let packed = sealing.packed.as_ref().unwrap();
    let (mut rows, mut again) = (real(&sealing.mixed), real(packed));
    assert_ne!(rows, again);
    rows.sort_unstable();
    again.sort_unstable();
    assert_eq!(rows, again);
    assert_eq!(packed.chunks.len(), 2);
    let canaries = Canaries::from_bytes(&sealing.canaries().unwrap()).unwrap();
    assert_eq!((canaries.canaries.len(), canaries.packed.len()), (2, 1));
    assert!(canaries.packed.iter().all(|canary| canary.values[2].len() == rows.len()));
}

#[test]
fn many_rows_are_packed_without_being_asked() {
    let columns = vec![
        Column::category("plan", PLANS).dimension(),
        Column::category("other", PLANS).dimension(),
        Column::integer("steps", 0, 40_000).dimension(),
    ];
    let schema = Schema::new(columns).unwrap();
    let steps: ArrayRef = Arc::new((0..2048).map(|row| Some(row % 7)).collect::<arrow::array::Int64Array>());
    let plans: ArrayRef = Arc::new((0..2048).map(|row| Some(PLANS[row % 3])).collect::<StringArray>());
    let table = Table::from_batches(
        schema,
        [RecordBatch::try_from_iter([("plan", plans.clone()), ("other", plans), ("steps", steps)]).unwrap()],
    )
    .unwrap();
    let policy = |dimensions: &[&str]| {
        let policy = Policy::deny_all().dimensions(dimensions.iter().copied()).aggregations([Aggregation::Count]);
        policy.any_program().min_group_size(1)
    };
    let packs = |dimensions: &[&str], options: SealedOptions| {
        let policy = policy(dimensions);
        let cube = protected_cube(&table, &policy).unwrap();
        let layout = options.layout(table.schema(), &policy).unwrap();
        Sealing::new(&table, &policy, &cube, &layout, &options).unwrap().packed.is_some()
    };
    let options = SealedOptions::new;
    assert!(packs(&["plan"], options()) && !packs(&["plan"], options().packed(false)));
    // There is nothing to pack.
    assert!(!packs(&["plan"], options().public(["plan"]).packed(true)));
    // It would give the canaries away, and the owner must say so.
    let public = || options().public(["other"]);
    assert!(!packs(&["plan", "other"], public()) && packs(&["plan", "other"], public().packed(true)));
    // With two canaries it would take 91 MB beside 13.
    let watched = || options().canaries(8);
    assert!(!packs(&["plan", "steps"], watched()) && packs(&["plan", "steps"], watched().packed(true)));
}

#[test]
fn packed_passes_have_limits_of_their_own() {
    let packed = |stored: &[(StoredForm, u8)]| {
        let stored = (0..).zip(stored).map(|(column, &(form, bits))| StoredColumn { column, form, bits });
        Columns { public: Vec::new(), stored: stored.collect() }
    };
    let pass = |keep, outputs| Pass { public: Vec::new(), groups: 1, of: vec![Some(0)], keep, outputs };
    let columns = packed(&[(StoredForm::Indicators, 8), (StoredForm::Values, 16)]);
    columns.check().unwrap();
    let sum = pass(Condition::Between(0, 3, 9), vec![Out::Count, Out::Sum(1)]);
    assert!(plans(std::slice::from_ref(&sum), &columns).unwrap()[0].is_packed());
    // Too many results together, a score, a form that is not stored, more categories than anything counts.
    let refused = |pass: Pass, times: usize| assert!(plans(&vec![pass; times], &columns).is_err());
    refused(sum, 256);
    refused(pass(Condition::Score(vec![(0, Points::Times(2)), (1, Points::Times(1))], 9), vec![Out::Count]), 1);
    refused(pass(Condition::Between(1, 3, 9), vec![Out::Count]), 1);
    refused(pass(Condition::always(), vec![Out::Categories(1)]), 1);
    // One that is stored in no form has no width: nothing is true of it, not even that it has no value.
    let mut apart = columns.clone();
    apart.stored[1].column = 2;
    assert!(plans(&[pass(Condition::Between(1, 3, 9), vec![Out::Count])], &apart).is_err());
    // What an executor would have to hold.
    let wide = packed(&[(StoredForm::Indicators, 32); 40]);
    let there = |column| Condition::Between(column, 0, u32::MAX.into());
    let three = |at: u32| Condition::All((at..at + 3).map(there).collect());
    let passes = |count: u32| (0..count).map(|at| pass(three(3 * at), vec![Out::Count])).collect::<Vec<_>>();
    assert!(plans(&passes(12), &wide).is_ok() && plans(&passes(13), &wide).is_err());
    let mixed = packed(&[(StoredForm::Indicators, 8), (StoredForm::Limbs, 16)]);
    assert!(mixed.check().is_err());
}
