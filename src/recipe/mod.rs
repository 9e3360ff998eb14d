//! The way to a trained model: a [`Recipe`] holds the settings of a model and of its training, and runs.
//!
//! | file | |
//! |---|---|
//! | `settings` | [`Recipe`]: model and training settings that belong together, with each model's own defaults |
//! | `toml` | the same as a file: one recipe in, one recipe out |
//! | `runner` | [`Runner`]: a run with checkpoints, resumption and an observer |
//! | `folder` | the folder of a run: one run at a time, and nothing overwritten in silence |
//! | `run` | [`Run`]: what training gives back |
//! | `report` | [`RunReport`]: everything about a run, for a file; [`Results`]: runs side by side, for people |
//! | `progress` | [`Progress`]: lines that say where a run stands |

mod folder;
mod progress;
mod report;
mod run;
mod runner;
mod settings;
mod toml;

pub use folder::Existing;
pub use progress::Progress;
pub use report::{EpochFigures, Results, RunReport};
pub use run::{EpochSeconds, Run};
pub use runner::Runner;
pub use settings::Recipe;
