//! Arguments shared by commands that train models: data, model, training, and where results go.

use crate::shell::{check_place_of_report, note};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use viral::args::{DataArgs, RecipeArgs, TrainArgs};
use viral::data::{Dataset, ReadReport, check_apart, write_whole};
use viral::model::ModelConfig;
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

/// Prints the data set, what reading it left out or took on trust, and the modalities in it that say nothing or that the
/// model does not use.
pub(super) fn announce(data: &Dataset, report: &ReadReport, model: &ModelConfig) {
    note!("{data}");
    report.to_string().lines().for_each(|line| note!("{line}"));
    for (modality, features) in
        data.features().iter().filter(|(_, features)| features.n_missing() == features.n_items())
    {
        note!("{modality}: no item has content in it, because all {} rows are zeros or masked", features.n_items());
    }
    announce_unused(data, model, model.name());
}

/// Prints the modalities that a model does not use, if there are any.
pub(super) fn announce_unused(data: &Dataset, model: &ModelConfig, name: &str) {
    let left_out: Vec<String> = model.unused_modalities(data.features()).iter().map(ToString::to_string).collect();
    if !left_out.is_empty() {
        let what = left_out.join(" and ");
        note!("{name} leaves out {what}; choose with --modality, or train a model that takes all");
    }
}

/// Where results go.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Folder for results and checkpoints [default: out/ and a name from the command, the model and the data]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Writes all measurements to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl OutputArgs {
    /// The folder, `out/NAME` by default. Returns an error if the report has the path of the folder, or of one that
    /// contains it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.out.clone().unwrap_or_else(|| Path::new("out").join(name));
        self.json.as_ref().map_or(Ok(()), |file| check_apart(file, &folder))?;
        Ok(folder)
    }

    /// Refuses to replace a file that is not an earlier report of the command, which has the keys `keys`: before the
    /// work, not after it.
    pub(super) fn check(&self, command: &str, keys: &[&str]) -> Result<()> {
        self.json.as_ref().map_or(Ok(()), |path| check_place_of_report(path, command, keys))
    }

    /// Writes the report, if a file was named.
    pub(super) fn write(&self, report: &impl Serialize) -> Result<()> {
        let Some(path) = &self.json else { return Ok(()) };
        let text = serde_json::to_string_pretty(report).map_err(|e| Error::file(path, e.to_string()))?;
        write_whole(path, format!("{text}\n").as_bytes())
    }
}
