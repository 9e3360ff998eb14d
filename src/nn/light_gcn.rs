//! Propagation over the user-item graph (1) and the aggregation of its layers (2).

use super::shapes::expect_nodes;
use crate::named::named;
use crate::ops::{SparseMatrix, spmm_polynomial};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// How the outputs of propagation layers are aggregated into one embedding.
///
/// ```
/// use viral::nn::LayerAggregation;
///
/// assert_eq!("mean".parse::<LayerAggregation>()?, LayerAggregation::default());
/// assert!("median".parse::<LayerAggregation>().unwrap_err().to_string().contains("there are sum, mean"));
/// # Ok::<(), viral::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LayerAggregation {
    /// `Σ x⁽ˡ⁾`: equation (2).
    Sum,
    /// `Σ x⁽ˡ⁾ / (L + 1)`: LightGCN.
    #[default]
    Mean,
}

named! {
    LayerAggregation, "aggregation of layers":
    Sum => "sum",
    Mean => "mean",
}

/// LightGCN propagation: `x⁽ˡ⁾ = A x⁽ˡ⁻¹⁾` for `l = 1 … L` (1), aggregated over `l = 0 … L` (2).
///
/// It has no parameters. *LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation*, SIGIR 2020,
/// arXiv 2002.02126.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::data::Interactions;
/// use viral::graph::bipartite_adjacency;
/// use viral::nn::{LayerAggregation, LightGcnPropagation};
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// // One user with one item: the two exchange their vectors in each layer.
/// let graph = SparseMatrix::new(&bipartite_adjacency(&Interactions::from_pairs(1, 1, &[(0, 0)]), 0.0), &device);
/// let propagation = LightGcnPropagation { n_layers: 2, aggregation: LayerAggregation::Mean };
/// let nodes = propagation.forward(&graph, Tensor::from_floats([[3.0], [0.0]], &device));
/// // (3 + 0 + 3) / 3 and (0 + 3 + 0) / 3.
/// assert_eq!(nodes.into_data().iter::<f32>().collect::<Vec<_>>(), [2.0, 1.0]);
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LightGcnPropagation {
    /// Number of layers, `L`.
    pub n_layers: usize,
    /// How the layers' outputs are aggregated.
    pub aggregation: LayerAggregation,
}

impl LightGcnPropagation {
    /// Propagates all nodes.
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, the normalised bipartite adjacency, users first
    /// - `x`: `[n, d]`; several modalities side by side are propagated in one pass
    /// - output: `[n, d]`
    ///
    /// # Panics
    /// When the graph does not have one node for each row of `x`.
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
        expect_nodes("LightGCN propagation", graph, &x);
        spmm_polynomial(graph, x, &self.coefficients())
    }

    /// Returns the coefficients of the powers of the graph, from 0 on.
    pub(crate) fn coefficients(&self) -> Vec<f32> {
        let weight = match self.aggregation {
            LayerAggregation::Sum => 1.0,
            LayerAggregation::Mean => 1.0 / (self.n_layers + 1) as f32,
        };
        vec![weight; self.n_layers + 1]
    }
}
