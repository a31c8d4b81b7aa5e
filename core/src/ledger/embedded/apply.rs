//! What each action does.
//!
//! Everything happens in one database transaction: the first error drops all of it.

use redb::ReadableTable;

use super::super::{Amount, Control, Dispenser, Event, EventKind, FixedRate, LedgerError, OrderTerms, check};
use super::events;
use super::state::{self, Nft, Service, Tables, Token, key, order_key, pair};
use super::transaction::{Action, SignedTransaction, Transaction};
use crate::{Address, Digest, time::Timestamp};

type Result<T = ()> = std::result::Result<T, LedgerError>;

/// Applies a transaction whose signature was checked, and logs it. `now` is the clock's; the log's time never runs back.
pub(super) fn apply(
    tables: &mut Tables<'_>,
    signed: &SignedTransaction,
    tx: Digest,
    now: Timestamp,
) -> Result<(Timestamp, Vec<Event>)> {
    let tip = tables.tip()?;
    let time = now.max(tip.time);
    let Transaction { sender, nonce: got, .. } = signed.transaction;
    let expected = state::nonce(&tables.nonces, sender)?;
    if got != expected {
        return Err(LedgerError::NonceMismatch { account: sender, expected, got });
    }
    let next = expected.checked_add(1).ok_or(LedgerError::Overflow { what: "the nonce" })?;
    tables.nonces.insert(sender.as_bytes(), next)?;

    let mut step = Step { tables, tx: &signed.transaction, sender, time, kinds: Vec::new() };
    step.run(&signed.transaction.action)?;
    let kinds = step.kinds;
    Ok((time, events::append(tables, tip, signed, tx, time, kinds)?))
}

/// One transaction under way.
struct Step<'a, 't> {
    tables: &'a mut Tables<'t>,
    tx: &'a Transaction,
    sender: Address,
    time: Timestamp,
    kinds: Vec<(Address, EventKind)>,
}

impl Step<'_, '_> {
    fn run(&mut self, action: &Action) -> Result {
        match *action {
            Action::Publish { ref name, ref symbol, cap } => self.publish(name, symbol, cap),
            Action::DeployToken { ref name, ref symbol, cap } => {
                self.create_token(self.tx.created(1), Control::Deployer(self.sender), name, symbol, cap)
            }
            Action::Mint { token, to, amount } => {
                if self.tables.minters.get(&pair(token, self.sender))?.is_none() {
                    state::token(&self.tables.tokens, token)?;
                    return Err(self.refused("mint", token, "its minters"));
                }
                self.mint(token, to, amount)
            }
            Action::Transfer { token, to, amount } => {
                state::token(&self.tables.tokens, token)?;
                self.transfer(token, self.sender, to, amount)
            }
            Action::AddMinter { token, account } => {
                self.require_owner(token, "add a minter to")?;
                self.add_minter(token, account)
            }
            Action::RemoveMinter { token, account } => {
                self.require_owner(token, "remove a minter from")?;
                self.tables.minters.remove(&pair(token, account))?;
                self.emit(token, EventKind::MinterRemoved { account })
            }
            Action::SetFixedRate { token, rate } => self.set_fixed_rate(token, rate),
            Action::SetDispenser { token, dispenser } => self.set_dispenser(token, dispenser),
            Action::Buy { token, amount, base_token, max_cost } => self.buy(token, amount, base_token, max_cost),
            Action::Dispense { token, amount } => self.dispense(token, amount),
            Action::SetOrderTerms { token, service, terms } => self.set_order_terms(token, service, terms),
            Action::Order { token, service, terms, commitment } => self.order(token, service, terms, commitment),
            Action::RevokeOrder { token, service, order, effective, refund } => {
                self.revoke_order(token, service, order, effective, refund)
            }
            Action::SetMetadata { nft, ref ddo } => self.set_metadata(nft, ddo),
            Action::TransferNft { nft, to } => self.transfer_nft(nft, to),
        }
    }

    fn emit(&mut self, emitter: Address, kind: EventKind) -> Result {
        self.kinds.push((emitter, kind));
        Ok(())
    }

    fn refused(&self, action: &'static str, on: Address, who: &'static str) -> LedgerError {
        LedgerError::NotAuthorized { account: self.sender, action, on, who }
    }

    /// The token, if the sender is its owner.
    fn require_owner(&self, address: Address, action: &'static str) -> Result<Token> {
        let token = state::token(&self.tables.tokens, address)?;
        let owner = match token.control {
            Control::Nft(nft) => state::nft(&self.tables.nfts, nft)?.owner,
            Control::Deployer(deployer) => deployer,
        };
        if owner == self.sender { Ok(token) } else { Err(self.refused(action, address, "its owner")) }
    }

    /// The datatoken, if the sender owns its NFT.
    fn require_data_owner(&self, address: Address, action: &'static str) -> Result<Token> {
        let (token, nft) = state::datatoken(&self.tables.tokens, address)?;
        if state::nft(&self.tables.nfts, nft)?.owner != self.sender {
            return Err(self.refused(action, address, "its owner"));
        }
        Ok(token)
    }

    fn publish(&mut self, name: &str, symbol: &str, cap: Amount) -> Result {
        let (address, token) = (self.tx.created(0), self.tx.created(1));
        let (owner, name_, symbol_) = (self.sender, name.to_owned(), symbol.to_owned());
        let nft = Nft { owner, name: name_.clone(), symbol: symbol_.clone(), tokens: vec![token], metadata: None };
        self.tables.set_nft(address, &nft)?;
        self.emit(address, EventKind::NftCreated { owner, name: name_, symbol: symbol_ })?;
        self.create_token(token, Control::Nft(address), name, symbol, cap)
    }

    fn create_token(&mut self, address: Address, control: Control, name: &str, symbol: &str, cap: Amount) -> Result {
        check::new_token(name, symbol, cap)?;
        let (name, symbol) = (name.to_owned(), symbol.to_owned());
        let created = EventKind::TokenCreated { control, name: name.clone(), symbol: symbol.clone(), cap };
        let token = Token { control, name, symbol, cap, supply: Amount::ZERO, fixed_rate: None, dispenser: None };
        self.tables.set_token(address, &token)?;
        self.emit(address, created)?;
        self.add_minter(address, self.sender)
    }

    fn add_minter(&mut self, token: Address, account: Address) -> Result {
        check::no_zero_address("the minter", account)?;
        self.tables.minters.insert(&pair(token, account), ())?;
        self.emit(token, EventKind::MinterAdded { account })
    }

    fn mint(&mut self, address: Address, to: Address, amount: Amount) -> Result {
        check::no_zero_address("the receiver", to)?;
        let mut token = state::token(&self.tables.tokens, address)?;
        let Token { supply, cap, .. } = token;
        token.supply = match supply.checked_add(amount) {
            Some(sum) if sum <= cap => sum,
            _ => return Err(LedgerError::CapExceeded { token: address, amount, supply, cap }),
        };
        self.tables.set_token(address, &token)?;
        self.credit(address, to, amount)?;
        self.emit(address, EventKind::Transfer { from: Address::ZERO, to, amount })
    }

    fn credit(&mut self, token: Address, to: Address, amount: Amount) -> Result {
        let held = state::balance(&self.tables.balances, token, to)?;
        let sum = held.checked_add(amount).ok_or(LedgerError::Overflow { what: "the balance" })?;
        self.tables.set_balance(token, to, sum)
    }

    fn transfer(&mut self, token: Address, from: Address, to: Address, amount: Amount) -> Result {
        check::no_zero_address("the receiver", to)?;
        let held = state::balance(&self.tables.balances, token, from)?;
        let left = held.checked_sub(amount).ok_or(LedgerError::InsufficientBalance {
            token,
            account: from,
            needed: amount,
            held,
        })?;
        self.tables.set_balance(token, from, left)?;
        self.credit(token, to, amount)?;
        self.emit(token, EventKind::Transfer { from, to, amount })
    }

    fn set_fixed_rate(&mut self, address: Address, rate: FixedRate) -> Result {
        let mut token = self.require_data_owner(address, "set the price of")?;
        state::token(&self.tables.tokens, rate.base_token)?;
        check::rate(address, rate)?;
        token.fixed_rate = Some(rate);
        self.tables.set_token(address, &token)?;
        self.emit(address, EventKind::FixedRateSet { rate })
    }

    fn set_dispenser(&mut self, address: Address, dispenser: Dispenser) -> Result {
        let mut token = self.require_data_owner(address, "set the dispenser of")?;
        token.dispenser = Some(dispenser);
        self.tables.set_token(address, &token)?;
        self.emit(address, EventKind::DispenserSet { dispenser })
    }

    fn buy(&mut self, address: Address, amount: Amount, base_token: Address, max_cost: Amount) -> Result {
        check::some("the amount to buy", amount)?;
        let (token, nft) = state::datatoken(&self.tables.tokens, address)?;
        let refuse = |why| Err(LedgerError::NotForSale { token: address, why });
        let rate = match token.fixed_rate {
            None => return refuse("it has no fixed rate"),
            Some(rate) if !rate.active => return refuse("the sale is not active"),
            Some(rate) if rate.base_token != base_token => return refuse("it is paid for in another token"),
            Some(rate) => rate,
        };
        let cost = amount.cost_at(rate.rate).ok_or(LedgerError::Overflow { what: "the cost" })?;
        if cost > max_cost {
            return Err(LedgerError::PriceExceeded { token: address, base_token, cost, max_cost });
        }
        let (buyer, seller) = (self.sender, state::nft(&self.tables.nfts, nft)?.owner);
        self.transfer(base_token, buyer, seller, cost)?;
        match rate.with_mint {
            true => self.mint(address, buyer, amount)?,
            false => self.transfer(address, seller, buyer, amount)?,
        }
        self.emit(address, EventKind::Sold { buyer, amount, base_token, cost })
    }

    fn dispense(&mut self, address: Address, amount: Amount) -> Result {
        check::some("the amount to dispense", amount)?;
        let (token, _) = state::datatoken(&self.tables.tokens, address)?;
        let refuse = |why| Err(LedgerError::NotForSale { token: address, why });
        let dispenser = match token.dispenser {
            None => return refuse("it has no dispenser"),
            Some(dispenser) if !dispenser.active => return refuse("the dispenser is not active"),
            Some(dispenser) => dispenser,
        };
        let limit = |why, limit, got| Err(LedgerError::DispenserLimit { token: address, why, limit, got });
        if amount > dispenser.max_amount {
            return limit("too much at once", dispenser.max_amount, amount);
        }
        let held = state::balance(&self.tables.balances, address, self.sender)?;
        if held >= dispenser.max_balance {
            return limit(LedgerError::HOLDS_ENOUGH, dispenser.max_balance, held);
        }
        self.mint(address, self.sender, amount)?;
        self.emit(address, EventKind::Dispensed { to: self.sender, amount })
    }

    fn set_order_terms(&mut self, address: Address, number: u32, terms: OrderTerms) -> Result {
        self.require_data_owner(address, "set the order terms of")?;
        check::terms(terms)?;
        let orders = match state::service(&self.tables.services, address, number) {
            Ok(service) => {
                check::same_epochs(service.terms, terms)?;
                service.orders
            }
            Err(LedgerError::UnknownService { .. }) => 0,
            Err(e) => return Err(e),
        };
        self.tables.set_service(address, number, &Service { terms, orders })?;
        self.emit(address, EventKind::OrderTermsSet { service: number, terms })
    }

    fn order(&mut self, token: Address, service: u32, asked: OrderTerms, commitment: [u8; 32]) -> Result {
        check::commitment(&commitment)?;
        let (_, nft) = state::datatoken(&self.tables.tokens, token)?;
        let Service { terms: offered, orders: index } = state::service(&self.tables.services, token, service)?;
        if offered != asked {
            return Err(LedgerError::TermsChanged { token, service, offered, asked });
        }
        let seen: [u8; 56] = key(&[token.as_bytes(), &service.to_be_bytes(), &commitment]);
        if self.tables.commitments.insert(&seen, index)?.is_some() {
            return Err(LedgerError::DuplicateCommitment { token, service });
        }
        let expiry = check::expiry(self.time, offered)?;
        let (consumer, amount, limit) = (self.sender, Amount::ONE, offered.limit);
        let owner = state::nft(&self.tables.nfts, nft)?.owner;
        self.transfer(token, consumer, owner, amount)?;
        self.tables.set_service(token, service, &Service { terms: offered, orders: index + 1 })?;
        let at = self.tables.tip()?.events + self.kinds.len() as u64;
        self.tables.orders.insert(&order_key(token, service, index), at)?;
        self.emit(token, EventKind::OrderStarted { consumer, service, index, commitment, limit, expiry, amount })
    }

    fn revoke_order(
        &mut self,
        token: Address,
        service: u32,
        order: u64,
        effective: Timestamp,
        refunded: bool,
    ) -> Result {
        self.require_data_owner(token, "revoke an order of")?;
        let key = order_key(token, service, order);
        let at = self.tables.orders.get(&key)?.map(|row| row.value());
        let at = at.ok_or(LedgerError::UnknownOrder { token, service, order })?;
        check::effective(self.time, effective)?;
        let all = order_key(token, service, 0)..=order_key(token, service, u64::MAX);
        let last = self.tables.revocations.range::<&[u8; 32]>(all.start()..=all.end())?.next_back().transpose()?;
        let number = last.map_or(0, |(key, _)| state::number(key.value()) + 1);
        if self.tables.revoked.insert(&key, number)?.is_some() {
            return Err(LedgerError::AlreadyRevoked { token, service, order });
        }
        if refunded {
            let ordered = events::order_at(&self.tables.events, at, token, service, order)?;
            self.transfer(token, self.sender, ordered.consumer, ordered.amount)?;
        }
        let event = self.tables.tip()?.events + self.kinds.len() as u64;
        self.tables.revocations.insert(&order_key(token, service, number), event)?;
        self.emit(token, EventKind::OrderRevoked { service, number, order, effective, refunded })
    }

    fn set_metadata(&mut self, address: Address, ddo: &[u8]) -> Result {
        let mut nft = state::nft(&self.tables.nfts, address)?;
        if nft.owner != self.sender {
            return Err(self.refused("describe", address, "its owner"));
        }
        check::description(ddo)?;
        let hash = Digest::sha256(ddo);
        nft.metadata = Some(hash);
        self.tables.set_nft(address, &nft)?;
        self.tables.metadata.insert(address.as_bytes(), ddo)?;
        self.emit(address, EventKind::MetadataUpdated { hash, size: ddo.len() as u64 })
    }

    fn transfer_nft(&mut self, address: Address, to: Address) -> Result {
        check::no_zero_address("the new owner", to)?;
        let mut nft = state::nft(&self.tables.nfts, address)?;
        if nft.owner != self.sender {
            return Err(self.refused("transfer", address, "its owner"));
        }
        nft.owner = to;
        self.tables.set_nft(address, &nft)?;
        self.emit(address, EventKind::NftTransferred { from: self.sender, to })?;
        for token in nft.tokens {
            let (first, last) = (pair(token, Address::ZERO), pair(token, Address::from_bytes([0xff; 20])));
            let mut minters = Vec::new();
            for row in self.tables.minters.range::<&[u8; 40]>(&first..=&last)? {
                let mut account = [0; 20];
                account.copy_from_slice(&row?.0.value()[20..]);
                minters.push(Address::from_bytes(account));
            }
            for account in minters {
                self.tables.minters.remove(&pair(token, account))?;
                self.emit(token, EventKind::MinterRemoved { account })?;
            }
            let mut record = state::token(&self.tables.tokens, token)?;
            (record.fixed_rate, record.dispenser) = (None, None);
            self.tables.set_token(token, &record)?;
            self.emit(token, EventKind::OffersCleared)?;
        }
        Ok(())
    }
}
