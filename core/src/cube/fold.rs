//! From rows to cells.

use arrow::array::{Array, Int64Array};
use rayon::prelude::*;

use super::{Cube, CubeError, MeasureCells, series_bits};
use crate::asset::Table;
use crate::policy::Policy;
use crate::program::Aggregation;

impl Cube {
    /// Folds a table, in one pass per measure, over all cores of the current thread pool.
    ///
    /// # Errors
    /// [`CubeError`] if the policy does not fit the table, or a sum could overflow.
    pub fn fold(table: &Table, policy: &Policy) -> Result<Self, CubeError> {
        let schema = table.schema();
        let columns = policy.cube_columns(schema);
        let mut sizes = Vec::with_capacity(columns.len());
        let mut index = vec![0u32; table.len()];
        for column in &columns {
            let size = schema.column(column)?.cells()? as usize;
            sizes.push(size);
            let cells = table.cells(column)?;
            index.par_iter_mut().zip(cells.par_iter()).for_each(|(i, c)| *i = *i * size as u32 + c);
        }
        let total = sizes.iter().product();
        let rows = table.len() as u64;
        let count = scatter(&index, total, |_| 1);
        let mut measures = Vec::new();
        for column in policy.measure_columns() {
            for series in policy.sums(column) {
                series_bits(schema, &series, rows)?;
            }
            let values: Int64Array = table.measure(column)?;
            let sum = if values.null_count() == 0 {
                let raw = values.values();
                scatter(&index, total, |row| raw[row])
            } else {
                scatter(&index, total, |row| if values.is_valid(row) { values.value(row) } else { 0 })
            };
            let valid =
                schema.column(column)?.nullable.then(|| scatter(&index, total, |row| i64::from(values.is_valid(row))));
            let squares = policy.allows(Aggregation::Variance).then(|| {
                let square = |value: i64| value * value;
                scatter(&index, total, |row| if values.is_valid(row) { square(values.value(row)) } else { 0 })
            });
            measures.push(MeasureCells { column: column.into(), sum, squares, valid });
        }
        Ok(Self { columns, sizes, count, measures, rows })
    }
}

/// Adds `value(row)` into the cell of each row. Sums stay within 62 bits by [`series_bits`].
fn scatter(index: &[u32], cells: usize, value: impl Fn(usize) -> i64 + Sync) -> Vec<i64> {
    // Few long chunks: each carries a cube of its own.
    let chunk = index.len().div_ceil(rayon::current_num_threads()).max(1 << 16);
    index
        .par_chunks(chunk)
        .enumerate()
        .map(|(n, part)| {
            let mut cube = vec![0i64; cells];
            for (i, cell) in part.iter().enumerate() {
                cube[*cell as usize] += value(n * chunk + i);
            }
            cube
        })
        .reduce_with(|mut a, b| {
            a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
            a
        })
        .unwrap_or_else(|| vec![0; cells])
}
