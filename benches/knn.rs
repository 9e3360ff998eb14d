//! Exact nearest neighbours of all items: one modality, and the mean of both.
//!
//! `cargo bench --bench knn`; always on the CPU.

mod common;

use common::data::{features, read};
use common::{Bench, noise};
use criterion::Throughput;
use viral::Result;
use viral::data::{ItemFeatures, Modality};
use viral::graph::knn_exact;

const K: usize = 10;

fn main() -> Result<()> {
    let data = read()?;
    let mut bench = Bench::start(&data)?;
    let one = features(&data)?;
    let operations = |width: usize| Throughput::Elements((2 * one.n_items() * one.n_items() * width) as u64);
    let width = one.width();
    bench.time("nearest_neighbors", width, operations(width), || knn_exact(&[one], K, true));
    if let Ok([text, visual]) = data.features().require([Modality::Text, Modality::Visual], "this bench") {
        let (both, width) = ([visual, text], text.width() + visual.width());
        let search = || knn_exact(&both, K, false);
        bench.time("nearest_neighbors_by_mean", width, operations(width), search);
    }
    if std::env::var_os("VIRAL_BENCH_SLOW").is_some() {
        // As many items as Amazon Sports has.
        let (n, width) = (18_357, 384);
        let items = ItemFeatures::new(n, width, noise(n * width, 3))?;
        let operations = Throughput::Elements((2 * n * n * width) as u64);
        bench.time("nearest_neighbors_of_18357", width, operations, || knn_exact(&[&items], K, true));
    }
    bench.finish();
    Ok(())
}
