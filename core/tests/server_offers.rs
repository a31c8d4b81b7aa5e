//! A node whose ledger is Ocean's contracts, and a consumer elsewhere with a way of its own to the chain.
#![cfg(all(feature = "server", feature = "client", feature = "ocean"))]

#[path = "support/market.rs"]
mod market;
#[path = "support/ocean.rs"]
mod ocean;
#[path = "support/peers.rs"]
mod peers;

use std::sync::Arc;

use ocean::Chain;
use sealock::asset::Terms;
use sealock::ledger::{EmbeddedLedger, Ledger};
use sealock::owner::Offer;
use sealock::program::{Query, col, count, secret};
use sealock::remote::RemoteOptions;
use sealock::server::{Server, ServerOptions};
use sealock::time::SystemClock;
use sealock::{ErrorKind, Exchange};

#[test]
fn the_node_signs_the_offer_and_the_order_is_the_consumers_own() {
    let chain = Chain::start();
    let home = Exchange::in_memory_on(Arc::new(chain.ledger()));
    let owner = home.owner(chain.account()).unwrap();
    let table = market::table(&market::people(3000));
    let terms = Terms::free(10).uses_per_order(3).valid_for(86_400);
    let asset = owner.publish(&Offer::new("people", &table, market::policy(), terms)).unwrap().asset;
    let server = Server::start(owner, ServerOptions::loopback()).unwrap();

    // The node has no ledger of its own, and the ledger must be the node's.
    let none = Exchange::connect_in_memory(&server.url()).err().unwrap();
    assert_eq!(none.kind(), ErrorKind::InvalidArgument, "{none}");
    let other = Arc::new(EmbeddedLedger::in_memory(Arc::new(SystemClock)).unwrap());
    let other = Exchange::connect_with(&server.url(), None, Some(other), &RemoteOptions::default()).err().unwrap();
    assert_eq!(other.kind(), ErrorKind::InvalidArgument, "{other}");

    let ledger: Arc<dyn Ledger> = Arc::new(chain.ledger());
    let exchange = Exchange::connect_with(&server.url(), None, Some(ledger), &RemoteOptions::default()).unwrap();
    let consumer = exchange.consumer(chain.account()).unwrap();
    let asset = exchange.asset(asset.nft()).unwrap();
    consumer.buy(&asset, 2).unwrap();
    for _ in 0..2 {
        let order = consumer.order(&asset).unwrap();
        let ticket = order.request(&Query::select([count()]).filter(col("age").ge(secret(60)))).unwrap();
        let (result, receipt) = exchange.node().unwrap().run(ticket.request().clone()).unwrap();
        let expected = market::people(3000).iter().filter(|p| p.age >= 60).count();
        let answer = ticket.open(&result, &receipt).unwrap();
        assert_eq!(answer.numbers("count").unwrap().to_f64(), [Some(expected as f64)]);
    }
    assert_eq!(consumer.orders(&asset).unwrap().len(), 2);
    // A commitment that has an order gets no second offer.
    let node = exchange.node().unwrap();
    let used = consumer.orders(&asset).unwrap()[0].record().commitment;
    let refused = node.offer(&asset.did(), 0, consumer.address(), used).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{refused}");
    let unknown = node.offer(&asset.did(), 7, consumer.address(), [1; 32]).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound, "{unknown}");
}
