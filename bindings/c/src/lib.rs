//! The C library `libsealock`.

/// Number of the binary interface. It changes when a program that was built before would no longer work.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_abi_version() -> u32 {
    1
}
