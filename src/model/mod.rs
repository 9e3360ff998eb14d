//! Models: one file each, all under [`Embed`] and [`Trainable`].
//!
//! A recommender is two matrices: whatever happens inside, a score is the inner product of a user's and an item's vector.
//! Ranking, masking, metrics, recommendation and attribution are written once, over [`Embeddings`].
//!
//! The published models are made from their settings and data:
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
//! A model of one's own says what its vectors are and what is to be small; training, evaluation and serving are there already:
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

/// A model that ranks.
///
/// ```
/// # #[cfg(feature = "flex")] {
/// use burn::tensor::{Device, Tensor};
/// use viral::model::{Embed, Embeddings};
///
/// /// Vectors from elsewhere.
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
    /// The vectors of all users and items, computed afresh on the full graphs.
    fn embed(&self) -> Embeddings;
}

/// A model that learns from triplets; the [module](self) has a complete one.
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

/// Validates settings that most models have: a width, and numbers from 0 on, such as weights of the objective's terms.
fn check(d_embed: usize, from_zero: &[(&str, f64)]) -> Result<()> {
    check_positive(&[("d_embed", d_embed)])?;
    from_zero.iter().try_for_each(|&(setting, value)| Error::require_not_negative(setting, value))
}

/// Validates numbers of neighbours, layers or columns that a model cannot do without.
fn check_positive(counts: &[(&str, usize)]) -> Result<()> {
    counts.iter().try_for_each(|&(setting, n)| Error::require(n > 0, setting, n, "at least 1"))
}

fn check_share(setting: &str, share: f64) -> Result<()> {
    Error::require((0.0..=1.0).contains(&share), setting, share, "from 0 to 1")
}

/// Xavier normal vectors of users and of items, with the deviation of one table of all nodes: `[n_users, d]` and `[n_items, d]`.
fn node_tables(sizes: [usize; 2], d: usize, init: &mut Init) -> [Param<Tensor<2>>; 2] {
    let std = (2.0 / (sizes[0] + sizes[1] + d) as f64).sqrt();
    sizes.map(|n| init.normal_param([n, d], std))
}
