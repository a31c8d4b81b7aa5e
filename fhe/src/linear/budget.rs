//! The noise budget: what every bit of the 128 is for.
//!
//! All decisions are integer arithmetic, so both parties derive the same numbers on every machine.
//! `docs/noise-budget.md` explains each step; a test compares its tables with this code.
//!
//! With digits `|w| ≤ W = 2^(limb_bits−1)` and fresh noise `e ~ TUniform(30)`, a decrypted coefficient of an answer is
//!
//! ```text
//! Δ·m  +  <e, w> + (e_pk·u)  +  <t, w> + (t_pk·u) − (e1·s) + e2  +  flood  +  rounding
//!               data                      rest                      2^40 ×
//! ```
//!
//! * `terms` digits meet in one coefficient: those of all cells of all columns that share a ring element.
//! * **data**: `TUniform(b)` is a sum of independent signed bits (`±2^(j−1)`, j = 0..b, and one `±1/2`), hence strictly
//!   sub-Gaussian with its own variance `σ² = (2·4^b + 1)/6`; with `U = 2^12` the bound of `u`,
//!   `P(|<e,w> + (e_pk·u)| > t·σ·√(W²·terms + U²·N)) ≤ 2·exp(−t²/2)`, and `t² = 210` makes that 2^-150. The
//!   probability is over honest encryption noise alone: it holds for every matrix and every `u`.
//! * **rest**: the worst case. `t`, `t_pk` are what the encryptor's rounding to 104 bits adds, at most 2^23 each:
//!   `2^23·(W·terms + U·N) + (N + 1)·2^30`; s is binary.
//! * **flood**: `TUniform(f)`, `2^f ≥ 2^40 × (data + rest)`; smudging then hides both within statistical distance 2^-40
//!   (Asharov et al., EUROCRYPT 2012, lemma 1, <https://eprint.iacr.org/2011/613>).
//! * **rounding** of the answer to its top `r` bits: the worst case, `(N + 1)·2^(127−r)`.
//!
//! A sum of answers of n parties has n times the message, for which Δ leaves room, and n times all the noise; each
//! party's flooding hides the rest of its own answer.

use crate::Error;

use super::{MAX_CELLS, MAX_PARTIES, packing::Sharing, ring::N};

/// log2 of the bound of fresh noise: `TUniform(30)` at q = 2^128, that of tfhe-rs's
/// `NOISE_SQUASHING_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128` (k·N = 4096).
pub(crate) const NOISE_LOG2: u32 = 30;
/// log2 of the bound of the zeros' secrets `u ~ TUniform(12)`.
pub(crate) const ZERO_SECRET_LOG2: u32 = 12;
/// Low bits of a body coefficient that a query does not carry.
pub(crate) const TRUNCATED_BITS: u32 = 24;
/// log2 of the ratio of flooding to the noise it hides.
pub(crate) const FLOOD_RATIO_LOG2: u32 = 40;
/// `t²` of the tail bound: `2·exp(−210/2) < 2^-150`.
const TAIL_SQUARED: u128 = 210;
/// Bits of an answer's coefficients beyond those of a message: rounding then moves a phase by at most `Δ/8 · (1 +
/// 1/N)`.
const ANSWER_GUARD_BITS: u32 = 14;
/// Digits are at least balanced bits with a carry and at most what the ring's small operands hold.
const LIMB_BITS: std::ops::RangeInclusive<u32> = 2..=27;

/// What a weight may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Weights {
    /// 0 or 1: which cells are added up.
    Indicator,
    /// Signed integers of this many bits, `−2^(bits−1) ..= 2^(bits−1) − 1`.
    Signed {
        /// Width in bits, 1 to 32.
        bits: u8,
    },
}

impl Weights {
    /// 0 for indicators, else the width: how the wire says it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Indicator => 0,
            Self::Signed { bits } => bits,
        }
    }

    pub(crate) fn from_code(code: u8) -> Self {
        if code == 0 { Self::Indicator } else { Self::Signed { bits: code } }
    }

    /// log2 of a bound on the ratio of an inner product to `cells · W`.
    fn growth_log2(self) -> u32 {
        match self {
            Self::Indicator => 0,
            // One for the product −W·−K, which the two's complement range would just miss.
            Self::Signed { bits } => u32::from(bits),
        }
    }
}

/// How the 128 bits of a coefficient are spent for a given number of cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NoiseBudget {
    limb_bits: u32,
    message_bits: u32,
    parties: usize,
    terms: usize,
    results: usize,
    data_bound: u128,
    rest_bound: u128,
    flood_log2: u32,
}

impl NoiseBudget {
    /// The budget of a 0/1 indicator over `cells` cells.
    ///
    /// # Errors
    /// [`Error::Cells`] unless `1 ≤ cells ≤ 2^22`.
    pub fn for_cells(cells: usize) -> Result<Self, Error> {
        Self::for_weights(cells, Weights::Indicator)
    }

    /// The budget of integer weights over `cells` cells: the widest limb that leaves an eighth of Δ/2 free.
    ///
    /// # Errors
    /// [`Error::Cells`] unless `1 ≤ cells ≤ 2^22`; [`Error::NoBudget`] when no limb width decodes.
    pub fn for_weights(cells: usize, weights: Weights) -> Result<Self, Error> {
        Self::for_sum(cells, weights, 1)
    }

    /// The budget of a sum of `parties` answers, each with noise of its own: room for so many times the message and so
    /// many times the noise.
    ///
    /// # Errors
    /// As [`Self::for_weights`], and [`Error::Parties`] unless `1 ≤ parties ≤ 64`.
    pub fn for_sum(cells: usize, weights: Weights, parties: usize) -> Result<Self, Error> {
        Self::for_sharing(cells, weights, parties, Sharing::whole(cells))
    }

    /// As [`Self::for_sum`], of ring ciphertexts that are shared like this.
    pub(crate) fn for_sharing(cells: usize, weights: Weights, parties: usize, sharing: Sharing) -> Result<Self, Error> {
        if !(1..=MAX_PARTIES).contains(&parties) {
            return Err(Error::Parties { got: parties });
        }
        if !(1..=MAX_CELLS).contains(&cells) {
            return Err(Error::Cells { got: cells });
        }
        let no_budget = Error::NoBudget { bits: weights.code(), cells };
        if matches!(weights, Weights::Signed { bits } if !(1..=32).contains(&bits)) {
            return Err(no_budget);
        }
        let growth = log2_up(cells) + weights.growth_log2() + log2_up(parties);
        let Sharing { columns, results } = sharing;
        LIMB_BITS
            .rev()
            .map(|limb_bits| Self::with_limb(cells * columns, results, parties, limb_bits, limb_bits + growth))
            .find(|b| b.noise_bound() <= (b.delta() >> 1) / 8 * 7)
            .ok_or(no_budget)
    }

    fn with_limb(terms: usize, results: usize, parties: usize, limb_bits: u32, message_bits: u32) -> Self {
        let digit = 1u128 << (limb_bits - 1);
        let zero_secret = 1u128 << ZERO_SECRET_LOG2;
        let variance = (2 * (1u128 << (2 * NOISE_LOG2)) + 1).div_ceil(6);
        let squares = digit * digit * terms as u128 + zero_secret * zero_secret * N as u128;
        let data_bound = (TAIL_SQUARED * variance).isqrt() + 1;
        let data_bound = data_bound * (squares.isqrt() + 1);
        let truncation = (digit * terms as u128 + zero_secret * N as u128) << (TRUNCATED_BITS - 1);
        let rest_bound = truncation + ((N as u128 + 1) << NOISE_LOG2);
        let flood_log2 = FLOOD_RATIO_LOG2 + (data_bound + rest_bound).next_power_of_two().trailing_zeros();
        Self { limb_bits, message_bits, parties, terms, results, data_bound, rest_bound, flood_log2 }
    }

    /// Width of one balanced digit of a matrix entry, in bits.
    pub fn limb_bits(&self) -> u32 {
        self.limb_bits
    }

    /// Digits of an entry of so many signed bits. One bit more than that, so that the top digit never overflows.
    pub(crate) fn limbs(&self, value_bits: u8) -> usize {
        (u32::from(value_bits) + 1).div_ceil(self.limb_bits) as usize
    }

    /// log2 of Δ, the distance between two messages.
    pub fn delta_log2(&self) -> u32 {
        128 - self.message_bits
    }

    /// log2 of the bound of the flooding noise.
    pub fn flood_log2(&self) -> u32 {
        self.flood_log2
    }

    /// Standard deviation of the data-dependent noise `<e, w>` when every digit is at its bound.
    pub fn data_noise_std(&self) -> f64 {
        let sigma = ((2.0 * 4f64.powi(NOISE_LOG2 as i32) + 1.0) / 6.0).sqrt();
        sigma * 2f64.powi(self.limb_bits as i32 - 1) * (self.terms as f64).sqrt()
    }

    /// Bound of the data-dependent noise and the public key's, which honest encryption noise exceeds with probability
    /// below 2^-150.
    pub fn data_noise_bound(&self) -> u128 {
        self.data_bound
    }

    /// Worst case of what the flooding hides beside it: the query's truncation, and the re-randomising zero's own
    /// noise.
    pub fn rest_noise_bound(&self) -> u128 {
        self.rest_bound
    }

    /// Bits of a coefficient of the answer.
    pub fn answer_bits(&self) -> u32 {
        self.message_bits + ANSWER_GUARD_BITS + log2_up(self.parties)
    }

    /// Worst case of rounding one party's answer to [`Self::answer_bits`] bits per coefficient.
    pub fn rounding_bound(&self) -> u128 {
        (N as u128 + 1) << (127 - self.answer_bits())
    }

    /// Parties whose answers are added up; 1 for an answer of its own.
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// Bound of everything that is not `Δ·m` in a released coefficient; of the sum, where several parties' are added.
    pub fn noise_bound(&self) -> u128 {
        (self.data_bound + self.rest_bound + (1 << self.flood_log2) + self.rounding_bound()) * self.parties as u128
    }

    /// log2 of the ratio of the decoding radius Δ/2 to [`Self::noise_bound`].
    pub fn margin_bits(&self) -> f64 {
        f64::from(self.delta_log2() - 1) - (self.noise_bound() as f64).log2()
    }

    /// log2 of a bound on the probability that one coefficient of an answer, or of a sum of answers, decodes wrongly.
    pub fn failure_log2(&self) -> f64 {
        1.0 - TAIL_SQUARED as f64 / 2.0 * std::f64::consts::LOG2_E + (self.parties as f64).log2()
    }

    /// Bits of a released coefficient above the flooding noise: all that a malicious consumer can read in it.
    pub fn bits_above_flood(&self) -> u32 {
        127 - self.flood_log2
    }

    /// Share of the coordinates of a zero's secret `u` that a malicious consumer reads in as many results as one ring
    /// ciphertext can have: their bits above the flooding, at 13 bits a coordinate.
    pub fn hint_share(&self) -> f64 {
        let bits = self.results as u32 * self.bits_above_flood();
        f64::from(bits) / f64::from((ZERO_SECRET_LOG2 + 1) * N as u32)
    }

    pub(crate) fn delta(&self) -> u128 {
        1 << self.delta_log2()
    }
}

/// The least `b` with `n ≤ 2^b`.
fn log2_up(n: usize) -> u32 {
    n.next_power_of_two().trailing_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::{MAX_PACKED, MAX_SAMPLES, Shape, packing::tests::sharings};
    use tfhe::{
        core_crypto::prelude::{CiphertextModulus, DynamicDistribution},
        shortint::parameters::NOISE_SQUASHING_PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128 as PUBLISHED,
    };

    #[test]
    fn dimension_noise_and_modulus_are_those_of_tfhe() {
        assert_eq!(PUBLISHED.glwe_dimension().0 * PUBLISHED.polynomial_size().0, N);
        assert_eq!(PUBLISHED.glwe_noise_distribution(), DynamicDistribution::new_t_uniform(NOISE_LOG2));
        assert_eq!(PUBLISHED.ciphertext_modulus(), CiphertextModulus::<u128>::new_native());
    }

    #[test]
    fn every_cell_count_has_a_budget_that_decodes() {
        let mut sizes: Vec<usize> = (0..=22).flat_map(|i| [(1 << i) - 1, 1 << i, (1 << i) + 1]).collect();
        sizes.retain(|cells| (1..=MAX_CELLS).contains(cells));
        sizes.sort_unstable();
        let mut narrowest = u32::MAX;
        for cells in sizes {
            let b = NoiseBudget::for_cells(cells).expect("a budget for every supported size");
            assert!(b.margin_bits() > 0.19, "{cells} cells: {b:?}");
            // Whatever the number of coefficients in an answer.
            assert!(b.failure_log2() + ((MAX_SAMPLES * MAX_PACKED) as f64).log2() < -128.0);
            assert!((1u128 << b.flood_log2()) >= (b.data_noise_bound() + b.rest_noise_bound()) << FLOOD_RATIO_LOG2);
            assert!(b.answer_bits() <= 48, "coefficients fit 64 bits, and a sample 26 kB");
            for parties in [2, 3, 5, 16, 33, MAX_PARTIES] {
                let sum = match NoiseBudget::for_sum(cells, Weights::Indicator, parties) {
                    Ok(sum) => sum,
                    // The documented end of it.
                    Err(_) if cells > 1 << 20 && parties > 32 => continue,
                    Err(error) => panic!("{cells} cells of {parties} parties: {error}"),
                };
                assert!(sum.margin_bits() > 0.19, "{cells} cells of {parties} parties: {sum:?}");
                assert!(sum.failure_log2() + ((MAX_SAMPLES * MAX_PACKED) as f64).log2() < -122.0);
                assert!((1u128 << sum.flood_log2()) >= (sum.data_noise_bound() + sum.rest_noise_bound()) << 40);
                assert!((sum.answer_bits() <= 54) && sum.limb_bits() <= b.limb_bits());
                assert!(((cells * parties) as u128) << (sum.limb_bits() - 1) <= 1 << (127 - sum.delta_log2()));
            }
            // The largest inner product stays inside the message space.
            assert!((cells as u128) << (b.limb_bits() - 1) <= 1 << (127 - b.delta_log2()));
            if cells.is_power_of_two() {
                assert!(b.limb_bits() <= narrowest, "limbs never widen with more cells");
                narrowest = b.limb_bits();
            }
        }
        assert_eq!(NoiseBudget::for_cells(8192).map(|b| b.limb_bits()), Ok(17));
        assert_eq!(NoiseBudget::for_cells(1 << 20).map(|b| b.limb_bits()), Ok(11));
    }

    /// Every number of cells near a power of two, every width of weights and everything that may share, as far as there
    /// is a budget, for so many parties.
    fn budgets(parties: usize) -> impl Iterator<Item = NoiseBudget> {
        let cells = (0..=22).flat_map(|i| [(1 << i) - 1, 1 << i, (1 << i) + 1]);
        let of = move |cells, weights| {
            sharings(cells).filter_map(move |s| NoiseBudget::for_sharing(cells, weights, parties, s).ok())
        };
        cells.flat_map(move |cells| (0..=32).map(Weights::from_code).flat_map(move |weights| of(cells, weights)))
    }

    #[test]
    fn every_budget_decodes_whatever_shares() {
        for budget in [1, 2, 5, 64].into_iter().flat_map(budgets) {
            assert!(budget.margin_bits() > 0.19, "{budget:?}");
            let hidden = budget.data_noise_bound() + budget.rest_noise_bound();
            assert!((1u128 << budget.flood_log2()) >= hidden << FLOOD_RATIO_LOG2);
            assert!(budget.answer_bits() < 64 && budget.bits_above_flood() <= 35, "{budget:?}");
            assert!(budget.results <= MAX_PACKED);
        }
    }

    #[test]
    fn vectors_that_are_not_cut_have_the_budget_of_their_cells() {
        for cells in [1, 82, 2048, 4096, 8192, 1 << 20] {
            let shape = Shape::new(cells, &[40]).expect("valid shape");
            assert_eq!(NoiseBudget::for_cells(cells), Ok(*shape.budget()));
        }
        let whole = NoiseBudget::for_weights(2048, Weights::Signed { bits: 8 }).expect("a budget");
        let shape = Shape::with_weights(2048, Weights::Signed { bits: 8 }, &[8; 2048]).expect("valid shape");
        let cut = shape.budget();
        println!("2048 cells: limbs of {} bits, cut {}", whole.limb_bits(), cut.limb_bits());
        assert_eq!((whole.terms, cut.terms), (2 * 2048, shape.packing().columns * 2048));
        assert!(cut.data_noise_bound() > whole.data_noise_bound() >> (whole.limb_bits() - cut.limb_bits()));
    }

    fn coordinates_read(parties: usize) -> f64 {
        let largest = budgets(parties).map(|b| b.hint_share()).fold(0.0, f64::max);
        if [1, MAX_PARTIES].contains(&parties) {
            println!("hints of {parties} parties read at most {:.2}%, {:.0}", largest * 100.0, largest * N as f64);
        }
        largest
    }

    #[test]
    fn hints_read_at_most_a_twentieth_of_a_zeros_secret() {
        let largest = coordinates_read(1);
        assert!(largest > 0.03, "and not for want of hints");
        assert!(largest < 0.0422);
        // Of one party of a sum no more, where all others help the consumer.
        assert!((2..=MAX_PARTIES).map(coordinates_read).all(|of_sum| of_sum <= largest));
    }

    /// Block size of the primal uSVP attack on LWE with `n` unknown coordinates of deviation `secret`, noise of
    /// deviation `noise` and at most N samples, by the 2016 estimate: the least β for which, for some number of samples
    /// m and d = n + m + 1, `√β·noise ≤ δ^(2β−d−1)·(q^m·(noise/secret)^n)^(1/d)`.
    fn primal_block_size(n: usize, secret: f64, noise: f64) -> usize {
        use std::f64::consts::{E, PI};
        let solves = |beta: usize| {
            let b = beta as f64;
            let delta = ((PI * b).powf(1.0 / b) * b / (2.0 * PI * E)).log2() / (2.0 * (b - 1.0));
            (256..=N).step_by(16).any(|m| {
                let d = (n + m + 1) as f64;
                let volume = (128.0 * m as f64 + n as f64 * (noise / secret).log2()) / d;
                0.5 * b.log2() + noise.log2() <= (2.0 * b - d - 1.0) * delta + volume
            })
        };
        (60..2000).find(|&beta| solves(beta)).expect("large blocks solve everything")
    }

    #[test]
    fn the_primal_attack_on_a_released_mask_costs_more_than_on_the_key() {
        let deviation = |bound_log2: u32| 2f64.powi(bound_log2 as i32) / 3f64.sqrt();
        let (noise, binary, wide) = (deviation(NOISE_LOG2), 0.5, deviation(ZERO_SECRET_LOG2));
        let read = (coordinates_read(1) * N as f64).ceil() as usize;
        let [key, hinted_binary, unhinted, hinted] = [
            primal_block_size(N, binary, noise),
            // One result over a binary secret: 43 bits read 43 coordinates.
            primal_block_size(N - 43, binary, noise),
            primal_block_size(N, wide, noise),
            primal_block_size(N - read, wide, noise),
        ];
        for (what, beta) in [
            ("the key", key),
            ("a binary secret with one hint", hinted_binary),
            ("a wide secret without hints", unhinted),
            ("a wide secret with all hints", hinted),
        ] {
            println!("{what}: β = {beta}, core-SVP 2^{:.1}", 0.292 * beta as f64);
        }
        // The numbers that the module's documentation states.
        assert_eq!((key, unhinted, hinted), (365, 438, 410));
        assert!(hinted > key && key > hinted_binary);
    }

    #[test]
    fn unsupported_sizes_are_refused() {
        for cells in [0, MAX_CELLS + 1, usize::MAX] {
            assert_eq!(NoiseBudget::for_cells(cells), Err(Error::Cells { got: cells }));
        }
        for parties in [0, MAX_PARTIES + 1] {
            let refused = NoiseBudget::for_sum(8, Weights::Indicator, parties);
            assert_eq!(refused, Err(Error::Parties { got: parties }));
        }
        assert!(NoiseBudget::for_weights(784, Weights::Signed { bits: 8 }).is_ok());
        for bits in [0, 30, 33, 255] {
            assert_eq!(
                NoiseBudget::for_weights(MAX_CELLS, Weights::Signed { bits }),
                Err(Error::NoBudget { bits, cells: MAX_CELLS })
            );
        }
    }

    #[test]
    fn the_documented_table_is_what_the_code_computes() {
        let page = include_str!("../../../docs/noise-budget.md");
        let rows = [1, 82, 4096, 8192, 65_536, 1_048_576, 4_194_304].map(|cells| {
            let b = NoiseBudget::for_cells(cells).expect("supported size");
            format!(
                "| {cells} | {} | {} | {:.1} | {:.1} | {:.1} | {} | {} | {:.1} | {:.2} | {} |",
                b.limb_bits(),
                b.delta_log2(),
                b.data_noise_std().log2(),
                (b.data_noise_bound() as f64).log2(),
                (b.rest_noise_bound() as f64).log2(),
                b.flood_log2(),
                b.answer_bits(),
                (b.rounding_bound() as f64).log2(),
                b.margin_bits(),
                b.bits_above_flood(),
            )
        });
        let missing: Vec<&String> = rows.iter().filter(|row| !page.contains(*row)).collect();
        assert!(missing.is_empty(), "docs/noise-budget.md should contain\n{}", rows.join("\n"));
    }
}
