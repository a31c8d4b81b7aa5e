//! Arrow
//!
//! Tables come and go over the Arrow C data interface and the C stream interface
//! (<https://arrow.apache.org/docs/format/CDataInterface.html>), whose structures are defined above.
//!
//! **What comes in is taken over in any case**, whether the call succeeds or fails: the caller's structure is marked as
//! released, and the library calls `release` once. The one exception is a call whose `error` is no pointer.
//! What goes out belongs to the caller, who calls `release` once.
//!
//! The contents are trusted as the interface asks: buffers must be as long as lengths and types say.

use std::ffi::{c_char, c_void};

use arrow::array::{RecordBatch, RecordBatchIterator, StructArray};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema, from_ffi};
use arrow::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use sealock::asset::AssetError;

use crate::call::{Caller, Out};
use crate::error::Failure;

/// `struct ArrowArrayStream`.
pub(crate) type ArrowArrayStream = FFI_ArrowArrayStream;
/// `struct ArrowArray`.
pub(crate) type ArrowArray = FFI_ArrowArray;
/// `struct ArrowSchema`.
pub(crate) type ArrowSchema = FFI_ArrowSchema;

fn unreadable(why: &ArrowError) -> Failure {
    AssetError::Unreadable { format: "Arrow data", why: why.to_string() }.into()
}

/// Takes a stream over. It is released when this is dropped.
pub(crate) fn take_stream(caller: &Caller, stream: *mut ArrowArrayStream) -> Result<ArrowArrayStream, Failure> {
    caller.take("stream", stream, ArrowArrayStream::empty())
}

/// The front of a `struct ArrowSchema`, whose parts `FFI_ArrowSchema` hides.
#[derive(Clone, Copy)]
#[repr(C)]
struct SchemaLayout {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *const c_void,
    dictionary: *const c_void,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    private_data: *const c_void,
}

const _: () = assert!(size_of::<SchemaLayout>() == size_of::<ArrowSchema>());

/// Takes an array and its schema over.
pub(crate) fn take_array(
    caller: &Caller,
    schema: *mut ArrowSchema,
    array: *mut ArrowArray,
) -> Result<(ArrowSchema, ArrowArray), Failure> {
    // Both are taken before either is looked at.
    let layout = caller.peek("arrow_schema", schema.cast_const().cast::<SchemaLayout>());
    let schema = caller.take("arrow_schema", schema, ArrowSchema::empty());
    let array = caller.take("arrow_array", array, ArrowArray::empty())?;
    let (schema, layout) = (schema?, layout?);
    for (name, released) in [("arrow_schema", layout.release.is_none()), ("arrow_array", array.is_released())] {
        if released {
            return Err(Failure::argument(name, "a structure that is not released", "a released one"));
        }
    }
    let format = if layout.format.is_null() { "none" } else { schema.format() };
    if format != "+s" {
        return Err(Failure::argument("arrow_schema", "format +s, a struct of columns", format));
    }
    Ok((schema, array))
}

/// All batches of a stream.
pub(crate) fn read_stream(stream: ArrowArrayStream) -> Result<Vec<RecordBatch>, Failure> {
    if stream.release.is_some() && (stream.get_schema.is_none() || stream.get_next.is_none()) {
        return Err(Failure::argument("stream", "callbacks get_schema and get_next", "none"));
    }
    let reader = ArrowArrayStreamReader::try_new(stream).map_err(|e| unreadable(&e))?;
    reader.collect::<Result<_, _>>().map_err(|e| unreadable(&e))
}

/// The batch that a struct array is.
pub(crate) fn read_array((schema, array): (ArrowSchema, ArrowArray)) -> Result<RecordBatch, Failure> {
    // SAFETY: the header asks of the caller what the C data interface asks.
    let data = unsafe { from_ffi(array, &schema) }.map_err(|e| unreadable(&e))?;
    data.validate_full().map_err(|e| unreadable(&e))?;
    if data.null_count() > 0 {
        return Err(Failure::argument("arrow_array", "a struct of columns that is nowhere null", "one with null rows"));
    }
    Ok(RecordBatch::from(StructArray::from(data)))
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
