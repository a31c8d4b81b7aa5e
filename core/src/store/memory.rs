use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use cid::Cid;

use super::{Adding, Block, Freed, Result, Store, StoreError, check_cid, dag, lock::GcLock};

/// Blocks in memory: for tests and for data that should not outlive the process.
pub struct MemoryStore {
    state: RwLock<State>,
    lock: Arc<GcLock>,
}

#[derive(Default)]
struct State {
    blocks: HashMap<Cid, Block>,
    pins: BTreeSet<Cid>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self { state: RwLock::default(), lock: GcLock::new(None) }
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.read().blocks.len()
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn put(&self, block: &Block) -> Result<()> {
        self.write().blocks.entry(*block.cid()).or_insert_with(|| block.clone());
        Ok(())
    }

    fn get(&self, cid: &Cid) -> Result<Block> {
        check_cid(cid)?;
        let bytes = self.read().blocks.get(cid).map(|b| b.bytes().clone()).ok_or(StoreError::NotFound { cid: *cid })?;
        // Memory is as fallible as a disk, and a store that behaves like the others is a better test of its callers.
        Block::verify(cid, bytes)
    }

    fn has(&self, cid: &Cid) -> Result<bool> {
        check_cid(cid)?;
        Ok(self.read().blocks.contains_key(cid))
    }

    fn pin(&self, root: &Cid) -> Result<()> {
        let _adding = self.adding()?;
        dag::check_complete(self, root)?;
        self.write().pins.insert(*root);
        Ok(())
    }

    fn unpin(&self, root: &Cid) -> Result<bool> {
        Ok(self.write().pins.remove(root))
    }

    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        Ok(self.read().pins.contains(root))
    }

    fn pins(&self) -> Result<Vec<Cid>> {
        Ok(self.read().pins.iter().copied().collect())
    }

    fn adding(&self) -> Result<Adding> {
        self.lock.adding()
    }

    fn gc(&self) -> Result<Freed> {
        let _collecting = self.lock.collecting()?;
        let live = dag::reachable(self, &self.pins()?)?;
        let mut freed = Freed::default();
        self.write().blocks.retain(|cid, block| {
            let keep = live.contains(cid);
            if !keep {
                freed.blocks += 1;
                freed.bytes += block.bytes().len() as u64;
            }
            keep
        });
        Ok(freed)
    }
}
