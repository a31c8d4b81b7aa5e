//! The queue of jobs.
//!
//! A job is on record in the node's journal before it is here, so that nothing is lost with this queue: a node that starts
//! again fills it from the journal. What is here is an order to work in, and how far each job is. A place in it is reserved
//! before a job is admitted, so that a node that is full refuses before anything is spent.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::job::JobId;
use crate::protocol::JobState;
use crate::time::Timestamp;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progressed {
    pub(crate) state: JobState,
    pub(crate) stage: Option<&'static str>,
}

impl Progressed {
    const QUEUED: Self = Self { state: JobState::Queued, stage: None };
}

/// A job that waits or runs.
struct Entry {
    asset: String,
    rank: Rank,
    since: Timestamp,
    attempts: u32,
    cancelled: bool,
    /// It is to be taken up again as soon as whoever works on it puts it back.
    hurried: bool,
    progress: watch::Sender<Progressed>,
}

/// Where a job stands: by priority, then by arrival.
type Rank = (i32, Reverse<u64>);

#[derive(Default)]
struct Inner {
    entries: HashMap<JobId, Entry>,
    ready: BinaryHeap<(Rank, JobId)>,
    /// Jobs that failed and are tried again later.
    later: BTreeMap<(Instant, u64), JobId>,
    per_asset: HashMap<String, usize>,
    reserved: usize,
    running: usize,
    next: u64,
    stopping: bool,
}

/// How many jobs may wait.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) queued: usize,
    pub(crate) per_asset: usize,
    pub(crate) priorities: BTreeMap<String, i32>,
}

/// See the module.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    wake: Condvar,
    limits: Limits,
}

/// A place for a job of an asset, until it is dropped.
pub(crate) struct Place {
    queue: Arc<Queue>,
    asset: String,
}

/// A job that somebody works on.
pub(crate) struct Taken {
    pub(crate) job: JobId,
    pub(crate) attempts: u32,
}

/// A job, for its node's owner.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) job: JobId,
    pub(crate) asset: String,
    pub(crate) progress: Progressed,
    pub(crate) since: Timestamp,
    pub(crate) attempts: u32,
}

impl Queue {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { inner: Mutex::default(), wake: Condvar::new(), limits }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that is guarded here can be left half-changed by a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place, if there is one.
    pub(crate) fn reserve(self: &Arc<Self>, asset: &str) -> Option<Place> {
        let mut inner = self.lock();
        if inner.stopping || inner.entries.len() + inner.reserved >= self.limits.queued {
            return None;
        }
        let of_asset = inner.per_asset.entry(asset.to_owned()).or_default();
        if *of_asset >= self.limits.per_asset {
            return None;
        }
        *of_asset += 1;
        inner.reserved += 1;
        Some(Place { queue: Arc::clone(self), asset: asset.to_owned() })
    }

    /// Puts a job that is on record into the queue, however full it is. One that is there already stays where it is.
    pub(crate) fn put(&self, job: JobId, asset: &str, since: Timestamp) {
        let mut inner = self.lock();
        if let Some(entry) = inner.entries.get_mut(&job) {
            entry.cancelled = false;
            return;
        }
        let priority = self.limits.priorities.get(asset).copied().unwrap_or(0);
        let rank = (priority, Reverse(inner.next));
        inner.next += 1;
        *inner.per_asset.entry(asset.to_owned()).or_default() += 1;
        let (progress, _) = watch::channel(Progressed::QUEUED);
        let asset = asset.to_owned();
        let entry = Entry { asset, rank, since, attempts: 0, cancelled: false, hurried: false, progress };
        inner.entries.insert(job, entry);
        inner.ready.push((rank, job));
        self.wake.notify_one();
    }

    /// Waits for a job to work on; none when the queue stops.
    pub(crate) fn take(&self) -> Option<Taken> {
        let mut inner = self.lock();
        loop {
            if inner.stopping {
                return None;
            }
            let now = Instant::now();
            while let Some((key, job)) = inner.later.first_key_value().map(|(key, job)| (*key, *job)) {
                if key.0 > now {
                    break;
                }
                inner.later.remove(&key);
                if let Some(rank) = inner.entries.get(&job).map(|entry| entry.rank) {
                    inner.ready.push((rank, job));
                }
            }
            if let Some((rank, job)) = inner.ready.pop() {
                // One that was given up has left its place behind.
                let waits =
                    |entry: &&mut Entry| entry.rank == rank && entry.progress.borrow().state == JobState::Queued;
                let Some(entry) = inner.entries.get_mut(&job).filter(waits) else { continue };
                entry.attempts += 1;
                entry.hurried = false;
                let attempts = entry.attempts;
                entry.progress.send_replace(Progressed { state: JobState::Running, stage: None });
                inner.running += 1;
                return Some(Taken { job, attempts });
            }
            inner = match inner.later.first_key_value().map(|(key, _)| key.0) {
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    self.wake.wait_timeout(inner, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Tells in which part a job is. Says whether to go on with it.
    pub(crate) fn tell(&self, job: JobId, stage: &'static str) -> bool {
        let inner = self.lock();
        let Some(entry) = inner.entries.get(&job) else { return true };
        entry.progress.send_replace(Progressed { state: JobState::Running, stage: Some(stage) });
        !entry.cancelled
    }

    /// Takes a job out, which is in a state from which nothing follows by itself.
    pub(crate) fn done(&self, job: JobId, state: JobState) {
        let mut inner = self.lock();
        inner.running -= 1;
        inner.remove(job, state);
    }

    /// Puts a job back, to be tried again after a pause.
    pub(crate) fn again(&self, job: JobId, pause: Duration) {
        let mut inner = self.lock();
        inner.running -= 1;
        let number = inner.next;
        inner.next += 1;
        if let Some(entry) = inner.entries.get(&job) {
            entry.progress.send_replace(Progressed::QUEUED);
            let pause = if entry.hurried { Duration::ZERO } else { pause };
            inner.later.insert((Instant::now() + pause, number), job);
            self.wake.notify_one();
        }
    }

    /// Gives up a job: one that waits is taken out, one that runs is stopped where it can be. Says whether it was here.
    pub(crate) fn cancel(&self, job: JobId) -> bool {
        let mut inner = self.lock();
        let Some(entry) = inner.entries.get_mut(&job) else { return false };
        entry.cancelled = true;
        let waits = entry.progress.borrow().state == JobState::Queued;
        if waits {
            inner.remove(job, JobState::Cancelled);
        }
        true
    }

    /// Whether a job that is here was given up.
    pub(crate) fn is_cancelled(&self, job: JobId) -> bool {
        self.lock().entries.get(&job).is_some_and(|entry| entry.cancelled)
    }

    /// How far a job is, if it waits or runs here, and how many are before it.
    pub(crate) fn progress(&self, job: JobId) -> Option<(Progressed, Option<u64>)> {
        let inner = self.lock();
        let entry = inner.entries.get(&job)?;
        let progress = *entry.progress.borrow();
        let ahead = (progress.state == JobState::Queued).then(|| {
            let before = |other: &&Entry| other.rank > entry.rank && other.progress.borrow().state == JobState::Queued;
            inner.entries.values().filter(before).count() as u64
        });
        Some((progress, ahead))
    }

    /// Takes back that a job was tried: it was only looked at.
    pub(crate) fn unattempted(&self, job: JobId) {
        if let Some(entry) = self.lock().entries.get_mut(&job) {
            entry.attempts = entry.attempts.saturating_sub(1);
        }
    }

    /// Takes a job up now that was to be tried again after a pause; one that somebody works on, as soon as it is put back.
    pub(crate) fn hurry(&self, job: JobId) {
        let mut inner = self.lock();
        let Some(key) = inner.later.iter().find(|(_, later)| **later == job).map(|(key, _)| *key) else {
            if let Some(entry) = inner.entries.get_mut(&job) {
                entry.hurried = true;
            }
            return;
        };
        inner.later.remove(&key);
        if let Some(rank) = inner.entries.get(&job).map(|entry| entry.rank) {
            inner.ready.push((rank, job));
            self.wake.notify_one();
        }
    }

    /// To be told how a job goes on, if it waits or runs here.
    pub(crate) fn watch(&self, job: JobId) -> Option<watch::Receiver<Progressed>> {
        self.lock().entries.get(&job).map(|entry| entry.progress.subscribe())
    }

    /// How many jobs wait, and how many run.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.entries.len() - inner.running.min(inner.entries.len()), inner.running)
    }

    /// Every job here, in the order in which they will be worked on.
    pub(crate) fn list(&self) -> Vec<Waiting> {
        let inner = self.lock();
        let mut all: Vec<_> = inner
            .entries
            .iter()
            .map(|(job, entry)| {
                let progress = *entry.progress.borrow();
                let Entry { asset, since, attempts, rank, .. } = entry;
                let waiting = Waiting { job: *job, asset: asset.clone(), progress, since: *since, attempts: *attempts };
                ((progress.state == JobState::Running, *rank), waiting)
            })
            .collect();
        all.sort_by_key(|(rank, _)| Reverse(*rank));
        all.into_iter().map(|(_, waiting)| waiting).collect()
    }

    /// Lets nobody take a job any more.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.wake.notify_all();
    }
}

impl Inner {
    fn remove(&mut self, job: JobId, state: JobState) {
        let Some(entry) = self.entries.remove(&job) else { return };
        entry.progress.send_replace(Progressed { state, stage: None });
        release(&mut self.per_asset, &entry.asset);
    }
}

fn release(per_asset: &mut HashMap<String, usize>, asset: &str) {
    if let Some(count) = per_asset.get_mut(asset) {
        *count -= 1;
        if *count == 0 {
            per_asset.remove(asset);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inner = self.queue.lock();
        inner.reserved -= 1;
        release(&mut inner.per_asset, &self.asset);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    fn job(n: u8) -> JobId {
        JobId(Digest::from_bytes([n; 32]))
    }

    fn queue(queued: usize, per_asset: usize) -> Arc<Queue> {
        let priorities = BTreeMap::from([("first".to_owned(), 1)]);
        Arc::new(Queue::new(Limits { queued, per_asset, priorities }))
    }

    #[test]
    fn jobs_are_taken_by_priority_and_then_in_turn() {
        let queue = queue(10, 10);
        for (n, asset) in [(1, "second"), (2, "second"), (3, "first")] {
            queue.put(job(n), asset, 0);
        }
        assert_eq!(queue.progress(job(2)).unwrap().1, Some(2));
        let order: Vec<_> = (0..3).map(|_| queue.take().unwrap().job).collect();
        assert_eq!(order, [job(3), job(1), job(2)]);
        queue.done(job(1), JobState::Complete);
        assert!(queue.progress(job(1)).is_none());
        assert_eq!(queue.counts(), (0, 2));
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let queue = queue(3, 2);
        let places: Vec<_> = (0..2).map(|_| queue.reserve("a").unwrap()).collect();
        assert!(queue.reserve("a").is_none(), "the asset has no more");
        let other = queue.reserve("b").unwrap();
        assert!(queue.reserve("c").is_none(), "the queue has no more");
        drop(places);
        queue.put(job(1), "a", 0);
        drop(other);
        assert!(queue.reserve("a").is_some());
        queue.put(job(2), "a", 0);
        assert!(queue.reserve("a").is_none());
        queue.cancel(job(2));
        assert!(queue.reserve("a").is_some());
    }

    #[test]
    fn a_job_that_waits_can_be_given_up_and_one_that_runs_hears_of_it() {
        let queue = queue(10, 10);
        queue.put(job(1), "a", 0);
        queue.put(job(2), "a", 0);
        let watched = queue.watch(job(2)).unwrap();
        assert!(queue.cancel(job(2)));
        assert_eq!(watched.borrow().state, JobState::Cancelled);
        assert_eq!(queue.take().unwrap().job, job(1));
        assert!(queue.tell(job(1), "compute"));
        assert!(queue.cancel(job(1)));
        assert!(!queue.tell(job(1), "release"));
        assert!(!queue.cancel(job(9)));
    }

    #[test]
    fn a_job_that_failed_is_taken_again_later_and_a_stopped_queue_gives_none() {
        let queue = queue(10, 10);
        queue.put(job(1), "a", 0);
        assert_eq!(queue.take().unwrap().attempts, 1);
        let start = Instant::now();
        queue.again(job(1), Duration::from_millis(20));
        assert_eq!(queue.take().unwrap().attempts, 2);
        assert!(start.elapsed() >= Duration::from_millis(20));
        queue.again(job(1), Duration::from_secs(3600));
        queue.hurry(job(1));
        assert_eq!(queue.take().unwrap().attempts, 3);
        // What comes while it is worked on is not forgotten, and hurries once.
        queue.hurry(job(1));
        queue.unattempted(job(1));
        queue.again(job(1), Duration::from_secs(3600));
        assert_eq!(queue.take().unwrap().attempts, 3);
        let start = Instant::now();
        queue.again(job(1), Duration::from_millis(20));
        assert_eq!(queue.take().unwrap().attempts, 4);
        assert!(start.elapsed() >= Duration::from_millis(20));
        queue.stop();
        assert!(queue.take().is_none());
        assert!(queue.reserve("a").is_none());
    }
}
