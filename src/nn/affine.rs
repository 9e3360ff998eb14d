//! Linear layers at the matmul precision that training sets.

use crate::ops::{bias_leaky_relu, matmul};
use burn::nn::Linear;
use burn::tensor::Tensor;

/// Applies a linear layer, `y = x W + b`, with operands rounded as
/// [`with_matmul_precision`](crate::ops::with_matmul_precision) sets.
///
/// [`Linear::forward`] always computes in f32.
///
/// # Shapes
/// - `x`: `[.., d_in]`
/// - output: `[.., d_out]`
///
/// # Panics
/// When the width of `x` differs from the number of rows of the weight.
pub fn affine<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    affine_leaky(layer, x, 1.0)
}

/// Applies [`affine`], then a LeakyReLU: `slope · y` where `y` is not above zero.
pub(super) fn affine_leaky<const D: usize>(layer: &Linear, x: Tensor<D>, slope: f32) -> Tensor<D> {
    let mut dims = x.dims();
    let [d_in, d_out] = layer.weight.dims();
    assert!(dims[D - 1] == d_in, "affine: x is {dims:?} but the weight is [{d_in}, {d_out}]");
    let rows = dims[..D - 1].iter().product::<usize>();
    let y = matmul(x.reshape([rows, d_in]), layer.weight.val());
    dims[D - 1] = d_out;
    bias_leaky(layer, y, slope).reshape(dims)
}

/// Adds a layer's bias to its product and applies a LeakyReLU.
pub(super) fn bias_leaky(layer: &Linear, y: Tensor<2>, slope: f32) -> Tensor<2> {
    let bias = match &layer.bias {
        Some(bias) => bias.val(),
        None => Tensor::zeros([y.dims()[1]], &y.device()),
    };
    bias_leaky_relu(y, bias, slope)
}
