//! Sealock.

mod error;
pub mod linear;

pub use error::Error;
