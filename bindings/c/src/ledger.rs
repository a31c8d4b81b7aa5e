//! The ledger
//!
//! Tokens to pay with, on an exchange's ledger. Amounts are decimal texts of whole tokens with up to 18 places: `"2"`,
//! `"0.5"`.

use std::ffi::c_char;

use sealock::ledger::Amount;

use crate::account::sealock_account;
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{Caller, call};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::sealock_exchange;
use crate::handle::find;

impl Caller {
    /// An amount of tokens.
    pub(crate) fn amount(&self, name: &str, amount: *const c_char) -> Result<Amount, Failure> {
        Ok(self.text(name, amount)?.parse::<Amount>()?)
    }
}

/// Deploys a token to pay with, of which at most `cap` may exist, and puts out its address. The account may mint it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_deploy_token(
    exchange: *const sealock_exchange,
    account: *const sealock_account,
    name: *const c_char,
    symbol: *const c_char,
    cap: *const c_char,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        let (exchange, account) = (find(exchange)?, find(account)?);
        let (name, symbol, cap) = (c.text("name", name)?, c.text("symbol", symbol)?, c.amount("cap", cap)?);
        out.put(*exchange.ledger().deploy_token(&account, name, symbol, cap)?.as_bytes());
    })
}

/// Mints `amount` of `token` for `to`.
///
/// Fails with SEALOCK_ERROR_NOT_AUTHORIZED unless the account may mint it; with SEALOCK_ERROR_CAP_EXCEEDED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_mint(
    exchange: *const sealock_exchange,
    account: *const sealock_account,
    token: *const u8,
    token_length: usize,
    to: *const u8,
    to_length: usize,
    amount: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (exchange, account) = (find(exchange)?, find(account)?);
        let (token, to) = (c.address("token", token, token_length)?, c.address("to", to, to_length)?);
        exchange.ledger().mint(&account, token, to, c.amount("amount", amount)?)?;
    })
}

/// Transfers `amount` of `token` from the account to `to`.
///
/// Fails with SEALOCK_ERROR_INSUFFICIENT_BALANCE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_transfer(
    exchange: *const sealock_exchange,
    account: *const sealock_account,
    token: *const u8,
    token_length: usize,
    to: *const u8,
    to_length: usize,
    amount: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (exchange, account) = (find(exchange)?, find(account)?);
        let (token, to) = (c.address("token", token, token_length)?, c.address("to", to, to_length)?);
        exchange.ledger().transfer(&account, token, to, c.amount("amount", amount)?)?;
    })
}

/// What `holder` has of `token`, as text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_ledger_balance_of(
    exchange: *const sealock_exchange,
    token: *const u8,
    token_length: usize,
    holder: *const u8,
    holder_length: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let exchange = find(exchange)?;
        let (token, holder) = (c.address("token", token, token_length)?, c.address("holder", holder, holder_length)?);
        out.issue(Buffer::from(exchange.ledger().balance_of(token, holder)?.to_string()));
    })
}
