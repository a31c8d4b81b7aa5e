//! Roles of an NFT, who is paid, and what the NFT says of its services.

use std::collections::BTreeSet;

use super::abi::{Datatoken, Nft};
use super::convert::{ours, to_evm};
use super::record::TermsRecord;
use super::{OceanLedger, Result};
use crate::ledger::{EventKind, LedgerError, OrderTerms, Receipt, check};
use crate::{Account, Address};

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

impl OceanLedger {
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
