//! `RemoteNode`: a node that is far away.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use sealock::job;
use sealock::protocol::{AssetEntry, JobState, JobStatus};
use sealock::remote;

use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};
use crate::job::{released, sent};

/// A node that is far away, over HTTP. From `Exchange.node`, after `Exchange.connect`.
///
/// What a consumer does with it is what it does with an owner's own `Node`: `run` and `submit` take the same requests, and
/// return the same.
#[pyclass(frozen, module = "sealock")]
pub struct RemoteNode(pub remote::RemoteNode);

/// A request, a ticket that has it, or the bytes of one.
fn request(object: &Bound<'_, PyAny>) -> Result<job::JobRequest> {
    match sent(object)? {
        Some(request) => Ok(request),
        None => Ok(job::JobRequest::from_bytes(&convert::bytes("request", object)?)?),
    }
}

fn status<'py>(py: Python<'py>, status: &JobStatus) -> Result<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("job", &status.job)?;
    let state = match status.state {
        JobState::Queued => "queued",
        JobState::Running => "running",
        JobState::Complete => "complete",
        JobState::Cancelled => "cancelled",
        JobState::Failed => "failed",
        JobState::Expired => "expired",
    };
    fields.set_item("state", state)?;
    fields.set_item("stage", &status.stage)?;
    fields.set_item("ahead", status.ahead)?;
    fields.set_item("result_bytes", status.result_bytes)?;
    fields.set_item("kept_until", status.kept_until.map(|at| convert::from_timestamp(py, at)).transpose()?)?;
    Ok(convert::record(py, "JobStatus", &fields)?)
}

impl RemoteNode {
    /// Asks about a job.
    fn ask<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
        what: impl FnOnce(&remote::RemoteNode, &job::JobRequest) -> sealock::Result<JobStatus> + Send + 'static,
    ) -> Result<Bound<'py, PyAny>> {
        let (node, request) = (self.0.clone(), self::request(request)?);
        let said = Call::default().run(py, move |_| Ok(what(&node, &request)?))?;
        status(py, &said)
    }
}

#[pymethods]
impl RemoteNode {
    /// Where it is, as it was connected to.
    #[getter]
    fn url(&self) -> &str {
        self.0.url()
    }

    /// The address that signs its receipts, as it says. What an asset's receipts must be signed by is what the ledger says.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// What it said of itself when it was connected to, as a `NodeInfo`.
    #[getter]
    fn info<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let info = self.0.info();
        let fields = PyDict::new(py);
        fields.set_item("version", &info.version)?;
        fields.set_item("address", info.address.to_string())?;
        fields.set_item("chain_id", info.chain_id)?;
        fields.set_item("ledger", info.ledger.to_string())?;
        fields.set_item("serves_ledger", info.serves_ledger)?;
        fields.set_item("devices", PyTuple::new(py, &info.devices)?)?;
        fields.set_item("max_request_bytes", info.max_request_bytes)?;
        fields.set_item("max_result_bytes", info.max_result_bytes)?;
        fields.set_item("result_retention", convert::from_seconds(py, info.result_retention_secs)?)?;
        fields.set_item("now", convert::from_timestamp(py, info.now)?)?;
        Ok(convert::record(py, "NodeInfo", &fields)?)
    }

    /// The assets that it says it serves, each as an `AssetEntry`. What an asset is, the ledger says: `Exchange.asset(entry.did)`.
    fn assets<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        let node = self.0.clone();
        let served = Call::default().run(py, move |_| {
            let (mut served, mut from) = (Vec::new(), Some(0));
            while let Some(at) = from {
                let page = node.assets(at)?;
                served.extend(page.assets);
                // A page that does not lead on is the last.
                from = page.next.filter(|next| *next > at);
            }
            Ok(served)
        })?;
        let loads = py.import("json")?.getattr("loads")?;
        let read = |value: &serde_json::Value| loads.call1((value.to_string(),));
        let record = |AssetEntry { did, nft, ddo, price }: AssetEntry| {
            let fields = PyDict::new(py);
            fields.set_item("did", did)?;
            fields.set_item("nft", nft.to_string())?;
            fields.set_item("ddo", read(&ddo)?)?;
            fields.set_item("price", price.as_ref().map(read).transpose()?)?;
            Ok(convert::record(py, "AssetEntry", &fields)?)
        };
        served.into_iter().map(record).collect()
    }

    /// Sends a request, a `JobRequest`, its ticket or the bytes of one, and waits for its result.
    ///
    /// The same request again leads to the same result and costs nothing. While the node cannot be reached or is busy it is
    /// asked again, for as long as the `patience` of `Exchange.connect` says, two minutes if nothing else was said; one that has
    /// restarted in the meantime goes on where it was. That it waits is a warning in the log, and `progress` is told the stage
    /// "wait", in seconds. Whoever interrupts this has given the wait up, not the job: the same request again finds it, and `cancel`
    /// gives it up.
    #[pyo3(signature = (request, *, progress = None))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (node, request) = (self.0.clone(), self::request(request)?);
        let done =
            Call::default().progress(progress)?.run(py, move |progress| Ok(node.run_with(request, progress)?))?;
        released(py, done)
    }

    /// As `run`, in the background. Returns a `Job`: `job.result()`, or `await job`. Cancelling the `Job` gives up the wait; the
    /// node's job goes on until `cancel`. A program waits for its `Job`s when it ends: see `send`.
    #[pyo3(signature = (request, *, progress = None))]
    fn submit<'py>(
        slf: &Bound<'py, Self>,
        request: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        // What is wrong with the argument is said here, not by the job.
        self::request(request)?;
        Ok(slf.py().import("sealock._jobs")?.call_method1("await_far", (slf, request, progress))?)
    }

    /// Sends a request and does not wait: it is on record at the node when this returns, and `run` of the same request fetches
    /// the result, tomorrow or from another process. Raises `Busy` if the node has too much to do, and has spent nothing.
    fn send<'py>(&self, py: Python<'py>, request: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        self.ask(py, request, |node, request| node.submit(request))
    }

    /// How far a job is, by its request, as a `JobStatus`. Raises `NotFound` for one that the node does not know, or that somebody
    /// else asked for.
    fn status<'py>(&self, py: Python<'py>, request: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        self.ask(py, request, |node, request| node.status(request))
    }

    /// Gives a job up that is not complete, by its request. Its use stays spent: the same request again takes it up.
    fn cancel<'py>(&self, py: Python<'py>, request: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        self.ask(py, request, |node, request| node.cancel(request))
    }

    /// The result and the receipt of a job that is complete, by its request, without sending it again. Raises `NotFound` if it is
    /// not complete, or its result no longer kept.
    fn fetch<'py>(&self, py: Python<'py>, request: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let (node, request) = (self.0.clone(), self::request(request)?);
        let done = Call::default().run(py, move |_| Ok(node.fetch(&request)?))?;
        released(py, done)
    }

    /// Tells the node that it need not keep the result of a job any longer, by its request.
    fn discard(&self, py: Python<'_>, request: &Bound<'_, PyAny>) -> Result<()> {
        let (node, request) = (self.0.clone(), self::request(request)?);
        Call::default().run(py, move |_| Ok(node.discard(&request)?))
    }

    fn __repr__(&self, py: Python<'_>) -> Result<String> {
        quick(py, || Ok(format!("{:?}", self.0)))
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("RemoteNode", "it is connected in this process; connect again by its url"))
    }
}
