//! Logging
//!
//! The library is silent until it is told where to log. A panic inside, caught as it is, is logged as an error.

use std::ffi::{c_char, c_void};
use std::sync::{PoisonError, RwLock};

use log::{LevelFilter, Log, Metadata, Record};
use sealock::ErrorKind;

use crate::call::{User, call};
use crate::error::{Failure, c_text, sealock_error, sealock_status};

/// Nothing.
pub const SEALOCK_LOG_OFF: i32 = 0;
/// Failures that need somebody's attention.
pub const SEALOCK_LOG_ERROR: i32 = 1;
/// And what went otherwise than it should, such as a rejected job.
pub const SEALOCK_LOG_WARN: i32 = 2;
/// And what happened.
pub const SEALOCK_LOG_INFO: i32 = 3;
/// And what helps to find bugs.
pub const SEALOCK_LOG_DEBUG: i32 = 4;
/// And every step.
pub const SEALOCK_LOG_TRACE: i32 = 5;

/// Called with each message: its level, the part of the library that speaks, and the text. Both texts are valid during the
/// call.
///
/// It is called from any thread that uses the library, by several at once. It must not throw or jump out, and it may call
/// the library.
pub type sealock_log_callback =
    Option<unsafe extern "C" fn(user: *mut c_void, level: i32, target: *const c_char, message: *const c_char)>;

static RECEIVER: RwLock<Option<(sealock_log_callback, User)>> = RwLock::new(None);

struct Forward;

impl Log for Forward {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("sealock")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // Not called under the lock: it may set another receiver.
        let receiver = *RECEIVER.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((Some(receive), user)) = receiver {
            let (target, message) = (c_text(record.target()), c_text(&record.args().to_string()));
            // SAFETY: the header asks that it can be called like this until another is set.
            unsafe { receive(user.0, record.level() as i32, target.as_ptr(), message.as_ptr()) }
        }
    }

    fn flush(&self) {}
}

/// Sends messages up to `level`, one of the SEALOCK_LOG_ constants, to `receiver`, in place of the one before; NULL is
/// silence. A message that is under way in another thread may still reach the one before: keep `user` alive.
///
/// Fails with SEALOCK_ERROR_LOCKED in a program that has a Rust logger of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_log_set(
    receiver: sealock_log_callback,
    user: *mut c_void,
    level: i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    let user = User(user);
    call!(error, |_| {
        let user = user;
        let filter = match level {
            SEALOCK_LOG_OFF => LevelFilter::Off,
            SEALOCK_LOG_ERROR => LevelFilter::Error,
            SEALOCK_LOG_WARN => LevelFilter::Warn,
            SEALOCK_LOG_INFO => LevelFilter::Info,
            SEALOCK_LOG_DEBUG => LevelFilter::Debug,
            SEALOCK_LOG_TRACE => LevelFilter::Trace,
            other => return Err(Failure::argument("level", "a SEALOCK_LOG_ constant", &other.to_string())),
        };
        let mut current = RECEIVER.write().unwrap_or_else(PoisonError::into_inner);
        if current.is_none() {
            log::set_logger(&Forward).map_err(|_| {
                let hint = "use that logger's own settings";
                Failure::with_hint(ErrorKind::Locked, "this program has another logger of Rust's `log`", hint)
            })?;
        }
        *current = Some((receiver, user));
        log::set_max_level(if receiver.is_some() { filter } else { LevelFilter::Off });
    })
}
