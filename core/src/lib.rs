//! Sealock: a privacy-preserving data exchange.
//!
//! The modules are listed in the order in which data flows through them.
pub mod account;
pub mod codec;
pub mod digest;
pub mod error;
pub mod progress;
pub mod time;

pub mod asset;
pub mod envelope;
pub mod ledger;
pub mod store;

pub use account::{Account, Address, Signature};
pub use digest::Digest;
pub use error::{Error, ErrorKind, Result};
