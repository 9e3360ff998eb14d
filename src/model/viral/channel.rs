//! One block of VIRAL before it is propagated.

use super::ViralConfig;
use crate::data::TrainSet;
use crate::model::content::only;
use crate::nn::{FeatureProjection, FeatureProjectionConfig, Init, xavier_normal};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// One propagated block: the users' own vectors and the way from an item's features to its vector.
#[derive(Module, Debug)]
pub struct Channel {
    /// `[n_users, d]`.
    pub users: Param<Tensor<2>>,
    /// Features to `[n_items, d]`, where they are not of that width already.
    pub head: Option<FeatureProjection>,
    /// Free item vectors, where the model has them, `[n_items, d]`.
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

    /// Features to items' vectors, `[n_items, d]`, of the items that have this block; `kept`, `[n_items, 1]`, says whose free vectors
    /// count.
    pub(super) fn items(&self, features: Tensor<2>, there: &Option<Tensor<2>>, kept: Option<&Tensor<2>>) -> Tensor<2> {
        let items = match &self.head {
            Some(head) => only(head.forward(features), there),
            None => features,
        };
        self.with_free(items, kept)
    }

    /// Adds the free vectors.
    pub(super) fn with_free(&self, items: Tensor<2>, kept: Option<&Tensor<2>>) -> Tensor<2> {
        match (&self.items, kept) {
            (Some(free), Some(kept)) => items + free.val() * kept.clone(),
            (Some(free), None) => items + free.val(),
            (None, _) => items,
        }
    }
}
