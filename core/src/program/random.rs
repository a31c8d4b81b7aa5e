//! Random programs over random tables: what the sealed path answers, against going through the rows.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Decimal128Array, Int64Array, RecordBatch, StringArray};
use proptest::prelude::*;

use super::*;
use crate::asset::{Column, Schema, Table};
use crate::cube::Cube;
use crate::policy::Policy;
use crate::release::{Answer, Numbers};

const REGIONS: [&str; 3] = ["north", "south", "east"];
const RANKS: [f64; 5] = [0.0, 0.1, 0.5, 0.9, 1.0];

/// region, age, member; visits, and cost in tenths.
#[derive(Clone, Debug)]
struct Row {
    dimensions: [Option<i64>; 3],
    visits: Option<i64>,
    cost: i64,
}

/// A filter that a row can be asked.
#[derive(Clone, Debug)]
enum Tree {
    Test {
        column: usize,
        op: Op,
        literals: Vec<i64>,
        hidden: bool,
    },
    /// Tenths for each unit of age, for TRUE, and for regions, of the last of which nothing is said.
    Score {
        age: i64,
        member: i64,
        regions: Option<[i64; 2]>,
        op: Op,
        bound: i64,
    },
    All(Vec<Tree>),
    Any(Vec<Tree>),
    Not(Box<Tree>),
}

const NAMES: [&str; 3] = ["region", "age", "member"];

fn value(column: usize, stored: i64) -> Value {
    match column {
        0 => Value::Text(REGIONS[stored as usize].into()),
        1 => Value::Integer(stored),
        _ => Value::Boolean(stored != 0),
    }
}

impl Tree {
    fn filter(&self) -> Filter {
        match self {
            Tree::Test { column, op: Op::Null, .. } => col(NAMES[*column]).is_null(),
            Tree::Test { column, op, literals, hidden } => {
                let values = literals.iter().map(|v| value(*column, *v)).collect();
                let literals = if *hidden { Literals::Secret(values) } else { Literals::Clear(values) };
                col(NAMES[*column]).test(*op, literals)
            }
            Tree::Score { age, member, regions, op, bound } => {
                let tenths = |mantissa: i64| Value::Decimal { mantissa, scale: 1 };
                let score = col("age").times(tenths(*age)) + col("member").times(tenths(*member));
                let score = match regions {
                    Some(of) => score + col("region").points(REGIONS.into_iter().zip(of.map(tenths))),
                    None => score,
                };
                // Hundredths, of which only the tenths can make a difference.
                score.compared(*op, Value::Decimal { mantissa: *bound, scale: 2 })
            }
            Tree::All(parts) => parts.iter().map(Tree::filter).reduce(|a, b| a & b).unwrap(),
            Tree::Any(parts) => parts.iter().map(Tree::filter).reduce(|a, b| a | b).unwrap(),
            Tree::Not(part) => !part.filter(),
        }
    }

    /// SQL's three values, one row at a time.
    fn holds(&self, row: &Row) -> Option<bool> {
        match self {
            Tree::Test { column, op: Op::Null, .. } => Some(row.dimensions[*column].is_none()),
            Tree::Test { column, op, literals, .. } => {
                let (x, v) = (row.dimensions[*column]?, literals[0]);
                Some(match op {
                    Op::Eq => x == v,
                    Op::Ne => x != v,
                    Op::Lt => x < v,
                    Op::Le => x <= v,
                    Op::Gt => x > v,
                    Op::Ge => x >= v,
                    Op::In | Op::Null => literals.contains(&x),
                })
            }
            Tree::Score { age, member, regions, op, bound } => {
                let [region, of_age, of_member] = row.dimensions;
                let region = match regions {
                    Some(of) => *of.get(region? as usize)?,
                    None => 0,
                };
                let score = 10 * (age * of_age? + member * of_member? + region);
                Some(match op {
                    Op::Lt => score < *bound,
                    Op::Le => score <= *bound,
                    Op::Gt => score > *bound,
                    _ => score >= *bound,
                })
            }
            Tree::All(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| p.holds(row)).collect();
                if parts.contains(&Some(false)) {
                    Some(false)
                } else {
                    parts.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
                }
            }
            Tree::Any(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| p.holds(row)).collect();
                if parts.contains(&Some(true)) {
                    Some(true)
                } else {
                    parts.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
                }
            }
            Tree::Not(part) => part.holds(row).map(|b| !b),
        }
    }
}

/// The lower edges of age's bins, and their last values.
fn bins(binned: bool) -> (Vec<i64>, Vec<i64>) {
    if binned { (vec![0, 3, 5], vec![2, 4, 9]) } else { ((0..10).collect(), (0..10).collect()) }
}

fn test(binned: bool) -> impl Strategy<Value = Tree> {
    (0..3usize, 0..8usize, prop::collection::vec(0..30usize, 1..3), any::<bool>()).prop_map(
        move |(column, op, picks, hidden)| {
            let (edges, lasts) = bins(binned);
            let ops = [Op::Eq, Op::Ne, Op::In, Op::Null, Op::Lt, Op::Ge, Op::Le, Op::Gt];
            let op = match column {
                1 if binned => ops[3 + op % 5],
                1 => ops[op],
                _ => ops[op % 4],
            };
            let domain: Vec<i64> = match (column, op) {
                (0, _) => vec![0, 1, 2],
                (1, Op::Lt | Op::Ge) => edges,
                (1, _) => lasts,
                _ => vec![0, 1],
            };
            let count = if op == Op::In { picks.len() } else { 1 };
            let literals = picks.iter().take(count).map(|pick| domain[pick % domain.len()]).collect();
            Tree::Test { column, op, literals, hidden: hidden && op != Op::Null }
        },
    )
}

fn score() -> impl Strategy<Value = Tree> {
    let ops = prop::sample::select(vec![Op::Lt, Op::Le, Op::Gt, Op::Ge]);
    let regions = prop::option::of([-30..30i64, -30..30i64]);
    (-30..30i64, -30..30i64, regions, ops, -500..500i64).prop_map(|(age, member, regions, op, bound)| Tree::Score {
        age,
        member,
        regions,
        op,
        bound,
    })
}

fn tree(binned: bool) -> impl Strategy<Value = Tree> {
    // What is in bins cannot be scored.
    let leaf = if binned { test(binned).boxed() } else { prop_oneof![3 => test(binned), 1 => score()].boxed() };
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::All),
            prop::collection::vec(inner.clone(), 1..4).prop_map(Tree::Any),
            inner.prop_map(|part| Tree::Not(Box::new(part))),
        ]
    })
}

fn row() -> impl Strategy<Value = Row> {
    let maybe = |values: std::ops::Range<i64>| prop::option::weighted(0.85, values);
    ((maybe(0..3), maybe(0..10), maybe(0..2)), maybe(-20..21), -99..100i64).prop_map(|((a, b, c), visits, cost)| Row {
        dimensions: [a, b, c],
        visits,
        cost,
    })
}

fn table(rows: &[Row], binned: bool) -> Table {
    let age = Column::integer("age", 0, 9).dimension().nullable();
    let schema = Schema::new(vec![
        Column::category("region", REGIONS).dimension().nullable(),
        if binned { age.bins([0, 3, 5, 9]) } else { age },
        Column::boolean("member").dimension().nullable(),
        Column::integer("visits", -20, 20).measure().nullable(),
        Column::decimal("cost", 1, -99, 99).measure(),
    ])
    .unwrap();
    let cost = Decimal128Array::from_iter_values(rows.iter().map(|r| r.cost.into()));
    let columns: [(&str, ArrayRef, bool); 5] = [
        (
            "region",
            Arc::new(StringArray::from_iter(rows.iter().map(|r| r.dimensions[0].map(|v| REGIONS[v as usize])))),
            true,
        ),
        ("age", Arc::new(rows.iter().map(|r| r.dimensions[1]).collect::<Int64Array>()), true),
        ("member", Arc::new(rows.iter().map(|r| r.dimensions[2].map(|v| v != 0)).collect::<BooleanArray>()), true),
        ("visits", Arc::new(rows.iter().map(|r| r.visits).collect::<Int64Array>()), true),
        ("cost", Arc::new(cost.with_precision_and_scale(10, 1).unwrap()), false),
    ];
    Table::from_batches(schema, [RecordBatch::try_from_iter_with_nullable(columns).unwrap()]).unwrap()
}

fn asked() -> Vec<Aggregate> {
    let mut all = vec![count()];
    for measure in ["visits", "cost"] {
        all.extend([
            sum(measure),
            mean(measure),
            variance(measure),
            var_pop(measure),
            stddev(measure),
            stddev_pop(measure),
        ]);
    }
    all.extend(NAMES.map(histogram));
    all.extend([min("age"), max("age")]);
    all.extend(RANKS.map(|rank| quantile("age", rank)));
    all
}

/// The answer of an owner and a consumer, without the encryption between them.
fn answered(table: &Table, query: &Query) -> Answer {
    let policy = Policy::deny_all()
        .dimensions(NAMES)
        .measures(["visits", "cost"])
        .aggregations(Aggregation::ALL)
        .any_program()
        .min_group_size(1);
    let schema = table.schema();
    let program = query.program();
    let program = Program::from_bytes(&program.to_bytes().unwrap()).unwrap();
    let plan = program.plan(schema).unwrap();
    policy.check(&program, &plan, 0).unwrap();
    let indicator = plan.indicator(schema, query).unwrap();
    let marginal = Cube::fold(table, &policy).unwrap().suppress(1).marginal(schema, &plan).unwrap();
    let product = |row: &Vec<i64>| row.iter().zip(&indicator).filter(|(_, s)| **s).map(|(v, _)| i128::from(*v)).sum();
    let numbers: Vec<i128> = marginal.iter().map(product).collect();
    assert_eq!(numbers.len(), plan.groups() * plan.width());
    query.check_outputs().unwrap();
    Answer::assemble(schema, policy.noise().is_none(), &plan, table.len() as u64, &numbers)
        .unwrap()
        .select(query.outputs())
}

fn close(got: Option<f64>, expected: Option<f64>) -> bool {
    match (got, expected) {
        (Some(got), Some(expected)) => (got - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        (got, expected) => got == expected,
    }
}

/// Variance in two passes, as textbooks have it.
fn spread(values: &[f64], less: usize) -> Option<f64> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    (values.len() > less)
        .then(|| values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / (values.len() - less) as f64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn random_programs_answer_what_the_rows_say(
        (binned, filter) in any::<bool>().prop_flat_map(|binned| (Just(binned), prop::option::of(tree(binned)))),
        rows in prop::collection::vec(row(), 0..80),
        groups in prop::sample::subsequence(vec![0usize, 1, 2], 0..=2).prop_shuffle(),
    ) {
        let table = table(&rows, binned);
        let query = Query::select(asked()).group_by(groups.iter().map(|g| NAMES[*g]));
        let query = filter.iter().fold(query, |query, tree| query.filter(tree.filter()));
        let answer = answered(&table, &query);
        let (edges, lasts) = bins(binned);
        let bin = |column: usize, stored: i64| match column {
            1 => edges.partition_point(|edge| *edge <= stored) - 1,
            _ => stored as usize,
        };
        let label = |column: usize, stored: Option<i64>| {
            stored.map(|v| table.schema().columns()[column].cell_label(bin(column, v) as u32))
        };
        let kept: Vec<&Row> = rows.iter()
            .filter(|row| filter.as_ref().is_none_or(|tree| tree.holds(row) == Some(true)))
            .collect();
        let mut seen = 0;
        for group in 0..answer.len() {
            let of_group = |row: &&&Row| groups.iter().all(|g| {
                answer.group(NAMES[*g]).unwrap()[group] == label(*g, row.dimensions[*g])
            });
            let rows: Vec<&&Row> = kept.iter().filter(of_group).collect();
            seen += rows.len();
            let numbers = |aggregate: Aggregate| answer.numbers(&aggregate.to_string()).unwrap();
            let double = |aggregate: Aggregate| numbers(aggregate).to_f64()[group];
            let whole = |aggregate: Aggregate| match numbers(aggregate) {
                Numbers::Count(values) | Numbers::Sum { values, .. } => values[group],
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(whole(count()), rows.len() as i128);
            let visits: Vec<f64> = rows.iter().filter_map(|r| r.visits).map(|v| v as f64).collect();
            let cost: Vec<f64> = rows.iter().map(|r| r.cost as f64 / 10.0).collect();
            let tenths: i128 = rows.iter().map(|r| i128::from(r.cost)).sum();
            prop_assert_eq!(whole(sum("cost")), tenths);
            for (name, values) in [("visits", visits), ("cost", cost)] {
                let mean_of = (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
                prop_assert!(close(double(sum(name)), Some(values.iter().sum())));
                prop_assert!(close(double(mean(name)), mean_of));
                prop_assert!(close(double(variance(name)), spread(&values, 1)));
                prop_assert!(close(double(var_pop(name)), spread(&values, 0)));
                prop_assert!(close(double(stddev(name)), spread(&values, 1).map(f64::sqrt)));
                prop_assert!(close(double(stddev_pop(name)), spread(&values, 0).map(f64::sqrt)));
            }
            for (column, name) in NAMES.iter().enumerate() {
                let Numbers::Histogram { bins, counts } = numbers(histogram(*name)) else { panic!("no histogram") };
                for (b, one) in bins.iter().enumerate() {
                    let held = rows.iter().filter_map(|r| r.dimensions[column]).filter(|v| bin(column, *v) == b).count();
                    prop_assert_eq!(counts[group][b], held as i128, "{} {}", name, one.label);
                }
            }
            let mut ages: Vec<i64> = rows.iter().filter_map(|r| r.dimensions[1]).collect();
            ages.sort_unstable();
            let chosen = |aggregate: Aggregate| match numbers(aggregate) {
                Numbers::Bins { bins, chosen } => chosen[group].map(|bin| bins[bin].clone()),
                other => panic!("{other:?}"),
            };
            let is = |aggregate: Aggregate, age: Option<&i64>| {
                let expected = age.map(|age| (Value::Integer(edges[bin(1, *age)]), Value::Integer(lasts[bin(1, *age)])));
                chosen(aggregate).map(|bin| (bin.first, bin.last)) == expected
            };
            prop_assert!(is(min("age"), ages.first()));
            prop_assert!(is(max("age"), ages.last()));
            for rank in RANKS {
                let place = ((rank * ages.len() as f64 - 1e-9).ceil() as usize).max(1) - 1;
                prop_assert!(is(quantile("age", rank), ages.get(place)), "rank {}", rank);
            }
        }
        // A group for every row that the filter keeps.
        prop_assert_eq!(seen, kept.len());
    }
}

#[test]
fn an_or_of_a_clear_and_a_secret_comparison_is_hidden_as_a_whole() {
    let either = col("region").eq("north") | col("age").eq(secret(3));
    let query = Query::select([count()]).filter(either & col("member").eq(true));
    let plan = query.program().plan(table(&[], false).schema()).unwrap();
    assert_eq!(plan.hidden(), ["region", "age"]);
    assert_eq!(plan.dimensions().collect::<Vec<_>>(), ["member", "region", "age"]);
}

#[test]
fn scores_that_cannot_be_computed_are_refused_by_name() {
    let (binned, single) = (table(&[], true), table(&[], false));
    let refused = |table: &Table, filter| {
        Query::select([count()]).filter(filter).program().plan(table.schema()).unwrap_err().to_string()
    };
    let age = || Score::from(col("age").times(2));
    assert_eq!(refused(&binned, age().ge(3)), "age cannot be scored: its values [0, 3) are one cell");
    for (filter, words) in [
        (Score::from(col("region").times(2)).ge(3), "no order"),
        (Score::from(col("visits").times(2)).ge(3), "not a dimension"),
        (Score::from(col("age").times("a")).ge(3), "no number"),
        (Score::from(col("age").times(f64::NAN)).ge(3), "no number"),
        (age().ge("x"), "no number"),
        (age().at_least_probability(1.0), "no number"),
        (age().at_least_probability(-0.1), "no number"),
        (Score::from(3).ge(3), "0 terms"),
        ((0..6).fold(age(), |sum, _| sum.clone() + sum).ge(1), "64 terms"),
        (Score::from(col("region").points([("north", 1), ("north", 2)])).ge(3), "points twice"),
        (Score::from(col("region").points([("west", 1)])).ge(3), "west"),
    ] {
        // 64 terms are the most.
        if words == "64 terms" {
            assert!(Query::select([count()]).filter(filter.clone()).program().plan(single.schema()).is_ok());
            continue;
        }
        let said = refused(&single, filter);
        assert!(said.contains(words), "{said}: {words}");
    }
    assert!(refused(&single, (0..9).fold(age(), |sum, _| sum.clone() + sum).ge(1)).contains("65 terms"));
    // A digit more than fits, whichever way it comes.
    let tiny = Value::Decimal { mantissa: 1, scale: 255 };
    assert!(refused(&single, (age() + col("member").times(tiny)).ge(1)).contains("too many digits"));
}

#[test]
fn a_group_can_be_chosen_in_secret() {
    let row = |region, age, visits| Row { dimensions: [region, Some(age), None], visits: Some(visits), cost: 0 };
    let rows = [row(Some(0), 1, 5), row(Some(1), 1, 7), row(Some(0), 8, 2), row(None, 8, 4)];
    let table = table(&rows, false);
    let ask = |filter| {
        let answer = answered(&table, &Query::select([sum("visits")]).filter(filter));
        answer.numbers("sum(visits)").unwrap().to_f64()
    };
    assert_eq!(ask(col("region").eq(secret("north"))), [Some(7.0)]);
    assert_eq!(ask(col("region").is_in(secret(["south", "east"]))), [Some(7.0)]);
    assert_eq!(ask(!col("region").is_in(secret(["south", "east"]))), [Some(7.0)]);
    let programs =
        ["north", "east"].map(|name| Query::select([count()]).filter(col("region").eq(secret(name))).program());
    assert_eq!(programs[0].digest().unwrap(), programs[1].digest().unwrap());
}

#[test]
fn arithmetic_is_exact_until_it_is_rounded_once() {
    let row = |age, visits: Option<i64>, cost| Row { dimensions: [Some(0), Some(age), None], visits, cost };
    let table = table(&[row(1, Some(20), 1), row(1, Some(-13), 2), row(2, None, 99)], false);
    let rate = (100 * sum("visits") / sum("cost")).alias("rate");
    let zero = (sum("cost") - sum("cost")).alias("zero");
    let nothing = (count() / (sum("cost") - sum("cost"))).alias("nothing");
    // Of doubles, the sum of a tenth and two tenths less three tenths is not zero.
    let third = Value::decimal("0.3").unwrap();
    let exact = (sum("cost") - third).alias("exact");
    let query = Query::select([rate, zero, nothing, exact, (mean("visits") + 1).alias("next"), count().alias("n")]);
    let answer = answered(&table, &query.clone().filter(col("age").eq(secret(1))));
    let of = |name: &str| answer.numbers(name).unwrap().to_f64()[0];
    assert_eq!(of("rate"), Some(7000.0 / 3.0));
    assert_eq!((of("zero"), of("nothing"), of("exact")), (Some(0.0), None, Some(0.0)));
    assert_eq!((of("next"), of("n")), (Some(4.5), Some(2.0)));
    assert!(matches!(answer.numbers("n"), Some(Numbers::Count(_))), "a renamed count stays one");
    assert!(answer.numbers("sum(visits)").is_none(), "what was not selected is not shown");
    let none = answered(&table, &query.clone().filter(col("age").eq(secret(9))));
    assert_eq!(none.numbers("next").unwrap().to_f64(), [None]);
    // The owner learns which aggregates are needed, and neither what is made of them nor what it is called.
    let text = query.program().to_string();
    assert!(text.contains("sum(visits)") && !text.contains("rate") && !text.contains("100"), "{text}");
    assert_eq!(none.to_record_batch().unwrap().num_columns(), 6);
}

#[test]
fn a_select_in_sql_answers_by_region() {
    let row = |region, age, visits| Row { dimensions: [Some(region), Some(age), None], visits: Some(visits), cost: 0 };
    let table = table(&[row(0, 2, 20), row(0, 5, 10), row(0, 7, 13), row(1, 8, 4)], false);
    let query = Query::from_sql("SELECT region, avg(visits) FROM asset WHERE age > SECRET(4) GROUP BY region").unwrap();
    let answer = answered(&table, &query);
    let labels = answer.group("region").unwrap();
    assert_eq!(labels, [Some("north".into()), Some("south".into()), Some("east".into()), None]);
    assert_eq!(answer.numbers("mean(visits)").unwrap().to_f64(), [Some(11.5), Some(4.0), None, None]);
}

#[test]
fn bins_travel_into_arrow_and_json() {
    let row = |region, age| Row { dimensions: [region, age, None], visits: None, cost: 0 };
    let table = table(&[row(Some(0), Some(3)), row(Some(0), Some(4)), row(Some(1), None)], true);
    let outputs = [histogram("age"), min("age"), histogram("region"), variance("cost")];
    let answer = answered(&table, &Query::select(outputs).group_by(["region"]));
    let batch = answer.to_record_batch().unwrap();
    assert_eq!(batch.num_rows(), 4);
    let text = answer.to_string();
    assert!(text.contains("{bin: [3, 5), first: 3, last: 4}"), "{text}");
    assert!(text.contains("{bin: [3, 5), first: 3, last: 4, count: 2}"), "{text}");
    let json = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<Answer>(&json).unwrap(), answer);
    for (good, bad) in
        [("\"chosen\":[1", "\"chosen\":[3"), ("[[0,2,0]", "[[0,2]"), ("\"squares\":[0", "\"squares\":[0,0")]
    {
        assert!(json.contains(good), "{json}");
        assert!(serde_json::from_str::<Answer>(&json.replacen(good, bad, 1)).is_err(), "{bad}");
    }
}

#[test]
fn what_a_dimension_cannot_answer_is_refused_by_name() {
    let table = table(&[], false);
    for (aggregate, words) in [
        (min("region"), "no order"),
        (median("member"), "no order"),
        (histogram("visits"), "not a dimension"),
        (variance("age"), "not a measure"),
        (quantile("age", 1.5), "not from 0 to 1"),
        (quantile("age", f64::NAN), "not from 0 to 1"),
    ] {
        let error = Query::select([aggregate]).program().plan(table.schema()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}
