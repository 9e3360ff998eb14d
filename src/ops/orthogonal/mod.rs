//! Orthogonal complement of one vector to another (12), in one pass forward and two backward.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_orthogonal_complement;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

/// The default bodies run on every backend; a backend with an implementation of its own overrides them.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait OrthogonalBackend: Backend {
    /// `v - (vᵀr / (‖r‖² + ε)) r` for each row.
    #[fusion(default)]
    fn complement(v: FloatTensor<Self>, r: FloatTensor<Self>, epsilon: f32) -> FloatTensor<Self> {
        let share = Self::float_div(products::<Self>(&v, &r), squares::<Self>(&r, epsilon));
        Self::float_sub(v, Self::float_mul(share, r))
    }

    /// `dr = 2 c e r - c g - e v` with `c = vᵀr / s`, `e = gᵀr / s` and `s = ‖r‖² + ε`; `dv` is the complement of `g`.
    #[fusion(default)]
    fn complement_grad(
        v: FloatTensor<Self>,
        r: FloatTensor<Self>,
        g: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let s = squares::<Self>(&r, epsilon);
        let c = Self::float_div(products::<Self>(&v, &r), s.clone());
        let e = Self::float_div(products::<Self>(&g, &r), s);
        let of_r = Self::float_mul_scalar(Self::float_mul(c.clone(), e.clone()), 2f32.into());
        let rest = Self::float_add(Self::float_mul(c, g), Self::float_mul(e, v));
        Self::float_sub(Self::float_mul(of_r, r), rest)
    }
}

/// `aᵀb` of each row, `[n, 1]`.
fn products<B: Backend>(a: &FloatTensor<B>, b: &FloatTensor<B>) -> FloatTensor<B> {
    B::float_sum_dim(B::float_mul(a.clone(), b.clone()), 1)
}

/// `‖r‖² + ε` of each row, `[n, 1]`.
fn squares<B: Backend>(r: &FloatTensor<B>, epsilon: f32) -> FloatTensor<B> {
    B::float_add_scalar(products::<B>(r, r), epsilon.into())
}

/// Orthogonal unique extraction: `v' = v - (vᵀr / (‖r‖² + ε)) r`, row by row (12).
/// Removes the component of `v` along `r`; the rest is orthogonal to `r`.
/// What of `v` is along `r` is taken out; the rest is orthogonal to `r`.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::orthogonal_complement;
///
/// let device = Device::flex();
/// let v = Tensor::from_floats([[3.0, 4.0]], &device);
/// let r = Tensor::from_floats([[2.0, 0.0]], &device);
/// let unique = orthogonal_complement(v, r, 0.0);
/// assert_eq!(unique.into_data().iter::<f32>().collect::<Vec<_>>(), [0.0, 4.0]);
/// # }
/// ```
///
/// The paper uses ε = 0, the authors' code 1e-8, which keeps rows with `r = 0` finite: there `v' = v`.
///
/// # Shapes
/// - `v`, `r`, output: `[n, d]`
///
/// # Panics
/// When the shapes differ.
pub fn orthogonal_complement(v: Tensor<2>, r: Tensor<2>, epsilon: f32) -> Tensor<2> {
    let (of_v, of_r) = (v.dims(), r.dims());
    assert!(of_v == of_r, "orthogonal_complement: v is {of_v:?} but r is {of_r:?}");
    Tensor::from_dispatch(<Dispatch as OrthogonalBackend>::complement(v.into_dispatch(), r.into_dispatch(), epsilon))
}

#[cfg(feature = "cube")]
impl OrthogonalBackend for burn_cubecl::CubeBackend {}
