//! The way to a trained model: a [`Recipe`] holds the settings of a model and of its training, and runs.
//!
//! | file | |
//! |---|---|
//! | `settings` | [`Recipe`]: model and training settings that belong together, with each model's own defaults |
//! | `toml` | the same as a file: one recipe in, one recipe out |
//! | `place` | where in such a file a key is, for errors that have a line |
//! | `runner` | [`Runner`]: a run with checkpoints, resumption and an observer |
//! | `folder` | the folder of a run: one run at a time, and nothing overwritten in silence |
//! | `run` | [`Run`]: what training gives back |
//! | `warm` | the parameters that a run begins with, from an earlier model |
//! | `report` | [`RunReport`]: everything about a run, for a file; [`Results`]: runs side by side, for people |
//! | `report_file` | [`ReportFile`]: where a report goes |
//! | `progress` | [`Progress`]: lines that say where a run stands |
//!
//! ```
//! use viral::prelude::*;
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
//! let recipe = Recipe::named("bpr-mf")?.set("d_embed", "16")?.seed(1).epochs(2);
//! assert_eq!(Recipe::from_toml(&recipe.to_toml()?)?, recipe); // as a file it is the same
//! let run = recipe.run(&data, &Device::flex())?;
//! println!("{}", run.test(&[10, 20])?);
//! assert_eq!(run.history().len(), 2);
//! # Ok(())
//! # }
//! ```

mod folder;
pub(crate) mod place;
mod progress;
mod report;
mod report_file;
mod run;
mod runner;
mod settings;
mod toml;
mod warm;

pub use folder::Existing;
#[cfg(feature = "flex")]
pub(crate) use folder::Folder;
pub use progress::Progress;
pub use report::{EpochFigures, Results, RunReport};
pub use report_file::ReportFile;
pub(crate) use run::embed_with;
pub use run::{EpochSeconds, Run};
pub use runner::Runner;
pub use settings::Recipe;
