//! VIRAL: graphs, information-aware fusion and user modality weights.

mod channel;
mod config;
mod fusion;
mod graphs;
mod objective;
#[cfg(feature = "flex")]
mod rows;

pub use channel::Channel;
pub use config::{FusionPlacement, FusionStrategy, ViralConfig};
pub use graphs::ViralGraphs;
#[cfg(feature = "flex")]
pub(crate) use rows::{BatchRows, RowContent};

use super::content::{mask, only};
use super::{Batch, Content, Embed, Embeddings, Trainable};
use crate::data::{ItemFeatures, TrainSet};
use crate::graph::{Here, RowMaker};
use crate::loss::{Objective, mean_square, mean_square_of_rows};
use crate::nn::{
    FeatureProjection, FeatureProjectionConfig, HomogeneousPropagation, InformationFusion, InformationFusionOutput,
    Init, LightGcnPropagation, UserModalityWeights, UserModalityWeightsConfig, l2_normalize, nodes, users_and_items,
};
use crate::ops::{SparseMatrix, gather_rows, indices};
use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use fusion::{fusion_objective, mean_of_blocks};

const SYNERGY: &str = "synergy";

/// The model of *Enhancing Multimodal Recommendations with Vision-Language Models and Information-Aware Fusion*.
///
/// Data flow: modalities are fused into text, synergy and unique visual (7)-(13); each block is propagated over the
/// user-item graph (1)(2); users weigh their blocks (14); items receive from their neighbours in content, and users
/// from theirs in taste (3); scores are inner products (4). [`FusionPlacement::Propagated`] swaps the first two steps.
///
/// ```text
/// s = ½ (Trans(v, t) + Trans(t, v)),    v' = v - r ⟨v, r⟩ / ‖r‖²              (7)(8)(12)
/// u = [w₀ u_t ‖ w₁ u_s ‖ w₂ u_v'],    i = [i_t ‖ i_s ‖ i_v']                  (13)(14)
/// L = L_bpr + λ (L_s + L_r) + reg · (mean squares of the batch's vectors)     (15)-(17)
/// ```
///
/// With [`RankingLoss::Softmax`](crate::loss::RankingLoss::Softmax), the default,
/// [`softmax_shared`](crate::loss::softmax_shared) replaces `L_bpr`.
///
/// An item that lacks a modality has zeros in its block: without text, `i_t = 0`. Synergy and redundancy need both
/// modalities, so such an item has neither, and the whole image is unique: `i_s = 0` and `v' = v`. (15) and (16) are
/// over items with both, and (3) finds an item's neighbours by the modalities it has. Its id embedding, its users and
/// its neighbours make up for the rest. If the fusion follows propagation, an item has received something in both
/// modalities and is fused like any other.
///
/// [`Multimodal`](crate::data::Modality::Multimodal) features take the place of a missing text or image. Alone they are
/// the only block, `i = i_m` and `u = u_m`: nothing is fused, and (7)-(12) and (14)-(17) do not apply, whatever the
/// strategy.
///
/// ```
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = ViralConfig::new();
/// (config.item_neighbors, config.user_neighbors) = (5, 5);
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// // Three blocks, so that a score splits into the shares of text, synergy and unique visual content.
/// let z = model.embed().to_host();
/// let names: Vec<&str> = z.blocks().iter().map(|(name, _)| name.as_str()).collect();
/// assert_eq!((names, z.attribute(0, 0).len()), (vec!["text", "synergy", "visual"], 3));
/// # Ok(())
/// # }
/// ```
#[derive(Module, Debug)]
pub struct Viral {
    /// The three graphs.
    pub graphs: ViralGraphs,
    /// The users' weights of the blocks, if the strategy has them.
    pub weights: Option<UserModalityWeights>,
    /// One channel for each propagated block, in the order text, synergy, visual.
    pub channels: Vec<Channel>,
    /// The fusion, if the strategy is information-aware.
    pub fusion: Option<InformationFusion>,
    /// Projection of text features to the fusion's width, if it has one of its own.
    pub text_projection: Option<FeatureProjection>,
    /// Projection of visual features to the fusion's width, if it has one of its own.
    pub visual_projection: Option<FeatureProjection>,
    text: Content,
    visual: Option<Content>,
    /// Mask of the items with both modalities, as `there` of [`Content`].
    both: Option<Tensor<2>>,
    /// Flags of the items with both modalities; `None` if all have both.
    #[module(skip)]
    with_both: Option<Vec<bool>>,
    /// Names of the text and the visual block.
    #[module(skip)]
    names: [&'static str; 2],
    #[module(skip)]
    config: ViralConfig,
}

/// The blocks of users and items before the user-user and item-item graphs.
#[derive(Debug, Clone)]
pub struct ViralBlocks {
    /// Names in the order of the columns.
    pub names: Vec<&'static str>,
    /// The blocks side by side, `[n_users + n_items, blocks · d]`.
    pub nodes: Tensor<2>,
}

impl ViralConfig {
    /// Builds the model for `data`, which must have text and visual features;
    /// [`multimodal`](crate::data::Modality::Multimodal) ones can take the place of one or both.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<Viral> {
        self.init_by([&Here, &Here], data, init)
    }

    /// Like [`init`](Self::init), with the rows of the graphs of users and of items made by the first and the second
    /// maker.
    pub(crate) fn init_by(&self, makers: [&dyn RowMaker; 2], data: &TrainSet, init: &mut Init) -> crate::Result<Viral> {
        let pair = data.features.require_pair("viral")?;
        let (text, visual) = (pair.first.rows, pair.second.as_ref().map(|part| part.rows));
        let names = [pair.first.name, pair.second.as_ref().map_or(pair.first.name, |part| part.name)];
        let (d_text, d_visual) = (text.width(), visual.map_or(text.width(), ItemFeatures::width));
        let information_aware = self.fusion == FusionStrategy::InformationAware && visual.is_some();
        let fuses_features = information_aware && self.placement == FusionPlacement::Features;
        if fuses_features && self.d_fusion == 0 && d_text != d_visual {
            let widths = format!("{} has width {d_text} and {} {d_visual}", names[0], names[1]);
            return Err(crate::Error::Config(format!("{widths}: set d_fusion to a width for both")));
        }
        let project = self.d_fusion > 0;
        let (d_text, d_visual) = if project { (self.d_fusion, self.d_fusion) } else { (d_text, d_visual) };
        let d_fusion = if self.placement == FusionPlacement::Propagated { self.d_embed } else { d_text };
        self.check(d_fusion)?;
        let mut channels = vec![Channel::new(self, data, d_text, self.d_hidden, init)];
        if fuses_features {
            channels.push(Channel::new(self, data, d_text, self.d_hidden, init));
        }
        if visual.is_some() {
            channels.push(Channel::new(self, data, d_visual, self.d_hidden_visual, init));
        }
        let projection = |d_in: usize, init: &mut Init| FeatureProjectionConfig::new(d_in, self.d_fusion).init(init);
        let n_weights = match self.fusion {
            _ if visual.is_none() => None,
            FusionStrategy::MeanPooling | FusionStrategy::Concatenation => None,
            FusionStrategy::WeightedConcatenation => Some(2),
            FusionStrategy::InformationAware => Some(3),
        };
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let has_both = |item| text.has(item) && visual.is_none_or(|rows| rows.has(item));
        let with_both: Vec<bool> = (0..n_items).map(has_both).collect();
        let with_both = with_both.contains(&false).then_some(with_both);
        Ok(Viral {
            graphs: ViralGraphs::by(makers, self, data, init.device())?,
            weights: n_weights
                .map(|n| UserModalityWeightsConfig::new(n_users, n).with_spread(self.weight_spread).init(init)),
            channels,
            fusion: information_aware.then(|| self.fusion_layer(d_fusion).init(init)),
            text_projection: project.then(|| projection(text.width(), init)),
            visual_projection: visual.filter(|_| project).map(|rows| projection(rows.width(), init)),
            text: Content::normalized(text, self.normalize_features, init),
            visual: visual.map(|rows| Content::normalized(rows, self.normalize_features, init)),
            both: mask(with_both.as_deref(), init),
            with_both,
            names,
            config: self.clone(),
        })
    }
}

impl Viral {
    /// Returns the settings.
    pub fn config(&self) -> &ViralConfig {
        &self.config
    }

    /// Computes all blocks of all nodes, propagated over `graph` and fused.
    pub fn blocks(&self, graph: &SparseMatrix) -> ViralBlocks {
        self.blocks_and(graph, None, |_| ()).0
    }

    /// Computes [`blocks`](Self::blocks), and applies `look` to the fusion's output. The output is dropped as soon as
    /// possible: with a million items its matrices would take memory beside those of the propagation.
    fn blocks_and<T>(
        &self,
        graph: &SparseMatrix,
        kept: Option<Tensor<2>>,
        look: impl FnOnce(&InformationFusionOutput) -> T,
    ) -> (ViralBlocks, Option<T>) {
        let project = |x: &Content, projection: &Option<FeatureProjection>| match projection {
            Some(projection) => x.through(|x| projection.forward(x)),
            None => x.rows.clone(),
        };
        let text = project(&self.text, &self.text_projection);
        let [first, second] = self.names;
        let Some(content) = &self.visual else {
            return (
                ViralBlocks { names: vec![first], nodes: self.propagate(graph, vec![(text, &self.text.there)], kept) },
                None,
            );
        };
        let visual = project(content, &self.visual_projection);
        match (&self.fusion, self.config.placement) {
            (None, _) => {
                let nodes = self.propagate(graph, vec![(text, &self.text.there), (visual, &content.there)], kept);
                (ViralBlocks { names: vec![first, second], nodes }, None)
            }
            (Some(fusion), FusionPlacement::Features) => {
                let fused = fusion.forward_where(text, visual, self.both.clone());
                let seen = look(&fused);
                let [text, synergy, visual] = fused.into_blocks();
                let there = [(text, &self.text.there), (synergy, &self.both), (visual, &content.there)];
                let nodes = self.propagate(graph, there.into(), kept);
                (ViralBlocks { names: vec![first, SYNERGY, second], nodes }, Some(seen))
            }
            (Some(fusion), FusionPlacement::Propagated) => {
                let nodes = self.propagate(graph, vec![(text, &self.text.there), (visual, &content.there)], kept);
                let d = self.config.d_embed;
                let (text, visual) = (nodes.clone().narrow(1, 0, d), nodes.narrow(1, d, d));
                let fused = fusion.forward(text, visual);
                let seen = look(&fused);
                let nodes = Tensor::cat(fused.into_blocks().to_vec(), 1);
                (ViralBlocks { names: vec![first, SYNERGY, second], nodes }, Some(seen))
            }
        }
    }

    /// Propagates `x⁽⁰⁾ = [users ; items]` of all channels, concatenated, in one pass over the graph. Features come
    /// with their masks.
    fn propagate(
        &self,
        graph: &SparseMatrix,
        features: Vec<(Tensor<2>, &Option<Tensor<2>>)>,
        kept: Option<Tensor<2>>,
    ) -> Tensor<2> {
        // Each block is normalised by itself: what the backward pass needs of it exists anyway.
        let input = |x: Tensor<2>| if self.config.normalize_inputs { l2_normalize(x) } else { x };
        let users = self.channels.iter().map(|c| input(c.users.val())).collect();
        let items = self.channels.iter().zip(features);
        let items = items.map(|(c, (f, there))| input(c.items(f, there, kept.as_ref()))).collect();
        let nodes = nodes(Tensor::cat(users, 1), Tensor::cat(items, 1)); // [nodes, channels · d]
        self.node_propagation().forward(graph, nodes)
    }

    fn node_propagation(&self) -> LightGcnPropagation {
        LightGcnPropagation { n_layers: self.config.n_layers, aggregation: self.config.aggregation }
    }

    fn n_users(&self) -> usize {
        self.channels[0].users.dims()[0]
    }

    fn n_items(&self) -> usize {
        self.text.rows.dims()[0]
    }

    /// Computes users' and items' vectors from the blocks: weights (14), concatenation (13), homogeneous graphs (3).
    pub fn fuse(&self, blocks: &ViralBlocks) -> Embeddings {
        self.fuse_nodes(blocks.nodes.clone(), &blocks.names)
    }

    /// Like [`fuse`](Self::fuse), but takes ownership of the nodes: with a million of them each copy counts.
    fn fuse_nodes(&self, nodes: Tensor<2>, names: &[&str]) -> Embeddings {
        let names: &[&str] = match self.config.fusion {
            FusionStrategy::MeanPooling if self.visual.is_some() => &["pooled"],
            _ => names,
        };
        let names = names.iter().map(|name| (name.to_string(), self.config.d_embed)).collect();
        let (users, items) = self.side_by_side(nodes);
        let users = match &self.graphs.user_user {
            Some(graph) => self.user_propagation().forward(graph, users),
            None => users,
        };
        Embeddings::with_blocks(users, self.over_items(items), names)
    }

    /// Like [`fuse_nodes`](Self::fuse_nodes), with only the users of a batch, in its order.
    fn fuse_batch(&self, nodes: Tensor<2>, batch: &Batch) -> (Tensor<2>, Tensor<2>) {
        let (users, items) = self.side_by_side(nodes);
        let ids = batch.users.clone();
        let users = match &self.graphs.user_user {
            Some(graph) => self.user_propagation().forward_rows(graph, users, ids),
            None => gather_rows(users, ids),
        };
        (users, self.over_items(items))
    }

    /// Weights (14) and concatenates (13) the blocks of users and of items, or takes their mean.
    fn side_by_side(&self, nodes: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let d = self.config.d_embed;
        let (users, items) = users_and_items(nodes, self.n_users());
        match (&self.weights, self.config.fusion) {
            (_, FusionStrategy::MeanPooling) => (mean_of_blocks(users, d), mean_of_blocks(items, d)),
            (Some(weights), _) => (weights.forward(users), items),
            (None, _) => (users, items),
        }
    }

    fn user_propagation(&self) -> HomogeneousPropagation {
        let neighbors = self.config.user_mix as f32;
        let own = if neighbors == 1.0 { 1.0 } else { 1.0 - neighbors };
        HomogeneousPropagation { n_layers: self.config.n_user_layers, own, neighbors }
    }

    fn item_propagation(&self) -> HomogeneousPropagation {
        HomogeneousPropagation::residual(self.config.n_item_layers)
    }

    fn over_items(&self, items: Tensor<2>) -> Tensor<2> {
        match &self.graphs.item_item {
            Some(graph) => self.item_propagation().forward(graph, items),
            None => items,
        }
    }

    /// Returns the rows that InfoNCE compares, those of the batch or (`None`) all. If items are fused by their
    /// features, only items with both modalities are compared.
    fn info_nce_rows(&self, batch: &Batch) -> Option<Tensor<1, Int>> {
        let n = self.config.info_nce_rows;
        match (n, self.config.placement, &self.with_both) {
            (0, FusionPlacement::Features, Some(there)) => {
                let ids = (0..).zip(there).filter(|(_, there)| **there).map(|(item, _)| item);
                Some(indices(ids.collect(), &batch.users.device()))
            }
            (0, ..) => None,
            (_, FusionPlacement::Features, None) => Some(batch.sampled_items(n)),
            (_, FusionPlacement::Features, Some(there)) => Some(batch.sampled_items_among(n, there)),
            (_, FusionPlacement::Propagated, _) => {
                let items = batch.sampled_items(n / 2) + self.n_users() as i32;
                Some(Tensor::cat(vec![batch.sampled_users(n / 2), items], 0))
            }
        }
    }
}

impl Embed for Viral {
    fn embed(&self) -> Embeddings {
        let ViralBlocks { names, nodes } = self.blocks(self.graphs.user_item.full());
        self.fuse_nodes(nodes, &names)
    }
}

impl Trainable for Viral {
    fn begin_epoch(&mut self, seed: u64, epoch: usize) -> crate::Result<()> {
        self.graphs.user_item.redraw(seed, epoch);
        Ok(())
    }

    fn objective(&self, batch: &Batch) -> Objective {
        let terms = |fused: &_| fusion_objective(fused, &self.config, self.info_nce_rows(batch));
        let kept = self.kept_ids(batch, self.n_items());
        let (ViralBlocks { nodes, .. }, terms) = self.blocks_and(self.graphs.user_item.pruned(), kept, terms);
        let (u, items) = self.fuse_batch(nodes, batch);
        let negatives = match self.config.shared_negatives {
            0 => batch.negatives.clone(),
            n => batch.sampled_items(n),
        };
        let ranking = self.ranking(u, items, batch.positives.clone(), negatives);
        let table = |table: &Param<Tensor<2>>, rows: &Tensor<1, Int>| mean_square_of_rows(table.val(), rows.clone());
        let users = self.channels.iter().map(|c| table(&c.users, &batch.users));
        let items = self.channels.iter().filter_map(|c| c.items.as_ref()).map(|i| table(i, &batch.positives));
        let weights = self.weights.iter().map(|w| mean_square(w.weight.val()));
        self.put_together(ranking, users.chain(items).chain(weights), terms)
    }
}
