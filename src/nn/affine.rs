//! A linear layer's product at the precision that training asks for.

use crate::ops::{MatmulPrecision, matmul, matmul_precision};
use burn::nn::Linear;
use burn::tensor::Tensor;

/// `y = x W + b`, its operands rounded as [`with_matmul_precision`](crate::ops::with_matmul_precision) says.
///
/// [`Linear::forward`] does the same in f32 whatever is said.
///
/// # Shapes
/// - `x`: `[.., d_in]`
/// - output: `[.., d_out]`
pub fn affine<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    if matmul_precision() == MatmulPrecision::F32 {
        return layer.forward(x);
    }
    let mut dims = x.dims();
    let [d_in, d_out] = layer.weight.dims();
    let rows = dims[..D - 1].iter().product::<usize>();
    let y = matmul(x.reshape([rows, d_in]), layer.weight.val());
    let y = match &layer.bias {
        Some(bias) => y + bias.val().unsqueeze_dim::<2>(0),
        None => y,
    };
    dims[D - 1] = d_out;
    y.reshape(dims)
}
