//! Data NFTs, datatokens and orders.
//!
//! An owner publishes a data NFT with a datatoken, sells the datatoken or gives it away, and a consumer orders: pays one
//! whole datatoken and appends an identity commitment. The commitments of a service's orders are the group within which
//! an access proof later hides.
//!
//! **Who the ledger is.** Everybody who takes part trusts it to keep the order of transactions and to lose none; nobody
//! needs to trust it for what an account wants, since transactions are signed. **What it learns:** who published, bought
//! and ordered, when, for how much, and the commitment. Not which job was whose: a job shows a proof about the group,
//! never its order.
//!
//! [`Ledger`] follows Ocean Protocol's contracts of version 4
//! (<https://github.com/oceanprotocol/contracts/tree/v4main>): data NFT (ERC-721) with datatokens (ERC-20 of 18
//! decimals), FixedRateExchange, Dispenser, `startOrder` and `setMetaData`. There are two kinds: [`EmbeddedLedger`],
//! for one machine or one operator, and Ocean's own contracts on an EVM chain.
//!
//! A refusal changes nothing. Calls block until what they did is durable.

mod amount;
mod check;
mod embedded;
mod error;
#[cfg(feature = "ocean")]
pub mod ocean;
mod types;

pub use amount::Amount;
pub use embedded::{
    Action, Applied, AuditReport, EMBEDDED_CHAIN_ID, EmbeddedLedger, PAGE_BYTES, SignedTransaction, TRANSACTION_LIMIT,
    TRANSACTION_VERSION, Tip, Transaction,
};
pub use error::LedgerError;
pub use types::{
    Control, Dispenser, EFFECTIVE_GRAIN, Event, EventKind, FixedRate, METADATA_LIMIT, Metadata, NAME_LIMIT, Order,
    OrderTerms, Price, Publication, Published, Receipt, Revocation, TokenInfo,
};

use std::sync::Arc;

use crate::{Account, Address, keystore::KeyStore, time::Timestamp};

/// Who signs offers of orders: see [`Ledger::attend`].
pub trait OrderSigner: Send + Sync {
    /// The account that signs.
    fn account(&self) -> &Account;
}

impl OrderSigner for Account {
    fn account(&self) -> &Account {
        self
    }
}

impl OrderSigner for KeyStore {
    fn account(&self) -> &Account {
        KeyStore::account(self)
    }
}

/// A ledger of data NFTs, datatokens and orders.
///
/// Errors common to all calls: [`LedgerError::UnknownToken`] for an address that is not what the call needs, and the
/// implementation's own failures to read or write.
pub trait Ledger: Send + Sync {
    /// The EVM chain id, or [`EMBEDDED_CHAIN_ID`].
    fn chain_id(&self) -> u64;

    /// The ledger's own address: with the chain id it says which ledger a proof or a signature is for.
    fn address(&self) -> Address;

    /// Publishes a data NFT with a datatoken. The owner is the datatoken's first minter.
    ///
    /// # Errors
    /// [`LedgerError::InvalidArgument`] or [`LedgerError::TooLarge`] for a name outside its limits.
    fn publish(&self, owner: &Account, publication: &Publication) -> Result<Published, LedgerError>;

    /// Deploys a token to pay with, and makes its deployer the first minter: the stand-in for OCEAN or USDC where the
    /// ledger has none.
    ///
    /// # Errors
    /// As [`Ledger::publish`].
    fn deploy_token(&self, owner: &Account, name: &str, symbol: &str, cap: Amount) -> Result<Address, LedgerError>;

    /// Mints `amount` of `token` for `to`.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by a minter; [`LedgerError::CapExceeded`].
    fn mint(&self, minter: &Account, token: Address, to: Address, amount: Amount) -> Result<Receipt, LedgerError>;

    /// Transfers `amount` of `token` to `to`.
    ///
    /// # Errors
    /// [`LedgerError::InsufficientBalance`].
    fn transfer(&self, from: &Account, token: Address, to: Address, amount: Amount) -> Result<Receipt, LedgerError>;

    /// What `account` holds of `token`.
    ///
    /// # Errors
    /// The common ones.
    fn balance_of(&self, token: Address, account: Address) -> Result<Amount, LedgerError>;

    /// What `token` is.
    ///
    /// # Errors
    /// The common ones.
    fn token(&self, token: Address) -> Result<TokenInfo, LedgerError>;

    /// How much of `token` exists.
    ///
    /// # Errors
    /// The common ones.
    fn total_supply(&self, token: Address) -> Result<Amount, LedgerError> {
        Ok(self.token(token)?.supply)
    }

    /// How much of `token` may exist.
    ///
    /// # Errors
    /// The common ones.
    fn cap(&self, token: Address) -> Result<Amount, LedgerError> {
        Ok(self.token(token)?.cap)
    }

    /// Lets `account` mint `token`.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner.
    fn add_minter(&self, owner: &Account, token: Address, account: Address) -> Result<Receipt, LedgerError>;

    /// Lets `account` no longer mint `token`.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner.
    fn remove_minter(&self, owner: &Account, token: Address, account: Address) -> Result<Receipt, LedgerError>;

    /// Whether `account` may mint `token`.
    ///
    /// # Errors
    /// The common ones.
    fn is_minter(&self, token: Address, account: Address) -> Result<bool, LedgerError>;

    /// Sets up or changes the sale of datatoken `token` at a fixed rate.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner; [`LedgerError::InvalidArgument`] for a rate of nothing, or a
    /// datatoken that would be paid in itself.
    fn set_fixed_rate(&self, owner: &Account, token: Address, rate: FixedRate) -> Result<Receipt, LedgerError>;

    /// Sets up or changes the dispenser of datatoken `token`.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner.
    fn set_dispenser(&self, owner: &Account, token: Address, dispenser: Dispenser) -> Result<Receipt, LedgerError>;

    /// How datatoken `token` can be had.
    ///
    /// # Errors
    /// The common ones.
    fn price(&self, token: Address) -> Result<Price, LedgerError>;

    /// Buys `amount` datatokens for at most `max_cost` of `base_token`. The buyer names the base token, so that an owner
    /// who changes it in between sells nothing.
    ///
    /// # Errors
    /// [`LedgerError::NotForSale`], [`LedgerError::PriceExceeded`], [`LedgerError::InsufficientBalance`] of the buyer
    /// in the base token or of the seller in the datatoken, [`LedgerError::CapExceeded`].
    fn buy(
        &self,
        buyer: &Account,
        token: Address,
        amount: Amount,
        base_token: Address,
        max_cost: Amount,
    ) -> Result<Receipt, LedgerError>;

    /// What buying `amount` datatokens costs in `base_token` beside the price: fees of the ledger's operators and of the
    /// market. None, unless the ledger says otherwise.
    ///
    /// # Errors
    /// [`LedgerError::NotForSale`] where the ledger has fees.
    fn sale_fees(&self, token: Address, amount: Amount, base_token: Address) -> Result<Amount, LedgerError> {
        let _ = (token, amount, base_token);
        Ok(Amount::ZERO)
    }

    /// Pays out to the NFT's owner what sales of `token` brought and the ledger still holds, and returns how much that was.
    /// Anybody may ask; `account` pays the ledger's own fees. Nothing, where a sale pays the owner at once.
    ///
    /// # Errors
    /// The common ones.
    fn collect(&self, account: &Account, token: Address) -> Result<Amount, LedgerError> {
        let _ = account;
        self.price(token).map(|_| Amount::ZERO)
    }

    /// Takes `amount` datatokens from the dispenser.
    ///
    /// # Errors
    /// [`LedgerError::NotForSale`], [`LedgerError::DispenserLimit`], [`LedgerError::CapExceeded`].
    fn dispense(&self, to: &Account, token: Address, amount: Amount) -> Result<Receipt, LedgerError>;

    /// Sets what later orders of `service` give. Earlier ones keep what they gave.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner; [`LedgerError::InvalidArgument`] for zeros, and for other epochs
    /// than the service has had.
    fn set_order_terms(
        &self,
        owner: &Account,
        token: Address,
        service: u32,
        terms: OrderTerms,
    ) -> Result<Receipt, LedgerError>;

    /// What an order of `service` gives.
    ///
    /// # Errors
    /// [`LedgerError::UnknownService`] if none were set.
    fn order_terms(&self, token: Address, service: u32) -> Result<OrderTerms, LedgerError>;

    /// Orders `service`: pays one whole datatoken to the NFT's owner and appends `commitment`. The consumer names the
    /// terms, so that an owner who changes them in between gets no order.
    ///
    /// # Errors
    /// [`LedgerError::InsufficientBalance`], [`LedgerError::UnknownService`], [`LedgerError::TermsChanged`],
    /// [`LedgerError::DuplicateCommitment`], [`LedgerError::InvalidArgument`] for a commitment of zeros.
    fn order(
        &self,
        consumer: &Account,
        token: Address,
        service: u32,
        terms: OrderTerms,
        commitment: [u8; 32],
    ) -> Result<Order, LedgerError>;

    /// An offer that `provider` signs for an order of `consumer` with `commitment`, as bytes to be sent: what
    /// [`Ledger::order_offered`] takes. It costs nothing.
    ///
    /// # Errors
    /// [`LedgerError::InvalidArgument`] on a ledger on which an order needs none; otherwise the ledger's own.
    fn offer(
        &self,
        provider: &Account,
        token: Address,
        service: u32,
        consumer: Address,
        commitment: [u8; 32],
    ) -> Result<Vec<u8>, LedgerError> {
        let _ = (provider, token, service, consumer, commitment);
        Err(LedgerError::InvalidArgument {
            what: "the offer",
            why: "an order needs none on this ledger: order without",
        })
    }

    /// Orders with an offer that somebody else signed. Terms and commitment are those that the consumer means: an offer of
    /// others is refused.
    ///
    /// # Errors
    /// As [`Ledger::offer`] and [`Ledger::order`].
    fn order_offered(
        &self,
        consumer: &Account,
        token: Address,
        service: u32,
        terms: OrderTerms,
        commitment: [u8; 32],
        offer: &[u8],
    ) -> Result<Order, LedgerError> {
        let _ = (consumer, token, service, terms, commitment, offer);
        Err(LedgerError::InvalidArgument {
            what: "the offer",
            why: "an order needs none on this ledger: order without",
        })
    }

    /// The embedded ledger, if this is one: what a node lets others [follow](EmbeddedLedger::follow).
    fn embedded(&self) -> Option<&EmbeddedLedger> {
        None
    }

    /// Signs offers of orders with the provider's account from now on, for as long as somebody else holds it: a ledger on
    /// which an order needs one, asks it then. Does nothing, unless the ledger says otherwise.
    fn attend(&self, provider: &Arc<dyn OrderSigner>) {
        let _ = provider;
    }

    /// At most `limit` verified orders of `service` from index `from` on, in the order of the log. Expired ones are
    /// among them ([`Order::expired`]), since every index keeps its place.
    ///
    /// # Errors
    /// The common ones.
    fn orders(&self, token: Address, service: u32, from: u64, limit: usize) -> Result<Vec<Order>, LedgerError>;

    /// Takes back order number `order` of `service`: it admits no jobs from `effective` on. With `refund`, the NFT's owner pays
    /// the datatoken back that it cost. It cannot be undone.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner; [`LedgerError::UnknownOrder`]; [`LedgerError::AlreadyRevoked`];
    /// [`LedgerError::InvalidArgument`] for a time that is past or no multiple of [`EFFECTIVE_GRAIN`];
    /// [`LedgerError::InsufficientBalance`] of the owner.
    fn revoke_order(
        &self,
        owner: &Account,
        token: Address,
        service: u32,
        order: u64,
        effective: Timestamp,
        refund: bool,
    ) -> Result<Revocation, LedgerError>;

    /// At most `limit` revocations of orders of `service` from number `from` on, in the order of the log.
    ///
    /// # Errors
    /// The common ones.
    fn revocations(
        &self,
        token: Address,
        service: u32,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Revocation>, LedgerError>;

    /// Sets the asset's description, at most [`METADATA_LIMIT`] bytes.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner; [`LedgerError::TooLarge`].
    fn set_metadata(&self, owner: &Account, nft: Address, ddo: &[u8]) -> Result<Receipt, LedgerError>;

    /// The asset's description, checked against its hash; `None` if none was set.
    ///
    /// # Errors
    /// The common ones.
    fn metadata(&self, nft: Address) -> Result<Option<Metadata>, LedgerError>;

    /// Who owns the NFT.
    ///
    /// # Errors
    /// The common ones.
    fn owner_of(&self, nft: Address) -> Result<Address, LedgerError>;

    /// Gives the NFT to `to`. Its datatokens lose their minters, sale and dispenser, so that nobody mints or sells in
    /// the new owner's name; the new owner sets them anew.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] unless by the owner.
    fn transfer_nft(&self, owner: &Account, nft: Address, to: Address) -> Result<Receipt, LedgerError>;

    /// Whether `token` is a datatoken of `nft`.
    ///
    /// # Errors
    /// The common ones.
    fn is_deployed(&self, nft: Address, token: Address) -> Result<bool, LedgerError>;

    /// At most `limit` data NFTs, in the order of their making, without the first `from`.
    ///
    /// # Errors
    /// The common ones.
    fn nfts(&self, from: u64, limit: usize) -> Result<Vec<Address>, LedgerError> {
        const PAGE: usize = 4096;
        let (mut nfts, mut passed, mut next) = (Vec::new(), 0, 0);
        loop {
            let page = self.events(next, PAGE)?;
            for event in &page {
                next = event.index + 1;
                if !matches!(event.kind, EventKind::NftCreated { .. }) {
                    continue;
                }
                if passed >= from && nfts.len() < limit {
                    nfts.push(event.emitter);
                }
                passed += 1;
            }
            if page.len() < PAGE || nfts.len() >= limit {
                return Ok(nfts);
            }
        }
    }

    /// The data NFTs that `owner` has had published and still owns.
    ///
    /// # Errors
    /// The common ones.
    fn nfts_of(&self, owner: Address) -> Result<Vec<Address>, LedgerError> {
        let mut found = Vec::new();
        for nft in self.nfts(0, usize::MAX)? {
            if self.owner_of(nft)? == owner {
                found.push(nft);
            }
        }
        Ok(found)
    }

    /// At most `limit` events from index `from` on.
    ///
    /// # Errors
    /// The common ones.
    fn events(&self, from: u64, limit: usize) -> Result<Vec<Event>, LedgerError>;

    /// Checks the whole log, as far as it can be checked, and returns how many events it has.
    ///
    /// # Errors
    /// [`LedgerError::BrokenLog`] at the first event that does not fit.
    fn verify_log(&self) -> Result<u64, LedgerError>;
}
