//! `viral probe`: whether a model uses its content.

use super::experiment::watch;
use crate::shell::{check_place_of_report, note, quoted, say};
use clap::Args;
use std::path::{Path, PathBuf};
use viral::args::{DataArgs, RecipeArgs, TrainArgs};
use viral::data::{Knockout, write_whole};
use viral::experiment::Probe;
use viral::{Error, Result};

/// Trains a model anew with features that say nothing in the place of each modality, and says what it loses.
///
/// Noise keeps the lengths of the vectors, permuted gives each item the vector of another, mean the same to all; each modality alone, and
/// all together. R@10 is held against that of the model on the data as they are, user by user. What is done is not done again, and a run
/// that was killed goes on: give the same command. Without --data the catalogue is a built-in one.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  viral probe --data data/baby --model freedom --knockout noise --json probe.json")]
pub(crate) struct Arguments {
    #[command(flatten, next_help_heading = "Data")]
    data: DataArgs,
    #[command(flatten, next_help_heading = "Model")]
    recipe: RecipeArgs,
    #[command(flatten, next_help_heading = "Training")]
    train: TrainArgs,
    /// What takes the place of a modality: noise, permuted, mean
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "noise,permuted,mean",
        help_heading = "Probe"
    )]
    knockout: Vec<Knockout>,
    /// Seeds of the training [default: that of --seed]
    #[arg(long, value_name = "SEED,…", value_delimiter = ',', help_heading = "Probe")]
    seeds: Vec<u64>,
    /// Folder for results and checkpoints [default: out/<data>-<model>-<preset>-probe]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Writes everything that was measured into a file, which viral report --probe shows
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    json: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.train.start()?;
    let mut probe = Probe::new(arguments.train.apply(arguments.recipe.recipe()?)?);
    probe.knockouts.clone_from(&arguments.knockout);
    if !arguments.seeds.is_empty() {
        probe.seeds.clone_from(&arguments.seeds);
    }
    let data = arguments.data.read()?;
    let folder = format!("{}-{}-{}-probe", data.name, probe.recipe.model.name(), probe.recipe.preset);
    let out = arguments.out.clone().unwrap_or_else(|| Path::new("out").join(folder));
    if let Some(path) = &arguments.json {
        check_place_of_report(path, "probe", &["fingerprint", "arms", "config"])?;
    }
    note!("{data}");
    let report = probe.run(&data, &device, &out, watch())?;
    if let Some(path) = &arguments.json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| Error::file(path, e.to_string()))?;
        write_whole(path, format!("{text}\n").as_bytes())?;
    }
    say!("{}", report.to_text().trim_end())?;
    note!("\nResults are in {}.", quoted(&out.display().to_string()));
    Ok(())
}
