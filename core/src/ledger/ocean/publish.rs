//! Publishing: everything that Ocean's factory does in one transaction.

use alloy::primitives::U256;

use super::abi::{DispenserData, ErcCreateData, Factory, FixedData, NftCreateData};
use super::convert::{to_evm, to_u256};
use super::sale::DATATOKEN_DECIMALS;
use super::{OceanLedger, Result};
use crate::ledger::{Amount, Dispenser, EventKind, LedgerError, Publication, Published, Receipt, check};
use crate::{Account, Address};

type Evm = alloy::primitives::Address;

/// The symbol of an NFT that stands for no asset: its datatoken is one to pay with, and has a name and a symbol of its own.
pub(super) const COIN_SYMBOL: &str = "sealock/v1/base-token";

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
}
