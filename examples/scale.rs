//! Measures memory and time of training VIRAL against the size of the catalogue, up to a million items and a million
//! users.
//!
//! ```text
//! cargo run --release --example scale -- --items 10000,30000,100000,300000,1000000
//! ```
//!
//! Each size is a synthetic catalogue with as many users as items, 20 interactions per user, and 128 text and 128
//! visual features per item; an epoch has 16 steps, and the items' neighbours are found by cluster search. Each size
//! runs in its own process, whose peak memory is measured. Expected: a table and out/scale.svg; memory and time grow
//! linearly with the number of items, and with two cores an epoch of a million takes a quarter of an hour and 14 GiB.

mod common;

use clap::Parser;
use common::catalogue::{self, features, interactions};
use common::system::peak_rss_mb;
use common::{note, say};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;
use viral::data::{Sampler, StepKey, TrainSet, WholeFile, is_there, read_file, write_whole};
use viral::model::{Batch, Trainable};
use viral::nn::Init;
use viral::prelude::Device;
use viral::report::{Plot, Table};
use viral::train::{Adam, AdamConfig};
use viral::{Error, Result};

/// Steps per epoch: batches grow with the catalogue.
const STEPS: usize = 16;

/// Measures memory and time of training against the size of the catalogue.
#[derive(Parser, Debug)]
struct Args {
    /// Numbers of items, ascending
    #[arg(long, value_delimiter = ',', default_value = "3000,10000,30000")]
    items: Vec<usize>,
    /// File for the plot
    #[arg(long, default_value = "out/scale.svg")]
    plot: PathBuf,
    /// Steps to run: all 16 of an epoch, or fewer for a first look
    #[arg(long, default_value_t = STEPS)]
    steps: usize,
    /// Runs one size in this process and prints its measurements as JSON
    #[arg(long, hide = true)]
    one: Option<usize>,
}

/// The measurements of one size.
#[derive(Serialize, Deserialize)]
struct Measured {
    n_items: usize,
    n_pairs: usize,
    n_steps: usize,
    graph_seconds: f64,
    step_seconds: f64,
    /// Peak memory of the whole process; `None` if the system does not report it.
    peak_mb: Option<f64>,
}

impl Measured {
    fn peak_gib(&self) -> Option<f64> {
        self.peak_mb.map(|mb| mb * 1e6 / f64::from(1 << 30))
    }
}

fn main() -> Result<()> {
    let args: Args = viral::args::parse();
    if let Some(n) = args.one {
        let measured = measure(n, args.steps)?;
        return say!("{}", serde_json::to_string(&measured).map_err(|e| Error::Config(e.to_string()))?);
    }
    check_plot(&args.plot)?;
    let mut all = Vec::new();
    for &n in &args.items {
        note!("{n} items …");
        let measured = in_a_process(n, args.steps)?;
        let memory = measured.peak_gib().unwrap_or(f64::NAN);
        note!("{n} items: {:.2} s a step, {memory:.2} GiB", measured.step_seconds);
        all.push(measured);
    }
    let mut table = Table::new(["items = users", "interactions", "graphs, s", "steps", "step, s", "peak memory, GiB"]);
    for m in &all {
        table.row([
            m.n_items.to_string(),
            m.n_pairs.to_string(),
            format!("{:.1}", m.graph_seconds),
            m.n_steps.to_string(),
            format!("{:.2}", m.step_seconds),
            m.peak_gib().map_or("unknown".to_string(), |gib| format!("{gib:.2}")),
        ]);
    }
    say!("{}", table.to_text().trim_end())?;
    if all.len() > 1 {
        plot(&args, &all)?;
    }
    Ok(())
}

/// Checks before the work, not after it, that the plot can be written and replaces nothing but an earlier plot.
fn check_plot(path: &Path) -> Result<()> {
    let unfinished = WholeFile::create(path)?;
    let is_other = is_there(path)? && !matches!(&*read_file(path)?, [] | [b'<', b's', b'v', b'g', ..]);
    drop(unfinished);
    match is_other {
        true => Err(Error::file(path, "is there already and no plot; name another file, or move this one away")),
        false => Ok(()),
    }
}

/// Writes both plots side by side.
fn plot(args: &Args, all: &[Measured]) -> Result<()> {
    let points = |y: &dyn Fn(&Measured) -> Option<f64>| {
        all.iter().map(|m| Some((m.n_items as f64, y(m)?))).collect::<Option<Vec<_>>>()
    };
    let seconds = points(&|m| Some(m.step_seconds));
    let gibibytes = points(&Measured::peak_gib);
    let plots: Vec<Plot> = [("peak memory", "GiB", gibibytes), ("a step", "seconds", seconds)]
        .into_iter()
        .filter_map(|(title, unit, points)| Some(Plot::new(title, "items", unit, points?)))
        .collect();
    let mut svg = format!("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} 320\">\n", 420 * plots.len());
    for (i, plot) in plots.iter().enumerate() {
        let part = plot.to_svg().replacen("<svg ", &format!("<svg x=\"{}\" width=\"420\" ", 420 * i), 1);
        svg.push_str(&part);
    }
    svg.push_str("</svg>\n");
    write_whole(&args.plot, svg.as_bytes())?;
    for (name, plot) in ["memory", "time of a step"].iter().rev().zip(plots.iter().rev()) {
        say!("{name} grows as items to the power of {:.2}", plot.exponent())?;
    }
    say!("the plot is in {}", args.plot.display())
}

fn in_a_process(n: usize, n_steps: usize) -> Result<Measured> {
    let failed = |path: &Path, source| Error::Io { path: path.to_path_buf(), source };
    let program = std::env::current_exe().map_err(|source| failed(Path::new("this program"), source))?;
    let mut command = Command::new(&program);
    command.args(["--one", &n.to_string(), "--steps", &n_steps.to_string()]);
    // The allocator returns freed memory at once, so that the peak is memory in use.
    let output = command.env("MIMALLOC_PURGE_DELAY", "0").output().map_err(|source| failed(&program, source))?;
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        Error::Data(format!("{n} items: the process ended with {} and said: {said}", output.status))
    })
}

fn measure(n: usize, n_steps: usize) -> Result<Measured> {
    let data = TrainSet { interactions: interactions(n), features: features(n) };
    let config = catalogue::viral();
    let (device, start) = (Device::default().autodiff(), Instant::now());
    let mut model = config.init(&data, &mut Init::new(0, &device))?;
    let graph_seconds = start.elapsed().as_secs_f64();
    // The model has its own copy of the features.
    let interactions = data.interactions;
    let n_pairs = interactions.n_pairs();
    let order = Sampler::new(0, n_pairs.div_ceil(STEPS)).epoch(&interactions, 0);
    model.begin_epoch(0, 0)?;
    if order.n_steps() == 0 {
        return Err(Error::Data(format!(
            "{n} items: every user has them all, so there is nothing to learn; take more"
        )));
    }
    let n_steps = n_steps.clamp(1, order.n_steps());
    let start = Instant::now();
    let mut adam = Adam::new(AdamConfig::default());
    for triplets in order.batches().take(n_steps) {
        let objective = model.objective(&Batch::new(&triplets, StepKey::default(), &device)).total();
        let gradients = objective.backward();
        model = adam.step(model, gradients);
    }
    let step_seconds = start.elapsed().as_secs_f64() / n_steps as f64;
    Ok(Measured { n_items: n, n_pairs, n_steps, graph_seconds, step_seconds, peak_mb: peak_rss_mb() })
}
