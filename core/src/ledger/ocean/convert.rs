//! Between this crate's types and the EVM's.

use alloy::primitives::{B256, U256};

use crate::ledger::Amount;
use crate::{Address, Digest};

pub(super) fn to_evm(address: Address) -> alloy::primitives::Address {
    alloy::primitives::Address::from(*address.as_bytes())
}

pub(super) fn ours(address: alloy::primitives::Address) -> Address {
    Address::from_bytes(address.into_array())
}

pub(super) fn to_u256(amount: Amount) -> U256 {
    U256::from(amount.units())
}

pub(super) fn from_u256(value: U256) -> Option<Amount> {
    u128::try_from(value).ok().map(Amount::from_units)
}

/// A cap, an allowance or a supply: what is more than fits never binds.
pub(super) fn clamped(value: U256) -> Amount {
    from_u256(value).unwrap_or(Amount::MAX)
}

pub(super) fn digest(hash: B256) -> Digest {
    Digest::from_bytes(hash.0)
}

pub(super) fn hash(digest: Digest) -> B256 {
    B256::from(*digest.as_bytes())
}
