//! Propagation over an item-item or user-user graph (3).

use super::shapes::expect_nodes;
use crate::ops::{SparseMatrix, gather_rows, spmm_polynomial, spmm_polynomial_rows};
use burn::tensor::{Int, Tensor};

/// Propagation over an item-item or user-user graph: `own · x + neighbors · h⁽ᴸ⁾` with `h⁽ˡ⁾ = S h⁽ˡ⁻¹⁾`, `h⁽⁰⁾ = x` (3).
///
/// It has no parameters.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::HomogeneousPropagation;
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// // Node 0 receives from node 1, and node 1 from nobody.
/// let graph = sprs::CsMat::new((2, 2), vec![0, 1, 1], vec![1], vec![0.5]);
/// let graph = SparseMatrix::new(&graph, &device);
/// let x = Tensor::from_floats([[1.0], [4.0]], &device);
/// let out = HomogeneousPropagation::residual(1).forward(&graph, x);
/// assert_eq!(out.into_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 4.0]);
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct HomogeneousPropagation {
    /// Number of layers, `L`; without any the result is `x` itself.
    pub n_layers: usize,
    /// Weight of the node's own vector; 0 for the paper's `h⁽ᴸ⁾` alone.
    pub own: f32,
    /// Weight of the neighbours' contribution, `h⁽ᴸ⁾`.
    pub neighbors: f32,
}

impl HomogeneousPropagation {
    /// Returns the residual form `x + Sᴸ x`, in which each node keeps its vector and adds what it receives from its
    /// neighbours, as in VIRAL, DRAGON, MENTOR and COHESION. Without layers it is `x` itself.
    pub fn residual(n_layers: usize) -> Self {
        Self { n_layers, own: 1.0, neighbors: 1.0 }
    }

    /// Propagates all nodes.
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, row = destination
    /// - `x`, output: `[n, d]`
    ///
    /// # Panics
    /// When the graph does not have one node for each row of `x`.
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
        expect_nodes("homogeneous propagation", graph, &x);
        if self.n_layers == 0 {
            return x;
        }
        spmm_polynomial(graph, x, &self.coefficients())
    }

    /// Computes only the rows `ids` of [`forward`](Self::forward).
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, row = destination
    /// - `x`: `[n, d]`, `ids`: `[m]`, each below `n`; output: `[m, d]`
    ///
    /// # Panics
    /// When the graph does not have one node for each row of `x`.
    pub fn forward_rows(&self, graph: &SparseMatrix, x: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<2> {
        expect_nodes("homogeneous propagation", graph, &x);
        if self.n_layers == 0 {
            return gather_rows(x, ids);
        }
        spmm_polynomial_rows(graph, x, &self.coefficients(), ids)
    }

    /// Returns the coefficients of the powers of the graph, from 0 on; there must be at least one layer.
    pub(crate) fn coefficients(&self) -> Vec<f32> {
        let mut coefficients = vec![0.0; self.n_layers + 1];
        (coefficients[0], coefficients[self.n_layers]) = (self.own, self.neighbors);
        coefficients
    }
}
