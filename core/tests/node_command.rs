//! The command `sealock-node`, as its user types it.
#![cfg(feature = "cli")]

#[path = "support/market.rs"]
mod market;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealock-node"));
    command.arg("--folder").arg(folder).env("SEALOCK_PASSPHRASE", "a passphrase of a test");
    command
}

/// A node that runs, until it is dropped: killed, not stopped.
struct Running(Child, serde_json::Value);

impl Running {
    fn start(folder: &Path, more: &[&str]) -> Self {
        let mut command = command(folder);
        command
            .args(["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--log", "error", "serve"])
            .args(more);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        Self(child, serde_json::from_str(&said).unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn publish(home: &Path) -> Command {
    let mut command = command(home);
    command.arg("publish").arg(home.join("people.csv")).arg("--offer").arg(home.join("offer.json"));
    command
}

fn init(home: &Path) -> String {
    let (code, out, err) = run(command(home).arg("init"));
    assert_eq!(code, 0, "{err}");
    out.lines().find_map(|line| line.strip_prefix("account ")).unwrap().to_owned()
}

fn offer() -> serde_json::Value {
    serde_json::json!({
        "name": "people",
        "schema": market::schema(),
        "policy": market::policy().to_json().unwrap(),
        "terms": {"price": {"free": {"max_per_account": 1}}},
    })
}

fn write_data(folder: &Path) {
    let mut csv = String::from("plan,age,visits\n");
    for person in market::people(500) {
        let visits = person.visits.map_or(String::new(), |n| n.to_string());
        csv.push_str(&format!("{},{},{visits}\n", market::PLANS[person.plan], person.age));
    }
    std::fs::write(folder.join("people.csv"), csv).unwrap();
}

#[test]
fn a_folder_is_made_filled_and_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    let address = init(&home);
    // A second account would take the place of the first.
    let (code, _, err) = run(command(&home).arg("init"));
    assert!(code == 2 && err.contains("another --folder"), "{err}");

    write_data(&home);
    std::fs::write(home.join("offer.json"), offer().to_string()).unwrap();
    let (code, out, err) = run(&mut publish(&home));
    assert_eq!(code, 0, "{err}");
    let did = out.lines().next().unwrap().to_owned();
    assert!(did.starts_with("did:op:"), "{out}");
    let (code, out, _) = run(command(&home).arg("assets"));
    assert_eq!(code, 0);
    assert!(out.starts_with(&format!("{did}  people")), "{out}");
    assert!(out.contains("price free, at most 1 for each account"), "{out}");
    for (of, says) in [(&["jobs"][..], "no jobs"), (&["receipts", "list"], "no receipts")] {
        let (code, out, err) = run(command(&home).args(of));
        assert!(code == 0 && out.is_empty() && err.contains(says) && err.contains(&address), "{err}");
    }
    let (code, out, _) = run(command(&home).args(["receipts", "verify"]));
    assert_eq!((code, out), (0, format!("0 receipts stand, of {address}, whose node does not run\n")));

    // A second asset of the name would stand beside the first.
    let (code, _, err) = run(&mut publish(&home));
    assert!(code == 2 && err.contains(&did) && err.contains("--again"), "{err}");
    assert_eq!(run(publish(&home).arg("--again")).0, 0);
    assert_eq!(run(command(&home).arg("assets")).1.matches("  people\n").count(), 2);

    let (code, _, err) = run(command(&home).arg("assets").env("SEALOCK_PASSPHRASE", "another"));
    assert_eq!(code, 1, "{err}");
    let (code, _, err) = run(command(&home).arg("assets").env_remove("SEALOCK_PASSPHRASE"));
    assert!(code == 2 && err.contains("SEALOCK_PASSPHRASE"), "{err}");
    let (code, _, err) = run(command(&folder.path().join("elsewhere")).arg("serve"));
    assert!(code == 2 && err.contains("sealock-node init"), "{err}");

    // A receipt that is none, and one of nobody.
    std::fs::write(home.join("receipt"), "nothing").unwrap();
    let (code, _, err) = run(command(&home).args(["receipts", "verify"]).arg(home.join("receipt")));
    assert!(code == 1 && err.contains(home.join("receipt").to_str().unwrap()), "{err}");
    let (code, ..) = run(command(&home).args(["receipts", "verify", "--owner", "nobody"]).arg(home.join("receipt")));
    assert_eq!(code, 2);
}

#[test]
fn an_offer_that_is_none_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    assert_eq!(run(command(home).arg("init")).0, 0);
    write_data(home);
    let mut unknown = offer();
    unknown["prise"] = 1.into();
    let mut no_price = offer();
    no_price["terms"] = serde_json::json!({});
    let mut price_in_a_word = offer();
    price_in_a_word["terms"]["price"] = "free".into();
    let mut no_schema = offer();
    no_schema.as_object_mut().unwrap().remove("schema");
    let mut short = offer();
    short["description"] = "short".into();
    let mut unknown_rule = offer();
    unknown_rule["policy"]["dimensions"] = serde_json::json!(["plan"]);
    let mut denies = offer();
    denies["policy"] = serde_json::json!({});
    let mut other_column = offer();
    other_column["policy"]["dimension_columns"] = serde_json::json!(["nothing"]);
    let all = [
        (unknown, "prise"),
        (no_price, "price"),
        (price_in_a_word, "max_per_account"),
        (no_schema, "sealock-node offer"),
        (short, "description: 10 to 7000 characters"),
        (unknown_rule, "dimension_columns"),
        (denies, "allow"),
        (other_column, "nothing"),
    ];
    for (bad, says) in all {
        std::fs::write(home.join("offer.json"), bad.to_string()).unwrap();
        let data = home.join("people.csv");
        let (code, _, err) = run(command(home).arg("publish").arg(data).arg("--offer").arg(home.join("offer.json")));
        assert!(code != 0 && err.contains(says), "{err}");
    }
    let (code, _, err) = run(command(home).args(["publish", "nowhere.csv", "--offer", "nowhere.json"]));
    assert!(code == 1 && err.contains("nowhere.json"), "{err}");
}

/// The draft is complete, tells what to decide, and allows nothing by itself.
#[test]
fn an_offer_is_drafted_completed_and_published() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    init(home);
    write_data(home);
    let (code, out, err) = run(command(home).arg("offer").arg(home.join("people.csv")));
    assert!(code == 0 && err.contains("PUBLIC") && err.contains("dimension_columns"), "{err}");
    let mut offer: serde_json::Value = serde_json::from_str(&out).unwrap();
    std::fs::write(home.join("offer.json"), &out).unwrap();
    assert_eq!(run(&mut publish(home)).0, 2, "it has no description");
    offer["description"] = "Visits per person and year.".into();
    // What is left out of a policy is denied.
    offer["policy"] = serde_json::json!({
        "dimension_columns": ["plan"], "allowed_aggregations": ["count"], "allowed_programs": "any",
    });
    std::fs::write(home.join("offer.json"), offer.to_string()).unwrap();
    let (code, _, err) = run(&mut publish(home));
    assert_eq!(code, 0, "{err}");
    assert_eq!(run(command(home).args(["offer", "people.parquet"])).0, 2);
}

/// The offer that the manual shows is one.
#[test]
fn the_offer_of_the_manual_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    init(home);
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/node.md")).unwrap();
    let shown = manual.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    std::fs::write(home.join("offer.json"), shown).unwrap();
    let rows: String = (0..100).map(|n| format!("{},{n},{}\n", ["free", "paid"][n % 2], n / 2)).collect();
    std::fs::write(home.join("people.csv"), format!("plan,age,visits\n{rows}")).unwrap();
    let (code, out, err) = run(&mut publish(home));
    assert!(code == 0 && out.contains("0 of 100 rows are withheld"), "{out}{err}");
}

/// Whoever asks about a folder hears of that folder, whichever nodes run.
#[test]
fn a_folder_is_answered_for_by_its_own_node() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
    let [address, other] = [&here, &there].map(|home| init(home));
    write_data(&here);
    std::fs::write(here.join("offer.json"), offer().to_string()).unwrap();
    assert_eq!(run(&mut publish(&here)).0, 0);
    let verify = |home: &Path| run(command(home).args(["receipts", "verify"]));
    {
        let node = Running::start(&here, &[]);
        let url = node.1["url"].as_str().unwrap();
        assert_eq!(node.1["address"], address.as_str());
        let (code, out, err) = run(command(&here).arg("assets"));
        assert!(code == 0 && out.contains("people"), "{err}");
        assert_eq!(verify(&here).1, format!("0 receipts stand, of {address}, whose node runs at {url}\n"));
        // Not the node that happens to run, even where it is said to be this folder's.
        assert_eq!(verify(&there).1, format!("0 receipts stand, of {other}, whose node does not run\n"));
        let mut moved = node.1.clone();
        moved["address"] = other.as_str().into();
        std::fs::write(there.join("serving.json"), moved.to_string()).unwrap();
        assert_eq!(verify(&there).1, format!("0 receipts stand, of {other}, whose node does not run\n"));
        let (code, _, err) = verify(&folder.path().join("nowhere"));
        assert!(code == 2 && err.contains("no node's folder"), "{err}");

        let serve = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "serve"];
        for (code, _, err) in [run(publish(&here).arg("--again")), run(command(&here).args(serve))] {
            assert!(code == 2 && err.contains("a node runs on") && err.contains(url), "{err}");
        }
    }
    // It was killed, and has said nothing of that.
    assert!(here.join("serving.json").is_file());
    assert_eq!(verify(&here).1, format!("0 receipts stand, of {address}, whose node does not run\n"));
    let again = Running::start(&here, &["--set", "server.admin_token=0123456789012345"]);
    let (code, _, err) = run(command(&here).arg("assets"));
    assert!(code == 2 && err.contains("SEALOCK_NODE_SERVER__ADMIN_TOKEN") && err.contains("show the token"), "{err}");
    let with = |token: &str| run(command(&here).args(["--set", &format!("server.admin_token={token}"), "assets"]));
    assert!(with("0123456789012346").2.contains("the token is another"));
    assert_eq!(with("0123456789012345").0, 0);
    // A node that is told to stop takes its word back.
    let pid = again.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    for _ in 0..600 {
        if !here.join("serving.json").is_file() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it did not stop");
}

#[test]
fn a_failed_init_leaves_nothing_and_files_are_named_as_seen_from_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("node");
    let (code, _, err) = run(command(&home).arg("init").env_remove("SEALOCK_PASSPHRASE"));
    assert!(code == 2 && err.contains("SEALOCK_PASSPHRASE") && !home.exists(), "{err}");

    let file = folder.path().join("node.toml");
    std::fs::write(&file, "passphrase_file = \"passphrase\"\n").unwrap();
    std::fs::write(folder.path().join("passphrase"), "another passphrase of a test\n").unwrap();
    let with = |verb: &str| {
        let mut command = command(&home);
        command.env_remove("SEALOCK_PASSPHRASE").arg("--config").arg(&file).arg(verb);
        run(&mut command)
    };
    let (code, _, err) = with("init");
    assert_eq!(code, 0, "{err}");
    assert!(!home.join("sealock-node.toml").exists(), "the configuration is elsewhere");
    assert_eq!(with("jobs").0, 0);
    assert_eq!(run(command(&home).arg("jobs")).0, 1, "under another passphrase");
}

#[test]
fn every_setting_tells_where_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sealock-node.toml");
    std::fs::write(&file, "log = \"debug\"\n[server]\nmax_queued = 5\nadmin_token = \"a token of sixteen\"\n").unwrap();
    let (code, out, err) = run(command(folder.path())
        .args(["--set", "server.max_queued=7", "config"])
        .env("SEALOCK_NODE_SERVER__WORKERS", "3"));
    assert_eq!(code, 0, "{err}");
    let line = |key: &str| {
        let found = out.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap();
        found.split_whitespace().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("server.max_queued"), ["7", "flag"]);
    assert_eq!(line("server.workers"), ["3", "environment"]);
    assert_eq!(line("log"), ["debug", file.to_str().unwrap()]);
    assert_eq!(line("server.body_timeout"), ["60", "default"]);
    assert!(!out.contains("sixteen") && out.contains("(not shown)"), "{out}");

    for (set, says) in [
        ("server.max_queue=7", "max_queue"),
        ("server.workers=many", "workers"),
        ("server.listen=nowhere", "listen"),
        ("server", "KEY=VALUE"),
    ] {
        let (code, _, err) = run(command(folder.path()).args(["--set", set, "config"]));
        assert!(code == 2 && err.contains(says), "{set}: {err}");
    }
    let (code, _, err) = run(command(folder.path()).args(["--listen", "nowhere", "config"]));
    assert!(code == 2 && err.contains("--listen") && !err.contains("--set"), "{err}");
    let (code, _, err) = run(command(folder.path()).args(["--config", "nowhere.toml", "config"]));
    assert!(code == 2 && err.contains("nowhere.toml"), "{err}");
    assert_eq!(run(command(folder.path()).arg("fly")).0, 2);
}
