//! Trains a model and says how good it is: VIRAL by default, on a built-in catalogue or on a folder of data.
//!
//! ```text
//! cargo run --release --example train_baby                  # built-in catalogue; VIRAL, LightGCN and popularity
//! cargo run --release --example train_baby -- --data DIR    # a folder in MMRec's layout
//! ```
//!
//! Expected without arguments: R@20 0.54 for VIRAL and 0.46 for LightGCN, the interval of their difference above zero, in
//! about a minute of two cores.

mod common;

use clap::Parser;
use common::system::{peak_rss_mb, quoted};
use common::{note, say};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use viral::args::{DataArgs, RecipeArgs, TrainArgs};
use viral::eval::{Difference, Metric, Metrics, paired_bootstrap};
use viral::prelude::*;
use viral::recipe::{Existing, ReportFile, Results, RunReport, Runner};

/// Cut-offs of the metrics.
const CUTOFFS: [usize; 4] = [5, 10, 20, 50];

/// Trains a model and says how good it is.
#[derive(Parser, Debug)]
struct Args {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    recipe: RecipeArgs,
    #[command(flatten)]
    train: TrainArgs,
    /// Folder for the model and its checkpoint [default: out/<data>-<model>-<preset>-seed<seed>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Resumes the run whose checkpoint is in the output folder
    #[arg(long)]
    resume: bool,
    /// Replaces the run that is in the output folder
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,
    /// Writes everything about the run to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> viral::Result<()> {
    let args: Args = viral::args::parse();
    let device = args.train.start()?;
    let recipe = args.train.apply(args.recipe.recipe()?)?;
    let data = args.data.read()?;
    let name = recipe.model.name();
    let folder = format!("{}-{name}-{}-seed{}", data.name, recipe.preset, recipe.training.seed);
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(folder));
    let file = args.json.as_ref().map(|path| ReportFile::new(path, &out)).transpose()?;
    note!("{data}");

    let existing = match (args.resume, args.overwrite) {
        (true, _) => Existing::Resume,
        (_, true) => Existing::Overwrite,
        _ => Existing::Refuse,
    };
    let run = with_progress(name, recipe.runner(&data, &device).folder(&out).existing(existing)).run()?;
    if data.test.n_pairs() > 0 {
        let report = run.report(&CUTOFFS)?;
        let rivals = rivals(&args, &run, &device)?;
        let difference = print_results(&run, &rivals)?;
        if let Some(file) = file {
            let others = rivals.iter().map(|(name, _, test)| (*name, test)).collect();
            file.write(&Report { run: report, peak_rss_mb: peak_rss_mb(), others, difference })?;
        }
    }
    say!("\nThe model is in {}. What it recommends to a user:\n", out.join("model.safetensors").display())?;
    let (folder, user) = (quoted(&out.display().to_string()), quoted(data.example_user().unwrap_or_default()));
    say!("    cargo run --release --example recommend -- --model {folder} --user {user} -k 10")
}

/// Prints a line per epoch to standard error.
fn with_progress<'a>(name: &'static str, runner: Runner<'a>) -> Runner<'a> {
    runner.observe(move |progress| {
        if progress.epoch_is_done() {
            note!("{name} {progress}");
        }
        ControlFlow::Continue(())
    })
}

/// Trains models for comparison: popularity, and on the built-in catalogue LightGCN, which sees no content.
fn rivals<'a>(args: &Args, run: &Run<'a>, device: &Device) -> viral::Result<Vec<(&'static str, Run<'a>, Metrics)>> {
    let compares = args.data.is_planted() && !args.recipe.is_named();
    let names = ["popularity", "lightgcn"].into_iter().take(1 + usize::from(compares));
    let others = names.filter(|&name| name != run.recipe().model.name()).map(|name| {
        let recipe = args.train.apply(Recipe::named(name)?)?;
        let rival = with_progress(name, recipe.runner(run.data(), device)).run()?;
        let test = rival.test(&CUTOFFS)?;
        Ok((name, rival, test))
    });
    others.collect()
}

fn print_results(run: &Run, rivals: &[(&str, Run, Metrics)]) -> viral::Result<Option<Difference>> {
    let (name, test) = (run.recipe().model.name(), run.test(&CUTOFFS)?);
    let mut results = Results::new("model");
    rivals.iter().for_each(|(name, rival, test)| results.row(name, rival, test));
    results.row(name, run, &test);
    say!("\n{} on the test part, {} users\n\n{}", run.data().name, test.users().len(), results.table().to_text())?;
    let Some((other, _, rival)) = rivals.iter().find(|(other, ..)| *other == "lightgcn") else {
        return Ok(None);
    };
    let found = paired_bootstrap(&test, rival, Metric::Recall, 20, 10_000, 0)?;
    let Difference { mean, low, high, .. } = found;
    say!("R@20, {name} minus {other}: {mean:+.4}, 95 % interval {low:+.4} to {high:+.4} (same users, bootstrap)")?;
    Ok(Some(found))
}

/// Everything about a run, as `--json` writes it.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    run: RunReport<'a>,
    peak_rss_mb: Option<f64>,
    others: BTreeMap<&'a str, &'a Metrics>,
    #[serde(rename = "recall@20 minus lightgcn")]
    difference: Option<Difference>,
}
