//! SLMRec: propagation of each modality, and a contrastive loss between modalities.

use super::{Batch, Content, Embed, Embeddings, Trainable, check};
use crate::Error;
use crate::data::{Modality, TrainSet};
use crate::graph::bipartite_adjacency;
use crate::loss::{ContrastConfig, Objective, Similarity, contrast};
use crate::nn::{IdTables, Init, affine, nodes, users_and_items, with_default_bias, xavier_uniform};
use crate::ops::{SparseMatrix, spmm_polynomial, spmm_polynomial_rows};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Int, Tensor};
use serde::{Deserialize, Serialize};

/// Added to node degrees, as in MMRec.
const EPSILON: f64 = 1e-8;

/// Settings of [`Slmrec`].
///
/// *Self-Supervised Learning for Multimedia Recommendation*, IEEE Trans. Multimedia 25, 2023.
///
/// ```text
/// y_0 = ids,  y_m = x_m W_m + b_m of features of length one,   H_m = P [E_u ; y_m],   P = Σ_{l = 0 … L} Sˡ / (L + 1)
/// z = Linear(H_0 ‖ H_1 ‖ … ‖ H_M), one layer for users and one for items,    ŷ_ui = z_uᵀ z_i
///
/// L = C(z_u, z_p; τ) + α · (fine + coarse),   C(a, b; τ) = mean_b −ln softmax_j(⟨a_b, b_j⟩ / τ)_b within the batch
/// a_0 = H_0 of the positives,   a_k = a_{k-1} A_k + c_k,   link k = C(a_k, H_k B_k; τ_s)
/// ```
///
/// where `C` compares cosines in the ranking and inner products in the links. All modalities share `E_u`, the users'
/// table. The chain of anchors goes through the modalities in the order visual, audio, multimodal, custom names, text.
/// The last link is half as wide and called coarse; those before it are fine. Any number of modalities is possible; a
/// single one has only the coarse link. Negatives are the other positives of the batch (in-batch negatives); none are
/// sampled.
///
/// [`Default`] has the paper's fine and coarse tasks for the modalities at hand. [`published`](Self::published) is
/// MMRec's code, which drops audio but keeps its layer in the chain: see [`spare_layer`](Self::spare_layer). The
/// paper's other two tasks, dropout and masking of features, do not run in that code and are left out, as is its
/// untrained audio layer. Candidate layers have no bias: it would add the same value to all logits of an anchor, so its
/// gradient is zero. The code ranks by the sigmoid of the scores from before the last update; here scores are the inner
/// products after it, whose order is the same.
///
/// Training uses a weight decay of 1e-4, which [`Recipe`](crate::recipe::Recipe) sets. A step takes O(pairs · n_layers
/// · (M + 1) d) time for the propagation, O(items · width · d) for the features and O(batch² · d) for the contrasts;
/// memory O((users + items) · (M + 1) d + items · width).
///
/// ```
/// use viral::model::SlmrecConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = SlmrecConfig::default();
/// config.d_embed = 32;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// // One link for the visual modality and one for text, which is the last and half as wide.
/// let widths: Vec<usize> = model.links.iter().map(|link| link.anchor.weight.dims()[1]).collect();
/// assert_eq!((model.embed().items().dims(), widths), ([40, 32], vec![32, 16]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SlmrecConfig {
    /// Width of the embeddings. Default: 64.
    pub d_embed: usize,
    /// Propagation layers over the user-item graph. Default: 3.
    pub n_layers: usize,
    /// `τ` of the ranking. Default: 0.2.
    pub temperature: f64,
    /// `τ_s` of the chain's links. Default: 0.2.
    pub link_temperature: f64,
    /// `α`, the weight of each link. Default: 0.1.
    pub link_weight: f64,
    /// Whether an extra linear layer precedes the last link if the data have no audio: the remains of the audio link in
    /// MMRec's code. Default: false.
    pub spare_layer: bool,
}

impl Default for SlmrecConfig {
    fn default() -> Self {
        Self { d_embed: 64, n_layers: 3, temperature: 0.2, link_temperature: 0.2, link_weight: 0.1, spare_layer: false }
    }
}

impl SlmrecConfig {
    /// Returns the settings of MMRec's code, with the weights and temperatures of the authors' repository. Train with
    /// learning rate 0.01, weight decay 1e-4 and batches of 2048.
    pub fn published() -> Self {
        Self { spare_layer: true, ..Self::default() }
    }

    /// Builds the model with Xavier uniform tables and weights. `data` must have features of at least one modality.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<Slmrec> {
        let d = self.d_embed;
        check(d, &[("link_weight", self.link_weight)])?;
        Error::require_positive("temperature", self.temperature)?;
        Error::require_positive("link_temperature", self.link_temperature)?;
        let all = data.features.require_any("slmrec")?;
        // The chain's order: text is first in the features and last here.
        let (text, others): (Vec<_>, Vec<_>) = all.iter().partition(|(modality, _)| **modality == Modality::Text);
        let features: Vec<Content> =
            others.into_iter().chain(text).map(|(_, rows)| Content::normalized(rows, true, init)).collect();
        let n_modalities = features.len();
        let link = |k: usize, init: &mut Init| {
            let width = if k + 1 == n_modalities { (d / 2).max(1) } else { d };
            SlmrecLink {
                anchor: xavier_layer(d, width, init),
                candidate: Linear { weight: xavier_uniform([d, width], init), bias: None },
            }
        };
        let has_audio = all.get(&Modality::Audio).is_some();
        Ok(Slmrec {
            tables: IdTables::xavier_uniform(data.interactions.n_users(), data.interactions.n_items(), d, init),
            projections: features.iter().map(|x| xavier_layer(x.rows.dims()[1], d, init)).collect(),
            merge_users: xavier_layer((n_modalities + 1) * d, d, init),
            merge_items: xavier_layer((n_modalities + 1) * d, d, init),
            links: (0..n_modalities).map(|k| link(k, init)).collect(),
            spare: (self.spare_layer && !has_audio).then(|| xavier_layer(d, d, init)),
            features,
            user_item: SparseMatrix::new(&bipartite_adjacency(&data.interactions, EPSILON), init.device()),
            config: self.clone(),
        })
    }
}

fn xavier_layer(d_in: usize, d_out: usize, init: &mut Init) -> Linear {
    with_default_bias(xavier_uniform([d_in, d_out], init), init)
}

/// One link of the chain, which contrasts a modality with the anchor of those before it.
#[derive(Module, Debug)]
pub struct SlmrecLink {
    /// Maps the previous anchor: `[d, d]`, or `[d, d / 2]` in the last link.
    pub anchor: Linear,
    /// Maps the modality's vectors to the same width, without a bias.
    pub candidate: Linear,
}

/// SLMRec: blocks of ids and modalities, propagated side by side and merged.
#[derive(Module, Debug)]
pub struct Slmrec {
    /// Id embeddings; the users' are part of every block.
    pub tables: IdTables,
    /// Projections of the features to width `d`; like all lists of modalities, in the chain's order.
    pub projections: Vec<Linear>,
    /// Merges the users' blocks, ids before modalities, `[(M + 1) d, d]`.
    pub merge_users: Linear,
    /// Merges the items' blocks, `[(M + 1) d, d]`.
    pub merge_items: Linear,
    /// The chain, a link for each modality.
    pub links: Vec<SlmrecLink>,
    /// Extra layer before the last link, if the settings have one, `[d, d]`.
    pub spare: Option<Linear>,
    /// The normalised user-item graph.
    pub user_item: SparseMatrix,
    features: Vec<Content>,
    #[module(skip)]
    config: SlmrecConfig,
}

impl Slmrec {
    /// Concatenates all blocks before propagation, `[n_users + n_items, (M + 1) d]`.
    fn inputs(&self) -> Tensor<2> {
        let users = vec![self.tables.users.val(); self.features.len() + 1];
        let projected = self.projections.iter().zip(&self.features).map(|(layer, x)| x.through(|x| affine(layer, x)));
        let items = std::iter::once(self.tables.items.val()).chain(projected).collect();
        nodes(Tensor::cat(users, 1), Tensor::cat(items, 1))
    }

    fn coefficients(&self) -> Vec<f32> {
        let n = self.config.n_layers + 1;
        vec![1.0 / n as f32; n]
    }

    /// Computes all blocks of all nodes after propagation, ids before modalities in the chain's order.
    ///
    /// # Shapes
    /// - output: `[n_users + n_items, (M + 1) d]`
    pub fn blocks(&self) -> Tensor<2> {
        spmm_polynomial(&self.user_item, self.inputs(), &self.coefficients())
    }

    /// Like [`blocks`](Self::blocks), for a batch's users and positives only, `[n, (M + 1) d]` each.
    fn batch_blocks(&self, batch: &Batch) -> (Tensor<2>, Tensor<2>) {
        let items = batch.positives.clone() + self.tables.users.dims()[0] as i32;
        let ids: Tensor<1, Int> = Tensor::cat(vec![batch.users.clone(), items], 0);
        let rows = spmm_polynomial_rows(&self.user_item, self.inputs(), &self.coefficients(), ids);
        users_and_items(rows, batch.len())
    }

    /// Computes the anchors and candidates of each link from the blocks of some items.
    ///
    /// # Shapes
    /// - `items`: `[n, (M + 1) d]`; output: `[n, d]` both, `[n, d / 2]` for the last
    pub fn chain(&self, items: Tensor<2>) -> Vec<[Tensor<2>; 2]> {
        let d = self.config.d_embed;
        let block = |k: usize| items.clone().narrow(1, k * d, d);
        let mut anchor = block(0);
        let mut sides = Vec::with_capacity(self.links.len());
        for (k, link) in self.links.iter().enumerate() {
            let is_last = k + 1 == self.links.len();
            if let Some(spare) = self.spare.as_ref().filter(|_| is_last) {
                anchor = affine(spare, anchor);
            }
            anchor = affine(&link.anchor, anchor);
            sides.push([anchor.clone(), affine(&link.candidate, block(k + 1))]);
        }
        sides
    }
}

impl Embed for Slmrec {
    fn embed(&self) -> Embeddings {
        let (users, items) = users_and_items(self.blocks(), self.tables.users.dims()[0]);
        Embeddings::new(affine(&self.merge_users, users), affine(&self.merge_items, items), "merged")
    }
}

impl Trainable for Slmrec {
    fn objective(&self, batch: &Batch) -> Objective {
        let (users, items) = self.batch_blocks(batch);
        let vectors = [affine(&self.merge_users, users), affine(&self.merge_items, items.clone())];
        let compared = |[a, b]: [Tensor<2>; 2], temperature: f64, similarity: Similarity| {
            let config = ContrastConfig::new(temperature as f32).one_sided().with_similarity(similarity);
            contrast(a, b, &config)
        };
        let ranking = compared(vectors, self.config.temperature, Similarity::Cosine);
        let of_link = |sides| compared(sides, self.config.link_temperature, Similarity::InnerProduct);
        let mut links: Vec<Tensor<1>> = self.chain(items).into_iter().map(of_link).collect();
        let (coarse, weight) = (links.pop(), self.config.link_weight);
        let fine = links.into_iter().reduce(|sum, link| sum + link);
        let terms = [("fine", fine), ("coarse", coarse)].into_iter();
        terms.fold(Objective::new().with("ranking", 1.0, ranking), |objective, (name, term)| match term {
            Some(term) => objective.with(name, weight, term),
            None => objective,
        })
    }
}
