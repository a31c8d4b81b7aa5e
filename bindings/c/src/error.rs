//! Errors
//!
//! Every function returns a status: SEALOCK_OK, or the number of what went wrong, one of the SEALOCK_ERROR_ constants.
//! Most take `sealock_error **error` last. It may be NULL. If it is not, `*error` is set to NULL on success and to a new
//! error on failure, which the caller frees. What was in it before is overwritten, not freed.

use std::ffi::{CStr, CString, c_char};
use std::ptr;

use sealock::ErrorKind;

use crate::call::free;
use crate::handle::{find, handles};

/// The number of an error's kind, or SEALOCK_OK.
pub type sealock_status = i32;

/// Everything went well.
pub const SEALOCK_OK: sealock_status = 0;

/// What went wrong: kind, message, and mostly a hint.
///
/// Made by: any function that fails. Freed by: `sealock_error_free`. Thread-safe.
pub struct sealock_error {
    _opaque: (),
}

handles! { sealock_error => Failure }

/// An error on its way out.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    texts: Texts,
}

/// The same as C reads it. NUL bytes are shown as U+FFFD.
#[derive(Debug)]
struct Texts {
    name: CString,
    message: CString,
    hint: Option<CString>,
}

pub(crate) fn c_text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).expect("every NUL was replaced")
}

impl Failure {
    fn new(kind: ErrorKind, message: String, hint: Option<String>) -> Self {
        let texts = Texts { name: c_text(kind.name()), message: c_text(&message), hint: hint.as_deref().map(c_text) };
        Self { kind, message, texts }
    }

    pub(crate) fn with_hint(kind: ErrorKind, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(kind, message.into(), Some(hint.into()))
    }

    /// An argument that cannot be what it should be.
    pub(crate) fn argument(name: &str, expected: &str, got: &str) -> Self {
        Self::new(ErrorKind::InvalidArgument, format!("argument {name}: expected {expected}, got {got}"), None)
    }

    pub(crate) fn hint(mut self, hint: &str) -> Self {
        self.texts.hint = Some(c_text(hint));
        self
    }

    pub(crate) fn code(&self) -> i32 {
        self.kind.code() as i32
    }
}

// Every error of the library is a `sealock::Error`, or becomes one.
impl<E: Into<sealock::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        Self::new(error.kind(), error.to_string(), error.hint())
    }
}

/// The number of the error's kind: what the function that failed returned. SEALOCK_ERROR_INVALID_ARGUMENT if `error` is no
/// error.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_error_code(error: *const sealock_error) -> sealock_status {
    match find(error) {
        Ok(failure) => failure.code(),
        Err(failure) => failure.code(),
    }
}

/// The name of the error's kind, for instance `PolicyDenied`; NULL if `error` is no error.
///
/// The text belongs to the error, and is valid until any thread frees it. So do message and hint.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_error_kind(error: *const sealock_error) -> *const c_char {
    read(error, |texts| Some(&texts.name))
}

/// What went wrong, in one sentence; NULL if `error` is no error.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_error_message(error: *const sealock_error) -> *const c_char {
    read(error, |texts| Some(&texts.message))
}

/// What to do about it; NULL if there is nothing to say, or `error` is no error.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_error_hint(error: *const sealock_error) -> *const c_char {
    read(error, |texts| texts.hint.as_ref())
}

fn read(error: *const sealock_error, which: impl Fn(&Texts) -> Option<&CString>) -> *const c_char {
    // The registry's share keeps the text alive until the error is freed.
    find(error).ok().and_then(|failure| which(&failure.texts).map(|text| text.as_ptr())).unwrap_or(ptr::null())
}

/// Frees an error. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_error_free(error: *mut sealock_error) -> sealock_status {
    free(error)
}

/// The name of the kind that has this number, for instance `PolicyDenied`; `Ok` for SEALOCK_OK; NULL for a number that no
/// kind has. The text is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_status_name(status: sealock_status) -> *const c_char {
    static NAMES: std::sync::LazyLock<Vec<(i32, CString)>> = std::sync::LazyLock::new(|| {
        let kinds = ErrorKind::ALL.iter().map(|kind| (kind.code() as i32, c_text(kind.name())));
        std::iter::once((SEALOCK_OK, c_text("Ok"))).chain(kinds).collect()
    });
    let name = NAMES.iter().find(|(code, _)| *code == status).map(|(_, name)| name);
    name.map_or(ptr::null(), |name: &CString| CStr::as_ptr(name))
}
