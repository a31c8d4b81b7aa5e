//! Sealed data as a dialogue between owner, consumer and executors; and what an executor that lies gets.

#[path = "support/sealed.rs"]
mod support;

use std::sync::Arc;

use sealock::asset::{Mode, Value};
use sealock::order::{JobTicket, Order};
use sealock::owner::Offer;
use sealock::policy::Policy;
use sealock::program::{Filter, Query, col, count, histogram, max, mean, median, secret, stddev_pop, sum, variance};
use sealock::receipt::{Receipt, verify_chain};
use sealock::release::SealedResult;
use sealock::sealed::{Executor, ExecutorResult, Part, Releaser, SealedOptions, Task};
use sealock::store::Cid;
use sealock::{Account, Error, ErrorKind, Exchange};
use support::{Dice, PLANS, REGIONS, World, count_of, narrow, plainly, policy, table, terms};

/// The results of a task in which every chunk's first count is one too many: 2^-12 of the torus is added to it.
fn lie(world: &World, executor: &Executor, task: &Task) -> ExecutorResult {
    let parts = executor.parts(task).unwrap();
    let lies: Vec<Cid> = parts.iter().map(|part| lie_about(world, executor, part)).collect();
    executor.join(task, &lies).unwrap()
}

fn lie_about(world: &World, executor: &Executor, part: &Part) -> Cid {
    let mut bytes = world.read(&executor.run_part(part).unwrap());
    let body = &mut bytes[5 + 4 * 2048..][..4];
    let lied = u32::from_le_bytes((&*body).try_into().unwrap()).wrapping_add(1 << 20);
    body.copy_from_slice(&lied.to_le_bytes());
    world.write(&bytes)
}

fn any_filter(dice: &mut Dice, depth: u32) -> Filter {
    if depth > 0 && dice.below(3) > 0 {
        let (a, b) = (any_filter(dice, depth - 1), any_filter(dice, depth - 1));
        return match dice.below(3) {
            0 => a & b,
            1 => a | b,
            _ => !(a & b),
        };
    }
    let edge = |dice: &mut Dice| Value::decimal(["-30", "-5", "8"][dice.below(3) as usize]).unwrap();
    match dice.below(7) {
        0 => col("plan").eq(PLANS[dice.below(3) as usize]),
        1 => col("plan").is_in(["free", "full"]),
        2 => col("region").ne(REGIONS[dice.below(2) as usize]),
        3 => col("region").is_null(),
        4 => col("score").ge(edge(dice)),
        5 => col("score").lt(edge(dice)),
        _ => col("score").is_not_null(),
    }
}

fn any_query(dice: &mut Dice) -> Query {
    let all = [
        count(),
        sum("visits"),
        mean("visits"),
        sum("cost"),
        variance("visits"),
        stddev_pop("cost"),
        mean("limited"),
        histogram("plan"),
        histogram("region"),
        max("score"),
        median("score"),
    ];
    let mut asked = Vec::new();
    while asked.is_empty() {
        asked = all.iter().filter(|_| dice.below(3) == 0).cloned().collect();
    }
    let mut query = Query::select(asked).filter(any_filter(dice, 2));
    query = match dice.below(4) {
        0 => query,
        1 => query.group_by(["region"]),
        2 => query.group_by(["plan"]),
        _ => query.group_by(["plan", "region"]),
    };
    query
}

#[test]
fn executors_that_cannot_read_anything_compute_what_the_owner_would() {
    let table = table(60);
    let options = SealedOptions::new().public(["region"]).rows_per_chunk(20).canaries(1);
    let world = World::new(&table, policy(), options);
    let plain = world.owner.publish(&Offer::new("plain people", &table, policy(), terms())).unwrap();
    assert!(plain.suppression.suppressed_rows > 0 && plain.suppression.suppressed_values > 0);
    assert_eq!(world.asset.description().sealed.mode, Mode::SealedData);
    assert!(world.asset.is_sealed() && !plain.asset.is_sealed());
    let executor = world.executor();
    let (order, plain_order) = (world.order(&world.asset), world.order(&plain.asset));
    let mut dice = Dice(11);
    let mut queries = vec![
        Query::select([count(), sum("visits"), mean("visits"), variance("visits"), sum("cost"), sum("limited")]),
        Query::select([histogram("plan"), histogram("region"), histogram("score")]).group_by(["region"]),
        Query::select([count()]).filter(col("region").eq("north") | (col("plan").eq("half") & !col("score").is_null())),
        Query::select([(sum("cost") / count()).alias("each")]).group_by(["plan", "score"]),
    ];
    // Many more, without encryption: `core/src/sealed/publish/tests.rs`.
    queries.extend((0..2).map(|_| any_query(&mut dice)));
    for query in queries {
        let text = query.program().to_string();
        let ticket = order.request(&query).unwrap();
        let task = world.task(&ticket);
        let result = executor.run(&Task::from_bytes(&task.to_bytes().unwrap()).unwrap()).unwrap();
        let result = ExecutorResult::from_bytes(&result.to_bytes().unwrap()).unwrap();
        let released = world.release(&ticket, &[&executor], &[result]);
        let (sealed, receipt) = released.unwrap_or_else(|e| panic!("{text}: {e:?}: {}", world.reason()));
        assert_eq!(ticket.open(&sealed, &receipt).unwrap(), plainly(&world, &plain_order, &query), "{text}");
        let executed = receipt.statement().executed.clone().unwrap();
        assert_eq!((executed.quorum, executed.results, executed.canaries), (1, 1, 1));
        assert_eq!((executed.executors, receipt.statement().device.as_str()), (vec![executor.address()], "cpu"));
    }
    verify_chain(world.owner.address(), &world.owner.node().receipts().unwrap()).unwrap();
}

#[test]
fn what_suppression_withholds_is_not_in_the_chunks() {
    let table = table(60);
    let world = World::new(&table, policy(), SealedOptions::new().rows_per_chunk(7).canaries(0));
    let plain = world.owner.publish(&Offer::new("plain people", &table, policy(), terms())).unwrap().suppression;
    let chunks = world.manifest().body().chunks.clone();
    let rows: u64 = chunks.iter().map(|chunk| u64::from(chunk.rows)).sum();
    assert_eq!(rows, plain.rows - plain.suppressed_rows);
    let lengths: Vec<u32> = chunks.iter().map(|chunk| chunk.rows).collect();
    assert!(lengths.iter().max().unwrap() - lengths.iter().min().unwrap() <= 1, "{lengths:?}");
    assert!(chunks.len() == rows.div_ceil(7) as usize);
    // Canaries come on top, and look the same.
    let watched = World::new(&table, policy(), SealedOptions::new().rows_per_chunk(7).canaries(3));
    let chunks = watched.manifest().body().chunks.clone();
    assert_eq!(chunks.len(), rows.div_ceil(7) as usize + 3);
    assert!(chunks.iter().all(|chunk| lengths.contains(&chunk.rows)));
}

#[test]
fn what_executors_cannot_compute_is_refused_before_anything_is_paid() {
    let world = World::new(&table(40), policy(), SealedOptions::new().public(["region"]));
    let order = world.order(&world.asset);
    let left = order.uses_left().unwrap();
    let refused = |query: Query| order.request(&query).unwrap_err();
    let hidden = refused(Query::select([count()]).filter(col("plan").eq(secret("free"))));
    assert_eq!(hidden.kind(), ErrorKind::UnsupportedProgram);
    assert!(hidden.to_string().contains("plan") && hidden.hint().unwrap().contains("in the clear"), "{hidden:?}");
    // What a policy denies is denied as for every asset.
    let denied = refused(Query::select([sum("score")]));
    assert_eq!(denied.kind(), ErrorKind::PolicyDenied);
    assert_eq!(order.uses_left().unwrap(), left);
    // The owner's own node does not compute it.
    let ticket = order.request(&Query::select([count()])).unwrap();
    let error = world.owner.node().run(ticket.request().clone()).unwrap_err();
    assert!(matches!(&error, Error::Sealed(_)) && error.hint().unwrap().contains("releaser"), "{error:?}");
    assert_eq!(world.owner.node().resume().unwrap(), 0);
}

#[test]
fn what_cannot_be_sealed_is_not_published() {
    let world = World::new(&table(20), narrow(), SealedOptions::new());
    let table = table(20);
    let refused = |policy: Policy, options: SealedOptions| {
        world.owner.publish(&Offer::new("unsealable", &table, policy, terms()).sealed(options)).unwrap_err()
    };
    let stranger = refused(narrow(), SealedOptions::new().public(["visits"]));
    assert!(stranger.to_string().contains("visits"), "{stranger}");
    for options in [SealedOptions::new().quorum(0), SealedOptions::new().rows_per_chunk(513)] {
        assert_eq!(refused(narrow(), options).kind(), ErrorKind::InvalidArgument);
    }
    let cube = narrow().protected_cube("1".parse().unwrap());
    assert!(refused(cube, SealedOptions::new()).hint().is_some());
    let again = world.owner.reencrypt(&world.asset, &Default::default()).unwrap_err();
    assert!(again.hint().unwrap().contains("anew"), "{again:?}");
}

/// The attack first: with neither canaries nor a second executor, what an executor says is what the consumer gets.
#[test]
fn a_lie_that_nothing_checks_is_released_and_a_canary_finds_it() {
    // Some of the ten rows of each chunk, so that one too many is a number that they could have.
    let (table, query) = (table(30), Query::select([count()]).filter(col("plan").eq("half")));
    let unchecked = World::new(&table, narrow(), SealedOptions::new().rows_per_chunk(10).canaries(0));
    let order = unchecked.order(&unchecked.asset);
    let ask = |world: &World, order: &Order, honest: bool| {
        let (executor, ticket) = (world.executor(), order.request(&query).unwrap());
        let task = world.task(&ticket);
        let result = if honest { executor.run(&task).unwrap() } else { lie(world, &executor, &task) };
        let (sealed, receipt) = world.release(&ticket, &[&executor], &[result])?;
        Ok::<_, Error>(count_of(&ticket.open(&sealed, &receipt)?))
    };
    let truth = ask(&unchecked, &order, true).unwrap();
    assert_eq!(ask(&unchecked, &order, false).unwrap(), truth + 3.0, "three chunks, each one too many");

    let watched = World::new(&table, narrow(), SealedOptions::new().rows_per_chunk(10).canaries(2));
    let order = watched.order(&watched.asset);
    assert_eq!(ask(&watched, &order, true).unwrap(), truth);
    assert_eq!(ask(&watched, &order, false).unwrap_err().kind(), ErrorKind::Rejected);
    let log: Vec<String> = watched.owner.node().refusals().into_iter().map(|r| r.reason).collect();
    assert!(log.iter().any(|reason| reason.contains("a canary")), "{log:?}");
}

#[test]
fn who_lied_once_is_not_opened_again_until_forgiven() {
    let world = World::new(&table(20), narrow(), SealedOptions::new().rows_per_chunk(10).canaries(2));
    let (order, liar, honest) = (world.order(&world.asset), world.executor(), world.executor());
    let ticket = order.request(&Query::select([count()])).unwrap();
    let task = world.task(&ticket);
    let lie = lie(&world, &liar, &task);
    let both = [&liar, &honest];
    let failed = world.release(&ticket, &both, std::slice::from_ref(&lie)).unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Rejected);
    let releaser = world.releaser(&both);
    assert_eq!(releaser.struck(&world.asset).unwrap(), [liar.address()]);
    // The truth comes too late from it, in this job and in others; the job itself is not lost.
    let truth = liar.run(&task).unwrap();
    assert!(world.release(&ticket, &both, std::slice::from_ref(&truth)).is_err());
    assert!(world.owner.node().refusals().iter().any(|refusal| refusal.reason.contains("wrong before")));
    let (sealed, receipt) = world.release(&ticket, &both, &[lie, truth, honest.run(&task).unwrap()]).unwrap();
    assert_eq!(count_of(&ticket.open(&sealed, &receipt).unwrap()), 20.0);
    assert_eq!(receipt.statement().executed.as_ref().unwrap().executors, [honest.address()]);
    releaser.forgive(&world.asset, liar.address()).unwrap();
    let next = order.request(&Query::select([count()])).unwrap();
    let result = liar.run(&world.task(&next)).unwrap();
    world.release(&next, &both, &[result]).unwrap();
}

#[test]
fn a_quorum_outvotes_a_liar_and_lets_nobody_vote_twice() {
    let world = World::new(&table(20), narrow(), SealedOptions::new().rows_per_chunk(20).canaries(0).quorum(2));
    let order = world.order(&world.asset);
    let (liar, one, other) = (world.executor(), world.executor(), world.executor());
    let all = [&liar, &one, &other];
    let ticket = order.request(&Query::select([count(), sum("visits")])).unwrap();
    let task = world.task(&ticket);
    let (lie, truth) = (lie(&world, &liar, &task), one.run(&task).unwrap());
    for too_few in [vec![], vec![truth.clone()], vec![truth.clone(), truth.clone()], vec![lie.clone(), truth.clone()]] {
        assert_eq!(world.release(&ticket, &all, &too_few).unwrap_err().kind(), ErrorKind::Rejected);
    }
    // The same ciphertexts, signed by another: the same parts have the same results, so that nothing tells who computed.
    let second = other.run(&task).unwrap();
    assert_eq!(second.results(), truth.results());
    let (sealed, receipt) = world.release(&ticket, &all, &[lie, truth, second]).unwrap();
    assert_eq!(count_of(&ticket.open(&sealed, &receipt).unwrap()), 20.0);
    let executed = receipt.statement().executed.clone().unwrap();
    assert_eq!((executed.quorum, executed.results), (2, 3));
    assert_eq!(executed.executors, [one.address(), other.address()]);
    assert_eq!(world.releaser(&all).struck(&world.asset).unwrap(), [liar.address()]);
}

#[test]
fn a_result_opens_for_its_own_job_alone_and_all_failures_look_alike() {
    let world = World::new(&table(20), narrow(), SealedOptions::new().rows_per_chunk(20).canaries(1));
    let (order, executor, stranger) = (world.order(&world.asset), world.executor(), world.executor());
    let query = Query::select([count()]).filter(col("plan").eq("free"));
    let [first, second, other] = [&query, &query, &Query::select([count()])].map(|query| order.request(query).unwrap());
    let tasks = [&first, &second, &other].map(|ticket| world.task(ticket));
    let result = executor.run(&tasks[0]).unwrap();
    let mut errors = Vec::new();
    let mut refused = |ticket: &JobTicket, result: ExecutorResult, why: &str| {
        let error = world.release(ticket, &[&executor], &[result]).unwrap_err();
        let log: Vec<String> = world.owner.node().refusals().into_iter().rev().take(2).map(|r| r.reason).collect();
        assert!(log.iter().any(|reason| reason.contains(why)), "{why}: {log:?}");
        errors.push((error.kind(), error.to_string(), error.hint(), format!("{error:?}")));
    };
    refused(&second, result.clone(), "another task");
    refused(&other, result.clone(), "another task");
    refused(&first, stranger.run(&tasks[0]).unwrap(), "none of the executors");
    // Of another asset, and so another manifest.
    let elsewhere = {
        let more = table(20);
        let offer = Offer::new("more people", &more, narrow(), terms());
        let asset = world.owner.publish(&offer.sealed(SealedOptions::new())).unwrap().asset;
        let ticket = world.order(&asset).request(&query).unwrap();
        executor.run(&world.task(&ticket)).unwrap()
    };
    refused(&first, elsewhere, "another task");
    // Every byte of it is signed.
    let bytes = result.to_bytes().unwrap();
    let mut flipped = 0;
    for place in (0..bytes.len()).step_by(bytes.len() / 24) {
        let mut altered = bytes.clone();
        altered[place] ^= 1;
        if let Ok(altered) = ExecutorResult::from_bytes(&altered) {
            let error = world.release(&first, &[&executor], &[altered]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Rejected);
            flipped += 1;
        }
    }
    assert!(flipped > 3);
    // Bytes that are no result, and noise in place of one. Each executor has one result opened.
    let (noisy, short) = (world.executor(), world.executor());
    let honest = world.read(&result.results()[0]);
    let noise: Vec<u8> = honest[..5].iter().copied().chain((5..honest.len()).map(|i| (i * i) as u8)).collect();
    let failing =
        [(&short, world.write(&honest[..honest.len() - 1]), "bytes, not"), (&noisy, world.write(&noise), "result")];
    for (executor, file, why) in failing {
        let forged = executor.join(&tasks[0], &vec![file; result.results().len()]).unwrap();
        let error = world.release(&first, &[executor], &[forged]).unwrap_err();
        let log: Vec<String> = world.owner.node().refusals().into_iter().rev().take(2).map(|r| r.reason).collect();
        assert!(log.iter().any(|reason| reason.contains(why)), "{why}: {log:?}");
        errors.push((error.kind(), error.to_string(), error.hint(), format!("{error:?}")));
        let late = executor.run(&tasks[0]).unwrap();
        assert!(world.release(&first, &[executor], &[late]).is_err(), "a second try shows how the first was taken");
    }
    assert_eq!(errors[0].0, ErrorKind::Rejected);
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
    // After all that, the paid job is answered.
    let (sealed, receipt) = world.release(&first, &[&executor], &[result]).unwrap();
    first.open(&sealed, &receipt).unwrap();
}

#[test]
fn a_job_is_released_once_and_a_replay_gets_the_same() {
    let world = World::new(&table(20), narrow(), SealedOptions::new().rows_per_chunk(20).canaries(1));
    let (order, executor) = (world.order(&world.asset), world.executor());
    let ticket = order.request(&Query::select([sum("visits")])).unwrap();
    let result = executor.run(&world.task(&ticket)).unwrap();
    let first = world.release(&ticket, &[&executor], std::slice::from_ref(&result)).unwrap();
    for results in [vec![result.clone()], vec![], vec![lie(&world, &executor, &world.task(&ticket))]] {
        let again = world.release(&ticket, &[&executor], &results).unwrap();
        assert_eq!((first.0.to_bytes().unwrap(), &first.1), (again.0.to_bytes().unwrap(), &again.1));
    }
    assert_eq!(world.owner.node().receipts().unwrap().len(), 1);
    // A receipt without a quorum does not open.
    let bytes = first.1.to_bytes().unwrap();
    assert_eq!(Receipt::from_bytes(&bytes).unwrap(), first.1);
    let stranger = order.request(&Query::select([sum("visits")])).unwrap();
    assert!(stranger.open(&first.0, &first.1).is_err());
}

#[test]
fn parts_run_anywhere_and_give_the_same() {
    let world = World::new(&table(30), narrow(), SealedOptions::new().rows_per_chunk(10).canaries(1));
    let ticket = world.order(&world.asset).request(&Query::select([sum("visits")])).unwrap();
    let task = world.task(&ticket);
    let (one, other) = (world.executor(), world.executor());
    let parts = one.parts(&task).unwrap();
    assert_eq!(parts.len(), 4);
    // Out of order, twice, by two executors, as bytes.
    let mut results: Vec<(usize, Cid)> = Vec::new();
    for (place, part) in parts.iter().enumerate().rev() {
        let part = Part::from_bytes(&part.to_bytes().unwrap()).unwrap();
        let cid = [&one, &other][place % 2].run_part(&part).unwrap();
        assert_eq!(other.run_part(&part).unwrap(), cid);
        results.push((place, cid));
    }
    results.sort_unstable_by_key(|(place, _)| *place);
    let joined = one.join(&task, &results.into_iter().map(|(_, cid)| cid).collect::<Vec<_>>()).unwrap();
    let (sealed, receipt) = world.release(&ticket, &[&one], &[joined]).unwrap();
    ticket.open(&sealed, &receipt).unwrap();
    // Cut and lengthened bytes are nothing.
    let bytes = task.to_bytes().unwrap();
    assert!(Task::from_bytes(&bytes[..bytes.len() - 1]).is_err());
    assert!(Task::from_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
    assert!(Task::from_bytes(&vec![0; sealock::sealed::MAX_TASK_BYTES + 1]).is_err());
}

#[test]
fn a_job_survives_a_restart_between_all_of_its_steps() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = [(); 3].map(|()| *Account::generate().expose_secret_bytes());
    let account = |which: usize| Account::from_secret_bytes(&secrets[which]).unwrap();
    let open = || Exchange::local(folder.path()).unwrap();
    let query = Query::select([count()]);
    let (job, nft) = {
        let exchange = open();
        let owner = exchange.owner(account(0)).unwrap();
        let options = SealedOptions::new().rows_per_chunk(10).canaries(1);
        let asset = owner.publish(&Offer::new("kept", &table(20), narrow(), terms()).sealed(options)).unwrap().asset;
        let consumer = exchange.consumer(account(1)).unwrap();
        consumer.buy(&asset, 1).unwrap();
        let ticket = consumer.order(&asset).unwrap().request(&query).unwrap();
        (owner.node().submit(ticket.request().clone()).unwrap(), asset.nft())
    };
    let task = {
        let exchange = open();
        let owner = exchange.owner(account(0)).unwrap();
        assert_eq!(owner.node().unfinished().unwrap(), [job]);
        assert_eq!(owner.node().resume().unwrap(), 0, "it waits for executors");
        let releaser = Releaser::new(owner.node(), []);
        releaser.task(&releaser.grant(job).unwrap().unwrap()).unwrap()
    };
    let result = Executor::on(&open(), account(2)).run(&task).unwrap();
    let receipt = {
        let exchange = open();
        let owner = exchange.owner(account(0)).unwrap();
        let releaser = Releaser::new(owner.node(), [account(2).address()]);
        let grant = releaser.grant(job).unwrap().unwrap();
        assert_eq!(releaser.task(&grant).unwrap(), task, "the same task");
        let (_, receipt) = releaser.release(grant, &[result]).unwrap();
        assert!(releaser.grant(job).unwrap().is_none());
        receipt
    };
    let exchange = open();
    let owner = exchange.owner(account(0)).unwrap();
    let (sealed, kept) = owner.node().released(job).unwrap().unwrap();
    assert_eq!(kept, receipt);
    let consumer = exchange.consumer(account(1)).unwrap();
    let tickets = consumer.tickets().unwrap();
    let answer = tickets[0].open(&SealedResult::from_bytes(&sealed).unwrap(), &receipt).unwrap();
    assert_eq!(count_of(&answer), 20.0);

    // With the key gone, so is everything that was encrypted under it.
    let asset = exchange.asset(nft).unwrap();
    let order = consumer.orders(&asset).unwrap().remove(0);
    let late = order.request(&query).unwrap();
    let grant = owner.node().admit(late.request().clone()).unwrap();
    let releaser = Releaser::new(owner.node(), [account(2).address()]);
    let result = Executor::on(&exchange, account(2)).run(&releaser.task(&grant).unwrap()).unwrap();
    owner.destroy_key(&asset).unwrap();
    assert_eq!(releaser.release(grant, &[result]).unwrap_err().kind(), ErrorKind::KeyDestroyed);
    let encrypted = asset.description().sealed.encrypted.clone().unwrap();
    assert!(!exchange.store().is_pinned(&encrypted.manifest).unwrap());
}

#[cfg(feature = "dp")]
#[test]
fn noise_is_drawn_for_what_was_opened_and_charged() {
    let policy = narrow().epsilon("2".parse().unwrap()).epsilon_per_asset("5".parse().unwrap());
    let world = World::new(&table(40), policy, SealedOptions::new().rows_per_chunk(40).canaries(0));
    let (order, executor) = (world.order(&world.asset), world.executor());
    let ask = || {
        let ticket = order.request(&Query::select([count()])).unwrap();
        let result = executor.run(&world.task(&ticket)).unwrap();
        let (sealed, receipt) = world.release(&ticket, &[&executor], &[result]).unwrap();
        assert_eq!(receipt.statement().epsilon_micros, Some(2_000_000));
        count_of(&ticket.open(&sealed, &receipt).unwrap())
    };
    let noisy = [ask(), ask()];
    assert!(noisy.iter().all(|count| (count - 40.0).abs() < 30.0), "{noisy:?}");
    let third = order.request(&Query::select([count()])).unwrap();
    assert_eq!(world.owner.node().admit(third.request().clone()).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(world.owner.node().refusals().last().unwrap().kind, ErrorKind::BudgetExhausted);
}

/// A job that came over HTTP waits in the node's queue until the owner's program has released it.
#[cfg(all(feature = "server", feature = "client"))]
#[test]
fn a_served_node_waits_for_executors() {
    use sealock::server::{Server, ServerOptions};

    let exchange = Exchange::in_memory().unwrap();
    let owner = Arc::new(exchange.owner(Account::generate()).unwrap());
    let table = table(8);
    let offer = Offer::new("sealed people", &table, narrow(), terms()).sealed(SealedOptions::new().canaries(0));
    let nft = owner.publish(&offer).unwrap().asset.nft();
    let server = Server::start(Arc::clone(&owner), ServerOptions::loopback()).unwrap();
    let far = Exchange::connect_in_memory(&server.url()).unwrap();
    let (asset, consumer) = (far.asset(nft).unwrap(), far.consumer(Account::generate()).unwrap());
    consumer.buy(&asset, 1).unwrap();
    let ticket = consumer.order(&asset).unwrap().request(&Query::select([count()])).unwrap();
    let node = far.node().unwrap();
    node.submit(ticket.request()).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert!(!node.status(ticket.request()).unwrap().state.is_final());

    let executor = Executor::on(&exchange, Account::generate());
    let releaser = Releaser::new(owner.node(), [executor.address()]);
    let grant = releaser.grant(ticket.job()).unwrap().expect("it was admitted");
    let result = executor.run(&releaser.task(&grant).unwrap()).unwrap();
    releaser.release(grant, &[result]).unwrap();
    let (result, receipt) = node.run(ticket.request().clone()).unwrap();
    assert_eq!(count_of(&ticket.open(&result, &receipt).unwrap()), 8.0);
    // The queue hears of it when it looks.
    for _ in 0..200 {
        if server.queue() == (0, 0) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("the queue still has it: {:?}", server.queue());
}
