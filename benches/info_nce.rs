//! Symmetric InfoNCE over all items, exact, forward and backward.
//!
//! `cargo bench --bench info_nce`; with `VIRAL_BENCH_SLOW=1` also the reference, which holds several matrices of all pairs
//! of items (200 MB each for Baby).

mod common;

use burn::tensor::Tensor;
use common::Bench;
use common::data::read;
use criterion::Throughput;
use viral::Result;
use viral::loss::{info_nce, reference_info_nce};

type InfoNce = fn(Tensor<2>, Tensor<2>, f32) -> Tensor<1>;

const TEMPERATURE: f32 = 0.1;

fn main() -> Result<()> {
    let data = read()?;
    let mut bench = Bench::start(&data)?;
    let n = data.train.interactions.n_items();
    let slow = std::env::var_os("VIRAL_BENCH_SLOW").is_some();
    for d in [64, 384] {
        // One product for the logits, and one with them for the gradient of each side.
        let operations = Throughput::Elements((6 * n * n * d) as u64);
        let (a, b) = (bench.leaf([n, d], 1), bench.leaf([n, d], 2));
        let works = [
            ("info_nce_forward_backward", info_nce as InfoNce),
            ("reference_info_nce_forward_backward", reference_info_nce),
        ];
        for (work, loss) in works.into_iter().take(1 + usize::from(slow)) {
            bench.time(work, d, operations.clone(), || loss(a.clone(), b.clone(), TEMPERATURE).backward());
        }
    }
    bench.finish();
    Ok(())
}
