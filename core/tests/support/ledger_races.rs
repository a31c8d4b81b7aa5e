//! What every ledger must do when 64 threads use it at once.

use sealock::{
    ErrorKind,
    error::Classify,
    ledger::{Amount, LedgerError},
};

use super::{Host, ONE, TERMS, fresh, holdings, market};

/// Runs `work` on 64 threads that start together, and counts those that succeed; the others are refused with `kind`.
fn race(kind: ErrorKind, work: impl Fn(usize) -> Result<(), LedgerError> + Sync) -> usize {
    let barrier = std::sync::Barrier::new(64);
    std::thread::scope(|scope| {
        let spawn = |i| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                match work(i) {
                    Ok(()) => 1,
                    Err(e) if e.kind() == kind => 0,
                    Err(e) => panic!("{e}"),
                }
            })
        };
        let threads: Vec<_> = (0..64).map(spawn).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    })
}

pub fn double_spend(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(9)), host.account());
    m.fund(ledger, &consumer, 1, 0);
    let thief = host.account();
    let won = race(ErrorKind::InsufficientBalance, |i| match i % 2 {
        0 => ledger.order(&consumer, m.token, 0, TERMS, fresh()).map(drop),
        _ => ledger.transfer(&consumer, m.token, thief.address(), ONE).map(drop),
    });
    assert_eq!(won, 1);
    let held = holdings(ledger, &[m.token], &[&consumer, &thief, &m.owner]);
    assert_eq!(held[0], Amount::ZERO);
    assert_eq!(held[1].checked_add(held[2]), Some(ONE));
    assert_eq!(ledger.orders(m.token, 0, 0, 99).unwrap().len(), usize::from(held[2] == ONE));
}

pub fn one_account_many_threads(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(99)), host.account());
    m.fund(ledger, &consumer, 64, 0);
    let order = |_| ledger.order(&consumer, m.token, 0, TERMS, fresh()).map(drop);
    assert_eq!(race(ErrorKind::Cancelled, order), 64, "no nonce is raced for");
    let orders = ledger.orders(m.token, 0, 0, 99).unwrap();
    assert!(orders.iter().map(|o| o.index).eq(0..64));
    assert_eq!(ledger.balance_of(m.token, m.owner.address()).unwrap(), Amount::whole(64));
}

pub fn one_commitment_many_threads(host: &dyn Host) {
    let (ledger, m, consumer) = (host.ledger(), market(host, Amount::whole(99)), host.account());
    m.fund(ledger, &consumer, 64, 0);
    let commitment = fresh();
    let order = |_| ledger.order(&consumer, m.token, 0, TERMS, commitment).map(drop);
    assert_eq!(race(ErrorKind::InvalidArgument, order), 1);
    assert_eq!(ledger.balance_of(m.token, consumer.address()).unwrap(), Amount::whole(63));
}
