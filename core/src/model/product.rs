//! The encrypted product of vectors and a model.

use sealock_fhe::linear::{Context, EncryptedQuery, QueryKey, Shape, Weights};
use zeroize::Zeroizing;

use super::Model;

/// Encrypts the weights of vectors: vectors × cells.
pub(crate) fn encrypt(
    key: &QueryKey,
    shape: &Shape,
    weights: &[i64],
    context: &Context,
) -> Result<EncryptedQuery, sealock_fhe::Error> {
    let Weights::Signed { bits } = shape.weights() else {
        return Err(sealock_fhe::Error::Shape { what: "vectors" });
    };
    key.encrypt_weights(weights, bits, context)
}

/// The rows of the matrix that the weights are multiplied with.
pub(crate) fn matrix(model: &Model, shape: &Shape) -> Vec<Zeroizing<Vec<i64>>> {
    let rows = model.rows();
    let (outputs, row) = (shape.outputs(), rows[0].len());
    (0..outputs)
        .map(|output| {
            let mut wide = Zeroizing::new(vec![0; shape.cells()]);
            let (vector, score) = (output / rows.len(), output % rows.len());
            wide[vector * row..(vector + 1) * row].copy_from_slice(&rows[score]);
            wide
        })
        .collect()
}
