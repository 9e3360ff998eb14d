//! Bayesian personalised ranking. Rendle et al., UAI 2009.

use crate::ops::softplus_margins;
use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

/// `-mean ln σ(pos - neg)`, computed as a softplus that neither overflows nor loses small values.
///
/// The authors of VIRAL take `log₂` instead: divide by `ln 2`.
///
/// # Shapes
/// - `pos`, `neg`: `[n]`; output: `[1]`
pub fn bpr(pos: Tensor<1>, neg: Tensor<1>) -> Tensor<1> {
    softplus_margins(pos, neg.unsqueeze_dim(1)).mean()
}

/// [`bpr`] of every positive against every one of `m` negatives that all rows share.
///
/// # Shapes
/// - `pos`: `[n]`, `neg`: `[n, m]`; output: `[1]`
pub fn bpr_shared(pos: Tensor<1>, neg: Tensor<2>) -> Tensor<1> {
    let n_negatives = neg.dims()[1] as f32;
    softplus_margins(pos, neg).mean() / n_negatives
}

/// `-mean ln(γ + σ(pos - neg))`, as MMRec writes it (γ = 1e-10): it saturates at `-ln γ` for pairs that are far off.
///
/// # Shapes
/// - `pos`, `neg`: `[n]`; output: `[1]`
pub fn bpr_with_gamma(pos: Tensor<1>, neg: Tensor<1>, gamma: f64) -> Tensor<1> {
    -(sigmoid(pos - neg) + gamma).log().mean()
}
