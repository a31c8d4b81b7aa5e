//! Data that keeps to its schema.

use std::{
    fmt,
    fs::File,
    io::{Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, AsArray, BooleanArray, Decimal128Array, DictionaryArray, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Int32Type, Int64Type, Schema as ArrowSchema},
};
use bytes::Bytes;
use parquet::{
    arrow::{ArrowWriter, ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
    basic::{Compression, ZstdLevel},
    file::{properties::WriterProperties, reader::ChunkReader},
};

use super::{
    Column, Kind, Schema,
    convert::{ColumnBuilder, Reader},
    error::{AssetError, Place, quote},
};

/// Rows of one Arrow batch.
pub(crate) const BATCH: usize = 1 << 16;

/// Rows of a row group of [`Table::write_parquet`]. A leaf of the store has 1 MiB, and a column that does not compress 8 bytes
/// a row: its pages of one group fill 8 leaves, so that little is fetched beside them. Smaller groups would put several
/// columns into each leaf; larger ones would take more memory to write.
const GROUP_ROWS: usize = 1 << 20;
/// Rows of a page: what reading a few rows of a column costs, at most 160 KB.
const PAGE_ROWS: usize = 20_000;

/// A table in stored units: every value has been checked against the schema, and columns stand in its order.
///
/// Takes 8 bytes per value, and the length of texts.
#[derive(Clone, PartialEq)]
pub struct Table {
    schema: Arc<Schema>,
    rows: usize,
    columns: Vec<ArrayRef>,
}

impl Table {
    /// Ways to read a table of this schema, one of which drops columns that the schema does not name.
    pub fn loader(schema: impl Into<Arc<Schema>>) -> Loader {
        Loader { schema: schema.into(), drop_extra: false }
    }

    /// Reads Arrow batches; see [`Loader::batches`].
    ///
    /// # Errors
    /// As [`Loader::batches`].
    pub fn from_batches(
        schema: impl Into<Arc<Schema>>,
        batches: impl IntoIterator<Item = RecordBatch>,
    ) -> Result<Self, AssetError> {
        Self::loader(schema).batches(batches)
    }

    /// Reads a Parquet file from a [`File`] or from [`Bytes`]; see [`Loader::parquet`].
    ///
    /// # Errors
    /// As [`Loader::parquet`].
    pub fn from_parquet<R: ChunkReader + 'static>(schema: impl Into<Arc<Schema>>, file: R) -> Result<Self, AssetError> {
        Self::loader(schema).parquet(file)
    }

    /// Reads a CSV file; see [`Loader::csv`].
    ///
    /// # Errors
    /// As [`Loader::csv`].
    pub fn from_csv(schema: impl Into<Arc<Schema>>, file: impl Read) -> Result<Self, AssetError> {
        Self::loader(schema).csv(file)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// What the table keeps to.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// A column in stored units, with nulls where values are missing.
    ///
    /// # Errors
    /// [`AssetError::UnknownColumn`], or [`AssetError::SchemaMismatch`] for texts.
    pub fn stored(&self, name: &str) -> Result<&Int64Array, AssetError> {
        let column = &self.columns[self.schema.position(name)?];
        column.as_primitive_opt().ok_or_else(|| AssetError::SchemaMismatch {
            place: Place::column(name),
            expected: "a column with stored units".into(),
            got: "texts".into(),
            hint: "texts name entities alone".into(),
        })
    }

    /// All columns in the schema's order: stored units, or texts.
    pub(crate) fn columns(&self) -> &[ArrayRef] {
        &self.columns
    }

    /// The cell of every row in a dimension, as numbered by [`Column::cells`]; a missing value lies in the null cell.
    /// Whether the column may be used as a dimension is the policy's matter, and not looked at here.
    ///
    /// # Errors
    /// [`AssetError::UnknownColumn`], or [`AssetError::InvalidSchema`] as [`Column::cells`].
    pub fn cells(&self, name: &str) -> Result<Vec<u32>, AssetError> {
        let mut cells = Vec::with_capacity(self.rows);
        self.schema.column(name)?.each_cell(self.stored(name)?, |_, cell| cells.push(cell))?;
        Ok(cells)
    }

    /// A number or boolean (0 or 1) column in stored units, to be aggregated. Cloning the array shares its memory.
    ///
    /// # Errors
    /// [`AssetError::UnknownColumn`], or [`AssetError::SchemaMismatch`] for categories.
    pub fn measure(&self, name: &str) -> Result<Int64Array, AssetError> {
        let column = self.schema.column(name)?;
        match column.kind {
            Kind::Category { .. } => Err(AssetError::SchemaMismatch {
                place: Place::column(name),
                expected: "numbers or booleans as a measure".into(),
                got: "categories".into(),
                hint: "group or filter by a category column, and aggregate another".into(),
            }),
            _ => self.stored(name).cloned(),
        }
    }

    /// The Arrow schema of [`Table::batches`]: `Boolean`, `Dictionary(Int32, Utf8)`, `Int64`, `Decimal128`.
    pub fn arrow_schema(&self) -> Arc<ArrowSchema> {
        let fields = self.schema.columns().iter().map(|c| Field::new(&c.name, arrow_type(c), c.nullable));
        Arc::new(ArrowSchema::new(fields.collect::<Vec<_>>()))
    }

    /// The table as Arrow batches of at most 65,536 rows, made one at a time. An empty table is one empty batch.
    pub fn batches(&self) -> impl Iterator<Item = RecordBatch> + '_ {
        let schema = self.arrow_schema();
        // The names of the categories are shared by all batches.
        let names: Vec<Option<ArrayRef>> = (self.schema.columns().iter())
            .map(|column| match &column.kind {
                Kind::Category { values } => Some(Arc::new(StringArray::from_iter_values(values)) as ArrayRef),
                _ => None,
            })
            .collect();
        (0..self.rows.div_ceil(BATCH).max(1)).map(move |batch| {
            let start = batch * BATCH;
            let length = BATCH.min(self.rows - start);
            let arrays = (self.columns.iter().zip(self.schema.columns()).zip(&names))
                .map(|((stored, column), names)| to_arrow(&stored.slice(start, length), column, names.as_ref()));
            RecordBatch::try_new(schema.clone(), arrays.collect())
                .expect("arrays have the types, the length and the nulls of their columns")
        })
    }

    /// All of [`Table::batches`].
    pub fn to_batches(&self) -> Vec<RecordBatch> {
        self.batches().collect()
    }

    /// Writes the table as Parquet, compressed with Zstandard: row groups of 2^20 rows, pages of 20,000. Equal tables give
    /// equal bytes.
    ///
    /// # Errors
    /// [`AssetError::Io`] if `out` fails.
    pub fn write_parquet(&self, out: impl Write + Send) -> Result<(), AssetError> {
        let failed = |error: parquet::errors::ParquetError| AssetError::Io {
            what: "writing Parquet".into(),
            source: std::io::Error::other(error),
        };
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .set_data_page_row_count_limit(PAGE_ROWS)
            .build();
        let mut writer = ArrowWriter::try_new(out, self.arrow_schema(), Some(properties)).map_err(failed)?;
        for batch in self.batches() {
            writer.write(&batch).map_err(failed)?;
        }
        writer.close().map_err(failed)?;
        Ok(())
    }

    /// The bytes of [`Table::write_parquet`].
    ///
    /// # Errors
    /// As [`Table::write_parquet`].
    pub fn to_parquet(&self) -> Result<Vec<u8>, AssetError> {
        let mut out = Vec::new();
        self.write_parquet(&mut out)?;
        Ok(out)
    }
}

impl fmt::Debug for Table {
    /// The shape; never values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} rows, {} columns)", self.rows, self.columns.len())
    }
}

/// Reads tables of one schema.
///
/// Columns are found by name, in any order. All columns of the schema must be there. A column that the schema does not
/// name is an error, so that nothing is published by accident, until [`Loader::drop_extra`] says to leave it out.
///
/// Numbers become stored units exactly. Floats, and numbers in text files, may differ from a stored unit by floating-point
/// noise: at most 10^-9 of the value and 10^-3 of a unit. Booleans may come as 0 and 1.
#[derive(Clone, Debug)]
pub struct Loader {
    schema: Arc<Schema>,
    drop_extra: bool,
}

impl Loader {
    /// Leaves out columns that the schema does not name.
    pub fn drop_extra(mut self) -> Self {
        self.drop_extra = true;
        self
    }

    /// Reads Arrow batches: booleans, texts, integers, floats and decimals of any width, and dictionaries of them.
    ///
    /// # Errors
    /// [`AssetError::SchemaMismatch`] for a missing, repeated or extra column, a value of another type or a null where none
    /// may be; [`AssetError::OutOfDomain`] for a value outside its column's domain; [`AssetError::UnsupportedType`].
    /// Column and row are named, rows counted over all batches.
    pub fn batches(&self, batches: impl IntoIterator<Item = RecordBatch>) -> Result<Table, AssetError> {
        let mut build = Build::new(&self.schema);
        for batch in batches {
            build.append(self, &batch)?;
        }
        Ok(build.finish(self.schema.clone()))
    }

    /// Reads a Parquet file from a [`File`] or from [`Bytes`]. Columns to be dropped are not even decoded.
    ///
    /// # Errors
    /// As [`Loader::batches`], and [`AssetError::Unreadable`] for a damaged file.
    pub fn parquet<R: ChunkReader + 'static>(&self, file: R) -> Result<Table, AssetError> {
        // The Parquet reader panics on some damaged files. Whatever it was building is dropped with the panic.
        let read = AssertUnwindSafe(|| self.read_parquet(file));
        catch_unwind(read).unwrap_or(Err(AssetError::Unreadable { format: "Parquet", why: "a damaged page".into() }))
    }

    fn read_parquet<R: ChunkReader + 'static>(&self, file: R) -> Result<Table, AssetError> {
        let unreadable =
            |error: &dyn fmt::Display| AssetError::Unreadable { format: "Parquet", why: error.to_string() };
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| unreadable(&e))?;
        let names: Vec<_> = reader.schema().fields().iter().map(|field| field.name().as_str()).collect();
        let wanted = self.assign(&names)?;
        let wanted = wanted.iter().enumerate().filter_map(|(index, column)| column.map(|_| index));
        let mask = ProjectionMask::roots(reader.parquet_schema(), wanted);
        let reader = reader.with_projection(mask).with_batch_size(BATCH).build().map_err(|e| unreadable(&e))?;
        let mut build = Build::new(&self.schema);
        for batch in reader {
            build.append(self, &batch.map_err(|e| unreadable(&e))?)?;
        }
        Ok(build.finish(self.schema.clone()))
    }

    /// Reads a Parquet file from bytes.
    ///
    /// # Errors
    /// As [`Loader::parquet`].
    pub fn parquet_bytes(&self, bytes: impl Into<Bytes>) -> Result<Table, AssetError> {
        self.parquet(bytes.into())
    }

    /// Opens and reads a Parquet file.
    ///
    /// # Errors
    /// As [`Loader::parquet`], and [`AssetError::Io`].
    pub fn parquet_file(&self, path: impl AsRef<Path>) -> Result<Table, AssetError> {
        self.parquet(open(path.as_ref())?)
    }

    /// Reads a CSV file (RFC 4180) with a header, in UTF-8. An empty field is a missing value; booleans are `true`,
    /// `false`, `1` or `0`.
    ///
    /// # Errors
    /// As [`Loader::batches`], and [`AssetError::Unreadable`] for a record of another length or bytes that are not UTF-8.
    pub fn csv(&self, file: impl Read) -> Result<Table, AssetError> {
        let unreadable = |error: csv::Error| AssetError::Unreadable { format: "CSV", why: error.to_string() };
        let mut reader = csv::Reader::from_reader(file);
        let names = reader.headers().map_err(unreadable)?.clone();
        let targets = self.assign(&names.iter().collect::<Vec<_>>())?;
        let mut build = Build::new(&self.schema);
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(unreadable)? {
            for (field, target) in record.iter().zip(&targets) {
                if let Some(target) = target {
                    build.columns[*target].append_text(field)?;
                }
            }
            build.rows += 1;
        }
        Ok(build.finish(self.schema.clone()))
    }

    /// Opens and reads a CSV file.
    ///
    /// # Errors
    /// As [`Loader::csv`], and [`AssetError::Io`].
    pub fn csv_file(&self, path: impl AsRef<Path>) -> Result<Table, AssetError> {
        self.csv(open(path.as_ref())?)
    }

    /// For each column that comes, the column of the schema that it fills.
    fn assign(&self, names: &[&str]) -> Result<Vec<Option<usize>>, AssetError> {
        let mismatch = |name: &str, expected: &str, got: &str, hint: String| AssetError::SchemaMismatch {
            place: Place::column(&name.chars().take(64).collect::<String>()),
            expected: expected.into(),
            got: got.into(),
            hint,
        };
        let columns = self.schema.columns();
        let mut filled = vec![false; columns.len()];
        let mut targets = Vec::with_capacity(names.len());
        for name in names {
            let target = columns.iter().position(|column| column.name == *name);
            match target {
                Some(index) if filled[index] => {
                    return Err(mismatch(name, "one column of this name", "two", "rename or drop one".into()));
                }
                Some(index) => filled[index] = true,
                None if self.drop_extra => {}
                None => {
                    let hint = match self.schema.close(name).first() {
                        Some(close) => format!("the schema has {close:?}: rename one of the two"),
                        None => "declare it in the schema, or take it out of the table".into(),
                    };
                    return Err(mismatch(name, "columns of the schema alone", "one more", hint));
                }
            }
            targets.push(target);
        }
        match filled.iter().position(|filled| !filled) {
            Some(missing) => {
                let hint = format!("the data has {}", quote(&names.join(", ")));
                Err(mismatch(&columns[missing].name, "a column of this name", "none", hint))
            }
            None => Ok(targets),
        }
    }
}

/// Reads the batches of a table one by one, and keeps none.
pub(crate) struct BatchReader<'s> {
    loader: Loader,
    columns: Vec<Reader<'s>>,
}

impl<'s> BatchReader<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Self {
        let columns = schema.columns().iter().map(Reader::new).collect();
        Self { loader: Table::loader(schema.clone()), columns }
    }

    /// The columns of a batch in stored units, in the schema's order. `first` is the number of its first row in the table.
    ///
    /// # Errors
    /// As [`Loader::batches`].
    pub(crate) fn read(&self, batch: &RecordBatch, first: usize) -> Result<Vec<ArrayRef>, AssetError> {
        let fields = batch.schema_ref().fields();
        let targets = self.loader.assign(&fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>())?;
        let place = |target| targets.iter().position(|t| *t == Some(target)).expect("each column was found");
        let read = |(target, column): (usize, &Reader<'s>)| column.read(batch.column(place(target)), first);
        self.columns.iter().enumerate().map(read).collect()
    }
}

/// A table while it is read.
struct Build<'s> {
    columns: Vec<ColumnBuilder<'s>>,
    rows: usize,
}

impl<'s> Build<'s> {
    fn new(schema: &'s Schema) -> Self {
        Self { columns: schema.columns().iter().map(ColumnBuilder::new).collect(), rows: 0 }
    }

    fn append(&mut self, loader: &Loader, batch: &RecordBatch) -> Result<(), AssetError> {
        let fields = batch.schema_ref().fields();
        let targets = loader.assign(&fields.iter().map(|field| field.name().as_str()).collect::<Vec<_>>())?;
        for (array, target) in batch.columns().iter().zip(targets) {
            if let Some(target) = target {
                self.columns[target].append(array)?;
            }
        }
        self.rows += batch.num_rows();
        Ok(())
    }

    fn finish(self, schema: Arc<Schema>) -> Table {
        let columns = self.columns.into_iter().map(ColumnBuilder::finish).collect();
        Table { schema, rows: self.rows, columns }
    }
}

fn open(path: &Path) -> Result<File, AssetError> {
    File::open(path).map_err(|source| AssetError::Io { what: format!("opening {}", path.display()), source })
}

fn arrow_type(column: &Column) -> DataType {
    match &column.kind {
        Kind::Boolean => DataType::Boolean,
        Kind::Category { .. } => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
        Kind::Integer { .. } => DataType::Int64,
        Kind::Text => DataType::LargeUtf8,
        Kind::Decimal { scale, min, max } => {
            let digits = min.unsigned_abs().max(max.unsigned_abs()).max(1).ilog10() as u8 + 1;
            DataType::Decimal128(digits.max(*scale), *scale as i8)
        }
    }
}

fn to_arrow(stored: &ArrayRef, column: &Column, names: Option<&ArrayRef>) -> ArrayRef {
    let Some(stored) = stored.as_primitive_opt::<Int64Type>() else { return stored.clone() };
    match (arrow_type(column), names) {
        (DataType::Boolean, _) => Arc::new(stored.iter().map(|v| v.map(|v| v == 1)).collect::<BooleanArray>()),
        (DataType::Decimal128(precision, scale), _) => Arc::new(
            (stored.iter().map(|v| v.map(i128::from)).collect::<Decimal128Array>())
                .with_precision_and_scale(precision, scale)
                .expect("the precision is at least 1 and at least the scale"),
        ),
        (_, Some(names)) => {
            let keys = stored.unary::<_, Int32Type>(|code| code as i32);
            Arc::new(DictionaryArray::new(keys, names.clone()))
        }
        _ => Arc::new(stored.clone()),
    }
}
