//! Content-addressed block stores.
//!
//! A [`Store`] keeps [`Block`]s under their CIDs. A store is not trusted: a [`Block`] cannot be made without its bytes
//! having been hashed, so whatever a store returns is what was asked for, or an error. [`unixfs`] cuts files into blocks
//! and reads them back; [`MemoryStore`] and [`DiskStore`] keep them.
//!
//! Adding a file and collecting garbage exclude each other: whoever adds holds an [`Adding`] until the root is pinned,
//! and [`Store::gc`] refuses to run meanwhile, within the process and, for a store on disk, between processes.

mod block;
pub mod car;
pub mod dag;
mod disk;
mod error;
#[cfg(feature = "client")]
mod gateway;
#[cfg(feature = "ipfs")]
mod ipfs;
#[cfg(feature = "kubo")]
mod kubo;
mod lock;
mod memory;
mod tiered;
pub mod transfer;
pub mod unixfs;

use std::sync::Arc;

pub use block::{Block, Codec, MAX_BLOCK_BYTES, check_cid};
pub use cid::Cid;
pub use disk::DiskStore;
pub use error::StoreError;
#[cfg(feature = "client")]
pub use gateway::GatewayStore;
#[cfg(feature = "ipfs")]
pub use ipfs::{IpfsConfig, IpfsStore};
#[cfg(feature = "kubo")]
pub use kubo::{Auth as KuboAuth, KuboIdentity, KuboOptions, KuboStore};
pub use lock::Adding;
pub use memory::MemoryStore;
pub use tiered::Tiered;

use crate::progress::Progress;
#[cfg(doc)]
use crate::progress::Stage;

/// Result of a store's operations.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What a garbage collection freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Blocks removed.
    pub blocks: u64,
    /// Bytes in them.
    pub bytes: u64,
}

/// A place for blocks. Object safe, synchronous, usable from any number of threads.
pub trait Store: Send + Sync {
    /// Keeps `block`. Putting it twice changes nothing.
    ///
    /// Hold an [`Adding`] from before the first block until the root is pinned.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it cannot be written; then no part of it is kept.
    fn put(&self, block: &Block) -> Result<()>;

    /// Keeps many blocks, in any order, perhaps in parallel.
    ///
    /// # Errors
    /// As [`put`](Self::put); some of the blocks may have been kept.
    fn put_all(&self, blocks: &[Block]) -> Result<()> {
        blocks.iter().try_for_each(|block| self.put(block))
    }

    /// The block named `cid`, checked against it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::CidMismatch`] if the bytes kept are not the ones named,
    /// [`StoreError::UnsupportedCid`], [`StoreError::BlockTooLarge`] before anything is allocated.
    fn get(&self, cid: &Cid) -> Result<Block>;

    /// Whether there is something under `cid`. Its bytes are not checked.
    ///
    /// # Errors
    /// [`StoreError::UnsupportedCid`], [`StoreError::Io`].
    fn has(&self, cid: &Cid) -> Result<bool>;

    /// Brings everything reachable from `root` to this store, from wherever the store reaches, in parallel. What is here
    /// already is not fetched again, so that an interrupted fetch goes on where it was. A store that reaches nothing else
    /// checks that it has it all.
    ///
    /// Hold an [`Adding`] until the root is pinned. `progress` is told the bytes of [`Stage::Fetch`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Timeout`] if nobody has a block, [`StoreError::Cancelled`], and what reading
    /// the graph gives. What arrived stays.
    fn fetch(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> {
        let _ = progress;
        dag::check_complete(self, root)
    }

    /// Sends everything reachable from `root` on to where the store keeps it in the end, in parallel, what is there
    /// already excepted. A store that is its own end has nothing to do.
    ///
    /// Call it before [`pin`](Self::pin), which would do the same in silence. `progress` is told the bytes of
    /// [`Stage::Upload`].
    ///
    /// # Errors
    /// [`StoreError::Unreachable`], [`StoreError::Timeout`], [`StoreError::Cancelled`]; what arrived stays.
    fn upload(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> {
        let _ = (root, progress);
        Ok(())
    }

    /// As [`pin`](Self::pin), but only where blocks are put first: nothing is sent on. What is held waits for an upload, also
    /// through a restart. [`unpin`](Self::unpin) removes it.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    fn hold(&self, root: &Cid) -> Result<()> {
        self.pin(root)
    }

    /// Keeps everything reachable from `root` until it is unpinned, through a restart as well. Pinning twice is once.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if the graph under `root` is not complete.
    fn pin(&self, root: &Cid) -> Result<()>;

    /// Removes a pin. Says whether there was one.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn unpin(&self, root: &Cid) -> Result<bool>;

    /// Whether `root` itself is pinned.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn is_pinned(&self, root: &Cid) -> Result<bool>;

    /// Every pinned root, in ascending order.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn pins(&self) -> Result<Vec<Cid>>;

    /// Announces an addition, which keeps garbage collection away until the value is dropped. Waits for a collection that
    /// runs. May be held several times at once.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    fn adding(&self) -> Result<Adding>;

    /// Removes every block that no pin reaches.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while somebody adds; any error of reading a pinned graph. Then nothing is removed.
    fn gc(&self) -> Result<Freed>;
}

macro_rules! forward {
    ($($head:tt)*) => {
        $($head)* {
            fn put(&self, block: &Block) -> Result<()> { (**self).put(block) }
            fn put_all(&self, blocks: &[Block]) -> Result<()> { (**self).put_all(blocks) }
            fn get(&self, cid: &Cid) -> Result<Block> { (**self).get(cid) }
            fn has(&self, cid: &Cid) -> Result<bool> { (**self).has(cid) }
            fn fetch(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> { (**self).fetch(root, progress) }
            fn upload(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> { (**self).upload(root, progress) }
            fn hold(&self, root: &Cid) -> Result<()> { (**self).hold(root) }
            fn pin(&self, root: &Cid) -> Result<()> { (**self).pin(root) }
            fn unpin(&self, root: &Cid) -> Result<bool> { (**self).unpin(root) }
            fn is_pinned(&self, root: &Cid) -> Result<bool> { (**self).is_pinned(root) }
            fn pins(&self) -> Result<Vec<Cid>> { (**self).pins() }
            fn adding(&self) -> Result<Adding> { (**self).adding() }
            fn gc(&self) -> Result<Freed> { (**self).gc() }
        }
    };
}
forward!(impl<S: Store + ?Sized> Store for &S);
forward!(impl<S: Store + ?Sized> Store for Arc<S>);
