//! The network of an IPFS node that serves and fetches blocks.
//!
//! [`Node`] is `rust-ipfs`' node (libp2p over TCP and QUIC, identify, ping, and a Kademlia DHT if asked for) with a bitswap of
//! our own instead of its: that one loses the answers of peers which open a stream per message, as Kubo and Helia do, gives
//! a connection up for good after three failed writes, and queues any number of answers for a peer that does not read them.
//!
//! Blocks stay with whoever starts the node: it is asked for those that peers want, and is handed those that it wanted, each
//! of them hashed.
//!
//! This is a crate of its own so that libp2p's generic code is compiled once, and not with every change of `sealock`.

mod bitswap;
mod node;
mod runtime;

use bytes::Bytes;
use cid::Cid;

pub use node::{Got, Identity, Node, Setup};

/// The blocks that a node serves to its peers.
pub trait Blocks: Send + Sync + 'static {
    /// Whether the block is here.
    fn has(&self, cid: &Cid) -> bool;

    /// The block's bytes, if they are here. May read from a disk: it runs where blocking is fine.
    fn get(&self, cid: &Cid) -> Option<Bytes>;
}

/// Why a node could not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Text that is no multiaddress, or not one for this.
    #[error("{got:?} is no address of a peer: {why}")]
    InvalidAddress {
        /// The text, cut at 200 characters.
        got: String,
        /// What is wrong with it.
        why: String,
    },
    /// Bytes that are no libp2p key.
    #[error("no libp2p key: {0}")]
    InvalidKey(String),
    /// The network said so, or nothing in time.
    #[error("{0}")]
    Failed(String),
}

/// Result of a node's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;
