//! Bayesian personalised ranking. Rendle et al., UAI 2009.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

/// `-mean ln σ(pos - neg)`, computed as a softplus that neither overflows nor loses small values.
///
/// The authors of VIRAL take `log₂` instead: divide by `ln 2`.
///
/// # Shapes
/// - `pos`, `neg`: `[n]`; output: `[1]`
pub fn bpr(pos: Tensor<1>, neg: Tensor<1>) -> Tensor<1> {
    softplus(neg - pos).mean()
}

/// [`bpr`] of every positive against every one of `m` negatives that all rows share.
///
/// # Shapes
/// - `pos`: `[n]`, `neg`: `[n, m]`; output: `[1]`
pub fn bpr_shared(pos: Tensor<1>, neg: Tensor<2>) -> Tensor<1> {
    softplus(neg - pos.unsqueeze_dim(1)).mean()
}

/// `-mean ln(γ + σ(pos - neg))`, as MMRec writes it (γ = 1e-10): it saturates at `-ln γ` for pairs that are far off.
///
/// # Shapes
/// - `pos`, `neg`: `[n]`; output: `[1]`
pub fn bpr_with_gamma(pos: Tensor<1>, neg: Tensor<1>, gamma: f64) -> Tensor<1> {
    -(sigmoid(pos - neg) + gamma).log().mean()
}

/// `ln(1 + eˣ) = ½ (x + |x|) + ln(1 + e^-|x|)`: written with `|x|`, whose gradient at 0 is 0, so that the whole has ½ there.
fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let magnitude = x.clone().abs();
    (x + magnitude.clone()) * 0.5 + (-magnitude).exp().log1p()
}
