//! Sending transactions: nonce, gas, signature, and what became of it.
//!
//! Nonces: one account's transactions are numbered under a lock of their own, from the node's pending count and from what
//! was sent here and is not mined yet, so that any number of threads may send at once. The lock is let go when the node
//! has the transaction; waiting for it to be mined happens outside.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use alloy::consensus::{SignableTransaction, TxEip1559, TxLegacy};
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{B256, Bytes, Signature as EvmSignature, TxKind, U256};
use alloy::rpc::types::TransactionRequest;
use serde_json::json;

use super::convert::to_evm;
use super::lock;
use super::node::{Node, TxReceipt};
use super::rpc::Refusal;
use crate::ledger::LedgerError;
use crate::{Account, Address, Digest};

/// The most gas that a transaction may have (EIP-7825).
const MAX_GAS: u64 = 1 << 24;
/// Tip of nodes that cannot say what is usual: 1 gwei.
const USUAL_TIP: u128 = 1_000_000_000;
const SHORTEST_POLL: Duration = Duration::from_millis(5);
const LONGEST_POLL: Duration = Duration::from_secs(1);
/// The most that is offered as a tip, whatever the node calls usual: 100 gwei.
const MAX_TIP: u128 = 100_000_000_000;
/// For how long a transaction is looked for whose sending was not answered.
const LOOKING: Duration = Duration::from_secs(3);
/// How often a nonce that others used meanwhile is read again.
const NONCE_RETRIES: usize = 8;

/// Why nothing was done.
pub(super) enum Unsent {
    /// The contract refused, and nothing changed but the price of gas, if it was mined.
    Reverted(Refusal),
    Failed(LedgerError),
}

impl From<LedgerError> for Unsent {
    fn from(error: LedgerError) -> Self {
        Unsent::Failed(error)
    }
}

type Result<T, E = Unsent> = std::result::Result<T, E>;

/// Sent from here and not known to be mined.
#[derive(Default)]
struct Flight {
    next: u64,
    waiting: usize,
}

pub(super) struct Sender {
    flights: Mutex<HashMap<Address, Arc<Mutex<Flight>>>>,
    /// How long a transaction may take until it is final.
    patience: Duration,
}

impl Sender {
    pub(super) fn new(patience: Duration) -> Self {
        Self { flights: Mutex::default(), patience }
    }

    /// Sends a call of `to`, and waits until it is mined and `is_final` says so of its block. `note` is told the
    /// transaction's hash before the node gets it: the node's answer may be lost.
    pub(super) fn send(
        &self,
        node: &Node,
        account: &Account,
        to: Address,
        data: Bytes,
        note: impl Fn(B256) -> Result<(), LedgerError>,
        is_final: impl Fn(u64) -> Result<bool, LedgerError>,
    ) -> Result<TxReceipt> {
        let flight = Arc::clone(lock(&self.flights).entry(account.address()).or_default());
        let tx = {
            let mut flight = lock(&flight);
            let tx = start(node, account, to, &data, &mut flight, note)?;
            flight.waiting += 1;
            tx
        };
        let receipt = self.wait(node, tx, is_final);
        lock(&flight).waiting -= 1;
        let receipt = receipt?;
        if receipt.status == Some(0) {
            let block = format!("{:#x}", receipt.block_number);
            let why = match node.simulate(account.address(), to, &data, &block)? {
                Err(refusal) => refusal,
                Ok(()) => Refusal::Said { code: 3, message: "it gives no reason".into(), data: None },
            };
            return Err(Unsent::Reverted(why));
        }
        Ok(receipt)
    }

    /// Waits for a transaction that was sent before. `None` if the node knows nothing of it: it was never sent, or dropped.
    pub(super) fn resume(
        &self,
        node: &Node,
        tx: B256,
        is_final: impl Fn(u64) -> Result<bool, LedgerError>,
    ) -> Result<Option<TxReceipt>, LedgerError> {
        if !is_known(node, tx)? {
            return Ok(None);
        }
        self.wait(node, tx, is_final).map(Some)
    }

    fn wait(
        &self,
        node: &Node,
        tx: B256,
        is_final: impl Fn(u64) -> Result<bool, LedgerError>,
    ) -> Result<TxReceipt, LedgerError> {
        let start = Instant::now();
        let mut poll = SHORTEST_POLL;
        loop {
            // Read again every time: a block that is reorganised away takes the receipt with it.
            match mined(node, tx, &is_final) {
                Ok(Some(receipt)) => return Ok(receipt),
                Ok(None) => {}
                // Nobody knows whether it was mined: keep asking.
                Err(error) => tracing::debug!(%tx, %error, "asking again"),
            }
            if start.elapsed() >= self.patience {
                let tx = Digest::from_bytes(tx.0);
                return Err(LedgerError::NotConfirmed { tx, waited: start.elapsed() });
            }
            sleep(poll);
            poll = (poll * 2).min(LONGEST_POLL);
        }
    }
}

/// The receipt of a transaction, once its block is final and on the chain.
fn mined(
    node: &Node,
    tx: B256,
    is_final: impl Fn(u64) -> Result<bool, LedgerError>,
) -> Result<Option<TxReceipt>, LedgerError> {
    let Some(receipt) = node.receipt(tx)? else { return Ok(None) };
    if !is_final(receipt.block_number)? {
        return Ok(None);
    }
    let there = node.header(receipt.block_number)?;
    Ok(there.is_some_and(|header| header.hash == receipt.block_hash).then_some(receipt))
}

/// Whether the node has a transaction, mined or not.
fn is_known(node: &Node, tx: B256) -> Result<bool, LedgerError> {
    let known: Option<serde_json::Value> = node.get("eth_getTransactionByHash", json!([tx]), "for a transaction")?;
    Ok(known.is_some() || node.receipt(tx)?.is_some())
}

/// The node's answer to a transaction was lost: looks for the transaction for a while.
fn look_for(node: &Node, tx: B256) -> Result<(), LedgerError> {
    let start = Instant::now();
    while start.elapsed() < LOOKING {
        if is_known(node, tx).unwrap_or(false) {
            return Ok(());
        }
        sleep(LOOKING / 10);
    }
    Err(LedgerError::NotConfirmed { tx: Digest::from_bytes(tx.0), waited: start.elapsed() })
}

fn start(
    node: &Node,
    account: &Account,
    to: Address,
    data: &Bytes,
    flight: &mut Flight,
    note: impl Fn(B256) -> Result<(), LedgerError>,
) -> Result<B256> {
    let from = account.address();
    let request = TransactionRequest {
        from: Some(to_evm(from)),
        to: Some(TxKind::Call(to_evm(to))),
        input: data.clone().into(),
        ..Default::default()
    };
    let estimate: U256 = match node.ask("eth_estimateGas", json!([request, "pending"])) {
        Ok(gas) => gas,
        Err(refusal) if refusal.is_revert() => return Err(Unsent::Reverted(refusal)),
        Err(refusal) if refusal.says(&["insufficient funds", "gas required exceeds allowance"]) => {
            return Err(poor(node, from, U256::ZERO)?.into());
        }
        Err(refusal) => return Err(node.failed("to estimate gas", refusal).into()),
    };
    let estimate =
        u64::try_from(estimate).map_err(|_| node.lies("a transaction costs more gas than there is".into()))?;
    // The state may have moved a little by the time it is mined.
    let gas = estimate.saturating_add(estimate / 4).max(21_000);
    // A little at random, so that two processes which want the same from one account, under the same nonce, have two
    // transactions of different hashes: signatures are deterministic, and either would take the other's for its own.
    let mut random = [0; 2];
    getrandom::fill(&mut random).expect("the operating system provides randomness");
    let gas = gas.saturating_add(u64::from(u16::from_be_bytes(random) % 4096));
    let gas = if estimate <= MAX_GAS { gas.min(MAX_GAS) } else { gas };
    let head = node.tagged("latest")?;
    let tip = node.ask::<U256>("eth_maxPriorityFeePerGas", json!([]));
    let tip = tip.ok().and_then(|tip| u128::try_from(tip).ok()).unwrap_or(USUAL_TIP).min(MAX_TIP);
    let price = match head.base_fee_per_gas {
        Some(base) => base.saturating_mul(2).saturating_add(tip),
        None => {
            let price: U256 = node.get("eth_gasPrice", json!([]), "for the price of gas")?;
            u128::try_from(price).map_err(|_| node.lies("its price of gas does not fit 128 bits".into()))?
        }
    };
    let needed = U256::from(price).saturating_mul(U256::from(gas));
    let held: U256 = node.get("eth_getBalance", json!([to_evm(from), "pending"]), "for a balance")?;
    if held < needed {
        return Err(poor(node, from, needed)?.into());
    }
    for _ in 0..NONCE_RETRIES {
        let pending: U256 = node.get("eth_getTransactionCount", json!([to_evm(from), "pending"]), "for a nonce")?;
        let pending = u64::try_from(pending).map_err(|_| node.lies("its nonce does not fit 64 bits".into()))?;
        // With nothing under way from here, what was sent before is mined or lost: the node knows better.
        let nonce = if flight.waiting > 0 { pending.max(flight.next) } else { pending };
        let input = data.clone();
        let (chain_id, gas_limit, to) = (node.chain_id(), gas, TxKind::Call(to_evm(to)));
        let raw = if head.base_fee_per_gas.is_some() {
            let (max_fee_per_gas, max_priority_fee_per_gas) = (price, tip.min(price));
            let tx = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas,
                max_priority_fee_per_gas,
                to,
                input,
                ..Default::default()
            };
            encode(account, tx)
        } else {
            let gas_price = price;
            encode(
                account,
                TxLegacy { chain_id: Some(chain_id), nonce, gas_price, gas_limit, to, input, ..Default::default() },
            )
        };
        let (hash, raw) = raw?;
        note(hash)?;
        match node.ask::<B256>("eth_sendRawTransaction", json!([raw])) {
            Ok(sent) if sent == hash => {}
            Ok(_) => return Err(node.lies("it calls our transaction by another hash".into()).into()),
            Err(refusal) if refusal.says(&["already known", "already imported"]) => {}
            // A gateway may have sent it twice.
            Err(Refusal::Said { .. }) if is_known(node, hash).unwrap_or(false) => {}
            // Another process sends for this account, too.
            Err(refusal) if refusal.says(&["nonce too low", "replacement", "nonce is too low"]) => {
                tracing::debug!(account = %from, nonce, "the nonce was used meanwhile");
                flight.next = flight.next.max(nonce + 1);
                continue;
            }
            Err(refusal) if refusal.says(&["insufficient funds"]) => return Err(poor(node, from, needed)?.into()),
            Err(refusal) if refusal.is_revert() => return Err(Unsent::Reverted(refusal)),
            Err(refusal @ Refusal::Said { .. }) => return Err(node.failed("to send a transaction", refusal).into()),
            // It may have the transaction, and may not.
            Err(refusal) => {
                tracing::debug!(tx = %hash, %refusal, "the answer to a transaction was lost");
                look_for(node, hash)?;
            }
        }
        flight.next = nonce + 1;
        return Ok(hash);
    }
    Err(LedgerError::Node {
        who: node.who(),
        what: "to send a transaction".into(),
        why: "the account's nonces are used by others faster than they can be read".into(),
    }
    .into())
}

fn poor(node: &Node, account: Address, needed: U256) -> Result<LedgerError, LedgerError> {
    let held: U256 = node.get("eth_getBalance", json!([to_evm(account), "latest"]), "for a balance")?;
    let (needed, held) = (super::convert::clamped(needed), super::convert::clamped(held));
    Ok(LedgerError::InsufficientGas { account, needed, held })
}

/// The transaction's hash and its signed bytes.
fn encode<T>(account: &Account, tx: T) -> Result<(B256, Bytes), LedgerError>
where
    T: SignableTransaction<EvmSignature>,
    alloy::consensus::Signed<T>: Encodable2718,
{
    let digest = Digest::from_bytes(tx.signature_hash().0);
    let signed = tx.into_signed(evm_signature(account, &digest)?);
    let raw = signed.encoded_2718();
    Ok((alloy::primitives::keccak256(&raw), raw.into()))
}

fn evm_signature(account: &Account, digest: &Digest) -> Result<EvmSignature, LedgerError> {
    let signature = account.sign(digest)?;
    let bytes = signature.as_bytes();
    let word = |at: usize| U256::from_be_slice(&bytes[at..at + 32]);
    Ok(EvmSignature::new(word(0), word(32), bytes[64] == 1))
}
