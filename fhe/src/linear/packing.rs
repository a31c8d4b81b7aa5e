//! Which coefficient holds what: several vectors and several columns in one ring product.
//!
//! The coefficient packing of matrix products of Cheetah (Huang, Lu, Hong, Ding, USENIX Security 2022,
//! <https://eprint.iacr.org/2022/207>). A vector of d ≤ N cells takes d coefficients; `p` vectors and `q` columns share
//! one product when `p·q·d ≤ N`:
//!
//! ```text
//! weights a_ij of vector i    X^(i·q·d + d−1−j)
//! column digits b_jk          X^(k·d + j)
//! result (i, k)               X^((i·q + k)·d + d−1)
//! ```
//!
//! The product's degree is at most `p·q·d + d − 2`, so what wraps around lands below `d − 1`, under every result. Two
//! terms meet at a result only if `(i − i')·q + (k − k')` blocks of d equal a difference of two cells, which is below
//! d: so only its own do. Longer vectors are cut into blocks of N cells, and one product makes one result, at
//! `X^(N−1)`.

use super::{MAX_PACKED, ring::N};

/// Bodies that a query may take for every 2,048 cells, so that it stays under 40 kB for them: 39,936 bytes.
const BODIES_PER_UNIT: usize = 3072;
const UNIT: usize = 2048;
/// How much smaller than the answer a query must be to take more than that.
const SHARE_OF_ANSWER: usize = 16;

/// How vectors, cells and columns (limbs of outputs) are laid out in ring elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Packing {
    pub(crate) vectors: usize,
    pub(crate) cells: usize,
    /// Vectors in one ring element.
    pub(crate) rows: usize,
    /// Columns in one ring element.
    pub(crate) columns: usize,
}

/// Most results that one product over so many cells can hold.
pub(crate) fn room(cells: usize) -> usize {
    (N / cells).clamp(1, MAX_PACKED)
}

impl Packing {
    /// The packing with the fewest bits on the wire, query and answer together. `coefficient_bits` are those of
    /// a body of the query and of a coefficient of the answer.
    ///
    /// Where columns share a ring element, the query carries the coefficients between the weights too. It may do so
    /// within the bytes for the cells of the cube (hidden cells × outputs; with more than N/4 hidden cells, for those
    /// alone), or where the answer is much larger anyway.
    pub(crate) fn choose(
        vectors: usize,
        cells: usize,
        outputs: usize,
        columns: usize,
        coefficient_bits: [usize; 2],
    ) -> Self {
        let room = room(cells);
        let shared = if cells <= N / 4 { outputs } else { 1 };
        let allowed = (vectors * cells).saturating_mul(shared).div_ceil(UNIT).saturating_mul(BODIES_PER_UNIT);
        let mut best = (usize::MAX, Self { vectors, cells, rows: 1, columns: 1 });
        for rows in 1..=room.min(vectors) {
            for q in 1..=(room / rows).min(columns) {
                let packing = Self { vectors, cells, rows, columns: q };
                let bodies = packing.bodies();
                let query = bodies * coefficient_bits[0];
                let answer = packing.tiles() * columns.div_ceil(q) * N * coefficient_bits[1];
                if bodies > allowed && query > answer / SHARE_OF_ANSWER {
                    continue;
                }
                let cost = query + answer;
                if cost < best.0 {
                    best = (cost, packing);
                }
            }
        }
        best.1
    }

    /// Whether vectors and columns fit as the module says. True of every value that [`Self::choose`] makes.
    pub(crate) fn is_sound(&self) -> bool {
        let results = self.rows * self.columns;
        (1..=room(self.cells)).contains(&results) && self.rows <= self.vectors
    }

    /// Coefficients from one result to the next.
    fn step(&self) -> usize {
        self.cells.min(N)
    }

    /// Ring elements that one vector takes.
    pub(crate) fn blocks(&self) -> usize {
        self.cells.div_ceil(N)
    }

    /// Groups of vectors that share ring elements.
    pub(crate) fn tiles(&self) -> usize {
        self.vectors.div_ceil(self.rows)
    }

    pub(crate) fn ciphertexts(&self) -> usize {
        self.tiles() * self.blocks()
    }

    /// Vectors of a tile.
    pub(crate) fn vectors_of(&self, tile: usize) -> std::ops::Range<usize> {
        tile * self.rows..((tile + 1) * self.rows).min(self.vectors)
    }

    /// Cells of a block.
    pub(crate) fn cells_of(&self, block: usize) -> std::ops::Range<usize> {
        block * N..((block + 1) * N).min(self.cells)
    }

    /// Coefficient of the weight of the `j`-th cell of a block, in the `i`-th vector of a tile.
    pub(crate) fn weight(&self, i: usize, j: usize) -> usize {
        (i * self.columns + 1) * self.step() - 1 - j
    }

    /// Coefficient of the first digit of the `k`-th column of a tile; the others follow.
    pub(crate) fn column(&self, k: usize) -> usize {
        k * self.step()
    }

    /// Coefficient of the product of the `i`-th vector and the `k`-th column of their tiles.
    pub(crate) fn result(&self, i: usize, k: usize) -> usize {
        (i * self.columns + k + 1) * self.step() - 1
    }

    /// The coefficients of a query's body that any result depends on: so many from this index on, modulo N.
    pub(crate) fn window(&self, block: usize) -> (usize, usize) {
        if self.blocks() > 1 {
            let len = self.cells_of(block).len();
            return (N - len, len);
        }
        let before = (self.columns - 1) * self.cells;
        let len = before + self.rows * self.columns * self.cells;
        if len >= N { (0, N) } else { ((N - before) % N, len) }
    }

    /// Indices of the coefficients of a block's [`Self::window`].
    pub(crate) fn window_indices(&self, block: usize) -> impl Iterator<Item = usize> {
        let (start, len) = self.window(block);
        (start..start + len).map(|i| i % N)
    }

    /// Body coefficients of the whole query.
    pub(crate) fn bodies(&self) -> usize {
        self.tiles() * (0..self.blocks()).map(|block| self.window(block).1).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the product of weight (i, j) and digit (j', k) lands, and whether it wrapped around.
    fn lands(p: &Packing, i: usize, j: usize, j2: usize, k: usize) -> (usize, bool) {
        let degree = p.weight(i, j) + p.column(k) + j2;
        (degree % N, degree >= N)
    }

    #[test]
    fn only_a_results_own_products_meet_at_its_coefficient() {
        for (cells, rows, columns) in
            [(1, 8, 8), (3, 2, 32), (7, 64, 1), (31, 4, 16), (82, 1, 49), (97, 3, 14), (1000, 1, 4), (2048, 2, 1)]
        {
            let p = Packing { vectors: rows, cells, rows, columns };
            assert!(p.is_sound(), "{p:?}");
            let results: Vec<usize> =
                (0..rows).flat_map(|i| (0..columns).map(move |k| (i, k))).map(|(i, k)| p.result(i, k)).collect();
            let mut met = vec![0; N];
            for i in 0..rows {
                for k in 0..columns {
                    // By the difference of two cells alone, every product of a vector and a column.
                    for difference in 1 - cells as isize..cells as isize {
                        let (j, j2) = ((-difference).max(0) as usize, difference.max(0) as usize);
                        let (at, wrapped) = lands(&p, i, j, j2, k);
                        assert!(!wrapped || !results.contains(&at));
                        if at == p.result(i, k) && !wrapped {
                            assert_eq!(j, j2);
                        } else {
                            assert!(!results.contains(&at), "{p:?}: product ({i}, {j}) ({j2}, {k}) hits {at}");
                        }
                        met[at] += usize::from(at == p.result(i, k));
                    }
                }
            }
            assert!(results.iter().all(|&r| met[r] == 1), "each result has its own coefficient");
        }
    }

    #[test]
    fn every_coefficient_that_a_result_depends_on_is_in_the_window() {
        for (cells, rows, columns) in
            [(1, 8, 8), (3, 2, 32), (7, 64, 1), (82, 1, 9), (82, 1, 49), (97, 3, 14), (4096, 1, 1)]
        {
            let p = Packing { vectors: rows, cells, rows, columns };
            let sent: std::collections::HashSet<usize> = p.window_indices(0).collect();
            assert_eq!(sent.len(), p.window(0).1);
            let mut used = std::collections::HashSet::new();
            for (i, k) in (0..rows).flat_map(|i| (0..columns).map(move |k| (i, k))) {
                // A result at r takes body coefficient r − c for every coefficient c of the digits.
                used.extend((0..columns * cells).map(|c| (p.result(i, k) + N - c) % N));
            }
            assert!(used.is_subset(&sent), "{p:?}");
            assert!(sent.len() == used.len() || sent.len() == N, "{p:?} sends no more");
        }
        let p = Packing { vectors: 1, cells: 5000, rows: 1, columns: 1 };
        assert_eq!((p.window(0), p.window(1), p.bodies()), ((0, N), (N - 904, 904), 5000));
    }

    #[test]
    fn choices_are_sound_and_keep_the_query_small() {
        for vectors in [1, 2, 7, 100, 1000] {
            for cells in [1, 2, 30, 82, 784, 1024, 1500, 2048, 2049, 4096, 4097, 8192, 100_000] {
                for columns in [1, 3, 8] {
                    let p = Packing::choose(vectors, cells, 1, columns, [104, 42]);
                    assert!(p.is_sound(), "{p:?}");
                    assert!(vectors > 1 || p.bodies() * 13 <= cells.div_ceil(UNIT) * 40_000, "{p:?}");
                }
            }
        }
        assert_eq!(Packing::choose(1, 82, 100, 500, [104, 42]).columns, 46, "11 products");
        assert_eq!(Packing::choose(1, 8192, 2, 6, [104, 42]).bodies(), 8192);
        assert_eq!(Packing::choose(1, 2048, 2, 6, [104, 42]).bodies(), 2048);
        assert_eq!(
            Packing::choose(1, 2048, 2048, 2048, [104, 42]).columns,
            2,
            "beside such an answer no query is large"
        );
    }
}
