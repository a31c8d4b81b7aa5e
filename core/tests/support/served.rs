//! A node that serves a market over loopback.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Arc;

use sealock::asset::Terms;
use sealock::order::{Consumer, Order};
use sealock::owner::{Offer, Owner};
use sealock::policy::Policy;
use sealock::server::{Server, ServerOptions};
use sealock::{Account, Asset, Exchange};
use tempfile::TempDir;

use super::market;

/// An owner's node, and the folder that it keeps its state in.
pub struct Served {
    pub folder: TempDir,
    pub secret: [u8; 32],
    pub exchange: Exchange,
    pub owner: Arc<Owner>,
    pub server: Server,
    pub asset: Asset,
}

impl Served {
    pub fn open() -> Self {
        Self::with(market::policy(), Terms::free(100).uses_per_order(1000).valid_for(3600), ServerOptions::loopback())
    }

    pub fn with(policy: Policy, terms: Terms, options: ServerOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let exchange = Exchange::local(folder.path()).unwrap();
        let account = Account::generate();
        let secret = *account.expose_secret_bytes();
        let owner = Arc::new(exchange.owner(account).unwrap());
        let table = market::table(&market::people(3000));
        let asset = owner.publish(&Offer::new("people", &table, policy, terms)).unwrap().asset;
        let server = Server::start(Arc::clone(&owner), options).unwrap();
        Self { folder, secret, exchange, owner, server, asset }
    }

    /// A client with nothing but the node's address.
    pub fn connect(&self) -> Exchange {
        Exchange::connect_in_memory(&self.server.url()).unwrap()
    }

    /// A consumer far away, with an order.
    pub fn order(&self) -> (Exchange, Consumer, Order) {
        let exchange = self.connect();
        let consumer = exchange.consumer(Account::generate()).unwrap();
        let asset = exchange.asset(self.asset.nft()).unwrap();
        consumer.buy(&asset, 1).unwrap();
        let order = consumer.order(&asset).unwrap();
        (exchange, consumer, order)
    }
}
