//! A node that is killed again and again, at any moment, loses nothing that it has acknowledged and charges nothing twice.
//!
//! `make soak` does it two hundred times.
#![cfg(feature = "cli")]

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use sealock::order::Order;
use sealock::program::{Query, col, count, secret};
use sealock::protocol::JobState;
use sealock::receipt::verify_chain;
use sealock::remote::{RemoteNode, RemoteOptions};
use sealock::{Account, ErrorKind, Exchange};

#[path = "support/market.rs"]
mod market;

/// A node's process.
struct Process {
    folder: PathBuf,
    child: Option<Child>,
    url: String,
}

impl Process {
    fn command(folder: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sealock-node"));
        command.arg("--folder").arg(folder).env("SEALOCK_PASSPHRASE", "a passphrase of a test");
        command
    }

    /// Makes a folder with an asset.
    fn init(folder: &Path) {
        let run = |command: &mut Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        };
        run(Self::command(folder).arg("init"));
        let (data, offer) = (folder.join("people.csv"), folder.join("offer.json"));
        let mut csv = String::from("plan,age,visits\n");
        for person in market::people(3000) {
            let visits = person.visits.map_or(String::new(), |n| n.to_string());
            csv.push_str(&format!("{},{},{visits}\n", market::PLANS[person.plan], person.age));
        }
        std::fs::write(&data, csv).unwrap();
        let offered = serde_json::json!({
            "name": "people",
            "schema": market::schema(),
            "policy": market::policy().to_json().unwrap(),
            "terms": {"price": {"free": {"max_per_account": 100}}, "uses_per_order": 100_000},
        });
        std::fs::write(&offer, offered.to_string()).unwrap();
        run(Self::command(folder).arg("publish").arg(&data).arg("--offer").arg(&offer));
    }

    fn start(folder: &Path, listen: &str) -> Self {
        Self::of(folder, listen, Self::command(folder))
    }

    /// With files that can grow no longer than so many KiB, which is what a full disk is to whoever writes.
    fn start_on_a_full_disk(folder: &Path, kib: u64) -> Self {
        let mut command = Command::new("bash");
        let limited = format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" \"$@\"");
        command.arg("-c").arg(limited).arg(env!("CARGO_BIN_EXE_sealock-node"));
        command.arg("--folder").arg(folder).env("SEALOCK_PASSPHRASE", "a passphrase of a test");
        Self::of(folder, "127.0.0.1:0", command)
    }

    fn of(folder: &Path, listen: &str, mut command: Command) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut child = command
            .args(["--listen", listen, "--admin-listen", "127.0.0.1:0", "--log", "sealock=trace", "serve"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).expect("it says where it is");
        let url = said["url"].as_str().unwrap().to_owned();
        Self { folder: folder.to_owned(), child: Some(child), url }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn restart(&mut self) {
        self.kill();
        let listen = self.url.strip_prefix("http://").unwrap().to_owned();
        *self = Self::start(&self.folder, &listen);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn patient() -> RemoteOptions {
    let mut options = RemoteOptions::default();
    (options.timeout, options.patience) = (Duration::from_secs(20), Duration::from_secs(60));
    options
}

fn question(age: i64) -> Query {
    Query::select([count()]).filter(col("age").ge(secret(age)))
}

fn expected(age: i64) -> f64 {
    market::people(3000).iter().filter(|p| p.age >= age).count() as f64
}

/// Does something that may meet a node that is down, until it does not.
fn insist<T>(mut work: impl FnMut() -> sealock::Result<T>) -> T {
    for _ in 0..600 {
        match work() {
            Ok(done) => return done,
            Err(e) if matches!(e.kind(), ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Busy) => {
                thread::sleep(Duration::from_millis(100));
            }
            Err(e) => panic!("{e:?}"),
        }
    }
    panic!("the node did not come back");
}

/// Kills a node so many times while consumers ask, and looks at what is left.
fn kills(times: usize) {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    Process::init(&home);
    let mut process = Process::start(&home, "127.0.0.1:0");
    let exchange = Exchange::connect_with(&process.url, None, None, &patient()).unwrap();
    let asset = exchange.assets().unwrap().remove(0);
    let orders: Vec<(sealock::order::Consumer, Order)> = (0..3)
        .map(|_| {
            let consumer = exchange.consumer(Account::generate()).unwrap();
            consumer.buy(&asset, 1).unwrap();
            let order = consumer.order(&asset).unwrap();
            (consumer, order)
        })
        .collect();
    let node: RemoteNode = exchange.node().unwrap().clone();
    let stop = Arc::new(AtomicBool::new(false));
    let acknowledged = Mutex::new(Vec::new());
    let answered = Mutex::new(HashSet::new());
    thread::scope(|scope| {
        for (which, (_, order)) in orders.iter().enumerate() {
            let (node, stop, acknowledged, answered) = (&node, &stop, &acknowledged, &answered);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let age = [20, 40, 60, 80][round % 4];
                    let ticket = insist(|| order.request(&question(age)));
                    if which == 0 {
                        // Sent, acknowledged, and looked for at the end.
                        let status = insist(|| node.submit(ticket.request()));
                        assert!(matches!(status.state, JobState::Queued | JobState::Running | JobState::Complete));
                        acknowledged.lock().unwrap().push((ticket, age));
                        thread::sleep(Duration::from_millis(5));
                    } else {
                        let (result, receipt) = insist(|| node.run(ticket.request().clone()));
                        let answer = ticket.open(&result, &receipt).unwrap();
                        assert_eq!(answer.numbers("count").unwrap().to_f64(), [Some(expected(age))]);
                        assert!(answered.lock().unwrap().insert(ticket.job()), "a job was answered twice");
                    }
                }
            });
        }
        let mut pause = 0x2545_f491_4f6c_dd1du64;
        for _ in 0..times {
            pause ^= pause << 13;
            pause ^= pause >> 7;
            pause ^= pause << 17;
            thread::sleep(Duration::from_millis(pause % 700));
            process.restart();
        }
        stop.store(true, Ordering::Relaxed);
    });
    // Everything that was acknowledged is answered, and every answer is right.
    let acknowledged = acknowledged.into_inner().unwrap();
    let mut jobs = answered.into_inner().unwrap();
    for (ticket, age) in &acknowledged {
        let (result, receipt) = insist(|| node.run(ticket.request().clone()));
        let answer = ticket.open(&result, &receipt).unwrap();
        assert_eq!(answer.numbers("count").unwrap().to_f64(), [Some(expected(*age))]);
        jobs.insert(ticket.job());
    }
    process.kill();
    // One receipt for each job, one use for each receipt, and a chain without a gap.
    let secret = Process::command(&home).args(["receipts", "verify"]).output().unwrap();
    assert!(secret.status.success(), "{}", String::from_utf8_lossy(&secret.stderr));
    let keys = sealock::keystore::KeyStore::open(home.join("keys.age"), "a passphrase of a test").unwrap();
    let exchange = Exchange::local(&home).unwrap();
    let owner = exchange.owner_from(keys).unwrap();
    let receipts = owner.node().receipts().unwrap();
    verify_chain(owner.address(), &receipts).unwrap();
    let of_jobs: HashSet<_> = receipts.iter().map(|r| r.statement().job).collect();
    let of_uses: HashSet<_> = receipts.iter().map(|r| r.statement().nullifier).collect();
    assert_eq!(of_jobs, jobs, "jobs that were answered, and receipts");
    assert_eq!((receipts.len(), of_uses.len()), (jobs.len(), jobs.len()));
    assert_eq!(owner.node().jobs_admitted(&asset.did()).unwrap(), jobs.len() as u64);
    // The log says what happened, and of nobody who it was.
    let log = std::fs::read_to_string(home.join("log")).unwrap();
    assert!(log.contains("completed a job"));
    for (consumer, order) in &orders {
        for secret in [consumer.address().to_string(), hex::encode(order.record().commitment)] {
            assert!(!log.to_lowercase().contains(&secret.to_lowercase()), "the log names {secret}");
        }
    }
    println!("{times} kills, {} jobs, {} of them sent and left", jobs.len(), acknowledged.len());
}

#[test]
fn a_node_that_is_killed_loses_nothing_and_charges_nothing_twice() {
    kills(4);
}

#[test]
fn a_full_disk_refuses_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    Process::init(&home);
    let journal = std::fs::read_dir(home.join("state")).unwrap().map(|entry| entry.unwrap());
    let longest = journal.map(|entry| entry.metadata().unwrap().len()).max().unwrap();
    let mut options = patient();
    options.patience = Duration::ZERO;
    let (mut acknowledged, mut refused) = (Vec::new(), None);
    let mut process = Process::start_on_a_full_disk(&home, (longest >> 10) + 1500);
    let exchange = Exchange::connect_with(&process.url, None, None, &options).unwrap();
    let asset = exchange.assets().unwrap().remove(0);
    let consumer = exchange.consumer(Account::generate()).unwrap();
    consumer.buy(&asset, 1).unwrap();
    let order = consumer.order(&asset).unwrap();
    let node = exchange.node().unwrap();
    for _ in 0..60 {
        let ticket = order.request(&question(40)).unwrap();
        match node.submit(ticket.request()) {
            Ok(_) => acknowledged.push(ticket),
            Err(e) => {
                refused = Some((ticket, e));
                break;
            }
        }
    }
    let (first, error) = refused.expect("the disk is full at some time");
    assert!(matches!(error.kind(), ErrorKind::Internal | ErrorKind::Busy), "{error:?}");
    // It says that it takes no more, and that it is to be started again: the database under it writes nothing more.
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let agent = ureq::Agent::new_with_config(config);
    let status = |path: &str| agent.get(format!("{}{path}", process.url)).call().unwrap().status().as_u16();
    assert_eq!((status("/healthz"), status("/readyz")), (503, 503));
    process.kill();
    // There is room again.
    let process = Process::start(&home, "127.0.0.1:0");
    let node = RemoteNode::connect_with(&process.url, &patient()).unwrap();
    acknowledged.push(first);
    for ticket in &acknowledged {
        let (result, receipt) = node.run(ticket.request().clone()).unwrap();
        let answer = ticket.open(&result, &receipt).unwrap();
        assert_eq!(answer.numbers("count").unwrap().to_f64(), [Some(expected(40))]);
    }
}

#[test]
#[ignore = "long: `make soak`"]
fn soak() {
    kills(std::env::var("SEALOCK_KILLS").map_or(200, |n| n.parse().unwrap()));
}
