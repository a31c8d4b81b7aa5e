//! The [`Ledger`] trait on Ocean's contracts.

use std::sync::{Arc, PoisonError};

use alloy::primitives::U256;

use super::abi::{Datatoken, DispenserContract, Factory, FixedRateExchange, Nft};
use super::convert::{clamped, from_u256, ours, to_evm, to_u256};
use super::feed::Feed;
use super::order::{Pay, order_alone};
use super::publish::{COIN_SYMBOL, Publish, Template};
use super::record::RevocationRecord;
use super::roles::Role;
use super::{Created, Kind, OceanLedger, Ordering, Result, lock, of};
use crate::ledger::{
    Amount, Control, Dispenser, Event, EventKind, FixedRate, Ledger, LedgerError, Metadata, Order, OrderSigner,
    OrderTerms, Price, Publication, Published, Receipt, Revocation, TokenInfo, check,
};
use crate::{Account, Address, Digest, time::Timestamp};

impl Ledger for OceanLedger {
    fn chain_id(&self) -> u64 {
        self.node.chain_id()
    }

    /// That of the factory.
    fn address(&self) -> Address {
        self.addresses.factory
    }

    fn publish(&self, owner: &Account, publication: &Publication) -> Result<Published> {
        Ok(self.publish_with(owner, &Publish::new(publication.clone()))?.0)
    }

    fn deploy_token(&self, owner: &Account, name: &str, symbol: &str, cap: Amount) -> Result<Address> {
        let publication = Publication { name: name.into(), symbol: symbol.into(), cap };
        let publish = Publish { template: Template::Enterprise, ..Publish::new(publication) };
        Ok(self.create(owner, &publish, COIN_SYMBOL, String::new())?.0.datatoken)
    }

    fn mint(&self, minter: &Account, token: Address, to: Address, amount: Amount) -> Result<Receipt> {
        self.kind(token)?;
        check::no_zero_address("the receiver", to)?;
        let check = || {
            if !self.is_minter(token, minter.address())? {
                let (account, who) = (minter.address(), "its minters");
                return Err(LedgerError::NotAuthorized { account, action: "mint", on: token, who });
            }
            self.check_cap(token, amount)
        };
        let call = Datatoken::mintCall { to: to_evm(to), amount: to_u256(amount) };
        self.receipt(&self.transact(minter, token, call, "mint", check)?, &[])
    }

    fn transfer(&self, from: &Account, token: Address, to: Address, amount: Amount) -> Result<Receipt> {
        self.kind(token)?;
        check::no_zero_address("the receiver", to)?;
        let check = || self.check_balance(token, from.address(), amount);
        let call = Datatoken::transferCall { to: to_evm(to), amount: to_u256(amount) };
        self.receipt(&self.transact(from, token, call, "transfer", check)?, &[])
    }

    fn balance_of(&self, token: Address, account: Address) -> Result<Amount> {
        self.kind(token)?;
        self.amount(token, Datatoken::balanceOfCall { account: to_evm(account) }, "the balance")
    }

    fn token(&self, token: Address) -> Result<TokenInfo> {
        let kind = self.kind(token)?;
        let control = match kind {
            Kind::Datatoken { nft } => Control::Nft(nft),
            Kind::Coin { nft } => Control::Deployer(self.owner_of(nft)?),
            // It has no one to say so.
            Kind::Foreign => Control::Deployer(Address::ZERO),
        };
        let cap = match kind {
            Kind::Foreign => self.node.view(token, Datatoken::capCall {})?.map_or(Amount::MAX, clamped),
            _ => clamped(self.view(token, Datatoken::capCall {})?),
        };
        // A few old tokens name themselves in other types than text.
        let name = self.node.view(token, Datatoken::nameCall {})?.unwrap_or_default();
        let symbol = self.node.view(token, Datatoken::symbolCall {})?.unwrap_or_default();
        Ok(TokenInfo {
            name,
            symbol,
            control,
            decimals: self.view(token, Datatoken::decimalsCall {})?,
            cap,
            supply: clamped(self.view(token, Datatoken::totalSupplyCall {})?),
        })
    }

    fn add_minter(&self, owner: &Account, token: Address, account: Address) -> Result<Receipt> {
        self.kind(token)?;
        check::no_zero_address("the minter", account)?;
        let may = || self.require_role(owner, token, Role::Deployer, "add a minter to");
        let call = Datatoken::addMinterCall { account: to_evm(account) };
        let receipt = self.transact(owner, token, call, "add a minter", may)?;
        self.receipt(&receipt, &[])
    }

    fn remove_minter(&self, owner: &Account, token: Address, account: Address) -> Result<Receipt> {
        self.kind(token)?;
        let may = || self.require_role(owner, token, Role::Deployer, "remove a minter from");
        let call = Datatoken::removeMinterCall { account: to_evm(account) };
        let receipt = self.transact(owner, token, call, "remove a minter", may)?;
        self.receipt(&receipt, &[])
    }

    fn is_minter(&self, token: Address, account: Address) -> Result<bool> {
        self.kind(token)?;
        // A foreign token has no minters that it tells of.
        Ok(self.node.view(token, Datatoken::isMinterCall { account: to_evm(account) })?.unwrap_or(false))
    }

    fn set_fixed_rate(&self, owner: &Account, token: Address, rate: FixedRate) -> Result<Receipt> {
        self.change_rate(owner, token, rate)
    }

    fn set_dispenser(&self, owner: &Account, token: Address, dispenser: Dispenser) -> Result<Receipt> {
        self.change_dispenser(owner, token, dispenser)
    }

    fn price(&self, token: Address) -> Result<Price> {
        self.datatoken(token)?;
        let fixed_rate = self.sale(token)?.map(|sale| FixedRate {
            base_token: sale.base_token,
            rate: sale.rate,
            active: sale.active,
            with_mint: sale.with_mint,
        });
        Ok(Price { fixed_rate, dispenser: self.dispenser(token)? })
    }

    fn sale_fees(&self, token: Address, amount: Amount, base_token: Address) -> Result<Amount> {
        self.datatoken(token)?;
        let (sale, cost) = self.whole_cost(token, amount, base_token, true)?;
        let price = amount.cost_at(sale.rate).ok_or(LedgerError::Overflow { what: "the cost" })?;
        Ok(cost.checked_sub(price).unwrap_or(Amount::ZERO))
    }

    fn buy(
        &self,
        buyer: &Account,
        token: Address,
        amount: Amount,
        base_token: Address,
        max_cost: Amount,
    ) -> Result<Receipt> {
        self.buy_now(buyer, token, amount, base_token, max_cost)
    }

    fn collect(&self, account: &Account, token: Address) -> Result<Amount> {
        self.datatoken(token)?;
        let mut collected = Amount::ZERO;
        for sale in self.exchanges(token)?.into_iter().filter(|sale| sale.proceeds > U256::ZERO) {
            let call = FixedRateExchange::collectBTCall { id: sale.id, amount: sale.proceeds };
            self.transact(account, self.addresses.fixed_rate, call, "pay out what sales brought", || Ok(()))?;
            let amount = from_u256(sale.proceeds).ok_or(LedgerError::Overflow { what: "what sales brought" })?;
            collected = collected.checked_add(amount).ok_or(LedgerError::Overflow { what: "what sales brought" })?;
        }
        Ok(collected)
    }

    fn dispense(&self, to: &Account, token: Address, amount: Amount) -> Result<Receipt> {
        check::some("the amount to dispense", amount)?;
        self.datatoken(token)?;
        let check = || self.check_dispenser(to.address(), token, amount);
        let call = DispenserContract::dispenseCall {
            datatoken: to_evm(token),
            amount: to_u256(amount),
            destination: to_evm(to.address()),
        };
        let receipt = self.transact(to, self.addresses.dispenser, call, "dispense", check)?;
        self.receipt(&receipt, &[])
    }

    fn set_order_terms(&self, owner: &Account, token: Address, service: u32, terms: OrderTerms) -> Result<Receipt> {
        self.write_terms(owner, token, service, terms, None)
    }

    fn order_terms(&self, token: Address, service: u32) -> Result<OrderTerms> {
        self.with_replay(token, |replay| {
            let terms = replay.service(service).and_then(|service| service.terms);
            terms.ok_or(LedgerError::UnknownService { token, service })
        })
    }

    fn order(
        &self,
        consumer: &Account,
        token: Address,
        service: u32,
        asked: OrderTerms,
        commitment: [u8; 32],
    ) -> Result<Order> {
        check::commitment(&commitment)?;
        self.datatoken(token)?;
        let alone = Ordering::begin(self, (token, service, commitment));
        if let Some(order) = alone.resume(consumer.address())? {
            return Ok(order);
        }
        let providers = self.with_replay(token, |replay| {
            let offered = replay.service(service).and_then(|service| service.terms);
            let offered = offered.ok_or(LedgerError::UnknownService { token, service })?;
            if offered != asked {
                return Err(LedgerError::TermsChanged { token, service, offered, asked });
            }
            if replay.has_commitment(service, &commitment) {
                return Err(LedgerError::DuplicateCommitment { token, service });
            }
            Ok(replay.providers(service))
        })?;
        self.check_balance(token, consumer.address(), Amount::ONE)?;
        let signer = {
            let here = self.providers.read().unwrap_or_else(PoisonError::into_inner);
            providers.iter().find_map(|provider| here.get(provider)?.upgrade())
        };
        let Some(signer) = signer else {
            return Err(LedgerError::NoProvider { token, providers: providers.into_iter().collect() });
        };
        let offer = self.sign_offer(signer.account(), token, service, consumer.address(), commitment)?;
        if offer.offer.terms != asked {
            return Err(LedgerError::TermsChanged { token, service, offered: offer.offer.terms, asked });
        }
        order_alone(&alone, consumer, &offer, Pay::Datatoken)
    }

    fn offer(
        &self,
        provider: &Account,
        token: Address,
        service: u32,
        consumer: Address,
        commitment: [u8; 32],
    ) -> Result<Vec<u8>> {
        Ok(self.sign_offer(provider, token, service, consumer, commitment)?.to_bytes())
    }

    fn order_offered(
        &self,
        consumer: &Account,
        token: Address,
        service: u32,
        asked: OrderTerms,
        commitment: [u8; 32],
        offer: &[u8],
    ) -> Result<Order> {
        let offer = super::SignedOffer::from_bytes(offer)?;
        if (offer.offer.token, offer.offer.service) != (token, service) {
            return Err(LedgerError::InvalidArgument { what: "the offer", why: "it is for another asset or service" });
        }
        if offer.offer.commitment != commitment {
            let why = "it is for another commitment: ask for one of the next order";
            return Err(LedgerError::InvalidArgument { what: "the offer", why });
        }
        if offer.fee > Amount::ZERO {
            let why = "its provider asks for a fee: look at it, and pay with OceanLedger::order_with";
            return Err(LedgerError::InvalidArgument { what: "the offer", why });
        }
        if offer.offer.terms != asked {
            let offered = offer.offer.terms;
            return Err(LedgerError::TermsChanged { token, service, offered, asked });
        }
        self.order_with(consumer, &offer)
    }

    fn attend(&self, provider: &Arc<dyn OrderSigner>) {
        let mut here = self.providers.write().unwrap_or_else(PoisonError::into_inner);
        here.retain(|_, signer| signer.strong_count() > 0);
        here.insert(provider.account().address(), Arc::downgrade(provider));
    }

    fn orders(&self, token: Address, service: u32, from: u64, limit: usize) -> Result<Vec<Order>> {
        self.with_replay(token, |replay| {
            Ok(page(replay.service(service).map_or(&[], |service| &service.orders), from, limit))
        })
    }

    fn revoke_order(
        &self,
        owner: &Account,
        token: Address,
        service: u32,
        order: u64,
        effective: Timestamp,
        refund: bool,
    ) -> Result<Revocation> {
        let nft = self.datatoken(token)?;
        // One revocation of a datatoken at a time, so that no order is refunded twice.
        let alone = of(&self.revoking, token, || Ok(()))?;
        let _alone = lock(&alone);
        let check = || {
            self.require_role_of(owner, nft, token, Role::Store, "revoke an order of")?;
            self.with_replay(token, |replay| {
                let found = usize::try_from(order).ok();
                let found = found.and_then(|order| replay.service(service)?.orders.get(order).copied());
                let found = found.ok_or(LedgerError::UnknownOrder { token, service, order })?;
                check::effective(self.now()?, effective)?;
                if replay.is_revoked(service, order) {
                    return Err(LedgerError::AlreadyRevoked { token, service, order });
                }
                Ok(found)
            })
        };
        let ordered = check()?;
        let refund = if refund { Some(self.refund(owner, nft, &ordered)?) } else { None };
        let record = RevocationRecord { token, service, order, effective, refund };
        let call = Nft::setNewDataCall { key: RevocationRecord::key(token, service, order), value: record.to_bytes() };
        let receipt = self.transact(owner, nft, call, "revoke an order", || check().map(drop))?;
        let tx = super::convert::digest(receipt.transaction_hash);
        self.with_replay(token, |replay| {
            let all = replay.service(service).map_or(&[][..], |service| &service.revocations);
            let found = all.iter().rev().find(|revocation| revocation.order == order).copied();
            match found {
                Some(found) if found.tx == tx => Ok(found),
                Some(_) => Err(LedgerError::AlreadyRevoked { token, service, order }),
                None => Err(LedgerError::InvalidArgument {
                    what: "the time of effect",
                    why: "it had passed when the transaction was mined",
                }),
            }
        })
    }

    fn revocations(&self, token: Address, service: u32, from: u64, limit: usize) -> Result<Vec<Revocation>> {
        self.with_replay(token, |replay| {
            Ok(page(replay.service(service).map_or(&[], |service| &service.revocations), from, limit))
        })
    }

    fn set_metadata(&self, owner: &Account, nft: Address, ddo: &[u8]) -> Result<Receipt> {
        self.describe(owner, nft, ddo, super::DescriptionForm::Shortest, "")
    }

    fn metadata(&self, nft: Address) -> Result<Option<Metadata>> {
        self.description(nft)
    }

    fn owner_of(&self, nft: Address) -> Result<Address> {
        self.nft(nft)?;
        self.nft_owner(nft)
    }

    fn transfer_nft(&self, owner: &Account, nft: Address, to: Address) -> Result<Receipt> {
        self.nft(nft)?;
        check::no_zero_address("the new owner", to)?;
        let may = || {
            if self.owner_of(nft)? != owner.address() {
                let (account, who) = (owner.address(), "its owner");
                return Err(LedgerError::NotAuthorized { account, action: "transfer", on: nft, who });
            }
            if !self.view(nft, Nft::transferableCall {})? {
                let why = "it was published as not transferable";
                return Err(LedgerError::InvalidArgument { what: "the NFT", why });
            }
            Ok(())
        };
        may()?;
        self.clear_offers(owner, nft)?;
        let call = Nft::transferFromCall { from: to_evm(owner.address()), to: to_evm(to), tokenId: U256::ONE };
        let receipt = self.transact(owner, nft, call, "transfer the NFT", may)?;
        self.receipt(&receipt, &[])
    }

    fn is_deployed(&self, nft: Address, token: Address) -> Result<bool> {
        self.nft(nft)?;
        self.view(nft, Nft::isDeployedCall { datatoken: to_evm(token) })
    }

    fn nfts(&self, from: u64, limit: usize) -> Result<Vec<Address>> {
        self.with_created(|created| Ok(page(&created.nfts, from, limit)))
    }

    /// Those that were made for the account. One that somebody gave it is not among them.
    fn nfts_of(&self, owner: Address) -> Result<Vec<Address>> {
        let made: Vec<Address> = self.with_created(|created| {
            let all = created.nfts.iter().zip(&created.admins);
            Ok(all.filter(|(_, admin)| **admin == owner).map(|(nft, _)| *nft).collect())
        })?;
        let mut still = Vec::new();
        for nft in made {
            if self.owner_of(nft)? == owner {
                still.push(nft);
            }
        }
        Ok(still)
    }

    fn events(&self, from: u64, limit: usize) -> Result<Vec<Event>> {
        self.log(from, limit)
    }

    fn verify_log(&self) -> Result<u64> {
        self.audit()
    }
}

impl OceanLedger {
    pub(super) fn check_dispenser(&self, account: Address, token: Address, amount: Amount) -> Result<()> {
        let refuse = |why| Err(LedgerError::NotForSale { token, why });
        let dispenser = match self.dispenser(token)? {
            None => return refuse("it has no dispenser"),
            Some(dispenser) if !dispenser.active => return refuse("the dispenser is not active"),
            Some(dispenser) => dispenser,
        };
        let limit = |why, limit, got| Err(LedgerError::DispenserLimit { token, why, limit, got });
        if amount > dispenser.max_amount {
            return limit("too much at once", dispenser.max_amount, amount);
        }
        let held = clamped(self.view(token, Datatoken::balanceOfCall { account: to_evm(account) })?);
        if held >= dispenser.max_balance {
            return limit(LedgerError::HOLDS_ENOUGH, dispenser.max_balance, held);
        }
        self.check_cap(token, amount)
    }

    /// Pays an order's datatoken back, and returns the transaction. The refund comes first, and the revocation names it. The
    /// transaction is noted before it is sent: after a crash or a lost answer, the next try waits for it and makes no second one.
    fn refund(&self, owner: &Account, nft: Address, order: &Order) -> Result<Digest> {
        let Order { token, service, index, consumer, amount, .. } = *order;
        if let Some(tx) = self.cache.refunded(token, service, index)? {
            let receipt = self.sender.resume(&self.node, tx, |block| self.is_final(block))?;
            if receipt.is_some_and(|receipt| receipt.status != Some(0)) {
                return Ok(super::convert::digest(tx));
            }
        }
        if self.nft_owner(nft)? != owner.address() {
            let (account, who) = (owner.address(), "its owner");
            return Err(LedgerError::NotAuthorized { account, action: "refund an order of", on: token, who });
        }
        let check = || self.check_balance(token, owner.address(), amount);
        let call = Datatoken::transferCall { to: to_evm(consumer), amount: to_u256(amount) };
        let note = |tx| self.cache.refunding(token, service, index, tx);
        let receipt = self.transact_noting(owner, token, call, "transfer", check, note)?;
        Ok(super::convert::digest(receipt.transaction_hash))
    }

    /// Looks at what the factory has made, as of the last block that counts.
    pub(super) fn with_created<T>(&self, look: impl FnOnce(&Created) -> Result<T>) -> Result<T> {
        use alloy::sol_types::SolEvent;
        let mut created = lock(&self.created);
        if created.is_none() {
            let topics = vec![Factory::NFTCreated::SIGNATURE_HASH, Factory::TokenCreated::SIGNATURE_HASH];
            let start = self.addresses.start_block;
            let (feed, entries) = Feed::open(&self.node, &self.cache, start, vec![self.addresses.factory], topics)?;
            let fresh = created.insert(Created { feed, nfts: Vec::new(), admins: Vec::new(), tokens: Vec::new() });
            entries.iter().for_each(|entry| note(&mut fresh.nfts, &mut fresh.admins, &mut fresh.tokens, entry));
        }
        let Created { feed, nfts, admins, tokens } = created.as_mut().expect("it was made above");
        if let Some(last) = self.horizon()? {
            feed.advance(&self.node, &self.cache, last, |entry| note(nfts, admins, tokens, entry))?;
        }
        look(created.as_ref().expect("it was made above"))
    }

    /// What a transaction did, with `more` that its logs do not tell.
    pub(super) fn receipt(&self, receipt: &super::TxReceipt, more: &[(Address, EventKind)]) -> Result<Receipt> {
        let header = self.node.header(receipt.block_number)?;
        let header = header.filter(|header| header.hash == receipt.block_hash);
        let header = header.ok_or_else(|| self.node.lies("a receipt's block is not on its chain".into()))?;
        let tx: Digest = super::convert::digest(receipt.transaction_hash);
        let mut events = Vec::new();
        let mut index = super::replay::position(receipt.block_number, 0);
        for log in &receipt.logs {
            let entry = log.entry(header.timestamp).ok_or_else(|| self.node.lies("it sent half a log".into()))?;
            index = super::replay::position(entry.block, entry.index);
            if let Some((emitter, kind)) = self.event_of(&entry)? {
                events.push(Event {
                    index,
                    previous: super::convert::digest(header.hash),
                    tx,
                    time: entry.time,
                    emitter,
                    kind,
                });
            }
        }
        for (emitter, kind) in more {
            let told = events.iter().any(|event| event.kind == *kind);
            if !told {
                let (previous, time) = (super::convert::digest(header.hash), header.timestamp);
                events.push(Event { index, previous, tx, time, emitter: *emitter, kind: kind.clone() });
            }
        }
        Ok(Receipt { tx, time: header.timestamp, events })
    }
}

fn note(nfts: &mut Vec<Address>, admins: &mut Vec<Address>, tokens: &mut Vec<Address>, entry: &super::Entry) {
    if let Some(made) = entry.decode::<Factory::NFTCreated>() {
        nfts.push(ours(made.newTokenAddress));
        admins.push(ours(made.admin));
    } else if let Some(made) = entry.decode::<Factory::TokenCreated>() {
        tokens.push(ours(made.newTokenAddress));
    }
}

fn page<T: Copy>(all: &[T], from: u64, limit: usize) -> Vec<T> {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    all.iter().skip(from).take(limit).copied().collect()
}
