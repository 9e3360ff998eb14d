//! The limits of this machine: bytes copied and operations multiplied per second, in cache and in memory.
//!
//! `cargo bench --bench floors`; the other benches are compared with these figures (README).

mod common;

use burn::tensor::Tensor;
use common::data::read;
use common::{Bench, noise};
use criterion::Throughput;
use rayon::prelude::*;
use viral::Result;

fn main() -> Result<()> {
    let mut bench = Bench::start(&read()?)?;
    for mib in [4, 256] {
        let n = mib << 18;
        let bytes = Throughput::Bytes((2 * n * size_of::<f32>()) as u64); // one read, one write
        let values = noise(n, 1);
        if bench.on_cpu {
            let mut to = vec![0f32; n];
            bench.time("copy", mib, bytes, || copy(&values, &mut to));
        } else {
            let x = Tensor::<1>::from_floats(values.as_slice(), &bench.device.clone().inner());
            bench.time("copy", mib, bytes, || x.clone() * 2.0);
        }
    }
    for n in [512, 2048] {
        let (a, b) = (bench.leaf([n, n], 1).inner(), bench.leaf([n, n], 2).inner());
        let operations = Throughput::Elements(2 * (n as u64).pow(3));
        bench.time("gemm", n, operations, || a.clone().matmul(b.clone()));
    }
    bench.finish();
    Ok(())
}

/// Copies with all threads, in chunks that fit a core's own cache.
fn copy(from: &[f32], to: &mut [f32]) {
    const CHUNK: usize = 1 << 15;
    to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| to.copy_from_slice(from));
}
