//! L2 normalisation of rows, in one pass forward and one backward.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_l2_normalize;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

/// Lower bound of squared norms: PyTorch's ε of 1e-12 on the norm.
const EPSILON: f32 = 1e-24;

/// The default bodies run on every backend; a backend with an implementation of its own overrides them.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait NormalizeBackend: Backend {
    /// `x / max(‖x‖, 1e-12)` for each row.
    #[fusion(default)]
    fn normalize(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let length = length::<Self>(x.clone());
        Self::float_div(x, length)
    }

    /// `(g - ⟨g, y⟩ y) / max(‖x‖, 1e-12)` with `y` the normalised row; where the norm was raised to ε, `g / ε`.
    #[fusion(default)]
    fn normalize_grad(x: FloatTensor<Self>, g: FloatTensor<Self>) -> FloatTensor<Self> {
        let length = length::<Self>(x.clone());
        let y = Self::float_div(x, length.clone());
        // A row much shorter than ε has y ≈ 0, and the projection vanishes with it.
        let along = Self::float_sum_dim(Self::float_mul(y.clone(), g.clone()), 1);
        Self::float_div(Self::float_sub(g, Self::float_mul(along, y)), length)
    }
}

/// `max(‖x‖, 1e-12)` of each row, `[n, 1]`.
fn length<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let squares = B::float_sum_dim(B::float_mul(x.clone(), x), 1);
    B::float_sqrt(B::float_clamp_min(squares, EPSILON.into()))
}

/// L2-normalises each row: `x / max(‖x‖₂, 1e-12)`; a zero row stays zero.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::l2_normalize;
///
/// let x = Tensor::from_floats([[3.0, 4.0], [0.0, 0.0]], &Device::flex());
/// let expected = [0.6, 0.8, 0.0, 0.0];
/// assert!(l2_normalize(x).into_data().iter::<f32>().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6));
/// # }
/// ```
///
/// # Shapes
/// - `x`, output: `[n, d]`
pub fn l2_normalize(x: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as NormalizeBackend>::normalize(x.into_dispatch()))
}

#[cfg(feature = "cube")]
impl NormalizeBackend for burn_cubecl::CubeBackend {}
