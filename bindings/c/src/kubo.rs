//! IPFS daemons
//!
//! A daemon that speaks Kubo's RPC, `/api/v0`. It is not trusted with the blocks that it keeps. Its RPC is an
//! administrator's interface: whoever reaches it may read and delete everything that the daemon holds, so it belongs on
//! loopback, or behind TLS and an authorization.

use std::ffi::c_char;
use std::time::Duration;

use sealock::store::{KuboAuth, KuboIdentity, KuboOptions, KuboStore};

use crate::buffer::{Buffer, Texts, sealock_buffer, sealock_texts};
use crate::call::{Caller, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};

/// How to talk to a daemon. Fill it with zeros, then set what is wanted: what is 0 or NULL is as if it was not said.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_kubo_options {
    /// `sizeof(sealock_kubo_options)`.
    pub struct_size: usize,
    /// The token of `bearer:<token>` in the daemon's `API.Authorizations`. **Over plain HTTP, everybody on the way reads
    /// it.**
    pub bearer_token: *const c_char,
    /// The user of `basic:<user>:<password>` there.
    pub basic_user: *const c_char,
    /// The user's password.
    pub basic_password: *const c_char,
    /// How long a connection may take, in milliseconds: 5,000 if not said.
    pub connect_timeout: u64,
    /// How long one block may take, the daemon's search for it included, in milliseconds: 60,000 if not said.
    pub timeout: u64,
    /// How long pinning or collecting garbage may take, in milliseconds: an hour if not said.
    pub long_timeout: u64,
    /// Not 0 if the daemon shall not look in its network for a block that it does not hold.
    pub no_search: i32,
}

/// A daemon.
///
/// Made by: `sealock_kubo_connect`. Freed by: `sealock_kubo_free`; an exchange keeps what it needs of it. Thread-safe.
pub struct sealock_kubo {
    _opaque: (),
}

handles! { sealock_kubo => KuboStore }

impl Caller {
    fn kubo_options(&self, name: &str, options: *const sealock_kubo_options) -> Result<KuboOptions, Failure> {
        let mut all = KuboOptions::default();
        if options.is_null() {
            return Ok(all);
        }
        let given = self.sized(name, options)?;
        all.auth = match (given.bearer_token.is_null(), given.basic_user.is_null()) {
            (true, true) => None,
            (false, true) => Some(KuboAuth::bearer(self.text("options->bearer_token", given.bearer_token)?)),
            (true, false) => Some(KuboAuth::basic(
                self.text("options->basic_user", given.basic_user)?,
                self.text("options->basic_password", given.basic_password)?,
            )),
            (false, false) => return Err(Failure::argument(name, "a token or a user", "both")),
        };
        for (set, milliseconds) in [
            (&mut all.connect_timeout, given.connect_timeout),
            (&mut all.timeout, given.timeout),
            (&mut all.long_timeout, given.long_timeout),
        ] {
            if milliseconds != 0 {
                *set = Duration::from_millis(milliseconds);
            }
        }
        all.search = given.no_search == 0;
        Ok(all)
    }
}

/// Connects to the daemon whose RPC is at `address`: `http://127.0.0.1:5001` or `/ip4/127.0.0.1/tcp/5001`. `options` may be
/// NULL.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for what is no address; with SEALOCK_ERROR_UNREACHABLE if nobody is there, or
/// somebody who does not speak the RPC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_kubo_connect(
    address: *const c_char,
    options: *const sealock_kubo_options,
    out: *mut *mut sealock_kubo,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let address = c.text("address", address)?;
        out.issue(KuboStore::connect(address, c.kubo_options("options", options)?)?);
    })
}

/// The daemon's version, as it tells it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_kubo_version(
    daemon: *const sealock_kubo,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(daemon)?.version().to_owned()));
    })
}

/// Who the daemon is in its network: its peer id, and the addresses that others reach it under.
///
/// Fails with SEALOCK_ERROR_UNREACHABLE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_kubo_identity(
    daemon: *const sealock_kubo,
    peer_id: *mut *mut sealock_buffer,
    addresses: *mut *mut sealock_texts,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (id, all) = (c.out("peer_id", peer_id), c.out("addresses", addresses));
        let (id, all) = (id?, all?);
        let KuboIdentity { peer, addresses } = find(daemon)?.identity()?;
        id.issue(Buffer::from(peer));
        all.issue(Texts::from_iter(addresses));
    })
}

/// Frees a daemon's handle. NULL is fine. The daemon itself runs on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_kubo_free(daemon: *mut sealock_kubo) -> sealock_status {
    free(daemon)
}
