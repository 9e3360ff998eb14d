//! `Σ_j ln(1 + exp(n_ij - p_i))`: the pairwise ranking loss of every row against all its columns, without temporaries.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_softplus_margins;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

/// The default bodies run on every backend; a backend with an implementation of its own overrides them.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait SoftplusBackend: Backend {
    /// `out_i = Σ_j softplus(n_ij - p_i)`.
    #[fusion(default)]
    fn softplus_rows(p: FloatTensor<Self>, n: FloatTensor<Self>) -> FloatTensor<Self> {
        let rows = p.shape();
        let x = margins::<Self>(p, n);
        let magnitude = Self::float_abs(x.clone());
        let positive = Self::float_mul_scalar(Self::float_add(x, magnitude.clone()), 0.5.into());
        let tail = log1p::<Self>(Self::float_exp(Self::float_neg(magnitude)));
        Self::float_reshape(Self::float_sum_dim(Self::float_add(positive, tail), 1), rows)
    }

    /// Returns `dp` and `dn`: `dn_ij = g_i σ(n_ij - p_i)`, and `dp` is minus its row sums.
    #[fusion(default)]
    fn softplus_rows_grad(
        p: FloatTensor<Self>,
        n: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let rows = p.shape();
        let dn = Self::float_mul(Self::sigmoid(margins::<Self>(p, n)), column::<Self>(g));
        (Self::float_reshape(Self::float_neg(Self::float_sum_dim(dn.clone(), 1)), rows), dn)
    }
}

/// Reshapes `[n]` to `[n, 1]`.
fn column<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let rows = x.shape()[0];
    B::float_reshape(x, Shape::new([rows, 1]))
}

/// `ln(1 + y) = 2 artanh(y / (2 + y))` for `y` from 0 to 1, by its series: drivers compute `ln(1 + y)` as written,
/// which is 0 for small `y`.
fn log1p<B: Backend>(y: FloatTensor<B>) -> FloatTensor<B> {
    let s = B::float_div(y.clone(), B::float_add_scalar(y, 2f32.into()));
    let square = B::float_mul(s.clone(), s.clone()); // at most 1/9: the first term left out is below 1e-9
    let mut sum = B::float_mul_scalar(square.clone(), (1.0 / 15f32).into());
    for odd in [13f32, 11.0, 9.0, 7.0, 5.0, 3.0] {
        sum = B::float_mul(B::float_add_scalar(sum, (1.0 / odd).into()), square.clone());
    }
    B::float_mul_scalar(B::float_mul(s, B::float_add_scalar(sum, 1f32.into())), 2f32.into())
}

/// `n_ij - p_i`.
fn margins<B: Backend>(p: FloatTensor<B>, n: FloatTensor<B>) -> FloatTensor<B> {
    B::float_sub(n, column::<B>(p))
}

/// Sums the softplus of each row's margins: `out_i = Σ_j ln(1 + exp(n_ij - p_i))`, finite for any finite scores.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::softplus_margins;
///
/// let device = Device::flex();
/// let sums = softplus_margins(Tensor::from_floats([1.0], &device), Tensor::from_floats([[1.0, -200.0]], &device));
/// assert!((sums.into_scalar::<f32>() - 2f32.ln()).abs() < 1e-6);
/// # }
/// ```
///
/// # Shapes
/// - `p`: `[n]`, `n`: `[n, m]`; output: `[n]`
///
/// # Panics
/// When the numbers of rows differ.
pub fn softplus_margins(p: Tensor<1>, n: Tensor<2>) -> Tensor<1> {
    let ([rows], [n_rows, m]) = (p.dims(), n.dims());
    assert_eq!(rows, n_rows, "softplus_margins: p is [{rows}] but n is [{n_rows}, {m}]");
    Tensor::from_dispatch(<Dispatch as SoftplusBackend>::softplus_rows(p.into_dispatch(), n.into_dispatch()))
}

#[cfg(feature = "cube")]
impl SoftplusBackend for burn_cubecl::CubeBackend {}
