//! The command `sealock-node`, as its user types it.
#![cfg(feature = "cli")]

#[path = "support/market.rs"]
mod market;

use std::path::Path;
use std::process::{Command, Output};

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealock-node"));
    command.arg("--folder").arg(folder).env("SEALOCK_PASSPHRASE", "a passphrase of a test");
    // Nobody else's node is asked.
    command.args(["--admin-listen", "127.0.0.1:9"]);
    command
}

fn run(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
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
    let (code, out, _) = run(command(&home).arg("init"));
    assert_eq!(code, 0);
    let address = out.lines().find_map(|line| line.strip_prefix("account ")).unwrap().to_owned();
    // A second account would take the place of the first.
    assert_eq!(run(command(&home).arg("init")).0, 1);

    write_data(&home);
    std::fs::write(home.join("offer.json"), offer().to_string()).unwrap();
    let publish = |home: &Path| {
        let mut command = command(home);
        command.arg("publish").arg(home.join("people.csv")).arg("--offer").arg(home.join("offer.json"));
        command
    };
    let (code, out, err) = run(&mut publish(&home));
    assert_eq!(code, 0, "{err}");
    let did = out.lines().next().unwrap().to_owned();
    assert!(did.starts_with("did:op:"), "{out}");
    let (code, out, _) = run(command(&home).arg("assets"));
    assert_eq!(code, 0);
    assert!(out.starts_with(&format!("{did}  people")), "{out}");
    assert_eq!(run(command(&home).arg("jobs")), (0, String::new(), String::new()));
    assert_eq!(run(command(&home).args(["receipts", "list"])).0, 0);
    let (code, out, _) = run(command(&home).args(["receipts", "verify"]));
    assert_eq!((code, out), (0, format!("0 receipts of {address} stand\n")));

    let (code, _, err) = run(command(&home).arg("assets").env("SEALOCK_PASSPHRASE", "another"));
    assert_eq!(code, 1, "{err}");
    let (code, _, err) = run(command(&home).arg("assets").env_remove("SEALOCK_PASSPHRASE"));
    assert!(code == 2 && err.contains("SEALOCK_PASSPHRASE"), "{err}");
    let (code, _, err) = run(command(&folder.path().join("elsewhere")).arg("serve"));
    assert!(code == 2 && err.contains("sealock-node init"), "{err}");

    // A receipt that is none, and one of nobody.
    std::fs::write(home.join("receipt"), "nothing").unwrap();
    let (code, _, err) = run(command(&home).args(["receipts", "verify"]).arg(home.join("receipt")));
    assert!(code == 1 && err.contains("receipt"), "{err}");
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
    let mut other_column = offer();
    other_column["policy"]["dimension_columns"] = serde_json::json!(["nothing"]);
    for (bad, says) in [(unknown, "prise"), (no_price, "price"), (other_column, "nothing")] {
        std::fs::write(home.join("offer.json"), bad.to_string()).unwrap();
        let data = home.join("people.csv");
        let (code, _, err) = run(command(home).arg("publish").arg(data).arg("--offer").arg(home.join("offer.json")));
        assert!(code != 0 && err.contains(says), "{err}");
    }
    let (code, _, err) = run(command(home).args(["publish", "nowhere.csv", "--offer", "nowhere.json"]));
    assert!(code == 1 && err.contains("nowhere.json"), "{err}");
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
    let (code, _, err) = run(command(folder.path()).args(["--config", "nowhere.toml", "config"]));
    assert!(code == 2 && err.contains("nowhere.toml"), "{err}");
    assert_eq!(run(command(folder.path()).arg("fly")).0, 2);
}
