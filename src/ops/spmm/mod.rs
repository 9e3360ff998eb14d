//! Sparse products `Y = A X`, with constant or differentiable values, and the sampled product `X Yᵀ` (SDDMM).

mod backward;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod host_rows;
mod reference;

#[cfg(feature = "flex")]
pub(crate) use host_rows::{HostRows, cut_columns, put_columns};

pub use reference::{reference_sddmm, reference_spmm, reference_spmm_polynomial, reference_spmm_values};

use super::{GatherBackend, SparseMatrix};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{DType, Int, Shape, Tensor};

#[cfg_attr(not(feature = "fusion"), allow(dead_code))]
fn out_shape(row_ptr: &Shape, x: &Shape) -> Shape {
    [row_ptr[0] - 1, x[1]].into()
}

/// A backend must provide `csr_spmm`; the other products have default bodies built from it and from tensor operations.
/// With fusion a default body consists of fused operations, and a backend's own body is called where a shape is given.
#[allow(clippy::too_many_arguments)]
#[doc(hidden)]
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait SpmmBackend: GatherBackend {
    /// `Y[r] = Σ_e values[e] X[col_idx[e]]` over the nonzeros `e` of row `r`; `t_…` is the transpose.
    #[fusion(dtype = x, shape = out_shape(row_ptr, x))]
    fn csr_spmm(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        t_row_ptr: IntTensor<Self>,
        t_col_idx: IntTensor<Self>,
        t_values: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self>;

    /// `Σ_l coefficients[l] Aˡ X` for a square `A`, by Horner's rule; at least one coefficient.
    #[fusion(default)]
    fn csr_polynomial(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        t_row_ptr: IntTensor<Self>,
        t_col_idx: IntTensor<Self>,
        t_values: FloatTensor<Self>,
        x: FloatTensor<Self>,
        coefficients: Vec<f32>,
    ) -> FloatTensor<Self> {
        let (rp, ci, v, trp, tci, tv) = (row_ptr, col_idx, values, t_row_ptr, t_col_idx, t_values);
        let product = |y: FloatTensor<Self>| {
            Self::csr_spmm(rp.clone(), ci.clone(), v.clone(), trp.clone(), tci.clone(), tv.clone(), y)
        };
        let term = |c: f32| Self::float_mul_scalar(x.clone(), c.into());
        let horner = |y: Option<FloatTensor<Self>>, &c: &f32| match y {
            None => Some(term(c)),
            Some(y) if c == 0.0 => Some(product(y)),
            Some(y) => Some(Self::float_add(term(c), product(y))),
        };
        match coefficients.iter().rev().fold(None, horner) {
            Some(sum) => sum,
            None => panic!("spmm_polynomial: no coefficient"),
        }
    }

    /// Rows `ids` of [`csr_polynomial`](Self::csr_polynomial).
    #[fusion(default)]
    fn csr_polynomial_rows(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        t_row_ptr: IntTensor<Self>,
        t_col_idx: IntTensor<Self>,
        t_values: FloatTensor<Self>,
        x: FloatTensor<Self>,
        coefficients: Vec<f32>,
        ids: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let (rp, ci, v, trp, tci, tv) = (row_ptr, col_idx, values, t_row_ptr, t_col_idx, t_values);
        Self::gather_rows(Self::csr_polynomial(rp, ci, v, trp, tci, tv, x, coefficients), ids)
    }

    /// [`csr_polynomial`](Self::csr_polynomial) of a matrix X of `n_rows` rows of zeros after `X[ids[e]] += g[e]`.
    #[fusion(default)]
    fn csr_polynomial_rows_grad(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        values: FloatTensor<Self>,
        t_row_ptr: IntTensor<Self>,
        t_col_idx: IntTensor<Self>,
        t_values: FloatTensor<Self>,
        g: FloatTensor<Self>,
        coefficients: Vec<f32>,
        ids: IntTensor<Self>,
        n_rows: usize,
    ) -> FloatTensor<Self> {
        let (rp, ci, v, trp, tci, tv) = (row_ptr, col_idx, values, t_row_ptr, t_col_idx, t_values);
        let x = Self::gather_rows_grad(ids, g, n_rows);
        Self::csr_polynomial(rp, ci, v, trp, tci, tv, x, coefficients)
    }

    /// `out[e] = ⟨Y[row_idx[e]], X[col_idx[e]]⟩`: the product `Y Xᵀ` sampled at the nonzeros.
    #[fusion(dtype = x, shape = row_idx)]
    fn csr_sddmm(
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        y: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let edges = row_idx.shape();
        let rows = Self::float_mul(Self::float_select(y, 0, row_idx), Self::float_select(x, 0, col_idx));
        Self::float_reshape(Self::float_sum_dim(rows, 1), edges)
    }

    /// `dY[row_idx[e]] += g[e] X[col_idx[e]]`, starting from `n_rows` rows of zeros.
    #[fusion(default)]
    fn csr_sddmm_grad(
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        g: FloatTensor<Self>,
        x: FloatTensor<Self>,
        n_rows: usize,
    ) -> FloatTensor<Self> {
        let edges = Shape::new([g.shape()[0], 1]);
        let rows = Self::float_mul(Self::gather_rows(x, col_idx), Self::float_reshape(g, edges));
        Self::gather_rows_grad(row_idx, rows, n_rows)
    }

    /// [`csr_spmm`](Self::csr_spmm) whose `values` carry a gradient; `order` permutes them to the transpose's order.
    #[fusion(default)]
    fn csr_spmm_values(
        row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        row_idx: IntTensor<Self>,
        t_row_ptr: IntTensor<Self>,
        t_col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        values: FloatTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = row_idx;
        let t_values = Self::float_select(values.clone(), 0, order);
        Self::csr_spmm(row_ptr, col_idx, values, t_row_ptr, t_col_idx, t_values, x)
    }
}

fn check_operands(a: &SparseMatrix, x: &Tensor<2>) {
    let [n_rows, n_cols] = a.dims();
    let [n, d] = x.dims();
    assert_eq!(n_cols, n, "spmm: A is [{n_rows}, {n_cols}] but X is [{n}, {d}]");
}

fn check_polynomial(a: &SparseMatrix, x: &Tensor<2>, coefficients: &[f32]) {
    check_operands(a, x);
    let [n_rows, n_cols] = a.dims();
    assert!(n_rows == n_cols && !coefficients.is_empty(), "spmm_polynomial: A is [{n_rows}, {n_cols}]");
}

/// Sparse-dense matrix product (SpMM), `Y = A X`, with gradient `dX = Aᵀ dY`.
///
/// O(nnz · d) operations. The order of every sum is fixed, so results depend neither on the number of threads nor on
/// GPU scheduling.
///
/// # Shapes
/// - `a`: `[n, m]`, constant
/// - `x`: `[m, d]`
/// - output: `[n, d]`
///
/// # Panics
/// When the shapes do not agree.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, spmm};
///
/// let device = Device::flex().autodiff();
/// let graph = SparseMatrix::from_edges(2, 3, &[(0, 1, 2.0), (1, 0, 1.0), (1, 2, 0.5)], &device);
/// let x = Tensor::<2>::from_data([[1.0], [10.0], [100.0]], &device).require_grad();
/// let y = spmm(&graph, x.clone());
/// let gradients = y.clone().sum().backward();
/// assert_eq!(y.into_data().iter::<f32>().collect::<Vec<_>>(), [20.0, 51.0]);
/// assert_eq!(x.grad(&gradients).unwrap().into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 2.0, 0.5]);
/// ```
pub fn spmm(a: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    check_operands(a, &x);
    let (m, t) = (a.a.clone(), a.at.clone());
    Tensor::from_dispatch(<Dispatch as SpmmBackend>::csr_spmm(
        m.row_ptr.into_dispatch(),
        m.col_idx.into_dispatch(),
        m.values.into_dispatch(),
        t.row_ptr.into_dispatch(),
        t.col_idx.into_dispatch(),
        t.values.into_dispatch(),
        x.into_dispatch(),
    ))
}

/// Applies a polynomial of a square sparse matrix, `Y = Σ_l c_l Aˡ X`, with gradient `dX = Σ_l c_l (Aᵀ)ˡ dY`.
///
/// Horner's rule takes one sparse product per degree, and each adds its term in the same pass over memory. Graph
/// propagation with layer aggregation is such a polynomial: LightGCN's mean of layers has `c_l = 1 / (L + 1)`.
///
/// # Shapes
/// - `a`: `[n, n]`, constant
/// - `x`, output: `[n, d]`
///
/// # Panics
/// When the shapes do not agree or there is no coefficient.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, spmm_polynomial};
///
/// let device = Device::flex();
/// let swap = SparseMatrix::from_edges(2, 2, &[(0, 1, 1.0), (1, 0, 1.0)], &device);
/// let x = Tensor::<2>::from_data([[1.0], [3.0]], &device);
/// // ½ x + ½ A x: LightGCN with one layer.
/// let mean = spmm_polynomial(&swap, x, &[0.5, 0.5]);
/// assert_eq!(mean.into_data().iter::<f32>().collect::<Vec<_>>(), [2.0, 2.0]);
/// ```
pub fn spmm_polynomial(a: &SparseMatrix, x: Tensor<2>, coefficients: &[f32]) -> Tensor<2> {
    check_polynomial(a, &x, coefficients);
    let (m, t) = (a.a.clone(), a.at.clone());
    Tensor::from_dispatch(<Dispatch as SpmmBackend>::csr_polynomial(
        m.row_ptr.into_dispatch(),
        m.col_idx.into_dispatch(),
        m.values.into_dispatch(),
        t.row_ptr.into_dispatch(),
        t.col_idx.into_dispatch(),
        t.values.into_dispatch(),
        x.into_dispatch(),
        coefficients.to_vec(),
    ))
}

/// Computes rows of a [polynomial](spmm_polynomial), `Y[e] = (Σ_l c_l Aˡ X)[ids[e]]`: what a batch needs from a graph.
///
/// On the CPU the last product is computed for these rows alone, and the backward pass skips what has no gradient. The
/// bits are those of [`spmm_polynomial`] followed by [`gather_rows`](super::gather_rows), its reference in tests.
///
/// # Shapes
/// - `a`: `[n, n]`, constant
/// - `x`: `[n, d]`, `ids`: `[m]`, each below `n`; output: `[m, d]`
///
/// # Panics
/// When the shapes do not agree or there is no coefficient; on the CPU where an id is not below `n`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, spmm_polynomial_rows};
///
/// let device = Device::flex();
/// let swap = SparseMatrix::from_edges(2, 2, &[(0, 1, 1.0), (1, 0, 1.0)], &device);
/// let x = Tensor::<2>::from_data([[1.0], [3.0]], &device);
/// let batch = spmm_polynomial_rows(&swap, x, &[0.0, 1.0], Tensor::from_data([1, 1, 0], &device)); // [3, 1]
/// assert_eq!(batch.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 1.0, 3.0]);
/// ```
pub fn spmm_polynomial_rows(a: &SparseMatrix, x: Tensor<2>, coefficients: &[f32], ids: Tensor<1, Int>) -> Tensor<2> {
    check_polynomial(a, &x, coefficients);
    let (m, t) = (a.a.clone(), a.at.clone());
    Tensor::from_dispatch(<Dispatch as SpmmBackend>::csr_polynomial_rows(
        m.row_ptr.into_dispatch(),
        m.col_idx.into_dispatch(),
        m.values.into_dispatch(),
        t.row_ptr.into_dispatch(),
        t.col_idx.into_dispatch(),
        t.values.into_dispatch(),
        x.into_dispatch(),
        coefficients.to_vec(),
        ids.cast(DType::I32).into_dispatch(),
    ))
}

/// Sparse-dense product with differentiable values, `Y = A(values) X` on the pattern of `a`, with gradients
/// `dX = Aᵀ dY` and `dvalues[e] = ⟨dY[row e], X[col e]⟩`.
///
/// # Shapes
/// - `a`: `[n, m]`; its own values are not used
/// - `values`: `[nnz]`, row after row as in [`SparseMatrix::values`]
/// - `x`: `[m, d]`
/// - output: `[n, d]`
///
/// # Panics
/// When the shapes do not agree.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, spmm_values};
///
/// let device = Device::flex().autodiff();
/// let graph = SparseMatrix::from_edges(1, 2, &[(0, 0, 1.0), (0, 1, 1.0)], &device);
/// let values = Tensor::<1>::from_data([2.0, 3.0], &device).require_grad();
/// let y = spmm_values(&graph, values.clone(), Tensor::from_data([[1.0], [10.0]], &device)); // [1, 1]
/// let gradients = y.clone().sum().backward();
/// assert_eq!(y.into_scalar::<f32>(), 32.0);
/// assert_eq!(values.grad(&gradients).unwrap().into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 10.0]);
/// ```
pub fn spmm_values(a: &SparseMatrix, values: Tensor<1>, x: Tensor<2>) -> Tensor<2> {
    check_operands(a, &x);
    assert_eq!(values.dims(), [a.nnz()], "spmm_values: A has {} nonzeros, values {:?}", a.nnz(), values.dims());
    let (m, t) = (a.a.clone(), a.at.clone());
    Tensor::from_dispatch(<Dispatch as SpmmBackend>::csr_spmm_values(
        m.row_ptr.into_dispatch(),
        m.col_idx.into_dispatch(),
        a.edges().row_idx.clone().into_dispatch(),
        t.row_ptr.into_dispatch(),
        t.col_idx.into_dispatch(),
        a.edges().order.clone().into_dispatch(),
        values.into_dispatch(),
        x.into_dispatch(),
    ))
}

/// Sampled dense-dense product (SDDMM): `X Yᵀ` at the given places alone, `out[e] = ⟨X[rows[e]], Y[cols[e]]⟩`. It gives
/// the scores of pairs, or, of a matrix with itself, the squared L2 norms of rows. The gradients are
/// `dX[rows[e]] += dout[e] Y[cols[e]]` and `dY[cols[e]] += dout[e] X[rows[e]]`.
///
/// No row is copied. The gradients are as large as X and Y; if both are the same tensor, there is one.
///
/// # Shapes
/// - `x`: `[n, d]`, `rows`: `[p]`, each below `n`
/// - `y`: `[m, d]`, `cols`: `[p]`, each below `m`
/// - output: `[p]`
///
/// # Panics
/// When the shapes do not agree; on the CPU where a row or column is out of range.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::sddmm;
///
/// let device = Device::flex();
/// let users = Tensor::<2>::from_data([[1.0, 0.0], [1.0, 2.0]], &device);
/// let items = Tensor::<2>::from_data([[3.0, 4.0], [5.0, 6.0], [7.0, 8.0]], &device);
/// let scores = sddmm(users, Tensor::from_data([0, 1], &device), items, Tensor::from_data([2, 0], &device));
/// assert_eq!(scores.into_data().iter::<f32>().collect::<Vec<_>>(), [7.0, 11.0]);
/// ```
pub fn sddmm(x: Tensor<2>, rows: Tensor<1, Int>, y: Tensor<2>, cols: Tensor<1, Int>) -> Tensor<1> {
    let ([n, d], [m, d_y]) = (x.dims(), y.dims());
    let (n_rows, n_cols) = (rows.dims()[0], cols.dims()[0]);
    let agree = d == d_y && n_rows == n_cols;
    assert!(agree, "sddmm: X is [{n}, {d}], Y is [{m}, {d_y}], with {n_rows} rows and {n_cols} columns");
    let ids = |ids: Tensor<1, Int>| ids.cast(DType::I32).into_dispatch();
    Tensor::from_dispatch(<Dispatch as SpmmBackend>::csr_sddmm(
        ids(rows),
        ids(cols),
        x.into_dispatch(),
        y.into_dispatch(),
    ))
}
