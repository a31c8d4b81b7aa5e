//! Reading logs: in pages, only what is deep enough, each once, and again after a restart from where it was.
//!
//! A [`Feed`] is the logs of some contracts from a block on. It reads up to a block that the caller names (the head less the
//! depth of finality), and remembers the hash of the last block that it read: if the chain has another block there later, it
//! was reorganised deeper than finality allows for, everything that was said from these logs may be wrong, and the feed
//! **stays failed** ([`LedgerError::BrokenLog`]) until the ledger is opened again, which reads all of it anew.
//!
//! What a node sends is checked for what can be checked cheaply: emitters and topics that were asked for, blocks in range,
//! order, hashes of blocks that agree with their headers. [`super::OceanLedger::verify_log`](crate::ledger::Ledger::verify_log)
//! checks what takes longer: see [`super::audit`].

use std::collections::HashMap;

use alloy::primitives::{Address as EvmAddress, B256};
use redb::TableDefinition;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::Commitment;
use super::convert::{digest, ours, to_evm};
use super::node::{Header, Node};
use super::replay::{Entry, position};
use crate::codec::{from_canonical, to_canonical};
use crate::durable::{Durable, Format};
use crate::ledger::LedgerError;
use crate::{Address, Digest};

type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// Blocks of the first page. A page grows while the node answers, and shrinks when it does not.
const FIRST_PAGE: u64 = 1 << 14;
const LARGEST_PAGE: u64 = 1 << 22;
/// A node whose head is so far behind what was read is not behind, it is wrong.
const FARTHEST_BEHIND: u64 = 256;
/// Contracts that are asked for at once.
pub(super) const EMITTERS: usize = 512;
/// Longest data of a log, in bytes: at 8 gas a byte, 32 million gas.
const LOG_LIMIT: usize = 4 << 20;
/// Longest kept log, in bytes.
const ENTRY_LIMIT: usize = LOG_LIMIT + (64 << 10);

const FORMAT: Format = Format { name: "sealock-ocean-logs", version: 1 };
/// By feed: how far it has read.
const CURSORS: TableDefinition<&[u8; 32], &[u8]> = TableDefinition::new("cursors");
/// By feed and number: its logs.
const ENTRIES: TableDefinition<(&[u8; 32], u64), &[u8]> = TableDefinition::new("entries");

/// By datatoken, service and order: the transaction of ours that was to refund it.
const REFUNDS: TableDefinition<(&[u8; 20], u32, u64), &[u8; 32]> = TableDefinition::new("refunds");

/// By datatoken, service and commitment: the last transaction of ours that was to order it.
const SENT: TableDefinition<OfCommitment<'_>, &[u8; 32]> = TableDefinition::new("sent");
type OfCommitment<'a> = (&'a [u8; 20], u32, &'a [u8; 32]);

/// Where a feed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    /// The next block to read.
    next: u64,
    /// The hash of the one before it, if any was read.
    hash: Option<Digest>,
    /// How many logs there were.
    entries: u64,
}

/// What was read before, on the disk or in memory.
pub(super) struct Cache(Durable);

impl Cache {
    pub(super) fn open(path: &std::path::Path) -> Result<Self> {
        Ok(Self(Durable::open(path, FORMAT)?))
    }

    pub(super) fn in_memory() -> Result<Self> {
        Ok(Self(Durable::in_memory(FORMAT)?))
    }

    /// Notes the transaction that is about to order a commitment.
    pub(super) fn ordering(&self, of: &Commitment, tx: B256) -> Result<()> {
        let (token, service, commitment) = of;
        self.0.write(|txn| -> Result<()> {
            let mut table = txn.open_table(SENT)?;
            table.insert((token.as_bytes(), *service, commitment), &tx.0)?;
            Ok(())
        })
    }

    /// The order is there, and its caller knows.
    pub(super) fn forget_ordering(&self, of: &Commitment) -> Result<()> {
        let (token, service, commitment) = of;
        self.0.write(|txn| -> Result<()> {
            let mut table = txn.open_table(SENT)?;
            table.remove((token.as_bytes(), *service, commitment))?;
            Ok(())
        })
    }

    /// The transaction that was noted for a commitment.
    pub(super) fn ordered(&self, of: &Commitment) -> Result<Option<B256>> {
        let (token, service, commitment) = of;
        self.0.read_table(SENT, |table| {
            let row = table.get((token.as_bytes(), *service, commitment))?;
            Ok(row.map(|row| B256::from(*row.value())))
        })
    }

    /// The transaction that was noted as the refund of an order.
    pub(super) fn refunded(&self, token: Address, service: u32, order: u64) -> Result<Option<B256>> {
        let key = (token.as_bytes(), service, order);
        self.0.read_table(REFUNDS, |table| Ok(table.get(key)?.map(|row| B256::from(*row.value()))))
    }

    /// Notes the transaction that is about to refund an order.
    pub(super) fn refunding(&self, token: Address, service: u32, order: u64, tx: B256) -> Result<()> {
        self.0.write(|txn| -> Result<()> {
            let mut table = txn.open_table(REFUNDS)?;
            table.insert((token.as_bytes(), service, order), &tx.0)?;
            Ok(())
        })
    }

    fn load(&self, id: &Digest) -> Result<Option<(Cursor, Vec<Entry>)>> {
        let cursor = self.0.read_table(CURSORS, |table| -> Result<_> {
            let Some(row) = table.get(id.as_bytes())? else { return Ok(None) };
            Ok(Some(from_canonical::<Cursor>("cursor", row.value(), 256)?))
        })?;
        let Some(cursor) = cursor else { return Ok(None) };
        let entries = self.0.read_table(ENTRIES, |table| -> Result<Option<Vec<Entry>>> {
            let rows = table.range((id.as_bytes(), 0)..(id.as_bytes(), cursor.entries))?;
            let mut entries = Vec::new();
            for row in rows {
                // What does not decode is read again.
                match from_canonical("log", row?.1.value(), ENTRY_LIMIT) {
                    Ok(entry) => entries.push(entry),
                    Err(_) => return Ok(None),
                }
            }
            Ok(Some(entries))
        })?;
        let entries = entries.unwrap_or_default();
        // A cursor without its logs was never written by us; what is missing is read again.
        Ok((entries.len() as u64 == cursor.entries).then_some((cursor, entries)))
    }

    fn keep(&self, id: &Digest, from: u64, cursor: Cursor, entries: &[Entry]) -> Result<()> {
        self.0.write(|txn| {
            let mut table = txn.open_table(ENTRIES)?;
            for (number, entry) in (from..).zip(entries) {
                table.insert((id.as_bytes(), number), to_canonical("log", entry)?.as_slice())?;
            }
            txn.open_table(CURSORS)?.insert(id.as_bytes(), to_canonical("cursor", &cursor)?.as_slice())?;
            Ok(())
        })
    }

    fn forget(&self, id: &Digest) -> Result<()> {
        self.0.write(|txn| {
            txn.open_table(CURSORS)?.remove(id.as_bytes())?;
            Ok(())
        })
    }
}

/// The logs of some contracts.
pub(super) struct Feed {
    id: Digest,
    emitters: Vec<Address>,
    topics: Vec<B256>,
    cursor: Cursor,
    page: u64,
    broken: Option<(u64, String)>,
}

impl Feed {
    /// A feed from block `start` on, and what the cache has of it, if that is still on the chain.
    pub(super) fn open(
        node: &Node,
        cache: &Cache,
        start: u64,
        emitters: Vec<Address>,
        topics: Vec<B256>,
    ) -> Result<(Self, Vec<Entry>)> {
        let mut parts: Vec<&[u8]> = emitters.iter().map(|emitter| emitter.as_bytes().as_slice()).collect();
        parts.extend(topics.iter().map(|topic| topic.as_slice()));
        let chain = [node.chain_id().to_be_bytes(), start.to_be_bytes()].concat();
        parts.push(&chain);
        let id = Digest::of("sealock/v1/ocean/feed", &parts);
        let fresh = Cursor { next: start, hash: None, entries: 0 };
        let mut feed = Self { id, emitters, topics, cursor: fresh, page: FIRST_PAGE, broken: None };
        if let Some((cursor, entries)) = cache.load(&id)? {
            let there = match (cursor.hash, cursor.next.checked_sub(1)) {
                (Some(hash), Some(last)) => node.header(last)?.is_some_and(|header| digest(header.hash) == hash),
                _ => true,
            };
            if there {
                feed.cursor = cursor;
                return Ok((feed, entries));
            }
            tracing::warn!(block = cursor.next, "the chain has other blocks than before: its logs are read anew");
            cache.forget(&id)?;
        }
        Ok((feed, Vec::new()))
    }

    /// Whether what was read is what an audit found: all logs of the chain in blocks up to `last`.
    pub(super) fn agrees(&self, cache: &Cache, all: &[Entry], last: u64) -> Result<bool> {
        let Some((_, kept)) = cache.load(&self.id)? else { return Ok(true) };
        let topics: Vec<Digest> = self.topics.iter().map(|topic| digest(*topic)).collect();
        let ours = |entry: &&Entry| {
            entry.block < self.cursor.next
                && self.emitters.contains(&entry.emitter)
                && entry.topics.first().is_some_and(|topic| topics.contains(topic))
        };
        Ok(kept.iter().filter(|entry| entry.block <= last).eq(all.iter().filter(ours)))
    }

    /// What was read is wrong: it is forgotten, and the feed stays failed until it is opened again.
    pub(super) fn fail(&mut self, cache: &Cache, why: &str) -> Result<()> {
        cache.forget(&self.id)?;
        self.broken = Some((position(self.cursor.next, 0), why.to_owned()));
        Ok(())
    }

    /// Reads on, up to and with block `last`, and hands every new log to `take`.
    ///
    /// # Errors
    /// [`LedgerError::BrokenLog`] from the first time on that the chain has another block where the feed had read.
    pub(super) fn advance(
        &mut self,
        node: &Node,
        cache: &Cache,
        last: u64,
        mut take: impl FnMut(&Entry),
    ) -> Result<()> {
        if let Some((index, why)) = &self.broken {
            return Err(LedgerError::BrokenLog { index: *index, why: why.clone() });
        }
        if let (Some(hash), Some(read)) = (self.cursor.hash, self.cursor.next.checked_sub(1)) {
            let now = node.header(read)?.map(|header| digest(header.hash));
            // A node that is behind has no such block yet, which is no other block.
            if now.is_some_and(|now| now != hash) {
                let why = format!(
                    "block {read} of the chain is another than the one that was read: it was reorganised deeper than finality allows for"
                );
                self.fail(cache, &why)?;
                return Err(LedgerError::BrokenLog { index: position(self.cursor.next, 0), why });
            }
        }
        if last.saturating_add(FARTHEST_BEHIND) < self.cursor.next {
            return Err(
                node.lies(format!("its last block is {last}, and block {} was read before", self.cursor.next - 1))
            );
        }
        while self.cursor.next <= last {
            let to = last.min(self.cursor.next.saturating_add(self.page - 1));
            let logs = match logs(node, &self.emitters, &self.topics, self.cursor.next, to) {
                Err(Unread::TooMuch(_)) if to > self.cursor.next => {
                    self.page = (to - self.cursor.next).div_ceil(2).max(1);
                    continue;
                }
                Err(Unread::TooMuch(error) | Unread::Failed(error)) => return Err(error),
                Ok(logs) => logs,
            };
            self.page = self.page.saturating_mul(2).min(LARGEST_PAGE);
            let (logs, end) = logs;
            let entries = date(node, logs, &end)?;
            let cursor = Cursor {
                next: to + 1,
                hash: Some(digest(end.hash)),
                entries: self.cursor.entries + entries.len() as u64,
            };
            cache.keep(&self.id, self.cursor.entries, cursor, &entries)?;
            self.cursor = cursor;
            entries.iter().for_each(&mut take);
        }
        Ok(())
    }
}

/// A log as a node sends it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RawLog {
    address: EvmAddress,
    topics: Vec<B256>,
    data: alloy::primitives::Bytes,
    #[serde(with = "alloy::serde::quantity::opt", default)]
    block_number: Option<u64>,
    #[serde(default)]
    block_hash: Option<B256>,
    #[serde(default)]
    transaction_hash: Option<B256>,
    #[serde(with = "alloy::serde::quantity::opt", default)]
    log_index: Option<u64>,
    #[serde(default)]
    removed: bool,
}

impl RawLog {
    /// The log with the time of its block; `None` for one that is in no block.
    pub(super) fn entry(&self, time: u64) -> Option<Entry> {
        Some(Entry {
            block: self.block_number?,
            index: self.log_index?,
            tx: digest(self.transaction_hash?),
            time,
            emitter: ours(self.address),
            topics: self.topics.iter().map(|topic| digest(*topic)).collect(),
            data: self.data.to_vec(),
        })
    }

    pub(super) fn block(&self) -> Option<(u64, B256)> {
        Some((self.block_number?, self.block_hash?))
    }

    fn place(&self) -> Option<(u64, u64)> {
        Some((self.block_number?, self.log_index?))
    }
}

/// Why logs were not read.
pub(super) enum Unread {
    /// Fewer blocks may do.
    TooMuch(LedgerError),
    Failed(LedgerError),
}

impl From<LedgerError> for Unread {
    fn from(error: LedgerError) -> Self {
        Unread::Failed(error)
    }
}

/// The logs of `emitters` under `topics` in blocks `from..=to`, in their order, and the header of the last block. Both are
/// asked for in one request: a node that has not got the last block yet has no logs of it, and says so by its header.
pub(super) fn logs(
    node: &Node,
    emitters: &[Address],
    topics: &[B256],
    from: u64,
    to: u64,
) -> std::result::Result<(Vec<RawLog>, Header), Unread> {
    let mut all = Vec::new();
    let mut end: Option<Header> = None;
    for emitters in emitters.chunks(EMITTERS) {
        let wanted: Vec<EvmAddress> = emitters.iter().map(|emitter| to_evm(*emitter)).collect();
        let filter = json!([{
            "address": wanted, "topics": [topics], "fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}"),
        }]);
        let asked = node.ask_both::<Vec<RawLog>, Option<Header>>(
            ("eth_getLogs", filter),
            ("eth_getBlockByNumber", json!([block_tag(to), false])),
        );
        let (found, header) = asked.map_err(|refusal| {
            let small = refusal.is_too_much(to - from + 1);
            let error = node.failed("for logs", refusal);
            if small { Unread::TooMuch(error) } else { Unread::Failed(error) }
        })?;
        let header = header.filter(|header| header.number == to);
        let header = header.ok_or_else(|| node.lies(format!("it has no block {to} below its head")))?;
        if end.as_ref().is_some_and(|end| end.hash != header.hash) {
            return Err(node.lies(format!("its block {to} changed while it was read")).into());
        }
        end = Some(header);
        for log in &found {
            let asked = wanted.contains(&log.address) && log.topics.first().is_some_and(|topic| topics.contains(topic));
            let placed =
                log.block().is_some_and(|(block, _)| (from..=to).contains(&block)) && log.transaction_hash.is_some();
            if !asked || !placed || log.removed || log.topics.len() > 4 {
                return Err(node.lies("it sent a log that was not asked for".into()).into());
            }
            if log.data.len() > LOG_LIMIT {
                let why =
                    format!("it sent a log of {} bytes, no block has room for more than {LOG_LIMIT}", log.data.len());
                return Err(node.lies(why).into());
            }
        }
        all.extend(found);
    }
    all.sort_by_key(RawLog::place);
    if all.windows(2).any(|two| two[0].place() == two[1].place()) {
        return Err(node.lies("it sent one log twice".into()).into());
    }
    let end = match end {
        Some(end) => end,
        None => node.header(to)?.ok_or_else(|| node.lies(format!("it has no block {to} below its head")))?,
    };
    Ok((all, end))
}

/// Gives logs the times of their blocks, whose hashes must be what the headers say. `end` is the last block's header.
pub(super) fn date(node: &Node, logs: Vec<RawLog>, end: &Header) -> Result<Vec<Entry>> {
    let mut headers: HashMap<u64, Header> = HashMap::from([(end.number, end.clone())]);
    let mut entries = Vec::with_capacity(logs.len());
    for log in logs {
        let (number, hash) = log.block().ok_or_else(|| node.lies("it sent a log without its block".into()))?;
        let header = match headers.get(&number) {
            Some(header) => header,
            None => {
                let header = node.header(number)?;
                headers.entry(number).or_insert(
                    header.ok_or_else(|| node.lies(format!("it has logs of block {number}, and no such block")))?,
                )
            }
        };
        if header.hash != hash {
            return Err(node.lies(format!("its logs of block {number} are of another block than its header")));
        }
        entries.push(log.entry(header.timestamp).ok_or_else(|| node.lies("it sent half a log".into()))?);
    }
    Ok(entries)
}

/// A block's number as a parameter.
pub(super) fn block_tag(number: u64) -> Json {
    Json::from(format!("{number:#x}"))
}
