//! Reading a part of a stored table, or of any sealed object, fetches the leaves that it lies in and no others.

use std::collections::HashSet;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::ParquetMetaData;
use sealock::asset::{Column, Schema, Table};
use sealock::columns::StoredTable;
use sealock::envelope::{
    CHUNK_BYTES, DatasetKey, DatasetRef, HEADER_BYTES, Manifest, OwnerKey, Publication, SealedReader, SealingReader,
    Source, Suite, TAG_BYTES, open_object, publish_objects,
};
use sealock::progress::quiet;
use sealock::store::unixfs::{self, Node, Profile};
use sealock::store::{Cid, Codec, MemoryStore, Store, dag};
use sealock::{Account, Digest, ErrorKind};

#[path = "support/stores.rs"]
mod stores;
use stores::Counting;

const OBJECT: &str = "table.parquet";
const LEAF: u64 = 1 << 20;
const MIB: u64 = 1 << 20;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];
/// Two row groups.
const ROWS: u64 = (1 << 20) + 100_000;

fn of() -> DatasetRef {
    DatasetRef { dataset: Digest::sha256(b"dataset"), epoch: 0 }
}

/// The leaves asked for since the last time.
fn leaves<S: Store>(store: &Counting<S>) -> HashSet<Cid> {
    store.take().into_iter().filter(|cid| cid.codec() == Codec::Raw.code()).collect()
}

#[test]
fn a_mebibyte_out_of_a_gibibyte_takes_at_most_three_leaves() {
    let key = DatasetKey::generate(of()).object_key("object", Suite::Cobblestone256).unwrap();
    let store = Counting::new(MemoryStore::new());
    let mut sealing = SealingReader::new(std::io::repeat(7).take(1 << 30), &key);
    let added = unixfs::add(&store, &mut sealing, Profile::UnixfsV1_2025, &mut quiet()).unwrap();
    assert!(added.blocks > 1024);
    let mut reader = SealedReader::open(unixfs::Reader::open(&store, &added.root).unwrap(), &key).unwrap();
    assert_eq!(leaves(&store).len(), 2, "header and last chunk");
    let mut most = 0;
    let mut bytes = vec![0; MIB as usize];
    for start in (0..64).map(|i| i * 16_000_001).chain([0, 1, MIB, 512 * MIB - 1, 1023 * MIB]) {
        reader.seek(SeekFrom::Start(start.min(1023 * MIB))).unwrap();
        bytes.fill(0);
        reader.read_exact(&mut bytes).unwrap();
        assert!(bytes.iter().all(|&byte| byte == 7));
        most = most.max(leaves(&store).len());
    }
    assert!((2..=3).contains(&most), "{most} leaves");
}

/// A table whose columns do not compress, published.
struct Published {
    store: Arc<Counting<MemoryStore>>,
    manifest: Manifest,
    key: DatasetKey,
    table: Table,
    parquet: ParquetMetaData,
}

fn schema() -> Schema {
    Schema::new(NAMES.map(|name| Column::integer(name, 0, 1 << 40).measure()).to_vec()).unwrap()
}

fn table(rows: u64) -> Table {
    let value = |row: u64, column: u64| {
        let mixed = (row * 4 + column + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 24) as i64
    };
    let column = |index| Arc::new(Int64Array::from_iter_values((0..rows).map(|row| value(row, index)))) as ArrayRef;
    let batch = RecordBatch::try_from_iter(NAMES.into_iter().zip((0..4).map(column))).unwrap();
    Table::from_batches(schema(), [batch]).unwrap()
}

fn publish() -> Published {
    let (store, table) = (Arc::new(Counting::new(MemoryStore::new())), table(ROWS));
    let (owner, account) = (OwnerKey::generate(), Account::generate());
    let bytes = table.to_parquet().unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes.clone())).unwrap();
    let parquet = builder.metadata().as_ref().clone();
    let objects = &mut [Source { id: OBJECT.into(), reader: &mut Cursor::new(bytes) }];
    let manifest =
        publish_objects(&*store, &account, &owner, of(), objects, &Publication::default(), &mut quiet()).unwrap();
    let key = manifest.unwrap_key(&owner).unwrap();
    Published { store, manifest, key, table, parquet }
}

type Stored<S> = StoredTable<SealedReader<unixfs::Reader<S>>>;

impl Published {
    fn open<S: Store + 'static>(&self, store: S) -> sealock::Result<Stored<S>> {
        StoredTable::open(schema(), open_object(store, &self.manifest, &self.key, OBJECT)?)
    }

    fn leaf_cids(&self) -> Vec<Cid> {
        let root = self.manifest.object(OBJECT).unwrap().root;
        Node::decode(&self.store.get(&root).unwrap()).unwrap().children.into_iter().map(|child| child.cid).collect()
    }

    /// The leaves that hold the pages of a column in a row group: which chunks the bytes lie in, and which leaves those.
    fn leaves_of(&self, column: usize, group: usize) -> HashSet<Cid> {
        let (start, length) = self.parquet.row_group(group).column(column).byte_range();
        let sealed = |chunk: u64| HEADER_BYTES as u64 + chunk * (CHUNK_BYTES + TAG_BYTES) as u64;
        let (first, last) = (start / CHUNK_BYTES as u64, (start + length - 1) / CHUNK_BYTES as u64);
        let leaves = self.leaf_cids();
        let (from, to) = (sealed(first) / LEAF, (sealed(last + 1) - 1) / LEAF);
        (from..=to).filter_map(|leaf| leaves.get(leaf as usize).copied()).collect()
    }
}

fn same(part: &Table, whole: &Table, columns: &[&str], rows: Range<u64>) {
    let names: Vec<_> = part.schema().columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, columns);
    for name in columns {
        let expected = whole.stored(name).unwrap().slice(rows.start as usize, (rows.end - rows.start) as usize);
        assert!(*part.stored(name).unwrap() == expected, "column {name}, rows {rows:?}");
    }
}

#[test]
fn columns_and_rows_take_the_leaves_they_lie_in_alone() {
    let published = publish();
    let (store, table) = (&published.store, &published.table);
    let all = published.leaf_cids().len();
    assert!(all > 20, "{all} leaves");
    leaves(store);
    let stored = published.open(Arc::clone(store)).unwrap();
    // The first for the envelope's header, the last for its last chunk and the footer.
    assert!(leaves(store).len() <= 3);
    assert_eq!(stored.rows(), ROWS);
    assert_eq!(stored.groups(), [0..1 << 20, 1 << 20..ROWS]);

    // A column.
    same(&stored.read(["c"], 0..ROWS).unwrap(), table, &["c"], 0..ROWS);
    let expected: HashSet<Cid> = (0..2).flat_map(|group| published.leaves_of(2, group)).collect();
    let fetched = leaves(store);
    // A leaf that the reader still holds is not fetched again.
    assert!(fetched.is_subset(&expected) && fetched.len() + 1 >= expected.len(), "{fetched:?} of {expected:?}");
    assert!(expected.len() < all / 2);

    // A column in one row group; two, named in another order than they have.
    same(&stored.read(["a"], 1 << 20..ROWS).unwrap(), table, &["a"], 1 << 20..ROWS);
    assert!(leaves(store).is_subset(&published.leaves_of(0, 1)));
    same(&stored.read(["d", "b"], 1 << 20..ROWS).unwrap(), table, &["b", "d"], 1 << 20..ROWS);
    assert!(leaves(store).is_subset(&(&published.leaves_of(1, 1) | &published.leaves_of(3, 1))));

    // A few rows: a page, and the column's dictionary.
    for start in [0, 19_999, 500_000, (1 << 20) - 1000] {
        same(&stored.read(["b"], start..start + 1000).unwrap(), table, &["b"], start..start + 1000);
        let fetched = leaves(store);
        let near = published.leaves_of(1, 0);
        assert!(fetched.is_subset(&near) && fetched.len() <= 4, "{} of {}", fetched.len(), near.len());
    }
    // Rows of two groups, more than a batch; none at all.
    same(&stored.read(["a", "d"], 1_000_000..1_100_000).unwrap(), table, &["a", "d"], 1_000_000..1_100_000);
    leaves(store);
    assert!(stored.read(["a"], 5..5).unwrap().is_empty());
    assert!(leaves(store).is_empty());
    assert!(stored.read(NAMES, 0..ROWS).unwrap() == *table);
}

#[test]
fn what_is_not_there_is_named() {
    let published = publish();
    let stored = published.open(Arc::clone(&published.store)).unwrap();
    let kind = |columns: &[&'static str], rows| stored.read(columns.iter().copied(), rows).unwrap_err().kind();
    assert_eq!(kind(&["e"], 0..1), ErrorKind::UnknownColumn);
    assert_eq!(kind(&["a"], 0..ROWS + 1), ErrorKind::InvalidArgument);
    assert_eq!(kind(&["a"], Range { start: 2, end: 1 }), ErrorKind::InvalidArgument);
    assert_eq!(kind(&["a"], u64::MAX..u64::MAX), ErrorKind::InvalidArgument);

    // A store that has lost one leaf of column b.
    let (lost, partial) = (published.leaf_cids()[8], MemoryStore::new());
    let whole = dag::reachable(&*published.store, &[*published.manifest.cid()]).unwrap();
    for cid in whole.into_iter().filter(|cid| *cid != lost) {
        partial.put(&published.store.get(&cid).unwrap()).unwrap();
    }
    let column = (0..4).find(|&column| published.leaves_of(column, 0).contains(&lost)).unwrap();
    let stored = published.open(partial).unwrap();
    let error = stored.read([NAMES[column]], 0..ROWS).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains(&lost.to_string()), "{error}");
    // The others can still be read, also after the error.
    let other = (0..4).find(|&column| (0..2).all(|g| !published.leaves_of(column, g).contains(&lost))).unwrap();
    same(&stored.read([NAMES[other]], 0..ROWS).unwrap(), &published.table, &[NAMES[other]], 0..ROWS);
}

#[test]
fn damaged_files_are_errors() {
    let bytes = table(3000).to_parquet().unwrap();
    let read = |bytes: Vec<u8>| StoredTable::open(schema(), Cursor::new(bytes))?.read(NAMES, 0..3000);
    read(bytes.clone()).unwrap();
    for bad in [Vec::new(), b"PAR1".to_vec(), vec![0; 100], bytes[..bytes.len() - 1].to_vec(), bytes[1..].to_vec()] {
        assert_eq!(read(bad).unwrap_err().kind(), ErrorKind::Malformed);
    }
    let other = Schema::new(vec![Column::integer("z", 0, 1)]).unwrap();
    let stored = StoredTable::open(other, Cursor::new(bytes.clone())).unwrap();
    assert_eq!(stored.read(["z"], 0..1).unwrap_err().kind(), ErrorKind::Malformed, "a column that the file lacks");
    // Nothing but typed errors, or what was not touched.
    let mut refused = 0;
    for i in (0..bytes.len()).step_by(61).chain(bytes.len() - 700..bytes.len()) {
        let mut bad = bytes.clone();
        bad[i] ^= 0x15;
        refused += usize::from(read(bad).is_err());
    }
    assert!(refused > 300, "{refused}");
}
