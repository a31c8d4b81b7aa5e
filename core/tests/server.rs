//! A node and its consumers over HTTP.
#![cfg(all(feature = "server", feature = "client"))]

#[path = "support/ledger_conformance.rs"]
mod conformance;
#[path = "support/market.rs"]
mod market;
#[path = "support/served.rs"]
mod served;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use conformance::{CASES, Host};
use market::{Market, START};
use sealock::asset::{Did, Terms};
use sealock::ledger::{EmbeddedLedger, Ledger};
use sealock::owner::Owner;
use sealock::program::{Query, col, count, secret, sum};
use sealock::progress::Stage;
use sealock::protocol::JobState;
use sealock::receipt::verify_chain;
use sealock::remote::{FollowedLedger, RemoteNode, RemoteOptions};
use sealock::server::{Server, ServerOptions};
use sealock::time::{Clock, ManualClock, SystemClock, Timestamp};
use sealock::{Account, ErrorKind, Exchange};
use served::Served;

fn question() -> Query {
    Query::select([count(), sum("visits")]).filter(col("age").ge(secret(40))).group_by(["plan"])
}

#[test]
fn the_story_goes_the_same_way_from_afar() {
    let served = Served::open();
    let exchange = served.connect();
    let asset = exchange.assets().unwrap().remove(0);
    assert_eq!(asset.did(), served.asset.did());
    let consumer = exchange.consumer(Account::generate()).unwrap();
    consumer.buy(&asset, 1).unwrap();
    let order = consumer.order(&asset).unwrap();
    let ticket = order.request(&question()).unwrap();
    let (result, receipt) = exchange.node().unwrap().run(ticket.request().clone()).unwrap();
    let answer = ticket.open(&result, &receipt).unwrap();
    for (plan, got) in answer.numbers("count").unwrap().to_f64().into_iter().enumerate() {
        let people = market::people(3000);
        let expected = people.iter().filter(|p| p.plan == plan && p.age >= 40).count();
        assert_eq!(got, Some(expected as f64));
    }
    let receipts = served.owner.node().receipts().unwrap();
    assert_eq!(receipts, [receipt]);
    verify_chain(served.owner.address(), &receipts).unwrap();
}

#[test]
fn the_same_request_again_costs_nothing_and_finds_its_result() {
    let served = Served::open();
    let (exchange, _consumer, order) = served.order();
    let node = exchange.node().unwrap();
    let ticket = order.request(&question()).unwrap();
    let first = node.run(ticket.request().clone()).unwrap();
    let again = node.run(ticket.request().clone()).unwrap();
    assert_eq!(first.0.to_bytes().unwrap(), again.0.to_bytes().unwrap());
    assert_eq!(served.owner.node().receipts().unwrap().len(), 1);
    let status = node.status(ticket.request()).unwrap();
    assert_eq!(status.state, JobState::Complete);
    assert_eq!(status.result_bytes, Some(first.0.to_bytes().unwrap().len() as u64));
    node.discard(ticket.request()).unwrap();
    assert_eq!(node.status(ticket.request()).unwrap().state, JobState::Expired);
    for gone in [node.fetch(ticket.request()).unwrap_err(), node.run(ticket.request().clone()).unwrap_err()] {
        assert_eq!(gone.kind(), ErrorKind::NotFound, "{gone}");
        assert!(gone.to_string().ends_with("was discarded or has expired; its receipt remains"), "{gone}");
    }
    assert_eq!(served.owner.node().receipts().unwrap().len(), 1, "the receipt stays, and the use is spent");
}

#[test]
fn a_refusal_says_one_word_and_the_owner_knows_why() {
    let served = Served::open();
    let (exchange, _consumer, order) = served.order();
    let node = exchange.node().unwrap();
    let first = order.request_use(&question(), 0).unwrap();
    node.run(first.request().clone()).unwrap();
    let second = order.request_use(&Query::select([count()]), 0).unwrap();
    let refused = node.run(second.request().clone()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Rejected);
    assert!(refused.to_string().ends_with("refused: rejected"), "{refused}");
    assert_eq!(served.owner.node().refusals().last().unwrap().kind, ErrorKind::NullifierSpent);
}

#[test]
fn an_asset_is_found_by_its_did() {
    let served = Served::open();
    let exchange = served.connect();
    let did = served.asset.did();
    assert_eq!(exchange.asset_by_did(&did).unwrap().nft(), served.asset.nft());
    let other = Did::new(served.asset.nft(), 1);
    let unknown = exchange.asset_by_did(&other).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    assert_eq!(unknown.to_string(), format!("there is no asset {other} on this ledger"));
}

#[test]
fn who_knocks_at_the_owners_side_is_told_so() {
    let served = Served::open();
    let admin = format!("http://{}", served.server.admin_address().unwrap());
    let error = RemoteNode::connect(&admin).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.hint().unwrap().starts_with("is this the owner's side of a node? clients use its other port"));
}

#[test]
fn who_has_enough_for_nothing_is_told_to_order() {
    let served = Served::with(market::policy(), Terms::free(1).valid_for(3600), ServerOptions::loopback());
    let exchange = served.connect();
    let consumer = exchange.consumer(Account::generate()).unwrap();
    let asset = exchange.assets().unwrap().remove(0);
    let greedy = consumer.buy(&asset, 2).unwrap_err();
    assert_eq!(greedy.hint().unwrap(), "ask for at most 1 at once");
    consumer.buy(&asset, 1).unwrap();
    let again = consumer.buy(&asset, 1).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::DispenserLimit);
    assert_eq!(again.hint().unwrap(), "the account has 1 already: order with what it has");
    consumer.order(&asset).unwrap();
}

#[test]
fn a_node_that_is_waited_for_is_told_of() {
    let served = Served::open();
    let mut options = RemoteOptions::default();
    options.patience = Duration::from_secs(2);
    let exchange = Exchange::connect_with(&served.server.url(), None, None, &options).unwrap();
    let consumer = exchange.consumer(Account::generate()).unwrap();
    let asset = exchange.assets().unwrap().remove(0);
    consumer.buy(&asset, 1).unwrap();
    let ticket = consumer.order(&asset).unwrap().request(&question()).unwrap();
    served.server.stop();
    let mut waited = Vec::new();
    let outcome = exchange.node().unwrap().run_with(ticket.request().clone(), &mut |step| {
        if step.stage == Stage::Wait {
            waited.push((step.done, step.total));
        }
        ControlFlow::Continue(())
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unreachable);
    assert_eq!(waited.first(), Some(&(0, Some(2))));
    assert!(waited.iter().any(|(done, _)| *done == 1), "{waited:?}");
}

#[test]
fn a_job_is_shown_to_its_maker_alone() {
    let served = Served::open();
    let (exchange, _a, order) = served.order();
    let node = exchange.node().unwrap();
    let ticket = order.request(&question()).unwrap();
    node.run(ticket.request().clone()).unwrap();
    // Somebody who has read the receipts knows the job's name, and has a request of another's making for its key.
    let mut other = serde_json::to_value(ticket.request()).unwrap();
    other["result_key"] = serde_json::to_value([7u8; 32]).unwrap();
    let other: sealock::job::JobRequest = serde_json::from_value(other).unwrap();
    assert_ne!(other.id(), ticket.request().id());
    for unknown in [node.status(&other), node.cancel(&other)] {
        assert_eq!(unknown.unwrap_err().kind(), ErrorKind::NotFound);
    }
    let url = format!("{}/api/v1/jobs/{}", served.server.url(), ticket.job());
    for path in ["", "/events", "/result", "/receipt"] {
        let status = |header: Option<&str>| {
            let config = ureq::Agent::config_builder().http_status_as_error(false).build();
            let request = ureq::Agent::new_with_config(config).get(format!("{url}{path}"));
            let request = header.into_iter().fold(request, |r, h| r.header("Authorization", h));
            request.call().unwrap().status().as_u16()
        };
        assert_eq!(status(None), 401);
        assert_eq!(status(Some("Bearer x")), 401);
        let late = format!("Sealock {}.{}", SystemClock.now() + 10_000, "00".repeat(32));
        assert_eq!(status(Some(&late)), 401);
        let forged = format!("Sealock {}.{}", SystemClock.now() + 100, "00".repeat(32));
        assert_eq!(status(Some(&forged)), 404);
    }
}

#[test]
fn a_thousand_submissions_of_one_proof_are_one_job() {
    let served = Served::open();
    let (exchange, _consumer, order) = served.order();
    let ticket = order.request(&question()).unwrap();
    let node = exchange.node().unwrap();
    let start = std::sync::Barrier::new(1000);
    let deadline = Instant::now() + Duration::from_secs(120);
    // Those beyond the connections that there may be are closed: trouble that passes, as clients see it.
    let passes = |e: &sealock::Error| matches!(e.kind(), ErrorKind::Busy | ErrorKind::Unreachable | ErrorKind::Timeout);
    thread::scope(|scope| {
        for _ in 0..1000 {
            scope.spawn(|| {
                start.wait();
                loop {
                    match node.submit(ticket.request()) {
                        Ok(status) => {
                            assert_eq!(status.job, ticket.job().to_string());
                            break;
                        }
                        Err(e) if passes(&e) && Instant::now() < deadline => thread::sleep(Duration::from_millis(20)),
                        Err(e) => panic!("{e}"),
                    }
                }
            });
        }
    });
    let (result, receipt) = node.run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap();
    assert_eq!(served.owner.node().receipts().unwrap().len(), 1);
    assert_eq!(served.owner.node().jobs_admitted(&served.asset.did()).unwrap(), 1);
    assert_eq!(served.server.queue(), (0, 0));
}

#[test]
fn a_node_that_is_full_says_so_and_spends_nothing() {
    let mut options = ServerOptions::loopback();
    (options.max_queued, options.workers) = (2, 1);
    let served = Served::with(market::policy(), Terms::free(100).uses_per_order(1000).valid_for(3600), options);
    let (exchange, _consumer, order) = served.order();
    let node = exchange.node().unwrap();
    let tickets: Vec<_> = (0..12).map(|_| order.request(&question()).unwrap()).collect();
    let busy = thread::scope(|scope| {
        let sent: Vec<_> = tickets.iter().map(|t| scope.spawn(|| node.submit(t.request()).err())).collect();
        sent.into_iter().filter_map(|s| s.join().unwrap()).collect::<Vec<_>>()
    });
    for error in &busy {
        assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
    }
    assert!(!busy.is_empty(), "twelve at once found two places");
    // With patience all of them are answered.
    for ticket in &tickets {
        let (result, receipt) = node.run(ticket.request().clone()).unwrap();
        ticket.open(&result, &receipt).unwrap();
    }
    assert_eq!(served.owner.node().receipts().unwrap().len(), 12);
}

#[test]
fn what_was_admitted_before_a_stop_is_completed_after_the_start() {
    let served = Served::open();
    let (exchange, _consumer, order) = served.order();
    let ticket = order.request(&question()).unwrap();
    let Served { folder, secret, exchange: home, owner, server, .. } = served;
    // Admitted, and the node stops before anybody works on it.
    let address = server.address();
    server.stop();
    owner.node().submit(ticket.request().clone()).unwrap();
    drop((owner, home));
    let home = Exchange::local(folder.path()).unwrap();
    let owner: Owner = home.owner(Account::from_secret_bytes(&secret).unwrap()).unwrap();
    let options = || {
        let mut options = ServerOptions::loopback();
        options.listen = address;
        options
    };
    let server = Server::start(owner, options()).unwrap();
    let (result, receipt) = exchange.node().unwrap().run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap();
    assert_eq!(server.owner().node().receipts().unwrap().len(), 1);
}

#[test]
fn a_job_that_was_given_up_waits_for_its_maker() {
    let mut options = ServerOptions::loopback();
    options.workers = 1;
    let served = Served::with(market::policy(), Terms::free(100).uses_per_order(1000).valid_for(3600), options);
    let (exchange, _consumer, order) = served.order();
    let node = exchange.node().unwrap();
    let tickets: Vec<_> = (0..6).map(|_| order.request(&question()).unwrap()).collect();
    for ticket in &tickets {
        node.submit(ticket.request()).unwrap();
    }
    let last = tickets.last().unwrap();
    let given_up = node.cancel(last.request()).unwrap();
    assert!(matches!(given_up.state, JobState::Cancelled | JobState::Running | JobState::Complete), "{given_up:?}");
    let (result, receipt) = node.run(last.request().clone()).unwrap();
    last.open(&result, &receipt).unwrap();
    for ticket in &tickets {
        node.run(ticket.request().clone()).unwrap();
    }
    assert_eq!(served.owner.node().receipts().unwrap().len(), tickets.len());
    assert_eq!(node.cancel(last.request()).unwrap().state, JobState::Complete, "what is complete stays");
}

#[test]
fn what_was_given_up_takes_a_place_again() {
    let mut options = ServerOptions::loopback();
    (options.max_queued, options.workers) = (3, 1);
    let served = Served::with(market::policy(), Terms::free(100).uses_per_order(1000).valid_for(3600), options);
    let (exchange, _consumer, order) = served.order();
    let node = exchange.node().unwrap();
    let tickets: Vec<_> = (0..12).map(|_| order.request(&question()).unwrap()).collect();
    for ticket in &tickets {
        if node.submit(ticket.request()).is_ok() {
            node.cancel(ticket.request()).unwrap();
        }
    }
    for _ in 0..3 {
        for ticket in &tickets {
            let _ = node.submit(ticket.request());
            let (queued, running) = served.server.queue();
            assert!(queued + running <= 3, "{queued} wait and {running} run, of 3");
        }
    }
    for ticket in &tickets {
        let (result, receipt) = node.run(ticket.request().clone()).unwrap();
        ticket.open(&result, &receipt).unwrap();
    }
    assert_eq!(served.owner.node().receipts().unwrap().len(), tickets.len());
}

#[test]
fn a_node_that_lies_about_its_ledger_is_not_followed_for_ever() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let Ok(n) = stream.read(&mut head) else { continue };
            let asked = String::from_utf8_lossy(&head[..n]).into_owned();
            let zeros = format!("0x{}", "00".repeat(20));
            let body = if asked.contains("/node") {
                let info = serde_json::json!({
                    "version": "0", "address": zeros, "chain_id": 6_201_612, "ledger": zeros, "serves_ledger": true,
                    "devices": [], "max_request_bytes": 1, "max_result_bytes": 1, "result_retention_secs": 1, "now": 1,
                });
                info.to_string().into_bytes()
            } else if asked.contains("/tip") {
                let hash = serde_json::to_value(sealock::Digest::of("test", &[])).unwrap();
                serde_json::json!({"events": 5, "transactions": 5, "hash": hash, "time": 1}).to_string().into_bytes()
            } else {
                vec![0x80]
            };
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    let error = Exchange::connect_in_memory(&url).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.to_string().contains("5 transactions"), "{error}");
}

#[test]
fn results_are_kept_for_their_time() {
    let served = Served::open();
    let (exchange, _consumer, order) = served.order();
    let ticket = order.request(&question()).unwrap();
    let node = exchange.node().unwrap();
    node.run(ticket.request().clone()).unwrap();
    let home = served.owner.node();
    assert_eq!(home.expire(SystemClock.now() - 1000).unwrap(), 0);
    assert_eq!(home.expire(SystemClock.now() + 1000).unwrap(), 1);
    assert_eq!(node.status(ticket.request()).unwrap().state, JobState::Expired);
    assert!(home.expired(ticket.job()).unwrap());
    assert_eq!(home.run(ticket.request().clone()).unwrap_err().kind(), ErrorKind::NotFound);
}

struct Followed {
    ledger: FollowedLedger,
    clock: Arc<ManualClock>,
}

impl Host for Followed {
    fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }
    fn account(&self) -> Account {
        Account::generate()
    }
    fn advance(&self, seconds: u64) {
        self.clock.advance(seconds);
    }
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
    fn audit(&self) {
        self.ledger.verify_log().unwrap();
    }
}

#[test]
fn a_ledger_that_is_followed_conforms() {
    let market = Market::open();
    let server = Server::start(market.owner, ServerOptions::loopback()).unwrap();
    let options = RemoteOptions::default();
    let ledger = FollowedLedger::open(&server.url(), None, market.clock.clone(), &options).unwrap();
    let host = Followed { ledger, clock: market.clock.clone() };
    for (name, case) in CASES {
        println!("{name}");
        case(&host);
        host.audit();
    }
    assert_eq!(host.ledger.tip().unwrap(), market.exchange.ledger().embedded().unwrap().tip().unwrap());
}

#[test]
fn a_ledger_that_was_rewritten_is_found_out() {
    let clock = Arc::new(ManualClock::at(START));
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    let replica = folder.path().join("replica.redb");
    let account = Account::generate();
    let ledger = EmbeddedLedger::open(home.join("ledger.redb"), clock.clone()).unwrap();
    let one = ledger.deploy_token(&account, "One", "ONE", sealock::ledger::Amount::MAX).unwrap();
    drop(ledger);
    std::fs::copy(home.join("ledger.redb"), home.join("early.redb")).unwrap();
    let serve = || {
        let ledger = Arc::new(EmbeddedLedger::open(home.join("ledger.redb"), clock.clone()).unwrap());
        let exchange = Exchange::in_memory_on(ledger);
        Server::start(exchange.owner(Account::generate()).unwrap(), ServerOptions::loopback()).unwrap()
    };
    let follow =
        |server: &Server| FollowedLedger::open(&server.url(), Some(&replica), clock.clone(), &RemoteOptions::default());
    {
        let server = serve();
        let followed = follow(&server).unwrap();
        followed.mint(&account, one, account.address(), sealock::ledger::Amount::ONE).unwrap();
    }
    // The operator goes back to the copy, and on from there another way.
    std::fs::copy(home.join("early.redb"), home.join("ledger.redb")).unwrap();
    let server = serve();
    let shorter = follow(&server).unwrap_err();
    assert_eq!(shorter.kind(), ErrorKind::CorruptState, "{shorter}");
    let ledger = server.owner().node().address();
    let other = FollowedLedger::open(&server.url(), None, clock.clone(), &RemoteOptions::default()).unwrap();
    other.mint(&account, one, ledger, sealock::ledger::Amount::ONE).unwrap();
    let other_way = follow(&server).unwrap_err();
    assert_eq!(other_way.kind(), ErrorKind::CorruptState, "{other_way}");
}

#[test]
fn addresses_that_are_none_are_refused_with_a_reason() {
    for bad in ["", "127.0.0.1:8030", "ftp://x", "http://", "http://a:b@host", "http://x/?a=b"] {
        let error = RemoteNode::connect(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{bad}: {error}");
    }
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = RemoteNode::connect(&format!("http://{nobody}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
}
