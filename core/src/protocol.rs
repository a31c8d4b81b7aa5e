//! What a node and its clients say to each other over HTTP.
//!
//! Everything is under [`API`]; blocks are where an IPFS gateway has them, and are asked for as of a trustless gateway
//! (<https://specs.ipfs.tech/http-gateways/trustless-gateway/>). What has a canonical form in Sealock travels in it:
//! requests, results, receipts and transactions are the bytes that are hashed and signed. The rest is JSON, errors are
//! problem details (RFC 9457), progress is server-sent events.
//!
//! **Authorisation.** A request for a job carries no account: its access proof is the authorisation. The proof's message
//! binds the whole of it (program, encrypted inputs, result key, policy, data, deadline), its scope the chain, the ledger, the
//! asset and with it the one node that serves it, and its label says that it is for a job; so the same bytes do nothing at
//! another node, on another chain or as anything but this job. What follows about a job (how far it is, its result, giving it
//! up) is authenticated with a key that only the maker of the request and the node know ([`JobRequest::access_key`]), as a
//! [`Claim`] of method, path, body, node, chain and deadline.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::account::AccountError;
use crate::job::JobId;
#[cfg(doc)]
use crate::job::JobRequest;
use crate::time::Timestamp;
use crate::{Account, Address, Digest, Signature};

/// Where the node's own interface begins.
pub const API: &str = "/api/v1";
/// The scheme of the header `Authorization` of a [`Claim`].
pub const SCHEME: &str = "Sealock";
/// The scheme of the header `Authorization` of an [`ExecutorClaim`].
pub const EXECUTOR_SCHEME: &str = "Sealock-Executor";
/// How far ahead the deadline of a claim may lie, in seconds.
pub const MAX_CLAIM_SECS: u64 = 300;
/// How long a claim of a client is good, in seconds.
pub const CLAIM_SECS: u64 = 120;
/// Media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Media type of what is canonical DAG-CBOR.
pub const DAG_CBOR: &str = "application/vnd.ipld.dag-cbor";
/// Media type of a block.
pub const RAW_BLOCK: &str = "application/vnd.ipld.raw";
/// The most assets, receipts or transactions of a page.
pub const MAX_PAGE: usize = 1000;

/// What a node is, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct NodeInfo {
    /// Version of Sealock.
    pub version: String,
    /// The owner's address, which signs receipts.
    #[cfg_attr(feature = "server", schema(value_type = String, example = "0x0000000000000000000000000000000000000001"))]
    #[serde(with = "text")]
    pub address: Address,
    /// The ledger's chain id.
    pub chain_id: u64,
    /// The ledger's address.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    #[serde(with = "text")]
    pub ledger: Address,
    /// Whether this node has the ledger, so that clients follow it here. Otherwise they have a way of their own to it.
    pub serves_ledger: bool,
    /// What it computes on.
    pub devices: Vec<String>,
    /// The longest request for a job, in bytes.
    pub max_request_bytes: u64,
    /// The longest sealed result, in bytes.
    pub max_result_bytes: u64,
    /// For how long a result is kept that nobody discards, in seconds.
    pub result_retention_secs: u64,
    /// The node's clock, in unix seconds.
    pub now: Timestamp,
}

/// An asset that a node serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AssetEntry {
    /// Its identifier.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    pub did: String,
    /// The data NFT, by which the ledger has it.
    #[cfg_attr(feature = "server", schema(value_type = String))]
    #[serde(with = "text")]
    pub nft: Address,
    /// Its description, an Ocean DDO (v4): schema, policy and all else that everybody may know.
    #[cfg_attr(feature = "server", schema(value_type = Object))]
    pub ddo: serde_json::Value,
    /// How a datatoken is had, in words of the interface: `{"type": "fixed", …}` or `{"type": "free", …}`.
    #[cfg_attr(feature = "server", schema(value_type = Option<Object>))]
    pub price: Option<serde_json::Value>,
}

/// Some assets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct AssetPage {
    /// In the order of the ledger.
    pub assets: Vec<AssetEntry>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Admitted, and waiting.
    Queued,
    /// Being computed.
    Running,
    /// Its result is here.
    Complete,
    /// Given up by its maker. Its use is spent; the same request again takes it up.
    Cancelled,
    /// The node could not complete it, for a reason of its own. The same request again takes it up.
    Failed,
    /// Complete, and its result no longer kept.
    Expired,
}

impl JobState {
    /// Whether nothing more happens by itself.
    pub const fn is_final(self) -> bool {
        !matches!(self, JobState::Queued | JobState::Running)
    }
}

/// A job, as its maker sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct JobStatus {
    /// Its name, in hexadecimal.
    pub job: String,
    /// How far it is.
    pub state: JobState,
    /// The part that it is in, while it runs: `compute` or `release`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// How many jobs are before it, while it is queued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead: Option<u64>,
    /// Length of its result, in bytes, once it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
    /// Until when its result is kept, in unix seconds, once it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<Timestamp>,
}

/// What to sign an offer for: see [`Owner::offer`](crate::owner::Owner::offer).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct OfferRequest {
    /// The asset.
    pub asset: String,
    /// Which of its services: 0 computes, 1 is for downloads.
    #[serde(default)]
    pub service: u32,
    /// Who will order.
    #[cfg_attr(feature = "server", schema(value_type = String, pattern = "^0x[0-9a-fA-F]{40}$"))]
    #[serde(with = "text")]
    pub consumer: Address,
    /// The commitment of the order, 32 bytes in hexadecimal.
    #[cfg_attr(feature = "server", schema(pattern = "^[0-9a-f]{64}$"))]
    pub commitment: String,
}

/// An offer, as its bytes in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct OfferMade {
    /// What [`Consumer::order_offered`](crate::order::Consumer::order_offered) takes.
    pub offer: String,
}

/// A transaction that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct TransactionApplied {
    /// Its digest, in hexadecimal.
    pub tx: String,
}

/// A task that waits for an executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct OpenTask {
    /// Name of the job, in hexadecimal.
    pub job: String,
    /// The asset.
    pub asset: String,
}

/// The tasks that wait for an executor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct OpenTasks {
    /// One for each job, in the order of their names.
    pub tasks: Vec<OpenTask>,
}

/// Problem details (RFC 9457), with Sealock's own kind of error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "server", derive(utoipa::ToSchema))]
pub struct Problem {
    /// A name of the kind of problem; it is no address.
    #[serde(rename = "type")]
    pub kind_uri: String,
    /// The kind, in words.
    pub title: String,
    /// The status code, again.
    pub status: u16,
    /// What happened.
    pub detail: String,
    /// The stable number of the kind of error.
    pub code: u32,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What authenticates a question about a job.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path from [`API`] on, without a query.
    pub path: &'a str,
    /// The body.
    pub body: &'a [u8],
    /// The node's address.
    pub node: Address,
    /// The chain id of its ledger.
    pub chain_id: u64,
    /// Until when it is good, in unix seconds.
    pub deadline: Timestamp,
}

impl Claim<'_> {
    fn mac(&self, key: &Digest) -> Hmac<Sha256> {
        let said = Digest::of(
            "sealock/v1/job-claim",
            &[
                self.method.as_bytes(),
                self.path.as_bytes(),
                Digest::sha256(self.body).as_bytes(),
                self.node.as_bytes(),
                &self.chain_id.to_be_bytes(),
                &self.deadline.to_be_bytes(),
            ],
        );
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
        mac.chain_update(said.as_bytes())
    }

    /// The value of the header `Authorization`: HMAC-SHA-256 (RFC 2104) under the job's access key.
    pub fn header(&self, key: &Digest) -> String {
        format!("{SCHEME} {}.{}", self.deadline, hex::encode(self.mac(key).finalize().into_bytes()))
    }

    /// The deadline and the code of such a header.
    pub fn parse(header: &str) -> Option<(Timestamp, [u8; 32])> {
        let (deadline, mac) = header.strip_prefix(SCHEME)?.strip_prefix(' ')?.split_once('.')?;
        let canonical = |n: &Timestamp| n.to_string() == deadline;
        Some((deadline.parse().ok().filter(canonical)?, hex::decode(mac).ok()?.try_into().ok()?))
    }

    /// Whether it was made with the job's access key, in constant time.
    pub fn verify(&self, key: &Digest, mac: &[u8; 32]) -> bool {
        self.mac(key).verify_slice(mac).is_ok()
    }
}

/// What authenticates an executor's question about [tasks](crate::sealed::Task). It tells the digest of the body, so that a claim is
/// checked before a body is read, and who has seen one cannot send another body with it.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorClaim<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The path from [`API`] on, without a query.
    pub path: &'a str,
    /// SHA-256 of the body.
    pub body: Digest,
    /// The node's address.
    pub node: Address,
    /// The chain id of its ledger.
    pub chain_id: u64,
    /// Until when it is good, in unix seconds.
    pub deadline: Timestamp,
}

impl ExecutorClaim<'_> {
    fn said(&self) -> Digest {
        Digest::of(
            "sealock/v1/executor-claim",
            &[
                self.method.as_bytes(),
                self.path.as_bytes(),
                self.body.as_bytes(),
                self.node.as_bytes(),
                &self.chain_id.to_be_bytes(),
                &self.deadline.to_be_bytes(),
            ],
        )
    }

    /// The value of the header `Authorization`: a recoverable signature by the executor's account.
    ///
    /// # Errors
    /// The account's own.
    pub fn header(&self, executor: &Account) -> Result<String, AccountError> {
        let signature = executor.sign(&self.said())?;
        let (body, signature) = (hex::encode(self.body.as_bytes()), hex::encode(signature.as_bytes()));
        Ok(format!("{EXECUTOR_SCHEME} {}.{body}.{signature}", self.deadline))
    }

    /// The deadline, the body's digest and the signature of such a header.
    pub fn parse(header: &str) -> Option<(Timestamp, Digest, Signature)> {
        let (deadline, rest) = header.strip_prefix(EXECUTOR_SCHEME)?.strip_prefix(' ')?.split_once('.')?;
        let (body, signature) = rest.split_once('.')?;
        let canonical = |n: &Timestamp| n.to_string() == deadline;
        let body: [u8; 32] = hex::decode(body).ok()?.try_into().ok()?;
        let signature: [u8; 65] = hex::decode(signature).ok()?.try_into().ok()?;
        Some((deadline.parse().ok().filter(canonical)?, Digest::from_bytes(body), Signature::from_bytes(signature)))
    }

    /// Who signed it, if anybody did.
    pub fn signer(&self, signature: &Signature) -> Option<Address> {
        signature.signer(&self.said())
    }
}

/// Where the tasks are that wait for executors, or the one of a job, from [`API`] on.
pub fn task_path(job: Option<JobId>) -> String {
    job.map_or_else(|| "/executor/tasks".into(), |job| format!("/executor/tasks/{job}"))
}

/// Addresses as JSON has them: text with `0x`.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Where a job is, from [`API`] on.
pub fn job_path(job: JobId) -> String {
    format!("/jobs/{job}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_bound_to_every_part_of_it() {
        let key = Digest::of("test", &[b"key"]);
        let claim = Claim {
            method: "GET",
            path: "/jobs/1",
            body: b"",
            node: Address::from_bytes([1; 20]),
            chain_id: 1,
            deadline: 100,
        };
        let header = claim.header(&key);
        let (deadline, mac) = Claim::parse(&header).unwrap();
        assert_eq!(deadline, 100);
        assert!(claim.verify(&key, &mac));
        let others = [
            Claim { method: "DELETE", ..claim },
            Claim { path: "/jobs/2", ..claim },
            Claim { body: b" ", ..claim },
            Claim { node: Address::from_bytes([2; 20]), ..claim },
            Claim { chain_id: 2, ..claim },
            Claim { deadline: 101, ..claim },
        ];
        for other in others {
            assert!(!other.verify(&key, &mac), "{other:?}");
        }
        assert!(!claim.verify(&Digest::of("test", &[b"another"]), &mac));
        let account = Account::generate();
        let Claim { method, path, node, chain_id, deadline, .. } = claim;
        let body = Digest::sha256(b"a part");
        let claim = ExecutorClaim { method, path, body, node, chain_id, deadline };
        let (deadline, body, signature) = ExecutorClaim::parse(&claim.header(&account).unwrap()).unwrap();
        assert_eq!((deadline, body, claim.signer(&signature)), (100, claim.body, Some(account.address())));
        let others = [
            ExecutorClaim { method: "DELETE", ..claim },
            ExecutorClaim { path: "/jobs/2", ..claim },
            ExecutorClaim { body: Digest::sha256(b"another part"), ..claim },
            ExecutorClaim { node: Address::from_bytes([2; 20]), ..claim },
            ExecutorClaim { chain_id: 2, ..claim },
            ExecutorClaim { deadline: 101, ..claim },
        ];
        for other in others {
            assert_ne!(other.signer(&signature), Some(account.address()), "{other:?}");
        }
        for bad in ["", "Sealock", "Sealock 1", "Sealock 01.00", "Bearer 1.00", "Sealock +1.00", "Sealock 1.0"] {
            assert!(Claim::parse(bad).is_none(), "{bad}");
        }
    }
}
