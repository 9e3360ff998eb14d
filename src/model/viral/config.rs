//! Settings of VIRAL and its presets.

use crate::Error;
use crate::graph::ItemGraph;
use crate::loss::{RankingLoss, RedundancyAnchor};
use crate::model::{check, check_share};
use crate::named::named;
use crate::nn::{LayerAggregation, Mask};
use serde::{Deserialize, Serialize};

/// How the modalities are put together: the rows of the paper's fusion ablation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FusionStrategy {
    /// `½ (t + v)`: one block.
    MeanPooling,
    /// `[t ‖ v]`: two blocks.
    Concatenation,
    /// `[w₀ t ‖ w₁ v]` with weights for each user.
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

/// Where the fusion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FusionPlacement {
    /// On item features, before they are propagated: the authors' code.
    Features,
    /// On the propagated embeddings of users and items: the paper.
    Propagated,
}

named! {
    FusionPlacement, "placement of the fusion":
    Features => "features",
    Propagated => "propagated",
}

/// Settings of [`Viral`](super::Viral).
///
/// *Enhancing Multimodal Recommendations with Vision-Language Models and Information-Aware Fusion*, 2025, arXiv 2511.02113. The
/// equations are at [`Viral`](super::Viral); numbers in brackets are the paper's. Three presets stand for the library's default,
/// the paper and the authors' code, and the fields' docs state the first. They are public, and the struct may gain some: change
/// what is needed in a copy.
///
/// ```
/// use viral::model::{FusionStrategy, ViralConfig};
///
/// let mut config = ViralConfig::new();
/// config.d_embed = 32;
/// config.fusion = FusionStrategy::Concatenation;
/// assert_eq!(config.fusion, "concatenation".parse()?); // as files and command lines have it
/// # Ok::<(), viral::Error>(())
/// ```
///
/// With `b` blocks of width `d`, the graphs take O(items² · width) once, or O(items^1.5 · item_probes · width) with probes. A step
/// takes O(b · d · (pairs · n_layers + items · item_neighbors · n_item_layers + users · user_neighbors · n_user_layers)) for
/// propagation, O(rows · d_fusion²) for the fusion of `rows` items (or nodes) and O(info_nce_rows² · d_fusion) for InfoNCE.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ViralConfig {
    /// Width of each block of the embeddings. Default: 64.
    pub d_embed: usize,
    /// Layers of the user-item graph (1). Default: 2.
    pub n_layers: usize,
    /// How these layers are put together (2). Default: `mean`.
    pub aggregation: LayerAggregation,
    /// Share of the train pairs left out of the user-item graph in each epoch of training. Default: 0.3.
    pub edge_dropout: f64,
    /// Whether the feature vectors of items are brought to length one first. Default: true.
    pub normalize_features: bool,
    /// Whether users' and projected items' vectors have length one before propagation. Default: true.
    pub normalize_inputs: bool,
    /// Whether each item also has a free vector, added to its projected content. Default: true.
    pub item_ids: bool,
    /// Share of the items whose free vectors are left out in a step of training, other ones each time: what content says of an
    /// item is then worth more by itself, which new items need. Default: 0.
    pub id_dropout: f64,

    /// How the modalities are put together. Default: `information_aware`.
    pub fusion: FusionStrategy,
    /// Where the fusion stands. Default: `features`.
    pub placement: FusionPlacement,
    /// Width at which item features are fused: `LeakyReLU(x W + b)` brings them to it; 0 takes them as they are. Where it
    /// is `d_embed`, the fused features are the items' vectors; elsewhere a head for each block follows. Default: 64.
    pub d_fusion: usize,
    /// Width of the encoders' feed-forward, in widths of the fusion. Default: 2.
    pub feed_forward: usize,
    /// Whether a self-attending encoder follows each cross-modal one. Default: false.
    pub self_encoders: bool,
    /// Whether the redundancy is estimated and taken out of the visual block; without it `v' = v`. Default: true.
    pub redundancy: bool,
    /// What stands where a modality was removed (9). Default: `zeros`.
    pub mask: Mask,
    /// Heads of the redundancy's encoder over the sequence `[v, t]`; 0 puts them side by side instead. Default: 0.
    pub redundancy_heads: usize,
    /// Which encoding stands for the redundancy in (16). Default: `full`.
    pub anchor: RedundancyAnchor,
    /// Added to `‖r‖²` in (12). Default: 1e-8.
    pub projection_epsilon: f64,
    /// Whether `v'` has length one. Default: false.
    pub normalize_unique: bool,
    /// Standard deviation of the normal logits whose softmax initialises the user weights (14); 0 weighs all blocks equally. Default: 0.
    pub weight_spread: f64,
    /// Width of the heads' hidden layer; 0 for none. Default: 0.
    pub d_hidden: usize,
    /// Width of the visual block's hidden layer; 0 for none. Default: 0.
    pub d_hidden_visual: usize,

    /// How the item-item graph is made. Default: `mixture`.
    pub item_graph: ItemGraph,
    /// Neighbours of an item (in each modality); all items where there are fewer. Default: 10.
    pub item_neighbors: usize,
    /// Clusters that are searched for an item's neighbours ([`knn_approximate`](crate::graph::knn_approximate)); 0 searches all
    /// items, exactly. Default: 0.
    pub item_probes: usize,
    /// Weight of the visual neighbours in the mixture. Default: 0.3.
    pub visual_weight: f64,
    /// Share of the item graph that is co-occurrence, at most `item_neighbors` items that the same users took, instead of likeness
    /// of content ([`with_cooccurrence`](crate::graph::with_cooccurrence)). Default: 0.
    pub cooccurrence_share: f64,
    /// Layers of the item-item graph (3); 0 for none. Default: 1.
    pub n_item_layers: usize,
    /// Neighbours of a user. Default: 80.
    pub user_neighbors: usize,
    /// Layers of the user-user graph; 0 for none. Default: 1.
    pub n_user_layers: usize,
    /// Weight of what a user has from other users; the user's own is the rest, or 1 where this is 1. Default: 0.2.
    pub user_mix: f64,

    /// `λ` of (17). Default: 0.01.
    pub lambda: f64,
    /// `τ` of InfoNCE. Default: 0.1.
    pub temperature: f64,
    /// Rows that InfoNCE compares in a step, drawn from the batch; 0 for all that are fused: items, or users and items.
    /// Default: 1024.
    pub info_nce_rows: usize,
    /// Negatives that all triplets of a batch share, drawn from its own; 0 gives each triplet its one. Default: 1024.
    pub shared_negatives: usize,
    /// The ranking loss: BPR as in the paper, or a softmax over the shared negatives; with one negative a triplet the two are
    /// the same. Default: `softmax`.
    pub ranking: RankingLoss,
    /// What scores are multiplied by in the ranking loss; for a softmax the inverse of its temperature. Default: 6.
    pub score_scale: f64,
    /// Whether BPR is in bits, as the authors have it. Default: false.
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
    /// Our default: what measured best on real data at a cost that a laptop bears (README, results).
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

    /// The equations as printed: fusion of users and items after propagation, mask tokens, the paper's settings.
    ///
    /// Train it with learning rate 1e-3 and batches of 1024. InfoNCE compares the users and items of the batch, which
    /// the paper leaves open.
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

    /// The authors' branch `redu2` to the digit. Train it with learning rate 1e-4 and batches of 2048.
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

    /// The authors' branch `master` to the digit: synergy without redundancy.
    pub fn reference_synergy() -> Self {
        Self { redundancy: false, normalize_unique: false, d_hidden_visual: 256, lambda: 0.001, ..Self::reference() }
    }

    /// That a model of fused width `d_fusion` can have these settings.
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

    /// A preset by name: `default`, `paper`, `reference` or `reference-synergy`.
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
