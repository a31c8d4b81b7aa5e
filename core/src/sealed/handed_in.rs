//! What executors far away hand in, kept until their job is released.

use std::collections::BTreeSet;

use cid::Cid;

use super::pass::{lengths, plans};
use super::task::{ExecutorResult, Task};
use super::{SealedError, manifest};
use crate::Address;
use crate::error::Result;
use crate::job::JobId;
use crate::node::Node;

/// How many results of a part an executor may hand in for one job, so that it does not fill the store: it may have failed once and
/// computed on another kind of processor.
const EACH: usize = 2;

/// A task that executors compute, and what they hand in of it.
pub(crate) struct Assigned {
    pub(crate) task: Task,
    /// How many parts it has.
    pub(crate) parts: usize,
    /// How long the result of each is, in bytes.
    part_bytes: usize,
}

impl Node {
    /// Plans a task's passes, to know how long their results are.
    ///
    /// # Errors
    /// As [`Task::load`].
    pub(crate) fn assign(&self, task: Task) -> Result<Assigned> {
        let manifest = task.load(self.exchange.store())?;
        let (columns, chunks) = manifest.table(task.packed())?;
        let part_bytes = lengths(task.passes(), &plans(task.passes(), columns)?).iter().sum();
        Ok(Assigned { parts: chunks.len(), part_bytes, task })
    }

    /// Stores an executor's encrypted result of one part.
    ///
    /// # Errors
    /// [`SealedError::Invalid`] for another length than every part of the task has, or for more of them than it has parts. The
    /// store's own.
    pub(crate) fn take_part(&self, assigned: &Assigned, executor: Address, bytes: &[u8]) -> Result<Cid> {
        let (store, expected) = (self.exchange.store(), assigned.part_bytes);
        if bytes.len() != expected {
            let why = format!("it has {} bytes, and the result of a part has {expected}", bytes.len());
            return Err(SealedError::invalid("result of a part", why).into());
        }
        let prefix = format!("{}{executor}/", parts_of(assigned.task.job()));
        if self.journal.kept_names(&prefix)?.len() >= EACH * assigned.parts {
            return Err(SealedError::invalid("result of a part", "more were handed in than the task has parts").into());
        }
        let _adding = store.adding()?;
        let root = manifest::add_file(store, bytes)?;
        // Named before it is pinned, so that what was is found again.
        self.journal.keep(&format!("{prefix}{root}"), Vec::new())?;
        store.pin(&root)?;
        Ok(root)
    }

    /// Keeps an executor's result of a job. The first one stays.
    ///
    /// # Errors
    /// A failed write.
    pub(crate) fn hand_in(&self, job: JobId, result: &ExecutorResult) -> Result<()> {
        self.journal.keep(&result_name(job, result.executor()), result.to_bytes()?)?;
        Ok(())
    }

    /// Whether an executor has handed in its result of a job.
    ///
    /// # Errors
    /// A failed read.
    pub(crate) fn has_handed_in(&self, job: JobId, executor: Address) -> Result<bool> {
        Ok(self.journal.kept(&result_name(job, executor))?.is_some())
    }

    /// The results of a job that were handed in.
    ///
    /// # Errors
    /// A failed read.
    pub(crate) fn handed_in(&self, job: JobId) -> Result<Vec<ExecutorResult>> {
        let mut results = Vec::new();
        for name in self.journal.kept_names(&results_of(job))? {
            if let Some(bytes) = self.journal.kept(&name)? {
                results.push(ExecutorResult::from_bytes(&bytes)?);
            }
        }
        Ok(results)
    }

    /// Deletes what was handed in for jobs that are over: complete, or given up. For when nobody hands anything in.
    ///
    /// # Errors
    /// A failed read or write.
    pub(crate) fn sweep_handed_in(&self) -> Result<()> {
        let mut jobs = BTreeSet::new();
        for prefix in [PARTS, RESULTS] {
            for name in self.journal.kept_names(prefix)? {
                jobs.extend(name[prefix.len()..].split('/').next().and_then(JobId::parse));
            }
        }
        for job in jobs {
            let open = self.job(job)?.is_some_and(|record| record.receipt.is_none()) && self.parked(job)?.is_none();
            if !open {
                self.forget_handed_in(job)?;
            }
        }
        Ok(())
    }

    /// Deletes what was handed in for a job that is complete.
    ///
    /// # Errors
    /// A failed write.
    pub(crate) fn forget_handed_in(&self, job: JobId) -> Result<()> {
        let own = parts_of(job);
        for name in self.journal.kept_names(&own)? {
            let Some(root) = name.rsplit('/').next() else { continue };
            // Equal parts of two jobs have one result.
            let another = |other: &String| !other.starts_with(&own) && other.ends_with(root);
            if let Ok(root) = root.parse::<Cid>()
                && !self.journal.kept_names(PARTS)?.iter().any(another)
            {
                self.exchange.store().unpin(&root)?;
            }
            self.journal.forget(&name)?;
        }
        for name in self.journal.kept_names(&results_of(job))? {
            self.journal.forget(&name)?;
        }
        Ok(())
    }
}

const PARTS: &str = "sealed-part/";
const RESULTS: &str = "sealed-result/";

fn parts_of(job: JobId) -> String {
    format!("{PARTS}{job}/")
}

fn results_of(job: JobId) -> String {
    format!("{RESULTS}{job}/")
}

fn result_name(job: JobId, executor: Address) -> String {
    format!("{}{executor}", results_of(job))
}
