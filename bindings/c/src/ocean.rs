//! Ocean Protocol
//!
//! Exchanges on Ocean Protocol's contracts, version 4, on an Ethereum chain, instead of on the embedded ledger: data NFTs,
//! datatokens, prices and orders are then those that Ocean's markets, wallets and libraries know. Nothing else changes:
//! where an exchange is made, the ledger is one more argument.
//!
//! An account of an exchange on a chain needs some of the chain's own coin, which pays for gas. A call that writes returns
//! when the chain has it for good, and a few are several transactions. Any of them may fail with SEALOCK_ERROR_UNREACHABLE,
//! or with SEALOCK_ERROR_TIMEOUT: a transaction that was sent **may still be mined**, so look before repeating it.
//!
//! What sales brought stays in Ocean's exchange until `sealock_exchange_collect`. A sale mints what it sells, and Ocean's
//! community takes its fees: `sealock_exchange_sale_fees`. An order needs an offer that the asset's owner signs, and an open
//! `sealock_owner` on the same ledger does that unasked; where there is none, `sealock_consumer_order` fails with
//! SEALOCK_ERROR_UNREACHABLE and costs nothing.

use std::ffi::c_char;
use std::time::Duration;

use sealock::ledger::Ledger;
use sealock::ledger::ocean::{Finality, OceanLedger, OceanOptions};
use sealock::store::Tiered;
use sealock::{ErrorKind, Exchange};

use crate::call::{Caller, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::sealock_exchange;
use crate::handle::{find, handles};
use crate::ipfs::sealock_ipfs;
use crate::kubo::sealock_kubo;

/// How to use a chain. Fill it with zeros, then set what is wanted: what is 0 or NULL is as if it was not said.
///
/// A block counts when it is deep enough, for which one of `finality_blocks`, `head_counts` and `finalized` may be said. If
/// none is, that is twelve blocks, and none on the chains that developers run on their own machines: those with the ids
/// 1337, 8996 and 31337.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_ocean_options {
    /// `sizeof(sealock_ocean_options)`.
    pub struct_size: usize,
    /// The id of the chain that the node must be of: any if not said.
    pub chain_id: u64,
    /// How many blocks must be above one that counts.
    pub finality_blocks: u64,
    /// Not 0 if no block must be above it: for chains that are never reorganised.
    pub head_counts: i32,
    /// Not 0 if the chain's consensus must call it finalized.
    pub finalized: i32,
    /// The file in which logs that were read are kept, so that the next process reads on; in memory if not said. One
    /// process at a time has it open.
    pub cache_path: *const c_char,
    /// How long the node may take for one answer, in milliseconds: 30,000 if not said.
    pub timeout: u64,
    /// How long a transaction may take until it counts, in milliseconds: 600,000 if not said.
    pub patience: u64,
    /// For how long an offer of an order that an owner signs here can be used, in seconds: 3,600 if not said.
    pub offer_seconds: u64,
}

/// A ledger for exchanges: Ocean's contracts on a chain, as one of its nodes shows them.
///
/// Made by: `sealock_ocean_connect`. Freed by: `sealock_ledger_free`; an exchange keeps what it needs of it. Thread-safe.
pub struct sealock_ledger {
    _opaque: (),
}

handles! { sealock_ledger => OceanLedger }

impl Caller {
    fn ocean_options(&self, name: &str, options: *const sealock_ocean_options) -> Result<OceanOptions, Failure> {
        let mut all = OceanOptions::default();
        if options.is_null() {
            return Ok(all);
        }
        let given = self.sized(name, options)?;
        all.chain_id = (given.chain_id != 0).then_some(given.chain_id);
        all.finality = match (given.finality_blocks, given.head_counts != 0, given.finalized != 0) {
            (0, false, false) => None,
            (blocks, false, false) => Some(Finality::Blocks(blocks)),
            (0, true, false) => Some(Finality::Blocks(0)),
            (0, false, true) => Some(Finality::Finalized),
            _ => return Err(Failure::argument(name, "one way to say which blocks count", "several")),
        };
        if !given.cache_path.is_null() {
            all.cache = Some(self.text("options->cache_path", given.cache_path)?.into());
        }
        for (set, milliseconds) in [(&mut all.timeout, given.timeout), (&mut all.patience, given.patience)] {
            if milliseconds != 0 {
                *set = Duration::from_millis(milliseconds);
            }
        }
        if given.offer_seconds != 0 {
            all.offer_secs = given.offer_seconds;
        }
        Ok(all)
    }
}

/// Connects to a node of a chain at `url`, for instance `http://127.0.0.1:8545`, and to Ocean's contracts there.
/// `address_json` is the text of a file of the form of Ocean's `address.json`
/// (<https://github.com/oceanprotocol/contracts/blob/v4main/addresses/address.json>), which says for each chain where they
/// are. `options` may be NULL. What an error says of the URL is host and port: a key in its path stays secret.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no URL, for a node of another chain than the options say, and for
/// addresses that are not of that form or lack this chain; with SEALOCK_ERROR_UNREACHABLE or SEALOCK_ERROR_TIMEOUT if no node
/// answers; with SEALOCK_ERROR_UNKNOWN_TOKEN if Ocean's contracts are not there; with SEALOCK_ERROR_LOCKED while another
/// process has the cache open.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ocean_connect(
    url: *const c_char,
    address_json: *const c_char,
    options: *const sealock_ocean_options,
    out: *mut *mut sealock_ledger,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (url, address_json) = (c.text("url", url)?, c.text("address_json", address_json)?);
        out.issue(OceanLedger::connect_with_json(url, address_json, c.ocean_options("options", options)?)?);
    })
}

/// The chain's id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_chain_id(
    ledger: *const sealock_ledger,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(ledger)?.chain_id());
    })
}

/// The ledger's own address, which is that of Ocean's factory: with the chain's id it says which ledger a proof or a
/// signature is for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_address(
    ledger: *const sealock_ledger,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(ledger)?.address().as_bytes());
    })
}

/// The address of the token OCEAN, to set prices in.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if the chain has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_ocean_token(
    ledger: *const sealock_ledger,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        let ledger = find(ledger)?;
        let none = || {
            let what = format!("the file of Ocean's addresses has no OCEAN on chain {}", ledger.chain_id());
            Failure::with_hint(ErrorKind::NotFound, what, "set prices in another token of the chain")
        };
        out.put(*ledger.addresses().ocean.ok_or_else(none)?.as_bytes());
    })
}

/// How much gas a transaction of the chain used. Its digest is the one that wallets and block explorers show.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if there is no such transaction, or it is not mined.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_gas_used(
    ledger: *const sealock_ledger,
    transaction: *const u8,
    transaction_length: usize,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (ledger, transaction) = (find(ledger)?, c.digest("transaction", transaction, transaction_length)?);
        out.put(ledger.gas_used(transaction)?);
    })
}

/// The time of the chain's newest block, in seconds since 1970-01-01 UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_now(
    ledger: *const sealock_ledger,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(ledger)?.now()?);
    })
}

/// Frees a ledger's handle. NULL is fine. Exchanges on it go on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_free(ledger: *mut sealock_ledger) -> sealock_status {
    free(ledger)
}

/// As `sealock_exchange_local`, on a ledger of its own: the folder has the blocks, and what owners and consumers keep. That
/// goes with the ledger, so use a folder for each. The ledger's handle stays the caller's.
///
/// Fails with SEALOCK_ERROR_IO; with SEALOCK_ERROR_INVALID_ARGUMENT for an empty path.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_local_on(
    path: *const c_char,
    ledger: *const sealock_ledger,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, ledger) = (c.text("path", path)?, find(ledger)?);
        out.issue(Exchange::local_on(path, Exchange::local_store(path)?, ledger)?);
    })
}

/// As `sealock_exchange_in_memory`, on a ledger of its own. **What owners and consumers keep is gone with the exchange**,
/// the keys of the data among it; what is on the chain stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_in_memory_on(
    ledger: *const sealock_ledger,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Exchange::in_memory_on(find(ledger)?));
    })
}

/// As `sealock_exchange_local_with_ipfs`, on a ledger of its own.
///
/// Fails as `sealock_exchange_local_on`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_local_with_ipfs_on(
    path: *const c_char,
    node: *const sealock_ipfs,
    ledger: *const sealock_ledger,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, node, ledger) = (c.text("path", path)?, find(node)?, find(ledger)?);
        out.issue(Exchange::local_on(path, node, ledger)?);
    })
}

/// As `sealock_exchange_local_with_kubo`, on a ledger of its own.
///
/// Fails as `sealock_exchange_local_on`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_local_with_kubo_on(
    path: *const c_char,
    daemon: *const sealock_kubo,
    ledger: *const sealock_ledger,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, daemon, ledger) = (c.text("path", path)?, find(daemon)?, find(ledger)?);
        out.issue(Exchange::local_on(path, Tiered::new(Exchange::local_store(path)?, daemon), ledger)?);
    })
}
