//! Orders of the data itself, and the requests that are made with them. See [`download`](crate::download).

use super::{JobTicket, Order};
use crate::download::{Download, Grant};
use crate::error::Result;
use crate::exchange::Asset;
use crate::job::{JobId, JobRequest};
use crate::ledger;
use crate::progress::{Progress, quiet};
use crate::receipt::Receipt;
use crate::release::SealedResult;

/// An order of an asset's data: the right to its key, some number of times.
pub struct DownloadOrder(pub(super) Order);

impl DownloadOrder {
    /// What the ledger shows of the order.
    pub fn record(&self) -> &ledger::Order {
        self.0.record()
    }

    /// The asset.
    pub fn asset(&self) -> &Asset {
        self.0.asset()
    }

    /// The revocation of the order, if one was announced: see [`Order::revocation`].
    ///
    /// # Errors
    /// The ledger's own.
    pub fn revocation(&self) -> Result<Option<ledger::Revocation>> {
        self.0.revocation()
    }

    /// Uses that are left, as far as this wallet knows.
    ///
    /// # Errors
    /// A failed read.
    pub fn uses_left(&self) -> Result<u64> {
        self.0.uses_left()
    }

    /// Makes the request for the key: a fresh key of the consumer's for it to be wrapped for, and a proof that some order
    /// pays, bound to that key. Takes the order's next use. The keys are in the wallet before this returns.
    ///
    /// # Errors
    /// The rule that denies it: nothing was taken then. [`ErrorKind::UseLimitReached`](crate::ErrorKind::UseLimitReached),
    /// [`ErrorKind::OrderExpired`](crate::ErrorKind::OrderExpired).
    pub fn request(&self) -> Result<DownloadTicket> {
        self.request_with(&mut quiet())
    }

    /// As [`DownloadOrder::request`], and tells how far it is. It can be cancelled until the use is taken, just before the
    /// proof is made.
    ///
    /// # Errors
    /// As [`DownloadOrder::request`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn request_with(&self, progress: &mut Progress<'_>) -> Result<DownloadTicket> {
        Ok(DownloadTicket(self.0.finish_with_next_use(self.0.prepare_download(progress)?, progress)?))
    }

    /// As [`DownloadOrder::request`], for a use of the caller's choice, counted from 0: see [`Order::request_use`].
    ///
    /// # Errors
    /// As [`DownloadOrder::request`].
    pub fn request_use(&self, use_index: u64) -> Result<DownloadTicket> {
        let prepared = self.0.prepare_download(&mut quiet())?;
        self.0.mark_used(&prepared, use_index)?;
        Ok(DownloadTicket(self.0.finish(prepared, use_index, &mut quiet())?))
    }
}

impl std::fmt::Debug for DownloadOrder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Download{:?}", self.0)
    }
}

/// The consumer's half of a download: the request to send, and the key that its result is sealed to.
pub struct DownloadTicket(pub(super) JobTicket);

impl DownloadTicket {
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

    /// Opens the result: checks that the receipt is the owner's and is about this request and this result, unwraps the key,
    /// and checks that it opens the data that the asset describes.
    ///
    /// # Errors
    /// [`OrderError::OtherJob`](super::OrderError::OtherJob) for the result or the receipt of another job;
    /// [`ReleaseError`](crate::release::ReleaseError): a receipt or a result that is not for this request, or was changed;
    /// [`ErrorKind::InvalidManifest`](crate::ErrorKind::InvalidManifest) or
    /// [`ErrorKind::WrongKey`](crate::ErrorKind::WrongKey) for a key that is not of the asset's data; the store's own.
    pub fn open(&self, result: &SealedResult, receipt: &Receipt) -> Result<Download> {
        let JobTicket { consumer, asset, ticket } = &self.0;
        self.0.check_receipt(result, receipt)?;
        Grant::from_bytes(&result.unseal(&ticket.result_key)?)?.open(&consumer.exchange, asset, &ticket.result_key)
    }
}

impl std::fmt::Debug for DownloadTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DownloadTicket({})", self.job())
    }
}
