//! Downloads
//!
//! The data itself, for whoever the owner lets decrypt it. Where a policy says `sealock_policy_allow_download`, a consumer
//! orders a download, and sends a request as for a query; the node's result holds the data's key, sealed for the ticket. Who
//! was named as a recipient opens the data with `sealock_exchange_open_shared`, and the owner with `sealock_owner_download`.
//!
//! An order of downloads pays for no query, nor the other way round.

use std::ffi::c_char;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use sealock::download::Download;
use sealock::envelope::{EnvelopeError, SealedReader};
use sealock::order::{DownloadOrder, DownloadTicket};
use sealock::store::{Store, StoreError, unixfs};

use crate::arrow::{ArrowArrayStream, put_stream, stream_out};
use crate::asset::sealock_asset;
use crate::buffer::{Buffer, sealock_buffer};
use crate::call::{call, free};
use crate::consumer::sealock_consumer;
use crate::error::{Failure, sealock_error, sealock_status};
use crate::exchange::{element, sealock_exchange};
use crate::handle::{find, handles};
use crate::job::{sealock_request, sealock_result};
use crate::owner::sealock_owner;
use crate::receipt::sealock_receipt;
use crate::recipient::sealock_recipient_key;
use crate::store::written;
use crate::table::sealock_table;
use crate::watch::sealock_watch;

/// An order of an asset's data: the right to its key, some number of times.
///
/// Made by: `sealock_consumer_order_download`, `sealock_download_orders_get`. Freed by: `sealock_download_order_free`; the
/// order itself stays on the ledger. Thread-safe: each request takes a use of its own.
pub struct sealock_download_order {
    _opaque: (),
}

/// A list of orders of data.
///
/// Made by: `sealock_consumer_download_orders`. Freed by: `sealock_download_orders_free`. It never changes; thread-safe.
pub struct sealock_download_orders {
    _opaque: (),
}

/// A request for data with the key that its result is sealed to.
///
/// Made by: `sealock_download_order_request`, `sealock_download_order_request_use`, `sealock_download_tickets_get`. Freed by:
/// `sealock_download_ticket_free`; the keys stay in the wallet until `sealock_consumer_forget`. Thread-safe.
pub struct sealock_download_ticket {
    _opaque: (),
}

/// A list of tickets of downloads.
///
/// Made by: `sealock_consumer_download_tickets`. Freed by: `sealock_download_tickets_free`. It never changes; thread-safe.
pub struct sealock_download_tickets {
    _opaque: (),
}

/// An asset's data, in the hands of somebody who may decrypt it. Nothing is read until it is asked for; then no more is
/// fetched and decrypted than is asked for, and all of it is checked.
///
/// Made by: `sealock_download_ticket_open`, `sealock_exchange_open_shared`, `sealock_owner_download`. Freed by:
/// `sealock_download_free`, which wipes the key. Thread-safe.
pub struct sealock_download {
    _opaque: (),
}

handles! {
    sealock_download_order => DownloadOrder,
    sealock_download_orders => Vec<Arc<DownloadOrder>>,
    sealock_download_ticket => RwLock<DownloadTicket>,
    sealock_download_tickets => Vec<Arc<RwLock<DownloadTicket>>>,
    sealock_download => Data,
}

type Reader = SealedReader<unixfs::Reader<Arc<dyn Store>>>;

/// A download, and what reads it at any place.
pub(crate) struct Data {
    download: Download,
    reader: Mutex<Option<Reader>>,
}

impl From<Download> for Data {
    fn from(download: Download) -> Self {
        Self { download, reader: Mutex::new(None) }
    }
}

impl Data {
    fn read_at(&self, offset: u64, mut out: &mut [u8]) -> Result<usize, Failure> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // After an error, the next call begins anew.
        let mut open = match reader.take() {
            Some(open) => open,
            None => self.download.reader()?,
        };
        let left = usize::try_from(open.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = out.len().min(left);
        out = &mut out[..length];
        if length > 0 {
            open.seek(SeekFrom::Start(offset)).and_then(|_| open.read_exact(out)).map_err(reading)?;
        }
        *reader = Some(open);
        Ok(length)
    }
}

/// What went wrong while reading: an error of the library may have passed through the reader.
fn reading(error: io::Error) -> Failure {
    match error.downcast::<EnvelopeError>().map_err(io::Error::downcast::<StoreError>) {
        Ok(error) => error.into(),
        Err(Ok(error)) => error.into(),
        Err(Err(source)) => StoreError::Io { what: "reading the data".into(), source }.into(),
    }
}

fn with_ticket<T>(
    ticket: *const sealock_download_ticket,
    read: impl FnOnce(&DownloadTicket) -> Result<T, Failure>,
) -> Result<T, Failure> {
    read(&find(ticket)?.read().unwrap_or_else(PoisonError::into_inner))
}

/// Spends one datatoken on an order of the data itself.
///
/// Fails with SEALOCK_ERROR_POLICY_DENIED if the asset's policy allows no download; with SEALOCK_ERROR_INSUFFICIENT_BALANCE:
/// buy first.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_order_download(
    consumer: *const sealock_consumer,
    asset: *const sealock_asset,
    out: *mut *mut sealock_download_order,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(consumer)?.order_download(&*find(asset)?)?);
    })
}

/// As `sealock_consumer_orders`, the orders of the data itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_download_orders(
    consumer: *const sealock_consumer,
    asset: *const sealock_asset,
    out: *mut *mut sealock_download_orders,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let orders = find(consumer)?.download_orders(&*find(asset)?)?;
        out.issue(orders.into_iter().map(Arc::new).collect::<Vec<_>>());
    })
}

/// As `sealock_consumer_tickets`, the requests for data itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_consumer_download_tickets(
    consumer: *const sealock_consumer,
    out: *mut *mut sealock_download_tickets,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let tickets = find(consumer)?.download_tickets()?;
        out.issue(tickets.into_iter().map(|ticket| Arc::new(RwLock::new(ticket))).collect::<Vec<_>>());
    })
}

/// Makes the request for the data's key, and proves that some order pays for it. Takes the order's next use. The keys are in
/// the wallet before this returns. `watch` may be NULL.
///
/// Fails with SEALOCK_ERROR_POLICY_DENIED, and nothing was taken then; with SEALOCK_ERROR_USE_LIMIT_REACHED,
/// SEALOCK_ERROR_ORDER_EXPIRED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_order_request(
    order: *const sealock_download_order,
    watch: *const sealock_watch,
    out: *mut *mut sealock_download_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let order = find(order)?;
        let mut teller = c.watch("watch", watch)?.teller();
        out.issue(RwLock::new(order.request_with(&mut teller)?));
    })
}

/// As `sealock_download_order_request`, for a use of the caller's choice, counted from 0: see `sealock_order_request_use`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_order_request_use(
    order: *const sealock_download_order,
    use_index: u64,
    out: *mut *mut sealock_download_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(RwLock::new(find(order)?.request_use(use_index)?));
    })
}

/// Uses that are left, as far as this wallet knows.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_order_uses_left(
    order: *const sealock_download_order,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(order)?.uses_left()?);
    })
}

/// The last second in which the order is valid, since 1970-01-01 UTC.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_order_expiry(
    order: *const sealock_download_order,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(order)?.record().expiry);
    })
}

/// The asset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_order_asset(
    order: *const sealock_download_order,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(order)?.asset().clone());
    })
}

/// Frees an order. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_order_free(order: *mut sealock_download_order) -> sealock_status {
    free(order)
}

/// How many orders the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_orders_count(
    orders: *const sealock_download_orders,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(orders)?.len());
    })
}

/// An order of the list, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_orders_get(
    orders: *const sealock_download_orders,
    index: usize,
    out: *mut *mut sealock_download_order,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(orders)?, index)?);
    })
}

/// Frees a list of orders. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_orders_free(orders: *mut sealock_download_orders) -> sealock_status {
    free(orders)
}

/// The request to send, see `sealock_ticket_request`. A node runs it like any other.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_ticket_request(
    ticket: *const sealock_download_ticket,
    out: *mut *mut sealock_request,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(with_ticket(ticket, |ticket| Ok(ticket.request().clone()))?);
    })
}

/// The name of the job, a digest.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_ticket_job(
    ticket: *const sealock_download_ticket,
    out: *mut u8,
    out_length: usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.digest_out("out", out, out_length)?;
        out.put(*with_ticket(ticket, |ticket| Ok(ticket.job()))?.digest().as_bytes());
    })
}

/// Proves the same request again, see `sealock_ticket_renew`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_ticket_renew(
    ticket: *mut sealock_download_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |_| {
        find(ticket)?.write().unwrap_or_else(PoisonError::into_inner).renew()?;
    })
}

/// Opens the result: checks that the receipt is the owner's and is about this request and this result, unwraps the key, and
/// checks that it opens the data that the asset describes.
///
/// Fails with SEALOCK_ERROR_INVALID_ARGUMENT for a receipt or a result of another job; with SEALOCK_ERROR_BAD_SIGNATURE or
/// SEALOCK_ERROR_WRONG_KEY for one that is not for this request, or was changed; with SEALOCK_ERROR_INVALID_MANIFEST for the key of other data.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_ticket_open(
    ticket: *const sealock_download_ticket,
    result: *const sealock_result,
    receipt: *const sealock_receipt,
    out: *mut *mut sealock_download,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (result, receipt) = (find(result)?, find(receipt)?);
        out.issue(Data::from(with_ticket(ticket, |ticket| Ok(ticket.open(&result, &receipt)?))?));
    })
}

/// Frees a ticket. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_ticket_free(ticket: *mut sealock_download_ticket) -> sealock_status {
    free(ticket)
}

/// How many tickets the list holds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_tickets_count(
    tickets: *const sealock_download_tickets,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(tickets)?.len());
    })
}

/// A ticket of the list, counted from 0. It outlives the list.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_tickets_get(
    tickets: *const sealock_download_tickets,
    index: usize,
    out: *mut *mut sealock_download_ticket,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(element(&find(tickets)?, index)?);
    })
}

/// Frees a list of tickets. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_tickets_free(tickets: *mut sealock_download_tickets) -> sealock_status {
    free(tickets)
}

/// Opens an asset's data with a key that its owner has shared it with. It takes no order, and tells nobody. The exchange's
/// store has to reach the data; no ledger is asked.
///
/// Fails with SEALOCK_ERROR_WRONG_KEY if the key is no recipient's; with SEALOCK_ERROR_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_exchange_open_shared(
    exchange: *const sealock_exchange,
    asset: *const sealock_asset,
    key: *const sealock_recipient_key,
    out: *mut *mut sealock_download,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (exchange, asset, key) = (find(exchange)?, find(asset)?, find(key)?);
        out.issue(Data::from(exchange.open_shared(&asset, &key)?));
    })
}

/// The data of an asset of this owner's.
///
/// Fails with SEALOCK_ERROR_KEY_DESTROYED; with SEALOCK_ERROR_NOT_FOUND if the key store has no key of it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_owner_download(
    owner: *const sealock_owner,
    asset: *const sealock_asset,
    out: *mut *mut sealock_download,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Data::from(find(owner)?.download(&*find(asset)?)?));
    })
}

/// The asset.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_asset(
    download: *const sealock_download,
    out: *mut *mut sealock_asset,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(find(download)?.download.asset().clone());
    })
}

/// The CID of the signed manifest that says what the data consists of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_manifest(
    download: *const sealock_download,
    out: *mut *mut sealock_buffer,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.issue(Buffer::from(find(download)?.download.manifest().cid().to_string()));
    })
}

/// Bytes of the table as Parquet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_size(
    download: *const sealock_download,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        out.put(find(download)?.download.size()?);
    })
}

/// Writes the table as Parquet to a file, in constant memory, and puts out its length in bytes. A file that was there before
/// is replaced when the new one is whole. `watch` may be NULL.
///
/// Fails with SEALOCK_ERROR_TAMPERED or SEALOCK_ERROR_TRUNCATED for data that was changed; with SEALOCK_ERROR_IO, and with
/// SEALOCK_ERROR_TIMEOUT if no peer has it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_write_to(
    download: *const sealock_download,
    path: *const c_char,
    watch: *const sealock_watch,
    out: *mut u64,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (data, path) = (find(download)?, c.text("path", path)?);
        let mut teller = c.watch("watch", watch)?.teller();
        out.put(written(path, |sink| Ok(data.download.write_to_with(sink, &mut teller)?))?);
    })
}

/// The table, in memory. `watch` may be NULL.
///
/// Fails as `sealock_download_write_to`; with SEALOCK_ERROR_SCHEMA_MISMATCH and the like if the data is not what the asset's
/// schema says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_table(
    download: *const sealock_download,
    watch: *const sealock_watch,
    out: *mut *mut sealock_table,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let data = find(download)?;
        let mut teller = c.watch("watch", watch)?.teller();
        out.issue(data.download.table_with(&mut teller)?);
    })
}

/// As `sealock_download_table`, as an Arrow stream: see `sealock_table_to_arrow_stream`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_to_arrow_stream(
    download: *const sealock_download,
    watch: *const sealock_watch,
    out: *mut ArrowArrayStream,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = stream_out(c, out)?;
        let data = find(download)?;
        let mut teller = c.watch("watch", watch)?.teller();
        let table = data.download.table_with(&mut teller)?;
        put_stream(out, table.arrow_schema(), table.to_batches());
    })
}

/// Some columns and rows of the table: `rows` rows from `first_row` on, counted from 0. Fetches and decrypts no more than
/// they take.
///
/// Fails with SEALOCK_ERROR_UNKNOWN_COLUMN; with SEALOCK_ERROR_INVALID_ARGUMENT for rows that the table does not have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_columns(
    download: *const sealock_download,
    columns: *const *const c_char,
    count: usize,
    first_row: u64,
    rows: u64,
    out: *mut *mut sealock_table,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let (data, columns) = (find(download)?, c.texts("columns", columns, count)?);
        let rows = first_row..first_row.saturating_add(rows);
        out.issue(data.download.columns()?.read(columns.iter().map(String::as_str), rows)?);
    })
}

/// Reads the table's Parquet from byte `offset` on into `buffer`, and puts out how many bytes that were: fewer than
/// `buffer_length` only at the end. Fetches and decrypts chunks of 16 KiB as needed.
///
/// Fails as `sealock_download_write_to`. What is in the buffer then is not to be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_read(
    download: *const sealock_download,
    offset: u64,
    buffer: *mut u8,
    buffer_length: usize,
    out: *mut usize,
    error: *mut *mut sealock_error,
) -> sealock_status {
    call!(error, |c| {
        let out = c.out("out", out)?;
        let data = find(download)?;
        out.put(data.read_at(offset, c.bytes_out("buffer", buffer, buffer_length)?)?);
    })
}

/// Frees a download. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sealock_download_free(download: *mut sealock_download) -> sealock_status {
    free(download)
}
