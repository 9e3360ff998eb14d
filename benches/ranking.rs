//! Full ranking of all items for all users, and a whole evaluation with four metrics.
//!
//! `cargo bench --bench ranking`; on a GPU the vectors lie there, and each user's best items are copied back.

mod common;

use common::Bench;
use common::data::read;
use criterion::Throughput;
use viral::Result;
use viral::data::Part;
use viral::model::Embeddings;

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
        let z = Embeddings::new(bench.leaf([n_users, d], 1).inner(), bench.leaf([n_items, d], 2).inner(), "noise");
        if bench.on_cpu {
            let z = z.to_host();
            bench.time("rank", d, operations(n_users), || z.rank(seen, &all, K));
            bench.time("evaluate", d, operations(with_truth), || z.evaluate(&data, Part::Valid, &CUTOFFS));
        } else {
            bench.time("rank", d, operations(n_users), || z.rank(seen, &all, K));
            bench.time("evaluate", d, operations(with_truth), || z.evaluate(&data, Part::Valid, &CUTOFFS));
        }
    }
    bench.finish();
    Ok(())
}
