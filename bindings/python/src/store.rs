//! `Store`, `IpfsNode` and `KuboDaemon`.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::PyClassInitializer;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use sealock::progress::Progress;
use sealock::store::{self, Adding, Block, Cid, Codec, Freed, IpfsConfig, IpfsStore, KuboAuth, KuboOptions, KuboStore};

use crate::call::{Call, detached};
use crate::convert;
use crate::error::{Failure, Result};

/// A node that stops with the interpreter detached, whoever is the last to let go of it: stopping takes a while, and what
/// runs on the node may log meanwhile.
pub struct Node(Option<IpfsStore>);

impl Deref for Node {
    type Target = IpfsStore;

    fn deref(&self) -> &IpfsStore {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let node = self.0.take();
        detached(move || drop(node));
    }
}

macro_rules! forward {
    ($(fn $name:ident(&self $(, $arg:ident: $type:ty)*) -> $out:ty;)+) => {
        impl store::Store for Node {
            $(fn $name(&self $(, $arg: $type)*) -> store::Result<$out> { (**self).$name($($arg),*) })+
        }
    };
}
forward! {
    fn put(&self, block: &Block) -> ();
    fn put_all(&self, blocks: &[Block]) -> ();
    fn get(&self, cid: &Cid) -> Block;
    fn has(&self, cid: &Cid) -> bool;
    fn fetch(&self, root: &Cid, progress: &mut Progress<'_>) -> ();
    fn upload(&self, root: &Cid, progress: &mut Progress<'_>) -> ();
    fn hold(&self, root: &Cid) -> ();
    fn pin(&self, root: &Cid) -> ();
    fn unpin(&self, root: &Cid) -> bool;
    fn is_pinned(&self, root: &Cid) -> bool;
    fn pins(&self) -> Vec<Cid>;
    fn adding(&self) -> Adding;
    fn gc(&self) -> Freed;
}

/// What a store is.
#[derive(Clone)]
pub enum Backing {
    Ipfs(Arc<Node>),
    Kubo(Arc<KuboStore>),
}

impl Backing {
    fn store(&self) -> &dyn store::Store {
        match self {
            Backing::Ipfs(node) => &**node,
            Backing::Kubo(daemon) => &**daemon,
        }
    }
}

/// A place for blocks that are named by their CIDs: an `IpfsNode` or a `KuboDaemon`.
#[pyclass(frozen, subclass, module = "sealock")]
pub struct Store {
    backing: Mutex<Option<Backing>>,
    shown: String,
}

impl Store {
    fn new(backing: Backing, shown: String) -> Self {
        Self { backing: Mutex::new(Some(backing)), shown }
    }

    /// What it is, unless this handle was closed.
    pub fn backing(&self) -> Result<Backing> {
        let backing = self.backing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        backing.ok_or_else(|| Failure::argument(format!("{} is closed", self.shown), "open it again"))
    }

    fn run<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&dyn store::Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let backing = self.backing()?;
        Call::default().run(py, move |_| work(backing.store()))
    }

    /// What it is, in words.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

#[pymethods]
impl Store {
    /// Whether the block is in the store. Nobody else is asked.
    fn has(&self, py: Python<'_>, cid: &Bound<'_, PyAny>) -> Result<bool> {
        let cid = convert::cid(cid)?;
        self.run(py, move |store| Ok(store.has(&cid)?))
    }

    /// The bytes of one block, from the store or from wherever it reaches. They were checked against the CID.
    fn get<'py>(&self, py: Python<'py>, cid: &Bound<'py, PyAny>) -> Result<Bound<'py, PyBytes>> {
        let cid = convert::cid(cid)?;
        let block = self.run(py, move |store| Ok(store.get(&cid)?))?;
        Ok(PyBytes::new(py, block.bytes()))
    }

    /// Keeps bytes as one raw block of at most 2 MiB, and returns its CID. Pin it, or the next `gc` takes it.
    fn put(&self, py: Python<'_>, bytes: &Bound<'_, PyAny>) -> Result<String> {
        let bytes = convert::bytes("bytes", bytes)?;
        self.run(py, move |store| {
            let block = Block::new(Codec::Raw, bytes)?;
            store.put(&block)?;
            Ok(block.cid().to_string())
        })
    }

    /// Brings everything under a root here, from wherever the store reaches. What arrived stays: an interrupted call goes on
    /// where it was when it is repeated. Pin the root, or the next `gc` takes it.
    #[pyo3(signature = (cid, *, progress = None))]
    fn fetch<'py>(&self, py: Python<'py>, cid: &Bound<'py, PyAny>, progress: Option<Bound<'py, PyAny>>) -> Result<()> {
        let (cid, backing) = (convert::cid(cid)?, self.backing()?);
        Call::default().progress(progress)?.run(py, move |progress| {
            let store = backing.store();
            let _adding = store.adding()?;
            Ok(store.fetch(&cid, progress)?)
        })
    }

    /// Keeps everything under a root until it is unpinned. All of it has to be in the store: see `fetch`.
    fn pin(&self, py: Python<'_>, cid: &Bound<'_, PyAny>) -> Result<()> {
        let cid = convert::cid(cid)?;
        self.run(py, move |store| Ok(store.pin(&cid)?))
    }

    /// Removes a pin. Returns whether there was one.
    fn unpin(&self, py: Python<'_>, cid: &Bound<'_, PyAny>) -> Result<bool> {
        let cid = convert::cid(cid)?;
        self.run(py, move |store| Ok(store.unpin(&cid)?))
    }

    /// Every pinned root. Of a daemon, those of its other users as well.
    fn pins(&self, py: Python<'_>) -> Result<Vec<String>> {
        let pins = self.run(py, |store| Ok(store.pins()?))?;
        Ok(pins.iter().map(Cid::to_string).collect())
    }

    /// Removes every block that no pin reaches. Raises `Locked` while somebody adds.
    fn gc<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let freed = self.run(py, |store| Ok(store.gc()?))?;
        let fields = PyDict::new(py);
        fields.set_item("blocks", freed.blocks)?;
        fields.set_item("bytes", freed.bytes)?;
        Ok(convert::record(py, "Freed", &fields)?)
    }

    /// Lets go of it: this handle is of no use any more. An exchange that uses it goes on, and a node stops when the last
    /// handle of that exchange is gone. Closing twice is closing once; `with` closes at its end.
    fn close(&self, py: Python<'_>) -> Result<()> {
        let backing = self.backing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(backing) = backing else { return Ok(()) };
        Call::default().run(py, move |_| {
            drop(backing);
            Ok(())
        })
    }

    /// Whether this handle was closed.
    #[getter]
    fn closed(&self) -> bool {
        self.backing.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn __enter__<'py>(slf: Bound<'py, Self>) -> Result<Bound<'py, Self>> {
        slf.get().backing()?;
        Ok(slf)
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyTuple>) -> Result<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        if self.closed() { format!("<closed {}>", self.shown) } else { self.shown.clone() }
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> Result<()> {
        let class = convert::type_name(slf);
        Err(Failure::not_pickled(&class, "it is open in this process; open it again by its path or address"))
    }
}

/// A node on an IPFS network, inside this process, with its blocks in a folder.
///
/// It listens on loopback unless `listen` names multiaddresses, an empty list for none, and dials nobody but the `bootstrap`
/// peers. `dht` takes part in the Kademlia DHT of its peers. `block_timeout`, in seconds or as a `timedelta`, is how long to
/// wait for one block from the peers. The folder is made if there is none, keeps the node's identity, and is open once.
#[pyclass(frozen, extends = Store, module = "sealock")]
pub struct IpfsNode;

fn node(slf: &Bound<'_, IpfsNode>) -> Result<Arc<Node>> {
    match slf.as_super().get().backing()? {
        Backing::Ipfs(node) => Ok(node),
        Backing::Kubo(_) => unreachable!("an IpfsNode is made with a node"),
    }
}

#[pymethods]
impl IpfsNode {
    #[new]
    #[pyo3(signature = (
        path, *, listen = None, bootstrap = None, dht = false, block_timeout = None, max_connections = None
    ))]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        listen: Option<&Bound<'_, PyAny>>,
        bootstrap: Option<&Bound<'_, PyAny>>,
        dht: bool,
        block_timeout: Option<&Bound<'_, PyAny>>,
        max_connections: Option<&Bound<'_, PyAny>>,
    ) -> Result<PyClassInitializer<Self>> {
        let mut config = IpfsConfig::new().dht(dht);
        if let Some(addresses) = listen {
            config = config.listen(convert::texts("listen", addresses)?);
        }
        if let Some(addresses) = bootstrap {
            config = config.bootstrap(convert::texts("bootstrap", addresses)?);
        }
        if let Some(span) = block_timeout {
            config = config.block_timeout(convert::duration("block_timeout", span)?);
        }
        if let Some(peers) = max_connections {
            config = config.max_connections(convert::whole("max_connections", peers)?);
        }
        if path.as_os_str().is_empty() {
            return Err(Failure::argument("path: the path of the node's folder is empty", "name a folder"));
        }
        let place = path.display().to_string();
        let node =
            Call::default().alone().run(py, move |_| Ok(Arc::new(Node(Some(IpfsStore::open(path, &config)?)))))?;
        let shown = format!("IpfsNode({}, {place})", node.peer_id());
        Ok(PyClassInitializer::from((Self, Store::new(Backing::Ipfs(node), shown))))
    }

    /// The node's peer id, which stays the same for its folder.
    #[getter]
    fn peer_id(slf: &Bound<'_, Self>) -> Result<String> {
        Ok(node(slf)?.peer_id())
    }

    /// The multiaddresses that the node listens on, each with its peer id: what another node connects to.
    #[getter]
    fn addresses<'py>(slf: &Bound<'py, Self>) -> Result<Bound<'py, PyTuple>> {
        let node = node(slf)?;
        let addresses = Call::default().run(slf.py(), move |_| Ok(node.addresses()?))?;
        Ok(PyTuple::new(slf.py(), addresses)?)
    }

    /// The ids of the peers that the node is connected to.
    fn peers(slf: &Bound<'_, Self>) -> Result<Vec<String>> {
        let node = node(slf)?;
        Call::default().run(slf.py(), move |_| Ok(node.peers()?))
    }

    /// Connects to the peer at a multiaddress. With the peer id at its end, nobody else is taken for it.
    fn connect(slf: &Bound<'_, Self>, address: String) -> Result<()> {
        let node = node(slf)?;
        Call::default().run(slf.py(), move |_| Ok(node.connect(&address)?))
    }

    /// Tells the DHT that this node has the block `cid`, and does so again from time to time.
    fn provide(slf: &Bound<'_, Self>, cid: &Bound<'_, PyAny>) -> Result<()> {
        let (node, cid) = (node(slf)?, convert::cid(cid)?);
        Call::default().run(slf.py(), move |_| Ok(node.provide(&cid)?))
    }

    /// The ids of peers that provide the block `cid`, as the DHT says. It may be none.
    fn find_providers(slf: &Bound<'_, Self>, cid: &Bound<'_, PyAny>) -> Result<Vec<String>> {
        let (node, cid) = (node(slf)?, convert::cid(cid)?);
        Call::default().run(slf.py(), move |_| Ok(node.find_providers(&cid)?))
    }
}

/// An IPFS daemon that speaks Kubo's RPC, at `http://127.0.0.1:5001` or `/ip4/127.0.0.1/tcp/5001`.
///
/// Its RPC is an administrator's interface: it belongs on loopback, or behind TLS and a `token`, or `user` and `password`.
/// Pins are shared with its other users, and `gc` frees what they did not pin. `timeout` is for one block, the daemon's search
/// for it included, and `long_timeout` for pinning and `gc`, in seconds or as `timedelta`. Without `search`, a block that the
/// daemon does not hold is `NotFound` at once.
#[pyclass(frozen, extends = Store, module = "sealock")]
pub struct KuboDaemon;

fn daemon(slf: &Bound<'_, KuboDaemon>) -> Result<Arc<KuboStore>> {
    match slf.as_super().get().backing()? {
        Backing::Kubo(daemon) => Ok(daemon),
        Backing::Ipfs(_) => unreachable!("a KuboDaemon is made with a daemon"),
    }
}

fn auth(
    token: Option<&Bound<'_, PyAny>>,
    user: Option<&Bound<'_, PyAny>>,
    password: Option<&Bound<'_, PyAny>>,
) -> Result<Option<KuboAuth>> {
    match (token, user, password) {
        (None, None, None) => Ok(None),
        (Some(token), None, None) => Ok(Some(KuboAuth::bearer(&convert::secret_text("token", token)?))),
        (None, Some(user), Some(password)) => {
            let (user, password) = (convert::secret_text("user", user)?, convert::secret_text("password", password)?);
            Ok(Some(KuboAuth::basic(&user, &password)))
        }
        _ => Err(Failure::argument(
            "expected a token, or a user and a password",
            "pass what the daemon's API.Authorizations asks for",
        )),
    }
}

#[pymethods]
impl KuboDaemon {
    #[new]
    #[pyo3(signature = (
        url, *, token = None, user = None, password = None, timeout = None, connect_timeout = None, long_timeout = None,
        search = true
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn new(
        py: Python<'_>,
        url: String,
        token: Option<&Bound<'_, PyAny>>,
        user: Option<&Bound<'_, PyAny>>,
        password: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
        connect_timeout: Option<&Bound<'_, PyAny>>,
        long_timeout: Option<&Bound<'_, PyAny>>,
        search: bool,
    ) -> Result<PyClassInitializer<Self>> {
        let mut options = KuboOptions { auth: auth(token, user, password)?, search, ..KuboOptions::default() };
        if let Some(span) = timeout {
            options.timeout = convert::duration("timeout", span)?;
        }
        if let Some(span) = connect_timeout {
            options.connect_timeout = convert::duration("connect_timeout", span)?;
        }
        if let Some(span) = long_timeout {
            options.long_timeout = convert::duration("long_timeout", span)?;
        }
        let daemon = Call::default().run(py, move |_| Ok(Arc::new(KuboStore::connect(&url, options)?)))?;
        // As the library shows it: an address may carry a password.
        let shown = format!("{daemon:?}").replacen("KuboStore", "KuboDaemon", 1);
        Ok(PyClassInitializer::from((Self, Store::new(Backing::Kubo(daemon), shown))))
    }

    /// The daemon's version, as it tells it.
    #[getter]
    fn version(slf: &Bound<'_, Self>) -> Result<String> {
        Ok(daemon(slf)?.version().to_owned())
    }

    /// The daemon's peer id.
    #[getter]
    fn peer_id(slf: &Bound<'_, Self>) -> Result<String> {
        let daemon = daemon(slf)?;
        Call::default().run(slf.py(), move |_| Ok(daemon.identity()?.peer))
    }

    /// The multiaddresses that others reach the daemon under.
    #[getter]
    fn addresses<'py>(slf: &Bound<'py, Self>) -> Result<Bound<'py, PyTuple>> {
        let daemon = daemon(slf)?;
        let addresses = Call::default().run(slf.py(), move |_| Ok(daemon.identity()?.addresses))?;
        Ok(PyTuple::new(slf.py(), addresses)?)
    }
}
