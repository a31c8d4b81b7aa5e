//! Suppression of small cells, once and for every answer.

use serde::{Deserialize, Serialize};

use super::{Cube, ProtectedCube};

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

impl ProtectedCube {
    /// Whether suppression leaves the rows of a base cell that holds some.
    pub(crate) fn keeps(&self, cell: u64) -> bool {
        self.entry(cell).is_some_and(|entry| self.cube.count[entry] > 0)
    }

    /// Whether suppression leaves a measure's values in a base cell that holds some.
    pub(crate) fn keeps_values(&self, cell: u64, measure: &str) -> bool {
        let measure = self.cube.measures.iter().find(|m| m.column == measure);
        let valid = measure.and_then(|measure| measure.valid.as_ref());
        self.keeps(cell) && self.entry(cell).is_some_and(|entry| valid.is_none_or(|valid| valid[entry] > 0))
    }

    /// Where the numbers of a base cell are.
    fn entry(&self, cell: u64) -> Option<usize> {
        match &self.cube.cells {
            Some(cells) => cells.binary_search(&cell).ok(),
            None => usize::try_from(cell).ok().filter(|entry| *entry < self.cube.count.len()),
        }
    }
}

impl Cube {
    /// Zeroes every cell with fewer than `min_group_size` rows, and a measure in every cell where fewer rows than that
    /// have a value, or fewer rows than that (and any) lack one.
    ///
    /// With an entity in the policy, read distinct entities for rows. They were counted up to the policy's own group size, so
    /// that for a larger one everything is zeroed.
    pub fn suppress(mut self, min_group_size: u32) -> ProtectedCube {
        let minimum = i64::from(min_group_size);
        let entities = self.entities.take();
        let mut report = Suppression { cells: self.span(), rows: self.rows, ..Suppression::default() };
        for cell in 0..self.count.len() {
            let rows = self.count[cell];
            let small = entities.as_ref().map_or(rows, |entities| entities.all[cell].into()) < minimum;
            if small && rows > 0 {
                report.suppressed_cells += 1;
                report.suppressed_rows += rows as u64;
            }
            if small {
                self.count[cell] = 0;
            }
            let mut of_measures = entities.iter().flat_map(|entities| &entities.of_measures);
            for measure in &mut self.measures {
                // Few values are a small group, and so are few missing ones: count and mean together would tell both.
                let too_few = measure.valid.as_ref().is_some_and(|valid| {
                    let (there, missing) = match of_measures.next() {
                        Some([having, lacking]) => (having[cell].into(), lacking[cell].into()),
                        None => (valid[cell], rows - valid[cell]),
                    };
                    there < minimum || (1..minimum).contains(&missing)
                });
                if too_few && !small {
                    report.suppressed_values += measure.valid.as_ref().map_or(0, |valid| valid[cell] as u64);
                }
                if small || too_few {
                    measure.sum[cell] = 0;
                    if let Some(squares) = &mut measure.squares {
                        squares[cell] = 0;
                    }
                    if let Some(valid) = &mut measure.valid {
                        valid[cell] = 0;
                    }
                }
            }
        }
        ProtectedCube { cube: self, report, noise: None }
    }
}
