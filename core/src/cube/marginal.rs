//! What a plan asks of the protected cube.

use rayon::prelude::*;

use super::{Cube, CubeError, ProtectedCube, Suppression};
use crate::asset::Schema;
use crate::program::{Plan, ProgramError, Series};

/// Most entries of the table of the fastest axes, unless the fastest one alone has more.
const TABLE: u64 = 1 << 16;
/// Stored cells that one task looks at.
const CHUNK: usize = 1 << 16;
/// The place of a cell that the clear filter leaves out.
const LEFT_OUT: u32 = u32::MAX;

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
    /// name. Takes time and memory in proportion to the stored cells and to the marginal. Where the policy asks for noise in
    /// each job, every call draws it anew.
    ///
    /// Shape: one row per group and number (`group * width + n`, see [`Plan::width`]), one entry per cell of the hidden
    /// columns.
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
    pub(super) fn sums(
        &self,
        schema: &Schema,
        plan: &Plan,
        series: &[(Series, usize)],
    ) -> Result<Vec<Vec<i64>>, CubeError> {
        let places = self.places(schema, plan)?;
        let entries = plan.groups() * plan.cells();
        let source = |(series, numbers): &(Series, usize)| {
            let bins = match series {
                Series::Bins(column) => Some(self.bins(column)?),
                _ => None,
            };
            Ok((self.series(series)?, *numbers, bins))
        };
        let sources = series.iter().map(source).collect::<Result<Vec<_>, ProgramError>>()?;
        let sum = |(source, numbers, bins): &(&[i64], usize, Option<Vec<u32>>)| {
            let mut sums = vec![0i64; entries * numbers];
            for (slot, (place, value)) in places.iter().zip(*source).enumerate() {
                let bin = bins.as_ref().map_or(0, |bins| bins[slot] as usize);
                // The null cell is the one behind the bins.
                if *place != LEFT_OUT && bin < *numbers {
                    sums[bin * entries + *place as usize] += value;
                }
            }
            sums
        };
        let sums: Vec<Vec<i64>> = sources.par_iter().map(sum).collect();
        let numbers: Vec<&[i64]> = sums.iter().flat_map(|sums| sums.chunks_exact(entries)).collect();
        let row = |group: usize| numbers.iter().map(move |n| n[group * plan.cells()..][..plan.cells()].to_vec());
        Ok((0..plan.groups()).flat_map(row).collect())
    }

    /// For every stored cell, its place along a column.
    fn bins(&self, column: &String) -> Result<Vec<u32>, ProgramError> {
        let steps = self.cube.strides(std::slice::from_ref(column), 1)?;
        let axes = self.cube.sizes.iter().zip(steps);
        let walk = Walk::new(axes.map(|(size, place)| Axis { size: *size, keep: 0, place }));
        Ok(self.walk(&walk, |at| at.place as u32))
    }

    /// Something of every stored cell.
    fn walk(&self, walk: &Walk, of: impl Fn(At) -> u32 + Sync) -> Vec<u32> {
        let mut out = vec![0; self.cube.count.len()];
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(n, chunk)| {
            let mut steps = walk.steps();
            for (slot, out) in (n * CHUNK..).zip(chunk) {
                *out = of(steps.at(self.cube.cell(slot)));
            }
        });
        out
    }

    /// For every stored cell, where the plan's marginal has it: `group * plan.cells() + hidden`.
    fn places(&self, schema: &Schema, plan: &Plan) -> Result<Vec<u32>, CubeError> {
        let clear = plan.clear_cells(schema)?;
        let keep = self.cube.strides(clear.as_ref().map_or(&[][..], |kept| kept.columns), 1)?;
        let group = self.cube.strides(plan.group_by(), plan.cells())?;
        let hidden = self.cube.strides(plan.hidden(), 1)?;
        let axes = self.cube.sizes.iter().zip(keep).zip(group.iter().zip(hidden));
        let walk =
            Walk::new(axes.map(|((size, keep), (group, hidden))| Axis { size: *size, keep, place: group + hidden }));
        let place = |at: At| match &clear {
            Some(kept) if !kept.cells[at.keep] => LEFT_OUT,
            _ => u32::try_from(at.place).expect("a plan has at most 2^23 entries"),
        };
        Ok(self.walk(&walk, place))
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
}

impl Cube {
    /// For each of the cube's columns, by how much one step along it moves within the product of `columns`, of whose cells
    /// each has `width` entries.
    fn strides(&self, columns: &[String], width: usize) -> Result<Vec<usize>, ProgramError> {
        let mut strides = vec![0; self.columns.len()];
        let mut stride = width;
        for name in columns.iter().rev() {
            let axis = self.columns.iter().position(|c| c == name);
            let axis = axis.ok_or_else(|| ProgramError::NotADimension { column: name.clone() })?;
            strides[axis] = stride;
            stride *= self.sizes[axis] as usize;
        }
        Ok(strides)
    }
}

/// One column of the cube.
struct Axis {
    size: u64,
    /// By how much a step along it moves within the clear filter.
    keep: usize,
    /// By how much it moves within the marginal.
    place: usize,
}

/// Where a cell lies within the clear filter, and where within the marginal.
#[derive(Clone, Copy, Default)]
struct At {
    keep: usize,
    place: usize,
}

/// The way through a cube's cells in ascending order, without a division per cell.
struct Walk {
    /// The slower axes, the slowest first.
    slow: Vec<Axis>,
    /// What the faster axes add, by the cell's number within them.
    fast: Vec<At>,
}

impl Walk {
    fn new(axes: impl Iterator<Item = Axis>) -> Self {
        let mut slow: Vec<Axis> = axes.collect();
        let mut fast = vec![At::default()];
        while let Some(axis) = slow.last() {
            if fast.len() > 1 && fast.len() as u64 * axis.size > TABLE {
                break;
            }
            let step = |digit: usize| {
                let add = move |at: &At| At { keep: at.keep + digit * axis.keep, place: at.place + digit * axis.place };
                fast.iter().map(add)
            };
            fast = (0..axis.size as usize).flat_map(step).collect();
            slow.pop();
        }
        Self { slow, fast }
    }

    fn steps(&self) -> Steps<'_> {
        Steps { walk: self, block: 0..0, base: At::default() }
    }
}

/// A place on the way.
struct Steps<'w> {
    walk: &'w Walk,
    /// The cells that have their slow axes in common.
    block: std::ops::Range<u64>,
    /// What the slow axes add.
    base: At,
}

impl Steps<'_> {
    fn at(&mut self, cell: u64) -> At {
        if !self.block.contains(&cell) {
            let length = self.walk.fast.len() as u64;
            let mut rest = cell / length;
            self.block = rest * length..(rest + 1) * length;
            self.base = At::default();
            for axis in self.walk.slow.iter().rev() {
                let digit = (rest % axis.size) as usize;
                rest /= axis.size;
                self.base.keep += digit * axis.keep;
                self.base.place += digit * axis.place;
            }
        }
        let fast = self.walk.fast[(cell - self.block.start) as usize];
        At { keep: self.base.keep + fast.keep, place: self.base.place + fast.place }
    }
}
