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
    /// name. Where the policy asks for noise in each job, every call draws it anew.
    ///
    /// Shape: one row per group and series (`group * series + s`), one entry per cell of the hidden columns.
    ///
    /// # Errors
    /// [`CubeError::Program`] if the plan names a column that the cube does not have; a checked policy rules that out.
    /// [`CubeError::Privacy`] if noise could not be drawn.
    pub fn marginal(&self, schema: &Schema, plan: &Plan) -> Result<Vec<Vec<i64>>, CubeError> {
        match &self.noise {
            None => self.sums(schema, plan, plan.series()),
            Some(policy) => self.noisy_marginal(schema, plan, policy),
        }
    }

    /// The marginal of some series as the cube has it.
    pub(super) fn sums(&self, schema: &Schema, plan: &Plan, series: &[Series]) -> Result<Vec<Vec<i64>>, CubeError> {
        let clear = plan.clear_cells(schema)?;
        let keep = self.projection(clear.as_ref().map_or(&[][..], |kept| kept.columns))?;
        let group = self.projection(plan.group_by())?;
        let hidden = self.projection(plan.hidden())?;
        let sources = series.iter().map(|s| self.series(s)).collect::<Result<Vec<_>, _>>()?;
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
