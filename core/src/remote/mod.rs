//! An exchange on somebody else's node.
//!
//! [`Exchange::connect`](crate::Exchange::connect) joins what a consumer needs of a node that is far away: its blocks, as of a
//! gateway and checked against their CIDs; its ledger, where it has one, [followed](FollowedLedger) and recomputed here; and the
//! node itself, to which requests go. What a consumer does with it is what it does with an exchange in a folder.
//!
//! What the node learns is what it learns from a request in any case (see [`manual`](crate::manual)) and the network's own:
//! which address asked when. An address that buys and asks links the two, whatever the proof hides: go through a relay for the
//! one or the other where that matters.

mod error;
#[cfg(feature = "client")]
mod executor;
#[cfg(feature = "client")]
mod http;
#[cfg(feature = "client")]
mod ledger;
#[cfg(feature = "client")]
mod node;

pub use error::RemoteError;
#[cfg(feature = "client")]
pub use http::RemoteOptions;
#[cfg(feature = "client")]
pub(crate) use http::{Ask, Http};
#[cfg(feature = "client")]
pub use ledger::FollowedLedger;
#[cfg(feature = "client")]
pub use node::RemoteNode;
