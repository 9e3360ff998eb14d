//! Propagation with noise in every layer: augmented views of the same nodes for contrastive learning.

use super::shapes::{expect_nodes, expect_same};
use crate::ops::{SparseMatrix, l2_normalize, spmm};
use burn::tensor::Tensor;

/// Propagation over the user-item graph that adds noise to every layer, and sums the layers.
///
/// ```text
/// h⁽ˡ⁾ = A h⁽ˡ⁻¹⁾ + scale · sign(A h⁽ˡ⁻¹⁾) ⊙ n⁽ˡ⁾ / ‖n⁽ˡ⁾‖,   h⁽⁰⁾ = x,   y = Σ_{l = 0 … L} h⁽ˡ⁾
/// ```
///
/// With non-negative noise a node stays in its orthant and moves by `scale`. A node without neighbours receives zeros,
/// whose sign is 0, and is not moved. The next layer propagates the moved vectors. Signs and noise are constants to the
/// gradient. With a scale of 0 this is the sum of [`LightGcnPropagation`](super::LightGcnPropagation).
///
/// There are no parameters and no random draws: the noise is an argument, for example [`uniform`](crate::ops::uniform)
/// numbers from a key. MENTOR (arXiv 2402.19407) contrasts two such views. O(L · (nnz + n) · d) time.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::data::StreamKey;
/// use viral::nn::NoisyPropagation;
/// use viral::ops::{SparseMatrix, uniform};
///
/// let device = Device::flex();
/// // Nodes 0 and 1 are neighbours; node 2 has none.
/// let graph = SparseMatrix::from_edges(3, 3, &[(0, 1, 1.0), (1, 0, 1.0)], &device);
/// let (x, noise) = (Tensor::ones([3, 4], &device), uniform([3, 4], StreamKey::new(1), &device));
/// let moved = NoisyPropagation { scale: 0.1 }.forward(&graph, x, &[noise]) - 2.0;
/// let squares: Vec<f32> = moved.clone().square().sum_dim(1).into_data().iter().collect();
/// assert!((squares[0] - 0.01).abs() < 1e-5 && (squares[1] - 0.01).abs() < 1e-5);
/// assert_eq!(moved.into_data().iter::<f32>().skip(8).collect::<Vec<_>>(), [-1.0; 4]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct NoisyPropagation {
    /// Distance by which a layer moves each node.
    pub scale: f32,
}

impl NoisyPropagation {
    /// Propagates all nodes, with one layer for each matrix of noise.
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, the normalised bipartite adjacency, users first
    /// - `x`, output: `[n, d]`; `noise`: `[n, d]` for each layer
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>, noise: &[Tensor<2>]) -> Tensor<2> {
        expect_nodes("noisy propagation", graph, &x);
        let (mut layer, mut sum) = (x.clone(), x);
        for noise in noise {
            expect_same("noisy propagation", ["x", "noise"], &layer, noise);
            let received = spmm(graph, layer);
            let signs = received.clone().detach().sign();
            layer = received + signs * l2_normalize(noise.clone()) * self.scale;
            sum = sum + layer.clone();
        }
        sum
    }
}
