//! Row and column log-sum-exp of `scale · A Bᵀ` in one pass over tiles: the heart of an exact InfoNCE in O(n · d) memory.

mod backward;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_log_sum_exp_products;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Shape, Tensor};

#[cfg_attr(not(feature = "cube"), allow(dead_code))]
fn sums_shape(a: &Shape, b: &Shape) -> Shape {
    [a[0] + b[0]].into()
}

#[cfg_attr(not(feature = "cube"), allow(dead_code))]
fn grads_shape(a: &Shape, b: &Shape) -> Shape {
    [a[0] + b[0], a[1]].into()
}

/// What a backend must do; results of rows and columns come in one tensor, rows first.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube"),
    Autodiff
)]
pub trait LogSumExpBackend: Backend {
    /// `[log Σ_j exp S_ij ; log Σ_i exp S_ij]` with `S = scale · A Bᵀ`: `[n + m]`.
    #[fusion(dtype = a, shape = sums_shape(a, b))]
    fn lse_products(a: FloatTensor<Self>, b: FloatTensor<Self>, scale: f32) -> FloatTensor<Self>;

    /// `[dA ; dB]`, `[n + m, d]`, from the output `lse` and its gradient `d_lse`, `S` being computed again.
    #[fusion(dtype = a, shape = grads_shape(a, b))]
    fn lse_products_grad(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        d_lse: FloatTensor<Self>,
        scale: f32,
    ) -> FloatTensor<Self>;
}

/// Log-sum-exp of every row and of every column of `S = scale · A Bᵀ`, without holding `S`.
///
/// `rows_i = log Σ_j exp S_ij`, `cols_j = log Σ_i exp S_ij`, with gradients to both operands. One product of
/// `2 n m d` operations forward and three backward; memory O((n + m) d + tile) on the CPU.
///
/// # Shapes
/// - `a`: `[n, d]`, `b`: `[m, d]`
/// - output: `([n], [m])`
///
/// # Panics
/// When the widths differ or an operand has no row.
pub fn log_sum_exp_products(a: Tensor<2>, b: Tensor<2>, scale: f32) -> (Tensor<1>, Tensor<1>) {
    let ([n, d], [m, d_b]) = (a.dims(), b.dims());
    assert!(d == d_b && n > 0 && m > 0, "log_sum_exp_products: A is [{n}, {d}], B is [{m}, {d_b}]");
    let out = <Dispatch as LogSumExpBackend>::lse_products(a.into_dispatch(), b.into_dispatch(), scale);
    let out = Tensor::<1>::from_dispatch(out);
    (out.clone().narrow(0, 0, n), out.narrow(0, n, m))
}
