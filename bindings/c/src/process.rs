//! What the library sets up once for a process, and whether this is still that process.

use std::process;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use sealock::ErrorKind;

use crate::call::panic_text;
use crate::error::Failure;

/// The process that first called the library; 0 before.
static FIRST: AtomicU32 = AtomicU32::new(0);

/// Every call passes here first.
pub(crate) fn enter() {
    let _ = FIRST.compare_exchange(0, process::id(), Ordering::SeqCst, Ordering::SeqCst);
    // Where Rust's own tests run the library, the hook is theirs.
    if !cfg!(test) {
        static HOOK: Once = Once::new();
        HOOK.call_once(set_panic_hook);
    }
}

/// Sends panics to the log instead of the standard error: the library is silent until it is told where to log. It has its own
/// copy of Rust's standard library, so that the hook is for its own panics alone.
fn set_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        log::error!(target: "sealock::panic", "caught inside, at {place}: {}", panic_text(panic.payload()));
    }));
}

/// Whether this is the child of a process that had called the library. Threads are not forked, and files are shared.
pub(crate) fn is_forked() -> bool {
    let first = FIRST.load(Ordering::SeqCst);
    first != 0 && first != process::id()
}

/// Refuses calls in the child of a fork.
pub(crate) fn check_not_forked() -> Result<(), Failure> {
    if !is_forked() {
        return Ok(());
    }
    let message = "the library was used before this process was forked, and cannot be used in the child";
    let hint = "fork before the first call, or let the child exec a program of its own";
    Err(Failure::with_hint(ErrorKind::Locked, message, hint))
}
