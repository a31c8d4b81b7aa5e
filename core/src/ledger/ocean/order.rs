//! Orders.

use std::collections::BTreeMap;

use alloy::primitives::{B256, Bytes, U256};

use super::abi::{ConsumeMarketFeeData, Datatoken, FreParams, OrderParams};
use super::convert::{digest, from_u256, ours, to_evm, to_u256};
use super::node::TxReceipt;
use super::record::SignedOffer;
use super::{OceanLedger, Ordering, Result, lock};
use crate::ledger::{Amount, LedgerError, Order, Receipt, check};
use crate::{Account, Address};

type Evm = alloy::primitives::Address;

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

impl OceanLedger {
    /// Buys a datatoken of the [`Template::Enterprise`](super::Template::Enterprise) and orders with it, in one transaction.
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

    /// Takes a datatoken of the [`Template::Enterprise`](super::Template::Enterprise) from its dispenser and orders with it, in one transaction.
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
        for (fee_token, amount) in &fees {
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
    for (fee_token, amount) in &fees {
        ledger.approve(consumer, *fee_token, token, *amount)?;
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
            let (sale, cost) = ledger.whole_cost(token, Amount::ONE, base_token, true)?;
            let more = fees.get(&base_token).copied().unwrap_or(Amount::ZERO);
            let all = cost.checked_add(more).ok_or(LedgerError::Overflow { what: "the cost" })?;
            ledger.approve(consumer, base_token, token, all)?;
            let fre = FreParams {
                exchangeContract: to_evm(ledger.addresses.fixed_rate),
                exchangeId: sale.id,
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

/// What an order pays beside the datatoken, which takes it: by token.
fn fees(ledger: &OceanLedger, signed: &SignedOffer) -> Result<BTreeMap<Address, Amount>> {
    let market = ledger.view(signed.offer.token, Datatoken::getPublishingMarketFeeCall {})?;
    let market_amount = from_u256(market.amount).ok_or(LedgerError::Overflow { what: "the market's fee" })?;
    let market_amount = if market.market == Evm::ZERO { Amount::ZERO } else { market_amount };
    let mut fees: BTreeMap<Address, Amount> = BTreeMap::new();
    for (fee_token, amount) in [(signed.fee_token, signed.fee), (ours(market.token), market_amount)] {
        if amount > Amount::ZERO && fee_token != Address::ZERO {
            let sum = fees.entry(fee_token).or_default();
            *sum = sum.checked_add(amount).ok_or(LedgerError::Overflow { what: "the fees" })?;
        }
    }
    Ok(fees)
}
