//! Recipes: a [`Recipe`] holds the settings of a model and of its training, and trains the model.
//!
//! | file | |
//! |---|---|
//! | `settings` | [`Recipe`]: model and training settings that belong together, with each model's own defaults |
//! | `toml` | recipes as TOML files |
//! | `place` | positions of keys in such a file, for errors with a line number |
//! | `runner` | [`Runner`]: a run with checkpoints, resumption and an observer |
//! | `folder` | the folder of a run: one run at a time, and nothing is overwritten silently |
//! | `run` | [`Run`]: the result of training |
//! | `warm` | warm start: initial parameters from an earlier model |
//! | `report` | [`RunReport`]: a full report of a run, for a file; [`Results`]: runs side by side, as a table |
//! | `report_file` | [`ReportFile`]: the file of a report |
//! | `progress` | [`Progress`]: the progress of a run, as lines |
//!
//! ```
//! use viral::prelude::*;
//!
//! # fn main() -> viral::Result<()> {
//! let data = PlantedConfig::new().with_n_users(40).with_n_items(30).generate().data;
//! let recipe = Recipe::named("bpr-mf")?.set("d_embed", "16")?.seed(1).epochs(2);
//! assert_eq!(Recipe::from_toml(&recipe.to_toml()?)?, recipe); // a TOML round trip
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
