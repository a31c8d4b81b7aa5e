use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Result, StoreError};

/// Keeps garbage collection away while it lives. See [`Store::adding`](super::Store::adding).
pub struct Adding(#[expect(dead_code, reason = "held for its drop")] Box<dyn Send>);

impl Adding {
    /// A value that ends the addition when `guard` is dropped: for implementations of [`Store`](super::Store).
    pub fn new(guard: impl Send + 'static) -> Self {
        Self(Box::new(guard))
    }
}

impl std::fmt::Debug for Adding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Adding")
    }
}

/// Additions against collections: any number of the former or one of the latter.
///
/// Unlike a reader-writer lock, a collection never waits, so that a thread may announce an addition within another and
/// nobody waits for himself. With a file, the operating system's lock on it carries the rule to other processes (shared for
/// the first addition here, exclusive for a collection) and is released when a process dies.
pub(super) struct GcLock {
    state: Mutex<State>,
    changed: Condvar,
    file: Option<File>,
}

#[derive(Default)]
struct State {
    adding: usize,
    collecting: bool,
}

impl GcLock {
    pub(super) fn new(file: Option<File>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), file })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody collects.
    pub(super) fn adding(self: &Arc<Self>) -> Result<Adding> {
        let mut state = self.state();
        while state.collecting {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.adding == 0
            && let Some(file) = &self.file
        {
            file.lock_shared().map_err(StoreError::io("locking the store"))?;
        }
        state.adding += 1;
        drop(state);
        Ok(Adding::new(AddGuard(self.clone())))
    }

    /// Fails at once if somebody adds or collects.
    pub(super) fn collecting(self: &Arc<Self>) -> Result<Collecting> {
        let mut state = self.state();
        if state.adding > 0 || state.collecting {
            return Err(StoreError::Busy);
        }
        if let Some(file) = &self.file {
            file.try_lock().map_err(|e| match e {
                std::fs::TryLockError::WouldBlock => StoreError::Busy,
                std::fs::TryLockError::Error(source) => StoreError::Io { what: "locking the store".into(), source },
            })?;
        }
        state.collecting = true;
        Ok(Collecting(self.clone()))
    }

    fn release(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if state.adding == 0
            && let Some(file) = &self.file
        {
            // Closing the file releases it in any case.
            let _ = file.unlock();
        }
        self.changed.notify_all();
    }
}

struct AddGuard(Arc<GcLock>);

impl Drop for AddGuard {
    fn drop(&mut self) {
        self.0.release(|state| state.adding -= 1);
    }
}

pub(super) struct Collecting(Arc<GcLock>);

impl Drop for Collecting {
    fn drop(&mut self) {
        self.0.release(|state| state.collecting = false);
    }
}
