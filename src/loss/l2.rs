//! Penalties on the size of embeddings.

use burn::tensor::Tensor;

/// `mean x²` over all entries, as VIRAL regularises its tables.
///
/// # Shapes
/// - output: `[1]`
pub fn mean_square(x: Tensor<2>) -> Tensor<1> {
    x.square().mean()
}

/// `Σ ‖x‖_F / n_rows`, the norm not squared, as MMRec's `EmbLoss` has it.
///
/// # Shapes
/// - each `[n_rows, d]`; output: `[1]`
///
/// # Panics
/// When there is no tensor.
pub fn embedding_norms<const N: usize>(tensors: [Tensor<2>; N]) -> Tensor<1> {
    let n_rows = tensors[0].dims()[0];
    let norms = tensors.map(|x| x.square().sum().sqrt());
    Tensor::cat(norms.to_vec(), 0).sum() / n_rows as f32
}
