//! A chain of a developer with Ocean's contracts, and Sealock's ledger on it.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::sync::{Mutex, MutexGuard};

use sealock::ledger::ocean::{OceanAddresses, OceanLedger, OceanOptions, SignedOffer};
use sealock::{Account, Address};
use serde_json::{Value, json};

use super::peers::Peer;

/// anvil, with Ocean's contracts on it.
pub struct Chain {
    peer: Mutex<Peer>,
    pub url: String,
    pub addresses: Value,
}

impl Chain {
    /// A chain with the fees that Ocean's contracts have when they are deployed.
    pub fn start() -> Self {
        let peer = Peer::chain();
        let (url, addresses) = (peer.url().to_owned(), peer.ready()["addresses"].clone());
        Self { peer: Mutex::new(peer), url, addresses }
    }

    /// A chain whose contracts take nothing, as the embedded ledger.
    pub fn without_fees() -> Self {
        let chain = Self::start();
        chain.ask(json!({"do": "fees", "swapOcean": "0", "swapOther": "0", "consume": "0", "provider": "0"}));
        chain
    }

    pub fn peer(&self) -> MutexGuard<'_, Peer> {
        self.peer.lock().unwrap()
    }

    pub fn ask(&self, command: Value) -> Value {
        self.peer().ask(command)
    }

    /// Where the contracts are.
    pub fn contracts(&self) -> OceanAddresses {
        OceanAddresses::from_json(&self.addresses.to_string(), 8996).unwrap()
    }

    /// The token OCEAN.
    pub fn ocean(&self) -> Address {
        self.contracts().ocean.unwrap()
    }

    pub fn ledger(&self) -> OceanLedger {
        self.ledger_with(OceanOptions::default())
    }

    pub fn ledger_with(&self, options: OceanOptions) -> OceanLedger {
        OceanLedger::connect_with_json(&self.url, &self.addresses.to_string(), options).unwrap()
    }

    /// A fresh account with money for gas.
    pub fn account(&self) -> Account {
        self.account_with(0)
    }

    /// A fresh account with money for gas, and so many whole OCEAN.
    pub fn account_with(&self, ocean: u64) -> Account {
        let account = Account::generate();
        self.fund(account.address(), ocean);
        account
    }

    pub fn fund(&self, to: Address, ocean: u64) {
        self.ask(json!({"do": "fund", "to": to.to_string(), "ether": "10", "ocean": ocean.to_string()}));
    }

    pub fn advance(&self, seconds: u64) {
        self.ask(json!({"do": "advance", "seconds": seconds}));
    }

    pub fn mine(&self, blocks: u64) {
        self.ask(json!({"do": "mine", "blocks": blocks}));
    }

    /// ocean.js, acting for an account.
    pub fn client(&self, account: &Account) -> Peer {
        let mut client = Peer::ocean();
        let secret = format!("0x{}", hex::encode(*account.expose_secret_bytes()));
        client.ask(json!({"do": "open", "url": self.url, "addresses": self.addresses, "secret": secret}));
        client
    }
}

/// The argument of `startOrder`, as ocean.js takes it.
pub fn fee(offer: &SignedOffer) -> Value {
    let signature = offer.signature.as_bytes();
    json!({
        "providerFeeAddress": offer.provider.to_string(),
        "providerFeeToken": offer.fee_token.to_string(),
        "providerFeeAmount": offer.fee.units().to_string(),
        "v": 27 + signature[64],
        "r": format!("0x{}", hex::encode(&signature[..32])),
        "s": format!("0x{}", hex::encode(&signature[32..64])),
        "validUntil": offer.valid_until,
        "providerData": format!("0x{}", hex::encode(offer.offer.to_bytes())),
    })
}
