//! Whether a node keeps logs back.
//!
//! The hash of a block is over its header, and the header has a Bloom filter of the emitters and topics of its logs and the
//! root of its receipts. So from headers that link to each other it can be seen which blocks may have logs of ours; of those,
//! the receipts are read, their root is computed again, and their logs must be the ones that `eth_getLogs` gave, field by field,
//! and the ones that were read before and are kept. What remains to be trusted is that the headers are those of the chain,
//! which is what its consensus is for.
//!
//! It asks for every block since Ocean's contracts were deployed: minutes on a chain of a developer, days on a public one.

use std::collections::HashMap;

use alloy::consensus::{ReceiptEnvelope, proofs::calculate_receipt_root};
use alloy::primitives::{B256, BloomInput, Log};
use alloy::rpc::types::{Block, TransactionReceipt};
use serde_json::json;

use super::convert::{digest, to_evm};
use super::feed::{Feed, Unread, block_tag, date, logs};
use super::replay::Entry;
use super::{OceanLedger, Result, lock};
use crate::Digest;
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
        let mut all_entries: Vec<Entry> = Vec::new();
        let mut parent: Option<B256> = None;
        let mut from = self.addresses.start_block;
        while from <= last {
            let to = last.min(from + PAGE - 1);
            let failed = |e| match e {
                Unread::TooMuch(e) | Unread::Failed(e) => e,
            };
            let (found, end) = logs(&self.node, &emitters, &topics, from, to).map_err(failed)?;
            let mut given: HashMap<u64, Vec<Entry>> = HashMap::new();
            for entry in date(&self.node, found, &end)? {
                given.entry(entry.block).or_default().push(entry);
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
                let hashes: Vec<Digest> = receipts.iter().map(|r| digest(r.transaction_hash)).collect();
                let receipts: Vec<_> = receipts.into_iter().map(|r| r.into_primitives_receipt().inner).collect();
                if calculate_receipt_root(&receipts) != header.receipts_root {
                    return Err(broken("the receipts are not what the header says".into()));
                }
                let all = receipts.iter().zip(&hashes).flat_map(|(receipt, tx)| logs_of(receipt, *tx)).enumerate();
                let ours = all.filter(|(_, (log, _))| {
                    emitters.iter().any(|emitter| to_evm(*emitter) == log.address)
                        && log.topics().first().is_some_and(|topic| topics.contains(topic))
                });
                let ours: Vec<Entry> = ours
                    .map(|(index, (log, tx))| Entry {
                        block: number,
                        index: index as u64,
                        tx,
                        time: header.timestamp,
                        emitter: super::convert::ours(log.address),
                        topics: log.topics().iter().map(|topic| digest(*topic)).collect(),
                        data: log.data.data.to_vec(),
                    })
                    .collect();
                if ours != told {
                    return Err(broken(format!(
                        "the logs of Ocean's contracts in the block, {} of them, are not the {} that the node tells of",
                        ours.len(),
                        told.len()
                    )));
                }
                for entry in &ours {
                    count += u64::from(self.event_of(entry)?.is_some());
                }
                all_entries.extend(ours);
            }
            from = to + 1;
        }
        self.compare(&all_entries, last)?;
        Ok(count)
    }

    /// Compares what was read before, and is kept, with what an audit found.
    fn compare(&self, all: &[Entry], last: u64) -> Result<()> {
        const WHY: &str = "the logs that were read before are not those of the chain: a node had kept some back";
        let broken = || LedgerError::BrokenLog { index: 0, why: WHY.into() };
        let mut wrong = false;
        let mut look = |feed: &mut Feed| -> Result<()> {
            if !feed.agrees(&self.cache, all, last)? {
                feed.fail(&self.cache, WHY)?;
                wrong = true;
            }
            Ok(())
        };
        let tracked: Vec<_> = lock(&self.tracked).values().cloned().collect();
        tracked.iter().try_for_each(|tracked| look(&mut lock(tracked).feed))?;
        let described: Vec<_> = lock(&self.described).values().cloned().collect();
        described.iter().try_for_each(|described| look(&mut lock(described).feed))?;
        if let Some(created) = &mut *lock(&self.created) {
            look(&mut created.feed)?;
        }
        if wrong { Err(broken()) } else { Ok(()) }
    }
}

/// The logs of a receipt, each with its transaction.
fn logs_of(receipt: &ReceiptEnvelope<Log>, tx: Digest) -> impl Iterator<Item = (&Log, Digest)> {
    receipt.logs().iter().map(move |log| (log, tx))
}
