//! Popularity: recommends the most popular items to every user. The baseline that any model must beat.

use super::{Batch, Embed, Embeddings, Trainable};
use crate::data::TrainSet;
use crate::loss::Objective;
use crate::nn::Init;
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Settings of [`Popularity`]; there are none.
///
/// ```text
/// ŷ_ui = |{users who have i in train}|
/// ```
///
/// Nothing is trained. Time O(pairs), once.
///
/// ```
/// use viral::prelude::*;
///
/// # fn main() -> viral::Result<()> {
/// let data = PlantedConfig::new().with_n_users(30).with_n_items(40).generate().data;
/// let model = PopularityConfig::default().init(&data.train, &mut Init::new(0, &Device::flex()))?;
/// let found = model.embed().to_host().attribute(0, 3);
/// assert_eq!(found, [f64::from(data.train.interactions.item_degrees()[3])]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PopularityConfig {}

impl PopularityConfig {
    /// Counts the train interactions of each item.
    pub fn init(&self, data: &TrainSet, init: &mut Init) -> crate::Result<Popularity> {
        let counts: Vec<f32> = data.interactions.item_degrees().iter().map(|&n| n as f32).collect();
        let shape = [counts.len(), 1];
        let counts = Tensor::from_data(TensorData::new(counts, shape), init.device());
        Ok(Popularity { counts, n_users: data.interactions.n_users() })
    }
}

/// The popularity baseline: `ŷ_ui` is the number of users who have item `i`.
#[derive(Module, Debug)]
pub struct Popularity {
    counts: Tensor<2>,
    n_users: usize,
}

impl Embed for Popularity {
    fn embed(&self) -> Embeddings {
        let users = Tensor::ones([self.n_users, 1], &self.counts.device());
        Embeddings::new(users, self.counts.clone(), "popularity")
    }
}

impl Trainable for Popularity {
    /// Returns no terms: nothing is trained.
    fn objective(&self, _: &Batch) -> Objective {
        Objective::new()
    }
}
