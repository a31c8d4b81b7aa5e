//! Accounts, addresses, digests
//!
//! An account is a secp256k1 key. An address has SEALOCK_ADDRESS_BYTES bytes, and as text `0x` and 40 hex digits with the
//! EIP-55 checksum. A digest has SEALOCK_DIGEST_BYTES bytes, and as text 64 hex digits.
//!
//! Inputs of a fixed size are passed with their length, which is checked: `address, sizeof address`. Outputs likewise.

use std::ffi::c_char;

use sealock::ledger::ocean::account_from_keystore;
use sealock::{Account, Address, Digest};

use crate::call::{Caller, Out, call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};

/// Bytes of an address.
pub const SEALOCK_ADDRESS_BYTES: usize = 20;
/// Bytes of an address as text, with the NUL at its end.
pub const SEALOCK_ADDRESS_TEXT_BYTES: usize = 43;
/// Bytes of a digest.
pub const SEALOCK_DIGEST_BYTES: usize = 32;
/// Bytes of a digest as text, with the NUL at its end.
pub const SEALOCK_DIGEST_TEXT_BYTES: usize = 65;
/// Bytes of a secret: an account's, a recipient's, an identity's.
pub const SEALOCK_SECRET_BYTES: usize = 32;
/// Bytes of a nullifier.
pub const SEALOCK_NULLIFIER_BYTES: usize = 32;

/// SEALOCK_ADDRESS_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_address_bytes() -> usize {
    SEALOCK_ADDRESS_BYTES
}

/// SEALOCK_ADDRESS_TEXT_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_address_text_bytes() -> usize {
    SEALOCK_ADDRESS_TEXT_BYTES
}

/// SEALOCK_DIGEST_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_digest_bytes() -> usize {
    SEALOCK_DIGEST_BYTES
}

/// SEALOCK_DIGEST_TEXT_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_digest_text_bytes() -> usize {
    SEALOCK_DIGEST_TEXT_BYTES
}

/// SEALOCK_SECRET_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_secret_bytes() -> usize {
    SEALOCK_SECRET_BYTES
}

/// SEALOCK_NULLIFIER_BYTES, as this library has it.
#[unsafe(no_mangle)]
pub extern "C" fn sealock_nullifier_bytes() -> usize {
    SEALOCK_NULLIFIER_BYTES
}

impl Caller {
    /// An address.
    pub(crate) fn address(&self, name: &str, bytes: *const u8, length: usize) -> Result<Address, Failure> {
        Ok(Address::from_bytes(self.array(name, bytes, length)?))
    }

    /// A digest.
    pub(crate) fn digest(&self, name: &str, bytes: *const u8, length: usize) -> Result<Digest, Failure> {
        Ok(Digest::from_bytes(self.array(name, bytes, length)?))
    }

    /// Where an address is to be put.
    pub(crate) fn address_out(
        &self,
        name: &str,
        out: *mut u8,
        length: usize,
    ) -> Result<Out<[u8; SEALOCK_ADDRESS_BYTES]>, Failure> {
        self.array_out(name, out, length)
    }

    /// Where a digest is to be put.
    pub(crate) fn digest_out(
        &self,
        name: &str,
        out: *mut u8,
        length: usize,
    ) -> Result<Out<[u8; SEALOCK_DIGEST_BYTES]>, Failure> {
        self.array_out(name, out, length)
    }
}

/// Reads an address from text. Mixed case must carry the right checksum.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_address_from_text(
    text: *const c_char,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        let address: Address = c.text("text", text)?.parse()?;
        out.put(*address.as_bytes());
    })
}

/// Writes an address as text into `out`, which has room for `out_size` bytes: SEALOCK_ADDRESS_TEXT_BYTES or more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_address_to_text(
    address: *const u8,
    address_length: usize,
    out: *mut c_char,
    out_size: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.text_out::<SEALOCK_ADDRESS_TEXT_BYTES>("out", out, out_size)?;
        out.put_text(&c.address("address", address, address_length)?.to_string());
    })
}

/// Reads a digest from text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_digest_from_text(
    text: *const c_char,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        let digest: Digest = c.text("text", text)?.parse()?;
        out.put(*digest.as_bytes());
    })
}

/// Writes a digest as text into `out`, which has room for `out_size` bytes: SEALOCK_DIGEST_TEXT_BYTES or more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_digest_to_text(
    digest: *const u8,
    digest_length: usize,
    out: *mut c_char,
    out_size: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.text_out::<SEALOCK_DIGEST_TEXT_BYTES>("out", out, out_size)?;
        out.put_text(&c.digest("digest", digest, digest_length)?.to_string());
    })
}

/// A secret key and its address.
///
/// Made by: `sealock_account_generate`, `sealock_account_from_secret`, `sealock_account_from_keystore`. Freed by:
/// `sealock_account_free`, which wipes it. It never changes; thread-safe.
pub struct sealock_account {
    _opaque: (),
}

handles! { sealock_account => Account }

/// The same account once more, for what takes one for itself.
pub(crate) fn copy_of(account: *const sealock_account) -> Result<Account, Failure> {
    Ok(Account::from_secret_bytes(&find(account)?.expose_secret_bytes())?)
}

/// Makes a fresh account from the operating system's randomness. Back its secret up: what the account owns is lost with
/// it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_account_generate(
    out: *mut *mut sealock_account,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(Account::generate());
    })
}

/// The account of a secret key of SEALOCK_SECRET_BYTES bytes, big-endian. Wipe your copy with `sealock_wipe`.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if it is zero or not below the group's order.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_account_from_secret(
    secret: *const u8,
    secret_length: usize,
    out: *mut *mut sealock_account,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let secret = zeroize::Zeroizing::new(c.array("secret", secret, secret_length)?);
        out.issue(Account::from_secret_bytes(&secret)?);
    })
}

/// The account in a key file of another wallet: the text of a file of the Web3 Secret Storage Definition, version 3
/// (<https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/>), as geth, MetaMask and ethers
/// write it. It takes about a second and as much memory as the file asks for, 256 MiB mostly. Wipe your copy of the password
/// with `sealock_wipe`.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a file of another form, for one that asks for more than 512 MiB or ten
/// million rounds, and for a wrong password; with SEALOCK_ERROR_TOO_LARGE for one of more than 64 KiB.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_account_from_keystore(
    json: *const c_char,
    password: *const c_char,
    out: *mut *mut sealock_account,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(account_from_keystore(c.text("json", json)?, c.text("password", password)?)?);
    })
}

/// The account's address.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_account_address(
    account: *const sealock_account,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.address_out("out", out, out_length)?;
        out.put(*find(account)?.address().as_bytes());
    })
}

/// Copies the secret key out, SEALOCK_SECRET_BYTES bytes, for a key store alone. **Wipe the copy** with
/// `sealock_wipe`. Whoever has it is the account.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_account_expose_secret(
    account: *const sealock_account,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.array_out::<SEALOCK_SECRET_BYTES>("out", out, out_length)?;
        out.put(*find(account)?.expose_secret_bytes());
    })
}

/// Wipes and frees an account. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_account_free(account: *mut sealock_account) -> sealock_status {
    free(account)
}
