//! The data cube: what is left of a table for a sealed query.
//!
//! The rows are folded once into one *base cube* over all the columns that the policy lets be filtered or grouped by. The
//! policy's suppression is applied to it, once. Every answer of the asset is a marginal of that one suppressed cube:
//! suppressing each coarser cube by itself would let two answers differ by exactly one small cell.
//!
//! The types keep the order: a [`Cube`] can only be suppressed, and only a [`ProtectedCube`] has marginals.

use arrow::array::{Array, Int64Array};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::asset::{AssetError, Kind, Schema, Table};
use crate::policy::Policy;
use crate::program::{Plan, ProgramError, Series};

/// Most cells of a base cube.
pub const MAX_CUBE_CELLS: u64 = 1 << 20;

/// What a cube cannot be made from.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CubeError {
    /// A column does not fit.
    #[error(transparent)]
    Asset(#[from] AssetError),
    /// A program does not fit.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The sum of a measure could leave 63 bits.
    #[error("the sum of {column:?} over {rows} rows could leave 63 bits: its values reach {largest} in stored units")]
    SumTooLarge {
        /// The measure.
        column: String,
        /// Rows of the table.
        rows: u64,
        /// Largest magnitude that the schema allows, in stored units.
        largest: u64,
    },
}

impl crate::error::Classify for CubeError {
    fn kind(&self) -> crate::ErrorKind {
        match self {
            CubeError::Asset(e) => e.kind(),
            CubeError::Program(e) => e.kind(),
            CubeError::SumTooLarge { .. } => crate::ErrorKind::OutOfDomain,
        }
    }
    fn hint(&self) -> Option<String> {
        match self {
            CubeError::Asset(e) => e.hint(),
            CubeError::Program(e) => e.hint(),
            CubeError::SumTooLarge { .. } => Some("declare a narrower range or a smaller scale for the column".into()),
        }
    }
}

/// Bits, the sign aside, of a sum of `column` over `rows` rows.
///
/// # Errors
/// [`CubeError::SumTooLarge`] if they pass 62.
pub(crate) fn series_bits(schema: &Schema, series: &Series, rows: u64) -> Result<u32, CubeError> {
    let (column, largest) = match series {
        Series::Count | Series::Valid(_) => ("count", 1),
        Series::Sum(column) => (
            column.as_str(),
            match schema.column(column)?.kind {
                Kind::Integer { min, max } | Kind::Decimal { min, max, .. } => {
                    min.unsigned_abs().max(max.unsigned_abs())
                }
                Kind::Boolean | Kind::Category { .. } => 1,
            },
        ),
    };
    let largest_sum = u128::from(largest) * u128::from(rows);
    let bits = u128::BITS - largest_sum.leading_zeros();
    if bits > 62 {
        return Err(CubeError::SumTooLarge { column: column.into(), rows, largest });
    }
    Ok(bits.max(1))
}

/// How much a cube's suppression withholds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Cells of the base cube.
    pub cells: u64,
    /// Cells that hold rows, but too few.
    pub suppressed_cells: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Rows in suppressed cells.
    pub suppressed_rows: u64,
    /// Values of measures that are withheld though the cell is not: too few of its rows have one, or lack one. Sums and
    /// means leave them out, while `count` counts their rows.
    pub suppressed_values: u64,
}

struct MeasureCells {
    column: String,
    sum: Vec<i64>,
    /// Rows that are not null; absent for columns without nulls, where it is the count.
    valid: Option<Vec<i64>>,
}

/// Counts and sums over every combination of the policy's dimension columns, before suppression.
pub struct Cube {
    columns: Vec<String>,
    sizes: Vec<usize>,
    count: Vec<i64>,
    measures: Vec<MeasureCells>,
    rows: u64,
}

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
            series_bits(schema, &Series::Sum(column.into()), rows)?;
            let values: Int64Array = table.measure(column)?;
            let sum = if values.null_count() == 0 {
                let raw = values.values();
                scatter(&index, total, |row| raw[row])
            } else {
                scatter(&index, total, |row| if values.is_valid(row) { values.value(row) } else { 0 })
            };
            let valid =
                schema.column(column)?.nullable.then(|| scatter(&index, total, |row| i64::from(values.is_valid(row))));
            measures.push(MeasureCells { column: column.into(), sum, valid });
        }
        Ok(Self { columns, sizes, count, measures, rows })
    }

    /// Zeroes every cell with fewer than `min_group_size` rows, and a measure in every cell where fewer rows than that
    /// have a value, or fewer rows than that (and any) lack one.
    pub fn suppress(mut self, min_group_size: u32) -> ProtectedCube {
        let minimum = i64::from(min_group_size);
        let mut report = Suppression { cells: self.count.len() as u64, rows: self.rows, ..Suppression::default() };
        for cell in 0..self.count.len() {
            let rows = self.count[cell];
            let small = rows < minimum;
            if small && rows > 0 {
                report.suppressed_cells += 1;
                report.suppressed_rows += rows as u64;
            }
            if small {
                self.count[cell] = 0;
            }
            for measure in &mut self.measures {
                // Few values are a small group, and so are few missing ones: count and mean together would tell both.
                let too_few = measure.valid.as_ref().is_some_and(|valid| {
                    let missing = rows - valid[cell];
                    valid[cell] < minimum || (1..minimum).contains(&missing)
                });
                if too_few && !small {
                    report.suppressed_values += measure.valid.as_ref().map_or(0, |valid| valid[cell] as u64);
                }
                if small || too_few {
                    measure.sum[cell] = 0;
                    if let Some(valid) = &mut measure.valid {
                        valid[cell] = 0;
                    }
                }
            }
        }
        ProtectedCube { cube: self, report }
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

/// A cube after suppression: what every answer of an asset is made of.
pub struct ProtectedCube {
    cube: Cube,
    report: Suppression,
}

impl ProtectedCube {
    /// How much was suppressed.
    pub fn suppression(&self) -> Suppression {
        self.report
    }

    /// Rows of the table, which bound every count.
    pub fn rows(&self) -> u64 {
        self.cube.rows
    }

    /// The marginal that a plan asks for: the clear filter applied, summed over the columns that the plan does not
    /// name.
    ///
    /// Shape: one row per group and series (`group * series + s`), one entry per cell of the hidden columns.
    ///
    /// # Errors
    /// [`CubeError::Program`] if the plan names a column that the cube does not have; a checked policy rules that out.
    pub fn marginal(&self, schema: &Schema, plan: &Plan) -> Result<Vec<Vec<i64>>, CubeError> {
        let clear = plan.clear_cells(schema)?;
        let keep = self.projection(clear.as_ref().map_or(&[][..], |kept| kept.columns))?;
        let group = self.projection(plan.group_by())?;
        let hidden = self.projection(plan.hidden())?;
        let sources = plan.series().iter().map(|s| self.series(s)).collect::<Result<Vec<_>, _>>()?;
        let mut out = vec![vec![0i64; plan.cells()]; plan.groups() * sources.len()];
        for cell in 0..self.cube.count.len() {
            if clear.as_ref().is_some_and(|kept| !kept.cells[self.project(&keep, cell)]) {
                continue;
            }
            let (group, hidden) = (self.project(&group, cell), self.project(&hidden, cell));
            for (s, source) in sources.iter().enumerate() {
                out[group * sources.len() + s][hidden] += source[cell];
            }
        }
        Ok(out)
    }

    fn series(&self, series: &Series) -> Result<&[i64], ProgramError> {
        let measure = |name: &str| {
            self.cube
                .measures
                .iter()
                .find(|m| m.column == name)
                .ok_or_else(|| ProgramError::NotAMeasure { column: name.into() })
        };
        Ok(match series {
            Series::Count => &self.cube.count,
            Series::Sum(column) => &measure(column)?.sum,
            Series::Valid(column) => measure(column)?.valid.as_ref().unwrap_or(&self.cube.count),
        })
    }

    /// For each of `columns`, its stride in the base cube and its size.
    fn projection(&self, columns: &[String]) -> Result<Vec<(usize, usize)>, ProgramError> {
        columns
            .iter()
            .map(|name| {
                let axis = self
                    .cube
                    .columns
                    .iter()
                    .position(|c| c == name)
                    .ok_or_else(|| ProgramError::NotADimension { column: name.clone() })?;
                Ok((self.cube.sizes[axis + 1..].iter().product(), self.cube.sizes[axis]))
            })
            .collect()
    }

    fn project(&self, projection: &[(usize, usize)], cell: usize) -> usize {
        projection.iter().fold(0, |index, (stride, size)| index * size + cell / stride % size)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

    use super::*;
    use crate::asset::Column;
    use crate::program::{Aggregation, Query, col, count, mean, secret};

    /// Rows of (town, age, income); age and income may be missing.
    type Row = (usize, Option<i64>, Option<i64>);
    const TOWNS: [&str; 3] = ["a", "b", "c"];

    fn table(rows: &[Row]) -> Table {
        let schema = Schema::new(vec![
            Column::category("town", TOWNS).dimension(),
            Column::integer("age", 0, 9).dimension().nullable(),
            Column::integer("income", -100, 100).measure().nullable(),
        ])
        .unwrap();
        let columns: [(&str, ArrayRef); 3] = [
            ("town", Arc::new(StringArray::from_iter_values(rows.iter().map(|r| TOWNS[r.0])))),
            ("age", Arc::new(rows.iter().map(|r| r.1).collect::<Int64Array>())),
            ("income", Arc::new(rows.iter().map(|r| r.2).collect::<Int64Array>())),
        ];
        Table::from_batches(schema, [RecordBatch::try_from_iter(columns).unwrap()]).unwrap()
    }

    fn policy(min_group_size: u32) -> Policy {
        Policy::deny_all()
            .dimensions(["town", "age"])
            .measures(["income"])
            .aggregations([Aggregation::Count, Aggregation::Mean])
            .any_program()
            .min_group_size(min_group_size)
    }

    fn cube(rows: &[Row], min_group_size: u32) -> ProtectedCube {
        Cube::fold(&table(rows), &policy(min_group_size)).unwrap().suppress(min_group_size)
    }

    fn rows() -> Vec<Row> {
        let row = |i: usize| {
            (
                i % 3,
                (!i.is_multiple_of(7)).then_some(i as i64 % 10),
                (!i.is_multiple_of(5)).then_some(i as i64 % 201 - 100),
            )
        };
        (0..10_000).map(row).collect()
    }

    #[test]
    fn a_marginal_is_the_sum_over_the_rows() {
        let rows = rows();
        let table = table(&rows);
        let query = Query::select([count(), mean("income")])
            .filter(col("age").lt(6) & col("age").is_not_null() & col("age").ge(secret(2)))
            .group_by(["town"]);
        let plan = query.program().plan(table.schema()).unwrap();
        let indicator = plan.indicator(table.schema(), &query).unwrap();
        let marginal = cube(&rows, 1).marginal(table.schema(), &plan).unwrap();
        assert_eq!(plan.series().len(), 3);
        for town in 0..3 {
            let kept = rows.iter().filter(|r| r.0 == town && r.1.is_some_and(|age| (2..6).contains(&age)));
            let (mut expected, mut got) = ([0i64; 3], [0i64; 3]);
            for row in kept {
                expected[0] += 1;
                expected[1] += row.2.unwrap_or(0);
                expected[2] += i64::from(row.2.is_some());
            }
            for (s, total) in got.iter_mut().enumerate() {
                let row = &marginal[town * 3 + s];
                *total = row.iter().zip(&indicator).filter(|(_, selected)| **selected).map(|(v, _)| v).sum();
            }
            assert_eq!(got, expected, "{:?}", plan.series());
        }
    }

    #[test]
    fn null_is_neither_selected_nor_selected_out() {
        let rows = rows();
        let table = table(&rows);
        let selected = |filter| {
            let query = Query::select([count()]).filter(filter);
            let plan = query.program().plan(table.schema()).unwrap();
            let indicator = plan.indicator(table.schema(), &query).unwrap();
            let marginal = cube(&rows, 1).marginal(table.schema(), &plan).unwrap();
            marginal[0].iter().zip(indicator).filter(|(_, s)| *s).map(|(v, _)| *v).sum::<i64>()
        };
        let known = rows.iter().filter(|r| r.1.is_some()).count() as i64;
        let below = rows.iter().filter(|r| r.1.is_some_and(|age| age < 5)).count() as i64;
        assert_eq!(selected(col("age").lt(secret(5))), below);
        assert_eq!(selected(!col("age").lt(secret(5))), known - below);
        assert_eq!(selected(col("age").is_null() & col("town").is_in(secret(TOWNS))), rows.len() as i64 - known);
    }

    #[test]
    fn small_cells_and_sums_over_few_values_are_zeroed_once_and_for_every_marginal() {
        let mut rows: Vec<Row> = (0..100).map(|i| (0, Some(1), Some(i % 7))).collect();
        rows.extend([(1, Some(1), Some(50)); 4]);
        // Enough rows, too few incomes.
        rows.extend((0..20).map(|i| (2, Some(1), (i < 3).then_some(60))));
        let open = cube(&rows, 1);
        assert_eq!(open.suppression().suppressed_rows, 0);
        let protected = cube(&rows, 5);
        assert_eq!(
            protected.suppression(),
            Suppression { cells: 33, suppressed_cells: 1, rows: 124, suppressed_rows: 4, suppressed_values: 3 }
        );
        let table = table(&rows);
        let plan = Query::select([count(), mean("income")]).group_by(["town"]).program().plan(table.schema()).unwrap();
        let sums: i64 = (0..100).map(|i| i % 7).sum();
        let marginal = |cube: &ProtectedCube| -> Vec<i64> {
            cube.marginal(table.schema(), &plan).unwrap().into_iter().map(|row| row[0]).collect()
        };
        assert_eq!(marginal(&open), [100, sums, 100, 4, 200, 4, 20, 180, 3]);
        assert_eq!(marginal(&protected), [100, sums, 100, 0, 0, 0, 20, 0, 0]);
    }

    #[test]
    fn the_attack_of_two_answers_that_differ_by_a_small_cell() {
        // One person of age 9 in town b. Suppressing each answer by itself gives that person away: "town b" and "town b,
        // but not of age 9" are both large, and their difference is one income.
        let mut rows: Vec<Row> = (0..50).map(|i| (1, Some(i % 9), Some(1))).collect();
        rows.push((1, Some(9), Some(77)));
        let table = table(&rows);
        let answer = |cube: &ProtectedCube, query: &Query| {
            let plan = query.program().plan(table.schema()).unwrap();
            let sums = plan.series().iter().position(|s| matches!(s, Series::Sum(_))).unwrap();
            let keep = plan.indicator(table.schema(), query).unwrap();
            cube.marginal(table.schema(), &plan).unwrap()[sums]
                .iter()
                .zip(keep)
                .filter(|(_, k)| *k)
                .map(|(v, _)| *v)
                .sum::<i64>()
        };
        let town = Query::select([mean("income")]).filter(col("town").eq(secret("b")));
        let but_one = town.clone().filter(!col("age").eq(secret(9)));
        let (unprotected, protected) = (cube(&rows, 1), cube(&rows, 5));
        assert_eq!(answer(&unprotected, &town) - answer(&unprotected, &but_one), 77, "the attack works");
        assert_eq!(answer(&protected, &town) - answer(&protected, &but_one), 0, "and fails on the one suppressed cube");
    }

    #[test]
    fn sums_that_could_overflow_are_refused_at_publication() {
        let schema = Schema::new(vec![Column::integer("x", 0, i64::MAX).measure()]).unwrap();
        let error = series_bits(&schema, &Series::Sum("x".into()), 2).unwrap_err();
        assert!(matches!(error, CubeError::SumTooLarge { .. }));
        assert_eq!(series_bits(&schema, &Series::Count, 1_000_000).unwrap(), 20);
    }
}
