//! The job journal at every point at which the power can fail.

#[path = "support/freeze.rs"]
mod freeze;
#[path = "support/market.rs"]
mod market;

use freeze::{Crash, Disk, Loss, every_crash_point, healthy};
use market::Market;
use redb::StorageBackend;
use sealock::job::JobRequest;
use sealock::journal::{JobRecord, Journal, JournalError};
use sealock::policy::{Policy, PolicyError};
use sealock::privacy::Epsilon;
use sealock::program::{Query, count};
use sealock::receipt::{Statement, verify_chain};
use sealock::{Account, Digest, ErrorKind, error::Classify};

const LIMIT: u64 = 3;

fn owner() -> Account {
    Account::from_secret_bytes(&[9; 32]).unwrap()
}

fn loss() -> Epsilon {
    "0.25".parse().unwrap()
}

fn policy() -> Policy {
    let limit = Epsilon::from_micros(LIMIT * loss().micros() + 1).unwrap();
    Policy::deny_all().max_jobs(LIMIT).epsilon(loss()).epsilon_per_asset(limit)
}

fn record(request: &JobRequest) -> JobRecord {
    let any = Digest::sha256(b"any");
    let asset = request.asset().to_owned();
    let (nullifier, epsilon) = (*request.nullifier(), Some(loss()));
    JobRecord { asset, program: any, policy: any, nullifier, admitted_at: 1, receipt: None, epsilon, access: None }
}

fn statement(request: &JobRequest, number: u64, previous: Digest) -> Statement {
    let any = Digest::sha256(b"any");
    Statement {
        version: 1,
        number,
        previous,
        asset: request.asset().to_owned(),
        job: request.id(),
        program: any,
        policy: any,
        data: any,
        device: "cpu".into(),
        nullifier: *request.nullifier(),
        result: any,
        epsilon_micros: None,
        executed: None,
        released_at: 1,
    }
}

/// What the journal has said to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Done {
    admitted: usize,
    completed: usize,
}

fn run(backend: impl StorageBackend, requests: &[JobRequest]) -> Done {
    let mut done = Done::default();
    let work = |done: &mut Done| -> Result<(), JournalError> {
        let journal = Journal::with_backend(backend)?;
        for (i, request) in requests.iter().enumerate() {
            journal.admit(&record(request), request, &policy())?;
            done.admitted = i + 1;
            journal.complete(request.id(), &owner(), &[i as u8; 2000], |n, p| statement(request, n, p))?;
            done.completed = i + 1;
        }
        Ok(())
    };
    let _ = work(&mut done);
    done
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_done() {
    let market = Market::open();
    let order = market.order();
    let requests: Vec<_> =
        (0..2).map(|i| order.request_use(&Query::select([count()]), i).unwrap().request().clone()).collect();
    assert_eq!(run(redb::backends::InMemoryBackend::new(), &requests), Done { admitted: 2, completed: 2 });

    // A journal that exists: its file appears whole, under its name, once it has been made.
    let fresh = Disk::new(Vec::new(), None);
    drop(Journal::with_backend(fresh.clone()).unwrap());
    let mut unfinished_seen = 0;
    let points = every_crash_point(
        &fresh.image(Loss::Nothing),
        2,
        |disk: Disk| run(disk, &requests),
        |crash: Crash<'_, Done>| {
            let (done, point) = (*crash.acknowledged, crash.point);
            let journal = Journal::with_backend(healthy(&crash.image)).unwrap_or_else(|e| panic!("{e} at {point:?}"));
            let admitted = journal.jobs_admitted(requests[0].asset()).unwrap() as usize;
            let receipts = journal.receipts().unwrap();
            let unfinished = journal.unfinished().unwrap();
            assert!(
                (done.admitted..=done.admitted + 1).contains(&admitted),
                "{done:?}, {admitted} admitted, {point:?}"
            );
            assert!((done.completed..=done.completed + 1).contains(&receipts.len()), "{point:?}");
            assert_eq!(admitted, receipts.len() + unfinished.len(), "{point:?}");
            let spent = journal.privacy_spent(requests[0].asset()).unwrap();
            assert_eq!(spent, admitted as u64 * loss().micros(), "{point:?}");
            verify_chain(owner().address(), &receipts).unwrap_or_else(|e| panic!("{e} at {point:?}"));
            unfinished_seen += unfinished.len();
            for (i, request) in requests.iter().enumerate() {
                // A job is found with its use spent, or neither.
                assert_eq!(journal.find(request.id()).unwrap().is_some(), i < admitted, "{point:?}");
                let result = journal.result(request.id()).unwrap();
                assert_eq!(
                    result.map(|(bytes, _)| bytes),
                    (i < receipts.len()).then(|| vec![i as u8; 2000]),
                    "{point:?}"
                );
            }
            // The work goes on where it stopped.
            for (i, request) in requests.iter().enumerate() {
                journal.admit(&record(request), request, &policy()).unwrap();
                journal.complete(request.id(), &owner(), &[i as u8; 2000], |n, p| statement(request, n, p)).unwrap();
            }
            assert_eq!(journal.jobs_admitted(requests[0].asset()).unwrap(), 2, "{point:?}");
            assert_eq!(journal.receipts().unwrap().len(), 2, "{point:?}");
            assert!(journal.unfinished().unwrap().is_empty());
        },
    );
    assert!(points > 10 && unfinished_seen > 0, "{points} points, {unfinished_seen} jobs under way");
}

#[test]
fn a_use_pays_for_one_request_under_64_threads_and_the_policy_counts_it_once() {
    let market = Market::open();
    let order = market.order();
    let request = |query: &Query| order.request_use(query, 0).unwrap().request().clone();
    let rivals: Vec<_> = (0..4).map(|_| request(&Query::select([count()]))).collect();
    let journal = Journal::in_memory().unwrap();
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let admit = |i: usize| {
            let (journal, request) = (&journal, &rivals[i % 4]);
            scope.spawn(move || (i % 4, journal.admit(&record(request), request, &policy()).map_err(|e| e.kind())))
        };
        let threads: Vec<_> = (0..64).map(admit).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let winners: std::collections::BTreeSet<_> = outcomes.iter().filter(|(_, o)| o.is_ok()).map(|(i, _)| *i).collect();
    assert_eq!(winners.len(), 1, "one request has the use, however often it is repeated");
    assert_eq!(outcomes.iter().filter(|(_, o)| o.is_ok()).count(), 16);
    let refused = outcomes.iter().filter_map(|(_, o)| o.as_ref().err());
    assert!(refused.into_iter().all(|kind| *kind == ErrorKind::NullifierSpent));
    assert_eq!(journal.jobs_admitted(rivals[0].asset()).unwrap(), 1);
}

#[test]
fn the_policys_limit_holds_under_64_threads() {
    let market = Market::with(market::policy(), sealock::asset::Terms::free(100).uses_per_order(16));
    let order = market.order();
    let requests: Vec<_> =
        (0..16).map(|i| order.request_use(&Query::select([count()]), i).unwrap().request().clone()).collect();
    let journal = Journal::in_memory().unwrap();
    let admitted = std::thread::scope(|scope| {
        let admit = |i: usize| {
            let (journal, request) = (&journal, &requests[i % 16]);
            scope.spawn(move || journal.admit(&record(request), request, &policy()).is_ok().then_some(i % 16))
        };
        let threads: Vec<_> = (0..64).map(admit).collect();
        threads.into_iter().filter_map(|t| t.join().unwrap()).collect::<std::collections::BTreeSet<_>>()
    });
    assert_eq!(admitted.len() as u64, LIMIT);
    assert_eq!(journal.jobs_admitted(requests[0].asset()).unwrap(), LIMIT);
}

/// Any number of different requests, without proofs.
fn forged(original: &JobRequest, number: u64) -> JobRequest {
    let mut json = serde_json::to_value(original).unwrap();
    json["nullifier"] = serde_json::to_value(Digest::of("test", &[&number.to_be_bytes()]).as_bytes()).unwrap();
    serde_json::from_value(json).unwrap()
}

#[test]
fn the_privacy_budget_is_never_overdrawn_under_64_threads() {
    let market = Market::open();
    let original = market.order().request(&Query::select([count()])).unwrap().request().clone();
    // Enough for 37 jobs and a half.
    let limit = Epsilon::from_micros(loss().micros() * 75 / 2).unwrap();
    let policy = Policy::deny_all().epsilon(loss()).epsilon_per_asset(limit);
    let journal = Journal::in_memory().unwrap();
    let (admitted, refused) = std::thread::scope(|scope| {
        let admit = |thread: u64| {
            let (journal, original, policy) = (&journal, &original, &policy);
            scope.spawn(move || {
                let (mut admitted, mut refused) = (0, 0);
                for round in 0..4 {
                    let request = forged(original, thread * 4 + round);
                    // Sent twice, it is one job.
                    for _ in 0..2 {
                        match journal.admit(&record(&request), &request, policy) {
                            Ok(_) => admitted += 1,
                            Err(JournalError::Policy(e)) if matches!(*e, PolicyError::BudgetExhausted { .. }) => {
                                refused += 1
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                }
                (admitted, refused)
            })
        };
        let threads: Vec<_> = (0..64).map(admit).collect();
        threads.into_iter().map(|t| t.join().unwrap()).fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    });
    assert_eq!((admitted, refused), (2 * 37, 2 * (256 - 37)));
    assert_eq!(journal.jobs_admitted(original.asset()).unwrap(), 37);
    assert_eq!(journal.privacy_spent(original.asset()).unwrap(), 37 * loss().micros());
    let request = forged(&original, 1 << 40);
    let error = journal.admit(&record(&request), &request, &policy).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BudgetExhausted);
    assert!(error.hint().is_some());
}

const JOURNAL: &str = "SEALOCK_TEST_JOURNAL";
const BUDGETED_JOBS: u64 = 1000;

/// Admits and completes jobs until it is killed or the budget ends, and says so.
#[test]
#[ignore = "runs in the process that `a_killed_process_has_spent_what_it_admitted` kills"]
fn child_that_spends() {
    let folder = std::path::PathBuf::from(std::env::var_os(JOURNAL).expect("the parent names a folder"));
    let original = JobRequest::from_bytes(&std::fs::read(folder.join("request")).unwrap()).unwrap();
    let journal = Journal::open(folder.join("journal.redb")).unwrap();
    let limit = Epsilon::from_micros(loss().micros() * BUDGETED_JOBS).unwrap();
    let policy = Policy::deny_all().epsilon(loss()).epsilon_per_asset(limit);
    println!("ready");
    for number in journal.jobs_admitted(original.asset()).unwrap().. {
        let request = forged(&original, number);
        match journal.admit(&record(&request), &request, &policy) {
            Err(e) if e.kind() == ErrorKind::BudgetExhausted => break,
            admitted => drop(admitted.unwrap()),
        }
        println!("admitted {number}");
        journal.complete(request.id(), &owner(), &[0; 100], |n, p| statement(&request, n, p)).unwrap();
    }
}

#[test]
fn a_killed_process_has_spent_what_it_admitted() {
    use std::io::{BufRead, BufReader};
    let market = Market::open();
    let original = market.order().request(&Query::select([count()])).unwrap().request().clone();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("request"), original.to_bytes().unwrap()).unwrap();
    let start = || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_spends", "--ignored", "--nocapture"])
            .env(JOURNAL, folder.path())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let open = || Journal::open(folder.path().join("journal.redb")).unwrap();
    let (mut before, mut kills_between) = (0, 0);
    for round in 0..25u64 {
        let mut child = start();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with("ready")));
        std::thread::sleep(std::time::Duration::from_micros(500 + round * 1733));
        child.kill().unwrap();
        child.wait().unwrap();
        let said: Vec<u64> = lines.filter_map(|line| line.strip_prefix("admitted ")?.parse().ok()).collect();

        let journal = open();
        let admitted = journal.jobs_admitted(original.asset()).unwrap();
        let acknowledged = said.last().map_or(before, |last| last + 1);
        assert!((acknowledged..=acknowledged + 1).contains(&admitted), "{acknowledged} told, {admitted} admitted");
        assert_eq!(journal.privacy_spent(original.asset()).unwrap(), admitted * loss().micros());
        kills_between += usize::from(!journal.unfinished().unwrap().is_empty());
        assert_eq!(journal.receipts().unwrap().len() + journal.unfinished().unwrap().len(), admitted as usize);
        before = admitted;
    }
    assert!(before > 0 && kills_between > 0, "{before} jobs, {kills_between} kills within one");
    // Left alone, it spends what is left, and not more.
    assert!(start().wait_with_output().unwrap().status.success());
    let spent = open().privacy_spent(original.asset()).unwrap();
    assert_eq!(spent, BUDGETED_JOBS * loss().micros());
}
