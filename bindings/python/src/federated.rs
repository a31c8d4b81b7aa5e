//! `FederatedTicket`: one query to several owners, of which only the sum opens.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use sealock::{order, receipt, release};

use crate::answer::Answer;
use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};
use crate::job::{JobRequest, Receipt, SealedResult};

/// The consumer's half of a sum over several owners' assets: the requests to send, one to each owner's node, and the keys that
/// open the sum of the results. Made by `Consumer.request_federated`.
#[pyclass(frozen, module = "sealock")]
pub struct FederatedTicket {
    ticket: Arc<Mutex<order::FederatedTicket>>,
    /// What the requests are while they are being renewed: readers do not wait for proofs.
    requests: Arc<Mutex<Vec<JobRequest>>>,
    jobs: Vec<String>,
}

fn lock<T>(ticket: &Mutex<T>) -> MutexGuard<'_, T> {
    // A renewal replaces each request as a whole, or not at all.
    ticket.lock().unwrap_or_else(PoisonError::into_inner)
}

fn requests_of(ticket: &order::FederatedTicket) -> Vec<JobRequest> {
    ticket.requests().cloned().map(JobRequest).collect()
}

impl FederatedTicket {
    pub fn new(ticket: order::FederatedTicket) -> Self {
        let jobs = ticket.jobs().map(|job| job.to_string()).collect();
        let requests = Arc::new(Mutex::new(requests_of(&ticket)));
        Self { ticket: Arc::new(Mutex::new(ticket)), requests, jobs }
    }
}

/// Pairs of a result and its receipt, such as `Node.run` returns.
fn released(results: &Bound<'_, PyAny>) -> Result<Vec<(release::SealedResult, receipt::Receipt)>> {
    let pair = |item: &Bound<'_, PyAny>| {
        let wrong = || {
            let got = convert::type_name(item);
            Failure::wrong_type(format!("results: expected pairs of a SealedResult and a Receipt, got {got}"))
        };
        let (result, receipt): (Bound<'_, PyAny>, Bound<'_, PyAny>) = item.extract().map_err(|_| wrong())?;
        let (result, receipt) = (result.cast::<SealedResult>(), receipt.cast::<Receipt>());
        match (result, receipt) {
            (Ok(result), Ok(receipt)) => Ok((result.get().0.clone(), receipt.get().0.clone())),
            _ => Err(wrong()),
        }
    };
    convert::items("results", results)?.iter().map(pair).collect()
}

#[pymethods]
impl FederatedTicket {
    /// The requests to send, in the order of the orders that they were made with. Sending one twice is asking once.
    #[getter]
    fn requests(&self, py: Python<'_>) -> Result<Vec<JobRequest>> {
        quick(py, || Ok(lock(&self.requests).clone()))
    }

    /// The names of the jobs, in the same order.
    #[getter]
    fn jobs(&self) -> Vec<String> {
        self.jobs.clone()
    }

    /// Proves the same requests again, for the present time: when a node was out of reach for more than a few minutes.
    fn renew(&self, py: Python<'_>) -> Result<()> {
        let (ticket, requests) = (Arc::clone(&self.ticket), Arc::clone(&self.requests));
        Call::default().run(py, move |_| {
            let mut ticket = lock(&ticket);
            let renewed = ticket.renew();
            *lock(&requests) = requests_of(&ticket);
            Ok(renewed?)
        })
    }

    /// Opens the sum of the results, pairs of a `SealedResult` and a `Receipt` in any order, one of each node: checks that each
    /// receipt is its owner's and is about its job and result, adds up, and decrypts. Some of them open nothing.
    fn open(&self, py: Python<'_>, results: &Bound<'_, PyAny>) -> Result<Answer> {
        let (ticket, results) = (Arc::clone(&self.ticket), released(results)?);
        Call::default().run(py, move |_| Ok(Answer(Arc::new(lock(&ticket).open(&results)?))))
    }

    fn __repr__(&self) -> String {
        format!("FederatedTicket({} jobs)", self.jobs.len())
    }

    fn __reduce__(&self) -> Result<()> {
        let found = "it holds the keys of the results; Consumer.federated_tickets finds it again";
        Err(Failure::not_pickled("FederatedTicket", found))
    }
}
