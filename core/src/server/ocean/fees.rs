//! The fees that Ocean's clients order with, and what their orders are good for.
//!
//! An order's fee is signed by this node and names datatoken and service, as those of Ocean's nodes do; that of a Sealock
//! asset also says what the order gives, so that it stays so. The amount is zero: what an order costs is its datatoken.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::catalog::{Found, Kind};
use super::compute::{AlgorithmAsked, DatasetAsked, ENVIRONMENT};
use super::error::Refusal;
use super::{Inner, OceanState, Parameters, auth};
use crate::asset::{MarketService, MarketServiceKind};
use crate::exchange::COMPUTE_SERVICE;
use crate::ledger::ocean::{PlainFee, PlainOrder};
use crate::ledger::{Amount, Ledger, LedgerError, OrderTerms};
use crate::time::Timestamp;
use crate::{Address, Digest};

/// Most assets of one question.
const MAX_ASSETS: usize = 8;

/// What the node signs for an order: its `providerData`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FeeData {
    environment: Option<String>,
    timestamp: Timestamp,
    dt: String,
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealock: Option<OrderTerms>,
}

/// An order that pays for a service.
#[derive(Clone, Debug)]
pub(super) struct Paid {
    pub(super) order: PlainOrder,
    /// The last second in which it is good.
    pub(super) expires: Timestamp,
    /// What an order of a Sealock asset gives.
    pub(super) terms: Option<OrderTerms>,
}

impl Paid {
    /// What one of its uses is spent as.
    pub(super) fn nullifier(&self, chain: u64, now: Timestamp, number: u64) -> [u8; 32] {
        let epoch = self.terms.and_then(|terms| now.checked_div(terms.epoch_secs?));
        let epoch = epoch.map(u64::to_be_bytes);
        let digest = Digest::of(
            "sealock/v1/ocean-use",
            &[
                &chain.to_be_bytes(),
                self.order.token.as_bytes(),
                self.order.tx.as_bytes(),
                &self.order.position.to_be_bytes(),
                epoch.as_ref().map_or(&[], <[u8; 8]>::as_slice),
                &number.to_be_bytes(),
            ],
        );
        *digest.as_bytes()
    }
}

impl Inner {
    /// A fee for an order of a service, in the form in which ocean.js takes it.
    fn fee(&self, found: &Found, service: &MarketService, environment: Option<&str>) -> Result<Value, Refusal> {
        let terms = match &found.kind {
            Kind::Sealed(asset) => Some(asset.order_terms()),
            Kind::Plain => None,
        };
        let now = self.ledger.now()?;
        let until = now.saturating_add(self.options.fee_secs);
        let data = FeeData {
            environment: environment.map(str::to_owned),
            timestamp: until,
            dt: service.datatoken.to_string(),
            id: service.id.clone(),
            sealock: terms,
        };
        let data = serde_json::to_vec(&data).map_err(|_| Refusal::failed())?;
        let account = self.node().account();
        let fee = self.ledger.sign_fee(account, data, Address::ZERO, Amount::ZERO, until)?;
        let PlainFee { provider, token, amount, valid_until, data, signature } = fee;
        let bytes = signature.as_bytes();
        Ok(json!({
            "providerFeeAddress": provider.to_string(),
            "providerFeeToken": token.to_string(),
            "providerFeeAmount": amount.units().to_string(),
            "providerData": format!("0x{}", hex::encode(data)),
            "v": 27 + bytes[64],
            "r": format!("0x{}", hex::encode(&bytes[..32])),
            "s": format!("0x{}", hex::encode(&bytes[32..64])),
            "validUntil": valid_until,
        }))
    }

    /// The orders of a transaction that pay an account for a service, and have not expired.
    ///
    /// # Errors
    /// `403` where there is none, whatever there is of others.
    pub(super) fn paid(
        &self,
        found: &Found,
        (place, service): (u32, &MarketService),
        who: Address,
        tx: &str,
    ) -> Result<Vec<Paid>, Refusal> {
        let digits = tx.strip_prefix("0x").filter(|digits| digits.len() == 64);
        let tx: Digest = digits
            .and_then(|digits| digits.to_ascii_lowercase().parse().ok())
            .ok_or_else(|| Refusal::malformed("Invalid transferTxId"))?;
        let (owner, now) = (self.owner.address(), self.now());
        let mut paid = Vec::new();
        let orders = self.ledger.plain_orders(tx, service.datatoken).map_err(|error| match error {
            // Everybody can see that.
            LedgerError::NotConfirmed { .. } => {
                let why = "The order's transaction is not deep enough in the chain: try again later";
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, why)
            }
            other => other.into(),
        })?;
        for order in orders {
            // Clients order computing for the environment, and pay for it themselves.
            let theirs = order.consumer == who || (order.consumer == owner && order.payer == who);
            let Ok(data) = serde_json::from_slice::<FeeData>(&order.fee.data) else { continue };
            let fits = order.service == place
                && order.fee.provider == owner
                && data.id == service.id
                && data.dt.parse() == Ok(service.datatoken)
                && data.sealock.is_some() == matches!(found.kind, Kind::Sealed(_));
            let expires = match data.sealock {
                Some(terms) => order.time.saturating_add(terms.validity_secs),
                None if service.timeout_secs == 0 => Timestamp::MAX,
                None => order.time.saturating_add(service.timeout_secs),
            };
            if theirs && fits && now <= expires {
                paid.push(Paid { order, expires, terms: data.sealock });
            }
        }
        if paid.is_empty() {
            let why = "Invalid payment transaction: expected an order of this account, asset and service that has not \
                       expired";
            return Err(Refusal::forbidden(why));
        }
        Ok(paid)
    }

    fn initialized(&self, dataset: &DatasetAsked, who: Address, sealed: bool) -> Result<Value, Refusal> {
        let found = self.find(&dataset.document_id)?;
        let (place, service) = found.service(&dataset.service_id)?;
        found.check_access(service, who)?;
        let fits = match (&found.kind, sealed) {
            (Kind::Sealed(asset), true) => place == COMPUTE_SERVICE && asset.model().is_none(),
            (Kind::Plain, false) => true,
            _ => false,
        };
        if !fits {
            let (service, asset) = (&dataset.service_id, &found.did);
            let why = format!("Service {service} from DDO {asset} cannot be used in compute on this provider");
            return Err(Refusal::malformed(why));
        }
        let mut answer = json!({
            "did": found.did.to_string(),
            "serviceId": service.id,
            "datatoken": service.datatoken.to_string(),
            "chainId": self.ledger.chain_id(),
            "consumerAddress": self.owner.address().to_string(),
            "validOrder": false,
        });
        let tx = dataset.transfer_tx_id.as_deref().filter(|tx| !tx.is_empty());
        match tx.map(|tx| self.paid(&found, (place, service), who, tx)) {
            Some(Ok(_)) => answer["validOrder"] = json!(tx),
            // One that has expired is no mistake: there is a fee for another.
            Some(Err(refusal)) if refusal.status != StatusCode::FORBIDDEN => return Err(refusal),
            _ => answer["providerFee"] = self.fee(&found, service, Some(ENVIRONMENT))?,
        }
        Ok(answer)
    }
}

/// A fee to order a download with.
pub(super) async fn initialize(
    Shared(state): Shared<OceanState>,
    parameters: Parameters,
) -> Result<Json<Value>, Refusal> {
    let initialize = move |inner: &Arc<Inner>| {
        let who = auth::address("consumerAddress", parameters.need("consumerAddress")?)?;
        let found = inner.find(parameters.need("documentId")?)?;
        let (_, service) = found.service(parameters.need("serviceId")?)?;
        found.check_access(service, who)?;
        if service.kind == MarketServiceKind::Compute {
            let why = "Use the initializeCompute endpoint to initialize compute jobs";
            return Err(Refusal::malformed(why));
        }
        Ok(Json(json!({
            "datatoken": service.datatoken.to_string(),
            "nonce": inner.book.nonce(who)?.to_string(),
            "computeAddress": inner.owner.address().to_string(),
            "providerFee": inner.fee(&found, service, None)?,
        })))
    };
    state.block(initialize).await
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    datasets: Vec<DatasetAsked>,
    algorithm: AlgorithmAsked,
    environment: Option<String>,
    consumer_address: Option<String>,
}

/// Fees to order a job with: one for the asset, and one for the algorithm where that is an asset, too.
pub(super) async fn initialize_compute(Shared(state): Shared<OceanState>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let initialize = move |inner: &Arc<Inner>| {
        let asked: Asked =
            serde_json::from_slice(&body).map_err(|e| Refusal::malformed(format!("The body is malformed: {e}")))?;
        let who = asked.consumer_address.as_deref().ok_or_else(|| Refusal::missing("consumerAddress"))?;
        let who = auth::address("consumerAddress", who)?;
        if asked.environment.as_deref().is_some_and(|environment| environment != ENVIRONMENT) {
            return Err(Refusal::malformed("Invalid compute environment"));
        }
        if asked.datasets.is_empty() || asked.datasets.len() > MAX_ASSETS {
            return Err(Refusal::malformed("Missing datasets and algorithm"));
        }
        let datasets = asked.datasets.iter().map(|dataset| inner.initialized(dataset, who, true));
        let datasets = datasets.collect::<Result<Vec<_>, _>>()?;
        let algorithm = match asked.algorithm.asset() {
            Some(asset) => inner.initialized(&asset?, who, false)?,
            None => json!({ "validOrder": false }),
        };
        // Clients that pay nodes through Ocean's escrow have nothing to pay.
        let payment = inner.ledger.addresses().escrow.map(|escrow| {
            json!({
                "escrowAddress": escrow.to_string(),
                "payee": inner.owner.address().to_string(),
                "chainId": inner.ledger.chain_id(),
                "token": Address::ZERO.to_string(),
                "amount": "0",
                "minLockSeconds": 0,
            })
        });
        Ok(Json(json!({ "algorithm": algorithm, "datasets": datasets, "payment": payment })))
    };
    state.block(initialize).await
}
