//! Reference implementation.

use burn::tensor::Tensor;

/// Reference implementation of [`orthogonal_complement`](super::orthogonal_complement), by tensor operations.
#[doc(hidden)]
pub fn reference_orthogonal_complement(v: Tensor<2>, r: Tensor<2>, epsilon: f32) -> Tensor<2> {
    let dot = (v.clone() * r.clone()).sum_dim(1); // [n, 1]
    let norm = r.clone().square().sum_dim(1) + epsilon;
    v - dot / norm * r
}
