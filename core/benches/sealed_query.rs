//! A sealed query from the request's bytes to the sealed result, on the node's side, and the same question asked of plain
//! tfhe-rs, on one core; and before that a query of a large table, which the node folds from what is stored, on two.
//!
//! `cargo bench --workspace --bench sealed_query --profile dev`; `SEALOCK_BENCH_SECONDS` (60 unless set) bounds the
//! tfhe-rs part.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use sealock::asset::{Column, Schema, Table, Terms};
use sealock::cube::Cube;
use sealock::owner::Offer;
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, col, count, secret, sum};
use sealock::{Account, Exchange};
use tfhe::prelude::*;
use tfhe::{ConfigBuilder, FheUint32, FheUint64, generate_keys, set_server_key};

const ROWS: i64 = 1_000_000;
/// Two hidden columns of 64 and 128 values: 8,192 cells.
const SIZES: [i64; 2] = [64, 128];

fn main() {
    let two_cores = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a thread pool");
    two_cores.install(large_table);
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread pool");
    one_core.install(|| {
        let node_side = sealed_query();
        let seconds = std::env::var("SEALOCK_BENCH_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(60.0);
        plain_tfhe(Duration::from_secs_f64(seconds / 2.0), node_side);
    });
}

/// Rows of the large table, over 256 times 256 cells.
const LARGE_ROWS: usize = 10_000_000;
const LARGE_SIZE: i64 = 256;

fn large_row(i: i64) -> [i64; 4] {
    let rows = LARGE_ROWS as i64;
    let value = |of| scramble(i + of * rows, i64::from(u32::MAX) + 1);
    [scramble(i, LARGE_SIZE), scramble(i + rows, LARGE_SIZE), value(2), value(3)]
}

fn large() -> Table {
    let schema = Schema::new(vec![
        Column::integer("a", 0, LARGE_SIZE - 1).dimension(),
        Column::integer("b", 0, LARGE_SIZE - 1).dimension(),
        Column::integer("x", 0, i64::from(u32::MAX)).measure(),
        Column::integer("y", 0, i64::from(u32::MAX)).measure(),
    ])
    .expect("a valid schema");
    let batch = |start: usize| {
        let rows = start as i64..LARGE_ROWS.min(start + (1 << 16)) as i64;
        let column = |place: usize| {
            Arc::new(Int64Array::from_iter_values(rows.clone().map(|i| large_row(i)[place]))) as ArrayRef
        };
        RecordBatch::try_from_iter([("a", column(0)), ("b", column(1)), ("x", column(2)), ("y", column(3))])
            .expect("equal lengths")
    };
    Table::from_batches(schema, (0..LARGE_ROWS).step_by(1 << 16).map(batch)).expect("within domains")
}

/// The owner publishes the large table, and a node that has just been started answers a query about it.
fn large_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Account::generate().expose_secret_bytes();
    let account = || Account::from_secret_bytes(&key).expect("a key");
    let policy = Policy::deny_all()
        .dimensions(["a", "b"])
        .measures(["x", "y"])
        .aggregations([Aggregation::Count, Aggregation::Sum])
        .any_program()
        .min_group_size(5);
    let nft = {
        let exchange = Exchange::local(folder.path()).expect("a folder");
        let table = large();
        let offer = Offer::new("benchmark", &table, policy, Terms::free(1));
        exchange.owner(account()).and_then(|owner| owner.publish(&offer)).expect("a valid offer").asset.nft()
    };
    let exchange = Exchange::local(folder.path()).expect("a folder");
    let owner = exchange.owner(account()).expect("known");
    let asset = exchange.asset(nft).expect("published");
    let consumer = exchange.consumer(Account::generate()).expect("memory");
    consumer.buy(&asset, 1).expect("free");
    let query = Query::select([sum("x"), sum("y"), count()]).filter(col("a").lt(secret(40)) & col("b").ge(secret(30)));
    let ticket = consumer.order(&asset).expect("bought").request(&query).expect("allowed");
    // The most memory so far was for publishing: forget it.
    let forgotten = std::fs::write("/proc/self/clear_refs", "5").is_ok();
    let node = owner.node();
    let (start, cpu) = (Instant::now(), cpu_seconds());
    let grant = node.admit_bytes(&ticket.request().to_bytes().expect("encodes")).expect("admitted");
    let admitted = start.elapsed().as_secs_f64();
    let computed = node.compute(grant).expect("computes");
    let (result, receipt) = node.release(computed).expect("releases");
    let wall = start.elapsed().as_secs_f64();
    println!(
        "{LARGE_ROWS} rows, {} cells, 2 measures, two cores: a node that has just been started",
        LARGE_SIZE * LARGE_SIZE
    );
    println!("node: admit                                              {:8.2} s", admitted);
    println!("node: read, decrypt, fold, suppress, product, release    {:8.2} s", wall - admitted);
    if let (Some(before), Some(after)) = (cpu, cpu_seconds()) {
        println!("node: together {wall:.2} s, {:.2} CPU seconds", after - before);
    }
    if let Some(peak) = peak_mib().filter(|_| forgotten) {
        println!("peak memory of the process while it did so: {peak} MiB\n");
    }
    let answer = ticket.open(&result, &receipt).expect("opens");
    let selected = (0..LARGE_ROWS as i64).map(large_row).filter(|[a, b, ..]| *a < 40 && *b >= 30);
    let expected = selected.fold([0; 3], |[x, y, n], row| [x + row[2], y + row[3], n + 1]);
    for (name, expected) in ["sum(x)", "sum(y)", "count"].into_iter().zip(expected) {
        let got = answer.numbers(name).expect("asked").to_f64()[0];
        assert_eq!(got, Some(expected as f64), "the answer is exact");
    }
}

/// User and system time of the process, where the system tells.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    // Linux counts in hundredths.
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Multiplicative hashing: values without pattern, the same each time.
fn scramble(i: i64, bound: i64) -> i64 {
    ((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24) as i64 % bound
}

fn table() -> Table {
    let schema = Schema::new(vec![
        Column::integer("a", 0, SIZES[0] - 1).dimension(),
        Column::integer("b", 0, SIZES[1] - 1).dimension(),
        Column::integer("x", 0, i64::from(u32::MAX)).measure(),
    ])
    .expect("a valid schema");
    let column = |f: &dyn Fn(i64) -> i64| Arc::new(Int64Array::from_iter_values((0..ROWS).map(f))) as ArrayRef;
    let columns = [
        ("a", column(&|i| scramble(i, SIZES[0]))),
        ("b", column(&|i| scramble(i + ROWS, SIZES[1]))),
        ("x", column(&|i| scramble(i + 2 * ROWS, i64::from(u32::MAX) + 1))),
    ];
    Table::from_batches(schema, [RecordBatch::try_from_iter(columns).expect("equal lengths")]).expect("within domains")
}

/// Returns the node's time in seconds.
fn sealed_query() -> f64 {
    let table = table();
    let policy = Policy::deny_all()
        .dimensions(["a", "b"])
        .measures(["x"])
        .aggregations([Aggregation::Count, Aggregation::Sum])
        .any_program()
        .min_group_size(5);
    let exchange = Exchange::in_memory().expect("memory");
    let owner = exchange.owner(Account::generate()).expect("memory");
    let offer = Offer::new("benchmark", &table, policy.clone(), Terms::free(1).uses_per_order(100));
    let asset = owner.publish(&offer).expect("a valid offer").asset;
    let consumer = exchange.consumer(Account::generate()).expect("memory");
    consumer.buy(&asset, 1).expect("free");
    let order = consumer.order(&asset).expect("bought");
    let query = Query::select([sum("x"), count()]).filter(col("a").lt(secret(40)) & col("b").ge(secret(30)));

    let timed = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed().as_secs_f64()
    };
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let fold =
        median((0..5).map(|_| timed(&mut || drop(Cube::fold(&table, &policy).expect("fits").suppress(5)))).collect());
    let (mut ask, mut admit, mut compute, mut release, mut open) = (vec![], vec![], vec![], vec![], vec![]);
    let mut sizes = (0, 0);
    for _ in 0..5 {
        let start = Instant::now();
        let ticket = order.request(&query).expect("allowed");
        ask.push(start.elapsed().as_secs_f64());
        let bytes = ticket.request().to_bytes().expect("encodes");
        let node = owner.node();
        let start = Instant::now();
        let grant = node.admit_bytes(&bytes).expect("admitted");
        admit.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let computed = node.compute(grant).expect("computes");
        compute.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let (result, receipt) = node.release(computed).expect("releases");
        release.push(start.elapsed().as_secs_f64());
        let start = Instant::now();
        let answer = ticket.open(&result, &receipt).expect("opens");
        open.push(start.elapsed().as_secs_f64());
        sizes = (bytes.len(), result.to_bytes().expect("encodes").len());
        let expected = (0..ROWS)
            .filter(|&i| scramble(i, SIZES[0]) < 40 && scramble(i + ROWS, SIZES[1]) >= 30)
            .map(|i| scramble(i + 2 * ROWS, i64::from(u32::MAX) + 1))
            .sum::<i64>();
        assert_eq!(answer.numbers("sum(x)").expect("asked").to_f64()[0], Some(expected as f64), "the answer is exact");
    }
    let [ask, admit, compute, release, open] = [ask, admit, compute, release, open].map(median);
    let node_side = fold + admit + compute + release;
    println!(
        "SUM(x), COUNT(*) under two hidden conditions: {ROWS} rows, {} cells, 32-bit measure, one core",
        SIZES[0] * SIZES[1]
    );
    println!("consumer: plan, encrypt, prove   {:8.1} ms", ask * 1e3);
    println!("node: fold and suppress          {:8.1} ms   (once per asset; the node keeps the cube)", fold * 1e3);
    println!("node: admit                      {:8.1} ms", admit * 1e3);
    println!("node: product, re-randomise      {:8.1} ms", compute * 1e3);
    println!("node: release                    {:8.1} ms", release * 1e3);
    println!("node: together                   {:8.1} ms", node_side * 1e3);
    println!("consumer: open                   {:8.1} ms", open * 1e3);
    println!("request {} bytes, sealed result {} bytes", sizes.0, sizes.1);
    if let Some(peak) = peak_mib() {
        println!("peak memory of the process, table, owner and consumer included: {peak} MiB");
    }
    node_side
}

/// The largest memory that the process has had, in MiB, where the system tells.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? >> 10)
}

/// The same sum row by row on tfhe-rs's integers, default parameters, for as many rows as fit into `limit`.
fn plain_tfhe(limit: Duration, node_side: f64) {
    let (client, server) = generate_keys(ConfigBuilder::default());
    set_server_key(server);
    let rows: Vec<(u32, u32)> = (0..64).map(|i| (20 + i, 1000 * i + 7)).collect();
    let (secret_threshold, zero) = (FheUint32::encrypt(40u32, &client), FheUint32::encrypt(0u32, &client));

    let report = |name: &str, contribution: &dyn Fn(u32, u32) -> FheUint32| {
        let (mut sum, mut expected, mut done) = (FheUint64::encrypt(0u64, &client), 0u64, 0u32);
        let start = Instant::now();
        while done == 0 || start.elapsed() < limit {
            let (age, value) = rows[done as usize % rows.len()];
            sum += FheUint64::cast_from(contribution(age, value));
            expected += u64::from(if age > 40 { value } else { 0 });
            done += 1;
        }
        let per_row = start.elapsed().as_secs_f64() / f64::from(done);
        assert_eq!(expected, FheDecrypt::<u64>::decrypt(&sum, &client), "tfhe-rs decrypts to the sum");
        let all = per_row * ROWS as f64;
        println!("\nplain tfhe-rs FheUint32, one condition, {name}: {per_row:.2} s per row, measured over {done} rows");
        println!("  extrapolated, not measured: {:.1} days for {ROWS} rows", all / 86_400.0);
        println!("  ratio of the extrapolated time to the node's time above: {:.0}", all / node_side);
    };
    report("rows in the clear, threshold encrypted", &|age, value| {
        let selected = secret_threshold.lt(age);
        selected.if_then_else(&FheUint32::encrypt_trivial(value), &zero)
    });
    let encrypted: Vec<_> = rows
        .iter()
        .map(|&(age, value)| (FheUint32::encrypt(age, &client), FheUint32::encrypt(value, &client)))
        .collect();
    report("rows and threshold encrypted", &|age, _| {
        let (age, value) = &encrypted[(age - 20) as usize];
        age.gt(&secret_threshold).if_then_else(value, &zero)
    });
}
