//! Executors far away: tasks and results over HTTP, through a restart, and what strangers and wrong bodies get.
#![cfg(all(feature = "server", feature = "client"))]

#[path = "support/market.rs"]
mod market;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sealock::asset::{Column, Schema, Terms};
use sealock::owner::{Offer, Owner};
use sealock::program::{Query, col, count, sum};
use sealock::protocol::{ExecutorClaim, JobState};
use sealock::remote::RemoteNode;
use sealock::sealed::{Executor, Releaser, SealedOptions};
use sealock::server::{Server, ServerOptions};
use sealock::time::{Clock, SystemClock};
use sealock::{Account, Digest, ErrorKind, Exchange};

fn serve(owner: &Arc<Owner>, executors: &[&Account]) -> Server {
    let mut options = ServerOptions::loopback();
    options.executors = executors.iter().map(|account| account.address().to_string()).collect();
    Server::start(Arc::clone(owner), options).unwrap()
}

fn twin(account: &Account) -> Account {
    Account::from_secret_bytes(&account.expose_secret_bytes()).unwrap()
}

/// What a request with an executor's claim gets.
fn asked(node: &RemoteNode, by: &Account, method: &str, path: &str, body: &[u8], late: u64) -> u16 {
    asked_for(node, by, method, path, body, body, late)
}

/// As that, with a claim of another body.
fn asked_for(node: &RemoteNode, by: &Account, method: &str, path: &str, claimed: &[u8], body: &[u8], late: u64) -> u16 {
    let info = node.info();
    let (deadline, digest) = (SystemClock.now() + 60 + late, Digest::sha256(claimed));
    let claim = ExecutorClaim { method, path, body: digest, node: info.address, chain_id: info.chain_id, deadline };
    let url = format!("{}/api/v1{path}", node.url());
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let response = match method {
        "GET" => agent.get(&url).header("Authorization", claim.header(by).unwrap()).call(),
        _ => agent.post(&url).header("Authorization", claim.header(by).unwrap()).send(body),
    };
    response.unwrap().status().as_u16()
}

#[test]
fn executors_far_away_compute_what_a_node_gives_them_and_it_releases_what_a_quorum_agrees_on() {
    let folder = tempfile::tempdir().unwrap();
    let exchange = Exchange::local(folder.path()).unwrap();
    let owner = Arc::new(exchange.owner(Account::generate()).unwrap());
    let people = market::people(24);
    let options = SealedOptions::new().rows_per_chunk(12).canaries(1).quorum(2);
    let terms = Terms::free(100).uses_per_order(10).valid_for(3600);
    // Ages one by one: what is in bins is no number.
    let schema = Schema::new(vec![
        Column::category("plan", market::PLANS).dimension(),
        Column::integer("age", 0, 99).dimension(),
        Column::integer("visits", -5, 50).measure().nullable(),
    ]);
    let table = market::table_under(schema.unwrap(), &people);
    let offer = Offer::new("people", &table, market::policy().min_group_size(1), terms).sealed(options);
    owner.publish(&offer).unwrap();
    let accounts = [(); 2].map(|()| Account::generate());
    let server = serve(&owner, &[&accounts[0], &accounts[1]]);
    let url = server.url();

    let far = Exchange::connect_in_memory(&url).unwrap();
    let asset = far.assets().unwrap().remove(0);
    let consumer = far.consumer(Account::generate()).unwrap();
    consumer.buy(&asset, 1).unwrap();
    let score = col("age").times(2) + col("plan").points([("free", 30), ("half", 0), ("full", 10)]);
    let query = Query::select([count(), sum("visits")]).filter(score.ge(90));
    let ticket = consumer.order(&asset).unwrap().request(&query).unwrap();
    let node = far.node().unwrap();
    node.submit(ticket.request()).unwrap();

    let executor = |number: usize, url: &str| {
        let far = Exchange::connect_in_memory(url).unwrap();
        (Executor::on(&far, twin(&accounts[number])), far)
    };
    let (stranger, strangers) = (Account::generate(), Exchange::connect_in_memory(&url).unwrap());
    let refused = Executor::on(&strangers, twin(&stranger)).work_for(strangers.node().unwrap()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);

    // The first one alone is no quorum.
    let (first, at) = executor(0, &url);
    let work = |executor: &Executor, at: &Exchange| {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match executor.work_for(at.node().unwrap()).unwrap() {
                0 if Instant::now() < until => thread::sleep(Duration::from_millis(50)),
                done => return done,
            }
        }
    };
    assert_eq!(work(&first, &at), 1);
    assert_eq!(first.work_for(at.node().unwrap()).unwrap(), 0, "it has handed its result in");
    let job = ticket.request().id();
    assert_ne!(node.status(ticket.request()).unwrap().state, JobState::Complete);
    let second = at.node().unwrap().tasks(&accounts[1]).unwrap();
    assert_eq!(second.iter().map(|open| open.job.clone()).collect::<Vec<_>>(), [job.to_string()]);

    // Strangers hear the same of a task that there is as of one that there is not.
    let task = format!("/executor/tasks/{job}");
    for (by, method, path, body, late, expected) in [
        (&stranger, "GET", task.clone(), &b""[..], 0, 404),
        (&stranger, "POST", format!("{task}/parts"), &b"x"[..], 0, 404),
        (&accounts[1], "GET", format!("/executor/tasks/{}", "0".repeat(64)), b"", 0, 404),
        (&accounts[1], "GET", "/executor/tasks/nothing".into(), b"", 0, 404),
        (&accounts[1], "GET", task.clone(), b"", 3600, 401),
        (&accounts[1], "POST", format!("{task}/parts"), b"too short", 0, 400),
        (&accounts[1], "POST", format!("{task}/result"), b"no result", 0, 400),
    ] {
        assert_eq!(asked(node, by, method, &path, body, late), expected, "{method} {path}");
    }
    // Who has seen a claim cannot send another body with it.
    for what in ["parts", "result"] {
        let path = format!("{task}/{what}");
        assert_eq!(asked_for(node, &accounts[1], "POST", &path, b"a body", b"another", 0), 401);
    }
    // Another's result is not this one's.
    let local = Executor::on(&exchange, twin(&accounts[0]));
    let releaser = Releaser::new(owner.node(), []);
    let given = releaser.task(&releaser.grant(job).unwrap().unwrap()).unwrap();
    let parts = vec![*given.manifest(); local.parts(&given).unwrap().len()];
    let theirs = local.join(&given, &parts).unwrap().to_bytes().unwrap();
    assert_eq!(asked(node, &accounts[1], "POST", &format!("{task}/result"), &theirs, 0), 400);

    // What was handed in outlives the server.
    let pins = exchange.store().pins().unwrap().len();
    server.stop();
    let server = serve(&owner, &[&accounts[0], &accounts[1]]);
    let (second, at) = executor(1, &server.url());
    assert_eq!(work(&second, &at), 1);
    let far_again = RemoteNode::connect(&server.url()).unwrap();
    let (result, receipt) = far_again.run(ticket.request().clone()).unwrap();
    let executed = receipt.statement().executed.clone().unwrap();
    assert_eq!((executed.quorum, executed.results, executed.executors.len()), (2, 2, 2));
    // Nothing was opened before there was a quorum to compare.
    assert!(owner.node().refusals().iter().all(|refusal| !refusal.reason.contains("opened")));
    let answer = ticket.open(&result, &receipt).unwrap();
    let points = [30, 0, 10];
    let rows: Vec<_> = people.iter().filter(|p| 2 * p.age + points[p.plan] >= 90).collect();
    assert!(!rows.is_empty() && rows.len() < people.len());
    assert_eq!(answer.numbers("count").unwrap().to_f64(), [Some(rows.len() as f64)]);
    let visits: i64 = rows.iter().filter_map(|p| p.visits).sum();
    assert_eq!(answer.numbers("sum(visits)").unwrap().to_f64(), [Some(visits as f64)]);
    // Nothing of it is kept once it is released.
    assert!(exchange.store().pins().unwrap().len() < pins);
    assert_eq!(second.work_for(at.node().unwrap()).unwrap(), 0);
    assert_eq!(asked(&far_again, &accounts[1], "GET", &task, b"", 0), 404);
}

#[test]
fn executors_are_named_by_their_addresses() {
    let exchange = Exchange::in_memory().unwrap();
    let owner = Arc::new(exchange.owner(Account::generate()).unwrap());
    let mut options = ServerOptions::loopback();
    options.executors = vec!["0x12".into()];
    let error = Server::start(owner, options).unwrap_err();
    assert!(error.to_string().contains("executors"), "{error}");
}
