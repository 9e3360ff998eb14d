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
use common::args::{DataArgs, TrainArgs, model_config};
use common::files::{check_file, check_writable, peak_rss_mb, quoted, write_json};
use common::run::{Results, Run, Seconds, describe, train};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use viral::Result;
use viral::data::{Counts, Dataset};
use viral::eval::{Difference, Metric, Metrics, paired_bootstrap};
use viral::model::ModelConfig;
use viral::train::{SavedModel, TrainerConfig};

/// Trains a model and says how good it is.
#[derive(Parser, Debug)]
struct Args {
    #[command(flatten)]
    data: DataArgs,
    /// A row of the model table: popularity, profile-match, bpr-mf, lightgcn, vbpr, freedom, viral [default: viral]
    #[arg(long)]
    model: Option<String>,
    /// Settings of VIRAL: default, paper, reference or reference-synergy
    #[arg(long)]
    preset: Option<String>,
    /// Changes one setting of the model; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    train: TrainArgs,
    /// Folder for the model and its checkpoint [default: out/<name>-<model>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Takes up the run whose checkpoint is in the output folder
    #[arg(long)]
    resume: bool,
    /// Writes everything about the run into a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let device = args.train.start()?;
    let name = args.model.as_deref().unwrap_or("viral");
    let preset = args.preset.as_deref();
    let config = model_config(name, preset, &args.set)?;
    let data = args.data.read()?;
    let trainer = args.train.trainer(name, preset.unwrap_or("default"), &data)?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(format!("{}-{name}", data.name)));
    check_writable(&out)?;
    if let Some(path) = &args.json {
        check_file(path)?;
    }
    eprintln!("{}", describe(&data));

    let run = train(name, &config, &trainer, &data, &device, Some(&out), args.resume)?;
    let path = out.join("model.safetensors");
    SavedModel::new(&run.fit.model, &config, &data)?.save(&path)?;

    // For scale: popularity, and on the built-in catalogue LightGCN, which sees no content.
    let compares = args.data.is_planted() && args.model.is_none();
    let mut others = Vec::new();
    for other in ["popularity", "lightgcn"].into_iter().take(1 + usize::from(compares)).filter(|&other| other != name) {
        let trainer = args.train.trainer(other, "default", &data)?;
        others.push((other, train(other, &ModelConfig::by_name(other)?, &trainer, &data, &device, None, false)?));
    }
    let mut results = Results::new("model");
    others.iter().for_each(|(other, run)| results.row(other, run));
    results.row(name, &run);
    println!("\n{} on the test part, {} users\n", data.name, run.test.users().len());
    print!("{}", results.table().to_text());
    let mut difference = None;
    if let Some((other, rival)) = others.iter().find(|(other, _)| *other == "lightgcn") {
        let found = paired_bootstrap(&run.test, &rival.test, Metric::Recall, 20, 10_000, 0)?;
        let (mean, low, high) = (found.mean, found.low, found.high);
        println!(
            "\nR@20, {name} minus {other}: {mean:+.4}, 95 % interval {low:+.4} to {high:+.4} (same users, bootstrap)"
        );
        difference = Some(found);
    }
    println!("\nThe model is in {}. What it recommends to a user:\n", path.display());
    let user = some_user(&data);
    println!("    {}", recommend_command(&out, user));

    if let Some(path) = &args.json {
        write_json(path, &report(&data, &config, &trainer, &run, &others, difference))?;
    }
    Ok(())
}

/// The external id of the first user that has train and test items.
fn some_user(data: &Dataset) -> &str {
    let has_both = |&u: &usize| !data.train.interactions.of_user(u).is_empty() && !data.test.of_user(u).is_empty();
    data.user_ids.get((0..data.n_users()).find(has_both).unwrap_or(0)).map_or("", String::as_str)
}

fn recommend_command(out: &Path, user: &str) -> String {
    let (folder, user) = (quoted(&out.display().to_string()), quoted(user));
    format!("cargo run --release --example recommend -- --model {folder} --user {user} -k 10")
}

/// Everything about a run, as `--json` writes it.
#[derive(Serialize)]
struct Report<'a> {
    data: Data<'a>,
    config: &'a ModelConfig,
    trainer: &'a TrainerConfig,
    seed: u64,
    threads: usize,
    seconds_per_epoch: Seconds,
    peak_rss_mb: Option<f64>,
    history: Vec<Epoch<'a>>,
    best_epoch: Option<usize>,
    valid: &'a Metrics,
    test: &'a Metrics,
    others: BTreeMap<&'a str, &'a Metrics>,
    #[serde(rename = "recall@20 minus lightgcn")]
    difference: Option<Difference>,
}

#[derive(Serialize)]
struct Data<'a> {
    name: &'a str,
    fingerprint: String,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Serialize)]
struct Epoch<'a> {
    epoch: usize,
    loss: f64,
    terms: &'a BTreeMap<String, f64>,
    valid: BTreeMap<String, f64>,
    train_seconds: f64,
    eval_seconds: f64,
}

fn report<'a>(
    data: &'a Dataset,
    config: &'a ModelConfig,
    trainer: &'a TrainerConfig,
    run: &'a Run,
    others: &'a [(&str, Run)],
    difference: Option<Difference>,
) -> Report<'a> {
    let monitor = format!("{}@{}", trainer.monitor, trainer.monitor_k);
    let epochs = run.fit.history.iter().zip(&run.seconds).map(|(epoch, seconds)| Epoch {
        epoch: epoch.epoch,
        loss: epoch.loss,
        terms: &epoch.terms,
        valid: BTreeMap::from([(monitor.clone(), epoch.valid)]),
        train_seconds: seconds.train,
        eval_seconds: seconds.evaluation,
    });
    Report {
        data: Data { name: &data.name, fingerprint: data.fingerprint(), counts: data.counts() },
        config,
        trainer,
        seed: trainer.seed,
        threads: rayon::current_num_threads(),
        seconds_per_epoch: Seconds::mean(&run.seconds),
        peak_rss_mb: peak_rss_mb(),
        history: epochs.collect(),
        best_epoch: run.fit.best_epoch,
        valid: &run.valid,
        test: &run.test,
        others: others.iter().map(|(name, run)| (*name, &run.test)).collect(),
        difference,
    }
}
