//! Two saved models on the test part of one data set, user by user: is one better, and how sure is that?
//!
//! ```text
//! cargo run --release --example train_baby -- --model lightgcn    # saves out/planted-lightgcn/model.safetensors
//! cargo run --release --example train_baby -- --model viral       # saves out/planted-viral/model.safetensors
//! cargo run --release --example compare -- out/planted-viral out/planted-lightgcn
//! ```
//!
//! Expected: a table of both, and the mean difference of recall@20 with its 95 % interval, in a few seconds.

mod common;

use clap::Parser;
use common::args::DataArgs;
use common::run::CUTOFFS;
use std::path::{Path, PathBuf};
use viral::data::Dataset;
use viral::eval::{Metric, Metrics, paired_bootstrap};
use viral::report::Table;
use viral::train::SavedModel;
use viral::{Error, Result};

/// Compares two saved models on the same test users.
#[derive(Parser, Debug)]
struct Args {
    /// Folder with model.safetensors, or the file itself
    first: PathBuf,
    /// The model to compare with
    second: PathBuf,
    #[command(flatten)]
    data: DataArgs,
    /// Resamples of the bootstrap
    #[arg(long, default_value_t = 10_000)]
    resamples: usize,
    /// Seed of the bootstrap
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let data = args.data.read()?;
    let (first, second) = (measure(&args.first, &data)?, measure(&args.second, &data)?);
    let mut table = Table::new(["model", "R@10", "R@20", "N@10", "N@20"]);
    for (path, metrics) in [(&args.first, &first), (&args.second, &second)] {
        let figure = |metric: &str, k: usize| metrics.get(metric, k).map_or_else(String::new, |m| format!("{m:.5}"));
        let figures = [("recall", 10), ("recall", 20), ("ndcg", 10), ("ndcg", 20)].map(|(m, k)| figure(m, k));
        table.row([path.display().to_string()].into_iter().chain(figures));
    }
    print!("{}", table.to_text());
    let d = paired_bootstrap(&first, &second, Metric::Recall, 20, args.resamples, args.seed)?;
    let n_users = first.users().len();
    println!("\nrecall@20 over {n_users} users: {:+.5}, 95 % interval {:+.5} to {:+.5}", d.mean, d.low, d.high);
    Ok(())
}

fn measure(path: &Path, data: &Dataset) -> Result<Metrics> {
    let path = if path.is_dir() { path.join("model.safetensors") } else { path.to_path_buf() };
    let model = SavedModel::load(&path)?;
    if model.user_ids != data.user_ids || model.item_ids != data.item_ids {
        let message = format!("was trained on '{}': other users or items than those of '{}'", model.data, data.name);
        return Err(Error::File { path, message });
    }
    if model.seen != data.train.interactions {
        let message = "was trained on another part of these data, and some of it may be tested here; give its --split";
        return Err(Error::File { path, message: message.into() });
    }
    model.embeddings.evaluate(&data.train.interactions, &data.test, &CUTOFFS)
}
