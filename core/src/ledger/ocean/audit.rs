//! Whether a node keeps logs back.
//!
//! The hash of a block is over its header, and the header has a Bloom filter of the emitters and topics of its logs and the
//! root of its receipts. So from headers that link to each other it can be seen which blocks may have logs of ours; of those,
//! the receipts are read, their root is computed again, and their logs must be the ones that `eth_getLogs` gave. What remains
//! to be trusted is that the headers are those of the chain, which is what its consensus is for.
//!
//! It asks for every block since Ocean's contracts were deployed: minutes on a chain of a developer, days on a public one.

use std::collections::HashMap;

use alloy::consensus::proofs::calculate_receipt_root;
use alloy::primitives::{B256, BloomInput};
use alloy::rpc::types::{Block, TransactionReceipt};
use serde_json::json;

use super::convert::to_evm;
use super::feed::{Unread, block_tag, logs};
use super::{OceanLedger, Result};
use crate::ledger::LedgerError;

/// Blocks whose logs are read at once.
const PAGE: u64 = 1024;

impl OceanLedger {
    /// Checks the log, and returns how many events it has.
    pub(super) fn audit(&self) -> Result<u64> {
        let Some(last) = self.horizon()? else { return Ok(0) };
        let emitters = self.emitters()?;
        let topics = super::events::topics();
        let mut count = 0;
        let mut parent: Option<B256> = None;
        let mut from = self.addresses.start_block;
        while from <= last {
            let to = last.min(from + PAGE - 1);
            let failed = |e| match e {
                Unread::TooMuch(e) | Unread::Failed(e) => e,
            };
            let mut given: HashMap<u64, Vec<u64>> = HashMap::new();
            for log in logs(&self.node, &emitters, &topics, from, to).map_err(failed)? {
                let entry = log.entry(0).ok_or_else(|| self.node.lies("it sent half a log".into()))?;
                given.entry(entry.block).or_default().push(entry.index);
            }
            for number in from..=to {
                let broken = |why: String| LedgerError::BrokenLog { index: super::replay::position(number, 0), why };
                let block: Option<Block> =
                    self.node.get("eth_getBlockByNumber", json!([block_tag(number), false]), "for a block")?;
                let block = block.ok_or_else(|| broken("the block is missing".into()))?;
                let header = &block.header;
                if header.number != number || header.inner.hash_slow() != header.hash {
                    return Err(broken("the header is not what its hash says".into()));
                }
                if parent.is_some_and(|parent| parent != header.parent_hash) {
                    return Err(broken("the block does not follow the one before it".into()));
                }
                parent = Some(header.hash);
                let bloom = &header.logs_bloom;
                let has = |raw: &[u8]| bloom.contains_input(BloomInput::Raw(raw));
                let maybe = emitters.iter().any(|emitter| has(emitter.as_bytes()))
                    && topics.iter().any(|topic| has(topic.as_slice()));
                let told = given.remove(&number).unwrap_or_default();
                if !maybe {
                    if !told.is_empty() {
                        return Err(broken("the node tells of logs that the header does not know".into()));
                    }
                    continue;
                }
                let receipts: Vec<TransactionReceipt> =
                    self.node.get("eth_getBlockReceipts", json!([block_tag(number)]), "for receipts")?;
                let receipts: Vec<_> = receipts.into_iter().map(|r| r.into_primitives_receipt().inner).collect();
                if calculate_receipt_root(&receipts) != header.receipts_root {
                    return Err(broken("the receipts are not what the header says".into()));
                }
                let all = receipts.iter().flat_map(|receipt| receipt.logs());
                let ours = all.enumerate().filter(|(_, log)| {
                    emitters.iter().any(|emitter| to_evm(*emitter) == log.address)
                        && log.topics().first().is_some_and(|topic| topics.contains(topic))
                });
                let ours: Vec<u64> = ours.map(|(index, _)| index as u64).collect();
                if ours != told {
                    return Err(broken(format!(
                        "the block has {} logs of Ocean's contracts, the node tells of {}",
                        ours.len(),
                        told.len()
                    )));
                }
            }
            count += self.events_in(&emitters, from, to).map_err(failed)?.len() as u64;
            from = to + 1;
        }
        Ok(count)
    }
}
