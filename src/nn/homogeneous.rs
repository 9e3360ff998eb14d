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
/// // Node 0 listens to node 1, and node 1 to nobody.
/// let graph = sprs::CsMat::new((2, 2), vec![0, 1, 1], vec![1], vec![0.5]);
/// let graph = SparseMatrix::new(&graph, &device);
/// let x = Tensor::from_floats([[1.0], [4.0]], &device);
/// let out = HomogeneousPropagation::residual(1).forward(&graph, x);
/// assert_eq!(out.into_data().iter::<f32>().collect::<Vec<_>>(), [3.0, 4.0]);
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct HomogeneousPropagation {
    /// `L`; without layers the result is `x` itself.
    pub n_layers: usize,
    /// Weight of the node's own vector; 0 for the paper's `h⁽ᴸ⁾` alone.
    pub own: f32,
    /// Weight of what comes from the neighbours.
    pub neighbors: f32,
}

impl HomogeneousPropagation {
    /// `x + Sᴸ x`: each node keeps what it is and receives from its neighbours, as in VIRAL, DRAGON, MENTOR and COHESION. No layers
    /// give `x` itself.
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
    /// When the graph has not as many nodes as `x` has rows.
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
        expect_nodes("homogeneous propagation", graph, &x);
        if self.n_layers == 0 {
            return x;
        }
        spmm_polynomial(graph, x, &self.coefficients())
    }

    /// The rows `ids` of [`forward`](Self::forward), without the others.
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, row = destination
    /// - `x`: `[n, d]`, `ids`: `[m]`, each below `n`; output: `[m, d]`
    ///
    /// # Panics
    /// When the graph has not as many nodes as `x` has rows.
    pub fn forward_rows(&self, graph: &SparseMatrix, x: Tensor<2>, ids: Tensor<1, Int>) -> Tensor<2> {
        expect_nodes("homogeneous propagation", graph, &x);
        if self.n_layers == 0 {
            return gather_rows(x, ids);
        }
        spmm_polynomial_rows(graph, x, &self.coefficients(), ids)
    }

    /// Of the powers of the graph, from 0 on; there is at least one layer.
    pub(crate) fn coefficients(&self) -> Vec<f32> {
        let mut coefficients = vec![0.0; self.n_layers + 1];
        (coefficients[0], coefficients[self.n_layers]) = (self.own, self.neighbors);
        coefficients
    }
}
