//! The way into the library and out of it: one panic boundary, and arguments that are checked as far as they can be.

use std::any::Any;
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;

use sealock::ErrorKind;

use crate::error::{Failure, SEALOCK_OK, sealock_error, sealock_status};
use crate::handle::{Handle, discard, issue};
use crate::process;

/// No object lies below this address on any system that this runs on: what points there is a number, not a pointer.
const FIRST_PAGE: usize = 4096;

/// Runs the body of an exported function with its arguments' reader, inside the panic boundary.
macro_rules! call {
    ($error:expr, |$caller:pat_param| $body:block) => {{
        // SAFETY: the header asks of every caller that pointers are NULL or point to what the function documents.
        let caller = unsafe { $crate::call::Caller::new() };
        $crate::call::run(caller, $error, move |$caller: &$crate::call::Caller| {
            $body;
            #[allow(unreachable_code, reason = "a body may end with a failure")]
            Ok(())
        })
    }};
}
pub(crate) use call;

/// Runs `body`, and puts out what went wrong.
pub(crate) fn run(
    caller: Caller,
    error: *mut *mut sealock_error,
    body: impl FnOnce(&Caller) -> Result<(), Failure>,
) -> sealock_status {
    let out = if error.is_null() { Ok(None) } else { caller.out("error", error).map(Some) };
    let out = match out {
        Ok(out) => out,
        Err(failure) => return failure.code(),
    };
    process::enter();
    match guarded(|| process::check_not_forked().and_then(|()| body(&caller))) {
        Ok(()) => SEALOCK_OK,
        Err(failure) => {
            let code = failure.code();
            if let Some(out) = out {
                out.put(issue::<sealock_error>(failure));
            }
            code
        }
    }
}

/// As [`run`], for functions that put out no error.
pub(crate) fn status_of(body: impl FnOnce() -> Result<(), Failure>) -> sealock_status {
    process::enter();
    match guarded(body) {
        Ok(()) => SEALOCK_OK,
        Err(failure) => {
            log::error!(target: "sealock", "{}", failure.message);
            failure.code()
        }
    }
}

/// The panic boundary. Nothing that the library shares between calls is left half-changed by a panic: its locks pass over
/// poisoning for the same reason.
fn guarded(body: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    caught(AssertUnwindSafe(body)).unwrap_or_else(|said| {
        let hint = "this is a bug of Sealock: report it with this message. The handles are still usable";
        Err(Failure::with_hint(ErrorKind::Internal, format!("the library failed inside: {said}"), hint))
    })
}

/// Runs `body`; if it panics, what was said.
pub(crate) fn caught<T>(body: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    catch_unwind(body).map_err(|payload| {
        let said = panic_text(&*payload).to_owned();
        // What was thrown could panic once more when it is dropped. What that throws is left alone.
        if let Err(worse) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(worse);
        }
        said
    })
}

/// What a panic says.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    let said = payload.downcast_ref::<String>().map(String::as_str);
    said.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Frees a handle. NULL is fine.
pub(crate) fn free<T: Handle>(handle: *mut T) -> sealock_status {
    status_of(|| if handle.is_null() { Ok(()) } else { discard(handle) })
}

/// Reads the arguments of one call.
///
/// It stands for the promise that the header asks of callers: a pointer is NULL or points to as much as the function
/// documents, aligned, and nobody changes that during the call.
pub(crate) struct Caller(());

impl Caller {
    /// # Safety
    /// The caller of the exported function keeps to the header.
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }

    fn check<T>(&self, name: &str, pointer: *const T) -> Result<(), Failure> {
        if pointer.is_null() {
            return Err(Failure::argument(name, "a pointer", "NULL"));
        }
        if pointer.addr() < FIRST_PAGE || !pointer.is_aligned() {
            return Err(Failure::argument(name, "a pointer", &format!("{pointer:p}, where no such object can be")));
        }
        Ok(())
    }

    /// A text: UTF-8, ended by NUL.
    pub(crate) fn text(&self, name: &str, text: *const c_char) -> Result<&str, Failure> {
        self.check(name, text)?;
        // SAFETY: by the promise of `new`, a text that is not NULL ends with NUL.
        let text = unsafe { CStr::from_ptr(text) };
        let not_utf8 = |e: std::str::Utf8Error| {
            Failure::argument(name, "UTF-8", &format!("other bytes from position {} on", e.valid_up_to()))
        };
        text.to_str().map_err(not_utf8)
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str, texts: *const *const c_char, count: usize) -> Result<Vec<String>, Failure> {
        let texts = self.list(name, texts, count)?;
        texts.iter().enumerate().map(|(i, text)| Ok(self.text(&format!("{name}[{i}]"), *text)?.to_owned())).collect()
    }

    /// Bytes. NULL is fine where there are none.
    pub(crate) fn bytes(&self, name: &str, bytes: *const u8, length: usize) -> Result<&[u8], Failure> {
        self.list(name, bytes, length)
    }

    /// A list. NULL is fine where it is empty.
    pub(crate) fn list<T: Copy>(&self, name: &str, list: *const T, count: usize) -> Result<&[T], Failure> {
        if count == 0 {
            return Ok(&[]);
        }
        self.check(name, list)?;
        if count.checked_mul(size_of::<T>().max(1)).is_none_or(|bytes| bytes > isize::MAX as usize) {
            return Err(Failure::argument(name, "a length that memory can have", &shown(count)));
        }
        // SAFETY: by the promise of `new`, there are `count` elements, which nobody changes during the call. Their size is
        // that of an object in memory.
        Ok(unsafe { std::slice::from_raw_parts(list, count) })
    }

    /// Bytes of which there must be `N`.
    pub(crate) fn array<const N: usize>(
        &self,
        name: &str,
        bytes: *const u8,
        length: usize,
    ) -> Result<[u8; N], Failure> {
        let wrong = || Failure::argument(&format!("{name}_length"), &N.to_string(), &shown(length));
        if length != N {
            return Err(wrong());
        }
        self.bytes(name, bytes, length)?.try_into().map_err(|_| wrong())
    }

    /// Where a value is to be put. Zero, or NULL, is put there at once, for the case that the call fails.
    pub(crate) fn out<T: Default>(&self, name: &str, out: *mut T) -> Result<Out<T>, Failure> {
        self.out_with(name, out, T::default())
    }

    pub(crate) fn out_with<T>(&self, name: &str, out: *mut T, failed: T) -> Result<Out<T>, Failure> {
        self.check(name, out)?;
        let out = Out(out);
        out.write(failed);
        Ok(out)
    }

    /// Where `N` bytes are to be put, of which there must be as many. They are zero until then.
    pub(crate) fn array_out<const N: usize>(
        &self,
        name: &str,
        out: *mut u8,
        length: usize,
    ) -> Result<Out<[u8; N]>, Failure> {
        if length != N {
            return Err(Failure::argument(&format!("{name}_length"), &N.to_string(), &shown(length)));
        }
        self.out_with(name, out.cast(), [0; N])
    }

    /// Where a text of `N` bytes, its NUL among them, is to be put. It is empty until then.
    pub(crate) fn text_out<const N: usize>(
        &self,
        name: &str,
        out: *mut c_char,
        size: usize,
    ) -> Result<Out<[u8; N]>, Failure> {
        if size < N {
            return Err(Failure::argument(&format!("{name}_size"), &format!("{N} or more"), &shown(size)));
        }
        self.out_with(name, out.cast(), [0; N])
    }

    /// Where bytes are to be put. They are zero until then. NULL is fine where there are none.
    #[allow(clippy::mut_from_ref, reason = "the bytes are the caller's, who uses them nowhere else during the call")]
    pub(crate) fn bytes_out(&self, name: &str, out: *mut u8, length: usize) -> Result<&mut [u8], Failure> {
        self.list_out(name, out, length)
    }

    /// Where a list is to be put. Its elements are zero until then. NULL is fine where it is empty.
    #[allow(clippy::mut_from_ref, reason = "the list is the caller's, who uses it nowhere else during the call")]
    pub(crate) fn list_out<T: Copy + Default>(
        &self,
        name: &str,
        out: *mut T,
        count: usize,
    ) -> Result<&mut [T], Failure> {
        // What can be read can be written to: the check is the same.
        if self.list(name, out.cast_const(), count)?.is_empty() {
            return Ok(&mut []);
        }
        // SAFETY: by the promise of `new`, there are `count` elements, which nobody else uses during the call. The slice that
        // was checked is gone.
        let out = unsafe { std::slice::from_raw_parts_mut(out, count) };
        out.fill(T::default());
        Ok(out)
    }

    /// A structure that begins with its size, which must be the one of this version.
    pub(crate) fn sized<T: Copy>(&self, name: &str, sized: *const T) -> Result<T, Failure> {
        self.check(name, sized)?;
        // SAFETY: by the promise of `new`, there is a structure that begins with its size.
        let size = unsafe { sized.cast::<usize>().read() };
        self.check_size::<T>(name, size)?;
        // SAFETY: it is as long as it says, and that is the size of the type.
        Ok(unsafe { sized.read() })
    }

    /// Where a structure is to be put whose size the caller has filled in.
    pub(crate) fn sized_out<T: Default>(&self, name: &str, out: *mut T) -> Result<Out<T>, Failure> {
        self.check(name, out)?;
        // SAFETY: as in `sized`.
        let size = unsafe { out.cast::<usize>().read() };
        self.check_size::<T>(name, size)?;
        self.out(name, out)
    }

    fn check_size<T>(&self, name: &str, size: usize) -> Result<(), Failure> {
        let expected = size_of::<T>();
        if size == expected {
            return Ok(());
        }
        let hint = "set struct_size to the structure's sizeof, and build against the header of this library";
        let name = format!("{name}->struct_size");
        Err(Failure::argument(&name, &format!("{expected} bytes"), &size.to_string()).hint(hint))
    }

    /// Takes what a pointer points to, and leaves `instead`.
    pub(crate) fn take<T>(&self, name: &str, from: *mut T, instead: T) -> Result<T, Failure> {
        self.check(name, from)?;
        // SAFETY: by the promise of `new`, there is a value of the type, which is the library's from now on.
        Ok(unsafe { from.replace(instead) })
    }
}

/// A length for a message. What has the top bit set was a negative number.
fn shown(length: usize) -> String {
    length.cast_signed().to_string()
}

/// Where a call puts a value.
pub(crate) struct Out<T>(*mut T);

impl<T> Out<T> {
    fn write(&self, value: T) {
        // SAFETY: `Caller::out` checked the pointer, and by the promise of `Caller::new` it can be written to.
        unsafe { self.0.write(value) }
    }

    pub(crate) fn put(self, value: T) {
        self.write(value);
    }
}

impl<const N: usize> Out<[u8; N]> {
    /// Puts out a text of `N - 1` bytes.
    pub(crate) fn put_text(self, text: &str) {
        let mut bytes = [0; N];
        bytes.iter_mut().zip(text.bytes()).for_each(|(out, byte)| *out = byte);
        self.write(bytes);
    }
}

impl<T: Handle> Out<*mut T> {
    /// Puts out a new handle.
    pub(crate) fn issue(self, value: impl Into<Arc<T::Value>>) {
        self.write(issue(value));
    }
}

/// The pointer that a callback is called with.
#[derive(Clone, Copy)]
pub(crate) struct User(pub(crate) *mut c_void);

// SAFETY: the library only passes it on. The header says which threads call back.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{sealock_error_code, sealock_error_free, sealock_error_message};

    fn failing(error: *mut *mut sealock_error, panic: bool) -> sealock_status {
        call!(error, |_| {
            assert!(!panic, "a bug of size {}", 7);
        })
    }

    #[test]
    fn a_panic_stops_at_the_boundary_and_has_its_own_code() {
        let mut error = std::ptr::null_mut();
        assert_eq!(failing(&raw mut error, false), SEALOCK_OK);
        assert!(error.is_null());
        let status = failing(&raw mut error, true);
        assert_eq!(status, ErrorKind::Internal.code() as i32);
        assert_eq!(sealock_error_code(error), status);
        // SAFETY: the error is live.
        let message = unsafe { CStr::from_ptr(sealock_error_message(error)) }.to_str().unwrap();
        assert!(message.contains("a bug of size 7"), "{message}");
        assert_eq!(sealock_error_free(error), SEALOCK_OK);
        assert_eq!(failing(std::ptr::null_mut(), true), status, "without an error to put out");
        // Something that is no text, and panics when it is dropped.
        struct Worse;
        impl Drop for Worse {
            fn drop(&mut self) {
                panic!("once more");
            }
        }
        assert_eq!(status_of(|| std::panic::panic_any(Worse)), status);
    }
}
