//! The embedded ledger at every point at which the power can fail.

#[path = "support/freeze.rs"]
mod freeze;

use std::sync::Arc;

use freeze::{Crash, Disk, every_crash_point, healthy};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use sealock::{
    Account, ErrorKind,
    error::Classify,
    ledger::{Amount, Dispenser, EmbeddedLedger, FixedRate, Ledger, LedgerError, OrderTerms, Publication, Tip},
    time::ManualClock,
};

const TERMS: OrderTerms = OrderTerms::new(3, 100);

fn account(n: u8) -> Account {
    Account::from_secret_bytes(&[n; 32]).unwrap()
}

fn open(backend: impl StorageBackend) -> Result<EmbeddedLedger, LedgerError> {
    EmbeddedLedger::with_backend_and_seed(backend, Arc::new(ManualClock::at(1_000)), [7; 32])
}

/// A story with every kind of action. Calls `done` with the ledger after each transaction.
fn story(ledger: &EmbeddedLedger, done: &mut impl FnMut(&EmbeddedLedger)) -> Result<(), LedgerError> {
    let (owner, alice, bob) = (account(1), account(2), account(3));
    let one = Amount::ONE;
    let coin = ledger.deploy_token(&owner, "Coin", "COIN", Amount::whole(1_000))?;
    done(ledger);
    ledger.mint(&owner, coin, alice.address(), Amount::whole(10))?;
    done(ledger);
    let publication = Publication { name: "Wards".into(), symbol: "WRD".into(), cap: Amount::whole(100) };
    let asset = ledger.publish(&owner, &publication)?;
    done(ledger);
    ledger.set_metadata(&owner, asset.nft, &[b'x'; 9_000])?;
    done(ledger);
    ledger.set_order_terms(&owner, asset.datatoken, 0, TERMS)?;
    done(ledger);
    let rate = FixedRate { base_token: coin, rate: one, active: true, with_mint: true };
    ledger.set_fixed_rate(&owner, asset.datatoken, rate)?;
    done(ledger);
    let dispenser = Dispenser { max_amount: one, max_balance: one, active: true };
    ledger.set_dispenser(&owner, asset.datatoken, dispenser)?;
    done(ledger);
    ledger.buy(&alice, asset.datatoken, Amount::whole(2), coin, Amount::whole(2))?;
    done(ledger);
    ledger.dispense(&bob, asset.datatoken, one)?;
    done(ledger);
    ledger.order(&alice, asset.datatoken, 0, TERMS, [1; 32])?;
    done(ledger);
    ledger.order(&bob, asset.datatoken, 0, TERMS, [2; 32])?;
    done(ledger);
    ledger.transfer(&alice, coin, bob.address(), one)?;
    done(ledger);
    ledger.transfer_nft(&owner, asset.nft, bob.address())?;
    done(ledger);
    Ok(())
}

/// The tips after each transaction of the story, told on a disk that works.
fn tips() -> Vec<Tip> {
    let ledger = open(redb::backends::InMemoryBackend::new()).unwrap();
    let mut tips = vec![ledger.tip().unwrap()];
    story(&ledger, &mut |ledger| tips.push(ledger.tip().unwrap())).unwrap();
    tips
}

/// After a crash: all that was acknowledged, at most the one transaction under way beside it, each of them whole.
fn check_state(ledger: &EmbeddedLedger, acknowledged: u64, tips: &[Tip], point: &dyn std::fmt::Debug) {
    let tip = ledger.tip().unwrap();
    assert!(
        (acknowledged..=acknowledged + 1).contains(&tip.transactions),
        "{acknowledged} acknowledged, {} found at {point:?}",
        tip.transactions
    );
    // The tip's hash commits to the log, and the audit compares the state with the log.
    assert_eq!(tip, tips[tip.transactions as usize], "{point:?}");
    let report = ledger.audit().unwrap_or_else(|e| panic!("{e} at {point:?}"));
    assert_eq!(report.transactions, tip.transactions);
}

/// A disk with a ledger on which nothing has happened yet.
fn empty_ledger() -> Vec<u8> {
    let disk = Disk::new(Vec::new(), None);
    drop(open(disk.clone()).unwrap());
    disk.image(freeze::Loss::Nothing)
}

fn tell(disk: Disk) -> u64 {
    let mut acknowledged = 0;
    if let Ok(ledger) = open(disk) {
        let _stopped = story(&ledger, &mut |_| acknowledged += 1);
    }
    acknowledged
}

#[test]
fn no_crash_loses_an_acknowledged_transaction_or_leaves_half_of_one() {
    let tips = tips();
    let mut unacknowledged_but_kept = 0;
    let operations = every_crash_point(&empty_ledger(), 4, tell, |crash: Crash<'_, u64>| {
        let ledger = open(healthy(&crash.image)).unwrap_or_else(|e| panic!("{e} at {:?}", crash.point));
        check_state(&ledger, *crash.acknowledged, &tips, &crash.point);
        unacknowledged_but_kept += u64::from(ledger.tip().unwrap().transactions > *crash.acknowledged);
        // It goes on from there.
        let stranger = account(9);
        ledger.deploy_token(&stranger, "After", "AFT", Amount::ONE).unwrap();
        ledger.audit().unwrap();
    });
    // Both sides of each commit were met.
    assert!(operations > 13 * 4, "{operations}");
    assert!(unacknowledged_but_kept > 0);
}

#[test]
fn no_crash_loses_a_ledger_whose_opening_returned() {
    let mut refused = 0;
    let make = |disk: Disk| open(disk).is_ok();
    every_crash_point(&[], 8, make, |crash: Crash<'_, bool>| match open(healthy(&crash.image)) {
        Ok(ledger) => assert_eq!(ledger.audit().unwrap().transactions, 0),
        // redb does not open a file whose making it did not finish. For that reason a file gets its name afterwards.
        Err(e) => {
            assert_eq!(e.kind(), ErrorKind::CorruptState, "{e} at {:?}", crash.point);
            assert!(!crash.acknowledged, "{e} at {:?}", crash.point);
            refused += 1;
        }
    });
    assert!(refused > 0, "redb now opens such files: make them in place");
}

#[test]
fn no_crash_while_recovering_from_a_crash_loses_anything() {
    let tips = tips();
    let start = empty_ledger();
    let probe = Disk::new(start.clone(), None);
    tell(probe.clone());
    // In the middle of the story, at points that are not multiples of each other's distance.
    for stop in (probe.operations() / 2..probe.operations()).step_by(37) {
        let disk = Disk::new(start.clone(), Some(stop));
        let acknowledged = tell(disk.clone());
        for loss in [freeze::Loss::Nothing, freeze::Loss::Everything, freeze::Loss::Some { seed: stop }] {
            let image = disk.image(loss);
            every_crash_point(
                &image,
                1,
                |disk| drop(open(disk)),
                |again| {
                    let ledger = open(healthy(&again.image)).unwrap_or_else(|e| panic!("{e} at {:?}", again.point));
                    check_state(&ledger, acknowledged, &tips, &(stop, loss, again.point));
                },
            );
        }
    }
}

/// The harness sees a database that does not sync: with durability off, acknowledged writes are lost.
#[test]
fn the_harness_catches_writes_that_were_acknowledged_and_not_synced() {
    const T: TableDefinition<u64, u64> = TableDefinition::new("t");
    let workload = |durability: Durability| {
        move |disk: Disk| {
            let mut acknowledged = 0u64;
            let mut run = || -> Result<(), redb::Error> {
                let db = Database::builder().create_with_backend(disk.clone())?;
                for i in 0..5 {
                    let mut txn = db.begin_write()?;
                    txn.set_durability(durability)?;
                    txn.open_table(T)?.insert(i, i)?;
                    txn.commit()?;
                    acknowledged += 1;
                }
                Ok(())
            };
            let _stopped = run();
            acknowledged
        }
    };
    let start = Disk::new(Vec::new(), None);
    drop(Database::builder().create_with_backend(start.clone()).unwrap());
    let start = start.image(freeze::Loss::Nothing);
    let lost = |durability| {
        let mut lost = 0;
        every_crash_point(&start, 2, workload(durability), |crash| {
            let db = Database::builder().create_with_backend(healthy(&crash.image)).unwrap();
            let txn = db.begin_read().unwrap();
            let found = txn.open_table(T).map_or(0, |t| t.iter().unwrap().count() as u64);
            lost += u64::from(found < *crash.acknowledged);
        });
        lost
    };
    assert!(lost(Durability::None) > 0);
    assert_eq!(lost(Durability::Immediate), 0);
}
