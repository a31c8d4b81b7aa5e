//! What an order costs and what it gives.

use serde::{Deserialize, Serialize};

use super::error::AssetError;
use crate::Address;
use crate::ledger::{Amount, EFFECTIVE_GRAIN};

/// How a datatoken is had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Price {
    /// From a dispenser, for nothing.
    Free {
        /// An account that holds this many datatokens or more is given none. It bounds what is held, not what is given in
        /// all: an order takes one, and then there is room for another.
        max_per_account: u64,
    },
    /// At a fixed rate.
    Fixed {
        /// The ERC-20 token that is paid in.
        #[serde(with = "address_text")]
        base_token: Address,
        /// Price of one datatoken, in the base token's smallest units.
        #[serde(with = "amount_text")]
        amount: u128,
    },
}

/// The owner's offer: the price of a datatoken, and what an order made with it allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// How a datatoken is had.
    pub price: Price,
    /// How many jobs one order admits.
    pub uses_per_order: u64,
    /// For how many seconds after it was made an order admits jobs.
    pub validity_secs: u64,
    /// If set, an order admits so many jobs in every epoch of so many seconds, and not in all. Epochs are counted from
    /// 1970-01-01 UTC: 86,400 is days of UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch_secs: Option<u64>,
}

impl Terms {
    /// Uses of an order, if the owner says nothing else.
    pub const DEFAULT_USES: u64 = 10;
    /// Validity of an order, if the owner says nothing else: 30 days.
    pub const DEFAULT_VALIDITY_SECS: u64 = 30 * 86_400;
    /// Longest validity: 100 years.
    pub const MAX_VALIDITY_SECS: u64 = 100 * 365 * 86_400;
    /// Shortest epoch: a node believes a request's time within three minutes, so that of a shorter one several would be open
    /// at once.
    pub const MIN_EPOCH_SECS: u64 = 600;
    /// Most uses of one order. A use costs the node one stored nullifier.
    pub const MAX_USES: u64 = 1 << 32;

    fn new(price: Price) -> Self {
        Self { price, uses_per_order: Self::DEFAULT_USES, validity_secs: Self::DEFAULT_VALIDITY_SECS, epoch_secs: None }
    }

    /// Datatokens for nothing, at most `max_per_account` to each account.
    pub fn free(max_per_account: u64) -> Self {
        Self::new(Price::Free { max_per_account })
    }

    /// Datatokens at `amount` of `base_token` each: [`Amount::whole`] for whole tokens of 18 decimals,
    /// [`Amount::from_units`] for smallest units.
    pub fn fixed(base_token: Address, amount: Amount) -> Self {
        Self::new(Price::Fixed { base_token, amount: amount.units() })
    }

    /// How many jobs one order admits.
    pub fn uses_per_order(mut self, uses: u64) -> Self {
        self.uses_per_order = uses;
        self
    }

    /// For how many seconds an order admits jobs.
    pub fn valid_for(mut self, secs: u64) -> Self {
        self.validity_secs = secs;
        self
    }

    /// Gives an order its uses anew every `secs` seconds: so many a day for 86,400, where the days are those of UTC. A request
    /// counts in the epoch that it was made in, by its maker's clock, which a node believes within three minutes.
    pub fn renewed_every(mut self, secs: u64) -> Self {
        self.epoch_secs = Some(secs);
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`AssetError::InvalidTerms`], naming the field and what it takes.
    pub fn validate(&self) -> Result<(), AssetError> {
        let fail = |field, expected, got: &dyn ToString| {
            Err(AssetError::InvalidTerms { field, expected, got: got.to_string() })
        };
        match &self.price {
            Price::Free { max_per_account: 0 } => return fail("max_per_account", "1 or more datatokens", &0),
            Price::Fixed { amount: 0, .. } => return fail("amount", "1 or more; for nothing, offer it free", &0),
            Price::Fixed { base_token: Address::ZERO, .. } => {
                return fail("base_token", "the address of a token", &Address::ZERO);
            }
            _ => {}
        }
        if self.uses_per_order == 0 || self.uses_per_order > Self::MAX_USES {
            return fail("uses_per_order", "1 to 2^32 jobs", &self.uses_per_order);
        }
        if self.validity_secs == 0 || self.validity_secs > Self::MAX_VALIDITY_SECS {
            return fail("validity_secs", "1 second to 100 years", &self.validity_secs);
        }
        match self.epoch_secs {
            Some(secs)
                if !secs.is_multiple_of(EFFECTIVE_GRAIN)
                    || !(Self::MIN_EPOCH_SECS..=self.validity_secs).contains(&secs) =>
            {
                fail(
                    "renewed_every",
                    "whole minutes, at least ten, and no more than the order's validity, in seconds",
                    &secs,
                )
            }
            _ => Ok(()),
        }
    }
}

/// 128-bit amounts as decimal text: neither DAG-CBOR nor JSON readers hold such integers.
mod amount_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(amount: &u128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(amount)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u128, D::Error> {
        let text = String::deserialize(deserializer)?;
        let amount: u128 = text.parse().map_err(D::Error::custom)?;
        // One amount has one text: no sign, no leading zeros.
        if amount.to_string() == text { Ok(amount) } else { Err(D::Error::custom("not the plain decimal form")) }
    }
}

/// Addresses as text with their EIP-55 checksum, which is required.
pub(super) mod address_text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::Address;

    pub(crate) fn serialize<S: Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(address)
    }
    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
        let text = String::deserialize(deserializer)?;
        let address: Address = text.parse().map_err(D::Error::custom)?;
        if address.to_string() == text { Ok(address) } else { Err(D::Error::custom("the EIP-55 checksum is missing")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{from_canonical, to_canonical};

    fn token() -> Address {
        Address::from_bytes([7; 20])
    }

    #[test]
    fn terms_survive_their_encodings() {
        for terms in
            [Terms::free(3), Terms::fixed(token(), Amount::MAX).uses_per_order(1).valid_for(600).renewed_every(600)]
        {
            terms.validate().unwrap();
            let bytes = to_canonical("terms", &terms).unwrap();
            assert_eq!(from_canonical::<Terms>("terms", &bytes, 1024).unwrap(), terms);
            let json = serde_json::to_string(&terms).unwrap();
            assert_eq!(serde_json::from_str::<Terms>(&json).unwrap(), terms);
        }
    }

    #[test]
    fn senseless_terms_are_refused_by_field() {
        for (terms, name) in [
            (Terms::free(0), "max_per_account"),
            (Terms::fixed(token(), Amount::ZERO), "amount"),
            (Terms::fixed(Address::ZERO, Amount::from_units(1)), "base_token"),
            (Terms::free(1).uses_per_order(0), "uses_per_order"),
            (Terms::free(1).uses_per_order(u64::MAX), "uses_per_order"),
            (Terms::free(1).valid_for(0), "validity_secs"),
            (Terms::free(1).valid_for(u64::MAX), "validity_secs"),
            (Terms::free(1).renewed_every(0), "renewed_every"),
            (Terms::free(1).renewed_every(540), "renewed_every"),
            (Terms::free(1).renewed_every(630), "renewed_every"),
            (Terms::free(1).valid_for(3600).renewed_every(3660), "renewed_every"),
        ] {
            assert!(matches!(terms.validate(), Err(AssetError::InvalidTerms { field, .. }) if field == name), "{name}");
        }
    }

    #[test]
    fn an_amount_has_one_text() {
        for bad in ["01", "+1", "-1", "1.0", "", "340282366920938463463374607431768211456"] {
            let json = format!(r#"{{"fixed":{{"base_token":"{}","amount":"{bad}"}}}}"#, token());
            assert!(serde_json::from_str::<Price>(&json).is_err(), "{bad:?}");
        }
    }
}
