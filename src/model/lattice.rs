//! LATTICE: LightGCN with an item graph that is learned from content.

use super::{Batch, Content, Embed, Embeddings, Trainable, check, check_positive, check_share};
use crate::Result;
use crate::data::TrainSet;
use crate::graph::{
    ItemGraph, KnnSearch, add_self_loops, bipartite_adjacency, bipartite_pattern, item_graph, row_stochastic,
};
use crate::loss::{Objective, bpr, half_squares, pair_scores, squared_lengths};
use crate::nn::{
    IdTables, Init, LayerAggregation, LearnedEdges, LearnedItemGraph, LearnedItemGraphConfig, LightGcnPropagation,
    WeightedEdges, l2_normalize,
};
use crate::ops::SparseMatrix;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use serde::{Deserialize, Serialize};

/// Settings of [`Lattice`].
///
/// *Mining Latent Structures for Multimedia Recommendation*, MM 2021, arXiv 2104.09036; with any number of modalities `m`.
///
/// ```text
/// S_m = cos(W_m x_m + b_m) at each item's n_neighbors nearest, itself included;   B_m likewise of x_m,   ω = softmax θ
/// G = Σ_m ω_m ((1 - λ) lap(S_m) + λ lap(B_m)),    lap(A) = D^-1/2 A D^-1/2,  D = row sums of A
/// z_u = LightGCN(u),    z_i = LightGCN(i) + rn(Gᴸ i),    ŷ_ui = z_uᵀ z_i
/// L = BPR(ŷ) + reg · ½ (Σ ‖z_u‖² + Σ ‖z_i‖² + Σ ‖z_j‖²) / batch
/// ```
///
/// over the batch's users, positives and negatives. The gradient reaches `θ`, `W_m` and `b_m` through the similarities
/// that are kept, not through the choice of neighbours. `lap(B_m)` is computed once.
///
/// Where the paper and its published code differ, the default follows the paper and [`published`](Self::published) the
/// code, which
///
/// - mixes the learned graphs first and normalises the mixture: `lap(Σ_m ω_m S_m)` (`normalize_first`);
/// - trains the features, too (`train_features`);
/// - has the user-item graph `D⁻¹ (A + I)` instead of LightGCN's (`self_loops`);
/// - divides by the batch size setting even in a shorter last batch (`reg_batch_size`).
///
/// The paper learns the graph in every step. The code searches neighbours and learns the graph in the first batch of an
/// epoch, and takes that graph as a constant in the others. Both forms do so unless `rebuild_every_step` is set,
/// because searching the neighbours of all items costs more than the rest of a step. Parameters without a gradient in a
/// step are not updated, as in PyTorch from version 2 on. The code's figures are from version 1, where Adam still moves
/// them by momentum; this is not offered. Ranking searches neighbours anew.
///
/// The neighbour search takes O(items² · d_projection) time for each modality, in blocks, and O(items · n_neighbors)
/// memory; a step takes O(pairs · n_layers · d + items · n_neighbors · modalities · d).
///
/// ```
/// use viral::model::LatticeConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = LatticeConfig::default();
/// config.n_neighbors = 5;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// // Learned and initial neighbours, in two modalities.
/// assert_eq!(model.item_graph().edges.len(), 4);
/// assert_eq!(model.embed().items().dims(), [40, 64]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LatticeConfig {
    /// Width of the embeddings. Default: 64.
    pub d_embed: usize,
    /// Width of the projected features by which neighbours are learned. Default: 64.
    pub d_projection: usize,
    /// Propagation layers over the user-item graph. Default: 2.
    pub n_layers: usize,
    /// Propagation layers over the item graph. Default: 1.
    pub n_item_layers: usize,
    /// Neighbours of an item in each modality, itself included; at most all items. Default: 10.
    pub n_neighbors: usize,
    /// Share `λ` of the initial graph, by the raw features; the learned graph has the rest. Default: 0.9.
    pub lambda: f64,
    /// Weight of the squared lengths of the batch's vectors. Default: 1e-5.
    pub reg: f64,
    /// Divisor of the squared lengths; 0 for the number of triplets of the batch. Default: 0.
    pub reg_batch_size: usize,
    /// Whether the graph is searched and learned in every step, not only in the first of an epoch. Default: false.
    pub rebuild_every_step: bool,
    /// Whether each modality's learned graph is normalised before they are mixed. Default: true.
    pub normalize_first: bool,
    /// Whether the features by which neighbours are learned are trained themselves. Default: false.
    pub train_features: bool,
    /// Whether the user-item graph has self-loops and rows that sum to 1. Default: false.
    pub self_loops: bool,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
}

impl Default for LatticeConfig {
    fn default() -> Self {
        Self {
            d_embed: 64,
            d_projection: 64,
            n_layers: 2,
            n_item_layers: 1,
            n_neighbors: 10,
            lambda: 0.9,
            reg: 1e-5,
            reg_batch_size: 0,
            rebuild_every_step: false,
            normalize_first: true,
            train_features: false,
            self_loops: false,
            normalize_features: true,
        }
    }
}

impl LatticeConfig {
    /// Returns the settings of the published code, for batches of 2,048.
    pub fn published() -> Self {
        Self {
            reg_batch_size: 2048,
            normalize_first: false,
            train_features: true,
            self_loops: true,
            normalize_features: false,
            ..Self::default()
        }
    }

    /// Builds the model with Xavier uniform tables and the initial graphs. `data` must have features of at least one
    /// modality; all of them are used.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> Result<Lattice> {
        check(self.d_embed, &[("reg", self.reg)])?;
        check_share("lambda", self.lambda)?;
        check_positive(&[("d_projection", self.d_projection), ("n_neighbors", self.n_neighbors)])?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let all = data.features.require_any("lattice")?;
        let tables = IdTables::xavier_uniform(n_users, n_items, self.d_embed, init);
        let widths: Vec<[usize; 2]> = all.iter().map(|(_, rows)| [rows.width(), self.d_projection]).collect();
        let learned = LearnedItemGraphConfig::new(self.n_neighbors)
            .with_normalize_first(self.normalize_first)
            .with_projections(&widths)
            .init(init);
        let initial = all.iter().map(|(_, rows)| {
            let kind = ItemGraph::CosineMixture;
            let graph = item_graph(kind, &[(rows, 1.0)], self.n_neighbors, KnnSearch::Exact)?;
            let pattern = SparseMatrix::new(&graph, init.device());
            Ok(WeightedEdges { values: Tensor::from_data(pattern.values().into_data(), init.device()), pattern })
        });
        let initial = initial.collect::<Result<_>>()?;
        let (there, constant): (Vec<_>, Vec<_>) = Content::of_all(all, self.normalize_features, init)
            .into_iter()
            .map(|content| (content.there, content.rows))
            .unzip();
        let learned = learned.with_there(there);
        let (trained, constant) = match self.train_features {
            true => (constant.into_iter().map(Param::from_tensor).collect(), Vec::new()),
            false => (Vec::new(), constant),
        };
        let user_item = match self.self_loops {
            true => row_stochastic(&add_self_loops(&bipartite_pattern(&data.interactions))),
            false => bipartite_adjacency(&data.interactions, 0.0),
        };
        Ok(Lattice {
            tables,
            learned,
            modality_weights: init.constant_param([all.len()], 0.5),
            trained_features: trained,
            features: constant,
            initial,
            user_item: SparseMatrix::new(&user_item, init.device()),
            epoch: None,
            config: self.clone(),
        })
    }
}

/// LightGCN whose items also receive the id embeddings of their neighbours in a learned graph.
#[derive(Module, Debug)]
pub struct Lattice {
    /// Id embeddings of users and items.
    pub tables: IdTables,
    /// The learned graph and its projections, in the order text, visual, audio, multimodal, then by name.
    pub learned: LearnedItemGraph,
    /// `θ`: logits of the modalities' weights, `[modalities]`.
    pub modality_weights: Param<Tensor<1>>,
    /// Features of each modality, `[n_items, d_m]`, if they are trained.
    pub trained_features: Vec<Param<Tensor<2>>>,
    features: Vec<Tensor<2>>,
    initial: Vec<WeightedEdges>,
    user_item: SparseMatrix,
    epoch: Option<EpochGraph>,
    #[module(skip)]
    config: LatticeConfig,
}

/// The item graph of an epoch: its neighbours, and the weighted graph as a constant.
#[derive(Module, Debug)]
struct EpochGraph {
    patterns: Vec<SparseMatrix>,
    constant: LearnedEdges,
}

impl Lattice {
    /// Computes the item graph `G` of the current parameters, with a gradient to them: learned edges, then initial
    /// ones.
    pub fn item_graph(&self) -> LearnedEdges {
        self.item_graph_on(&self.learned.patterns(self.content()))
    }

    /// Like [`item_graph`](Self::item_graph), with given neighbours in the learned graph.
    fn item_graph_on(&self, patterns: &[SparseMatrix]) -> LearnedEdges {
        let weights = softmax(self.modality_weights.val(), 0);
        let learned = self.learned.forward_on(patterns, self.content(), weights.clone());
        let lambda = self.config.lambda;
        let learned =
            learned.edges.into_iter().map(|edges| WeightedEdges { values: edges.values * (1.0 - lambda), ..edges });
        let initial = self.initial.iter().enumerate().map(|(m, edges)| WeightedEdges {
            values: edges.values.clone() * (weights.clone().narrow(0, m, 1) * lambda),
            pattern: edges.pattern.clone(),
        });
        LearnedEdges { edges: learned.chain(initial).collect() }
    }

    fn content(&self) -> Vec<Tensor<2>> {
        let trained = self.trained_features.iter().map(Param::val);
        trained.chain(self.features.iter().cloned()).collect()
    }

    fn forward(&self, graph: &LearnedEdges) -> Embeddings {
        let propagation = LightGcnPropagation { n_layers: self.config.n_layers, aggregation: LayerAggregation::Mean };
        let (users, items) = self.tables.propagate(&self.user_item, &propagation);
        let of_neighbors = (0..self.config.n_item_layers).fold(self.tables.items.val(), |x, _| graph.propagate(x));
        Embeddings::new(users, items + l2_normalize(of_neighbors), "id")
    }
}

impl Embed for Lattice {
    fn embed(&self) -> Embeddings {
        self.forward(&self.item_graph())
    }
}

impl Trainable for Lattice {
    /// Searches the neighbours of the epoch, unless every step does.
    fn begin_epoch(&mut self, _: u64, _: usize) -> Result<()> {
        if !self.config.rebuild_every_step {
            let patterns = self.learned.patterns(self.content());
            let constant = self.item_graph_on(&patterns).detach();
            self.epoch = Some(EpochGraph { patterns, constant });
        }
        Ok(())
    }

    fn objective(&self, batch: &Batch) -> Objective {
        let graph = match &self.epoch {
            None => self.item_graph(),
            Some(epoch) if batch.key.step == 0 => self.item_graph_on(&epoch.patterns),
            Some(epoch) => epoch.constant.clone(),
        };
        let (users, items) = self.forward(&graph).into_users_and_items();
        let [u, i] = batch.pairs();
        let rows = [(users.clone(), batch.users.clone()), (items.clone(), i.clone())];
        let divisor = if self.config.reg_batch_size > 0 { self.config.reg_batch_size } else { batch.len() };
        let [positive, negative] = pair_scores(users, items, [u, i]);
        Objective::new().with("bpr", 1.0, bpr(positive, negative)).with(
            "reg",
            self.config.reg,
            half_squares(squared_lengths(rows, 3), divisor),
        )
    }
}
