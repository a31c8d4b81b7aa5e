//! The owner's node: admits jobs, computes, releases.
//!
//! ```text
//! JobRequest --admit--> AccessGrant --compute--> Computed --release--> (SealedResult, Receipt)
//! ```
//!
//! Each step consumes what the one before made, so that nothing is computed that was not paid for and nothing leaves that
//! was not computed under a grant.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sealock_fhe::linear::{EncryptedQuery, Matrix, SealedAnswer, Shape, evaluate};
use sealock_zk::{Proof, VerifyingKey, verify};

use crate::access::{AccessGrant, Group, MAX_CLOCK_SKEW, MAX_DEADLINE, Rejected, Rejection};
use crate::asset::Table;
use crate::codec::CodecError;
use crate::cube::{Cube, CubeError, ProtectedCube};
use crate::error::{Error, Result};
use crate::exchange::{Asset, Exchange};
use crate::job::{JobId, JobRequest};
use crate::journal::{JobRecord, Journal, JournalError};
use crate::program::Program;
use crate::receipt::{Receipt, Statement};
use crate::release::{SealedResult, result_digest, value_bits};
use crate::time::Timestamp;
use crate::{Account, Address, envelope};

/// How many refusals the node remembers.
const REMEMBERED_REJECTIONS: usize = 256;
/// How much of a name or a reason it remembers.
const MAX_REMEMBERED_CHARS: usize = 512;

/// An asset that the node has loaded: what it is, its protected cube, and the group of its orders.
pub(crate) struct Served {
    pub(crate) asset: Asset,
    cube: ProtectedCube,
    group: Mutex<Group>,
}

impl Served {
    pub(crate) fn new(asset: Asset, table: &Table) -> Result<Self, CubeError> {
        let policy = asset.policy();
        let cube = Cube::fold(table, policy)?.suppress(policy.group_size());
        let group = Mutex::new(Group::new(asset.service()));
        Ok(Self { asset, cube, group })
    }

    pub(crate) fn cube(&self) -> &ProtectedCube {
        &self.cube
    }
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
}

enum Outcome {
    Fresh(SealedAnswer),
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
    pub(crate) account: Account,
    pub(crate) owner_key: envelope::OwnerKey,
    pub(crate) journal: Journal,
    pub(crate) verifying_key: VerifyingKey,
    pub(crate) served: RwLock<BTreeMap<String, Arc<Served>>>,
    pub(crate) refusals: Mutex<VecDeque<RefusalRecord>>,
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
    /// The address that signs this node's manifests and receipts.
    pub fn address(&self) -> Address {
        self.account.address()
    }

    /// Admits a job: checks the request, its program against the policy and its proof against the group, and spends the
    /// nullifier. Spending, the job's record and the policy's count are one transaction.
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
        use crate::error::Classify;
        tracing::warn!(asset, %reason, "rejected a job");
        // What was named is whatever the sender wrote.
        let asset = asset.chars().take(MAX_REMEMBERED_CHARS).collect();
        let reason_text = reason.to_string().chars().take(MAX_REMEMBERED_CHARS).collect();
        let record = RefusalRecord { at: self.now(), asset, kind: reason.kind(), reason: reason_text };
        let mut log = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == REMEMBERED_REJECTIONS {
            log.pop_front();
        }
        log.push_back(record);
        Rejected::from(reason).into()
    }

    /// The latest refusals with their reasons, oldest first. For the owner alone.
    pub fn refusals(&self) -> Vec<RefusalRecord> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn now(&self) -> Timestamp {
        self.exchange.clock().now()
    }

    fn check(&self, request: JobRequest) -> Result<AccessGrant, Stopped> {
        let served = self.served(&request.asset).map_err(Stopped::Failed)?;
        let served = served.ok_or_else(|| Rejection::UnknownAsset(request.asset.clone()))?;
        let statement = request.statement(served.asset.service().scope())?;
        let proof = Proof::from_bytes(&request.proof)
            .map_err(|e| CodecError::Malformed { what: "access proof", why: e.to_string() })?;
        verify(&self.verifying_key, &statement, &proof).map_err(|_| Rejection::InvalidProof)?;

        // What the proof is bound to is now known to be the prover's. A use that was spent before has its place, too.
        let known = self.journal.find(request.id()).map_err(|e| Stopped::Failed(e.into()))?.is_some();
        if known {
            return self.grant(request, served);
        }
        let now = self.now();
        if request.now.abs_diff(now) > MAX_CLOCK_SKEW {
            return Err(Rejection::Clock { got: request.now, now }.into());
        }
        if request.deadline < now || request.deadline - now > MAX_DEADLINE {
            return Err(Rejection::Deadline { deadline: request.deadline, now }.into());
        }
        {
            let mut group = served.group.lock().unwrap_or_else(PoisonError::into_inner);
            if !group.accepts(statement.root) {
                group.sync(self.exchange.ledger()).map_err(|e| Stopped::Failed(e.into()))?;
            }
            if !group.accepts(statement.root) {
                return Err(Rejection::UnknownRoot.into());
            }
        }
        let policy = served.asset.policy();
        let expected = policy.digest()?;
        if request.policy != expected {
            return Err(Rejection::OtherPolicy { expected, got: request.policy }.into());
        }
        let grant = self.grant(request, served.clone())?;
        let program = Program::from_bytes(&grant.request.program)?;
        policy.check(&program, &grant.plan, now)?;
        let record = JobRecord {
            asset: grant.request.asset.clone(),
            program: program.digest()?,
            policy: expected,
            nullifier: grant.request.nullifier,
            admitted_at: now,
            receipt: None,
        };
        match self.journal.admit(&record, &grant.request, policy) {
            Ok(_) => Ok(grant),
            Err(JournalError::NullifierSpent) => Err(Rejection::NullifierSpent.into()),
            Err(JournalError::Policy(e)) => Err((*e).into()),
            Err(e) => Err(Stopped::Failed(e.into())),
        }
    }

    /// Lays the request out over its asset. The caller has checked that it is paid for.
    fn grant(&self, request: JobRequest, served: Arc<Served>) -> Result<AccessGrant, Stopped> {
        let program = Program::from_bytes(&request.program)?;
        let plan = program.plan(served.asset.schema())?;
        let query = EncryptedQuery::from_bytes(&request.query)?;
        let shape = self.shape(&served, &plan)?;
        if query.cells() != shape.cells() || query.weights() != shape.weights() {
            return Err(Rejection::Query(sealock_fhe::Error::Shape { what: "query" }).into());
        }
        Ok(AccessGrant { job: request.id(), request, served, plan, query })
    }

    fn shape(&self, served: &Served, plan: &crate::program::Plan) -> Result<Shape, Rejection> {
        let bits = value_bits(served.asset.schema(), plan, served.asset.max_rows()).map_err(|e| match e {
            CubeError::Program(e) => Rejection::Program(e),
            CubeError::Asset(e) => Rejection::Program(e.into()),
            other => Rejection::Malformed(CodecError::Malformed { what: "program", why: other.to_string() }),
        })?;
        Ok(Shape::new(plan.cells(), &bits)?)
    }

    /// Computes the answer, encrypted under the consumer's key, re-randomised and flooded.
    ///
    /// # Errors
    /// The node's own failures. The grant stays on record: the same request is granted again.
    pub fn compute(&self, grant: AccessGrant) -> Result<Computed> {
        if let Some((stored, receipt)) = self.journal.result(grant.job)? {
            return Ok(Computed { grant, outcome: Outcome::Stored(stored, Box::new(receipt)) });
        }
        let (request, served) = (&grant.request, &grant.served);
        let shape = self.shape(served, &grant.plan).map_err(Rejected::from)?;
        let marginal = served.cube.marginal(served.asset.schema(), &grant.plan)?;
        let matrix = Matrix::new(&shape, marginal.iter().map(Vec::as_slice))?;
        let answer = evaluate(&grant.query, &request.context(), &matrix)?;
        Ok(Computed { grant, outcome: Outcome::Fresh(answer) })
    }

    /// Seals the answer to the request's result key, signs a receipt, and records both in one transaction before either
    /// is returned. A job that is complete keeps the result it has.
    ///
    /// # Errors
    /// The node's own failures. Nothing was released then, and the same request is granted again.
    pub fn release(&self, computed: Computed) -> Result<(SealedResult, Receipt)> {
        let Computed { grant, outcome } = computed;
        let (stored, receipt) = match outcome {
            Outcome::Stored(stored, receipt) => (stored, *receipt),
            Outcome::Fresh(answer) => {
                let request = &grant.request;
                let bytes = SealedResult::seal(grant.job, request.result_key, &answer.to_bytes())?.to_bytes()?;
                let program = Program::from_bytes(&request.program)?.digest()?;
                let released_at = self.now();
                self.journal.complete(grant.job, &self.account, &bytes, |number, previous| Statement {
                    version: Receipt::VERSION,
                    number,
                    previous,
                    asset: request.asset.clone(),
                    job: grant.job,
                    program,
                    policy: request.policy,
                    device: "cpu".into(),
                    nullifier: request.nullifier,
                    result: result_digest(&bytes),
                    epsilon_micros: None,
                    released_at,
                })?
            }
        };
        Ok((SealedResult::from_bytes(&stored)?, receipt))
    }

    /// Admits, computes and releases.
    ///
    /// # Errors
    /// As the three.
    pub fn run(&self, request: JobRequest) -> Result<(SealedResult, Receipt)> {
        self.release(self.compute(self.admit(request)?)?)
    }

    /// Completes the jobs that were admitted before the node stopped. Returns how many.
    ///
    /// # Errors
    /// The first failure, after every job has been tried. A job that failed stays on record.
    pub fn resume(&self) -> Result<usize> {
        let (mut completed, mut failed) = (0, None);
        for request in self.journal.unfinished()? {
            let job = request.id();
            match self.finish(request) {
                Ok(()) => completed += 1,
                Err(error) => {
                    tracing::error!(%job, %error, "a job that was admitted could not be completed");
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(completed), Err)
    }

    /// Completes one job that is on record.
    fn finish(&self, request: JobRequest) -> Result<()> {
        let served = self.served(&request.asset)?;
        let served = served.ok_or_else(|| Rejected::from(Rejection::UnknownAsset(request.asset.clone())))?;
        let grant = self.grant(request, served).map_err(|stopped| match stopped {
            Stopped::Refused(reason) => Rejected::from(reason).into(),
            Stopped::Failed(error) => error,
        })?;
        self.release(self.compute(grant)?).map(drop)
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

    /// The asset, loaded from the store on first use; `None` if it is not one of this owner's.
    fn served(&self, did: &str) -> Result<Option<Arc<Served>>> {
        let read = || self.served.read().unwrap_or_else(PoisonError::into_inner).get(did).cloned();
        if let Some(served) = read() {
            return Ok(Some(served));
        }
        let Some(nft) = self.journal.kept(&asset_key(did))?.and_then(|bytes| bytes.try_into().ok()) else {
            return Ok(None);
        };
        let asset = self.exchange.asset(Address::from_bytes(nft))?;
        let table = self.exchange.open_table(&asset, &self.owner_key)?;
        let loaded = Arc::new(Served::new(asset, &table)?);
        let mut all = self.served.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Some(all.entry(did.to_owned()).or_insert(loaded).clone()))
    }
}

/// Where the journal keeps which NFT an asset is.
pub(crate) fn asset_key(did: &str) -> String {
    format!("asset/{did}")
}
