//! `viral probe`: whether a model uses its content.

use super::experiment::watch;
use super::run_args::{OutputArgs, RunArgs, announce};
use crate::shell::{note, quoted, say};
use clap::Args;
use viral::data::Knockout;
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
    #[command(flatten)]
    run: RunArgs,
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
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.run.train.start()?;
    let mut probe = Probe::new(arguments.run.recipe()?);
    probe.knockouts.clone_from(&arguments.knockout);
    if !arguments.seeds.is_empty() {
        probe.seeds.clone_from(&arguments.seeds);
    }
    let model = &probe.recipe.model;
    if !model.takes_content() {
        let message =
            format!("{} takes no content, so there is nothing to take from it; probe another model", model.name());
        return Err(Error::Config(message));
    }
    let data = arguments.run.data.read()?;
    let folder = format!("{}-{}-{}-probe", data.name, probe.recipe.model.name(), probe.recipe.preset);
    let out = arguments.output.folder(&folder)?;
    arguments.output.check("probe", &["fingerprint", "arms", "config"])?;
    announce(&data, &probe.recipe.model);
    let report = probe.run(&data, &device, &out, watch())?;
    arguments.output.write(&report)?;
    say!("{}", report.to_text().trim_end())?;
    note!("\nResults are in {}.", quoted(&out.display().to_string()));
    Ok(())
}
