//! The privacy budget: what noise is released, what it hides, and who pays for it.
//!
//! Noise is drawn anew in each run. The significance of every statistical test is 10^-6 or smaller.
#![cfg(feature = "dp")]

#[path = "support/market.rs"]
mod market;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use market::{Market, START, people, policy, table};
use sealock::asset::{Column, Schema, Table, Terms};
use sealock::cube::{Cube, ProtectedCube};
use sealock::order::JobTicket;
use sealock::owner::{NewEpoch, Offer};
use sealock::policy::{Policy, PolicyError};
use sealock::privacy::{Delta, Epsilon};
use sealock::program::{Aggregation, Plan, Query, col, count, max, mean, median, min, secret, sum};
use sealock::receipt::Receipt;
use sealock::release::Answer;
use sealock::time::ManualClock;
use sealock::{Account, Asset, ErrorKind, Exchange};

/// The standard normal's quantile of 1 - 10^-6.
const Z: f64 = 4.7534;

fn epsilon(text: &str) -> Epsilon {
    text.parse().unwrap()
}

fn delta(text: &str) -> Delta {
    text.parse().unwrap()
}

/// A table of rows (cell, x).
fn rows(cells: i64, rows: &[(i64, i64)]) -> Table {
    let schema = Schema::new(vec![
        Column::integer("cell", 0, cells - 1).dimension(),
        Column::integer("x", -5, 50).measure().nullable(),
    ]);
    let columns: [(&str, ArrayRef); 2] = [
        ("cell", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0)))),
        ("x", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)))),
    ];
    Table::from_batches(schema.unwrap(), [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

fn open_policy() -> Policy {
    Policy::deny_all()
        .dimensions(["cell"])
        .measures(["x"])
        .aggregations([Aggregation::Count, Aggregation::Sum, Aggregation::Mean])
        .any_program()
        .min_group_size(1)
}

fn protected(table: &Table, policy: &Policy) -> ProtectedCube {
    policy.check_fits(table.schema()).unwrap();
    Cube::fold(table, policy).unwrap().protect(table.schema(), policy).unwrap()
}

/// A plan that hides which cells are asked about.
fn plan(table: &Table, query: Query) -> Plan {
    query.filter(col("cell").lt(secret(1))).program().plan(table.schema()).unwrap()
}

/// So many released values of each of a plan's series, of cells that hold nothing.
fn released(policy: &Policy, query: Query, draws: usize) -> Vec<Vec<i64>> {
    let table = rows(1000, &[]);
    let (cube, plan) = (protected(&table, policy), plan(&table, query));
    let mut series = vec![Vec::new(); plan.series().len()];
    for _ in 0..draws {
        let marginal = cube.marginal(table.schema(), &plan).unwrap();
        series.iter_mut().zip(marginal).for_each(|(all, row)| all.extend(row));
    }
    series
}

/// Pearson's statistic of samples against weights over the integers, and what it exceeds with probability 10^-6 if they are
/// theirs (Wilson and Hilferty's approximation).
fn chi_squared(samples: &[i64], weight: impl Fn(i64) -> f64) -> (f64, f64) {
    let far = samples.iter().map(|s| s.abs()).max().unwrap() * 4 + 50;
    let total: f64 = (-far..=far).map(&weight).sum();
    // Bins of about equal expectation, the tails included.
    let (mut edges, mut expected, mut open) = (Vec::new(), Vec::new(), 0.0);
    for x in -far..=far {
        open += weight(x) / total * samples.len() as f64;
        if open > samples.len() as f64 / 40.0 {
            edges.push(x);
            expected.push(open);
            open = 0.0;
        }
    }
    edges.push(far);
    expected.push(open);
    if open < 50.0 {
        edges.pop();
        let rest = expected.pop().unwrap();
        *edges.last_mut().unwrap() = far;
        *expected.last_mut().unwrap() += rest;
    }
    let mut seen = vec![0.0; edges.len()];
    samples.iter().for_each(|s| seen[edges.partition_point(|edge| edge < s)] += 1.0);
    let statistic = seen.iter().zip(&expected).map(|(o, e)| (o - e).powi(2) / e).sum();
    let k = (edges.len() - 1) as f64;
    (statistic, k * (1.0 - 2.0 / (9.0 * k) + Z * (2.0 / (9.0 * k)).sqrt()).powi(3))
}

fn laplace(scale: f64) -> impl Fn(i64) -> f64 {
    move |x| (-(x.abs() as f64) / scale).exp()
}

fn gaussian(sigma: f64) -> impl Fn(i64) -> f64 {
    move |x| (-(x as f64 / sigma).powi(2) / 2.0).exp()
}

/// Checks that released values have a distribution, and that ten per cent of its scale would be seen.
fn assert_fits<W: Fn(i64) -> f64>(samples: &[i64], scale: f64, weight: impl Fn(f64) -> W) {
    let (statistic, critical) = chi_squared(samples, weight(scale));
    assert!(statistic < critical, "scale {scale}: {statistic} is not below {critical}");
    for wrong in [scale * 0.9, scale * 1.1] {
        let (statistic, critical) = chi_squared(samples, weight(wrong));
        assert!(statistic > critical, "the test would not see a scale of {wrong} in place of {scale}");
    }
}

#[test]
fn what_is_released_is_discrete_laplace_noise_of_the_stated_scale() {
    let policy = open_policy().epsilon(epsilon("0.5"));
    assert_fits(&released(&policy, Query::select([count()]), 60)[0], 2.0, laplace);
    // A value is at most 50.
    assert_fits(&released(&policy, Query::select([sum("x")]), 60)[0], 100.0, laplace);
    // At most 10 once it is clamped.
    let clamped = policy.clone().clamp("x", -10, 10);
    assert_fits(&released(&clamped, Query::select([sum("x")]), 60)[0], 20.0, laplace);
    // Three series share the loss: rows, sum, rows that have a value.
    let all = released(&policy, Query::select([count(), mean("x")]), 60);
    for (samples, scale) in all.iter().zip([6.0, 300.0, 6.0]) {
        assert_fits(samples, scale, laplace);
    }
    // And so they do in a cube whose noise is drawn once.
    let once: Vec<Vec<i64>> = (0..60)
        .map(|_| released(&open_policy().protected_cube(epsilon("0.5")), Query::select([count(), sum("x")]), 1))
        .fold(vec![Vec::new(); 2], |mut all, one| {
            all.iter_mut().zip(one).for_each(|(all, one)| all.extend(one));
            all
        });
    for (samples, scale) in once.iter().zip([6.0, 300.0]) {
        assert_fits(samples, scale, laplace);
    }
}

#[test]
fn what_is_released_with_a_delta_is_discrete_gaussian_noise() {
    let policy = open_policy().epsilon(epsilon("1")).delta(delta("0.000001"));
    let log = 1e6f64.ln();
    let root_rho = (log + 1.0).sqrt() - log.sqrt();
    let sigma = |series: f64| (series / 2.0).sqrt() / root_rho;
    assert_fits(&released(&policy, Query::select([count()]), 60)[0], sigma(1.0), gaussian);
    let both = released(&policy, Query::select([count(), sum("x")]), 60);
    assert_fits(&both[0], sigma(2.0), gaussian);
    assert_fits(&both[1], 50.0 * sigma(2.0), gaussian);
}

#[test]
fn neighbours_are_told_apart_by_the_exact_count_and_not_beyond_e_to_the_epsilon_by_the_noisy_one() {
    const DRAWS: usize = 30_000;
    let with = rows(2, &[(0, 1), (1, 1), (1, 1)]);
    let without = rows(2, &[(1, 1), (1, 1)]);
    let sample = |table: &Table, policy: &Policy, draws: usize| -> Vec<i64> {
        let (cube, plan) = (protected(table, policy), plan(table, Query::select([count()])));
        (0..draws).map(|_| cube.marginal(table.schema(), &plan).unwrap()[0][0]).collect()
    };
    assert_eq!((sample(&with, &open_policy(), 1), sample(&without, &open_policy(), 1)), (vec![1], vec![0]));

    let policy = open_policy().epsilon(epsilon("1"));
    let bound = 1f64.exp();
    let (with, without) = (sample(&with, &policy, DRAWS), sample(&without, &policy, DRAWS));
    let times = |all: &[i64], x: i64| all.iter().filter(|s| **s == x).count() as f64;
    let mut largest = 0f64;
    for x in -12..=13 {
        let (p, q) = (times(&with, x), times(&without, x));
        for (p, q) in [(p, q), (q, p)] {
            let spread = (p + bound * bound * q + 10.0).sqrt();
            assert!(p - bound * q < 5.5 * spread, "{x} came {p} times for one table, {q} for the other");
            if q > 300.0 {
                largest = largest.max(p / q);
            }
        }
    }
    assert!(largest > 0.8 * bound, "the loss is spent: {largest}");
}

#[test]
fn averaging_answers_finds_a_person_where_nothing_limits_them_and_not_where_the_noise_is_drawn_once() {
    const DRAWS: usize = 20_000;
    // One person in cell 0, who has 41.
    let lonely = rows(2, &[(0, 41), (1, 1), (1, 1)]);
    let released = |policy: &Policy| -> Vec<i64> {
        let (cube, plan) = (protected(&lonely, policy), plan(&lonely, Query::select([sum("x")])));
        (0..DRAWS).map(|_| cube.marginal(lonely.schema(), &plan).unwrap()[0][0]).collect()
    };
    let average = |all: &[i64]| all.iter().sum::<i64>() as f64 / all.len() as f64;
    // A deviation of 7.1 over the root of 20,000 is 0.05.
    let unlimited = released(&open_policy().epsilon(epsilon("10")));
    assert_eq!(average(&unlimited).round(), 41.0, "the attack works");
    assert!(unlimited.iter().any(|one| *one != 41));

    let once = released(&open_policy().protected_cube(epsilon("10")));
    assert!(once.iter().all(|one| *one == once[0]), "there is one noise to be seen, however often");
}

#[test]
fn noisy_counts_suppress_and_empty_cells_look_like_others() {
    let table = rows(1000, &[(0, 1); 3]);
    let policy = open_policy().epsilon(epsilon("1")).min_group_size(20);
    let (cube, plan) = (protected(&table, &policy), plan(&table, Query::select([sum("x")])));
    // The count that is drawn beside the sum has scale 2: hardly any of a thousand cells reaches 20.
    let marginal = cube.marginal(table.schema(), &plan).unwrap();
    assert_eq!(marginal.len(), 1, "the count is not given");
    let kept = marginal[0].iter().filter(|entry| **entry != 0).count();
    assert!(kept < 20, "{kept}");
    let (cube, open) = (protected(&table, &policy.clone().min_group_size(1)), plan);
    let kept = cube.marginal(table.schema(), &open).unwrap()[0].iter().filter(|entry| **entry != 0).count();
    assert!(kept > 900, "noise is in the empty cells, too: {kept}");
}

fn run(market: &Market, ticket: &JobTicket) -> sealock::Result<(Answer, Receipt)> {
    let (result, receipt) = market.owner.node().run(ticket.request().clone())?;
    Ok((ticket.open(&result, &receipt)?, receipt))
}

fn counted(answer: &Answer) -> i128 {
    answer.numbers("count").unwrap().to_f64()[0].unwrap() as i128
}

fn question() -> Query {
    Query::select([count()]).filter(col("age").ge(secret(40)))
}

#[test]
fn a_job_spends_its_loss_once_and_the_budget_ends() {
    let policy = policy().min_group_size(1).epsilon(epsilon("0.01")).epsilon_per_asset(epsilon("0.035"));
    let market = Market::with(policy, Terms::free(100).uses_per_order(10));
    let (order, node) = (market.order(), market.owner.node());
    let exact = market.people.iter().filter(|p| p.age >= 40).count() as i128;
    let mut answers = Vec::new();
    for job in 1..=3u64 {
        let ticket = order.request(&question()).unwrap();
        let (answer, receipt) = run(&market, &ticket).unwrap();
        assert_eq!(receipt.statement().epsilon_micros, Some(10_000));
        // The same request again: the same noise, and nothing is charged.
        let (again, same) = run(&market, &ticket).unwrap();
        assert_eq!((&again, &same), (&answer, &receipt));
        assert_eq!(node.budget(&market.asset).unwrap().spent_micros, job * 10_000);
        answers.push(counted(&answer));
    }
    assert!(
        answers.iter().any(|answer| *answer != exact),
        "three exact answers come with probability 10^-8: {answers:?}"
    );
    assert!(answers.iter().all(|answer| (answer - exact).abs() < 10_000), "{answers:?}, exactly {exact}");
    assert_eq!(node.budget(&market.asset).unwrap().left_micros(), Some(5_000));

    // Whoever asks, and however many uses are left.
    for order in [order, market.order()] {
        let ticket = order.request(&question()).unwrap();
        assert_eq!(run(&market, &ticket).unwrap_err().kind(), ErrorKind::Rejected);
        assert_eq!(node.refusals().last().unwrap().kind, ErrorKind::BudgetExhausted);
    }
    assert_eq!(
        node.refusals().last().unwrap().reason,
        "policy: rule epsilon_per_asset: 0.01 is asked for, 0.005 is left of 0.035"
    );
    assert_eq!(node.budget(&market.asset).unwrap().spent_micros, 30_000, "a refused job spends nothing");
    assert_eq!(node.receipts().unwrap().len(), 3);
}

#[test]
fn every_answer_comes_from_the_one_protected_cube_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let (account, buyer) = (Account::generate(), Account::generate());
    let reopen = |account: &Account| Account::from_secret_bytes(&account.expose_secret_bytes()).unwrap();
    let (account, buyer) = (&account, &buyer);
    let policy = policy().min_group_size(1).protected_cube(epsilon("0.2")).epsilon_per_asset(epsilon("0.5"));
    let offer_table = table(&people(3000));
    let ask = |exchange: &Exchange, owner: &sealock::owner::Owner, nft| {
        let asset = exchange.asset(nft).unwrap();
        let consumer = exchange.consumer(reopen(buyer)).unwrap();
        consumer.buy(&asset, 1).unwrap();
        let ticket = consumer.order(&asset).unwrap().request(&question()).unwrap();
        let (result, receipt) = owner.node().run(ticket.request().clone()).unwrap();
        assert_eq!(receipt.statement().epsilon_micros, Some(0), "the cube was paid for");
        counted(&ticket.open(&result, &receipt).unwrap())
    };
    let (nft, first) = {
        let exchange = Exchange::local(folder.path()).unwrap();
        let owner = exchange.owner(reopen(account)).unwrap();
        let offer = Offer::new("people", &offer_table, policy, Terms::free(100).uses_per_order(3));
        let asset = owner.publish(&offer).unwrap().asset;
        assert_eq!(owner.node().budget(&asset).unwrap().spent_micros, 200_000);
        let first = ask(&exchange, &owner, asset.nft());
        assert_eq!(ask(&exchange, &owner, asset.nft()), first, "another job sees the same noise");
        (asset.nft(), first)
    };
    // Another process.
    let exchange = Exchange::local(folder.path()).unwrap();
    let owner = exchange.owner(reopen(account)).unwrap();
    assert_eq!(ask(&exchange, &owner, nft), first);
    let spent = |asset: &Asset| owner.node().budget(asset).unwrap().spent_micros;
    // The same data under new keys.
    let asset = owner.reencrypt(&exchange.asset(nft).unwrap(), &NewEpoch::new()).unwrap();
    assert_eq!((ask(&exchange, &owner, nft), spent(&asset)), (first, 200_000));
    // Other data is charged anew, until the budget ends.
    let other = table(&people(300));
    let asset = owner.update(&asset, &other, &NewEpoch::new()).unwrap().asset;
    // Of 300 people instead of 3000, with a deviation of 64 each.
    assert!(ask(&exchange, &owner, nft) < first - 700);
    assert_eq!(spent(&asset), 400_000);
    let error = owner.update(&asset, &offer_table, &NewEpoch::new()).unwrap_err();
    assert_eq!((error.kind(), spent(&asset)), (ErrorKind::BudgetExhausted, 400_000));
    let now = ask(&exchange, &owner, nft);
    assert_eq!(ask(&exchange, &owner, nft), now, "what was refused changed nothing");
    // Keys that are changed open the cube no less; without one it is gone.
    let asset = owner.rewrap(&asset).unwrap();
    assert_eq!(ask(&exchange, &owner, nft), now);
    let consumer = exchange.consumer(reopen(buyer)).unwrap();
    consumer.buy(&asset, 1).unwrap();
    let ticket = consumer.order(&asset).unwrap().request(&question()).unwrap();
    owner.destroy_key(&asset).unwrap();
    assert_eq!(owner.node().run(ticket.request().clone()).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(owner.node().refusals().last().unwrap().kind, ErrorKind::KeyDestroyed);
}

#[test]
fn estimates_tell_the_loss_and_hold_the_error() {
    let people = people(3000);
    let table = table(&people);
    let policy = policy().min_group_size(1).epsilon(epsilon("0.25")).epsilon_per_asset(epsilon("2"));
    let market = Market::with(policy.clone(), Terms::free(1));
    let query = Query::select([count(), sum("visits")]).filter(col("age").ge(secret(0)));
    let estimate = market.asset.estimate(&query).unwrap();
    assert_eq!((estimate.epsilon, estimate.delta, estimate.epsilon_limit), (Some(0.25), None, Some(2.0)));
    let names: Vec<_> = estimate.errors.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["count", "sum(visits)"]);

    const DRAWS: usize = 2000;
    let (cube, plan) = (protected(&table, &policy), query.program().plan(table.schema()).unwrap());
    let exact = [people.len() as i64, people.iter().filter_map(|p| p.visits).sum()];
    let draws: Vec<_> = (0..DRAWS).map(|_| cube.marginal(table.schema(), &plan).unwrap()).collect();
    for (s, error) in estimate.errors.iter().enumerate() {
        assert_eq!(error.cells, 5);
        let off: Vec<f64> = draws.iter().map(|rows| (rows[s].iter().sum::<i64>() - exact[s]) as f64).collect();
        let deviation = (off.iter().map(|o| o * o).sum::<f64>() / DRAWS as f64).sqrt();
        // The sample deviation's own is below 2.5 % here.
        assert!((deviation / error.deviation - 1.0).abs() < 0.13, "{}: {deviation}, {error:?}", error.name);
        let outside = off.iter().filter(|o| o.abs() > error.half_width).count() as f64;
        let most = DRAWS as f64 * 0.05 + Z * (DRAWS as f64 * 0.05 * 0.95).sqrt();
        assert!(outside < most, "{}: {outside} of {DRAWS} outside", error.name);
        assert!(error.half_width < 2.5 * error.deviation);
    }
    let plain = Market::open().asset.estimate(&query).unwrap();
    assert!(plain.epsilon.is_none() && plain.errors.is_empty() && plain.epsilon_limit.is_none());
}

#[test]
fn an_order_with_more_uses_than_its_budget_is_not_offered() {
    let exchange = Exchange::in_memory_at(Arc::new(ManualClock::at(START))).unwrap();
    let owner = exchange.owner(Account::generate()).unwrap();
    let table = table(&people(300));
    let policy = policy().min_group_size(1).epsilon(epsilon("0.5")).epsilon_per_order(epsilon("1.5"));
    let publish = |terms| owner.publish(&Offer::new("people", &table, policy.clone(), terms));
    let error = publish(Terms::free(1).uses_per_order(4)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.to_string().contains("an order has 4 uses of ε 0.5 each"), "{error}");
    // Two days have at most two ends: uses come anew in three epochs.
    let daily = |uses| Terms::free(1).uses_per_order(uses).valid_for(2 * 86_400).renewed_every(86_400);
    assert_eq!(publish(daily(2)).unwrap_err().kind(), ErrorKind::InvalidArgument);
    publish(daily(1)).unwrap();
    publish(Terms::free(1).uses_per_order(3)).unwrap();
}

#[test]
fn the_least_and_the_greatest_of_noisy_bins_are_refused() {
    let table = rows(1000, &[(0, 1)]);
    let policy = open_policy().aggregations([Aggregation::Histogram]);
    for asked in [min("cell"), max("cell")] {
        let program = Query::select([asked]).program();
        let plan = program.plan(table.schema()).unwrap();
        policy.check(&program, &plan, START).unwrap();
        let noisy = policy.clone().epsilon(epsilon("1")).check(&program, &plan, START).unwrap_err();
        assert!(matches!(noisy, PolicyError::NoisyExtreme { .. }), "{noisy}");
    }
    let program = Query::select([median("cell")]).program();
    let plan = program.plan(table.schema()).unwrap();
    policy.epsilon(epsilon("1")).check(&program, &plan, START).unwrap();
}

#[test]
fn noise_that_leaves_no_room_is_refused_at_publication() {
    let schema =
        Schema::new(vec![Column::integer("cell", 0, 9).dimension(), Column::integer("x", 0, 1 << 45).measure()]);
    let columns: [(&str, ArrayRef); 2] =
        [("cell", Arc::new(Int64Array::from(vec![1; 20]))), ("x", Arc::new(Int64Array::from(vec![7; 20])))];
    let table = Table::from_batches(schema.unwrap(), [RecordBatch::try_from_iter(columns).unwrap()]).unwrap();
    let exchange = Exchange::in_memory().unwrap();
    let owner = exchange.owner(Account::generate()).unwrap();
    let publish = |policy: Policy| owner.publish(&Offer::new("wide", &table, policy, Terms::free(1))).map(drop);
    let error = publish(open_policy().epsilon(epsilon("0.000001"))).unwrap_err();
    assert!(matches!(error, sealock::Error::Cube(_)), "{error:?}");
    publish(open_policy().epsilon(epsilon("0.000001")).clamp("x", 0, 1000)).unwrap();
    publish(open_policy().epsilon(epsilon("1"))).unwrap();
}

#[test]
fn policies_that_cannot_be_meant_are_refused() {
    let table = rows(1000, &[(0, 1)]);
    let refused = |policy: Policy| policy.check_fits(table.schema()).unwrap_err();
    for policy in [
        open_policy().epsilon_per_asset(epsilon("1")),
        open_policy().epsilon(epsilon("1")).epsilon_per_asset(epsilon("0.5")),
        open_policy().epsilon(epsilon("1")).protected_cube(epsilon("1")),
        open_policy().delta(delta("0.1")),
        open_policy().clamp("x", 5, -5),
        open_policy().clamp("x", 60, 70),
        open_policy().clamp("x", 0.5, 7),
    ] {
        assert!(matches!(refused(policy), PolicyError::Unfit(_)));
    }
    let who = Schema::new(vec![Column::integer("cell", 0, 9).dimension(), Column::text("who").entity()]).unwrap();
    let policy = Policy::deny_all().dimensions(["cell"]).aggregations([Aggregation::Count]).any_program().entity("who");
    policy.check_fits(&who).unwrap();
    assert!(policy.epsilon(epsilon("1")).check_fits(&who).is_err(), "noise hides a row, and somebody may have many");
    assert_eq!(sealock::error::Classify::kind(&refused(open_policy().clamp("y", 0, 1))), ErrorKind::UnknownColumn);
    // What policies were before has the digest that it had.
    let digest = open_policy().digest().unwrap();
    assert_eq!(serde_json::from_value::<Policy>(open_policy().to_json().unwrap()).unwrap().digest().unwrap(), digest);
    assert!(!open_policy().to_json().unwrap().to_string().contains("privacy"));
    let full = open_policy().epsilon(epsilon("0.3")).delta(delta("1e-9")).clamp("x", 0, 7.0);
    assert_eq!(serde_json::from_value::<Policy>(full.to_json().unwrap()).unwrap(), full);
}
