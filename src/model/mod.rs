//! Models: one file each, all under [`Embed`] and [`Trainable`].
//!
//! A recommender is two matrices: whatever happens inside, a score is the inner product of a user's and an item's vector.
//! Ranking, masking, metrics, recommendation and attribution are written once, over [`Embeddings`].

mod batch;
mod bpr_mf;
mod embeddings;
mod freedom;
mod light_gcn;
mod parameters;
mod popularity;
mod profile_match;
mod pruned_graph;
mod table;
mod vbpr;
mod viral;

pub use batch::Batch;
pub use bpr_mf::{BprMf, BprMfConfig};
pub use embeddings::{Embeddings, HostEmbeddings};
pub use freedom::{Freedom, FreedomConfig};
pub use light_gcn::{LightGcn, LightGcnConfig};
pub use parameters::{Parameters, load_parameters, parameters};
pub use popularity::{Popularity, PopularityConfig};
pub use profile_match::{ProfileMatch, ProfileMatchConfig};
pub use pruned_graph::PrunedGraph;
pub use table::{Model, ModelConfig};
pub use vbpr::{Vbpr, VbprConfig};
pub use viral::{Channel, FusionPlacement, FusionStrategy, Viral, ViralBlocks, ViralConfig, ViralGraphs};

use crate::data::ItemFeatures;
use crate::loss::Objective;
use crate::nn::Init;
use crate::{Error, Result};
use burn::module::Module;
use burn::tensor::{Tensor, TensorData};

/// A model that ranks.
pub trait Embed {
    /// The vectors of all users and items, computed afresh on the full graphs.
    fn embed(&self) -> Embeddings;
}

/// A model that learns from triplets.
pub trait Trainable: Embed + Module {
    /// The loss of a batch as named, weighted terms. A model without parameters returns none.
    fn objective(&self, batch: &Batch) -> Objective;

    /// Changes what changes between epochs, such as a pruned graph, as a function of `(seed, epoch)`.
    ///
    /// # Errors
    /// When the model cannot go on; the run ends with the error.
    fn begin_epoch(&mut self, seed: u64, epoch: usize) -> Result<()> {
        let _ = (seed, epoch);
        Ok(())
    }
}

/// What settings that most models have must be: a width, and numbers from 0 on, such as weights of the objective's terms.
fn check(d_embed: usize, from_zero: &[(&str, f64)]) -> Result<()> {
    Error::require(d_embed > 0, "d_embed", d_embed, "at least 1")?;
    from_zero.iter().try_for_each(|&(setting, value)| {
        Error::require(value.is_finite() && value >= 0.0, setting, value, "a number from 0 on")
    })
}

fn check_share(setting: &str, share: f64) -> Result<()> {
    Error::require((0.0..=1.0).contains(&share), setting, share, "from 0 to 1")
}

/// Features as a constant tensor on the device of `init`, `[n_items, width]`: what models keep of their content.
pub fn features(features: &ItemFeatures, init: &Init) -> Tensor<2> {
    let shape = [features.n_items(), features.width()];
    Tensor::from_data(TensorData::new(features.values().to_vec(), shape), init.device())
}
