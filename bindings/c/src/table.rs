//! Tables
//!
//! Data that keeps to its schema. Columns are found by name, in any order; all columns of the schema must be there. A
//! column that the schema does not name is an error, so that nothing is published by accident, unless `drop_extra` is not
//! 0. Numbers become stored units exactly; floats may differ from one by floating-point noise.
//!
//! All of the functions that read a table fail with SEALOCK_ERROR_SCHEMA_MISMATCH or SEALOCK_ERROR_OUT_OF_DOMAIN, naming
//! column and row, and with SEALOCK_ERROR_MALFORMED for what cannot be read.

use std::ffi::c_char;

use sealock::asset::{Loader, Table};

use crate::arrow::{
    ArrowArray, ArrowArrayStream, ArrowSchema, put_stream, read_array, read_stream, stream_out, take_array, take_stream,
};
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::error::{Failure, sealock_error, sealock_status};
use crate::handle::{find, handles};
use crate::schema::{copied, sealock_schema};

/// Data that keeps to its schema, in memory: 8 bytes per value.
///
/// Made by: `sealock_table_from_...`. Freed by: `sealock_table_free`. It never changes; thread-safe.
pub struct sealock_table {
    _opaque: (),
}

handles! { sealock_table => Table }

fn loader(schema: *const sealock_schema, drop_extra: i32) -> Result<Loader, Failure> {
    let loader = Table::loader(find(schema)?);
    Ok(if drop_extra == 0 { loader } else { loader.drop_extra() })
}

/// Reads an Arrow stream to its end. The stream is taken over in any case, see Arrow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_from_arrow_stream(
    schema: *const sealock_schema,
    stream: *mut ArrowArrayStream,
    drop_extra: i32,
    out: *mut *mut sealock_table,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        // What comes in is taken over even where there is nowhere to put a table.
        let (out, stream) = (c.out("out", out), take_stream(c, stream));
        let out = out?;
        out.issue(loader(schema, drop_extra)?.batches(read_stream(stream?)?)?);
    })
}

/// Reads one Arrow array: a struct of columns. It and its schema are taken over in any case, see Arrow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_from_arrow_array(
    schema: *const sealock_schema,
    arrow_schema: *mut ArrowSchema,
    arrow_array: *mut ArrowArray,
    drop_extra: i32,
    out: *mut *mut sealock_table,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        // What comes in is taken over even where there is nowhere to put a table.
        let (out, array) = (c.out("out", out), take_array(c, arrow_schema, arrow_array));
        let out = out?;
        out.issue(loader(schema, drop_extra)?.batches([read_array(array?)?])?);
    })
}

/// Reads a CSV file (RFC 4180) with a header, in memory. An empty field is a missing value.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_from_csv(
    schema: *const sealock_schema,
    csv: *const u8,
    csv_length: usize,
    drop_extra: i32,
    out: *mut *mut sealock_table,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(loader(schema, drop_extra)?.csv(c.bytes("csv", csv, csv_length)?)?);
    })
}

/// Opens and reads a CSV file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_from_csv_file(
    schema: *const sealock_schema,
    path: *const c_char,
    drop_extra: i32,
    out: *mut *mut sealock_table,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(loader(schema, drop_extra)?.csv_file(c.text("path", path)?)?);
    })
}

/// Reads a Parquet file, in memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_from_parquet(
    schema: *const sealock_schema,
    parquet: *const u8,
    parquet_length: usize,
    drop_extra: i32,
    out: *mut *mut sealock_table,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let parquet = c.bytes("parquet", parquet, parquet_length)?.to_vec();
        out.issue(loader(schema, drop_extra)?.parquet_bytes(parquet)?);
    })
}

/// Opens and reads a Parquet file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_from_parquet_file(
    schema: *const sealock_schema,
    path: *const c_char,
    drop_extra: i32,
    out: *mut *mut sealock_table,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(loader(schema, drop_extra)?.parquet_file(c.text("path", path)?)?);
    })
}

/// How many rows there are.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_rows(
    table: *const sealock_table,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(table)?.len());
    })
}

/// What the table keeps to.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_schema(
    table: *const sealock_table,
    out: *mut *mut sealock_schema,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(copied(find(table)?.schema()));
    })
}

/// The table as an Arrow stream: `Boolean`, `Dictionary(Int32, Utf8)`, `Int64`, `Decimal128`, in batches of at most 65,536
/// rows. The stream outlives the table; the caller releases it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_to_arrow_stream(
    table: *const sealock_table,
    out: *mut ArrowArrayStream,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = stream_out(c, out)?;
        let table = find(table)?;
        put_stream(out, table.arrow_schema(), table.to_batches());
    })
}

/// The table as Parquet, compressed with Zstandard. Equal tables give equal bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_to_parquet(
    table: *const sealock_table,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(table)?.to_parquet()?));
    })
}

/// Frees a table. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_table_free(table: *mut sealock_table) -> sealock_status {
    free(table)
}
