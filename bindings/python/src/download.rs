//! `DownloadOrder`, `DownloadTicket` and `Download`: the data itself.

use std::io::{Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sealock::envelope::EnvelopeError;
use sealock::job::JobId;
use sealock::{download, order, store};

use crate::asset::Asset;
use crate::call::{Call, quick};
use crate::convert;
use crate::error::{Failure, Result};
use crate::file::Place;
use crate::frame::Table;
use crate::job::{JobRequest, Receipt, SealedResult};
use crate::owner::revocation;

/// The right to an asset's data, some number of times. It pays for no query. From `Consumer.order_download`.
#[pyclass(frozen, module = "sealock")]
pub struct DownloadOrder(pub Arc<order::DownloadOrder>);

#[pymethods]
impl DownloadOrder {
    /// The asset.
    #[getter]
    fn asset(&self) -> Asset {
        Asset(self.0.asset().clone())
    }

    /// Its place among the download orders of the asset, from 0.
    #[getter]
    fn index(&self) -> u64 {
        self.0.record().index
    }

    /// For how many downloads it pays.
    #[getter]
    fn uses(&self) -> u64 {
        self.0.record().limit
    }

    /// Uses that are left, as far as this wallet knows.
    #[getter]
    fn uses_left(&self, py: Python<'_>) -> Result<u64> {
        quick(py, || Ok(self.0.uses_left()?))
    }

    /// The last second in which it is valid.
    #[getter]
    fn expires<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        convert::from_timestamp(py, self.0.record().expiry)
    }

    /// The revocation of the order, if its seller has announced one; it may have yet to take effect.
    #[getter]
    fn revocation<'py>(&self, py: Python<'py>) -> Result<Option<Bound<'py, PyAny>>> {
        let order = Arc::clone(&self.0);
        let revoked = Call::default().run(py, move |_| Ok(order.revocation()?))?;
        Ok(revoked.map(|revoked| revocation(py, &revoked)).transpose()?)
    }

    /// Makes the request for the data's key: a fresh key for it to be wrapped for, and a proof that some order pays. Takes the
    /// order's next use. An interrupted call may have taken one: see `Consumer.download_tickets`.
    #[pyo3(signature = (*, progress = None))]
    fn request<'py>(&self, py: Python<'py>, progress: Option<Bound<'py, PyAny>>) -> Result<DownloadTicket> {
        let order = Arc::clone(&self.0);
        let call = Call::default().progress(progress)?;
        call.run(py, move |progress| Ok(DownloadTicket::new(order.request_with(progress)?)))
    }

    /// As `request`, for a use of your choice, from 0: when the wallet is lost.
    fn request_use(&self, py: Python<'_>, use_index: &Bound<'_, PyAny>) -> Result<DownloadTicket> {
        let (order, index) = (Arc::clone(&self.0), convert::whole("use_index", use_index)?);
        Call::default().run(py, move |_| Ok(DownloadTicket::new(order.request_use(index)?)))
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0)
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("DownloadOrder", "it holds a secret; Consumer.download_orders finds it again"))
    }
}

/// The consumer's half of a download: the request to send, and the key that its result is sealed to.
#[pyclass(frozen, module = "sealock")]
pub struct DownloadTicket {
    ticket: Arc<Mutex<order::DownloadTicket>>,
    /// As in `JobTicket`: readers do not wait for a proof.
    request: Arc<Mutex<JobRequest>>,
    job: JobId,
}

fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Tickets are replaced as a whole, and readers seek before they read.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl DownloadTicket {
    pub fn new(ticket: order::DownloadTicket) -> Self {
        let request = Arc::new(Mutex::new(JobRequest(ticket.request().clone())));
        Self { job: ticket.job(), ticket: Arc::new(Mutex::new(ticket)), request }
    }
}

#[pymethods]
impl DownloadTicket {
    /// The request to send: `Node.run` takes it. Sending it twice is asking once.
    #[getter]
    fn request(&self, py: Python<'_>) -> Result<JobRequest> {
        quick(py, || Ok(JobRequest(lock(&self.request).0.clone())))
    }

    /// The name of the job.
    #[getter]
    fn job(&self) -> String {
        self.job.to_string()
    }

    /// Proves the same request again, for the present time: when a node was out of reach for more than a few minutes.
    fn renew(&self, py: Python<'_>) -> Result<()> {
        let (ticket, request) = (Arc::clone(&self.ticket), Arc::clone(&self.request));
        Call::default().run(py, move |_| {
            let mut ticket = lock(&ticket);
            ticket.renew()?;
            *lock(&request) = JobRequest(ticket.request().clone());
            Ok(())
        })
    }

    /// Opens the result: checks that the receipt is the owner's and is about this job and this result, unwraps the data's
    /// key, and checks that it opens what the asset describes.
    fn open(&self, py: Python<'_>, result: &SealedResult, receipt: &Receipt) -> Result<Download> {
        let (ticket, result, receipt) = (Arc::clone(&self.ticket), result.0.clone(), receipt.0.clone());
        Call::default().run(py, move |_| Download::new(lock(&ticket).open(&result, &receipt)?))
    }

    fn __repr__(&self) -> String {
        format!("DownloadTicket({})", self.job)
    }

    fn __reduce__(&self) -> Result<()> {
        let why = "it holds the key of the result; Consumer.download_tickets finds it again";
        Err(Failure::not_pickled("DownloadTicket", why))
    }
}

/// An asset's data, in the hands of somebody who may decrypt it: a buyer, a named recipient, the owner. Nothing is read until
/// it is asked for.
#[pyclass(frozen, module = "sealock")]
pub struct Download {
    inner: Arc<download::Download>,
    size: u64,
}

impl Download {
    pub fn new(inner: download::Download) -> Result<Self> {
        Ok(Self { size: inner.size()?, inner: Arc::new(inner) })
    }
}

#[pymethods]
impl Download {
    /// The asset.
    #[getter]
    fn asset(&self) -> Asset {
        Asset(self.inner.asset().clone())
    }

    /// The CID of the manifest: what the data consists of, and who signed it.
    #[getter]
    fn manifest(&self) -> String {
        self.inner.manifest().cid().to_string()
    }

    /// Bytes of the table as Parquet.
    #[getter]
    fn size(&self) -> u64 {
        self.size
    }

    /// The table, checked against the asset's schema, in memory.
    ///
    /// With `columns` (names) or `rows` (a `range`) no more than these are fetched and decrypted, and `progress` is not told.
    #[pyo3(signature = (columns = None, rows = None, *, progress = None))]
    fn table<'py>(
        &self,
        py: Python<'py>,
        columns: Option<&Bound<'py, PyAny>>,
        rows: Option<&Bound<'py, PyAny>>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<Table> {
        let download = Arc::clone(&self.inner);
        let columns = columns.map(|columns| convert::texts("columns", columns)).transpose()?;
        let rows = rows.map(|rows| convert::range("rows", rows)).transpose()?;
        Call::default().progress(progress)?.run(py, move |progress| {
            let table = if columns.is_none() && rows.is_none() {
                download.table_with(progress)?
            } else {
                let stored = download.columns()?;
                let all = || stored.schema().columns().iter().map(|column| column.name.clone()).collect();
                let names: Vec<String> = columns.unwrap_or_else(all);
                stored.read(names.iter().map(String::as_str), rows.unwrap_or(0..stored.rows()))?
            };
            Ok(Table(Arc::new(table)))
        })
    }

    /// Writes the table as Parquet to a path or to a binary file, in constant memory, and returns its length in bytes.
    ///
    /// A file at a path is replaced when all of it was written, and not touched before. Another file holds a beginning if an
    /// error comes.
    #[pyo3(signature = (target, *, progress = None))]
    fn write_to<'py>(
        &self,
        py: Python<'py>,
        target: &Bound<'py, PyAny>,
        progress: Option<Bound<'py, PyAny>>,
    ) -> Result<u64> {
        let (download, place) = (Arc::clone(&self.inner), Place::read("target", "write", target)?);
        Call::default()
            .progress(progress)?
            .run(py, move |progress| place.write(|sink| Ok(download.write_to_with(sink, progress)?)))
    }

    /// The table's Parquet as a file that is read at any place: `pyarrow.parquet.ParquetFile(download.reader())`. Only what is
    /// read is fetched and decrypted.
    fn reader<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyAny>> {
        let download = Arc::clone(&self.inner);
        let reader = Call::default().run(py, move |_| Ok(Reader(Arc::new(Mutex::new(download.reader()?)))))?;
        Ok(py.import("sealock._file")?.call_method1("SealedFile", (reader, self.size))?)
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.inner)
    }

    fn __reduce__(&self) -> Result<()> {
        Err(Failure::not_pickled("Download", "it holds the key of the data; write the data to a file"))
    }
}

/// The native half of `SealedFile`.
#[pyclass(frozen, name = "_Reader", module = "sealock._sealock")]
pub struct Reader(Arc<Mutex<download::DataReader>>);

#[pymethods]
impl Reader {
    /// Up to `length` bytes from `offset` on; fewer only at the end.
    fn read_at<'py>(&self, py: Python<'py>, offset: u64, length: u64) -> Result<Bound<'py, PyBytes>> {
        let reader = Arc::clone(&self.0);
        let bytes = Call::default().run(py, move |_| {
            let mut reader = lock(&reader);
            let mut bytes = Vec::new();
            let read = reader.seek(SeekFrom::Start(offset)).and_then(|_| {
                let length = length.min(reader.size().saturating_sub(offset));
                bytes.reserve_exact(usize::try_from(length).unwrap_or(usize::MAX));
                (&mut *reader).take(length).read_to_end(&mut bytes)
            });
            match read {
                Ok(_) => Ok(bytes),
                Err(error) => Err(said(error)),
            }
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// How many chunks of 16 KiB have been fetched and decrypted so far.
    #[getter]
    fn chunks_opened(&self, py: Python<'_>) -> Result<u64> {
        quick(py, || Ok(lock(&self.0).chunks_opened()))
    }
}

/// The library's own error, where a reader passed one on.
fn said(error: std::io::Error) -> Failure {
    let error = match error.downcast::<EnvelopeError>() {
        Ok(error) => return error.into(),
        Err(error) => error,
    };
    match error.downcast::<store::StoreError>() {
        Ok(error) => error.into(),
        Err(source) => store::StoreError::Io { what: "reading the data".into(), source }.into(),
    }
}
