//! Sealed data that is packed: answers without bootstraps, what is computed by bootstraps all the same, and lies.

#[path = "support/sealed.rs"]
mod support;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use sealock::asset::{Column, Schema, Table, Value};
use sealock::owner::Offer;
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, col, count, histogram, max, mean, stddev_pop, sum, variance};
use sealock::sealed::{Executor, Part, SealedOptions, Task};
use sealock::store::{Cid, MemoryStore, Store, dag};
use sealock::{Account, ErrorKind};
use support::{Dice, World, count_of, narrow, plainly, policy, table, terms};

/// Copies what is below a block, but for one.
fn copy(from: &dyn Store, to: &dyn Store, root: &Cid, without: &Cid) {
    let block = from.get(root).unwrap();
    to.put(&block).unwrap();
    dag::links(&block).unwrap().iter().filter(|link| *link != without).for_each(|link| copy(from, to, link, without));
}

#[test]
fn packed_rows_answer_the_same_and_take_no_evaluation_key() {
    let table = table(150);
    let options = SealedOptions::new().public(["region"]).rows_per_chunk(150).canaries(1).packed(true);
    let world = World::new(&table, policy(), options);
    let plain = world.owner.publish(&Offer::new("plain people", &table, policy(), terms())).unwrap();
    assert!(plain.suppression.suppressed_rows > 0 && plain.suppression.suppressed_values > 0);
    let manifest = world.manifest();
    let packed = manifest.body().packed.as_ref().unwrap();
    let kept = plain.suppression.rows - plain.suppression.suppressed_rows;
    assert!(packed.chunks.len() == 2 && packed.chunks.iter().all(|chunk| u64::from(chunk.rows) == kept));
    // All that an executor needs of the packed data, and not the key.
    let (key, store) = (manifest.body().evaluation_key, Arc::new(MemoryStore::default()));
    copy(world.exchange.store(), &store, manifest.block().cid(), &key);
    assert!(!store.has(&key).unwrap());
    let executor = Executor::new(Arc::clone(&store), Account::generate());
    let (order, plain_order) = (world.order(&world.asset), world.order(&plain.asset));
    let edge = |text: &str| Value::decimal(text).unwrap();
    let queries = [
        Query::select([count(), sum("visits"), mean("visits"), variance("visits"), sum("cost"), sum("limited")]),
        Query::select([histogram("plan"), histogram("region"), histogram("score")]).group_by(["region"]),
        Query::select([count()]).filter(col("region").eq("north") | (col("plan").eq("half") & !col("score").is_null())),
        Query::select([(sum("cost") / count()).alias("each")]).group_by(["plan", "region"]),
        Query::select([count(), stddev_pop("cost")])
            .filter(col("score").ge(edge("-5")) & col("score").lt(edge("8")) & !col("plan").is_in(["free", "full"])),
        Query::select([mean("limited"), max("score")]).filter(!(col("score").ge(edge("-5")) & col("plan").ne("free"))),
        Query::select([count(), sum("visits")]).filter(col("score").is_null() | col("plan").eq("free")),
        Query::select([count()]).filter(
            (col("plan").points([("free", 5), ("half", 2), ("full", 0)])
                + col("region").points([("north", 1), ("south", 3)]))
            .ge(5),
        ),
        // Nothing of it is left but combinations of public cells, or not even that.
        Query::select([count()]).filter(col("region").is_null()),
        Query::select([sum("visits")]).filter(col("plan").eq("free") & col("plan").eq("half")),
    ];
    for query in queries {
        let text = query.program().to_string();
        let ticket = order.request(&query).unwrap();
        let task = Task::from_bytes(&world.task(&ticket).to_bytes().unwrap()).unwrap();
        assert!(task.packed(), "{text}");
        for part in executor.parts(&task).unwrap() {
            assert!(packed.chunks.iter().any(|chunk| chunk.block == *part.chunk()));
            assert_eq!(Part::from_bytes(&part.to_bytes().unwrap()).unwrap(), part);
        }
        let result = executor.run(&task).unwrap();
        result.results().iter().for_each(|root| copy(&store, world.exchange.store(), root, &key));
        let released = world.release(&ticket, &[&executor], &[result]);
        let (sealed, receipt) = released.unwrap_or_else(|e| panic!("{text}: {e:?}: {}", world.reason()));
        assert_eq!(ticket.open(&sealed, &receipt).unwrap(), plainly(&world, &plain_order, &query), "{text}");
        let executed = receipt.statement().executed.clone().unwrap();
        assert_eq!((executed.canaries, receipt.statement().device.as_str()), (1, "cpu"));
    }
}

#[test]
fn what_packed_rows_cannot_answer_is_computed_by_bootstraps() {
    // Eight columns are one factor more than packed rows take.
    let names: Vec<String> = (0..8).map(|i| format!("has{i}")).collect();
    let columns: Vec<Column> = names.iter().map(|name| Column::category(name, ["no", "yes"]).dimension()).collect();
    let mut dice = Dice(3);
    let mut column = || StringArray::from_iter_values((0..20).map(|_| ["yes", "no"][usize::from(dice.below(5) == 0)]));
    let batch = RecordBatch::try_from_iter(names.iter().map(|name| (name, Arc::new(column()) as ArrayRef))).unwrap();
    let table = Table::from_batches(Schema::new(columns).unwrap(), [batch]).unwrap();
    let policy =
        Policy::deny_all().dimensions(&names).aggregations([Aggregation::Count]).any_program().min_group_size(1);
    let world = World::new(&table, policy.clone(), SealedOptions::new().rows_per_chunk(20).canaries(0).packed(true));
    let plain = world.owner.publish(&Offer::new("plain people", &table, policy, terms())).unwrap().asset;
    let (order, executor) = (world.order(&world.asset), world.executor());
    let all = names.iter().map(|name| col(name).eq("yes")).reduce(|all, one| all & one).unwrap();
    let query = Query::select([count()]).filter(all);
    let ticket = order.request(&query).unwrap();
    let task = world.task(&ticket);
    assert!(!task.packed());
    let result = executor.run(&task).unwrap();
    let (sealed, receipt) = world.release(&ticket, &[&executor], &[result]).unwrap();
    let answer = ticket.open(&sealed, &receipt).unwrap();
    assert_eq!(answer, plainly(&world, &world.order(&plain), &query));
    // A task says which of the two it is about, and its result is of that.
    let packed = order.request(&Query::select([count()]).filter(col("has1").eq("yes"))).unwrap();
    let result = executor.run(&world.task(&packed)).unwrap();
    assert!(world.task(&packed).packed());
    assert!(world.release(&ticket, &[&executor], std::slice::from_ref(&result)).is_ok(), "the job has its result");
    world.release(&packed, &[&executor], &[result]).unwrap();
}

/// Again the attack first: where nothing checks it, a chunk of no rows is what the consumer gets.
#[test]
fn lies_about_packed_rows_are_found() {
    let query = Query::select([count(), sum("visits")]).filter(col("plan").ne("half"));
    let zero = |honest: &[u8]| -> Vec<u8> { [&honest[..5], &vec![0; honest.len() - 5]].concat() };
    let forge = |world: &World, executor: &Executor, task: &Task, lie: &dyn Fn(&[u8]) -> Vec<u8>| {
        let honest = executor.run(task).unwrap();
        let lies: Vec<Cid> = honest.results().iter().map(|root| world.write(&lie(&world.read(root)))).collect();
        executor.join(task, &lies).unwrap()
    };
    let options = || SealedOptions::new().rows_per_chunk(200).packed(true);
    let unchecked = World::new(&table(200), narrow(), options().canaries(0));
    let (order, liar) = (unchecked.order(&unchecked.asset), unchecked.executor());
    let ticket = order.request(&query).unwrap();
    let lie = forge(&unchecked, &liar, &unchecked.task(&ticket), &zero);
    let (sealed, receipt) = unchecked.release(&ticket, &[&liar], &[lie]).unwrap();
    assert_eq!(count_of(&ticket.open(&sealed, &receipt).unwrap()), 0.0);
    // What no rows give is found even there.
    let ticket = order.request(&query).unwrap();
    let (task, vandal) = (unchecked.task(&ticket), unchecked.executor());
    let flipped = |honest: &[u8]| {
        let mut altered = honest.to_vec();
        altered[honest.len() / 2] ^= 1;
        altered
    };
    let garbled = forge(&unchecked, &vandal, &task, &flipped);
    assert_eq!(unchecked.release(&ticket, &[&vandal], &[garbled]).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(unchecked.releaser(&[&vandal]).struck(&unchecked.asset).unwrap(), [vandal.address()]);

    let world = World::new(&table(200), narrow(), options().canaries(1).quorum(2));
    let (order, liars) = (world.order(&world.asset), [(); 2].map(|()| world.executor()));
    let ticket = order.request(&query).unwrap();
    let task = world.task(&ticket);
    assert!(task.packed());
    let honest = [(); 2].map(|()| world.executor());
    let results = honest.each_ref().map(|executor| executor.run(&task).unwrap());
    assert_eq!(results[0].results(), results[1].results(), "the same part gives the same CID");
    let mut swapped = results[0].results().to_vec();
    swapped.reverse();
    let lies = [forge(&world, &liars[0], &task, &zero), liars[1].join(&task, &swapped).unwrap()];
    for (liar, lie) in liars.iter().zip(lies) {
        assert_eq!(world.release(&ticket, &[liar], &[lie]).unwrap_err().kind(), ErrorKind::Rejected);
        assert!(world.releaser(&[liar]).struck(&world.asset).unwrap().contains(&liar.address()));
        assert!(world.owner.node().refusals().iter().rev().take(2).any(|refusal| refusal.reason.contains("a canary")));
    }
    let (sealed, receipt) = world.release(&ticket, &[&honest[0], &honest[1]], &results).unwrap();
    let answer = ticket.open(&sealed, &receipt).unwrap();
    let plain = world.owner.publish(&Offer::new("plain people", &table(200), narrow(), terms())).unwrap().asset;
    assert_eq!(answer, plainly(&world, &world.order(&plain), &query));
}

#[test]
fn rows_are_packed_if_the_owner_says_so_or_there_are_many() {
    for options in [SealedOptions::new(), SealedOptions::new().packed(false)] {
        let world = World::new(&table(20), narrow(), options);
        assert!(world.manifest().body().packed.is_none());
        let ticket = world.order(&world.asset).request(&Query::select([count()])).unwrap();
        assert!(!world.task(&ticket).packed());
    }
}
