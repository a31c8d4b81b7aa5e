//! Against the clear, on random programs; the noise against its budget.

use std::sync::OnceLock;

use proptest::prelude::*;
use tfhe::core_crypto::prelude::*;

use super::{bootstrap::*, evaluate::*, params::*, *};
use crate::{Device, Error};

mod devices;
mod packed;

struct Keys {
    key: TableKey,
    evaluation: EvaluationKey,
    evaluator: Evaluator,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let key = TableKey::generate().unwrap();
        let evaluation = key.evaluation_key().unwrap();
        let evaluator = Evaluator::new(&evaluation);
        Keys { key, evaluation, evaluator }
    })
}

type Value = Option<u64>;
/// What runs a plan.
type Run<'a> = &'a dyn Fn(&Plan, &Rows<'_>) -> Result<EncryptedResult, Error>;

fn on_the_processor(plan: &Plan, rows: &Rows<'_>) -> Result<EncryptedResult, Error> {
    keys().evaluator.evaluate(plan, rows)
}

/// Columns of a table in the clear.
struct Table {
    bits: Vec<u8>,
    columns: Vec<Vec<Value>>,
}

impl Table {
    fn rows(&self) -> usize {
        self.columns[0].len()
    }

    fn row(&self, row: usize) -> Vec<Value> {
        self.columns.iter().map(|column| column[row]).collect()
    }

    /// What the plan gives under encryption.
    fn sealed(&self, run: Run<'_>, plan: &Plan, groups: Option<(usize, &[Option<u32>])>) -> Vec<Vec<Opened>> {
        let keys = keys();
        let chunks: Vec<_> = plan
            .sources()
            .into_iter()
            .map(|(column, form)| (column, keys.key.encrypt(form, self.bits[column], &self.columns[column]).unwrap()))
            .collect();
        let mut rows = Rows::new(self.rows());
        for (column, chunk) in &chunks {
            rows = rows.column(*column, chunk);
        }
        if let Some((groups, of)) = groups {
            rows = rows.grouped(groups, of);
        }
        let result = run(plan, &rows).unwrap();
        let bytes = result.to_bytes();
        let groups = groups.map_or(1, |(groups, _)| groups);
        assert_eq!(bytes.len(), EncryptedResult::encoded_len(plan, groups));
        let result = EncryptedResult::from_bytes(plan, groups, &bytes).unwrap();
        keys.key.open_rows(plan, &result, &rows).unwrap()
    }

    /// What it should give.
    fn clear(&self, filter: &Filter, output: Output, within: impl Fn(usize) -> bool) -> Opened {
        let rows = (0..self.rows()).filter(|&row| within(row) && filter.holds(&self.row(row)));
        let values = |column: usize| rows.clone().filter_map(move |row| self.columns[column][row]);
        match output {
            Output::Count => Opened::Count(rows.count() as u64),
            Output::Sum(column) => {
                Opened::Sum { count: values(column).count() as u64, sum: values(column).map(u128::from).sum() }
            }
            Output::SumOfSquares(column) => Opened::Sum {
                count: values(column).count() as u64,
                sum: values(column).map(|v| u128::from(v) * u128::from(v)).sum(),
            },
            Output::Categories(column) => Opened::Categories(
                (0..1u64 << self.bits[column]).map(|c| values(column).filter(|&v| v == c).count() as u64).collect(),
            ),
            Output::Minimum(column) => Opened::Extremum(values(column).min()),
            Output::Maximum(column) => Opened::Extremum(values(column).max()),
        }
    }

    fn check(&self, filter: &Filter, outputs: &[Output]) {
        self.check_on(&on_the_processor, filter, outputs);
    }

    fn check_on(&self, run: Run<'_>, filter: &Filter, outputs: &[Output]) {
        self.check_plan_on(run, &Plan::new(&self.bits, filter, outputs).unwrap(), filter);
    }

    fn check_plan_on(&self, run: Run<'_>, plan: &Plan, filter: &Filter) {
        let expected: Vec<Opened> = plan.outputs().iter().map(|out| self.clear(filter, *out, |_| true)).collect();
        assert_eq!(self.sealed(run, plan, None), [expected], "{filter:?}");
    }

    /// In three groups that are known in the clear, and rows in none.
    fn check_groups_on(&self, run: Run<'_>, filter: &Filter, outputs: &[Output]) {
        self.check_groups_of_plan_on(run, &Plan::new(&self.bits, filter, outputs).unwrap(), filter);
    }

    fn check_groups_of_plan_on(&self, run: Run<'_>, plan: &Plan, filter: &Filter) {
        let (outputs, of) = (plan.outputs(), 0..self.rows() as u32);
        let of: Vec<Option<u32>> = of.map(|row| (row % 5 != 4).then_some(row % 3)).collect();
        for (group, opened) in self.sealed(run, plan, Some((3, &of))).iter().enumerate() {
            let within = |row: usize| of[row] == Some(group as u32);
            let expected: Vec<Opened> = outputs.iter().map(|output| self.clear(filter, *output, within)).collect();
            assert_eq!(*opened, expected);
        }
    }
}

/// Deterministic values, with a null now and then.
fn column(bits: u8, rows: usize, salt: u64) -> Vec<Value> {
    let value =
        |i: u64| (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15 ^ salt.wrapping_mul(0xD1B5_4A32_D192_ED03)).rotate_left(29);
    (0..rows as u64).map(|i| (i % 7 != salt % 7).then(|| value(i) & (u64::MAX >> (64 - bits)))).collect()
}

fn table(rows: usize) -> Table {
    let bits = vec![16, 8, 32, 4, 40];
    let columns = bits.iter().enumerate().map(|(i, &bits)| column(bits, rows, i as u64)).collect();
    Table { bits, columns }
}

#[test]
fn the_benchmarks_query_costs_two_bootstraps_a_row_and_is_exact() {
    let table = table(40);
    let d = table.columns[1][2].unwrap();
    let filter = Filter::And(vec![Filter::AtLeast(0, 20_000), Filter::In(1, vec![d, 3, 9, 77, 130])]);
    let plan = Plan::new(&table.bits, &filter, &[Output::Sum(2)]).unwrap();
    assert_eq!(plan.bootstraps_per_row(), 2);
    let counted = Plan::new(&table.bits, &filter, &[Output::Count]).unwrap();
    assert_eq!((counted.bootstraps_per_row(), counted.route(Output::Count)), (1, Route::Decided));
    assert_eq!(plan.route(Output::Sum(2)), Route::Masked);
    table.check(&filter, &[Output::Sum(2), Output::Count]);
}

#[test]
fn what_is_linear_costs_no_bootstrap() {
    let table = table(100);
    let filter = Filter::between(1, 30, 200);
    let plan = Plan::new(&table.bits, &filter, &[Output::Count]).unwrap();
    assert_eq!((plan.bootstraps_per_row(), plan.route(Output::Count)), (0, Route::Linear));
    table.check(&filter, &[Output::Count]);
    let all = Filter::And(vec![]);
    let outputs = [Output::Sum(2), Output::Sum(4), Output::SumOfSquares(2), Output::Categories(3), Output::Count];
    assert_eq!(Plan::new(&table.bits, &all, &outputs).unwrap().bootstraps_per_row(), 0);
    table.check(&all, &outputs);
}

#[test]
fn sums_squares_and_categories_of_filtered_rows_are_exact() {
    let table = table(24);
    let filter = Filter::Or(vec![Filter::AtMost(0, 30_000), Filter::Null(1), Filter::Not(Box::new(Filter::Null(3)))]);
    table.check(&filter, &[Output::Count, Output::Sum(4), Output::SumOfSquares(2), Output::Categories(3)]);
    table.check(&Filter::Or(vec![]), &[Output::Count, Output::Sum(2)]);
}

#[test]
fn groups_known_in_the_clear_are_summed_apart() {
    table(20).check_groups_on(&on_the_processor, &Filter::AtLeast(3, 5), &[Output::Sum(2), Output::Count]);
}

#[test]
fn minimum_and_maximum_run_on_tfhe_rs_integers() {
    let bits = vec![3, 9];
    let columns = vec![column(3, 5, 1), column(9, 5, 2)];
    let table = Table { bits, columns };
    table.check(&Filter::AtLeast(0, 2), &[Output::Minimum(1), Output::Maximum(1)]);
    // A bit that is one predicate.
    table.check(&Filter::And(vec![]), &[Output::Maximum(0)]);
    table.check(&Filter::Or(vec![]), &[Output::Minimum(1)]);
}

#[test]
fn linear_models_of_many_columns_are_exact() {
    // Twelve columns: more digits than one sum takes.
    let bits: Vec<u8> = (0..12).map(|i| 3 + i % 5).collect();
    let columns = bits.iter().zip(0..).map(|(&bits, salt)| column(bits, 5, salt)).collect();
    let table = Table { bits, columns };
    let terms = |columns: std::ops::Range<usize>| columns.map(|c| (c, Points::Times(3 * c as i64 - 7))).collect();
    for (terms, least) in [(terms(0..2), -30), (terms(2..5), 100), (terms(3..11), 500), (terms(0..12), 700)] {
        table.check(&Filter::Score(terms, least), &[Output::Count]);
    }
}

#[test]
fn scores_beyond_what_is_computed_are_refused() {
    let refused = |bits: &[u8], terms: Vec<(usize, Points)>| {
        let error = Plan::new(bits, &Filter::Score(terms, 1), &[Output::Count]).unwrap_err();
        assert!(matches!(error, Error::Score { .. }), "{error}");
    };
    refused(&[64], vec![(0, Points::Times(i64::MAX))]);
    refused(&[16], vec![(0, Points::Each(vec![1; 1 << 16]))]);
    refused(&[4], vec![(0, Points::Each(vec![1; 15]))]);
    refused(&[11; 64], (0..64).map(|column| (column, Points::Times(1 << 40))).collect());
    refused(&[4; 65], (0..65).map(|column| (column, Points::Times(1))).collect());
    let missing = Filter::Score(vec![(1, Points::Times(1))], 1);
    assert!(matches!(Plan::new(&[4], &missing, &[]), Err(Error::Column { got: 1, columns: 1 })));
}

#[test]
fn a_full_chunk_of_greatest_values_is_within_the_noise_budget() {
    let rows = ROWS_PER_CHUNK;
    let table = Table { bits: vec![1, 32], columns: vec![vec![Some(1); rows], vec![Some(u32::MAX.into()); rows]] };
    table.check(&Filter::AtLeast(0, 1), &[Output::Sum(1)]);
}

/// A filter over columns of 4, 8, 9, 16 and 20 bits.
fn filters() -> impl Strategy<Value = Filter> {
    let bits = [4u8, 8, 9, 16, 20];
    let test = (0..bits.len(), any::<u64>(), prop::collection::vec(any::<u64>(), 0..4), 0..4).prop_map(
        move |(column, value, some, kind)| {
            let fit = |v: u64| v % ((1 << bits[column]) + 2);
            match kind {
                0 => Filter::AtLeast(column, fit(value)),
                1 => Filter::AtMost(column, fit(value)),
                2 => Filter::In(column, some.into_iter().map(fit).collect()),
                _ => Filter::Null(column),
            }
        },
    );
    let leaf = prop_oneof![3 => test, 1 => scores()];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|f| Filter::Not(Box::new(f))),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            prop::collection::vec(inner, 0..4).prop_map(Filter::Or),
        ]
    })
}

/// Scores over those columns: small and large weights, tables, bounds within reach and beyond.
fn scores() -> impl Strategy<Value = Filter> {
    let weight = prop_oneof![-9i64..9, -100_000i64..100_000, Just(1i64 << 30)];
    let term = (0..WIDTHS.len(), weight, prop::collection::vec(-40i64..40, 512), any::<bool>()).prop_map(
        |(column, weight, each, table)| match WIDTHS[column] {
            bits if table && bits <= 9 => (column, Points::Each(each[..1 << bits].to_vec())),
            _ => (column, Points::Times(weight)),
        },
    );
    (prop::collection::vec(term, 0..7), 0f64..1.1).prop_map(|(terms, at)| {
        let ends = |(column, points): &(usize, Points)| {
            let all: Vec<i128> = match points {
                Points::Each(points) => points.iter().map(|&points| points.into()).collect(),
                Points::Times(_) => [0, (1 << WIDTHS[*column]) - 1].iter().filter_map(|&v| points.of(v)).collect(),
            };
            (*all.iter().min().unwrap(), *all.iter().max().unwrap())
        };
        let (low, high) = terms.iter().map(ends).fold((0, 0), |(low, high), (l, h)| (low + l, high + h));
        Filter::Score(terms, (low as f64 + at * (high - low) as f64) as i64)
    })
}

const WIDTHS: [u8; 5] = [4, 8, 9, 16, 20];

fn rows_of_widths() -> impl Strategy<Value = Vec<Value>> {
    let value = |bits: u8| prop::option::weighted(0.8, 0..1u64 << bits);
    WIDTHS.map(value).prop_map(Vec::from)
}

fn table_of(rows: &[Vec<Value>]) -> Table {
    let columns = (0..WIDTHS.len()).map(|column| rows.iter().map(|row| row[column]).collect()).collect();
    Table { bits: WIDTHS.to_vec(), columns }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    /// The plan's sums and thresholds, computed in the clear, are the filter; and every sum fits the torus.
    #[test]
    fn plans_are_their_filters(filter in filters(), row in rows_of_widths()) {
        let holds = match filter::Gates::plan(&filter, &WIDTHS).unwrap() {
            None => true,
            Some(gates) => in_the_clear(&gates, &row),
        };
        prop_assert_eq!(holds, filter.holds(&row));
    }
}

fn in_the_clear(gates: &filter::Gates, row: &[Value]) -> bool {
    let mut made = Vec::new();
    for gate in gates.gates.iter().chain([&gates.last]) {
        let mut sum = gate.constant;
        for (&(column, digit), weights) in &gate.digits {
            let Some(value) = row[column] else { continue };
            let widths = column::digits(WIDTHS[column]);
            let before: u8 = widths[..digit].iter().sum();
            sum += weights[((value >> before) & ((1 << widths[digit]) - 1)) as usize];
        }
        sum += gate.gates.iter().map(|&(of, weight)| weight * made[of]).sum::<i64>();
        assert!(gate.up <= MAX_SLACK && gate.down <= MAX_SLACK);
        made.push(match &gate.table {
            Some(table) => table[usize::try_from(sum).expect("not negative")] as i64,
            None => {
                assert!(sum <= gate.threshold + gate.up && sum >= gate.threshold - 1 - gate.down, "{gate:?}");
                i64::from(sum >= gate.threshold)
            }
        });
    }
    // One bootstrap makes a gate at one scale.
    let mut scales = vec![None; gates.gates.len()];
    for user in gates.gates.iter().chain([&gates.last]) {
        for (of, weight) in &user.gates {
            let scale = multiplier(user) * *weight as u64;
            assert_eq!(*scales[*of].get_or_insert(scale), scale);
        }
    }
    assert!(!scales.contains(&None), "a gate that nothing uses");
    // The 2-norm of five bootstraps that the parameter set allows.
    assert!(gates.gates.iter().chain([&gates.last]).all(|gate| gate.gates.len() <= 25));
    made.pop() == Some(1)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn random_programs_agree_with_the_clear(filter in filters(), rows in prop::collection::vec(rows_of_widths(), 4)) {
        table_of(&rows).check(&filter, &[Output::Count, Output::Sum(3)]);
    }
}

#[test]
fn noise_is_within_its_budget() {
    let Keys { key, evaluator, .. } = keys();
    // A stored 1 in 32 bits, of weight 1 on one coefficient; then a predicate of the greatest weight on 256.
    let chunk = key.encrypt(Form::Digits, 8, &[Some(0); 256]).unwrap().expand().into_container();
    let noise_of = |words: &[u64], expected: u64| {
        let element = GlweCiphertext::from_container(words, POLY, native());
        let mut plain = PlaintextList::new(0u64, PlaintextCount(N));
        decrypt_glwe_ciphertext(&key.ring(), &element, &mut plain);
        plain.as_ref()[0].wrapping_sub(expected).cast_signed() as f64
    };
    let stored = sigma(chunk.chunks_exact(ELEMENT).map(|words| noise_of(words, DELTA)).collect());
    assert!((-34.8..-32.8).contains(&stored), "{stored}");
    let predicate = |words: &[u64]| {
        let product = times(words, &[1; 256], 2048);
        noise_of(&product, DELTA.wrapping_mul(2048))
    };
    let indicator = sigma(chunk.chunks_exact(ELEMENT).map(predicate).collect());
    assert!(indicator < -18.0, "{indicator}");
    // What switching to the small key adds, and then a coarse bootstrap of a bit.
    let big: Vec<_> = chunk.chunks_exact(ELEMENT).map(|words| extract(&times(words, &[1; 256], 2048), 0)).collect();
    let off = |got: u64, expected: u64| got.wrapping_sub(expected).cast_signed() as f64;
    let phase = |lwe: &[u64]| decrypt_lwe_ciphertext(&key.big(), &LweCiphertext::from_container(lwe, native())).0;
    let small = evaluator.cpu().switch(&big).into_iter().zip(&big).map(|(small, big)| {
        let after = decrypt_lwe_ciphertext(&key.small(), &LweCiphertext::from_container(small, native())).0;
        off(after, phase(big))
    });
    let switched = sigma(small.collect());
    assert!((-11.5..-10.5).contains(&switched), "{switched}");
    let decided = noise_of_bits(evaluator.cpu(), Digits::Coarse);
    assert!(COARSE_NOISE.contains(&decided), "{decided}");
    eprintln!("key switch 2^{switched:.2}, coarse bootstrap 2^{decided:.2}");
    let masked = noise_of_masking(&on_the_processor);
    assert!(FINE_NOISE.contains(&masked), "{masked}");
}

/// What bootstraps may add, as powers of two.
const COARSE_NOISE: std::ops::Range<f64> = -16.5..-13.5;
const FINE_NOISE: std::ops::Range<f64> = -24.0..-21.2;

/// As a fraction of the torus, a power of two.
fn sigma(noise: Vec<f64>) -> f64 {
    (noise.iter().map(|e| e * e).sum::<f64>() / noise.len() as f64).sqrt().log2() - 64.0
}

/// What a bootstrap to a bit adds.
fn noise_of_bits<B: Bootstrap>(on: &B, digits: Digits) -> f64 {
    let key = &keys().key;
    let bit = filter::Gates::plan(&Filter::AtLeast(0, 0), &[8]).unwrap().unwrap().last;
    let chunk = key.encrypt(Form::Digits, 8, &[Some(0); 256]).unwrap().expand().into_container();
    let big = chunk.chunks_exact(ELEMENT).map(|words| extract(&times(words, &[1; 256], 2048), 0)).collect();
    let decided = decide(on, digits, &bit, big, DELTA << 11);
    let phase = |lwe: &[u64]| decrypt_lwe_ciphertext(&key.big(), &LweCiphertext::from_container(lwe, native())).0;
    sigma(decided.iter().map(|lwe| phase(lwe).wrapping_sub(DELTA << 11).cast_signed() as f64).collect())
}

/// What one masking adds.
fn noise_of_masking(run: Run<'_>) -> f64 {
    let (key, rows) = (&keys().key, 256);
    let plan = Plan::new(&[1, 16], &Filter::AtLeast(0, 1), &[Output::Sum(1)]).unwrap();
    let ones = key.encrypt(Form::Digits, 1, &vec![Some(1); rows]).unwrap();
    let zeros = key.encrypt(Form::Limbs, 16, &vec![None; rows]).unwrap();
    let result = run(&plan, &Rows::new(rows).column(0, &ones).column(1, &zeros)).unwrap();
    let noise = key.phases(&result.samples[0]).into_iter().map(|e| e.cast_signed() as f64).collect();
    sigma(noise) - (rows as f64).log2() / 2.0
}

#[test]
fn key_switching_in_batches_is_that_of_tfhe_rs_bit_for_bit() {
    let Keys { key, evaluator, .. } = keys();
    let words = key.encrypt(Form::Digits, 8, &[Some(7); 24]).unwrap().expand().into_container();
    let big: Vec<Vec<u64>> = words.chunks_exact(ELEMENT).map(|element| extract(element, 7)).collect();
    for (small, big) in evaluator.cpu().switch(&big).into_iter().zip(big) {
        let big = LweCiphertext::from_container(big, native());
        let mut expected = LweCiphertext::new(0u64, SET.lwe_dimension.to_lwe_size(), native());
        keyswitch_lwe_ciphertext(&evaluator.cpu().switch, &big, &mut expected);
        assert_eq!(small, expected.into_container());
        // Under the small key it is what it was under the big one.
        let phase =
            decrypt_lwe_ciphertext(&key.small(), &LweCiphertext::from_container(small_of(evaluator, &big), native())).0;
        let before = decrypt_lwe_ciphertext(&key.big(), &big).0;
        assert!(phase.wrapping_sub(before).cast_signed().unsigned_abs() < 1 << 57);
    }
}

fn small_of(evaluator: &Evaluator, big: &LweCiphertextOwned<u64>) -> Vec<u64> {
    evaluator.cpu().switch(&[big.as_ref().to_vec()]).remove(0)
}

#[test]
fn bytes_are_read_back_and_altered_ones_refused() {
    let Keys { key, evaluation, .. } = keys();
    let chunk = key.encrypt(Form::Limbs, 12, &[Some(5), None]).unwrap();
    let bytes = chunk.to_bytes();
    assert_eq!(bytes.len(), EncryptedChunk::encoded_len(Form::Limbs, 12, 2));
    assert!(EncryptedChunk::from_bytes(&bytes).unwrap() == chunk);
    assert!(matches!(EncryptedChunk::from_bytes(&bytes[..bytes.len() - 1]), Err(Error::Length { .. })));
    let altered = |at: usize, to: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = to;
        EncryptedChunk::from_bytes(&bytes).unwrap_err()
    };
    assert!(matches!(altered(0, 2), Error::Version { .. }));
    assert_eq!(altered(1, 9), Error::Form);
    assert!(matches!(altered(2, 0), Error::ColumnBits { .. }));
    assert!(matches!(altered(6, 255), Error::ChunkRows { .. }));
    let bytes = evaluation.to_bytes();
    assert!(EvaluationKey::from_bytes(&bytes).unwrap() == *evaluation);
    assert!(matches!(EvaluationKey::from_bytes(&bytes[..99]), Err(Error::Length { .. })));
    let same = TableKey::from_bytes(*key.to_bytes());
    assert_eq!(same.big().as_ref(), key.big().as_ref());
    assert_eq!(format!("{key:?}"), "TableKey(_)");
}

#[test]
fn stored_values_are_a_tenth_of_a_fhe_uint32_and_less() {
    let per_value = |form, bits| EncryptedChunk::encoded_len(form, bits, ROWS_PER_CHUNK) / ROWS_PER_CHUNK;
    // 263 kB, as tfhe-rs serializes a FheUint32 of this parameter set.
    assert!(10 * (per_value(Form::Digits, 32) + per_value(Form::Limbs, 32)) < 263_000);
    assert_eq!(
        (per_value(Form::Digits, 16), per_value(Form::Digits, 8), per_value(Form::Limbs, 32)),
        (2048, 1024, 8192)
    );
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_computed() {
    let Keys { key, evaluator, .. } = keys();
    assert_eq!(key.encrypt(Form::Digits, 4, &[Some(3), Some(16)]).unwrap_err(), Error::Value { row: 1, bits: 4 });
    assert!(matches!(key.encrypt(Form::OneHot, 7, &[None]), Err(Error::ColumnBits { .. })));
    assert!(matches!(key.encrypt(Form::Limbs, 7, &[]), Err(Error::ChunkRows { got: 0 })));
    assert!(matches!(key.encrypt(Form::Limbs, 7, &[None; 513]), Err(Error::ChunkRows { got: 513 })));
    let plan = Plan::new(&[4, 7], &Filter::AtLeast(0, 2), &[Output::Sum(1)]).unwrap();
    let filtered = key.encrypt(Form::Digits, 4, &[Some(3); 2]).unwrap();
    let summed = key.encrypt(Form::Limbs, 7, &[Some(3); 3]).unwrap();
    let summed_of_two = key.encrypt(Form::Limbs, 7, &[Some(3); 2]).unwrap();
    let rows = Rows::new(2).column(0, &filtered);
    let missing = Error::Source { column: 1, form: Form::Limbs };
    assert_eq!(evaluator.evaluate(&plan, &rows).unwrap_err(), missing);
    let other = evaluator.evaluate(&plan, &rows.clone().column(1, &summed)).unwrap_err();
    assert_eq!(other, Error::ChunkRows { got: 3 });
    let grouped = rows.column(1, &filtered).grouped(1, &[Some(1), None]);
    assert!(matches!(evaluator.evaluate(&plan, &grouped), Err(Error::Source { .. })));
    assert!(matches!(Plan::new(&[4], &Filter::Null(1), &[]), Err(Error::Column { got: 1, columns: 1 })));
    for bits in [0, 65, 255] {
        let filter = Filter::In(0, vec![1]);
        assert_eq!(Plan::new(&[bits], &filter, &[]).unwrap_err(), Error::ColumnBits { form: Form::Digits, bits });
    }
    let result = evaluator.evaluate(&plan, &Rows::new(2).column(0, &filtered).column(1, &summed_of_two)).unwrap();
    let other = Plan::new(&[4, 17], &Filter::And(vec![]), &[Output::Sum(1), Output::Count]).unwrap();
    assert!(matches!(key.open(&other, &[result]), Err(Error::Shape { .. })));
}

/// Why a result must be bound to a job before it is opened: an executor's "sum" may be any row's value.
#[test]
fn an_executor_can_put_a_rows_value_in_place_of_the_sum() {
    let Keys { key, evaluator, .. } = keys();
    let (bits, rows) = ([4, 16], 3);
    let plan = Plan::new(&bits, &Filter::AtLeast(0, 9), &[Output::Sum(1)]).unwrap();
    let filtered = key.encrypt(Form::Digits, 4, &[Some(3); 3]).unwrap();
    let summed = key.encrypt(Form::Limbs, 16, &[Some(700), Some(41_000), Some(2)]).unwrap();
    let honest = evaluator.evaluate(&plan, &Rows::new(rows).column(0, &filtered).column(1, &summed)).unwrap();
    let stored = summed.expand().into_container();
    let row: Vec<u64> = stored[ELEMENT..2 * ELEMENT].iter().map(|word| word.wrapping_mul(2)).collect();
    let sample = result::Sample::of_boxes(&row, plan.samples(Output::Sum(1))[0]);
    let forged = EncryptedResult { groups: 1, samples: vec![sample], packed: Vec::new() };
    assert_eq!(key.open(&plan, &[honest]).unwrap(), [[Opened::Sum { count: 0, sum: 0 }]]);
    assert_eq!(key.open(&plan, &[forged]).unwrap(), [[Opened::Sum { count: 1, sum: 41_000 }]]);
}

/// Under another key, results are noise: the owner notices.
#[test]
fn a_result_under_another_key_does_not_open() {
    let other = TableKey::generate().unwrap();
    let plan = Plan::new(&[4, 32], &Filter::And(vec![]), &[Output::Sum(1)]).unwrap();
    let chunk = other.encrypt(Form::Limbs, 32, &[Some(3); 2]).unwrap();
    let result = keys().evaluator.evaluate(&plan, &Rows::new(2).column(1, &chunk)).unwrap();
    assert_eq!(other.open(&plan, std::slice::from_ref(&result)).unwrap(), [[Opened::Sum { count: 2, sum: 6 }]]);
    assert_eq!(keys().key.open(&plan, &[result]).unwrap_err(), Error::Noise);
}
