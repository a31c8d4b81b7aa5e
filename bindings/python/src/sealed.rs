//! Sealed data: `Executor`, `Releaser`, and what goes between them.

use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};
use sealock::fhe::Device;
use sealock::job;
use sealock::sealed::{self, SealedOptions};

use crate::account::Account;
use crate::asset::Asset;
use crate::call::Call;
use crate::convert;
use crate::error::{Failure, Result};
use crate::exchange::Exchange;
use crate::job::{released, sent};
use crate::remote::RemoteNode;
use crate::store::{Backing, Store};

/// `sealed=True`, or how: a dict of the keywords of `SealedOptions`.
pub fn options(given: Option<&Bound<'_, PyAny>>) -> Result<Option<SealedOptions>> {
    let Some(given) = given else { return Ok(None) };
    if let Ok(yes) = given.extract::<bool>() {
        return Ok(yes.then(SealedOptions::new));
    }
    let wrong = || {
        let got = convert::type_name(given);
        Failure::wrong_type(format!(
            "sealed: expected True, False or a dict of public, rows_per_chunk, canaries, quorum, packed, got {got}"
        ))
    };
    let given = given.cast::<PyDict>().map_err(|_| wrong())?;
    let mut options = SealedOptions::new();
    for (key, value) in given.iter() {
        let key: String = key.extract().map_err(|_| wrong())?;
        options = match key.as_str() {
            "public" => options.public(convert::texts("public", &value)?),
            "rows_per_chunk" => options.rows_per_chunk(convert::whole("rows_per_chunk", &value)?),
            "canaries" => options.canaries(convert::whole("canaries", &value)?),
            "quorum" => options.quorum(convert::whole("quorum", &value)?),
            "packed" => options.packed(value.extract().map_err(|_| {
                let got = convert::type_name(&value);
                Failure::wrong_type(format!("packed: expected True or False, got {got}"))
            })?),
            _ => {
                let why = format!(
                    "sealed: there is no option {key:?}; there are public, rows_per_chunk, canaries, quorum and packed"
                );
                return Err(Failure::wrong_type(why));
            }
        };
    }
    Ok(Some(options))
}

macro_rules! travels {
    ($name:ident($inner:path), $what:literal, { $($more:tt)* }) => {
        #[pymethods]
        impl $name {
            $($more)*

            /// Canonical DAG-CBOR.
            fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
                Ok(PyBytes::new(py, &self.0.to_bytes()?))
            }

            /// Reads canonical DAG-CBOR.
            #[classmethod]
            fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
                Ok(Self(<$inner>::from_bytes(&convert::bytes($what, bytes)?)?))
            }

            fn __hash__(&self) -> Result<u64> {
                Ok(crate::hash(&self.0.to_bytes()?))
            }

            fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
                Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py)?)?)
            }
        }
    };
}

/// What executors are to compute for one job: a program over encrypted columns, which are named by CID. It is public to them.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Task(pub sealed::Task);

travels!(Task(sealed::Task), "task", {
    /// The name of the job.
    #[getter]
    fn job(&self) -> String {
        self.0.job().to_string()
    }

    /// The DID of the asset.
    #[getter]
    fn asset(&self) -> &str {
        self.0.asset()
    }

    /// The CID of the manifest, which links to every chunk and to the evaluation key.
    #[getter]
    fn manifest(&self) -> String {
        self.0.manifest().to_string()
    }

    /// Whether it is computed over the packed chunks, without bootstraps and without an evaluation key.
    #[getter]
    fn packed(&self) -> bool {
        self.0.packed()
    }

    fn __repr__(&self) -> String {
        format!("Task(job={}, asset={})", self.0.job(), self.0.asset())
    }
});

/// The part of a task that is about one chunk. It gives the same CID in every process on the same kind of processor, and opens to
/// the same numbers on any.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Part(pub sealed::Part);

travels!(Part(sealed::Part), "part of a task", {
    /// The CID of the chunk.
    #[getter]
    fn chunk(&self) -> String {
        self.0.chunk().to_string()
    }

    fn __repr__(&self) -> String {
        format!("Part(chunk={})", self.0.chunk())
    }
});

/// What an executor gives back: the CIDs of encrypted results, one for each chunk, signed over the task.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct ExecutorResult(pub sealed::ExecutorResult);

travels!(ExecutorResult(sealed::ExecutorResult), "executor's result", {
    /// Whose it is, as it says. A `Releaser` checks the signature.
    #[getter]
    fn executor(&self) -> String {
        self.0.executor().to_string()
    }

    /// The device that computed, as it says.
    #[getter]
    fn device(&self) -> &str {
        self.0.device()
    }

    /// CIDs of the encrypted results.
    #[getter]
    fn results(&self) -> Vec<String> {
        self.0.results().iter().map(ToString::to_string).collect()
    }

    fn __repr__(&self) -> String {
        format!("ExecutorResult(executor={}, chunks={})", self.0.executor(), self.0.results().len())
    }
});

/// A party that computes on encrypted columns, and has no key but its own account's, with which it signs.
///
/// `store` is where columns are read and results put: an `Exchange`, a `Store`, or the folder of an exchange on this machine,
/// which several processes may use at a time.
#[pyclass(frozen, module = "sealock")]
pub struct Executor(Arc<sealed::Executor>);

/// `cpu`, `cuda:0`, a list of GPUs, or `auto`: all GPUs that there are, or the processor.
fn devices(given: &Bound<'_, PyAny>) -> Result<Vec<Device>> {
    let names: Vec<String> = match given.extract::<String>() {
        Ok(name) if name == "auto" => {
            let gpus = sealock::fhe::table::Evaluator::gpus();
            return Ok(if gpus.is_empty() { vec![Device::Cpu] } else { gpus });
        }
        Ok(name) => vec![name],
        Err(_) => given.extract().map_err(|_| {
            let got = convert::type_name(given);
            Failure::wrong_type(format!("device: expected a name such as \"cuda:0\" or a list of them, got {got}"))
        })?,
    };
    names.iter().map(|name| Ok(name.parse()?)).collect()
}

#[pymethods]
impl Executor {
    #[new]
    #[pyo3(signature = (store, account, *, device = None))]
    fn new(
        py: Python<'_>,
        store: &Bound<'_, PyAny>,
        account: &Account,
        device: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let (account, devices) = (account.again()?, device.map_or_else(|| Ok(vec![Device::Cpu]), devices)?);
        let on = move |executor: sealed::Executor| Ok(Self(Arc::new(executor.on_devices(&devices)?)));
        if let Ok(exchange) = store.cast::<Exchange>() {
            return on(sealed::Executor::on(exchange.get().inner(), account));
        }
        if let Ok(store) = store.cast::<Store>() {
            return on(match store.get().backing()? {
                Backing::Ipfs(node) => sealed::Executor::new(node, account),
                Backing::Kubo(daemon) => sealed::Executor::new(daemon, account),
            });
        }
        let folder: PathBuf = store.extract().map_err(|_| {
            let got = convert::type_name(store);
            Failure::wrong_type(format!("store: expected an Exchange, a Store or the folder of an exchange, got {got}"))
        })?;
        Call::default().run(py, move |_| on(sealed::Executor::new(sealock::Exchange::local_store(folder)?, account)))
    }

    /// The address that its results are signed by, which owners know it by.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// What it computes on: `cpu`, or GPUs such as `cuda:0+cuda:1`.
    #[getter]
    fn device(&self) -> String {
        self.0.device()
    }

    /// Computes a task, chunk after chunk. `progress` is as for `Node.run`.
    #[pyo3(signature = (task, *, progress = None))]
    fn run<'py>(&self, py: Python<'py>, task: &Task, progress: Option<Bound<'py, PyAny>>) -> Result<ExecutorResult> {
        let (executor, task) = (Arc::clone(&self.0), task.0.clone());
        let call = Call::default().progress(progress)?;
        call.run(py, move |progress| Ok(ExecutorResult(executor.run_with(&task, progress)?)))
    }

    /// The parts of a task, one for each chunk, for running them elsewhere: see `sealock.run_on`.
    fn parts(&self, py: Python<'_>, task: &Task) -> Result<Vec<Part>> {
        let (executor, task) = (Arc::clone(&self.0), task.0.clone());
        Call::default().run(py, move |_| Ok(executor.parts(&task)?.into_iter().map(Part).collect()))
    }

    /// Runs one part, and returns the CID of its encrypted result.
    fn run_part(&self, py: Python<'_>, part: &Part) -> Result<String> {
        let (executor, part) = (Arc::clone(&self.0), part.0.clone());
        Call::default().run(py, move |_| Ok(executor.run_part(&part)?.to_string()))
    }

    /// Signs the CIDs of a task's parts, in their order.
    fn join(&self, py: Python<'_>, task: &Task, results: &Bound<'_, PyAny>) -> Result<ExecutorResult> {
        let results = convert::items("results", results)?.iter().map(convert::cid).collect::<Result<Vec<_>>>()?;
        let (executor, task) = (Arc::clone(&self.0), task.0.clone());
        Call::default().run(py, move |_| Ok(ExecutorResult(executor.join(&task, &results)?)))
    }

    /// Computes every task that waits for it at a node far away, `Exchange.connect(...).node`, and hands the results in. Returns how
    /// many. Call it again and again. Raises `NotFound` if the node's owner has not named it: `serve(owner, executors=[...])`.
    #[pyo3(signature = (node, *, progress = None))]
    fn work_for<'py>(&self, py: Python<'py>, node: &RemoteNode, progress: Option<Bound<'py, PyAny>>) -> Result<usize> {
        let (executor, node) = (Arc::clone(&self.0), node.0.clone());
        Call::default().progress(progress)?.run(py, move |progress| Ok(executor.work_for_with(&node, progress)?))
    }

    /// Removes the pins of a task's results, once it is released or nobody waits for it. Equal parts of two tasks have one
    /// result: forget it when both are done.
    fn forget(&self, py: Python<'_>, result: &ExecutorResult) -> Result<()> {
        let (executor, result) = (Arc::clone(&self.0), result.0.clone());
        Call::default().run(py, move |_| Ok(executor.forget(&result)?))
    }

    fn __repr__(&self) -> String {
        format!("Executor({})", self.0.address())
    }
}

/// The owner's side of sealed data: gives tasks to executors that it knows, and opens and releases what they agree on. From
/// `Owner.releaser`.
#[pyclass(frozen, module = "sealock")]
pub struct Releaser {
    owner: Arc<sealock::owner::Owner>,
    executors: Vec<sealock::Address>,
}

impl Releaser {
    pub fn new(owner: Arc<sealock::owner::Owner>, executors: &Bound<'_, PyAny>) -> Result<Self> {
        let executors = convert::items("executors", executors)?.iter().map(convert::address).collect::<Result<_>>()?;
        Ok(Self { owner, executors })
    }

    fn run<T: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&sealed::Releaser<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (owner, executors) = (Arc::clone(&self.owner), self.executors.clone());
        Call::default().run(py, move |_| work(&sealed::Releaser::new(owner.node(), executors)))
    }
}

/// The grant of a request, which is admitted unless it was.
fn granted(
    owner: &sealock::owner::Owner,
    releaser: &sealed::Releaser<'_>,
    request: job::JobRequest,
) -> Result<sealock::access::AccessGrant> {
    Ok(match releaser.grant(request.id())? {
        Some(grant) => grant,
        None => owner.node().admit(request)?,
    })
}

/// A request, or the bytes of one.
fn request(object: &Bound<'_, PyAny>) -> Result<job::JobRequest> {
    match sent(object)? {
        Some(request) => Ok(request),
        None => Ok(job::JobRequest::from_bytes(&convert::bytes("request", object)?)?),
    }
}

#[pymethods]
impl Releaser {
    /// Addresses of the executors whose results it takes.
    #[getter]
    fn executors(&self) -> Vec<String> {
        self.executors.iter().map(ToString::to_string).collect()
    }

    /// Admits a request (a `JobRequest`, its ticket, or the bytes of one) and returns its task, the same each time. The job is on
    /// record then, and its use spent.
    fn task(&self, py: Python<'_>, request: &Bound<'_, PyAny>) -> Result<Task> {
        let (owner, request) = (Arc::clone(&self.owner), self::request(request)?);
        self.run(py, move |releaser| {
            let grant = granted(&owner, releaser, request)?;
            Ok(Task(releaser.task(&grant)?))
        })
    }

    /// Opens the executors' results, compares them with the canaries and with each other, applies the policy and seals the answer to
    /// whoever asked. Raises `Rejected` if too few stand; the owner's `node.refusals` has the reasons. The same request again gives
    /// the result that it has.
    fn release<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
        results: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyAny>> {
        let results = convert::items("results", results)?;
        let results = results.iter().map(|result| match result.cast::<ExecutorResult>() {
            Ok(result) => Ok(result.get().0.clone()),
            Err(_) => Ok(sealed::ExecutorResult::from_bytes(&convert::bytes("executor's result", result)?)?),
        });
        let results = results.collect::<Result<Vec<_>>>()?;
        let (owner, request) = (Arc::clone(&self.owner), self::request(request)?);
        let done = self.run(py, move |releaser| {
            let grant = granted(&owner, releaser, request)?;
            Ok(releaser.release(grant, &results)?)
        })?;
        released(py, done)
    }

    /// Executors of which a result of this asset was wrong, and of which no other is opened.
    fn struck(&self, py: Python<'_>, asset: &Asset) -> Result<Vec<String>> {
        let asset = asset.0.clone();
        self.run(py, move |releaser| Ok(releaser.struck(&asset)?.iter().map(ToString::to_string).collect()))
    }

    /// Takes an executor's results of this asset again, of other jobs: if its memory was broken, say, and it meant no harm. Of a job
    /// each executor has one result opened, right or wrong: another executor's result completes it.
    fn forgive(&self, py: Python<'_>, asset: &Asset, executor: &Bound<'_, PyAny>) -> Result<()> {
        let (asset, executor) = (asset.0.clone(), convert::address(executor)?);
        self.run(py, move |releaser| Ok(releaser.forgive(&asset, executor)?))
    }

    fn __repr__(&self) -> String {
        format!("Releaser(of {}, {} executors)", self.owner.address(), self.executors.len())
    }
}
