//! Columns
//!
//! The declaration of one column: what it holds and what it may be used for.

use std::ffi::c_char;
use std::sync::{Mutex, PoisonError};

use sealock::asset::Column;

use crate::call::{call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{Handle, find, handles};

/// The declaration of a column.
///
/// Made by: `sealock_column_boolean`, `_category`, `_integer`, `_decimal`, `_text`. Freed by: `sealock_column_free`. A schema copies
/// it. Thread-safe.
pub struct sealock_column {
    _opaque: (),
}

handles! { sealock_column => Mutex<Column> }

/// What a handle that can be changed holds now.
pub(crate) fn current<T: Handle<Value = Mutex<V>>, V: Clone>(handle: *const T) -> Result<V, Failure> {
    Ok(find(handle)?.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Changes what a handle holds, or leaves it as it is.
pub(crate) fn change<T: Handle<Value = Mutex<V>>, V: Clone>(
    handle: *const T,
    how: impl FnOnce(V) -> Result<V, Failure>,
) -> Result<(), Failure> {
    let held = find(handle)?;
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    *held = how(held.clone())?;
    Ok(())
}

/// A true-or-false column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_boolean(
    name: *const c_char,
    out: *mut *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Mutex::new(Column::boolean(c.text("name", name)?)));
    })
}

/// A column of one out of `count` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_category(
    name: *const c_char,
    values: *const *const c_char,
    count: usize,
    out: *mut *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Mutex::new(Column::category(c.text("name", name)?, c.texts("values", values, count)?)));
    })
}

/// A whole number from `min` to `max`, both included.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_integer(
    name: *const c_char,
    min: i64,
    max: i64,
    out: *mut *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Mutex::new(Column::integer(c.text("name", name)?, min, max)));
    })
}

/// A number with `scale` decimal places, at most 18, from `min` to `max`, both included and written as text: `"0"`,
/// `"58.6"`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_decimal(
    name: *const c_char,
    scale: u8,
    min: *const c_char,
    max: *const c_char,
    out: *mut *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (name, min, max) = (c.text("name", name)?, c.text("min", min)?, c.text("max", max)?);
        out.issue(Mutex::new(Column::decimal_between(name, scale, min, max)?));
    })
}

/// Lets rows be filtered and grouped by the column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_dimension(
    column: *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(column, |column: Column| Ok(column.dimension()))?;
    })
}

/// Lets the column be aggregated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_measure(
    column: *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(column, |column: Column| Ok(column.measure()))?;
    })
}

/// A column of texts, which can be an entity and nothing else.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_text(
    name: *const c_char,
    out: *mut *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Mutex::new(Column::text(c.text("name", name)?)));
    })
}

/// Says that the column, a text or a whole number, names whom a row is about: see `sealock_policy_entity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_entity(
    column: *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(column, |column: Column| Ok(column.entity()))?;
    })
}

/// Lets values be missing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_nullable(
    column: *mut sealock_column,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        change(column, |column: Column| Ok(column.nullable()))?;
    })
}

/// Sets the edges of the bins of a number that is used as a dimension, as they are written: `"0"`, `"8.7"`, `"58.6"`. Bin
/// `i` reaches from edge `i` to below edge `i + 1`; the last one is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_bins(
    column: *mut sealock_column,
    edges: *const *const c_char,
    count: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let edges = c.texts("edges", edges, count)?;
        change(column, |column: Column| Ok(column.bins_at(edges)?))?;
    })
}

/// Says what the column means.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_describe(
    column: *mut sealock_column,
    text: *const c_char,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let text = c.text("text", text)?;
        change(column, |column: Column| Ok(column.describe(text)))?;
    })
}

/// Frees a column. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_column_free(column: *mut sealock_column) -> sealock_status {
    free(column)
}
