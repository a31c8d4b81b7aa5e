//! From Python's values to the library's, and back.

use std::ops::Range;
use std::time::Duration;

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyMapping, PyMemoryView, PyRange,
    PyString, PyTuple, PyType, PyTzInfo,
};
use sealock::account::AccountError;
use sealock::asset::{Did, Value};
use sealock::ledger::Amount;
use sealock::store::{Cid, StoreError};
use sealock::time::Timestamp;
use sealock::{Address, Digest};
use zeroize::Zeroizing;

use crate::error::{Failure, Result};

/// The name of an object's type, for messages.
pub fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "an object".into(), |name| name.to_string())
}

/// A class of a Python module, looked up once.
pub fn class<'py>(
    py: Python<'py>,
    cell: &'static PyOnceLock<Py<PyType>>,
    module: &str,
    name: &str,
) -> PyResult<&'py Bound<'py, PyType>> {
    cell.import(py, module, name)
}

/// A record of `sealock._records`, made from keyword arguments.
pub fn record<'py>(py: Python<'py>, name: &str, fields: &Bound<'py, PyDict>) -> PyResult<Bound<'py, PyAny>> {
    py.import("sealock._records")?.getattr(name)?.call((), Some(fields))
}

/// Text of its own, not any object's.
fn text<'a>(what: &str, object: &'a Bound<'_, PyAny>) -> Result<std::borrow::Cow<'a, str>> {
    let text = object
        .cast::<PyString>()
        .map_err(|_| Failure::wrong_type(format!("{what}: expected a str, got {}", type_name(object))))?;
    Ok(text.to_cow()?)
}

/// A text that is wiped here. Python's own copy stays: see the README.
pub fn secret_text(what: &str, object: &Bound<'_, PyAny>) -> Result<Zeroizing<String>> {
    let text = object
        .cast::<PyString>()
        .map_err(|_| Failure::wrong_type(format!("{what}: expected a str, got {}", type_name(object))))?;
    // What Python would raise quotes the text.
    let text = text.to_cow().map_err(|_| {
        Failure::argument(format!("{what}: it has characters that are none"), "pass a text without surrogates")
    })?;
    Ok(Zeroizing::new(text.into_owned()))
}

/// A CID, from its text.
pub fn cid(object: &Bound<'_, PyAny>) -> Result<Cid> {
    let text = text("cid", object)?;
    Ok(Cid::try_from(&*text).map_err(|e| StoreError::InvalidCid { why: e.to_string() })?)
}

/// An address, from its text.
pub fn address(object: &Bound<'_, PyAny>) -> Result<Address> {
    Ok(text("address", object)?.parse()?)
}

/// What an asset is named by.
pub enum Named {
    /// The address of its data NFT.
    Nft(Address),
    /// Its DID.
    Did(Did),
}

/// The name of an asset, from its text.
pub fn asset_named(object: &Bound<'_, PyAny>) -> Result<Named> {
    let text = text("asset", object)?;
    let read = match text.starts_with("did:") {
        true => text.parse().map(Named::Did).map_err(|_| None),
        false => text.parse().map(Named::Nft).map_err(|e| match e {
            AccountError::InvalidAddress { why, .. } if text.starts_with("0x") => Some(why),
            _ => None,
        }),
    };
    read.map_err(|why| {
        let got: String = text.chars().take(100).collect();
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        let forms = "a DID (did:op: and 64 lower-case hex digits) or the address of a data NFT (0x and 40 hex digits)";
        Failure::argument(
            format!("asset: expected {forms}, got {got:?}{why}"),
            "an asset's did and nft are what names it",
        )
    })
}

/// A digest, from its hex text.
pub fn digest(what: &str, object: &Bound<'_, PyAny>) -> Result<Digest> {
    let text = text(what, object)?;
    text.parse().map_err(|_| {
        let got: String = text.chars().take(80).collect();
        Failure::argument(format!("{what}: expected 64 hex digits, got {got:?}"), "pass the text that Sealock gave you")
    })
}

static DECIMAL: PyOnceLock<Py<PyType>> = PyOnceLock::new();

fn decimal_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    class(py, &DECIMAL, "decimal", "Decimal")
}

/// A `decimal.Decimal` of a decimal text.
pub fn to_decimal<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    decimal_class(py)?.call1((text,))
}

/// `units / 10^scale` as a `decimal.Decimal`.
pub fn scaled<'py>(py: Python<'py>, units: i128, scale: u8) -> PyResult<Bound<'py, PyAny>> {
    to_decimal(py, &format!("{units}e-{scale}"))
}

/// The digits of a whole number or a `Decimal`; `None` for anything else.
fn digits(object: &Bound<'_, PyAny>) -> Result<Option<String>> {
    let py = object.py();
    if object.is_instance_of::<PyBool>() {
        return Ok(None);
    }
    if object.is_instance_of::<PyInt>() {
        // Python writes out no more than some thousand digits; nothing here takes as many.
        return Ok(Some(object.str().map_or_else(|_| "a number of thousands of digits".into(), |s| s.to_string())));
    }
    if object.is_instance(decimal_class(py)?)? {
        let exponent = object.call_method0("adjusted")?.extract::<i64>()?;
        let small = object.call_method0("is_finite")?.is_truthy()? && (-64..64).contains(&exponent);
        return Ok(Some(if small {
            object.call_method1("__format__", ("f",))?.to_string()
        } else {
            object.str()?.to_string()
        }));
    }
    Ok(None)
}

/// An amount of whole tokens: `int`, `Decimal` or text, never a float.
pub fn amount(object: &Bound<'_, PyAny>) -> Result<Amount> {
    if let Some(text) = digits(object)? {
        return Ok(text.parse()?);
    }
    if object.is_instance_of::<PyString>() {
        return Ok(text("amount", object)?.parse()?);
    }
    Err(Failure::wrong_type(format!(
        "amount: expected an int, a Decimal or a str such as \"1.5\", got {}: amounts are exact",
        type_name(object)
    )))
}

/// An amount as a `Decimal` of whole tokens.
pub fn from_amount(py: Python<'_>, amount: Amount) -> PyResult<Bound<'_, PyAny>> {
    to_decimal(py, &amount.to_string())
}

/// A whole number that fits `T`.
pub fn whole<T>(what: &str, object: &Bound<'_, PyAny>) -> Result<T>
where
    T: for<'a, 'py> FromPyObject<'a, 'py, Error = PyErr>,
{
    if object.is_instance_of::<PyBool>() || !object.hasattr("__index__")? {
        return Err(Failure::wrong_type(format!("{what}: expected an int, got {}", type_name(object))));
    }
    object.extract::<T>().map_err(|error| {
        if error.is_instance_of::<PyOverflowError>(object.py())
            || error.is_instance_of::<pyo3::exceptions::PyValueError>(object.py())
        {
            let got = object.str().map_or_else(|_| "a huge number".to_string(), |s| s.to_string());
            let got: String = got.chars().take(40).collect();
            return Failure::argument(
                format!("{what}: {got} is out of range, expected an int {}", range_of::<T>()),
                "pass a whole number within that range",
            );
        }
        error.into()
    })
}

/// The range of an integer type, for messages.
fn range_of<T>() -> String {
    let name = std::any::type_name::<T>();
    let bits = name.trim_start_matches(['u', 'i']).parse().unwrap_or(64);
    match name.starts_with('u') {
        true => format!("from 0 to 2^{bits} - 1"),
        false => format!("from -2^{} to 2^{0} - 1", bits - 1),
    }
}

/// A point in time: an aware `datetime`, or seconds since 1970-01-01 UTC.
pub fn timestamp(what: &str, object: &Bound<'_, PyAny>) -> Result<Timestamp> {
    if object.is_instance_of::<PyDateTime>() {
        if object.getattr("tzinfo")?.is_none() {
            return Err(Failure::argument(
                format!("{what}: {} has no time zone", object.str()?),
                "give it one, for instance datetime.now(timezone.utc)",
            ));
        }
        let seconds = object.call_method0("timestamp")?.extract::<f64>()?;
        if seconds < 0.0 {
            return Err(Failure::argument(format!("{what}: {} is before 1970", object.str()?), "pass a later time"));
        }
        return Ok(seconds as Timestamp);
    }
    if object.hasattr("__index__")? {
        return whole(what, object);
    }
    Err(Failure::wrong_type(format!(
        "{what}: expected a datetime or int seconds since 1970, got {}",
        type_name(object)
    )))
}

/// A point in time as an aware `datetime` in UTC.
pub fn from_timestamp<'py>(py: Python<'py>, at: Timestamp) -> PyResult<Bound<'py, PyAny>> {
    // The last second that a `datetime` holds stands for what is later.
    const LAST: Timestamp = 253_402_300_799;
    let utc = PyTzInfo::utc(py)?;
    py.get_type::<PyDateTime>().call_method1("fromtimestamp", (at.min(LAST), utc))
}

/// A span of time in seconds: a `timedelta`, or whole seconds.
pub fn seconds(what: &str, object: &Bound<'_, PyAny>) -> Result<u64> {
    if object.is_instance_of::<PyDelta>() {
        let seconds = object.call_method0("total_seconds")?.extract::<f64>()?;
        if seconds < 1.0 || seconds.fract() != 0.0 {
            return Err(Failure::argument(
                format!("{what}: expected whole seconds, at least one, got {}", object.str()?),
                "pass a timedelta such as timedelta(days=30)",
            ));
        }
        return Ok(seconds as u64);
    }
    if object.hasattr("__index__")? {
        return whole(what, object);
    }
    Err(Failure::wrong_type(format!("{what}: expected a timedelta or int seconds, got {}", type_name(object))))
}

/// A span of time: a `timedelta`, or seconds, also as a float.
pub fn duration(what: &str, object: &Bound<'_, PyAny>) -> Result<Duration> {
    let number = object.is_instance_of::<PyFloat>() || object.is_instance_of::<PyInt>();
    let seconds = if object.is_instance_of::<PyDelta>() {
        object.call_method0("total_seconds")?.extract()?
    } else if number && !object.is_instance_of::<PyBool>() {
        // What no float can hold is too long in any case.
        object.extract().unwrap_or(f64::INFINITY)
    } else {
        let got = type_name(object);
        return Err(Failure::wrong_type(format!("{what}: expected seconds or a timedelta, got {got}")));
    };
    let span = Duration::try_from_secs_f64(seconds).ok().filter(|span| !span.is_zero() && *span <= LONGEST);
    span.ok_or_else(|| {
        let got = object.str().map_or_else(|_| "a huge number".to_string(), |s| s.to_string());
        let got: String = got.chars().take(40).collect();
        Failure::argument(format!("{what}: {got} is no time to wait"), "pass seconds, more than 0 and at most a year")
    })
}

/// The longest time that anything is waited for.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// A `range` of rows.
pub fn range(what: &str, object: &Bound<'_, PyAny>) -> Result<Range<u64>> {
    let range = object
        .cast::<PyRange>()
        .map_err(|_| Failure::wrong_type(format!("{what}: expected a range, got {}", type_name(object))))?;
    if !range.getattr("step")?.eq(1)? {
        return Err(Failure::argument(format!("{what}: {} leaves rows out", range.repr()?), "pass a range of step 1"));
    }
    let (start, stop): (u64, u64) = (whole(what, &range.getattr("start")?)?, whole(what, &range.getattr("stop")?)?);
    Ok(start..stop.max(start))
}

/// A span of time as a `timedelta`.
pub fn from_seconds(py: Python<'_>, seconds: u64) -> PyResult<Bound<'_, PyAny>> {
    let arguments = PyDict::new(py);
    arguments.set_item("seconds", seconds)?;
    py.get_type::<PyDelta>().call((), Some(&arguments))
}

/// A span of time as a `timedelta`, to the microsecond.
pub fn from_duration(py: Python<'_>, span: Duration) -> PyResult<Bound<'_, PyAny>> {
    let arguments = PyDict::new(py);
    arguments.set_item("microseconds", u64::try_from(span.as_micros()).unwrap_or(u64::MAX))?;
    py.get_type::<PyDelta>().call((), Some(&arguments))
}

/// The bytes of `bytes`, `bytearray`, `memoryview` or anything else that has a buffer.
pub fn bytes(what: &str, object: &Bound<'_, PyAny>) -> Result<Vec<u8>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(bytes.as_bytes().to_vec());
    }
    if let Ok(bytes) = object.cast::<PyByteArray>() {
        return Ok(bytes.to_vec());
    }
    // The stable ABI of Python 3.10 has no buffers, but it has memory views.
    let view = PyMemoryView::from(object)
        .map_err(|_| Failure::wrong_type(format!("{what}: expected bytes, got {}", type_name(object))))?;
    let bytes = view.call_method0("tobytes")?;
    Ok(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes().to_vec())
}

/// A file's text, with Python's own exceptions, which name the file.
pub fn read_text(py: Python<'_>, path: &std::path::Path) -> Result<String> {
    let path = py.import("pathlib")?.call_method1("Path", (path,))?;
    Ok(path.call_method1("read_text", ("utf-8",))?.extract()?)
}

/// Texts from anything that yields them, but from no single text: that would be its letters.
pub fn texts(what: &str, object: &Bound<'_, PyAny>) -> Result<Vec<String>> {
    items(what, object)?.iter().map(|item| Ok(text(what, item)?.into_owned())).collect()
}

/// What a list, a tuple, a set, an array or another collection holds.
pub fn items<'py>(what: &str, object: &Bound<'py, PyAny>) -> Result<Vec<Bound<'py, PyAny>>> {
    let single = object.is_instance_of::<PyString>()
        || object.is_instance_of::<PyBytes>()
        || object.cast::<PyMapping>().is_ok_and(|m| !m.hasattr("__array__").unwrap_or(false));
    let all = if single { None } else { object.try_iter().ok() };
    let all = all.ok_or_else(|| {
        Failure::wrong_type(format!("{what}: expected a list or another collection, got {}", type_name(object)))
    })?;
    Ok(all.collect::<PyResult<_>>()?)
}

/// A literal: `bool`, `int`, `str`, `Decimal` or `float`, and NumPy's scalars.
pub fn value(object: &Bound<'_, PyAny>) -> Result<Value> {
    if object.is_none() {
        return Ok(Value::Null);
    }
    if object.is_instance_of::<PyBool>() {
        return Ok(Value::Boolean(object.is_truthy()?));
    }
    if object.is_instance_of::<PyInt>() {
        return Ok(Value::Integer(whole("literal", object)?));
    }
    if object.is_instance_of::<PyString>() {
        return Ok(Value::Text(text("literal", object)?.into_owned()));
    }
    if let Some(text) = digits(object)? {
        return Value::decimal(&text).ok_or_else(|| {
            Failure::argument(format!("literal: {text} is no decimal of 64 bits"), "round it, or pass a smaller number")
        });
    }
    if object.is_instance_of::<PyFloat>() {
        let number: f64 = object.extract()?;
        return match Value::from(number) {
            Value::Text(text) => Err(Failure::argument(
                format!("literal: {text} is no decimal of 64 bits"),
                "pass a finite number; for missing values see is_null()",
            )),
            value => Ok(value),
        };
    }
    if object.hasattr("dtype")? && object.hasattr("item")? && object.getattr("ndim")?.extract::<usize>()? == 0 {
        let plain = object.call_method0("item")?;
        if !plain.get_type().is(object.get_type()) {
            return value(&plain);
        }
    }
    Err(Failure::wrong_type(format!(
        "literal: expected a bool, int, str, Decimal or float, got {}: turn dates and times into whole numbers first",
        type_name(object)
    )))
}

/// A decimal that is kept exactly.
pub fn exact<T>(what: &str, object: &Bound<'_, PyAny>) -> Result<T>
where
    T: std::str::FromStr,
    Failure: From<T::Err>,
{
    let text = match value(object)? {
        Value::Text(text) => text,
        number @ (Value::Integer(_) | Value::Decimal { .. }) => number.to_string(),
        Value::Null | Value::Boolean(_) => {
            let got = type_name(object);
            return Err(Failure::wrong_type(format!("{what}: expected a number or a str such as \"0.5\", got {got}")));
        }
    };
    Ok(text.parse()?)
}

/// A value as Python has it.
pub fn literal<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Boolean(value) => value.into_pyobject(py)?.to_owned().into_any(),
        Value::Integer(value) => value.into_pyobject(py)?.into_any(),
        Value::Decimal { mantissa, scale } => scaled(py, (*mantissa).into(), *scale)?,
        Value::Text(text) => text.into_pyobject(py)?.into_any(),
    })
}

/// How an object is pickled: by calling `class.from_bytes(bytes)` (or another such method).
pub fn rebuilt<'py, T: pyo3::PyClass>(
    py: Python<'py>,
    method: &str,
    argument: impl IntoPyObject<'py>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
    Ok((py.get_type::<T>().getattr(method)?, PyTuple::new(py, [argument])?))
}

/// A value as Python has it; a decimal as the nearest `float`.
pub fn from_value<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Decimal { .. } => py.get_type::<PyFloat>().call1((value.to_string(),)),
        _ => literal(py, value),
    }
}
