//! Ocean's escrow: a consumer deposits, and lets a node lock and claim, so that a job is paid for when it is done.
//!
//! The contract stores any bytes as the proof of a claim and checks none. Sealock writes the digest of the job's
//! [receipt](crate::receipt) there, so that a payer who holds the receipt can show what was paid for.

use alloy::primitives::{Bytes, U256};

use super::abi::EscrowContract;
use super::convert::{clamped, digest, from_u256, ours, to_evm, to_u256};
use super::{OceanLedger, Result};
use crate::ledger::{Amount, LedgerError, check};
use crate::{Account, Address, Digest, time::Timestamp};

/// Ocean's escrow on the ledger's chain. See [`OceanLedger::escrow`].
pub struct Escrow<'a> {
    ledger: &'a OceanLedger,
    contract: Address,
}

/// What a payer has in the escrow, of one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscrowFunds {
    /// Free to be locked or withdrawn.
    pub available: Amount,
    /// Locked by nodes.
    pub locked: Amount,
}

/// What a payer lets a node do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authorization {
    /// The node.
    pub payee: Address,
    /// The most that it may hold locked at once.
    pub max_locked: Amount,
    /// What it holds locked.
    pub locked: Amount,
    /// The longest lock, in seconds.
    pub max_lock_secs: u64,
    /// The most locks at once.
    pub max_locks: u64,
    /// How many there are.
    pub locks: u64,
}

/// Money that is locked for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscrowLock {
    /// The job, as the contract numbers it: see [`Escrow::job_number`].
    pub job: Digest,
    /// Who pays.
    pub payer: Address,
    /// How much is locked.
    pub amount: Amount,
    /// Until when it can be claimed.
    pub expiry: Timestamp,
    /// In which token.
    pub token: Address,
}

impl OceanLedger {
    /// The escrow of the chain.
    ///
    /// # Errors
    /// [`LedgerError::UnknownToken`] where the addresses name none.
    pub fn escrow(&self) -> Result<Escrow<'_>> {
        let unknown = LedgerError::UnknownToken { expected: "Escrow of Ocean's", address: Address::ZERO };
        Ok(Escrow { ledger: self, contract: self.addresses.escrow.ok_or(unknown)? })
    }
}

impl Escrow<'_> {
    /// The number of a job: SHA-256 of its id, as Ocean's nodes number theirs.
    pub fn job_number(id: &str) -> Digest {
        Digest::sha256(id.as_bytes())
    }

    /// Pays `amount` of `token` into the escrow.
    ///
    /// # Errors
    /// [`LedgerError::InsufficientBalance`]; [`LedgerError::InvalidArgument`] for nothing.
    pub fn deposit(&self, payer: &Account, token: Address, amount: Amount) -> Result<Digest> {
        check::some("the amount to deposit", amount)?;
        let ledger = self.ledger;
        ledger.kind(token)?;
        let check = || ledger.check_balance(token, payer.address(), amount);
        check()?;
        let alone = ledger.paying(payer)?;
        let _alone = super::lock(&alone);
        ledger.approve(payer, token, self.contract, amount)?;
        let call = EscrowContract::depositCall { token: to_evm(token), amount: to_u256(amount) };
        Ok(digest(ledger.transact(payer, self.contract, call, "take a deposit", check)?.transaction_hash))
    }

    /// Takes `amount` of `token` out again, of what is not locked.
    ///
    /// # Errors
    /// [`LedgerError::InsufficientBalance`].
    pub fn withdraw(&self, payer: &Account, token: Address, amount: Amount) -> Result<Digest> {
        check::some("the amount to withdraw", amount)?;
        // The contract passes over what it cannot pay, without a word.
        let check = || self.check_available(payer.address(), token, amount);
        let call = EscrowContract::withdrawCall { token: vec![to_evm(token)], amount: vec![to_u256(amount)] };
        Ok(digest(self.ledger.transact(payer, self.contract, call, "pay out", check)?.transaction_hash))
    }

    fn check_available(&self, payer: Address, token: Address, needed: Amount) -> Result<()> {
        let held = self.funds(payer, token)?.available;
        if held < needed {
            return Err(LedgerError::InsufficientBalance { token, account: payer, needed, held });
        }
        Ok(())
    }

    /// Lets `payee` lock up to `max_locked` at once, in up to `max_locks` locks of up to `max_lock_secs` seconds. It
    /// replaces what was allowed before; zeros take it back.
    ///
    /// # Errors
    /// [`LedgerError::InvalidArgument`] for the zero address.
    pub fn authorize(
        &self,
        payer: &Account,
        token: Address,
        payee: Address,
        max_locked: Amount,
        max_lock_secs: u64,
        max_locks: u64,
    ) -> Result<Digest> {
        check::no_zero_address("the payee", payee)?;
        self.ledger.kind(token)?;
        let call = EscrowContract::authorizeCall {
            token: to_evm(token),
            payee: to_evm(payee),
            maxLockedAmount: to_u256(max_locked),
            maxLockSeconds: U256::from(max_lock_secs),
            maxLockCounts: U256::from(max_locks),
        };
        Ok(digest(self.ledger.transact(payer, self.contract, call, "authorize", || Ok(()))?.transaction_hash))
    }

    /// Locks `amount` of the payer's for a job, for `secs` seconds. The node does, before the job.
    ///
    /// # Errors
    /// [`LedgerError::InsufficientBalance`] of the payer in the escrow; [`LedgerError::NotAuthorized`] beyond what was
    /// authorized; [`LedgerError::Reverted`], for instance for a job that has a lock.
    pub fn lock(
        &self,
        payee: &Account,
        job: Digest,
        token: Address,
        payer: Address,
        amount: Amount,
        secs: u64,
    ) -> Result<Digest> {
        check::some("the amount to lock", amount)?;
        let check = || {
            self.check_available(payer, token, amount)?;
            let given = self.authorizations(token, payer, payee.address())?.into_iter().next();
            let fits = given.is_some_and(|given| {
                let sum = given.locked.checked_add(amount);
                secs <= given.max_lock_secs
                    && sum.is_some_and(|sum| sum <= given.max_locked)
                    && given.locks < given.max_locks
            });
            if fits {
                return Ok(());
            }
            let (account, who) = (payee.address(), "whom the payer authorized, for so much, so long and so often,");
            Err(LedgerError::NotAuthorized { account, action: "lock funds in", on: self.contract, who })
        };
        let call = EscrowContract::createLockCall {
            jobId: U256::from_be_bytes(*job.as_bytes()),
            token: to_evm(token),
            payer: to_evm(payer),
            amount: to_u256(amount),
            expiry: U256::from(secs),
        };
        Ok(digest(self.ledger.transact(payee, self.contract, call, "lock", check)?.transaction_hash))
    }

    /// Claims `amount` of what is locked for a job and pays it out to the node; the rest is the payer's again. `receipt` is
    /// the digest of the job's receipt, which becomes the proof.
    ///
    /// # Errors
    /// [`LedgerError::NotAuthorized`] for a lock that is not there, or is over (the contract would give it back to the payer);
    /// [`LedgerError::InsufficientBalance`] for more than is locked.
    pub fn claim(
        &self,
        payee: &Account,
        job: Digest,
        token: Address,
        payer: Address,
        amount: Amount,
        receipt: Digest,
    ) -> Result<Digest> {
        let check = || {
            let found = self.find(job, token, payer, payee.address())?;
            let now = self.ledger.now()?;
            let Some(found) = found.filter(|lock| now <= lock.expiry) else {
                let (account, who) = (payee.address(), "who holds a lock that is not over");
                return Err(LedgerError::NotAuthorized { account, action: "claim from", on: self.contract, who });
            };
            if found.amount < amount {
                let (needed, held) = (amount, found.amount);
                return Err(LedgerError::InsufficientBalance { token, account: payer, needed, held });
            }
            Ok(())
        };
        let call = EscrowContract::claimLockAndWithdrawCall {
            jobId: U256::from_be_bytes(*job.as_bytes()),
            token: to_evm(token),
            payer: to_evm(payer),
            amount: to_u256(amount),
            proof: Bytes::copy_from_slice(receipt.as_bytes()),
        };
        Ok(digest(self.ledger.transact(payee, self.contract, call, "pay a claim", check)?.transaction_hash))
    }

    /// Gives back what was locked and not claimed in time. Anybody may.
    ///
    /// # Errors
    /// [`LedgerError::Reverted`] for a lock that is not there; [`LedgerError::InvalidArgument`] before it is over.
    pub fn cancel(
        &self,
        account: &Account,
        job: Digest,
        token: Address,
        payer: Address,
        payee: Address,
    ) -> Result<Digest> {
        let check = || {
            let found = self.find(job, token, payer, payee)?;
            if found.is_some_and(|lock| lock.expiry >= self.ledger.now().unwrap_or(0)) {
                let why = "it is not over: the node may still claim it";
                return Err(LedgerError::InvalidArgument { what: "the lock", why });
            }
            Ok(())
        };
        let call = EscrowContract::cancelExpiredLockCall {
            jobId: U256::from_be_bytes(*job.as_bytes()),
            token: to_evm(token),
            payer: to_evm(payer),
            payee: to_evm(payee),
        };
        Ok(digest(self.ledger.transact(account, self.contract, call, "cancel a lock", check)?.transaction_hash))
    }

    /// What a payer has in the escrow.
    ///
    /// # Errors
    /// The node's own.
    pub fn funds(&self, payer: Address, token: Address) -> Result<EscrowFunds> {
        let call = EscrowContract::getUserFundsCall { payer: to_evm(payer), token: to_evm(token) };
        let funds = self.ledger.view(self.contract, call)?;
        let fits = |value| from_u256(value).ok_or(LedgerError::Overflow { what: "the funds" });
        Ok(EscrowFunds { available: fits(funds.available)?, locked: fits(funds.locked)? })
    }

    /// What a payer lets a node do, or with the zero address, all nodes.
    ///
    /// # Errors
    /// The node's own.
    pub fn authorizations(&self, token: Address, payer: Address, payee: Address) -> Result<Vec<Authorization>> {
        let call =
            EscrowContract::getAuthorizationsCall { token: to_evm(token), payer: to_evm(payer), payee: to_evm(payee) };
        let all = self.ledger.view(self.contract, call)?;
        let short = |value: U256| u64::try_from(value).unwrap_or(u64::MAX);
        let ours_of = |a: EscrowContract::Authorization| Authorization {
            payee: ours(a.payee),
            max_locked: clamped(a.maxLockedAmount),
            locked: clamped(a.currentLockedAmount),
            max_lock_secs: short(a.maxLockSeconds),
            max_locks: short(a.maxLockCounts),
            locks: short(a.currentLocks),
        };
        Ok(all.into_iter().map(ours_of).collect())
    }

    /// What a node has locked of a payer's.
    ///
    /// # Errors
    /// The node's own.
    pub fn locks(&self, token: Address, payer: Address, payee: Address) -> Result<Vec<EscrowLock>> {
        let call = EscrowContract::getLocksCall { token: to_evm(token), payer: to_evm(payer), payee: to_evm(payee) };
        let all = self.ledger.view(self.contract, call)?.into_iter().map(|lock| EscrowLock {
            job: Digest::from_bytes(lock.jobId.to_be_bytes()),
            payer: ours(lock.payer),
            amount: clamped(lock.amount),
            expiry: u64::try_from(lock.expiry).unwrap_or(u64::MAX),
            token: ours(lock.token),
        });
        // The contract's filter lets through what fits any of the three.
        Ok(all.filter(|lock| lock.token == token && lock.payer == payer).collect())
    }

    fn find(&self, job: Digest, token: Address, payer: Address, payee: Address) -> Result<Option<EscrowLock>> {
        Ok(self.locks(token, payer, payee)?.into_iter().find(|lock| lock.job == job))
    }

    /// The receipt's digest and the amount that a claim named, from its transaction.
    ///
    /// # Errors
    /// [`LedgerError::UnknownTransaction`] if it is no claim of this escrow; [`LedgerError::Overflow`].
    pub fn claimed(&self, tx: Digest) -> Result<(Digest, Amount)> {
        let unknown = LedgerError::UnknownTransaction { tx };
        let Some(receipt) = self.ledger.node.receipt(super::convert::hash(tx))? else { return Err(unknown) };
        let of_escrow =
            receipt.logs.iter().filter_map(|log| log.entry(0)).filter(|entry| entry.emitter == self.contract);
        let claimed = of_escrow.filter_map(|entry| entry.decode::<EscrowContract::Claimed>()).next();
        let Some(claimed) = claimed else { return Err(unknown) };
        let proof: [u8; 32] = claimed.proof.as_ref().try_into().map_err(|_| LedgerError::UnknownTransaction { tx })?;
        let amount = from_u256(claimed.amount).ok_or(LedgerError::Overflow { what: "the claim" })?;
        Ok((Digest::from_bytes(proof), amount))
    }
}
