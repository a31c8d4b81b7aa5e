//! Sealock: a privacy-preserving data exchange.
//!
//! An owner publishes an encrypted table and sells datatokens for it. A consumer orders, proves in zero knowledge that some
//! order is theirs, and gets the answer to a question whose literals the owner never sees.
//!
//! The parties, and what each learns: [`manual`]. The proof: Groth16 (Groth, EUROCRYPT 2016) over a tree of orders, in
//! [`sealock_zk`]. The encrypted product: ring-LWE (Lyubashevsky, Peikert, Regev, EUROCRYPT 2010), re-randomised and
//! flooded (Asharov et al., EUROCRYPT 2012), in [`sealock_fhe`]. Encryption at rest: C2SP chunked encryption.
//!
//! Start at [`Exchange`]. The modules below are listed in the order in which data flows through them.

pub mod account;
pub mod codec;
pub mod digest;
pub mod durable;
pub mod error;
pub mod progress;
pub mod time;
mod together;

pub mod asset;
pub mod columns;
pub mod envelope;
pub mod keystore;
pub mod store;

pub mod ledger;

pub mod zk;

pub mod program;

pub mod model;

pub mod federation;
pub mod policy;
pub mod privacy;

pub mod cube;

pub mod order;
pub mod wallet;

pub mod access;
pub mod destruction;
pub mod download;
pub mod fhe;
pub mod job;
pub mod journal;
pub mod node;

pub mod receipt;
pub mod release;

pub mod sealed;

pub mod exchange;
pub mod owner;

pub mod protocol;
pub mod remote;
#[cfg(feature = "server")]
pub mod server;

#[cfg(feature = "cli")]
pub mod cli;

pub mod manual;

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub use account::{Account, Address, Signature};
pub use digest::Digest;
pub use error::{Error, ErrorKind, Result};
pub use exchange::{Asset, Exchange};
