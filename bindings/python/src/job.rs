//! What travels: `JobRequest` there, `SealedResult` and `Receipt` back.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};
use sealock::{destruction, job, receipt, release};

use crate::consumer::JobTicket;
use crate::convert;
use crate::download::DownloadTicket;
use crate::error::{Failure, Result};
use crate::federated::FederatedTicket;
use crate::model::InferenceTicket;

/// A request for one job, as it travels. It is public: its secrets are encrypted.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct JobRequest(pub job::JobRequest);

#[pymethods]
impl JobRequest {
    /// The name of the job.
    #[getter]
    fn job(&self) -> String {
        self.0.id().to_string()
    }

    /// The DID of the asset.
    #[getter]
    fn asset(&self) -> &str {
        self.0.asset()
    }

    /// The DIDs of all assets that are asked together, if the request is a part of a sum.
    #[getter]
    fn parties(&self) -> Option<Vec<&str>> {
        self.0.round().map(|round| round.parties().iter().map(|party| party.asset()).collect())
    }

    /// When the request lapses.
    #[getter]
    fn deadline<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_timestamp(py, self.0.deadline())
    }

    /// Canonical DAG-CBOR.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.to_bytes()?))
    }

    /// Reads canonical DAG-CBOR. Only a node can tell whether its proof holds.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(job::JobRequest::from_bytes(&convert::bytes("request", bytes)?)?))
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.id())
    }

    fn __repr__(&self) -> String {
        format!("JobRequest(job={}, asset={})", self.0.id(), self.0.asset())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py)?)?)
    }
}

/// A request, as it is or as its ticket has it; `None` for anything else, such as the bytes of one.
pub fn sent(object: &Bound<'_, PyAny>) -> Result<Option<job::JobRequest>> {
    if object.is_instance_of::<FederatedTicket>() {
        let why = "request: a FederatedTicket has one for each owner's node: pass one of ticket.requests";
        return Err(Failure::wrong_type(why));
    }
    let ticket = object.is_instance_of::<JobTicket>()
        || object.is_instance_of::<InferenceTicket>()
        || object.is_instance_of::<DownloadTicket>();
    let object = if ticket { object.getattr("request")? } else { object.clone() };
    Ok(object.cast::<JobRequest>().ok().map(|request| request.get().0.clone()))
}

/// A result as it travels, sealed to whoever asked.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct SealedResult(pub release::SealedResult);

#[pymethods]
impl SealedResult {
    /// The job that it answers.
    #[getter]
    fn job(&self) -> String {
        self.0.job().to_string()
    }

    /// The digest that the receipt names the result by.
    #[getter]
    fn digest(&self) -> Result<String> {
        Ok(self.0.digest()?.to_string())
    }

    /// Canonical DAG-CBOR.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.to_bytes()?))
    }

    /// Reads canonical DAG-CBOR.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(release::SealedResult::from_bytes(&convert::bytes("result", bytes)?)?))
    }

    fn __hash__(&self) -> Result<u64> {
        Ok(crate::hash(&self.0.digest()?))
    }

    fn __repr__(&self) -> String {
        format!("SealedResult(job={})", self.0.job())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py)?)?)
    }
}

/// What a node sends back, as a record.
pub fn released(
    py: Python<'_>,
    (result, receipt): (release::SealedResult, receipt::Receipt),
) -> Result<Bound<'_, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("result", Bound::new(py, SealedResult(result))?)?;
    fields.set_item("receipt", Bound::new(py, Receipt(receipt))?)?;
    Ok(convert::record(py, "Released", &fields)?)
}

/// What an owner signs for every job, each chained to the one before.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct Receipt(pub receipt::Receipt);

#[pymethods]
impl Receipt {
    /// Checks that `owner` (an address) signed it. Raises `BadSignature` otherwise.
    fn verify(&self, owner: &Bound<'_, PyAny>) -> Result<()> {
        Ok(self.0.verify(convert::address(owner)?)?)
    }

    /// What the receipt says. Call `verify` first.
    #[getter]
    fn statement<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let said = self.0.statement();
        let fields = PyDict::new(py);
        fields.set_item("number", said.number)?;
        fields.set_item("previous", said.previous.to_string())?;
        fields.set_item("asset", &said.asset)?;
        fields.set_item("job", said.job.to_string())?;
        fields.set_item("program", said.program.to_string())?;
        fields.set_item("policy", said.policy.to_string())?;
        fields.set_item("data", said.data.to_string())?;
        fields.set_item("device", &said.device)?;
        fields.set_item("nullifier", PyBytes::new(py, &said.nullifier))?;
        fields.set_item("result", said.result.to_string())?;
        fields.set_item("epsilon", said.epsilon_micros.map(|micros| micros as f64 / 1e6))?;
        fields.set_item("released_at", convert::from_timestamp(py, said.released_at)?)?;
        let executed = said.executed.as_ref().map(|said| {
            let fields = PyDict::new(py);
            fields.set_item("quorum", said.quorum)?;
            fields.set_item("results", said.results)?;
            fields.set_item("executors", said.executors.iter().map(ToString::to_string).collect::<Vec<_>>())?;
            fields.set_item("canaries", said.canaries)?;
            convert::record(py, "Executed", &fields)
        });
        fields.set_item("executed", executed.transpose()?)?;
        Ok(convert::record(py, "Statement", &fields)?)
    }

    /// The digest that the next receipt names this one by.
    #[getter]
    fn digest(&self) -> Result<String> {
        Ok(self.0.digest()?.to_string())
    }

    /// Canonical DAG-CBOR.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.to_bytes()?))
    }

    /// Reads canonical DAG-CBOR.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(receipt::Receipt::from_bytes(&convert::bytes("receipt", bytes)?)?))
    }

    fn __hash__(&self) -> Result<u64> {
        Ok(crate::hash(&self.0.digest()?))
    }

    fn __repr__(&self) -> String {
        let said = self.0.statement();
        format!("Receipt(number={}, job={})", said.number, said.job)
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py)?)?)
    }
}

/// An owner's signed word that its key of an epoch is gone. It is a promise that is attributable, and no proof: nothing can
/// prove that no copy was kept. It says nothing of keys that others hold.
#[pyclass(frozen, eq, module = "sealock")]
#[derive(Clone, PartialEq)]
pub struct DestructionReceipt(pub destruction::DestructionReceipt);

#[pymethods]
impl DestructionReceipt {
    /// Checks that `owner` (an address) signed it. Raises `BadSignature` otherwise.
    fn verify(&self, owner: &Bound<'_, PyAny>) -> Result<()> {
        Ok(self.0.verify(convert::address(owner)?)?)
    }

    /// Whose key it was. Call `verify` first.
    #[getter]
    fn owner(&self) -> String {
        self.0.statement().owner.to_string()
    }

    /// The DID of the asset.
    #[getter]
    fn asset(&self) -> &str {
        &self.0.statement().asset
    }

    /// The dataset.
    #[getter]
    fn dataset(&self) -> String {
        self.0.statement().dataset.to_string()
    }

    /// The epoch whose key is gone. Others may have theirs.
    #[getter]
    fn epoch(&self) -> u64 {
        self.0.statement().epoch
    }

    /// The CID of the epoch's last manifest, which the key unwrapped.
    #[getter]
    fn manifest(&self) -> String {
        self.0.statement().manifest.to_string()
    }

    /// When.
    #[getter]
    fn destroyed_at<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_timestamp(py, self.0.statement().destroyed_at)
    }

    /// Canonical DAG-CBOR.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.to_bytes()?))
    }

    /// Reads canonical DAG-CBOR.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(destruction::DestructionReceipt::from_bytes(&convert::bytes("receipt", bytes)?)?))
    }

    fn __hash__(&self) -> Result<u64> {
        Ok(crate::hash(&self.0.to_bytes()?))
    }

    fn __repr__(&self) -> String {
        format!("DestructionReceipt(asset={}, epoch={})", self.asset(), self.epoch())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py)?)?)
    }
}

/// Checks a whole chain of receipts: every signature, every number, every link.
///
/// It cannot see that the latest receipts are missing: compare it with receipts that consumers hold.
#[pyfunction]
pub fn verify_chain(py: Python<'_>, owner: &Bound<'_, PyAny>, receipts: &Bound<'_, PyAny>) -> Result<()> {
    let owner = convert::address(owner)?;
    let receipts = convert::items("receipts", receipts)?;
    let receipts = receipts.iter().map(|receipt| match receipt.cast::<Receipt>() {
        Ok(receipt) => Ok(receipt.get().0.clone()),
        Err(_) => Err(Failure::wrong_type(format!("receipts: expected Receipt, got {}", convert::type_name(receipt)))),
    });
    let receipts = receipts.collect::<Result<Vec<_>>>()?;
    crate::call::Call::default().run(py, move |_| Ok(receipt::verify_chain(owner, &receipts)?))
}
