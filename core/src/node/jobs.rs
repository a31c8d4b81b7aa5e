//! Jobs on record: admitted now and completed later, here or after a restart.

use super::served::{Task, asset_prefix};
use super::{Node, Stopped};
use crate::access::{AccessGrant, Rejected};
use crate::asset::Did;
use crate::error::{Error, Result};
use crate::exchange::Asset;
use crate::job::{JobId, JobRequest};
use crate::journal::{JobRecord, Parked};
use crate::progress::{Progress, Stage, Step, inform, quiet, tell};
use crate::receipt::Receipt;
use crate::sealed::SealedError;
use crate::time::Timestamp;

impl Node {
    /// [`Node::admit`] for a job that [`Node::finish`] or [`Node::resume`] will complete. It is on record when this returns.
    ///
    /// # Errors
    /// As [`Node::admit`].
    pub fn submit(&self, request: JobRequest) -> Result<JobId> {
        Ok(self.admit(request)?.job)
    }

    /// The jobs that were admitted and are not complete.
    ///
    /// # Errors
    /// A failed read.
    pub fn unfinished(&self) -> Result<Vec<JobId>> {
        Ok(self.journal.unfinished()?)
    }

    /// Notes that nobody works on a job, or that somebody does again.
    ///
    /// # Errors
    /// A failed write.
    pub fn park(&self, job: JobId, why: Option<Parked>) -> Result<()> {
        Ok(self.journal.park(job, why)?)
    }

    /// Why nobody works on a job, if that is so.
    ///
    /// # Errors
    /// A failed read.
    pub fn parked(&self, job: JobId) -> Result<Option<Parked>> {
        Ok(self.journal.parked(job)?)
    }

    /// The sealed result, as its bytes, and the receipt of a complete job; nothing before it is complete.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) for a result that is no longer kept,
    /// [`ErrorKind::KeyDestroyed`](crate::ErrorKind::KeyDestroyed) for one that went with a key; a failed read.
    pub fn released(&self, job: JobId) -> Result<Option<(Vec<u8>, Receipt)>> {
        Ok(self.journal.result(job)?)
    }

    /// Length of the sealed result of a complete job, in bytes; none if it is not complete, or no longer kept.
    ///
    /// # Errors
    /// A failed read.
    pub fn result_len(&self, job: JobId) -> Result<Option<u64>> {
        Ok(self.journal.result_len(job)?)
    }

    /// Whether the result of a complete job is no longer kept.
    ///
    /// # Errors
    /// A failed read.
    pub fn expired(&self, job: JobId) -> Result<bool> {
        Ok(self.journal.expired(job)?)
    }

    /// Deletes the results that were released before a time; their receipts stay. Says how many there were.
    ///
    /// # Errors
    /// A failed write.
    pub fn expire(&self, before: Timestamp) -> Result<u64> {
        Ok(self.journal.expire(before, self.now())?)
    }

    /// Deletes the result of a complete job, whose consumer has it. Says whether there was one.
    ///
    /// # Errors
    /// A failed write.
    pub fn discard(&self, job: JobId) -> Result<bool> {
        Ok(self.journal.discard(job, self.now())?)
    }

    /// How many jobs of an asset were admitted.
    ///
    /// # Errors
    /// A failed read.
    pub fn jobs_admitted(&self, asset: &Did) -> Result<u64> {
        Ok(self.journal.jobs_admitted(&asset.to_string())?)
    }

    /// Checks that the journal can be written to.
    ///
    /// # Errors
    /// A failed write.
    pub fn probe(&self) -> Result<()> {
        Ok(self.journal.replace("probe", &self.now().to_be_bytes())?)
    }

    /// How many receipts there are.
    ///
    /// # Errors
    /// A failed read.
    pub fn receipt_count(&self) -> Result<u64> {
        Ok(self.journal.receipt_count()?)
    }

    /// The receipt of a number.
    ///
    /// # Errors
    /// A failed read.
    pub fn receipt(&self, number: u64) -> Result<Option<Receipt>> {
        Ok(self.journal.receipt(number)?)
    }

    /// At most `limit` receipts from a number on, in order.
    ///
    /// # Errors
    /// A failed read.
    pub fn receipts_from(&self, from: u64, limit: usize) -> Result<Vec<Receipt>> {
        Ok(self.journal.receipts_from(from, limit)?)
    }

    /// An asset that this node serves: it published it, and its owner still owns it.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn asset_of(&self, did: &Did) -> Result<Option<Asset>> {
        match self.served(&did.to_string()) {
            // With the price that the ledger says now.
            Ok(served) => Ok(Some(self.exchange.asset(served.asset.nft())?)),
            Err(Stopped::Refused(_)) => Ok(None),
            Err(Stopped::Failed(error)) => Err(error),
        }
    }

    /// The assets that this node serves, by identifier.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn assets(&self) -> Result<Vec<Asset>> {
        let mut assets = Vec::new();
        for name in self.journal.kept_names(&asset_prefix())? {
            let did = name.strip_prefix(&asset_prefix()).and_then(|did| did.parse().ok());
            if let Some(asset) = did.map(|did| self.asset_of(&did)).transpose()?.flatten() {
                assets.push(asset);
            }
        }
        Ok(assets)
    }

    /// Completes the jobs that were admitted before the node stopped. Returns how many. Those over sealed data wait for the
    /// results of executors: see [`Releaser::grant`](crate::sealed::Releaser::grant).
    ///
    /// # Errors
    /// The first failure, after every job has been tried. A job that failed stays on record.
    pub fn resume(&self) -> Result<usize> {
        let (mut completed, mut failed) = (0, None);
        for job in self.journal.unfinished()? {
            match self.finish(job, &mut quiet()) {
                Ok(()) => completed += 1,
                // Its results come from elsewhere, when they come.
                Err(Error::Sealed(error)) if matches!(*error, SealedError::AwaitsExecutors(_)) => {}
                Err(error) => {
                    tracing::error!(%job, %error, "a job that was admitted could not be completed");
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(completed), Err)
    }

    /// Completes one job that was admitted; one that is complete stays as it is.
    ///
    /// # Errors
    /// As [`Node::compute`] and [`Node::release`]; [`ErrorKind::Rejected`](crate::ErrorKind::Rejected) for one that can no
    /// longer be answered, since the asset has changed; [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled). The job stays on
    /// record.
    pub fn finish(&self, job: JobId, progress: &mut Progress<'_>) -> Result<()> {
        let Some(grant) = self.granted(job)? else { return Ok(()) };
        tell(progress, Step::out_of(Stage::Compute, 0, 1))?;
        let computed = self.compute(grant)?;
        tell(progress, Step::out_of(Stage::Compute, 1, 1))?;
        tell(progress, Step::out_of(Stage::Release, 0, 1))?;
        self.release(computed)?;
        inform(progress, Step::out_of(Stage::Release, 1, 1));
        Ok(())
    }

    /// The grant of a job that was admitted and is not complete, from its record.
    pub(crate) fn granted(&self, job: JobId) -> Result<Option<AccessGrant>> {
        let Some(request) = self.journal.request(job)? else { return Ok(None) };
        let granted = self.served(&request.asset).and_then(|served| {
            let task = Task::of(&request, &served.asset)?;
            self.grant(request, served, task)
        });
        let refused = |stopped| match stopped {
            Stopped::Refused(reason) => Rejected::from(reason).into(),
            Stopped::Failed(error) => error,
        };
        granted.map(Some).map_err(refused)
    }

    /// Whether a job was admitted, and its receipt number once it is complete.
    ///
    /// # Errors
    /// A failed read.
    pub fn job(&self, id: JobId) -> Result<Option<JobRecord>> {
        Ok(self.journal.find(id)?)
    }

    /// Every receipt, in order: see [`verify_chain`](crate::receipt::verify_chain).
    ///
    /// # Errors
    /// A failed read.
    pub fn receipts(&self) -> Result<Vec<Receipt>> {
        Ok(self.journal.receipts()?)
    }
}
