//! Buffers
//!
//! Bytes or text that a function made. A buffer is wiped when it is freed. What `sealock_buffer_data` and
//! `sealock_buffer_text` return belongs to the buffer and is valid until any
//! thread frees it.
//!
//! A list of texts gives out each of them as a buffer.

use std::ffi::{c_char, c_void};
use std::ptr;

use zeroize::{Zeroize, Zeroizing};

use crate::call::{call, free};
use crate::error::{sealock_error, sealock_status};
use crate::exchange::element;
use crate::handle::{find, handles};

/// Bytes or text.
///
/// Made by: functions with an argument `sealock_buffer **`. Freed by: `sealock_buffer_free`. It never changes;
/// thread-safe.
pub struct sealock_buffer {
    _opaque: (),
}

/// A list of texts.
///
/// Made by: functions with an argument `sealock_texts **`. Freed by: `sealock_texts_free`. It never changes; thread-safe.
pub struct sealock_texts {
    _opaque: (),
}

handles! { sealock_buffer => Buffer, sealock_texts => Texts }

/// Texts.
pub(crate) struct Texts(Vec<String>);

impl<T: ToString> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        Self(texts.into_iter().map(|text| text.to_string()).collect())
    }
}

/// Bytes with a NUL behind their end.
pub(crate) struct Buffer {
    bytes: Zeroizing<Vec<u8>>,
    text: bool,
}

impl Buffer {
    fn new(content: &[u8], text: bool) -> Self {
        // In its final size at once: growing would leave a copy behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(content.len() + 1));
        bytes.extend_from_slice(content);
        bytes.push(0);
        Self { bytes, text }
    }
}

impl From<Vec<u8>> for Buffer {
    fn from(mut bytes: Vec<u8>) -> Self {
        let buffer = Self::new(&bytes, false);
        bytes.zeroize();
        buffer
    }
}

impl From<String> for Buffer {
    fn from(mut text: String) -> Self {
        // A NUL inside would cut the text short without a sign.
        let buffer = Self::new(text.as_bytes(), !text.contains('\0'));
        text.zeroize();
        buffer
    }
}

/// The bytes; NULL if `buffer` is no buffer. Behind their end is a NUL that is not counted.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_buffer_data(buffer: *const sealock_buffer) -> *const u8 {
    // The registry's share keeps the bytes alive until the buffer is freed.
    find(buffer).map_or(ptr::null(), |buffer| buffer.bytes.as_ptr())
}

/// How many bytes there are; 0 if `buffer` is no buffer.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_buffer_length(buffer: *const sealock_buffer) -> usize {
    find(buffer).map_or(0, |buffer| buffer.bytes.len() - 1)
}

/// The text, UTF-8 and ended by NUL; NULL if `buffer` is no buffer, or does not hold text.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_buffer_text(buffer: *const sealock_buffer) -> *const c_char {
    match find(buffer) {
        Ok(buffer) if buffer.text => buffer.bytes.as_ptr().cast(),
        _ => ptr::null(),
    }
}

/// Wipes and frees a buffer. NULL is fine.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_buffer_free(buffer: *mut sealock_buffer) -> sealock_status {
    free(buffer)
}

/// Wipes `length` bytes, in a way that no compiler leaves out: for copies of secrets. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_wipe(bytes: *mut c_void, length: usize) {
    if !bytes.is_null() && length <= isize::MAX as usize {
        // SAFETY: the header asks that there are as many bytes, which nobody uses during the call.
        unsafe { std::slice::from_raw_parts_mut(bytes.cast::<u8>(), length) }.zeroize();
    }
}

/// How many texts the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_texts_count(
    texts: *const sealock_texts,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(texts)?.0.len());
    })
}

/// A text of the list, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_texts_get(
    texts: *const sealock_texts,
    index: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(element(&find(texts)?.0, index)?));
    })
}

/// Frees a list of texts. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_texts_free(texts: *mut sealock_texts) -> sealock_status {
    free(texts)
}
