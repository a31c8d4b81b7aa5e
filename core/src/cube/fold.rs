//! From rows to cells, in one pass and in memory that does not grow with the rows.
//!
//! Rows are read in windows. While one window is added, the next one is read. Of a window, the batches are laid out in
//! parallel first: the number of each row's cell, and the values of its measures. Then the cells are added to in parallel,
//! each by one thread alone, so that there is one cube whatever the number of threads, and its numbers are always the same.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::Int64Type;
use rayon::prelude::*;

use super::{Cube, CubeError, Entities, MAX_CUBE_CELLS, MAX_CUBE_SPAN, MeasureCells, series_bits};
use crate::Digest;
use crate::asset::{BATCH, BatchReader, Schema, Table};
use crate::error::Error;
use crate::policy::Policy;
use crate::program::{Aggregation, Series};

/// Cells up to which a part of a cube is dense from the start.
const ALWAYS_DENSE: u64 = 1 << 12;

impl Cube {
    /// Folds a table in memory, over all cores of the current thread pool.
    ///
    /// # Errors
    /// [`CubeError`] if the policy does not fit the table, a sum could overflow, or too many cells hold rows.
    pub fn fold(table: &Table, policy: &Policy) -> Result<Self, CubeError> {
        let schema = table.schema();
        let slice = |start: usize| {
            let length = BATCH.min(table.len() - start);
            table.columns().iter().map(|column| column.slice(start, length)).collect::<Vec<_>>()
        };
        let slices = (0..table.len()).step_by(BATCH).map(|start| Ok::<_, CubeError>(slice(start)));
        let layout = Layout::new(schema, policy)?;
        layout.fold(vec![slices], |columns| layout.rows(&columns))
    }

    /// Folds the batches of a table that need not fit into memory, over all cores of the current thread pool. They are read
    /// one after the other while the ones before are added, and checked against the schema as [`Table::from_batches`] does.
    ///
    /// Takes memory for the cube, dense or sparse, and for some batches.
    ///
    /// # Errors
    /// Those of the batches, of [`Table::from_batches`] and of [`Cube::fold`].
    pub fn fold_batches(
        schema: &Schema,
        policy: &Policy,
        batches: impl Iterator<Item = Result<RecordBatch, Error>> + Send,
    ) -> Result<Self, Error> {
        Self::fold_lanes(schema, policy, vec![Numbered { batches, row: 0, rest: None }])
    }

    /// As [`Cube::fold_batches`], from several parts of the table that are read at the same time. Each batch comes with the
    /// number of its first row.
    pub(crate) fn fold_lanes<L>(schema: &Schema, policy: &Policy, lanes: Vec<L>) -> Result<Self, Error>
    where
        L: Iterator<Item = Result<(usize, RecordBatch), Error>> + Send,
    {
        let layout = Layout::new(schema, policy)?;
        let reader = BatchReader::new(schema);
        layout.fold(lanes, |(first, batch)| Ok(layout.rows(&reader.read(&batch, first)?)?))
    }
}

/// Batches with the number of their first row, cut where they are long.
struct Numbered<I> {
    batches: I,
    row: usize,
    rest: Option<RecordBatch>,
}

impl<I: Iterator<Item = Result<RecordBatch, Error>>> Iterator for Numbered<I> {
    type Item = Result<(usize, RecordBatch), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = match self.rest.take().map(Ok).or_else(|| self.batches.next())? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(error)),
        };
        let (first, length) = (self.row, batch.num_rows().min(BATCH));
        self.row += length;
        self.rest = (batch.num_rows() > length).then(|| batch.slice(length, batch.num_rows() - length));
        Some(Ok((first, batch.slice(0, length))))
    }
}

/// What of a table's columns a cube is made of.
struct Layout<'s> {
    schema: &'s Schema,
    policy: &'s Policy,
    columns: Vec<String>,
    sizes: Vec<u64>,
    measures: Vec<String>,
    /// Where a value of each measure is held.
    bounds: Vec<(i64, i64)>,
    /// Whether the squares of the measures are summed as well.
    squares: bool,
    /// Places in `measures` of those that may be missing.
    nullable: Vec<usize>,
    entity: Option<&'s str>,
    /// How many entities of a cell are told apart.
    group_size: u32,
}

/// Some rows, laid out.
struct Rows {
    cells: Vec<u64>,
    /// For every measure, its values; 0 where one is missing.
    sums: Vec<ScalarBuffer<i64>>,
    /// For every nullable measure, which values are there; `None` for all of them.
    valid: Vec<Option<NullBuffer>>,
    entities: Option<ArrayRef>,
}

impl Rows {
    fn is_valid(&self, nullable: usize, row: usize) -> bool {
        self.valid[nullable].as_ref().is_none_or(|there| there.is_valid(row))
    }
}

impl<'s> Layout<'s> {
    fn new(schema: &'s Schema, policy: &'s Policy) -> Result<Self, CubeError> {
        let columns = policy.cube_columns(schema);
        let sizes = columns.iter().map(|c| schema.column(c)?.cells()).collect::<Result<Vec<_>, _>>()?;
        let span = sizes.iter().fold(1, |span: u64, size| span.saturating_mul(*size));
        if span > MAX_CUBE_SPAN {
            return Err(CubeError::SpanTooLarge { span });
        }
        let measures: Vec<String> = policy.measure_columns().map(str::to_owned).collect();
        let bounds = measures.iter().map(|c| policy.bounds(schema, c)).collect::<Result<Vec<_>, _>>()?;
        let squares = policy.allows(Aggregation::Variance);
        let mut nullable = Vec::new();
        for (place, column) in measures.iter().enumerate() {
            if schema.column(column)?.nullable {
                nullable.push(place);
            }
        }
        if let Some(column) = policy.entity_column() {
            schema.column(column)?;
        }
        let (entity, group_size) = (policy.entity_column(), policy.group_size());
        Ok(Self { schema, policy, columns, sizes, measures, bounds, squares, nullable, entity, group_size })
    }

    fn span(&self) -> u64 {
        self.sizes.iter().product()
    }

    /// Numbers kept of each cell: its rows, the sums, and how many values there are.
    fn width(&self) -> usize {
        let sums = if self.squares { 2 } else { 1 };
        1 + sums * self.measures.len() + self.nullable.len()
    }

    /// Lays out rows whose columns are in stored units and in the schema's order.
    fn rows(&self, stored: &[ArrayRef]) -> Result<Rows, CubeError> {
        let numbers =
            |column: &str| Ok::<_, CubeError>(stored[self.schema.position(column)?].as_primitive::<Int64Type>());
        let mut cells = vec![0u64; stored.first().map_or(0, |column| column.len())];
        for (column, size) in self.columns.iter().zip(&self.sizes) {
            self.schema.column(column)?.each_cell(numbers(column)?, |row, cell| {
                cells[row] = cells[row] * size + u64::from(cell);
            })?;
        }
        let measures = self.measures.iter().map(|column| numbers(column)).collect::<Result<Vec<_>, _>>()?;
        let sum = |(values, (low, high)): (&&Int64Array, &(i64, i64))| -> ScalarBuffer<i64> {
            let held: Int64Array = values.unary(|value| value.clamp(*low, *high));
            match held.null_count() {
                0 => held.values().clone(),
                _ => held.iter().map(Option::unwrap_or_default).collect(),
            }
        };
        let valid = self.nullable.iter().map(|place| measures[*place].nulls().cloned()).collect();
        let sums = measures.iter().zip(&self.bounds).map(sum).collect();
        let entities = self.entity.map(|column| self.schema.position(column)).transpose()?;
        let entities = entities.map(|position| stored[position].clone());
        Ok(Rows { cells, sums, valid, entities })
    }

    /// Reads all lanes to their ends, lays out what comes, and adds it up.
    fn fold<T, E, L>(&self, mut lanes: Vec<L>, rows: impl Fn(T) -> Result<Rows, E> + Sync) -> Result<Cube, E>
    where
        T: Send,
        E: From<CubeError> + Send,
        L: Iterator<Item = Result<T, E>> + Send,
    {
        let threads = rayon::current_num_threads();
        let each = threads.div_ceil(lanes.len().max(1));
        let mut read = || {
            let pull = |lane: &mut L| lane.take(each).collect::<Vec<_>>();
            let batches: Vec<Vec<_>> = lanes.par_iter_mut().map(pull).collect();
            let batches: Vec<_> = batches.into_iter().flatten().collect();
            // Of several errors, the first row's.
            let window: Vec<_> = batches.into_par_iter().map(|batch| rows(batch?)).collect();
            window.into_iter().collect::<Result<Vec<Rows>, E>>()
        };
        let mut sums = Sums::new(self, threads.next_power_of_two());
        let mut window = read()?;
        while !window.is_empty() {
            let (added, next) = rayon::join(|| sums.add(&window), &mut read);
            added?;
            window = next?;
        }
        Ok(sums.finish()?)
    }
}

/// A cube while it is made.
struct Sums<'l> {
    layout: &'l Layout<'l>,
    /// Part `p` has the cells whose number is `p` modulo the number of parts, which is a power of two.
    parts: Vec<Part>,
    rows: u64,
}

/// Some of the cells. In it, the `i`-th is number `i * parts + p`.
struct Part {
    /// Cells, empty ones included.
    span: u64,
    index: Index,
    width: usize,
    /// [`Layout::width`] numbers of each cell.
    numbers: Vec<i64>,
    entities: Distinct,
}

/// Where the numbers of a cell are.
enum Index {
    /// In its place.
    Dense,
    /// Where the map says.
    Sparse(HashMap<u64, u32, BuildHasherDefault<CellHasher>>),
}

impl Part {
    fn new(span: u64, width: usize, most: u32) -> Self {
        let entities = Distinct { most: most as usize, seen: HashMap::default() };
        let mut part = Self { span, index: Index::Sparse(HashMap::default()), width, numbers: Vec::new(), entities };
        if span <= ALWAYS_DENSE {
            part.make_dense();
        }
        part
    }

    fn slot(&mut self, cell: u64) -> usize {
        let Index::Sparse(slots) = &mut self.index else { return cell as usize };
        let next = slots.len() as u32;
        let slot = *slots.entry(cell).or_insert(next);
        if slot == next {
            self.numbers.resize(self.numbers.len() + self.width, 0);
            // An entry of the map takes 24 bytes or so beside the numbers.
            if self.span <= MAX_CUBE_CELLS && u64::from(next) * (self.width as u64 + 3) > self.span * self.width as u64
            {
                self.make_dense();
                return cell as usize;
            }
        }
        slot as usize
    }

    fn make_dense(&mut self) {
        if let Index::Sparse(slots) = std::mem::replace(&mut self.index, Index::Dense) {
            let sparse = std::mem::take(&mut self.numbers);
            self.numbers = vec![0; self.span as usize * self.width];
            for (cell, slot) in slots {
                let (to, from) = (cell as usize * self.width, slot as usize * self.width);
                self.numbers[to..to + self.width].copy_from_slice(&sparse[from..from + self.width]);
            }
        }
    }

    /// Adds the rows that lie in cells of part `part` of 2^`bits`.
    fn add(&mut self, rows: &Rows, part: u64, bits: u32) {
        for (row, cell) in rows.cells.iter().enumerate() {
            if cell & ((1 << bits) - 1) != part {
                continue;
            }
            let start = self.slot(cell >> bits) * self.width;
            let (count, rest) = self.numbers[start..start + self.width].split_at_mut(1);
            let (sums, rest) = rest.split_at_mut(rows.sums.len());
            let (squares, valid) = rest.split_at_mut(rest.len() - rows.valid.len());
            count[0] += 1;
            for (sum, values) in sums.iter_mut().zip(&rows.sums) {
                *sum += values[row];
            }
            for (sum, values) in squares.iter_mut().zip(&rows.sums) {
                *sum += values[row] * values[row];
            }
            for (nullable, valid) in valid.iter_mut().enumerate() {
                *valid += i64::from(rows.is_valid(nullable, row));
            }
        }
    }

    /// Counts the entities of the rows that lie in cells of part `part` of 2^`bits`.
    fn add_entities(&mut self, rows: &Rows, part: u64, bits: u32) {
        let Some(entities) = &rows.entities else { return };
        let groups = 1 + 2 * rows.valid.len() as u64;
        for (row, cell) in rows.cells.iter().enumerate() {
            if cell & ((1 << bits) - 1) != part {
                continue;
            }
            let group = (cell >> bits) * groups;
            self.entities.add(group, entities, row);
            for nullable in 0..rows.valid.len() {
                let lacking = u64::from(!rows.is_valid(nullable, row));
                self.entities.add(group + 1 + 2 * nullable as u64 + lacking, entities, row);
            }
        }
    }

    /// Cells that the part has numbers of, with where they are; in no order.
    fn cells(&self) -> Vec<(u64, usize)> {
        match &self.index {
            Index::Dense => {
                let rows = self.numbers.chunks_exact(self.width).enumerate();
                rows.filter(|(_, numbers)| numbers[0] > 0).map(|(slot, _)| (slot as u64, slot)).collect()
            }
            Index::Sparse(slots) => slots.iter().map(|(cell, slot)| (*cell, *slot as usize)).collect(),
        }
    }
}

impl<'l> Sums<'l> {
    fn new(layout: &'l Layout<'l>, parts: usize) -> Self {
        let (span, width) = (layout.span(), layout.width());
        let part = |part: u64| Part::new(span.saturating_sub(part).div_ceil(parts as u64), width, layout.group_size);
        Self { layout, parts: (0..parts as u64).map(part).collect(), rows: 0 }
    }

    /// Adds a window's rows.
    fn add(&mut self, window: &[Rows]) -> Result<(), CubeError> {
        self.rows += window.iter().map(|rows| rows.cells.len() as u64).sum::<u64>();
        for column in &self.layout.measures {
            series_bits(self.layout.schema, self.layout.policy, &Series::Sum(column.clone()), self.rows)?;
            if self.layout.squares {
                series_bits(self.layout.schema, self.layout.policy, &Series::SumOfSquares(column.clone()), self.rows)?;
            }
        }
        let bits = self.parts.len().ilog2();
        self.parts.par_iter_mut().enumerate().for_each(|(number, part)| {
            window.iter().for_each(|rows| {
                part.add(rows, number as u64, bits);
                part.add_entities(rows, number as u64, bits);
            });
        });
        let sparse = |part: &Part| if let Index::Sparse(slots) = &part.index { slots.len() as u64 } else { 0 };
        self.check_cells(self.parts.iter().map(sparse).sum())
    }

    fn check_cells(&self, cells: u64) -> Result<(), CubeError> {
        if cells > MAX_CUBE_CELLS {
            return Err(CubeError::TooManyCells { cells, span: self.layout.span() });
        }
        Ok(())
    }

    fn finish(self) -> Result<Cube, CubeError> {
        let (layout, bits) = (self.layout, self.parts.len().ilog2());
        let (span, width) = (layout.span(), layout.width());
        let cells = |(number, part): (usize, &Part)| {
            let whole = |(cell, slot)| ((cell << bits) | number as u64, slot);
            part.cells().into_iter().map(whole).collect::<Vec<_>>()
        };
        let mut filled: Vec<(u64, usize)> = self.parts.par_iter().enumerate().flat_map_iter(cells).collect();
        self.check_cells(filled.len() as u64)?;
        filled.par_sort_unstable();
        // A sparse cube has the cells' numbers beside what a dense one has of all.
        let sparse = span > MAX_CUBE_CELLS || filled.len() * (width + 1) < span as usize * width;
        let parts = &self.parts;
        let series = |number: usize| -> Vec<i64> {
            let values = filled.iter().map(|(cell, slot)| {
                let part = &parts[(cell & ((1 << bits) - 1)) as usize];
                (*cell as usize, part.numbers[slot * width + number])
            });
            if sparse {
                return values.map(|(_, value)| value).collect();
            }
            let mut dense = vec![0; span as usize];
            values.for_each(|(cell, value)| dense[cell] = value);
            dense
        };
        let groups = 1 + 2 * layout.nullable.len() as u64;
        let distinct = |group: u64| -> Vec<u32> {
            let mut counts = vec![0; if sparse { filled.len() } else { span as usize }];
            for (place, (cell, _)) in filled.iter().enumerate() {
                let entities = &parts[(cell & ((1 << bits) - 1)) as usize].entities;
                counts[if sparse { place } else { *cell as usize }] = entities.count((cell >> bits) * groups + group);
            }
            counts
        };
        let entities = layout.entity.map(|_| Entities {
            all: distinct(0),
            of_measures: (1..groups).step_by(2).map(|group| [distinct(group), distinct(group + 1)]).collect(),
        });
        let mut all: Vec<Vec<i64>> = (0..width).into_par_iter().map(series).collect();
        let mut valid = all.split_off(width - layout.nullable.len()).into_iter();
        let mut squares = all.split_off(1 + layout.measures.len()).into_iter();
        let mut sums = all.split_off(1).into_iter();
        let measures = layout.measures.iter().enumerate().map(|(place, column)| MeasureCells {
            column: column.clone(),
            sum: sums.next().expect("one per measure"),
            squares: squares.next(),
            valid: if layout.nullable.contains(&place) { valid.next() } else { None },
        });
        Ok(Cube {
            columns: layout.columns.clone(),
            sizes: layout.sizes.clone(),
            measures: measures.collect(),
            count: all.swap_remove(0),
            cells: sparse.then(|| filled.iter().map(|(cell, _)| *cell).collect()),
            entities,
            rows: self.rows,
        })
    }
}

/// The distinct entities of groups of rows, each group's up to a number: 16 bytes for each of them.
struct Distinct {
    most: usize,
    /// Ascending.
    seen: HashMap<u64, Vec<u128>, BuildHasherDefault<CellHasher>>,
}

impl Distinct {
    fn add(&mut self, group: u64, entities: &ArrayRef, row: usize) {
        let seen = self.seen.entry(group).or_default();
        if seen.len() < self.most {
            let entity = match entities.as_primitive_opt::<Int64Type>() {
                Some(numbers) => numbers.value(row) as u64 as u128,
                None => text_entity(entities.as_string::<i64>().value(row)),
            };
            if let Err(place) = seen.binary_search(&entity) {
                seen.insert(place, entity);
            }
        }
    }

    fn count(&self, group: u64) -> u32 {
        self.seen.get(&group).map_or(0, |seen| seen.len() as u32)
    }
}

/// The first 128 bits of SHA-256: nobody finds two texts that have them in common, and two that did would count as one.
fn text_entity(text: &str) -> u128 {
    let digest = Digest::sha256(text.as_bytes());
    u128::from_be_bytes(digest.as_bytes()[..16].try_into().expect("32 bytes"))
}

/// Hashes the numbers of cells, which are the owner's own, by multiplication.
#[derive(Default)]
struct CellHasher(u64);

impl Hasher for CellHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
