//! What a hostile consumer, a hostile owner and bad luck try, and what becomes of it.

#[path = "support/forger.rs"]
mod forger;
#[path = "support/market.rs"]
mod market;

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use forger::{Forger, json, request};
use market::{Market, START, people, policy, schema, table};
use sealock::access::MAX_CLOCK_SKEW;
use sealock::asset::{AssetDescription, Column, Schema, Table, Terms};
use sealock::ledger::Amount;
use sealock::model::{Model, Precision};
use sealock::owner::Offer;
use sealock::policy::Policy;
use sealock::program::{Aggregation, Query, col, count, secret, sum};
use sealock::{Account, ErrorKind};
use sealock_zk::Scalar;
use serde_json::to_value;

fn any() -> Query {
    Query::select([count()])
}

#[test]
fn a_paid_request_that_could_never_complete_is_not_admitted() {
    let market = Market::open();
    let (forger, node) = (Forger::new(&market), market.owner.node());
    let honest = market.order().request(&any()).unwrap();
    // A query made for another request, and a result key that everybody shares a secret with.
    let foreign = forger.sign(&market, json(honest.request()), 0);
    let mut weak = json(honest.request());
    weak["result_key"] = to_value([0u8; 32]).unwrap();
    let weak = forger.sign(&market, weak, 0);
    for bad in [foreign, weak] {
        assert_eq!(node.run(bad).unwrap_err().to_string(), "rejected");
        assert_eq!(node.refusals().last().unwrap().kind, ErrorKind::Encryption);
    }
    assert_eq!(node.resume().unwrap(), 0);
    node.run(honest.request().clone()).unwrap();
}

#[test]
fn what_a_refusal_remembers_is_bounded() {
    let market = Market::open();
    let mut long = json(market.order().request(&any()).unwrap().request());
    long["asset"] = "x\n".repeat(1 << 20).into();
    let node = market.owner.node();
    for _ in 0..4 {
        assert_eq!(node.admit(request(&long)).unwrap_err().to_string(), "rejected");
        assert_eq!(node.admit_bytes(&request(&long).to_bytes().unwrap()).unwrap_err().to_string(), "rejected");
    }
    assert!(node.refusals().iter().map(|r| r.asset.len() + r.reason.len()).sum::<usize>() < 16 << 10);
}

#[test]
fn a_request_that_never_arrived_is_renewed_and_loses_no_use() {
    let market = Market::with(policy(), Terms::free(5).uses_per_order(1));
    let order = market.order();
    let mut ticket = order.request(&any()).unwrap();
    let node = market.owner.node();
    // The node was out of reach, and others have ordered since.
    market.clock.advance(MAX_CLOCK_SKEW + 61);
    market.order();
    assert_eq!(node.run(ticket.request().clone()).unwrap_err().kind(), ErrorKind::Rejected);
    assert_eq!(order.request(&any()).unwrap_err().kind(), ErrorKind::UseLimitReached);
    let job = ticket.job();
    ticket.renew().unwrap();
    assert_eq!(ticket.job(), job, "the same job, with the same use");
    let (result, receipt) = node.run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap();
    market.clock.advance(24 * 3600);
    assert!(matches!(ticket.renew().unwrap_err().kind(), ErrorKind::DeadlinePassed | ErrorKind::OrderExpired));
}

#[test]
fn a_crowd_of_orders_pushes_nobodys_request_out() {
    let market = Market::with(policy(), Terms::free(1).uses_per_order(1));
    let ticket = market.order().request(&any()).unwrap();
    let (vandal, forger) = (Account::generate(), Forger::new(&market));
    let (ledger, service) = (market.exchange.ledger(), market.asset.service());
    for i in 1..=1100u64 {
        ledger.dispense(&vandal, service.datatoken, Amount::whole(1)).unwrap();
        let commitment = Scalar::from(i).to_bytes();
        ledger.order(&vandal, service.datatoken, 0, market.asset.order_terms(), commitment).unwrap();
    }
    // The vandal makes the node read all of them.
    let _ = market.owner.node().admit(forger.sign(&market, json(ticket.request()), 0));
    market.owner.node().run(ticket.request().clone()).unwrap();
}

#[test]
fn a_use_of_the_callers_choice_counts_as_taken() {
    let market = Market::open();
    let order = market.order();
    let (first, second) = (order.request_use(&any(), 0).unwrap(), order.request(&any()).unwrap());
    assert_ne!(first.request().nullifier(), second.request().nullifier());
}

/// A table of one measure, all of whose values are `value`.
fn wide(max: i64, value: i64, rows: usize) -> Table {
    let schema = Schema::new(vec![Column::integer("x", 0, max).measure()]).unwrap();
    let column: ArrayRef = Arc::new(Int64Array::from(vec![value; rows]));
    Table::from_batches(schema, [RecordBatch::try_from_iter([("x", column)]).unwrap()]).unwrap()
}

#[test]
fn what_could_not_be_answered_is_not_published() {
    let market = Market::open();
    let before = market.exchange.assets().unwrap().len();
    let sums = || {
        let policy = Policy::deny_all().measures(["x"]).aggregations([Aggregation::Sum]).any_program();
        policy.min_group_size(1)
    };
    // Five rows are described as at most eight: it is eight that have to fit.
    for max in [i64::MAX, (1 << 62) / 5 - 1] {
        let rows = wide(max, 3, 5);
        let error = market.owner.publish(&Offer::new("wide", &rows, sums(), Terms::free(9))).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfDomain);
    }
    let rows = wide((1 << 61) / 5, 3, 5);
    let names = ["ab".to_owned(), "n".repeat(600)];
    for name in names {
        market.owner.publish(&Offer::new(name, &rows, sums(), Terms::free(9))).unwrap_err();
    }
    let long = "d".repeat(7001);
    market.owner.publish(&Offer::new("long", &rows, sums(), Terms::free(9)).description(long)).unwrap_err();
    assert_eq!(market.exchange.assets().unwrap().len(), before);
    market.owner.publish(&Offer::new("fits", &rows, sums(), Terms::free(9))).unwrap();
}

#[test]
fn an_answer_too_large_to_release_is_refused_before_it_is_paid() {
    let (features, scores, vectors) = (20, 200, 400);
    let schema = (0..features).map(|i| Column::integer(format!("x{i}"), -7, 7)).collect();
    let targets: Vec<String> = (0..scores).map(|i| format!("y{i}")).collect();
    let (weights, intercepts) = (vec![0.5; features * scores], vec![1.0; scores]);
    let precision = Precision::bits(40);
    let model = Model::linear(Schema::new(schema).unwrap(), targets, &weights, &intercepts, precision).unwrap();
    let market = Market::open();
    let policy = Policy::deny_all().allow_inference(1000);
    let asset = market.owner.publish(&Offer::model("wide", &model, policy, Terms::free(9))).unwrap().asset;
    let consumer = market.consumer();
    consumer.buy(&asset, 1).unwrap();
    let order = consumer.order(&asset).unwrap();
    let asked = asset.vectors(&vec![1.0; features * vectors]).unwrap();
    let error = order.infer(&asked).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(order.uses_left().unwrap(), 10, "nothing was taken");
    order.infer(&asset.vectors(&vec![1.0; features]).unwrap()).unwrap();
}

#[test]
fn missing_values_of_few_rows_are_withheld_like_few_rows() {
    let mut few = people(600);
    few.iter_mut().for_each(|p| p.visits = Some(4));
    let answer = |people: &[market::Person], group: u32| {
        let market = Market::open();
        let rows = table(people);
        let offer = Offer::new("nulls", &rows, policy().min_group_size(group), Terms::free(9));
        let asset = market.owner.publish(&offer).unwrap().asset;
        let consumer = market.consumer();
        consumer.buy(&asset, 1).unwrap();
        let ticket = consumer.order(&asset).unwrap().request(&Query::select([count(), sum("visits")])).unwrap();
        let (result, receipt) = market.owner.node().run(ticket.request().clone()).unwrap();
        let answer = ticket.open(&result, &receipt).unwrap();
        ["count", "sum(visits)"].map(|name| answer.numbers(name).unwrap().to_f64()[0].unwrap() as i64)
    };
    let with_all = answer(&few, 10);
    few[7].visits = None;
    // Unprotected, the sum tells that exactly one value is missing, and its size.
    assert_eq!(answer(&few, 1), [with_all[0], with_all[1] - 4]);
    // Protected, the whole cell of that person goes, which is many times as much.
    let [rows, visits] = answer(&few, 10);
    assert_eq!(rows, with_all[0]);
    assert!(with_all[1] - visits >= 4 * 10);
}

#[test]
fn a_node_follows_its_description_and_serves_nothing_that_was_sold() {
    let market = Market::open();
    let (consumer, ledger, nft) = (market.consumer(), market.exchange.ledger(), market.asset.nft());
    let (node, owner) = (market.owner.node(), market.owner_account());
    consumer.buy(&market.asset, 1).unwrap();
    let order = consumer.order(&market.asset).unwrap();
    let complete = order.request(&any()).unwrap();
    let (kept, _) = node.run(complete.request().clone()).unwrap();

    let mut description: AssetDescription = market.asset.description().clone();
    let stricter = policy().min_group_size(50);
    description.sealed.policy.rules = stricter.to_json().unwrap();
    description.sealed.policy.digest = stricter.digest().unwrap();
    let stale = order.request(&any()).unwrap();
    ledger.set_metadata(&owner, nft, &description.to_ddo_bytes().unwrap()).unwrap();
    assert_eq!(node.run(stale.request().clone()).unwrap_err().kind(), ErrorKind::Rejected);
    assert!(node.refusals().last().unwrap().reason.contains("changed"));
    assert_eq!(node.run(complete.request().clone()).unwrap().0, kept, "what is complete stays to be had");
    // The consumer's own copy is old: nothing is sent under it, since it would tell when its holder last looked.
    let error = order.request(&any()).unwrap_err();
    assert!(error.to_string().contains("described anew"), "{error}");
    assert_eq!(order.uses_left().unwrap(), 1, "two uses went into requests, none into this");
    // It looks again, and asks anew, with the use of the request that was refused.
    let asset = market.exchange.asset(nft).unwrap();
    let order = consumer.orders(&asset).unwrap().pop().unwrap();
    let fresh = order.request_use(&any(), 1).unwrap();
    let (result, receipt) = node.run(fresh.request().clone()).unwrap();
    fresh.open(&result, &receipt).unwrap();

    ledger.transfer_nft(&owner, nft, Account::generate().address()).unwrap();
    assert_eq!(node.run(fresh.request().clone()).unwrap_err().to_string(), "rejected");
}

#[test]
fn a_swapped_description_changes_no_answer_and_takes_no_ticket_away() {
    let market = Market::open();
    let consumer = market.consumer();
    consumer.buy(&market.asset, 1).unwrap();
    let query = Query::select([count()]).filter(col("age").lt(secret(40))).group_by(["plan"]);
    let ticket = consumer.order(&market.asset).unwrap().request(&query).unwrap();
    let (result, receipt) = market.owner.node().run(ticket.request().clone()).unwrap();
    let answer = ticket.open(&result, &receipt).unwrap();

    // The labels the other way round: an answer read by them would be wrong under a valid receipt.
    let mut description = market.asset.description().clone();
    let plans = Column::category("plan", market::PLANS.iter().rev().copied()).dimension();
    description.sealed.schema = schema().with_column(plans).unwrap();
    let (ledger, owner) = (market.exchange.ledger(), market.owner_account());
    for ddo in [description.to_ddo_bytes().unwrap(), b"{}".to_vec()] {
        ledger.set_metadata(&owner, market.asset.nft(), &ddo).unwrap();
        let again = consumer.tickets().unwrap().pop().unwrap();
        assert_eq!(again.open(&result, &receipt).unwrap(), answer);
    }
}

#[test]
fn one_job_is_computed_once_at_a_time() {
    let market = Market::open();
    let (node, ticket) = (market.owner.node(), market.order().request(&any()).unwrap());
    let admit = || node.admit(ticket.request().clone()).unwrap();
    let first = node.compute(admit()).unwrap();
    for _ in 0..3 {
        assert_eq!(node.compute(admit()).unwrap_err().kind(), ErrorKind::Locked);
    }
    let (result, _) = node.release(first).unwrap();
    assert_eq!(node.run(ticket.request().clone()).unwrap().0, result);
}

#[test]
fn a_request_does_not_tell_one_clock_from_another() {
    let market = Market::open();
    market.clock.advance(37);
    let request = json(market.order().request(&any()).unwrap().request());
    assert_eq!(request["now"], START);
    assert_eq!(request["deadline"].as_u64().unwrap() % 60, 0);
}

#[test]
fn an_owners_own_orders_and_expired_ones_are_no_crowd() {
    use sealock::access::Group;
    let market = Market::open();
    let crowd = |now: u64| {
        let mut group = Group::new(market.asset.service());
        group.sync(market.exchange.ledger(), now).unwrap();
        (group.len(), group.crowd(now, market.owner.address()))
    };
    let (owner, ledger) = (market.owner_account(), market.exchange.ledger());
    let service = market.asset.service();
    ledger.dispense(&owner, service.datatoken, Amount::whole(3)).unwrap();
    for i in 1..=3u64 {
        let commitment = Scalar::from(i).to_bytes();
        ledger.order(&owner, service.datatoken, 0, market.asset.order_terms(), commitment).unwrap();
    }
    market.order();
    assert_eq!(crowd(START), (4, 1));
    assert_eq!(crowd(START + 3601), (4, 0));
}
