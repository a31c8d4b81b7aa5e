//! IPFS nodes
//!
//! An embedded node on an IPFS network: libp2p, bitswap and, if asked for, a Kademlia DHT. It dials nobody unless it is told
//! to, and listens on loopback unless other addresses are given. Addresses are multiaddresses, for instance
//! `/ip4/127.0.0.1/tcp/4001/p2p/<peer id>`.

use std::ffi::c_char;
use std::sync::Mutex;
use std::time::Duration;

use sealock::store::{IpfsConfig, IpfsStore, Store};

use crate::buffer::{Buffer, Texts, sealock_buffer, sealock_texts};
use crate::call::{call, free};
use crate::column::{change, current};
use crate::error::{sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::store::sealock_blocks;
use crate::watch::sealock_watch;

/// How a node is set up.
///
/// Made by: `sealock_ipfs_config_new`. Freed by: `sealock_ipfs_config_free`. A node copies it. Thread-safe.
pub struct sealock_ipfs_config {
    _opaque: (),
}

/// A node on an IPFS network, with the blocks that it keeps in its folder.
///
/// Made by: `sealock_ipfs_open`. Freed by: `sealock_ipfs_free`; the node stops when its last user, an exchange for instance,
/// is freed. Thread-safe.
pub struct sealock_ipfs {
    _opaque: (),
}

handles! { sealock_ipfs_config => Mutex<IpfsConfig>, sealock_ipfs => IpfsStore }

/// A node that listens on loopback, TCP and QUIC, on ports that the operating system picks, and dials nobody.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_config_new(
    out: *mut *mut sealock_ipfs_config,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(Mutex::new(IpfsConfig::new()));
    })
}

/// Listens on these addresses instead, for instance `/ip4/0.0.0.0/tcp/4001`. None at all is a node that only dials.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_config_listen(
    config: *mut sealock_ipfs_config,
    addresses: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let addresses = c.texts("addresses", addresses, count)?;
        change(config, |config: IpfsConfig| Ok(config.listen(addresses)))?;
    })
}

/// Dials these peers when the node starts: addresses that end in `/p2p/<peer id>`. Called again, it replaces.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_config_bootstrap(
    config: *mut sealock_ipfs_config,
    addresses: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let addresses = c.texts("addresses", addresses, count)?;
        change(config, |config: IpfsConfig| Ok(config.bootstrap(addresses)))?;
    })
}

/// Whether the node takes part in the DHT of its peers, so that it can tell what it provides and find who provides a block:
/// 0 for no, which it is if not said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_config_dht(
    config: *mut sealock_ipfs_config,
    on: i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(config, |config: IpfsConfig| Ok(config.dht(on != 0)))?;
    })
}

/// How long to wait for one block from the peers, in milliseconds; 30,000 if not said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_config_block_timeout(
    config: *mut sealock_ipfs_config,
    milliseconds: u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(config, |config: IpfsConfig| Ok(config.block_timeout(Duration::from_millis(milliseconds))))?;
    })
}

/// To how many peers there may be connections; 256 if not said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_config_max_connections(
    config: *mut sealock_ipfs_config,
    peers: u32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(config, |config: IpfsConfig| Ok(config.max_connections(peers)))?;
    })
}

/// Frees a configuration. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_config_free(config: *mut sealock_ipfs_config) -> sealock_status {
    free(config)
}

/// Starts the node in the folder `path`, which is made if there is none, and holds the node's identity and its blocks.
/// Returns when the node listens.
///
/// Fails with SEALOCK_ERROR_LOCKED while another node runs there; with SEALOCK_ERROR_INVALID_ARGUMENT for an address that is
/// none; with SEALOCK_ERROR_IO, if an address is taken for instance.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_open(
    path: *const c_char,
    config: *const sealock_ipfs_config,
    out: *mut *mut sealock_ipfs,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(IpfsStore::open(c.text("path", path)?, &current(config)?)?);
    })
}

/// The node's peer id, which stays the same for its folder.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_peer_id(
    node: *const sealock_ipfs,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(node)?.peer_id()));
    })
}

/// The addresses that the node listens on, each with its peer id: what another node connects to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_addresses(
    node: *const sealock_ipfs,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Texts::from_iter(find(node)?.addresses()?));
    })
}

/// Connects to the peer at an address. With the peer id at its end, nobody else is taken for the peer.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no address; with SEALOCK_ERROR_UNREACHABLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_connect(
    node: *const sealock_ipfs,
    address: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        find(node)?.connect(c.text("address", address)?)?;
    })
}

/// The ids of the peers that the node is connected to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_peers(
    node: *const sealock_ipfs,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Texts::from_iter(find(node)?.peers()?));
    })
}

/// Tells the DHT that this node has a block, and does so again from time to time while it runs.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if the node has no DHT; with SEALOCK_ERROR_NOT_FOUND if it has no such block;
/// with SEALOCK_ERROR_IO if no peer takes the record.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_provide(
    node: *const sealock_ipfs,
    cid: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        find(node)?.provide(&c.cid("cid", cid)?)?;
    })
}

/// The ids of peers that provide a block, as the DHT says. It may be none.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if the node has no DHT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_find_providers(
    node: *const sealock_ipfs,
    cid: *const c_char,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Texts::from_iter(find(node)?.find_providers(&c.cid("cid", cid)?)?));
    })
}

/// Brings everything under a root from the peers, in parallel. What is here already is not fetched again, so that an
/// interrupted fetch goes on where it was. Pin it then, or the next collection of garbage takes it. `watch` may be NULL.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if there is nobody to ask; with SEALOCK_ERROR_TIMEOUT if nobody has a block. What
/// arrived stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_fetch(
    node: *const sealock_ipfs,
    cid: *const c_char,
    watch: *const sealock_watch,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (node, cid) = (find(node)?, c.cid("cid", cid)?);
        let mut teller = c.watch("watch", watch)?.teller();
        let _adding = node.adding()?;
        node.fetch(&cid, &mut teller)?;
    })
}

/// Keeps everything under a root until it is unpinned, through a restart as well. Pinning twice is once.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if some of it is not here: fetch it first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_pin(
    node: *const sealock_ipfs,
    cid: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        find(node)?.pin(&c.cid("cid", cid)?)?;
    })
}

/// Removes a pin, and says whether there was one: 1 or 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_unpin(
    node: *const sealock_ipfs,
    cid: *const c_char,
    out: *mut i32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(node)?.unpin(&c.cid("cid", cid)?)?.into());
    })
}

/// Every pinned root.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_pins(
    node: *const sealock_ipfs,
    out: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Texts::from_iter(find(node)?.pins()?));
    })
}

/// Removes every block that no pin reaches, and says how many there were. Set `out->struct_size` before.
///
/// Fails with SEALOCK_ERROR_LOCKED while something is being added.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_collect_garbage(
    node: *const sealock_ipfs,
    out: *mut sealock_blocks,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        out.put(find(node)?.gc()?.into());
    })
}

/// Frees a node's handle. NULL is fine. The node stops with its last user, before this returns if this is the last.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ipfs_free(node: *mut sealock_ipfs) -> sealock_status {
    free(node)
}
