//! Graph attention: nodes attend to their neighbours.

use super::{Init, xavier_uniform};
use crate::ops::{SparseMatrix, edge_products, edge_softmax, expand_columns, expand_rows, matmul, spmm_values};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::leaky_relu;
use serde::{Deserialize, Serialize};

/// The score of an edge before the softmax.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EdgeScore {
    /// `⟨x_i, x_j⟩`: GRCN.
    #[default]
    InnerProduct,
    /// `⟨x_i, x_j⟩ / √d`, with `d` the width of a head.
    ScaledInnerProduct,
    /// `LeakyReLU(⟨a, x_i⟩ + ⟨b, x_j⟩)` with trained vectors `a` and `b` for each head.
    Additive {
        /// Slope of the LeakyReLU below zero.
        slope: f64,
    },
}

/// Settings of [`EdgeAttention`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{EdgeAttentionConfig, EdgeScore, Init};
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// let config = EdgeAttentionConfig::new(6).with_heads(2).with_projection(4).with_score(EdgeScore::ScaledInnerProduct);
/// let layer = config.init(&mut Init::new(0, &device));
/// let graph = SparseMatrix::from_edges(3, 3, &[(0, 1, 1.0), (0, 2, 1.0), (2, 0, 1.0)], &device);
/// let attended = layer.forward(&graph, Tensor::ones([3, 6], &device), None);
/// assert_eq!(attended.output.dims(), [3, 8]); // the heads side by side
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EdgeAttentionConfig {
    d_in: usize,
    heads: usize,
    d_head: Option<usize>,
    score: EdgeScore,
}

impl EdgeAttentionConfig {
    /// One head with inner products of raw vectors of width `d_in`: attention without parameters.
    pub fn new(d_in: usize) -> Self {
        Self { d_in, heads: 1, d_head: None, score: EdgeScore::InnerProduct }
    }

    /// Number of heads, which split the width, or that of the projection, equally. Default: 1.
    pub fn with_heads(mut self, heads: usize) -> Self {
        self.heads = heads;
        self
    }

    /// First projects nodes to `d_head` columns for each head, by one matrix for receivers and senders. Default:
    /// vectors as they are.
    pub fn with_projection(mut self, d_head: usize) -> Self {
        self.d_head = Some(d_head);
        self
    }

    /// How edges are scored. Default: [`EdgeScore::InnerProduct`].
    pub fn with_score(mut self, score: EdgeScore) -> Self {
        self.score = score;
        self
    }

    /// Initialises projection and vectors as Xavier uniform.
    ///
    /// # Panics
    /// When there is no head, or the width without a projection is no multiple of the heads.
    pub fn init(&self, init: &mut Init) -> EdgeAttention {
        let (d_in, heads) = (self.d_in, self.heads);
        assert!(heads > 0, "EdgeAttention: no head");
        let d_head = self.d_head.unwrap_or(d_in / heads);
        assert!(self.d_head.is_some() || d_head * heads == d_in, "EdgeAttention: {heads} heads of width {d_in}");
        let projection = self.d_head.map(|d| xavier_uniform([d_in, heads * d], init));
        let mut vectors = || xavier_uniform([heads, d_head], init);
        let (receiver, sender) = match self.score {
            EdgeScore::Additive { .. } => (Some(vectors()), Some(vectors())),
            EdgeScore::InnerProduct | EdgeScore::ScaledInnerProduct => (None, None),
        };
        EdgeAttention { projection, receiver, sender, d_in, heads, d_head, score: self.score }
    }
}

/// Graph attention: attention over the edges of a graph, with one softmax for each node and head.
///
/// ```text
/// α[e, h] = softmax over the edges of i of score_h(i, j),   e = (i, j)
/// y[i] = ‖_h Σ_e α[e, h] x_h[j]                              the heads side by side
/// ```
///
/// With inner products and one head this is the attention of GRCN (*Graph-Refined Convolutional Network for Multimedia
/// Recommendation with Implicit Feedback*, MM 2020), which adds the node's own vector outside.
///
/// O(nnz · d) time; memory O((n + m) · d + nnz · heads): messages are never materialised.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{EdgeAttentionConfig, EdgeScore, Init};
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(3, 3, &[(0, 1, 1.0), (0, 2, 1.0), (1, 0, 1.0)], &device);
/// let config = EdgeAttentionConfig::new(4).with_heads(2).with_projection(8).with_score(EdgeScore::Additive { slope: 0.2 });
/// let layer = config.init(&mut Init::new(1, &device));
///
/// let attended = layer.forward(&graph, Tensor::ones([3, 4], &device), None);
/// assert_eq!(attended.output.dims(), [3, 16]);
/// // Node 0 attends equally to its two equal neighbours, node 1 to its only one; node 2 has none.
/// let first_head: Vec<f32> = attended.weights.narrow(1, 0, 1).into_data().iter().collect();
/// assert_eq!(first_head, [0.5, 0.5, 1.0]);
/// ```
#[derive(Module, Debug)]
pub struct EdgeAttention {
    /// Projection, `[d_in, heads · d_head]`, if there is one.
    pub projection: Option<Param<Tensor<2>>>,
    /// `a` of the additive score, `[heads, d_head]`.
    pub receiver: Option<Param<Tensor<2>>>,
    /// `b` of the additive score, `[heads, d_head]`.
    pub sender: Option<Param<Tensor<2>>>,
    d_in: usize,
    heads: usize,
    d_head: usize,
    #[module(skip)]
    score: EdgeScore,
}

/// The output of [`EdgeAttention`].
#[derive(Debug, Clone)]
pub struct Attended {
    /// The attention-weighted sum of each node's neighbours, `[n, heads · d_head]`; 0 for a node without edges.
    pub output: Tensor<2>,
    /// The attention `α` of each edge before any mask, `[nnz, heads]`.
    pub weights: Tensor<2>,
}

impl EdgeAttention {
    /// Computes attention among the nodes of one graph.
    ///
    /// `mask` multiplies the attention after the softmax, for edge dropout; the caller scales kept edges up.
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, row = receiver; its values are not used
    /// - `x`: `[n, d_in]`
    /// - `mask`: `[nnz, heads]`
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>, mask: Option<Tensor<2>>) -> Attended {
        let x = self.project(x);
        self.attend(graph, x.clone(), x, mask)
    }

    /// Computes attention of receivers to other nodes as senders, such as users to items.
    ///
    /// # Shapes
    /// - `graph`: `[n, m]`, row = receiver; its values are not used
    /// - `receivers`: `[n, d_in]`, `senders`: `[m, d_in]`
    /// - `mask`: `[nnz, heads]`
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward_between(
        &self,
        graph: &SparseMatrix,
        receivers: Tensor<2>,
        senders: Tensor<2>,
        mask: Option<Tensor<2>>,
    ) -> Attended {
        let (receivers, senders) = (self.project(receivers), self.project(senders));
        self.attend(graph, receivers, senders, mask)
    }

    fn project(&self, x: Tensor<2>) -> Tensor<2> {
        let [n, d] = x.dims();
        assert_eq!(d, self.d_in, "EdgeAttention: x is [{n}, {d}], the layer takes width {}", self.d_in);
        match &self.projection {
            Some(weight) => matmul(x, weight.val()),
            None => x,
        }
    }

    fn attend(
        &self,
        graph: &SparseMatrix,
        receivers: Tensor<2>,
        senders: Tensor<2>,
        mask: Option<Tensor<2>>,
    ) -> Attended {
        let ([n, m], found) = (graph.dims(), [receivers.dims()[0], senders.dims()[0]]);
        assert_eq!(found, [n, m], "EdgeAttention: the graph is [{n}, {m}], receivers and senders are {found:?}");
        let weights = edge_softmax(graph, self.logits(graph, receivers, senders.clone())); // [nnz, heads]
        let masked = match mask {
            Some(mask) => {
                let (found, expected) = (mask.dims(), weights.dims());
                assert_eq!(found, expected, "EdgeAttention: the mask is {found:?}, the attention {expected:?}");
                weights.clone() * mask
            }
            None => weights.clone(),
        };
        let of_head = |h: usize| {
            let values = masked.clone().narrow(1, h, 1).squeeze_dim(1);
            spmm_values(graph, values, self.head(senders.clone(), h))
        };
        Attended { output: Tensor::cat((0..self.heads).map(of_head).collect(), 1), weights }
    }

    /// Returns the columns of a head, `[n, d_head]`.
    fn head(&self, x: Tensor<2>, h: usize) -> Tensor<2> {
        x.narrow(1, h * self.d_head, self.d_head)
    }

    /// Computes the attention logits, `[nnz, heads]`.
    fn logits(&self, graph: &SparseMatrix, receivers: Tensor<2>, senders: Tensor<2>) -> Tensor<2> {
        let scale = match (self.score, &self.receiver, &self.sender) {
            (EdgeScore::Additive { slope }, Some(a), Some(b)) => {
                let at_rows = expand_rows(graph, self.products(receivers, a.val()));
                let at_cols = expand_columns(graph, self.products(senders, b.val()));
                return leaky_relu(at_rows + at_cols, slope);
            }
            (EdgeScore::ScaledInnerProduct, ..) => 1.0 / (self.d_head as f64).sqrt(),
            _ => 1.0,
        };
        let of_head = |h: usize| {
            let (x, y) = (self.head(receivers.clone(), h), self.head(senders.clone(), h));
            edge_products(graph, x, y).unsqueeze_dim::<2>(1)
        };
        let logits = Tensor::cat((0..self.heads).map(of_head).collect(), 1);
        if scale == 1.0 { logits } else { logits * scale }
    }

    /// Computes `⟨vectors[h], x_h⟩` for each node and head, `[n, heads]`.
    fn products(&self, x: Tensor<2>, vectors: Tensor<2>) -> Tensor<2> {
        let ([n, _], heads, d) = (x.dims(), self.heads, self.d_head);
        let weighted = x.reshape([n, heads, d]) * vectors.unsqueeze_dim::<3>(0);
        weighted.sum_dim(2).squeeze_dim(2)
    }
}
