//! An attacker asks every program that a policy allows, and solves for what lies in the small cells.
//!
//! Every answer is a sum over some cells of the base cube, and which ones is known. So all answers together are a system of
//! linear equations: whatever can be learned by differences of any number of answers is what its solution tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use sealock::asset::{Column, Schema, Table, Terms};
use sealock::cube::Cube;
use sealock::error::Classify;
use sealock::owner::{Offer, Owner};
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, col, count, secret, sum};
use sealock::{Account, ErrorKind, Exchange};

const TOWNS: [&str; 3] = ["a", "b", "c"];
const AGES: i64 = 4;
const SEXES: [&str; 2] = ["f", "m"];
/// Cells of the base cube: town, age, sex.
const CELLS: usize = 3 * AGES as usize * 2;
const GROUP_SIZE: u32 = 5;

/// (whom, cell, income)
type Row = (String, usize, i64);

fn digits(cell: usize) -> [usize; 3] {
    [cell / 8, cell / 2 % 4, cell % 2]
}

/// Six to thirty people in every cell but `small`, which have one each: the victim of that cell, with that income.
fn town(small: &[(usize, i64)]) -> Vec<Row> {
    let mut rows = Vec::new();
    for cell in 0..CELLS {
        match small.iter().find(|(found, _)| *found == cell) {
            Some((_, income)) => rows.push((format!("victim {cell}"), cell, *income)),
            None => {
                let people = 6 + cell * 7 % 25;
                rows.extend((0..people).map(|i| (format!("{cell}.{i}"), cell, (cell * 31 + i * 17) as i64 % 100)));
            }
        }
    }
    rows
}

fn table(rows: &[Row]) -> Table {
    let schema = Schema::new(vec![
        Column::category("town", TOWNS).dimension(),
        Column::integer("age", 0, AGES - 1).dimension(),
        Column::category("sex", SEXES).dimension(),
        Column::integer("income", 0, 100).measure(),
        Column::text("person").entity(),
    ])
    .unwrap();
    let columns: [(&str, ArrayRef); 5] = [
        ("town", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| TOWNS[digits(r.1)[0]])))),
        ("age", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| digits(r.1)[1] as i64)))),
        ("sex", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| SEXES[digits(r.1)[2]])))),
        ("income", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.2)))),
        ("person", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| &r.0)))),
    ];
    Table::from_batches(schema, [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
}

fn policy() -> Policy {
    Policy::deny_all()
        .dimensions(["town", "age", "sex"])
        .measures(["income"])
        .aggregations([Aggregation::Count, Aggregation::Sum])
        .any_program()
        .min_group_size(GROUP_SIZE)
}

/// For each sum that was answered, which cells it is over (as bits), and its rows and income.
type Answers = BTreeMap<u32, (i64, i64)>;

/// Asks for every subset of towns, every range of ages, in the clear or hidden, and every subset of sexes, grouped by every
/// subset of the columns.
fn ask_everything(table: &Table, protected: &sealock::cube::ProtectedCube) -> (usize, Answers) {
    let (mut programs, mut answers) = (0, Answers::new());
    let ranges: Vec<_> = (0..AGES).flat_map(|low| (low..AGES).map(move |high| (low, high))).collect();
    for (towns, sexes) in (1..8usize).flat_map(|towns| (1..4usize).map(move |sexes| (towns, sexes))) {
        let chosen = |of: &[&'static str], bits: usize| -> Vec<&str> {
            (0..of.len()).filter(|i| bits >> i & 1 == 1).map(|i| of[i]).collect()
        };
        let places = col("town").is_in(chosen(&TOWNS, towns)) & col("sex").is_in(chosen(&SEXES, sexes));
        for grouped in 0..8usize {
            let by: Vec<_> = (0..3).filter(|axis| grouped >> axis & 1 == 1).collect();
            let names = by.iter().map(|axis| ["town", "age", "sex"][*axis]);
            let asked = Query::select([count(), sum("income")]).group_by(names);
            let clear = ranges.iter().map(|(low, high)| {
                (asked.clone().filter(places.clone() & col("age").ge(*low) & col("age").le(*high)), vec![(*low, *high)])
            });
            // One hidden program has the answers for all ranges.
            let hidden = asked.clone().filter(places.clone() & col("age").ge(secret(0)));
            for (query, ranges) in clear.chain([(hidden, ranges.clone())]) {
                programs += 1;
                let plan = query.program().plan(table.schema()).unwrap();
                let marginal = protected.marginal(table.schema(), &plan).unwrap();
                for (low, high) in ranges {
                    for group in 0..plan.groups() {
                        let mut rest = group;
                        let mut fixed = [None; 3];
                        for axis in by.iter().rev() {
                            let size = [3, 4, 2][*axis];
                            fixed[*axis] = Some(rest % size);
                            rest /= size;
                        }
                        let within = |cell: &usize| {
                            let at = digits(*cell);
                            let age = at[1] as i64;
                            towns >> at[0] & 1 == 1
                                && sexes >> at[2] & 1 == 1
                                && (low..=high).contains(&age)
                                && (0..3).all(|axis| fixed[axis].is_none_or(|digit| digit == at[axis]))
                        };
                        let mask = (0..CELLS).filter(within).fold(0u32, |mask, cell| mask | 1 << cell);
                        let kept = if plan.cells() == 1 { 0..1 } else { low as usize..high as usize + 1 };
                        let total = |series: usize| marginal[group * 2 + series][kept.clone()].iter().sum::<i64>();
                        let before = answers.insert(mask, (total(0), total(1)));
                        assert!(before.is_none_or(|before| before == (total(0), total(1))), "one cube, one answer");
                    }
                }
            }
        }
    }
    (programs, answers)
}

/// The unprotected form: every answer by itself is withheld if it is over few rows.
fn each_suppressed_by_itself(answers: Answers) -> Answers {
    answers.into_iter().filter(|(_, (rows, _))| *rows >= GROUP_SIZE.into()).collect()
}

/// What single cells hold, found by subtracting one answer from another.
fn by_differences(answers: &Answers) -> BTreeMap<usize, (i64, i64)> {
    let mut found = BTreeMap::new();
    for (mask, (rows, income)) in answers {
        for cell in (0..CELLS).filter(|cell| mask >> cell & 1 == 1) {
            let rest = mask & !(1 << cell);
            if let Some((fewer, less)) = answers.get(&rest) {
                found.insert(cell, (rows - fewer, income - less));
            }
        }
    }
    found
}

/// What single cells hold, found by solving the system of all answers: the rows of its reduced echelon form that have one
/// unknown. Modulo a prime, which is far larger than any sum.
fn by_linear_algebra(answers: &Answers) -> BTreeMap<usize, (i64, i64)> {
    const P: i128 = (1 << 61) - 1;
    let inverse = |of: i128| {
        let (mut power, mut base, mut exponent) = (1, of, P - 2);
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = power * base % P;
            }
            base = base * base % P;
            exponent >>= 1;
        }
        power
    };
    let equation = |(mask, (rows, income)): (&u32, &(i64, i64))| {
        let unknowns = (0..CELLS).map(|cell| i128::from(mask >> cell & 1));
        unknowns.chain([i128::from(*rows), i128::from(*income)]).collect::<Vec<i128>>()
    };
    let mut system: Vec<Vec<i128>> = answers.iter().map(equation).collect();
    let mut rank = 0;
    for cell in 0..CELLS {
        let Some(pivot) = (rank..system.len()).find(|row| system[*row][cell] != 0) else { continue };
        system.swap(rank, pivot);
        let scale = inverse(system[rank][cell]);
        system[rank].iter_mut().for_each(|value| *value = *value * scale % P);
        let pivot = system[rank].clone();
        for (row, equation) in system.iter_mut().enumerate() {
            let factor = equation[cell];
            if row != rank && factor != 0 {
                equation.iter_mut().zip(&pivot).for_each(|(value, p)| *value = (*value - factor * p).rem_euclid(P));
            }
        }
        rank += 1;
    }
    let signed = |value: i128| if value > P / 2 { (value - P) as i64 } else { value as i64 };
    let single = |equation: &Vec<i128>| {
        let mut unknowns = (0..CELLS).filter(|cell| equation[*cell] != 0);
        match (unknowns.next(), unknowns.next()) {
            (Some(cell), None) => Some((cell, (signed(equation[CELLS]), signed(equation[CELLS + 1])))),
            _ => None,
        }
    };
    system[..rank].iter().filter_map(single).collect()
}

#[test]
fn all_allowed_programs_together_tell_nothing_of_a_small_cell() {
    let victims = [(3, 77), (10, 5), (11, 100), (20, 42)];
    let people = table(&town(&victims));
    let exact = Cube::fold(&people, &policy()).unwrap().suppress(1);
    let (programs, answers) = ask_everything(&people, &exact);
    assert_eq!(programs, 7 * 3 * 8 * 11);

    // Unprotected: no answer is over fewer than five rows, and yet everybody's income is found, in both ways.
    let answers = each_suppressed_by_itself(answers);
    let differences = by_differences(&answers);
    let solved = by_linear_algebra(&answers);
    for (cell, income) in victims {
        assert!(!answers.contains_key(&(1 << cell)), "the cell itself is withheld");
        assert_eq!(differences.get(&cell), Some(&(1, income)), "found by a difference");
        assert_eq!(solved.get(&cell), Some(&(1, income)), "found by linear algebra");
    }

    // Protected: the system can be solved, and says that the small cells are empty.
    let cube = || Cube::fold(&people, &policy()).unwrap().suppress(GROUP_SIZE);
    let (_, released) = ask_everything(&people, &cube());
    for found in [by_differences(&released), by_linear_algebra(&released)] {
        for (cell, truth) in &solved {
            let small = victims.iter().any(|(victim, _)| victim == cell);
            assert_eq!(found.get(cell), Some(if small { &(0, 0) } else { truth }), "cell {cell}");
        }
    }

    // Nor does anything else in the answers depend on the victims: with other incomes, or without them, all are the same.
    let others = table(&town(&victims.map(|(cell, income)| (cell, 100 - income))));
    let without = table(&town(&victims).into_iter().filter(|row| !row.0.starts_with("victim")).collect::<Vec<_>>());
    for neighbour in [others, without] {
        let protected = Cube::fold(&neighbour, &policy()).unwrap().suppress(GROUP_SIZE);
        assert_eq!(ask_everything(&neighbour, &protected).1, released);
        let exact = Cube::fold(&neighbour, &policy()).unwrap().suppress(1);
        assert_ne!(
            each_suppressed_by_itself(ask_everything(&neighbour, &exact).1),
            answers,
            "unprotected, they differ"
        );
    }
}

/// A town where one person is the only one in cell 13, with a dozen rows.
fn frequent(income: i64) -> Vec<Row> {
    let mut rows = town(&[(13, 0)]);
    rows.retain(|row| row.1 != 13);
    rows.extend((0..12).map(|_| ("ann".to_owned(), 13, income)));
    rows
}

#[test]
fn one_person_with_many_rows_is_exposed_by_counting_rows_and_not_by_counting_people() {
    let (people, neighbours) = (table(&frequent(64)), table(&frequent(9)));
    let released = |table: &Table, policy: &Policy| {
        ask_everything(table, &Cube::fold(table, policy).unwrap().suppress(GROUP_SIZE)).1
    };
    let by_rows = policy();
    assert_eq!(by_linear_algebra(&released(&people, &by_rows)).get(&13), Some(&(12, 12 * 64)), "ann's, all of it");
    let by_people = policy().entity("person");
    let answers = released(&people, &by_people);
    assert_eq!(by_linear_algebra(&answers).get(&13), Some(&(0, 0)));
    assert_eq!(answers, released(&neighbours, &by_people), "whatever she earns");
}

#[test]
fn an_asset_that_counts_people_does_so_when_its_node_folds_what_is_stored_too() {
    let folder = tempfile::tempdir().unwrap();
    let people = table(&frequent(64));
    let key = Account::generate().expose_secret_bytes();
    let account = || Account::from_secret_bytes(&key).unwrap();
    let query = Query::select([count(), sum("income")]).filter(col("age").ge(secret(0))).group_by(["town", "age"]);
    let ask = |exchange: &Exchange, owner: &Owner, nft| {
        let asset = exchange.asset(nft).unwrap();
        let consumer = exchange.consumer(Account::generate()).unwrap();
        consumer.buy(&asset, 1).unwrap();
        let ticket = consumer.order(&asset).unwrap().request(&query).unwrap();
        let (result, receipt) = owner.node().run(ticket.request().clone()).unwrap();
        let answer = ticket.open(&result, &receipt).unwrap();
        ["count", "sum(income)"].map(|column| answer.numbers(column).unwrap().to_f64())
    };
    let (nft, before) = {
        let exchange = Exchange::local(folder.path()).unwrap();
        let owner = exchange.owner(account()).unwrap();
        let policy = policy().entity("person").allow_download();
        let published = owner.publish(&Offer::new("people", &people, policy, Terms::free(1))).unwrap();
        assert_eq!((published.suppression.suppressed_cells, published.suppression.suppressed_rows), (1, 12));
        let ddo = String::from_utf8(published.asset.description().to_ddo_bytes().unwrap()).unwrap();
        assert!(ddo.contains("person") && !ddo.contains("ann"), "the column's name is public, and no value of it");
        assert!(owner.download(&published.asset).unwrap().table().unwrap() == people);
        (published.asset.nft(), ask(&exchange, &owner, published.asset.nft()))
    };
    let exchange = Exchange::local(folder.path()).unwrap();
    let after = ask(&exchange, &exchange.owner(account()).unwrap(), nft);
    assert_eq!(after, before);
    // Town b, age 2: cell 12 has 15 people, cell 13 has ann.
    assert_eq!(after[0][4 + 2], Some(15.0));
    assert_eq!(after[0].iter().flatten().sum::<f64>(), people.len() as f64 - 12.0);
}

#[test]
fn an_entity_has_one_role_and_a_policy_names_a_column_that_has_it() {
    for (column, why) in [
        (Column::boolean("x").entity(), "a text or a whole number"),
        (Column::category("x", ["a"]).entity(), "a text or a whole number"),
        (Column::integer("x", 0, 1).entity().dimension(), "no dimension or measure"),
        (Column::integer("x", 0, 1).entity().measure(), "no dimension or measure"),
        (Column::text("x").entity().nullable(), "in every row"),
        (Column::text("x").dimension(), "an entity alone"),
        (Column::text("x").measure(), "an entity alone"),
        (Column::text("x").bins([0, 1]), "only integers and decimals"),
    ] {
        let error = Schema::new(vec![column]).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    let people = table(&town(&[]));
    let unfit = policy().entity("town").check_fits(people.schema()).unwrap_err();
    assert_eq!((unfit.kind(), unfit.to_string().contains("not an entity")), (ErrorKind::InvalidArgument, true));
    assert_eq!(policy().entity("nobody").check_fits(people.schema()).unwrap_err().kind(), ErrorKind::UnknownColumn);
    assert_ne!(policy().entity("person").digest().unwrap(), policy().digest().unwrap());

    let named = |names: ArrayRef| {
        let schema = Schema::new(vec![Column::text("who").entity()]).unwrap();
        Table::from_batches(schema, [RecordBatch::try_from_iter_with_nullable([("who", names, true)]).unwrap()])
    };
    let missing = named(Arc::new(StringArray::from(vec![Some("ann"), None]))).unwrap_err();
    assert_eq!((missing.kind(), missing.to_string().contains("row 1")), (ErrorKind::SchemaMismatch, true));
    assert_eq!(named(Arc::new(StringArray::from(vec!["x".repeat(1025)]))).unwrap_err().kind(), ErrorKind::OutOfDomain);
    assert_eq!(named(Arc::new(Int64Array::from(vec![1]))).unwrap_err().kind(), ErrorKind::SchemaMismatch);
    let written = named(Arc::new(StringArray::from(vec!["ann", "", "bob"]))).unwrap();
    let read =
        Table::from_parquet(written.schema().clone(), bytes::Bytes::from(written.to_parquet().unwrap())).unwrap();
    assert!(read == written);
    assert_eq!(Schema::from_bytes(&written.schema().to_bytes()).unwrap(), *written.schema());
}
