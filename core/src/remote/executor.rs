//! An executor at a node that is far away.

use super::http::Ask;
use super::node::{RemoteNode, Waits};
use crate::error::{ErrorKind, Result};
use crate::progress::{Progress, Stage, Step, quiet, tell};
use crate::protocol::{CLAIM_SECS, DAG_CBOR, ExecutorClaim, NodeInfo, OpenTask, OpenTasks, RAW_BLOCK, task_path};
use crate::sealed::{Executor, MAX_PART_BYTES, MAX_TASK_BYTES, Task};
use crate::time::{Clock, SystemClock};
use crate::{Account, Digest};

/// The longest list of tasks, in bytes.
const MAX_TASKS_BYTES: u64 = 4 << 20;

impl RemoteNode {
    /// The tasks that wait there for the result of this executor.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if its owner has not named it; [`RemoteError`](super::RemoteError).
    pub fn tasks(&self, executor: &Account) -> Result<Vec<OpenTask>> {
        let path = task_path(None);
        let ask = self.as_executor(executor, Ask::get("for tasks", &path), "GET", &path, &[])?;
        let open: OpenTasks = self.http().json_within(&ask, MAX_TASKS_BYTES)?;
        Ok(open.tasks)
    }

    /// One of them.
    ///
    /// # Errors
    /// As [`RemoteNode::tasks`]; bytes that are no task.
    pub fn task(&self, executor: &Account, open: &OpenTask) -> Result<Task> {
        let path = format!("{}/{}", task_path(None), open.job);
        let ask = self.as_executor(executor, Ask::get("for a task", &path), "GET", &path, &[])?;
        let task = Task::from_bytes(&self.http().bytes(&ask, MAX_TASK_BYTES as u64)?)?;
        if task.job().to_string() != open.job {
            return Err(self.http().strange("for a task", "it gives that of another job".into()).into());
        }
        Ok(task)
    }

    fn hand_in(&self, executor: &Account, task: &Task, what: &str, media: &'static str, body: &[u8]) -> Result<()> {
        let path = format!("{}/{what}", task_path(Some(task.job())));
        let ask = Ask::post("to take a result", &path, media, body);
        let ask = self.as_executor(executor, ask, "POST", &path, body)?;
        self.http().ask(&ask)?;
        Ok(())
    }

    fn as_executor<'a>(
        &self,
        executor: &Account,
        ask: Ask<'a>,
        method: &str,
        path: &str,
        body: &[u8],
    ) -> Result<Ask<'a>> {
        let NodeInfo { address: node, chain_id, .. } = *self.info();
        let deadline = SystemClock.now().saturating_add(CLAIM_SECS);
        let claim = ExecutorClaim { method, path, body: Digest::sha256(body), node, chain_id, deadline };
        Ok(ask.header("Authorization", claim.header(executor)?))
    }
}

impl Executor {
    /// Computes every task that waits for it at a node far away, and hands the results in; says how many. Call it again and
    /// again. The executor is one [over an exchange](Executor::on) that is [connected](crate::Exchange::connect) to the node, or over
    /// any other store that has the asset's blocks.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the node's owner has not named it as an executor; as [`Executor::run`]; [`ErrorKind::TooLarge`] for
    /// results of more than [`MAX_PART_BYTES`] a part; the other tasks are computed before it says so. A node that cannot be reached or is busy is waited for, as
    /// [`RemoteNode::run`] does.
    pub fn work_for(&self, node: &RemoteNode) -> Result<usize> {
        self.work_for_with(node, &mut quiet())
    }

    /// As [`Executor::work_for`], and tells how many parts of a task are done. It can be cancelled between two.
    ///
    /// # Errors
    /// As [`Executor::work_for`], and [`ErrorKind::Cancelled`].
    pub fn work_for_with(&self, node: &RemoteNode, progress: &mut Progress<'_>) -> Result<usize> {
        let (mut done, mut failed) = (0, None);
        for open in node.tasks(self.account())? {
            let outcome = node.task(self.account(), &open).and_then(|task| self.work(node, &task, progress));
            match outcome {
                Ok(handed_in) => done += usize::from(handed_in),
                // It was released or given up in the meantime.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::Cancelled => return Err(error),
                // One that cannot be computed keeps nobody from the others.
                Err(error) => {
                    tracing::warn!(job = open.job, %error, "a task cannot be computed");
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(done), Err)
    }

    /// Computes a task and hands its result in, unless nobody waits for it any longer.
    fn work(&self, node: &RemoteNode, task: &Task, progress: &mut Progress<'_>) -> Result<bool> {
        let (account, parts) = (self.account(), self.parts(task)?);
        let mut results = Vec::with_capacity(parts.len());
        for (place, part) in parts.iter().enumerate() {
            tell(progress, Step::out_of(Stage::Compute, place as u64, parts.len() as u64))?;
            let (root, bytes) = self.compute_part(part)?;
            if bytes.len() > MAX_PART_BYTES {
                let (what, got) = ("result of a part", bytes.len());
                return Err(crate::codec::CodecError::TooLarge { what, got, limit: MAX_PART_BYTES }.into());
            }
            if !patiently(node, progress, || node.hand_in(account, task, "parts", RAW_BLOCK, &bytes))? {
                return Ok(false);
            }
            results.push(root);
        }
        tell(progress, Step::out_of(Stage::Compute, parts.len() as u64, parts.len() as u64))?;
        let result = self.join(task, &results)?.to_bytes()?;
        patiently(node, progress, || node.hand_in(account, task, "result", DAG_CBOR, &result))
    }
}

/// Repeats what fails for reasons that may pass. Says whether there still was such a task.
fn patiently(node: &RemoteNode, progress: &mut Progress<'_>, send: impl Fn() -> Result<()>) -> Result<bool> {
    let mut waits = Waits::new(node.patience());
    loop {
        match send() {
            Ok(()) => return Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => waits.after(error, progress)?,
        }
    }
}
