//! A store that counts what it is asked for, and stops working when told to.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::io;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use sealock::store::{Adding, Block, Cid, Freed, Result, Store, StoreError};

/// Passes calls on, counting those that change something or read a block. From the `stop`-th on, all fail.
pub struct Failing {
    inner: Box<dyn Store>,
    operations: AtomicU64,
    stop: AtomicU64,
    put: AtomicU64,
}

impl Failing {
    pub fn new(inner: impl Store + 'static) -> Self {
        Self::stopping(inner, None)
    }

    pub fn stopping(inner: impl Store + 'static, stop: Option<u64>) -> Self {
        let stop = AtomicU64::new(stop.unwrap_or(u64::MAX));
        Self { inner: Box::new(inner), operations: AtomicU64::new(0), stop, put: AtomicU64::new(0) }
    }

    /// Fails after so many more operations.
    pub fn stop_after(&self, more: Option<u64>) {
        self.stop.store(more.map_or(u64::MAX, |more| self.operations.load(SeqCst) + more), SeqCst);
    }

    /// Whether anything failed.
    pub fn stopped(&self) -> bool {
        self.operations.load(SeqCst) > self.stop.load(SeqCst)
    }

    /// How many blocks were put.
    pub fn put_count(&self) -> u64 {
        self.put.load(SeqCst)
    }

    fn step(&self) -> Result<()> {
        if self.operations.fetch_add(1, SeqCst) >= self.stop.load(SeqCst) {
            let source = io::Error::other("the store has stopped");
            return Err(StoreError::Io { what: "a test".into(), source });
        }
        Ok(())
    }
}

impl Store for Failing {
    fn put(&self, block: &Block) -> Result<()> {
        self.step()?;
        self.put.fetch_add(1, SeqCst);
        self.inner.put(block)
    }
    fn get(&self, cid: &Cid) -> Result<Block> {
        self.step()?;
        self.inner.get(cid)
    }
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.inner.has(cid)
    }
    fn pin(&self, root: &Cid) -> Result<()> {
        self.step()?;
        self.inner.pin(root)
    }
    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.step()?;
        self.inner.unpin(root)
    }
    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.inner.is_pinned(root)
    }
    fn pins(&self) -> Result<Vec<Cid>> {
        self.step()?;
        self.inner.pins()
    }
    fn adding(&self) -> Result<Adding> {
        self.inner.adding()
    }
    fn gc(&self) -> Result<Freed> {
        self.inner.gc()
    }
}
