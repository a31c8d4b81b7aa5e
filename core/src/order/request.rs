//! An order, and the requests that are made with it.

use std::sync::Arc;

use sealock_fhe::linear::Shape;
use sealock_zk::{
    Claim, Credential, IdentitySecret, MerkleProof, ProveError, ProvingKey, SMALLEST_ANONYMOUS_GROUP, Witness, os_rng,
    prove,
};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use super::consumer::Inner;
use super::ticket::query_key;
use super::{JobTicket, OrderError};
use crate::access::Service;
use crate::download;
use crate::envelope::RecipientKey;
use crate::error::Result;
use crate::exchange::Asset;
use crate::job::JobRequest;
use crate::ledger;
use crate::model::Vectors;
use crate::program::{Output, Query};
use crate::progress::{Progress, Stage, Step, inform, quiet, tell};
use crate::time::Timestamp;
use crate::wallet::Ticket;

/// How long a request can be renewed, in seconds. Each proof of it is good for [`MAX_CLOCK_SKEW`](crate::access::MAX_CLOCK_SKEW) alone.
pub const DEFAULT_DEADLINE: u64 = 12 * 60 * 60;

/// An order: the right to some number of jobs, which nobody else can use and whose uses nobody can link to it.
pub struct Order {
    pub(super) consumer: Arc<Inner>,
    pub(super) asset: Asset,
    pub(super) service: Service,
    pub(super) counter: u64,
    pub(super) secret: IdentitySecret,
    pub(super) credential: Credential,
    pub(super) record: ledger::Order,
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

    /// Uses that are left, as far as this wallet knows: of the present epoch, where [`OrderTerms`](ledger::OrderTerms) count in
    /// epochs.
    ///
    /// # Errors
    /// A failed read.
    pub fn uses_left(&self) -> Result<u64> {
        let epoch = self.service.epoch(self.consumer.exchange.clock().now());
        let used = self.consumer.wallet.uses(&self.record.commitment, epoch)?;
        Ok(self.credential.limit.saturating_sub(used))
    }

    /// The revocation of the order, if its seller has announced one; it may have yet to take effect.
    ///
    /// # Errors
    /// The ledger's own.
    pub fn revocation(&self) -> Result<Option<ledger::Revocation>> {
        let order = self.record.index;
        self.consumer.exchange.with_group(self.service, |group| group.revocation(order).copied())
    }

    /// Makes the request for a query: checks it against the asset's policy, encrypts its secrets, and proves that some
    /// order pays for it. Takes the order's next use. The keys are in the wallet before this returns.
    ///
    /// # Errors
    /// What is wrong with the query, or the rule that denies it: nothing was taken then.
    /// [`ErrorKind::UseLimitReached`](crate::ErrorKind::UseLimitReached),
    /// [`ErrorKind::OrderExpired`](crate::ErrorKind::OrderExpired),
    /// [`ErrorKind::OrderRevoked`](crate::ErrorKind::OrderRevoked).
    pub fn request(&self, query: &Query) -> Result<JobTicket> {
        self.request_with(query, &mut quiet())
    }

    /// As [`Order::request`], and tells how far it is. It can be cancelled until the use is taken, just before the secrets
    /// are encrypted.
    ///
    /// # Errors
    /// As [`Order::request`], and [`ErrorKind::Cancelled`](crate::ErrorKind::Cancelled).
    pub fn request_with(&self, query: &Query, progress: &mut Progress<'_>) -> Result<JobTicket> {
        self.finish_with_next_use(self.prepare(query, true, progress)?, progress)
    }

    /// As [`Order::request`], for a use of the caller's choice, counted from 0: for a consumer who has the account's key and
    /// has lost the wallet, or whose request was rejected because the asset had changed. A use that was spent before is
    /// rejected, and two requests with one use can be linked.
    ///
    /// # Errors
    /// As [`Order::request`].
    pub fn request_use(&self, query: &Query, use_index: u64) -> Result<JobTicket> {
        let prepared = self.prepare(query, true, &mut quiet())?;
        self.mark_used(&prepared, use_index)?;
        self.finish(prepared, use_index, &mut quiet())
    }

    /// As [`Order::request`], without looking at the policy first. The node looks in any case, and whoever skips the look
    /// risks a rejection that does not say why.
    ///
    /// # Errors
    /// As [`Order::request`], but for the rules of the policy.
    pub fn request_without_policy_check(&self, query: &Query) -> Result<JobTicket> {
        self.finish_with_next_use(self.prepare(query, false, &mut quiet())?, &mut quiet())
    }

    /// Marks a use of the caller's choice as taken.
    pub(super) fn mark_used(&self, prepared: &Prepared, use_index: u64) -> Result<()> {
        let limit = self.credential.limit;
        if use_index >= limit {
            return Err(ProveError::UseLimitReached { use_index, limit }.into());
        }
        let epoch = self.service.epoch(prepared.now);
        Ok(self.consumer.wallet.mark_used(&self.record.commitment, epoch, use_index)?)
    }

    pub(super) fn finish_with_next_use(&self, prepared: Prepared, progress: &mut Progress<'_>) -> Result<JobTicket> {
        let epoch = self.service.epoch(prepared.now);
        let taken = self.consumer.wallet.take_use(&self.record.commitment, epoch, self.credential.limit)?;
        self.finish(prepared, taken.ok_or_else(|| self.exhausted(epoch))?, progress)
    }

    /// No use is left, in this epoch if uses are counted in epochs.
    pub(super) fn exhausted(&self, epoch: Option<u64>) -> OrderError {
        let renewed = epoch.and_then(|epoch| epoch.checked_add(1)?.checked_mul(self.service.epoch_secs?));
        OrderError::Exhausted { limit: self.credential.limit, renewed }
    }

    /// Everything that can fail for the caller's reasons, before a use is taken.
    fn prepare(&self, query: &Query, check_policy: bool, progress: &mut Progress<'_>) -> Result<Prepared> {
        let asset = &self.asset;
        self.check_current()?;
        let now = self.now()?;
        let (program, plan, shape) = asset.lay_out(query, check_policy.then_some(now))?;
        if check_policy {
            asset.policy().check_round(None)?;
        }
        let hidden = match asset.is_sealed() {
            true => Hidden::Nothing,
            false => Hidden::Indicator(shape, Zeroizing::new(plan.indicator(asset.schema(), query)?)),
        };
        let (key, membership, now) = self.load(progress)?;
        tell(progress, Step::out_of(Stage::Encrypt, 0, 1))?;
        let outputs = query.outputs().to_vec();
        Ok(Prepared { now, program: program.to_bytes()?, outputs, hidden, membership, key })
    }

    /// As [`Order::prepare`], for a download.
    pub(super) fn prepare_download(&self, progress: &mut Progress<'_>) -> Result<Prepared> {
        self.check_current()?;
        let now = self.now()?;
        self.asset.policy().check_download(now)?;
        let (key, membership, now) = self.load(progress)?;
        Ok(Prepared {
            now,
            program: download::program().to_vec(),
            outputs: Vec::new(),
            hidden: Hidden::Nothing,
            membership,
            key,
        })
    }

    /// As [`Order::prepare`], for vectors to be scored.
    pub(super) fn prepare_inference(
        &self,
        vectors: &Vectors,
        check_policy: bool,
        progress: &mut Progress<'_>,
    ) -> Result<Prepared> {
        let asset = &self.asset;
        self.check_current()?;
        let now = self.now()?;
        let (program, shape) = asset.lay_out_inference(vectors, check_policy.then_some(now))?;
        let hidden = Hidden::Weights(shape, vectors.weights());
        let (key, membership, now) = self.load(progress)?;
        tell(progress, Step::out_of(Stage::Encrypt, 0, 1))?;
        Ok(Prepared { now, program: program.to_bytes()?, outputs: Vec::new(), hidden, membership, key })
    }

    /// What a proof takes beside the request.
    pub(super) fn load(&self, progress: &mut Progress<'_>) -> Result<(Arc<ProvingKey>, MerkleProof, Timestamp)> {
        tell(progress, Step::out_of(Stage::LoadKey, 0, 1))?;
        let key = self.consumer.exchange.proving_key(&self.asset)?;
        tell(progress, Step::out_of(Stage::LoadKey, 1, 1))?;
        // Loading the key for the first time takes a while, and a node accepts no request whose time is far from its own.
        let (membership, now) = self.membership(self.now()?)?;
        Ok((key, membership, now))
    }

    /// A request names the description that it was made under. If everybody names the present one, that tells when it was
    /// made, as the group's root does; an older one would tell whoever last looked then.
    pub(super) fn check_current(&self) -> Result<()> {
        let described = self.consumer.exchange.ledger().metadata(self.asset.nft())?;
        if described.is_none_or(|now| now.hash != self.asset.description_hash()) {
            return Err(OrderError::AssetChanged { did: self.asset.did() }.into());
        }
        Ok(())
    }

    /// The time, rounded, if the order is still valid.
    pub(super) fn now(&self) -> Result<Timestamp> {
        let now = self.consumer.exchange.clock().now();
        let expiry = self.credential.expiry;
        if now > expiry {
            return Err(ProveError::Expired { expiry, now }.into());
        }
        // The exact second would tell one machine's clock from another's.
        Ok(now - now % ledger::EFFECTIVE_GRAIN)
    }

    /// The order's path in the group as it is now, and the time to state: `now`, or the group's own if the ledger's clock is
    /// ahead.
    pub(super) fn membership(&self, now: Timestamp) -> Result<(MerkleProof, Timestamp)> {
        let leaf = self.credential.leaf(self.secret.commitment());
        let (path, crowd, revoked, since) = self.consumer.exchange.with_group(self.service, |group| {
            let revoked = group.revocation(self.record.index).copied();
            (group.path(leaf), group.crowd(now, self.asset.owner()), revoked, group.since())
        })?;
        let path = match (path, revoked) {
            (Some(path), _) => path?,
            (None, Some(ledger::Revocation { effective, refunded, .. })) => {
                return Err(OrderError::Revoked { effective, refunded }.into());
            }
            (None, None) => return Err(OrderError::NotInGroup.into()),
        };
        if crowd < SMALLEST_ANONYMOUS_GROUP {
            tracing::warn!(
                crowd,
                "too few accounts with valid orders to hide among: the owner can tell whose job it is"
            );
        }
        Ok((path, now.max(since)))
    }

    pub(super) fn finish(&self, prepared: Prepared, use_index: u64, progress: &mut Progress<'_>) -> Result<JobTicket> {
        let Prepared { now, program, outputs, hidden, membership, key } = prepared;
        let mut ticket = self.blank(now, program, use_index)?;
        ticket.outputs = outputs;
        let (key_of, context) = (|| query_key(&ticket.seed), ticket.request.context());
        let query = match &hidden {
            Hidden::Nothing => None,
            Hidden::Indicator(shape, indicator) => Some(key_of().encrypt(shape, indicator, &context)?),
            Hidden::Weights(shape, weights) => Some(key_of().encrypt_weights(shape, weights, &context)?),
        };
        if let Some(query) = query {
            ticket.request.query = ByteBuf::from(query.to_bytes());
            inform(progress, Step::out_of(Stage::Encrypt, 1, 1));
        }
        inform(progress, Step::out_of(Stage::Prove, 0, 1));
        self.prove(&mut ticket.request, &key, &membership, use_index)?;
        inform(progress, Step::out_of(Stage::Prove, 1, 1));
        self.consumer.wallet.keep(&ticket)?;
        Ok(JobTicket { consumer: Arc::clone(&self.consumer), asset: self.asset.clone(), ticket })
    }

    /// A ticket with fresh keys, whose request lacks its query and its proof.
    pub(super) fn blank(&self, now: Timestamp, program: Vec<u8>, use_index: u64) -> Result<Ticket> {
        let asset = &self.asset;
        let result_key = RecipientKey::generate();
        let mut seed = Zeroizing::new([0u8; 32]);
        getrandom::fill(seed.as_mut()).expect("the operating system provides randomness");
        let request = JobRequest {
            version: JobRequest::VERSION,
            asset: asset.did().to_string(),
            program: ByteBuf::from(program),
            query: ByteBuf::new(),
            result_key: *result_key.public().as_bytes(),
            policy: asset.policy().digest()?,
            data: asset.data(),
            deadline: now.saturating_add(DEFAULT_DEADLINE),
            root: [0; 32],
            nullifier: self.secret.nullifier(self.service.scope(now), use_index).to_bytes(),
            now,
            proof: ByteBuf::new(),
            round: None,
            query_digest: Default::default(),
        };
        Ok(Ticket {
            service: self.service,
            owner: asset.owner(),
            ddo: asset.ddo().to_vec(),
            counter: self.counter,
            use_index,
            request,
            outputs: Vec::new(),
            seed,
            result_key,
        })
    }

    /// Proves a request for its time and the group's root on the path.
    pub(super) fn prove(
        &self,
        request: &mut JobRequest,
        key: &ProvingKey,
        membership: &MerkleProof,
        use_index: u64,
    ) -> Result<()> {
        let (root, scope) = (membership.root(), self.service.scope(request.now));
        let claim = Claim { root, message: request.message(), scope, now: request.now };
        let witness = Witness { secret: &self.secret, credential: &self.credential, use_index, membership };
        let (_, proof) = prove(key, &claim, &witness, &mut os_rng())?;
        request.root = root.to_bytes();
        request.proof = ByteBuf::from(proof.to_bytes().to_vec());
        Ok(())
    }
}

/// What a request is to carry encrypted.
pub(super) enum Hidden {
    /// A download has no query, and one of sealed data hides nothing.
    Nothing,
    /// Cells to be added up.
    Indicator(Shape, Zeroizing<Vec<bool>>),
    /// Vectors to be scored.
    Weights(Shape, Zeroizing<Vec<i64>>),
}

/// A request that only lacks the use that pays for it.
pub(super) struct Prepared {
    now: Timestamp,
    program: Vec<u8>,
    outputs: Vec<Output>,
    hidden: Hidden,
    membership: MerkleProof,
    key: Arc<ProvingKey>,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Order(#{} of {}, {} uses)", self.record.index, self.asset.did(), self.credential.limit)
    }
}
