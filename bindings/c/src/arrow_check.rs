//! What can be told of Arrow's C structures before they are read.
//!
//! The Arrow library asserts what the C data interface asks for, or takes it for granted. Here the fields of the structures
//! themselves are checked. The sizes of buffers are the caller's word: the structures do not tell them.

use std::ffi::{CStr, c_char, c_void};

use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};

/// How deep types may nest.
const MAX_DEPTH: usize = 64;
/// How many columns there may be, nested ones included.
const MAX_NODES: usize = 65_536;
/// How many entries the metadata of a column may have.
const MAX_METADATA: i32 = 65_536;
/// Rows, and the offset of the first: no more fit in memory, and their bytes can still be counted.
const MAX_ROWS: i64 = 1 << 40;

/// `struct ArrowSchema`.
#[repr(C)]
pub(crate) struct RawSchema {
    format: *const c_char,
    name: *const c_char,
    metadata: *const c_char,
    flags: i64,
    n_children: i64,
    children: *const *const RawSchema,
    dictionary: *const RawSchema,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    private_data: *const c_void,
}

/// `struct ArrowArray`.
#[repr(C)]
pub(crate) struct RawArray {
    length: i64,
    null_count: i64,
    offset: i64,
    n_buffers: i64,
    n_children: i64,
    buffers: *const *const c_void,
    children: *const *const RawArray,
    dictionary: *const RawArray,
    release: Option<unsafe extern "C" fn(*mut c_void)>,
    private_data: *const c_void,
}

const _: () = assert!(size_of::<RawSchema>() == size_of::<FFI_ArrowSchema>());
const _: () = assert!(size_of::<RawArray>() == size_of::<FFI_ArrowArray>());

/// Checks a schema, and puts out its format.
///
/// # Errors
/// What is wrong, and with which column.
pub(crate) fn check_schema(schema: &FFI_ArrowSchema) -> Result<&str, String> {
    // SAFETY: the types have the same layout.
    let raw = unsafe { &*(&raw const *schema).cast::<RawSchema>() };
    let mut nodes = 0;
    raw.check(MAX_DEPTH, &mut nodes)?;
    raw.format()
}

/// Checks an array against its schema, which was checked.
///
/// # Errors
/// As [`check_schema`].
pub(crate) fn check_array(array: &FFI_ArrowArray, schema: &FFI_ArrowSchema) -> Result<(), String> {
    // SAFETY: the types have the same layout.
    let (array, schema) =
        unsafe { (&*(&raw const *array).cast::<RawArray>(), &*(&raw const *schema).cast::<RawSchema>()) };
    array.check(schema, 0)
}

/// A text that may not be NULL.
fn text<'a>(what: &str, text: *const c_char) -> Result<&'a str, String> {
    if text.is_null() {
        return Err(format!("the {what} is NULL"));
    }
    // SAFETY: the header asks of the caller what the C data interface asks: texts end with NUL.
    let text = unsafe { CStr::from_ptr(text) };
    text.to_str().map_err(|_| format!("the {what} is not UTF-8"))
}

/// The children of a structure: so many live ones.
fn children<'a, T>(what: &str, count: i64, children: *const *const T) -> Result<Vec<&'a T>, String> {
    let count = usize::try_from(count).map_err(|_| format!("{what}: n_children is {count}"))?;
    if count > MAX_NODES {
        return Err(format!("{what}: n_children is {count}, more than {MAX_NODES}"));
    }
    if count > 0 && (children.is_null() || !children.is_aligned()) {
        return Err(format!("{what}: n_children is {count}, and children is {children:p}"));
    }
    let child = |i| {
        // SAFETY: by the C data interface there are as many pointers as children.
        let child = unsafe { *children.add(i) };
        // SAFETY: a child that is not NULL is a structure of this type.
        unsafe { child.as_ref() }.ok_or_else(|| format!("{what}: child {i} is NULL"))
    };
    (0..count).map(child).collect()
}

impl RawSchema {
    fn format(&self) -> Result<&str, String> {
        text("format", self.format)
    }

    /// The name, for messages.
    fn shown(&self) -> String {
        if self.name.is_null() {
            "a column without a name".into()
        } else {
            text("name", self.name).map_or_else(|e| e, |name| format!("column {name:?}"))
        }
    }

    fn children(&self) -> Result<Vec<&Self>, String> {
        children(&self.shown(), self.n_children, self.children)
    }

    fn check(&self, depth: usize, nodes: &mut usize) -> Result<(), String> {
        if !self.name.is_null() {
            text("name", self.name)?;
        }
        let what = self.shown();
        if depth == 0 {
            return Err(format!("{what} is nested deeper than {MAX_DEPTH}"));
        }
        *nodes += 1;
        if *nodes > MAX_NODES {
            return Err(format!("there are more than {MAX_NODES} columns"));
        }
        if self.release.is_none() {
            return Err(format!("{what}: the schema is released"));
        }
        let format = self.format().map_err(|e| format!("{what}: {e}"))?;
        self.check_metadata().map_err(|e| format!("{what}: {e}"))?;
        let wanted = match format {
            "+l" | "+L" | "+vl" | "+vL" | "+m" => Some(1),
            "+r" => Some(2),
            _ if format.starts_with("+w:") => Some(1),
            _ if format.starts_with('+') => None,
            _ => Some(0),
        };
        let children = self.children()?;
        if wanted.is_some_and(|wanted| wanted != children.len()) {
            let wanted = wanted.unwrap_or_default();
            return Err(format!("{what}: format {format:?} has {wanted} children, got {}", children.len()));
        }
        for child in children {
            child.check(depth - 1, nodes)?;
        }
        // SAFETY: by the C data interface, it is NULL or a schema.
        if let Some(dictionary) = unsafe { self.dictionary.as_ref() } {
            if !matches!(format, "c" | "C" | "s" | "S" | "i" | "I" | "l" | "L") {
                return Err(format!("{what}: the keys of a dictionary are integers, not of format {format:?}"));
            }
            dictionary.check(depth - 1, nodes)?;
        }
        Ok(())
    }

    /// The Arrow library makes room for as many entries as the metadata says that it has.
    fn check_metadata(&self) -> Result<(), String> {
        if self.metadata.is_null() {
            return Ok(());
        }
        // SAFETY: by the C data interface, metadata begin with the number of entries, not aligned.
        let count = unsafe { self.metadata.cast::<i32>().read_unaligned() };
        if (0..=MAX_METADATA).contains(&count) { Ok(()) } else { Err(format!("metadata of {count} entries")) }
    }
}

impl RawArray {
    /// `rows`: at least so many there have to be.
    fn check(&self, schema: &RawSchema, rows: i64) -> Result<(), String> {
        let what = schema.shown();
        let Self { length, offset, null_count, n_buffers, .. } = *self;
        if self.release.is_none() {
            return Err(format!("{what}: the array is released"));
        }
        if length < 0 || offset < 0 || length > MAX_ROWS || offset > MAX_ROWS {
            return Err(format!("{what}: length {length}, offset {offset}"));
        }
        if length < rows {
            return Err(format!("{what}: length {length}, less than the {rows} rows of what it is part of"));
        }
        if !(-1..=length).contains(&null_count) {
            return Err(format!("{what}: null_count {null_count}, length {length}"));
        }
        if !(0..=MAX_ROWS).contains(&n_buffers)
            || (n_buffers > 0 && (self.buffers.is_null() || !self.buffers.is_aligned()))
        {
            return Err(format!("{what}: n_buffers is {n_buffers}, and buffers is {:p}", self.buffers));
        }
        let format = schema.format()?;
        let has_mask = !(format == "n" || format == "+r" || format.starts_with("+u"));
        if has_mask && null_count > 0 && (n_buffers == 0 || self.buffer(0).is_null()) {
            return Err(format!("{what}: null_count is {null_count}, and there is no validity bitmap"));
        }
        self.check_sizes(format).map_err(|e| format!("{what}: {e}"))?;

        let (parts, columns) = (children(&what, self.n_children, self.children)?, schema.children()?);
        if parts.len() != columns.len() {
            return Err(format!("{what}: the schema has {} children, the array {}", columns.len(), parts.len()));
        }
        let rows = if format == "+s" { length + offset } else { 0 };
        for (part, column) in parts.into_iter().zip(columns) {
            part.check(column, rows)?;
        }
        // SAFETY: by the C data interface, they are NULL or structures of their types.
        match unsafe { (self.dictionary.as_ref(), schema.dictionary.as_ref()) } {
            (None, None) => Ok(()),
            (Some(values), Some(schema)) => values.check(schema, 0),
            (None, Some(_)) => Err(format!("{what}: the schema has a dictionary, the array has none")),
            (Some(_), None) => Err(format!("{what}: the array has a dictionary, the schema has none")),
        }
    }

    /// Where the size of one buffer is written in another, it is a size.
    fn check_sizes(&self, format: &str) -> Result<(), String> {
        let rows = (self.length + self.offset) as usize;
        match format {
            "u" | "z" | "+l" | "+m" => self.check_last_offset::<i32>(rows),
            "U" | "Z" | "+L" => self.check_last_offset::<i64>(rows),
            "vu" | "vz" => {
                let buffers = self.n_buffers;
                let sizes = if buffers < 3 {
                    return Err(format!("format {format:?} has at least 3 buffers, got {buffers}"));
                } else {
                    buffers as usize - 3
                };
                let list = self.buffer(buffers as usize - 1).cast::<i64>();
                if sizes > 0 && (list.is_null() || !list.is_aligned()) {
                    return Err(format!("the sizes of its buffers are at {list:p}"));
                }
                // SAFETY: by the C data interface, the last buffer has the size of each that holds text.
                let negative = (0..sizes).map(|i| unsafe { *list.add(i) }).find(|size| *size < 0);
                negative.map_or(Ok(()), |size| Err(format!("a buffer of {size} bytes")))
            }
            _ => Ok(()),
        }
    }

    fn check_last_offset<T: Copy + PartialOrd + Default + std::fmt::Display>(&self, rows: usize) -> Result<(), String> {
        let offsets = if self.n_buffers < 2 { std::ptr::null() } else { self.buffer(1).cast::<T>() };
        if rows == 0 || offsets.is_null() {
            // The Arrow library says what is missing.
            return Ok(());
        }
        if !offsets.is_aligned() {
            return Err(format!("offsets at {offsets:p}, which is not aligned"));
        }
        // SAFETY: by the C data interface, there is one more offset than there are rows.
        let last = unsafe { *offsets.add(rows) };
        if last < T::default() { Err(format!("the last offset is {last}")) } else { Ok(()) }
    }

    fn buffer(&self, index: usize) -> *const c_void {
        // SAFETY: by the C data interface, there are `n_buffers` pointers; callers ask for less.
        unsafe { *self.buffers.add(index) }
    }
}
