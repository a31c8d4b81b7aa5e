//! A compute node over loopback: what HTTP costs over the call in the process, how admissions compare with the bare
//! verification of their proofs, and whether memory grows with the number of jobs.
//!
//! `cargo bench --workspace --bench node --profile dev`; `SEALOCK_BENCH_JOBS` (10000 unless set) is the number of jobs of the
//! last part, each of which takes a proof that is made first. With `-- memory` that part alone is run.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sealock::job::JobRequest;
use sealock::journal::Parked;
use sealock::keystore::KeyStore;
use sealock::node::Node;
use sealock::order::{Consumer, Order};
use sealock::program::{Query, col, count, secret};
use sealock::remote::{RemoteNode, RemoteOptions};
use sealock::server::{Server, ServerOptions};
use sealock::{Account, Exchange};
use sealock_zk::{Claim, Credential, IdentitySecret, LeanImt, Scalar, Witness, os_rng, prove, setup, verify};

const PASSPHRASE: &str = "a passphrase of a benchmark";
/// Requests of one part.
const REQUESTS: usize = 192;
/// Of the parts that measure admissions. Making more of them would take longer than a proof is good for.
const ADMISSIONS: usize = 512;
/// How many ask for them at the same time.
const CLIENTS: usize = 64;

fn main() {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let jobs: usize = std::env::var("SEALOCK_BENCH_JOBS").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("node");
    publish(&home);

    if !std::env::args().any(|argument| argument == "memory") {
        rates(&home, cores);
    }
    memory(&home, cores, jobs);
}

/// Admissions and jobs a second.
fn rates(home: &Path, cores: usize) {
    let bare = bare_verification(cores);
    println!("verification of the proof alone: {bare:.0} a second on {cores} cores\n");

    let local = {
        // In the process: the same folder, the same journal on the same disk.
        let keys = KeyStore::open(home.join("keys.age"), PASSPHRASE).expect("a key store");
        let exchange = Exchange::local(home).expect("a folder");
        let owner = Arc::new(exchange.owner_from(keys).expect("an owner"));
        let (market, node) = (Buyers::new(exchange, cores), owner.node());
        let admit = |request: &JobRequest| {
            node.submit(request.clone()).expect("an admission");
        };
        let measured = every(&market.requests(ADMISSIONS), CLIENTS, admit);
        let of = measured.rate() / bare;
        println!("admissions in the process, {CLIENTS} threads: {measured}; {of:.2} of verification");
        give_up(node);
        let run = |request: &JobRequest| drop(node.run(request.clone()).expect("an answer"));
        let local = every(&market.requests(REQUESTS), 1, run);

        let mut options = ServerOptions::loopback();
        options.workers = 1;
        (options.max_queued, options.max_queued_per_asset) = (ADMISSIONS, ADMISSIONS);
        let server = Server::start(Arc::clone(&owner), options).expect("a server");
        let far = RemoteNode::connect(&server.url()).expect("a node");
        let admit = |request: &JobRequest| drop(far.submit(request).expect("an admission"));
        let measured = every(&market.requests(ADMISSIONS), CLIENTS, admit);
        let of = measured.rate() / bare;
        println!(
            "admissions over HTTP, {CLIENTS} connections, one worker beside: {measured}; {of:.2} of verification\n"
        );
        server.stop();
        give_up(node);
        println!("jobs in the process, one after the other: {local}");
        local
    };

    let mut process = Process::start(home);
    let node = process.connect();
    let market = Buyers::new(Exchange::connect_in_memory(&process.url).expect("a node"), cores);
    let run = |request: &JobRequest| drop(node.run(request.clone()).expect("an answer"));
    for clients in [1, 8, 64] {
        let measured = every(&market.requests(REQUESTS), clients, run);
        println!("jobs over HTTP, {clients:>2} clients: {measured}");
        if clients == 1 {
            let over = measured.median().as_secs_f64() / local.median().as_secs_f64();
            println!("  a job takes {over:.2} times as long as in the process");
        }
    }
    println!();
    process.stop();
}

/// What the node's process takes while it answers so many jobs.
fn memory(home: &Path, cores: usize, jobs: usize) {
    let mut process = Process::start(home);
    let node = process.connect();
    let market = Buyers::new(Exchange::connect_in_memory(&process.url).expect("a node"), cores);
    let run = |request: &JobRequest| drop(node.run(request.clone()).expect("an answer"));
    let mut done = 0;
    let mut first = 0;
    while done < jobs {
        let some = market.requests((jobs - done).min(250));
        every(&some, 8, run);
        done += some.len();
        let memory = process.memory();
        if first == 0 {
            first = memory;
        }
        if done % 1000 == 0 || done == jobs {
            println!(
                "memory of the node's process after {done} jobs: {memory} MiB, {:.2} of that after the first 250",
                memory as f64 / first as f64
            );
        }
    }
    process.stop();
}

/// Leaves the jobs that were admitted and nobody waits for uncomputed.
fn give_up(node: &Node) {
    for job in node.unfinished().expect("a list") {
        node.park(job, Some(Parked::Cancelled)).expect("a note");
    }
}

/// Verifications of an access proof of the depth of assets, on all cores.
fn bare_verification(cores: usize) -> f64 {
    let keys = setup(sealock::access::GROUP_DEPTH, &mut os_rng()).expect("a key");
    let secret = IdentitySecret::generate(&mut os_rng());
    let credential = Credential { asset: Scalar::hash("bench", &[b"asset"]), limit: 10, expiry: 10 };
    let mut tree = LeanImt::with_max_depth(sealock::access::GROUP_DEPTH).expect("a tree");
    tree.insert(credential.leaf(secret.commitment())).expect("room");
    let membership = tree.proof(0).expect("a member");
    let (message, scope) = (Scalar::hash("bench", &[b"message"]), Scalar::hash("bench", &[b"scope"]));
    let claim = Claim { root: membership.root(), message, scope, now: 1 };
    let witness = Witness { secret: &secret, credential: &credential, use_index: 0, membership: &membership };
    let (statement, proof) = prove(&keys.proving_key, &claim, &witness, &mut os_rng()).expect("a proof");
    let each = 200;
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                for _ in 0..each {
                    verify(&keys.verifying_key, &statement, &proof).expect("a proof that verifies");
                }
            });
        }
    });
    (each * cores) as f64 / start.elapsed().as_secs_f64()
}

/// How long each of some calls took, and all of them.
struct Measured {
    each: Vec<Duration>,
    all: Duration,
}

impl Measured {
    fn rate(&self) -> f64 {
        self.each.len() as f64 / self.all.as_secs_f64()
    }

    fn median(&self) -> Duration {
        self.each[self.each.len() / 2]
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let late = self.each[self.each.len() * 99 / 100];
        write!(f, "{:.0} a second, median {:.1} ms, 99th percentile {:.1} ms", self.rate(), ms(self.median()), ms(late))
    }
}

/// Calls `work` for each, so many at a time.
fn every(requests: &[JobRequest], threads: usize, work: impl Fn(&JobRequest) + Sync) -> Measured {
    let (next, each) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let start = Instant::now();
                    work(request);
                    each.lock().expect("no panic").push(start.elapsed());
                }
            });
        }
    });
    let all = start.elapsed();
    let mut each = each.into_inner().expect("no panic");
    each.sort();
    Measured { each, all }
}

/// Consumers with an order each, who make requests on all cores.
struct Buyers {
    orders: Vec<(Consumer, Order)>,
    _exchange: Exchange,
}

impl Buyers {
    fn new(exchange: Exchange, count: usize) -> Self {
        let asset = exchange.assets().expect("assets").remove(0);
        let order = || {
            let consumer = exchange.consumer(Account::generate()).expect("a consumer");
            consumer.buy(&asset, 1).expect("a datatoken");
            let order = consumer.order(&asset).expect("an order");
            (consumer, order)
        };
        let orders = (0..count.max(3)).map(|_| order()).collect();
        Self { orders, _exchange: exchange }
    }

    fn requests(&self, number: usize) -> Vec<JobRequest> {
        let query = Query::select([count()]).filter(col("age").ge(secret(40)));
        let (made, left) = (Mutex::new(Vec::with_capacity(number)), AtomicUsize::new(number));
        thread::scope(|scope| {
            for (_, order) in &self.orders {
                scope.spawn(|| {
                    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                        let ticket = order.request(&query).expect("a request");
                        made.lock().expect("no panic").push(ticket.request().clone());
                    }
                });
            }
        });
        made.into_inner().expect("no panic")
    }
}

/// A node's process.
struct Process {
    child: Child,
    url: String,
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealock-node"));
    command.arg("--folder").arg(folder).env("SEALOCK_PASSPHRASE", PASSPHRASE);
    command
}

fn publish(home: &Path) {
    let run = |command: &mut Command| assert!(command.stdout(Stdio::null()).status().expect("a process").success());
    run(command(home).arg("init"));
    let (data, offer) = (home.join("people.csv"), home.join("offer.json"));
    let rows: String = (0..10_000).map(|i| format!("{},{}\n", i * 7919 % 100, i % 50)).collect();
    std::fs::write(&data, format!("age,visits\n{rows}")).expect("a file");
    let offered = serde_json::json!({
        "name": "benchmark",
        "schema": sealock::asset::Schema::new(vec![
            sealock::asset::Column::integer("age", 0, 99).dimension().bins([0, 20, 40, 60, 80, 99]),
            sealock::asset::Column::integer("visits", 0, 50).measure(),
        ]).expect("a schema"),
        "policy": sealock::policy::Policy::deny_all()
            .dimensions(["age"])
            .measures(["visits"])
            .aggregations([sealock::program::Aggregation::Count])
            .any_program()
            .min_group_size(5)
            .to_json()
            .expect("a policy"),
        "terms": {"price": {"free": {"max_per_account": 10}}, "uses_per_order": 1_000_000},
    });
    std::fs::write(&offer, offered.to_string()).expect("a file");
    run(command(home).arg("publish").arg(&data).arg("--offer").arg(&offer));
}

impl Process {
    fn start(home: &Path) -> Self {
        let mut child = command(home)
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log", "error", "serve"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let said: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        Self { child, url: said["url"].as_str().expect("a URL").to_owned() }
    }

    fn connect(&self) -> RemoteNode {
        RemoteNode::connect_with(&self.url, &RemoteOptions::default()).expect("a node")
    }

    /// Resident memory, in MiB.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) >> 10
    }

    fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}
