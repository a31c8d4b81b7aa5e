//! What goes to executors and comes back: tasks, their parts, signed results.

use cid::Cid;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::SealedError;
use super::layout::Columns;
use super::manifest::{MAX_CHUNKS, SealedManifest};
use super::pass::{MAX_PASSES, Pass, plans};
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::job::JobId;
use crate::store::Store;
use crate::{Account, Address, Digest, Signature};

/// Largest encoding of a task, and of a part of one, in bytes.
pub const MAX_TASK_BYTES: usize = 4 << 20;
/// Largest encoding of an executor's result, in bytes.
pub const MAX_EXECUTOR_RESULT_BYTES: usize = 1 << 20;
/// Longest encrypted result of one part, in bytes.
pub const MAX_PART_BYTES: usize = 64 << 20;
/// Longest name of a device, in bytes.
pub const MAX_DEVICE_BYTES: usize = 64;
const VERSION: u64 = 1;

/// A job for executors: which passes to run over which encrypted columns. It names everything that its result is bound to.
///
/// It tells the program and nothing of the one who asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    pub(crate) version: u64,
    /// Whose node it is for.
    pub(crate) node: Address,
    pub(crate) asset: String,
    pub(crate) job: JobId,
    pub(crate) program: Digest,
    pub(crate) policy: Digest,
    pub(crate) data: Digest,
    pub(crate) manifest: Cid,
    /// Whether the passes run over the packed chunks.
    pub(crate) packed: bool,
    pub(crate) passes: Vec<Pass>,
}

impl Task {
    pub(crate) const VERSION: u64 = VERSION;

    /// The job.
    pub fn job(&self) -> JobId {
        self.job
    }

    /// DID of the asset, as text.
    pub fn asset(&self) -> &str {
        &self.asset
    }

    /// The sealed manifest of the columns.
    pub fn manifest(&self) -> &Cid {
        &self.manifest
    }

    /// Whether it is computed over the packed chunks, which takes no evaluation key.
    pub const fn packed(&self) -> bool {
        self.packed
    }

    /// The passes over each chunk.
    pub fn passes(&self) -> &[Pass] {
        &self.passes
    }

    /// The digest that results are bound to.
    ///
    /// # Errors
    /// [`SealedError::Codec`] if it has no canonical form.
    pub fn digest(&self) -> Result<Digest, SealedError> {
        Ok(Digest::of("sealock/v1/sealed-task", &[&to_canonical("task", self)?]))
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`SealedError::Codec`] above [`MAX_TASK_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealedError> {
        bounded("task", to_canonical("task", self)?, MAX_TASK_BYTES)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_TASK_BYTES`].
    ///
    /// # Errors
    /// [`SealedError::Codec`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealedError> {
        let task: Task = from_canonical("task", bytes, MAX_TASK_BYTES)?;
        known("task", task.version)?;
        check_passes(&task.passes)?;
        Ok(task)
    }

    /// Its parts, one for each chunk, in order. Each can be run by itself, anywhere, and again: the same part gives the same
    /// CID. The manifest is read from `store`.
    ///
    /// # Errors
    /// The store's own; [`SealedError::Invalid`] for a manifest that is not the task's node's; passes that do not fit it.
    pub fn parts(&self, store: &dyn Store) -> Result<Vec<Part>, SealedError> {
        let manifest = self.load(store)?;
        let (columns, chunks) = manifest.table(self.packed)?;
        let part = |chunk: &super::manifest::ChunkLink| Part {
            version: VERSION,
            evaluation_key: (!self.packed).then_some(manifest.body().evaluation_key),
            chunk: chunk.block,
            rows: chunk.rows,
            columns: columns.clone(),
            passes: self.passes.clone(),
        };
        Ok(chunks.iter().map(part).collect())
    }

    /// The manifest, checked.
    pub(crate) fn load(&self, store: &dyn Store) -> Result<SealedManifest, SealedError> {
        let manifest = SealedManifest::load(store, &self.manifest, self.node)?;
        if manifest.body().asset != self.asset {
            return Err(SealedError::invalid("task", "its manifest is of another asset"));
        }
        plans(&self.passes, manifest.table(self.packed)?.0)?;
        Ok(manifest)
    }
}

/// A part of a task: the passes over one chunk. It says nothing of the job, so that equal parts of two jobs are one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    version: u64,
    /// None of a packed chunk.
    pub(crate) evaluation_key: Option<Cid>,
    pub(crate) chunk: Cid,
    pub(crate) rows: u32,
    pub(crate) columns: Columns,
    pub(crate) passes: Vec<Pass>,
}

impl Part {
    /// The chunk that it is over.
    pub fn chunk(&self) -> &Cid {
        &self.chunk
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`SealedError::Codec`] above [`MAX_TASK_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealedError> {
        bounded("part of a task", to_canonical("part of a task", self)?, MAX_TASK_BYTES)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_TASK_BYTES`].
    ///
    /// # Errors
    /// [`SealedError::Codec`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealedError> {
        let part: Part = from_canonical("part of a task", bytes, MAX_TASK_BYTES)?;
        known("part of a task", part.version)?;
        part.columns.check()?;
        if part.evaluation_key.is_none() != part.columns.is_packed() {
            return Err(SealedError::invalid("part of a task", "packed columns take no key, and others take one"));
        }
        check_passes(&part.passes)?;
        Ok(part)
    }
}

/// What an executor says of a task: where the encrypted results are, one for each chunk, and on which device it computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    version: u64,
    /// The task's digest, and with it job, program, policy, node and manifest.
    task: Digest,
    executor: Address,
    device: String,
    results: Vec<Cid>,
}

/// A task's encrypted result, signed by the executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutorResult {
    claim: Claim,
    signature: Signature,
}

impl ExecutorResult {
    /// Signs the results of a task's parts, in the order of [`Task::parts`].
    pub(crate) fn sign(
        task: &Task,
        results: Vec<Cid>,
        device: String,
        executor: &Account,
    ) -> Result<Self, SealedError> {
        let claim = Claim { version: VERSION, task: task.digest()?, executor: executor.address(), device, results };
        let signature = executor.sign(&digest_of(&claim)?)?;
        Ok(Self { claim, signature })
    }

    /// Who computed it, if the signature is right: see [`ExecutorResult::verify`].
    pub fn executor(&self) -> Address {
        self.claim.executor
    }

    /// The device that computed.
    pub fn device(&self) -> &str {
        &self.claim.device
    }

    /// The encrypted results, one for each chunk.
    pub fn results(&self) -> &[Cid] {
        &self.claim.results
    }

    /// The digest that the executor has signed.
    ///
    /// # Errors
    /// [`SealedError::Codec`] if it has no canonical form.
    pub fn digest(&self) -> Result<Digest, SealedError> {
        digest_of(&self.claim)
    }

    /// Checks that it is signed by the executor that it names, and is of this task with so many chunks.
    ///
    /// # Errors
    /// [`SealedError::Account`], [`SealedError::Invalid`].
    pub fn verify(&self, task: &Task, chunks: usize) -> Result<(), SealedError> {
        let bad = |why: &str| Err(SealedError::invalid("executor's result", why));
        known("executor's result", self.claim.version)?;
        self.signature.verify(&self.digest()?, self.claim.executor)?;
        if self.claim.task != task.digest()? {
            return bad("it is of another task: another job, program, policy, node or manifest");
        }
        if self.claim.results.len() != chunks {
            return bad("it does not have a result for each chunk");
        }
        check_device(&self.claim.device)
    }

    /// Canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`SealedError::Codec`] above [`MAX_EXECUTOR_RESULT_BYTES`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, SealedError> {
        bounded("executor's result", to_canonical("executor's result", self)?, MAX_EXECUTOR_RESULT_BYTES)
    }

    /// Reads canonical DAG-CBOR of at most [`MAX_EXECUTOR_RESULT_BYTES`].
    ///
    /// # Errors
    /// [`SealedError::Codec`] for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SealedError> {
        let result: Self = from_canonical("executor's result", bytes, MAX_EXECUTOR_RESULT_BYTES)?;
        known("executor's result", result.claim.version)?;
        check_device(&result.claim.device)?;
        Ok(result)
    }
}

/// Numbers as they are sealed to a consumer: 8 bytes each, little-endian, so that their length tells nothing of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReleasedNumbers {
    version: u64,
    numbers: ByteBuf,
}

impl ReleasedNumbers {
    pub(crate) fn to_bytes(numbers: &[i64]) -> Result<Vec<u8>, SealedError> {
        let numbers = ByteBuf::from(numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>());
        Ok(to_canonical("numbers", &Self { version: VERSION, numbers })?)
    }

    /// Reads exactly `count` numbers.
    pub(crate) fn from_bytes(bytes: &[u8], count: usize) -> Result<Vec<i128>, SealedError> {
        let form: Self = from_canonical("numbers", bytes, 8 * count + 64)?;
        known("numbers", form.version)?;
        let (numbers, rest) = form.numbers.as_chunks::<8>();
        if numbers.len() != count || !rest.is_empty() {
            return Err(SealedError::invalid("answer", "it has another number of numbers than the program"));
        }
        Ok(numbers.iter().map(|number| i64::from_le_bytes(*number).into()).collect())
    }
}

fn digest_of(claim: &Claim) -> Result<Digest, SealedError> {
    if claim.results.len() > MAX_CHUNKS {
        return Err(SealedError::invalid("executor's result", "it is of too many chunks"));
    }
    Ok(Digest::of("sealock/v1/executor-result", &[&to_canonical("executor's result", claim)?]))
}

fn check_device(device: &str) -> Result<(), SealedError> {
    let plain = device.chars().all(|c| c.is_ascii_graphic() || c == ' ');
    if device.is_empty() || device.len() > MAX_DEVICE_BYTES || !plain {
        return Err(SealedError::invalid("executor's result", "its device has no name of up to 64 characters"));
    }
    Ok(())
}

fn check_passes(passes: &[Pass]) -> Result<(), SealedError> {
    if passes.is_empty() || passes.len() > MAX_PASSES {
        return Err(SealedError::invalid("task", format!("it has {} passes, not 1 to {MAX_PASSES}", passes.len())));
    }
    Ok(())
}

pub(crate) fn known(what: &'static str, version: u64) -> Result<(), SealedError> {
    if version == VERSION {
        return Ok(());
    }
    Err(CodecError::UnsupportedVersion { what, got: version, known: VERSION }.into())
}

pub(crate) fn bounded(what: &'static str, bytes: Vec<u8>, limit: usize) -> Result<Vec<u8>, SealedError> {
    if bytes.len() > limit {
        return Err(CodecError::TooLarge { what, got: bytes.len(), limit }.into());
    }
    Ok(bytes)
}
