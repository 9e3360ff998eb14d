//! Settings of VIRAL and its presets.

use crate::Error;
use crate::graph::ItemGraph;
use crate::loss::{RankingLoss, RedundancyAnchor};
use crate::model::{check, check_share};
use crate::named::named;
use crate::nn::{LayerAggregation, Mask};
use serde::{Deserialize, Serialize};

/// How modalities are combined: the rows of the paper's fusion ablation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FusionStrategy {
    /// `½ (t + v)`: one block.
    MeanPooling,
    /// `[t ‖ v]`: two blocks.
    Concatenation,
    /// `[w₀ t ‖ w₁ v]`, weighted for each user.
    WeightedConcatenation,
    /// `[w₀ t ‖ w₁ s ‖ w₂ v']`: text, synergy and unique visual, equations (7)-(14).
    #[default]
    InformationAware,
}

named! {
    FusionStrategy, "fusion strategy":
    MeanPooling => "mean_pooling",
    Concatenation => "concatenation",
    WeightedConcatenation => "weighted_concatenation",
    InformationAware => "information_aware",
}

/// Whether fusion comes before or after propagation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FusionPlacement {
    /// Fuses item features before propagation: the authors' code.
    Features,
    /// Fuses the propagated embeddings of users and items: the paper.
    Propagated,
}

named! {
    FusionPlacement, "placement of the fusion":
    Features => "features",
    Propagated => "propagated",
}

/// Settings of [`Viral`](super::Viral).
///
/// *Enhancing Multimodal Recommendations with Vision-Language Models and Information-Aware Fusion*, 2025, arXiv
/// 2511.02113. The equations are at [`Viral`](super::Viral); numbers in brackets are the paper's. There are presets for
/// the library's default, the paper and the authors' code (its branch `redu2`, and `master` without redundancy).
/// The fields' docs state the first one's values. Fields are public, but the struct may gain some: start from a
/// preset and change fields.
///
/// ```
/// use viral::model::{FusionStrategy, ViralConfig};
///
/// let mut config = ViralConfig::new();
/// config.d_embed = 32;
/// config.fusion = FusionStrategy::Concatenation;
/// assert_eq!(config.fusion, "concatenation".parse()?); // as written in files and on command lines
/// # Ok::<(), viral::Error>(())
/// ```
///
/// With `b` blocks of width `d`, building the graphs takes O(items² · width) once, or O(items^1.5 · item_probes ·
/// width) with probes. A step takes O(b · d · (pairs · n_layers + items · item_neighbors · n_item_layers + users ·
/// user_neighbors · n_user_layers)) for propagation, O(rows · d_fusion²) for the fusion of `rows` items (or nodes) and
/// O(info_nce_rows² · d_fusion) for InfoNCE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ViralConfig {
    /// Width of each block of the embeddings. Default: 64.
    pub d_embed: usize,
    /// Propagation layers over the user-item graph (1). Default: 2.
    pub n_layers: usize,
    /// How the outputs of these layers are aggregated (2). Default: `mean`.
    pub aggregation: LayerAggregation,
    /// Share of the train pairs dropped from the user-item graph in each training epoch. Default: 0.3.
    pub edge_dropout: f64,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
    /// Whether users' and projected items' vectors are L2-normalised before propagation. Default: true.
    pub normalize_inputs: bool,
    /// Whether each item also has an id embedding, added to its projected content. Default: true.
    pub item_ids: bool,
    /// Share of the items whose id embeddings are dropped in a training step, drawn anew each time. Content then has to
    /// do more on its own, which helps new items. Default: 0.
    pub id_dropout: f64,

    /// How modalities are combined. Default: `information_aware`.
    pub fusion: FusionStrategy,
    /// Whether fusion comes before or after propagation. Default: `features`.
    pub placement: FusionPlacement,
    /// Width at which item features are fused, after `LeakyReLU(x W + b)`; 0 fuses raw features. If it equals
    /// `d_embed`, the fused features are the items' vectors; otherwise a head for each block follows. Default: 64.
    pub d_fusion: usize,
    /// Width of the encoders' feed-forward hidden layer, as a multiple of the fusion's width. Default: 2.
    pub feed_forward: usize,
    /// Whether a self-attending encoder follows each cross-modal one. Default: false.
    pub self_encoders: bool,
    /// Whether redundancy is estimated and removed from the visual block; without it `v' = v`. Default: true.
    pub redundancy: bool,
    /// What replaces a removed modality (9). Default: `zeros`.
    pub mask: Mask,
    /// Heads of the redundancy encoder over the sequence `[v, t]`; 0 concatenates the two instead. Default: 0.
    pub redundancy_heads: usize,
    /// Which encoding represents the redundancy in (16). Default: `full`.
    pub anchor: RedundancyAnchor,
    /// Added to `‖r‖²` in (12). Default: 1e-8.
    pub projection_epsilon: f64,
    /// Whether `v'` is L2-normalised. Default: false.
    pub normalize_unique: bool,
    /// Standard deviation of the normal logits whose softmax initialises the user weights (14); 0 weighs all blocks equally. Default: 0.
    pub weight_spread: f64,
    /// Width of the heads' hidden layer; 0 for none. Default: 0.
    pub d_hidden: usize,
    /// Width of the visual block's hidden layer; 0 for none. Default: 0.
    pub d_hidden_visual: usize,

    /// How the item-item graph is built. Default: `mixture`.
    pub item_graph: ItemGraph,
    /// Neighbours of an item (in each modality); at most all items. Default: 10.
    pub item_neighbors: usize,
    /// Clusters searched for an item's neighbours by [`knn_approximate`](crate::graph::knn_approximate); 0 for an exact
    /// search of all items. Default: 0.
    pub item_probes: usize,
    /// Weight of the visual neighbours in the mixture. Default: 0.3.
    pub visual_weight: f64,
    /// Share of co-occurrence in the item graph, the rest being similarity of content: at most `item_neighbors` items
    /// taken by the same users ([`with_cooccurrence`](crate::graph::with_cooccurrence)). Default: 0.
    pub cooccurrence_share: f64,
    /// Propagation layers over the item-item graph (3); 0 for none. Default: 1.
    pub n_item_layers: usize,
    /// Neighbours of a user. Default: 80.
    pub user_neighbors: usize,
    /// Propagation layers over the user-user graph; 0 for none. Default: 1.
    pub n_user_layers: usize,
    /// Weight of what a user receives from other users; their own vector has the rest, or 1 if this is 1. Default: 0.2.
    pub user_mix: f64,

    /// `λ` of (17). Default: 0.01.
    pub lambda: f64,
    /// `τ` of InfoNCE. Default: 0.1.
    pub temperature: f64,
    /// Number of rows, sampled from the batch, that InfoNCE compares in a step; 0 for all that are fused: items, or
    /// users and items. Default: 1024.
    pub info_nce_rows: usize,
    /// Negatives shared by all triplets, taken from the batch's own; 0 gives each triplet only its own. Default: 1024.
    pub shared_negatives: usize,
    /// The ranking loss: BPR as in the paper, or a softmax over the shared negatives. With one negative for each
    /// triplet the two are the same. Default: `softmax`.
    pub ranking: RankingLoss,
    /// Factor of the scores in the ranking loss; for a softmax the inverse of its temperature. Default: 6.
    pub score_scale: f64,
    /// Whether the ranking loss is in bits (log2), as in the authors' code. Default: false.
    pub log2: bool,
    /// Weight of the mean squares of the batch users' vectors and of the modality weights. Default: 0.001.
    pub reg: f64,
}

impl Default for ViralConfig {
    fn default() -> Self {
        Self::new()
    }
}

impl ViralConfig {
    /// Returns the library's default: the best measured on real data at a cost that a laptop can bear (README,
    /// results).
    pub fn new() -> Self {
        Self {
            aggregation: LayerAggregation::Mean,
            edge_dropout: 0.3,
            normalize_features: true,
            item_ids: true,
            id_dropout: 0.0,
            d_fusion: 64,
            feed_forward: 2,
            self_encoders: false,
            anchor: RedundancyAnchor::Full,
            normalize_unique: false,
            weight_spread: 0.0,
            d_hidden: 0,
            visual_weight: 0.3,
            user_neighbors: 80,
            user_mix: 0.2,
            info_nce_rows: 1024,
            shared_negatives: 1024,
            ranking: RankingLoss::Softmax,
            score_scale: 6.0,
            log2: false,
            ..Self::reference()
        }
    }

    /// Returns the paper's settings, the equations as printed: users and items are fused after propagation, with mask
    /// tokens.
    ///
    /// Train with learning rate 1e-3 and batches of 1024. InfoNCE compares the users and items of the batch, which the
    /// paper leaves open.
    pub fn paper() -> Self {
        Self {
            d_embed: 64,
            n_layers: 2,
            aggregation: LayerAggregation::Sum,
            edge_dropout: 0.0,
            normalize_features: false,
            normalize_inputs: false,
            item_ids: false,
            id_dropout: 0.0,
            fusion: FusionStrategy::InformationAware,
            placement: FusionPlacement::Propagated,
            d_fusion: 0,
            feed_forward: 4,
            self_encoders: false,
            redundancy: true,
            mask: Mask::Learned,
            redundancy_heads: 1,
            anchor: RedundancyAnchor::Full,
            projection_epsilon: 1e-12,
            normalize_unique: false,
            weight_spread: 1.0,
            d_hidden: 0,
            d_hidden_visual: 0,
            item_graph: ItemGraph::MeanCosine,
            item_neighbors: 10,
            item_probes: 0,
            visual_weight: 0.5,
            cooccurrence_share: 0.0,
            n_item_layers: 2,
            user_neighbors: 10,
            n_user_layers: 2,
            user_mix: 1.0,
            lambda: 0.1,
            temperature: 0.1,
            info_nce_rows: 1024,
            shared_negatives: 0,
            ranking: RankingLoss::Bpr,
            score_scale: 1.0,
            log2: false,
            reg: 1e-3,
        }
    }

    /// Returns the settings of the authors' branch `redu2`, reproduced exactly. Train with learning rate 1e-4 and
    /// batches of 2048.
    pub fn reference() -> Self {
        Self {
            normalize_inputs: true,
            placement: FusionPlacement::Features,
            self_encoders: true,
            mask: Mask::Zeros,
            redundancy_heads: 0,
            anchor: RedundancyAnchor::Shared,
            projection_epsilon: 1e-8,
            normalize_unique: true,
            d_hidden: 256,
            item_graph: ItemGraph::Mixture,
            n_item_layers: 1,
            user_neighbors: 40,
            n_user_layers: 1,
            user_mix: 0.5,
            lambda: 0.01,
            info_nce_rows: 0,
            log2: true,
            ..Self::paper()
        }
    }

    /// Returns the settings of the authors' branch `master`, reproduced exactly: synergy without redundancy.
    pub fn reference_synergy() -> Self {
        Self { redundancy: false, normalize_unique: false, d_hidden_visual: 256, lambda: 0.001, ..Self::reference() }
    }

    /// Validates these settings for a model with fusion width `d_fusion`.
    pub(super) fn check(&self, d_fusion: usize) -> crate::Result<()> {
        let (spread, epsilon) = (self.weight_spread, self.projection_epsilon);
        let from_zero =
            [("lambda", self.lambda), ("reg", self.reg), ("weight_spread", spread), ("projection_epsilon", epsilon)];
        check(self.d_embed, &from_zero)?;
        check_share("visual_weight", self.visual_weight)?;
        check_share("cooccurrence_share", self.cooccurrence_share)?;
        check_share("id_dropout", self.id_dropout)?;
        check_share("user_mix", self.user_mix)?;
        Error::require_positive("temperature", self.temperature)?;
        Error::require_positive("score_scale", self.score_scale)?;
        Error::require(self.feed_forward > 0, "feed_forward", self.feed_forward, "at least 1")?;
        let has_graph = self.n_item_layers > 0;
        Error::require(!has_graph || self.item_neighbors > 0, "item_neighbors", self.item_neighbors, "at least 1")?;
        let has_graph = self.n_user_layers > 0;
        Error::require(!has_graph || self.user_neighbors > 0, "user_neighbors", self.user_neighbors, "at least 1")?;
        let (heads, rows) = (self.redundancy_heads, self.info_nce_rows);
        let divides = heads == 0 || d_fusion.is_multiple_of(heads);
        Error::require(
            divides,
            "redundancy_heads",
            heads,
            &format!("0 or a divisor of {d_fusion}, the fusion's width"),
        )?;
        let both = self.placement == FusionPlacement::Propagated;
        Error::require(!both || rows != 1, "info_nce_rows", rows, "0, or at least one user and one item")
    }

    /// Returns a preset by name: `default`, `paper`, `reference` or `reference-synergy`.
    pub fn preset(name: &str) -> crate::Result<Self> {
        match name {
            "default" => Ok(Self::new()),
            "paper" => Ok(Self::paper()),
            "reference" => Ok(Self::reference()),
            "reference-synergy" => Ok(Self::reference_synergy()),
            _ => {
                let known = "default, paper, reference, reference-synergy";
                Err(crate::Error::Config(format!("no preset '{name}'; there are {known}")))
            }
        }
    }
}
