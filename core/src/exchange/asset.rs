//! A published asset.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{COMPUTE_SERVICE, DOWNLOAD_SERVICE, ExchangeError, MODEL_OBJECT, TABLE_OBJECT};
use crate::access::{GROUP_DEPTH, Service};
use crate::asset::{self, AssetDescription, Did, Price, Schema};
use crate::codec::{CodecError, from_canonical, to_canonical};
use crate::envelope::DatasetRef;
use crate::error::Result;
use crate::ledger::{METADATA_LIMIT, OrderTerms};
use crate::model::{ModelError, ModelInfo, Vectors};
use crate::policy::Policy;
use crate::program::{Plan, Program, ProgramError};
use crate::sealed::Layout;
use crate::store::Cid;
use crate::{Address, Digest};

/// A published asset, as the ledger shows it to everybody. Cheap to clone.
#[derive(Clone)]
pub struct Asset {
    inner: Arc<AssetInner>,
    price: Option<Price>,
}

struct AssetInner {
    service: Service,
    owner: Address,
    ddo: Vec<u8>,
    description: AssetDescription,
    policy: Policy,
    data: Digest,
    terms: OrderTerms,
}

/// Largest encoding of an asset: its description and some identifiers.
const MAX_ASSET_BYTES: usize = METADATA_LIMIT + 4096;
const VERSION: u64 = 1;

/// An asset's form as bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    version: u64,
    service: Service,
    owner: Address,
    ddo: ByteBuf,
    price: Option<Price>,
}

impl Asset {
    /// The asset as its holder sees it, as canonical DAG-CBOR.
    ///
    /// # Errors
    /// [`CodecError`] if it has no canonical form.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let AssetInner { service, owner, ddo, .. } = &*self.inner;
        let (service, owner, ddo, price) = (*service, *owner, ByteBuf::from(ddo.clone()), self.price.clone());
        Ok(to_canonical("asset", &Row { version: VERSION, service, owner, ddo, price })?)
    }

    /// The roots of everything that the store holds of this asset: the manifest, and the key that access proofs are made
    /// with. Fetched, pinned or exported ([`car::export`](crate::store::car::export)) together, they are the whole asset.
    ///
    /// Of sealed data, the first is the sealed manifest, which links to the other one.
    pub fn roots(&self) -> [Cid; 2] {
        let sealed = &self.description().sealed;
        let manifest = sealed.encrypted.as_ref().map_or(sealed.manifest, |encrypted| encrypted.manifest);
        [manifest, sealed.access.proving_key]
    }

    /// Reads what [`Asset::to_bytes`] wrote. It is as good as whoever gave the bytes: no ledger is asked, so look the asset
    /// up with [`Exchange::asset`](crate::exchange::Exchange::asset) unless they were your own. A request for an asset that
    /// differs from the ledger's is refused before anything is spent.
    ///
    /// # Errors
    /// [`CodecError`] for anything else; [`ExchangeError::NotAnAsset`] if the description does not fit.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let Row { version, service, owner, ddo, price } = from_canonical("asset", bytes, MAX_ASSET_BYTES)?;
        if version != VERSION {
            return Err(CodecError::UnsupportedVersion { what: "asset", got: version, known: VERSION }.into());
        }
        let asset = Self::remembered(service, owner, ddo.into_vec())?;
        if asset.service() != service {
            let why = "it names another datatoken or service than its description".into();
            return Err(ExchangeError::NotAnAsset { nft: service.nft, why }.into());
        }
        Ok(asset.offered_at(price))
    }

    /// Reads a description, and checks what can be checked without a ledger: that it is about this NFT, that its policy has
    /// the digest that it names and fits the schema, and that its owner signs its receipts.
    pub(super) fn read(chain_id: u64, ledger: Address, nft: Address, owner: Address, ddo: Vec<u8>) -> Result<Self> {
        let not_an_asset = |why: String| ExchangeError::NotAnAsset { nft, why };
        let description = AssetDescription::from_ddo(&ddo)?;
        if description.nft != nft || description.chain_id != chain_id {
            return Err(not_an_asset("its description is about another one".into()).into());
        }
        let sealed = &description.sealed;
        let policy: Policy = serde_json::from_value(sealed.policy.rules.clone())
            .map_err(|e| not_an_asset(format!("its policy does not decode: {e}")))?;
        if policy.digest()? != sealed.policy.digest {
            return Err(not_an_asset("its policy is not the one that its digest names".into()).into());
        }
        match sealed.model {
            Some(_) => policy.check_fits_model()?,
            None => policy.check_fits(&sealed.schema)?,
        }
        policy.check_member(owner, None)?;
        if description.download.is_some() != policy.allows_download() {
            return Err(not_an_asset("its services and its policy disagree about downloads".into()).into());
        }
        if owner != sealed.signer {
            return Err(not_an_asset("its receipts would not be signed by its owner".into()).into());
        }
        if usize::from(sealed.access.depth) != GROUP_DEPTH {
            return Err(
                not_an_asset(format!("its access key has depth {}, not {GROUP_DEPTH}", sealed.access.depth)).into()
            );
        }
        let datatoken = description.datatoken;
        let epoch_secs = sealed.order.epoch_secs;
        let service = Service { chain_id, ledger, nft, datatoken, service: COMPUTE_SERVICE, epoch_secs };
        let (schema, model) = (sealed.schema.digest(), sealed.model.as_ref().map(ModelInfo::digest));
        let max_rows = sealed.max_rows.to_be_bytes();
        let parts = [schema.as_bytes(), &max_rows[..], sealed.dataset.contents.as_bytes()];
        let model = model.as_ref().map(|digest| &digest.as_bytes()[..]);
        let encrypted = sealed.encrypted.as_ref().map(|encrypted| encrypted.manifest.to_bytes());
        let parts = parts.into_iter().chain(model).chain(encrypted.as_deref());
        let data = Digest::of("sealock/v1/asset-data", &parts.collect::<Vec<_>>());
        if let Some(encrypted) = &sealed.encrypted {
            Layout::new(&sealed.schema, &policy, &encrypted.public)?;
        }
        let asset::OrderTerms { limit, validity_secs, .. } = sealed.order;
        policy.check_order(&sealed.order)?;
        let terms = OrderTerms { limit, validity_secs, epoch_secs };
        let inner = AssetInner { service, owner, ddo, description, policy, data, terms };
        Ok(Self { inner: Arc::new(inner), price: None })
    }

    /// The asset as it was when `ddo` described it.
    pub(crate) fn remembered(service: Service, owner: Address, ddo: Vec<u8>) -> Result<Self> {
        Self::read(service.chain_id, service.ledger, service.nft, owner, ddo)
    }

    /// The same asset with what the ledger says of its price.
    pub(super) fn offered_at(self, price: Option<Price>) -> Self {
        Self { price, ..self }
    }

    /// The description's text.
    pub(crate) fn ddo(&self) -> &[u8] {
        &self.inner.ddo
    }

    /// Plain SHA-256 of the description's text, as the ledger has it.
    pub(crate) fn description_hash(&self) -> Digest {
        Digest::sha256(&self.inner.ddo)
    }

    /// Names what is computed on: the schema, the bound on the rows and the encrypted contents. Requests and receipts carry
    /// it, so that an answer is about what the consumer saw described. Whoever else the data's key is wrapped for changes
    /// nothing about it; a new epoch does.
    pub fn data(&self) -> Digest {
        self.inner.data
    }

    /// The asset's identifier.
    pub fn did(&self) -> Did {
        self.inner.description.did()
    }

    /// The data NFT that stands for it, by which [`Exchange::asset`](crate::exchange::Exchange::asset) finds it.
    pub fn nft(&self) -> Address {
        self.inner.service.nft
    }

    /// What orders, groups and proofs of the asset's queries are bound to.
    pub fn service(&self) -> Service {
        self.inner.service
    }

    /// What orders, groups and proofs of its downloads are bound to, if its policy allows any.
    pub fn download_service(&self) -> Option<Service> {
        let service = Service { service: DOWNLOAD_SERVICE, ..self.inner.service };
        self.policy().allows_download().then_some(service)
    }

    /// What its data is encrypted as: the dataset, and the epoch, which counts its encryptions under new keys.
    pub fn dataset(&self) -> DatasetRef {
        self.inner.description.sealed.dataset.of()
    }

    /// Who owns the asset and signs its receipts.
    pub fn owner(&self) -> Address {
        self.inner.owner
    }

    /// The public description.
    pub fn description(&self) -> &AssetDescription {
        &self.inner.description
    }

    /// The columns of a table, the features of a model.
    pub fn schema(&self) -> &Schema {
        &self.inner.description.sealed.schema
    }

    /// What everybody may know of the model, if the asset is one and no table.
    pub fn model(&self) -> Option<&ModelInfo> {
        self.inner.description.sealed.model.as_ref()
    }

    /// Rounds feature vectors for the asset's model: see [`Vectors::new`].
    ///
    /// # Errors
    /// [`ModelError::NoModel`] for a table; as [`Vectors::new`].
    pub fn vectors(&self, values: &[f64]) -> Result<Vectors> {
        self.require_model()?;
        Ok(Vectors::new(self.schema(), values)?)
    }

    /// As [`Asset::vectors`], with what is outside its range moved to the nearest end of it: see [`Vectors::clipped`].
    ///
    /// # Errors
    /// As [`Asset::vectors`].
    pub fn vectors_clipped(&self, values: &[f64]) -> Result<Vectors> {
        self.require_model()?;
        Ok(Vectors::clipped(self.schema(), values)?)
    }

    pub(crate) fn require_model(&self) -> Result<&ModelInfo, ModelError> {
        self.model().ok_or_else(|| ModelError::NoModel { did: self.did().to_string() })
    }

    /// The object of the envelope that holds the table or the model.
    pub(crate) fn object(&self) -> &'static str {
        if self.model().is_some() { MODEL_OBJECT } else { TABLE_OBJECT }
    }

    /// Whether executors compute on it, over encrypted columns: see [`sealed`](crate::sealed).
    pub fn is_sealed(&self) -> bool {
        self.description().sealed.encrypted.is_some()
    }

    /// A program, laid out over the schema.
    pub(crate) fn plan(&self, program: &Program) -> std::result::Result<Plan, ProgramError> {
        if self.is_sealed() { program.plan_rows(self.schema()) } else { program.plan(self.schema()) }
    }

    /// What may be asked.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// How a datatoken can be had, if it is on offer.
    pub fn price(&self) -> Option<&Price> {
        self.price.as_ref()
    }

    /// What an order gives.
    pub fn order_terms(&self) -> OrderTerms {
        self.inner.terms
    }

    /// An upper bound on the number of rows. The exact number would tell how many rows the suppression withholds.
    pub fn max_rows(&self) -> u64 {
        self.inner.description.sealed.max_rows
    }
}

impl std::fmt::Debug for Asset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Asset({})", self.did())
    }
}
