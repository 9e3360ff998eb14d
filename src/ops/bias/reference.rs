//! Reference implementation.

use burn::tensor::Tensor;
use burn::tensor::activation::leaky_relu;

/// Reference implementation of [`bias_leaky_relu`](super::bias_leaky_relu), by tensor operations.
#[doc(hidden)]
pub fn reference_bias_leaky_relu(x: Tensor<2>, bias: Tensor<1>, slope: f32) -> Tensor<2> {
    leaky_relu(x + bias.unsqueeze(), slope as f64)
}
