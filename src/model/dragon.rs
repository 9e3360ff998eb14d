//! DRAGON: separately propagated modalities, concatenated, with user-user and item-item graphs.

use super::content::project;
use super::{Batch, Content, Embed, Embeddings, Trainable, UserGraph, check, check_positive, check_share};
use crate::data::{Modality, TrainSet};
use crate::graph::{ItemGraph, KnnSearch, bipartite_adjacency, item_graph, modality_shares};
use crate::loss::{Objective, bpr, mean_square, mean_square_of_rows, pair_scores};
use crate::nn::{
    HomogeneousPropagation, Init, LayerAggregation, LightGcnPropagation, ModalityProjections,
    ModalityProjectionsConfig, UserModalityWeights, UserModalityWeightsConfig, nodes, unit_blocks, users_and_items,
    xavier_normal,
};
use crate::ops::SparseMatrix;
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`Dragon`].
///
/// *Enhancing Dyadic Relations with Homogeneous Graphs for Multimodal Recommendation*, ECAI 2023, arXiv 2301.12097. For each
/// modality `m`, with `x̂` for rows of length one:
///
/// ```text
/// F_m = LeakyReLU(X_m W₁ + b₁) W₂ + b₂,    x⁰_m = [P̂_m ; F̂_m],    r_m = Σ_{l = 0 … L} Sˡ x⁰_m
/// users = u + Γ u,    u = [w₁ r₁ ‖ w₂ r₂ ‖ …]     a weight for each user and modality
/// items = i + Ωˡ i,   i = [r₁ ‖ r₂ ‖ …]
/// L = mean -log₂ σ(ŷ_ui - ŷ_uj) + reg · (Σ_m mean P_m[u_b]² + mean w²)
/// ```
///
/// `S = D^-½ A D^-½` is the user-item graph, `Γ` weights the `user_neighbors` nearest users by the softmax of their
/// numbers of common items, and `Ω` mixes the `item_neighbors` nearest items of each modality. The weights `w` start as
/// a softmax and are unconstrained after that. Any number of modalities takes part.
///
/// This follows the [published](Self::published) code except where a result would depend on an arbitrary choice. In the
/// code, users with fewer than `user_neighbors` neighbours are padded by random repeats in each epoch, which count in
/// the softmax; here that is a setting, and ranking never uses it. Ties between neighbours, the rule on real data, go
/// to the lower id instead of the sorting routine's choice. The published evaluation ranks by the vectors of the last
/// step's forward pass, before its update; here they are recomputed. Unused parameters of the published code (trainable
/// features and projections, item weights) are left out, as is its unused graph with dropped modalities.
///
/// With `M` modalities a step takes O(M · d · (pairs · n_layers + users · user_neighbors + items · item_neighbors)) and, for the
/// heads, O(items · width · d_hidden) time; memory O(M · d · (users + items)).
///
/// ```
/// use viral::model::DragonConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = DragonConfig::default();
/// config.d_embed = 16;
/// let z = config.init(&data.train, &mut Init::new(0, &Device::flex()))?.embed().to_host();
/// // One block for each modality, so that a score splits into their shares.
/// assert_eq!(z.blocks(), [("text".to_string(), 16), ("visual".to_string(), 16)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DragonConfig {
    /// Width of each modality's block. Default: 64.
    pub d_embed: usize,
    /// Width of the heads' hidden layer. Default: 256.
    pub d_hidden: usize,
    /// Propagation layers over the user-item graph. Default: 2.
    pub n_layers: usize,
    /// Propagation layers over the item-item graph; 0 for none. Default: 1.
    pub n_item_layers: usize,
    /// Neighbours of an item in each modality, itself included; at most all items. Default: 10.
    pub item_neighbors: usize,
    /// Weight of the visual neighbours; the other modalities share the rest. Default: 0.1.
    pub visual_weight: f64,
    /// Neighbours of a user. Default: 40.
    pub user_neighbors: usize,
    /// Whether users with fewer neighbours are padded by random repeats in each training epoch. Default: false.
    pub pad_users: bool,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
    /// Weight of the mean squares of the batch users' vectors and of the modality weights. Default: 0.001.
    pub reg: f64,
}

impl Default for DragonConfig {
    fn default() -> Self {
        Self {
            d_embed: 64,
            d_hidden: 256,
            n_layers: 2,
            n_item_layers: 1,
            item_neighbors: 10,
            visual_weight: 0.1,
            user_neighbors: 40,
            pad_users: false,
            normalize_features: true,
            reg: 1e-3,
        }
    }
}

impl DragonConfig {
    /// Returns the settings of the published code, which pads the users' rows and uses raw features. `reg` is the
    /// authors' value on Baby and Sports; on Clothing they use 0.1.
    pub fn published() -> Self {
        Self { pad_users: true, normalize_features: false, ..Self::default() }
    }

    /// Builds the model with Xavier normal user vectors, default linear layers and the three graphs. `data` must have
    /// features of at least one modality; all of them are used.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<Dragon> {
        check(self.d_embed, &[("reg", self.reg)])?;
        check_share("visual_weight", self.visual_weight)?;
        check_positive(&[
            ("d_hidden", self.d_hidden),
            ("item_neighbors", self.item_neighbors),
            ("user_neighbors", self.user_neighbors),
        ])?;
        let content_of = data.features.require_any("dragon")?;
        let (n_users, n_modalities) = (data.interactions.n_users(), content_of.len());
        let shares = modality_shares(content_of, self.visual_weight);
        let items = item_graph(ItemGraph::Mixture, &shares, self.item_neighbors, KnnSearch::Exact)?;
        let heads = ModalityProjectionsConfig::new(self.d_embed).with_d_hidden(self.d_hidden);
        let weights = UserModalityWeightsConfig::new(n_users, n_modalities).with_xavier_spread();
        Ok(Dragon {
            users: (0..n_modalities).map(|_| xavier_normal([n_users, self.d_embed], init)).collect(),
            heads: heads.init(content_of.iter().map(|(_, features)| features.width()), init),
            weights: weights.init(init),
            user_user: UserGraph::new(&data.interactions, self.user_neighbors, self.pad_users, init.device()),
            user_item: SparseMatrix::new(&bipartite_adjacency(&data.interactions, 0.0), init.device()),
            item_item: SparseMatrix::new(&items, init.device()),
            features: Content::of_all(content_of, self.normalize_features, init),
            modalities: content_of.modalities().map(Modality::to_string).collect(),
            n_layers: self.n_layers,
            n_item_layers: self.n_item_layers,
            reg: self.reg,
        })
    }
}

/// DRAGON: one block for each modality, propagated over the user-item graph and then over the user-user and item-item
/// graphs.
#[derive(Module, Debug)]
pub struct Dragon {
    /// `P_m`: users' vectors in each modality, in the order text, visual, audio, multimodal, then by name,
    /// `[n_users, d]`.
    pub users: Vec<Param<Tensor<2>>>,
    /// Heads that map features to items' vectors, in the same order.
    pub heads: ModalityProjections,
    /// `w`: each user's weights of the modalities.
    pub weights: UserModalityWeights,
    /// `Γ`: plain for ranking, padded for training if `pad_users` is set.
    pub user_user: UserGraph,
    user_item: SparseMatrix,
    item_item: SparseMatrix,
    features: Vec<Content>,
    #[module(skip)]
    modalities: Vec<String>,
    n_layers: usize,
    n_item_layers: usize,
    reg: f64,
}

impl Dragon {
    /// Computes `[r₁ ‖ r₂ ‖ …]` of all nodes, users first, `[n_users + n_items, n_modalities · d]`.
    pub fn nodes(&self) -> Tensor<2> {
        let users = unit_blocks(self.users.iter().map(|table| table.val()));
        let items = unit_blocks(project(&self.heads, &self.features));
        // All modalities in one pass over the graph.
        LightGcnPropagation { n_layers: self.n_layers, aggregation: LayerAggregation::Sum }
            .forward(&self.user_item, nodes(users, items))
    }

    /// Computes the users `u` before the user-user graph, and the items after the item-item graph.
    fn users_and_items(&self) -> (Tensor<2>, Tensor<2>) {
        let (users, items) = users_and_items(self.nodes(), self.users[0].dims()[0]);
        (
            self.weights.forward(users),
            HomogeneousPropagation::residual(self.n_item_layers).forward(&self.item_item, items),
        )
    }

    /// Like [`embed`](Embed::embed), with another user-user graph, such as the [padded](UserGraph::padded) one.
    pub fn embed_over(&self, user_user: &SparseMatrix) -> Embeddings {
        let (users, items) = self.users_and_items();
        let d = users.dims()[1] / self.modalities.len();
        let blocks = self.modalities.iter().map(|name| (name.clone(), d)).collect();
        Embeddings::with_blocks(HomogeneousPropagation::residual(1).forward(user_user, users), items, blocks)
    }
}

impl Embed for Dragon {
    fn embed(&self) -> Embeddings {
        self.embed_over(self.user_user.plain())
    }
}

impl Trainable for Dragon {
    fn begin_epoch(&mut self, seed: u64, epoch: usize) -> crate::Result<()> {
        self.user_user.redraw(seed, epoch);
        Ok(())
    }

    fn objective(&self, batch: &Batch) -> Objective {
        let (users, items) = self.users_and_items();
        // The user-user graph has the most edges, so only the batch's rows are computed.
        let users =
            HomogeneousPropagation::residual(1).forward_rows(self.user_user.padded(), users, batch.users.clone());
        let [positive, negative] = pair_scores(users, items, batch.pairs_of(&batch.rows()));
        let squares = self.users.iter().map(|table| mean_square_of_rows(table.val(), batch.users.clone()));
        let reg = squares.fold(mean_square(self.weights.weight.val()), |sum, square| sum + square);
        Objective::new().with("bpr", std::f64::consts::LN_2.recip(), bpr(positive, negative)).with("reg", self.reg, reg)
    }
}
