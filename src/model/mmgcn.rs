//! MMGCN: a graph convolution for each modality, averaged at the end.

use super::{Batch, Content, Embed, Embeddings, Trainable, check, check_positive, node_tables};
use crate::Result;
use crate::data::{Modality, TrainSet};
use crate::graph::{interaction_matrix, uniform_rows};
use crate::loss::{Objective, bpr, mean_square, mean_square_of_rows, pair_scores};
use crate::nn::{
    Init, ResidualGraphConv, ResidualGraphConvConfig, affine, l2_normalize, linear, with_default_bias, xavier_normal,
};
use crate::ops::{SparseMatrix, spmm};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use sprs::CsMat;

/// Settings of [`Mmgcn`].
///
/// *MMGCN: Multi-modal Graph Convolution Network for Personalized Recommendation of Micro-video*, MM 2019; with any number of
/// modalities `m`.
///
/// ```text
/// x⁽⁰⁾_m = rn([Q_m ; F_m]),    F_visual = W v + b, any other F_m the features as they are
/// h = lrelu(M x C),   x̂ = lrelu(W x + b) + Z,   x⁽ᵏ⁾_m = lrelu(G [h ‖ x̂] + g),   k = 1 … n_layers
/// z = Σ_m x⁽ᴷ⁾_m / modalities,    ŷ_ui = z_uᵀ z_i
/// L = BPR(ŷ) + reg · (mean Z_b² + mean Q_visual²)
/// ```
///
/// `M` takes the mean over a node's neighbours, `Q_m` are the users' preferences, `Z` the id embeddings of all nodes,
/// shared by all modalities and layers, `rn` scales rows to length 1 and `Z_b` are the rows of the batch.
///
/// Where the paper and its published code differ, the default follows the paper and [`published`](Self::published) the
/// code: the paper trains `Q_m` and `Z`; in the code the optimizer does not have them, so they keep their initial
/// values, and `reg` has no effect. Both forms follow the code in taking the mean over modalities, where the paper has
/// the sum, and in regularising only the visual preferences.
///
/// With `w` the width of a modality, a step takes O(pairs · w + items · w² + (users + items) · w · d) time for the
/// first layer of each: the product with `C` is taken on the item side if there are fewer items. Memory O((users +
/// items) · Σ w).
///
/// ```
/// use viral::model::MmgcnConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = MmgcnConfig::default();
/// config.d_visual = 16;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// assert_eq!(model.embed().users().dims(), [30, 64]);
/// assert_eq!(model.modalities[1].preferences.dims(), [30, 16]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MmgcnConfig {
    /// Width of the embeddings. Default: 64.
    pub d_embed: usize,
    /// Layers of each modality's graph convolution. Default: 3.
    pub n_layers: usize,
    /// Width of the projected visual features; 0 for no projection. Default: 256.
    pub d_visual: usize,
    /// Weight of the mean squares of id embeddings and of visual preferences. Default: 0.1.
    pub reg: f64,
    /// Whether id embeddings and preferences are trained. Default: true.
    pub train_tables: bool,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
}

impl Default for MmgcnConfig {
    fn default() -> Self {
        Self { d_embed: 64, n_layers: 3, d_visual: 256, reg: 0.1, train_tables: true, normalize_features: true }
    }
}

impl MmgcnConfig {
    /// Returns the settings of the published code: raw features, and tables that keep their random initial values.
    pub fn published() -> Self {
        Self { train_tables: false, normalize_features: false, ..Self::default() }
    }

    /// Builds the model for `data`, which must have features of at least one modality; all of them are used.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> Result<Mmgcn> {
        check(self.d_embed, &[("reg", self.reg)])?;
        check_positive(&[("n_layers", self.n_layers)])?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let features = data.features.require_any("mmgcn")?;
        let [users, items] = node_tables([n_users, n_items], self.d_embed, init).map(|table| self.table(table));
        let modalities = features.iter().map(|(modality, rows)| {
            let features = Content::normalized(rows, self.normalize_features, init);
            let is_projected = *modality == Modality::Visual && self.d_visual > 0;
            self.modality(n_users, features, is_projected, init)
        });
        let modalities = modalities.collect();
        let matrix = interaction_matrix(&data.interactions);
        let mean = |matrix: &CsMat<f32>| SparseMatrix::new(&uniform_rows(matrix), init.device());
        Ok(Mmgcn {
            users,
            items,
            modalities,
            to_users: mean(&matrix),
            to_items: mean(&matrix.transpose_view().to_csr()),
            visual: features.modalities().position(|modality| *modality == Modality::Visual),
            train_tables: self.train_tables,
            reg: self.reg,
        })
    }

    fn modality(&self, n_users: usize, features: Content, is_projected: bool, init: &mut Init) -> MmgcnModality {
        let (d, width) = (self.d_embed, features.rows.dims()[1]);
        let projection = is_projected.then(|| linear(width, self.d_visual, init));
        let width = if is_projected { self.d_visual } else { width };
        let layer = |k: usize, init: &mut Init| {
            let d_in = if k == 0 { width } else { d };
            let mut layer = ResidualGraphConvConfig::new(d_in, d).init(init);
            layer.own = with_default_bias(xavier_normal([d_in, d], init), init);
            if k == 0 {
                layer.merge = with_default_bias(xavier_normal([d_in + d, d], init), init);
            }
            layer
        };
        MmgcnModality {
            preferences: self.table(xavier_normal([n_users, width], init)),
            layers: (0..self.n_layers).map(|k| layer(k, init)).collect(),
            // Features without a projection enter with rows of length 1.
            features: match is_projected {
                true => features,
                false => Content { rows: l2_normalize(features.rows), ..features },
            },
            projection,
            frozen: None,
        }
    }

    /// Freezes a table if the settings say so. A frozen table is a parameter without a gradient and not a constant: its
    /// random values depend on the seed, so a saved model must contain them.
    fn table(&self, table: Param<Tensor<2>>) -> Param<Tensor<2>> {
        if self.train_tables { table } else { table.set_require_grad(false) }
    }
}

/// MMGCN: the mean over modalities of graph convolutions over preferences and features.
#[derive(Module, Debug)]
pub struct Mmgcn {
    /// Id embeddings of the users, `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Id embeddings of the items, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
    /// One for each modality, in the order text, visual, audio, multimodal, then by name.
    pub modalities: Vec<MmgcnModality>,
    to_users: SparseMatrix,
    to_items: SparseMatrix,
    visual: Option<usize>,
    train_tables: bool,
    reg: f64,
}

/// One modality of [`Mmgcn`].
#[derive(Module, Debug)]
pub struct MmgcnModality {
    /// User preferences, the users' input of the first layer, `[n_users, w]`.
    pub preferences: Param<Tensor<2>>,
    /// Projection of the features, `[d_m, w]`, if they are projected.
    pub projection: Option<Linear>,
    /// Graph convolutions: from width `w` to `d`, then from `d` to `d`.
    pub layers: Vec<ResidualGraphConv>,
    features: Content,
    frozen: Option<FrozenUsers>,
}

/// Inputs from frozen users, constant over an epoch.
#[derive(Module, Debug)]
struct FrozenUsers {
    /// L2-normalised preferences, `[n_users, w]`.
    rows: Tensor<2>,
    /// Their mean at each item, `[n_items, w]`.
    aggregated: Tensor<2>,
}

impl MmgcnModality {
    /// Computes the first layer's input of users and items, `[n_users, w]` and `[n_items, w]`.
    pub fn inputs(&self) -> [Tensor<2>; 2] {
        let users = match &self.frozen {
            Some(frozen) => frozen.rows.clone(),
            None => l2_normalize(self.preferences.val()),
        };
        let items = match &self.projection {
            Some(projection) => l2_normalize(self.features.through(|x| affine(projection, x))),
            None => self.features.rows.clone(),
        };
        [users, items]
    }

    fn forward(&self, [to_users, to_items]: [&SparseMatrix; 2], ids: &[Tensor<2>; 2]) -> [Tensor<2>; 2] {
        let [mut users, mut items] = self.inputs();
        let mut aggregated = self.frozen.as_ref().map(|frozen| frozen.aggregated.clone());
        let [of_users, of_items] = ids.each_ref().map(|ids| Some(ids.clone()));
        for layer in &self.layers {
            let next = layer.forward_between(to_users, users.clone(), items.clone(), of_users.clone());
            items = match aggregated.take() {
                Some(aggregated) => layer.forward_aggregated(aggregated, items, of_items.clone()),
                None => layer.forward_between(to_items, items, users, of_items.clone()),
            };
            users = next;
        }
        [users, items]
    }
}

impl Mmgcn {
    /// Computes each modality's user and item vectors, `[n_users, d]` and `[n_items, d]`; the embeddings are their
    /// mean.
    pub fn representations(&self) -> Vec<[Tensor<2>; 2]> {
        let ids = [self.users.val(), self.items.val()];
        self.modalities.iter().map(|modality| modality.forward([&self.to_users, &self.to_items], &ids)).collect()
    }
}

impl Embed for Mmgcn {
    fn embed(&self) -> Embeddings {
        let share = 1.0 / self.modalities.len() as f64;
        let mean = |side: Vec<Tensor<2>>| side.into_iter().reduce(|a, b| a + b).map(|sum| sum * share);
        let (users, items) = self.representations().into_iter().map(|[users, items]| (users, items)).unzip();
        match (mean(users), mean(items)) {
            (Some(users), Some(items)) => Embeddings::new(users, items, "pooled"),
            _ => panic!("mmgcn: no modality"),
        }
    }
}

impl Trainable for Mmgcn {
    /// Computes the messages of frozen tables, once an epoch: a checkpoint may have been loaded since the model was
    /// built.
    fn begin_epoch(&mut self, _: u64, _: usize) -> Result<()> {
        if !self.train_tables {
            for modality in &mut self.modalities {
                let rows = l2_normalize(modality.preferences.val());
                modality.frozen = Some(FrozenUsers { aggregated: spmm(&self.to_items, rows.clone()), rows });
            }
        }
        Ok(())
    }

    fn objective(&self, batch: &Batch) -> Objective {
        let (users, items) = self.embed().into_users_and_items();
        let [u, i] = batch.pairs();
        let ids = mean_square_of_rows(self.users.val(), batch.users.clone())
            + mean_square_of_rows(self.items.val(), i.clone());
        let [positive, negative] = pair_scores(users, items, [u, i]);
        let objective = Objective::new().with("bpr", 1.0, bpr(positive, negative)).with("reg_ids", self.reg, ids);
        match self.visual {
            Some(m) => objective.with("reg_preferences", self.reg, mean_square(self.modalities[m].preferences.val())),
            None => objective,
        }
    }
}
