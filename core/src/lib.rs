//! Sealock: a privacy-preserving data exchange.
//!
//! The modules are listed in the order in which data flows through them.

pub mod account;
pub mod codec;
pub mod digest;
pub mod durable;
pub mod error;
pub mod progress;
pub mod time;

pub mod asset;
pub mod envelope;
pub mod store;

pub mod ledger;

pub mod program;

pub mod policy;

pub mod cube;

pub mod order;
pub mod wallet;

pub mod access;
pub mod job;
pub mod journal;
pub mod node;

pub mod receipt;
pub mod release;

pub mod exchange;
pub mod owner;

pub use account::{Account, Address, Signature};
pub use digest::Digest;
pub use error::{Error, ErrorKind, Result};
pub use exchange::{Asset, Exchange};
