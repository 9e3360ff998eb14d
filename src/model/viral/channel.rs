//! A block of VIRAL before propagation.

use super::ViralConfig;
use crate::data::TrainSet;
use crate::model::content::only;
use crate::nn::{FeatureProjection, FeatureProjectionConfig, Init, xavier_normal};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// One propagated block: the users' vectors, and the mapping from an item's features to its vector.
#[derive(Module, Debug)]
pub struct Channel {
    /// User vectors, `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Head from features to `[n_items, d]`, unless `d_fusion` equals `d_embed`.
    pub head: Option<FeatureProjection>,
    /// Id embeddings of the items, `[n_items, d]`, if the model has them.
    pub items: Option<Param<Tensor<2>>>,
}

impl Channel {
    pub(super) fn new(config: &ViralConfig, data: &TrainSet, d_in: usize, d_hidden: usize, init: &mut Init) -> Self {
        let head = FeatureProjectionConfig::new(d_in, config.d_embed);
        let head = if d_hidden > 0 { head.with_d_hidden(d_hidden) } else { head };
        let head = (config.d_fusion != config.d_embed).then_some(head);
        let items = [data.interactions.n_items(), config.d_embed];
        Self {
            users: xavier_normal([data.interactions.n_users(), config.d_embed], init),
            head: head.map(|head| head.init(init)),
            items: config.item_ids.then(|| xavier_normal(items, init)),
        }
    }

    /// Computes the items' vectors from features, `[n_items, d]`, for items that have this block, and adds the id
    /// embeddings. `kept`, `[n_items, 1]`, masks the id embeddings.
    pub(super) fn items(&self, features: Tensor<2>, there: &Option<Tensor<2>>, kept: Option<&Tensor<2>>) -> Tensor<2> {
        let items = match &self.head {
            Some(head) => only(head.forward(features), there),
            None => features,
        };
        self.with_free(items, kept)
    }

    /// Adds the id embeddings, masked by `kept`.
    pub(super) fn with_free(&self, items: Tensor<2>, kept: Option<&Tensor<2>>) -> Tensor<2> {
        match (&self.items, kept) {
            (Some(free), Some(kept)) => items + free.val() * kept.clone(),
            (Some(free), None) => items + free.val(),
            (None, _) => items,
        }
    }
}
