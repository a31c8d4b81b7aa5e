//! Copying a graph of blocks from one store to another.
//!
//! **Order.** A node is put as soon as it has come, before what is under it: an interrupted transfer then finds the way
//! again without asking. That a node is there therefore says nothing about what is under it, and every transfer walks the
//! whole graph. What is above the files comes first, since only then is it known how many bytes there are; then the insides
//! of the files, in their order. Only [`Store::pin`] says that a graph is complete.
//!
//! **What is there already** is not copied again. How that is found out is [`Present`]: a store on this machine's disk is
//! read, since after a power cut a block may be there by name and torn; a daemon is asked.
//!
//! **Memory** does not depend on the size of the files: at most two blocks per thread of [`Options::parallel`], the nodes on
//! the way to the current leaf, the names of some thousand leaves, and those of inner nodes (0.1 MB for 1 TiB).
//!
//! **Hostile graphs.** A block has at most [`MAX_BLOCK_BYTES`](super::MAX_BLOCK_BYTES) and
//! [`MAX_LINKS`](super::dag::MAX_LINKS) links; files are at most [`unixfs::MAX_DEPTH`] deep, what is above them at most
//! [`MAX_DEPTH`](super::dag::MAX_DEPTH), in at most [`MAX_OUTER_NODES`] blocks. Every node of a file is checked against the
//! size that its parent claims before anything under it is asked for, and no inner node is visited twice, nor a leaf that
//! came up lately, so that a graph that links to one node over and over costs what its blocks cost and little more. How many
//! blocks a file has is not limited.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::Duration;

use cid::Cid;

use super::{Block, Codec, Result, Store, StoreError, check_cid, dag, unixfs};
use crate::progress::{Meter, Progress, Stage};

/// The most blocks above the insides of the files: DAG-CBOR nodes and roots of files.
pub const MAX_OUTER_NODES: usize = 1 << 18;

/// The most blocks that are copied at the same time.
pub const MAX_PARALLEL: usize = 64;

/// How many leaves' names are remembered.
const RECENT: usize = 1 << 14;

/// How often the caller is asked whether to go on while nothing arrives.
const TICK: Duration = Duration::from_millis(100);

/// How to find out whether the receiving store has a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    /// By reading and hashing it: what is damaged is copied again. For stores on this machine.
    Read,
    /// By [`Store::has`], and not at all if the root is pinned there. For daemons, which look after their own blocks.
    Ask,
}

/// How to copy.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many blocks are copied at the same time: 1 to [`MAX_PARALLEL`].
    pub parallel: usize,
    /// How to find out what is there already.
    pub present: Present,
    /// What the progress is told as: [`Stage::Fetch`] or [`Stage::Upload`].
    pub stage: Stage,
}

impl Options {
    /// To bring a graph to this machine.
    pub const fn fetch() -> Self {
        Self { parallel: 16, present: Present::Read, stage: Stage::Fetch }
    }

    /// To send a graph from this machine to a daemon.
    pub const fn upload() -> Self {
        Self { parallel: 8, present: Present::Ask, stage: Stage::Upload }
    }

    /// As these, for a receiver that is asked rather than read.
    #[must_use]
    pub const fn asking(self) -> Self {
        Self { present: Present::Ask, ..self }
    }

    /// As these, with another number of blocks at the same time.
    #[must_use]
    pub const fn parallel(self, parallel: usize) -> Self {
        Self { parallel, ..self }
    }
}

/// What a transfer did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transferred {
    /// Blocks that were copied.
    pub blocks: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Blocks that were there already.
    pub kept: u64,
}

/// Copies everything reachable from `root` to `to`, except what is there already.
///
/// Hold [`Store::adding`] of `to` until the root is pinned. `progress` is told the bytes of blocks, with their total as soon
/// as the roots of all files are known, and how long the rest will take. The first error ends the transfer, and so does
/// [`ControlFlow::Break`], as soon as the blocks that are on their way have come; what has arrived stays.
///
/// # Errors
/// [`StoreError::InvalidNode`] for a graph that is not well formed, too deep or too wide; [`StoreError::UnsupportedCid`];
/// [`StoreError::Cancelled`]; whatever getting from one store and putting to the other gives.
pub fn transfer(
    from: &dyn Store,
    to: &dyn Store,
    root: &Cid,
    options: &Options,
    progress: &mut Progress<'_>,
) -> Result<Transferred> {
    transfer_by(&|cid| from.get(cid), to, root, options, progress, &AtomicBool::new(false))
}

/// As [`transfer`], from wherever `get` gets a block. `stop` is set when no more blocks are wanted, after an error too.
pub(super) fn transfer_by(
    get: &(dyn Fn(&Cid) -> Result<Block> + Sync),
    to: &dyn Store,
    root: &Cid,
    options: &Options,
    progress: &mut Progress<'_>,
    stop: &AtomicBool,
) -> Result<Transferred> {
    check_cid(root)?;
    let _adding = to.adding()?;
    if options.present == Present::Ask && to.is_pinned(root)? {
        return Ok(Transferred::default());
    }
    let copier = Copier { get, to, present: options.present, stop };
    std::thread::scope(|scope| {
        let pool = Pool::start(scope, &copier, options.parallel.clamp(1, MAX_PARALLEL));
        let meter = Meter::new(options.stage, None);
        let mut run = Run { copier: &copier, pool, meter, progress, done: Transferred::default(), total: 0 };
        let outcome = run.outer(root).and_then(|files| run.files(files));
        // Also after an error: what still waits is dropped, and nobody begins another block.
        copier.stop.store(true, Ordering::Relaxed);
        outcome.map(|()| run.done)
    })
}

/// A block to copy.
struct Job {
    cid: Cid,
    /// The bytes that its parent says it has, for a leaf.
    size: Option<u64>,
}

/// A block that is there now.
struct Copied {
    cid: Cid,
    bytes: u64,
    /// Whether it was there before.
    kept: bool,
    /// The block, if it has links.
    node: Option<Block>,
}

const ANOTHER_SIZE: &str = "its size is not what its parent says";

struct Copier<'a> {
    get: &'a (dyn Fn(&Cid) -> Result<Block> + Sync),
    to: &'a dyn Store,
    present: Present,
    stop: &'a AtomicBool,
}

impl Copier<'_> {
    fn copy(&self, job: &Job) -> Result<Copied> {
        let Job { cid, size } = job;
        let leaf = check_cid(cid)? == Codec::Raw;
        let copied = |block: Block, kept| {
            let bytes = block.bytes().len() as u64;
            if size.is_some_and(|size| size != bytes) {
                return Err(StoreError::InvalidNode { cid: *cid, why: ANOTHER_SIZE.into() });
            }
            Ok(Copied { cid: *cid, bytes, kept, node: (!leaf).then_some(block) })
        };
        match self.present {
            Present::Read => match self.to.get(cid) {
                Ok(block) => return copied(block, true),
                // Missing or torn.
                Err(
                    StoreError::NotFound { .. } | StoreError::CidMismatch { .. } | StoreError::BlockTooLarge { .. },
                ) => {}
                Err(e) => return Err(e),
            },
            Present::Ask if self.to.has(cid)? => match size {
                // Only its length matters, and that is known.
                Some(bytes) => return Ok(Copied { cid: *cid, bytes: *bytes, kept: true, node: None }),
                None => return copied((self.get)(cid)?, true),
            },
            Present::Ask => {}
        }
        let block = (self.get)(cid)?;
        // Checked before it is put: what contradicts its parent is not kept.
        let copy = copied(block.clone(), false)?;
        self.to.put(&block)?;
        Ok(copy)
    }

    /// A block that was copied, from where it is near.
    fn again(&self, cid: &Cid) -> Result<Block> {
        match self.present {
            Present::Read => self.to.get(cid),
            Present::Ask => (self.get)(cid),
        }
    }
}

/// Threads that copy. They wait for networks and disks, not for the processor, and so are no rayon pool.
struct Pool<'scope> {
    jobs: mpsc::Sender<Job>,
    results: mpsc::Receiver<Result<Copied>>,
    workers: Vec<ScopedJoinHandle<'scope, ()>>,
    /// Jobs given and not yet answered.
    pending: usize,
    limit: usize,
}

impl<'scope> Pool<'scope> {
    fn start<'env>(scope: &'scope Scope<'scope, 'env>, copier: &'scope Copier<'_>, parallel: usize) -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (answers, results) = mpsc::channel();
        let queue = std::sync::Arc::new(Mutex::new(queue));
        let worker = |_| {
            let (queue, answers) = (queue.clone(), answers.clone());
            scope.spawn(move || {
                loop {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    if copier.stop.load(Ordering::Relaxed) || answers.send(copier.copy(&job)).is_err() {
                        return;
                    }
                }
            })
        };
        let workers = (0..parallel).map(worker).collect();
        Self { jobs, results, workers, pending: 0, limit: 2 * parallel }
    }
}

/// The side that knows the graph: it walks, gives out jobs, counts, and tells the progress.
struct Run<'run, 'scope, 'p> {
    copier: &'run Copier<'run>,
    pool: Pool<'scope>,
    meter: Meter,
    progress: &'run mut Progress<'p>,
    done: Transferred,
    /// Bytes of all blocks known of.
    total: u64,
}

impl Run<'_, '_, '_> {
    /// Copies what is above the insides of the files, level by level, and names the files that have an inside.
    fn outer(&mut self, root: &Cid) -> Result<Vec<(Cid, u64)>> {
        let (mut outer, mut level) = (Outer { seen: HashSet::from([*root]), ..Outer::default() }, vec![*root]);
        for depth in 0..=dag::MAX_DEPTH {
            for cid in &level {
                self.give(Job { cid: *cid, size: None }, |block| outer.visit(&block))?;
            }
            self.take_all(|block| outer.visit(&block))?;
            level = std::mem::take(&mut outer.next);
            if depth == dag::MAX_DEPTH
                && let Some(cid) = level.first()
            {
                return Err(StoreError::InvalidNode { cid: *cid, why: "the graph is nested too deeply".into() });
            }
        }
        let inside = outer.files.iter().fold(0u64, |sum, (_, size)| sum.saturating_add(*size));
        self.total = self.meter.done().saturating_add(inside);
        self.meter.expect(Some(self.total));
        Ok(outer.files)
    }

    /// Copies the insides of the files, depth first.
    fn files(&mut self, files: Vec<(Cid, u64)>) -> Result<()> {
        let (mut nodes, mut leaves): (HashMap<Cid, u64>, _) = (HashMap::new(), Recent::default());
        for (root, _) in files {
            let mut path = vec![unixfs::Node::decode(&self.copier.again(&root)?)?.children.into_iter()];
            while let Some(children) = path.last_mut() {
                let Some(child) = children.next() else {
                    path.pop();
                    continue;
                };
                let bad = |why: &str| StoreError::InvalidNode { cid: child.cid, why: why.into() };
                let codec = check_cid(&child.cid)?;
                let before = match codec {
                    Codec::Raw => leaves.insert(child.cid, child.size),
                    Codec::DagPb => nodes.insert(child.cid, child.size),
                    Codec::DagCbor => return Err(bad("it is not part of a file")),
                };
                match before {
                    Some(size) if size == child.size => {
                        self.meter.kept(child.size);
                        self.tell()?;
                    }
                    Some(_) => return Err(bad(ANOTHER_SIZE)),
                    None if codec == Codec::Raw => {
                        self.give(Job { cid: child.cid, size: Some(child.size) }, |_| Ok(()))?;
                    }
                    None if path.len() == unixfs::MAX_DEPTH => return Err(bad("the file is nested too deeply")),
                    None => path.push(self.inner(&child)?.children.into_iter()),
                }
            }
        }
        self.take_all(|_| Ok(()))
    }

    /// An inner node of a file.
    fn inner(&mut self, child: &unixfs::Child) -> Result<unixfs::Node> {
        self.give(Job { cid: child.cid, size: None }, |_| Ok(()))?;
        // The leaves that were given before come first.
        let copied = loop {
            let copied = self.answer()?;
            if copied.cid == child.cid {
                break copied;
            }
            self.count(&copied)?;
        };
        let node = unixfs::Node::decode(copied.node.as_ref().expect("a dag-pb block is returned"))?;
        if node.size() != child.size {
            return Err(StoreError::InvalidNode { cid: child.cid, why: ANOTHER_SIZE.into() });
        }
        self.total = self.total.saturating_add(copied.bytes);
        self.meter.expect(Some(self.total));
        self.count(&copied)?;
        Ok(node)
    }

    /// Gives a job, first taking answers while too many are open.
    fn give(&mut self, job: Job, mut node: impl FnMut(Block) -> Result<()>) -> Result<()> {
        while self.pool.pending == self.pool.limit {
            self.take(&mut node)?;
        }
        self.pool.jobs.send(job).expect("the queue lives as long as the pool");
        self.pool.pending += 1;
        Ok(())
    }

    /// Takes one answer, and hands a block with links on to `node`.
    fn take(&mut self, mut node: impl FnMut(Block) -> Result<()>) -> Result<()> {
        let copied = self.answer()?;
        self.count(&copied)?;
        copied.node.map_or(Ok(()), &mut node)
    }

    /// Waits for one answer, and asks the caller meanwhile whether to go on.
    fn answer(&mut self) -> Result<Copied> {
        let copied = loop {
            match self.pool.results.recv_timeout(TICK) {
                Ok(answer) => break answer?,
                Err(_) => self.tell()?,
            }
            // A worker ends before the pool only by a panic, which the scope passes on.
            if self.pool.workers.iter().any(ScopedJoinHandle::is_finished) {
                return Err(StoreError::Cancelled);
            }
        };
        self.pool.pending -= 1;
        Ok(copied)
    }

    fn take_all(&mut self, mut node: impl FnMut(Block) -> Result<()>) -> Result<()> {
        while self.pool.pending > 0 {
            self.take(&mut node)?;
        }
        Ok(())
    }

    fn count(&mut self, copied: &Copied) -> Result<()> {
        if copied.kept {
            self.done.kept += 1;
            self.meter.kept(copied.bytes);
        } else {
            tracing::trace!(cid = %copied.cid, bytes = copied.bytes, "copied");
            self.done.blocks += 1;
            self.done.bytes += copied.bytes;
            self.meter.moved(copied.bytes);
        }
        self.tell()
    }

    fn tell(&mut self) -> Result<()> {
        match (self.progress)(self.meter.step()) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(StoreError::Cancelled),
        }
    }
}

/// What was found above the insides of the files.
#[derive(Default)]
struct Outer {
    seen: HashSet<Cid>,
    /// What is to be copied next.
    next: Vec<Cid>,
    /// Files with an inside, and their sizes.
    files: Vec<(Cid, u64)>,
}

impl Outer {
    fn visit(&mut self, block: &Block) -> Result<()> {
        if block.codec() == Codec::DagPb {
            self.files.push((*block.cid(), unixfs::Node::decode(block)?.size()));
            return Ok(());
        }
        for link in dag::links(block)? {
            if self.seen.insert(link) {
                self.next.push(link);
            }
        }
        if self.seen.len() > MAX_OUTER_NODES {
            let why = format!("the graph has more than {MAX_OUTER_NODES} nodes that are not inside a file");
            return Err(StoreError::InvalidNode { cid: *block.cid(), why });
        }
        Ok(())
    }
}

/// Leaves that came up lately, and their sizes. Who wants leaves to be looked at twice must bring more than it remembers.
#[derive(Default)]
struct Recent(HashMap<Cid, u64>);

impl Recent {
    /// The size under which the leaf came up before.
    fn insert(&mut self, cid: Cid, size: u64) -> Option<u64> {
        if self.0.len() == RECENT {
            self.0.clear();
        }
        self.0.insert(cid, size)
    }
}
