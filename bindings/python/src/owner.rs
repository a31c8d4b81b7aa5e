//! `Owner` and `Node`.

use std::collections::HashMap;
use std::ffi::CString;
use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sealock::asset::{self, Table, Terms};
use sealock::exchange::Published;
use sealock::job::{self, JobId};
use sealock::ledger;
use sealock::owner::{NewEpoch, Offer};

use crate::asset::Asset;
use crate::call::{Call, quick};
use crate::download::Download;
use crate::error::{Failure, Result};
use crate::job::{DestructionReceipt, Receipt, released, sent};
use crate::keys::RecipientPublicKey;
use crate::model::Model;
use crate::policy::{Policy, Price};
use crate::schema::Schema;
use crate::sealed::Releaser;
use crate::{convert, frame};

/// A party that publishes. Made by `Exchange.owner`.
#[pyclass(frozen, module = "sealock")]
pub struct Owner(pub Arc<sealock::owner::Owner>);

/// What an order costs and gives.
fn terms(
    price: &Price,
    uses_per_order: Option<&Bound<'_, PyAny>>,
    valid_for: Option<&Bound<'_, PyAny>>,
    renewed_every: Option<&Bound<'_, PyAny>>,
) -> Result<Terms> {
    let mut terms = match price.0 {
        asset::Price::Free { max_per_account } => Terms::free(max_per_account),
        asset::Price::Fixed { base_token, amount } => {
            Terms::fixed(base_token, sealock::ledger::Amount::from_units(amount))
        }
    };
    if let Some(uses) = uses_per_order {
        terms = terms.uses_per_order(convert::whole("uses_per_order", uses)?);
    }
    if let Some(span) = valid_for {
        terms = terms.valid_for(convert::seconds("valid_for", span)?);
    }
    if let Some(span) = renewed_every {
        terms = terms.renewed_every(convert::seconds("renewed_every", span)?);
    }
    Ok(terms)
}

/// What may be said of an offer, beside policy and terms.
struct Words {
    description: Option<String>,
    author: Option<String>,
    license: Option<String>,
    tags: Option<Vec<String>>,
    cap: Option<u64>,
    recipients: Option<Vec<sealock::envelope::RecipientPublicKey>>,
}

impl Words {
    fn read(
        description: Option<String>,
        author: Option<String>,
        license: Option<String>,
        tags: Option<&Bound<'_, PyAny>>,
        cap: Option<&Bound<'_, PyAny>>,
        recipients: Option<&Bound<'_, PyAny>>,
    ) -> Result<Self> {
        let tags = tags.map(|tags| convert::texts("tags", tags)).transpose()?;
        let cap = cap.map(|cap| convert::whole("cap", cap)).transpose()?;
        let recipients = recipients.map(|keys| RecipientPublicKey::list("recipients", keys)).transpose()?;
        Ok(Self { description, author, license, tags, cap, recipients })
    }

    fn said_of(self, mut offer: Offer<'_>) -> Offer<'_> {
        if let Some(text) = self.description {
            offer = offer.description(text);
        }
        if let Some(text) = self.author {
            offer = offer.author(text);
        }
        if let Some(text) = self.license {
            offer = offer.license(text);
        }
        if let Some(tags) = self.tags {
            offer = offer.tags(tags);
        }
        if let Some(cap) = self.cap {
            offer = offer.cap(cap);
        }
        if let Some(recipients) = self.recipients {
            offer = offer.recipients(recipients);
        }
        offer
    }
}

const INFERRED: &str = "no schema was given, so one is inferred. It is published and quotes the data: every category, the \
                        smallest and the largest numbers. Look at sealock.Schema.infer(data), correct it with with_column, \
                        and pass it as schema=";

#[pymethods]
impl Owner {
    /// The owner's address.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// This owner as a member of a federation, as text: what the policies of the other members, and its own, name it by. It
    /// follows from the account's key.
    #[getter]
    fn member(&self) -> String {
        self.0.member().to_string()
    }

    /// The node that serves this owner's assets.
    #[getter]
    fn node(&self) -> Node {
        Node(Arc::clone(&self.0))
    }

    /// What releases the results of executors, whose addresses these are, on this owner's sealed assets. Whoever could sign under as
    /// many addresses as they like would be a quorum alone: name executors that you know.
    fn releaser(&self, executors: &Bound<'_, PyAny>) -> Result<Releaser> {
        Releaser::new(Arc::clone(&self.0), executors)
    }

    /// Publishes a DataFrame: checks it against the schema, folds it into its protected cube, encrypts and stores it, mints
    /// the data NFT and its datatokens, and describes it. The DataFrame is read once: what becomes of it later changes nothing.
    ///
    /// `policy` is a `Policy` or a dict of its keyword arguments. An order pays for `uses_per_order` jobs, 10 if not said, within
    /// `valid_for`, a `timedelta` or whole seconds, 30 days if not said. With `renewed_every`, an order has that many in every
    /// epoch of that length, counted from 1970-01-01 UTC: so many a day, for instance. It is whole minutes, at least ten, and no
    /// longer than `valid_for`. `cap` is a number of datatokens. `recipients` may decrypt the data without an order: see `share`. `progress` is `True` for bars, or
    /// is called with stage, done and total; with a method `on_step`, that is called with a `Step`.
    ///
    /// `sealed=True` also encrypts the columns for executors that see no value of them (TFHE): see `Executor` and `releaser`. A
    /// dict says how: `public`, dimensions that stay in the clear; `rows_per_chunk`, 512 if not said; `canaries`, chunks of made-up
    /// rows, one for each eight; `quorum`, how many executors must agree, 1 to 16 and 1 if not said; `packed`, whether the rows are encrypted a second time, for programs whose filters need no
    /// bootstraps: they are if no dimension is public and there are 2,048 or more. By bootstraps, a filtered sum takes some 50 ms of
    /// a core for each row, and 8 kB of storage for each value.
    ///
    /// Without a `schema` one is inferred, with an `InferredSchemaWarning`: it is public and quotes the data.
    #[pyo3(signature = (
        data, *, name, policy, price, schema = None, uses_per_order = None, valid_for = None, renewed_every = None,
        description = None, author = None, license = None, tags = None, cap = None, recipients = None, sealed = None,
        progress = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn publish<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        name: String,
        policy: &Bound<'py, PyAny>,
        price: &Price,
        schema: Option<&Schema>,
        uses_per_order: Option<&Bound<'py, PyAny>>,
        valid_for: Option<&Bound<'py, PyAny>>,
        renewed_every: Option<&Bound<'py, PyAny>>,
        description: Option<String>,
        author: Option<String>,
        license: Option<String>,
        tags: Option<&Bound<'py, PyAny>>,
        cap: Option<&Bound<'py, PyAny>>,
        recipients: Option<&Bound<'py, PyAny>>,
        sealed: Option<&Bound<'py, PyAny>>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let policy = Policy::read(policy)?;
        let terms = self::terms(price, uses_per_order, valid_for, renewed_every)?;
        let sealed = crate::sealed::options(sealed)?;
        let words = Words::read(description, author, license, tags, cap, recipients)?;
        let reader = frame::reader(data)?;
        let (batches, schema) = match schema {
            Some(schema) => (Err(reader), schema.0.clone()),
            None => {
                let (batches, schema) = Call::default().run(py, move |_| {
                    let batches = frame::batches(reader)?;
                    let schema = asset::Schema::infer_batches(&batches)?;
                    Ok((batches, schema))
                })?;
                let category = py.import("sealock.errors")?.getattr("InferredSchemaWarning")?;
                let message = CString::new(INFERRED).map_err(|e| PyValueError::new_err(e.to_string()))?;
                PyErr::warn(py, &category, &message, 1)?;
                (Ok(batches), schema)
            }
        };
        let owner = Arc::clone(&self.0);
        let published = Call::default().progress(progress)?.run(py, move |progress| {
            let batches = batches.or_else(frame::batches)?;
            let table = Table::from_batches(schema, batches)?;
            let mut offer = words.said_of(Offer::new(name, &table, policy, terms));
            if let Some(options) = sealed {
                offer = offer.sealed(options);
            }
            Ok(owner.publish_with(&offer, progress)?)
        })?;
        record(py, published)
    }

    /// Publishes a model: encrypts and stores it, mints the data NFT and its datatokens, and describes it. Its public part and
    /// the schema of its features are published, its coefficients are not. The policy needs `allow_inference`. The rest is as
    /// for `publish`.
    #[pyo3(signature = (
        model, *, name, policy, price, uses_per_order = None, valid_for = None, renewed_every = None, description = None,
        author = None, license = None, tags = None, cap = None, recipients = None, progress = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn publish_model<'py>(
        &self,
        py: Python<'py>,
        model: &Model,
        name: String,
        policy: &Bound<'py, PyAny>,
        price: &Price,
        uses_per_order: Option<&Bound<'py, PyAny>>,
        valid_for: Option<&Bound<'py, PyAny>>,
        renewed_every: Option<&Bound<'py, PyAny>>,
        description: Option<String>,
        author: Option<String>,
        license: Option<String>,
        tags: Option<&Bound<'py, PyAny>>,
        cap: Option<&Bound<'py, PyAny>>,
        recipients: Option<&Bound<'py, PyAny>>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let policy = Policy::read(policy)?;
        let terms = self::terms(price, uses_per_order, valid_for, renewed_every)?;
        let words = Words::read(description, author, license, tags, cap, recipients)?;
        let (owner, model) = (Arc::clone(&self.0), Arc::clone(&model.0));
        let published = Call::default().progress(progress)?.run(py, move |progress| {
            Ok(owner.publish_with(&words.said_of(Offer::model(name, &model, policy, terms)), progress)?)
        })?;
        record(py, published)
    }

    /// Replaces a published model by another, encrypted under fresh keys as the next epoch. Policy and terms stay.
    #[pyo3(signature = (asset, model, *, recipients = None, keep_previous = false))]
    fn update_model<'py>(
        &self,
        py: Python<'py>,
        asset: &Asset,
        model: &Model,
        recipients: Option<&Bound<'py, PyAny>>,
        keep_previous: bool,
    ) -> Result<Bound<'py, PyAny>> {
        let how = epoch(recipients, keep_previous)?;
        let (owner, asset, model) = (Arc::clone(&self.0), asset.0.clone(), Arc::clone(&model.0));
        let published = Call::default().run(py, move |_| Ok(owner.update_model(&asset, &model, &how)?))?;
        record(py, published)
    }

    /// Lets the holders of these keys (`RecipientKey.public`) decrypt the asset's data, without an order, until the next epoch
    /// and for good what they read: `Exchange.open_shared`. Earlier recipients stay. Returns the asset as it is now.
    fn share(&self, py: Python<'_>, asset: &Asset, recipients: &Bound<'_, PyAny>) -> Result<Asset> {
        let recipients = RecipientPublicKey::list("recipients", recipients)?;
        let (owner, asset) = (Arc::clone(&self.0), asset.0.clone());
        Call::default().run(py, move |_| Ok(Asset(owner.share(&asset, &recipients)?)))
    }

    /// Changes the owner's own key of the asset's data: for a key store that somebody may have seen a copy of. Who has seen
    /// the data's key, too, is shut out by `reencrypt` alone. No object is touched. Returns the asset as it is now.
    fn rewrap(&self, py: Python<'_>, asset: &Asset) -> Result<Asset> {
        let (owner, asset) = (Arc::clone(&self.0), asset.0.clone());
        Call::default().run(py, move |_| Ok(Asset(owner.rewrap(&asset)?)))
    }

    /// Encrypts the asset's data anew under fresh keys: the next epoch. Keys of earlier epochs open nothing of it, and
    /// recipients are those named now. Blocks of earlier epochs are given up unless `keep_previous`. Returns the asset as it is
    /// now. What somebody has read before stays read.
    #[pyo3(signature = (asset, *, recipients = None, keep_previous = false, progress = None))]
    fn reencrypt<'py>(
        &self,
        py: Python<'py>,
        asset: &Asset,
        recipients: Option<&Bound<'py, PyAny>>,
        keep_previous: bool,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Asset> {
        let how = epoch(recipients, keep_previous)?;
        let (owner, asset) = (Arc::clone(&self.0), asset.0.clone());
        let call = Call::default().progress(progress)?;
        call.run(py, move |progress| Ok(Asset(owner.reencrypt_with(&asset, &how, progress)?)))
    }

    /// Replaces the asset's data by another DataFrame, encrypted under fresh keys as the next epoch. Policy and terms stay,
    /// and so does the schema unless one is given.
    ///
    /// An answer from before and one from after differ by the rows that changed: few of them can be told by comparing.
    #[pyo3(signature = (asset, data, *, schema = None, recipients = None, keep_previous = false, progress = None))]
    #[expect(clippy::too_many_arguments, reason = "keyword arguments")]
    fn update<'py>(
        &self,
        py: Python<'py>,
        asset: &Asset,
        data: &Bound<'py, PyAny>,
        schema: Option<&Schema>,
        recipients: Option<&Bound<'py, PyAny>>,
        keep_previous: bool,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let how = epoch(recipients, keep_previous)?;
        let (owner, asset) = (Arc::clone(&self.0), asset.0.clone());
        let schema = schema.map_or_else(|| asset.schema().clone(), |schema| schema.0.clone());
        let reader = frame::reader(data)?;
        let published = Call::default().progress(progress)?.run(py, move |progress| {
            let table = Table::from_batches(schema, frame::batches(reader)?)?;
            Ok(owner.update_with(&asset, &table, &how, progress)?)
        })?;
        record(py, published)
    }

    /// The data of an asset of this owner's.
    fn download(&self, py: Python<'_>, asset: &Asset) -> Result<Download> {
        let (owner, asset) = (Arc::clone(&self.0), asset.0.clone());
        Call::default().run(py, move |_| Download::new(owner.download(&asset)?))
    }

    /// Destroys the key of the epoch that `asset` was described with, which is the present one unless `asset` is old: see
    /// `destroy_epoch`.
    fn destroy_key(&self, py: Python<'_>, asset: &Asset) -> Result<DestructionReceipt> {
        let (owner, asset) = (Arc::clone(&self.0), asset.0.clone());
        Call::default().run(py, move |_| Ok(DestructionReceipt(owner.destroy_key(&asset)?)))
    }

    /// Destroys the owner's key of an epoch of the asset, and gives up its blocks. Then jobs, downloads and this owner are
    /// refused with `KeyDestroyed`. **It cannot be undone.** Repeating it returns the same receipt, and finishes what was
    /// interrupted.
    ///
    /// It takes back nothing that was read: recipients and buyers keep the keys that they have. A copy of the key store from
    /// before revives the key, so destroy those, too.
    fn destroy_epoch(&self, py: Python<'_>, asset: &Asset, epoch: &Bound<'_, PyAny>) -> Result<DestructionReceipt> {
        let (owner, asset, epoch) = (Arc::clone(&self.0), asset.0.clone(), convert::whole("epoch", epoch)?);
        Call::default().run(py, move |_| Ok(DestructionReceipt(owner.destroy_epoch(&asset, epoch)?)))
    }

    /// The receipt of an epoch whose key was destroyed; `None` if it was not.
    fn destruction_receipt(
        &self,
        py: Python<'_>,
        asset: &Asset,
        epoch: &Bound<'_, PyAny>,
    ) -> Result<Option<DestructionReceipt>> {
        let (owner, asset, epoch) = (Arc::clone(&self.0), asset.0.clone(), convert::whole("epoch", epoch)?);
        quick(py, move || Ok(owner.destruction_receipt(&asset, epoch)?.map(DestructionReceipt)))
    }

    /// Signs an offer for an order of an address elsewhere, with the `commitment` that `Consumer.commitment` gave there: bytes for
    /// `Consumer.order`, which can be used for an hour. It costs nothing. Consumers in this process, on the same `OceanLedger`,
    /// need none; and none is needed on the ledger in a folder.
    fn offer<'py>(
        &self,
        py: Python<'py>,
        asset: &Asset,
        consumer: &Bound<'py, PyAny>,
        commitment: &Bound<'py, PyAny>,
    ) -> Result<Bound<'py, PyBytes>> {
        let (owner, asset, consumer) = (Arc::clone(&self.0), asset.0.clone(), convert::address(consumer)?);
        let bytes = convert::bytes("commitment", commitment)?;
        let commitment = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| {
            let why = format!("commitment: expected 32 bytes, got {}", bytes.len());
            Failure::argument(why, "pass what Consumer.commitment() returned")
        })?;
        let offer = Call::default().run(py, move |_| Ok(owner.offer(&asset, consumer, commitment)?))?;
        Ok(PyBytes::new(py, &offer))
    }

    /// Every order of an asset, of queries and of downloads, with its revocation if there is one.
    fn orders<'py>(&self, py: Python<'py>, asset: &Asset) -> Result<Vec<Bound<'py, PyAny>>> {
        let (owner, asset) = (Arc::clone(&self.0), asset.0.clone());
        let (orders, revocations) =
            Call::default().run(py, move |_| Ok((owner.orders(&asset)?, owner.revocations(&asset)?)))?;
        let revocations: HashMap<_, _> = revocations.into_iter().map(|r| ((r.service, r.order), r)).collect();
        let record = |order: ledger::Order| {
            let revocation = revocations.get(&(order.service, order.index));
            let fields = PyDict::new(py);
            fields.set_item("service", order.service)?;
            fields.set_item("index", order.index)?;
            fields.set_item("consumer", order.consumer.to_string())?;
            fields.set_item("commitment", PyBytes::new(py, &order.commitment))?;
            fields.set_item("uses", order.limit)?;
            fields.set_item("ordered", convert::from_timestamp(py, order.time)?)?;
            fields.set_item("expires", convert::from_timestamp(py, order.expiry)?)?;
            fields.set_item("revocation", revocation.map(|r| self::revocation(py, r)).transpose()?)?;
            Ok(convert::record(py, "OrderRecord", &fields)?)
        };
        orders.into_iter().map(record).collect()
    }

    /// Takes an order of an asset back, as `orders` of the same asset shows it: it admits no jobs from `effective` on, a
    /// `datetime` or seconds since 1970, rounded up to a full minute. Without it, that is in five minutes, which is the least;
    /// the most is when it expires. Until then its holder can ask. With `refund`, the owner pays the datatoken back that it
    /// cost, not its price. It cannot be undone, and everybody sees it on the ledger.
    ///
    /// Raises `OrderRevoked` if it was taken back before, `OrderMismatch` if the asset has no such order, `OrderExpired` if it
    /// ends sooner by itself, `InvalidArgument` for a time that is too early or too late, `NotAuthorized` if the asset is
    /// another's, and `InsufficientBalance` if the owner no longer has the datatoken.
    ///
    /// Whoever revokes one order and sees whose requests stop has learned whose they were.
    #[pyo3(signature = (asset, order, *, refund, effective = None))]
    fn revoke<'py>(
        &self,
        py: Python<'py>,
        asset: &Asset,
        order: &Bound<'py, PyAny>,
        refund: bool,
        effective: Option<&Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let class = py.import("sealock._records")?.getattr("OrderRecord")?;
        if !order.is_instance(&class)? {
            let got = order.get_type().name()?;
            return Err(Failure::wrong_type(format!("order: expected an OrderRecord of Owner.orders, got {got}")));
        }
        let (service, index): (u32, u64) = (order.getattr("service")?.extract()?, order.getattr("index")?.extract()?);
        let commitment: [u8; 32] = order.getattr("commitment")?.extract()?;
        let effective = effective.map(|at| convert::timestamp("effective", at)).transpose()?;
        let (owner, asset) = (Arc::clone(&self.0), asset.0.clone());
        let revoked = Call::default().run(py, move |_| {
            let order = owner.order(&asset, service, index)?;
            // A record of another asset's order has the place of somebody else's here.
            if order.commitment != commitment {
                let token = order.token;
                return Err(ledger::LedgerError::UnknownOrder { token, service, order: index }.into());
            }
            Ok(owner.revoke(&order, effective, refund)?)
        })?;
        Ok(revocation(py, &revoked)?)
    }

    /// Gives up publications that were interrupted and not repeated. Returns how many there were.
    fn discard_unfinished(&self, py: Python<'_>) -> Result<usize> {
        let owner = Arc::clone(&self.0);
        Call::default().run(py, move |_| Ok(owner.discard_unfinished()?))
    }

    fn __repr__(&self) -> String {
        format!("Owner({})", self.0.address())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Owner", "it holds a secret key and is open in this process; see Exchange.owner"))
    }
}

/// A revocation, as a record.
pub fn revocation<'py>(py: Python<'py>, revoked: &ledger::Revocation) -> PyResult<Bound<'py, PyAny>> {
    let fields = PyDict::new(py);
    fields.set_item("effective", convert::from_timestamp(py, revoked.effective)?)?;
    fields.set_item("refunded", revoked.refunded)?;
    fields.set_item("announced", convert::from_timestamp(py, revoked.time)?)?;
    convert::record(py, "Revocation", &fields)
}

/// What publishing did, as a record.
fn record(py: Python<'_>, published: Published) -> Result<Bound<'_, PyAny>> {
    let suppression = PyDict::new(py);
    suppression.set_item("cells", published.suppression.cells)?;
    suppression.set_item("suppressed_cells", published.suppression.suppressed_cells)?;
    suppression.set_item("rows", published.suppression.rows)?;
    suppression.set_item("suppressed_rows", published.suppression.suppressed_rows)?;
    suppression.set_item("suppressed_values", published.suppression.suppressed_values)?;
    let fields = PyDict::new(py);
    fields.set_item("asset", Bound::new(py, Asset(published.asset))?)?;
    fields.set_item("suppression", convert::record(py, "Suppression", &suppression)?)?;
    fields.set_item("sealed_bytes", published.sealed_bytes)?;
    fields.set_item("packed", published.packed)?;
    Ok(convert::record(py, "Published", &fields)?)
}

/// How an asset is encrypted anew.
fn epoch(recipients: Option<&Bound<'_, PyAny>>, keep_previous: bool) -> Result<NewEpoch> {
    let mut how = NewEpoch::new();
    if let Some(recipients) = recipients {
        how = how.recipients(RecipientPublicKey::list("recipients", recipients)?);
    }
    Ok(if keep_previous { how.keep_previous() } else { how })
}

/// The node of one owner: admits jobs, computes, releases. From `Owner.node`.
#[pyclass(frozen, module = "sealock")]
pub struct Node(Arc<sealock::owner::Owner>);

/// A request as it is, or as it travelled.
enum Arrived {
    Request(Box<job::JobRequest>),
    Bytes(Vec<u8>),
}

impl Arrived {
    fn read(object: &Bound<'_, PyAny>) -> Result<Self> {
        Ok(match sent(object)? {
            Some(request) => Arrived::Request(Box::new(request)),
            None => Arrived::Bytes(convert::bytes("request", object)?),
        })
    }
}

#[pymethods]
impl Node {
    /// The address that signs this node's receipts.
    #[getter]
    fn address(&self) -> String {
        self.0.address().to_string()
    }

    /// What products are computed on: `cpu` if `set_device` was not called.
    #[getter]
    fn device(&self) -> String {
        self.0.node().device().to_string()
    }

    /// Lets products be computed on `cpu`, on `cuda:0` (or another number), or on what `auto` finds: the first GPU that can be used.
    /// Raises if it cannot be used here, and changes nothing then. Receipts name what computed.
    fn set_device(&self, py: Python<'_>, device: &str) -> Result<()> {
        let (owner, device) = (Arc::clone(&self.0), device.to_owned());
        Call::default().run(py, move |_| Ok(owner.node().set_device(device.parse()?)?))
    }

    /// Admits a job, computes it and releases its result: a `JobRequest`, its ticket, or the bytes of one.
    ///
    /// The same request again leads to the same result and costs nothing. A remote party is told of a refusal in one word;
    /// `refusals` has the reason. A job that is interrupted after it was admitted stays on record: the same request again,
    /// or `resume`, completes it.
    #[pyo3(signature = (request, *, progress = None))]
    fn run<'py>(
        &self,
        py: Python<'py>,
        request: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        let (owner, arrived) = (Arc::clone(&self.0), Arrived::read(request)?);
        let done = Call::default().alone().progress(progress)?.run(py, move |progress| {
            let node = owner.node();
            let request = match arrived {
                Arrived::Request(request) => *request,
                Arrived::Bytes(bytes) => match job::JobRequest::from_bytes(&bytes) {
                    Ok(request) => request,
                    // The node refuses it, and remembers that it did.
                    Err(_) => return Ok(node.release(node.compute(node.admit_bytes(&bytes)?)?)?),
                },
            };
            Ok(node.run_with(request, progress)?)
        })?;
        released(py, done)
    }

    /// As `run`, in the background. Returns a `Job`: `job.result()`, or `await job`.
    #[pyo3(signature = (request, *, progress = None))]
    fn submit<'py>(
        slf: &Bound<'py, Self>,
        request: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Bound<'py, PyAny>> {
        // What is wrong with the argument is said here, not by the job.
        Arrived::read(request)?;
        Ok(slf.py().import("sealock._jobs")?.call_method1("submit", (slf, request, progress))?)
    }

    /// The latest refusals with their reasons, oldest first. For the owner alone.
    fn refusals<'py>(&self, py: Python<'py>) -> Result<Vec<Bound<'py, PyAny>>> {
        let refusals = quick(py, || Ok(self.0.node().refusals()))?;
        let record = |refusal: sealock::node::RefusalRecord| {
            let fields = PyDict::new(py);
            fields.set_item("at", convert::from_timestamp(py, refusal.at)?)?;
            fields.set_item("asset", refusal.asset)?;
            fields.set_item("kind", refusal.kind.name())?;
            fields.set_item("reason", refusal.reason)?;
            Ok(convert::record(py, "Refusal", &fields)?)
        };
        refusals.into_iter().map(record).collect()
    }

    /// Every receipt, in order: see `verify_chain`.
    fn receipts(&self, py: Python<'_>) -> Result<Vec<Receipt>> {
        let owner = Arc::clone(&self.0);
        Call::default().run(py, move |_| Ok(owner.node().receipts()?.into_iter().map(Receipt).collect()))
    }

    /// Completes the jobs that were admitted before the node stopped. Returns how many.
    fn resume(&self, py: Python<'_>) -> Result<usize> {
        let owner = Arc::clone(&self.0);
        Call::default().run(py, move |_| Ok(owner.node().resume()?))
    }

    /// What an asset of this node has spent of its privacy budget.
    fn budget<'py>(&self, py: Python<'py>, asset: &Asset) -> Result<Bound<'py, PyAny>> {
        let budget = quick(py, || Ok(self.0.node().budget(&asset.0)?))?;
        let decimal = |micros: u64| convert::scaled(py, micros.into(), 6);
        let fields = PyDict::new(py);
        fields.set_item("spent", decimal(budget.spent_micros)?)?;
        fields.set_item("limit", budget.limit.map(|limit| decimal(limit.micros())).transpose()?)?;
        fields.set_item("left", budget.left_micros().map(decimal).transpose()?)?;
        Ok(convert::record(py, "Budget", &fields)?)
    }

    /// What is on record of a job; `None` if it was not admitted.
    fn job<'py>(&self, py: Python<'py>, job: &Bound<'py, PyAny>) -> Result<Option<Bound<'py, PyAny>>> {
        let id = JobId::from(convert::digest("job", job)?);
        let Some(found) = quick(py, || Ok(self.0.node().job(id)?))? else { return Ok(None) };
        let fields = PyDict::new(py);
        fields.set_item("asset", found.asset)?;
        fields.set_item("program", found.program.to_string())?;
        fields.set_item("policy", found.policy.to_string())?;
        fields.set_item("admitted_at", convert::from_timestamp(py, found.admitted_at)?)?;
        fields.set_item("receipt", found.receipt)?;
        Ok(Some(convert::record(py, "JobRecord", &fields)?))
    }

    fn __repr__(&self) -> String {
        format!("Node({})", self.0.address())
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Node", "it is open in this process; send it bytes of a JobRequest"))
    }
}
