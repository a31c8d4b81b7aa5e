//! `Owner` and `Node`.

use std::ffi::CString;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use sealock::asset::{self, Table, Terms};
use sealock::job::{self, JobId};
use sealock::owner::Offer;

use crate::asset::Asset;
use crate::call::{Call, quick};
use crate::error::{Failure, Result};
use crate::job::{JobRequest, Receipt, SealedResult};
use crate::policy::{Policy, Price};
use crate::schema::Schema;
use crate::{convert, frame};

/// A party that publishes. Made by `Exchange.owner`.
#[pyclass(frozen, module = "sealock")]
pub struct Owner(pub Arc<sealock::owner::Owner>);

const INFERRED: &str = "no schema was given, so one is inferred. It is published and quotes the data: every category, the \
                        smallest and the largest numbers. Look at sealock.Schema.infer(data), correct it with with_column, \
                        and pass it as schema=";

#[pymethods]
impl Owner {
    /// The owner's address.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// The node that serves this owner's assets.
    #[getter]
    fn node(&self) -> Node {
        Node(Arc::clone(&self.0))
    }

    /// Publishes a DataFrame: checks it against the schema, folds it into its protected cube, encrypts and stores it, mints
    /// the data NFT and its datatokens, and describes it. The DataFrame is read once: what becomes of it later changes nothing.
    ///
    /// `policy` is a `Policy` or a dict of its keyword arguments. `valid_for` is a `timedelta` or whole seconds, `cap` a
    /// number of datatokens. `progress` is `True` for bars, or is called with stage, done and total.
    ///
    /// Without a `schema` one is inferred, with an `InferredSchemaWarning`: it is public and quotes the data.
    #[pyo3(signature = (
        data, *, name, policy, price, schema = None, uses_per_order = None, valid_for = None, description = None,
        author = None, license = None, tags = None, cap = None, progress = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn publish<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        name: String,
        policy: &Bound<'py, PyAny>,
        price: &Price,
        schema: Option<&Schema>,
        uses_per_order: Option<&Bound<'py, PyAny>>,
        valid_for: Option<&Bound<'py, PyAny>>,
        description: Option<String>,
        author: Option<String>,
        license: Option<String>,
        tags: Option<&Bound<'py, PyAny>>,
        cap: Option<&Bound<'py, PyAny>>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let policy = Policy::read(policy)?;
        let mut terms = match price.0 {
            asset::Price::Free { max_per_account } => Terms::free(max_per_account),
            asset::Price::Fixed { base_token, amount } => {
                Terms::fixed(base_token, sealock::ledger::Amount::from_units(amount))
            }
        };
        if let Some(uses) = uses_per_order {
            terms = terms.uses_per_order(convert::whole("uses_per_order", uses)?);
        }
        if let Some(span) = valid_for {
            terms = terms.valid_for(convert::seconds("valid_for", span)?);
        }
        let tags = tags.map(|tags| convert::texts("tags", tags)).transpose()?;
        let cap = cap.map(|cap| convert::whole("cap", cap)).transpose()?;
        let reader = frame::reader(data)?;
        let (batches, schema) = match schema {
            Some(schema) => (Err(reader), schema.0.clone()),
            None => {
                let (batches, schema) = Call::default().run(py, move |_| {
                    let batches = frame::batches(reader)?;
                    let schema = asset::Schema::infer_batches(&batches)?;
                    Ok((batches, schema))
                })?;
                let category = py.import("sealock.errors")?.getattr("InferredSchemaWarning")?;
                let message = CString::new(INFERRED).map_err(|e| PyValueError::new_err(e.to_string()))?;
                PyErr::warn(py, &category, &message, 1)?;
                (Ok(batches), schema)
            }
        };
        let owner = Arc::clone(&self.0);
        let published = Call::default().progress(progress)?.run(py, move |progress| {
            let batches = batches.or_else(frame::batches)?;
            let table = Table::from_batches(schema, batches)?;
            let mut offer = Offer::new(name, &table, policy, terms);
            if let Some(text) = description {
                offer = offer.description(text);
            }
            if let Some(text) = author {
                offer = offer.author(text);
            }
            if let Some(text) = license {
                offer = offer.license(text);
            }
            if let Some(tags) = tags {
                offer = offer.tags(tags);
            }
            if let Some(cap) = cap {
                offer = offer.cap(cap);
            }
            Ok(owner.publish_with(&offer, progress)?)
        })?;
        let suppression = PyDict::new(py);
        suppression.set_item("cells", published.suppression.cells)?;
        suppression.set_item("suppressed_cells", published.suppression.suppressed_cells)?;
        suppression.set_item("rows", published.suppression.rows)?;
        suppression.set_item("suppressed_rows", published.suppression.suppressed_rows)?;
        suppression.set_item("suppressed_values", published.suppression.suppressed_values)?;
        let fields = PyDict::new(py);
        fields.set_item("asset", Bound::new(py, Asset(published.asset))?)?;
        fields.set_item("suppression", convert::record(py, "Suppression", &suppression)?)?;
        fields.set_item("sealed_bytes", published.sealed_bytes)?;
        Ok(convert::record(py, "Published", &fields)?)
    }

    fn __repr__(&self) -> String {
        format!("Owner({})", self.0.address())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Owner", "it holds a secret key and is open in this process; see Exchange.owner"))
    }
}

/// The node of one owner: admits jobs, computes, releases. From `Owner.node`.
#[pyclass(frozen, module = "sealock")]
pub struct Node(Arc<sealock::owner::Owner>);

/// A request as it is, or as it travelled.
enum Arrived {
    Request(Box<job::JobRequest>),
    Bytes(Vec<u8>),
}

impl Arrived {
    fn read(object: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(match object.cast::<JobRequest>() {
            Ok(request) => Arrived::Request(Box::new(request.get().0.clone())),
            Err(_) => Arrived::Bytes(convert::bytes("request", object)?),
        })
    }
}

#[pymethods]
impl Node {
    /// The address that signs this node's receipts.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// Admits a job, computes it and releases its result: a `JobRequest`, or the bytes of one.
    ///
    /// The same request again leads to the same result and costs nothing. A remote party is told of a refusal in one word;
    /// `refusals` has the reason. A job that is interrupted after it was admitted stays on record: the same request again,
    /// or `resume`, completes it.
    #[pyo3(signature = (request, *, progress = None))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (owner, arrived) = (Arc::clone(&self.0), Arrived::read(request)?);
        let (result, receipt) = Call::default().alone().progress(progress)?.run(py, move |progress| {
            let node = owner.node();
            let request = match arrived {
                Arrived::Request(request) => *request,
                Arrived::Bytes(bytes) => match job::JobRequest::from_bytes(&bytes) {
                    Ok(request) => request,
                    // The node refuses it, and remembers that it did.
                    Err(_) => return Ok(node.release(node.compute(node.admit_bytes(&bytes)?)?)?),
                },
            };
            Ok(node.run_with(request, progress)?)
        })?;
        let fields = PyDict::new(py);
        fields.set_item("result", Bound::new(py, SealedResult(result))?)?;
        fields.set_item("receipt", Bound::new(py, Receipt(receipt))?)?;
        Ok(convert::record(py, "Released", &fields)?)
    }

    /// As `run`, in the background. Returns a `Job`: `job.result()`, or `await job`.
    #[pyo3(signature = (request, *, progress = None))]
    fn submit<'py>(
        slf: &Bound<'py, Self>,
        request: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        // What is wrong with the argument is said here, not by the job.
        Arrived::read(request)?;
        Ok(slf.py().import("sealock._jobs")?.call_method1("submit", (slf, request, progress))?)
    }

    /// The latest refusals with their reasons, oldest first. For the owner alone.
    fn refusals<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        let refusals = quick(py, || Ok(self.0.node().refusals()))?;
        let record = |refusal: sealock::node::RefusalRecord| {
            let fields = PyDict::new(py);
            fields.set_item("at", convert::from_timestamp(py, refusal.at)?)?;
            fields.set_item("asset", refusal.asset)?;
            fields.set_item("kind", refusal.kind.name())?;
            fields.set_item("reason", refusal.reason)?;
            Ok(convert::record(py, "Refusal", &fields)?)
        };
        refusals.into_iter().map(record).collect()
    }

    /// Every receipt, in order: see `verify_chain`.
    fn receipts(&self, py: Python<'_>) -> Result<Vec<Receipt>> {
        let owner = Arc::clone(&self.0);
        Call::default().run(py, move |_| Ok(owner.node().receipts()?.into_iter().map(Receipt).collect()))
    }

    /// Completes the jobs that were admitted before the node stopped. Returns how many.
    fn resume(&self, py: Python<'_>) -> Result<usize> {
        let owner = Arc::clone(&self.0);
        Call::default().run(py, move |_| Ok(owner.node().resume()?))
    }

    /// What is on record of a job; `None` if it was not admitted.
    fn job<'py>(&self, py: Python<'py>, job: &Bound<'py, PyAny>) -> Result<Option<Bound<'py, PyAny>>> {
        let id = JobId::from(convert::digest("job", job)?);
        let Some(found) = quick(py, || Ok(self.0.node().job(id)?))? else { return Ok(None) };
        let fields = PyDict::new(py);
        fields.set_item("asset", found.asset)?;
        fields.set_item("program", found.program.to_string())?;
        fields.set_item("policy", found.policy.to_string())?;
        fields.set_item("admitted_at", convert::from_timestamp(py, found.admitted_at)?)?;
        fields.set_item("receipt", found.receipt)?;
        Ok(Some(convert::record(py, "JobRecord", &fields)?))
    }

    fn __repr__(&self) -> String {
        format!("Node({})", self.0.address())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Node", "it is open in this process; send it bytes of a JobRequest"))
    }
}
