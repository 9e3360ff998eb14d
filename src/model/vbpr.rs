//! VBPR: matrix factorisation with a content part.

use super::content::mask;
use super::{Batch, Content, Embed, Embeddings, Trainable, check};
use crate::data::TrainSet;
use crate::loss::{Objective, bpr_with_l2, pair_scores, squared_lengths};
use crate::nn::{Init, affine, xavier_normal, xavier_uniform};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`Vbpr`].
///
/// *VBPR: Visual Bayesian Personalized Ranking from Implicit Feedback*, AAAI 2016, arXiv 1510.01784. The content is the
/// concatenation of all modalities.
///
/// ```text
/// z_i = [i ‖ W content_i + b],    ŷ_ui = uᵀ z_i,    L = mean -ln σ(ŷ_ui - ŷ_uj) + reg · (‖U_b‖ + ‖I_b‖ + ‖J_b‖) / batch
/// ```
///
/// where `U_b`, `I_b` and `J_b` are the batch's vectors. A step takes O(items · width · d) time for the content of all
/// items; memory O((users + items) · d + items · width).
///
/// ```
/// use viral::model::VbprConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = VbprConfig::default();
/// config.d_embed = 32;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// assert_eq!(model.users.dims(), [30, 64]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VbprConfig {
    /// Width of the id part and of the content part. Default: 64.
    pub d_embed: usize,
    /// Whether item features are L2-normalised first. Default: true.
    pub normalize_features: bool,
    /// Weight of the L2 norms of the batch's vectors. Default: 0.1.
    pub reg: f64,
}

impl Default for VbprConfig {
    fn default() -> Self {
        Self { d_embed: 64, normalize_features: true, reg: 0.1 }
    }
}

impl VbprConfig {
    /// Returns the settings of the published code, which uses raw features.
    pub fn published() -> Self {
        Self { normalize_features: false, ..Self::default() }
    }

    /// Builds the model with Xavier tables. `data` must have features of at least one modality; all of them are used.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<Vbpr> {
        check(self.d_embed, &[("reg", self.reg)])?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        let features = data.features.require_any("vbpr")?;
        let rows = features.iter().map(|(_, rows)| Content::normalized(rows, self.normalize_features, init).rows);
        let content = Tensor::cat(rows.collect(), 1);
        // An item with at least one modality has content.
        let there: Vec<bool> = (0..n_items).map(|item| features.has(item)).collect();
        let there = there.contains(&false).then_some(there);
        let weight = xavier_normal([content.dims()[1], self.d_embed], init);
        Ok(Vbpr {
            users: xavier_uniform([n_users, 2 * self.d_embed], init),
            items: xavier_uniform([n_items, self.d_embed], init),
            content_linear: Linear { weight, bias: Some(init.constant_param([self.d_embed], 0.0)) },
            content: Content { rows: content, there: mask(there.as_deref(), init) },
            reg: self.reg,
        })
    }
}

/// Matrix factorisation with content: `z_i = [i ‖ W content_i + b]`.
#[derive(Module, Debug)]
pub struct Vbpr {
    /// The users' vectors, `[n_users, 2 d]`.
    pub users: Param<Tensor<2>>,
    /// Id embeddings of the items, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
    /// Content projection, `[sum of the modalities' widths, d]`, with the modalities in their order.
    pub content_linear: Linear,
    content: Content,
    reg: f64,
}

impl Embed for Vbpr {
    fn embed(&self) -> Embeddings {
        let content = self.content.through(|x| affine(&self.content_linear, x));
        let blocks = vec![("id".to_string(), self.items.dims()[1]), ("content".to_string(), content.dims()[1])];
        Embeddings::with_blocks(self.users.val(), Tensor::cat(vec![self.items.val(), content], 1), blocks)
    }
}

impl Trainable for Vbpr {
    fn objective(&self, batch: &Batch) -> Objective {
        let (users, items) = self.embed().into_users_and_items();
        let pairs = batch.pairs();
        let rows = [(users.clone(), batch.users.clone()), (items.clone(), pairs[1].clone())];
        bpr_with_l2(pair_scores(users, items, pairs), squared_lengths(rows, 3), self.reg)
    }
}
