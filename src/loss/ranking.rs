//! Ranking losses of positives against negatives that the whole batch shares.

use super::bpr;
use crate::named::named;
use crate::ops::log_sum_exp_rows;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The ranking loss of positives against the negatives that a batch shares: BPR or softmax.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RankingLoss {
    /// [BPR](super::bpr_shared): each negative by itself, all with equal weight.
    #[default]
    Bpr,
    /// A [softmax](softmax_shared) over all negatives at once: those with high scores count most.
    Softmax,
}

named! {
    RankingLoss, "ranking loss":
    Bpr => "bpr",
    Softmax => "softmax",
}

/// Softmax cross-entropy of each positive against the `m` negatives that all rows share.
///
/// ```text
/// mean_i ln( 1 + Σ_j exp(⟨u_i, n_j⟩ − p_i) ) = mean_i −ln( exp(p_i) / (exp(p_i) + Σ_j exp⟨u_i, n_j⟩) )
/// ```
///
/// It is [`bpr`] against the log-sum-exp of the negatives: the `n × m` scores are never held on the CPU. For a
/// temperature, divide `users` and `positive` by it.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::softmax_shared;
///
/// let device = Device::flex();
/// let users = Tensor::from_floats([[1.0, 0.0]], &device);
/// let negatives = Tensor::from_floats([[2.0, 0.0], [2.0, 5.0]], &device);
/// // The positive and both negatives have the same score.
/// let loss: f32 = softmax_shared(Tensor::from_floats([2.0], &device), users, negatives).into_scalar();
/// assert!((loss - 3f32.ln()).abs() < 1e-6);
/// # }
/// ```
///
/// # Shapes
/// - `positive`: `[n]`, `users`: `[n, d]`, `negatives`: `[m, d]`; output: `[1]`
///
/// # Panics
/// When the shapes do not agree or there is no row.
pub fn softmax_shared(positive: Tensor<1>, users: Tensor<2>, negatives: Tensor<2>) -> Tensor<1> {
    bpr(positive, log_sum_exp_rows(users, negatives, 1.0))
}
