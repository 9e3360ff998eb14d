//! Bayesian personalised ranking.

use super::{Objective, embedding_norms};
use crate::ops::softplus_margins;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

/// Bayesian personalised ranking: `-mean ln σ(pos - neg)`, as a softplus that neither overflows nor loses small values.
///
/// *BPR: Bayesian Personalized Ranking from Implicit Feedback*, UAI 2009, arXiv 1205.2618. The authors of VIRAL use
/// `log₂` instead: divide by `ln 2` to get theirs.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::bpr;
///
/// let device = Device::flex();
/// let (positive, negative) = (Tensor::from_floats([0.0, 200.0], &device), Tensor::from_floats([0.0, 0.0], &device));
/// // A tie costs ln 2, a pair with a large margin nothing.
/// assert!((bpr(positive, negative).into_scalar::<f32>() - 2f32.ln() / 2.0).abs() < 1e-6);
/// # }
/// ```
///
/// # Shapes
/// - `pos`, `neg`: `[n]`; output: `[1]`
///
/// # Panics
/// When the lengths differ.
pub fn bpr(pos: Tensor<1>, neg: Tensor<1>) -> Tensor<1> {
    softplus_margins(pos, neg.unsqueeze_dim(1)).mean()
}

/// Mean [`bpr`] of each positive score against the scores of `m` negatives that all rows share.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::bpr_shared;
///
/// let device = Device::flex();
/// let loss = bpr_shared(Tensor::from_floats([2.0], &device), Tensor::from_floats([[2.0, 2.0, 2.0]], &device));
/// assert!((loss.into_scalar::<f32>() - 2f32.ln()).abs() < 1e-6);
/// # }
/// ```
///
/// # Shapes
/// - `pos`: `[n]`, `neg`: `[n, m]`; output: `[1]`
///
/// # Panics
/// When the numbers of rows differ.
pub fn bpr_shared(pos: Tensor<1>, neg: Tensor<2>) -> Tensor<1> {
    let n_negatives = neg.dims()[1] as f32;
    softplus_margins(pos, neg).mean() / n_negatives
}

/// `-mean ln(γ + σ(pos - neg))`, MMRec's BPR (γ = 1e-10): it saturates at `-ln γ` for pairs that are ranked far wrong.
///
/// # Shapes
/// - `pos`, `neg`: `[n]`; output: `[1]`
pub fn bpr_with_gamma(pos: Tensor<1>, neg: Tensor<1>, gamma: f64) -> Tensor<1> {
    -(sigmoid(pos - neg) + gamma).log().mean()
}

/// [`bpr`] plus the [norms](embedding_norms) of the batch's embeddings, as MMRec trains BPR-MF, LightGCN and VBPR.
///
/// The terms are `bpr`, with weight 1, and `reg`, with weight `reg`.
///
/// # Shapes
/// - `scores`: `[n]` each, of [`pair_scores`](super::pair_scores)
/// - `squares`: `[3, n]`, of users, positives and negatives, by [`squared_lengths`](super::squared_lengths)
pub fn bpr_with_l2([positive, negative]: [Tensor<1>; 2], squares: Tensor<2>, reg: f64) -> Objective {
    Objective::new().with("bpr", 1.0, bpr(positive, negative)).with("reg", reg, embedding_norms(squares))
}
