//! A Kubo daemon as a store, through its RPC (<https://docs.ipfs.tech/reference/kubo/rpc/>).

mod client;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use cid::Cid;
pub use client::Auth;
use client::{Ask, Client, Refusal};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::transfer::{Options, transfer};
use super::{
    Adding, Block, Codec, Freed, MAX_BLOCK_BYTES, Result, Store, StoreError, block::check_length, check_cid, dag,
    lock::GcLock,
};
use crate::progress::Progress;

/// How many blocks [`Store::put_all`] sends at the same time.
const PARALLEL: usize = 8;
/// What daemons say of a block that is no pinned root, Kubo and js-ipfs.
const NOT_FOUND: [&str; 2] = ["not found", "could not find"];
const TIMED_OUT: [&str; 2] = ["deadline exceeded", "timed out"];
/// How long js-ipfs may look for what it is asked not to look for, and how long where a slow answer must not pass for none.
const JS_WAIT: Duration = Duration::from_millis(500);
const JS_LONG_WAIT: Duration = Duration::from_secs(10);
const NOT_PINNED: [&str; 2] = ["not pinned", "pinned indirectly"];

/// How to talk to a daemon.
#[derive(Clone, Debug)]
pub struct KuboOptions {
    /// What the daemon asks for, if its `API.Authorizations` does.
    pub auth: Option<Auth>,
    /// How long a connection may take: 5 s if not said.
    pub connect_timeout: Duration,
    /// How long one block may take, the daemon's search for it included: 60 s if not said.
    pub timeout: Duration,
    /// How long pinning a graph or collecting garbage may take: an hour if not said.
    pub long_timeout: Duration,
    /// Whether [`Store::get`] has the daemon look for a block in its network, which is the default. Without, a block that
    /// the daemon does not hold is [`StoreError::NotFound`] at once; with js-ipfs, which looks all the same, within ten seconds.
    pub search: bool,
}

impl Default for KuboOptions {
    fn default() -> Self {
        Self {
            auth: None,
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(60),
            long_timeout: Duration::from_secs(3600),
            search: true,
        }
    }
}

/// Who the daemon is in its network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KuboIdentity {
    /// Its peer id.
    pub peer: String,
    /// The multiaddrs that others reach it under.
    pub addresses: Vec<String>,
}

/// The blocks of an IPFS daemon that speaks Kubo's RPC, `/api/v0`.
///
/// The daemon is not trusted: every block that it gives is checked against its CID, every answer has a limit and a time, and
/// an answer that does not fit the request is an error. Its RPC is an administrator's interface: whoever reaches it may read
/// and delete everything that the daemon holds, so it belongs on loopback, or behind TLS and [`Auth`].
///
/// - A daemon names blocks by their hash alone: a block is there under every codec as soon as it is there under one.
/// - Pins are the daemon's own, shared with its other users: [`Store::pins`] lists theirs, and [`Store::gc`] frees what they
///   did not pin. [`Store::adding`] keeps collections of this process away, and nobody else's: if the daemon collects in
///   between, pinning fails with [`StoreError::NotFound`], and sending again mends it.
/// - [`Store::fetch`] has the daemon bring a graph from its network.
pub struct KuboStore {
    client: Client,
    options: KuboOptions,
    agent: String,
    /// js-ipfs has other parameters for the codec than Kubo, and each refuses or passes over the other's.
    js: bool,
    lock: Arc<GcLock>,
}

/// An answer of `pin/ls`, one per line.
#[derive(Deserialize)]
struct PinLine {
    #[serde(rename = "Cid")]
    cid: String,
}

/// An answer of `pin/add` and `pin/rm`.
#[derive(Deserialize)]
struct Pins {
    #[serde(rename = "Pins")]
    pins: Vec<String>,
}

/// An answer of `repo/gc`, one per line.
#[derive(Deserialize)]
struct GcLine {
    #[serde(rename = "Key", default)]
    key: Option<IgnoredAny>,
    #[serde(rename = "Error", default)]
    error: Option<String>,
}

impl KuboStore {
    /// Connects to the daemon whose RPC is at `address`: `http://127.0.0.1:5001` or `/ip4/127.0.0.1/tcp/5001`.
    ///
    /// # Errors
    /// [`StoreError::InvalidAddress`]; [`StoreError::Unreachable`] if nobody is there, or somebody who does not speak the
    /// RPC; [`StoreError::NoAnswer`].
    pub fn connect(address: &str, options: KuboOptions) -> Result<Self> {
        let client = Client::new(address, &options)?;
        let version: Value = client.json(&Ask::new("version").within(options.timeout))?;
        let Some(number) = version["Version"].as_str() else {
            return Err(client.garbled("version", "an object with a \"Version\""));
        };
        let agent = number.chars().take(64).collect();
        let js = version.get("ipfs-core").is_some();
        tracing::debug!(daemon = %client.who(), version = %agent, js, "connected");
        Ok(Self { client, options, agent, js, lock: GcLock::new(None) })
    }

    /// The daemon's version, as it tells it.
    pub fn version(&self) -> &str {
        &self.agent
    }

    /// Who the daemon is in its network.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::NoAnswer`].
    pub fn identity(&self) -> Result<KuboIdentity> {
        #[derive(Deserialize)]
        struct Id {
            #[serde(rename = "ID")]
            id: String,
            #[serde(rename = "Addresses", default)]
            addresses: Option<Vec<String>>,
        }
        let Id { id, addresses } = self.client.json(&self.ask("id"))?;
        Ok(KuboIdentity { peer: id, addresses: addresses.unwrap_or_default() })
    }

    fn ask(&self, command: &'static str) -> Ask {
        Ask::new(command).within(self.options.timeout)
    }

    fn ask_of(&self, command: &'static str, cid: &Cid) -> Ask {
        self.ask(command).with("arg", cid)
    }

    /// A block, searched for in the daemon's network or not.
    fn block(&self, cid: &Cid, search: bool) -> Result<Block> {
        check_cid(cid)?;
        let get = |wait| {
            let ask = self.local(self.ask_of("block/get", cid), search, wait);
            self.client.bytes(&ask, MAX_BLOCK_BYTES as u64)
        };
        match get(JS_WAIT) {
            Err(refusal) if self.js && !search && refusal.says(&TIMED_OUT) => get(self.long_wait()),
            answer => answer,
        }
        .map_err(|refusal| self.missing(cid, search, refusal))
        .and_then(|bytes| Block::verify(cid, bytes))
    }

    /// js-ipfs knows no `offline`, and is asked not to wait long instead.
    fn local(&self, ask: Ask, search: bool, wait: Duration) -> Ask {
        let within = |ask: Ask, time: Duration| ask.with("timeout", &format!("{}ms", time.as_millis()));
        match (search, self.js) {
            (true, _) => within(ask, self.options.timeout).patient(),
            (false, false) => ask.with("offline", &true),
            (false, true) => within(ask.with("offline", &true), wait).patient(),
        }
    }

    fn long_wait(&self) -> Duration {
        JS_LONG_WAIT.min(self.options.timeout)
    }

    fn missing(&self, cid: &Cid, search: bool, refusal: Refusal) -> StoreError {
        match refusal {
            refusal if refusal.says(&NOT_FOUND) => StoreError::NotFound { cid: *cid },
            refusal if refusal.says(&TIMED_OUT) || refusal.is_timeout() => {
                if search || refusal.is_timeout() {
                    let (waited, asked) = (self.options.timeout, self.client.who().to_owned());
                    StoreError::Timeout { cid: *cid, waited, asked }
                } else {
                    StoreError::NotFound { cid: *cid }
                }
            }
            Refusal::TooLong { got } => StoreError::BlockTooLarge { got },
            refusal => refusal.into_error(&self.client, &format!("for {cid}")),
        }
    }

    fn check_pins(&self, command: &'static str, answer: &Pins, root: &Cid) -> Result<()> {
        if answer.pins.iter().any(|pin| names(pin, root)) {
            return Ok(());
        }
        Err(self.client.garbled(command, &format!("a list with {root}")))
    }

    fn repo_bytes(&self) -> Result<u64> {
        let stat: Value = self.client.json(&self.ask("repo/stat").with("size-only", &true))?;
        let size = &stat["RepoSize"];
        let size = size.as_u64().or_else(|| size.as_str().and_then(|s| s.parse().ok()));
        size.ok_or_else(|| self.client.garbled("repo/stat", "an object with a \"RepoSize\""))
    }
}

impl Store for KuboStore {
    fn put(&self, block: &Block) -> Result<()> {
        #[derive(Deserialize)]
        struct Put {
            #[serde(rename = "Key")]
            key: String,
        }
        let codec = match block.codec() {
            Codec::Raw => "raw",
            Codec::DagPb => "dag-pb",
            Codec::DagCbor => "dag-cbor",
        };
        let ask = self.ask("block/put").with("mhtype", &"sha2-256").with("mhlen", &32);
        let ask = match self.js {
            true => ask.with("format", &codec).with("version", &1),
            // Beyond 1 MiB, Kubo asks to be told that it is meant.
            false => ask.with("cid-codec", &codec).with("allow-big-block", &true),
        };
        let put: Put = self.client.json(&ask.data(block))?;
        if !names(&put.key, block.cid()) {
            return Err(self.client.garbled("block/put", &format!("the CID {}", block.cid())));
        }
        Ok(())
    }

    fn put_all(&self, blocks: &[Block]) -> Result<()> {
        let share = blocks.len().div_ceil(PARALLEL).max(1);
        std::thread::scope(|scope| {
            let send = |part: &'_ [Block]| part.iter().try_for_each(|block| self.put(block));
            let threads: Vec<_> = blocks.chunks(share).map(|part| scope.spawn(move || send(part))).collect();
            threads.into_iter().try_for_each(|thread| thread.join().expect("putting does not panic"))
        })
    }

    fn get(&self, cid: &Cid) -> Result<Block> {
        self.block(cid, self.options.search)
    }

    fn has(&self, cid: &Cid) -> Result<bool> {
        check_cid(cid)?;
        let ask = self.local(self.ask_of("block/stat", cid), false, JS_WAIT);
        match self.client.answer::<Value>(&ask).map_err(|refusal| self.missing(cid, false, refusal)) {
            Ok(stat) => match stat["Size"].as_u64() {
                Some(size) => check_length(size).map(|()| true),
                None => Err(self.client.garbled("block/stat", "an object with a \"Size\"")),
            },
            Err(StoreError::NotFound { .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    fn fetch(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> {
        let network = Searching(self);
        transfer(&network, &network, root, &Options::fetch().asking(), progress).map(drop)
    }

    fn pin(&self, root: &Cid) -> Result<()> {
        check_cid(root)?;
        let add = |wait| {
            let ask = self.local(self.ask_of("pin/add", root).with("recursive", &true), false, wait);
            self.client.answer::<Pins>(&ask.within(self.options.long_timeout))
        };
        let mut answer = add(JS_WAIT);
        if matches!(&answer, Err(refusal) if self.js && refusal.says(&TIMED_OUT)) {
            answer = add(self.long_wait());
        }
        match answer {
            Ok(pins) => self.check_pins("pin/add", &pins, root),
            Err(refusal) => {
                let error = self.missing(root, false, refusal);
                if matches!(error, StoreError::NotFound { .. }) {
                    // The daemon does not always say which one is missing.
                    dag::check_complete(self, root)?;
                }
                Err(error)
            }
        }
    }

    fn unpin(&self, root: &Cid) -> Result<bool> {
        check_cid(root)?;
        match self.client.answer::<Pins>(&self.ask_of("pin/rm", root).with("recursive", &true)) {
            Ok(pins) => self.check_pins("pin/rm", &pins, root).map(|()| true),
            Err(refusal) if refusal.says(&NOT_PINNED) => Ok(false),
            Err(refusal) => Err(refusal.into_error(&self.client, &format!("to unpin {root}"))),
        }
    }

    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        check_cid(root)?;
        let ask = self.ask_of("pin/ls", root).with("type", &"recursive").with("stream", &true);
        let mut found = false;
        match self.client.lines(&ask, |pin: PinLine| found |= names(&pin.cid, root)) {
            Ok(()) => Ok(found),
            Err(refusal) if refusal.says(&NOT_PINNED) => Ok(false),
            Err(refusal) => Err(refusal.into_error(&self.client, &format!("whether {root} is pinned"))),
        }
    }

    fn pins(&self) -> Result<Vec<Cid>> {
        let ask = self.ask("pin/ls").with("type", &"recursive").with("stream", &true);
        let (mut pins, mut garbled) = (Vec::new(), false);
        let take = |line: PinLine| match Cid::try_from(line.cid.as_str()) {
            Ok(pin) => pins.push(pin),
            Err(_) => garbled = true,
        };
        self.client.lines(&ask, take).map_err(|r| r.into_error(&self.client, "for its pins"))?;
        if garbled {
            return Err(self.client.garbled("pin/ls", "a CID in every line"));
        }
        pins.sort();
        Ok(pins)
    }

    fn adding(&self) -> Result<Adding> {
        self.lock.adding()
    }

    /// Has the daemon collect its garbage, that of its other users included.
    fn gc(&self) -> Result<Freed> {
        let _collecting = self.lock.collecting()?;
        let before = self.repo_bytes()?;
        let ask = self.ask("repo/gc").with("stream-errors", &true).within(self.options.long_timeout);
        let (mut blocks, mut without, mut error) = (0, false, None);
        let take = |line: GcLine| {
            blocks += 1;
            without |= line.key.is_none();
            error = error.take().or(line.error);
        };
        self.client.lines(&ask, take).map_err(|r| r.into_error(&self.client, "to collect garbage"))?;
        if let Some(error) = error {
            let what = format!("{} collects garbage", self.client.who());
            return Err(StoreError::Io { what, source: io::Error::other(error) });
        }
        if without {
            return Err(self.client.garbled("repo/gc", "a \"Key\" in every line"));
        }
        Ok(Freed { blocks, bytes: before.saturating_sub(self.repo_bytes()?) })
    }
}

/// Whether `text` is `cid`, in any of its bases.
fn names(text: &str, cid: &Cid) -> bool {
    Cid::try_from(text).is_ok_and(|named| named == *cid)
}

/// The daemon with its network. A block that comes from there stays in the daemon.
struct Searching<'a>(&'a KuboStore);

impl Store for Searching<'_> {
    fn put(&self, _: &Block) -> Result<()> {
        Ok(())
    }
    fn get(&self, cid: &Cid) -> Result<Block> {
        self.0.block(cid, true)
    }
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.0.has(cid)
    }
    fn pin(&self, root: &Cid) -> Result<()> {
        self.0.pin(root)
    }
    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.0.unpin(root)
    }
    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.0.is_pinned(root)
    }
    fn pins(&self) -> Result<Vec<Cid>> {
        self.0.pins()
    }
    fn adding(&self) -> Result<Adding> {
        self.0.adding()
    }
    fn gc(&self) -> Result<Freed> {
        self.0.gc()
    }
}

impl std::fmt::Debug for KuboStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KuboStore({}, version {})", self.client.who(), self.agent)
    }
}
