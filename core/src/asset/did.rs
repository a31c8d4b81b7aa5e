//! Decentralised identifiers of assets, as Ocean Protocol makes them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::error::AssetError;
use crate::{Address, Digest};

const PREFIX: &str = "did:op:";

/// The identifier of an asset: `did:op:` and 64 lower-case hex digits.
///
/// Ocean Protocol defines the digits as the SHA-256 of the NFT's checksummed address followed by the decimal chain id
/// (<https://docs.oceanprotocol.com/developers/did-and-ddo>). A `Did` that was read from text names some asset;
/// [`Did::check`] says whether it is the one of an NFT.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Did(Digest);

impl Did {
    /// The identifier of the asset that `nft` stands for on the chain.
    pub fn new(nft: Address, chain_id: u64) -> Self {
        Self(Digest::sha256(format!("{nft}{chain_id}").as_bytes()))
    }

    /// Checks that this is the identifier of `nft`.
    ///
    /// # Errors
    /// [`AssetError::InvalidDid`] otherwise.
    pub fn check(&self, nft: Address, chain_id: u64) -> Result<(), AssetError> {
        let expected = Self::new(nft, chain_id);
        if *self == expected {
            return Ok(());
        }
        Err(AssetError::InvalidDid {
            expected: format!("{expected} for the NFT {nft} on chain {chain_id}"),
            got: self.to_string(),
        })
    }

    /// The SHA-256 digest in it.
    pub const fn digest(&self) -> &Digest {
        &self.0
    }
}

impl fmt::Display for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0)
    }
}

impl fmt::Debug for Did {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Did({self})")
    }
}

impl FromStr for Did {
    type Err = AssetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix(PREFIX).filter(|digits| !digits.bytes().any(|c| c.is_ascii_uppercase()));
        digits.and_then(|digits| digits.parse().ok()).map(Self).ok_or_else(|| AssetError::InvalidDid {
            expected: format!("{PREFIX} and 64 lower-case hex digits"),
            got: text.chars().take(80).collect(),
        })
    }
}

impl TryFrom<String> for Did {
    type Error = AssetError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Did> for String {
    fn from(did: Did) -> Self {
        did.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From ethers 6 and Node's crypto: sha256(getAddress(nft) + "31337").
    const NFT: &str = "0xBB1081DbF3227bbB233Db68f7117114baBb43656";
    const DID: &str = "did:op:41e6873f51fe8360452856325e3df656a0677f00cb6b375ea68e284b28aa463d";

    #[test]
    fn the_did_is_oceans() {
        let did = Did::new(NFT.parse().unwrap(), 31_337);
        assert_eq!(did.to_string(), DID);
        assert_eq!(DID.parse::<Did>().unwrap(), did);
        did.check(NFT.parse().unwrap(), 31_337).unwrap();
        assert!(did.check(NFT.parse().unwrap(), 1).is_err());
        assert!(did.check(Address::ZERO, 31_337).is_err());
    }

    #[test]
    fn only_the_one_spelling_is_read() {
        for bad in ["", "did:op:", &DID[..70], &format!("{DID}0"), &DID.to_uppercase(), &DID.replace(":op:", ":ope:")] {
            assert!(bad.parse::<Did>().is_err(), "{bad}");
        }
        let upper = format!("{PREFIX}{}", DID[PREFIX.len()..].to_uppercase());
        assert!(upper.parse::<Did>().is_err());
    }
}
