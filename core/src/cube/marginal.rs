//! What a plan asks of the protected cube.

use super::{CubeError, ProtectedCube, Suppression};
use crate::asset::Schema;
use crate::program::{Plan, ProgramError, Series};

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
    /// Shape: one row per group and number (`group * width + n`, see [`Plan::width`]), one entry per cell of the hidden
    /// columns.
    ///
    /// # Errors
    /// [`CubeError::Program`] if the plan names a column that the cube does not have; a checked policy rules that out.
    pub fn marginal(&self, schema: &Schema, plan: &Plan) -> Result<Vec<Vec<i64>>, CubeError> {
        let clear = plan.clear_cells(schema)?;
        let keep = self.projection(clear.as_ref().map_or(&[][..], |kept| kept.columns))?;
        let group = self.projection(plan.group_by())?;
        let hidden = self.projection(plan.hidden())?;
        let mut first = 0;
        let mut sources = Vec::with_capacity(plan.series().len());
        for (series, numbers) in plan.series() {
            let bins = match series {
                Series::Bins(column) => self.projection(std::slice::from_ref(column))?,
                _ => Vec::new(),
            };
            sources.push((first, *numbers, bins, self.series(series)?));
            first += numbers;
        }
        let width = plan.width();
        let mut out = vec![vec![0i64; plan.cells()]; plan.groups() * width];
        for cell in 0..self.cube.count.len() {
            if clear.as_ref().is_some_and(|kept| !kept.cells[self.project(&keep, cell)]) {
                continue;
            }
            let (group, hidden) = (self.project(&group, cell), self.project(&hidden, cell));
            for (first, numbers, bins, source) in &sources {
                // The null cell is the one behind the bins.
                let bin = self.project(bins, cell);
                if bin < *numbers {
                    out[group * width + first + bin][hidden] += source[cell];
                }
            }
        }
        Ok(out)
    }

    fn series(&self, series: &Series) -> Result<&[i64], ProgramError> {
        let not_kept = |name: &str| ProgramError::NotAMeasure { column: name.into() };
        let measure = |name: &str| self.cube.measures.iter().find(|m| m.column == name).ok_or_else(|| not_kept(name));
        Ok(match series {
            Series::Count | Series::Bins(_) => &self.cube.count,
            Series::Sum(column) => &measure(column)?.sum,
            Series::SumOfSquares(column) => measure(column)?.squares.as_ref().ok_or_else(|| not_kept(column))?,
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
