//! Names the shared library as it is installed.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        // The number is SEALOCK_ABI_VERSION.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libsealock.so.0");
    }
}
