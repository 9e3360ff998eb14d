//! Propagation whose layers are weighted by their cosine similarity to the input.

use super::l2_normalize;
use super::shapes::expect_nodes;
use crate::ops::{SparseMatrix, block_products, spmm, weigh_blocks};
use burn::tensor::Tensor;

/// Layer-refined propagation: what a node receives is weighted by its cosine with the node's input, which is negative
/// if it points away. The result is the sum of all layers.
///
/// ```text
/// y⁽ˡ⁾ = A x⁽ˡ⁻¹⁾,    x⁽ˡ⁾ = cos(y⁽ˡ⁾, x⁽⁰⁾) y⁽ˡ⁾,    z = Σ_{l = 0 … L} x⁽ˡ⁾
/// ```
///
/// The user-item propagation of COHESION (*COHESION: Composite Graph Convolutional Network with Dual-Stage Fusion for
/// Multimodal Recommendation*, SIGIR 2025, arXiv 2504.04452). Each layer propagates the refined output of the one
/// before; gradients go through the cosines, too. Blocks of columns, such as modalities, are propagated in one pass and
/// have cosines of their own. A node that receives nothing has cosine 0 and no gradient there. There are no parameters.
///
/// O(L · nnz · d) time for `d` columns; memory O(L · n · d) with gradients.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::LayerRefinedPropagation;
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// // Node 0 receives from node 1, whose first block is like its own and the second opposed; node 1 receives nothing.
/// let graph = SparseMatrix::from_edges(2, 2, &[(0, 1, 0.5)], &device);
/// let x = Tensor::from_floats([[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, -1.0, 0.0]], &device);
/// let z = LayerRefinedPropagation { n_layers: 1, blocks: 2 }.forward(&graph, x);
/// let z = z.into_data().iter::<f32>().collect::<Vec<_>>();
/// assert_eq!(z, [1.5, 0.0, 1.5, 0.0, 1.0, 0.0, -1.0, 0.0]); // the opposed block was turned round
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LayerRefinedPropagation {
    /// Number of layers, `L`; without any the result is `x` itself.
    pub n_layers: usize,
    /// Number of blocks of columns, of equal width, each with a cosine of its own.
    pub blocks: usize,
}

/// One layer of [`LayerRefinedPropagation`].
#[derive(Debug, Clone)]
pub struct RefinedLayer {
    /// `y⁽ˡ⁾`: what the nodes receive, `[n, d]`.
    pub received: Tensor<2>,
    /// Its cosine with `x⁽⁰⁾` in each block, `[n, blocks]`.
    pub cosines: Tensor<2>,
    /// `x⁽ˡ⁾`: the product of the two, `[n, d]`.
    pub refined: Tensor<2>,
}

impl LayerRefinedPropagation {
    /// Propagates all nodes: returns the sum of `x` and all [`layers`](Self::layers).
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, row = destination
    /// - `x`, output: `[n, d]`
    ///
    /// # Panics
    /// When the graph does not have one node for each row of `x`, or the blocks do not divide the width.
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
        self.layers(graph, x.clone()).fold(x, |sum, layer| sum + layer.refined)
    }

    /// Returns an iterator over the layers, from the first on, which computes each when it is asked for.
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, row = destination
    /// - `x`: `[n, d]`
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn layers(&self, graph: &SparseMatrix, x: Tensor<2>) -> impl Iterator<Item = RefinedLayer> {
        expect_nodes("layer-refined propagation", graph, &x);
        let ([_, d], blocks) = (x.dims(), self.blocks);
        assert!(
            blocks > 0 && d.is_multiple_of(blocks),
            "layer-refined propagation: x has {d} columns, {blocks} blocks"
        );
        let units = unit_rows_of_blocks(x.clone(), blocks);
        let mut layer = x;
        (0..self.n_layers).map(move |_| {
            let received = spmm(graph, layer.clone());
            let cosines = block_products(unit_rows_of_blocks(received.clone(), blocks), units.clone(), blocks);
            let refined = weigh_blocks(received.clone(), cosines.clone());
            layer = refined.clone();
            RefinedLayer { received, cosines, refined }
        })
    }
}

/// L2-normalises each block of each row; zeros stay.
fn unit_rows_of_blocks(x: Tensor<2>, blocks: usize) -> Tensor<2> {
    let [n, d] = x.dims();
    l2_normalize(x.reshape([n * blocks, d / blocks])).reshape([n, d])
}
