//! What strangers send a node, and what they do not get.
#![cfg(all(feature = "server", feature = "client"))]

#[path = "support/market.rs"]
mod market;
#[path = "support/served.rs"]
mod served;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sealock::asset::Terms;
use sealock::program::{Query, count};
use sealock::remote::{RemoteNode, RemoteOptions};
use sealock::server::{Server, ServerOptions};
use sealock::store::{GatewayStore, MemoryStore, Store};
use sealock::{Account, ErrorKind, Exchange};
use served::Served;

fn with(change: impl FnOnce(&mut ServerOptions)) -> Served {
    let mut options = ServerOptions::loopback();
    change(&mut options);
    Served::with(market::policy(), Terms::free(100).uses_per_order(1000).valid_for(3600), options)
}

/// Sends bytes, and reads until the server closes or nothing comes for some time.
fn send(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: SocketAddr, path: &str, headers: &str) -> String {
    send(address, format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").as_bytes())
}

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn post(address: SocketAddr, path: &str, headers: &str, body: &[u8]) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    send(address, &[head.as_bytes(), body].concat())
}

#[test]
fn bodies_have_a_length_a_limit_and_a_time() {
    let served = with(|options| options.body_timeout = 1);
    let at = served.server.address();
    for path in ["/api/v1/jobs", "/api/v1/ledger/transactions", "/api/v1/offers"] {
        assert_eq!(status(&post(at, path, "Transfer-Encoding: chunked\r\n", b"0\r\n\r\n")), 411);
        assert_eq!(status(&post(at, path, "Content-Length: 99999999999\r\n", b"")), 413);
        assert_eq!(status(&post(at, path, "Content-Length: 3\r\nContent-Encoding: gzip\r\n", b"abc")), 415);
        let start = Instant::now();
        assert_eq!(status(&post(at, path, "Content-Length: 500\r\n", b"abc")), 408);
        assert!(start.elapsed() < Duration::from_secs(4));
    }
    let garbage = post(at, "/api/v1/jobs", "Content-Length: 3\r\n", b"abc");
    assert_eq!(status(&garbage), 400);
    assert!(garbage.contains("not a valid job request: expected a map, got a text"), "{garbage}");
    assert!(garbage.contains("send the bytes of a request") && !garbage.contains("spent elsewhere"), "{garbage}");
    assert_eq!(served.owner.node().refusals().last().unwrap().kind, ErrorKind::Malformed);
    // That somebody sent it is not the node's failure.
    let admin = served.server.admin_address().unwrap();
    assert!(get(admin, "/metrics", "").contains("sealock_node_admissions_total{outcome=\"rejected\"} 1"));
}

#[test]
fn who_announces_much_and_sends_nothing_takes_no_room() {
    let served = Served::open();
    let at = served.server.address();
    let mut silent: Vec<_> = (0..20).map(|_| TcpStream::connect(at).unwrap()).collect();
    for stream in &mut silent {
        let head = "POST /api/v1/jobs HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(300));
    let (exchange, _consumer, order) = served.order();
    let ticket = order.request(&Query::select([count()])).unwrap();
    exchange.node().unwrap().submit(ticket.request()).unwrap();
}

#[test]
fn heads_have_a_limit_and_a_time() {
    let served = with(|options| options.header_timeout = 1);
    let at = served.server.address();
    let start = Instant::now();
    let answer = send(at, b"GET /api/v1/node HTTP/1.1\r\nHost: x\r\n");
    assert!(matches!(status(&answer), 0 | 408), "{answer}");
    assert!(start.elapsed() < Duration::from_secs(4), "a head that never ends is not waited for");
    // Nor are those who say nothing, or the beginning of HTTP/2's preface and no more.
    for silent in [&b""[..], b"PRI * HTTP/2.0\r\n\r\nSM"] {
        let start = Instant::now();
        send(at, silent);
        assert!(start.elapsed() < Duration::from_secs(4), "{silent:?}");
    }
    let long = format!("X: {}\r\n", "x".repeat(100 << 10));
    assert!(matches!(status(&get(at, "/api/v1/node", &long)), 0 | 400 | 431));
    assert_eq!(status(&get(at, "/api/v1/node", "")), 200, "others are served");
}

#[test]
fn there_are_so_many_connections_and_no_more() {
    let served = with(|options| options.max_connections = 4);
    let at = served.server.address();
    let idle: Vec<_> = (0..4).map(|_| TcpStream::connect(at).unwrap()).collect();
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(status(&get(at, "/healthz", "")), 0, "one more is closed");
    // The owner gets in all the same.
    assert_eq!(status(&get(served.server.admin_address().unwrap(), "/healthz", "")), 200);
    drop(idle);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(status(&get(at, "/healthz", "")), 200);
}

#[test]
fn whoever_takes_nothing_of_an_answer_is_hung_up_on() {
    let served = with(|options| options.body_timeout = 1);
    let mut stream = TcpStream::connect(served.server.address()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(8))).unwrap();
    // More answers than all buffers on the way hold.
    let ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
    let start = Instant::now();
    while stream.write_all(&ask).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(7), "it is still listened to");
    }
    assert!(start.elapsed() < Duration::from_secs(7));
}

#[test]
fn paths_lead_nowhere_else() {
    let served = Served::open();
    let (at, admin) = (served.server.address(), served.server.admin_address().unwrap());
    let hostile = [
        "/ipfs/../../etc/passwd?format=raw",
        "/ipfs/%2e%2e%2f%2e%2e%2fetc%2fpasswd?format=raw",
        "/ipfs/..%00?format=raw",
        "/ipfs/QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG?format=raw",
        "/ipfs/bafkqaaa?format=raw",
        "/api/v1/assets/..%2f..%2fetc",
        "/api/v1/assets/did:op:%00",
        "/api/v1/jobs/..%2f",
        "/api/v1/jobs/%ff",
        "/api/v1/assets?from=-1",
        "/api/v1/assets?from=99999999999999999999999",
        "/api/v1/ledger/transactions?limit=0",
        "/api/v1/ledger/transactions?limit=1000000",
        "/page.js/../../x",
        "//etc/passwd",
        "/api/receipts/-1",
    ];
    for path in hostile {
        for address in [at, admin] {
            let code = status(&get(address, path, ""));
            assert!((400..500).contains(&code), "{path} at {address}: {code}");
        }
    }
    assert_eq!(status(&get(at, "/ipfs/x", "")), 406, "only blocks");
    assert_eq!(status(&get(at, "/api/overview", "")), 404, "the owner's page is not where clients are");
}

#[test]
fn the_owners_page_is_the_owners() {
    let served = Served::open();
    let admin = served.server.admin_address().unwrap();
    // A page elsewhere whose name leads here is refused; without the check it would read along.
    for name in
        ["attacker.example", "127.0.0.1.attacker.example", "localhost.attacker.example:80", "127.1", "", "@127.0.0.1"]
    {
        let rebound = format!("GET /api/overview HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
        let code = status(&send(admin, rebound.as_bytes()));
        assert!(matches!(code, 400 | 421), "{name}: {code}");
    }
    for name in ["127.0.0.1", "127.0.0.1:8031", "localhost", "[::1]:8031"] {
        let own = format!("GET /api/overview HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&send(admin, own.as_bytes())), 200, "{name}");
    }
    assert_eq!(status(&get(admin, "/api/overview", "")), 200);

    let guarded = with(|options| options.admin_token = Some("a token of sixteen".into()));
    let admin = guarded.server.admin_address().unwrap();
    for path in ["/api/overview", "/api/assets", "/api/jobs", "/api/receipts", "/api/receipts/0", "/metrics"] {
        assert_eq!(status(&get(admin, path, "")), 401, "{path}");
        assert_eq!(status(&get(admin, path, "Authorization: Bearer another token!!\r\n")), 401, "{path}");
    }
    assert_eq!(status(&get(admin, "/api/overview", "Authorization: Bearer a token of sixteen\r\n")), 200);
    assert_eq!(status(&get(admin, "/healthz", "")), 200);

    let owner = || Exchange::in_memory().unwrap().owner(Account::generate()).unwrap();
    let mut open = ServerOptions::loopback();
    open.admin_listen = Some("0.0.0.0:0".parse().unwrap());
    let refused = Server::start(owner(), open).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{refused}");
}

#[test]
fn nothing_in_the_metrics_says_who() {
    let served = Served::open();
    let (exchange, consumer, order) = served.order();
    let ticket = order.request(&Query::select([count()])).unwrap();
    exchange.node().unwrap().run(ticket.request().clone()).unwrap();
    let text = get(served.server.admin_address().unwrap(), "/metrics", "");
    assert!(text.contains("sealock_node_admissions_total{outcome=\"admitted\"} 1"), "{text}");
    assert!(text.contains("route=\"/api/v1/jobs/{job}/result\""), "{text}");
    for secret in [ticket.job().to_string(), consumer.address().to_string(), hex::encode(ticket.request().nullifier())]
    {
        assert!(!text.contains(&secret));
    }
    assert!(text.trim_end().ends_with("# EOF"));
}

#[test]
fn over_tls_the_certificate_decides() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let served = with(|options| {
        options.tls_certificate = Some(certificate.clone());
        options.tls_key = Some(key.clone());
    });
    let url = served.server.url();
    assert!(url.starts_with("https://"));
    let unknown = RemoteNode::connect(&url).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Unreachable, "{unknown}");
    assert!(unknown.hint().unwrap().contains("a certificate of its own"), "{unknown:?}");
    // Each protocol at the other's door.
    let plain = RemoteNode::connect(&url.replace("https", "http")).unwrap_err();
    assert!(plain.to_string().ends_with("does not speak HTTP"), "{plain}");
    assert!(plain.hint().unwrap().ends_with("begins with https://"), "{plain:?}");
    let other = Served::open();
    let sealed = RemoteNode::connect(&other.server.url().replace("http", "https")).unwrap_err();
    assert!(sealed.to_string().ends_with("does not speak TLS"), "{sealed}");
    assert!(sealed.hint().unwrap().ends_with("begins with http://"), "{sealed:?}");
    let mut options = RemoteOptions::default();
    options.certificates = Some(certificate.clone());
    let exchange = Exchange::connect_with(&url, None, None, &options).unwrap();
    let consumer = exchange.consumer(Account::generate()).unwrap();
    let asset = exchange.assets().unwrap().remove(0);
    consumer.buy(&asset, 1).unwrap();
    let ticket = consumer.order(&asset).unwrap().request(&Query::select([count()])).unwrap();
    let (result, receipt) = exchange.node().unwrap().run(ticket.request().clone()).unwrap();
    ticket.open(&result, &receipt).unwrap();

    // Files that are no pair.
    std::fs::write(&key, "no key").unwrap();
    let mut options = ServerOptions::loopback();
    (options.tls_certificate, options.tls_key) = (Some(certificate), Some(key));
    let refused = Server::start(Exchange::in_memory().unwrap().owner(Account::generate()).unwrap(), options);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn blocks_are_those_of_a_gateway_and_are_checked() {
    let served = Served::open();
    let store = GatewayStore::new(MemoryStore::new(), &served.server.url(), &RemoteOptions::default()).unwrap();
    for root in served.asset.roots() {
        let _adding = store.adding().unwrap();
        store.fetch(&root, &mut sealock::progress::quiet()).unwrap();
        store.pin(&root).unwrap();
    }
    // What is not there is not looked for.
    let missing = sealock::store::Block::new(sealock::store::Codec::Raw, b"nobody has this".to_vec()).unwrap();
    let error = store.get(missing.cid()).unwrap_err();
    assert!(matches!(error, sealock::store::StoreError::NotFound { .. }), "{error}");
    // A gateway that sends something else.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut head = [0; 4096];
        let _ = stream.read(&mut head);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc").unwrap();
    });
    let lying = GatewayStore::new(MemoryStore::new(), &url, &RemoteOptions::default()).unwrap();
    let error = lying.get(missing.cid()).unwrap_err();
    assert!(matches!(error, sealock::store::StoreError::CidMismatch { .. }), "{error}");
}

#[test]
fn a_server_that_stops_ends_what_is_listened_to() {
    let served = with(|options| options.shutdown_grace = 5);
    let (exchange, _consumer, order) = served.order();
    let ticket = order.request(&Query::select([count()])).unwrap();
    let Served { server, owner, .. } = served;
    owner.node().submit(ticket.request().clone()).unwrap();
    let address = server.address();
    let idle = TcpStream::connect(address).unwrap();
    let start = Instant::now();
    server.stop();
    assert!(start.elapsed() < Duration::from_secs(8));
    drop((idle, exchange));
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}
