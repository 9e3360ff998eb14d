//! Layer normalisation, in one pass forward and one backward.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;
#[cfg(feature = "flex")]
mod rows;

pub use reference::reference_layer_norm;
#[cfg(feature = "flex")]
pub(super) use rows::{norm, norm_grad};

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

/// Added to variances, as in PyTorch's `LayerNorm`.
pub(super) const EPSILON: f32 = 1e-5;

/// The default bodies run on every backend; a backend with an implementation of its own overrides them.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait LayerNormBackend: Backend {
    /// See [`layer_norm`].
    #[fusion(default)]
    fn norm_rows(x: FloatTensor<Self>, gain: FloatTensor<Self>, shift: FloatTensor<Self>) -> FloatTensor<Self> {
        let (hat, _) = standardise::<Self>(x);
        Self::float_add(Self::float_mul(hat, row::<Self>(gain)), row::<Self>(shift))
    }

    /// The gradients of `x`, gain and shift; the rows' means and variances are recomputed.
    #[fusion(default)]
    fn norm_rows_grad(
        x: FloatTensor<Self>,
        gain: FloatTensor<Self>,
        dy: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let shape = gain.shape();
        let [dx, d_gain, d_shift] = standardise_grad::<Self>(standardise::<Self>(x), row::<Self>(gain), dy);
        (dx, Self::float_reshape(d_gain, shape.clone()), Self::float_reshape(d_shift, shape))
    }
}

/// Reshapes `[d]` to `[1, d]`.
fn row<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let d = x.shape()[0];
    B::float_reshape(x, Shape::new([1, d]))
}

/// Returns `x̂ = (x - mean) / √(variance + ε)` of each row, and `1 / √(variance + ε)`.
pub(super) fn standardise<B: Backend>(x: FloatTensor<B>) -> (FloatTensor<B>, FloatTensor<B>) {
    let centred = B::float_sub(x.clone(), B::float_mean_dim(x, 1));
    let variance = B::float_mean_dim(B::float_mul(centred.clone(), centred.clone()), 1);
    let inverse = B::float_recip(B::float_sqrt(B::float_add_scalar(variance, EPSILON.into())));
    (B::float_mul(centred, inverse.clone()), inverse)
}

/// Gradients of input, gain and shift of `y = x̂ gain + shift`:
/// `dx = (g - mean(g) - x̂ mean(g x̂)) / √(variance + ε)` with `g = dy gain`.
pub(super) fn standardise_grad<B: Backend>(
    (hat, inverse): (FloatTensor<B>, FloatTensor<B>),
    gain: FloatTensor<B>,
    dy: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
    let d_gain = B::float_sum_dim(B::float_mul(dy.clone(), hat.clone()), 0);
    let g = B::float_mul(dy.clone(), gain);
    let along = B::float_mul(hat.clone(), B::float_mean_dim(B::float_mul(g.clone(), hat), 1));
    let rest = B::float_sub(B::float_sub(g.clone(), B::float_mean_dim(g, 1)), along);
    [B::float_mul(rest, inverse), d_gain, B::float_sum_dim(dy, 0)]
}

/// Layer normalisation of each row, `y = γ (x - mean) / √(variance + 1e-5) + β`, in one pass. The backward pass keeps
/// only x and γ.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::layer_norm;
///
/// let device = Device::flex();
/// let x = Tensor::from_floats([[1.0, 3.0]], &device);
/// let y = layer_norm(x, Tensor::ones([2], &device), Tensor::zeros([2], &device));
/// let y: Vec<f32> = y.into_data().iter().collect();
/// assert!((y[0] + 1.0).abs() < 1e-4 && (y[1] - 1.0).abs() < 1e-4);
/// # }
/// ```
///
/// # Shapes
/// - `x`, output: `[n, d]`
/// - `gain` γ, `shift` β: `[d]`
///
/// # Panics
/// When the widths differ.
pub fn layer_norm(x: Tensor<2>, gain: Tensor<1>, shift: Tensor<1>) -> Tensor<2> {
    let ([n, d], [of_gain], [of_shift]) = (x.dims(), gain.dims(), shift.dims());
    assert!(d == of_gain && d == of_shift, "layer_norm: x is [{n}, {d}], gain [{of_gain}] and shift [{of_shift}]");
    let (x, gain, shift) = (x.into_dispatch(), gain.into_dispatch(), shift.into_dispatch());
    Tensor::from_dispatch(<Dispatch as LayerNormBackend>::norm_rows(x, gain, shift))
}

#[cfg(feature = "cube")]
impl LayerNormBackend for burn_cubecl::CubeBackend {}
