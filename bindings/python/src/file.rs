//! Files of the caller's: a path, or an object of Python's to write to or to read from.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::exceptions::{PyBlockingIOError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sealock::store::StoreError;

use crate::call::closing;
use crate::convert;
use crate::error::{Failure, Result};

/// Every piece that is handed to a Python object takes the interpreter once.
const BUFFER: usize = 1 << 20;

/// Tells the files of this process apart that are being written.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A path, or a Python object.
pub enum Place {
    Path(PathBuf),
    Object(Object),
}

impl Place {
    /// Something with the method `method`, or a path.
    pub fn read(what: &str, method: &str, object: &Bound<'_, PyAny>) -> Result<Self> {
        if object.hasattr(method)? {
            let raw = object.py().import("io")?.getattr("RawIOBase")?;
            let raw = object.is_instance(&raw)?;
            return Ok(Place::Object(Object { object: object.clone().unbind(), raw, raised: Arc::default() }));
        }
        match object.extract() {
            Ok(path) => Ok(Place::Path(path)),
            Err(_) => Err(Failure::wrong_type(format!(
                "{what}: expected a path, or a binary file with {method}(), got {}",
                convert::type_name(object)
            ))),
        }
    }

    /// Writes to it. A file at a path is replaced when all of it was written, and not touched before.
    pub fn write<T>(self, work: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
        match self {
            Place::Object(object) => {
                let raised = Arc::clone(&object.raised);
                let mut out = BufWriter::with_capacity(BUFFER, object);
                let written = work(&mut out).and_then(|done| out.flush().map(|()| done).map_err(failed("writing")));
                // What is left of a call that failed stays unwritten.
                drop(out.into_parts());
                written.map_err(|failure| first(&raised, failure))
            }
            // A pipe or a device cannot be replaced.
            Place::Path(path) if fs::metadata(&path).is_ok_and(|found| !found.is_file()) => fill(&path, work),
            Place::Path(path) => {
                let mut partial = path.clone().into_os_string();
                partial.push(format!(".{}-{}.partial", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)));
                let partial = PathBuf::from(partial);
                let written = fill(&partial, work).and_then(|done| {
                    fs::rename(&partial, &path).map_err(failed(&path.display().to_string()))?;
                    Ok(done)
                });
                if written.is_err() {
                    // What is wrong has been said.
                    let _ = fs::remove_file(&partial);
                }
                written
            }
        }
    }

    /// Reads from it.
    pub fn read_from<T>(self, work: impl FnOnce(&mut (dyn Read + Send)) -> Result<T>) -> Result<T> {
        match self {
            Place::Object(object) => {
                let raised = Arc::clone(&object.raised);
                work(&mut BufReader::with_capacity(BUFFER, object)).map_err(|failure| first(&raised, failure))
            }
            Place::Path(path) => {
                let file = File::open(&path).map_err(failed(&path.display().to_string()))?;
                work(&mut BufReader::with_capacity(BUFFER, file))
            }
        }
    }
}

fn fill<T>(path: &Path, work: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
    let name = path.display().to_string();
    let mut out = BufWriter::with_capacity(BUFFER, File::create(path).map_err(failed(&name))?);
    let written = work(&mut out).and_then(|done| {
        out.flush().map_err(failed(&name))?;
        let file = out.get_ref();
        match file.sync_all() {
            // A pipe has nothing to sync.
            Err(e) if e.kind() != ErrorKind::InvalidInput => Err(failed(&name)(e)),
            _ => Ok(done),
        }
    });
    drop(out.into_parts());
    written
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> Failure {
    let what = what.to_owned();
    move |source| StoreError::Io { what, source }.into()
}

/// An object that is called from the thread that works.
pub struct Object {
    object: Py<PyAny>,
    /// Whether `None` means that it would block.
    raw: bool,
    /// What it raised: the library passes on no more than that it failed.
    raised: Arc<Mutex<Option<PyErr>>>,
}

/// What an object raised comes before what the library made of it.
fn first(raised: &Mutex<Option<PyErr>>, failure: Failure) -> Failure {
    raised.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(failure, Failure::Python)
}

impl Object {
    fn call<T>(&self, work: impl FnOnce(&Bound<'_, PyAny>) -> PyResult<T>) -> io::Result<T> {
        if closing() {
            return Err(io::Error::other("Python is shutting down"));
        }
        Python::attach(|py| work(self.object.bind(py))).map_err(|error| {
            let failed = io::Error::other(error.to_string());
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            failed
        })
    }
}

fn not_ready() -> PyErr {
    PyBlockingIOError::new_err("the file is not ready: pass one that blocks")
}

impl Write for Object {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.call(|file| {
            let written = file.call_method1("write", (PyBytes::new(file.py(), bytes),))?;
            match (written.is_none(), self.raw) {
                (true, true) => Err(not_ready()),
                // Objects that are no files of Python's own mostly return nothing.
                (true, false) => Ok(bytes.len()),
                _ => match written.extract::<usize>()? {
                    n if n <= bytes.len() => Ok(n),
                    n => Err(PyValueError::new_err(format!("write() says {n} bytes, of {}", bytes.len()))),
                },
            }
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call(|file| if file.hasattr("flush")? { file.call_method0("flush").map(drop) } else { Ok(()) })
    }
}

impl Read for Object {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|file| {
            let read = file.call_method1("read", (buffer.len(),))?;
            if read.is_none() {
                return Err(not_ready());
            }
            let read = read.cast::<PyBytes>().map_err(|_| {
                let got = convert::type_name(&read);
                PyTypeError::new_err(format!("read() returned {got}, expected bytes: open the file in binary mode"))
            })?;
            let bytes = read.as_bytes();
            match buffer.get_mut(..bytes.len()) {
                Some(start) => start.copy_from_slice(bytes),
                None => {
                    let why = format!("read({}) returned {} bytes", buffer.len(), bytes.len());
                    return Err(PyValueError::new_err(why));
                }
            }
            Ok(bytes.len())
        })
    }
}
