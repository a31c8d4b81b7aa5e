//! The owner's page, in a browser.
#![cfg(all(feature = "server", feature = "dp"))]

#[path = "support/market.rs"]
mod market;
#[path = "support/peers.rs"]
mod peers;
#[path = "../../examples/data/records.rs"]
mod records;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex};

use records::Records;
use sealock::asset::{Table, Terms};
use sealock::ledger::Amount;
use sealock::order::Order;
use sealock::owner::{Offer, Owner};
use sealock::policy::Policy;
use sealock::privacy::Epsilon;
use sealock::program::{Aggregation, Query, col, count, mean, secret, sum};
use sealock::server::{Server, ServerOptions};
use sealock::store::{Adding, Block, Cid, DiskStore, Freed, Result, Store};
use sealock::{Account, Address, Asset, Exchange};
use serde_json::Value;

const HOSTILE: &str = "<img src=x onerror=\"alert(1)\"><script>alert(2)</script>";

/// A store in which the server's workers wait at a gate that is closed, so that what runs and what waits stays so.
struct Gated {
    inner: DiskStore,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    closed: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, closed: bool) {
        *self.closed.lock().unwrap() = closed;
        self.opened.notify_all();
    }

    fn pass(&self) {
        if std::thread::current().name().is_some_and(|name| name.starts_with("sealock-worker")) {
            let closed = self.closed.lock().unwrap();
            drop(self.opened.wait_while(closed, |closed| *closed).unwrap());
        }
    }
}

impl Store for Gated {
    fn put(&self, block: &Block) -> Result<()> {
        self.inner.put(block)
    }
    fn get(&self, cid: &Cid) -> Result<Block> {
        self.gate.pass();
        self.inner.get(cid)
    }
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.inner.has(cid)
    }
    fn pin(&self, root: &Cid) -> Result<()> {
        self.inner.pin(root)
    }
    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.inner.unpin(root)
    }
    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.inner.is_pinned(root)
    }
    fn pins(&self) -> Result<Vec<Cid>> {
        self.inner.pins()
    }
    fn adding(&self) -> Result<Adding> {
        self.inner.adding()
    }
    fn gc(&self) -> Result<Freed> {
        self.inner.gc()
    }
}

/// A node with something to see: six jobs are complete, one runs and two wait for as long as this is there.
struct Node {
    server: Option<Server>,
    gate: Arc<Gate>,
    _folder: tempfile::TempDir,
}

impl Node {
    /// Beside the RAND Health Insurance Experiment, assets of these names may be published.
    fn open(others: &[&str], token: Option<&str>) -> Self {
        let (folder, gate) = (tempfile::tempdir().unwrap(), Arc::new(Gate::default()));
        let inner = Exchange::local_store(folder.path()).unwrap();
        let exchange = Exchange::local_with(folder.path(), Gated { inner, gate: Arc::clone(&gate) }).unwrap();
        let account = Account::generate();
        let secret = *account.expose_secret_bytes();
        let owner = exchange.owner(account).unwrap();
        let bank = Account::generate();
        let ocean = exchange.ledger().deploy_token(&bank, "Ocean", "OCEAN", Amount::whole(1_000)).unwrap();
        let order = |asset: &Asset| {
            let consumer = exchange.consumer(Account::generate()).unwrap();
            exchange.ledger().mint(&bank, ocean, consumer.address(), Amount::whole(2)).unwrap();
            consumer.buy(asset, 1).unwrap();
            consumer.order(asset).unwrap()
        };
        let asset = experiment(&owner, ocean);
        let orders: Vec<Order> = (0..4).map(|_| order(&asset)).collect();
        for order in orders.iter().chain(&orders[..2]) {
            owner.node().run(order.request(&question()).unwrap().request().clone()).unwrap();
        }
        for name in others {
            let (people, terms) = (market::table(&market::people(500)), Terms::free(9).valid_for(3600));
            let offer = Offer::new(*name, &people, market::policy(), terms);
            order(&owner.publish(&offer).unwrap().asset);
        }
        // An owner that is opened again has no data in memory: the next job takes it from the store.
        drop(owner);
        let owner = exchange.owner(Account::from_secret_bytes(&secret).unwrap()).unwrap();
        let greedy = Query::select([sum("visits")]);
        let refused = orders[3].request_without_policy_check(&greedy).unwrap();
        owner.node().run(refused.request().clone()).unwrap_err();
        for order in &orders[1..] {
            owner.node().submit(order.request(&question()).unwrap().request().clone()).unwrap();
        }
        gate.set(true);
        let mut options = ServerOptions::loopback();
        options.workers = 1;
        options.admin_token = token.map(Into::into);
        let server = Some(Server::start(owner, options).unwrap());
        Self { server, gate, _folder: folder }
    }

    /// What the page says, by section, once the browser is content with it.
    fn look(&self, pictures: &Path, token: Option<&str>) -> Value {
        let url = self.server.as_ref().unwrap().admin_url().unwrap();
        let mut browser = Command::new(peers::node());
        browser.arg(peers::interop("page/page.mjs")).arg(url).arg(pictures).args(token);
        let output = browser.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.gate.set(false);
        drop(self.server.take());
    }
}

/// The table of the examples, for two tokens an order, and some privacy.
fn experiment(owner: &Owner, token: Address) -> Asset {
    let table = Table::from_batches(records::schema().unwrap(), [Records::read().unwrap().batch().unwrap()]).unwrap();
    let epsilon = |text: &str| text.parse::<Epsilon>().unwrap();
    let policy = Policy::deny_all()
        .dimensions(["health", "cost_share", "chronic"])
        .measures(["visits"])
        .aggregations([Aggregation::Count, Aggregation::Mean])
        .any_program()
        .clamp("visits", 0, 20)
        .epsilon(epsilon("0.25"))
        .epsilon_per_order(epsilon("1"))
        .epsilon_per_asset(epsilon("3"))
        .max_jobs(200)
        .purpose("public health research");
    let terms = Terms::fixed(token, Amount::whole(2)).uses_per_order(3).valid_for(30 * 86_400);
    owner.publish(&Offer::new("RAND Health Insurance Experiment", &table, policy, terms)).unwrap().asset
}

fn question() -> Query {
    Query::select([mean("visits"), count()]).filter(col("chronic").ge(secret(10))).group_by(["health"])
}

fn assert_said(page: &Value, section: &str, words: &[&str]) {
    let text = page[section].as_str().unwrap();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in:\n{text}");
    }
}

#[test]
fn the_page_shows_what_runs_what_ran_and_what_it_cost() {
    let pictures = tempfile::tempdir().unwrap();
    let page = Node::open(&[HOSTILE], None).look(pictures.path(), None);
    assert_said(&page, "overview", &["Running\n1\nof 1 worker", "Waiting\n2\n", "Receipts\n6\n", "75 %\nspent"]);
    let price = "2 of the token";
    let schema = ["outpatient visits to a physician in a year", "0 to 60, 6 decimal places", "4 bins at"];
    let policy = ["3 uses per order", "counts as 0 to 20", "200 at most", "Purpose\npublic health research", "10 rows"];
    let budget = "ε 2.25 spent of 3, 0.75 left, enough for 3 more jobs";
    assert_said(&page, "assets", &["RAND Health Insurance Experiment", price, budget]);
    assert_said(&page, "assets", &schema);
    assert_said(&page, "assets", &policy);
    assert_said(&page, "assets", &["a request hides among 4 accounts", HOSTILE, "⚠ a request hides among 1 account"]);
    let jobs = page["jobs"].as_str().unwrap();
    assert_eq!((jobs.matches("running").count(), jobs.matches("waiting").count()), (1, 2), "{jobs}");
    assert_said(&page, "refusals", &["Policy denied", "rule allowed_aggregations"]);
    let receipts = page["receipts"].as_str().unwrap();
    assert_eq!((receipts.matches('✓').count(), receipts.matches('✗').count()), (6, 0), "{receipts}");
    for name in ["light.png", "dark.png", "narrow.png"] {
        assert!(pictures.path().join(name).exists(), "{name}");
    }
}

#[test]
fn nothing_is_shown_without_the_token() {
    let pictures = tempfile::tempdir().unwrap();
    let token = Some("a token of a test");
    let page = Node::open(&[], token).look(pictures.path(), token);
    assert_said(&page, "assets", &["RAND Health Insurance Experiment"]);
}

/// Makes the picture of the documentation: `cargo test --workspace --test server_page -- --ignored`.
#[test]
#[ignore = "it writes into docs"]
fn the_picture_of_the_documentation() {
    let pictures = tempfile::tempdir().unwrap();
    Node::open(&[], None).look(pictures.path(), None);
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/images");
    std::fs::create_dir_all(&docs).unwrap();
    std::fs::copy(pictures.path().join("light.png"), docs.join("node-page.png")).unwrap();
}
