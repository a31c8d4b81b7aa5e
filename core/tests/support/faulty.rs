//! A store that counts, that fails when told to, and that can be made to wait.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use sealock::store::{Adding, Block, Cid, Freed, MemoryStore, Result, Store, StoreError};

/// Blocks in memory, reached over a line that may break.
#[derive(Default)]
pub struct Faulty {
    pub inner: MemoryStore,
    puts: AtomicU64,
    gets: AtomicU64,
    /// How many puts still succeed, if there is a limit.
    left: Mutex<Option<u64>>,
    /// How many calls of `get` are to be inside at once before any goes on.
    together: u64,
    inside: Mutex<u64>,
    entered: Condvar,
}

impl Faulty {
    pub fn new() -> Self {
        Self::default()
    }

    /// Every `get` waits until so many are inside; after ten seconds it fails.
    pub fn together(count: u64) -> Self {
        Self { together: count, ..Self::default() }
    }

    /// Lets so many more blocks through, then none.
    pub fn break_after(&self, puts: u64) {
        *self.left.lock().unwrap() = Some(puts);
    }

    pub fn mend(&self) {
        *self.left.lock().unwrap() = None;
    }

    /// How many blocks were put since this was asked last.
    pub fn take_puts(&self) -> u64 {
        self.puts.swap(0, Ordering::SeqCst)
    }

    /// How many blocks were read since this was asked last.
    pub fn take_gets(&self) -> u64 {
        self.gets.swap(0, Ordering::SeqCst)
    }
}

impl Store for Faulty {
    fn put(&self, block: &Block) -> Result<()> {
        if let Some(left) = &mut *self.left.lock().unwrap() {
            let why = "the line is broken".into();
            *left = left.checked_sub(1).ok_or(StoreError::Unreachable { who: "a test".into(), why })?;
        }
        self.puts.fetch_add(1, Ordering::SeqCst);
        self.inner.put(block)
    }

    fn get(&self, cid: &Cid) -> Result<Block> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let mut inside = self.inside.lock().unwrap();
        *inside += 1;
        self.entered.notify_all();
        while *inside < self.together {
            let (guard, waited) = self.entered.wait_timeout(inside, Duration::from_secs(10)).unwrap();
            if waited.timed_out() {
                return Err(StoreError::Busy);
            }
            inside = guard;
        }
        drop(inside);
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

/// Everything under `roots`.
pub fn all(store: &dyn Store, roots: &[Cid]) -> HashSet<Cid> {
    sealock::store::dag::reachable(store, roots).unwrap()
}
