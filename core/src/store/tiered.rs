//! A store near by in front of one far away.

use cid::Cid;

use super::transfer::{Options, transfer};
use super::{Adding, Block, DiskStore, Freed, Result, Store, StoreError};
use crate::progress::{Progress, quiet};

/// Blocks go to the store that is near; what is pinned is kept in the one that is far as well.
///
/// Putting is as fast as the near store, and [`upload`](Store::upload) sends what the far one lacks: repeated after an
/// interruption, it goes on where it was. Getting reads near, else far, and then keeps the block near.
///
/// A pin is set far first and near last, so that one that is seen near holds in both; [`pins`](Store::pins) are those set
/// here, whatever else the far store has pinned. [`gc`](Store::gc) collects in both and tells what it freed near.
#[derive(Debug)]
pub struct Tiered<F, N = DiskStore> {
    near: N,
    far: F,
}

impl<F: Store, N: Store> Tiered<F, N> {
    /// Joins the two.
    pub const fn new(near: N, far: F) -> Self {
        Self { near, far }
    }

    /// The store that is near.
    pub const fn near(&self) -> &N {
        &self.near
    }

    /// The store that is far.
    pub const fn far(&self) -> &F {
        &self.far
    }

    /// Whether a block that the near store could not give is to be looked for in the far one.
    fn not_near(error: &StoreError) -> bool {
        matches!(error, StoreError::NotFound { .. } | StoreError::CidMismatch { .. } | StoreError::BlockTooLarge { .. })
    }
}

impl<F: Store, N: Store> Store for Tiered<F, N> {
    fn put(&self, block: &Block) -> Result<()> {
        self.near.put(block)
    }

    fn put_all(&self, blocks: &[Block]) -> Result<()> {
        self.near.put_all(blocks)
    }

    fn get(&self, cid: &Cid) -> Result<Block> {
        match self.near.get(cid) {
            Err(e) if Self::not_near(&e) => {
                let block = self.far.get(cid)?;
                // Whoever reads has what he asked for, even if the disk is full.
                if let Err(why) = self.near.adding().and_then(|_adding| self.near.put(&block)) {
                    tracing::warn!(%cid, %why, "not kept near");
                }
                Ok(block)
            }
            other => other,
        }
    }

    fn has(&self, cid: &Cid) -> Result<bool> {
        Ok(self.near.has(cid)? || self.far.has(cid)?)
    }

    /// Brings the graph near.
    fn fetch(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> {
        transfer(&self.far, &self.near, root, &Options::fetch(), progress).map(drop)
    }

    /// Sends the far store what it lacks.
    fn upload(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> {
        // Read through `self`: a block that is far alone need not be near.
        transfer(self, &self.far, root, &Options::upload(), progress)?;
        self.far.upload(root, progress)
    }

    fn hold(&self, root: &Cid) -> Result<()> {
        self.near.hold(root)
    }

    fn pin(&self, root: &Cid) -> Result<()> {
        let _adding = self.adding()?;
        self.upload(root, &mut quiet())?;
        let known = self.far.is_pinned(root)?;
        self.far.pin(root)?;
        let near = match self.near.pin(root) {
            // Some of it was far alone.
            Err(StoreError::NotFound { .. }) => self.fetch(root, &mut quiet()).and_then(|()| self.near.pin(root)),
            other => other,
        };
        if near.is_err() && !known {
            self.far.unpin(root)?;
        }
        near
    }

    fn unpin(&self, root: &Cid) -> Result<bool> {
        let near = self.near.unpin(root)?;
        Ok(self.far.unpin(root)? || near)
    }

    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        Ok(self.near.is_pinned(root)? && self.far.is_pinned(root)?)
    }

    fn pins(&self) -> Result<Vec<Cid>> {
        self.near.pins()
    }

    fn adding(&self) -> Result<Adding> {
        Ok(Adding::new((self.near.adding()?, self.far.adding()?)))
    }

    fn gc(&self) -> Result<Freed> {
        let freed = self.near.gc()?;
        self.far.gc()?;
        Ok(freed)
    }
}
