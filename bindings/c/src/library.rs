//! The library

use std::ffi::c_char;

use crate::handle::live;

/// Number of the binary interface that this header describes.
pub const SEALOCK_ABI_VERSION: u32 = 1;

/// SEALOCK_ABI_VERSION, as this library has it. It changes when a program that was built before would no longer work.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_abi_version() -> u32 {
    SEALOCK_ABI_VERSION
}

/// The library's version, for instance `0.1.0`. The text is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// How many handles are live: what was made and not freed. A leak checker cannot see handles; compare this with 0 at the end
/// of a test.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_live_handles() -> usize {
    live()
}
