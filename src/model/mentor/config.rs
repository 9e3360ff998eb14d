//! Settings of MENTOR.

use super::{Mentor, MentorContent, MentorViews};
use crate::Error;
use crate::data::TrainSet;
use crate::graph::{ItemGraph, KnnSearch, bipartite_adjacency, item_graph};
use crate::model::{Content, check, check_positive, check_share};
use crate::nn::{Init, UserModalityWeightsConfig, xavier_normal};
use crate::ops::SparseMatrix;
use serde::{Deserialize, Serialize};

/// Settings of [`Mentor`].
///
/// *MENTOR: Multi-level Self-supervised Learning for Multimodal Recommendation*, AAAI 2025, arXiv 2402.19407. For each
/// `c` of text, visual and ids, where the features of ids are id embeddings, and with `x̂` for rows of length one:
///
/// ```text
/// f_c = LeakyReLU(X_c W₁ + b₁) W₂ + b₂,    x_c = [P̂_c ; f̂_c],    r_c = Σ_{l = 0 … L} Aˡ x_c,    items: i_c + Sˡ i_c
/// z_u = [w₁ u_text ‖ w₂ u_visual],  z_i = [i_text ‖ i_visual]     with weights w of each user;    ŷ_ui = z_uᵀ z_i
///
/// L = mean -log₂ σ(ŷ_ui - ŷ_uj) + reg · (mean P_text[u_b]² + mean P_visual[u_b]² + mean w²)
///   + align_weight · Σ |σ²_a - σ²_b| + |m_a - m_b|     over the pairs (ids, z), (ids, text), (ids, visual),
///                                                      (z, text), (z, visual), (text, visual)
/// ```
///
/// where `m` and `σ²` are the mean and the variance over all entries of a representation: ids guide the content, and
/// are aligned with it in turn. `A` is the user-item graph and `S` the graph of the nearest items in content. Scores do
/// not contain the ids.
///
/// [`self_supervision`](Self::self_supervision) adds two more terms:
///
/// ```text
/// mask_weight_f · Σ_{users, items} 1 - mean cos(dropout(z), z M + m)                a constant, without a gradient
/// mask_weight_g · Σ_{users, items} mean_k -ln softmax_j(cos(z¹_k, z²_j) / τ)_k      among all users, or all items
/// ```
///
/// where `z¹` and `z²` are computed as `z` is, by encoders of their own with [noise](crate::nn::NoisyPropagation) in
/// each layer. These encoders have no part in the scores. The second term affects scores only through the weights `w`,
/// which it moves by a thousandth of what the others do; the first has no gradient, here as in the published code, and
/// `M` keeps its initial values. Yet the two terms take nine tenths of a step's time. So [`Default`] leaves both out;
/// [`published`](Self::published) is the authors' code with all its terms and raw features.
///
/// The published evaluation ranks by the vectors of the last step's forward pass, before its update; here they are
/// recomputed. The user-user graph that the code builds but never uses is left out.
///
/// A step takes O(d · (pairs · n_layers + items · item_neighbors)) for propagation and O(items · width · d) for the
/// heads; self-supervision adds O((users² + items²) · d). Memory is O((users + items) · d) either way: the logits are
/// never materialised.
///
/// ```
/// use viral::model::MentorConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = MentorConfig::default();
/// config.d_embed = 16;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// assert!(model.views.is_none());
/// // A score splits into the shares of text and visual content.
/// assert_eq!(model.embed().blocks(), [("text".to_string(), 16), ("visual".to_string(), 16)]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MentorConfig {
    /// Width of the text block and of the visual block. Default: 64.
    pub d_embed: usize,
    /// Width of the heads' hidden layer. Default: 256.
    pub d_hidden: usize,
    /// Propagation layers over the user-item graph. Default: 2.
    pub n_layers: usize,
    /// Propagation layers over the item-item graph; 0 for none. Default: 1.
    pub n_item_layers: usize,
    /// Neighbours of an item in each modality, itself included; at most all items. Default: 10.
    pub item_neighbors: usize,
    /// Weight of the visual neighbours; text has the rest. Default: 0.1.
    pub visual_weight: f64,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
    /// Weight of the mean squares of the batch users' vectors and of the modality weights. Default: 0.001.
    pub reg: f64,
    /// Weight of the alignment term, the distances between distributions. Default: 0.1.
    pub align_weight: f64,
    /// Whether to add the terms of masked features and of noisy views, with the views' encoders. Default: false.
    pub self_supervision: bool,
    /// Distance by which a view's noise moves each node in each layer. Default: 0.1.
    pub noise: f64,
    /// Weight of the contrastive loss between the views. Default: 0.001.
    pub mask_weight_g: f64,
    /// `τ` of the contrastive loss. Default: 0.2.
    pub temperature: f64,
    /// Weight of the masked-feature term. Default: 1.5.
    pub mask_weight_f: f64,
    /// Share of entries dropped in the masked-feature term. Default: 0.5.
    pub dropout: f64,
}

impl Default for MentorConfig {
    fn default() -> Self {
        Self {
            d_embed: 64,
            d_hidden: 256,
            n_layers: 2,
            n_item_layers: 1,
            item_neighbors: 10,
            visual_weight: 0.1,
            normalize_features: true,
            reg: 1e-3,
            align_weight: 0.1,
            self_supervision: false,
            noise: 0.1,
            mask_weight_g: 1e-3,
            temperature: 0.2,
            mask_weight_f: 1.5,
            dropout: 0.5,
        }
    }
}

impl MentorConfig {
    /// Returns the settings of the published code: every term, raw features, and the authors' values, which are the
    /// same for Baby, Sports and Clothing. Train with learning rate 1e-4 and batches of 2048.
    pub fn published() -> Self {
        Self { normalize_features: false, self_supervision: true, ..Self::default() }
    }

    fn check(&self) -> crate::Result<()> {
        let from_zero = [
            ("reg", self.reg),
            ("align_weight", self.align_weight),
            ("noise", self.noise),
            ("mask_weight_g", self.mask_weight_g),
            ("mask_weight_f", self.mask_weight_f),
        ];
        check(self.d_embed, &from_zero)?;
        check_share("visual_weight", self.visual_weight)?;
        Error::require_positive("temperature", self.temperature)?;
        check_positive(&[("d_hidden", self.d_hidden), ("item_neighbors", self.item_neighbors)])?;
        Error::require((0.0..1.0).contains(&self.dropout), "dropout", self.dropout, "from 0 to below 1")
    }

    /// Builds the model with Xavier normal vectors, default linear layers and both graphs. `data` must have text and
    /// visual features; [`multimodal`](crate::data::Modality::Multimodal) ones can take the place of one or both. In
    /// place of both, two encoders share them.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<Mentor> {
        self.check()?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let pair = data.features.require_pair("mentor")?;
        let (text, visual) = (pair.first.rows, pair.second.as_ref().map_or(pair.first.rows, |part| part.rows));
        let names = [pair.first.name, pair.second.as_ref().map_or("multimodal_2", |part| part.name)];
        let shares = pair.shares(self.visual_weight as f32);
        let shares: Vec<_> = shares.into_iter().map(|(_, rows, share)| (rows, share)).collect();
        let items = item_graph(ItemGraph::Mixture, &shares, self.item_neighbors, KnnSearch::Exact)?;
        let widths = [text.width(), visual.width()];
        let encoder = |d_in: usize, init: &mut Init| MentorContent::new(n_users, d_in, self, init);
        Ok(Mentor {
            text: encoder(widths[0], init),
            visual: encoder(widths[1], init),
            ids: encoder(self.d_embed, init),
            items: xavier_normal([n_items, self.d_embed], init),
            weights: UserModalityWeightsConfig::new(n_users, 2).with_xavier_spread().init(init),
            views: self.self_supervision.then(|| MentorViews::new(n_users, widths, self, init)),
            user_item: SparseMatrix::new(&bipartite_adjacency(&data.interactions, 0.0), init.device()),
            item_item: SparseMatrix::new(&items, init.device()),
            features: [text, visual].map(|rows| Content::normalized(rows, self.normalize_features, init)).to_vec(),
            names,
            config: self.clone(),
        })
    }
}
