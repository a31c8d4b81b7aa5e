//! Publishing, prices and orders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use alloy::primitives::{B256, Bytes, U256};
use alloy::sol_types::SolEvent;

use super::abi::{
    ConsumeMarketFeeData, Datatoken, DispenserContract, DispenserData, ErcCreateData, Factory, FixedData,
    FixedRateExchange, FreParams, Nft, NftCreateData, OrderParams,
};
use super::convert::{clamped, digest, from_u256, ours, to_evm, to_u256};
use super::node::TxReceipt;
use super::record::{SignedOffer, TermsRecord};
use super::{OceanLedger, Ordering, Result, lock, of};
use crate::ledger::{
    Amount, Dispenser, EventKind, FixedRate, LedgerError, Order, OrderTerms, Publication, Published, Receipt, check,
};
use crate::{Account, Address};

type Evm = alloy::primitives::Address;

/// The symbol of an NFT that stands for no asset: its datatoken is one to pay with, and has a name and a symbol of its own.
pub(super) const COIN_SYMBOL: &str = "sealock/v1/base-token";
const DATATOKEN_DECIMALS: u8 = 18;

/// Which of Ocean's datatokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Template {
    /// `ERC20Template`: an order pays its datatoken to the NFT's owner. It has no cap.
    #[default]
    Standard,
    /// `ERC20TemplateEnterprise`: it can be bought and ordered in one transaction, an order burns its datatoken, and it has a
    /// cap. Its sales sell to orders alone.
    Enterprise,
}

impl Template {
    const fn index(self) -> u64 {
        match self {
            Template::Standard => 1,
            Template::Enterprise => 2,
        }
    }
}

/// What a market takes of every order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarketFee {
    /// Who is paid.
    pub market: Address,
    /// In which ERC-20 token.
    pub token: Address,
    /// How much, in the token's smallest units.
    pub amount: Amount,
}

/// How a datatoken is sold from its first block on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sale {
    /// At a fixed rate.
    FixedRate {
        /// What is paid in: any ERC-20 of at most 18 decimals.
        base_token: Address,
        /// Smallest units of the base token for one datatoken.
        rate: Amount,
        /// What the publishing market takes of each sale, in units of 10^-18 of the price: 10^15 is 0.1 %. Ocean allows 0, or
        /// from 10^14 to half.
        market_fee: Amount,
    },
    /// For nothing.
    Dispenser(Dispenser),
}

/// Everything that Ocean's factory does in one transaction.
#[derive(Clone, Debug)]
pub struct Publish {
    /// Name, symbol and cap.
    pub publication: Publication,
    /// The kind of datatoken.
    pub template: Template,
    /// How it is sold.
    pub sale: Option<Sale>,
    /// The market through which it is published, and its fee of every order. It also gets the market's fee of sales.
    pub market: Option<MarketFee>,
    /// Who gets what orders pay; the NFT's owner, whoever that is then, if unset.
    pub payment_collector: Option<Address>,
    /// Whether the NFT may be given away.
    pub transferable: bool,
}

impl Publish {
    /// The standard template, not sold, no market.
    pub const fn new(publication: Publication) -> Self {
        Self {
            publication,
            template: Template::Standard,
            sale: None,
            market: None,
            payment_collector: None,
            transferable: true,
        }
    }
}

/// What an order is paid from.
#[derive(Clone, Copy)]
pub(super) enum Pay {
    /// A datatoken that the consumer holds.
    Datatoken,
    /// One that is bought in the same transaction, for so much at most.
    Buy { base_token: Address, max_cost: Amount },
    /// One that is dispensed in the same transaction.
    Dispense,
}

/// A sale of the exchange.
pub(super) struct Exchange {
    pub(super) id: B256,
    pub(super) base_token: Address,
    /// Smallest units of the base token for one datatoken, with the market's fee.
    pub(super) rate: Amount,
    /// Whether anybody can buy.
    pub(super) active: bool,
    /// Whether it can be bought and ordered at once: the exchange may sell to the datatoken itself, of the enterprise
    /// template.
    pub(super) at_once: bool,
    pub(super) with_mint: bool,
    /// What it holds of the base token for the owner.
    pub(super) proceeds: U256,
    /// Who set it up.
    owner: Address,
    /// What it holds of the datatoken.
    stock: U256,
    /// Ocean's own rate.
    raw_rate: U256,
}

impl OceanLedger {
    /// Publishes with everything that Ocean's factory can do at once.
    ///
    /// # Errors
    /// As [`Ledger::publish`](crate::ledger::Ledger::publish).
    pub fn publish_with(&self, owner: &Account, publish: &Publish) -> Result<(Published, Receipt)> {
        let Publication { name, symbol, .. } = &publish.publication;
        let about = serde_json::json!({"name": name, "symbol": symbol, "description": "A dataset or model on Sealock"});
        let uri = data_encoding::BASE64.encode(about.to_string().as_bytes());
        if symbol == COIN_SYMBOL {
            return Err(LedgerError::InvalidArgument { what: "the symbol", why: "it is that of base tokens" });
        }
        self.create(owner, publish, symbol, format!("data:application/json;base64,{uri}"))
    }

    /// Publishes an NFT with a symbol, and a datatoken with its own.
    pub(super) fn create(
        &self,
        owner: &Account,
        publish: &Publish,
        nft_symbol: &str,
        uri: String,
    ) -> Result<(Published, Receipt)> {
        let Publish { publication: Publication { name, symbol, cap }, template, sale, market, .. } = publish;
        check::new_token(name, symbol, *cap)?;
        // The standard template writes down the largest number, whatever it is given.
        if *template == Template::Standard && *cap != Amount::MAX {
            let why = "Ocean's standard datatokens have none: leave it out, or publish the enterprise template (in Rust, publish_with)";
            return Err(LedgerError::InvalidArgument { what: "the cap", why });
        }
        let me = to_evm(owner.address());
        let nft = NftCreateData {
            name: name.clone(),
            symbol: nft_symbol.to_owned(),
            templateIndex: U256::ONE,
            tokenURI: uri,
            transferable: publish.transferable,
            owner: me,
        };
        let fee = market.unwrap_or(MarketFee { market: Address::ZERO, token: Address::ZERO, amount: Amount::ZERO });
        let collector = publish.payment_collector.unwrap_or(Address::ZERO);
        let erc = ErcCreateData {
            templateIndex: U256::from(template.index()),
            strings: vec![name.clone(), symbol.clone()],
            addresses: vec![me, to_evm(collector), to_evm(fee.market), to_evm(fee.token)],
            uints: vec![to_u256(*cap), to_u256(fee.amount)],
            bytess: vec![],
        };
        let (factory, ok) = (self.addresses.factory, || Ok(()));
        let what = "publish";
        let receipt = match *sale {
            None => {
                let call = Factory::createNftWithErc20Call { nft, erc };
                self.transact(owner, factory, call, what, ok)?
            }
            Some(Sale::FixedRate { base_token, rate, market_fee }) => {
                if rate == Amount::ZERO {
                    let why = "nothing is no price: give it away with a dispenser";
                    return Err(LedgerError::InvalidArgument { what: "the rate", why });
                }
                let decimals = self.decimals(base_token)?;
                let collector = if fee.market == Address::ZERO { owner.address() } else { fee.market };
                let fixed = FixedData {
                    fixedPriceAddress: to_evm(self.addresses.fixed_rate),
                    addresses: vec![to_evm(base_token), me, to_evm(collector), Evm::ZERO],
                    uints: vec![
                        U256::from(decimals),
                        U256::from(DATATOKEN_DECIMALS),
                        self.raw_rate(rate, decimals)?,
                        to_u256(market_fee),
                        U256::ONE,
                    ],
                };
                let call = Factory::createNftWithErc20WithFixedRateCall { nft, erc, fixedRate: fixed };
                self.transact(owner, factory, call, what, ok)?
            }
            Some(Sale::Dispenser(dispenser)) => {
                let dispenser = DispenserData {
                    dispenserAddress: to_evm(self.addresses.dispenser),
                    maxTokens: to_u256(dispenser.max_amount),
                    maxBalance: to_u256(dispenser.max_balance),
                    withMint: true,
                    allowedSwapper: Evm::ZERO,
                };
                let call = Factory::createNftWithErc20WithDispenserCall { nft, erc, dispenser };
                self.transact(owner, factory, call, what, ok)?
            }
        };
        let receipt = self.receipt(&receipt, &[])?;
        let created = |event: &crate::ledger::Event| match event.kind {
            EventKind::NftCreated { .. } => (Some(event.emitter), None),
            EventKind::TokenCreated { .. } => (None, Some(event.emitter)),
            _ => (None, None),
        };
        let (nfts, tokens): (Vec<_>, Vec<_>) = receipt.events.iter().map(created).unzip();
        match (nfts.into_iter().flatten().next(), tokens.into_iter().flatten().next()) {
            (Some(nft), Some(datatoken)) => Ok((Published { nft, datatoken }, receipt)),
            _ => Err(self.node.lies("it sent a receipt without what was published".into())),
        }
    }

    pub(super) fn decimals(&self, token: Address) -> Result<u8> {
        self.kind(token)?;
        let decimals = self.view(token, Datatoken::decimalsCall {})?;
        if decimals > DATATOKEN_DECIMALS {
            let why = "it has more than 18 decimals, which Ocean's exchange does not price";
            return Err(LedgerError::InvalidArgument { what: "the base token", why });
        }
        Ok(decimals)
    }

    /// Ocean's rate is in units of 10^-18 of a whole base token.
    fn raw_rate(&self, rate: Amount, decimals: u8) -> Result<U256> {
        let raw = to_u256(rate) * U256::from(10u8).pow(U256::from(DATATOKEN_DECIMALS - decimals));
        if raw < self.view(self.addresses.fixed_rate, FixedRateExchange::MIN_RATECall {})? {
            let why = "it is below the least that Ocean's exchange takes, 10^-8 of a whole base token";
            return Err(LedgerError::InvalidArgument { what: "the rate", why });
        }
        Ok(raw)
    }

    /// Every sale of a datatoken at the exchange, in the order in which they were set up.
    pub(super) fn exchanges(&self, token: Address) -> Result<Vec<Exchange>> {
        let listed = self.view(token, Datatoken::getFixedRatesCall {})?;
        let ours_only = listed.into_iter().filter(|rate| ours(rate.contractAddress) == self.addresses.fixed_rate);
        ours_only
            .map(|listed| {
                let id = listed.id;
                let there = self.view(self.addresses.fixed_rate, FixedRateExchange::getExchangeCall { id })?;
                let decimals = u32::try_from(there.btDecimals).ok().filter(|d| *d <= u32::from(DATATOKEN_DECIMALS));
                let scale = decimals.map_or(U256::ONE, |d| U256::from(10u8).pow(U256::from(18 - d)));
                let allowed = self.view(self.addresses.fixed_rate, FixedRateExchange::getAllowedSwapperCall { id })?;
                // The market's fee is set by the market, who may be the owner: it is part of the price.
                let market_fee = self.view(self.addresses.fixed_rate, FixedRateExchange::getMarketFeeCall { id })?;
                let whole = U256::from(Amount::ONE.units());
                let with_fee = there.fixedRate.saturating_mul(whole.saturating_add(market_fee)).div_ceil(whole);
                Ok(Exchange {
                    id,
                    base_token: ours(there.baseToken),
                    rate: clamped(with_fee.div_ceil(scale)),
                    // One that sells to one account alone is no offer to others.
                    active: there.active && allowed == Evm::ZERO && decimals.is_some(),
                    at_once: there.active && (allowed == Evm::ZERO || ours(allowed) == token) && decimals.is_some(),
                    with_mint: there.withMint,
                    proceeds: there.btBalance,
                    owner: ours(there.exchangeOwner),
                    stock: there.dtBalance,
                    raw_rate: there.fixedRate,
                })
            })
            .collect()
    }

    /// The sale that counts: the last active one, or else the last. One that neither mints nor holds anything is none, and
    /// neither is one that a former owner of the NFT left.
    pub(super) fn sale(&self, token: Address) -> Result<Option<Exchange>> {
        let nft = self.datatoken(token)?;
        let mut all = self.exchanges(token)?;
        let active = all.iter().rposition(|exchange| exchange.at_once);
        let Some(at) = active.or_else(|| all.len().checked_sub(1)) else { return Ok(None) };
        let sale = all.swap_remove(at);
        if !sale.at_once && sale.owner != self.nft_owner(nft)? {
            return Ok(None);
        }
        let mints = sale.with_mint && self.mints(token, self.addresses.fixed_rate)?;
        Ok((mints || sale.stock > U256::ZERO).then_some(sale))
    }

    pub(super) fn nft_owner(&self, nft: Address) -> Result<Address> {
        Ok(ours(self.view(nft, Nft::ownerOfCall { tokenId: U256::ONE })?))
    }

    /// Ends every sale of the NFT's datatokens and stops their dispensers. Ocean's contracts let them go on under a new owner.
    pub(super) fn clear_offers(&self, owner: &Account, nft: Address) -> Result<()> {
        for token in self.view(nft, Nft::getTokensListCall {})?.into_iter().map(ours) {
            let may = || self.require_role_of(owner, nft, token, Role::Deployer, "set the price of");
            for sale in self.exchanges(token)?.into_iter().filter(|sale| sale.at_once) {
                let call = FixedRateExchange::toggleExchangeStateCall { id: sale.id };
                self.transact(owner, self.addresses.fixed_rate, call, "end the sale", may)?;
            }
            let contract = self.addresses.dispenser;
            if self.view(contract, DispenserContract::statusCall { datatoken: to_evm(token) })?.active {
                let call = DispenserContract::deactivateCall { datatoken: to_evm(token) };
                self.transact(owner, contract, call, "stop the dispenser", may)?;
            }
        }
        Ok(())
    }

    pub(super) fn mints(&self, token: Address, account: Address) -> Result<bool> {
        self.view(token, Datatoken::isMinterCall { account: to_evm(account) })
    }

    pub(super) fn dispenser(&self, token: Address) -> Result<Option<Dispenser>> {
        let nft = self.datatoken(token)?;
        let there = self.view(self.addresses.dispenser, DispenserContract::statusCall { datatoken: to_evm(token) })?;
        if !there.active && ours(there.owner) != self.nft_owner(nft)? {
            return Ok(None);
        }
        if there.owner == Evm::ZERO || (!there.isMinter && there.balance == U256::ZERO) {
            return Ok(None);
        }
        Ok(Some(Dispenser {
            max_amount: clamped(there.maxTokens),
            max_balance: clamped(there.maxBalance),
            active: there.active && there.allowedSwapper == Evm::ZERO,
        }))
    }

    pub(super) fn change_rate(&self, owner: &Account, token: Address, rate: FixedRate) -> Result<Receipt> {
        self.datatoken(token)?;
        let may = || self.require_role(owner, token, Role::Deployer, "set the price of");
        may()?;
        check::rate(token, rate)?;
        if !rate.with_mint {
            let why = "Ocean's exchange sells what it mints: set with_mint";
            return Err(LedgerError::InvalidArgument { what: "the sale", why });
        }
        let decimals = self.decimals(rate.base_token)?;
        let raw = self.raw_rate(rate.rate, decimals)?;
        let exchange = self.addresses.fixed_rate;
        let mut last = None;
        let toggle =
            |id, what| self.transact(owner, exchange, FixedRateExchange::toggleExchangeStateCall { id }, what, may);
        let mut there = None;
        for sale in self.exchanges(token)? {
            if sale.base_token == rate.base_token {
                there = Some(sale);
            } else if sale.active {
                last = Some(toggle(sale.id, "end the sale in another token")?);
            }
        }
        let Some(there) = there else {
            let me = to_evm(owner.address());
            // An exchange that mints for another sale of the datatoken cannot be made a minter again.
            let mints = self.mints(token, exchange)?;
            let with_mint = if mints { U256::ZERO } else { U256::ONE };
            let call = Datatoken::createFixedRateCall {
                exchange: to_evm(exchange),
                addresses: vec![to_evm(rate.base_token), me, me, Evm::ZERO],
                uints: vec![U256::from(decimals), U256::from(DATATOKEN_DECIMALS), raw, U256::ZERO, with_mint],
            };
            let mut receipt = self.transact(owner, token, call, "set up a sale", may)?;
            if mints || !rate.active {
                let made = self.exchanges(token)?.into_iter().find(|sale| sale.base_token == rate.base_token);
                let made = made.ok_or_else(|| self.node.lies("the sale that was set up is not there".into()))?;
                if !rate.active {
                    receipt = toggle(made.id, "end the sale")?;
                }
                if mints {
                    let call = FixedRateExchange::toggleMintStateCall { id: made.id, withMint: true };
                    receipt = self.transact(owner, exchange, call, "let the exchange mint", may)?;
                }
            }
            return self.receipt(&receipt, &[(token, EventKind::FixedRateSet { rate })]);
        };
        // What makes it sell comes last, so that nothing is ever sold at the old price by the new terms.
        if there.active && !rate.active {
            last = Some(toggle(there.id, "end the sale")?);
        }
        if there.raw_rate != raw {
            let call = FixedRateExchange::setRateCall { id: there.id, rate: raw };
            last = Some(self.transact(owner, exchange, call, "change the rate", may)?);
        }
        if !self.mints(token, exchange)? {
            let call = Datatoken::addMinterCall { account: to_evm(exchange) };
            last = Some(self.transact(owner, token, call, "let the exchange mint", may)?);
        }
        if !there.with_mint {
            let call = FixedRateExchange::toggleMintStateCall { id: there.id, withMint: true };
            last = Some(self.transact(owner, exchange, call, "let the exchange mint", may)?);
        }
        if !there.active && rate.active {
            last = Some(toggle(there.id, "begin the sale")?);
        }
        // As it was already: say it again, for the receipt.
        let last = match last {
            Some(last) => last,
            None => {
                let call = FixedRateExchange::setRateCall { id: there.id, rate: raw };
                self.transact(owner, exchange, call, "change the rate", may)?
            }
        };
        self.receipt(&last, &[(token, EventKind::FixedRateSet { rate })])
    }

    pub(super) fn change_dispenser(&self, owner: &Account, token: Address, dispenser: Dispenser) -> Result<Receipt> {
        self.datatoken(token)?;
        let may = || self.require_role(owner, token, Role::Deployer, "set the dispenser of");
        may()?;
        let contract = self.addresses.dispenser;
        let Dispenser { max_amount, max_balance, active } = dispenser;
        let (max_amount, max_balance) = (to_u256(max_amount), to_u256(max_balance));
        let there = self.view(contract, DispenserContract::statusCall { datatoken: to_evm(token) })?;
        let mut last = if there.owner == Evm::ZERO {
            let call = Datatoken::createDispenserCall {
                dispenser: to_evm(contract),
                maxTokens: max_amount,
                maxBalance: max_balance,
                withMint: true,
                allowedSwapper: Evm::ZERO,
            };
            self.transact(owner, token, call, "set up a dispenser", may)?
        } else {
            if !there.isMinter {
                let call = Datatoken::addMinterCall { account: to_evm(contract) };
                self.transact(owner, token, call, "let the dispenser mint", may)?;
            }
            let call = DispenserContract::activateCall {
                datatoken: to_evm(token),
                maxTokens: max_amount,
                maxBalance: max_balance,
            };
            self.transact(owner, contract, call, "change the dispenser", may)?
        };
        if !active {
            let call = DispenserContract::deactivateCall { datatoken: to_evm(token) };
            last = self.transact(owner, contract, call, "stop the dispenser", may)?;
        }
        self.receipt(&last, &[(token, EventKind::DispenserSet { dispenser })])
    }

    /// The sale in `base_token`, or why there is none.
    fn on_sale(&self, token: Address, base_token: Address, at_once: bool) -> Result<Exchange> {
        let refuse = |why| Err(LedgerError::NotForSale { token, why });
        match self.sale(token)? {
            None => refuse("it has no fixed rate"),
            Some(sale) if !sale.at_once => refuse("the sale is not active"),
            Some(sale) if !sale.active && !at_once => refuse("it is bought and ordered at once, or not at all"),
            Some(sale) if sale.base_token != base_token => refuse("it is paid for in another token"),
            Some(sale) => Ok(sale),
        }
    }

    /// What `amount` costs with all fees.
    pub(super) fn whole_cost(
        &self,
        token: Address,
        amount: Amount,
        base_token: Address,
        at_once: bool,
    ) -> Result<(B256, Amount)> {
        let sale = self.on_sale(token, base_token, at_once)?;
        let call = FixedRateExchange::calcBaseInGivenOutDTCall {
            id: sale.id,
            amount: to_u256(amount),
            consumeMarketFee: U256::ZERO,
        };
        let cost = self.view(self.addresses.fixed_rate, call)?.baseTokenAmount;
        Ok((sale.id, from_u256(cost).ok_or(LedgerError::Overflow { what: "the cost" })?))
    }

    pub(super) fn check_price(
        &self,
        buyer: Address,
        token: Address,
        amount: Amount,
        base_token: Address,
        max_cost: Amount,
        at_once: bool,
    ) -> Result<(B256, Amount)> {
        let (id, cost) = self.whole_cost(token, amount, base_token, at_once)?;
        if cost > max_cost {
            return Err(LedgerError::PriceExceeded { token, base_token, cost, max_cost });
        }
        self.check_balance(base_token, buyer, cost)?;
        self.check_cap(token, amount)?;
        Ok((id, cost))
    }

    pub(super) fn check_balance(&self, token: Address, account: Address, needed: Amount) -> Result<()> {
        let held = clamped(self.view(token, Datatoken::balanceOfCall { account: to_evm(account) })?);
        if held < needed { Err(LedgerError::InsufficientBalance { token, account, needed, held }) } else { Ok(()) }
    }

    pub(super) fn check_cap(&self, token: Address, amount: Amount) -> Result<()> {
        let supply = self.view(token, Datatoken::totalSupplyCall {})?;
        let cap = self.view(token, Datatoken::capCall {})?;
        if supply.saturating_add(to_u256(amount)) > cap {
            let (supply, cap) = (clamped(supply), clamped(cap));
            return Err(LedgerError::CapExceeded { token, amount, supply, cap });
        }
        Ok(())
    }

    /// Lets `spender` take `amount`, unless it may already.
    pub(super) fn approve(&self, account: &Account, token: Address, spender: Address, amount: Amount) -> Result<()> {
        let call = Datatoken::allowanceCall { owner: to_evm(account.address()), spender: to_evm(spender) };
        let allowed = self.view(token, call)?;
        if allowed >= to_u256(amount) {
            return Ok(());
        }
        let approve = |amount| Datatoken::approveCall { spender: to_evm(spender), amount };
        // Some tokens change no allowance but from or to nothing.
        if allowed != U256::ZERO && self.kind(token)? == super::Kind::Foreign {
            self.transact(account, token, approve(U256::ZERO), "approve a payment", || Ok(()))?;
        }
        self.transact(account, token, approve(to_u256(amount)), "approve a payment", || Ok(()))?;
        Ok(())
    }

    /// Held while an approval of the account waits to be used.
    pub(super) fn paying(&self, account: &Account) -> Result<Arc<std::sync::Mutex<()>>> {
        of(&self.paying, account.address(), || Ok(()))
    }

    pub(super) fn buy_now(
        &self,
        buyer: &Account,
        token: Address,
        amount: Amount,
        base_token: Address,
        max_cost: Amount,
    ) -> Result<Receipt> {
        check::some("the amount to buy", amount)?;
        self.datatoken(token)?;
        let check = || self.check_price(buyer.address(), token, amount, base_token, max_cost, false);
        let (id, cost) = check()?;
        let alone = self.paying(buyer)?;
        let _alone = lock(&alone);
        let exchange = self.addresses.fixed_rate;
        self.approve(buyer, base_token, exchange, cost)?;
        let call = FixedRateExchange::buyDTCall {
            id,
            amount: to_u256(amount),
            maxBaseTokenAmount: to_u256(max_cost),
            consumeMarket: Evm::ZERO,
            consumeMarketFee: U256::ZERO,
        };
        let receipt = self.transact(buyer, exchange, call, "sell", || check().map(drop))?;
        self.receipt(&receipt, &[])
    }

    /// Buys a datatoken of the [`Template::Enterprise`] and orders with it, in one transaction.
    ///
    /// # Errors
    /// Those of [`Ledger::buy`](crate::ledger::Ledger::buy) and [`OceanLedger::order_with`].
    pub fn buy_and_order(
        &self,
        consumer: &Account,
        offer: &SignedOffer,
        base_token: Address,
        max_cost: Amount,
    ) -> Result<Order> {
        order(self, consumer, offer, Pay::Buy { base_token, max_cost })
    }

    /// Takes a datatoken of the [`Template::Enterprise`] from its dispenser and orders with it, in one transaction.
    ///
    /// # Errors
    /// Those of [`Ledger::dispense`](crate::ledger::Ledger::dispense) and [`OceanLedger::order_with`].
    pub fn dispense_and_order(&self, consumer: &Account, offer: &SignedOffer) -> Result<Order> {
        order(self, consumer, offer, Pay::Dispense)
    }

    /// Pays the provider's fee of an offer again for an order that is over, as Ocean's clients do. For Sealock it is **no
    /// order**: who wants more jobs orders again.
    ///
    /// # Errors
    /// [`LedgerError::Reverted`]; [`LedgerError::InsufficientBalance`].
    pub fn reuse_order(&self, consumer: &Account, offer: &SignedOffer, order: crate::Digest) -> Result<Receipt> {
        let token = offer.offer.token;
        self.datatoken(token)?;
        let alone = self.paying(consumer)?;
        let _alone = lock(&alone);
        if offer.fee > Amount::ZERO {
            self.check_balance(offer.fee_token, consumer.address(), offer.fee)?;
            self.approve(consumer, offer.fee_token, token, offer.fee)?;
        }
        let call = Datatoken::reuseOrderCall { orderTxId: super::convert::hash(order), providerFee: offer.fee_data() };
        let receipt = self.transact(consumer, token, call, "reuse an order", || Ok(()))?;
        self.receipt(&receipt, &[])
    }

    /// Writes into the log that an order was served: Ocean's proof of service. `provider` sends it and signs for `served`;
    /// `consumer_signature` is [`OceanLedger::acknowledge`] of `received`. What is signed and stored are the digests under a
    /// label each, so that nobody signs an offer by it. **It tells everybody which order was served, and when**: who pays for
    /// private jobs does without.
    ///
    /// # Errors
    /// [`LedgerError::Reverted`] for signatures that are not theirs.
    pub fn order_executed(
        &self,
        provider: &Account,
        order: &Order,
        served: &[u8],
        received: &[u8],
        consumer_signature: &crate::Signature,
    ) -> Result<Receipt> {
        let id = super::convert::hash(order.tx);
        let (served, received) = (labelled("sealock/v1/served", served), labelled("sealock/v1/received", received));
        let said = alloy::primitives::keccak256([id.as_slice(), &served].concat());
        let mine = provider.sign(&super::record::personal(said))?;
        let call = Datatoken::orderExecutedCall {
            orderTxId: id,
            providerData: served.into(),
            providerSignature: rsv(&mine),
            consumerData: received.into(),
            consumerSignature: rsv(consumer_signature),
            consumer: to_evm(order.consumer),
        };
        let receipt = self.transact(provider, order.token, call, "record a served order", || Ok(()))?;
        self.receipt(&receipt, &[])
    }

    /// A consumer's signature for [`OceanLedger::order_executed`].
    ///
    /// # Errors
    /// That of an external signer.
    pub fn acknowledge(consumer: &Account, received: &[u8]) -> Result<crate::Signature> {
        let received = labelled("sealock/v1/received", received);
        Ok(consumer.sign(&super::record::personal(alloy::primitives::keccak256(received)))?)
    }

    /// Lets `spender` take `amount` of `token` from the account by a signature alone (EIP-2612), which anybody may send:
    /// `relay` does, and pays the gas. `deadline` is a **block number**, which is what Ocean's datatokens compare it with.
    ///
    /// # Errors
    /// [`LedgerError::Reverted`]; [`LedgerError::UnknownToken`] for a token that takes no permits.
    pub fn permit(
        &self,
        holder: &Account,
        relay: &Account,
        token: Address,
        spender: Address,
        amount: Amount,
        deadline: u64,
    ) -> Result<()> {
        use alloy::sol_types::SolValue;
        const DOMAIN: &str = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
        const TYPE: &str = "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)";
        let owner = to_evm(holder.address());
        let no_permits = LedgerError::UnknownToken { expected: "token that takes permits", address: token };
        // The domain is ours to compute: a token that names another's would get a permit for that.
        let name = alloy::primitives::keccak256(self.view(token, Datatoken::nameCall {})?);
        let (kind, one) = (alloy::primitives::keccak256(DOMAIN), alloy::primitives::keccak256("1"));
        let domain = (kind, name, one, U256::from(self.node.chain_id()), to_evm(token)).abi_encode();
        let domain = alloy::primitives::keccak256(domain);
        if self.node.view(token, Datatoken::DOMAIN_SEPARATORCall {})? != Some(domain) {
            return Err(no_permits);
        }
        let nonce = self.view(token, Datatoken::noncesCall { owner })?;
        let (value, deadline) = (to_u256(amount), U256::from(deadline));
        let fields = (alloy::primitives::keccak256(TYPE), owner, to_evm(spender), value, nonce, deadline).abi_encode();
        let hash = alloy::primitives::keccak256(
            [b"\x19\x01".as_slice(), domain.as_slice(), alloy::primitives::keccak256(fields).as_slice()].concat(),
        );
        let signature = holder.sign(&digest(hash))?;
        let bytes = signature.as_bytes();
        let call = Datatoken::permitCall {
            owner,
            spender: to_evm(spender),
            value,
            deadline,
            v: 27 + bytes[64],
            r: B256::from_slice(&bytes[..32]),
            s: B256::from_slice(&bytes[32..64]),
        };
        self.transact(relay, token, call, "take a permit", || Ok(()))?;
        Ok(())
    }

    /// Who gets what orders pay: the NFT's owner, unless [`OceanLedger::set_payment_collector`] says otherwise.
    ///
    /// # Errors
    /// [`LedgerError::UnknownToken`]; the node's own.
    pub fn payment_collector(&self, token: Address) -> Result<Address> {
        self.datatoken(token)?;
        Ok(ours(self.view(token, Datatoken::getPaymentCollectorCall {})?))
    }

    /// Lets `collector` get what orders and sales pay: for royalties, a contract that splits them. The zero address means the
    /// NFT's owner. A transfer of the NFT undoes it.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner; [`LedgerError::UnknownToken`].
    pub fn set_payment_collector(&self, owner: &Account, token: Address, collector: Address) -> Result<()> {
        self.datatoken(token)?;
        let may = || self.require_role(owner, token, Role::Deployer, "set the payment collector of");
        let call = Datatoken::setPaymentCollectorCall { collector: to_evm(collector) };
        self.transact(owner, token, call, "set the payment collector", may)?;
        Ok(())
    }

    /// Gives or takes a role of the NFT. A transfer of the NFT takes all.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by a manager; [`LedgerError::UnknownToken`].
    pub fn set_role(&self, manager: &Account, nft: Address, account: Address, role: Role, given: bool) -> Result<()> {
        self.nft(nft)?;
        check::no_zero_address("the account", account)?;
        let may = || self.require_role_of(manager, nft, nft, Role::Manager, "set roles of");
        let a = to_evm(account);
        let what = "set a role";
        match (role, given) {
            (Role::Manager, true) => self.transact(manager, nft, Nft::addManagerCall { account: a }, what, may)?,
            (Role::Manager, false) => {
                let why = "Ocean's contracts take a manager away with all roles only: transfer the NFT";
                return Err(LedgerError::InvalidArgument { what: "the role", why });
            }
            (Role::Deployer, true) => {
                self.transact(manager, nft, Nft::addToCreateERC20ListCall { account: a }, what, may)?
            }
            (Role::Deployer, false) => {
                self.transact(manager, nft, Nft::removeFromCreateERC20ListCall { account: a }, what, may)?
            }
            (Role::Describer, true) => {
                self.transact(manager, nft, Nft::addToMetadataListCall { account: a }, what, may)?
            }
            (Role::Describer, false) => {
                self.transact(manager, nft, Nft::removeFromMetadataListCall { account: a }, what, may)?
            }
            (Role::Store, true) => self.transact(manager, nft, Nft::addTo725StoreListCall { account: a }, what, may)?,
            (Role::Store, false) => {
                self.transact(manager, nft, Nft::removeFrom725StoreListCall { account: a }, what, may)?
            }
        };
        Ok(())
    }

    /// Whether an account has a role of the NFT.
    ///
    /// # Errors
    /// [`LedgerError::UnknownToken`]; the node's own.
    pub fn has_role(&self, nft: Address, account: Address, role: Role) -> Result<bool> {
        self.nft(nft)?;
        let has = self.view(nft, Nft::getPermissionsCall { user: to_evm(account) })?;
        Ok(match role {
            Role::Manager => has.manager,
            Role::Deployer => has.deployERC20,
            Role::Describer => has.updateMetadata,
            Role::Store => has.store,
        })
    }

    /// The account must have the role of the token's NFT.
    pub(super) fn require_role(
        &self,
        account: &Account,
        token: Address,
        role: Role,
        action: &'static str,
    ) -> Result<()> {
        let nft = match self.kind(token)? {
            super::Kind::Datatoken { nft } | super::Kind::Coin { nft } => nft,
            super::Kind::Foreign => {
                let (account, who) = (account.address(), "whoever its own contract lets");
                return Err(LedgerError::NotAuthorized { account, action, on: token, who });
            }
        };
        self.require_role_of(account, nft, token, role, action)
    }

    pub(super) fn require_role_of(
        &self,
        account: &Account,
        nft: Address,
        on: Address,
        role: Role,
        action: &'static str,
    ) -> Result<()> {
        if self.has_role(nft, account.address(), role)? {
            return Ok(());
        }
        Err(LedgerError::NotAuthorized { account: account.address(), action, on, who: "its owner" })
    }

    pub(super) fn write_terms(
        &self,
        owner: &Account,
        token: Address,
        service: u32,
        terms: OrderTerms,
        providers: Option<BTreeSet<Address>>,
    ) -> Result<Receipt> {
        let nft = self.datatoken(token)?;
        let may = || self.require_role_of(owner, nft, token, Role::Store, "set the order terms of");
        may()?;
        check::terms(terms)?;
        let appointed = self.with_replay(token, |replay| {
            if let Some(old) = replay.service(service).and_then(|service| service.terms) {
                check::same_epochs(old, terms)?;
            }
            Ok(replay.appointed(service))
        })?;
        let record = TermsRecord { token, service, terms, providers: providers.unwrap_or(appointed) };
        let call = Nft::setNewDataCall { key: TermsRecord::key(token, service), value: record.to_bytes() };
        let receipt = self.transact(owner, nft, call, "set the order terms", may)?;
        self.receipt(&receipt, &[(token, EventKind::OrderTermsSet { service, terms })])
    }
}

/// What an account may do with an NFT, as Ocean's contracts divide it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Gives roles to others.
    Manager,
    /// Makes datatokens, and sets their minters, prices and payment collector.
    Deployer,
    /// Sets the description.
    Describer,
    /// Sets the NFT's data: order terms, revocations, and **who signs offers of orders**, which is as much as to give orders away.
    Store,
}

/// A label and the SHA-256 of bytes that somebody else may have chosen.
fn labelled(label: &str, bytes: &[u8]) -> Vec<u8> {
    [label.as_bytes(), crate::Digest::sha256(bytes).as_bytes()].concat()
}

/// `r ‖ s ‖ v`, as contracts split it.
fn rsv(signature: &crate::Signature) -> Bytes {
    let mut bytes = *signature.as_bytes();
    bytes[64] += 27;
    Bytes::copy_from_slice(&bytes)
}

impl Ordering<'_> {
    /// The order, if it is under way since a call that gave up waiting, or whose answer was lost: it is not paid for twice.
    pub(super) fn resume(&self, consumer: Address) -> Result<Option<Order>> {
        let Self { ledger, what: (token, service, _) } = *self;
        let Some(tx) = ledger.cache.ordered(&self.what)? else { return Ok(None) };
        let receipt = ledger.sender.resume(&ledger.node, tx, |block| ledger.is_final(block))?;
        let Some(receipt) = receipt.filter(|receipt| receipt.status != Some(0)) else { return Ok(None) };
        // It is final: whether it counts will not change.
        ledger.cache.forget_ordering(&self.what)?;
        match placed(ledger, token, service, &receipt) {
            Ok(order) => Ok((order.consumer == consumer).then_some(order)),
            Err(LedgerError::OrderVoid { tx, why }) => {
                tracing::warn!(%tx, why, "an order that was paid before does not count");
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }
}

/// Orders with a signed offer.
pub(super) fn order(ledger: &OceanLedger, consumer: &Account, signed: &SignedOffer, pay: Pay) -> Result<Order> {
    let super::OrderOffer { token, service, commitment, .. } = signed.offer;
    order_alone(&Ordering::begin(ledger, (token, service, commitment)), consumer, signed, pay)
}

/// As [`order`], by who holds the offer's commitment.
pub(super) fn order_alone(alone: &Ordering<'_>, consumer: &Account, signed: &SignedOffer, pay: Pay) -> Result<Order> {
    let ledger = alone.ledger;
    let SignedOffer { offer, provider, valid_until, .. } = *signed;
    let super::OrderOffer { chain, token, service, commitment, terms, .. } = offer;
    let me = consumer.address();
    ledger.datatoken(token)?;
    let invalid = |why| LedgerError::InvalidArgument { what: "the offer", why };
    if !signed.is_signed() {
        return Err(invalid("its provider did not sign it"));
    }
    if chain != ledger.node.chain_id() {
        return Err(invalid("it is for another chain"));
    }
    if offer.consumer != me {
        return Err(invalid("it is for another consumer"));
    }
    check::commitment(&commitment)?;
    check::terms(terms)?;
    // The standard template takes any call, and does nothing.
    let at_once = !matches!(pay, Pay::Datatoken);
    if at_once && ledger.view(token, Datatoken::getIdCall {})? != 2 {
        let why = "only the enterprise template is bought and ordered at once: buy first";
        return Err(LedgerError::InvalidArgument { what: "the datatoken", why });
    }
    if let Some(order) = alone.resume(me)? {
        return Ok(order);
    }
    let note = |tx| ledger.cache.ordering(&alone.what, tx);
    let fees = fees(ledger, signed)?;
    let check = || -> Result<()> {
        ledger.with_replay(token, |replay| {
            let offered = replay.service(service).and_then(|service| service.terms);
            let offered = offered.ok_or(LedgerError::UnknownService { token, service })?;
            check::same_epochs(offered, terms)?;
            if !replay.providers(service).contains(&provider) {
                return Err(invalid("its provider is neither the owner nor appointed"));
            }
            if replay.has_commitment(service, &commitment) {
                return Err(LedgerError::DuplicateCommitment { token, service });
            }
            Ok(())
        })?;
        let now = ledger.now()?;
        check::expiry(now, terms)?;
        if valid_until != 0 && now > valid_until {
            return Err(invalid("it was to be used earlier: ask for another"));
        }
        for (fee_token, (amount, _)) in &fees {
            ledger.check_balance(*fee_token, me, *amount)?;
        }
        match pay {
            Pay::Datatoken => ledger.check_balance(token, me, Amount::ONE),
            Pay::Buy { base_token, max_cost } => {
                ledger.check_price(me, token, Amount::ONE, base_token, max_cost, true).map(drop)
            }
            Pay::Dispense => ledger.check_dispenser(me, token, Amount::ONE),
        }
    };
    check()?;
    let paying = ledger.paying(consumer)?;
    // An order that approves nothing waits for no other.
    let guard = (!fees.is_empty() || at_once).then(|| lock(&paying));
    for (fee_token, (amount, spender)) in &fees {
        ledger.approve(consumer, *fee_token, *spender, *amount)?;
    }
    let none = ConsumeMarketFeeData {
        consumeMarketFeeAddress: Evm::ZERO,
        consumeMarketFeeToken: Evm::ZERO,
        consumeMarketFeeAmount: U256::ZERO,
    };
    let (consumer_, number) = (to_evm(me), U256::from(service));
    let params = OrderParams {
        consumer: consumer_,
        serviceIndex: number,
        providerFee: signed.fee_data(),
        consumeMarketFee: none.clone(),
    };
    let what = "start an order";
    let receipt = match pay {
        Pay::Datatoken => {
            let call = Datatoken::startOrderCall {
                consumer: consumer_,
                serviceIndex: number,
                providerFee: signed.fee_data(),
                consumeMarketFee: none,
            };
            ledger.transact_noting(consumer, token, call, what, check, note)?
        }
        Pay::Buy { base_token, max_cost } => {
            let (id, cost) = ledger.whole_cost(token, Amount::ONE, base_token, true)?;
            let more = fees.get(&base_token).map_or(Amount::ZERO, |(amount, _)| *amount);
            let all = cost.checked_add(more).ok_or(LedgerError::Overflow { what: "the cost" })?;
            ledger.approve(consumer, base_token, token, all)?;
            let fre = FreParams {
                exchangeContract: to_evm(ledger.addresses.fixed_rate),
                exchangeId: id,
                maxBaseTokenAmount: to_u256(max_cost.min(cost)),
                swapMarketFee: U256::ZERO,
                marketFeeAddress: Evm::ZERO,
            };
            let call = Datatoken::buyFromFreAndOrderCall { order: params, fre };
            ledger.transact_noting(consumer, token, call, what, check, note)?
        }
        Pay::Dispense => {
            let dispenser = to_evm(ledger.addresses.dispenser);
            let call = Datatoken::buyFromDispenserAndOrderCall { order: params, dispenser };
            ledger.transact_noting(consumer, token, call, what, check, note)?
        }
    };
    drop(guard);
    ledger.cache.forget_ordering(&alone.what)?;
    placed(ledger, token, service, &receipt)
}

/// The order that a transaction made.
fn placed(ledger: &OceanLedger, token: Address, service: u32, receipt: &TxReceipt) -> Result<Order> {
    let tx = digest(receipt.transaction_hash);
    ledger.with_replay(token, |replay| {
        let orders = replay.service(service).map_or(&[][..], |service| &service.orders);
        let found = orders.iter().rev().find(|order| order.tx == tx);
        found.copied().ok_or_else(|| LedgerError::OrderVoid {
            tx,
            why: replay.rejection(tx).unwrap_or("its events are not in the log"),
        })
    })
}

/// What an order pays beside the datatoken, and to whom it must be approved: to the datatoken.
fn fees(ledger: &OceanLedger, signed: &SignedOffer) -> Result<BTreeMap<Address, (Amount, Address)>> {
    let token = signed.offer.token;
    let market = ledger.view(token, Datatoken::getPublishingMarketFeeCall {})?;
    let market_amount = from_u256(market.amount).ok_or(LedgerError::Overflow { what: "the market's fee" })?;
    let market_amount = if market.market == Evm::ZERO { Amount::ZERO } else { market_amount };
    let mut fees: BTreeMap<Address, (Amount, Address)> = BTreeMap::new();
    for (fee_token, amount) in [(signed.fee_token, signed.fee), (ours(market.token), market_amount)] {
        if amount > Amount::ZERO && fee_token != Address::ZERO {
            let entry = fees.entry(fee_token).or_insert((Amount::ZERO, token));
            entry.0 = entry.0.checked_add(amount).ok_or(LedgerError::Overflow { what: "the fees" })?;
        }
    }
    Ok(fees)
}

/// The events of the exchange and the dispenser that sales make.
pub(super) fn sale_topics() -> Vec<B256> {
    vec![FixedRateExchange::Swapped::SIGNATURE_HASH, DispenserContract::TokensDispensed::SIGNATURE_HASH]
}
