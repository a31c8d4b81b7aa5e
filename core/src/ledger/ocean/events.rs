//! The log of everything that Ocean's factory made, as [`Event`]s.
//!
//! An event's position is its block times 2^20 plus its place in the block: positions rise and have gaps. Prices and
//! dispensers are set in Ocean's exchange and dispenser, whose logs tell no whole terms: [`Ledger::price`] reads those, and
//! the log has only what was sold and given.
//!
//! [`Ledger::price`]: crate::ledger::Ledger::price

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolEvent;

use super::abi::{Datatoken, DispenserContract, Factory, FixedRateExchange, Nft};
use super::convert::{clamped, digest, from_u256, ours};
use super::feed::{Unread, date, logs};
use super::record::TermsRecord;
use super::replay::{Entry, position};
use super::{Kind, OceanLedger, Result};
use crate::Address;
use crate::ledger::{Control, Event, EventKind, LedgerError};

/// Blocks that are read at once.
const PAGE: u64 = 4096;

/// Every topic that becomes an event.
pub(super) fn topics() -> Vec<B256> {
    let mut topics = super::replay::topics();
    topics.extend(super::sale::sale_topics());
    topics.extend([
        Factory::NFTCreated::SIGNATURE_HASH,
        Factory::TokenCreated::SIGNATURE_HASH,
        Nft::MetadataCreated::SIGNATURE_HASH,
        Nft::MetadataUpdated::SIGNATURE_HASH,
        Datatoken::AddedMinter::SIGNATURE_HASH,
        Datatoken::RemovedMinter::SIGNATURE_HASH,
        Datatoken::CleanedPermissions::SIGNATURE_HASH,
    ]);
    topics
}

impl OceanLedger {
    /// Every contract whose logs become events, as of the last block that counts.
    pub(super) fn emitters(&self) -> Result<Vec<Address>> {
        self.with_created(|created| {
            let mut all = vec![self.addresses.factory, self.addresses.fixed_rate, self.addresses.dispenser];
            all.extend(&created.nfts);
            all.extend(&created.tokens);
            Ok(all)
        })
    }

    /// The events in blocks `from..=to`.
    fn events_in(&self, emitters: &[Address], from: u64, to: u64) -> Result<Vec<Event>, Unread> {
        let (found, end) = logs(&self.node, emitters, &topics(), from, to)?;
        let hashes: Vec<_> = found.iter().map(|log| log.block().map_or(B256::ZERO, |(_, hash)| hash)).collect();
        let mut events = Vec::new();
        for (entry, hash) in date(&self.node, found, &end)?.iter().zip(hashes) {
            if let Some((emitter, kind)) = self.event_of(entry)? {
                let index = position(entry.block, entry.index);
                events.push(Event { index, previous: digest(hash), tx: entry.tx, time: entry.time, emitter, kind });
            }
        }
        Ok(events)
    }

    pub(super) fn log(&self, from: u64, limit: usize) -> Result<Vec<Event>> {
        let Some(last) = self.horizon()? else { return Ok(Vec::new()) };
        let emitters = self.emitters()?;
        let mut next = (from >> 20).max(self.addresses.start_block);
        let (mut events, mut page) = (Vec::new(), PAGE);
        while next <= last && events.len() < limit {
            let to = last.min(next.saturating_add(page - 1));
            match self.events_in(&emitters, next, to) {
                Err(Unread::TooMuch(_)) if to > next => page = (to - next).div_ceil(2).max(1),
                Err(Unread::TooMuch(error) | Unread::Failed(error)) => return Err(error),
                Ok(found) => {
                    events.extend(found.into_iter().filter(|event| event.index >= from));
                    next = to + 1;
                }
            }
        }
        events.truncate(limit);
        Ok(events)
    }

    /// What a log says, and of whom.
    pub(super) fn event_of(&self, entry: &Entry) -> Result<Option<(Address, EventKind)>> {
        let emitter = entry.emitter;
        if emitter == self.addresses.factory {
            return self.of_factory(entry);
        }
        if emitter == self.addresses.fixed_rate {
            let Some(swap) = entry.decode::<FixedRateExchange::Swapped>() else { return Ok(None) };
            let there = self.view(emitter, FixedRateExchange::getExchangeCall { id: swap.exchangeId })?;
            // The other way, a datatoken is sold back.
            let sold = swap.tokenOutAddress == there.datatoken;
            return Ok(sold.then(|| {
                let kind = EventKind::Sold {
                    buyer: ours(swap.by),
                    amount: clamped(swap.datatokenSwappedAmount),
                    base_token: ours(there.baseToken),
                    cost: clamped(swap.baseTokenSwappedAmount),
                };
                (ours(there.datatoken), kind)
            }));
        }
        if emitter == self.addresses.dispenser {
            let dispensed = entry.decode::<DispenserContract::TokensDispensed>();
            return Ok(dispensed.map(|given| {
                let kind = EventKind::Dispensed { to: ours(given.userAddress), amount: clamped(given.amount) };
                (ours(given.datatokenAddress), kind)
            }));
        }
        match self.nft(emitter) {
            Ok(()) => return self.of_nft(entry),
            Err(LedgerError::UnknownToken { .. }) => {}
            Err(e) => return Err(e),
        }
        match self.kind(emitter) {
            Ok(_) => self.of_token(entry),
            Err(LedgerError::UnknownToken { .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn of_factory(&self, entry: &Entry) -> Result<Option<(Address, EventKind)>> {
        if let Some(made) = entry.decode::<Factory::NFTCreated>() {
            let kind = EventKind::NftCreated { owner: ours(made.admin), name: made.tokenName, symbol: made.symbol };
            return Ok(Some((ours(made.newTokenAddress), kind)));
        }
        let Some(made) = entry.decode::<Factory::TokenCreated>() else { return Ok(None) };
        let token = ours(made.newTokenAddress);
        let control = match self.kind(token) {
            Ok(Kind::Datatoken { nft }) => Control::Nft(nft),
            Ok(Kind::Coin { .. } | Kind::Foreign) => Control::Deployer(ours(made.creator)),
            // Made beside its NFT, and none of its.
            Err(LedgerError::UnknownToken { .. }) => return Ok(None),
            Err(e) => return Err(e),
        };
        let kind = EventKind::TokenCreated { control, name: made.name, symbol: made.symbol, cap: clamped(made.cap) };
        Ok(Some((token, kind)))
    }

    fn of_nft(&self, entry: &Entry) -> Result<Option<(Address, EventKind)>> {
        let nft = entry.emitter;
        if let Some(moved) = entry.decode::<Nft::Transfer>() {
            let made = moved.from == alloy::primitives::Address::ZERO;
            let kind = EventKind::NftTransferred { from: ours(moved.from), to: ours(moved.to) };
            return Ok((!made && moved.tokenId == U256::ONE).then_some((nft, kind)));
        }
        if let Some((hash, size)) = super::description::metadata_event(entry) {
            return Ok(Some((nft, EventKind::MetadataUpdated { hash, size })));
        }
        let Some(changed) = entry.decode::<Nft::DataChanged>() else { return Ok(None) };
        // Anybody may write what he likes into an NFT of his own, of whatever datatoken.
        let of_this = |token: Address| match self.datatoken(token) {
            Ok(its) => Ok(its == nft),
            Err(LedgerError::UnknownToken { .. }) => Ok(false),
            Err(e) => Err(e),
        };
        if let Some(TermsRecord { token, service, terms, .. }) = TermsRecord::read(changed.key, &changed.value) {
            let at = position(entry.block, entry.index);
            let counted = of_this(token)? && self.with_replay(token, |replay| Ok(replay.set_terms_at(at)))?;
            return Ok(counted.then_some((token, EventKind::OrderTermsSet { service, terms })));
        }
        let Some(record) = super::record::RevocationRecord::read(changed.key, &changed.value) else { return Ok(None) };
        if !of_this(record.token)? {
            return Ok(None);
        }
        let counted = self.with_replay(record.token, |replay| {
            let all = replay.service(record.service).map_or(&[][..], |service| &service.revocations);
            Ok(all.iter().find(|revocation| revocation.order == record.order && revocation.tx == entry.tx).copied())
        })?;
        Ok(counted.map(|r| {
            let crate::ledger::Revocation { service, number, order, effective, refunded, .. } = r;
            (record.token, EventKind::OrderRevoked { service, number, order, effective, refunded })
        }))
    }

    fn of_token(&self, entry: &Entry) -> Result<Option<(Address, EventKind)>> {
        let token = entry.emitter;
        let kind = if let Some(moved) = entry.decode::<Datatoken::Transfer>() {
            let Some(amount) = from_u256(moved.value) else { return Ok(None) };
            EventKind::Transfer { from: ours(moved.from), to: ours(moved.to), amount }
        } else if let Some(added) = entry.decode::<Datatoken::AddedMinter>() {
            EventKind::MinterAdded { account: ours(added.user) }
        } else if let Some(removed) = entry.decode::<Datatoken::RemovedMinter>() {
            EventKind::MinterRemoved { account: ours(removed.user) }
        } else if entry.decode::<Datatoken::CleanedPermissions>().is_some() {
            EventKind::OffersCleared
        } else if entry.decode::<Datatoken::OrderStarted>().is_some() {
            let at = position(entry.block, entry.index);
            let order = match self.kind(token)? {
                Kind::Datatoken { .. } => self.with_replay(token, |replay| Ok(replay.order_at(at).copied()))?,
                _ => None,
            };
            let Some(order) = order else { return Ok(None) };
            let crate::ledger::Order { service, index, consumer, commitment, limit, expiry, amount, .. } = order;
            EventKind::OrderStarted { consumer, service, index, commitment, limit, expiry, amount }
        } else {
            return Ok(None);
        };
        Ok(Some((token, kind)))
    }
}
