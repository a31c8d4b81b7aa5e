//! Matrix products
//!
//! An encrypted matrix of integers times a clear one, exactly, of any size, without an exchange. One side has a matrix that
//! nobody else may see, the other one a matrix that it keeps. The first learns the product and no more of the other's matrix
//! than the product says; the second learns sizes. Matrices are integers row by row.
//!
//! Queries and answers are bytes, the same as Python's `sealock.linear` joins and splits. They carry no checksum: authenticate
//! what carries them. Nothing here asks who may multiply, or how often: **who gets enough products has the matrix.**

use sealock::fhe::linear::matmul::{Product, SecretKey, join, joined_len, split};
use sealock::fhe::linear::{EncryptedQuery, SealedAnswer};
use zeroize::Zeroizing;

use crate::account::SEALOCK_SECRET_BYTES;
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};

/// The key of whoever has the encrypted matrix. Make one for each product: whoever sees how its owner reacts to malformed
/// answers could learn it bit by bit.
///
/// Made by: `sealock_product_key_generate`, `_from_secret`. Freed by: `sealock_product_key_free`, which wipes it. It never
/// changes; thread-safe.
pub struct sealock_product_key {
    _opaque: (),
}

/// Sizes and widths of two matrices. Both sides make the same one.
///
/// Made by: `sealock_product_new`. Freed by: `sealock_product_free`. It never changes; thread-safe.
pub struct sealock_product {
    _opaque: (),
}

handles! {
    sealock_product_key => SecretKey,
    sealock_product => Product,
}

/// Makes a fresh key from the operating system's randomness.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_key_generate(
    out: *mut *mut sealock_product_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        c.out("out", out)?.issue(SecretKey::generate()?);
    })
}

/// The key of SEALOCK_SECRET_BYTES secret bytes that `sealock_product_key_expose_secret` gave, or that are as hard to guess.
/// Wipe your copy with `sealock_wipe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_key_from_secret(
    secret: *const u8,
    secret_length: usize,
    out: *mut *mut sealock_product_key,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let secret = Zeroizing::new(c.array("secret", secret, secret_length)?);
        out.issue(SecretKey::from_secret_bytes(&secret));
    })
}

/// Copies the secret out, SEALOCK_SECRET_BYTES bytes, for a key store alone. **Wipe the copy** with `sealock_wipe`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_key_expose_secret(
    key: *const sealock_product_key,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.array_out::<SEALOCK_SECRET_BYTES>("out", out, out_length)?;
        out.put(*find(key)?.expose_secret_bytes());
    })
}

/// Frees a key. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_key_free(key: *mut sealock_product_key) -> sealock_status {
    free(key)
}

/// The product of an encrypted matrix of `rows` times `inner` integers of `weight_bits` bits, sign included, and a clear one
/// of `inner` times `columns` integers of `entry_bits` bits.
///
/// Fails with SEALOCK_ERROR_ENCRYPTION if sizes and widths leave no room for an exact result.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_new(
    rows: usize,
    inner: usize,
    columns: usize,
    weight_bits: u8,
    entry_bits: u8,
    out: *mut *mut sealock_product,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Product::new(rows, inner, columns, weight_bits, entry_bits)?);
    })
}

/// The lengths of what `sealock_product_encrypt` and `sealock_product_evaluate` put out, in bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_lengths(
    product: *const sealock_product,
    queries: *mut usize,
    answers: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (queries, answers) = (c.out("queries", queries)?, c.out("answers", answers)?);
        let product = find(product)?;
        queries.put(joined_len(product.shapes().map(EncryptedQuery::encoded_len)));
        answers.put(joined_len(product.shapes().map(SealedAnswer::encoded_len)));
    })
}

/// Signed width that every entry of the product has room in, in bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_bits(
    product: *const sealock_product,
    out: *mut u32,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(product)?.product_bits());
    })
}

/// Encrypts the left matrix, `rows` times `inner` integers. `context` is any bytes that both sides know the request by, each
/// from its own records: an answer is made for one context alone.
///
/// Fails with SEALOCK_ERROR_ENCRYPTION for another number of integers, and for the first one that is too wide.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_encrypt(
    product: *const sealock_product,
    key: *const sealock_product_key,
    left: *const i64,
    left_count: usize,
    context: *const u8,
    context_length: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (product, key) = (find(product)?, find(key)?);
        let (left, context) = (c.list("left", left, left_count)?, c.bytes("context", context, context_length)?);
        let queries = product.encrypt(key.query_key(), left, &product.context(context))?;
        out.issue(Buffer::from(join(&queries.iter().map(EncryptedQuery::to_bytes).collect::<Vec<_>>())));
    })
}

/// Multiplies encrypted rows with the right matrix, `inner` times `columns` integers, and re-randomises the result.
///
/// Fails as `sealock_product_encrypt`, and with SEALOCK_ERROR_ENCRYPTION for queries that were cut or made for another product
/// or context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_evaluate(
    product: *const sealock_product,
    queries: *const u8,
    queries_length: usize,
    right: *const i64,
    right_count: usize,
    context: *const u8,
    context_length: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (product, queries) = (find(product)?, c.bytes("queries", queries, queries_length)?);
        let (right, context) = (c.list("right", right, right_count)?, c.bytes("context", context, context_length)?);
        let queries = split(queries)?.into_iter().map(EncryptedQuery::from_bytes).collect::<Result<Vec<_>, _>>()?;
        let answers = product.evaluate(&queries, &product.context(context), right)?;
        out.issue(Buffer::from(join(&answers.iter().map(SealedAnswer::to_bytes).collect::<Vec<_>>())));
    })
}

/// Decrypts the product, `rows` times `columns` integers. Wipe them with `sealock_wipe` if they are secret.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT if 64 bits could be too few (`sealock_product_bits` says how many it takes): see
/// `sealock_product_decrypt_wide`. Fails with SEALOCK_ERROR_ENCRYPTION for answers that were cut or are of another product. A
/// wrong key, or an answer that was changed otherwise, gives wrong numbers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_decrypt(
    product: *const sealock_product,
    key: *const sealock_product_key,
    answers: *const u8,
    answers_length: usize,
    out: *mut i64,
    out_count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (product, key) = (find(product)?, find(key)?);
        let answers = c.bytes("answers", answers, answers_length)?;
        check_count(product.rows() * product.columns(), out_count)?;
        let out = c.list_out("out", out, out_count)?;
        if product.product_bits() > i64::BITS {
            let got = format!("one whose entries take up to {}", product.product_bits());
            let hint = "decrypt with sealock_product_decrypt_wide";
            return Err(Failure::argument("product", "one whose entries fit 64 bits", &got).hint(hint));
        }
        // What does not fit after all is of an answer that was changed, and wrong in any case.
        decrypt(&product, &key, answers)?.iter().zip(out).for_each(|(&number, out)| *out = number as i64);
    })
}

/// As `sealock_product_decrypt`, for any width. An entry is two words, the lower one first, in two's complement: what `__int128`
/// is in memory where bytes are little-endian. So `out_count` is two times `rows` times `columns`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_decrypt_wide(
    product: *const sealock_product,
    key: *const sealock_product_key,
    answers: *const u8,
    answers_length: usize,
    out: *mut u64,
    out_count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let (product, key) = (find(product)?, find(key)?);
        let answers = c.bytes("answers", answers, answers_length)?;
        check_count(2 * product.rows() * product.columns(), out_count)?;
        let out = c.list_out("out", out, out_count)?;
        for (number, out) in decrypt(&product, &key, answers)?.iter().zip(out.chunks_exact_mut(2)) {
            out.copy_from_slice(&[*number as u64, (number >> u64::BITS) as u64]);
        }
    })
}

/// Frees a product. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_product_free(product: *mut sealock_product) -> sealock_status {
    free(product)
}

fn check_count(expected: usize, got: usize) -> Result<(), Failure> {
    if got == expected {
        return Ok(());
    }
    Err(Failure::argument("out_count", &expected.to_string(), &got.to_string()))
}

fn decrypt(product: &Product, key: &SecretKey, answers: &[u8]) -> Result<Zeroizing<Vec<i128>>, Failure> {
    let answers = split(answers)?.into_iter().map(SealedAnswer::from_bytes).collect::<Result<Vec<_>, _>>()?;
    Ok(Zeroizing::new(product.decrypt(key.query_key(), &answers)?))
}
