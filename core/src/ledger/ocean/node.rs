//! An Ethereum node, asked for one chain.

use std::time::Duration;

use alloy::primitives::{B256, Bytes, TxKind, U256};
use alloy::rpc::types::TransactionRequest;
use alloy::sol_types::SolCall;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::convert::to_evm;
use super::feed::{RawLog, block_tag};
use super::rpc::{Refusal, Rpc};
use crate::Address;
use crate::ledger::LedgerError;

type Result<T, E = LedgerError> = std::result::Result<T, E>;

/// No chain has so many blocks: a position in the log is a block's number times 2^20.
const MAX_BLOCK: u64 = 1 << 40;

/// What is read of a block's header.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    #[serde(with = "alloy::serde::quantity")]
    pub(super) number: u64,
    pub(super) hash: B256,
    #[serde(with = "alloy::serde::quantity")]
    pub(super) timestamp: u64,
    #[serde(with = "alloy::serde::quantity::opt", default)]
    pub(super) base_fee_per_gas: Option<u128>,
}

/// What became of a transaction.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TxReceipt {
    pub(super) transaction_hash: B256,
    #[serde(with = "alloy::serde::quantity")]
    pub(super) block_number: u64,
    pub(super) block_hash: B256,
    #[serde(with = "alloy::serde::quantity::opt", default)]
    pub(super) status: Option<u64>,
    #[serde(with = "alloy::serde::quantity")]
    pub(super) gas_used: u64,
    pub(super) logs: Vec<RawLog>,
}

/// A node of the chain with an id.
pub(super) struct Node {
    rpc: Rpc,
    chain_id: u64,
}

impl Node {
    /// # Errors
    /// [`LedgerError::InvalidArgument`] for a URL that is none; [`LedgerError::Node`]; [`LedgerError::WrongChain`].
    pub(super) fn connect(url: &str, expected: Option<u64>, timeout: Duration) -> Result<Self> {
        let rpc = Rpc::new(url, timeout).map_err(|why| LedgerError::InvalidArgument { what: "the node's URL", why })?;
        let mut node = Self { rpc, chain_id: 0 };
        let got: U256 = node.get("eth_chainId", json!([]), "for its chain id")?;
        let got = u64::try_from(got).map_err(|_| node.lies("its chain id does not fit 64 bits".into()))?;
        if let Some(expected) = expected.filter(|expected| *expected != got) {
            return Err(LedgerError::WrongChain { who: node.who(), expected, got });
        }
        node.chain_id = got;
        Ok(node)
    }

    pub(super) const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    pub(super) fn who(&self) -> String {
        self.rpc.who().to_owned()
    }

    /// It answers, and the answer cannot be.
    pub(super) fn lies(&self, why: String) -> LedgerError {
        LedgerError::FalseAnswer { who: self.who(), why }
    }

    /// `what` was asked for, in words that follow "asked".
    pub(super) fn failed(&self, what: &str, refusal: Refusal) -> LedgerError {
        match refusal {
            Refusal::Late => LedgerError::NodeTimeout { who: self.who(), what: what.into() },
            other => LedgerError::Node { who: self.who(), what: what.into(), why: other.to_string() },
        }
    }

    pub(super) fn ask<T: DeserializeOwned>(&self, method: &str, params: Json) -> Result<T, Refusal> {
        self.rpc.call(method, params)
    }

    /// Two questions to one and the same node.
    pub(super) fn ask_both<A: DeserializeOwned, B: DeserializeOwned>(
        &self,
        first: (&str, Json),
        second: (&str, Json),
    ) -> Result<(A, B), Refusal> {
        self.rpc.call_both(first, second)
    }

    pub(super) fn get<T: DeserializeOwned>(&self, method: &str, params: Json, what: &str) -> Result<T> {
        self.rpc.call(method, params).map_err(|refusal| self.failed(what, refusal))
    }

    /// The header of a block; `None` above the head.
    pub(super) fn header(&self, number: u64) -> Result<Option<Header>> {
        let header: Option<Header> =
            self.get("eth_getBlockByNumber", json!([block_tag(number), false]), "for a block")?;
        if header.as_ref().is_some_and(|header| header.number != number) {
            return Err(self.lies(format!("asked for block {number}, it sent another")));
        }
        Ok(header)
    }

    /// The header under a tag: `latest`, `finalized`, `safe`.
    pub(super) fn tagged(&self, tag: &str) -> Result<Header> {
        let header: Option<Header> = self.get("eth_getBlockByNumber", json!([tag, false]), "for a block")?;
        if header.as_ref().is_some_and(|header| header.number >= MAX_BLOCK) {
            return Err(self.lies("its head has a number that no chain has".into()));
        }
        header.ok_or_else(|| {
            let why = format!("it knows no {tag} block");
            LedgerError::Node { who: self.who(), what: "for a block".into(), why }
        })
    }

    pub(super) fn code(&self, address: Address) -> Result<Bytes> {
        self.get("eth_getCode", json!([to_evm(address), "latest"]), "for a contract")
    }

    /// Calls a contract without changing anything. `None` where it reverts, or where there is no such contract.
    pub(super) fn view<C: SolCall>(&self, to: Address, call: C) -> Result<Option<C::Return>> {
        let request = json!([{"to": to_evm(to), "data": Bytes::from(call.abi_encode())}, "latest"]);
        let returned: Bytes = match self.ask("eth_call", request) {
            Ok(bytes) => bytes,
            Err(refusal) if refusal.is_revert() => return Ok(None),
            Err(refusal) => return Err(self.failed(C::SIGNATURE, refusal)),
        };
        // An address without code returns nothing; a contract with another interface returns something else.
        Ok(C::abi_decode_returns_validate(&returned).ok())
    }

    pub(super) fn receipt(&self, tx: B256) -> Result<Option<TxReceipt>> {
        let receipt: Option<TxReceipt> = self.get("eth_getTransactionReceipt", json!([tx]), "for a receipt")?;
        if receipt.as_ref().is_some_and(|receipt| receipt.transaction_hash != tx) {
            return Err(self.lies(format!("asked for the receipt of {tx}, it sent another")));
        }
        Ok(receipt)
    }

    /// Runs a transaction without sending it, as of the end of a block; the reason if it reverts.
    pub(super) fn simulate(
        &self,
        from: Address,
        to: Address,
        data: &Bytes,
        block: &str,
    ) -> Result<Result<(), Refusal>> {
        let request = TransactionRequest {
            from: Some(to_evm(from)),
            to: Some(TxKind::Call(to_evm(to))),
            input: data.clone().into(),
            ..Default::default()
        };
        match self.ask::<Bytes>("eth_call", json!([request, block])) {
            Ok(_) => Ok(Ok(())),
            Err(refusal) if refusal.is_revert() => Ok(Err(refusal)),
            Err(refusal) => Err(self.failed("to simulate a transaction", refusal)),
        }
    }
}
