//! A learned item graph: nearest neighbours by features, and edge weights with a gradient to them.

use super::{Init, affine, l2_normalize, linear};
use crate::ops::{SparseMatrix, degree_factors, edge_products, knn_pattern, scale_values, segment_sum, spmm_values};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`LearnedItemGraph`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LearnedItemGraphConfig {
    n_neighbors: usize,
    include_self: bool,
    epsilon: f64,
    normalize_first: bool,
    projections: Vec<[usize; 2]>,
}

impl LearnedItemGraphConfig {
    /// Connects each item to its `n_neighbors` nearest by cosine of raw features, itself included; at most all items.
    /// Degrees are normalised without epsilon.
    pub fn new(n_neighbors: usize) -> Self {
        Self { n_neighbors, include_self: true, epsilon: 0.0, normalize_first: false, projections: Vec::new() }
    }

    /// Whether an item is one of its own neighbours. Default: yes.
    pub fn with_include_self(mut self, include_self: bool) -> Self {
        self.include_self = include_self;
        self
    }

    /// Epsilon added to degrees before their roots are taken. Default: 0.
    pub fn with_epsilon(mut self, epsilon: f64) -> Self {
        self.epsilon = epsilon;
        self
    }

    /// Whether each modality's graph is normalised by its own degrees before it is weighted. Default: no, the weighted
    /// mixture is normalised by its degrees.
    pub fn with_normalize_first(mut self, normalize_first: bool) -> Self {
        self.normalize_first = normalize_first;
        self
    }

    /// Projects the features of each modality, in their order, from width `d_in` to `d_out` by a linear layer of its
    /// own: cosines are those of `x W + b`. Default: features as they are.
    pub fn with_projections(mut self, widths: &[[usize; 2]]) -> Self {
        self.projections = widths.to_vec();
        self
    }

    /// Initialises the linear layers with PyTorch's defaults.
    pub fn init(&self, init: &mut Init) -> LearnedItemGraph {
        LearnedItemGraph {
            projections: self.projections.iter().map(|&[d_in, d_out]| linear(d_in, d_out, init)).collect(),
            n_neighbors: self.n_neighbors,
            include_self: self.include_self,
            epsilon: self.epsilon,
            normalize_first: self.normalize_first,
            there: Vec::new(),
        }
    }
}

/// A k-nearest-neighbour graph of trainable features, with a gradient through the similarities.
///
/// ```text
/// S_m[i, j] = cos(f_m(x_m[i]), f_m(x_m[j]))   for j in the top-k of S_m[i, ·], else 0
/// B = Σ_m w_m S_m;   A = D^-1/2 B D^-1/2,   D = row sums of B
/// or, normalised first:   A = Σ_m w_m D_m^-1/2 S_m D_m^-1/2,   D_m = row sums of S_m
/// ```
///
/// The learned graph of LATTICE (*Mining Latent Structures for Multimedia Recommendation*, MM 2021, arXiv 2104.09036).
/// MMRec mixes modalities first and normalises the mixture; the paper normalises each first. The gradient reaches
/// features and projections through the similarities that are kept and through the degrees, not through the choice of
/// neighbours. Negative similarities stay; an item whose similarities do not sum to more than 0 is left without edges.
///
/// O(n² · d) time for each modality's neighbours and O(n · k · d) for their weights; memory O(n · (k + d)): the matrix
/// of all similarities is never materialised. To keep neighbours for some steps, search them with
/// [`patterns`](Self::patterns) and weight them with [`forward_on`](Self::forward_on).
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use viral::nn::{Init, LearnedItemGraphConfig};
///
/// let device = Device::flex().autodiff();
/// let layer = LearnedItemGraphConfig::new(2).with_projections(&[[3, 2]]).init(&mut Init::new(1, &device));
/// let features = Tensor::<2>::from_data([[1.0, 0.0, 0.2], [0.9, 0.1, 0.0], [0.0, 1.0, 0.3], [0.1, 1.0, 0.0]], &device);
/// let items = Tensor::<2>::ones([4, 8], &device);
///
/// let graph = layer.forward(features);
/// let gradients = graph.propagate(items).sum().backward();
/// assert_eq!(graph.edges[0].pattern.nnz(), 4 * 2);
/// assert!(layer.projections[0].weight.val().grad(&gradients).is_some());
/// ```
#[derive(Module, Debug)]
pub struct LearnedItemGraph {
    /// Projection of each modality, `[d_in, d_out]`; empty for raw features.
    pub projections: Vec<Linear>,
    n_neighbors: usize,
    include_self: bool,
    epsilon: f64,
    normalize_first: bool,
    there: Vec<Option<Tensor<2>>>,
}

/// A sparse graph whose edge weights may carry a gradient.
#[derive(Module, Debug)]
pub struct WeightedEdges {
    /// Sparsity pattern, `[n, n]`; its own values are not used.
    pub pattern: SparseMatrix,
    /// The weight of each edge, `[nnz]`.
    pub values: Tensor<1>,
}

/// The output of a [`LearnedItemGraph`]: the edges of each modality, weighted and normalised. The graph is their sum.
#[derive(Module, Debug)]
pub struct LearnedEdges {
    /// One for each modality.
    pub edges: Vec<WeightedEdges>,
}

impl LearnedItemGraph {
    /// Sets a mask of the items with content for each modality: 1 for these, else 0, or `None` if all have content. An
    /// item without content has cosine 0 with all others, whatever its projection is, and no edges.
    ///
    /// # Shapes
    /// - `there`: `[n, 1]` of each modality
    pub fn with_there(mut self, there: Vec<Option<Tensor<2>>>) -> Self {
        self.there = there;
        self
    }

    /// Builds the graph of one modality.
    ///
    /// # Shapes
    /// - `features`: `[n, d_in]`
    ///
    /// # Panics
    /// When there are no neighbours to take, or the layer projects another number of modalities or another width.
    pub fn forward(&self, features: Tensor<2>) -> LearnedEdges {
        let units = self.units(vec![features]);
        self.weighted(&self.patterns_of(&units), units, None)
    }

    /// Builds the graph of several modalities of the same items, weighted by `weights`.
    ///
    /// # Shapes
    /// - `features`: `[n, d_in]` of each modality
    /// - `weights`: `[n_modalities]`
    ///
    /// # Panics
    /// When there is no modality or not one weight for each, when the numbers of items differ, and as in
    /// [`forward`](Self::forward).
    pub fn forward_mixed(&self, features: Vec<Tensor<2>>, weights: Tensor<1>) -> LearnedEdges {
        let units = self.units(features);
        self.weighted(&self.patterns_of(&units), units, Some(weights))
    }

    /// Searches the neighbours in each modality, without a gradient, to be kept while their weights change.
    ///
    /// # Shapes
    /// - `features`: `[n, d_in]` of each modality; output: `[n, n]` of each
    ///
    /// # Panics
    /// As in [`forward_mixed`](Self::forward_mixed).
    pub fn patterns(&self, features: Vec<Tensor<2>>) -> Vec<SparseMatrix> {
        self.patterns_of(&self.units(features))
    }

    /// Like [`forward_mixed`](Self::forward_mixed), on given neighbours. O(n · k · d) time for each modality.
    ///
    /// # Shapes
    /// - `patterns`: `[n, n]` of each modality; their own values are not used
    /// - `features`: `[n, d_in]` of each modality
    /// - `weights`: `[n_modalities]`
    ///
    /// # Panics
    /// When there is not one pattern and one weight for each modality, and as in [`forward`](Self::forward).
    pub fn forward_on(&self, patterns: &[SparseMatrix], features: Vec<Tensor<2>>, weights: Tensor<1>) -> LearnedEdges {
        self.weighted(patterns, self.units(features), Some(weights))
    }

    /// L2-normalises the features or their projections, so that inner products are cosines.
    fn units(&self, features: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        let (n, n_layers) = (features.len(), self.projections.len());
        assert!(n_layers == 0 || n_layers == n, "LearnedItemGraph: {n} modalities, projections of {n_layers}");
        let items: Vec<usize> = features.iter().map(|x| x.dims()[0]).collect();
        assert!(items.windows(2).all(|w| w[0] == w[1]), "LearnedItemGraph: modalities of {items:?} items");
        let project = |(m, features): (usize, Tensor<2>)| match self.projections.get(m) {
            Some(layer) => {
                let ([_, width], [d_in, d_out]) = (features.dims(), layer.weight.dims());
                assert_eq!(
                    width, d_in,
                    "LearnedItemGraph: features are {width} wide, projection {m} is [{d_in}, {d_out}]"
                );
                affine(layer, features)
            }
            None => features,
        };
        let masked = |(m, x): (usize, Tensor<2>)| match self.there.get(m) {
            Some(Some(there)) => x * there.clone(),
            _ => x,
        };
        features.into_iter().enumerate().map(project).enumerate().map(masked).map(l2_normalize).collect()
    }

    fn patterns_of(&self, units: &[Tensor<2>]) -> Vec<SparseMatrix> {
        let pattern = |units: &Tensor<2>| {
            let most = units.dims()[0].saturating_sub(usize::from(!self.include_self));
            knn_pattern(units.clone(), self.n_neighbors.min(most), self.include_self)
        };
        units.iter().map(pattern).collect()
    }

    /// Computes weighted and normalised cosines at the edges; a single modality needs no weight.
    fn weighted(&self, patterns: &[SparseMatrix], units: Vec<Tensor<2>>, weights: Option<Tensor<1>>) -> LearnedEdges {
        let (n, n_patterns) = (units.len(), patterns.len());
        let n_weights = weights.as_ref().map_or(1, |weights| weights.dims()[0]);
        let agree = n > 0 && n == n_weights && n == n_patterns;
        assert!(agree, "LearnedItemGraph: {n} modalities, weights [{n_weights}], {n_patterns} patterns");
        let cosines = patterns.iter().zip(units).map(|(pattern, units)| WeightedEdges {
            values: edge_products(pattern, units.clone(), units), // [nnz]
            pattern: pattern.clone(),
        });
        let weigh = |(m, edges): (usize, WeightedEdges)| match &weights {
            Some(weights) => WeightedEdges { values: edges.values * weights.clone().narrow(0, m, 1), ..edges },
            None => edges,
        };
        if self.normalize_first {
            let normalized = cosines.map(|edges| {
                let factors = self.factors(edges.degrees());
                edges.scaled(factors)
            });
            return LearnedEdges { edges: normalized.enumerate().map(weigh).collect() };
        }
        let mixed: Vec<WeightedEdges> = cosines.enumerate().map(weigh).collect();
        let Some(degrees) = mixed.iter().map(WeightedEdges::degrees).reduce(|a, b| a + b) else {
            panic!("LearnedItemGraph: no modality");
        };
        let factors = self.factors(degrees);
        LearnedEdges { edges: mixed.into_iter().map(|edges| edges.scaled(factors.clone())).collect() }
    }

    fn factors(&self, degrees: Tensor<1>) -> Tensor<1> {
        degree_factors(degrees, self.epsilon)
    }
}

impl WeightedEdges {
    /// Sums each row, `[n]`.
    fn degrees(&self) -> Tensor<1> {
        segment_sum(&self.pattern, self.values.clone().unsqueeze_dim(1)).squeeze_dim(1)
    }

    /// Multiplies each value by the factors of both of its nodes.
    fn scaled(self, factors: Tensor<1>) -> Self {
        let values = scale_values(&self.pattern, self.values, factors.clone(), factors);
        Self { values, ..self }
    }
}

impl LearnedEdges {
    /// Computes `A x`, with gradients to `x` and to the edge weights. O(n · k · d) time for each modality.
    ///
    /// # Shapes
    /// - `x`, output: `[n, d]`
    ///
    /// # Panics
    /// When `x` does not have one row for each item.
    pub fn propagate(&self, x: Tensor<2>) -> Tensor<2> {
        let parts = self.edges.iter().map(|e| spmm_values(&e.pattern, e.values.clone(), x.clone()));
        match parts.reduce(|a, b| a + b) {
            Some(sum) => sum,
            None => x.zeros_like(),
        }
    }

    /// Detaches the graph from the gradient, as LATTICE does in all but the first batch of an epoch.
    pub fn detach(self) -> Self {
        let edges = self.edges.into_iter().map(|e| WeightedEdges { values: e.values.detach(), ..e });
        Self { edges: edges.collect() }
    }
}
