//! What Sealock writes into Ocean's contracts: order terms and revocations, as data of the NFT (ERC-725Y,
//! <https://eips.ethereum.org/EIPS/eip-725>), and what an order says, in its provider fee.
//!
//! A consumer sends `startOrder` with a *provider fee*: an amount, a time and any bytes, signed by the account that it
//! names as the provider. The contract checks that signature and nothing else: it takes any provider, any bytes, the same
//! fee again and again, and, since `ecrecover` answers a bad signature with zero, any signature of provider zero. So a
//! reader of the log checks more: [`OrderOffer`] names chain, datatoken, service and consumer; its provider is the NFT's
//! owner or appointed by the service's terms; its commitment is new in the service; it was used in time.

use std::collections::BTreeSet;

use alloy::primitives::{B256, Bytes, U256, keccak256};
use serde::{Deserialize, Serialize};

use super::abi::ProviderFeeData;
use super::convert::{from_u256, ours, to_evm, to_u256};
use crate::account::AccountError;
use crate::codec;
use crate::ledger::{Amount, OrderTerms, check};
use crate::{Account, Address, Digest, Signature, time::Timestamp};

/// Longest record, in bytes.
const LIMIT: usize = 4096;
/// Most providers that a service appoints.
pub(super) const MAX_PROVIDERS: usize = 32;

/// What is signed for an order, which travels as `providerFee.providerData`: canonical DAG-CBOR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderOffer {
    kind: OfferKind,
    /// The EVM chain id.
    pub chain: u64,
    /// The datatoken.
    pub token: Address,
    /// The service.
    pub service: u32,
    /// Who may order with it.
    pub consumer: Address,
    /// The consumer's identity commitment.
    #[serde(with = "serde_bytes")]
    pub commitment: [u8; 32],
    /// What the order gives.
    pub terms: OrderTerms,
}

/// So that no other bytes that a provider ever signs are an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum OfferKind {
    #[serde(rename = "sealock/v1/order")]
    V1,
}

impl OrderOffer {
    /// An offer to be signed.
    pub const fn new(
        chain: u64,
        token: Address,
        service: u32,
        consumer: Address,
        commitment: [u8; 32],
        terms: OrderTerms,
    ) -> Self {
        Self { kind: OfferKind::V1, chain, token, service, consumer, commitment, terms }
    }

    /// The canonical DAG-CBOR that is `providerFee.providerData`.
    pub fn to_bytes(self) -> Vec<u8> {
        encode("order offer", &self)
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        codec::from_canonical("order offer", bytes, LIMIT).ok()
    }

    /// Signs it as the provider, for a fee of `amount` of `fee_token` that the order pays beside the datatoken.
    /// `valid_until` is the last second in which it can be used.
    ///
    /// # Errors
    /// [`AccountError::Signer`] of an external signer.
    pub fn sign(
        self,
        provider: &Account,
        fee_token: Address,
        amount: Amount,
        valid_until: Timestamp,
    ) -> Result<SignedOffer, AccountError> {
        let digest = fee_digest(&self.to_bytes(), provider.address(), fee_token, amount, valid_until);
        let signature = provider.sign(&digest)?;
        Ok(SignedOffer { offer: self, provider: provider.address(), fee_token, fee: amount, valid_until, signature })
    }
}

/// An offer with its provider's signature: what a consumer orders with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedOffer {
    /// What is offered.
    pub offer: OrderOffer,
    /// Who signed.
    pub provider: Address,
    /// What the fee is paid in; the zero address if there is none.
    pub fee_token: Address,
    /// What an order pays the provider beside the datatoken, in smallest units.
    pub fee: Amount,
    /// The last second in which it can be used.
    pub valid_until: Timestamp,
    /// The signature.
    pub signature: Signature,
}

impl SignedOffer {
    /// Canonical DAG-CBOR, to be sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        encode("signed order offer", self)
    }

    /// Reads what [`SignedOffer::to_bytes`] wrote. The signature is not checked.
    ///
    /// # Errors
    /// [`codec::CodecError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, codec::CodecError> {
        codec::from_canonical("signed order offer", bytes, LIMIT)
    }

    /// Whether the provider that it names signed it.
    pub fn is_signed(&self) -> bool {
        let digest = fee_digest(&self.offer.to_bytes(), self.provider, self.fee_token, self.fee, self.valid_until);
        self.signature.verify(&digest, self.provider).is_ok()
    }

    /// The argument of `startOrder`.
    pub(super) fn fee_data(&self) -> ProviderFeeData {
        let signature = self.signature.as_bytes();
        ProviderFeeData {
            providerFeeAddress: to_evm(self.provider),
            providerFeeToken: to_evm(self.fee_token),
            providerFeeAmount: to_u256(self.fee),
            v: 27 + signature[64],
            r: B256::from_slice(&signature[..32]),
            s: B256::from_slice(&signature[32..64]),
            validUntil: U256::from(self.valid_until),
            providerData: self.offer.to_bytes().into(),
        }
    }

    /// What an order was made with, if it is an offer that its provider signed.
    pub(super) fn of_fee(fee: &super::abi::Datatoken::ProviderFee) -> Result<Self, &'static str> {
        let offer = OrderOffer::from_bytes(&fee.providerData).ok_or("its provider data is no offer of Sealock's")?;
        let mut signature = [0; 65];
        signature[..32].copy_from_slice(fee.r.as_slice());
        signature[32..64].copy_from_slice(fee.s.as_slice());
        signature[64] = fee.v.checked_sub(27).ok_or("its provider's signature is malformed")?;
        let signed = Self {
            offer,
            provider: ours(fee.providerFeeAddress),
            fee_token: ours(fee.providerFeeToken),
            fee: from_u256(fee.providerFeeAmount).ok_or("its fee does not fit 128 bits")?,
            valid_until: u64::try_from(fee.validUntil).map_err(|_| "its time is out of range")?,
            signature: Signature::from_bytes(signature),
        };
        if signed.provider == Address::ZERO || !signed.is_signed() {
            return Err("its provider did not sign it");
        }
        Ok(signed)
    }
}

/// EIP-191 over Keccak-256 of the packed fields, as the datatoken checks it.
pub(super) fn fee_digest(
    data: &[u8],
    provider: Address,
    token: Address,
    amount: Amount,
    valid_until: Timestamp,
) -> Digest {
    let mut packed = data.to_vec();
    packed.extend_from_slice(provider.as_bytes());
    packed.extend_from_slice(token.as_bytes());
    packed.extend_from_slice(&to_u256(amount).to_be_bytes::<32>());
    packed.extend_from_slice(&U256::from(valid_until).to_be_bytes::<32>());
    personal(keccak256(packed))
}

/// What a wallet signs for `hash` under EIP-191, version 0x45.
pub(super) fn personal(hash: B256) -> Digest {
    Digest::from_bytes(*keccak256([b"\x19Ethereum Signed Message:\n32".as_slice(), hash.as_slice()].concat()))
}

/// What the NFT says of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermsRecord {
    pub(super) token: Address,
    pub(super) service: u32,
    pub(super) terms: OrderTerms,
    /// Who signs offers beside the NFT's owner. A new owner of the NFT appoints anew.
    pub(super) providers: BTreeSet<Address>,
}

impl TermsRecord {
    pub(super) fn key(token: Address, service: u32) -> B256 {
        key("sealock/v1/terms", token, &service.to_be_bytes())
    }

    pub(super) fn to_bytes(&self) -> Bytes {
        encode("order terms", self).into()
    }

    /// The record under `key`, if it is one.
    pub(super) fn read(at: B256, value: &[u8]) -> Option<Self> {
        let record: Self = codec::from_canonical("order terms", value, LIMIT).ok()?;
        let fits = Self::key(record.token, record.service) == at && record.providers.len() <= MAX_PROVIDERS;
        (fits && check::terms(record.terms).is_ok()).then_some(record)
    }
}

/// What the NFT says of an order that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationRecord {
    pub(super) token: Address,
    pub(super) service: u32,
    pub(super) order: u64,
    pub(super) effective: Timestamp,
    /// The transaction that paid the datatoken back, which came before.
    pub(super) refund: Option<Digest>,
}

impl RevocationRecord {
    pub(super) fn key(token: Address, service: u32, order: u64) -> B256 {
        let mut place = [0; 12];
        place[..4].copy_from_slice(&service.to_be_bytes());
        place[4..].copy_from_slice(&order.to_be_bytes());
        key("sealock/v1/revocation", token, &place)
    }

    pub(super) fn to_bytes(self) -> Bytes {
        encode("revocation", &self).into()
    }

    pub(super) fn read(at: B256, value: &[u8]) -> Option<Self> {
        let record: Self = codec::from_canonical("revocation", value, LIMIT).ok()?;
        (Self::key(record.token, record.service, record.order) == at).then_some(record)
    }
}

/// Records are plain structures, which have an encoding.
fn encode<T: Serialize>(what: &'static str, record: &T) -> Vec<u8> {
    codec::to_canonical(what, record).expect("a record has an encoding")
}

/// ERC-725Y asks for keys that are Keccak-256 of a name.
fn key(label: &str, token: Address, place: &[u8]) -> B256 {
    keccak256([label.as_bytes(), token.as_bytes(), place].concat())
}
