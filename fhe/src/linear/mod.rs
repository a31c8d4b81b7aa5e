//! Placeholder docs, replaced below.

mod answer;
mod budget;
mod client;
mod entropy;
mod evaluate;
mod query;
mod release;
mod ring;
mod shape;
mod wire;

#[cfg(test)]
mod tests;

pub use answer::SealedAnswer;
pub use budget::{NoiseBudget, Weights};
pub use client::QueryKey;
pub use entropy::{Context, Entropy};
pub use evaluate::{evaluate, evaluate_with_entropy};
pub use query::EncryptedQuery;
pub use shape::{Matrix, Row, Shape};

/// Most cells of one query.
pub const MAX_CELLS: usize = 1 << 20;
/// Widest signed entries of a matrix, in bits.
pub const MAX_VALUE_BITS: u8 = 96;
/// Most LWE samples (one per output and limb, 32,776 bytes each) of one answer: 1 GiB.
pub const MAX_SAMPLES: usize = 1 << 15;
