//! Prices, sales and dispensers.

use std::sync::Arc;

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolEvent;

use super::abi::{Datatoken, DispenserContract, FixedRateExchange, Nft};
use super::convert::{clamped, from_u256, ours, to_evm, to_u256};
use super::roles::Role;
use super::{OceanLedger, Result, lock, of};
use crate::ledger::{Amount, Dispenser, EventKind, FixedRate, LedgerError, Receipt, check};
use crate::{Account, Address};

type Evm = alloy::primitives::Address;
pub(super) const DATATOKEN_DECIMALS: u8 = 18;

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
}

impl OceanLedger {
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
    pub(super) fn raw_rate(&self, rate: Amount, decimals: u8) -> Result<U256> {
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
        // As it is shown, which is with the market's fee: who sets what he saw changes nothing.
        if there.rate != rate.rate {
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
        // As it was already: said again, for the receipt.
        let last = match last {
            Some(last) => last,
            None => {
                let call = FixedRateExchange::toggleMintStateCall { id: there.id, withMint: true };
                self.transact(owner, exchange, call, "let the exchange mint", may)?
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

    /// The sale, and what `amount` costs there with all fees.
    pub(super) fn whole_cost(
        &self,
        token: Address,
        amount: Amount,
        base_token: Address,
        at_once: bool,
    ) -> Result<(Exchange, Amount)> {
        let sale = self.on_sale(token, base_token, at_once)?;
        let call = FixedRateExchange::calcBaseInGivenOutDTCall {
            id: sale.id,
            amount: to_u256(amount),
            consumeMarketFee: U256::ZERO,
        };
        let cost = self.view(self.addresses.fixed_rate, call)?.baseTokenAmount;
        Ok((sale, from_u256(cost).ok_or(LedgerError::Overflow { what: "the cost" })?))
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
        let (sale, cost) = self.whole_cost(token, amount, base_token, at_once)?;
        if cost > max_cost {
            return Err(LedgerError::PriceExceeded { token, base_token, cost, max_cost });
        }
        self.check_balance(base_token, buyer, cost)?;
        self.check_cap(token, amount)?;
        Ok((sale.id, cost))
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
}

/// The events of the exchange and the dispenser that sales make.
pub(super) fn sale_topics() -> Vec<B256> {
    vec![FixedRateExchange::Swapped::SIGNATURE_HASH, DispenserContract::TokensDispensed::SIGNATURE_HASH]
}
