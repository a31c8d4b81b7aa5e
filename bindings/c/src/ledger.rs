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

/// What buying `amount` of a datatoken for `base_token` costs beside its price, as text of `base_token`: fees of the ledger's
/// operators and of the market. The embedded ledger has none.
///
/// Fails with SEALOCK_ERROR_NOT_FOR_SALE where the ledger has fees, and the datatoken is not sold for `base_token`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_sale_fees(
    exchange: *const sealock_exchange,
    token: *const u8,
    token_length: usize,
    amount: *const c_char,
    base_token: *const u8,
    base_token_length: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (exchange, token) = (find(exchange)?, c.address("token", token, token_length)?);
        let (amount, base_token) =
            (c.amount("amount", amount)?, c.address("base_token", base_token, base_token_length)?);
        out.issue(Buffer::from(exchange.ledger().sale_fees(token, amount, base_token)?.to_string()));
    })
}

/// Pays out to the data NFT's owner what sales of a datatoken brought and the ledger still holds, and puts out how much that
/// was, as text. Any account may ask; it pays the ledger's own fees. Where a sale pays the owner at once, as on the embedded
/// ledger, it is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_collect(
    exchange: *const sealock_exchange,
    account: *const sealock_account,
    token: *const u8,
    token_length: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (exchange, account) = (find(exchange)?, find(account)?);
        let token = c.address("token", token, token_length)?;
        out.issue(Buffer::from(exchange.ledger().collect(&account, token)?.to_string()));
    })
}
