//! The user-user graph of common items; the last part of the id is the number of neighbours.
//!
//! `cargo bench --bench user_graph`; always on the CPU.

mod common;

use common::Bench;
use common::data::read;
use criterion::Throughput;
use viral::Result;
use viral::graph::{NeighborWeight, user_cooccurrence};

fn main() -> Result<()> {
    let data = read()?;
    let mut bench = Bench::start(&data)?;
    let train = &data.train.interactions;
    // Each item contributes all pairs of its users.
    let meetings: u64 = train.item_degrees().iter().map(|&degree| u64::from(degree).pow(2)).sum();
    for k in [10, 40, 80] {
        let graph = || user_cooccurrence(train, k, NeighborWeight::Softmax);
        bench.time("user_cooccurrence", k, Throughput::Elements(meetings), graph);
    }
    bench.finish();
    Ok(())
}
