//! Graph convolution layers with weights and an activation.

use super::affine::{affine_leaky, bias_leaky};
use super::{Init, linear, xavier_normal};
use crate::ops::{SparseMatrix, bias_leaky_relu, matmul, spmm, spmm_values};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::leaky_relu;
use serde::{Deserialize, Serialize};

/// Settings of [`GraphConv`].
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{GraphConvConfig, Init};
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// let layer = GraphConvConfig::new(6, 4).with_slope(0.0).init(&mut Init::new(0, &device)); // a ReLU
/// let graph = SparseMatrix::from_edges(2, 2, &[(0, 1, 0.5)], &device);
/// let y = layer.forward(&graph, Tensor::ones([2, 6], &device));
/// assert!(y.into_data().iter::<f32>().all(|x| x >= 0.0));
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GraphConvConfig {
    d_in: usize,
    d_out: usize,
    slope: f64,
}

impl GraphConvConfig {
    /// From width `d_in` to `d_out`, with a LeakyReLU of slope 0.01.
    pub fn new(d_in: usize, d_out: usize) -> Self {
        Self { d_in, d_out, slope: 0.01 }
    }

    /// Slope of the LeakyReLU below zero: 0 for a ReLU, 1 for no activation. Default: 0.01.
    pub fn with_slope(mut self, slope: f64) -> Self {
        self.slope = slope;
        self
    }

    /// Initialises the layer with a Xavier normal weight.
    pub fn init(&self, init: &mut Init) -> GraphConv {
        GraphConv { weight: xavier_normal([self.d_in, self.d_out], init), slope: self.slope }
    }
}

/// Graph convolution layer, `y = LeakyReLU(A x W)`.
///
/// The product is taken in the cheaper order, `(A x) W` with as many rows as there are receivers, or `A (x W)` with as
/// many as there are senders: O(min(n · d_in · d_out + nnz · d_in, m · d_in · d_out + nnz · d_out)) time for `A` of
/// `[n, m]`. Messages are never materialised.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{GraphConvConfig, Init};
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(2, 2, &[(0, 1, 1.0), (1, 0, 1.0)], &device);
/// let layer = GraphConvConfig::new(3, 5).init(&mut Init::new(1, &device));
/// assert_eq!(layer.forward(&graph, Tensor::ones([2, 3], &device)).dims(), [2, 5]);
/// ```
#[derive(Module, Debug)]
pub struct GraphConv {
    /// Weight, `[d_in, d_out]`.
    pub weight: Param<Tensor<2>>,
    slope: f64,
}

impl GraphConv {
    /// Convolves the vectors `x` of senders over the graph.
    ///
    /// # Shapes
    /// - `graph`: `[n, m]`, row = receiver
    /// - `x`: `[m, d_in]`; output: `[n, d_out]`
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>) -> Tensor<2> {
        self.convolve(graph, x, |x| spmm(graph, x))
    }

    /// Like [`forward`](Self::forward), with edge values that carry a gradient.
    ///
    /// # Shapes
    /// - `graph`: `[n, m]`, row = receiver; its own values are not used
    /// - `values`: `[nnz]`
    /// - `x`: `[m, d_in]`; output: `[n, d_out]`
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward_values(&self, graph: &SparseMatrix, values: Tensor<1>, x: Tensor<2>) -> Tensor<2> {
        self.convolve(graph, x, |x| spmm_values(graph, values, x))
    }

    /// Completes [`forward`](Self::forward) from a precomputed `A x`, for inputs that are propagated once and weighted
    /// in each step.
    ///
    /// # Shapes
    /// - `aggregated`: `[n, d_in]`; output: `[n, d_out]`
    ///
    /// # Panics
    /// When the width differs from the weight's.
    pub fn forward_aggregated(&self, aggregated: Tensor<2>) -> Tensor<2> {
        self.check(&aggregated);
        self.activate(matmul(aggregated, self.weight.val()))
    }

    fn convolve(
        &self,
        graph: &SparseMatrix,
        x: Tensor<2>,
        propagate: impl FnOnce(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<2> {
        self.check(&x);
        let ([d_in, d_out], [receivers, senders]) = (self.weight.dims(), graph.dims());
        let cost = |rows: usize, d: usize| rows * d_in * d_out + graph.nnz() * d;
        if cost(receivers, d_in) <= cost(senders, d_out) {
            return self.forward_aggregated(propagate(x));
        }
        self.activate(propagate(matmul(x, self.weight.val())))
    }

    fn check(&self, x: &Tensor<2>) {
        let ([n, d], [d_in, d_out]) = (x.dims(), self.weight.dims());
        assert_eq!(d, d_in, "GraphConv: x is [{n}, {d}], the weight [{d_in}, {d_out}]");
    }

    fn activate(&self, y: Tensor<2>) -> Tensor<2> {
        if self.slope == 1.0 {
            return y;
        }
        if self.slope > 0.0 {
            let none = Tensor::zeros([y.dims()[1]], &y.device());
            return bias_leaky_relu(y, none, self.slope as f32); // one pass
        }
        leaky_relu(y, self.slope)
    }
}

/// Settings of [`ResidualGraphConv`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResidualGraphConvConfig {
    d_in: usize,
    d_message: usize,
    d_out: usize,
    slope: f64,
}

impl ResidualGraphConvConfig {
    /// From width `d_in` to `d_out`, with messages of width `d_in` and LeakyReLUs of slope 0.01.
    pub fn new(d_in: usize, d_out: usize) -> Self {
        Self { d_in, d_message: d_in, d_out, slope: 0.01 }
    }

    /// Width of the messages from neighbours. Default: `d_in`.
    pub fn with_d_message(mut self, d_message: usize) -> Self {
        self.d_message = d_message;
        self
    }

    /// Slope of the LeakyReLUs below zero. Default: 0.01.
    pub fn with_slope(mut self, slope: f64) -> Self {
        self.slope = slope;
        self
    }

    /// Initialises the convolution with a Xavier normal weight, and the linear layers with PyTorch's defaults.
    pub fn init(&self, init: &mut Init) -> ResidualGraphConv {
        let conv = GraphConvConfig::new(self.d_in, self.d_message).with_slope(self.slope).init(init);
        let own = linear(self.d_in, self.d_out, init);
        let merge = linear(self.d_message + self.d_out, self.d_out, init);
        ResidualGraphConv { conv, own, merge, slope: self.slope }
    }
}

/// Graph convolution that keeps the node's own vector and adds an optional id embedding.
///
/// ```text
/// h = LeakyReLU(A x C),   x̂ = LeakyReLU(x W + b) + z,   y = LeakyReLU([h ‖ x̂] G + g)
/// ```
///
/// The layer of MMGCN (*MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation of Micro-video*, MM
/// 2019), with `A` the mean over neighbours and `z` the nodes' id embeddings.
///
/// O(nnz · d + n · d²) time; messages are never materialised.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{Init, ResidualGraphConvConfig};
/// use viral::ops::SparseMatrix;
///
/// let device = Device::flex();
/// let graph = SparseMatrix::from_edges(2, 2, &[(0, 1, 1.0), (1, 0, 1.0)], &device);
/// let layer = ResidualGraphConvConfig::new(3, 5).init(&mut Init::new(1, &device));
/// let ids = Tensor::ones([2, 5], &device);
/// assert_eq!(layer.forward(&graph, Tensor::ones([2, 3], &device), Some(ids)).dims(), [2, 5]);
/// ```
#[derive(Module, Debug)]
pub struct ResidualGraphConv {
    /// `C`: `[d_in, d_message]`.
    pub conv: GraphConv,
    /// `W` and `b`: `[d_in, d_out]`.
    pub own: Linear,
    /// `G` and `g`: `[d_message + d_out, d_out]`.
    pub merge: Linear,
    slope: f64,
}

impl ResidualGraphConv {
    /// Convolves the vectors `x` of all nodes over the graph.
    ///
    /// # Shapes
    /// - `graph`: `[n, n]`, row = receiver
    /// - `x`: `[n, d_in]`; `identity` (`z`), output: `[n, d_out]`
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward(&self, graph: &SparseMatrix, x: Tensor<2>, identity: Option<Tensor<2>>) -> Tensor<2> {
        self.forward_between(graph, x.clone(), x, identity)
    }

    /// Like [`forward`](Self::forward), for receivers whose neighbours are other nodes, such as users and their items.
    ///
    /// # Shapes
    /// - `graph`: `[n, m]`, row = receiver
    /// - `receivers`: `[n, d_in]`, `senders`: `[m, d_in]`; `identity`, output: `[n, d_out]`
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward_between(
        &self,
        graph: &SparseMatrix,
        receivers: Tensor<2>,
        senders: Tensor<2>,
        identity: Option<Tensor<2>>,
    ) -> Tensor<2> {
        self.update(self.conv.forward(graph, senders), receivers, identity)
    }

    /// Like [`forward_between`](Self::forward_between), from a precomputed `A x` of the senders, for senders that are
    /// the same in each step.
    ///
    /// # Shapes
    /// - `aggregated`, `receivers`: `[n, d_in]`; `identity`, output: `[n, d_out]`
    ///
    /// # Panics
    /// When the shapes do not agree.
    pub fn forward_aggregated(
        &self,
        aggregated: Tensor<2>,
        receivers: Tensor<2>,
        identity: Option<Tensor<2>>,
    ) -> Tensor<2> {
        self.update(self.conv.forward_aggregated(aggregated), receivers, identity)
    }

    fn update(&self, messages: Tensor<2>, x: Tensor<2>, identity: Option<Tensor<2>>) -> Tensor<2> {
        let own = affine_leaky(&self.own, x, self.slope as f32);
        let own = match identity {
            Some(z) => {
                let (found, expected) = (z.dims(), own.dims());
                assert_eq!(found, expected, "ResidualGraphConv: the identity is {found:?}, not {expected:?}");
                own + z
            }
            None => own,
        };
        // [h ‖ x̂] G as the sum of two products: concatenation would copy both.
        let weight = self.merge.weight.val();
        let part = |x: Tensor<2>, first: usize| {
            let rows = weight.clone().narrow(0, first, x.dims()[1]);
            matmul(x, rows)
        };
        let first_of_own = messages.dims()[1];
        bias_leaky(&self.merge, part(messages, 0) + part(own, first_of_own), self.slope as f32)
    }
}
