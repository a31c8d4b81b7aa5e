//! Ocean's contracts do what every ledger must do: on anvil, with the contracts of npm's `@oceanprotocol/contracts`.
#![cfg(feature = "ocean")]

#[path = "support/ledger_conformance.rs"]
mod conformance;
#[path = "support/ocean.rs"]
mod ocean;
#[path = "support/peers.rs"]
mod peers;

use conformance::{CASES, Host};
use ocean::Chain;
use sealock::ledger::{Ledger, ocean::OceanLedger};
use sealock::{Account, time::Timestamp};

struct Ocean {
    ledger: OceanLedger,
    chain: Chain,
}

impl Host for Ocean {
    fn ledger(&self) -> &dyn Ledger {
        &self.ledger
    }
    fn account(&self) -> Account {
        self.chain.account()
    }
    fn advance(&self, seconds: u64) {
        self.chain.advance(seconds);
    }
    fn now(&self) -> Timestamp {
        self.ledger.now().unwrap()
    }
    fn audit(&self) {}
    fn sells_from_stock(&self) -> bool {
        false
    }
    fn has_caps(&self) -> bool {
        false
    }
}

#[test]
fn the_ledger_on_oceans_contracts_conforms() {
    let chain = Chain::without_fees();
    let host = Ocean { ledger: chain.ledger(), chain };
    for (name, case) in CASES {
        println!("{name}");
        case(&host);
    }
}
