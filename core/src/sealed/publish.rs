//! The owner's side of publishing: which rows are in which chunk, the canaries among them, and their encryption, for bootstraps
//! and packed.

use std::io::Write;

use arrow::array::{Array, Int64Array};
use cid::Cid;
use rayon::prelude::*;
use sealock_fhe::table::{EncryptedChunk, PACKED_ROWS_PER_CHUNK, ROWS_PER_CHUNK, TableKey};
use sealock_zk::rng::{Rng, SliceRandom, os_rng};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::SealedError;
use super::layout::{Columns, Holds, Layout, StoredColumn};
use super::manifest::{
    Chunk, ChunkLink, MAX_CHUNKS, PACKED_PARAMETERS, PARAMETERS, Packed, SealedManifest, SealedManifestBody, VERSION,
    add_file,
};
use super::task::known;
use crate::Account;
use crate::asset::Table;
use crate::codec::{from_canonical, to_canonical};
use crate::cube::ProtectedCube;
use crate::envelope::{DatasetKey, DatasetRef};
use crate::error::Result;
use crate::policy::Policy;
use crate::privacy::Noise;
use crate::progress::{Progress, Stage, Step, tell};
use crate::store::Store;

/// Object in a sealed asset's envelope that says which chunks are canaries, and what is in them.
pub(crate) const CANARIES_OBJECT: &str = "canaries.cbor";
/// Largest encoding of that object, in bytes.
const MAX_CANARY_BYTES: usize = 256 << 20;
/// One chunk in so many is a canary, where the owner does not say how many are.
const REAL_CHUNKS_PER_CANARY: usize = 8;
/// Rows from which on they are packed as well, where the owner does not say; and what that may cost.
const PACKED_FROM_ROWS: usize = 2048;
const PACKED_BYTES: u64 = 64 << 20;
const PACKED_TIMES_OTHERS: u64 = 4;
/// Most executors whose results are compared.
pub const MAX_EXECUTORS: usize = 16;

/// How a table is sealed. What is not said: no public dimension, 512 rows in a chunk, a canary for each eight chunks, one
/// executor's result suffices, and many rows are packed as well: see [`SealedOptions::packed`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedOptions {
    public: Vec<String>,
    rows_per_chunk: usize,
    canaries: Option<usize>,
    quorum: u8,
    packed: Option<bool>,
}

impl Default for SealedOptions {
    fn default() -> Self {
        Self { public: Vec::new(), rows_per_chunk: ROWS_PER_CHUNK, canaries: None, quorum: 1, packed: None }
    }
}

impl SealedOptions {
    /// The options that are used where nothing is said.
    pub fn new() -> Self {
        Self::default()
    }

    /// Dimensions that stay in the clear: **everybody sees each row's cell of them**, all together. Grouping and filtering by
    /// them costs nothing.
    ///
    /// With the exact counts of answers they can tell an executor which chunks are canaries: see the [module](super).
    #[must_use]
    pub fn public<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.public.extend(columns.into_iter().map(Into::into));
        self
    }

    /// At most so many rows in a chunk, 1 to 512. Smaller ones are more tasks, more bytes of results, and more canaries to be
    /// caught by. Packed chunks have up to 8,192 rows, whatever is said here.
    #[must_use]
    pub fn rows_per_chunk(mut self, rows: usize) -> Self {
        self.rows_per_chunk = rows;
        self
    }

    /// Mixes so many chunks of made-up rows among the others, and in proportion among the packed ones, of which there are
    /// fewer. None means that a wrong result is found by [`quorum`](Self::quorum) alone.
    #[must_use]
    pub fn canaries(mut self, chunks: usize) -> Self {
        self.canaries = Some(chunks);
        self
    }

    /// Releases only what so many executors agree on, 1 to 16.
    #[must_use]
    pub fn quorum(mut self, executors: u8) -> Self {
        self.quorum = executors;
        self
    }

    /// Whether the same rows are encrypted a second time, packed: programs with filters of few digits are then computed without
    /// bootstraps and without an evaluation key, much faster. It costs storage: for each chunk of up to 8,192
    /// rows, full or not, 29 MB for a dimension of 16 bits to filter by. Where nothing is said, data is packed that has no public
    /// dimension, of 2,048 rows or more, if that takes at most 64 MiB or four times the bytes of the other chunks.
    ///
    /// **With public dimensions it gives the canaries away**: executors see the public cells of all rows in few packed chunks, and
    /// find those among the others whose cells are too many. Ask for a [`quorum`](Self::quorum) of two or more then.
    #[must_use]
    pub fn packed(mut self, packed: bool) -> Self {
        self.packed = Some(packed);
        self
    }

    pub(crate) fn public_columns(&self) -> &[String] {
        &self.public
    }

    pub(crate) const fn agreeing(&self) -> u8 {
        self.quorum
    }

    /// Lays out what the policy lets be asked, if it can be sealed at all.
    pub(crate) fn layout(&self, schema: &crate::asset::Schema, policy: &Policy) -> Result<Layout, SealedError> {
        let unsealable = |why: &str, hint| Err(SealedError::Unsealable { why: why.into(), hint });
        if !(1..=ROWS_PER_CHUNK).contains(&self.rows_per_chunk) {
            return unsealable("chunks have 1 to 512 rows", "leave rows_per_chunk as it is");
        }
        if !(1..=MAX_EXECUTORS as u8).contains(&self.quorum) {
            return unsealable("a quorum is of 1 to 16 executors", "choose a quorum of two or three");
        }
        if !policy.allows_queries() {
            return unsealable("its policy answers no query", "allow aggregations and programs, or do not seal it");
        }
        if let Some(Noise::Cube(_)) = policy.noise() {
            return unsealable(
                "its policy answers from one noisy cube, and executors do not have it",
                "use epsilon, which draws noise for each job, or do not seal it",
            );
        }
        if policy.federated().is_some() {
            return unsealable("its policy answers in a federation", "leave the federation out, or do not seal it");
        }
        Layout::new(schema, policy, &self.public)
    }
}

/// One encrypted column in the clear.
struct Source<'a> {
    /// Cells of a dimension.
    cells: Vec<u32>,
    /// Values of a measure.
    stored: Option<&'a Int64Array>,
    holds: Holds,
    name: &'a str,
}

/// The values that are encrypted.
struct Values<'a> {
    sources: Vec<Source<'a>>,
    cube: &'a ProtectedCube,
    /// The base cell of each row.
    base: Vec<u64>,
}

impl Values<'_> {
    /// A row's value in a column; none where it is missing or withheld.
    fn get(&self, column: usize, row: usize) -> Option<u64> {
        let source = &self.sources[column];
        match (&source.holds, source.stored) {
            (Holds::Cell { values }, _) => Some(u64::from(source.cells[row])).filter(|cell| cell < values),
            (Holds::Measure { low, high }, Some(stored)) if stored.is_valid(row) => {
                let held = stored.value(row).clamp(*low, *high);
                let kept = self.cube.keeps_values(self.base[row], source.name);
                kept.then(|| held.wrapping_sub(*low).cast_unsigned())
            }
            _ => None,
        }
    }
}

/// A table on its way into chunks: see [`SealedOptions`].
pub(crate) struct Sealing<'a> {
    values: Values<'a>,
    public: Vec<Vec<u32>>,
    mixed: Mixed<'a>,
    packed: Option<Mixed<'a>>,
}

/// All rows that stay, in chunks of one kind, with canaries among them.
struct Mixed<'a> {
    columns: &'a Columns,
    chunks: Vec<Rows>,
    canaries: Vec<Canary>,
}

/// The rows of a chunk.
enum Rows {
    Real(Vec<u32>),
    /// Which canary, and whose public cells its rows have.
    Canary(usize, Vec<u32>),
}

impl Rows {
    /// Real rows, whose public cells it has.
    fn numbers(&self) -> &[u32] {
        let (Rows::Real(numbers) | Rows::Canary(_, numbers)) = self;
        numbers
    }
}

/// What an envelope keeps of the canaries.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Canaries {
    version: u64,
    pub(crate) canaries: Vec<Canary>,
    /// Those among the packed chunks.
    pub(crate) packed: Vec<Canary>,
}

/// A chunk of rows that are made up.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Canary {
    /// Its place among the manifest's chunks.
    pub(crate) chunk: u32,
    /// The values of each column.
    pub(crate) values: Vec<Vec<Option<u64>>>,
}

impl Canaries {
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, SealedError> {
        let canaries: Self = from_canonical("list of canaries", bytes, MAX_CANARY_BYTES)?;
        known("list of canaries", canaries.version)?;
        Ok(canaries)
    }
}

impl<'a> Mixed<'a> {
    /// Shuffles the rows, cuts them into chunks of equal length, and puts canaries among these.
    fn new(
        values: &Values<'_>,
        columns: &'a Columns,
        mut kept: Vec<u32>,
        rows_per_chunk: usize,
        canaries: Option<usize>,
    ) -> Result<Self, SealedError> {
        let mut rng = os_rng();
        // Whatever order the table was in says nothing then, and tells no chunk from another.
        kept.shuffle(&mut rng);
        let real = kept.len().div_ceil(rows_per_chunk);
        let made = canaries.unwrap_or(real.div_ceil(REAL_CHUNKS_PER_CANARY));
        if real.saturating_add(made) > MAX_CHUNKS {
            let why = format!("{real} chunks and {made} canaries are more than {MAX_CHUNKS} chunks");
            return Err(SealedError::Unsealable { why, hint: "put more rows into a chunk, or publish several assets" });
        }
        let (each, longer) = (kept.len() / real, kept.len() % real);
        let length = |chunk: usize| each + usize::from(chunk < longer);
        let mut rest = kept.as_slice();
        let mut chunks: Vec<Rows> = Vec::with_capacity(real + made);
        for chunk in 0..real {
            let (own, others) = rest.split_at(length(chunk));
            chunks.push(Rows::Real(own.to_vec()));
            rest = others;
        }
        for canary in 0..made {
            // As long as some real chunk, and with the public cells of as many different real rows.
            let rows = length(rng.gen_range(0..real));
            let some = kept.choose_multiple(&mut rng, rows).copied().collect();
            chunks.push(Rows::Canary(canary, some));
        }
        chunks.shuffle(&mut rng);
        let mut canaries: Vec<(usize, Canary)> = Vec::new();
        for (chunk, rows) in chunks.iter().enumerate() {
            if let Rows::Canary(number, rows) = rows {
                // Each value is one of its column, and all of a row are of different rows: filters find some, and none is real.
                let mut column = |column| {
                    let any = |_| values.get(column, kept[rng.gen_range(0..kept.len())] as usize);
                    rows.iter().map(any).collect()
                };
                let values = (0..values.sources.len()).map(&mut column).collect();
                canaries.push((*number, Canary { chunk: chunk as u32, values }));
            }
        }
        canaries.sort_unstable_by_key(|(number, _)| *number);
        let canaries = canaries.into_iter().map(|(_, canary)| canary).collect();
        Ok(Self { columns, chunks, canaries })
    }

    /// Bytes of a chunk's columns.
    fn bytes_of(&self, rows: &Rows) -> u64 {
        let of =
            |column: &StoredColumn| EncryptedChunk::encoded_len(column.form.form(), column.bits, rows.numbers().len());
        self.columns.stored.iter().map(|column| of(column) as u64).sum()
    }

    fn bytes(&self) -> u64 {
        self.chunks.iter().map(|rows| self.bytes_of(rows)).sum()
    }
}

impl<'a> Sealing<'a> {
    /// Leaves out what the cube's suppression withholds, and puts the rows that stay into chunks with canaries among them: once
    /// for bootstraps, and once more, in another order, packed.
    pub(crate) fn new(
        table: &'a Table,
        policy: &Policy,
        cube: &'a ProtectedCube,
        layout: &'a Layout,
        options: &SealedOptions,
    ) -> Result<Self, SealedError> {
        let schema = table.schema();
        let mut base = vec![0u64; table.len()];
        for name in policy.cube_columns(schema) {
            let size = schema.column(&name)?.cells()?;
            base.iter_mut().zip(table.cells(&name)?).for_each(|(base, cell)| *base = *base * size + u64::from(cell));
        }
        let source = |column: &'a super::layout::ValueColumn| {
            let (cells, stored) = match column.holds {
                Holds::Cell { .. } => (table.cells(&column.name)?, None),
                Holds::Measure { .. } => (Vec::new(), Some(table.stored(&column.name)?)),
            };
            Ok::<_, SealedError>(Source { cells, stored, holds: column.holds.clone(), name: &column.name })
        };
        let sources = layout.values.iter().map(source).collect::<Result<Vec<_>, _>>()?;
        let public = layout.columns.public.iter().map(|column| table.cells(&column.name));
        let public = public.collect::<Result<Vec<_>, _>>()?;
        let kept: Vec<u32> = (0..table.len() as u32).filter(|row| cube.keeps(base[*row as usize])).collect();
        if kept.is_empty() {
            let hint = "bin more coarsely, or name fewer dimensions";
            return Err(SealedError::Unsealable { why: "there is no row to encrypt".into(), hint });
        }
        let values = Values { sources, cube, base };
        let mix = |columns: &'a Columns, rows, canaries| Mixed::new(&values, columns, kept.clone(), rows, canaries);
        let mixed = mix(&layout.columns, options.rows_per_chunk, options.canaries)?;
        // Packed chunks would show the public cells of all rows, and so which of the others are canaries.
        let many = kept.len() >= PACKED_FROM_ROWS && layout.columns.public.is_empty();
        // Where every column is public, there is nothing to pack.
        let packs = options.packed.unwrap_or(many) && !layout.packed.stored.is_empty();
        let (all, packed_all) =
            (kept.len().div_ceil(options.rows_per_chunk), kept.len().div_ceil(PACKED_ROWS_PER_CHUNK));
        let canaries = options.canaries.map(|some| some.saturating_mul(packed_all).div_ceil(all));
        let packed = packs.then(|| mix(&layout.packed, PACKED_ROWS_PER_CHUNK, canaries)).transpose()?;
        let together = |packed: &Mixed<'_>| mixed.chunks.len() + packed.chunks.len();
        let pays = |packed: &Mixed<'_>| {
            together(packed) <= MAX_CHUNKS && packed.bytes() <= PACKED_BYTES.max(PACKED_TIMES_OTHERS * mixed.bytes())
        };
        let packed = packed.filter(|packed| options.packed.is_some() || pays(packed));
        let chunks = packed.as_ref().map_or(mixed.chunks.len(), together);
        if chunks > MAX_CHUNKS {
            let why = format!("{chunks} chunks, packed ones and canaries among them, are more than {MAX_CHUNKS}");
            return Err(SealedError::Unsealable { why, hint: "publish several assets, or do not pack the data" });
        }
        Ok(Self { values, public, mixed, packed })
    }

    /// Whether there are packed chunks.
    pub(crate) const fn is_packed(&self) -> bool {
        self.packed.is_some()
    }

    /// Chunks of both kinds.
    fn kinds(&self) -> impl Iterator<Item = &Mixed<'a>> {
        std::iter::once(&self.mixed).chain(&self.packed)
    }

    /// The canaries' places and contents, for the envelope.
    pub(crate) fn canaries(&self) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let packed = self.packed.as_ref().map_or_else(Vec::new, |packed| packed.canaries.clone());
        let canaries = Canaries { version: VERSION, canaries: self.mixed.canaries.clone(), packed };
        let bytes = to_canonical("list of canaries", &canaries)?;
        Ok(Zeroizing::new(super::task::bounded("list of canaries", bytes, MAX_CANARY_BYTES)?))
    }

    /// Encrypts the chunks one after the other into the store, and the evaluation key. The caller holds an
    /// [`Adding`](crate::store::Adding) until what links to them is pinned.
    pub(crate) fn store(&self, store: &dyn Store, key: &DatasetKey, progress: &mut Progress<'_>) -> Result<Stored> {
        let key = table_key(key);
        let total = self.kinds().map(|mixed| mixed.chunks.len() as u64).sum();
        tell(progress, Step::out_of(Stage::Encrypt, 0, total))?;
        let made = key.evaluation_key().map_err(SealedError::from)?.to_bytes();
        let (evaluation_key, mut bytes, mut done) = (add_file(store, &made)?, made.len() as u64, 0);
        drop(made);
        let mut store_chunks = |mixed: &Mixed<'_>| {
            let mut links = Vec::with_capacity(mixed.chunks.len());
            for rows in &mixed.chunks {
                let link = self.store_chunk(store, &key, mixed, rows)?;
                bytes += mixed.bytes_of(rows);
                links.push(link);
                done += 1;
                tell(progress, Step::out_of(Stage::Encrypt, done, total))?;
            }
            Ok::<_, crate::Error>(links)
        };
        let chunks = store_chunks(&self.mixed)?;
        let packed = self.packed.as_ref().map(store_chunks).transpose()?;
        Ok(Stored { evaluation_key, chunks, packed, bytes })
    }

    fn store_chunk(
        &self,
        store: &dyn Store,
        key: &TableKey,
        mixed: &Mixed<'_>,
        rows: &Rows,
    ) -> Result<ChunkLink, SealedError> {
        let numbers = rows.numbers();
        let encrypt = |stored: &StoredColumn| {
            let column = stored.column as usize;
            let values: Zeroizing<Vec<Option<u64>>> = Zeroizing::new(match rows {
                Rows::Real(rows) => rows.iter().map(|row| self.values.get(column, *row as usize)).collect(),
                Rows::Canary(canary, _) => mixed.canaries[*canary].values[column].clone(),
            });
            let chunk = key.encrypt(stored.form.form(), stored.bits, &values)?;
            add_file(store, &chunk.to_bytes())
        };
        // Of a packed column all cores encrypt one, which is large.
        let stored = &mixed.columns.stored;
        let columns = if mixed.columns.is_packed() {
            stored.iter().map(encrypt).collect::<Result<Vec<_>, SealedError>>()?
        } else {
            stored.par_iter().map(encrypt).collect::<Result<Vec<_>, SealedError>>()?
        };
        let cells = |column: &Vec<u32>| numbers.iter().map(|row| column[*row as usize]).collect();
        let public: Vec<Vec<u32>> = self.public.iter().map(cells).collect();
        let block = Chunk::new(numbers.len(), columns, &public).to_block()?;
        store.put(&block)?;
        Ok(ChunkLink { block: *block.cid(), rows: numbers.len() as u32 })
    }
}

/// What was put into a store.
pub(crate) struct Stored {
    evaluation_key: Cid,
    chunks: Vec<ChunkLink>,
    packed: Option<Vec<ChunkLink>>,
    /// Bytes of keys and columns.
    pub(crate) bytes: u64,
}

impl Stored {
    /// The manifest of it, signed.
    pub(crate) fn manifest(
        self,
        owner: &Account,
        asset: String,
        of: DatasetRef,
        envelope: Cid,
        layout: &Layout,
    ) -> Result<SealedManifest, SealedError> {
        let parameters = PACKED_PARAMETERS.into();
        let packed = self.packed.map(|chunks| Packed { parameters, columns: layout.packed.clone(), chunks });
        let body = SealedManifestBody {
            version: VERSION,
            owner: owner.address(),
            asset,
            dataset: of.dataset,
            epoch: of.epoch,
            parameters: PARAMETERS.into(),
            evaluation_key: self.evaluation_key,
            envelope,
            columns: layout.columns.clone(),
            chunks: self.chunks,
            packed,
        };
        SealedManifest::sign(owner, body)
    }
}

/// The key of the columns follows from the dataset's, so that it is kept, wrapped and destroyed with that.
pub(crate) fn table_key(key: &DatasetKey) -> TableKey {
    TableKey::from_bytes(*key.derived("sealock/v1/sealed/table-key"))
}

/// Writes into memory that is wiped.
pub(crate) struct Wiped(pub(crate) Zeroizing<Vec<u8>>);

impl Write for Wiped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
