//! Exact nearest neighbours of all items: one modality, and the mean of both.
//!
//! `cargo bench --bench knn`; on the CPU whatever the device.

mod common;

use common::Bench;
use common::data::{features, read};
use criterion::Throughput;
use viral::Result;
use viral::graph::{nearest_neighbors, nearest_neighbors_by_mean};

const K: usize = 10;

fn main() -> Result<()> {
    let data = read()?;
    let mut bench = Bench::start(&data)?;
    let one = features(&data)?;
    let operations = |width: usize| Throughput::Elements((2 * one.n_items() * one.n_items() * width) as u64);
    let width = one.width();
    bench.time("nearest_neighbors", width, operations(width), || nearest_neighbors(one, K, true));
    if let (Some(text), Some(visual)) = (&data.train.text, &data.train.visual) {
        let (both, width) = ([visual, text], text.width() + visual.width());
        let search = || nearest_neighbors_by_mean(&both, K, false);
        bench.time("nearest_neighbors_by_mean", width, operations(width), search);
    }
    bench.finish();
    Ok(())
}
