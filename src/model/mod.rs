//! Recommendation models. Each implements [`Embed`] and [`Trainable`].
//!
//! Every model reduces to two matrices: a score is the inner product of a user's and an item's vector. Ranking,
//! masking, metrics, recommendation and attribution are implemented once, on [`Embeddings`].
//!
//! The published models are built from their settings and a training set:
//!
//! ```
//! use viral::prelude::*;
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
//! let mut config = FreedomConfig::default();
//! config.n_neighbors = 5;
//! let model = config.init(&data.train, &mut Init::new(1, &Device::flex()))?;
//! let z = model.embed();
//! assert_eq!((z.users().dims(), z.items().dims()), ([40, 64], [30, 64]));
//! println!("{}", z.evaluate(&data, Part::Valid, &[10, 20])?);
//! # Ok(())
//! # }
//! ```
//!
//! A custom model supplies its embeddings and its loss; training, evaluation and serving need nothing else:
//!
//! ```
//! use burn::module::Module;
//! use viral::loss::{Objective, bpr, pair_scores};
//! use viral::model::Batch;
//! use viral::nn::IdTables;
//! use viral::prelude::*;
//!
//! /// Matrix factorisation.
//! #[derive(Module, Debug)]
//! struct Factors {
//!     tables: IdTables,
//! }
//!
//! impl Embed for Factors {
//!     fn embed(&self) -> Embeddings {
//!         Embeddings::new(self.tables.users.val(), self.tables.items.val(), "id")
//!     }
//! }
//!
//! impl Trainable for Factors {
//!     fn objective(&self, batch: &Batch) -> Objective {
//!         let scores = pair_scores(self.tables.users.val(), self.tables.items.val(), batch.pairs());
//!         let [positive, negative] = scores;
//!         Objective::new().with("bpr", 1.0, bpr(positive, negative))
//!     }
//! }
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
//! let device = Device::flex().autodiff();
//! let tables = IdTables::xavier_uniform(40, 30, 16, &mut Init::new(0, &device));
//! let mut trainer = TrainerConfig::default();
//! trainer.epochs = 2;
//! let fit = trainer.fit(Factors { tables }, &data.train, &data.valid, &device)?;
//! let recommender = Recommender::new(&fit.model, &"factors", &data)?;
//! assert_eq!(recommender.recommend("u0007", 5)?.len(), 5);
//! # Ok(())
//! # }
//! ```

mod attribute_knn;
mod batch;
mod bpr_mf;
mod cohesion;
mod content;
mod dragon;
mod embeddings;
mod freedom;
mod grcn;
mod inductive;
mod lattice;
mod light_gcn;
mod mentor;
mod mmgcn;
mod parameters;
mod popularity;
mod profile_match;
mod pruned_graph;
mod slmrec;
mod table;
mod user_graph;
mod vbpr;
mod viral;

pub use attribute_knn::{AttributeKnn, AttributeKnnConfig, AttributeWeight};
pub use batch::Batch;
pub use bpr_mf::{BprMf, BprMfConfig};
pub use cohesion::{Cohesion, CohesionConfig, FrozenBranch, FrozenLinear};
pub use content::{Content, features};
pub use dragon::{Dragon, DragonConfig};
pub use embeddings::{Embeddings, HostEmbeddings};
pub use freedom::{Freedom, FreedomConfig};
pub use grcn::{Grcn, GrcnConfig, GrcnContent, GrcnModality};
pub(crate) use inductive::{HandsOn, Inductive, Neighborhood, Rows, handed_on, rows_of_parameters};
pub use lattice::{Lattice, LatticeConfig};
pub use light_gcn::{LightGcn, LightGcnConfig};
pub use mentor::{Mentor, MentorConfig, MentorContent, MentorDraws, MentorViews};
pub use mmgcn::{Mmgcn, MmgcnConfig, MmgcnModality};
#[cfg(feature = "flex")]
use parameters::of_rows;
pub use parameters::{Parameters, load_parameters, parameters};
pub use popularity::{Popularity, PopularityConfig};
pub use profile_match::{ProfileMatch, ProfileMatchConfig};
pub use pruned_graph::PrunedGraph;
pub use slmrec::{Slmrec, SlmrecConfig, SlmrecLink};
pub(crate) use table::differing;
pub use table::{Model, ModelConfig};
pub use user_graph::UserGraph;
pub use vbpr::{Vbpr, VbprConfig};
#[cfg(feature = "flex")]
pub(crate) use viral::{BatchRows, RowContent};
pub use viral::{Channel, FusionPlacement, FusionStrategy, Viral, ViralBlocks, ViralConfig, ViralGraphs};

use crate::loss::Objective;
use crate::nn::Init;
use crate::{Error, Result};
use burn::module::{Module, Param};
use burn::tensor::Tensor;

/// A model that gives each user and each item an embedding.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::model::{Embed, Embeddings};
///
/// /// Precomputed vectors.
/// struct Given(Tensor<2>, Tensor<2>);
///
/// impl Embed for Given {
///     fn embed(&self) -> Embeddings {
///         Embeddings::new(self.0.clone(), self.1.clone(), "given")
///     }
/// }
///
/// let device = Device::flex();
/// let z = Given(Tensor::ones([3, 4], &device), Tensor::ones([5, 4], &device)).embed();
/// assert_eq!(z.to_host().attribute(2, 4), [4.0]);
/// # }
/// ```
pub trait Embed {
    /// Computes the embeddings of all users and items on the full graphs.
    fn embed(&self) -> Embeddings;
}

/// A model that is trained on `(user, positive, negative)` triplets; the [module docs](self) have a complete example.
pub trait Trainable: Embed + Module {
    /// Computes the loss of a batch as named, weighted terms. A model without parameters returns no terms.
    fn objective(&self, batch: &Batch) -> Objective;

    /// Updates per-epoch state, such as a pruned graph, as a function of `(seed, epoch)`.
    ///
    /// # Errors
    /// When the model cannot continue; training ends with the error.
    fn begin_epoch(&mut self, seed: u64, epoch: usize) -> Result<()> {
        let _ = (seed, epoch);
        Ok(())
    }
}

/// Validates settings shared by most models: a positive width and finite, non-negative weights.
fn check(d_embed: usize, from_zero: &[(&str, f64)]) -> Result<()> {
    check_positive(&[("d_embed", d_embed)])?;
    from_zero.iter().try_for_each(|&(setting, value)| Error::require_not_negative(setting, value))
}

/// Validates counts that must be at least 1, such as neighbours, layers or widths.
fn check_positive(counts: &[(&str, usize)]) -> Result<()> {
    counts.iter().try_for_each(|&(setting, n)| Error::require(n > 0, setting, n, "at least 1"))
}

fn check_share(setting: &str, share: f64) -> Result<()> {
    Error::require((0.0..=1.0).contains(&share), setting, share, "from 0 to 1")
}

/// Draws Xavier normal user and item tables, with the standard deviation of one table of all nodes: `[n_users, d]` and
/// `[n_items, d]`.
fn node_tables(sizes: [usize; 2], d: usize, init: &mut Init) -> [Param<Tensor<2>>; 2] {
    let std = (2.0 / (sizes[0] + sizes[1] + d) as f64).sqrt();
    sizes.map(|n| init.normal_param([n, d], std))
}
