//! Sparse products over the user-item graph, and their references.
//!
//! `cargo bench --bench spmm`; `spmm_forward_backward` is the work of the PyTorch peer.

mod common;

use burn::tensor::Tensor;
use common::Bench;
use common::data::read;
use criterion::Throughput;
use viral::Result;
use viral::graph::bipartite_adjacency;
use viral::ops::{
    SparseMatrix, reference_spmm, reference_spmm_polynomial, reference_spmm_values, spmm, spmm_polynomial, spmm_values,
};

type Spmm = fn(&SparseMatrix, Tensor<2>) -> Tensor<2>;
type Polynomial = fn(&SparseMatrix, Tensor<2>, &[f32]) -> Tensor<2>;
type Values = fn(&SparseMatrix, Tensor<1>, Tensor<2>) -> Tensor<2>;

/// LightGCN's mean of two layers.
const MEAN: [f32; 3] = [1.0 / 3.0; 3];

fn main() -> Result<()> {
    let data = read()?;
    let mut bench = Bench::start(&data)?;
    let a = SparseMatrix::new(&bipartite_adjacency(&data.train.interactions, 0.0), &bench.device);
    let [n, _] = a.dims();
    for d in [64, 192] {
        // For each nonzero a value, a column and a row of X are read; each row of Y is written.
        let bytes = |products: usize| Throughput::Bytes((products * (a.nnz() * (8 + 4 * d) + n * (4 + 4 * d))) as u64);
        let x = bench.leaf([n, d], 1);
        let plain = x.clone().inner();
        bench.time("spmm_forward", d, bytes(1), || spmm(&a, plain.clone()));
        for (work, product) in [("spmm", spmm as Spmm), ("reference_spmm", reference_spmm)] {
            let work = format!("{work}_forward_backward");
            bench.time(&work, d, bytes(2), || product(&a, x.clone()).sum().backward());
        }
        for (work, product) in [
            ("spmm_polynomial", spmm_polynomial as Polynomial),
            ("reference_spmm_polynomial", reference_spmm_polynomial),
        ] {
            let work = format!("{work}_forward_backward");
            bench.time(&work, d, bytes(4), || product(&a, x.clone(), &MEAN).sum().backward());
        }
    }
    let d = 64;
    let bytes = Throughput::Bytes((3 * a.nnz() * (8 + 4 * d) + 4 * n * (4 + 4 * d)) as u64);
    let (values, x) = (bench.leaf([a.nnz()], 2), bench.leaf([n, d], 1));
    for (work, product) in [("spmm_values", spmm_values as Values), ("reference_spmm_values", reference_spmm_values)] {
        let work = format!("{work}_forward_backward");
        bench.time(&work, d, bytes.clone(), || product(&a, values.clone(), x.clone()).sum().backward());
    }
    bench.finish();
    Ok(())
}
