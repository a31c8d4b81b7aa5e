//! Blocks from a trustless gateway (<https://specs.ipfs.tech/http-gateways/trustless-gateway/>).

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use cid::Cid;

use super::transfer::{Options, transfer_by};
use super::{Adding, Block, Freed, MAX_BLOCK_BYTES, Result, Store, StoreError};
use crate::error::{Classify, ErrorKind};
use crate::progress::Progress;
use crate::protocol::RAW_BLOCK;
use crate::remote::{Ask, Http, RemoteError, RemoteOptions};

/// How often a gateway that is busy is asked for a block.
const ATTEMPTS: u32 = 5;

/// A store near by that gets what it lacks from a gateway: a node of Sealock's, Kubo's, or any other. Nothing is sent there.
///
/// A gateway is not trusted: what it sends is hashed and compared with its CID, as everywhere.
pub struct GatewayStore<N> {
    near: N,
    http: Arc<Http>,
}

impl<N: Store> GatewayStore<N> {
    /// Blocks of the gateway at `url`, for instance `http://127.0.0.1:8080`, kept in `near`.
    ///
    /// # Errors
    /// [`StoreError::InvalidAddress`].
    pub fn new(near: N, url: &str, options: &RemoteOptions) -> Result<Self> {
        let http = Http::new(url, options)
            .map_err(|e| StoreError::InvalidAddress { got: url.chars().take(100).collect(), why: e.to_string() })?;
        Ok(Self::over(near, Arc::new(http)))
    }

    pub(crate) fn over(near: N, http: Arc<Http>) -> Self {
        Self { near, http }
    }

    fn ask(&self, cid: &Cid) -> Result<Block> {
        super::check_cid(cid)?;
        let mut attempt = 1;
        loop {
            let ask = Ask::root("for a block", format!("/ipfs/{cid}?format=raw")).header("Accept", RAW_BLOCK);
            match self.http.bytes(&ask, MAX_BLOCK_BYTES as u64) {
                Ok(bytes) => return Block::verify(cid, bytes),
                Err(RemoteError::Busy { retry_after, .. }) if attempt < ATTEMPTS => {
                    std::thread::sleep(retry_after.min(Duration::from_secs(5)));
                    attempt += 1;
                }
                Err(e) => return Err(self.failed(cid, &e)),
            }
        }
    }

    fn failed(&self, cid: &Cid, error: &RemoteError) -> StoreError {
        match error.kind() {
            ErrorKind::NotFound => StoreError::NotFound { cid: *cid },
            _ => StoreError::Unreachable { who: self.http.who().to_owned(), why: error.to_string() },
        }
    }
}

impl<N: Store> Store for GatewayStore<N> {
    fn put(&self, block: &Block) -> Result<()> {
        self.near.put(block)
    }

    fn put_all(&self, blocks: &[Block]) -> Result<()> {
        self.near.put_all(blocks)
    }

    fn get(&self, cid: &Cid) -> Result<Block> {
        match self.near.get(cid) {
            Err(StoreError::NotFound { .. } | StoreError::CidMismatch { .. } | StoreError::BlockTooLarge { .. }) => {
                let block = self.ask(cid)?;
                // Whoever reads has what he asked for, even if the disk is full.
                if let Err(why) = self.near.adding().and_then(|_adding| self.near.put(&block)) {
                    tracing::warn!(%cid, %why, "not kept near");
                }
                Ok(block)
            }
            other => other,
        }
    }

    /// Whether it is near.
    fn has(&self, cid: &Cid) -> Result<bool> {
        self.near.has(cid)
    }

    fn fetch(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> {
        let stop = AtomicBool::new(false);
        transfer_by(&|cid| self.ask(cid), &self.near, root, &Options::fetch(), progress, &stop).map(drop)
    }

    fn upload(&self, root: &Cid, progress: &mut Progress<'_>) -> Result<()> {
        self.near.upload(root, progress)
    }

    fn hold(&self, root: &Cid) -> Result<()> {
        self.near.hold(root)
    }

    fn pin(&self, root: &Cid) -> Result<()> {
        self.near.pin(root)
    }

    fn unpin(&self, root: &Cid) -> Result<bool> {
        self.near.unpin(root)
    }

    fn is_pinned(&self, root: &Cid) -> Result<bool> {
        self.near.is_pinned(root)
    }

    fn pins(&self) -> Result<Vec<Cid>> {
        self.near.pins()
    }

    fn adding(&self) -> Result<Adding> {
        self.near.adding()
    }

    fn gc(&self) -> Result<Freed> {
        self.near.gc()
    }
}

impl<N: std::fmt::Debug> std::fmt::Debug for GatewayStore<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayStore").field("near", &self.near).field("gateway", &self.http.who()).finish()
    }
}
