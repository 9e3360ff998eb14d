//! Reference implementation, with the whole `n × m` matrix in memory.

use burn::tensor::Tensor;

/// Reference implementation of [`log_sum_exp_products`](super::log_sum_exp_products), from the whole matrix.
#[doc(hidden)]
pub fn reference_log_sum_exp_products(a: Tensor<2>, b: Tensor<2>, scale: f32) -> (Tensor<1>, Tensor<1>) {
    let s = a.matmul(b.transpose()) * scale; // [n, m]
    let log_sum_exp = |s: Tensor<2>| {
        let max = s.clone().detach().max_dim(1);
        ((s - max.clone()).exp().sum_dim(1).log() + max).squeeze_dim::<1>(1)
    };
    (log_sum_exp(s.clone()), log_sum_exp(s.transpose()))
}
