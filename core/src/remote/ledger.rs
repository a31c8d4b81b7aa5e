//! The embedded ledger of a node, followed from afar.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::http::{Ask, Http};
use super::{RemoteError, RemoteOptions};
use crate::error::{Classify, ErrorKind};
use crate::ledger::{
    Action, Amount, Applied, Dispenser, EmbeddedLedger, Event, FixedRate, Ledger, LedgerError, Metadata, Order,
    OrderTerms, PAGE_BYTES, Price, Publication, Published, Receipt, Revocation, TRANSACTION_LIMIT, Tip, TokenInfo,
};
use crate::protocol::{DAG_CBOR, MAX_PAGE, TransactionApplied};
use crate::time::{Clock, Timestamp};
use crate::{Account, Address};

type Result<T> = std::result::Result<T, LedgerError>;

/// For how long what was read is taken to be the present.
const FRESH: Duration = Duration::from_millis(200);
/// How often a transaction is signed anew because others of its account came first.
const ATTEMPTS: u32 = 20;
const MAX_PAGE_BYTES: usize = PAGE_BYTES + TRANSACTION_LIMIT + (64 << 10);

/// A ledger that a node has, and that is followed here: every transaction is applied here, too, which checks its signature
/// and what it does, and the end of the log is compared with the node's. What the node says of the ledger is therefore what
/// everybody signed; what it can do is leave transactions out, or keep them back. A log that was rewritten is found out by
/// whoever has followed the old one: keep the replica's file.
///
/// **Whoever runs the ledger could show each reader another log**, with a group of orders of its own, and know a proof by its
/// root. Compare [`FollowedLedger::tip`] with others', or use a ledger that the owner does not run.
pub struct FollowedLedger {
    replica: EmbeddedLedger,
    http: Arc<Http>,
    synced: Mutex<Option<Instant>>,
    /// Held by whoever sends: two that signed the same at the same time would have signed one transaction.
    sending: Mutex<()>,
}

impl FollowedLedger {
    /// Follows the ledger of the node at `url`, in a replica at `path` or in memory.
    ///
    /// # Errors
    /// [`LedgerError::Node`]; [`LedgerError::BrokenLog`] if it is not the log that the replica has followed so far;
    /// [`LedgerError::WrongLedger`] for a replica of another ledger.
    pub fn open(url: &str, path: Option<&Path>, clock: Arc<dyn Clock>, options: &RemoteOptions) -> crate::Result<Self> {
        let node = super::RemoteNode::connect_with(url, options)?;
        Ok(node.follow(path, clock)?)
    }

    pub(crate) fn over(
        http: Arc<Http>,
        path: Option<&Path>,
        (chain_id, ledger): (u64, Address),
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let replica = EmbeddedLedger::replica(path, chain_id, ledger, clock)?;
        let followed = Self { replica, http, synced: Mutex::default(), sending: Mutex::default() };
        followed.sync()?;
        Ok(followed)
    }

    /// Reads what came since.
    ///
    /// # Errors
    /// As [`FollowedLedger::open`].
    pub fn sync(&self) -> Result<Tip> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_on(&mut synced)
    }

    fn read_on(&self, synced: &mut Option<Instant>) -> Result<Tip> {
        let asked = Instant::now();
        let theirs: Tip = self.http.json(&Ask::get("for its ledger's end", "/ledger/tip")).map_err(of_remote)?;
        // Up to there, however many it adds meanwhile.
        loop {
            let ours = self.replica.tip()?;
            if theirs.transactions < ours.transactions {
                let why = format!("it had {} transactions, and has {}", ours.transactions, theirs.transactions);
                return Err(self.forked(&ours, why));
            }
            if theirs.transactions == ours.transactions {
                if theirs.hash != ours.hash || theirs.events != ours.events {
                    return Err(self.forked(&ours, "it is another log than the one that was followed".into()));
                }
                *synced = Some(asked);
                return Ok(ours);
            }
            let path = format!("/ledger/transactions?from={}&limit={MAX_PAGE}", ours.transactions);
            let ask = Ask::get("for its ledger's transactions", path);
            let bytes = self.http.bytes(&ask, MAX_PAGE_BYTES as u64).map_err(of_remote)?;
            let mut page = Applied::decode(&bytes, MAX_PAGE_BYTES)?;
            page.truncate(usize::try_from(theirs.transactions - ours.transactions).unwrap_or(usize::MAX));
            if page.is_empty() {
                let why = format!(
                    "it says that it has {} transactions, and gives {}",
                    theirs.transactions, ours.transactions
                );
                return Err(LedgerError::FalseAnswer { who: self.http.who().to_owned(), why });
            }
            self.replica.follow(ours.transactions, &page)?;
        }
    }

    fn forked(&self, ours: &Tip, why: String) -> LedgerError {
        LedgerError::BrokenLog { index: ours.events.saturating_sub(1), why: format!("{}: {why}", self.http.who()) }
    }

    /// The end of the log, as it was followed.
    ///
    /// # Errors
    /// As [`FollowedLedger::open`].
    pub fn tip(&self) -> Result<Tip> {
        self.fresh()?.tip()
    }

    /// The replica, as the node had the ledger a moment ago.
    fn fresh(&self) -> Result<&EmbeddedLedger> {
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if synced.is_none_or(|at| at.elapsed() > FRESH) {
            self.read_on(&mut synced)?;
        }
        Ok(&self.replica)
    }

    /// Signs an action, has it applied there, and follows.
    fn execute(&self, account: &Account, action: Action) -> Result<Receipt> {
        let _alone = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        // A transaction whose answer did not come: it may have been applied.
        let mut unanswered = None;
        let mut lost = None;
        for _ in 0..ATTEMPTS {
            self.sync()?;
            let nonce = self.replica.nonce(account.address())?;
            let signed = self.replica.transaction(account.address(), nonce, action.clone()).sign(account)?;
            // What is wrong with it is known here, in full.
            self.replica.check(&signed)?;
            let tx = signed.transaction.digest()?;
            let body = signed.encode()?;
            let ask = Ask::post("to apply a transaction", "/ledger/transactions", DAG_CBOR, &body);
            let answer: std::result::Result<TransactionApplied, _> = self.http.json(&ask);
            match answer {
                Ok(_) => {
                    self.sync()?;
                    return match self.replica.receipt(&tx) {
                        Err(LedgerError::UnknownTransaction { .. }) => {
                            let why = format!("it applied {tx}, and its log does not have it");
                            Err(LedgerError::FalseAnswer { who: self.http.who().to_owned(), why })
                        }
                        other => other,
                    };
                }
                // Another transaction of the account came first; or this one, if it was sent before. The same that was sent
                // from elsewhere does what it does there, and not once more here.
                Err(e) if e.kind() == ErrorKind::NonceMismatch => {
                    self.sync()?;
                    if unanswered == Some(tx) && self.replica.receipt(&tx).is_ok() {
                        return self.replica.receipt(&tx);
                    }
                }
                Err(RemoteError::Busy { retry_after, who }) => {
                    std::thread::sleep(retry_after.min(Duration::from_secs(5)));
                    lost = Some(RemoteError::Busy { retry_after, who });
                }
                Err(e) if unanswered.is_none() && matches!(e.kind(), ErrorKind::Unreachable | ErrorKind::Timeout) => {
                    // Sent once more, it is applied once; and was applied, if its nonce is spent.
                    tracing::warn!(error = %e, "the answer to a transaction was lost");
                    unanswered = Some(tx);
                    std::thread::sleep(Duration::from_millis(300));
                    self.sync()?;
                    if let Ok(receipt) = self.replica.receipt(&tx) {
                        return Ok(receipt);
                    }
                    lost = Some(e);
                }
                Err(e) => return Err(of_remote(e)),
            }
        }
        Err(lost.map_or_else(
            || LedgerError::Node {
                who: self.http.who().to_owned(),
                what: "to apply a transaction".into(),
                why: "other transactions of the account came first, again and again".into(),
            },
            of_remote,
        ))
    }
}

fn of_remote(error: RemoteError) -> LedgerError {
    match error {
        RemoteError::Timeout { who, what } => LedgerError::NodeTimeout { who, what: what.into() },
        RemoteError::Unreachable { who, what, why } => LedgerError::Node { who, what: what.into(), why },
        RemoteError::FalseAnswer { who, why } => LedgerError::FalseAnswer { who, why },
        RemoteError::Refused { who, detail, .. } => {
            LedgerError::Node { who, what: "about its ledger".into(), why: detail }
        }
        other => LedgerError::Node { who: String::new(), what: "about its ledger".into(), why: other.to_string() },
    }
}

/// What a receipt of ours always has.
fn missing(what: &str) -> LedgerError {
    LedgerError::BrokenLog { index: 0, why: format!("the receipt has no {what}") }
}

macro_rules! read {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)+) => {
        $(fn $name(&self, $($arg: $type),*) -> Result<$out> {
            match self.fresh()?.$name($($arg),*) {
                // It may be there since a moment ago.
                Err(LedgerError::UnknownToken { .. } | LedgerError::UnknownService { .. }) => {
                    self.sync()?;
                    self.replica.$name($($arg),*)
                }
                other => other,
            }
        })+
    };
}

macro_rules! write {
    ($($name:ident($account:ident $(, $arg:ident: $type:ty)*) => $action:expr;)+) => {
        $(fn $name(&self, $account: &Account, $($arg: $type),*) -> Result<Receipt> {
            self.execute($account, $action)
        })+
    };
}

impl Ledger for FollowedLedger {
    fn chain_id(&self) -> u64 {
        self.replica.chain_id()
    }

    fn address(&self) -> Address {
        self.replica.address()
    }

    fn publish(&self, owner: &Account, publication: &Publication) -> Result<Published> {
        let Publication { name, symbol, cap } = publication.clone();
        Published::of(&self.execute(owner, Action::Publish { name, symbol, cap })?).ok_or_else(|| missing("NFT"))
    }

    fn deploy_token(&self, owner: &Account, name: &str, symbol: &str, cap: Amount) -> Result<Address> {
        let receipt = self.execute(owner, Action::DeployToken { name: name.into(), symbol: symbol.into(), cap })?;
        receipt.events.first().map(|e| e.emitter).ok_or_else(|| missing("token"))
    }

    fn order(
        &self,
        consumer: &Account,
        token: Address,
        service: u32,
        terms: OrderTerms,
        commitment: [u8; 32],
    ) -> Result<Order> {
        let receipt = self.execute(consumer, Action::Order { token, service, terms, commitment })?;
        self.replica.order_of(&receipt, token, service)
    }

    fn revoke_order(
        &self,
        owner: &Account,
        token: Address,
        service: u32,
        order: u64,
        effective: Timestamp,
        refund: bool,
    ) -> Result<Revocation> {
        let receipt = self.execute(owner, Action::RevokeOrder { token, service, order, effective, refund })?;
        Revocation::of(&receipt, token, service, order).ok_or_else(|| missing("revocation"))
    }

    fn set_metadata(&self, owner: &Account, nft: Address, ddo: &[u8]) -> Result<Receipt> {
        self.execute(owner, Action::SetMetadata { nft, ddo: ddo.to_vec() })
    }

    write! {
        mint(minter, token: Address, to: Address, amount: Amount) => Action::Mint { token, to, amount };
        transfer(from, token: Address, to: Address, amount: Amount) => Action::Transfer { token, to, amount };
        add_minter(owner, token: Address, account: Address) => Action::AddMinter { token, account };
        remove_minter(owner, token: Address, account: Address) => Action::RemoveMinter { token, account };
        set_fixed_rate(owner, token: Address, rate: FixedRate) => Action::SetFixedRate { token, rate };
        set_dispenser(owner, token: Address, dispenser: Dispenser) => Action::SetDispenser { token, dispenser };
        buy(buyer, token: Address, amount: Amount, base_token: Address, max_cost: Amount)
            => Action::Buy { token, amount, base_token, max_cost };
        dispense(to, token: Address, amount: Amount) => Action::Dispense { token, amount };
        set_order_terms(owner, token: Address, service: u32, terms: OrderTerms)
            => Action::SetOrderTerms { token, service, terms };
        transfer_nft(owner, nft: Address, to: Address) => Action::TransferNft { nft, to };
    }

    read! {
        balance_of(token: Address, account: Address) -> Amount;
        token(token: Address) -> TokenInfo;
        is_minter(token: Address, account: Address) -> bool;
        price(token: Address) -> Price;
        order_terms(token: Address, service: u32) -> OrderTerms;
        orders(token: Address, service: u32, from: u64, limit: usize) -> Vec<Order>;
        revocations(token: Address, service: u32, from: u64, limit: usize) -> Vec<Revocation>;
        metadata(nft: Address) -> Option<Metadata>;
        owner_of(nft: Address) -> Address;
        is_deployed(nft: Address, token: Address) -> bool;
        nfts(from: u64, limit: usize) -> Vec<Address>;
        nfts_of(owner: Address) -> Vec<Address>;
        events(from: u64, limit: usize) -> Vec<Event>;
        verify_log() -> u64;
    }
}

impl std::fmt::Debug for FollowedLedger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FollowedLedger").field("replica", &self.replica).field("node", &self.http.who()).finish()
    }
}
