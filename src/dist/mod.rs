//! Distributed training, over processes on one machine or many, with the same bits at any number of them.
//!
//! Users and items are distributed over ranks: each rank holds the vectors, the optimizer's moments and the graph rows
//! of its part, and does the work for them. What a row needs of others is gathered a slab of columns at a time. Every
//! sum is computed in an order that does not depend on the number of ranks, so parameters, losses and checkpoints have
//! the same bits at any number of ranks. A run can be resumed with another number of ranks, or by
//! [`Recipe::runner`](crate::recipe::Recipe::runner) in one process, where VIRAL sums the gradients of its shared
//! layers in another order.
//!
//! | file | |
//! |---|---|
//! | `collective` | [`Collective`]: communication between ranks; [`Solo`]: a single process |
//! | `threads` | [`Threads`]: ranks as threads of one process |
//! | `mpi` | `Mpi`, with the feature of that name: ranks of an MPI job |
//! | `agree` | agreement of all ranks, on settings and on errors |
//! | `parts` | which rank owns which rows, and sums over them |
//! | `picked` | the rows that a batch needs |
//! | `graph` | products with a graph whose rows are distributed over ranks |
//! | `own_rows` | graph rows, built by their owners |
//! | `model`, `light_gcn`, `viral` | models in parts |
//! | `shared` | gradients of parameters that all ranks hold |
//! | `evaluate` | evaluation: each rank ranks its users |
//! | `checkpoint` | checkpoints, written and read piece by piece |
//! | `job` | [`Job`]: a run, [`Trained`]: its result |
//!
//! With the feature `mpi`, ranks are processes that `mpirun` starts. Threads serve to try it out:
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
