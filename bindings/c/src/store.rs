//! Stores: CIDs, CARs, exchanges on other stores
//!
//! An exchange keeps encrypted data as blocks, each named by its CID, the hash of its bytes: `sealock_exchange_local` in its
//! folder, `sealock_exchange_local_with_ipfs` on a node of an IPFS network, and `sealock_exchange_local_with_kubo` with an
//! IPFS daemon. No store is trusted: every block is checked against its CID.
//!
//! A CAR (<https://ipld.io/specs/transport/car/carv1/>) is a file of blocks, for carrying an asset from store to store by
//! hand. CIDs are texts, for instance `bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi`.

use std::ffi::{OsString, c_char};
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use sealock::Exchange;
use sealock::exchange::ExchangeError;
use sealock::store::car::{Exported, Imported, export, import};
use sealock::store::{Cid, DiskStore, Freed, StoreError, Tiered};

use crate::asset::sealock_asset;
use crate::buffer::{Texts, sealock_texts};
use crate::call::{Caller, call};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::sealock_exchange;
use crate::handle::find;
use crate::ipfs::sealock_ipfs;
use crate::kubo::sealock_kubo;
use crate::watch::sealock_watch;

/// So many blocks.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct sealock_blocks {
    /// `sizeof(sealock_blocks)`, filled in by the caller.
    pub struct_size: usize,
    /// How many.
    pub blocks: u64,
    /// Bytes in them; of a CAR that was written, all of its bytes.
    pub bytes: u64,
}

impl sealock_blocks {
    fn new(blocks: u64, bytes: u64) -> Self {
        Self { struct_size: size_of::<Self>(), blocks, bytes }
    }
}

impl Default for sealock_blocks {
    fn default() -> Self {
        Self::new(0, 0)
    }
}

impl From<Freed> for sealock_blocks {
    fn from(freed: Freed) -> Self {
        Self::new(freed.blocks, freed.bytes)
    }
}

impl Caller {
    /// A CID.
    pub(crate) fn cid(&self, name: &str, text: *const c_char) -> Result<Cid, Failure> {
        parsed(name, self.text(name, text)?)
    }

    /// A list of CIDs.
    pub(crate) fn cids(&self, name: &str, texts: *const *const c_char, count: usize) -> Result<Vec<Cid>, Failure> {
        let texts = self.texts(name, texts, count)?;
        texts.iter().enumerate().map(|(i, text)| parsed(&format!("{name}[{i}]"), text)).collect()
    }
}

fn parsed(name: &str, text: &str) -> Result<Cid, Failure> {
    let shown = || text.chars().take(200).collect::<String>();
    text.parse().map_err(|why| Failure::argument(name, "a CID", &format!("{:?}: {why}", shown())))
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let what = format!("{what} {}", path.display());
    move |source| StoreError::Io { what, source }
}

/// Writes a file beside `path`, which gets its name when it is whole: what was there before stays until then.
pub(crate) fn written<T>(
    path: &str,
    write: impl FnOnce(&mut BufWriter<File>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let path = Path::new(path);
    let mut part = OsString::from(path);
    part.push(".part");
    let part = PathBuf::from(part);
    let mut sink = BufWriter::new(File::create(&part).map_err(failed("making", &part))?);
    let done = write(&mut sink).and_then(|done| {
        sink.flush().and_then(|()| sink.get_ref().sync_all()).map_err(failed("writing", &part))?;
        fs::rename(&part, path).map_err(failed("naming", path))?;
        Ok(done)
    });
    if done.is_err() {
        // Best effort: what failed is said by the error.
        let _ = fs::remove_file(&part);
    }
    done
}

/// As `sealock_exchange_local`, with the blocks on an IPFS node, which keeps them in its own folder. The node's handle stays
/// the caller's; the node runs as long as one of both uses it.
///
/// Fails as `sealock_exchange_local`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_local_with_ipfs(
    path: *const c_char,
    node: *const sealock_ipfs,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, node) = (c.text("path", path)?, find(node)?);
        out.issue(Exchange::local_with(path, node)?);
    })
}

/// As `sealock_exchange_local`, with a daemon behind the folder's own store: blocks are written here, published data is sent
/// to the daemon, and what is not here is asked from it. The daemon's handle stays the caller's.
///
/// Fails as `sealock_exchange_local`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_local_with_kubo(
    path: *const c_char,
    daemon: *const sealock_kubo,
    out: *mut *mut sealock_exchange,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (path, daemon) = (c.text("path", path)?, find(daemon)?);
        if path.is_empty() {
            return Err(ExchangeError::EmptyPath.into());
        }
        let near = DiskStore::open(Path::new(path).join("store"))?;
        out.issue(Exchange::local_with(path, Tiered::new(near, daemon))?);
    })
}

/// Writes every block of an asset into a new CAR at `path`: its encrypted data, and the key that proofs are made with. A file
/// that was there before is replaced when the new one is whole. `watch` may be NULL. Set `out->struct_size` before.
///
/// The CAR has no secrets. Who is to find the asset without its ledger needs `sealock_asset_to_bytes` as well.
///
/// Fails with SEALOCK_ERROR_NOT_FOUND if the store lacks a block; with SEALOCK_ERROR_IO.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_export_car(
    exchange: *const sealock_exchange,
    asset: *const sealock_asset,
    path: *const c_char,
    watch: *const sealock_watch,
    out: *mut sealock_blocks,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        let (exchange, asset, path) = (find(exchange)?, find(asset)?, c.text("path", path)?);
        let mut teller = c.watch("watch", watch)?.teller();
        let Exported { blocks, bytes } =
            written(path, |sink| Ok(export(exchange.store(), &asset.roots(), sink, &mut teller)?))?;
        out.put(sealock_blocks::new(blocks, bytes));
    })
}

/// Reads a CAR (version 1) into the exchange's store, checks every block, and pins its roots, which it puts out. `watch` may
/// be NULL. Set `out->struct_size` before.
///
/// Fails with SEALOCK_ERROR_MALFORMED for what is no CAR, with SEALOCK_ERROR_TRUNCATED for one that is cut off, with
/// SEALOCK_ERROR_NOT_FOUND if it lacks a block, with SEALOCK_ERROR_CID_MISMATCH for a block that is not the one named. Then
/// nothing is pinned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_import_car(
    exchange: *const sealock_exchange,
    path: *const c_char,
    watch: *const sealock_watch,
    roots: *mut *mut sealock_texts,
    out: *mut sealock_blocks,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (all, out) = (c.out("roots", roots), c.sized_out("out", out));
        let (all, out) = (all?, out?);
        let (exchange, path) = (find(exchange)?, Path::new(c.text("path", path)?));
        let mut teller = c.watch("watch", watch)?.teller();
        let source = BufReader::new(File::open(path).map_err(failed("opening", path))?);
        let Imported { roots, blocks, bytes } = import(exchange.store(), source, &mut teller)?;
        out.put(sealock_blocks::new(blocks, bytes));
        all.issue(Texts::from_iter(roots));
    })
}

/// Removes every block that nothing pins any more from the exchange's store, and says how many there were. Set
/// `out->struct_size` before.
///
/// Fails with SEALOCK_ERROR_LOCKED while something is being added.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_collect_garbage(
    exchange: *const sealock_exchange,
    out: *mut sealock_blocks,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.sized_out("out", out)?;
        out.put(find(exchange)?.store().gc()?.into());
    })
}
