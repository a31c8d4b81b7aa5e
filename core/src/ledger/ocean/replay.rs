//! The orders of a datatoken, from the events of the datatoken and its NFT: a fold that anybody can repeat.
//!
//! An order counts if
//! - `OrderStarted` was **emitted by the datatoken itself** (a log of another contract, or of another datatoken in the same
//!   transaction, says nothing here), through whichever contract it was called;
//! - it paid one whole datatoken or more;
//! - its provider fee, the next `ProviderFee` of this datatoken in the transaction, carries an
//!   [offer](super::OrderOffer) for this chain, datatoken, service and consumer, signed by the owner that the NFT has at
//!   that point of the log or by a provider that the terms of the service appoint at that point, and not too old;
//! - its commitment is not zero, and no earlier order of the service has it.
//!
//! `OrderReused` names any transaction that its sender likes, and is no order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use alloy::primitives::{B256, Log, LogData, U256};
use alloy::sol_types::SolEvent;
use serde::{Deserialize, Serialize};

use super::abi::{Datatoken, Nft};
use super::convert::{from_u256, ours};
use super::record::{RevocationRecord, SignedOffer, TermsRecord};
use crate::ledger::{Amount, Order, OrderTerms, Revocation, check};
use crate::{Address, Digest, time::Timestamp};

/// How many orders that do not count are remembered, with the reason.
const MAX_REJECTED: usize = 1024;

/// A log of the chain, with the time of its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) block: u64,
    /// Position in the block.
    pub(super) index: u64,
    pub(super) tx: Digest,
    pub(super) time: Timestamp,
    pub(super) emitter: Address,
    pub(super) topics: Vec<Digest>,
    #[serde(with = "serde_bytes")]
    pub(super) data: Vec<u8>,
}

impl Entry {
    /// The event `E`, if it is one.
    pub(super) fn decode<E: SolEvent>(&self) -> Option<E> {
        let topics = self.topics.iter().map(|topic| B256::from(*topic.as_bytes())).collect();
        let data = LogData::new(topics, self.data.clone().into())?;
        let address = super::convert::to_evm(self.emitter);
        // ERC-20 and ERC-721 have the same signature for `Transfer`; the number of indexed fields tells them apart.
        (self.topics.first()?.as_bytes() == E::SIGNATURE_HASH.as_slice())
            .then(|| E::decode_log_validate(&Log { address, data }).ok().map(|log| log.data))?
    }
}

/// A service of the datatoken.
#[derive(Debug, Default)]
pub(super) struct Service {
    pub(super) terms: Option<OrderTerms>,
    providers: BTreeSet<Address>,
    pub(super) orders: Vec<Order>,
    /// Where in the log each of them is.
    positions: Vec<u64>,
    commitments: HashSet<[u8; 32]>,
    pub(super) revocations: Vec<Revocation>,
    revoked: HashSet<u64>,
}

/// An order whose provider fee is yet to come.
struct Started {
    at: u64,
    tx: Digest,
    consumer: Address,
    service: U256,
    amount: U256,
}

/// The state of a datatoken after the events so far.
pub(super) struct Replay {
    chain: u64,
    nft: Address,
    token: Address,
    owner: Option<Address>,
    services: BTreeMap<u32, Service>,
    started: Option<Started>,
    /// What owners paid to others, by transaction and with its block: what may turn out to be a refund.
    paid: HashMap<Digest, Vec<Paid>>,
    rejected: VecDeque<(Digest, &'static str)>,
    /// Where in the log terms were set.
    terms_set: HashSet<u64>,
    /// Service and number of the order that an `OrderStarted` at a position began.
    places: HashMap<u64, (u32, usize)>,
}

/// A payment: where in the log, to whom, how much.
type Paid = (u64, Address, Amount);

/// What an event did here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Nothing,
    Terms(u32, OrderTerms),
    Order(Order),
    Revocation(Revocation),
}

impl Replay {
    pub(super) fn new(chain: u64, nft: Address, token: Address) -> Self {
        Self {
            chain,
            nft,
            token,
            owner: None,
            services: BTreeMap::new(),
            started: None,
            paid: HashMap::new(),
            rejected: VecDeque::new(),
            terms_set: HashSet::new(),
            places: HashMap::new(),
        }
    }

    pub(super) fn service(&self, number: u32) -> Option<&Service> {
        self.services.get(&number)
    }

    pub(super) fn has_commitment(&self, service: u32, commitment: &[u8; 32]) -> bool {
        self.service(service).is_some_and(|service| service.commitments.contains(commitment))
    }

    pub(super) fn is_revoked(&self, service: u32, order: u64) -> bool {
        self.service(service).is_some_and(|service| service.revoked.contains(&order))
    }

    /// Who may sign offers of a service now.
    pub(super) fn providers(&self, service: u32) -> BTreeSet<Address> {
        let mut all = self.service(service).map(|service| service.providers.clone()).unwrap_or_default();
        all.extend(self.owner);
        all
    }

    /// Those that the terms appoint, beside the owner.
    pub(super) fn appointed(&self, service: u32) -> BTreeSet<Address> {
        self.service(service).map(|service| service.providers.clone()).unwrap_or_default()
    }

    /// Why the order of a transaction does not count.
    pub(super) fn rejection(&self, tx: Digest) -> Option<&'static str> {
        self.rejected.iter().rev().find(|(rejected, _)| *rejected == tx).map(|(_, why)| *why)
    }

    /// The order whose `OrderStarted` is at a position of the log.
    pub(super) fn order_at(&self, at: u64) -> Option<&Order> {
        let (service, number) = self.places.get(&at)?;
        self.service(*service)?.orders.get(*number)
    }

    /// Whether the terms at a position of the log were taken.
    pub(super) fn set_terms_at(&self, at: u64) -> bool {
        self.terms_set.contains(&at)
    }

    /// Takes the next event. Events come in the order of the chain.
    pub(super) fn apply(&mut self, entry: &Entry) -> Outcome {
        if self.started.as_ref().is_some_and(|started| started.tx != entry.tx) {
            self.started = None;
        }
        if entry.emitter == self.nft {
            return self.of_nft(entry);
        }
        if entry.emitter == self.token { self.of_token(entry) } else { Outcome::Nothing }
    }

    fn of_nft(&mut self, entry: &Entry) -> Outcome {
        if let Some(moved) = entry.decode::<Nft::Transfer>() {
            if moved.tokenId == U256::ONE {
                self.owner = Some(ours(moved.to));
                self.services.values_mut().for_each(|service| service.providers.clear());
            }
            return Outcome::Nothing;
        }
        let Some(changed) = entry.decode::<Nft::DataChanged>() else { return Outcome::Nothing };
        if let Some(record) = TermsRecord::read(changed.key, &changed.value)
            && record.token == self.token
        {
            let service = self.services.entry(record.service).or_default();
            if service.terms.is_some_and(|old| check::same_epochs(old, record.terms).is_err()) {
                return Outcome::Nothing;
            }
            service.terms = Some(record.terms);
            service.providers = record.providers;
            self.terms_set.insert(position(entry.block, entry.index));
            return Outcome::Terms(record.service, record.terms);
        }
        match RevocationRecord::read(changed.key, &changed.value) {
            Some(record) if record.token == self.token => self.revoke(entry, &record),
            _ => Outcome::Nothing,
        }
    }

    fn of_token(&mut self, entry: &Entry) -> Outcome {
        if let Some(started) = entry.decode::<Datatoken::OrderStarted>() {
            let Datatoken::OrderStarted { consumer, amount, serviceIndex: service, .. } = started;
            self.started = Some(Started {
                at: position(entry.block, entry.index),
                tx: entry.tx,
                consumer: ours(consumer),
                service,
                amount,
            });
        } else if entry.decode::<Datatoken::OrderReused>().is_some() {
            self.started = None;
        } else if let Some(fee) = entry.decode::<Datatoken::ProviderFee>() {
            if let Some(started) = self.started.take() {
                match self.order(entry, &started, &fee) {
                    Ok(order) => return Outcome::Order(order),
                    Err(why) => {
                        tracing::debug!(token = %self.token, tx = %entry.tx, why, "an order does not count");
                        if self.rejected.len() == MAX_REJECTED {
                            self.rejected.pop_front();
                        }
                        self.rejected.push_back((entry.tx, why));
                    }
                }
            }
        } else if let Some(moved) = entry.decode::<Datatoken::Transfer>()
            && self.owner == Some(ours(moved.from))
            && let Some(amount) = from_u256(moved.value)
            && amount >= Amount::ONE
        {
            let at = position(entry.block, entry.index);
            self.paid.entry(entry.tx).or_default().push((at, ours(moved.to), amount));
        }
        Outcome::Nothing
    }

    fn order(&mut self, entry: &Entry, started: &Started, fee: &Datatoken::ProviderFee) -> Result<Order, &'static str> {
        let amount = from_u256(started.amount).filter(|amount| *amount >= Amount::ONE);
        let amount = amount.ok_or("it paid less than one datatoken")?;
        let number = u32::try_from(started.service).map_err(|_| "there is no such service")?;
        let signed = SignedOffer::of_fee(fee)?;
        let offer = signed.offer;
        if offer.chain != self.chain || offer.token != self.token || offer.service != number {
            return Err("its offer is for another asset or service");
        }
        if offer.consumer != started.consumer {
            return Err("its offer is for another consumer");
        }
        let owner = self.owner;
        let service = self.services.get_mut(&number).ok_or("there is no such service")?;
        let terms = service.terms.ok_or("there is no such service")?;
        if owner != Some(signed.provider) && !service.providers.contains(&signed.provider) {
            return Err("its provider is neither the owner nor appointed");
        }
        if signed.valid_until != 0 && entry.time > signed.valid_until {
            return Err("its offer had expired");
        }
        check::terms(offer.terms)
            .and_then(|()| check::same_epochs(terms, offer.terms))
            .map_err(|_| "its terms are invalid")?;
        check::commitment(&offer.commitment).map_err(|_| "its commitment is all zeros")?;
        let expiry = check::expiry(entry.time, offer.terms).map_err(|_| "its terms are invalid")?;
        if !service.commitments.insert(offer.commitment) {
            return Err("an earlier order has its commitment");
        }
        let order = Order {
            token: self.token,
            service: number,
            index: service.orders.len() as u64,
            consumer: started.consumer,
            commitment: offer.commitment,
            limit: offer.terms.limit,
            expiry,
            amount,
            tx: entry.tx,
            time: entry.time,
        };
        self.places.insert(started.at, (number, service.orders.len()));
        service.orders.push(order);
        service.positions.push(started.at);
        Ok(order)
    }

    fn revoke(&mut self, entry: &Entry, record: &RevocationRecord) -> Outcome {
        let Some(service) = self.services.get_mut(&record.service) else { return Outcome::Nothing };
        let order = usize::try_from(record.order).ok();
        let order = order.and_then(|order| Some((service.orders.get(order)?, *service.positions.get(order)?)));
        let Some((order, ordered)) = order else { return Outcome::Nothing };
        if check::effective(entry.time, record.effective).is_err() || !service.revoked.insert(record.order) {
            return Outcome::Nothing;
        }
        let refunded = record.refund.is_some_and(|tx| {
            let Some(paid) = self.paid.get_mut(&tx) else { return false };
            // What was paid before the order, it did not pay back.
            let fits = |paid: &Paid| (paid.1, paid.2) == (order.consumer, order.amount) && paid.0 > ordered;
            let at = paid.iter().position(fits);
            at.is_some_and(|at| {
                paid.swap_remove(at);
                true
            })
        });
        let revocation = Revocation {
            token: self.token,
            service: record.service,
            number: service.revocations.len() as u64,
            order: record.order,
            effective: record.effective,
            refunded,
            tx: entry.tx,
            time: entry.time,
        };
        service.revocations.push(revocation);
        Outcome::Revocation(revocation)
    }
}

/// The topics that a replay reads.
pub(super) fn topics() -> Vec<B256> {
    vec![
        // Of the NFT and of the datatoken: both `Transfer` have the same signature.
        Nft::Transfer::SIGNATURE_HASH,
        Nft::DataChanged::SIGNATURE_HASH,
        Datatoken::OrderStarted::SIGNATURE_HASH,
        Datatoken::OrderReused::SIGNATURE_HASH,
        Datatoken::ProviderFee::SIGNATURE_HASH,
    ]
}

/// The position of an entry, as events are numbered: at most 2^20 in a block.
pub(super) fn position(block: u64, index: u64) -> u64 {
    block << 20 | index & ((1 << 20) - 1)
}

#[cfg(test)]
mod tests {
    use super::super::record::OrderOffer;
    use super::*;
    use crate::Account;
    use crate::ledger::ocean::convert::to_evm;

    const CHAIN: u64 = 8996;
    const NFT: Address = Address::from_bytes([1; 20]);
    const TOKEN: Address = Address::from_bytes([2; 20]);
    const CONSUMER: Address = Address::from_bytes([3; 20]);
    const TERMS: OrderTerms = OrderTerms::new(3, 600);

    struct Log {
        replay: Replay,
        owner: Account,
        index: u64,
    }

    impl Log {
        /// A datatoken whose service 0 has terms.
        fn begin() -> Self {
            let owner = Account::generate();
            let mut log = Self { replay: Replay::new(CHAIN, NFT, TOKEN), owner, index: 0 };
            let owner = to_evm(log.owner.address());
            log.say(NFT, 0, Nft::Transfer { from: Default::default(), to: owner, tokenId: U256::ONE });
            let record = TermsRecord { token: TOKEN, service: 0, terms: TERMS, providers: BTreeSet::new() };
            let terms = Nft::DataChanged { key: TermsRecord::key(TOKEN, 0), value: record.to_bytes() };
            assert_eq!(log.say(NFT, 0, terms), Outcome::Terms(0, TERMS));
            log
        }

        /// An event in transaction number `tx`, at second 1,000.
        fn say(&mut self, emitter: Address, tx: u8, event: impl SolEvent) -> Outcome {
            self.index += 1;
            let data = event.encode_log_data();
            self.replay.apply(&Entry {
                block: 7,
                index: self.index,
                tx: Digest::from_bytes([tx; 32]),
                time: 1000,
                emitter,
                topics: data.topics().iter().map(|topic| Digest::from_bytes(topic.0)).collect(),
                data: data.data.to_vec(),
            })
        }

        fn start(&mut self, emitter: Address, tx: u8, amount: U256) -> Outcome {
            let started = Datatoken::OrderStarted {
                consumer: to_evm(CONSUMER),
                payer: to_evm(CONSUMER),
                amount,
                serviceIndex: U256::ZERO,
                timestamp: U256::ZERO,
                publishMarketAddress: Default::default(),
                blockNumber: U256::ZERO,
            };
            self.say(emitter, tx, started)
        }

        fn fee(&mut self, emitter: Address, tx: u8, commitment: u8) -> Outcome {
            let offer = OrderOffer::new(CHAIN, TOKEN, 0, CONSUMER, [commitment; 32], TERMS);
            let fee = offer.sign(&self.owner, Address::ZERO, Amount::ZERO, 2000).unwrap().fee_data();
            let event = Datatoken::ProviderFee {
                providerFeeAddress: fee.providerFeeAddress,
                providerFeeToken: fee.providerFeeToken,
                providerFeeAmount: fee.providerFeeAmount,
                providerData: fee.providerData,
                v: fee.v,
                r: fee.r,
                s: fee.s,
                validUntil: fee.validUntil,
            };
            self.say(emitter, tx, event)
        }
    }

    fn one() -> U256 {
        U256::from(Amount::ONE.units())
    }

    #[test]
    fn an_order_is_its_two_events_of_one_transaction() {
        let mut log = Log::begin();
        assert_eq!(log.start(TOKEN, 1, one()), Outcome::Nothing);
        let Outcome::Order(order) = log.fee(TOKEN, 1, 1) else { panic!("it is one") };
        assert_eq!((order.index, order.expiry, order.limit), (0, 1600, 3));
        // A fee without a start, of the next transaction, or after another start was reused.
        assert_eq!(log.fee(TOKEN, 1, 2), Outcome::Nothing);
        log.start(TOKEN, 2, one());
        assert_eq!(log.fee(TOKEN, 3, 2), Outcome::Nothing);
        log.start(TOKEN, 4, one());
        let reused = Datatoken::OrderReused {
            orderTxId: B256::ZERO,
            caller: Default::default(),
            timestamp: U256::ZERO,
            number: U256::ZERO,
        };
        log.say(TOKEN, 4, reused);
        assert_eq!(log.fee(TOKEN, 4, 2), Outcome::Nothing);
        // Another contract in the same transaction changes nothing.
        let other = Address::from_bytes([9; 20]);
        log.start(TOKEN, 5, one());
        log.start(other, 5, one());
        log.fee(other, 5, 3);
        assert!(matches!(log.fee(TOKEN, 5, 2), Outcome::Order(order) if order.index == 1));
    }

    #[test]
    fn less_than_a_datatoken_is_no_order() {
        let mut log = Log::begin();
        for amount in [U256::ZERO, one() - U256::ONE, U256::MAX] {
            log.start(TOKEN, 1, amount);
            assert_eq!(log.fee(TOKEN, 1, 1), Outcome::Nothing);
        }
        assert_eq!(log.replay.rejection(Digest::from_bytes([1; 32])), Some("it paid less than one datatoken"));
        log.start(TOKEN, 2, one());
        assert!(matches!(log.fee(TOKEN, 2, 1), Outcome::Order(_)), "the commitment is still free");
    }

    #[test]
    fn records_under_other_keys_and_events_that_do_not_decode_say_nothing() {
        let mut log = Log::begin();
        let record = TermsRecord { token: TOKEN, service: 1, terms: TERMS, providers: BTreeSet::new() };
        for (key, value) in [
            (TermsRecord::key(TOKEN, 2), record.to_bytes()),
            (TermsRecord::key(TOKEN, 1), vec![0xff; 9].into()),
            (TermsRecord::key(TOKEN, 1), vec![0; 1 << 20].into()),
        ] {
            assert_eq!(log.say(NFT, 1, Nft::DataChanged { key, value }), Outcome::Nothing);
        }
        let fits = Nft::DataChanged { key: TermsRecord::key(TOKEN, 1), value: record.to_bytes() };
        assert_eq!(log.say(Address::from_bytes([9; 20]), 1, fits.clone()), Outcome::Nothing, "another NFT");
        assert_eq!(log.say(TOKEN, 1, fits.clone()), Outcome::Nothing, "a datatoken is no NFT");
        assert_eq!(log.say(NFT, 1, fits), Outcome::Terms(1, TERMS));
        let cut = Entry {
            block: 8,
            index: 0,
            tx: Digest::from_bytes([1; 32]),
            time: 1,
            emitter: TOKEN,
            topics: vec![Digest::from_bytes(Datatoken::OrderStarted::SIGNATURE_HASH.0)],
            data: vec![0; 31],
        };
        assert_eq!(log.replay.apply(&cut), Outcome::Nothing);
        assert_eq!(log.replay.apply(&Entry { topics: vec![], ..cut }), Outcome::Nothing);
    }

    #[test]
    fn what_was_paid_before_an_order_did_not_refund_it() {
        let mut log = Log::begin();
        let pay = |log: &mut Log, tx| {
            let from = to_evm(log.owner.address());
            log.say(TOKEN, tx, Datatoken::Transfer { from, to: to_evm(CONSUMER), value: one() });
        };
        pay(&mut log, 1);
        log.start(TOKEN, 2, one());
        log.fee(TOKEN, 2, 1);
        log.start(TOKEN, 3, one());
        log.fee(TOKEN, 3, 2);
        pay(&mut log, 4);
        let mut revoke = |order, paid: u8| {
            let refund = Some(Digest::from_bytes([paid; 32]));
            let record = RevocationRecord { token: TOKEN, service: 0, order, effective: 1080, refund };
            let key = RevocationRecord::key(TOKEN, 0, order);
            match log.say(NFT, 9, Nft::DataChanged { key, value: record.to_bytes() }) {
                Outcome::Revocation(revocation) => revocation.refunded,
                other => panic!("{other:?}"),
            }
        };
        assert!(!revoke(0, 1), "the sale of the datatoken was no refund");
        assert!(revoke(1, 4));
    }

    #[test]
    fn a_revocation_is_of_an_order_and_for_later() {
        let mut log = Log::begin();
        log.start(TOKEN, 1, one());
        log.fee(TOKEN, 1, 1);
        let mut revoke = |order, effective, refund| {
            let record = RevocationRecord { token: TOKEN, service: 0, order, effective, refund };
            let key = RevocationRecord::key(TOKEN, 0, order);
            log.say(NFT, 2, Nft::DataChanged { key, value: record.to_bytes() })
        };
        for (order, effective) in [(0, 960), (0, 1000), (0, 1081), (1, 1080), (u64::MAX, 1080)] {
            assert_eq!(revoke(order, effective, None), Outcome::Nothing, "{order} {effective}");
        }
        // A refund that was never paid is none.
        let claimed = Some(Digest::from_bytes([8; 32]));
        assert!(matches!(revoke(0, 1080, claimed), Outcome::Revocation(r) if !r.refunded && r.effective == 1080));
        assert_eq!(revoke(0, 1140, None), Outcome::Nothing, "once");
    }
}
