//! L2 regularisation of embeddings.

use super::squared_lengths;
use burn::tensor::{Int, Tensor};

/// `mean x²` over all entries: VIRAL's L2 regularisation of its tables.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::mean_square;
///
/// assert_eq!(mean_square(Tensor::from_floats([[1.0, 3.0]], &Device::flex())).into_scalar::<f32>(), 5.0);
/// # }
/// ```
///
/// # Shapes
/// - output: `[1]`
pub fn mean_square(x: Tensor<2>) -> Tensor<1> {
    x.square().mean()
}

/// [`mean_square`] over the rows of a batch, each as often as its id occurs: the penalty of VIRAL, GRCN and DRAGON.
///
/// # Shapes
/// - `x`: `[n, d]`, `ids`: `[m]`, each below `n`; output: `[1]`
pub fn mean_square_of_rows(x: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<1> {
    let d = x.dims()[1] as f32;
    squared_lengths([(x, ids)], 1).mean() / d
}

/// MMRec's `EmbLoss`: `Σ_k ‖X_k‖_F / n`, the norms not squared, from the squared L2 norms of the rows of each `X_k`.
///
/// # Shapes
/// - `squares`: `[matrices, n]` of [`squared_lengths`]; output: `[1]`
pub fn embedding_norms(squares: Tensor<2>) -> Tensor<1> {
    let n = squares.dims()[1];
    squares.sum_dim(1).sqrt().sum() / n as f32
}

/// LATTICE's L2 penalty: `½ Σ_k ‖X_k‖²_F / batch_size`, from the squared L2 norms of the rows of each `X_k`.
///
/// LATTICE divides by the configured batch size even if the last batch is shorter.
///
/// # Shapes
/// - `squares`: `[matrices, n]` of [`squared_lengths`]; output: `[1]`
pub fn half_squares(squares: Tensor<2>, batch_size: usize) -> Tensor<1> {
    squares.sum() / (2.0 * batch_size as f32)
}
