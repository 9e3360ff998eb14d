//! Training that is split over processes, on one machine or many, with the bits of one process.
//!
//! Users and items belong to ranks: each has their vectors, the optimizer's moments and the graphs' rows of a part of them, and
//! does the work that these rows are. What a row needs of others is gathered a slab of columns at a time. Every sum is made in the
//! order in which one process makes it, so parameters, losses and checkpoints have the same bits at any number of ranks, and a run
//! can be taken up by another number of them, or by [`Recipe::runner`](crate::recipe::Recipe::runner) in one process.
//!
//! | file | |
//! |---|---|
//! | `collective` | [`Collective`]: what ranks say to each other; [`Solo`]: one alone |
//! | `threads` | [`Threads`]: ranks that are threads of one process |
//! | `mpi` | `Mpi`, with the feature of that name: ranks of an MPI job |
//! | `agree` | errors that all ranks get, and what all must have alike |
//! | `parts` | who owns which rows, and sums over them |
//! | `picked` | the rows that a batch takes |
//! | `graph` | products with a graph whose rows belong to ranks |
//! | `own_rows` | rows of graphs, made by their owners |
//! | `model`, `light_gcn`, `viral` | a model in parts |
//! | `shared` | gradients of parameters that all ranks have |
//! | `evaluate` | each rank ranks its users |
//! | `checkpoint` | one file, written and read a piece at a time |
//! | `job` | [`Job`]: a run, [`Trained`]: what comes of it |
//!
//! Ranks are processes where the feature `mpi` is on and `mpirun` starts them. To try it out, threads do:
//!
//! ```
//! use viral::dist::{Collective, Job, Solo, Threads};
//! use viral::prelude::*;
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(60).with_n_items(50).with_interactions_per_user(8).generate().data;
//! let recipe = Recipe::lightgcn().epochs(2);
//! let recall = |world: &dyn Collective| -> viral::Result<f64> {
//!     Ok(Job::new(world, &recipe, &data).run()?.evaluate(Part::Test, &[20])?.recall(20))
//! };
//! let alone = recall(&Solo)?;
//! for rank in Threads::run(3, |rank| recall(rank)) {
//!     assert_eq!(rank?.to_bits(), alone.to_bits());
//! }
//! # Ok(())
//! # }
//! ```

mod agree;
mod checkpoint;
mod collective;
mod evaluate;
mod graph;
mod job;
mod light_gcn;
mod model;
#[cfg(feature = "mpi")]
mod mpi;
mod own_rows;
mod parts;
mod picked;
mod shared;
mod threads;
mod viral;

pub use agree::all_or_none;
pub use collective::{Collective, Solo};
pub use job::{Job, Trained};
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use threads::Threads;
