//! `viral probe`: does a model use its content?

use super::experiment::watch;
use super::run_args::{OutputArgs, RunArgs, announce};
use crate::shell::{note, quoted, say};
use clap::Args;
use viral::data::Knockout;
use viral::experiment::Probe;
use viral::{Error, Result};

/// Retrains a model with uninformative features in place of each modality, and measures what it loses.
///
/// Noise keeps the lengths of the vectors, permuted gives each item the vector of another, mean gives all the same;
/// each modality alone, and all together. R@10 is compared with that of the model on the unchanged data, user by user.
/// Finished runs are not repeated, and a run that was killed continues: give the same command. Without --data the
/// catalogue is a built-in one.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  viral probe --data data/baby --model freedom --knockout noise --json probe.json")]
pub(crate) struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// What replaces a modality: noise, permuted, mean
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "noise,permuted,mean",
        help_heading = "Probe"
    )]
    knockout: Vec<Knockout>,
    /// Training seeds [default: that of --seed]
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
    let (data, reading) = arguments.run.data.read_reported()?;
    let folder = format!("{}-{}-{}-probe", data.name, probe.recipe.model.name(), probe.recipe.preset);
    let out = arguments.output.folder(&folder)?;
    arguments.output.check("probe", &["fingerprint", "arms", "config"])?;
    announce(&data, &reading, &probe.recipe.model);
    let report = probe.run(&data, &device, &out, watch())?;
    arguments.output.write(&report)?;
    say!("{}", report.to_text().trim_end())?;
    note!("\nResults are in {}.", quoted(&out.display().to_string()));
    Ok(())
}
