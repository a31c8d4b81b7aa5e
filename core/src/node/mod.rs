//! The owner's node: admits jobs, computes, releases.
//!
//! ```text
//! JobRequest --admit--> AccessGrant --compute--> Computed --release--> (SealedResult, Receipt)
//! ```
//!
//! Each step consumes what the one before made, so that nothing is computed that was not paid for and nothing leaves that
//! was not computed under a grant.

mod budget;
#[cfg(all(feature = "server", feature = "ocean"))]
pub(crate) mod clear;
mod jobs;
mod served;
mod verifier;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealock_fhe::Device;
use sealock_fhe::linear::{Blinding, EncryptedQuery, Matrix, Shape, evaluate_on, evaluate_share};
use sealock_zk::{Proof, VerifyingKey};

pub(crate) use budget::cube_key;
use served::Task;
pub(crate) use served::{Served, asset_key, inference_shape, protected_cube, shape, shape_in, summed};
use verifier::Verifier;

use crate::access::{AccessGrant, MAX_CLOCK_SKEW, MAX_DEADLINE, Rejected, Rejection, Work};
use crate::asset::Did;
use crate::codec::CodecError;
use crate::cube::{CubeError, ProtectedCube};
use crate::download::{Download, Grant};
use crate::envelope::RecipientPublicKey;
use crate::error::{Classify, Error, ErrorKind, Result};
use crate::exchange::{Asset, Exchange};
use crate::federation::{FederationSecret, Round};
use crate::job::{JobId, JobRequest};
use crate::journal::{JobRecord, Journal, JournalError};
use crate::keystore::{KeyStore, KeyStoreError};
use crate::model::Model;
use crate::policy::PolicyError;
use crate::privacy::{Noise, PrivacyError};
use crate::program::Plan;
use crate::progress::{Progress, Stage, Step, inform, quiet, tell};
use crate::receipt::{Executed, Receipt, Statement};
use crate::release::{SealedResult, result_digest};
use crate::sealed::SealedError;
use crate::time::Timestamp;
use crate::{Account, Address};

/// How many refusals the node remembers.
const REMEMBERED_REJECTIONS: usize = 256;
/// How much of a name or a reason it remembers.
const MAX_REMEMBERED_CHARS: usize = 512;

/// Marks a job as being computed, until it is dropped.
pub(crate) struct UnderWay {
    all: Arc<Mutex<HashSet<JobId>>>,
    job: JobId,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.job);
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is guarded here can be left half-changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was refused, and why: the owner's log.
#[derive(Clone, Debug)]
pub struct RefusalRecord {
    /// When, in unix seconds.
    pub at: Timestamp,
    /// The asset that was named, as text; not checked.
    pub asset: String,
    /// The kind of the reason.
    pub kind: crate::ErrorKind,
    /// The reason.
    pub reason: String,
}

/// A computed job, not yet released. Only [`Node::release`] takes it.
#[must_use = "the consumer has paid for the result: release it"]
pub struct Computed {
    grant: AccessGrant,
    outcome: Outcome,
    _under_way: UnderWay,
}

enum Outcome {
    Fresh(Vec<u8>, Device),
    /// The job was complete already, and keeps the result that it has.
    Stored(Vec<u8>, Box<Receipt>),
}

impl std::fmt::Debug for Computed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Computed({})", self.grant.job)
    }
}

/// The node of one owner, serving the owner's assets.
pub struct Node {
    pub(crate) exchange: Exchange,
    pub(crate) keys: Arc<KeyStore>,
    pub(crate) journal: Journal,
    verifier: Verifier,
    pub(crate) served: Mutex<BTreeMap<Did, Arc<Served>>>,
    under_way: Arc<Mutex<HashSet<JobId>>>,
    refusals: Mutex<VecDeque<RefusalRecord>>,
    device: Mutex<Device>,
}

/// A request that goes no further: refused for a reason, or stopped by a failure of the node's own.
enum Stopped {
    Refused(Rejection),
    Failed(Error),
}

impl<E: Into<Rejection>> From<E> for Stopped {
    fn from(reason: E) -> Self {
        Stopped::Refused(reason.into())
    }
}

impl Node {
    pub(crate) fn new(exchange: Exchange, keys: Arc<KeyStore>, journal: Journal, verifying_key: VerifyingKey) -> Self {
        let (served, under_way, refusals, device) = Default::default();
        Self { exchange, keys, journal, verifier: Verifier::new(verifying_key), served, under_way, refusals, device }
    }

    /// Lets products be computed on a device from now on: the processor if nothing is said. The answers are the same, and
    /// receipts name what computed each. Shares of sums over several owners stay on the processor.
    ///
    /// # Errors
    /// [`Error::Device`](sealock_fhe::Error::Device) if it cannot be used here; then nothing is changed.
    pub fn set_device(&self, device: Device) -> Result<()> {
        device.check()?;
        *lock(&self.device) = device;
        Ok(())
    }

    /// What products are computed on.
    pub fn device(&self) -> Device {
        *lock(&self.device)
    }

    pub(crate) fn account(&self) -> &Account {
        self.keys.account()
    }

    /// The address that signs this node's manifests and receipts.
    pub fn address(&self) -> Address {
        self.keys.address()
    }

    /// Admits a job: checks the request, its program against the policy and its proof against the group, and spends the
    /// nullifier. Spending, the job's record, the policy's count and the privacy loss are one transaction.
    ///
    /// The same request again is granted again and costs nothing: it leads to the result of the first time.
    ///
    /// # Errors
    /// [`Error::Rejected`], which shows a remote party one word; its reason is also in [`Node::refusals`]. Other errors
    /// are the node's own failures, and spend nothing.
    pub fn admit(&self, request: JobRequest) -> Result<AccessGrant> {
        let asset = request.asset.clone();
        match self.check(request) {
            Ok(grant) => Ok(grant),
            Err(Stopped::Refused(reason)) => Err(self.refuse(asset, reason)),
            Err(Stopped::Failed(error)) => Err(error),
        }
    }

    /// [`Node::admit`] for a request as it arrived.
    ///
    /// # Errors
    /// As [`Node::admit`]; bytes that are no request are rejected like any other.
    pub fn admit_bytes(&self, request: &[u8]) -> Result<AccessGrant> {
        match JobRequest::from_bytes(request) {
            Ok(request) => self.admit(request),
            Err(e) => Err(self.refuse(String::new(), e.into())),
        }
    }

    fn refuse(&self, asset: String, reason: Rejection) -> Error {
        self.note_refusal(asset, reason.kind(), &reason.to_string());
        Rejected::from(reason).into()
    }

    /// Notes what was refused, for the owner.
    pub(crate) fn note_refusal(&self, asset: String, kind: ErrorKind, reason: &str) {
        // What was named is whatever the sender wrote.
        let short = |text: &str| -> String { text.chars().take(MAX_REMEMBERED_CHARS).collect() };
        let (asset, why) = (short(&asset), short(reason));
        tracing::warn!(?asset, reason = ?why, "rejected a job");
        let record = RefusalRecord { at: self.now(), asset, kind, reason: why };
        let mut log = lock(&self.refusals);
        if log.len() == REMEMBERED_REJECTIONS {
            log.pop_front();
        }
        log.push_back(record);
    }

    /// The latest refusals with their reasons, oldest first. For the owner alone.
    pub fn refusals(&self) -> Vec<RefusalRecord> {
        lock(&self.refusals).iter().cloned().collect()
    }

    fn now(&self) -> Timestamp {
        self.exchange.clock().now()
    }

    /// What costs least, and what needs no secret to ask for, comes first: nothing is loaded or laid out for a request
    /// whose proof does not verify.
    fn check(&self, request: JobRequest) -> Result<AccessGrant, Stopped> {
        let failed = |e: Error| Stopped::Failed(e);
        let request = request.unchanging();
        let served = self.served(&request.asset)?;
        let asset = &served.asset;
        let desk = served.desk(&request)?;
        let statement = request.statement(desk.service.scope(request.now))?;
        let proof = Proof::from_bytes(&request.proof)
            .map_err(|e| CodecError::Malformed { what: "access proof", why: e.to_string() })?;
        self.verifier.verify(statement, proof).map_err(|_| Rejection::InvalidProof)?;

        // What the proof is bound to is now known to be the prover's. A use that was spent before has its place, too.
        match self.journal.spent_for(&request.nullifier).map_err(|e| failed(e.into()))? {
            Some(job) if job == request.id() => {
                let record = self.journal.find(job).map_err(|e| failed(e.into()))?;
                if record.is_some_and(|record| record.receipt.is_some()) {
                    if !self.journal.has_result(job).map_err(|e| failed(e.into()))? {
                        return Err(match self.journal.gone(job).map_err(|e| failed(e.into()))? {
                            JournalError::Withdrawn(_) => Rejection::KeyDestroyed.into(),
                            expired => failed(expired.into()),
                        });
                    }
                    return Ok(AccessGrant { job, request, served, work: None });
                }
                let task = Task::of(&request, asset)?;
                return self.grant(request, Arc::clone(&served), task);
            }
            Some(_) => return Err(Rejection::NullifierSpent.into()),
            None => {}
        }
        let now = self.now();
        if request.now.abs_diff(now) > MAX_CLOCK_SKEW {
            return Err(Rejection::Clock { got: request.now, now }.into());
        }
        if request.deadline < now || request.deadline - now > MAX_DEADLINE {
            return Err(Rejection::Deadline { deadline: request.deadline, now }.into());
        }
        {
            // Read on every time: a root that was known may be one of before a revocation.
            let mut group = lock(&desk.group);
            group.sync(self.exchange.ledger(), now).map_err(|e| failed(e.into()))?;
            if !group.accepts(statement.root, request.now) {
                return Err(Rejection::UnknownRoot.into());
            }
        }
        let task = Task::of(&request, asset)?;
        task.check(asset.policy(), request.round(), now)?;
        let (program, epsilon) = (task.digest()?, task.epsilon(asset.policy()));
        let grant = self.grant(request, Arc::clone(&served), task)?;
        let record = JobRecord {
            asset: grant.request.asset.clone(),
            program,
            policy: grant.request.policy,
            nullifier: grant.request.nullifier,
            admitted_at: now,
            receipt: None,
            epsilon,
            access: Some(grant.request.access_key()),
        };
        match self.journal.admit(&record, &grant.request, asset.policy()) {
            Ok(_) => Ok(grant),
            Err(JournalError::NullifierSpent) => Err(Rejection::NullifierSpent.into()),
            Err(JournalError::Policy(e)) => Err((*e).into()),
            Err(e) => Err(failed(e.into())),
        }
    }

    /// Finds everything that could keep a request from being computed and released.
    fn grant(&self, request: JobRequest, served: Arc<Served>, task: Task) -> Result<AccessGrant, Stopped> {
        let asset = &served.asset;
        for (what, expected, got) in
            [("policy", asset.policy().digest()?, request.policy), ("data", asset.data(), request.data)]
        {
            if expected != got {
                return Err(Rejection::AssetChanged { what, expected, got }.into());
            }
        }
        if asset.policy().noise().is_some() && cfg!(not(feature = "dp")) {
            return Err(Stopped::Failed(CubeError::from(PrivacyError::NoSampler).into()));
        }
        match self.keys.check(asset.dataset()) {
            Err(KeyStoreError::Destroyed { .. }) => return Err(Rejection::KeyDestroyed.into()),
            other => other.map_err(|e| Stopped::Failed(e.into()))?,
        }
        let work = match task {
            Task::Query(asked) => {
                let (_, plan) = *asked;
                let query = read_query(&request, &shape_in(asset, &plan, &request)?)?;
                if let Some(round) = request.round() {
                    self.blinding(asset, round)?;
                }
                Work::Query(Box::new((plan, query)))
            }
            Task::Sealed(_) if request.query.is_empty() => Work::Sealed,
            Task::Inference(asked) => {
                let shape = inference_shape(asset, &asked)?;
                let query = read_query(&request, &shape)?;
                Work::Inference(Box::new((shape, query)))
            }
            Task::Download if request.query.is_empty() => Work::Download,
            Task::Download | Task::Sealed(_) => {
                let why = "downloads, and programs over sealed data, take no query".into();
                return Err(CodecError::Malformed { what: "job request", why }.into());
            }
        };
        RecipientPublicKey::from_bytes(request.result_key).check().map_err(|_| Rejection::ResultKey)?;
        Ok(AccessGrant { job: request.id(), request, served, work: Some(work) })
    }

    /// Computes the answer, encrypted under the consumer's key, re-randomised and flooded; for a download, wraps the
    /// dataset key for the request's result key.
    ///
    /// # Errors
    /// [`ErrorKind::KeyDestroyed`] if the data's key was destroyed since the job was admitted.
    /// [`NodeError::UnderWay`] while the same job is computed elsewhere; the node's own failures. The grant stays on
    /// record: the same request is granted again.
    pub fn compute(&self, grant: AccessGrant) -> Result<Computed> {
        // Whoever looks whether the results have come keeps no releaser from it.
        if matches!(grant.work, Some(Work::Sealed)) && self.journal.result(grant.job)?.is_none() {
            return Err(SealedError::AwaitsExecutors(grant.job).into());
        }
        let under_way = self.begin(grant.job)?;
        let outcome = match (self.journal.result(grant.job)?, &grant.work) {
            (Some((stored, receipt)), _) => Outcome::Stored(stored, Box::new(receipt)),
            (None, Some(Work::Query(work))) => self.evaluate(&grant, &work.0, &work.1)?,
            (None, Some(Work::Inference(work))) => self.score(&grant, &work.0, &work.1)?,
            (None, Some(Work::Download)) => Outcome::Fresh(self.wrap(&grant)?, Device::Cpu),
            (None, None | Some(Work::Sealed)) => return Err(JournalError::UnknownJob(grant.job).into()),
        };
        Ok(Computed { grant, outcome, _under_way: under_way })
    }

    /// Marks a job as being computed.
    pub(crate) fn begin(&self, job: JobId) -> Result<UnderWay> {
        if !lock(&self.under_way).insert(job) {
            return Err(NodeError::UnderWay(job).into());
        }
        Ok(UnderWay { all: Arc::clone(&self.under_way), job })
    }

    fn evaluate(&self, grant: &AccessGrant, plan: &Plan, query: &EncryptedQuery) -> Result<Outcome> {
        let asset = &grant.served.asset;
        let shape = shape_in(asset, plan, &grant.request).map_err(Rejected::from)?;
        let marginal = self.cube(&grant.served)?.marginal(asset.schema(), plan)?;
        let matrix = Matrix::new(&shape, marginal.iter().map(Vec::as_slice))?;
        let context = grant.request.context();
        match grant.request.round() {
            None => {
                let device = self.device();
                Ok(Outcome::Fresh(evaluate_on(device, query, &context, &matrix)?.to_bytes(), device))
            }
            Some(round) => {
                let blinding = self.blinding(asset, round).map_err(Rejected::from)?;
                let share = evaluate_share(query, &context, &matrix, &blinding)?;
                Ok(Outcome::Fresh(share.to_bytes(), Device::Cpu))
            }
        }
    }

    /// What this owner's part of a round is blinded with.
    fn blinding(&self, asset: &Asset, round: &Round) -> Result<Blinding, Rejection> {
        let rule = asset.policy().federated().ok_or(PolicyError::NotFederated)?;
        Ok(FederationSecret::of(self.account()).blinding(&rule.in_order_of(round)?)?)
    }

    fn score(&self, grant: &AccessGrant, shape: &Shape, query: &EncryptedQuery) -> Result<Outcome> {
        let rows = self.model(&grant.served)?.rows();
        let matrix = Matrix::new(shape, rows.iter().map(|row| row.as_slice()))?;
        let device = self.device();
        Ok(Outcome::Fresh(evaluate_on(device, query, &grant.request.context(), &matrix)?.to_bytes(), device))
    }

    /// The asset's model, opened once.
    fn model(&self, served: &Served) -> Result<Arc<Model>> {
        let mut kept = lock(&served.model);
        if let Some(model) = &*kept {
            return Ok(Arc::clone(model));
        }
        let model = Arc::new(self.open_data(&served.asset)?.model()?);
        *kept = Some(Arc::clone(&model));
        Ok(model)
    }

    fn wrap(&self, grant: &AccessGrant) -> Result<Vec<u8>> {
        // Opening it makes sure that what is released is the key of what is stored.
        let data = self.open_data(&grant.served.asset)?;
        Grant::new(data.manifest(), data.key(), grant.request.result_key)?.to_bytes()
    }

    /// The asset's data, in the clear for its owner.
    pub(crate) fn open_data(&self, asset: &Asset) -> Result<Download> {
        let manifest = asset.description().sealed.manifest;
        Download::open(&self.exchange, asset, &manifest, |manifest| Ok(self.keys.unwrap(manifest)?))
    }

    /// The asset's protected cube, made from the stored table once; or the noisy one that was kept.
    fn cube(&self, served: &Served) -> Result<Arc<ProtectedCube>> {
        let mut kept = lock(&served.cube);
        if let Some(cube) = &*kept {
            return Ok(Arc::clone(cube));
        }
        let (asset, data) = (&served.asset, self.open_data(&served.asset)?);
        let cube = Arc::new(match asset.policy().noise() {
            // To draw again would be to spend again.
            Some(Noise::Cube(_)) => {
                self.kept_cube(data.key(), asset.policy())?.ok_or(NodeError::CubeLost(asset.did()))?
            }
            _ => served::stored_cube(&data, asset.policy())?,
        });
        *kept = Some(Arc::clone(&cube));
        Ok(cube)
    }

    /// Seals the answer to the request's result key, signs a receipt, and records both in one transaction before either
    /// is returned. A job that is complete keeps the result it has.
    ///
    /// # Errors
    /// The node's own failures. Nothing was released then, and the same request is granted again.
    pub fn release(&self, computed: Computed) -> Result<(SealedResult, Receipt)> {
        let Computed { grant, outcome, _under_way } = computed;
        let (stored, receipt) = match outcome {
            Outcome::Stored(stored, receipt) => (stored, *receipt),
            Outcome::Fresh(answer, device) => self.complete(&grant, &answer, device.to_string(), None)?,
        };
        Ok((SealedResult::from_bytes(&stored)?, receipt))
    }

    /// Seals an answer to a job's result key, and records it and its receipt. A job that is complete keeps the result it has.
    pub(crate) fn complete(
        &self,
        grant: &AccessGrant,
        answer: &[u8],
        device: String,
        executed: Option<Executed>,
    ) -> Result<(Vec<u8>, Receipt)> {
        let request = &grant.request;
        let bytes = SealedResult::seal(grant.job, request.result_key, answer)?.to_bytes()?;
        let released_at = self.now();
        let epsilon = grant.epsilon();
        let complete = || {
            self.journal.complete(grant.job, self.account(), &bytes, |number, previous| Statement {
                version: Receipt::VERSION,
                number,
                previous,
                asset: request.asset.clone(),
                job: grant.job,
                program: request.program_digest(),
                policy: request.policy,
                data: request.data,
                device,
                nullifier: request.nullifier,
                result: result_digest(&bytes),
                epsilon_micros: epsilon,
                released_at,
                executed,
            })
        };
        // A result is on record before the key is destroyed, or it is not released. The record of a download is
        // withdrawn then.
        self.keys.while_held(grant.served.asset.dataset(), || Ok::<_, Error>(complete()?))
    }

    /// Admits, computes and releases.
    ///
    /// # Errors
    /// As the three.
    pub fn run(&self, request: JobRequest) -> Result<(SealedResult, Receipt)> {
        self.run_with(request, &mut quiet())
    }

    /// As [`Node::run`], and tells how far it is. A job that is cancelled after it was admitted stays on record: the same
    /// request again, or [`Node::resume`], completes it.
    ///
    /// # Errors
    /// As [`Node::run`], and [`ErrorKind::Cancelled`].
    pub fn run_with(&self, request: JobRequest, progress: &mut Progress<'_>) -> Result<(SealedResult, Receipt)> {
        tell(progress, Step::out_of(Stage::Admit, 0, 1))?;
        let grant = self.admit(request)?;
        tell(progress, Step::out_of(Stage::Admit, 1, 1))?;
        tell(progress, Step::out_of(Stage::Compute, 0, 1))?;
        let computed = self.compute(grant)?;
        tell(progress, Step::out_of(Stage::Compute, 1, 1))?;
        tell(progress, Step::out_of(Stage::Release, 0, 1))?;
        let released = self.release(computed)?;
        inform(progress, Step::out_of(Stage::Release, 1, 1));
        Ok(released)
    }

    /// The asset as the ledger describes it now, if it is one of this owner's.
    fn served(&self, did: &str) -> Result<Arc<Served>, Stopped> {
        let unknown = || Rejection::UnknownAsset(did.chars().take(MAX_REMEMBERED_CHARS).collect());
        let failed = |e: Error| Stopped::Failed(e);
        let did: Did = did.parse().map_err(|_| unknown())?;
        let nft = self.journal.kept(&asset_key(&did)).map_err(|e| failed(e.into()))?;
        let nft = Address::from_bytes(nft.and_then(|bytes| bytes.try_into().ok()).ok_or_else(unknown)?);
        let ledger = self.exchange.ledger();
        if ledger.owner_of(nft).map_err(|e| failed(e.into()))? != self.address() {
            return Err(unknown().into());
        }
        let described = ledger.metadata(nft).map_err(|e| failed(e.into()))?.ok_or_else(unknown)?.hash;
        let known = || {
            let all = lock(&self.served);
            all.get(&did).filter(|served| served.asset.description_hash() == described).cloned()
        };
        if let Some(served) = known() {
            return Ok(served);
        }
        // The ledger may be slow: requests for other assets do not wait for it.
        let asset = self.exchange.asset(nft).map_err(failed)?;
        if let Some(served) = known() {
            return Ok(served);
        }
        let served = Arc::new(Served::new(asset, None));
        lock(&self.served).insert(did, Arc::clone(&served));
        Ok(served)
    }
}

/// The encrypted query of a request, if it has the shape that its program says and was made for this request.
fn read_query(request: &JobRequest, shape: &Shape) -> Result<EncryptedQuery, Rejection> {
    let query = EncryptedQuery::from_bytes(&request.query)?;
    if !query.fits(shape) {
        return Err(sealock_fhe::Error::Shape { what: "query" }.into());
    }
    if query.context_id() != request.context().id() {
        return Err(sealock_fhe::Error::Context.into());
    }
    Ok(query)
}

/// A node's own failures.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The same job is being computed.
    #[error("job {0} is being computed")]
    UnderWay(JobId),
    /// The journal does not have the asset's noisy cube.
    #[error("the journal has no protected cube of {0}, and drawing its noise again would spend its loss again")]
    CubeLost(Did),
}

impl Classify for NodeError {
    fn kind(&self) -> ErrorKind {
        match self {
            NodeError::UnderWay(_) => ErrorKind::Locked,
            NodeError::CubeLost(_) => ErrorKind::CorruptState,
        }
    }
    fn hint(&self) -> Option<String> {
        Some(match self {
            NodeError::UnderWay(_) => "send the same request again when the other has its answer".into(),
            NodeError::CubeLost(_) => "update the asset with its data, which draws and charges noise anew".into(),
        })
    }
}
