//! Sealed data against plain tfhe-rs: the same queries on the high-level integers, same machine, same failure probability.
//!
//! `cargo bench --workspace --bench table --profile dev`; `SEALOCK_BENCH_ROWS` (512 unless set) is the number of rows of
//! ours with bootstraps, `SEALOCK_BENCH_PACKED_ROWS` (16,384) of those packed, `SEALOCK_BENCH_PLAIN_ROWS` (4) that of plain
//! tfhe-rs, whose cost does not depend on it.

use std::time::Instant;

use rayon::prelude::*;
use sealock_fhe::table::{
    EncryptedChunk, Evaluator, Filter, Form, Opened, Output, PACKED_ROWS_PER_CHUNK, Plan, Points, ROWS_PER_CHUNK, Rows,
    TableKey, evaluate_packed,
};
use tfhe::{
    ConfigBuilder, FheBool, FheUint8, FheUint16, FheUint32, ServerKey, generate_keys, prelude::*, set_server_key,
};

struct Row {
    a: u16,
    b: u8,
    x: u32,
    g: u8,
}

fn rows(count: usize) -> Vec<Row> {
    let mix = |i: usize| (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23);
    (0..count)
        .map(|i| {
            let word = mix(i);
            Row { a: word as u16, b: (word >> 16) as u8 % 4, x: (word >> 32) as u32 / 8, g: (word >> 24) as u8 % 16 }
        })
        .collect()
}

/// A linear model.
const A: i64 = 3;
const B: i64 = 7000;
const BOUND: u32 = 90_000;

fn above(row: &Row) -> bool {
    A * i64::from(row.a) + B * i64::from(row.b) >= i64::from(BOUND)
}

const C: u16 = 20_000;
const D: u8 = 2;

fn main() {
    let number = |name: &str, or: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(or);
    let (ours, plain) = (number("SEALOCK_BENCH_ROWS", ROWS_PER_CHUNK), number("SEALOCK_BENCH_PLAIN_ROWS", 4));
    let cores = rayon::current_num_threads();
    println!("Encrypted columns against plain tfhe-rs 1.8 (FheUint32, FheUint16, FheUint8); {cores} cores");
    println!(
        "Columns are in memory on both sides. Packed chunks are full; one row in a chunk costs as much as 8,192.\n"
    );

    let start = Instant::now();
    let key = TableKey::generate().expect("randomness");
    let evaluation = key.evaluation_key().expect("randomness");
    println!("evaluation key      {:>10.1} s, {} bytes", start.elapsed().as_secs_f64(), evaluation.to_bytes().len());
    let start = Instant::now();
    let evaluator = Evaluator::new(&evaluation);
    println!("made ready          {:>10.1} s\n", start.elapsed().as_secs_f64());

    let bits = [16, 8, 32, 4];
    let both = Filter::And(vec![Filter::AtLeast(0, u64::from(C) + 1), Filter::In(1, vec![u64::from(D)])]);
    let model = Filter::Score(vec![(0, Points::Times(A)), (1, Points::Times(B))], BOUND.into());
    let selected = |row: &&Row| row.a > C && row.b == D;

    let sum = |table: &[Row]| Opened::Sum {
        count: table.iter().filter(selected).count() as u64,
        sum: table.iter().filter(selected).map(|row| u128::from(row.x)).sum(),
    };
    let count = |table: &[Row]| Opened::Count(table.iter().filter(selected).count() as u64);
    let scored = |table: &[Row]| Opened::Count(table.iter().filter(|row| above(row)).count() as u64);
    let groups = |table: &[Row]| {
        let of = |g: u8| table.iter().filter(selected).filter(|row| row.g == g).count() as u64;
        Opened::Categories((0..16).map(of).collect())
    };
    let key = Owner { key, evaluator, bits: &bits };
    let bootstrapped = rows(ours);
    let packed_rows = rows(number("SEALOCK_BENCH_PACKED_ROWS", 2 * PACKED_ROWS_PER_CHUNK));
    let run = |filter: &Filter, output, expected: &dyn Fn(&[Row]) -> Opened| {
        let plan = Plan::new(&bits, filter, &[output]).expect("a plan");
        let first = key.run(&bootstrapped, &plan);
        assert_eq!(first.opened, expected(&bootstrapped));
        let packed = Plan::packed(&bits, filter, &[output]).expect("a plan").map(|plan| key.run(&packed_rows, &plan));
        assert!(packed.iter().all(|run| run.opened == expected(&packed_rows)));
        (first, packed)
    };
    let sum = run(&both, Output::Sum(2), &sum);
    let count = run(&both, Output::Count, &count);
    let scored = run(&model, Output::Count, &scored);
    let groups = run(&both, Output::Categories(3), &groups);

    let theirs = Plain::new();
    let table = rows(plain);
    let plain_sum = theirs.sum(&table);
    let plain_count = theirs.count(&table);
    let plain_scored = theirs.scored(&table);
    let plain_groups = theirs.groups(&table[..1]);
    for (what, (ours, packed), theirs) in [
        ("SELECT sum(x) WHERE a > c AND b = d", &sum, plain_sum),
        ("SELECT count(*) WHERE a > c AND b = d", &count, plain_count),
        ("SELECT count(*) WHERE 3 * a + 7000 * b >= 90000", &scored, plain_scored),
        ("SELECT g, count(*) WHERE a > c AND b = d GROUP BY g (16)", &groups, plain_groups),
    ] {
        println!("{what}");
        println!("  plain tfhe-rs       {theirs:>10.2} ms a row");
        ours.print("with bootstraps", cores, theirs);
        match packed {
            Some(packed) => packed.print("packed", cores, theirs),
            None => println!("  packed: its degree is too high"),
        }
        println!();
    }

    let stored = |form: Form, bits| {
        let rows = form.rows_per_chunk();
        EncryptedChunk::encoded_len(form, bits, rows) / rows
    };
    let theirs = theirs.stored();
    println!("Bytes of a stored value");
    for (what, bytes) in [
        ("8 bits, to filter by", stored(Form::Digits, 8)),
        ("16 bits, to filter by", stored(Form::Digits, 16)),
        ("32 bits, to filter by", stored(Form::Digits, 32)),
        ("32 bits, to sum", stored(Form::Limbs, 32)),
        ("packed: 8 bits, to filter by", stored(Form::Indicators, 8)),
        ("packed: 16 bits, to filter by", stored(Form::Indicators, 16)),
        ("packed: 32 bits, to filter by", stored(Form::Indicators, 32)),
        ("packed: 32 bits, to sum", stored(Form::Values, 32)),
    ] {
        println!("  {what:<30} {bytes:>8}, {:.3} of a serialized FheUint32 ({theirs})", bytes as f64 / theirs as f64);
    }
}

/// What runs our queries.
struct Owner<'a> {
    key: TableKey,
    evaluator: Evaluator,
    bits: &'a [u8],
}

/// Milliseconds a row, of executor and owner, bytes of results, and the answer.
struct Run {
    encrypted: f64,
    evaluated: f64,
    opened_in: f64,
    result: f64,
    opened: Opened,
}

impl Run {
    fn print(&self, what: &str, cores: usize, theirs: f64) {
        let ms = self.evaluated;
        let (rate, of_core) = (1e3 / ms, 1e3 / ms / cores as f64);
        println!("  {what:<19} {ms:>10.4} ms a row, {rate:.1} rows/s, {of_core:.1} a core; ratio {:.1}", theirs / ms);
        println!(
            "    owner: encrypts for it in {:.4} ms a row, opens in {:.4}; results have {:.0} bytes a row",
            self.encrypted, self.opened_in, self.result
        );
    }
}

impl Owner<'_> {
    fn run(&self, table: &[Row], plan: &Plan) -> Run {
        let (mut opened, mut spent, mut bytes) = (Vec::new(), [0.0; 3], 0);
        let per_chunk = if plan.is_packed() { PACKED_ROWS_PER_CHUNK } else { ROWS_PER_CHUNK };
        for rows in table.chunks(per_chunk) {
            let value = |row: &Row, column: usize| {
                Some([u64::from(row.a), u64::from(row.b), u64::from(row.x), u64::from(row.g)][column])
            };
            let chunk = |(column, form): (usize, Form)| {
                let values: Vec<_> = rows.iter().map(|row| value(row, column)).collect();
                (column, self.key.encrypt(form, self.bits[column], &values).expect("values fit"))
            };
            let start = Instant::now();
            let chunks: Vec<_> = plan.sources().into_iter().map(chunk).collect();
            spent[0] += start.elapsed().as_secs_f64();
            let start = Instant::now();
            let given = chunks.iter().fold(Rows::new(rows.len()), |rows, (column, chunk)| rows.column(*column, chunk));
            let result =
                if plan.is_packed() { evaluate_packed(plan, &given) } else { self.evaluator.evaluate(plan, &given) };
            spent[1] += start.elapsed().as_secs_f64();
            let result = result.expect("a result");
            bytes += result.to_bytes().len();
            let start = Instant::now();
            opened.push(self.key.open_rows(plan, &result, &given).expect("an answer").remove(0).remove(0));
            spent[2] += start.elapsed().as_secs_f64();
        }
        let [encrypted, evaluated, opened_in] = spent.map(|seconds| seconds * 1e3 / table.len() as f64);
        let opened = opened.into_iter().reduce(add).expect("there are rows");
        Run { encrypted, evaluated, opened_in, result: bytes as f64 / table.len() as f64, opened }
    }
}

/// The same output of other rows.
fn add(a: Opened, b: Opened) -> Opened {
    match (a, b) {
        (Opened::Count(a), Opened::Count(b)) => Opened::Count(a + b),
        (Opened::Sum { count, sum }, Opened::Sum { count: more, sum: other }) => {
            Opened::Sum { count: count + more, sum: sum + other }
        }
        (Opened::Categories(a), Opened::Categories(b)) => {
            Opened::Categories(a.iter().zip(&b).map(|(a, b)| a + b).collect())
        }
        _ => unreachable!("both are the same output"),
    }
}

/// Plain tfhe-rs, its default parameters, on all cores: within an operation and over rows or groups.
struct Plain {
    key: tfhe::ClientKey,
}

impl Plain {
    fn new() -> Self {
        let (key, server): (_, ServerKey) = generate_keys(ConfigBuilder::default().build());
        set_server_key(server.clone());
        rayon::broadcast(|_| set_server_key(server.clone()));
        Self { key }
    }

    fn bit(&self, a: &FheUint16, b: &FheUint8) -> FheBool {
        a.gt(C) & b.eq(D)
    }

    /// Milliseconds a row: ciphertexts are there, and the sum is added up at the end as tfhe-rs advises, carries once.
    fn sum(&self, table: &[Row]) -> f64 {
        let given: Vec<_> = table
            .iter()
            .map(|row| {
                (
                    FheUint16::encrypt(row.a, &self.key),
                    FheUint8::encrypt(row.b, &self.key),
                    FheUint32::encrypt(row.x, &self.key),
                )
            })
            .collect();
        let zero = FheUint32::encrypt_trivial(0u32);
        let start = Instant::now();
        let masked: Vec<FheUint32> = given.par_iter().map(|(a, b, x)| self.bit(a, b).if_then_else(x, &zero)).collect();
        let sum: FheUint32 = masked.iter().sum();
        let spent = start.elapsed().as_secs_f64();
        let sum: u32 = sum.decrypt(&self.key);
        let expected =
            table.iter().filter(|row| row.a > C && row.b == D).map(|row| row.x).fold(0u32, u32::wrapping_add);
        assert_eq!(sum, expected);
        spent * 1e3 / table.len() as f64
    }

    fn count(&self, table: &[Row]) -> f64 {
        let given: Vec<_> = table
            .iter()
            .map(|row| (FheUint16::encrypt(row.a, &self.key), FheUint8::encrypt(row.b, &self.key)))
            .collect();
        let start = Instant::now();
        let bits: Vec<FheUint16> = given.par_iter().map(|(a, b)| FheUint16::cast_from(self.bit(a, b))).collect();
        let count: FheUint16 = bits.iter().sum();
        let spent = start.elapsed().as_secs_f64();
        let count: u16 = count.decrypt(&self.key);
        assert_eq!(usize::from(count), table.iter().filter(|row| row.a > C && row.b == D).count());
        spent * 1e3 / table.len() as f64
    }

    fn scored(&self, table: &[Row]) -> f64 {
        let given: Vec<_> = table
            .iter()
            .map(|row| (FheUint16::encrypt(row.a, &self.key), FheUint8::encrypt(row.b, &self.key)))
            .collect();
        let of = |(a, b): &(FheUint16, FheUint8)| {
            // 24 bits hold the score, and this is the narrowest type that does.
            let (a, b) = (FheUint32::cast_from(a.clone()), FheUint32::cast_from(b.clone()));
            FheUint16::cast_from((a * A as u32 + b * B as u32).ge(BOUND))
        };
        let start = Instant::now();
        let bits: Vec<FheUint16> = given.par_iter().map(of).collect();
        let count: FheUint16 = bits.iter().sum();
        let spent = start.elapsed().as_secs_f64();
        let count: u16 = count.decrypt(&self.key);
        assert_eq!(usize::from(count), table.iter().filter(|row| above(row)).count());
        spent * 1e3 / table.len() as f64
    }

    fn groups(&self, table: &[Row]) -> f64 {
        let given: Vec<_> = table
            .iter()
            .map(|row| {
                (
                    FheUint16::encrypt(row.a, &self.key),
                    FheUint8::encrypt(row.b, &self.key),
                    FheUint8::encrypt(row.g, &self.key),
                )
            })
            .collect();
        let start = Instant::now();
        let bits: Vec<FheBool> = given.iter().map(|(a, b, _)| self.bit(a, b)).collect();
        let counts: Vec<FheUint16> = (0..16u8)
            .into_par_iter()
            .map(|group| {
                let of = |(bit, (_, _, g)): (&FheBool, &(FheUint16, FheUint8, FheUint8))| {
                    FheUint16::cast_from(bit & g.eq(group))
                };
                bits.iter().zip(&given).map(of).sum()
            })
            .collect();
        let spent = start.elapsed().as_secs_f64();
        for (group, count) in counts.iter().enumerate() {
            let count: u16 = count.decrypt(&self.key);
            let expected = |row: &&Row| row.a > C && row.b == D && usize::from(row.g) == group;
            assert_eq!(usize::from(count), table.iter().filter(expected).count());
        }
        spent * 1e3 / table.len() as f64
    }

    fn stored(&self) -> usize {
        let value = FheUint32::encrypt(7u32, &self.key);
        let mut bytes = Vec::new();
        tfhe::safe_serialization::safe_serialize(&value, &mut bytes, 1 << 30).expect("memory");
        bytes.len()
    }
}
