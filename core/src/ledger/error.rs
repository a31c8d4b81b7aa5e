//! Why a ledger refused.

use super::{Amount, OrderTerms};
use crate::{
    Address, Digest,
    account::AccountError,
    codec::CodecError,
    durable::{DurableError, via_durable},
    error::{Classify, ErrorKind},
};

/// Why a ledger refused. A refusal changes nothing: no balance moves and no nonce is used. The one exception says so:
/// after [`DurableError::Unconfirmed`] the receipt must be looked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The account holds less than the transfer needs.
    #[error("{account} holds {held} of token {token}, {needed} needed")]
    InsufficientBalance {
        /// The token.
        token: Address,
        /// Who was to pay.
        account: Address,
        /// What was to be paid.
        needed: Amount,
        /// What the account holds.
        held: Amount,
    },
    /// The account may not do this.
    #[error("{account} may not {action} {on}: only {who} may")]
    NotAuthorized {
        /// Who tried.
        account: Address,
        /// What was tried.
        action: &'static str,
        /// The NFT or token concerned.
        on: Address,
        /// Who may.
        who: &'static str,
    },
    /// Minting would pass the token's cap.
    #[error("minting {amount} of token {token} would pass its cap: {supply} of {cap} exist")]
    CapExceeded {
        /// The token.
        token: Address,
        /// What was to be minted.
        amount: Amount,
        /// What exists.
        supply: Amount,
        /// What may exist.
        cap: Amount,
    },
    /// The nonce is not the account's next one: the transaction was sent before, or others came first.
    #[error("the next nonce of {account} is {expected}, the transaction has {got}")]
    NonceMismatch {
        /// The sender.
        account: Address,
        /// The nonce that would be accepted.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// No token has this address.
    #[error("there is no {expected} at {address}")]
    UnknownToken {
        /// What was looked for.
        expected: &'static str,
        /// Where.
        address: Address,
    },
    /// The token is not for sale in this way.
    #[error("token {token} is not for sale like this: {why}")]
    NotForSale {
        /// The token.
        token: Address,
        /// What is missing.
        why: &'static str,
    },
    /// The price is above what the buyer accepts.
    #[error("token {token} costs {cost} in smallest units of {base_token}, the buyer pays at most {max_cost}",
        cost = .cost.units(), max_cost = .max_cost.units())]
    PriceExceeded {
        /// The token.
        token: Address,
        /// What it is paid in.
        base_token: Address,
        /// What it costs.
        cost: Amount,
        /// What the buyer pays at most.
        max_cost: Amount,
    },
    /// The dispenser gives no more.
    #[error("the dispenser of token {token} refuses: {why}, the limit is {limit}, here {got}")]
    DispenserLimit {
        /// The token.
        token: Address,
        /// Which limit.
        why: &'static str,
        /// The limit.
        limit: Amount,
        /// What was asked for or is held.
        got: Amount,
    },
    /// The asset has no such service.
    #[error("datatoken {token} has no service {service}")]
    UnknownService {
        /// The datatoken.
        token: Address,
        /// The service.
        service: u32,
    },
    /// The terms are no longer those that the consumer agreed to.
    #[error("service {service} of datatoken {token} offers {offered}, the order asks for {asked}")]
    TermsChanged {
        /// The datatoken.
        token: Address,
        /// The service.
        service: u32,
        /// What an order gives now.
        offered: OrderTerms,
        /// What the consumer agreed to.
        asked: OrderTerms,
    },
    /// The commitment is already in an order of this service.
    #[error("service {service} of datatoken {token} already has an order with this commitment")]
    DuplicateCommitment {
        /// The datatoken.
        token: Address,
        /// The service.
        service: u32,
    },
    /// The service has no such order.
    #[error("service {service} of datatoken {token} has no order {order}")]
    UnknownOrder {
        /// The datatoken.
        token: Address,
        /// The service.
        service: u32,
        /// Position of the order.
        order: u64,
    },
    /// The order was taken back before.
    #[error("order {order} of service {service} of datatoken {token} was revoked already")]
    AlreadyRevoked {
        /// The datatoken.
        token: Address,
        /// The service.
        service: u32,
        /// Position of the order.
        order: u64,
    },
    /// An argument outside what the ledger takes.
    #[error("{what} is invalid: {why}")]
    InvalidArgument {
        /// The argument.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Text that is no amount.
    #[error("not an amount: {got:?} ({why})")]
    InvalidAmount {
        /// What came.
        got: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// More bytes than the ledger stores.
    #[error("{what} has {got} bytes, at most {limit} are stored")]
    TooLarge {
        /// What was to be stored.
        what: &'static str,
        /// Its length, in bytes.
        got: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A sum or product does not fit an amount.
    #[error("{what} does not fit 128 bits")]
    Overflow {
        /// What was to be computed.
        what: &'static str,
    },
    /// The signature is not the sender's.
    #[error("the transaction is not signed by its sender {sender}")]
    BadSignature {
        /// The sender that the transaction names.
        sender: Address,
    },
    /// The transaction was signed for another ledger.
    #[error("the transaction is for ledger {got} on chain {got_chain}, this is ledger {expected} on chain {chain}")]
    WrongLedger {
        /// This ledger's chain id.
        chain: u64,
        /// This ledger's address.
        expected: Address,
        /// The transaction's chain id.
        got_chain: u64,
        /// The transaction's ledger.
        got: Address,
    },
    /// The log is not the one that was written.
    #[error("the event log is broken at event {index}: {why}")]
    BrokenLog {
        /// The first event that does not fit.
        index: u64,
        /// What does not fit.
        why: String,
    },
    /// The state is not what the log says.
    #[error("the ledger's state does not follow from its log: {why}")]
    AuditFailed {
        /// What does not fit.
        why: String,
    },
    /// No transaction has this digest.
    #[error("there is no transaction {tx}")]
    UnknownTransaction {
        /// The digest looked for.
        tx: Digest,
    },
    /// A node of the chain cannot be reached, or refuses.
    #[error("the node at {who}, asked {what}: {why}")]
    Node {
        /// Scheme, host and port.
        who: String,
        /// What it was asked, in words that follow "asked".
        what: String,
        /// What it says, or what happened.
        why: String,
    },
    /// A node of the chain did not answer in time.
    #[error("the node at {who}, asked {what}, did not answer in time")]
    NodeTimeout {
        /// Scheme, host and port.
        who: String,
        /// What it was asked, in words that follow "asked".
        what: String,
    },
    /// A node says what cannot be.
    #[error("the node at {who} is wrong or lies: {why}")]
    FalseAnswer {
        /// Scheme, host and port.
        who: String,
        /// What cannot be.
        why: String,
    },
    /// The node is of another chain.
    #[error("the node at {who} is of chain {got}, expected chain {expected}")]
    WrongChain {
        /// Scheme, host and port.
        who: String,
        /// The chain id that was asked for.
        expected: u64,
        /// The node's.
        got: u64,
    },
    /// The file of Ocean's addresses has none for the chain of the node.
    #[error("the node is of chain {chain}, the file of Ocean's addresses is for the chains {known:?}")]
    UnknownChain {
        /// The node's chain id.
        chain: u64,
        /// Those of the file.
        known: Vec<u64>,
    },
    /// A contract refused, for a reason that has no error of its own here.
    #[error("{contract} refused to {what}: {reason}")]
    Reverted {
        /// Which contract.
        contract: Address,
        /// What was tried.
        what: &'static str,
        /// The contract's own words, or the name and bytes of its error.
        reason: String,
    },
    /// The account has too little of the chain's own coin to pay for gas.
    #[error("{account} holds {held} of the chain's coin, {needed} may be needed for gas")]
    InsufficientGas {
        /// Who was to pay.
        account: Address,
        /// What the transaction may cost at most, in units of 10^-18.
        needed: Amount,
        /// What the account holds.
        held: Amount,
    },
    /// A transaction was sent, and is not final yet. **It may still be mined.**
    #[error("transaction {tx} was sent, and was not final after {:.1} s", .waited.as_secs_f64())]
    NotConfirmed {
        /// The transaction.
        tx: Digest,
        /// How long it was waited for.
        waited: std::time::Duration,
    },
    /// Nobody here signs offers of orders for the datatoken.
    #[error("an order of datatoken {token} needs an offer that one of {} signs, and none of them is here",
        .providers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    NoProvider {
        /// The datatoken.
        token: Address,
        /// Who may sign.
        providers: Vec<Address>,
    },
    /// An order was paid for, and does not count.
    #[error("the order of transaction {tx} does not count: {why}")]
    OrderVoid {
        /// The transaction.
        tx: Digest,
        /// Why readers of the log pass over it.
        why: &'static str,
    },
    /// A description that is not what its hash says, or cannot be read.
    #[error("the description of {nft} cannot be read: {why}")]
    BadDescription {
        /// The data NFT.
        nft: Address,
        /// What is wrong with it.
        why: String,
    },
    /// An account's signature.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Canonical encoding.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// The database below.
    #[error(transparent)]
    Durable(#[from] DurableError),
}

impl LedgerError {
    /// Why a dispenser gives nothing to an account that has some.
    pub(super) const HOLDS_ENOUGH: &str = "the account holds enough";
}

impl Classify for LedgerError {
    fn kind(&self) -> ErrorKind {
        use LedgerError as E;
        match self {
            E::InsufficientBalance { .. } => ErrorKind::InsufficientBalance,
            E::NotAuthorized { .. } => ErrorKind::NotAuthorized,
            E::CapExceeded { .. } => ErrorKind::CapExceeded,
            E::NonceMismatch { .. } => ErrorKind::NonceMismatch,
            E::UnknownToken { .. } => ErrorKind::UnknownToken,
            E::NotForSale { .. } => ErrorKind::NotForSale,
            E::PriceExceeded { .. } => ErrorKind::PriceExceeded,
            E::DispenserLimit { .. } => ErrorKind::DispenserLimit,
            E::UnknownService { .. } | E::TermsChanged { .. } | E::UnknownOrder { .. } => ErrorKind::OrderMismatch,
            E::AlreadyRevoked { .. } => ErrorKind::OrderRevoked,
            E::DuplicateCommitment { .. }
            | E::InvalidArgument { .. }
            | E::InvalidAmount { .. }
            | E::Overflow { .. }
            | E::WrongLedger { .. } => ErrorKind::InvalidArgument,
            E::TooLarge { .. } => ErrorKind::TooLarge,
            E::BadSignature { .. } => ErrorKind::BadSignature,
            E::BrokenLog { .. } | E::AuditFailed { .. } => ErrorKind::CorruptState,
            E::UnknownTransaction { .. } => ErrorKind::NotFound,
            E::Node { .. } | E::FalseAnswer { .. } | E::NoProvider { .. } => ErrorKind::Unreachable,
            E::NodeTimeout { .. } | E::NotConfirmed { .. } => ErrorKind::Timeout,
            E::WrongChain { .. } | E::UnknownChain { .. } => ErrorKind::InvalidArgument,
            E::Reverted { .. } => ErrorKind::Rejected,
            E::InsufficientGas { .. } => ErrorKind::InsufficientBalance,
            E::OrderVoid { .. } => ErrorKind::OrderMismatch,
            E::BadDescription { .. } => ErrorKind::Malformed,
            E::Account(e) => e.kind(),
            E::Codec(e) => e.kind(),
            E::Durable(e) => e.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        use LedgerError as E;
        Some(match self {
            E::InsufficientBalance { .. } => "buy or receive some first".into(),
            E::NonceMismatch { expected, .. } => format!(
                "look up whether the transaction was applied already; if not, sign it again with nonce {expected}"
            ),
            E::PriceExceeded { .. } => "look at the price again and decide".into(),
            E::TermsChanged { .. } => "look at the order terms again and decide".into(),
            E::DispenserLimit { why: Self::HOLDS_ENOUGH, got, .. } => format!("the account has {got} already: order with what it has"),
            E::DispenserLimit { limit, .. } => format!("ask for at most {limit} at once"),
            E::DuplicateCommitment { .. } => "make a fresh credential for every order".into(),
            E::Node { .. } | E::NodeTimeout { .. } => "check the node's URL, and that it serves this chain".into(),
            E::FalseAnswer { .. } => "ask another node".into(),
            E::UnknownChain { .. } => {
                "pass Ocean's whole address.json, which has an entry with a chainId for each network".into()
            }
            E::WrongChain { .. } => "check the node's URL and the chain id".into(),
            E::InsufficientGas { account, .. } => format!("send some of the chain's coin to {account}"),
            E::NotConfirmed { .. } => "look for the transaction before repeating what it does".into(),
            E::NoProvider { .. } => {
                "open the owner on this ledger here, or send it the order's commitment and order with the offer that it signs"
                    .into()
            }
            E::BrokenLog { why, .. } if why.contains("reorganised") => {
                "open the ledger again with a greater depth of finality, which reads its logs anew".into()
            }
            E::BrokenLog { .. } | E::AuditFailed { .. } => "restore the ledger from a copy".into(),
            E::Codec(e) => return e.hint(),
            E::Durable(e) => return e.hint(),
            _ => return None,
        })
    }
}

via_durable!(LedgerError, TableError, StorageError);
