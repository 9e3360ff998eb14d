//! Settings of COHESION.

use super::{Cohesion, FrozenBranch};
use crate::data::{Modality, TrainSet};
use crate::graph::{ItemGraph, KnnSearch, MMREC_EPS, item_graph, modality_shares};
use crate::model::{Content, PrunedGraph, UserGraph, check, check_positive, check_share};
use crate::nn::{Init, ModalityProjectionsConfig, xavier_normal};
use crate::ops::SparseMatrix;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// Settings of [`Cohesion`].
///
/// *COHESION: Composite Graph Convolutional Network with Dual-Stage Fusion for Multimodal Recommendation*, SIGIR 2025,
/// arXiv 2504.04452. There is one branch of ids and one for each modality. Each branch `m` has a head `h_m` of two
/// linear layers; with `x̂` for rows of length one:
///
/// ```text
/// e_m = √((i² + h_m(f_m)²) / 2 + 1e-8),   f_id = i          early fusion, entry by entry
/// x⁰_m = [P̂_m ; ê_m],   y = A xˡ⁻¹,   xˡ = cos(y, x⁰) y,   z_m = Σ_{l = 0 … L} xˡ
/// users = u + Γ u,   items = i + Ωˡ i,   each of [z_id ‖ z_text ‖ …]          late fusion
/// a = 1 - softmax_m(p_m - n_m)                                    without a gradient
/// L = mean -log₂ σ(Σ_m a_m (p_m - n_m)) + reg · Σ_m mean P_m[u_b]²
/// ```
///
/// where `p_m` and `n_m` are the shares of block `m` in the scores of the positive and of the negative item. `A` is the
/// normalised user-item graph with 1e-7 added to degrees, `Γ` weights the `user_neighbors` nearest users by the softmax
/// of their numbers of common items, and `Ω` mixes the `item_neighbors` nearest items of each modality. Scores for
/// ranking are inner products without weights. Any number of modalities takes part.
///
/// As in the published code, the id branch keeps its random initial values and passes no gradient on: the ids learn
/// through the early fusion of the other branches. Its values are a function of `frozen_seed`, not of the run's seed.
///
/// This differs from the [published](Self::published) code as follows. There, users with fewer than `user_neighbors`
/// neighbours are padded by random repeats in each epoch; here that is a setting, and ranking uses neither the padding
/// nor the pruned graph. Ties between neighbours go to the lower id. Evaluation there ranks by the vectors of the last
/// step's forward pass, before its update; here they are recomputed. A table of user weights that the code decays but
/// never uses is left out.
///
/// With `M` modalities a step takes O(M · d · (pairs · n_layers + users · user_neighbors + items · item_neighbors)) and, for the
/// heads, O(items · width · d_hidden) time; memory O(M · d · n_layers · (users + items)).
///
/// ```
/// use viral::model::CohesionConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = CohesionConfig::default();
/// config.d_embed = 16;
/// let z = config.init(&data.train, &mut Init::new(0, &Device::flex()))?.embed().to_host();
/// let blocks: Vec<&str> = z.blocks().iter().map(|(name, _)| name.as_str()).collect();
/// assert_eq!((blocks, z.d()), (vec!["id", "text", "visual"], 48));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct CohesionConfig {
    /// Width of each branch's block. Default: 64.
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
    /// Share of the train pairs dropped in each epoch, preferably those of high degree. Default: 0.
    pub edge_dropout: f64,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
    /// Seed of the frozen id branch. Default: 0.
    pub frozen_seed: u64,
    /// Weight of the mean squares of the batch users' vectors. Default: 0.0001.
    pub reg: f64,
}

impl Default for CohesionConfig {
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
            edge_dropout: 0.0,
            normalize_features: true,
            frozen_seed: 0,
            reg: 1e-4,
        }
    }
}

impl CohesionConfig {
    /// Returns the settings of the published code, which pads the users' rows and uses raw features. Values for single
    /// data sets were not published; `reg` is that of the authors' later library, which has one or two layers.
    pub fn published() -> Self {
        Self { pad_users: true, normalize_features: false, ..Self::default() }
    }

    /// Builds the model with Xavier normal vectors, default linear layers and the three graphs. `data` must have
    /// features of at least one modality; all of them are used.
    ///
    /// # Errors
    /// When there are no features, a modality is called `id` like the id block, or a setting is invalid.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> Result<Cohesion> {
        self.check()?;
        let content_of = data.features.require_any("cohesion")?;
        if content_of.modalities().any(|modality| modality.as_str() == Cohesion::ID) {
            let message = "cohesion: a modality is called 'id', as the block of ids is; give it another name";
            return Err(Error::Data(message.into()));
        }
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let shares = modality_shares(content_of, self.visual_weight);
        let graph = item_graph(ItemGraph::Mixture, &shares, self.item_neighbors, KnnSearch::Exact)?;
        let heads = ModalityProjectionsConfig::new(self.d_embed).with_d_hidden(self.d_hidden);
        let device = init.device().clone();
        Ok(Cohesion {
            users: content_of.iter().map(|_| xavier_normal([n_users, self.d_embed], init)).collect(),
            heads: heads.init(content_of.iter().map(|(_, features)| features.width()), init),
            items: xavier_normal([n_items, self.d_embed], init),
            id_branch: FrozenBranch::new(n_users, self.d_embed, self.d_hidden, self.frozen_seed, &device),
            user_item: PrunedGraph::new(&data.interactions, MMREC_EPS, self.edge_dropout, &device)?,
            user_user: UserGraph::new(&data.interactions, self.user_neighbors, self.pad_users, &device),
            item_item: SparseMatrix::new(&graph, &device),
            features: Content::of_all(content_of, self.normalize_features, init),
            modalities: content_of.modalities().map(Modality::to_string).collect(),
            n_layers: self.n_layers,
            n_item_layers: self.n_item_layers,
            reg: self.reg,
        })
    }

    fn check(&self) -> Result<()> {
        check(self.d_embed, &[("reg", self.reg)])?;
        check_share("visual_weight", self.visual_weight)?;
        let dropout = self.edge_dropout;
        Error::require((0.0..1.0).contains(&dropout), "edge_dropout", dropout, "from 0 to below 1")?;
        check_positive(&[
            ("d_hidden", self.d_hidden),
            ("item_neighbors", self.item_neighbors),
            ("user_neighbors", self.user_neighbors),
        ])
    }
}
