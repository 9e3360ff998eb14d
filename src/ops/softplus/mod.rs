//! `Σ_j ln(1 + exp(n_ij - p_i))`: the ranking loss of every row against all its columns, without its temporaries.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_softplus_margins;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Tensor};

/// The default bodies serve every backend; a backend with a path of its own overrides them.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
pub trait SoftplusBackend: Backend {
    /// `out_i = Σ_j softplus(n_ij - p_i)`.
    #[fusion(default)]
    fn softplus_rows(p: FloatTensor<Self>, n: FloatTensor<Self>) -> FloatTensor<Self> {
        let rows = p.shape();
        let x = margins::<Self>(p, n);
        let magnitude = Self::float_abs(x.clone());
        let positive = Self::float_mul_scalar(Self::float_add(x, magnitude.clone()), 0.5.into());
        let tail = Self::float_log1p(Self::float_exp(Self::float_neg(magnitude)));
        Self::float_reshape(Self::float_sum_dim(Self::float_add(positive, tail), 1), rows)
    }

    /// `dn_ij = g_i σ(n_ij - p_i)`; `dp` is minus its row sums.
    #[fusion(default)]
    fn softplus_rows_grad(p: FloatTensor<Self>, n: FloatTensor<Self>, g: FloatTensor<Self>) -> FloatTensor<Self> {
        let g = column::<Self>(g);
        Self::float_mul(Self::sigmoid(margins::<Self>(p, n)), g)
    }
}

/// `[n]` to `[n, 1]`.
fn column<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let rows = x.shape()[0];
    B::float_reshape(x, Shape::new([rows, 1]))
}

/// `n_ij - p_i`.
fn margins<B: Backend>(p: FloatTensor<B>, n: FloatTensor<B>) -> FloatTensor<B> {
    B::float_sub(n, column::<B>(p))
}

/// `out_i = Σ_j ln(1 + exp(n_ij - p_i))`, finite for any finite scores.
///
/// # Shapes
/// - `p`: `[n]`, `n`: `[n, m]`; output: `[n]`
pub fn softplus_margins(p: Tensor<1>, n: Tensor<2>) -> Tensor<1> {
    let ([rows], [n_rows, m]) = (p.dims(), n.dims());
    assert_eq!(rows, n_rows, "softplus_margins: p is [{rows}] but n is [{n_rows}, {m}]");
    Tensor::from_dispatch(<Dispatch as SoftplusBackend>::softplus_rows(p.into_dispatch(), n.into_dispatch()))
}

#[cfg(feature = "cube")]
impl SoftplusBackend for burn_cubecl::CubeBackend {}
