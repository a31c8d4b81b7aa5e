//! Packed data: against the clear, on random filters; the noise against its bound; what is forged.

use super::*;
use crate::table::packed::{
    Circuit, PackedCiphertext,
    circuit::{Expr, Keep, bound},
};

fn planned(bits: &[u8], filter: &Filter, outputs: &[Output]) -> Plan {
    Plan::packed(bits, filter, outputs).unwrap().expect("its degree is low enough")
}

fn run(plan: &Plan, rows: &Rows<'_>) -> Result<EncryptedResult, Error> {
    evaluate_packed(plan, rows)
}

const OUTPUTS: [Output; 7] = [
    Output::Count,
    Output::Sum(3),
    Output::SumOfSquares(2),
    Output::Categories(0),
    Output::Sum(1),
    Output::Minimum(3),
    Output::Maximum(2),
];

fn check(table: &Table, filter: &Filter, outputs: &[Output]) {
    table.check_plan_on(&run, &planned(&table.bits, filter, outputs), filter);
}

#[test]
fn the_benchmarks_query_takes_no_bootstrap_and_is_exact() {
    let table = table(300);
    let d = table.columns[1][2].unwrap();
    let filter = Filter::And(vec![Filter::AtLeast(0, 20_000), Filter::In(1, vec![d, 3, 9, 77, 130])]);
    let outputs = [Output::Sum(2), Output::Count, Output::Sum(4), Output::SumOfSquares(2), Output::Categories(3)];
    let plan = planned(&table.bits, &filter, &outputs);
    assert_eq!((plan.bootstraps_per_row(), plan.route(Output::Count)), (0, Route::Packed));
    assert_eq!(plan.devices(&[Device::Cuda(0)]), [Device::Cpu]);
    let (indicators, values) = (Form::Indicators, Form::Values);
    assert_eq!(plan.sources(), [(0, indicators), (1, indicators), (2, values), (3, values), (4, values)]);
    check(&table, &filter, &outputs);
    table.check_groups_of_plan_on(&run, &plan, &filter);
    assert_eq!(planned(&table.bits, &filter, &[Output::Count]).packed.unwrap().degree, 5);
}

#[test]
fn a_comparison_of_32_bits_and_a_full_chunk_are_within_the_parameters() {
    let rows = PACKED_ROWS_PER_CHUNK;
    let greatest = vec![Some(u64::from(u32::MAX)); rows];
    let mut table = Table { bits: vec![32, 64], columns: vec![greatest, vec![Some(u64::MAX); rows]] };
    table.columns[0][77] = Some(3_000_000_001);
    table.columns[0][78] = Some(3_000_000_000);
    check(&table, &Filter::AtLeast(0, 3_000_000_001), &[Output::Sum(1), Output::Count]);
}

#[test]
fn every_row_and_no_row_need_no_filter() {
    let table = table(30);
    for filter in [Filter::And(vec![]), Filter::Or(vec![]), Filter::AtLeast(4, 1 << 39)] {
        let outputs = [Output::Count, Output::Sum(4), Output::Categories(3)];
        match Plan::packed(&table.bits, &filter, &outputs).unwrap() {
            // More bits than are stored as indicators.
            None => assert!(matches!(filter, Filter::AtLeast(4, _))),
            Some(plan) => table.check_plan_on(&run, &plan, &filter),
        }
    }
}

#[test]
fn scores_of_few_digits_are_exact() {
    let mut table = table(200);
    table.bits.truncate(4);
    table.columns.truncate(4);
    // The benchmark's.
    let linear = Filter::Score(vec![(0, Points::Times(3)), (1, Points::Times(7000))], 90_000);
    check(&table, &linear, &[Output::Count]);
    assert_eq!(planned(&table.bits, &linear, &[Output::Count]).packed.unwrap().degree, 5);
    check(&table, &Filter::Not(Box::new(linear)), &[Output::Count]);
    let each = Points::Each((0..16).map(|v| v * v % 11).collect());
    let both = vec![(3, each), (1, Points::Times(-2)), (3, Points::Times(1))];
    for least in [-600, -40, 0, 19, 100] {
        check(&table, &Filter::Score(both.clone(), least), &[Output::Count, Output::Categories(3)]);
    }
    check(&table, &Filter::Score(vec![], 1), &[Output::Count]);
}

/// A decision tree looks at its columns several times, and costs their digits once.
#[test]
fn columns_that_are_named_often_are_looked_at_once() {
    let mut table = table(200);
    table.bits.truncate(4);
    table.columns.truncate(4);
    let (old, rich) = (Filter::AtLeast(0, 30_000), |least| Filter::AtLeast(1, least));
    let not = |filter: &Filter| Filter::Not(Box::new(filter.clone()));
    let tree = Filter::Or(vec![
        Filter::And(vec![old.clone(), rich(100), Filter::In(3, vec![1, 4, 9])]),
        Filter::And(vec![old.clone(), not(&rich(100)), Filter::AtMost(0, 50_000)]),
        Filter::And(vec![not(&old), rich(60), not(&rich(180))]),
        Filter::And(vec![not(&old), not(&rich(60)), Filter::Null(3)]),
    ]);
    let plan = planned(&table.bits, &tree, &[Output::Count, Output::Categories(3)]);
    assert_eq!(plan.packed.as_ref().unwrap().degree, 6);
    assert!(Circuit::ways(&table.bits, &tree, &[Output::Count])[0].is_none());
    table.check_plan_on(&run, &plan, &tree);
}

#[test]
fn what_is_too_deep_is_left_to_the_other_route() {
    let deep = Filter::And((0..5).map(|column| Filter::AtLeast(column, 100)).collect());
    assert!(Plan::packed(&[16; 5], &deep, &[Output::Count]).unwrap().is_none());
    let score = Filter::Score((0..4).map(|column| (column, Points::Times(2 + column as i64))).collect(), 99_000);
    assert!(Plan::packed(&[16; 4], &score, &[Output::Count]).unwrap().is_none());
    assert!(Plan::packed(&[20], &Filter::Score(vec![(0, Points::Times(2))], 9), &[Output::Count]).unwrap().is_none());
    // One of many values of three digits each.
    let many = Filter::In(0, (0..2048).map(|i| i * 31 + i * i % 17).collect());
    assert!(Plan::packed(&[16], &many, &[Output::Count]).unwrap().is_none());
    assert!(matches!(Plan::packed(&[4], &Filter::Null(1), &[]), Err(Error::Column { got: 1, columns: 1 })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// Sums and products, computed in the clear, are the filter: every one of them a bit.
    #[test]
    fn circuits_are_their_filters(filter in filters(), row in rows_of_widths()) {
        for circuit in Circuit::ways(&WIDTHS, &filter, &[Output::Count]).into_iter().flatten() {
            let holds = match &circuit.keep {
                Keep::Every => 1,
                Keep::None => 0,
                Keep::Some(expr) => in_the_clear(expr, &circuit, &row),
            };
            prop_assert_eq!(holds == 1, filter.holds(&row));
        }
    }
}

fn in_the_clear(expr: &Expr, circuit: &Circuit, row: &[Value]) -> i64 {
    let of = |expr: &Expr| in_the_clear(expr, circuit, row);
    let bit = match expr {
        Expr::Leaf(leaf) => {
            let leaf = &circuit.leaves[*leaf];
            let (column, digit) = leaf.digit;
            let widths = crate::table::packed::digits(WIDTHS[column]);
            let shift: u32 = widths[..digit].iter().map(|width| u32::from(*width)).sum();
            row[column].map_or(0, |value| i64::from(leaf.holds[(value >> shift) as usize & (leaf.holds.len() - 1)]))
        }
        Expr::Not(inner) => 1 - of(inner),
        Expr::And(a, b) => of(a) * of(b),
        Expr::Either(a, b) => of(a) + of(b),
    };
    assert!(bit == 0 || bit == 1);
    bit
}

fn small_filters() -> impl Strategy<Value = Filter> {
    let test = (0..4usize, any::<u64>(), prop::collection::vec(any::<u64>(), 0..4), 0..4).prop_map(
        |(column, value, some, kind)| {
            let fit = |v: u64| v % ((1 << SMALL_WIDTHS[column]) + 2);
            match kind {
                0 => Filter::AtLeast(column, fit(value)),
                1 => Filter::AtMost(column, fit(value)),
                2 => Filter::In(column, some.into_iter().map(fit).collect()),
                _ => Filter::Null(column),
            }
        },
    );
    test.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|f| Filter::Not(Box::new(f))),
            prop::collection::vec(inner.clone(), 0..3).prop_map(Filter::And),
            prop::collection::vec(inner, 0..3).prop_map(Filter::Or),
        ]
    })
}

const SMALL_WIDTHS: [u8; 4] = [3, 5, 7, 10];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn random_filters_agree_with_the_clear(filter in small_filters(), salt in any::<u64>(), rows in 1usize..200) {
        let columns = SMALL_WIDTHS.iter().zip(salt % 1000..).map(|(&bits, salt)| column(bits, rows, salt)).collect();
        let table = Table { bits: SMALL_WIDTHS.to_vec(), columns };
        if let Some(plan) = Plan::packed(&table.bits, &filter, &OUTPUTS).unwrap() {
            table.check_plan_on(&run, &plan, &filter);
            table.check_groups_of_plan_on(&run, &plan, &filter);
        }
    }
}

/// Rows, their plan and its result.
fn one(outputs: &[Output]) -> (Plan, EncryptedResult, Vec<(usize, EncryptedChunk)>) {
    let (bits, key) = ([8, 16], &keys().key);
    let plan = planned(&bits, &Filter::AtLeast(0, 9), outputs);
    let values = [vec![Some(3), Some(9), None, Some(200)], vec![Some(700), Some(41_000), Some(2), Some(9)]];
    let encrypt = |(column, form): (usize, Form)| (column, key.encrypt(form, bits[column], &values[column]).unwrap());
    let chunks: Vec<_> = plan.sources().into_iter().map(encrypt).collect();
    let rows = chunks.iter().fold(Rows::new(4), |rows, (column, chunk)| rows.column(*column, chunk));
    let result = evaluate_packed(&plan, &rows).unwrap();
    drop(rows);
    (plan, result, chunks)
}

#[test]
fn the_noise_stays_below_its_bound() {
    let bits = [16, 8];
    let filter = Filter::And(vec![Filter::AtLeast(0, 20_000), Filter::between(1, 30, 200)]);
    let plan = planned(&bits, &filter, &[Output::Count]);
    let rows = PACKED_ROWS_PER_CHUNK;
    let key = &keys().key;
    let encrypt = |(c, form): (usize, Form)| (c, key.encrypt(form, bits[c], &column(bits[c], rows, c as u64)).unwrap());
    let chunks: Vec<_> = plan.sources().into_iter().map(encrypt).collect();
    let given = chunks.iter().fold(Rows::new(rows), |rows, (column, chunk)| rows.column(*column, chunk));
    let result = evaluate_packed(&plan, &given).unwrap();
    let circuit = plan.packed.as_ref().unwrap();
    let Keep::Some(expr) = &circuit.keep else { panic!("there is a filter") };
    let (degree, bound) = bound(expr, &circuit.leaves);
    assert_eq!((degree, circuit.primes), (5, 3));
    let magnitude = key.packed_secret().magnitude(&result.packed[0]);
    println!("a filter of degree 5: the greatest coefficient is 2^{magnitude:.1}, its bound 2^{bound:.1}");
    // Not above the bound, and the bound not out of all proportion: 3.3 bits for each factor's tail, and half of log N to
    // have coefficients instead of values at roots.
    assert!(magnitude < bound && bound < magnitude + 3.3 * degree as f64 + 14.0);
}

#[test]
fn encodings_round_trip_and_refuse_what_is_none() {
    let (plan, result, chunks) = one(&[Output::Count, Output::Sum(1)]);
    for (_, chunk) in &chunks {
        let bytes = chunk.to_bytes();
        assert_eq!(bytes.len(), EncryptedChunk::encoded_len(chunk.form(), chunk.bits(), chunk.rows()));
        assert!(EncryptedChunk::from_bytes(&bytes).unwrap() == *chunk);
        let mut altered = bytes.clone();
        altered[30..37].fill(255);
        assert!(matches!(EncryptedChunk::from_bytes(&altered), Err(Error::Residue { .. })));
        assert!(matches!(EncryptedChunk::from_bytes(&bytes[..bytes.len() - 1]), Err(Error::Length { .. })));
    }
    let bytes = result.to_bytes();
    assert!(EncryptedResult::from_bytes(&plan, 1, &bytes).unwrap() == result);
    let mut altered = bytes.clone();
    altered[5..12].fill(255);
    assert!(matches!(EncryptedResult::from_bytes(&plan, 1, &altered), Err(Error::Residue { .. })));
    assert!(matches!(EncryptedResult::from_bytes(&plan, 2, &bytes), Err(Error::Groups { .. })));
    assert!(matches!(EncryptedResult::from_bytes(&plan, 1, &bytes[..bytes.len() - 1]), Err(Error::Length { .. })));
    let key = &keys().key;
    assert!(matches!(key.encrypt(Form::Indicators, 33, &[None]), Err(Error::ColumnBits { .. })));
    assert!(matches!(key.encrypt(Form::Values, 7, &vec![None; 8193]), Err(Error::ChunkRows { got: 8193 })));
}

/// The same rows give the same bytes: results of two executors can be compared.
#[test]
fn results_are_deterministic_and_no_stored_column_is() {
    let (plan, result, chunks) = one(&[Output::Count]);
    let rows = chunks.iter().fold(Rows::new(4), |rows, (column, chunk)| rows.column(*column, chunk));
    assert!(keys().evaluator.evaluate(&plan, &rows).unwrap() == result);
    let (_, other, _) = one(&[Output::Count]);
    assert!(other != result);
}

#[test]
fn what_no_plan_computes_is_refused_when_it_is_opened() {
    let key = &keys().key;
    let (plan, result, chunks) = one(&[Output::Count, Output::Sum(1)]);
    let rows = Rows::new(4);
    let open = |result: &EncryptedResult| key.open_rows(&plan, result, &rows);
    let honest = vec![vec![Opened::Count(2), Opened::Sum { count: 2, sum: 41_009 }]];
    assert_eq!(open(&result).unwrap(), honest);
    let forged = |forge: &dyn Fn(&mut Vec<PackedCiphertext>)| {
        let mut forged = result.clone();
        forge(&mut forged.packed);
        open(&forged)
    };
    // A word that was altered: the polynomial is another one everywhere.
    assert_eq!(forged(&|packed| packed[0].primes[0][0][5] ^= 1).unwrap_err(), Error::Noise);
    // Bits twice are no bits.
    let twice = |packed: &mut Vec<PackedCiphertext>| {
        for (prime, powers) in packed[0].primes.iter_mut().enumerate() {
            let p = crate::table::packed::PRIMES[prime];
            powers.iter_mut().flatten().for_each(|word| *word = *word * 2 % p);
        }
    };
    assert_eq!(forged(&twice).unwrap_err(), Error::Noise);
    // Values of rows that the bits leave out: no row's, then every row's.
    let zero =
        |packed: &mut Vec<PackedCiphertext>| packed[0].primes.iter_mut().flatten().flatten().for_each(|word| *word = 0);
    assert_eq!(forged(&zero).unwrap_err(), Error::Noise);
    assert!(matches!(forged(&|packed| drop(packed.pop())), Err(Error::Shape { .. })));
    // Of another key, and by other routes.
    let other = TableKey::generate().unwrap();
    assert_eq!(other.open_rows(&plan, &result, &rows).unwrap_err(), Error::Noise);
    assert_eq!(key.open(&plan, std::slice::from_ref(&result)).unwrap_err(), Error::Packed);
    let unpacked = Plan::new(&[8, 16], &Filter::AtLeast(0, 9), &[Output::Count]).unwrap();
    assert_eq!(evaluate_packed(&unpacked, &Rows::new(4)).unwrap_err(), Error::Packed);
    assert!(matches!(key.open_rows(&unpacked, &result, &rows), Err(Error::Shape { .. })));
    let missing = Error::Source { column: 1, form: Form::Values };
    assert_eq!(evaluate_packed(&plan, &Rows::new(4).column(0, &chunks[0].1)).unwrap_err(), missing);
}

/// As of the other route: an executor's "sum" may be of rows that the filter leaves out. A result must be bound to a job before
/// it is opened, and canaries or a quorum must vouch for it.
#[test]
fn an_executor_can_leave_the_filter_out() {
    let (plan, result, chunks) = one(&[Output::Sum(1)]);
    let mut every = planned(&[8, 16], &Filter::And(vec![]), &[Output::Sum(1)]);
    every.packed.as_mut().unwrap().primes = plan.packed.as_ref().unwrap().primes;
    let (_, values) = chunks.iter().find(|(_, chunk)| chunk.form() == Form::Values).unwrap();
    let mut forged = evaluate_packed(&every, &Rows::new(4).column(1, values)).unwrap();
    for (own, honest) in forged.packed[0].primes.iter_mut().zip(&result.packed[0].primes) {
        own.resize(honest.len(), vec![0; PACKED_ROWS_PER_CHUNK]);
    }
    let open = |result| keys().key.open_rows(&plan, result, &Rows::new(4)).unwrap();
    assert_eq!(open(&result), [[Opened::Sum { count: 2, sum: 41_009 }]]);
    assert_eq!(open(&forged), [[Opened::Sum { count: 4, sum: 41_711 }]]);
}
