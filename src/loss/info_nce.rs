//! Symmetric InfoNCE (15)(16).

use super::{ContrastConfig, contrast, reference_contrast};
use burn::tensor::Tensor;

/// Symmetric InfoNCE of two views of the same `n` rows, over all of them:
/// `½ (CE(S, diag) + CE(Sᵀ, diag))` with `S = cos(a, b) / τ`.
///
/// *Representation Learning with Contrastive Predictive Coding*, 2018, arXiv 1807.03748. It is the [contrast] of
/// cosines in both directions. The `n × n` matrix is never held on the CPU: memory is O(n d).
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::loss::info_nce;
///
/// let device = Device::flex().autodiff();
/// let view = Tensor::<2>::from_floats([[1.0, 0.0], [0.0, 1.0]], &device).require_grad();
/// let swapped = Tensor::from_floats([[0.0, 1.0], [1.0, 0.0]], &device);
/// let (same, other) = (info_nce(view.clone(), view.clone(), 0.1), info_nce(view.clone(), swapped, 0.1));
/// assert!(same.clone().into_scalar::<f32>() < 1e-4 && other.clone().into_scalar::<f32>() > 9.9);
/// assert_eq!(view.grad(&other.backward()).unwrap().dims(), [2, 2]);
/// # }
/// ```
///
/// # Shapes
/// - `a`, `b`: `[n, d]`, not yet normalised; a zero row stays zero
/// - output: `[1]`
///
/// # Panics
/// When the shapes differ, there is no row, or the temperature is not a positive number.
pub fn info_nce(a: Tensor<2>, b: Tensor<2>, temperature: f32) -> Tensor<1> {
    contrast(a, b, &ContrastConfig::new(temperature))
}

/// Reference implementation of [`info_nce`], with the whole matrix in memory.
#[doc(hidden)]
pub fn reference_info_nce(a: Tensor<2>, b: Tensor<2>, temperature: f32) -> Tensor<1> {
    reference_contrast(a, b, None, &ContrastConfig::new(temperature))
}
