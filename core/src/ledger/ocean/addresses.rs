//! Where Ocean's contracts are.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::Address;
use crate::ledger::LedgerError;

/// Addresses of Ocean's contracts on one chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OceanAddresses {
    /// `ERC721Factory`, which publishes.
    pub factory: Address,
    /// `FixedRateExchange` (under `FixedPrice` in Ocean's file).
    pub fixed_rate: Address,
    /// `Dispenser`.
    pub dispenser: Address,
    /// `Escrow`, where the chain has one.
    pub escrow: Option<Address>,
    /// The token OCEAN, where the chain has one.
    pub ocean: Option<Address>,
    /// The block in which they were deployed: there is nothing before it.
    pub start_block: u64,
}

impl OceanAddresses {
    /// Longest file, in bytes.
    pub const MAX_BYTES: usize = 1 << 20;

    /// The addresses for a chain in a file of the form of Ocean's `address.json`
    /// (<https://github.com/oceanprotocol/contracts/blob/v4main/addresses/address.json>), which has an entry for each network.
    ///
    /// # Errors
    /// [`LedgerError::TooLarge`]; [`LedgerError::InvalidArgument`] if it is not of that form, or has not all contracts of
    /// the chain.
    pub fn from_json(json: &str, chain_id: u64) -> Result<Self, LedgerError> {
        const WHAT: &str = "the file of Ocean's addresses";
        if json.len() > Self::MAX_BYTES {
            return Err(LedgerError::TooLarge { what: WHAT, got: json.len(), limit: Self::MAX_BYTES });
        }
        let invalid = |why| LedgerError::InvalidArgument { what: WHAT, why };
        let networks: BTreeMap<String, Json> =
            serde_json::from_str(json).map_err(|_| invalid("it is no object of networks"))?;
        let of_chain = |network: &&Json| network.get("chainId").and_then(Json::as_u64) == Some(chain_id);
        let network = networks.values().find(of_chain).ok_or_else(|| {
            let ids = networks.values().filter_map(|network| network.get("chainId").and_then(Json::as_u64));
            LedgerError::UnknownChain { chain: chain_id, known: ids.take(64).collect() }
        })?;
        let network = Network::deserialize(network).map_err(|_| {
            invalid("its network has no ERC721Factory, FixedPrice and Dispenser, or addresses that are none")
        })?;
        Ok(Self {
            factory: network.factory,
            fixed_rate: network.fixed_rate,
            dispenser: network.dispenser,
            escrow: network.escrow,
            ocean: network.ocean,
            start_block: network.start_block,
        })
    }
}

#[derive(Deserialize)]
struct Network {
    #[serde(rename = "ERC721Factory", deserialize_with = "address")]
    factory: Address,
    #[serde(rename = "FixedPrice", deserialize_with = "address")]
    fixed_rate: Address,
    #[serde(rename = "Dispenser", deserialize_with = "address")]
    dispenser: Address,
    #[serde(rename = "Escrow", default, deserialize_with = "maybe_address")]
    escrow: Option<Address>,
    #[serde(rename = "Ocean", default, deserialize_with = "maybe_address")]
    ocean: Option<Address>,
    #[serde(rename = "startBlock", default)]
    start_block: u64,
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

fn maybe_address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From npm's `@oceanprotocol/contracts` 2.6.0, `addresses/address.json`: Ocean's contracts on Optimism and Sepolia, cut down.
    const JSON: &str = include_str!("../../../tests/vectors/ocean/address.json");

    #[test]
    fn oceans_own_file_is_read() {
        let found = OceanAddresses::from_json(JSON, 11_155_111).unwrap();
        assert_ne!(found.factory, Address::ZERO);
        assert!(found.ocean.is_some() && found.start_block > 0);
        assert_ne!(OceanAddresses::from_json(JSON, 10).unwrap().factory, found.factory);
        for (json, why) in
            [("[]", "object"), ("{}", "chain 11155111"), (r#"{"a":{"chainId":11155111}}"#, "ERC721Factory")]
        {
            let error = OceanAddresses::from_json(json, 11_155_111).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        let long = " ".repeat(OceanAddresses::MAX_BYTES + 1);
        assert!(matches!(OceanAddresses::from_json(&long, 1), Err(LedgerError::TooLarge { .. })));
    }
}
