//! Parts of a stored table: some columns, some rows, and no block of the store beside those that they lie in.
//!
//! ```text
//! leaf 0          the envelope's header (56 bytes)
//! …               row groups of up to 2^20 rows: for each column its pages, one behind the other
//! last leaves     offsets of the pages, the Parquet footer, the envelope's last chunk
//! ```
//!
//! Opening costs the first leaf and the last ones. Reading costs the leaves that hold the chosen columns' pages, of the row
//! groups that hold chosen rows and, within them, of the pages that do. What is read has been checked against its tag. Who
//! keeps the blocks sees which of them are asked for.

use std::fmt;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelectionPolicy,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};

use crate::asset::{AssetError, Schema, Table};
use crate::envelope::EnvelopeError;
use crate::error::{Error, Result};

/// Rows of one Arrow batch.
const BATCH: usize = 1 << 16;

/// A Parquet file that is read in parts, mostly a [`SealedReader`](crate::envelope::SealedReader) over a
/// [`unixfs::Reader`](crate::store::unixfs::Reader).
pub struct StoredTable<R> {
    schema: Arc<Schema>,
    file: SharedFile<R>,
    metadata: ArrowReaderMetadata,
}

impl<R: Read + Seek + Send + 'static> StoredTable<R> {
    /// Reads the footer of the Parquet file that `file` holds from its start to its end. `schema` is that of the asset.
    ///
    /// # Errors
    /// Those of `file`, a store's and an envelope's among them; [`ErrorKind::Malformed`](crate::ErrorKind::Malformed) for
    /// what is not Parquet.
    pub fn open(schema: impl Into<Arc<Schema>>, mut file: R) -> Result<Self> {
        let size = file.seek(SeekFrom::End(0)).map_err(reading())?;
        let file = SharedFile(Arc::new(Shared { size, state: Mutex::new(State { file, failure: None }) }));
        // Where pages begin is what saves reading; what lies in them is not asked for.
        let options = ArrowReaderOptions::new()
            .with_offset_index_policy(PageIndexPolicy::Optional)
            .with_column_index_policy(PageIndexPolicy::Skip);
        let metadata = file.guard(|| ArrowReaderMetadata::load(&file, options))?;
        Ok(Self { schema: schema.into(), file, metadata })
    }

    /// The schema of the whole table.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// How many rows there are.
    pub fn rows(&self) -> u64 {
        self.row_groups().iter().map(group_rows).sum()
    }

    /// The rows of each row group, in order. Of a column, the pages of one row group lie together.
    pub fn groups(&self) -> Vec<Range<u64>> {
        let mut start = 0;
        let range = |group| {
            let begin = start;
            start += group_rows(group);
            begin..start
        };
        self.row_groups().iter().map(range).collect()
    }

    /// Reads and checks these rows of these columns, which come in the schema's order. The memory taken is that of what is
    /// asked for, and a row group's page per column.
    ///
    /// # Errors
    /// As [`StoredTable::batches`]; [`ErrorKind::SchemaMismatch`](crate::ErrorKind::SchemaMismatch),
    /// [`ErrorKind::OutOfDomain`](crate::ErrorKind::OutOfDomain) if the data is not what the schema says.
    pub fn read<'a>(&self, columns: impl IntoIterator<Item = &'a str>, rows: Range<u64>) -> Result<Table> {
        let names: Vec<&str> = columns.into_iter().collect();
        let chosen = self.schema.columns().iter().filter(|column| names.contains(&column.name.as_str()));
        let schema = Schema::new(chosen.cloned().collect());
        let mut failed = None;
        let batches = self.batches(names, rows)?.map_while(|batch| batch.map_err(|e| failed = Some(e)).ok());
        let table = Table::loader(schema?).batches(batches);
        match failed {
            Some(e) => Err(e),
            None => Ok(table?),
        }
    }

    /// These rows of these columns as Arrow batches of at most 65,536 rows, read one at a time. Values have not been
    /// compared with the schema.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownColumn`](crate::ErrorKind::UnknownColumn);
    /// [`ErrorKind::InvalidArgument`](crate::ErrorKind::InvalidArgument) for rows that the table does not have. Here and in
    /// the batches: those of the file, and [`ErrorKind::Malformed`](crate::ErrorKind::Malformed).
    pub fn batches<'a>(&self, columns: impl IntoIterator<Item = &'a str>, rows: Range<u64>) -> Result<Batches<R>> {
        if rows.start > rows.end || rows.end > self.rows() {
            return Err(AssetError::NoSuchRows { got: rows, rows: self.rows() }.into());
        }
        let mut indices = Vec::new();
        for name in columns {
            self.schema.column(name)?;
            let index = self.metadata.schema().index_of(name);
            indices.push(index.map_err(|_| unreadable(&format!("it has no column {name:?}, which the schema names")))?);
        }
        // Groups without any of the rows are left out; the others are read from the first of the rows to the last.
        let mut groups = Vec::new();
        let (mut selected, mut total) = (Vec::new(), 0);
        for (index, group) in self.groups().into_iter().enumerate() {
            let (from, to) = (rows.start.max(group.start), rows.end.min(group.end));
            if from < to {
                let offset = |row: u64| total + (row - group.start) as usize;
                selected.push(offset(from)..offset(to));
                groups.push(index);
                total += (group.end - group.start) as usize;
            }
        }
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(self.file.clone(), self.metadata.clone());
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), indices);
        let builder = builder
            .with_projection(mask)
            .with_row_groups(groups)
            .with_row_selection(RowSelection::from_consecutive_ranges(selected.into_iter(), total))
            .with_row_selection_policy(RowSelectionPolicy::Selectors)
            .with_batch_size(BATCH);
        let reader = self.file.guard(|| builder.build())?;
        Ok(Batches { file: self.file.clone(), reader: Some(reader) })
    }

    fn row_groups(&self) -> &[RowGroupMetaData] {
        self.metadata.metadata().row_groups()
    }
}

impl<R> fmt::Debug for StoredTable<R> {
    /// The shape; never values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: u64 = self.metadata.metadata().row_groups().iter().map(group_rows).sum();
        write!(f, "StoredTable({rows} rows, {} columns)", self.schema.columns().len())
    }
}

/// A damaged footer may say anything.
fn group_rows(group: &RowGroupMetaData) -> u64 {
    u64::try_from(group.num_rows()).unwrap_or(0).min(u64::from(u32::MAX))
}

fn reading() -> impl FnOnce(io::Error) -> EnvelopeError {
    EnvelopeError::io("reading the stored table")
}

fn unreadable(why: &dyn fmt::Display) -> Error {
    AssetError::Unreadable { format: "Parquet", why: why.to_string() }.into()
}

/// Batches of a [`StoredTable`], read one at a time. After an error there are no more.
pub struct Batches<R> {
    file: SharedFile<R>,
    reader: Option<ParquetRecordBatchReader>,
}

impl<R: Read + Seek> Iterator for Batches<R> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let reader = self.reader.as_mut()?;
        let batch = self.file.guard(|| reader.next().transpose()).transpose();
        if !matches!(batch, Some(Ok(_))) {
            self.reader = None;
        }
        batch
    }
}

impl<R> fmt::Debug for Batches<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batches(_)")
    }
}

/// The file behind the readers that Parquet takes of it.
struct SharedFile<R>(Arc<Shared<R>>);

struct Shared<R> {
    size: u64,
    state: Mutex<State<R>>,
}

struct State<R> {
    file: R,
    /// Why the file could not be read. Parquet passes on no more than the text of it.
    failure: Option<io::Error>,
}

impl<R> Clone for SharedFile<R> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<R> SharedFile<R> {
    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a part of Parquet's reader, which panics on some damaged files.
    fn guard<T, E: fmt::Display>(&self, read: impl FnOnce() -> Result<T, E>) -> Result<T> {
        let outcome = catch_unwind(AssertUnwindSafe(read));
        if let Some(failure) = self.state().failure.take() {
            return Err(reading()(failure).into());
        }
        match outcome {
            Ok(read) => read.map_err(|e| unreadable(&e)),
            Err(_) => Err(unreadable(&"a damaged page")),
        }
    }
}

impl<R: Read + Seek> SharedFile<R> {
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state();
        let read = state.file.seek(SeekFrom::Start(position)).and_then(|_| state.file.read(buffer));
        read.map_err(|e| {
            if e.kind() == io::ErrorKind::Interrupted {
                return e;
            }
            let told = io::Error::new(e.kind(), "see the file's own error");
            state.failure = Some(e);
            told
        })
    }
}

impl<R: Read + Seek + Send> Length for SharedFile<R> {
    fn len(&self) -> u64 {
        self.0.size
    }
}

impl<R: Read + Seek + Send> ChunkReader for SharedFile<R> {
    type T = BufReader<At<R>>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(At { file: self.clone(), position: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // The footer is the owner's word: memory is taken as bytes come, not as they are promised.
        let mut bytes = Vec::new();
        At { file: self.clone(), position: start }.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF(format!("expected {length} bytes at {start}, got {}", bytes.len())));
        }
        Ok(bytes.into())
    }
}

/// The file from a position on.
struct At<R> {
    file: SharedFile<R>,
    position: u64,
}

impl<R: Read + Seek> Read for At<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read_at(self.position, buffer)?;
        self.position += n as u64;
        Ok(n)
    }
}
