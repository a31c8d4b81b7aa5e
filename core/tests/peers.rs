//! The other implementations that tests run against do start, answer, meet each other and end.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

#[path = "support/peers.rs"]
mod peers;
use peers::{Peer, path};

const TEXT: &[u8] = b"a file that travels";

fn file() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), TEXT).unwrap();
    file
}

#[test]
fn kubo_and_helia_fetch_from_each_other() {
    let (mut kubo, mut helia) = (Peer::kubo(), Peer::helia());
    let file = file();
    let whole = json!({"size": TEXT.len(), "sha256": hex::encode(Sha256::digest(TEXT))});
    kubo.ask(json!({"do": "connect", "addr": helia.addr("tcp")}));
    assert_eq!(helia.ask(json!({"do": "peers"})), json!({"peers": [kubo.id()]}));
    let there = kubo.ask_text(json!({"do": "add", "path": path(file.path())}), "cid");
    assert_eq!(helia.ask(json!({"do": "get", "cid": there})), whole);
    let here = helia.ask_text(json!({"do": "add", "path": path(file.path())}), "cid");
    assert_ne!(here, there);
    assert_eq!(kubo.ask(json!({"do": "get", "cid": here})), whole);
}

#[test]
fn the_rpc_daemon_speaks_kubos_rpc() {
    let daemon = Peer::rpc_daemon();
    let (host, port) = daemon.url().strip_prefix("http://").unwrap().split_once(':').unwrap();
    let mut stream = std::net::TcpStream::connect((host, port.parse().unwrap())).unwrap();
    let request = format!("POST /api/v0/id HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let answer = std::io::read_to_string(stream).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains(daemon.id()), "{answer}");
}

#[test]
fn the_tools_name_files_alike() {
    let (mut importer, mut aleph, mut car) = (Peer::importer(), Peer::aleph(), Peer::car());
    let (file, folder) = (file(), tempfile::tempdir().unwrap());
    let legacy = json!({"do": "cid", "path": path(file.path()), "profile": "kubo-legacy"});
    let cid = importer.ask_text(legacy.clone(), "cid");
    assert_eq!(aleph.ask_text(legacy, "cid"), cid);
    let (archive, out) = (folder.path().join("file.car"), folder.path().join("out"));
    car.ask(json!({"do": "pack", "path": path(file.path()), "car": path(&archive)}));
    assert_eq!(car.ask(json!({"do": "roots", "car": path(&archive)})), json!({"cids": [cid]}));
    assert_eq!(car.ask(json!({"do": "blocks", "car": path(&archive)})), json!({"cids": [cid]}));
    car.ask(json!({"do": "unpack", "car": path(&archive), "path": path(&out)}));
    assert_eq!(std::fs::read(out).unwrap(), TEXT);
}

#[test]
fn a_peer_reports_errors_and_lives_on() {
    let mut importer = Peer::importer();
    let error = importer.try_ask(&json!({"do": "nonsense"})).unwrap_err();
    assert!(error.contains("nonsense"), "{error}");
    let missing = json!({"do": "cid", "path": "/nonexistent", "profile": "kubo-v0"});
    assert!(importer.try_ask(&missing).unwrap_err().contains("ENOENT"));
    let file = file();
    let cid = importer.ask(json!({"do": "cid", "path": path(file.path()), "profile": "kubo-v0"}));
    assert!(matches!(&cid["cid"], Value::String(cid) if cid.starts_with("Qm")), "{cid}");
}
