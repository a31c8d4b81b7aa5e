//! A node as Ocean's own client uses it: ocean.js, unmodified, against the node's routes and a chain with Ocean's contracts.
#![cfg(all(feature = "server", feature = "ocean"))]

#[path = "support/market.rs"]
mod market;
#[path = "support/ocean.rs"]
mod ocean;
#[path = "support/peers.rs"]
mod peers;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use market::{PLANS, people, policy, table};
use ocean::Chain;
use peers::Peer;
use sealock::asset::Terms;
use sealock::ledger::ocean::OceanLedger;
use sealock::owner::{Offer, Owner};
use sealock::policy::Policy;
use sealock::server::{OceanOptions, Server, ServerOptions};
use sealock::{Account, Asset, Exchange};
use serde_json::{Value, json};
use tempfile::TempDir;

const SQL: &str = "SELECT plan, count(*), sum(visits) FROM asset WHERE age >= 40 GROUP BY plan";
const ENVIRONMENT: &str = "sealock-cpu";

fn again(account: &Account) -> Account {
    Account::from_secret_bytes(&account.expose_secret_bytes()).unwrap()
}

/// A node on a chain, whose owner has published a table.
struct Node {
    folder: TempDir,
    chain: Chain,
    account: Account,
    ledger: Arc<OceanLedger>,
    exchange: Exchange,
    owner: Arc<Owner>,
    asset: Asset,
    server: Option<Server>,
    options: OceanOptions,
}

impl Node {
    fn open(policy: Policy, uses: u64, allow_hosts: &[&str]) -> Self {
        let (folder, chain) = (tempfile::tempdir().unwrap(), Chain::start());
        let account = chain.account();
        let ledger = Arc::new(chain.ledger());
        let store = Exchange::local_store(folder.path()).unwrap();
        let exchange = Exchange::local_on(folder.path(), store, ledger.clone()).unwrap();
        let owner = Arc::new(exchange.owner(again(&account)).unwrap());
        let terms = Terms::free(100).uses_per_order(uses).valid_for(86_400);
        let asset = owner.publish(&Offer::new("people", &table(&people(3000)), policy, terms)).unwrap().asset;
        let mut options = OceanOptions::default();
        options.allow_hosts = allow_hosts.iter().map(|host| (*host).into()).collect();
        let mut node = Self { folder, chain, account, ledger, exchange, owner, asset, server: None, options };
        node.start();
        node
    }

    fn start(&mut self) {
        let (owner, ledger) = (Arc::clone(&self.owner), Arc::clone(&self.ledger));
        let server = Server::start_on_ocean(owner, ledger, ServerOptions::loopback(), self.options.clone());
        self.server = Some(server.unwrap());
    }

    /// As a new process would: everything is read from the disk again.
    fn restart(self) -> Self {
        let Self { folder, chain, account, ledger, exchange, owner, asset, server, options } = self;
        drop((server, owner, exchange, ledger));
        let ledger = Arc::new(chain.ledger());
        let store = Exchange::local_store(folder.path()).unwrap();
        let exchange = Exchange::local_on(folder.path(), store, ledger.clone()).unwrap();
        let owner = Arc::new(exchange.owner(again(&account)).unwrap());
        let mut node = Self { folder, chain, account, ledger, exchange, owner, asset, server: None, options };
        node.start();
        node
    }

    fn url(&self) -> String {
        self.server.as_ref().unwrap().url()
    }

    /// ocean.js for an account.
    fn client(&self, account: &Account) -> Peer {
        let mut client = Peer::script("ocean/node-client.mjs");
        let secret = format!("0x{}", hex::encode(*account.expose_secret_bytes()));
        let (url, addresses) = (&self.chain.url, &self.chain.addresses);
        client.ask(json!({"do": "open", "url": url, "addresses": addresses, "secret": secret, "node": self.url()}));
        client
    }

    fn consumer(&self) -> (Account, Peer) {
        let account = self.chain.account();
        let client = self.client(&account);
        (account, client)
    }

    fn did(&self) -> String {
        self.asset.did().to_string()
    }

    /// Orders the table for computing, as Ocean's clients do: for the environment, which then computes.
    fn order_compute(&self, client: &mut Peer) -> String {
        let datasets = json!([{"documentId": self.did(), "serviceId": "0"}]);
        let algorithm = json!({"meta": {"rawcode": SQL}});
        let fees = client.ask(json!({
            "do": "initializeCompute", "datasets": datasets, "algorithm": algorithm, "environment": ENVIRONMENT,
        }));
        let dataset = &fees["datasets"][0];
        assert_eq!(dataset["validOrder"], json!(false));
        let consumer = dataset["consumerAddress"].clone();
        tx(&client.ask(json!({
            "do": "order", "did": self.did(), "service": "0", "consumer": consumer, "fee": dataset["providerFee"],
        })))
    }

    fn start_job(&self, client: &mut Peer, tx: &str, code: &str) -> Result<Value, String> {
        client.try_ask(&json!({
            "do": "start", "environment": ENVIRONMENT,
            "datasets": [{"documentId": self.did(), "serviceId": "0", "transferTxId": tx}],
            "algorithm": {"meta": {"rawcode": code}},
        }))
    }
}

fn tx(answer: &Value) -> String {
    answer["tx"].as_str().unwrap().to_owned()
}

fn job_name(jobs: &Value) -> String {
    jobs[0]["jobId"].as_str().unwrap().to_owned()
}

/// Waits until a job has ended.
fn ended(client: &mut Peer, job: &str) -> Value {
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let job = client.ask(json!({"do": "status", "job": job}))[0].take();
        if job["dateFinished"].is_string() {
            return job;
        }
        assert!(Instant::now() < until, "{job}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn result(client: &mut Peer, job: &str) -> Value {
    let text = client.ask(json!({"do": "result", "job": job, "index": 0}));
    serde_json::from_str(text["text"].as_str().unwrap()).unwrap()
}

fn check_answer(answer: &Value) {
    for (row, plan) in answer["rows"].as_array().unwrap().iter().zip(PLANS) {
        let chosen = people(3000).into_iter().filter(|p| PLANS[p.plan] == plan && p.age >= 40);
        let (rows, visits) = chosen.fold((0, 0), |(rows, sum), p| (rows + 1, sum + p.visits.unwrap_or(0)));
        assert_eq!(row["plan"], plan);
        assert_eq!((row["count"].as_i64(), row["sum(visits)"].as_f64()), (Some(rows), Some(visits as f64)), "{row}");
    }
}

/// A description as an application makes it, for ocean.js' `createAsset`, which fills in what is not there.
fn ddo(kind: &str) -> Value {
    let mut metadata = json!({
        "created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z", "type": kind, "name": "An asset",
        "description": "An asset of the tests", "author": "somebody", "license": "MIT", "tags": ["test"],
    });
    if kind == "algorithm" {
        metadata["algorithm"] = json!({
            "language": "sql", "version": "1", "container": {
                "entrypoint": "none", "image": "none", "tag": "none", "checksum": "none",
            },
        });
    }
    json!({
        "@context": ["https://w3id.org/did/v1"], "id": "did:op:", "version": "4.5.0", "chainId": 8996, "nftAddress": "0x0",
        "metadata": metadata, "stats": {"price": {"value": "0"}},
        "services": [{
            "id": "files", "type": "access", "files": "", "datatokenAddress": "", "serviceEndpoint": "", "timeout": 86_400,
        }],
    })
}

fn url_file(url: &str) -> Value {
    json!({"type": "url", "url": url, "method": "GET"})
}

/// Serves files at a loopback port, by path.
fn files(files: &[(&'static str, &[u8])]) -> u16 {
    let files: HashMap<&'static str, Vec<u8>> = files.iter().map(|(path, bytes)| (*path, bytes.to_vec())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().and_then(Result::ok).unwrap_or_default();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let path = first.split(' ').nth(1).unwrap_or_default();
            let _ = match files.get(path) {
                Some(bytes) => {
                    let head =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", bytes.len());
                    stream.write_all(&[head.as_bytes(), bytes].concat())
                }
                None => stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
            };
        }
    });
    port
}

#[test]
fn an_unmodified_ocean_js_publishes_orders_downloads_and_computes() {
    let data: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    let port = files(&[("/some/data.bin", &data), ("/query.sql", SQL.as_bytes())]);
    let node = Node::open(policy(), 3, &["127.0.0.1"]);
    let mut owner = node.client(&node.account);
    assert_eq!(owner.ask(json!({"do": "valid"}))["valid"], json!(true));

    // Publishing: files and description are encrypted by the node, which shows the description to everybody.
    let at = |path: &str| url_file(&format!("http://127.0.0.1:{port}{path}"));
    let create = |owner: &mut Peer, kind: &str, path: &str, encrypt: bool| -> String {
        let created =
            owner.ask(json!({"do": "createAsset", "ddo": ddo(kind), "files": [at(path)], "encrypt": encrypt}));
        created["did"].as_str().unwrap().to_owned()
    };
    let dataset = create(&mut owner, "dataset", "/some/data.bin", true);
    let algorithm = create(&mut owner, "algorithm", "/query.sql", false);
    let (_, mut consumer) = node.consumer();
    let shown = consumer.ask(json!({"do": "wait", "did": dataset}));
    assert_eq!(shown["id"], json!(dataset));
    assert!(
        !shown.to_string().contains("127.0.0.1:") || !shown.to_string().contains("data.bin"),
        "the place is a secret"
    );
    let event = shown["indexedMetadata"]["event"]["txid"].as_str().unwrap().to_owned();
    assert_eq!(consumer.ask(json!({"do": "wait", "did": dataset, "tx": event}))["id"], json!(dataset));

    // Ordering and downloading.
    let order = tx(&consumer.ask(json!({"do": "order", "did": dataset, "service": "files"})));
    let file = json!({"do": "download", "did": dataset, "service": "files", "tx": order});
    for _ in 0..2 {
        let got = consumer.ask(file.clone());
        assert_eq!(got["filename"], "data.bin");
        let bytes = data_encoding::BASE64.decode(got["data"].as_str().unwrap().as_bytes()).unwrap();
        assert!(bytes == data);
    }

    // Computing, with an algorithm that is an asset, too.
    let environments = consumer.ask(json!({"do": "environments"}));
    assert_eq!(environments[0]["id"], ENVIRONMENT);
    let datasets = json!([{"documentId": node.did(), "serviceId": "0"}]);
    let fees = consumer.ask(json!({
        "do": "initializeCompute", "datasets": datasets, "environment": ENVIRONMENT,
        "algorithm": {"documentId": algorithm, "serviceId": "files"},
    }));
    let mut order = |did: &str, service: &str, fee: &Value| {
        let environment = &environments[0]["consumerAddress"];
        tx(&consumer.ask(json!({"do": "order", "did": did, "service": service, "consumer": environment, "fee": fee})))
    };
    let on_data = order(&node.did(), "0", &fees["datasets"][0]["providerFee"]);
    let on_algorithm = order(&algorithm, "files", &fees["algorithm"]["providerFee"]);
    let datasets = json!([{"documentId": node.did(), "serviceId": "0", "transferTxId": on_data}]);
    let algorithm = json!({"documentId": algorithm, "serviceId": "files", "transferTxId": on_algorithm});
    let fees = consumer.ask(json!({
        "do": "initializeCompute", "datasets": datasets, "environment": ENVIRONMENT, "algorithm": algorithm,
    }));
    assert_eq!(
        (&fees["datasets"][0]["validOrder"], &fees["algorithm"]["validOrder"]),
        (&json!(on_data), &json!(on_algorithm))
    );
    let jobs = consumer.ask(json!({
        "do": "start", "environment": ENVIRONMENT, "datasets": datasets, "algorithm": algorithm,
    }));
    let name = job_name(&jobs);
    let job = ended(&mut consumer, &name);
    assert_eq!((&job["status"], &job["statusText"]), (&json!(70), &json!("Job finished")), "{job}");
    assert_eq!(job["agreementId"], json!(on_data));
    check_answer(&result(&mut consumer, &name));
    let csv = consumer.ask(json!({"do": "result", "job": name, "index": 1}))["text"].as_str().unwrap().to_owned();
    assert!(csv.starts_with("plan,count,sum(visits)\nfree,"), "{csv}");
    let rest = consumer.ask(json!({"do": "result", "job": name, "index": 1, "offset": 5}));
    assert_eq!(rest["text"].as_str(), Some(&csv[5..]));
    // It is a job like others, with a receipt.
    assert_eq!(node.owner.node().receipts().unwrap().len(), 1);
    assert_eq!(node.owner.node().jobs_admitted(&node.asset.did()).unwrap(), 1);
}

/// The parts of a refused request: `ocean.js` shows what the node says.
fn refused(outcome: Result<Value, String>, why: &str) {
    let error = outcome.expect_err("it is refused");
    assert!(error.contains(why), "expected {why:?} in {error}");
}

const NO_ORDER: &str = "Invalid payment transaction";

#[test]
fn an_order_pays_for_what_its_maker_ordered_and_for_nothing_else() {
    let node = Node::open(policy(), 2, &[]);
    let ((_, mut anna), (bert_account, mut bert)) = (node.consumer(), node.consumer());
    let token = node.asset.service().datatoken.to_string();
    let bought = node.order_compute(&mut anna);

    // Another's order, which everybody can see.
    refused(node.start_job(&mut bert, &bought, SQL), NO_ORDER);
    let jobs = node.start_job(&mut anna, &bought, SQL).unwrap();
    let name = job_name(&jobs);
    check_answer(&{
        ended(&mut anna, &name);
        result(&mut anna, &name)
    });
    refused(bert.try_ask(&json!({"do": "status", "job": name})), "Cannot find the job");
    refused(bert.try_ask(&json!({"do": "status", "agreement": bought})), "jobId");
    refused(bert.try_ask(&json!({"do": "stop", "job": name})), "Cannot find the job");
    refused(bert.try_ask(&json!({"do": "result", "job": name, "index": 0})), "404");

    // The contracts take all of these, and none is an order.
    let fee = |peer: &mut Peer| {
        peer.ask(json!({
            "do": "initializeCompute", "datasets": [{"documentId": node.did(), "serviceId": "0"}],
            "algorithm": {"meta": {"rawcode": SQL}}, "environment": ENVIRONMENT,
        }))["datasets"][0]["providerFee"]
            .take()
    };
    let mut chain = node.chain.client(&bert_account);
    let own = chain.ask(json!({"do": "publish"}))["datatoken"].take();
    chain.ask(json!({"do": "mint", "datatoken": own, "amount": "5"}));
    chain.ask(json!({"do": "dispense", "datatoken": token, "amount": "6"}));
    let zeros = format!("0x{}", "0".repeat(64));
    let zero = "0x0000000000000000000000000000000000000000";
    let nobodys = json!({
        "providerFeeAddress": zero, "providerFeeToken": zero, "providerFeeAmount": "0", "v": 27, "r": zeros, "s": zeros,
        "validUntil": 0, "providerData": fee(&mut bert)["providerData"],
    });
    let secret = format!("0x{}", hex::encode(*bert_account.expose_secret_bytes()));
    let own_data = fee(&mut bert)["providerData"].take();
    let own_fee = chain.ask(json!({"do": "signProviderFee", "providerData": own_data, "secret": secret}));
    let of_a_token_of_his = json!({"do": "order", "datatoken": own, "service": 0, "providerFee": fee(&mut bert)});
    let of_another_service = json!({"do": "order", "datatoken": token, "service": 1, "providerFee": fee(&mut bert)});
    let of_no_provider = json!({"do": "order", "datatoken": token, "service": 0, "providerFee": nobodys});
    let of_his_own_providing = json!({"do": "order", "datatoken": token, "service": 0, "providerFee": own_fee});
    let of_annas_again = json!({"do": "reuse", "datatoken": token, "order": bought, "providerFee": fee(&mut bert)});
    for attack in [of_a_token_of_his, of_another_service, of_no_provider, of_his_own_providing, of_annas_again] {
        let mined = chain.ask(attack.clone());
        assert_eq!(mined["status"], json!(1));
        refused(node.start_job(&mut bert, &tx(&mined), SQL), NO_ORDER);
    }
    // This is one: through the factory, which counts, too.
    let good = fee(&mut bert);
    let many = bert.ask(json!({"do": "orderMany", "orders": [
        {"datatoken": token, "consumer": bert_account.address().to_string(), "service": 0, "fee": good},
    ]}));
    let first = job_name(&node.start_job(&mut bert, &tx(&many), SQL).unwrap());
    check_answer(&{
        ended(&mut bert, &first);
        result(&mut bert, &first)
    });

    // A private order pays for private jobs alone, and those above are in no group.
    let carla_account = node.chain.account();
    let carla = node.exchange.consumer(again(&carla_account)).unwrap();
    carla.buy(&node.asset, 1).unwrap();
    let private = carla.order(&node.asset).unwrap();
    let mut client = node.client(&carla_account);
    refused(node.start_job(&mut client, &format!("0x{}", private.record().tx), SQL), NO_ORDER);
    assert_eq!(node.owner.orders(&node.asset).unwrap().len(), 1);

    // Two uses: the same program again is the same job, another is another, and a third is one too many.
    let same = node.start_job(&mut anna, &bought, SQL).unwrap();
    assert_eq!(job_name(&same), name);
    let other = job_name(&node.start_job(&mut anna, &bought, "SELECT count(*) FROM asset").unwrap());
    assert_ne!(other, name);
    assert_eq!(ended(&mut anna, &other)["status"], json!(70));
    refused(node.start_job(&mut anna, &bought, "SELECT sum(visits) FROM asset"), "no use left");
    assert_eq!(job_name(&node.start_job(&mut anna, &bought, SQL).unwrap()), name);
    assert_eq!(node.owner.node().jobs_admitted(&node.asset.did()).unwrap(), 3);
}

#[test]
fn a_program_runs_under_the_policy_or_not_at_all() {
    let node = Node::open(policy().max_jobs(1), 3, &[]);
    let (_, mut anna) = node.consumer();
    let bought = node.order_compute(&mut anna);
    for (code, why) in [
        ("SELECT var_pop(visits) FROM asset", "policy does not allow"),
        ("SELECT histogram(age) FROM asset", "policy does not allow"),
        ("SELECT count(*) FROM asset WHERE age > SECRET(40)", "secrets"),
        ("SELECT count(*) FROM asset WHERE nothing = 1", "does not fit"),
        ("SELECT * FROM asset", "no Sealock program"),
        ("import os", "no Sealock program"),
        ("deadbeef", "no Sealock program"),
    ] {
        refused(node.start_job(&mut anna, &bought, code), why);
    }
    assert_eq!(node.owner.node().jobs_admitted(&node.asset.did()).unwrap(), 0);
    // A program as bytes.
    let query = sealock::program::Query::from_sql(SQL).unwrap();
    let bytes = hex::encode(query.program().to_bytes().unwrap());
    let name = job_name(&node.start_job(&mut anna, &bought, &bytes).unwrap());
    assert_eq!(ended(&mut anna, &name)["status"], json!(70));
    check_answer(&result(&mut anna, &name));
    // What the asset has answered is the owner's to know: the refusal says one word.
    refused(node.start_job(&mut anna, &bought, "SELECT count(*) FROM asset"), "\"rejected\"");
    assert_eq!(node.owner.node().refusals().last().unwrap().kind, sealock::ErrorKind::PolicyDenied);
    assert_eq!(node.owner.node().receipts().unwrap().len(), 1);
}

fn status(answer: &Value) -> u64 {
    answer["status"].as_u64().unwrap()
}

#[test]
fn a_signature_is_for_one_request_of_one_account() {
    let port = files(&[("/data.txt", b"the data")]);
    let node = Node::open(policy(), 3, &["127.0.0.1"]);
    let mut owner = node.client(&node.account);
    let at = url_file(&format!("http://127.0.0.1:{port}/data.txt"));
    let did = owner.ask(json!({"do": "createAsset", "ddo": ddo("dataset"), "files": [at]}))["did"].take();
    let ((anna_account, mut anna), (bert_account, mut bert)) = (node.consumer(), node.consumer());
    let bought = tx(&anna.ask(json!({"do": "order", "did": did, "service": "files"})));
    let path = |signed: &Value, index: &str| {
        let text = |name: &str| signed[name].as_str().unwrap().to_owned();
        format!(
            "/api/services/download?fileIndex={index}&documentId={}&serviceId=files&transferTxId={bought}&consumerAddress={}\
             &nonce={}&signature={}",
            did.as_str().unwrap(),
            text("consumerAddress"),
            text("nonce"),
            text("signature"),
        )
    };
    let sign = |peer: &mut Peer, nonce: &str, command: &str, who: &Account| {
        let address = who.address().to_string();
        peer.ask(json!({"do": "sign", "nonce": nonce, "command": command, "address": address}))
    };
    let get = |peer: &mut Peer, path: &str| peer.ask(json!({"do": "request", "path": path}));

    let fetch = |peer: &mut Peer, nonce: &str, command: &str, who: &Account, index: &str| {
        let signed = sign(peer, nonce, command, who);
        get(peer, &path(&signed, index))
    };

    // Whoever has seen a request could send it again: the first is served, and the second is not.
    let seen = path(&sign(&mut anna, "5", "download", &anna_account), "0");
    let first = get(&mut bert, &seen);
    assert_eq!((status(&first), first["text"].as_str()), (200, Some("the data")));
    for nonce in ["5", "4", "0"] {
        let again = path(&sign(&mut anna, nonce, "download", &anna_account), "0");
        assert_eq!(status(&get(&mut anna, &again)), 401);
    }
    // In another's name, and for another purpose.
    assert_eq!(status(&fetch(&mut bert, "6", "download", &anna_account, "0")), 401);
    assert_eq!(status(&fetch(&mut anna, "6", "encrypt", &anna_account, "0")), 401);
    let own_name = fetch(&mut bert, "6", "download", &bert_account, "0");
    assert!(status(&own_name) == 403 && own_name["text"].as_str().unwrap().contains(NO_ORDER), "{own_name}");
    for (index, code) in [("-1", 400), ("1", 404), ("..%2f0", 400), ("99999999999999999999", 400), ("0x0", 400)] {
        assert_eq!(status(&fetch(&mut anna, "6", "download", &anna_account, index)), code);
    }
    // None of these has spent the nonce.
    assert_eq!(anna.ask(json!({"do": "nonce"}))["nonce"], json!(5));
    assert_eq!(status(&fetch(&mut anna, "6", "download", &anna_account, "0")), 200);

    // Paths that lead elsewhere, and parameters that are there twice.
    for bad in ["..%2f..%2f..%2fetc%2fpasswd", "did:op:..", "%00", &"x".repeat(2000)] {
        assert_eq!(status(&get(&mut anna, &format!("/api/aquarius/assets/ddo/{bad}"))), 400, "{bad}");
    }
    let unknown = format!("/api/aquarius/assets/ddo/did:op:{}", "0".repeat(64));
    assert_eq!(status(&get(&mut anna, &unknown)), 404);
    let twice = path(&sign(&mut anna, "7", "download", &anna_account), "0") + "&fileIndex=1";
    assert_eq!(status(&get(&mut anna, &twice)), 400);

    // The node encrypts for its owner alone, and signs what the owner publishes alone.
    let encrypt = |peer: &mut Peer, signed: &Value| {
        let text = |name: &str| signed[name].as_str().unwrap().to_owned();
        let (who, nonce, signature) = (text("consumerAddress"), text("nonce"), text("signature"));
        let path =
            format!("/api/services/encrypt?chainId=8996&consumerAddress={who}&nonce={nonce}&signature={signature}");
        peer.ask(json!({"do": "request", "method": "POST", "path": path, "body": "{}"}))
    };
    let signed = sign(&mut anna, "8", "encrypt", &anna_account);
    assert_eq!(status(&encrypt(&mut anna, &signed)), 403);
    assert_eq!(anna.ask(json!({"do": "validate", "ddo": ddo("dataset")}))["valid"], json!(false));
    let bare = anna
        .ask(json!({"do": "request", "method": "POST", "path": "/api/services/encrypt?chainId=8996", "body": "{}"}));
    assert_eq!(status(&bare), 400);
    let shown = owner.ask(json!({"do": "wait", "did": did}));
    let valid = owner.ask(json!({"do": "validate", "ddo": shown}));
    assert_eq!(valid["proof"]["validatorAddress"].as_str().unwrap(), node.account.address().to_string());
}

#[test]
fn the_nodes_own_network_is_out_of_reach() {
    let port = files(&[("/secret", b"the secret")]);
    let mut node = Node::open(policy(), 3, &[]);
    let mut owner = node.client(&node.account);
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::1]", "169.254.169.254"];
    let mut places: Vec<Value> = hosts.iter().map(|host| url_file(&format!("http://{host}:{port}/secret"))).collect();
    places.push(url_file("file:///etc/passwd"));
    let did = owner.ask(json!({"do": "createAsset", "ddo": ddo("dataset"), "files": places}))["did"].take();
    let (account, mut anna) = node.consumer();
    let bought = tx(&anna.ask(json!({"do": "order", "did": did, "service": "files"})));
    let get = |anna: &mut Peer, file: usize| {
        let url = anna.ask(json!({"do": "downloadUrl", "did": did, "service": "files", "tx": bought, "file": file}));
        let url = url["url"].as_str().unwrap();
        let path = url[url.find("/api").unwrap()..].to_owned();
        anna.ask(json!({"do": "request", "path": path}))
    };
    for file in 0..places.len() {
        let answer = get(&mut anna, file);
        assert_eq!(status(&answer), 502, "{answer}");
        assert!(!answer["text"].as_str().unwrap().contains("secret"), "it says nothing of what is there");
    }
    // The attack works once somebody says that this host may be anywhere.
    node.options.allow_hosts = vec!["localhost".into()];
    let node = node.restart();
    let mut anna = node.client(&account);
    assert_eq!(get(&mut anna, 1)["text"], "the secret");
    assert_eq!(status(&get(&mut anna, 0)), 502);
}

#[test]
fn where_files_are_is_encrypted_for_one_asset() {
    let port = files(&[("/data.txt", b"the data")]);
    let node = Node::open(policy(), 3, &["127.0.0.1"]);
    let mut owner = node.client(&node.account);
    let at = url_file(&format!("http://127.0.0.1:{port}/data.txt"));
    let did = owner.ask(json!({"do": "createAsset", "ddo": ddo("dataset"), "files": [at]}))["did"].take();
    let (account, mut eve) = node.consumer();
    let shown = eve.ask(json!({"do": "wait", "did": did}));
    let stolen = shown["services"][0]["files"].as_str().unwrap().to_owned();

    // What everybody can read, in an asset of one's own that one gives to the owner: the node serves it, but not the files.
    let mut chain = node.chain.client(&account);
    let made = chain.ask(json!({"do": "publish"}));
    let (nft, token) = (made["nft"].as_str().unwrap().to_owned(), made["datatoken"].as_str().unwrap().to_owned());
    chain.ask(json!({"do": "mint", "datatoken": token, "amount": "2"}));
    let own = chain.ask(json!({"do": "did", "nft": nft}))["did"].take();
    let mut copy = ddo("dataset");
    (copy["id"], copy["nftAddress"]) = (own.clone(), json!(nft));
    (copy["services"][0]["files"], copy["services"][0]["datatokenAddress"]) = (json!(stolen), json!(token));
    chain.ask(json!({"do": "setMetadata", "nft": nft, "ddo": copy.to_string()}));
    assert_eq!(eve.ask(json!({"do": "wait", "did": own})), Value::Null, "it is not the owner's");
    chain.ask(json!({"do": "transferNft", "nft": nft, "to": node.account.address().to_string()}));
    assert_eq!(eve.ask(json!({"do": "wait", "did": own}))["id"], own);
    let fee = eve.ask(json!({"do": "initialize", "did": own, "service": "files"}))["providerFee"].take();
    let bought = tx(&chain.ask(json!({"do": "order", "datatoken": token, "service": 0, "providerFee": fee})));
    let url = eve.ask(json!({"do": "downloadUrl", "did": own, "service": "files", "tx": bought}));
    let url = url["url"].as_str().unwrap();
    let answer = eve.ask(json!({"do": "request", "path": url[url.find("/api").unwrap()..]}));
    assert!(status(&answer) == 403 && answer["text"].as_str().unwrap().contains("not of this node"), "{answer}");

    // Nor does the node show it as a description.
    let made = chain.ask(json!({"do": "publish"}));
    let nft = made["nft"].as_str().unwrap().to_owned();
    let own = chain.ask(json!({"do": "did", "nft": nft}))["did"].take();
    let hash = format!("0x{}", "11".repeat(32));
    eve.ask(json!({"do": "describe", "nft": nft, "data": stolen, "hash": hash}));
    chain.ask(json!({"do": "transferNft", "nft": nft, "to": node.account.address().to_string()}));
    let answer =
        eve.ask(json!({"do": "request", "path": format!("/api/aquarius/assets/ddo/{}", own.as_str().unwrap())}));
    assert!(status(&answer) == 404 && !answer["text"].as_str().unwrap().contains("data"), "{answer}");
}

#[test]
fn jobs_nonces_and_downloads_survive_a_restart() {
    let node = Node::open(policy().allow_download(), 2, &[]);
    let (account, mut anna) = node.consumer();
    let bought = node.order_compute(&mut anna);
    // The data itself, where the policy allows that: one use, however often it is fetched.
    let order = tx(&anna.ask(json!({"do": "order", "did": node.did(), "service": "1"})));
    let mut plain = Vec::new();
    node.owner.download(&node.asset).unwrap().write_to(&mut plain).unwrap();
    for _ in 0..3 {
        let got = anna.ask(json!({"do": "download", "did": node.did(), "service": "1", "tx": order}));
        assert_eq!(got["filename"], "table.parquet");
        assert!(data_encoding::BASE64.decode(got["data"].as_str().unwrap().as_bytes()).unwrap() == plain);
    }
    let url = anna.ask(json!({"do": "downloadUrl", "did": node.did(), "service": "1", "tx": order}));
    let url = url["url"].as_str().unwrap();
    let path = url[url.find("/api").unwrap()..].to_owned();
    assert_eq!(status(&anna.ask(json!({"do": "request", "path": path}))), 200);
    // An order of one service pays for no other.
    refused(node.start_job(&mut anna, &order, SQL), NO_ORDER);

    let name = job_name(&node.start_job(&mut anna, &bought, SQL).unwrap());
    let node = node.restart();
    let mut anna = node.client(&account);
    assert_eq!(status(&anna.ask(json!({"do": "request", "path": path}))), 401, "its nonce stays spent");
    assert_eq!(ended(&mut anna, &name)["status"], json!(70));
    check_answer(&result(&mut anna, &name));
    assert_eq!(job_name(&node.start_job(&mut anna, &bought, SQL).unwrap()), name);
    assert_eq!(node.owner.node().jobs_admitted(&node.asset.did()).unwrap(), 2);
    assert_eq!(node.owner.node().receipts().unwrap().len(), 2);
}
