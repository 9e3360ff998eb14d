//! Row log-sum-exp of `scale · A Bᵀ`, or row and column log-sum-exp in one pass over tiles: the core of an exact
//! InfoNCE in O(n · d) memory.

mod backward;
#[cfg(feature = "flex")]
mod flex;
mod reference;

pub use reference::reference_log_sum_exp_products;

use super::matmul::{MatmulBackend, MatmulPrecision, matmul_precision, product};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Slice, Tensor};

/// Entries of `S` that the default bodies hold at a time: 64 MiB.
const TILE: usize = 1 << 24;

/// Row and column results come in one tensor, rows first; without `columns` it has the row results alone. The default
/// bodies process `S` by blocks of rows and run on every backend; a backend with a streaming implementation overrides
/// them.
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait LogSumExpBackend: MatmulBackend {
    /// `[log Σ_j exp S_ij ; log Σ_i exp S_ij]` with `S = scale · A Bᵀ`: `[n + m]`, or `[n]`.
    #[fusion(default)]
    fn lse_products(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        scale: f32,
        precision: MatmulPrecision,
        columns: bool,
    ) -> FloatTensor<Self> {
        let (n, m) = (a.shape()[0], b.shape()[0]);
        let (mut rows, mut of_columns) = (Vec::new(), Vec::new());
        for block in blocks(n, m) {
            let s = logits::<Self>(part::<Self>(&a, block), b.clone(), scale, precision);
            rows.push(flat::<Self>(log_sum_exp::<Self>(s.clone(), 1)));
            if columns {
                of_columns.push(log_sum_exp::<Self>(s, 0)); // [1, m]
            }
        }
        // The exponentials of the blocks' results add up like those of entries.
        match of_columns.len() {
            0 => {}
            1 => rows.push(flat::<Self>(of_columns.remove(0))),
            _ => rows.push(flat::<Self>(log_sum_exp::<Self>(Self::float_cat(of_columns, 0), 0))),
        }
        Self::float_cat(rows, 0)
    }

    /// `dA` and `dB` from the output `lse` and its gradient `d_lse`; `S` is recomputed.
    #[fusion(default)]
    fn lse_products_grad(
        a: FloatTensor<Self>,
        b: FloatTensor<Self>,
        lse: FloatTensor<Self>,
        d_lse: FloatTensor<Self>,
        scale: f32,
        precision: MatmulPrecision,
        columns: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (n, m) = (a.shape()[0], b.shape()[0]);
        let shaped = |x: &FloatTensor<Self>, (first, len): (usize, usize), shape: [usize; 2]| {
            Self::float_reshape(part::<Self>(x, (first, len)), Shape::new(shape))
        };
        let (mut da, mut db) = (Vec::new(), None);
        for block in blocks(n, m) {
            let a = part::<Self>(&a, block);
            let s = logits::<Self>(a.clone(), b.clone(), scale, precision);
            // dS_ij = d_row_i exp(S_ij - row_i) + d_col_j exp(S_ij - col_j)
            let share = |range: (usize, usize), shape: [usize; 2]| {
                let exp = Self::float_exp(Self::float_sub(s.clone(), shaped(&lse, range, shape)));
                Self::float_mul(exp, shaped(&d_lse, range, shape))
            };
            let ds = share(block, [block.1, 1]);
            let ds = if columns { Self::float_add(ds, share((n, m), [1, m])) } else { ds };
            let ds = Self::float_mul_scalar(ds, scale.into());
            da.push(product::<Self>(ds.clone(), b.clone(), precision));
            let of_block = product::<Self>(Self::float_transpose(ds), a, precision);
            db = Some(match db {
                Some(db) => Self::float_add(db, of_block),
                None => of_block,
            });
        }
        let db = db.unwrap_or_else(|| Self::float_zeros(b.shape(), &b.device(), b.dtype().into()));
        (Self::float_cat(da, 0), db)
    }
}

/// Returns the first row and the number of rows of each block of an `n × m` matrix.
fn blocks(n: usize, m: usize) -> impl Iterator<Item = (usize, usize)> {
    let len = (TILE / m.max(1)).max(1);
    (0..n).step_by(len).map(move |first| (first, len.min(n - first)))
}

/// Returns `len` rows from `first` on.
fn part<B: Backend>(x: &FloatTensor<B>, (first, len): (usize, usize)) -> FloatTensor<B> {
    B::float_slice(x.clone(), &[Slice::from(first as isize..(first + len) as isize)])
}

/// `scale · A Bᵀ`.
fn logits<B: MatmulBackend>(
    a: FloatTensor<B>,
    b: FloatTensor<B>,
    scale: f32,
    precision: MatmulPrecision,
) -> FloatTensor<B> {
    B::float_mul_scalar(product::<B>(a, B::float_transpose(b), precision), scale.into())
}

/// `log Σ exp` along a dimension, which is kept with size 1.
fn log_sum_exp<B: Backend>(s: FloatTensor<B>, dim: usize) -> FloatTensor<B> {
    let max = B::float_max_dim(s.clone(), dim);
    let exp = B::float_exp(B::float_sub(s, max.clone()));
    B::float_add(B::float_log(B::float_sum_dim(exp, dim)), max)
}

fn flat<B: Backend>(x: FloatTensor<B>) -> FloatTensor<B> {
    let n = x.shape().num_elements();
    B::float_reshape(x, Shape::new([n]))
}

/// Computes the log-sum-exp of every row and of every column of `S = scale · A Bᵀ`, without holding `S`.
///
/// `rows_i = log Σ_j exp S_ij`, `cols_j = log Σ_i exp S_ij`, with gradients to both operands. One product of `2 n m d`
/// operations forward (two on the CPU if entries may be large) and three backward; memory O((n + m) d) and a tile of
/// bounded size. The operands of all products, also in the backward pass, are rounded as
/// [`with_matmul_precision`](super::with_matmul_precision) says at the call.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::log_sum_exp_products;
///
/// let device = Device::flex();
/// let (rows, cols) = log_sum_exp_products(Tensor::zeros([2, 4], &device), Tensor::ones([3, 4], &device), 1.0);
/// // All products are 0, so each result is the logarithm of their number.
/// assert!(rows.into_data().iter::<f32>().all(|x| (x - 3f32.ln()).abs() < 1e-6));
/// assert!(cols.into_data().iter::<f32>().all(|x| (x - 2f32.ln()).abs() < 1e-6));
/// # }
/// ```
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
    let (a, b) = (a.into_dispatch(), b.into_dispatch());
    let out = <Dispatch as LogSumExpBackend>::lse_products(a, b, scale, matmul_precision(), true);
    let out = Tensor::<1>::from_dispatch(out);
    (out.clone().narrow(0, 0, n), out.narrow(0, n, m))
}

/// Computes the log-sum-exp of every row of `S = scale · A Bᵀ`, without holding `S`: the first half of
/// [`log_sum_exp_products`].
///
/// On the CPU it takes one exponential per entry, however large the entries are. Columns would take a second one and
/// one more product if entries are large.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::log_sum_exp_rows;
///
/// let device = Device::flex();
/// let (a, b) = (Tensor::from_floats([[1.0], [-500.0]], &device), Tensor::from_floats([[0.0], [1.0]], &device));
/// let rows: Vec<f32> = log_sum_exp_rows(a, b, 1.0).into_data().iter().collect();
/// assert!((rows[0] - (1.0 + 1f32.exp()).ln()).abs() < 1e-6 && rows[1] == 0.0);
/// # }
/// ```
///
/// # Shapes
/// - `a`: `[n, d]`, `b`: `[m, d]`
/// - output: `[n]`
///
/// # Panics
/// When the widths differ or an operand has no row.
pub fn log_sum_exp_rows(a: Tensor<2>, b: Tensor<2>, scale: f32) -> Tensor<1> {
    let ([n, d], [m, d_b]) = (a.dims(), b.dims());
    assert!(d == d_b && n > 0 && m > 0, "log_sum_exp_rows: A is [{n}, {d}], B is [{m}, {d_b}]");
    let (a, b) = (a.into_dispatch(), b.into_dispatch());
    let out = <Dispatch as LogSumExpBackend>::lse_products(a, b, scale, matmul_precision(), false);
    Tensor::from_dispatch(out)
}

#[cfg(feature = "cube")]
impl LogSumExpBackend for burn_cubecl::CubeBackend {}
