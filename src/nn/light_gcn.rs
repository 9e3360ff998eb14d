//! Propagation over the user-item graph (1) and the aggregation of its layers (2).

use crate::ops::{SparseMatrix, spmm_polynomial};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// How the layers' outputs become one embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerAggregation {
    /// `Σ x⁽ˡ⁾`: equation (2).
    Sum,
    /// `Σ x⁽ˡ⁾ / (L + 1)`: LightGCN.
    Mean,
}

/// LightGCN propagation: `x⁽ˡ⁾ = A x⁽ˡ⁻¹⁾` for `l = 1 … L` (1), aggregated over `l = 0 … L` (2).
///
/// It has no parameters. He et al., *LightGCN*, SIGIR 2020.
#[derive(Debug, Clone, Copy)]
pub struct LightGcnPropagation {
    /// `L`.
    pub n_layers: usize,
    /// How the layers are put together.
    pub aggregation: LayerAggregation,
}

impl LightGcnPropagation {
    /// # Shapes
    /// - `graph`: `[n, n]`, the normalised bipartite adjacency, users first
    /// - `x`: `[n, d]`; several modalities side by side are propagated in one pass
    /// - output: `[n, d]`
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
        let weight = match self.aggregation {
            LayerAggregation::Sum => 1.0,
            LayerAggregation::Mean => 1.0 / (self.n_layers + 1) as f32,
        };
        spmm_polynomial(graph, x, &vec![weight; self.n_layers + 1])
    }
}
