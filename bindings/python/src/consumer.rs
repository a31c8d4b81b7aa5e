//! `Consumer`, `Order` and `JobTicket`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sealock::job::JobId;
use sealock::order;

use crate::answer::Answer;
use crate::asset::Asset;
use crate::call::{Call, quick};
use crate::convert;
use crate::download::{DownloadOrder, DownloadTicket};
use crate::error::{Failure, Result};
use crate::federated::FederatedTicket;
use crate::job::{JobRequest, Receipt, SealedResult};
use crate::model::{self, InferenceTicket};
use crate::owner::revocation;
use crate::query::Query;

/// A party that buys and asks. Made by `Exchange.consumer`.
#[pyclass(frozen, module = "sealock")]
pub struct Consumer(pub Arc<order::Consumer>);

#[pymethods]
impl Consumer {
    /// The address of the account that pays.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// Gets datatokens of the asset, at its fixed price or for nothing. Pays at most what `asset.price` shows, and the fees of
    /// a chain's contracts on top. Returns the digest of the transaction. On a chain it may still be bought if this is
    /// interrupted.
    #[pyo3(signature = (asset, count = None))]
    fn buy(&self, py: Python<'_>, asset: &Asset, count: Option<&Bound<'_, PyAny>>) -> Result<String> {
        let count = count.map_or(Ok(1), |count| convert::whole("count", count))?;
        if count == 0 {
            return Err(Failure::argument("count: 0 datatokens are none", "buy at least one"));
        }
        let (consumer, asset) = (Arc::clone(&self.0), asset.0.clone());
        Call::default().run(py, move |_| Ok(consumer.buy(&asset, count)?.tx.to_string()))
    }

    /// Spends one datatoken on an order of the asset. If this is interrupted, look among `orders` before ordering again.
    ///
    /// On a chain's contracts the asset's owner signs an offer for every order: by itself, if it is open in this process on the
    /// same `OceanLedger`; or elsewhere, by `Owner.offer` for `commitment`, and the bytes are the `offer` here.
    #[pyo3(signature = (asset, *, offer = None))]
    fn order(&self, py: Python<'_>, asset: &Asset, offer: Option<&Bound<'_, PyAny>>) -> Result<Order> {
        let (consumer, asset) = (Arc::clone(&self.0), asset.0.clone());
        let offer = offer.map(|offer| convert::bytes("offer", offer)).transpose()?;
        Call::default().run(py, move |_| {
            Ok(Order(Arc::new(match offer {
                None => consumer.order(&asset)?,
                Some(offer) => consumer.order_offered(&asset, &offer)?,
            })))
        })
    }

    /// The commitment of the next order of the asset, 32 bytes: what its owner signs an offer for, on a chain and elsewhere. It
    /// says nothing of later jobs.
    fn commitment<'py>(&self, py: Python<'py>, asset: &Asset) -> Result<Bound<'py, PyBytes>> {
        let (consumer, asset) = (Arc::clone(&self.0), asset.0.clone());
        let commitment = Call::default().run(py, move |_| Ok(consumer.commitment(&asset)?))?;
        Ok(PyBytes::new(py, &commitment))
    }

    /// Spends one datatoken on an order of the data itself, if its policy allows downloads. It pays for no query.
    fn order_download(&self, py: Python<'_>, asset: &Asset) -> Result<DownloadOrder> {
        let (consumer, asset) = (Arc::clone(&self.0), asset.0.clone());
        Call::default().run(py, move |_| Ok(DownloadOrder(Arc::new(consumer.order_download(&asset)?))))
    }

    /// The orders of the asset that this account has made, found on the ledger by the account's key alone.
    fn orders(&self, py: Python<'_>, asset: &Asset) -> Result<Vec<Order>> {
        let (consumer, asset) = (Arc::clone(&self.0), asset.0.clone());
        Call::default()
            .run(py, move |_| Ok(consumer.orders(&asset)?.into_iter().map(|order| Order(Arc::new(order))).collect()))
    }

    /// As `orders`, the orders of the data itself.
    fn download_orders(&self, py: Python<'_>, asset: &Asset) -> Result<Vec<DownloadOrder>> {
        let (consumer, asset) = (Arc::clone(&self.0), asset.0.clone());
        Call::default().run(py, move |_| {
            let orders = consumer.download_orders(&asset)?;
            Ok(orders.into_iter().map(|order| DownloadOrder(Arc::new(order))).collect())
        })
    }

    /// Every request that was made, with the keys that open its result, until it is forgotten: whether it was sent or not, and
    /// also once its result was opened.
    ///
    /// After a crash they are what is gone on with, also in another process on the same folder:
    ///
    /// ```python
    /// for ticket in consumer.tickets():
    ///     answer = ticket.open(*node.run(ticket.request))
    ///     consumer.forget(ticket.job)  # once the answer is kept elsewhere
    /// ```
    ///
    /// The same request again is the same job, and costs nothing. One that was never admitted and has grown old is renewed first:
    /// `ticket.renew()`.
    fn tickets(&self, py: Python<'_>) -> Result<Vec<JobTicket>> {
        let consumer = Arc::clone(&self.0);
        Call::default().run(py, move |_| Ok(consumer.tickets()?.into_iter().map(JobTicket::new).collect()))
    }

    /// As `tickets`, the requests for data itself.
    fn download_tickets(&self, py: Python<'_>) -> Result<Vec<DownloadTicket>> {
        let consumer = Arc::clone(&self.0);
        Call::default()
            .run(py, move |_| Ok(consumer.download_tickets()?.into_iter().map(DownloadTicket::new).collect()))
    }

    /// As `tickets`, the requests for vectors to be scored.
    fn inference_tickets(&self, py: Python<'_>) -> Result<Vec<InferenceTicket>> {
        let consumer = Arc::clone(&self.0);
        Call::default()
            .run(py, move |_| Ok(consumer.inference_tickets()?.into_iter().map(InferenceTicket::new).collect()))
    }

    /// As `tickets`, the requests of sums over several owners' assets.
    fn federated_tickets(&self, py: Python<'_>) -> Result<Vec<FederatedTicket>> {
        let consumer = Arc::clone(&self.0);
        Call::default()
            .run(py, move |_| Ok(consumer.federated_tickets()?.into_iter().map(FederatedTicket::new).collect()))
    }

    /// Makes the requests for one query to several owners' assets, of which only the sum can be opened: one order for each
    /// asset, whose policies name each other (see `Policy`). Takes the next use of every order, or of none.
    ///
    /// Run each of `ticket.requests` at its owner's node, and open all results together.
    #[pyo3(signature = (orders, query, *, progress = None))]
    fn request_federated<'py>(
        &self,
        py: Python<'py>,
        orders: &Bound<'py, PyAny>,
        query: &Query,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<FederatedTicket> {
        let order = |order: &Bound<'_, PyAny>| match order.cast::<Order>() {
            Ok(order) => Ok(Arc::clone(&order.get().0)),
            Err(_) => Err(Failure::wrong_type(format!("orders: expected Order, got {}", convert::type_name(order)))),
        };
        let orders = convert::items("orders", orders)?.iter().map(order).collect::<Result<Vec<_>>>()?;
        let (consumer, query) = (Arc::clone(&self.0), query.inner.clone());
        Call::default().progress(progress)?.run(py, move |progress| {
            let orders: Vec<&order::Order> = orders.iter().map(|order| &**order).collect();
            Ok(FederatedTicket::new(consumer.request_federated_with(&orders, &query, progress)?))
        })
    }

    /// Removes a request of any kind and its keys, by the name of its job: `ticket.job`. Its result cannot be opened afterwards,
    /// and the use that it took stays taken.
    fn forget(&self, py: Python<'_>, job: &Bound<'_, PyAny>) -> Result<()> {
        let id = JobId::from(convert::digest("job", job)?);
        quick(py, || Ok(self.0.forget(id)?))
    }

    fn __repr__(&self) -> String {
        format!("Consumer({})", self.0.address())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled(
            "Consumer",
            "it holds a secret key and is open in this process; see Exchange.consumer",
        ))
    }
}

/// The right to some number of jobs. Nobody else can use it, and nobody can link its uses to it.
#[pyclass(frozen, module = "sealock")]
pub struct Order(Arc<order::Order>);

/// Which use pays for a request, and whether the policy is looked at first.
enum Asked {
    Next,
    Use(u64),
    Unchecked,
}

impl Order {
    fn ask<'py>(
        &self,
        py: Python<'py>,
        query: &Query,
        asked: Asked,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<JobTicket> {
        let (order, query) = (Arc::clone(&self.0), query.inner.clone());
        Call::default().progress(progress)?.run(py, move |progress| {
            let ticket = match asked {
                Asked::Next => order.request_with(&query, progress),
                Asked::Use(index) => order.request_use(&query, index),
                Asked::Unchecked => order.request_without_policy_check(&query),
            };
            Ok(JobTicket::new(ticket?))
        })
    }
}

#[pymethods]
impl Order {
    /// The asset.
    #[getter]
    fn asset(&self) -> Asset {
        Asset(self.0.asset().clone())
    }

    /// Its place among the orders of the asset, from 0.
    #[getter]
    fn index(&self) -> u64 {
        self.0.record().index
    }

    /// For how many jobs it pays.
    #[getter]
    fn uses(&self) -> u64 {
        self.0.record().limit
    }

    /// Uses that are left, as far as this wallet knows; of the present epoch, where they are counted in epochs.
    #[getter]
    fn uses_left(&self, py: Python<'_>) -> Result<u64> {
        quick(py, || Ok(self.0.uses_left()?))
    }

    /// The last second in which it is valid.
    #[getter]
    fn expires<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_timestamp(py, self.0.record().expiry)
    }

    /// The revocation of the order, if its seller has announced one; it may have yet to take effect.
    #[getter]
    fn revocation<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let order = Arc::clone(&self.0);
        let revoked = Call::default().run(py, move |_| Ok(order.revocation()?))?;
        Ok(revoked.map(|revoked| revocation(py, &revoked)).transpose()?)
    }

    /// Makes the request for a query: checks it against the asset's policy, encrypts its secrets, and proves that some
    /// order pays for it. Takes the order's next use. An interrupted call may have taken one: see `Consumer.tickets`.
    #[pyo3(signature = (query, *, progress = None))]
    fn request<'py>(&self, py: Python<'py>, query: &Query, progress: Option<Bound<'py, PyAny>>) -> Result<JobTicket> {
        self.ask(py, query, Asked::Next, progress)
    }

    /// As `request`, for a use of your choice, from 0: when the wallet is lost. A use that was spent before is rejected, and
    /// two requests with one use can be linked.
    fn request_use(&self, py: Python<'_>, query: &Query, use_index: &Bound<'_, PyAny>) -> Result<JobTicket> {
        self.ask(py, query, Asked::Use(convert::whole("use_index", use_index)?), None)
    }

    /// As `request`, without looking at the policy first. The node looks in any case.
    fn request_without_policy_check(&self, py: Python<'_>, query: &Query) -> Result<JobTicket> {
        self.ask(py, query, Asked::Unchecked, None)
    }

    /// Makes the request for feature vectors to be scored by a model: checks it against the asset's policy, encrypts the
    /// vectors, and proves that some order pays for it. Takes the order's next use, however many vectors there are.
    ///
    /// `data` is a NumPy array with a row for each vector, a DataFrame with the features as columns, or lists of numbers. A
    /// value outside its feature's range raises `OutOfDomain`; with `clip` it is moved to the nearest end, and the model
    /// scores that. Several vectors are one job.
    #[pyo3(signature = (data, *, clip = false, progress = None))]
    fn infer<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        clip: bool,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<InferenceTicket> {
        let asset = self.0.asset();
        let values = if asset.model().is_some() { model::values(asset.schema(), data)? } else { Vec::new() };
        let order = Arc::clone(&self.0);
        Call::default().progress(progress)?.run(py, move |progress| {
            let asset = order.asset();
            let vectors = if clip { asset.vectors_clipped(&values) } else { asset.vectors(&values) };
            Ok(InferenceTicket::new(order.infer_with(&vectors?, progress)?))
        })
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Order", "it holds a secret; Consumer.orders finds it again"))
    }
}

/// The consumer's half of a job: the request to send, and the keys that open its result.
#[pyclass(frozen, module = "sealock")]
pub struct JobTicket {
    ticket: Arc<Mutex<order::JobTicket>>,
    /// What the ticket's request is while it is being renewed: readers do not wait for a proof.
    request: Arc<Mutex<JobRequest>>,
    job: JobId,
}

fn lock<T>(ticket: &Mutex<T>) -> MutexGuard<'_, T> {
    // A renewal replaces the request as a whole, or not at all.
    ticket.lock().unwrap_or_else(PoisonError::into_inner)
}

impl JobTicket {
    fn new(ticket: order::JobTicket) -> Self {
        let request = Arc::new(Mutex::new(JobRequest(ticket.request().clone())));
        Self { job: ticket.job(), ticket: Arc::new(Mutex::new(ticket)), request }
    }
}

#[pymethods]
impl JobTicket {
    /// The request to send. Sending it twice is asking once.
    #[getter]
    fn request(&self, py: Python<'_>) -> Result<JobRequest> {
        quick(py, || Ok(JobRequest(lock(&self.request).0.clone())))
    }

    /// The name of the job.
    #[getter]
    fn job(&self) -> String {
        self.job.to_string()
    }

    /// Proves the same request again, for the present time: when a node was out of reach for more than a few minutes.
    fn renew(&self, py: Python<'_>) -> Result<()> {
        let (ticket, request) = (Arc::clone(&self.ticket), Arc::clone(&self.request));
        Call::default().run(py, move |_| {
            let mut ticket = lock(&ticket);
            ticket.renew()?;
            *lock(&request) = JobRequest(ticket.request().clone());
            Ok(())
        })
    }

    /// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts. Raises
    /// `InvalidArgument` for the result or the receipt of another job.
    fn open(&self, py: Python<'_>, result: &SealedResult, receipt: &Receipt) -> Result<Answer> {
        let (ticket, result, receipt) = (Arc::clone(&self.ticket), result.0.clone(), receipt.0.clone());
        Call::default().run(py, move |_| Ok(Answer(Arc::new(lock(&ticket).open(&result, &receipt)?))))
    }

    fn __repr__(&self) -> String {
        format!("JobTicket({})", self.job)
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("JobTicket", "it holds the keys of the result; Consumer.tickets finds it again"))
    }
}
