//! Full ranking of all items for all users, and a whole evaluation with four metrics.
//!
//! `cargo bench --bench ranking`; on the CPU whatever the device.

mod common;

use common::data::read;
use common::{Bench, noise};
use criterion::Throughput;
use viral::Result;
use viral::eval::{evaluate, rank};

const K: usize = 50;
const CUTOFFS: [usize; 4] = [5, 10, 20, 50];

fn main() -> Result<()> {
    let data = read()?;
    let mut bench = Bench::start(&data)?;
    let seen = &data.train.interactions;
    let (n_users, n_items) = (seen.n_users(), seen.n_items());
    let all: Vec<u32> = (0..n_users as u32).collect();
    let with_truth = (0..n_users).filter(|&user| !data.valid.of_user(user).is_empty()).count();
    for d in [64, 192] {
        let operations = |users: usize| Throughput::Elements((2 * users * n_items * d) as u64);
        let (users, items) = (noise(n_users * d, 1), noise(n_items * d, 2));
        bench.time("rank", d, operations(n_users), || rank(&users, &items, d, seen, &all, K));
        let evaluation = || evaluate(&users, &items, d, seen, &data.valid, &CUTOFFS);
        bench.time("evaluate", d, operations(with_truth), evaluation);
    }
    bench.finish();
    Ok(())
}
