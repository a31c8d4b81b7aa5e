//! The consumer's side: buy, order, ask, open.
//!
//! Every order has an identity secret of its own, derived from the account's key (HKDF, RFC 5869), the asset and a
//! counter. So an account's key alone finds all its orders again on the ledger, and two orders of one account have nothing
//! in common that anybody else could see.
//!
//! What a request needs later, the keys that open its result and the number of the use that it spends, goes to the
//! consumer's [`Wallet`] before the request is handed out. A lost response is asked for again with the same
//! [`JobTicket::request`]; a request that never arrived, and has grown old, is proved again with [`JobTicket::renew`].

use std::sync::Arc;

use hkdf::Hkdf;
use sealock_fhe::linear::{Entropy, QueryKey, SealedAnswer};
use sealock_zk::{
    Claim, Credential, IdentitySecret, MerkleProof, ProveError, ProvingKey, SMALLEST_ANONYMOUS_GROUP, Scalar, Witness,
    os_rng, prove,
};
use serde_bytes::ByteBuf;
use sha2::Sha512;
use zeroize::Zeroizing;

use crate::access::{Rejection, Service};
use crate::asset::Price;
use crate::envelope::RecipientKey;
use crate::error::{Error, Result};
use crate::exchange::{Asset, Exchange, Opened};
use crate::job::{JobId, JobRequest};
use crate::ledger::{self, Amount, Ledger, LedgerError, OrderTerms};
use crate::node::shape;
use crate::program::Query;
use crate::receipt::{Receipt, ReceiptError};
use crate::release::{Answer, SealedResult};
use crate::time::Timestamp;
use crate::wallet::{Ticket, Wallet};
use crate::{Account, Digest};

/// How long a request can be renewed, in seconds. Each proof of it is good for [`MAX_CLOCK_SKEW`](crate::access::MAX_CLOCK_SKEW) alone.
pub const DEFAULT_DEADLINE: u64 = 12 * 60 * 60;
/// What a request's time is rounded down to, in seconds: the exact second would tell one machine's clock from another's.
const TIME_GRAIN: u64 = 60;

/// Why a consumer's step failed before anything left it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrderError {
    /// The order is not in the group that the ledger shows.
    #[error("the order is not among the asset's orders on this ledger")]
    NotInGroup,
    /// The price times the number bought has more than 128 bits.
    #[error("the cost of so many datatokens has no 128-bit number: buy fewer")]
    CostOverflow,
    /// The request's deadline has passed, so that it cannot be renewed.
    #[error("the request's deadline was {deadline}, it is {now} (unix seconds)")]
    DeadlinePassed {
        /// The deadline.
        deadline: Timestamp,
        /// The time of the attempt.
        now: Timestamp,
    },
    /// No node would answer the query.
    #[error("no node would answer this: {0}")]
    Unanswerable(#[source] Rejection),
    /// No use is left.
    #[error("all {limit} uses of this order are spent")]
    Exhausted {
        /// The order's limit.
        limit: u64,
    },
    /// The proof could not be made.
    #[error(transparent)]
    Proof(#[from] sealock_zk::ProveError),
    /// The asset's access key does not decode, or is not the one that its description pins.
    #[error("the asset's access key: {0}")]
    AccessKey(#[from] sealock_zk::DecodeError),
    /// The group could not be rebuilt.
    #[error("the group of orders: {0}")]
    Group(#[from] sealock_zk::TreeError),
}

impl crate::error::Classify for OrderError {
    fn kind(&self) -> crate::ErrorKind {
        use crate::ErrorKind as K;
        use sealock_zk::ProveError as P;
        match self {
            OrderError::NotInGroup | OrderError::Proof(P::NotMember) => K::NotAMember,
            OrderError::Exhausted { .. } | OrderError::Proof(P::UseLimitReached { .. }) => K::UseLimitReached,
            OrderError::Proof(P::Expired { .. }) => K::OrderExpired,
            OrderError::Proof(_) => K::InvalidProof,
            OrderError::CostOverflow => K::InvalidArgument,
            OrderError::DeadlinePassed { .. } => K::DeadlinePassed,
            OrderError::Unanswerable(e) => e.kind(),
            OrderError::AccessKey(_) => K::Malformed,
            OrderError::Group(_) => K::NotAMember,
        }
    }

    fn hint(&self) -> Option<String> {
        use crate::ErrorKind as K;
        match self.kind() {
            K::UseLimitReached | K::OrderExpired => Some("order the asset again".into()),
            K::DeadlinePassed => {
                Some("if the node never admitted it, ask anew with Order::request_use and the same use".into())
            }
            K::TooLarge => Some("group by fewer columns, or ask for fewer numbers".into()),
            K::NotAMember => Some("check that the exchange uses the ledger that the order was made on".into()),
            _ => None,
        }
    }
}

/// A party that buys and asks.
pub struct Consumer {
    inner: Arc<Inner>,
}

struct Inner {
    exchange: Exchange,
    account: Account,
    wallet: Wallet,
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
    /// [`Asset::price`] shows.
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
                exchange.ledger().buy(account, token, amount, *base_token, cost)?
            }
            // The ledger says what is not on offer.
            Some(Price::Free { .. }) | None => exchange.ledger().dispense(account, token, amount)?,
        })
    }

    /// Spends one datatoken on an order of the asset.
    ///
    /// # Errors
    /// [`ErrorKind::InsufficientBalance`](crate::ErrorKind::InsufficientBalance): buy first.
    pub fn order(&self, asset: &Asset) -> Result<Order> {
        let Inner { exchange, account, .. } = &*self.inner;
        let service = asset.service();
        let terms: OrderTerms = asset.order_terms();
        for counter in 0.. {
            let secret = identity(account, asset, counter);
            let commitment = secret.commitment().to_bytes();
            match exchange.ledger().order(account, service.datatoken, service.service, terms, commitment) {
                Ok(record) => return Ok(bind(&self.inner, asset, counter, secret, &record)),
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
        let Inner { exchange, account, .. } = &*self.inner;
        let mut all = std::collections::HashMap::new();
        find_order(exchange.ledger(), asset.service(), |order| {
            all.insert(order.commitment, *order);
            false
        })?;
        let mut found = Vec::new();
        for counter in 0.. {
            let secret = identity(account, asset, counter);
            let Some(record) = all.get(&secret.commitment().to_bytes()) else { break };
            found.push(bind(&self.inner, asset, counter, secret, record));
        }
        Ok(found)
    }

    /// The requests that were made and whose answers have not been [forgotten](Consumer::forget). They open without the
    /// ledger, as the asset was described when they were made.
    ///
    /// # Errors
    /// A wallet that does not decode.
    pub fn tickets(&self) -> Result<Vec<JobTicket>> {
        let tickets = self.inner.wallet.tickets()?;
        let ticket = |ticket: Ticket| {
            let asset = Asset::remembered(ticket.service, ticket.owner, ticket.ddo.clone())?;
            Ok(JobTicket { consumer: Arc::clone(&self.inner), asset, ticket })
        };
        tickets.into_iter().map(ticket).collect()
    }

    /// Removes the keys of a request from the wallet. Its result cannot be opened afterwards.
    ///
    /// # Errors
    /// A failed write.
    pub fn forget(&self, job: JobId) -> Result<()> {
        Ok(self.inner.wallet.forget(job)?)
    }
}

/// The first order of a service that `wanted` says yes to.
fn find_order(
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
fn bind(consumer: &Arc<Inner>, asset: &Asset, counter: u64, secret: IdentitySecret, record: &ledger::Order) -> Order {
    let credential = asset.service().credential(record.limit, record.expiry);
    Order { consumer: Arc::clone(consumer), asset: asset.clone(), counter, secret, credential, record: *record }
}

/// The identity secret of an account's n-th order of an asset.
fn identity(account: &Account, asset: &Asset, counter: u64) -> IdentitySecret {
    let mut okm = Zeroizing::new([0u8; 64]);
    let service = asset.service();
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

/// An order: the right to some number of jobs, which nobody else can use and whose uses nobody can link to it.
pub struct Order {
    consumer: Arc<Inner>,
    asset: Asset,
    counter: u64,
    secret: IdentitySecret,
    credential: Credential,
    record: ledger::Order,
}

impl Order {
    /// What the ledger shows of the order.
    pub fn record(&self) -> &ledger::Order {
        &self.record
    }

    /// The asset.
    pub fn asset(&self) -> &Asset {
        &self.asset
    }

    /// Uses that are left, as far as this wallet knows.
    ///
    /// # Errors
    /// A failed read.
    pub fn uses_left(&self) -> Result<u64> {
        let used = self.consumer.wallet.uses(&self.record.commitment)?;
        Ok(self.credential.limit.saturating_sub(used))
    }

    /// Makes the request for a query: checks it against the asset's policy, encrypts its secrets, and proves that some
    /// order pays for it. Takes the order's next use. The keys are in the wallet before this returns.
    ///
    /// # Errors
    /// What is wrong with the query, or the rule that denies it: nothing was taken then.
    /// [`ErrorKind::UseLimitReached`](crate::ErrorKind::UseLimitReached),
    /// [`ErrorKind::OrderExpired`](crate::ErrorKind::OrderExpired).
    pub fn request(&self, query: &Query) -> Result<JobTicket> {
        let prepared = self.prepare(query, true)?;
        let limit = self.credential.limit;
        let taken = self.consumer.wallet.take_use(&self.record.commitment, limit)?;
        self.finish(prepared, taken.ok_or(OrderError::Exhausted { limit })?)
    }

    /// As [`Order::request`], for a use of the caller's choice, counted from 0: for a consumer who has the account's key and
    /// has lost the wallet, or whose request was rejected because the asset had changed. A use that was spent before is
    /// rejected, and two requests with one use can be linked.
    ///
    /// # Errors
    /// As [`Order::request`].
    pub fn request_use(&self, query: &Query, use_index: u64) -> Result<JobTicket> {
        let prepared = self.prepare(query, true)?;
        self.consumer.wallet.mark_used(&self.record.commitment, use_index)?;
        self.finish(prepared, use_index)
    }

    /// As [`Order::request`], without looking at the policy first. The node looks in any case, and whoever skips the look
    /// risks a rejection that does not say why.
    ///
    /// # Errors
    /// As [`Order::request`], but for the rules of the policy.
    pub fn request_without_policy_check(&self, query: &Query) -> Result<JobTicket> {
        let prepared = self.prepare(query, false)?;
        let limit = self.credential.limit;
        let taken = self.consumer.wallet.take_use(&self.record.commitment, limit)?;
        self.finish(prepared, taken.ok_or(OrderError::Exhausted { limit })?)
    }

    /// Everything that can fail for the caller's reasons, before a use is taken.
    fn prepare(&self, query: &Query, check_policy: bool) -> Result<Prepared> {
        let asset = &self.asset;
        let now = self.now()?;
        let program = query.program();
        let plan = program.plan(asset.schema())?;
        if check_policy {
            asset.policy().check(&program, &plan, now)?;
        }
        shape(asset, &plan).map_err(OrderError::Unanswerable)?;
        let indicator = Zeroizing::new(plan.indicator(asset.schema(), query)?);
        let (membership, key) = (self.membership(now)?, self.consumer.exchange.proving_key(asset)?);
        Ok(Prepared { now, program: program.to_bytes()?, indicator, membership, key })
    }

    /// The time, rounded, if the order is still valid.
    fn now(&self) -> Result<Timestamp> {
        let now = self.consumer.exchange.clock().now();
        let expiry = self.credential.expiry;
        if now > expiry {
            return Err(OrderError::Proof(ProveError::Expired { expiry, now }).into());
        }
        Ok(now - now % TIME_GRAIN)
    }

    /// The order's path in the group as it is now.
    fn membership(&self, now: Timestamp) -> Result<MerkleProof> {
        let leaf = self.credential.leaf(self.secret.commitment());
        let (path, crowd) = self
            .consumer
            .exchange
            .with_group(self.asset.service(), |group| (group.path(leaf), group.crowd(now, self.asset.owner())))?;
        if crowd < SMALLEST_ANONYMOUS_GROUP {
            tracing::warn!(
                crowd,
                "too few accounts with valid orders to hide among: the owner can tell whose job it is"
            );
        }
        Ok(path.ok_or(OrderError::NotInGroup)?.map_err(OrderError::from)?)
    }

    fn finish(&self, prepared: Prepared, use_index: u64) -> Result<JobTicket> {
        let Prepared { now, program, indicator, membership, key } = prepared;
        let asset = &self.asset;
        let scope = asset.service().scope();
        let result_key = RecipientKey::generate();
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut()).expect("the operating system provides randomness");
        let mut request = JobRequest {
            version: JobRequest::VERSION,
            asset: asset.did().to_string(),
            program: ByteBuf::from(program),
            query: ByteBuf::new(),
            result_key: *result_key.public().as_bytes(),
            policy: asset.policy().digest()?,
            data: asset.data(),
            deadline: now.saturating_add(DEFAULT_DEADLINE),
            root: [0; 32],
            nullifier: self.secret.nullifier(scope, use_index).to_bytes(),
            now,
            proof: ByteBuf::new(),
        };
        request.query = ByteBuf::from(query_key(&seed).encrypt(&indicator, &request.context())?.to_bytes());
        self.prove(&mut request, &key, &membership, use_index)?;
        let ticket = Ticket {
            service: asset.service(),
            owner: asset.owner(),
            ddo: asset.ddo().to_vec(),
            counter: self.counter,
            use_index,
            request,
            seed,
            result_key,
        };
        self.consumer.wallet.keep(&ticket)?;
        Ok(JobTicket { consumer: Arc::clone(&self.consumer), asset: asset.clone(), ticket })
    }

    /// Proves a request for its time and the group's root on the path.
    fn prove(
        &self,
        request: &mut JobRequest,
        key: &ProvingKey,
        membership: &MerkleProof,
        use_index: u64,
    ) -> Result<(), OrderError> {
        let (root, scope) = (membership.root(), self.asset.service().scope());
        let claim = Claim { root, message: request.message(), scope, now: request.now };
        let witness = Witness { secret: &self.secret, credential: &self.credential, use_index, membership };
        let (_, proof) = prove(key, &claim, &witness, &mut os_rng())?;
        request.root = root.to_bytes();
        request.proof = ByteBuf::from(proof.to_bytes().to_vec());
        Ok(())
    }
}

/// A request that only lacks the use that pays for it.
struct Prepared {
    now: Timestamp,
    program: Vec<u8>,
    indicator: Zeroizing<Vec<bool>>,
    membership: MerkleProof,
    key: Arc<ProvingKey>,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Order(#{} of {}, {} uses)", self.record.index, self.asset.did(), self.credential.limit)
    }
}

fn query_key(seed: &[u8; 32]) -> QueryKey {
    QueryKey::generate_with_entropy(Entropy::from_seed(*seed))
}

/// The consumer's half of a job: the request to send, and the keys that open its result.
pub struct JobTicket {
    consumer: Arc<Inner>,
    asset: Asset,
    ticket: Ticket,
}

impl JobTicket {
    /// The request to send. Sending it twice is asking once. Once admitted it is answered at any time; before, its proof is
    /// good for a few minutes: see [`JobTicket::renew`].
    pub fn request(&self) -> &JobRequest {
        &self.ticket.request
    }

    /// The name of the job.
    pub fn job(&self) -> JobId {
        self.ticket.request.id()
    }

    /// Proves the same request again, for the present time and group. It stays the same job with the same use, so that
    /// nothing is lost when a node was out of reach, and nothing is paid twice when it was not.
    ///
    /// # Errors
    /// [`OrderError::DeadlinePassed`]; [`ErrorKind::OrderExpired`](crate::ErrorKind::OrderExpired); the ledger's own.
    pub fn renew(&mut self) -> Result<()> {
        let Ticket { counter, use_index, .. } = self.ticket;
        let secret = identity(&self.consumer.account, &self.asset, counter);
        let service = self.asset.service();
        let commitment = secret.commitment().to_bytes();
        let record = find_order(self.consumer.exchange.ledger(), service, |order| order.commitment == commitment)?;
        let record = record.ok_or(OrderError::NotInGroup)?;
        let order = bind(&self.consumer, &self.asset, counter, secret, &record);
        let now = order.now()?;
        let deadline = self.ticket.request.deadline;
        if now > deadline {
            return Err(OrderError::DeadlinePassed { deadline, now }.into());
        }
        let (membership, key) = (order.membership(now)?, self.consumer.exchange.proving_key(&self.asset)?);
        let mut request = self.ticket.request.clone();
        request.now = now;
        order.prove(&mut request, &key, &membership, use_index)?;
        self.ticket.request = request;
        Ok(self.consumer.wallet.keep(&self.ticket)?)
    }

    /// Opens the result: checks that the receipt is the owner's and is about this job and this result, and decrypts.
    ///
    /// # Errors
    /// [`ReleaseError`](crate::release::ReleaseError): a receipt or a result that is not for this request, or that was changed.
    pub fn open(&self, result: &SealedResult, receipt: &Receipt) -> Result<Answer> {
        let Ticket { request, seed, result_key, .. } = &self.ticket;
        self.check_receipt(result, receipt)?;
        let sealed = result.unseal(result_key)?;
        let program = crate::program::Program::from_bytes(&request.program)?;
        let schema = self.asset.schema();
        let plan = program.plan(schema)?;
        let shape = shape(&self.asset, &plan).map_err(OrderError::Unanswerable)?;
        let numbers = query_key(seed).decrypt(&SealedAnswer::from_bytes(&sealed)?, &shape)?;
        Ok(Answer::assemble(schema, &plan, self.asset.max_rows(), &numbers)?)
    }

    fn check_receipt(&self, result: &SealedResult, receipt: &Receipt) -> Result<(), Error> {
        let request = &self.ticket.request;
        receipt.verify(self.asset.owner())?;
        let said = receipt.statement();
        let program: Digest = crate::program::Program::from_bytes(&request.program)?.digest()?;
        for (what, fits) in [
            ("job", said.job == self.job() && result.job() == self.job()),
            ("asset", said.asset == request.asset),
            ("program", said.program == program),
            ("policy", said.policy == request.policy),
            ("data", said.data == request.data),
            ("nullifier", said.nullifier == request.nullifier),
            ("result", said.result == result.digest()?),
        ] {
            if !fits {
                return Err(ReceiptError::Mismatch { what }.into());
            }
        }
        Ok(())
    }
}

impl std::fmt::Debug for JobTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "JobTicket({})", self.job())
    }
}
