//! Stores that watch or forget.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::Mutex;

use sealock::store::{Adding, Block, Cid, Freed, MemoryStore, Result, Store};

/// Keeps nothing: for files that are larger than memory.
#[derive(Default)]
pub struct Dropping(MemoryStore);

impl Store for Dropping {
    fn put(&self, _: &Block) -> Result<()> {
        Ok(())
    }
    fn get(&self, cid: &Cid) -> Result<Block> {
        self.0.get(cid)
    }
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.0.has(cid)
    }
    fn pin(&self, root: &Cid) -> Result<()> {
        self.0.pin(root)
    }
    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.0.unpin(root)
    }
    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.0.is_pinned(root)
    }
    fn pins(&self) -> Result<Vec<Cid>> {
        self.0.pins()
    }
    fn adding(&self) -> Result<Adding> {
        self.0.adding()
    }
    fn gc(&self) -> Result<Freed> {
        self.0.gc()
    }
}

/// Remembers which blocks were asked for.
pub struct Counting<S> {
    inner: S,
    asked: Mutex<Vec<Cid>>,
}

impl<S: Store> Counting<S> {
    pub fn new(inner: S) -> Self {
        Self { inner, asked: Mutex::default() }
    }

    /// What was asked for since the last call, in order.
    pub fn take(&self) -> Vec<Cid> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl<S: Store> Store for Counting<S> {
    fn put(&self, block: &Block) -> Result<()> {
        self.inner.put(block)
    }
    fn get(&self, cid: &Cid) -> Result<Block> {
        self.asked.lock().unwrap().push(*cid);
        self.inner.get(cid)
    }
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.inner.has(cid)
    }
    fn pin(&self, root: &Cid) -> Result<()> {
        self.inner.pin(root)
    }
    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.inner.unpin(root)
    }
    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.inner.is_pinned(root)
    }
    fn pins(&self) -> Result<Vec<Cid>> {
        self.inner.pins()
    }
    fn adding(&self) -> Result<Adding> {
        self.inner.adding()
    }
    fn gc(&self) -> Result<Freed> {
        self.inner.gc()
    }
}
