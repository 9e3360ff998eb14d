//! `viral missing`: the accuracy of a model when items lack content.

use super::experiment::watch;
use super::run_args::{OutputArgs, RunArgs, announce};
use crate::shell::{note, quoted, say};
use clap::Args;
use viral::data::Modality;
use viral::experiment::{MissingGrid, MissingIn};
use viral::graph::Imputation;
use viral::{Error, Result};

/// Takes content away from a growing share of the items, and measures the model without it.
///
/// The items of a smaller share are among those of a larger one. R@20 is printed over all held-out items, over those
/// without content and over the others, with LightGCN as the floor. Finished runs are not repeated, and a run that was
/// killed continues: give the same command. Without --data the catalogue is a built-in one.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  viral missing --data data/baby --lost text --rates 30,50,90 --seeds 1,2,3")]
pub(crate) struct Arguments {
    #[command(flatten)]
    run: RunArgs,
    /// What the items lose: a modality, such as text or visual, or both, which takes all modalities; commas separate
    /// several curves
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "text",
        help_heading = "Missing content"
    )]
    lost: Vec<String>,
    /// Percentages of the items that lose it; 0 is always included
    #[arg(
        long,
        value_name = "PERCENT,…",
        value_delimiter = ',',
        default_value = "10,20,30,40,50,60,70,80,90",
        help_heading = "Missing content"
    )]
    rates: Vec<f64>,
    /// What replaces it: zero-aware (nothing: the model does without), zeros (that count as content), mean, neighbors,
    /// multi-hop, page-rank, heat, ridge, or all
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        default_value = "zero-aware",
        help_heading = "Missing content"
    )]
    imputation: Vec<String>,
    /// Where it is missing: train+test trains a model at each rate, test evaluates the model that was trained on
    /// everything
    #[arg(
        long,
        value_name = "PART,…",
        value_delimiter = ',',
        default_value = "train+test",
        help_heading = "Missing content"
    )]
    missing_in: Vec<MissingIn>,
    /// Seeds of the items that lose content
    #[arg(long, value_name = "SEED,…", value_delimiter = ',', default_value = "0", help_heading = "Missing content")]
    seeds: Vec<u64>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let device = arguments.run.train.start()?;
    let mut grid = MissingGrid::new(arguments.run.recipe()?);
    grid.floor = arguments.run.train.apply(grid.floor)?;
    grid.shares = arguments.rates.iter().filter(|&&rate| rate != 0.0).map(|rate| rate / 100.0).collect();
    if let Some(rate) = arguments.rates.iter().find(|rate| !(0.0..=100.0).contains(*rate)) {
        return Err(Error::Config(format!("--rates {rate}: give per cent of the items, from 0 to 100")));
    }
    if grid.shares.is_empty() {
        let message =
            "--rates 0: nothing is taken away at 0 per cent, which is always included; add a rate above it, such as 50";
        return Err(Error::Config(message.into()));
    }
    grid.imputations = match arguments.imputation.iter().any(|name| name == "all") {
        true => Imputation::ALL.to_vec(),
        false => arguments.imputation.iter().map(|name| name.parse()).collect::<Result<_>>()?,
    };
    grid.missing_in.clone_from(&arguments.missing_in);
    grid.seeds.clone_from(&arguments.seeds);
    let (data, reading) = arguments.run.data.read_reported()?;
    let lost = |name: &String| match name.as_str() {
        "both" => Ok(data.features().modalities().cloned().collect()),
        name => Ok(vec![name.parse::<Modality>()?]),
    };
    grid.modalities = arguments.lost.iter().map(lost).collect::<Result<_>>()?;
    let folder = format!("{}-{}-{}-missing", data.name, grid.recipe.model.name(), grid.recipe.preset);
    let out = arguments.output.folder(&folder)?;
    arguments.output.check("missing", &["fingerprint", "counts", "config"])?;
    announce(&data, &reading, &grid.recipe.model);
    let report = grid.run(&data, &device, &out, watch())?;
    arguments.output.write(&report)?;
    say!("{}", report.to_text().trim_end())?;
    note!("\nResults are in {}.", quoted(&out.display().to_string()));
    Ok(())
}
