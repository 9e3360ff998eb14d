//! FREEDOM: a frozen item graph and a denoised user-item graph.

use super::content::mask;
use super::{Batch, Content, Embed, Embeddings, PrunedGraph, Trainable, check, check_positive, check_share};
use crate::data::TrainSet;
use crate::graph::{ItemGraph, KnnSearch, MMREC_EPS, item_graph};
use crate::loss::{Objective, bpr, halves, pair_scores, row_products};
use crate::nn::{
    HomogeneousPropagation, Init, LayerAggregation, LightGcnPropagation, affine, nodes, users_and_items, xavier_normal,
    xavier_uniform,
};
use crate::ops::{SparseMatrix, gather_rows};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`Freedom`].
///
/// *A Tale of Two Graphs: Freezing and Denoising Graph Structures for Multimodal Recommendation*, MM 2023, arXiv 2211.06924.
///
/// ```text
/// z_u = LightGCN(u),    z_i = LightGCN(i) + Sᴸ i,    ŷ_ui = z_uᵀ z_i
/// S = w S_visual + (1 - w) S_text,    each over an item's nearest neighbours, built once
/// L = BPR(ŷ) + reg · (BPR(z_uᵀ (W_t t_i + b_t)) + BPR(z_uᵀ (W_v v_i + b_v)))
/// ```
///
/// The last two terms are over triplets whose items both have the modality; the others add a constant.
///
/// Each epoch trains on a user-item graph that lacks a random share `edge_dropout` of the pairs. The item graph takes
/// O(items² · width) time once; a step O(pairs · n_layers · d + items · n_neighbors · n_item_layers · d).
///
/// ```
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = FreedomConfig::default();
/// config.edge_dropout = 0.5;
/// let mut model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// model.begin_epoch(1, 0)?; // a training graph of half of the pairs
/// assert!(model.user_item.pruned().nnz() < model.user_item.full().nnz());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct FreedomConfig {
    /// Width of the embeddings. Default: 64.
    pub d_embed: usize,
    /// Propagation layers over the user-item graph. Default: 2.
    pub n_layers: usize,
    /// Propagation layers over the item-item graph. Default: 1.
    pub n_item_layers: usize,
    /// Neighbours of an item in each modality, itself included; at most all items. Default: 10.
    pub n_neighbors: usize,
    /// Weight of the visual neighbours; text has the rest. Default: 0.1.
    pub visual_weight: f64,
    /// Share of the train pairs dropped in each epoch, preferably those of high degree. Default: 0.8.
    pub edge_dropout: f64,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
    /// Weight of the modalities' own ranking losses. Default: 0.001.
    pub reg: f64,
}

impl Default for FreedomConfig {
    fn default() -> Self {
        Self {
            d_embed: 64,
            n_layers: 2,
            n_item_layers: 1,
            n_neighbors: 10,
            visual_weight: 0.1,
            edge_dropout: 0.8,
            normalize_features: true,
            reg: 1e-3,
        }
    }
}

impl FreedomConfig {
    /// Returns the settings of the published code, which uses raw features.
    pub fn published() -> Self {
        Self { normalize_features: false, ..Self::default() }
    }

    /// Builds the model with Xavier tables and both graphs. `data` must have text and visual features;
    /// [`multimodal`](crate::data::Modality::Multimodal) ones can take the place of one or both.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<Freedom> {
        check(self.d_embed, &[("reg", self.reg)])?;
        check_share("visual_weight", self.visual_weight)?;
        check_positive(&[("n_neighbors", self.n_neighbors)])?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let pair = data.features.require_pair("freedom")?;
        let (text, visual) = (pair.first.rows, pair.second.as_ref().map(|part| part.rows));
        let names = [pair.first.name, pair.second.as_ref().map_or("", |part| part.name)];
        let shares = pair.shares(self.visual_weight as f32);
        let modalities: Vec<_> = shares.into_iter().map(|(_, rows, share)| (rows, share)).collect();
        let item_graph = item_graph(ItemGraph::Mixture, &modalities, self.n_neighbors, KnnSearch::Exact)?;
        let head = |d_in: usize, init: &mut Init| Linear {
            weight: xavier_normal([d_in, self.d_embed], init),
            bias: Some(init.constant_param([self.d_embed], 0.0)),
        };
        Ok(Freedom {
            users: xavier_uniform([n_users, self.d_embed], init),
            items: xavier_uniform([n_items, self.d_embed], init),
            text: Param::from_tensor(Content::normalized(text, self.normalize_features, init).rows),
            visual: visual
                .map(|rows| Param::from_tensor(Content::normalized(rows, self.normalize_features, init).rows)),
            has_text: mask(text.there(), init),
            has_visual: visual.and_then(|rows| mask(rows.there(), init)),
            text_head: head(text.width(), init),
            visual_head: visual.map(|rows| head(rows.width(), init)),
            names,
            user_item: PrunedGraph::new(&data.interactions, MMREC_EPS, self.edge_dropout, init.device())?,
            item_item: SparseMatrix::new(&item_graph, init.device()),
            n_layers: self.n_layers,
            n_item_layers: self.n_item_layers,
            reg: self.reg,
        })
    }
}

/// LightGCN whose items also receive the id embeddings of their nearest neighbours in content.
#[derive(Module, Debug)]
pub struct Freedom {
    /// Id embeddings of the users, `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Id embeddings of the items, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
    /// Trainable text features, `[n_items, d_text]`.
    pub text: Param<Tensor<2>>,
    /// Trainable visual features, `[n_items, d_visual]`, if there is a second modality.
    pub visual: Option<Param<Tensor<2>>>,
    /// Projection of the text features, `[d_text, d]`.
    pub text_head: Linear,
    /// Projection of the visual features, `[d_visual, d]`, if there is a second modality.
    pub visual_head: Option<Linear>,
    /// The user-item graph: full for ranking, pruned for training.
    pub user_item: PrunedGraph,
    item_item: SparseMatrix,
    has_text: Option<Tensor<2>>,
    has_visual: Option<Tensor<2>>,
    /// Names of the two modalities.
    #[module(skip)]
    names: [&'static str; 2],
    n_layers: usize,
    n_item_layers: usize,
    reg: f64,
}

impl Freedom {
    fn forward(&self, graph: &SparseMatrix) -> (Tensor<2>, Tensor<2>) {
        let propagation = LightGcnPropagation { n_layers: self.n_layers, aggregation: LayerAggregation::Mean };
        let neighbors = HomogeneousPropagation { n_layers: self.n_item_layers, own: 0.0, neighbors: 1.0 };
        let nodes = nodes(self.users.val(), self.items.val());
        let (users, items) = users_and_items(propagation.forward(graph, nodes), self.users.dims()[0]);
        (users, items + neighbors.forward(&self.item_item, self.items.val()))
    }
}

impl Embed for Freedom {
    fn embed(&self) -> Embeddings {
        let (users, items) = self.forward(self.user_item.full());
        Embeddings::new(users, items, "id")
    }
}

impl Trainable for Freedom {
    fn begin_epoch(&mut self, seed: u64, epoch: usize) -> crate::Result<()> {
        self.user_item.redraw(seed, epoch);
        Ok(())
    }

    fn objective(&self, batch: &Batch) -> Objective {
        let (users, items) = self.forward(self.user_item.pruned());
        let [u, i] = batch.pairs();
        // Features are wide, so only the batch's rows are projected.
        let of_users = gather_rows(users.clone(), u.clone());
        let ranking = |[positive, negative]: [Tensor<1>; 2]| bpr(positive, negative);
        let modality = |features: &Param<Tensor<2>>, head: &Linear, there: &Option<Tensor<2>>| {
            let rows = affine(head, gather_rows(features.val(), i.clone()));
            let scores = halves(row_products(of_users.clone(), rows));
            // A triplet with an item without content gets scores of 0: a constant loss.
            ranking(match there {
                Some(there) => {
                    let [of_positive, of_negative] = halves(gather_rows(there.clone(), i.clone()).squeeze_dim(1));
                    let both = of_positive * of_negative;
                    scores.map(|score| score * both.clone())
                }
                None => scores,
            })
        };
        let [first, second] = self.names;
        let objective = Objective::new().with("bpr", 1.0, ranking(pair_scores(users, items, [u, i.clone()]))).with(
            first,
            self.reg,
            modality(&self.text, &self.text_head, &self.has_text),
        );
        match (&self.visual, &self.visual_head) {
            (Some(rows), Some(head)) => objective.with(second, self.reg, modality(rows, head, &self.has_visual)),
            _ => objective,
        }
    }
}
