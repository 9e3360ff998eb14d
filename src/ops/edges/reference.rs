//! Reference implementations, on every backend.

use super::check_rows;
use crate::ops::SparseMatrix;
use burn::tensor::activation::softmax;
use burn::tensor::{IndexingUpdateOp, Tensor};

/// Reference implementation of [`edge_softmax`](super::edge_softmax), row by row.
#[doc(hidden)]
pub fn reference_edge_softmax(graph: &SparseMatrix, logits: Tensor<2>) -> Tensor<2> {
    check_rows("edge_softmax", graph, &logits, graph.nnz(), "nnz");
    let pattern = graph.pattern();
    let spans = (0..pattern.n_rows()).map(|row| pattern.span(row)).filter(|span| !span.is_empty());
    let rows: Vec<Tensor<2>> = spans.map(|span| softmax(logits.clone().narrow(0, span.start, span.len()), 0)).collect();
    if rows.is_empty() { logits } else { Tensor::cat(rows, 0) }
}

/// Reference implementation of [`segment_sum`](super::segment_sum), by scatter-add.
#[doc(hidden)]
pub fn reference_segment_sum(graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    check_rows("segment_sum", graph, &x, graph.nnz(), "nnz");
    let sums = Tensor::zeros([graph.dims()[0], x.dims()[1]], &x.device());
    sums.select_assign(0, graph.rows(), x, IndexingUpdateOp::Add)
}

/// Reference implementation of [`segment_sum_columns`](super::segment_sum_columns), by scatter-add.
#[doc(hidden)]
pub fn reference_segment_sum_columns(graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
    check_rows("segment_sum_columns", graph, &x, graph.nnz(), "nnz");
    let sums = Tensor::zeros([graph.dims()[1], x.dims()[1]], &x.device());
    sums.select_assign(0, graph.cols(), x, IndexingUpdateOp::Add)
}
