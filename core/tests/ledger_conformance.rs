//! The embedded ledger does what every ledger must do, in memory and in a file.

#[path = "support/ledger_conformance.rs"]
mod conformance;

use std::sync::Arc;

use conformance::{CASES, Host};
use sealock::{
    Account,
    ledger::{EmbeddedLedger, Ledger},
    time::{Clock, ManualClock, Timestamp},
};

struct Embedded {
    ledger: EmbeddedLedger,
    clock: Arc<ManualClock>,
}

impl Host for Embedded {
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
        self.ledger.audit().unwrap();
    }
}

#[test]
fn the_ledger_in_memory_conforms() {
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let host = Embedded { ledger: EmbeddedLedger::in_memory(clock.clone()).unwrap(), clock };
    for (name, case) in CASES {
        println!("{name}");
        case(&host);
        host.audit();
    }
}

#[test]
fn the_ledger_in_a_file_conforms_and_reopens_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let open = || Embedded { ledger: EmbeddedLedger::open(&path, clock.clone()).unwrap(), clock: clock.clone() };
    let mut host = open();
    for (name, case) in CASES {
        println!("{name}");
        case(&host);
        let (address, tip) = (host.ledger.address(), host.ledger.tip().unwrap());
        drop(host);
        host = open();
        assert_eq!((host.ledger.address(), host.ledger.tip().unwrap()), (address, tip));
    }
    host.audit();
}
