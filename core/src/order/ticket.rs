//! A request in the consumer's hands, with the keys that open its result.

use std::sync::Arc;

use sealock_fhe::linear::{Entropy, QueryKey, SealedAnswer};

use super::OrderError;
use super::consumer::{Inner, bind, find_order, identity};
use crate::error::{Error, Result};
use crate::exchange::Asset;
use crate::federation::FederationError;
use crate::job::{JobId, JobRequest};
use crate::node::shape;
use crate::receipt::{Receipt, ReceiptError};
use crate::release::{Answer, SealedResult};
use crate::sealed::ReleasedNumbers;
use crate::wallet::Ticket;

pub(super) fn query_key(seed: &[u8; 32]) -> QueryKey {
    QueryKey::generate_with_entropy(Entropy::from_seed(*seed))
}

/// The consumer's half of a job: the request to send, and the keys that open its result.
pub struct JobTicket {
    pub(super) consumer: Arc<Inner>,
    pub(super) asset: Asset,
    pub(super) ticket: Ticket,
}

impl JobTicket {
    /// The request to send. Sending it twice is asking once. Once admitted it is answered at any time; before, its proof is
    /// good for a few minutes: see [`JobTicket::renew`].
    pub fn request(&self) -> &JobRequest {
        &self.ticket.request
    }

    /// The name of the job.
    pub fn job(&self) -> JobId {
        self.ticket.request.id()
    }

    /// Proves the same request again, for the present time and group. It stays the same job with the same use, so that
    /// nothing is lost when a node was out of reach, and nothing is paid twice when it was not.
    ///
    /// # Errors
    /// [`OrderError::DeadlinePassed`]; [`OrderError::EpochPassed`] where uses are counted in epochs;
    /// [`ErrorKind::OrderExpired`](crate::ErrorKind::OrderExpired); the ledger's own.
    pub fn renew(&mut self) -> Result<()> {
        let Ticket { counter, use_index, .. } = self.ticket;
        let service = self.ticket.service;
        let secret = identity(&self.consumer.account, service, counter);
        let commitment = secret.commitment().to_bytes();
        let record = find_order(self.consumer.exchange.ledger(), service, |order| order.commitment == commitment)?;
        let record = record.ok_or(OrderError::NotInGroup)?;
        let order = bind(&self.consumer, &self.asset, service, counter, secret, &record);
        order.check_current()?;
        let key = self.consumer.exchange.proving_key(&self.asset)?;
        let now = order.now()?;
        let deadline = self.ticket.request.deadline;
        if now > deadline {
            return Err(OrderError::DeadlinePassed { deadline, now }.into());
        }
        let (membership, now) = order.membership(now)?;
        let epochs = [self.ticket.request.now, now].map(|at| service.epoch(at));
        if let ([Some(then), Some(present)], Some(secs)) = (epochs, service.epoch_secs)
            && then != present
        {
            let end = then.saturating_add(1).saturating_mul(secs);
            return Err(OrderError::EpochPassed { end, now }.into());
        }
        let mut request = self.ticket.request.clone();
        request.now = now;
        order.prove(&mut request, &key, &membership, use_index)?;
        self.ticket.request = request;
        Ok(self.consumer.wallet.keep(&self.ticket)?)
    }

    /// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts.
    ///
    /// # Errors
    /// [`OrderError::OtherJob`] for the result or the receipt of another job;
    /// [`ReleaseError`](crate::release::ReleaseError): a receipt or a result that is not for this request, or that was changed.
    pub fn open(&self, result: &SealedResult, receipt: &Receipt) -> Result<Answer> {
        let Ticket { request, outputs, seed, result_key, .. } = &self.ticket;
        if request.round.is_some() {
            let why = "it is a part of a sum: open all parts together";
            return Err(FederationError::Results(why.into()).into());
        }
        self.check_receipt(result, receipt)?;
        let sealed = result.unseal(result_key)?;
        let program = crate::program::Program::from_bytes(&request.program)?;
        let schema = self.asset.schema();
        let plan = self.asset.plan(&program)?;
        let numbers = match &self.asset.description().sealed.encrypted {
            Some(encrypted) => {
                let executed = receipt.statement().executed.as_ref();
                if executed.is_none_or(|executed| (executed.executors.len() as u64) < u64::from(encrypted.quorum)) {
                    return Err(ReceiptError::Mismatch { what: "quorum" }.into());
                }
                ReleasedNumbers::from_bytes(&sealed, plan.groups() * plan.width())?
            }
            None => {
                let shape = shape(&self.asset, &plan).map_err(OrderError::Unanswerable)?;
                query_key(seed).decrypt(&SealedAnswer::from_bytes(&sealed)?, &shape)?
            }
        };
        let exact = self.asset.policy().noise().is_none();
        let numbers = Answer::assemble(schema, exact, &plan, self.asset.max_rows(), &numbers)?;
        Ok(numbers.select(outputs))
    }

    pub(super) fn check_receipt(&self, result: &SealedResult, receipt: &Receipt) -> Result<(), Error> {
        let (request, said) = (&self.ticket.request, receipt.statement());
        // Who mixed up two jobs is told so, and not that somebody did not sign.
        let expected = self.job();
        for (what, got) in [("result", result.job()), ("receipt", said.job)] {
            if got != expected {
                return Err(OrderError::OtherJob { what, expected, got }.into());
            }
        }
        receipt.verify(self.asset.owner())?;
        for (what, fits) in [
            ("asset", said.asset == request.asset),
            ("program", said.program == request.program_digest()),
            ("policy", said.policy == request.policy),
            ("data", said.data == request.data),
            ("nullifier", said.nullifier == request.nullifier),
            ("result", said.result == result.digest()?),
        ] {
            if !fits {
                return Err(ReceiptError::Mismatch { what }.into());
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for JobTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JobTicket({})", self.job())
    }
}
