//! The executor: computes tasks on ciphertexts. It has a store and an account to sign with, and no key of any data.

use std::sync::{Arc, Mutex};

use cid::Cid;
use sealock_fhe::Device;
use sealock_fhe::table::{EncryptedChunk, EvaluationKey, Evaluator, Rows, evaluate_packed};

use super::SealedError;
use super::manifest::{Chunk, add_file, read_file};
use super::pass::plans;
use super::task::{ExecutorResult, Part, Task};
use crate::error::Result;
use crate::exchange::Exchange;
use crate::progress::{Progress, Stage, Step, quiet, tell};
#[cfg(feature = "client")]
use crate::store::MemoryStore;
use crate::store::Store;
use crate::{Account, Address};

/// Computes tasks: see the [module](super).
///
/// The evaluation key of the last asset stays expanded, which takes 240 MB. It is read when a part first needs it: packed
/// ones do not.
pub struct Executor {
    store: Arc<dyn Store>,
    account: Account,
    devices: Vec<Device>,
    evaluator: Mutex<Option<(Cid, Arc<Evaluator>)>>,
}

impl Executor {
    /// An executor over a store, from which it reads columns and into which it puts results.
    pub fn new(store: impl Store + 'static, account: Account) -> Self {
        Self { store: Arc::new(store), account, devices: vec![Device::Cpu], evaluator: Mutex::default() }
    }

    /// An executor over the store of an exchange.
    pub fn on(exchange: &Exchange, account: Account) -> Self {
        let (store, devices) = (exchange.store_handle(), vec![Device::Cpu]);
        Self { store, account, devices, evaluator: Mutex::default() }
    }

    /// The same on these devices: the processor alone, or one or several GPUs, of which each holds the key. GPUs need the feature
    /// `gpu`.
    ///
    /// # Errors
    /// [`SealedError::Encryption`] for a device that cannot be used here, or is named twice.
    pub fn on_devices(mut self, devices: &[Device]) -> Result<Self> {
        Evaluator::check(devices).map_err(SealedError::from)?;
        self.devices = devices.to_vec();
        *self.evaluator.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        Ok(self)
    }

    /// The address that signs its results.
    pub fn address(&self) -> Address {
        self.account.address()
    }

    /// The devices that compute, as results and receipts name them: `cpu`, `cuda:0+cuda:1`. Packed chunks are computed on the
    /// processor, whatever devices there are, and their results say so.
    pub fn device(&self) -> String {
        self.devices.iter().map(Device::to_string).collect::<Vec<_>>().join("+")
    }

    /// Runs a task, one part after the other.
    ///
    /// # Errors
    /// As [`Executor::run_part`] and [`Executor::join`].
    pub fn run(&self, task: &Task) -> Result<ExecutorResult> {
        self.run_with(task, &mut quiet())
    }

    /// As [`Executor::run`], and tells how many parts are done. It can be cancelled between two parts.
    ///
    /// # Errors
    /// As [`Executor::run`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn run_with(&self, task: &Task, progress: &mut Progress<'_>) -> Result<ExecutorResult> {
        let parts = task.parts(&self.store)?;
        let mut results = Vec::with_capacity(parts.len());
        for (done, part) in parts.iter().enumerate() {
            tell(progress, Step::out_of(Stage::Compute, done as u64, parts.len() as u64))?;
            results.push(self.run_part(part)?);
        }
        tell(progress, Step::out_of(Stage::Compute, parts.len() as u64, parts.len() as u64))?;
        self.join(task, &results)
    }

    /// The parts of a task, in order.
    ///
    /// # Errors
    /// As [`Task::parts`].
    pub fn parts(&self, task: &Task) -> Result<Vec<Part>> {
        Ok(task.parts(&self.store)?)
    }

    /// Runs one part, and returns where its encrypted result is. It is pinned: see [`Executor::forget`]. The same part gives the
    /// same CID in every process on the same kind of processor, and opens to the same numbers on any, so that one that was lost is
    /// run again anywhere.
    ///
    /// # Errors
    /// The store's own; [`SealedError::Invalid`] and [`SealedError::Encryption`] for blocks that are not what the part says.
    pub fn run_part(&self, part: &Part) -> Result<Cid> {
        let bytes = self.compute(part)?;
        let _adding = self.store.adding()?;
        let root = add_file(&self.store, &bytes)?;
        self.store.pin(&root)?;
        Ok(root)
    }

    /// Runs one part whose result is sent on and not kept.
    #[cfg(feature = "client")]
    pub(crate) fn compute_part(&self, part: &Part) -> Result<(Cid, Vec<u8>)> {
        let bytes = self.compute(part)?;
        Ok((add_file(&MemoryStore::default(), &bytes)?, bytes))
    }

    #[cfg(feature = "client")]
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    fn compute(&self, part: &Part) -> Result<Vec<u8>, SealedError> {
        part.columns.check()?;
        let plans = plans(&part.passes, &part.columns)?;
        let rows = part.rows as usize;
        let chunk = Chunk::load(&self.store, &part.chunk, part.rows, &part.columns)?;
        let mut needed: Vec<_> = plans.iter().flat_map(|plan| plan.sources()).collect();
        needed.sort_unstable();
        needed.dedup();
        let mut columns = Vec::with_capacity(needed.len());
        for (column, form) in needed {
            let place = part.columns.place(column, form).expect("the pass was checked");
            let bits = part.columns.stored[place].bits;
            let length = EncryptedChunk::encoded_len(form, bits, rows);
            let encrypted = EncryptedChunk::from_bytes(&read_file(&self.store, &chunk.columns[place], length)?)?;
            if (encrypted.form(), encrypted.bits(), encrypted.rows()) != (form, bits, rows) {
                return Err(SealedError::invalid("chunk of sealed data", "a column is not what its manifest says"));
            }
            columns.push((column, encrypted));
        }
        let evaluator = part.evaluation_key.as_ref().map(|key| self.evaluator(key)).transpose()?;
        let public = chunk.public();
        let mut bytes = Vec::new();
        for (pass, plan) in part.passes.iter().zip(&plans) {
            let of = pass.group_rows(&part.columns, &public, rows);
            let all = columns.iter().fold(Rows::new(rows), |all, (column, chunk)| all.column(*column, chunk));
            let all = all.grouped(pass.groups as usize, &of);
            let result = match &evaluator {
                Some(evaluator) => evaluator.evaluate(plan, &all),
                None => evaluate_packed(plan, &all),
            };
            bytes.extend(result?.to_bytes());
        }
        Ok(bytes)
    }

    fn evaluator(&self, key: &Cid) -> Result<Arc<Evaluator>, SealedError> {
        let mut kept = crate::node::lock(&self.evaluator);
        if let Some((_, evaluator)) = kept.as_ref().filter(|(cid, _)| cid == key) {
            return Ok(Arc::clone(evaluator));
        }
        // One at a time.
        *kept = None;
        let bytes = read_file(&self.store, key, EvaluationKey::ENCODED_LEN)?;
        let evaluator = Arc::new(Evaluator::on(&EvaluationKey::from_bytes(&bytes)?, &self.devices)?);
        *kept = Some((*key, Arc::clone(&evaluator)));
        Ok(evaluator)
    }

    /// Removes the pins of the results of a task that has been released, or that nobody waits for. The next collection of garbage
    /// removes their blocks. Equal parts of two tasks have one result: forget it when both are done.
    ///
    /// # Errors
    /// The store's own.
    pub fn forget(&self, result: &ExecutorResult) -> Result<()> {
        for root in result.results() {
            self.store.unpin(root)?;
        }
        Ok(())
    }

    /// Signs the results of all parts of a task, in the order of [`Executor::parts`].
    ///
    /// # Errors
    /// The account's own.
    pub fn join(&self, task: &Task, results: &[Cid]) -> Result<ExecutorResult> {
        let device = if task.packed() { Device::Cpu.to_string() } else { self.device() };
        Ok(ExecutorResult::sign(task, results.to_vec(), device, &self.account)?)
    }
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Executor({})", self.address())
    }
}
