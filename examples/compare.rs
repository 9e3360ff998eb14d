//! Two saved models on the test part of one data set, user by user: is one better, and how sure is that?
//!
//! ```text
//! cargo run --release --example train_baby -- --model lightgcn    # saves out/planted-lightgcn-default-seed0/model.safetensors
//! cargo run --release --example train_baby -- --model viral       # saves out/planted-viral-default-seed0/model.safetensors
//! cargo run --release --example compare -- out/planted-viral-default-seed0 out/planted-lightgcn-default-seed0
//! ```
//!
//! Expected: a table of both, and the mean difference of recall@20 with its 95 % interval, in a few seconds.

mod common;

use clap::Parser;
use std::path::{Path, PathBuf};
use viral::args::DataArgs;
use viral::prelude::*;
use viral::report::Table;
use viral::{Error, Result};

/// Where metrics are cut off.
const CUTOFFS: [usize; 2] = [10, 20];

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
        let figures = [metrics.recall(10), metrics.recall(20), metrics.ndcg(10), metrics.ndcg(20)];
        let figures = figures.map(|x| format!("{x:.5}"));
        table.row([path.display().to_string()].into_iter().chain(figures));
    }
    print!("{}", table.to_text());
    let d = paired_bootstrap(&first, &second, Metric::Recall, 20, args.resamples, args.seed)?;
    let n_users = first.users().len();
    println!("\nrecall@20 over {n_users} users: {:+.5}, 95 % interval {:+.5} to {:+.5}", d.mean, d.low, d.high);
    Ok(())
}

fn measure(path: &Path, data: &Dataset) -> Result<Metrics> {
    let model = Recommender::load(path)?;
    let file = |message: String| Err(Error::File { path: path.to_path_buf(), message });
    if !model.users().eq(data.user_ids.iter()) || !model.items().eq(data.item_ids.iter()) {
        let (trained, here) = (model.data_name(), &data.name);
        return file(format!("was trained on '{trained}': other users or items than those of '{here}'"));
    }
    if *model.train_interactions() != data.train.interactions {
        let message = "was trained on another part of these data, and some of it may be tested here; give its --split";
        return file(message.into());
    }
    model.embeddings().evaluate(data, Part::Test, &CUTOFFS)
}
