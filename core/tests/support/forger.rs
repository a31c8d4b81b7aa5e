//! A client of an attacker's own: an order that is paid for, and valid proofs for whatever it writes.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io::Read;

use sealock::access::Service;
use sealock::job::JobRequest;
use sealock::ledger::{self, Amount};
use sealock::store::unixfs;
use sealock::time::Timestamp;
use sealock::{Account, Asset};
use sealock_zk::{
    Claim, Credential, IdentitySecret, KeyBundle, LeanImt, ProvingKey, Scalar, Statement, Witness, check_setup, os_rng,
    prove,
};
use serde_json::{Value, to_value};

use crate::market::Market;

/// A request as JSON with byte strings as arrays, to exchange its parts.
pub fn json(request: &JobRequest) -> Value {
    to_value(request).unwrap()
}

pub fn request(json: &Value) -> JobRequest {
    serde_json::from_value(json.clone()).unwrap()
}

/// The checked key of an asset.
pub fn key_of(market: &Market, asset: &Asset) -> ProvingKey {
    let mut bytes = Vec::new();
    let root = &asset.description().sealed.access.proving_key;
    unixfs::Reader::open(market.exchange.store(), root).unwrap().read_to_end(&mut bytes).unwrap();
    check_setup(&KeyBundle::from_bytes(&bytes).unwrap(), &mut os_rng()).unwrap()
}

pub struct Forger {
    pub secret: IdentitySecret,
    pub key: ProvingKey,
    pub order: ledger::Order,
}

/// What a proof is made about.
pub struct Forgery {
    /// The group, as its maker says it is.
    pub group: LeanImt,
    pub scope: Scalar,
    pub now: Timestamp,
    pub use_index: u64,
}

impl Forger {
    pub fn new(market: &Market) -> Self {
        let (secret, account) = (IdentitySecret::generate(&mut os_rng()), Account::generate());
        let (ledger, service) = (market.exchange.ledger(), market.asset.service());
        ledger.dispense(&account, service.datatoken, Amount::whole(1)).unwrap();
        let commitment = secret.commitment().to_bytes();
        let order = ledger.order(&account, service.datatoken, 0, market.asset.order_terms(), commitment).unwrap();
        Self { secret, key: key_of(market, &market.asset), order }
    }

    pub fn credential(&self, service: Service) -> Credential {
        service.credential(self.order.limit, self.order.expiry)
    }

    /// An honest statement, to be changed.
    pub fn honest(&self, market: &Market, use_index: u64) -> Forgery {
        let now = market.exchange.clock().now();
        let service = market.asset.service();
        Forgery { group: first_orders(market, usize::MAX), scope: service.scope(now), now, use_index }
    }

    /// Writes root, nullifier, time and proof into a request of any other content.
    pub fn sign(&self, market: &Market, json: Value, use_index: u64) -> JobRequest {
        self.forge(market, json, &self.honest(market, use_index)).0
    }

    /// As [`Forger::sign`], about whatever the forgery says.
    pub fn forge(&self, market: &Market, mut json: Value, forgery: &Forgery) -> (JobRequest, Statement) {
        let &Forgery { ref group, scope, now, use_index } = forgery;
        let credential = self.credential(market.asset.service());
        let at = group.index_of(credential.leaf(self.secret.commitment())).unwrap();
        let membership = group.proof(at).unwrap();
        let nullifier = self.secret.nullifier(scope, use_index);
        json["nullifier"] = to_value(nullifier.to_bytes()).unwrap();
        json["root"] = to_value(membership.root().to_bytes()).unwrap();
        json["now"] = now.into();
        let message = request(&json).message();
        let claim = Claim { root: membership.root(), message, scope, now };
        let witness = Witness { secret: &self.secret, credential: &credential, use_index, membership: &membership };
        let (statement, proof) = prove(&self.key, &claim, &witness, &mut os_rng()).unwrap();
        json["proof"] = to_value(proof.to_bytes().as_slice()).unwrap();
        (request(&json), statement)
    }
}

/// The group of the first orders of a market's asset, whatever was revoked.
pub fn first_orders(market: &Market, count: usize) -> LeanImt {
    let (service, mut group) = (market.asset.service(), LeanImt::with_max_depth(20).unwrap());
    for order in market.exchange.ledger().orders(service.datatoken, 0, 0, count).unwrap() {
        let Ok(commitment) = Scalar::from_bytes(&order.commitment) else { continue };
        let credential = service.credential(order.limit, order.expiry);
        group.insert(credential.leaf(commitment)).unwrap();
    }
    group
}
