//! Requests for vectors to be scored by a model. See [`model`](crate::model).

use sealock_fhe::linear::SealedAnswer;

use super::ticket::query_key;
use super::{JobTicket, Order, OrderError};
use crate::error::Result;
use crate::job::{JobId, JobRequest};
use crate::model::{Inference, Prediction, Vectors};
use crate::node::inference_shape;
use crate::progress::{Progress, quiet};
use crate::receipt::Receipt;
use crate::release::SealedResult;

impl Order {
    /// Makes the request for vectors to be scored: checks it against the asset's policy, encrypts the vectors, and proves that
    /// some order pays for it. Takes the order's next use, however many vectors there are. The keys are in the wallet before
    /// this returns.
    ///
    /// # Errors
    /// [`ModelError`](crate::model::ModelError) for a table, or vectors for another model; the rule that denies it: nothing
    /// was taken then. Otherwise as [`Order::request`].
    pub fn infer(&self, vectors: &Vectors) -> Result<InferenceTicket> {
        self.infer_with(vectors, &mut quiet())
    }

    /// As [`Order::infer`], and tells how far it is. It can be cancelled until the use is taken, just before the vectors are
    /// encrypted.
    ///
    /// # Errors
    /// As [`Order::infer`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn infer_with(&self, vectors: &Vectors, progress: &mut Progress<'_>) -> Result<InferenceTicket> {
        let prepared = self.prepare_inference(vectors, true, progress)?;
        Ok(InferenceTicket(self.finish_with_next_use(prepared, progress)?))
    }

    /// As [`Order::infer`], for a use of the caller's choice, counted from 0: see [`Order::request_use`].
    ///
    /// # Errors
    /// As [`Order::infer`].
    pub fn infer_use(&self, vectors: &Vectors, use_index: u64) -> Result<InferenceTicket> {
        let prepared = self.prepare_inference(vectors, true, &mut quiet())?;
        self.mark_used(&prepared, use_index)?;
        Ok(InferenceTicket(self.finish(prepared, use_index, &mut quiet())?))
    }

    /// As [`Order::infer`], without looking at the policy first: see [`Order::request_without_policy_check`].
    ///
    /// # Errors
    /// As [`Order::infer`], but for the rules of the policy.
    pub fn infer_without_policy_check(&self, vectors: &Vectors) -> Result<InferenceTicket> {
        let prepared = self.prepare_inference(vectors, false, &mut quiet())?;
        Ok(InferenceTicket(self.finish_with_next_use(prepared, &mut quiet())?))
    }
}

/// The consumer's half of an inference: the request to send, and the keys that open its result.
pub struct InferenceTicket(pub(super) JobTicket);

impl InferenceTicket {
    /// The request to send: see [`JobTicket::request`].
    pub fn request(&self) -> &JobRequest {
        self.0.request()
    }

    /// The name of the job.
    pub fn job(&self) -> JobId {
        self.0.job()
    }

    /// Proves the same request again, for the present time and group: see [`JobTicket::renew`].
    ///
    /// # Errors
    /// As [`JobTicket::renew`].
    pub fn renew(&mut self) -> Result<()> {
        self.0.renew()
    }

    /// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts.
    ///
    /// # Errors
    /// [`OrderError::OtherJob`] for the result or the receipt of another job;
    /// [`ReleaseError`](crate::release::ReleaseError): a receipt or a result that is not for this request, or that was
    /// changed.
    pub fn open(&self, result: &SealedResult, receipt: &Receipt) -> Result<Prediction> {
        let JobTicket { asset, ticket, .. } = &self.0;
        self.0.check_receipt(result, receipt)?;
        let sealed = SealedAnswer::from_bytes(&result.unseal(&ticket.result_key)?)?;
        let info = asset.require_model()?;
        let program = Inference::from_bytes(&ticket.request.program)?;
        let shape = inference_shape(asset, &program).map_err(OrderError::Unanswerable)?;
        Ok(Prediction::of(info, query_key(&ticket.seed).decrypt(&sealed, &shape)?))
    }
}

impl std::fmt::Debug for InferenceTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InferenceTicket({})", self.job())
    }
}
