//! Symmetric InfoNCE (15)(16). van den Oord et al., 2018.

use crate::nn::normalize_rows;
use crate::ops::{log_sum_exp_products, reference_log_sum_exp_products};
use burn::tensor::{Tensor, assert_shape};

type LogSumExp = fn(Tensor<2>, Tensor<2>, f32) -> (Tensor<1>, Tensor<1>);

/// Symmetric InfoNCE of two views of the same `n` rows, over all of them:
/// `½ (CE(S, diag) + CE(Sᵀ, diag))` with `S = cos(a, b) / τ`.
///
/// The `n × n` matrix is never held on the CPU: memory is O(n d).
///
/// # Shapes
/// - `a`, `b`: `[n, d]`, not yet normalised; a zero row stays zero
/// - output: `[1]`
pub fn info_nce(a: Tensor<2>, b: Tensor<2>, temperature: f32) -> Tensor<1> {
    symmetric(a, b, temperature, log_sum_exp_products)
}

/// [`info_nce`] with the whole matrix in memory: its oracle.
pub fn reference_info_nce(a: Tensor<2>, b: Tensor<2>, temperature: f32) -> Tensor<1> {
    symmetric(a, b, temperature, reference_log_sum_exp_products)
}

fn symmetric(a: Tensor<2>, b: Tensor<2>, temperature: f32, log_sum_exp: LogSumExp) -> Tensor<1> {
    let [n, d] = a.dims();
    assert_shape!(b, [n, d]);
    let (a, b) = (normalize_rows(a), normalize_rows(b));
    let positives = (a.clone() * b.clone()).sum_dim(1).squeeze_dim::<1>(1) / temperature; // [n]
    let (rows, columns) = log_sum_exp(a, b, 1.0 / temperature);
    ((rows + columns) / 2.0 - positives).mean()
}
