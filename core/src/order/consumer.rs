//! The party that buys.

use std::sync::Arc;

use hkdf::Hkdf;
use sealock_zk::{IdentitySecret, Scalar};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::{DownloadOrder, DownloadTicket, FederatedTicket, InferenceTicket, JobTicket, Order, OrderError};
use crate::access::Service;
use crate::asset::Price;
use crate::error::Result;
use crate::exchange::{Asset, COMPUTE_SERVICE, DOWNLOAD_SERVICE, Exchange, Opened};
use crate::job::JobId;
use crate::ledger::{self, Amount, Ledger, LedgerError, OrderTerms};
use crate::program::Query;
use crate::progress::{Progress, quiet};
use crate::wallet::{Ticket, Wallet};
use crate::{Account, Digest};

/// A party that buys and asks.
pub struct Consumer {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) exchange: Exchange,
    pub(super) account: Account,
    pub(super) wallet: Wallet,
    _opened: Opened,
}

impl Consumer {
    pub(crate) fn new(exchange: Exchange, account: Account, wallet: Wallet, opened: Opened) -> Self {
        Self { inner: Arc::new(Inner { exchange, account, wallet, _opened: opened }) }
    }

    /// The account that pays.
    pub fn address(&self) -> crate::Address {
        self.inner.account.address()
    }

    /// Gets `count` datatokens of the asset, at its fixed price or from its dispenser. Pays at most the price that
    /// [`Asset::price`] shows, and the ledger's own [fees](ledger::Ledger::sale_fees) on top.
    ///
    /// # Errors
    /// [`ErrorKind::InsufficientBalance`](crate::ErrorKind::InsufficientBalance),
    /// [`ErrorKind::PriceExceeded`](crate::ErrorKind::PriceExceeded),
    /// [`ErrorKind::DispenserLimit`](crate::ErrorKind::DispenserLimit),
    /// [`ErrorKind::NotForSale`](crate::ErrorKind::NotForSale).
    pub fn buy(&self, asset: &Asset, count: u32) -> Result<ledger::Receipt> {
        let Inner { exchange, account, .. } = &*self.inner;
        let token = asset.service().datatoken;
        let amount = Amount::whole(count.into());
        Ok(match asset.price() {
            Some(Price::Fixed { base_token, amount: price }) => {
                let cost = amount.cost_at(Amount::from_units(*price)).ok_or(OrderError::CostOverflow)?;
                let fees = exchange.ledger().sale_fees(token, amount, *base_token)?;
                let cost = cost.checked_add(fees).ok_or(OrderError::CostOverflow)?;
                exchange.ledger().buy(account, token, amount, *base_token, cost)?
            }
            // The ledger says what is not on offer.
            Some(Price::Free { .. }) | None => exchange.ledger().dispense(account, token, amount)?,
        })
    }

    /// Spends one datatoken on an order of the asset.
    ///
    /// # Errors
    /// [`OrderError::NotOffered`] if the asset's policy answers no query and scores no vector;
    /// [`ErrorKind::InsufficientBalance`](crate::ErrorKind::InsufficientBalance): buy first.
    pub fn order(&self, asset: &Asset) -> Result<Order> {
        let (offered, what) = match asset.model() {
            None => (asset.policy().allows_queries(), "queries"),
            Some(_) => (asset.policy().max_vectors().is_some(), "inference"),
        };
        if !offered {
            return Err(OrderError::NotOffered { did: asset.did(), what }.into());
        }
        self.place(asset, asset.service())
    }

    /// Spends one datatoken on an order of the data itself. It pays for downloads, and for no query.
    ///
    /// # Errors
    /// [`OrderError::NotOffered`] if the asset's policy allows no download;
    /// [`ErrorKind::InsufficientBalance`](crate::ErrorKind::InsufficientBalance): buy first.
    pub fn order_download(&self, asset: &Asset) -> Result<DownloadOrder> {
        Ok(DownloadOrder(self.place(asset, downloads(asset)?)?))
    }

    /// The commitment of the next order of the asset: what its owner signs an [offer](crate::owner::Owner::offer) for, where that is
    /// elsewhere. It says nothing of later jobs.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn commitment(&self, asset: &Asset) -> Result<[u8; 32]> {
        Ok(self.next(asset)?.1.commitment().to_bytes())
    }

    /// Number and secret of the next order of the asset.
    fn next(&self, asset: &Asset) -> Result<(u64, IdentitySecret)> {
        let counter = self.placed(asset, asset.service())?.len() as u64;
        Ok((counter, identity(&self.inner.account, asset.service(), counter)))
    }

    /// Spends one datatoken on an order of the asset, with an offer that its owner signed for [`Consumer::commitment`], on a
    /// ledger on which an order needs one.
    ///
    /// # Errors
    /// As [`Consumer::order`], and for an offer that is not for this consumer, asset and commitment: nothing is paid then.
    pub fn order_offered(&self, asset: &Asset, offer: &[u8]) -> Result<Order> {
        let Inner { exchange, account, .. } = &*self.inner;
        let (service, terms) = (asset.service(), asset.order_terms());
        let (counter, secret) = self.next(asset)?;
        let commitment = secret.commitment().to_bytes();
        let (token, number) = (service.datatoken, service.service);
        let record = exchange.ledger().order_offered(account, token, number, terms, commitment, offer)?;
        Ok(bind(&self.inner, asset, service, counter, secret, &record))
    }

    fn place(&self, asset: &Asset, service: Service) -> Result<Order> {
        let Inner { exchange, account, .. } = &*self.inner;
        let terms: OrderTerms = asset.order_terms();
        #[cfg(feature = "client")]
        if let Some(node) = exchange.node().filter(|node| !node.info().serves_ledger) {
            // Its owner signs an offer for every order, and is there.
            let counter = self.placed(asset, service)?.len() as u64;
            let secret = identity(account, service, counter);
            let (commitment, token, number) = (secret.commitment().to_bytes(), service.datatoken, service.service);
            let offer = node.offer(&asset.did(), number, account.address(), commitment)?;
            let record = exchange.ledger().order_offered(account, token, number, terms, commitment, &offer)?;
            return Ok(bind(&self.inner, asset, service, counter, secret, &record));
        }
        for counter in 0.. {
            let secret = identity(account, service, counter);
            let commitment = secret.commitment().to_bytes();
            match exchange.ledger().order(account, service.datatoken, service.service, terms, commitment) {
                Ok(record) => return Ok(bind(&self.inner, asset, service, counter, secret, &record)),
                Err(LedgerError::DuplicateCommitment { .. }) => {}
                Err(e) => return Err(e.into()),
            }
        }
        unreachable!("an account does not order 2^64 times")
    }

    /// The orders of the asset that this account has made, found on the ledger by the account's key alone.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn orders(&self, asset: &Asset) -> Result<Vec<Order>> {
        self.placed(asset, asset.service())
    }

    /// As [`Consumer::orders`], the orders of the data itself.
    ///
    /// # Errors
    /// [`OrderError::NotOffered`] if the asset's policy allows no download; the ledger's own.
    pub fn download_orders(&self, asset: &Asset) -> Result<Vec<DownloadOrder>> {
        Ok(self.placed(asset, downloads(asset)?)?.into_iter().map(DownloadOrder).collect())
    }

    fn placed(&self, asset: &Asset, service: Service) -> Result<Vec<Order>> {
        let Inner { exchange, account, .. } = &*self.inner;
        let mut all = std::collections::HashMap::new();
        find_order(exchange.ledger(), service, |order| {
            all.insert(order.commitment, *order);
            false
        })?;
        let mut found = Vec::new();
        for counter in 0.. {
            let secret = identity(account, service, counter);
            let Some(record) = all.get(&secret.commitment().to_bytes()) else { break };
            found.push(bind(&self.inner, asset, service, counter, secret, record));
        }
        Ok(found)
    }

    /// Every request that was made, with the keys that open its result, until it is [forgotten](Consumer::forget): whether it was
    /// sent or not, and also once its result was opened. They open without the ledger, as the asset was described when they
    /// were made.
    ///
    /// After a crash they are what is gone on with, also in another process on the same folder. The same request again is the
    /// same job, and costs nothing; one that was never admitted and has grown old is [renewed](JobTicket::renew) first.
    ///
    /// ```ignore
    /// for ticket in consumer.tickets()? {
    ///     let (result, receipt) = node.run(ticket.request().clone())?;
    ///     let answer = ticket.open(&result, &receipt)?;
    ///     // Once the answer is kept elsewhere:
    ///     consumer.forget(ticket.job())?;
    /// }
    /// ```
    ///
    /// # Errors
    /// A wallet that does not decode.
    pub fn tickets(&self) -> Result<Vec<JobTicket>> {
        let alone = |ticket: &JobTicket| ticket.asset.model().is_none() && ticket.request().round().is_none();
        Ok(self.kept(COMPUTE_SERVICE)?.into_iter().filter(alone).collect())
    }

    /// As [`Consumer::tickets`], the requests of sums over several owners' assets. One of whose parts some were forgotten
    /// opens no more, and is left out.
    ///
    /// # Errors
    /// A wallet that does not decode.
    pub fn federated_tickets(&self) -> Result<Vec<FederatedTicket>> {
        let kept = self.kept(COMPUTE_SERVICE)?;
        FederatedTicket::gather(kept.into_iter().filter(|ticket| ticket.request().round().is_some()))
    }

    /// Makes the requests for one query to several owners' assets, of which only the sum can be opened, or none: checks it
    /// against every asset's policy, encrypts its secrets once, and proves for each asset that some order of it pays. Takes
    /// the next use of each order. Order of the parties is that of `orders`, one for each asset.
    ///
    /// Send each request to its owner's node, and open all results together.
    ///
    /// # Errors
    /// [`FederationError`](crate::federation::FederationError) for orders of the same owner, of another consumer or of assets whose columns differ;
    /// otherwise as [`Order::request`], for the first order that fails. Nothing was taken from any then.
    pub fn request_federated(&self, orders: &[&Order], query: &Query) -> Result<FederatedTicket> {
        self.request_federated_with(orders, query, &mut quiet())
    }

    /// As [`Consumer::request_federated`], and tells how far it is. It can be cancelled until the uses are taken.
    ///
    /// # Errors
    /// As [`Consumer::request_federated`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn request_federated_with(
        &self,
        orders: &[&Order],
        query: &Query,
        progress: &mut Progress<'_>,
    ) -> Result<FederatedTicket> {
        FederatedTicket::request(&self.inner, orders, query, progress)
    }

    /// As [`Consumer::tickets`], the requests for vectors to be scored.
    ///
    /// # Errors
    /// A wallet that does not decode.
    pub fn inference_tickets(&self) -> Result<Vec<InferenceTicket>> {
        let kept = self.kept(COMPUTE_SERVICE)?.into_iter();
        Ok(kept.filter(|ticket| ticket.asset.model().is_some()).map(InferenceTicket).collect())
    }

    /// As [`Consumer::tickets`], the requests for data itself.
    ///
    /// # Errors
    /// A wallet that does not decode.
    pub fn download_tickets(&self) -> Result<Vec<DownloadTicket>> {
        Ok(self.kept(DOWNLOAD_SERVICE)?.into_iter().map(DownloadTicket).collect())
    }

    fn kept(&self, service: u32) -> Result<Vec<JobTicket>> {
        let tickets = self.inner.wallet.tickets()?;
        let ticket = |ticket: Ticket| {
            let asset = Asset::remembered(ticket.service, ticket.owner, ticket.ddo.clone())?;
            Ok(JobTicket { consumer: Arc::clone(&self.inner), asset, ticket })
        };
        tickets.into_iter().filter(|ticket| ticket.service.service == service).map(ticket).collect()
    }

    /// Removes a request of any kind and its keys from the wallet. Its result cannot be opened afterwards, and the use that it took
    /// stays taken.
    ///
    /// # Errors
    /// A failed write.
    pub fn forget(&self, job: JobId) -> Result<()> {
        Ok(self.inner.wallet.forget(job)?)
    }
}

/// The first order of a service that `wanted` says yes to.
pub(crate) fn find_order(
    ledger: &dyn Ledger,
    service: Service,
    mut wanted: impl FnMut(&ledger::Order) -> bool,
) -> Result<Option<ledger::Order>> {
    let mut from = 0;
    loop {
        let page = ledger.orders(service.datatoken, service.service, from, 4096)?;
        let Some(last) = page.last() else { return Ok(None) };
        from = last.index + 1;
        if let Some(found) = page.iter().find(|order| wanted(order)) {
            return Ok(Some(*found));
        }
    }
}

/// An order on the ledger, with what belongs to it.
pub(super) fn bind(
    consumer: &Arc<Inner>,
    asset: &Asset,
    service: Service,
    counter: u64,
    secret: IdentitySecret,
    record: &ledger::Order,
) -> Order {
    let credential = service.credential(record.limit, record.expiry);
    let (consumer, asset) = (Arc::clone(consumer), asset.clone());
    Order { consumer, asset, service, counter, secret, credential, record: *record }
}

fn downloads(asset: &Asset) -> Result<Service, OrderError> {
    asset.download_service().ok_or_else(|| OrderError::NotOffered { did: asset.did(), what: "downloads" })
}

/// The identity secret of an account's n-th order of a service.
pub(super) fn identity(account: &Account, service: Service, counter: u64) -> IdentitySecret {
    let mut okm = Zeroizing::new([0u8; 64]);
    let info = Digest::of(
        "sealock/v1/identity",
        &[
            &service.chain_id.to_be_bytes(),
            service.ledger.as_bytes(),
            service.nft.as_bytes(),
            service.datatoken.as_bytes(),
            &service.service.to_be_bytes(),
            &counter.to_be_bytes(),
        ],
    );
    Hkdf::<Sha512>::new(Some(b"sealock/v1/identity"), account.expose_secret_bytes().as_ref())
        .expand(info.as_bytes(), okm.as_mut())
        .expect("64 bytes are within HKDF's limit");
    let scalar = Zeroizing::new(Scalar::hash("sealock/v1/identity", &[okm.as_ref()]).to_bytes());
    IdentitySecret::from_bytes(&scalar)
        .expect("a field element's own bytes are canonical, and zero has no known preimage")
}
