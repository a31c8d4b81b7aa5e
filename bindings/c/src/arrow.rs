//! Arrow
//!
//! Tables come and go over the Arrow C data interface and the C stream interface
//! (<https://arrow.apache.org/docs/format/CDataInterface.html>), whose structures are defined above.
//!
//! **What comes in is taken over in any case**, whether the call succeeds or fails: the caller's structure is marked as
//! released, and the library calls `release` once. The exceptions are a call whose `error` is no pointer, and a call in the
//! child of a fork.
//! What goes out belongs to the caller, who calls `release` once.
//!
//! The structures are checked, and so is what they hold: what is wrong with them gives SEALOCK_ERROR_MALFORMED. One thing is
//! trusted, as the interface asks: buffers must be as long as lengths, types and offsets say.

use std::ffi::CStr;
use std::fmt::Display;
use std::panic::AssertUnwindSafe;

use arrow::array::{RecordBatch, RecordBatchIterator, StructArray};
use arrow::datatypes::SchemaRef;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use sealock::ErrorKind;

use crate::arrow_check::{check_array, check_schema};
use crate::call::{Caller, Out, caught};
use crate::error::Failure;

/// `struct ArrowArrayStream`.
pub(crate) type ArrowArrayStream = FFI_ArrowArrayStream;
/// `struct ArrowArray`.
pub(crate) type ArrowArray = FFI_ArrowArray;
/// `struct ArrowSchema`.
pub(crate) type ArrowSchema = FFI_ArrowSchema;

fn malformed(why: impl Display) -> Failure {
    let hint = "see https://arrow.apache.org/docs/format/CDataInterface.html for what the structures have to hold";
    Failure::with_hint(ErrorKind::Malformed, format!("not valid Arrow data: {why}"), hint)
}

/// Takes a stream over. It is released when this is dropped.
pub(crate) fn take_stream(caller: &Caller, stream: *mut ArrowArrayStream) -> Result<ArrowArrayStream, Failure> {
    caller.take("stream", stream, ArrowArrayStream::empty())
}

/// Takes an array and its schema over. They are released when this is dropped.
pub(crate) fn take_array(
    caller: &Caller,
    schema: *mut ArrowSchema,
    array: *mut ArrowArray,
) -> Result<(ArrowSchema, ArrowArray), Failure> {
    // Both are taken before either is looked at.
    let schema = caller.take("arrow_schema", schema, ArrowSchema::empty());
    let array = caller.take("arrow_array", array, ArrowArray::empty());
    Ok((schema?, array?))
}

/// A schema of columns that was checked.
struct Checked(ArrowSchema);

impl Checked {
    fn new(name: &str, schema: ArrowSchema) -> Result<Self, Failure> {
        let format = check_schema(&schema).map_err(malformed)?;
        if format == "+s" {
            return Ok(Self(schema));
        }
        Err(Failure::argument(name, "format +s, a struct of columns", &format!("{format:?}")))
    }

    /// The batch that a struct array is.
    fn batch(&self, name: &str, array: ArrowArray) -> Result<RecordBatch, Failure> {
        check_array(&array, &self.0).map_err(malformed)?;
        // What the Arrow library asserts is said of the data, too.
        let import = AssertUnwindSafe(|| {
            // SAFETY: the header asks of the caller what the C data interface asks.
            let data = unsafe { from_ffi(array, &self.0) }.map_err(malformed)?;
            data.validate_full().map_err(malformed)?;
            if data.null_count() > 0 {
                let got = "one with null rows";
                return Err(Failure::argument(name, "a struct of columns that is nowhere null", got));
            }
            Ok(RecordBatch::from(StructArray::from(data)))
        });
        caught(import).unwrap_or_else(|said| Err(malformed(said)))
    }
}

/// The batch that an array and its schema are.
pub(crate) fn read_array((schema, array): (ArrowSchema, ArrowArray)) -> Result<RecordBatch, Failure> {
    Checked::new("arrow_schema", schema)?.batch("arrow_array", array)
}

/// All batches of a stream.
pub(crate) fn read_stream(mut stream: ArrowArrayStream) -> Result<Vec<RecordBatch>, Failure> {
    if stream.release.is_none() {
        return Err(malformed("the stream is released"));
    }
    let (Some(get_schema), Some(get_next)) = (stream.get_schema, stream.get_next) else {
        return Err(Failure::argument("stream", "callbacks get_schema and get_next", "none"));
    };
    let mut schema = ArrowSchema::empty();
    // SAFETY: the header asks of the caller what the C stream interface asks.
    let code = unsafe { get_schema(&raw mut stream, &raw mut schema) };
    if code != 0 {
        // What a callback that failed left there is nothing.
        std::mem::forget(schema);
        return Err(refused(&mut stream, "get_schema", code));
    }
    let schema = Checked::new("stream", schema)?;
    let mut batches = Vec::new();
    loop {
        let mut array = ArrowArray::empty();
        // SAFETY: as above.
        let code = unsafe { get_next(&raw mut stream, &raw mut array) };
        if code != 0 {
            std::mem::forget(array);
            return Err(refused(&mut stream, "get_next", code));
        }
        if array.is_released() {
            return Ok(batches);
        }
        batches.push(schema.batch("stream", array)?);
    }
}

/// What a stream says of its own failure, if it says anything.
fn refused(stream: &mut ArrowArrayStream, callback: &str, code: i32) -> Failure {
    let said = stream.get_last_error.map_or(std::ptr::null(), |get_last_error| {
        // SAFETY: the header asks of the caller what the C stream interface asks.
        unsafe { get_last_error(&raw mut *stream) }
    });
    if said.is_null() {
        return malformed(format!("the stream's {callback} failed with code {code}, and does not say why"));
    }
    // SAFETY: by the C stream interface it is NULL or a text that ends with NUL.
    let said = unsafe { CStr::from_ptr(said) }.to_string_lossy();
    malformed(format!("the stream's {callback} failed with code {code}: {said}"))
}

/// Puts out batches as a stream of the caller's.
pub(crate) fn put_stream(out: Out<ArrowArrayStream>, schema: SchemaRef, batches: Vec<RecordBatch>) {
    let batches = RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
    out.put(ArrowArrayStream::new(Box::new(batches)));
}

/// Where a stream is to be put. It is a released one until then.
pub(crate) fn stream_out(caller: &Caller, out: *mut ArrowArrayStream) -> Result<Out<ArrowArrayStream>, Failure> {
    caller.out_with("out", out, ArrowArrayStream::empty())
}
