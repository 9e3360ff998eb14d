//! Arguments that commands share which train models: data, model, training, and where results go.

use crate::shell::check_place_of_report;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use viral::args::{DataArgs, RecipeArgs, TrainArgs};
use viral::data::write_whole;
use viral::prelude::Recipe;
use viral::{Error, Result};

/// Data, a model and its training.
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    #[command(flatten, next_help_heading = "Data")]
    pub(super) data: DataArgs,
    #[command(flatten, next_help_heading = "Model")]
    model: RecipeArgs,
    #[command(flatten, next_help_heading = "Training")]
    pub(super) train: TrainArgs,
}

impl RunArgs {
    /// The model and its training.
    pub(super) fn recipe(&self) -> Result<Recipe> {
        self.train.apply(self.model.recipe()?)
    }
}

/// Where results go.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Folder for results and checkpoints [default: out/ and what is measured of which model and data]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Writes everything that was measured into a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl OutputArgs {
    /// The folder, which is `out/NAME` unless another was given.
    pub(super) fn folder(&self, name: &str) -> PathBuf {
        self.out.clone().unwrap_or_else(|| Path::new("out").join(name))
    }

    /// Refuses a file that is there and not an earlier report of the command, known by `keys`: before the work, not after it.
    pub(super) fn check(&self, command: &str, keys: &[&str]) -> Result<()> {
        self.json.as_ref().map_or(Ok(()), |path| check_place_of_report(path, command, keys))
    }

    /// Writes the report, where a file was named.
    pub(super) fn write(&self, report: &impl Serialize) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(report).map_err(|e| Error::file(path, e.to_string()))?;
        write_whole(path, format!("{text}\n").as_bytes())
    }
}
