//! The executor's products on another device than the processor: the same sums, so the same answer bit for bit.

use rayon::prelude::*;
use zeroize::Zeroizing;

use super::{
    answer::Sample,
    entropy::Entropy,
    evaluate::{Product, Raw, expand_masks},
    query::EncryptedQuery,
    release::{Fresh, ZeroKey},
    ring::{Accumulator, N, PRIMES, Selection},
    shape::Matrix,
};
use crate::Error;

/// Bytes of a polynomial of small coefficients, of a polynomial modulo 2^128, and of a transform, on a device.
const SMALL: u64 = 4 * N as u64;
const LARGE: u64 = 16 * N as u64;
const TRANSFORM: u64 = (PRIMES.len() * N * 4) as u64;

/// A device that computes sums of ring products.
pub(crate) trait RingDevice: Sync {
    /// Polynomials that stay on it, transformed.
    type Operands;

    /// How many bytes of its memory are free.
    fn room(&self) -> Result<u64, Error>;

    /// Transforms polynomials modulo 2^128, N coefficients each.
    fn prepare(&self, polynomials: &[u128]) -> Result<Self::Operands, Error>;

    /// `Σ_k large[i·terms + k] · small[j·terms + k]` for every `i` (slowly) and `j`. Small coefficients are below 2^29.
    fn multiply(&self, large: &Self::Operands, small: &[i32], terms: usize) -> Result<Zeroizing<Vec<u128>>, Error>;

    /// What to say where its memory is too small.
    fn too_small(&self, needed: u64, room: u64) -> Error;
}

/// How much is computed at a time, so that memory suffices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Batches {
    pub tiles: usize,
    pub columns: usize,
}

impl Batches {
    /// Of `tiles` tiles of vectors and `columns` tiles of columns, of `blocks` ring elements each, what fits into `room` bytes:
    /// most of the vectors first, which are transformed once for all columns with them.
    pub fn within(room: u64, tiles: usize, columns: usize, blocks: usize) -> Option<Self> {
        // Devices count in 32 bits.
        let most_transforms = u64::from(u32::MAX) / PRIMES.len() as u64;
        let counted = |tiles: usize, columns: usize| {
            let (rows, columns, blocks) = (2 * tiles as u64, columns as u64, blocks as u64);
            (rows * blocks).max(columns * blocks).max(rows * columns) <= most_transforms
        };
        let needed = |tiles, columns| {
            if counted(tiles, columns) { Self { tiles, columns }.bytes(blocks) } else { u64::MAX }
        };
        if needed(1, 1) > room {
            return None;
        }
        let most = |bound: usize, fits: &dyn Fn(usize) -> bool| {
            let (mut low, mut high) = (1, bound);
            while low < high {
                let middle = low + (high - low).div_ceil(2);
                if fits(middle) { low = middle } else { high = middle - 1 }
            }
            low
        };
        let tiles = most(tiles, &|tiles| needed(tiles, 1) <= room);
        Some(Self { tiles, columns: most(columns, &|columns| needed(tiles, columns) <= room) })
    }

    /// Memory that they take at the most.
    pub fn bytes(self, blocks: usize) -> u64 {
        let (rows, columns, blocks) = (2 * self.tiles as u64, self.columns as u64, blocks as u64);
        let kept = rows * blocks * TRANSFORM;
        let preparing = rows * blocks * LARGE;
        let multiplying = columns * blocks * (SMALL + TRANSFORM) + rows * columns * (TRANSFORM + LARGE);
        kept + preparing.max(multiplying)
    }
}

/// The samples of an answer, in their order: as [`evaluate_any`](super::evaluate::evaluate_any) makes them on the processor.
pub(crate) fn samples<D: RingDevice>(
    device: &D,
    query: &EncryptedQuery,
    matrix: &Matrix<'_>,
    zero: &ZeroKey<'_>,
    entropy: &Entropy,
) -> Result<Vec<Sample>, Error> {
    let shape = matrix.shape();
    let (packing, column_tiles) = (shape.packing(), shape.column_tiles());
    let (tiles, blocks) = (packing.tiles(), packing.blocks());
    // The driver keeps some for itself, and others may want some.
    let room = device.room()? / 8 * 7;
    let batches = Batches::within(room, tiles, column_tiles, blocks);
    let batches = batches.ok_or_else(|| device.too_small(Batches { tiles: 1, columns: 1 }.bytes(blocks), room))?;
    let masks = expand_masks(query.mask_seed, shape.ciphertexts());
    let bodies = query.ring_bodies();
    let product = Product::with_masks(&[], Vec::new(), matrix);
    let mut samples: Vec<Option<Sample>> = Vec::new();
    samples.resize_with(tiles * column_tiles, || None);
    for first_tile in (0..tiles).step_by(batches.tiles) {
        let some = first_tile..tiles.min(first_tile + batches.tiles);
        // For each tile the masks of its ciphertexts, then their bodies.
        let mut large = Vec::with_capacity(2 * some.len() * blocks * N);
        for tile in some.clone() {
            let ciphertexts = tile * blocks..(tile + 1) * blocks;
            masks[ciphertexts.clone()].iter().chain(&bodies[ciphertexts]).for_each(|of| large.extend_from_slice(of));
        }
        let large = device.prepare(&large)?;
        for first in (0..column_tiles).step_by(batches.columns) {
            let columns = first..column_tiles.min(first + batches.columns);
            let mut small = Zeroizing::new(vec![0i32; columns.len() * blocks * N]);
            small.par_chunks_exact_mut(N).enumerate().for_each(|(index, digits)| {
                let tile = first + index / blocks;
                product.digits(shape.columns_of(tile), index % blocks, &mut digits[..packing.width()]);
            });
            let sums = device.multiply(&large, &small, blocks)?;
            let made: Vec<_> = (0..some.len() * columns.len())
                .into_par_iter()
                .map(|pair| {
                    let (i, j) = (pair / columns.len(), pair % columns.len());
                    let (tile, column_tile) = (first_tile + i, first + j);
                    let sum = |row: usize| &sums[(row * columns.len() + j) * N..][..N];
                    let results = packing.results(packing.vectors_of(tile).len(), shape.columns_of(column_tile).len());
                    let raw = Raw { mask: Accumulator::of(sum(2 * i)), body: Selection::of(results, sum(2 * i + 1)) };
                    let index = column_tile * tiles + tile;
                    let fresh = Fresh::sample(shape.budget(), raw.body.at().len(), entropy, index as u64);
                    (index, raw.release(zero, &fresh).round(shape.budget()))
                })
                .collect();
            for (index, sample) in made {
                samples[index] = Some(sample);
            }
        }
    }
    Ok(samples.into_iter().map(|sample| sample.expect("every pair of tiles was computed")).collect())
}
