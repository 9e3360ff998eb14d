//! Reference implementation.

use burn::tensor::Tensor;

/// Reference implementation of [`softplus_margins`](super::softplus_margins), by tensor operations.
#[doc(hidden)]
pub fn reference_softplus_margins(p: Tensor<1>, n: Tensor<2>) -> Tensor<1> {
    let x = n - p.unsqueeze_dim(1); // [n, m]
    let magnitude = x.clone().abs();
    // ½ (x + |x|) is max(x, 0) with gradient ½ at 0, which is that of the softplus.
    let softplus = (x + magnitude.clone()) * 0.5 + (-magnitude).exp().log1p();
    softplus.sum_dim(1).squeeze_dim::<1>(1)
}
