//! Schemas
//!
//! The columns of a table. **A schema is public**: ranges, categories and bins are published with the asset.

use std::ffi::c_char;
use std::io::Cursor;
use std::sync::Arc;

use sealock::ErrorKind;
use sealock::asset::{Column, Schema};

use crate::arrow::{ArrowArrayStream, read_stream, take_stream};
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::column::{current, sealock_column};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};

/// The columns of a table.
///
/// Made by: `sealock_schema_new`, `_infer_arrow`, `_infer_csv`, `_from_json`, `_from_bytes`, `_with_column`,
/// `_without_column`; `sealock_table_schema`, `sealock_asset_schema`. Freed by: `sealock_schema_free`. It never changes;
/// thread-safe.
pub struct sealock_schema {
    _opaque: (),
}

handles! { sealock_schema => Schema }

/// Checks `count` columns and joins copies of them.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT, naming the column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_new(
    columns: *const *const sealock_column,
    count: usize,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let columns = c.list("columns", columns, count)?.iter();
        let columns: Vec<Column> = columns.map(|column| current(*column)).collect::<Result<_, Failure>>()?;
        out.issue(Schema::new(columns)?);
    })
}

/// Proposes a schema for the batches of an Arrow stream, which is taken over as by `sealock_table_from_arrow_stream`.
///
/// **Read the result before publishing it**: it quotes the data, extreme values and every category. Replace columns with
/// `sealock_schema_with_column`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_infer_arrow(
    stream: *mut ArrowArrayStream,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        // What comes in is taken over even where there is nowhere to put a schema.
        let (out, stream) = (c.out("out", out), take_stream(c, stream));
        let out = out?;
        out.issue(Schema::infer_batches(&read_stream(stream?)?)?);
    })
}

/// Proposes a schema for a CSV file with a header, in memory. **Read the result before publishing it**: it quotes the data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_infer_csv(
    csv: *const u8,
    csv_length: usize,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Schema::infer_csv(Cursor::new(c.bytes("csv", csv, csv_length)?))?);
    })
}

/// The schema with the column of the same name replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_with_column(
    schema: *const sealock_schema,
    column: *const sealock_column,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let schema = Schema::clone(&*find(schema)?);
        out.issue(schema.with_column(current(column)?)?);
    })
}

/// The schema without that column.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_without_column(
    schema: *const sealock_schema,
    name: *const c_char,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let schema = Schema::clone(&*find(schema)?);
        out.issue(schema.without_column(c.text("name", name)?)?);
    })
}

/// The schema as JSON.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_to_json(
    schema: *const sealock_schema,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(serde_json::to_string_pretty(&*find(schema)?).map_err(|e| malformed("schema", &e))?));
    })
}

/// Reads a schema from JSON, in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_from_json(
    json: *const u8,
    json_length: usize,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let json = c.bytes("json", json, json_length)?;
        let schema: Schema = serde_json::from_slice(json).map_err(|e| malformed("schema", &e))?;
        out.issue(schema);
    })
}

/// The schema's canonical encoding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_to_bytes(
    schema: *const sealock_schema,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(schema)?.to_bytes()));
    })
}

/// Reads the canonical encoding of a schema.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_from_bytes(
    bytes: *const u8,
    bytes_length: usize,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Schema::from_bytes(c.bytes("bytes", bytes, bytes_length)?)?);
    })
}

/// One line of text per column: name, domain, use, meaning.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_to_text(
    schema: *const sealock_schema,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(schema)?.to_string()));
    })
}

/// How many columns there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_count(
    schema: *const sealock_schema,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(schema)?.columns().len());
    })
}

/// The name of a column, counted from 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_column_name(
    schema: *const sealock_schema,
    index: usize,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(crate::exchange::element(find(schema)?.columns(), index)?.name));
    })
}

/// What names the schema in manifests, policies and receipts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_digest(
    schema: *const sealock_schema,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*find(schema)?.digest().as_bytes());
    })
}

/// Frees a schema. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_schema_free(schema: *mut sealock_schema) -> sealock_status {
    free(schema)
}

/// A schema that something else keeps.
pub(crate) fn copied(schema: &Schema) -> Arc<Schema> {
    Arc::new(schema.clone())
}

fn malformed(what: &str, why: &serde_json::Error) -> Failure {
    let hint = "pass JSON as this library writes it";
    Failure::with_hint(ErrorKind::Malformed, format!("not a valid {what}: {why}"), hint)
}
