//! Reference implementation.

use burn::tensor::Tensor;

/// Reference implementation of [`layer_norm`](super::layer_norm), by tensor operations.
#[doc(hidden)]
pub fn reference_layer_norm(x: Tensor<2>, gain: Tensor<1>, shift: Tensor<1>) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let variance = centred.clone().square().mean_dim(1); // [n, 1]
    centred / (variance + super::EPSILON).sqrt() * gain.unsqueeze() + shift.unsqueeze()
}
