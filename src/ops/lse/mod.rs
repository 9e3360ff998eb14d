//! Row and column log-sum-exp of `scale · A Bᵀ` in one pass over tiles: the heart of an exact InfoNCE in O(n · d) memory.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_log_sum_exp_products;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Slice, Tensor};

/// Results of rows and columns come in one tensor, rows first. The default bodies hold the whole matrix and serve every
/// backend; a backend with a streaming path overrides them.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube"),
    Autodiff
)]
pub trait LogSumExpBackend: Backend {
    /// `[log Σ_j exp S_ij ; log Σ_i exp S_ij]` with `S = scale · A Bᵀ`: `[n + m]`.
    #[fusion(default)]
    fn lse_products(a: FloatTensor<Self>, b: FloatTensor<Self>, scale: f32) -> FloatTensor<Self> {
        let s = logits::<Self>(a, b, scale);
        let along = |dim: usize| {
            let max = Self::float_max_dim(s.clone(), dim);
            let exp = Self::float_exp(Self::float_sub(s.clone(), max.clone()));
            let out = Self::float_add(Self::float_log(Self::float_sum_dim(exp, dim)), max);
            let n = out.shape().num_elements();
            Self::float_reshape(out, Shape::new([n]))
        };
        Self::float_cat(vec![along(1), along(0)], 0)
    }

    /// `[dA ; dB]`, `[n + m, d]`, from the output `lse` and its gradient `d_lse`, `S` being computed again.
    #[fusion(default)]
    fn lse_products_grad(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        d_lse: FloatTensor<Self>,
        scale: f32,
    ) -> FloatTensor<Self> {
        let (n, m) = (a.shape()[0], b.shape()[0]);
        let s = logits::<Self>(a.clone(), b.clone(), scale);
        // dS_ij = d_row_i exp(S_ij - row_i) + d_col_j exp(S_ij - col_j)
        let part = |x: &FloatTensor<Self>, first: usize, len: usize, shape: [usize; 2]| {
            let range = Slice::from(first as isize..(first + len) as isize);
            Self::float_reshape(Self::float_slice(x.clone(), &[range]), Shape::new(shape))
        };
        let share = |first: usize, len: usize, shape: [usize; 2]| {
            let exp = Self::float_exp(Self::float_sub(s.clone(), part(&lse, first, len, shape)));
            Self::float_mul(exp, part(&d_lse, first, len, shape))
        };
        let ds = Self::float_mul_scalar(Self::float_add(share(0, n, [n, 1]), share(n, m, [1, m])), scale.into());
        let da = Self::float_matmul(ds.clone(), b);
        let db = Self::float_matmul(Self::float_transpose(ds), a);
        Self::float_cat(vec![da, db], 0)
    }
}

/// `scale · A Bᵀ`, `[n, m]`.
fn logits<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>, scale: f32) -> FloatTensor<B> {
    B::float_mul_scalar(B::float_matmul(a, B::float_transpose(b)), scale.into())
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

#[cfg(feature = "cube")]
impl LogSumExpBackend for burn_cubecl::CubeBackend {}
