//! What long operations tell of themselves, what stopping them leaves behind, and what a query will cost.

#[path = "support/market.rs"]
mod market;

use std::ops::ControlFlow;

use market::{Market, people, policy, table};
use sealock::asset::{Price, Terms};
use sealock::owner::Offer;
use sealock::program::{Query, col, count, mean, secret, sum};
use sealock::progress::{Progress, Stage, Step};
use sealock::{Asset, ErrorKind, Result};

fn query() -> Query {
    Query::select([count(), mean("visits")]).filter(col("age").ge(secret(40))).group_by(["plan"])
}

/// Runs `operation` to its end and returns what it told.
fn steps(operation: impl FnOnce(&mut Progress<'_>) -> Result<()>) -> Vec<Step> {
    let mut told = Vec::new();
    let outcome = operation(&mut |step| {
        told.push(step);
        ControlFlow::Continue(())
    });
    outcome.unwrap();
    for pair in told.windows(2) {
        assert!(pair[0].stage != pair[1].stage || pair[0].done <= pair[1].done, "{pair:?}");
    }
    assert!(told.iter().all(|step| step.done <= step.total.unwrap()), "{told:?}");
    told
}

/// A progress function that stops at the n-th step, counted from 0.
fn stop_at(n: usize) -> impl FnMut(Step) -> ControlFlow<()> + Send {
    let mut seen = 0;
    move |_| {
        seen += 1;
        if seen > n { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn stages(steps: &[Step]) -> Vec<Stage> {
    let mut stages: Vec<_> = steps.iter().map(|step| step.stage).collect();
    stages.dedup();
    stages
}

#[test]
fn a_publication_tells_its_stages_and_leaves_nothing_when_it_is_stopped() {
    let market = Market::open();
    let table = table(&people(500));
    let offer = || Offer::new("more people", &table, policy(), Terms::free(1));
    let told = steps(|progress| market.owner.publish_with(&offer(), progress).map(drop));
    assert_eq!(stages(&told), [Stage::Fold, Stage::Store, Stage::Publish]);
    let last = told.iter().rfind(|step| step.stage == Stage::Store).unwrap();
    assert_eq!(Some(last.done), last.total, "the length of the ciphertext was known");

    let minting = told.iter().position(|step| step.stage == Stage::Publish).unwrap();
    for n in 0..told.len() {
        let (assets, pins) = (market.exchange.assets().unwrap().len(), market.exchange.store().pins().unwrap());
        let outcome = market.owner.publish_with(&offer(), &mut stop_at(n));
        if n > minting {
            outcome.unwrap();
            assert_eq!(market.exchange.assets().unwrap().len(), assets + 1, "the NFT was minted: step {n}");
            continue;
        }
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Cancelled, "step {n}");
        assert_eq!(market.exchange.assets().unwrap().len(), assets, "step {n}");
        assert_eq!(market.exchange.store().pins().unwrap(), pins, "step {n}");
    }
}

#[test]
fn a_request_that_is_stopped_takes_no_use() {
    let market = Market::open();
    let consumer = market.consumer();
    consumer.buy(&market.asset, 1).unwrap();
    let order = consumer.order(&market.asset).unwrap();
    let told = steps(|progress| order.request_with(&query(), progress).map(drop));
    assert_eq!(stages(&told), [Stage::LoadKey, Stage::Encrypt, Stage::Prove]);
    let taking = told.iter().position(|step| step.stage == Stage::Encrypt).unwrap();
    for n in 0..=taking {
        let (left, tickets) = (order.uses_left().unwrap(), consumer.tickets().unwrap().len());
        assert_eq!(order.request_with(&query(), &mut stop_at(n)).unwrap_err().kind(), ErrorKind::Cancelled);
        assert_eq!((order.uses_left().unwrap(), consumer.tickets().unwrap().len()), (left, tickets), "step {n}");
    }
    let ticket = order.request_with(&query(), &mut stop_at(taking + 1)).expect("the use was taken");
    assert_eq!(consumer.tickets().unwrap().len(), 2);
    market.owner.node().run(ticket.request().clone()).unwrap();
}

#[test]
fn a_job_that_is_stopped_is_completed_by_the_same_request() {
    let market = Market::with(policy(), Terms::free(100).uses_per_order(10));
    let (order, node) = (market.order(), market.owner.node());
    let mut n = 0;
    let told = loop {
        let ticket = order.request(&query()).unwrap();
        match node.run_with(ticket.request().clone(), &mut stop_at(n)) {
            Ok(_) => break n,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled),
        }
        let (result, receipt) = node.run(ticket.request().clone()).unwrap();
        ticket.open(&result, &receipt).unwrap();
        n += 1;
    };
    let ticket = order.request(&query()).unwrap();
    let all = steps(|progress| node.run_with(ticket.request().clone(), progress).map(drop));
    assert_eq!(stages(&all), [Stage::Admit, Stage::Compute, Stage::Release]);
    assert_eq!(told, all.len() - 1, "it can be stopped until the result is out");
}

#[test]
fn an_estimate_is_what_the_request_and_the_result_turn_out_to_be() {
    let market = Market::open();
    let order = market.order();
    for query in [query(), Query::select([sum("visits")])] {
        let estimate = market.asset.estimate(&query).unwrap();
        let ticket = order.request(&query).unwrap();
        let (result, _) = market.owner.node().run(ticket.request().clone()).unwrap();
        assert_eq!(estimate.request_bytes, ticket.request().to_bytes().unwrap().len() as u64);
        assert_eq!(estimate.result_bytes, result.to_bytes().unwrap().len() as u64);
        assert!(!estimate.compute_time.is_zero());
        assert_eq!((estimate.price, estimate.uses_per_order), (Some(Price::Free { max_per_account: 100 }), 3));
        assert_eq!(estimate.epsilon, None);
    }
    let estimate = market.asset.estimate(&query()).unwrap();
    // By plan: the number of rows, the sum of visits and the rows that have visits. Hidden: five bins of age.
    assert_eq!((estimate.groups, estimate.numbers, estimate.hidden_cells), (3, 3, 5));

    let unaligned = Query::select([count()]).filter(col("age").ge(secret(41)));
    assert_eq!(market.asset.estimate(&unaligned).unwrap_err().kind(), ErrorKind::InvalidProgram);
    let denied = Query::select([sum("age")]);
    assert_eq!(market.asset.estimate(&denied).unwrap_err().kind(), order.request(&denied).unwrap_err().kind());
}

#[test]
fn what_is_wrong_with_a_secret_is_said_without_the_secret() {
    let market = Market::open();
    let order = market.order();
    for (filter, literal) in [
        (col("age").ge(secret(41)), "41"),
        (col("age").eq(secret(-777)), "777"),
        (col("plan").is_in(secret(["free", "TOPSECRET"])), "TOPSECRET"),
        (col("plan").eq("free") | col("plan").eq(secret(4711)), "4711"),
    ] {
        let query = Query::select([count()]).filter(filter);
        for error in [market.asset.estimate(&query).unwrap_err(), order.request(&query).unwrap_err()] {
            let told = format!("{error} {error:?} {:?}", error.hint());
            assert!(!told.contains(literal) && told.contains("a secret literal"), "{told}");
        }
    }
    let clear = market.asset.estimate(&Query::select([count()]).filter(col("plan").eq("gratis"))).unwrap_err();
    assert!(clear.to_string().contains("gratis"), "{clear}");
}

#[test]
fn an_asset_travels_as_bytes_and_does_not_pass_for_another() {
    let market = Market::open();
    let bytes = market.asset.to_bytes().unwrap();
    let read = Asset::from_bytes(&bytes).unwrap();
    assert_eq!(
        (read.did(), read.data(), read.price()),
        (market.asset.did(), market.asset.data(), market.asset.price())
    );
    let consumer = market.consumer();
    consumer.buy(&read, 1).unwrap();
    consumer.order(&read).unwrap().request(&query()).unwrap();

    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        assert!(Asset::from_bytes(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let datatoken = market.asset.service().datatoken;
    let at = bytes.windows(20).position(|w| w == datatoken.as_bytes()).expect("the service is in the bytes");
    let mut other = bytes;
    other[at] ^= 1;
    assert_eq!(Asset::from_bytes(&other).unwrap_err().kind(), ErrorKind::NotFound);
}
