//! Keys of Semaphore's ceremony, which npm brings.

#![allow(dead_code, reason = "each test uses a part of it")]

use super::{ProvingKey, VerifyingKey};

/// A file of the ceremony.
pub fn artifact(depth: usize, kind: &str) -> Vec<u8> {
    let name = format!("node_modules/@zk-kit/semaphore-artifacts/semaphore-{depth}.{kind}");
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}; `make test` sets it up", path.display()))
}

pub fn proving_key(depth: usize) -> ProvingKey {
    ProvingKey::from_zkey(&artifact(depth, "zkey")).unwrap()
}

pub fn verifying_key(depth: usize) -> VerifyingKey {
    VerifyingKey::from_snarkjs(depth, &verifying_key_json(depth)).unwrap()
}

pub fn verifying_key_json(depth: usize) -> String {
    String::from_utf8(artifact(depth, "json")).unwrap()
}
