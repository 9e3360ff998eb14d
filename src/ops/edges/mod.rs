//! Operators on the edges of a graph: segment sums and softmax over the edges of each node, and node values at edges.

mod backward;
#[cfg(feature = "cube")]
mod cube;
#[cfg(feature = "flex")]
mod flex;
mod normalize;
mod reference;

pub use normalize::{
    degree_factors, normalize_bipartite_values, normalize_row_values, normalize_symmetric_values, scale_values,
};
pub use reference::{reference_edge_softmax, reference_segment_sum, reference_segment_sum_columns};

use super::{SparseMatrix, SpmmBackend};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Dispatch, backend_extension};
use burn::tensor::{Shape, Tensor};

#[cfg_attr(not(feature = "fusion"), allow(dead_code))]
fn of_rows(row_ptr: &Shape, x: &Shape) -> Shape {
    [row_ptr[0] - 1, x[1]].into()
}

/// A backend must provide segment sums and both directions of the softmax, which the default bodies are built on.
/// `t_row_ptr` and `order` are the transpose: its nonzero `e` is nonzero `order[e]` of the matrix.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "fusion"),
    Autodiff
)]
#[doc(hidden)]
pub trait EdgeBackend: SpmmBackend {
    /// `out[r] = Σ_e x[e]` over the edges `e` of row `r`; only its gradient, a gather, uses `row_idx`.
    #[fusion(dtype = x, shape = of_rows(row_ptr, x))]
    fn segment_sum(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `out[c] = Σ_e x[e]` over the edges `e` of column `c`.
    #[fusion(default)]
    fn segment_sum_columns(
        t_row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        // Only autodiff reads the row of each edge, which would be `col_idx` in the order of the transpose.
        Self::segment_sum(t_row_ptr, col_idx, Self::gather_rows(x, order))
    }

    /// `out[e] = x[row_idx[e]]`, whose gradient is a segment sum.
    #[fusion(default)]
    fn expand_rows(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let _ = row_ptr;
        Self::gather_rows(x, row_idx)
    }

    /// `out[e] = x[col_idx[e]]`.
    #[fusion(default)]
    fn expand_columns(
        t_row_ptr: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        x: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = (t_row_ptr, order);
        Self::gather_rows(x, col_idx)
    }

    /// `out[e] = ⟨x[row_idx[e]], y[col_idx[e]]⟩`, whose gradients are sparse products.
    #[allow(clippy::too_many_arguments)]
    #[fusion(default)]
    fn edge_products(
        row_ptr: IntTensor<Self>,
        row_idx: IntTensor<Self>,
        col_idx: IntTensor<Self>,
        t_row_ptr: IntTensor<Self>,
        t_col_idx: IntTensor<Self>,
        order: IntTensor<Self>,
        x: FloatTensor<Self>,
        y: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let _ = (row_ptr, t_row_ptr, t_col_idx, order);
        Self::csr_sddmm(row_idx, col_idx, x, y)
    }

    /// `y[e, h] = exp(x[e, h]) / Σ_l exp(x[l, h])` over the edges `l` of the row of `e`.
    #[fusion(dtype = x, shape = x)]
    fn edge_softmax(row_ptr: IntTensor<Self>, row_idx: IntTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `dx[e, h] = y[e, h] (g[e, h] - Σ_l y[l, h] g[l, h])`.
    #[fusion(dtype = y, shape = y)]
    fn edge_softmax_grad(
        row_ptr: IntTensor<Self>,
        row_idx: IntTensor<Self>,
        y: FloatTensor<Self>,
        g: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// Panics unless `x` has a row for each of the `n` nodes or edges.
fn check_rows(name: &str, graph: &SparseMatrix, x: &Tensor<2>, n: usize, of: &str) {
    let ([n_rows, n_cols], [rows, d]) = (graph.dims(), x.dims());
    let nnz = graph.nnz();
    assert_eq!(
        rows, n,
        "{name}: the graph is [{n_rows}, {n_cols}] with {nnz} edges but x is [{rows}, {d}], not [{of}, d]"
    );
}

/// Softmax over the edges of each row, separately for each head: the attention of every node to its neighbours.
///
/// ```text
/// y[e, h] = exp(x[e, h]) / Σ_l exp(x[l, h])        l over the edges of the row of e
/// ```
///
/// The largest logit of a row is subtracted first, so finite logits of any size give finite weights. A row without
/// edges has no weights. O(nnz · heads) time and memory. The order of every sum is fixed, so the result depends neither
/// on the number of threads nor on GPU scheduling.
///
/// # Shapes
/// - `graph`: `[n, m]`; its values are not used
/// - `logits`: `[nnz, heads]`, row after row as in [`SparseMatrix::values`]
/// - output: `[nnz, heads]`
///
/// # Panics
/// When there are not as many rows of logits as edges.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, edge_softmax};
///
/// let device = Device::flex();
/// // Node 0 attends to nodes 1 and 2, node 1 to itself, node 2 to none.
/// let graph = SparseMatrix::from_edges(3, 3, &[(0, 1, 1.0), (0, 2, 1.0), (1, 1, 1.0)], &device);
/// let weights = edge_softmax(&graph, Tensor::from_data([[1000.0], [1000.0], [-7.0]], &device));
/// assert_eq!(weights.into_data().iter::<f32>().collect::<Vec<_>>(), [0.5, 0.5, 1.0]);
/// ```
pub fn edge_softmax(graph: &SparseMatrix, logits: Tensor<2>) -> Tensor<2> {
    check_rows("edge_softmax", graph, &logits, graph.nnz(), "nnz");
    Tensor::from_dispatch(<Dispatch as EdgeBackend>::edge_softmax(
        graph.a.row_ptr.clone().into_dispatch(),
        graph.edges().row_idx.clone().into_dispatch(),
        logits.into_dispatch(),
    ))
}

/// Sums over each row's edges (segment sum), `out[i] = Σ_e x[e]` for the edges `e` of row `i`: what each node receives.
///
/// Its gradient is [`expand_rows`], a gather. A row without edges has sum 0. O(nnz · d) time, no temporaries, sums in a
/// fixed order.
///
/// # Shapes
/// - `graph`: `[n, m]`; its values are not used
/// - `x`: `[nnz, d]`, row after row as in [`SparseMatrix::values`]
/// - output: `[n, d]`
///
/// # Panics
/// When there are not as many rows of `x` as edges.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, segment_sum};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(3, 3, &[(0, 1, 1.0), (0, 2, 1.0), (1, 1, 1.0)], &device);
/// let sums = segment_sum(&graph, Tensor::from_data([[1.0], [2.0], [5.0]], &device)); // [3, 1]
/// assert_eq!(sums.into_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 5.0, 0.0]);
/// ```
pub fn segment_sum(graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    check_rows("segment_sum", graph, &x, graph.nnz(), "nnz");
    Tensor::from_dispatch(<Dispatch as EdgeBackend>::segment_sum(
        graph.a.row_ptr.clone().into_dispatch(),
        graph.edges().row_idx.clone().into_dispatch(),
        x.into_dispatch(),
    ))
}

/// Sums over each column's edges, `out[j] = Σ_e x[e]` for the edges `e` of column `j`: what each node sends.
///
/// This is [`segment_sum`] of the transpose, with edges numbered as in the graph itself; its gradient is
/// [`expand_columns`]. O(nnz · d) time and memory, sums in a fixed order.
///
/// # Shapes
/// - `graph`: `[n, m]`; its values are not used
/// - `x`: `[nnz, d]`, row after row as in [`SparseMatrix::values`]
/// - output: `[m, d]`
///
/// # Panics
/// When there are not as many rows of `x` as edges.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, segment_sum_columns};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(3, 3, &[(0, 1, 1.0), (0, 2, 1.0), (1, 1, 1.0)], &device);
/// let sums = segment_sum_columns(&graph, Tensor::from_data([[1.0], [2.0], [5.0]], &device)); // [3, 1]
/// assert_eq!(sums.into_data().iter::<f32>().collect::<Vec<_>>(), [0.0, 6.0, 2.0]);
/// ```
pub fn segment_sum_columns(graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    check_rows("segment_sum_columns", graph, &x, graph.nnz(), "nnz");
    Tensor::from_dispatch(<Dispatch as EdgeBackend>::segment_sum_columns(
        graph.at.row_ptr.clone().into_dispatch(),
        graph.a.col_idx.clone().into_dispatch(),
        graph.edges().order.clone().into_dispatch(),
        x.into_dispatch(),
    ))
}

/// Gathers the receiving node's row for each edge, `out[e] = x[row e]`. The gradient is [`segment_sum`].
///
/// It equals [`gather_rows`](super::gather_rows) of [`SparseMatrix::rows`], its reference in tests. Because rows
/// ascend, the gradient is one pass over the edges. O(nnz · d) time.
///
/// # Shapes
/// - `graph`: `[n, m]`; its values are not used
/// - `x`: `[n, d]`
/// - output: `[nnz, d]`
///
/// # Panics
/// When `x` does not have as many rows as the graph.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, expand_rows};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(2, 3, &[(0, 1, 1.0), (0, 2, 1.0), (1, 1, 1.0)], &device);
/// let at_edges = expand_rows(&graph, Tensor::from_data([[1.0], [2.0]], &device)); // [3, 1]
/// assert_eq!(at_edges.into_data().iter::<f32>().collect::<Vec<_>>(), [1.0, 1.0, 2.0]);
/// ```
pub fn expand_rows(graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    check_rows("expand_rows", graph, &x, graph.dims()[0], "rows");
    Tensor::from_dispatch(<Dispatch as EdgeBackend>::expand_rows(
        graph.a.row_ptr.clone().into_dispatch(),
        graph.edges().row_idx.clone().into_dispatch(),
        x.into_dispatch(),
    ))
}

/// Gathers the sending node's row for each edge, `out[e] = x[col e]`. The gradient is [`segment_sum_columns`].
///
/// It equals [`gather_rows`](super::gather_rows) of [`SparseMatrix::cols`], its reference in tests. O(nnz · d) time.
///
/// # Shapes
/// - `graph`: `[n, m]`; its values are not used
/// - `x`: `[m, d]`
/// - output: `[nnz, d]`
///
/// # Panics
/// When `x` does not have as many rows as the graph has columns.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, expand_columns};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(2, 3, &[(0, 1, 1.0), (0, 2, 1.0), (1, 1, 1.0)], &device);
/// let at_edges = expand_columns(&graph, Tensor::from_data([[1.0], [2.0], [3.0]], &device)); // [3, 1]
/// assert_eq!(at_edges.into_data().iter::<f32>().collect::<Vec<_>>(), [2.0, 3.0, 2.0]);
/// ```
pub fn expand_columns(graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    check_rows("expand_columns", graph, &x, graph.dims()[1], "columns");
    Tensor::from_dispatch(<Dispatch as EdgeBackend>::expand_columns(
        graph.at.row_ptr.clone().into_dispatch(),
        graph.a.col_idx.clone().into_dispatch(),
        graph.edges().order.clone().into_dispatch(),
        x.into_dispatch(),
    ))
}

/// Computes the inner product of the receiving and the sending node at each edge, `out[e] = ⟨x[row e], y[col e]⟩`, for
/// similarities or attention logits.
///
/// It equals [`sddmm`](super::sddmm) of [`SparseMatrix::rows`] and [`SparseMatrix::cols`], its reference in tests.
/// Because edges are sorted, the gradients are sparse products, `dx = A(g) y` and `dy = A(g)ᵀ x`, for any number of
/// edges. O(nnz · d) time; no row is copied.
///
/// # Shapes
/// - `graph`: `[n, m]`; its values are not used
/// - `x`: `[n, d]`, `y`: `[m, d]`
/// - output: `[nnz]`
///
/// # Panics
/// When the shapes do not agree.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, edge_products};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(2, 2, &[(0, 1, 1.0), (1, 0, 1.0), (1, 1, 1.0)], &device);
/// let x = Tensor::<2>::from_data([[1.0, 2.0], [3.0, 4.0]], &device);
/// let products = edge_products(&graph, x.clone(), x);
/// assert_eq!(products.into_data().iter::<f32>().collect::<Vec<_>>(), [11.0, 11.0, 25.0]);
/// ```
pub fn edge_products(graph: &SparseMatrix, x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
    let ([n, m], [n_x, d], [n_y, d_y]) = (graph.dims(), x.dims(), y.dims());
    let agree = n == n_x && m == n_y && d == d_y;
    assert!(agree, "edge_products: the graph is [{n}, {m}], x is [{n_x}, {d}] and y is [{n_y}, {d_y}]");
    let (a, at, edges) = (graph.a.clone(), graph.at.clone(), graph.edges().clone());
    Tensor::from_dispatch(<Dispatch as EdgeBackend>::edge_products(
        a.row_ptr.into_dispatch(),
        edges.row_idx.into_dispatch(),
        a.col_idx.into_dispatch(),
        at.row_ptr.into_dispatch(),
        at.col_idx.into_dispatch(),
        edges.order.into_dispatch(),
        x.into_dispatch(),
        y.into_dispatch(),
    ))
}
