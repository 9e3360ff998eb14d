//! BPR-MF: matrix factorisation trained with the BPR ranking loss.

use super::{Batch, Embed, Embeddings, Trainable, check};
use crate::data::TrainSet;
use crate::loss::{Objective, bpr_with_l2, pair_scores, squared_lengths};
use crate::nn::{Init, xavier_normal};
use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

/// Settings of [`BprMf`].
///
/// *BPR: Bayesian Personalized Ranking from Implicit Feedback*, UAI 2009, arXiv 1205.2618.
///
/// ```text
/// ŷ_ui = uᵀ i,    L = mean -ln σ(ŷ_ui - ŷ_uj) + reg · (‖U_b‖ + ‖I_b‖ + ‖J_b‖) / batch
/// ```
///
/// where `U_b`, `I_b` and `J_b` are the vectors of the batch's users, positives and negatives. A step takes O(batch ·
/// d) time and, on the CPU, one pass of the optimizer over the tables; memory O((users + items) · d).
///
/// ```
/// use viral::model::BprMfConfig;
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let mut config = BprMfConfig::default();
/// config.d_embed = 32;
/// let model = config.init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// assert_eq!(model.users.dims(), [30, 32]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct BprMfConfig {
    /// Width of the embeddings. Default: 64.
    pub d_embed: usize,
    /// Weight of the L2 norms of the batch's vectors. Default: 0.1.
    pub reg: f64,
}

impl Default for BprMfConfig {
    fn default() -> Self {
        Self { d_embed: 64, reg: 0.1 }
    }
}

impl BprMfConfig {
    /// Builds the model with Xavier normal tables for the users and items of `data`.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<BprMf> {
        check(self.d_embed, &[("reg", self.reg)])?;
        let (n_users, n_items) = (data.interactions.n_users(), data.interactions.n_items());
        Ok(BprMf {
            users: xavier_normal([n_users, self.d_embed], init),
            items: xavier_normal([n_items, self.d_embed], init),
            reg: self.reg,
        })
    }
}

/// Matrix factorisation, `ŷ_ui = uᵀ i`.
#[derive(Module, Debug)]
pub struct BprMf {
    /// Id embeddings of the users, `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Id embeddings of the items, `[n_items, d]`.
    pub items: Param<Tensor<2>>,
    reg: f64,
}

impl Embed for BprMf {
    fn embed(&self) -> Embeddings {
        Embeddings::new(self.users.val(), self.items.val(), "id")
    }
}

impl Trainable for BprMf {
    fn objective(&self, batch: &Batch) -> Objective {
        let pairs = batch.pairs();
        let rows = [(self.users.val(), batch.users.clone()), (self.items.val(), pairs[1].clone())];
        let scores = pair_scores(self.users.val(), self.items.val(), pairs);
        bpr_with_l2(scores, squared_lengths(rows, 3), self.reg)
    }
}
