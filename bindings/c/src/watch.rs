//! Watching and cancelling long work
//!
//! What may take long (publishing, requesting, running a job, moving data) takes a `const sealock_watch *`, which may be
//! NULL. A call that is cancelled returns SEALOCK_ERROR_CANCELLED, leaves nothing half done, and every handle stays usable.
//! Where nothing can be taken back any more, cancelling comes too late, and the call succeeds.

use std::ffi::{c_char, c_void};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sealock::progress::Step;

use crate::call::{Caller, User, call, free};
use crate::error::{Failure, c_text, sealock_error, sealock_status};
use crate::handle::{find, handles};

/// How far long work is. The library fills it in, and it is valid during the call. Later versions may add to its end, and
/// then make `struct_size` larger.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_step {
    /// `sizeof(sealock_step)`, as this library has it.
    pub struct_size: usize,
    /// The name of the stage that the work is in.
    pub stage: *const c_char,
    /// How much of the stage is done, in its unit: bytes, rows, transactions, jobs.
    pub done: u64,
    /// How much there is to do, or SEALOCK_UNKNOWN.
    pub total: u64,
    /// How many milliseconds the rest of the stage will take at the rate so far, or SEALOCK_UNKNOWN.
    pub remaining: u64,
}

/// Called now and then with how far long work is. Returns 0 to go on; anything else cancels.
///
/// It is called by the thread that made the call, or by one that works for it; never by two at once for one call. It must
/// not throw or jump out, and it may call the library. `user` is used by one thread at a time, not always the same.
pub type sealock_progress_callback = Option<unsafe extern "C" fn(user: *mut c_void, step: *const sealock_step) -> i32>;

/// How to watch long work. Fill it with zeros, then set what is wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_watch {
    /// `sizeof(sealock_watch)`.
    pub struct_size: usize,
    /// Called with how far the work is; may be NULL.
    pub progress: sealock_progress_callback,
    /// What `progress` is called with; may be NULL.
    pub user: *mut c_void,
    /// Cancels the work; may be NULL.
    pub cancel: *const sealock_cancel,
}

/// A flag that cancels work. Once set it stays set; one flag may watch over many calls.
///
/// Made by: `sealock_cancel_new`. Freed by: `sealock_cancel_free`. Thread-safe: that is what it is for.
pub struct sealock_cancel {
    _opaque: (),
}

handles! { sealock_cancel => AtomicBool }

/// A watch that was checked.
pub(crate) struct Watch {
    progress: sealock_progress_callback,
    user: User,
    cancel: Option<Arc<AtomicBool>>,
}

impl Caller {
    /// How to watch the call; not at all if NULL.
    pub(crate) fn watch(&self, name: &str, watch: *const sealock_watch) -> Result<Watch, Failure> {
        if watch.is_null() {
            return Ok(Watch { progress: None, user: User(std::ptr::null_mut()), cancel: None });
        }
        let sealock_watch { progress, user, cancel, .. } = self.sized(name, watch)?;
        let cancel = if cancel.is_null() { None } else { Some(find(cancel)?) };
        Ok(Watch { progress, user: User(user), cancel })
    }
}

impl Watch {
    /// What the library tells its progress to.
    pub(crate) fn teller(self) -> impl FnMut(Step) -> ControlFlow<()> + Send {
        move |step| {
            let Watch { progress, user, cancel } = &self;
            let mut stop = cancel.as_ref().is_some_and(|cancel| cancel.load(Ordering::SeqCst));
            if let Some(progress) = progress {
                let stage = c_text(step.stage.name());
                let milliseconds = |eta: Duration| u64::try_from(eta.as_millis()).unwrap_or(u64::MAX);
                let told = sealock_step {
                    struct_size: size_of::<sealock_step>(),
                    stage: stage.as_ptr(),
                    done: step.done,
                    total: step.total.unwrap_or(u64::MAX),
                    remaining: step.eta.map_or(u64::MAX, milliseconds),
                };
                // SAFETY: the header asks that it can be called like this until the call returns.
                stop |= unsafe { progress(user.0, &raw const told) } != 0;
            }
            if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
}

/// A flag that is not set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_cancel_new(
    out: *mut *mut sealock_cancel,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(AtomicBool::new(false));
    })
}

/// Sets the flag, from any thread: work that it watches over stops at its next step.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_cancel_request(
    cancel: *const sealock_cancel,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        find(cancel)?.store(true, Ordering::SeqCst);
    })
}

/// Frees a flag. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_cancel_free(cancel: *mut sealock_cancel) -> sealock_status {
    free(cancel)
}
