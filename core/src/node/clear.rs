//! Jobs of consumers whom the node knows: those of Ocean's own clients, whose orders show their account and who hide nothing.
//!
//! Such a job is one like any other: admitted against the policy, counted and charged in the journal, computed on the protected
//! cube, and released with a receipt. What differs is who pays for it: an order that the caller has checked, of which one use is
//! one nullifier; and that the node makes the request and opens the result itself, for whom it trusts to be the consumer.

use sealock_fhe::linear::{Entropy, QueryKey, SealedAnswer};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::served::{Task, shape};
use super::{Node, Stopped};
use crate::access::{Rejected, Rejection};
use crate::download;
use crate::envelope::RecipientKey;
use crate::error::Result;
use crate::exchange::Asset;
use crate::job::{JobId, JobRequest};
use crate::journal::{JobRecord, JournalError};
use crate::program::{Output, Program, ProgramError, Query};
use crate::receipt::Receipt;
use crate::release::{Answer, SealedResult};

/// For how long such a request would be good, in seconds. Nothing looks at it once it is admitted.
const DEADLINE: u64 = 12 * 60 * 60;

/// A query without secrets, and what is made of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClearQuery {
    pub(crate) program: Program,
    /// None for all numbers of the program, as they are.
    outputs: Option<Vec<Output>>,
}

impl ClearQuery {
    /// Reads SQL, or a program's canonical DAG-CBOR.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn read(source: &[u8]) -> std::result::Result<Self, String> {
        if let Ok(program) = Program::from_bytes(source) {
            return Ok(Self { program, outputs: None });
        }
        let text = std::str::from_utf8(source).map_err(|_| "it is neither SQL nor a program".to_owned())?;
        let query = Query::from_sql(text).map_err(|e| e.to_string())?;
        query.check_outputs().map_err(|e| e.to_string())?;
        Ok(Self { program: query.program(), outputs: Some(query.outputs().to_vec()) })
    }
}

/// What opens the result of such a job.
pub(crate) struct ClearKeys {
    seed: Zeroizing<[u8; 32]>,
    result: RecipientKey,
}

impl ClearKeys {
    pub(crate) fn generate() -> Self {
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut()).expect("the operating system provides randomness");
        Self { seed, result: RecipientKey::generate() }
    }

    /// Both keys' bytes, to be sealed.
    pub(crate) fn expose_secret_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        bytes[..32].copy_from_slice(self.seed.as_ref());
        bytes[32..].copy_from_slice(self.result.expose_secret_bytes().as_ref());
        bytes
    }

    pub(crate) fn from_secret_bytes(bytes: &[u8; 64]) -> Result<Self> {
        let half = |at: usize| {
            let mut half = Zeroizing::new([0; 32]);
            half.copy_from_slice(&bytes[at..at + 32]);
            half
        };
        Ok(Self { seed: half(0), result: RecipientKey::from_secret_bytes(&half(32))? })
    }
}

/// What is asked.
pub(crate) enum ClearTask<'a> {
    Query(&'a ClearQuery),
    Download,
}

impl Node {
    /// The request for a job under a use of an order. It is for [`Node::admit_clear`] alone: it proves nothing.
    ///
    /// # Errors
    /// [`ProgramError`] for a query that does not fit the asset; [`Rejected`] for an answer that is too large.
    pub(crate) fn clear_request(
        &self,
        asset: &Asset,
        task: &ClearTask<'_>,
        nullifier: [u8; 32],
        keys: &ClearKeys,
    ) -> Result<JobRequest> {
        if asset.is_sealed() && matches!(task, ClearTask::Query(_)) {
            let program = "a query whose answer its node is to open";
            return Err(ProgramError::OtherKind { asset: "sealed data", program }.into());
        }
        let program = match task {
            ClearTask::Query(query) => query.program.to_bytes()?,
            ClearTask::Download => download::program().to_vec(),
        };
        let now = self.now();
        let mut request = JobRequest {
            version: JobRequest::VERSION,
            asset: asset.did().to_string(),
            program: ByteBuf::from(program),
            query: ByteBuf::new(),
            result_key: *keys.result.public().as_bytes(),
            policy: asset.policy().digest()?,
            data: asset.data(),
            deadline: now.saturating_add(DEADLINE),
            root: [0; 32],
            nullifier,
            now,
            proof: ByteBuf::new(),
            round: None,
            query_digest: Default::default(),
        };
        if let ClearTask::Query(query) = task {
            let plan = query.program.plan(asset.schema())?;
            if !plan.hidden().is_empty() {
                return Err(ProgramError::Shape("it has secrets, which this way does not keep".into()).into());
            }
            let shape = shape(asset, &plan).map_err(Rejected::from)?;
            // Nothing is hidden, so that every cell is meant.
            let indicator = vec![true; plan.cells()];
            let key = QueryKey::generate_with_entropy(Entropy::from_seed(*keys.seed));
            let query = key.encrypt(&shape, &indicator, &request.context())?;
            request.query = ByteBuf::from(query.to_bytes());
        }
        Ok(request)
    }

    /// Admits a job whose order the caller has checked, as [`Node::admit`] does: spends the use, counts and charges it and
    /// records the request, in one transaction. [`Node::finish`] completes it.
    ///
    /// # Errors
    /// As [`Node::admit`].
    pub(crate) fn admit_clear(&self, request: JobRequest) -> Result<JobId> {
        let asset = request.asset.clone();
        match self.check_clear(request) {
            Ok(job) => Ok(job),
            Err(Stopped::Refused(reason)) => Err(self.refuse(asset, reason)),
            Err(Stopped::Failed(error)) => Err(error),
        }
    }

    fn check_clear(&self, request: JobRequest) -> Result<JobId, Stopped> {
        let served = self.served(&request.asset)?;
        let asset = &served.asset;
        let now = self.now();
        let task = Task::of(&request, asset)?;
        task.check(asset.policy(), None, now)?;
        let (program, epsilon) = (task.digest()?, task.epsilon(asset.policy()));
        let grant = self.grant(request, served.clone(), task)?;
        let record = JobRecord {
            asset: grant.request.asset.clone(),
            program,
            policy: grant.request.policy,
            nullifier: grant.request.nullifier,
            admitted_at: now,
            receipt: None,
            epsilon,
            access: None,
        };
        match self.journal.admit(&record, &grant.request, asset.policy()) {
            Ok(_) => Ok(grant.job),
            Err(JournalError::NullifierSpent) => Err(Rejection::NullifierSpent.into()),
            Err(JournalError::Policy(e)) => Err((*e).into()),
            Err(e) => Err(Stopped::Failed(e.into())),
        }
    }

    /// Whether a use of an order is spent.
    pub(crate) fn is_spent(&self, nullifier: &[u8; 32]) -> Result<bool> {
        Ok(self.journal.spent_for(nullifier)?.is_some())
    }

    /// Opens the result of a complete query; none if it is not complete.
    pub(crate) fn open_clear(
        &self,
        job: JobId,
        asset: &Asset,
        query: &ClearQuery,
        keys: &ClearKeys,
    ) -> Result<Option<(Answer, Receipt)>> {
        let Some((sealed, receipt)) = self.released(job)? else { return Ok(None) };
        let sealed = SealedResult::from_bytes(&sealed)?.unseal(&keys.result)?;
        let plan = query.program.plan(asset.schema())?;
        let shape = shape(asset, &plan).map_err(Rejected::from)?;
        let key = QueryKey::generate_with_entropy(Entropy::from_seed(*keys.seed));
        let numbers = key.decrypt(&SealedAnswer::from_bytes(&sealed)?, &shape)?;
        let exact = asset.policy().noise().is_none();
        let answer = Answer::assemble(asset.schema(), exact, &plan, asset.max_rows(), &numbers)?;
        let answer = match &query.outputs {
            Some(outputs) => answer.select(outputs),
            None => answer,
        };
        Ok(Some((answer, receipt)))
    }
}
