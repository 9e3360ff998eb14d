//! Measures memory and time of training LightGCN or VIRAL over the ranks of an MPI job.
//!
//! ```text
//! cargo build --release --features mpi --example many_machines
//! mpirun -n 2 target/release/examples/many_machines --items 300000
//! ```
//!
//! The catalogue is synthetic: as many users as items, 20 interactions per user; for VIRAL, 128 text and 128 visual
//! features per item. Without `mpirun`, one process trains as [`Recipe::run`] does, for comparison. Expected: seconds
//! before the first step and per step, and for each rank its memory before training and at its peak, its rows and its nonzeros.

mod common;

use clap::Parser;
use common::catalogue::{self, features, interactions};
use common::system::peak_rss_mb;
use common::{note, say};
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::time::Instant;
use viral::data::{Dataset, Features, Interactions, TrainSet};
use viral::dist::{Collective, Job, Mpi};
use viral::model::ModelConfig;
use viral::prelude::{Device, Recipe};
use viral::recipe::Progress;
use viral::{Error, Result};

/// Measures memory and time of training over ranks.
#[derive(Parser, Debug)]
struct Args {
    /// Model to train
    #[arg(long, value_enum, default_value = "lightgcn")]
    model: Row,
    /// Number of items, and of users
    #[arg(long, default_value_t = 30_000)]
    items: usize,
    /// Triplets per step
    #[arg(long, default_value_t = 8192)]
    batch_size: usize,
    /// Number of steps
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..))]
    steps: u16,
    /// Threads per rank
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Row {
    #[value(name = "lightgcn")]
    LightGcn,
    Viral,
}

fn main() -> Result<()> {
    let args: Args = viral::args::parse();
    let threads = rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global();
    threads.map_err(|e| Error::Config(format!("threads: {e}")))?;
    Mpi::run(|world| measure(world, &args), |error| note!("{error}"))
}

fn measure(world: &Mpi, args: &Args) -> Result<()> {
    let n = args.items;
    let none = || Interactions::from_pairs(n, n, &[]);
    let (recipe, features) = match args.model {
        Row::LightGcn => (Recipe::lightgcn(), Features::new()),
        Row::Viral => (Recipe::new(ModelConfig::Viral(catalogue::viral())), features(n)),
    };
    let data = Dataset::new("made-up", TrainSet { interactions: interactions(n), features }, none(), none())?;
    let recipe = recipe.batch_size(args.batch_size).fixed_epochs(1);
    let (ready, start) = (peak_rss_mb(), Instant::now());
    let ends = RefCell::new(Vec::new());
    let observe = |progress: &Progress| {
        ends.borrow_mut().push(Instant::now());
        match progress.steps().0 >= usize::from(args.steps) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    };
    let sizes = match world.size() {
        1 => {
            recipe.runner(&data, &Device::flex()).observe(observe).run()?;
            [n, n, 0]
        }
        _ => Job::new(world, &recipe, data).observe(observe).run()?.own_sizes(),
    };
    let own =
        serde_json::json!({ "ready_mb": ready, "peak_mb": peak_rss_mb(), "rows": &sizes[..2], "nonzeros": sizes[2] });
    let all = world.all_gather_bytes(own.to_string().as_bytes())?;
    if world.rank() == 0 {
        let ends = ends.borrow();
        let (first, last) = (ends.first(), ends.last());
        let seconds = first.zip(last).map(|(first, last)| (*last - *first).as_secs_f64() / (ends.len() - 1) as f64);
        let (step, ranks, threads) = (seconds.unwrap_or(f64::NAN), world.size(), args.threads);
        // Graphs, for VIRAL, and parameters: the time until the first step ended, less a step.
        let made = first.map_or(f64::NAN, |first| (*first - start).as_secs_f64() - step);
        say!("{n} items, {ranks} ranks of {threads} threads: {made:.1} s before the first step, {step:.2} s a step")?;
        for (rank, own) in all.iter().enumerate() {
            say!("rank {rank}: {}", String::from_utf8_lossy(own))?;
        }
    }
    Ok(())
}
