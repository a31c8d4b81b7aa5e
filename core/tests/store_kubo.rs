//! The RPC client against daemons that lie, stall and break off. `store_peers.rs` has the real ones.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealock::error::{Classify, ErrorKind};
use sealock::store::{Block, Codec, KuboAuth, KuboOptions, KuboStore, MAX_BLOCK_BYTES, Store, StoreError};

/// A daemon that answers `version`, and every other command with what the test says.
struct Liar {
    address: String,
    /// The heads of the requests that came.
    heads: Arc<Mutex<Vec<String>>>,
}

type Answer = dyn Fn(&str, &mut TcpStream) + Send + Sync;

impl Liar {
    fn serve(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer): (_, Arc<Answer>) = (heads.clone(), Arc::new(answer));
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || talk(stream, &seen, &*answer));
            }
        });
        Self { address, heads }
    }

    fn open(&self) -> KuboStore {
        self.with(KuboOptions::default()).unwrap()
    }

    fn with(&self, options: KuboOptions) -> sealock::store::Result<KuboStore> {
        let short = Duration::from_millis(700);
        KuboStore::connect(&self.address, KuboOptions { timeout: short, long_timeout: short, ..options })
    }
}

/// Reads one request, and answers it.
fn talk(mut stream: TcpStream, seen: &Mutex<Vec<String>>, answer: &Answer) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut body = Vec::new();
    while head.to_lowercase().contains("transfer-encoding: chunked") && !body.ends_with(b"\r\n0\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        body.push(byte[0]);
    }
    seen.lock().unwrap().push(head.clone());
    if head.contains("/api/v0/version") {
        say(&mut stream, 200, r#"{"Version":"0.30.0"}"#);
    } else {
        answer(&head, &mut stream);
    }
}

fn say(stream: &mut TcpStream, status: u16, body: &str) {
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status} x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}

fn block() -> Block {
    Block::new(Codec::Raw, &b"a block"[..]).unwrap()
}

fn always(status: u16, body: &'static str) -> Liar {
    Liar::serve(move |_, stream| say(stream, status, body))
}

/// Every call of a store, and what comes of it.
fn every_call(store: &KuboStore) -> Vec<(&'static str, StoreError)> {
    let (block, quiet) = (block(), &mut sealock::progress::quiet());
    let cid = block.cid();
    [
        ("put", store.put(&block).err()),
        ("put_all", store.put_all(&[block.clone(), block.clone()]).err()),
        ("get", store.get(cid).err()),
        ("has", store.has(cid).err()),
        ("fetch", store.fetch(cid, quiet).err()),
        ("pin", store.pin(cid).err()),
        ("unpin", store.unpin(cid).err()),
        ("is_pinned", store.is_pinned(cid).err()),
        ("pins", store.pins().err()),
        ("gc", store.gc().err()),
        ("identity", store.identity().err()),
    ]
    .into_iter()
    .map(|(call, error)| (call, error.unwrap_or_else(|| panic!("{call} was content"))))
    .collect()
}

#[test]
fn what_is_not_the_rpc_is_told_from_it() {
    for (status, body) in [
        (200, "<!DOCTYPE html><title>It works!</title>"),
        (200, "{"),
        (200, "[[[[[[[["),
        (200, r#"{"Unexpected":1}"#),
        (404, "404 page not found"),
        (500, "oops"),
        (302, ""),
    ] {
        for (call, error) in every_call(&always(status, body).open()) {
            // A block is bytes, whatever they look like.
            let expected = matches!((call, &error), ("get" | "fetch", StoreError::CidMismatch { .. }))
                || matches!(error, StoreError::Unreachable { .. });
            assert!(expected, "{call} of {status} {body}: {error:?}");
        }
    }
}

#[test]
fn a_daemon_that_stalls_is_given_up_in_time() {
    let stalls: [fn(&mut TcpStream); 3] = [
        |_| std::thread::sleep(Duration::from_secs(20)),
        // Promises more than it sends.
        |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na bl");
            std::thread::sleep(Duration::from_secs(20));
        },
        // Never ends, one byte at a time.
        |stream| {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while stream.write_all(b"1\r\n \r\n").is_ok() {
                std::thread::sleep(Duration::from_millis(20));
            }
        },
    ];
    for stall in stalls {
        // Without a search, the client's time alone counts.
        let liar = Liar::serve(move |_, stream| stall(stream));
        let store = liar.with(KuboOptions { search: false, ..KuboOptions::default() }).unwrap();
        let cid = *block().cid();
        assert!(matches!(store.get(&cid), Err(StoreError::Timeout { cid: c, .. }) if c == cid));
        for error in [store.put(&block()).unwrap_err(), store.pins().unwrap_err(), store.unpin(&cid).unwrap_err()] {
            assert!(matches!(error, StoreError::NoAnswer { .. }), "{error:?}");
            assert_eq!(error.kind(), ErrorKind::Timeout);
        }
    }
}

#[test]
fn a_block_is_believed_only_if_it_is_the_one_named() {
    let cid = *block().cid();
    assert!(matches!(always(200, "another").open().get(&cid), Err(StoreError::CidMismatch { .. })));
    assert_eq!(always(200, "a block").open().get(&cid).unwrap(), block());
    // Closed in the middle.
    let cut = Liar::serve(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\na bl");
    });
    assert!(matches!(cut.open().get(&cid), Err(StoreError::Unreachable { .. })));
    // Endless, and with a length that is a lie.
    let endless = Liar::serve(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"10000\r\n", &[b' '; 0x10000][..], b"\r\n"].concat();
        while stream.write_all(&chunk).is_ok() {}
    });
    assert!(matches!(endless.open().get(&cid), Err(StoreError::BlockTooLarge { .. })));
    let huge = Liar::serve(|_, stream| {
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\nxxx", 1u64 << 60);
    });
    assert!(matches!(huge.open().get(&cid), Err(StoreError::BlockTooLarge { .. } | StoreError::Unreachable { .. })));
    let stat = format!("{{\"Size\":{}}}", MAX_BLOCK_BYTES + 1);
    let oversized = Liar::serve(move |_, stream| say(stream, 200, &stat));
    assert!(matches!(oversized.open().has(&cid), Err(StoreError::BlockTooLarge { .. })));
}

#[test]
fn a_put_or_a_pin_is_believed_only_if_the_daemon_names_the_block() {
    let other = Block::new(Codec::Raw, &b"another"[..]).unwrap();
    let (key, pins) = (format!("{{\"Key\":\"{}\"}}", other.cid()), format!("{{\"Pins\":[\"{}\"]}}", other.cid()));
    let answers = [key, r#"{"Key":"nonsense"}"#.into(), pins, r#"{"Pins":[]}"#.into()];
    for answer in answers {
        let liar = Liar::serve(move |_, stream| say(stream, 200, &answer));
        let store = liar.open();
        for error in [store.put(&block()).unwrap_err(), store.pin(block().cid()).unwrap_err()] {
            assert!(matches!(error, StoreError::Unreachable { .. }), "{error:?}");
        }
    }
}

#[test]
fn a_daemons_own_errors_are_told_in_its_words() {
    let full = r#"{"Message":"no space left on device\u001b[31m","Code":0,"Type":"error"}"#;
    for (call, error) in every_call(&always(500, full).open()) {
        assert_eq!(error.kind(), ErrorKind::Io, "{call}");
        let told = format!("{error} {:?}", std::error::Error::source(&error).map(ToString::to_string));
        assert!(told.contains("no space left") && !told.contains('\u{1b}'), "{told}");
    }
    let cid = *block().cid();
    for missing in [
        r#"{"Message":"block was not found locally (offline): ipld: could not find bafk","Code":0,"Type":"error"}"#,
        r#"{"Message":"Failed to get block: Not Found","Code":0,"Type":"error"}"#,
    ] {
        let store = always(500, missing).open();
        assert!(matches!(store.get(&cid), Err(StoreError::NotFound { .. })));
        assert!(matches!(store.pin(&cid), Err(StoreError::NotFound { .. })));
        assert!(!store.has(&cid).unwrap());
    }
    let late = r#"{"Message":"context deadline exceeded","Code":0,"Type":"error"}"#;
    assert!(matches!(always(500, late).open().get(&cid), Err(StoreError::Timeout { .. })));
    for unpinned in [
        r#"{"Message":"not pinned or pinned indirectly","Code":0,"Type":"error"}"#,
        r#"{"Message":"Failed to remove pin: bafk is pinned indirectly under bafy","Code":0,"Type":"error"}"#,
    ] {
        let store = always(500, unpinned).open();
        assert!(!store.is_pinned(&cid).unwrap() && !store.unpin(&cid).unwrap());
    }
}

#[test]
fn requests_are_posts_with_the_secret_and_follow_nobody_elsewhere() {
    let elsewhere = always(200, "a block");
    let location = elsewhere.address.clone();
    let liar = Liar::serve(move |_, stream| {
        let _ = write!(
            stream,
            "HTTP/1.1 307 x\r\nLocation: {location}/api/v0/block/get\r\n\
                 Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
    });
    let auth = Some(KuboAuth::bearer("hunter2"));
    let store = liar.with(KuboOptions { auth, ..KuboOptions::default() }).unwrap();
    assert!(!format!("{store:?}").contains("hunter2"));
    for (_, error) in every_call(&store) {
        assert!(matches!(&error, StoreError::Unreachable { .. }), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
    let heads = liar.heads.lock().unwrap();
    assert!(heads.len() > 10);
    for head in heads.iter() {
        assert!(head.starts_with("POST /api/v0/"), "{head}");
        assert!(head.to_lowercase().contains("authorization: bearer hunter2"), "{head}");
    }
    assert!(elsewhere.heads.lock().unwrap().is_empty());
    assert!(heads.iter().any(|head| head.contains("cid-codec=raw") && head.contains("allow-big-block=true")));
}

#[test]
fn who_is_not_let_in_or_finds_nobody_is_told_so() {
    for (call, error) in every_call(&always(403, "403 - Forbidden").open()) {
        assert!(error.to_string().contains("authorization"), "{call}: {error}");
        assert_eq!(error.kind(), ErrorKind::Unreachable);
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = KuboStore::connect(&format!("/ip4/127.0.0.1/tcp/{port}"), KuboOptions::default()).unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Unreachable);
    assert!(nobody.to_string().contains(&format!("127.0.0.1:{port}")), "{nobody}");
    let bad = KuboStore::connect("127.0.0.1:5001", KuboOptions::default()).unwrap_err();
    assert_eq!(bad.kind(), ErrorKind::InvalidArgument);
}
