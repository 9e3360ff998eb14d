//! Degree normalisation of edge values with a gradient: the counterpart of `graph::normalize_*`, which yield constants.

use super::{expand_columns, expand_rows, segment_sum, segment_sum_columns};
use crate::ops::SparseMatrix;
use burn::tensor::Tensor;

/// Computes `1 / √(s + eps)` for each degree `s`, or 0 where `s + eps` is not positive, with a gradient.
///
/// A node without a positive degree has factor 0 with gradient 0, and the edges that it scales become 0.
///
/// # Shapes
/// - `degrees`, output: `[n]`
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::degree_factors;
///
/// let factors = degree_factors(Tensor::from_data([4.0, 0.0, -1.0], &Device::flex()), 0.0);
/// assert_eq!(factors.into_data().iter::<f32>().collect::<Vec<_>>(), [0.5, 0.0, 0.0]);
/// ```
pub fn degree_factors(degrees: Tensor<1>, eps: f64) -> Tensor<1> {
    let shifted = degrees + eps;
    // `<=` is false for NaN, so NaN is not taken for a degree of 0.
    let none = shifted.clone().lower_equal_elem(0.0);
    // There the root is taken of 1: at 0 its gradient is infinite, and times 0 that is NaN.
    shifted.mask_fill(none.clone(), 1.0).sqrt().recip().mask_fill(none, 0.0)
}

/// Scales edge values by a factor of the receiving and one of the sending node,
/// `out[e] = v[e] rows[row e] cols[col e]`, with gradients to all three.
///
/// O(nnz) time. It scales several graphs that share their degrees, such as the modalities of one item graph, by the
/// same factors.
///
/// # Shapes
/// - `graph`: `[n, m]`; its own values are not used
/// - `values`, output: `[nnz]`; `rows`: `[n]`; `cols`: `[m]`
///
/// # Panics
/// When the shapes do not agree.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, scale_values};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(1, 2, &[(0, 0, 1.0), (0, 1, 3.0)], &device);
/// let (rows, cols) = (Tensor::from_data([2.0], &device), Tensor::from_data([10.0, 100.0], &device));
/// let scaled = scale_values(&graph, graph.values(), rows, cols);
/// assert_eq!(scaled.into_data().iter::<f32>().collect::<Vec<_>>(), [20.0, 600.0]);
/// ```
pub fn scale_values(graph: &SparseMatrix, values: Tensor<1>, rows: Tensor<1>, cols: Tensor<1>) -> Tensor<1> {
    check("scale_values", graph, &values);
    let of_row = expand_rows(graph, column(rows)); // [nnz, 1]
    let of_col = expand_columns(graph, column(cols));
    flat(column(values) * (of_row * of_col))
}

/// `D^-1/2 A D^-1/2` with a gradient: the symmetric normalisation of a square graph by its row sums `s`.
///
/// ```text
/// out[e] = v[e] / √((s_i + eps)(s_j + eps)),   e = (i, j),   s_i = Σ_e' v[e'] over the edges of row i
/// ```
///
/// Edges of a node whose `s + eps` is not positive become 0. The values equal those of
/// [`graph::normalize_symmetric`](crate::graph::normalize_symmetric), even if the graph itself is not symmetric. For a
/// graph whose rows and columns are different nodes, see [`normalize_bipartite_values`]. O(nnz) time.
///
/// # Shapes
/// - `graph`: `[n, n]`; its own values are not used
/// - `values`, output: `[nnz]`
///
/// # Panics
/// When the graph is not square, or there are not as many values as edges.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, normalize_symmetric_values};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(2, 2, &[(0, 0, 1.0), (0, 1, 3.0), (1, 0, 16.0)], &device);
/// let values = normalize_symmetric_values(&graph, graph.values(), 0.0);
/// assert_eq!(values.into_data().iter::<f32>().collect::<Vec<_>>(), [0.25, 0.375, 2.0]);
/// ```
pub fn normalize_symmetric_values(graph: &SparseMatrix, values: Tensor<1>, eps: f64) -> Tensor<1> {
    check("normalize_symmetric_values", graph, &values);
    let [n, m] = graph.dims();
    assert_eq!(n, m, "normalize_symmetric_values: the graph is [{n}, {m}]");
    let factors = degree_factors(flat(segment_sum(graph, column(values.clone()))), eps);
    scale_values(graph, values, factors.clone(), factors)
}

/// `D_r^-1/2 A D_c^-1/2` with a gradient: normalisation by row sums `r` and column sums `c`.
///
/// ```text
/// out[e] = v[e] / √((r_i + eps)(c_j + eps)),   e = (i, j)
/// ```
///
/// For graphs whose rows and columns are different nodes, such as users and items; for a symmetric matrix it equals
/// [`normalize_symmetric_values`]. Edges of a node whose sum plus `eps` is not positive become 0. O(nnz) time.
///
/// # Shapes
/// - `graph`: `[n, m]`; its own values are not used
/// - `values`, output: `[nnz]`
///
/// # Panics
/// When there are not as many values as edges.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, normalize_bipartite_values};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(1, 2, &[(0, 0, 1.0), (0, 1, 1.0)], &device);
/// let values = normalize_bipartite_values(&graph, Tensor::from_data([2.0, 2.0], &device), 0.0);
/// let half_root = 0.5f32.sqrt();
/// assert!(values.into_data().iter::<f32>().all(|v| (v - half_root).abs() < 1e-6));
/// ```
pub fn normalize_bipartite_values(graph: &SparseMatrix, values: Tensor<1>, eps: f64) -> Tensor<1> {
    check("normalize_bipartite_values", graph, &values);
    let rows = degree_factors(flat(segment_sum(graph, column(values.clone()))), eps);
    let cols = degree_factors(flat(segment_sum_columns(graph, column(values.clone()))), eps);
    scale_values(graph, values, rows, cols)
}

/// Row-stochastic `D^-1 A` with a gradient: divides each row's values by their sum; a row whose sum is 0 becomes 0.
///
/// ```text
/// out[e] = v[e] / s_i,   e = (i, j),   s_i = Σ_e' v[e'] over the edges of row i
/// ```
///
/// The values equal those of [`graph::row_stochastic`](crate::graph::row_stochastic). O(nnz) time.
///
/// # Shapes
/// - `graph`: `[n, m]`; its own values are not used
/// - `values`, output: `[nnz]`
///
/// # Panics
/// When there are not as many values as edges.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::ops::{SparseMatrix, normalize_row_values};
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(2, 2, &[(0, 0, 1.0), (0, 1, 3.0), (1, 0, 16.0)], &device);
/// let values = normalize_row_values(&graph, graph.values());
/// assert_eq!(values.into_data().iter::<f32>().collect::<Vec<_>>(), [0.25, 0.75, 1.0]);
/// ```
pub fn normalize_row_values(graph: &SparseMatrix, values: Tensor<1>) -> Tensor<1> {
    check("normalize_row_values", graph, &values);
    let sums = segment_sum(graph, column(values.clone())); // [n, 1]
    let none = sums.clone().equal_elem(0.0);
    let factors = sums.mask_fill(none.clone(), 1.0).recip().mask_fill(none, 0.0);
    flat(column(values) * expand_rows(graph, factors))
}

fn check(name: &str, graph: &SparseMatrix, values: &Tensor<1>) {
    let [n] = values.dims();
    assert_eq!(n, graph.nnz(), "{name}: the graph has {} edges, values are [{n}]", graph.nnz());
}

/// Reshapes `[n]` to `[n, 1]`.
fn column(x: Tensor<1>) -> Tensor<2> {
    x.unsqueeze_dim(1)
}

/// Reshapes `[n, 1]` to `[n]`.
fn flat(x: Tensor<2>) -> Tensor<1> {
    x.squeeze_dim(1)
}
