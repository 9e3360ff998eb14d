//! Latency and throughput of a recommender: how long one user waits, how many users a second are served in bulk, and
//! the memory besides vectors.
//!
//! `cargo bench --bench serving` has Amazon Baby's numbers of users and items, with vectors of 192 numbers; with
//! `VIRAL_BENCH_SLOW` also a million items. Waiting times have tails, so medians and 99 % quantiles are printed;
//! criterion has means. Then the time to add a new item is measured: to VIRAL with 384 + 384 numbers of features, and,
//! for a million items, by nearest neighbours with 128 + 128.

mod common;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use common::noise;
use std::sync::Barrier;
use std::time::Instant;
use viral::Result;
use viral::data::{ItemFeatures, Modality};
use viral::model::ModelConfig;
use viral::nn::Init;
use viral::prelude::*;
use viral::report::Table;
use viral::serve::NewItems;

const D: usize = 192;
const K: usize = 10;

/// Untrained vectors.
#[derive(Module, Debug)]
struct Noise {
    users: Tensor<2>,
    items: Tensor<2>,
}

impl Embed for Noise {
    fn embed(&self) -> Embeddings {
        let blocks = ["text", "synergy", "visual"].map(|name| (name.to_string(), D / 3)).to_vec();
        Embeddings::with_blocks(self.users.clone(), self.items.clone(), blocks)
    }
}

fn main() -> Result<()> {
    let mut table =
        Table::new(["users", "items", "threads", "one user: median, ms", "p99, ms", "bulk, users/s", "overhead, %"]);
    let baby = recommender(19_445, 7_050, 8, 0, &"noise")?;
    row(&mut table, &baby, 2, 5000)?;
    if std::env::var_os("VIRAL_BENCH_SLOW").is_some() {
        let million = recommender(2_000, 1_000_000, 8, 0, &"noise")?;
        row(&mut table, &million, 1, 100)?;
    }
    print!("{}", table.to_text());
    let mut table = Table::new(["items", "features", "adding one item: median, ms", "largest, ms"]);
    let data = data(19_445, 7_050, 8, 384)?;
    let config = ModelConfig::by_name("viral")?;
    let model = config.init(&data.train, &mut Init::new(0, &Device::default()))?;
    added(&mut table, Recommender::new(&model, &config, &data)?, 384, 100)?;
    drop(model);
    if std::env::var_os("VIRAL_BENCH_SLOW").is_some() {
        added(&mut table, recommender(2_000, 1_000_000, 500, 128, &ModelConfig::by_name("lightgcn")?)?, 128, 20)?;
    }
    print!("\n{}", table.to_text());
    Ok(())
}

/// Times adding items one by one.
fn added(table: &mut Table, mut recommender: Recommender, width: usize, n_calls: usize) -> Result<()> {
    let n_items = recommender.items().len();
    let mut waits = Vec::new();
    for call in 0..n_calls {
        let new = NewItems::new([format!("new {call}")], features(1, width, 10 + call as u64)?)?;
        let start = Instant::now();
        recommender.add_items(&new)?;
        waits.push(start.elapsed().as_secs_f64() * 1e3);
    }
    waits.sort_by(f64::total_cmp);
    let [median, largest] = [waits[n_calls / 2], waits[n_calls - 1]].map(|ms| format!("{ms:.2}"));
    table.row([n_items.to_string(), format!("{width} + {width}"), median, largest]);
    Ok(())
}

/// Noise as text and visual features; none if the width is 0.
fn features(n_items: usize, width: usize, tag: u64) -> Result<Features> {
    let mut features = Features::new();
    for (modality, tag) in [(Modality::Text, 2 * tag), (Modality::Visual, 2 * tag + 1)] {
        if width > 0 {
            features.insert(modality, ItemFeatures::new(n_items, width, noise(n_items * width, tag))?);
        }
    }
    Ok(features)
}

fn data(n_users: usize, n_items: usize, history: usize, width: usize) -> Result<Dataset> {
    let pairs: Vec<(u32, u32)> = (0..n_users * history)
        .map(|i| ((i / history) as u32, (viral::data::splitmix64(i as u64) % n_items as u64) as u32))
        .collect();
    let train = TrainSet {
        interactions: Interactions::from_pairs(n_users, n_items, &pairs),
        features: features(n_items, width, 3)?,
    };
    let none = Interactions::from_pairs(n_users, n_items, &[]);
    let ids = |prefix: char, n: usize| (0..n).map(|i| format!("{prefix}{i:09}")).collect::<Vec<_>>();
    let titles = (0..n_items).map(|i| format!("A wooden rattle for the first months, no. {i}")).collect();
    Dataset::new("noise", train, none.clone(), none)?
        .with_user_ids(ids('u', n_users))?
        .with_item_ids(ids('i', n_items))?
        .with_titles(titles)
}

/// A recommender with noise as vectors, and the settings of some model.
fn recommender<C: serde::Serialize>(
    n_users: usize,
    n_items: usize,
    history: usize,
    width: usize,
    config: &C,
) -> Result<Recommender> {
    let data = data(n_users, n_items, history, width)?;
    let device = Device::default();
    let tensor = |n: usize, tag: u64| Tensor::from_data(TensorData::new(noise(n * D, tag), [n, D]), &device);
    Recommender::new(&Noise { users: tensor(n_users, 1), items: tensor(n_items, 2) }, config, &data)
}

fn row(table: &mut Table, recommender: &Recommender, n_threads: usize, n_calls: usize) -> Result<()> {
    let users: Vec<&str> = recommender.users().collect();
    let start_together = Barrier::new(n_threads);
    let mut waits: Vec<f64> = std::thread::scope(|scope| {
        let calls = |thread: usize| {
            let (users, start_together) = (&users, &start_together);
            move || {
                start_together.wait();
                let wait = |call: usize| {
                    let (user, start) = (users[(call * 7919 + thread * 131) % users.len()], Instant::now());
                    let found = recommender.recommend(user, K)?;
                    assert_eq!(found.len(), K);
                    Ok(start.elapsed().as_secs_f64() * 1e3)
                };
                (0..n_calls / 10).try_for_each(|call| wait(call).map(drop))?; // the caches warm up
                (0..n_calls).map(wait).collect::<Result<Vec<f64>>>()
            }
        };
        let threads: Vec<_> = (0..n_threads).map(|thread| scope.spawn(calls(thread))).collect();
        let waits = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Ok(Vec::new())));
        waits.collect::<Result<Vec<_>>>().map(|all| all.concat())
    })?;
    waits.sort_by(f64::total_cmp);
    let quantile = |q: f64| format!("{:.3}", waits[((waits.len() - 1) as f64 * q) as usize]);
    let mut best = 0f64;
    for _ in 0..3 {
        let start = Instant::now();
        let all = recommender.recommend_many(&users, &RecommendOptions::new(K))?;
        best = best.max(all.len() as f64 / start.elapsed().as_secs_f64());
    }
    let vectors = 4 * D * (users.len() + recommender.items().len());
    table.row([
        users.len().to_string(),
        recommender.items().len().to_string(),
        n_threads.to_string(),
        quantile(0.5),
        quantile(0.99),
        format!("{best:.0}"),
        format!("{:.1}", recommender.overhead_bytes() as f64 / vectors as f64 * 100.0),
    ]);
    Ok(())
}
