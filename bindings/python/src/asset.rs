//! `Asset`.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple, PyType};
use sealock::exchange::Estimate;

use crate::call::Call;
use crate::convert;
use crate::error::Result;
use crate::policy::{Policy, Price};
use crate::query::Query;
use crate::schema::Schema;

/// A published asset, as the ledger shows it to everybody.
#[pyclass(frozen, module = "sealock")]
#[derive(Clone)]
pub struct Asset(pub sealock::Asset);

#[pymethods]
impl Asset {
    /// The asset's identifier.
    #[getter]
    fn did(&self) -> String {
        self.0.did().to_string()
    }

    /// The address of the data NFT that stands for it, by which `Exchange.asset` finds it.
    #[getter]
    fn nft(&self) -> String {
        self.0.nft().to_string()
    }

    /// The address of its datatoken, one of which an order costs.
    #[getter]
    fn datatoken(&self) -> String {
        self.0.service().datatoken.to_string()
    }

    /// The address of its owner, who signs its receipts.
    #[getter]
    fn owner(&self) -> String {
        self.0.owner().to_string()
    }

    /// The columns of a table, the features of a model.
    #[getter]
    fn schema(&self) -> Schema {
        Schema(self.0.schema().clone())
    }

    /// What everybody may know of the model, if the asset is one; `None` for a table.
    #[getter]
    fn model<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.model().map(|info| crate::model::record(py, info)).transpose()
    }

    /// What may be asked.
    #[getter]
    fn policy(&self) -> Policy {
        Policy(self.0.policy().clone())
    }

    /// How a datatoken is had; `None` if it is not on offer.
    #[getter]
    fn price(&self) -> Option<Price> {
        self.0.price().cloned().map(Price)
    }

    /// For how many jobs one order pays.
    #[getter]
    fn uses_per_order(&self) -> u64 {
        self.0.order_terms().limit
    }

    /// For how long an order is valid.
    #[getter]
    fn valid_for<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_seconds(py, self.0.order_terms().validity_secs)
    }

    /// In what epochs an order has its uses anew; `None` if it has them once.
    #[getter]
    fn renewed_every<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.order_terms().epoch_secs.map(|secs| convert::from_seconds(py, secs)).transpose()
    }

    /// An upper bound on the number of rows. The exact number would tell how many rows are withheld.
    #[getter]
    fn max_rows(&self) -> u64 {
        self.0.max_rows()
    }

    /// Names what is computed on. Requests and receipts carry it.
    #[getter]
    fn data(&self) -> String {
        self.0.data().to_string()
    }

    /// What its data is encrypted as. Each encryption under new keys is another epoch of the same dataset.
    #[getter]
    fn dataset(&self) -> String {
        self.0.dataset().dataset.to_string()
    }

    /// Counts the encryptions of the data under new keys, from 0.
    #[getter]
    fn epoch(&self) -> u64 {
        self.0.dataset().epoch
    }

    /// The CIDs of the roots of everything that the store holds of it: the manifest, and the key that access proofs are made
    /// with.
    #[getter]
    fn roots<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.roots().map(|root| root.to_string()))
    }

    /// The name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.description().metadata.name
    }

    /// What it is.
    #[getter]
    fn description(&self) -> &str {
        &self.0.description().metadata.description
    }

    /// Who made it.
    #[getter]
    fn author(&self) -> &str {
        &self.0.description().metadata.author
    }

    /// Its licence.
    #[getter]
    fn license(&self) -> &str {
        &self.0.description().metadata.license
    }

    /// What it is found by.
    #[getter]
    fn tags<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.description().metadata.tags)
    }

    /// When it was published.
    #[getter]
    fn created<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_timestamp(py, self.0.description().metadata.created)
    }

    /// What a query will cost. Needs no order, takes nothing, and tells nobody. Fails as a request would.
    fn estimate<'py>(&self, py: Python<'py>, query: &Query) -> Result<Bound<'py, PyAny>> {
        let (asset, query) = (self.0.clone(), query.inner.clone());
        estimated(py, Call::default().run(py, move |_| Ok(asset.estimate(&query)?))?)
    }

    /// What it will cost to have so many vectors scored. `groups` are vectors then, `numbers` scores of each, and `hidden_cells` the
    /// numbers that are encrypted. Fails as `Order.infer` would.
    fn estimate_inference<'py>(&self, py: Python<'py>, vectors: &Bound<'py, PyAny>) -> Result<Bound<'py, PyAny>> {
        let (asset, vectors) = (self.0.clone(), convert::whole("vectors", vectors)?);
        estimated(py, Call::default().run(py, move |_| Ok(asset.estimate_inference(vectors)?))?)
    }

    /// The asset as it is seen here, as canonical DAG-CBOR.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.0.to_bytes()?))
    }

    /// Reads what `to_bytes` wrote. No ledger is asked: unless the bytes are your own, look the asset up again with
    /// `Exchange.asset`.
    #[classmethod]
    fn from_bytes(_class: &Bound<'_, PyType>, bytes: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(Self(sealock::Asset::from_bytes(&convert::bytes("asset", bytes)?)?))
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> Result<bool> {
        let Ok(other) = other.cast::<Self>() else { return Ok(false) };
        Ok(self.0.to_bytes()? == other.get().0.to_bytes()?)
    }

    fn __hash__(&self) -> u64 {
        crate::hash(&self.0.did())
    }

    fn __repr__(&self) -> String {
        format!("Asset({:?}, {})", self.name(), self.0.did())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Result<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        Ok(convert::rebuilt::<Self>(py, "from_bytes", self.to_bytes(py)?)?)
    }
}

/// An estimate as Python has it.
fn estimated(py: Python<'_>, estimate: Estimate) -> Result<Bound<'_, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("price", estimate.price.map(Price).map(|price| Bound::new(py, price)).transpose()?)?;
    fields.set_item("uses_per_order", estimate.uses_per_order)?;
    let renewed_every = estimate.epoch_secs.map(|secs| convert::from_seconds(py, secs)).transpose()?;
    fields.set_item("renewed_every", renewed_every)?;
    fields.set_item("groups", estimate.groups)?;
    fields.set_item("numbers", estimate.numbers)?;
    fields.set_item("hidden_cells", estimate.hidden_cells)?;
    fields.set_item("request_bytes", estimate.request_bytes)?;
    fields.set_item("result_bytes", estimate.result_bytes)?;
    fields.set_item("compute_time", convert::from_duration(py, estimate.compute_time)?)?;
    fields.set_item("epsilon", estimate.epsilon)?;
    fields.set_item("delta", estimate.delta)?;
    fields.set_item("epsilon_limit", estimate.epsilon_limit)?;
    let errors = estimate.errors.into_iter().map(|error| {
        let fields = PyDict::new(py);
        fields.set_item("name", error.name)?;
        fields.set_item("cell_deviation", error.cell_deviation)?;
        fields.set_item("cells", error.cells)?;
        fields.set_item("deviation", error.deviation)?;
        fields.set_item("half_width", error.half_width)?;
        convert::record(py, "NumberError", &fields)
    });
    fields.set_item("errors", PyTuple::new(py, errors.collect::<PyResult<Vec<_>>>()?)?)?;
    Ok(convert::record(py, "Estimate", &fields)?)
}
