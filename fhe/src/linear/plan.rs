//! How a product is laid out: the packing with the fewest bytes, and the noise budget and limbs that go with it.

use super::{
    MAX_CIPHERTEXTS, MAX_SAMPLES, MAX_VALUE_BITS,
    budget::{NoiseBudget, TRUNCATED_BITS, Weights},
    packing::{Packing, Sharing},
    ring::N,
};

/// A packing, with the noise budget and the number of columns that follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    pub(crate) budget: NoiseBudget,
    pub(crate) packing: Packing,
    /// Limbs of all outputs: results per vector.
    pub(crate) columns: usize,
}

impl Plan {
    /// The one whose query and answer together are smallest on the wire, of those within the limits if there are any. A
    /// query that is not [small](Packing::is_small) is at most as large as the answer. `budget` is that of vectors that
    /// are not cut, and `value_bits` are at most [`MAX_VALUE_BITS`].
    pub(crate) fn choose(
        vectors: usize,
        cells: usize,
        weights: Weights,
        value_bits: &[u8],
        budget: NoiseBudget,
    ) -> Self {
        let mut widths = [0usize; MAX_VALUE_BITS as usize + 1];
        value_bits.iter().for_each(|&bits| widths[usize::from(bits)] += 1);
        let limbs = |budget: NoiseBudget| {
            let columns = (1..=MAX_VALUE_BITS).map(|bits| widths[usize::from(bits)] * budget.limbs(bits)).sum();
            (budget, columns)
        };
        let plan = |packing, (budget, columns)| Self { budget, packing, columns };
        let whole = limbs(budget);
        let plainest = plan(Packing { vectors, cells, rows: 1, columns: 1 }, whole);
        let (mut best, mut least) = (plainest, (true, u128::MAX));
        let (mut sharing, mut shared) = (Sharing::whole(cells), Some(whole));
        for packing in Packing::candidates(vectors, cells) {
            if packing.sharing() != sharing {
                sharing = packing.sharing();
                shared = NoiseBudget::for_sharing(cells, weights, budget.parties(), sharing).ok().map(limbs);
            }
            let Some(plan) = shared.map(|shared| plan(packing, shared)) else { continue };
            let (query, answer) = (plan.query_bits(), plan.answer_bits());
            if !packing.is_small(value_bits.len()) && query > answer {
                continue;
            }
            let cost = (!plan.is_within_limits(), query + answer);
            if cost < least {
                (best, least) = (plan, cost);
            }
        }
        best
    }

    fn is_within_limits(&self) -> bool {
        self.packing.ciphertexts() <= MAX_CIPHERTEXTS && self.samples() <= MAX_SAMPLES
    }

    /// Bits of the query, its public key included.
    fn query_bits(&self) -> u128 {
        (self.packing.bodies() + N) as u128 * u128::from(128 - TRUNCATED_BITS)
    }

    /// Bits of the answer: of headers that nobody would mean more than 64-bit numbers hold.
    fn answer_bits(&self) -> u128 {
        let (samples, results) = (self.samples() as u128, self.packing.vectors as u128 * self.columns as u128);
        (samples * N as u128 + results) * u128::from(self.budget.answer_bits())
    }

    /// Groups of columns that share ring elements.
    pub(crate) fn column_tiles(&self) -> usize {
        self.columns.div_ceil(self.packing.columns)
    }

    /// Ring ciphertexts of an answer.
    pub(crate) fn samples(&self) -> usize {
        self.packing.tiles() * self.column_tiles()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{EncryptedQuery, SealedAnswer, Shape};

    fn shape(vectors: usize, cells: usize, value_bits: &[u8]) -> Shape {
        Shape::batch(vectors, cells, Weights::Indicator, value_bits).expect("supported shape")
    }

    #[test]
    fn choices_are_sound_and_keep_the_query_small() {
        for vectors in [1, 2, 7, 100, 1000] {
            for cells in [1, 2, 30, 82, 784, 1024, 1500, 2048, 2049, 4096] {
                for outputs in [1, 3, 8] {
                    let shape = shape(vectors, cells, &vec![8; outputs]);
                    let p = shape.packing();
                    assert!(p.is_sound(), "{p:?}");
                    assert!(vectors > 1 || outputs > 1 || p.bodies() * 13 <= cells.div_ceil(2048) * 40_000, "{p:?}");
                }
            }
        }
        for (cells, bodies) in [(2048, 2048), (8192, 8192), (1 << 20, 1 << 20)] {
            assert_eq!(shape(1, cells, &[63, 32]).packing().bodies(), bodies);
        }
    }

    #[test]
    fn many_results_share_a_mask_where_the_answer_is_large() {
        let p = *shape(1, 2048, &[8; 2048]).packing();
        println!("{p:?}");
        assert_eq!((p.columns, p.blocks()), (32, 16));
        let p = *shape(64, 2048, &[8]).packing();
        assert_eq!((p.rows, p.columns, p.bodies()), (64, 1, 64 * 2048), "at no cost to the query");
        for (vectors, cells, outputs) in [(1, 2048, 2048), (8, 2048, 256), (64, 2048, 64), (1, 10_000, 3000)] {
            let shape = shape(vectors, cells, &vec![8; outputs]);
            let (query, answer) = (EncryptedQuery::encoded_len(&shape), SealedAnswer::encoded_len(&shape));
            println!("{vectors}×{cells}·{outputs}: {:?}, query {query}, answer {answer}", shape.packing());
            assert!(shape.packing().is_small(outputs) || query <= answer);
        }
    }
}
