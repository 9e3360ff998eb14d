//! Propagation over an item-item or user-user graph (3).

use crate::ops::SparseMatrix;
use burn::tensor::Tensor;

/// `h⁽ˡ⁾ = S h⁽ˡ⁻¹⁾` for `l = 1 … L`; the last layer is the result (3). It has no parameters.
#[derive(Debug, Clone, Copy)]
pub struct HomogeneousPropagation {
    /// `L`.
    pub n_layers: usize,
}

impl HomogeneousPropagation {
    /// # Shapes
    /// - `graph`: `[n, n]`, row = destination
    /// - `x`: `[n, d]`
    /// - output: `[n, d]`, without a residual: `x` itself where `n_layers` is 0
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
        (0..self.n_layers).fold(x, |h, _| graph.matmul(h))
    }
}
