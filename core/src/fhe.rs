//! Encrypted products by themselves: everything of [`sealock_fhe`], whose errors are in the table of
//! [`ErrorKind`](crate::ErrorKind).
//!
//! An [`Exchange`](crate::Exchange) asks and answers its queries without being asked. These are the parts, for whoever puts them
//! together otherwise: encrypted vectors, and whole matrices, times clear ones.

#[doc(inline)]
pub use sealock_fhe::*;
