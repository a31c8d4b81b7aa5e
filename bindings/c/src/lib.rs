//! The C library `libsealock`.
//!
//! `include/sealock.h` is made from this crate, one section per file, by the test `header`. The comments of types and
//! functions are its text, so they speak to C programmers.
//!
//! What every function does alike is in three places: `handle` gives out what C holds instead of pointers, `call` is the
//! panic boundary and reads arguments, `error` carries failures out.
//!
//! There is no logic here: a function reads its arguments, calls `sealock`, and puts the outcome out.

#![allow(non_camel_case_types, reason = "types are named as in C")]
#![allow(clippy::missing_safety_doc, reason = "what callers owe is said once, at the top of the header")]
#![allow(clippy::too_many_arguments, reason = "C passes lengths beside pointers")]

mod arrow_check;
mod call;
mod handle;
mod process;

pub mod account;
pub mod answer;
pub mod arrow;
pub mod asset;
pub mod buffer;
pub mod column;
pub mod consumer;
pub mod destruction;
pub mod download;
pub mod epoch;
pub mod error;
pub mod exchange;
pub mod executor;
pub mod federation;
pub mod group;
pub mod identity;
pub mod ipfs;
pub mod job;
pub mod keys;
pub mod keystore;
pub mod kubo;
pub mod ledger;
pub mod library;
pub mod linear;
pub mod logging;
pub mod model;
pub mod node;
pub mod ocean;
pub mod offer;
pub mod order;
pub mod owner;
pub mod policy;
pub mod proof;
pub mod query;
pub mod receipt;
pub mod recipient;
pub mod releaser;
pub mod remote;
pub mod revocation;
pub mod scalar;
pub mod schema;
pub mod semaphore;
pub mod store;
pub mod table;
pub mod task;
pub mod ticket;
pub mod watch;
