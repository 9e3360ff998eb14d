//! Penalties on the size of embeddings.

use burn::tensor::Tensor;

/// `mean x²` over all entries, as VIRAL regularises its tables.
///
/// # Shapes
/// - output: `[1]`
pub fn mean_square(x: Tensor<2>) -> Tensor<1> {
    x.square().mean()
}

/// `Σ_k ‖X_k‖_F / n`, the norms not squared, as MMRec's `EmbLoss` has it, from the squared lengths of the rows of each `X_k`.
///
/// # Shapes
/// - `squares`: `[matrices, n]`; output: `[1]`
pub fn embedding_norms(squares: Tensor<2>) -> Tensor<1> {
    let n = squares.dims()[1];
    squares.sum_dim(1).sqrt().sum() / n as f32
}
