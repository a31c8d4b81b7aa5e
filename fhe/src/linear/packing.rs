//! Which coefficient holds what: several vectors and several columns in one ring product.
//!
//! The coefficient packing of matrix products of Cheetah (Huang, Lu, Hong, Ding, USENIX Security 2022,
//! <https://eprint.iacr.org/2022/207>). Cells are cut into blocks of s; the last one may be shorter. `p` vectors and `q`
//! columns share the products of a block when `p·q·s ≤ N`:
//!
//! ```text
//! weights a_ij of vector i    X^((i·q + 1)·s − 1 − j)
//! column digits b_jk          X^(k·s + j)
//! result (i, k)               X^((i·q + k + 1)·s − 1)
//! ```
//!
//! A product's degree is at most `(p·q + 1)·s − 2`, so what wraps around lands below `s − 1`, under every result. Two
//! terms meet at a result only if `(i − i')·q + (k − k')` times s equals a difference of two cells of a block, which is
//! below s: so only its own do. The products of all blocks add up.
//!
//! Vectors of at most N cells stay whole for up to [`room`] results. For more of them in one ring ciphertext of the
//! answer, up to [`MAX_PACKED`], vectors are cut, and a query has more ring ciphertexts.

use super::{MAX_PACKED, ring::N};

/// Bodies that a query may take for every 2,048 cells, so that it stays under 40 kB for them: 39,936 bytes.
const BODIES_PER_UNIT: usize = 3072;
const UNIT: usize = 2048;

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

/// Bounds of what shares one ring ciphertext of an answer: what noise and hints depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Sharing {
    /// Columns, whose digits all meet in every result.
    pub(crate) columns: usize,
    pub(crate) results: usize,
}

impl Sharing {
    /// The bound for vectors that are cut no more than they must be.
    pub(crate) fn whole(cells: usize) -> Self {
        Self { columns: room(cells), results: room(cells) }
    }

    /// Every bound that a packing of so many cells may have.
    pub(crate) fn all(cells: usize) -> impl Iterator<Item = Self> {
        std::iter::once(Self::whole(cells)).chain((0..=MAX_PACKED.ilog2()).map(|log2| Self::cut(1 << log2)))
    }

    /// The bound for vectors that are cut so that so many columns share.
    pub(crate) fn cut(columns: usize) -> Self {
        Self { columns, results: MAX_PACKED }
    }
}

/// Most results that one product over so many cells can hold.
fn room(cells: usize) -> usize {
    (N / cells.max(1)).clamp(1, MAX_PACKED)
}

impl Packing {
    /// All that come into question, those of one [`Sharing`] one after the other. The first is the plainest.
    pub(crate) fn candidates(vectors: usize, cells: usize) -> impl Iterator<Item = Self> {
        let of = move |rows, columns| Self { vectors, cells, rows, columns };
        let room = room(cells);
        let whole = (1..=room.min(vectors)).flat_map(move |rows| (1..=room / rows).map(move |q| of(rows, q)));
        let cut = (0..=MAX_PACKED.ilog2())
            .map(|log2| 1 << log2)
            .flat_map(move |q| (1..=(MAX_PACKED / q).min(vectors)).map(move |rows| of(rows, q)))
            .filter(Self::is_cut);
        whole.chain(cut)
    }

    /// Whether the query stays within the bytes for the cells of the cube (hidden cells × outputs; with more than N/4
    /// hidden cells, for those alone), though it may carry the coefficients between the weights too.
    pub(crate) fn is_small(&self, outputs: usize) -> bool {
        let shared = if self.cells <= N / 4 { outputs } else { 1 };
        let units = (self.vectors * self.cells).saturating_mul(shared).div_ceil(UNIT);
        self.bodies() <= units.saturating_mul(BODIES_PER_UNIT)
    }

    /// Whether vectors and columns fit as the module says. True of every candidate.
    pub(crate) fn is_sound(&self) -> bool {
        let results = self.rows * self.columns;
        (1..=MAX_PACKED).contains(&results) && self.rows <= self.vectors
    }

    /// Whether vectors are cut for more results in one ring element.
    fn is_cut(&self) -> bool {
        self.rows * self.columns > room(self.cells)
    }

    pub(crate) fn sharing(&self) -> Sharing {
        if self.is_cut() { Sharing::cut(self.columns) } else { Sharing::whole(self.cells) }
    }

    /// Ring elements that one vector takes.
    pub(crate) fn blocks(&self) -> usize {
        self.cells.div_ceil(N / (self.rows * self.columns))
    }

    /// Cells of a block: as equal as they can be. Also the coefficients from one result to the next.
    fn step(&self) -> usize {
        self.cells.div_ceil(self.blocks())
    }

    /// Coefficients of a ring element that columns take.
    pub(crate) fn width(&self) -> usize {
        self.columns * self.step()
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
        block * self.step()..((block + 1) * self.step()).min(self.cells)
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

    /// All of them, of so many vectors and columns, vector by vector.
    pub(crate) fn results(&self, vectors: usize, columns: usize) -> Vec<usize> {
        (0..vectors).flat_map(|i| (0..columns).map(move |k| self.result(i, k))).collect()
    }

    /// The coefficients of a query's body that any result depends on: so many from this index on, modulo N.
    pub(crate) fn window(&self, block: usize) -> (usize, usize) {
        let missing = self.step() - self.cells_of(block).len();
        let before = (self.columns - 1) * self.step();
        let len = before + self.rows * self.columns * self.step() - missing;
        if len >= N { (0, N) } else { ((N - before + missing) % N, len) }
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
pub(crate) mod tests {
    use super::*;

    /// What may share the ring ciphertexts of an answer.
    pub(crate) fn sharings(cells: usize) -> impl Iterator<Item = Sharing> {
        let cut = (0..=MAX_PACKED.ilog2()).map(|log2| Sharing::cut(1 << log2));
        std::iter::once(Sharing::whole(cells)).chain(cut)
    }

    /// Where the product of weight (i, j) and digit (j', k) lands, and whether it wrapped around.
    fn lands(p: &Packing, i: usize, j: usize, j2: usize, k: usize) -> (usize, bool) {
        let degree = p.weight(i, j) + p.column(k) + j2;
        (degree % N, degree >= N)
    }

    fn packing(cells: usize, rows: usize, columns: usize) -> Packing {
        let p = Packing { vectors: rows, cells, rows, columns };
        assert!(p.is_sound(), "{p:?}");
        p
    }

    /// Whole vectors, cut ones, and short last blocks.
    const CASES: [(usize, usize, usize); 20] = [
        (1, 8, 8),
        (3, 2, 32),
        (7, 64, 1),
        (31, 4, 16),
        (82, 1, 9),
        (82, 1, 49),
        (97, 3, 14),
        (1000, 1, 4),
        (2048, 2, 1),
        (4096, 1, 1),
        (5001, 1, 1),
        (82, 1, 64),
        (97, 3, 21),
        (1000, 7, 8),
        (1025, 5, 1),
        (2048, 1, 16),
        (2048, 64, 1),
        (3001, 8, 4),
        (5000, 1, 2),
        (10_000, 3, 3),
    ];

    #[test]
    fn blocks_cover_the_cells_and_fit() {
        for (cells, rows, columns) in CASES {
            let p = packing(cells, rows, columns);
            let covered: Vec<usize> = (0..p.blocks()).flat_map(|block| p.cells_of(block)).collect();
            assert!(covered.into_iter().eq(0..cells), "{p:?}");
            assert!((0..p.blocks()).all(|block| (1..=p.step()).contains(&p.cells_of(block).len())), "{p:?}");
            assert!(rows * columns * p.step() <= N && (p.blocks() == 1 || p.is_cut() || cells > N), "{p:?}");
        }
        assert!(CASES.iter().filter(|&&(cells, rows, columns)| packing(cells, rows, columns).is_cut()).count() > 8);
    }

    #[test]
    fn only_a_results_own_products_meet_at_its_coefficient() {
        for (cells, rows, columns) in CASES {
            let p = packing(cells, rows, columns);
            let results: Vec<usize> =
                (0..rows).flat_map(|i| (0..columns).map(move |k| (i, k))).map(|(i, k)| p.result(i, k)).collect();
            let mut met = vec![0; N];
            for i in 0..rows {
                for k in 0..columns {
                    // By the difference of two cells alone, every product of a vector and a column. Of the first block:
                    // the last one has no others.
                    let cells = p.cells_of(0).len() as isize;
                    for difference in 1 - cells..cells {
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
        for (cells, rows, columns) in CASES {
            let p = packing(cells, rows, columns);
            for block in 0..p.blocks() {
                let sent: std::collections::HashSet<usize> = p.window_indices(block).collect();
                assert_eq!(sent.len(), p.window(block).1);
                let mut used = std::collections::HashSet::new();
                for (i, k) in (0..rows).flat_map(|i| (0..columns).map(move |k| (i, k))) {
                    // A result at r takes body coefficient r − c for every coefficient c of the digits.
                    let digits = (0..columns).flat_map(|k| (0..p.cells_of(block).len()).map(move |j| p.column(k) + j));
                    used.extend(digits.map(|c| (p.result(i, k) + N - c) % N));
                }
                assert!(used.is_subset(&sent), "{p:?}");
                // No more are sent, but between results those that the cells of a short block leave out.
                let gaps = (p.step() - p.cells_of(block).len()) * ((rows + 1) * columns - 2);
                assert!(sent.len() <= used.len() + gaps || sent.len() == N, "{p:?} sends no more");
                let weights = (0..rows).flat_map(|i| (0..p.cells_of(block).len()).map(move |j| p.weight(i, j)));
                assert!(weights.into_iter().all(|at| sent.contains(&at)), "{p:?}");
            }
        }
        let p = packing(5001, 1, 1);
        assert_eq!((p.window(0), p.window(1), p.bodies()), ((0, 2501), (1, 2500), 5001));
    }

    #[test]
    fn a_vector_that_shares_nothing_takes_its_cells_alone() {
        for cells in [1, 82, 4096, 4097, 8192, 12_289, 1 << 22] {
            for rows in [1, 2, 64] {
                assert_eq!(Packing { vectors: 1, cells, rows: 1, columns: 1 }.bodies(), cells);
                let full = packing(cells, rows, 1);
                assert!(full.bodies() >= rows * cells && full.bodies() <= rows * (cells + full.blocks()));
            }
        }
    }
}
