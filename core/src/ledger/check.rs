//! What every ledger asks of its arguments.

use super::{Amount, EFFECTIVE_GRAIN, FixedRate, LedgerError, METADATA_LIMIT, NAME_LIMIT, OrderTerms};
use crate::{Address, time::Timestamp};

type Result<T = ()> = std::result::Result<T, LedgerError>;

fn invalid<T>(what: &'static str, why: &'static str) -> Result<T> {
    Err(LedgerError::InvalidArgument { what, why })
}

/// Names of 1 to [`NAME_LIMIT`] bytes, and a cap that lets something be minted.
pub(super) fn new_token(name: &str, symbol: &str, cap: Amount) -> Result {
    for (what, text) in [("the token's name", name), ("the token's symbol", symbol)] {
        if text.len() > NAME_LIMIT {
            return Err(LedgerError::TooLarge { what, got: text.len(), limit: NAME_LIMIT });
        }
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return invalid(what, "it is blank or has control characters");
        }
    }
    if cap == Amount::ZERO {
        return invalid("the token's cap", "nothing could ever be minted");
    }
    Ok(())
}

/// A price for `token` that is one.
pub(super) fn rate(token: Address, rate: FixedRate) -> Result {
    if rate.rate == Amount::ZERO {
        return invalid("the rate", "nothing is no price: give it away with a dispenser");
    }
    if rate.base_token == token {
        return invalid("the base token", "a token cannot be paid for in itself");
    }
    Ok(())
}

pub(super) fn terms(terms: OrderTerms) -> Result {
    if terms.limit == 0 || terms.validity_secs == 0 {
        return invalid("the order terms", "an order gives at least one job for at least one second");
    }
    if terms.epoch_secs.is_some_and(|secs| secs == 0 || !secs.is_multiple_of(EFFECTIVE_GRAIN)) {
        return invalid("the order terms", "an epoch has a number of whole minutes, at least one");
    }
    Ok(())
}

/// New terms of a service that has had others.
pub(super) fn same_epochs(old: OrderTerms, new: OrderTerms) -> Result {
    if old.epoch_secs != new.epoch_secs {
        let why = "the epochs of a service stay as they were first set, since uses are counted in them";
        return invalid("the order terms", why);
    }
    Ok(())
}

/// The last second of an order of `time`.
pub(super) fn expiry(time: Timestamp, terms: OrderTerms) -> Result<Timestamp> {
    time.checked_add(terms.validity_secs)
        .map_or_else(|| invalid("the order terms", "the validity ends after the end of time"), Ok)
}

pub(super) fn commitment(commitment: &[u8; 32]) -> Result {
    if *commitment == [0; 32] {
        return invalid("the commitment", "it is all zeros");
    }
    Ok(())
}

/// When a revocation that is said at `time` takes effect.
pub(super) fn effective(time: Timestamp, effective: Timestamp) -> Result {
    if effective <= time || !effective.is_multiple_of(EFFECTIVE_GRAIN) {
        return invalid("the time of effect", "it is past, or in the middle of a minute");
    }
    Ok(())
}

pub(super) fn description(ddo: &[u8]) -> Result {
    if ddo.len() > METADATA_LIMIT {
        return Err(LedgerError::TooLarge { what: "the description", got: ddo.len(), limit: METADATA_LIMIT });
    }
    Ok(())
}

/// Nobody holds the key of the zero address, and `Transfer` from it means a mint.
pub(super) fn no_zero_address(what: &'static str, address: Address) -> Result {
    if address == Address::ZERO { invalid(what, "it is the zero address") } else { Ok(()) }
}

pub(super) fn some(what: &'static str, amount: Amount) -> Result {
    if amount == Amount::ZERO { invalid(what, "it is nothing") } else { Ok(()) }
}
