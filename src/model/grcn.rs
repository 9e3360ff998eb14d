//! GRCN: propagation over a user-item graph whose edges are weighted by the content at both ends.

use super::{Batch, Content, Embed, Embeddings, Trainable, check, check_positive, node_tables};
use crate::Result;
use crate::data::{Modality, TrainSet};
use crate::graph::interaction_matrix;
use crate::loss::{Objective, bpr, mean_square, mean_square_of_rows, pair_scores};
use crate::nn::{
    Attended, EdgeAttention, EdgeAttentionConfig, FeatureProjection, FeatureProjectionConfig, Init, l2_normalize,
    with_default_bias, xavier_normal,
};
use crate::ops::{SparseMatrix, expand_columns, spmm_values};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use serde::{Deserialize, Serialize};

/// Settings of [`Grcn`].
///
/// *Graph-Refined Convolutional Network for Multimedia Recommendation with Implicit Feedback*, MM 2020; with any number of
/// modalities `m`.
///
/// ```text
/// F_m = rn(lrelu(W_m x_m + b_m)),    P_m ← rn(P_m + Σ_i softmax_i(P_m[u]ᵀ F_m[i]) F_m[i]),   n_routings times from rn(P_m) on
/// α_m[r, s] = softmax over the neighbours s of r of ⟨y_r, y_s⟩,   y = [P_m ; F_m],    rep_m = y + Σ_s α_m[r, s] y_s
/// w[r, s] = relu(max_m α_m[r, s] K[s, m]),    id = Σ_{l = 0 … n_layers} Wˡ rn(T)
/// z = [id ‖ rep_1 ‖ rep_2 …],    ŷ_ui = z_uᵀ z_i
/// L = BPR(ŷ) + reg · (mean T_b² + Σ_m mean P_m,b² + mean P_visual²)
/// ```
///
/// `K[s, m]` is the confidence in modality `m` of the sender `s`; an edge of weight 0 is pruned. Everything is trained:
/// the gradient passes through the larger entry of a maximum, and through the softmax. `rn` scales rows to length 1,
/// `T_b` and `P_m,b` are the rows of the batch.
///
/// The paper refines the users' preferences by routing, and so does the default. In the published code no edge of the
/// routing leads to a user, so it has no effect: [`published`](Self::published) has no routing. Both use the code's
/// regulariser, which counts the visual preferences twice and leaves out `K`.
///
/// A step takes O(modalities · (pairs · (n_routings + 2) · d_content + items · width · d_content) + pairs · n_layers ·
/// d) time; memory O(pairs · modalities · n_routings + (users + items) · (d + modalities · n_routings · d_content)):
/// messages are never materialised.
///
/// ```
/// use viral::model::GrcnConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let model = GrcnConfig::default().init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// let blocks = [("id", 64), ("text", 64), ("visual", 64)].map(|(name, d)| (name.to_string(), d));
/// assert_eq!(model.embed().blocks(), blocks); // a score splits into their shares
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GrcnConfig {
    /// Width of the id embeddings. Default: 64.
    pub d_embed: usize,
    /// Width of each modality's block. Default: 64.
    pub d_content: usize,
    /// Propagation layers of the id embeddings. Default: 2.
    pub n_layers: usize,
    /// Routing iterations, in which a user's items refine the user's preferences; 0 for none. Default: 3.
    pub n_routings: usize,
    /// Weight of the mean squares of id embeddings and preferences. Default: 0.1.
    pub reg: f64,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
}

impl Default for GrcnConfig {
    fn default() -> Self {
        Self { d_embed: 64, d_content: 64, n_layers: 2, n_routings: 3, reg: 0.1, normalize_features: true }
    }
}

impl GrcnConfig {
    /// Returns the settings of the published code: raw features and no routing, which has no effect there.
    pub fn published() -> Self {
        Self { n_routings: 0, normalize_features: false, ..Self::default() }
    }

    /// Builds the model with Xavier normal tables and weights. `data` must have features of at least one modality; all
    /// of them are used.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> Result<Grcn> {
        check(self.d_embed, &[("reg", self.reg)])?;
        check_positive(&[("d_content", self.d_content)])?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let features = data.features.require_any("grcn")?;
        let mut tables = |d: usize| node_tables([n_users, n_items], d, init);
        let ([users, items], [user_confidence, item_confidence]) = (tables(self.d_embed), tables(features.len()));
        let modalities = features.iter().map(|(modality, rows)| {
            let mut projection = FeatureProjectionConfig::new(rows.width(), self.d_content).init(init);
            projection.first = with_default_bias(xavier_normal([rows.width(), self.d_content], init), init);
            GrcnModality {
                preferences: xavier_normal([n_users, self.d_content], init),
                projection,
                features: Content::normalized(rows, self.normalize_features, init),
                name: modality.to_string(),
            }
        });
        let modalities = modalities.collect();
        let matrix = interaction_matrix(&data.interactions);
        Ok(Grcn {
            users,
            items,
            user_confidence,
            item_confidence,
            modalities,
            attention: EdgeAttentionConfig::new(self.d_content).init(init),
            to_users: SparseMatrix::new(&matrix, init.device()),
            to_items: SparseMatrix::new(&matrix.transpose_view().to_csr(), init.device()),
            visual: features.modalities().position(|modality| *modality == Modality::Visual),
            n_layers: self.n_layers,
            n_routings: self.n_routings,
            reg: self.reg,
        })
    }
}

/// GRCN: id embeddings propagated over a refined graph, and each modality's own vectors beside them.
#[derive(Module, Debug)]
pub struct Grcn {
    /// Id embeddings of the users, `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Id embeddings of the items, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
    /// The users' rows of `K`, `[n_users, modalities]`.
    pub user_confidence: Param<Tensor<2>>,
    /// The items' rows of `K`, `[n_items, modalities]`.
    pub item_confidence: Param<Tensor<2>>,
    /// One for each modality, in the order text, visual, audio, multimodal, then by name.
    pub modalities: Vec<GrcnModality>,
    attention: EdgeAttention,
    to_users: SparseMatrix,
    to_items: SparseMatrix,
    visual: Option<usize>,
    n_layers: usize,
    n_routings: usize,
    reg: f64,
}

/// One modality of [`Grcn`].
#[derive(Module, Debug)]
pub struct GrcnModality {
    /// The users' vectors before routing, `[n_users, d_content]`.
    pub preferences: Param<Tensor<2>>,
    /// Projection of the features, `[d_m, d_content]`, with a LeakyReLU.
    pub projection: FeatureProjection,
    features: Content,
    name: String,
}

/// Vectors of all nodes and attention of all edges in one modality of [`Grcn`].
#[derive(Debug, Clone)]
pub struct GrcnContent {
    /// `rep` of the users, `[n_users, d_content]`.
    pub users: Tensor<2>,
    /// `rep` of the items, `[n_items, d_content]`.
    pub items: Tensor<2>,
    /// Attention `α` of the edges into users, grouped by user, `[pairs, 1]`.
    pub to_users: Tensor<2>,
    /// Attention `α` of the edges into items, grouped by item, `[pairs, 1]`.
    pub to_items: Tensor<2>,
}

impl Grcn {
    /// Computes the vectors and attention of each modality, from which the graph is refined.
    pub fn content(&self) -> Vec<GrcnContent> {
        let content = |modality: &GrcnModality| {
            let items = l2_normalize(modality.features.through(|x| modality.projection.forward(x)));
            let mut users = l2_normalize(modality.preferences.val());
            for _ in 0..self.n_routings {
                let message = self.attend(&self.to_users, &users, &items).output;
                users = l2_normalize(users + message);
            }
            let at_users = self.attend(&self.to_users, &users, &items);
            let at_items = self.attend(&self.to_items, &items, &users);
            GrcnContent {
                users: users + at_users.output,
                items: items + at_items.output,
                to_users: at_users.weights,
                to_items: at_items.weights,
            }
        };
        self.modalities.iter().map(content).collect()
    }

    fn attend(&self, graph: &SparseMatrix, receivers: &Tensor<2>, senders: &Tensor<2>) -> Attended {
        self.attention.forward_between(graph, receivers.clone(), senders.clone(), None)
    }

    /// Computes the edge weights `w` of the refined graph: edges into users, grouped by user, and edges into items,
    /// grouped by item; `[pairs]` each.
    pub fn edge_weights(&self, content: &[GrcnContent]) -> [Tensor<1>; 2] {
        let weights =
            |graph: &SparseMatrix, confidence: &Param<Tensor<2>>, attention: fn(&GrcnContent) -> &Tensor<2>| {
                let attention = Tensor::cat(content.iter().map(|content| attention(content).clone()).collect(), 1);
                let trusted = attention * expand_columns(graph, confidence.val()); // [pairs, modalities]
                relu(trusted.max_dim(1)).squeeze_dim::<1>(1)
            };
        [
            weights(&self.to_users, &self.item_confidence, |content| &content.to_users),
            weights(&self.to_items, &self.user_confidence, |content| &content.to_items),
        ]
    }

    /// Propagates the id embeddings over the refined graph.
    fn ids(&self, [to_users, to_items]: [Tensor<1>; 2]) -> [Tensor<2>; 2] {
        let mut layer = [l2_normalize(self.users.val()), l2_normalize(self.items.val())];
        let mut sums = layer.clone();
        for _ in 0..self.n_layers {
            let [users, items] = layer;
            layer = [
                spmm_values(&self.to_users, to_users.clone(), items),
                spmm_values(&self.to_items, to_items.clone(), users),
            ];
            let [of_users, of_items] = sums;
            sums = [of_users + layer[0].clone(), of_items + layer[1].clone()];
        }
        sums
    }
}

impl Embed for Grcn {
    fn embed(&self) -> Embeddings {
        let content = self.content();
        let [users, items] = self.ids(self.edge_weights(&content));
        let mut blocks = vec![("id".to_string(), users.dims()[1])];
        let (mut of_users, mut of_items) = (vec![users], vec![items]);
        for (modality, content) in self.modalities.iter().zip(content) {
            blocks.push((modality.name.clone(), content.users.dims()[1]));
            of_users.push(content.users);
            of_items.push(content.items);
        }
        Embeddings::with_blocks(Tensor::cat(of_users, 1), Tensor::cat(of_items, 1), blocks)
    }
}

impl Trainable for Grcn {
    fn objective(&self, batch: &Batch) -> Objective {
        let (users, items) = self.embed().into_users_and_items();
        let [u, i] = batch.pairs();
        let of_batch = |table: &Param<Tensor<2>>| mean_square_of_rows(table.val(), batch.users.clone());
        let ids = of_batch(&self.users) + mean_square_of_rows(self.items.val(), i.clone());
        let [positive, negative] = pair_scores(users, items, [u, i]);
        let objective = Objective::new().with("bpr", 1.0, bpr(positive, negative)).with("reg_ids", self.reg, ids);
        let preferences = self.modalities.iter().map(|modality| of_batch(&modality.preferences));
        let all = self.visual.map(|m| mean_square(self.modalities[m].preferences.val()));
        match preferences.chain(all).reduce(|a, b| a + b) {
            Some(squares) => objective.with("reg_preferences", self.reg, squares),
            None => objective,
        }
    }
}
