//! The releaser: on the owner's node, opens what executors return, and releases what the job's consumer may have.

use std::collections::BTreeSet;

use sealock_fhe::table::{EncryptedResult, Opened, Plan as EnginePlan, Rows, TableKey};
use zeroize::Zeroizing;

use super::layout::Layout;
use super::lower::{Lowered, lower, series};
use super::manifest::{Chunk, SealedManifest, read_file};
use super::pass::{add, lengths, plans};
use super::publish::{CANARIES_OBJECT, Canaries, MAX_EXECUTORS, table_key};
use super::task::{ExecutorResult, ReleasedNumbers, Task};
use super::{SealedError, layout_of};
use crate::access::{AccessGrant, Work};
use crate::cube::draw_for_job;
use crate::error::{Classify, ErrorKind, Result};
use crate::exchange::Asset;
use crate::job::JobId;
use crate::journal::JournalError;
use crate::node::Node;
use crate::policy::Policy;
use crate::privacy::Noise;
use crate::program::{Plan, Program};
use crate::progress::quiet;
use crate::receipt::{Executed, Receipt};
use crate::release::SealedResult;
use crate::{Address, Digest};

/// Opens and releases the results of some executors that the owner knows: see the [module](super).
pub struct Releaser<'a> {
    node: &'a Node,
    executors: BTreeSet<Address>,
}

/// A job laid out.
struct LaidOut {
    plan: Plan,
    layout: Layout,
    lowered: Lowered,
    task: Task,
    manifest: SealedManifest,
}

/// A job laid out, with what opens its results.
struct Case {
    asset: Asset,
    plan: Plan,
    lowered: Lowered,
    plans: Vec<EnginePlan>,
    task: Task,
    manifest: SealedManifest,
    key: TableKey,
    /// What an honest executor's results of the canaries open to.
    expected: Vec<(usize, Vec<Vec<Vec<Opened>>>)>,
}

/// Why a result does not count, and whether the executor is to blame.
struct Fault {
    kind: ErrorKind,
    why: String,
    strike: bool,
}

impl<E: Classify> From<E> for Fault {
    fn from(error: E) -> Self {
        Self { kind: error.kind(), why: error.to_string(), strike: false }
    }
}

impl Fault {
    fn of(kind: ErrorKind, why: impl Into<String>, strike: bool) -> Self {
        Self { kind, why: why.into(), strike }
    }
}

/// An executor's result, opened: the sums over all rows that are real, and the digest of what each chunk opened to.
struct Sums {
    executor: Address,
    device: String,
    passes: Vec<Vec<Vec<Opened>>>,
    digest: Digest,
}

impl<'a> Releaser<'a> {
    /// A releaser that takes the results of these executors and of nobody else. Whoever could sign under as many addresses as
    /// they like would be a quorum alone.
    pub fn new(node: &'a Node, executors: impl IntoIterator<Item = Address>) -> Self {
        Self { node, executors: executors.into_iter().collect() }
    }

    /// The grant of a job that was admitted before and is not complete: after a restart, or a release that failed.
    ///
    /// # Errors
    /// [`ErrorKind::Rejected`] for one that can no longer be answered; a failed read.
    pub fn grant(&self, job: JobId) -> Result<Option<AccessGrant>> {
        self.node.granted(job)
    }

    /// How many results of a job have to agree.
    pub(crate) fn quorum(grant: &AccessGrant) -> usize {
        usize::from(grant.served.asset.description().sealed.encrypted.as_ref().map_or(1, |e| e.quorum))
    }

    /// The task of an admitted job, for executors. It is the same each time.
    ///
    /// # Errors
    /// [`SealedError::NotSealed`] for a job of another kind.
    pub fn task(&self, grant: &AccessGrant) -> Result<Task> {
        Ok(self.lay_out(grant)?.task)
    }

    fn lay_out(&self, grant: &AccessGrant) -> Result<LaidOut, SealedError> {
        let (asset, request) = (&grant.served.asset, &grant.request);
        let layout = layout_of(asset)?;
        let plan = asset.plan(&Program::from_bytes(&request.program)?)?;
        let lowered = lower(asset.schema(), asset.policy(), &layout, &plan)?;
        let encrypted = asset.description().sealed.encrypted.as_ref();
        let encrypted = encrypted.ok_or_else(|| SealedError::NotSealed { did: asset.did() })?;
        let manifest = SealedManifest::load(self.node.exchange.store(), &encrypted.manifest, self.node.address())?;
        let body = manifest.body();
        let packed_otherwise = body.packed.as_ref().is_some_and(|packed| packed.columns != layout.packed);
        if body.asset != request.asset || body.columns != layout.columns || packed_otherwise {
            return Err(SealedError::invalid("sealed manifest", "its columns are not what the asset describes"));
        }
        // What packed rows cannot answer, or at greater length than a result may have, the others do.
        let packed = body.packed.as_ref().is_some_and(|packed| plans(&lowered.passes, &packed.columns).is_ok());
        let task = Task {
            version: Task::VERSION,
            node: self.node.address(),
            asset: request.asset.clone(),
            job: grant.job,
            program: request.program_digest(),
            policy: request.policy,
            data: request.data,
            manifest: encrypted.manifest,
            packed,
            passes: lowered.passes.clone(),
        };
        Ok(LaidOut { plan, layout, lowered, task, manifest })
    }

    /// Opens the results of an admitted job, compares them with the canaries and with each other, protects what they open to as
    /// the policy says, seals it to the request's result key and signs a receipt; both are on record before either is returned.
    /// A job that is complete keeps the result that it has.
    ///
    /// Each executor has one result of a job opened. One whose result is wrong has no other opened of this asset, until the
    /// owner [forgives](Releaser::forgive) it.
    ///
    /// # Errors
    /// [`SealedError::NotReleased`] if too few results stand, and whatever is wrong with them: [`Node::refusals`] has the
    /// reasons. The node's own failures. The job stays on record: see [`Releaser::grant`].
    pub fn release(&self, grant: AccessGrant, results: &[ExecutorResult]) -> Result<(SealedResult, Receipt)> {
        let node = self.node;
        let _under_way = node.begin(grant.job)?;
        if let Some((stored, receipt)) = node.journal.result(grant.job)? {
            return Ok((SealedResult::from_bytes(&stored)?, receipt));
        }
        if !matches!(grant.work, Some(Work::Sealed)) {
            return Err(match grant.work {
                None => JournalError::UnknownJob(grant.job).into(),
                Some(_) => SealedError::NotSealed { did: grant.served.asset.did() }.into(),
            });
        }
        let case = self.open(&grant)?;
        let mut opened: Vec<Sums> = Vec::new();
        for result in results.iter().take(MAX_EXECUTORS) {
            if opened.iter().any(|sums| sums.executor == result.executor()) {
                continue;
            }
            match self.sums(&grant, &case, result)? {
                Ok(sums) => opened.push(sums),
                Err(fault) => self.fault(&case.asset, result.executor(), fault)?,
            }
        }
        let quorum = Self::quorum(&grant);
        let votes = |digest: Digest| opened.iter().filter(|sums| sums.digest == digest).count();
        let mut agreed: Vec<Digest> =
            opened.iter().map(|s| s.digest).filter(|digest| votes(*digest) >= quorum).collect();
        agreed.sort_unstable();
        agreed.dedup();
        let [digest] = agreed[..] else {
            let why =
                format!("of {} results that opened, not {quorum} agree, or more than one such group", opened.len());
            node.note_refusal(case.asset.did().to_string(), ErrorKind::Rejected, &format!("job {}: {why}", grant.job));
            return Err(SealedError::NotReleased.into());
        };
        let (agreeing, others): (Vec<Sums>, Vec<Sums>) = opened.into_iter().partition(|sums| sums.digest == digest);
        for other in others {
            let fault = Fault::of(ErrorKind::Tampered, "its result is not the one that a quorum agrees on", true);
            self.fault(&case.asset, other.executor, fault)?;
        }
        let answer = case.answer(&agreeing[0].passes)?;
        let mut devices: Vec<&str> = agreeing.iter().map(|sums| sums.device.as_str()).collect();
        devices.sort_unstable();
        devices.dedup();
        let executed = Executed {
            quorum: quorum as u64,
            results: results.len().min(MAX_EXECUTORS) as u64,
            executors: agreeing.iter().map(|sums| sums.executor).collect(),
            canaries: case.expected.len() as u64,
        };
        let (stored, receipt) = node.complete(&grant, &answer, devices.join(", "), Some(executed))?;
        Ok((SealedResult::from_bytes(&stored)?, receipt))
    }

    /// Everything that a job's results are judged by.
    fn open(&self, grant: &AccessGrant) -> Result<Case> {
        let LaidOut { plan, layout, lowered, task, manifest } = self.lay_out(grant)?;
        let (asset, store) = (grant.served.asset.clone(), self.node.exchange.store());
        let (columns, chunks) = manifest.table(task.packed)?;
        let plans = plans(&lowered.passes, columns)?;
        let data = self.node.open_data(&asset)?;
        let mut bytes = super::publish::Wiped(Zeroizing::new(Vec::new()));
        crate::envelope::export_object(store, data.manifest(), data.key(), CANARIES_OBJECT, &mut bytes, &mut quiet())?;
        let canaries = Canaries::from_bytes(&bytes.0)?;
        let canaries = if task.packed { &canaries.packed } else { &canaries.canaries };
        let mut expected = Vec::with_capacity(canaries.len());
        for canary in canaries {
            let bad = || SealedError::invalid("list of canaries", "it does not fit the sealed manifest");
            let link = *chunks.get(canary.chunk as usize).ok_or_else(bad)?;
            let rows = link.rows as usize;
            if canary.values.len() != layout.values.len() || canary.values.iter().any(|values| values.len() != rows) {
                return Err(bad().into());
            }
            let public = Chunk::load(store, &link.block, link.rows, columns)?.public();
            let clear = lowered.passes.iter().map(|pass| pass.in_the_clear(columns, &public, &canary.values, rows));
            expected.push((canary.chunk as usize, clear.collect()));
        }
        let key = table_key(data.key());
        Ok(Case { asset, plan, lowered, plans, task, manifest, key, expected })
    }

    /// Opens a result, if it is bound to the job and its executor may have one opened. The outer error is the node's own.
    fn sums(&self, grant: &AccessGrant, case: &Case, result: &ExecutorResult) -> Result<Result<Sums, Fault>> {
        let (executor, journal) = (result.executor(), &self.node.journal);
        if !self.executors.contains(&executor) {
            return Ok(Err(Fault::of(
                ErrorKind::NotAuthorized,
                "it is none of the executors that results are taken of",
                false,
            )));
        }
        if let Err(error) = result.verify(&case.task, case.manifest.table(case.task.packed)?.1.len()) {
            return Ok(Err(error.into()));
        }
        if journal.kept(&struck_name(&case.asset, executor))?.is_some() {
            return Ok(Err(Fault::of(ErrorKind::NotAuthorized, "a result of it was wrong before", false)));
        }
        // Before anything is decrypted, so that nobody has two ciphertexts of one job opened, through a restart as well.
        let digest = result.digest()?;
        let name = format!("sealed-opened/{}/{executor}", grant.job);
        if journal.keep(&name, digest.as_bytes().to_vec())? != digest.as_bytes() {
            return Ok(Err(Fault::of(ErrorKind::Rejected, "another result of it was opened for this job", false)));
        }
        Ok(case.sums(self.node, result))
    }

    /// Notes a result that does not count, and that its executor has no other opened, if that is to blame.
    fn fault(&self, asset: &Asset, executor: Address, fault: Fault) -> Result<()> {
        let Fault { kind, why, strike } = fault;
        if strike {
            self.node.journal.keep(&struck_name(asset, executor), why.as_bytes().to_vec())?;
        }
        self.node.note_refusal(asset.did().to_string(), kind, &format!("result of executor {executor}: {why}"));
        Ok(())
    }

    /// The executors whose results of an asset were wrong.
    ///
    /// # Errors
    /// A failed read.
    pub fn struck(&self, asset: &Asset) -> Result<Vec<Address>> {
        let prefix = struck_prefix(asset);
        let names = self.node.journal.kept_names(&prefix)?;
        Ok(names.iter().filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect())
    }

    /// Opens results of an executor again that was wrong before: of broken memory, say, and not of malice.
    ///
    /// # Errors
    /// A failed write.
    pub fn forgive(&self, asset: &Asset, executor: Address) -> Result<()> {
        Ok(self.node.journal.forget(&struck_name(asset, executor))?)
    }
}

impl Case {
    /// Opens every chunk's result and compares the canaries'.
    fn sums(&self, node: &Node, result: &ExecutorResult) -> Result<Sums, Fault> {
        let (store, passes) = (node.exchange.store(), &self.lowered.passes);
        let (columns, chunks) = self.manifest.table(self.task.packed)?;
        let (widths, lengths) = (columns.widths(), lengths(passes, &self.plans));
        let mut sums: Option<Vec<Vec<Vec<Opened>>>> = None;
        let mut digest = Digest::of("sealock/v1/opened", &[]);
        for (place, (cid, link)) in result.results().iter().zip(chunks).enumerate() {
            let bytes = read_file(store, cid, lengths.iter().sum())?;
            let public = Chunk::load(store, &link.block, link.rows, columns)?.public();
            let rows = link.rows as usize;
            let mut rest = bytes.as_slice();
            let mut opened = Vec::with_capacity(passes.len());
            for ((pass, plan), length) in passes.iter().zip(&self.plans).zip(&lengths) {
                let (own, others) = rest.split_at(*length);
                rest = others;
                let wrong = |error: sealock_fhe::Error| Fault::of(ErrorKind::Tampered, error.to_string(), true);
                let encrypted = EncryptedResult::from_bytes(plan, pass.groups as usize, own).map_err(wrong)?;
                // Of packed chunks rows are opened, and added up here.
                let of = pass.group_rows(columns, &public, rows);
                let rows = Rows::new(rows).grouped(pass.groups as usize, &of);
                let groups = self.key.open_rows(plan, &encrypted, &rows).map_err(wrong)?;
                if !pass.conforms(&widths, link.rows.into(), &groups) {
                    let why = format!("chunk {place}: numbers that no {} rows have", link.rows);
                    return Err(Fault::of(ErrorKind::Tampered, why, true));
                }
                opened.push(groups);
            }
            if let Some((_, expected)) = self.expected.iter().find(|(canary, _)| *canary == place) {
                if *expected != opened {
                    return Err(Fault::of(
                        ErrorKind::Tampered,
                        format!("chunk {place}, a canary, was computed wrongly"),
                        true,
                    ));
                }
                continue;
            }
            digest = Digest::of("sealock/v1/opened", &[digest.as_bytes(), format!("{opened:?}").as_bytes()]);
            match &mut sums {
                None => sums = Some(opened),
                Some(sums) => sums.iter_mut().zip(&opened).for_each(|(sums, opened)| add(sums, opened)),
            }
        }
        let passes = sums.ok_or_else(|| Fault::of(ErrorKind::Malformed, "there is no chunk of real rows", false))?;
        Ok(Sums { executor: result.executor(), device: result.device().into(), passes, digest })
    }

    /// The answer's numbers, protected as the policy says.
    fn answer(&self, passes: &[Vec<Vec<Opened>>]) -> Result<Vec<u8>> {
        let (schema, policy) = (self.asset.schema(), self.asset.policy());
        let mut numbers = self.lowered.numbers(passes)?;
        if let Some(Noise::PerJob(_)) = policy.noise() {
            numbers = noisy(policy, schema, &self.plan, numbers, self.asset.max_rows())?;
        }
        Ok(ReleasedNumbers::to_bytes(&numbers)?)
    }
}

fn noisy(
    policy: &Policy,
    schema: &crate::asset::Schema,
    plan: &Plan,
    exact: Vec<i64>,
    max_rows: u64,
) -> Result<Vec<i64>, SealedError> {
    let rows = exact.into_iter().map(|number| vec![number]).collect();
    Ok(draw_for_job(schema, plan, policy, &series(policy, plan), rows, max_rows)?.into_iter().flatten().collect())
}

fn struck_prefix(asset: &Asset) -> String {
    format!("sealed-struck/{}/", asset.did())
}

fn struck_name(asset: &Asset, executor: Address) -> String {
    format!("{}{executor}", struck_prefix(asset))
}

impl std::fmt::Debug for Releaser<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Releaser(of {}, {} executors)", self.node.address(), self.executors.len())
    }
}
