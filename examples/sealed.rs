//! A question about data that the executor never sees: an insurer encrypts a table, operators whom it does not trust compute on the
//! ciphertexts, and what two of three of them agree on is released to the researcher who paid for it. First by bootstraps, over some
//! hundred records; then over all of them, packed.
//!
//! Data: the RAND Health Insurance Experiment (see `examples/data/README.md`).

#[path = "data/records.rs"]
mod records;

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Instant;

use records::{Records, schema};
use sealock::asset::{Table, Terms};
use sealock::owner::Offer;
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, col, count, mean};
use sealock::sealed::{Executor, Releaser, SealedManifest, SealedOptions, Task};
use sealock::{Account, Exchange};

type Any<T> = Result<T, Box<dyn Error>>;

/// Of the records, those that are computed on by bootstraps.
const SOME_ROWS: usize = 300;
const MIN_GROUP_SIZE: u32 = 3;

fn main() -> Any<()> {
    let records = Records::read()?;
    let options = SealedOptions::new().public(["health"]).canaries(1).quorum(2);
    println!("By bootstraps: any program, but each row costs some.\n");
    story(&records, SOME_ROWS, options.clone().rows_per_chunk(100).packed(false))?;
    println!("\nPacked: filters of few digits, thousands of rows in each ciphertext.\n");
    story(&records, records.batch()?.num_rows(), options.packed(true))
}

fn story(records: &Records, rows: usize, options: SealedOptions) -> Any<()> {
    let exchange = Exchange::in_memory()?;
    let insurer = exchange.owner(Account::generate())?;
    let table = Table::from_batches(schema()?, [records.batch()?.slice(0, rows)])?;

    println!("1. The insurer encrypts {rows} records in chunks, and mixes chunks among them whose answers it knows.");
    let policy = Policy::deny_all()
        .dimensions(["health", "cost_share", "chronic"])
        .measures(["visits"])
        .aggregations([Aggregation::Count, Aggregation::Mean])
        .any_program()
        .min_group_size(MIN_GROUP_SIZE);
    let offer = Offer::new("RAND Health Insurance Experiment", &table, policy, Terms::free(1)).sealed(options);
    let began = Instant::now();
    let published = insurer.publish(&offer)?;
    let asset = published.asset;
    let encrypted = asset.description().sealed.encrypted.clone().ok_or("it is not sealed")?;
    let manifest = SealedManifest::load(exchange.store(), &encrypted.manifest, insurer.address())?;
    println!("   {}, manifest {}", asset.did(), encrypted.manifest);
    let body = manifest.body();
    println!("   {} chunks, of which nobody else knows which one is made up", body.chunks.len());
    if let Some(packed) = &body.packed {
        println!("   and the same rows packed, in {} chunks, one of them made up", packed.chunks.len());
    }
    println!("   groups smaller than {MIN_GROUP_SIZE}: {} rows withheld", published.suppression.suppressed_rows);
    println!("   {:.1} s\n", began.elapsed().as_secs_f64());

    println!(
        "2. A researcher orders and asks: mean and count of visits by health, of people who share the cost and are ill."
    );
    let researcher = exchange.consumer(Account::generate())?;
    researcher.buy(&asset, 1)?;
    let query = Query::select([mean("visits"), count()])
        .filter(col("cost_share").is_in(["25-50%", "95-100%"]) & col("chronic").ge(10))
        .group_by(["health"]);
    let ticket = researcher.order(&asset)?.request(&query)?;
    println!("   the question is public this time, who asks it is not\n");

    println!("3. The insurer's node admits the job and hands a task to three operators. One of them lies.");
    let operators: Vec<_> = (0..3).map(|_| Executor::on(&exchange, Account::generate())).collect();
    let node = insurer.node();
    let releaser = Releaser::new(node, operators.iter().map(Executor::address));
    let grant = node.admit(ticket.request().clone())?;
    let task = releaser.task(&grant)?;
    let (packed, task) = (task.packed(), task.to_bytes()?);
    let of = if packed { "packed chunks, which need no key," } else { "chunks, and the evaluation key," };
    println!("   the task has {} bytes; {of} go by CID", task.len());
    let began = Instant::now();
    let results = operators
        .iter()
        .enumerate()
        .map(|(number, operator)| {
            let task = Task::from_bytes(&task)?;
            let parts = operator.parts(&task)?;
            let mut computed = parts.iter().map(|part| operator.run_part(part)).collect::<Result<Vec<_>, _>>()?;
            if number == 1 {
                // A real result, but of another chunk.
                let last = computed.len() - 1;
                computed.swap(0, last);
            }
            Ok(operator.join(&task, &computed)?)
        })
        .collect::<Any<Vec<_>>>()?;
    let seconds = began.elapsed().as_secs_f64();
    println!("   {seconds:.2} s for {} operators on {} chunks each\n", operators.len(), results[0].results().len());

    println!("4. The insurer opens the results, compares them and what they say of its own chunk, and releases.");
    let (result, receipt) = releaser.release(grant, &results)?;
    let executed = receipt.statement().executed.clone().ok_or("the receipt does not say who computed")?;
    println!(
        "   {} of {} operators agree, and with {} known answer(s): {}",
        executed.executors.len(),
        executed.results,
        executed.canaries,
        executed.executors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    );
    if executed.executors.contains(&operators[1].address()) {
        return Err("the one that lied is among them".into());
    }

    println!("\n5. The researcher checks the receipt and opens the answer.");
    let answer = ticket.open(&result, &receipt)?;
    println!("{answer}\n");
    let groups = answer.group("health").ok_or("the answer is grouped by health")?;
    let means = answer.numbers("mean(visits)").ok_or("the answer has a mean")?.to_f64();
    let counts = answer.numbers("count").ok_or("the answer has a count")?.to_f64();
    println!("   computed on the plaintext, without any of this:");
    let plain = plain(records, rows);
    let mut equal = plain.keys().all(|group| groups.iter().any(|shown| shown.as_deref() == Some(group)));
    for (row, group) in groups.iter().enumerate() {
        let group = group.as_deref().unwrap_or("");
        let (visits, people) = plain.get(group).copied().unwrap_or_default();
        let plain_mean = (people > 0).then(|| visits as f64 / people as f64);
        println!("   {group:<10} mean {}  count {people}", plain_mean.map_or("-".into(), |mean| format!("{mean:.6}")));
        equal &= counts[row] == Some(people as f64) && means[row] == plain_mean;
    }
    if !equal {
        return Err("the answer differs from the plaintext answer".into());
    }
    println!("   The answer is the plaintext answer.");
    Ok(())
}

/// Sum of visits and number of records by health, straight from the rows that are in no group too small.
fn plain(records: &Records, rows: usize) -> BTreeMap<&'static str, (i64, i64)> {
    let cell = |row: usize| {
        let chronic = records.chronic(row);
        let bin = [5.0, 10.0, 15.0].iter().filter(|edge| chronic >= **edge).count();
        (records.health(row), records.cost_share(row), bin)
    };
    let mut sizes = BTreeMap::new();
    (0..rows).for_each(|row| *sizes.entry(cell(row)).or_insert(0u32) += 1);
    let mut sums = BTreeMap::new();
    for row in 0..rows {
        let asked = records.cost_share(row) != "free" && records.chronic(row) >= 10.0;
        if asked && sizes[&cell(row)] >= MIN_GROUP_SIZE {
            let (visits, people) = sums.entry(records.health(row)).or_insert((0, 0));
            *visits += records.visits(row);
            *people += 1;
        }
    }
    sums
}
